/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Receive windows that grow as they are used up, and what they may cost: one stream over a link of
 * 50 Mbit/s and 100 ms, whose bandwidth times delay is ten times the window that it begins with.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>

#include "budget.h"
#include "quic_pair.h"
#include "quic_solo.h"
#include "zeros.h"

#define RTT    (100 * INLAY_MS)
#define WINDOW (64ULL << 10) /* of a stream; of the connection twice as much */
#define LINE   (50000000ULL / 8)
#define LENGTH (16ULL << 20)

/* --- The rule --------------------------------------------------------------------------------- */

static void test_a_window_used_up_in_three_round_trips_doubles(void **state)
{
	struct inlay_window_tuner t = {.most = 300};
	inlay_ns now = INLAY_S;
	__u64 w = 100;

	w = inlay_window_tune(&t, w, 50, RTT, now); /* since when is not known */
	assert_int_equal(w, 100);
	/* Half a window in one and a half, and not quite. */
	w = inlay_window_tune(&t, w, 100, RTT, now += RTT * 3 / 2 + INLAY_MS);
	assert_int_equal(w, 100);
	w = inlay_window_tune(&t, w, 150, RTT, now += RTT * 3 / 2);
	assert_int_equal(w, 200);
	w = inlay_window_tune(&t, w, 190, RTT, now += INLAY_MS); /* too little to tell */
	assert_int_equal(w, 200);
	w = inlay_window_tune(&t, w, 290, RTT, now += 10 * RTT);
	assert_int_equal(w, 200);
	w = inlay_window_tune(&t, w, 390, RTT, now += RTT / 2);
	assert_int_equal(w, 300);
	w = inlay_window_tune(&t, w, 600, RTT, now += RTT / 2);
	assert_int_equal(w, 300);
}

static void test_a_window_stays_unless_growth_is_configured(void **state)
{
	struct inlay_window_tuner t = {0};

	assert_int_equal(inlay_window_tune(&t, 100, 50, RTT, INLAY_S), 100);
	assert_int_equal(inlay_window_tune(&t, 100, 100, RTT, INLAY_S + 1), 100);
}

static void test_a_budget_has_a_parent(void **state)
{
	struct inlay_budget all = {.max = 100}, a = {.max = 80, .parent = &all},
			    b = {.max = 80, .parent = &all};

	assert_true(inlay_budget_take(&a, 60));
	assert_true(inlay_budget_is_tight(&b));
	assert_false(inlay_budget_take(&a, 21));
	assert_false(inlay_budget_take(&b, 41));
	assert_int_equal(b.used, 0);
	assert_true(inlay_budget_take(&b, 40));
	assert_int_equal(all.used, 100);
	inlay_budget_give(&a, 60);
	inlay_budget_give(&b, 40);
	assert_int_equal(all.used, 0);
	assert_false(inlay_budget_is_tight(&a));
}

/* --- On a link -------------------------------------------------------------------------------- */

struct sink {
	__u64 received, most_held;
	inlay_ns done_at;
};

static void on_data(void *user, __u64 id, const __u8 *data, size_t len, bool fin)
{
	struct quic_pair_side *s = user;
	struct sink *t = s->app;
	__u64 held = s->conn->streams.recv_budget.used;

	t->received += len;
	t->most_held = held > t->most_held ? held : t->most_held;
	inlay_conn_stream_consume(s->conn, id, len);
	if (fin)
		t->done_at = s->pair->now;
}

static const struct inlay_conn_ops app = {.on_stream_data = on_data};

struct result {
	__u64 bytes_per_s, window, most_held;
};

/* |memory|: of all connections. */
static struct result run(__u32 growth, __u64 max_recv_buffer, __u32 loss_pct, __u64 memory)
{
	struct quic_pair_config config = quic_pair_defaults(3);
	struct inlay_budget all = {.max = memory};
	struct inlay_conn_stats stats;
	struct sink t = {0};
	struct quic_pair *p;
	struct result r;
	inlay_ns start;
	__u64 id;

	config.app = &app;
	config.delay = RTT / 2;
	config.loss_pct = loss_pct;
	config.bytes_per_s = LINE;
	config.queue_bytes = 1 << 20;
	config.cc = INLAY_CC_CUBIC;
	config.max_recv_buffer = max_recv_buffer;
	config.max_window_growth = growth;
	config.recv_memory = &all;
	config.params.initial_max_data = 2 * WINDOW;
	config.params.initial_max_stream_data_uni = WINDOW;
	p = quic_pair_new(&config);
	p->side[INLAY_CLIENT].app = &t;
	start = p->now;
	assert_int_equal(
		inlay_conn_stream_open(p->side[INLAY_SERVER].conn, false, 0, &zeros, NULL, &id), 0);
	assert_int_equal(inlay_conn_stream_extend(p->side[INLAY_SERVER].conn, id, LENGTH, true), 0);
	quic_pair_flush(p);
	while (t.done_at == 0 && p->now < start + 300 * INLAY_S) {
		quic_pair_step(p, start + 300 * INLAY_S);
		assert_true(all.used <= all.max);
	}
	assert_true(t.received == LENGTH);
	assert_int_equal(all.used, 0);
	inlay_conn_stats(p->side[INLAY_CLIENT].conn, &stats);
	r = (struct result){LENGTH * INLAY_S / (t.done_at - start), stats.recv_window, t.most_held};
	quic_pair_free(p);
	print_message("growth %u, loss %u %%: %.1f Mbit/s, window %llu KiB, held %llu KiB\n",
		      growth, loss_pct, (double)r.bytes_per_s * 8 / 1e6, r.window >> 10,
		      r.most_held >> 10);
	return r;
}

