/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Adaptive bit rate: the estimate from simulated arrivals, and the choice. What follows from it is
 * in renditions_test.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "abr.h"
#include "estimate.h"
#include "rendition.h"

#define T0     (1000 * INLAY_S)
#define PACKET 1200
#define MBIT   1000000ULL

/* --- the estimate ---------------------------------------------------------------------------- */

/* An object of |bytes| that leaves the sender at |at| over a link of |bps|, which lets |bucket|
 * bytes pass at once. Returns when its last packet arrived. */
static inlay_ns receive(struct inlay_estimate *e, inlay_ns at, size_t bytes, __u64 bps,
			size_t bucket)
{
	size_t sent = 0, n;

	while (sent < bytes) {
		n = bytes - sent < PACKET ? bytes - sent : PACKET;
		sent += n;
		if (sent > bucket)
			at += n * 8 * INLAY_S / bps;
		inlay_estimate_arrived(e, at, n, sent < bytes);
	}
	return at;
}

/* Frames of a second at |rate| bits, 25 a second, the first six times as large. */
static inlay_ns receive_second(struct inlay_estimate *e, inlay_ns at, __u64 rate, __u64 bps,
			       size_t bucket)
{
	size_t frame = rate / 8 / 30;
	inlay_ns now = at;
	int i;

	for (i = 0; i < 25; i++) {
		inlay_ns due = at + (inlay_ns)i * 40 * INLAY_MS;

		now = receive(e, now > due ? now : due, i ? frame : 6 * frame, bps, bucket);
	}
	return now;
}

static void assert_about(__u64 value, __u64 want, int percent)
{
	if (value * 100 < want * (__u64)(100 - percent) ||
	    value * 100 > want * (__u64)(100 + percent))
		fail_msg("%llu is not within %d %% of %llu", (unsigned long long)value, percent,
			 (unsigned long long)want);
}

static void an_app_limited_receiver_sees_the_rate_of_the_link(void **state)
{
	static const __u64 links[] = {2 * MBIT, 5 * MBIT, 20 * MBIT, 50 * MBIT};
	size_t i;

	for (i = 0; i < INLAY_ARRAY_SIZE(links); i++) {
		struct inlay_estimate e = {0};
		inlay_ns now = receive_second(&e, T0, MBIT, links[i], 0);

		assert_about(inlay_estimate_bps(&e, now), links[i], 15);
	}
}

static void a_token_bucket_does_not_raise_the_estimate(void **state)
{
	struct inlay_estimate e = {0};
	inlay_ns now = receive_second(&e, T0, MBIT, 5 * MBIT, 3000);

	assert_about(inlay_estimate_bps(&e, now), 5 * MBIT, 15);
}

static void what_arrives_at_once_shows_a_fast_link(void **state)
{
	struct inlay_estimate e = {0};

	receive(&e, T0, 30000, 1000000 * MBIT, 1 << 20);
	assert_true(inlay_estimate_bps(&e, T0) > 100 * MBIT);
}

static void small_objects_tell_nothing(void **state)
{
	struct inlay_estimate e = {0};
	int i;

	for (i = 0; i < 100; i++)
		receive(&e, T0 + (inlay_ns)i * 20 * INLAY_MS, 2000, 50 * MBIT, 1200);
	assert_int_equal(inlay_estimate_bps(&e, T0 + 2 * INLAY_S), 0);
}

static void the_estimate_falls_within_a_second_when_the_link_does(void **state)
{
	struct inlay_estimate e = {0};
	inlay_ns now = T0, at;
	int i;

	for (i = 0; i < 5; i++)
		now = receive_second(&e, T0 + (inlay_ns)i * INLAY_S, 4 * MBIT, 20 * MBIT, 0);
	assert_about(inlay_estimate_bps(&e, now), 20 * MBIT, 15);
	/* One object that takes long: its parts count as they come. */
	for (at = T0 + 5 * INLAY_S; at < T0 + 6 * INLAY_S; at += 10 * INLAY_MS)
		inlay_estimate_arrived(&e, at, PACKET, true);
	assert_true(inlay_estimate_bps(&e, at) < 2 * MBIT);
}

