/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel tells a program the way of a packet (bpf_fib_lookup) only where the interface that it
 * names forwards. Ours names lo, as a server's own packets come from there, so forwarding is turned
 * on at lo alone, for as long as we are open: nothing from outside comes in by lo, so that the host
 * forwards no more than before.
 *
 * In the network namespace of the calling thread.
 */
#ifndef INLAY_OFFLOAD_TURN_FORWARDING_H
#define INLAY_OFFLOAD_TURN_FORWARDING_H

#include "inlay_types.h"

struct inlay_turn_forwarding {
	bool changed[2]; /* of IPv4, of IPv6: it was off */
	bool works[2];	 /* it is on */
};

void inlay_turn_forwarding_init(struct inlay_turn_forwarding *f);
/* As it was before. */
void inlay_turn_forwarding_fini(struct inlay_turn_forwarding *f);

#endif
