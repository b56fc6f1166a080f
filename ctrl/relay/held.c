/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Groups that the fast publisher of a track may have begun, as far as the control plane knows, and
 * that another publisher has brought (design section 5, rule 11). What the other brings is held
 * back, beside the track's cache, until it is known who the group's author is:
 *  - the fast one, if a stream of its comes up: then what is held is a duplicate;
 *  - the other one, once no forwarder can begin the group any more and none has. The fast one is
 *    given up for that, when it ends or lets the other wait for too long.
 */
#include "relay_impl.h"

/*
 * Two encoders of one source, each with its own way to us, are tens of milliseconds apart: so long
 * the fast one may be behind. Whoever is behind further is not who subscribers should wait for;
 * they have this much less in their buffers when the other takes over.
 */
#define BEHIND_GRACE (100 * INLAY_MS)

bool relay_held_wants(const struct relay_upstream *up, __u64 group)
{
	const struct relay_track *t = up->track;
	const struct relay_fast_track *ft = t->fast;

	if (ft == NULL || ft->from->session == up->session ||
	    inlay_track_cache_find(&t->cache, group) != NULL)
		return false;
	return inlay_track_cache_find(&t->held, group) != NULL || relay_fast_may_have(ft, group);
}

void relay_held_begun(struct relay_feed *feed)
{
	struct relay_track *t = feed->upstream->track;
	struct inlay_cache_group *g = feed->stream->group;

	feed->held = true;
	if (g->held_since == 0)
		g->held_since = t->relay->now;
	relay_fast_wake(t->relay, g->held_since + BEHIND_GRACE);
}

static struct relay_feed *feed_of(const struct relay_track *t, __u64 group)
{
	struct inlay_list *node;

	inlay_list_for_each (node, &t->feeds) {
		struct relay_feed *feed = inlay_list_entry(node, struct relay_feed, of_track);

		if (feed->held && feed->stream->header.group == group)
			return feed;
	}
	return NULL;
}

void relay_held_drop(struct relay_track *t, __u64 group, __u64 code)
{
	struct inlay_cache_group *g = inlay_track_cache_find(&t->held, group);
	struct relay_feed *feed = feed_of(t, group);
	struct inlay_list *node;
	bool outermost = !t->in_use;

	if (g != NULL) {
		inlay_list_for_each (node, &g->streams)
			t->relay->stats.duplicates++;
		inlay_track_cache_drop(g);
	}
	if (feed == NULL)
		return;
	t->in_use = true; /* a publisher that waited for this stream alone ends */
	for (; feed != NULL; feed = feed_of(t, group))
		relay_feed_abandon(feed, code);
	if (outermost) {
		t->in_use = false;
		relay_track_left(t);
	}
}

void relay_held_forget(struct relay_track *t, const struct relay_upstream *up)
{
	struct inlay_list *node;

	inlay_list_for_each (node, &t->held.groups) {
		struct inlay_cache_group *g =
			inlay_list_entry(node, struct inlay_cache_group, node);

		if (g->owner == up)
			g->owner = NULL;
	}
}

/* --- it is the other one's ------------------------------------------------------------------- */

/* What was not said of the track while nobody knew whose the group is. False: it is malformed. */
static bool note(struct relay_track *t, const struct inlay_cache_group *g)
{
	struct inlay_moq_location last = {g->id, g->largest_object};

	if (!g->has_largest)
		return true;
	if (!relay_track_note_object(t, last))
		return false;
	if (!g->ends_track)
		return true;
	t->has_end = true;
	t->end = (struct inlay_moq_location){g->id, g->final_object};
	return !inlay_moq_location_less(t->end, t->largest);
}

static bool is_for(const struct relay_subscription *sub, const struct inlay_cache_stream *s)
{
	return sub->state == RELAY_SUBSCRIPTION_ACTIVE && sub->params.forward &&
	       relay_subscription_wants_group(sub, s->header.group);
}

/* Nobody has read of it yet, and who wants it learns that it will not come. */
static void tell_loss(struct relay_track *t, const struct inlay_cache_stream *s,
		      enum inlay_relay_rule rule)
{
	struct inlay_list *node;

	if (s->end == INLAY_CACHE_RESET)
		return; /* the publisher's loss, not ours */
	inlay_list_for_each (node, &t->subscriptions) {
		const struct relay_subscription *sub =
			inlay_list_entry(node, struct relay_subscription, of_track);

		if (is_for(sub, s))
			relay_reader_unread(sub, s, rule);
	}
}

