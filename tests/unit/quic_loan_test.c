/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Streams that are lent to a forwarder: one engine, a forwarder that writes the log beside it, and
 * a hand in the peer's place.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>

#include "fake_forwarder.h"
#include "quic_solo.h"

#define MS   INLAY_MS
#define CODE 77

/* Whose stream it is, above and below. */
struct holder {
	struct fake_stream stream;
	bool attached;	       /* the forwarder may go on */
	bool stubborn;	       /* and does not let go when it is asked to */
	__u32 asked, recalled; /* back() was called, with |recall| */
	__u64 limit, released, acked;
	__u64 held; /* the source has nothing below */
};

struct scene {
	struct solo s;
	struct fake_forwarder f;
};

static __u8 byte_at(__u64 offset)
{
	return (__u8)(offset * 7 + offset / 251);
}

static int read_bytes(void *ctx, __u64 offset, __u8 *dst, size_t len)
{
	const struct holder *h = ctx;

	if (offset < h->held)
		return -ENODATA;
	while (len--)
		*dst++ = byte_at(offset++);
	return 0;
}

static void on_source_acked(void *ctx, __u64 offset)
{
	((struct holder *)ctx)->acked = offset;
}

static void on_release(void *ctx)
{
	((struct holder *)ctx)->released++;
}

static const struct inlay_stream_source source = {
	.read = read_bytes,
	.acked = on_source_acked,
	.release = on_release,
	.evicted_code = CODE + 1,
};

static bool back(void *loan, bool recall)
{
	struct holder *h = loan;

	h->asked++;
	h->recalled += recall;
	if (recall && !h->stubborn)
		h->attached = false;
	return !h->attached;
}

static void on_limit(void *loan, __u64 limit)
{
	((struct holder *)loan)->limit = limit;
}

static const struct inlay_loan_ops loan_ops = {.back = back, .limit = on_limit};

static void set_up(struct scene *x)
{
	solo_init(&x->s, INLAY_SERVER);
	x->s.handover.peer.initial_max_data = 100000;
	x->s.handover.peer.initial_max_stream_data_uni = 20000;
	x->s.handover.peer.initial_max_streams_uni = 100;
	assert_true(solo_start(&x->s));
	solo_drain(&x->s);
	solo_ack(&x->s, 0);
	x->f = (struct fake_forwarder){.entry = &x->s.entry, .log = x->s.log};
}

static __u64 forward_at(struct scene *x, struct holder *h, __u64 offset, __u16 len, bool fin)
{
	__u64 pn = 0;

	assert_int_equal(fake_send_at(&x->f, &h->stream, offset, len, fin, x->s.now, &pn),
			 FAKE_SENT);
	return pn;
}

static __u64 forward(struct scene *x, struct holder *h, __u16 len, bool fin)
{
	return forward_at(x, h, h->stream.next, len, fin);
}

static void open_stream(struct scene *x, struct holder *h)
{
	memset(h, 0, sizeof(*h));
	h->attached = true;
	assert_true(fake_open(&x->f, &h->stream));
}

static __u64 adopt(struct scene *x, struct holder *h)
{
	__u64 id;

	assert_int_equal(inlay_conn_stream_adopt(x->s.conn, h->stream.number, 5, &source, h,
						 &loan_ops, h, &id),
			 0);
	assert_int_equal(id, (__u64)h->stream.number << 2 | 3);
	return id;
}

static struct inlay_stream_progress progress(struct scene *x, __u64 id)
{
	struct inlay_stream_progress p;

	assert_true(inlay_conn_stream_progress(x->s.conn, id, &p));
	return p;
}

/* Numbers [begin, end), from the peer. */
static void ack(struct scene *x, __u64 begin, __u64 end)
{
	struct inlay_quic_range range = {begin, end};
	__u8 frame[64];
	struct inlay_writer w = inlay_writer_of(frame, sizeof(frame));

	assert_int_equal(inlay_quic_put_ack(&w, &range, 1, 0, NULL), 1);
	solo_recv(&x->s, frame, inlay_writer_len(&w));
}

/* The log says nothing else than our counters. */
static void check_in_flight(const struct scene *x)
{
	const struct inlay_sentlog *l = &x->s.conn->log;
	__u64 pn, bytes = 0;

	for (pn = l->oldest; pn < x->s.entry.next_pn; pn++)
		if (inlay_sentlog_fate(l, pn) == INLAY_FATE_OPEN)
			bytes += inlay_sentlog_entry(l, pn)->packet_size;
	assert_int_equal(inlay_sentlog_in_flight(l), bytes);
}

