/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One stream to one subscriber: a header of our own, with our alias and the first object's ID, then
 * the publisher's bytes out of the cache. What there is per subscriber are offsets; the transport
 * reads the bytes when it sends and when it sends again.
 *
 * A reader is off all lists once it is dropped, and lives on only as long as the transport holds
 * its source.
 */
#include "relay_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- what is left out ------------------------------------------------------------------------- */

static void report(struct inlay_relay *r, struct inlay_relay_session *rs,
		   const struct inlay_relay_reset *reset)
{
	if (reset->upstream)
		r->stats.streams_refused++;
	else
		r->stats.resets[reset->rule]++;
	if (r->config.on_reset != NULL)
		r->config.on_reset(r->config.on_reset_user, rs, reset);
}

/* The first object may tell which subgroup it is. */
static bool is_named(const struct inlay_cache_stream *s)
{
	return s != NULL && s->object_count + s->objects_dropped > 0;
}

static void count(struct relay_reader *rd, enum inlay_relay_rule rule)
{
	const struct inlay_relay_reset reset = {
		.rule = rule,
		.name = rd->track->name,
		.request = rd->request,
		.group = rd->stream->header.group,
		.subgroup = rd->stream->header.subgroup,
		.any_subgroup = !is_named(rd->stream),
	};

	report(rd->relay, rd->session, &reset);
}

static void count_unread(const struct relay_subscription *sub, const struct inlay_cache_stream *s,
			 enum inlay_relay_rule rule, bool and_older)
{
	const struct inlay_relay_reset reset = {
		.rule = rule,
		.name = sub->track->name,
		.request = inlay_moq_request_id(sub->request),
		.group = s->header.group,
		.subgroup = s->header.subgroup,
		.and_older = and_older,
		.any_subgroup = !is_named(s),
	};

	report(sub->track->relay, sub->session, &reset);
}

void relay_reader_unread(const struct relay_subscription *sub, const struct inlay_cache_stream *s,
			 enum inlay_relay_rule rule)
{
	count_unread(sub, s, rule, false);
}

void relay_reader_abandoned(const struct relay_position *p, __u64 group,
			    const struct inlay_cache_stream *s)
{
	const struct relay_subscription *sub = p->sub;
	struct inlay_relay_reset reset = {
		.request = p->request,
		.group = group,
		.subgroup = is_named(s) ? s->header.subgroup : 0,
		.any_subgroup = !is_named(s),
	};

	if (p->ft->track == NULL) {
		p->relay->stats.resets[INLAY_RELAY_RULE_ENDED]++;
		return;
	}
	reset.name = p->ft->track->name;
	if (sub == NULL || sub->state != RELAY_SUBSCRIPTION_ACTIVE)
		reset.rule = INLAY_RELAY_RULE_ENDED;
	else if (!sub->params.forward || !relay_subscription_wants_group(sub, group))
		reset.rule = INLAY_RELAY_RULE_NARROWED;
	else
		reset.rule = INLAY_RELAY_RULE_UPSTREAM;
	report(p->relay, p->session, &reset);
}

void relay_reader_refuse(const struct relay_upstream *up, const struct inlay_cache_stream *s,
			 enum inlay_relay_rule rule)
{
	const struct inlay_relay_reset reset = {
		.rule = rule,
		.upstream = true,
		.name = up->track->name,
		.request = inlay_moq_request_id(up->request),
		.group = s->header.group,
		.subgroup = s->header.subgroup,
	};

	report(up->track->relay, up->session, &reset);
}

/* --- the transport's view -------------------------------------------------------------------- */

static int source_read(void *ctx, __u64 offset, __u8 *dst, size_t len)
{
	struct relay_reader *rd = ctx;
	__u64 high = offset + len;
	size_t n;

	if (rd->dropped && high > rd->head_len)
		return -ENODATA;
	if (offset < rd->prefix_len) {
		n = rd->prefix_len - (size_t)offset;
		n = n < len ? n : len;
		memcpy(dst, rd->prefix + offset, n);
		dst += n;
		offset += n;
		len -= n;
	}
	if (len > 0 && inlay_cache_stream_read(rd->stream, rd->start + (offset - rd->prefix_len),
					       dst, len) < 0) {
		if (!rd->evicted)
			count(rd, INLAY_RELAY_RULE_EVICTED);
		rd->evicted = true;
		return -ENODATA;
	}
	if (high > rd->read_high)
		rd->read_high = high;
	return 0;
}

