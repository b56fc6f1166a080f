/* SPDX-License-Identifier: BSD-2-Clause */
/* Path MTU discovery alone: against paths that carry so and so much, and that change. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "pmtu.h"

#define T0     (100 * INLAY_S)
#define PTO    (100 * INLAY_MS)
#define PTO_US 100000
#define ANY    9000 /* room */

struct walk {
	struct inlay_pmtu p;
	__u64 next_pn;
	unsigned int probes;
	__u32 first, largest;
};

static void start(struct walk *w, __u32 max)
{
	*w = (struct walk){0};
	inlay_pmtu_init(&w->p, 1200, max, 0);
}

/* One probe, over a path that carries |path|. False: there is none to send. */
static bool probe(struct walk *w, __u32 path, inlay_ns now)
{
	__u32 size = inlay_pmtu_next(&w->p, ANY, now), before = w->p.mtu;
	bool rose = false;
	__u64 pn;

	if (size == 0)
		return false;
	assert_true(size > before && size <= w->p.max);
	pn = w->next_pn++;
	inlay_pmtu_on_probe_sent(&w->p, pn);
	w->probes++;
	if (w->first == 0)
		w->first = size;
	if (size > w->largest)
		w->largest = size;
	if (size <= path)
		rose = inlay_pmtu_on_acked(&w->p, pn, size, true);
	else
		inlay_pmtu_on_lost(&w->p, pn, size, true, 0, PTO, w->next_pn);
	assert_int_equal(rose, w->p.mtu != before);
	return true;
}

static void discover(struct walk *w, __u32 path, inlay_ns now)
{
	do
		inlay_pmtu_on_traffic(&w->p);
	while (probe(w, path, now));
}

static void every_path_is_found_out_to_sixteen_bytes_with_few_probes(void **state)
{
	static const __u32 bounds[] = {1200, 1210, 1252, 1400, 1472, 1950, 8972};
	struct walk w;
	unsigned int i;
	__u32 path;

	for (i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
		for (path = 1200; path <= 9000; path += 7) {
			__u32 most = path < bounds[i] ? path : bounds[i];

			start(&w, bounds[i]);
			discover(&w, path, T0);
			assert_true(w.p.mtu <= most && w.p.mtu + INLAY_PMTU_GRAIN >= most);
			assert_true(w.largest <= bounds[i]);
			/* Three losses each of some halvings. */
			assert_true(w.probes <= (bounds[i] <= 1472 ? 24 : 50));
		}
	}
}

static void usual_paths_are_hit_exactly(void **state)
{
	static const __u32 usual[] = {1232, 1280, 1372, 1400, 1452, 1472};
	struct walk w;
	unsigned int i;

	for (i = 0; i < sizeof(usual) / sizeof(usual[0]); i++) {
		start(&w, 1472);
		discover(&w, usual[i], T0);
		assert_int_equal(w.p.mtu, usual[i]);
		assert_int_equal(w.first, 1232);
	}
}

static void a_bound_between_the_usual_sizes_is_tried_itself(void **state)
{
	struct walk w;

	start(&w, 1390);
	discover(&w, 1500, T0);
	assert_int_equal(w.p.mtu, 1390);
	assert_int_equal(w.probes, 2);
}

static void nothing_is_probed_without_traffic(void **state)
{
	struct walk w;

	start(&w, 1472);
	assert_false(probe(&w, 1500, T0));
	inlay_pmtu_on_traffic(&w.p);
	assert_true(probe(&w, 1500, T0));
	/* One probe for what was acknowledged, however long it is waited. */
	assert_false(probe(&w, 1500, T0 + 3600 * INLAY_S));
}

static void one_probe_at_a_time(void **state)
{
	struct walk w;

	start(&w, 1472);
	inlay_pmtu_on_traffic(&w.p);
	assert_int_equal(inlay_pmtu_next(&w.p, ANY, T0), 1232);
	inlay_pmtu_on_probe_sent(&w.p, 7);
	inlay_pmtu_on_traffic(&w.p);
	assert_int_equal(inlay_pmtu_next(&w.p, ANY, T0), 0);
	assert_true(inlay_pmtu_on_acked(&w.p, 7, 1232, true));
	assert_int_equal(inlay_pmtu_next(&w.p, ANY, T0), 1472);
}

static void a_size_is_given_up_after_three_losses_only(void **state)
{
	struct walk w;
	int i;

	start(&w, 1232);
	for (i = 0; i < 2; i++) {
		inlay_pmtu_on_traffic(&w.p);
		assert_true(probe(&w, 1200, T0));
	}
	inlay_pmtu_on_traffic(&w.p);
	assert_true(probe(&w, 1500, T0));
	assert_int_equal(w.p.mtu, 1232);
	assert_int_equal(w.p.probes_lost, 2);
}

static void after_ten_minutes_it_looks_again(void **state)
{
	struct walk w;

	start(&w, 1472);
	discover(&w, 1300, T0);
	assert_true(w.p.mtu >= 1284 && w.p.mtu <= 1300);
	w.probes = 0;
	discover(&w, 1500, T0 + 600 * INLAY_S - 1);
	assert_int_equal(w.probes, 0);
	discover(&w, 1500, T0 + 600 * INLAY_S);
	assert_int_equal(w.p.mtu, 1472);
	/* At the bound there is nothing more to look for. */
	w.probes = 0;
	discover(&w, 1500, T0 + 6000 * INLAY_S);
	assert_int_equal(w.probes, 0);
}

