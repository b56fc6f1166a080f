/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the drivers of a network namespace say that they can do with XDP (generic netlink "netdev",
 * kernel 6.3 and newer). It changes while they run: a veth takes redirected frames while its peer
 * has GRO or an XDP program.
 */
#ifndef INLAY_OFFLOAD_TURN_XDP_FEATURES_H
#define INLAY_OFFLOAD_TURN_XDP_FEATURES_H

#include "inlay_types.h"
#include "netdev_family.h"

struct nl_sock;

/* One socket to ask by; for what the kernel does not tell, |family| is 0. */
struct inlay_turn_asker {
	struct nl_sock *sock;
	int family;
};

/* -ENOMEM; -EPROTONOSUPPORT: this kernel does not tell. */
int inlay_turn_asker_init(struct inlay_turn_asker *asker);
void inlay_turn_asker_fini(struct inlay_turn_asker *asker);
/* |each| once for each interface. Waits for the kernel. -EIO. */
int inlay_turn_asker_ask(struct inlay_turn_asker *asker,
			 void (*each)(void *user, __u32 ifindex, __u64 features), void *user);

#endif