static void silence_within_an_object_lowers_the_estimate(void **state)
{
	struct inlay_estimate e = {0};
	inlay_ns now = receive_second(&e, T0, 4 * MBIT, 20 * MBIT, 0);

	inlay_estimate_arrived(&e, now, PACKET, true);
	inlay_estimate_arrived(&e, now + INLAY_MS, PACKET, true);
	assert_true(inlay_estimate_bps(&e, now + 1500 * INLAY_MS) < MBIT);
}

static void the_estimate_rises_again_within_some_seconds(void **state)
{
	struct inlay_estimate e = {0};
	inlay_ns now = T0;
	int i;

	for (i = 0; i < 3; i++)
		now = receive_second(&e, now, 4 * MBIT, 2 * MBIT, 0);
	assert_about(inlay_estimate_bps(&e, now), 2 * MBIT, 15);
	for (i = 0; i < 4; i++)
		now = receive_second(&e, now + 20 * INLAY_MS, MBIT, 20 * MBIT, 0);
	assert_about(inlay_estimate_bps(&e, now), 20 * MBIT, 15);
}

/* --- the choice ------------------------------------------------------------------------------ */

static struct inlay_abr ladder(void)
{
	static const __u64 bps[] = {MBIT, 2 * MBIT, 4 * MBIT};
	struct inlay_abr a;

	inlay_abr_init(&a, bps, INLAY_ARRAY_SIZE(bps));
	a.changed = T0 - 100 * INLAY_S;
	return a;
}

static void while_nothing_is_known_it_tries_the_next_one_after_four_seconds(void **state)
{
	struct inlay_abr a = ladder();

	assert_int_equal(inlay_abr_choose(&a, 0, 0, T0), 0);
	assert_int_equal(inlay_abr_choose(&a, 0, 0, T0 + 3900 * INLAY_MS), 0);
	assert_int_equal(inlay_abr_choose(&a, 0, 0, T0 + 4 * INLAY_S), 1);
	assert_int_equal(inlay_abr_choose(&a, 2, 0, T0 + 4 * INLAY_S), 2);
	/* Not when objects are late. */
	inlay_abr_object(&a, 0, T0);
	inlay_abr_object(&a, 0, T0 + 200 * INLAY_MS);
	assert_int_equal(inlay_abr_choose(&a, 0, 0, T0 + 4 * INLAY_S), 0);
}

static void it_falls_at_once_to_what_fits(void **state)
{
	struct inlay_abr a = ladder();

	assert_int_equal(inlay_abr_choose(&a, 2, 3 * MBIT, T0), 1);
	assert_int_equal(inlay_abr_choose(&a, 2, 2 * MBIT, T0), 0); /* 2 Mbit/s leave no room */
	assert_int_equal(inlay_abr_choose(&a, 2, 1000, T0), 0);
	assert_int_equal(inlay_abr_choose(&a, 0, 1000, T0), 0);
}

static void it_climbs_after_the_estimate_had_room_for_two_seconds(void **state)
{
	struct inlay_abr a = ladder();

	assert_int_equal(inlay_abr_choose(&a, 0, 10 * MBIT, T0), 0);
	assert_int_equal(inlay_abr_choose(&a, 0, 10 * MBIT, T0 + 1900 * INLAY_MS), 0);
	assert_int_equal(inlay_abr_choose(&a, 0, 10 * MBIT, T0 + 2 * INLAY_S), 2);
}

static void room_must_last(void **state)
{
	struct inlay_abr a = ladder();

	assert_int_equal(inlay_abr_choose(&a, 0, 10 * MBIT, T0), 0);
	assert_int_equal(inlay_abr_choose(&a, 0, 2 * MBIT, T0 + INLAY_S), 0);
	assert_int_equal(inlay_abr_choose(&a, 0, 10 * MBIT, T0 + 2 * INLAY_S), 0);
	assert_int_equal(inlay_abr_choose(&a, 0, 10 * MBIT, T0 + 4 * INLAY_S), 2);
}

