/* SPDX-License-Identifier: BSD-2-Clause */
/* The relay itself, its sessions, and where their events go. See relay.h. */
#include "relay_impl.h"

#include <stdlib.h>

/* --- events ---------------------------------------------------------------------------------- */

static bool is_upstream(const struct inlay_moq_request *req)
{
	return inlay_moq_request_is_ours(req) ||
	       inlay_moq_request_type(req) == INLAY_MOQ_MSG_PUBLISH;
}

static void on_subscribe(void *user, struct inlay_moq_request *req,
			 const struct inlay_moq_subscribe *m)
{
	relay_touch(user);
	relay_subscription_new(user, req, m);
}

static void on_track_status(void *user, struct inlay_moq_request *req,
			    const struct inlay_moq_subscribe *m)
{
	relay_touch(user);
	relay_status_ask(user, req, m);
}

static void on_publish(void *user, struct inlay_moq_request *req, const struct inlay_moq_publish *m)
{
	relay_touch(user);
	relay_upstream_publish(user, req, m);
}

static void on_publish_namespace(void *user, struct inlay_moq_request *req,
				 const struct inlay_moq_namespace_request *m)
{
	relay_touch(user);
	relay_namespace_publish(user, req, m);
}

static void on_subscribe_namespace(void *user, struct inlay_moq_request *req,
				   const struct inlay_moq_namespace_request *m)
{
	relay_touch(user);
	relay_prefix_subscribe(user, req, m);
}

static void on_update(void *user, struct inlay_moq_request *req,
		      const struct inlay_moq_params *params)
{
	void *record = inlay_moq_request_user(req);

	relay_touch(user);
	if (inlay_moq_request_type(req) == INLAY_MOQ_MSG_SUBSCRIBE && record != NULL) {
		relay_subscription_update(record, params);
	} else if (inlay_moq_request_type(req) == INLAY_MOQ_MSG_SUBSCRIBE_NAMESPACE) {
		/* Section 10.9: a refused update ends the request. */
		(void)inlay_moq_request_update_error(req, INLAY_MOQ_REQUEST_NOT_SUPPORTED,
						     "prefixes stay as they are");
		if (record != NULL)
			relay_prefix_end(record);
		inlay_moq_request_cancel(req, INLAY_MOQ_RESET_CANCELLED);
	} else {
		/* PUBLISH, PUBLISH_NAMESPACE: nothing in it changes anything here. */
		(void)inlay_moq_request_update_ok(req, NULL);
	}
}

static void on_subscribe_ok(void *user, struct inlay_moq_request *req,
			    const struct inlay_moq_subscribe_ok *m)
{
	relay_touch(user);
	if (inlay_moq_request_user(req) != NULL)
		relay_upstream_on_ok(inlay_moq_request_user(req), m);
}

/* Of our requests only TRACK_STATUS is answered like this. */
static void on_request_ok(void *user, struct inlay_moq_request *req,
			  const struct inlay_moq_request_ok *m)
{
	relay_touch(user);
	if (inlay_moq_request_user(req) != NULL)
		relay_upstream_on_status(inlay_moq_request_user(req), &m->params);
}

static void on_publish_done(void *user, struct inlay_moq_request *req,
			    const struct inlay_moq_publish_done *m)
{
	relay_touch(user);
	if (inlay_moq_request_user(req) != NULL)
		relay_upstream_on_done(inlay_moq_request_user(req), m);
}

static void on_request_end(void *user, struct inlay_moq_request *req, enum inlay_moq_end end,
			   __u64 code, const struct inlay_moq_request_error *error)
{
	void *record = inlay_moq_request_user(req);

	relay_touch(user);
	if (record == NULL)
		return;
	if (is_upstream(req)) {
		relay_upstream_ended(record, end, code);
		return;
	}
	switch (inlay_moq_request_type(req)) {
	case INLAY_MOQ_MSG_SUBSCRIBE:
		relay_subscription_gone(record);
		return;
	case INLAY_MOQ_MSG_TRACK_STATUS:
		relay_status_end(record);
		return;
	case INLAY_MOQ_MSG_PUBLISH_NAMESPACE:
		relay_namespace_end(record);
		return;
	case INLAY_MOQ_MSG_SUBSCRIBE_NAMESPACE:
		relay_prefix_end(record);
		return;
	default:
		return;
	}
}

