/* SPDX-License-Identifier: BSD-2-Clause */
/* The endpoint: frames to connections, connections to frames, and their timers. */
#include "endpoint.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <gnutls/crypto.h>

#include "endpoint_impl.h"
#include "state.h"

/* Packets that a connection sends in its turn: enough for its port to send them as one message. */
#define TURN 16

#define SHORT_MIN 21 /* bytes of the smallest packet with a short header: RFC 9000 section 10.3 */

void inlay_endpoint_config_init(struct inlay_endpoint_config *config)
{
	*config = (struct inlay_endpoint_config){
		.params =
			{
				.initial_max_data = 16 << 20,
				.initial_max_stream_data_bidi_local = 256 << 10,
				.initial_max_stream_data_bidi_remote = 256 << 10,
				.initial_max_stream_data_uni = 4 << 20,
				.initial_max_streams_bidi = 100,
				.initial_max_streams_uni = 1000,
				.max_idle_timeout = 30 * INLAY_S,
				.max_udp_payload_size = 1400, /* room for a copy's growth */
				.active_connection_id_limit = 4,
				.ack_delay_exponent = 3,
				.max_ack_delay = 25 * INLAY_MS,
				.max_datagram_frame_size = 65535,
				.has_min_ack_delay = true,
				.min_ack_delay = INLAY_MS, /* as fine as the loop's timers */
				.reset_stream_at = true,
			},
		.handshake_timeout = INLAY_HANDSHAKE_TIMEOUT,
		.max_handshakes = 256,
		.max_connections = 4096,
		.retry_above = 64,
		.token_lifetime = 10 * INLAY_S,
		.max_early = 16,
		.replies_per_second = 100,
		.log_size = 2048,
		.cc = INLAY_CC_NEWRENO,
		.max_recv_buffer = 64 << 20,
		.max_window_growth = 4,
		.max_recv_memory = 256 << 20,
		.max_datagram_queue = 256 << 10,
		.max_streams_open = 4096,
		.max_path_mtu = 1472, /* Ethernet, IPv4 */
	};
}

void inlay_endpoint_random(struct inlay_endpoint *ep, __u8 *dst, size_t len)
{
	if (ep->config.random)
		ep->config.random(ep->config.user, dst, len);
	else if (gnutls_rnd(GNUTLS_RND_RANDOM, dst, len) < 0)
		abort(); /* nothing that follows would be safe */
}

void inlay_endpoint_count(struct inlay_endpoint *ep, enum inlay_reason reason)
{
	__u64 *count = &ep->reasons.count[reason];

	/* One writer; others read at any time. */
	__atomic_store_n(count, *count + 1, __ATOMIC_RELAXED);
}

int inlay_endpoint_new(const struct inlay_endpoint_config *config, inlay_ns now,
		       struct inlay_endpoint **ret_ep)
{
	__u8 demux_key[16];
	struct inlay_endpoint *ep;

	if (!config->provider || !config->keystore || !config->ops || !config->ops->on_connection ||
	    config->log_size < 64 || (config->log_size & (config->log_size - 1)) ||
	    (config->state && inlay_state_tables(config->state)->log_stride < config->log_size) ||
	    config->params.active_connection_id_limit < 2 ||
	    config->params.max_udp_payload_size < 1200 ||
	    (config->tls && inlay_tls_role(config->tls) != INLAY_SERVER))
		return -EINVAL;
	ep = calloc(1, sizeof(*ep));
	if (!ep)
		return -ENOMEM;
	ep->config = *config;
	ep->recv_memory.max = config->max_recv_memory;
	inlay_list_init(&ep->all);
	inlay_list_init(&ep->dirty);
	if (!config->has_reset_key)
		inlay_endpoint_random(ep, ep->config.reset_key, sizeof(ep->config.reset_key));
	inlay_endpoint_random(ep, ep->token_key, sizeof(ep->token_key));
	inlay_endpoint_random(ep, demux_key, sizeof(demux_key));
	inlay_demux_init(&ep->demux, demux_key);
	inlay_bucket_init(&ep->bucket, config->replies_per_second, now);
	inlay_bucket_init(&ep->starts, config->retry_above, now);
	*ret_ep = ep;
	return 0;
}

static struct inlay_ep_conn *conn_in_all(struct inlay_list *node)
{
	return inlay_list_entry(node, struct inlay_ep_conn, in_all);
}

