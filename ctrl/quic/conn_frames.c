/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames out: each is written, recorded for the day when it is acknowledged or lost, and taken
 * off what is owed, in one step. Stream bytes are read from their source straight into the packet.
 */
#include "build.h"

#define LEAST_STREAM 16 /* bytes: a smaller piece of a stream is not worth a frame */

/* --- Control -------------------------------------------------------------------------------- */

/* Records the frame just written; without a record it is taken back to |mark|. */
static bool note(struct inlay_build *b, struct inlay_writer mark, const struct inlay_sent_frame *f)
{
	if (!inlay_sentlog_frame_add(&b->c->log, &b->frames, f)) {
		b->w = mark;
		b->full = true;
		return false;
	}
	b->last = *f;
	b->n_frames++;
	if (f->type != INLAY_QUIC_ACK)
		b->eliciting = true;
	return true;
}

/* |written|: the result of a put that began at |mark|. */
bool inlay_build_put(struct inlay_build *b, bool written, struct inlay_writer mark, __u8 type,
		     __u64 id, __u64 offset)
{
	const struct inlay_sent_frame f = {.type = type, .id = id, .offset = offset};

	if (!written) {
		b->full = true;
		return false;
	}
	return note(b, mark, &f);
}

void inlay_build_ack(struct inlay_build *b)
{
	struct inlay_quic_range ranges[64];
	struct inlay_acks *a = &b->c->acks;
	struct inlay_writer mark = b->w;
	__u32 i, n = a->report.n;
	__u64 delay;

	if (n == 0)
		return;
	if (n > INLAY_ARRAY_SIZE(ranges))
		n = INLAY_ARRAY_SIZE(ranges);
	for (i = 0; i < n; i++)
		ranges[i] = a->report.ranges[a->report.n - 1 - i];
	delay = (b->now - a->largest_time) / INLAY_US >> b->c->own.ack_delay_exponent;
	if (ranges[0].end - 1 != a->largest)
		delay = 0;
	if (!inlay_build_put(b, inlay_quic_put_ack(&b->w, ranges, n, delay, inlay_acks_ecn(a)) > 0,
			     mark, INLAY_QUIC_ACK, 0, ranges[0].end - 1))
		return;
	inlay_acks_on_sent(a, b->now);
	b->c->stats.acks_sent++;
	inlay_keyupdate_on_ack_sent(&b->c->keys, ranges[0].end - 1);
}

static void tune(struct inlay_build *b, struct inlay_flow *f)
{
	if (!inlay_budget_is_tight(&b->c->streams.recv_budget))
		inlay_flow_tune(f, b->c->recovery.rtt.smoothed, b->now);
}

static void put_limits(struct inlay_build *b)
{
	struct inlay_conn *c = b->c;
	struct inlay_writer mark = b->w;
	int kind;

	if (c->flow.pending) {
		__u64 limit;

		tune(b, &c->flow);
		limit = inlay_flow_advertise(&c->flow);

		if (!inlay_build_put(b, inlay_quic_put_max_data(&b->w, limit), mark,
				     INLAY_QUIC_MAX_DATA, 0, limit))
			c->flow.pending = true;
	}
	for (kind = INLAY_BIDI; kind <= INLAY_UNI; kind++) {
		struct inlay_stream_quota *q = &c->streams.quota[kind];
		__u64 limit;

		if (!q->pending || b->full)
			continue;
		q->window = inlay_window_tune(&q->tuner, q->window, q->closed,
					      c->recovery.rtt.smoothed, b->now);
		limit = q->closed + q->window;
		if (limit > INLAY_QUIC_STREAMS_MAX)
			limit = INLAY_QUIC_STREAMS_MAX;
		mark = b->w;
		if (!inlay_build_put(b,
				     inlay_quic_put_max_streams(&b->w, kind == INLAY_BIDI, limit),
				     mark, (__u8)(INLAY_QUIC_MAX_STREAMS | kind), 0, limit))
			return;
		q->limit = limit;
		q->pending = false;
	}
}

static void put_blocked(struct inlay_build *b)
{
	struct inlay_conn *c = b->c;
	struct inlay_writer mark = b->w;
	int kind;

	if (c->data_blocked_due && !b->full &&
	    inlay_build_put(b, inlay_quic_put_data_blocked(&b->w, c->entry->flow_limit), mark,
			    INLAY_QUIC_DATA_BLOCKED, 0, c->entry->flow_limit))
		c->data_blocked_due = false;
	for (kind = INLAY_BIDI; kind <= INLAY_UNI; kind++) {
		struct inlay_stream_quota *q = &c->streams.quota[kind];
		__u64 limit = kind == INLAY_BIDI ? c->streams.bidi_limit : c->entry->stream_limit;

		mark = b->w;
		if (q->blocked && !b->full &&
		    inlay_build_put(
			    b, inlay_quic_put_streams_blocked(&b->w, kind == INLAY_BIDI, limit),
			    mark, (__u8)(INLAY_QUIC_STREAMS_BLOCKED | kind), 0, limit))
			q->blocked = false;
	}
}

