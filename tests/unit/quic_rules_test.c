/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rules of RFC 9000, 9001, 9002 and 9221 that no other test shows, one by one: one engine, and a
 * peer by hand. docs/conformance.md says which is which.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>

#include "quic_solo.h"
#include "zeros.h"

#define PTO (165 * INLAY_MS) /* of what solo_init() leaves behind: 100 + 40 + 25 */

static const __u8 ping[] = {0x01};

static void fire(struct solo *s)
{
	s->now = inlay_conn_deadline(s->conn);
	inlay_conn_on_timer(s->conn, s->now);
}

static void fire_pto(struct solo *s)
{
	__u64 ptos = s->conn->recovery.ptos;
	int i;

	for (i = 0; i < 10 && s->conn->recovery.ptos == ptos; i++) {
		solo_drain(s);
		fire(s);
	}
	assert_true(s->conn->recovery.ptos > ptos);
}

static __u64 open_with(struct solo *s, bool bidi, __u64 bytes, bool fin)
{
	__u64 id;

	assert_int_equal(inlay_conn_stream_open(s->conn, bidi, 1, &zeros, NULL, &id), 0);
	assert_int_equal(inlay_conn_stream_extend(s->conn, id, bytes, fin), 0);
	return id;
}

/* --- Streams -------------------------------------------------------------------------------- */

/* RFC 9000 sections 4.1, 4.6 and 13.3: what raises no limit changes nothing, and is no error. */
static void lower_limits_are_ignored(void **state)
{
	const __u8 lower[] = {
		0x10, 0x44, 0x00,	/* MAX_DATA 1024 */
		0x11, 3,    0x41, 0x00, /* MAX_STREAM_DATA 256 */
		0x12, 1,		/* MAX_STREAMS 1, of both kinds */
		0x13, 1,
	};
	struct solo s;
	__u64 id;

	solo_start_as(&s, INLAY_SERVER);
	id = open_with(&s, false, 1, false);
	assert_int_equal(id, 3);
	solo_drain(&s);
	solo_recv(&s, lower, sizeof(lower));
	assert_false(s.closed);
	assert_true(inlay_acks_is_duplicate(&s.conn->acks, s.next_pn - 1)); /* taken */
	assert_int_equal(s.entry.flow_limit, 5000);
	assert_int_equal(s.entry.stream_limit, 4);
	assert_int_equal(s.conn->streams.bidi_limit, 4);
	assert_int_equal(inlay_streams_find(&s.conn->streams, id)->send.limit, 2000);
	solo_stop(&s);
}

/* How many frames of |types| for stream |id| leave until nothing more does, over five PTOs. */
static unsigned int count_frames(struct solo *s, __u64 id, const char *types)
{
	__u8 room[INLAY_FRAME_MAX];
	struct inlay_quic_clear clear = {0};
	struct inlay_quic_frame f;
	unsigned int n = 0;
	int i;

	for (i = 0; i < 5; i++) {
		while (solo_send(s, room, &clear))
			while (inlay_cursor_left(&clear.frames) > 0) {
				assert_int_equal(inlay_quic_frame_parse(&clear.frames, &f), 0);
				if (!strchr(types, f.type) || f.type == 0)
					continue;
				/* The ID stands first in all of them. */
				n += (f.type == INLAY_QUIC_STREAM ? f.stream.id
				      : f.type == INLAY_QUIC_STREAM_DATA_BLOCKED
					      ? f.limit.id
					      : f.reset.id) == id;
			}
		fire(s);
	}
	return n;
}

static const char data_and_blocked[] = {INLAY_QUIC_STREAM, INLAY_QUIC_STREAM_DATA_BLOCKED, 0};
static const char resets[] = {INLAY_QUIC_RESET_STREAM, 0};
static const char all_of_a_stream[] = {INLAY_QUIC_STREAM, INLAY_QUIC_STREAM_DATA_BLOCKED,
				       INLAY_QUIC_RESET_STREAM, 0};

