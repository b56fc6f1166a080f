/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The learner itself: what comes in is checked and handed on, what has run out ends, and what is
 * known can be looked at. Rules and reasons: learner.h.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "learner_impl.h"

enum {
	DEFAULT_ALLOCATIONS = 8192,
	DEFAULT_TRANSACTIONS = 65536,
	DEFAULT_PORT = 3478, /* RFC 8656 section 17 */
};

__u64 inlay_learner_hash(const struct inlay_turn_learner *l, const void *data, size_t len)
{
	return inlay_siphash(&l->key, data, len);
}

bool inlay_learner_is_port(const struct inlay_turn_learner *l, __be16 port)
{
	for (size_t i = 0; i < l->config.n_ports; i++)
		if (l->ports[i] == ntohs(port))
			return true;
	return false;
}

int inlay_learner_reserve(struct inlay_turn_learner *l, size_t n)
{
	return inlay_timers_reserve(&l->timers, l->n_timed + n);
}

static void init_config(struct inlay_turn_learner *l,
			const struct inlay_turn_learner_config *config)
{
	struct inlay_turn_learner_config *c = &l->config;

	*c = *config;
	if (c->channel_lifetime == 0)
		c->channel_lifetime = 600 * INLAY_S;
	if (c->permission_lifetime == 0)
		c->permission_lifetime = 300 * INLAY_S;
	if (c->max_allocations == 0)
		c->max_allocations = DEFAULT_ALLOCATIONS;
	if (c->max_transactions == 0)
		c->max_transactions = DEFAULT_TRANSACTIONS;
	l->ports[0] = DEFAULT_PORT;
	if (c->n_ports > 0)
		memcpy(l->ports, c->ports, c->n_ports * sizeof(*c->ports));
	else
		c->n_ports = 1;
	c->ports = l->ports;
	l->key.k0 = c->hash_key[0];
	l->key.k1 = c->hash_key[1];
}

int inlay_turn_learner_new(const struct inlay_turn_learner_config *config,
			   struct inlay_turn_learner **ret_learner)
{
	struct inlay_turn_learner *l;

	if (config->ops == NULL || config->n_ports > INLAY_TURN_PORTS ||
	    (config->n_ports > 0 && config->ports == NULL) ||
	    config->max_allocations > INLAY_TURN_LEARNER_MAX)
		return -EINVAL;
	l = calloc(1, sizeof(*l));
	if (l == NULL)
		return -ENOMEM;
	init_config(l, config);
	inlay_list_init(&l->transactions);
	inlay_list_init(&l->waiting);
	inlay_list_init(&l->allocations);
	*ret_learner = l;
	return 0;
}

static void end_all(struct inlay_turn_learner *l)
{
	while (!inlay_list_is_empty(&l->allocations))
		inlay_learner_allocation_end(
			l, inlay_list_entry(l->allocations.next, struct learner_allocation, node));
}

/* For the end: nobody listens any more. */
static int silent_id(void *user, struct inlay_turn_id id)
{
	return 0;
}

static int silent_peer(void *user, struct inlay_turn_id id, const struct inlay_addr *peer)
{
	return 0;
}

static int silent_channel(void *user, struct inlay_turn_id id, __u16 number)
{
	return 0;
}

static int silent_ref(void *user, struct inlay_turn_ref ref)
{
	return 0;
}

static const struct inlay_turn_learner_ops silent = {
	.allocation_remove = silent_id,
	.permission_remove = silent_peer,
	.channel_remove = silent_channel,
	.watch_remove = silent_ref,
};

void inlay_turn_learner_free(struct inlay_turn_learner *l)
{
	if (l == NULL)
		return;
	l->config.ops = &silent;
	end_all(l);
	inlay_learner_transactions_clear(l);
	inlay_timers_fini(&l->timers);
	inlay_map_fini(&l->transactions_by_key);
	inlay_map_fini(&l->by_tuple);
	inlay_map_fini(&l->by_told);
	inlay_map_fini(&l->by_seen);
	inlay_map_fini(&l->by_cookie);
	inlay_map_fini(&l->listeners);
	inlay_map_fini(&l->permissions);
	inlay_map_fini(&l->by_number);
	inlay_map_fini(&l->by_peer);
	inlay_map_fini(&l->by_ref);
	inlay_map_fini(&l->tombs);
	free(l);
}