static void put_cids(struct inlay_build *b)
{
	struct inlay_cids *cids = &b->c->cids;
	struct inlay_own_cid *o;
	struct inlay_writer mark;
	__u64 sequence;

	while (!b->full && (o = inlay_cids_pending(cids))) {
		/* Section 19.15: never more than the sequence number beside it. */
		__u64 prior =
			cids->own_retire_prior_to <= o->sequence ? cids->own_retire_prior_to : 0;

		mark = b->w;
		if (inlay_build_put(b,
				    inlay_quic_put_new_connection_id(&b->w, o->sequence, prior,
								     &o->cid, o->token),
				    mark, INLAY_QUIC_NEW_CONNECTION_ID, o->sequence, 0))
			o->pending = false;
	}
	/* Not while a forwarder's copies may still carry it: design section 5, rule 7. */
	if (b->c->headers.state != INLAY_HEADERS_SETTLED)
		return;
	while (!b->full && inlay_cids_retire_pending(cids, &sequence)) {
		mark = b->w;
		if (inlay_build_put(b, inlay_quic_put_retire_connection_id(&b->w, sequence), mark,
				    INLAY_QUIC_RETIRE_CONNECTION_ID, sequence, 0))
			inlay_cids_retire_sent(cids, sequence);
	}
}

static void put_reset(struct inlay_build *b, struct inlay_stream *s)
{
	const struct inlay_stream_send *x = &s->send;
	struct inlay_writer mark = b->w;
	bool at = x->reliable > 0, written;

	written = at ? inlay_quic_put_reset_stream_at(&b->w, s->id, x->reset_code, x->end,
						      x->reliable)
		     : inlay_quic_put_reset_stream(&b->w, s->id, x->reset_code, x->end);
	if (!inlay_build_put(b, written, mark,
			     at ? INLAY_QUIC_RESET_STREAM_AT : INLAY_QUIC_RESET_STREAM, s->id,
			     x->reliable))
		return;
	s->send.reset_sent = true;
	inlay_streams_paid(s, INLAY_OWES_RESET);
}

static void put_owed(struct inlay_build *b, struct inlay_stream *s)
{
	struct inlay_writer mark = b->w;

	if (s->owes & INLAY_OWES_RESET)
		put_reset(b, s);
	mark = b->w;
	if ((s->owes & INLAY_OWES_STOP) && !b->full &&
	    inlay_build_put(b, inlay_quic_put_stop_sending(&b->w, s->id, s->recv.stop_code), mark,
			    INLAY_QUIC_STOP_SENDING, s->id, 0))
		inlay_streams_paid(s, INLAY_OWES_STOP);
	mark = b->w;
	if ((s->owes & INLAY_OWES_MAX_DATA) && !b->full) {
		__u64 limit;

		tune(b, &s->recv.flow);
		limit = inlay_flow_advertise(&s->recv.flow);
		if (inlay_build_put(b, inlay_quic_put_max_stream_data(&b->w, s->id, limit), mark,
				    INLAY_QUIC_MAX_STREAM_DATA, s->id, limit))
			inlay_streams_paid(s, INLAY_OWES_MAX_DATA);
	}
	mark = b->w;
	if ((s->owes & INLAY_OWES_BLOCKED) && !b->full &&
	    inlay_build_put(b, inlay_quic_put_stream_data_blocked(&b->w, s->id, s->send.limit),
			    mark, INLAY_QUIC_STREAM_DATA_BLOCKED, s->id, s->send.limit))
		inlay_streams_paid(s, INLAY_OWES_BLOCKED);
}

void inlay_build_owed(struct inlay_build *b)
{
	struct inlay_list *node, *after;

	inlay_list_for_each_safe (node, after, &b->c->streams.owing) {
		if (b->full)
			return;
		put_owed(b, inlay_list_entry(node, struct inlay_stream, owing));
	}
}

static void put_ack_frequency(struct inlay_build *b)
{
	struct inlay_ack_request *r = &b->c->ack_request;
	struct inlay_quic_ack_frequency f = r->wanted;
	struct inlay_writer mark = b->w;

	f.sequence = r->next_sequence;
	if (r->due && inlay_build_put(b, inlay_quic_put_ack_frequency(&b->w, &f), mark,
				      INLAY_QUIC_ACK_FREQUENCY, f.sequence, 0))
		inlay_ack_request_on_sent(r, b->now);
}

