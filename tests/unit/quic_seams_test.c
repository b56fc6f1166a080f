/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where the parts of a connection meet: what a forwarder's limits say while the path is in doubt or
 * the connection over; what one part leaves armed that another has emptied.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "quic_solo.h"

static const __u8 ping[] = {0x01};

/* May a forwarder send one more byte of any class? */
static bool forwarder_may_send(const struct solo *s)
{
	for (int i = 0; i < INLAY_CLASSES; i++)
		if (s->entry.class_limit[i] > s->entry.bytes_sent)
			return true;
	return false;
}

/* Answers the PATH_CHALLENGE that is sent now; the path of |s| is where it came from. */
static void answer_challenge(struct solo *s)
{
	struct inlay_path path = s->path;
	struct inlay_quic_frame f = {0};
	__u8 frame[9] = {0x1b};

	assert_true(solo_find(s, INLAY_QUIC_PATH_CHALLENGE, &f) > 0);
	memcpy(frame + 1, f.path_data, 8);
	s->path = path;
	solo_recv(s, frame, sizeof(frame));
}

/* Design section 5 rule 12; RFC 9000 section 8. */
static void test_a_forwarder_sends_nothing_by_a_path_in_doubt(void **state)
{
	struct solo s;

	solo_init(&s, INLAY_SERVER);
	assert_true(solo_start(&s));
	solo_drain(&s);
	solo_ack(&s, 0);
	assert_true(forwarder_may_send(&s));
	s.path.remote.ip[3] = 7;
	solo_recv(&s, ping, sizeof(ping));
	assert_int_equal(s.path_changes, 1);
	assert_false(forwarder_may_send(&s));
	/* Not even once ACKs and timers have written limits anew. */
	solo_ack(&s, 0);
	s.now += 50 * INLAY_MS;
	inlay_conn_on_timer(s.conn, s.now);
	assert_false(forwarder_may_send(&s));
	/* The peer is there; that 1200 bytes pass is not known. */
	answer_challenge(&s);
	assert_true(inlay_paths_current(&s.conn->paths)->validated);
	assert_false(forwarder_may_send(&s));
	answer_challenge(&s);
	assert_true(inlay_paths_current(&s.conn->paths)->fits);
	assert_true(forwarder_may_send(&s));
	solo_stop(&s);
}

static void test_a_forwarder_goes_on_by_the_path_that_is_gone_back_to(void **state)
{
	struct solo s;

	solo_init(&s, INLAY_SERVER);
	assert_true(solo_start(&s));
	solo_drain(&s);
	solo_ack(&s, 0);
	s.path.remote.ip[3] = 7;
	solo_recv(&s, ping, sizeof(ping));
	assert_false(forwarder_may_send(&s));
	while (s.path_changes < 2 && inlay_conn_deadline(s.conn) < SOLO_T0 + 20 * INLAY_S) {
		s.now = inlay_conn_deadline(s.conn);
		inlay_conn_on_timer(s.conn, s.now);
		solo_drain(&s);
	}
	assert_int_equal(s.path_changes, 2);
	assert_true(forwarder_may_send(&s));
	solo_stop(&s);
}

/* A packet of the peer by the path of |s|, which stays as it is. */
static void recv_by(struct solo *s, const __u8 *frames, size_t len)
{
	struct inlay_path path = s->path;

	solo_recv(s, frames, len);
	s->path = path;
}

/* RFC 9000 section 9.4. */
static void test_a_path_whose_address_was_proved_before_the_move_is_measured_anew(void **state)
{
	const __u8 challenge[] = {0x1a, 1, 2, 3, 4, 5, 6, 7, 8};
	struct solo s;

	solo_init(&s, INLAY_SERVER);
	assert_true(solo_start(&s));
	solo_drain(&s);
	solo_ack(&s, 0);
	/* Probed in small datagrams: that proves the address alone. */
	s.path.remote.ip[3] = 7;
	recv_by(&s, challenge, sizeof(challenge));
	answer_challenge(&s);
	assert_int_equal(s.conn->stats.paths_validated, 1);
	assert_int_equal(s.path_changes, 0);
	assert_true(s.conn->recovery.rtt.smoothed < 200 * INLAY_MS);
	recv_by(&s, ping, sizeof(ping));
	assert_int_equal(s.path_changes, 1);
	answer_challenge(&s);
	assert_true(inlay_paths_current(&s.conn->paths)->fits);
	assert_int_equal(s.conn->recovery.rtt.smoothed, INLAY_RTT_INITIAL);
	solo_stop(&s);
}

