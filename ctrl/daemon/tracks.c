/* SPDX-License-Identifier: BSD-2-Clause */
#include "tracks.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "daemon_impl.h"
#include "view.h"

static void set(json_t *o, const char *name, __u64 value)
{
	json_object_set_new(o, name, json_integer(value <= INT64_MAX ? (json_int_t)value : 0));
}

/* 0: it has ended. */
static __u64 number_of(const void *session)
{
	const struct inlay_ep_conn *c = inlay_sessions_connection(session);
	struct inlay_ep_conn_info info = {0};

	if (c)
		inlay_ep_conn_info(c, &info);
	return info.number;
}

static void add_publisher(void *user, const struct inlay_relay_publisher_view *v)
{
	json_t *one = json_object();

	set(one, "connection", number_of(v->session));
	json_object_set_new(one, "established", json_boolean(v->established));
	json_object_set_new(one, "by", json_string(v->by_publish ? "PUBLISH" : "SUBSCRIBE"));
	json_object_set_new(one, "fast", json_boolean(v->fast));
	json_array_append_new(user, one);
}

static json_t *describe(const struct inlay_relay_track_view *v)
{
	json_t *o = json_object(), *publishers = json_array();

	set(o, "number", v->number);
	/* What a name holds need not be text: it is escaped. */
	json_object_set_new(o, "name", json_string(v->name));
	json_object_set_new(o, "state", json_string(v->state));
	inlay_relay_for_each_publisher(v->track, add_publisher, publishers);
	json_object_set_new(o, "publishers", publishers);
	set(o, "subscribers", v->subscriptions);
	json_object_set_new(o, "fast", json_boolean(v->fast));
	set(o, "fast_subscribers", v->positions);
	set(o, "slots", v->slots);
	set(o, "cache_bytes", v->cache_bytes);
	set(o, "cache_groups", v->cache_groups);
	if (v->has_largest) {
		set(o, "largest_group", v->largest.group);
		set(o, "largest_object", v->largest.object);
	}
	return o;
}

struct page {
	json_t *list;
	__u64 after;
	bool more;
};

static bool visit(void *user, const struct inlay_relay_track_view *v)
{
	struct page *p = user;

	if (v->number <= p->after)
		return true;
	p->more = json_array_size(p->list) == INLAY_TRACKS_PAGE;
	if (!p->more)
		json_array_append_new(p->list, describe(v));
	return !p->more;
}

/* --- Why? ---------------------------------------------------------------------------------------
 */

/* Nothing for no reason. */
static void add_reason(json_t *o, const char *name, __u32 reason)
{
	if (reason < INLAY_N_REASONS)
		json_object_set_new(o, name,
				    json_pack("{s:s, s:s, s:s}", "reason",
					      inlay_reason_name(reason), "text",
					      inlay_reason_text(reason), "advice",
					      inlay_reason_advice(reason)));
}

static void add_stream(void *user, const struct inlay_relay_stream_view *v)
{
	json_t *one = json_object();

	if (!v->is_evicted) {
		set(one, "group", v->group);
		set(one, "subgroup", v->subgroup);
	}
	json_object_set_new(one, "state", json_string(v->state));
	set(one, "arrived_bytes", v->arrived);
	json_object_set_new(one, "leg", json_string(v->leg));
	if (strcmp(v->leg, "none")) {
		set(one, "stream", v->number);
		if (v->has_attach)
			set(one, "attached_at", v->attach);
	}
	if (v->has_detach)
		set(one, "detached_at", v->detach);
	add_reason(one, "detached", v->why_detached);
	json_array_append_new(user, one);
}

struct question {
	const struct inlay_daemon *d;
	const char *track, *subscriber; /* as the request has them */
	json_t *found;			/* track, as "tracks" has it; its subscribers in question */
	char others[200];		/* who else subscribes */
};

