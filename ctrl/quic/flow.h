/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Flow control of what a peer sends to us, for one stream or for the connection (RFC 9000 section
 * 4). The window moves on as the application consumes. (What we send is charged to the shared
 * words flow_bytes and flow_limit: conn_send.c.)
 *
 * Windows grow. A peer that is held back uses a window up in one or two round trips, because a new
 * limit is sent when half of it is used and takes a round trip to become new data. One used up
 * within three, which leaves some for delays, therefore doubles, up to a bound.
 */
#ifndef INLAY_QUIC_FLOW_H
#define INLAY_QUIC_FLOW_H

#include "inlay_types.h"

/* Growth of one window: of bytes, or of streams. */
struct inlay_window_tuner {
	__u64 most;  /* 0: the window stays */
	__u64 base;  /* consumed when it was looked at last */
	inlay_ns at; /* that time; 0: never */
};

#define INLAY_TUNE_RTTS 3

/* |consumed| in all. Returns the window from now on. */
static inline __u64 inlay_window_tune(struct inlay_window_tuner *t, __u64 window, __u64 consumed,
				      inlay_ns rtt, inlay_ns now)
{
	__u64 delta = consumed - t->base, us = (now - t->at) / INLAY_US;
	__u64 rtt_us = rtt / INLAY_US;
	bool looked = t->at != 0;

	t->base = consumed;
	t->at = now;
	/* A quarter at least: what is sent again for a lost frame says nothing. Nobody consumes
	 * more than a window between two limits, so that a longer time need not be multiplied. */
	if (!looked || window >= t->most || delta < window / 4 || us >= INLAY_TUNE_RTTS * rtt_us ||
	    delta * INLAY_TUNE_RTTS * rtt_us < window * us)
		return window;
	return 2 * window < t->most ? 2 * window : t->most;
}

struct inlay_flow {
	__u64 window;	/* bytes that may be unconsumed */
	__u64 limit;	/* advertised last: MAX_DATA or MAX_STREAM_DATA */
	__u64 received; /* stream: highest offset. connection: the sum of them */
	__u64 consumed;
	bool pending; /* a new limit has to be sent, or sent again */
	struct inlay_window_tuner tuner;
};

static inline void inlay_flow_init(struct inlay_flow *f, __u64 window)
{
	*f = (struct inlay_flow){.window = window, .limit = window};
}

/* |rise| more bytes arrived. False: FLOW_CONTROL_ERROR (section 4.1), nothing changed. */
static inline bool inlay_flow_receive(struct inlay_flow *f, __u64 rise)
{
	if (rise > f->limit - f->received)
		return false;
	f->received += rise;
	return true;
}

static inline bool inlay_flow_fits(const struct inlay_flow *f, __u64 rise)
{
	return rise <= f->limit - f->received;
}

/* Never more than has arrived. Asks for an update once half of the window is used up. */
static inline void inlay_flow_consume(struct inlay_flow *f, __u64 bytes)
{
	if (bytes > f->received - f->consumed)
		bytes = f->received - f->consumed;
	f->consumed += bytes;
	if (f->limit - f->consumed <= f->window / 2 && f->limit - f->consumed < f->window)
		f->pending = true;
}

/* Before inlay_flow_advertise(). True: the window has grown. */
static inline bool inlay_flow_tune(struct inlay_flow *f, inlay_ns rtt, inlay_ns now)
{
	__u64 window = inlay_window_tune(&f->tuner, f->window, f->consumed, rtt, now);
	bool grown = window > f->window;

	f->window = window;
	return grown;
}

/* The limit to write into a frame now. */
static inline __u64 inlay_flow_advertise(struct inlay_flow *f)
{
	f->limit = f->consumed + f->window;
	if (f->limit > INLAY_PN_MAX) /* the largest integer QUIC can write */
		f->limit = INLAY_PN_MAX;
	f->pending = false;
	return f->limit;
}

/* The frame that carried |limit| was lost: only the newest is worth repeating. */
static inline void inlay_flow_on_lost(struct inlay_flow *f, __u64 limit)
{
	if (limit == f->limit)
		f->pending = true;
}

#endif