/* What went to an address where the peer is not does not count where it is: an attacker with copies
 * of its packets could shrink its window. */
static void test_losses_where_nobody_is_do_not_shrink_the_window_gone_back_to(void **state)
{
	__u64 cwnd, first, id;
	struct solo s;

	solo_init(&s, INLAY_SERVER);
	assert_true(solo_start(&s));
	solo_drain(&s);
	solo_ack(&s, 0);
	assert_int_equal(inlay_conn_stream_open(s.conn, false, 0, NULL, NULL, &id), 0);
	cwnd = s.conn->recovery.cc.cwnd;
	s.path.remote.ip[3] = 7;
	recv_by(&s, ping, sizeof(ping));
	for (int i = 0; i < 6; i++) {
		const __u8 byte = 0;

		recv_by(&s, ping, sizeof(ping));
		assert_int_equal(inlay_conn_stream_write(s.conn, id, &byte, 1, false), 0);
		solo_drain(&s);
	}
	s.path.remote.ip[3] = 0;
	solo_recv(&s, ping, sizeof(ping));
	assert_int_equal(s.path_changes, 2);
	first = s.entry.next_pn;
	s.conn->ping_due = true;
	solo_drain(&s);
	s.now += 100 * INLAY_MS;
	solo_ack(&s, first);
	assert_true(s.conn->recovery.lost_pkts >= 4);
	assert_true(s.conn->recovery.cc.cwnd >= cwnd);
	solo_stop(&s);
}

/* ACKs [first, end), with so many packets reported as ECT(0) and CE. */
static void recv_ack_ecn(struct solo *s, __u64 first, __u64 end, __u64 ect0, __u64 ce)
{
	const struct inlay_quic_ecn_counts counts = {.ect0 = ect0, .ce = ce};
	const struct inlay_quic_range range = {first, end};
	__u8 frame[64];
	struct inlay_writer w = inlay_writer_of(frame, sizeof(frame));

	assert_int_equal(inlay_quic_put_ack(&w, &range, 1, 0, &counts), 1);
	recv_by(s, frame, inlay_writer_len(&w));
}

static __u64 send_ping(struct solo *s)
{
	s->conn->ping_due = true;
	assert_int_equal(solo_drain(s), 1);
	return s->entry.next_pn - 1;
}

/* RFC 9000 section 9.4. */
static void test_marks_met_on_the_path_before_do_not_shrink_the_window_here(void **state)
{
	__u64 cwnd, first, last;
	struct solo s;
	int here;

	for (here = 0; here < 2; here++) {
		solo_init(&s, INLAY_SERVER);
		assert_true(solo_start(&s));
		solo_drain(&s);
		solo_ack(&s, 0);
		inlay_ecn_init(&s.conn->ecn, true, s.entry.next_pn);
		first = send_ping(&s);
		recv_ack_ecn(&s, first, first + 1, 1, 0);
		assert_int_equal(s.conn->ecn.state, INLAY_ECN_CAPABLE);
		last = send_ping(&s);
		s.path.remote.ip[3] = 7;
		recv_by(&s, ping, sizeof(ping));
		answer_challenge(&s);
		answer_challenge(&s);
		cwnd = s.conn->recovery.cc.cwnd;
		s.now += 50 * INLAY_MS;
		if (here)
			last = send_ping(&s);
		recv_ack_ecn(&s, last, last + 1, 1, 1);
		assert_int_equal(s.conn->ecn.counts.ce, 1);
		assert_true((s.conn->recovery.cc.cwnd < cwnd) == here);
		solo_stop(&s);
	}
}

/* As a forwarder does it: a large datagram, without a word to anybody. */
static void forward(struct solo *s, __u16 flags)
{
	__u64 pn = inlay_fetch_add_u64(&s->entry.next_pn, 1);
	struct inlay_sent *e = &s->log[pn % SOLO_LOG];
	__u64 old = e->pn_state;

	inlay_fetch_add_u64(&s->entry.bytes_sent, 1400);
	*e = (struct inlay_sent){
		.time_us = (__u32)(s->now / INLAY_US),
		.packet_size = 1400,
		.flags = flags | INLAY_SENT_DATAGRAM,
		.pn_state = old,
	};
	assert_true(inlay_cas_u64(&e->pn_state, old, INLAY_SENT_WORD(pn, INLAY_SENT_SENT)));
}

/* Large packets of a forwarder vanish while small ones arrive: the path has shrunk, as its log
 * entries alone tell; but not if its own host dropped them. */
