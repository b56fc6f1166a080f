/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Arbitrary frames, times and application calls into an established connection. Whatever comes, it
 * keeps to its limits and to its memory, every packet that it sends is well-formed, its timers do
 * not spin, and it returns all that it took.
 *
 * Input: a byte of set-up, then steps: a byte that says which (enum step), and its operands.
 */
#include <stdio.h>

#include "../unit/quic_solo.h"

int LLVMFuzzerTestOneInput(const __u8 *data, size_t len);

#define MAX_STEPS 400
#define MAX_IDS	  16

enum step {
	STEP_RECV, /* number's distance, flags, length, frames */
	STEP_TIME, /* milliseconds, 2 bytes */
	STEP_SEND,
	STEP_ACK,      /* the peer acknowledges everything */
	STEP_OPEN,     /* priority; even: from a source */
	STEP_WRITE,    /* stream, length in units of 16 bytes, fin */
	STEP_RESET,    /* stream */
	STEP_STOP,     /* stream ID of the peer, 1 byte */
	STEP_CONSUME,  /* stream ID, 1 byte; length in units of 16 bytes */
	STEP_DATAGRAM, /* length in units of 16 bytes */
	STEP_UPDATE,
	STEP_ROTATE,
	STEP_MOVE,     /* the peer's port */
	STEP_CLOSE,    /* once in 16 */
	STEP_RESET_AT, /* stream, reliable size in units of 16 bytes */
	N_STEPS,
};

struct fuzz {
	struct solo s;
	__u64 ids[MAX_IDS], ends[MAX_IDS];
	bool from_source[MAX_IDS];
	__u32 n_ids;
};

static int read_zeros(void *ctx, __u64 offset, __u8 *dst, size_t len)
{
	memset(dst, 0, len);
	return offset % 13 == 12 ? -1 : 0;
}

static const struct inlay_stream_source zeros = {.read = read_zeros, .evicted_code = 1};

