/* SPDX-License-Identifier: BSD-2-Clause */
#include "qlog.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "qlog_file.h"
#include "qlog_frames.h"
#include "trace.h"

#define FILE_SCHEMA "urn:ietf:params:qlog:file:sequential"
/* Until the drafts are RFCs their number is part of the name. */
#define QUIC_SCHEMA  "urn:ietf:params:qlog:events:quic-13"
#define LEVEL_SCHEMA "urn:ietf:params:qlog:events:loglevel"
#define LAST_WORDS   256 /* bytes kept for the record that says that the file was cut */
#define NAMES	     100 /* tried */
#define FLUSH_EVERY  INLAY_S

struct qlog {
	struct inlay_qlog_config config;
	char name[INLAY_QLOG_NAME];
	bool over; /* the file is closed; the next sample ends the log */
	inlay_ns start, flushed;
	/* As last told. */
	bool sampled;
	struct inlay_trace_state state;
	struct inlay_path path;
	__u32 tuple; /* of |path| */
	struct inlay_qlog_file file;
};

/* --- Records -----------------------------------------------------------------------------------
 */

static double ms(inlay_ns t)
{
	return (double)t / (double)INLAY_MS;
}

static void set(json_t *o, const char *name, __u64 value)
{
	json_object_set_new(o, name, inlay_qlog_number(value));
}

static void set_text(json_t *o, const char *name, const char *text)
{
	json_object_set_new(o, name, json_string(text));
}

static void set_ms(json_t *o, const char *name, inlay_ns t)
{
	json_object_set_new(o, name, json_real(ms(t)));
}

static void end(struct qlog *q)
{
	q->over = true;
	inlay_qlog_file_close(&q->file);
}

static void fail(struct qlog *q, int err)
{
	end(q);
	if (q->config.on_error)
		q->config.on_error(q->config.user, q->name, err);
}

static json_t *record(const struct qlog *q, const char *name, json_t *data, inlay_ns now)
{
	return json_pack("{s:f, s:s, s:o}", "time", ms(now > q->start ? now - q->start : 0), "name",
			 name, "data", data);
}

static void say_cut(struct qlog *q, inlay_ns now)
{
	json_t *data = json_pack("{s:s}", "message", "cut here: the file has its full size");

	if (inlay_qlog_file_put(&q->file, record(q, "loglevel:warning", data, now), 0) ==
	    INLAY_QLOG_FAILED)
		fail(q, errno);
	else
		end(q);
}

/* Takes the reference to |data|. */
static void put(struct qlog *q, const char *name, json_t *data, inlay_ns now)
{
	json_t *o;

	if (q->over) {
		json_decref(data);
		return;
	}
	o = data ? record(q, name, data, now) : NULL;
	if (o && q->tuple)
		json_object_set_new(o, "tuple", json_sprintf("%u", q->tuple));
	switch (inlay_qlog_file_put(&q->file, o, LAST_WORDS)) {
	case INLAY_QLOG_OK:
		break;
	case INLAY_QLOG_FULL:
		say_cut(q, now);
		return;
	case INLAY_QLOG_FAILED:
		fail(q, errno);
		return;
	}
	if (now < q->flushed + FLUSH_EVERY)
		return;
	q->flushed = now;
	if (inlay_qlog_file_flush(&q->file) != INLAY_QLOG_OK)
		fail(q, errno);
}

static json_t *header(const struct qlog *q, struct inlay_conn *c)
{
	struct inlay_cid cid = {0};
	struct timespec t;
	struct tm utc;
	char wall[40];
	json_t *group;

	inlay_conn_own_cids(c, &cid, 1);
	group = inlay_qlog_hex(cid.data, cid.len);
	clock_gettime(CLOCK_REALTIME, &t);
	gmtime_r(&t.tv_sec, &utc);
	strftime(wall, sizeof(wall), "%Y-%m-%dT%H:%M:%SZ", &utc);
	return json_pack("{s:s, s:s, s:s, s:{s:{s:o, s:s, s:{s:s, s:s, s:s}}, s:{s:s, s:s}, "
			 "s:[s, s]}}",
			 "file_schema", FILE_SCHEMA, "serialization_format",
			 "application/qlog+json-seq", "title", q->name, "trace", "common_fields",
			 "group_id", group, "time_format", "relative_to_epoch", "reference_time",
			 "clock_type", "monotonic", "epoch", "unknown", "wall_clock_time", wall,
			 "vantage_point", "name", q->config.name, "type",
			 q->config.role == INLAY_SERVER ? "server" : "client", "event_schemas",
			 QUIC_SCHEMA, LEVEL_SCHEMA);
}

