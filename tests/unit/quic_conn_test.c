/* SPDX-License-Identifier: BSD-2-Clause */
/* The connection as a whole: how it begins, idles, moves, closes and dies. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>

#include "quic_pair.h"
#include "quic_solo.h"
#include "zeros.h"

static const __u8 ping[] = {0x01};

static void test_handshake_done_until_acknowledged(void **state)
{
	struct inlay_quic_frame f;
	struct solo s;

	solo_init(&s, INLAY_SERVER);
	assert_true(solo_start(&s));
	assert_int_equal(solo_find(&s, INLAY_QUIC_HANDSHAKE_DONE, &f), 1);
	s.now = inlay_conn_deadline(s.conn);
	inlay_conn_on_timer(s.conn, s.now);
	assert_true(solo_find(&s, INLAY_QUIC_HANDSHAKE_DONE, &f) >= 1);
	solo_ack(&s, 0);
	s.now += 10 * INLAY_S;
	inlay_conn_on_timer(s.conn, s.now);
	assert_int_equal(solo_find(&s, INLAY_QUIC_HANDSHAKE_DONE, &f), 0);
	solo_stop(&s);

	solo_init(&s, INLAY_CLIENT);
	assert_true(solo_start(&s));
	assert_int_equal(solo_find(&s, INLAY_QUIC_HANDSHAKE_DONE, &f), 0);
	solo_stop(&s);
}

static void test_headers_and_entry(void **state)
{
	__u8 room[INLAY_FRAME_MAX];
	struct inlay_quic_clear clear;
	struct solo s;

	solo_init(&s, INLAY_SERVER);
	s.entry.next_pn = 0x12345678ABULL;
	s.entry.sa = 77;
	s.entry.sa_generation = 9;
	assert_true(solo_start(&s));
	assert_true(solo_send(&s, room, &clear));
	assert_int_equal(room[0], 0x43);
	assert_memory_equal(room + 1, s.handover.peer_cid.data, 5);
	assert_true(clear.pn >= 0x12345678ABULL); /* the first may be left out */
	assert_int_equal(clear.pn_len, 4);
	assert_int_equal(clear.hdr_len, 10);
	assert_int_equal(clear.sa, 77);
	assert_int_equal(clear.generation, 9);
	assert_int_equal(s.entry.stream_limit, 4);
	assert_int_equal(s.entry.flow_limit, 5000);
	assert_int_equal(s.entry.initial_stream_limit, 2000);
	assert_int_equal(s.entry.max_datagram, 1000);
	assert_int_equal(s.entry.path_mtu, 1200);
	assert_int_equal(s.entry.headers[s.entry.headers_index].quic_len, 10);
	assert_memory_equal(s.entry.headers[s.entry.headers_index].bytes, room, 6);
	solo_stop(&s);
}

static void test_idle_timeout(void **state)
{
	struct solo s;
	inlay_ns at;

	solo_init(&s, INLAY_SERVER);
	s.handover.peer.max_idle_timeout = 10 * INLAY_S; /* the smaller one counts */
	assert_true(solo_start(&s));
	solo_drain(&s);
	solo_ack(&s, 0);
	s.now += 4 * INLAY_S;
	solo_recv(&s, ping, 1);
	solo_drain(&s);
	at = s.now + 10 * INLAY_S;
	assert_true(inlay_conn_deadline(s.conn) <= at);
	for (; s.now < at && !s.closed; s.now = inlay_conn_deadline(s.conn)) {
		inlay_conn_on_timer(s.conn, s.now);
		solo_drain(&s);
		assert_true(inlay_conn_deadline(s.conn) > s.now);
	}
	assert_false(s.closed);
	inlay_conn_on_timer(s.conn, at);
	assert_true(s.closed && s.why.idle);
	assert_true(inlay_conn_is_dead(s.conn));
	assert_int_equal(solo_drain(&s), 0);
	assert_true(inlay_conn_deadline(s.conn) == INLAY_NEVER);
	solo_stop(&s);
}

