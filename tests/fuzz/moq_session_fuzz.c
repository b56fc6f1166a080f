/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Three sessions of a relay, the peers of which are the input: any bytes on any streams, in any
 * order, resets, time. What the relay sends on its data streams must be well-formed whatever came
 * in: nothing malformed passes from one session to another.
 *
 * Input: records {session and operation, stream, length, bytes}.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conn.h"
#include "inlay_moq_framer.h"
#include "relay.h"

int LLVMFuzzerTestOneInput(const __u8 *data, size_t len);

#define SESSIONS 3
#define STREAMS	 64

enum operation {
	OP_DATA,
	OP_FIN,
	OP_RESET,
	OP_STOP,
	OP_DATAGRAM,
	OP_TIME,
	OP_CREDIT,
	OP_DRAIN,
};

/* A stream that the relay sends on. */
struct sending {
	bool open;
	const struct inlay_stream_source *source;
	void *ctx;
	__u64 end, read;
	bool fin;
	struct inlay_moq_framer framer;
};

struct peer {
	struct inlay_relay_session *rs;
	__u64 next[2], limit[2];
	struct sending uni[STREAMS];
	bool ended[4][STREAMS]; /* nothing more arrives: by the low bits of the ID */
	bool closed;
};

struct world {
	struct inlay_relay *relay;
	struct peer peers[SESSIONS];
	inlay_ns now;
};

static void let_go(struct sending *s)
{
	const struct inlay_stream_source *source = s->source;

	s->open = false;
	s->source = NULL;
	if (source != NULL)
		source->release(s->ctx);
}

static int stream_open(void *ctx, bool bidi, __u64 priority,
		       const struct inlay_stream_source *source, void *source_ctx, __u64 *ret_id)
{
	struct peer *p = ctx;
	__u64 n = p->next[!bidi];

	if (p->closed)
		return -ENOTCONN;
	if (n >= p->limit[!bidi])
		return -EAGAIN;
	p->next[!bidi]++;
	*ret_id = n << 2 | (bidi ? 0 : 2) | 1;
	if (!bidi)
		p->uni[n] = (struct sending){.open = true, .source = source, .ctx = source_ctx};
	return 0;
}

static struct sending *find(struct peer *p, __u64 id)
{
	return (id & 3) == 3 && id >> 2 < STREAMS && p->uni[id >> 2].open ? &p->uni[id >> 2] : NULL;
}

static int stream_write(void *ctx, __u64 id, const __u8 *data, size_t len, bool fin)
{
	return 0;
}

static int stream_extend(void *ctx, __u64 id, __u64 end, bool fin)
{
	struct sending *s = find(ctx, id);

	if (s == NULL || s->source == NULL)
		return -ENOENT;
	if (end < s->end || s->fin)
		abort();
	s->end = end;
	s->fin = fin;
	return 0;
}

static int stream_reset(void *ctx, __u64 id, __u64 code)
{
	struct sending *s = find(ctx, id);

	if (s == NULL)
		return -ENOENT;
	let_go(s);
	return 0;
}

static int stream_stop(void *ctx, __u64 id, __u64 code)
{
	return 0;
}

static void stream_consume(void *ctx, __u64 id, size_t bytes)
{
}

static int datagram(void *ctx, const struct inlay_datagram_order *order, const __u8 *data,
		    size_t len)
{
	struct inlay_cursor c = inlay_cursor_of(data, len);
	struct inlay_moq_datagram d;

	if (inlay_moq18_datagram_parse(&c, &d) != INLAY_MOQ_OK)
		abort();
	return 0;
}

static size_t max_datagram(void *ctx)
{
	return 1200;
}

static void close_transport(void *ctx, __u64 code, const char *text)
{
	((struct peer *)ctx)->closed = true;
}

static const struct inlay_moq_transport_ops ops = {
	.stream_open = stream_open,
	.stream_write = stream_write,
	.stream_extend = stream_extend,
	.stream_reset = stream_reset,
	.stream_stop = stream_stop,
	.stream_consume = stream_consume,
	.datagram = datagram,
	.max_datagram = max_datagram,
	.close = close_transport,
};

static void check(struct sending *s, const __u8 *data, size_t len)
{
	struct inlay_cursor c = inlay_cursor_of(data, len);
	struct inlay_moq_event event;
	enum inlay_moq_verdict v;

	do {
		v = inlay_moq18_framer_next(&s->framer, &c, &event);
		if (v == INLAY_MOQ_VIOLATION)
			abort();
	} while (v == INLAY_MOQ_OK);
}

/* Reads what a stream has, and ends it if that is all. */
static void drain(struct world *w, struct peer *p, __u64 n)
{
	struct inlay_moq_session *moq = inlay_relay_session_moq(p->rs);
	struct sending *s = &p->uni[n];
	bool evicted = false;
	__u8 piece[1000];

	while (s->source != NULL && s->read < s->end && !evicted) {
		size_t size = s->end - s->read < sizeof(piece) ? (size_t)(s->end - s->read)
							       : sizeof(piece);

		evicted = s->source->read(s->ctx, s->read, piece, size) < 0;
		if (evicted)
			break;
		check(s, piece, size);
		s->read += size;
		s->source->acked(s->ctx, s->read);
	}
	if (s->source == NULL || !(evicted || (s->fin && s->read == s->end)))
		return;
	if (!evicted && !inlay_moq_framer_may_end(&s->framer))
		abort();
	let_go(s);
	inlay_moq_session_on_stream_closed(moq, n << 2 | 3, w->now);
}

