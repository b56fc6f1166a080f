/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sent log and loss recovery over it, with literal times and no connection: entries of ours and
 * entries that a forwarder wrote, numbers taken and never published, numbers skipped.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "inlay_quic_write.h"
#include "recovery.h"

#define SIZE 64
#define MTU  1200
#define T0   (100 * INLAY_S)
#define MS   INLAY_MS

struct world {
	struct inlay_subscriber entry;
	struct inlay_sent entries[SIZE];
	struct inlay_sentlog log;
	struct inlay_recovery r;
	__u64 acked[1024], lost[1024];
	__u32 n_acked, n_lost;
	__u32 frames_seen;
};

static void on_acked(void *user, __u64 pn, const struct inlay_sent *e)
{
	struct world *w = user;
	const struct inlay_sent_frame *f;

	assert_ptr_equal(e, inlay_sentlog_entry(&w->log, pn));
	w->acked[w->n_acked++] = pn;
	for (f = inlay_sentlog_frames(&w->log, pn); f; f = inlay_sentlog_frame_next(&w->log, f))
		w->frames_seen++;
}

static void on_lost(void *user, __u64 pn)
{
	struct world *w = user;

	w->lost[w->n_lost++] = pn;
}

static const struct inlay_recovery_ops ops = {.acked = on_acked, .lost = on_lost};

static void set_up(struct world *w, __u64 first_pn)
{
	memset(w, 0, sizeof(*w));
	w->entry.next_pn = first_pn;
	assert_int_equal(inlay_sentlog_init(&w->log, &w->entry, w->entries, SIZE, NULL), 0);
	inlay_recovery_init(&w->r, &w->log, &ops, w, INLAY_CC_NEWRENO, MTU, T0 - MS);
	inlay_rtt_init(&w->r.rtt, 100 * MS, 100 * MS, 100 * MS, 10 * MS, 25 * MS);
	inlay_recovery_set_limits(&w->r, T0 - MS);
	/* PTO: 100 + 40 + 25 = 165 ms. Loss delay: 112.5 ms. */
}

static void tear_down(struct world *w)
{
	inlay_sentlog_fini(&w->log);
}

static __u64 send_flags(struct world *w, __u16 flags, inlay_ns now)
{
	struct inlay_sent e = {
		.time_us = (__u32)(now / INLAY_US),
		.packet_size = MTU,
		.flags = flags,
	};
	struct inlay_sent_frame f = {.type = INLAY_QUIC_PING};
	__u32 frames = 0;
	__u64 pn;

	assert_true(inlay_sentlog_may_take(&w->log, true));
	pn = inlay_sentlog_take(&w->log);
	if (flags & INLAY_SENT_LOCAL)
		assert_true(inlay_sentlog_frame_add(&w->log, &frames, &f));
	if (!(flags & INLAY_SENT_NOT_IN_FLIGHT))
		inlay_fetch_add_u64(&w->entry.bytes_sent, MTU);
	assert_true(inlay_sentlog_publish(&w->log, pn, &e, frames));
	inlay_recovery_on_sent(&w->r, now);
	return pn;
}

static __u64 send_one(struct world *w, inlay_ns now)
{
	return send_flags(w, INLAY_SENT_LOCAL, now);
}

/* As a forwarder does it: without a word to recovery. */
static __u64 forward_one(struct world *w, __u32 stream, inlay_ns now)
{
	__u64 pn = inlay_fetch_add_u64(&w->entry.next_pn, 1);
	struct inlay_sent *e = &w->entries[pn % SIZE];
	__u64 old = e->pn_state;

	inlay_fetch_add_u64(&w->entry.bytes_sent, 1000);
	*e = (struct inlay_sent){
		.stream = stream,
		.time_us = (__u32)(now / INLAY_US),
		.offset = 500,
		.payload_len = 900,
		.packet_size = 1000,
		.pn_state = old,
	};
	assert_true(inlay_cas_u64(&e->pn_state, old, INLAY_SENT_WORD(pn, INLAY_SENT_SENT)));
	return pn;
}

