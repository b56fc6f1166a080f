/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Streams reset, and delivered up to a point all the same: draft-ietf-quic-reliable-stream-reset,
 * both ways.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>

#include "quic_solo.h"
#include "zeros.h"

#define CODE 0x77

static void on_release(void *ctx)
{
	++*(int *)ctx;
}

static __u64 head(void *ctx)
{
	return 30;
}

/* Gives its head, and has lost all else. */
static int read_head(void *ctx, __u64 offset, __u8 *dst, size_t len)
{
	memset(dst, 1, len);
	return offset + len <= 30 ? 0 : -ENODATA;
}

static int read_nothing(void *ctx, __u64 offset, __u8 *dst, size_t len)
{
	return -ENODATA;
}

static const struct inlay_stream_source evicted = {
	.read = read_head, .release = on_release, .head = head, .evicted_code = CODE};
static const struct inlay_stream_source all_zeros = {.read = zeros_read, .release = on_release};

/* A server whose peer understands the extension, or not. */
static void start(struct solo *s, bool understood)
{
	solo_init(s, INLAY_SERVER);
	s->handover.own.reset_stream_at = true;
	s->handover.peer.reset_stream_at = understood;
	assert_true(solo_start(s));
	solo_drain(s);
	solo_ack(s, 0);
}

static __u64 open_stream(struct solo *s, int *released)
{
	__u64 id;

	*released = 0;
	assert_int_equal(inlay_conn_stream_open(s->conn, false, 0, &all_zeros, released, &id), 0);
	return id;
}

/* --- Sending --------------------------------------------------------------------------------- */

static void test_the_promised_bytes_are_sent_before_the_reset(void **state)
{
	struct inlay_quic_frame f;
	struct solo s;
	int released;
	__u64 id;

	start(&s, true);
	id = open_stream(&s, &released);
	inlay_conn_stream_extend(s.conn, id, 900, false);
	assert_int_equal(inlay_conn_stream_reset_at(s.conn, id, CODE, 901), -EINVAL);
	assert_int_equal(inlay_conn_stream_reset_at(s.conn, id, CODE, 30), 0);
	assert_int_equal(inlay_conn_stream_extend(s.conn, id, 1000, false), -ENOENT);
	assert_int_equal(solo_find(&s, INLAY_QUIC_RESET_STREAM_AT, &f), 1);
	assert_int_equal(f.reset.id, id);
	assert_int_equal(f.reset.code, CODE);
	assert_int_equal(f.reset.final_size, 30);
	assert_int_equal(f.reset.reliable, 30);
	assert_int_equal(s.entry.flow_bytes, 30);
	assert_int_equal(released, 0); /* the bytes may be lost yet */
	solo_ack(&s, 0);
	assert_int_equal(released, 1);
	assert_int_equal(s.streams_closed, 1);
	solo_stop(&s);
}

static void test_only_the_promised_bytes_are_sent_again(void **state)
{
	struct inlay_quic_frame f;
	struct solo s;
	int released;
	__u64 id, pn;

	start(&s, true);
	id = open_stream(&s, &released);
	inlay_conn_stream_extend(s.conn, id, 900, true);
	pn = s.entry.next_pn;
	assert_int_equal(solo_find(&s, INLAY_QUIC_STREAM, &f), 1);
	inlay_conn_stream_reset_at(s.conn, id, CODE, 100);
	assert_int_equal(solo_find(&s, INLAY_QUIC_RESET_STREAM_AT, &f), 1);
	assert_int_equal(f.reset.final_size, 900);
	assert_int_equal(f.reset.reliable, 100);
	/* The reset arrives, what it promises does not: the side is not done. */
	solo_ack(&s, pn + 1);
	assert_int_equal(s.streams_closed, 0);
	s.now += 10 * INLAY_S;
	inlay_conn_on_timer(s.conn, s.now);
	assert_int_equal(solo_find(&s, INLAY_QUIC_STREAM, &f), 1);
	assert_int_equal(f.stream.offset, 0);
	assert_int_equal(f.stream.len, 100);
	assert_false(f.stream.fin);
	solo_ack(&s, pn + 1);
	assert_int_equal(s.streams_closed, 1);
	assert_int_equal(released, 1);
	solo_stop(&s);
}