static void run_timers(struct scene *x, inlay_ns until)
{
	while (x->s.now < until) {
		inlay_ns at = inlay_conn_deadline(x->s.conn);

		x->s.now = at < until ? (at > x->s.now ? at : x->s.now + MS) : until;
		inlay_conn_on_timer(x->s.conn, x->s.now);
		solo_drain(&x->s);
		check_in_flight(x);
	}
}

/* --- Adoption ------------------------------------------------------------------------------- */

static void test_what_a_forwarder_sent_before_the_adoption_counts(void **state)
{
	struct scene x;
	struct holder h;
	__u64 first, id;

	set_up(&x);
	open_stream(&x, &h);
	first = forward(&x, &h, 1000, false);
	forward(&x, &h, 1000, true);
	x.s.now += 50 * MS;
	ack(&x, first, first + 2);
	check_in_flight(&x);
	assert_int_equal(inlay_sentlog_in_flight(&x.s.conn->log), 0);
	id = adopt(&x, &h);
	assert_int_equal(progress(&x, id).sent, 2000);
	assert_int_equal(progress(&x, id).acked, 2000);
	assert_true(progress(&x, id).lent);
	/* It is over once the forwarder says so, not before. */
	assert_int_equal(x.s.streams_closed, 0);
	h.attached = false;
	assert_int_equal(inlay_conn_stream_extend(x.s.conn, id, 2000, true), 0);
	solo_drain(&x.s);
	assert_int_equal(x.s.streams_closed, 1);
	assert_int_equal(h.released, 1);
	assert_false(inlay_conn_stream_progress(x.s.conn, id, &(struct inlay_stream_progress){0}));
	solo_stop(&x.s);
}

static void test_only_a_number_that_was_taken_is_adopted_and_once(void **state)
{
	struct scene x;
	struct holder h, other;
	__u64 id;

	set_up(&x);
	open_stream(&x, &h);
	adopt(&x, &h);
	assert_int_equal(inlay_conn_stream_adopt(x.s.conn, h.stream.number, 5, &source, &other,
						 &loan_ops, &other, &id),
			 -EEXIST);
	assert_int_equal(inlay_conn_stream_adopt(x.s.conn, h.stream.number + 1, 5, &source, &other,
						 &loan_ops, &other, &id),
			 -EINVAL);
	assert_int_equal(inlay_conn_stream_open(x.s.conn, false, 5, &source, &h, &id), 0);
	assert_int_equal(inlay_conn_stream_adopt(x.s.conn, id >> 2, 5, &source, &other, &loan_ops,
						 &other, &id),
			 -EEXIST);
	solo_stop(&x.s);
}

static void test_what_nobody_adopts_is_kept_and_freed_with_the_connection(void **state)
{
	struct scene x;
	struct holder h;
	__u64 first;

	set_up(&x);
	open_stream(&x, &h);
	first = forward(&x, &h, 1000, false);
	forward(&x, &h, 1000, true);
	ack(&x, first + 1, first + 2);
	run_timers(&x, x.s.now + 2 * INLAY_S);
	assert_false(x.s.closed);
	assert_int_equal(x.s.streams_closed, 0);
	solo_stop(&x.s);
}

static void test_while_it_is_lent_nothing_new_is_ours_to_send(void **state)
{
	struct scene x;
	struct holder h;
	struct inlay_quic_frame f;
	__u64 id;

	set_up(&x);
	open_stream(&x, &h);
	id = adopt(&x, &h);
	assert_int_equal(inlay_conn_stream_extend(x.s.conn, id, 3000, false), 0);
	assert_int_equal(solo_find(&x.s, INLAY_QUIC_STREAM, &f), 0);
	assert_int_equal(x.s.entry.class_limit[7],
			 x.s.entry.class_limit[0]); /* nothing is pending */
	forward(&x, &h, 1200 - FAKE_OVERHEAD, false);
	/* It lets go by itself: the rest is ours, from exactly there. */
	h.attached = false;
	assert_int_equal(inlay_conn_stream_extend(x.s.conn, id, 3100, false), 0);
	assert_true(solo_find(&x.s, INLAY_QUIC_STREAM, &f) > 1);
	assert_int_equal(f.stream.offset + f.stream.len, 3100);
	assert_false(progress(&x, id).lent);
	assert_int_equal(progress(&x, id).sent, 3100);
	assert_int_equal(x.s.entry.flow_bytes, 3100);
	assert_int_equal(x.s.conn->streams.charged, 3100);
	solo_stop(&x.s);
}

