/* SPDX-License-Identifier: BSD-2-Clause */
/* A subscriber's streams: objects put together, and handed to the order of groups. */
#include <stdlib.h>
#include <string.h>

#include "subscriber_impl.h"
#include "timestamp.h"

static void note_sent(struct inlay_subscriber_track *t, inlay_ns sent_at)
{
	inlay_ns now = subscriber_now(t);

	if (sent_at <= now)
		inlay_delays_add(&t->delays, now - sent_at);
	if (t->n > 1)
		inlay_abr_object(&t->abr, sent_at, now);
}

static void set_incomplete(struct inlay_subscriber_track *t, struct subscriber_stream *s, bool more)
{
	t->incomplete += more;
	t->incomplete -= s->incomplete;
	s->incomplete = more;
}

static void note_arrival(struct inlay_subscriber_track *t, size_t bytes)
{
	inlay_estimate_arrived(&t->estimate, subscriber_now(t), bytes, t->incomplete > 0);
}

static void stream_free(struct subscriber_stream *s)
{
	struct inlay_subscriber_track *t = s->track;
	bool incomplete = s->incomplete;

	set_incomplete(t, s, false);
	if (incomplete)
		note_arrival(t, 0);
	inlay_list_remove(&s->node);
	free(s->payload);
	free(s);
}

static void stop(struct subscriber_stream *s, __u64 code)
{
	struct inlay_moq_incoming *in = s->in;

	stream_free(s);
	inlay_moq_incoming_set_user(in, NULL);
	inlay_moq_incoming_stop(in, code);
}

static void give_up(struct subscriber_stream *s, __u64 code)
{
	struct inlay_subscriber_track *t = s->track;

	if (s->taken)
		inlay_jitter_stream_end(t->jitter, s->group, false, false, subscriber_now(t));
	stop(s, code);
}

void subscriber_stop_streams(struct inlay_subscriber_track *t, unsigned int rendition, __u64 group)
{
	struct inlay_list *at, *after;

	inlay_list_for_each_safe (at, after, &t->streams) {
		struct subscriber_stream *s = inlay_list_entry(at, struct subscriber_stream, node);

		if (s->rendition == rendition && s->group >= group)
			stop(s, INLAY_MOQ_RESET_CANCELLED);
	}
}

/* Its objects go into the order from now on. */
static void take(struct subscriber_stream *s)
{
	struct inlay_subscriber_track *t = s->track;

	s->taken = true;
	if (s->rendition == t->current && (!t->has_newest || s->group > t->newest)) {
		t->newest = s->group;
		t->has_newest = true;
	}
	inlay_jitter_stream_begin(t->jitter, s->group, subscriber_now(t));
}

void subscriber_on_subgroup(void *user, struct inlay_moq_request *req,
			    struct inlay_moq_incoming *in, const struct inlay_moq_subgroup *header)
{
	struct inlay_subscriber_track *t = user;
	struct subscriber_rendition *r = subscriber_rendition_of(t, req);
	struct subscriber_stream *s = r ? calloc(1, sizeof(*s)) : NULL;

	if (!s) {
		inlay_moq_incoming_stop(in, INLAY_MOQ_RESET_INTERNAL_ERROR);
		return;
	}
	s->track = t;
	s->in = in;
	s->rendition = (unsigned int)(r - t->renditions);
	s->group = header->group;
	s->end_of_group = header->end_of_group;
	inlay_list_append(&t->streams, &s->node);
	inlay_moq_incoming_set_user(in, s);
	if (subscriber_switch_take(t, s->rendition, s->group, header->first_object))
		take(s);
	else if (header->first_object || !subscriber_switch_may_take(t, s->rendition, s->group))
		stop(s, INLAY_MOQ_RESET_CANCELLED);
}

/* The object that |s| holds is complete. */
static void object_done(struct inlay_subscriber_track *t, struct subscriber_stream *s)
{
	if (s->has_sent_at)
		note_sent(t, s->sent_at);
	inlay_jitter_object(t->jitter, s->group, s->object, s->payload, s->len, false,
			    subscriber_now(t));
	s->len = 0;
}

/* False: no memory. */
static bool reserve(struct subscriber_stream *s, size_t len)
{
	__u8 *payload;

	if (len <= s->room)
		return true;
	payload = realloc(s->payload, len);
	if (!payload)
		return false;
	s->payload = payload;
	s->room = len;
	return true;
}

void subscriber_on_object(void *user, struct inlay_moq_incoming *in,
			  const struct inlay_moq_object *object, const __u8 *header, size_t len)
{
	struct inlay_subscriber_track *t = user;
	struct subscriber_stream *s = inlay_moq_incoming_user(in);

	if (!s)
		return;
	if (!s->taken) {
		if (!subscriber_switch_take(t, s->rendition, s->group, object->id == 0)) {
			stop(s, INLAY_MOQ_RESET_CANCELLED);
			return;
		}
		take(s);
	}
	if (object->status != INLAY_MOQ_STATUS_NORMAL)
		return;
	if (object->payload_len > t->config.max_bytes) {
		give_up(s, INLAY_MOQ_RESET_EXCESSIVE_LOAD);
		return;
	}
	if (!reserve(s, object->payload_len)) {
		give_up(s, INLAY_MOQ_RESET_INTERNAL_ERROR);
		return;
	}
	s->object = object->id;
	s->len = 0;
	s->total = object->payload_len;
	s->has_sent_at =
		inlay_timestamp_get(object->properties, object->properties_len, &s->sent_at);
	inlay_jitter_progress(t->jitter, s->group, subscriber_now(t));
	set_incomplete(t, s, s->total > 0);
	note_arrival(t, len);
	if (!s->total)
		object_done(t, s);
}

void subscriber_on_payload(void *user, struct inlay_moq_incoming *in, const __u8 *data, size_t len,
			   bool end)
{
	struct inlay_subscriber_track *t = user;
	struct subscriber_stream *s = inlay_moq_incoming_user(in);

	if (!s || len > s->total - s->len)
		return;
	memcpy(s->payload + s->len, data, len);
	s->len += len;
	set_incomplete(t, s, !end);
	note_arrival(t, len);
	inlay_jitter_progress(t->jitter, s->group, subscriber_now(t));
	if (end)
		object_done(t, s);
}

void subscriber_on_subgroup_end(void *user, struct inlay_moq_incoming *in, enum inlay_moq_end end,
				__u64 code)
{
	struct inlay_subscriber_track *t = user;
	struct subscriber_stream *s = inlay_moq_incoming_user(in);
	__u64 group;
	bool taken, end_of_group;

	if (!s)
		return;
	group = s->group;
	taken = s->taken;
	end_of_group = s->end_of_group;
	stream_free(s);
	if (taken)
		inlay_jitter_stream_end(t->jitter, group, end == INLAY_MOQ_END_DONE, end_of_group,
					subscriber_now(t));
}

void subscriber_on_datagram(void *user, struct inlay_moq_request *req,
			    const struct inlay_moq_datagram *d)
{
	struct inlay_subscriber_track *t = user;
	struct subscriber_rendition *r = subscriber_rendition_of(t, req);
	inlay_ns sent_at;

	if (!r || d->padding || d->status != INLAY_MOQ_STATUS_NORMAL ||
	    !subscriber_switch_take(t, (unsigned int)(r - t->renditions), d->group, d->object == 0))
		return;
	if (inlay_timestamp_get(d->properties.data, d->properties.len, &sent_at))
		note_sent(t, sent_at);
	inlay_jitter_object(t->jitter, d->group, d->object, d->payload.data, d->payload.len, true,
			    subscriber_now(t));
}
