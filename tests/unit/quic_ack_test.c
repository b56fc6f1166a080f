/* SPDX-License-Identifier: BSD-2-Clause */
/* When packets are acknowledged, and what counts as a duplicate. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "ack.h"

#define DELAY (25 * INLAY_MS)
#define T0    (100 * INLAY_S)

static void test_every_second_packet(void **state)
{
	struct inlay_acks a;

	inlay_acks_init(&a, DELAY);
	assert_int_equal(inlay_acks_on_packet(&a, 5, true, false, T0), 0);
	assert_false(inlay_acks_is_due(&a, T0));
	assert_true(a.deadline == T0 + DELAY);
	assert_true(inlay_acks_is_due(&a, T0 + DELAY));
	inlay_acks_on_packet(&a, 6, true, false, T0 + INLAY_MS);
	assert_true(inlay_acks_is_due(&a, T0 + INLAY_MS));
	inlay_acks_on_sent(&a, T0);
	assert_false(inlay_acks_is_due(&a, INLAY_NEVER - 1));
	assert_false(inlay_acks_is_useful(&a, INLAY_NEVER - 1));
	inlay_acks_fini(&a);
}

static void test_acks_alone_are_not_acknowledged(void **state)
{
	struct inlay_acks a;
	__u64 pn;

	inlay_acks_init(&a, DELAY);
	for (pn = 0; pn < 10; pn++)
		inlay_acks_on_packet(&a, pn, false, false, T0);
	assert_true(a.deadline == INLAY_NEVER);
	/* But they are in the next ACK, and one may travel with other frames now and then. */
	assert_true(inlay_acks_is_useful(&a, T0));
	inlay_acks_on_sent(&a, T0);
	inlay_acks_on_packet(&a, 10, false, false, T0 + INLAY_MS);
	assert_false(inlay_acks_is_useful(&a, T0 + 99 * INLAY_MS));
	assert_true(inlay_acks_is_useful(&a, T0 + 100 * INLAY_MS));
	assert_int_equal(a.report.n, 1);
	assert_int_equal(a.report.ranges[0].end, 11);
	inlay_acks_fini(&a);
}

static void test_at_once_out_of_order_and_on_ce(void **state)
{
	struct inlay_acks a;

	inlay_acks_init(&a, DELAY);
	inlay_acks_on_packet(&a, 1, true, false, T0);
	inlay_acks_on_sent(&a, T0);
	inlay_acks_on_packet(&a, 3, true, false, T0); /* a gap */
	assert_true(inlay_acks_is_due(&a, T0));
	inlay_acks_on_sent(&a, T0);
	inlay_acks_on_packet(&a, 2, true, false, T0); /* late */
	assert_true(inlay_acks_is_due(&a, T0));
	inlay_acks_on_sent(&a, T0);
	inlay_acks_on_packet(&a, 4, true, false, T0);
	assert_false(inlay_acks_is_due(&a, T0));
	inlay_acks_on_sent(&a, T0);
	inlay_acks_on_packet(&a, 5, true, true, T0); /* marked */
	assert_true(inlay_acks_is_due(&a, T0));
	inlay_acks_fini(&a);
}

static void test_duplicates(void **state)
{
	struct inlay_acks a;
	__u64 base = 1ULL << 31, i;

	inlay_acks_init(&a, DELAY);
	assert_false(inlay_acks_is_duplicate(&a, base));
	inlay_acks_on_packet(&a, base, true, false, T0);
	assert_true(inlay_acks_is_duplicate(&a, base));
	assert_false(inlay_acks_is_duplicate(&a, base - 1)); /* reordered, not old */
	/* More holes than are remembered: the oldest numbers count as seen, whatever they were. */
	for (i = 1; i < 1000; i++)
		assert_int_equal(inlay_acks_on_packet(&a, base + 2 * i, true, false, T0), 0);
	assert_true(a.seen.n <= a.seen.max);
	assert_true(inlay_acks_is_duplicate(&a, base + 1));
	assert_true(inlay_acks_is_duplicate(&a, base + 2));
	assert_false(inlay_acks_is_duplicate(&a, base + 2 * 999 - 1));
	/* What is reported are the newest. */
	assert_int_equal(a.report.n, a.report.max);
	assert_true(a.report.ranges[a.report.n - 1].end == base + 2 * 999 + 1);
	inlay_acks_fini(&a);
}

static void test_acked_acks_are_forgotten(void **state)
{
	struct inlay_acks a;

	inlay_acks_init(&a, DELAY);
	inlay_acks_on_packet(&a, 1, true, false, T0);
	inlay_acks_on_packet(&a, 3, true, false, T0);
	inlay_acks_on_packet(&a, 9, true, false, T0);
	inlay_acks_on_acked(&a, 3);
	assert_int_equal(a.report.n, 1);
	assert_int_equal(a.report.ranges[0].begin, 9);
	/* They are duplicates all the same; and a late one is reported. */
	assert_true(inlay_acks_is_duplicate(&a, 3));
	inlay_acks_on_packet(&a, 2, true, false, T0);
	assert_int_equal(a.report.ranges[0].begin, 2);
	inlay_acks_fini(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_second_packet),
		cmocka_unit_test(test_acks_alone_are_not_acknowledged),
		cmocka_unit_test(test_at_once_out_of_order_and_on_ce),
		cmocka_unit_test(test_duplicates),
		cmocka_unit_test(test_acked_acks_are_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
