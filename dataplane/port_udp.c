/* SPDX-License-Identifier: BSD-2-Clause */
#include "port_udp.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "addr.h"

/* Control messages of one datagram: packet information, ECN, and the drop counter. */
#define CONTROL_ROOM                                                                               \
	(CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(int)) +                        \
	 CMSG_SPACE(sizeof(__u32)))

#define ECN_MASK 3

struct burst {
	struct mmsghdr msgs[INLAY_PORT_BURST];
	struct iovec iovs[INLAY_PORT_BURST];
	struct sockaddr_storage names[INLAY_PORT_BURST];
	char control[INLAY_PORT_BURST][CONTROL_ROOM] __attribute__((aligned(8)));
};

static int set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) ? -errno : 0;
}

/* RFC 9000 section 14: datagrams are not fragmented, and an ICMP message, which anybody can forge,
 * does not change what we send: hence PROBE and not DO. */
static int set_options(int fd, int family)
{
	int ret;

	if (family == AF_INET6) {
		if ((ret = set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1)) ||
		    (ret = set_int(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)) ||
		    (ret = set_int(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1)) ||
		    (ret = set_int(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE)))
			return ret;
	} else {
		if ((ret = set_int(fd, IPPROTO_IP, IP_PKTINFO, 1)) ||
		    (ret = set_int(fd, IPPROTO_IP, IP_RECVTOS, 1)) ||
		    (ret = set_int(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE)))
			return ret;
	}
	return set_int(fd, SOL_SOCKET, SO_RXQ_OVFL, 1);
}

static void enlarge_buffers(int fd, __u32 bytes)
{
	int value = (int)(bytes > 1U << 30 ? 1U << 30 : bytes);

	if (!value)
		return;
	/* With CAP_NET_ADMIN past the system's limit, else up to it: both are good enough. */
	if (set_int(fd, SOL_SOCKET, SO_RCVBUFFORCE, value))
		set_int(fd, SOL_SOCKET, SO_RCVBUF, value);
	if (set_int(fd, SOL_SOCKET, SO_SNDBUFFORCE, value))
		set_int(fd, SOL_SOCKET, SO_SNDBUF, value);
}

static int bind_to(int fd, const struct inlay_addr *local, struct inlay_addr *ret_bound)
{
	struct sockaddr_storage name;
	socklen_t len = inlay_addr_to_sockaddr(local, &name);

	if (bind(fd, (struct sockaddr *)&name, len))
		return -errno;
	len = sizeof(name);
	if (getsockname(fd, (struct sockaddr *)&name, &len))
		return -errno;
	return inlay_addr_from_sockaddr((struct sockaddr *)&name, ret_bound) ? 0 : -EAFNOSUPPORT;
}

int inlay_port_udp_open(struct inlay_port_udp *port, const struct inlay_port_udp_config *config)
{
	int family = config->local.family;
	int ret;

	*port = (struct inlay_port_udp){.fd = -1, .index = config->index};
	if (family != AF_INET && family != AF_INET6)
		return -EAFNOSUPPORT;
	port->fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_UDP);
	if (port->fd < 0)
		return -errno;
	ret = set_options(port->fd, family);
	if (!ret) {
		enlarge_buffers(port->fd, config->buffer_bytes);
		ret = bind_to(port->fd, &config->local, &port->local);
	}
	if (ret)
		inlay_port_udp_close(port);
	return ret;
}

void inlay_port_udp_close(struct inlay_port_udp *port)
{
	if (port->fd >= 0)
		close(port->fd);
	port->fd = -1;
}

/* --- Receiving ----------------------------------------------------------------------------- */

static void prepare_recv(struct burst *b, struct inlay_frame **frames, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		b->iovs[i] = (struct iovec){.iov_base = frames[i]->data,
					    .iov_len = sizeof(frames[i]->data)};
		b->msgs[i].msg_hdr = (struct msghdr){.msg_name = &b->names[i],
						     .msg_namelen = sizeof(b->names[i]),
						     .msg_iov = &b->iovs[i],
						     .msg_iovlen = 1,
						     .msg_control = b->control[i],
						     .msg_controllen = sizeof(b->control[i])};
	}
}

static void read_pktinfo(const struct cmsghdr *c, struct inlay_frame *f)
{
	if (c->cmsg_level == IPPROTO_IP) {
		struct in_pktinfo info;

		memcpy(&info, CMSG_DATA(c), sizeof(info));
		memcpy(f->path.local.ip, &info.ipi_addr, sizeof(info.ipi_addr));
	} else {
		struct in6_pktinfo info;

		memcpy(&info, CMSG_DATA(c), sizeof(info));
		memcpy(f->path.local.ip, &info.ipi6_addr, sizeof(info.ipi6_addr));
		if (IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr))
			f->path.local.scope_id = info.ipi6_ifindex;
	}
}

static void read_control(struct inlay_port_udp *port, struct msghdr *m, struct inlay_frame *f)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		bool v4 = c->cmsg_level == IPPROTO_IP, v6 = c->cmsg_level == IPPROTO_IPV6;

		if ((v4 && c->cmsg_type == IP_PKTINFO) || (v6 && c->cmsg_type == IPV6_PKTINFO))
			read_pktinfo(c, f);
		else if (v4 && c->cmsg_type == IP_TOS) /* one byte on receive */
			f->ecn = *CMSG_DATA(c) & ECN_MASK;
		else if (v6 && c->cmsg_type == IPV6_TCLASS) {
			int tclass;

			memcpy(&tclass, CMSG_DATA(c), sizeof(tclass));
			f->ecn = tclass & ECN_MASK;
		} else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL)
			memcpy(&port->kernel_drops, CMSG_DATA(c), sizeof(port->kernel_drops));
	}
}

