/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A peer's streams and datagrams: what was written and is not yet acknowledged, in the order in
 * which it goes out; and what ngtcp2 reports about streams, passed on.
 *
 * Invariant of a stream: base <= acked <= sent <= end, and its chunks hold [base, end).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "peer_impl.h"

#define CHUNK_MIN 4096

/* ---- buffers ---- */

static void make_ready(struct inlay_peer *p, struct inlay_peer_stream *s)
{
	struct inlay_list *at;

	if (!inlay_list_is_empty(&s->in_ready)) /* keeps its turn */
		return;
	if (s->shut || s->blocked || (s->sent == s->end && (!s->fin || s->fin_sent)))
		return;
	inlay_list_for_each (at, &p->ready)
		if (inlay_list_entry(at, struct inlay_peer_stream, in_ready)->priority >
		    s->priority)
			break;
	inlay_list_insert_before(at, &s->in_ready);
}

static __u8 *reserve(struct inlay_peer_stream *s, size_t len, size_t *ret_len)
{
	struct inlay_peer_chunk *c = s->last;
	size_t room = len > CHUNK_MIN ? len : CHUNK_MIN;

	if (!c || c->len == c->room) {
		c = malloc(sizeof(*c) + room);
		if (!c)
			return NULL;
		c->next = NULL;
		c->len = 0;
		c->room = room;
		if (s->last)
			s->last->next = c;
		else
			s->first = c;
		s->last = c;
	}
	*ret_len = c->room - c->len < len ? c->room - c->len : len;
	return c->data + c->len;
}

static void commit(struct inlay_peer *p, struct inlay_peer_stream *s, size_t len)
{
	s->last->len += len;
	s->end += len;
	p->unsent += len;
	p->unacked += len;
}

static void drop_acked(struct inlay_peer_stream *s)
{
	struct inlay_peer_chunk *c;

	while ((c = s->first) && s->base + c->len <= s->acked && (c->len == c->room || c->next)) {
		s->base += c->len;
		s->first = c->next;
		if (!s->first)
			s->last = NULL;
		free(c);
	}
}

size_t inlay_peer_stream_gather(const struct inlay_peer_stream *s, ngtcp2_vec *vec, size_t n,
				bool *ret_all)
{
	const struct inlay_peer_chunk *c = s->first;
	__u64 at = s->base;
	size_t used = 0, skip;

	for (; c && used < n; at += c->len, c = c->next) {
		if (at + c->len <= s->sent)
			continue;
		skip = s->sent > at ? s->sent - at : 0;
		vec[used].base = (__u8 *)c->data + skip;
		vec[used++].len = c->len - skip;
	}
	*ret_all = !c;
	return used;
}

void inlay_peer_stream_sent(struct inlay_peer *p, struct inlay_peer_stream *s, size_t bytes,
			    bool fin)
{
	s->sent += bytes;
	p->unsent -= bytes;
	if (fin && s->sent == s->end)
		s->fin_sent = true;
	if (s->sent == s->end && (!s->fin || s->fin_sent))
		inlay_list_remove(&s->in_ready);
}

void inlay_peer_stream_mark_shut(struct inlay_peer *p, struct inlay_peer_stream *s)
{
	if (s->shut)
		return;
	s->shut = true;
	p->unsent -= s->end - s->sent;
	p->unacked -= s->end - s->sent;
	s->end = s->sent;
	inlay_list_remove(&s->in_ready);
}

/* ---- streams ---- */

struct inlay_peer_stream *inlay_peer_stream_find(struct inlay_peer *p, __u64 id)
{
	struct inlay_list *at;

	inlay_list_for_each (at, &p->streams) {
		struct inlay_peer_stream *s =
			inlay_list_entry(at, struct inlay_peer_stream, in_all);

		if (s->id == id)
			return s;
	}
	return NULL;
}

static struct inlay_peer_stream *stream_new(struct inlay_peer *p, __u64 id)
{
	struct inlay_peer_stream *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->id = id;
	inlay_list_init(&s->in_ready);
	/* Newest first: most look-ups are for a stream that is being written or read now. */
	inlay_list_prepend(&p->streams, &s->in_all);
	p->n_streams++;
	return s;
}

static void stream_free(struct inlay_peer *p, struct inlay_peer_stream *s)
{
	struct inlay_peer_chunk *c, *next;

	inlay_peer_stream_mark_shut(p, s);
	inlay_list_remove(&s->in_all);
	p->unacked -= s->end - s->acked;
	for (c = s->first; c; c = next) {
		next = c->next;
		free(c);
	}
	p->n_streams--;
	if (s->source && s->source->release)
		s->source->release(s->ctx);
	free(s);
}

