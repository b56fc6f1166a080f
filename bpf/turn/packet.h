/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A packet as the programs need it: read once, where it lies, for XDP and TC alike. What stands
 * here is all that is known of it afterwards; nothing is read again when headers are rewritten.
 *
 * Formats, and why something is refused, are those of inlay_net.h, whose parsers read copies.
 */
#ifndef INLAY_TURN_PACKET_H
#define INLAY_TURN_PACKET_H

#include <bpf/bpf_endian.h>

#include "inlay_net.h"
#include "inlay_reasons.h"
#include "inlay_turn_abi.h"
#include "inlay_view.h"

/* Why a packet is left alone: a reason to count, or one of these. */
enum inlay_turn_why {
	INLAY_TURN_GO = INLAY_N_REASONS, /* it is not */
	INLAY_TURN_STRANGER,		 /* nothing to count: it is none of ours */
	INLAY_TURN_DROP,		 /* not left alone: over the limit */
};

#define INLAY_TURN_V4_AT (INLAY_NET_ETH_LEN + INLAY_NET_IPV4_LEN)
#define INLAY_TURN_V6_AT (INLAY_NET_ETH_LEN + INLAY_NET_IPV6_LEN)
/* All that is looked at: to the end of a STUN message's cookie. */
#define INLAY_TURN_LOOK (INLAY_TURN_V6_AT + INLAY_NET_UDP_LEN + 8)

struct inlay_turn_packet {
	/* From and to, and a channel if it is ChannelData: that table's key as it stands. */
	struct inlay_turn_client_key key __attribute__((aligned(8)));
	__u32 frame_len;
	__u32 at;	/* of UDP's payload */
	__u16 head;	/* the first two of its bytes as a number; 0 if there are not four */
	__u16 head_len; /* the next two: a length, in ChannelData as in STUN */
	__u32 cookie;	/* the next four, as they lie; 0 if there are none */
	__u16 udp_len;	/* with UDP's header; host order */
	__u16 sum;	/* UDP's, as it lies */
	__u16 data_len; /* of the application's data */
	__u16 pad_len;	/* behind ChannelData */
	__u8 tos;
	__u8 ttl;
	__u8 df;
	bool segments; /* several datagrams in one buffer: the caller's to set */
};

/* The sum of 16 bytes, which are two numbers that can be loaded at once. */
INLAY_INLINE __u64 inlay_turn_sum_ip(const struct inlay_addr *a)
{
	__u64 low = inlay_view_64(a->ip), high = inlay_view_64(a->ip + 8);

	return (low & 0xffffffff) + (low >> 32) + (high & 0xffffffff) + (high >> 32);
}

/* Addresses and ports: what both the pseudo-header and UDP's own have of the way. */
INLAY_INLINE __u64 inlay_turn_sum_way(const struct inlay_addr *src, const struct inlay_addr *dst)
{
	return inlay_turn_sum_ip(src) + inlay_turn_sum_ip(dst) + src->port + dst->port;
}

/* Two numbers as they lie behind each other: keys are written in words, as they are read. */
INLAY_INLINE __u32 inlay_turn_pair(__u16 first, __u16 second)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return first | (__u32)second << 16;
#else
	return (__u32)first << 16 | second;
#endif
}

INLAY_INLINE void inlay_turn_addr_v4(struct inlay_addr *to, __be16 port, const __u8 *ip)
{
	__u8 *words = (__u8 *)to;

	inlay_view_put32(words, inlay_turn_pair(INLAY_NET_AF_INET, port));
	inlay_view_put32(words + 4, 0);
	inlay_view_put32(words + 8, inlay_view_32(ip));
	inlay_view_put32(words + 12, 0);
	inlay_view_put64(words + 16, 0);
}

INLAY_INLINE void inlay_turn_addr_v6(struct inlay_addr *to, __be16 port, const __u8 *ip)
{
	__u8 *words = (__u8 *)to;

	inlay_view_put32(words, inlay_turn_pair(INLAY_NET_AF_INET6, port));
	inlay_view_put32(words + 4, 0);
	inlay_view_put64(words + 8, inlay_view_64(ip));
	inlay_view_put64(words + 16, inlay_view_64(ip + 8));
}

