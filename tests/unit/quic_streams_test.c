/* SPDX-License-Identifier: BSD-2-Clause */
/* Both sides of a stream, flow control, and the order in which streams take turns. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>

#include "quic_solo.h"
#include "zeros.h"

static void test_send_ranges(void **state)
{
	struct inlay_stream_send s;
	struct inlay_send_range r;

	inlay_stream_send_init(&s, &zeros, NULL, 1000);
	assert_int_equal(inlay_stream_send_extend(&s, 1500, false), 0);
	assert_true(inlay_stream_send_next(&s, 600, 10000, &r));
	assert_true(r.offset == 0 && r.len == 600 && !r.fin && !r.again);
	inlay_stream_send_on_sent(&s, &r);
	assert_true(inlay_stream_send_next(&s, 600, 300, &r)); /* connection credit */
	assert_int_equal(r.len, 300);
	assert_true(inlay_stream_send_next(&s, 600, 10000, &r)); /* stream credit */
	assert_int_equal(r.len, 400);
	inlay_stream_send_on_sent(&s, &r);
	assert_false(inlay_stream_send_has_new(&s));
	assert_true(inlay_stream_send_is_blocked(&s));
	s.limit = 5000;
	assert_int_equal(inlay_stream_send_extend(&s, 1500, true), 0);
	assert_true(inlay_stream_send_next(&s, 600, 10000, &r));
	assert_true(r.offset == 1000 && r.len == 500 && r.fin);
	inlay_stream_send_on_sent(&s, &r);
	/* Past FIN nothing may change. */
	assert_int_equal(inlay_stream_send_extend(&s, 1501, true), -EINVAL);
	assert_int_equal(inlay_stream_send_extend(&s, 1499, true), -EINVAL);
	inlay_stream_send_fini(&s);
}

static void test_lost_ranges_go_first_and_once(void **state)
{
	struct inlay_stream_send s;
	struct inlay_send_range r;

	inlay_stream_send_init(&s, &zeros, NULL, 10000);
	inlay_stream_send_extend(&s, 3000, true);
	while (inlay_stream_send_next(&s, 1000, 10000, &r))
		inlay_stream_send_on_sent(&s, &r);
	inlay_stream_send_on_acked(&s, 500, 300, false);
	inlay_stream_send_on_lost(&s, 0, 1000, false);
	inlay_stream_send_on_lost(&s, 2000, 1000, true);
	assert_true(inlay_stream_send_next(&s, 1000, 0, &r)); /* costs no credit */
	assert_true(r.again && r.offset == 0 && r.len == 500);
	inlay_stream_send_on_sent(&s, &r);
	/* What came over another way is not sent. */
	inlay_stream_send_on_acked(&s, 2000, 999, false);
	assert_true(inlay_stream_send_next(&s, 1000, 0, &r));
	assert_true(r.offset == 800 && r.len == 200 && !r.fin);
	inlay_stream_send_on_sent(&s, &r);
	assert_true(inlay_stream_send_next(&s, 1000, 0, &r));
	assert_true(r.offset == 2999 && r.len == 1 && r.fin);
	inlay_stream_send_on_sent(&s, &r);
	assert_false(inlay_stream_send_has_lost(&s));
	/* A bare FIN may be lost as well. */
	inlay_stream_send_on_lost(&s, 3000, 0, true);
	assert_true(inlay_stream_send_next(&s, 1000, 0, &r));
	assert_true(r.offset == 3000 && r.len == 0 && r.fin);
	inlay_stream_send_on_sent(&s, &r);
	inlay_stream_send_on_acked(&s, 0, 3000, false);
	assert_false(inlay_stream_send_is_done(&s));
	inlay_stream_send_on_acked(&s, 3000, 0, true);
	assert_true(inlay_stream_send_is_done(&s));
	inlay_stream_send_fini(&s);
}