static void source_acked(void *ctx, __u64 offset)
{
	struct relay_reader *rd = ctx;

	rd->acked = offset;
}

static void source_release(void *ctx)
{
	struct relay_reader *rd = ctx;

	rd->held = false;
	relay_leg_fini(&rd->leg); /* the loan is over, however it ended */
	if (rd->dropped)
		free(rd);
}

static __u64 source_object_end(void *ctx, __u64 offset)
{
	const struct relay_reader *rd = ctx;
	const struct inlay_cache_object *object;
	__u64 at;

	if (rd->dropped)
		return offset;
	/* Our header goes with the first object. */
	at = offset > rd->prefix_len ? rd->start + (offset - rd->prefix_len) : rd->from_object;
	object = inlay_cache_stream_object_at(rd->stream, at);
	if (object == NULL || object->offset == at)
		return offset;
	return rd->prefix_len + (object->offset + object->length - rd->start);
}

/* Section 11.4.3: so the subscriber learns which subgroup was reset, and need not wait for the
 * stream when it counts those of PUBLISH_DONE. */
static __u64 source_head(void *ctx)
{
	return ((const struct relay_reader *)ctx)->head_len;
}

static const struct inlay_stream_source source = {
	.read = source_read,
	.head = source_head,
	.object_end = source_object_end,
	.acked = source_acked,
	.release = source_release,
	.evicted_code = INLAY_MOQ_RESET_TOO_FAR_BEHIND,
};

/* --- its end --------------------------------------------------------------------------------- */

/* Off the lists. The transport's stream, if any, is not touched. */
static void detach(struct relay_reader *rd)
{
	struct relay_track *t = rd->orphan_of;

	inlay_list_remove(&rd->of_subscription);
	inlay_list_remove(&rd->of_stream);
	if (rd->state != RELAY_READER_WAITING) {
		rd->relay->stats.streams_now--;
		if (rd->subscription != NULL)
			rd->subscription->n_readers--;
	}
	inlay_cache_stream_put(rd->stream);
	rd->subscription = NULL;
	rd->stream = NULL;
	rd->dropped = true;
	if (t != NULL) {
		rd->orphan_of = NULL;
		t->n_orphans--;
		relay_track_left(t);
	}
}

void relay_reader_drop(struct relay_reader *rd, __u64 code, enum inlay_relay_rule rule)
{
	struct inlay_moq_outgoing *out = rd->out;
	bool held = rd->held;

	/* A stream that never came to be wanted is no loss; one that ended already was counted. */
	if (rd->state != RELAY_READER_WAITING && rule != RELAY_NO_RULE && !rd->evicted)
		count(rd, rule);
	rd->out = NULL;
	detach(rd);
	if (out != NULL)
		inlay_moq_outgoing_reset(out, code); /* may release the source */
	if (!held) {
		relay_leg_fini(&rd->leg);
		free(rd);
	}
}

void relay_reader_let_go(struct relay_reader *rd)
{
	struct inlay_relay *r = rd->relay;

	if (!rd->finished) {
		relay_reader_drop(rd, INLAY_MOQ_RESET_CANCELLED, INLAY_RELAY_RULE_ENDED);
		return;
	}
	/* What the transport has yet to read, or to read again, must not go with the track. */
	rd->orphan_of = rd->subscription->track;
	rd->orphan_of->n_orphans++;
	rd->subscription->n_readers--;
	rd->subscription = NULL;
	inlay_list_remove(&rd->of_stream);
	inlay_list_remove(&rd->of_subscription);
	inlay_list_append(&r->orphans, &rd->of_subscription);
}