/* Section 3.3: after a reset its bytes are not sent again, and once it is over nothing is. */
static void a_stream_that_was_reset_says_no_more(void **state)
{
	struct solo s;
	__u64 id;

	solo_start_as(&s, INLAY_SERVER);
	id = open_with(&s, false, 3000, false); /* beyond its limit: it is blocked, too */
	assert_true(solo_drain(&s) > 0);
	assert_int_equal(inlay_conn_stream_reset(s.conn, id, 7), 0);
	/* All is lost, again and again. */
	assert_int_equal(count_frames(&s, id, data_and_blocked), 0);
	solo_stop(&s);

	solo_start_as(&s, INLAY_SERVER);
	id = open_with(&s, false, 1000, false);
	solo_drain(&s);
	inlay_conn_stream_reset(s.conn, id, 7);
	assert_true(count_frames(&s, id, resets) >= 3);
	solo_ack(&s, 0);
	s.conn->ping_due = true; /* something else, so that timers run */
	assert_int_equal(count_frames(&s, id, all_of_a_stream), 0);
	assert_int_equal(inlay_conn_stream_reset(s.conn, id, 8), -ENOENT);
	solo_stop(&s);

	solo_start_as(&s, INLAY_SERVER);
	id = open_with(&s, false, 1000, true);
	assert_true(count_frames(&s, id, data_and_blocked) >= 3);
	solo_ack(&s, 0);
	assert_int_equal(s.streams_closed, 1);
	s.conn->ping_due = true;
	assert_int_equal(count_frames(&s, id, all_of_a_stream), 0);
	solo_stop(&s);
}

/* Section 13.3: whatever happens meanwhile, the same code and final size. */
static void a_reset_sent_again_is_the_same(void **state)
{
	const __u8 stop[] = {0x05, 3, 0x23};
	struct inlay_quic_frame f;
	struct solo s;
	__u64 id;
	int i;

	solo_start_as(&s, INLAY_SERVER);
	id = open_with(&s, false, 1000, false);
	solo_drain(&s);
	inlay_conn_stream_reset(s.conn, id, 7);
	for (i = 0; i < 4; i++) {
		assert_true(solo_find(&s, INLAY_QUIC_RESET_STREAM, &f) >= 1);
		assert_int_equal(f.reset.code, 7);
		assert_int_equal(f.reset.final_size, 1000);
		inlay_conn_stream_reset(s.conn, id, 8);
		assert_int_not_equal(inlay_conn_stream_extend(s.conn, id, 1500, true), 0);
		solo_recv(&s, stop, sizeof(stop));
		fire_pto(&s);
	}
	solo_stop(&s);
}

/* Section 3.5: also before a byte was sent, and after all were, as long as some are not acked. */
static void stop_sending_is_answered_with_a_reset(void **state)
{
	const __u8 stop[] = {0x05, 3, 0x21};
	struct inlay_quic_frame f;
	struct solo s;
	int sent;

	for (sent = 0; sent < 2; sent++) {
		solo_start_as(&s, INLAY_SERVER);
		open_with(&s, false, sent ? 1000 : 0, false);
		solo_drain(&s);
		solo_recv(&s, stop, sizeof(stop));
		assert_int_equal(solo_find(&s, INLAY_QUIC_RESET_STREAM, &f), 1);
		assert_int_equal(f.reset.id, 3);
		assert_int_equal(f.reset.code, 0x21);
		assert_int_equal(f.reset.final_size, sent ? 1000 : 0);
		assert_int_equal(s.stops, 1);
		solo_stop(&s);
	}
}