static void test_reassembly(void **state)
{
	struct inlay_budget budget = {.max = 64 * 1024};
	struct inlay_stream_recv r;
	const __u8 *data;
	__u8 bytes[9000];
	size_t len, i;
	__u64 total;

	for (i = 0; i < sizeof(bytes); i++)
		bytes[i] = (__u8)(i * 7);
	inlay_stream_recv_init(&r, 100000, &budget);
	assert_int_equal(inlay_stream_recv_store(&r, 3000, bytes + 3000, 6000), 0);
	assert_int_equal(inlay_stream_recv_store(&r, 1000, bytes + 1000, 2500), 0); /* overlaps */
	assert_false(inlay_stream_recv_peek(&r, &data, &len));
	inlay_stream_recv_advance(&r, 1000); /* the first thousand passed through */
	for (total = 1000; inlay_stream_recv_peek(&r, &data, &len); total += len) {
		assert_memory_equal(data, bytes + total, len);
		inlay_stream_recv_advance(&r, len);
	}
	assert_int_equal(total, 9000);
	assert_int_equal(budget.used, 0);
	/* Three pages are all there is. */
	budget.max = 3 * INLAY_RECV_PAGE + 8 * sizeof(void *);
	assert_int_equal(inlay_stream_recv_store(&r, 10000, bytes, 5000), 0);
	assert_int_equal(inlay_stream_recv_store(&r, 20000, bytes, 5000), -ENOBUFS);
	assert_true(budget.used <= budget.max);
	inlay_stream_recv_fini(&r);
	assert_int_equal(budget.used, 0);
}

static void test_flow_window_moves_on(void **state)
{
	struct inlay_flow f;

	inlay_flow_init(&f, 1000);
	assert_true(inlay_flow_receive(&f, 1000));
	assert_false(inlay_flow_receive(&f, 1));
	inlay_flow_consume(&f, 499);
	assert_false(f.pending);
	inlay_flow_consume(&f, 1);
	assert_true(f.pending);
	assert_int_equal(inlay_flow_advertise(&f), 1500);
	assert_false(f.pending);
	assert_true(inlay_flow_receive(&f, 500));
	inlay_flow_consume(&f, 5000); /* more than there was */
	assert_int_equal(inlay_flow_advertise(&f), 2500);
	inlay_flow_on_lost(&f, 1500); /* an old one */
	assert_false(f.pending);
	inlay_flow_on_lost(&f, 2500);
	assert_true(f.pending);
	inlay_flow_init(&f, 0);
	inlay_flow_consume(&f, 0);
	assert_false(f.pending);
}

/* Stream IDs of the STREAM frames sent, in order. */
static size_t order_of(struct solo *s, __u64 *ids, size_t room)
{
	__u8 packet[INLAY_FRAME_MAX];
	struct inlay_quic_clear clear;
	struct inlay_quic_frame f;
	size_t n = 0;

	while (solo_send(s, packet, &clear))
		while (inlay_cursor_left(&clear.frames) > 0) {
			assert_int_equal(inlay_quic_frame_parse(&clear.frames, &f), 0);
			if (f.type == INLAY_QUIC_STREAM && n < room)
				ids[n++] = f.stream.id;
		}
	return n;
}

static void test_lower_priority_first_equal_in_turn(void **state)
{
	__u64 ids[4], order[16];
	const __u64 priorities[4] = {5, 1, 5, 9};
	struct solo s;
	size_t i;

	solo_init(&s, INLAY_SERVER);
	s.handover.peer.initial_max_data = 1 << 20;
	s.handover.peer.initial_max_stream_data_uni = 1 << 20;
	assert_true(solo_start(&s));
	solo_drain(&s);
	for (i = 0; i < 4; i++) {
		assert_int_equal(
			inlay_conn_stream_open(s.conn, false, priorities[i], &zeros, NULL, &ids[i]),
			0);
		assert_int_equal(inlay_conn_stream_extend(s.conn, ids[i], 2400, true), 0);
	}
	assert_true(order_of(&s, order, 16) >= 9);
	for (i = 0; order[i] == ids[1]; i++)
		;
	assert_in_range(i, 2, 3);
	/* Then 0 and 2 by turns, and 3 last. */
	assert_int_equal(order[i], ids[0]);
	assert_int_equal(order[i + 1], ids[2]);
	assert_int_equal(order[i + 2], ids[0]);
	assert_int_equal(order[i + 3], ids[2]);
	solo_stop(&s);
}

