/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A subscriber's renditions: who owns which groups, and changing over.
 *
 * Renditions share their group numbers: a group holds the same media in each. Each group is taken
 * from one, its owner, and the owner changes only between two groups, when the first byte of the
 * new one's group is there: until then the old one carries on, and nothing is missing whatever the
 * relay can or cannot give. While a change is under way a group waits HOLD before it is begun from
 * the old one, as both send it at the same time.
 *
 * The lower renditions are subscribed to without being forwarded (Forward State 0), so that the
 * relay has them at hand: a fall then begins with the first group that nothing was handed on of,
 * which the relay still has, and not with the next one that is published.
 */
#include "subscriber_impl.h"

#define RUN_EACH     (100 * INLAY_MS)
#define HOLD	     (300 * INLAY_MS)
#define ATTEMPT	     (5 * INLAY_S)
#define RETRY	     INLAY_S
#define PRIORITY     128
#define PRIORITY_NOW 64	 /* what is waited for: lower is sent first (draft section 8.2) */
#define PRIORITY_TRY 192 /* what there may be no room for */

/* ---- requests ---- */

static void update(struct subscriber_rendition *r, const struct inlay_moq_params *params)
{
	/* What it says of an error is the request's end, or the session's. */
	if (r->request && r->live)
		(void)inlay_moq_request_update(r->request, params);
}

static void prefer(struct subscriber_rendition *r, __u8 priority)
{
	update(r, &(struct inlay_moq_params){
			  .present = INLAY_MOQ_HAS_SUBSCRIBER_PRIORITY,
			  .subscriber_priority = priority,
		  });
}

/* Keeps the relay at it, without being sent any. */
static void stand_by(struct subscriber_rendition *r)
{
	r->forward = false;
	update(r, &(struct inlay_moq_params){.present = INLAY_MOQ_HAS_FORWARD, .forward = false});
}

static void leave(struct inlay_subscriber_track *t, struct subscriber_rendition *r)
{
	if (r->request)
		inlay_moq_request_cancel(r->request, INLAY_MOQ_RESET_CANCELLED);
	r->request = NULL;
	r->live = r->forward = false;
	r->retry = subscriber_now(t) + RETRY;
}

/* No more of it than its range, which is wanted before all else. */
static void narrow(struct inlay_subscriber_track *t, struct subscriber_rendition *r)
{
	__u64 at = r->from;
	bool begun;

	if (inlay_jitter_position(t->jitter, &at, &begun) && at < r->from)
		at = r->from;
	update(r, &(struct inlay_moq_params){
			  .present = INLAY_MOQ_HAS_FILTER | INLAY_MOQ_HAS_SUBSCRIBER_PRIORITY,
			  .filter = {.type = INLAY_MOQ_FILTER_ABSOLUTE_RANGE,
				     .start = {.group = at},
				     .end_group = r->to - 1},
			  .subscriber_priority = PRIORITY_NOW,
		  });
}

static void subscribe(struct inlay_subscriber_track *t, struct subscriber_rendition *r,
		      const struct inlay_moq_params *params)
{
	struct inlay_moq_subscribe m = {.name = *r->name, .params = *params};

	r->live = false;
	r->forward = params->forward;
	if (inlay_moq_session_subscribe(t->session, &m, t, &r->request)) {
		r->request = NULL;
		r->retry = subscriber_now(t) + RETRY;
	}
}

/* Objects of |next|, from |want| on; now, or when its SUBSCRIBE_OK comes. */
static void ask_for(struct inlay_subscriber_track *t)
{
	struct subscriber_rendition *r = &t->renditions[t->next];
	struct inlay_moq_params params = {
		.present = INLAY_MOQ_HAS_FORWARD | INLAY_MOQ_HAS_FILTER |
			   INLAY_MOQ_HAS_SUBSCRIBER_PRIORITY,
		.forward = true,
		.filter = {.type = INLAY_MOQ_FILTER_ABSOLUTE_START, .start = {.group = t->want}},
		.subscriber_priority = t->next < t->current ? PRIORITY_NOW : PRIORITY_TRY,
	};

	if (!r->request) {
		subscribe(t, r, &params);
	} else if (r->live) {
		r->forward = true;
		update(r, &params);
		inlay_jitter_hold(t->jitter, t->want, HOLD, subscriber_now(t));
	}
}

/* ---- changing over ---- */

/* The first group that could be taken from |to|: downwards the first that nothing was handed on
 * of; upwards one that has not begun, as what has come need not come again. */
static bool find_start(const struct inlay_subscriber_track *t, unsigned int to, __u64 *ret)
{
	bool begun;

	if (!inlay_jitter_position(t->jitter, ret, &begun) || !t->has_newest)
		return false;
	*ret += begun;
	if (to > t->current && *ret <= t->newest)
		*ret = t->newest + 1;
	return true;
}

static void start(struct inlay_subscriber_track *t, unsigned int to, inlay_ns now)
{
	struct subscriber_rendition *r = &t->renditions[to];

	/* One that still owns older groups cannot own newer ones as well. */
	if (r->owner || (!r->request && now < r->retry) || !find_start(t, to, &t->want))
		return;
	t->next = to;
	t->attempt = now + ATTEMPT;
	ask_for(t);
	if (!r->request)
		t->next = SUBSCRIBER_NO_SWITCH;
}

static void end_attempt(struct inlay_subscriber_track *t)
{
	t->next = SUBSCRIBER_NO_SWITCH;
	inlay_jitter_hold(t->jitter, INLAY_NEVER, 0, subscriber_now(t));
}

static void abandon(struct inlay_subscriber_track *t)
{
	unsigned int next = t->next;

	subscriber_stop_streams(t, next, 0);
	if (next < t->current)
		stand_by(&t->renditions[next]);
	else
		leave(t, &t->renditions[next]);
	end_attempt(t);
}