/* Section 4.4: the end of one direction leaves the windows of the other as they were. */
static void the_other_direction_keeps_its_window(void **state)
{
	const __u8 stop[] = {0x05, 0, 1}, reset[] = {0x04, 4, 0, 0};
	const __u8 more[] = {0x11, 4, 0x4b, 0xb8}; /* up to 3000 */
	__u8 data[1100] = {0x0e, 0, 0, 0x44, 0x00};
	struct inlay_quic_frame f;
	struct solo s;

	solo_start_as(&s, INLAY_SERVER);
	/* We may send no more; the peer goes on, and gets credit. */
	solo_recv(&s, data, 5 + 1024);
	solo_recv(&s, stop, sizeof(stop));
	assert_int_equal(solo_find(&s, INLAY_QUIC_RESET_STREAM, &f), 1);
	solo_ack(&s, 0);
	inlay_conn_stream_consume(s.conn, 0, 1024);
	assert_int_equal(solo_find(&s, INLAY_QUIC_MAX_STREAM_DATA, &f), 1);
	assert_int_equal(f.limit.limit, 2000 + 1024);
	/* The peer has ended its own; we go on, within what it allows. */
	solo_recv(&s, reset, sizeof(reset));
	assert_int_equal(inlay_conn_stream_write(s.conn, 4, data, 1100, false), 0);
	assert_int_equal(inlay_conn_stream_write(s.conn, 4, data, 1100, false), 0);
	assert_int_equal(solo_find(&s, INLAY_QUIC_STREAM_DATA_BLOCKED, &f), 1);
	assert_int_equal(f.limit.limit, 2000);
	solo_recv(&s, more, sizeof(more));
	assert_true(solo_find(&s, INLAY_QUIC_STREAM, &f) >= 1);
	assert_int_equal(f.stream.offset + f.stream.len, 2200);
	/* And the window is enforced as before. */
	data[0] = 0x0e;
	data[2] = 0x4b; /* from 3024 on */
	data[3] = 0xd0;
	data[4] = 1;
	solo_recv(&s, data, 6);
	assert_true(s.closed);
	assert_int_equal(s.why.code, INLAY_QUIC_FLOW_CONTROL_ERROR);
	solo_stop(&s);
}

/* --- Packets -------------------------------------------------------------------------------- */

/* Section 12.3: the last number is never sent, nor a CONNECTION_CLOSE, nor anything else. */
static void without_numbers_the_connection_ends_in_silence(void **state)
{
	__u8 room[INLAY_FRAME_MAX];
	struct inlay_quic_clear clear = {0};
	struct solo s;
	int i;

	solo_init(&s, INLAY_SERVER);
	s.entry.next_pn = INLAY_PN_MAX - 10;
	assert_true(solo_start(&s));
	for (i = 0; i < 100 && !s.closed; i++) {
		s.conn->ping_due = true;
		if (solo_send(&s, room, &clear))
			assert_true(clear.pn < INLAY_PN_MAX);
		solo_ack(&s, INLAY_PN_MAX - 10);
	}
	assert_in_range(i, 5, 12);
	assert_true(s.closed);
	assert_true(inlay_conn_is_dead(s.conn));
	assert_int_equal(solo_drain(&s), 0);
	solo_recv(&s, ping, 1);
	assert_int_equal(solo_drain(&s), 0);
	assert_true(inlay_conn_deadline(s.conn) == INLAY_NEVER);
	solo_stop(&s);
}

/* Section 12.3: a number is taken once, whatever it carries the second time. */
static void a_packet_is_taken_once(void **state)
{
	const __u8 datagram[] = {0x30, 1, 2, 3};
	struct solo s;
	int i;

	solo_start_as(&s, INLAY_SERVER);
	for (i = 0; i < 5; i++)
		solo_recv_as(&s, &s.handover.own_cid, 7, 0, datagram, sizeof(datagram));
	assert_int_equal(s.datagrams, 1);
	assert_int_equal(s.conn->stats.duplicates, 4);
	solo_stop(&s);
}