void relay_reader_ended(struct relay_reader *rd, enum inlay_moq_end end)
{
	struct relay_subscription *sub = rd->subscription;
	enum inlay_relay_rule rule = RELAY_NO_RULE;
	bool go_on = end == INLAY_MOQ_END_DONE || end == INLAY_MOQ_END_CANCELLED || rd->evicted;

	rd->out = NULL;
	if (end == INLAY_MOQ_END_DONE && sub != NULL && !rd->evicted)
		sub->resets = 0;
	else if (rd->evicted && sub != NULL)
		sub->resets++;
	else if (end == INLAY_MOQ_END_CANCELLED)
		rule = INLAY_RELAY_RULE_STOPPED;
	else if (end != INLAY_MOQ_END_DONE && !rd->finished)
		rule = INLAY_RELAY_RULE_ENDED;
	relay_reader_drop(rd, 0, rule);
	/* When the request itself ends there is nothing to go on with. */
	if (sub != NULL && go_on && sub->resets > sub->track->relay->config.max_resets) {
		relay_subscription_behind(sub);
	} else if (sub != NULL && go_on) {
		relay_reader_open_pending(sub);
		relay_subscription_check_end(sub);
	}
}

/* --- its beginning --------------------------------------------------------------------------- */

__u64 relay_reader_priority(const struct relay_subscription *sub,
			    const struct inlay_cache_stream *stream)
{
	const struct inlay_moq_subgroup *h = &stream->header;

	return relay_subscription_priority(sub, h->has_priority, h->priority, h->group,
					   h->subgroup);
}

static __u8 class_of(const struct relay_reader *rd)
{
	const struct inlay_moq_subgroup *h = &rd->stream->header;

	return relay_subscription_class(rd->subscription, h->has_priority, h->priority);
}

void relay_reader_set_order(struct relay_reader *rd)
{
	if (rd->out == NULL)
		return;
	inlay_moq_outgoing_set_priority(rd->out,
					relay_reader_priority(rd->subscription, rd->stream));
	inlay_moq_outgoing_set_class(rd->out, class_of(rd));
}

/* |object| NULL: the stream has none, there is only a header. */
static void write_prefix(struct relay_reader *rd, const struct inlay_cache_object *object)
{
	const struct inlay_cache_stream *s = rd->stream;
	struct inlay_writer w = inlay_writer_of(rd->prefix, sizeof(rd->prefix));
	struct inlay_moq_subgroup header = s->header;

	header.alias = inlay_moq_request_alias(rd->subscription->request);
	if (header.id_mode == INLAY_MOQ_SUBGROUP_FIRST_OBJECT)
		header.id_mode =
			header.subgroup == 0 ? INLAY_MOQ_SUBGROUP_ZERO : INLAY_MOQ_SUBGROUP_PRESENT;
	/* Section 11.4.2: only where we begin with what the publisher began with. */
	if (object != NULL && object->offset > 0)
		header.first_object = false;
	/* The room suffices for the longest of both. */
	(void)inlay_moq18_subgroup_put(&w, &header);
	rd->head_len = (__u8)inlay_writer_len(&w);
	if (object != NULL) {
		/* A first object's delta is its ID. */
		(void)inlay_vi64_put(&w, object->id);
		rd->from_object = object->offset;
		rd->start = object->offset + object->delta_length;
	} else {
		rd->from_object = rd->start = s->size;
	}
	rd->prefix_len = (__u8)inlay_writer_len(&w);
}

static void extend(struct relay_reader *rd)
{
	struct inlay_cache_stream *s = rd->stream;
	struct inlay_relay_stats *stats = &rd->relay->stats;
	__u64 end = rd->prefix_len + (s->size - rd->start);
	bool fin = s->end == INLAY_CACHE_FIN;

	relay_leg_on_growth(rd);
	if (rd->finished || rd->out == NULL || (end == rd->end && !fin))
		return;
	/* An error says that the stream is ending; on_outgoing_end() follows. */
	if (inlay_moq_outgoing_extend(rd->out, end, fin) < 0)
		return;
	stats->bytes_out += end - rd->end;
	rd->end = end;
	rd->finished = fin;
}

