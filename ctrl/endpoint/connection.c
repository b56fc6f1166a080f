/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The life of one connection: handshake, hand-over, established phase, end. Everything that it
 * holds elsewhere (routes, tokens, security associations, secrets) is noted in it and goes with it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gnutls/gnutls.h>

#include "endpoint_impl.h"
#include "state.h"

#define ADD_CID_TRIES 4
/* A connection that wants to be visited, but had nothing to send: not at once again. */
#define MIN_REST INLAY_MS

/* --- CIDs and tokens ------------------------------------------------------------------------ */

int inlay_ep_conn_add_cid(struct inlay_ep_conn *c, struct inlay_cid *ret_cid)
{
	struct inlay_cid cid = {.len = INLAY_OWN_CID};
	int err = -ENOSPC;

	if (c->n_own == INLAY_CONN_CIDS)
		return -ENOSPC;
	for (int i = 0; i < ADD_CID_TRIES; i++) {
		inlay_endpoint_random(c->ep, cid.data, INLAY_OWN_CID);
		err = inlay_demux_add_own(&c->ep->demux, cid.data, c);
		if (err != -EEXIST)
			break;
	}
	if (err)
		return err;
	c->own[c->n_own++] = cid;
	*ret_cid = cid;
	return 0;
}

void inlay_ep_conn_del_cid(struct inlay_ep_conn *c, const struct inlay_cid *cid)
{
	for (unsigned int i = 0; i < c->n_own; i++) {
		if (memcmp(&c->own[i], cid, sizeof(*cid)))
			continue;
		inlay_demux_del_own(&c->ep->demux, cid->data);
		c->own[i] = c->own[--c->n_own];
		return;
	}
}

bool inlay_ep_conn_has_token(const struct inlay_ep_conn *c, const __u8 token[INLAY_RESET_TOKEN])
{
	bool found = false;

	/* No early way out: the time must not tell how far a guess was right. */
	for (unsigned int i = 0; i < c->n_tokens; i++)
		found |= gnutls_memcmp(c->tokens[i], token, INLAY_RESET_TOKEN) == 0;
	return found;
}

void inlay_ep_conn_add_token(struct inlay_ep_conn *c, const __u8 token[INLAY_RESET_TOKEN])
{
	/* A token that another connection's peer has as well is never looked for here: it is that
	 * one's to be reset by. */
	if (c->n_tokens == INLAY_EP_PEER_TOKENS || inlay_ep_conn_has_token(c, token) ||
	    inlay_demux_add_token(&c->ep->demux, token, c))
		return;
	memcpy(c->tokens[c->n_tokens++], token, INLAY_RESET_TOKEN);
}

void inlay_ep_conn_del_token(struct inlay_ep_conn *c, const __u8 token[INLAY_RESET_TOKEN])
{
	for (unsigned int i = 0; i < c->n_tokens; i++) {
		if (gnutls_memcmp(c->tokens[i], token, INLAY_RESET_TOKEN))
			continue;
		inlay_demux_del_token(&c->ep->demux, token);
		memcpy(c->tokens[i], c->tokens[--c->n_tokens], INLAY_RESET_TOKEN);
		return;
	}
}

/* --- Birth and death ------------------------------------------------------------------------ */

int inlay_ep_conn_new(struct inlay_endpoint *ep, enum inlay_role role,
		      const struct inlay_path *path, __u16 port, struct inlay_ep_conn **ret)
{
	struct inlay_ep_conn *c;
	struct inlay_cid cid;
	int err;

	if (ep->n_all >= ep->config.max_connections)
		return -ENOSPC;
	err = inlay_timers_reserve(&ep->timers, ep->n_all + 1);
	if (err)
		return err;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->ep = ep;
	c->role = role;
	c->path = *path;
	inlay_ep_conn_note_port(c, &path->local, port);
	c->early_end = &c->early;
	inlay_list_init(&c->in_dirty);
	inlay_list_append(&ep->all, &c->in_all);
	c->number = ++ep->numbers;
	ep->n_all++;
	err = inlay_ep_conn_add_cid(c, &cid);
	if (err) {
		inlay_ep_conn_free(c);
		return err;
	}
	*ret = c;
	return 0;
}

static void drop_early(struct inlay_ep_conn *c)
{
	struct inlay_early *e;

	while ((e = c->early)) {
		c->early = e->next;
		free(e);
	}
	c->early_end = &c->early;
	c->n_early = 0;
}