/* Ranges from the largest down; end exclusive. */
static enum inlay_quic_error ack(struct world *w, const struct inlay_quic_range *ranges, size_t n,
				 inlay_ns now)
{
	__u8 bytes[256];
	struct inlay_writer out = inlay_writer_of(bytes, sizeof(bytes));
	struct inlay_quic_frame f;
	struct inlay_cursor c;

	assert_int_equal(inlay_quic_put_ack(&out, ranges, n, 0, NULL), n);
	c = inlay_cursor_of(bytes, inlay_writer_len(&out));
	assert_int_equal(inlay_quic_frame_parse(&c, &f), INLAY_QUIC_NO_ERROR);
	return inlay_recovery_on_ack(&w->r, &f.ack, 0, now);
}

static enum inlay_quic_error ack_range(struct world *w, __u64 begin, __u64 end, inlay_ns now)
{
	const struct inlay_quic_range range = {begin, end};

	return ack(w, &range, 1, now);
}

static void test_ack_resolves_and_samples(void **state)
{
	struct world w;

	set_up(&w, 1000);
	send_one(&w, T0);
	send_one(&w, T0);
	assert_int_equal(inlay_sentlog_in_flight(&w.log), 2 * MTU);
	assert_true(inlay_recovery_deadline(&w.r) == T0 + 165 * MS);
	assert_int_equal(ack_range(&w, 1000, 1002, T0 + 60 * MS), 0);
	assert_int_equal(w.n_acked, 2);
	assert_int_equal(w.frames_seen, 2);
	assert_int_equal(inlay_sentlog_in_flight(&w.log), 0);
	assert_true(w.r.rtt.latest == 60 * MS && w.r.rtt.min == 60 * MS);
	assert_true(inlay_recovery_deadline(&w.r) == INLAY_NEVER);
	assert_int_equal(w.entry.pn_limit, 1002 + SIZE - 16);
	assert_int_equal(w.entry.class_limit[0], 2 * MTU + w.r.cc.cwnd);
	/* Again: nothing new. */
	assert_int_equal(ack_range(&w, 1000, 1002, T0 + 90 * MS), 0);
	assert_int_equal(w.n_acked, 2);
	assert_true(w.r.rtt.latest == 60 * MS);
	tear_down(&w);
}

/* The log has microseconds: what follows from a time in it must not move on with the clock. */
static void test_the_time_of_an_entry_stays_what_it_is(void **state)
{
	const struct inlay_sent e = {.time_us = (__u32)(T0 / INLAY_US)};
	inlay_ns now;

	for (now = T0; now < T0 + 3 * INLAY_US; now += 100)
		assert_true(inlay_sentlog_time(&e, now) == T0);
	assert_true(inlay_sentlog_time(&e, T0 + 40 * INLAY_S + 123) == T0);
}

static void test_packet_threshold(void **state)
{
	struct world w;
	int i;

	set_up(&w, 0);
	for (i = 0; i < 5; i++)
		send_one(&w, T0);
	/* 3 acknowledged: 0 is three behind, 1 and 2 have time left: 112.5 ms. */
	assert_int_equal(ack_range(&w, 3, 4, T0 + 100 * MS), 0);
	assert_int_equal(w.n_lost, 1);
	assert_int_equal(w.lost[0], 0);
	assert_int_equal(w.r.cc.cwnd, 6000);
	assert_true(inlay_recovery_deadline(&w.r) == T0 + 112500 * INLAY_US);
	inlay_recovery_on_timer(&w.r, T0 + 112400 * INLAY_US);
	assert_int_equal(w.n_lost, 1);
	inlay_recovery_on_timer(&w.r, T0 + 112500 * INLAY_US);
	assert_int_equal(w.n_lost, 3);
	assert_int_equal(inlay_sentlog_in_flight(&w.log), MTU);
	/* One congestion event, though three were lost. */
	assert_int_equal(w.r.cc.cwnd, 6000);
	assert_int_equal(w.r.probes, 0);
	tear_down(&w);
}

