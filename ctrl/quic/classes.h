/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The classes of one connection's traffic (design section 5, rule 2): what its policy grants to
 * each, and whether the control plane may send new bytes of one now. It obeys the same shares as a
 * forwarder does by inlay_subscriber.class_limit.
 *
 * Class 0 is charged for control frames, retransmissions and probes: nothing here holds those back.
 * Classes follow priorities: bytes of a better priority never have a higher class; so once a class
 * is held back, what stands behind it in line is too.
 */
#ifndef INLAY_QUIC_CLASSES_H
#define INLAY_QUIC_CLASSES_H

#include "conn.h"
#include "policy.h"

struct inlay_classes {
	const struct inlay_policy *policy; /* NULL: no class is held back */
	void *user;
	struct inlay_policy_limits limits; /* as the policy last set them */
	__u8 active;			   /* bit per class, as the policy saw it last */
	__u8 used;			   /* bit per class: sent new bytes since then */
	inlay_ns used_at[INLAY_CLASSES];   /* 0: never */
};

void inlay_classes_init(struct inlay_classes *k, const struct inlay_policy *policy, void *user);
/* New bytes of |class| leave. True: the policy has not seen it yet, and should be asked. */
bool inlay_classes_on_use(struct inlay_classes *k, __u8 class);
/* Asks the policy. |view|: complete but for |active|, which is filled in. */
void inlay_classes_refresh(struct inlay_classes *k, struct inlay_policy_view *view, inlay_ns now);
/*
 * How many bytes may be in flight once a packet with new bytes of |class| is sent; |soft|: if they
 * end an object that was begun.
 */
__u64 inlay_classes_share(const struct inlay_classes *k, __u8 class, __u64 cwnd, bool soft);

#endif