void inlay_endpoint_free(struct inlay_endpoint *ep)
{
	if (!ep)
		return;
	while (!inlay_list_is_empty(&ep->all))
		inlay_ep_conn_free(conn_in_all(ep->all.next));
	inlay_demux_fini(&ep->demux);
	inlay_timers_fini(&ep->timers);
	explicit_bzero(ep, sizeof(*ep));
	free(ep);
}

/* --- Packets in ----------------------------------------------------------------------------- */

/* Something happened to |c|. */
static void touch(struct inlay_ep_conn *c, inlay_ns now)
{
	inlay_ep_conn_mark(c);
	inlay_ep_conn_set_timer(c, now);
}

/* Opened by the provider: the descriptor is to be trusted, the rest is to be checked. */
static void recv_clear(struct inlay_endpoint *ep, const struct inlay_frame *frame, inlay_ns now)
{
	struct inlay_quic_clear packet;
	struct inlay_ep_conn *c;

	if (!inlay_quic_clear_parse(frame->data, frame->len, INLAY_OWN_CID, &packet)) {
		inlay_endpoint_count(ep, INLAY_REASON_BAD_FRAME);
		return;
	}
	c = inlay_demux_find_own(&ep->demux, packet.dcid);
	if (!c || !c->conn || c->rx_sa.number != packet.sa ||
	    c->rx_sa.generation != packet.generation) {
		inlay_endpoint_count(ep, INLAY_REASON_STALE_SA);
		return;
	}
	if (!inlay_conn_is_known_path(c->conn, &frame->path)) {
		inlay_endpoint_count(ep, INLAY_REASON_UNKNOWN_PATH);
		return;
	}
	inlay_ep_conn_note_port(c, &frame->path.local, frame->port);
	inlay_conn_recv(c->conn, &frame->path, frame->data, frame->len, now);
	touch(c, now);
}

/* A datagram that opens as no packet, and ends in a token which a peer of ours gave us: whatever it
 * begins with (RFC 9000 section 10.3). */
static bool recv_reset(struct inlay_endpoint *ep, const struct inlay_frame *frame, inlay_ns now)
{
	struct inlay_ep_conn *c;
	const __u8 *token;

	if (frame->len < SHORT_MIN)
		return false;
	token = frame->data + frame->len - INLAY_RESET_TOKEN;
	c = inlay_demux_find_token(&ep->demux, token);
	if (!c || !c->conn || !inlay_ep_conn_has_token(c, token) ||
	    memcmp(&c->path.remote, &frame->path.remote, sizeof(c->path.remote)))
		return false;
	inlay_conn_on_stateless_reset(c->conn, now);
	ep->stats.resets_received++;
	touch(c, now);
	return true;
}

static void send_reset(struct inlay_endpoint *ep, const struct inlay_frame *frame, const __u8 *dcid,
		       inlay_ns now)
{
	size_t len = inlay_reset_len(frame->len);
	struct inlay_cid cid = {.len = INLAY_OWN_CID};
	__u8 token[INLAY_RESET_TOKEN];
	struct inlay_reply *reply;

	inlay_endpoint_count(ep, INLAY_REASON_UNKNOWN_CID);
	if (!len)
		return;
	if (!inlay_bucket_take(&ep->bucket, now)) {
		inlay_endpoint_count(ep, INLAY_REASON_RESET_RATE);
		return;
	}
	reply = inlay_replies_reserve(&ep->replies, frame);
	if (!reply) {
		inlay_endpoint_count(ep, INLAY_REASON_REPLIES_FULL);
		return;
	}
	memcpy(cid.data, dcid, INLAY_OWN_CID);
	inlay_reset_token(ep->config.reset_key, &cid, token);
	inlay_endpoint_random(ep, reply->data, len);
	inlay_reset_write(reply->data, len, token);
	reply->kind = INLAY_FRAME_UNKNOWN;
	reply->len = (__u16)len;
	inlay_replies_commit(&ep->replies);
	ep->stats.resets_sent++;
}