static void test_keep_alive(void **state)
{
	struct inlay_quic_frame f;
	struct solo s;
	int i;

	solo_init(&s, INLAY_CLIENT);
	s.keep_alive = 10 * INLAY_S;
	assert_true(solo_start(&s));
	solo_drain(&s);
	solo_ack(&s, 0);
	for (i = 0; i < 20; i++) {
		inlay_ns silence = s.now;

		assert_int_equal(solo_find(&s, INLAY_QUIC_PING, &f), 0);
		s.now = inlay_conn_deadline(s.conn);
		assert_true(s.now == silence + 10 * INLAY_S);
		inlay_conn_on_timer(s.conn, s.now);
		assert_int_equal(solo_find(&s, INLAY_QUIC_PING, &f), 1);
		s.now += 50 * INLAY_MS;
		solo_ack(&s, 0);
	}
	assert_false(s.closed);
	/* Nobody answers: it ends all the same. */
	for (i = 0; i < 100 && !s.closed; i++) {
		s.now = inlay_conn_deadline(s.conn);
		inlay_conn_on_timer(s.conn, s.now);
		solo_drain(&s);
	}
	assert_true(s.closed && s.why.idle);
	solo_stop(&s);
	/* A peer that would forget us sooner hears from us sooner. */
	solo_init(&s, INLAY_CLIENT);
	s.keep_alive = 10 * INLAY_S;
	s.handover.peer.max_idle_timeout = 8 * INLAY_S;
	assert_true(solo_start(&s));
	solo_drain(&s);
	solo_ack(&s, 0);
	assert_true(inlay_conn_deadline(s.conn) == s.now + 4 * INLAY_S);
	solo_stop(&s);
}

static void test_a_short_idle_timeout_leaves_three_ptos(void **state)
{
	struct solo s;

	solo_init(&s, INLAY_SERVER);
	s.handover.own.max_idle_timeout = 1 * INLAY_MS;
	assert_true(solo_start(&s));
	/* PTO: 100 + 40 + 25 ms. */
	inlay_conn_on_timer(s.conn, SOLO_T0 + 494 * INLAY_MS);
	assert_false(s.closed);
	inlay_conn_on_timer(s.conn, SOLO_T0 + 495 * INLAY_MS);
	assert_true(s.closed);
	solo_stop(&s);
}

static void test_closing_answers_at_a_limited_rate(void **state)
{
	struct inlay_quic_frame f;
	struct solo s;
	int i;

	solo_init(&s, INLAY_CLIENT);
	assert_true(solo_start(&s));
	inlay_conn_close(s.conn, true, 0x1234, "bye\n\x01", s.now);
	inlay_conn_close(s.conn, false, 1, "no", s.now); /* changes nothing */
	assert_true(s.closed && s.why.application && s.why.code == 0x1234);
	assert_int_equal(solo_find(&s, INLAY_QUIC_CONNECTION_CLOSE, &f), 1);
	assert_true(f.close.application);
	assert_int_equal(f.close.code, 0x1234);
	assert_memory_equal(f.close.reason, "bye??", 5);
	for (i = 0; i < 100; i++)
		solo_recv(&s, ping, 1);
	assert_int_equal(solo_drain(&s), 0);
	s.now += 100 * INLAY_MS;
	for (i = 0; i < 100; i++)
		solo_recv(&s, ping, 1);
	assert_int_equal(solo_drain(&s), 1);
	assert_true(inlay_conn_deadline(s.conn) == SOLO_T0 + 495 * INLAY_MS);
	inlay_conn_on_timer(s.conn, SOLO_T0 + 495 * INLAY_MS);
	assert_true(inlay_conn_is_dead(s.conn));
	solo_stop(&s);
}

static void test_draining_is_silent(void **state)
{
	const __u8 close[] = {0x1c, 0x0a, 0x08, 3, 'w', 'h', 'y'};
	struct solo s;

	solo_init(&s, INLAY_SERVER);
	assert_true(solo_start(&s));
	solo_recv(&s, close, sizeof(close));
	assert_true(s.closed && s.why.by_peer && !s.why.application);
	assert_int_equal(s.why.code, INLAY_QUIC_PROTOCOL_VIOLATION);
	assert_string_equal(s.why.text, "why");
	assert_int_equal(solo_drain(&s), 0);
	solo_recv(&s, ping, 1);
	assert_int_equal(solo_drain(&s), 0);
	assert_false(inlay_conn_is_dead(s.conn));
	inlay_conn_on_timer(s.conn, SOLO_T0 + 495 * INLAY_MS);
	assert_true(inlay_conn_is_dead(s.conn));
	solo_stop(&s);
}

