/* SPDX-License-Identifier: BSD-2-Clause */
/* The shared state: its memory, who gets which entry, and that none is reused too early. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "inlay_sent.h"
#include "state.h"

static struct inlay_state *st;
static const struct inlay_tables *t;

static int setup_with(const struct inlay_state_config *config)
{
	assert_int_equal(inlay_state_new(config, &st), 0);
	t = inlay_state_tables(st);
	return 0;
}

static int setup(void **state)
{
	return setup_with(&(struct inlay_state_config){.subscribers = 4,
						       .upstreams = 2,
						       .tracks = 2,
						       .slots = 4,
						       .log_size = 64,
						       .sas = 8});
}

static int setup_default(void **state)
{
	return setup_with(&(struct inlay_state_config){0});
}

static int teardown(void **state)
{
	inlay_state_free(st);
	return 0;
}

/* --- Memory ----------------------------------------------------------------------------------- */

static void a_configuration_that_cannot_be_is_refused(void **state)
{
	static const struct inlay_state_config bad[] = {
		{.subscribers = 3},	   {.log_size = 32},	   {.log_size = 1 << 21},
		{.upstreams = 5},	   {.journal_size = 1000}, {.slots = 1 << 16},
		{.tracks = (1 << 16) + 1}, {.sas = 1 << 23},	   {.sas = 7},
		{.subscribers = 1U << 31},
	};
	struct inlay_state *other = NULL;

	for (size_t i = 0; i < INLAY_ARRAY_SIZE(bad); i++)
		assert_int_equal(inlay_state_new(&bad[i], &other), -EINVAL);
	assert_null(other);
	inlay_state_free(NULL);
}

static void tables_have_the_room_they_say_and_share_none(void **state)
{
	__u64 room, used;

	assert_int_equal(t->n_subscribers, 1024);
	assert_int_equal(t->n_slots, 256);
	assert_int_equal(t->n_sas, 2048);
	assert_true(t->log_stride >= 2048);
	inlay_state_size(st, &room, &used);
	assert_int_equal(used, 0);
	/* Each table's end is before, or at, the next one's begin, which starts a page. */
#define ENDS_BEFORE(a, n, b)                                                                       \
	do {                                                                                       \
		assert_true((__u8 *)(t->a + (n)) <= (__u8 *)t->b);                                 \
		assert_int_equal((uintptr_t)t->b % 4096, 0);                                       \
	} while (0)
	ENDS_BEFORE(contexts, INLAY_CONTEXTS, sas);
	ENDS_BEFORE(sas, t->n_sas, subscribers);
	ENDS_BEFORE(subscribers, t->n_subscribers, logs);
	ENDS_BEFORE(logs, (size_t)t->n_subscribers * t->log_stride, upstreams);
	ENDS_BEFORE(upstreams, t->n_upstreams, journals);
	ENDS_BEFORE(journals, (size_t)t->n_upstreams * t->journal_size, tracks);
	ENDS_BEFORE(tracks, t->n_tracks, positions);
	ENDS_BEFORE(positions, (size_t)t->n_tracks * INLAY_POSITIONS, slots);
	ENDS_BEFORE(slots, t->n_slots, legs);
	assert_true((__u8 *)(t->legs + (size_t)t->n_slots * INLAY_POSITIONS) <=
		    (__u8 *)t->contexts + room);
}

/* Entries of one number, which are written one after the other, in sets of their own. */
static void logs_of_neighbours_lie_apart_in_the_cache(void **state)
{
	for (__u32 i = 1; i < 64; i++) {
		uintptr_t at = (uintptr_t)inlay_state_log(st, i);

		assert_ptr_equal(inlay_state_log(st, i), t->logs + (size_t)i * t->log_stride);
		assert_int_equal((at - (uintptr_t)t->logs) / 64 % 64, i);
	}
}

static void a_log_given_back_is_zero_and_costs_no_memory(void **state)
{
	struct inlay_sent *log[2];
	__u64 room, before, used;
	__u32 index[2], again;

	for (int i = 0; i < 2; i++) {
		assert_int_equal(inlay_state_subscriber_get(st, &index[i]), 0);
		log[i] = inlay_state_log(st, index[i]);
	}
	inlay_state_size(st, &room, &before);
	for (int i = 0; i < 2; i++)
		memset(log[i], 0xee, 2048 * sizeof(*log[i]));
	inlay_state_size(st, &room, &used);
	assert_true(used >= before + 2 * 65536);
	inlay_state_subscriber_put(st, index[0]);
	inlay_state_reclaim(st);
	inlay_state_size(st, &room, &used);
	assert_true(used <= before + 65536 + 2 * 4096);
	for (int i = 0; i < 2048; i++) {
		assert_int_equal(log[0][i].pn_state, 0);
		assert_int_equal(log[1][i].offset, 0xeeeeeeeeeeeeeeeeULL);
	}
	assert_int_equal(inlay_state_subscriber_get(st, &again), 0);
	assert_int_equal(again, index[0]);
}

