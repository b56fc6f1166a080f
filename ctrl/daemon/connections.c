/* SPDX-License-Identifier: BSD-2-Clause */
#include "connections.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "daemon_impl.h"

static void set(json_t *o, const char *name, __u64 value)
{
	json_object_set_new(o, name, json_integer(value <= INT64_MAX ? (json_int_t)value : 0));
}

static void set_text(json_t *o, const char *name, const char *text)
{
	json_object_set_new(o, name, json_string(text));
}

/* --- One connection ----------------------------------------------------------------------------
 */

static const char *state_of(const struct inlay_conn *conn)
{
	if (!conn)
		return "handshake";
	return inlay_conn_is_closing(conn) ? "closing" : "established";
}

static void add_session(json_t *o, const struct inlay_ep_conn *c)
{
	struct inlay_relay_session_stats s = {0};
	const void *session = inlay_ep_conn_user(c);

	if (session)
		inlay_sessions_stats(session, &s);
	set(o, "tracks_subscribed", s.subscriptions);
	set(o, "tracks_published", s.tracks_published);
	set(o, "namespaces", s.namespaces);
	set(o, "streams_waiting", s.streams);
	set(o, "fast_positions", s.positions);
	set(o, "streams_lent", s.streams_lent);
	set(o, "copies", s.copies);
}

static void add_recovery(json_t *o, const struct inlay_conn_stats *s)
{
	set(o, "srtt_us", s->smoothed_rtt / INLAY_US);
	set(o, "min_rtt_us", s->min_rtt / INLAY_US);
	set(o, "rttvar_us", s->rttvar / INLAY_US);
	set_text(o, "congestion_control", s->cc);
	set(o, "cwnd", s->cwnd);
	set(o, "bytes_in_flight", s->bytes_in_flight);
	set(o, "packets_lost", s->packets_lost);
	set(o, "packets_spurious", s->packets_spurious);
	set(o, "ptos", s->ptos);
	set(o, "bandwidth_bps", 8 * s->bandwidth);
	json_object_set_new(o, "app_limited", json_boolean(s->app_limited));
	set(o, "pacing_rate_bps", 8 * s->pacing_rate);
	set(o, "queueing_delay_us", s->queueing_delay / INLAY_US);
}

static void add_traffic(json_t *o, const struct inlay_conn_stats *s)
{
	set(o, "packets_sent", s->packets_sent);
	set(o, "packets_received", s->packets_received);
	set(o, "bytes_sent", s->bytes_sent);
	set(o, "bytes_received", s->bytes_received);
	set(o, "streams_open", s->streams_open);
	set(o, "datagrams_sent", s->datagrams_sent);
	set(o, "datagrams_lost", s->datagrams_lost);
	set(o, "datagrams_dropped", s->datagrams_dropped);
}

/* What waits for each class of the policy. */
static json_t *pending(const struct inlay_policy_view *view)
{
	json_t *list = json_array();

	for (int i = 0; i < INLAY_CLASSES; i++)
		json_array_append_new(list, json_integer((json_int_t)view->pending[i]));
	return list;
}

static void add_conn(json_t *o, const struct inlay_daemon *d, const struct inlay_conn *conn)
{
	struct inlay_policy_view view;
	struct inlay_conn_stats s;

	inlay_conn_stats(conn, &s);
	inlay_conn_view(conn, &view);
	add_recovery(o, &s);
	add_traffic(o, &s);
	set(o, "mtu", s.path_mtu);
	set(o, "mtu_black_holes", s.black_holes);
	set_text(o, "ecn", d->config.ecn ? s.ecn : "off");
	set(o, "ce_reported", s.ce_reported);
	set(o, "key_updates", s.key_updates);
	set(o, "path_changes", s.peer_moves + s.migrations);
	json_object_set_new(o, "pending", pending(&view));
	set_text(o, "policy", d->policy->name);
	json_object_set_new(o, "qlog", json_boolean(inlay_conn_has_trace(conn)));
}