static void what_the_socket_has_no_room_for_is_not_tried(void **state)
{
	struct walk w;

	start(&w, 1472);
	inlay_pmtu_on_traffic(&w.p);
	assert_int_equal(inlay_pmtu_next(&w.p, 1210, T0), 1210);
	assert_int_equal(w.p.max, 1210);
}

static void another_path_begins_at_the_base_and_old_probes_count_no_more(void **state)
{
	struct walk w;

	start(&w, 1472);
	discover(&w, 1500, T0);
	assert_int_equal(w.p.mtu, 1472);
	inlay_pmtu_restart(&w.p, w.next_pn);
	assert_int_equal(w.p.mtu, 1200);
	assert_false(inlay_pmtu_on_acked(&w.p, w.next_pn - 1, 1472, true));
	assert_int_equal(w.p.mtu, 1200);
	discover(&w, 1400, T0);
	assert_int_equal(w.p.mtu, 1400);
}

/* --- Black holes ---------------------------------------------------------------------------- */

static bool lose_at(struct walk *w, __u32 size, __u32 time_us)
{
	__u64 pn = w->next_pn++;

	return inlay_pmtu_on_lost(&w->p, pn, size, false, time_us, PTO, w->next_pn);
}

static void arrive(struct walk *w, __u32 size)
{
	assert_false(inlay_pmtu_on_acked(&w->p, w->next_pn++, size, false));
}

static void full_packets_lost_while_smaller_ones_pass_mean_a_black_hole(void **state)
{
	struct walk w;
	__u32 i;

	start(&w, 1472);
	discover(&w, 1500, T0);
	for (i = 0; i < 5; i++)
		assert_false(lose_at(&w, 1472, i * PTO_US));
	arrive(&w, 1250);
	assert_true(lose_at(&w, 1472, 5 * PTO_US));
	assert_int_equal(w.p.mtu, 1200);
	assert_int_equal(w.p.black_holes, 1);
	/* And what else was under way then is no news. */
	assert_false(
		inlay_pmtu_on_lost(&w.p, w.next_pn - 1, 1472, false, 9 * PTO_US, PTO, w.next_pn));
	discover(&w, 1300, T0);
	assert_true(w.p.mtu >= 1284 && w.p.mtu <= 1300);
}

static void losses_are_no_black_hole(void **state)
{
	struct walk w;
	__u32 i;

	/* While full packets arrive as well. */
	start(&w, 1472);
	discover(&w, 1500, T0);
	for (i = 0; i < 50; i++) {
		assert_false(lose_at(&w, 1472, i * PTO_US));
		arrive(&w, i % 5 == 4 ? 1472 : 100);
	}
	/* In one burst, however long. */
	for (i = 0; i < 50; i++) {
		assert_false(lose_at(&w, 1472, 50 * PTO_US + i));
		arrive(&w, 100);
	}
	arrive(&w, 1472);
	/* Where nothing arrives at all: that is for PTOs to tell. */
	for (i = 0; i < 50; i++)
		assert_false(lose_at(&w, 1472, (60 + i) * PTO_US));
	arrive(&w, 1472);
	/* Of packets that any path carries. */
	for (i = 0; i < 50; i++) {
		assert_false(lose_at(&w, 1200, (120 + i) * PTO_US));
		arrive(&w, 100);
	}
	assert_int_equal(w.p.mtu, 1472);
}

static void three_ptos_in_a_row_go_back_to_the_base(void **state)
{
	struct walk w;

	start(&w, 1472);
	assert_false(inlay_pmtu_on_ptos(&w.p, 9, 0)); /* there already */
	discover(&w, 1500, T0);
	assert_false(inlay_pmtu_on_ptos(&w.p, 2, w.next_pn));
	assert_int_equal(w.p.mtu, 1472);
	assert_true(inlay_pmtu_on_ptos(&w.p, 3, w.next_pn));
	assert_int_equal(w.p.mtu, 1200);
	assert_false(inlay_pmtu_on_ptos(&w.p, 4, w.next_pn));
	assert_int_equal(w.p.black_holes, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_path_is_found_out_to_sixteen_bytes_with_few_probes),
		cmocka_unit_test(usual_paths_are_hit_exactly),
		cmocka_unit_test(a_bound_between_the_usual_sizes_is_tried_itself),
		cmocka_unit_test(nothing_is_probed_without_traffic),
		cmocka_unit_test(one_probe_at_a_time),
		cmocka_unit_test(a_size_is_given_up_after_three_losses_only),
		cmocka_unit_test(after_ten_minutes_it_looks_again),
		cmocka_unit_test(what_the_socket_has_no_room_for_is_not_tried),
		cmocka_unit_test(another_path_begins_at_the_base_and_old_probes_count_no_more),
		cmocka_unit_test(full_packets_lost_while_smaller_ones_pass_mean_a_black_hole),
		cmocka_unit_test(losses_are_no_black_hole),
		cmocka_unit_test(three_ptos_in_a_row_go_back_to_the_base),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
