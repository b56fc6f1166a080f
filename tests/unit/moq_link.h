/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two MoQ sessions' transport, in memory: streams with priorities, sources, resets, STOP_SENDING,
 * stream limits, a byte window that the test holds, datagrams. Bytes move in pieces of random size
 * when the test steps; nothing is delivered from within a call.
 *
 * End 0 is the client. A stream's half |e| carries what end |e| sends.
 */
#ifndef INLAY_TEST_MOQ_LINK_H
#define INLAY_TEST_MOQ_LINK_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conn.h"
#include "session.h"

#define LINK_STREAMS 4096

struct link_half {
	bool open;
	const struct inlay_stream_source *source;
	void *ctx;
	__u8 *buffer;
	size_t len, room;
	__u64 end; /* bytes to send */
	__u64 sent;
	bool fin, fin_sent;
	bool reset, reset_sent;
	__u64 reset_code;
	__u64 promised; /* bytes that are delivered before the reset */
	bool stop, stop_sent;
	__u64 stop_code;
	bool done; /* everything was delivered, or the reset */
	__u64 priority;
	/* Lent to a forwarder: it delivers, by link_forwarded(), and |sent| follows it. */
	const struct inlay_loan_ops *loan;
	void *loan_ctx;
	bool recalled;
	__u64 forwarded; /* behind the last byte that a forwarder sent */
};

struct link_stream {
	bool used;
	bool closed_told[2];
	struct link_half half[2];
};

struct link_datagram {
	struct inlay_datagram_order order;
	size_t len;
	__u8 data[INLAY_FRAME_MAX];
};

struct link {
	struct link_end {
		struct link *link;
		int index;
		struct inlay_moq_session *session;
		__u64 next_stream[2]; /* bidirectional, unidirectional: how many were opened */
		__u64 limit[2];
		bool refused[2];
		bool stalled;	     /* nothing it sends on data streams is taken */
		__u64 taken;	     /* bytes of data streams it has had delivered */
		size_t max_datagram; /* 0: none */
		struct link_datagram queue[16];
		size_t queued;
		bool told_closed;
		const struct inlay_moq_shared *shared; /* NULL: no forwarder serves it */
		__u64 *shared_next; /* number of the next unidirectional stream, of both; or NULL */
		bool no_acks;	    /* the other end acknowledges nothing */
		__u64 packet, largest; /* that is being delivered to it */
	} ends[2];
	/* A forwarder's look at what is about to be delivered to end 1. |id| ~0: a datagram. */
	void (*look)(void *user, struct link_end *to, __u64 id, __u64 offset, const __u8 *data,
		     size_t len, bool fin);
	void *look_user;
	bool reset_at; /* resets deliver the source's head */
	bool closed;
	int closed_by;
	__u64 close_code;
	__u64 rng;
	inlay_ns now;
	struct link_stream streams[4][LINK_STREAMS]; /* by the two low bits of the ID */
};

static inline __u64 link_random(struct link *l)
{
	l->rng = l->rng * 6364136223846793005ULL + 1442695040888963407ULL;
	return l->rng >> 33;
}

static inline struct link_stream *link_find(struct link *l, __u64 id)
{
	return id >> 2 < LINK_STREAMS ? &l->streams[id & 3][id >> 2] : NULL;
}

static inline struct link_half *link_half_of(struct link_end *e, __u64 id)
{
	struct link_stream *s = link_find(e->link, id);

	return s != NULL && s->used && s->half[e->index].open ? &s->half[e->index] : NULL;
}

/* The half's last moment: what stands behind it is let go. */
static inline void link_finish(struct link_half *h)
{
	const struct inlay_stream_source *source = h->source;

	h->done = true;
	h->source = NULL;
	if (source != NULL && source->release != NULL)
		source->release(h->ctx);
	free(h->buffer);
	h->buffer = NULL;
}

