/* SPDX-License-Identifier: BSD-2-Clause */
/* A subscriber of a track: what it asked for, and how that begins, changes and ends. */
#include "relay_impl.h"

#include <stdlib.h>

#define DATAGRAM_POLL (10 * INLAY_MS) /* nobody tells that a queue has drained */

/* --- what it asked for ----------------------------------------------------------------------- */

bool relay_subscription_wants_group(const struct relay_subscription *sub, __u64 group)
{
	return group >= sub->start.group && group <= sub->end_group;
}

bool relay_subscription_wants(const struct relay_subscription *sub, struct inlay_moq_location where)
{
	return !inlay_moq_location_less(where, sub->start) && where.group <= sub->end_group;
}

static struct inlay_moq_location after(struct inlay_moq_location l)
{
	if (l.object < ~0ULL)
		return (struct inlay_moq_location){l.group, l.object + 1};
	return (struct inlay_moq_location){l.group + (l.group < ~0ULL), 0};
}

/* Section 5.1.2: relative filters count from what the track has now. */
static void resolve_filter(struct relay_subscription *sub)
{
	const struct relay_track *t = sub->track;
	const struct inlay_moq_filter *f = &sub->params.filter;

	sub->unfiltered = !(sub->params.present & INLAY_MOQ_HAS_FILTER);
	sub->start = (struct inlay_moq_location){0, 0};
	sub->end_group = ~0ULL;
	if (sub->unfiltered)
		return;
	switch (f->type) {
	case INLAY_MOQ_FILTER_NEXT_GROUP:
		if (t->has_largest)
			sub->start.group = t->largest.group + (t->largest.group < ~0ULL);
		return;
	case INLAY_MOQ_FILTER_LARGEST_OBJECT:
		if (t->has_largest)
			sub->start = after(t->largest);
		return;
	case INLAY_MOQ_FILTER_ABSOLUTE_RANGE:
		sub->end_group = f->end_group;
		sub->start = f->start;
		return;
	case INLAY_MOQ_FILTER_ABSOLUTE_START:
		sub->start = f->start;
		return;
	}
}

static inlay_ns smaller(inlay_ns a, inlay_ns b)
{
	if (a == 0 || b == 0)
		return a | b;
	return a < b ? a : b;
}

void relay_subscription_set_timeouts(struct relay_subscription *sub)
{
	const struct inlay_moq_track_properties *p = &sub->track->properties;
	struct inlay_list *node;

	/* Section 8.3: the smaller of the publisher's and the subscriber's. An object that is too
	 * old for the cache is not sent either (12.3). */
	sub->object_timeout = smaller(relay_ms(p->object_delivery_timeout),
				      relay_ms(sub->params.object_delivery_timeout));
	sub->object_timeout = smaller(sub->object_timeout, relay_ms(p->max_cache_duration));
	sub->subgroup_timeout = smaller(relay_ms(p->subgroup_delivery_timeout),
					relay_ms(sub->params.subgroup_delivery_timeout));
	inlay_list_for_each (node, &sub->readers) {
		struct relay_reader *rd =
			inlay_list_entry(node, struct relay_reader, of_subscription);

		rd->object_timeout = sub->object_timeout;
		rd->subgroup_timeout = sub->subgroup_timeout;
	}
	if (sub->object_timeout > 0 || sub->subgroup_timeout > 0)
		relay_wake(sub->track->relay, sub->track->relay->now);
}

/* Copies what outlives the message. */
static void merge(struct inlay_moq_params *own, const struct inlay_moq_params *p)
{
	if (p->present & INLAY_MOQ_HAS_FORWARD)
		own->forward = p->forward;
	if (p->present & INLAY_MOQ_HAS_SUBSCRIBER_PRIORITY)
		own->subscriber_priority = p->subscriber_priority;
	if (p->present & INLAY_MOQ_HAS_GROUP_ORDER)
		own->group_order = p->group_order;
	if (p->present & INLAY_MOQ_HAS_OBJECT_DELIVERY_TIMEOUT)
		own->object_delivery_timeout = p->object_delivery_timeout;
	if (p->present & INLAY_MOQ_HAS_SUBGROUP_DELIVERY_TIMEOUT)
		own->subgroup_delivery_timeout = p->subgroup_delivery_timeout;
	if (p->present & INLAY_MOQ_HAS_FILTER)
		own->filter = p->filter;
	own->present |= p->present;
}

