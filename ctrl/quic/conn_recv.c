/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packets in. A packet is acknowledged only once all of its frames were taken; one that asks for
 * memory we do not grant is left unacknowledged, and comes again in other packets. Frames are
 * idempotent, so taking some of them twice does no harm.
 */
#include "conn_internal.h"

#include <errno.h>
#include <string.h>

struct packet {
	const struct inlay_path *path;
	const struct inlay_quic_clear *clear;
	size_t len;
	inlay_ns now;
	bool eliciting;
	bool hurried; /* IMMEDIATE_ACK is in it */
	bool probing; /* nothing but probing frames: RFC 9000 section 9.1 */
};

/* --- Streams -------------------------------------------------------------------------------- */

static void on_new_stream(struct inlay_conn *c, const struct inlay_stream *s)
{
	c->stats.streams_accepted++;
	if (inlay_conn_is_traced(c))
		inlay_conn_trace_stream(c, s->id, true);
}

/* The application gets |len| bytes that are next in |s|. */
static void hand_over(struct inlay_conn *c, struct inlay_stream *s, const __u8 *data, size_t len)
{
	struct inlay_stream_recv *r = &s->recv;
	/* A reset is no clean end, even if every byte came. */
	bool fin = r->has_final && !r->reset && r->next + len == r->final_size;

	if (fin)
		r->fin_delivered = true;
	if (c->ops->on_stream_data)
		c->ops->on_stream_data(c->user, s->id, data, len, fin);
	inlay_stream_recv_advance(r, len);
}

static bool wants_more(const struct inlay_conn *c, const struct inlay_stream *s)
{
	return inlay_conn_is_open(c) && !s->recv.stopped && !s->recv.fin_delivered &&
	       !inlay_stream_recv_reset_is_due(&s->recv);
}

static void deliver(struct inlay_conn *c, struct inlay_stream *s, const struct inlay_quic_stream *f)
{
	__u64 known = s->recv.next - f->offset;
	const __u8 *data;
	size_t len;

	c->delivering = s;
	if (f->len > known)
		hand_over(c, s, f->data + known, f->len - known);
	while (wants_more(c, s) && inlay_stream_recv_peek(&s->recv, &data, &len))
		hand_over(c, s, data, len);
	if (wants_more(c, s) && !s->recv.reset && inlay_stream_recv_at_end(&s->recv))
		hand_over(c, s, NULL, 0);
	c->delivering = NULL;
}

/* Tells the application of a reset once it has all that was promised, and settles the stream. */
static void settle_receiver(struct inlay_conn *c, struct inlay_stream *s)
{
	struct inlay_stream_recv *r = &s->recv;

	if (inlay_stream_recv_reset_is_due(r)) {
		r->reset_delivered = true;
		inlay_conn_discard(c, s);
		if (c->ops->on_stream_reset)
			c->ops->on_stream_reset(c->user, s->id, r->reset_code);
	}
	if (r->stopped || r->reset_delivered)
		inlay_conn_discard(c, s);
	inlay_streams_settle(&c->streams, s);
}

static enum inlay_quic_error on_stream(struct inlay_conn *c, const struct inlay_quic_stream *f)
{
	enum inlay_quic_error err;
	struct inlay_stream *s;
	__u64 rise;
	bool is_new;

	err = inlay_streams_accept(&c->streams, f->id, false, &s, &is_new);
	if (err || !s)
		return err;
	if (is_new)
		on_new_stream(c, s);
	err = inlay_stream_recv_check(&s->recv, f->offset, f->len, f->fin, &rise);
	if (err)
		return err;
	if (!inlay_flow_receive(&c->flow, rise))
		return INLAY_QUIC_FLOW_CONTROL_ERROR;
	inlay_stream_recv_note(&s->recv, f->offset, f->len, f->fin);
	if (!s->recv.stopped && !s->recv.fin_delivered && !s->recv.reset_delivered) {
		if (f->offset <= s->recv.next)
			deliver(c, s, f);
		else if (inlay_stream_recv_store(&s->recv, f->offset, f->data, f->len))
			c->refused = true;
	}
	settle_receiver(c, s);
	return INLAY_QUIC_NO_ERROR;
}

static enum inlay_quic_error on_reset_stream(struct inlay_conn *c, const struct inlay_quic_frame *f)
{
	enum inlay_quic_error err;
	struct inlay_stream *s;
	__u64 rise;
	bool is_new;

