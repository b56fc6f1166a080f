/* SPDX-License-Identifier: BSD-2-Clause */
/* The pacer's bucket, limits by class, and the delivery rate, with literal numbers. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "limits.h"
#include "pacer.h"
#include "rate.h"

#define MTU 1200
#define MS  INLAY_MS
#define T0  (100 * INLAY_S)

/* --- Pacer ---------------------------------------------------------------------------------- */

static void the_bucket_fills_at_the_rate_up_to_a_burst(void **state)
{
	struct inlay_pacer p;

	inlay_pacer_init(&p, 5000, MTU);
	assert_int_equal(p.limit, 5000 + 10 * MTU);
	inlay_pacer_refill(&p, 5000, 1200000, MTU, T0);
	assert_int_equal(p.limit, 5000 + 10 * MTU);
	/* All of it is sent; 1.2 MB/s are a packet a millisecond. */
	inlay_pacer_refill(&p, 17000, 1200000, MTU, T0 + 2 * MS);
	assert_int_equal(p.limit, 17000 + 2 * MTU);
	inlay_pacer_refill(&p, 17000, 1200000, MTU, T0 + INLAY_S);
	assert_int_equal(p.limit, 17000 + 10 * MTU);
	/* At 120 MB/s a burst is 5 ms' worth. */
	inlay_pacer_refill(&p, 17000, 120000000, MTU, T0 + INLAY_S);
	inlay_pacer_refill(&p, 17000, 120000000, MTU, T0 + 2 * INLAY_S);
	assert_int_equal(p.limit, 17000 + 600000);
}

static void fractions_of_a_microsecond_are_not_lost(void **state)
{
	struct inlay_pacer p;
	inlay_ns now = T0;
	int i;

	inlay_pacer_init(&p, 0, MTU);
	inlay_pacer_refill(&p, 0, 1000000, MTU, now);
	p.limit = 0;
	for (i = 0; i < 10000; i++)
		inlay_pacer_refill(&p, 0, 1000000, MTU, now += 300);
	assert_int_equal(p.limit, 3000); /* 3 ms at a byte a microsecond */
}

static void the_deadline_moves_on_by_a_step_at_least(void **state)
{
	static const __u64 rates[] = {0, 20000, 1200000, 125000000, 1ULL << 50};
	size_t i;
	int k;

	for (i = 0; i < INLAY_ARRAY_SIZE(rates); i++) {
		struct inlay_pacer p;
		inlay_ns now = T0, next;
		__u64 sent = 0;

		inlay_pacer_init(&p, 0, MTU);
		for (k = 0; k < 100; k++) {
			inlay_pacer_refill(&p, sent, rates[i], MTU, now);
			assert_true(inlay_pacer_deadline(&p, sent) == INLAY_NEVER);
			/* A refill at the deadline is good for a packet. */
			assert_true(p.limit >= sent + MTU);
			while (sent + MTU <= p.limit)
				sent += MTU;
			p.blocked = true;
			next = inlay_pacer_deadline(&p, sent);
			assert_true(next >= now + INLAY_PACER_STEP && next != INLAY_NEVER);
			now = next;
		}
	}
}

static void probes_are_a_debt_of_a_burst_at_most(void **state)
{
	struct inlay_pacer p;

	inlay_pacer_init(&p, 0, MTU);
	inlay_pacer_refill(&p, 1000000, 1200000, MTU, T0);
	assert_int_equal(p.limit, 1000000 - 10 * MTU);
	p.blocked = true;
	assert_true(inlay_pacer_deadline(&p, 1000000) <= T0 + 12 * MS);
}