/* --- Quiescence ------------------------------------------------------------------------------- */

static void a_moment_is_quiet_once_all_have_left_who_were_in(void **state)
{
	struct inlay_moment moment;

	inlay_state_moment(st, &moment);
	assert_true(inlay_state_is_quiet(st, &moment));
	inlay_context_enter(&t->contexts[1]);
	assert_true(inlay_state_is_quiet(st, &moment));
	inlay_context_enter(&t->contexts[7]);
	inlay_state_moment(st, &moment);
	assert_false(inlay_state_is_quiet(st, &moment));
	inlay_context_leave(&t->contexts[1]);
	assert_false(inlay_state_is_quiet(st, &moment));
	inlay_context_enter(&t->contexts[1]);
	inlay_context_leave(&t->contexts[7]);
	assert_true(inlay_state_is_quiet(st, &moment));
	inlay_context_enter(&t->contexts[7]);
	assert_true(inlay_state_is_quiet(st, &moment));
}

static void an_entry_is_not_reused_while_a_forwarder_may_hold_it(void **state)
{
	__u32 all[4], again;

	for (int i = 0; i < 4; i++)
		assert_int_equal(inlay_state_subscriber_get(st, &all[i]), 0);
	assert_int_equal(inlay_state_subscriber_get(st, &again), -ENOSPC);
	inlay_context_enter(&t->contexts[0]);
	inlay_state_log(st, all[2])[5].pn_state = 77;
	inlay_state_subscriber_put(st, all[2]);
	assert_int_equal(inlay_state_subscriber_get(st, &again), -ENOSPC);
	assert_int_equal(inlay_state_log(st, all[2])[5].pn_state, 77);
	inlay_context_leave(&t->contexts[0]);
	/* Who enters now cannot have found it. */
	inlay_context_enter(&t->contexts[0]);
	assert_int_equal(inlay_state_subscriber_get(st, &again), 0);
	assert_int_equal(again, all[2]);
	assert_int_equal(inlay_state_log(st, again)[5].pn_state, 0);
}

static void what_was_put_later_is_not_free_sooner(void **state)
{
	__u32 a[4], again;

	for (int i = 0; i < 4; i++)
		assert_int_equal(inlay_state_subscriber_get(st, &a[i]), 0);
	inlay_state_subscriber_put(st, a[0]);
	inlay_context_enter(&t->contexts[0]);
	inlay_state_subscriber_put(st, a[1]);
	inlay_context_enter(&t->contexts[1]);
	inlay_state_subscriber_put(st, a[2]);
	assert_int_equal(inlay_state_subscriber_get(st, &again), 0);
	assert_int_equal(again, a[0]);
	assert_int_equal(inlay_state_subscriber_get(st, &again), -ENOSPC);
	inlay_context_leave(&t->contexts[0]);
	assert_int_equal(inlay_state_subscriber_get(st, &again), 0);
	assert_int_equal(again, a[1]);
	assert_int_equal(inlay_state_subscriber_get(st, &again), -ENOSPC);
	inlay_context_leave(&t->contexts[1]);
	inlay_state_reclaim(st);
	inlay_context_enter(&t->contexts[1]);
	assert_int_equal(inlay_state_subscriber_get(st, &again), 0);
	assert_int_equal(again, a[2]);
}

/* --- Entries ---------------------------------------------------------------------------------- */

static void a_subscriber_comes_zeroed_under_a_generation_never_zero(void **state)
{
	__u32 index, first;
	__u16 before = 0;

	assert_int_equal(inlay_state_subscriber_get(st, &first), 0);
	for (int i = 0; i < 70000; i++) {
		struct inlay_subscriber *s = inlay_state_subscriber(st, first);

		assert_true(s->generation != 0 && s->generation != before);
		assert_int_equal(s->abi_version, INLAY_ABI_VERSION);
		assert_int_equal(s->next_pn | s->sa | s->log_mask | s->class_limit[3], 0);
		before = s->generation;
		s->next_pn = s->class_limit[3] = s->sa = s->log_mask = 9;
		inlay_state_subscriber_put(st, first);
		assert_int_equal(inlay_state_subscriber_get(st, &index), 0);
		assert_int_equal(index, first);
	}
}

