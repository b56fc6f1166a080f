/* SPDX-License-Identifier: BSD-2-Clause */
/* The tables of inlay-turn, rule by rule: what is refused, what ends what, and when. */
#include <stdio.h>

#include "turn_memory.h"

#define T0 (100 * INLAY_S)

static struct memory memory;
static struct inlay_turn_tables *tables;

static const struct inlay_turn_range denied[] = {
	{.addr = {.family = AF_INET, .ip = {10}}, .prefix_len = 8},
	{.addr = {.family = AF_INET, .ip = {198, 51, 100, 128}}, .prefix_len = 25},
	{.addr = {.family = AF_INET6, .ip = {0xfc}}, .prefix_len = 7},
};

static int set_up(void **state)
{
	memory_init(&memory, 4, 2);
	tables = memory_tables(&memory, 3, denied, INLAY_ARRAY_SIZE(denied));
	return 0;
}

static int tear_down(void **state)
{
	inlay_turn_tables_free(tables);
	memory_assert_empty(&memory);
	return 0;
}

static struct inlay_turn_allocation_params params(void)
{
	struct inlay_turn_allocation_params p = {.client = memory_addr("203.0.113.5", 4000),
						 .server = memory_addr("192.0.2.1", 3478),
						 .relayed = memory_addr("192.0.2.1", 49152),
						 .until = T0 + 600 * INLAY_S};

	return p;
}

static struct inlay_turn_id allocate(void)
{
	struct inlay_turn_allocation_params p = params();
	struct inlay_turn_id id;

	assert_int_equal(inlay_turn_tables_add(tables, &p, T0, &id), 0);
	return id;
}

static struct inlay_turn_candidate candidate(void)
{
	struct inlay_turn_candidate c = {.client = memory_addr("203.0.113.5", 4000),
					 .server = memory_addr("192.0.2.1", 3478),
					 .peer = memory_addr("198.51.100.7", 5000),
					 .relayed_port = htons(49152),
					 .number = 0x4001,
					 .until = T0 + 10 * INLAY_S};

	return c;
}

static struct inlay_turn_channel_info read_channel(struct inlay_turn_id id, __u16 number)
{
	struct inlay_turn_channel_info info;

	assert_int_equal(inlay_turn_tables_read(tables, id, number, &info), 0);
	return info;
}

static int bind_channel(struct inlay_turn_id id, __u16 number, const char *peer, inlay_ns until)
{
	struct inlay_addr addr = memory_addr(peer, 5000);

	return inlay_turn_tables_bind(tables, id, number, &addr, until, T0);
}

static int permit(struct inlay_turn_id id, const char *peer, inlay_ns until)
{
	struct inlay_addr addr = memory_addr(peer, 0);

	return inlay_turn_tables_permit(tables, id, &addr, until, T0);
}

static struct inlay_turn_tables_counts counts(void)
{
	struct inlay_turn_tables_counts c;

	inlay_turn_tables_counts(tables, &c);
	return c;
}

static void test_a_channel_has_both_keys_and_all_three_lifetimes(void **state)
{
	struct inlay_turn_id id = allocate();
	struct inlay_turn_channel_info info;

	assert_int_equal(permit(id, "198.51.100.7", T0 + 300 * INLAY_S), 0);
	assert_int_equal(bind_channel(id, 0x4001, "198.51.100.7", T0 + 500 * INLAY_S), 0);
	assert_int_equal(memory_count(&memory, INLAY_TURN_CLIENTS), 1);
	assert_int_equal(memory_count(&memory, INLAY_TURN_PEERS), 1);
	info = read_channel(id, 0x4001);
	assert_int_equal(info.permission_until, T0 + 300 * INLAY_S);
	assert_int_equal(info.channel_until, T0 + 500 * INLAY_S);
	assert_int_equal(info.allocation_until, T0 + 600 * INLAY_S);
	assert_false(info.watched);
	assert_int_equal(info.number, 0x4001);
}

static void test_a_channel_without_a_permission_has_none_until_it_is_given(void **state)
{
	struct inlay_turn_id id = allocate();

	assert_int_equal(bind_channel(id, 0x4001, "198.51.100.7", T0 + INLAY_S), 0);
	assert_int_equal(read_channel(id, 0x4001).permission_until, 0);
	assert_int_equal(permit(id, "198.51.100.8", T0 + INLAY_S), 0);
	assert_int_equal(read_channel(id, 0x4001).permission_until, 0);
	assert_int_equal(permit(id, "198.51.100.7", T0 + INLAY_S), 0);
	assert_int_equal(read_channel(id, 0x4001).permission_until, T0 + INLAY_S);
}