/* --- its beginning --------------------------------------------------------------------------- */

static void refuse_request(struct inlay_relay_session *rs, struct inlay_moq_request *req,
			   __u64 code)
{
	rs->relay->stats.refused++;
	(void)inlay_moq_request_error(req, code,
				      code == INLAY_MOQ_REQUEST_EXCESSIVE_LOAD ? 1001 : 0,
				      inlay_moq_request_code_text(code));
}

static bool is_subscribed(const struct inlay_relay_session *rs, const struct relay_track *t)
{
	struct inlay_list *node;

	inlay_list_for_each (node, &rs->subscriptions) {
		struct relay_subscription *sub =
			inlay_list_entry(node, struct relay_subscription, of_session);

		if (sub->track == t && sub->state != RELAY_SUBSCRIPTION_ENDING)
			return true;
	}
	return false;
}

/* The track, or NULL with a code. */
static struct relay_track *track_to_subscribe(struct inlay_relay_session *rs,
					      const struct inlay_moq_subscribe *m, __u64 *ret_code)
{
	const struct inlay_relay_config *c = &rs->relay->config;
	struct relay_track *t;

	*ret_code = INLAY_MOQ_REQUEST_UNAUTHORIZED;
	if (c->authorise != NULL && !c->authorise(c->authorise_user, rs, INLAY_RELAY_SUBSCRIBE,
						  &m->name, &m->params.tokens))
		return NULL;
	*ret_code = INLAY_MOQ_REQUEST_EXCESSIVE_LOAD;
	if (rs->n_subscriptions >= c->max_session_subscriptions)
		return NULL;
	t = relay_track_find(rs->relay, &m->name);
	if (t != NULL && is_subscribed(rs, t)) {
		*ret_code = INLAY_MOQ_REQUEST_DUPLICATE_SUBSCRIPTION;
		return NULL;
	}
	return t != NULL ? t : relay_track_find_or_new(rs->relay, &m->name);
}

/* Section 10.2.6. 0: it does not wait. */
static inlay_ns rendezvous_deadline(const struct inlay_relay *r, const struct inlay_moq_params *p)
{
	inlay_ns wait = p->rendezvous_timeout < 1ULL << 40 ? p->rendezvous_timeout * INLAY_MS
							   : r->config.max_rendezvous;

	if (wait > r->config.max_rendezvous)
		wait = r->config.max_rendezvous;
	return wait > 0 ? r->now + wait : 0;
}

void relay_subscription_new(struct inlay_relay_session *rs, struct inlay_moq_request *req,
			    const struct inlay_moq_subscribe *m)
{
	struct inlay_relay *r = rs->relay;
	struct relay_subscription *sub = NULL;
	struct relay_track *t;
	__u64 code;

	t = track_to_subscribe(rs, m, &code);
	if (t != NULL)
		sub = calloc(1, sizeof(*sub));
	if (sub == NULL) {
		refuse_request(rs, req, code);
		if (t != NULL)
			relay_track_left(t);
		return;
	}
	sub->track = t;
	sub->session = rs;
	sub->request = req;
	sub->end_deadline = INLAY_NEVER;
	sub->why = r->fast.state != NULL ? INLAY_REASON_OK_NOT_ACKED : INLAY_REASON_FORWARDING_OFF;
	sub->why_detached = RELAY_NO_REASON;
	inlay_list_init(&sub->readers);
	sub->params.forward = true;
	sub->params.subscriber_priority = 128;
	merge(&sub->params, &m->params);
	sub->rendezvous_deadline = rendezvous_deadline(r, &m->params);
	if (sub->rendezvous_deadline > 0)
		relay_wake(r, sub->rendezvous_deadline);
	inlay_list_append(&t->subscriptions, &sub->of_track);
	inlay_list_append(&rs->subscriptions, &sub->of_session);
	t->n_subscriptions++;
	rs->n_subscriptions++;
	r->stats.subscriptions_now++;
	inlay_moq_request_set_user(req, sub);
	if (t->state == RELAY_TRACK_LIVE)
		relay_subscription_accept(sub);
	relay_track_want(t);
}

static bool is_read(const struct relay_subscription *sub, const struct inlay_cache_stream *stream)
{
	struct inlay_list *node;

	inlay_list_for_each (node, &sub->readers)
		if (inlay_list_entry(node, struct relay_reader, of_subscription)->stream == stream)
			return true;
	return false;
}