void inlay_build_immediate_ack(struct inlay_build *b)
{
	struct inlay_writer mark = b->w;

	if (b->c->ack_request.possible)
		inlay_build_put(b, inlay_quic_put_immediate_ack(&b->w), mark,
				INLAY_QUIC_IMMEDIATE_ACK, 0, 0);
}

void inlay_build_control(struct inlay_build *b)
{
	struct inlay_conn *c = b->c;
	struct inlay_writer mark = b->w;

	if (c->handshake_done_due && inlay_build_put(b, inlay_quic_put_handshake_done(&b->w), mark,
						     INLAY_QUIC_HANDSHAKE_DONE, 0, 0))
		c->handshake_done_due = false;
	put_limits(b);
	put_cids(b);
	put_blocked(b);
	put_ack_frequency(b);
	inlay_build_owed(b);
}

/* --- Classes -------------------------------------------------------------------------------- */

/* May new bytes of |class| be in this packet? What is all alone in flight may: a share smaller than
 * a packet must not stop a class for good. */
static bool class_allows(const struct inlay_build *b, __u8 class, bool soft)
{
	const struct inlay_conn *c = b->c;
	__u64 in_flight;

	if (!c->classes.policy || b->probe)
		return true;
	in_flight = inlay_sentlog_in_flight(&c->log);
	return in_flight <= b->charged ||
	       in_flight <= inlay_classes_share(&c->classes, class,
						inlay_cc_window(&c->recovery.cc), soft);
}

static void on_class_use(struct inlay_build *b, __u8 class)
{
	if (inlay_classes_on_use(&b->c->classes, class))
		inlay_conn_refresh_classes(b->c, b->now);
}

/* How many new bytes of |s| its class allows here: all, none, or the rest of an object begun. */
static __u64 class_credit(const struct inlay_build *b, const struct inlay_stream *s)
{
	const struct inlay_stream_send *send = &s->send;

	if (class_allows(b, s->class, false))
		return ~0ULL;
	if (!send->source.object_end || !class_allows(b, s->class, true))
		return 0;
	return send->source.object_end(send->ctx, send->next) - send->next;
}

/* --- Datagrams ------------------------------------------------------------------------------ */

/* NULL: none waits that is not too late, nor larger than what the path carries by now. */
static const struct inlay_datagram *first_datagram(struct inlay_build *b)
{
	struct inlay_conn *c = b->c;
	size_t most = inlay_conn_max_datagram(c);
	const struct inlay_datagram *d;

	while ((d = inlay_datagrams_first(&c->datagrams)) != NULL &&
	       (d->len > most || (d->order.deadline != 0 && d->order.deadline <= b->now))) {
		c->stats.datagrams_dropped++;
		inlay_datagrams_pop(&c->datagrams);
	}
	return d;
}

/* The first one. False: there is no room for it here. */
static bool put_datagram(struct inlay_build *b, const struct inlay_datagram *d)
{
	struct inlay_conn *c = b->c;
	struct inlay_writer mark = b->w;
	__u8 class = d->order.class;

	if (!class_allows(b, class, false)) {
		inlay_recovery_on_held(&c->recovery);
		return false;
	}
	if (inlay_quic_put_datagram(&b->w, d->data, d->len, true)) {
		if (!inlay_build_put(b, true, mark, INLAY_QUIC_DATAGRAM, 0, 0))
			return false;
		c->stats.datagrams_sent++;
		on_class_use(b, class);
	} else {
		if (b->n_frames > 0)
			return false;
		/* The path has shrunk since it was queued. */
		c->stats.datagrams_dropped++;
	}
	inlay_datagrams_pop(&c->datagrams);
	return true;
}

/* --- Streams -------------------------------------------------------------------------------- */

static __u64 min_u64(__u64 a, __u64 b)
{
	return a < b ? a : b;
}

static __u64 flow_credit(const struct inlay_conn *c)
{
	__u64 used = inlay_load_u64(&c->entry->flow_bytes), limit = c->entry->flow_limit;

	return used < limit ? limit - used : 0;
}

/* Design section 5, rule 2: add, test, subtract on refusal. */
static bool charge_flow(struct inlay_conn *c, __u64 bytes)
{
	if (inlay_fetch_add_u64(&c->entry->flow_bytes, bytes) + bytes <= c->entry->flow_limit)
		return true;
	inlay_fetch_add_u64(&c->entry->flow_bytes, -bytes);
	return false;
}

