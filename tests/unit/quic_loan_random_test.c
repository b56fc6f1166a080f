/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A forwarder and an engine on one connection, over a lossy link to a strict receiver: random
 * streams that go back and forth between the two, gaps, packets that the host drops, takers that
 * publish late or never, resets from either end. Every byte of what is not reset arrives; no limit
 * is exceeded by the sum of both; what is in flight is what an independent count says, at every
 * step; final sizes are right. Thousands of seeds with INLAY_FULL=1; a failing one is named.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <cmocka.h>

#include "fake_forwarder.h"
#include "link.h"
#include "quic_solo.h"

#define MS	    INLAY_MS
#define LEGS	    24
#define LEN_MAX	    12000
#define FRAMES	    64
#define PN_MAX	    (1 << 14)
#define ADOPT_DELAY (5 * MS)
#define GRACE	    (40 * MS) /* what the forwarder does not send is recalled after that */
#define LIMIT	    (120 * INLAY_S)

struct frame {
	__u64 offset, len;
	inlay_ns ready; /* when the control plane has it */
};

/* One stream: what of it has come from upstream, who sends it, what the receiver has. */
struct leg {
	struct run *run;
	bool forwarded; /* the forwarder opened it */
	bool adopted, attached, offered, late, closed, resets, over;
	__u64 id, len, came; /* upstream */
	struct frame frames[FRAMES];
	__u32 n_frames;
	__u64 offer_from, top; /* highest offset sent, by whom ever */
	struct fake_stream fake;
	inlay_ns opened, all_came;
	__u32 released;
	/* A taker between taking and publishing. */
	struct inlay_sent pending;
	__u64 pending_pn, pending_old;
	/* The receiver's. */
	__u64 highest, limit, final, missing;
	bool has_final, was_reset, wants_stop;
	__u8 got[LEN_MAX];
};

struct wire {
	struct wire *next;
	inlay_ns at;
	bool up;
	__u64 pn;
	bool foreign;
	struct inlay_sent sent; /* of a foreign one */
	size_t len;
	__u8 data[1500];
};

struct run {
	struct solo s;
	struct fake_forwarder f;
	struct inlay_state *state;
	struct seeded rng;
	struct emulated_link down, up;
	struct wire *wire;
	struct leg legs[LEGS];
	__u32 n_legs;
	__u16 size[PN_MAX]; /* of each packet that counts */
	__u64 owed;	    /* charged by takers that are at work, or dead */
	bool died;	    /* having taken this number */
	__u64 died_pn;
	struct inlay_intervals received;
	__u64 data_limit, streams_limit;
	__u32 to_ack;
	inlay_ns ack_at;
	__u64 forwards, refusals, drops, voids, loans, resets;
};

static __u8 byte_of(const struct leg *l, __u64 offset)
{
	return (__u8)(offset * 13 + offset / 199 + (__u64)(l - l->run->legs) * 31);
}

static bool chance(struct run *r, __u32 in_thousand)
{
	return seeded_below(&r->rng, 1000) < in_thousand;
}

/* --- The control plane's side of a stream --------------------------------------------------- */

static int on_read(void *ctx, __u64 offset, __u8 *dst, size_t len)
{
	for (; len--; offset++)
		*dst++ = byte_of(ctx, offset);
	return 0;
}

static void on_release(void *ctx)
{
	((struct leg *)ctx)->released++;
}

static const struct inlay_stream_source source = {.read = on_read, .release = on_release};

static bool on_back(void *loan, bool recall)
{
	struct leg *l = loan;

	if (recall)
		l->attached = l->offered = false;
	return !l->attached && !l->offered && !l->late;
}

static void on_limit(void *loan, __u64 limit)
{
	((struct leg *)loan)->fake.limit = limit;
}

static const struct inlay_loan_ops loan_ops = {.back = on_back, .limit = on_limit};

static struct leg *leg_of(struct run *r, __u64 id)
{
	for (__u32 i = 0; i < r->n_legs; i++)
		if (r->legs[i].id == id)
			return &r->legs[i];
	return NULL;
}

static void on_closed_stream(void *user, __u64 id)
{
	struct run *r = (struct run *)user; /* the solo is its first member */

	leg_of(r, id)->closed = true;
}

static void on_stop(void *user, __u64 id, __u64 code)
{
	leg_of(user, id)->resets = true;
}

