/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ECN and path MTU discovery in whole connections: over links that carry less than one hoped,
 * change in mid-flow, mark, bleach and drop; and with peers whose counts are made up.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "quic_pair.h"
#include "quic_solo.h"

#define MTU_MAX 1472

/* --- A server that sends, a client that takes ----------------------------------------------- */

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

static const struct inlay_conn_ops app = {.on_stream_data = swallow};
static const struct inlay_stream_source ones = {.read = read_ones};
static __u64 got;

static struct quic_pair_config link_config(__u64 seed)
{
	struct quic_pair_config c = quic_pair_defaults(seed);

	c.app = &app;
	c.params.initial_max_data = 4 << 20;
	c.params.initial_max_stream_data_uni = 4 << 20;
	c.params.max_datagram_frame_size = 1500;
	c.bytes_per_s = 2500000;
	c.queue_bytes = 2 << 20; /* more than is ever in flight */
	c.max_path_mtu = MTU_MAX;
	return c;
}

static struct quic_pair *start_pair(const struct quic_pair_config *config)
{
	struct quic_pair *p = quic_pair_new(config);

	got = 0;
	p->side[INLAY_CLIENT].app = p->side[INLAY_SERVER].app = &got;
	quic_pair_run(p, p->now + INLAY_S / 10);
	return p;
}

static struct inlay_conn *server_of(struct quic_pair *p)
{
	return p->side[INLAY_SERVER].conn;
}

/* |bytes| from server to client, in |limit| at the most. */
static void transfer(struct quic_pair *p, __u64 bytes, inlay_ns limit)
{
	struct inlay_conn *c = server_of(p);
	inlay_ns until = p->now + limit;
	__u64 id, before = got;

	assert_int_equal(inlay_conn_stream_open(c, false, 0, &ones, NULL, &id), 0);
	assert_int_equal(inlay_conn_stream_extend(c, id, bytes, true), 0);
	while (c->streams.n > 0 && p->now < until)
		quic_pair_step(p, until);
	if (c->streams.n > 0)
		print_error("%llu of %llu bytes in %llu ms\n", got - before, bytes,
			    limit / INLAY_MS);
	assert_true(got == before + bytes);
	assert_false(p->side[0].closed || p->side[1].closed);
}

/* As media flows: some now and some then, for |rounds| times 60 ms. */
static void trickle(struct quic_pair *p, int rounds)
{
	while (rounds-- > 0) {
		transfer(p, 10000, 5 * INLAY_S);
		quic_pair_run(p, p->now + 20 * INLAY_MS);
	}
}

static void stop_pair(struct quic_pair *p)
{
	assert_int_equal(p->side[0].refused, 0);
	assert_int_equal(p->side[1].refused, 0);
	quic_pair_free(p);
}

/* --- Path MTU ------------------------------------------------------------------------------- */

static void the_path_mtu_is_found_while_data_flows(void **state)
{
	static const __u32 mtus[] = {1200, 1231, 1300, 1404, 1472, 0};
	struct quic_pair_config config;
	struct quic_pair *p;
	unsigned int i;
	__u32 mtu;

	for (i = 0; i < INLAY_ARRAY_SIZE(mtus); i++) {
		config = link_config(1);
		config.mtu = mtus[i];
		p = start_pair(&config);
		trickle(p, 40);
		mtu = p->side[INLAY_SERVER].entry->path_mtu;
		if (mtus[i] == 0)
			assert_int_equal(mtu, MTU_MAX);
		else
			assert_true(mtu <= mtus[i] && mtu + INLAY_PMTU_GRAIN >= mtus[i]);
		assert_int_equal(server_of(p)->recovery.cc.mtu, mtu);
		/* Probes are all that was lost, and that said nothing of congestion. */
		assert_int_equal(server_of(p)->recovery.lost_pkts, server_of(p)->pmtu.probes_lost);
		assert_int_equal(p->side[INLAY_SERVER].link.too_large,
				 server_of(p)->pmtu.probes_lost);
		assert_true(server_of(p)->recovery.cc.recovery_start == 0);
		assert_true(server_of(p)->recovery.ptos == 0);
		stop_pair(p);
	}
}