/* --- Losses and gaps ------------------------------------------------------------------------ */

static void test_a_gap_is_ours_to_send_once_it_can_be_read_and_is_not_charged(void **state)
{
	struct scene x;
	struct holder h;
	struct inlay_quic_frame f;
	__u64 id;

	set_up(&x);
	open_stream(&x, &h);
	id = adopt(&x, &h);
	forward(&x, &h, 100, false);
	forward_at(&x, &h, 600, 100, false);
	assert_int_equal(x.s.entry.flow_bytes, 700);
	/* Not before the source has it. */
	assert_int_equal(inlay_conn_stream_extend(x.s.conn, id, 100, false), 0);
	inlay_conn_on_timer(x.s.conn, x.s.now);
	assert_int_equal(solo_find(&x.s, INLAY_QUIC_STREAM, &f), 0);
	run_timers(&x, x.s.now + MS);
	assert_int_equal(inlay_conn_stream_extend(x.s.conn, id, 300, false), 0);
	inlay_recovery_on_sent(&x.s.conn->recovery, x.s.now);
	assert_int_equal(solo_find(&x.s, INLAY_QUIC_STREAM, &f), 1);
	assert_int_equal(f.stream.offset, 100);
	assert_int_equal(f.stream.len, 200);
	assert_int_equal(inlay_conn_stream_extend(x.s.conn, id, 700, false), 0);
	assert_int_equal(solo_find(&x.s, INLAY_QUIC_STREAM, &f), 1);
	assert_int_equal(f.stream.offset, 300);
	assert_int_equal(f.stream.len, 300);
	assert_int_equal(x.s.entry.flow_bytes, 700);
	assert_true(progress(&x, id).lent);
	solo_stop(&x.s);
}

static void test_what_is_lost_of_a_lent_stream_is_sent_from_the_source(void **state)
{
	struct scene x;
	struct holder h;
	struct inlay_quic_frame f;
	__u64 id, first;

	set_up(&x);
	open_stream(&x, &h);
	id = adopt(&x, &h);
	first = forward(&x, &h, 500, false);
	for (int i = 0; i < 4; i++)
		forward(&x, &h, 500, i == 3);
	assert_int_equal(inlay_conn_stream_extend(x.s.conn, id, 2500, true), 0);
	x.s.now += 50 * MS;
	ack(&x, first + 1, first + 5);
	assert_int_equal(solo_find(&x.s, INLAY_QUIC_STREAM, &f), 1);
	assert_int_equal(f.stream.offset, 0);
	assert_int_equal(f.stream.len, 500);
	assert_false(f.stream.fin);
	assert_int_equal(f.stream.data[499], byte_at(499));
	assert_int_equal(x.s.conn->recovery.lost_pkts, 1);
	h.attached = false;
	solo_ack(&x.s, first + 5);
	assert_int_equal(x.s.streams_closed, 1);
	check_in_flight(&x);
	solo_stop(&x.s);
}

static void test_a_lost_fin_is_repeated_though_the_source_lags(void **state)
{
	struct scene x;
	struct holder h;
	struct inlay_quic_frame f;
	__u64 first;

	set_up(&x);
	open_stream(&x, &h);
	adopt(&x, &h);
	first = forward(&x, &h, 500, true);
	/* Something else, of another stream, is acknowledged. */
	for (int i = 0; i < 3; i++) {
		struct holder other;

		open_stream(&x, &other);
		forward(&x, &other, 10, false);
	}
	x.s.now += 50 * MS;
	ack(&x, first + 1, first + 4);
	assert_int_equal(solo_find(&x.s, INLAY_QUIC_STREAM, &f), 1);
	assert_true(f.stream.fin);
	assert_int_equal(f.stream.offset, 500);
	assert_int_equal(f.stream.len, 0);
	solo_stop(&x.s);
}

/* --- Its own host --------------------------------------------------------------------------- */