/* Section 17.4: we do not take part in it; what comes is ignored. */
static void the_latency_spin_bit_is_never_set(void **state)
{
	const __u8 packet[] = {0x63, 1, 2, 3, 4, 5,  6, 7, 8, 0, 0, 0, 99, /* spinning */
			       0x01,					   /* PING */
			       0,    0, 0, 1, 0, 13, 0, 1, 0, 0, 0, 0, 0,  0, 0, 99};
	__u8 room[INLAY_FRAME_MAX];
	struct inlay_quic_clear clear = {0};
	struct solo s;
	int i;

	solo_start_as(&s, INLAY_SERVER);
	inlay_conn_recv(s.conn, &s.path, packet, sizeof(packet), s.now);
	assert_false(s.closed);
	assert_true(inlay_acks_is_duplicate(&s.conn->acks, 99));
	for (i = 0; i < 50; i++) {
		s.conn->ping_due = true;
		assert_true(solo_send(&s, room, &clear));
		assert_int_equal(room[0] & 0x20, 0);
		assert_int_equal(s.entry.headers[0].bytes[0] & 0x20, 0);
		assert_int_equal(s.entry.headers[1].bytes[0] & 0x20, 0);
		solo_ack(&s, 0);
	}
	solo_stop(&s);
}

/* --- Acknowledgements ----------------------------------------------------------------------- */

/* Section 13.2.1: within the delay that we promised, once, and not a second time. */
static void one_packet_draws_one_ack_in_time(void **state)
{
	__u8 room[INLAY_FRAME_MAX];
	struct inlay_quic_clear clear = {0};
	struct inlay_quic_frame f;
	struct solo s;
	int i;

	solo_start_as(&s, INLAY_SERVER);
	for (i = 0; i < 20; i++) {
		inlay_ns came = s.now;

		solo_recv(&s, ping, 1);
		assert_false(solo_send(&s, room, &clear));
		s.now = inlay_conn_deadline(s.conn);
		assert_true(s.now <= came + s.handover.own.max_ack_delay);
		inlay_conn_on_timer(s.conn, s.now);
		assert_true(solo_send(&s, room, &clear));
		assert_int_equal(inlay_quic_frame_parse(&clear.frames, &f), 0);
		assert_int_equal(f.type, INLAY_QUIC_ACK);
		assert_int_equal(f.ack.largest, s.next_pn - 1);
		assert_int_equal(inlay_cursor_left(&clear.frames), 0);
		s.now += INLAY_S / 2;
		assert_int_equal(solo_drain(&s), 0);
	}
	solo_stop(&s);
}

/* Section 13.2.5: the time between arrival and answer, in units that we announced, and nothing
 * for a packet that is not the newest. */
static void the_ack_delay_is_our_own(void **state)
{
	struct inlay_quic_frame f;
	struct solo s;

	solo_init(&s, INLAY_SERVER);
	s.handover.own.ack_delay_exponent = 5;
	solo_start_quiet(&s);
	solo_recv_as(&s, &s.handover.own_cid, 50, 0, ping, 1);
	s.now += 16 * INLAY_MS;
	solo_recv_as(&s, &s.handover.own_cid, 45, 0, ping, 1);
	assert_int_equal(solo_find(&s, INLAY_QUIC_ACK, &f), 1);
	assert_int_equal(f.ack.largest, 50);
	assert_int_equal(f.ack.delay, 16000 >> 5);
	/* The newest has just come: no delay at all. */
	s.now += INLAY_S;
	solo_recv_as(&s, &s.handover.own_cid, 60, 0, ping, 1);
	assert_int_equal(solo_find(&s, INLAY_QUIC_ACK, &f), 1);
	assert_int_equal(f.ack.largest, 60);
	assert_int_equal(f.ack.delay, 0);
	solo_stop(&s);
}

