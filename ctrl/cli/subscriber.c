/* SPDX-License-Identifier: BSD-2-Clause */
/* A track's subscriber: from TRACK_STATUS to the last object. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "subscriber_impl.h"

#define STATUS_TIMEOUT (2 * INLAY_S)
#define RETRY_PAUSE    (250 * INLAY_MS)
#define OTHERS	       (2 * INLAY_S) /* for the other renditions to say that they have ended, too */
#define RENDEZVOUS     (2 * INLAY_S) /* at one of several renditions, before the next is tried */

static void init_renditions(struct inlay_subscriber_track *t)
{
	__u64 bps[INLAY_ABR_RENDITIONS];
	unsigned int i;

	t->n = t->config.n;
	for (i = 0; i < t->n; i++) {
		t->renditions[i].name = t->config.renditions[i].name;
		bps[i] = t->config.renditions[i].bps;
	}
	inlay_abr_init(&t->abr, bps, t->n);
	subscriber_switch_reset(t);
}

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
	t->give_up = t->deadline = t->next_run = INLAY_NEVER;
	inlay_list_init(&t->streams);
	init_renditions(t);
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

unsigned int inlay_subscriber_rendition(const struct inlay_subscriber_track *t)
{
	return t->current;
}

__u64 inlay_subscriber_switches(const struct inlay_subscriber_track *t)
{
	return t->switches;
}

__u64 inlay_subscriber_estimate(const struct inlay_subscriber_track *t, inlay_ns now)
{
	return inlay_estimate_bps(&t->estimate, now);
}

struct subscriber_rendition *subscriber_rendition_of(struct inlay_subscriber_track *t,
						     const struct inlay_moq_request *req)
{
	unsigned int i;

	for (i = 0; i < t->n; i++)
		if (t->renditions[i].request == req)
			return &t->renditions[i];
	return NULL;
}

