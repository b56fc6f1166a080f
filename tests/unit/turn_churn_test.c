/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A day of a busy TURN server's allocations, permissions and channels coming and going in every
 * way, second by second of simulated time: nothing of them is left, and places are used again.
 */
#include <malloc.h>

#include "seeded.h"
#include "turn_memory.h"

enum { FLOWS = 96, ALLOCATIONS = 48, DAY = 24 * 3600, CLIENTS = 40 };

/* One client, as a server sees it. */
struct client {
	bool alive;
	struct inlay_turn_id id;
	inlay_ns gone_at; /* when it stops refreshing */
	__u64 serial;
};

static struct memory memory;
static struct inlay_turn_tables *tables;
static struct client clients[CLIENTS];
static struct seeded random_numbers = {.state = 5};
static __u64 serial, allocated, bound, to_peer, over;

static __u64 below(__u64 bound_)
{
	return seeded_below(&random_numbers, bound_);
}

static struct inlay_addr number_addr(const char *ip, __u64 n)
{
	struct inlay_addr addr = memory_addr(ip, (__u16)(1024 + n % 60000));

	addr.ip[3] = (__u8)(n / 60000 % 250 + 1);
	return addr;
}

static void arrive(struct client *c, inlay_ns now)
{
	struct inlay_turn_allocation_params p = {.client = number_addr("203.0.113.1", serial + 1),
						 .server = memory_addr("192.0.2.1", 3478),
						 .relayed = number_addr("192.0.2.2", serial + 1),
						 .until = now + 600 * INLAY_S};
	int err = inlay_turn_tables_add(tables, &p, now, &c->id);

	assert_true(err == 0 || err == -ENOSPC);
	c->alive = !err;
	c->serial = ++serial;
	c->gone_at = now + below(1800) * INLAY_S;
	allocated += !err;
}

static void bind_some(struct client *c, inlay_ns now)
{
	struct inlay_addr peer = number_addr("198.51.100.1", c->serial + below(4));
	struct inlay_turn_candidate candidate = {.client = number_addr("203.0.113.1", c->serial),
						 .server = memory_addr("192.0.2.1", 3478),
						 .peer = peer,
						 .relayed_port = htons((__u16)c->serial | 1),
						 .number = (__u16)(0x4000 + below(4)),
						 .until = now + 10 * INLAY_S};
	struct inlay_turn_ref ref;
	int err;

	/* Watched first, as inlay-turn does; some are never seen relayed, and are forgotten. */
	if (!inlay_turn_tables_watch(tables, &candidate, now, &ref) && below(4))
		assert_int_equal(inlay_turn_tables_unwatch(tables, ref, now), 0);
	err = inlay_turn_tables_permit(tables, c->id, &peer, now + 300 * INLAY_S, now);
	assert_true(err == 0 || err == -ENOSPC);
	err = inlay_turn_tables_bind(tables, c->id, candidate.number, &peer, now + 600 * INLAY_S,
				     now);
	assert_true(err == 0 || err == -ENOSPC || err == -EEXIST);
	bound += !err;
}

static void live(struct client *c, inlay_ns now)
{
	struct inlay_addr peer;

	if (!c->alive) {
		if (!below(30))
			arrive(c, now);
		return;
	}
	if (now >= c->gone_at) {
		/* Some say goodbye, some are just gone: their time runs out. */
		if (below(2))
			(void)inlay_turn_tables_refresh(tables, c->id, now, now);
		c->alive = false;
		return;
	}
	switch (below(60)) {
	case 0:
	case 1:
		bind_some(c, now);
		break;
	case 2:
		assert_int_equal(inlay_turn_tables_refresh(tables, c->id, now + 600 * INLAY_S, now),
				 0);
		break;
	case 3:
		(void)inlay_turn_tables_unbind(tables, c->id, (__u16)(0x4000 + below(4)), now);
		break;
	case 4:
		peer = number_addr("198.51.100.1", c->serial + below(4));
		(void)inlay_turn_tables_forbid(tables, c->id, &peer);
		break;
	default:
		break;
	}
	/* A client that lives refreshes in time. */
	if (now / INLAY_S % 300 == 0)
		assert_int_equal(inlay_turn_tables_refresh(tables, c->id, now + 600 * INLAY_S, now),
				 0);
}

/* Media flow; a few packets are under way yet when their channel ends. */
static void relay(void)
{
	struct inlay_turn_allocation *a = &memory.allocations[below(ALLOCATIONS)];
	__u32 flow = (__u32)below(FLOWS);

	if (memory.flows[flow].state != INLAY_TURN_FAST && !memory.unsettled[flow])
		return;
	memory.stats[flow].to_peer_packets += 3;
	to_peer += 3;
	a->over_limit += a->until > 0;
	over += a->until > 0;
}

static void live_until(inlay_ns *now, inlay_ns end, bool anybody)
{
	for (; *now < end; *now += INLAY_S) {
		(void)inlay_turn_tables_turn(tables, *now);
		for (int i = 0; anybody && i < CLIENTS; i++)
			live(&clients[i], *now);
		relay();
	}
}

/* Everybody is gone for an hour. Returns the memory in use. */
static size_t assert_nothing_is_left(inlay_ns *now)
{
	struct inlay_turn_tables_counts c;
	struct inlay_turn_totals totals;

	memset(clients, 0, sizeof(clients));
	live_until(now, *now + 3600 * INLAY_S, false);
	inlay_turn_tables_counts(tables, &c);
	assert_int_equal(c.allocations + c.permissions + c.channels + c.watched, 0);
	assert_int_equal(c.resting_flows + c.resting_allocations, 0);
	assert_int_equal(inlay_turn_tables_turn(tables, *now), INLAY_NEVER);
	memory_assert_empty(&memory);
	inlay_turn_tables_totals(tables, &totals);
	assert_int_equal(totals.to_peer_packets, to_peer);
	assert_int_equal(totals.over_limit, over);
	return mallinfo2().uordblks;
}

/* Every place can still be had: none was lost on the way. */
static void assert_every_place_is_free(inlay_ns now)
{
	const struct inlay_turn_allocation_params p = {
		.client = memory_addr("203.0.113.1", 1),
		.server = memory_addr("192.0.2.1", 3478),
		.relayed = memory_addr("192.0.2.1", 1),
		.until = now + 1,
	};
	struct inlay_turn_id id;
	struct inlay_addr peer;

	assert_int_equal(inlay_turn_tables_add(tables, &p, now, &id), 0);
	for (__u16 i = 0; i <= FLOWS; i++) {
		peer = memory_addr("198.51.100.1", 1 + i);
		assert_int_equal(
			inlay_turn_tables_bind(tables, id, 0x4000 + i, &peer, now + 1, now),
			i < FLOWS ? 0 : -ENOSPC);
	}
}

static void test_a_day_of_churn_leaves_nothing(void **state)
{
	inlay_ns now = 1000 * INLAY_S;
	size_t after_an_hour, after_a_day;

	memory_init(&memory, FLOWS, ALLOCATIONS);
	tables = memory_tables(&memory, 4 * FLOWS, NULL, 0);
	live_until(&now, now + 3600 * INLAY_S, true);
	after_an_hour = assert_nothing_is_left(&now);
	live_until(&now, now + DAY * INLAY_S, true);
	after_a_day = assert_nothing_is_left(&now);
	assert_int_equal(after_a_day, after_an_hour);
	assert_true(allocated > 2000 && bound > 20000 && to_peer > 20000 && over > 10000);
	assert_every_place_is_free(now);
	inlay_turn_tables_free(tables);
	memory_assert_empty(&memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_day_of_churn_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