static void the_peers_limit_is_never_passed(void **state)
{
	struct quic_pair_config config = link_config(2);
	struct quic_pair *p;

	config.params.max_udp_payload_size = 1399;
	p = start_pair(&config);
	transfer(p, 500000, 5 * INLAY_S);
	assert_int_equal(p->side[INLAY_SERVER].entry->path_mtu, 1399);
	assert_int_equal(server_of(p)->pmtu.probes_lost, 0);
	stop_pair(p);
}

static void without_a_bound_nothing_is_probed(void **state)
{
	struct quic_pair_config config = link_config(3);
	struct quic_pair *p;

	config.max_path_mtu = 0;
	p = start_pair(&config);
	transfer(p, 500000, 5 * INLAY_S);
	assert_int_equal(server_of(p)->pmtu.probes_sent, 0);
	assert_int_equal(p->side[INLAY_SERVER].entry->path_mtu, 1200);
	stop_pair(p);
}

/* A route changes: full packets vanish. */
static void a_path_that_shrinks_in_mid_flow_is_found_out(void **state)
{
	static const __u32 after[] = {1200, 1280, 1400};
	struct quic_pair_config config;
	struct quic_pair *p;
	unsigned int i;
	__u32 mtu;

	for (i = 0; i < INLAY_ARRAY_SIZE(after); i++) {
		config = link_config(4);
		p = start_pair(&config);
		transfer(p, 1000000, 5 * INLAY_S);
		assert_int_equal(p->side[INLAY_SERVER].entry->path_mtu, MTU_MAX);
		p->config.mtu = after[i];
		transfer(p, 1000000, 10 * INLAY_S);
		trickle(p, 40);
		mtu = p->side[INLAY_SERVER].entry->path_mtu;
		assert_true(mtu <= after[i] && mtu + INLAY_PMTU_GRAIN >= after[i]);
		assert_int_equal(server_of(p)->pmtu.black_holes, 1);
		/* It grows again: seen after ten minutes, not before. */
		p->config.mtu = 0;
		p->config.params.max_idle_timeout = 0;
		transfer(p, 500000, 5 * INLAY_S);
		assert_int_equal(p->side[INLAY_SERVER].entry->path_mtu, mtu);
		server_of(p)->pmtu.raise_at = p->now;
		transfer(p, 500000, 5 * INLAY_S);
		assert_int_equal(p->side[INLAY_SERVER].entry->path_mtu, MTU_MAX);
		stop_pair(p);
	}
}

/* Every 10 ms one full packet and, on a stream that goes first, a small one. */
static void a_black_hole_is_found_by_what_passes_beside_it(void **state)
{
	struct quic_pair_config config = link_config(5);
	static const __u8 small[700], large[1300];
	struct inlay_datagram_order order = {0};
	struct quic_pair *p;
	inlay_ns fell = 0;
	int i;

	p = start_pair(&config);
	transfer(p, 1000000, 5 * INLAY_S);
	p->config.mtu = 1250;
	for (i = 0; i < 200 && !fell; i++) {
		assert_int_equal(inlay_conn_datagram(server_of(p), &order, large, sizeof(large)),
				 0);
		assert_int_equal(inlay_conn_datagram(server_of(p), &order, small, sizeof(small)),
				 0);
		quic_pair_run(p, p->now + 10 * INLAY_MS);
		if (server_of(p)->pmtu.black_holes)
			fell = (__u64)(i + 1) * 10 * INLAY_MS;
	}
	/* Acknowledgements never stopped: no timer told. */
	assert_true(server_of(p)->recovery.ptos == 0);
	assert_in_range(fell / INLAY_MS, 50, 500);
	/* Base first, what there is to be found soon. */
	assert_int_equal(inlay_conn_datagram(server_of(p), &order, large, sizeof(large)),
			 -EMSGSIZE);
	trickle(p, 40);
	assert_in_range(p->side[INLAY_SERVER].entry->path_mtu, 1234, 1250);
	stop_pair(p);
}

