/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The learner where one allocation of memory fails, or all do from one on: for each in turn. What
 * it cannot keep stays with the server; nothing leaks (under ASan), and the tables are left empty.
 * The linker sends our allocations through here (--wrap).
 */
#include "turn_world.h"

static struct {
	bool armed;
	bool for_good; /* all after the first as well */
	unsigned long count, fail_at;
} memory;

static bool fails(void)
{
	if (!memory.armed)
		return false;
	memory.count++;
	return memory.for_good ? memory.count >= memory.fail_at : memory.count == memory.fail_at;
}

void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	return fails() ? NULL : __real_realloc(p, size);
}

/* Enough of everything that each table grows. Returns how many channels are fast then. */
static size_t run(struct world *w)
{
	struct inlay_addr peer = addr_of("203.0.113.7", 5000);
	size_t fast;

	for (__u16 i = 0; i < 14; i++) {
		w->client.port = htons((__u16)(40000 + i));
		w->told.port = w->relayed.port = htons((__u16)(50000 + i));
		w->cookie = WORLD_RELAY + i;
		world_allocate(w, 600);
		world_permit(w, &peer);
		for (__u16 k = 0; k < 2; k++) {
			peer.ip[3] = (__u8)k;
			world_bind(w, (__u16)(0x4000 + k), &peer);
			if (world_is_watched(w, &w->client, &w->server, (__u16)(0x4000 + k)))
				world_prove(w, (__u16)(0x4000 + k), &peer);
		}
	}
	fast = world_fast(w, w->now);
	inlay_turn_learner_gone(w->l, WORLD_RELAY + 3, w->now);
	inlay_turn_learner_gone(w->l, WORLD_LISTENER, w->now);
	assert_int_equal(world_entries(w), 0);
	return fast;
}

static void any_allocation_may_fail(void **state)
{
	size_t fast, failed = 0;
	struct world w;

	for (int for_good = 0; for_good < 2; for_good++) {
		for (unsigned long at = 1;; at++) {
			world_init(&w, NULL);
			memory.armed = true;
			memory.for_good = for_good;
			memory.count = 0;
			memory.fail_at = at;
			fast = run(&w);
			memory.armed = false;
			world_fini(&w);
			if (memory.count < at)
				break;
			failed++;
			/* One that fails costs an allocation or two of the fourteen, not more. */
			assert_true(fast <= 28);
			assert_true(for_good || fast >= 24);
			if (for_good && at == 1)
				assert_int_equal(fast, 0);
		}
		assert_int_equal(fast, 28);
	}
	assert_true(failed > 200);
}

static void a_learner_that_has_no_memory_is_not_made(void **state)
{
	struct inlay_turn_learner_config config = {.ops = &world_ops};
	struct inlay_turn_learner *l = NULL;

	memory.armed = true;
	memory.for_good = true;
	memory.count = 0;
	memory.fail_at = 1;
	assert_int_equal(inlay_turn_learner_new(&config, &l), -ENOMEM);
	memory.armed = false;
	assert_null(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_allocation_may_fail),
		cmocka_unit_test(a_learner_that_has_no_memory_is_not_made),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
