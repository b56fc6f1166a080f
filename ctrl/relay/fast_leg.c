/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A reader's stream as long as the forwarder sends it. The engine asks whether it has come back
 * (struct inlay_loan_ops); what was sent, it reads in the log.
 */
#include "relay_impl.h"

struct inlay_leg *relay_leg_at(const struct relay_fast *f, __u32 slot, __u32 index)
{
	return &f->tables->legs[(size_t)slot * INLAY_POSITIONS + index];
}

static bool detach(struct inlay_leg *leg, enum inlay_reason reason)
{
	__u32 state = inlay_load_u32(&leg->state);

	while (state == INLAY_LEG_ATTACHED || state == INLAY_LEG_OFFERED) {
		if (inlay_cas_u32(&leg->state, state, INLAY_LEG_DETACHED)) {
			__atomic_store_n(&leg->reason, (__u16)reason, __ATOMIC_RELAXED);
			return true;
		}
		state = inlay_load_u32(&leg->state);
	}
	return false;
}

bool relay_leg_detach(const struct relay_fast *f, __u32 slot, __u32 index, enum inlay_reason reason)
{
	return detach(relay_leg_at(f, slot, index), reason);
}

/* --- the loan -------------------------------------------------------------------------------- */

static bool back(void *loan, bool recall)
{
	struct relay_reader *rd = loan;
	struct relay_leg *leg = &rd->leg;

	if (leg->entry == NULL)
		return true;
	if (recall)
		(void)detach(leg->entry, INLAY_REASON_RECALLED);
	if (inlay_load_u32(&leg->entry->state) != INLAY_LEG_DETACHED)
		return false;
	if (!leg->detached) {
		leg->detached = true;
		inlay_state_moment(rd->relay->fast.state, &leg->moment);
	}
	return inlay_state_is_quiet(rd->relay->fast.state, &leg->moment);
}

static void limit(void *loan, __u64 limit)
{
	struct relay_reader *rd = loan;

	if (rd->leg.entry != NULL)
		inlay_store_u64(&rd->leg.entry->limit, limit);
}

const struct inlay_loan_ops relay_leg_ops = {.back = back, .limit = limit};

/* --- its life -------------------------------------------------------------------------------- */

void relay_leg_init(struct relay_leg *leg)
{
	inlay_list_init(&leg->of_slot);
	inlay_list_init(&leg->of_position);
}

void relay_leg_fini(struct relay_leg *leg)
{
	inlay_list_remove(&leg->of_slot);
	inlay_list_remove(&leg->of_position);
	leg->entry = NULL;
	leg->slot = NULL;
}

void relay_leg_lend(struct relay_reader *rd, struct relay_slot *slot, struct inlay_leg *entry)
{
	struct relay_leg *leg = &rd->leg;

	leg->entry = entry;
	leg->slot = slot;
	leg->recalled = leg->detached = false;
	inlay_list_append(&slot->legs, &leg->of_slot);
	inlay_list_append(&rd->subscription->position->legs, &leg->of_position);
}

void relay_leg_recall(struct relay_reader *rd)
{
	if (rd->leg.recalled)
		return;
	rd->leg.recalled = true;
	/* A stream that is being reset was asked for already. */
	if (rd->out != NULL)
		inlay_moq_outgoing_recall(rd->out);
}

void relay_leg_settle(struct relay_reader *rd)
{
	relay_leg_fini(&rd->leg);
	relay_leg_recall(rd);
}

void relay_leg_on_growth(struct relay_reader *rd)
{
	struct relay_fast *f = &rd->relay->fast;
	__u32 reason, state;

	if (rd->leg.entry == NULL || rd->leg.recalled)
		return;
	state = inlay_load_u32(&rd->leg.entry->state);
	if (state == INLAY_LEG_OFFERED)
		relay_slot_expect(rd->relay, rd->leg.slot);
	if (state != INLAY_LEG_DETACHED)
		return;
	reason = __atomic_load_n(&rd->leg.entry->reason, __ATOMIC_RELAXED);
	f->detached[reason < INLAY_N_REASONS ? reason : INLAY_REASON_RECALLED]++;
	if (rd->subscription != NULL)
		rd->subscription->why_detached = reason;
	relay_leg_recall(rd);
}
