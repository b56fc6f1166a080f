/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The publishers of a track and what arrives from them. A group belongs to the publisher that began
 * it first, as long as that lives; what others send of it is a duplicate. So failover happens at a
 * group's boundary, and no subscriber sees a stream with two authors.
 */
#include "relay_impl.h"

#include <errno.h>
#include <stdlib.h>

#define STATUS_TIMEOUT INLAY_S /* for an origin's answer to TRACK_STATUS */

/* --- subscriptions upstream ------------------------------------------------------------------ */

static struct relay_upstream *upstream_new(struct relay_track *t, struct inlay_relay_session *rs)
{
	struct relay_upstream *up = calloc(1, sizeof(*up));

	if (up == NULL)
		return NULL;
	up->track = t;
	up->session = rs;
	up->connect_deadline = INLAY_NEVER;
	up->done = RELAY_NOT_DONE;
	inlay_list_append(&t->upstreams, &up->of_track);
	t->n_upstreams++;
	t->relay->stats.upstreams_now++;
	up->session->n_upstreams++;
	return up;
}

static void upstream_free(struct relay_upstream *up)
{
	struct relay_track *t = up->track;
	struct inlay_list *node;

	relay_fast_upstream_gone(up);
	relay_fast_wake(t->relay, t->relay->now); /* another may be the fast one now */
	relay_held_forget(t, up);
	relay_bygones_forget(&t->bygones, up);
	if (t->datagrams_of == up)
		t->datagrams_of = NULL;
	inlay_list_for_each (node, &t->cache.groups) {
		struct inlay_cache_group *g =
			inlay_list_entry(node, struct inlay_cache_group, node);

		if (g->owner == up)
			g->owner = NULL;
	}
	inlay_list_remove(&up->of_track);
	t->n_upstreams--;
	t->relay->stats.upstreams_now--;
	up->session->n_upstreams--;
	if (up->published)
		up->session->n_publications--;
	free(up);
}

static struct relay_upstream *find(const struct relay_track *t,
				   const struct inlay_relay_session *rs)
{
	struct inlay_list *node;

	inlay_list_for_each (node, &t->upstreams) {
		struct relay_upstream *up = inlay_list_entry(node, struct relay_upstream, of_track);

		if (up->session == rs)
			return up;
	}
	return NULL;
}

static int upstream_to(struct relay_track *t, struct inlay_relay_session *rs,
		       struct relay_upstream **ret)
{
	if (find(t, rs) != NULL)
		return -EEXIST;
	if (t->n_upstreams >= t->relay->config.max_publishers)
		return -ENOSPC;
	*ret = upstream_new(t, rs);
	return *ret != NULL ? 0 : -ENOMEM;
}

/* Section 9.3: forwarding, priorities of no subscriber in particular. |patience|: the wait that is
 * part of |params|. */
static int send_subscribe(struct relay_upstream *up, const struct inlay_moq_params *params,
			  inlay_ns patience)
{
	struct inlay_relay *r = up->track->relay;
	struct inlay_moq_subscribe m = {.name = *up->track->name, .params = *params};
	int rv = inlay_moq_session_subscribe(up->session->moq, &m, up, &up->request);

	if (rv < 0)
		return rv;
	up->asking = false;
	up->forward = true;
	up->connect_deadline = r->now + patience + r->config.connect_timeout;
	relay_wake(r, up->connect_deadline);
	return 0;
}

int relay_upstream_subscribe(struct relay_track *t, struct inlay_relay_session *rs)
{
	static const struct inlay_moq_params unfiltered;
	struct relay_upstream *up;
	int rv = upstream_to(t, rs, &up);

	if (rv < 0)
		return rv;
	rv = send_subscribe(up, &unfiltered, 0);
	if (rv < 0)
		upstream_free(up);
	return rv;
}

/* --- an origin ------------------------------------------------------------------------------- */

int relay_upstream_ask(struct relay_track *t, struct inlay_relay_session *rs)
{
	struct inlay_moq_subscribe m = {.name = *t->name};
	struct relay_upstream *up;
	int rv = upstream_to(t, rs, &up);

	if (rv < 0)
		return rv;
	rv = inlay_moq_session_track_status(rs->moq, &m, up, &up->request);
	if (rv < 0) {
		upstream_free(up);
		return rv;
	}
	up->asking = true;
	up->connect_deadline = t->relay->now + STATUS_TIMEOUT;
	relay_wake(t->relay, up->connect_deadline);
	return 0;
}