static void test_the_reset_is_sent_again_until_it_is_acknowledged(void **state)
{
	struct inlay_quic_frame f;
	struct solo s;
	int released, i;
	__u64 id;

	start(&s, true);
	id = open_stream(&s, &released);
	inlay_conn_stream_extend(s.conn, id, 50, false);
	inlay_conn_stream_reset_at(s.conn, id, CODE, 20);
	assert_int_equal(solo_find(&s, INLAY_QUIC_RESET_STREAM_AT, &f), 1);
	for (i = 0; i < 3; i++) {
		s.now += 30 * INLAY_S / 4;
		inlay_conn_on_timer(s.conn, s.now);
		assert_true(solo_find(&s, INLAY_QUIC_RESET_STREAM_AT, &f) >= 1);
		assert_int_equal(f.reset.reliable, 20);
	}
	solo_ack(&s, 0);
	assert_int_equal(s.streams_closed, 1);
	solo_stop(&s);
}

static void test_the_promise_may_shrink_and_nothing_else(void **state)
{
	struct inlay_quic_frame f;
	struct solo s;
	int released;
	__u64 id;

	start(&s, true);
	id = open_stream(&s, &released);
	inlay_conn_stream_extend(s.conn, id, 900, false);
	solo_drain(&s);
	inlay_conn_stream_reset_at(s.conn, id, CODE, 500);
	assert_int_equal(solo_find(&s, INLAY_QUIC_RESET_STREAM_AT, &f), 1);
	assert_int_equal(inlay_conn_stream_reset_at(s.conn, id, CODE + 1, 600), 0);
	assert_int_equal(solo_drain(&s), 0);
	assert_int_equal(inlay_conn_stream_reset_at(s.conn, id, CODE + 1, 400), 0);
	assert_int_equal(solo_find(&s, INLAY_QUIC_RESET_STREAM_AT, &f), 1);
	assert_int_equal(f.reset.reliable, 400);
	assert_int_equal(f.reset.code, CODE);
	assert_int_equal(f.reset.final_size, 900);
	/* To nothing: RESET_STREAM. */
	assert_int_equal(inlay_conn_stream_reset(s.conn, id, CODE + 2), 0);
	assert_int_equal(released, 1);
	assert_int_equal(solo_find(&s, INLAY_QUIC_RESET_STREAM, &f), 1);
	assert_int_equal(f.reset.code, CODE);
	assert_int_equal(f.reset.final_size, 900);
	solo_ack(&s, 0);
	assert_int_equal(s.streams_closed, 1);
	solo_stop(&s);
}

static void test_an_ack_of_the_larger_promise_is_not_the_end(void **state)
{
	struct inlay_quic_frame f;
	struct solo s;
	int released;
	__u64 id;

	start(&s, true);
	id = open_stream(&s, &released);
	inlay_conn_stream_extend(s.conn, id, 900, false);
	solo_drain(&s);
	inlay_conn_stream_reset_at(s.conn, id, CODE, 500);
	solo_drain(&s);
	inlay_conn_stream_reset_at(s.conn, id, CODE, 400);
	solo_ack(&s, 0); /* before the second is sent */
	assert_int_equal(s.streams_closed, 0);
	assert_int_equal(solo_find(&s, INLAY_QUIC_RESET_STREAM_AT, &f), 1);
	assert_int_equal(f.reset.reliable, 400);
	solo_ack(&s, 0);
	assert_int_equal(s.streams_closed, 1);
	solo_stop(&s);
}

/* The reset's final size counts like data: it waits for credit. */
static void test_a_reset_waits_for_credit(void **state)
{
	const __u8 more[] = {0x11, 3, 0x48, 0x00}; /* MAX_STREAM_DATA: 2048 on stream 3 */
	struct inlay_quic_frame f;
	struct solo s;
	int released;
	__u64 id;

	solo_init(&s, INLAY_SERVER);
	s.handover.peer.reset_stream_at = true;
	s.handover.peer.initial_max_stream_data_uni = 10;
	assert_true(solo_start(&s));
	id = open_stream(&s, &released);
	assert_int_equal(id, 3);
	inlay_conn_stream_extend(s.conn, id, 900, false);
	inlay_conn_stream_reset_at(s.conn, id, CODE, 30);
	assert_int_equal(solo_find(&s, INLAY_QUIC_RESET_STREAM_AT, &f), 0);
	solo_recv(&s, more, sizeof(more));
	assert_int_equal(solo_find(&s, INLAY_QUIC_RESET_STREAM_AT, &f), 1);
	assert_int_equal(f.reset.final_size, 30);
	solo_stop(&s);
}