/* --- Packets and streams ------------------------------------------------------------------------
 */

static json_t *packet_header(const struct inlay_trace_packet *p)
{
	json_t *o = json_object();

	set_text(o, "packet_type", "1RTT");
	if (!p->clear)
		return o;
	set(o, "packet_number", p->clear->pn);
	set(o, "packet_number_length", p->clear->pn_len);
	if (p->kind == INLAY_TRACE_SENT)
		set(o, "key_phase", p->phase);
	else
		json_object_set_new(o, "key_phase_bit",
				    json_boolean(p->clear->first & INLAY_QUIC_SHORT_PHASE));
	return o;
}

static void on_packet(void *ctx, const struct inlay_trace_packet *p, inlay_ns now)
{
	static const char *const names[] = {
		[INLAY_TRACE_SENT] = "quic:packet_sent",
		[INLAY_TRACE_RECEIVED] = "quic:packet_received",
		[INLAY_TRACE_DROPPED] = "quic:packet_dropped",
	};
	struct qlog *q = ctx;
	json_t *o, *raw;

	if (q->over)
		return;
	o = json_object();
	raw = json_object();
	json_object_set_new(o, "header", packet_header(p));
	if (p->kind != INLAY_TRACE_DROPPED)
		json_object_set_new(o, "frames",
				    inlay_qlog_frames(p->clear->frames, p->ack_delay_exponent));
	set(raw, "length", p->len);
	json_object_set_new(o, "raw", raw);
	if (p->mtu_probe)
		json_object_set_new(o, "is_mtu_probe_packet", json_true());
	if (p->forwarded) {
		/* Ours, not the draft's: it left before this event was written. */
		json_object_set_new(o, "forwarded", json_true());
		set(o, "sent_us_ago", p->ago / INLAY_US);
	}
	if (p->trigger)
		set_text(o, "trigger", p->trigger);
	put(q, names[p->kind], o, now);
}

static void on_lost(void *ctx, __u64 pn, const char *trigger, inlay_ns now)
{
	json_t *o =
		json_pack("{s:{s:s}, s:s}", "header", "packet_type", "1RTT", "trigger", trigger);

	set(json_object_get(o, "header"), "packet_number", pn);
	put(ctx, "quic:packet_lost", o, now);
}

static void on_stream(void *ctx, __u64 id, bool opened, inlay_ns now)
{
	struct qlog *q = ctx;
	bool server = q->config.role == INLAY_SERVER, ours = (id & 1) == server;
	json_t *o = json_object();

	set(o, "stream_id", id);
	set_text(o, "stream_type", id & 2 ? "unidirectional" : "bidirectional");
	set_text(o, "new", opened ? "open" : "closed");
	set_text(o, "stream_side", ours ? "sending" : "receiving");
	if (opened)
		set_text(o, "trigger", ours ? "local" : "remote");
	put(q, "quic:stream_state_updated", o, now);
}

/* --- What changed --------------------------------------------------------------------------------
 */