static inline int link_open(void *ctx, bool bidi, __u64 priority,
			    const struct inlay_stream_source *source, void *source_ctx,
			    __u64 *ret_id)
{
	struct link_end *e = ctx;
	int kind = bidi ? 0 : 1;
	__u64 n = !bidi && e->shared_next != NULL ? *e->shared_next : e->next_stream[kind];
	struct link_stream *s;

	if (e->link->closed)
		return -ENOTCONN;
	if (n >= e->limit[kind] || n >= LINK_STREAMS) {
		e->refused[kind] = true;
		return -EAGAIN;
	}
	*ret_id = n << 2 | (__u64)(bidi ? 0 : 2) | (__u64)e->index;
	e->next_stream[kind] = n + 1;
	if (!bidi && e->shared_next != NULL)
		*e->shared_next = n + 1;
	s = link_find(e->link, *ret_id);
	s->used = true;
	s->half[e->index] = (struct link_half){
		.open = true, .source = source, .ctx = source_ctx, .priority = priority};
	if (bidi)
		s->half[!e->index] = (struct link_half){.open = true};
	return 0;
}

static inline int link_write(void *ctx, __u64 id, const __u8 *data, size_t len, bool fin)
{
	struct link_half *h = link_half_of(ctx, id);

	if (h == NULL)
		return -ENOENT;
	if (h->fin || h->reset || h->done)
		return -EPIPE;
	if (h->len + len > h->room) {
		h->room = (h->len + len) * 2;
		h->buffer = realloc(h->buffer, h->room);
	}
	if (len > 0)
		memcpy(h->buffer + h->len, data, len);
	h->len += len;
	h->end = h->len;
	h->fin = fin;
	return 0;
}

static inline int link_extend(void *ctx, __u64 id, __u64 end, bool fin)
{
	struct link_half *h = link_half_of(ctx, id);

	if (h == NULL || h->reset || h->done)
		return -ENOENT;
	if (h->source == NULL || end < h->end || h->fin)
		return -EINVAL;
	h->end = end;
	h->fin = fin;
	return 0;
}

/* True: it is not lent, or not any more. */
static inline bool link_is_back(struct link_half *h)
{
	if (h->loan != NULL && h->loan->back(h->loan_ctx, h->recalled))
		h->loan = NULL;
	return h->loan == NULL;
}

static inline int link_reset(void *ctx, __u64 id, __u64 code)
{
	struct link_half *h = link_half_of(ctx, id);

	if (h == NULL || h->done || h->reset)
		return -ENOENT;
	h->reset = true;
	h->reset_code = code;
	h->recalled = true;
	if (!link_is_back(h))
		return 0;
	if (h->source != NULL && ((struct link_end *)ctx)->link->reset_at && h->source->head)
		h->promised = h->source->head(h->ctx);
	if (h->source != NULL && h->sent >= h->promised) { /* it will not be read again */
		const struct inlay_stream_source *source = h->source;

		h->source = NULL;
		if (source->release != NULL)
			source->release(h->ctx);
	}
	return 0;
}

static inline int link_stop(void *ctx, __u64 id, __u64 code)
{
	struct link_end *e = ctx;
	struct link_stream *s = link_find(e->link, id);
	struct link_half *h = s != NULL && s->used ? &s->half[!e->index] : NULL;

	if (h == NULL || !h->open || h->done || h->stop)
		return -ENOENT;
	h->stop = true;
	h->stop_code = code;
	return 0;
}

static inline void link_consume(void *ctx, __u64 id, size_t bytes)
{
	(void)ctx;
	(void)id;
	(void)bytes;
}

static inline int link_send_datagram(void *ctx, const struct inlay_datagram_order *order,
				     const __u8 *data, size_t len)
{
	struct link_end *e = ctx;

	if (e->max_datagram == 0)
		return -ENOTSUP;
	if (len > e->max_datagram)
		return -EMSGSIZE;
	if (e->queued == INLAY_ARRAY_SIZE(e->queue))
		return -ENOBUFS;
	e->queue[e->queued].order = *order;
	e->queue[e->queued].len = len;
	memcpy(e->queue[e->queued].data, data, len);
	e->queued++;
	return 0;
}

static inline size_t link_max_datagram(void *ctx)
{
	return ((struct link_end *)ctx)->max_datagram;
}

static inline void link_close(void *ctx, __u64 code, const char *text)
{
	struct link_end *e = ctx;

	(void)text;
	if (e->link->closed)
		return;
	e->link->closed = true;
	e->link->closed_by = e->index;
	e->link->close_code = code;
}