/* --- Accounting ----------------------------------------------------------------------------- */

static void check_accounts(struct run *r)
{
	const struct inlay_sentlog *l = &r->s.conn->log;
	const struct inlay_subscriber *e = &r->s.entry;
	__u64 pn, open = 0, sum = 0;

	for (pn = l->oldest; pn < e->next_pn; pn++)
		if (inlay_sentlog_fate(l, pn) == INLAY_FATE_OPEN)
			open += r->size[pn];
	/* Found out, and put right. */
	if (r->died && !l->in_doubt && inlay_sentlog_fate(l, r->died_pn) != INLAY_FATE_TAKEN)
		r->owed = r->died = 0;
	assert_int_equal(inlay_sentlog_in_flight(l), open + r->owed);
	for (__u32 i = 0; i < r->n_legs; i++)
		sum += r->legs[i].top;
	assert_true(sum <= r->data_limit);
	assert_true(e->flow_bytes >= sum);
	assert_true(e->next_stream <= r->streams_limit);
}

static void note_top(struct leg *l, __u64 end)
{
	assert_true(end <= l->limit);
	if (end > l->top)
		l->top = end;
}

/* --- The link ------------------------------------------------------------------------------- */

static void carry(struct run *r, const struct wire *p, __u64 size)
{
	struct link_arrival a =
		link_carry(p->up ? &r->up : &r->down, size, INLAY_ECN_NOT_ECT, r->s.now);

	for (__u32 i = 0; i < a.n; i++) {
		struct wire **at = &r->wire, *copy = malloc(sizeof(*copy));

		*copy = *p;
		copy->at = a.at[i];
		while (*at && (*at)->at <= copy->at)
			at = &(*at)->next;
		copy->next = *at;
		*at = copy;
	}
}

static void note_own(struct run *r, const __u8 *packet, size_t len)
{
	struct inlay_quic_clear clear = {0};
	struct inlay_quic_frame f;
	bool counts = false;
	struct inlay_desc desc;

	memcpy(&desc, packet + len - sizeof(desc), sizeof(desc));
	assert_true(inlay_quic_clear_parse(packet, len, desc.hdr_len - 1U - INLAY_TX_PN, &clear));
	while (inlay_cursor_left(&clear.frames) > 0) {
		assert_int_equal(inlay_quic_frame_parse(&clear.frames, &f), 0);
		counts |= f.type != INLAY_QUIC_ACK && f.type != INLAY_QUIC_CONNECTION_CLOSE;
		if (f.type == INLAY_QUIC_STREAM)
			note_top(leg_of(r, f.stream.id), f.stream.offset + f.stream.len);
	}
	assert_true(clear.pn < PN_MAX);
	r->size[clear.pn] = counts ? (__u16)len : 0;
}

static void drain(struct run *r)
{
	struct inlay_path path;
	struct wire p = {0};

	for (int i = 0; i < 1000; i++) {
		bool probes = r->s.conn->recovery.probes > 0;

		p.len = inlay_conn_send(r->s.conn, p.data, sizeof(p.data), &path, r->s.now);
		if (p.len == 0)
			return;
		note_own(r, p.data, p.len);
		p.pn = r->s.entry.next_pn - 1;
		carry(r, &p, p.len);
		check_accounts(r);
		if (!probes && r->size[p.pn])
			assert_true(inlay_sentlog_in_flight(&r->s.conn->log) <=
				    r->owed + inlay_cc_window(&r->s.conn->recovery.cc));
	}
	fail_msg("it does not stop sending");
}

/* --- The receiver --------------------------------------------------------------------------- */

static void receive_bytes(struct leg *l, __u64 offset, __u64 len, bool fin, const __u8 *data)
{
	__u64 end = offset + len;

	assert_true(end <= l->limit);
	assert_true(end <= l->len);
	if (l->has_final)
		assert_true(end <= l->final && (!fin || end == l->final));
	if (fin) {
		assert_int_equal(end, l->len);
		l->has_final = true;
		l->final = end;
	}
	if (end > l->highest)
		l->highest = end;
	for (__u64 i = offset; i < end; i++) {
		if (data)
			assert_int_equal(data[i - offset], byte_of(l, i));
		l->missing -= !l->got[i];
		l->got[i] = 1;
	}
}