static void datagrams_that_fit_no_more_are_dropped_and_counted(void **state)
{
	struct quic_pair_config config = link_config(6);
	struct inlay_datagram_order order = {0};
	struct inlay_conn_stats st;
	static __u8 data[1500];
	struct quic_pair *p;
	__u64 dropped;
	size_t most;
	int i, n;

	p = start_pair(&config);
	transfer(p, 200000, 5 * INLAY_S);
	most = inlay_conn_max_datagram(server_of(p));
	assert_in_range(most, 1400, 1472);
	inlay_conn_stats(server_of(p), &st);
	dropped = st.datagrams_dropped;
	/* More than the window takes wait when the path falls silent, and shrinks. */
	p->blackhole = true;
	inlay_cc_on_persistent(&server_of(p)->recovery.cc);
	inlay_recovery_set_limits(&server_of(p)->recovery, p->now);
	for (n = 0; n < 20; n++)
		assert_int_equal(inlay_conn_datagram(server_of(p), &order, data, most), 0);
	for (i = 0; i < 5; i++)
		assert_int_equal(inlay_conn_datagram(server_of(p), &order, data, 1100), 0);
	quic_pair_run(p, p->now + 2 * INLAY_S);
	assert_int_equal(p->side[INLAY_SERVER].entry->path_mtu, 1200);
	assert_true(inlay_conn_max_datagram(server_of(p)) < 1200);
	p->blackhole = false;
	quic_pair_run(p, p->now + 5 * INLAY_S);
	inlay_conn_stats(server_of(p), &st);
	assert_in_range(st.datagrams_dropped - dropped, 5, 20);
	assert_int_equal(st.datagrams_sent + st.datagrams_dropped - dropped, 25);
	assert_true(inlay_list_is_empty(&server_of(p)->datagrams.queue));
	stop_pair(p);
}

/* ... at once, and not only when a packet has nothing else in it: others wait behind. */
static void a_datagram_that_fits_no_more_holds_nobody_up(void **state)
{
	static const __u8 data[1300], pings[2] = {0x01, 0x01};
	struct inlay_datagram_order order = {0};
	struct inlay_quic_clear clear = {0};
	struct inlay_quic_frame f;
	__u8 room[INLAY_FRAME_MAX];
	struct solo s;

	solo_init(&s, INLAY_CLIENT);
	s.handover.peer.max_datagram_frame_size = 1500;
	s.entry.path_mtu = 1400;
	assert_true(solo_start(&s));
	solo_drain(&s);
	assert_int_equal(inlay_conn_datagram(s.conn, &order, data, sizeof(data)), 0);
	assert_int_equal(inlay_conn_datagram(s.conn, &order, data, 50), 0);
	assert_true(inlay_pmtu_on_ptos(&s.conn->pmtu, INLAY_PMTU_PTOS, s.entry.next_pn));
	inlay_conn_note_mtu(s.conn);
	solo_recv(&s, pings, 1);
	solo_recv(&s, pings, 2);
	assert_true(solo_send(&s, room, &clear));
	assert_false(inlay_quic_frame_parse(&clear.frames, &f));
	assert_int_equal(f.type, INLAY_QUIC_ACK);
	assert_false(inlay_quic_frame_parse(&clear.frames, &f));
	assert_int_equal(f.type, INLAY_QUIC_DATAGRAM);
	assert_int_equal(f.bytes.len, 50);
	assert_int_equal(s.conn->stats.datagrams_dropped, 1);
	solo_stop(&s);
}

static void a_silent_connection_sends_no_probes_and_times_out(void **state)
{
	struct quic_pair_config config = link_config(7);
	struct quic_pair *p;
	__u64 probes;
	inlay_ns end;

	config.mtu = 1300;
	p = start_pair(&config);
	transfer(p, 20000, 5 * INLAY_S);
	quic_pair_run(p, p->now + 2 * INLAY_S);
	probes = server_of(p)->pmtu.probes_sent;
	assert_true(server_of(p)->pmtu.probe != 0); /* the search is not over */
	end = p->now + 30 * INLAY_S;
	quic_pair_run(p, end);
	assert_int_equal(server_of(p)->pmtu.probes_sent, probes);
	assert_true(p->side[0].closed && p->side[0].why.idle);
	stop_pair(p);
}

