/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tracks that a forwarder forwards: one publisher of each, by an alias of its. When that ends the
 * track drains: no new stream is the forwarder's; those that are go on as long as they last.
 */
#include <stdlib.h>

#include "relay_impl.h"

/* --- its beginning --------------------------------------------------------------------------- */

/* One that was withdrawn is its track's until that has drained. */
static bool is_in_use(const struct relay_fast *f, const struct inlay_alias *a)
{
	struct inlay_list *node;

	inlay_list_for_each (node, &f->tracks)
		if (inlay_list_entry(node, struct relay_fast_track, node)->alias == a)
			return true;
	return false;
}

static struct inlay_alias *free_alias(const struct relay_fast *f,
				      const struct relay_fast_upstream *fu)
{
	struct inlay_upstream *up = relay_fast_upstream_entry(f, fu);

	for (int i = 0; i < INLAY_ALIASES; i++)
		if (!is_in_use(f, &up->aliases[i]))
			return &up->aliases[i];
	return NULL;
}

/* |first|, or what comes behind |group|. */
static __u64 above(__u64 group, __u64 first)
{
	return group < first ? first : group + (group < ~0ULL);
}

/* The first group that the fast publisher may begin: above all that others have begun. What they
 * have brought of a group is told apart object by object. */
static __u64 first_group(const struct relay_upstream *up)
{
	__u64 first = relay_bygones_end(&up->track->bygones, up);
	const struct relay_track *t = up->track;
	struct inlay_list *node;

	if (up->has_floor)
		first = above(up->floor.group, first);
	if (t->has_datagram && t->datagrams_of != up)
		first = above(t->last_datagram.group, first);
	if (up->has_datagram_floor)
		first = above(up->datagram_floor.group, first);
	inlay_list_for_each (node, &t->cache.groups) {
		const struct inlay_cache_group *g =
			inlay_list_entry(node, struct inlay_cache_group, node);

		if (g->owner != up || g->inherited)
			first = above(g->id, first);
	}
	return first;
}

static void publish_alias(struct relay_fast_track *ft)
{
	const struct relay_upstream *up = ft->upstream;
	struct inlay_alias *a = ft->alias;

	a->alias = inlay_moq_request_alias(up->request);
	ft->first_group = first_group(up);
	a->first_group = ft->first_group;
	inlay_store_u64(&a->end_group, ~0ULL);
	a->priority = ft->track->properties.publisher_priority;
	inlay_xchg_u32(&a->track, ft->index + 1);
}

static struct relay_fast_track *make(struct relay_upstream *up, enum inlay_reason *ret_why)
{
	struct inlay_relay *r = up->track->relay;
	struct relay_fast_upstream *fu = relay_fast_upstream_get(up->session, ret_why);
	struct relay_fast_track *ft;

	if (fu == NULL)
		return NULL;
	*ret_why = INLAY_REASON_NO_POSITION;
	fu->n_tracks++;
	ft = calloc(1, sizeof(*ft));
	if (ft != NULL)
		ft->positions = calloc(INLAY_POSITIONS, sizeof(struct relay_position *));
	if (ft == NULL || ft->positions == NULL)
		goto fail;
	ft->alias = free_alias(&r->fast, fu);
	if (ft->alias == NULL || inlay_state_track_get(r->fast.state, &ft->index) < 0)
		goto fail;
	ft->track = up->track;
	ft->upstream = up;
	ft->from = fu;
	inlay_list_init(&ft->slots);
	inlay_list_init(&ft->wait.node);
	inlay_list_append(&r->fast.tracks, &ft->node);
	relay_fast_wake(r, r->fast.next_sweep);
	return ft;
fail:
	if (ft != NULL)
		free(ft->positions);
	free(ft);
	relay_fast_upstream_put(r, fu);
	return NULL;
}

/* --- its end --------------------------------------------------------------------------------- */

#define FORGOTTEN_AFTER (5 * INLAY_S)

/* A slot of the track that the control plane does not know of; NULL: |index| is none. */
static const struct inlay_slot *unknown_slot(const struct inlay_relay *r,
					     const struct relay_fast_track *ft, __u32 index)
{
	const struct inlay_slot *s =
		r->fast.slots[index] == NULL ? relay_slot_of(&r->fast, index, ft->index) : NULL;

	return s != NULL && s->upstream == ft->from->index ? s : NULL;
}

/* How many there are. */
static __u32 unknown_slots(const struct inlay_relay *r, const struct relay_fast_track *ft,
			   __u32 *ret_first)
{
	const struct relay_fast *f = &r->fast;
	__u32 n = 0;

	for (__u32 i = f->tables->n_slots; i-- > 0;) {
		if (unknown_slot(r, ft, i) == NULL)
			continue;
		*ret_first = i;
		n++;
	}
	return n;
}

/*
 * A stream that the publisher reset before anything of it came up: nobody will ever hear of it. No
 * packet takes this long from one thread to the other.
 */
static bool is_forgotten(const struct inlay_relay *r, const struct inlay_slot *s)
{
	__s32 age = (__s32)((__u32)(r->now / INLAY_US) - (__u32)s->since);

	return age > (__s32)(FORGOTTEN_AFTER / INLAY_US); /* it may lie ahead of our clock */
}

/* Subscribers have had some of the group: it is nobody else's, now or later. */
static void disown_unknown(const struct relay_fast_track *ft, const struct inlay_slot *s)
{
	relay_bygones_add(&ft->track->bygones, s->group, ft->upstream);
	relay_held_drop(ft->track, s->group, INLAY_MOQ_RESET_CANCELLED);
}