static void test_stateless_reset(void **state)
{
	struct solo s;

	solo_init(&s, INLAY_SERVER);
	assert_true(solo_start(&s));
	inlay_conn_on_stateless_reset(s.conn, s.now);
	assert_true(s.closed && s.why.reset);
	assert_int_equal(solo_drain(&s), 0);
	solo_stop(&s);
}

static void test_nothing_works_after_closing(void **state)
{
	struct solo s;
	__u64 id;

	solo_init(&s, INLAY_SERVER);
	assert_true(solo_start(&s));
	inlay_conn_close(s.conn, false, 0, NULL, s.now);
	assert_int_equal(inlay_conn_stream_open(s.conn, true, 0, NULL, NULL, &id), -ENOTCONN);
	assert_int_equal(inlay_conn_datagram(s.conn, &(struct inlay_datagram_order){0}, ping, 1),
			 -ENOTCONN);
	assert_int_equal(inlay_conn_update_keys(s.conn, s.now), -EAGAIN);
	solo_stop(&s);
}

static void test_datagrams_out(void **state)
{
	__u8 data[1200] = {0};
	struct inlay_quic_frame f;
	struct solo s;
	int n = 0;

	solo_init(&s, INLAY_SERVER);
	assert_true(solo_start(&s));
	assert_int_equal(inlay_conn_max_datagram(s.conn), 997);
	assert_int_equal(inlay_conn_datagram(s.conn, &(struct inlay_datagram_order){0}, data, 998),
			 -EMSGSIZE);
	while (inlay_conn_datagram(s.conn, &(struct inlay_datagram_order){0}, data, 997) == 0)
		n++;
	assert_int_equal(n, 3); /* of 4000 bytes, with their own cost */
	assert_int_equal(solo_find(&s, INLAY_QUIC_DATAGRAM, &f), 3);
	assert_int_equal(f.bytes.len, 997);
	solo_stop(&s);

	solo_init(&s, INLAY_SERVER);
	s.handover.peer.max_datagram_frame_size = 0;
	assert_true(solo_start(&s));
	assert_int_equal(inlay_conn_datagram(s.conn, &(struct inlay_datagram_order){0}, data, 1),
			 -ENOTSUP);
	assert_int_equal(inlay_conn_max_datagram(s.conn), 0);
	solo_stop(&s);
}

/* Between streams of higher and of lower priority; too late ones not at all. */
static void test_datagrams_take_their_turn(void **state)
{
	const struct inlay_datagram_order order[4] = {
		{.priority = 7, .flow = 1},
		{.priority = 5, .flow = 1},
		{.priority = 5, .flow = 2},
		{.priority = 6, .flow = 1, .deadline = SOLO_T0 + INLAY_MS},
	};
	const __u64 priorities[2] = {9, 1};
	__u8 room[INLAY_FRAME_MAX], data[10];
	struct inlay_quic_clear clear = {0};
	struct inlay_quic_frame f;
	char seen[16] = {0};
	struct solo s;
	size_t n = 0, i;
	__u64 id;

	solo_init(&s, INLAY_SERVER);
	assert_true(solo_start(&s));
	solo_drain(&s);
	for (i = 0; i < 2; i++) {
		assert_int_equal(
			inlay_conn_stream_open(s.conn, false, priorities[i], &zeros, NULL, &id), 0);
		inlay_conn_stream_extend(s.conn, id, 50, true);
	}
	for (i = 0; i < 4; i++) {
		data[0] = (__u8)('a' + i);
		assert_int_equal(inlay_conn_datagram(s.conn, &order[i], data, sizeof(data)), 0);
	}
	assert_int_equal(inlay_conn_datagrams_queued(s.conn, 1), 3);
	s.now += INLAY_MS;
	assert_true(solo_send(&s, room, &clear));
	while (inlay_cursor_left(&clear.frames) > 0) {
		assert_int_equal(inlay_quic_frame_parse(&clear.frames, &f), 0);
		if (f.type == INLAY_QUIC_STREAM)
			seen[n++] = f.stream.id >> 2 == 1 ? '1' : '9';
		else if (f.type == INLAY_QUIC_DATAGRAM)
			seen[n++] = (char)f.bytes.data[0];
	}
	assert_string_equal(seen, "1bca9");
	assert_int_equal(s.conn->stats.datagrams_dropped, 1);
	for (i = 0; i < 3; i++)
		assert_int_equal(inlay_conn_datagram(s.conn, &order[i], data, sizeof(data)), 0);
	inlay_conn_datagrams_drop(s.conn, 1);
	assert_int_equal(inlay_conn_datagrams_queued(s.conn, 1), 0);
	assert_int_equal(solo_find(&s, INLAY_QUIC_DATAGRAM, &f), 1);
	assert_int_equal(s.conn->datagrams.bytes, 0);
	solo_stop(&s);
}

