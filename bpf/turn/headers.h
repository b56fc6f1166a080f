/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The headers of what goes out, written whole and once: into the packet itself at XDP, into memory
 * that a helper stores at TC. Nothing of the old ones is left, so none is read.
 */
#ifndef INLAY_TURN_HEADERS_H
#define INLAY_TURN_HEADERS_H

#include "plan.h"

#define INLAY_TURN_FRONT_MAX (INLAY_TURN_V6_AT + INLAY_NET_UDP_LEN + INLAY_TURN_CHANNEL_HEADER)

INLAY_INLINE void inlay_turn_put_eth(__u8 *p, const struct inlay_turn_hop *hop, __u16 type)
{
	const __u8 *dst = hop->dst, *src = hop->src;

	inlay_view_put16(p, inlay_view_16(dst));
	inlay_view_put32(p + 2, inlay_view_32(dst + 2));
	inlay_view_put16(p + 6, inlay_view_16(src));
	inlay_view_put32(p + 8, inlay_view_32(src + 2));
	inlay_view_put16(p + 12, bpf_htons(type));
}

INLAY_INLINE void inlay_turn_put_udp(__u8 *p, const struct inlay_turn_plan *plan)
{
	inlay_view_put32(p, inlay_turn_pair(plan->src->port, plan->dst->port));
	inlay_view_put32(p + 4, inlay_turn_pair(bpf_htons(plan->udp_len), plan->sum));
}

INLAY_INLINE void inlay_turn_put_channel(__u8 *p, const struct inlay_turn_plan *plan,
					 const struct inlay_turn_packet *in)
{
	inlay_view_put32(p, inlay_turn_pair(plan->channel, bpf_htons(in->data_len)));
}

/* RFC 8656 section 14: as a packet that begins here, but for hop limit, DSCP, ECN and DF. */
INLAY_INLINE void inlay_turn_put_v4(__u8 *p, const struct inlay_turn_plan *plan,
				    const struct inlay_turn_packet *in)
{
	__u8 *ip = p + INLAY_NET_ETH_LEN;
	__u32 lengths = inlay_turn_pair(bpf_htons((__u16)(0x4500 | in->tos)),
					bpf_htons((__u16)(INLAY_NET_IPV4_LEN + plan->udp_len)));
	/* RFC 6864: what cannot be fragmented needs no ID. */
	__u32 id = plan->df ? inlay_turn_pair(0, bpf_htons(INLAY_NET_IPV4_DF))
			    : inlay_turn_pair((__u16)bpf_get_prandom_u32(), 0);
	__u16 hops = bpf_htons((__u16)((in->ttl - 1) << 8 | INLAY_NET_PROTO_UDP));
	__u32 src = inlay_view_32(plan->src->ip), dst = inlay_view_32(plan->dst->ip);
	__u64 sum = (__u64)lengths + id + hops + src + dst;

	inlay_turn_put_eth(p, plan->hop, INLAY_NET_TYPE_IPV4);
	inlay_view_put32(ip, lengths);
	inlay_view_put32(ip + 4, id);
	inlay_view_put32(ip + 8, inlay_turn_pair(hops, (__u16)~inlay_net_sum_fold(sum)));
	inlay_view_put32(ip + 12, src);
	inlay_view_put32(ip + 16, dst);
	inlay_turn_put_udp(ip + INLAY_NET_IPV4_LEN, plan);
}

/* RFC 6437 section 3: the same for all of a flow, and unlike others'; no packet's own is passed on,
 * which means nothing from other addresses. */
INLAY_INLINE __u32 inlay_turn_label(const struct inlay_turn_plan *plan)
{
	const struct inlay_turn_flow *flow = plan->out.flow ? plan->out.flow : plan->in.flow;

	return (flow->generation * 2654435761U ^ flow->allocation * 2246822519U) >> 12;
}

INLAY_INLINE void inlay_turn_put_v6(__u8 *p, const struct inlay_turn_plan *plan,
				    const struct inlay_turn_packet *in)
{
	__u8 *ip = p + INLAY_NET_ETH_LEN;

	inlay_turn_put_eth(p, plan->hop, INLAY_NET_TYPE_IPV6);
	inlay_view_put32(ip, bpf_htonl(6U << 28 | (__u32)in->tos << 20 | inlay_turn_label(plan)));
	inlay_view_put32(ip + 4, inlay_turn_pair(bpf_htons(plan->udp_len),
						 bpf_htons((__u16)(INLAY_NET_PROTO_UDP << 8 |
								   (in->ttl - 1)))));
	inlay_view_put64(ip + 8, inlay_view_64(plan->src->ip));
	inlay_view_put64(ip + 16, inlay_view_64(plan->src->ip + 8));
	inlay_view_put64(ip + 24, inlay_view_64(plan->dst->ip));
	inlay_view_put64(ip + 32, inlay_view_64(plan->dst->ip + 8));
	inlay_turn_put_udp(ip + INLAY_NET_IPV6_LEN, plan);
}

#endif