/* |packet|: the datagram, or the end of one that began with |of|'s long headers. */
static void recv_short(struct inlay_endpoint *ep, const struct inlay_frame *frame,
		       const __u8 *packet, size_t len, const struct inlay_ep_conn *of, inlay_ns now)
{
	struct inlay_cursor cursor = inlay_cursor_of(packet, len);
	struct inlay_quic_short h;
	struct inlay_ep_conn *c;

	if (len < SHORT_MIN) {
		inlay_endpoint_count(ep, INLAY_REASON_RUNT);
		return;
	}
	if (!inlay_quic_short_parse(&cursor, INLAY_OWN_CID, &h)) {
		inlay_endpoint_count(ep, INLAY_REASON_NOT_SHORT);
		return;
	}
	c = inlay_demux_find_own(&ep->demux, h.dcid);
	/* RFC 9000 section 12.2: packets of one datagram are one connection's. */
	if (of && c != of) {
		inlay_endpoint_count(ep, INLAY_REASON_UNKNOWN_CID);
		return;
	}
	if (c) {
		inlay_ep_conn_recv_sealed(c, frame, packet, len, now);
		touch(c, now);
	} else if (!recv_reset(ep, frame, now)) {
		send_reset(ep, frame, h.dcid, now);
	}
}

static struct inlay_ep_conn *find_long(const struct inlay_endpoint *ep,
				       const struct inlay_quic_long *h)
{
	struct inlay_ep_conn *c = NULL;

	if (h->dcid_len > INLAY_CID_MAX)
		return NULL;
	if (h->dcid_len == INLAY_OWN_CID)
		c = inlay_demux_find_own(&ep->demux, h->dcid);
	if (c)
		return c;
	c = inlay_demux_find_initial(&ep->demux, h->dcid, h->dcid_len);
	if (c && c->initial.len == h->dcid_len && !memcmp(c->initial.data, h->dcid, h->dcid_len))
		return c;
	return NULL;
}

static void recv_long(struct inlay_endpoint *ep, const struct inlay_frame *frame, inlay_ns now)
{
	struct inlay_cursor rest = inlay_cursor_of(frame->data, frame->len);
	struct inlay_quic_long h;
	struct inlay_ep_conn *c;
	size_t tail;

	if (!inlay_quic_long_parse(&rest, &h)) {
		if (!recv_reset(ep, frame, now))
			inlay_endpoint_count(ep, INLAY_REASON_BAD_LONG_HEADER);
		return;
	}
	c = find_long(ep, &h);
	if (!c) {
		if (!recv_reset(ep, frame, now))
			inlay_endpoint_accept(ep, frame, &h, rest, now);
		return;
	}
	if (memcmp(&c->path.remote, &frame->path.remote, sizeof(c->path.remote))) {
		inlay_endpoint_count(ep, INLAY_REASON_MIGRATION);
		return;
	}
	/* Once a server's handshake is done, repeated Initial and Handshake packets say nothing
	 * new. */
	tail = inlay_handshake_short_tail(frame->data, frame->len);
	if (c->hs && !ep->config.no_ecn)
		inlay_handshake_set_mark(c->hs, frame->ecn);
	if (c->hs && !c->failed)
		inlay_handshake_recv(c->hs, &frame->path, frame->data, frame->len, &tail, now);
	else if (c->failed)
		inlay_endpoint_count(ep, INLAY_REASON_CLOSED_CONN);
	else if (!recv_reset(ep, frame, now))
		inlay_endpoint_count(ep, INLAY_REASON_LATE_HANDSHAKE);
	inlay_ep_conn_on_handshake(c, now);
	touch(c, now);
	if (tail < frame->len)
		recv_short(ep, frame, frame->data + tail, frame->len - tail, c, now);
}

void inlay_endpoint_recv(struct inlay_endpoint *ep, const struct inlay_frame *frame, inlay_ns now)
{
	if (!frame->len || frame->len > sizeof(frame->data)) {
		inlay_endpoint_count(ep, INLAY_REASON_BAD_FRAME);
		return;
	}
	switch (frame->kind) {
	case INLAY_FRAME_CLEAR:
		recv_clear(ep, frame, now);
		break;
	case INLAY_FRAME_SEALED:
	case INLAY_FRAME_UNKNOWN:
		if (inlay_quic_is_long(frame->data[0]))
			recv_long(ep, frame, now);
		else
			recv_short(ep, frame, frame->data, frame->len, NULL, now);
		break;
	case INLAY_FRAME_FORGED:
		recv_reset(ep, frame,
			   now); /* if it is none: dropped, and counted where it failed */
		break;
	default:
		inlay_endpoint_count(ep, INLAY_REASON_BAD_FRAME);
	}
}

