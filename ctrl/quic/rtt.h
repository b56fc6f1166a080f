/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Round-trip time of a path: RFC 9002 section 5; and how long packets wait in its queues: a sample
 * without the peer's delay, less the lowest one of the last half a minute.
 */
#ifndef INLAY_QUIC_RTT_H
#define INLAY_QUIC_RTT_H

#include "inlay_types.h"

#define INLAY_RTT_INITIAL (333 * INLAY_MS) /* RFC 9002 section 6.2.2 */
#define INLAY_GRANULARITY (1 * INLAY_MS)   /* section 6.1.2 */

/* The lowest of the samples of a window that moves on by half of its length. */
struct inlay_rtt_lowest {
	inlay_ns now, before; /* in this half, and the last one; 0: no sample */
	inlay_ns since;
};

struct inlay_rtt {
	inlay_ns latest, min, smoothed, var;
	inlay_ns first_sample;	/* when; 0: none yet */
	inlay_ns max_ack_delay; /* the peer's */
	inlay_ns path;		/* latest, without the peer's delay; 0: no sample */
	struct inlay_rtt_lowest base, standing;
};

/* From the handshake's estimate; |smoothed| 0: it had none. */
void inlay_rtt_init(struct inlay_rtt *r, inlay_ns latest, inlay_ns min, inlay_ns smoothed,
		    inlay_ns var, inlay_ns max_ack_delay);
void inlay_rtt_sample(struct inlay_rtt *r, inlay_ns sample, inlay_ns ack_delay, inlay_ns now);
/* Section 5.2: after persistent congestion the minimum is the next sample's. */
void inlay_rtt_forget_min(struct inlay_rtt *r);
/* Without backoff; |max_ack_delay| included (section 6.2.1). */
inlay_ns inlay_rtt_pto(const struct inlay_rtt *r);
/* How long a packet may be behind one that was acknowledged (section 6.1.2). */
inlay_ns inlay_rtt_loss_delay(const struct inlay_rtt *r);

void inlay_rtt_lowest_add(struct inlay_rtt_lowest *w, inlay_ns sample, inlay_ns half, inlay_ns now);
static inline inlay_ns inlay_rtt_lowest_of(const struct inlay_rtt_lowest *w)
{
	return w->before && w->before < w->now ? w->before : w->now;
}

/* Without a queue; 0: not known. */
static inline inlay_ns inlay_rtt_base(const struct inlay_rtt *r)
{
	return inlay_rtt_lowest_of(&r->base);
}

/* Over the last half of a round trip, the lowest: neither the peer's habits nor our own bursts. */
static inline inlay_ns inlay_rtt_standing(const struct inlay_rtt *r)
{
	return inlay_rtt_lowest_of(&r->standing);
}

#endif