static void pass_time(struct world *w, inlay_ns duration)
{
	w->now += duration;
	for (int i = 0; i < SESSIONS; i++)
		inlay_moq_session_on_timer(inlay_relay_session_moq(w->peers[i].rs), w->now);
	inlay_relay_on_timer(w->relay, w->now);
}

static void stream_input(struct world *w, struct peer *p, enum operation op, __u64 id,
			 const __u8 *data, size_t len)
{
	struct inlay_moq_session *moq = inlay_relay_session_moq(p->rs);
	bool *ended = &p->ended[id & 3][id >> 2];

	/* As a transport would: nothing on streams that are over, or that nobody opened. */
	if ((id & 1) && (id >> 2 >= p->next[(id & 2) != 0] || (op != OP_STOP && (id & 2))))
		return;
	if (op == OP_STOP) {
		if ((id & 3) == 2)
			return;
		if ((id & 3) == 3) {
			if (find(p, id) == NULL)
				return;
			let_go(&p->uni[id >> 2]);
		}
		inlay_moq_session_on_stop_sending(moq, id, 1, w->now);
		return;
	}
	if (*ended)
		return;
	*ended = op != OP_DATA;
	if (op == OP_RESET)
		inlay_moq_session_on_stream_reset(moq, id, 1, w->now);
	else
		inlay_moq_session_on_stream_data(moq, id, data, len, op == OP_FIN, w->now);
}

static void record(struct world *w, __u8 what, __u8 where, const __u8 *data, size_t len)
{
	struct peer *p = &w->peers[(what & 3) % SESSIONS];
	struct inlay_moq_session *moq = inlay_relay_session_moq(p->rs);
	enum operation op = what >> 2 & 7;

	switch (op) {
	case OP_DATAGRAM:
		inlay_moq_session_on_datagram(moq, data, len, w->now);
		return;
	case OP_TIME:
		pass_time(w, where * 50 * INLAY_MS);
		return;
	case OP_CREDIT:
		for (int kind = 0; kind < 2; kind++) {
			p->limit[kind] += p->limit[kind] < STREAMS;
			inlay_moq_session_on_streams_available(moq, kind == 0, w->now);
		}
		return;
	case OP_DRAIN:
		for (__u64 n = 0; n < STREAMS; n++)
			drain(w, p, n);
		return;
	default:
		stream_input(w, p, op, where % (4 * STREAMS), data, len);
		return;
	}
}

static void begin(struct world *w)
{
	struct inlay_relay_config config = {
		.cache = {.max_bytes = 60000, .max_track_bytes = 30000, .max_track_groups = 8},
		.max_streams = 4,
		.max_resets = 4,
	};

	w->relay = inlay_relay_new(&config);
	w->now = INLAY_S;
	for (int i = 0; i < SESSIONS; i++) {
		struct peer *p = &w->peers[i];
		struct inlay_moq_session_config base = {.transport = {&ops, p, true},
							.max_requests = 16,
							.max_control_bytes = 4096,
							.max_pending_bytes = 4096,
							.max_object_header = 512};

		p->limit[0] = p->limit[1] = 8;
		p->rs = inlay_relay_session_new(w->relay, &base, NULL);
		inlay_moq_session_start(inlay_relay_session_moq(p->rs), w->now);
	}
}

static void end(struct world *w)
{
	struct inlay_relay_stats stats;

	for (int i = 0; i < SESSIONS; i++)
		for (__u64 n = 0; n < STREAMS; n++)
			drain(w, &w->peers[i], n);
	for (int i = 0; i < SESSIONS; i++) {
		inlay_relay_session_free(w->peers[i].rs);
		for (__u64 n = 0; n < STREAMS; n++)
			if (w->peers[i].uni[n].open)
				let_go(&w->peers[i].uni[n]);
	}
	inlay_relay_stats(w->relay, &stats);
	if (stats.streams_now != 0 || stats.subscriptions_now != 0 || stats.upstreams_now != 0 ||
	    stats.namespaces_now != 0)
		abort();
	inlay_relay_free(w->relay);
}

int LLVMFuzzerTestOneInput(const __u8 *data, size_t len)
{
	struct inlay_cursor c = inlay_cursor_of(data, len);
	struct world *w = calloc(1, sizeof(*w));
	__u8 what, where, size;
	const __u8 *bytes;

	if (w == NULL)
		return 0;
	begin(w);
	while (inlay_cursor_u8(&c, &what) && inlay_cursor_u8(&c, &where) &&
	       inlay_cursor_u8(&c, &size)) {
		size_t n = size < inlay_cursor_left(&c) ? size : inlay_cursor_left(&c);

		(void)inlay_cursor_bytes(&c, n, &bytes);
		record(w, what, where, bytes, n);
	}
	end(w);
	free(w);
	return 0;
}
