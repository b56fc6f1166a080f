/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packets out. A packet is put together first, and takes its number last, once it is sure to be
 * sent (design section 5, rule 1). In order: ACK, control frames, stream bytes to be sent again,
 * new ones by priority; datagrams between them by theirs. Bytes are reserved in the counter that is
 * shared with a forwarder before the packet is built, and given back as far as it stays smaller.
 */
#include "build.h"

#include <string.h>

#define SKIP_MIN       64 /* packets between two numbers skipped on purpose */
#define SKIP_SPREAD    256
#define LEAST_ROOM     64 /* bytes of frames that a packet has room for, or it is not begun */
#define PING_AT_RANGES 16 /* make the peer acknowledge our ACKs when they grow this long */

static __u64 min_u64(__u64 a, __u64 b)
{
	return a < b ? a : b;
}

/* --- Packets -------------------------------------------------------------------------------- */

/* Largest datagram to send now; 0: amplification forbids any. */
static size_t datagram_size(const struct inlay_conn *c, size_t room)
{
	return inlay_path_datagram(inlay_paths_current(&c->paths),
				   min_u64(room, c->entry->path_mtu));
}

bool inlay_build_begin(struct inlay_build *b, struct inlay_conn *c, struct inlay_path_entry *path,
		       __u8 *dst, size_t size, inlay_ns now)
{
	const struct inlay_cid *cid = inlay_conn_path_cid(c, path);

	memset(b, 0, sizeof(*b));
	if (!cid)
		return false;
	b->c = c;
	b->path = path;
	b->cid = *cid;
	b->now = now;
	b->hdr_len = (__u8)(1 + cid->len + INLAY_TX_PN);
	if (size < (size_t)b->hdr_len + INLAY_TAG)
		return false;
	b->w = inlay_writer_of(dst, size - INLAY_TAG);
	return inlay_writer_reserve(&b->w, b->hdr_len, &b->header);
}

/* On the path in use; too little to hold any frame of ours is none. */
static bool begin(struct inlay_build *b, struct inlay_conn *c, __u8 *dst, size_t size, inlay_ns now)
{
	return inlay_build_begin(b, c, inlay_paths_current(&c->paths), dst, size, now) &&
	       inlay_writer_left(&b->w) >= LEAST_ROOM;
}

/* One STREAM frame of a unidirectional stream of ours is written as a forwarder would write it. */
static void fill_entry(const struct inlay_build *b, struct inlay_sent *e, size_t len)
{
	const struct inlay_sent_frame *f = &b->last;

	*e = (struct inlay_sent){
		.time_us = (__u32)(b->now / INLAY_US),
		.packet_size = (__u16)len,
		.flags = b->extra_flags,
	};
	if (!b->eliciting && !b->padded)
		e->flags |= INLAY_SENT_NOT_IN_FLIGHT;
	/* Nor does what goes where the peer may not be say anything of the path that was measured,
	 * which may be gone back to (RFC 9000 section 9.4). */
	if (b->path != inlay_paths_current(&b->c->paths) ||
	    !inlay_paths_is_measured(&b->c->paths, b->path))
		e->flags |= INLAY_SENT_PROBE;
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

	if (!c->ops->random || !inlay_sentlog_may_take(&c->log, false) ||
	    inlay_load_u64(&c->entry->next_pn) + 1 >= INLAY_PN_MAX)
		return;
	if (c->until_skip-- > 0)
		return;
	inlay_conn_random(c, &random, 1);
	c->until_skip = SKIP_MIN + random % SKIP_SPREAD;
	inlay_sentlog_skip(&c->log);
}

/* How it is to leave. Not marked: what is not acknowledged, since nobody would learn that such
 * packets, our own ACKs, do not arrive for their mark; what goes to a path that is not validated;
 * and probes when nothing arrived for long: marks may be why. */
static enum inlay_ecn ecn_mark(const struct inlay_build *b)
{
	struct inlay_conn *c = b->c;
	bool tests = !(b->extra_flags & INLAY_SENT_MTU_PROBE);