/* The client moves to another network: nothing that was found out holds there. */
static void another_path_is_measured_anew_once_it_is_validated(void **state)
{
	struct quic_pair_config config = link_config(8);
	struct quic_pair *p = start_pair(&config);
	struct quic_pair_side *client = &p->side[INLAY_CLIENT];
	static const __u8 hello[10];
	__u64 id;

	transfer(p, 1000000, 5 * INLAY_S);
	assert_int_equal(p->side[INLAY_SERVER].entry->path_mtu, MTU_MAX);
	assert_int_equal(p->side[INLAY_SERVER].entry->ecn, INLAY_ECN_ECT0);
	client->outside.ip[3] = 77;
	p->config.mtu = 1280;
	assert_int_equal(inlay_conn_stream_open(client->conn, false, 0, NULL, NULL, &id), 0);
	assert_int_equal(inlay_conn_stream_write(client->conn, id, hello, sizeof(hello), true), 0);
	while (inlay_paths_current(&server_of(p)->paths)->validated)
		quic_pair_step(p, p->now + INLAY_S);
	/* Until then nothing conspicuous goes there. */
	p->side[INLAY_SERVER].link.too_large = 0;
	memset(p->side[INLAY_SERVER].sent_ecn, 0, sizeof(p->side[INLAY_SERVER].sent_ecn));
	while (!inlay_paths_current(&server_of(p)->paths)->validated)
		quic_pair_step(p, p->now + INLAY_S);
	assert_int_equal(p->side[INLAY_SERVER].link.too_large, 0);
	assert_int_equal(p->side[INLAY_SERVER].sent_ecn[INLAY_ECN_ECT0], 0);
	assert_int_equal(p->side[INLAY_SERVER].entry->path_mtu, 1200);
	assert_int_equal(p->side[INLAY_SERVER].entry->ecn, INLAY_ECN_NOT_ECT);
	assert_int_equal(server_of(p)->ecn.state, INLAY_ECN_TESTING);
	trickle(p, 40);
	assert_int_equal(p->side[INLAY_SERVER].entry->path_mtu, 1280);
	assert_int_equal(p->side[INLAY_SERVER].entry->ecn, INLAY_ECN_ECT0);
	stop_pair(p);
}

/* Data goes to a path in doubt as far as it may, but neither probes nor marks do. */
static void a_path_that_is_not_validated_gets_nothing_conspicuous(void **state)
{
	struct quic_pair_config config = link_config(9);
	struct quic_pair_side *client, *server;
	__u64 probes, marked, sent, during = 0, id;
	struct quic_pair *p;
	int i;

	config.mtu = 1300;
	config.bytes_per_s = 250000;
	p = start_pair(&config);
	client = &p->side[INLAY_CLIENT];
	server = &p->side[INLAY_SERVER];
	for (i = 0; i < 2; i++) {
		struct inlay_conn *c = p->side[i].conn;

		assert_int_equal(inlay_conn_stream_open(c, false, 0, &ones, NULL, &id), 0);
		assert_int_equal(inlay_conn_stream_extend(c, id, 4 << 20, false), 0);
	}
	for (i = 0; i < 8; i++) {
		quic_pair_run(p, p->now + 100 * INLAY_MS);
		client->outside.port++;
		while (inlay_paths_current(&server->conn->paths)->fits)
			quic_pair_step(p, p->now + INLAY_S);
		probes = server->conn->pmtu.probes_sent;
		marked = server->sent_ecn[INLAY_ECN_ECT0];
		sent = server->sent;
		while (!inlay_paths_current(&server->conn->paths)->fits) {
			assert_int_equal(server->conn->pmtu.probes_sent, probes);
			assert_int_equal(server->sent_ecn[INLAY_ECN_ECT0], marked);
			during += server->sent - sent;
			sent = server->sent;
			quic_pair_step(p, p->now + INLAY_S);
		}
	}
	assert_true(during > 50);
	assert_true(server->conn->pmtu.probes_sent > 0);
	assert_int_equal(server->conn->ecn.state, INLAY_ECN_CAPABLE);
	stop_pair(p);
}

/* --- ECN ------------------------------------------------------------------------------------ */

static void a_queue_that_marks_is_kept_short_without_a_loss(void **state)
{
	struct quic_pair_config config = link_config(11);
	struct inlay_conn *c;
	struct quic_pair *p;

	config.queue_bytes = 200000;
	config.mark_bytes = 50000;
	p = start_pair(&config);
	c = server_of(p);
	transfer(p, 10000000, 6 * INLAY_S); /* 4 s at the least */
	assert_int_equal(c->ecn.state, INLAY_ECN_CAPABLE);
	assert_true(p->side[INLAY_SERVER].link.marked > 0);
	assert_int_equal(c->ecn.counts.ce, p->side[INLAY_SERVER].link.marked);
	assert_int_equal(p->side[INLAY_SERVER].link.overflowed, 0);
	assert_int_equal(c->recovery.lost_pkts, c->pmtu.probes_lost);
	assert_true(c->recovery.cc.cwnd < 250000);
	stop_pair(p);

	/* Without ECN the same queue fills up until it overflows. */
	config.no_ecn = true;
	p = start_pair(&config);
	transfer(p, 10000000, 10 * INLAY_S);
	assert_int_equal(p->side[INLAY_SERVER].sent_ecn[INLAY_ECN_ECT0], 0);
	assert_true(p->side[INLAY_SERVER].link.overflowed > 0);
	assert_int_equal(p->side[INLAY_SERVER].link.marked, 0);
	stop_pair(p);
}

