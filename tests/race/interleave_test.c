/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The search of interleave.c itself: that it is exhaustive, runs nothing twice, and finds what is
 * wrong. Then the quiescence of dataplane/state.h, which everything else leans on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "interleave.h"
#include "state.h"

int race_mutation;

static struct {
	__u64 words[8];
	__u64 seen[2];
} shared;

static int track_shared(void **state)
{
	memset(&shared, 0, sizeof(shared));
	interleave_track(&shared, sizeof(shared));
	return 0;
}

static int untrack(void **state)
{
	interleave_untrack_all();
	return 0;
}

static void nothing(void *user)
{
}

/* --- The search ------------------------------------------------------------------------------ */

static void three_additions(void *user)
{
	for (int i = 0; i < 3; i++)
		inlay_fetch_add_u64(&shared.words[0], 1);
}

static void sum_is_six(void *user)
{
	interleave_expect(shared.words[0] == 6);
}

static void every_order_of_conflicting_accesses_is_run_once(void **state)
{
	const struct interleave_model model = {
		.name = "additions",
		.n_threads = 2,
		.threads = {three_additions, three_additions},
		.check = sum_is_six,
		.limit = 1000,
	};
	struct interleave_count count;

	assert_true(interleave_explore(&model, &count));
	assert_int_equal(count.runs, 20); /* 6! / (3! 3!) */
	assert_int_equal(count.places, 2);
}

static void one_addition(void *user)
{
	inlay_fetch_add_u64(&shared.words[0], 1);
}

static void sum_is_three(void *user)
{
	interleave_expect(shared.words[0] == 3);
}

static void three_threads_are_run_in_every_order(void **state)
{
	const struct interleave_model model = {
		.name = "three threads",
		.n_threads = 3,
		.threads = {one_addition, one_addition, one_addition},
		.check = sum_is_three,
		.limit = 1000,
	};
	struct interleave_count count;

	assert_true(interleave_explore(&model, &count));
	assert_int_equal(count.runs, 6);
}

static void add_to_three(void *user)
{
	for (int i = 0; i < 3; i++)
		inlay_fetch_add_u64(&shared.words[i], 1);
}

static void every_combination_is_run_once(void **state)
{
	const struct interleave_model model = {
		.name = "three words",
		.n_threads = 2,
		.threads = {add_to_three, add_to_three},
		.check = nothing,
		.limit = 1000,
	};
	struct interleave_count count;

	assert_true(interleave_explore(&model, &count));
	assert_int_equal(count.runs, 8); /* either is first at each word */
}

static void add_to_first(void *user)
{
	for (int i = 0; i < 5; i++)
		inlay_fetch_add_u64(&shared.words[0], 1);
}

static void add_to_second(void *user)
{
	for (int i = 0; i < 5; i++)
		inlay_fetch_add_u64(&shared.words[1], inlay_load_u64(&shared.words[2]));
}

static void what_does_not_conflict_is_run_in_one_order(void **state)
{
	const struct interleave_model model = {
		.name = "apart",
		.n_threads = 2,
		.threads = {add_to_first, add_to_second},
		.check = nothing,
		.limit = 1000,
	};
	struct interleave_count count;

	assert_true(interleave_explore(&model, &count));
	assert_int_equal(count.runs, 1);
}

static void add_plainly(void *user)
{
	volatile __u64 *word = &shared.words[0];

	*word = *word + 3;
}

static void a_lost_update_is_found(void **state)
{
	const struct interleave_model model = {
		.name = "a lost update",
		.is_wrong = true,
		.n_threads = 2,
		.threads = {add_plainly, add_plainly},
		.check = sum_is_six,
		.limit = 1000,
	};
	struct interleave_count count;

	assert_false(interleave_explore(&model, &count));
}

static bool is_told(void *user)
{
	return shared.words[1] != 0;
}

static void wait_and_read(void *user)
{
	interleave_await(is_told, NULL, &shared.words[1], sizeof(shared.words[1]));
	shared.seen[0] = inlay_load_u64(&shared.words[0]);
}

static void write_and_tell(void *user)
{
	inlay_store_u64(&shared.words[0], 7);
	inlay_store_u64(&shared.words[1], 1);
}

static void was_seen(void *user)
{
	interleave_expect(shared.seen[0] == 7);
}