	if (!b->eliciting || b->unmarked || !inlay_paths_current(&c->paths)->fits ||
	    c->recovery.pto_count >= INLAY_PMTU_PTOS)
		return INLAY_ECN_NOT_ECT;
	return inlay_ecn_mark(&c->ecn, tests, inlay_conn_pto(c), b->now);
}

size_t inlay_build_finish(struct inlay_build *b)
{
	struct inlay_conn *c = b->c;
	struct inlay_writer header = inlay_writer_of(b->header, b->hdr_len);
	enum inlay_ecn ecn = ecn_mark(b);
	__u8 how = (__u8)(ecn << INLAY_DESC_ECN_SHIFT);
	struct inlay_sent e;
	size_t len;
	__u64 pn;

	skip_now_and_then(c);
	pn = b->pn = inlay_sentlog_take(&c->log);
	b->w.end += INLAY_TAG;
	inlay_quic_put_short(&header, &b->cid, pn, INLAY_TX_PN);
	if (b->extra_flags & INLAY_SENT_MTU_PROBE)
		how |= INLAY_DESC_ALONE;
	inlay_quic_put_desc(&b->w, c->entry->sa, c->entry->sa_generation, how, b->hdr_len, pn);
	len = inlay_writer_len(&b->w);
	b->extra_flags |= ecn ? INLAY_SENT_ECN : 0;
	fill_entry(b, &e, len);
	if (!(e.flags & INLAY_SENT_LOCAL)) {
		inlay_sentlog_frames_free(&c->log, b->frames);
		b->frames = 0;
	}
	if (!inlay_sentlog_publish(&c->log, pn, &e, b->frames))
		return 0;
	if (ecn)
		inlay_ecn_on_sent(&c->ecn, b->now);
	if (!(e.flags & INLAY_SENT_NOT_IN_FLIGHT)) {
		inlay_recovery_on_sent(&c->recovery, b->now);
		inlay_close_on_eliciting_sent(&c->close, b->now);
	}
	b->path->sent += len;
	c->stats.packets_sent++;
	c->stats.bytes_sent += len;
	if (inlay_conn_is_traced(c))
		inlay_conn_trace_sent(c, b->cid.len, b->header, len, b->now);
	return len;
}

static bool has_more(const struct inlay_conn *c)
{
	return c->handshake_done_due || c->ping_due || c->flow.pending || c->ack_request.due ||
	       c->streams.quota[0].pending || c->streams.quota[1].pending ||
	       c->streams.quota[0].blocked || c->streams.quota[1].blocked || c->data_blocked_due ||
	       !inlay_list_is_empty(&c->streams.owing) ||
	       (!inlay_intervals_is_empty(&c->cids.retiring) &&
		c->headers.state == INLAY_HEADERS_SETTLED) ||
	       inlay_cids_pending((struct inlay_cids *)&c->cids) ||
	       !inlay_list_is_empty(&c->datagrams.queue) || inlay_streams_first(&c->streams);
}

static void put_ping(struct inlay_build *b)
{
	struct inlay_writer mark = b->w;

	if (inlay_build_put(b, inlay_quic_put_ping(&b->w), mark, INLAY_QUIC_PING, 0, 0))
		b->c->ping_due = false;
}