static void bleached_marks_end_marking(void **state)
{
	struct quic_pair_config config = link_config(12);
	struct quic_pair *p;
	int i;

	config.bleach_ecn = true;
	p = start_pair(&config);
	transfer(p, 1000000, 5 * INLAY_S);
	for (i = 0; i < 2; i++) {
		assert_int_equal(p->side[i].conn->ecn.state, INLAY_ECN_FAILED);
		assert_true(p->side[i].sent_ecn[INLAY_ECN_ECT0] <= INLAY_ECN_TEST_PKTS);
		assert_int_equal(p->side[i].entry->ecn, INLAY_ECN_NOT_ECT);
	}
	assert_int_equal(server_of(p)->recovery.lost_pkts, server_of(p)->pmtu.probes_lost);
	stop_pair(p);
}

static void bleaching_that_begins_later_is_seen_as_well(void **state)
{
	struct quic_pair_config config = link_config(13);
	struct quic_pair *p = start_pair(&config);

	transfer(p, 500000, 5 * INLAY_S);
	assert_int_equal(server_of(p)->ecn.state, INLAY_ECN_CAPABLE);
	p->config.bleach_ecn = true;
	transfer(p, 500000, 5 * INLAY_S);
	assert_int_equal(server_of(p)->ecn.state, INLAY_ECN_FAILED);
	stop_pair(p);
}

static void a_path_that_drops_marked_packets_is_used_without_marks(void **state)
{
	struct quic_pair_config config = link_config(14);
	struct quic_pair *p;

	config.drop_ect = true;
	p = start_pair(&config);
	transfer(p, 1000000, 10 * INLAY_S);
	assert_int_equal(server_of(p)->ecn.state, INLAY_ECN_FAILED);
	assert_true(p->side[INLAY_SERVER].sent_ecn[INLAY_ECN_ECT0] <= INLAY_ECN_TEST_PKTS);
	stop_pair(p);
}

static void marked_packets_that_are_dropped_from_now_on_are_no_dead_end(void **state)
{
	struct quic_pair_config config = link_config(15);
	struct quic_pair *p = start_pair(&config);

	transfer(p, 500000, 5 * INLAY_S);
	assert_int_equal(server_of(p)->ecn.state, INLAY_ECN_CAPABLE);
	p->config.drop_ect = true;
	transfer(p, 500000, 20 * INLAY_S);
	assert_int_equal(server_of(p)->ecn.state, INLAY_ECN_FAILED);
	stop_pair(p);
}

/* Loss, duplicates and reordering, of ACKs too, are no reason to distrust. */
static void bad_links_do_not_make_validation_fail(void **state)
{
	unsigned int capable = 0;
	__u64 seed;
	int i;

	for (seed = 20; seed < 40; seed++) {
		struct quic_pair_config config = link_config(seed);
		struct quic_pair *p;

		config.jitter = (seed % 3) * 15 * INLAY_MS;
		config.loss_pct = seed % 4;
		config.dup_pct = (seed % 5) * 5;
		config.mark_bytes = seed % 2 ? 20000 : 0;
		config.ring_delay = seed % 3 * INLAY_MS;
		p = start_pair(&config);
		transfer(p, 300000, 60 * INLAY_S);
		for (i = 0; i < 2; i++) {
			assert_int_not_equal(p->side[i].conn->ecn.state, INLAY_ECN_FAILED);
			capable += p->side[i].conn->ecn.state == INLAY_ECN_CAPABLE;
		}
		assert_int_equal(p->side[INLAY_SERVER].entry->path_mtu, MTU_MAX);
		stop_pair(p);
	}
	assert_true(capable >= 38);
}