static void test_what_its_host_dropped_is_repaired_without_a_signal(void **state)
{
	struct scene x;
	struct holder h;
	struct inlay_quic_frame f;
	__u64 id, pn, cwnd;

	set_up(&x);
	cwnd = x.s.conn->recovery.cc.cwnd;
	open_stream(&x, &h);
	id = adopt(&x, &h);
	assert_int_equal(inlay_conn_stream_extend(x.s.conn, id, 1000, false), 0);
	/* Before the log is read. */
	pn = forward(&x, &h, 500, false);
	fake_drop(&x.f, pn);
	inlay_conn_on_timer(x.s.conn, x.s.now);
	inlay_recovery_on_sent(&x.s.conn->recovery, x.s.now);
	check_in_flight(&x);
	assert_int_equal(solo_find(&x.s, INLAY_QUIC_STREAM, &f), 1);
	assert_int_equal(f.stream.offset, 0);
	assert_int_equal(f.stream.len, 500);
	solo_ack(&x.s, pn + 1);
	/* After; nothing is acknowledged any more: at a probe timeout. */
	pn = forward(&x, &h, 500, false);
	inlay_recovery_on_sent(&x.s.conn->recovery, x.s.now);
	fake_drop(&x.f, pn);
	x.s.now += INLAY_S;
	inlay_conn_on_timer(x.s.conn, x.s.now);
	check_in_flight(&x);
	assert_int_equal(x.s.conn->recovery.probes, 0);
	assert_int_equal(solo_find(&x.s, INLAY_QUIC_STREAM, &f), 1);
	assert_int_equal(f.stream.offset, 500);
	assert_int_equal(x.s.conn->recovery.dropped_pkts, 2);
	assert_int_equal(x.s.conn->recovery.lost_pkts, 0);
	assert_true(x.s.conn->recovery.cc.cwnd >= cwnd);
	solo_stop(&x.s);
}

/* --- Recall, reset -------------------------------------------------------------------------- */

static void test_a_reset_waits_until_the_stream_is_back(void **state)
{
	struct scene x;
	struct holder h;
	struct inlay_quic_frame f;
	__u64 id;

	set_up(&x);
	open_stream(&x, &h);
	id = adopt(&x, &h);
	forward(&x, &h, 400, false);
	h.stubborn = true;
	assert_int_equal(inlay_conn_stream_extend(x.s.conn, id, 400, false), 0);
	assert_int_equal(inlay_conn_stream_reset(x.s.conn, id, CODE), 0);
	assert_int_equal(inlay_conn_stream_extend(x.s.conn, id, 500, false), -ENOENT);
	assert_int_equal(solo_find(&x.s, INLAY_QUIC_RESET_STREAM, &f), 0);
	assert_true(h.recalled > 0);
	/* Asked again within a millisecond, and the forwarder is in the middle of a packet. */
	assert_true(inlay_conn_deadline(x.s.conn) <= x.s.now + MS);
	forward(&x, &h, 300, false);
	run_timers(&x, x.s.now + 3 * MS);
	assert_true(h.recalled >= 3);
	forward_at(&x, &h, 900, 100, false);
	h.stubborn = false;
	x.s.now += MS;
	inlay_conn_on_timer(x.s.conn, x.s.now);
	assert_int_equal(solo_find(&x.s, INLAY_QUIC_RESET_STREAM, &f), 1);
	assert_int_equal(f.reset.code, CODE);
	assert_int_equal(f.reset.final_size, 1000);
	assert_int_equal(x.s.entry.flow_bytes, 1000);
	assert_int_equal(h.released, 1);
	solo_ack(&x.s, 0);
	assert_int_equal(x.s.streams_closed, 1);
	solo_stop(&x.s);
}