static void receive_reset(struct leg *l, const struct inlay_quic_frame *f)
{
	assert_true(l->resets);
	/* The highest offset ever sent, no more and no less: it is what was charged. */
	assert_int_equal(f->reset.final_size, l->top);
	if (l->has_final)
		assert_int_equal(l->final, f->reset.final_size);
	l->has_final = l->was_reset = true;
	l->final = f->reset.final_size;
}

static bool receive_own(struct run *r, const struct wire *p)
{
	struct inlay_quic_clear clear = {0};
	struct inlay_quic_frame f;
	struct inlay_desc desc;
	bool eliciting = false;

	memcpy(&desc, p->data + p->len - sizeof(desc), sizeof(desc));
	assert_true(
		inlay_quic_clear_parse(p->data, p->len, desc.hdr_len - 1U - INLAY_TX_PN, &clear));
	while (inlay_cursor_left(&clear.frames) > 0) {
		assert_int_equal(inlay_quic_frame_parse(&clear.frames, &f), 0);
		eliciting |= f.type != INLAY_QUIC_ACK;
		if (f.type == INLAY_QUIC_STREAM)
			receive_bytes(leg_of(r, f.stream.id), f.stream.offset, f.stream.len,
				      f.stream.fin, f.stream.data);
		if (f.type == INLAY_QUIC_RESET_STREAM)
			receive_reset(leg_of(r, f.reset.id), &f);
	}
	return eliciting;
}

static void receive(struct run *r, const struct wire *p)
{
	bool eliciting = true;

	assert_false(r->s.closed);
	if (p->foreign)
		receive_bytes(&r->legs[p->len], p->sent.offset, p->sent.payload_len,
			      p->sent.flags & INLAY_SENT_FIN, NULL);
	else
		eliciting = receive_own(r, p);
	assert_int_equal(inlay_intervals_add(&r->received, p->pn, p->pn + 1), 0);
	if (eliciting && r->to_ack++ == 0)
		r->ack_at = r->s.now + 20 * MS;
}

static void put_limits(struct run *r, struct inlay_writer *w)
{
	__u64 sum = 0, done = 0;

	for (__u32 i = 0; i < r->n_legs; i++) {
		struct leg *l = &r->legs[i];

		sum += l->highest;
		done += l->has_final && (l->was_reset || l->missing == 0);
		if (l->has_final || l->highest == 0)
			continue;
		if (l->limit - l->highest < 3000) {
			l->limit = l->highest + 4000;
		}
		inlay_quic_put_max_stream_data(w, l->id, l->limit);
		if (l->wants_stop)
			inlay_quic_put_stop_sending(w, l->id, 7);
	}
	if (r->data_limit < sum + 20000)
		r->data_limit = sum + 20000;
	if (r->streams_limit < done + 6)
		r->streams_limit = done + 6;
	inlay_quic_put_max_data(w, r->data_limit);
	inlay_quic_put_max_streams(w, false, r->streams_limit);
}

static void answer(struct run *r)
{
	struct inlay_quic_range ranges[16];
	struct wire p = {.up = true};
	struct inlay_writer w = inlay_writer_of(p.data, sizeof(p.data));
	size_t n = 0;

	for (; n < 16 && n < r->received.n; n++)
		ranges[n] = r->received.ranges[r->received.n - 1 - n];
	if (n > 0)
		assert_int_equal(inlay_quic_put_ack(&w, ranges, n, 0, NULL), n);
	put_limits(r, &w);
	p.len = inlay_writer_len(&w);
	carry(r, &p, p.len);
	r->to_ack = 0;
	r->ack_at = r->s.now + 150 * MS;
}

static void deliver(struct run *r)
{
	struct wire *p = r->wire;

	r->wire = p->next;
	if (p->up)
		solo_recv(&r->s, p->data, p->len);
	else
		receive(r, p);
	free(p);
}

/* --- The forwarder -------------------------------------------------------------------------- */

static void on_forwarded(struct run *r, struct leg *l, __u64 pn)
{
	struct wire p = {.foreign = true, .pn = pn, .len = (size_t)(l - r->legs)};

	p.sent = r->f.log[pn & r->f.entry->log_mask];
	assert_true(pn < PN_MAX);
	r->size[pn] = p.sent.packet_size;
	note_top(l, p.sent.offset + p.sent.payload_len);
	r->forwards++;
	if (chance(r, 20)) {
		fake_drop(&r->f, pn);
		r->drops++;
	} else {
		carry(r, &p, p.sent.packet_size);
	}
}

