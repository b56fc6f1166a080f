/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an endpoint does with packets of strangers, of the too early and of the dead: resets, Retry,
 * version negotiation, caps; each drop under its name.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <setjmp.h>

#include <cmocka.h>

#include "../fuzz/endpoint_input.h"
#include "endpoint_tls.h"

static const struct app small_app = {.initiator = true, .n_streams = 1, .bytes = 10};

static struct node *add_server(struct world *w, struct inlay_endpoint_config *config)
{
	inlay_endpoint_config_init(config);
	config->tls = endpoint_tls_server(&tls, 0);
	config->has_reset_key = true;
	memset(config->reset_key, 0x5a, sizeof(config->reset_key));
	return world_add_endpoint(w, OURS, config, 8);
}

static struct node *add_client(struct world *w, __u16 port)
{
	return endpoint_tls_add_client(&tls, w, port, small_app);
}

static __u64 reason(const struct node *n, enum inlay_reason r)
{
	return inlay_endpoint_reasons(n->ep)->count[r];
}

static struct inlay_endpoint_stats stats_of(const struct node *n)
{
	struct inlay_endpoint_stats stats;

	inlay_endpoint_stats(n->ep, &stats);
	return stats;
}

/* --- Amplification -------------------------------------------------------------------------- */

struct tally {
	size_t received, sent;
	unsigned int datagrams; /* of the client's to let through */
};

/* The client's address is forged: what is sent to it is not for it. */
static bool count_forged(struct world *w, struct inlay_path *path, __u8 *data, size_t len,
			 void *user)
{
	struct tally *t = user;

	if (path->local.port != htons(OURS)) {
		t->sent += len;
		return false;
	}
	if (!t->datagrams)
		return false;
	t->datagrams--;
	t->received += len;
	return true;
}

/* RFC 9000 section 8.1, to the very end of the handshake that nobody answers. */
static void unvalidated_addresses_get_three_times(void **state)
{
	for (unsigned int n = 1; n <= 3; n++) {
		struct tally t = {.datagrams = n};
		struct world *w = world_new(n);
		struct inlay_endpoint_config config;
		struct node *node = add_server(w, &config);

		w->hook = count_forged;
		w->hook_user = &t;
		add_client(w, PEER);
		world_pass(w, 60 * INLAY_S);
		assert_int_equal(node->n_failed, 1);
		assert_true(t.received >= n * 1200);
		assert_in_range(t.sent, 1, 3 * t.received);
		world_free(w);
	}
}

/* --- Stateless resets ----------------------------------------------------------------------- */

static void unknown_cids_are_reset_at_a_rate(void **state)
{
	struct world *w = world_new(1);
	struct inlay_endpoint_config config;
	struct node *n = add_server(w, &config);
	__u8 packet[100] = {0x40, 1, 2, 3, 4, 5, 6, 7, 8};

	for (unsigned int i = 0; i < 3 * config.replies_per_second; i++) {
		world_inject(w, 7777, OURS, packet, sizeof(packet));
		world_pass(w, 0);
	}
	assert_int_equal(stats_of(n).resets_sent, config.replies_per_second);
	assert_int_equal(n->sent_reset, config.replies_per_second);
	assert_int_equal(reason(n, INLAY_REASON_RESET_RATE), 2 * config.replies_per_second);
	assert_int_equal(reason(n, INLAY_REASON_UNKNOWN_CID), 3 * config.replies_per_second);
	/* A second later there is credit again. */
	w->now += INLAY_S;
	world_inject(w, 7777, OURS, packet, sizeof(packet));
	world_pass(w, 0);
	assert_int_equal(stats_of(n).resets_sent, config.replies_per_second + 1);
	world_free(w);
}

static size_t last_len;

static bool note_len(struct world *w, struct inlay_path *path, __u8 *data, size_t len, void *user)
{
	last_len = len;
	return true;
}

/* To the endpoint itself: the provider would keep the smallest back. */
static void give_unknown(struct node *n, const __u8 *packet, size_t len)
{
	struct inlay_frame *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->kind = INLAY_FRAME_UNKNOWN;
	f->path = (struct inlay_path){.local = n->addr, .remote = n->addr};
	f->len = (__u32)len;
	memcpy(f->data, packet, len);
	inlay_endpoint_recv(n->ep, f, n->world->now);
	free(f);
}