/* And acknowledged, in whatever order they come. */
static void test_session_tickets_are_swallowed(void **state)
{
	static const __u8 ticket[1000] = {4, 0, 0x03, 0xe4};
	__u8 frame[1100];
	struct inlay_writer w;
	struct solo s;
	__u64 i;

	solo_init(&s, INLAY_CLIENT);
	assert_true(solo_start(&s));
	for (i = 0; i < 1000; i++) {
		w = inlay_writer_of(frame, sizeof(frame));
		/* Each five from the last to the first: 4000 bytes wait. */
		assert_true(
			inlay_quic_put_crypto(&w, 1000 * (i / 5 * 5 + 4 - i % 5), ticket, 1000));
		solo_recv(&s, frame, inlay_writer_len(&w));
		assert_true(inlay_acks_is_duplicate(&s.conn->acks, s.next_pn - 1));
		solo_drain(&s);
	}
	assert_false(s.closed);
	assert_int_equal(s.conn->crypto.recv.next, 1000000);
	assert_int_equal(s.conn->streams.recv_budget.used, 0);
	solo_stop(&s);
}

static void test_the_window_holds_and_probes_pass(void **state)
{
	static __u8 data[60000];
	struct solo s;
	__u64 id, in_flight;

	solo_init(&s, INLAY_SERVER);
	s.handover.peer.initial_max_data = 1 << 20;
	s.handover.peer.initial_max_stream_data_bidi_remote = 1 << 20;
	assert_true(solo_start(&s));
	assert_int_equal(inlay_conn_stream_open(s.conn, true, 0, NULL, NULL, &id), 0);
	assert_int_equal(inlay_conn_stream_write(s.conn, id, data, sizeof(data), true), 0);
	solo_drain(&s);
	in_flight = inlay_sentlog_in_flight(&s.conn->log);
	assert_in_range(in_flight, 12000 - 1200, 12000);
	assert_true(s.entry.bytes_sent <= s.entry.class_limit[0]);
	s.now = inlay_conn_deadline(s.conn);
	inlay_conn_on_timer(s.conn, s.now);
	assert_int_equal(solo_drain(&s), 2);
	assert_true(inlay_sentlog_in_flight(&s.conn->log) > in_flight);
	solo_stop(&s);
}

/* --- Addresses ------------------------------------------------------------------------------ */

/* Whenever a network falls silent for some seconds after a rebinding, in the midst of the path's
 * validation: the idle timeout is not over, and so neither is the connection. */
static void test_an_outage_after_a_rebinding_ends_nothing(void **state)
{
	struct quic_pair_side *client, *server;
	static __u8 data[100];
	inlay_ns wait;
	__u64 id;

	for (wait = 0; wait < 400 * INLAY_MS; wait += 20 * INLAY_MS) {
		struct quic_pair_config config = quic_pair_defaults(11);
		struct quic_pair *p = quic_pair_new(&config);

		client = &p->side[INLAY_CLIENT];
		server = &p->side[INLAY_SERVER];
		quic_pair_run(p, p->now + INLAY_S);
		quic_pair_rebind(p);
		assert_int_equal(inlay_conn_update_keys(client->conn, p->now), 0); /* some packet */
		quic_pair_run(p, p->now + wait);
		p->blackhole = true;
		quic_pair_run(p, p->now + 12 * INLAY_S);
		assert_false(server->closed);
		p->blackhole = false;
		assert_int_equal(inlay_conn_stream_open(client->conn, true, 0, NULL, NULL, &id), 0);
		assert_int_equal(inlay_conn_stream_write(client->conn, id, data, 100, false), 0);
		quic_pair_run(p, p->now + 10 * INLAY_S);
		assert_false(client->closed || server->closed);
		assert_true(inlay_paths_current(&server->conn->paths)->fits);
		assert_int_equal(inlay_sentlog_in_flight(&client->conn->log), 0);
		quic_pair_free(p);
	}
}

