/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A long day: clients come and go, publish and subscribe, vanish, and handshakes are real for a
 * part of them. At every full hour all leave; then the tables are empty, and the heap is what it
 * was. 24 simulated hours with INLAY_FULL=1, else one, with a look each five minutes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <malloc.h>
#include <stdlib.h>

#include "endpoint_impl.h"
#include "log.h"
#include "sim.h"

#define SEED	    20240
#define LOOKS_SHORT 12
#define LOOKS_FULL  24
#define MINUTE	    (60 * INLAY_S)
#define SETTLED	    3	       /* the look that the later ones are held against */
#define MOST_GROWTH (24 << 10) /* bytes: tables that double once more */
#define DRAIN	    (180 * INLAY_S)

static void make_plan(struct sim_plan *p)
{
	sim_plan_draw(p, SEED);
	p->n_clients = SIM_CLIENTS;
	p->n_publishers = 3;
	p->n_tracks = 5;
	p->n_foreign = 2;
	p->handshakes = 20;
	p->retry = false;
	p->relay_endpoint.retry = false;
	p->pause = 4 * INLAY_S;
	p->harshness = 2;
	p->burst = 32;
	p->rivals = true;
	p->forgetful = true;
	p->relay.max_cache_age = 5 * INLAY_S;
	p->relay.cache.max_track_bytes = 256 << 10;
	p->relay.cache.max_bytes = 1 << 20;
	p->weights = (struct sim_weights){.subscribe = 20,
					  .unsubscribe = 6,
					  .update = 3,
					  .stall = 1,
					  .rebind = 1,
					  .migrate = 1,
					  .rotate = 1,
					  .key_update = 2,
					  .link = 2,
					  .outage = 1,
					  .leave = 4,
					  .vanish = 2,
					  .reset = 1,
					  .status = 2,
					  .retire = 1};
}

static bool is_empty(struct sim *s)
{
	struct inlay_relay_stats relay;

	for (__u32 i = 0; i < s->plan.n_clients; i++)
		if (s->clients[i].state != SIM_CLIENT_AWAY)
			return false;
	inlay_relay_stats(s->relay, &relay);
	return inlay_list_is_empty(&s->node.ep->all) && !relay.sessions_now && !relay.tracks_now;
}

/* Everybody leaves, as they can, and nobody comes. */
static void drain(struct sim *s)
{
	inlay_ns limit = s->now + DRAIN;

	s->calm = true;
	for (__u32 i = 0; i < s->plan.n_clients; i++)
		if (s->clients[i].state == SIM_CLIENT_AWAY)
			s->clients[i].next = INLAY_NEVER;
	while (s->now < limit && !is_empty(s) && sim_run(s, s->now + INLAY_S))
		for (__u32 i = 0; i < s->plan.n_clients; i++)
			sim_client_leave(&s->clients[i]);
	/* What lives on for what may still come. */
	sim_run(s, s->now + 30 * INLAY_S);
	if (!is_empty(s))
		sim_fail(s, "not empty, though all have left");
}

static void resume(struct sim *s)
{
	s->calm = false;
	for (__u32 i = 0; i < s->plan.n_clients; i++)
		s->clients[i].next = s->now + seeded_below(&s->rng, 10 * INLAY_S);
}

static void check_tables(struct sim *s)
{
	const struct inlay_demux *d = &s->node.ep->demux;
	struct inlay_relay_stats relay;

	inlay_relay_stats(s->relay, &relay);
	assert_int_equal(d->own.used + d->initial.used + d->tokens.used, 0);
	assert_int_equal(relay.namespaces_now + relay.subscriptions_now + relay.upstreams_now, 0);
	assert_int_equal(relay.streams_now + relay.cache_bytes_now, 0);
	assert_int_equal(relay.malformed_tracks, 0);
	sim_check_providers(s);
}

static size_t heap(struct sim *s)
{
	struct mallinfo2 m;

	sim_wire_trim(&s->wire);
	m = mallinfo2();
	return m.uordblks + m.hblkhd;
}

static void memory_is_flat_over_a_day_of_coming_and_going(void **state)
{
	bool full = getenv("INLAY_FULL");
	int looks = full ? LOOKS_FULL : LOOKS_SHORT;
	size_t bytes = 0, settled = 0;
	struct sim_plan plan;
	struct sim_tls *tls;
	struct sim *s;

	assert_int_equal(sim_tls_new(&tls), 0);
	make_plan(&plan);
	s = sim_new(&plan, SEED, tls, getenv("INLAY_VERBOSE") != NULL);
	for (int i = 1; i <= looks && !s->failed; i++) {
		resume(s);
		sim_run(s, s->now + (full ? 60 : 5) * MINUTE);
		drain(s);
		if (s->failed)
			break;
		check_tables(s);
		bytes = heap(s);
		if (i == SETTLED)
			settled = bytes;
		printf("# look %d: %llu connections, %llu objects, %llu packets, heap %zu bytes\n",
		       i, (unsigned long long)s->connections, (unsigned long long)s->published,
		       (unsigned long long)s->watch.packets, bytes);
		fflush(stdout);
	}
	if (s->failed)
		fail_msg("%s", s->failure);
	/* The sanitizers' own heap says nothing: their search for leaks does. */
	assert_true(bytes <= settled + MOST_GROWTH);
	assert_true(s->connections > 100 && s->published > 1000);
	sim_close(s);
	assert_false(s->failed);
	sim_free(s);
	sim_tls_free(tls);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_is_flat_over_a_day_of_coming_and_going),
	};

	inlay_log_set_level(INLAY_LOG_WARNING);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