/* Takes a number, charges for it, and is interrupted. */
static void begin_late(struct run *r, struct leg *l, const struct frame *f, bool fin)
{
	struct inlay_subscriber *e = &r->s.entry;
	__u64 end = f->offset + f->len, rise = end - l->fake.charged;
	const struct inlay_sent sent = {
		.stream = l->fake.number,
		.time_us = (__u32)(r->s.now / INLAY_US),
		.offset = f->offset,
		.payload_len = (__u16)f->len,
		.packet_size = (__u16)(f->len + FAKE_OVERHEAD),
		.flags = fin ? INLAY_SENT_FIN : 0,
	};

	if (r->owed || end > (l->fake.limit ? l->fake.limit : e->initial_stream_limit) ||
	    e->flow_bytes + rise > e->flow_limit || e->next_pn >= e->pn_limit ||
	    e->bytes_sent + sent.packet_size > e->class_limit[0])
		return;
	inlay_context_enter(&inlay_state_tables(r->state)->contexts[1]);
	inlay_fetch_add_u64(&e->flow_bytes, rise);
	inlay_fetch_add_u64(&e->bytes_sent, sent.packet_size);
	l->pending = sent;
	l->pending_pn = fake_take(&r->f);
	l->pending_old = fake_write(&r->f, l->pending_pn, &sent);
	l->late = true;
	r->owed += sent.packet_size;
}

/* Goes on, or dies. */
static void end_late(struct run *r, struct leg *l)
{
	struct inlay_subscriber *e = &r->s.entry;
	__u64 end = l->pending.offset + l->pending.payload_len, rise = end - l->fake.charged;

	l->late = false;
	if (chance(r, 300)) {
		l->attached = false;
		r->died = true;
		r->died_pn = l->pending_pn;
	} else if (fake_publish(&r->f, l->pending_pn, l->pending_old)) {
		r->owed -= l->pending.packet_size;
		l->fake.next = l->fake.charged = end;
		on_forwarded(r, l, l->pending_pn);
	} else {
		r->voids++;
		r->owed -= l->pending.packet_size;
		inlay_fetch_add_u64(&e->flow_bytes, -rise);
		inlay_fetch_add_u64(&e->bytes_sent, -(__u64)l->pending.packet_size);
		l->attached = false;
	}
	inlay_context_leave(&inlay_state_tables(r->state)->contexts[1]);
}

static void forward(struct run *r, struct leg *l, const struct frame *f, bool fin)
{
	__u64 pn;

	if (l->offered && f->offset >= l->offer_from) {
		l->offered = false;
		l->attached = true;
	}
	if (!l->attached || l->late)
		return;
	if (chance(r, 10)) {
		begin_late(r, l, f, fin);
		l->attached &= l->late;
		return;
	}
	if (fake_send_at(&r->f, &l->fake, f->offset, (__u16)f->len, fin, r->s.now, &pn)) {
		r->refusals++;
		l->attached = false;
		return;
	}
	assert_true(inlay_sentlog_in_flight(&r->s.conn->log) <=
		    inlay_cc_window(&r->s.conn->recovery.cc));
	on_forwarded(r, l, pn);
}

/* --- What happens --------------------------------------------------------------------------- */

static void come(struct run *r, struct leg *l)
{
	struct frame f = {.offset = l->came, .len = 1 + seeded_below(&r->rng, 1165)};
	bool hole = chance(r, 50);

	if (f.len > l->len - l->came || l->n_frames == FRAMES - 1)
		f.len = l->len - l->came;
	if (f.len > 1165)
		hole = true;
	l->came += f.len;
	f.ready = r->s.now + (hole ? 30 * MS : seeded_below(&r->rng, 3 * MS));
	l->frames[l->n_frames++] = f;
	if (l->came == l->len)
		l->all_came = r->s.now;
	if (!hole)
		forward(r, l, &f, l->came == l->len);
}

/* How far the control plane has it in order. */
static __u64 held(const struct run *r, const struct leg *l)
{
	for (__u32 i = 0; i < l->n_frames; i++)
		if (l->frames[i].ready > r->s.now)
			return l->frames[i].offset;
	return l->came;
}