static void test_pto_backs_off_and_resets(void **state)
{
	struct world w;

	set_up(&w, 0);
	send_one(&w, T0);
	inlay_recovery_on_timer(&w.r, T0 + 164 * MS);
	assert_int_equal(w.r.probes, 0);
	inlay_recovery_on_timer(&w.r, T0 + 165 * MS);
	assert_int_equal(w.r.probes, 2);
	assert_true(inlay_recovery_deadline(&w.r) == T0 + 330 * MS);
	send_flags(&w, INLAY_SENT_LOCAL | INLAY_SENT_PROBE, T0 + 165 * MS);
	assert_true(inlay_recovery_deadline(&w.r) == T0 + 165 * MS + 330 * MS);
	/* A PTO is no loss. */
	assert_int_equal(w.n_lost, 0);
	assert_int_equal(w.r.cc.cwnd, 12000);
	assert_int_equal(ack_range(&w, 1, 2, T0 + 265 * MS), 0);
	assert_int_equal(w.r.pto_count, 0);
	assert_int_equal(w.n_lost, 1);
	tear_down(&w);
}

static void test_spurious_loss_raises_the_threshold(void **state)
{
	struct world w;
	int i;

	set_up(&w, 0);
	for (i = 0; i < 10; i++)
		send_one(&w, T0);
	assert_int_equal(ack_range(&w, 8, 9, T0 + 50 * MS), 0);
	assert_int_equal(w.n_lost, 6); /* 0 to 5 */
	assert_int_equal(ack_range(&w, 2, 9, T0 + 52 * MS), 0);
	assert_int_equal(w.r.spurious_pkts, 4);
	assert_int_equal(w.r.packet_threshold, 7); /* 2 was six behind 8 */
	/* Bytes are counted once. */
	assert_int_equal(inlay_sentlog_in_flight(&w.log), MTU);
	tear_down(&w);
}

/* RFC 9002 section 7.6. */
static void test_persistent_congestion(void **state)
{
	struct world w;
	int i;

	set_up(&w, 0);
	send_one(&w, T0);
	assert_int_equal(ack_range(&w, 0, 1, T0 + 100 * MS), 0);
	/* The duration is three PTOs, about 3 * 155 ms. */
	for (i = 0; i < 8; i++)
		send_one(&w, T0 + 200 * MS + (inlay_ns)i * 100 * MS);
	assert_int_equal(ack_range(&w, 8, 9, T0 + 1000 * MS), 0);
	assert_int_equal(w.n_lost, 7);
	assert_int_equal(w.r.cc.cwnd, 2 * MTU);
	tear_down(&w);
}

static void test_an_acknowledged_packet_breaks_persistence(void **state)
{
	const struct inlay_quic_range ranges[] = {{8, 9}, {4, 5}};
	struct world w;
	int i;

	set_up(&w, 0);
	send_one(&w, T0);
	assert_int_equal(ack_range(&w, 0, 1, T0 + 100 * MS), 0);
	for (i = 0; i < 8; i++)
		send_one(&w, T0 + 200 * MS + (inlay_ns)i * 100 * MS);
	assert_int_equal(ack(&w, ranges, 2, T0 + 1000 * MS), 0);
	assert_int_equal(w.n_lost, 6);
	assert_true(w.r.cc.cwnd > 2 * MTU);
	tear_down(&w);
}

static void test_ack_of_what_was_not_sent(void **state)
{
	struct world w;

	set_up(&w, 10);
	send_one(&w, T0);
	assert_int_equal(ack_range(&w, 10, 12, T0), INLAY_QUIC_PROTOCOL_VIOLATION);
	assert_int_equal(w.n_acked, 0);
	assert_int_equal(ack_range(&w, 9, 11, T0), INLAY_QUIC_PROTOCOL_VIOLATION);
	assert_int_equal(ack_range(&w, 10, 11, T0 + MS), INLAY_QUIC_NO_ERROR);
	inlay_sentlog_skip(&w.log);
	send_one(&w, T0);
	assert_int_equal(ack_range(&w, 12, 13, T0 + MS), INLAY_QUIC_NO_ERROR);
	assert_int_equal(ack_range(&w, 10, 13, T0 + MS), INLAY_QUIC_PROTOCOL_VIOLATION);
	/* Taken by somebody, not published: it cannot have left. */
	inlay_sentlog_take(&w.log);
	assert_int_equal(ack_range(&w, 13, 14, T0 + MS), INLAY_QUIC_PROTOCOL_VIOLATION);
	tear_down(&w);
}

