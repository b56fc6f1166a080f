/* SPDX-License-Identifier: BSD-2-Clause */
/* The sender's half of ECN alone: which packets are marked, and which counts are believed. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "ecn.h"

#define SIZE 64
#define T0   (100 * INLAY_S)
#define PTO  (100 * INLAY_MS)

struct world {
	struct inlay_subscriber entry;
	struct inlay_sent entries[SIZE];
	struct inlay_sentlog log;
	struct inlay_ecn_path ecn;
	__u64 largest; /* acknowledged; ~0: none */
};

static void set_up(struct world *w, bool enabled)
{
	memset(w, 0, sizeof(*w));
	assert_int_equal(inlay_sentlog_init(&w->log, &w->entry, w->entries, SIZE, NULL), 0);
	inlay_ecn_init(&w->ecn, enabled, 0);
	w->largest = ~0ULL;
}

static __u64 send_entry(struct world *w, __u16 flags)
{
	struct inlay_sent e = {.packet_size = 1200, .flags = flags};
	__u64 pn = inlay_sentlog_take(&w->log);

	assert_true(inlay_sentlog_publish(&w->log, pn, &e, 0));
	return pn;
}

/* A packet as the engine sends it. Returns its number. */
static __u64 send_at(struct world *w, inlay_ns now)
{
	enum inlay_ecn mark = inlay_ecn_mark(&w->ecn, true, PTO, now);

	assert_true(mark == INLAY_ECN_NOT_ECT || mark == INLAY_ECN_ECT0);
	if (mark)
		inlay_ecn_on_sent(&w->ecn, now);
	return send_entry(w, mark ? INLAY_SENT_ECN : 0);
}

static bool is_marked(const struct world *w, __u64 pn)
{
	return inlay_sentlog_entry(&w->log, pn)->flags & INLAY_SENT_ECN;
}

/* The peer acknowledges [begin, end); |counts| NULL: with the frame of type 0x02. */
static __u64 ack(struct world *w, __u64 begin, __u64 end,
		 const struct inlay_quic_ecn_counts *counts)
{
	struct inlay_quic_ack a = {.largest = end - 1, .has_ecn = counts != NULL};
	bool raised = w->largest == ~0ULL || a.largest > w->largest;
	__u64 pn, unpublished;

	if (counts)
		a.ecn = *counts;
	inlay_ecn_begin_ack(&w->ecn);
	for (pn = begin; pn < end; pn++) {
		if (inlay_sentlog_fate(&w->log, pn) != INLAY_FATE_OPEN)
			continue;
		if (is_marked(w, pn))
			inlay_ecn_on_acked(&w->ecn, pn);
		inlay_sentlog_resolve(&w->log, pn, INLAY_FATE_ACKED);
	}
	if (raised)
		w->largest = a.largest;
	inlay_sentlog_recount(&w->log, &unpublished);
	return inlay_ecn_end_ack(&w->ecn, &a, raised, unpublished);
}

static void lose(struct world *w, __u64 begin, __u64 end)
{
	__u64 pn;

	for (pn = begin; pn < end; pn++) {
		if (is_marked(w, pn))
			inlay_ecn_on_lost(&w->ecn, pn);
		inlay_sentlog_resolve(&w->log, pn, INLAY_FATE_LOST);
	}
}

static void send_many(struct world *w, unsigned int n)
{
	while (n-- > 0)
		send_at(w, T0);
}

#define COUNTS(...) (&(struct inlay_quic_ecn_counts){__VA_ARGS__})

static void ten_packets_are_marked_then_none_until_one_is_acknowledged(void **state)
{
	struct world w;
	__u64 pn;

	set_up(&w, true);
	for (pn = 0; pn < 10; pn++)
		assert_true(is_marked(&w, send_at(&w, T0)));
	assert_false(is_marked(&w, send_at(&w, T0)));
	assert_int_equal(w.ecn.state, INLAY_ECN_UNKNOWN);
	assert_int_equal(ack(&w, 0, 2, COUNTS(.ect0 = 2)), 0);
	assert_int_equal(w.ecn.state, INLAY_ECN_CAPABLE);
	assert_true(is_marked(&w, send_at(&w, T0)));
	inlay_sentlog_fini(&w.log);
}

static void testing_ends_after_three_ptos(void **state)
{
	struct world w;

	set_up(&w, true);
	assert_true(is_marked(&w, send_at(&w, T0)));
	assert_true(is_marked(&w, send_at(&w, T0 + 3 * PTO - 1)));
	assert_false(is_marked(&w, send_at(&w, T0 + 3 * PTO)));
	assert_int_equal(w.ecn.state, INLAY_ECN_UNKNOWN);
	inlay_sentlog_fini(&w.log);
}

static void what_may_be_lost_for_its_size_is_no_test(void **state)
{
	struct world w;

	set_up(&w, true);
	assert_int_equal(inlay_ecn_mark(&w.ecn, false, PTO, T0), INLAY_ECN_NOT_ECT);
	send_at(&w, T0);
	ack(&w, 0, 1, COUNTS(.ect0 = 1));
	assert_int_equal(inlay_ecn_mark(&w.ecn, false, PTO, T0), INLAY_ECN_ECT0);
	inlay_sentlog_fini(&w.log);
}

