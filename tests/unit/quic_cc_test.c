/* SPDX-License-Identifier: BSD-2-Clause */
/* Congestion control and round-trip time, with literal numbers. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "cc.h"
#include "rtt.h"

#define MTU 1200
#define T0  (100 * INLAY_S)
#define MS  INLAY_MS
#define RTT (50 * INLAY_MS)

static void test_initial_window(void **state)
{
	struct inlay_cc cc;

	inlay_cc_init(&cc, INLAY_CC_NEWRENO, 1200);
	assert_int_equal(cc.cwnd, 12000);
	inlay_cc_init(&cc, INLAY_CC_NEWRENO, 1500);
	assert_int_equal(cc.cwnd, 14720);
	inlay_cc_init(&cc, INLAY_CC_NEWRENO, 9000);
	assert_int_equal(cc.cwnd, 18000);
}

static void test_slow_start_and_unused_window(void **state)
{
	struct inlay_cc cc;

	inlay_cc_init(&cc, INLAY_CC_NEWRENO, MTU);
	inlay_cc_on_ack(&cc, MTU, T0, true, RTT, T0 + RTT);
	assert_int_equal(cc.cwnd, 13200);
	/* RFC 9002 section 7.8. */
	inlay_cc_on_ack(&cc, MTU, T0, false, RTT, T0 + RTT);
	assert_int_equal(cc.cwnd, 13200);
}

static void test_newreno_halves_once_a_round(void **state)
{
	struct inlay_cc cc;

	inlay_cc_init(&cc, INLAY_CC_NEWRENO, MTU);
	inlay_cc_on_loss(&cc, 1, T0, T0 + RTT);
	assert_int_equal(cc.cwnd, 6000);
	assert_int_equal(cc.ssthresh, 6000);
	/* Sent before the window shrank: the same event. */
	inlay_cc_on_loss(&cc, 1, T0 + RTT, T0 + RTT + INLAY_MS);
	assert_int_equal(cc.cwnd, 6000);
	/* In recovery nothing grows, */
	inlay_cc_on_ack(&cc, 60000, T0 + RTT, true, RTT, T0 + 2 * RTT);
	assert_int_equal(cc.cwnd, 6000);
	/* after it one packet per window. */
	inlay_cc_on_ack(&cc, 5999, T0 + RTT + 1, true, RTT, T0 + 2 * RTT);
	assert_int_equal(cc.cwnd, 6000);
	inlay_cc_on_ack(&cc, 1, T0 + RTT + 1, true, RTT, T0 + 2 * RTT);
	assert_int_equal(cc.cwnd, 7200);
	inlay_cc_on_loss(&cc, 1, T0 + 2 * RTT, T0 + 3 * RTT);
	assert_int_equal(cc.cwnd, 3600);
}

static void test_window_has_a_floor(void **state)
{
	enum inlay_cc_algorithm a;
	struct inlay_cc cc;
	__u64 i;

	for (a = INLAY_CC_NEWRENO; a <= INLAY_CC_CUBIC; a++) {
		inlay_cc_init(&cc, a, MTU);
		for (i = 1; i < 50; i++)
			inlay_cc_on_loss(&cc, 1, T0 + i * INLAY_S, T0 + i * INLAY_S + 1);
		assert_int_equal(cc.cwnd, 2 * MTU);
		inlay_cc_init(&cc, a, MTU);
		inlay_cc_on_persistent(&cc);
		assert_int_equal(cc.cwnd, 2 * MTU);
	}
}

/* Acknowledges a window's worth every round trip. */
static inlay_ns run_rounds(struct inlay_cc *cc, inlay_ns now, inlay_ns until)
{
	while (now < until) {
		__u64 left = cc->cwnd;

		for (; left >= MTU; left -= MTU)
			inlay_cc_on_ack(cc, MTU, now - 1, true, RTT, now);
		now += RTT;
	}
	return now;
}

/*
 * RFC 9438 section 4.2: from 70 % of W_max the window is back at W_max after K = cbrt(W_max * 0.3 /
 * 0.4) seconds, counted in packets: W_max of 1000 packets gives 9.086 s.
 */
