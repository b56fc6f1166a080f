/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The tables of inlay-turn against a model that keeps plain lists, in random orders: the same
 * answers, the same channels with the same times, and never a key too many.
 */
#include <stdlib.h>

#include "seeded.h"
#include "turn_memory.h"

enum { FLOWS = 8, ALLOCATIONS = 4, PERMISSIONS = 7, STEPS = 30000, SEEDS = 4 };

struct model_allocation {
	bool used;
	struct inlay_turn_allocation_params params;
	struct inlay_turn_id id;
};

struct model_permission {
	bool used;
	int allocation;
	struct inlay_addr peer; /* port 0 */
	inlay_ns until;
};

struct model_channel {
	bool used;
	int allocation;
	__u16 number;
	struct inlay_addr peer;
	inlay_ns until;
};

struct model_candidate {
	bool used;
	struct inlay_turn_candidate c;
	struct inlay_turn_ref ref;
};

static struct model {
	struct model_allocation allocations[ALLOCATIONS];
	struct model_permission permissions[PERMISSIONS];
	struct model_channel channels[FLOWS];
	struct model_candidate candidates[FLOWS];
	struct inlay_turn_id dead[4];
	inlay_ns now;
} model;

static struct memory memory;
static struct inlay_turn_tables *tables;
static struct seeded random_numbers;

static const struct inlay_turn_range denied[] = {
	{.addr = {.family = AF_INET, .ip = {10}}, .prefix_len = 8},
};

static __u64 below(__u64 bound)
{
	return seeded_below(&random_numbers, bound);
}

/* --- A small world, so that things meet ----------------------------------------------------- */

static struct inlay_addr any_client(void)
{
	return memory_addr("203.0.113.5", (__u16)(4000 + below(3)));
}

static struct inlay_addr any_server(void)
{
	return memory_addr("192.0.2.1", (__u16)(3478 + below(2)));
}

static struct inlay_addr any_relayed(void)
{
	return memory_addr(below(2) ? "192.0.2.1" : "2001:db8::1", (__u16)(50000 + below(3)));
}

static struct inlay_addr any_peer(void)
{
	static const char *const ips[] = {"198.51.100.1", "198.51.100.2", "2001:db8:1::1",
					  "2001:db8:1::2", "10.0.0.1"};

	return memory_addr(ips[below(INLAY_ARRAY_SIZE(ips))], (__u16)(6000 + below(2)));
}

static __u16 any_number(void)
{
	return below(20) ? (__u16)(0x4000 + below(3)) : (__u16)0x3fff;
}

static inlay_ns any_until(void)
{
	return below(8) ? model.now + 1 + below(3 * INLAY_S) : model.now - below(INLAY_S);
}

static bool same(const struct inlay_addr *a, const struct inlay_addr *b)
{
	return !memcmp(a, b, sizeof(*a));
}

/* A living one, or one that is gone; |*ret_allocation|: which, or -1. */
static struct inlay_turn_id any_id(int *ret_allocation)
{
	int i = (int)below(ALLOCATIONS);

	*ret_allocation = -1;
	if (!below(10))
		return model.dead[below(INLAY_ARRAY_SIZE(model.dead))];
	if (!model.allocations[i].used)
		return (struct inlay_turn_id){(__u32)i, 0};
	*ret_allocation = i;
	return model.allocations[i].id;
}

/* --- The model ------------------------------------------------------------------------------ */

static void model_drop_allocation(int a)
{
	for (int i = 0; i < FLOWS; i++)
		if (model.channels[i].used && model.channels[i].allocation == a)
			model.channels[i].used = false;
	for (int i = 0; i < PERMISSIONS; i++)
		if (model.permissions[i].used && model.permissions[i].allocation == a)
			model.permissions[i].used = false;
	model.dead[below(INLAY_ARRAY_SIZE(model.dead))] = model.allocations[a].id;
	model.allocations[a].used = false;
}

static struct model_permission *model_permission(int a, const struct inlay_addr *peer)
{
	struct inlay_addr addr = *peer;

	addr.port = 0;
	for (int i = 0; i < PERMISSIONS; i++)
		if (model.permissions[i].used && model.permissions[i].allocation == a &&
		    same(&model.permissions[i].peer, &addr))
			return &model.permissions[i];
	return NULL;
}

