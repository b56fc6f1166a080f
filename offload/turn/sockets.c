/* SPDX-License-Identifier: BSD-2-Clause */
/* See sockets.h. */
#include "sockets.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <string.h>

int inlay_turn_sockets_init(struct inlay_turn_sockets *s)
{
	*s = (struct inlay_turn_sockets){.sock = nl_socket_alloc()};
	if (!s->sock)
		return -ENOMEM;
	nl_socket_disable_seq_check(s->sock);
	nl_socket_disable_auto_ack(s->sock);
	/* The kernel answers before a request has returned: there is nothing to wait for. */
	if (!nl_connect(s->sock, NETLINK_SOCK_DIAG) && !nl_socket_set_nonblocking(s->sock))
		return 0;
	inlay_turn_sockets_fini(s);
	return -EPROTONOSUPPORT;
}

void inlay_turn_sockets_fini(struct inlay_turn_sockets *s)
{
	nl_socket_free(s->sock);
	*s = (struct inlay_turn_sockets){0};
}

struct search {
	__u64 cookie;
	bool found;
};

static int on_socket(struct nl_msg *msg, void *arg)
{
	const struct nlmsghdr *header = nlmsg_hdr(msg);
	const struct inet_diag_msg *diag = nlmsg_data(header);
	struct search *search = arg;

	if (header->nlmsg_type == SOCK_DIAG_BY_FAMILY &&
	    nlmsg_datalen(header) >= (int)sizeof(*diag))
		search->found |= ((__u64)diag->id.idiag_cookie[1] << 32 |
				  diag->id.idiag_cookie[0]) == search->cookie;
	return NL_OK;
}

static bool ask(struct inlay_turn_sockets *s, __u64 cookie, int flags,
		struct inet_diag_req_v2 *request)
{
	struct search search = {.cookie = cookie};

	request->sdiag_protocol = IPPROTO_UDP;
	request->idiag_states = ~0U;
	nl_socket_modify_cb(s->sock, NL_CB_VALID, NL_CB_CUSTOM, on_socket, &search);
	if (nl_send_simple(s->sock, SOCK_DIAG_BY_FAMILY, flags, request, sizeof(*request)) >= 0)
		(void)nl_recvmsgs_default(s->sock);
	return search.found;
}

/* That which datagrams of |remote| to |local| come to. */
static bool is_at(struct inlay_turn_sockets *s, __u64 cookie, const struct inlay_addr *local,
		  const struct inlay_addr *remote)
{
	/* To UDP's part of sock_diag the source is that of what comes in. */
	struct inet_diag_req_v2 request = {
		.sdiag_family = (__u8)local->family,
		.id = {.idiag_sport = remote->port,
		       .idiag_dport = local->port,
		       .idiag_cookie = {(__u32)cookie, (__u32)(cookie >> 32)}}};

	memcpy(request.id.idiag_src, remote->ip, sizeof(request.id.idiag_src));
	memcpy(request.id.idiag_dst, local->ip, sizeof(request.id.idiag_dst));
	return ask(s, cookie, 0, &request);
}

static bool is_among(struct inlay_turn_sockets *s, __u64 cookie, __u8 family, __be16 port)
{
	/* Here it is the socket's own. */
	struct inet_diag_req_v2 request = {.sdiag_family = family, .id.idiag_sport = port};

	return ask(s, cookie, NLM_F_DUMP, &request);
}

bool inlay_turn_sockets_have(struct inlay_turn_sockets *s, __u64 cookie,
			     const struct inlay_addr *local, const struct inlay_addr *remote,
			     inlay_ns now)
{
	if (!s->sock)
		return false;
	if (is_at(s, cookie, local, remote))
		return true;
	if (s->searched && now < s->searched + INLAY_TURN_SEARCH_EVERY)
		return false;
	s->searched = now;
	/* One of IPv6 may speak IPv4 as well. */
	return is_among(s, cookie, AF_INET6, local->port) ||
	       (local->family == AF_INET && is_among(s, cookie, AF_INET, local->port));
}