static void test_cubic_comes_back_after_k(void **state)
{
	struct inlay_cc cc;

	inlay_cc_init(&cc, INLAY_CC_CUBIC, MTU);
	cc.cwnd = 1000 * MTU;
	inlay_cc_on_loss(&cc, 1, T0 - RTT, T0);
	assert_int_equal(cc.cwnd, 700 * MTU);
	assert_int_equal(cc.cubic.w_max, 1000 * MTU);
	inlay_cc_on_ack(&cc, MTU, T0 + 1, true, RTT, T0 + RTT);
	assert_in_range(cc.cubic.k_ms, 9080, 9090);
	/* Concave at first: half way in far less than half of the time. */
	run_rounds(&cc, T0 + 2 * RTT, T0 + 2 * INLAY_S);
	assert_in_range(cc.cwnd / MTU, 840, 870); /* 1000 - 0.4 * 7.04^3 = 860 */
	run_rounds(&cc, T0 + 2 * INLAY_S, T0 + 9 * INLAY_S);
	assert_in_range(cc.cwnd / MTU, 990, 1002);
	/* Then convex: 0.4 * 5^3 = 50 packets above, 5 s after K. */
	run_rounds(&cc, T0 + 9 * INLAY_S, T0 + 14 * INLAY_S + 86 * INLAY_MS);
	assert_in_range(cc.cwnd / MTU, 1035, 1055);
}

static void test_cubic_converges_fast(void **state)
{
	struct inlay_cc cc;

	inlay_cc_init(&cc, INLAY_CC_CUBIC, MTU);
	cc.cwnd = 1000 * MTU;
	inlay_cc_on_loss(&cc, 1, T0, T0 + 1);
	inlay_cc_on_loss(&cc, 1, T0 + 2, T0 + 3); /* at 700, below W_max: 700 * 0.85 */
	assert_int_equal(cc.cubic.w_max, 595 * MTU);
	assert_int_equal(cc.cwnd, 490 * MTU);
}

static void test_cubic_is_no_slower_than_reno(void **state)
{
	struct inlay_cc cc;

	/* At small windows and round trips the cubic is flat: W_est leads, alpha = 9/17. */
	inlay_cc_init(&cc, INLAY_CC_CUBIC, MTU);
	cc.cwnd = 20 * MTU;
	inlay_cc_on_loss(&cc, 1, T0 - 1, T0);
	assert_int_equal(cc.cwnd, 14 * MTU);
	run_rounds(&cc, T0 + RTT, T0 + 11 * RTT);
	/* Ten rounds, at 9/17 of a packet each: 5.3 packets. */
	assert_in_range(cc.cwnd / MTU, 18, 20);
}

static void test_cubic_time_stands_still_while_unused(void **state)
{
	struct inlay_cc cc;
	__u64 before;

	inlay_cc_init(&cc, INLAY_CC_CUBIC, MTU);
	cc.cwnd = 1000 * MTU;
	inlay_cc_on_loss(&cc, 1, T0 - 1, T0);
	run_rounds(&cc, T0 + RTT, T0 + INLAY_S);
	before = cc.cwnd;
	inlay_cc_on_ack(&cc, MTU, T0 + 60 * INLAY_S - 1, false, RTT, T0 + 60 * INLAY_S);
	inlay_cc_on_ack(&cc, MTU, T0 + 60 * INLAY_S, true, RTT, T0 + 60 * INLAY_S + RTT);
	assert_in_range(cc.cwnd, before, before + MTU);
}

/* RFC 9438 section 4.9. */
static void test_a_mistaken_loss_is_undone(void **state)
{
	enum inlay_cc_algorithm a;
	struct inlay_cc cc;

	for (a = INLAY_CC_NEWRENO; a <= INLAY_CC_CUBIC; a++) {
		inlay_cc_init(&cc, a, MTU);
		cc.cwnd = 100 * MTU;
		inlay_cc_on_loss(&cc, 2, T0, T0 + RTT);
		inlay_cc_on_loss(&cc, 1, T0 + 1, T0 + RTT + 1);
		assert_true(cc.cwnd < 100 * MTU);
		inlay_cc_on_spurious(&cc, T0);
		inlay_cc_on_spurious(&cc, T0);
		/* One is still missing. */
		assert_true(cc.cwnd < 100 * MTU);
		inlay_cc_on_spurious(&cc, T0 + 1);
		assert_int_equal(cc.cwnd, 100 * MTU);
		assert_true(cc.ssthresh == ~0ULL);
		assert_false(cc.in_recovery);
		/* Nothing more to undo. */
		inlay_cc_on_spurious(&cc, T0 + 1);
		assert_int_equal(cc.cwnd, 100 * MTU);
	}
	/* A mark was no mistake, whatever turns up. */
	inlay_cc_init(&cc, INLAY_CC_NEWRENO, MTU);
	inlay_cc_on_loss(&cc, 1, T0, T0 + RTT);
	inlay_cc_on_ce(&cc, T0 + RTT + 1, T0 + 2 * RTT);
	inlay_cc_on_spurious(&cc, T0);
	assert_int_equal(cc.cwnd, 3000);
}