static void adopt(struct run *r, struct leg *l)
{
	__u64 id;

	assert_int_equal(inlay_conn_stream_adopt(r->s.conn, l->fake.number, l->fake.number, &source,
						 l, &loan_ops, l, &id),
			 0);
	assert_int_equal(id, l->id);
	l->adopted = true;
}

static void open_leg(struct run *r)
{
	struct leg *l = &r->legs[r->n_legs];

	l->run = r;
	l->opened = r->s.now;
	l->limit = r->s.handover.peer.initial_max_stream_data_uni;
	l->len = l->missing = 1 + seeded_below(&r->rng, LEN_MAX - 1);
	l->forwarded = chance(r, 750);
	if (l->forwarded) {
		if (!fake_open(&r->f, &l->fake))
			return;
		l->id = (__u64)l->fake.number << 2 | 3;
		l->attached = true;
	} else {
		if (inlay_conn_stream_open(r->s.conn, false, 3, &source, l, &l->id))
			return;
		l->fake.number = (__u32)(l->id >> 2);
		l->adopted = true;
	}
	r->n_legs++;
}

static void lend(struct run *r, struct leg *l)
{
	__u64 from;

	if (inlay_conn_stream_lend(r->s.conn, l->id, &loan_ops, l, &from))
		return;
	l->offered = true;
	l->offer_from = l->fake.next = l->fake.charged = from;
	r->loans++;
}

/* What the control plane does with one stream, now and then. */
static void tend(struct run *r, struct leg *l)
{
	__u64 end = held(r, l);

	if (l->late && chance(r, 12))
		end_late(r, l);
	if (!l->adopted) {
		if (r->s.now > l->opened + ADOPT_DELAY)
			adopt(r, l);
		return;
	}
	if (l->closed || l->over)
		return;
	if (chance(r, 300) && end > 0) {
		int err = inlay_conn_stream_extend(r->s.conn, l->id, end, end == l->len);

		assert_true(!err || (err == -ENOENT && (l->resets || l->closed)));
	}
	if (chance(r, 5) || (l->all_came && r->s.now > l->all_came + GRACE))
		inlay_conn_stream_recall(r->s.conn, l->id);
	if (l->came < l->len && chance(r, 50))
		lend(r, l);
	/* Not later: it must not end what would never end by itself. */
	if (r->s.now > l->opened + 300 * MS)
		return;
	if (chance(r, 1) && !l->closed) {
		l->resets = true;
		r->resets++;
		inlay_conn_stream_reset(r->s.conn, l->id, 9);
	}
	l->wants_stop |= l->highest > 0 && chance(r, 1);
}

static void tick(struct run *r)
{
	if (r->n_legs < LEGS && chance(r, 60))
		open_leg(r);
	for (__u32 i = 0; i < r->n_legs; i++) {
		struct leg *l = &r->legs[i];

		if (l->came < l->len && chance(r, 300))
			come(r, l);
		tend(r, l);
		check_accounts(r);
	}
	inlay_conn_on_timer(r->s.conn, r->s.now);
	drain(r);
}

/* --- A run ---------------------------------------------------------------------------------- */

static struct run *run_new(__u64 seed)
{
	const struct inlay_state_config config = {.subscribers = 1, .log_size = SOLO_LOG};
	struct run *r = calloc(1, sizeof(*r));
	struct link_settings line = {
		.bytes_per_s = 200000,
		.queue_bytes = 20000,
		.delay = 15 * MS,
		.jitter = MS,
		.reorder_ppm = 20000,
		.reorder_delay = 10 * MS,
		.duplicate_ppm = 10000,
	};

	r->rng.state = seed * 0x9e3779b97f4a7c15ULL + 1;
	line.loss_ppm = (__u32)seeded_below(&r->rng, 3) * 40000;
	line.bytes_per_s <<= seeded_below(&r->rng, 4);
	link_init(&r->down, &line, seed + 1);
	link_init(&r->up, &line, seed + 2);
	inlay_intervals_init(&r->received, 1 << 16);
	solo_init(&r->s, INLAY_SERVER);
	r->s.ops.on_stream_closed = on_closed_stream;
	r->s.ops.on_stop_sending = on_stop;
	r->data_limit = r->s.handover.peer.initial_max_data = 20000;
	r->s.handover.peer.initial_max_stream_data_uni = 4000;
	r->streams_limit = r->s.handover.peer.initial_max_streams_uni = 6;
	assert_true(solo_start(&r->s));
	assert_int_equal(inlay_state_new(&config, &r->state), 0);
	r->s.conn->state = r->s.conn->log.state = r->state;
	r->s.conn->max_streams_open = LEGS;
	r->f = (struct fake_forwarder){.entry = &r->s.entry, .log = r->s.log};
	return r;
}