void inlay_peer_streams_fini(struct inlay_peer *p)
{
	while (!inlay_list_is_empty(&p->streams))
		stream_free(p, inlay_list_entry(p->streams.next, struct inlay_peer_stream, in_all));
	while (!inlay_list_is_empty(&p->datagrams))
		inlay_peer_datagram_pop(p);
}

int inlay_peer_stream_open(struct inlay_peer *p, bool bidi, __u64 priority,
			   const struct inlay_stream_source *source, void *ctx, __u64 *ret_id)
{
	struct inlay_peer_stream *s;
	int64_t id = -1;
	int rv;

	if (!p->conn || p->close_due || p->closed)
		return -ENOTCONN;
	rv = bidi ? ngtcp2_conn_open_bidi_stream(p->conn, &id, NULL)
		  : ngtcp2_conn_open_uni_stream(p->conn, &id, NULL);
	if (rv == NGTCP2_ERR_STREAM_ID_BLOCKED)
		return -EAGAIN;
	if (rv)
		return -ENOMEM;
	s = stream_new(p, (__u64)id);
	if (!s) {
		ngtcp2_conn_shutdown_stream(p->conn, 0, id, 0);
		return -ENOMEM;
	}
	ngtcp2_conn_set_stream_user_data(p->conn, id, s);
	s->priority = priority;
	s->source = source;
	s->ctx = ctx;
	*ret_id = s->id;
	return 0;
}

static int may_write(struct inlay_peer *p, const struct inlay_peer_stream *s, __u64 len)
{
	if (!s)
		return -ENOENT;
	if (s->shut || s->fin)
		return -EPIPE;
	if (s->end - s->acked + len > p->config.max_stream_buffer)
		return -ENOBUFS;
	return 0;
}

int inlay_peer_stream_write(struct inlay_peer *p, __u64 id, const __u8 *data, size_t len, bool fin)
{
	struct inlay_peer_stream *s = inlay_peer_stream_find(p, id);
	int rv = may_write(p, s, len);
	size_t n;
	__u8 *dst;

	if (rv)
		return rv;
	while (len) {
		dst = reserve(s, len, &n);
		if (!dst)
			return -ENOMEM;
		memcpy(dst, data, n);
		commit(p, s, n);
		data += n;
		len -= n;
	}
	s->fin = fin;
	make_ready(p, s);
	return 0;
}

int inlay_peer_stream_extend(struct inlay_peer *p, __u64 id, __u64 end, bool fin)
{
	struct inlay_peer_stream *s = inlay_peer_stream_find(p, id);
	size_t n;
	__u8 *dst;
	int rv;

	if (!s)
		return -ENOENT;
	if (!s->source || end < s->end)
		return -EINVAL;
	rv = may_write(p, s, end - s->end);
	if (rv)
		return rv;
	while (s->end < end) {
		dst = reserve(s, end - s->end, &n);
		if (!dst)
			return -ENOMEM;
		rv = s->source->read(s->ctx, s->end, dst, n);
		if (rv)
			return inlay_peer_stream_reset(p, id, s->source->evicted_code);
		commit(p, s, n);
	}
	s->fin = fin;
	make_ready(p, s);
	return 0;
}

int inlay_peer_stream_reset(struct inlay_peer *p, __u64 id, __u64 code)
{
	struct inlay_peer_stream *s = inlay_peer_stream_find(p, id);

	if (!s)
		return -ENOENT;
	s->reset = true;
	inlay_peer_stream_mark_shut(p, s);
	return ngtcp2_conn_shutdown_stream_write(p->conn, 0, (int64_t)id, code) ? -ENOENT : 0;
}

int inlay_peer_stream_set_priority(struct inlay_peer *p, __u64 id, __u64 priority)
{
	struct inlay_peer_stream *s = inlay_peer_stream_find(p, id);

	if (!s)
		return -ENOENT;
	s->priority = priority;
	inlay_list_remove(&s->in_ready);
	make_ready(p, s);
	return 0;
}

int inlay_peer_stream_stop(struct inlay_peer *p, __u64 id, __u64 code)
{
	if (!inlay_peer_stream_find(p, id))
		return -ENOENT;
	return ngtcp2_conn_shutdown_stream_read(p->conn, 0, (int64_t)id, code) ? -ENOENT : 0;
}

