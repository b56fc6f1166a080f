/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The tables of inlay_turn_abi.h as maps. Sizes here are those that an object is tested with:
 * userspace sets every max_entries before it loads.
 */
#ifndef INLAY_TURN_MAPS_H
#define INLAY_TURN_MAPS_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "inlay_reasons.h"
#include "inlay_turn_abi.h"

#define INLAY_TURN_HASH(map, key_struct, value_type)                                               \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_HASH);                                                   \
		__uint(max_entries, 1024);                                                         \
		__type(key, struct key_struct);                                                    \
		__type(value, value_type);                                                         \
	} map SEC(".maps")

/* Userspace maps it into its memory. */
#define INLAY_TURN_ARRAY(map, value_type, n)                                                       \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_ARRAY);                                                  \
		__uint(map_flags, BPF_F_MMAPABLE);                                                 \
		__uint(max_entries, n);                                                            \
		__type(key, __u32);                                                                \
		__type(value, value_type);                                                         \
	} map SEC(".maps")

#define INLAY_TURN_PERCPU(map, value_type, n)                                                      \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);                                           \
		__uint(max_entries, n);                                                            \
		__type(key, __u32);                                                                \
		__type(value, value_type);                                                         \
	} map SEC(".maps")

#define INLAY_TURN_RING(map)                                                                       \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_RINGBUF);                                                \
		__uint(max_entries, 1 << 18);                                                      \
	} map SEC(".maps")

INLAY_TURN_HASH(turn_clients, inlay_turn_client_key, struct inlay_turn_ref);
INLAY_TURN_HASH(turn_peers, inlay_turn_peer_key, struct inlay_turn_ref);
INLAY_TURN_HASH(turn_watched, inlay_turn_watched_key, struct inlay_turn_ref);
INLAY_TURN_ARRAY(turn_flows, struct inlay_turn_flow, 1024);
INLAY_TURN_ARRAY(turn_allocations, struct inlay_turn_allocation, 1024);
INLAY_TURN_ARRAY(turn_control, struct inlay_turn_control, 1);
INLAY_TURN_PERCPU(turn_stats, struct inlay_turn_stats, 1024);
INLAY_TURN_PERCPU(turn_reasons, __u64, INLAY_N_REASONS);
INLAY_TURN_RING(turn_requests);
INLAY_TURN_RING(turn_responses);
INLAY_TURN_ARRAY(turn_lost, __u64, 2);

/* By ifindex: enum inlay_turn_link_flags. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, __u32);
} turn_links SEC(".maps");

#endif