static void on_subgroup(void *user, struct inlay_moq_request *req, struct inlay_moq_incoming *in,
			const struct inlay_moq_subgroup *header)
{
	relay_touch(user);
	relay_fast_heard(user);
	if (inlay_moq_request_user(req) != NULL)
		relay_upstream_on_subgroup(inlay_moq_request_user(req), in, header);
	else
		inlay_moq_incoming_stop(in, INLAY_MOQ_RESET_CANCELLED);
}

static void on_object(void *user, struct inlay_moq_incoming *in,
		      const struct inlay_moq_object *object, const __u8 *header, size_t len)
{
	relay_touch(user);
	relay_fast_heard(user);
	if (inlay_moq_incoming_user(in) != NULL)
		relay_feed_on_object(inlay_moq_incoming_user(in), in, object, header, len);
}

static void on_payload(void *user, struct inlay_moq_incoming *in, const __u8 *data, size_t len,
		       bool end)
{
	relay_touch(user);
	relay_fast_heard(user);
	if (inlay_moq_incoming_user(in) != NULL)
		relay_feed_on_payload(inlay_moq_incoming_user(in), in, data, len);
}

static void on_subgroup_end(void *user, struct inlay_moq_incoming *in, enum inlay_moq_end end,
			    __u64 code)
{
	relay_touch(user);
	if (inlay_moq_incoming_user(in) != NULL)
		relay_feed_end(inlay_moq_incoming_user(in), end, code);
}

static void on_datagram(void *user, struct inlay_moq_request *req,
			const struct inlay_moq_datagram *object)
{
	relay_touch(user);
	relay_fast_heard(user);
	if (inlay_moq_request_user(req) != NULL)
		relay_upstream_on_datagram(inlay_moq_request_user(req), object);
}

static void on_outgoing_end(void *user, struct inlay_moq_outgoing *out, enum inlay_moq_end end,
			    __u64 code)
{
	relay_touch(user);
	relay_reader_ended(inlay_moq_outgoing_user(out), end);
}

static void on_streams_available(void *user)
{
	struct inlay_relay_session *rs = user;
	struct inlay_list *node = rs->subscriptions.next;

	relay_touch(rs);
	while (node != &rs->subscriptions) {
		struct relay_subscription *sub =
			inlay_list_entry(node, struct relay_subscription, of_session);

		/* Opening may end this subscription, no other. */
		node = node->next;
		relay_reader_open_pending(sub);
		relay_subscription_check_end(sub);
	}
}

static const struct inlay_moq_session_ops session_ops = {
	.on_subscribe = on_subscribe,
	.on_track_status = on_track_status,
	.on_publish = on_publish,
	.on_publish_namespace = on_publish_namespace,
	.on_subscribe_namespace = on_subscribe_namespace,
	.on_update = on_update,
	.on_subscribe_ok = on_subscribe_ok,
	.on_request_ok = on_request_ok,
	.on_publish_done = on_publish_done,
	.on_request_end = on_request_end,
	.on_subgroup = on_subgroup,
	.on_object = on_object,
	.on_payload = on_payload,
	.on_subgroup_end = on_subgroup_end,
	.on_datagram = on_datagram,
	.on_outgoing_end = on_outgoing_end,
	.on_streams_available = on_streams_available,
};

/* --- the relay ------------------------------------------------------------------------------- */

static void default_ns(inlay_ns *value, inlay_ns otherwise)
{
	if (*value == 0)
		*value = otherwise;
}

static void default_u32(__u32 *value, __u32 otherwise)
{
	if (*value == 0)
		*value = otherwise;
}

