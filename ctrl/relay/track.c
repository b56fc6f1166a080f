/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A track: who publishes it, who waits for that, and what becomes of subscribers when publishers
 * come and go.
 */
#include "relay_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_PAUSE (250 * INLAY_MS) /* before an origin that refused is asked again */

/* --- the table ------------------------------------------------------------------------------- */

static __u64 hash_bytes(__u64 h, struct inlay_moq_bytes b)
{
	h = (h ^ b.len) * 0x100000001b3ULL;
	for (size_t i = 0; i < b.len; i++)
		h = (h ^ b.data[i]) * 0x100000001b3ULL;
	return h;
}

static __u64 hash_name(const struct inlay_relay *r, const struct inlay_moq_name *name)
{
	__u64 h = r->config.hash_seed ^ 0xcbf29ce484222325ULL;

	for (__u32 i = 0; i < name->ns.n; i++)
		h = hash_bytes(h, name->ns.field[i]);
	return hash_bytes(h, name->track);
}

struct relay_track *relay_track_find(const struct inlay_relay *r, const struct inlay_moq_name *name)
{
	struct relay_track *t = inlay_map_get(&r->by_hash, hash_name(r, name));

	while (t != NULL && !inlay_moq_name_equal(t->name, name))
		t = t->next_same_hash;
	return t;
}

struct relay_track *relay_track_find_or_new(struct inlay_relay *r,
					    const struct inlay_moq_name *name)
{
	struct relay_track *t = relay_track_find(r, name);

	if (t != NULL || r->stats.tracks_now >= r->config.max_tracks)
		return t;
	t = calloc(1, sizeof(*t));
	if (t == NULL)
		return NULL;
	t->relay = r;
	t->hash = hash_name(r, name);
	t->number = ++r->track_numbers;
	t->name = inlay_moq_name_dup(name);
	t->next_same_hash = inlay_map_get(&r->by_hash, t->hash);
	if (t->name == NULL || inlay_map_set(&r->by_hash, t->hash, t) < 0) {
		free(t->name);
		free(t);
		return NULL;
	}
	inlay_track_cache_init(&t->cache, &r->cache);
	inlay_track_cache_init(&t->held, &r->cache);
	t->cache.on_evict = relay_bygones_on_evict;
	t->held.on_evict = relay_held_on_evict;
	inlay_list_init(&t->subscriptions);
	inlay_list_init(&t->statuses);
	inlay_list_init(&t->upstreams);
	inlay_list_init(&t->feeds);
	inlay_list_append(&r->tracks, &t->node);
	t->properties.publisher_priority = 128;
	t->properties.group_order = INLAY_MOQ_ASCENDING;
	t->linger_deadline = t->grace_deadline = t->retry_deadline = INLAY_NEVER;
	r->stats.tracks_now++;
	return t;
}

static void track_free(struct relay_track *t)
{
	struct inlay_relay *r = t->relay;
	struct relay_track *before = inlay_map_get(&r->by_hash, t->hash);

	relay_fast_track_gone(t);
	if (before != t) {
		while (before->next_same_hash != t)
			before = before->next_same_hash;
		before->next_same_hash = t->next_same_hash;
	} else if (t->next_same_hash != NULL) {
		(void)inlay_map_set(&r->by_hash, t->hash, t->next_same_hash); /* replaces */
	} else {
		inlay_map_remove(&r->by_hash, t->hash);
	}
	t->cache.on_evict = t->held.on_evict = NULL; /* nobody is left */
	inlay_track_cache_fini(&t->cache);
	inlay_track_cache_fini(&t->held);
	relay_bygones_fini(&t->bygones);
	inlay_list_remove(&t->node);
	r->stats.tracks_now--;
	free((void *)t->properties.bytes.data);
	free(t->name);
	free(t);
}

void relay_track_free_all(struct inlay_relay *r)
{
	while (!inlay_list_is_empty(&r->tracks))
		track_free(inlay_list_entry(r->tracks.next, struct relay_track, node));
}

/* --- what is known of it --------------------------------------------------------------------- */