static void resets_are_shorter_than_their_cause(void **state)
{
	struct world *w = world_new(1);
	struct inlay_endpoint_config config;
	struct node *n = add_server(w, &config);
	__u8 packet[1300] = {0x40, 1, 2, 3, 4, 5, 6, 7, 8};

	w->hook = note_len;
	for (size_t len = 1; len < 90; len++) {
		last_len = 0;
		give_unknown(n, packet, len);
		world_step(w, w->now);
		assert_true(last_len < len);
		assert_int_equal(last_len > 0, len >= 22);
		assert_true(!last_len || last_len >= 21);
		w->now += INLAY_S;
	}
	assert_int_equal(reason(n, INLAY_REASON_RUNT), 20);
	/* The fixed bit is 0: not QUIC version 1. */
	packet[0] = 0;
	give_unknown(n, packet, 60);
	assert_int_equal(reason(n, INLAY_REASON_NOT_SHORT), 1);
	world_free(w);
}

/* Two endpoints that both know nothing of a packet do not keep each other busy. */
static void resets_do_not_loop(void **state)
{
	struct world *w = world_new(1);
	struct inlay_endpoint_config config;
	struct node *a = add_server(w, &config), *b = world_add_endpoint(w, PEER, &config, 8);
	__u8 packet[1300] = {0x40, 1, 2, 3, 4, 5, 6, 7, 8};

	world_inject(w, PEER, OURS, packet, sizeof(packet));
	world_pass(w, 60 * INLAY_S);
	assert_true(a->sent + b->sent < 50); /* from 64 bytes down to 21, one at a time */
	assert_true(a->sent > 0 && b->sent > 0);
	world_free(w);
}

/* A server that has forgotten a connection ends it for its peer. */
static void a_restart_is_told(void **state)
{
	struct world *w = world_new(1);
	struct inlay_endpoint_config config;
	struct node *server = add_server(w, &config), *client = add_client(w, PEER);
	__u64 id;

	assert_true(world_run(w, world_is_done, client, 10 * INLAY_S));
	world_pass(w, INLAY_S);
	world_restart_endpoint(server, &config);
	assert_false(client->app.closed);
	inlay_peer_stream_open(client->peer, true, 1, NULL, NULL, &id);
	inlay_peer_stream_write(client->peer, id, (const __u8 *)"hello", 5, true);
	world_pass(w, 10 * INLAY_S);
	assert_true(client->app.closed);
	assert_true(client->app.why.reset);
	world_free(w);
}

/* And ours is told by a server that forgot us. */
static void a_reset_is_heard(void **state)
{
	struct world *w = world_new(1);
	struct inlay_endpoint_config config, of_client;
	struct node *server = add_server(w, &config), *client;
	__u64 id;

	inlay_endpoint_config_init(&of_client);
	client = world_add_endpoint(w, PEER, &of_client, 8);
	assert_int_equal(
		world_connect(client, OURS, endpoint_tls_client(&tls, 0), "localhost", small_app),
		0);
	assert_true(world_run(w, world_is_done, client, 10 * INLAY_S));
	world_pass(w, INLAY_S);
	world_restart_endpoint(server, &config);
	inlay_conn_stream_open(inlay_ep_conn_get(client->app.ours), true, 1, NULL, NULL, &id);
	inlay_conn_stream_write(inlay_ep_conn_get(client->app.ours), id, (const __u8 *)"hello", 5,
				true);
	world_pass(w, 10 * INLAY_S);
	assert_true(client->app.closed);
	assert_true(client->app.why.reset);
	assert_int_equal(stats_of(client).resets_received, 1);
	assert_true(inlay_endpoint_is_idle(client->ep));
	world_free(w);
}

/* A reset that comes from elsewhere is nobody's. */
static bool reset_from_elsewhere(struct world *w, struct inlay_path *path, __u8 *data, size_t len,
				 void *user)
{
	if (!(data[0] & 0x80) && path->remote.port == htons(OURS))
		path->remote.port = htons(9998);
	return true;
}

