/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of our connection IDs, against a plain array that does the same. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cid_table.h"
#include "seeded.h"

static void test_limits(void **state)
{
	__u8 cid[3][INLAY_OWN_CID] = {{1}, {2}, {3}};
	struct inlay_cid_table t;
	__u32 value = 99;

	assert_int_equal(inlay_cid_table_init(&t, 0), -EINVAL);
	assert_int_equal(inlay_cid_table_init(&t, (1U << 30) + 1), -EINVAL);
	assert_int_equal(inlay_cid_table_init(&t, 2), 0);
	assert_false(inlay_cid_table_find(&t, 1, cid[0], &value));
	assert_int_equal(value, 99);
	assert_int_equal(inlay_cid_table_add(&t, 1, cid[0], 10), 0);
	assert_int_equal(inlay_cid_table_add(&t, 1, cid[0], 11), -EEXIST);
	/* Another port is another key. */
	assert_int_equal(inlay_cid_table_add(&t, 2, cid[0], 12), 0);
	assert_int_equal(inlay_cid_table_add(&t, 1, cid[1], 13), -ENOSPC);
	assert_true(inlay_cid_table_find(&t, 1, cid[0], &value));
	assert_int_equal(value, 10);
	assert_true(inlay_cid_table_find(&t, 2, cid[0], &value));
	assert_int_equal(value, 12);
	assert_int_equal(inlay_cid_table_del(&t, 1, cid[2]), -ENOENT);
	assert_int_equal(inlay_cid_table_del(&t, 1, cid[0]), 0);
	assert_int_equal(inlay_cid_table_del(&t, 1, cid[0]), -ENOENT);
	assert_int_equal(inlay_cid_table_add(&t, 1, cid[1], 13), 0);
	inlay_cid_table_fini(&t);
}

/* A nearly full table, so that chains are long and wrap around its end. */
static void test_against_array(void **state)
{
	enum { KEYS = 96, MAX = 64 };
	bool present[KEYS] = {false};
	struct seeded s = {.state = 2};
	struct inlay_cid_table t;
	__u32 value;
	int round, k, count = 0;

	assert_int_equal(inlay_cid_table_init(&t, MAX), 0);
	for (round = 0; round < 50000; round++) {
		__u8 cid[INLAY_OWN_CID] = {0};
		int i = (int)seeded_below(&s, KEYS), err;

		cid[0] = (__u8)i;
		if (seeded_below(&s, 2)) {
			err = inlay_cid_table_add(&t, 7, cid, (__u32)i);
			assert_int_equal(err, present[i] ? -EEXIST : count == MAX ? -ENOSPC : 0);
			count += err == 0;
			present[i] = present[i] || err == 0;
		} else {
			err = inlay_cid_table_del(&t, 7, cid);
			assert_int_equal(err, present[i] ? 0 : -ENOENT);
			count -= err == 0;
			present[i] = false;
		}
		for (k = 0; round % 16 == 0 && k < KEYS; k++) {
			cid[0] = (__u8)k;
			assert_int_equal(inlay_cid_table_find(&t, 7, cid, &value), present[k]);
			if (present[k])
				assert_int_equal(value, k);
		}
	}
	inlay_cid_table_fini(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_against_array),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