	err = inlay_streams_accept(&c->streams, f->reset.id, false, &s, &is_new);
	if (err || !s)
		return err;
	if (is_new)
		on_new_stream(c, s);
	err = inlay_stream_recv_check(&s->recv, f->reset.final_size, 0, true, &rise);
	if (err)
		return err;
	if (!inlay_flow_receive(&c->flow, rise))
		return INLAY_QUIC_FLOW_CONTROL_ERROR;
	inlay_stream_recv_note(&s->recv, f->reset.final_size, 0, true);
	err = inlay_stream_recv_reset(&s->recv, f->type == INLAY_QUIC_RESET_STREAM_AT,
				      f->reset.code, f->reset.reliable);
	if (err)
		return err;
	inlay_streams_paid(s, INLAY_OWES_STOP | INLAY_OWES_MAX_DATA);
	settle_receiver(c, s);
	return INLAY_QUIC_NO_ERROR;
}

/* RFC 9000 section 3.5: answered with a reset. */
static enum inlay_quic_error on_stop_sending(struct inlay_conn *c, const struct inlay_quic_frame *f)
{
	enum inlay_quic_error err;
	struct inlay_stream *s;
	bool is_new, was_reset;

	inlay_conn_look_for(c, f->reset.id);
	err = inlay_streams_accept(&c->streams, f->reset.id, true, &s, &is_new);
	if (err || !s)
		return err;
	if (is_new)
		on_new_stream(c, s);
	was_reset = s->send.reset || s->send.doomed;
	/* Not RESET_STREAM_AT: nobody will read what it promises. */
	if (!inlay_stream_send_reset(&s->send, f->reset.code, 0))
		return INLAY_QUIC_NO_ERROR;
	inlay_conn_reset_sender(c, s);
	if (!was_reset && c->ops->on_stop_sending)
		c->ops->on_stop_sending(c->user, s->id, f->reset.code);
	return INLAY_QUIC_NO_ERROR;
}

static enum inlay_quic_error on_stream_limit(struct inlay_conn *c, const struct inlay_quic_frame *f)
{
	bool to_send = f->type == INLAY_QUIC_MAX_STREAM_DATA, is_new;
	enum inlay_quic_error err;
	struct inlay_stream *s;

	if (to_send)
		inlay_conn_look_for(c, f->limit.id);
	err = inlay_streams_accept(&c->streams, f->limit.id, to_send, &s, &is_new);
	if (err || !s)
		return err;
	if (is_new)
		on_new_stream(c, s);
	/* STREAM_DATA_BLOCKED tells us nothing: windows move on as they are consumed. */
	if (!to_send || f->limit.limit <= s->send.limit)
		return INLAY_QUIC_NO_ERROR;
	s->send.limit = f->limit.limit;
	if (s->loan && s->loan->limit)
		s->loan->limit(s->loan_ctx, s->send.limit);
	inlay_streams_paid(s, INLAY_OWES_BLOCKED);
	inlay_streams_update(&c->streams, s);
	return INLAY_QUIC_NO_ERROR;
}

/* --- The connection ------------------------------------------------------------------------- */

static void on_max_data(struct inlay_conn *c, __u64 limit)
{
	if (limit <= c->entry->flow_limit)
		return;
	inlay_store_u64(&c->entry->flow_limit, limit);
	c->data_blocked_due = false;
}

static void on_max_streams(struct inlay_conn *c, const struct inlay_quic_frame *f)
{
	struct inlay_stream_quota *q = &c->streams.quota[f->limit.bidi ? INLAY_BIDI : INLAY_UNI];
	__u64 limit = f->limit.limit;

	if (limit <= (f->limit.bidi ? c->streams.bidi_limit : c->entry->stream_limit))
		return;
	if (f->limit.bidi)
		c->streams.bidi_limit = limit;
	else
		inlay_store_u64(&c->entry->stream_limit, limit);
	q->blocked = false;
	if (!q->refused)
		return;
	q->refused = false;
	if (c->ops->on_streams_available)
		c->ops->on_streams_available(c->user, f->limit.bidi);
}

static void update_ack_request(struct inlay_conn *c, inlay_ns now)
{
	const struct inlay_ack_view view = {
		.cwnd_pkts = c->recovery.cc.cwnd / c->entry->path_mtu,
		.smoothed_rtt = c->recovery.rtt.smoothed,
		.packet_threshold = c->recovery.packet_threshold,
	};

	inlay_ack_request_update(&c->ack_request, &view, now);
	c->recovery.rtt.max_ack_delay = inlay_ack_request_delay(&c->ack_request);
}

