/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The way to one of a flow's ends: found before anything is rewritten, and kept for each CPU, for
 * asking costs as much as all the rest.
 */
#ifndef INLAY_TURN_HOP_H
#define INLAY_TURN_HOP_H

#include "flow.h"

#define INLAY_TURN_LOOPBACK 1 /* its number in every network namespace */

INLAY_INLINE void inlay_turn_hop_query(struct bpf_fib_lookup *f, const struct inlay_addr *src,
				       const struct inlay_addr *dst, __u32 ifindex)
{
	__builtin_memset(f, 0, sizeof(*f));
	f->family = (__u8)dst->family;
	f->l4_protocol = INLAY_NET_PROTO_UDP;
	f->sport = src->port;
	f->dport = dst->port;
	/* Not 0: then the answer has the route's MTU. Not a packet's: it is for all of them. */
	f->tot_len = INLAY_NET_IPV6_LEN;
	f->ifindex = ifindex;
	if (dst->family == INLAY_NET_AF_INET) {
		f->ipv4_src = inlay_view_32(src->ip);
		f->ipv4_dst = inlay_view_32(dst->ip);
	} else {
		__builtin_memcpy(f->ipv6_src, src->ip, sizeof(f->ipv6_src));
		__builtin_memcpy(f->ipv6_dst, dst->ip, sizeof(f->ipv6_dst));
	}
}

/*
 * The route that the server's own packet would take: as if it came from the loopback interface, as
 * rules say of what is sent here. The kernel answers only where forwarding is on: at that
 * interface, which nothing from outside comes in by, userspace may turn it on for this. Otherwise a
 * host that forwards is asked by way of where the packet came in.
 */
INLAY_INLINE long inlay_turn_hop_ask(void *ctx, struct bpf_fib_lookup *f,
				     const struct inlay_addr *src, const struct inlay_addr *dst,
				     __u32 ingress)
{
	long result;

	inlay_turn_hop_query(f, src, dst, INLAY_TURN_LOOPBACK);
	result = bpf_fib_lookup(ctx, f, sizeof(*f), 0);
	if (result != BPF_FIB_LKUP_RET_FWD_DISABLED)
		return result;
	inlay_turn_hop_query(f, src, dst, ingress);
	return bpf_fib_lookup(ctx, f, sizeof(*f), 0);
}

/* False: there is none, or its neighbour is not known. */
static __attribute__((noinline)) bool inlay_turn_hop_find(void *ctx, struct inlay_turn_hop *hop,
							  const struct inlay_addr *src,
							  const struct inlay_addr *dst,
							  __u32 ingress)
{
	struct bpf_fib_lookup f;
	__u32 ifindex, *link;
	long result;

	hop->until = 0;
	hop->flags = 0;
	hop->ifindex = 0;
	result = inlay_turn_hop_ask(ctx, &f, src, dst, ingress);
	if (result == BPF_FIB_LKUP_RET_NOT_FWDED) {
		hop->flags = INLAY_TURN_HOP_LOCAL;
	} else if (result == BPF_FIB_LKUP_RET_SUCCESS) {
		ifindex = f.ifindex;
		link = bpf_map_lookup_elem(&turn_links, &ifindex);
		hop->flags = link ? (__u16)(*link & INLAY_TURN_HOP_LINK) : 0;
		hop->ifindex = ifindex;
		hop->mtu = f.mtu_result;
		__builtin_memcpy(hop->dst, f.dmac, sizeof(hop->dst));
		__builtin_memcpy(hop->src, f.smac, sizeof(hop->src));
	} else {
		return false;
	}
	hop->until = inlay_turn_now() + INLAY_TURN_HOP_TIME;
	return true;
}

INLAY_INLINE bool inlay_turn_hop_ready(void *ctx, struct inlay_turn_hop *hop,
				       const struct inlay_addr *src, const struct inlay_addr *dst,
				       __u32 ingress, const struct inlay_turn_control *c, __u64 now)
{
	__u32 generation = INLAY_TURN_READ(c->hop_generation);

	if (now < hop->until && hop->generation == generation)
		return true;
	/* What changes while we ask has another generation. */
	hop->generation = generation;
	return inlay_turn_hop_find(ctx, hop, src, dst, ingress);
}

#endif
