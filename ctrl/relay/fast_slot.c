/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Publishers' streams that the forwarder has claimed. A slot lasts as long as the publisher's
 * stream, and then until nobody can be at work on it.
 */
#include <stdlib.h>

#include "relay_impl.h"

/* How long the control plane may hold what the forwarder has not seen before it sends that itself:
 * the data thread needs less for a packet. */
#define TAIL_GRACE  (3 * INLAY_MS)
#define OFFER_EVERY (10 * INLAY_MS)

static struct inlay_slot *entry_of(const struct inlay_relay *r, const struct relay_slot *slot)
{
	return &r->fast.tables->slots[slot->index];
}

/* Positions of |ft| that were ever used. */
static __u32 positions_of(const struct inlay_relay *r, const struct relay_fast_track *ft)
{
	__u32 n = inlay_load_u32(&r->fast.tables->tracks[ft->index].n_positions);

	return n < INLAY_POSITIONS ? n : INLAY_POSITIONS;
}

void relay_slot_take(struct relay_slot *slot, __u32 position)
{
	slot->taken[position / 64] |= 1ULL << position % 64;
}

/* NULL: nothing there is anybody's to deal with. */
static struct inlay_slot *set_up_slot(const struct relay_fast *f, __u32 index)
{
	struct inlay_slot *s = &f->tables->slots[index];

	return inlay_state_slot_is_set_up(s) && f->given[index] != s->generation + 1U ? s : NULL;
}

struct inlay_slot *relay_slot_of(const struct relay_fast *f, __u32 index, __u32 track)
{
	struct inlay_slot *s = set_up_slot(f, index);

	return s != NULL && s->track == track ? s : NULL;
}

static bool is_taken(const struct relay_slot *slot, __u32 position)
{
	return slot->taken[position / 64] >> position % 64 & 1;
}

/* --- its beginning --------------------------------------------------------------------------- */

struct relay_slot *relay_slot_new(struct inlay_relay *r, struct relay_fast_track *ft, __u32 index)
{
	struct relay_slot *slot = calloc(1, sizeof(*slot));

	if (slot == NULL)
		return NULL;
	slot->ft = ft;
	slot->index = index;
	slot->number = entry_of(r, slot)->stream;
	inlay_list_init(&slot->legs);
	inlay_list_init(&slot->wait.node);
	inlay_list_append(&ft->slots, &slot->of_track);
	r->fast.slots[index] = slot;
	return slot;
}

/* Its place among the streams seen is needed for a newer one. */
static void displace(struct inlay_relay *r, __u32 index)
{
	for (__u32 i = 0; i < INLAY_POSITIONS; i++)
		relay_leg_detach(&r->fast, index, i, INLAY_REASON_SLOT_REPLACED);
}

/* The slot that |number| has, + 1; INLAY_SEEN_CONVENTIONAL: none, and none it will have. */
static __u32 seen_as(struct inlay_relay *r, const struct relay_fast_upstream *fu, __u64 number)
{
	struct inlay_upstream *up = relay_fast_upstream_entry(&r->fast, fu);
	__u64 *word = &up->seen[number & (INLAY_SEEN - 1)];
	__u64 w;

	for (;;) {
		w = inlay_load_u64(word);
		if (w != INLAY_SEEN_EMPTY && INLAY_SEEN_NUMBER(w) == number)
			return INLAY_SEEN_WHAT(w);
		if (w != INLAY_SEEN_EMPTY && INLAY_SEEN_NUMBER(w) > number)
			break;
		if (w != INLAY_SEEN_EMPTY && INLAY_SEEN_WHAT(w) != INLAY_SEEN_CONVENTIONAL &&
		    INLAY_SEEN_WHAT(w) <= r->fast.tables->n_slots)
			displace(r, INLAY_SEEN_WHAT(w) - 1);
		if (inlay_cas_u64(word, w, INLAY_SEEN_WORD(number, INLAY_SEEN_CONVENTIONAL)))
			return INLAY_SEEN_CONVENTIONAL;
	}
	/* A newer stream stands there: this one may have had a slot before. Not one that is being
	 * set up now: the packet that does it has not come up yet. */
	for (__u32 i = 0; i < r->fast.tables->n_slots; i++) {
		const struct inlay_slot *s = set_up_slot(&r->fast, i);

		if (s != NULL && s->stream == number && s->upstream == fu->index &&
		    r->fast.slots[i] == NULL)
			return i + 1;
	}
	return INLAY_SEEN_CONVENTIONAL;
}