/* Everything in the cache that it wants, newest first, as the oldest gives way. */
static void attach_cached(struct relay_subscription *sub)
{
	struct inlay_list *g, *s;

	for (g = sub->track->cache.groups.prev; g != &sub->track->cache.groups; g = g->prev) {
		struct inlay_cache_group *group =
			inlay_list_entry(g, struct inlay_cache_group, node);

		if (!relay_subscription_wants_group(sub, group->id))
			continue;
		for (s = group->streams.prev; s != &group->streams; s = s->prev) {
			struct inlay_cache_stream *stream =
				inlay_list_entry(s, struct inlay_cache_stream, node);

			if (!is_read(sub, stream) && !relay_reader_attach_old(sub, stream))
				return;
		}
	}
}

/* Streams that are arriving, from their next object on; not those of groups that |before| (may be
 * NULL) wanted: what was reset or stopped there is not begun again (section 11.4.3). */
static void attach_live(struct relay_subscription *sub, const struct relay_subscription *before)
{
	struct inlay_list *g, *s;

	inlay_list_for_each (g, &sub->track->cache.groups) {
		struct inlay_cache_group *group =
			inlay_list_entry(g, struct inlay_cache_group, node);

		if (!relay_subscription_wants_group(sub, group->id) ||
		    (before != NULL && relay_subscription_wants_group(before, group->id)))
			continue;
		inlay_list_for_each (s, &group->streams) {
			struct inlay_cache_stream *stream =
				inlay_list_entry(s, struct inlay_cache_stream, node);

			if (!is_read(sub, stream))
				relay_reader_attach(sub, stream);
		}
	}
}

/* As attach_live(), streams that are arriving though their group was evicted: what they would have
 * brought is refused, and missed by who comes now as by who read them before. */
static void attach_evicted(struct relay_subscription *sub, const struct relay_subscription *before)
{
	struct inlay_list *node;

	inlay_list_for_each (node, &sub->track->feeds) {
		const struct relay_feed *feed = inlay_list_entry(node, struct relay_feed, of_track);
		struct inlay_cache_stream *stream = feed->stream;
		__u64 group = stream->header.group;

		if (stream->group == NULL && relay_subscription_wants_group(sub, group) &&
		    (before == NULL || !relay_subscription_wants_group(before, group)) &&
		    !is_read(sub, stream))
			relay_reader_attach(sub, stream);
	}
}

/* Section 5.1.2: a range that is over, and of which nothing is left. */
static bool is_past(const struct relay_subscription *sub)
{
	const struct relay_track *t = sub->track;
	struct inlay_list *node;

	if (!t->has_largest || sub->end_group >= t->largest.group)
		return false;
	inlay_list_for_each (node, &t->cache.groups)
		if (relay_subscription_wants_group(
			    sub, inlay_list_entry(node, struct inlay_cache_group, node)->id))
			return false;
	return true;
}

void relay_subscription_accept(struct relay_subscription *sub)
{
	struct relay_track *t = sub->track;
	struct inlay_moq_params params = relay_track_params(t);
	__u8 order =
		sub->params.group_order != 0 ? sub->params.group_order : t->properties.group_order;

	resolve_filter(sub);
	if (is_past(sub)) {
		relay_subscription_refuse(sub, INLAY_MOQ_REQUEST_INVALID_RANGE);
		return;
	}
	sub->descending = order == INLAY_MOQ_DESCENDING;
	relay_subscription_set_timeouts(sub);
	/* An error is the session's end, which takes |sub| with it later. */
	if (inlay_moq_request_subscribe_ok(sub->request, &params, &t->properties.bytes) < 0)
		return;
	sub->state = RELAY_SUBSCRIPTION_ACTIVE;
	relay_fast_wake(t->relay, t->relay->now);
	for (; sub->updates > 0; sub->updates--)
		(void)inlay_moq_request_update_ok(sub->request, &params);
	if (!sub->params.forward)
		return;
	sub->served = true;
	/* "Subscribe only requests newly published Objects" (10.7): the past is for who names it.
	 */
	if (sub->unfiltered)
		attach_live(sub, NULL);
	else
		attach_cached(sub);
	attach_evicted(sub, NULL);
	relay_reader_open_pending(sub);
}

