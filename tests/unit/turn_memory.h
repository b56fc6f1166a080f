/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The maps of inlay-turn in memory, as an operations struct for its tables. Checks at each key that
 * what it leads to is whole, and at each reuse that what stood there before has rested.
 */
#ifndef INLAY_TESTS_TURN_MEMORY_H
#define INLAY_TESTS_TURN_MEMORY_H

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tables.h"

enum { MEMORY_MAX = 128, MEMORY_KEY = sizeof(struct inlay_turn_client_key) };

struct memory_entry {
	bool used;
	__u8 key[MEMORY_KEY];
	struct inlay_turn_ref ref;
};

struct memory {
	struct memory_entry entries[3][MEMORY_MAX];
	struct inlay_turn_flow flows[MEMORY_MAX];
	struct inlay_turn_allocation allocations[MEMORY_MAX];
	struct inlay_turn_stats stats[MEMORY_MAX];
	__u32 n_flows, n_allocations, max_keys;
	/* Of each flow: its keys were removed, and nothing was waited for since. */
	bool unsettled[MEMORY_MAX];
	__u32 last_generation[MEMORY_MAX];
	__u64 settles, adds, removes;
	int refuse; /* the how manieth addition from now on fails, with |refusal| */
	int refusal;
};

static inline size_t memory_key_size(enum inlay_turn_table table)
{
	static const size_t sizes[] = {
		[INLAY_TURN_CLIENTS] = sizeof(struct inlay_turn_client_key),
		[INLAY_TURN_PEERS] = sizeof(struct inlay_turn_peer_key),
		[INLAY_TURN_WATCHES] = sizeof(struct inlay_turn_watched_key),
	};

	return sizes[table];
}

static inline struct memory_entry *memory_find(struct memory *m, enum inlay_turn_table table,
					       const void *key)
{
	for (__u32 i = 0; i < m->max_keys; i++)
		if (m->entries[table][i].used &&
		    !memcmp(m->entries[table][i].key, key, memory_key_size(table)))
			return &m->entries[table][i];
	return NULL;
}

static inline __u32 memory_count(const struct memory *m, enum inlay_turn_table table)
{
	__u32 n = 0;

	for (__u32 i = 0; i < m->max_keys; i++)
		n += m->entries[table][i].used;
	return n;
}

/* What a program would find by it is what the key says, all of it. */
static inline void memory_check(const struct memory *m, enum inlay_turn_table table,
				const void *key, const struct inlay_turn_ref *ref)
{
	const struct inlay_turn_client_key *client = key;
	const struct inlay_turn_peer_key *peer = key;
	const struct inlay_turn_watched_key *watched = key;
	const struct inlay_turn_flow *f = &m->flows[ref->flow];

	assert_true(ref->flow < m->n_flows);
	assert_int_equal(f->generation, ref->generation);
	assert_int_not_equal(f->generation, 0);
	assert_int_equal(f->state, f->relayed.family ? INLAY_TURN_FAST : INLAY_TURN_WATCHED);
	assert_true(f->channel_until > 0);
	if (f->state == INLAY_TURN_FAST)
		assert_true(m->allocations[f->allocation].until > 0);
	switch (table) {
	case INLAY_TURN_CLIENTS:
		assert_memory_equal(&client->client, &f->client, sizeof(f->client));
		assert_memory_equal(&client->server, &f->server, sizeof(f->server));
		assert_int_equal(client->channel, f->channel);
		assert_int_equal(client->pad, 0);
		break;
	case INLAY_TURN_PEERS:
		assert_memory_equal(&peer->relayed, &f->relayed, sizeof(f->relayed));
		assert_memory_equal(&peer->peer, &f->peer, sizeof(f->peer));
		break;
	case INLAY_TURN_WATCHES:
		assert_memory_equal(&watched->peer, &f->peer, sizeof(f->peer));
		assert_int_equal(watched->pad, 0);
		break;
	}
}