void relay_held_on_evict(struct inlay_cache_group *g, const struct inlay_cache_stream *s)
{
	struct relay_track *t = inlay_list_entry(g->track, struct relay_track, held);
	struct inlay_moq_location last = {.group = g->id};

	if (s == NULL)
		return;
	/* It has been, and is not owed to who comes now. */
	if (inlay_cache_stream_last_object(s, &last.object))
		(void)relay_track_note_object(t, last);
	tell_loss(t, s, INLAY_RELAY_RULE_EVICTED);
}

static void attach_readers(struct relay_track *t, struct inlay_cache_stream *s)
{
	struct inlay_list *node, *after;

	/* Without its front it is not what they want, and would be a stream with a hole. */
	if (s->begin > 0) {
		tell_loss(t, s, INLAY_RELAY_RULE_EVICTED);
		return;
	}

	inlay_list_for_each_safe (node, after, &t->subscriptions) {
		struct relay_subscription *sub =
			inlay_list_entry(node, struct relay_subscription, of_track);

		if (is_for(sub, s))
			relay_reader_attach_held(sub, s);
	}
}

static void promote(struct relay_track *t, struct inlay_cache_group *g)
{
	struct inlay_list *node, *after;

	/* Somebody has it all the same: as it is when two have come the conventional way. */
	if (inlay_track_cache_find(&t->cache, g->id) != NULL) {
		relay_held_drop(t, g->id, INLAY_MOQ_RESET_CANCELLED);
		return;
	}
	if (inlay_track_cache_move(&t->cache, g) < 0) {
		inlay_list_for_each (node, &g->streams)
			tell_loss(t, inlay_list_entry(node, struct inlay_cache_stream, node),
				  INLAY_RELAY_RULE_MEMORY);
		relay_held_drop(t, g->id, INLAY_MOQ_RESET_EXCESSIVE_LOAD);
		return;
	}
	inlay_list_for_each (node, &t->feeds) {
		struct relay_feed *feed = inlay_list_entry(node, struct relay_feed, of_track);

		if (feed->stream->group == g)
			feed->held = false;
	}
	if (!note(t, g)) {
		relay_track_malformed(t);
		return;
	}
	inlay_list_for_each_safe (node, after, &g->streams)
		attach_readers(t, inlay_list_entry(node, struct inlay_cache_stream, node));
}

/* The oldest that no forwarder has, or can have; NULL: none. */
static struct inlay_cache_group *next_to_promote(const struct relay_track *t)
{
	struct inlay_list *node;

	inlay_list_for_each (node, &t->held.groups) {
		struct inlay_cache_group *g =
			inlay_list_entry(node, struct inlay_cache_group, node);

		if (t->fast == NULL || !relay_fast_may_have(t->fast, g->id))
			return g;
	}
	return NULL;
}

void relay_held_promote(struct relay_track *t)
{
	struct inlay_cache_group *g;
	bool outermost = !t->in_use;

	if (inlay_list_is_empty(&t->held.groups))
		return;
	t->in_use = true;
	while ((g = next_to_promote(t)) != NULL)
		promote(t, g);
	if (outermost) {
		t->in_use = false;
		relay_track_left(t);
	}
}

/* --- the fast one lets it wait --------------------------------------------------------------- */

static bool has_begun_later(const struct relay_upstream *up, __u64 group)
{
	struct inlay_list *node;

	inlay_list_for_each (node, &up->track->cache.groups) {
		const struct inlay_cache_group *g =
			inlay_list_entry(node, struct inlay_cache_group, node);

		if (g->owner == up && g->id > group)
			return true;
	}
	return false;
}

void relay_held_check(struct relay_track *t)
{
	struct inlay_cache_group *g;
	struct relay_upstream *fast, *other;

	if (t->fast == NULL || t->fast->upstream == NULL || inlay_list_is_empty(&t->held.groups))
		return;
	g = inlay_list_entry(t->held.groups.next, struct inlay_cache_group, node);
	if (g->held_since + BEHIND_GRACE > t->relay->now) {
		relay_fast_wake(t->relay, g->held_since + BEHIND_GRACE);
		return;
	}
	fast = t->fast->upstream;
	other = (struct relay_upstream *)g->owner;
	/* One that leaves out a group is not behind: it goes on, above that. */
	if (other != NULL && !has_begun_later(fast, g->id)) {
		inlay_list_remove(&other->of_track);
		inlay_list_prepend(&t->upstreams, &other->of_track);
	}
	relay_fast_track_yield(t->fast);
}