static void an_upstream_comes_off_and_empty(void **state)
{
	struct inlay_upstream *up;
	__u32 index, again;
	__u16 generation;

	assert_int_equal(inlay_state_upstream_get(st, &index), 0);
	up = &t->upstreams[index];
	assert_int_equal(up->journal_mask, t->journal_size - 1);
	generation = up->generation;
	up->seen[3] = up->serial = up->aliases[1].track = 5;
	t->journals[(size_t)index * t->journal_size + 7].word = 1;
	inlay_xchg_u32(&up->state, INLAY_UPSTREAM_ON);
	inlay_context_enter(&t->contexts[0]);
	inlay_state_upstream_put(st, index);
	assert_int_equal(up->state, INLAY_UPSTREAM_OFF);
	inlay_state_reclaim(st);
	assert_int_equal(up->serial, 5);
	inlay_context_leave(&t->contexts[0]);
	assert_int_equal(inlay_state_upstream_get(st, &again), 0);
	assert_int_equal(again, index);
	assert_int_equal(up->seen[3] | up->serial | up->aliases[1].track, 0);
	assert_int_equal(t->journals[(size_t)index * t->journal_size + 7].word, 0);
	assert_int_equal(up->generation, generation + 1);
}

static void a_place_of_an_sa_is_anothers_only_when_nobody_reads_it(void **state)
{
	assert_int_equal(inlay_state_route(st, 3, 1, 0), 0);
	assert_int_equal(t->sas[3].upstream, 1);
	assert_int_equal(inlay_state_route(st, 11, 1, 1), -EEXIST);
	inlay_state_unroute(st, 11, 1);
	inlay_state_unroute(st, 3, 2);
	assert_int_equal(t->sas[3].upstream, 1);
	inlay_context_enter(&t->contexts[0]);
	inlay_state_unroute(st, 3, 1);
	assert_int_equal(t->sas[3].upstream, 0);
	assert_int_equal(inlay_state_route(st, 11, 1, 1), -EEXIST);
	assert_int_equal(t->sas[3].number, 3);
	inlay_context_leave(&t->contexts[0]);
	assert_int_equal(inlay_state_route(st, 11, 4, 1), 0);
	assert_int_equal(t->sas[3].upstream, 2);
	assert_int_equal(t->sas[3].number, 11);
	assert_int_equal(t->sas[3].generation, 4);
}

static struct inlay_leg *leg(__u32 slot, __u32 position)
{
	return &t->legs[(size_t)slot * INLAY_POSITIONS + position];
}

static void follow(__u32 slot, __u32 track)
{
	t->slots[slot].track = track;
	inlay_xchg_u32(&t->slots[slot].state, INLAY_SLOT_LIVE);
}

static void a_position_is_stable_and_comes_without_legs(void **state)
{
	__u32 track, other, p[3], again;

	assert_int_equal(inlay_state_track_get(st, &track), 0);
	assert_int_equal(inlay_state_track_get(st, &other), 0);
	assert_int_equal(inlay_state_track_get(st, &again), -ENOSPC);
	for (__u32 i = 0; i < 3; i++) {
		assert_int_equal(inlay_state_position_get(st, track, &p[i]), 0);
		assert_int_equal(p[i], i);
		assert_int_equal(t->tracks[track].n_positions, i + 1);
	}
	follow(0, track);
	follow(1, other);
	for (__u32 slot = 0; slot < 2; slot++)
		for (__u32 i = 0; i < 3; i++)
			leg(slot, i)->state = INLAY_LEG_DETACHED;
	t->positions[track * INLAY_POSITIONS + 1].state = INLAY_POSITION_OFF;
	inlay_state_position_put(st, track, p[1]);
	assert_int_equal(inlay_state_position_get(st, track, &again), 0);
	assert_int_equal(again, 1);
	assert_int_equal(t->positions[track * INLAY_POSITIONS + 1].state, INLAY_POSITION_FREE);
	assert_int_equal(leg(0, 1)->state, INLAY_LEG_NONE);
	/* No other position's, and no other track's. */
	assert_int_equal(leg(0, 0)->state, INLAY_LEG_DETACHED);
	assert_int_equal(leg(0, 2)->state, INLAY_LEG_DETACHED);
	assert_int_equal(leg(1, 1)->state, INLAY_LEG_DETACHED);
	for (__u32 i = 3; i < INLAY_POSITIONS; i++)
		assert_int_equal(inlay_state_position_get(st, track, &again), 0);
	assert_int_equal(inlay_state_position_get(st, track, &again), -ENOSPC);
	assert_int_equal(t->tracks[track].n_positions, INLAY_POSITIONS);
}