static json_t *describe(const struct inlay_daemon *d, const struct inlay_ep_conn *c,
			const struct inlay_ep_conn_info *info)
{
	const struct inlay_conn *conn = inlay_ep_conn_peek(c);
	char remote[INLAY_ADDRESS_TEXT];
	json_t *o = json_object();

	inlay_address_format(&info->path.remote, remote);
	set(o, "id", info->number);
	set_text(o, "remote", remote);
	set_text(o, "role", info->role == INLAY_SERVER ? "server" : "client");
	set_text(o, "state", state_of(conn));
	if (!conn)
		return o;
	set(o, "age_ms", (inlay_loop_now() - info->since) / INLAY_MS);
	add_session(o, c);
	add_conn(o, d, conn);
	return o;
}

/* --- Many of them -------------------------------------------------------------------------------
 */

struct page {
	struct inlay_daemon *d;
	json_int_t after;
	const json_t *ids; /* or NULL */
	json_t *list;
	bool more;
};

static bool is_wanted(const struct page *p, __u64 number)
{
	json_t *id;
	size_t i;

	if ((json_int_t)number <= p->after)
		return false;
	json_array_foreach(p->ids, i, id) if ((__u64)json_integer_value(id) == number) return true;
	return !p->ids;
}

static void visit(void *user, struct inlay_ep_conn *c)
{
	struct inlay_ep_conn_info info;
	struct page *p = user;

	inlay_ep_conn_info(c, &info);
	if (p->more || !is_wanted(p, info.number))
		return;
	if (json_array_size(p->list) == INLAY_CONNECTIONS_PAGE)
		p->more = true;
	else
		json_array_append_new(p->list, describe(p->d, c, &info));
}

json_t *inlay_connections_answer(void *daemon, const json_t *request, const char **ret_error)
{
	struct inlay_daemon *d = daemon;
	struct page p = {.d = d, .after = 0, .ids = json_object_get(request, "ids")};
	const json_t *after = json_object_get(request, "after");
	json_t *id;
	size_t i;

	*ret_error = "connections takes after (a number) and ids (a list of numbers)";
	if ((after && !json_is_integer(after)) || (p.ids && !json_is_array(p.ids)))
		return NULL;
	json_array_foreach(p.ids, i, id) if (!json_is_integer(id)) return NULL;
	*ret_error = "no memory";
	p.after = json_integer_value(after);
	p.list = json_array();
	if (p.list)
		inlay_endpoint_for_each(d->endpoint, visit, &p);
	return json_pack("{s:o, s:b}", "connections", p.list, "more", p.more);
}

/* --- Logs ----------------------------------------------------------------------------------------
 */

struct search {
	__u64 number;
	struct inlay_ep_conn *found;
};

static void find(void *user, struct inlay_ep_conn *c)
{
	struct inlay_ep_conn_info info;
	struct search *s = user;

	inlay_ep_conn_info(c, &info);
	if (info.number == s->number && info.established)
		s->found = c;
}

static json_t *turn_on(struct inlay_daemon *d, struct inlay_ep_conn *c, const char **ret_error)
{
	char file[INLAY_QLOG_NAME];
	int ret = inlay_qlogs_start(&d->qlogs, c, inlay_loop_now(), file);

	if (!ret)
		return json_pack("{s:s++}", "file", d->config.qlog.directory, "/", file);
	*ret_error = strerror(-ret);
	if (ret == -ENOTSUP)
		*ret_error = "no qlog.directory is configured";
	else if (ret == -EALREADY)
		*ret_error = "that connection has a qlog already";
	else if (ret == -EMFILE)
		*ret_error = "qlog.max_files are open";
	return NULL;
}

json_t *inlay_connections_qlog(void *daemon, const json_t *request, const char **ret_error)
{
	struct inlay_daemon *d = daemon;
	struct search s = {0};
	json_int_t number = 0;
	int on = 0;

	*ret_error = "qlog takes connection (a number) and on (true or false)";
	if (json_unpack((json_t *)request, "{s:I, s:b}", "connection", &number, "on", &on))
		return NULL;
	s.number = (__u64)number;
	inlay_endpoint_for_each(d->endpoint, find, &s);
	*ret_error = "no such connection";
	if (!s.found)
		return NULL;
	if (on)
		return turn_on(d, s.found, ret_error);
	*ret_error = "that connection has no qlog";
	if (inlay_qlogs_stop(s.found, inlay_loop_now()))
		return NULL;
	return json_object();
}
