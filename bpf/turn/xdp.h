/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * How a packet leaves from XDP: the front of its frame moves by what the headers differ, what
 * stands behind the data is cut off, headers are written, and the driver sends it.
 */
#ifndef INLAY_TURN_XDP_H
#define INLAY_TURN_XDP_H

#include "headers.h"

/* Does the way out take packets from here? */
INLAY_INLINE bool inlay_turn_xdp_may(const struct inlay_turn_plan *plan)
{
	return plan->hop->flags &
	       (plan->hop->ifindex == plan->ingress ? INLAY_TURN_LINK_TX | INLAY_TURN_LINK_XMIT
						    : INLAY_TURN_LINK_XMIT);
}

INLAY_INLINE int inlay_turn_xdp_send(const struct inlay_turn_plan *plan)
{
	if (plan->hop->ifindex == plan->ingress && plan->hop->flags & INLAY_TURN_LINK_TX)
		return XDP_TX;
	return (int)bpf_redirect(plan->hop->ifindex, 0);
}

/* No room in front, but behind: the data move instead. False: nothing was changed. */
static __attribute__((noinline)) bool inlay_turn_xdp_shift(struct xdp_md *ctx, __u32 from, __u32 to,
							   __u32 len, __u32 frame_len)
{
	struct inlay_turn_scratch *s = inlay_turn_scratch_of();
	__u32 n = inlay_turn_sized(len, INLAY_TURN_ROOM);

	if (!s || len > INLAY_TURN_ROOM ||
	    (len && bpf_xdp_load_bytes(ctx, from, inlay_turn_scratch_bytes(s), n)) ||
	    bpf_xdp_adjust_tail(ctx, (int)(to + len - frame_len)))
		return false;
	/* It is there: the frame was made as long. */
	return !len || !bpf_xdp_store_bytes(ctx, to, inlay_turn_scratch_bytes(s), n);
}

/* The frame becomes |plan->front| and the data. False: it is as it was. */
INLAY_INLINE bool inlay_turn_xdp_resize(struct xdp_md *ctx, const struct inlay_turn_packet *p,
					const struct inlay_turn_plan *plan)
{
	__u32 front = p->at + (p->key.channel ? INLAY_TURN_CHANNEL_HEADER : 0);
	int delta = (int)front - (int)plan->front;
	__u32 excess = p->frame_len - front - p->data_len;

	if (delta && bpf_xdp_adjust_head(ctx, delta))
		return inlay_turn_xdp_shift(ctx, front, plan->front, p->data_len, p->frame_len);
	if (excess && bpf_xdp_adjust_tail(ctx, -(int)excess)) {
		bpf_xdp_adjust_head(ctx, -delta);
		return false;
	}
	return true;
}

/* False: there is less of a frame than it was made to be. */
INLAY_INLINE bool inlay_turn_xdp_write(struct xdp_md *ctx, const struct inlay_turn_packet *p,
				       const struct inlay_turn_plan *plan)
{
	__u8 *data = (__u8 *)(long)ctx->data, *end = (__u8 *)(long)ctx->data_end;
	__u8 *behind;

	if (plan->v4) {
		behind = data + INLAY_TURN_V4_AT + INLAY_NET_UDP_LEN;
		if (behind > end)
			return false;
		inlay_turn_put_v4(data, plan, p);
	} else {
		behind = data + INLAY_TURN_V6_AT + INLAY_NET_UDP_LEN;
		if (behind > end)
			return false;
		inlay_turn_put_v6(data, plan, p);
	}
	if (!plan->channel)
		return true;
	if (behind + INLAY_TURN_CHANNEL_HEADER > end)
		return false;
	inlay_turn_put_channel(behind, plan, p);
	return true;
}

/* XDP's verdict; |*ret_why| why it is left alone. */
INLAY_INLINE int inlay_turn_xdp_leave(struct xdp_md *ctx, const struct inlay_turn_packet *p,
				      struct inlay_turn_plan *plan, __u32 *ret_why)
{
	*ret_why = INLAY_REASON_TURN_NO_HEADROOM;
	if (!inlay_turn_xdp_resize(ctx, p, plan))
		return XDP_PASS;
	*ret_why = INLAY_REASON_TURN_OVER_LIMIT;
	if (!inlay_turn_plan_conforms(p, plan))
		return XDP_DROP;
	*ret_why = INLAY_REASON_TURN_NO_HEADROOM;
	if (!inlay_turn_xdp_write(ctx, p, plan))
		return XDP_DROP;
	*ret_why = INLAY_TURN_GO;
	inlay_turn_plan_account(p, plan);
	return inlay_turn_xdp_send(plan);
}

INLAY_INLINE int inlay_turn_at_xdp(struct xdp_md *ctx)
{
	struct inlay_view view = {.data = (const __u8 *)(long)ctx->data,
				  .end = (const __u8 *)(long)ctx->data_end};
	const struct inlay_turn_control *c = inlay_turn_settings();
	struct inlay_turn_packet p;
	struct inlay_turn_plan plan;
	int verdict = XDP_PASS;
	__u32 why, mode;

	if (!c)
		return XDP_PASS;
	p.segments = false;
	plan.ingress = INLAY_TURN_READ(ctx->ingress_ifindex);
	mode = INLAY_TURN_READ(c->mode);
	if (mode == INLAY_TURN_OFF)
		return XDP_PASS;
	why = inlay_turn_read(&view, (__u32)(ctx->data_end - ctx->data), &p);
	if (why == INLAY_TURN_GO)
		why = inlay_turn_plan_make(INLAY_TURN_AT_XDP, ctx, &p, c, true, &plan);
	if (why == INLAY_TURN_GO && !inlay_turn_xdp_may(&plan))
		why = INLAY_REASON_TURN_NO_XMIT;
	if (why == INLAY_TURN_GO && plan.sum_kind == INLAY_TURN_SUM_OWED)
		why = inlay_turn_plan_owed(INLAY_TURN_AT_XDP, ctx, &p, &plan);
	if (why == INLAY_TURN_GO && mode == INLAY_TURN_OBSERVE) {
		inlay_turn_plan_account(&p, &plan);
		why = INLAY_REASON_TURN_OBSERVED;
	}
	if (why == INLAY_TURN_GO)
		verdict = inlay_turn_xdp_leave(ctx, &p, &plan, &why);
	if (why < INLAY_N_REASONS)
		inlay_turn_count(why);
	return verdict;
}

#endif
