/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the learner makes fast, and what it takes: each condition is left out once. What ends it:
 * turn_learner_ends_test.c; who tries to trick it: turn_learner_attack_test.c.
 */
#include "turn_world.h"

enum condition {
	ALL,
	NO_ALLOCATE_REQUEST,
	NO_ALLOCATE_RESPONSE,
	NO_BIND_REQUEST,
	NO_BIND_RESPONSE,
	NO_CHANNEL_DATA,
	NO_RELAYED,
	CONDITIONS,
};

static void go_through(struct world *w, enum condition without)
{
	struct inlay_addr peer = addr_of("203.0.113.7", 5000);
	struct message allocate = allocate_request(1), bind = bind_request(2, 0x4001, &peer);
	struct message allocated = allocate_success(w, 1, 600);
	struct message bound = plain_success(INLAY_STUN_CHANNEL_BIND, 2);

	if (without != NO_ALLOCATE_REQUEST)
		world_ask(w, &allocate);
	if (without != NO_ALLOCATE_RESPONSE)
		world_answer(w, &allocated);
	if (without != NO_BIND_REQUEST)
		world_ask(w, &bind);
	if (without != NO_BIND_RESPONSE)
		world_answer(w, &bound);
	if (without != NO_CHANNEL_DATA)
		world_up(w, 0x4001, "twelve bytes");
	if (without != NO_RELAYED)
		world_out(w, 0x4001, &peer, "twelve bytes");
}

static void a_channel_is_fast_when_all_has_come_and_not_before(void **state)
{
	struct world w;

	for (enum condition without = ALL; without < CONDITIONS; without++) {
		world_init(&w, NULL);
		go_through(&w, without);
		assert_int_equal(world_fast(&w, w.now), without == ALL);
		assert_int_equal(world_counts(&w).proven, without == ALL);
		world_fini(&w);
	}
}

static void the_tables_hear_what_was_granted(void **state)
{
	struct inlay_turn_learner_config config = {.max_packets_per_s = 7, .max_bytes_per_s = 9};
	struct inlay_addr peer = addr_of("203.0.113.7", 5000);
	struct world w;

	world_init(&w, &config);
	go_through(&w, ALL);
	assert_memory_equal(&w.allocations[0].params.client, &w.client, sizeof(w.client));
	assert_memory_equal(&w.allocations[0].params.server, &w.server, sizeof(w.server));
	assert_memory_equal(&w.allocations[0].params.relayed, &w.relayed, sizeof(w.relayed));
	assert_int_equal(w.allocations[0].params.until, w.now + 600 * INLAY_S);
	assert_int_equal(w.allocations[0].params.max_packets_per_s, 7);
	assert_int_equal(w.allocations[0].params.max_bytes_per_s, 9);
	assert_int_equal(w.permissions[0].until, w.now + 300 * INLAY_S);
	assert_int_equal(w.channels[0].until, w.now + 600 * INLAY_S);
	assert_int_equal(w.channels[0].number, 0x4001);
	assert_memory_equal(&w.channels[0].peer, &peer, sizeof(peer));
	assert_int_equal(world_watched(&w), 0);
	world_fini(&w);
}

static void a_refresh_of_lifetime_zero_ends_the_allocation(void **state)
{
	struct world w;

	world_init(&w, NULL);
	go_through(&w, ALL);
	assert_int_equal(world_fast(&w, w.now), 1);
	w.next_id = 100;
	world_refresh(&w, 0);
	assert_int_equal(world_entries(&w), 0);
	world_fini(&w);
}

static void permissions_and_channels_are_refreshed(void **state)
{
	struct inlay_addr peer = addr_of("203.0.113.7", 5000);
	struct world w;

	world_init(&w, NULL);
	go_through(&w, ALL);
	w.next_id = 100;
	w.now += 200 * INLAY_S;
	world_permit(&w, &peer);
	assert_int_equal(w.permissions[0].until, w.now + 300 * INLAY_S);
	assert_int_equal(w.channels[0].until, w.now + 400 * INLAY_S);
	w.now += 200 * INLAY_S;
	world_bind(&w, 0x4001, &peer);
	world_refresh(&w, 700);
	assert_int_equal(w.permissions[0].until, w.now + 300 * INLAY_S);
	assert_int_equal(w.channels[0].until, w.now + 600 * INLAY_S);
	assert_int_equal(w.allocations[0].params.until, w.now + 700 * INLAY_S);
	assert_int_equal(world_fast(&w, w.now), 1);
	world_fini(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_channel_is_fast_when_all_has_come_and_not_before),
		cmocka_unit_test(the_tables_hear_what_was_granted),
		cmocka_unit_test(a_refresh_of_lifetime_zero_ends_the_allocation),
		cmocka_unit_test(permissions_and_channels_are_refreshed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