static struct model_channel *model_channel(int a, __u16 number)
{
	for (int i = 0; i < FLOWS; i++)
		if (model.channels[i].used && model.channels[i].allocation == a &&
		    model.channels[i].number == number)
			return &model.channels[i];
	return NULL;
}

/* Is the number at this client and server anybody's, a candidate's too? */
static bool model_has_client(const struct inlay_addr *client, const struct inlay_addr *server,
			     __u16 number)
{
	for (int i = 0; i < FLOWS; i++) {
		const struct model_channel *ch = &model.channels[i];
		const struct inlay_turn_candidate *c = &model.candidates[i].c;
		const struct inlay_turn_allocation_params *p =
			&model.allocations[ch->allocation].params;

		if (ch->used && ch->number == number && same(&p->client, client) &&
		    same(&p->server, server))
			return true;
		if (model.candidates[i].used && c->number == number && same(&c->client, client) &&
		    same(&c->server, server))
			return true;
	}
	return false;
}

static void model_expire(void)
{
	for (int i = 0; i < FLOWS; i++) {
		if (model.channels[i].until <= model.now)
			model.channels[i].used = false;
		if (model.candidates[i].c.until <= model.now)
			model.candidates[i].used = false;
	}
	for (int i = 0; i < PERMISSIONS; i++)
		if (model.permissions[i].until <= model.now)
			model.permissions[i].used = false;
	for (int i = 0; i < ALLOCATIONS; i++)
		if (model.allocations[i].used && model.allocations[i].params.until <= model.now)
			model_drop_allocation(i);
}

static bool is_denied(const struct inlay_addr *peer)
{
	return peer->family == AF_INET && peer->ip[0] == 10;
}

static struct inlay_turn_tables_counts counts(void)
{
	struct inlay_turn_tables_counts c;

	inlay_turn_tables_counts(tables, &c);
	return c;
}

static bool flows_are_full(void)
{
	struct inlay_turn_tables_counts c = counts();

	return c.channels + c.watched + c.resting_flows == FLOWS;
}

/* --- Steps ---------------------------------------------------------------------------------- */

static int expect_add(const struct inlay_turn_allocation_params *p)
{
	struct inlay_turn_tables_counts c = counts();

	if (p->until <= model.now)
		return -EINVAL;
	if (c.allocations + c.resting_allocations == ALLOCATIONS)
		return -ENOSPC;
	for (int i = 0; i < ALLOCATIONS; i++) {
		const struct inlay_turn_allocation_params *q = &model.allocations[i].params;

		if (!model.allocations[i].used)
			continue;
		if (same(&q->relayed, &p->relayed) ||
		    (same(&q->client, &p->client) && same(&q->server, &p->server) &&
		     q->relayed.family == p->relayed.family))
			return -EEXIST;
	}
	return 0;
}

static void step_add(void)
{
	struct inlay_turn_allocation_params p = {.client = any_client(),
						 .server = any_server(),
						 .relayed = any_relayed(),
						 .until = any_until()};
	int expected = expect_add(&p);
	struct inlay_turn_id id;

	assert_int_equal(inlay_turn_tables_add(tables, &p, model.now, &id), expected);
	if (expected)
		return;
	assert_true(id.index < ALLOCATIONS);
	assert_false(model.allocations[id.index].used);
	model.allocations[id.index] = (struct model_allocation){true, p, id};
}

static void step_refresh(void)
{
	inlay_ns until = any_until();
	int a;
	struct inlay_turn_id id = any_id(&a);

	assert_int_equal(inlay_turn_tables_refresh(tables, id, until, model.now),
			 a < 0 ? -ESTALE : 0);
	if (a < 0)
		return;
	model.allocations[a].params.until = until;
	if (until <= model.now)
		model_drop_allocation(a);
}

static int expect_permit(int a, const struct inlay_addr *peer, inlay_ns until)
{
	if (a < 0)
		return -ESTALE;
	if (until <= model.now)
		return 0;
	if (is_denied(peer))
		return -EACCES;
	if (peer->family != model.allocations[a].params.relayed.family)
		return -EINVAL;
	return model_permission(a, peer) || counts().permissions < PERMISSIONS ? 0 : -ENOSPC;
}

