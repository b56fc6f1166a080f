/* SPDX-License-Identifier: BSD-2-Clause */
/* A track's subscriber: from TRACK_STATUS to the last object. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "subscriber.h"
#include "timestamp.h"

#define STATUS_TIMEOUT (2 * INLAY_S)
#define RETRY_PAUSE    (250 * INLAY_MS)
#define ALL	       (~0ULL) /* no group has this number: all that there is */

/* A subgroup stream, and the object that is coming on it. */
struct stream {
	__u64 group, object;
	bool end_of_group;
	bool has_sent_at;
	inlay_ns sent_at;
	__u8 *payload;
	size_t len, room, total;
};

struct inlay_subscriber_track {
	struct inlay_subscriber_config config;
	struct inlay_moq_session *session;
	struct inlay_moq_request *status, *subscription;
	struct inlay_jitter *jitter;
	enum inlay_subscriber_state state;
	inlay_ns give_up;  /* no publisher by then: failed */
	inlay_ns deadline; /* of the state */
	inlay_ns timer;	   /* when it last ran */
	bool ended;	   /* PUBLISH_DONE said that the track has ended */
	char done_reason[160];
	struct inlay_delays delays;
	char error[240];
};

struct inlay_subscriber_track *inlay_subscriber_new(const struct inlay_subscriber_config *config)
{
	struct inlay_subscriber_track *t = calloc(1, sizeof(*t));
	struct inlay_jitter_config jitter;

	if (!t)
		return NULL;
	t->config = *config;
	if (!t->config.patience)
		t->config.patience = 2 * INLAY_S;
	if (!t->config.max_bytes)
		t->config.max_bytes = 64 << 20;
	jitter = (struct inlay_jitter_config){
		.patience = t->config.patience,
		.datagram_patience = t->config.patience / 20,
		.max_bytes = t->config.max_bytes,
		.on_object = config->on_object,
		.user = config->user,
	};
	t->jitter = inlay_jitter_new(&jitter);
	if (!t->jitter) {
		free(t);
		return NULL;
	}
	t->give_up = t->deadline = INLAY_NEVER;
	return t;
}

void inlay_subscriber_free(struct inlay_subscriber_track *t)
{
	if (!t)
		return;
	inlay_jitter_free(t->jitter);
	free(t);
}

void inlay_subscriber_set_session(struct inlay_subscriber_track *t, struct inlay_moq_session *s)
{
	t->session = s;
}

enum inlay_subscriber_state inlay_subscriber_state(const struct inlay_subscriber_track *t)
{
	return t->state;
}

const char *inlay_subscriber_error(const struct inlay_subscriber_track *t)
{
	return t->error;
}

void inlay_subscriber_stats(const struct inlay_subscriber_track *t, struct inlay_jitter_stats *ret)
{
	inlay_jitter_stats(t->jitter, ret);
}

const struct inlay_delays *inlay_subscriber_delays(const struct inlay_subscriber_track *t)
{
	return &t->delays;
}

/* Of the session's input or of our timer, whichever came last. */
static inlay_ns now_of(const struct inlay_subscriber_track *t)
{
	inlay_ns session = inlay_moq_session_now(t->session);

	return session > t->timer ? session : t->timer;
}

static bool is_over(const struct inlay_subscriber_track *t)
{
	return t->state == INLAY_SUB_ENDED || t->state == INLAY_SUB_FAILED;
}

static void set_state(struct inlay_subscriber_track *t, enum inlay_subscriber_state state,
		      inlay_ns deadline)
{
	t->deadline = deadline;
	if (t->state == state)
		return;
	t->state = state;
	if (t->config.on_state)
		t->config.on_state(t->config.user, state);
}

static void fail(struct inlay_subscriber_track *t, const char *what, const char *why)
{
	if (is_over(t))
		return;
	snprintf(t->error, sizeof(t->error), "%s%s%s", what, why[0] ? ": " : "", why);
	inlay_jitter_flush(t->jitter);
	set_state(t, INLAY_SUB_FAILED, INLAY_NEVER);
}