/* RFC 9000 section 14: what a peer sends, and what we were told, need not be the same size. */
static void a_datagram_larger_than_we_take_closes_nothing(void **state)
{
	static __u8 frames[1400] = {0x01};
	struct solo s;

	solo_init(&s, INLAY_CLIENT);
	s.handover.own.max_udp_payload_size = 1200;
	assert_true(solo_start(&s));
	solo_recv(&s, frames, sizeof(frames));
	solo_recv(&s, frames, 1);
	assert_false(s.closed);
	assert_true(inlay_acks_is_due(&s.conn->acks, s.now));
	solo_stop(&s);
}

/* --- What we report ------------------------------------------------------------------------- */

static const __u8 ping = 0x01;

static void recv_marked(struct solo *s, __u64 pn, __u8 ecn)
{
	solo_recv_as(s, &s->handover.own_cid, pn, (__u8)(ecn << INLAY_DESC_ECN_SHIFT), &ping, 1);
}

static void marks_are_counted_once_and_reported_in_every_ack(void **state)
{
	struct inlay_quic_frame f = {0};
	struct solo s;
	__u64 pn;

	solo_init(&s, INLAY_CLIENT);
	assert_true(solo_start(&s));
	recv_marked(&s, 0, INLAY_ECN_NOT_ECT);
	recv_marked(&s, 1, INLAY_ECN_NOT_ECT);
	assert_int_equal(solo_find(&s, INLAY_QUIC_ACK, &f), 1);
	assert_false(f.ack.has_ecn);
	for (pn = 2; pn < 8; pn++)
		recv_marked(&s, pn, INLAY_ECN_ECT0);
	recv_marked(&s, 8, INLAY_ECN_ECT1);
	recv_marked(&s, 9, INLAY_ECN_CE);
	/* Duplicates, whatever their mark. */
	recv_marked(&s, 3, INLAY_ECN_CE);
	recv_marked(&s, 9, INLAY_ECN_CE);
	assert_int_equal(solo_find(&s, INLAY_QUIC_ACK, &f), 1);
	assert_true(f.ack.has_ecn);
	assert_int_equal(f.ack.ecn.ect0, 6);
	assert_int_equal(f.ack.ecn.ect1, 1);
	assert_int_equal(f.ack.ecn.ce, 1);
	/* And from then on always. */
	recv_marked(&s, 10, INLAY_ECN_NOT_ECT);
	recv_marked(&s, 11, INLAY_ECN_NOT_ECT);
	assert_int_equal(solo_find(&s, INLAY_QUIC_ACK, &f), 1);
	assert_true(f.ack.has_ecn);
	assert_int_equal(f.ack.ecn.ect0, 6);
	solo_stop(&s);
}

static void a_congestion_mark_is_acknowledged_at_once(void **state)
{
	struct inlay_quic_frame f = {0};
	struct solo s;

	solo_init(&s, INLAY_CLIENT);
	assert_true(solo_start(&s));
	recv_marked(&s, 0, INLAY_ECN_ECT0);
	solo_drain(&s);
	recv_marked(&s, 1, INLAY_ECN_ECT0);
	recv_marked(&s, 2, INLAY_ECN_ECT0);
	solo_drain(&s);
	recv_marked(&s, 3, INLAY_ECN_CE);
	assert_int_equal(solo_find(&s, INLAY_QUIC_ACK, &f), 1);
	assert_int_equal(f.ack.ecn.ce, 1);
	solo_stop(&s);
}

/* --- What we are told ----------------------------------------------------------------------- */

/* The peer acknowledges [0, next_pn) with these counts. */
static void ack_with(struct solo *s, const struct inlay_quic_ecn_counts *counts)
{
	struct inlay_quic_range range = {0, s->entry.next_pn};
	__u8 frame[128];
	struct inlay_writer w = inlay_writer_of(frame, sizeof(frame));

	assert_int_equal(inlay_quic_put_ack(&w, &range, 1, 0, counts), 1);
	solo_recv(s, frame, inlay_writer_len(&w));
}

static unsigned int send_some(struct solo *s)
{
	static __u8 data[300];
	unsigned int marked = 0;
	__u64 pn, first = s->entry.next_pn, id;

	assert_int_equal(inlay_conn_stream_open(s->conn, false, 0, NULL, NULL, &id), 0);
	assert_int_equal(inlay_conn_stream_write(s->conn, id, data, sizeof(data), true), 0);
	solo_drain(s);
	for (pn = first; pn < s->entry.next_pn; pn++)
		marked += (s->log[pn % SOLO_LOG].flags & INLAY_SENT_ECN) != 0;
	return marked;
}