static void a_slot_is_not_followed_any_more_and_later_free(void **state)
{
	__u32 track, p;
	__u16 generation = t->slots[2].generation;

	assert_int_equal(inlay_state_track_get(st, &track), 0);
	assert_int_equal(inlay_state_position_get(st, track, &p), 0);
	follow(2, track);
	leg(2, p)->state = INLAY_LEG_DETACHED;
	t->slots[2].framing.offset = 4;
	inlay_context_enter(&t->contexts[3]);
	inlay_state_slot_put(st, 2);
	assert_int_equal(t->slots[2].state, INLAY_SLOT_DECLINED);
	inlay_state_reclaim(st);
	assert_int_equal(t->slots[2].state, INLAY_SLOT_DECLINED);
	assert_int_equal(leg(2, p)->state, INLAY_LEG_DETACHED);
	inlay_context_leave(&t->contexts[3]);
	inlay_state_reclaim(st);
	assert_int_equal(t->slots[2].state, INLAY_SLOT_FREE);
	assert_int_equal(t->slots[2].generation, (__u16)(generation + 1));
	assert_int_equal(t->slots[2].framing.offset, 0);
	assert_int_equal(leg(2, p)->state, INLAY_LEG_NONE);
}

/* Whatever the order in which a track and its slots are given back. */
static void a_track_leaves_no_leg_behind(void **state)
{
	__u32 track, again, p;

	assert_int_equal(inlay_state_track_get(st, &track), 0);
	for (int i = 0; i < 5; i++)
		assert_int_equal(inlay_state_position_get(st, track, &p), 0);
	follow(0, track);
	follow(1, track);
	leg(0, p)->state = leg(1, p)->state = INLAY_LEG_DETACHED;
	inlay_state_slot_put(st, 0);
	for (p = 0; p < 5; p++)
		inlay_state_position_put(st, track, p);
	inlay_state_track_put(st, track);
	inlay_state_slot_put(st, 1);
	inlay_state_reclaim(st);
	assert_int_equal(leg(0, 4)->state | leg(1, 4)->state, INLAY_LEG_NONE);
	assert_int_equal(t->slots[0].state | t->slots[1].state, INLAY_SLOT_FREE);
	assert_int_equal(inlay_state_track_get(st, &again), 0);
	assert_int_equal(again, track);
	assert_int_equal(t->tracks[track].n_positions, 0);
	assert_int_equal(inlay_state_position_get(st, track, &p), 0);
	assert_int_equal(p, 0);
}

/* --- Two threads ------------------------------------------------------------------------------ */

static __u32 done, torn;
static __u64 seen;

/* A forwarder in small: what it finds through an ACTIVE position belongs together. Plain fields
 * are read, so that TSan sees who writes them too early. */
static void *forward(void *arg)
{
	struct inlay_position *p = &t->positions[0];
	__u64 found = 0;

	while (!inlay_load_u32(&done)) {
		inlay_context_enter(&t->contexts[0]);
		if (inlay_load_u32(&p->state) == INLAY_POSITION_ACTIVE) {
			struct inlay_subscriber *s = &t->subscribers[p->subscriber];
			__u64 pn;

			/* Given back, and perhaps not yet another's. */
			if (inlay_load_u16(&s->generation) != p->generation) {
				inlay_context_leave(&t->contexts[0]);
				continue;
			}
			pn = inlay_fetch_add_u64(&s->next_pn, 1);
			inlay_state_log(st, p->subscriber)[pn & 63].offset = s->sa;
			if (s->sa != p->alias)
				inlay_fetch_add_u64(&seen, 1ULL << 32);
			found++;
		}
		inlay_context_leave(&t->contexts[0]);
	}
	inlay_fetch_add_u64(&seen, found);
	return arg;
}