static void test_a_long_fat_link_is_filled(void **state)
{
	struct result fixed = run(1, 4 << 20, 0, 64 << 20), tuned = run(16, 4 << 20, 0, 64 << 20);

	/* A window a round trip. */
	assert_true(fixed.bytes_per_s < WINDOW * 10 * 11 / 10);
	assert_int_equal(fixed.window, 2 * WINDOW);
	assert_true(tuned.bytes_per_s > 5 * fixed.bytes_per_s);
	assert_true(tuned.bytes_per_s > LINE * 6 / 10);
	assert_true(tuned.window <= 16 * 2 * WINDOW);
}

static void test_growth_keeps_to_its_bounds(void **state)
{
	struct result few = run(4, 4 << 20, 0, 64 << 20), small = run(16, 256 << 10, 0, 64 << 20);

	assert_int_equal(few.window, 4 * 2 * WINDOW);
	assert_int_equal(small.window, 256 << 10); /* no more than may be held */
}

static void test_memory_of_all_bounds_what_is_held(void **state)
{
	struct result r = run(16, 4 << 20, 1, 100 << 10);

	assert_true(r.most_held <= 100 << 10);
	assert_true(r.most_held > 10 << 10); /* or else nothing was tested */
}

static void test_streams_are_granted_as_fast_as_they_are_used(void **state)
{
	struct inlay_quic_frame f;
	__u64 id = 2, granted = 4, last = 4;
	struct solo s;
	int round;

	solo_init(&s, INLAY_SERVER);
	s.max_window_growth = 4;
	assert_true(solo_start(&s));
	solo_drain(&s);
	/* All that are allowed, opened and ended, in each round trip of 100 ms. */
	for (round = 0; round < 8; round++) {
		for (; id >> 2 < granted; id += 4)
			solo_recv(&s, (const __u8[]){0x0b, 0x40 | id >> 8, (__u8)id, 0}, 4);
		s.now += RTT;
		last = granted;
		if (solo_find(&s, INLAY_QUIC_MAX_STREAMS, &f))
			granted = f.limit.limit;
	}
	assert_false(s.closed);
	assert_int_equal(granted - last, 16); /* four times what it began with, and no more */
	solo_stop(&s);
}

/* --- Sending ---------------------------------------------------------------------------------- */

static void test_one_stream_does_not_take_the_room_of_all(void **state)
{
	static const __u8 bytes[64 << 10];
	__u64 id, other;
	struct solo s;
	int n = 0;

	solo_init(&s, INLAY_SERVER);
	s.max_send_buffer = 1 << 20;
	assert_true(solo_start(&s));
	assert_int_equal(inlay_conn_stream_open(s.conn, false, 0, NULL, NULL, &id), 0);
	assert_int_equal(inlay_conn_stream_open(s.conn, false, 0, NULL, NULL, &other), 0);
	while (inlay_conn_stream_write(s.conn, id, bytes, sizeof(bytes), false) == 0)
		assert_true(++n < 100);
	assert_int_equal(n, 4); /* 256 KiB: the window is 12,000 */
	assert_int_equal(inlay_conn_stream_write(s.conn, id, bytes, 1, false), -ENOMEM);
	assert_int_equal(inlay_conn_stream_write(s.conn, other, bytes, sizeof(bytes), false), 0);
	/* With the congestion window the bound grows. */
	s.conn->recovery.cc.cwnd = 256 << 10;
	while (inlay_conn_stream_write(s.conn, id, bytes, sizeof(bytes), false) == 0)
		assert_true(++n < 100);
	assert_int_equal(n, 8);
	solo_stop(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_window_used_up_in_three_round_trips_doubles),
		cmocka_unit_test(test_a_window_stays_unless_growth_is_configured),
		cmocka_unit_test(test_a_budget_has_a_parent),
		cmocka_unit_test(test_a_long_fat_link_is_filled),
		cmocka_unit_test(test_growth_keeps_to_its_bounds),
		cmocka_unit_test(test_memory_of_all_bounds_what_is_held),
		cmocka_unit_test(test_streams_are_granted_as_fast_as_they_are_used),
		cmocka_unit_test(test_one_stream_does_not_take_the_room_of_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
