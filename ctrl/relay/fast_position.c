/* SPDX-License-Identifier: BSD-2-Clause */
/* A subscription's place among those that a forwarder serves (design section 5, rule 5). */
#include <stdlib.h>

#include "relay_impl.h"

/* For acknowledgements and probes of the path, which may never come: ever less often. */
#define CHECK_FIRST (2 * INLAY_MS)
#define CHECK_LAST  (500 * INLAY_MS)

static struct inlay_position *entry_of(const struct inlay_relay *r, const struct relay_position *p)
{
	return &r->fast.tables->positions[(size_t)p->ft->index * INLAY_POSITIONS + p->index];
}

/* --- its beginning --------------------------------------------------------------------------- */

void relay_position_set_thresholds(struct relay_subscription *sub)
{
	const struct relay_ranking *ranking = &sub->session->ranking;
	__u8 subscriber = sub->params.subscriber_priority;
	struct inlay_position *e;
	__u32 priority = 0;

	if (sub->position == NULL)
		return;
	e = entry_of(sub->track->relay, sub->position);
	/* Classes ascend with the number of the priority: thresholds[k] is the first in k + 2. */
	for (__u32 k = 0; k < INLAY_CLASSES - 2; k++) {
		while (priority < 256 &&
		       relay_ranking_class(ranking, subscriber, (__u8)priority) < k + 2)
			priority++;
		__atomic_store_n(&e->thresholds[k], (__u16)priority, __ATOMIC_RELAXED);
	}
}

/* Why |sub| may not be served fast; RELAY_NO_REASON: it may. */
static __u32 refuse(const struct relay_subscription *sub, struct inlay_moq_shared *shared)
{
	const struct inlay_relay *r = sub->track->relay;
	const struct relay_fast_track *ft = sub->track->fast;
	const struct inlay_moq_session *moq = sub->session->moq;
	const struct inlay_subscriber *s;

	if (sub->state != RELAY_SUBSCRIPTION_ACTIVE || !sub->params.forward)
		return INLAY_REASON_POSITION_OFF;
	if (ft == NULL || ft->upstream == NULL)
		return INLAY_REASON_NOT_UPSTREAM;
	if (inlay_moq_session_shared(moq, shared) < 0)
		return INLAY_REASON_SUBSCRIBER_GONE;
	if (inlay_moq_session_draft(moq) != relay_fast_upstream_entry(&r->fast, ft->from)->draft)
		return INLAY_REASON_OTHER_DRAFT;
	if (inlay_moq_request_alias(sub->request) > INLAY_ALIAS_MAX)
		return INLAY_REASON_NO_POSITION;
	if (!inlay_moq_request_ok_is_acked(sub->request))
		return INLAY_REASON_OK_NOT_ACKED;
	/* Rule 9. */
	s = inlay_state_subscriber(r->fast.state, shared->subscriber);
	if (inlay_load_u32(&s->path_mtu) < r->config.max_udp_payload + INLAY_RELAY_COPY_GROWTH)
		return INLAY_REASON_MTU_NOT_VALIDATED;
	return RELAY_NO_REASON;
}

static void set_groups(const struct relay_subscription *sub, struct inlay_position *e)
{
	/* Of a group that begins before what it wants the rest is the control plane's. */
	e->first_group = sub->start.group;
	if (sub->start.object > 0 && e->first_group < ~0ULL)
		e->first_group++;
	e->end_group = sub->end_group + (sub->end_group < ~0ULL);
}

static bool arm(struct relay_subscription *sub, const struct inlay_moq_shared *shared)
{
	struct inlay_relay *r = sub->track->relay;
	struct relay_fast_track *ft = sub->track->fast;
	struct relay_position *p = calloc(1, sizeof(*p));
	struct inlay_position *e;

	if (p == NULL || inlay_state_position_get(r->fast.state, ft->index, &p->index) < 0) {
		free(p);
		return false;
	}
	p->relay = r;
	p->ft = ft;
	p->sub = sub;
	p->session = sub->session;
	p->request = inlay_moq_request_id(sub->request);
	inlay_list_init(&p->legs);
	inlay_list_init(&p->wait.node);
	inlay_list_append(&sub->session->positions, &p->of_session);
	ft->positions[p->index] = p;
	ft->n_positions++;
	sub->position = p;
	e = entry_of(r, p);
	e->subscriber = shared->subscriber;
	e->generation = shared->generation;
	e->alias = (__u32)inlay_moq_request_alias(sub->request);
	set_groups(sub, e);
	relay_position_set_thresholds(sub);
	inlay_xchg_u32(&e->state, INLAY_POSITION_ARMED);
	return true;
}