/* --- Time ---------------------------------------------------------------------------------- */

static void run_out(struct inlay_turn_learner *l, struct learner_timer *timer)
{
	struct learner_permission *p;
	struct learner_channel *ch;

	switch (timer->kind) {
	case LEARNER_LEG:
		inlay_learner_leg_end(l, inlay_list_entry(timer, struct learner_leg, timer));
		break;
	case LEARNER_PERMISSION:
		inlay_learner_permission_end(
			l, inlay_list_entry(timer, struct learner_permission, timer));
		break;
	case LEARNER_CHANNEL:
		ch = inlay_list_entry(timer, struct learner_channel, timer);
		p = ch->permission;
		inlay_learner_channel_end(l, ch);
		inlay_learner_permission_settle(l, p);
		break;
	}
}

static void expire(struct inlay_turn_learner *l, inlay_ns now)
{
	struct inlay_timer *timer;

	while ((timer = inlay_timers_pop(&l->timers, now)) != NULL)
		run_out(l, inlay_list_entry(timer, struct learner_timer, timer));
	inlay_learner_transactions_expire(l, now);
}

inlay_ns inlay_turn_learner_turn(struct inlay_turn_learner *l, inlay_ns now)
{
	inlay_ns next, other;

	expire(l, now);
	next = inlay_timers_next(&l->timers);
	other = inlay_learner_transactions_next(l);
	return next < other ? next : other;
}

/* --- What comes in ------------------------------------------------------------------------- */

/* Addresses that a datagram can have had. */
static bool is_path(const struct inlay_turn_event *e)
{
	return (e->src.family == AF_INET || e->src.family == AF_INET6) &&
	       e->src.family == e->dst.family && e->src.port != 0 && e->dst.port != 0;
}

void inlay_turn_learner_event(struct inlay_turn_learner *l, const struct inlay_turn_event *e,
			      size_t len, enum inlay_turn_ring ring, inlay_ns now)
{
	size_t max;

	if (len < sizeof(*e) || len - sizeof(*e) < e->len || !is_path(e)) {
		l->counts.malformed++;
		return;
	}
	max = e->kind == INLAY_TURN_MESSAGE ? INLAY_TURN_MESSAGE_MAX : INLAY_TURN_SAMPLE_MAX;
	if (e->len > max || (e->kind != INLAY_TURN_MESSAGE && e->len > e->data_len)) {
		l->counts.malformed++;
		return;
	}
	/* What has run out is not refreshed: it begins anew. */
	expire(l, now);
	if (ring == INLAY_TURN_REQUESTS && e->kind == INLAY_TURN_MESSAGE)
		inlay_learner_request(l, e, now);
	else if (ring == INLAY_TURN_REQUESTS && e->kind == INLAY_TURN_CHANNEL_DATA)
		inlay_learner_channel_data(l, e, now);
	else if (ring == INLAY_TURN_RESPONSES && e->kind == INLAY_TURN_MESSAGE)
		inlay_learner_response(l, e, now);
	else if (ring == INLAY_TURN_RESPONSES && e->kind == INLAY_TURN_RELAYED)
		inlay_learner_relayed(l, e, now);
	else
		l->counts.malformed++;
}

void inlay_turn_learner_lost(struct inlay_turn_learner *l, enum inlay_turn_ring ring, __u64 n,
			     inlay_ns now)
{
	l->counts.lost += n;
	/* A request that was not seen makes nothing fast; a response may have been an end. */
	if (n == 0 || ring != INLAY_TURN_RESPONSES)
		return;
	end_all(l);
	inlay_learner_waiting_clear(l);
}

/* --- Sockets that are gone ----------------------------------------------------------------- */

bool inlay_learner_is_here(const struct inlay_turn_learner *l, __u64 cookie,
			   const struct inlay_addr *local, const struct inlay_addr *remote)
{
	/* A cookie is one socket's, for ever, and a socket stays in its namespace. */
	return l->config.ops->is_here == NULL || inlay_map_get(&l->listeners, cookie) != NULL ||
	       inlay_map_get(&l->by_cookie, cookie) != NULL ||
	       l->config.ops->is_here(l->config.user, cookie, local, remote);
}