/* ---- asking and subscribing ---- */

/* |start|: the group to begin with, or ALL; NULL: whatever comes. */
static void subscribe(struct inlay_subscriber_track *t, const __u64 *start)
{
	struct inlay_moq_subscribe m = {.name = *t->config.name};
	inlay_ns now = now_of(t);
	int rv;

	if (start) {
		m.params.present |= INLAY_MOQ_HAS_FILTER;
		m.params.filter.type = INLAY_MOQ_FILTER_ABSOLUTE_START;
		m.params.filter.start.group = *start == ALL ? 0 : *start;
	}
	if (start && *start != ALL)
		inlay_jitter_start(t->jitter, *start);
	else
		inlay_jitter_start_anywhere(t->jitter);
	if (t->config.live) {
		m.params.present |= INLAY_MOQ_HAS_FILTER;
		m.params.filter.type = INLAY_MOQ_FILTER_NEXT_GROUP;
	}
	if (t->give_up > now) {
		m.params.present |= INLAY_MOQ_HAS_RENDEZVOUS_TIMEOUT;
		m.params.rendezvous_timeout = (t->give_up - now) / INLAY_MS;
	}
	rv = inlay_moq_session_subscribe(t->session, &m, t, &t->subscription);
	if (rv)
		fail(t, "cannot subscribe", strerror(-rv));
	else
		set_state(t, INLAY_SUB_WAITING, INLAY_NEVER);
}

static void begin(struct inlay_subscriber_track *t)
{
	struct inlay_moq_subscribe m = {.name = *t->config.name};
	inlay_ns now = now_of(t);
	int rv;

	if (t->config.live) {
		subscribe(t, NULL);
		return;
	}
	rv = inlay_moq_session_track_status(t->session, &m, t, &t->status);
	if (rv)
		fail(t, "cannot ask for the track", strerror(-rv));
	else
		set_state(t, INLAY_SUB_ASKING, now + STATUS_TIMEOUT);
}

static void on_setup(void *user, const struct inlay_moq_setup *setup)
{
	struct inlay_subscriber_track *t = user;

	t->give_up = now_of(t) + t->config.wait;
	begin(t);
}

static void on_request_ok(void *user, struct inlay_moq_request *req,
			  const struct inlay_moq_request_ok *m)
{
	static const __u64 all = ALL;
	struct inlay_subscriber_track *t = user;

	if (req != t->status)
		return;
	t->status = NULL;
	if (t->state != INLAY_SUB_ASKING)
		return;
	if (m->params.present & INLAY_MOQ_HAS_LARGEST_OBJECT)
		subscribe(t, &m->params.largest_object.group);
	else /* nothing was published yet: by now it may have been */
		subscribe(t, &all);
}

static void on_subscribe_ok(void *user, struct inlay_moq_request *req,
			    const struct inlay_moq_subscribe_ok *m)
{
	struct inlay_subscriber_track *t = user;

	if (req != t->subscription)
		return;
	t->done_reason[0] = 0;
	set_state(t, INLAY_SUB_READY, INLAY_NEVER);
}

static void on_publish_done(void *user, struct inlay_moq_request *req,
			    const struct inlay_moq_publish_done *m)
{
	struct inlay_subscriber_track *t = user;

	if (req != t->subscription)
		return;
	t->ended = m->status == INLAY_MOQ_DONE_TRACK_ENDED ||
		   m->status == INLAY_MOQ_DONE_SUBSCRIPTION_ENDED;
	snprintf(t->done_reason, sizeof(t->done_reason), "%s", inlay_moq_done_code_text(m->status));
}

/* The subscription is gone, the track may come back. */
static void pause_or_fail(struct inlay_subscriber_track *t, const char *what, const char *why)
{
	inlay_ns now = now_of(t);

	if (now + RETRY_PAUSE < t->give_up)
		set_state(t, INLAY_SUB_PAUSED, now + RETRY_PAUSE);
	else
		fail(t, what, why);
}