static inline int memory_add(void *user, enum inlay_turn_table table, const void *key,
			     const struct inlay_turn_ref *ref)
{
	struct memory *m = user;

	m->adds++;
	memory_check(m, table, key, ref);
	if (m->refuse && !--m->refuse)
		return m->refusal;
	if (memory_find(m, table, key))
		return -EEXIST;
	for (__u32 i = 0; i < m->max_keys; i++) {
		struct memory_entry *entry = &m->entries[table][i];

		if (entry->used)
			continue;
		entry->used = true;
		memcpy(entry->key, key, memory_key_size(table));
		entry->ref = *ref;
		m->last_generation[ref->flow] = ref->generation;
		return 0;
	}
	return -ENOSPC;
}

static inline void memory_remove(void *user, enum inlay_turn_table table, const void *key)
{
	struct memory *m = user;
	struct memory_entry *entry = memory_find(m, table, key);

	/* Whatever is removed was there, once. */
	assert_non_null(entry);
	m->removes++;
	m->unsettled[entry->ref.flow] = true;
	entry->used = false;
}

static inline void memory_clear(void *user, __u32 flow)
{
	struct memory *m = user;

	/* It is about to be filled: no key leads to it, and no program knows it any more. */
	assert_true(flow < m->n_flows);
	assert_false(m->unsettled[flow]);
	for (int table = 0; table < 3; table++)
		for (__u32 i = 0; i < m->max_keys; i++)
			assert_false(m->entries[table][i].used &&
				     m->entries[table][i].ref.flow == flow);
	assert_int_equal(m->flows[flow].state, INLAY_TURN_FREE);
	m->stats[flow] = (struct inlay_turn_stats){0};
}

static inline void memory_read(void *user, __u32 flow, struct inlay_turn_stats *ret_stats)
{
	*ret_stats = ((struct memory *)user)->stats[flow];
}

static inline void memory_settle(void *user)
{
	struct memory *m = user;

	m->settles++;
	memset(m->unsettled, 0, sizeof(m->unsettled));
}

static inline void memory_init(struct memory *m, __u32 n_flows, __u32 n_allocations)
{
	memset(m, 0, sizeof(*m));
	m->n_flows = n_flows;
	m->n_allocations = n_allocations;
	m->max_keys = n_flows;
}

static inline struct inlay_turn_tables *memory_tables(struct memory *m, __u32 max_permissions,
						      const struct inlay_turn_range *denied,
						      size_t n_denied)
{
	struct inlay_turn_tables_config config = {
		.backend = {.add = memory_add,
			    .remove = memory_remove,
			    .clear = memory_clear,
			    .read = memory_read,
			    .settle = memory_settle,
			    .user = m,
			    .flows = m->flows,
			    .allocations = m->allocations,
			    .n_flows = m->n_flows,
			    .n_allocations = m->n_allocations},
		.key = {1, 2},
		.denied = denied,
		.n_denied = n_denied,
		.max_permissions = max_permissions,
	};
	struct inlay_turn_tables *t = NULL;

	assert_int_equal(inlay_turn_tables_new(&config, &t), 0);
	return t;
}

/* Nothing that a program could go by is left. */
static inline void memory_assert_empty(const struct memory *m)
{
	for (int table = 0; table < 3; table++)
		assert_int_equal(memory_count(m, (enum inlay_turn_table)table), 0);
	for (__u32 i = 0; i < m->n_flows; i++)
		assert_int_equal(m->flows[i].state, INLAY_TURN_FREE);
	for (__u32 i = 0; i < m->n_allocations; i++)
		assert_int_equal(m->allocations[i].until, 0);
}

/* "192.0.2.1" or "2001:db8::1". */
static inline struct inlay_addr memory_addr(const char *ip, __u16 port)
{
	struct inlay_addr addr = {.family = strchr(ip, ':') ? AF_INET6 : AF_INET,
				  .port = htons(port)};

	assert_int_equal(inet_pton(addr.family, ip, addr.ip), 1);
	return addr;
}

#endif