__u64 relay_subscription_priority(const struct relay_subscription *sub, bool has_priority,
				  __u8 priority, __u64 group, __u64 subgroup)
{
	const struct relay_track *t = sub->track;
	__u8 publisher = has_priority ? priority : t->properties.publisher_priority;

	group = group > t->base_group ? group - t->base_group : 0;
	return inlay_moq_priority(sub->params.subscriber_priority, publisher, sub->descending,
				  group, subgroup);
}

static void set_order(struct relay_subscription *sub)
{
	struct inlay_list *node;

	inlay_list_for_each (node, &sub->readers)
		relay_reader_set_order(
			inlay_list_entry(node, struct relay_reader, of_subscription));
	relay_position_set_thresholds(sub);
}

__u8 relay_subscription_class(struct relay_subscription *sub, bool has_priority, __u8 priority)
{
	__u8 publisher = has_priority ? priority : sub->track->properties.publisher_priority;
	struct relay_ranking *ranking = &sub->session->ranking;
	__u8 subscriber = sub->params.subscriber_priority;
	struct inlay_list *node;

	if (relay_ranking_add(ranking, subscriber, publisher))
		inlay_list_for_each (node, &sub->session->subscriptions)
			set_order(inlay_list_entry(node, struct relay_subscription, of_session));
	return relay_ranking_class(ranking, subscriber, publisher);
}

void relay_subscription_datagram(struct relay_subscription *sub, const struct inlay_moq_datagram *d)
{
	struct inlay_relay *r = sub->track->relay;
	/* Section 8.3: of datagrams both timeouts mean the same. */
	inlay_ns timeout = smaller(sub->object_timeout, sub->subgroup_timeout);
	const struct inlay_datagram_order order = {
		.priority = relay_subscription_priority(sub, d->has_priority, d->priority, d->group,
							d->object),
		.deadline = timeout > 0 ? r->now + timeout : 0,
		.class = relay_subscription_class(sub, d->has_priority, d->priority),
	};

	if (inlay_moq_request_datagram(sub->request, d, &order) == 0)
		r->stats.datagrams_out++;
	else
		r->stats.datagrams_dropped++;
}

/* --- its changes ----------------------------------------------------------------------------- */

/* Resets streams that it does not want any more. */
static void narrow(struct relay_subscription *sub)
{
	struct inlay_list *node, *after_node;

	inlay_list_for_each_safe (node, after_node, &sub->readers) {
		struct relay_reader *rd =
			inlay_list_entry(node, struct relay_reader, of_subscription);
		__u64 group = rd->stream->header.group;

		if (sub->params.forward && (relay_subscription_wants_group(sub, group)))
			continue;
		if (!rd->finished)
			relay_reader_drop(rd, INLAY_MOQ_RESET_CANCELLED, INLAY_RELAY_RULE_NARROWED);
	}
}

/*
 * What it wants now and did not before. Who begins to be forwarded to and names a start gets what
 * the cache has from there, as with a new subscription (section 10.9.1): so a subscriber that stood
 * by on another rendition begins with the group it needs, not with the next one. Who merely paused
 * has had what came before.
 */
static void attach_more(struct relay_subscription *sub, const struct relay_subscription *before,
			bool names_start)
{
	if (before->params.forward)
		attach_live(sub, before);
	else if (sub->unfiltered || (before->served && !names_start))
		attach_live(sub, NULL);
	else
		attach_cached(sub);
	attach_evicted(sub, before->params.forward ? before : NULL);
	sub->served = true;
}

void relay_subscription_update(struct relay_subscription *sub,
			       const struct inlay_moq_params *params)
{
	const struct relay_subscription before = *sub;
	struct inlay_moq_params answer;

	merge(&sub->params, params);
	if (sub->state == RELAY_SUBSCRIPTION_PENDING) {
		sub->updates++; /* answered behind SUBSCRIBE_OK */
		return;
	}
	if (params->present & INLAY_MOQ_HAS_FILTER)
		resolve_filter(sub);
	relay_subscription_set_timeouts(sub);
	/* A new one follows from what it wants now. */
	if (params->present & INLAY_MOQ_HAS_FILTER || !sub->params.forward)
		(void)relay_position_end(sub);
	relay_fast_wake(sub->track->relay, sub->track->relay->now);
	narrow(sub);
	set_order(sub);
	answer = relay_track_params(sub->track);
	(void)inlay_moq_request_update_ok(sub->request, &answer);
	if (sub->state == RELAY_SUBSCRIPTION_ACTIVE && sub->params.forward)
		attach_more(sub, &before, params->present & INLAY_MOQ_HAS_FILTER);
	relay_reader_open_pending(sub);
	relay_subscription_check_end(sub);
}

