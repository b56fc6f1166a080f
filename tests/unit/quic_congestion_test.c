/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whole engines over one emulated bottleneck, in simulated time: what congestion controllers, pacer
 * and bandwidth estimate make of it. Bounds are loose: scripts/bench cc has the numbers.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "flows.h"

#define RATE  1250000 /* bytes/s: 10 Mbit/s */
#define DELAY (20 * INLAY_MS)
#define DEEP  1250000 /* bytes: a second */
#define MTU   1200

static const enum inlay_cc_algorithm all[] = {INLAY_CC_NEWRENO, INLAY_CC_CUBIC, INLAY_CC_LIVE};

static struct link_settings bottleneck(void)
{
	return (struct link_settings){.bytes_per_s = RATE, .queue_bytes = DEEP, .delay = DELAY};
}

static void begin(struct flows *f, const struct link_settings *settings)
{
	assert_true(flows_init(f, settings, 7));
}

static struct flow *add(struct flows *f, const struct flow_settings *settings)
{
	struct flow *x = flows_add(f, settings);

	assert_non_null(x);
	return x;
}

static struct flow *add_bulk(struct flows *f, enum inlay_cc_algorithm cc, inlay_ns start)
{
	const struct flow_settings s = {.cc = cc, .start = start};

	return add(f, &s);
}

static struct inlay_conn_stats stats_of(const struct flow *x)
{
	struct inlay_conn_stats st;

	inlay_conn_stats(x->sender, &st);
	return st;
}

/* In thousandths of what the line carries. */
static int share_since(const struct flows *f, const struct flow *x, __u64 received, inlay_ns time)
{
	return (int)(1000 * flows_share(f, x->received - received, time));
}

/* --- The queue ------------------------------------------------------------------------------ */

static void live_fills_the_link_and_keeps_its_queue_short(void **state)
{
	struct link_settings settings = bottleneck();
	struct flows f;
	struct flow *x;

	begin(&f, &settings);
	x = add_bulk(&f, INLAY_CC_LIVE, 0);
	flows_run(&f, 30 * INLAY_S);
	assert_true(flows_utilisation(&f) > 0.95);
	assert_true(flow_wait(x, 950) <= 20 * INLAY_MS);
	assert_int_equal(stats_of(x).packets_lost, 0);
	assert_string_equal(stats_of(x).cc, "live");
	flows_fini(&f);

	begin(&f, &settings);
	x = add_bulk(&f, INLAY_CC_CUBIC, 0);
	flows_run(&f, 30 * INLAY_S);
	assert_true(flows_utilisation(&f) > 0.95);
	assert_true(flow_wait(x, 950) > 100 * INLAY_MS);
	flows_fini(&f);
}

static void live_fills_slow_and_fast_links_and_long_and_short_paths(void **state)
{
	static const struct {
		__u64 rate;
		inlay_ns delay;
	} paths[] = {
		{62500, DELAY},		/* 0.5 Mbit/s: a packet takes 19 ms */
		{12500000, DELAY},	/* 100 Mbit/s */
		{RATE, 1 * INLAY_MS},	/* next door */
		{RATE, 150 * INLAY_MS}, /* by satellite */
	};
	size_t i;

	for (i = 0; i < INLAY_ARRAY_SIZE(paths); i++) {
		struct link_settings settings = bottleneck();
		struct flows f;
		struct flow *x;

		settings.bytes_per_s = paths[i].rate;
		settings.delay = paths[i].delay;
		begin(&f, &settings);
		x = add_bulk(&f, INLAY_CC_LIVE, 0);
		/* The start may overshoot once. */
		flows_run(&f, 5 * INLAY_S);
		flow_forget_waits(x);
		flows_run(&f, 10 * INLAY_S);
		assert_true(flows_utilisation(&f) > 0.85);
		/* Or four packets. */
		assert_true(flow_wait(x, 950) <= 20 * INLAY_MS + 4 * MTU * INLAY_S / paths[i].rate);
		flows_fini(&f);
	}
}