static json_t *parameters(const struct inlay_transport_params *p, const char *initiator)
{
	json_t *o = json_object();

	/* The stateless reset token stays out. */
	set_text(o, "initiator", initiator);
	json_object_set_new(o, "disable_active_migration",
			    json_boolean(p->disable_active_migration));
	set(o, "max_idle_timeout", p->max_idle_timeout / INLAY_MS);
	set(o, "max_udp_payload_size", p->max_udp_payload_size);
	set(o, "ack_delay_exponent", p->ack_delay_exponent);
	set(o, "max_ack_delay", p->max_ack_delay / INLAY_MS);
	set(o, "active_connection_id_limit", p->active_connection_id_limit);
	set(o, "initial_max_data", p->initial_max_data);
	set(o, "initial_max_stream_data_bidi_local", p->initial_max_stream_data_bidi_local);
	set(o, "initial_max_stream_data_bidi_remote", p->initial_max_stream_data_bidi_remote);
	set(o, "initial_max_stream_data_uni", p->initial_max_stream_data_uni);
	set(o, "initial_max_streams_bidi", p->initial_max_streams_bidi);
	set(o, "initial_max_streams_uni", p->initial_max_streams_uni);
	set(o, "max_datagram_frame_size", p->max_datagram_frame_size);
	return o;
}

static void compare_metrics(struct qlog *q, const struct inlay_trace_state *s, inlay_ns now)
{
	const struct inlay_trace_state *b = &q->state;
	json_t *o = json_object();

#define SET_MS(field, name)                                                                        \
	do {                                                                                       \
		if (!q->sampled || b->field != s->field)                                           \
			set_ms(o, name, s->field);                                                 \
	} while (0)
#define SET(field, name, value)                                                                    \
	do {                                                                                       \
		if (!q->sampled || b->field != s->field)                                           \
			set(o, name, value);                                                       \
	} while (0)
	SET_MS(min_rtt, "min_rtt");
	SET_MS(smoothed_rtt, "smoothed_rtt");
	SET_MS(latest_rtt, "latest_rtt");
	SET_MS(rttvar, "rtt_variance");
	SET(pto_count, "pto_count", s->pto_count);
	SET(cwnd, "congestion_window", s->cwnd);
	SET(bytes_in_flight, "bytes_in_flight", s->bytes_in_flight);
	if (s->ssthresh < INT64_MAX)
		SET(ssthresh, "ssthresh", s->ssthresh);
	if (s->pacing_rate)
		SET(pacing_rate, "pacing_rate", s->pacing_rate * 8);
#undef SET
#undef SET_MS
	if (json_object_size(o))
		put(q, "quic:recovery_metrics_updated", o, now);
	else
		json_decref(o);
}

static void compare_text(struct qlog *q, const char *event, const char *before, const char *after,
			 inlay_ns now)
{
	json_t *o;

	if (!after || (before && !strcmp(before, after)))
		return;
	o = json_pack("{s:s}", "new", after);
	if (before)
		set_text(o, "old", before);
	put(q, event, o, now);
}

/* Re-arming is what it does all the time: told are its beginnings and ends. */
static void compare_timer(struct qlog *q, const struct inlay_trace_state *s, inlay_ns now)
{
	const struct inlay_trace_state *b = &q->state;
	bool was = q->sampled && b->loss_timer != INLAY_NEVER, is = s->loss_timer != INLAY_NEVER;
	bool expired = was && b->loss_timer <= now && b->loss_timer != s->loss_timer;
	json_t *o;

	if (was == is && !expired && (!is || b->by_threshold == s->by_threshold))
		return;
	o = json_pack("{s:s, s:s}", "timer_type", "loss_timeout", "packet_number_space",
		      "application_data");
	set_text(o, "event_type", expired ? "expired" : is ? "set" : "cancelled");
	if (is && !expired)
		set_ms(o, "delta", s->loss_timer > now ? s->loss_timer - now : 0);
	put(q, "quic:timer_updated", o, now);
}

static void compare_keys(struct qlog *q, const struct inlay_trace_state *s, inlay_ns now)
{
	const struct inlay_trace_state *b = &q->state;
	bool server = q->config.role == INLAY_SERVER;
	const char *trigger;

	if (!q->sampled)
		return;
	/* Who moves first has updated. */
	trigger = s->tx_phase > s->rx_phase || b->tx_phase > b->rx_phase ? "local_update"
									 : "remote_update";
	for (int tx = 0; tx < 2; tx++) {
		__u64 before = tx ? b->tx_phase : b->rx_phase;
		__u64 phase = tx ? s->tx_phase : s->rx_phase;
		json_t *o;

		if (before == phase)
			continue;
		o = json_pack("{s:s, s:s}", "key_type",
			      server == tx ? "server_1rtt_secret" : "client_1rtt_secret", "trigger",
			      trigger);
		set(o, "key_phase", phase);
		put(q, "quic:key_updated", o, now);
	}
}