static void a_forwarder_has_a_long_burst_and_more_before_half_of_it_is_used(void **state)
{
	struct inlay_pacer p;

	inlay_pacer_init(&p, 0, MTU);
	p.patient = false;
	/* 12 MB/s: ten packets a millisecond. */
	inlay_pacer_refill(&p, 0, 12000000, MTU, T0);
	inlay_pacer_refill(&p, 0, 12000000, MTU, T0 + INLAY_S);
	assert_int_equal(p.limit, 200 * MTU);
	assert_true(inlay_pacer_refill_at(&p, 0) == T0 + INLAY_S + 10 * MS);
	assert_true(inlay_pacer_refill_at(&p, 100 * MTU) == T0 + INLAY_S + 5 * MS);
	assert_true(inlay_pacer_refill_at(&p, 250 * MTU) == T0 + INLAY_S + INLAY_PACER_STEP);
	/* Who can say that he waits does with a short one. */
	p.patient = true;
	inlay_pacer_refill(&p, 200 * MTU, 12000000, MTU, T0 + INLAY_S);
	inlay_pacer_refill(&p, 200 * MTU, 12000000, MTU, T0 + 2 * INLAY_S);
	assert_int_equal(p.limit, 250 * MTU);
}

/* --- Limits by class ------------------------------------------------------------------------ */

static void all_classes_are_alike_without_a_policy(void **state)
{
	struct inlay_subscriber entry = {0};
	struct inlay_limits_input in;
	int i;

	inlay_limits_input_init(&in);
	inlay_limits_write(&entry, &in, 7000, 100000, 2400, ~0ULL);
	for (i = 0; i < INLAY_CLASSES; i++)
		assert_int_equal(entry.class_limit[i], 107000);
	/* The pacer holds all of them. */
	inlay_limits_write(&entry, &in, 7000, 100000, 2400, 30000);
	for (i = 0; i < INLAY_CLASSES; i++)
		assert_int_equal(entry.class_limit[i], 30000);
}

static void a_class_stops_at_its_share(void **state)
{
	struct inlay_subscriber entry = {0};
	struct inlay_limits_input in = {
		/* Class 0 and rising shares are put right. */
		.shares.share = {900, 800, 850, 500, 500, 10, 0, 0},
		.shares.overshoot = {0, 100, 0, 100, 900, 0, 100, 0},
	};

	inlay_limits_write(&entry, &in, 5000, 100000, 2400, ~0ULL);
	assert_int_equal(entry.class_limit[0], 105000);
	assert_int_equal(entry.class_limit[1], 95000);
	assert_int_equal(entry.class_limit[2], 85000);
	assert_int_equal(entry.class_limit[3], 65000);
	/* Never above the window; */
	assert_int_equal(entry.class_limit[4], 105000);
	/* a little is two packets, so that it comes to something; */
	assert_int_equal(entry.class_limit[5], 5000 + 2400);
	/* nothing is nothing. */
	assert_int_equal(entry.class_limit[6], 5000);
	assert_int_equal(entry.class_limit[7], 5000);
}

static void what_waits_in_a_class_or_above_goes_first(void **state)
{
	struct inlay_subscriber entry = {0};
	struct inlay_limits_input in;

	inlay_limits_input_init(&in);
	in.pending[0] = 1000;
	in.pending[2] = 20000;
	in.pending[5] = 1 << 20;
	inlay_limits_write(&entry, &in, 0, 100000, 2400, ~0ULL);
	assert_int_equal(entry.class_limit[0], 99000);
	assert_int_equal(entry.class_limit[1], 99000);
	assert_int_equal(entry.class_limit[2], 79000);
	assert_int_equal(entry.class_limit[4], 79000);
	assert_int_equal(entry.class_limit[5], 0);
	assert_int_equal(entry.class_limit[7], 0);
}

/* --- Delivery rate -------------------------------------------------------------------------- */

#define BASE (40 * MS)

/* A packet of a train sent at |sent|, that left the bottleneck |queue| later than it might. */
static void ack(struct inlay_rate *r, inlay_ns sent, inlay_ns queue, inlay_ns delay)
{
	const struct inlay_rate_sample s = {
		.now = sent + BASE + queue + delay,
		.sent = sent,
		.oldest = sent,
		.delay = delay,
		.base = BASE,
	};

	inlay_rate_on_acked(r, MTU);
	inlay_rate_on_sample(r, &s);
}