static void live_leaves_a_policed_link_before_it_loses_much(void **state)
{
	struct link_settings settings = bottleneck();
	struct inlay_conn_stats st;
	struct flows f;
	struct flow *x;

	settings.queue_bytes = 6000;
	begin(&f, &settings);
	x = add_bulk(&f, INLAY_CC_LIVE, 0);
	flows_run(&f, 30 * INLAY_S);
	st = stats_of(x);
	assert_true(flows_utilisation(&f) > 0.8);
	assert_true(st.packets_lost < st.packets_sent / 20);
	flows_fini(&f);
}

static void jitter_is_no_queue_to_live(void **state)
{
	struct link_settings settings = bottleneck();
	struct flows f;

	settings.jitter = 10 * INLAY_MS;
	begin(&f, &settings);
	add_bulk(&f, INLAY_CC_LIVE, 0);
	flows_run(&f, 20 * INLAY_S);
	assert_true(flows_utilisation(&f) > 0.75);
	flows_fini(&f);
}

static void random_loss_does_not_stop_live(void **state)
{
	struct link_settings settings = bottleneck();
	struct flows f;

	settings.loss_ppm = 100000;
	begin(&f, &settings);
	add_bulk(&f, INLAY_CC_LIVE, 0);
	flows_run(&f, 20 * INLAY_S);
	assert_true(flows_utilisation(&f) > 0.7);
	flows_fini(&f);
}

static void rare_acks_do_not_stop_anybody(void **state)
{
	struct link_settings settings = bottleneck();
	struct flows f;
	size_t i;

	for (i = 0; i < INLAY_ARRAY_SIZE(all); i++) {
		const struct flow_settings asked = {.cc = all[i], .few_acks = true};
		const struct flow_settings merged = {.cc = all[i], .ack_every = 5};

		begin(&f, &settings);
		add(&f, &asked);
		flows_run(&f, 10 * INLAY_S);
		assert_true(flows_utilisation(&f) > 0.8);
		flows_fini(&f);
		begin(&f, &settings);
		add(&f, &merged);
		flows_run(&f, 10 * INLAY_S);
		assert_true(flows_utilisation(&f) > 0.8);
		flows_fini(&f);
	}
}

/* --- Others on the link --------------------------------------------------------------------- */

static void live_takes_its_part_beside_cubic(void **state)
{
	struct link_settings settings = bottleneck();
	struct flow *live, *cubic;
	struct flows f;
	int share;

	begin(&f, &settings);
	live = add_bulk(&f, INLAY_CC_LIVE, 0);
	cubic = add_bulk(&f, INLAY_CC_CUBIC, 0);
	flows_run(&f, 120 * INLAY_S);
	share = (int)(live->received * 1000 / (live->received + cubic->received));
	assert_in_range(share, 300, 600);
	flows_fini(&f);
}

static void live_is_calm_again_once_cubic_is_gone(void **state)
{
	const struct flow_settings visitor = {
		.cc = INLAY_CC_CUBIC, .start = 10 * INLAY_S, .stop = 30 * INLAY_S};
	struct link_settings settings = bottleneck();
	struct flow *live;
	struct flows f;
	__u64 before;

	begin(&f, &settings);
	live = add_bulk(&f, INLAY_CC_LIVE, 0);
	add(&f, &visitor);
	flows_run(&f, 30 * INLAY_S);
	assert_true(flow_wait(live, 950) > 100 * INLAY_MS);
	/* Its queue runs off, and at the next look nobody is there. */
	flows_run(&f, 40 * INLAY_S);
	flow_forget_waits(live);
	before = live->received;
	flows_run(&f, 60 * INLAY_S);
	assert_true(flow_wait(live, 950) <= 20 * INLAY_MS);
	assert_true(share_since(&f, live, before, 20 * INLAY_S) > 900);
	flows_fini(&f);
}