static void a_reset_from_elsewhere_is_not(void **state)
{
	struct world *w = world_new(1);
	struct inlay_endpoint_config config, of_client;
	struct node *server = add_server(w, &config), *client;
	__u64 id;

	inlay_endpoint_config_init(&of_client);
	client = world_add_endpoint(w, PEER, &of_client, 8);
	assert_int_equal(
		world_connect(client, OURS, endpoint_tls_client(&tls, 0), "localhost", small_app),
		0);
	assert_true(world_run(w, world_is_done, client, 10 * INLAY_S));
	world_pass(w, INLAY_S);
	world_restart_endpoint(server, &config);
	w->hook = reset_from_elsewhere;
	inlay_conn_stream_open(inlay_ep_conn_get(client->app.ours), true, 1, NULL, NULL, &id);
	inlay_conn_stream_write(inlay_ep_conn_get(client->app.ours), id, (const __u8 *)"hello", 5,
				true);
	world_pass(w, 2 * INLAY_S);
	assert_true(stats_of(server).resets_sent > 0);
	assert_int_equal(stats_of(client).resets_received, 0);
	assert_false(client->app.closed);
	world_free(w);
}

/* --- Caps ----------------------------------------------------------------------------------- */

/* Clients whose first flight comes through, and whose second does not. */
static bool no_finished(struct world *w, struct inlay_path *path, __u8 *data, size_t len,
			void *user)
{
	return path->local.port != htons(OURS) || w->now < 100 * INLAY_S + 15 * INLAY_MS;
}

static void handshakes_are_capped(void **state)
{
	struct world *w = world_new(1);
	struct inlay_endpoint_config config;
	struct node *n;

	inlay_endpoint_config_init(&config);
	config.tls = endpoint_tls_server(&tls, 0);
	config.max_handshakes = 3;
	n = world_add_endpoint(w, OURS, &config, 8);
	for (int i = 0; i < 8; i++)
		add_client(w, (__u16)(PEER + i));
	w->hook = no_finished;
	world_pass(w, 15 * INLAY_MS);
	assert_int_equal(stats_of(n).handshakes, 3);
	assert_int_equal(stats_of(n).accepted, 3);
	assert_int_equal(reason(n, INLAY_REASON_HANDSHAKE_LIMIT), 5);
	/* None of them ends well; all are given up in time. */
	world_pass(w, 30 * INLAY_S);
	assert_int_equal(stats_of(n).handshakes, 0);
	assert_int_equal(stats_of(n).failed, 3);
	assert_true(inlay_endpoint_is_idle(n->ep));
	world_free(w);
}

static void under_load_addresses_are_validated(void **state)
{
	struct world *w = world_new(1);
	struct inlay_endpoint_config config;
	struct node *n, *clients[5];

	inlay_endpoint_config_init(&config);
	config.tls = endpoint_tls_server(&tls, 0);
	config.retry_above = 2;
	n = world_add_endpoint(w, OURS, &config, 8);
	for (int i = 0; i < 5; i++)
		clients[i] = add_client(w, (__u16)(PEER + i));
	world_pass(w, 12 * INLAY_MS);
	assert_int_equal(stats_of(n).handshakes, 2);
	assert_int_equal(stats_of(n).retries_sent, 3);
	for (int i = 0; i < 5; i++)
		assert_true(world_run(w, world_is_done, clients[i], 10 * INLAY_S));
	assert_int_equal(stats_of(n).established, 5);
	world_free(w);
}

/* None is in flight any more, but they begin too fast. */
static void too_many_handshakes_a_second_are_load_too(void **state)
{
	struct world *w = world_new(1);
	struct inlay_endpoint_config config;
	struct node *n, *client;

	inlay_endpoint_config_init(&config);
	config.tls = endpoint_tls_server(&tls, 0);
	config.retry_above = 2;
	n = world_add_endpoint(w, OURS, &config, 8);
	for (int i = 0; i < 3; i++) {
		client = add_client(w, (__u16)(PEER + i));
		assert_true(world_run(w, world_is_done, client, INLAY_S / 4));
		assert_int_equal(stats_of(n).retries_sent, i == 2);
	}
	world_pass(w, INLAY_S);
	client = add_client(w, PEER + 3);
	assert_true(world_run(w, world_is_done, client, INLAY_S));
	assert_int_equal(stats_of(n).retries_sent, 1);
	world_free(w);
}