static void test_stop_sending_is_answered_with_a_plain_reset(void **state)
{
	const __u8 stop[] = {0x05, 3, 0x44, 0x44};
	struct inlay_quic_frame f;
	struct solo s;
	int released;
	__u64 id;

	start(&s, true);
	id = open_stream(&s, &released);
	inlay_conn_stream_extend(s.conn, id, 900, false);
	solo_drain(&s);
	inlay_conn_stream_reset_at(s.conn, id, CODE, 500);
	solo_drain(&s);
	solo_recv(&s, stop, sizeof(stop));
	assert_int_equal(s.stops, 0); /* the application had done with it */
	assert_int_equal(released, 1);
	assert_int_equal(solo_find(&s, INLAY_QUIC_RESET_STREAM, &f), 1);
	assert_int_equal(f.reset.code, CODE);
	assert_int_equal(f.reset.final_size, 900);
	solo_stop(&s);
}

static void test_a_peer_without_the_extension_gets_reset_stream(void **state)
{
	struct inlay_quic_frame f;
	struct solo s;
	int released;
	__u64 id;

	start(&s, false);
	assert_false(inlay_conn_can_reset_at(s.conn));
	id = open_stream(&s, &released);
	inlay_conn_stream_extend(s.conn, id, 900, false);
	assert_int_equal(inlay_conn_stream_reset_at(s.conn, id, CODE, 30), 0);
	assert_int_equal(solo_find(&s, INLAY_QUIC_RESET_STREAM, &f), 1);
	assert_int_equal(f.reset.final_size, 0);
	assert_int_equal(released, 1);
	solo_stop(&s);
}

static void test_a_plain_reset_spares_the_head(void **state)
{
	struct inlay_quic_frame f;
	struct solo s;
	int released = 0;
	__u64 id;

	start(&s, true);
	assert_int_equal(inlay_conn_stream_open(s.conn, false, 0, &evicted, &released, &id), 0);
	inlay_conn_stream_extend(s.conn, id, 900, false);
	assert_int_equal(inlay_conn_stream_reset(s.conn, id, 5), 0);
	assert_int_equal(solo_find(&s, INLAY_QUIC_RESET_STREAM_AT, &f), 1);
	assert_int_equal(f.reset.reliable, 30);
	assert_int_equal(f.reset.final_size, 30);
	solo_ack(&s, 0);
	assert_int_equal(released, 1);
	solo_stop(&s);
}

static void test_a_stream_whose_bytes_are_gone_keeps_its_head(void **state)
{
	struct inlay_quic_frame f;
	struct solo s;
	int released = 0;
	__u64 id;

	start(&s, true);
	assert_int_equal(inlay_conn_stream_open(s.conn, false, 0, &evicted, &released, &id), 0);
	inlay_conn_stream_extend(s.conn, id, 900, false);
	assert_int_equal(solo_find(&s, INLAY_QUIC_RESET_STREAM_AT, &f), 1);
	assert_int_equal(f.reset.code, CODE);
	assert_int_equal(f.reset.reliable, 30);
	solo_ack(&s, 0);
	assert_int_equal(released, 1);
	solo_stop(&s);
}

/* A source that breaks its word costs the stream, and nothing more. */
static void test_a_head_that_is_gone_ends_in_a_reset(void **state)
{
	struct inlay_stream_source lost = evicted;
	struct inlay_quic_frame f;
	struct solo s;
	int released = 0;
	__u64 id;

	start(&s, true);
	lost.read = read_nothing;
	assert_int_equal(inlay_conn_stream_open(s.conn, false, 0, &lost, &released, &id), 0);
	inlay_conn_stream_extend(s.conn, id, 900, false);
	assert_int_equal(solo_find(&s, INLAY_QUIC_RESET_STREAM, &f), 1);
	assert_int_equal(f.reset.final_size, 0);
	assert_int_equal(released, 1);
	solo_stop(&s);
}

/* ACKs of what nobody waits for come after the source has gone. */
static void test_late_acks_above_the_promise_find_no_source(void **state)
{
	static const __u8 bytes[900];
	struct inlay_quic_range range;
	__u8 frame[32];
	struct inlay_writer w;
	struct solo s;
	__u64 id, pn;

	start(&s, true);
	/* Bidirectional: its other side keeps the stream. */
	assert_int_equal(inlay_conn_stream_open(s.conn, true, 0, NULL, NULL, &id), 0);
	inlay_conn_stream_write(s.conn, id, bytes, 20, false);
	solo_drain(&s);
	pn = s.entry.next_pn;
	inlay_conn_stream_write(s.conn, id, bytes, 900, false);
	solo_drain(&s);
	inlay_conn_stream_reset_at(s.conn, id, CODE, 20);
	solo_drain(&s);
	solo_ack(&s, pn + 1);
	range = (struct inlay_quic_range){pn - 1, pn};
	w = inlay_writer_of(frame, sizeof(frame));
	inlay_quic_put_ack(&w, &range, 1, 0, NULL);
	solo_recv(&s, frame, inlay_writer_len(&w));
	assert_true(inlay_stream_send_is_done(&inlay_streams_find(&s.conn->streams, id)->send));
	range = (struct inlay_quic_range){pn, pn + 1};
	w = inlay_writer_of(frame, sizeof(frame));
	inlay_quic_put_ack(&w, &range, 1, 0, NULL);
	solo_recv(&s, frame, inlay_writer_len(&w));
	assert_false(s.closed);
	assert_int_equal(s.conn->streams.send_budget.used, 0);
	solo_stop(&s);
}