static void step_permit(void)
{
	struct inlay_addr peer = any_peer();
	inlay_ns until = any_until();
	struct model_permission *p;
	int a, i, expected;
	struct inlay_turn_id id = any_id(&a);

	expected = expect_permit(a, &peer, until);
	assert_int_equal(inlay_turn_tables_permit(tables, id, &peer, until, model.now), expected);
	if (expected)
		return;
	p = model_permission(a, &peer);
	if (until <= model.now) {
		if (p)
			p->used = false;
		return;
	}
	for (i = 0; !p && i < PERMISSIONS; i++)
		if (!model.permissions[i].used)
			p = &model.permissions[i];
	assert_non_null(p);
	*p = (struct model_permission){true, a, peer, until};
	p->peer.port = 0;
}

static void step_forbid(void)
{
	struct inlay_addr peer = any_peer();
	int a;
	struct inlay_turn_id id = any_id(&a);
	struct model_permission *p = a < 0 ? NULL : model_permission(a, &peer);

	assert_int_equal(inlay_turn_tables_forbid(tables, id, &peer), a < 0 ? -ESTALE
								      : p   ? 0
									    : -ENOENT);
	if (p)
		p->used = false;
}

static int expect_bind(int a, __u16 number, const struct inlay_addr *peer, inlay_ns until)
{
	const struct inlay_turn_allocation_params *p;
	struct model_channel *ch;

	if (a < 0)
		return -ESTALE;
	p = &model.allocations[a].params;
	if (number < INLAY_TURN_CHANNEL_MIN)
		return -EINVAL;
	if (is_denied(peer))
		return -EACCES;
	if (peer->family != p->relayed.family)
		return -EINVAL;
	ch = model_channel(a, number);
	if (ch)
		return same(&ch->peer, peer) ? 0 : -EEXIST;
	if (until <= model.now)
		return 0;
	if (flows_are_full())
		return -ENOSPC;
	for (int i = 0; i < FLOWS; i++)
		if (model.channels[i].used && model.channels[i].allocation == a &&
		    same(&model.channels[i].peer, peer))
			return -EEXIST;
	return model_has_client(&p->client, &p->server, number) ? -EEXIST : 0;
}

static void step_bind(void)
{
	struct inlay_addr peer = any_peer();
	inlay_ns until = any_until();
	__u16 number = any_number();
	struct model_channel *ch;
	int a, expected;
	struct inlay_turn_id id = any_id(&a);

	expected = expect_bind(a, number, &peer, until);
	assert_int_equal(inlay_turn_tables_bind(tables, id, number, &peer, until, model.now),
			 expected);
	if (expected)
		return;
	ch = model_channel(a, number);
	if (until <= model.now) {
		if (ch)
			ch->used = false;
		return;
	}
	for (int i = 0; !ch && i < FLOWS; i++)
		if (!model.channels[i].used)
			ch = &model.channels[i];
	assert_non_null(ch);
	*ch = (struct model_channel){true, a, number, peer, until};
}

static void step_unbind(void)
{
	__u16 number = any_number();
	int a;
	struct inlay_turn_id id = any_id(&a);
	struct model_channel *ch = a < 0 ? NULL : model_channel(a, number);

	assert_int_equal(inlay_turn_tables_unbind(tables, id, number, model.now), a < 0 ? -ESTALE
										  : ch	? 0
											: -ENOENT);
	if (ch)
		ch->used = false;
}

static int expect_watch(const struct inlay_turn_candidate *c)
{
	if (c->number < INLAY_TURN_CHANNEL_MIN || c->until <= model.now)
		return -EINVAL;
	if (is_denied(&c->peer))
		return -EACCES;
	if (flows_are_full() || counts().watched >= FLOWS - FLOWS / INLAY_TURN_KEPT)
		return -ENOSPC;
	for (int i = 0; i < FLOWS; i++)
		if (model.candidates[i].used && same(&model.candidates[i].c.peer, &c->peer) &&
		    model.candidates[i].c.relayed_port == c->relayed_port)
			return -EEXIST;
	return model_has_client(&c->client, &c->server, c->number) ? -EEXIST : 0;
}