bool inlay_learner_is_buried(const struct inlay_turn_learner *l, __u64 cookie, inlay_ns now)
{
	const struct learner_tomb *tomb = inlay_map_get(&l->tombs, cookie);

	return tomb != NULL && tomb->until > now;
}

/* What it sent may be handed over after this: it must not begin anything. */
static void bury(struct inlay_turn_learner *l, __u64 cookie, inlay_ns now)
{
	struct learner_tomb *tomb = inlay_map_get(&l->tombs, cookie);

	if (tomb != NULL) {
		tomb->until = now + LEARNER_TOMB_TIME;
		return;
	}
	tomb = &l->graves[l->n_graves++ % LEARNER_TOMBS];
	if (tomb->cookie != 0)
		inlay_map_remove(&l->tombs, tomb->cookie);
	tomb->cookie = cookie;
	tomb->until = now + LEARNER_TOMB_TIME;
	if (inlay_map_set(&l->tombs, cookie, tomb) != 0)
		tomb->cookie = 0;
}

void inlay_turn_learner_gone(struct inlay_turn_learner *l, __u64 cookie, inlay_ns now)
{
	struct learner_listener *listener;
	struct learner_leg *leg;

	if (cookie == 0)
		return;
	bury(l, cookie, now);
	leg = inlay_map_get(&l->by_cookie, cookie);
	if (leg != NULL)
		inlay_learner_leg_end(l, leg);
	/* The last one takes the listener with it. */
	while ((listener = inlay_map_get(&l->listeners, cookie)) != NULL)
		inlay_learner_allocation_end(l, inlay_list_entry(listener->allocations.next,
								 struct learner_allocation,
								 listener_node));
}

void inlay_turn_learner_reset(struct inlay_turn_learner *l, inlay_ns now)
{
	end_all(l);
	inlay_learner_transactions_clear(l);
}

/* --- What it knows ------------------------------------------------------------------------- */

void inlay_turn_learner_counts(const struct inlay_turn_learner *l,
			       struct inlay_turn_learner_counts *ret_counts)
{
	*ret_counts = l->counts;
}

static const char *why_not(const struct learner_allocation *a)
{
	if (a->n_fast > 0)
		return NULL;
	if (a->doubt != NULL)
		return a->doubt;
	if (a->n_channels == 0)
		return "no channel is bound";
	if (a->trouble != NULL)
		return a->trouble;
	return "the server was not seen relaying on its channels";
}

static void show(const struct learner_allocation *a, const struct learner_leg *leg,
		 struct inlay_turn_learner_allocation *ret)
{
	const struct learner_permission *p;
	struct inlay_list *node, *inner;

	*ret = (struct inlay_turn_learner_allocation){
		.client = a->tuple.client,
		.server = a->tuple.server,
		.relayed = leg->told,
		.seen = leg->seen,
		.until = leg->until,
		.cookie = leg->cookie,
		.why = why_not(a),
	};
	inlay_list_for_each (node, &a->permissions) {
		p = inlay_list_entry(node, struct learner_permission, node);
		if (p->leg != leg)
			continue;
		ret->permissions += p->until != 0;
		inlay_list_for_each (inner, &p->channels) {
			ret->channels++;
			ret->fast_channels +=
				inlay_list_entry(inner, struct learner_channel, node)->state ==
				LEARNER_FAST;
		}
	}
}

void inlay_turn_learner_allocations(
	const struct inlay_turn_learner *l,
	void (*each)(void *user, const struct inlay_turn_learner_allocation *allocation),
	void *user)
{
	struct inlay_turn_learner_allocation view;
	const struct learner_allocation *a;
	struct inlay_list *node;

	inlay_list_for_each (node, &l->allocations) {
		a = inlay_list_entry(node, struct learner_allocation, node);
		for (size_t i = 0; i < INLAY_ARRAY_SIZE(a->legs); i++) {
			if (a->legs[i].told.family == 0)
				continue;
			show(a, &a->legs[i], &view);
			each(user, &view);
		}
	}
}