/* --- Receiving ------------------------------------------------------------------------------- */

static void recv_stream(struct solo *s, __u64 offset, size_t len, bool fin)
{
	static const __u8 bytes[1000];
	__u8 frame[1100];
	struct inlay_writer w = inlay_writer_of(frame, sizeof(frame));

	inlay_quic_put_stream_header(&w, 2, offset, len, fin, true);
	inlay_writer_bytes(&w, bytes, len);
	solo_recv(s, frame, inlay_writer_len(&w));
}

static void recv_reset(struct solo *s, __u64 code, __u64 final_size, __u64 reliable)
{
	__u8 frame[40];
	struct inlay_writer w = inlay_writer_of(frame, sizeof(frame));

	inlay_quic_put_reset_stream_at(&w, 2, code, final_size, reliable);
	solo_recv(s, frame, inlay_writer_len(&w));
}

static void test_the_application_gets_the_promise_and_then_the_reset(void **state)
{
	struct solo s;

	start(&s, true);
	recv_stream(&s, 0, 100, false);
	recv_reset(&s, CODE, 1000, 300);
	assert_int_equal(s.data_bytes, 100);
	assert_int_equal(s.resets, 0);
	recv_stream(&s, 200, 150, false); /* behind a gap */
	assert_int_equal(s.data_bytes, 100);
	recv_stream(&s, 100, 100, false);
	assert_true(s.data_bytes >= 300);
	assert_int_equal(s.resets, 1);
	assert_int_equal(s.streams_closed, 1);
	/* What was never to come counts as consumed, the promise once the application says so. */
	assert_int_equal(s.conn->flow.received, 1000);
	inlay_conn_stream_consume(s.conn, 2, s.data_bytes);
	assert_int_equal(s.conn->flow.consumed, 1000);
	recv_stream(&s, 300, 100, false); /* too late */
	assert_int_equal(s.resets, 1);
	assert_false(s.closed);
	solo_stop(&s);
}

static void test_the_smallest_promise_counts(void **state)
{
	struct solo s;

	start(&s, true);
	recv_stream(&s, 0, 100, false);
	recv_reset(&s, CODE, 1000, 300);
	recv_reset(&s, CODE, 1000, 400); /* overtaken */
	recv_stream(&s, 100, 50, false);
	assert_int_equal(s.resets, 0);
	recv_reset(&s, CODE, 1000, 150);
	assert_int_equal(s.resets, 1);
	assert_int_equal(s.data_bytes, 150);
	solo_stop(&s);
}

static void test_a_promise_of_nothing_is_a_reset_at_once(void **state)
{
	struct solo s;

	start(&s, true);
	recv_reset(&s, CODE, 1000, 0);
	assert_int_equal(s.resets, 1);
	assert_int_equal(s.streams_closed, 1);
	solo_stop(&s);
}

static void test_every_byte_delivered_is_no_clean_end(void **state)
{
	struct solo s;

	start(&s, true);
	recv_reset(&s, CODE, 100, 100);
	assert_int_equal(s.resets, 0);
	recv_stream(&s, 0, 100, true);
	assert_int_equal(s.data_bytes, 100);
	assert_int_equal(s.resets, 1);
	solo_stop(&s);
}

static void test_after_a_clean_end_a_reset_is_ignored(void **state)
{
	struct solo s;

	start(&s, true);
	/* Bidirectional, so that the stream is still there. */
	solo_recv(&s, (const __u8[]){0x0b, 0, 1, 9}, 4);
	assert_int_equal(s.data_bytes, 1);
	solo_recv(&s, (const __u8[]){0x24, 0, 5, 1, 0}, 5);
	assert_int_equal(s.resets, 0);
	assert_false(s.closed);
	solo_stop(&s);
}