static void grant(struct inlay_peer *p, __u64 id, __u64 bytes)
{
	/* Refused for a stream that has ended: nothing more will come on it. */
	(void)ngtcp2_conn_extend_max_stream_offset(p->conn, (int64_t)id, bytes);
	ngtcp2_conn_extend_max_offset(p->conn, bytes);
}

void inlay_peer_stream_consume(struct inlay_peer *p, __u64 id, size_t bytes)
{
	struct inlay_peer_stream *s = inlay_peer_stream_find(p, id);

	if (!s) /* closed: its credit went back then */
		return;
	if (bytes > s->unconsumed)
		bytes = s->unconsumed;
	s->unconsumed -= bytes;
	if (p->hold)
		s->held += bytes;
	else
		grant(p, id, bytes);
}

void inlay_peer_hold(struct inlay_peer *p, bool hold)
{
	p->hold = hold;
	if (!hold)
		inlay_peer_release(p, ~0ULL);
}

void inlay_peer_release(struct inlay_peer *p, __u64 bytes)
{
	struct inlay_list *at;
	__u64 n = p->held_closed < bytes ? p->held_closed : bytes;

	if (!p->conn)
		return;
	ngtcp2_conn_extend_max_offset(p->conn, n);
	p->held_closed -= n;
	bytes -= n;
	/* Oldest first: the newest stands at the head. */
	for (at = p->streams.prev; at != &p->streams && bytes; at = at->prev) {
		struct inlay_peer_stream *s =
			inlay_list_entry(at, struct inlay_peer_stream, in_all);

		n = s->held < bytes ? s->held : bytes;
		s->held -= n;
		bytes -= n;
		grant(p, s->id, n);
	}
}

/* ---- datagrams ---- */

size_t inlay_peer_max_datagram(const struct inlay_peer *p)
{
	const ngtcp2_transport_params *remote;
	size_t packet, overhead;
	ngtcp2_conn *conn = p->conn;

	if (!conn || !p->connected)
		return 0;
	remote = ngtcp2_conn_get_remote_transport_params(conn);
	if (!remote || remote->max_datagram_frame_size < 4)
		return 0;
	packet = ngtcp2_conn_get_path_max_tx_udp_payload_size(conn);
	/* First byte, CID, packet number, tag; frame type and length (RFC 9221 section 4). */
	overhead = 1 + ngtcp2_conn_get_dcid(conn)->datalen + 4 + INLAY_TAG + 3;
	if (packet <= overhead)
		return 0;
	packet -= overhead;
	return remote->max_datagram_frame_size - 3 < packet ? remote->max_datagram_frame_size - 3
							    : packet;
}

int inlay_peer_datagram(struct inlay_peer *p, const __u8 *data, size_t len)
{
	size_t max = inlay_peer_max_datagram(p);
	struct inlay_peer_datagram *d;

	if (!p->connected || p->close_due || p->closed)
		return -ENOTCONN;
	if (!max)
		return -ENOTSUP;
	if (len > max)
		return -EMSGSIZE;
	if (p->datagram_bytes + len > p->config.max_datagram_queue) {
		p->stats.datagrams_dropped++;
		return -ENOBUFS;
	}
	d = malloc(sizeof(*d) + len);
	if (!d)
		return -ENOBUFS;
	d->len = len;
	if (len)
		memcpy(d->data, data, len);
	inlay_list_append(&p->datagrams, &d->node);
	p->datagram_bytes += len;
	p->stats.datagrams_queued++;
	return 0;
}

void inlay_peer_datagram_pop(struct inlay_peer *p)
{
	struct inlay_peer_datagram *d =
		inlay_list_entry(p->datagrams.next, struct inlay_peer_datagram, node);

	inlay_list_remove(&d->node);
	p->datagram_bytes -= d->len;
	free(d);
}

/* ---- what ngtcp2 reports ---- */

static int on_stream_open(ngtcp2_conn *conn, int64_t id, void *user)
{
	struct inlay_peer_stream *s = stream_new(user, (__u64)id);

	if (!s)
		return NGTCP2_ERR_CALLBACK_FAILURE;
	ngtcp2_conn_set_stream_user_data(conn, id, s);
	return 0;
}

static int on_stream_data(ngtcp2_conn *conn, uint32_t flags, int64_t id, uint64_t offset,
			  const uint8_t *data, size_t len, void *user, void *stream_user)
{
	struct inlay_peer *p = user;
	struct inlay_peer_stream *s = stream_user;

	if (s)
		s->unconsumed += len;
	if (p->close_due)
		return 0;
	if (p->config.ops->on_stream_data)
		p->config.ops->on_stream_data(p->config.user, (__u64)id, data, len,
					      flags & NGTCP2_STREAM_DATA_FLAG_FIN);
	else
		inlay_peer_stream_consume(p, (__u64)id, len);
	return 0;
}