static void test_forwarded_packets(void **state)
{
	struct world w;

	set_up(&w, 0);
	send_one(&w, T0);
	forward_one(&w, 3, T0 + 10 * MS);
	forward_one(&w, 4, T0 + 20 * MS);
	/* Found without being told: the timer runs from the newest. */
	inlay_recovery_on_timer(&w.r, T0 + 21 * MS);
	assert_true(inlay_recovery_loss_deadline(&w.r) == T0 + 20 * MS + 165 * MS);
	assert_int_equal(inlay_sentlog_in_flight(&w.log), MTU + 2000);
	assert_int_equal(ack_range(&w, 1, 2, T0 + 110 * MS), 0);
	assert_int_equal(w.n_acked, 1);
	assert_null(inlay_sentlog_frames(&w.log, 1));
	assert_int_equal(inlay_sentlog_entry(&w.log, 2)->stream, 4);
	assert_int_equal(inlay_sentlog_in_flight(&w.log), MTU + 1000);
	forward_one(&w, 5, T0 + 111 * MS);
	forward_one(&w, 6, T0 + 111 * MS);
	forward_one(&w, 7, T0 + 111 * MS);
	assert_int_equal(ack_range(&w, 5, 6, T0 + 130 * MS), 0);
	assert_int_equal(w.n_lost, 2); /* 0 and 2 */
	assert_int_equal(w.lost[1], 2);
	tear_down(&w);
}

static void test_dropped_on_its_own_host(void **state)
{
	struct world w;
	__u64 pn;
	int i;

	set_up(&w, 0);
	pn = forward_one(&w, 3, T0);
	w.entries[pn % SIZE].flags |= INLAY_SENT_DROPPED;
	for (i = 0; i < 4; i++)
		send_one(&w, T0);
	assert_int_equal(ack_range(&w, 1, 5, T0 + 50 * MS), 0);
	assert_int_equal(w.n_lost, 1);
	/* Repaired, but no word about the path. */
	assert_true(w.r.cc.cwnd >= 12000);
	tear_down(&w);
}

static void test_a_number_nobody_published_is_given_up(void **state)
{
	struct world w;

	set_up(&w, 0);
	inlay_sentlog_take(&w.log);
	inlay_sentlog_take(&w.log);
	send_one(&w, T0);
	assert_int_equal(ack_range(&w, 2, 3, T0 + 10 * MS), 0);
	assert_int_equal(w.log.oldest, 0);
	inlay_sentlog_advance(&w.log, 20 * MS, T0 + 29 * MS);
	assert_int_equal(inlay_sentlog_fate(&w.log, 0), INLAY_FATE_TAKEN);
	inlay_sentlog_advance(&w.log, 20 * MS, T0 + 30 * MS);
	assert_int_equal(inlay_sentlog_fate(&w.log, 0), INLAY_FATE_VOID);
	assert_int_equal(inlay_sentlog_fate(&w.log, 1), INLAY_FATE_VOID);
	assert_int_equal(w.log.oldest, 3);
	/* The taker comes too late: it loses the exchange. */
	assert_false(inlay_cas_u64(&w.entries[0].pn_state, 0, INLAY_SENT_WORD(0, INLAY_SENT_SENT)));
	tear_down(&w);
}

/* Late ACKs are looked up in entries below the oldest open one: a forwarder may be about to write
 * there, up to the limit that it has. */