/* Losses say little to the live controller: what made its window smaller since stays. */
static void test_a_mistake_that_did_not_count_undoes_nothing(void **state)
{
	struct inlay_cc cc;

	inlay_cc_init(&cc, INLAY_CC_LIVE, MTU);
	inlay_cc_on_loss(&cc, 1, T0, T0 + RTT);
	assert_int_equal(cc.cwnd, 10 * MTU);
	cc.cwnd = 5 * MTU;
	inlay_cc_on_spurious(&cc, T0);
	assert_int_equal(cc.cwnd, 5 * MTU);
}

static void live_sample(struct inlay_cc *cc, inlay_ns rtt, bool round, inlay_ns now)
{
	const struct inlay_cc_sample s = {
		.now = now,
		.rtt = rtt,
		.standing = rtt,
		.smoothed = rtt,
		.acked = MTU,
		.in_flight = cc->cwnd,
		.round = round,
		.limited = true,
	};

	inlay_cc_on_sample(cc, &s);
}

/* RFC 9002 section 7.2: trying whether less is lost of less has an end. */
static void test_losses_leave_the_live_controller_two_packets(void **state)
{
	struct inlay_cc cc;
	int i;

	inlay_cc_init(&cc, INLAY_CC_LIVE, MTU);
	cc.cwnd = 2 * MTU;
	for (i = 1; i < 2000; i++) {
		const struct inlay_cc_sample s = {
			.now = T0 + i * 10 * MS,
			.rtt = RTT,
			.standing = RTT,
			.smoothed = RTT,
			.acked = 2 * MTU,
			.lost = 2 * MTU,
			.round = true,
		};

		inlay_cc_on_sample(&cc, &s);
		assert_true(cc.cwnd >= 2 * MTU);
	}
	assert_int_equal(cc.live.mode, INLAY_LIVE_DELAY);
}

/* The time of a drain is taken out of CUBIC's once, not again with the next pause. */
static void test_a_drain_takes_no_time_from_cubic(void **state)
{
	inlay_ns now = T0, before;
	struct inlay_cc cc;
	int i;

	inlay_cc_init(&cc, INLAY_CC_LIVE, MTU);
	live_sample(&cc, RTT, true, now);
	for (i = 0; i < 1000 && cc.live.mode != INLAY_LIVE_COMPETE; i++)
		live_sample(&cc, 3 * RTT, true, now += RTT);
	assert_int_equal(cc.live.mode, INLAY_LIVE_COMPETE);
	/* An epoch begins just before the next drain, */
	now = cc.live.drain_at - 1;
	inlay_cc_on_ack(&cc, MTU, now - RTT, true, 3 * RTT, now);
	for (i = 0; i < 1000 && cc.live.mode == INLAY_LIVE_COMPETE; i++)
		live_sample(&cc, 3 * RTT, true, now += RTT);
	for (i = 0; i < 1000 && cc.live.mode != INLAY_LIVE_COMPETE; i++)
		live_sample(&cc, 4 * RTT, true, now += RTT);
	assert_int_equal(cc.live.mode, INLAY_LIVE_COMPETE);
	/* and a pause follows it. */
	inlay_cc_on_ack(&cc, MTU, now, false, 3 * RTT, now + 1);
	assert_true(cc.cubic.epoch <= now + 1);
	before = cc.cwnd;
	inlay_cc_on_ack(&cc, MTU, now, true, 3 * RTT, now + 2);
	assert_in_range(cc.cwnd, before, before + MTU / 4);
}

/* RFC 9002 section 7.1. */
static void test_marks_are_answered_once_a_round(void **state)
{
	static const __u64 after[] = {50, 70, 80}; /* packets of 100 */
	enum inlay_cc_algorithm a;
	struct inlay_cc cc;

	for (a = INLAY_CC_NEWRENO; a <= INLAY_CC_LIVE; a++) {
		inlay_cc_init(&cc, a, MTU);
		cc.cwnd = 100 * MTU;
		inlay_cc_on_ce(&cc, T0, T0 + RTT);
		assert_int_equal(cc.cwnd, after[a] * MTU);
		inlay_cc_on_ce(&cc, T0 + RTT, T0 + RTT + RTT / 2);
		inlay_cc_on_loss(&cc, 1, T0 + RTT, T0 + RTT + RTT / 2);
		assert_int_equal(cc.cwnd, after[a] * MTU);
		inlay_cc_on_ce(&cc, T0 + RTT + 1, T0 + 2 * RTT);
		assert_true(cc.cwnd < after[a] * MTU);
	}
}

