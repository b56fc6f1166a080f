/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packet numbers received, and when to acknowledge them (RFC 9000 section 13.2, and as the peer
 * asks by ACK_FREQUENCY: draft-ietf-quic-ack-frequency, called [AF] here). Two sets: |seen|
 * tells duplicates, |report| goes into ACK frames and shrinks as the peer acknowledges our ACKs.
 * Peers start numbers anywhere. What is too old for |seen| counts as a duplicate.
 */
#ifndef INLAY_QUIC_ACK_H
#define INLAY_QUIC_ACK_H

#include "inlay_abi.h"
#include "intervals.h"

#define INLAY_ACK_PAUSE (100 * INLAY_MS)

struct inlay_acks {
	struct inlay_intervals seen;
	struct inlay_intervals report;
	__u64 floor; /* lower numbers are taken for duplicates */
	bool any;    /* |largest| is set */
	__u64 largest;
	inlay_ns largest_time;
	bool fresh;		/* a packet of any kind came since the last ACK was sent */
	inlay_ns sent;		/* when that was */
	__u32 unacked;		/* ack-eliciting packets since the last ACK was sent */
	inlay_ns deadline;	/* send an ACK then; INLAY_NEVER: none is due */
	inlay_ns max_ack_delay; /* what we promised the peer, or it has asked for since */
	inlay_ns promised;	/* the former of the two */
	inlay_ns min_ack_delay; /* what we announced as the least that may be asked */
	__u64 frequency_next;	/* sequence number that the next ACK_FREQUENCY has at least */
	__u64 threshold;	/* ack-eliciting packets that may go without an ACK */
	__u64 reordering;	/* 0: disorder is no reason for an ACK */
	bool any_eliciting;	/* |largest_eliciting| is set: "Largest Unacked" of [AF] */
	__u64 largest_eliciting;
	bool any_reported; /* |reported| is set: "Largest Acked" of [AF] */
	__u64 reported;
	__u32 ranges_reported;		  /* how many |report| had in the last ACK */
	bool last_ce;			  /* the packet before was marked */
	inlay_ns pause;			  /* without an ACK for so long, the next one comes early */
	struct inlay_quic_ecn_counts ecn; /* of packets received, each once */
};

void inlay_acks_init(struct inlay_acks *a, inlay_ns max_ack_delay, inlay_ns min_ack_delay);
void inlay_acks_fini(struct inlay_acks *a);

bool inlay_acks_is_duplicate(const struct inlay_acks *a, __u64 pn);
/* A packet was processed whole. |ce|: it was marked. 0; -ENOMEM: do as if it had not arrived. */
int inlay_acks_on_packet(struct inlay_acks *a, __u64 pn, bool eliciting, bool ce, inlay_ns now);

/* NO_ERROR; PROTOCOL_VIOLATION: a delay that nobody may ask for. */
enum inlay_quic_error inlay_acks_on_frequency(struct inlay_acks *a,
					      const struct inlay_quic_ack_frequency *f,
					      inlay_ns now);
/* IMMEDIATE_ACK came, in a packet that was processed whole. */
static inline void inlay_acks_hurry(struct inlay_acks *a, inlay_ns now)
{
	a->deadline = now;
}

/* A packet that asks for an ACK could not be taken: it gets none, but the peer is told once more
 * what was taken. The last ACK may be lost, and while nothing more can be taken no other would
 * follow. */
void inlay_acks_on_refused(struct inlay_acks *a, inlay_ns now);

/* ... and how its IP header was marked (section 13.4.1). */
static inline void inlay_acks_count_ecn(struct inlay_acks *a, __u8 ecn)
{
	a->ecn.ect0 += ecn == INLAY_ECN_ECT0;
	a->ecn.ect1 += ecn == INLAY_ECN_ECT1;
	a->ecn.ce += ecn == INLAY_ECN_CE;
}

/* The counts to report; NULL: nothing that arrived was marked. */
static inline const struct inlay_quic_ecn_counts *inlay_acks_ecn(const struct inlay_acks *a)
{
	return a->ecn.ect0 || a->ecn.ect1 || a->ecn.ce ? &a->ecn : NULL;
}

/* An ACK should go out even alone. */
static inline bool inlay_acks_is_due(const struct inlay_acks *a, inlay_ns now)
{
	return a->deadline != INLAY_NEVER && a->deadline <= now;
}

/* An ACK should travel with other frames: packets wait for it; or, though none does, the peer has
 * heard nothing for a while, and learns from it what it lost (section 13.2.1). */
static inline bool inlay_acks_is_useful(const struct inlay_acks *a, inlay_ns now)
{
	return a->unacked > 0 || (a->fresh && now >= a->sent + INLAY_ACK_PAUSE);
}

/* An ACK of everything in |report| was sent. */
void inlay_acks_on_sent(struct inlay_acks *a, inlay_ns now);
/* The peer has an ACK of ours whose largest number was |largest| (section 13.2.4). */
void inlay_acks_on_acked(struct inlay_acks *a, __u64 largest);

#endif