static void test_a_permission_that_is_removed_stops_its_channels_at_once(void **state)
{
	struct inlay_turn_id id = allocate();
	struct inlay_addr peer = memory_addr("198.51.100.7", 0);

	assert_int_equal(permit(id, "198.51.100.7", INLAY_NEVER), 0);
	assert_int_equal(bind_channel(id, 0x4001, "198.51.100.7", INLAY_NEVER), 0);
	assert_int_equal(inlay_turn_tables_forbid(tables, id, &peer), 0);
	assert_int_equal(read_channel(id, 0x4001).permission_until, 0);
	assert_int_equal(inlay_turn_tables_forbid(tables, id, &peer), -ENOENT);
}

static void test_a_number_has_one_peer_and_a_peer_one_number(void **state)
{
	struct inlay_turn_id id = allocate();

	assert_int_equal(bind_channel(id, 0x4001, "198.51.100.7", T0 + INLAY_S), 0);
	assert_int_equal(bind_channel(id, 0x4001, "198.51.100.8", T0 + INLAY_S), -EEXIST);
	assert_int_equal(bind_channel(id, 0x4002, "198.51.100.7", T0 + INLAY_S), -EEXIST);
	assert_int_equal(bind_channel(id, 0x4001, "198.51.100.7", T0 + 2 * INLAY_S), 0);
	assert_int_equal(read_channel(id, 0x4001).channel_until, T0 + 2 * INLAY_S);
}

static void test_numbers_out_of_range_are_refused(void **state)
{
	struct inlay_turn_id id = allocate();

	assert_int_equal(bind_channel(id, INLAY_TURN_CHANNEL_MIN - 1, "198.51.100.7", INLAY_NEVER),
			 -EINVAL);
	assert_int_equal(bind_channel(id, INLAY_TURN_CHANNEL_MAX + 1, "198.51.100.7", INLAY_NEVER),
			 -EINVAL);
	assert_int_equal(bind_channel(id, INLAY_TURN_CHANNEL_MAX, "198.51.100.7", INLAY_NEVER), 0);
}

static void test_denied_ranges_and_what_no_wire_carries_are_refused_and_counted(void **state)
{
	static const char *const peers[] = {
		"10.255.0.1", "198.51.100.129",	 "fd00::1",	    "127.0.0.1",
		"0.0.0.0",    "224.0.0.1",	 "255.255.255.255", "::1",
		"fe80::1",    "169.254.169.254", "ff02::1",	    "::ffff:10.0.0.1"};
	struct inlay_turn_candidate c = candidate();
	struct inlay_turn_id id = allocate();
	struct inlay_turn_ref ref;

	for (size_t i = 0; i < INLAY_ARRAY_SIZE(peers); i++) {
		assert_int_equal(bind_channel(id, 0x4001, peers[i], INLAY_NEVER), -EACCES);
		assert_int_equal(permit(id, peers[i], INLAY_NEVER), -EACCES);
		c.peer = memory_addr(peers[i], 5000);
		assert_int_equal(inlay_turn_tables_watch(tables, &c, T0, &ref), -EACCES);
	}
	assert_int_equal(counts().denied, 3 * INLAY_ARRAY_SIZE(peers));
	assert_int_equal(bind_channel(id, 0x4001, "198.51.100.127", INLAY_NEVER), 0);
	assert_int_equal(bind_channel(id, 0x4002, "11.0.0.1", INLAY_NEVER), 0);
	assert_int_equal(counts().channels, 2);
}

static void test_a_peer_of_the_other_family_is_refused(void **state)
{
	struct inlay_turn_id id = allocate();

	assert_int_equal(bind_channel(id, 0x4001, "2001:db8::7", INLAY_NEVER), -EINVAL);
	assert_int_equal(permit(id, "2001:db8::7", INLAY_NEVER), -EINVAL);
}

