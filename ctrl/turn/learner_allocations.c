/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Allocations and their relayed addresses. The tables hear of one only when its first channel is
 * proven: before that nobody knows from where its packets leave.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "learner_impl.h"

struct learner_allocation *inlay_learner_find(const struct inlay_turn_learner *l,
					      const struct learner_tuple *tuple)
{
	struct learner_allocation *a;

	a = inlay_map_get(&l->by_tuple, inlay_learner_hash(l, tuple, sizeof(*tuple)));
	return a != NULL && memcmp(&a->tuple, tuple, sizeof(*tuple)) == 0 ? a : NULL;
}

/* --- Listeners ----------------------------------------------------------------------------- */

static bool enter_listener(struct inlay_turn_learner *l, struct learner_allocation *a, __u64 cookie)
{
	struct learner_listener *listener = inlay_map_get(&l->listeners, cookie);

	if (listener == NULL) {
		listener = calloc(1, sizeof(*listener));
		if (listener == NULL || inlay_map_set(&l->listeners, cookie, listener) != 0) {
			free(listener);
			return false;
		}
		listener->cookie = cookie;
		inlay_list_init(&listener->allocations);
	}
	a->listener = listener;
	inlay_list_append(&listener->allocations, &a->listener_node);
	return true;
}

static void leave_listener(struct inlay_turn_learner *l, struct learner_allocation *a)
{
	inlay_list_remove(&a->listener_node);
	if (!inlay_list_is_empty(&a->listener->allocations))
		return;
	inlay_map_remove(&l->listeners, a->listener->cookie);
	free(a->listener);
}

/* --- Allocations --------------------------------------------------------------------------- */

struct learner_allocation *inlay_learner_allocation_new(struct inlay_turn_learner *l,
							const struct learner_tuple *tuple,
							__u64 listener)
{
	struct learner_allocation *a;
	__u64 key = inlay_learner_hash(l, tuple, sizeof(*tuple));

	if (l->counts.allocations >= l->config.max_allocations ||
	    inlay_map_get(&l->by_tuple, key) != NULL ||
	    inlay_learner_reserve(l, INLAY_ARRAY_SIZE(a->legs)) != 0)
		return NULL;
	a = calloc(1, sizeof(*a));
	if (a == NULL)
		return NULL;
	if (!enter_listener(l, a, listener)) {
		free(a);
		return NULL;
	}
	if (inlay_map_set(&l->by_tuple, key, a) != 0) {
		leave_listener(l, a);
		free(a);
		return NULL;
	}
	a->tuple = *tuple;
	a->key = key;
	a->serial = ++l->serial;
	inlay_list_init(&a->permissions);
	for (size_t i = 0; i < INLAY_ARRAY_SIZE(a->legs); i++) {
		a->legs[i].allocation = a;
		a->legs[i].timer.kind = LEARNER_LEG;
	}
	inlay_list_append(&l->allocations, &a->node);
	l->counts.allocations++;
	l->n_timed += INLAY_ARRAY_SIZE(a->legs);
	return a;
}

static void clear_permissions(struct inlay_turn_learner *l, struct learner_allocation *a,
			      const struct learner_leg *leg)
{
	struct inlay_list *node, *after;
	struct learner_permission *p;

	inlay_list_for_each_safe (node, after, &a->permissions) {
		p = inlay_list_entry(node, struct learner_permission, node);
		if (leg == NULL || p->leg == leg)
			inlay_learner_permission_free(l, p);
	}
}

/* The tables know it no more, and no packet can be its. */
static void withdraw(struct inlay_turn_learner *l, struct learner_leg *leg)
{
	clear_permissions(l, leg->allocation, leg);
	if (leg->added)
		l->config.ops->allocation_remove(l->config.user, leg->id);
	leg->added = false;
	if (leg->cookie == 0)
		return;
	inlay_map_remove(&l->by_cookie, leg->cookie);
	inlay_map_remove(&l->by_seen, inlay_learner_hash(l, &leg->seen, sizeof(leg->seen)));
	leg->cookie = 0;
	leg->seen = (struct inlay_addr){0};
}

static void clear_leg(struct inlay_turn_learner *l, struct learner_leg *leg)
{
	if (leg->told.family == 0)
		return;
	withdraw(l, leg);
	inlay_timers_set(&l->timers, &leg->timer.timer, INLAY_NEVER);
	inlay_map_remove(&l->by_told, inlay_learner_hash(l, &leg->told, sizeof(leg->told)));
	leg->told.family = 0;
}

void inlay_learner_allocation_end(struct inlay_turn_learner *l, struct learner_allocation *a)
{
	for (size_t i = 0; i < INLAY_ARRAY_SIZE(a->legs); i++)
		clear_leg(l, &a->legs[i]);
	inlay_map_remove(&l->by_tuple, a->key);
	leave_listener(l, a);
	inlay_list_remove(&a->node);
	l->counts.allocations--;
	l->n_timed -= INLAY_ARRAY_SIZE(a->legs);
	free(a);
}

void inlay_learner_allocation_doubt(struct inlay_turn_learner *l, struct learner_allocation *a,
				    const char *why)
{
	if (a->doubt != NULL)
		return;
	l->counts.conflicts++;
	a->doubt = why;
	for (size_t i = 0; i < INLAY_ARRAY_SIZE(a->legs); i++)
		if (a->legs[i].told.family != 0)
			withdraw(l, &a->legs[i]);
}