static void connections_are_capped(void **state)
{
	struct world *w = world_new(1);
	struct inlay_endpoint_config config;
	struct node *n, *clients[3];

	inlay_endpoint_config_init(&config);
	config.tls = endpoint_tls_server(&tls, 0);
	config.max_connections = 2;
	n = world_add_endpoint(w, OURS, &config, 8);
	for (int i = 0; i < 3; i++) {
		clients[i] = add_client(w, (__u16)(PEER + i));
		world_pass(w, INLAY_S);
	}
	assert_false(clients[0]->app.closed);
	assert_false(clients[1]->app.closed);
	assert_true(clients[2]->app.closed);
	assert_true(clients[2]->app.why.by_peer);
	assert_int_equal(clients[2]->app.why.code, INLAY_QUIC_CONNECTION_REFUSED);
	assert_int_equal(reason(n, INLAY_REASON_CONNECTION_LIMIT), 1);
	assert_int_equal(stats_of(n).refusals_sent, 1);
	world_free(w);
}

/* --- Too early, too late -------------------------------------------------------------------- */

/* The first long header of the client's second flight is late; its 1-RTT packets are not. */
struct late_finished {
	struct wire_packet kept;
	bool holding;
};

static bool hold_finished(struct world *w, struct inlay_path *path, __u8 *data, size_t len,
			  void *user)
{
	struct late_finished *l = user;
	size_t tail;

	if (path->local.port != htons(OURS) || !(data[0] & 0x80) ||
	    w->now < 100 * INLAY_S + INLAY_MS)
		return true;
	tail = inlay_handshake_short_tail(data, len);
	if (tail < len)
		world_inject(w, PEER, OURS, data + tail, len - tail);
	/* All of it: an Initial in less than 1200 bytes would not count. */
	if (!l->holding) {
		l->kept.len = len;
		memcpy(l->kept.data, data, len);
	}
	l->holding = true;
	return false;
}

static void early_packets_are_kept_within_bounds(void **state)
{
	struct late_finished *l = calloc(1, sizeof(*l));
	struct world *w = world_new(1);
	struct inlay_endpoint_config config;
	struct node *n, *client;
	__u8 datagram[1000] = {0};

	assert_non_null(l);
	inlay_endpoint_config_init(&config);
	config.tls = endpoint_tls_server(&tls, 0);
	config.max_early = 5;
	n = world_add_endpoint(w, OURS, &config, 8);
	client = add_client(w, PEER);
	w->hook = hold_finished;
	w->hook_user = l;
	world_pass(w, 30 * INLAY_MS);
	assert_true(client->app.connected);
	for (int i = 0; i < 8; i++)
		assert_int_equal(inlay_peer_datagram(client->peer, datagram, sizeof(datagram)), 0);
	world_pass(w, 30 * INLAY_MS);
	assert_true(l->holding);
	assert_int_equal(stats_of(n).handshakes, 1);
	assert_int_equal(stats_of(n).established, 0);
	assert_true(reason(n, INLAY_REASON_EARLY_FULL) > 0);
	/* It comes at last: what was kept is read at once, before anything is sent again. */
	w->hook = NULL;
	world_inject(w, PEER, OURS, l->kept.data, l->kept.len);
	world_pass(w, 0);
	assert_int_equal(stats_of(n).established, 1);
	assert_true(n->accepted[0]->datagrams > 0);
	assert_int_equal(reason(n, INLAY_REASON_AUTH_FAILED), 0);
	world_pass(w, 5 * INLAY_S);
	assert_true(app_is_done(&client->app, true));
	assert_false(client->app.closed);
	free(l);
	world_free(w);
}

/* Everything the client sent in long headers, once more, when all is over. */
struct tape {
	struct wire_packet packets[16];
	size_t n;
};

