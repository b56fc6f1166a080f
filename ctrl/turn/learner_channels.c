/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Channels (RFC 8656 section 12): bound, watched until the server was seen relaying, fast. The
 * tables have a channel either as a watched one or as a fast one.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "learner_impl.h"

/* What a channel is looked up by: its number, or its peer. No padding. */
struct number_name {
	__u64 serial;
	__u64 number;
};

struct peer_name {
	__u64 serial;
	struct inlay_addr peer;
};
_Static_assert(sizeof(struct peer_name) == 8 + sizeof(struct inlay_addr), "hashed as it is");

static struct learner_allocation *allocation_of(const struct learner_channel *ch)
{
	return ch->permission->leg->allocation;
}

static __u64 number_key(const struct inlay_turn_learner *l, const struct learner_allocation *a,
			__u16 number)
{
	struct number_name name = {.serial = a->serial, .number = number};

	return inlay_learner_hash(l, &name, sizeof(name));
}

static __u64 peer_key(const struct inlay_turn_learner *l, const struct learner_allocation *a,
		      const struct inlay_addr *peer)
{
	struct peer_name name = {.serial = a->serial, .peer = *peer};

	return inlay_learner_hash(l, &name, sizeof(name));
}

static __u64 ref_key(struct inlay_turn_ref ref)
{
	return (__u64)ref.generation << 32 | ref.flow;
}

struct learner_channel *inlay_learner_channel_by_number(const struct inlay_turn_learner *l,
							const struct learner_allocation *a,
							__u16 number)
{
	struct learner_channel *ch = inlay_map_get(&l->by_number, number_key(l, a, number));

	return ch != NULL && allocation_of(ch) == a && ch->number == number ? ch : NULL;
}

struct learner_channel *inlay_learner_channel_by_peer(const struct inlay_turn_learner *l,
						      const struct learner_allocation *a,
						      const struct inlay_addr *peer)
{
	struct learner_channel *ch = inlay_map_get(&l->by_peer, peer_key(l, a, peer));

	return ch != NULL && allocation_of(ch) == a && memcmp(&ch->peer, peer, sizeof(*peer)) == 0
		       ? ch
		       : NULL;
}

struct learner_channel *inlay_learner_channel_by_ref(const struct inlay_turn_learner *l,
						     struct inlay_turn_ref ref)
{
	return inlay_map_get(&l->by_ref, ref_key(ref));
}

/* --- Watched, fast, neither ---------------------------------------------------------------- */

static void complain(struct learner_channel *ch, int err)
{
	allocation_of(ch)->trouble = err == -EACCES ? "its peer is in a range that is denied here"
						    : "the tables have no place for it";
}

void inlay_learner_channel_rest(struct inlay_turn_learner *l, struct learner_channel *ch)
{
	const struct inlay_turn_learner_ops *ops = l->config.ops;
	const struct learner_leg *leg = ch->permission->leg;

	if (ch->state == LEARNER_WATCHED) {
		inlay_map_remove(&l->by_ref, ref_key(ch->ref));
		ops->watch_remove(l->config.user, ch->ref);
		l->counts.watched--;
	} else if (ch->state == LEARNER_FAST) {
		if (leg->added)
			ops->channel_remove(l->config.user, leg->id, ch->number);
		leg->allocation->n_fast--;
	}
	ch->state = LEARNER_IDLE;
	free(ch->samples);
	ch->samples = NULL;
}

void inlay_learner_channel_watch(struct inlay_turn_learner *l, struct learner_channel *ch)
{
	const struct learner_leg *leg = ch->permission->leg;
	struct inlay_turn_candidate candidate = {
		.client = leg->allocation->tuple.client,
		.server = leg->allocation->tuple.server,
		.peer = ch->peer,
		.relayed_port = leg->told.port,
		.number = ch->number,
		.until = ch->until,
	};
	int err;

	if (ch->state != LEARNER_IDLE || ch->permission->until == 0)
		return;
	err = l->config.ops->watch_add(l->config.user, &candidate, &ch->ref);
	if (err == 0 && inlay_map_set(&l->by_ref, ref_key(ch->ref), ch) != 0) {
		l->config.ops->watch_remove(l->config.user, ch->ref);
		err = -ENOMEM;
	}
	if (err != 0) {
		complain(ch, err);
		return;
	}
	ch->state = LEARNER_WATCHED;
	l->counts.watched++;
}