static void test_stop_sending_recalls_a_lent_stream_even_before_it_is_adopted(void **state)
{
	for (int adopted = 0; adopted < 2; adopted++) {
		struct scene x;
		struct holder h;
		struct inlay_quic_frame f;
		__u8 frame[32];
		struct inlay_writer w = inlay_writer_of(frame, sizeof(frame));

		set_up(&x);
		open_stream(&x, &h);
		if (adopted)
			adopt(&x, &h);
		forward(&x, &h, 400, false);
		assert_true(inlay_quic_put_stop_sending(&w, (__u64)h.stream.number << 2 | 3, CODE));
		solo_recv(&x.s, frame, inlay_writer_len(&w));
		assert_int_equal(x.s.stops, 1);
		forward(&x, &h, 100, false);
		if (!adopted) {
			assert_int_equal(solo_find(&x.s, INLAY_QUIC_RESET_STREAM, &f), 0);
			adopt(&x, &h);
		}
		assert_int_equal(solo_find(&x.s, INLAY_QUIC_RESET_STREAM, &f), 1);
		assert_int_equal(f.reset.code, CODE);
		assert_int_equal(f.reset.final_size, 500);
		assert_false(h.attached);
		/* Once, whatever is repeated. */
		solo_recv(&x.s, frame, inlay_writer_len(&w));
		assert_int_equal(x.s.stops, 1);
		assert_int_equal(solo_find(&x.s, INLAY_QUIC_RESET_STREAM, &f), 0);
		solo_stop(&x.s);
	}
}

static void test_a_source_that_lost_its_bytes_recalls_and_resets(void **state)
{
	struct scene x;
	struct holder h;
	struct inlay_quic_frame f;
	__u64 id, first;

	set_up(&x);
	open_stream(&x, &h);
	id = adopt(&x, &h);
	first = forward(&x, &h, 500, false);
	for (int i = 0; i < 4; i++)
		forward(&x, &h, 500, false);
	assert_int_equal(inlay_conn_stream_extend(x.s.conn, id, 2500, false), 0);
	h.held = 2500;
	h.stubborn = true;
	x.s.now += 50 * MS;
	ack(&x, first + 1, first + 5);
	assert_int_equal(solo_find(&x.s, INLAY_QUIC_STREAM, &f), 0);
	forward(&x, &h, 500, false);
	h.stubborn = false;
	x.s.now += MS;
	assert_int_equal(solo_find(&x.s, INLAY_QUIC_RESET_STREAM, &f), 1);
	assert_int_equal(f.reset.code, CODE + 1);
	assert_int_equal(f.reset.final_size, 3000);
	solo_stop(&x.s);
}

static void test_a_stream_goes_out_and_comes_back(void **state)
{
	struct scene x;
	struct holder h = {0};
	struct inlay_quic_frame f;
	__u64 id, offset;

	set_up(&x);
	assert_int_equal(inlay_conn_stream_open(x.s.conn, false, 5, &source, &h, &id), 0);
	assert_int_equal(inlay_conn_stream_extend(x.s.conn, id, 300, false), 0);
	assert_int_equal(inlay_conn_stream_lend(x.s.conn, id, &loan_ops, &h, &offset), -EAGAIN);
	solo_drain(&x.s);
	h.attached = true;
	assert_int_equal(inlay_conn_stream_lend(x.s.conn, id, &loan_ops, &h, &offset), 0);
	assert_int_equal(offset, 300);
	assert_int_equal(inlay_conn_stream_lend(x.s.conn, id, &loan_ops, &h, &offset), -EINVAL);
	h.stream =
		(struct fake_stream){.number = (__u32)(id >> 2), .next = offset, .charged = offset};
	forward(&x, &h, 200, false);
	assert_int_equal(inlay_conn_stream_recall(x.s.conn, id), 0);
	assert_false(progress(&x, id).lent);
	assert_int_equal(progress(&x, id).sent, 500);
	assert_int_equal(inlay_conn_stream_extend(x.s.conn, id, 600, true), 0);
	assert_int_equal(solo_find(&x.s, INLAY_QUIC_STREAM, &f), 1);
	assert_int_equal(f.stream.offset, 500);
	assert_int_equal(f.stream.len, 100);
	assert_true(f.stream.fin);
	assert_int_equal(x.s.entry.flow_bytes, 600);
	assert_int_equal(inlay_conn_stream_lend(x.s.conn, id, &loan_ops, &h, &offset), -EINVAL);
	solo_ack(&x.s, 0);
	assert_int_equal(x.s.streams_closed, 1);
	solo_stop(&x.s);
}