static void test_an_allocation_is_one_by_5_tuple_and_family_and_by_relayed_address(void **state)
{
	struct inlay_turn_allocation_params p = params();
	struct inlay_turn_id id = allocate(), other;

	p.relayed.port = htons(49153);
	assert_int_equal(inlay_turn_tables_add(tables, &p, T0, &other), -EEXIST);
	p = params();
	p.client.port = htons(4001);
	assert_int_equal(inlay_turn_tables_add(tables, &p, T0, &other), -EEXIST);
	/* RFC 8656 section 7.2: ADDITIONAL-ADDRESS-FAMILY. */
	p = params();
	p.relayed = memory_addr("2001:db8::1", 49152);
	assert_int_equal(inlay_turn_tables_add(tables, &p, T0, &other), 0);
	assert_int_equal(bind_channel(other, 0x4001, "2001:db8::7", INLAY_NEVER), 0);
	/* Both share the client's numbers. */
	assert_int_equal(bind_channel(id, 0x4001, "198.51.100.7", INLAY_NEVER), -EEXIST);
	assert_int_equal(memory_count(&memory, INLAY_TURN_PEERS), 1);
	/* Both names are free again once it is gone. */
	assert_int_equal(inlay_turn_tables_remove(tables, id, T0), 0);
	(void)inlay_turn_tables_turn(tables, T0 + INLAY_TURN_REST);
	allocate();
}

static void test_what_is_no_allocation_is_refused(void **state)
{
	struct inlay_turn_allocation_params p;
	struct inlay_turn_id id;

#define REFUSED(change)                                                                            \
	do {                                                                                       \
		p = params();                                                                      \
		change;                                                                            \
		assert_int_equal(inlay_turn_tables_add(tables, &p, T0, &id), -EINVAL);             \
	} while (0)
	REFUSED(p.client.port = 0);
	REFUSED(p.server.port = 0);
	REFUSED(p.relayed.port = 0);
	REFUSED(p.client.family = 0);
	REFUSED(p.client = memory_addr("2001:db8::1", 1));
	REFUSED(p.server = memory_addr("127.0.0.1", 3478));
	REFUSED(p.relayed = memory_addr("fe80::1", 1));
	REFUSED(p.until = T0);
	/* 1024 bytes would cost more nanoseconds than the field has room for. */
	REFUSED(p.max_bytes_per_s = 238);
#undef REFUSED
	p = params();
	p.max_bytes_per_s = 239;
	assert_int_equal(inlay_turn_tables_add(tables, &p, T0, &id), 0);
}

static void test_rates_become_costs(void **state)
{
	struct inlay_turn_allocation_params p = params();
	struct inlay_turn_id id;

	p.max_packets_per_s = 4000;
	p.max_bytes_per_s = 1024000;
	assert_int_equal(inlay_turn_tables_add(tables, &p, T0, &id), 0);
	assert_int_equal(memory.allocations[id.index].packet_cost, 250000);
	assert_int_equal(memory.allocations[id.index].byte_cost, 1000000);
	assert_int_equal(memory.allocations[id.index].burst, INLAY_TURN_BURST);
	assert_int_equal(memory.allocations[id.index].until, p.until);
}

static void test_an_old_id_names_nothing(void **state)
{
	struct inlay_turn_id old = allocate(), new;
	struct inlay_addr peer = memory_addr("198.51.100.7", 5000);
	struct inlay_turn_channel_info info;

	assert_int_equal(inlay_turn_tables_refresh(tables, old, T0, T0), 0);
	for (int i = 0; i < 4; i++) {
		(void)inlay_turn_tables_turn(tables, T0 + INLAY_TURN_REST * (inlay_ns)(i + 1));
		new = allocate();
		assert_false(new.index == old.index &&new.generation == old.generation);
		assert_int_equal(inlay_turn_tables_refresh(tables, old, INLAY_NEVER, T0), -ESTALE);
		assert_int_equal(inlay_turn_tables_remove(tables, old, T0), -ESTALE);
		assert_int_equal(bind_channel(old, 0x4001, "198.51.100.7", INLAY_NEVER), -ESTALE);
		assert_int_equal(permit(old, "198.51.100.7", INLAY_NEVER), -ESTALE);
		assert_int_equal(inlay_turn_tables_forbid(tables, old, &peer), -ESTALE);
		assert_int_equal(inlay_turn_tables_unbind(tables, old, 0x4001, T0), -ESTALE);
		assert_int_equal(inlay_turn_tables_read(tables, old, 0x4001, &info), -ESTALE);
		assert_int_equal(inlay_turn_tables_remove(tables, new,
							  T0 + INLAY_TURN_REST * (inlay_ns)(i + 1)),
				 0);
	}
	assert_int_equal(inlay_turn_tables_remove(tables, (struct inlay_turn_id){99, 1}, T0),
			 -ESTALE);
}