/* 0; -EAGAIN: no credit. Otherwise |rd| is gone. */
static int try_open(struct relay_reader *rd)
{
	struct relay_subscription *sub = rd->subscription;
	struct inlay_cache_stream *s = rd->stream;
	struct inlay_relay_stats *stats = &rd->relay->stats;
	int rv;

	if (rd->from_object < s->size && (s->group == NULL || s->begin > rd->from_object)) {
		relay_reader_drop(rd, 0, INLAY_RELAY_RULE_EVICTED);
		return -ENODATA;
	}
	rv = inlay_moq_outgoing_open_source(sub->request, relay_reader_priority(sub, s), &source,
					    rd, rd, &rd->out);
	if (rv == -EAGAIN)
		return rv;
	if (rv < 0) {
		relay_reader_drop(rd, 0,
				  rv == -ENOMEM ? INLAY_RELAY_RULE_MEMORY : INLAY_RELAY_RULE_ENDED);
		return rv;
	}
	rd->held = true;
	rd->state = RELAY_READER_OPEN;
	inlay_moq_outgoing_set_class(rd->out, class_of(rd));
	stats->streams_out++;
	for (size_t i = s->object_count; i > 0 && s->objects[i - 1].offset >= rd->from_object; i--)
		stats->objects_out++;
	extend(rd);
	if (rd->subgroup_timeout > 0 && s->end == INLAY_CACHE_FIN)
		relay_wake(rd->relay, s->end_time + rd->subgroup_timeout);
	return 0;
}

void relay_reader_open_pending(struct relay_subscription *sub)
{
	struct relay_reader *best;
	struct inlay_list *node;
	__u64 priority = 0;

	do {
		best = NULL;
		inlay_list_for_each (node, &sub->readers) {
			struct relay_reader *rd =
				inlay_list_entry(node, struct relay_reader, of_subscription);
			__u64 p;

			if (rd->state != RELAY_READER_PENDING)
				continue;
			p = relay_reader_priority(sub, rd->stream);
			if (best == NULL || p < priority) {
				best = rd;
				priority = p;
			}
		}
	} while (best != NULL && try_open(best) != -EAGAIN);
}

/* The oldest of more streams than a subscription may have. False: the subscription is over. */
static bool make_room(struct relay_subscription *sub, const struct relay_reader *spared)
{
	struct inlay_relay *r = sub->track->relay;
	struct inlay_list *node, *after;

	inlay_list_for_each_safe (node, after, &sub->readers) {
		struct relay_reader *rd =
			inlay_list_entry(node, struct relay_reader, of_subscription);

		if (sub->n_readers <= r->config.max_streams)
			break;
		if (rd == spared || rd->state == RELAY_READER_WAITING)
			continue;
		relay_reader_drop(rd, INLAY_MOQ_RESET_TOO_FAR_BEHIND, INLAY_RELAY_RULE_BEHIND);
		if (++sub->resets > r->config.max_resets) {
			relay_subscription_behind(sub);
			return false;
		}
	}
	return true;
}

/* Deadlines that |object| brings. */
static void wake_for(struct relay_reader *rd, const struct inlay_cache_object *object)
{
	const struct inlay_policy *policy = rd->relay->config.policy;

	if (rd->object_timeout > 0)
		relay_wake(rd->relay, object->time + rd->object_timeout);
	if (policy != NULL && policy->late != NULL)
		relay_wake(rd->relay, object->time + policy->patience);
}

static void become_pending(struct relay_reader *rd, const struct inlay_cache_object *object)
{
	write_prefix(rd, object);
	rd->state = RELAY_READER_PENDING;
	rd->subscription->n_readers++;
	rd->relay->stats.streams_now++;
	if (object != NULL)
		wake_for(rd, object);
}

/* The first object that passes the filter. */
static void begin(struct relay_reader *rd, const struct inlay_cache_object *object)
{
	struct relay_subscription *sub = rd->subscription;

	become_pending(rd, object);
	if (make_room(sub, rd))
		relay_reader_open_pending(sub);
}

