/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Inside of the tables: what userspace keeps beside each shared entry. Shared by tables.c
 * (allocations, permissions, time) and flows.c (channels and candidates) alone.
 */
#ifndef INLAY_OFFLOAD_TURN_TABLES_IMPL_H
#define INLAY_OFFLOAD_TURN_TABLES_IMPL_H

#include "list.h"
#include "map.h"
#include "tables.h"
#include "timers.h"

enum expiry_kind {
	EXPIRY_ALLOCATION,
	EXPIRY_PERMISSION,
	EXPIRY_FLOW,
};

struct expiry {
	struct inlay_timer timer;
	enum expiry_kind kind;
};

struct allocation {
	struct expiry expiry;
	struct inlay_list node; /* in |allocations|, or in a pool's list */
	struct inlay_addr client, server, relayed;
	struct inlay_list channels;
	struct inlay_list permissions;
	__u32 generation;
	bool used;
	inlay_ns freed;
};

struct permission {
	struct expiry expiry;
	struct inlay_list node; /* in the allocation's, or in |free_permissions| */
	struct allocation *allocation;
	struct inlay_addr peer; /* its port is 0 */
	inlay_ns until;
};

struct flow {
	struct expiry expiry;
	struct inlay_list node;	       /* in the allocation's, |watched|, or a pool's list */
	struct allocation *allocation; /* NULL: only watched, or free */
	__be16 relayed_port;	       /* watched */
	inlay_ns freed;
};

/* Entries without a use: |resting| in the order in which they were freed. */
struct pool {
	struct inlay_list free;
	struct inlay_list resting;
};

struct inlay_turn_tables {
	struct inlay_turn_backend backend;
	struct inlay_siphash_key key;
	struct inlay_turn_range *denied;
	size_t n_denied;
	struct allocation *all_allocations;
	struct permission *all_permissions;
	struct flow *all_flows;
	struct inlay_list allocations, watched;
	struct inlay_list free_permissions;
	struct pool allocation_pool, flow_pool;
	struct inlay_map by_client, by_relayed; /* to struct allocation */
	struct inlay_timers timers;
	__u32 generation; /* of the flow that was filled last */
	inlay_ns settles; /* at the earliest, what rests may be given back */
	struct inlay_turn_tables_counts counts;
	struct inlay_turn_totals gone; /* of entries that have rested */
};

static inline __u32 flow_index(const struct inlay_turn_tables *t, const struct flow *flow)
{
	return (__u32)(flow - t->all_flows);
}

static inline __u32 allocation_index(const struct inlay_turn_tables *t, const struct allocation *a)
{
	return (__u32)(a - t->all_allocations);
}

static inline bool same_addr(const struct inlay_addr *a, const struct inlay_addr *b)
{
	return !__builtin_memcmp(a, b, sizeof(*a));
}

static inline void set_expiry(struct inlay_turn_tables *t, struct expiry *expiry, inlay_ns until)
{
	inlay_timers_set(&t->timers, &expiry->timer, until);
}

/* tables.c */

/* NULL: it is gone. */
struct allocation *inlay_turn_tables_find(const struct inlay_turn_tables *t,
					  struct inlay_turn_id id);
/* Checks an address and writes it as keys have it. 0; -EINVAL; -EACCES: no such peer goes fast, and
 * it is counted. */
int inlay_turn_tables_peer(struct inlay_turn_tables *t, const struct inlay_addr *addr,
			   struct inlay_addr *ret_addr);
bool inlay_turn_tables_fits(const struct inlay_addr *addr, struct inlay_addr *ret_addr);
/* When the peer's permission ends; 0: it has none. */
inlay_ns inlay_turn_tables_permitted(const struct allocation *a, const struct inlay_addr *peer);

/* flows.c */

/* Ends it for both directions, deletes its keys, and lets it rest. */
void inlay_turn_tables_drop(struct inlay_turn_tables *t, struct flow *flow, inlay_ns now);
/* Adds what went fast by it. */
void inlay_turn_tables_account(const struct inlay_turn_tables *t, const struct flow *flow,
			       struct inlay_turn_totals *totals);
__u64 inlay_turn_tables_over(const struct inlay_turn_tables *t, const struct allocation *a);
/* The permission of a peer of the allocation's ends at |until|. */
void inlay_turn_tables_permission(struct inlay_turn_tables *t, struct allocation *a,
				  const struct inlay_addr *peer, inlay_ns until);

#endif