/* A round trip of slow start with samples of |rtt|. */
static void slow_round(struct inlay_cc *cc, inlay_ns rtt, int samples, inlay_ns now)
{
	struct inlay_cc_sample s = {.now = now, .rtt = rtt, .limited = true, .acked = MTU};
	int i;

	for (i = 0; i < samples; i++) {
		inlay_cc_on_ack(cc, MTU, now - rtt, true, rtt, now);
		s.round = i == samples - 1;
		inlay_cc_on_sample(cc, &s);
	}
}

/* RFC 9406 section 4.2. */
static void test_slow_start_ends_before_the_queue_is_full(void **state)
{
	struct inlay_cc cc;
	__u64 before;
	int i;

	inlay_cc_init(&cc, INLAY_CC_CUBIC, MTU);
	slow_round(&cc, RTT, 10, T0);
	slow_round(&cc, RTT + 6 * MS, 20, T0 + RTT);
	/* An eighth of 50 ms, 6.25, is the threshold. */
	assert_false(cc.hystart.css);
	slow_round(&cc, RTT + 13 * MS, 20, T0 + 2 * RTT);
	assert_true(cc.hystart.css);
	/* In conservative slow start a quarter as fast; */
	before = cc.cwnd;
	slow_round(&cc, RTT + 13 * MS, 20, T0 + 3 * RTT);
	assert_int_equal(cc.cwnd, before + 20 * MTU / 4);
	/* if it was noise, all is as before; */
	slow_round(&cc, RTT, 20, T0 + 4 * RTT);
	assert_false(cc.hystart.css);
	/* if not, slow start is over after five rounds, without a loss. */
	for (i = 0; i < 7; i++)
		slow_round(&cc, RTT + 10 * MS, 20, T0 + (inlay_ns)(5 + i) * RTT);
	assert_true(cc.ssthresh < ~0ULL && cc.cwnd >= cc.ssthresh);
}

static void test_slow_start_ends_with_few_samples_too(void **state)
{
	struct inlay_cc cc;
	int i;

	inlay_cc_init(&cc, INLAY_CC_CUBIC, MTU);
	slow_round(&cc, RTT, 2, T0);
	for (i = 1; i < 8; i++)
		slow_round(&cc, RTT + 10 * MS, 2, T0 + (inlay_ns)i * RTT);
	assert_true(cc.ssthresh < ~0ULL);
}

/* RFC 9002 section 7.7. */
/* A path of less than a microsecond on which a queue stands, and does not drain: the controller
 * competes, for no more than the path holds with that queue. */
static void test_live_competes_on_a_path_without_length(void **state)
{
	struct inlay_cc_sample s = {.bandwidth = 1000000, .acked = 10 * MTU, .limited = true};
	bool competed = false;
	struct inlay_cc cc;
	int i;

	inlay_cc_init(&cc, INLAY_CC_LIVE, MTU);
	for (i = 0; i < 3000; i++) {
		s.now = T0 + (inlay_ns)i * 10 * MS;
		s.rtt = s.standing = s.smoothed = i < 20 ? 400 : 50 * MS;
		s.round = i % 5 == 0;
		inlay_cc_on_ack(&cc, s.acked, s.now - s.rtt, true, s.rtt, s.now);
		inlay_cc_on_sample(&cc, &s);
		if (cc.live.mode == INLAY_LIVE_COMPETE && !competed) {
			competed = true;
			assert_true(cc.cwnd <= 2 * s.bandwidth * 50 / 1000);
		}
	}
	assert_true(competed);
}

static void test_pacing_rate(void **state)
{
	struct inlay_cc cc;

	inlay_cc_init(&cc, INLAY_CC_NEWRENO, MTU);
	cc.cwnd = 100000;
	/* 2 MB/s in a round trip of 50 ms: twice in slow start, 1.25 times after it. */
	assert_in_range(inlay_cc_pacing_rate(&cc, RTT), 3990000, 4000000);
	cc.ssthresh = 100000;
	assert_in_range(inlay_cc_pacing_rate(&cc, RTT), 2490000, 2500000);
}

