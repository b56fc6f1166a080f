/* SPDX-License-Identifier: BSD-2-Clause */
/* What became of the frames that we sent: acknowledged, or to be sent again. */
#include "conn_internal.h"

/* RFC 9000 section 13.3: by frame type, what is sent again is the newest value, if at all. */

static void stream_acked(struct inlay_conn *c, __u64 id, __u64 offset, __u64 len, bool fin)
{
	struct inlay_stream *s = inlay_streams_seek(&c->streams, id);

	if (!s || s->is_dead)
		return;
	if (inlay_stream_send_on_acked(&s->send, offset, len, fin))
		c->recovery_failed = true;
	if (s->heap_index)
		inlay_streams_update(&c->streams, s);
	inlay_streams_settle(&c->streams, s);
}

/* A stream follows what a forwarder sent of it. */
static void on_foreign_end(void *user)
{
	struct inlay_conn *c = user;
	struct inlay_acked_run run = c->foreign;
	struct inlay_stream *s;
	__u64 rise;

	if (run.end == run.offset && !run.fin)
		return;
	c->foreign = (struct inlay_acked_run){0};
	s = inlay_streams_of_forwarder(&c->streams, run.number);
	if (!s || inlay_stream_send_on_foreign(&s->send, run.offset, run.end - run.offset, run.fin,
					       &rise)) {
		c->recovery_failed = true;
		return;
	}
	c->streams.charged += rise;
	if (s->heap_index || inlay_stream_send_has_lost(&s->send))
		inlay_streams_update(&c->streams, s);
}

void inlay_conn_end_ack(struct inlay_conn *c)
{
	struct inlay_acked_run run = c->acked;

	on_foreign_end(c);
	c->acked = (struct inlay_acked_run){0};
	if (run.end > run.offset || run.fin)
		stream_acked(c, inlay_conn_foreign_stream(c, run.number), run.offset,
			     run.end - run.offset, run.fin);
}

static struct inlay_acked_run begin_run(const struct inlay_sent *e)
{
	return (struct inlay_acked_run){.number = e->stream, .offset = e->offset, .end = e->offset};
}

/* The entry's bytes follow those of the run. */
static bool goes_on(const struct inlay_acked_run *run, const struct inlay_sent *e)
{
	return run->number == e->stream && run->end == e->offset;
}

static void extend(struct inlay_acked_run *run, const struct inlay_sent *e, __u16 flags)
{
	run->end += e->payload_len;
	run->fin |= (flags & INLAY_SENT_FIN) != 0;
}

/* Numbers of an ACK come in the order in which they were sent, range by range. */
static void run_acked(struct inlay_conn *c, const struct inlay_sent *e, __u16 flags)
{
	if (!goes_on(&c->acked, e)) {
		inlay_conn_end_ack(c);
		c->acked = begin_run(e);
	}
	extend(&c->acked, e, flags);
}

static void stream_lost(struct inlay_conn *c, __u64 id, __u64 offset, __u64 len, bool fin)
{
	struct inlay_stream *s = inlay_streams_find(&c->streams, id);

	if (!s || s->is_dead)
		return;
	if (inlay_stream_send_on_lost(&s->send, offset, len, fin))
		c->recovery_failed = true;
	inlay_streams_update(&c->streams, s);
}

static void reset_acked(struct inlay_conn *c, __u64 id, __u64 reliable)
{
	struct inlay_stream *s = inlay_streams_find(&c->streams, id);

	if (!s || s->is_dead)
		return;
	inlay_stream_send_on_reset_acked(&s->send, reliable);
	if (!s->send.reset_acked)
		return;
	inlay_streams_paid(s, INLAY_OWES_RESET);
	inlay_stream_send_settle(&s->send);
	inlay_streams_settle(&c->streams, s);
}

static void frame_acked(struct inlay_conn *c, const struct inlay_sent_frame *f)
{
	switch (f->type) {
	case INLAY_QUIC_STREAM:
		stream_acked(c, f->id, f->offset, f->len, f->fin);
		break;
	case INLAY_QUIC_RESET_STREAM:
	case INLAY_QUIC_RESET_STREAM_AT:
		reset_acked(c, f->id, f->offset);
		break;
	case INLAY_QUIC_ACK_FREQUENCY:
		inlay_ack_request_on_acked(&c->ack_request, f->id);
		break;
	case INLAY_QUIC_ACK:
		inlay_acks_on_acked(&c->acks, f->offset);
		inlay_keyupdate_on_told(&c->keys, f->offset);
		break;
	case INLAY_QUIC_RETIRE_CONNECTION_ID:
		inlay_cids_on_retire_acked(&c->cids);
		break;
	default:
		break;
	}
}

