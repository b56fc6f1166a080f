/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What the tables say of a packet: which flow, whether it may go fast now, and at which rate.
 */
#ifndef INLAY_TURN_FLOW_H
#define INLAY_TURN_FLOW_H

#include "maps.h"
#include "packet.h"

/* A flow and all that belongs to it, while one packet goes through. */
struct inlay_turn_leg {
	struct inlay_turn_flow *flow; /* NULL: there is none */
	struct inlay_turn_allocation *allocation;
	struct inlay_turn_stats *stats;
};

/* A tick behind at most, which ends a lifetime late by as much; the exact one costs 20 to 35 ns of
 * a packet's 150. */
INLAY_INLINE __u64 inlay_turn_now(void)
{
	return bpf_ktime_get_coarse_ns();
}

INLAY_INLINE void inlay_turn_count(__u32 reason)
{
	__u64 *count = bpf_map_lookup_elem(&turn_reasons, &reason);

	if (count)
		(*count)++;
}

INLAY_INLINE struct inlay_turn_control *inlay_turn_settings(void)
{
	__u32 first = 0;

	return bpf_map_lookup_elem(&turn_control, &first);
}

INLAY_INLINE bool inlay_turn_is_server_port(const struct inlay_turn_control *c, __be16 port)
{
	__u32 i;

	for (i = 0; i < INLAY_TURN_PORTS && i < c->n_ports; i++)
		if (c->ports[i] == port)
			return true;
	return false;
}

/* Userspace writes these while we read. */
#define INLAY_TURN_READ(field) (*(const volatile typeof(field) *)&(field))

INLAY_INLINE bool inlay_turn_same_addr(const struct inlay_addr *a, const struct inlay_addr *b)
{
	const __u8 *x = (const __u8 *)a, *y = (const __u8 *)b;

	return !((inlay_view_64(x) ^ inlay_view_64(y)) |
		 (inlay_view_64(x + 8) ^ inlay_view_64(y + 8)) |
		 (inlay_view_64(x + 16) ^ inlay_view_64(y + 16)));
}

/* The flow that an entry names, or NULL: it has ended. */
INLAY_INLINE struct inlay_turn_flow *inlay_turn_flow_of(const struct inlay_turn_ref *ref,
							__u32 *ret_index)
{
	struct inlay_turn_flow *flow;
	__u32 index, generation;

	if (!ref)
		return NULL;
	index = INLAY_TURN_READ(ref->flow);
	generation = INLAY_TURN_READ(ref->generation);
	flow = bpf_map_lookup_elem(&turn_flows, &index);
	if (!flow || !generation || INLAY_TURN_READ(flow->generation) != generation)
		return NULL;
	*ret_index = index;
	return flow;
}

/* By ChannelData. A table's element may be another's by the time that it is read, for the kernel
 * uses it again at once: so the flow itself is asked whether this is its packet. */
INLAY_INLINE struct inlay_turn_flow *inlay_turn_flow_by_channel(struct inlay_turn_packet *p,
								__u32 *ret_index)
{
	struct inlay_turn_flow *flow;

	inlay_view_put32((__u8 *)&p->key.channel, inlay_turn_pair(bpf_htons(p->head), 0));
	flow = inlay_turn_flow_of(bpf_map_lookup_elem(&turn_clients, &p->key), ret_index);
	if (!flow || !inlay_turn_same_addr(&flow->client, &p->key.client) ||
	    !inlay_turn_same_addr(&flow->server, &p->key.server) || flow->channel != p->key.channel)
		return NULL;
	return flow;
}

/* By what comes from |peer| to |relayed|. */
INLAY_INLINE struct inlay_turn_flow *inlay_turn_flow_by_peer(const struct inlay_addr *relayed,
							     const struct inlay_addr *peer,
							     __u32 *ret_index)
{
	struct inlay_turn_peer_key key = {.relayed = *relayed, .peer = *peer};
	struct inlay_turn_flow *flow;

	flow = inlay_turn_flow_of(bpf_map_lookup_elem(&turn_peers, &key), ret_index);
	if (!flow || !inlay_turn_same_addr(&flow->relayed, relayed) ||
	    !inlay_turn_same_addr(&flow->peer, peer))
		return NULL;
	return flow;
}

/* What belongs to the flow, if it may go fast: GO, or why not. */
INLAY_INLINE __u32 inlay_turn_leg_of(struct inlay_turn_flow *flow, __u32 index, __u64 now,
				     struct inlay_turn_leg *ret)
{
	__u32 allocation = flow->allocation;

	ret->flow = flow;
	ret->allocation = bpf_map_lookup_elem(&turn_allocations, &allocation);
	ret->stats = bpf_map_lookup_elem(&turn_stats, &index);
	if (!ret->allocation || !ret->stats)
		return INLAY_REASON_TURN_EXPIRED;
	if (INLAY_TURN_READ(flow->state) != INLAY_TURN_FAST)
		return INLAY_TURN_READ(flow->state) == INLAY_TURN_WATCHED
			       ? INLAY_REASON_TURN_WATCHED
			       : INLAY_REASON_TURN_EXPIRED;
	if (now >= INLAY_TURN_READ(flow->channel_until) ||
	    now >= INLAY_TURN_READ(flow->permission_until) ||
	    now >= INLAY_TURN_READ(ret->allocation->until))
		return INLAY_REASON_TURN_EXPIRED;
	return INLAY_TURN_GO;
}

/* --- Rates ----------------------------------------------------------------------------------- */

/* Tries to move a clock on while other CPUs do; what fails so often is moved unasked. */
#define INLAY_TURN_TRIES 4

INLAY_INLINE bool inlay_turn_is_over(const __u64 *clock, __u64 cost, __u64 now, __u64 burst)
{
	return cost && INLAY_TURN_READ(*clock) > now + burst;
}

/* A clock that stands in the past starts now: what was not used is not saved up. */
INLAY_INLINE void inlay_turn_spend(__u64 *clock, __u64 cost, __u64 now)
{
	__u64 old, from;
	__u32 i;

	if (!cost)
		return;
	for (i = 0; i < INLAY_TURN_TRIES; i++) {
		old = INLAY_TURN_READ(*clock);
		from = old > now ? old : now;
		if (__sync_val_compare_and_swap(clock, old, from + cost) == old)
			return;
	}
	__sync_fetch_and_add(clock, cost);
}

/* May |bytes| of UDP payload more pass? Then they have. */
INLAY_INLINE bool inlay_turn_conforms(struct inlay_turn_allocation *a, __u32 bytes)
{
	__u64 packet_cost = a->packet_cost, byte_cost = a->byte_cost, now;

	if (!(packet_cost | byte_cost))
		return true;
	now = bpf_ktime_get_ns();
	byte_cost = byte_cost * bytes / 1024;
	if (inlay_turn_is_over(&a->packet_time, packet_cost, now, a->burst) ||
	    inlay_turn_is_over(&a->byte_time, byte_cost, now, a->burst)) {
		__sync_fetch_and_add(&a->over_limit, 1);
		return false;
	}
	inlay_turn_spend(&a->packet_time, packet_cost, now);
	inlay_turn_spend(&a->byte_time, byte_cost, now);
	return true;
}

#endif
