/* SPDX-License-Identifier: BSD-2-Clause */
/* Objects in and out of order, lost, late and too many: what a subscriber hands on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "jitter.h"

#define T0 (100 * INLAY_S)

struct seen {
	char text[1024]; /* "group.object " of each, in order */
	struct inlay_jitter *j;
};

static void on_object(void *user, __u64 group, __u64 object, const __u8 *data, size_t len)
{
	struct seen *s = user;
	size_t at = strlen(s->text);

	assert_int_equal(len, 10 + object);
	snprintf(s->text + at, sizeof(s->text) - at, "%llu.%llu ", (unsigned long long)group,
		 (unsigned long long)object);
}

static struct inlay_jitter *begin(struct seen *s)
{
	struct inlay_jitter_config config = {
		.patience = INLAY_S,
		.datagram_patience = 100 * INLAY_MS,
		.max_bytes = 2000,
		.on_object = on_object,
		.user = s,
	};

	memset(s, 0, sizeof(*s));
	s->j = inlay_jitter_new(&config);
	assert_non_null(s->j);
	return s->j;
}

static void put(struct inlay_jitter *j, __u64 group, __u64 object, inlay_ns at)
{
	__u8 data[512] = {0};

	assert_int_equal(inlay_jitter_object(j, group, object, data, 10 + object, false, at), 0);
}

static void put_datagram(struct inlay_jitter *j, __u64 group, __u64 object, inlay_ns at)
{
	__u8 data[512] = {0};

	assert_int_equal(inlay_jitter_object(j, group, object, data, 10 + object, true, at), 0);
}

static struct inlay_jitter_stats stats_of(struct inlay_jitter *j)
{
	struct inlay_jitter_stats stats;

	inlay_jitter_stats(j, &stats);
	return stats;
}

static void test_in_order(void **state)
{
	struct seen s;
	struct inlay_jitter *j = begin(&s);

	inlay_jitter_start(j, 3);
	inlay_jitter_stream_begin(j, 3, T0);
	put(j, 3, 0, T0);
	put(j, 3, 1, T0);
	inlay_jitter_stream_end(j, 3, true, true, T0);
	inlay_jitter_stream_begin(j, 4, T0);
	put(j, 4, 0, T0);
	assert_string_equal(s.text, "3.0 3.1 4.0 ");
	assert_int_equal(inlay_jitter_deadline(j), INLAY_NEVER);
	assert_int_equal(stats_of(j).groups, 2);
	assert_int_equal(stats_of(j).bytes, 31);
	inlay_jitter_free(j);
}

/* A later group waits until the earlier one has ended. */
static void test_groups_overtake(void **state)
{
	struct seen s;
	struct inlay_jitter *j = begin(&s);

	inlay_jitter_start(j, 1);
	inlay_jitter_stream_begin(j, 2, T0);
	put(j, 2, 0, T0);
	assert_string_equal(s.text, "");
	inlay_jitter_stream_begin(j, 1, T0);
	put(j, 1, 0, T0);
	put(j, 1, 1, T0);
	inlay_jitter_stream_end(j, 2, true, true, T0);
	assert_string_equal(s.text, "1.0 1.1 ");
	inlay_jitter_stream_end(j, 1, true, true, T0);
	assert_string_equal(s.text, "1.0 1.1 2.0 ");
	assert_int_equal(stats_of(j).missing_groups, 0);
	inlay_jitter_free(j);
}

static void test_group_never_comes(void **state)
{
	struct seen s;
	struct inlay_jitter *j = begin(&s);

	inlay_jitter_start(j, 1);
	inlay_jitter_stream_begin(j, 4, T0);
	put(j, 4, 0, T0 + 1);
	assert_int_equal(inlay_jitter_deadline(j), T0 + INLAY_S);
	inlay_jitter_on_timer(j, T0 + INLAY_S - 1);
	assert_string_equal(s.text, "");
	inlay_jitter_on_timer(j, T0 + INLAY_S);
	assert_string_equal(s.text, "4.0 ");
	assert_int_equal(stats_of(j).missing_groups, 3);
	put(j, 2, 0, T0 + 2 * INLAY_S);
	assert_string_equal(s.text, "4.0 ");
	assert_int_equal(stats_of(j).late, 1);
	inlay_jitter_free(j);
}

/* A stream that stalls while the next group waits: patience counts from its last progress. */
static void test_stalled_stream(void **state)
{
	struct seen s;
	struct inlay_jitter *j = begin(&s);

	inlay_jitter_start(j, 0);
	inlay_jitter_stream_begin(j, 0, T0);
	put(j, 0, 0, T0);
	inlay_jitter_stream_begin(j, 1, T0);
	put(j, 1, 0, T0);
	inlay_jitter_progress(j, 0, T0 + 900 * INLAY_MS);
	inlay_jitter_on_timer(j, T0 + INLAY_S);
	assert_string_equal(s.text, "0.0 ");
	assert_int_equal(inlay_jitter_deadline(j), T0 + 1900 * INLAY_MS);
	inlay_jitter_on_timer(j, T0 + 1900 * INLAY_MS);
	assert_string_equal(s.text, "0.0 1.0 ");
	inlay_jitter_stream_end(j, 0, true, true, T0 + 2 * INLAY_S);
	assert_int_equal(inlay_jitter_deadline(j), INLAY_NEVER);
	inlay_jitter_free(j);
}