/* What is sent again goes before what is new, whatever its priority. */
static void test_lost_before_new(void **state)
{
	const __u8 ack[] = {0x02, 5, 0, 0, 0};
	__u64 a, b, order[16];
	struct solo s;

	solo_init(&s, INLAY_SERVER);
	s.handover.peer.initial_max_stream_data_uni = 1 << 20;
	s.handover.peer.initial_max_data = 1 << 20;
	s.ops.random = NULL; /* no numbers left out */
	assert_true(solo_start(&s));
	assert_int_equal(inlay_conn_stream_open(s.conn, false, 9, &zeros, NULL, &a), 0);
	inlay_conn_stream_extend(s.conn, a, 6000, true);
	assert_true(order_of(&s, order, 16) >= 6); /* numbers 0 to 5 at least */
	assert_int_equal(inlay_conn_stream_open(s.conn, false, 0, &zeros, NULL, &b), 0);
	inlay_conn_stream_extend(s.conn, b, 1000, true);
	s.now += 50 * INLAY_MS;
	solo_recv(&s, ack, sizeof(ack));
	assert_true(s.conn->recovery.lost_pkts >= 3);
	assert_true(order_of(&s, order, 16) >= 3);
	assert_int_equal(order[0], a);
	solo_stop(&s);
}

static int read_gone(void *ctx, __u64 offset, __u8 *dst, size_t len)
{
	return offset < 1000 ? -ENODATA : zeros_read(ctx, offset, dst, len);
}

static void count_release(void *ctx)
{
	++*(int *)ctx;
}

/* A stream is finished or reset, never punctured; and gives back what it charged in vain. */
static void test_evicted_bytes_reset_the_stream(void **state)
{
	const struct inlay_stream_source gone = {
		.read = read_gone,
		.release = count_release,
		.evicted_code = 42,
	};
	struct inlay_quic_frame f;
	int released = 0;
	struct solo s;
	__u64 id;

	solo_init(&s, INLAY_SERVER);
	assert_true(solo_start(&s));
	solo_drain(&s);
	assert_int_equal(inlay_conn_stream_open(s.conn, false, 0, &gone, &released, &id), 0);
	inlay_conn_stream_extend(s.conn, id, 1500, true);
	assert_int_equal(solo_find(&s, INLAY_QUIC_RESET_STREAM, &f), 1);
	assert_int_equal(f.reset.id, id);
	assert_int_equal(f.reset.code, 42);
	assert_int_equal(f.reset.final_size, 0);
	assert_int_equal(released, 1);
	assert_int_equal(s.entry.flow_bytes, 0);
	assert_int_equal(s.streams_closed, 0);
	solo_ack(&s, 0);
	assert_int_equal(s.streams_closed, 1);
	solo_stop(&s);
	assert_int_equal(released, 1);
}

static void test_limits_of_the_peer(void **state)
{
	const __u8 more_data[] = {0x10, 0x80, 0x00, 0x50, 0x00}, more_streams[] = {0x13, 6};
	struct inlay_quic_frame f;
	struct solo s;
	__u64 id;
	int i;

	solo_init(&s, INLAY_SERVER);
	assert_true(solo_start(&s));
	solo_drain(&s);
	for (i = 0; i < 4; i++) {
		assert_int_equal(inlay_conn_stream_open(s.conn, false, 0, &zeros, NULL, &id), 0);
		inlay_conn_stream_extend(s.conn, id, 2000, false);
	}
	assert_int_equal(inlay_conn_stream_open(s.conn, false, 0, &zeros, NULL, &id), -EAGAIN);
	assert_int_equal(solo_find(&s, INLAY_QUIC_DATA_BLOCKED, &f), 1);
	assert_int_equal(f.limit.limit, 5000);
	assert_int_equal(s.entry.flow_bytes, 5000);
	solo_recv(&s, more_data, sizeof(more_data));
	solo_drain(&s);
	assert_int_equal(s.entry.flow_bytes, 8000);
	assert_int_equal(s.available, 0);
	solo_recv(&s, more_streams, sizeof(more_streams));
	assert_int_equal(s.available, 1);
	assert_int_equal(inlay_conn_stream_open(s.conn, false, 0, &zeros, NULL, &id), 0);
	assert_int_equal(id, 4 << 2 | 3);
	/* Our own bound on streams. */
	for (i = 5; i < 8; i++)
		inlay_conn_stream_open(s.conn, i > 5, 0, NULL, NULL, &id);
	assert_int_equal(inlay_conn_stream_open(s.conn, true, 0, NULL, NULL, &id), -EMFILE);
	solo_stop(&s);
}

