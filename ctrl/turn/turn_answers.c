/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Answers on inlay-turn's control socket. Members are only ever added to an answer while
 * INLAY_CONTROL_VERSION stays. Tables come in pages: {"after": N} leaves out the first N, "more"
 * says whether there are others behind; a table that changes meanwhile may show an entry twice or
 * not at all.
 */
#include <unistd.h>

#include "address.h"
#include "turn_daemon_impl.h"

/* Each page reads the counters of the whole table: few large ones cost less than many. */
#define PAGE 8192

static void set(json_t *o, const char *name, __u64 value)
{
	json_object_set_new(o, name, json_integer((json_int_t)value));
}

static void set_address(json_t *o, const char *name, const struct inlay_addr *addr)
{
	char text[INLAY_ADDRESS_TEXT];

	if (!addr->family) {
		json_object_set_new(o, name, json_null());
		return;
	}
	inlay_address_format(addr, text);
	json_object_set_new(o, name, json_string(text));
}

/* How long it still has; 0: it has run out. */
static void set_left(json_t *o, const char *name, inlay_ns until, inlay_ns now)
{
	set(o, name, until > now ? (until - now) / INLAY_MS : 0);
}

/* --- Tables ----------------------------------------------------------------------------------- */

struct page {
	json_t *list;
	json_int_t after, at;
	inlay_ns now;
	bool more;
};

/* The next entry's place is on this page. */
static bool on_page(struct page *p)
{
	json_int_t at = p->at++;

	if (at < p->after)
		return false;
	if (at >= p->after + PAGE)
		p->more = true;
	return at < p->after + PAGE;
}

static struct page page_of(const json_t *request)
{
	json_int_t after = json_integer_value(json_object_get(request, "after"));

	return (struct page){
		.list = json_array(), .after = after > 0 ? after : 0, .now = inlay_loop_now()};
}

static json_t *finish(struct page *p, const char *name)
{
	return json_pack("{s:o, s:b}", name, p->list, "more", p->more);
}

static void add_stats(json_t *o, const struct inlay_turn_stats *s)
{
	set(o, "to_peer_packets", s->to_peer_packets);
	set(o, "to_peer_bytes", s->to_peer_bytes);
	set(o, "to_client_packets", s->to_client_packets);
	set(o, "to_client_bytes", s->to_client_bytes);
}

static void add_channel(void *user, const struct inlay_turn_channel_info *info)
{
	struct page *p = user;
	json_t *o;

	if (!on_page(p))
		return;
	o = json_object();
	set_address(o, "client", &info->client);
	set_address(o, "server", &info->server);
	set_address(o, "relayed", &info->relayed);
	set_address(o, "peer", &info->peer);
	set(o, "number", info->number);
	json_object_set_new(o, "state", json_string(info->watched ? "watched" : "fast"));
	set_left(o, "channel_ms", info->channel_until, p->now);
	if (!info->watched) {
		set_left(o, "permission_ms", info->permission_until, p->now);
		set_left(o, "allocation_ms", info->allocation_until, p->now);
		set(o, "over_limit", info->over_limit);
		/* When a packet last went fast; never: it is left out. */
		if (info->stats.last)
			set(o, "idle_ms",
			    p->now > info->stats.last ? (p->now - info->stats.last) / INLAY_MS : 0);
	}
	add_stats(o, &info->stats);
	json_array_append_new(p->list, o);
}

static json_t *channels(void *user, const json_t *request, const char **ret_error)
{
	struct inlay_turn_daemon *d = user;
	struct page p = page_of(request);

	inlay_turn_channels(d->turn, add_channel, &p);
	return finish(&p, "channels");
}

static void add_allocation(void *user, const struct inlay_turn_learner_allocation *a)
{
	struct page *p = user;
	json_t *o;

	if (!on_page(p))
		return;
	o = json_object();
	set_address(o, "client", &a->client);
	set_address(o, "server", &a->server);
	set_address(o, "relayed", &a->relayed);
	set_address(o, "seen", &a->seen);
	set_left(o, "allocation_ms", a->until, p->now);
	set(o, "permissions", a->permissions);
	set(o, "channels", a->channels);
	set(o, "fast_channels", a->fast_channels);
	json_object_set_new(o, "why", a->why ? json_string(a->why) : json_null());
	json_array_append_new(p->list, o);
}

static json_t *allocations(void *user, const json_t *request, const char **ret_error)
{
	struct inlay_turn_daemon *d = user;
	struct page p = page_of(request);

	inlay_turn_learner_allocations(d->learner, add_allocation, &p);
	return finish(&p, "allocations");
}

/* --- Counters --------------------------------------------------------------------------------- */

