/* SPDX-License-Identifier: BSD-2-Clause */
/* When packets are acknowledged, and what counts as a duplicate. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "ack_request.h"
#include "ack.h"

#define DELAY (25 * INLAY_MS)
#define T0    (100 * INLAY_S)

static void test_every_second_packet(void **state)
{
	struct inlay_acks a;

	inlay_acks_init(&a, DELAY, INLAY_MS);
	assert_int_equal(inlay_acks_on_packet(&a, 5, true, false, T0), 0);
	assert_false(inlay_acks_is_due(&a, T0));
	assert_true(a.deadline == T0 + DELAY);
	assert_true(inlay_acks_is_due(&a, T0 + DELAY));
	inlay_acks_on_packet(&a, 6, true, false, T0 + INLAY_MS);
	assert_true(inlay_acks_is_due(&a, T0 + INLAY_MS));
	inlay_acks_on_sent(&a, T0);
	assert_false(inlay_acks_is_due(&a, INLAY_NEVER - 1));
	assert_false(inlay_acks_is_useful(&a, INLAY_NEVER - 1));
	inlay_acks_fini(&a);
}

static void test_acks_alone_are_not_acknowledged(void **state)
{
	struct inlay_acks a;
	__u64 pn;

	inlay_acks_init(&a, DELAY, INLAY_MS);
	for (pn = 0; pn < 10; pn++)
		inlay_acks_on_packet(&a, pn, false, false, T0);
	assert_true(a.deadline == INLAY_NEVER);
	/* But they are in the next ACK, and one may travel with other frames now and then. */
	assert_true(inlay_acks_is_useful(&a, T0));
	inlay_acks_on_sent(&a, T0);
	inlay_acks_on_packet(&a, 10, false, false, T0 + INLAY_MS);
	assert_false(inlay_acks_is_useful(&a, T0 + 99 * INLAY_MS));
	assert_true(inlay_acks_is_useful(&a, T0 + 100 * INLAY_MS));
	assert_int_equal(a.report.n, 1);
	assert_int_equal(a.report.ranges[0].end, 11);
	inlay_acks_fini(&a);
}

static void test_at_once_out_of_order_and_on_ce(void **state)
{
	struct inlay_acks a;

	inlay_acks_init(&a, DELAY, INLAY_MS);
	inlay_acks_on_packet(&a, 1, true, false, T0);
	inlay_acks_on_sent(&a, T0);
	inlay_acks_on_packet(&a, 3, true, false, T0); /* a gap */
	assert_true(inlay_acks_is_due(&a, T0));
	inlay_acks_on_sent(&a, T0);
	inlay_acks_on_packet(&a, 2, true, false, T0); /* late */
	assert_true(inlay_acks_is_due(&a, T0));
	inlay_acks_on_sent(&a, T0);
	inlay_acks_on_packet(&a, 4, true, false, T0);
	assert_false(inlay_acks_is_due(&a, T0));
	inlay_acks_on_sent(&a, T0);
	inlay_acks_on_packet(&a, 5, true, true, T0); /* marked */
	assert_true(inlay_acks_is_due(&a, T0));
	inlay_acks_fini(&a);
}

static void test_duplicates(void **state)
{
	struct inlay_acks a;
	__u64 base = 1ULL << 31, i;

	inlay_acks_init(&a, DELAY, INLAY_MS);
	assert_false(inlay_acks_is_duplicate(&a, base));
	inlay_acks_on_packet(&a, base, true, false, T0);
	assert_true(inlay_acks_is_duplicate(&a, base));
	assert_false(inlay_acks_is_duplicate(&a, base - 1)); /* reordered, not old */
	/* More holes than are remembered: the oldest numbers count as seen, whatever they were. */
	for (i = 1; i < 1000; i++)
		assert_int_equal(inlay_acks_on_packet(&a, base + 2 * i, true, false, T0), 0);
	assert_true(a.seen.n <= a.seen.max);
	assert_true(inlay_acks_is_duplicate(&a, base + 1));
	assert_true(inlay_acks_is_duplicate(&a, base + 2));
	assert_false(inlay_acks_is_duplicate(&a, base + 2 * 999 - 1));
	/* What is reported are the newest. */
	assert_int_equal(a.report.n, a.report.max);
	assert_true(a.report.ranges[a.report.n - 1].end == base + 2 * 999 + 1);
	inlay_acks_fini(&a);
}