int relay_track_set_properties(struct relay_track *t, const struct inlay_moq_track_properties *p)
{
	__u8 *copy = malloc(p->bytes.len > 0 ? p->bytes.len : 1);
	struct inlay_list *node;

	if (copy == NULL)
		return -ENOMEM;
	if (p->bytes.len > 0)
		memcpy(copy, p->bytes.data, p->bytes.len);
	free((void *)t->properties.bytes.data);
	t->properties = *p;
	t->properties.bytes.data = copy;
	t->has_properties = true;
	inlay_list_for_each (node, &t->subscriptions)
		relay_subscription_set_timeouts(
			inlay_list_entry(node, struct relay_subscription, of_track));
	return 0;
}

bool relay_track_note_object(struct relay_track *t, struct inlay_moq_location where)
{
	if (t->has_end && !inlay_moq_location_less(where, t->end))
		return false;
	if (!t->has_base) {
		t->has_base = true;
		t->base_group = where.group;
	}
	if (!t->has_largest || inlay_moq_location_less(t->largest, where)) {
		t->has_largest = true;
		t->largest = where;
	}
	return true;
}

struct inlay_moq_params relay_track_params(const struct relay_track *t)
{
	struct inlay_moq_params p = {0};

	if (t->has_largest) {
		p.present = INLAY_MOQ_HAS_LARGEST_OBJECT;
		p.largest_object = t->largest;
	}
	return p;
}

bool relay_track_is_wanted(const struct relay_track *t)
{
	struct inlay_list *node;

	if (!inlay_list_is_empty(&t->statuses))
		return true;
	inlay_list_for_each (node, &t->subscriptions)
		if (inlay_list_entry(node, struct relay_subscription, of_track)->state !=
		    RELAY_SUBSCRIPTION_ENDING)
			return true;
	return false;
}

struct relay_upstream *relay_track_first_upstream(const struct relay_track *t)
{
	struct inlay_list *node;

	inlay_list_for_each (node, &t->upstreams) {
		struct relay_upstream *up = inlay_list_entry(node, struct relay_upstream, of_track);

		if (up->established)
			return up;
	}
	return NULL;
}

static bool is_established(const struct relay_track *t)
{
	return relay_track_first_upstream(t) != NULL;
}

bool relay_track_is_absent(const struct relay_track *t)
{
	struct inlay_list *node;

	inlay_list_for_each (node, &t->upstreams)
		if (!inlay_list_entry(node, struct relay_upstream, of_track)->absent)
			return false;
	return t->n_upstreams > 0;
}

/* --- who waits ------------------------------------------------------------------------------- */

inlay_ns relay_track_patience(const struct relay_track *t)
{
	inlay_ns until = t->grace_deadline != INLAY_NEVER ? t->grace_deadline : 0;
	struct inlay_list *node;

	inlay_list_for_each (node, &t->subscriptions) {
		const struct relay_subscription *sub =
			inlay_list_entry(node, struct relay_subscription, of_track);

		if (sub->state == RELAY_SUBSCRIPTION_PENDING && sub->rendezvous_deadline > until)
			until = sub->rendezvous_deadline;
	}
	return until;
}

static void ask_again(struct relay_track *t)
{
	if (t->relay->origin == NULL || t->retry_deadline != INLAY_NEVER)
		return;
	t->retry_deadline = t->relay->now + RETRY_PAUSE;
	relay_wake(t->relay, t->retry_deadline);
}

/* Refuses TRACK_STATUS requests, and pending subscriptions; with |patient|, not those that said how
 * long they would wait for a publisher. */
static void refuse_waiting(struct relay_track *t, __u64 code, bool patient)
{
	struct inlay_list *node, *after;

	inlay_list_for_each_safe (node, after, &t->statuses) {
		struct relay_status *st = inlay_list_entry(node, struct relay_status, of_track);

		/* A session that is ending takes no answer: its request outlives |st|. */
		inlay_moq_request_set_user(st->request, NULL);
		(void)inlay_moq_request_error(st->request, code, 0,
					      inlay_moq_request_code_text(code));
		relay_status_end(st);
	}
	inlay_list_for_each_safe (node, after, &t->subscriptions) {
		struct relay_subscription *sub =
			inlay_list_entry(node, struct relay_subscription, of_track);

		if (sub->state != RELAY_SUBSCRIPTION_PENDING)
			continue;
		if (!patient || sub->rendezvous_deadline <= t->relay->now)
			relay_subscription_refuse(sub, code);
		else
			ask_again(t);
	}
}

