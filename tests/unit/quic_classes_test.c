/* SPDX-License-Identifier: BSD-2-Clause */
/* Classes of traffic: what waits in each, and what a policy grants to each. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>

#include "policy.h"
#include "quic_solo.h"
#include "zeros.h"

#define BIG (1ULL << 30)

static struct inlay_policy_limits granted;
static struct inlay_policy_view seen;
static int asked;

static void grant(void *user, const struct inlay_policy_view *view,
		  struct inlay_policy_limits *ret_limits)
{
	seen = *view;
	asked++;
	*ret_limits = granted;
}

static const struct inlay_policy policy = {.name = "test", .limits = grant};

/* Objects of 5000 bytes. */
static __u64 object_end(void *ctx, __u64 offset)
{
	return (offset + 4999) / 5000 * 5000;
}

static const struct inlay_stream_source objects = {.read = zeros_read, .object_end = object_end};

static void start(struct solo *s, const struct inlay_policy *p)
{
	solo_init(s, INLAY_SERVER);
	s->policy = p;
	s->handover.peer.initial_max_data = BIG;
	s->handover.peer.initial_max_stream_data_uni = BIG;
	asked = 0;
	granted = (struct inlay_policy_limits){.share = {1000, 1000, 500, 300, 300, 300, 300, 1}};
	assert_true(solo_start(s));
	solo_drain(s);
	solo_ack(s, 0);
	solo_drain(s);
}

static __u64 open_stream(struct solo *s, __u8 class, const struct inlay_stream_source *source,
			 __u64 end)
{
	__u64 id;

	assert_int_equal(inlay_conn_stream_open(s->conn, false, class, source, NULL, &id), 0);
	assert_int_equal(inlay_conn_stream_set_class(s->conn, id, class), 0);
	assert_int_equal(inlay_conn_stream_extend(s->conn, id, end, false), 0);
	return id;
}

static __u64 in_flight(const struct solo *s)
{
	return inlay_sentlog_in_flight(&s->conn->log);
}

static __u64 pending(const struct solo *s, int class)
{
	struct inlay_policy_view view;

	inlay_conn_view(s->conn, &view);
	return view.pending[class];
}

static void what_waits_is_counted_by_class(void **state)
{
	const struct inlay_datagram_order order = {.class = 5, .flow = 1};
	static const __u8 data[700];
	struct solo s;
	__u64 id;

	start(&s, NULL);
	id = open_stream(&s, 3, &zeros, 3000);
	assert_int_equal(pending(&s, 3), 3000);
	assert_int_equal(inlay_conn_stream_set_class(s.conn, id, 4), 0);
	assert_int_equal(pending(&s, 3), 0);
	assert_int_equal(pending(&s, 4), 3000);
	assert_int_equal(inlay_conn_stream_set_class(s.conn, id, INLAY_CLASSES), -EINVAL);
	assert_int_equal(inlay_conn_stream_set_class(s.conn, id + 4, 1), -ENOENT);
	assert_int_equal(inlay_conn_datagram(s.conn, &order, data, sizeof(data)), 0);
	assert_int_equal(inlay_conn_datagram(s.conn, &order, data, sizeof(data)), 0);
	assert_int_equal(pending(&s, 5), 1400);
	inlay_conn_datagrams_drop(s.conn, 1);
	assert_int_equal(pending(&s, 5), 0);

	/* Sent, and lost: it waits again, in class 0, until it has left once more. */
	solo_drain(&s);
	assert_int_equal(pending(&s, 4), 0);
	s.now += 10 * INLAY_S;
	inlay_conn_on_timer(s.conn, s.now);
	assert_int_equal(pending(&s, 0), 0);
	inlay_conn_repeat(s.conn, s.conn->log.oldest);
	assert_in_range(pending(&s, 0), 1000, 1200);
	solo_drain(&s);
	assert_int_equal(pending(&s, 0), 0);

	assert_int_equal(inlay_conn_stream_extend(s.conn, id, 1000000, false), 0);
	solo_drain(&s);
	assert_in_range(pending(&s, 4), 1, 1000000 - 3000);
	assert_int_equal(inlay_conn_stream_reset(s.conn, id, 0), 0);
	for (int i = 0; i < INLAY_CLASSES; i++)
		assert_int_equal(pending(&s, i), 0);
	solo_stop(&s);
}

static void a_class_stays_within_its_share(void **state)
{
	const struct inlay_datagram_order order = {.class = 3, .flow = 1, .priority = 3};
	static const __u8 data[700];
	__u64 cwnd, low;
	struct solo s;

	start(&s, &policy);
	cwnd = s.conn->recovery.cc.cwnd;
	open_stream(&s, 2, &zeros, 1000000);
	assert_int_equal(inlay_conn_datagram(s.conn, &order, data, sizeof(data)), 0);
	solo_drain(&s);
	low = in_flight(&s);
	assert_in_range(low, cwnd / 2 - 1200, cwnd / 2);
	assert_int_equal(inlay_conn_datagrams_queued(s.conn, 1), 1);
	assert_true(asked > 0);
	assert_int_equal(seen.active, 1 << 2 | 1 << 3);
	/* A better class finds the rest of the window free. */
	open_stream(&s, 1, &zeros, 1000000);
	solo_drain(&s);
	assert_in_range(in_flight(&s), cwnd - 1200, cwnd);
	solo_stop(&s);
}