static void test_no_forwarder_has_the_place_of_an_entry_that_is_still_read(void **state)
{
	static const struct inlay_state_config small = {
		.subscribers = 1, .upstreams = 1, .tracks = 1, .slots = 1};
	struct inlay_state *st;
	struct world w;
	int known = 0;

	assert_int_equal(inlay_state_new(&small, &st), 0);
	set_up(&w, 0);
	w.log.state = st;
	for (int i = 0; i < 40; i++)
		send_one(&w, T0);
	assert_int_equal(ack_range(&w, 39, 40, T0 + 10 * MS), 0);
	assert_int_equal(w.n_lost, 37);
	assert_int_equal(ack_range(&w, 37, 39, T0 + 11 * MS), 0);
	assert_int_equal(w.log.oldest, 40);
	for (__u64 pn = 0; pn < 40; pn++) {
		if (inlay_sentlog_fate(&w.log, pn) == INLAY_FATE_UNKNOWN)
			continue;
		assert_true(pn + SIZE >= w.entry.pn_limit + INLAY_CONTEXTS);
		known++;
	}
	/* Some are. */
	assert_true(known >= SIZE / 16);
	assert_int_equal(ack_range(&w, 0, 37, T0 + 12 * MS), 0);
	assert_int_equal(w.r.spurious_pkts, known - 3);
	tear_down(&w);
	inlay_state_free(st);
}

static void test_a_full_log_stops_senders(void **state)
{
	struct world w;
	int i;

	set_up(&w, 500);
	for (i = 0; i < SIZE - 16; i++) {
		assert_true(inlay_sentlog_may_take(&w.log, false));
		send_one(&w, T0);
	}
	assert_false(inlay_sentlog_may_take(&w.log, false));
	assert_true(w.entry.next_pn == w.entry.pn_limit);
	/* ACKs, probes and closes have a reserve, less a number for each context that may take one
	 * at the same moment. */
	for (i = 0; i < 16 - INLAY_CONTEXTS; i++)
		send_flags(&w, INLAY_SENT_LOCAL | INLAY_SENT_NOT_IN_FLIGHT, T0);
	assert_false(inlay_sentlog_may_take(&w.log, true));
	assert_int_equal(ack_range(&w, 500, 520, T0 + MS), 0);
	assert_true(inlay_sentlog_may_take(&w.log, false));
	tear_down(&w);
}

/* One packet unheard, and nothing but ACKs after it. */
static void test_a_full_log_gives_up_its_old_end(void **state)
{
	struct world w;

	set_up(&w, 0);
	send_one(&w, T0);
	while (inlay_sentlog_may_take(&w.log, true))
		send_flags(&w, INLAY_SENT_LOCAL | INLAY_SENT_NOT_IN_FLIGHT, T0 + MS);
	inlay_recovery_relieve(&w.r, T0 + 164 * MS);
	assert_false(inlay_sentlog_may_take(&w.log, false));
	inlay_recovery_relieve(&w.r, T0 + 165 * MS);
	assert_true(inlay_sentlog_may_take(&w.log, false));
	assert_int_equal(w.n_lost, 1);
	assert_int_equal(inlay_sentlog_in_flight(&w.log), 0);
	tear_down(&w);
}

static void test_records_are_returned(void **state)
{
	struct world w;
	__u32 at, n = 0;
	inlay_ns now = T0;
	int i;

	set_up(&w, 0);
	for (i = 0; i < 1000; i++, now += MS) {
		/* Own, quiet and foreign ones by turns, every fourth lost. */
		__u64 pn =
			i % 3 == 0 ? send_one(&w, now)
			: i % 3 == 1
				? send_flags(&w, INLAY_SENT_LOCAL | INLAY_SENT_NOT_IN_FLIGHT, now)
				: forward_one(&w, 1, now);
		if (i % 4)
			assert_int_equal(ack_range(&w, pn, pn + 1, now), 0);
	}
	assert_true(w.n_lost > 100);
	for (i = 0; i < SIZE; i++)
		for (at = w.log.slots[i].frames; at; at = w.log.pool[at - 1].next)
			n++;
	for (at = w.log.pool_free; at; at = w.log.pool[at - 1].next)
		n++;
	assert_int_equal(n, w.log.pool_used);
	/* And used again: what is behind was never touched. */
	assert_true(w.log.pool_used < w.log.pool_room / 2);
	tear_down(&w);
}

