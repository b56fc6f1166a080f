/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What differs between XDP and TC in reading. |hook| is a constant wherever it stands: only one of
 * two helpers is left.
 */
#ifndef INLAY_TURN_HOOK_H
#define INLAY_TURN_HOOK_H

#include "maps.h"

enum inlay_turn_hook {
	INLAY_TURN_AT_XDP,
	INLAY_TURN_AT_TC,
};

/* Room for the longest payload that is moved or summed, and what a record has before it. */
#define INLAY_TURN_ROOM	 2048
#define INLAY_TURN_PIECE 512 /* what the kernel sums at once, in older ones */

struct inlay_turn_scratch {
	__u64 words[(sizeof(struct inlay_turn_event) + INLAY_TURN_ROOM + 8) / 8];
};
_Static_assert(INLAY_TURN_MESSAGE_MAX <= INLAY_TURN_ROOM, "a message fits");

INLAY_TURN_PERCPU(turn_scratch, struct inlay_turn_scratch, 1);

INLAY_INLINE struct inlay_turn_scratch *inlay_turn_scratch_of(void)
{
	__u32 first = 0;

	return bpf_map_lookup_elem(&turn_scratch, &first);
}

INLAY_INLINE struct inlay_turn_event *inlay_turn_scratch_event(struct inlay_turn_scratch *s)
{
	return (struct inlay_turn_event *)s;
}

/* INLAY_TURN_ROOM of them, and some. */
INLAY_INLINE __u8 *inlay_turn_scratch_bytes(struct inlay_turn_scratch *s)
{
	return (__u8 *)s + sizeof(struct inlay_turn_event);
}

/* |len|: not 0. Returns 0 if all of it is there. */
INLAY_INLINE long inlay_turn_load(enum inlay_turn_hook hook, void *ctx, __u32 at, void *to,
				  __u32 len)
{
	return hook == INLAY_TURN_AT_XDP ? bpf_xdp_load_bytes(ctx, at, to, len)
					 : bpf_skb_load_bytes(ctx, at, to, len);
}

INLAY_INLINE long inlay_turn_store(enum inlay_turn_hook hook, void *ctx, __u32 at, void *from,
				   __u32 len)
{
	return hook == INLAY_TURN_AT_XDP
		       ? bpf_xdp_store_bytes(ctx, at, from, len)
		       : bpf_skb_store_bytes(ctx, at, from, len, BPF_F_RECOMPUTE_CSUM);
}

/*
 * A length that is known to be 1 to |room|, a power of two, in a form that tells the verifier so:
 * it does not learn it of comparisons that the compiler has made of it, nor older ones of one with
 * 0.
 */
INLAY_INLINE __u32 inlay_turn_sized(__u32 n, __u32 room)
{
	n -= 1;
	__asm__ volatile("" : "+r"(n));
	return (n & (room - 1)) + 1;
}

#endif
