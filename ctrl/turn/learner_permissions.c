/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Permissions: of an allocation, for a peer's IP address (RFC 8656 section 9). One whose time is up
 * stays as long as channels hang on it; when it is granted again they are proven again.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "learner_impl.h"

/* What a permission is looked up by. No padding. */
struct permission_name {
	__u64 serial;
	struct inlay_addr peer;
};
_Static_assert(sizeof(struct permission_name) == 8 + sizeof(struct inlay_addr), "hashed as it is");

static __u64 key_of(const struct inlay_turn_learner *l, const struct learner_leg *leg,
		    const struct inlay_addr *peer)
{
	struct permission_name name = {.serial = leg->allocation->serial, .peer = *peer};

	name.peer.port = 0;
	return inlay_learner_hash(l, &name, sizeof(name));
}

static bool is_of(const struct learner_permission *p, const struct learner_leg *leg,
		  const struct inlay_addr *peer)
{
	return p->leg == leg && memcmp(p->peer.ip, peer->ip, sizeof(peer->ip)) == 0;
}

struct learner_permission *inlay_learner_permission(const struct inlay_turn_learner *l,
						    const struct learner_leg *leg,
						    const struct inlay_addr *peer)
{
	struct learner_permission *p = inlay_map_get(&l->permissions, key_of(l, leg, peer));

	return p != NULL && is_of(p, leg, peer) ? p : NULL;
}

static struct learner_permission *add(struct inlay_turn_learner *l, struct learner_leg *leg,
				      const struct inlay_addr *peer)
{
	__u32 max = l->config.max_allocations * LEARNER_PERMISSIONS_EACH;
	struct learner_allocation *a = leg->allocation;
	__u64 key = key_of(l, leg, peer);
	struct learner_permission *p;

	if (inlay_map_get(&l->permissions, key) != NULL || l->n_permissions >= max ||
	    a->n_permissions >= LEARNER_SHARE(max) || inlay_learner_reserve(l, 1) != 0)
		return NULL;
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return NULL;
	if (inlay_map_set(&l->permissions, key, p) != 0) {
		free(p);
		return NULL;
	}
	p->timer.kind = LEARNER_PERMISSION;
	p->leg = leg;
	p->peer = *peer;
	p->peer.port = 0;
	p->key = key;
	inlay_list_init(&p->channels);
	inlay_list_append(&a->permissions, &p->node);
	a->n_permissions++;
	l->n_permissions++;
	l->n_timed++;
	return p;
}

static void watch_all(struct inlay_turn_learner *l, struct learner_permission *p)
{
	struct inlay_list *node;

	inlay_list_for_each (node, &p->channels)
		inlay_learner_channel_watch(l,
					    inlay_list_entry(node, struct learner_channel, node));
}

static void rest_all(struct inlay_turn_learner *l, struct learner_permission *p)
{
	struct inlay_list *node;

	inlay_list_for_each (node, &p->channels)
		inlay_learner_channel_rest(l, inlay_list_entry(node, struct learner_channel, node));
}

struct learner_permission *inlay_learner_permission_grant(struct inlay_turn_learner *l,
							  struct learner_leg *leg,
							  const struct inlay_addr *peer,
							  inlay_ns until)
{
	struct learner_permission *p = inlay_learner_permission(l, leg, peer);

	if (p == NULL)
		p = add(l, leg, peer);
	if (p == NULL) {
		l->counts.refused++;
		return NULL;
	}
	if (until <= p->until)
		return p;
	if (p->until == 0)
		l->counts.permissions++;
	p->until = until;
	inlay_timers_set(&l->timers, &p->timer.timer, until);
	if (p->added) {
		p->added = false;
		if (!inlay_learner_permission_publish(l, p))
			rest_all(l, p);
	}
	watch_all(l, p);
	return p;
}

bool inlay_learner_permission_publish(struct inlay_turn_learner *l, struct learner_permission *p)
{
	int err;

	if (p->added)
		return true;
	err = l->config.ops->permission_set(l->config.user, p->leg->id, &p->peer, p->until);
	if (err == -EACCES)
		p->leg->allocation->trouble = "its peer is in a range that is denied here";
	else if (err != 0)
		p->leg->allocation->trouble = "the tables have no place for it";
	p->added = err == 0;
	if (err == -ESTALE)
		inlay_learner_leg_forgotten(l, p->leg);
	return p->added;
}

static void withdraw(struct inlay_turn_learner *l, struct learner_permission *p)
{
	if (p->until != 0)
		l->counts.permissions--;
	p->until = 0;
	inlay_timers_set(&l->timers, &p->timer.timer, INLAY_NEVER);
	rest_all(l, p);
	if (p->added)
		l->config.ops->permission_remove(l->config.user, p->leg->id, &p->peer);
	p->added = false;
}

void inlay_learner_permission_end(struct inlay_turn_learner *l, struct learner_permission *p)
{
	withdraw(l, p);
	inlay_learner_permission_settle(l, p);
}

void inlay_learner_permission_settle(struct inlay_turn_learner *l, struct learner_permission *p)
{
	if (p->until == 0 && inlay_list_is_empty(&p->channels))
		inlay_learner_permission_free(l, p);
}

void inlay_learner_permission_free(struct inlay_turn_learner *l, struct learner_permission *p)
{
	withdraw(l, p);
	while (!inlay_list_is_empty(&p->channels))
		inlay_learner_channel_end(
			l, inlay_list_entry(p->channels.next, struct learner_channel, node));
	inlay_map_remove(&l->permissions, p->key);
	inlay_list_remove(&p->node);
	p->leg->allocation->n_permissions--;
	l->n_permissions--;
	l->n_timed--;
	free(p);
}