static void switched_off_it_never_marks(void **state)
{
	struct world w;

	set_up(&w, false);
	assert_false(is_marked(&w, send_at(&w, T0)));
	assert_int_equal(ack(&w, 0, 1, COUNTS(.ce = 1)), 0);
	inlay_ecn_restart(&w.ecn, 1);
	assert_false(is_marked(&w, send_at(&w, T0)));
	inlay_sentlog_fini(&w.log);
}

static void all_marked_packets_lost_means_not_capable(void **state)
{
	struct world w;

	set_up(&w, true);
	send_many(&w, 12);
	lose(&w, 0, 9);
	assert_int_equal(w.ecn.state, INLAY_ECN_UNKNOWN);
	lose(&w, 9, 10);
	assert_int_equal(w.ecn.state, INLAY_ECN_FAILED);
	assert_int_equal(ack(&w, 10, 12, NULL), 0);
	assert_false(is_marked(&w, send_at(&w, T0)));
	inlay_sentlog_fini(&w.log);
}

static void few_marked_packets_all_lost_count_once_testing_is_over(void **state)
{
	struct world w;

	set_up(&w, true);
	send_many(&w, 2);
	lose(&w, 0, 2);
	assert_int_equal(w.ecn.state, INLAY_ECN_TESTING);
	assert_false(is_marked(&w, send_at(&w, T0 + 3 * PTO)));
	assert_int_equal(w.ecn.state, INLAY_ECN_FAILED);
	inlay_sentlog_fini(&w.log);
}

static void one_marked_packet_that_arrives_is_enough(void **state)
{
	struct world w;

	set_up(&w, true);
	send_many(&w, 11);
	lose(&w, 0, 9);
	assert_int_equal(ack(&w, 9, 11, COUNTS(.ect0 = 1)), 0);
	assert_int_equal(w.ecn.state, INLAY_ECN_CAPABLE);
	inlay_sentlog_fini(&w.log);
}

/* What a peer may say after it got ten marked packets, and what becomes of the path. */
static const struct {
	const char *name;
	struct inlay_quic_ecn_counts first, second; /* after five of them, after ten */
	bool no_second;				    /* the second ACK has no counts */
	enum inlay_ecn_state state;
	__u64 ce; /* that are acted on */
} reports[] = {
	{"honest", {.ect0 = 5}, {.ect0 = 10}, false, INLAY_ECN_CAPABLE, 0},
	{"three marked", {.ect0 = 5}, {.ect0 = 7, .ce = 3}, false, INLAY_ECN_CAPABLE, 3},
	{"all marked", {.ce = 5}, {.ce = 10}, false, INLAY_ECN_CAPABLE, 10},
	{"no counts any more", {.ect0 = 5}, {0}, true, INLAY_ECN_FAILED, 0},
	{"too few", {.ect0 = 5}, {.ect0 = 9}, false, INLAY_ECN_FAILED, 0},
	{"bleached from then on", {.ect0 = 5}, {.ect0 = 5}, false, INLAY_ECN_FAILED, 0},
	{"one too many", {.ect0 = 5}, {.ect0 = 11}, false, INLAY_ECN_FAILED, 0},
	{"CE that nobody sent", {.ect0 = 5}, {.ect0 = 10, .ce = 1}, false, INLAY_ECN_FAILED, 0},
	{"ECT(1)", {.ect0 = 5}, {.ect0 = 9, .ect1 = 1}, false, INLAY_ECN_FAILED, 0},
	{"ECT(0) falls", {.ect0 = 5}, {.ect0 = 4, .ce = 6}, false, INLAY_ECN_FAILED, 0},
	{"CE falls", {.ect0 = 3, .ce = 2}, {.ect0 = 9, .ce = 1}, false, INLAY_ECN_FAILED, 2},
	{"huge", {.ect0 = 5}, {(1ULL << 62) - 1, 0, (1ULL << 62) - 1}, false, INLAY_ECN_FAILED, 0},
	{"wrong at once", {.ect0 = 1}, {.ect0 = 10}, false, INLAY_ECN_FAILED, 0},
};

static void counts_are_believed_only_if_they_add_up(void **state)
{
	struct world w;
	unsigned int i;
	__u64 ce;

	for (i = 0; i < sizeof(reports) / sizeof(reports[0]); i++) {
		set_up(&w, true);
		send_many(&w, 10);
		ce = ack(&w, 0, 5, &reports[i].first);
		ce += ack(&w, 5, 10, reports[i].no_second ? NULL : &reports[i].second);
		if (w.ecn.state != reports[i].state || ce != reports[i].ce)
			print_error("%s: state %d, ce %llu\n", reports[i].name, w.ecn.state, ce);
		assert_int_equal(w.ecn.state, reports[i].state);
		assert_int_equal(ce, reports[i].ce);
		assert_int_equal(is_marked(&w, send_at(&w, T0)),
				 reports[i].state == INLAY_ECN_CAPABLE);
		inlay_sentlog_fini(&w.log);
	}
}

