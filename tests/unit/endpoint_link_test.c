/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ECN and path MTU discovery between our endpoint and unmodified libngtcp2, each as the client and
 * as the server: ours towards it, and its own towards us.
 */
#include <arpa/inet.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <setjmp.h>

#include <cmocka.h>

#include "conn_internal.h"
#include "endpoint_impl.h"
#include "endpoint_tls.h"

struct run {
	struct world *w;
	struct node *ours, *peer;
	bool dial;     /* we are the client */
	bool no_pmtud; /* libngtcp2 does not */
	size_t bytes;  /* of each stream; 0: 150,000 */
};

static struct app *our_app(const struct run *r)
{
	return r->dial ? &r->ours->app : r->ours->accepted[0];
}

static const struct app *initiator(const struct run *r)
{
	return r->dial ? &r->ours->app : &r->peer->app;
}

static struct inlay_conn *our_conn(const struct run *r)
{
	return inlay_ep_conn_get(our_app(r)->ours);
}

static __u64 peers_mtu(const struct run *r)
{
	struct inlay_peer_stats st;

	inlay_peer_stats(r->peer->peer, &st);
	return st.path_mtu;
}

static void start(struct run *r, bool dial, __u64 seed, bool no_ecn)
{
	struct inlay_peer_config peer = {.no_pmtud = r->no_pmtud};
	struct inlay_endpoint_config config;
	struct app sender = {.initiator = true, .n_streams = 12, .n_datagrams = 20};

	sender.bytes = r->bytes ? r->bytes : 150000;
	r->w = world_new(seed);
	r->dial = dial;
	inlay_endpoint_config_init(&config);
	config.no_ecn = no_ecn;
	/* As many round trips as discovery takes. */
	config.params.initial_max_data = 100000;
	peer.params.initial_max_data = 100000;
	config.tls = dial ? NULL : endpoint_tls_server(&tls, 0);
	r->ours = world_add_endpoint(r->w, OURS, &config, 4);
	endpoint_tls_peer(&tls, &peer, dial);
	r->peer =
		world_add_peer(r->w, PEER, dial ? 0 : OURS, peer, dial ? (struct app){0} : sender);
	if (dial)
		assert_int_equal(world_connect(r->ours, PEER, endpoint_tls_client(&tls, 0),
					       "localhost", sender),
				 0);
}

static bool is_over(struct world *w, void *user)
{
	const struct run *r = user;

	return app_is_done(initiator(r), true) || r->peer->app.closed || r->ours->n_failed > 0;
}

static void transfer(struct run *r)
{
	bool over = world_run(r->w, is_over, r, 60 * INLAY_S);

	assert_int_equal(r->ours->n_failed, 0);
	if (r->peer->app.closed)
		print_error("closed: by peer %d code %llu %s\n", r->peer->app.why.by_peer,
			    r->peer->app.why.code,
			    r->peer->app.why.idle ? "idle" : r->peer->app.why.text);
	assert_false(r->peer->app.closed || our_app(r)->closed);
	assert_true(over);
	assert_true(app_is_done(initiator(r), true));
	assert_int_equal(r->peer->app.wrong + our_app(r)->wrong, 0);
	assert_int_equal(r->ours->seal_refused + r->ours->open_refused, 0);
}

static void both_ends_find_what_the_path_carries(void **state)
{
	/* Ours to 16 bytes; ngtcp2 knows 1232, 1342, 1406 and 1444, and is told 1400 here. */
	static const struct {
		__u32 mtu, least, most, peer;
	} paths[] = {{0, 1472, 1472, 1342},
		     {1452, 1452, 1452, 1342},
		     {1300, 1284, 1300, 1232},
		     {1200, 1200, 1200, 1200}};
	struct run r = {.bytes = 250000};

	for (unsigned int i = 0; i < 2 * INLAY_ARRAY_SIZE(paths); i++) {
		start(&r, i % 2, i + 1, false);
		r.w->mtu = paths[i / 2].mtu;
		transfer(&r);
		assert_in_range(our_app(&r)->ours->entry->path_mtu, paths[i / 2].least,
				paths[i / 2].most);
		assert_int_equal(peers_mtu(&r), paths[i / 2].peer);
		/* Probes are what did not pass, at each end. */
		assert_int_equal(our_conn(&r)->recovery.lost_pkts, our_conn(&r)->pmtu.probes_lost);
		world_free(r.w);
	}
}

static void a_path_that_shrinks_under_libngtcp2_is_survived(void **state)
{
	struct run r = {.bytes = 250000, .no_pmtud = true};

	for (int dial = 0; dial < 2; dial++) {
		start(&r, dial, 11, false);
		while (!our_app(&r) || !our_app(&r)->ours ||
		       our_app(&r)->ours->entry->path_mtu < 1472)
			assert_true(world_step(r.w, r.w->now + INLAY_S));
		r.w->mtu = 1260;
		transfer(&r);
		assert_in_range(our_app(&r)->ours->entry->path_mtu, 1200, 1260);
		assert_true(our_conn(&r)->pmtu.black_holes > 0);
		world_free(r.w);
	}
}