static void stream_control_lost(struct inlay_conn *c, const struct inlay_sent_frame *f)
{
	struct inlay_stream *s = inlay_streams_find(&c->streams, f->id);

	if (!s || s->is_dead)
		return;
	switch (f->type) {
	case INLAY_QUIC_RESET_STREAM:
	case INLAY_QUIC_RESET_STREAM_AT:
		if (!s->send.reset_acked && f->offset == s->send.reliable)
			inlay_streams_owe(&c->streams, s, INLAY_OWES_RESET);
		break;
	case INLAY_QUIC_STOP_SENDING:
		if (!inlay_stream_recv_is_done(&s->recv))
			inlay_streams_owe(&c->streams, s, INLAY_OWES_STOP);
		break;
	case INLAY_QUIC_MAX_STREAM_DATA:
		inlay_flow_on_lost(&s->recv.flow, f->offset);
		if (s->recv.flow.pending)
			inlay_streams_owe(&c->streams, s, INLAY_OWES_MAX_DATA);
		break;
	case INLAY_QUIC_STREAM_DATA_BLOCKED:
		if (f->offset == s->send.limit && inlay_stream_send_is_blocked(&s->send))
			inlay_streams_owe(&c->streams, s, INLAY_OWES_BLOCKED);
		break;
	}
}

static void max_streams_lost(struct inlay_conn *c, const struct inlay_sent_frame *f)
{
	struct inlay_stream_quota *q = &c->streams.quota[f->type & 1];

	if (f->offset == q->limit)
		q->pending = true;
}

/* The *_BLOCKED frames go out again while their limit still holds us back. */
static void data_blocked_lost(struct inlay_conn *c, const struct inlay_sent_frame *f)
{
	const struct inlay_stream *first = inlay_streams_first(&c->streams);

	if (f->offset == c->entry->flow_limit && first && first->rank > 0 &&
	    inlay_load_u64(&c->entry->flow_bytes) >= c->entry->flow_limit)
		c->data_blocked_due = true;
}

static void streams_blocked_lost(struct inlay_conn *c, const struct inlay_sent_frame *f)
{
	enum inlay_stream_kind kind = f->type & 1 ? INLAY_UNI : INLAY_BIDI;
	struct inlay_stream_quota *q = &c->streams.quota[kind];
	__u64 limit = kind == INLAY_BIDI ? c->streams.bidi_limit : c->entry->stream_limit;

	if (f->offset == limit && q->refused)
		q->blocked = true;
}

static void frame_lost(struct inlay_conn *c, const struct inlay_sent_frame *f)
{
	switch (f->type) {
	case INLAY_QUIC_STREAM:
		stream_lost(c, f->id, f->offset, f->len, f->fin);
		break;
	case INLAY_QUIC_RESET_STREAM:
	case INLAY_QUIC_RESET_STREAM_AT:
	case INLAY_QUIC_STOP_SENDING:
	case INLAY_QUIC_MAX_STREAM_DATA:
	case INLAY_QUIC_STREAM_DATA_BLOCKED:
		stream_control_lost(c, f);
		break;
	case INLAY_QUIC_DATA_BLOCKED:
		data_blocked_lost(c, f);
		break;
	case INLAY_QUIC_STREAMS_BLOCKED:
	case INLAY_QUIC_STREAMS_BLOCKED | 1:
		streams_blocked_lost(c, f);
		break;
	case INLAY_QUIC_MAX_DATA:
		inlay_flow_on_lost(&c->flow, f->offset);
		break;
	case INLAY_QUIC_MAX_STREAMS:
	case INLAY_QUIC_MAX_STREAMS | 1:
		max_streams_lost(c, f);
		break;
	case INLAY_QUIC_NEW_CONNECTION_ID:
		inlay_cids_on_new_lost(&c->cids, f->id);
		break;
	case INLAY_QUIC_RETIRE_CONNECTION_ID:
		inlay_cids_on_retire_lost(&c->cids, f->id);
		break;
	case INLAY_QUIC_HANDSHAKE_DONE:
		c->handshake_done_due = true;
		break;
	case INLAY_QUIC_ACK_FREQUENCY:
		inlay_ack_request_on_lost(&c->ack_request, f->id);
		break;
	default: /* ACK, PING, IMMEDIATE_ACK, PATH_*, DATAGRAM: not repeated as such */
		break;
	}
}

static void path_lost(struct inlay_conn *c, __u64 pn, const struct inlay_sent *e)
{
	__u16 flags = inlay_sentlog_flags(e);
	bool is_probe = flags & INLAY_SENT_MTU_PROBE;

	/* Its own host did it. */
	if ((flags & INLAY_SENT_DROPPED) && !is_probe)
		return;
	if ((flags & INLAY_SENT_ECN) && !is_probe)
		inlay_ecn_on_lost(&c->ecn, pn);
	if (inlay_pmtu_on_lost(&c->pmtu, pn, e->packet_size, is_probe, e->time_us,
			       inlay_conn_pto(c), inlay_load_u64(&c->entry->next_pn)))
		inlay_conn_note_mtu(c);
}

static void local_acked(struct inlay_conn *c, __u64 pn)
{
	bool late = inlay_sentlog_fate(&c->log, pn) == INLAY_FATE_LOST;
	const struct inlay_sent_frame *f;

	/* Retirements are counted, and the one sent again will be acknowledged too. */
	for (f = inlay_sentlog_frames(&c->log, pn); f; f = inlay_sentlog_frame_next(&c->log, f)) {
		if (f->type != INLAY_QUIC_ACK && f->type != INLAY_QUIC_PING)
			inlay_pmtu_on_traffic(&c->pmtu);
		if (!late || f->type != INLAY_QUIC_RETIRE_CONNECTION_ID)
			frame_acked(c, f);
	}
}

