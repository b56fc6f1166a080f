/* SPDX-License-Identifier: BSD-2-Clause */
#include "port_udp.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "addr.h"
#include "inlay_atomic.h"

/* Control messages of what is received: packet information, ECN, drop counter, segment size. */
#define CONTROL_ROOM                                                                               \
	(CMSG_SPACE(sizeof(struct in6_pktinfo)) + 2 * CMSG_SPACE(sizeof(int)) +                    \
	 CMSG_SPACE(sizeof(__u32)))

#define ECN_MASK 3

/* Merged messages are as long as a datagram can be. A buffer is a little more than that, so that
 * what small datagrams touch of each does not fall on the same lines of the cache. */
#define RX_MESSAGES 16
#define RX_BYTES    65536
#define RX_STRIDE   (RX_BYTES + 2048 + INLAY_CACHELINE)

struct burst {
	struct mmsghdr msgs[INLAY_PORT_BURST];
	struct iovec iovs[INLAY_PORT_BURST];
	struct sockaddr_storage names[INLAY_PORT_BURST];
	char control[INLAY_PORT_BURST][CONTROL_ROOM] __attribute__((aligned(8)));
};

/* What one recvmmsg() brought, and how far it is split. */
struct inlay_port_rx {
	struct mmsghdr msgs[RX_MESSAGES];
	struct iovec iovs[RX_MESSAGES];
	struct sockaddr_storage names[RX_MESSAGES];
	char control[RX_MESSAGES][CONTROL_ROOM] __attribute__((aligned(8)));
	unsigned int n, at; /* messages; the one being split */
	size_t offset;	    /* of its first byte that is not split off */
	__u32 segment;	    /* its datagrams' size */
	inlay_ns time;
	/* What its datagrams have in common: a frame up to its bytes. */
	struct inlay_frame common;
	__u8 buffers[];
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

static struct inlay_port_rx *rx_new(void)
{
	struct inlay_port_rx *rx = malloc(sizeof(*rx) + (size_t)RX_MESSAGES * RX_STRIDE);

	if (!rx)
		return NULL;
	rx->n = rx->at = 0;
	rx->offset = 0;
	for (size_t i = 0; i < RX_MESSAGES; i++)
		rx->iovs[i] = (struct iovec){.iov_base = rx->buffers + i * RX_STRIDE,
					     .iov_len = RX_BYTES};
	return rx;
}

/* Kernels that lack either say so here; a device that cannot send merged messages says so when it
 * gets the first one. */
static int probe_offloads(struct inlay_port_udp *port, const struct inlay_port_udp_config *config)
{
	port->gso = !config->no_gso && !set_int(port->fd, SOL_UDP, UDP_SEGMENT, 0);
	if (config->no_gro || set_int(port->fd, SOL_UDP, UDP_GRO, 1))
		return 0;
	port->rx = rx_new();
	return port->rx ? 0 : -ENOMEM;
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
	if (!ret)
		ret = probe_offloads(port, config);
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
	free(port->rx);
	port->rx = NULL;
}

/* --- Receiving ----------------------------------------------------------------------------- */

static void add(__u64 *counter, __u64 n)
{
	inlay_store_u64(counter, *counter + n);
}

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

/* |*ret_segment| is left alone where the message is one datagram. */
static void read_control(struct inlay_port_udp *port, struct msghdr *m, struct inlay_frame *f,
			 __u32 *ret_segment)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		bool v4 = c->cmsg_level == IPPROTO_IP, v6 = c->cmsg_level == IPPROTO_IPV6;
		int value;

		if ((v4 && c->cmsg_type == IP_PKTINFO) || (v6 && c->cmsg_type == IPV6_PKTINFO))
			read_pktinfo(c, f);
		else if (v4 && c->cmsg_type == IP_TOS) /* one byte on receive */
			f->ecn = *CMSG_DATA(c) & ECN_MASK;
		else if (v6 && c->cmsg_type == IPV6_TCLASS) {
			memcpy(&value, CMSG_DATA(c), sizeof(value));
			f->ecn = value & ECN_MASK;
		} else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL)
			memcpy(&port->kernel_drops, CMSG_DATA(c), sizeof(port->kernel_drops));
		else if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
			memcpy(&value, CMSG_DATA(c), sizeof(value));
			*ret_segment = value > 0 ? (__u32)value : *ret_segment;
		}
	}
}