void relay_position_check(struct relay_subscription *sub)
{
	struct inlay_relay *r = sub->track->relay;
	struct inlay_moq_shared shared;

	if (r->fast.state == NULL || sub->position != NULL)
		return;
	if (sub->check_at > r->now) {
		relay_fast_wake(r, sub->check_at);
		return;
	}
	sub->why = refuse(sub, &shared);
	if (sub->why == RELAY_NO_REASON && !arm(sub, &shared))
		sub->why = INLAY_REASON_NO_POSITION;
	if (sub->why != INLAY_REASON_OK_NOT_ACKED && sub->why != INLAY_REASON_MTU_NOT_VALIDATED)
		return;
	sub->check_pause =
		sub->check_pause > 0 ? sub->check_pause + sub->check_pause / 4 : CHECK_FIRST;
	if (sub->check_pause > CHECK_LAST)
		sub->check_pause = CHECK_LAST;
	sub->check_at = r->now + sub->check_pause;
	relay_fast_wake(r, sub->check_at);
}

/* --- its end --------------------------------------------------------------------------------- */

/* Detaches what there is. True: there was something. */
static bool detach_all(struct inlay_relay *r, const struct relay_position *p)
{
	const struct relay_fast *f = &r->fast;
	bool any = false;

	for (__u32 i = 0; i < f->tables->n_slots; i++)
		if (relay_slot_of(f, i, p->ft->index) != NULL)
			any |= relay_leg_detach(f, i, p->index, INLAY_REASON_POSITION_OFF);
	return any;
}

static __u32 serial_of(const struct inlay_relay *r, const struct relay_fast_track *ft)
{
	return (__u32)inlay_load_u64(&relay_fast_upstream_entry(&r->fast, ft->from)->serial);
}

static void note_past(struct inlay_relay *r, const struct relay_position *p)
{
	const struct inlay_position *e = entry_of(r, p);
	__u32 serial = serial_of(r, p->ft);

	if (p->sub == NULL || !p->was_active)
		return;
	p->sub->past = (struct relay_past){
		.upstream = p->ft->from->id,
		.first_group = e->first_group,
		.end_group = e->end_group,
		.since = p->is_old ? serial - r->fast.tables->journal_size : e->since,
		.until = p->until,
	};
}

/*
 * The forwarder has opened streams for it whose originals are still to come up: a subscription that
 * goes on adopts them then, lest it be sent them again from the beginning. It does not wait for
 * ever: relay_fast_track_sweep().
 */
static bool is_awaited(const struct inlay_relay *r, const struct relay_position *p)
{
	const struct relay_fast *f = &r->fast;

	if (p->sub == NULL || p->sub->state != RELAY_SUBSCRIPTION_ACTIVE || p->session == NULL)
		return false;
	for (__u32 i = 0; i < f->tables->n_slots; i++)
		if (f->slots[i] == NULL && relay_slot_of(f, i, p->ft->index) != NULL &&
		    inlay_load_u32(&relay_leg_at(f, i, p->index)->state) != INLAY_LEG_NONE)
			return true;
	return false;
}

/* All is quiet since its state went OFF; but legs may have been attached in between. */
static void settle(struct inlay_relay *r, struct relay_wait *w)
{
	struct relay_position *p = inlay_list_entry(w, struct relay_position, wait);
	struct relay_fast_track *ft = p->ft;
	struct relay_subscription *sub = p->sub;

	if (detach_all(r, p)) {
		relay_wait_for_quiet(r, w, settle);
		return;
	}
	if (is_awaited(r, p)) {
		relay_wait_a_while(r, w, settle);
		return;
	}
	while (!inlay_list_is_empty(&p->legs))
		relay_leg_settle(
			inlay_list_entry(p->legs.next, struct relay_reader, leg.of_position));
	relay_slots_abandon(r, p);
	note_past(r, p);
	ft->positions[p->index] = NULL;
	ft->n_positions--;
	inlay_list_remove(&p->of_session);
	inlay_state_position_put(r->fast.state, ft->index, p->index);
	free(p);
	if (sub != NULL) {
		sub->position = NULL;
		sub->why = INLAY_REASON_POSITION_OFF;
		relay_fast_wake(r, r->now); /* for a new one */
		if (sub->state == RELAY_SUBSCRIPTION_ENDING)
			relay_wake(r, r->now);
	}
	if (ft->upstream == NULL)
		relay_fast_wake(r, r->now);
}