/* What cannot be taken draws the last ACK again, in case it was lost; not one for each. */
static void test_a_refused_packet_repeats_the_last_ack(void **state)
{
	struct inlay_acks a;

	inlay_acks_init(&a, DELAY, 0);
	inlay_acks_on_refused(&a, T0); /* nothing to tell yet */
	assert_true(a.deadline == INLAY_NEVER);
	inlay_acks_on_packet(&a, 1, true, false, T0);
	inlay_acks_on_sent(&a, T0);
	inlay_acks_on_refused(&a, T0 + INLAY_MS);
	assert_true(a.deadline == T0 + DELAY);
	inlay_acks_on_refused(&a, T0 + 2 * INLAY_MS);
	assert_true(a.deadline == T0 + DELAY);
	inlay_acks_on_sent(&a, T0 + DELAY);
	inlay_acks_on_refused(&a, T0 + INLAY_S);
	assert_true(inlay_acks_is_due(&a, T0 + INLAY_S));
	assert_true(inlay_acks_is_duplicate(&a, 1));
	assert_int_equal(a.report.n, 1);
	inlay_acks_fini(&a);
}

static void test_acked_acks_are_forgotten(void **state)
{
	struct inlay_acks a;

	inlay_acks_init(&a, DELAY, INLAY_MS);
	inlay_acks_on_packet(&a, 1, true, false, T0);
	inlay_acks_on_packet(&a, 3, true, false, T0);
	inlay_acks_on_packet(&a, 9, true, false, T0);
	inlay_acks_on_acked(&a, 3);
	assert_int_equal(a.report.n, 1);
	assert_int_equal(a.report.ranges[0].begin, 9);
	/* They are duplicates all the same; and a late one is reported. */
	assert_true(inlay_acks_is_duplicate(&a, 3));
	inlay_acks_on_packet(&a, 2, true, false, T0);
	assert_int_equal(a.report.ranges[0].begin, 2);
	inlay_acks_fini(&a);
}

/* --- What the peer asks for: draft-ietf-quic-ack-frequency ----------------------------------- */

static enum inlay_quic_error ask(struct inlay_acks *a, __u64 sequence, __u64 threshold,
				 __u64 max_delay_us, __u64 reordering)
{
	const struct inlay_quic_ack_frequency f = {sequence, threshold, max_delay_us, reordering};

	return inlay_acks_on_frequency(a, &f, T0);
}

/* A packet each 10 us, from T0 on; an ACK goes out when one is due. Returns how many did. */
static unsigned int feed(struct inlay_acks *a, __u64 from, __u64 to)
{
	unsigned int n = 0;
	inlay_ns now = T0;

	for (; from < to; from++, now += 10 * INLAY_US) {
		inlay_acks_on_packet(a, from, true, false, now);
		if (inlay_acks_is_due(a, now)) {
			inlay_acks_on_sent(a, now);
			n++;
		}
	}
	return n;
}

static void test_as_many_packets_go_unacknowledged_as_the_peer_asks(void **state)
{
	struct inlay_acks a;

	inlay_acks_init(&a, DELAY, INLAY_MS);
	a.sent = T0;
	assert_int_equal(feed(&a, 0, 100), 50);
	assert_int_equal(ask(&a, 0, 9, 25000, 3), INLAY_QUIC_NO_ERROR);
	assert_int_equal(feed(&a, 100, 200), 10);
	assert_int_equal(ask(&a, 1, 0, 25000, 3), INLAY_QUIC_NO_ERROR);
	assert_int_equal(feed(&a, 200, 210), 10);
	inlay_acks_fini(&a);
}

static void test_the_delay_is_what_the_peer_asks(void **state)
{
	struct inlay_acks a;

	inlay_acks_init(&a, DELAY, INLAY_MS);
	a.sent = T0;
	ask(&a, 0, 100, 60000, 3);
	inlay_acks_on_packet(&a, 0, true, false, T0);
	assert_true(a.deadline == T0 + 60 * INLAY_MS);
	/* Asked for less, a pending one comes earlier. */
	ask(&a, 1, 100, 2000, 3);
	assert_true(a.deadline == T0 + 2 * INLAY_MS);
	inlay_acks_fini(&a);
}