static void flows_of_a_kind_share_evenly(void **state)
{
	struct link_settings settings = bottleneck();
	size_t i;

	/* NewReno needs minutes for it, in a queue of a second. */
	for (i = 1; i < INLAY_ARRAY_SIZE(all); i++) {
		__u64 before[2];
		struct flow *x, *y;
		struct flows f;

		settings.queue_bytes = 50000;
		begin(&f, &settings);
		x = add_bulk(&f, all[i], 0);
		y = add_bulk(&f, all[i], 10 * INLAY_S);
		flows_run(&f, 30 * INLAY_S);
		before[0] = x->received;
		before[1] = y->received;
		flows_run(&f, 60 * INLAY_S);
		assert_true(share_since(&f, x, before[0], 30 * INLAY_S) > 330);
		assert_true(share_since(&f, y, before[1], 30 * INLAY_S) > 330);
		flows_fini(&f);
	}
}

/* A route change: what was measured of the path before holds no more. */
static void live_follows_a_path_that_becomes_longer(void **state)
{
	struct link_settings settings = bottleneck();
	struct flow *live;
	struct flows f;
	__u64 before;

	begin(&f, &settings);
	live = add_bulk(&f, INLAY_CC_LIVE, 0);
	flows_run(&f, 10 * INLAY_S);
	f.link.settings.delay += 40 * INLAY_MS;
	flows_run(&f, 40 * INLAY_S);
	flow_forget_waits(live);
	before = live->received;
	flows_run(&f, 50 * INLAY_S);
	assert_true(flow_wait(live, 950) <= 20 * INLAY_MS);
	assert_true(share_since(&f, live, before, 10 * INLAY_S) > 900);
	flows_fini(&f);
}

/* --- The bandwidth estimate ----------------------------------------------------------------- */

static struct flow *add_media(struct flows *f, enum inlay_cc_algorithm cc, __u64 percent)
{
	const struct flow_settings s = {.cc = cc, .media_bytes_per_s = RATE * percent / 100};

	return add(f, &s);
}

static void frames_of_live_media_show_the_links_rate(void **state)
{
	static const __u64 percents[] = {20, 30, 50, 80};
	struct link_settings settings = bottleneck();
	size_t i, k;
	int second;

	settings.jitter = 2 * INLAY_MS;
	for (i = 0; i < INLAY_ARRAY_SIZE(all); i++) {
		for (k = 0; k < INLAY_ARRAY_SIZE(percents); k++) {
			struct inlay_conn_stats st;
			struct flow *x;
			struct flows f;

			begin(&f, &settings);
			x = add_media(&f, all[i], percents[k]);
			for (second = 3; second < 15; second++) {
				flows_run(&f, (inlay_ns)second * INLAY_S);
				st = stats_of(x);
				assert_in_range(st.bandwidth, RATE * 3 / 4, RATE * 5 / 4);
				assert_false(st.app_limited);
			}
			/* It did get through, */
			assert_in_range(x->received, 13 * RATE * percents[k] / 100,
					16 * RATE * percents[k] / 100);
			/* and the window is neither lost nor grown past any use. */
			assert_in_range(st.cwnd, 10 * MTU, 20 * RATE / 25);
			flows_fini(&f);
		}
	}
}

static void the_estimate_follows_the_link(void **state)
{
	struct link_settings settings = bottleneck();
	size_t i;

	for (i = 0; i < INLAY_ARRAY_SIZE(all); i++) {
		struct flow *x;
		struct flows f;

		begin(&f, &settings);
		x = add_media(&f, all[i], 30);
		flows_run(&f, 5 * INLAY_S);
		f.link.settings.bytes_per_s = RATE / 2;
		flows_run(&f, 10 * INLAY_S);
		assert_in_range(stats_of(x).bandwidth, RATE * 3 / 8, RATE * 5 / 8);
		f.link.settings.bytes_per_s = RATE * 2;
		flows_run(&f, 15 * INLAY_S);
		assert_in_range(stats_of(x).bandwidth, RATE * 3 / 2, RATE * 5 / 2);
		flows_fini(&f);
	}
}

