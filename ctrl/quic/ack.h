/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packet numbers received, and when to acknowledge them (RFC 9000 section 13.2). Two sets: |seen|
 * tells duplicates, |report| goes into ACK frames and shrinks as the peer acknowledges our ACKs.
 * Peers start numbers anywhere. What is too old for |seen| counts as a duplicate.
 */
#ifndef INLAY_QUIC_ACK_H
#define INLAY_QUIC_ACK_H

#include "intervals.h"

struct inlay_acks {
	struct inlay_intervals seen;
	struct inlay_intervals report;
	__u64 floor; /* lower numbers are taken for duplicates */
	bool any;    /* |largest| is set */
	__u64 largest;
	inlay_ns largest_time;
	__u32 unacked;		/* ack-eliciting packets since the last ACK was sent */
	inlay_ns deadline;	/* send an ACK then; INLAY_NEVER: none is due */
	inlay_ns max_ack_delay; /* what we promised the peer */
};

void inlay_acks_init(struct inlay_acks *a, inlay_ns max_ack_delay);
void inlay_acks_fini(struct inlay_acks *a);

bool inlay_acks_is_duplicate(const struct inlay_acks *a, __u64 pn);
/* A packet was processed whole. |ce|: it was marked. 0; -ENOMEM: do as if it had not arrived. */
int inlay_acks_on_packet(struct inlay_acks *a, __u64 pn, bool eliciting, bool ce, inlay_ns now);

/* An ACK should go out even alone. */
static inline bool inlay_acks_is_due(const struct inlay_acks *a, inlay_ns now)
{
	return a->deadline != INLAY_NEVER && a->deadline <= now;
}

/* Something would be new to the peer in an ACK that travels with other frames. */
static inline bool inlay_acks_is_useful(const struct inlay_acks *a)
{
	return a->unacked > 0;
}

/* An ACK of everything in |report| was sent. */
void inlay_acks_on_sent(struct inlay_acks *a);
/* The peer has an ACK of ours whose largest number was |largest| (section 13.2.4). */
void inlay_acks_on_acked(struct inlay_acks *a, __u64 largest);

#endif