static void test_obsolete_requests_change_nothing(void **state)
{
	struct inlay_acks a;

	inlay_acks_init(&a, DELAY, INLAY_MS);
	ask(&a, 5, 10, 20000, 4);
	assert_int_equal(ask(&a, 5, 2, 5000, 1), INLAY_QUIC_NO_ERROR);
	assert_int_equal(ask(&a, 3, 2, 5000, 1), INLAY_QUIC_NO_ERROR);
	assert_int_equal(a.threshold, 10);
	assert_int_equal(a.reordering, 4);
	assert_true(a.max_ack_delay == 20 * INLAY_MS);
	ask(&a, 6, 2, 5000, 1);
	assert_int_equal(a.threshold, 2);
	inlay_acks_fini(&a);
}

static void test_delays_that_nobody_may_ask_for_are_refused(void **state)
{
	struct inlay_acks a;

	inlay_acks_init(&a, DELAY, INLAY_MS);
	assert_int_equal(ask(&a, 0, 10, 999, 4), INLAY_QUIC_PROTOCOL_VIOLATION);
	assert_int_equal(ask(&a, 0, 10, (1 << 14) * 1000, 4), INLAY_QUIC_PROTOCOL_VIOLATION);
	assert_int_equal(ask(&a, 0, 10, INLAY_PN_MAX, 4), INLAY_QUIC_PROTOCOL_VIOLATION);
	assert_int_equal(a.threshold, 1);
	/* Just within. */
	assert_int_equal(ask(&a, 0, 10, 1000, 4), INLAY_QUIC_NO_ERROR);
	assert_int_equal(ask(&a, 1, 10, (1 << 14) * 1000 - 1, 4), INLAY_QUIC_NO_ERROR);
	/* Obsolete, and wrong all the same. */
	assert_int_equal(ask(&a, 0, 10, 999, 4), INLAY_QUIC_PROTOCOL_VIOLATION);
	inlay_acks_fini(&a);
}

/* The draft's own examples, section 6.2.1. */
static void test_disorder_is_reported_as_the_draft_has_it(void **state)
{
	static const struct {
		__u64 threshold;
		struct {
			__u64 pn;
			bool due;
		} steps[9];
	} cases[] = {
		{1, {{0, 0}, {1, 0}, {3, 1}, {4, 0}, {2, 1}, {5, 0}, {6, 0}, {8, 1}, {9, 0}}},
		{3, {{0, 0}, {1, 0}, {3, 0}, {4, 0}, {5, 1}, {8, 0}, {9, 1}, {10, 1}, {11, 0}}},
		{5, {{0, 0}, {1, 0}, {3, 0}, {5, 0}, {6, 0}, {7, 1}, {8, 0}, {9, 1}, {10, 0}}},
		/* Late by more than that: the peer has called it lost, and should hear of it. */
		{3, {{0, 0}, {1, 0}, {3, 0}, {4, 0}, {5, 1}, {2, 1}, {6, 0}, {7, 0}, {8, 0}}},
		{0, {{0, 0}, {1, 0}, {9, 0}, {4, 0}, {20, 0}, {2, 0}, {6, 0}, {8, 0}, {30, 0}}},
	};
	struct inlay_acks a;
	size_t i, k;

	for (i = 0; i < INLAY_ARRAY_SIZE(cases); i++) {
		inlay_acks_init(&a, DELAY, INLAY_MS);
		a.sent = T0;
		ask(&a, 0, 1000, 25000, cases[i].threshold);
		for (k = 0; k < INLAY_ARRAY_SIZE(cases[i].steps); k++) {
			inlay_acks_on_packet(&a, cases[i].steps[k].pn, true, false, T0);
			assert_int_equal(inlay_acks_is_due(&a, T0), cases[i].steps[k].due);
			if (cases[i].steps[k].due)
				inlay_acks_on_sent(&a, T0);
		}
		inlay_acks_fini(&a);
	}
}

static void test_the_first_mark_is_reported_at_once(void **state)
{
	struct inlay_acks a;

	inlay_acks_init(&a, DELAY, INLAY_MS);
	a.sent = T0;
	ask(&a, 0, 100, 25000, 3);
	inlay_acks_on_packet(&a, 0, true, false, T0);
	inlay_acks_on_packet(&a, 1, true, true, T0);
	assert_true(inlay_acks_is_due(&a, T0));
	inlay_acks_on_sent(&a, T0);
	inlay_acks_on_packet(&a, 2, true, true, T0); /* more of the same */
	assert_false(inlay_acks_is_due(&a, T0));
	inlay_acks_on_packet(&a, 3, true, false, T0);
	assert_false(inlay_acks_is_due(&a, T0));
	inlay_acks_on_packet(&a, 4, true, true, T0);
	assert_true(inlay_acks_is_due(&a, T0));
	inlay_acks_fini(&a);
}

