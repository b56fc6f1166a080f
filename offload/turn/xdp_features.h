/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the drivers of a network namespace say that they can do with XDP (generic netlink "netdev",
 * kernel 6.3 and newer). It changes while they run: a veth takes redirected frames while its peer
 * has GRO or an XDP program.
 */
#ifndef INLAY_OFFLOAD_TURN_XDP_FEATURES_H
#define INLAY_OFFLOAD_TURN_XDP_FEATURES_H

#include "genl.h"

/* |each| once for each interface of |genl|'s namespace. Waits for the kernel. As inlay_genl_ask();
 * -ENOENT: this kernel does not tell. */
int inlay_turn_xdp_features(struct inlay_genl *genl,
			    void (*each)(void *user, __u32 ifindex, __u64 features), void *user);

#endif
