/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Loss detection (RFC 9002 section 6) and congestion control over the shared sent log. It works for
 * every number in the log, whoever sent it; what a packet carried is the business of the caller's
 * functions.
 */
#ifndef INLAY_QUIC_RECOVERY_H
#define INLAY_QUIC_RECOVERY_H

#include "cc.h"
#include "inlay_quic_frame.h"
#include "limits.h"
#include "pacer.h"
#include "rate.h"
#include "rtt.h"
#include "sentlog.h"

struct inlay_recovery_ops {
	/* Called while the packet's log entry, |e|, and frame records are still there; acked() also
	 * for what was called lost before, if it is remembered. */
	void (*acked)(void *user, __u64 pn, const struct inlay_sent *e);
	void (*lost)(void *user, __u64 pn);
	/* Somebody else has sent |e| at |sent|: once for each such packet in flight, before
	 * anything else is said of it. In order, but for numbers that were published late. May be
	 * NULL. */
	void (*foreign)(void *user, __u64 pn, const struct inlay_sent *e, inlay_ns sent);
	/* Behind some of those. May be NULL. */
	void (*foreign_end)(void *user);
	/* What limits by class depend on, initialised. May be NULL. */
	void (*classes)(void *user, struct inlay_limits_input *in);
};

struct inlay_recovery {
	const struct inlay_recovery_ops *ops;
	void *user;
	struct inlay_sentlog *log;
	struct inlay_rtt rtt;
	struct inlay_cc cc;
	__u64 path_first; /* packets before were sent on another path (RFC 9000 section 9.4) */
	struct inlay_rate rate;
	struct inlay_pacer pacer;
	__u64 window_limit; /* on the counter of bytes sent: of the window alone */
	bool any_acked;
	__u64 largest_acked;
	inlay_ns largest_sent;	 /* when the largest number of the last ACK was sent */
	bool limited;		 /* the window held sending back, as of the last ACK */
	inlay_ns foreign_at;	 /* when the newest packet of a forwarder was sent; 0: never */
	__u64 packet_threshold;	 /* grows after spurious losses (design section 5 rule 8) */
	inlay_ns loss_time;	 /* next packet lost by time; INLAY_NEVER */
	bool watched;		 /* a forwarder may send at any time, and says nothing */
	__u64 unpublished;	 /* numbers taken by others, as of then */
	inlay_ns looked_at;	 /* when the log was looked through last */
	__u64 scanned;		 /* log entries below are accounted in |last_eliciting| */
	inlay_ns last_eliciting; /* when the newest packet in flight was sent */
	bool no_pto; /* section 6.2.1: not before the handshake is confirmed; it has its own */
	__u32 pto_count;
	__u32 probes;	       /* packets to send regardless of the window */
	__u64 round_end;       /* a round trip is over once this number is acknowledged */
	__u64 round_in_flight; /* most bytes in flight in this round and the one before */
	__u64 next_in_flight;
	__u64 lost_pkts, lost_bytes, spurious_pkts, ptos;
	__u64 dropped_pkts; /* of those lost: by our own host */
};

void inlay_recovery_init(struct inlay_recovery *r, struct inlay_sentlog *log,
			 const struct inlay_recovery_ops *ops, void *user,
			 enum inlay_cc_algorithm cc, __u64 mtu, inlay_ns now);
/* NO_ERROR; PROTOCOL_VIOLATION: a number that was never sent is acknowledged. */
enum inlay_quic_error inlay_recovery_on_ack(struct inlay_recovery *r,
					    const struct inlay_quic_ack *ack, inlay_ns ack_delay,
					    inlay_ns now);
/* A packet was published in the log, or somebody wants to know whether any was. */
void inlay_recovery_on_sent(struct inlay_recovery *r, inlay_ns now);
inlay_ns inlay_recovery_deadline(const struct inlay_recovery *r);
/* The same without the pacer: losses by time, and probes. */
inlay_ns inlay_recovery_loss_deadline(const struct inlay_recovery *r);
/* Declares losses, arms |probes|, lets the pacer go on. */
void inlay_recovery_on_timer(struct inlay_recovery *r, inlay_ns now);
/*
 * The log is full: what has been in flight for longer than a PTO at its old end is taken for lost.
 * Otherwise a peer that is not heard, while we acknowledge what it sends, would use up every number
 * that probes need.
 */
void inlay_recovery_relieve(struct inlay_recovery *r, inlay_ns now);
/* The connection moved to another path (RFC 9000 section 9.4). */
void inlay_recovery_reset_path(struct inlay_recovery *r, enum inlay_cc_algorithm cc);
/* The largest datagram is another one now. */
void inlay_recovery_set_mtu(struct inlay_recovery *r, __u64 mtu);
/* |newly| packets met congestion (RFC 9002 section 7.1), says an ACK whose largest number was sent
 * at |sent|. */
void inlay_recovery_on_ce(struct inlay_recovery *r, __u64 newly, inlay_ns now);
/* Bytes wait that a class's share of the window holds back: to the controller it is full. Otherwise
 * a window of which classes leave a part would never grow. */
void inlay_recovery_on_held(struct inlay_recovery *r);
/* Writes entry->class_limit, by window and pacer. */
void inlay_recovery_set_limits(struct inlay_recovery *r, inlay_ns now);
/*
 * Charges |size| bytes to the shared counter for a packet of ours, all or nothing. Where the pacer
 * alone forbids it, the deadline says when to come again. |probe|: never refused (section 7.5).
 */
bool inlay_recovery_reserve(struct inlay_recovery *r, __u64 size, bool probe, inlay_ns now);

/* Round trip without a queue; 0: not known. */
static inline inlay_ns inlay_recovery_base(const struct inlay_recovery *r)
{
	return inlay_cc_base(&r->cc, inlay_rtt_base(&r->rtt));
}

/* Nothing has filled the path lately: it may carry more than was seen. */
static inline bool inlay_recovery_is_app_limited(const struct inlay_recovery *r, inlay_ns now)
{
	return !r->limited && !inlay_rate_is_measured(&r->rate, now);
}

/* How long a packet waits in the path's queues; 0: not at all, or not known. */
static inline inlay_ns inlay_recovery_queueing(const struct inlay_recovery *r)
{
	inlay_ns standing = inlay_rtt_standing(&r->rtt), base = inlay_recovery_base(r);

	return standing > base ? standing - base : 0;
}

#endif