/* Section 13.2.1: who only receives asks now and then for an ACK of its ACKs, and not with each. */
static void acks_do_not_answer_each_other(void **state)
{
	__u8 room[INLAY_FRAME_MAX];
	struct inlay_quic_clear clear = {0};
	struct inlay_quic_frame f;
	unsigned int alone = 0, eliciting = 0, i;
	struct solo s;

	solo_start_as(&s, INLAY_SERVER);
	for (i = 0; i < 200; i++) {
		s.next_pn += 2; /* ranges without end */
		solo_recv(&s, ping, 1);
		while (solo_send(&s, room, &clear)) {
			bool asks = false;

			while (inlay_cursor_left(&clear.frames) > 0) {
				assert_int_equal(inlay_quic_frame_parse(&clear.frames, &f), 0);
				asks |= inlay_quic_frame_is_ack_eliciting(f.type);
			}
			alone += !asks;
			eliciting += asks;
		}
	}
	assert_true(eliciting >= 1);
	assert_true(alone > 10 * eliciting);
	solo_stop(&s);
}

/* --- Confirmation --------------------------------------------------------------------------- */

static const __u8 handshake_done[] = {0x1e};

/* RFC 9002 section 6.2.1: a client's first flight waits for the handshake's own timer. */
static void no_probe_before_the_handshake_is_confirmed(void **state)
{
	struct solo s;

	solo_init(&s, INLAY_CLIENT);
	assert_true(solo_start(&s));
	open_with(&s, true, 1000, true);
	assert_true(solo_drain(&s) > 0);
	s.now += 10 * PTO;
	inlay_conn_on_timer(s.conn, s.now);
	assert_int_equal(solo_drain(&s), 0);
	assert_int_equal(s.conn->recovery.ptos, 0);
	/* Now its time has long come. */
	solo_recv(&s, handshake_done, 1);
	assert_true(inlay_conn_deadline(s.conn) <= s.now);
	inlay_conn_on_timer(s.conn, s.now);
	assert_int_equal(s.conn->recovery.ptos, 1);
	assert_true(solo_drain(&s) > 0);
	solo_stop(&s);

	/* For a server it is confirmed when it is complete. */
	solo_init(&s, INLAY_SERVER);
	assert_true(solo_start(&s));
	assert_true(solo_drain(&s) > 0);
	fire(&s);
	assert_true(s.now <= SOLO_T0 + PTO);
	assert_int_equal(s.conn->recovery.ptos, 1);
	solo_stop(&s);
}

/* What the peer acknowledges out of order is lost all the same, confirmed or not. */
static void losses_are_found_before_confirmation(void **state)
{
	struct solo s;
	__u64 first;

	solo_init(&s, INLAY_CLIENT);
	s.ops.random = NULL; /* no numbers left out */
	assert_true(solo_start(&s));
	first = s.entry.next_pn;
	open_with(&s, true, 2000, false);
	open_with(&s, true, 2000, false);
	assert_true(solo_drain(&s) >= 3);
	s.now += 100 * INLAY_MS;
	solo_ack(&s, first + 1);
	s.now += 200 * INLAY_MS;
	inlay_conn_on_timer(s.conn, s.now);
	assert_true(s.conn->recovery.lost_pkts >= 1);
	assert_true(solo_drain(&s) > 0);
	solo_stop(&s);
}

/* RFC 9001 section 6.1. */
static void no_key_update_before_the_handshake_is_confirmed(void **state)
{
	struct solo s;

	solo_init(&s, INLAY_CLIENT);
	solo_start_quiet(&s);
	open_with(&s, true, 1000, true);
	solo_drain(&s);
	solo_ack(&s, 0);
	s.now += INLAY_S;
	assert_int_equal(inlay_conn_update_keys(s.conn, s.now), -EAGAIN);
	assert_int_equal(s.tx_updates, 0);
	solo_recv(&s, handshake_done, 1);
	assert_int_equal(inlay_conn_update_keys(s.conn, s.now), 0);
	assert_int_equal(s.tx_updates, 1);
	solo_stop(&s);
}

/* --- TLS after the handshake ---------------------------------------------------------------- */

/* RFC 9001 sections 4.4 and 6. |frames|: lengths in front. */
static void expect_tls_error(enum inlay_role role, const __u8 *frames, size_t n, __u64 code)
{
	struct solo s;

	solo_start_as(&s, role);
	for (; n > 0; n--, frames += 1 + frames[0]) {
		assert_false(s.closed);
		solo_recv(&s, frames + 1, frames[0]);
	}
	assert_true(s.closed);
	assert_int_equal(s.why.code, code);
	assert_int_equal(s.conn->streams.recv_budget.used, 0);
	solo_stop(&s);
}