static json_t *endpoint_info(const struct inlay_addr *addr, const struct inlay_cid *cid)
{
	bool v6 = addr->family == AF_INET6;
	char ip[INET6_ADDRSTRLEN] = "";
	json_t *o = json_object();

	inet_ntop(addr->family, addr->ip, ip, sizeof(ip));
	set_text(o, v6 ? "ip_v6" : "ip_v4", ip);
	set(o, v6 ? "port_v6" : "port_v4", ntohs(addr->port));
	if (cid && cid->len)
		json_object_set_new(o, "connection_ids",
				    json_pack("[o]", inlay_qlog_hex(cid->data, cid->len)));
	return o;
}

static void tell_migration(struct qlog *q, const char *state, inlay_ns now)
{
	char tuple[16] = "";

	if (q->tuple)
		snprintf(tuple, sizeof(tuple), "%u", q->tuple);
	put(q, "quic:migration_state_updated",
	    json_pack("{s:s, s:s}", "new", state, "tuple_id", tuple), now);
}

static void compare_path(struct qlog *q, const struct inlay_trace_state *s, inlay_ns now)
{
	bool moved = !q->sampled || memcmp(&q->path, s->path, sizeof(q->path));
	bool was_validated = q->state.path_validated;
	char tuple[16] = "";
	json_t *o;

	if (!moved) {
		if (s->path_validated && !was_validated)
			tell_migration(q, "migration_complete", now);
		return;
	}
	/* Back to the path before, without a word from the new one. */
	if (q->sampled && !was_validated && s->path_validated)
		tell_migration(q, "migration_abandoned", now);
	if (q->sampled)
		snprintf(tuple, sizeof(tuple), "%u", ++q->tuple);
	q->path = *s->path;
	o = json_pack("{s:s, s:o, s:o}", "tuple_id", tuple, "tuple_remote",
		      endpoint_info(&s->path->remote, &s->peer_cid), "tuple_local",
		      endpoint_info(&s->path->local, NULL));
	put(q, "quic:tuple_assigned", o, now);
	if (q->sampled && !s->path_validated)
		tell_migration(q, "migration_started", now);
	else if (q->sampled && was_validated)
		tell_migration(q, "migration_complete", now);
}

static void compare_cid(struct qlog *q, const struct inlay_trace_state *s, inlay_ns now)
{
	const struct inlay_trace_state *b = &q->state;

	if (!q->sampled || b->peer_cid_sequence == s->peer_cid_sequence)
		return;
	put(q, "quic:connection_id_updated",
	    json_pack("{s:s, s:o, s:o}", "initiator", "remote", "old",
		      inlay_qlog_hex(b->peer_cid.data, b->peer_cid.len), "new",
		      inlay_qlog_hex(s->peer_cid.data, s->peer_cid.len)),
	    now);
}

static void compare_mtu(struct qlog *q, const struct inlay_trace_state *s, inlay_ns now)
{
	json_t *o;

	if (q->sampled && q->state.path_mtu == s->path_mtu)
		return;
	o = json_object();
	if (q->sampled)
		set(o, "old", q->state.path_mtu);
	set(o, "new", s->path_mtu);
	put(q, "quic:mtu_updated", o, now);
}

static const char *trigger_of(const struct inlay_close_reason *why)
{
	if (why->idle)
		return "idle_timeout";
	if (why->reset)
		return "stateless_reset";
	if (why->application)
		return "application";
	return why->code ? "error" : "unspecified";
}