static void test_a_raised_limit_reaches_whoever_sends(void **state)
{
	struct scene x;
	struct holder h;
	__u8 frame[32];
	struct inlay_writer w = inlay_writer_of(frame, sizeof(frame));
	__u64 id;

	set_up(&x);
	open_stream(&x, &h);
	forward(&x, &h, 100, false);
	id = (__u64)h.stream.number << 2 | 3;
	/* Before the adoption: it is remembered. */
	assert_true(inlay_quic_put_max_stream_data(&w, id, 30000));
	solo_recv(&x.s, frame, inlay_writer_len(&w));
	adopt(&x, &h);
	assert_int_equal(h.limit, 30000);
	w = inlay_writer_of(frame, sizeof(frame));
	assert_true(inlay_quic_put_max_stream_data(&w, id, 40000));
	solo_recv(&x.s, frame, inlay_writer_len(&w));
	assert_int_equal(h.limit, 40000);
	solo_stop(&x.s);
}

/* --- Time ----------------------------------------------------------------------------------- */

/* Rule 10: all that a forwarder sent is lost, and nothing of ours is in flight. */
static void test_a_burst_that_nobody_hears_of_is_noticed_within_two_probe_timeouts(void **state)
{
	struct scene x;
	struct holder h;
	inlay_ns pto;
	__u64 id;

	set_up(&x);
	open_stream(&x, &h);
	id = adopt(&x, &h);
	assert_int_equal(inlay_conn_stream_extend(x.s.conn, id, 1500, false), 0);
	solo_drain(&x.s);
	pto = inlay_rtt_pto(&x.s.conn->recovery.rtt);
	run_timers(&x, x.s.now + 5 * INLAY_S);
	assert_true(inlay_conn_deadline(x.s.conn) <= x.s.now + pto);
	for (int i = 0; i < 3; i++)
		forward(&x, &h, 500, false);
	run_timers(&x, x.s.now + 2 * pto);
	assert_int_equal(x.s.conn->recovery.ptos, 1);
	solo_stop(&x.s);
}

/* A number was taken and never published: what comes after it is not kept waiting. */
static void test_a_late_publisher_does_not_hide_what_others_sent(void **state)
{
	struct scene x;
	struct holder h, late;
	struct inlay_sent e = {
		.time_us = (__u32)(SOLO_T0 / INLAY_US), .packet_size = 240, .payload_len = 200};
	__u64 id, pn, old;

	set_up(&x);
	open_stream(&x, &late);
	open_stream(&x, &h);
	adopt(&x, &late);
	id = adopt(&x, &h);
	e.stream = late.stream.number;
	inlay_fetch_add_u64(&x.s.entry.bytes_sent, e.packet_size);
	inlay_fetch_add_u64(&x.s.entry.flow_bytes, e.payload_len);
	pn = fake_take(&x.f);
	old = fake_write(&x.f, pn, &e);
	forward(&x, &h, 300, false);
	assert_int_equal(inlay_conn_stream_recall(x.s.conn, id), 0);
	assert_int_equal(progress(&x, id).sent, 300);
	assert_true(fake_publish(&x.f, pn, old));
	ack(&x, pn, pn + 2);
	check_in_flight(&x);
	assert_int_equal(progress(&x, (__u64)late.stream.number << 2 | 3).acked, 200);
	solo_stop(&x.s);
}

/* --- Takers that die ------------------------------------------------------------------------ */

/* Takes a number and charges for it, and is never heard of again; or is. */
static __u64 take_and_stop(struct scene *x, struct holder *h, __u64 *ret_old)
{
	const struct inlay_sent e = {.stream = h->stream.number,
				     .time_us = (__u32)(x->s.now / INLAY_US),
				     .packet_size = 240,
				     .payload_len = 200};
	__u64 pn;

	inlay_fetch_add_u64(&x->s.entry.bytes_sent, e.packet_size);
	inlay_fetch_add_u64(&x->s.entry.flow_bytes, e.payload_len);
	pn = fake_take(&x->f);
	*ret_old = fake_write(&x->f, pn, &e);
	return pn;
}

static void set_up_in(struct scene *x, struct inlay_state **ret_state)
{
	const struct inlay_state_config config = {.subscribers = 1, .log_size = SOLO_LOG};

	set_up(x);
	assert_int_equal(inlay_state_new(&config, ret_state), 0);
	x->s.conn->state = x->s.conn->log.state = *ret_state;
}