static enum inlay_quic_error on_ack(struct inlay_conn *c, const struct inlay_quic_ack *f,
				    inlay_ns now)
{
	bool raised = !c->recovery.any_acked || f->largest > c->recovery.largest_acked;
	inlay_ns delay = INLAY_NEVER;
	enum inlay_quic_error err;
	__u64 marked;

	/* Nobody delays for longer than a minute: 2^26 us. */
	if (f->delay < 1ULL << 26)
		delay = (f->delay << c->peer.ack_delay_exponent) * INLAY_US;
	c->stats.acks_received++;
	inlay_streams_fetch(&c->streams);
	inlay_ecn_begin_ack(&c->ecn);
	err = inlay_recovery_on_ack(&c->recovery, f, delay, now);
	inlay_conn_end_ack(c);
	if (err)
		return err;
	marked = inlay_ecn_end_ack(&c->ecn, f, raised, c->recovery.unpublished);
	/* Section 9.4: marks met on the path before say nothing of this one. */
	if (f->largest >= c->recovery.path_first)
		inlay_recovery_on_ce(&c->recovery, marked, now);
	inlay_conn_note_ecn(c);
	inlay_conn_poll(c, true);
	inlay_keyupdate_on_ack(&c->keys, now);
	update_ack_request(c, now);
	return c->recovery_failed ? INLAY_QUIC_INTERNAL_ERROR : INLAY_QUIC_NO_ERROR;
}

/* RFC 9221 section 3: none was announced, or it is larger than was. */
static enum inlay_quic_error on_datagram(struct inlay_conn *c, const struct inlay_quic_frame *f)
{
	__u64 size = 1 + f->bytes.len;

	if (f->bytes.has_len)
		size += inlay_quic_varint_len(f->bytes.len);
	if (size > c->own.max_datagram_frame_size)
		return INLAY_QUIC_PROTOCOL_VIOLATION;
	c->stats.datagrams_received++;
	if (c->ops->on_datagram)
		c->ops->on_datagram(c->user, f->bytes.data, f->bytes.len);
	return INLAY_QUIC_NO_ERROR;
}

static void on_close(struct inlay_conn *c, const struct inlay_quic_close *f, inlay_ns now)
{
	struct inlay_close_reason why = {
		.by_peer = true,
		.application = f->application,
		.code = f->code,
	};

	inlay_close_text(&why, f->reason, f->reason_len);
	if (inlay_close_drain(&c->close, &why, inlay_conn_pto(c), now))
		inlay_conn_ended(c, now);
}

static enum inlay_quic_error on_new_cid(struct inlay_conn *c, const struct inlay_quic_new_cid *f)
{
	__u64 before = inlay_cids_peer_sequence(&c->cids);
	enum inlay_quic_error err = inlay_cids_on_new(&c->cids, f);

	if (!err && inlay_cids_peer_sequence(&c->cids) != before)
		inlay_conn_write_headers(c);
	return err;
}

/* RFC 9001 section 4.1.2: confirmation, for a client. */
static void on_handshake_done(struct inlay_conn *c)
{
	if (!c->confirmed && c->ops->on_confirmed)
		c->ops->on_confirmed(c->user);
	c->confirmed = true;
	c->recovery.no_pto = false;
}

static enum inlay_quic_error on_frame(struct inlay_conn *c, const struct inlay_quic_frame *f,
				      struct packet *p)
{
	bool server = c->role == INLAY_SERVER;