void relay_track_refuse_impatient(struct relay_track *t)
{
	bool outermost = !t->in_use;

	t->in_use = true;
	refuse_waiting(t, INLAY_MOQ_REQUEST_DOES_NOT_EXIST, true);
	if (outermost) {
		t->in_use = false;
		relay_track_left(t);
	}
}

static void finish_active(struct relay_track *t, __u64 status)
{
	struct inlay_list *node, *after;

	inlay_list_for_each_safe (node, after, &t->subscriptions) {
		struct relay_subscription *sub =
			inlay_list_entry(node, struct relay_subscription, of_track);

		if (sub->state == RELAY_SUBSCRIPTION_ACTIVE)
			relay_subscription_finish(sub, status);
	}
}

static bool has_active(const struct relay_track *t)
{
	struct inlay_list *node;

	inlay_list_for_each (node, &t->subscriptions)
		if (inlay_list_entry(node, struct relay_subscription, of_track)->state ==
		    RELAY_SUBSCRIPTION_ACTIVE)
			return true;
	return false;
}

/* --- publishers come ------------------------------------------------------------------------- */

void relay_track_want(struct relay_track *t)
{
	struct inlay_relay *r = t->relay;
	struct inlay_list *node;
	bool outermost = !t->in_use;

	t->linger_deadline = INLAY_NEVER;
	inlay_list_for_each (node, &t->upstreams) {
		struct relay_upstream *up = inlay_list_entry(node, struct relay_upstream, of_track);

		if (up->published && up->established)
			relay_upstream_set_forward(up, true);
	}
	if (t->state == RELAY_TRACK_CONNECTING && relay_track_is_absent(t))
		relay_track_refuse_impatient(t);
	if ((t->state == RELAY_TRACK_LIVE && t->asked) || t->state == RELAY_TRACK_CONNECTING)
		return;
	t->in_use = true;
	t->asked = true;
	/* Section 9.5: every publisher of a namespace that matches. */
	inlay_list_for_each (node, &r->namespaces) {
		struct relay_namespace *n = inlay_list_entry(node, struct relay_namespace, node);

		if (inlay_moq_namespace_has_prefix(&t->name->ns, n->ns))
			(void)relay_upstream_subscribe(t, n->session);
	}
	if (t->n_upstreams == 0 && r->origin != NULL)
		(void)relay_upstream_ask(t, r->origin);
	if (t->n_upstreams > 0 && t->state != RELAY_TRACK_LIVE)
		t->state = RELAY_TRACK_CONNECTING;
	else if (t->state == RELAY_TRACK_IDLE)
		refuse_waiting(t, INLAY_MOQ_REQUEST_DOES_NOT_EXIST, true);
	if (outermost) {
		t->in_use = false;
		relay_track_left(t);
	}
}

void relay_track_established(struct relay_track *t)
{
	struct inlay_list *node, *after;
	struct inlay_moq_params params = relay_track_params(t);
	bool outermost = !t->in_use;

	t->in_use = true;
	t->state = RELAY_TRACK_LIVE;
	t->grace_deadline = INLAY_NEVER;
	inlay_list_for_each_safe (node, after, &t->statuses) {
		struct relay_status *st = inlay_list_entry(node, struct relay_status, of_track);

		inlay_moq_request_set_user(st->request, NULL);
		(void)inlay_moq_request_ok(st->request, &params, &t->properties.bytes);
		relay_status_end(st);
	}
	inlay_list_for_each_safe (node, after, &t->subscriptions) {
		struct relay_subscription *sub =
			inlay_list_entry(node, struct relay_subscription, of_track);

		if (sub->state == RELAY_SUBSCRIPTION_PENDING)
			relay_subscription_accept(sub);
	}
	if (outermost) {
		t->in_use = false;
		relay_track_left(t);
	}
}

/* --- and go ---------------------------------------------------------------------------------- */

/* A refusal that may be none a moment later. */
static bool may_come_yet(__u64 code)
{
	return code == INLAY_MOQ_REQUEST_DOES_NOT_EXIST || code == INLAY_MOQ_REQUEST_TIMEOUT;
}