/* The beginning of what UDP carries, where it has as much. */
INLAY_INLINE void inlay_turn_read_head(const struct inlay_view *v, __u32 at,
				       struct inlay_turn_packet *p)
{
	const __u8 *payload = v->data + at;

	p->at = at;
	p->head = 0;
	p->head_len = 0;
	p->cookie = 0;
	if (!inlay_view_has(v, at, 4) || p->udp_len < INLAY_NET_UDP_LEN + 4)
		return;
	p->head = bpf_ntohs(inlay_view_16(payload));
	p->head_len = bpf_ntohs(inlay_view_16(payload + 2));
	if (inlay_view_has(v, at, 8) && p->udp_len >= INLAY_NET_UDP_LEN + 8)
		p->cookie = inlay_view_32(payload + 4);
}

INLAY_INLINE __u32 inlay_turn_read_v4(const struct inlay_view *v, struct inlay_turn_packet *p)
{
	const __u8 *ip = v->data + INLAY_NET_ETH_LEN;
	const __u8 *udp = ip + INLAY_NET_IPV4_LEN;
	__u16 fragment;
	__u64 sum;

	if (!inlay_view_has(v, INLAY_TURN_V4_AT, INLAY_NET_UDP_LEN) || ip[9] != INLAY_NET_PROTO_UDP)
		return INLAY_TURN_STRANGER;
	fragment = bpf_ntohs(inlay_view_16(ip + 6));
	if (ip[0] != 0x45 || fragment & INLAY_NET_IPV4_FRAGMENT)
		return INLAY_REASON_TURN_FRAGMENT;
	/* The sum that goes out is a new one: it must not make a wrong header right. */
	sum = (__u64)inlay_view_32(ip) + inlay_view_32(ip + 4) + inlay_view_32(ip + 8) +
	      inlay_view_32(ip + 12) + inlay_view_32(ip + 16);
	if (inlay_net_sum_fold(sum) != 0xffff)
		return INLAY_TURN_STRANGER;
	p->tos = ip[1];
	p->ttl = ip[8];
	p->df = (fragment & INLAY_NET_IPV4_DF) != 0;
	p->udp_len = bpf_ntohs(inlay_view_16(udp + 4));
	p->sum = inlay_view_16(udp + 6);
	inlay_turn_addr_v4(&p->key.client, inlay_view_16(udp), ip + 12);
	inlay_turn_addr_v4(&p->key.server, inlay_view_16(udp + 2), ip + 16);
	inlay_turn_read_head(v, INLAY_TURN_V4_AT + INLAY_NET_UDP_LEN, p);
	/* Options of UDP's (RFC 9868) and nonsense, too, are the server's. */
	return bpf_ntohs(inlay_view_16(ip + 2)) == INLAY_NET_IPV4_LEN + p->udp_len
		       ? INLAY_TURN_GO
		       : INLAY_REASON_TURN_MALFORMED;
}

INLAY_INLINE bool inlay_turn_is_extension(__u8 next)
{
	return next == 0 || next == 43 || next == INLAY_NET_PROTO_IPV6_FRAGMENT || next == 60;
}

INLAY_INLINE bool inlay_turn_is_link_local(const __u8 *ip)
{
	return (inlay_view_16(ip) & bpf_htons(0xffc0)) == bpf_htons(0xfe80);
}