static struct relay_reader *reader_new(struct relay_subscription *sub,
				       struct inlay_cache_stream *stream)
{
	struct relay_reader *rd = calloc(1, sizeof(*rd));

	if (rd == NULL) {
		count_unread(sub, stream, INLAY_RELAY_RULE_MEMORY, false);
		return NULL;
	}
	rd->relay = sub->track->relay;
	rd->subscription = sub;
	rd->session = sub->session;
	rd->track = sub->track;
	rd->request = inlay_moq_request_id(sub->request);
	rd->stream = inlay_cache_stream_get(stream);
	rd->object_timeout = sub->object_timeout;
	rd->subgroup_timeout = sub->subgroup_timeout;
	relay_leg_init(&rd->leg);
	inlay_list_append(&stream->readers, &rd->of_stream);
	return rd;
}

void relay_reader_attach(struct relay_subscription *sub, struct inlay_cache_stream *stream)
{
	struct relay_reader *rd;

	if (stream->end != INLAY_CACHE_OPEN)
		return;
	rd = reader_new(sub, stream);
	if (rd != NULL)
		inlay_list_append(&sub->readers, &rd->of_subscription);
}

/* What the forwarder wrote before the publisher's first object: it may be to be sent again. */
static void write_lent_prefix(struct relay_reader *rd)
{
	struct inlay_writer w = inlay_writer_of(rd->prefix, sizeof(rd->prefix));
	struct inlay_moq_subgroup header = rd->stream->header;

	header.alias = inlay_moq_request_alias(rd->subscription->request);
	/* The room suffices for the longest. */
	(void)inlay_moq18_subgroup_put_sized(&w, &header, INLAY_ALIAS_BYTES);
	rd->head_len = rd->prefix_len = (__u8)inlay_writer_len(&w);
}

bool relay_reader_adopt(struct relay_subscription *sub, struct relay_slot *slot,
			struct inlay_leg *leg)
{
	struct relay_reader *rd = reader_new(sub, slot->stream);
	struct inlay_moq_adoption adoption = {
		.number = leg->stream, .source = &source, .loan = &relay_leg_ops, .ctx = rd};
	int rv;

	if (rd == NULL)
		return false;
	inlay_list_append(&sub->readers, &rd->of_subscription);
	rd->state = RELAY_READER_OPEN;
	sub->n_readers++;
	rd->relay->stats.streams_now++;
	write_lent_prefix(rd);
	relay_leg_lend(rd, slot, leg);
	adoption.priority = relay_reader_priority(sub, rd->stream);
	rv = inlay_moq_outgoing_adopt(sub->request, &adoption, rd, &rd->out);
	if (rv < 0) {
		relay_reader_drop(rd, 0,
				  rv == -ENOMEM ? INLAY_RELAY_RULE_MEMORY : INLAY_RELAY_RULE_ENDED);
		return false;
	}
	rd->held = true;
	inlay_moq_outgoing_set_class(rd->out, class_of(rd));
	rd->relay->stats.streams_out++;
	/* The filter has changed since the forwarder opened it. */
	if (sub->state == RELAY_SUBSCRIPTION_ACTIVE &&
	    (!sub->params.forward ||
	     !relay_subscription_wants_group(sub, rd->stream->header.group)))
		relay_reader_drop(rd, INLAY_MOQ_RESET_CANCELLED, INLAY_RELAY_RULE_NARROWED);
	else
		(void)make_room(sub, rd);
	return true;
}

/* What may still be served: section 12.3, MAX_CACHE_DURATION counts for each object. */
static const struct inlay_cache_object *first_to_serve(const struct relay_subscription *sub,
						       const struct inlay_cache_stream *s)
{
	inlay_ns age = relay_ms(sub->track->properties.max_cache_duration);
	inlay_ns now = sub->track->relay->now;

	for (size_t i = 0; i < s->object_count; i++) {
		struct inlay_moq_location where = {s->header.group, s->objects[i].id};

		if (relay_subscription_wants(sub, where) &&
		    (age == 0 || now - s->objects[i].time <= age))
			return &s->objects[i];
	}
	return NULL;
}

