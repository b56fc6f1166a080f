/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Flow control of what a peer sends to us, for one stream or for the connection (RFC 9000 section
 * 4). The window moves on as the application consumes. (What we send is charged to the shared
 * words flow_bytes and flow_limit: conn_send.c.)
 */
#ifndef INLAY_QUIC_FLOW_H
#define INLAY_QUIC_FLOW_H

#include "inlay_types.h"

struct inlay_flow {
	__u64 window;	/* bytes that may be unconsumed */
	__u64 limit;	/* advertised last: MAX_DATA or MAX_STREAM_DATA */
	__u64 received; /* stream: highest offset. connection: the sum of them */
	__u64 consumed;
	bool pending; /* a new limit has to be sent, or sent again */
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