INLAY_INLINE __u32 inlay_turn_read_v6(const struct inlay_view *v, struct inlay_turn_packet *p)
{
	const __u8 *ip = v->data + INLAY_NET_ETH_LEN;
	const __u8 *udp = ip + INLAY_NET_IPV6_LEN;

	if (!inlay_view_has(v, INLAY_TURN_V6_AT, INLAY_NET_UDP_LEN) || ip[0] >> 4 != 6)
		return INLAY_TURN_STRANGER;
	if (ip[6] != INLAY_NET_PROTO_UDP)
		return inlay_turn_is_extension(ip[6]) ? INLAY_REASON_TURN_FRAGMENT
						      : INLAY_TURN_STRANGER;
	/* Such an address means nothing without its link, which no key has. */
	if (inlay_turn_is_link_local(ip + 8) || inlay_turn_is_link_local(ip + 24))
		return INLAY_TURN_STRANGER;
	p->tos = (__u8)(bpf_ntohs(inlay_view_16(ip)) >> 4);
	p->ttl = ip[7];
	p->df = true;
	p->udp_len = bpf_ntohs(inlay_view_16(udp + 4));
	p->sum = inlay_view_16(udp + 6);
	inlay_turn_addr_v6(&p->key.client, inlay_view_16(udp), ip + 8);
	inlay_turn_addr_v6(&p->key.server, inlay_view_16(udp + 2), ip + 24);
	inlay_turn_read_head(v, INLAY_TURN_V6_AT + INLAY_NET_UDP_LEN, p);
	return bpf_ntohs(inlay_view_16(ip + 4)) == p->udp_len ? INLAY_TURN_GO
							      : INLAY_REASON_TURN_MALFORMED;
}

/* A packet is one to the verifier from here on, of whichever family, however long: it went through
 * all that follows for each kind. (inlay_cursor_zero is zero.) */
INLAY_INLINE void inlay_turn_read_merge(struct inlay_turn_packet *p)
{
	__u32 zero = inlay_cursor_zero;

	p->at ^= zero;
	p->head ^= (__u16)zero;
	p->head_len ^= (__u16)zero;
	p->cookie ^= zero;
	p->df ^= (__u8)zero;
	p->data_len = (__u16)(p->udp_len - INLAY_NET_UDP_LEN);
	p->pad_len = (__u16)zero;
}

/* GO; a reason; STRANGER. |frame_len|: of the whole frame, which may reach further than the view.
 */
INLAY_INLINE __u32 inlay_turn_read(const struct inlay_view *v, __u32 frame_len,
				   struct inlay_turn_packet *p)
{
	const __u8 *type = v->data + 12;
	__u32 why;

	/* What was sent to many is not relayed (bit 0 of the first byte: to a group). */
	if (!inlay_view_has(v, 12, 2) || v->data[0] & 1)
		return INLAY_TURN_STRANGER;
	if (inlay_view_16(type) == bpf_htons(INLAY_NET_TYPE_IPV4))
		why = inlay_turn_read_v4(v, p);
	else if (inlay_view_16(type) == bpf_htons(INLAY_NET_TYPE_IPV6))
		why = inlay_turn_read_v6(v, p);
	else
		why = INLAY_TURN_STRANGER;
	if (why != INLAY_TURN_GO)
		return why;
	if (p->udp_len < INLAY_NET_UDP_LEN || p->at - INLAY_NET_UDP_LEN + p->udp_len > frame_len)
		return INLAY_REASON_TURN_MALFORMED;
	p->frame_len = frame_len;
	inlay_turn_read_merge(p);
	return INLAY_TURN_GO;
}

/* Could it be ChannelData? A peer's datagram may begin with the same bits. */
INLAY_INLINE bool inlay_turn_may_be_channel(const struct inlay_turn_packet *p)
{
	return p->head >= INLAY_TURN_CHANNEL_MIN && p->head <= INLAY_TURN_CHANNEL_MAX;
}

/*
 * RFC 8656 section 12.4: padding to four bytes may stand behind it. Anything else behind it is the
 * server's to judge: more than one datagram, too, that segmentation offload has put together.
 */
INLAY_INLINE bool inlay_turn_read_channel(struct inlay_turn_packet *p)
{
	__u32 len = p->head_len;
	__u32 room = p->udp_len - INLAY_NET_UDP_LEN - INLAY_TURN_CHANNEL_HEADER;

	if (room != len && room != ((len + 3) & ~3U))
		return false;
	p->data_len = (__u16)len;
	p->pad_len = (__u16)(room - len);
	return true;
}

#endif