static void drop_keys(struct inlay_ep_conn *c)
{
	struct inlay_provider *p = c->ep->config.provider;

	if (c->rx_sa.generation)
		p->ops->sa_del(p, c->rx_sa);
	if (c->tx_sa.generation)
		p->ops->sa_del(p, c->tx_sa);
	c->rx_sa = c->tx_sa = (struct inlay_sa_ref){0};
	if (c->secret)
		inlay_keystore_del(c->ep->config.keystore, c->secret);
	c->secret = 0;
}

static void stop_counting(struct inlay_ep_conn *c)
{
	if (c->counted)
		c->ep->stats.handshakes--;
	c->counted = false;
}

/* The established phase ended without saying so: its owner must still hear of it. */
static void tell_end(struct inlay_ep_conn *c)
{
	static const struct inlay_close_reason why = {.text = "the endpoint is gone"};

	if (!c->app || c->closed_told)
		return;
	c->closed_told = true;
	if (c->app->on_closed)
		c->app->on_closed(c->app_user, &why);
}

/* Nobody sends any more: those who are about to fall through one of these. */
static void close_entry(struct inlay_subscriber *e)
{
	for (int i = 0; i < INLAY_CLASSES; i++)
		inlay_store_u64(&e->class_limit[i], 0);
	inlay_store_u64(&e->pn_limit, 0);
}

/* Memory that a forwarder may still read; the state waits for it. */
static int get_entry(struct inlay_ep_conn *c)
{
	const struct inlay_endpoint_config *config = &c->ep->config;

	if (config->state && !inlay_state_subscriber_get(config->state, &c->subscriber)) {
		c->shared = true;
		c->entry = inlay_state_subscriber(config->state, c->subscriber);
		c->log = inlay_state_log(config->state, c->subscriber);
		return 0;
	}
	c->entry = aligned_alloc(INLAY_CACHELINE, sizeof(*c->entry));
	c->log = calloc(config->log_size, sizeof(*c->log));
	if (!c->entry || !c->log)
		return -ENOMEM;
	memset(c->entry, 0, sizeof(*c->entry));
	return 0;
}

static void put_entry(struct inlay_ep_conn *c)
{
	if (c->shared) {
		inlay_state_subscriber_put(c->ep->config.state, c->subscriber);
		return;
	}
	free(c->entry);
	free(c->log);
}

void inlay_ep_conn_free(struct inlay_ep_conn *c)
{
	if (!c)
		return;
	tell_end(c);
	if (c->entry)
		close_entry(c->entry);
	if (c->conn)
		c->ep->stats.connections--;
	inlay_conn_free(c->conn);
	c->conn = NULL;
	inlay_handshake_free(c->hs);
	stop_counting(c);
	drop_keys(c);
	drop_early(c);
	while (c->n_own)
		inlay_ep_conn_del_cid(c, &c->own[c->n_own - 1]);
	while (c->n_tokens)
		inlay_ep_conn_del_token(c, c->tokens[c->n_tokens - 1]);
	if (c->initial.len)
		inlay_demux_del_initial(&c->ep->demux, &c->initial);
	inlay_timers_set(&c->ep->timers, &c->timer, INLAY_NEVER);
	inlay_list_remove(&c->in_dirty);
	inlay_list_remove(&c->in_all);
	c->ep->n_all--;
	put_entry(c);
	free(c);
}

/* --- From the handshake to the established phase -------------------------------------------- */

static int plumb(struct inlay_ep_conn *c, const struct inlay_handover *h)
{
	struct inlay_sa_params rx = {
		.direction = INLAY_RX, .path = h->path, .cids = &h->own_cid, .n_cids = 1};
	struct inlay_sa_params tx = {
		.direction = INLAY_TX, .path = h->path, .cids = &h->peer_cid, .n_cids = 1};
	struct inlay_endpoint_config *config = &c->ep->config;
	int err;

	err = inlay_keystore_plumb(config->keystore, c->secret, config->provider, &rx, &c->rx_sa);
	if (!err)
		err = inlay_keystore_plumb(config->keystore, c->secret, config->provider, &tx,
					   &c->tx_sa);
	return err;
}