static void finish_recv(struct inlay_port_udp *port, struct mmsghdr *m, struct inlay_frame *f,
			inlay_ns now)
{
	f->len = m->msg_len;
	f->kind = INLAY_FRAME_SEALED;
	f->ecn = 0;
	f->port = port->index;
	f->time = now;
	f->path.local = port->local;
	memset(f->pad, 0, sizeof(f->pad));
	read_control(port, &m->msg_hdr, f);
	if (!inlay_addr_from_sockaddr(m->msg_hdr.msg_name, &f->path.remote) ||
	    m->msg_hdr.msg_flags & MSG_TRUNC) {
		f->len = 0;
		f->kind = 0;
	}
}

size_t inlay_port_udp_recv(struct inlay_port_udp *port, struct inlay_frame **frames, size_t n,
			   inlay_ns now)
{
	struct burst b;
	int got;

	if (n > INLAY_PORT_BURST)
		n = INLAY_PORT_BURST;
	prepare_recv(&b, frames, n);
	/* An error here is one that a peer caused by ICMP, or EAGAIN: nothing was received. */
	got = recvmmsg(port->fd, b.msgs, (unsigned int)n, MSG_DONTWAIT, NULL);
	if (got < 0)
		return 0;
	for (int i = 0; i < got; i++)
		finish_recv(port, &b.msgs[i], frames[i], now);
	return (size_t)got;
}

/* --- Sending ------------------------------------------------------------------------------- */

static struct cmsghdr *put_control(struct msghdr *m, struct cmsghdr *c, int level, int type,
				   const void *data, size_t len)
{
	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(c), data, len);
	m->msg_controllen += CMSG_SPACE(len);
	return (struct cmsghdr *)((char *)c + CMSG_SPACE(len));
}

static bool is_any(const struct inlay_addr *a)
{
	static const __u8 zero[16];

	return memcmp(a->ip, zero, sizeof(zero)) == 0;
}

/* The source address, since a socket bound to all of them would pick the route's, which the peer
 * may not know (RFC 9000 section 9); and the ECN bits, if any. */
static void write_control(struct msghdr *m, char *room, int family, const struct inlay_frame *f)
{
	struct cmsghdr *c = (struct cmsghdr *)room;
	int ecn = f->ecn & ECN_MASK;
	bool v4 = family == AF_INET;

	m->msg_control = room;
	m->msg_controllen = 0;
	if (f->path.local.family == family && !is_any(&f->path.local)) {
		struct in_pktinfo info4 = {0};
		struct in6_pktinfo info6 = {.ipi6_ifindex = f->path.local.scope_id};

		memcpy(&info4.ipi_spec_dst, f->path.local.ip, sizeof(info4.ipi_spec_dst));
		memcpy(&info6.ipi6_addr, f->path.local.ip, sizeof(info6.ipi6_addr));
		if (v4)
			c = put_control(m, c, IPPROTO_IP, IP_PKTINFO, &info4, sizeof(info4));
		else
			c = put_control(m, c, IPPROTO_IPV6, IPV6_PKTINFO, &info6, sizeof(info6));
	}
	if (ecn)
		put_control(m, c, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_TOS : IPV6_TCLASS, &ecn,
			    sizeof(ecn));
	if (!m->msg_controllen)
		m->msg_control = NULL;
}

static void prepare_send(struct burst *b, struct inlay_port_udp *port,
			 struct inlay_frame *const *frames, const __u32 *lens, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct msghdr *m = &b->msgs[i].msg_hdr;

		b->iovs[i] = (struct iovec){.iov_base = frames[i]->data, .iov_len = lens[i]};
		*m = (struct msghdr){
			.msg_name = &b->names[i], .msg_iov = &b->iovs[i], .msg_iovlen = 1};
		m->msg_namelen = inlay_addr_to_sockaddr(&frames[i]->path.remote, &b->names[i]);
		write_control(m, b->control[i], port->local.family, frames[i]);
	}
}

void inlay_port_udp_send(struct inlay_port_udp *port, struct inlay_frame *const *frames,
			 const __u32 *lens, size_t n, struct inlay_port_sent *ret_sent)
{
	struct burst b;

	*ret_sent = (struct inlay_port_sent){0};
	if (n > INLAY_PORT_BURST)
		n = INLAY_PORT_BURST;
	prepare_send(&b, port, frames, lens, n);
	while (ret_sent->done < n) {
		int sent = sendmmsg(port->fd, b.msgs + ret_sent->done,
				    (unsigned int)(n - ret_sent->done), MSG_DONTWAIT);

		if (sent > 0) {
			ret_sent->done += (size_t)sent;
		} else if (errno == EAGAIN || errno == ENOBUFS) {
			ret_sent->blocked = true;
			return;
		} else if (errno != EINTR) {
			/* It was the first one's fault: QUIC treats it as lost. */
			ret_sent->done++;
			ret_sent->failed++;
		}
	}
}
