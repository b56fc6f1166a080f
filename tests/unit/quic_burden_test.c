/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Peers that keep to the letter, or nearly, and wear us out: silent ones, those that never read,
 * that open all they may, that replay, that send bytes one by one. What each can cost has a bound.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>

#include "quic_solo.h"
#include "zeros.h"

static void stream_frame(struct inlay_writer *w, __u64 id, __u64 offset, bool fin)
{
	inlay_quic_put_stream_header(w, id, offset, 1, fin, true);
	inlay_writer_u8(w, (__u8)offset);
}

/* Runs every timer until |until|; returns how many packets were sent. */
static unsigned int pass_time(struct solo *s, inlay_ns until)
{
	unsigned int n = 0, timers = 0;

	while (inlay_conn_deadline(s->conn) <= until && !inlay_conn_is_dead(s->conn)) {
		assert_true(++timers < 1000);
		if (inlay_conn_deadline(s->conn) > s->now)
			s->now = inlay_conn_deadline(s->conn);
		inlay_conn_on_timer(s->conn, s->now);
		n += solo_drain(s);
	}
	return n;
}

static void test_a_silent_peer_costs_few_packets_and_then_nothing(void **state)
{
	struct solo s;
	__u64 id;

	solo_init(&s, INLAY_SERVER);
	assert_true(solo_start(&s));
	assert_int_equal(inlay_conn_stream_open(s.conn, false, 0, &zeros, NULL, &id), 0);
	inlay_conn_stream_extend(s.conn, id, 2000, true);
	assert_true(solo_drain(&s) <= 4);
	/* Two probes each PTO, and that doubles: 30 s are seven or so. */
	assert_true(pass_time(&s, s.now + 40 * INLAY_S) <= 2 * 10);
	assert_true(s.closed && s.why.idle);
	assert_true(inlay_conn_is_dead(s.conn));
	assert_int_equal(solo_drain(&s), 0);
	solo_stop(&s);
}

static void test_a_peer_that_grants_no_credit_bounds_what_is_kept(void **state)
{
	static const __u8 bytes[1000];
	struct inlay_datagram_order order = {0};
	__u64 ids[4], i, written = 0, datagrams = 0;
	struct solo s;

	solo_init(&s, INLAY_SERVER);
	s.handover.peer.initial_max_data = 100;
	assert_true(solo_start(&s));
	for (i = 0; i < 4; i++)
		assert_int_equal(inlay_conn_stream_open(s.conn, false, 0, NULL, NULL, &ids[i]), 0);
	for (i = 0; i < 4000; i++) {
		int err = inlay_conn_stream_write(s.conn, ids[i % 4], bytes, sizeof(bytes), false);

		assert_true(err == 0 || err == -ENOMEM);
		written += err == 0;
		datagrams += inlay_conn_datagram(s.conn, &order, bytes, 500) == 0;
		/* Alive, and acknowledging: the connection stays. */
		solo_drain(&s);
		solo_ack(&s, s.conn->log.oldest);
		s.now += 10 * INLAY_MS;
		assert_true(s.conn->streams.send_budget.used <= s.conn->streams.send_budget.max);
		assert_true(s.conn->datagrams.bytes <= s.conn->datagrams.max_bytes);
	}
	assert_false(s.closed);
	assert_true(written * sizeof(bytes) <= s.conn->streams.send_budget.max + sizeof(bytes));
	assert_true(s.entry.flow_bytes <= 100);
	assert_true(datagrams > 100); /* which know no flow control */
	solo_stop(&s);
}

static void test_all_streams_opened_and_none_used(void **state)
{
	struct inlay_quic_frame f;
	struct solo s;
	__u64 id;

	solo_init(&s, INLAY_SERVER);
	assert_true(solo_start(&s));
	solo_drain(&s);
	for (id = 0; id < 16; id++)
		if ((id & 1) == 0)
			solo_recv(&s, (const __u8[]){0x0a, (__u8)id, 0}, 3);
	assert_int_equal(s.conn->streams.n, 8);
	/* No more are granted, and those that are open hold nothing. */
	s.now += INLAY_S;
	assert_int_equal(solo_find(&s, INLAY_QUIC_MAX_STREAMS, &f), 0);
	assert_int_equal(s.conn->streams.recv_budget.used, 0);
	assert_int_equal(s.conn->streams.send_budget.used, 0);
	assert_false(s.closed);
	solo_recv(&s, (const __u8[]){0x0a, 16, 0}, 3);
	assert_int_equal(s.why.code, INLAY_QUIC_STREAM_LIMIT_ERROR);
	solo_stop(&s);
}