static int on_acked(ngtcp2_conn *conn, int64_t id, uint64_t offset, uint64_t len, void *user,
		    void *stream_user)
{
	struct inlay_peer_stream *s = stream_user;
	struct inlay_peer *p = user;

	if (!s)
		return 0;
	p->unacked -= offset + len - s->acked;
	s->acked = offset + len;
	drop_acked(s);
	if (s->source && s->source->acked)
		s->source->acked(s->ctx, s->acked);
	return 0;
}

static bool can_send(ngtcp2_conn *conn, int64_t id)
{
	return ngtcp2_is_bidi_stream(id) || ngtcp2_conn_is_local_stream(conn, id);
}

static int on_stream_close(ngtcp2_conn *conn, uint32_t flags, int64_t id, uint64_t code, void *user,
			   void *stream_user)
{
	struct inlay_peer *p = user;
	struct inlay_peer_stream *s = stream_user;

	/* The other end may open another in its place (RFC 9000 section 4.6). */
	if (!ngtcp2_conn_is_local_stream(conn, id)) {
		if (ngtcp2_is_bidi_stream(id))
			ngtcp2_conn_extend_max_streams_bidi(conn, 1);
		else
			ngtcp2_conn_extend_max_streams_uni(conn, 1);
	}
	/* ngtcp2 answers STOP_SENDING with RESET_STREAM by itself, and tells of it only now. */
	if (s && flags & NGTCP2_STREAM_CLOSE_FLAG_APP_ERROR_CODE_SET && !s->reset &&
	    can_send(conn, id) && !(s->fin && s->acked == s->end) &&
	    p->config.ops->on_stop_sending && !p->close_due)
		p->config.ops->on_stop_sending(p->config.user, (__u64)id, code);
	if (p->config.ops->on_stream_closed && !p->close_due)
		p->config.ops->on_stream_closed(p->config.user, (__u64)id);
	if (!s)
		return 0;
	if (p->hold)
		p->held_closed += s->held + s->unconsumed;
	else
		ngtcp2_conn_extend_max_offset(conn, s->unconsumed + s->held);
	stream_free(p, s);
	return 0;
}

static int on_stream_reset(ngtcp2_conn *conn, int64_t id, uint64_t final_size, uint64_t code,
			   void *user, void *stream_user)
{
	struct inlay_peer *p = user;

	if (p->config.ops->on_stream_reset && !p->close_due)
		p->config.ops->on_stream_reset(p->config.user, (__u64)id, code);
	return 0;
}

static int on_more_stream_credit(ngtcp2_conn *conn, int64_t id, uint64_t max, void *user,
				 void *stream_user)
{
	struct inlay_peer_stream *s = stream_user;

	if (s && s->blocked) {
		s->blocked = false;
		make_ready(user, s);
	}
	return 0;
}

static int on_more_streams(struct inlay_peer *p, bool bidi)
{
	if (p->config.ops->on_streams_available && !p->close_due)
		p->config.ops->on_streams_available(p->config.user, bidi);
	return 0;
}

static int on_more_streams_bidi(ngtcp2_conn *conn, uint64_t max, void *user)
{
	return on_more_streams(user, true);
}

static int on_more_streams_uni(ngtcp2_conn *conn, uint64_t max, void *user)
{
	return on_more_streams(user, false);
}

static int on_datagram(ngtcp2_conn *conn, uint32_t flags, const uint8_t *data, size_t len,
		       void *user)
{
	struct inlay_peer *p = user;

	if (p->config.ops->on_datagram && !p->close_due)
		p->config.ops->on_datagram(p->config.user, data, len);
	return 0;
}

void inlay_peer_set_stream_callbacks(ngtcp2_callbacks *callbacks)
{
	callbacks->stream_open = on_stream_open;
	callbacks->recv_stream_data = on_stream_data;
	callbacks->acked_stream_data_offset = on_acked;
	callbacks->stream_close = on_stream_close;
	callbacks->stream_reset = on_stream_reset;
	callbacks->extend_max_stream_data = on_more_stream_credit;
	callbacks->extend_max_local_streams_bidi = on_more_streams_bidi;
	callbacks->extend_max_local_streams_uni = on_more_streams_uni;
	callbacks->recv_datagram = on_datagram;
}
