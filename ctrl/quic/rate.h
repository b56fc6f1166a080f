/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the path carries. Works from acknowledgements and the sent log alone: nothing is noted when
 * a packet is sent, so packets of a forwarder count like ours.
 *
 * While packets wait in front of the bottleneck, they come out of it at its rate, whatever the
 * application does before and after. So the time between two acknowledgements counts if the
 * packets of both have waited, and the one's successors were on their way before the queue that it
 * met was gone. Frames of live media leave in bursts, and are such trains. Bytes and time of these
 * intervals are summed up with forgetting: |measured|. What was delivered in any round trip is
 * kept beside it, as a lower bound: |floor|, for applications that never ask for enough.
 */
#ifndef INLAY_QUIC_RATE_H
#define INLAY_QUIC_RATE_H

#include "inlay_types.h"

/* An ACK that newly acknowledges its largest number. */
struct inlay_rate_sample {
	inlay_ns now;
	inlay_ns sent;	 /* the largest number */
	inlay_ns oldest; /* when the oldest newly acknowledged packet was sent */
	inlay_ns gap;	 /* longest pause between the sending of two neighbours among them */
	inlay_ns delay;	 /* how long the peer held the ACK back */
	inlay_ns base;	 /* round trip without a queue */
};

struct inlay_rate {
	__u64 delivered; /* bytes acknowledged, ever */
	struct {
		inlay_ns at; /* when the peer got it, plus a constant; 0: none yet */
		inlay_ns sent;
		inlay_ns queue; /* time in the queue */
		__u64 delivered;
	} prev;
	__u64 busy_bytes;
	inlay_ns busy_time;
	inlay_ns busy_at; /* the last time a queue was seen; 0: never */
	inlay_ns round_at;
	__u64 round_delivered;
	__u64 floor, floor_before; /* bytes/s: in this window, and the one before */
	inlay_ns floor_at;
};

void inlay_rate_init(struct inlay_rate *r);
static inline void inlay_rate_on_acked(struct inlay_rate *r, __u64 bytes)
{
	r->delivered += bytes;
}

void inlay_rate_on_sample(struct inlay_rate *r, const struct inlay_rate_sample *s);
/* A round trip is over. */
void inlay_rate_on_round(struct inlay_rate *r, inlay_ns now);
/* Bytes/s; 0: not known. */
__u64 inlay_rate_estimate(const struct inlay_rate *r);
/* A queue was seen lately: the estimate is the path's. Otherwise it may carry more. */
bool inlay_rate_is_measured(const struct inlay_rate *r, inlay_ns now);

#endif
