/* SPDX-License-Identifier: BSD-2-Clause */
/* The fast path as a whole: its tables, and who waits for quiet. See fast.h. */
#include "fast.h"

#include <errno.h>
#include <stdlib.h>

#include "relay_impl.h"

#define SWEEP_EVERY (2 * INLAY_S)

int relay_fast_init(struct inlay_relay *r, struct inlay_state *state)
{
	struct relay_fast *f = &r->fast;

	inlay_list_init(&f->waits);
	inlay_list_init(&f->later);
	inlay_list_init(&f->upstreams);
	inlay_list_init(&f->tracks);
	f->deadline = INLAY_NEVER;
	if (state == NULL)
		return 0;
	f->tables = inlay_state_tables(state);
	f->slots = calloc(f->tables->n_slots, sizeof(struct relay_slot *));
	f->given = calloc(f->tables->n_slots, sizeof(__u32));
	if (f->slots == NULL || f->given == NULL) {
		free(f->slots);
		free(f->given);
		return -ENOMEM;
	}
	f->state = state;
	return 0;
}

void relay_fast_fini(struct inlay_relay *r)
{
	struct relay_fast *f = &r->fast;

	if (f->state == NULL)
		return;
	/* Nobody is at work on anything: all is quiet, and a few turns end everything. */
	for (int i = 0; i < 8; i++) {
		f->deadline = 0;
		relay_fast_on_timer(r);
	}
	free(f->slots);
	free(f->given);
}

void relay_fast_wake(struct inlay_relay *r, inlay_ns t)
{
	if (r->fast.state != NULL && t < r->fast.deadline)
		r->fast.deadline = t;
}

void relay_wait_for_quiet(struct inlay_relay *r, struct relay_wait *w,
			  void (*then)(struct inlay_relay *r, struct relay_wait *w))
{
	struct relay_fast *f = &r->fast;

	inlay_list_remove(&w->node);
	inlay_state_moment(f->state, &w->moment);
	if (inlay_state_is_quiet(f->state, &w->moment)) {
		then(r, w);
		return;
	}
	w->then = then;
	inlay_list_append(&f->waits, &w->node);
	relay_fast_wake(r, r->now + RELAY_FAST_POLL);
}

void relay_wait_a_while(struct inlay_relay *r, struct relay_wait *w,
			void (*then)(struct inlay_relay *r, struct relay_wait *w))
{
	w->then = then;
	inlay_list_append(&r->fast.later, &w->node);
	relay_fast_wake(r, r->now + RELAY_FAST_POLL);
}

/* Those that wait again do so at the end, for another time. */
static void look_again(struct inlay_relay *r)
{
	struct inlay_list *later = &r->fast.later, *node;
	__u32 n = 0;

	inlay_list_for_each (node, later)
		n++;
	for (; n > 0 && !inlay_list_is_empty(later); n--) {
		struct relay_wait *w = inlay_list_entry(later->next, struct relay_wait, node);

		inlay_list_remove(&w->node);
		w->then(r, w);
	}
}

/* What is quiet goes on. What it does may add to the list, at the end. */
static void look_for_quiet(struct inlay_relay *r)
{
	struct relay_fast *f = &r->fast;

	while (!inlay_list_is_empty(&f->waits)) {
		struct relay_wait *w = inlay_list_entry(f->waits.next, struct relay_wait, node);

		if (!inlay_state_is_quiet(f->state, &w->moment)) {
			relay_fast_wake(r, r->now + RELAY_FAST_POLL);
			return;
		}
		inlay_list_remove(&w->node);
		w->then(r, w);
	}
}

/* A slot may end its track, and that alone. */
static void check_tracks(struct inlay_relay *r)
{
	struct inlay_list *node, *after, *s, *after_s;

	inlay_list_for_each_safe (node, after, &r->fast.tracks) {
		struct relay_fast_track *ft = inlay_list_entry(node, struct relay_fast_track, node);

		inlay_list_for_each_safe (s, after_s, &ft->slots)
			relay_slot_on_timer(r, inlay_list_entry(s, struct relay_slot, of_track));
	}
	if (r->fast.next_sweep <= r->now) {
		inlay_list_for_each (node, &r->fast.tracks) {
			struct relay_fast_track *ft =
				inlay_list_entry(node, struct relay_fast_track, node);

			relay_fast_track_sweep(r, ft);
			relay_positions_age(r, ft);
		}
		r->fast.next_sweep = r->now + SWEEP_EVERY;
	}
	if (!inlay_list_is_empty(&r->fast.tracks))
		relay_fast_wake(r, r->fast.next_sweep);
	inlay_list_for_each_safe (node, after, &r->fast.tracks)
		relay_fast_track_left(r, inlay_list_entry(node, struct relay_fast_track, node));
}

void relay_fast_on_timer(struct inlay_relay *r)
{
	struct inlay_list *node, *after;

	if (r->fast.state == NULL || r->fast.deadline > r->now)
		return;
	r->fast.deadline = INLAY_NEVER;
	inlay_state_reclaim(r->fast.state);
	look_for_quiet(r);
	look_again(r);
	check_tracks(r);
	relay_fast_upstreams_check(r);
	inlay_list_for_each_safe (node, after, &r->tracks)
		relay_fast_track_check(inlay_list_entry(node, struct relay_track, node));
}

void relay_fast_count(const struct inlay_relay *r, struct inlay_relay_stats *ret)
{
	struct inlay_list *node, *s;

	if (r->fast.state == NULL)
		return;
	ret->legs_attached = r->fast.attached;
	for (int i = 0; i < INLAY_N_REASONS; i++)
		ret->legs_detached[i] = r->fast.detached[i];
	inlay_list_for_each (node, &r->fast.tracks) {
		const struct relay_fast_track *ft =
			inlay_list_entry(node, struct relay_fast_track, node);

		ret->positions_now += ft->n_positions;
		inlay_list_for_each (s, &ft->slots)
			ret->slots_now++;
	}
}