static void set_defaults(struct inlay_relay_config *c)
{
	if (c->cache.max_bytes == 0)
		c->cache.max_bytes = (size_t)1 << 30;
	if (c->cache.max_track_bytes == 0)
		c->cache.max_track_bytes = (size_t)64 << 20;
	default_u32(&c->cache.max_track_groups, 1024);
	default_ns(&c->max_cache_age, 60 * INLAY_S);
	default_ns(&c->max_rendezvous, 10 * INLAY_S);
	default_ns(&c->connect_timeout, 5 * INLAY_S);
	default_ns(&c->linger, 2 * INLAY_S);
	default_ns(&c->grace, 10 * INLAY_S);
	default_ns(&c->drain, 2 * INLAY_S);
	default_u32(&c->max_tracks, 4096);
	default_u32(&c->max_namespaces, 4096);
	default_u32(&c->max_session_namespaces, 64);
	default_u32(&c->max_session_subscriptions, 64);
	default_u32(&c->max_session_publications, 64);
	default_u32(&c->max_publishers, 4);
	default_u32(&c->max_streams, 128);
	default_u32(&c->max_resets, 256);
	default_u32(&c->max_udp_payload, 1400);
}

struct inlay_relay *inlay_relay_new(const struct inlay_relay_config *config)
{
	struct inlay_relay *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->config = *config;
	set_defaults(&r->config);
	if (relay_fast_init(r, config->state) < 0) {
		free(r);
		return NULL;
	}
	inlay_cache_init(&r->cache, &r->config.cache);
	inlay_list_init(&r->sessions);
	inlay_list_init(&r->tracks);
	inlay_list_init(&r->namespaces);
	inlay_list_init(&r->orphans);
	r->deadline = INLAY_NEVER;
	r->next_expiry = INLAY_NEVER;
	return r;
}

void inlay_relay_free(struct inlay_relay *r)
{
	if (r == NULL)
		return;
	while (!inlay_list_is_empty(&r->sessions))
		inlay_relay_session_free(
			inlay_list_entry(r->sessions.next, struct inlay_relay_session, node));
	relay_track_free_all(r);
	relay_fast_fini(r);
	inlay_cache_fini(&r->cache);
	inlay_map_fini(&r->by_hash);
	free(r);
}

struct inlay_relay_session *inlay_relay_session_new(struct inlay_relay *r,
						    const struct inlay_moq_session_config *base,
						    void *user)
{
	struct inlay_moq_session_config config = *base;
	struct inlay_relay_session *rs = calloc(1, sizeof(*rs));

	if (rs == NULL)
		return NULL;
	config.ops = &session_ops;
	config.user = rs;
	rs->relay = r;
	rs->user = user;
	inlay_list_init(&rs->subscriptions);
	inlay_list_init(&rs->prefixes);
	inlay_list_init(&rs->positions);
	rs->moq = inlay_moq_session_new(&config);
	if (rs->moq == NULL) {
		free(rs);
		return NULL;
	}
	inlay_list_append(&r->sessions, &rs->node);
	r->stats.sessions_now++;
	return rs;
}

void inlay_relay_session_free(struct inlay_relay_session *rs)
{
	if (rs == NULL)
		return;
	if (rs->relay->origin == rs)
		rs->relay->origin = NULL;
	inlay_moq_session_free(rs->moq);
	relay_fast_session_gone(rs);
	inlay_list_remove(&rs->node);
	rs->relay->stats.sessions_now--;
	free(rs);
}

void inlay_relay_session_set_origin(struct inlay_relay_session *rs)
{
	struct inlay_relay *r = rs->relay;
	struct inlay_list *node, *after;

	r->origin = rs;
	if (r->now < inlay_moq_session_now(rs->moq))
		r->now = inlay_moq_session_now(rs->moq);
	/* Asking may free that track, and no other. */
	inlay_list_for_each_safe (node, after, &r->tracks) {
		struct relay_track *t = inlay_list_entry(node, struct relay_track, node);

		if (relay_track_is_wanted(t))
			relay_track_want(t);
	}
}