static void tell_closed(struct qlog *q, const struct inlay_close_reason *why, inlay_ns now)
{
	json_t *o = json_pack("{s:s, s:s}", "initiator", why->by_peer ? "remote" : "local",
			      "trigger", trigger_of(why));
	char buffer[24];

	if (!why->idle && !why->reset) {
		set_text(o, why->application ? "application_error" : "connection_error",
			 why->application ? "unknown"
					  : inlay_qlog_transport_error(why->code, buffer));
		set(o, "error_code", why->code);
		json_object_set_new(o, "reason", inlay_qlog_text(why->text, strlen(why->text)));
	}
	put(q, "quic:connection_closed", o, now);
}

static const char *state_name(const struct inlay_trace_state *s)
{
	switch (s->close_state) {
	case INLAY_OPEN:
		return s->handshake_confirmed ? "handshake_confirmed" : "handshake_complete";
	case INLAY_CLOSING:
		return "closing";
	case INLAY_DRAINING:
		return "draining";
	case INLAY_DEAD:
		break;
	}
	return "closed";
}

static bool on_sample(void *ctx, const struct inlay_trace_state *s, inlay_ns now)
{
	struct qlog *q = ctx;
	const struct inlay_trace_state *b = &q->state;

	if (q->over)
		return false;
	if (!q->sampled) {
		put(q, "quic:parameters_set", parameters(s->own, "local"), now);
		put(q, "quic:parameters_set", parameters(s->peer, "remote"), now);
	}
	compare_path(q, s, now);
	compare_cid(q, s, now);
	compare_mtu(q, s, now);
	compare_keys(q, s, now);
	compare_metrics(q, s, now);
	compare_text(q, "quic:congestion_state_updated", q->sampled ? b->congestion : NULL,
		     s->congestion, now);
	compare_text(q, "quic:ecn_state_updated", q->sampled ? b->ecn : NULL, s->ecn, now);
	compare_timer(q, s, now);
	if (s->close_state != INLAY_OPEN && (!q->sampled || b->close_state == INLAY_OPEN))
		tell_closed(q, s->why, now);
	compare_text(q, "quic:connection_state_updated", q->sampled ? state_name(b) : NULL,
		     state_name(s), now);
	q->state = *s;
	q->sampled = true;
	return !q->over;
}

/* --- Life ----------------------------------------------------------------------------------------
 */

static void on_release(void *ctx)
{
	struct qlog *q = ctx;

	inlay_qlog_file_close(&q->file);
	if (q->config.on_end)
		q->config.on_end(q->config.user);
	free(q);
}

static const struct inlay_trace trace = {
	.packet = on_packet,
	.lost = on_lost,
	.stream = on_stream,
	.sample = on_sample,
	.release = on_release,
};

static int open_file(struct qlog *q)
{
	const struct inlay_qlog_config *c = &q->config;
	int err = -EEXIST;

	/* Logs of this connection, or of another process that had our number, may stand there. */
	for (int i = 1; i <= NAMES && err == -EEXIST; i++) {
		snprintf(q->name, sizeof(q->name), "%s-%d-connection-%llu-%d.sqlog", c->name,
			 (int)getpid(), (unsigned long long)c->number, i);
		err = inlay_qlog_file_open(&q->file, c->dirfd, q->name, c->max_bytes);
	}
	return err;
}

int inlay_qlog_start(const struct inlay_qlog_config *config, struct inlay_conn *c, inlay_ns now,
		     char ret_file[INLAY_QLOG_NAME])
{
	struct qlog *q;
	int err;

	if (inlay_conn_has_trace(c))
		return -EALREADY;
	q = calloc(1, sizeof(*q));
	if (!q)
		return -ENOMEM;
	q->config = *config;
	q->start = q->flushed = now;
	err = open_file(q);
	if (!err && inlay_qlog_file_put(&q->file, header(q, c), LAST_WORDS) != INLAY_QLOG_OK) {
		inlay_qlog_file_close(&q->file);
		err = -EIO;
	}
	if (err) {
		free(q);
		return err;
	}
	snprintf(ret_file, INLAY_QLOG_NAME, "%s", q->name);
	inlay_conn_set_trace(c, &trace, q, now);
	return 0;
}