/* The TRACK_STATUS is over. */
static void subscribe_after_status(struct relay_upstream *up, const struct inlay_moq_params *params,
				   inlay_ns patience)
{
	struct relay_track *t = up->track;

	if (send_subscribe(up, params, patience) == 0)
		return;
	upstream_free(up);
	relay_track_upstream_gone(t, INLAY_MOQ_REQUEST_INTERNAL_ERROR, RELAY_NOT_DONE);
}

void relay_upstream_on_status(struct relay_upstream *up, const struct inlay_moq_params *params)
{
	const struct relay_track *t = up->track;
	struct inlay_moq_params from = {
		.present = INLAY_MOQ_HAS_FILTER,
		.filter.type = INLAY_MOQ_FILTER_ABSOLUTE_START,
	};

	inlay_moq_request_set_user(up->request, NULL); /* it ends by itself */
	/* Where it has nothing yet, all that comes until SUBSCRIBE gets there is wanted too. */
	if (params->present & INLAY_MOQ_HAS_LARGEST_OBJECT)
		from.filter.start.group = params->largest_object.group;
	/* A stream that begins with what we have is a duplicate, all of it. */
	if (t->has_largest && t->largest.group == from.filter.start.group)
		from.filter.start.object = t->largest.object + (t->largest.object < ~0ULL);
	subscribe_after_status(up, &from, 0);
}

/* |code|: of its REQUEST_ERROR. */
static void subscribe_blindly(struct relay_upstream *up, __u64 code)
{
	struct relay_track *t = up->track;
	struct inlay_moq_params params = {.present = INLAY_MOQ_HAS_RENDEZVOUS_TIMEOUT};
	inlay_ns until = relay_track_patience(t), patience = 0;

	if (until > t->relay->now)
		patience = until - t->relay->now;
	params.rendezvous_timeout = patience / INLAY_MS;
	if (params.rendezvous_timeout == 0)
		params.present = 0;
	else
		up->absent = code == INLAY_MOQ_REQUEST_DOES_NOT_EXIST;
	if (up->absent)
		relay_track_refuse_impatient(t);
	subscribe_after_status(up, &params, patience);
}

void relay_upstream_status_timeout(struct relay_upstream *up)
{
	inlay_moq_request_set_user(up->request, NULL);
	inlay_moq_request_cancel(up->request, INLAY_MOQ_RESET_CANCELLED);
	subscribe_blindly(up, INLAY_MOQ_REQUEST_TIMEOUT);
}

/* --- what publishers answer ------------------------------------------------------------------ */

/* What this publisher says of the track. 0; a code for REQUEST_ERROR. */
static __u64 adopt(struct relay_upstream *up, const struct inlay_moq_params *params,
		   const struct inlay_moq_track_properties *properties)
{
	struct relay_track *t = up->track;

	if (properties->mandatory != 0) /* section 2.5.1: we understand none of them */
		return INLAY_MOQ_REQUEST_UNSUPPORTED_EXTENSION;
	if (properties->malformed)
		return INLAY_MOQ_REQUEST_MALFORMED_TRACK;
	if (relay_track_set_properties(t, properties) < 0)
		return INLAY_MOQ_REQUEST_EXCESSIVE_LOAD;
	up->has_floor = t->has_largest;
	up->floor = t->largest;
	if (params->present & INLAY_MOQ_HAS_LARGEST_OBJECT)
		(void)relay_track_note_object(t, params->largest_object);
	up->established = true;
	/* Whoever has been there for longer comes before. */
	inlay_list_remove(&up->of_track);
	inlay_list_append(&t->upstreams, &up->of_track);
	relay_fast_wake(t->relay, t->relay->now);
	return 0;
}

