/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What stands at TC: relaying where XDP has none or could not, and the watch over what leaves.
 */
#ifndef INLAY_TURN_TC_H
#define INLAY_TURN_TC_H

#include <linux/if_packet.h>
#include <linux/pkt_cls.h>

#include "headers.h"

/* Headers that lie apart are brought together, but for UDP only: of what TCP sends nearly every
 * buffer is shared and in pieces, and to bring those together is to copy them. */
INLAY_INLINE void inlay_turn_tc_gather(struct __sk_buff *skb)
{
	__u32 at = skb->protocol == bpf_htons(INLAY_NET_TYPE_IPV4) ? 9 : 6;
	__u8 proto = 0;

	if (skb->data + INLAY_TURN_LOOK <= skb->data_end || skb->len == skb->data_end - skb->data ||
	    bpf_skb_load_bytes(skb, INLAY_NET_ETH_LEN + at, &proto, 1) ||
	    proto != INLAY_NET_PROTO_UDP)
		return;
	(void)bpf_skb_pull_data(skb, skb->len < INLAY_TURN_LOOK ? skb->len : INLAY_TURN_LOOK);
}

/* Not of a VLAN, whose own interface sees it next or has seen it. */
INLAY_INLINE __u32 inlay_turn_tc_read(struct __sk_buff *skb, struct inlay_turn_packet *p)
{
	struct inlay_view view;

	if ((skb->protocol != bpf_htons(INLAY_NET_TYPE_IPV4) &&
	     skb->protocol != bpf_htons(INLAY_NET_TYPE_IPV6)) ||
	    skb->vlan_present)
		return INLAY_TURN_STRANGER;
	inlay_turn_tc_gather(skb);
	view.data = (const __u8 *)(long)skb->data;
	view.end = (const __u8 *)(long)skb->data_end;
	p->segments = skb->gso_size != 0;
	return inlay_turn_read(&view, skb->len, p);
}

/* --- Relaying -------------------------------------------------------------------------------- */

/*
 * Is the UDP checksum left to a device (CHECKSUM_PARTIAL)? Nothing says so, but a change of what it
 * covers is then none of its field's: one is made, and taken back.
 */
static __attribute__((noinline)) bool inlay_turn_tc_is_partial(struct __sk_buff *skb, __u32 at)
{
	__u16 was = 0, is = 0;

	if (bpf_skb_load_bytes(skb, at, &was, sizeof(was)) ||
	    bpf_l4_csum_replace(skb, at, 0, bpf_htons(1), 0) ||
	    bpf_skb_load_bytes(skb, at, &is, sizeof(is)))
		return false;
	if (was == is)
		return true;
	(void)bpf_skb_store_bytes(skb, at, &was, sizeof(was), 0);
	return false;
}

/*
 * UDP's header stays where it is in memory: a device that shall sum knows the place by its address.
 * So the data move behind it, and what is before it grows or shrinks in front. False: no memory,
 * and nothing of worth is left.
 */
INLAY_INLINE bool inlay_turn_tc_resize(struct __sk_buff *skb, const struct inlay_turn_packet *p,
				       const struct inlay_turn_plan *plan,
				       struct inlay_turn_scratch *s)
{
	bool was_v4 = p->key.client.family == INLAY_NET_AF_INET;
	__u32 from = p->at + (p->key.channel ? INLAY_TURN_CHANNEL_HEADER : 0);
	__u32 n = inlay_turn_sized(p->data_len, INLAY_TURN_ROOM);
	bool moves = !p->key.channel != !plan->channel && p->data_len;

	if (moves && bpf_skb_load_bytes(skb, from, inlay_turn_scratch_bytes(s), n))
		return false;
	if (was_v4 != plan->v4 &&
	    bpf_skb_change_proto(
		    skb, bpf_htons(plan->v4 ? INLAY_NET_TYPE_IPV4 : INLAY_NET_TYPE_IPV6), 0))
		return false;
	if (skb->len != plan->front + p->data_len &&
	    bpf_skb_change_tail(skb, plan->front + p->data_len, 0))
		return false;
	return !moves || !bpf_skb_store_bytes(skb, plan->front, inlay_turn_scratch_bytes(s), n,
					      BPF_F_RECOMPUTE_CSUM);
}

/* The link layer's is not part of what a device has summed. */
INLAY_INLINE bool inlay_turn_tc_write(struct __sk_buff *skb, const struct inlay_turn_packet *p,
				      const struct inlay_turn_plan *plan,
				      struct inlay_turn_scratch *s)
{
	__u32 len = inlay_turn_sized(plan->front - INLAY_NET_ETH_LEN, 64);
	__u8 *front = inlay_turn_scratch_bytes(s);

	if (plan->v4) {
		inlay_turn_put_v4(front, plan, p);
		inlay_turn_put_channel(front + INLAY_TURN_V4_AT + INLAY_NET_UDP_LEN, plan, p);
	} else {
		inlay_turn_put_v6(front, plan, p);
		inlay_turn_put_channel(front + INLAY_TURN_V6_AT + INLAY_NET_UDP_LEN, plan, p);
	}
	if (bpf_skb_store_bytes(skb, 0, front, INLAY_NET_ETH_LEN, 0))
		return false;
	return !bpf_skb_store_bytes(skb, INLAY_NET_ETH_LEN, front + INLAY_NET_ETH_LEN, len,
				    BPF_F_RECOMPUTE_CSUM | BPF_F_INVALIDATE_HASH);
}

/* TC's verdict; |*ret_why| why it is left alone, or dropped. */
INLAY_INLINE int inlay_turn_tc_leave(struct __sk_buff *skb, const struct inlay_turn_packet *p,
				     struct inlay_turn_plan *plan, __u32 *ret_why)
{
	struct inlay_turn_scratch *s = inlay_turn_scratch_of();