/* A stream that owes its FIN alone does not wait for credit behind others. */
static void test_a_fin_needs_no_credit(void **state)
{
	struct inlay_quic_frame f;
	struct solo s;
	__u64 a, b;

	solo_init(&s, INLAY_SERVER);
	s.handover.peer.initial_max_data = 1000;
	assert_true(solo_start(&s));
	assert_int_equal(inlay_conn_stream_open(s.conn, false, 0, &zeros, NULL, &a), 0);
	assert_int_equal(inlay_conn_stream_open(s.conn, false, 9, &zeros, NULL, &b), 0);
	inlay_conn_stream_extend(s.conn, b, 400, false);
	solo_drain(&s);
	inlay_conn_stream_extend(s.conn, a, 1500, false);
	assert_true(solo_find(&s, INLAY_QUIC_DATA_BLOCKED, &f) == 1);
	assert_int_equal(s.entry.flow_bytes, 1000);
	inlay_conn_stream_extend(s.conn, b, 400, true);
	assert_int_equal(solo_find(&s, INLAY_QUIC_STREAM, &f), 1);
	assert_int_equal(f.stream.id, b);
	assert_int_equal(f.stream.offset, 400);
	assert_true(f.stream.fin);
	solo_stop(&s);
}

/* RFC 9000 section 13.3: a lost *_BLOCKED goes out again while it holds true. */
static void test_blocked_is_repeated(void **state)
{
	const __u8 more[] = {0x10, 0x50, 0x00, 0x13, 5}, type[3] = {0x14, 0x15, 0x16};
	__u8 room[INLAY_FRAME_MAX];
	struct inlay_quic_clear clear;
	struct inlay_quic_frame f;
	int seen[3] = {0}, round, i;
	struct solo s;
	__u64 id;

	solo_init(&s, INLAY_SERVER);
	s.handover.peer.initial_max_data = 800;
	s.handover.peer.initial_max_stream_data_uni = 500;
	assert_true(solo_start(&s));
	solo_drain(&s);
	for (i = 0; i < 4; i++) {
		assert_int_equal(inlay_conn_stream_open(s.conn, false, 0, &zeros, NULL, &id), 0);
		inlay_conn_stream_extend(s.conn, id, 501, false);
	}
	assert_int_equal(inlay_conn_stream_open(s.conn, false, 0, &zeros, NULL, &id), -EAGAIN);
	solo_drain(&s);
	for (round = 0; round < 10; round++) {
		if (round == 5) { /* limits of the connection rise: only the stream's still holds */
			solo_recv(&s, more, sizeof(more));
			solo_drain(&s);
			assert_true(seen[0] > 0 && seen[1] > 0 && seen[2] > 0);
			seen[0] = seen[2] = 0;
		}
		s.now = inlay_conn_deadline(s.conn);
		inlay_conn_on_timer(s.conn, s.now);
		while (solo_send(&s, room, &clear))
			while (inlay_cursor_left(&clear.frames) > 0) {
				assert_int_equal(inlay_quic_frame_parse(&clear.frames, &f), 0);
				for (i = 0; i < 3; i++)
					seen[i] += f.type == type[i];
			}
	}
	assert_int_equal(seen[0], 0);
	assert_int_equal(seen[2], 0);
	solo_stop(&s);
}

