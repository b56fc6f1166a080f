/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packets out. A packet is put together first, and takes its number last, once it is sure to be
 * sent (design section 5, rule 1). In order: ACK, control frames, datagrams, stream bytes to be
 * sent again, new stream bytes by priority. Bytes are reserved in the counter that is shared with a
 * forwarder before the packet is built, and given back as far as it stays smaller.
 */
#include "conn_internal.h"
#include "inlay_quic_write.h"

#include <string.h>

#define SKIP_MIN       64 /* packets between two numbers skipped on purpose */
#define SKIP_SPREAD    256
#define PING_AT_RANGES 16 /* make the peer acknowledge our ACKs when they grow this long */
#define LEAST_STREAM   16 /* bytes: a smaller piece of a stream is not worth a frame */

struct build {
	struct inlay_conn *c;
	struct inlay_writer w;
	__u8 *header;
	__u8 hdr_len;
	__u32 frames; /* chain of records */
	__u32 n_frames;
	struct inlay_sent_frame last;
	bool eliciting;
	bool padded;
	bool full; /* no room, or no records, for one more frame */
	inlay_ns now;
};

/* --- Frames --------------------------------------------------------------------------------- */

/* Records the frame just written; without a record it is taken back to |mark|. */
static bool note(struct build *b, struct inlay_writer mark, __u8 type, __u64 id, __u64 offset)
{
	struct inlay_sent_frame f = {.type = type, .id = id, .offset = offset};

	if (!inlay_sentlog_frame_add(&b->c->log, &b->frames, &f)) {
		b->w = mark;
		b->full = true;
		return false;
	}
	b->last = f;
	b->n_frames++;
	if (type != INLAY_QUIC_ACK)
		b->eliciting = true;
	return true;
}

/* |written|: the result of a put that began at |mark|. */
static bool put(struct build *b, bool written, struct inlay_writer mark, __u8 type, __u64 id,
		__u64 offset)
{
	if (!written) {
		b->full = true;
		return false;
	}
	return note(b, mark, type, id, offset);
}

static void put_ack(struct build *b)
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
	if (put(b, inlay_quic_put_ack(&b->w, ranges, n, delay, NULL) > 0, mark, INLAY_QUIC_ACK, 0,
		ranges[0].end - 1))
		inlay_acks_on_sent(a, b->now);
}

static void put_limits(struct build *b)
{
	struct inlay_conn *c = b->c;
	struct inlay_writer mark = b->w;
	int kind;

	if (c->flow.pending) {
		__u64 limit = inlay_flow_advertise(&c->flow);

		if (!put(b, inlay_quic_put_max_data(&b->w, limit), mark, INLAY_QUIC_MAX_DATA, 0,
			 limit))
			c->flow.pending = true;
	}
	for (kind = INLAY_BIDI; kind <= INLAY_UNI; kind++) {
		struct inlay_stream_quota *q = &c->streams.quota[kind];
		__u64 limit = q->closed + q->window;

		if (!q->pending || b->full)
			continue;
		if (limit > INLAY_QUIC_STREAMS_MAX)
			limit = INLAY_QUIC_STREAMS_MAX;
		mark = b->w;
		if (!put(b, inlay_quic_put_max_streams(&b->w, kind == INLAY_BIDI, limit), mark,
			 (__u8)(INLAY_QUIC_MAX_STREAMS | kind), 0, limit))
			return;
		q->limit = limit;
		q->pending = false;
	}
}

static void put_blocked(struct build *b)
{
	struct inlay_conn *c = b->c;
	struct inlay_writer mark = b->w;
	int kind;

	if (c->data_blocked_due && !b->full &&
	    put(b, inlay_quic_put_data_blocked(&b->w, c->entry->flow_limit), mark,
		INLAY_QUIC_DATA_BLOCKED, 0, 0))
		c->data_blocked_due = false;
	for (kind = INLAY_BIDI; kind <= INLAY_UNI; kind++) {
		struct inlay_stream_quota *q = &c->streams.quota[kind];
		__u64 limit = kind == INLAY_BIDI ? c->streams.bidi_limit : c->entry->stream_limit;

		mark = b->w;
		if (q->blocked && !b->full &&
		    put(b, inlay_quic_put_streams_blocked(&b->w, kind == INLAY_BIDI, limit), mark,
			(__u8)(INLAY_QUIC_STREAMS_BLOCKED | kind), 0, 0))
			q->blocked = false;
	}
}