static void test_window_growth_needs_a_full_window(void **state)
{
	inlay_ns now = T0;
	struct world w;
	int round;
	__u64 pn;

	set_up(&w, 0);
	/* One packet a round trip: nothing like twelve thousand bytes. */
	for (round = 0; round < 20; round++, now += 100 * MS) {
		pn = send_one(&w, now);
		assert_int_equal(ack_range(&w, pn, pn + 1, now + 99 * MS), 0);
	}
	assert_int_equal(w.r.cc.cwnd, 12000);
	/* Ten packets a round trip: doubles. */
	for (round = 0; round < 10; round++)
		pn = send_one(&w, now);
	assert_int_equal(ack_range(&w, pn - 9, pn + 1, now + 99 * MS), 0);
	assert_int_equal(w.r.cc.cwnd, 24000);
	tear_down(&w);
}

/* RFC 9000 section 14.4. */
static void test_a_lost_mtu_probe_is_no_congestion(void **state)
{
	struct world w;
	int i;

	set_up(&w, 0);
	send_flags(&w, INLAY_SENT_LOCAL | INLAY_SENT_MTU_PROBE, T0);
	for (i = 0; i < 4; i++)
		send_one(&w, T0);
	assert_int_equal(ack_range(&w, 1, 5, T0 + 50 * MS), 0);
	assert_int_equal(w.n_lost, 1);
	assert_true(w.r.cc.cwnd >= 12000);
	tear_down(&w);
}

/* Nor does its late arrival say that the other loss was a mistake. */
static void test_a_late_mtu_probe_undoes_no_loss(void **state)
{
	struct world w;
	__u64 cwnd;
	int i;

	set_up(&w, 0);
	send_flags(&w, INLAY_SENT_LOCAL | INLAY_SENT_MTU_PROBE, T0);
	for (i = 1; i < 6; i++)
		send_one(&w, T0);
	assert_int_equal(ack_range(&w, 2, 6, T0 + 100 * MS), 0);
	assert_int_equal(w.n_lost, 2);
	cwnd = w.r.cc.cwnd;
	assert_int_equal(ack_range(&w, 0, 1, T0 + 110 * MS), 0);
	assert_int_equal(w.r.spurious_pkts, 1);
	assert_int_equal(w.r.cc.cwnd, cwnd);
	assert_int_equal(ack_range(&w, 1, 2, T0 + 110 * MS), 0);
	assert_true(w.r.cc.cwnd > cwnd);
	tear_down(&w);
}

static void test_a_late_ack_brings_its_frames_back(void **state)
{
	struct world w;
	__u64 cwnd;
	int i;

	set_up(&w, 0);
	cwnd = w.r.cc.cwnd;
	for (i = 0; i < 5; i++)
		send_one(&w, T0);
	assert_int_equal(ack_range(&w, 1, 5, T0 + 50 * MS), 0);
	assert_int_equal(w.lost[0], 0);
	assert_true(w.r.cc.cwnd < cwnd);
	assert_int_equal(w.frames_seen, 4);
	/* It was late: its record is still there, and the window's fall is undone. */
	assert_int_equal(ack_range(&w, 0, 5, T0 + 60 * MS), 0);
	assert_int_equal(w.acked[w.n_acked - 1], 0);
	assert_int_equal(w.frames_seen, 5);
	assert_true(w.r.cc.cwnd >= cwnd);
	/* Once. */
	assert_int_equal(ack_range(&w, 0, 5, T0 + 70 * MS), 0);
	assert_int_equal(w.frames_seen, 5);
	tear_down(&w);
}

/* What of ours waits for the bucket does not wait for a forwarder's whole burst. */
static void test_a_forwarder_does_not_delay_what_waits_for_the_pacer(void **state)
{
	inlay_ns alone, beside;
	struct world w;

	set_up(&w, 0);
	w.r.cc.cwnd = 40 * MTU;
	inlay_recovery_set_limits(&w.r, T0);
	while (inlay_recovery_reserve(&w.r, MTU, false, T0))
		;
	alone = inlay_recovery_deadline(&w.r);
	w.r.foreign_at = T0;
	beside = inlay_recovery_deadline(&w.r);
	assert_true(beside <= alone);
	tear_down(&w);
}