static void run_free(struct run *r)
{
	while (r->wire) {
		struct wire *p = r->wire;

		r->wire = p->next;
		free(p);
	}
	solo_stop(&r->s);
	for (__u32 i = 0; i < r->n_legs; i++)
		assert_int_equal(r->legs[i].released, 1);
	inlay_intervals_fini(&r->received);
	inlay_state_free(r->state);
	free(r);
}

static bool is_over(const struct run *r)
{
	for (__u32 i = 0; i < r->n_legs; i++)
		if (!r->legs[i].closed)
			return false;
	return r->n_legs == LEGS;
}

static void step(struct run *r, inlay_ns next_tick)
{
	inlay_ns at = inlay_conn_deadline(r->s.conn);

	if (at > next_tick)
		at = next_tick;
	if (r->wire && r->wire->at < at)
		at = r->wire->at;
	if (r->ack_at < at)
		at = r->ack_at;
	if (at > r->s.now)
		r->s.now = at;
	while (r->wire && r->wire->at <= r->s.now)
		deliver(r);
	if (r->to_ack >= 2 || r->s.now >= r->ack_at)
		answer(r);
	inlay_conn_on_timer(r->s.conn, r->s.now);
	check_accounts(r);
	drain(r);
}

static void check_end(const struct run *r)
{
	const struct inlay_subscriber *e = &r->s.entry;
	__u64 sum = 0;

	for (__u32 i = 0; i < r->n_legs; i++) {
		const struct leg *l = &r->legs[i];

		sum += l->top;
		assert_true(l->has_final);
		assert_int_equal(l->final, l->top);
		if (!l->was_reset) {
			assert_int_equal(l->top, l->len);
			assert_int_equal(l->missing, 0);
		}
	}
	assert_int_equal(sum, e->flow_bytes);
	assert_int_equal(sum, r->s.conn->streams.charged);
}

static void run_seed(__u64 seed, __u64 totals[6])
{
	struct run *r = run_new(seed);
	inlay_ns next_tick = r->s.now;

	r->ack_at = r->s.now;
	while (!is_over(r) && r->s.now < SOLO_T0 + LIMIT) {
		step(r, next_tick);
		if (r->s.now < next_tick)
			continue;
		tick(r);
		next_tick = r->s.now + MS;
	}
	if (!is_over(r))
		fail_msg("seed %llu does not come to an end", (unsigned long long)seed);
	/* What died is found out. */
	for (int i = 0; i < 1000; i++)
		step(r, r->s.now + MS);
	check_accounts(r);
	check_end(r);
	totals[0] += r->forwards;
	totals[1] += r->refusals;
	totals[2] += r->drops;
	totals[3] += r->voids;
	totals[4] += r->loans;
	totals[5] += r->resets;
	run_free(r);
}

static void test_a_forwarder_and_an_engine_send_every_byte_within_every_limit(void **state)
{
	const char *only = getenv("INLAY_SEED");
	__u64 first = only ? strtoull(only, NULL, 0) : 1, totals[6] = {0};
	__u64 n = only ? 1 : getenv("INLAY_FULL") ? 5000 : 60;

	for (__u64 seed = first; seed < first + n; seed++) {
		/* Known when it fails. */
		if (getenv("INLAY_FULL"))
			fprintf(stderr, "seed %llu\r", (unsigned long long)seed);
		run_seed(seed, totals);
	}
	if (getenv("INLAY_FULL"))
		for (int i = 0; i < 6; i++)
			fprintf(stderr, "%llu ", (unsigned long long)totals[i]);
	/* All of it happened. */
	for (int i = 0; i < 6 && n > 1; i++)
		assert_true(totals[i] > n / 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_forwarder_and_an_engine_send_every_byte_within_every_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