/* Of the session's input or of our timer, whichever came last. */
inlay_ns subscriber_now(const struct inlay_subscriber_track *t)
{
	inlay_ns session = t->session ? inlay_moq_session_now(t->session) : 0;

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

/* |start|: the group to begin with, or SUBSCRIBER_ALL; NULL: whatever comes. */
static void subscribe(struct inlay_subscriber_track *t, const __u64 *start)
{
	struct subscriber_rendition *r = &t->renditions[t->current];
	struct inlay_moq_subscribe m = {.name = *t->renditions[t->current].name};
	inlay_ns now = subscriber_now(t), wait;
	int rv;

	if (start) {
		m.params.present |= INLAY_MOQ_HAS_FILTER;
		m.params.filter.type = INLAY_MOQ_FILTER_ABSOLUTE_START;
		m.params.filter.start.group = *start == SUBSCRIBER_ALL ? 0 : *start;
	}
	if (start && *start != SUBSCRIBER_ALL)
		inlay_jitter_start(t->jitter, *start);
	else
		inlay_jitter_start_anywhere(t->jitter);
	if (t->config.live) {
		m.params.present |= INLAY_MOQ_HAS_FILTER;
		m.params.filter.type = INLAY_MOQ_FILTER_NEXT_GROUP;
	}
	if (t->give_up > now) {
		wait = t->n > 1 && t->give_up - now > RENDEZVOUS ? RENDEZVOUS : t->give_up - now;
		m.params.present |= INLAY_MOQ_HAS_RENDEZVOUS_TIMEOUT;
		m.params.rendezvous_timeout = wait / INLAY_MS;
	}
	r->live = false;
	r->forward = true;
	rv = inlay_moq_session_subscribe(t->session, &m, t, &r->request);
	if (rv)
		fail(t, "cannot subscribe", strerror(-rv));
	else
		set_state(t, INLAY_SUB_WAITING, INLAY_NEVER);
}

static void begin(struct inlay_subscriber_track *t)
{
	struct inlay_moq_subscribe m = {.name = *t->renditions[t->current].name};
	inlay_ns now = subscriber_now(t);
	int rv;

	subscriber_switch_reset(t);
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

	t->give_up = subscriber_now(t) + t->config.wait;
	begin(t);
}

/* At the largest group, unless it was begun before the track broke off: what was handed on of it
 * does not come again. Numbers far below are those of a publisher that counts anew. */
static void join(struct inlay_subscriber_track *t, __u64 group)
{
	struct inlay_jitter_stats stats;

	inlay_jitter_stats(t->jitter, &stats);
	if (group + 1 == stats.next_group)
		group++;
	subscribe(t, &group);
}

static void on_request_ok(void *user, struct inlay_moq_request *req,
			  const struct inlay_moq_request_ok *m)
{
	static const __u64 all = SUBSCRIBER_ALL;
	struct inlay_subscriber_track *t = user;

	if (req != t->status)
		return;
	t->status = NULL;
	if (t->state != INLAY_SUB_ASKING)
		return;
	if (m->params.present & INLAY_MOQ_HAS_LARGEST_OBJECT)
		join(t, m->params.largest_object.group);
	else /* nothing was published yet: by now it may have been */
		subscribe(t, &all);
}

static void on_subscribe_ok(void *user, struct inlay_moq_request *req,
			    const struct inlay_moq_subscribe_ok *m)
{
	struct inlay_subscriber_track *t = user;
	struct subscriber_rendition *r = subscriber_rendition_of(t, req);

	if (!r)
		return;
	subscriber_switch_on_ok(t, r);
	if (r != &t->renditions[t->current])
		return;
	t->done_reason[0] = 0;
	set_state(t, INLAY_SUB_READY, INLAY_NEVER);
}

static void on_publish_done(void *user, struct inlay_moq_request *req,
			    const struct inlay_moq_publish_done *m)
{
	struct inlay_subscriber_track *t = user;

	if (req != t->renditions[t->current].request)
		return;
	t->ended = m->status == INLAY_MOQ_DONE_TRACK_ENDED ||
		   m->status == INLAY_MOQ_DONE_SUBSCRIPTION_ENDED;
	snprintf(t->done_reason, sizeof(t->done_reason), "%s", inlay_moq_done_code_text(m->status));
}

/* A rendition, other than the current one, that is subscribed to; n: there is none. */
static unsigned int live_one(const struct inlay_subscriber_track *t)
{
	unsigned int i;

	for (i = 0; i < t->n; i++)
		if (i != t->current && t->renditions[i].live)
			break;
	return i;
}

void subscriber_check_end(struct inlay_subscriber_track *t)
{
	if (!t->ending || is_over(t) || subscriber_switch_is_busy(t))
		return;
	/* A content ends with all of its renditions: one alone may have lost its encoder. */
	if (live_one(t) < t->n) {
		if (t->deadline == INLAY_NEVER)
			t->deadline = subscriber_now(t) + OTHERS;
		return;
	}
	inlay_jitter_flush(t->jitter);
	set_state(t, INLAY_SUB_ENDED, INLAY_NEVER);
}

/* Begins anew with another rendition. */
static void change_current(struct inlay_subscriber_track *t, unsigned int to)
{
	if (to != t->current)
		inlay_abr_changed(&t->abr, t->current, to, subscriber_now(t));
	t->current = to;
}

/* The subscription is gone, the track may come back; or another rendition is there. */
static void pause_or_fail(struct inlay_subscriber_track *t, const char *what, const char *why)
{
	inlay_ns now = subscriber_now(t);

	change_current(t, (t->current + 1) % t->n);
	if (now + RETRY_PAUSE < t->give_up)
		set_state(t, INLAY_SUB_PAUSED, now + RETRY_PAUSE);
	else
		fail(t, what, why);
}

static void on_subscription_end(struct inlay_subscriber_track *t, enum inlay_moq_end end,
				__u64 code)
{
	switch (end) {
	case INLAY_MOQ_END_DONE:
		if (t->ended) {
			t->ending = true;
			subscriber_check_end(t);
			return;
		}
		inlay_jitter_flush(t->jitter);
		t->give_up = subscriber_now(t) + t->config.wait;
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
	struct subscriber_rendition *r = subscriber_rendition_of(t, req);

	if (req == t->status) {
		t->status = NULL;
		if (t->state == INLAY_SUB_ASKING && end != INLAY_MOQ_END_SESSION)
			subscribe(t, NULL); /* nothing is known of it yet */
	} else if (r) {
		r->request = NULL;
		r->live = false;
		if (is_over(t))
			return;
		subscriber_switch_on_end(t, r);
		if (r == &t->renditions[t->current])
			on_subscription_end(t, end, code);
	}
}

/* ---- time ---- */

inlay_ns inlay_subscriber_deadline(const struct inlay_subscriber_track *t)
{
	inlay_ns at = inlay_jitter_deadline(t->jitter);

	if (t->next_run < at && !is_over(t))
		at = t->next_run;
	return t->deadline < at ? t->deadline : at;
}

void inlay_subscriber_on_timer(struct inlay_subscriber_track *t, inlay_ns now)
{
	t->timer = now;
	inlay_jitter_on_timer(t->jitter, now);
	if (!is_over(t))
		subscriber_switch_run(t, now);
	if (now < t->deadline || is_over(t))
		return;
	t->deadline = INLAY_NEVER;
	if (t->ending) {
		t->ending = t->ended = false;
		inlay_jitter_flush(t->jitter);
		t->give_up = now + t->config.wait;
		change_current(t, live_one(t) % t->n);
		begin(t);
	} else if (t->state == INLAY_SUB_PAUSED) {
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
	unsigned int i;

	inlay_jitter_flush(t->jitter);
	t->next_run = INLAY_NEVER;
	for (i = 0; i < t->n; i++) {
		struct subscriber_rendition *r = &t->renditions[i];

		if (r->request)
			inlay_moq_request_cancel(r->request, INLAY_MOQ_RESET_CANCELLED);
		r->request = NULL;
	}
}

static const struct inlay_moq_session_ops session_ops = {
	.on_setup = on_setup,
	.on_request_ok = on_request_ok,
	.on_subscribe_ok = on_subscribe_ok,
	.on_publish_done = on_publish_done,
	.on_request_end = on_request_end,
	.on_subgroup = subscriber_on_subgroup,
	.on_object = subscriber_on_object,
	.on_payload = subscriber_on_payload,
	.on_subgroup_end = subscriber_on_subgroup_end,
	.on_datagram = subscriber_on_datagram,
};

const struct inlay_moq_session_ops *inlay_subscriber_session_ops(void)
{
	return &session_ops;
}
