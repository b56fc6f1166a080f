/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an application decides about one downstream connection (design section 5): how much of the
 * congestion window each class of traffic may use, whether that bound is soft, and what becomes of
 * streams that run late or that a forwarder had to detach. Everything else about sending is settled
 * by the specifications, and not up for policy.
 *
 * Classes are nested thresholds on one byte counter. Class 0 is cut last: control streams,
 * retransmissions and the most important media go by it; class INLAY_CLASSES - 1 is cut first.
 */
#ifndef INLAY_QUIC_POLICY_H
#define INLAY_QUIC_POLICY_H

#include "inlay_abi.h"

/* What is known about the connection when a decision is due. */
struct inlay_policy_view {
	__u64 bandwidth; /* estimate of what the path to this peer carries, in bytes/s; 0: none yet
			  */
	__u64 cwnd, bytes_in_flight;
	inlay_ns smoothed_rtt, min_rtt;
	bool app_limited;	      /* it has not been asked for more than it carries lately */
	__u64 pending[INLAY_CLASSES]; /* bytes that wait in the control plane, by class */
	__u8 active;		      /* bit per class: it has had something to send lately */
};

#define INLAY_POLICY_WHOLE 1000

/* In thousandths of the congestion window. */
struct inlay_policy_limits {
	/* Most that may be in flight when a packet of the class is sent: falling, at most WHOLE,
	 * share[0] is WHOLE. */
	__u16 share[INLAY_CLASSES];
	/* Soft overshoot: by so much a class may exceed its share, though never the window, to end
	 * an object that it has begun. */
	__u16 overshoot[INLAY_CLASSES];
};

enum inlay_policy_verdict {
	INLAY_POLICY_CARRY_ON, /* send the rest, late as it is */
	INLAY_POLICY_RESET,    /* reset the stream, by a rule that a counter names */
};

/* A stream that is late, or was detached from a forwarder. */
struct inlay_policy_stream {
	__u8 class;
	bool detached;	  /* by a forwarder, for want of credit or room */
	__u64 sent, size; /* bytes; what is held of it so far */
	bool complete;	  /* |size| is its final size */
	inlay_ns age;	  /* of its first byte here */
	inlay_ns behind;  /* how long its next byte has waited */
	bool newer_group; /* a newer group of the track has begun */
};

/* |user| is the connection's, from struct inlay_conn_config. A NULL function: the default. */
struct inlay_policy {
	const char *name;
	/* Default: every share WHOLE, no overshoot. */
	void (*limits)(void *user, const struct inlay_policy_view *view,
		       struct inlay_policy_limits *ret_limits);
	/* Default: CARRY_ON. Asked once a stream's next byte has waited for |patience|, and again
	 * each time that as much has passed. */
	inlay_ns patience;
	enum inlay_policy_verdict (*late)(void *user, const struct inlay_policy_view *view,
					  const struct inlay_policy_stream *stream);
};

#endif