static void last_publisher_gone(struct relay_track *t, __u64 code, __u64 done)
{
	struct inlay_relay *r = t->relay;

	if (done != RELAY_NOT_DONE) {
		t->state = RELAY_TRACK_IDLE;
		t->grace_deadline = INLAY_NEVER;
		finish_active(t, done);
		refuse_waiting(t, INLAY_MOQ_REQUEST_DOES_NOT_EXIST, true);
		return;
	}
	if (!has_active(t)) {
		t->state = RELAY_TRACK_IDLE;
		if (code != RELAY_WENT_AWAY)
			refuse_waiting(t, code, may_come_yet(code));
		else if (relay_track_is_wanted(t))
			relay_track_want(t);
		return;
	}
	if (t->grace_deadline == INLAY_NEVER) {
		t->grace_deadline = r->now + r->config.grace;
		relay_wake(r, t->grace_deadline);
	}
	t->state = RELAY_TRACK_LOST;
	/* One that refused just now would refuse again. */
	if (code == RELAY_WENT_AWAY)
		relay_track_want(t);
	else if (may_come_yet(code))
		ask_again(t);
}

void relay_track_upstream_gone(struct relay_track *t, __u64 code, __u64 done)
{
	bool outermost = !t->in_use;

	if (is_established(t))
		return;
	t->in_use = true;
	relay_held_promote(t);
	if (t->n_upstreams > 0)
		t->state = RELAY_TRACK_CONNECTING;
	else
		last_publisher_gone(t, code, done);
	if (outermost) {
		t->in_use = false;
		relay_track_left(t);
	}
}

void relay_track_malformed(struct relay_track *t)
{
	bool outermost = !t->in_use;

	t->in_use = true;
	t->relay->stats.malformed_tracks++;
	t->state = RELAY_TRACK_IDLE;
	/* Section 2.4.2: subscriptions end at once. */
	finish_active(t, INLAY_MOQ_DONE_MALFORMED_TRACK);
	while (!inlay_list_is_empty(&t->upstreams))
		relay_upstream_cancel(
			inlay_list_entry(t->upstreams.next, struct relay_upstream, of_track),
			INLAY_MOQ_RESET_MALFORMED_TRACK);
	refuse_waiting(t, INLAY_MOQ_REQUEST_MALFORMED_TRACK, false);
	inlay_track_cache_clear(&t->cache);
	inlay_track_cache_clear(&t->held);
	if (outermost) {
		t->in_use = false;
		relay_track_left(t);
	}
}

void relay_track_left(struct relay_track *t)
{
	struct inlay_relay *r = t->relay;

	if (t->in_use || relay_track_is_wanted(t))
		return;
	if (!inlay_list_is_empty(&t->upstreams)) {
		if (t->linger_deadline == INLAY_NEVER) {
			t->linger_deadline = r->now + r->config.linger;
			relay_wake(r, t->linger_deadline);
		}
		return;
	}
	if (inlay_list_is_empty(&t->subscriptions) && !t->n_orphans)
		track_free(t);
}

/* Nobody came back: upstream subscriptions end, publishers by PUBLISH pause. */
static void stop_publishers(struct relay_track *t)
{
	struct inlay_list *node, *after;

	t->linger_deadline = INLAY_NEVER;
	t->asked = false;
	inlay_list_for_each_safe (node, after, &t->upstreams) {
		struct relay_upstream *up = inlay_list_entry(node, struct relay_upstream, of_track);

		if (up->published)
			relay_upstream_set_forward(up, false);
		else
			relay_upstream_cancel(up, INLAY_MOQ_RESET_CANCELLED);
	}
	if (!is_established(t))
		t->state = RELAY_TRACK_IDLE;
}

static void give_up_connecting(struct relay_track *t)
{
	struct inlay_relay *r = t->relay;
	struct inlay_list *node, *after;

	inlay_list_for_each_safe (node, after, &t->upstreams) {
		struct relay_upstream *up = inlay_list_entry(node, struct relay_upstream, of_track);

		if (up->established)
			continue;
		if (up->connect_deadline > r->now) {
			relay_wake(r, up->connect_deadline);
			continue;
		}
		if (up->asking) {
			relay_upstream_status_timeout(up);
			continue;
		}
		relay_upstream_cancel(up, INLAY_MOQ_RESET_CANCELLED);
		relay_track_upstream_gone(t, INLAY_MOQ_REQUEST_TIMEOUT, RELAY_NOT_DONE);
	}
}