/* --- its end --------------------------------------------------------------------------------- */

static void subscription_free(struct relay_subscription *sub)
{
	struct relay_track *t = sub->track;

	relay_position_forget(sub);
	inlay_list_remove(&sub->of_track);
	inlay_list_remove(&sub->of_session);
	t->n_subscriptions--;
	/* Priorities of the past rank no more. */
	if (--sub->session->n_subscriptions == 0)
		sub->session->ranking.n = 0;
	t->relay->stats.subscriptions_now--;
	free(sub);
	relay_track_left(t);
}

static void let_readers_go(struct relay_subscription *sub)
{
	while (!inlay_list_is_empty(&sub->readers))
		relay_reader_let_go(
			inlay_list_entry(sub->readers.next, struct relay_reader, of_subscription));
}

void relay_subscription_refuse(struct relay_subscription *sub, __u64 code)
{
	inlay_moq_request_set_user(sub->request, NULL);
	refuse_request(sub->session, sub->request, code);
	subscription_free(sub);
}

/* PUBLISH_DONE, now; or as soon as no forwarder opens streams any more, which it counts. */
static void end(struct relay_subscription *sub, __u64 status)
{
	if (!relay_position_end(sub)) {
		sub->state = RELAY_SUBSCRIPTION_ENDING;
		sub->end_status = status;
		sub->end_deadline = sub->track->relay->now + RELAY_FAST_POLL;
		return;
	}
	inlay_moq_request_set_user(sub->request, NULL);
	let_readers_go(sub);
	(void)inlay_moq_request_publish_done(sub->request, status,
					     inlay_moq_done_code_text(status));
	subscription_free(sub);
}

void relay_subscription_gone(struct relay_subscription *sub)
{
	let_readers_go(sub);
	subscription_free(sub);
}

void relay_subscription_behind(struct relay_subscription *sub)
{
	sub->track->relay->stats.ended_behind++;
	end(sub, INLAY_MOQ_DONE_TOO_FAR_BEHIND);
}

void relay_subscription_check_end(struct relay_subscription *sub)
{
	struct inlay_relay *r = sub->track->relay;
	struct inlay_list *node;

	if (sub->state != RELAY_SUBSCRIPTION_ENDING)
		return;
	/* Section 10.10: PUBLISH_DONE follows the last stream that is opened, and the last
	 * datagram.
	 */
	if (sub->end_deadline > r->now) {
		inlay_list_for_each (node, &sub->readers)
			if (!inlay_list_entry(node, struct relay_reader, of_subscription)->finished)
				return;
		if (inlay_moq_request_datagrams_queued(sub->request) > 0) {
			relay_wake(r, r->now + DATAGRAM_POLL);
			return;
		}
	}
	end(sub, sub->end_status);
}

void relay_subscription_finish(struct relay_subscription *sub, __u64 status)
{
	struct inlay_relay *r = sub->track->relay;

	sub->state = RELAY_SUBSCRIPTION_ENDING;
	sub->end_status = status;
	sub->end_deadline = r->now;
	if (status != INLAY_MOQ_DONE_MALFORMED_TRACK)
		sub->end_deadline += r->config.drain;
	relay_wake(r, sub->end_deadline);
	relay_subscription_check_end(sub);
}

void relay_subscription_on_timer(struct relay_subscription *sub)
{
	struct inlay_relay *r = sub->track->relay;
	struct inlay_list *node, *after_node;

	if (sub->state == RELAY_SUBSCRIPTION_PENDING) {
		if (sub->rendezvous_deadline > r->now)
			relay_wake(r, sub->rendezvous_deadline);
		else if (sub->rendezvous_deadline > 0 &&
			 (sub->track->state != RELAY_TRACK_CONNECTING ||
			  relay_track_is_absent(sub->track)))
			relay_subscription_refuse(sub, INLAY_MOQ_REQUEST_TIMEOUT);
		return;
	}
	inlay_list_for_each_safe (node, after_node, &sub->readers)
		relay_reader_on_timer(inlay_list_entry(node, struct relay_reader, of_subscription));
	relay_reader_open_pending(sub);
	relay_wake(r, sub->end_deadline);
	relay_subscription_check_end(sub);
}