/* |r| has given all it was to give. */
static void retire(struct inlay_subscriber_track *t, struct subscriber_rendition *r)
{
	unsigned int i = (unsigned int)(r - t->renditions);

	r->owner = false;
	subscriber_stop_streams(t, i, 0);
	if (i < t->current)
		stand_by(r);
	else
		leave(t, r);
}

/* |group| is there: from here on it is the new rendition's. The order has forgotten the old one's.
 */
static void change_over(struct inlay_subscriber_track *t, __u64 group)
{
	unsigned int from = t->current, to = t->next;
	struct subscriber_rendition *old = &t->renditions[from], *r = &t->renditions[to];
	inlay_ns now = subscriber_now(t);
	__u64 at;
	bool begun;

	t->current = to;
	t->has_newest = false;
	r->owner = true;
	r->from = group;
	r->to = SUBSCRIBER_ALL;
	old->to = group;
	subscriber_stop_streams(t, from, group);
	if (inlay_jitter_position(t->jitter, &at, &begun) && (at >= group || old->from >= group))
		retire(t, old);
	else
		narrow(t, old);
	prefer(r, PRIORITY);
	t->switches++;
	inlay_abr_changed(&t->abr, from, to, now);
	end_attempt(t);
	if (t->config.on_switch)
		t->config.on_switch(t->config.user, from, to, group);
}

bool subscriber_switch_may_take(const struct inlay_subscriber_track *t, unsigned int rendition,
				__u64 group)
{
	const struct subscriber_rendition *r = &t->renditions[rendition];

	if (r->owner)
		return group >= r->from && group < r->to;
	return rendition == t->next && group >= t->want;
}

bool subscriber_switch_take(struct inlay_subscriber_track *t, unsigned int rendition, __u64 group,
			    bool whole)
{
	if (!subscriber_switch_may_take(t, rendition, group))
		return false;
	if (t->renditions[rendition].owner)
		return true;
	if (!whole || !inlay_jitter_cut(t->jitter, group))
		return false;
	change_over(t, group);
	return true;
}

/* ---- events ---- */

void subscriber_switch_reset(struct inlay_subscriber_track *t)
{
	unsigned int i;

	for (i = 0; i < t->n; i++) {
		struct subscriber_rendition *r = &t->renditions[i];

		r->owner = i == t->current;
		r->from = 0;
		r->to = SUBSCRIBER_ALL;
		if (r->request)
			leave(t, r);
	}
	t->has_newest = false;
	t->next_run = INLAY_NEVER;
	end_attempt(t);
}

void subscriber_switch_on_ok(struct inlay_subscriber_track *t, struct subscriber_rendition *r)
{
	unsigned int i = (unsigned int)(r - t->renditions);

	r->live = true;
	if (i == t->current)
		t->next_run = t->n > 1 ? subscriber_now(t) + RUN_EACH : INLAY_NEVER;
	else if (i == t->next && !r->forward)
		ask_for(t);
	else if (i == t->next)
		inlay_jitter_hold(t->jitter, t->want, HOLD, subscriber_now(t));
}

void subscriber_switch_on_end(struct inlay_subscriber_track *t, struct subscriber_rendition *r)
{
	unsigned int i = (unsigned int)(r - t->renditions);

	r->retry = subscriber_now(t) + RETRY;
	r->forward = false;
	if (i == t->next)
		end_attempt(t);
	if (i == t->current)
		return;
	r->owner = false;
	subscriber_check_end(t);
}

bool subscriber_switch_is_busy(const struct inlay_subscriber_track *t)
{
	unsigned int i;

	for (i = 0; i < t->n; i++)
		if (i != t->current && t->renditions[i].owner)
			return true;
	return false;
}

/* ---- time ---- */

static void retire_old(struct inlay_subscriber_track *t)
{
	bool begun, retired = false;
	unsigned int i;
	__u64 at;

	if (!inlay_jitter_position(t->jitter, &at, &begun))
		return;
	for (i = 0; i < t->n; i++) {
		struct subscriber_rendition *r = &t->renditions[i];

		if (i == t->current || !r->owner || at < r->to)
			continue;
		retire(t, r);
		retired = true;
	}
	if (retired)
		subscriber_check_end(t);
}

/* The relay is kept at all that is lower, and at nothing that is higher. */
static void keep_standing_by(struct inlay_subscriber_track *t, inlay_ns now)
{
	const struct inlay_moq_params params = {.present = INLAY_MOQ_HAS_FORWARD, .forward = false};
	unsigned int i;

	for (i = 0; i < t->n; i++) {
		struct subscriber_rendition *r = &t->renditions[i];

		if (i == t->current || i == t->next || r->owner)
			continue;
		if (i < t->current && !r->request && now >= r->retry)
			subscribe(t, r, &params);
		else if (i > t->current && r->request)
			leave(t, r);
	}
}

static void choose(struct inlay_subscriber_track *t, inlay_ns now)
{
	unsigned int target =
		inlay_abr_choose(&t->abr, t->current, inlay_estimate_bps(&t->estimate, now), now);

	/* A fall is not taken back on its way; a climb is. */
	if (t->next != SUBSCRIBER_NO_SWITCH && (now >= t->attempt || target < t->next))
		abandon(t);
	if (t->next == SUBSCRIBER_NO_SWITCH && target != t->current)
		start(t, target, now);
}

void subscriber_switch_run(struct inlay_subscriber_track *t, inlay_ns now)
{
	if (now < t->next_run)
		return;
	t->next_run = now + RUN_EACH;
	retire_old(t);
	if (t->state != INLAY_SUB_READY || t->ending)
		return;
	choose(t, now);
	keep_standing_by(t, now);
}