void relay_upstream_on_ok(struct relay_upstream *up, const struct inlay_moq_subscribe_ok *m)
{
	struct relay_track *t = up->track;
	__u64 code = adopt(up, &m->params, &m->properties);

	if (code != 0) {
		relay_upstream_cancel(up, INLAY_MOQ_RESET_CANCELLED);
		relay_track_upstream_gone(t, code, RELAY_NOT_DONE);
		return;
	}
	relay_track_established(t);
}

static void refuse(struct inlay_relay_session *rs, struct inlay_moq_request *req, __u64 code)
{
	rs->relay->stats.refused++;
	(void)inlay_moq_request_error(req, code,
				      code == INLAY_MOQ_REQUEST_EXCESSIVE_LOAD ? 1001 : 0,
				      inlay_moq_request_code_text(code));
}

/* A track that PUBLISH may join, or NULL with a code. */
static struct relay_track *track_to_publish(struct inlay_relay_session *rs,
					    const struct inlay_moq_publish *m, __u64 *ret_code)
{
	const struct inlay_relay_config *c = &rs->relay->config;
	struct relay_track *t;
	struct relay_upstream *up;

	*ret_code = INLAY_MOQ_REQUEST_UNAUTHORIZED;
	if (c->authorise != NULL &&
	    !c->authorise(c->authorise_user, rs, INLAY_RELAY_PUBLISH, &m->name, &m->params.tokens))
		return NULL;
	*ret_code = INLAY_MOQ_REQUEST_EXCESSIVE_LOAD;
	if (rs->n_publications >= c->max_session_publications)
		return NULL;
	t = relay_track_find_or_new(rs->relay, &m->name);
	if (t == NULL)
		return NULL;
	up = find(t, rs);
	if (up != NULL && up->established) {
		*ret_code = INLAY_MOQ_REQUEST_DUPLICATE_SUBSCRIPTION;
		relay_track_left(t);
		return NULL;
	}
	if (up != NULL) /* section 5.1: our own request gives way */
		relay_upstream_cancel(up, INLAY_MOQ_RESET_CANCELLED);
	if (t->n_upstreams >= c->max_publishers) {
		*ret_code = INLAY_MOQ_REQUEST_UNINTERESTED;
		relay_track_left(t);
		return NULL;
	}
	return t;
}

void relay_upstream_publish(struct inlay_relay_session *rs, struct inlay_moq_request *req,
			    const struct inlay_moq_publish *m)
{
	struct inlay_moq_params params = {.present = INLAY_MOQ_HAS_FORWARD};
	struct relay_upstream *up = NULL;
	struct relay_track *t;
	__u64 code;

	t = track_to_publish(rs, m, &code);
	if (t != NULL)
		up = upstream_new(t, rs);
	if (up == NULL) {
		refuse(rs, req, code);
		if (t != NULL)
			relay_track_left(t);
		return;
	}
	up->published = true;
	up->request = req;
	rs->n_publications++;
	code = adopt(up, &m->params, &m->properties);
	if (code != 0) {
		refuse(rs, req, code);
		upstream_free(up);
		relay_track_upstream_gone(t, RELAY_WENT_AWAY, RELAY_NOT_DONE);
		return;
	}
	inlay_moq_request_set_user(req, up);
	/* Section 9.5: objects are asked for once somebody wants them. */
	up->forward = relay_track_is_wanted(t);
	params.forward = up->forward;
	(void)inlay_moq_request_ok(req, &params, NULL);
	relay_track_established(t);
}

void relay_upstream_set_forward(struct relay_upstream *up, bool forward)
{
	struct inlay_moq_params params = {.present = INLAY_MOQ_HAS_FORWARD, .forward = forward};

	if (up->forward == forward)
		return;
	if (inlay_moq_request_update(up->request, &params) == 0)
		up->forward = forward;
}

void relay_upstream_on_done(struct relay_upstream *up, const struct inlay_moq_publish_done *m)
{
	switch (m->status) {
	case INLAY_MOQ_DONE_MALFORMED_TRACK:
		relay_track_malformed(up->track);
		return;
	case INLAY_MOQ_DONE_TRACK_ENDED:
	case INLAY_MOQ_DONE_SUBSCRIPTION_ENDED:
		up->done = INLAY_MOQ_DONE_TRACK_ENDED;
		return;
	case INLAY_MOQ_DONE_INTERNAL_ERROR:
		up->done = INLAY_MOQ_DONE_INTERNAL_ERROR;
		return;
	default:
		return; /* between it and us: it may have the track still, or again */
	}
}