void relay_fast_track_sweep(struct inlay_relay *r, struct relay_fast_track *ft)
{
	struct relay_slot *slot;

	for (__u32 i = 0; i < r->fast.tables->n_slots; i++) {
		const struct inlay_slot *s = unknown_slot(r, ft, i);

		if (s == NULL || !is_forgotten(r, s))
			continue;
		if (ft->track != NULL)
			disown_unknown(ft, s);
		slot = relay_slot_new(r, ft, i);
		if (slot != NULL)
			relay_slot_end(r, slot);
	}
}

/* Nothing will come of them: their streams end here. */
static void abandon_unknown(struct inlay_relay *r, struct relay_fast_track *ft)
{
	struct relay_slot *slot;
	__u32 index;

	while (unknown_slots(r, ft, &index) > 0) {
		slot = relay_slot_new(r, ft, index);
		if (slot == NULL)
			return; /* no memory: later */
		relay_slot_end(r, slot);
	}
}

/* Groups that it has begun so are its own: what others have of them would come twice. */
static void drop_unknown(struct inlay_relay *r, const struct relay_fast_track *ft)
{
	for (__u32 i = 0; ft->track != NULL && i < r->fast.tables->n_slots; i++) {
		const struct inlay_slot *s = unknown_slot(r, ft, i);

		if (s != NULL)
			disown_unknown(ft, s);
	}
}

bool relay_fast_may_have(const struct relay_fast_track *ft, __u64 group)
{
	const struct inlay_relay *r = ft->track->relay;

	if (!ft->quiet)
		return group >= ft->first_group;
	for (__u32 i = 0; i < r->fast.tables->n_slots; i++) {
		const struct inlay_slot *s = unknown_slot(r, ft, i);

		if (s != NULL && s->group == group)
			return true;
	}
	return false;
}

static void give_back(struct inlay_relay *r, struct relay_fast_track *ft)
{
	struct relay_track *t = ft->track;

	inlay_list_remove(&ft->node);
	inlay_state_track_put(r->fast.state, ft->index);
	relay_fast_upstream_put(r, ft->from);
	free(ft->positions);
	free(ft);
	if (t != NULL) {
		t->fast = NULL;
		relay_fast_wake(r, r->now); /* it may begin again */
	}
}

static void close_positions(struct relay_fast_track *ft)
{
	for (__u32 i = 0; i < INLAY_POSITIONS; i++)
		if (ft->positions[i] != NULL)
			relay_position_close(ft->positions[i]);
}

void relay_fast_track_left(struct inlay_relay *r, struct relay_fast_track *ft)
{
	__u32 first;

	if (ft->upstream != NULL || !ft->quiet || ft->leaving)
		return;
	/* What is called here may call back. */
	ft->leaving = true;
	if (ft->abandon) {
		drop_unknown(r, ft);
		abandon_unknown(r, ft);
	}
	if (ft->track != NULL)
		relay_held_promote(ft->track);
	if (inlay_list_is_empty(&ft->slots) && unknown_slots(r, ft, &first) == 0)
		close_positions(ft);
	else
		relay_fast_wake(r, r->now + RELAY_FAST_POLL);
	ft->leaving = false;
	if (inlay_list_is_empty(&ft->slots) && ft->n_positions == 0 &&
	    unknown_slots(r, ft, &first) == 0)
		give_back(r, ft);
}

static void now_quiet(struct inlay_relay *r, struct relay_wait *w)
{
	struct relay_fast_track *ft = inlay_list_entry(w, struct relay_fast_track, wait);

	ft->quiet = true;
	/* Not from within whatever the track's end is part of. */
	relay_fast_wake(r, r->now);
}

static void drain(struct inlay_relay *r, struct relay_fast_track *ft)
{
	if (ft->upstream == NULL)
		return;
	ft->upstream = NULL;
	inlay_xchg_u32(&ft->alias->track, 0);
	relay_wait_for_quiet(r, &ft->wait, now_quiet);
}

void relay_fast_track_yield(struct relay_fast_track *ft)
{
	drain(ft->track->relay, ft);
}

void relay_fast_upstream_gone(struct relay_upstream *up)
{
	struct relay_fast_track *ft = up->track->fast;

	if (ft == NULL || ft->from->session != up->session ||
	    (ft->upstream != NULL && ft->upstream != up))
		return;
	ft->abandon = true;
	drain(up->track->relay, ft);
}

void relay_fast_track_gone(struct relay_track *t)
{
	if (t->fast == NULL)
		return;
	t->fast->abandon = true;
	t->fast->track = NULL;
	drain(t->relay, t->fast);
	t->fast = NULL;
}

/* --- what follows ---------------------------------------------------------------------------- */

static void check_subscriptions(struct relay_track *t, enum inlay_reason why)
{
	struct inlay_list *node;

	inlay_list_for_each (node, &t->subscriptions) {
		struct relay_subscription *sub =
			inlay_list_entry(node, struct relay_subscription, of_track);

		if (t->fast != NULL && t->fast->upstream != NULL)
			relay_position_check(sub);
		else if (sub->position == NULL)
			sub->why = why;
	}
}

void relay_fast_track_check(struct relay_track *t)
{
	struct inlay_relay *r = t->relay;
	enum inlay_reason why = INLAY_REASON_NOT_UPSTREAM;
	struct relay_upstream *up;

	relay_held_check(t);
	up = relay_track_first_upstream(t);
	if (t->fast != NULL && t->fast->upstream != NULL && t->fast->upstream != up)
		drain(r, t->fast);
	if (t->fast != NULL && t->fast->upstream == NULL && up != NULL)
		why = INLAY_REASON_SEVERAL_PUBLISHERS;
	if (t->fast == NULL && up != NULL && !inlay_list_is_empty(&t->subscriptions)) {
		t->fast = make(up, &why);
		if (t->fast != NULL)
			publish_alias(t->fast);
	}
	check_subscriptions(t, why);
}
