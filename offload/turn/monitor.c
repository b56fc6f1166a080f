/* SPDX-License-Identifier: BSD-2-Clause */
/* See monitor.h. */
#include "monitor.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <stdlib.h>
#include <sys/socket.h>

#define READS	   256	     /* datagrams in one call, of each socket */
#define ROOM_BYTES (8 << 20) /* a resolver beside the server closes sockets by the thousands */

/* libnl has numbers of its own. */
static int to_errno(int nl_err)
{
	switch (-nl_err) {
	case NLE_SUCCESS:
		return 0;
	case NLE_AGAIN:
		return -EAGAIN;
	case NLE_NOMEM:
		return -ENOMEM;
	case NLE_PERM:
	case NLE_NOACCESS:
		return -EPERM;
	case NLE_OBJ_NOTFOUND:
		return -ENOENT;
	default:
		return -EPROTONOSUPPORT;
	}
}

static struct nl_sock *open_socket(int protocol, int *ret_err)
{
	struct nl_sock *sock = nl_socket_alloc();
	int room = ROOM_BYTES, err;

	*ret_err = -ENOMEM;
	if (!sock)
		return NULL;
	nl_socket_disable_seq_check(sock);
	err = nl_connect(sock, protocol);
	if (err) {
		*ret_err = to_errno(err);
		nl_socket_free(sock);
		return NULL;
	}
	/* More than an administrator allows for all: a burst of sockets' ends is not to be lost. */
	(void)setsockopt(nl_socket_get_fd(sock), SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	*ret_err = 0;
	return sock;
}

/* Asking for UDP sockets in no state at all loads what also tells of their ends, or fails. */
static int probe_udp(struct nl_sock *sock, __u8 family)
{
	struct inet_diag_req_v2 request = {.sdiag_family = family, .sdiag_protocol = IPPROTO_UDP};
	int err = nl_send_simple(sock, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &request, sizeof(request));

	return err < 0 ? to_errno(err) : to_errno(nl_recvmsgs_default(sock));
}

static int open_sockets(struct inlay_turn_monitor *m)
{
	int err;

	m->sockets = open_socket(NETLINK_SOCK_DIAG, &err);
	if (err)
		return err;
	err = probe_udp(m->sockets, AF_INET);
	if (err)
		return err;
	err = to_errno(nl_socket_add_memberships(m->sockets, SKNLGRP_INET_UDP_DESTROY,
						 SKNLGRP_INET6_UDP_DESTROY, 0));
	if (!err)
		err = to_errno(nl_socket_set_nonblocking(m->sockets));
	return err;
}

int inlay_turn_monitor_init(struct inlay_turn_monitor *m)
{
	int err;

	*m = (struct inlay_turn_monitor){0};
	m->route = open_socket(NETLINK_ROUTE, &err);
	if (err)
		return err;
	err = nl_socket_add_memberships(m->route, RTNLGRP_LINK, RTNLGRP_NEIGH, RTNLGRP_IPV4_IFADDR,
					RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE,
					RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE, RTNLGRP_NEXTHOP, 0);
	if (!err)
		err = nl_socket_set_nonblocking(m->route);
	if (err)
		return to_errno(err);
	m->sockets_err = open_sockets(m);
	if (m->sockets_err && m->sockets) {
		nl_socket_free(m->sockets);
		m->sockets = NULL;
	}
	return 0;
}

void inlay_turn_monitor_fini(struct inlay_turn_monitor *m)
{
	nl_socket_free(m->route);
	nl_socket_free(m->sockets);
	*m = (struct inlay_turn_monitor){0};
}

void inlay_turn_monitor_fds(const struct inlay_turn_monitor *m, int ret_fds[2])
{
	ret_fds[0] = nl_socket_get_fd(m->route);
	ret_fds[1] = m->sockets ? nl_socket_get_fd(m->sockets) : -1;
}

/* --- Reading -------------------------------------------------------------------------------- */

static int on_route(struct nl_msg *msg, void *arg)
{
	struct inlay_turn_news *news = arg;
	int type = nlmsg_hdr(msg)->nlmsg_type;

	if (type == RTM_NEWLINK || type == RTM_DELLINK)
		news->links = true;
	news->hops = true;
	return NL_OK;
}

struct gone {
	void (*call)(void *user, __u64 cookie);
	void *user;
};

static int on_socket(struct nl_msg *msg, void *arg)
{
	const struct gone *gone = arg;
	const struct nlmsghdr *header = nlmsg_hdr(msg);
	const struct inet_diag_msg *diag = nlmsg_data(header);

	if (header->nlmsg_type != SOCK_DIAG_BY_FAMILY ||
	    nlmsg_datalen(header) < (int)sizeof(*diag) || !gone->call)
		return NL_OK;
	gone->call(gone->user, (__u64)diag->id.idiag_cookie[1] << 32 | diag->id.idiag_cookie[0]);
	return NL_OK;
}

/* Returns how often records were lost. */
static __u32 read_all(struct nl_sock *sock, nl_recvmsg_msg_cb_t call, void *user, bool *ret_more)
{
	__u32 lost = 0;
	int err;

	nl_socket_modify_cb(sock, NL_CB_VALID, NL_CB_CUSTOM, call, user);
	for (int i = 0; i < READS; i++) {
		err = nl_recvmsgs_default(sock);
		if (err == -NLE_AGAIN)
			return lost;
		/* ENOBUFS comes as -NLE_NOMEM; anything else is as good as lost, too. */
		lost += err < 0;
	}
	*ret_more = true;
	return lost;
}

void inlay_turn_monitor_read(struct inlay_turn_monitor *m, void (*gone)(void *user, __u64 cookie),
			     void *user, struct inlay_turn_news *ret_news)
{
	struct gone on_gone = {gone, user};

	*ret_news = (struct inlay_turn_news){0};
	if (read_all(m->route, on_route, ret_news, &ret_news->more)) {
		ret_news->links = true;
		ret_news->hops = true;
	}
	if (m->sockets)
		ret_news->lost = read_all(m->sockets, on_socket, &on_gone, &ret_news->more);
}