static void between_both_limits_it_stays(void **state)
{
	struct inlay_abr a = ladder();
	int i;

	for (i = 0; i < 100; i++) {
		inlay_ns now = T0 + (inlay_ns)i * INLAY_S;

		assert_int_equal(inlay_abr_choose(&a, 1, 4500000, now), 1);
		assert_int_equal(inlay_abr_choose(&a, 2, 4500000, now), 2);
	}
}

static void late_objects_make_it_fall_whatever_the_estimate_says(void **state)
{
	struct inlay_abr a = ladder();

	inlay_abr_object(&a, 500, T0);
	inlay_abr_object(&a, 500 + 100 * INLAY_MS, T0 + 120 * INLAY_MS);
	assert_int_equal(inlay_abr_choose(&a, 2, 9 * MBIT, T0 + 120 * INLAY_MS), 2);
	inlay_abr_object(&a, 500 + 200 * INLAY_MS, T0 + 700 * INLAY_MS);
	assert_int_equal(inlay_abr_choose(&a, 2, 9 * MBIT, T0 + 700 * INLAY_MS), 1);
	/* And keep it from climbing. */
	inlay_abr_changed(&a, 2, 1, T0 + 700 * INLAY_MS);
	assert_int_equal(inlay_abr_choose(&a, 1, 9 * MBIT, T0 + INLAY_S), 1);
}

static void a_climb_that_is_taken_back_makes_the_next_one_wait_longer(void **state)
{
	struct inlay_abr a = ladder();

	inlay_abr_changed(&a, 0, 2, T0);
	inlay_abr_changed(&a, 2, 0, T0 + 3 * INLAY_S);
	assert_int_equal(inlay_abr_choose(&a, 0, 9 * MBIT, T0 + 3 * INLAY_S), 0);
	assert_int_equal(inlay_abr_choose(&a, 0, 9 * MBIT, T0 + 6 * INLAY_S), 0);
	assert_int_equal(inlay_abr_choose(&a, 0, 9 * MBIT, T0 + 7 * INLAY_S), 2);
}

static void bit_rates_are_read(void **state)
{
	__u64 bps = 0;

	assert_true(inlay_rendition_bit_rate("2500000", &bps));
	assert_int_equal(bps, 2500000);
	assert_true(inlay_rendition_bit_rate("800k", &bps));
	assert_int_equal(bps, 800000);
	assert_true(inlay_rendition_bit_rate("2.5M", &bps));
	assert_int_equal(bps, 2500000);
	assert_false(inlay_rendition_bit_rate("", &bps));
	assert_false(inlay_rendition_bit_rate("k", &bps));
	assert_false(inlay_rendition_bit_rate("0", &bps));
	assert_false(inlay_rendition_bit_rate("-1", &bps));
	assert_false(inlay_rendition_bit_rate("1 M", &bps));
	assert_false(inlay_rendition_bit_rate("nan", &bps));
	assert_false(inlay_rendition_bit_rate("1e13", &bps));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_app_limited_receiver_sees_the_rate_of_the_link),
		cmocka_unit_test(a_token_bucket_does_not_raise_the_estimate),
		cmocka_unit_test(what_arrives_at_once_shows_a_fast_link),
		cmocka_unit_test(small_objects_tell_nothing),
		cmocka_unit_test(the_estimate_falls_within_a_second_when_the_link_does),
		cmocka_unit_test(silence_within_an_object_lowers_the_estimate),
		cmocka_unit_test(the_estimate_rises_again_within_some_seconds),
		cmocka_unit_test(while_nothing_is_known_it_tries_the_next_one_after_four_seconds),
		cmocka_unit_test(it_falls_at_once_to_what_fits),
		cmocka_unit_test(it_climbs_after_the_estimate_had_room_for_two_seconds),
		cmocka_unit_test(room_must_last),
		cmocka_unit_test(between_both_limits_it_stays),
		cmocka_unit_test(late_objects_make_it_fall_whatever_the_estimate_says),
		cmocka_unit_test(a_climb_that_is_taken_back_makes_the_next_one_wait_longer),
		cmocka_unit_test(bit_rates_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
