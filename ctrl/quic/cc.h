/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Congestion control: RFC 9002 section 7, with the algorithm for congestion avoidance behind a
 * table of functions. All sizes are bytes of UDP payload.
 */
#ifndef INLAY_QUIC_CC_H
#define INLAY_QUIC_CC_H

#include "conn.h"

struct inlay_cc;

struct inlay_cc_ops {
	/* In congestion avoidance, with the window in use: |bytes| were acknowledged. */
	void (*grow)(struct inlay_cc *cc, __u64 bytes, inlay_ns rtt, inlay_ns now);
	/* The window was not full up to |now|. May be NULL. */
	void (*unused)(struct inlay_cc *cc, inlay_ns now);
	/* Loss, or a mark: sets ssthresh and cwnd. */
	void (*shrink)(struct inlay_cc *cc);
};

struct inlay_cc {
	const struct inlay_cc_ops *ops;
	__u64 mtu;
	__u64 cwnd;
	__u64 ssthresh;
	bool in_recovery;
	inlay_ns recovery_start;
	__u64 credit; /* NewReno: acknowledged bytes that have not grown the window yet */
	struct {
		__u64 w_max, w_est, cwnd_prior, k_ms;
		inlay_ns epoch;	 /* start of this congestion avoidance; 0: not begun */
		inlay_ns latest; /* time of the newest ACK in it */
	} cubic;
};

extern const struct inlay_cc_ops inlay_cc_newreno;
extern const struct inlay_cc_ops inlay_cc_cubic;

void inlay_cc_init(struct inlay_cc *cc, enum inlay_cc_algorithm algorithm, __u64 mtu);
/* One packet in flight was acknowledged. |limited|: the window, not the application, was what
 * held sending back (section 7.8). */
void inlay_cc_on_ack(struct inlay_cc *cc, __u64 bytes, inlay_ns sent, bool limited, inlay_ns rtt,
		     inlay_ns now);
/* Packets were lost, the newest of them sent at |sent| (section 7.3.2). */
void inlay_cc_on_loss(struct inlay_cc *cc, inlay_ns sent, inlay_ns now);
/* Section 7.6.2. */
void inlay_cc_on_persistent(struct inlay_cc *cc);

static inline __u64 inlay_cc_min_window(const struct inlay_cc *cc)
{
	return 2 * cc->mtu;
}

#endif