static void who_waits_goes_on_when_it_may(void **state)
{
	const struct interleave_model model = {
		.name = "waiting",
		.n_threads = 2,
		.threads = {wait_and_read, write_and_tell},
		.check = was_seen,
		.limit = 1000,
	};
	struct interleave_count count;

	assert_true(interleave_explore(&model, &count));
	assert_int_equal(count.runs, 1);
}

static void who_waits_for_ever_is_found(void **state)
{
	const struct interleave_model model = {
		.name = "waiting for ever",
		.is_wrong = true,
		.n_threads = 2,
		.threads = {wait_and_read, add_to_first},
		.check = nothing,
		.limit = 1000,
	};
	struct interleave_count count;

	assert_false(interleave_explore(&model, &count));
}

/* --- Quiescence ------------------------------------------------------------------------------ */

static struct {
	struct inlay_state *st;
	struct inlay_moment moment;
} quiet;

static int make_state(void **state)
{
	const struct inlay_state_config config = {.subscribers = 2,
						  .log_size = 64,
						  .upstreams = 1,
						  .journal_size = 64,
						  .tracks = 1,
						  .slots = 2};
	struct inlay_tables *t;

	memset(&shared, 0, sizeof(shared));
	if (inlay_state_new(&config, &quiet.st))
		return -1;
	t = (struct inlay_tables *)inlay_state_tables(quiet.st);
	interleave_track(t->contexts, INLAY_CONTEXTS * sizeof(*t->contexts));
	return track_shared(state);
}

static int free_state(void **state)
{
	inlay_state_free(quiet.st);
	return untrack(state);
}

/* words[0]: whether others may be used; words[1]: what they then hold. */
static void use_twice(void *user)
{
	struct inlay_context *c = inlay_state_tables(quiet.st)->contexts;

	for (int i = 0; i < 2; i++) {
		inlay_context_enter(c);
		if (inlay_load_u64(&shared.words[0]))
			interleave_expect(shared.words[1] == 5);
		inlay_context_leave(c);
	}
}

static void use_once(void *user)
{
	struct inlay_context *c = &inlay_state_tables(quiet.st)->contexts[1];

	inlay_context_enter(c);
	if (inlay_load_u64(&shared.words[0]))
		interleave_expect(shared.words[1] == 5);
	inlay_context_leave(c);
}

static bool is_quiet(void *user)
{
	return inlay_state_is_quiet(quiet.st, &quiet.moment);
}

static void withdraw(void *user)
{
	const struct inlay_tables *t = inlay_state_tables(quiet.st);

	inlay_xchg_u64(&shared.words[0], 0);
	inlay_state_moment(quiet.st, &quiet.moment);
	interleave_await(is_quiet, NULL, t->contexts, INLAY_CONTEXTS * sizeof(*t->contexts));
	shared.words[1] = 9;
}

static void withdraw_at_once(void *user)
{
	inlay_xchg_u64(&shared.words[0], 0);
	shared.words[1] = 9;
}

static void what_was_withdrawn_is_unused_once_it_is_quiet(void **state)
{
	const struct interleave_model model = {
		.name = "quiescence",
		.n_threads = 3,
		.threads = {use_twice, use_once, withdraw},
		.check = nothing,
		.limit = 100000,
	};
	struct interleave_count count;

	shared.words[0] = 1;
	shared.words[1] = 5;
	assert_true(interleave_explore(&model, &count));
	printf("# quiescence: %llu orders\n", (unsigned long long)count.runs);
}

static void without_the_moment_it_would_not_be(void **state)
{
	const struct interleave_model model = {
		.name = "no quiescence",
		.is_wrong = true,
		.n_threads = 2,
		.threads = {use_once, withdraw_at_once},
		.check = nothing,
		.limit = 100000,
	};
	struct interleave_count count;

	shared.words[0] = 1;
	shared.words[1] = 5;
	assert_false(interleave_explore(&model, &count));
}

#define TEST(f)	 cmocka_unit_test_setup_teardown(f, track_shared, untrack)
#define QUIET(f) cmocka_unit_test_setup_teardown(f, make_state, free_state)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_order_of_conflicting_accesses_is_run_once),
		TEST(three_threads_are_run_in_every_order),
		TEST(every_combination_is_run_once),
		TEST(what_does_not_conflict_is_run_in_one_order),
		TEST(a_lost_update_is_found),
		TEST(who_waits_goes_on_when_it_may),
		TEST(who_waits_for_ever_is_found),
		QUIET(what_was_withdrawn_is_unused_once_it_is_quiet),
		QUIET(without_the_moment_it_would_not_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