struct relay_slot *relay_slot_find(struct relay_upstream *up, const struct inlay_moq_incoming *in)
{
	struct inlay_relay *r = up->track->relay;
	const struct relay_fast_upstream *fu = up->session->fast;
	struct relay_fast_track *ft = up->track->fast;
	__u64 number = inlay_moq_incoming_number(in);
	struct relay_slot *slot;
	struct inlay_slot *s;
	__u32 what;

	if (fu == NULL || number > INLAY_SEEN_NUMBER_MAX)
		return NULL;
	/* Claimed though the track may be none of the forwarder's yet: it may become one. */
	what = seen_as(r, fu, number);
	if (ft == NULL || ft->from != fu || what == 0 || what > r->fast.tables->n_slots ||
	    r->fast.slots[what - 1] != NULL)
		return NULL;
	s = &r->fast.tables->slots[what - 1];
	if (inlay_load_u32(&s->state) == INLAY_SLOT_FREE || s->stream != number ||
	    s->upstream != fu->index || s->track != ft->index)
		return NULL;
	slot = relay_slot_new(r, ft, what - 1);
	/* Still being set up: which legs it has is not known. It has none then. */
	if (slot != NULL && inlay_cas_u32(&s->state, INLAY_SLOT_CLAIMED, INLAY_SLOT_DECLINED)) {
		relay_slot_end(r, slot);
		slot = NULL;
	}
	return slot;
}

void relay_slot_begin(struct relay_slot *slot, struct inlay_cache_stream *stream,
		      struct inlay_moq_incoming *in)
{
	slot->stream = stream;
	slot->in = in;
}

bool relay_slot_adopt(struct relay_slot *slot, struct relay_subscription *sub)
{
	struct inlay_relay *r = sub->track->relay;
	const struct relay_position *p = sub->position;
	struct inlay_leg *leg;
	__u32 index;

	if (p == NULL || p->ft != slot->ft || is_taken(slot, p->index))
		return false;
	index = p->index;
	leg = relay_leg_at(&r->fast, slot->index, index);
	if (inlay_load_u32(&leg->state) == INLAY_LEG_NONE)
		return false;
	/* One stream too many may end the subscription within: its position goes, and is not to
	 * find this leg nobody's. */
	relay_slot_take(slot, index);
	if (relay_reader_adopt(sub, slot, leg))
		r->fast.attached++;
	else
		slot->taken[index / 64] &= ~(1ULL << index % 64); /* reset when the slot goes */
	return true;
}

/* --- its end --------------------------------------------------------------------------------- */

/* Resets what the forwarder opened in |slot| for |p| and nobody took. */
static void abandon(struct inlay_relay *r, __u32 slot, const struct relay_position *p)
{
	const struct inlay_leg *leg = relay_leg_at(&r->fast, slot, p->index);
	struct relay_slot *known = r->fast.slots[slot];

	if (inlay_load_u32(&leg->state) == INLAY_LEG_NONE ||
	    (known != NULL && is_taken(known, p->index)))
		return;
	if (known != NULL)
		relay_slot_take(known, p->index);
	if (p->session == NULL ||
	    inlay_moq_session_abandon(p->session->moq, p->sub != NULL ? p->sub->request : NULL,
				      leg->stream, INLAY_MOQ_RESET_CANCELLED) != 0)
		return;
	relay_reader_abandoned(p, r->fast.tables->slots[slot].group,
			       known != NULL ? known->stream : NULL);
}

void relay_slots_abandon(struct inlay_relay *r, struct relay_position *p)
{
	for (__u32 i = 0; i < r->fast.tables->n_slots; i++)
		if (relay_slot_of(&r->fast, i, p->ft->index) != NULL)
			abandon(r, i, p);
}

static bool detach_all(struct inlay_relay *r, const struct relay_slot *slot)
{
	__u32 n = positions_of(r, slot->ft);
	bool any = false;

	for (__u32 i = 0; i < n; i++)
		any |= relay_leg_detach(&r->fast, slot->index, i, INLAY_REASON_RECALLED);
	return any;
}