static void marks_are_agreed_upon_in_both_directions(void **state)
{
	struct run r = {0};

	for (int dial = 0; dial < 2; dial++) {
		start(&r, dial, 21, false);
		transfer(&r);
		assert_int_equal(our_conn(&r)->ecn.state, INLAY_ECN_CAPABLE);
		assert_true(r.ours->sent_ecn[INLAY_ECN_ECT0] > r.ours->sent / 2);
		/* libngtcp2 believes our counts, or it would have stopped after some ten. */
		assert_true(r.peer->sent_ecn[INLAY_ECN_ECT0] > r.peer->sent / 2);
		assert_int_equal(our_conn(&r)->ecn.counts.ce, 0);
		world_free(r.w);
	}
}

static void congestion_marks_are_heard_in_both_directions(void **state)
{
	struct inlay_peer_stats clean, st;
	struct run r = {0};
	__u64 cwnd;

	for (int dial = 0; dial < 2; dial++) {
		start(&r, dial, 31, false);
		transfer(&r);
		cwnd = our_conn(&r)->recovery.cc.cwnd;
		inlay_peer_stats(r.peer->peer, &clean);
		world_free(r.w);
		start(&r, dial, 31, false);
		r.w->mark = 50;
		transfer(&r);
		assert_int_equal(our_conn(&r)->ecn.state, INLAY_ECN_CAPABLE);
		assert_true(our_conn(&r)->ecn.counts.ce > 0);
		assert_true(our_conn(&r)->acks.ecn.ce > 0);
		assert_true(r.peer->sent_ecn[INLAY_ECN_ECT0] > r.peer->sent / 2);
		/* Nothing was lost, but both hold back. */
		assert_int_equal(our_conn(&r)->recovery.lost_pkts, our_conn(&r)->pmtu.probes_lost);
		inlay_peer_stats(r.peer->peer, &st);
		assert_true(our_conn(&r)->recovery.cc.cwnd < cwnd / 2);
		assert_true(st.cwnd < clean.cwnd / 2);
		world_free(r.w);
	}
}

static void where_marks_are_bleached_both_stop_marking(void **state)
{
	struct run r = {0};

	for (int dial = 0; dial < 2; dial++) {
		start(&r, dial, 41, false);
		r.w->bleach_ecn = true;
		transfer(&r);
		assert_int_equal(our_conn(&r)->ecn.state, INLAY_ECN_FAILED);
		assert_true(r.ours->sent_ecn[INLAY_ECN_ECT0] <= 2 * INLAY_ECN_TEST_PKTS);
		assert_true(r.peer->sent_ecn[INLAY_ECN_ECT0] <= 2 * INLAY_ECN_TEST_PKTS);
		world_free(r.w);
	}
}

static void switched_off_marks_are_neither_sent_nor_reported(void **state)
{
	struct run r = {0};

	for (int dial = 0; dial < 2; dial++) {
		start(&r, dial, 51, true);
		transfer(&r);
		assert_int_equal(r.ours->sent_ecn[INLAY_ECN_ECT0], 0);
		assert_true(r.peer->sent_ecn[INLAY_ECN_ECT0] <= 2 * INLAY_ECN_TEST_PKTS);
		world_free(r.w);
	}
}

static void a_bad_link_is_no_reason_to_distrust_libngtcp2(void **state)
{
	unsigned int capable = 0;
	struct run r = {0};

	for (__u64 seed = 61; seed < 73; seed++) {
		start(&r, seed % 2, seed, false);
		r.w->loss = 20;
		r.w->reorder = 50;
		r.w->repeat = 20;
		r.w->mark = 20;
		transfer(&r);
		assert_int_not_equal(our_conn(&r)->ecn.state, INLAY_ECN_FAILED);
		capable += our_conn(&r)->ecn.state == INLAY_ECN_CAPABLE;
		assert_int_equal(our_app(&r)->ours->entry->path_mtu, 1472);
		world_free(r.w);
	}
	assert_int_equal(capable, 12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_ends_find_what_the_path_carries),
		cmocka_unit_test(a_path_that_shrinks_under_libngtcp2_is_survived),
		cmocka_unit_test(marks_are_agreed_upon_in_both_directions),
		cmocka_unit_test(congestion_marks_are_heard_in_both_directions),
		cmocka_unit_test(where_marks_are_bleached_both_stop_marking),
		cmocka_unit_test(switched_off_marks_are_neither_sent_nor_reported),
		cmocka_unit_test(a_bad_link_is_no_reason_to_distrust_libngtcp2),
	};

	return cmocka_run_group_tests(tests, endpoint_tls_set_up, endpoint_tls_tear_down);
}