/* A packet of any kind. Out of line, as any_foreign(): the registers that these need are then not
 * saved for every copy. */
static __attribute__((noinline)) void any_acked(struct inlay_conn *c, __u64 pn,
						const struct inlay_sent *e)
{
	__u16 flags = inlay_sentlog_flags(e);

	if (inlay_pmtu_on_acked(&c->pmtu, pn, e->packet_size, flags & INLAY_SENT_MTU_PROBE))
		inlay_conn_note_mtu(c);
	if (flags & INLAY_SENT_LOCAL) {
		local_acked(c, pn);
		return;
	}
	inlay_pmtu_on_traffic(&c->pmtu);
	if (!(flags & INLAY_SENT_DATAGRAM))
		run_acked(c, e, flags);
}

/* A forwarder's copy of a stream. One that follows the one before is what most calls are for. */
#define PLAIN (INLAY_SENT_FIN | INLAY_SENT_ECN)

static void on_acked(void *user, __u64 pn, const struct inlay_sent *e)
{
	struct inlay_conn *c = user;
	__u16 flags = inlay_sentlog_flags(e);

	inlay_keyupdate_on_acked(&c->keys, pn);
	if (flags & INLAY_SENT_ECN)
		inlay_ecn_on_acked(&c->ecn, pn);
	if ((flags & ~PLAIN) || inlay_pmtu_is_in_doubt(&c->pmtu) || !goes_on(&c->acked, e)) {
		any_acked(c, pn, e);
		return;
	}
	inlay_pmtu_on_traffic(&c->pmtu);
	extend(&c->acked, e, flags);
}

/* Returns how many datagrams it carried: those are gone. */
static unsigned int repeat(struct inlay_conn *c, __u64 pn)
{
	const struct inlay_sent *e = inlay_sentlog_entry(&c->log, pn);
	const struct inlay_sent_frame *f;
	__u16 flags = inlay_sentlog_flags(e);
	unsigned int datagrams = 0;

	if (flags & INLAY_SENT_LOCAL) {
		for (f = inlay_sentlog_frames(&c->log, pn); f;
		     f = inlay_sentlog_frame_next(&c->log, f)) {
			frame_lost(c, f);
			datagrams += f->type == INLAY_QUIC_DATAGRAM;
		}
		return datagrams;
	}
	if (flags & INLAY_SENT_DATAGRAM)
		return 1;
	stream_lost(c, inlay_conn_foreign_stream(c, e->stream), e->offset, e->payload_len,
		    flags & INLAY_SENT_FIN);
	return 0;
}

static void on_lost(void *user, __u64 pn)
{
	struct inlay_conn *c = user;

	inlay_conn_end_ack(c);
	if (inlay_conn_is_traced(c))
		inlay_conn_trace_lost(c, pn);
	path_lost(c, pn, inlay_sentlog_entry(&c->log, pn));
	c->stats.datagrams_lost += repeat(c, pn);
}

static __attribute__((noinline)) void any_foreign(struct inlay_conn *c, __u64 pn,
						  const struct inlay_sent *e, inlay_ns sent)
{
	__u16 flags = inlay_sentlog_flags(e);

	if (!c->close.sent_since)
		inlay_close_on_eliciting_sent(&c->close, sent);
	if (inlay_conn_is_traced(c))
		inlay_conn_trace_forwarded(c, pn, sent);
	if (flags & INLAY_SENT_DATAGRAM) {
		c->stats.datagrams_sent++;
		return;
	}
	if (flags & INLAY_SENT_LOCAL)
		return;
	if (!goes_on(&c->foreign, e)) {
		on_foreign_end(c);
		c->foreign = begin_run(e);
	}
	extend(&c->foreign, e, flags);
}

/* A forwarder sent it. The log is all that says so: the stream follows it. */
static void on_foreign(void *user, __u64 pn, const struct inlay_sent *e, inlay_ns sent)
{
	struct inlay_conn *c = user;
	__u16 flags = inlay_sentlog_flags(e);

	c->stats.packets_sent++;
	c->stats.packets_forwarded++;
	c->stats.bytes_sent += e->packet_size;
	if (flags & INLAY_SENT_ECN)
		inlay_ecn_on_foreign(&c->ecn);
	if ((flags & ~PLAIN) || !c->close.sent_since || inlay_conn_is_traced(c) ||
	    !goes_on(&c->foreign, e)) {
		any_foreign(c, pn, e, sent);
		return;
	}
	extend(&c->foreign, e, flags);
}

void inlay_conn_repeat(struct inlay_conn *c, __u64 pn)
{
	repeat(c, pn);
}

const struct inlay_recovery_ops inlay_conn_recovery_ops = {
	.acked = on_acked,
	.lost = on_lost,
	.foreign = on_foreign,
	.foreign_end = on_foreign_end,
	.classes = inlay_conn_classes,
};