/* The source holds the bytes no more: the stream ends here. */
static void evict(struct inlay_conn *c, struct inlay_stream *s)
{
	/* Not even those that a reset has promised. */
	__u64 head = s->send.reset || s->send.doomed ? 0 : inlay_stream_send_head(&s->send);

	inlay_conn_stream_reset_at(c, s->id, s->send.source.evicted_code, head);
}

/* Bytes of |s| that fit into one frame here; false: none. */
static bool next_range(struct inlay_build *b, struct inlay_stream *s, __u64 credit,
		       struct inlay_send_range *ret)
{
	__u64 left = inlay_writer_left(&b->w), room;

	if (!inlay_stream_send_next(&s->send, left, credit, ret))
		return false;
	room = inlay_quic_stream_header_len(s->id, ret->offset, ret->len, true);
	room = room < left ? left - room : 0;
	if (room < min_u64(ret->len, LEAST_STREAM) || (room == 0 && ret->len > 0)) {
		b->full = true;
		return false;
	}
	return inlay_stream_send_next(&s->send, room, credit, ret);
}

/* Header and bytes. False: nothing was written. */
static bool write_stream(struct inlay_build *b, struct inlay_stream *s,
			 const struct inlay_send_range *r)
{
	struct inlay_writer mark = b->w;
	__u8 *dst;

	if (!inlay_quic_put_stream_header(&b->w, s->id, r->offset, r->len, r->fin, true) ||
	    !inlay_writer_reserve(&b->w, r->len, &dst)) {
		b->w = mark;
		b->full = true;
		return false;
	}
	if (r->len > 0 && s->send.source.read(s->send.ctx, r->offset, dst, r->len)) {
		b->w = mark;
		evict(b->c, s);
		return false;
	}
	return true;
}

static bool put_stream(struct inlay_build *b, struct inlay_stream *s,
		       const struct inlay_send_range *r)
{
	struct inlay_sent_frame f = {
		.type = INLAY_QUIC_STREAM,
		.id = s->id,
		.offset = r->offset,
		.len = (__u16)r->len,
		.fin = r->fin,
	};
	struct inlay_writer mark = b->w;

	if (!write_stream(b, s, r) || !note(b, mark, &f))
		return false;
	if (inlay_stream_send_on_sent(&s->send, r))
		b->c->recovery_failed = true;
	/* The last byte that a RESET_STREAM_AT promises is out. */
	if (!r->again && inlay_stream_send_reset_is_due(&s->send))
		inlay_streams_owe(&b->c->streams, s, INLAY_OWES_RESET);
	inlay_streams_rotate(&b->c->streams, s);
	return true;
}

/* Room on the connection ran out before the stream's bytes did. */
static void tell_blocked(struct inlay_conn *c)
{
	if (c->data_blocked_at == c->entry->flow_limit + 1)
		return;
	c->data_blocked_at = c->entry->flow_limit + 1;
	c->data_blocked_due = true;
}

static void tell_stream_blocked(struct inlay_conn *c, struct inlay_stream *s)
{
	if (!inlay_stream_send_is_blocked(&s->send) || s->blocked_at == s->send.limit + 1)
		return;
	s->blocked_at = s->send.limit + 1;
	inlay_streams_owe(&c->streams, s, INLAY_OWES_BLOCKED);
}

/* A frame of |s|, the first one in order. False: nothing more of streams in this packet. */
static bool put_first_stream(struct inlay_build *b, struct inlay_stream *s)
{
	__u64 flow = flow_credit(b->c), by_class = s->rank > 0 ? class_credit(b, s) : ~0ULL;
	struct inlay_conn *c = b->c;
	struct inlay_send_range r;

	if (by_class == 0) {
		inlay_recovery_on_held(&c->recovery);
		return false;
	}
	if (!next_range(b, s, min_u64(flow, by_class), &r)) {
		if (!b->full)
			tell_blocked(c);
		return false;
	}
	if (!r.again && !charge_flow(c, r.len))
		return false;
	if (!r.again && r.len > 0)
		on_class_use(b, s->class);
	if (put_stream(b, s, &r)) {
		if (!r.again)
			c->streams.charged += r.len;
		tell_stream_blocked(c, s);
	} else if (!r.again) {
		inlay_fetch_add_u64(&c->entry->flow_bytes, -r.len);
	}
	return true;
}

void inlay_build_payload(struct inlay_build *b)
{
	bool datagrams = true, streams = true;

	while (!b->full) {
		const struct inlay_datagram *d = datagrams ? first_datagram(b) : NULL;
		struct inlay_stream *s = streams ? inlay_streams_first(&b->c->streams) : NULL;

		if (d && !(s && s->priority < d->order.priority))
			datagrams = put_datagram(b, d);
		else if (s)
			streams = put_first_stream(b, s);
		else
			return;
	}
}