static bool record(struct world *w, struct inlay_path *path, __u8 *data, size_t len, void *user)
{
	struct tape *t = user;

	if (path->local.port == htons(OURS) && data[0] & 0x80 && t->n < 16) {
		t->packets[t->n].len = len;
		memcpy(t->packets[t->n++].data, data, len);
	}
	return true;
}

static void replay(struct world *w, const struct tape *t, __u16 from)
{
	for (size_t i = 0; i < t->n; i++)
		world_inject(w, from, OURS, t->packets[i].data, t->packets[i].len);
	world_pass(w, INLAY_S);
}

static void late_handshake_packets_start_nothing(void **state)
{
	struct tape *t = calloc(1, sizeof(*t));
	struct world *w = world_new(1);
	struct inlay_endpoint_config config;
	struct node *n = add_server(w, &config), *client = add_client(w, PEER);
	__u64 late;

	assert_non_null(t);
	w->hook = record;
	w->hook_user = t;
	assert_true(world_run(w, world_is_done, client, 10 * INLAY_S));
	assert_true(t->n >= 2);
	w->hook = NULL;
	late = reason(n, INLAY_REASON_LATE_HANDSHAKE);
	replay(w, t, PEER);
	assert_int_equal(reason(n, INLAY_REASON_LATE_HANDSHAKE), late + t->n);
	assert_int_equal(stats_of(n).accepted, 1);
	assert_false(client->app.closed);
	/* Nor from another address. */
	replay(w, t, 6001);
	assert_int_equal(stats_of(n).accepted, 1);
	assert_int_equal(reason(n, INLAY_REASON_MIGRATION), t->n);
	free(t);
	world_free(w);
}

/* HANDSHAKE_DONE ends it for a client: the server's flight, once more, finds nobody. */
static bool record_server(struct world *w, struct inlay_path *path, __u8 *data, size_t len,
			  void *user)
{
	struct tape *t = user;

	if (path->local.port == htons(PEER) && data[0] & 0x80 && t->n < 16) {
		t->packets[t->n].len = len;
		memcpy(t->packets[t->n++].data, data, len);
	}
	return true;
}

static void a_confirmed_client_forgets_its_handshake(void **state)
{
	struct tape *t = calloc(1, sizeof(*t));
	struct world *w = world_new(1);
	struct inlay_endpoint_config config;
	struct node *n;

	assert_non_null(t);
	add_server(w, &config);
	inlay_endpoint_config_init(&config);
	n = world_add_endpoint(w, PEER, &config, 8);
	w->hook = record_server;
	w->hook_user = t;
	assert_int_equal(
		world_connect(n, OURS, endpoint_tls_client(&tls, 0), "localhost", small_app), 0);
	assert_true(world_run(w, world_is_done, n, 10 * INLAY_S));
	world_pass(w, INLAY_S);
	assert_true(t->n > 0);
	assert_int_equal(reason(n, INLAY_REASON_LATE_HANDSHAKE), 0);
	w->hook = NULL;
	world_inject(w, OURS, PEER, t->packets[0].data, t->packets[0].len);
	world_pass(w, INLAY_S);
	assert_int_equal(reason(n, INLAY_REASON_LATE_HANDSHAKE), 1);
	assert_false(n->app.closed);
	free(t);
	world_free(w);
}

/* --- Tokens and versions -------------------------------------------------------------------- */

/* The Initial that answers a Retry, kept and sent when and whence it must not be. */
static void retry_tokens_expire_and_do_not_travel(void **state)
{
	struct tape *t = calloc(1, sizeof(*t));
	struct world *w = world_new(1);
	struct inlay_endpoint_config config;
	struct node *n, *client;
	struct wire_packet with_token;

	assert_non_null(t);
	inlay_endpoint_config_init(&config);
	config.tls = endpoint_tls_server(&tls, 0);
	config.retry = true;
	n = world_add_endpoint(w, OURS, &config, 8);
	client = add_client(w, PEER);
	w->hook = record;
	w->hook_user = t;
	assert_true(world_run(w, world_is_done, client, 10 * INLAY_S));
	assert_int_equal(stats_of(n).retries_sent, 1);
	with_token = t->packets[1];
	inlay_peer_close(client->peer, true, 0, "");
	world_pass(w, 5 * INLAY_S);
	assert_true(inlay_endpoint_is_idle(n->ep));
	w->hook = NULL;
	world_remove(client);

	world_inject(w, 6001, OURS, with_token.data, with_token.len);
	world_pass(w, 0);
	assert_int_equal(reason(n, INLAY_REASON_BAD_TOKEN), 1);
	assert_int_equal(stats_of(n).refusals_sent, 1);
	world_pass(w, config.token_lifetime);
	world_inject(w, PEER, OURS, with_token.data, with_token.len);
	world_pass(w, 0);
	assert_int_equal(reason(n, INLAY_REASON_BAD_TOKEN), 2);
	assert_int_equal(stats_of(n).accepted, 1);
	free(t);
	world_free(w);
}