/* Streams of the peer that end give it others; those that it skips stay open. */
static void test_quota_is_given_back(void **state)
{
	__u8 frame[] = {0x0b, 0, 1, 7};
	struct inlay_quic_frame f;
	struct solo s;
	int i;

	solo_init(&s, INLAY_SERVER);
	assert_true(solo_start(&s));
	solo_drain(&s);
	for (i = 3; i >= 2; i--) {
		frame[1] = (__u8)(i << 2 | 2);
		solo_recv(&s, frame, sizeof(frame));
	}
	assert_int_equal(s.streams_closed, 2);
	assert_int_equal(solo_find(&s, INLAY_QUIC_MAX_STREAMS, &f), 1);
	assert_false(f.limit.bidi);
	assert_int_equal(f.limit.limit, 6);
	/* Closed: late frames are nothing. */
	solo_recv(&s, frame, sizeof(frame));
	assert_int_equal(s.data_bytes, 2);
	assert_false(s.closed);
	/* Skipped so far: open all the same. */
	frame[1] = 2;
	solo_recv(&s, frame, sizeof(frame));
	assert_int_equal(s.data_bytes, 3);
	solo_stop(&s);
}

/* Bytes that nobody will read do not block the connection. */
static void test_stopped_and_reset_streams_return_credit(void **state)
{
	const __u8 data[] = {0x0e, 0, 0x47, 0x00, 1, 9}, reset[] = {0x04, 4, 0, 0x47, 0xd0};
	struct inlay_quic_frame f;
	struct solo s;

	solo_init(&s, INLAY_SERVER);
	assert_true(solo_start(&s));
	solo_drain(&s);
	solo_recv(&s, data, sizeof(data)); /* a byte at 1792, the rest missing */
	assert_int_equal(s.conn->flow.consumed, 0);
	assert_int_equal(inlay_conn_stream_stop(s.conn, 0, 3), 0);
	assert_int_equal(s.conn->flow.consumed, 1793);
	assert_int_equal(solo_find(&s, INLAY_QUIC_STOP_SENDING, &f), 1);
	assert_int_equal(f.reset.code, 3);
	solo_recv(&s, reset, sizeof(reset)); /* 2000 bytes, none of which came */
	assert_int_equal(s.resets, 1);
	assert_int_equal(s.conn->flow.consumed, 3793);
	assert_int_equal(solo_find(&s, INLAY_QUIC_MAX_DATA, &f), 1);
	assert_int_equal(f.limit.limit, 8793);
	assert_int_equal(s.conn->streams.recv_budget.used, 0);
	solo_stop(&s);
}

static void test_written_bytes_are_bounded(void **state)
{
	static __u8 data[64 * 1024];
	struct solo s;
	__u64 id;

	solo_init(&s, INLAY_SERVER);
	assert_true(solo_start(&s));
	assert_int_equal(inlay_conn_stream_open(s.conn, true, 0, NULL, NULL, &id), 0);
	assert_int_equal(inlay_conn_stream_write(s.conn, id, data, sizeof(data), false), 0);
	assert_int_equal(inlay_conn_stream_write(s.conn, id, data, 1, false), -ENOMEM);
	assert_int_equal(inlay_conn_stream_write(s.conn, id + 4, data, 1, false), -ENOENT);
	solo_drain(&s);
	solo_ack(&s, 0);
	assert_int_equal(inlay_conn_stream_write(s.conn, id, data, 1, true), 0);
	assert_int_equal(inlay_conn_stream_write(s.conn, id, data, 1, true), -EPIPE);
	solo_stop(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_send_ranges),
		cmocka_unit_test(test_lost_ranges_go_first_and_once),
		cmocka_unit_test(test_reassembly),
		cmocka_unit_test(test_flow_window_moves_on),
		cmocka_unit_test(test_lower_priority_first_equal_in_turn),
		cmocka_unit_test(test_lost_before_new),
		cmocka_unit_test(test_evicted_bytes_reset_the_stream),
		cmocka_unit_test(test_limits_of_the_peer),
		cmocka_unit_test(test_a_fin_needs_no_credit),
		cmocka_unit_test(test_blocked_is_repeated),
		cmocka_unit_test(test_quota_is_given_back),
		cmocka_unit_test(test_stopped_and_reset_streams_return_credit),
		cmocka_unit_test(test_written_bytes_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