void relay_upstream_ended(struct relay_upstream *up, enum inlay_moq_end end, __u64 code)
{
	struct relay_track *t = up->track;
	__u64 done = end == INLAY_MOQ_END_DONE ? up->done : RELAY_NOT_DONE;

	if (up->asking && end != INLAY_MOQ_END_SESSION) {
		inlay_moq_request_set_user(up->request, NULL);
		subscribe_blindly(up, end == INLAY_MOQ_END_ERROR ? code : RELAY_WENT_AWAY);
		return;
	}
	upstream_free(up);
	if (end == INLAY_MOQ_END_LOCAL && code == INLAY_MOQ_RESET_MALFORMED_TRACK)
		relay_track_malformed(t);
	else
		relay_track_upstream_gone(t, end == INLAY_MOQ_END_ERROR ? code : RELAY_WENT_AWAY,
					  done);
}

void relay_upstream_cancel(struct relay_upstream *up, __u64 code)
{
	inlay_moq_request_set_user(up->request, NULL);
	inlay_moq_request_cancel(up->request, code);
	upstream_free(up);
}

/* --- streams --------------------------------------------------------------------------------- */

static bool is_duplicate_group(const struct relay_upstream *up,
			       const struct inlay_moq_subgroup *header,
			       const struct inlay_cache_group *g)
{
	if (up->has_floor && header->group < up->floor.group)
		return true;
	if (inlay_track_cache_find(&up->track->cache, header->group) == NULL &&
	    relay_bygones_has(&up->track->bygones, header->group, up))
		return true;
	return g != NULL && g->owner != NULL && g->owner != up;
}

/* A stream that is not taken; what a forwarder has sent of it ends as well. */
static void turn_away(struct inlay_relay *r, struct inlay_moq_incoming *in, struct relay_slot *slot,
		      __u64 code)
{
	if (slot != NULL)
		relay_slot_end(r, slot);
	inlay_moq_incoming_stop(in, code);
}

void relay_upstream_on_subgroup(struct relay_upstream *up, struct inlay_moq_incoming *in,
				const struct inlay_moq_subgroup *header)
{
	struct relay_track *t = up->track;
	struct inlay_relay *r = t->relay;
	bool hold = relay_held_wants(up, header->group);
	struct inlay_track_cache *cache = hold ? &t->held : &t->cache;
	struct inlay_cache_group *g = inlay_track_cache_find(cache, header->group);
	struct relay_slot *slot = relay_slot_find(up, in);
	struct relay_feed *feed;
	struct inlay_list *node, *after;

	if (is_duplicate_group(up, header, g)) {
		r->stats.duplicates++;
		turn_away(r, in, slot, INLAY_MOQ_RESET_CANCELLED);
		return;
	}
	if (!hold)
		relay_held_drop(t, header->group, INLAY_MOQ_RESET_CANCELLED);
	feed = calloc(1, sizeof(*feed));
	if (feed != NULL && g != NULL && g->owner == NULL) {
		feed->has_min = g->has_largest;
		feed->min_object = g->largest_object;
	}
	if (feed != NULL)
		feed->stream = inlay_track_cache_open(cache, header, r->now);
	if (feed == NULL || feed->stream == NULL) {
		free(feed);
		turn_away(r, in, slot, INLAY_MOQ_RESET_EXCESSIVE_LOAD);
		return;
	}
	if (r->next_expiry == INLAY_NEVER) {
		r->next_expiry = r->now + INLAY_S;
		relay_wake(r, r->next_expiry);
	}
	r->stats.streams_in++;
	feed->upstream = up;
	feed->in = in;
	feed->slot = slot;
	if (slot != NULL)
		relay_slot_begin(slot, feed->stream, in);
	feed->stream->group->inherited |= g != NULL && g->owner == NULL;
	feed->stream->group->owner = up;
	inlay_list_append(&t->feeds, &feed->of_track);
	inlay_moq_incoming_set_user(in, feed);
	if (hold) {
		relay_held_begun(feed);
		return;
	}
	inlay_list_for_each_safe (node, after, &t->subscriptions) {
		struct relay_subscription *sub =
			inlay_list_entry(node, struct relay_subscription, of_track);

		if (slot != NULL && relay_slot_adopt(slot, sub))
			continue;
		if (sub->state == RELAY_SUBSCRIPTION_ACTIVE && sub->params.forward &&
		    relay_subscription_wants_group(sub, header->group))
			relay_reader_attach(sub, feed->stream);
	}
}