static void an_ack_that_was_overtaken_is_not_judged(void **state)
{
	struct world w;

	set_up(&w, true);
	send_many(&w, 10);
	assert_int_equal(ack(&w, 0, 8, COUNTS(.ect0 = 7, .ce = 1)), 1);
	assert_int_equal(ack(&w, 0, 3, COUNTS(.ect0 = 3)), 0);
	assert_int_equal(ack(&w, 0, 8, NULL), 0);
	assert_int_equal(w.ecn.state, INLAY_ECN_CAPABLE);
	/* And it does not make the next one seem to fall, or to report the same mark again. */
	assert_int_equal(ack(&w, 8, 10, COUNTS(.ect0 = 9, .ce = 1)), 0);
	assert_int_equal(w.ecn.state, INLAY_ECN_CAPABLE);
	inlay_sentlog_fini(&w.log);
}

static void packets_that_were_not_marked_need_no_counts(void **state)
{
	struct world w;

	set_up(&w, true);
	send_many(&w, 13);
	assert_int_equal(ack(&w, 10, 13, NULL), 0);
	assert_int_equal(w.ecn.state, INLAY_ECN_UNKNOWN);
	/* Counts without one of ours acknowledged prove nothing either. */
	send_many(&w, 1);
	assert_int_equal(ack(&w, 13, 14, COUNTS(.ect0 = 10)), 0);
	assert_int_equal(w.ecn.state, INLAY_ECN_UNKNOWN);
	inlay_sentlog_fini(&w.log);
}

static void what_a_forwarder_sent_marked_counts_too(void **state)
{
	struct world w;

	set_up(&w, true);
	send_at(&w, T0);
	ack(&w, 0, 1, COUNTS(.ect0 = 1));
	for (int i = 0; i < 2; i++) {
		send_entry(&w, INLAY_SENT_ECN);
		inlay_ecn_on_foreign(&w.ecn);
	}
	assert_int_equal(ack(&w, 1, 3, COUNTS(.ect0 = 2, .ce = 1)), 1);
	assert_int_equal(w.ecn.state, INLAY_ECN_CAPABLE);
	/* Four is one more than there were. */
	send_entry(&w, 0);
	ack(&w, 3, 4, COUNTS(.ect0 = 3, .ce = 1));
	assert_int_equal(w.ecn.state, INLAY_ECN_FAILED);
	inlay_sentlog_fini(&w.log);
}

static void a_number_taken_and_not_published_may_have_been_marked(void **state)
{
	struct world w;

	set_up(&w, true);
	send_at(&w, T0);
	ack(&w, 0, 1, COUNTS(.ect0 = 1));
	inlay_sentlog_take(&w.log);
	send_at(&w, T0);
	ack(&w, 2, 3, COUNTS(.ect0 = 3));
	assert_int_equal(w.ecn.state, INLAY_ECN_CAPABLE);
	inlay_sentlog_fini(&w.log);
}

static void another_path_is_tested_anew(void **state)
{
	struct world w;
	__u64 pn;

	set_up(&w, true);
	send_many(&w, 10);
	ack(&w, 0, 5, COUNTS(.ect0 = 1)); /* this path bleaches */
	assert_int_equal(w.ecn.state, INLAY_ECN_FAILED);
	inlay_ecn_restart(&w.ecn, 10);
	for (pn = 10; pn < 20; pn++)
		assert_true(is_marked(&w, send_at(&w, T0)));
	/* Four of the first ten still arrive, and two of them with their mark. */
	assert_int_equal(ack(&w, 5, 12, COUNTS(.ect0 = 5)), 0);
	assert_int_equal(w.ecn.state, INLAY_ECN_CAPABLE);
	assert_int_equal(ack(&w, 12, 20, COUNTS(.ect0 = 12, .ce = 1)), 1);
	assert_int_equal(w.ecn.state, INLAY_ECN_CAPABLE);
	inlay_sentlog_fini(&w.log);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ten_packets_are_marked_then_none_until_one_is_acknowledged),
		cmocka_unit_test(testing_ends_after_three_ptos),
		cmocka_unit_test(what_may_be_lost_for_its_size_is_no_test),
		cmocka_unit_test(switched_off_it_never_marks),
		cmocka_unit_test(all_marked_packets_lost_means_not_capable),
		cmocka_unit_test(few_marked_packets_all_lost_count_once_testing_is_over),
		cmocka_unit_test(one_marked_packet_that_arrives_is_enough),
		cmocka_unit_test(counts_are_believed_only_if_they_add_up),
		cmocka_unit_test(an_ack_that_was_overtaken_is_not_judged),
		cmocka_unit_test(packets_that_were_not_marked_need_no_counts),
		cmocka_unit_test(what_a_forwarder_sent_marked_counts_too),
		cmocka_unit_test(a_number_taken_and_not_published_may_have_been_marked),
		cmocka_unit_test(another_path_is_tested_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