static void test_replayed_packets_change_nothing(void **state)
{
	const __u8 data[] = {0x0e, 0x02, 0x00, 0x03, 'a', 'b', 'c', 0x01, 0x30, 'd'};
	struct inlay_conn_stats stats;
	struct solo s;
	__u64 pn;
	int i;

	solo_init(&s, INLAY_SERVER);
	assert_true(solo_start(&s));
	solo_drain(&s);
	pn = s.next_pn;
	solo_recv(&s, data, sizeof(data));
	s.now += 100 * INLAY_MS;
	solo_drain(&s);
	solo_ack(&s, 0);
	for (i = 0; i < 1000; i++) {
		solo_recv_as(&s, &s.handover.own_cid, pn, 0, data, sizeof(data));
		/* Not even an ACK. */
		assert_int_equal(solo_drain(&s), 0);
	}
	inlay_conn_stats(s.conn, &stats);
	assert_int_equal(stats.duplicates, 1000);
	assert_int_equal(s.data_bytes, 3);
	assert_int_equal(s.datagrams, 1);
	assert_false(s.closed);
	/* Nor does it keep the connection alive. */
	pass_time(&s, s.now + 40 * INLAY_S);
	assert_true(s.why.idle);
	solo_stop(&s);
}

/* Each byte its own frame, none beside another: what is kept for it is counted, ranges too. */
static void run_bytes(__u64 (*offset_of)(__u64 i), unsigned int streams)
{
	struct inlay_quic_frame f;
	__u8 frames[1200];
	struct solo s;
	__u64 i = 0, k;
	int round;

	solo_init(&s, INLAY_SERVER);
	s.handover.own.initial_max_data = 1ULL << 30;
	s.handover.own.initial_max_stream_data_uni = 1 << 20;
	s.handover.own.initial_max_streams_uni = streams;
	assert_true(solo_start(&s));
	solo_drain(&s);
	for (round = 0; round < 400; round++) {
		struct inlay_writer w = inlay_writer_of(frames, sizeof(frames));

		for (; inlay_writer_left(&w) >= 16; i++)
			stream_frame(&w, 2 + 4 * (i % streams), offset_of(i / streams), false);
		solo_recv(&s, frames, inlay_writer_len(&w));
		assert_true(s.conn->streams.recv_budget.used <= s.conn->streams.recv_budget.max);
		s.now += INLAY_MS;
		solo_drain(&s);
	}
	assert_false(s.closed);
	for (k = 0; k < streams; k++) {
		struct inlay_stream *x = inlay_streams_find(&s.conn->streams, 2 + 4 * k);

		assert_non_null(x);
		assert_true(x->recv.waiting.n <= 512);
		assert_int_equal(x->recv.room_ranges, x->recv.waiting.room);
	}
	/* It is not stuck: what is next is taken, whatever else was refused. */
	for (k = 0; k < streams; k++) {
		struct inlay_writer w = inlay_writer_of(frames, sizeof(frames));

		stream_frame(&w, 2 + 4 * k, 0, false);
		solo_recv(&s, frames, inlay_writer_len(&w));
	}
	assert_true(s.data_bytes >= streams);
	s.now += INLAY_S;
	assert_true(solo_find(&s, INLAY_QUIC_ACK, &f) >= 1);
	for (k = 0; k < streams; k++)
		inlay_conn_stream_stop(s.conn, 2 + 4 * k, 1);
	assert_int_equal(s.conn->streams.recv_budget.used, 0);
	solo_stop(&s);
}

static __u64 every_second(__u64 i)
{
	return 1 + 2 * i;
}

static __u64 backwards(__u64 i)
{
	return 400000 - 2 * (i % 200000);
}

static __u64 scattered(__u64 i)
{
	return 1 + i * 7919 % 1000003;
}

static void test_bytes_one_by_one_in_bad_order_are_bounded(void **state)
{
	run_bytes(every_second, 1);
	run_bytes(backwards, 1);
	run_bytes(scattered, 1);
	run_bytes(every_second, 64);
	run_bytes(backwards, 64);
	run_bytes(scattered, 64);
}

/* ACKs that name every second packet: matched, bounded, and nothing goes wrong. */
static void test_acks_full_of_holes(void **state)
{
	struct inlay_quic_range ranges[120];
	__u8 frame[1000];
	struct inlay_writer w;
	struct solo s;
	__u64 id, pn;
	size_t n = 0;
	int i;

	solo_init(&s, INLAY_SERVER);
	s.ops.random = NULL; /* no number is skipped */
	assert_true(solo_start(&s));
	assert_int_equal(inlay_conn_stream_open(s.conn, false, 0, &zeros, NULL, &id), 0);
	for (i = 0; i < 200; i++) {
		s.conn->ping_due = true;
		solo_drain(&s);
	}
	for (pn = s.entry.next_pn - 1; n < 100 && pn >= 2; pn -= 2)
		ranges[n++] = (struct inlay_quic_range){pn, pn + 1};
	w = inlay_writer_of(frame, sizeof(frame));
	assert_int_equal(inlay_quic_put_ack(&w, ranges, n, 0, NULL), n);
	for (i = 0; i < 100; i++)
		solo_recv(&s, frame, inlay_writer_len(&w));
	assert_false(s.closed);
	assert_true(s.entry.next_pn - s.conn->log.oldest <= SOLO_LOG);
	solo_stop(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_silent_peer_costs_few_packets_and_then_nothing),
		cmocka_unit_test(test_a_peer_that_grants_no_credit_bounds_what_is_kept),
		cmocka_unit_test(test_all_streams_opened_and_none_used),
		cmocka_unit_test(test_replayed_packets_change_nothing),
		cmocka_unit_test(test_bytes_one_by_one_in_bad_order_are_bounded),
		cmocka_unit_test(test_acks_full_of_holes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
