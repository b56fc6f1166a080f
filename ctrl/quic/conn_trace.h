/* SPDX-License-Identifier: BSD-2-Clause */
/* A connection's observer (trace.h), from the connection's side. Each function here is to be called
 * only while there is one: inlay_conn_is_traced() in conn_internal.h. */
#ifndef INLAY_QUIC_CONN_TRACE_H
#define INLAY_QUIC_CONN_TRACE_H

#include "trace.h"

struct inlay_conn;

struct inlay_conn_trace {
	const struct inlay_trace *ops; /* NULL: nobody observes */
	void *ctx;
	inlay_ns now; /* of the input being worked on */
};

void inlay_conn_trace_sent(struct inlay_conn *c, __u8 cid_len, const __u8 *packet, size_t len,
			   inlay_ns now);
/* What a forwarder sent: the log has no more of it than this. */
void inlay_conn_trace_forwarded(struct inlay_conn *c, __u64 pn, inlay_ns sent);
/* |clear| NULL: it is no clear packet. */
void inlay_conn_trace_received(struct inlay_conn *c, const struct inlay_quic_clear *clear,
			       size_t len, inlay_ns now);
void inlay_conn_trace_dropped(struct inlay_conn *c, const struct inlay_quic_clear *clear,
			      size_t len, const char *trigger, inlay_ns now);
void inlay_conn_trace_lost(struct inlay_conn *c, __u64 pn);
void inlay_conn_trace_stream(struct inlay_conn *c, __u64 id, bool opened);
/* Tells what may have changed; the last thing of an input, as the observer may go. */
void inlay_conn_trace_sample(struct inlay_conn *c, inlay_ns now);

#endif