static void other_versions_are_negotiated(void **state)
{
	struct inlay_peer_config peer = {.version = 0x1a2a3a4a};
	struct world *w = world_new(1);
	struct inlay_endpoint_config config;
	struct node *n = add_server(w, &config), *client;

	endpoint_tls_peer(&tls, &peer, false);
	client = world_add_peer(w, PEER, OURS, peer, small_app);
	world_pass(w, INLAY_S);
	assert_int_equal(stats_of(n).version_negotiations_sent, 1);
	assert_true(client->app.closed);
	assert_non_null(strstr(client->app.why.text, "version"));
	assert_int_equal(stats_of(n).accepted, 0);
	world_free(w);
}

static void odd_long_headers_are_counted(void **state)
{
	struct world *w = world_new(1);
	struct inlay_endpoint_config config;
	struct node *n = add_server(w, &config);
	__u8 packet[1200] = {0};

	/* CIDs of 255 bytes are no error in a version that we do not speak (RFC 8999). */
	packet[0] = 0xc0;
	packet[1] = 0x77;
	packet[5] = 255;
	packet[6 + 255] = 255;
	world_inject(w, 7777, OURS, packet, sizeof(packet));
	/* Too small to have opened a connection. */
	world_inject(w, 7777, OURS, packet, 1199);
	/* Cut within a CID. */
	world_inject(w, 7777, OURS, packet, 100);
	world_pass(w, 0);
	assert_int_equal(stats_of(n).version_negotiations_sent, 1);
	assert_int_equal(reason(n, INLAY_REASON_SMALL_INITIAL), 1);
	assert_int_equal(reason(n, INLAY_REASON_BAD_LONG_HEADER), 1);

	/* Version 1: an Initial with a DCID of 7 bytes, and a Handshake packet of nobody's. */
	memset(packet, 0, sizeof(packet));
	packet[0] = 0xc0;
	packet[4] = 1;
	packet[5] = 7;
	packet[15] = 0x44; /* length 0x46e */
	packet[16] = 0x6e;
	world_inject(w, 7777, OURS, packet, sizeof(packet));
	packet[0] = 0xe0;
	packet[14] = 0x44;
	packet[15] = 0x6e;
	world_inject(w, 7777, OURS, packet, sizeof(packet));
	world_pass(w, 0);
	assert_int_equal(reason(n, INLAY_REASON_BAD_LONG_HEADER), 2);
	assert_int_equal(reason(n, INLAY_REASON_UNKNOWN_CID), 1);

	/* An Initial of noise. */
	memset(packet, 0, sizeof(packet));
	packet[0] = 0xc0;
	packet[4] = 1;
	packet[5] = 8;
	packet[16] = 0x44;
	packet[17] = 0x9e;
	world_inject(w, 7777, OURS, packet, sizeof(packet));
	world_pass(w, 0);
	assert_int_equal(reason(n, INLAY_REASON_BAD_INITIAL), 1);
	assert_int_equal(stats_of(n).accepted, 0);
	assert_true(inlay_endpoint_is_idle(n->ep));
	world_free(w);
}