	switch (f->type) {
	case INLAY_QUIC_PADDING:
	case INLAY_QUIC_PING:
	case INLAY_QUIC_DATA_BLOCKED:
	case INLAY_QUIC_STREAMS_BLOCKED:
		return INLAY_QUIC_NO_ERROR;
	case INLAY_QUIC_ACK:
		return on_ack(c, &f->ack, p->now);
	case INLAY_QUIC_STREAM:
		return on_stream(c, &f->stream);
	case INLAY_QUIC_RESET_STREAM_AT:
		/* RFC 9000 section 12.4: unknown, as long as we have not announced it. */
		if (!c->own.reset_stream_at)
			return INLAY_QUIC_FRAME_ENCODING_ERROR;
		return on_reset_stream(c, f);
	case INLAY_QUIC_RESET_STREAM:
		return on_reset_stream(c, f);
	case INLAY_QUIC_STOP_SENDING:
		return on_stop_sending(c, f);
	case INLAY_QUIC_CRYPTO:
		return inlay_post_handshake_recv(&c->crypto, &f->stream, &c->refused);
	case INLAY_QUIC_MAX_STREAM_DATA:
	case INLAY_QUIC_STREAM_DATA_BLOCKED:
		return on_stream_limit(c, f);
	case INLAY_QUIC_MAX_DATA:
		on_max_data(c, f->limit.limit);
		return INLAY_QUIC_NO_ERROR;
	case INLAY_QUIC_MAX_STREAMS:
		on_max_streams(c, f);
		return INLAY_QUIC_NO_ERROR;
	case INLAY_QUIC_NEW_CONNECTION_ID:
		return on_new_cid(c, &f->new_cid);
	case INLAY_QUIC_RETIRE_CONNECTION_ID:
		return inlay_cids_on_retire(&c->cids, f->retire_sequence, p->clear->dcid,
					    p->now + inlay_conn_path_patience(c));
	case INLAY_QUIC_PATH_CHALLENGE:
		inlay_conn_path_challenged(c, p->path, p->clear->dcid, p->len, f->path_data,
					   p->now);
		return INLAY_QUIC_NO_ERROR;
	case INLAY_QUIC_PATH_RESPONSE:
		inlay_conn_path_answered(c, f->path_data, p->now);
		return INLAY_QUIC_NO_ERROR;
	case INLAY_QUIC_CONNECTION_CLOSE:
		on_close(c, &f->close, p->now);
		return INLAY_QUIC_NO_ERROR;
	case INLAY_QUIC_NEW_TOKEN:
	case INLAY_QUIC_HANDSHAKE_DONE:
		/* Sections 19.7 and 19.20: a server never gets one. */
		if (server)
			return INLAY_QUIC_PROTOCOL_VIOLATION;
		if (f->type == INLAY_QUIC_HANDSHAKE_DONE)
			on_handshake_done(c);
		return INLAY_QUIC_NO_ERROR;
	case INLAY_QUIC_DATAGRAM:
		return on_datagram(c, f);
	case INLAY_QUIC_ACK_FREQUENCY:
	case INLAY_QUIC_IMMEDIATE_ACK:
		if (!c->own.has_min_ack_delay)
			return INLAY_QUIC_FRAME_ENCODING_ERROR;
		p->hurried |= f->type == INLAY_QUIC_IMMEDIATE_ACK;
		if (f->type == INLAY_QUIC_ACK_FREQUENCY)
			return inlay_acks_on_frequency(&c->acks, &f->frequency, p->now);
		return INLAY_QUIC_NO_ERROR;
	}
	return INLAY_QUIC_FRAME_ENCODING_ERROR;
}

/* --- Packets -------------------------------------------------------------------------------- */

/* Of the peer's, and what a forwarder may have forwarded. */
static bool is_media(const struct inlay_conn *c, const struct inlay_quic_frame *f)
{
	/* RFC 9000 section 2.1. */
	__u64 bits = 2 | (c->role == INLAY_CLIENT);

	return f->type == INLAY_QUIC_DATAGRAM ||
	       (f->type == INLAY_QUIC_STREAM && (f->stream.id & 3) == bits);
}

void inlay_conn_packet(const struct inlay_conn *c, struct inlay_conn_packet *ret)
{
	*ret = c->packet;
	if (!c->taking)
		ret->number = ~0ULL;
}

static void on_frames(struct inlay_conn *c, struct packet *p)
{
	struct inlay_cursor cursor = p->clear->frames;
	struct inlay_quic_frame f;
	enum inlay_quic_error err;

	if (inlay_cursor_left(&cursor) == 0) {
		/* RFC 9000 section 12.4. */
		inlay_conn_fail(c, INLAY_QUIC_PROTOCOL_VIOLATION, 0, "no frames", p->now);
		return;
	}
	while (inlay_conn_is_open(c) && inlay_cursor_left(&cursor) > 0) {
		err = inlay_quic_frame_parse(&cursor, &f);
		if (err) {
			inlay_conn_fail(c, err, f.wire_type, "malformed frame", p->now);
			return;
		}
		p->eliciting |= inlay_quic_frame_is_ack_eliciting(f.type);
		p->probing &= inlay_quic_frame_is_probing(f.type);
		err = on_frame(c, &f, p);
		if (err) {
			inlay_conn_fail(c, err, f.wire_type, "", p->now);
			return;
		}
		c->packet.media += is_media(c, &f);
	}
}