static void step_watch(void)
{
	struct inlay_turn_candidate c = {.client = any_client(),
					 .server = any_server(),
					 .peer = any_peer(),
					 .relayed_port = htons((__u16)(50000 + below(3))),
					 .number = any_number(),
					 .until = any_until()};
	int expected = expect_watch(&c), i;
	struct inlay_turn_ref ref;

	assert_int_equal(inlay_turn_tables_watch(tables, &c, model.now, &ref), expected);
	if (expected)
		return;
	for (i = 0; model.candidates[i].used; i++)
		;
	model.candidates[i] = (struct model_candidate){true, c, ref};
}

static void step_unwatch(void)
{
	struct model_candidate *c = &model.candidates[below(FLOWS)];

	assert_int_equal(inlay_turn_tables_unwatch(tables, c->ref, model.now),
			 c->used ? 0 : -ESTALE);
	c->used = false;
}

static void step_time(void)
{
	inlay_ns next;

	model.now += below(400 * INLAY_MS);
	next = inlay_turn_tables_turn(tables, model.now);
	assert_true(next > model.now);
	model_expire();
}

/* --- The same? ------------------------------------------------------------------------------ */

static void compare_one(void *user, const struct inlay_turn_channel_info *info)
{
	int *n = user, a = (int)info->allocation.index;
	const struct model_permission *p;
	const struct model_channel *ch;

	++*n;
	if (info->watched) {
		assert_true(model_has_client(&info->client, &info->server, info->number));
		return;
	}
	ch = model_channel(a, info->number);
	assert_non_null(ch);
	p = model_permission(a, &ch->peer);
	assert_true(same(&ch->peer, &info->peer));
	assert_true(same(&model.allocations[a].params.client, &info->client));
	assert_true(same(&model.allocations[a].params.relayed, &info->relayed));
	assert_int_equal(info->allocation.generation, model.allocations[a].id.generation);
	assert_int_equal(info->channel_until, ch->until);
	assert_int_equal(info->allocation_until, model.allocations[a].params.until);
	assert_int_equal(info->permission_until, p ? p->until : 0);
}

static void compare(void)
{
	struct inlay_turn_tables_counts c = counts();
	__u32 channels = 0, watched = 0, permissions = 0, allocations = 0;
	int n = 0;

	for (int i = 0; i < FLOWS; i++) {
		channels += model.channels[i].used;
		watched += model.candidates[i].used;
	}
	for (int i = 0; i < PERMISSIONS; i++)
		permissions += model.permissions[i].used;
	for (int i = 0; i < ALLOCATIONS; i++)
		allocations += model.allocations[i].used;
	assert_int_equal(c.channels, channels);
	assert_int_equal(c.watched, watched);
	assert_int_equal(c.permissions, permissions);
	assert_int_equal(c.allocations, allocations);
	inlay_turn_tables_each(tables, compare_one, &n);
	assert_int_equal(n, (int)(channels + watched));
	assert_int_equal(memory_count(&memory, INLAY_TURN_CLIENTS), channels + watched);
	assert_int_equal(memory_count(&memory, INLAY_TURN_PEERS), channels);
	assert_int_equal(memory_count(&memory, INLAY_TURN_WATCHES), watched);
}

static void run_seed(__u64 seed)
{
	static void (*const steps[])(void) = {step_add,	    step_add,	 step_refresh, step_permit,
					      step_permit,  step_forbid, step_bind,    step_bind,
					      step_bind,    step_unbind, step_watch,   step_watch,
					      step_unwatch, step_time,	 step_time};

	random_numbers.state = seed;
	memset(&model, 0, sizeof(model));
	model.now = 100 * INLAY_S;
	memory_init(&memory, FLOWS, ALLOCATIONS);
	tables = memory_tables(&memory, PERMISSIONS, denied, INLAY_ARRAY_SIZE(denied));
	for (int i = 0; i < STEPS; i++) {
		steps[below(INLAY_ARRAY_SIZE(steps))]();
		compare();
	}
	/* It was worth it: everything happened, often. */
	assert_true(memory.adds > STEPS / 20);
	assert_true(counts().full > 50 && counts().denied > 50);
	inlay_turn_tables_free(tables);
	memory_assert_empty(&memory);
}

static void test_tables_do_what_plain_lists_do(void **state)
{
	__u64 seeds = getenv("INLAY_FULL") ? 100 * SEEDS : SEEDS;

	for (__u64 seed = 1; seed <= seeds; seed++)
		run_seed(seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tables_do_what_plain_lists_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