static int new_conn(struct inlay_ep_conn *c, const struct inlay_handover *h, inlay_ns now)
{
	const struct inlay_endpoint_config *config = &c->ep->config;
	struct inlay_conn_config conn = {
		.handover = h,
		.ops = &inlay_ep_conn_ops,
		.user = c,
		.log_size = config->log_size,
		.cc = config->cc,
		.max_recv_buffer = config->max_recv_buffer,
		.max_window_growth = config->max_window_growth,
		.recv_memory = &c->ep->recv_memory,
		.max_datagram_queue = config->max_datagram_queue,
		.max_streams_open = config->max_streams_open,
		.max_path_mtu = config->max_path_mtu,
		.no_ecn = config->no_ecn,
		.keep_alive = config->keep_alive,
		.policy = config->policy,
		.policy_user = config->policy_user,
	};

	int err;

	err = get_entry(c);
	if (err)
		return err;
	c->entry->sa = c->tx_sa.number;
	c->entry->sa_generation = c->tx_sa.generation;
	conn.entry = c->entry;
	conn.log = c->log;
	conn.state = c->shared ? config->state : NULL;
	c->conn = inlay_conn_new(&conn, now);
	if (!c->conn)
		return -ENOMEM;
	c->since = now;
	c->ep->stats.connections++;
	c->ep->stats.established++;
	return 0;
}

static void report_failure(struct inlay_ep_conn *c, const struct inlay_handshake_failure *why)
{
	c->failed = true;
	stop_counting(c);
	drop_early(c);
	c->ep->stats.failed++;
	if (c->ep->config.ops->on_failed)
		c->ep->config.ops->on_failed(c->ep->config.user, c, why);
}

/* The established phase begins. 0 or negative errno: there is none. */
static int begin(struct inlay_ep_conn *c, const struct inlay_handover *h, inlay_ns now)
{
	struct inlay_endpoint_config *config = &c->ep->config;
	int err;

	c->secret = h->secret;
	c->path = h->path;
	c->rx_local = h->path.local;
	memcpy(c->alpn, h->alpn, sizeof(c->alpn));
	err = plumb(c, h);
	if (!err)
		err = new_conn(c, h, now);
	if (err)
		return err;
	if (h->peer.has_stateless_reset_token)
		inlay_ep_conn_add_token(c, h->peer.stateless_reset_token);
	c->app = config->ops->on_connection(config->user, c, h, &c->app_user);
	if (!c->app)
		inlay_conn_close(c->conn, false, INLAY_QUIC_CONNECTION_REFUSED, "", now);
	return 0;
}

static void establish(struct inlay_ep_conn *c, inlay_ns now)
{
	struct inlay_handshake_failure why = {.silent = true, .code = INLAY_QUIC_INTERNAL_ERROR};
	struct inlay_handover h;
	int err;

	if (inlay_handshake_result(c->hs, &h))
		return;
	c->cipher = inlay_handshake_cipher(c->hs);
	/* For a server the client's Finished is confirmation; ngtcp2 has nothing left to say. */
	if (c->role == INLAY_SERVER) {
		inlay_handshake_free(c->hs);
		c->hs = NULL;
	}
	stop_counting(c);
	err = begin(c, &h, now);
	if (err) {
		snprintf(why.text, sizeof(why.text), "no place for the connection: %s",
			 strerror(-err));
		report_failure(c, &why);
	}
}

/* The CID that the peer knows us by, in place of the one that every connection is born with. */
static int take_cid(struct inlay_ep_conn *c, const struct inlay_cid *cid)
{
	int err;

	if (cid->len != INLAY_OWN_CID)
		return -EINVAL;
	inlay_ep_conn_del_cid(c, &c->own[0]);
	err = inlay_demux_add_own(&c->ep->demux, cid->data, c);
	if (!err)
		c->own[c->n_own++] = *cid;
	return err;
}

int inlay_endpoint_adopt(struct inlay_endpoint *ep, const struct inlay_endpoint_adoption *a,
			 inlay_ns now, struct inlay_ep_conn **ret_conn)
{
	const struct inlay_handover *h = a->handover;
	struct inlay_ep_conn *c;
	int err;

	err = inlay_ep_conn_new(ep, h->role, &h->path, a->port, &c);
	if (err) {
		inlay_keystore_del(ep->config.keystore, h->secret);
		return err;
	}
	c->cipher = a->cipher;
	c->dial_user = a->user;
	c->confirmed = true;
	c->secret = h->secret;
	err = take_cid(c, &h->own_cid);
	if (!err)
		err = begin(c, h, now);
	if (err) {
		inlay_ep_conn_free(c);
		return err;
	}
	inlay_ep_conn_mark(c);
	inlay_ep_conn_set_timer(c, now);
	*ret_conn = c;
	return 0;
}