/* All of |f| but its bytes and their length. */
static void describe(struct inlay_port_udp *port, struct msghdr *m, struct inlay_frame *f,
		     __u32 *ret_segment, inlay_ns now)
{
	f->kind = INLAY_FRAME_SEALED;
	f->ecn = 0;
	f->port = port->index;
	f->time = now;
	f->path.local = port->local;
	memset(f->pad, 0, sizeof(f->pad));
	read_control(port, m, f, ret_segment);
	if (!inlay_addr_from_sockaddr(m->msg_name, &f->path.remote))
		f->kind = 0;
}

static void set_length(struct inlay_frame *f, size_t len, bool whole)
{
	if (!whole)
		f->kind = 0;
	f->len = f->kind ? (__u32)len : 0;
}

/* Without GRO a message is a datagram, received where it belongs. */
static size_t recv_singly(struct inlay_port_udp *port, struct inlay_frame **frames, size_t n,
			  inlay_ns now)
{
	__u32 ignored = 0;
	struct burst b;
	int got;

	if (n > INLAY_PORT_BURST)
		n = INLAY_PORT_BURST;
	prepare_recv(&b, frames, n);
	/* An error here is one that a peer caused by ICMP, or EAGAIN: nothing was received. */
	got = recvmmsg(port->fd, b.msgs, (unsigned int)n, MSG_DONTWAIT, NULL);
	if (got < 0)
		return 0;
	for (int i = 0; i < got; i++) {
		struct msghdr *m = &b.msgs[i].msg_hdr;

		describe(port, m, frames[i], &ignored, now);
		set_length(frames[i], b.msgs[i].msg_len, !(m->msg_flags & MSG_TRUNC));
	}
	add(&port->stats.rx_messages, (__u64)got);
	return (size_t)got;
}

/* Begins with message rx->at. */
static void open_message(struct inlay_port_udp *port)
{
	struct inlay_port_rx *rx = port->rx;
	struct mmsghdr *m = &rx->msgs[rx->at];

	rx->offset = 0;
	rx->segment = m->msg_len;
	describe(port, &m->msg_hdr, &rx->common, &rx->segment, rx->time);
	add(&port->stats.rx_messages, 1);
	if (rx->segment >= m->msg_len)
		return;
	add(&port->stats.rx_merged, 1);
	add(&port->stats.rx_merged_frames, (m->msg_len + rx->segment - 1) / rx->segment);
}

/* False: nothing came. |*ret_drained|: and nothing more will, now. */
static bool refill(struct inlay_port_udp *port, bool *ret_drained, inlay_ns now)
{
	struct inlay_port_rx *rx = port->rx;
	int got;

	for (size_t i = 0; i < RX_MESSAGES; i++)
		rx->msgs[i].msg_hdr = (struct msghdr){.msg_name = &rx->names[i],
						      .msg_namelen = sizeof(rx->names[i]),
						      .msg_iov = &rx->iovs[i],
						      .msg_iovlen = 1,
						      .msg_control = rx->control[i],
						      .msg_controllen = sizeof(rx->control[i])};
	/* MSG_TRUNC: lengths as they were sent, so that what did not fit can be counted. */
	got = recvmmsg(port->fd, rx->msgs, RX_MESSAGES, MSG_DONTWAIT | MSG_TRUNC, NULL);
	rx->at = 0;
	rx->n = got > 0 ? (unsigned int)got : 0;
	rx->time = now;
	*ret_drained = rx->n < RX_MESSAGES;
	if (rx->n)
		open_message(port);
	return rx->n > 0;
}

/* The next datagram of message rx->at into |f|. */
static void split_one(struct inlay_port_udp *port, struct inlay_frame *f)
{
	struct inlay_port_rx *rx = port->rx;
	const struct mmsghdr *m = &rx->msgs[rx->at];
	size_t len = m->msg_len - rx->offset;

	if (len > rx->segment)
		len = rx->segment;
	memcpy(f, &rx->common, offsetof(struct inlay_frame, data));
	set_length(f, len, len <= INLAY_FRAME_ROOM && rx->offset + len <= RX_BYTES);
	memcpy(f->data, rx->iovs[rx->at].iov_base + rx->offset, f->len);
	rx->offset += len;
	if (rx->offset < m->msg_len)
		return;
	if (++rx->at < rx->n)
		open_message(port);
}

size_t inlay_port_udp_recv(struct inlay_port_udp *port, struct inlay_frame **frames, size_t n,
			   inlay_ns now)
{
	bool drained = false;
	size_t done = 0;

	if (!port->rx)
		return recv_singly(port, frames, n, now);
	while (done < n) {
		if (inlay_port_udp_has_more(port))
			split_one(port, frames[done++]);
		else if (drained || !refill(port, &drained, now))
			break;
	}
	return done;
}

bool inlay_port_udp_has_more(const struct inlay_port_udp *port)
{
	return port->rx && port->rx->at < port->rx->n;
}
