/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Forwarders and control plane at the same time; see race.h. With threads there is no telling what
 * a seed leads to, but that it is something else each time; what is found here is reproduced by
 * running it again, or in protocol_test.c.
 */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>

#include "race.h"
#include "work.h"

int race_mutation;

int race_jitter(void)
{
	static __thread __u64 rng;

	if (!rng)
		rng = (__u64)(size_t)&rng | 1;
	if (race_chance(&rng, 1))
		for (__u64 n = race_random(&rng) % 8; n > 0; n--)
			sched_yield();
	return race_mutation;
}

/* gcc says so by a macro, clang by a feature. */
#if defined(__SANITIZE_THREAD__)
#define RACE_UNDER_TSAN 1
#elif defined(__has_feature)
#define RACE_UNDER_TSAN __has_feature(thread_sanitizer)
#else
#define RACE_UNDER_TSAN 0
#endif

#define PHASES	30
#define PACKETS 150 /* of each thread, in each phase */
#define STEPS	4   /* of the control plane, for each packet */

static struct race *race_new(__u64 seed)
{
	const struct inlay_state_config config = {
		.subscribers = 8,
		.log_size = RACE_LOG,
		.upstreams = RACE_UPSTREAMS,
		.journal_size = RACE_JOURNAL,
		.tracks = RACE_UPSTREAMS,
		.slots = RACE_SLOTS,
	};
	struct race *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	r->lives = calloc(RACE_LIVES, sizeof(*r->lives));
	assert_non_null(r->lives);
	assert_int_equal(inlay_state_new(&config, &r->st), 0);
	r->t = inlay_state_tables(r->st);
	r->seed = seed;
	race_publisher_init(r);
	for (__u32 i = 0; i < RACE_UPSTREAMS; i++) {
		struct race_thread *t = &r->threads[i];
		struct inlay_upstream *up;
		struct inlay_alias *a;

		assert_int_equal(inlay_state_upstream_get(r->st, &r->upstreams[i]), 0);
		assert_int_equal(inlay_state_track_get(r->st, &r->tracks[i]), 0);
		up = &r->t->upstreams[r->upstreams[i]];
		up->draft = 18;
		a = &up->aliases[5];
		a->alias = RACE_ALIAS;
		a->end_group = ~0ULL;
		a->priority = 100;
		inlay_xchg_u32(&a->track, r->tracks[i] + 1);
		inlay_xchg_u32(&up->state, INLAY_UPSTREAM_ON);
		assert_int_equal(inlay_state_route(r->st, RACE_SA + i, 1, r->upstreams[i]), 0);
		t->race = r;
		t->context = i;
		t->rng = (seed * RACE_UPSTREAMS + i + 1) * 0x9e3779b97f4a7c15ULL | 1;
		t->f.tables = r->t;
		t->f.context = i;
		t->f.emit = race_sink_take;
		t->f.user = t;
	}
	return r;
}

static void race_free(struct race *r)
{
	inlay_state_free(r->st);
	free(r->lives);
	free(r);
}

static pthread_barrier_t begin, end;
static __u32 at_work;

static void *run_thread(void *user)
{
	struct race_thread *t = user;

	for (int phase = 0; phase < PHASES; phase++) {
		pthread_barrier_wait(&begin);
		for (int i = 0; i < PACKETS; i++)
			race_publisher_step(t);
		__atomic_fetch_sub(&at_work, 1, __ATOMIC_SEQ_CST);
		pthread_barrier_wait(&end);
	}
	return NULL;
}

/* How often something was not as it should be. */
static __u32 run_seed(__u64 seed, bool print, __u64 *ret_copies)
{
	struct race *r = race_new(seed);
	struct race_control *c = race_control_new(r, seed);
	pthread_t threads[RACE_UPSTREAMS];
	__u64 steps = 0;
	__u32 failures;

	r->is_silent = race_mutation != 0;
	pthread_barrier_init(&begin, NULL, RACE_UPSTREAMS + 1);
	pthread_barrier_init(&end, NULL, RACE_UPSTREAMS + 1);
	for (int i = 0; i < RACE_UPSTREAMS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, run_thread, &r->threads[i]), 0);
	for (int phase = 0; phase < PHASES; phase++) {
		inlay_store_u32(&at_work, RACE_UPSTREAMS);
		pthread_barrier_wait(&begin);
		while (inlay_load_u32(&at_work) > 0) {
			if (steps < STEPS * inlay_load_u64(&r->packets)) {
				race_control_step(c);
				steps++;
			} else {
				sched_yield();
			}
		}
		pthread_barrier_wait(&end);
		race_control_audit(c);
		for (int i = 0; i < 100; i++)
			race_control_step(c);
	}
	for (int i = 0; i < RACE_UPSTREAMS; i++) {
		pthread_join(threads[i], NULL);
		*ret_copies += r->threads[i].copies;
	}
	pthread_barrier_destroy(&begin);
	pthread_barrier_destroy(&end);
	if (print)
		race_control_print(c);
	for (__u32 i = 0; print && i < INLAY_N_REASONS; i++)
		if (r->threads[0].f.reasons.count[i])
			printf("# %s %llu\n", inlay_reason_name(i),
			       (unsigned long long)r->threads[0].f.reasons.count[i]);
	failures = r->failures;
	race_control_free(c);
	race_free(r);
	return failures;
}

static void forwarders_and_control_plane_race_and_nothing_breaks(void **state)
{
	__u64 seeds = getenv("INLAY_FULL") ? 1000 : 10, copies = 0;

	for (__u64 seed = 1; seed <= seeds; seed++)
		assert_int_equal(run_seed(seed, seed == 1, &copies), 0);
	printf("# %llu seeds, %llu copies\n", (unsigned long long)seeds,
	       (unsigned long long)copies);
	/* Credit is scarce on purpose; but it must not run dry. */
	assert_true(copies > 1000 * seeds);
}

/* Rules that hold between threads, and limits; the others are for tests/forward/. */
static void broken_rules_are_noticed(void **state)
{
	static const int mutants[] = {
		INLAY_MUTANT_NO_PUBLICATION,   INLAY_MUTANT_NO_EPOCH,
		INLAY_MUTANT_NO_JOURNAL,       INLAY_MUTANT_RECALL_IGNORED,
		INLAY_MUTANT_NO_DETACH,	       INLAY_MUTANT_OFFER_EARLY,
		INLAY_MUTANT_IGNORE_OFF,       INLAY_MUTANT_NO_STREAM_LIMIT,
		INLAY_MUTANT_NO_STREAMS_LIMIT, INLAY_MUTANT_NO_FLOW_LIMIT,
		INLAY_MUTANT_NO_GAP_CHARGE,    INLAY_MUTANT_NO_FLOW_UNDO,
		INLAY_MUTANT_NO_WINDOW_LIMIT,  INLAY_MUTANT_NO_WINDOW_UNDO,
	};
	__u64 copies = 0, seed;

#if RACE_UNDER_TSAN
	skip(); /* some of them are data races */
#endif
	for (size_t i = 0; i < INLAY_ARRAY_SIZE(mutants); i++) {
		race_mutation = mutants[i];
		for (seed = 1; seed <= 200 && !run_seed(seed, false, &copies); seed++)
			;
		race_mutation = 0;
		if (seed > 200)
			fail_msg("mutant %d goes unnoticed", mutants[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forwarders_and_control_plane_race_and_nothing_breaks),
		cmocka_unit_test(broken_rules_are_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
