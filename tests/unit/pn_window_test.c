/* SPDX-License-Identifier: BSD-2-Clause */
/* The window of sealed packet numbers: each number once, and none below. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "pn_window.h"
#include "seeded.h"

static void test_edges(void **state)
{
	struct inlay_pn_window w;

	inlay_pn_window_init(&w, 0);
	assert_true(inlay_pn_window_take(&w, 0));
	assert_false(inlay_pn_window_take(&w, 0));
	assert_true(inlay_pn_window_take(&w, INLAY_PN_WINDOW - 1));
	/* The same words, still: 1 can be taken. */
	assert_true(inlay_pn_window_take(&w, 1));
	/* One word on: the lowest 64 numbers are out, used or not. */
	assert_true(inlay_pn_window_take(&w, INLAY_PN_WINDOW));
	assert_int_equal(inlay_pn_window_lowest(&w), 64);
	assert_false(inlay_pn_window_take(&w, 63));
	assert_true(inlay_pn_window_take(&w, 64));
	/* Far ahead: all bits go, and number n and n plus a turn are told apart. */
	assert_true(inlay_pn_window_take(&w, INLAY_PN_MAX));
	assert_false(inlay_pn_window_take(&w, INLAY_PN_MAX));
	assert_true(inlay_pn_window_take(&w, INLAY_PN_MAX - INLAY_PN_WINDOW + 1));
	assert_false(inlay_pn_window_take(&w, INLAY_PN_MAX - INLAY_PN_WINDOW));
}

static void test_floor(void **state)
{
	struct inlay_pn_window w;

	inlay_pn_window_init(&w, 1000000);
	assert_false(inlay_pn_window_take(&w, 999999));
	assert_true(inlay_pn_window_take(&w, 1000005));
	assert_true(inlay_pn_window_take(&w, 1000000));
	inlay_pn_window_raise(&w, 1000004);
	inlay_pn_window_raise(&w, 5);
	assert_false(inlay_pn_window_take(&w, 1000003));
	assert_true(inlay_pn_window_take(&w, 1000004));
	assert_false(inlay_pn_window_take(&w, 1000005));
}

/* Never a number twice; and within 4033 of the largest never a refusal of a fresh one. */
static void test_against_array(void **state)
{
	enum { SPAN = 60000 };
	static __u8 taken[SPAN];
	struct seeded s = {.state = 41};
	struct inlay_pn_window w;
	__u64 top = 0, pn;
	int i;

	inlay_pn_window_init(&w, 0);
	for (i = 0; i < 400000; i++) {
		__u64 reach = seeded_below(&s, 50) ? 200 : 9000;
		__u64 low = top < reach ? 0 : top - reach;
		__u64 high = seeded_below(&s, 20) ? top + 2 : top + seeded_below(&s, 300);
		bool took;

		pn = low + seeded_below(&s, high - low + 1);
		if (pn >= SPAN)
			break;
		took = inlay_pn_window_take(&w, pn);
		if (took)
			assert_false(taken[pn]);
		if (!took && !taken[pn])
			assert_true(top > pn && top - pn > INLAY_PN_WINDOW - 64);
		taken[pn] |= took;
		if (took && pn > top)
			top = pn;
	}
	assert_true(top > 3 * INLAY_PN_WINDOW);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_edges),
		cmocka_unit_test(test_floor),
		cmocka_unit_test(test_against_array),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