bool relay_reader_attach_old(struct relay_subscription *sub, struct inlay_cache_stream *stream)
{
	const struct inlay_cache_object *object = first_to_serve(sub, stream);
	struct inlay_relay *r = sub->track->relay;
	struct relay_reader *rd;

	if (stream->end != INLAY_CACHE_OPEN && object == NULL)
		return true;
	/* One that was reset upstream is served no further than its whole objects would allow: not
	 * at all, as its end is not known to be one. */
	if (stream->end == INLAY_CACHE_RESET)
		return true;
	if (object != NULL && sub->n_readers >= r->config.max_streams) {
		count_unread(sub, stream, INLAY_RELAY_RULE_BEHIND, true);
		return false;
	}
	rd = reader_new(sub, stream);
	if (rd == NULL)
		return true;
	inlay_list_prepend(&sub->readers, &rd->of_subscription);
	if (object != NULL)
		become_pending(rd, object);
	return true;
}

void relay_reader_attach_held(struct relay_subscription *sub, struct inlay_cache_stream *stream)
{
	const struct inlay_cache_object *object = first_to_serve(sub, stream);
	struct relay_reader *rd;

	if (stream->end == INLAY_CACHE_RESET || (stream->end != INLAY_CACHE_OPEN && object == NULL))
		return;
	rd = reader_new(sub, stream);
	if (rd == NULL)
		return;
	inlay_list_append(&sub->readers, &rd->of_subscription);
	if (object != NULL)
		begin(rd, object);
}

/* --- as the stream grows --------------------------------------------------------------------- */

void relay_reader_on_object(struct relay_reader *rd, const struct inlay_cache_object *object)
{
	struct inlay_moq_location where = {rd->stream->header.group, object->id};

	wake_for(rd, object);
	if (rd->state == RELAY_READER_OPEN) {
		rd->relay->stats.objects_out++;
		extend(rd);
	} else if (rd->state == RELAY_READER_WAITING &&
		   relay_subscription_wants(rd->subscription, where)) {
		begin(rd, object);
	}
}

static void on_end(struct relay_reader *rd)
{
	struct inlay_cache_stream *s = rd->stream;
	struct relay_subscription *sub = rd->subscription;
	__u64 last;

	if (s->end == INLAY_CACHE_RESET) {
		/* Evicted while it arrived: it was wanted, even if nothing of it was sent yet. */
		if (s->group == NULL && rd->state == RELAY_READER_WAITING)
			count(rd, INLAY_RELAY_RULE_EVICTED);
		relay_reader_drop(rd, s->end_code,
				  s->group == NULL ? INLAY_RELAY_RULE_EVICTED
						   : INLAY_RELAY_RULE_UPSTREAM);
		relay_reader_open_pending(sub);
		return;
	}
	if (rd->subgroup_timeout > 0)
		relay_wake(rd->relay, s->end_time + rd->subgroup_timeout);
	if (rd->state != RELAY_READER_WAITING) {
		extend(rd);
		return;
	}
	/* Nothing passed the filter. An empty subgroup is passed on for what its FIN says. */
	if (inlay_cache_stream_last_object(s, &last) ||
	    s->header.id_mode == INLAY_MOQ_SUBGROUP_FIRST_OBJECT ||
	    !relay_subscription_wants(sub, (struct inlay_moq_location){s->header.group, 0}))
		relay_reader_drop(rd, 0, RELAY_NO_RULE);
	else
		begin(rd, NULL);
}

void relay_reader_on_growth(struct relay_reader *rd)
{
	if (rd->stream->end != INLAY_CACHE_OPEN)
		on_end(rd);
	else if (rd->state == RELAY_READER_OPEN)
		extend(rd);
}

/* --- delivery timeouts (section 8.3) --------------------------------------------------------- */