static void put_everything(struct inlay_build *b)
{
	inlay_build_control(b);
	inlay_build_payload(b);
	inlay_build_owed(b); /* a stream that ran dry owes a reset now */
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
static void put_probe(struct inlay_build *b)
{
	__u64 pn;

	/* The answer should not wait for the delay that we asked for. */
	inlay_build_immediate_ack(b);
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

static size_t send_packet(struct inlay_conn *c, __u8 *dst, size_t size, inlay_ns now)
{
	bool due = inlay_acks_is_due(&c->acks, now), probe = c->recovery.probes > 0;
	bool ping = due && wants_ping(c), more = probe || has_more(c) || ping, reserved = false;
	size_t len = 0;
	struct inlay_build b;

	if ((!more && !due) || !inlay_sentlog_may_take(&c->log, probe || due))
		return 0;
	if (!begin(&b, c, dst, size, now))
		return 0;
	if (more && inlay_sentlog_may_take(&c->log, probe))
		reserved = inlay_recovery_reserve(&c->recovery, size, probe, now);
	if (!reserved && !due)
		return 0;
	b.probe = probe;
	b.charged = reserved ? size : 0;
	if (due || inlay_acks_is_useful(&c->acks, now))
		inlay_build_ack(&b);
	if (reserved && probe)
		put_probe(&b);
	else if (reserved)
		put_everything(&b);
	if (reserved && !b.eliciting && ping)
		put_ping(&b);
	if (b.n_frames > 0)
		len = inlay_build_finish(&b);
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
	struct inlay_build b;
	size_t len;

	if (!x->due || !begin(&b, c, dst, size, now) || !inlay_sentlog_may_take(&c->log, true))
		return 0;
	if (!inlay_quic_put_close(&b.w, x->why.application, x->why.code, x->frame_type, x->why.text,
				  strlen(x->why.text)))
		return 0;
	len = inlay_build_finish(&b);
	if (len > 0)
		inlay_close_on_sent(&c->close, inlay_conn_pto(c), now);
	return len;
}

/* RFC 9000 section 14.4: PING and PADDING, within the congestion window, on no path that is not
 * validated, and not while it is in doubt whether anything passes. */
static size_t send_mtu_probe(struct inlay_conn *c, __u8 *dst, size_t room, inlay_ns now)
{
	struct inlay_writer mark;
	struct inlay_build b;
	size_t size, len = 0;

	if (!inlay_paths_current(&c->paths)->fits || c->recovery.pto_count > 0 ||
	    c->recovery.probes > 0)
		return 0;
	size = inlay_pmtu_next(&c->pmtu, room, now);
	if (size == 0 || !inlay_sentlog_may_take(&c->log, false) || !begin(&b, c, dst, size, now) ||
	    !inlay_recovery_reserve(&c->recovery, size, false, now))
		return 0;
	mark = b.w;
	b.extra_flags = INLAY_SENT_MTU_PROBE;
	if (inlay_build_put(&b, inlay_quic_put_ping(&b.w), mark, INLAY_QUIC_PING, 0, 0)) {
		inlay_build_immediate_ack(&b);
		inlay_quic_put_padding(&b.w, inlay_writer_left(&b.w));
		len = inlay_build_finish(&b);
	}
	inlay_fetch_add_u64(&c->entry->bytes_sent, len - size);
	if (len > 0)
		inlay_pmtu_on_probe_sent(&c->pmtu, b.pn);
	return len;
}

/* RFC 9000 section 12.3: without a number, not even a CONNECTION_CLOSE can be sent. */
static void end_of_numbers(struct inlay_conn *c)
{
	const struct inlay_close_reason why = {
		.code = INLAY_QUIC_INTERNAL_ERROR,
		.text = "packet numbers are used up",
	};

	if (inlay_close_silently(&c->close, &why) && c->ops->on_closed)
		c->ops->on_closed(c->user, &c->close.why);
}

size_t inlay_conn_send(struct inlay_conn *c, __u8 *dst, size_t room, struct inlay_path *ret_path,
		       inlay_ns now)
{
	size_t size = datagram_size(c, room), len = 0;

	c->now = now;
	*ret_path = inlay_paths_current(&c->paths)->path;
	if (inlay_load_u64(&c->entry->next_pn) >= INLAY_PN_MAX)
		end_of_numbers(c);
	if (c->close.state == INLAY_CLOSING)
		return send_close(c, dst, size, now);
	if (!inlay_conn_is_open(c))
		return 0;
	inlay_conn_poll(c, false);
	if (!inlay_sentlog_may_take(&c->log, false) || inlay_sentlog_is_short(&c->log))
		inlay_recovery_relieve(&c->recovery, now);
	len = inlay_conn_path_send(c, dst, room, ret_path, now);
	if (len == 0)
		len = send_mtu_probe(c, dst, room, now);
	if (len == 0)
		len = send_packet(c, dst, size, now);
	if (c->recovery_failed)
		inlay_conn_fail(c, INLAY_QUIC_INTERNAL_ERROR, 0, "no memory", now);
	inlay_conn_reap(c);
	if (len == 0)
		inlay_conn_keep_limits(c, now);
	if (len > 0 && inlay_conn_is_traced(c))
		inlay_conn_trace_sample(c, now);
	return len;
}