struct inlay_moq_session *inlay_relay_session_moq(const struct inlay_relay_session *rs)
{
	return rs->moq;
}

void *inlay_relay_session_user(const struct inlay_relay_session *rs)
{
	return rs->user;
}

/* --- timers ---------------------------------------------------------------------------------- */

inlay_ns inlay_relay_deadline(const struct inlay_relay *r)
{
	return r->deadline < r->fast.deadline ? r->deadline : r->fast.deadline;
}

static void expire_cache(struct inlay_relay *r)
{
	struct inlay_list *node;

	r->next_expiry = INLAY_NEVER;
	inlay_list_for_each (node, &r->tracks) {
		struct relay_track *t = inlay_list_entry(node, struct relay_track, node);
		inlay_ns age = r->config.max_cache_age;
		inlay_ns wanted = relay_ms(t->properties.max_cache_duration);

		if (wanted > 0 && wanted < age)
			age = wanted;
		if (r->now > age)
			inlay_track_cache_expire(&t->cache, r->now - age);
		if (t->cache.group_count > 0)
			r->next_expiry = r->now + INLAY_S;
	}
	relay_wake(r, r->next_expiry);
}

void inlay_relay_on_timer(struct inlay_relay *r, inlay_ns now)
{
	struct inlay_list *node, *after;

	if (now > r->now)
		r->now = now;
	relay_fast_on_timer(r);
	if (now < r->deadline)
		return;
	/* Everything that is due later wakes the relay again as it is looked at. */
	r->deadline = INLAY_NEVER;
	/* A track's timer may free that track, and no other. */
	inlay_list_for_each_safe (node, after, &r->tracks)
		relay_track_on_timer(inlay_list_entry(node, struct relay_track, node));
	inlay_list_for_each_safe (node, after, &r->orphans)
		relay_reader_on_timer(inlay_list_entry(node, struct relay_reader, of_subscription));
	if (r->next_expiry <= r->now)
		expire_cache(r);
	else
		relay_wake(r, r->next_expiry);
}

/* --- status ---------------------------------------------------------------------------------- */

const char *inlay_relay_rule_name(enum inlay_relay_rule rule)
{
#define INLAY_RELAY_RULE(id, name, text) [INLAY_RELAY_RULE_##id] = #name,
	static const char *const names[] = {INLAY_RELAY_RULES(INLAY_RELAY_RULE)};
#undef INLAY_RELAY_RULE

	return names[rule];
}

const char *inlay_relay_rule_text(enum inlay_relay_rule rule)
{
#define INLAY_RELAY_RULE(id, name, text) [INLAY_RELAY_RULE_##id] = text,
	static const char *const texts[] = {INLAY_RELAY_RULES(INLAY_RELAY_RULE)};
#undef INLAY_RELAY_RULE

	return texts[rule];
}

void inlay_relay_stats(const struct inlay_relay *r, struct inlay_relay_stats *ret)
{
	*ret = r->stats;
	ret->cache_bytes_now = r->cache.bytes;
	ret->cache_groups_evicted = r->cache.groups_evicted;
	ret->cache_bytes_evicted = r->cache.bytes_evicted;
	relay_fast_count(r, ret);
}

void inlay_relay_session_stats(const struct inlay_relay_session *rs,
			       struct inlay_relay_session_stats *ret)
{
	struct inlay_list *node;

	*ret = (struct inlay_relay_session_stats){
		.publications = rs->n_publications,
		.tracks_published = rs->n_upstreams,
		.namespaces = rs->n_namespaces,
	};
	inlay_list_for_each (node, &rs->subscriptions) {
		const struct relay_subscription *sub =
			inlay_list_entry(node, struct relay_subscription, of_session);
		__u32 lent, why;
		__u64 copies;

		relay_position_view(sub, &lent, &copies, &why);
		ret->subscriptions++;
		ret->streams += sub->n_readers;
		ret->positions += sub->position != NULL;
		ret->streams_lent += lent;
		ret->copies += copies;
	}
}
