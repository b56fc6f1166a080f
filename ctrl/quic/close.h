/* SPDX-License-Identifier: BSD-2-Clause */
/* The end of a connection: RFC 9000 section 10. */
#ifndef INLAY_QUIC_CLOSE_H
#define INLAY_QUIC_CLOSE_H

#include "conn.h"

enum inlay_close_state {
	INLAY_OPEN,
	INLAY_CLOSING,	/* CONNECTION_CLOSE was sent, and is sent again to who goes on */
	INLAY_DRAINING, /* nothing is sent any more */
	INLAY_DEAD,
};

struct inlay_close {
	enum inlay_close_state state;
	struct inlay_close_reason why;
	__u64 frame_type;   /* that provoked it; transport errors only */
	bool due;	    /* CONNECTION_CLOSE has to be sent */
	inlay_ns resend_at; /* not again before */
	inlay_ns dead_at;
	/* Idle timeout, section 10.1. */
	inlay_ns idle_timeout; /* 0: none */
	inlay_ns active;       /* when the timer was last restarted */
	bool sent_since;       /* something ack-eliciting was sent since a packet came */
};

void inlay_close_init(struct inlay_close *x, const struct inlay_transport_params *own,
		      const struct inlay_transport_params *peer, inlay_ns now);
void inlay_close_on_received(struct inlay_close *x, inlay_ns now);
/* |now|: when it was, perhaps learnt of later. */
void inlay_close_on_eliciting_sent(struct inlay_close *x, inlay_ns now);
/* Each true once: the connection has left the open state. |pto|: without backoff. */
bool inlay_close_begin(struct inlay_close *x, const struct inlay_close_reason *why,
		       __u64 frame_type, inlay_ns pto, inlay_ns now);
bool inlay_close_drain(struct inlay_close *x, const struct inlay_close_reason *why, inlay_ns pto,
		       inlay_ns now);
/* The end, without a word. */
bool inlay_close_silently(struct inlay_close *x, const struct inlay_close_reason *why);
/* A packet came while closing: answered with another CONNECTION_CLOSE, at a limited rate. */
void inlay_close_on_packet(struct inlay_close *x, inlay_ns now);
void inlay_close_on_sent(struct inlay_close *x, inlay_ns pto, inlay_ns now);
inlay_ns inlay_close_deadline(const struct inlay_close *x, inlay_ns pto);
/* True: the idle timeout has struck. */
bool inlay_close_on_timer(struct inlay_close *x, inlay_ns pto, inlay_ns now);
void inlay_close_text(struct inlay_close_reason *why, const void *text, size_t len);

#endif
