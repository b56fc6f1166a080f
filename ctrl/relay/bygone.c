/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Groups that the cache has given up, of a track with several publishers, or that it never had:
 * what a forwarder has sent, and the control plane will never hear of. Subscribers have had them:
 * one who is behind brings them again, and they are duplicates as much as those that the cache
 * still holds. The newest |BYGONES| are remembered, which is how far behind a publisher may be.
 */
#include <stdlib.h>

#include "relay_impl.h"

#define BYGONES 1024 /* as many groups as the cache holds of a track by default */

struct relay_bygone {
	__u64 group;
	const struct relay_upstream *owner; /* NULL: it has gone, or an earlier one had */
};

static __u32 known(const struct relay_bygones *b)
{
	return b->n < b->room ? (__u32)b->n : b->room;
}

void relay_bygones_fini(struct relay_bygones *b)
{
	free(b->ring);
}

/* Without memory for more it is a shorter ring. */
static void grow(struct relay_bygones *b)
{
	__u32 room = b->room > 0 ? 2 * b->room : 16;
	struct relay_bygone *bigger;

	if (b->n != b->room || room > BYGONES)
		return;
	bigger = realloc(b->ring, room * sizeof(*b->ring));
	if (bigger == NULL)
		return;
	b->ring = bigger;
	b->room = room;
}

void relay_bygones_add(struct relay_bygones *b, __u64 group, const struct relay_upstream *owner)
{
	grow(b);
	if (b->room > 0)
		b->ring[b->n++ % b->room] = (struct relay_bygone){.group = group, .owner = owner};
}

void relay_bygones_on_evict(struct inlay_cache_group *g, const struct inlay_cache_stream *s)
{
	struct relay_track *t = inlay_list_entry(g->track, struct relay_track, cache);
	const struct relay_upstream *owner = g->inherited ? NULL : g->owner;

	/* One who comes later than its group begins above it: see relay_upstream.floor. */
	if (s == NULL && (owner == NULL || t->n_upstreams > 1))
		relay_bygones_add(&t->bygones, g->id, owner);
}

void relay_bygones_forget(struct relay_bygones *b, const struct relay_upstream *up)
{
	for (__u32 i = 0; i < known(b); i++)
		if (b->ring[i].owner == up)
			b->ring[i].owner = NULL;
}

bool relay_bygones_has(const struct relay_bygones *b, __u64 group, const struct relay_upstream *up)
{
	for (__u32 i = 0; i < known(b); i++)
		if (b->ring[i].group == group && b->ring[i].owner != up)
			return true;
	return false;
}

__u64 relay_bygones_end(const struct relay_bygones *b, const struct relay_upstream *up)
{
	__u64 end = 0;

	for (__u32 i = 0; i < known(b); i++)
		if (b->ring[i].owner != up && b->ring[i].group >= end)
			end = b->ring[i].group + (b->ring[i].group < ~0ULL);
	return end;
}