static void tls_messages_that_nobody_may_send_are_errors(void **state)
{
	const __u8 update[] = {8, 0x06, 0, 5, 24, 0, 0, 1, 0};
	const __u8 request[] = {8, 0x06, 0, 5, 13, 0, 0, 1, 0};
	const __u8 ticket[] = {8, 0x06, 0, 5, 4, 0, 0, 1, 0};
	/* A KeyUpdate behind a ticket, which comes last and in pieces. */
	const __u8 late[] = {4, 0x06, 6, 1, 24, 7, 0x06, 2, 4, 0, 2, 0, 0, 5, 0x06, 0, 2, 4, 0};

	expect_tls_error(INLAY_SERVER, update, 1, 0x10a);
	expect_tls_error(INLAY_CLIENT, update, 1, 0x10a);
	expect_tls_error(INLAY_CLIENT, request, 1, INLAY_QUIC_PROTOCOL_VIOLATION);
	expect_tls_error(INLAY_SERVER, request, 1, 0x10a);
	expect_tls_error(INLAY_SERVER, ticket, 1, 0x10a);
	expect_tls_error(INLAY_CLIENT, late, 3, 0x10a);
}

/* --- Recovery and congestion ---------------------------------------------------------------- */

/* RFC 9002 sections 6.1.2 and 6.2.1. */
static void no_timer_is_shorter_than_its_granularity(void **state)
{
	struct inlay_rtt r;

	inlay_rtt_init(&r, 1, 1, 1, 0, 0);
	assert_true(inlay_rtt_loss_delay(&r) >= INLAY_MS);
	assert_true(inlay_rtt_pto(&r) >= INLAY_MS);
}

/* RFC 9002 section 7.6.2: an ACK alone, which nobody has to acknowledge, begins no period. */
static void persistent_congestion_is_between_packets_that_ask(void **state)
{
	struct solo s;
	__u64 last;
	int asks, i;

	for (asks = 0; asks < 2; asks++) {
		solo_start_as(&s, INLAY_SERVER);
		s.now += INLAY_S;
		solo_recv(&s, ping, 1);
		solo_recv(&s, ping, 1);
		s.conn->ping_due = asks;
		assert_int_equal(solo_drain(&s), 1);
		s.now += 5 * PTO;
		for (i = 0; i < 4; i++) {
			s.now += INLAY_MS;
			s.conn->ping_due = true;
			assert_int_equal(solo_drain(&s), 1);
		}
		last = s.entry.next_pn - 1;
		s.now += 100 * INLAY_MS;
		solo_ack(&s, last);
		assert_int_equal(s.conn->recovery.lost_pkts, asks ? 2 : 1);
		if (asks)
			assert_int_equal(s.conn->recovery.cc.cwnd, 2400);
		else
			assert_true(s.conn->recovery.cc.cwnd > 2400);
		solo_stop(&s);
	}
}

/* RFC 9221 section 5.4: as long as the window is full, datagrams wait; none is lost for it. */
static void datagrams_wait_for_the_window(void **state)
{
	static const __u8 data[900];
	const struct inlay_datagram_order order = {0};
	struct inlay_quic_frame f;
	unsigned int queued = 0, sent;
	struct solo s;

	solo_start_as(&s, INLAY_SERVER);
	s.conn->datagrams.max_bytes = 1 << 20;
	while (queued < 40) {
		assert_int_equal(inlay_conn_datagram(s.conn, &order, data, sizeof(data)), 0);
		queued++;
	}
	sent = solo_find(&s, INLAY_QUIC_DATAGRAM, &f);
	assert_in_range(sent, 5, 13); /* 12000 bytes */
	assert_int_equal(inlay_conn_datagrams_queued(s.conn, 0), queued - sent);
	assert_true(inlay_sentlog_in_flight(&s.conn->log) <= 12000);
	s.now += 100 * INLAY_MS;
	solo_ack(&s, 0);
	assert_true(solo_find(&s, INLAY_QUIC_DATAGRAM, &f) > 0);
	assert_int_equal(s.conn->stats.datagrams_dropped, 0);
	solo_stop(&s);
}

