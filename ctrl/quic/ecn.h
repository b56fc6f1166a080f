/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Explicit congestion notification, the sender's half (RFC 9000 section 13.4, appendix A.4): which
 * packets leave as ECT(0), whether the path and the peer can be trusted with that, and how many
 * new CE marks an ACK reports. The receiver's half is to count, and stands in ack.h.
 *
 * What was sent marked stands in the sent log (INLAY_SENT_ECN), whoever wrote the entry. The peer's
 * counts are of the connection, not of a path: what it had reported when a path began, and what
 * was still under way then, is noted, and only the rise is judged. Every bound errs to the peer's
 * side where the log has forgotten.
 */
#ifndef INLAY_QUIC_ECN_H
#define INLAY_QUIC_ECN_H

#include "inlay_quic_frame.h"
#include "sentlog.h"

#define INLAY_ECN_TEST_PKTS 10
#define INLAY_ECN_TEST_PTOS 3

enum inlay_ecn_state {
	INLAY_ECN_TESTING, /* some packets are marked */
	INLAY_ECN_UNKNOWN, /* none are, until something is heard of those */
	INLAY_ECN_CAPABLE, /* all are */
	INLAY_ECN_FAILED,  /* none are, for as long as this path lasts */
};

struct inlay_ecn_path {
	enum inlay_ecn_state state;
	bool enabled;
	__u64 first_pn;	  /* lower numbers were sent on another path */
	inlay_ns started; /* when the first marked packet was sent; 0: none was */
	__u32 tested;	  /* marked packets sent in order to see what becomes of them */
	__u32 lost;	  /* of these */
	__u64 acked;	  /* marked packets of this path that the peer has */
	__u64 acked_now;  /* of these, by the ACK being processed */
	__u64 base;	  /* ECT(0) and CE that the peer had reported when this path began */
	__u64 base_ect1;
	__u64 base_acked; /* marked packets of older paths that it had acknowledged by then */

	/* Of the connection. */
	__u64 acked_ever;
	__u64 sent_most;		     /* marked packets sent, by whom ever */
	struct inlay_quic_ecn_counts counts; /* as reported with the largest number acknowledged */
};

/* "testing", as in qlog. */
const char *inlay_ecn_state_name(enum inlay_ecn_state state);
/* |enabled| false: nothing is ever marked. */
void inlay_ecn_init(struct inlay_ecn_path *e, bool enabled, __u64 next_pn);
/* Another path; or this one, which no packet has passed for so long that it may have changed. */
void inlay_ecn_restart(struct inlay_ecn_path *e, __u64 next_pn);

/* How the ack-eliciting packet to be sent now is to be marked. |tests|: it may serve to find out
 * whether marked packets arrive: if it is lost, its size is not to blame. */
enum inlay_ecn inlay_ecn_mark(struct inlay_ecn_path *e, bool tests, inlay_ns pto, inlay_ns now);
/* It was sent with that mark. */
void inlay_ecn_on_sent(struct inlay_ecn_path *e, inlay_ns now);

/* A forwarder sent one that is marked. */
static inline void inlay_ecn_on_foreign(struct inlay_ecn_path *e)
{
	e->sent_most++;
}

/* Before the ACK's numbers are acted on. */
void inlay_ecn_begin_ack(struct inlay_ecn_path *e);
/* Marked packets: acknowledged by it, lost. */
static inline void inlay_ecn_on_acked(struct inlay_ecn_path *e, __u64 pn)
{
	e->acked_ever++;
	if (pn < e->first_pn)
		return;
	e->acked++;
	e->acked_now++;
}
void inlay_ecn_on_lost(struct inlay_ecn_path *e, __u64 pn);
/* Behind them. |raised|: it acknowledges a larger number than any before; others are not judged.
 * |unpublished|: numbers that were taken and of which nothing is known. Returns how many packets
 * have met congestion since the last one. */
__u64 inlay_ecn_end_ack(struct inlay_ecn_path *e, const struct inlay_quic_ack *ack, bool raised,
			__u64 unpublished);

#endif