static void describe_subscriber(struct question *q, __u64 number, const char *remote,
				const struct inlay_relay_subscription_view *v)
{
	json_t *one = json_object(), *streams = json_array();

	set(one, "connection", number);
	json_object_set_new(one, "remote", json_string(remote));
	set(one, "request", v->request);
	json_object_set_new(one, "state", json_string(v->state));
	json_object_set_new(one, "fast", json_boolean(v->fast));
	add_reason(one, "why_not", v->why_not);
	set(one, "copies", v->copies);
	set(one, "streams_lent", v->streams_lent);
	add_reason(one, "last_not_sent", v->why_not_sent);
	add_reason(one, "last_detached", v->why_detached);
	inlay_relay_for_each_stream(v->subscription, add_stream, streams);
	json_object_set_new(one, "streams", streams);
	json_array_append_new(json_object_get(q->found, "subscribers"), one);
}

static void ask_subscriber(void *user, const struct inlay_relay_subscription_view *v)
{
	const struct inlay_ep_conn *c = inlay_sessions_connection(v->session);
	char remote[INLAY_ADDRESS_TEXT], number[24];
	struct inlay_ep_conn_info info;
	struct question *q = user;
	size_t len = strlen(q->others);

	if (!c)
		return;
	inlay_ep_conn_info(c, &info);
	inlay_address_format(&info.path.remote, remote);
	snprintf(number, sizeof(number), "%llu", (unsigned long long)info.number);
	if (!strcmp(q->subscriber, number) || !strcmp(q->subscriber, remote))
		describe_subscriber(q, info.number, remote, v);
	else if (len + strlen(number) + 3 < sizeof(q->others))
		snprintf(q->others + len, sizeof(q->others) - len, "%s%s", len ? ", " : "", number);
}

static bool ask_track(void *user, const struct inlay_relay_track_view *v)
{
	struct question *q = user;
	char number[24];

	snprintf(number, sizeof(number), "%llu", (unsigned long long)v->number);
	if (strcmp(q->track, v->name) && strcmp(q->track, number))
		return true;
	q->found = json_pack("{s:o, s:[]}", "track", describe(v), "subscribers");
	inlay_relay_for_each_subscription(v->track, ask_subscriber, q);
	return false;
}

json_t *inlay_tracks_why(void *daemon, const json_t *request, const char **ret_error)
{
	struct inlay_daemon *d = daemon;
	static char error[300];
	struct question q = {.d = d};

	*ret_error =
		"why takes track (its name or number) and subscriber (its connection's number or "
		"address), as texts";
	if (json_unpack((json_t *)request, "{s:s, s:s}", "track", &q.track, "subscriber",
			&q.subscriber))
		return NULL;
	inlay_relay_for_each_track(d->relay, ask_track, &q);
	*ret_error = "no such track; inlayctl tracks has them all";
	if (!q.found)
		return NULL;
	if (json_array_size(json_object_get(q.found, "subscribers")) > 0)
		return q.found;
	json_decref(q.found);
	snprintf(error, sizeof(error),
		 *q.others ? "no such subscriber of this track; it has the connections %s"
			   : "this track has no subscribers",
		 q.others);
	*ret_error = error;
	return NULL;
}

/* --- All of them --------------------------------------------------------------------------------
 */

json_t *inlay_tracks_answer(void *daemon, const json_t *request, const char **ret_error)
{
	struct inlay_daemon *d = daemon;
	const json_t *after = json_object_get(request, "after");
	struct page p = {0};

	*ret_error = "tracks takes after (a number)";
	if (after && (!json_is_integer(after) || json_integer_value(after) < 0))
		return NULL;
	*ret_error = "no memory";
	p.after = (__u64)json_integer_value(after);
	p.list = json_array();
	if (p.list)
		inlay_relay_for_each_track(d->relay, visit, &p);
	return json_pack("{s:o, s:b}", "tracks", p.list, "more", p.more);
}