/* The slot will be another stream's: nothing is to find it by this one's number. */
static void forget_number(struct inlay_relay *r, const struct relay_slot *slot)
{
	struct inlay_upstream *up = relay_fast_upstream_entry(&r->fast, slot->ft->from);

	(void)inlay_cas_u64(&up->seen[slot->number & (INLAY_SEEN - 1)],
			    INLAY_SEEN_WORD(slot->number, slot->index + 1),
			    INLAY_SEEN_WORD(slot->number, INLAY_SEEN_CONVENTIONAL));
}

static void settle(struct inlay_relay *r, struct relay_wait *w)
{
	struct relay_slot *slot = inlay_list_entry(w, struct relay_slot, wait);
	struct relay_fast_track *ft = slot->ft;

	/* One that was being set up may have become live, and have got legs. */
	if (detach_all(r, slot)) {
		relay_wait_for_quiet(r, w, settle);
		return;
	}
	while (!inlay_list_is_empty(&slot->legs))
		relay_leg_settle(
			inlay_list_entry(slot->legs.next, struct relay_reader, leg.of_slot));
	for (__u32 i = 0; i < INLAY_POSITIONS && i < positions_of(r, ft); i++)
		if (ft->positions[i] != NULL)
			abandon(r, slot->index, ft->positions[i]);
	r->fast.slots[slot->index] = NULL;
	forget_number(r, slot);
	inlay_list_remove(&slot->of_track);
	r->fast.given[slot->index] = entry_of(r, slot)->generation + 1U;
	inlay_state_slot_put(r->fast.state, slot->index);
	inlay_state_reclaim(r->fast.state);
	free(slot);
	if (ft->upstream == NULL)
		relay_fast_wake(r, r->now);
}

void relay_slot_end(struct inlay_relay *r, struct relay_slot *slot)
{
	if (slot->ending)
		return;
	slot->ending = true;
	slot->stream = NULL;
	inlay_xchg_u32(&entry_of(r, slot)->state, INLAY_SLOT_DECLINED);
	(void)detach_all(r, slot);
	relay_wait_for_quiet(r, &slot->wait, settle);
}

/* --- in between ------------------------------------------------------------------------------ */

/* Upstream offset behind the last byte that is in the cache. */
static __u64 held(const struct inlay_relay *r, const struct relay_slot *slot)
{
	return entry_of(r, slot)->header_len + slot->stream->size;
}

/* An offer that is not taken up by then is withdrawn. */
void relay_slot_expect(struct inlay_relay *r, struct relay_slot *slot)
{
	inlay_ns at = r->now + TAIL_GRACE;

	if (slot->offer_at == 0 || at < slot->offer_at)
		slot->offer_at = at;
	relay_fast_wake(r, slot->offer_at);
}

void relay_slot_on_growth(struct inlay_relay *r, struct relay_slot *slot)
{
	if (slot->offer_at == 0) {
		slot->offer_at = r->now + OFFER_EVERY;
		relay_fast_wake(r, slot->offer_at);
	}
	if (slot->ending || slot->stream == NULL || slot->tail_since > 0 ||
	    held(r, slot) <= inlay_load_u64(&entry_of(r, slot)->highest))
		return;
	slot->tail_since = r->now;
	slot->tail = held(r, slot);
	relay_fast_wake(r, r->now + TAIL_GRACE);
}

static void check_tail(struct inlay_relay *r, struct relay_slot *slot)
{
	struct inlay_list *node;

	if (slot->tail_since == 0)
		return;
	if (slot->tail <= inlay_load_u64(&entry_of(r, slot)->highest)) {
		slot->tail_since = 0;
		relay_slot_on_growth(r, slot);
		return;
	}
	if (slot->tail_since + TAIL_GRACE > r->now) {
		relay_fast_wake(r, slot->tail_since + TAIL_GRACE);
		return;
	}
	slot->tail_since = 0;
	(void)detach_all(r, slot);
	inlay_list_for_each (node, &slot->legs)
		relay_leg_on_growth(inlay_list_entry(node, struct relay_reader, leg.of_slot));
}

void relay_slot_on_timer(struct inlay_relay *r, struct relay_slot *slot)
{
	if (slot->ending || slot->stream == NULL)
		return;
	check_tail(r, slot);
	if (slot->offer_at == 0)
		return;
	if (slot->offer_at > r->now) {
		relay_fast_wake(r, slot->offer_at);
		return;
	}
	slot->offer_at = 0;
	relay_slot_offer(r, slot);
}