static json_t *reasons(const struct inlay_turn_daemon *d)
{
	struct inlay_reason_counters counts;
	json_t *list = json_array();

	inlay_turn_reasons(d->turn, &counts);
	for (__u32 i = 0; list && i < INLAY_N_REASONS; i++)
		if (inlay_turn_daemon_is_reason(i))
			json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:I}", "reason",
							      inlay_reason_name(i), "text",
							      inlay_reason_text(i), "advice",
							      inlay_reason_advice(i), "packets",
							      (json_int_t)counts.count[i]));
	return list;
}

static json_t *learnt(const struct inlay_turn_daemon *d)
{
	struct inlay_turn_learner_counts c;
	json_t *o = json_object();

	inlay_turn_learner_counts(d->learner, &c);
	set(o, "requests", c.requests);
	set(o, "successes", c.successes);
	set(o, "errors", c.errors);
	set(o, "unmatched", c.unmatched);
	set(o, "poisoned", c.poisoned);
	set(o, "malformed", c.malformed);
	set(o, "bad_sum", c.bad_sum);
	set(o, "evicted", c.evicted);
	set(o, "refused", c.refused);
	set(o, "lost", c.lost);
	set(o, "proven", c.proven);
	set(o, "conflicts", c.conflicts);
	set(o, "allocations", c.allocations);
	set(o, "permissions", c.permissions);
	set(o, "channels", c.channels);
	set(o, "watched", c.watched);
	set(o, "transactions", c.transactions);
	return o;
}

static json_t *counters(void *user, const json_t *request, const char **ret_error)
{
	return json_pack("{s:o, s:o}", "reasons", reasons(user), "learnt", learnt(user));
}

/* --- Links and status ------------------------------------------------------------------------- */

static void add_link(void *user, const struct inlay_turn_link_info *info)
{
	json_array_append_new(user,
			      json_pack("{s:s, s:i, s:s, s:b, s:b, s:s?}", "name", info->name,
					"ifindex", (int)info->ifindex, "ingress", info->ingress,
					"xdp_tx", info->xdp_tx, "xdp_redirect_to",
					info->xdp_redirect_to, "why", info->why));
}

static json_t *links(void *user, const json_t *request, const char **ret_error)
{
	struct inlay_turn_daemon *d = user;
	json_t *list = json_array();

	inlay_turn_links(d->turn, add_link, list);
	return json_pack("{s:o}", "links", list);
}

static json_t *status(void *user, const json_t *request, const char **ret_error)
{
	struct inlay_turn_daemon *d = user;
	struct inlay_turn_totals t;
	json_t *o =
		json_pack("{s:s, s:i, s:I, s:s}", "version", INLAY_VERSION, "pid", (int)getpid(),
			  "uptime_ms", (json_int_t)((inlay_loop_now() - d->started) / INLAY_MS),
			  "mode", inlay_turn_daemon_mode_name(d->mode));
	json_t *ports = json_array();

	for (__u32 i = 0; i < d->options.n_ports; i++)
		json_array_append_new(ports, json_integer(d->options.ports[i]));
	json_object_set_new(o, "ports", ports);
	inlay_turn_totals(d->turn, &t);
	set(o, "to_peer_packets", t.to_peer_packets);
	set(o, "to_peer_bytes", t.to_peer_bytes);
	set(o, "to_client_packets", t.to_client_packets);
	set(o, "to_client_bytes", t.to_client_bytes);
	set(o, "over_limit", t.over_limit);
	set(o, "allocations", t.allocations);
	set(o, "permissions", t.permissions);
	set(o, "channels", t.channels);
	set(o, "watched", t.watched);
	return o;
}

/* --- Modes ------------------------------------------------------------------------------------ */

static json_t *change(struct inlay_turn_daemon *d, enum inlay_turn_mode mode)
{
	const char *before = inlay_turn_daemon_mode_name(d->mode);

	inlay_turn_daemon_set_mode(d, mode);
	inlay_log(INLAY_LOG_INFO, "mode %s, was %s", inlay_turn_daemon_mode_name(mode), before);
	return json_pack("{s:s, s:s}", "mode", inlay_turn_daemon_mode_name(mode), "before", before);
}

static json_t *off(void *user, const json_t *request, const char **ret_error)
{
	return change(user, INLAY_TURN_OFF);
}

static json_t *on(void *user, const json_t *request, const char **ret_error)
{
	return change(user, INLAY_TURN_RELAY);
}

static json_t *observe(void *user, const json_t *request, const char **ret_error)
{
	return change(user, INLAY_TURN_OBSERVE);
}

const struct inlay_control_command inlay_turn_daemon_commands[] = {
	{"status", status},
	{"channels", channels},
	{"allocations", allocations},
	{"counters", counters},
	{"links", links},
	{"off", off},
	{"on", on},
	{"observe", observe},
	{0},
};