/* No more of it: readers are told, the record goes. */
static void end_feed(struct relay_feed *feed, enum inlay_cache_end end, __u64 code)
{
	struct inlay_cache_stream *s = feed->stream;
	struct inlay_relay *r = feed->upstream->track->relay;
	struct inlay_list *node, *after;

	inlay_list_remove(&feed->of_track);
	inlay_cache_stream_end(s, end, code, r->now);
	inlay_list_for_each_safe (node, after, &s->readers)
		relay_reader_on_growth(inlay_list_entry(node, struct relay_reader, of_stream));
	if (feed->slot != NULL)
		relay_slot_end(r, feed->slot);
	inlay_cache_stream_put(s);
	free(feed);
}

void relay_feed_abandon(struct relay_feed *feed, __u64 code)
{
	struct inlay_moq_incoming *in = feed->in;

	if (code == INLAY_MOQ_RESET_EXCESSIVE_LOAD)
		relay_reader_refuse(feed->upstream, feed->stream,
				    feed->stream->group == NULL ? INLAY_RELAY_RULE_EVICTED
								: INLAY_RELAY_RULE_MEMORY);
	inlay_moq_incoming_set_user(in, NULL);
	end_feed(feed, INLAY_CACHE_RESET, code);
	/* Last: if the publisher is done, and waited for this stream alone, the upstream ends. */
	inlay_moq_incoming_stop(in, code);
}

enum object_fate {
	OBJECT_NEW,
	OBJECT_DUPLICATE, /* the stream brings what is known already */
	OBJECT_MALFORMED,
};

/* Against the other streams of the same subgroup (section 2.4.2). */
static enum object_fate check_subgroup(const struct inlay_cache_stream *s,
				       const struct inlay_moq_object *object)
{
	struct inlay_list *node;

	inlay_list_for_each (node, &s->group->streams) {
		struct inlay_cache_stream *other =
			inlay_list_entry(node, struct inlay_cache_stream, node);
		__u64 last;

		if (other == s || !inlay_cache_stream_last_object(other, &last) ||
		    other->header.subgroup != s->header.subgroup)
			continue;
		if (other->header.has_priority != s->header.has_priority ||
		    other->header.priority != s->header.priority)
			return OBJECT_MALFORMED;
		if (object->id <= last)
			return OBJECT_DUPLICATE;
		if (other->end == INLAY_CACHE_FIN)
			return OBJECT_MALFORMED;
	}
	return OBJECT_NEW;
}

/*
 * Section 2.4.2, condition 6: what the cache tells without a look at bytes, that is another
 * subgroup or length. An ID above all others of the group is new, which is the rule.
 */
static enum object_fate check_again(const struct inlay_cache_stream *s,
				    const struct inlay_moq_object *object)
{
	const struct inlay_cache_group *g = s->group;
	const struct inlay_cache_object *o;
	struct inlay_list *node;

	if (!g->has_largest || object->id > g->largest_object)
		return OBJECT_NEW;
	inlay_list_for_each (node, &g->streams) {
		const struct inlay_cache_stream *other =
			inlay_list_entry(node, struct inlay_cache_stream, node);

		o = other != s ? inlay_cache_stream_object(other, object->id) : NULL;
		if (o == NULL)
			continue;
		if (other->header.subgroup != s->header.subgroup ||
		    o->length - o->header_length != object->payload_len)
			return OBJECT_MALFORMED;
		return OBJECT_DUPLICATE;
	}
	return OBJECT_NEW;
}

static enum object_fate check_object(struct relay_feed *feed, const struct inlay_moq_object *object)
{
	struct relay_upstream *up = feed->upstream;
	struct inlay_cache_stream *s = feed->stream;
	struct inlay_cache_group *g = s->group;
	struct inlay_moq_location where = {s->header.group, object->id};
	enum object_fate fate = OBJECT_NEW;