static void test_queueing_delay_is_over_the_lowest(void **state)
{
	struct inlay_rtt r;

	inlay_rtt_init(&r, 0, 0, 0, 0, 25 * MS);
	inlay_rtt_sample(&r, 60 * MS, 20 * MS, T0);
	assert_true(inlay_rtt_base(&r) == 40 * MS && inlay_rtt_standing(&r) == 40 * MS);
	inlay_rtt_sample(&r, 70 * MS, 10 * MS, T0 + 100 * MS);
	assert_true(inlay_rtt_base(&r) == 40 * MS && inlay_rtt_standing(&r) == 60 * MS);
	/* Half a minute later the old path is forgotten. */
	inlay_rtt_sample(&r, 60 * MS, 0, T0 + 16 * INLAY_S);
	inlay_rtt_sample(&r, 60 * MS, 0, T0 + 32 * INLAY_S);
	assert_true(inlay_rtt_base(&r) == 60 * MS);
	/* After persistent congestion at once (section 5.2). */
	inlay_rtt_forget_min(&r);
	inlay_rtt_sample(&r, 90 * MS, 0, T0 + 33 * INLAY_S);
	assert_true(r.min == 90 * MS && inlay_rtt_base(&r) == 90 * MS);
}

/* RFC 9002 section 5.3. */
static void test_rtt(void **state)
{
	struct inlay_rtt r;

	inlay_rtt_init(&r, 0, 0, 0, 0, 25 * INLAY_MS);
	assert_true(r.smoothed == 333 * INLAY_MS && r.var == 333 * INLAY_MS / 2);
	inlay_rtt_sample(&r, 100 * INLAY_MS, 20 * INLAY_MS, T0);
	/* The first sample is taken as it is. */
	assert_true(r.smoothed == 100 * INLAY_MS && r.var == 50 * INLAY_MS);
	inlay_rtt_sample(&r, 140 * INLAY_MS, 20 * INLAY_MS, T0);
	/* Adjusted to 120: var = 3/4 * 50 + 1/4 * 20, smoothed = 7/8 * 100 + 1/8 * 120. */
	assert_true(r.var == 42500 * INLAY_US && r.smoothed == 102500 * INLAY_US);
	assert_true(r.min == 100 * INLAY_MS && r.latest == 140 * INLAY_MS);
	/* More delay than the peer promised counts as far as it promised. */
	inlay_rtt_sample(&r, 200 * INLAY_MS, 90 * INLAY_MS, T0);
	assert_true(r.smoothed == (7 * 102500 + 175000) * INLAY_US / 8);
	/* Never below the minimum. */
	inlay_rtt_sample(&r, 110 * INLAY_MS, 25 * INLAY_MS, T0);
	assert_true(r.latest == 110 * INLAY_MS && r.min == 100 * INLAY_MS);
	inlay_rtt_init(&r, 80 * INLAY_MS, 70 * INLAY_MS, 75 * INLAY_MS, 10 * INLAY_MS, 0);
	assert_true(inlay_rtt_pto(&r) == 115 * INLAY_MS);
	assert_true(inlay_rtt_loss_delay(&r) == 90 * INLAY_MS);
	inlay_rtt_init(&r, 1000, 1000, 1000, 0, 0);
	assert_true(inlay_rtt_pto(&r) == INLAY_GRANULARITY + 1000);
	assert_true(inlay_rtt_loss_delay(&r) == INLAY_GRANULARITY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_initial_window),
		cmocka_unit_test(test_slow_start_and_unused_window),
		cmocka_unit_test(test_newreno_halves_once_a_round),
		cmocka_unit_test(test_window_has_a_floor),
		cmocka_unit_test(test_cubic_comes_back_after_k),
		cmocka_unit_test(test_cubic_converges_fast),
		cmocka_unit_test(test_cubic_is_no_slower_than_reno),
		cmocka_unit_test(test_cubic_time_stands_still_while_unused),
		cmocka_unit_test(test_a_mistaken_loss_is_undone),
		cmocka_unit_test(test_a_mistake_that_did_not_count_undoes_nothing),
		cmocka_unit_test(test_losses_leave_the_live_controller_two_packets),
		cmocka_unit_test(test_a_drain_takes_no_time_from_cubic),
		cmocka_unit_test(test_marks_are_answered_once_a_round),
		cmocka_unit_test(test_slow_start_ends_before_the_queue_is_full),
		cmocka_unit_test(test_slow_start_ends_with_few_samples_too),
		cmocka_unit_test(test_live_competes_on_a_path_without_length),
		cmocka_unit_test(test_pacing_rate),
		cmocka_unit_test(test_queueing_delay_is_over_the_lowest),
		cmocka_unit_test(test_rtt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