/* RFC 9000 section 19.21: what extensions add is acknowledged, and waits for the window. */
static void frames_of_extensions_are_acknowledged(void **state)
{
	const struct inlay_quic_ack_frequency f = {0, 1, 25000, 1};
	__u8 frames[3][16];
	struct inlay_writer w[3];
	struct solo s;
	size_t i;

	for (i = 0; i < 3; i++)
		w[i] = inlay_writer_of(frames[i], sizeof(frames[i]));
	assert_true(inlay_quic_put_ack_frequency(&w[0], &f));
	assert_true(inlay_quic_put_immediate_ack(&w[1]));
	assert_true(inlay_quic_put_datagram(&w[2], ping, 1, true));
	for (i = 0; i < 3; i++) {
		solo_init(&s, INLAY_SERVER);
		s.handover.own.has_min_ack_delay = true;
		s.handover.own.min_ack_delay = INLAY_MS;
		solo_start_quiet(&s);
		solo_recv(&s, frames[i], inlay_writer_len(&w[i]));
		assert_false(s.closed);
		assert_true(s.conn->acks.deadline != INLAY_NEVER);
		solo_stop(&s);
	}
}

static void frames_of_extensions_wait_for_the_window(void **state)
{
	struct inlay_quic_frame f;
	struct solo s;

	solo_init(&s, INLAY_SERVER);
	s.handover.peer.reset_stream_at = true;
	s.handover.peer.initial_max_data = 1 << 20;
	s.handover.peer.initial_max_stream_data_uni = 1 << 20;
	solo_start_quiet(&s);
	open_with(&s, false, 60000, false);
	solo_drain(&s);
	assert_int_equal(inlay_conn_stream_reset_at(s.conn, 3, 1, 500), 0);
	assert_int_equal(solo_drain(&s), 0);
	s.now += 100 * INLAY_MS;
	solo_ack(&s, 0);
	assert_int_equal(solo_find(&s, INLAY_QUIC_RESET_STREAM_AT, &f), 1);
	solo_stop(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lower_limits_are_ignored),
		cmocka_unit_test(a_stream_that_was_reset_says_no_more),
		cmocka_unit_test(a_reset_sent_again_is_the_same),
		cmocka_unit_test(stop_sending_is_answered_with_a_reset),
		cmocka_unit_test(the_other_direction_keeps_its_window),
		cmocka_unit_test(without_numbers_the_connection_ends_in_silence),
		cmocka_unit_test(a_packet_is_taken_once),
		cmocka_unit_test(the_latency_spin_bit_is_never_set),
		cmocka_unit_test(one_packet_draws_one_ack_in_time),
		cmocka_unit_test(the_ack_delay_is_our_own),
		cmocka_unit_test(acks_do_not_answer_each_other),
		cmocka_unit_test(no_probe_before_the_handshake_is_confirmed),
		cmocka_unit_test(losses_are_found_before_confirmation),
		cmocka_unit_test(no_key_update_before_the_handshake_is_confirmed),
		cmocka_unit_test(tls_messages_that_nobody_may_send_are_errors),
		cmocka_unit_test(no_timer_is_shorter_than_its_granularity),
		cmocka_unit_test(persistent_congestion_is_between_packets_that_ask),
		cmocka_unit_test(datagrams_wait_for_the_window),
		cmocka_unit_test(frames_of_extensions_are_acknowledged),
		cmocka_unit_test(frames_of_extensions_wait_for_the_window),
	};

	return cmocka_run_group_tests_name("quic_rules", tests, NULL, NULL);
}
