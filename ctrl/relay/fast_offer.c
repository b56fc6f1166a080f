/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Streams that the control plane sends in a live slot are offered to the forwarder, be it that it
 * gave them up, or that it never had them: from the byte on behind all that is held here, once that
 * was sent. And where a gap over an object's header made the slot unframed, the framing is handed
 * back. Whoever is given up again and again is offered less and less often.
 */
#include "relay_impl.h"

#define OFFER_FIRST (10 * INLAY_MS)
#define OFFER_LAST  (320 * INLAY_MS)
/* Who begins further on than that in a stream is never offered: shifts have 32 bits. */
#define FURTHEST (1U << 30)

static struct inlay_slot *entry_of(const struct inlay_relay *r, const struct relay_slot *slot)
{
	return &r->fast.tables->slots[slot->index];
}

/* Upstream offset behind the last byte that is in the cache. */
static __u64 held(const struct inlay_slot *e, const struct relay_slot *slot)
{
	return e->header_len + slot->stream->size;
}

/* --- framing --------------------------------------------------------------------------------- */

static void hand_back(struct inlay_relay *r, struct relay_slot *slot)
{
	struct inlay_slot *e = entry_of(r, slot);
	struct inlay_framing hand;

	if (inlay_load_u32(&e->state) != INLAY_SLOT_UNFRAMED ||
	    !inlay_moq_incoming_framing(slot->in, &hand))
		return;
	hand.offset = held(e, slot) + hand.acc_len;
	e->hand = hand;
	(void)inlay_cas_u32(&e->state, INLAY_SLOT_UNFRAMED, INLAY_SLOT_OFFERED);
}

/* --- legs ------------------------------------------------------------------------------------ */

static void put_off(struct relay_reader *rd)
{
	struct relay_leg *leg = &rd->leg;

	leg->offer_pause = leg->offer_pause > 0 ? 2 * leg->offer_pause : OFFER_FIRST;
	if (leg->offer_pause > OFFER_LAST)
		leg->offer_pause = OFFER_LAST;
	leg->offer_at = rd->relay->now + leg->offer_pause;
}

static bool may_be_offered(const struct relay_slot *slot, const struct relay_reader *rd)
{
	const struct relay_subscription *sub = rd->subscription;

	return rd->state == RELAY_READER_OPEN && !rd->finished && rd->out != NULL && sub != NULL &&
	       sub->params.forward && sub->position != NULL && !sub->position->closing &&
	       sub->position->ft == slot->ft;
}

/* The engine has it, and all that it has is sent: from here on it is the forwarder's. */
static void offer(struct inlay_relay *r, struct relay_slot *slot, struct relay_reader *rd)
{
	__u32 position = rd->subscription->position->index;
	struct inlay_leg *e = relay_leg_at(&r->fast, slot->index, position);
	struct inlay_moq_progress progress;
	__u64 from;
	__s32 shift;

	put_off(rd);
	if (!inlay_moq_outgoing_progress(rd->out, &progress) || progress.lent ||
	    progress.number >= 1U << 28 || rd->start > FURTHEST)
		return;
	/* What it looks like if it attaches, but for where: that is not known yet. */
	shift = (__s32)(rd->prefix_len - (__s64)rd->start) - entry_of(r, slot)->header_len;
	e->stream = (__u32)progress.number;
	e->shift = shift;
	e->reason = 0;
	if (inlay_load_u32(&e->state) == INLAY_LEG_NONE)
		inlay_store_u64(&e->limit, 0);
	relay_leg_fini(&rd->leg);
	relay_leg_lend(rd, slot, e);
	if (inlay_moq_outgoing_lend(rd->out, &relay_leg_ops, rd, &from) < 0) {
		relay_leg_fini(&rd->leg);
		return;
	}
	relay_slot_take(slot, position);
	e->charged = from;
	e->attach = from - (__u64)(__s64)shift;
	rd->leg.offered = from;
	inlay_xchg_u32(&e->state, INLAY_LEG_OFFERED);
	r->fast.offered++;
}

static void consider(struct inlay_relay *r, struct relay_slot *slot, struct relay_reader *rd)
{
	const struct inlay_leg *e;
	__u32 state;

	if (!may_be_offered(slot, rd))
		return;
	e = relay_leg_at(&r->fast, slot->index, rd->subscription->position->index);
	state = inlay_load_u32(&e->state);
	if (state == INLAY_LEG_ATTACHED || state == INLAY_LEG_OFFERED)
		return;
	if (rd->leg.entry != NULL && !rd->leg.recalled)
		relay_leg_on_growth(rd); /* it comes back first */
	else if (rd->leg.offer_at <= r->now)
		offer(r, slot, rd);
}

/* Bytes came that the forwarder saw before it saw the offer: nobody sends them. */
static void withdraw_stale(struct relay_reader *rd)
{
	if (rd->leg.entry == NULL || rd->end <= rd->leg.offered ||
	    inlay_load_u32(&rd->leg.entry->state) != INLAY_LEG_OFFERED)
		return;
	relay_leg_recall(rd);
}

void relay_slot_offer(struct inlay_relay *r, struct relay_slot *slot)
{
	const struct inlay_slot *e = entry_of(r, slot);
	struct inlay_list *node, *after;
	__u32 state;

	inlay_list_for_each_safe (node, after, &slot->legs)
		withdraw_stale(inlay_list_entry(node, struct relay_reader, leg.of_slot));
	hand_back(r, slot);
	state = inlay_load_u32(&e->state);
	/* What is on its way up was seen by the forwarder already. */
	if ((state != INLAY_SLOT_LIVE && state != INLAY_SLOT_OFFERED) ||
	    inlay_load_u64(&e->highest) > held(e, slot))
		return;
	inlay_list_for_each_safe (node, after, &slot->stream->readers)
		consider(r, slot, inlay_list_entry(node, struct relay_reader, of_stream));
}