static void test_each_lifetime_ends_by_itself_at_its_time(void **state)
{
	struct inlay_turn_id id = allocate();
	struct inlay_turn_channel_info info;

	assert_int_equal(permit(id, "198.51.100.7", T0 + 3 * INLAY_S), 0);
	assert_int_equal(bind_channel(id, 0x4001, "198.51.100.7", T0 + 5 * INLAY_S), 0);
	assert_int_equal(inlay_turn_tables_turn(tables, T0), T0 + 3 * INLAY_S);
	(void)inlay_turn_tables_turn(tables, T0 + 3 * INLAY_S - 1);
	assert_int_equal(counts().permissions, 1);
	assert_int_equal(inlay_turn_tables_turn(tables, T0 + 3 * INLAY_S), T0 + 5 * INLAY_S);
	assert_int_equal(counts().permissions, 0);
	assert_int_equal(read_channel(id, 0x4001).permission_until, 0);
	(void)inlay_turn_tables_turn(tables, T0 + 5 * INLAY_S);
	assert_int_equal(inlay_turn_tables_read(tables, id, 0x4001, &info), -ENOENT);
	assert_int_equal(memory_count(&memory, INLAY_TURN_PEERS), 0);
	(void)inlay_turn_tables_turn(tables, T0 + 600 * INLAY_S);
	assert_int_equal(inlay_turn_tables_read(tables, id, 0x4001, &info), -ESTALE);
	memory_assert_empty(&memory);
}

static void test_an_end_that_is_past_removes(void **state)
{
	struct inlay_turn_id id = allocate();

	assert_int_equal(permit(id, "198.51.100.7", INLAY_NEVER), 0);
	assert_int_equal(bind_channel(id, 0x4001, "198.51.100.7", INLAY_NEVER), 0);
	assert_int_equal(permit(id, "198.51.100.7", T0), 0);
	assert_int_equal(counts().permissions, 0);
	assert_int_equal(bind_channel(id, 0x4001, "198.51.100.7", T0), 0);
	assert_int_equal(counts().channels, 0);
	assert_int_equal(bind_channel(id, 0x4001, "198.51.100.7", T0), 0);
	assert_int_equal(counts().channels, 0);
}

static void test_a_place_is_free_only_after_its_rest(void **state)
{
	struct inlay_turn_id id = allocate();
	__u64 settles;

	for (__u16 i = 0; i < 4; i++)
		assert_int_equal(
			inlay_turn_tables_bind(tables, id, 0x4000 + i,
					       &(struct inlay_addr){.family = AF_INET,
								    .port = htons(5000 + i),
								    .ip = {198, 51, 100, 7}},
					       INLAY_NEVER, T0),
			0);
	assert_int_equal(bind_channel(id, 0x4010, "198.51.100.9", INLAY_NEVER), -ENOSPC);
	assert_int_equal(counts().full, 1);
	assert_int_equal(inlay_turn_tables_unbind(tables, id, 0x4000, T0), 0);
	assert_int_equal(bind_channel(id, 0x4010, "198.51.100.9", INLAY_NEVER), -ENOSPC);
	settles = memory.settles;
	assert_int_equal(inlay_turn_tables_turn(tables, T0), T0 + INLAY_TURN_REST);
	(void)inlay_turn_tables_turn(tables, T0 + INLAY_TURN_REST - 1);
	assert_int_equal(bind_channel(id, 0x4010, "198.51.100.9", INLAY_NEVER), -ENOSPC);
	assert_int_equal(memory.settles, settles);
	(void)inlay_turn_tables_turn(tables, T0 + INLAY_TURN_REST);
	assert_int_equal(memory.settles, settles + 1);
	assert_int_equal(bind_channel(id, 0x4010, "198.51.100.9", INLAY_NEVER), 0);
	assert_int_equal(counts().full, 3);
}

/* Each wait stops everything for as long: who binds and unbinds must not cause one after another.
 */
static void test_places_that_were_left_one_after_another_are_waited_for_together(void **state)
{
	struct inlay_turn_id id = allocate();
	inlay_ns last = T0 + 3 * INLAY_TURN_REST;
	__u64 settles = memory.settles;
	struct inlay_addr peer;
	char text[16];

	/* Four places, each left 10 ms after another, and again. */
	for (inlay_ns now = T0; now < last; now += 10 * INLAY_MS) {
		snprintf(text, sizeof(text), "192.0.2.%llu",
			 (now - T0) / (10 * INLAY_MS) % 200 + 7);
		peer = memory_addr(text, 5000);
		if (!inlay_turn_tables_bind(tables, id, 0x4001, &peer, now + INLAY_S, now))
			assert_int_equal(inlay_turn_tables_unbind(tables, id, 0x4001, now), 0);
		(void)inlay_turn_tables_turn(tables, now);
	}
	assert_true(memory.settles > settles);
	assert_true(memory.settles <= settles + 5);
	assert_true(inlay_turn_tables_turn(tables, last) >= last);
}