static void test_nat_rebinding(void **state)
{
	struct quic_pair_config config = quic_pair_defaults(1);
	struct quic_pair *p = quic_pair_new(&config);
	struct quic_pair_side *client = &p->side[INLAY_CLIENT], *server = &p->side[INLAY_SERVER];
	static __u8 data[30000];
	__u64 id;

	quic_pair_run(p, p->now + INLAY_S);
	quic_pair_rebind(p);
	assert_int_equal(inlay_conn_stream_open(client->conn, true, 0, NULL, NULL, &id), 0);
	assert_int_equal(inlay_conn_stream_write(client->conn, id, data, 100, true), 0);
	quic_pair_run(p, p->now + 30 * INLAY_MS);
	/* It follows at once, and asks for proof. */
	assert_int_equal(server->path.remote.port, client->outside.port);
	assert_false(inlay_paths_current(&server->conn->paths)->validated);
	quic_pair_run(p, p->now + INLAY_S);
	assert_true(inlay_paths_current(&server->conn->paths)->validated);
	assert_int_equal(inlay_conn_stream_write(server->conn, id, data, sizeof(data), true), 0);
	quic_pair_run(p, p->now + 2 * INLAY_S);
	assert_int_equal(inlay_sentlog_in_flight(&server->conn->log), 0);
	assert_int_equal(client->conn->streams.n, 0);
	assert_false(client->closed || server->closed);
	assert_int_equal(server->refused, 0);
	quic_pair_free(p);
}

/* --- Throughput, in simulated time ---------------------------------------------------------- */

static void swallow(void *user, __u64 id, const __u8 *data, size_t len, bool fin)
{
	struct quic_pair_side *s = user;

	*(__u64 *)s->app += len;
	inlay_conn_stream_consume(s->conn, id, len);
}

static int read_ones(void *ctx, __u64 offset, __u8 *dst, size_t len)
{
	memset(dst, 1, len);
	return 0;
}

/* How long |bytes| take from server to client; and nothing is left over. */
static inlay_ns time_transfer(struct quic_pair_config *config, __u64 bytes,
			      struct inlay_conn_stats *ret_stats)
{
	static const struct inlay_conn_ops ops = {.on_stream_data = swallow};
	static const struct inlay_stream_source ones = {.read = read_ones};
	struct quic_pair_side *server;
	struct quic_pair *p;
	__u64 got = 0, id;
	inlay_ns start;

	config->app = &ops;
	p = quic_pair_new(config);
	server = &p->side[INLAY_SERVER];
	p->side[INLAY_CLIENT].app = &got;
	quic_pair_run(p, p->now + INLAY_S);
	start = p->now;
	assert_int_equal(inlay_conn_stream_open(server->conn, false, 0, &ones, NULL, &id), 0);
	assert_int_equal(inlay_conn_stream_extend(server->conn, id, bytes, true), 0);
	while (server->conn->streams.n > 0 && p->now < start + 100 * INLAY_S)
		quic_pair_step(p, start + 100 * INLAY_S);
	start = p->now - start;
	assert_true(got == bytes);
	inlay_conn_stats(server->conn, ret_stats);
	quic_pair_free(p);
	return start;
}

static void test_a_bottleneck_is_filled(void **state)
{
	enum inlay_cc_algorithm cc;
	struct inlay_conn_stats st;
	inlay_ns took;

	for (cc = INLAY_CC_NEWRENO; cc <= INLAY_CC_LIVE; cc++) {
		struct quic_pair_config config = quic_pair_defaults(5);

		/* 10 Mbit/s, 40 ms, a buffer of one such product: 5 MB need 4 s at the least. */
		config.cc = cc;
		config.params.initial_max_data = 2 << 20;
		config.params.initial_max_stream_data_uni = 2 << 20;
		config.bytes_per_s = 1250000;
		config.queue_bytes = 50000;
		took = time_transfer(&config, 5000000, &st);
		if (took > 5500 * INLAY_MS)
			print_error("took %llu ms, lost %llu of %llu, ptos %llu spurious %llu cwnd "
				    "%llu\n",
				    took / INLAY_MS, st.packets_lost, st.packets_sent, st.ptos,
				    st.packets_spurious, st.cwnd);
		assert_in_range(took / INLAY_MS, 4000, 5500);
		assert_int_equal(st.ptos, 0);
		assert_int_equal(st.packets_spurious, 0);
	}
}