static void open_and_deliver(struct inlay_ep_conn *c, const struct inlay_path *path, __u8 ecn,
			     __u8 *packet, size_t len, inlay_ns now);

/* What arrived too early, in the order it came. */
static void deliver_early(struct inlay_ep_conn *c, inlay_ns now)
{
	for (struct inlay_early *e = c->early; e; e = e->next)
		open_and_deliver(c, &e->path, e->ecn, e->data, e->len, now);
	drop_early(c);
}

void inlay_ep_conn_on_handshake(struct inlay_ep_conn *c, inlay_ns now)
{
	if (!c->hs || c->conn || c->failed)
		return;
	switch (inlay_handshake_state(c->hs)) {
	case INLAY_HANDSHAKE_RUNNING:
		break;
	case INLAY_HANDSHAKE_FAILED:
		report_failure(c, inlay_handshake_failure(c->hs));
		break;
	case INLAY_HANDSHAKE_COMPLETE:
		establish(c, now);
		if (c->conn)
			deliver_early(c, now);
		break;
	}
}

/* --- Packets -------------------------------------------------------------------------------- */

void inlay_ep_conn_mark(struct inlay_ep_conn *c)
{
	if (inlay_list_is_empty(&c->in_dirty))
		inlay_list_append(&c->ep->dirty, &c->in_dirty);
}

/* A reset whose random bytes happen to name one of our CIDs. */
static bool is_reset(const struct inlay_ep_conn *c, const __u8 *packet, size_t len)
{
	return len >= INLAY_RESET_TOKEN &&
	       inlay_ep_conn_has_token(c, packet + len - INLAY_RESET_TOKEN);
}

static void open_and_deliver(struct inlay_ep_conn *c, const struct inlay_path *path, __u8 ecn,
			     __u8 *packet, size_t len, inlay_ns now)
{
	struct inlay_provider *p = c->ep->config.provider;
	struct inlay_open_item item = {.packet = packet, .len = len, .local = c->rx_local};

	if (!inlay_conn_is_known_path(c->conn, path)) {
		inlay_endpoint_count(c->ep, INLAY_REASON_UNKNOWN_PATH);
		return;
	}
	p->ops->open(p, &item, 1);
	if (item.verdict == INLAY_OK) {
		packet[len - INLAY_TAG + offsetof(struct inlay_desc, flags)] |=
			(__u8)(ecn << INLAY_DESC_ECN_SHIFT) & INLAY_DESC_ECN_MASK;
		inlay_conn_recv(c->conn, path, packet, len, now);
		return;
	}
	inlay_endpoint_count(c->ep, inlay_verdict_reason(item.verdict));
	/* RFC 9000 section 17.3.1: authentic, and wrong. */
	if (item.verdict == INLAY_RESERVED_BITS)
		inlay_conn_close(c->conn, false, INLAY_QUIC_PROTOCOL_VIOLATION, "reserved bits",
				 now);
	else if (is_reset(c, packet, len))
		inlay_conn_on_stateless_reset(c->conn, now);
}

static void keep_early(struct inlay_ep_conn *c, const struct inlay_frame *frame, const __u8 *packet,
		       size_t len)
{
	struct inlay_early *e = NULL;

	if (c->n_early < c->ep->config.max_early)
		e = malloc(sizeof(*e) + len);
	if (!e) {
		inlay_endpoint_count(c->ep, INLAY_REASON_EARLY_FULL);
		return;
	}
	e->next = NULL;
	e->path = frame->path;
	e->ecn = frame->ecn;
	e->len = len;
	memcpy(e->data, packet, len);
	*c->early_end = e;
	c->early_end = &e->next;
	c->n_early++;
}