static void test_what_a_dead_taker_charged_is_given_back(void **state)
{
	struct inlay_context *context;
	struct inlay_state *st;
	struct holder h;
	struct scene x;
	__u64 old, pn, id;

	set_up_in(&x, &st);
	context = &inlay_state_tables(st)->contexts[0];
	open_stream(&x, &h);
	id = adopt(&x, &h);
	forward(&x, &h, 500, false);
	inlay_context_enter(context);
	pn = take_and_stop(&x, &h, &old);
	x.s.now += MS;
	inlay_conn_on_timer(x.s.conn, x.s.now);
	ack(&x, pn - 1, pn);
	for (int i = 0; i < 100; i++) {
		x.s.now += MS;
		inlay_conn_on_timer(x.s.conn, x.s.now);
	}
	assert_int_equal(inlay_sentlog_fate(&x.s.conn->log, pn), INLAY_FATE_VOID);
	/* While somebody is at work nobody knows whose the charge is. */
	assert_int_equal(inlay_sentlog_in_flight(&x.s.conn->log), 240);
	inlay_context_leave(context);
	x.s.now += INLAY_S;
	inlay_conn_on_timer(x.s.conn, x.s.now);
	assert_int_equal(inlay_sentlog_in_flight(&x.s.conn->log), 0);
	assert_int_equal(x.s.entry.flow_bytes, 500);
	assert_int_equal(progress(&x, id).sent, 500);
	/* That one is not late any more, and must not send. */
	assert_false(fake_publish(&x.f, pn, old));
	solo_stop(&x.s);
	inlay_state_free(st);
}

static void test_the_place_of_a_number_given_up_waits_for_its_taker(void **state)
{
	struct inlay_context *context;
	struct inlay_state *st;
	struct holder h;
	struct scene x;
	__u64 old, pn;

	set_up_in(&x, &st);
	context = &inlay_state_tables(st)->contexts[0];
	open_stream(&x, &h);
	adopt(&x, &h);
	inlay_context_enter(context);
	pn = take_and_stop(&x, &h, &old);
	/* Another one goes on. */
	for (int i = 0; i < 100; i++) {
		__u64 next = x.s.entry.next_pn;

		if (next < x.s.entry.pn_limit) {
			forward(&x, &h, 100, false);
			ack(&x, next, next + 1);
		}
		x.s.now += 5 * MS;
		inlay_conn_on_timer(x.s.conn, x.s.now);
		solo_drain(&x.s);
		solo_ack(&x.s, next + 1);
	}
	assert_int_equal(inlay_sentlog_fate(&x.s.conn->log, pn), INLAY_FATE_VOID);
	assert_true(x.s.conn->log.oldest > pn);
	assert_true(x.s.entry.pn_limit < pn + SOLO_LOG);
	assert_true(x.s.entry.next_pn < pn + SOLO_LOG);
	inlay_context_leave(context);
	x.s.now += 100 * MS;
	inlay_conn_on_timer(x.s.conn, x.s.now);
	assert_true(x.s.entry.pn_limit > pn + SOLO_LOG);
	solo_stop(&x.s);
	inlay_state_free(st);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_a_forwarder_sent_before_the_adoption_counts),
		cmocka_unit_test(test_only_a_number_that_was_taken_is_adopted_and_once),
		cmocka_unit_test(test_what_nobody_adopts_is_kept_and_freed_with_the_connection),
		cmocka_unit_test(test_while_it_is_lent_nothing_new_is_ours_to_send),
		cmocka_unit_test(test_a_gap_is_ours_to_send_once_it_can_be_read_and_is_not_charged),
		cmocka_unit_test(test_what_is_lost_of_a_lent_stream_is_sent_from_the_source),
		cmocka_unit_test(test_a_lost_fin_is_repeated_though_the_source_lags),
		cmocka_unit_test(test_what_its_host_dropped_is_repaired_without_a_signal),
		cmocka_unit_test(test_a_reset_waits_until_the_stream_is_back),
		cmocka_unit_test(test_stop_sending_recalls_a_lent_stream_even_before_it_is_adopted),
		cmocka_unit_test(test_a_source_that_lost_its_bytes_recalls_and_resets),
		cmocka_unit_test(test_a_stream_goes_out_and_comes_back),
		cmocka_unit_test(test_a_raised_limit_reaches_whoever_sends),
		cmocka_unit_test(
			test_a_burst_that_nobody_hears_of_is_noticed_within_two_probe_timeouts),
		cmocka_unit_test(test_a_late_publisher_does_not_hide_what_others_sent),
		cmocka_unit_test(test_what_a_dead_taker_charged_is_given_back),
		cmocka_unit_test(test_the_place_of_a_number_given_up_waits_for_its_taker),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
