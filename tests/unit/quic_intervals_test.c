/* SPDX-License-Identifier: BSD-2-Clause */
/* Interval sets: by hand, and against a bitmap over many random operations. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "intervals.h"
#include "seeded.h"

static void expect(const struct inlay_intervals *s, size_t n, const struct inlay_quic_range *want)
{
	assert_int_equal(s->n, n);
	assert_memory_equal(s->ranges, want, n * sizeof(*want));
}

static void test_add_joins_neighbours(void **state)
{
	struct inlay_intervals s;

	inlay_intervals_init(&s, 8);
	assert_int_equal(inlay_intervals_add(&s, 10, 20), 0);
	assert_int_equal(inlay_intervals_add(&s, 30, 40), 0);
	assert_int_equal(inlay_intervals_add(&s, 0, 5), 0);
	expect(&s, 3, (struct inlay_quic_range[]){{0, 5}, {10, 20}, {30, 40}});
	assert_int_equal(inlay_intervals_add(&s, 20, 30), 0); /* touches both */
	expect(&s, 2, (struct inlay_quic_range[]){{0, 5}, {10, 40}});
	assert_int_equal(inlay_intervals_add(&s, 3, 50), 0);
	expect(&s, 1, (struct inlay_quic_range[]){{0, 50}});
	assert_int_equal(inlay_intervals_add(&s, 7, 7), 0); /* nothing */
	expect(&s, 1, (struct inlay_quic_range[]){{0, 50}});
	inlay_intervals_fini(&s);
}

static void test_remove_splits(void **state)
{
	struct inlay_intervals s;

	inlay_intervals_init(&s, 8);
	inlay_intervals_add(&s, 0, 100);
	assert_int_equal(inlay_intervals_remove(&s, 40, 60), 0);
	expect(&s, 2, (struct inlay_quic_range[]){{0, 40}, {60, 100}});
	assert_int_equal(inlay_intervals_remove(&s, 30, 70), 0);
	expect(&s, 2, (struct inlay_quic_range[]){{0, 30}, {70, 100}});
	inlay_intervals_remove_below(&s, 10);
	expect(&s, 2, (struct inlay_quic_range[]){{10, 30}, {70, 100}});
	inlay_intervals_remove_lowest(&s);
	expect(&s, 1, (struct inlay_quic_range[]){{70, 100}});
	assert_int_equal(inlay_intervals_remove(&s, 0, 1000), 0);
	assert_true(inlay_intervals_is_empty(&s));
	inlay_intervals_fini(&s);
}

static void test_bound_holds(void **state)
{
	struct inlay_intervals s;

	inlay_intervals_init(&s, 2);
	inlay_intervals_add(&s, 0, 10);
	inlay_intervals_add(&s, 20, 30);
	assert_int_equal(inlay_intervals_add(&s, 40, 50), -ENOSPC);
	assert_int_equal(inlay_intervals_remove(&s, 22, 24), -ENOSPC);
	expect(&s, 2, (struct inlay_quic_range[]){{0, 10}, {20, 30}});
	assert_int_equal(inlay_intervals_add(&s, 30, 50), 0); /* widens only */
	inlay_intervals_fini(&s);
}

static void test_ends_of_the_number_space(void **state)
{
	struct inlay_quic_range r;
	struct inlay_intervals s;

	inlay_intervals_init(&s, 4);
	assert_int_equal(inlay_intervals_add(&s, INLAY_PN_MAX, INLAY_PN_MAX + 1), 0);
	assert_true(inlay_intervals_has(&s, INLAY_PN_MAX, INLAY_PN_MAX + 1));
	assert_false(inlay_intervals_has(&s, INLAY_PN_MAX - 1, INLAY_PN_MAX + 1));
	assert_true(inlay_intervals_next(&s, 0, &r) && r.begin == INLAY_PN_MAX);
	assert_false(inlay_intervals_next(&s, INLAY_PN_MAX + 1, &r));
	inlay_intervals_fini(&s);
}

#define SPACE 200

static void check_against(const struct inlay_intervals *s, const bool *bits)
{
	struct inlay_quic_range r;
	__u32 i, at, total = 0;

	for (i = 0; i < SPACE; i++)
		total += bits[i];
	assert_int_equal(s->total, total);
	for (i = 1; i < s->n; i++)
		assert_true(s->ranges[i - 1].end < s->ranges[i].begin);
	for (i = 0; i < SPACE; i++)
		assert_int_equal(inlay_intervals_has(s, i, i + 1), bits[i]);
	for (i = 0; i < SPACE; i++) {
		for (at = i; at < SPACE && !bits[at]; at++)
			;
		assert_int_equal(inlay_intervals_next(s, i, &r), at < SPACE);
		if (at < SPACE)
			assert_true(bits[i] ? r.begin <= i && r.end > i : r.begin == at);
	}
}

static void test_random_operations(void **state)
{
	struct seeded rng = {.state = 7};
	bool bits[SPACE] = {false};
	struct inlay_intervals s;
	int round;

	inlay_intervals_init(&s, SPACE);
	for (round = 0; round < 3000; round++) {
		__u64 begin = seeded_below(&rng, SPACE), len = seeded_below(&rng, 20), i;
		bool add = seeded_below(&rng, 2);

		if (begin + len > SPACE)
			len = SPACE - begin;
		if (add)
			assert_int_equal(inlay_intervals_add(&s, begin, begin + len), 0);
		else
			assert_int_equal(inlay_intervals_remove(&s, begin, begin + len), 0);
		for (i = begin; i < begin + len; i++)
			bits[i] = add;
		check_against(&s, bits);
	}
	inlay_intervals_fini(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_add_joins_neighbours),
		cmocka_unit_test(test_remove_splits),
		cmocka_unit_test(test_bound_holds),
		cmocka_unit_test(test_ends_of_the_number_space),
		cmocka_unit_test(test_random_operations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
