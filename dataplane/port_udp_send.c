/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A UDP port's way out. A burst is cut into messages, and several messages go by one sendmmsg().
 *
 * A message of several datagrams that the kernel refuses is sent again one by one, so that one bad
 * datagram costs no other; if its first datagram, which sets the segment size, then passes alone,
 * it was the merging that was refused, by a kernel, device or policy that will refuse it again.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>

#include "addr.h"
#include "inlay_atomic.h"
#include "port_udp.h"

/* Control messages: packet information, ECN, and the segment size. */
#define CONTROL_ROOM                                                                               \
	(CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(int)) +                        \
	 CMSG_SPACE(sizeof(__u16)))

#define ECN_MASK      3
#define MESSAGE_MAX   65000 /* bytes of a message: with every header less than 64 KB */
#define NOT_SUSPECTED ((size_t)-1)

_Static_assert(INLAY_PORT_BURST <= 64, "a bit for each item: struct inlay_port_sent");

struct burst {
	struct mmsghdr msgs[INLAY_PORT_BURST];
	struct iovec iovs[INLAY_PORT_BURST];
	struct sockaddr_storage names[INLAY_PORT_BURST];
	char control[INLAY_PORT_BURST][CONTROL_ROOM] __attribute__((aligned(8)));
	__u16 frames[INLAY_PORT_BURST]; /* in each message */
	size_t n;			/* messages */
};

static void add(__u64 *counter, __u64 n)
{
	inlay_store_u64(counter, *counter + n);
}

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
 * may not know (RFC 9000 section 9); the ECN bits, if any; the |segment| size, unless 0. */
static void write_control(struct msghdr *m, char *room, int family,
			  const struct inlay_port_item *item, __u16 segment)
{
	const struct inlay_addr *local = &item->frame->path.local;
	struct cmsghdr *c = (struct cmsghdr *)room;
	int ecn = item->ecn & ECN_MASK;
	bool v4 = family == AF_INET;

	m->msg_control = room;
	m->msg_controllen = 0;
	if (local->family == family && !is_any(local)) {
		struct in_pktinfo info4 = {0};
		struct in6_pktinfo info6 = {.ipi6_ifindex = local->scope_id};

		memcpy(&info4.ipi_spec_dst, local->ip, sizeof(info4.ipi_spec_dst));
		memcpy(&info6.ipi6_addr, local->ip, sizeof(info6.ipi6_addr));
		if (v4)
			c = put_control(m, c, IPPROTO_IP, IP_PKTINFO, &info4, sizeof(info4));
		else
			c = put_control(m, c, IPPROTO_IPV6, IPV6_PKTINFO, &info6, sizeof(info6));
	}
	if (ecn)
		c = put_control(m, c, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_TOS : IPV6_TCLASS,
				&ecn, sizeof(ecn));
	if (segment)
		put_control(m, c, SOL_UDP, UDP_SEGMENT, &segment, sizeof(segment));
	if (!m->msg_controllen)
		m->msg_control = NULL;
}

static bool go_together(const struct inlay_port_item *a, const struct inlay_port_item *b)
{
	return !b->alone && !((a->ecn ^ b->ecn) & ECN_MASK) &&
	       !memcmp(&a->frame->path, &b->frame->path, sizeof(a->frame->path));
}

/* How many items from the first on make one message. */
static size_t message_of(const struct inlay_port_item *items, size_t n)
{
	size_t count = 1, bytes = items[0].len;

	if (items[0].alone)
		return 1;
	if (n > INLAY_PORT_SEGMENTS)
		n = INLAY_PORT_SEGMENTS;
	while (count < n && items[count].len && items[count].len <= items[0].len &&
	       bytes + items[count].len <= MESSAGE_MAX && go_together(&items[0], &items[count])) {
		bytes += items[count].len;
		/* Only the last one may be shorter. */
		if (items[count++].len < items[0].len)
			break;
	}
	return count;
}

/* Cuts |items| into messages; the first |singles| of them travel alone. */
static void prepare(struct burst *b, struct inlay_port_udp *port,
		    const struct inlay_port_item *items, size_t n, size_t singles)
{
	size_t at = 0, count;

	for (b->n = 0; at < n; b->n++, at += count) {
		struct msghdr *m = &b->msgs[b->n].msg_hdr;

		count = port->gso && at >= singles ? message_of(items + at, n - at) : 1;
		for (size_t i = at; i < at + count; i++)
			b->iovs[i] = (struct iovec){.iov_base = items[i].frame->data,
						    .iov_len = items[i].len};
		*m = (struct msghdr){
			.msg_name = &b->names[b->n], .msg_iov = &b->iovs[at], .msg_iovlen = count};
		m->msg_namelen =
			inlay_addr_to_sockaddr(&items[at].frame->path.remote, &b->names[b->n]);
		write_control(m, b->control[b->n], port->local.family, &items[at],
			      count > 1 ? (__u16)items[at].len : 0);
		b->frames[b->n] = (__u16)count;
	}
}

/* The first |sent| messages have left. */
static void settle(const struct burst *b, struct inlay_port_udp *port,
		   const struct inlay_port_item *items, size_t sent, struct inlay_port_sent *ret)
{
	for (size_t i = 0; i < sent; i++) {
		for (size_t k = 0; k < b->frames[i]; k++)
			ret->bytes += items[ret->done++].len;
		if (b->frames[i] == 1)
			continue;
		add(&port->stats.tx_merged, 1);
		add(&port->stats.tx_merged_frames, b->frames[i]);
	}
	add(&port->stats.tx_messages, sent);
}

static bool is_blocked(int error)
{
	return error == EAGAIN || error == ENOBUFS;
}

/* EIO: a device without checksums, or IPsec; EINVAL: older kernels; EOPNOTSUPP: sandboxes. */
static bool refuses_merging(int error)
{
	return error == EIO || error == EINVAL || error == EOPNOTSUPP;
}

void inlay_port_udp_send(struct inlay_port_udp *port, const struct inlay_port_item *items, size_t n,
			 struct inlay_port_sent *ret_sent)
{
	/* Index of the first item of a message that was refused; how far items travel alone. */
	size_t suspect = NOT_SUSPECTED, singles = 0;
	struct burst b;

	*ret_sent = (struct inlay_port_sent){0};
	if (n > INLAY_PORT_BURST)
		n = INLAY_PORT_BURST;
	while (ret_sent->done < n) {
		size_t at = ret_sent->done;
		int sent;

		prepare(&b, port, items + at, n - at, singles > at ? singles - at : 0);
		do {
			sent = sendmmsg(port->fd, b.msgs, (unsigned int)b.n, MSG_DONTWAIT);
			add(&port->stats.tx_calls, 1);
		} while (sent < 0 && errno == EINTR);
		if (sent > 0) {
			settle(&b, port, items, (size_t)sent, ret_sent);
			if (at == suspect) {
				port->gso = false;
				add(&port->stats.gso_refused, 1);
			}
			/* The next message was not taken: the next call says why. */
		} else if (is_blocked(errno)) {
			ret_sent->blocked = true;
			return;
		} else if (b.frames[0] > 1) {
			if (refuses_merging(errno))
				suspect = at;
			singles = at + b.frames[0];
		} else {
			/* QUIC treats it as lost. */
			ret_sent->refused |= 1ULL << ret_sent->done++;
			ret_sent->failed += errno != EMSGSIZE;
			ret_sent->too_large += errno == EMSGSIZE;
		}
	}
}