	if (!feed->begun) {
		if (feed->has_min && object->id <= feed->min_object)
			return OBJECT_DUPLICATE;
		if (up->has_floor && !inlay_moq_location_less(up->floor, where))
			return OBJECT_DUPLICATE;
		if (s->header.id_mode == INLAY_MOQ_SUBGROUP_FIRST_OBJECT)
			s->header.subgroup = object->id;
		fate = check_subgroup(s, object);
	}
	if (fate != OBJECT_MALFORMED) {
		enum object_fate again = check_again(s, object);

		fate = again != OBJECT_NEW ? again : fate;
	}
	if (fate != OBJECT_NEW)
		return fate;
	if (g->has_final && object->id > g->final_object)
		return OBJECT_MALFORMED;
	if (object->status == INLAY_MOQ_STATUS_END_OF_GROUP && g->has_largest &&
	    g->largest_object > object->id)
		return OBJECT_MALFORMED;
	if (!feed->held && !relay_track_note_object(up->track, where))
		return OBJECT_MALFORMED;
	/* Condition 5, the other way round. */
	if (object->status == INLAY_MOQ_STATUS_END_OF_TRACK && !feed->held &&
	    inlay_moq_location_less(where, up->track->largest))
		return OBJECT_MALFORMED;
	if (object->status == INLAY_MOQ_STATUS_END_OF_TRACK && feed->held) {
		g->ends_track = true;
	} else if (object->status == INLAY_MOQ_STATUS_END_OF_TRACK) {
		up->track->has_end = true;
		up->track->end = where;
	}
	if (object->status != INLAY_MOQ_STATUS_NORMAL) {
		g->has_final = true;
		g->final_object = object->id;
	}
	if (!g->has_largest || object->id > g->largest_object) {
		g->has_largest = true;
		g->largest_object = object->id;
	}
	return OBJECT_NEW;
}

/* False: the feed is gone. */
static bool store(struct relay_feed *feed, const __u8 *data, size_t len)
{
	struct inlay_relay *r = feed->upstream->track->relay;

	r->stats.bytes_in += len;
	if (inlay_cache_stream_append(feed->stream, data, len, r->now) == 0)
		return true;
	relay_feed_abandon(feed, INLAY_MOQ_RESET_EXCESSIVE_LOAD);
	return false;
}

void relay_feed_on_object(struct relay_feed *feed, struct inlay_moq_incoming *in,
			  const struct inlay_moq_object *object, const __u8 *header, size_t len)
{
	const struct inlay_cache_object entry = {
		.id = object->id,
		.length = len + object->payload_len,
		.header_length = (__u32)len,
		.delta_length = inlay_vi64_len_of(header[0]),
	};
	struct inlay_cache_stream *s = feed->stream;
	struct relay_track *t = feed->upstream->track;
	struct inlay_list *node, *after;
	enum object_fate fate;

	if (s->group == NULL) { /* evicted under it */
		relay_feed_abandon(feed, INLAY_MOQ_RESET_EXCESSIVE_LOAD);
		return;
	}
	fate = check_object(feed, object);
	if (fate == OBJECT_MALFORMED) {
		relay_track_malformed(t);
		return;
	}
	if (fate == OBJECT_DUPLICATE) {
		t->relay->stats.duplicates++;
		relay_feed_abandon(feed, INLAY_MOQ_RESET_CANCELLED);
		return;
	}
	if (inlay_cache_stream_begin_object(s, &entry, t->relay->now) < 0) {
		relay_feed_abandon(feed, INLAY_MOQ_RESET_EXCESSIVE_LOAD);
		return;
	}
	feed->begun = true;
	t->relay->stats.objects_in++;
	/* A header larger than the cache evicts itself. */
	if (!store(feed, header, len) || s->object_count == 0)
		return;
	if (feed->slot != NULL)
		relay_slot_on_growth(t->relay, feed->slot);
	inlay_list_for_each_safe (node, after, &s->readers)
		relay_reader_on_object(inlay_list_entry(node, struct relay_reader, of_stream),
				       &s->objects[s->object_count - 1]);
}