bool relay_position_close(struct relay_position *p)
{
	struct inlay_relay *r = p->relay;
	struct relay_fast_track *ft = p->ft;
	__u32 index = p->index;

	if (!p->closing) {
		p->closing = true;
		p->was_active = inlay_xchg_u32(&entry_of(r, p)->state, INLAY_POSITION_OFF) ==
				INLAY_POSITION_ACTIVE;
		/* What is claimed from now on finds it off: its datagrams are ours to send. Both
		 * sides change the serial, though this one by nothing: so one comes first. */
		p->until = (__u32)inlay_fetch_add_u64(
				   &relay_fast_upstream_entry(&r->fast, ft->from)->serial, 0) +
			   1;
		(void)detach_all(r, p);
		relay_wait_for_quiet(r, &p->wait, settle);
	}
	return ft->positions[index] == NULL;
}

bool relay_position_end(struct relay_subscription *sub)
{
	return sub->position == NULL || relay_position_close(sub->position);
}

void relay_position_forget(struct relay_subscription *sub)
{
	struct relay_position *p = sub->position;

	if (p == NULL)
		return;
	sub->position = NULL;
	p->sub = NULL;
	relay_position_close(p);
}

/* --- datagrams ------------------------------------------------------------------------------- */

bool relay_position_had(const struct relay_subscription *sub,
			const struct relay_datagram_fate *fate, __u64 group)
{
	const struct relay_position *p = sub->position;
	const struct inlay_position *e;
	__u32 state;

	if (!fate->forwarded)
		return false;
	if (sub->past.upstream == fate->upstream && (__s32)(fate->serial - sub->past.since) >= 0 &&
	    (__s32)(fate->serial - sub->past.until) < 0)
		return group >= sub->past.first_group && group < sub->past.end_group;
	if (p == NULL || p->ft->from->id != fate->upstream)
		return false;
	e = entry_of(sub->track->relay, p);
	state = inlay_load_u32(&e->state);
	if (state != INLAY_POSITION_ACTIVE && !(state == INLAY_POSITION_OFF && p->was_active))
		return false;
	if (p->closing && (__s32)(fate->serial - p->until) >= 0)
		return false;
	return (p->is_old || (__s32)(fate->serial - e->since) >= 0) && group >= e->first_group &&
	       group < e->end_group;
}

void relay_positions_age(struct inlay_relay *r, struct relay_fast_track *ft)
{
	__s32 turn = (__s32)r->fast.tables->journal_size;
	__u32 serial = serial_of(r, ft);
	struct inlay_list *node;

	if (ft->track == NULL)
		return;
	inlay_list_for_each (node, &ft->track->subscriptions) {
		struct relay_subscription *sub =
			inlay_list_entry(node, struct relay_subscription, of_track);
		struct relay_position *p = sub->position;

		if (sub->past.upstream == ft->from->id && (__s32)(serial - sub->past.until) > turn)
			sub->past.upstream = 0;
		if (p != NULL && inlay_load_u32(&entry_of(r, p)->state) == INLAY_POSITION_ACTIVE &&
		    (__s32)(serial - entry_of(r, p)->since) > turn)
			p->is_old = true;
	}
}

/* --- display --------------------------------------------------------------------------------- */

void relay_position_view(const struct relay_subscription *sub, __u32 *ret_lent, __u64 *ret_copies,
			 __u32 *ret_why)
{
	const struct inlay_position *e;
	struct inlay_list *node;

	*ret_lent = 0;
	*ret_copies = 0;
	*ret_why = RELAY_NO_REASON;
	if (sub->position == NULL)
		return;
	inlay_list_for_each (node, &sub->position->legs) {
		const struct relay_reader *rd =
			inlay_list_entry(node, struct relay_reader, leg.of_position);

		*ret_lent += inlay_load_u32(&rd->leg.entry->state) == INLAY_LEG_ATTACHED;
	}
	e = entry_of(sub->track->relay, sub->position);
	*ret_copies = inlay_load_u64(&e->copies);
	if (__atomic_load_n(&e->reason, __ATOMIC_RELAXED) > 0)
		*ret_why = __atomic_load_n(&e->reason, __ATOMIC_RELAXED);
}
