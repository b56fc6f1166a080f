/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One seed, from its beginning to its end: clients do as they like for a while; then the network
 * heals, nothing new is published, and all that is outstanding has to arrive; then the tracks end,
 * everybody leaves, and nothing may be left.
 */
#include <string.h>

#include "conn_internal.h"
#include "session_impl.h"
#include "sim.h"

#define SETTLE	 (25 * INLAY_S)	 /* the longest idle timeout, and what a backed-off PTO may take */
#define FAREWELL (120 * INLAY_S) /* three PTOs of a path that took seconds */

/* Answered, and all there. */
static bool is_through(struct sim *s, struct sim_sub *sub, bool tell)
{
	/* What waits for a stream of its own waits for others to end. */
	if (sub->request && sub->request->state == INLAY_MOQ_REQUEST_WAITING)
		return true;
	if (sub->request && !sub->ok && tell)
		sim_fail(s, "client %d: SUBSCRIBE for %s is not answered", sub->life->client->index,
			 sub->track->text);
	return (!sub->request || sub->ok) && sim_ledger_missing(s, sub, tell) == 0;
}

static bool is_settled(struct sim *s, bool tell)
{
	struct sim_life *life;
	struct sim_sub *sub;

	for (__u32 i = 0; i < s->plan.n_clients; i++)
		if (s->clients[i].state == SIM_CLIENT_DIALLING && !tell)
			return false;
	for (life = s->lives; life; life = life->next)
		for (sub = life->ended ? NULL : life->subs; sub; sub = sub->next)
			if (!is_through(s, sub, tell))
				return false;
	return true;
}

/* The last balance: of every subscription whose connection lived on. */
static void settle(struct sim *s)
{
	inlay_ns limit = s->now + SETTLE;

	s->calm = true;
	sim_trace(s, "--- calm");
	for (__u32 i = 0; i < s->plan.n_clients; i++) {
		sim_publisher_finish(&s->clients[i], false);
		sim_client_calm(&s->clients[i]);
	}
	while (sim_run(s, s->now + 100 * INLAY_MS) && s->now < limit && !is_settled(s, false))
		;
	if (!s->failed)
		is_settled(s, true);
}

static void check_empty(struct sim *s)
{
	struct inlay_endpoint_stats endpoint;
	struct inlay_relay_stats relay;

	inlay_endpoint_stats(s->node.ep, &endpoint);
	inlay_relay_stats(s->relay, &relay);
	if (endpoint.connections || endpoint.handshakes || relay.sessions_now)
		sim_fail(s, "%u connections and %llu sessions are left over", endpoint.connections,
			 (unsigned long long)relay.sessions_now);
	else if (relay.subscriptions_now || relay.upstreams_now || relay.namespaces_now ||
		 relay.streams_now || relay.tracks_now || relay.cache_bytes_now)
		sim_fail(s,
			 "left over: %llu subscriptions, %llu publishers, %llu namespaces, %llu "
			 "streams, %llu tracks, %llu bytes",
			 (unsigned long long)relay.subscriptions_now,
			 (unsigned long long)relay.upstreams_now,
			 (unsigned long long)relay.namespaces_now,
			 (unsigned long long)relay.streams_now,
			 (unsigned long long)relay.tracks_now,
			 (unsigned long long)relay.cache_bytes_now);
	else if (relay.malformed_tracks && !s->plan.malformed)
		sim_fail(s, "the relay calls a track malformed");
}

static bool is_empty(struct sim *s)
{
	struct inlay_endpoint_stats endpoint;
	struct inlay_relay_stats relay;

	inlay_endpoint_stats(s->node.ep, &endpoint);
	inlay_relay_stats(s->relay, &relay);
	return !endpoint.connections && !endpoint.handshakes && !relay.sessions_now &&
	       !relay.tracks_now;
}

static void farewell(struct sim *s)
{
	inlay_ns limit;

	sim_trace(s, "--- farewell");
	for (__u32 i = 0; i < s->plan.n_clients; i++)
		sim_publisher_finish(&s->clients[i], true);
	if (!sim_run(s, s->now + 3 * INLAY_S))
		return;
	for (__u32 i = 0; i < s->plan.n_clients; i++)
		sim_client_leave(&s->clients[i]);
	limit = s->now + FAREWELL;
	while (sim_run(s, s->now + 5 * INLAY_S) && s->now < limit && !is_empty(s))
		;
	if (!s->failed && sim_run(s, s->now + INLAY_S))
		check_empty(s);
}

static void sum_up(struct sim *s, struct sim_result *r)
{
	struct inlay_relay_stats stats;
	struct sim_life *life;
	struct sim_sub *sub;

	inlay_relay_stats(s->relay, &stats);
	memcpy(r->resets, stats.resets, sizeof(r->resets));
	for (life = s->lives; life; life = life->next)
		for (sub = life->subs; sub; sub = sub->next) {
			r->delivered += sub->n_complete;
			r->datagrams += sub->n_datagrams;
		}
	r->packets = s->watch.packets;
	r->published = s->published;
	r->shared = s->shared;
	r->connections = s->connections;
	r->steps = s->steps;
	r->media_bytes = s->media_bytes;
	r->fast_bytes = s->fast_bytes;
	r->time = s->now - s->began;
}

static void make_plan(struct sim_plan *p, __u64 seed, const struct sim_options *o)
{
	sim_plan_draw(p, seed);
	if (o->ample || o->steady || o->scarce)
		sim_plan_make_ample(p);
	if (o->scarce)
		sim_plan_make_scarce(p);
	if (o->steady)
		sim_plan_make_steady(p);
	if (o->forward)
		p->forward = o->forward > 0;
	if (o->verbose)
		sim_plan_print(p, stderr);
}

struct sim_result sim_seed(__u64 seed, struct sim_tls *tls, const struct sim_options *options,
			   struct sim_census *census)
{
	struct sim_result r = {0};
	struct sim_plan plan;
	struct sim *s;

	make_plan(&plan, seed, options);
	s = sim_new(&plan, seed, tls, options->verbose);
	if (plan.restart && sim_run(s, s->now + plan.restart))
		sim_restart(s);
	if (sim_run(s, s->began + plan.active))
		settle(s);
	if (census)
		sim_census_take(s, census);
	if (!s->failed)
		farewell(s);
	sum_up(s, &r);
	sim_close(s);
	r.copies = s->copies;
	r.refused = s->refused;
	memcpy(r.reasons, s->reasons, sizeof(r.reasons));
	r.failed = s->failed;
	memcpy(r.failure, s->failure, sizeof(r.failure));
	sim_free(s);
	return r;
}