/* RFC 9001 section 6.2. */
static void follow_phase(struct inlay_conn *c, const struct inlay_quic_clear *clear, inlay_ns now)
{
	enum inlay_keyupdate_step step;
	int err = 0;

	step = inlay_keyupdate_on_packet(&c->keys, clear->pn, clear->first & INLAY_QUIC_SHORT_PHASE,
					 clear->desc_flags, inlay_conn_pto(c), now);
	if (step == INLAY_KEYS_VIOLATED) {
		inlay_conn_fail(c, INLAY_QUIC_KEY_UPDATE_ERROR, 0, "", now);
		return;
	}
	if (step == INLAY_KEYS_STAY)
		return;
	c->stats.key_updates++;
	if (c->ops->next_phase_rx)
		err = c->ops->next_phase_rx(c->user);
	if (!err && step == INLAY_KEYS_RX_TX)
		err = inlay_conn_next_phase(c, now);
	if (err)
		inlay_conn_fail(c, INLAY_QUIC_INTERNAL_ERROR, 0, "key update failed", now);
}

static void take(struct inlay_conn *c, struct packet *p, size_t len)
{
	__u8 ecn = (p->clear->desc_flags & INLAY_DESC_ECN_MASK) >> INLAY_DESC_ECN_SHIFT;

	if (p->clear->first & INLAY_QUIC_SHORT_RESERVED) {
		inlay_conn_fail(c, INLAY_QUIC_PROTOCOL_VIOLATION, 0, "reserved bits", p->now);
		return;
	}
	follow_phase(c, p->clear, p->now);
	if (!inlay_conn_is_open(c))
		return;
	c->refused = false;
	inlay_conn_path_received(c, p->path, len);
	c->packet.number = p->clear->pn;
	c->packet.media = 0;
	if (p->clear->pn > c->packet.largest)
		c->packet.largest = p->clear->pn;
	c->taking = true;
	on_frames(c, p);
	c->taking = false;
	if (!inlay_conn_is_open(c))
		return;
	if (c->refused) {
		if (p->eliciting)
			inlay_acks_on_refused(&c->acks, p->now);
		return;
	}
	if (!c->ecn.enabled)
		ecn = INLAY_ECN_NOT_ECT;
	c->acks.pause = c->recovery.rtt.smoothed > INLAY_ACK_PAUSE ? c->recovery.rtt.smoothed
								   : INLAY_ACK_PAUSE;
	if (inlay_acks_on_packet(&c->acks, p->clear->pn, p->eliciting, ecn == INLAY_ECN_CE, p->now))
		return;
	inlay_acks_count_ecn(&c->acks, ecn);
	if (p->eliciting)
		inlay_keyupdate_on_eliciting(&c->keys, p->clear->pn);
	if (p->hurried)
		inlay_acks_hurry(&c->acks, p->now);
	/* RFC 9000 section 9.3: the newest packet, other than a probe, says where the peer is. */
	if (!p->probing && p->clear->pn == c->acks.largest)
		inlay_conn_path_follow(c, p->path, p->clear->dcid, len, p->now);
}

/* NULL: it is to be taken; else why not, in qlog's words. */
static const char *refuse(struct inlay_conn *c, const struct inlay_path *path,
			  const struct inlay_quic_clear *clear, inlay_ns now)
{
	if (!inlay_conn_is_known_path(c, path)) {
		c->stats.unknown_path++;
		return "general";
	}
	if (!inlay_conn_is_open(c)) {
		inlay_close_on_packet(&c->close, now);
		return "general";
	}
	if (inlay_acks_is_duplicate(&c->acks, clear->pn)) {
		c->stats.duplicates++;
		return "duplicate";
	}
	return NULL;
}

void inlay_conn_recv(struct inlay_conn *c, const struct inlay_path *path, const __u8 *packet,
		     size_t len, inlay_ns now)
{
	struct inlay_quic_clear clear;
	struct packet p = {.path = path, .clear = &clear, .len = len, .now = now, .probing = true};
	const char *refused;

	if (!inlay_quic_clear_parse(packet, len, INLAY_OWN_CID, &clear)) {
		if (inlay_conn_is_traced(c))
			inlay_conn_trace_dropped(c, NULL, len, "invalid", now);
		return;
	}
	c->now = now;
	c->stats.packets_received++;
	c->stats.bytes_received += len;
	refused = refuse(c, path, &clear, now);
	if (refused) {
		if (inlay_conn_is_traced(c))
			inlay_conn_trace_dropped(c, &clear, len, refused, now);
		return;
	}
	if (inlay_conn_is_traced(c))
		inlay_conn_trace_received(c, &clear, len, now);
	inlay_close_on_received(&c->close, now);
	take(c, &p, len);
	inlay_conn_refresh_classes(c, now);
	inlay_conn_reap(c);
	if (inlay_conn_is_traced(c))
		inlay_conn_trace_sample(c, now);
}