/* Who binds channels and never uses them takes nobody the place to be proven in. */
static void test_candidates_leave_places_for_what_is_proven(void **state)
{
	struct inlay_turn_candidate c = candidate();
	struct inlay_turn_id id = allocate();
	struct inlay_turn_ref refs[4];

	for (__u16 i = 0; i < 3; i++) {
		c.number = 0x4100 + i;
		c.peer.port = htons(7000 + i);
		assert_int_equal(inlay_turn_tables_watch(tables, &c, T0, &refs[i]), 0);
	}
	c.number = 0x4103;
	c.peer.port = htons(7003);
	assert_int_equal(inlay_turn_tables_watch(tables, &c, T0, &refs[3]), -ENOSPC);
	assert_int_equal(counts().full, 1);
	assert_int_equal(bind_channel(id, 0x4001, "198.51.100.7", INLAY_NEVER), 0);
	assert_int_equal(inlay_turn_tables_unwatch(tables, refs[0], T0), 0);
	/* The place that was left rests, and then it is for whom it comes to. */
	(void)inlay_turn_tables_turn(tables, T0 + INLAY_TURN_REST);
	assert_int_equal(inlay_turn_tables_watch(tables, &c, T0 + INLAY_TURN_REST, &refs[3]), 0);
}

static void test_permissions_are_bounded_and_counted(void **state)
{
	struct inlay_turn_id id = allocate();

	assert_int_equal(permit(id, "198.51.100.1", INLAY_NEVER), 0);
	assert_int_equal(permit(id, "198.51.100.2", INLAY_NEVER), 0);
	assert_int_equal(permit(id, "198.51.100.3", INLAY_NEVER), 0);
	assert_int_equal(permit(id, "198.51.100.4", INLAY_NEVER), -ENOSPC);
	assert_int_equal(permit(id, "198.51.100.3", T0 + INLAY_S), 0);
	assert_int_equal(counts().full, 1);
}

static void test_a_map_that_refuses_leaves_nothing_behind(void **state)
{
	struct inlay_turn_id id = allocate();
	struct inlay_turn_candidate c = candidate();
	struct inlay_turn_ref ref;

	/* The first key, and then the second one: only that one may have been seen, and rests. */
	memory.refusal = -ENOSPC;
	for (int i = 1; i <= 2; i++) {
		memory.refuse = i;
		assert_int_equal(inlay_turn_tables_watch(tables, &c, T0, &ref), -ENOSPC);
		assert_int_equal(counts().resting_flows, i - 1);
	}
	assert_int_equal(counts().full, 2);
	assert_int_equal(bind_channel(id, 0x4001, "198.51.100.7", INLAY_NEVER), 0);
	assert_int_equal(bind_channel(id, 0x4002, "198.51.100.7", INLAY_NEVER), -EEXIST);
	/* Refused at the client's key, after the peer's. */
	c.peer.port = htons(1);
	assert_int_equal(inlay_turn_tables_watch(tables, &c, T0, &ref), -EEXIST);
	assert_int_equal(memory_count(&memory, INLAY_TURN_WATCHES), 0);
	assert_int_equal(memory_count(&memory, INLAY_TURN_CLIENTS), 1);
	assert_int_equal(memory_count(&memory, INLAY_TURN_PEERS), 1);
}