static void on_subscription_end(struct inlay_subscriber_track *t, enum inlay_moq_end end,
				__u64 code)
{
	t->subscription = NULL;
	switch (end) {
	case INLAY_MOQ_END_DONE:
		inlay_jitter_flush(t->jitter);
		if (t->ended) {
			set_state(t, INLAY_SUB_ENDED, INLAY_NEVER);
			return;
		}
		t->give_up = now_of(t) + t->config.wait;
		pause_or_fail(t, "the track broke off", t->done_reason);
		return;
	case INLAY_MOQ_END_ERROR:
		if (code == INLAY_MOQ_REQUEST_DOES_NOT_EXIST || code == INLAY_MOQ_REQUEST_TIMEOUT ||
		    code == INLAY_MOQ_REQUEST_EXCESSIVE_LOAD)
			pause_or_fail(t,
				      t->done_reason[0]
					      ? "the track broke off and did not come back"
					      : "nobody publishes this track (--wait SECONDS "
						"waits for it)",
				      t->done_reason[0] ? t->done_reason
							: inlay_moq_request_code_text(code));
		else
			fail(t, "the relay refuses the subscription",
			     inlay_moq_request_code_text(code));
		return;
	case INLAY_MOQ_END_SESSION:
		return; /* the owner knows why */
	default:
		fail(t, "the subscription was cancelled", inlay_moq_reset_code_text(code));
	}
}

static void on_request_end(void *user, struct inlay_moq_request *req, enum inlay_moq_end end,
			   __u64 code, const struct inlay_moq_request_error *error)
{
	struct inlay_subscriber_track *t = user;

	if (req == t->status) {
		t->status = NULL;
		if (t->state == INLAY_SUB_ASKING && end != INLAY_MOQ_END_SESSION)
			subscribe(t, NULL); /* nothing is known of it yet */
	} else if (req == t->subscription && !is_over(t)) {
		on_subscription_end(t, end, code);
	}
}

/* ---- objects ---- */

static void note_delay(struct inlay_subscriber_track *t, inlay_ns sent_at)
{
	inlay_ns now = now_of(t);

	if (sent_at <= now)
		inlay_delays_add(&t->delays, now - sent_at);
}

static void on_subgroup(void *user, struct inlay_moq_request *req, struct inlay_moq_incoming *in,
			const struct inlay_moq_subgroup *header)
{
	struct inlay_subscriber_track *t = user;
	struct stream *s = calloc(1, sizeof(*s));

	if (!s) {
		inlay_moq_incoming_stop(in, INLAY_MOQ_RESET_INTERNAL_ERROR);
		return;
	}
	s->group = header->group;
	s->end_of_group = header->end_of_group;
	inlay_moq_incoming_set_user(in, s);
	inlay_jitter_stream_begin(t->jitter, s->group, now_of(t));
}

static void stream_free(struct stream *s)
{
	free(s->payload);
	free(s);
}

static void give_up_stream(struct inlay_subscriber_track *t, struct inlay_moq_incoming *in,
			   struct stream *s, __u64 code)
{
	inlay_jitter_stream_end(t->jitter, s->group, false, false, now_of(t));
	stream_free(s);
	inlay_moq_incoming_set_user(in, NULL);
	inlay_moq_incoming_stop(in, code);
}

/* The object that |s| holds is complete. */
static void object_done(struct inlay_subscriber_track *t, struct stream *s)
{
	if (s->has_sent_at)
		note_delay(t, s->sent_at);
	inlay_jitter_object(t->jitter, s->group, s->object, s->payload, s->len, false, now_of(t));
	s->len = 0;
}