#define require(holds)                                                                             \
	do {                                                                                       \
		if (!(holds)) {                                                                    \
			fprintf(stderr, "line %d: %s\n", __LINE__, #holds);                        \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

static __u8 take(struct inlay_cursor *c)
{
	__u8 v = 0;

	inlay_cursor_u8(c, &v);
	return v;
}

static void send_all(struct fuzz *z)
{
	__u8 room[INLAY_FRAME_MAX];
	struct inlay_quic_clear clear;
	struct inlay_quic_frame f;
	unsigned int n = 0;

	while (solo_send(&z->s, room, &clear)) {
		require(++n < 5000);
		require(inlay_cursor_left(&clear.frames) > 0);
		while (inlay_cursor_left(&clear.frames) > 0)
			require(inlay_quic_frame_parse(&clear.frames, &f) == INLAY_QUIC_NO_ERROR);
	}
}

static void pass_time(struct fuzz *z, inlay_ns by)
{
	inlay_ns until = z->s.now + by;
	unsigned int n = 0;

	/* The caller's part: to be there at each deadline, and to send. */
	while (inlay_conn_deadline(z->s.conn) <= until) {
		inlay_ns at = inlay_conn_deadline(z->s.conn);

		require(++n < 20000);
		if (at > z->s.now)
			z->s.now = at;
		inlay_conn_on_timer(z->s.conn, z->s.now);
		send_all(z);
		require(inlay_conn_deadline(z->s.conn) > z->s.now);
	}
	z->s.now = until;
}

static void receive(struct fuzz *z, struct inlay_cursor *c)
{
	__u8 distance = take(c), flags = take(c), want = take(c);
	size_t left = inlay_cursor_left(c);
	const __u8 *frames;

	if (want > left)
		want = (__u8)left;
	if (!inlay_cursor_bytes(c, want, &frames))
		return;
	z->s.next_pn += distance < 0xf0 ? distance & 3 : -(__u64)(distance & 7);
	if (z->s.next_pn > INLAY_PN_MAX)
		z->s.next_pn = 0;
	/* Mostly to the first CID, sometimes to the newest. */
	solo_recv_as(&z->s,
		     flags & 0x80 && z->s.newest_cid.len ? &z->s.newest_cid
							 : &z->s.handover.own_cid,
		     z->s.next_pn, flags & 7, frames, want);
}

static void open_stream(struct fuzz *z, __u8 how)
{
	__u32 i = z->n_ids;

	if (i == MAX_IDS)
		return;
	z->from_source[i] = !(how & 1);
	z->ends[i] = 0;
	if (!inlay_conn_stream_open(z->s.conn, how & 2, how >> 2, z->from_source[i] ? &zeros : NULL,
				    NULL, &z->ids[i]))
		z->n_ids++;
}

static void write_stream(struct fuzz *z, struct inlay_cursor *c)
{
	static const __u8 bytes[256 * 16];
	__u8 which = take(c), units = take(c), fin = take(c);
	__u32 i;

	if (z->n_ids == 0)
		return;
	i = which % z->n_ids;
	if (z->from_source[i]) {
		z->ends[i] += units * 16;
		inlay_conn_stream_extend(z->s.conn, z->ids[i], z->ends[i], fin & 1);
	} else {
		inlay_conn_stream_write(z->s.conn, z->ids[i], bytes, units * 16U, fin & 1);
	}
}

static void use_stream(struct fuzz *z, enum step step, struct inlay_cursor *c)
{
	__u8 which = take(c);

	switch (step) {
	case STEP_RESET_AT:
		if (z->n_ids > 0)
			inlay_conn_stream_reset_at(z->s.conn, z->ids[which % z->n_ids], 9,
						   take(c) * 16U);
		break;
	case STEP_RESET:
		if (z->n_ids > 0)
			inlay_conn_stream_reset(z->s.conn, z->ids[which % z->n_ids], 9);
		break;
	case STEP_STOP:
		inlay_conn_stream_stop(z->s.conn, which, 5);
		break;
	default:
		inlay_conn_stream_consume(z->s.conn, which, take(c) * 16U);
	}
}

static void do_step(struct fuzz *z, struct inlay_cursor *c)
{
	static const __u8 bytes[256 * 16];
	enum step step = take(c) % N_STEPS;
	__u8 a;

	switch (step) {
	case STEP_RECV:
		receive(z, c);
		break;
	case STEP_TIME:
		a = take(c);
		pass_time(z, ((inlay_ns)a << 8 | take(c)) * INLAY_MS);
		break;
	case STEP_SEND:
		send_all(z);
		break;
	case STEP_ACK:
		z->s.next_pn++;
		solo_ack(&z->s, inlay_sentlog_lowest(&z->s.conn->log));
		break;
	case STEP_OPEN:
		open_stream(z, take(c));
		break;
	case STEP_WRITE:
		write_stream(z, c);
		break;
	case STEP_RESET:
	case STEP_RESET_AT:
	case STEP_STOP:
	case STEP_CONSUME:
		use_stream(z, step, c);
		break;
	case STEP_DATAGRAM:
		inlay_conn_datagram(z->s.conn, &(struct inlay_datagram_order){0}, bytes,
				    take(c) * 16U);
		break;
	case STEP_UPDATE:
		inlay_conn_update_keys(z->s.conn, z->s.now);
		break;
	case STEP_ROTATE:
		inlay_cids_rotate(&z->s.conn->cids);
		break;
	case STEP_MOVE:
		z->s.path.remote.port = take(c) & 3;
		break;
	default:
		if ((take(c) & 15) == 0)
			inlay_conn_close(z->s.conn, true, 1, "end", z->s.now);
	}
}

static void check(const struct fuzz *z)
{
	const struct inlay_conn *c = z->s.conn;
	const struct inlay_subscriber *e = &z->s.entry;

	require(c->streams.recv_budget.used <= c->streams.recv_budget.max);
	require(c->streams.send_budget.used <= c->streams.send_budget.max);
	require(c->datagrams.bytes <= c->datagrams.max_bytes);
	require(e->flow_bytes <= e->flow_limit);
	require(inlay_sentlog_in_flight(&c->log) <= (__u64)SOLO_LOG * INLAY_FRAME_MAX);
	require(e->next_pn - c->log.oldest <= SOLO_LOG);
	require(c->streams.n <= 64);
	require(c->streams.n_heap <= c->streams.n);
	require(c->flow.received <= c->flow.limit && c->flow.consumed <= c->flow.received);
	require(inlay_conn_is_closing(c) == z->s.closed);
}

int LLVMFuzzerTestOneInput(const __u8 *data, size_t len)
{
	static struct fuzz z; /* large; solo_init() clears it */
	struct inlay_cursor c = inlay_cursor_of(data, len);
	__u8 how = take(&c);
	int i;

	memset(&z, 0, sizeof(z));
	solo_init(&z.s, how & 1 ? INLAY_SERVER : INLAY_CLIENT);
	if (how & 2)
		z.s.handover.peer_cid.len = 0;
	if (how & 4)
		z.s.entry.next_pn = 1ULL << 31;
	if (how & 8)
		z.s.handover.own.initial_max_stream_data_bidi_local = 1 << 20;
	if (how & 16) {
		z.s.handover.own.has_min_ack_delay = z.s.handover.peer.has_min_ack_delay = true;
		z.s.handover.own.min_ack_delay = INLAY_MS;
		z.s.handover.own.reset_stream_at = z.s.handover.peer.reset_stream_at = true;
	}
	require(solo_start(&z.s));
	for (i = 0; i < MAX_STEPS && inlay_cursor_left(&c) > 0; i++) {
		do_step(&z, &c);
		check(&z);
	}
	/* It ends, whatever was before: nobody talks to it any more. */
	send_all(&z);
	pass_time(&z, 1000000 * INLAY_S); /* a round trip may have taken hours */
	require(inlay_conn_is_dead(z.s.conn));
	solo_stop(&z.s);
	return 0;
}