static void test_reset(void **state)
{
	struct seen s;
	struct inlay_jitter *j = begin(&s);

	inlay_jitter_start(j, 0);
	inlay_jitter_stream_begin(j, 0, T0);
	put(j, 0, 0, T0);
	inlay_jitter_stream_begin(j, 1, T0);
	put(j, 1, 0, T0);
	inlay_jitter_stream_end(j, 0, false, true, T0);
	assert_string_equal(s.text, "0.0 1.0 ");
	assert_int_equal(stats_of(j).resets, 1);
	inlay_jitter_free(j);
}

/* Numbers that one stream leaves out were never used; between streams they may still come. */
static void test_gaps_within_a_group(void **state)
{
	struct seen s;
	struct inlay_jitter *j = begin(&s);

	inlay_jitter_start(j, 0);
	inlay_jitter_stream_begin(j, 0, T0);
	put(j, 0, 0, T0);
	put(j, 0, 5, T0);
	assert_string_equal(s.text, "0.0 0.5 ");
	inlay_jitter_stream_begin(j, 0, T0);
	put(j, 0, 8, T0);
	put(j, 0, 7, T0);
	put(j, 0, 6, T0);
	put(j, 0, 6, T0);
	assert_string_equal(s.text, "0.0 0.5 0.6 0.7 0.8 ");
	assert_int_equal(stats_of(j).late, 1);
	inlay_jitter_free(j);
}

static void test_datagrams(void **state)
{
	struct seen s;
	struct inlay_jitter *j = begin(&s);

	inlay_jitter_start_anywhere(j);
	put_datagram(j, 6, 3, T0);
	assert_string_equal(s.text, "6.3 ");
	s.text[0] = 0;
	inlay_jitter_flush(j);
	inlay_jitter_start(j, 7);
	put_datagram(j, 6, 4, T0);
	put_datagram(j, 7, 0, T0);
	put_datagram(j, 7, 2, T0);
	put_datagram(j, 7, 3, T0);
	assert_string_equal(s.text, "7.0 ");
	put_datagram(j, 7, 1, T0 + 50 * INLAY_MS);
	assert_string_equal(s.text, "7.0 7.1 7.2 7.3 ");
	put_datagram(j, 7, 5, T0 + 60 * INLAY_MS);
	inlay_jitter_on_timer(j, T0 + 160 * INLAY_MS);
	assert_string_equal(s.text, "7.0 7.1 7.2 7.3 7.5 ");
	assert_int_equal(stats_of(j).missing_objects, 1);
	/* The next group follows after a short wait for stragglers. */
	put_datagram(j, 8, 0, T0 + 200 * INLAY_MS);
	put_datagram(j, 7, 6, T0 + 250 * INLAY_MS);
	inlay_jitter_on_timer(j, T0 + 350 * INLAY_MS);
	assert_string_equal(s.text, "7.0 7.1 7.2 7.3 7.5 7.6 8.0 ");
	inlay_jitter_free(j);
}

/* A join in the middle: the rest of that group is of no use, and holds nobody up. */
static void test_start_anywhere(void **state)
{
	struct seen s;
	struct inlay_jitter *j = begin(&s);

	inlay_jitter_start_anywhere(j);
	inlay_jitter_stream_begin(j, 7, T0);
	put(j, 7, 4, T0);
	put(j, 7, 5, T0);
	inlay_jitter_stream_begin(j, 8, T0);
	put(j, 8, 0, T0);
	assert_string_equal(s.text, "8.0 ");
	inlay_jitter_stream_end(j, 7, true, true, T0);
	assert_int_equal(stats_of(j).late, 2);
	inlay_jitter_free(j);
}

static void test_memory_is_bounded(void **state)
{
	struct seen s;
	struct inlay_jitter *j = begin(&s);
	__u64 i;

	inlay_jitter_start(j, 0);
	for (i = 1; i < 100; i++) {
		inlay_jitter_stream_begin(j, i, T0);
		put(j, i, 0, T0);
		assert_true(stats_of(j).held <= 2000);
		inlay_jitter_stream_end(j, i, true, true, T0);
	}
	/* Group 0 was given up, and all others came. */
	assert_int_equal(stats_of(j).objects, 99);
	assert_int_equal(stats_of(j).missing_groups, 1);
	inlay_jitter_free(j);
}

static void test_flush(void **state)
{
	struct seen s;
	struct inlay_jitter *j = begin(&s);

	inlay_jitter_start(j, 0);
	inlay_jitter_stream_begin(j, 2, T0);
	put(j, 2, 0, T0);
	inlay_jitter_stream_begin(j, 5, T0);
	put(j, 5, 1, T0);
	inlay_jitter_flush(j);
	assert_string_equal(s.text, "2.0 5.1 ");
	/* Begins anew, and lower than before. */
	inlay_jitter_start(j, 1);
	put(j, 1, 0, T0);
	assert_string_equal(s.text, "2.0 5.1 1.0 ");
	inlay_jitter_free(j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_order),
		cmocka_unit_test(test_groups_overtake),
		cmocka_unit_test(test_group_never_comes),
		cmocka_unit_test(test_stalled_stream),
		cmocka_unit_test(test_reset),
		cmocka_unit_test(test_gaps_within_a_group),
		cmocka_unit_test(test_datagrams),
		cmocka_unit_test(test_start_anywhere),
		cmocka_unit_test(test_memory_is_bounded),
		cmocka_unit_test(test_flush),
	};

	return cmocka_run_group_tests_name("jitter", tests, NULL, NULL);
}