/* The window has room, the bucket has not: come again, a little later. */
static void test_pacing_sets_the_deadline(void **state)
{
	struct world w;
	inlay_ns at;
	int n = 0;

	set_up(&w, 0);
	w.r.cc.cwnd = 40 * MTU;
	inlay_recovery_set_limits(&w.r, T0);
	while (inlay_recovery_reserve(&w.r, MTU, false, T0))
		n++;
	assert_int_equal(n, 10);
	/* Forwarders are held back as well, probes are not. */
	assert_int_equal(w.entry.class_limit[0], 10 * MTU);
	assert_true(inlay_recovery_reserve(&w.r, MTU, true, T0));
	at = inlay_recovery_deadline(&w.r);
	assert_in_range(at, T0 + MS, T0 + 10 * MS);
	assert_false(inlay_recovery_reserve(&w.r, MTU, false, at - 1));
	assert_true(inlay_recovery_deadline(&w.r) == at);
	inlay_recovery_on_timer(&w.r, at);
	assert_true(inlay_recovery_reserve(&w.r, MTU, false, at));
	assert_true(inlay_recovery_deadline(&w.r) > at);
	tear_down(&w);
}

static void test_a_full_window_needs_no_timer(void **state)
{
	struct world w;

	set_up(&w, 0);
	while (inlay_recovery_reserve(&w.r, MTU, false, T0))
		;
	assert_false(w.r.pacer.blocked);
	assert_int_equal(w.entry.bytes_sent, w.r.cc.cwnd);
	tear_down(&w);
}

/* Nobody calls the engine while a forwarder sends: the bucket is filled by a timer. */
static void test_a_forwarder_keeps_the_pacer_awake(void **state)
{
	struct world w;
	inlay_ns at;

	set_up(&w, 0);
	forward_one(&w, 1, T0);
	forward_one(&w, 1, T0);
	inlay_recovery_on_timer(&w.r, T0 + MS);
	at = inlay_recovery_deadline(&w.r);
	/* Half of what is left lasts until then. */
	assert_in_range(at, T0 + 20 * MS, T0 + 40 * MS);
	inlay_recovery_on_timer(&w.r, at);
	assert_true(w.r.pacer.limit >= w.entry.bytes_sent + 10 * MTU - 1);
	assert_in_range(inlay_recovery_deadline(&w.r), at + 20 * MS, at + 60 * MS);
	/* Nothing was sent for a while: only the probe timeout is left. */
	inlay_recovery_on_timer(&w.r, T0 + 164 * MS);
	assert_int_equal(ack_range(&w, 0, 2, T0 + 164 * MS), 0);
	inlay_recovery_on_timer(&w.r, T0 + INLAY_S);
	assert_true(inlay_recovery_deadline(&w.r) == INLAY_NEVER);
	tear_down(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ack_resolves_and_samples),
		cmocka_unit_test(test_the_time_of_an_entry_stays_what_it_is),
		cmocka_unit_test(test_packet_threshold),
		cmocka_unit_test(test_pto_backs_off_and_resets),
		cmocka_unit_test(test_spurious_loss_raises_the_threshold),
		cmocka_unit_test(test_persistent_congestion),
		cmocka_unit_test(test_an_acknowledged_packet_breaks_persistence),
		cmocka_unit_test(test_ack_of_what_was_not_sent),
		cmocka_unit_test(test_forwarded_packets),
		cmocka_unit_test(test_dropped_on_its_own_host),
		cmocka_unit_test(test_a_number_nobody_published_is_given_up),
		cmocka_unit_test(test_no_forwarder_has_the_place_of_an_entry_that_is_still_read),
		cmocka_unit_test(test_a_full_log_stops_senders),
		cmocka_unit_test(test_a_full_log_gives_up_its_old_end),
		cmocka_unit_test(test_records_are_returned),
		cmocka_unit_test(test_a_lost_mtu_probe_is_no_congestion),
		cmocka_unit_test(test_a_late_mtu_probe_undoes_no_loss),
		cmocka_unit_test(test_a_late_ack_brings_its_frames_back),
		cmocka_unit_test(test_a_forwarder_does_not_delay_what_waits_for_the_pacer),
		cmocka_unit_test(test_pacing_sets_the_deadline),
		cmocka_unit_test(test_a_full_window_needs_no_timer),
		cmocka_unit_test(test_a_forwarder_keeps_the_pacer_awake),
		cmocka_unit_test(test_window_growth_needs_a_full_window),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