/* Packets full of small frames use up the records of frames before the log's numbers. What is left
 * is for ACKs and probes, by which others come free; and who acknowledges does not spin. */
static void test_no_records_of_frames_are_no_dead_end(void **state)
{
	struct quic_pair_config config = quic_pair_defaults(8);
	struct quic_pair *p = quic_pair_new(&config);
	struct quic_pair_side *client = &p->side[INLAY_CLIENT], *server = &p->side[INLAY_SERVER];
	const struct inlay_sent_frame f = {.type = INLAY_QUIC_MAX_STREAM_DATA};
	static __u8 data[30000];
	inlay_ns until;
	__u32 held = 0;
	__u64 id;
	int steps;

	quic_pair_run(p, p->now + INLAY_S);
	while (inlay_sentlog_frame_add(&client->conn->log, &held, &f))
		;
	assert_int_equal(inlay_conn_stream_open(server->conn, false, 0, NULL, NULL, &id), 0);
	assert_int_equal(inlay_conn_stream_write(server->conn, id, data, sizeof(data), true), 0);
	assert_int_equal(inlay_conn_stream_open(client->conn, false, 0, NULL, NULL, &id), 0);
	assert_int_equal(inlay_conn_stream_write(client->conn, id, data, 100, true), 0);
	until = p->now + 2 * INLAY_S;
	for (steps = 0; steps < 1000 && quic_pair_step(p, until); steps++)
		;
	assert_true(steps < 500);
	assert_int_equal(inlay_sentlog_in_flight(&server->conn->log), 0);
	assert_int_equal(server->conn->streams.n_own, 0);
	inlay_sentlog_frames_free(&client->conn->log, held);
	quic_pair_run(p, p->now + INLAY_S);
	assert_int_equal(client->conn->streams.n_own, 0);
	quic_pair_free(p);
}

static void test_a_small_log_is_no_dead_end(void **state)
{
	struct quic_pair_config config = quic_pair_defaults(6);
	struct inlay_conn_stats st;
	inlay_ns took;

	/* More may be in flight than the log has numbers for: 496 packets a round trip of 200 ms.
	 */
	config.delay = 100 * INLAY_MS;
	config.params.initial_max_data = 16 << 20;
	config.params.initial_max_stream_data_uni = 16 << 20;
	took = time_transfer(&config, 6000000, &st);
	assert_in_range(took / INLAY_MS, 2000, 5000);
	assert_int_equal(st.packets_lost, 0);
}

/* A copy of a packet that somebody sends from elsewhere: little is sent there, and the path comes
 * back. */
static void test_a_forged_address_is_left_again(void **state)
{
	static __u8 data[60000], room[INLAY_FRAME_MAX];
	struct inlay_path there, to;
	struct solo s;
	size_t len, sent = 0;
	int asked = 0;
	__u64 id;

	solo_init(&s, INLAY_SERVER);
	s.handover.peer.initial_max_data = 1 << 20;
	s.handover.peer.initial_max_stream_data_bidi_remote = 1 << 20;
	assert_true(solo_start(&s));
	solo_drain(&s);
	solo_ack(&s, 0);
	there = s.path;
	there.remote.port = 9;
	s.path = there;
	solo_recv(&s, ping, 1);
	assert_int_equal(s.path_changes, 1);
	assert_int_equal(inlay_conn_stream_open(s.conn, true, 0, NULL, NULL, &id), 0);
	assert_int_equal(inlay_conn_stream_write(s.conn, id, data, sizeof(data), true), 0);
	while ((len = inlay_conn_send(s.conn, room, sizeof(room), &to, s.now)) > 0) {
		/* To the path left nothing but a challenge (section 9.3.3). */
		if (memcmp(&to, &there, sizeof(to)))
			assert_true(len == 1200 && ++asked == 1);
		else
			sent += len;
	}
	assert_int_equal(asked, 1);
	assert_in_range(sent, 1, 3 * 34); /* a ping weighs 34 bytes */
	for (; s.now < SOLO_T0 + 4 * INLAY_S && s.path_changes < 2;
	     s.now = inlay_conn_deadline(s.conn)) {
		inlay_conn_on_timer(s.conn, s.now);
		/* What is due and cannot be sent does not make the caller spin. */
		assert_true(s.path_changes == 2 || inlay_conn_deadline(s.conn) > s.now);
	}
	assert_int_equal(s.path_changes, 2);
	assert_int_equal(s.path.remote.port, 4433);
	assert_true(inlay_conn_send(s.conn, room, sizeof(room), &to, s.now) > 0);
	assert_int_equal(to.remote.port, 4433);
	solo_stop(&s);
}

