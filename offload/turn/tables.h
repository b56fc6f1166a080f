/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What may go fast, as inlay_turn_abi.h lays it out: allocations, their permissions and channels,
 * and channels that are only watched yet. Sans-I/O: the maps are behind a few operations, time is
 * an argument. Everything that is held is bounded at the start, so nothing fails for memory later.
 *
 * How an entry of turn_flows or turn_allocations comes into use again:
 *  1. its state (or its end) says to every program that nothing goes by it any more,
 *  2. the keys that lead to it are deleted,
 *  3. it rests for INLAY_TURN_REST at least, and until settle() has returned after that: no
 *     program is left that had looked a key up before,
 *  4. it is filled under another generation, and only then gets its keys.
 * The kernel gives the memory of a deleted key to the next one at once, so a program can read a
 * reference to somebody else's flow: it compares the flow's addresses with the packet's.
 */
#ifndef INLAY_OFFLOAD_TURN_TABLES_H
#define INLAY_OFFLOAD_TURN_TABLES_H

#include "siphash.h"
#include "watch.h"

#define INLAY_TURN_REST	 (1 * INLAY_S)
#define INLAY_TURN_KEPT	 4	       /* one place in so many is none for candidates */
#define INLAY_TURN_BURST (1 * INLAY_S) /* of an allocation's rates: coturn counts by the second */

enum inlay_turn_table {
	INLAY_TURN_CLIENTS,
	INLAY_TURN_PEERS,
	INLAY_TURN_WATCHES,
};

struct inlay_turn_backend {
	/* 0; -EEXIST: the key is there; -ENOSPC; what bpf(2) returned. */
	int (*add)(void *user, enum inlay_turn_table table, const void *key,
		   const struct inlay_turn_ref *ref);
	void (*remove)(void *user, enum inlay_turn_table table, const void *key);
	/* A flow's statistics, of all CPUs. */
	void (*clear)(void *user, __u32 flow);
	void (*read)(void *user, __u32 flow, struct inlay_turn_stats *ret_stats);
	/* Returns when no program runs that had begun before. May take milliseconds. */
	void (*settle)(void *user);
	void *user;
	struct inlay_turn_flow *flows; /* shared with the programs; all zero */
	struct inlay_turn_allocation *allocations;
	__u32 n_flows, n_allocations;
};

struct inlay_turn_tables_config {
	struct inlay_turn_backend backend;
	struct inlay_siphash_key key;	       /* secret: strangers choose addresses */
	const struct inlay_turn_range *denied; /* copied */
	size_t n_denied;
	__u32 max_permissions;
};

struct inlay_turn_tables;

/* -EINVAL: a range's prefix, or no room at all; -ENOMEM. */
int inlay_turn_tables_new(const struct inlay_turn_tables_config *config,
			  struct inlay_turn_tables **ret_tables);
/* Drops everything, keys too. Takes NULL. */
void inlay_turn_tables_free(struct inlay_turn_tables *t);

/* As the functions of inlay_turn.h and watch.h. |now|: of the call. */
int inlay_turn_tables_add(struct inlay_turn_tables *t,
			  const struct inlay_turn_allocation_params *params, inlay_ns now,
			  struct inlay_turn_id *ret_id);
int inlay_turn_tables_refresh(struct inlay_turn_tables *t, struct inlay_turn_id id, inlay_ns until,
			      inlay_ns now);
int inlay_turn_tables_remove(struct inlay_turn_tables *t, struct inlay_turn_id id, inlay_ns now);
int inlay_turn_tables_permit(struct inlay_turn_tables *t, struct inlay_turn_id id,
			     const struct inlay_addr *peer, inlay_ns until, inlay_ns now);
int inlay_turn_tables_forbid(struct inlay_turn_tables *t, struct inlay_turn_id id,
			     const struct inlay_addr *peer);
int inlay_turn_tables_bind(struct inlay_turn_tables *t, struct inlay_turn_id id, __u16 number,
			   const struct inlay_addr *peer, inlay_ns until, inlay_ns now);
int inlay_turn_tables_unbind(struct inlay_turn_tables *t, struct inlay_turn_id id, __u16 number,
			     inlay_ns now);
int inlay_turn_tables_watch(struct inlay_turn_tables *t,
			    const struct inlay_turn_candidate *candidate, inlay_ns now,
			    struct inlay_turn_ref *ret_ref);
int inlay_turn_tables_unwatch(struct inlay_turn_tables *t, struct inlay_turn_ref ref, inlay_ns now);

void inlay_turn_tables_each(const struct inlay_turn_tables *t,
			    void (*each)(void *user, const struct inlay_turn_channel_info *info),
			    void *user);
int inlay_turn_tables_read(const struct inlay_turn_tables *t, struct inlay_turn_id id, __u16 number,
			   struct inlay_turn_channel_info *ret_info);
/* As inlay_turn_totals(). */
void inlay_turn_tables_totals(const struct inlay_turn_tables *t,
			      struct inlay_turn_totals *ret_totals);

/* Drops what has run out, most urgent first, a bounded number in one call; gives rested entries
 * back. Returns when it wants to be called next. */
inlay_ns inlay_turn_tables_turn(struct inlay_turn_tables *t, inlay_ns now);

struct inlay_turn_tables_counts {
	__u32 allocations, permissions, channels, watched; /* now */
	__u32 resting_flows, resting_allocations;	   /* not free yet */
	__u64 full, denied; /* refused for it: reasons TURN_FULL and TURN_DENIED */
};
void inlay_turn_tables_counts(const struct inlay_turn_tables *t,
			      struct inlay_turn_tables_counts *ret_counts);

#endif