/* --- Packets out, and time ------------------------------------------------------------------ */

static bool is_over(const struct inlay_ep_conn *c)
{
	return c->failed || (c->conn && inlay_conn_is_dead(c->conn));
}

/* |c|'s turn: up to |n| frames; then it is visited again, or waits for its timer, or is freed. */
static size_t send_turn(struct inlay_ep_conn *c, struct inlay_frame *frames, size_t n, inlay_ns now)
{
	size_t done = 0;

	inlay_list_remove(&c->in_dirty);
	while (done < n && inlay_ep_conn_send(c, &frames[done], now))
		done++;
	if (done == n)
		inlay_ep_conn_mark(c);
	else if (is_over(c))
		inlay_ep_conn_free(c);
	else
		inlay_ep_conn_set_timer(c, now);
	return done;
}

size_t inlay_endpoint_send(struct inlay_endpoint *ep, struct inlay_frame *frames, size_t n,
			   inlay_ns now)
{
	struct inlay_ep_conn *c;
	size_t done = 0;

	while (done < n && inlay_replies_pop(&ep->replies, &frames[done]))
		done++;
	while (done < n && !inlay_list_is_empty(&ep->dirty)) {
		c = inlay_list_entry(ep->dirty.next, struct inlay_ep_conn, in_dirty);
		/* In turn, a few frames each: none waits for another's backlog. */
		done += send_turn(c, &frames[done], n - done < TURN ? n - done : TURN, now);
	}
	return done;
}

inlay_ns inlay_endpoint_deadline(const struct inlay_endpoint *ep)
{
	return inlay_timers_next(&ep->timers);
}

void inlay_endpoint_on_timer(struct inlay_endpoint *ep, inlay_ns now)
{
	struct inlay_timer *timer;
	struct inlay_ep_conn *c;

	while ((timer = inlay_timers_pop(&ep->timers, now))) {
		c = inlay_list_entry(timer, struct inlay_ep_conn, timer);
		inlay_ep_conn_on_timer(c, now);
		touch(c, now);
	}
}

static struct inlay_ep_conn *find_sa(struct inlay_endpoint *ep, struct inlay_sa_ref sa)
{
	struct inlay_list *node;

	inlay_list_for_each (node, &ep->all) {
		struct inlay_ep_conn *c = conn_in_all(node);

		if ((c->tx_sa.number == sa.number && c->tx_sa.generation == sa.generation) ||
		    (c->rx_sa.number == sa.number && c->rx_sa.generation == sa.generation))
			return c;
	}
	return NULL;
}

static void on_event(struct inlay_endpoint *ep, const struct inlay_provider_event *event,
		     inlay_ns now)
{
	struct inlay_ep_conn *c = find_sa(ep, event->sa);

	if (!c || !c->conn)
		return;
	/* RFC 9001 section 6.6. */
	if (event->kind == INLAY_EVENT_SOFT_LIMIT)
		c->update_due = true;
	else if (event->kind == INLAY_EVENT_HARD_LIMIT)
		inlay_conn_close(c->conn, false, INLAY_QUIC_AEAD_LIMIT_REACHED, "", now);
	else
		inlay_conn_close(c->conn, false, INLAY_QUIC_INTERNAL_ERROR, "", now);
	touch(c, now);
}

void inlay_endpoint_on_provider(struct inlay_endpoint *ep, inlay_ns now)
{
	struct inlay_provider *p = ep->config.provider;
	struct inlay_provider_event events[16];
	size_t n;

	do {
		n = p->ops->events(p, events, INLAY_ARRAY_SIZE(events));
		for (size_t i = 0; i < n; i++)
			on_event(ep, &events[i], now);
	} while (n == INLAY_ARRAY_SIZE(events));
}

/* --- Dialling and closing ------------------------------------------------------------------- */