/* Those that have time left wait for the origin's next answer. */
static void retry(struct relay_track *t)
{
	struct inlay_relay *r = t->relay;

	t->retry_deadline = INLAY_NEVER;
	if ((t->state != RELAY_TRACK_IDLE && t->state != RELAY_TRACK_LOST) || r->origin == NULL ||
	    relay_track_patience(t) <= r->now)
		return;
	if (relay_upstream_ask(t, r->origin) == 0)
		t->state = RELAY_TRACK_CONNECTING;
	else
		ask_again(t);
}

void relay_track_on_timer(struct relay_track *t)
{
	struct inlay_relay *r = t->relay;
	struct inlay_list *node, *after;

	t->in_use = true;
	give_up_connecting(t);
	inlay_list_for_each_safe (node, after, &t->subscriptions)
		relay_subscription_on_timer(
			inlay_list_entry(node, struct relay_subscription, of_track));
	if (t->grace_deadline <= r->now) {
		t->grace_deadline = INLAY_NEVER;
		finish_active(t, INLAY_MOQ_DONE_TRACK_ENDED);
		refuse_waiting(t, INLAY_MOQ_REQUEST_DOES_NOT_EXIST, true);
		t->state = t->n_upstreams > 0 ? RELAY_TRACK_CONNECTING : RELAY_TRACK_IDLE;
	}
	if (t->linger_deadline <= r->now) {
		if (relay_track_is_wanted(t))
			t->linger_deadline = INLAY_NEVER;
		else
			stop_publishers(t);
	}
	if (t->retry_deadline <= r->now)
		retry(t);
	relay_wake(r, t->grace_deadline);
	relay_wake(r, t->linger_deadline);
	relay_wake(r, t->retry_deadline);
	t->in_use = false;
	relay_track_left(t);
}

/* --- TRACK_STATUS ---------------------------------------------------------------------------- */

void relay_status_end(struct relay_status *st)
{
	struct relay_track *t = st->track;

	inlay_list_remove(&st->of_track);
	st->session->n_subscriptions--;
	free(st);
	relay_track_left(t);
}

static void refuse_status(struct inlay_relay_session *rs, struct inlay_moq_request *req, __u64 code)
{
	rs->relay->stats.refused++;
	(void)inlay_moq_request_error(req, code,
				      code == INLAY_MOQ_REQUEST_EXCESSIVE_LOAD ? 1001 : 0,
				      inlay_moq_request_code_text(code));
}

void relay_status_ask(struct inlay_relay_session *rs, struct inlay_moq_request *req,
		      const struct inlay_moq_subscribe *m)
{
	struct inlay_relay *r = rs->relay;
	const struct inlay_relay_config *c = &r->config;
	struct inlay_moq_params params;
	struct relay_status *st;
	struct relay_track *t;

	if (c->authorise != NULL && !c->authorise(c->authorise_user, rs, INLAY_RELAY_TRACK_STATUS,
						  &m->name, &m->params.tokens)) {
		refuse_status(rs, req, INLAY_MOQ_REQUEST_UNAUTHORIZED);
		return;
	}
	t = relay_track_find(r, &m->name);
	/* One whose publishers were lost is known as far as they came: a publisher that comes back
	 * asks for just that, to begin above it. */
	if (t != NULL &&
	    (t->state == RELAY_TRACK_LIVE || (t->state == RELAY_TRACK_LOST && t->has_largest))) {
		params = relay_track_params(t);
		(void)inlay_moq_request_ok(req, &params, &t->properties.bytes);
		return;
	}
	st = rs->n_subscriptions < c->max_session_subscriptions ? calloc(1, sizeof(*st)) : NULL;
	t = st != NULL ? relay_track_find_or_new(r, &m->name) : NULL;
	if (t == NULL) {
		free(st);
		refuse_status(rs, req, INLAY_MOQ_REQUEST_EXCESSIVE_LOAD);
		return;
	}
	*st = (struct relay_status){.track = t, .session = rs, .request = req};
	inlay_list_append(&t->statuses, &st->of_track);
	rs->n_subscriptions++;
	inlay_moq_request_set_user(req, st);
	relay_track_want(t);
}