static void a_peer_that_lies_about_marks_is_kept_but_not_believed(void **state)
{
	static const struct inlay_quic_ecn_counts lies[] = {
		{.ect0 = 100}, {.ect1 = 1}, {0}, {.ce = 1ULL << 61}, {.ect0 = 1, .ect1 = 100},
	};
	unsigned int i, marked;
	struct solo s;
	__u64 cwnd;

	for (i = 0; i < INLAY_ARRAY_SIZE(lies); i++) {
		solo_init(&s, INLAY_CLIENT);
		s.ops.random = NULL; /* no numbers skipped */
		assert_true(solo_start(&s));
		marked = send_some(&s);
		assert_true(marked > 0);
		cwnd = s.conn->recovery.cc.cwnd;
		ack_with(&s, &lies[i]);
		assert_false(s.closed);
		assert_int_equal(s.conn->ecn.state, INLAY_ECN_FAILED);
		assert_true(s.conn->recovery.cc.cwnd >= cwnd);
		assert_int_equal(send_some(&s), 0);
		solo_stop(&s);
	}
}

static void congestion_marks_shrink_the_window_once_a_round_trip(void **state)
{
	unsigned int marked;
	struct solo s;
	__u64 cwnd;

	solo_init(&s, INLAY_CLIENT);
	s.ops.random = NULL;
	assert_true(solo_start(&s));
	marked = send_some(&s);
	s.now += 100 * INLAY_MS;
	ack_with(&s, &(struct inlay_quic_ecn_counts){.ect0 = marked});
	assert_int_equal(s.conn->ecn.state, INLAY_ECN_CAPABLE);
	marked += send_some(&s);
	marked += send_some(&s);
	cwnd = s.conn->recovery.cc.cwnd;
	s.now += 100 * INLAY_MS;
	ack_with(&s, &(struct inlay_quic_ecn_counts){.ect0 = marked - 1, .ce = 1});
	assert_true(s.conn->recovery.cc.cwnd < cwnd);
	assert_int_equal(s.conn->recovery.lost_pkts, 0);
	/* Sent before that was known: says nothing new. */
	cwnd = s.conn->recovery.cc.cwnd;
	s.now -= INLAY_MS;
	marked += send_some(&s);
	s.now += 100 * INLAY_MS;
	ack_with(&s, &(struct inlay_quic_ecn_counts){.ect0 = marked - 2, .ce = 2});
	assert_true(s.conn->recovery.cc.cwnd == cwnd);
	assert_int_equal(s.conn->ecn.state, INLAY_ECN_CAPABLE);
	solo_stop(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_path_mtu_is_found_while_data_flows),
		cmocka_unit_test(the_peers_limit_is_never_passed),
		cmocka_unit_test(without_a_bound_nothing_is_probed),
		cmocka_unit_test(a_path_that_shrinks_in_mid_flow_is_found_out),
		cmocka_unit_test(a_black_hole_is_found_by_what_passes_beside_it),
		cmocka_unit_test(datagrams_that_fit_no_more_are_dropped_and_counted),
		cmocka_unit_test(a_datagram_that_fits_no_more_holds_nobody_up),
		cmocka_unit_test(a_silent_connection_sends_no_probes_and_times_out),
		cmocka_unit_test(another_path_is_measured_anew_once_it_is_validated),
		cmocka_unit_test(a_path_that_is_not_validated_gets_nothing_conspicuous),
		cmocka_unit_test(a_queue_that_marks_is_kept_short_without_a_loss),
		cmocka_unit_test(bleached_marks_end_marking),
		cmocka_unit_test(bleaching_that_begins_later_is_seen_as_well),
		cmocka_unit_test(a_path_that_drops_marked_packets_is_used_without_marks),
		cmocka_unit_test(marked_packets_that_are_dropped_from_now_on_are_no_dead_end),
		cmocka_unit_test(bad_links_do_not_make_validation_fail),
		cmocka_unit_test(a_datagram_larger_than_we_take_closes_nothing),
		cmocka_unit_test(marks_are_counted_once_and_reported_in_every_ack),
		cmocka_unit_test(a_congestion_mark_is_acknowledged_at_once),
		cmocka_unit_test(a_peer_that_lies_about_marks_is_kept_but_not_believed),
		cmocka_unit_test(congestion_marks_shrink_the_window_once_a_round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
