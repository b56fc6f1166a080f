/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How much may be sent, by class (design section 5 rule 2). The classes are nested thresholds on
 * the one counter of bytes sent: class k stops where bytes resolved plus its share of the window
 * are reached; nobody passes the window, nor the pacer. A forwarder reads its thresholds from the
 * shared entry, less what waits in the control plane and goes before it. The control plane holds
 * its own packets to the same shares (classes.h), but what waits in it does not stand in its own
 * way.
 */
#ifndef INLAY_QUIC_LIMITS_H
#define INLAY_QUIC_LIMITS_H

#include "policy.h"

/* What a connection says about itself when limits are written. */
struct inlay_limits_input {
	struct inlay_policy_limits shares;
	__u64 pending[INLAY_CLASSES]; /* bytes that wait in the control plane, by class */
	bool barred;		      /* a forwarder sends nothing at all */
};

/* Every share WHOLE, nothing pending. */
void inlay_limits_input_init(struct inlay_limits_input *in);
/*
 * Writes entry->class_limit. |resolved|: bytes of the counter that are no longer in flight;
 * |paced|: the pacer's bound; |floor|: a share that is not 0 is worth that many bytes at least, so
 * that no class waits for ever in a small window. Shares that rise, or exceed WHOLE, are cut.
 */
void inlay_limits_write(struct inlay_subscriber *entry, const struct inlay_limits_input *in,
			__u64 resolved, __u64 cwnd, __u64 floor, __u64 paced);
/* |thousandths| of |cwnd|: |floor| at least, unless they are 0, and |cwnd| at most. */
__u64 inlay_limits_part(__u64 cwnd, __u64 thousandths, __u64 floor);

#endif
