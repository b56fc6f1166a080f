/* SPDX-License-Identifier: BSD-2-Clause */
#include "tracks.h"

#include <stdint.h>

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

json_t *inlay_tracks_answer(struct inlay_daemon *d, const json_t *request, const char **ret_error)
{
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
