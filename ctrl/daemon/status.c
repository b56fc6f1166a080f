/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Answers on the control socket: a table of commands, and "status"; for others see connections.h.
 * Members are only ever added to an answer while INLAY_CONTROL_VERSION stays.
 */
#include <unistd.h>

#include "connections.h"
#include "counters.h"
#include "daemon_impl.h"
#include "provider_local.h"
#include "tracks.h"

/* What the forwarder declines is served by the control plane, and not dropped: `counters` has it.
 */
static bool is_drop(__u32 reason)
{
	return reason < INLAY_REASON_FORWARDING_OFF || reason == INLAY_REASON_COPY_DROPPED;
}

/* Of data thread and endpoint together. */
static json_t *drops(const struct inlay_daemon *d)
{
	const struct inlay_reason_counters *control = inlay_endpoint_reasons(d->endpoint);
	struct inlay_reason_counters data;
	json_t *list = json_array();

	inlay_datathread_reasons(d->datathread, &data);
	for (__u32 i = 0; list && i < INLAY_N_REASONS; i++) {
		__u64 n = data.count[i] + control->count[i];

		if (n && is_drop(i))
			json_array_append_new(list, json_pack("{s:s, s:s, s:I}", "reason",
							      inlay_reason_name(i), "text",
							      inlay_reason_text(i), "packets",
							      (json_int_t)n));
	}
	return list;
}

static json_t *listeners(const struct inlay_daemon *d)
{
	const struct inlay_addr *addr;
	json_t *list = json_array();
	char text[INLAY_ADDRESS_TEXT];

	for (size_t i = 0; list && (addr = inlay_daemon_listener(d, i)); i++) {
		inlay_address_format(addr, text);
		json_array_append_new(list, json_string(text));
	}
	return list;
}

static void set(json_t *object, const char *name, __u64 value)
{
	json_object_set_new(object, name, json_integer((json_int_t)value));
}

static json_t *crypto(const struct inlay_daemon *d)
{
	struct inlay_provider_caps caps;

	d->provider->ops->caps(d->provider, &caps);
	return json_pack("{s:s, s:s}", "provider", caps.name, "backend",
			 inlay_provider_local_backend(d->provider));
}

/* How well datagrams go in and out together: |frames| in |messages| of several. */
static void add_sockets(json_t *o, const struct inlay_port_stats *s)
{
	set(o, "receive_messages", s->rx_messages);
	set(o, "gro_messages", s->rx_merged);
	set(o, "gro_packets", s->rx_merged_frames);
	set(o, "send_calls", s->tx_calls);
	set(o, "send_messages", s->tx_messages);
	set(o, "gso_messages", s->tx_merged);
	set(o, "gso_packets", s->tx_merged_frames);
	set(o, "gso_refused", s->gso_refused);
}

static void add_packets(json_t *o, const struct inlay_daemon *d)
{
	struct inlay_datathread_stats s;

	inlay_datathread_stats(d->datathread, &s);
	set(o, "packets_received", s.rx_packets);
	set(o, "packets_sent", s.tx_packets);
	set(o, "bytes_received", s.rx_bytes);
	set(o, "bytes_sent", s.tx_bytes);
	set(o, "packets_opened", s.opened);
	set(o, "packets_sealed", s.sealed);
	set(o, "copies_forwarded", s.fanout.sent);
	set(o, "copies_dropped", s.fanout.dropped);
	set(o, "receive_bursts", s.rx_bursts);
	set(o, "send_bursts", s.tx_bursts);
	set(o, "socket_full", s.blocked);
	set(o, "ring_full", d->full_down);
	add_sockets(o, &s.ports);
}

static void add_connections(json_t *o, const struct inlay_daemon *d)
{
	struct inlay_endpoint_stats s;

	inlay_endpoint_stats(d->endpoint, &s);
	set(o, "connections", s.connections);
	set(o, "handshakes", s.handshakes);
	set(o, "connections_accepted", s.accepted);
	set(o, "connections_dialled", s.dialled);
	set(o, "connections_established", s.established);
	set(o, "handshakes_failed", s.failed);
	set(o, "retries_sent", s.retries_sent);
	set(o, "resets_sent", s.resets_sent);
	set(o, "resets_received", s.resets_received);
}

static json_t *stream_resets(const struct inlay_relay_stats *s)
{
	json_t *o = json_object();

	for (int rule = 0; rule < INLAY_RELAY_N_RULES; rule++)
		set(o, inlay_relay_rule_name(rule), s->resets[rule]);
	return o;
}

static void add_relay(json_t *o, const struct inlay_daemon *d)
{
	struct inlay_relay_stats s;

	inlay_relay_stats(d->relay, &s);
	set(o, "sessions", s.sessions_now);
	set(o, "tracks", s.tracks_now);
	set(o, "namespaces", s.namespaces_now);
	set(o, "subscribers", s.subscriptions_now);
	set(o, "upstreams", s.upstreams_now);
	set(o, "streams", s.streams_now);
	set(o, "cache_bytes", s.cache_bytes_now);
	set(o, "objects_received", s.objects_in);
	set(o, "objects_sent", s.objects_out);
	set(o, "object_bytes_received", s.bytes_in);
	set(o, "object_bytes_sent", s.bytes_out);
	set(o, "datagrams_received", s.datagrams_in);
	set(o, "datagrams_sent", s.datagrams_out);
	set(o, "datagrams_dropped", s.datagrams_dropped);
	set(o, "duplicates", s.duplicates);
	set(o, "streams_refused", s.streams_refused);
	set(o, "requests_refused", s.refused);
	set(o, "malformed_tracks", s.malformed_tracks);
	json_object_set_new(o, "stream_resets", stream_resets(&s));
}

static json_t *status(void *user, const json_t *request, const char **ret_error)
{
	const struct inlay_daemon *d = user;
	json_t *o =
		json_pack("{s:s, s:i, s:I}", "version", INLAY_VERSION, "pid", (int)getpid(),
			  "uptime_ms", (json_int_t)((inlay_loop_now() - d->started) / INLAY_MS));

	if (!o)
		return NULL;
	json_object_set_new(o, "listeners", listeners(d));
	json_object_set_new(o, "crypto", crypto(d));
	json_object_set_new(o, "placement", json_string(d->state ? "user" : "conventional"));
	add_connections(o, d);
	add_relay(o, d);
	add_packets(o, d);
	json_object_set_new(o, "drops", drops(d));
	return o;
}

const struct inlay_control_command inlay_daemon_commands[] = {
	{"status", status},
	{"connections", inlay_connections_answer},
	{"qlog", inlay_connections_qlog},
	{"tracks", inlay_tracks_answer},
	{"counters", inlay_counters_answer},
	{"why", inlay_tracks_why},
	{0},
};