static inline int link_set_priority(void *ctx, __u64 id, __u64 priority)
{
	struct link_half *h = link_half_of(ctx, id);

	if (h == NULL)
		return -ENOENT;
	h->priority = priority;
	return 0;
}

static inline size_t link_datagrams_queued(void *ctx, __u64 flow)
{
	const struct link_end *e = ctx;
	size_t n = 0;

	for (size_t i = 0; i < e->queued; i++)
		n += e->queue[i].order.flow == flow;
	return n;
}

static inline void link_datagrams_drop(void *ctx, __u64 flow)
{
	struct link_end *e = ctx;
	size_t kept = 0;

	for (size_t i = 0; i < e->queued; i++)
		if (e->queue[i].order.flow != flow)
			e->queue[kept++] = e->queue[i];
	e->queued = kept;
}

static inline int link_shared(void *ctx, struct inlay_moq_shared *ret)
{
	const struct link_end *e = ctx;

	if (e->shared == NULL)
		return -ENOTSUP;
	*ret = *e->shared;
	return 0;
}

/* A forwarder opens and sends stream |number| of end 1's. */
static inline struct link_half *link_forward_half(struct link *l, __u64 number)
{
	struct link_stream *s = link_find(l, number << 2 | 3);

	if (!s->used) {
		s->used = true;
		s->half[1] = (struct link_half){.open = true, .priority = 1ULL << 62};
		if (l->ends[1].next_stream[1] <= number)
			l->ends[1].next_stream[1] = number + 1;
	}
	return &s->half[1];
}

/* What it sent arrives, if all before it did; the rest is lost, and sent again by who has it. */
static inline void link_forwarded(struct link *l, __u64 number, __u64 offset, const __u8 *data,
				  size_t len, bool fin)
{
	struct link_half *h = link_forward_half(l, number);

	if (offset + len > h->forwarded)
		h->forwarded = offset + len;
	if (offset != h->sent || h->done)
		return;
	h->sent += len;
	h->fin_sent = fin;
	inlay_moq_session_on_stream_data(l->ends[0].session, number << 2 | 3, data, len, fin,
					 l->now);
}

static inline int link_adopt(void *ctx, __u64 number, __u64 priority,
			     const struct inlay_stream_source *source, void *source_ctx,
			     const struct inlay_loan_ops *loan, void *loan_ctx, __u64 *ret_id)
{
	struct link_end *e = ctx;
	struct link_half *h = link_forward_half(e->link, number);

	if (h->source != NULL || h->done)
		return -EEXIST;
	h->source = source;
	h->ctx = source_ctx;
	h->loan = loan;
	h->loan_ctx = loan_ctx;
	*ret_id = number << 2 | 3;
	return 0;
}

static inline int link_lend(void *ctx, __u64 id, const struct inlay_loan_ops *loan, void *loan_ctx,
			    __u64 *ret_offset)
{
	struct link_half *h = link_half_of(ctx, id);

	if (h == NULL || h->done)
		return -ENOENT;
	if (h->fin || h->reset || h->loan != NULL)
		return -EINVAL;
	if (h->sent < h->end)
		return -EAGAIN;
	h->loan = loan;
	h->loan_ctx = loan_ctx;
	h->recalled = false;
	*ret_offset = h->sent;
	return 0;
}

static inline int link_recall(void *ctx, __u64 id)
{
	struct link_half *h = link_half_of(ctx, id);

	if (h == NULL)
		return -ENOENT;
	h->recalled = true;
	link_is_back(h);
	return 0;
}

static inline bool link_progress(void *ctx, __u64 id, struct inlay_moq_progress *ret)
{
	const struct link_end *e = ctx;
	const struct link_half *h = link_half_of(ctx, id);

	if (h == NULL)
		return false;
	*ret = (struct inlay_moq_progress){.sent = h->sent,
					   .acked = e->no_acks ? 0 : h->sent,
					   .number = id >> 2,
					   .lent = h->loan != NULL};
	return true;
}

static inline void link_packet(void *ctx, struct inlay_moq_packet *ret)
{
	const struct link_end *e = ctx;

	*ret = (struct inlay_moq_packet){.number = e->packet, .largest = e->largest};
}