void inlay_ep_conn_recv_sealed(struct inlay_ep_conn *c, const struct inlay_frame *frame,
			       const __u8 *packet, size_t len, inlay_ns now)
{
	if (c->failed) {
		inlay_endpoint_count(c->ep, INLAY_REASON_CLOSED_CONN);
	} else if (c->conn) {
		memcpy(c->ep->scratch, packet, len);
		open_and_deliver(c, &frame->path, frame->ecn, c->ep->scratch, len, now);
	} else if (memcmp(&frame->path.remote, &c->path.remote, sizeof(c->path.remote))) {
		inlay_endpoint_count(c->ep, INLAY_REASON_MIGRATION);
	} else {
		keep_early(c, frame, packet, len);
	}
}

void inlay_ep_conn_note_port(struct inlay_ep_conn *c, const struct inlay_addr *local, __u16 port)
{
	unsigned int i;

	for (i = 0; i < c->n_ports; i++)
		if (!memcmp(&c->ports[i].local, local, sizeof(*local)))
			return;
	/* When all are taken, the newest makes room, unless we send from there. */
	if (i == INLAY_EP_PORTS)
		i--;
	if (i < c->n_ports && !memcmp(&c->ports[i].local, &c->path.local, sizeof(*local)))
		i--;
	c->ports[i].local = *local;
	c->ports[i].port = port;
	if (i == c->n_ports)
		c->n_ports++;
}

__u16 inlay_ep_conn_port(const struct inlay_ep_conn *c, const struct inlay_addr *local)
{
	for (unsigned int i = 1; i < c->n_ports; i++)
		if (!memcmp(&c->ports[i].local, local, sizeof(*local)))
			return c->ports[i].port;
	/* A client that dials from any address has not heard yet which one that is. */
	return c->ports[0].port;
}

static void start_frame(struct inlay_frame *frame, enum inlay_frame_kind kind,
			const struct inlay_ep_conn *c)
{
	memset(frame, 0, offsetof(struct inlay_frame, data));
	frame->kind = kind;
	frame->port = inlay_ep_conn_port(c, &c->path.local);
	frame->path = c->path;
}

bool inlay_ep_conn_send(struct inlay_ep_conn *c, struct inlay_frame *frame, inlay_ns now)
{
	struct inlay_path path = c->path;
	size_t len;

	if (c->hs && c->confirmed) {
		inlay_handshake_free(c->hs);
		c->hs = NULL;
	}
	if (c->hs) {
		start_frame(frame, INLAY_FRAME_SEALED, c);
		len = inlay_handshake_send(c->hs, frame->data, sizeof(frame->data), now);
		frame->len = (__u32)len;
		if (!c->ep->config.no_ecn)
			frame->ecn = inlay_handshake_mark(c->hs);
		if (len)
			return true;
		inlay_ep_conn_on_handshake(c, now);
	}
	if (!c->conn)
		return false;
	/* Refused while the update before is young, or the sent log full: then at the next packet.
	 */
	if (c->update_due && !inlay_conn_update_keys(c->conn, now))
		c->update_due = false;
	start_frame(frame, INLAY_FRAME_CLEAR, c);
	len = inlay_conn_send(c->conn, frame->data, sizeof(frame->data), &path, now);
	if (!len)
		return false;
	frame->path = path;
	frame->port = inlay_ep_conn_port(c, &path.local);
	frame->len = (__u32)len;
	return true;
}

/* --- Time ----------------------------------------------------------------------------------- */

static inlay_ns next_deadline(const struct inlay_ep_conn *c)
{
	inlay_ns of_hs = INLAY_NEVER, of_conn = INLAY_NEVER;

	if (c->hs && !c->confirmed)
		of_hs = inlay_handshake_deadline(c->hs);
	if (c->conn)
		of_conn = inlay_conn_deadline(c->conn);
	return of_hs < of_conn ? of_hs : of_conn;
}

void inlay_ep_conn_set_timer(struct inlay_ep_conn *c, inlay_ns now)
{
	inlay_ns deadline = next_deadline(c);

	/* Due already: a connection that waits for its visit needs no timer to be visited. */
	if (deadline <= now)
		deadline = inlay_list_is_empty(&c->in_dirty) ? now + MIN_REST : INLAY_NEVER;
	inlay_timers_set(&c->ep->timers, &c->timer, deadline);
}

void inlay_ep_conn_on_timer(struct inlay_ep_conn *c, inlay_ns now)
{
	if (c->hs && !c->confirmed)
		inlay_handshake_on_timer(c->hs, now);
	inlay_ep_conn_on_handshake(c, now);
	if (c->conn)
		inlay_conn_on_timer(c->conn, now);
}