/* --- Legs ---------------------------------------------------------------------------------- */

static struct learner_leg *leg_of(const struct inlay_turn_learner *l, const struct inlay_map *map,
				  const struct inlay_addr *addr)
{
	return inlay_map_get(map, inlay_learner_hash(l, addr, sizeof(*addr)));
}

struct learner_leg *inlay_learner_leg(struct learner_allocation *a, __u16 family)
{
	for (size_t i = 0; i < INLAY_ARRAY_SIZE(a->legs); i++)
		if (family != 0 && a->legs[i].told.family == family)
			return &a->legs[i];
	return NULL;
}

int inlay_learner_leg_add(struct inlay_turn_learner *l, struct learner_allocation *a,
			  const struct inlay_addr *told, inlay_ns until)
{
	struct learner_leg *leg = &a->legs[told->family == INLAY_NET_AF_INET ? 0 : 1];
	struct learner_leg *older = leg_of(l, &l->by_told, told);

	/* One relayed address is one allocation's: the end of an older one was missed. */
	if (older != NULL) {
		l->counts.conflicts++;
		inlay_learner_allocation_end(l, older->allocation);
	}
	if (inlay_map_set(&l->by_told, inlay_learner_hash(l, told, sizeof(*told)), leg) != 0)
		return -ENOMEM;
	leg->told = *told;
	inlay_learner_leg_set(l, leg, until);
	return 0;
}

void inlay_learner_leg_forgotten(struct inlay_turn_learner *l, struct learner_leg *leg)
{
	struct inlay_list *node, *inner;
	struct learner_permission *p;
	struct learner_channel *ch;

	leg->added = false;
	inlay_list_for_each (node, &leg->allocation->permissions) {
		p = inlay_list_entry(node, struct learner_permission, node);
		if (p->leg != leg)
			continue;
		p->added = false;
		inlay_list_for_each (inner, &p->channels) {
			ch = inlay_list_entry(inner, struct learner_channel, node);
			if (ch->state != LEARNER_FAST)
				continue;
			inlay_learner_channel_rest(l, ch);
			inlay_learner_channel_watch(l, ch);
		}
	}
}

void inlay_learner_leg_set(struct inlay_turn_learner *l, struct learner_leg *leg, inlay_ns until)
{
	leg->until = until;
	inlay_timers_set(&l->timers, &leg->timer.timer, until);
	if (leg->added && l->config.ops->allocation_refresh(l->config.user, leg->id, until) != 0)
		inlay_learner_leg_forgotten(l, leg);
}

void inlay_learner_leg_end(struct inlay_turn_learner *l, struct learner_leg *leg)
{
	struct learner_allocation *a = leg->allocation;

	clear_leg(l, leg);
	for (size_t i = 0; i < INLAY_ARRAY_SIZE(a->legs); i++)
		if (a->legs[i].told.family != 0)
			return;
	inlay_learner_allocation_end(l, a);
}

bool inlay_learner_leg_bind(struct inlay_turn_learner *l, struct learner_leg *leg,
			    const struct inlay_addr *seen, __u64 cookie)
{
	const struct learner_leg *told = leg_of(l, &l->by_told, seen);
	__u64 seen_key = inlay_learner_hash(l, seen, sizeof(*seen));
	const char *doubt = NULL;

	if (leg->cookie == cookie && memcmp(&leg->seen, seen, sizeof(*seen)) == 0)
		return true;
	if (leg->cookie != 0)
		doubt = "another socket than before was seen relaying for it";
	else if (inlay_map_get(&l->by_cookie, cookie) != NULL ||
		 inlay_map_get(&l->by_seen, seen_key) != NULL || (told != NULL && told != leg))
		doubt = "another allocation's socket was seen relaying for it";
	else if (inlay_map_get(&l->listeners, cookie) != NULL)
		doubt = "a socket where the server listens was seen relaying for it";
	if (doubt != NULL) {
		inlay_learner_allocation_doubt(l, leg->allocation, doubt);
		return false;
	}
	if (inlay_map_set(&l->by_cookie, cookie, leg) != 0)
		return false;
	if (inlay_map_set(&l->by_seen, seen_key, leg) != 0) {
		inlay_map_remove(&l->by_cookie, cookie);
		return false;
	}
	leg->seen = *seen;
	leg->cookie = cookie;
	return true;
}

bool inlay_learner_leg_publish(struct inlay_turn_learner *l, struct learner_leg *leg)
{
	struct learner_allocation *a = leg->allocation;
	struct inlay_turn_allocation_params params = {
		.client = a->tuple.client,
		.server = a->tuple.server,
		.relayed = leg->seen,
		.until = leg->until,
		.max_packets_per_s = l->config.max_packets_per_s,
		.max_bytes_per_s = l->config.max_bytes_per_s,
	};

	if (leg->added)
		return true;
	if (l->config.ops->allocation_add(l->config.user, &params, &leg->id) != 0) {
		a->trouble = "the tables have no place for it";
		return false;
	}
	leg->added = true;
	return true;
}