static void a_train_shows_the_bottleneck(void **state)
{
	struct inlay_rate r;
	inlay_ns at = T0;
	int i, k;

	inlay_rate_init(&r);
	assert_int_equal(inlay_rate_estimate(&r), 0);
	/* Ten packets at once every 40 ms, of 1 ms each at the bottleneck: 30 % of 1.2 MB/s. */
	for (k = 0; k < 5; k++, at += 40 * MS)
		for (i = 0; i < 10; i++)
			ack(&r, at, (inlay_ns)i * MS, 0);
	assert_in_range(inlay_rate_estimate(&r), 1199000, 1201000);
	assert_true(inlay_rate_is_measured(&r, at));
	/* It grows old. */
	assert_false(inlay_rate_is_measured(&r, at + 4 * INLAY_S));
}

static void delayed_acks_do_not_blur_it(void **state)
{
	struct inlay_rate r;
	int i;

	inlay_rate_init(&r);
	for (i = 0; i < 20; i++)
		ack(&r, T0, (inlay_ns)i * MS, i % 3 * 5 * MS);
	assert_in_range(inlay_rate_estimate(&r), 1199000, 1201000);
}

static void packets_that_did_not_wait_show_nothing(void **state)
{
	struct inlay_rate r;
	inlay_ns at = T0;
	int i;

	inlay_rate_init(&r);
	/* A packet every 10 ms; a jitter of a millisecond. */
	for (i = 0; i < 500; i++, at += 10 * MS) {
		ack(&r, at, i % 2 * MS, 0);
		if (i % 10 == 0)
			inlay_rate_on_round(&r, at);
	}
	assert_false(inlay_rate_is_measured(&r, at));
	/* What arrived, arrived. */
	assert_in_range(inlay_rate_estimate(&r), 110000, 130000);
}

static void the_pause_between_trains_is_not_counted(void **state)
{
	struct inlay_rate r;
	inlay_ns at = T0;
	int i, k;

	inlay_rate_init(&r);
	/* The queue never reads as empty: the path's base is not quite known. */
	for (k = 0; k < 20; k++, at += 100 * MS)
		for (i = 0; i < 10; i++)
			ack(&r, at, 10 * MS + (inlay_ns)i * MS, 0);
	assert_in_range(inlay_rate_estimate(&r), 1199000, 1201000);
}

/* Tokens of a shaper let the first packets of a train pass at once. */
static void a_shapers_burst_is_not_its_rate(void **state)
{
	struct inlay_rate r;
	inlay_ns at = T0;
	int i, k;

	inlay_rate_init(&r);
	for (k = 0; k < 5; k++, at += 40 * MS)
		for (i = 0; i < 20; i++)
			ack(&r, at + (inlay_ns)i * 10 * INLAY_US,
			    i < 10 ? 0 : (inlay_ns)(i - 9) * MS, 0);
	assert_in_range(inlay_rate_estimate(&r), 1150000, 1250000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_bucket_fills_at_the_rate_up_to_a_burst),
		cmocka_unit_test(fractions_of_a_microsecond_are_not_lost),
		cmocka_unit_test(the_deadline_moves_on_by_a_step_at_least),
		cmocka_unit_test(probes_are_a_debt_of_a_burst_at_most),
		cmocka_unit_test(a_forwarder_has_a_long_burst_and_more_before_half_of_it_is_used),
		cmocka_unit_test(all_classes_are_alike_without_a_policy),
		cmocka_unit_test(a_class_stops_at_its_share),
		cmocka_unit_test(what_waits_in_a_class_or_above_goes_first),
		cmocka_unit_test(a_train_shows_the_bottleneck),
		cmocka_unit_test(delayed_acks_do_not_blur_it),
		cmocka_unit_test(packets_that_did_not_wait_show_nothing),
		cmocka_unit_test(the_pause_between_trains_is_not_counted),
		cmocka_unit_test(a_shapers_burst_is_not_its_rate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