static void bad_frames_are_counted(void **state)
{
	struct world *w = world_new(1);
	struct inlay_endpoint_config config;
	struct node *n = add_server(w, &config);
	struct inlay_frame *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->kind = INLAY_FRAME_CLEAR;
	inlay_endpoint_recv(n->ep, f, w->now);
	f->len = sizeof(f->data) + 1;
	inlay_endpoint_recv(n->ep, f, w->now);
	f->len = 10;
	inlay_endpoint_recv(n->ep, f, w->now);
	f->len = 100;
	inlay_endpoint_recv(n->ep, f, w->now);
	f->kind = 77;
	inlay_endpoint_recv(n->ep, f, w->now);
	assert_int_equal(reason(n, INLAY_REASON_BAD_FRAME), 5);
	free(f);
	world_free(w);
}

/* --- Recordings for the fuzzer -------------------------------------------------------------- */

static bool write_input(struct world *w, struct inlay_path *path, __u8 *data, size_t len,
			void *user)
{
	const __u8 head[3] = {data[0] & 0x80 ? INPUT_SEALED : INPUT_UNKNOWN, (__u8)(len >> 8),
			      (__u8)len};
	const __u8 wait[3] = {INPUT_TIME, 0, 10};

	if (path->local.port != htons(OURS))
		return true;
	assert_int_equal(fwrite(wait, sizeof(wait), 1, user), 1);
	assert_int_equal(fwrite(head, sizeof(head), 1, user), 1);
	assert_int_equal(fwrite(data, len, 1, user), 1);
	return true;
}

static void record_handshake(const char *name, bool retry, __u32 version)
{
	struct inlay_peer_config peer = {.version = version};
	struct world *w = world_new(1);
	struct inlay_endpoint_config config;
	struct node *client;
	char path[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s/endpoint/%s", getenv("INLAY_CORPUS"), name);
	file = fopen(path, "wb");
	assert_non_null(file);
	inlay_endpoint_config_init(&config);
	config.tls = endpoint_tls_server(&tls, 0);
	config.retry = retry;
	config.random = input_random;
	input_random_state = 1;
	world_add_endpoint(w, OURS, &config, 8);
	endpoint_tls_peer(&tls, &peer, false);
	client = world_add_peer(w, PEER, OURS, peer, small_app);
	w->hook = write_input;
	w->hook_user = file;
	assert_true(world_run(w, world_is_done, client, 10 * INLAY_S));
	inlay_peer_close(client->peer, true, 0, "");
	world_pass(w, INLAY_S);
	assert_int_equal(fclose(file), 0);
	world_free(w);
}

static void record_corpus(void **state)
{
	record_handshake("handshake", false, 0);
	record_handshake("retry", true, 0);
	record_handshake("version", false, 0x1a2a3a4a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unvalidated_addresses_get_three_times),
		cmocka_unit_test(unknown_cids_are_reset_at_a_rate),
		cmocka_unit_test(resets_are_shorter_than_their_cause),
		cmocka_unit_test(resets_do_not_loop),
		cmocka_unit_test(a_restart_is_told),
		cmocka_unit_test(a_reset_is_heard),
		cmocka_unit_test(a_reset_from_elsewhere_is_not),
		cmocka_unit_test(handshakes_are_capped),
		cmocka_unit_test(under_load_addresses_are_validated),
		cmocka_unit_test(too_many_handshakes_a_second_are_load_too),
		cmocka_unit_test(connections_are_capped),
		cmocka_unit_test(early_packets_are_kept_within_bounds),
		cmocka_unit_test(late_handshake_packets_start_nothing),
		cmocka_unit_test(a_confirmed_client_forgets_its_handshake),
		cmocka_unit_test(retry_tokens_expire_and_do_not_travel),
		cmocka_unit_test(other_versions_are_negotiated),
		cmocka_unit_test(odd_long_headers_are_counted),
		cmocka_unit_test(bad_frames_are_counted),
	};
	const struct CMUnitTest corpus[] = {cmocka_unit_test(record_corpus)};

	/* tests/fuzz/corpora */
	if (getenv("INLAY_CORPUS"))
		return cmocka_run_group_tests_name("corpus", corpus, endpoint_tls_set_up,
						   endpoint_tls_tear_down);
	return cmocka_run_group_tests_name("endpoint_stranger", tests, endpoint_tls_set_up,
					   endpoint_tls_tear_down);
}