/* Bytes of our stream that were sent: those of a forwarder nobody has read here. */
static __u64 sent_of(const struct relay_reader *rd)
{
	struct inlay_moq_progress p;

	/* Also once its leg is settled: it was sent all the same. */
	if (rd->out == NULL || !inlay_moq_outgoing_progress(rd->out, &p) || p.sent < rd->read_high)
		return rd->read_high;
	return p.sent;
}

/* The oldest object that was not wholly given to the transport; NULL: none. */
static const struct inlay_cache_object *next_object(const struct relay_reader *rd)
{
	__u64 offset = rd->from_object, sent;

	if (rd->state == RELAY_READER_WAITING)
		return NULL;
	sent = sent_of(rd);
	if (sent > rd->prefix_len)
		offset = rd->start + (sent - rd->prefix_len);
	if (offset >= rd->stream->size)
		return NULL;
	return inlay_cache_stream_object_at(rd->stream, offset);
}

static inlay_ns object_due(const struct relay_reader *rd)
{
	const struct inlay_cache_object *object;

	if (rd->object_timeout == 0)
		return INLAY_NEVER;
	object = next_object(rd);
	return object != NULL ? object->time + rd->object_timeout : INLAY_NEVER;
}

static inlay_ns subgroup_due(const struct relay_reader *rd)
{
	if (rd->subgroup_timeout == 0 || rd->state == RELAY_READER_WAITING ||
	    rd->stream->end != INLAY_CACHE_FIN || (rd->finished && rd->acked >= rd->end))
		return INLAY_NEVER;
	return rd->stream->end_time + rd->subgroup_timeout;
}

/* --- the policy ------------------------------------------------------------------------------ */

/* When it is asked about |rd| next. Not where publisher or subscriber have said by a timeout what
 * late is. */
static inlay_ns policy_due(const struct relay_reader *rd)
{
	const struct inlay_policy *policy = rd->relay->config.policy;
	const struct inlay_cache_object *object;
	inlay_ns since;

	if (policy == NULL || policy->late == NULL || rd->subscription == NULL ||
	    rd->object_timeout > 0 || rd->subgroup_timeout > 0)
		return INLAY_NEVER;
	object = next_object(rd);
	if (object == NULL)
		return INLAY_NEVER;
	since = object->time > rd->asked_at ? object->time : rd->asked_at;
	return since + policy->patience;
}

/* True: it is to be reset. */
static bool ask_policy(struct relay_reader *rd)
{
	const struct inlay_cache_object *first, *next = next_object(rd);
	const struct inlay_relay_config *config = &rd->relay->config;
	const struct relay_track *t = rd->subscription->track;
	const struct inlay_cache_stream *s = rd->stream;
	struct inlay_policy_view view;
	inlay_ns now = rd->relay->now;
	struct inlay_policy_stream stream = {
		.class = class_of(rd),
		.sent = sent_of(rd),
		.size = rd->prefix_len + (s->size - rd->start),
		.complete = s->end == INLAY_CACHE_FIN,
		.behind = now - next->time,
		.newer_group = t->has_largest && t->largest.group > s->header.group,
	};

	rd->asked_at = now;
	first = inlay_cache_stream_object_at(s, rd->from_object);
	stream.age = now - (first != NULL ? first->time : next->time);
	inlay_moq_session_view(rd->subscription->session->moq, &view);
	return config->policy->late(config->policy_user, &view, &stream) == INLAY_POLICY_RESET;
}

void relay_reader_on_timer(struct relay_reader *rd)
{
	struct inlay_relay *r = rd->relay;
	inlay_ns due = object_due(rd);
	inlay_ns subgroup = subgroup_due(rd);

	due = subgroup < due ? subgroup : due;
	if (due <= r->now) {
		relay_reader_drop(rd, INLAY_MOQ_RESET_DELIVERY_TIMEOUT, INLAY_RELAY_RULE_TIMEOUT);
		return;
	}
	relay_wake(r, due);
	if (policy_due(rd) <= r->now && ask_policy(rd))
		relay_reader_drop(rd, INLAY_MOQ_RESET_TOO_FAR_BEHIND, INLAY_RELAY_RULE_POLICY);
	else
		relay_wake(r, policy_due(rd));
}