static void test_after_a_pause_the_ack_comes_as_if_none_had_asked(void **state)
{
	struct inlay_acks a;

	inlay_acks_init(&a, DELAY, INLAY_MS);
	a.sent = T0;
	a.pause = 200 * INLAY_MS;
	ask(&a, 0, 100, 90000, 3);
	inlay_acks_on_packet(&a, 0, true, false, T0 + 200 * INLAY_MS);
	assert_true(a.deadline == T0 + 290 * INLAY_MS);
	inlay_acks_on_sent(&a, T0);
	inlay_acks_on_packet(&a, 1, true, false, T0 + 201 * INLAY_MS);
	assert_true(a.deadline == T0 + 201 * INLAY_MS + DELAY);
	inlay_acks_on_packet(&a, 2, true, false, T0 + 202 * INLAY_MS);
	assert_true(inlay_acks_is_due(&a, T0 + 202 * INLAY_MS));
	inlay_acks_fini(&a);
}

/* Every number is reported once, however few ACKs there are. */
static void test_many_new_ranges_do_not_wait(void **state)
{
	struct inlay_acks a;
	__u64 pn, reported = 0;

	inlay_acks_init(&a, DELAY, INLAY_MS);
	a.sent = T0;
	ask(&a, 0, 100000, 1000000, 0);
	for (pn = 0; pn < 1000; pn += 2) {
		inlay_acks_on_packet(&a, pn, true, false, T0);
		if (!inlay_acks_is_due(&a, T0))
			continue;
		/* Nothing between the last report and this one has been pushed out. */
		assert_true(a.report.ranges[0].begin <= reported);
		reported = pn + 2;
		inlay_acks_on_sent(&a, T0);
		inlay_acks_on_acked(&a, pn);
	}
	assert_true(reported > 900);
	inlay_acks_fini(&a);
}

/* --- What we ask for ------------------------------------------------------------------------- */

static const struct inlay_transport_params able = {
	.has_min_ack_delay = true,
	.min_ack_delay = 5 * INLAY_MS,
	.max_ack_delay = 25 * INLAY_MS,
};

static void test_nothing_is_asked_of_a_peer_that_did_not_offer(void **state)
{
	const struct inlay_transport_params plain = {.max_ack_delay = 25 * INLAY_MS};
	const struct inlay_ack_view view = {100, 40 * INLAY_MS, 3};
	struct inlay_ack_request r;

	inlay_ack_request_init(&r, &plain);
	inlay_ack_request_update(&r, &view, T0);
	inlay_ack_request_renew(&r);
	assert_false(r.due);
	assert_true(inlay_ack_request_delay(&r) == 25 * INLAY_MS);
}

static void test_what_is_asked_follows_window_and_round_trip(void **state)
{
	static const struct {
		struct inlay_ack_view view;
		__u64 threshold, delay_us;
	} cases[] = {
		{{10, 40 * INLAY_MS, 3}, 1, 25000},	 {{64, 40 * INLAY_MS, 3}, 8, 25000},
		{{10000, 160 * INLAY_MS, 9}, 32, 40000}, {{4, 2 * INLAY_S, 3}, 1, 50000},
		{{40, INLAY_US, 3}, 5, 25000},
	};
	struct inlay_ack_request r;
	size_t i;

	for (i = 0; i < INLAY_ARRAY_SIZE(cases); i++) {
		inlay_ack_request_init(&r, &able);
		inlay_ack_request_update(&r, &cases[i].view, T0);
		assert_true(r.due);
		assert_int_equal(r.wanted.threshold, cases[i].threshold);
		assert_int_equal(r.wanted.max_delay_us, cases[i].delay_us);
		assert_int_equal(r.wanted.reordering, cases[i].view.packet_threshold);
	}
}