static void test_a_stream_that_we_stopped_waits_for_no_promise(void **state)
{
	struct solo s;

	start(&s, true);
	recv_stream(&s, 0, 100, false);
	inlay_conn_stream_stop(s.conn, 2, 1);
	recv_reset(&s, CODE, 1000, 900);
	assert_int_equal(s.streams_closed, 1);
	assert_int_equal(s.conn->flow.consumed, 1000 - s.data_bytes);
	solo_stop(&s);
}

static void expect_error(enum inlay_quic_error code, const __u8 *last, size_t len)
{
	struct solo s;

	start(&s, true);
	recv_stream(&s, 0, 100, false);
	recv_reset(&s, 5, 1000, 500);
	assert_false(s.closed);
	solo_recv(&s, last, len);
	assert_true(s.closed);
	assert_int_equal(s.why.code, code);
	solo_stop(&s);
}

#define EXPECT_ERROR(code, ...)                                                                    \
	expect_error(code, (const __u8[]){__VA_ARGS__}, sizeof((const __u8[]){__VA_ARGS__}))

static void test_what_may_not_change(void **state)
{
	EXPECT_ERROR(INLAY_QUIC_STREAM_STATE_ERROR, 0x24, 2, 6, 0x43, 0xe8, 0x41, 0xf4);
	EXPECT_ERROR(INLAY_QUIC_STREAM_STATE_ERROR, 0x04, 2, 6, 0x43, 0xe8);
	EXPECT_ERROR(INLAY_QUIC_FINAL_SIZE_ERROR, 0x24, 2, 5, 0x43, 0xe9, 0x41, 0xf4);
	EXPECT_ERROR(INLAY_QUIC_FINAL_SIZE_ERROR, 0x04, 2, 5, 0x43, 0xe7);
	EXPECT_ERROR(INLAY_QUIC_FINAL_SIZE_ERROR, 0x0f, 2, 0x43, 0xe8, 1, 9);
	EXPECT_ERROR(INLAY_QUIC_FRAME_ENCODING_ERROR, 0x24, 2, 5, 10, 11);
	EXPECT_ERROR(INLAY_QUIC_FLOW_CONTROL_ERROR, 0x24, 6, 5, 0x47, 0xd1, 0); /* 2001 */
	EXPECT_ERROR(INLAY_QUIC_STREAM_STATE_ERROR, 0x24, 3, 5, 0, 0); /* we only send there */
}

static void test_the_frame_is_unknown_unless_announced(void **state)
{
	const __u8 frame[] = {0x24, 2, 5, 10, 0};
	struct solo s;

	solo_init(&s, INLAY_SERVER);
	assert_true(solo_start(&s));
	solo_recv(&s, frame, sizeof(frame));
	assert_true(s.closed);
	assert_int_equal(s.why.code, INLAY_QUIC_FRAME_ENCODING_ERROR);
	solo_stop(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_promised_bytes_are_sent_before_the_reset),
		cmocka_unit_test(test_only_the_promised_bytes_are_sent_again),
		cmocka_unit_test(test_the_reset_is_sent_again_until_it_is_acknowledged),
		cmocka_unit_test(test_the_promise_may_shrink_and_nothing_else),
		cmocka_unit_test(test_an_ack_of_the_larger_promise_is_not_the_end),
		cmocka_unit_test(test_a_reset_waits_for_credit),
		cmocka_unit_test(test_stop_sending_is_answered_with_a_plain_reset),
		cmocka_unit_test(test_a_peer_without_the_extension_gets_reset_stream),
		cmocka_unit_test(test_late_acks_above_the_promise_find_no_source),
		cmocka_unit_test(test_a_plain_reset_spares_the_head),
		cmocka_unit_test(test_a_stream_whose_bytes_are_gone_keeps_its_head),
		cmocka_unit_test(test_a_head_that_is_gone_ends_in_a_reset),
		cmocka_unit_test(test_the_application_gets_the_promise_and_then_the_reset),
		cmocka_unit_test(test_the_smallest_promise_counts),
		cmocka_unit_test(test_a_promise_of_nothing_is_a_reset_at_once),
		cmocka_unit_test(test_every_byte_delivered_is_no_clean_end),
		cmocka_unit_test(test_after_a_clean_end_a_reset_is_ignored),
		cmocka_unit_test(test_a_stream_that_we_stopped_waits_for_no_promise),
		cmocka_unit_test(test_what_may_not_change),
		cmocka_unit_test(test_the_frame_is_unknown_unless_announced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