static const struct inlay_moq_transport_ops link_ops = {
	.stream_open = link_open,
	.stream_write = link_write,
	.stream_extend = link_extend,
	.stream_reset = link_reset,
	.stream_stop = link_stop,
	.stream_consume = link_consume,
	.datagram = link_send_datagram,
	.max_datagram = link_max_datagram,
	.close = link_close,
	.stream_set_priority = link_set_priority,
	.datagrams_queued = link_datagrams_queued,
	.datagrams_drop = link_datagrams_drop,
	.shared = link_shared,
	.stream_adopt = link_adopt,
	.stream_lend = link_lend,
	.stream_recall = link_recall,
	.stream_progress = link_progress,
	.packet = link_packet,
};

static inline struct link *link_new(__u64 seed)
{
	struct link *l = calloc(1, sizeof(*l));

	l->rng = seed * 2 + 1;
	for (int i = 0; i < 2; i++) {
		l->ends[i].link = l;
		l->ends[i].index = i;
		l->ends[i].limit[0] = l->ends[i].limit[1] = 1000;
		l->ends[i].max_datagram = 1200;
		l->ends[i].packet = ~0ULL;
	}
	return l;
}

static inline struct inlay_moq_transport link_transport(struct link *l, int end)
{
	return (struct inlay_moq_transport){&link_ops, &l->ends[end], end == 1};
}

/* After the sessions. */
static inline void link_free(struct link *l)
{
	for (int kind = 0; kind < 4; kind++)
		for (__u64 n = 0; n < l->ends[kind & 1].next_stream[kind >> 1]; n++)
			for (int e = 0; e < 2; e++)
				if (l->streams[kind][n].half[e].open &&
				    !l->streams[kind][n].half[e].done)
					link_finish(&l->streams[kind][n].half[e]);
	free(l);
}

static inline void link_set_limit(struct link *l, int end, bool bidi, __u64 limit)
{
	struct link_end *e = &l->ends[end];

	e->limit[!bidi] = limit;
	if (e->refused[!bidi]) {
		e->refused[!bidi] = false;
		inlay_moq_session_on_streams_available(e->session, bidi, l->now);
	}
}

static inline void link_check_closed(struct link *l, __u64 id)
{
	struct link_stream *s = link_find(l, id);
	bool done = (!s->half[0].open || s->half[0].done) && (!s->half[1].open || s->half[1].done);

	for (int e = 0; e < 2; e++) {
		if (!done || s->closed_told[e])
			continue;
		s->closed_told[e] = true;
		inlay_moq_session_on_stream_closed(l->ends[e].session, id, l->now);
	}
}

/* A STOP_SENDING, a reset, or some bytes of half |from| of stream |id|. False: there is nothing. */
static inline bool link_move(struct link *l, __u64 id, int from)
{
	struct link_stream *s = link_find(l, id);
	struct link_half *h = &s->half[from];
	struct inlay_moq_session *to = l->ends[!from].session;
	bool is_data = (id & 2) && h->priority >= 1ULL << 62;
	__u8 piece[4096];
	size_t n;

	if (!h->open || h->done)
		return false;
	if (h->stop && !h->stop_sent) {
		h->stop_sent = true;
		if (h->fin_sent)
			return true;
		link_reset(&l->ends[from], id, h->stop_code);
		inlay_moq_session_on_stop_sending(l->ends[from].session, id, h->stop_code, l->now);
		return true;
	}
	if (h->reset && !link_is_back(h))
		return false;
	if (h->reset && h->sent < h->promised) {
		n = (size_t)(h->promised - h->sent);
		if (n > sizeof(piece) || h->source->read(h->ctx, h->sent, piece, n))
			abort();
		h->sent += n;
		inlay_moq_session_on_stream_data(to, id, piece, n, false, l->now);
		return true;
	}
	if (h->reset) {
		__u64 code = h->reset_code;

		link_finish(h);
		inlay_moq_session_on_stream_reset(to, id, code, l->now);
		link_check_closed(l, id);
		return true;
	}
	if (l->ends[from].stalled && is_data)
		return false;
	/* All that a forwarder sends below; the end of what it sent. */
	if (h->source != NULL && h->fin && h->fin_sent && h->sent == h->end) {
		link_finish(h);
		link_check_closed(l, id);
		return true;
	}
	if (h->sent >= h->end && (!h->fin || h->fin_sent))
		return false;
	if (!link_is_back(h) && h->sent >= h->forwarded)
		return false;
	n = 1 + link_random(l) % (link_random(l) % 4 == 0 ? 16 : sizeof(piece));
	if (n > h->end - h->sent)
		n = (size_t)(h->end - h->sent);
	if (h->source == NULL) {
		if (n > 0)
			memcpy(piece, h->buffer + h->sent, n);
	} else if (n > 0 && h->source->read(h->ctx, h->sent, piece, n) < 0) {
		h->reset = true;
		h->reset_code = h->source->evicted_code;
		return true;
	}
	if (!from && l->look != NULL) {
		n = n < 1100 ? n : 1100;
		l->look(l->look_user, &l->ends[1], id, h->sent, piece, n,
			h->fin && h->sent + n == h->end);
	}
	h->sent += n;
	if (is_data)
		l->ends[from].taken += n;
	if (h->source != NULL && h->source->acked != NULL)
		h->source->acked(h->ctx, h->sent);
	h->fin_sent = h->fin && h->sent == h->end;
	if (h->fin_sent)
		link_finish(h);
	inlay_moq_session_on_stream_data(to, id, piece, n, h->fin_sent, l->now);
	l->ends[!from].packet = ~0ULL;
	if (h->done)
		link_check_closed(l, id);
	return true;
}