static void test_what_a_forwarders_host_dropped_is_no_black_hole(void **state)
{
	struct solo s;
	int dropped, i;

	for (dropped = 0; dropped < 2; dropped++) {
		solo_init(&s, INLAY_SERVER);
		assert_true(solo_start(&s));
		solo_drain(&s);
		solo_ack(&s, 0);
		s.conn->pmtu.mtu = 1472;
		for (i = 0; i < 24; i++) {
			forward(&s, dropped ? INLAY_SENT_DROPPED : 0);
			s.now += 50 * INLAY_MS;
			s.conn->recovery.probes = 1; /* goes out whatever the window says */
			assert_int_equal(solo_drain(&s), 1);
			solo_ack(&s, s.entry.next_pn - 1);
		}
		assert_true(s.conn->recovery.lost_pkts + s.conn->recovery.dropped_pkts >= 8);
		assert_true((s.conn->pmtu.black_holes > 0) == !dropped);
		solo_stop(&s);
	}
}

/* RFC 9000 section 10.2. */
static void test_a_forwarder_sends_nothing_once_the_connection_ends(void **state)
{
	const __u8 close[] = {0x1d, 0, 0};
	int how;

	for (how = 0; how < 4; how++) {
		struct solo s;

		solo_init(&s, INLAY_SERVER);
		assert_true(solo_start(&s));
		solo_drain(&s);
		solo_ack(&s, 0);
		assert_true(forwarder_may_send(&s));
		if (how == 0)
			inlay_conn_close(s.conn, true, 0, NULL, s.now);
		else if (how == 1)
			solo_recv(&s, close, sizeof(close));
		else if (how == 2)
			inlay_conn_on_stateless_reset(s.conn, s.now);
		else
			inlay_conn_on_timer(s.conn, s.now + INLAY_S * 31);
		assert_true(s.closed);
		assert_false(forwarder_may_send(&s));
		solo_stop(&s);
	}
}

/*
 * A late packet arms an ACK; the peer's ACK of one that we sent before takes the late number out of
 * what is reported, and comes in a packet that is refused for want of memory.
 */
static void test_an_ack_with_nothing_to_report_is_not_waited_for(void **state)
{
	__u8 frames[64] = {0x02};
	struct inlay_writer w;
	struct solo s;
	__u64 first;

	solo_init(&s, INLAY_SERVER);
	assert_true(solo_start(&s));
	solo_drain(&s);
	solo_ack(&s, 0);
	s.next_pn = 20;
	solo_recv(&s, ping, sizeof(ping));
	solo_recv(&s, ping, sizeof(ping));
	first = s.entry.next_pn;
	s.conn->ping_due = true; /* so that the ACK wants to be acknowledged */
	assert_true(solo_drain(&s) > 0);
	solo_recv_as(&s, &s.handover.own_cid, 15, 0, ping, sizeof(ping));
	assert_true(s.conn->acks.deadline != INLAY_NEVER);
	/* No memory for anything out of order. */
	s.conn->streams.recv_budget.used = s.conn->streams.recv_budget.max;
	w = inlay_writer_of(frames, sizeof(frames));
	assert_int_equal(inlay_quic_put_ack(&w, &(struct inlay_quic_range){first, s.entry.next_pn},
					    1, 0, NULL),
			 1);
	inlay_quic_put_stream_header(&w, 0, 1000, 1, false, true);
	inlay_writer_u8(&w, 7);
	solo_recv(&s, frames, inlay_writer_len(&w));
	assert_int_equal(s.conn->acks.report.n, 0);
	s.now += INLAY_S;
	inlay_conn_on_timer(s.conn, s.now);
	solo_drain(&s);
	assert_true(inlay_conn_deadline(s.conn) > s.now);
	s.conn->streams.recv_budget.used = 0;
	solo_stop(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_forwarder_sends_nothing_by_a_path_in_doubt),
		cmocka_unit_test(test_a_forwarder_goes_on_by_the_path_that_is_gone_back_to),
		cmocka_unit_test(
			test_a_path_whose_address_was_proved_before_the_move_is_measured_anew),
		cmocka_unit_test(test_losses_where_nobody_is_do_not_shrink_the_window_gone_back_to),
		cmocka_unit_test(test_marks_met_on_the_path_before_do_not_shrink_the_window_here),
		cmocka_unit_test(test_what_a_forwarders_host_dropped_is_no_black_hole),
		cmocka_unit_test(test_a_forwarder_sends_nothing_once_the_connection_ends),
		cmocka_unit_test(test_an_ack_with_nothing_to_report_is_not_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