static void put_cids(struct build *b)
{
	struct inlay_cids *cids = &b->c->cids;
	struct inlay_own_cid *o;
	struct inlay_writer mark;
	__u64 sequence;

	while (!b->full && (o = inlay_cids_pending(cids))) {
		mark = b->w;
		if (put(b,
			inlay_quic_put_new_connection_id(&b->w, o->sequence, 0, &o->cid, o->token),
			mark, INLAY_QUIC_NEW_CONNECTION_ID, o->sequence, 0))
			o->pending = false;
	}
	while (!b->full && inlay_cids_retire_pending(cids, &sequence)) {
		mark = b->w;
		if (put(b, inlay_quic_put_retire_connection_id(&b->w, sequence), mark,
			INLAY_QUIC_RETIRE_CONNECTION_ID, sequence, 0))
			inlay_cids_retire_sent(cids, sequence);
	}
}

static void put_owed(struct build *b, struct inlay_stream *s)
{
	struct inlay_writer mark = b->w;

	if ((s->owes & INLAY_OWES_RESET) &&
	    put(b, inlay_quic_put_reset_stream(&b->w, s->id, s->send.reset_code, s->send.next),
		mark, INLAY_QUIC_RESET_STREAM, s->id, 0))
		inlay_streams_paid(s, INLAY_OWES_RESET);
	mark = b->w;
	if ((s->owes & INLAY_OWES_STOP) && !b->full &&
	    put(b, inlay_quic_put_stop_sending(&b->w, s->id, s->recv.stop_code), mark,
		INLAY_QUIC_STOP_SENDING, s->id, 0))
		inlay_streams_paid(s, INLAY_OWES_STOP);
	mark = b->w;
	if ((s->owes & INLAY_OWES_MAX_DATA) && !b->full) {
		__u64 limit = inlay_flow_advertise(&s->recv.flow);

		if (put(b, inlay_quic_put_max_stream_data(&b->w, s->id, limit), mark,
			INLAY_QUIC_MAX_STREAM_DATA, s->id, limit))
			inlay_streams_paid(s, INLAY_OWES_MAX_DATA);
	}
	mark = b->w;
	if ((s->owes & INLAY_OWES_BLOCKED) && !b->full &&
	    put(b, inlay_quic_put_stream_data_blocked(&b->w, s->id, s->send.limit), mark,
		INLAY_QUIC_STREAM_DATA_BLOCKED, s->id, 0))
		inlay_streams_paid(s, INLAY_OWES_BLOCKED);
}

static void put_all_owed(struct build *b)
{
	struct inlay_list *node, *after;

	inlay_list_for_each_safe (node, after, &b->c->streams.owing) {
		if (b->full)
			return;
		put_owed(b, inlay_list_entry(node, struct inlay_stream, owing));
	}
}

static void put_control(struct build *b)
{
	struct inlay_conn *c = b->c;
	struct inlay_writer mark = b->w;

	if (c->handshake_done_due &&
	    put(b, inlay_quic_put_handshake_done(&b->w), mark, INLAY_QUIC_HANDSHAKE_DONE, 0, 0))
		c->handshake_done_due = false;
	put_limits(b);
	put_cids(b);
	put_blocked(b);
	put_all_owed(b);
}

static void put_datagrams(struct build *b)
{
	struct inlay_conn *c = b->c;
	const struct inlay_datagram *d;
	struct inlay_writer mark;

	while ((d = inlay_datagrams_first(&c->datagrams)) != NULL) {
		mark = b->w;
		if (!inlay_quic_put_datagram(&b->w, d->data, d->len, true)) {
			if (b->n_frames > 0)
				return;
			/* The path has shrunk since it was queued. */
			c->stats.datagrams_dropped++;
			inlay_datagrams_pop(&c->datagrams);
			continue;
		}
		if (!note(b, mark, INLAY_QUIC_DATAGRAM, 0, 0))
			return;
		c->stats.datagrams_sent++;
		inlay_datagrams_pop(&c->datagrams);
	}
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
	inlay_conn_stream_reset(c, s->id, s->send.source.evicted_code);
}

/* Bytes of |s| that fit into one frame here; false: none. */
static bool next_range(struct build *b, struct inlay_stream *s, struct inlay_send_range *ret)
{
	__u64 left = inlay_writer_left(&b->w), room;

	if (!inlay_stream_send_next(&s->send, left, flow_credit(b->c), ret))
		return false;
	room = inlay_quic_stream_header_len(s->id, ret->offset, ret->len, true);
	room = room < left ? left - room : 0;
	if (room < min_u64(ret->len, LEAST_STREAM) || (room == 0 && ret->len > 0)) {
		b->full = true;
		return false;
	}
	return inlay_stream_send_next(&s->send, room, flow_credit(b->c), ret);
}