static void a_window_that_a_share_leaves_free_grows_all_the_same(void **state)
{
	struct solo s;
	__u64 cwnd;

	start(&s, &policy);
	s.conn->recovery.cc.cwnd = s.conn->recovery.cc.ssthresh = 60000;
	cwnd = s.conn->recovery.cc.cwnd;
	open_stream(&s, 2, &zeros, 10000000);
	for (int i = 0; i < 4; i++) {
		do {
			s.now += 10 * INLAY_MS;
		} while (solo_drain(&s) > 0);
		assert_in_range(in_flight(&s), cwnd / 2 - 1200, s.conn->recovery.cc.cwnd / 2);
		solo_ack(&s, 0);
	}
	assert_true(s.conn->recovery.cc.cwnd > cwnd);
	solo_stop(&s);
}

static void a_share_below_a_packet_does_not_stop_a_class(void **state)
{
	struct solo s;

	start(&s, &policy);
	open_stream(&s, 7, &zeros, 5000);
	for (int i = 0; i < 10; i++) {
		solo_drain(&s);
		assert_in_range(in_flight(&s), 0, 2399);
		s.now += 100 * INLAY_MS;
		solo_ack(&s, 0);
	}
	assert_int_equal(pending(&s, 7), 0);
	solo_stop(&s);
}

static void soft_overshoot_ends_the_object_and_no_more(void **state)
{
	struct solo s;
	__u64 id, end;

	start(&s, &policy);
	granted.overshoot[2] = 400;
	open_stream(&s, 2, &objects, 1000000);
	solo_drain(&s);
	/* 12000 bytes of window: 6000 by share, then on to the end of the second object. */
	id = 3;
	end = inlay_streams_find(&s.conn->streams, id)->send.next;
	assert_int_equal(end % 5000, 0);
	assert_true(end > s.conn->recovery.cc.cwnd / 2);
	assert_in_range(in_flight(&s), s.conn->recovery.cc.cwnd / 2,
			s.conn->recovery.cc.cwnd * 9 / 10);
	solo_stop(&s);
}

static void probes_and_control_frames_know_no_share(void **state)
{
	struct solo s;
	__u64 before;

	start(&s, &policy);
	granted.share[2] = 0;
	open_stream(&s, 2, &zeros, 1000000);
	solo_drain(&s);
	before = in_flight(&s);
	assert_true(before > 0);
	s.now = inlay_conn_deadline(s.conn);
	inlay_conn_on_timer(s.conn, s.now);
	assert_int_equal(solo_drain(&s), 2);
	assert_true(in_flight(&s) > before);
	solo_stop(&s);
}

static void no_policy_leaves_every_class_the_window(void **state)
{
	static const struct inlay_policy fair = {.name = "fair"};
	const struct inlay_policy *none[] = {NULL, &fair};
	struct solo s;

	for (int i = 0; i < 2; i++) {
		start(&s, none[i]);
		open_stream(&s, 7, &zeros, 1000000);
		solo_drain(&s);
		assert_in_range(in_flight(&s), s.conn->recovery.cc.cwnd - 1200,
				s.conn->recovery.cc.cwnd);
		assert_int_equal(asked, 0);
		solo_stop(&s);
	}
}

static void a_wrong_policy_is_put_right(void **state)
{
	struct inlay_policy_view view = {0};
	struct inlay_classes k;

	granted = (struct inlay_policy_limits){.share = {0, 2000, 500, 900, 0, 1, 2, 3}};
	inlay_classes_init(&k, &policy, NULL);
	assert_int_equal(inlay_classes_share(&k, 7, 12345, false), 12345);
	inlay_classes_refresh(&k, &view, SOLO_T0);
	assert_int_equal(k.limits.share[0], INLAY_POLICY_WHOLE);
	for (int i = 1; i < INLAY_CLASSES; i++)
		assert_true(k.limits.share[i] <= k.limits.share[i - 1]);
	assert_int_equal(inlay_classes_share(&k, 1, 12345, false), 12345);
	assert_int_equal(inlay_classes_share(&k, 2, 12345, false), 6172);
	assert_int_equal(inlay_classes_share(&k, 4, 12345, true), 0);
}

static void a_class_counts_for_two_seconds_after_its_last_bytes(void **state)
{
	struct inlay_policy_view view = {0};
	struct inlay_classes k;

	inlay_classes_init(&k, &policy, NULL);
	assert_true(inlay_classes_on_use(&k, 2));
	inlay_classes_refresh(&k, &view, SOLO_T0);
	assert_int_equal(view.active, 1 << 2);
	assert_false(inlay_classes_on_use(&k, 2));
	inlay_classes_refresh(&k, &view, SOLO_T0 + INLAY_S);
	inlay_classes_refresh(&k, &view, SOLO_T0 + 3 * INLAY_S);
	assert_int_equal(view.active, 1 << 2);
	inlay_classes_refresh(&k, &view, SOLO_T0 + 3 * INLAY_S + 1);
	assert_int_equal(view.active, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_waits_is_counted_by_class),
		cmocka_unit_test(a_class_stays_within_its_share),
		cmocka_unit_test(a_window_that_a_share_leaves_free_grows_all_the_same),
		cmocka_unit_test(a_share_below_a_packet_does_not_stop_a_class),
		cmocka_unit_test(soft_overshoot_ends_the_object_and_no_more),
		cmocka_unit_test(probes_and_control_frames_know_no_share),
		cmocka_unit_test(no_policy_leaves_every_class_the_window),
		cmocka_unit_test(a_wrong_policy_is_put_right),
		cmocka_unit_test(a_class_counts_for_two_seconds_after_its_last_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
