/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pacing (RFC 9002 section 7.7; design section 5 rule 2): a bucket of bytes that fills at the
 * pacing rate, expressed as a bound on the shared counter of bytes sent, so that it holds for a
 * forwarder too. What a sender did not use in a while it may send at once, up to a burst.
 *
 * Invariant: the deadline is later than the last refill by INLAY_PACER_STEP at least, and a refill
 * at the deadline makes room for a packet: nobody spins.
 */
#ifndef INLAY_QUIC_PACER_H
#define INLAY_QUIC_PACER_H

#include "inlay_types.h"

#define INLAY_PACER_STEP  (1 * INLAY_MS)
#define INLAY_PACER_BURST (5 * INLAY_MS) /* at the pacing rate, */
/* Where a forwarder sends too: it cannot wait, and what it is refused takes the long way. */
#define INLAY_PACER_BURST_LONG (20 * INLAY_MS)
#define INLAY_PACER_BURST_PKTS 10 /* or these, if more: an initial window */

struct inlay_pacer {
	__u64 rate;    /* bytes/s */
	__u64 burst;   /* bytes */
	__u64 quantum; /* bytes that are worth waking up for */
	__u64 limit;   /* on the counter of bytes sent */
	inlay_ns last; /* refill */
	bool patient;  /* the bucket holds a short burst; otherwise a long one */
	bool blocked;  /* somebody wanted to send, and |limit| alone forbade it */
};

/* |sent|: the counter now. A whole burst may go out. */
void inlay_pacer_init(struct inlay_pacer *p, __u64 sent, __u64 mtu);
/* Fills the bucket for the time since the last refill, at the rate of that time; then |rate| holds.
 */
void inlay_pacer_refill(struct inlay_pacer *p, __u64 sent, __u64 rate, __u64 mtu, inlay_ns now);
/* When to refill for who is blocked; INLAY_NEVER: nobody is. */
inlay_ns inlay_pacer_deadline(const struct inlay_pacer *p, __u64 sent);
/* When to refill for senders that cannot say that they are blocked: before half of what is there
 * can be used up at the pacing rate. */
inlay_ns inlay_pacer_refill_at(const struct inlay_pacer *p, __u64 sent);

#endif