/* Header and bytes. False: nothing was written. */
static bool write_stream(struct build *b, struct inlay_stream *s, const struct inlay_send_range *r)
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

static bool put_stream(struct build *b, struct inlay_stream *s, const struct inlay_send_range *r)
{
	struct inlay_sent_frame f = {
		.type = INLAY_QUIC_STREAM,
		.id = s->id,
		.offset = r->offset,
		.len = (__u16)r->len,
		.fin = r->fin,
	};
	struct inlay_writer mark = b->w;

	if (!write_stream(b, s, r))
		return false;
	if (!inlay_sentlog_frame_add(&b->c->log, &b->frames, &f)) {
		b->w = mark;
		b->full = true;
		return false;
	}
	b->last = f;
	b->n_frames++;
	b->eliciting = true;
	if (inlay_stream_send_on_sent(&s->send, r))
		b->c->recovery_failed = true;
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

static void put_streams(struct build *b)
{
	struct inlay_conn *c = b->c;
	struct inlay_send_range r;
	struct inlay_stream *s;

	while (!b->full && (s = inlay_streams_first(&c->streams))) {
		if (!next_range(b, s, &r)) {
			if (!b->full)
				tell_blocked(c);
			return;
		}
		if (!r.again && !charge_flow(c, r.len))
			return;
		if (put_stream(b, s, &r))
			tell_stream_blocked(c, s);
		else if (!r.again)
			inlay_fetch_add_u64(&c->entry->flow_bytes, -r.len);
	}
}

/* --- Packets -------------------------------------------------------------------------------- */

/* Largest datagram to send now; 0: amplification forbids any. */
static size_t datagram_size(const struct inlay_conn *c, size_t room)
{
	__u64 most = min_u64(room, c->entry->path_mtu);

	return min_u64(most, inlay_paths_allowance(&c->paths));
}

static bool begin(struct build *b, struct inlay_conn *c, __u8 *dst, size_t size, inlay_ns now)
{
	memset(b, 0, sizeof(*b));
	b->c = c;
	b->now = now;
	b->hdr_len = (__u8)(1 + inlay_cids_peer(&c->cids)->len + INLAY_TX_PN);
	/* Too little to hold any frame of ours. */
	if (size < (size_t)b->hdr_len + INLAY_TAG + 64)
		return false;
	b->w = inlay_writer_of(dst, size - INLAY_TAG);
	return inlay_writer_reserve(&b->w, b->hdr_len, &b->header);
}

/* One STREAM frame of a unidirectional stream of ours is written as a forwarder would write it. */
static void fill_entry(const struct build *b, struct inlay_sent *e, size_t len)
{
	const struct inlay_sent_frame *f = &b->last;

	*e = (struct inlay_sent){
		.time_us = (__u32)(b->now / INLAY_US),
		.packet_size = (__u16)len,
		.flags = b->eliciting || b->padded ? 0 : INLAY_SENT_NOT_IN_FLIGHT,
	};
	if (b->n_frames == 1 && f->type == INLAY_QUIC_STREAM &&
	    inlay_stream_kind_of(f->id) == INLAY_UNI && f->id >> 2 <= 0xffffffffU) {
		e->stream = (__u32)(f->id >> 2);
		e->offset = f->offset;
		e->payload_len = f->len;
		e->flags |= f->fin ? INLAY_SENT_FIN : 0;
	} else {
		e->flags |= INLAY_SENT_LOCAL;
	}
}

/* RFC 9000 section 21.4: a peer that acknowledges what it never got gives itself away. */
static void skip_now_and_then(struct inlay_conn *c)
{
	__u8 random;

	if (!c->ops->random || !inlay_sentlog_may_take(&c->log, false))
		return;
	if (c->until_skip-- > 0)
		return;
	inlay_conn_random(c, &random, 1);
	c->until_skip = SKIP_MIN + random % SKIP_SPREAD;
	inlay_sentlog_skip(&c->log);
}

/* Takes the number, writes header, descriptor and log entry. Returns the length; 0: not sent. */
static size_t finish(struct build *b)
{
	struct inlay_conn *c = b->c;
	struct inlay_writer header = inlay_writer_of(b->header, b->hdr_len);
	struct inlay_sent e;
	size_t len;
	__u64 pn;

	skip_now_and_then(c);
	pn = inlay_sentlog_take(&c->log);
	b->w.end += INLAY_TAG;
	inlay_quic_put_short(&header, inlay_cids_peer(&c->cids), pn, INLAY_TX_PN);
	inlay_quic_put_desc(&b->w, c->entry->sa, c->entry->sa_generation, 0, b->hdr_len, pn);
	len = inlay_writer_len(&b->w);
	fill_entry(b, &e, len);
	if (!(e.flags & INLAY_SENT_LOCAL)) {
		inlay_sentlog_frames_free(&c->log, b->frames);
		b->frames = 0;
	}
	if (!inlay_sentlog_publish(&c->log, pn, &e, b->frames))
		return 0;
	if (!(e.flags & INLAY_SENT_NOT_IN_FLIGHT)) {
		inlay_recovery_on_sent(&c->recovery, b->now);
		inlay_close_on_eliciting_sent(&c->close, b->now);
	}
	c->paths.sent += len;
	c->stats.packets_sent++;
	c->stats.bytes_sent += len;
	return len;
}

static bool has_more(const struct inlay_conn *c)
{
	return c->handshake_done_due || c->ping_due || c->flow.pending ||
	       c->streams.quota[0].pending || c->streams.quota[1].pending ||
	       c->streams.quota[0].blocked || c->streams.quota[1].blocked || c->data_blocked_due ||
	       !inlay_list_is_empty(&c->streams.owing) ||
	       !inlay_intervals_is_empty(&c->cids.retiring) ||
	       inlay_cids_pending((struct inlay_cids *)&c->cids) ||
	       !inlay_list_is_empty(&c->datagrams.queue) || inlay_streams_first(&c->streams);
}

static void put_ping(struct build *b)
{
	struct inlay_writer mark = b->w;

	if (put(b, inlay_quic_put_ping(&b->w), mark, INLAY_QUIC_PING, 0, 0))
		b->c->ping_due = false;
}

static void put_everything(struct build *b)
{
	put_control(b);
	if (!b->full)
		put_datagrams(b);
	put_streams(b);
	put_all_owed(b); /* a stream that ran dry owes a reset now */
	if (b->c->ping_due && !b->eliciting)
		put_ping(b);
}

/* The next packet in flight that was not yet repeated; after the newest comes the oldest again. */
static bool next_to_repeat(struct inlay_conn *c, __u64 *ret_pn)
{
	__u64 next = inlay_load_u64(&c->entry->next_pn), oldest = c->log.oldest, i;

	if (c->probe_from < oldest || c->probe_from >= next)
		c->probe_from = oldest;
	for (i = oldest; i < next; i++) {
		__u64 pn = c->probe_from++;

		if (c->probe_from >= next)
			c->probe_from = oldest;
		if (inlay_sentlog_fate(&c->log, pn) != INLAY_FATE_OPEN)
			continue;
		*ret_pn = pn;
		return true;
	}
	return false;
}

/*
 * RFC 9002 section 6.2.4. What is in flight goes out once more, in turn, and new data after it: a
 * peer that has no memory for what lies behind a gap needs the gap filled first.
 */
static void put_probe(struct build *b)
{
	__u64 pn;

	if (next_to_repeat(b->c, &pn))
		inlay_conn_repeat(b->c, pn);
	put_everything(b);
	if (!b->eliciting)
		put_ping(b);
}

/* A long-lived receiver's ACKs would grow without end if the peer never acknowledged one. */
static bool wants_ping(const struct inlay_conn *c)
{
	return c->acks.report.n >= PING_AT_RANGES && inlay_sentlog_in_flight(&c->log) == 0;
}

/* Charges |size| bytes to the congestion window, all or nothing; a probe always. */
static bool reserve(struct inlay_conn *c, __u64 size, bool probe)
{
	__u64 *sent = &c->entry->bytes_sent;

	if (inlay_fetch_add_u64(sent, size) + size <= inlay_load_u64(&c->entry->class_limit[0]) ||
	    probe)
		return true;
	inlay_fetch_add_u64(sent, -size);
	return false;
}

static size_t send_packet(struct inlay_conn *c, __u8 *dst, size_t size, inlay_ns now)
{
	bool due = inlay_acks_is_due(&c->acks, now), probe = c->recovery.probes > 0;
	bool more = probe || has_more(c) || (due && wants_ping(c)), reserved = false;
	size_t len = 0;
	struct build b;

	if ((!more && !due) || !inlay_sentlog_may_take(&c->log, probe || due))
		return 0;
	if (!begin(&b, c, dst, size, now))
		return 0;
	if (more && inlay_sentlog_may_take(&c->log, probe))
		reserved = reserve(c, size, probe);
	if (!reserved && !due)
		return 0;
	if (due || inlay_acks_is_useful(&c->acks, now))
		put_ack(&b);
	if (reserved && probe)
		put_probe(&b);
	else if (reserved)
		put_everything(&b);
	if (reserved && !b.eliciting && due && wants_ping(c))
		put_ping(&b);
	if (b.n_frames > 0)
		len = finish(&b);
	if (probe && b.eliciting)
		c->recovery.probes--;
	if (reserved)
		inlay_fetch_add_u64(&c->entry->bytes_sent, b.eliciting ? len - size : -size);
	return len;
}

/* --- Special packets ------------------------------------------------------------------------ */

static size_t send_close(struct inlay_conn *c, __u8 *dst, size_t size, inlay_ns now)
{
	const struct inlay_close *x = &c->close;
	struct build b;
	size_t len;

	if (!x->due || !begin(&b, c, dst, size, now) || !inlay_sentlog_may_take(&c->log, true))
		return 0;
	if (!inlay_quic_put_close(&b.w, x->why.application, x->why.code, x->frame_type, x->why.text,
				  strlen(x->why.text)))
		return 0;
	len = finish(&b);
	if (len > 0)
		inlay_close_on_sent(&c->close, inlay_conn_pto(c), now);
	return len;
}

/*
 * A packet for the validation of a path, filled up to 1200 bytes (RFC 9000 section 8.2.1) as far
 * as the amplification limit lets it. |type|: PATH_CHALLENGE or PATH_RESPONSE.
 */
static size_t send_path(struct inlay_conn *c, __u8 *dst, size_t size,
			enum inlay_quic_frame_type type, const __u8 data[8], inlay_ns now)
{
	struct inlay_writer mark;
	size_t fill, len = 0;
	struct build b;

	if (!inlay_sentlog_may_take(&c->log, true) || !begin(&b, c, dst, size, now))
		return 0;
	inlay_fetch_add_u64(&c->entry->bytes_sent, size);
	mark = b.w;
	if (put(&b, inlay_quic_put_path(&b.w, type, data), mark, (__u8)type, 0, 0)) {
		fill = inlay_writer_len(&b.w) + INLAY_TAG;
		if (fill < INLAY_PATH_MIN_SIZE && size >= INLAY_PATH_MIN_SIZE)
			inlay_quic_put_padding(&b.w, INLAY_PATH_MIN_SIZE - fill);
		b.padded = true;
		len = finish(&b);
	}
	inlay_fetch_add_u64(&c->entry->bytes_sent, len - size);
	return len;
}

static size_t send_response(struct inlay_conn *c, __u8 *dst, size_t room,
			    struct inlay_path *ret_path, inlay_ns now)
{
	struct inlay_paths *p = &c->paths;
	struct inlay_path_response r = p->responses[0];
	bool here = !memcmp(&r.path.remote, &p->current.remote, sizeof(r.path.remote));
	size_t size = here ? datagram_size(c, room) : min_u64(room, c->entry->path_mtu), len;

	len = send_path(c, dst, size, INLAY_QUIC_PATH_RESPONSE, r.data, now);
	if (len == 0)
		return 0;
	memmove(p->responses, p->responses + 1, sizeof(*p->responses) * (p->n_responses - 1));
	p->n_responses--;
	*ret_path = r.path;
	return len;
}

static size_t send_challenge(struct inlay_conn *c, __u8 *dst, size_t size, inlay_ns now)
{
	size_t len = send_path(c, dst, size, INLAY_QUIC_PATH_CHALLENGE, c->paths.challenge, now);

	if (len > 0)
		inlay_paths_on_challenge_sent(&c->paths, inlay_conn_pto(c), now);
	return len;
}

size_t inlay_conn_send(struct inlay_conn *c, __u8 *dst, size_t room, struct inlay_path *ret_path,
		       inlay_ns now)
{
	size_t size = datagram_size(c, room), len = 0;

	*ret_path = c->paths.current;
	if (c->close.state == INLAY_CLOSING)
		return send_close(c, dst, size, now);
	if (!inlay_conn_is_open(c))
		return 0;
	if (!inlay_sentlog_may_take(&c->log, false))
		inlay_recovery_relieve(&c->recovery, now);
	if (c->paths.n_responses > 0)
		len = send_response(c, dst, room, ret_path, now);
	if (len == 0 && c->paths.challenge_due)
		len = send_challenge(c, dst, size, now);
	if (len == 0)
		len = send_packet(c, dst, size, now);
	if (c->recovery_failed)
		inlay_conn_fail(c, INLAY_QUIC_INTERNAL_ERROR, 0, "no memory", now);
	inlay_conn_reap(c);
	return len;
}