/* Tells the tables its end. Says whether they have it. */
static bool refresh(struct inlay_turn_learner *l, struct learner_channel *ch)
{
	struct learner_leg *leg = ch->permission->leg;
	int err;

	err = l->config.ops->channel_set(l->config.user, leg->id, ch->number, &ch->peer, ch->until);
	if (err != 0)
		complain(ch, err);
	if (err == -ESTALE)
		inlay_learner_leg_forgotten(l, leg);
	return err == 0;
}

void inlay_learner_channel_quicken(struct inlay_turn_learner *l, struct learner_channel *ch)
{
	struct learner_leg *leg = ch->permission->leg;

	l->counts.proven++;
	inlay_learner_channel_rest(l, ch);
	if (!inlay_learner_leg_publish(l, leg) ||
	    !inlay_learner_permission_publish(l, ch->permission))
		return;
	if (!refresh(l, ch))
		return;
	ch->state = LEARNER_FAST;
	leg->allocation->n_fast++;
}

/* --- Bound and ended ----------------------------------------------------------------------- */

static struct learner_channel *add(struct inlay_turn_learner *l, struct learner_permission *p,
				   __u16 number, const struct inlay_addr *peer)
{
	__u32 max = l->config.max_allocations * LEARNER_CHANNELS_EACH;
	struct learner_allocation *a = p->leg->allocation;
	__u64 by_number = number_key(l, a, number), by_peer = peer_key(l, a, peer);
	struct learner_channel *ch;

	if (inlay_map_get(&l->by_number, by_number) != NULL ||
	    inlay_map_get(&l->by_peer, by_peer) != NULL || l->counts.channels >= max ||
	    a->n_channels >= LEARNER_SHARE(max) || inlay_learner_reserve(l, 1) != 0)
		return NULL;
	ch = calloc(1, sizeof(*ch));
	if (ch == NULL)
		return NULL;
	if (inlay_map_set(&l->by_number, by_number, ch) != 0) {
		free(ch);
		return NULL;
	}
	if (inlay_map_set(&l->by_peer, by_peer, ch) != 0) {
		inlay_map_remove(&l->by_number, by_number);
		free(ch);
		return NULL;
	}
	ch->timer.kind = LEARNER_CHANNEL;
	ch->permission = p;
	ch->peer = *peer;
	ch->number = number;
	ch->number_key = by_number;
	ch->peer_key = by_peer;
	inlay_list_append(&p->channels, &ch->node);
	a->n_channels++;
	l->counts.channels++;
	l->n_timed++;
	return ch;
}

static void end_other(struct inlay_turn_learner *l, struct learner_channel *ch,
		      const struct learner_permission *keep)
{
	struct learner_permission *p = ch->permission;

	inlay_learner_channel_end(l, ch);
	if (p != keep)
		inlay_learner_permission_settle(l, p);
}

void inlay_learner_channel_bind(struct inlay_turn_learner *l, struct learner_permission *p,
				__u16 number, const struct inlay_addr *peer, inlay_ns until)
{
	struct learner_allocation *a = p->leg->allocation;
	struct learner_channel *ch = inlay_learner_channel_by_number(l, a, number);
	struct learner_channel *other = inlay_learner_channel_by_peer(l, a, peer);

	/* A number has one peer and a peer one number: what the server bound now is what holds. */
	if (ch != NULL && ch != other) {
		end_other(l, ch, p);
		ch = NULL;
	}
	if (other != NULL && other != ch)
		end_other(l, other, p);
	if (ch == NULL)
		ch = add(l, p, number, peer);
	if (ch == NULL) {
		l->counts.refused++;
		inlay_learner_permission_settle(l, p);
		return;
	}
	if (until <= ch->until)
		return;
	ch->until = until;
	inlay_timers_set(&l->timers, &ch->timer.timer, until);
	if (ch->state == LEARNER_FAST && refresh(l, ch))
		return;
	/* Also one that is watched: the tables are to know the new end. */
	inlay_learner_channel_rest(l, ch);
	inlay_learner_channel_watch(l, ch);
}

void inlay_learner_channel_end(struct inlay_turn_learner *l, struct learner_channel *ch)
{
	inlay_learner_channel_rest(l, ch);
	inlay_timers_set(&l->timers, &ch->timer.timer, INLAY_NEVER);
	inlay_map_remove(&l->by_number, ch->number_key);
	inlay_map_remove(&l->by_peer, ch->peer_key);
	inlay_list_remove(&ch->node);
	allocation_of(ch)->n_channels--;
	l->counts.channels--;
	l->n_timed--;
	free(ch);
}