void relay_feed_on_payload(struct relay_feed *feed, struct inlay_moq_incoming *in, const __u8 *data,
			   size_t len)
{
	struct inlay_cache_stream *s = feed->stream;
	struct inlay_list *node, *after;

	if (!store(feed, data, len))
		return;
	if (feed->slot != NULL)
		relay_slot_on_growth(feed->upstream->track->relay, feed->slot);
	inlay_list_for_each_safe (node, after, &s->readers)
		relay_reader_on_growth(inlay_list_entry(node, struct relay_reader, of_stream));
}

void relay_feed_end(struct relay_feed *feed, enum inlay_moq_end end, __u64 code)
{
	struct inlay_cache_stream *s = feed->stream;
	__u64 last;

	if (end != INLAY_MOQ_END_DONE) {
		/* The session's end is not the subscribers': to them the stream was cancelled. */
		end_feed(feed, INLAY_CACHE_RESET,
			 end == INLAY_MOQ_END_SESSION ? INLAY_MOQ_RESET_CANCELLED : code);
		return;
	}
	if (s->header.end_of_group && s->group != NULL &&
	    inlay_cache_stream_last_object(s, &last)) {
		s->group->has_final = true;
		s->group->final_object = last;
	}
	end_feed(feed, INLAY_CACHE_FIN, 0);
}

/* --- datagrams ------------------------------------------------------------------------------- */

/* Section 2.4.2, condition 7, as far as the cache remembers. */
static bool is_on_stream(const struct relay_track *t, struct inlay_moq_location where)
{
	const struct inlay_cache_group *g = inlay_track_cache_find(&t->cache, where.group);
	struct inlay_list *node;

	if (g == NULL || !g->has_largest || where.object > g->largest_object)
		return false;
	inlay_list_for_each (node, &g->streams)
		if (inlay_cache_stream_object(
			    inlay_list_entry(node, struct inlay_cache_stream, node), where.object))
			return true;
	return false;
}

static bool is_below(bool has_floor, struct inlay_moq_location floor,
		     struct inlay_moq_location where)
{
	return has_floor && !inlay_moq_location_less(floor, where);
}

/* Of several publishers one feeds datagrams: the one that has been there longest. When it is
 * another one's turn, that may be behind. */
static bool is_duplicate_datagram(struct relay_upstream *up, struct inlay_moq_location where)
{
	struct relay_track *t = up->track;

	if (up != relay_track_first_upstream(t))
		return true;
	if (t->datagrams_of != up) {
		t->datagrams_of = up;
		up->has_datagram_floor = t->has_datagram;
		up->datagram_floor = t->last_datagram;
	}
	return is_below(up->has_floor, up->floor, where) ||
	       is_below(up->has_datagram_floor, up->datagram_floor, where);
}

static void note_datagram(struct relay_track *t, struct inlay_moq_location where)
{
	if (t->has_datagram && inlay_moq_location_less(where, t->last_datagram))
		return;
	t->has_datagram = true;
	t->last_datagram = where;
}

void relay_upstream_on_datagram(struct relay_upstream *up, const struct inlay_moq_datagram *d)
{
	struct relay_track *t = up->track;
	struct inlay_relay *r = t->relay;
	struct inlay_moq_location where = {d->group, d->object};
	struct relay_datagram_fate fate;
	struct inlay_list *node, *after;

	relay_fast_datagram(up, &fate);
	r->stats.datagrams_in++;
	if (is_duplicate_datagram(up, where)) {
		r->stats.duplicates++;
		return;
	}
	if (is_on_stream(t, where) || !relay_track_note_object(t, where)) {
		relay_track_malformed(t);
		return;
	}
	note_datagram(t, where);
	inlay_list_for_each_safe (node, after, &t->subscriptions) {
		struct relay_subscription *sub =
			inlay_list_entry(node, struct relay_subscription, of_track);

		if (sub->state == RELAY_SUBSCRIPTION_ACTIVE && sub->params.forward &&
		    relay_subscription_wants(sub, where) &&
		    !relay_position_had(sub, &fate, d->group))
			relay_subscription_datagram(sub, d);
	}
}