/* A packet now and then shows nothing of the link: then the estimate is a lower bound, and says so.
 */
static void the_applications_own_rate_is_not_passed_off_as_the_links(void **state)
{
	struct link_settings settings = bottleneck();
	struct inlay_conn_stats st;
	struct flow *x;
	struct flows f;

	begin(&f, &settings);
	x = add_media(&f, INLAY_CC_LIVE, 1);
	flows_run(&f, 10 * INLAY_S);
	st = stats_of(x);
	assert_true(st.app_limited);
	assert_true(st.bandwidth < RATE);
	assert_in_range(st.cwnd, 10 * MTU, 40 * MTU);
	flows_fini(&f);
}

/* --- Pacing --------------------------------------------------------------------------------- */

static void nobody_sends_more_at_once_than_a_burst(void **state)
{
	static const __u64 rates[] = {RATE, 125000000};
	size_t i, k;

	for (i = 0; i < INLAY_ARRAY_SIZE(all); i++) {
		for (k = 0; k < INLAY_ARRAY_SIZE(rates); k++) {
			struct link_settings settings = bottleneck();
			struct inlay_conn_stats st;
			struct flow *x;
			struct flows f;

			settings.bytes_per_s = rates[k];
			begin(&f, &settings);
			x = add_bulk(&f, all[i], 0);
			flows_run(&f, k ? 400 * INLAY_MS : 5 * INLAY_S);
			st = stats_of(x);
			/* Ten packets, or 5 ms at twice the rate of the link. */
			assert_true(x->most_at_once <=
				    10 * MTU + rates[k] * 2 * (5 * INLAY_MS) / INLAY_S);
			assert_true(st.pacing_rate > 0);
			/* Who wakes up finds something to do, at any rate. */
			assert_true(f.idle_beats < f.beats / 20 + 100);
			flows_fini(&f);
		}
	}
}

static void a_pause_buys_no_more_than_a_burst(void **state)
{
	struct link_settings settings = bottleneck();
	struct flow *x;
	struct flows f;

	settings.bytes_per_s = 0; /* as fast as you like */
	begin(&f, &settings);
	x = add_media(&f, INLAY_CC_NEWRENO, 100);
	flows_run(&f, 5 * INLAY_S);
	/* A key frame is 215 kB. */
	assert_true(x->most_at_once < 150000);
	assert_true(x->received > 4 * RATE * 9 / 10);
	flows_fini(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(live_fills_the_link_and_keeps_its_queue_short),
		cmocka_unit_test(live_fills_slow_and_fast_links_and_long_and_short_paths),
		cmocka_unit_test(live_leaves_a_policed_link_before_it_loses_much),
		cmocka_unit_test(jitter_is_no_queue_to_live),
		cmocka_unit_test(random_loss_does_not_stop_live),
		cmocka_unit_test(rare_acks_do_not_stop_anybody),
		cmocka_unit_test(live_takes_its_part_beside_cubic),
		cmocka_unit_test(live_is_calm_again_once_cubic_is_gone),
		cmocka_unit_test(flows_of_a_kind_share_evenly),
		cmocka_unit_test(live_follows_a_path_that_becomes_longer),
		cmocka_unit_test(frames_of_live_media_show_the_links_rate),
		cmocka_unit_test(the_estimate_follows_the_link),
		cmocka_unit_test(the_applications_own_rate_is_not_passed_off_as_the_links),
		cmocka_unit_test(nobody_sends_more_at_once_than_a_burst),
		cmocka_unit_test(a_pause_buys_no_more_than_a_burst),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
