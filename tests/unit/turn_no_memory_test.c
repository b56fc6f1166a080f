/* SPDX-License-Identifier: BSD-2-Clause */
/* The tables of inlay-turn where memory ends: nothing is left, and nothing half done. */
#include <stdlib.h>

#include "turn_memory.h"

void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);

static int fail_at; /* the how manieth allocation from now on; 0: none */

static bool fails(void)
{
	return fail_at && !--fail_at;
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	return fails() ? NULL : __real_realloc(old, size);
}

static struct memory memory;

static void test_tables_are_whole_or_not_at_all(void **state)
{
	struct inlay_turn_tables_config config = {.backend = {.n_flows = 4, .n_allocations = 2},
						  .max_permissions = 2};
	struct inlay_turn_tables *t;
	int err = -ENOMEM, n;

	for (n = 1; n < 50 && err; n++) {
		t = NULL;
		fail_at = n;
		err = inlay_turn_tables_new(&config, &t);
		fail_at = 0;
		assert_true(err == 0 || (err == -ENOMEM && !t));
	}
	assert_int_equal(err, 0);
	assert_true(n > 5);
	inlay_turn_tables_free(t);
}

/* Both names, or none: it can be added as soon as there is memory. */
static void test_an_allocation_without_memory_for_its_names_is_none(void **state)
{
	struct inlay_turn_allocation_params p = {.client = memory_addr("203.0.113.5", 4000),
						 .server = memory_addr("192.0.2.1", 3478),
						 .relayed = memory_addr("192.0.2.1", 49152),
						 .until = INLAY_NEVER};
	struct inlay_turn_tables_counts counts;
	struct inlay_turn_tables *t;
	struct inlay_turn_id id;

	memory_init(&memory, 4, 2);
	t = memory_tables(&memory, 2, NULL, 0);
	for (int n = 1; n <= 2; n++) {
		fail_at = n;
		assert_int_equal(inlay_turn_tables_add(t, &p, 1, &id), -ENOSPC);
		fail_at = 0;
		inlay_turn_tables_counts(t, &counts);
		assert_int_equal(counts.allocations, 0);
		memory_assert_empty(&memory);
	}
	assert_int_equal(inlay_turn_tables_add(t, &p, 1, &id), 0);
	assert_int_equal(inlay_turn_tables_add(t, &p, 1, &id), -EEXIST);
	inlay_turn_tables_free(t);
	memory_assert_empty(&memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tables_are_whole_or_not_at_all),
		cmocka_unit_test(test_an_allocation_without_memory_for_its_names_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