static void test_a_candidate_is_watched_until_it_is_bound_or_its_time_is_over(void **state)
{
	struct inlay_turn_candidate c = candidate();
	struct inlay_turn_id id = allocate();
	struct inlay_turn_ref ref, again;

	assert_int_equal(inlay_turn_tables_watch(tables, &c, T0, &ref), 0);
	assert_int_equal(memory.flows[ref.flow].state, INLAY_TURN_WATCHED);
	assert_int_equal(memory_count(&memory, INLAY_TURN_WATCHES), 1);
	assert_int_equal(memory_count(&memory, INLAY_TURN_PEERS), 0);
	assert_int_equal(inlay_turn_tables_watch(tables, &c, T0, &again), -EEXIST);
	assert_int_equal(bind_channel(id, 0x4001, "198.51.100.7", INLAY_NEVER), -EEXIST);
	assert_int_equal(inlay_turn_tables_unwatch(tables, ref, T0), 0);
	assert_int_equal(inlay_turn_tables_unwatch(tables, ref, T0), -ESTALE);
	assert_int_equal(bind_channel(id, 0x4001, "198.51.100.7", INLAY_NEVER), 0);
	/* A reference to a channel is no candidate's. */
	for (ref.flow = 0; ref.flow < 6; ref.flow++)
		for (ref.generation = 0; ref.generation < 6; ref.generation++)
			assert_int_equal(inlay_turn_tables_unwatch(tables, ref, T0), -ESTALE);
	c.number = 0x4002;
	c.peer.port = htons(6000);
	(void)inlay_turn_tables_turn(tables, T0 + INLAY_TURN_REST);
	assert_int_equal(inlay_turn_tables_watch(tables, &c, T0, &ref), 0);
	(void)inlay_turn_tables_turn(tables, c.until);
	assert_int_equal(counts().watched, 0);
	assert_int_equal(memory_count(&memory, INLAY_TURN_WATCHES), 0);
}

static void test_statistics_begin_at_zero_for_each_channel(void **state)
{
	struct inlay_turn_id id = allocate();

	for (inlay_ns now = T0; now < T0 + 10 * INLAY_S; now += INLAY_TURN_REST) {
		(void)inlay_turn_tables_turn(tables, now);
		assert_int_equal(bind_channel(id, 0x4001, "198.51.100.7", INLAY_NEVER), 0);
		assert_int_equal(read_channel(id, 0x4001).stats.to_peer_packets, 0);
		for (int i = 0; i < 4; i++)
			memory.stats[i].to_peer_packets = 7;
		assert_int_equal(read_channel(id, 0x4001).stats.to_peer_packets, 7);
		assert_int_equal(inlay_turn_tables_unbind(tables, id, 0x4001, now), 0);
	}
}

static void test_ranges_that_make_no_sense_are_refused(void **state)
{
	static const struct inlay_turn_range bad[] = {
		{.addr = {.family = AF_INET}, .prefix_len = 33},
		{.addr = {.family = AF_INET6}, .prefix_len = 129},
		{.addr = {.family = 0}, .prefix_len = 8},
	};
	struct inlay_turn_tables_config config = {.n_denied = 1, .max_permissions = 1};
	struct inlay_turn_tables *t = NULL;

	config.backend.n_flows = 1;
	config.backend.n_allocations = 1;
	for (size_t i = 0; i < INLAY_ARRAY_SIZE(bad); i++) {
		config.denied = &bad[i];
		assert_int_equal(inlay_turn_tables_new(&config, &t), -EINVAL);
	}
	config.n_denied = 0;
	config.backend.n_flows = 0;
	assert_int_equal(inlay_turn_tables_new(&config, &t), -EINVAL);
	inlay_turn_tables_free(NULL);
}

#define IN_SCENE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_SCENE(test_a_channel_has_both_keys_and_all_three_lifetimes),
		IN_SCENE(test_a_channel_without_a_permission_has_none_until_it_is_given),
		IN_SCENE(test_a_permission_that_is_removed_stops_its_channels_at_once),
		IN_SCENE(test_a_number_has_one_peer_and_a_peer_one_number),
		IN_SCENE(test_numbers_out_of_range_are_refused),
		IN_SCENE(test_denied_ranges_and_what_no_wire_carries_are_refused_and_counted),
		IN_SCENE(test_a_peer_of_the_other_family_is_refused),
		IN_SCENE(test_an_allocation_is_one_by_5_tuple_and_family_and_by_relayed_address),
		IN_SCENE(test_what_is_no_allocation_is_refused),
		IN_SCENE(test_rates_become_costs),
		IN_SCENE(test_an_old_id_names_nothing),
		IN_SCENE(test_each_lifetime_ends_by_itself_at_its_time),
		IN_SCENE(test_an_end_that_is_past_removes),
		IN_SCENE(test_a_place_is_free_only_after_its_rest),
		IN_SCENE(test_places_that_were_left_one_after_another_are_waited_for_together),
		IN_SCENE(test_candidates_leave_places_for_what_is_proven),
		IN_SCENE(test_permissions_are_bounded_and_counted),
		IN_SCENE(test_a_map_that_refuses_leaves_nothing_behind),
		IN_SCENE(test_a_candidate_is_watched_until_it_is_bound_or_its_time_is_over),
		IN_SCENE(test_statistics_begin_at_zero_for_each_channel),
		IN_SCENE(test_ranges_that_make_no_sense_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