int inlay_endpoint_connect(struct inlay_endpoint *ep, const struct inlay_endpoint_dial *dial,
			   inlay_ns now, struct inlay_ep_conn **ret_conn)
{
	struct inlay_transport_params params = ep->config.params;
	struct inlay_handshake_config config = {
		.tls = dial->tls,
		.keystore = ep->config.keystore,
		.params = &params,
		.path = dial->path,
		.timeout = ep->config.handshake_timeout,
		.host = dial->host,
		.random = ep->config.random,
		.user = ep->config.user,
	};
	struct inlay_ep_conn *c;
	int err;

	if (ep->closing)
		return -ESHUTDOWN;
	if (dial->max_udp_payload)
		params.max_udp_payload_size = dial->max_udp_payload;
	err = inlay_ep_conn_new(ep, INLAY_CLIENT, &dial->path, dial->port, &c);
	if (err)
		return err;
	c->dial_user = dial->user;
	config.own_cid = c->own[0];
	err = inlay_handshake_new_client(&config, now, &c->hs);
	if (err) {
		inlay_ep_conn_free(c);
		return err;
	}
	ep->stats.dialled++;
	touch(c, now);
	*ret_conn = c;
	return 0;
}

void inlay_ep_conn_close(struct inlay_ep_conn *c, __u64 code, const char *text, inlay_ns now)
{
	if (c->conn)
		inlay_conn_close(c->conn, true, code, text, now);
	else if (c->hs) /* an application's code has no place in a handshake */
		inlay_handshake_close(c->hs,
				      c->role == INLAY_SERVER ? INLAY_QUIC_CONNECTION_REFUSED
							      : INLAY_QUIC_NO_ERROR,
				      text);
	inlay_ep_conn_on_handshake(c, now);
	touch(c, now);
}

void inlay_endpoint_close(struct inlay_endpoint *ep, __u64 code, const char *text, inlay_ns now)
{
	struct inlay_list *node;

	ep->closing = true;
	inlay_list_for_each (node, &ep->all)
		inlay_ep_conn_close(conn_in_all(node), code, text, now);
}

bool inlay_endpoint_is_idle(const struct inlay_endpoint *ep)
{
	return inlay_list_is_empty(&ep->all) && !ep->replies.n;
}

int inlay_ep_conn_migrate(struct inlay_ep_conn *c, const struct inlay_path *path, __u16 port,
			  inlay_ns now)
{
	int err = c->conn ? inlay_conn_migrate(c->conn, path, now) : -EPERM;

	if (err)
		return err;
	inlay_ep_conn_note_port(c, &path->local, port);
	touch(c, now);
	return 0;
}

/* --- Questions ------------------------------------------------------------------------------ */

struct inlay_conn *inlay_ep_conn_get(struct inlay_ep_conn *c)
{
	if (c->conn)
		inlay_ep_conn_mark(c);
	return c->conn;
}

const struct inlay_conn *inlay_ep_conn_peek(const struct inlay_ep_conn *c)
{
	return c->conn;
}

void *inlay_ep_conn_dial_user(const struct inlay_ep_conn *c)
{
	return c->dial_user;
}

const struct inlay_path *inlay_ep_conn_path(const struct inlay_ep_conn *c)
{
	return &c->path;
}

void *inlay_ep_conn_user(const struct inlay_ep_conn *c)
{
	return c->app && !c->closed_told ? c->app_user : NULL;
}

void inlay_ep_conn_info(const struct inlay_ep_conn *c, struct inlay_ep_conn_info *ret)
{
	*ret = (struct inlay_ep_conn_info){.number = c->number, .role = c->role, .path = c->path};
	if (!c->conn)
		return;
	ret->established = true;
	ret->since = c->since;
	ret->cipher = c->cipher;
	ret->rx_sa = c->rx_sa;
	ret->tx_sa = c->tx_sa;
	memcpy(ret->alpn, c->alpn, sizeof(ret->alpn));
}

int inlay_ep_conn_shared(struct inlay_ep_conn *c, struct inlay_ep_shared *ret)
{
	if (!c->conn || !c->shared)
		return -ENOTSUP;
	inlay_conn_watch(c->conn);
	*ret = (struct inlay_ep_shared){
		.subscriber = c->subscriber,
		.generation = c->entry->generation,
		.rx_sa = c->rx_sa,
	};
	return 0;
}

void inlay_endpoint_for_each(struct inlay_endpoint *ep,
			     void (*visit)(void *user, struct inlay_ep_conn *c), void *user)
{
	struct inlay_list *node;

	inlay_list_for_each (node, &ep->all)
		visit(user, conn_in_all(node));
}

void inlay_endpoint_stats(const struct inlay_endpoint *ep, struct inlay_endpoint_stats *ret)
{
	*ret = ep->stats;
}

const struct inlay_reason_counters *inlay_endpoint_reasons(const struct inlay_endpoint *ep)
{
	return &ep->reasons;
}