	*ret_why = INLAY_REASON_TURN_OVER_MTU;
	if (!s || p->data_len > INLAY_TURN_ROOM)
		return TC_ACT_UNSPEC;
	if (plan->sum_kind == INLAY_TURN_SUM_MAYBE && inlay_turn_tc_is_partial(skb, p->at - 2))
		plan->sum = plan->pseudo_sum;
	*ret_why = INLAY_REASON_TURN_OVER_LIMIT;
	if (!inlay_turn_plan_conforms(p, plan))
		return TC_ACT_SHOT;
	*ret_why = INLAY_REASON_TURN_NO_HEADROOM;
	if (!inlay_turn_tc_resize(skb, p, plan, s) || !inlay_turn_tc_write(skb, p, plan, s))
		return TC_ACT_SHOT;
	*ret_why = INLAY_TURN_GO;
	inlay_turn_plan_account(p, plan);
	return (int)bpf_redirect(plan->hop->ifindex, 0);
}

/* XDP stands before us, has seen this packet, and would have relayed it? */
INLAY_INLINE bool inlay_turn_tc_is_xdps(const struct inlay_turn_plan *plan)
{
	return plan->sum_kind != INLAY_TURN_SUM_MAYBE &&
	       plan->hop->flags & (plan->hop->ifindex == plan->ingress
					   ? INLAY_TURN_LINK_TX | INLAY_TURN_LINK_XMIT
					   : INLAY_TURN_LINK_XMIT);
}

/* What XDP has passed up it has told of and counted; only what happens here is counted here. */
INLAY_INLINE void inlay_turn_tc_count(__u32 why, bool behind_xdp, int verdict)
{
	if (why < INLAY_N_REASONS &&
	    (!behind_xdp || verdict == TC_ACT_SHOT || why == INLAY_REASON_TURN_OBSERVED ||
	     why == INLAY_REASON_TURN_SEGMENTS))
		inlay_turn_count(why);
}

/* What was read of a packet: in memory of which the verifier keeps no values, so that its paths
 * through the reading of headers meet again behind it. */
INLAY_TURN_PERCPU(turn_packet, struct inlay_turn_packet, 1);

INLAY_INLINE struct inlay_turn_packet *inlay_turn_tc_packet(void)
{
	__u32 first = 0;

	return bpf_map_lookup_elem(&turn_packet, &first);
}

INLAY_INLINE int inlay_turn_at_ingress(struct __sk_buff *skb)
{
	const struct inlay_turn_control *c = inlay_turn_settings();
	struct inlay_turn_packet *p;
	struct inlay_turn_plan plan;
	int verdict = TC_ACT_UNSPEC;
	__u32 why, mode, *link;
	bool behind_xdp;

	if (!c)
		return TC_ACT_UNSPEC;
	mode = INLAY_TURN_READ(c->mode);
	/* What an interface in promiscuous mode sees of others' packets is theirs. */
	if (mode == INLAY_TURN_OFF || skb->pkt_type != PACKET_HOST)
		return TC_ACT_UNSPEC;
	p = inlay_turn_tc_packet();
	if (!p)
		return TC_ACT_UNSPEC;
	why = inlay_turn_tc_read(skb, p);
	if (why == INLAY_TURN_STRANGER)
		return TC_ACT_UNSPEC;
	plan.ingress = INLAY_TURN_READ(skb->ifindex);
	link = bpf_map_lookup_elem(&turn_links, &plan.ingress);
	behind_xdp = link && *link & INLAY_TURN_LINK_XDP;
	if (why == INLAY_TURN_GO)
		why = inlay_turn_plan_make(INLAY_TURN_AT_TC, skb, p, c, !behind_xdp, &plan);
	if (why == INLAY_TURN_GO && !(plan.hop->flags & INLAY_TURN_LINK_TC))
		why = INLAY_REASON_TURN_NO_XMIT;
	if (why == INLAY_TURN_GO && plan.sum_kind == INLAY_TURN_SUM_OWED)
		why = inlay_turn_plan_owed(INLAY_TURN_AT_TC, skb, p, &plan);
	if (why == INLAY_TURN_GO && mode == INLAY_TURN_OBSERVE) {
		why = behind_xdp && inlay_turn_tc_is_xdps(&plan) ? INLAY_TURN_STRANGER
								 : INLAY_REASON_TURN_OBSERVED;
		if (why == INLAY_REASON_TURN_OBSERVED)
			inlay_turn_plan_account(p, &plan);
	}
	if (why == INLAY_TURN_GO)
		verdict = inlay_turn_tc_leave(skb, p, &plan, &why);
	inlay_turn_tc_count(why, behind_xdp, verdict);
	return verdict;
}

/* --- What leaves ----------------------------------------------------------------------------- */

INLAY_INLINE int inlay_turn_at_egress(struct __sk_buff *skb)
{
	const struct inlay_turn_control *c = inlay_turn_settings();
	struct inlay_turn_packet p;

	/* What came in somewhere and only passes through, redirected by somebody's program at TC
	 * (ours, too), may still bear the socket of another namespace that sent it. */
	if (!c || INLAY_TURN_READ(c->mode) == INLAY_TURN_OFF || skb->gso_size ||
	    skb->ingress_ifindex)
		return TC_ACT_UNSPEC;
	if (inlay_turn_tc_read(skb, &p) != INLAY_TURN_GO)
		return TC_ACT_UNSPEC;
	inlay_view_put32((__u8 *)&p.key.channel, 0);
	inlay_turn_tap_egress(skb, &p, c);
	return TC_ACT_UNSPEC;
}

#endif