static void rearm(__u32 round)
{
	struct inlay_position *p = &t->positions[0];
	struct inlay_moment moment;
	struct inlay_subscriber *s;
	__u32 before = p->subscriber;

	inlay_xchg_u32(&p->state, INLAY_POSITION_OFF);
	if (round % 2) {
		inlay_state_moment(st, &moment);
		while (!inlay_state_is_quiet(st, &moment))
			;
		inlay_state_subscriber_put(st, before);
		while (inlay_state_subscriber_get(st, &p->subscriber))
			;
	} else {
		/* Given back at once: the next one is another, or waits. */
		__u32 next;

		inlay_state_subscriber_put(st, before);
		while (inlay_state_subscriber_get(st, &next))
			;
		inlay_state_moment(st, &moment);
		while (!inlay_state_is_quiet(st, &moment))
			;
		p->subscriber = next;
	}
	s = inlay_state_subscriber(st, p->subscriber);
	torn += inlay_state_log(st, p->subscriber)[0].offset != 0 || s->next_pn != 0;
	s->sa = p->alias = round;
	p->generation = s->generation;
	inlay_xchg_u32(&p->state, INLAY_POSITION_ACTIVE);
}

static void entries_change_hands_while_a_forwarder_runs(void **state)
{
	pthread_t thread;
	__u32 track;

	done = torn = 0;
	seen = 0;
	assert_int_equal(inlay_state_track_get(st, &track), 0);
	assert_int_equal(inlay_state_position_get(st, track, &(__u32){0}), 0);
	assert_int_equal(inlay_state_subscriber_get(st, &t->positions[0].subscriber), 0);
	assert_int_equal(pthread_create(&thread, NULL, forward, NULL), 0);
	for (__u32 round = 1; round < 3000; round++)
		rearm(round);
	/* It may not have run at all yet. */
	while (!inlay_load_u64(&t->contexts[0].epoch))
		;
	inlay_xchg_u32(&done, 1);
	pthread_join(thread, NULL);
	assert_int_equal(torn, 0);
	assert_int_equal(seen >> 32, 0);
}

/* A data thread that drops copies which waited, of a connection that may have gone. */
static void *drop_late(void *arg)
{
	while (!inlay_load_u32(&done))
		for (__u64 pn = 0; pn < 4; pn++)
			inlay_sent_drop(&((struct inlay_sent *)arg)[pn], pn);
	return arg;
}

static void a_copy_that_is_dropped_late_finds_no_entry_half_zeroed(void **state)
{
	struct inlay_sent *log;
	pthread_t thread;
	__u32 index;

	done = 0;
	assert_int_equal(inlay_state_subscriber_get(st, &index), 0);
	log = inlay_state_log(st, index);
	assert_int_equal(pthread_create(&thread, NULL, drop_late, log), 0);
	for (int round = 0; round < 300; round++) {
		for (__u64 pn = 0; pn < 4; pn++)
			inlay_store_u64(&log[pn].pn_state, INLAY_SENT_WORD(pn, INLAY_SENT_SENT));
		inlay_state_subscriber_put(st, index);
		assert_int_equal(inlay_state_subscriber_get(st, &index), 0);
		for (__u64 pn = 0; pn < 4; pn++)
			assert_int_equal(log[pn].pn_state, 0);
	}
	inlay_xchg_u32(&done, 1);
	pthread_join(thread, NULL);
}

#define TEST(name)	   cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TEST_WITH(s, name) cmocka_unit_test_setup_teardown(name, s, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_configuration_that_cannot_be_is_refused),
		TEST_WITH(setup_default, tables_have_the_room_they_say_and_share_none),
		TEST_WITH(setup_default, logs_of_neighbours_lie_apart_in_the_cache),
		TEST_WITH(setup_default, a_log_given_back_is_zero_and_costs_no_memory),
		TEST(a_moment_is_quiet_once_all_have_left_who_were_in),
		TEST(an_entry_is_not_reused_while_a_forwarder_may_hold_it),
		TEST(what_was_put_later_is_not_free_sooner),
		TEST(a_subscriber_comes_zeroed_under_a_generation_never_zero),
		TEST(an_upstream_comes_off_and_empty),
		TEST(a_place_of_an_sa_is_anothers_only_when_nobody_reads_it),
		TEST(a_position_is_stable_and_comes_without_legs),
		TEST(a_slot_is_not_followed_any_more_and_later_free),
		TEST(a_track_leaves_no_leg_behind),
		TEST(entries_change_hands_while_a_forwarder_runs),
		TEST(a_copy_that_is_dropped_late_finds_no_entry_half_zeroed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