static inline bool link_has_work(struct link *l, __u64 id, int from)
{
	struct link_half *h = &link_find(l, id)->half[from];

	if (!h->open || h->done)
		return false;
	if (h->stop && !h->stop_sent)
		return true;
	if (h->reset)
		return link_is_back(h);
	if (!link_is_back(h) && h->sent >= h->forwarded)
		return h->source != NULL && h->fin && h->fin_sent && h->sent == h->end;
	if (h->source != NULL && h->fin && h->fin_sent)
		return true;
	if (l->ends[from].stalled && (id & 2) && h->priority >= 1ULL << 62)
		return false;
	return h->sent < h->end || (h->fin && !h->fin_sent);
}

/* The most urgent stream of an end; mostly. */
static inline bool link_step_end(struct link *l, int from)
{
	__u64 best = ~0ULL, best_priority = 0;

	if (l->ends[from].queued > 0 && !l->ends[from].stalled) {
		struct link_datagram d = l->ends[from].queue[0];

		l->ends[from].queued--;
		memmove(l->ends[from].queue, l->ends[from].queue + 1,
			l->ends[from].queued * sizeof(d));
		if (!from && l->look != NULL)
			l->look(l->look_user, &l->ends[1], ~0ULL, 0, d.data, d.len, false);
		inlay_moq_session_on_datagram(l->ends[!from].session, d.data, d.len, l->now);
		l->ends[!from].packet = ~0ULL;
		return true;
	}
	for (__u64 kind = 0; kind < 4; kind++) {
		__u64 count = l->ends[kind & 1].next_stream[kind >> 1];

		for (__u64 n = 0; n < count && n < LINK_STREAMS; n++) {
			__u64 id = n << 2 | kind;
			__u64 p = link_find(l, id)->half[from].priority;

			if (link_has_work(l, id, from) &&
			    (best == ~0ULL || p < best_priority || link_random(l) % 8 == 0)) {
				best = id;
				best_priority = p;
			}
		}
	}
	return best != ~0ULL && link_move(l, best, from);
}

/* False: there was nothing to do. */
static inline bool link_step(struct link *l)
{
	struct inlay_moq_closed why = {.application = true, .text = ""};
	int first = (int)(link_random(l) % 2);
	bool moved = false;

	if (!l->closed)
		return link_step_end(l, first) || link_step_end(l, !first);
	for (int e = 0; e < 2; e++) {
		if (l->ends[e].told_closed)
			continue;
		l->ends[e].told_closed = true;
		why.code = l->close_code;
		why.by_peer = l->closed_by != e;
		inlay_moq_session_on_transport_closed(l->ends[e].session, &why, l->now);
		moved = true;
	}
	return moved;
}

static inline void link_run(struct link *l)
{
	while (link_step(l))
		;
}

#endif