static void on_object(void *user, struct inlay_moq_incoming *in,
		      const struct inlay_moq_object *object, const __u8 *header, size_t len)
{
	struct inlay_subscriber_track *t = user;
	struct stream *s = inlay_moq_incoming_user(in);
	__u8 *payload;

	if (!s || object->status != INLAY_MOQ_STATUS_NORMAL)
		return;
	if (object->payload_len > t->config.max_bytes) {
		give_up_stream(t, in, s, INLAY_MOQ_RESET_EXCESSIVE_LOAD);
		return;
	}
	s->object = object->id;
	s->len = 0;
	s->total = object->payload_len;
	s->has_sent_at =
		inlay_timestamp_get(object->properties, object->properties_len, &s->sent_at);
	if (s->total > s->room) {
		payload = realloc(s->payload, s->total);
		if (!payload) {
			give_up_stream(t, in, s, INLAY_MOQ_RESET_INTERNAL_ERROR);
			return;
		}
		s->payload = payload;
		s->room = s->total;
	}
	inlay_jitter_progress(t->jitter, s->group, now_of(t));
	if (!s->total)
		object_done(t, s);
}

static void on_payload(void *user, struct inlay_moq_incoming *in, const __u8 *data, size_t len,
		       bool end)
{
	struct inlay_subscriber_track *t = user;
	struct stream *s = inlay_moq_incoming_user(in);

	if (!s || len > s->total - s->len)
		return;
	memcpy(s->payload + s->len, data, len);
	s->len += len;
	inlay_jitter_progress(t->jitter, s->group, now_of(t));
	if (end)
		object_done(t, s);
}

static void on_subgroup_end(void *user, struct inlay_moq_incoming *in, enum inlay_moq_end end,
			    __u64 code)
{
	struct inlay_subscriber_track *t = user;
	struct stream *s = inlay_moq_incoming_user(in);

	if (!s)
		return;
	inlay_jitter_stream_end(t->jitter, s->group, end == INLAY_MOQ_END_DONE, s->end_of_group,
				now_of(t));
	stream_free(s);
}

static void on_datagram(void *user, struct inlay_moq_request *req,
			const struct inlay_moq_datagram *d)
{
	struct inlay_subscriber_track *t = user;
	inlay_ns sent_at;

	if (d->padding || d->status != INLAY_MOQ_STATUS_NORMAL)
		return;
	if (inlay_timestamp_get(d->properties.data, d->properties.len, &sent_at))
		note_delay(t, sent_at);
	inlay_jitter_object(t->jitter, d->group, d->object, d->payload.data, d->payload.len, true,
			    now_of(t));
}

/* ---- time ---- */

inlay_ns inlay_subscriber_deadline(const struct inlay_subscriber_track *t)
{
	inlay_ns at = inlay_jitter_deadline(t->jitter);

	return t->deadline < at ? t->deadline : at;
}

void inlay_subscriber_on_timer(struct inlay_subscriber_track *t, inlay_ns now)
{
	t->timer = now;
	inlay_jitter_on_timer(t->jitter, now);
	if (now < t->deadline || is_over(t))
		return;
	t->deadline = INLAY_NEVER;
	if (t->state == INLAY_SUB_PAUSED) {
		begin(t);
	} else if (t->state == INLAY_SUB_ASKING) {
		if (t->status)
			inlay_moq_request_cancel(t->status, INLAY_MOQ_RESET_CANCELLED);
		t->status = NULL;
		subscribe(t, NULL);
	}
}

void inlay_subscriber_finish(struct inlay_subscriber_track *t)
{
	inlay_jitter_flush(t->jitter);
	if (t->subscription)
		inlay_moq_request_cancel(t->subscription, INLAY_MOQ_RESET_CANCELLED);
	t->subscription = NULL;
}

static const struct inlay_moq_session_ops session_ops = {
	.on_setup = on_setup,
	.on_request_ok = on_request_ok,
	.on_subscribe_ok = on_subscribe_ok,
	.on_publish_done = on_publish_done,
	.on_request_end = on_request_end,
	.on_subgroup = on_subgroup,
	.on_object = on_object,
	.on_payload = on_payload,
	.on_subgroup_end = on_subgroup_end,
	.on_datagram = on_datagram,
};

const struct inlay_moq_session_ops *inlay_subscriber_session_ops(void)
{
	return &session_ops;
}