static void test_it_is_asked_again_when_much_has_changed(void **state)
{
	struct inlay_ack_view view = {40, 40 * INLAY_MS, 3};
	struct inlay_ack_request r;

	inlay_ack_request_init(&r, &able);
	inlay_ack_request_update(&r, &view, T0);
	inlay_ack_request_on_sent(&r, T0);
	assert_false(r.due);
	view.cwnd_pkts = 60;
	inlay_ack_request_update(&r, &view, T0 + INLAY_S);
	assert_false(r.due);
	view.cwnd_pkts = 80;
	inlay_ack_request_update(&r, &view, T0 + 39 * INLAY_MS); /* once a round trip */
	assert_false(r.due);
	inlay_ack_request_update(&r, &view, T0 + 40 * INLAY_MS);
	assert_true(r.due);
	inlay_ack_request_on_sent(&r, T0 + 40 * INLAY_MS);
	assert_int_equal(r.asked.sequence, 1);
	view.packet_threshold = 4;
	inlay_ack_request_update(&r, &view, T0 + INLAY_S);
	assert_true(r.due);
	inlay_ack_request_on_sent(&r, T0 + INLAY_S);
	inlay_ack_request_renew(&r); /* another path */
	assert_true(r.due);
}

/* A peer that delays nothing, on a path that takes no time: a delay of 0 has not changed. */
static void test_a_delay_of_nothing_is_asked_for_once(void **state)
{
	const struct inlay_transport_params prompt = {.has_min_ack_delay = true};
	const struct inlay_ack_view view = {40, 0, 3};
	struct inlay_ack_request r;

	inlay_ack_request_init(&r, &prompt);
	inlay_ack_request_update(&r, &view, T0);
	assert_true(r.due);
	assert_int_equal(r.wanted.max_delay_us, 0);
	inlay_ack_request_on_sent(&r, T0);
	inlay_ack_request_update(&r, &view, T0);
	assert_false(r.due);
}

/* Section 7 of the draft: the greater one, as long as it is not sure which is in force. */
static void test_the_probe_timeout_bears_what_is_outstanding(void **state)
{
	struct inlay_ack_view view = {40, 160 * INLAY_MS, 3};
	struct inlay_ack_request r;

	inlay_ack_request_init(&r, &able);
	inlay_ack_request_update(&r, &view, T0);
	assert_true(inlay_ack_request_delay(&r) == 25 * INLAY_MS);
	inlay_ack_request_on_sent(&r, T0);
	assert_true(inlay_ack_request_delay(&r) == 40 * INLAY_MS);
	inlay_ack_request_on_acked(&r, 0);
	/* And back: not before the peer has it. */
	view.smoothed_rtt = 20 * INLAY_MS;
	view.cwnd_pkts = 1000;
	inlay_ack_request_update(&r, &view, T0 + INLAY_S);
	inlay_ack_request_on_sent(&r, T0 + INLAY_S);
	assert_true(inlay_ack_request_delay(&r) == 40 * INLAY_MS);
	inlay_ack_request_on_lost(&r, 1);
	assert_true(r.due);
	inlay_ack_request_on_sent(&r, T0 + INLAY_S);
	inlay_ack_request_on_acked(&r, 1); /* it had come after all, and the newer one may not */
	assert_true(inlay_ack_request_delay(&r) == 40 * INLAY_MS);
	inlay_ack_request_on_lost(&r, 1); /* no news */
	assert_false(r.due);
	inlay_ack_request_on_acked(&r, 2);
	assert_true(inlay_ack_request_delay(&r) == 25 * INLAY_MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_as_many_packets_go_unacknowledged_as_the_peer_asks),
		cmocka_unit_test(test_the_delay_is_what_the_peer_asks),
		cmocka_unit_test(test_obsolete_requests_change_nothing),
		cmocka_unit_test(test_delays_that_nobody_may_ask_for_are_refused),
		cmocka_unit_test(test_disorder_is_reported_as_the_draft_has_it),
		cmocka_unit_test(test_the_first_mark_is_reported_at_once),
		cmocka_unit_test(test_after_a_pause_the_ack_comes_as_if_none_had_asked),
		cmocka_unit_test(test_many_new_ranges_do_not_wait),
		cmocka_unit_test(test_nothing_is_asked_of_a_peer_that_did_not_offer),
		cmocka_unit_test(test_what_is_asked_follows_window_and_round_trip),
		cmocka_unit_test(test_it_is_asked_again_when_much_has_changed),
		cmocka_unit_test(test_a_delay_of_nothing_is_asked_for_once),
		cmocka_unit_test(test_the_probe_timeout_bears_what_is_outstanding),
		cmocka_unit_test(test_every_second_packet),
		cmocka_unit_test(test_acks_alone_are_not_acknowledged),
		cmocka_unit_test(test_at_once_out_of_order_and_on_ce),
		cmocka_unit_test(test_duplicates),
		cmocka_unit_test(test_acked_acks_are_forgotten),
		cmocka_unit_test(test_a_refused_packet_repeats_the_last_ack),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