/* RFC 9000 section 8.2.2: a challenge from elsewhere, which anybody may be, is answered there, and
 * in no more than three times its bytes. */
static void test_answers_elsewhere_do_not_amplify(void **state)
{
	__u8 probes[2 * 9] = {0x1a, 1, 2, 3, 4, 5, 6, 7, 8, 0x1a, 8, 7, 6, 5, 4, 3, 2, 1};
	__u8 room[INLAY_FRAME_MAX], large[1180] = {0x1a, 1, 2, 3, 4, 5, 6, 7, 9};
	size_t len, there = 0;
	struct inlay_path to;
	struct solo s;

	solo_init(&s, INLAY_SERVER);
	assert_true(solo_start(&s));
	solo_drain(&s);
	solo_ack(&s, 0);
	s.path.remote.port = 9;
	solo_recv(&s, probes, sizeof(probes));
	while ((len = inlay_conn_send(s.conn, room, sizeof(room), &to, s.now)) > 0)
		there += to.remote.port == 9 ? len : 0;
	assert_in_range(there, 1, 3 * (1 + 8 + 4 + sizeof(probes) + INLAY_TAG));
	/* One that is large enough is answered as large as it should be (section 8.2.1). */
	solo_recv(&s, large, sizeof(large));
	assert_int_equal(inlay_conn_send(s.conn, room, sizeof(room), &to, s.now), 1200);
	assert_int_equal(to.remote.port, 9);
	assert_int_equal(s.path_changes, 0);
	solo_stop(&s);
}

static void test_only_the_newest_packet_moves_the_path(void **state)
{
	const __u8 probe[] = {0x1a, 1, 2, 3, 4, 5, 6, 7, 8};
	struct solo s;

	solo_init(&s, INLAY_SERVER);
	assert_true(solo_start(&s));
	solo_recv_as(&s, &s.handover.own_cid, 10, 0, ping, 1);
	s.path.remote.port = 9;
	solo_recv_as(&s, &s.handover.own_cid, 8, 0, ping, 1);
	assert_int_equal(s.path_changes, 0);
	solo_recv_as(&s, &s.handover.own_cid, 11, 0, probe, sizeof(probe));
	assert_int_equal(s.path_changes, 0);
	solo_recv_as(&s, &s.handover.own_cid, 12, 0, ping, 1);
	assert_int_equal(s.path_changes, 1);
	solo_stop(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_handshake_done_until_acknowledged),
		cmocka_unit_test(test_headers_and_entry),
		cmocka_unit_test(test_idle_timeout),
		cmocka_unit_test(test_keep_alive),
		cmocka_unit_test(test_a_short_idle_timeout_leaves_three_ptos),
		cmocka_unit_test(test_closing_answers_at_a_limited_rate),
		cmocka_unit_test(test_draining_is_silent),
		cmocka_unit_test(test_stateless_reset),
		cmocka_unit_test(test_nothing_works_after_closing),
		cmocka_unit_test(test_datagrams_out),
		cmocka_unit_test(test_datagrams_take_their_turn),
		cmocka_unit_test(test_session_tickets_are_swallowed),
		cmocka_unit_test(test_the_window_holds_and_probes_pass),
		cmocka_unit_test(test_nat_rebinding),
		cmocka_unit_test(test_an_outage_after_a_rebinding_ends_nothing),
		cmocka_unit_test(test_a_bottleneck_is_filled),
		cmocka_unit_test(test_no_records_of_frames_are_no_dead_end),
		cmocka_unit_test(test_a_small_log_is_no_dead_end),
		cmocka_unit_test(test_a_forged_address_is_left_again),
		cmocka_unit_test(test_answers_elsewhere_do_not_amplify),
		cmocka_unit_test(test_only_the_newest_packet_moves_the_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
