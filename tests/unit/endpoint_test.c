/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Our endpoint, whole, with peers on unmodified libngtcp2 in memory: transfers in both roles with
 * each cipher, Retry, key updates, loss and a NAT that changes its mind. How connections end is in
 * endpoint_ends_test.c, what strangers send in endpoint_stranger_test.c.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <setjmp.h>

#include <cmocka.h>

#include "clear.h"
#include "endpoint_impl.h"
#include "endpoint_tls.h"
#include "inlay_quic_write.h"

/* --- Transfers ------------------------------------------------------------------------------ */

struct transfer {
	bool dial; /* we are the client */
	enum inlay_cipher cipher;
	bool retry;
	unsigned int loss, repeat, reorder;
	int updates_ours, updates_peer; /* key updates to start on the way */
	bool rebind;			/* the client's port changes on the way */
	__u32 lose;			/* these datagrams: bit 0 is the first on the wire */
	__u64 seed;
};

struct run {
	const struct transfer *t;
	struct world *w;
	struct node *ours, *peer;
	int updated_ours, updated_peer;
	unsigned int retries;	       /* Retry packets seen on the wire */
	unsigned int carried, dropped; /* datagrams that the wire took; the first, by |lose| */
	bool connected;
};

static const struct app client_app = {
	.initiator = true, .n_streams = 6, .bytes = 100000, .n_datagrams = 20};

static struct app *our_app(const struct run *r)
{
	if (r->t->dial)
		return &r->ours->app;
	return r->ours->n_accepted ? r->ours->accepted[0] : NULL;
}

static const struct app *initiator(const struct run *r)
{
	return r->t->dial ? &r->ours->app : &r->peer->app;
}

/*
 * RFC 9002 section 6.2: until the first answer a client tries again after 1, 2, 4, ... s, and a
 * server repeats no Retry of its own accord (RFC 9000 section 8.1.2); so each lost datagram at most
 * doubles what a handshake takes. Either end's usual 10 s are over with four lost rounds in a row,
 * one run in 800 at 10 % loss, with nobody at fault. Hence the patience; what must not take long is
 * held to account by the datagrams that were lost.
 */
#define PATIENCE (250 * INLAY_S)

static void check_connected(struct run *r)
{
	__u64 lost = r->w->link.lost + r->dropped;

	if (r->connected || !initiator(r)->connected)
		return;
	r->connected = true;
	assert_true(r->w->now - 100 * INLAY_S < (INLAY_S << (lost < 20 ? lost : 20)));
}

/* An update each time so much more has come back. */
static void update_keys(struct run *r)
{
	const struct app *a = initiator(r);
	struct app *ours = our_app(r);

	if (r->updated_ours < r->t->updates_ours && ours && ours->ours &&
	    a->received > 100000U * (unsigned int)(r->updated_ours + 1) &&
	    !inlay_conn_update_keys(inlay_ep_conn_get(ours->ours), r->w->now))
		r->updated_ours++;
	if (r->updated_peer < r->t->updates_peer &&
	    a->received > 150000U * (unsigned int)(r->updated_peer + 1) &&
	    !inlay_peer_update_keys(r->peer->peer, r->w->now))
		r->updated_peer++;
	if (r->t->rebind && a->received > 200000 && !r->w->nat_inside) {
		r->w->nat_inside = htons(r->t->dial ? OURS : PEER);
		r->w->nat_outside = htons(6666);
	}
}

static bool transferred(struct world *w, void *user)
{
	struct run *r = user;

	check_connected(r);
	update_keys(r);
	return app_is_done(initiator(r), r->t->loss > 0 || r->t->rebind) || r->peer->app.closed ||
	       (our_app(r) && our_app(r)->closed);
}

static bool on_wire(struct world *w, struct inlay_path *path, __u8 *data, size_t len, void *user)
{
	struct run *r = user;
	bool lost = r->carried < 32 && r->t->lose >> r->carried & 1;

	r->carried++;
	r->dropped += lost;
	r->retries += (data[0] & 0xf0) == 0xf0;
	return !lost;
}

static void start(struct run *r)
{
	struct inlay_endpoint_config config;
	struct inlay_peer_config peer = {0};

	inlay_endpoint_config_init(&config);
	config.retry = r->t->retry && !r->t->dial;
	config.handshake_timeout = peer.handshake_timeout = PATIENCE;
	config.params.max_idle_timeout = peer.params.max_idle_timeout = PATIENCE;
	config.tls = r->t->dial ? NULL : endpoint_tls_server(&tls, r->t->cipher);
	r->ours = world_add_endpoint(r->w, OURS, &config, 4);
	endpoint_tls_peer(&tls, &peer, r->t->dial);
	if (r->t->dial) {
		peer.retry = r->t->retry;
		r->peer = world_add_peer(r->w, PEER, 0, peer, (struct app){0});
		assert_int_equal(world_connect(r->ours, PEER,
					       endpoint_tls_client(&tls, r->t->cipher), "localhost",
					       client_app),
				 0);
	} else {
		r->peer = world_add_peer(r->w, PEER, OURS, peer, client_app);
	}
}

static void assert_transferred(struct run *r, bool done)
{
	const struct app *a = initiator(r);

	if (!done || a->wrong || a->finished != a->n_streams)
		fail_msg("dial %d cipher %d retry %d loss %u seed %llu: %u of %u streams, "
			 "%u datagrams, %u wrong; ours: %s 0x%llx %s; peer: %s 0x%llx %s",
			 r->t->dial, r->t->cipher, r->t->retry, r->t->loss,
			 (unsigned long long)r->t->seed, a->finished, a->n_streams, a->datagrams,
			 a->wrong, our_app(r) && our_app(r)->closed ? "closed" : "open",
			 our_app(r) ? (unsigned long long)our_app(r)->why.code : 0,
			 our_app(r) ? our_app(r)->why.text : "",
			 r->peer->app.closed ? "closed" : "open",
			 (unsigned long long)r->peer->app.why.code, r->peer->app.why.text);
	assert_int_equal(r->updated_ours, r->t->updates_ours);
	assert_int_equal(r->updated_peer, r->t->updates_peer);
	assert_true(our_app(r)->wrong == 0);
	if (!r->t->rebind)
		assert_int_equal(r->ours->seal_refused, 0);
}

/* The peer closes; we drain, and forget. */
static void assert_ends(struct run *r)
{
	struct inlay_endpoint_stats stats;

	r->w->loss = r->w->repeat = r->w->reorder = 0;
	inlay_peer_close(r->peer->peer, true, 7, "bye");
	world_pass(r->w, 10 * INLAY_S);
	assert_true(our_app(r)->closed);
	assert_true(our_app(r)->why.by_peer);
	assert_true(our_app(r)->why.application);
	assert_int_equal(our_app(r)->why.code, 7);
	inlay_endpoint_stats(r->ours->ep, &stats);
	assert_int_equal(stats.connections, 0);
	assert_int_equal(stats.handshakes, 0);
	assert_true(inlay_endpoint_is_idle(r->ours->ep));
	assert_true(inlay_endpoint_deadline(r->ours->ep) == INLAY_NEVER);
}

static void transfer(const struct transfer *t)
{
	struct run r = {.t = t, .w = world_new(t->seed)};
	struct inlay_endpoint_stats stats;
	struct inlay_ep_conn_info info;
	bool done;

	start(&r);
	r.w->hook = on_wire;
	r.w->hook_user = &r;
	r.w->loss = t->loss;
	r.w->repeat = t->repeat;
	r.w->reorder = t->reorder;
	done = world_run(r.w, transferred, &r, 300 * INLAY_S);
	assert_transferred(&r, done);
	inlay_ep_conn_info(our_app(&r)->ours, &info);
	assert_int_equal(info.cipher, t->cipher);
	inlay_endpoint_stats(r.ours->ep, &stats);
	assert_int_equal(stats.established, 1);
	assert_int_equal(r.retries > 0, t->retry);
	if (!t->dial)
		assert_int_equal(stats.retries_sent, r.retries);
	assert_ends(&r);
	world_free(r.w);
}

static const enum inlay_cipher ciphers[] = {INLAY_AES_128_GCM, INLAY_AES_256_GCM,
					    INLAY_CHACHA20_POLY1305};

static void each_cipher(void **state)
{
	for (int dial = 0; dial < 2; dial++)
		for (int i = 0; i < 3; i++)
			transfer(&(struct transfer){.dial = dial, .cipher = ciphers[i]});
}

static void after_retry(void **state)
{
	for (int dial = 0; dial < 2; dial++)
		for (int i = 0; i < 3; i++)
			transfer(&(struct transfer){
				.dial = dial, .cipher = ciphers[i], .retry = true});
}

static void key_updates(void **state)
{
	for (int dial = 0; dial < 2; dial++)
		for (int i = 0; i < 3; i++) {
			transfer(&(struct transfer){
				.dial = dial, .cipher = ciphers[i], .updates_ours = 1});
			transfer(&(struct transfer){
				.dial = dial, .cipher = ciphers[i], .updates_peer = 1});
		}
}

/* The issue's words: both roles, Retry, each cipher, key update, 10 % loss; all at once. */
static void over_loss(void **state)
{
	__u64 seeds = getenv("INLAY_FULL") ? 200 : 4;

	for (__u64 seed = 1; seed <= seeds; seed++)
		for (int dial = 0; dial < 2; dial++)
			for (int i = 0; i < 3; i++)
				transfer(&(struct transfer){
					.dial = dial,
					.cipher = ciphers[i],
					.retry = true,
					.loss = 100,
					.repeat = 20,
					.reorder = 50,
					.updates_ours = seed % 2 == 0,
					.updates_peer = seed % 2 == 1,
					.seed = seed * 3 + (__u64)i,
				});
}

/* Lost: an Initial, two Retries, an Initial; the fifth round begins after 15 s. */
static void four_lost_rounds_are_made_up_for(void **state)
{
	for (int dial = 0; dial < 2; dial++)
		transfer(&(struct transfer){
			.dial = dial, .cipher = INLAY_AES_128_GCM, .retry = true, .lose = 0x35});
}

static void nat_rebinding(void **state)
{
	transfer(&(struct transfer){.cipher = INLAY_AES_128_GCM, .rebind = true});
}

/* --- Connection IDs ------------------------------------------------------------------------- */

static enum inlay_verdict seal_to(struct node *n, struct inlay_ep_conn *c,
				  const struct inlay_cid *cid)
{
	static const __u8 payload[32];
	__u8 header[1 + INLAY_CID_MAX + 4] = {0x43}, out[128];
	__u64 pn = c->entry->next_pn++;
	struct inlay_seal_item item = {
		.header = header,
		.header_len = 1U + cid->len + 4U,
		.payload = payload,
		.payload_len = sizeof(payload),
		.dst = out,
		.dst_room = sizeof(out),
		.sa = c->tx_sa,
		.pn = pn,
		.remote = c->path.remote,
	};

	memcpy(header + 1, cid->data, cid->len);
	for (int i = 0; i < 4; i++)
		header[1 + cid->len + i] = (__u8)(pn >> (24 - 8 * i));
	n->provider->ops->seal(n->provider, &item, 1);
	return item.verdict;
}

/* What the established phase asks for reaches provider and routing. */
static void cids_reach_the_provider(void **state)
{
	const struct inlay_cid a = {.len = 4, .data = {1}};
	struct inlay_cid b = {.len = 20, .data = {2}};
	struct inlay_cid own[8], added, first;
	struct world *w = world_new(1);
	struct inlay_endpoint_config config;
	struct node *n, *peer;
	struct inlay_ep_conn *c;
	__u8 token[16];
	size_t n_own;

	n = endpoint_tls_add_server(&tls, w, &config);
	peer = endpoint_tls_add_client(&tls, w, PEER, (struct app){.initiator = true});
	world_pass(w, INLAY_S);
	assert_true(peer->app.connected);
	c = n->accepted[0]->ours;
	n_own = inlay_conn_own_cids(c->conn, own, 8);
	assert_true(n_own >= 2);
	for (size_t i = 0; i < n_own; i++) {
		assert_int_equal(n->provider->ops->cid_add(n->provider, c->rx_sa, &own[i]),
				 -EEXIST);
		assert_ptr_equal(inlay_demux_find_own(&n->ep->demux, own[i].data), c);
	}
	assert_int_equal(inlay_ep_conn_ops.cid_issue(c, &added, token), 0);
	assert_ptr_equal(inlay_demux_find_own(&n->ep->demux, added.data), c);
	inlay_ep_conn_ops.cid_retire(c, &added);
	assert_null(inlay_demux_find_own(&n->ep->demux, added.data));
	assert_int_equal(n->provider->ops->cid_del(n->provider, c->rx_sa, &added), -ENOENT);

	/* A CID that was left stays good for packets under way, until as many more have been. */
	inlay_cid_set(&first, c->entry->headers[c->entry->headers_index & 1].bytes + 1, 8);
	assert_int_equal(seal_to(n, c, &a), INLAY_WRONG_PATH);
	inlay_ep_conn_ops.peer_cid(c, &a, true);
	inlay_ep_conn_ops.peer_cid(c, &first, false);
	assert_int_equal(seal_to(n, c, &a), INLAY_OK);
	assert_int_equal(seal_to(n, c, &first), INLAY_OK);
	for (__u8 i = 0; i < INLAY_EP_PEER_LEFT; i++) {
		b.data[0] = i;
		inlay_ep_conn_ops.peer_cid(c, &b, true);
		assert_int_equal(seal_to(n, c, &first), INLAY_OK);
		inlay_ep_conn_ops.peer_cid(c, &b, false);
	}
	assert_int_equal(seal_to(n, c, &b), INLAY_OK);
	assert_int_equal(seal_to(n, c, &a), INLAY_OK);
	assert_int_equal(seal_to(n, c, &first), INLAY_WRONG_PATH);
	world_free(w);
}

/* A clear packet of the peer's, as if opened just now. */
static void recv_clear(struct node *n, struct inlay_ep_conn *c, const struct inlay_path *path,
		       __u16 port, __u64 pn, const __u8 *frames, size_t len)
{
	static struct inlay_frame f;
	struct inlay_writer w = inlay_writer_of(f.data, sizeof(f.data));

	memset(&f, 0, offsetof(struct inlay_frame, data));
	f.kind = INLAY_FRAME_CLEAR;
	f.port = port;
	f.path = *path;
	inlay_quic_put_short(&w, &c->own[0], pn, INLAY_TX_PN);
	inlay_writer_bytes(&w, frames, len);
	inlay_quic_put_desc(&w, c->rx_sa.number, c->rx_sa.generation, 0,
			    1 + INLAY_OWN_CID + INLAY_TX_PN, pn);
	f.len = (__u32)inlay_writer_len(&w);
	inlay_endpoint_recv(n->ep, &f, n->world->now);
}

/*
 * A challenge from elsewhere, by another port, is answered there, while all else goes on as before;
 * and all of that is sealed, though it waits in one ring. A packet that comes again by another port
 * changes nothing.
 */
static void other_paths_get_their_answers_alone(void **state)
{
	static const __u8 challenge[100] = {0x1a, 1, 2, 3, 4, 5, 6, 7, 8}, ping = 1, data[5000];
	static struct inlay_frame frames[32];
	struct world *w = world_new(1);
	struct inlay_endpoint_config config;
	unsigned int there = 0, here = 0;
	struct inlay_path path;
	struct inlay_ep_conn *c;
	struct node *n;
	size_t sent;
	__u64 id;

	n = endpoint_tls_add_server(&tls, w, &config);
	endpoint_tls_add_client(&tls, w, PEER, (struct app){.initiator = true});
	world_pass(w, INLAY_S);
	c = n->accepted[0]->ours;
	path = c->path;
	path.local.ip[3] = 2;
	recv_clear(n, c, &path, 1, 0, &ping, 1);
	path.remote.port = htons(9);
	recv_clear(n, c, &path, 1, 1000, challenge, sizeof(challenge));
	assert_int_equal(inlay_conn_stream_open(inlay_ep_conn_get(c), false, 1, NULL, NULL, &id),
			 0);
	inlay_conn_stream_write(inlay_ep_conn_get(c), id, data, sizeof(data), false);
	sent = inlay_endpoint_send(n->ep, frames, 32, w->now);
	for (size_t i = 0; i < sent; i++) {
		struct inlay_frame *f = &frames[i];
		struct inlay_seal_item item;
		bool elsewhere = f->path.remote.port == htons(9);

		assert_int_equal(f->port, elsewhere ? 1 : 0);
		assert_int_equal(inlay_clear_seal_item(f->data, f->len, &f->path.remote, &item),
				 INLAY_OK);
		n->provider->ops->seal(n->provider, &item, 1);
		assert_int_equal(item.verdict, INLAY_OK);
		there += elsewhere;
		here += !elsewhere;
	}
	assert_int_equal(there, 1);
	assert_true(here >= 4);
	world_free(w);
}

/* --- Turns ---------------------------------------------------------------------------------- */

/* Packets of one connection stand together, so that they can leave as one message; and each has its
 * turn before any has two. */
static void connections_send_in_turn_and_in_bursts(void **state)
{
	static struct inlay_frame frames[64];
	struct world *w = world_new(1);
	struct inlay_endpoint_config config;
	struct node *n = endpoint_tls_add_server(&tls, w, &config);
	size_t sent, runs = 0, turns[3] = {0};
	static __u8 data[40000];
	__u64 id;

	for (__u16 i = 0; i < 3; i++)
		endpoint_tls_add_client(&tls, w, PEER + i, (struct app){.initiator = true});
	world_pass(w, INLAY_S);
	assert_int_equal(n->n_accepted, 3);
	for (int i = 0; i < 3; i++) {
		struct inlay_conn *c = inlay_ep_conn_get(n->accepted[i]->ours);

		assert_int_equal(inlay_conn_stream_open(c, false, 1, NULL, NULL, &id), 0);
		assert_int_equal(inlay_conn_stream_write(c, id, data, sizeof(data), false), 0);
	}
	/* Little room: turns of what there is. */
	for (int i = 0; i < 3; i++) {
		assert_int_equal(inlay_endpoint_send(n->ep, frames, 2, w->now), 2);
		assert_int_equal(frames[0].path.remote.port, frames[1].path.remote.port);
		turns[ntohs(frames[0].path.remote.port) - PEER]++;
	}
	for (int i = 0; i < 3; i++)
		assert_int_equal(turns[i], 1);
	sent = inlay_endpoint_send(n->ep, frames, 64, w->now);
	assert_true(sent >= 12);
	for (size_t i = 0; i < sent; i++)
		runs += !i || frames[i].path.remote.port != frames[i - 1].path.remote.port;
	assert_int_equal(runs, 3);
	world_free(w);
}

/* --- Limits of keys ------------------------------------------------------------------------- */

static struct inlay_provider_event pending_event;

static size_t give_pending_event(struct inlay_provider *p, struct inlay_provider_event *events,
				 size_t n)
{
	if (!pending_event.kind)
		return 0;
	events[0] = pending_event;
	pending_event.kind = 0;
	return 1;
}

static void provider_says(struct node *n, const struct inlay_ep_conn *c,
			  enum inlay_provider_event_kind kind)
{
	pending_event = (struct inlay_provider_event){.kind = kind, .sa = c->tx_sa};
	inlay_endpoint_on_provider(n->ep, n->world->now);
}

static __u64 updates_of(struct inlay_ep_conn *c)
{
	struct inlay_conn_stats stats;

	inlay_conn_stats(inlay_ep_conn_get(c), &stats);
	return stats.key_updates;
}

/* The soft limit is told once; an update that cannot be at that moment is made up for later. The
 * hard limit ends the connection. */
static void key_limits_are_heeded(void **state)
{
	static struct inlay_provider_ops ops;
	struct world *w = world_new(1);
	struct inlay_endpoint_config config;
	struct node *n, *peer;
	struct inlay_ep_conn *c;

	n = endpoint_tls_add_server(&tls, w, &config);
	ops = *n->provider->ops;
	ops.events = give_pending_event;
	n->provider->ops = &ops;
	peer = endpoint_tls_add_client(&tls, w, PEER, (struct app){.initiator = true});
	world_pass(w, INLAY_S);
	c = n->accepted[0]->ours;
	provider_says(n, c, INLAY_EVENT_SOFT_LIMIT);
	world_step(w, w->now);
	assert_int_equal(updates_of(c), 1);
	/* Nothing is acknowledged yet: not again so soon (RFC 9001 section 6.1). */
	provider_says(n, c, INLAY_EVENT_SOFT_LIMIT);
	world_step(w, w->now);
	assert_int_equal(updates_of(c), 1);
	world_pass(w, 12 * INLAY_S);
	inlay_ep_conn_get(c);
	world_pass(w, INLAY_S);
	inlay_ep_conn_get(c);
	world_pass(w, INLAY_S);
	/* Two of ours, and the peer's following each. */
	assert_int_equal(updates_of(c), 4);
	assert_false(peer->app.closed);
	provider_says(n, c, INLAY_EVENT_HARD_LIMIT);
	world_pass(w, INLAY_S);
	assert_true(peer->app.closed);
	assert_int_equal(peer->app.why.code, INLAY_QUIC_AEAD_LIMIT_REACHED);
	assert_int_equal(n->seal_refused, 0);
	world_free(w);
}

/* --- Coalesced packets ---------------------------------------------------------------------- */

static bool keep_short(struct world *w, struct inlay_path *path, __u8 *data, size_t len, void *user)
{
	struct wire_packet *kept = user;

	if (path->local.port != htons(OURS) || data[0] & 0x80)
		return true;
	kept->len = len;
	memcpy(kept->data, data, len);
	return false;
}

/* RFC 9000 section 12.2: what does not open does not spoil what is behind it. */
static void packets_behind_one_that_does_not_open_are_taken(void **state)
{
	/* A Handshake packet of 32 bytes of noise. */
	__u8 datagram[2048] = {0xe0, 0, 0, 0, 1, INLAY_OWN_CID};
	struct wire_packet *kept = calloc(1, sizeof(*kept));
	size_t head = 6 + INLAY_OWN_CID + 3 + 32;
	struct world *w = world_new(1);
	struct inlay_endpoint_config config;
	struct node *n = endpoint_tls_add_server(&tls, w, &config), *peer;
	struct inlay_conn_stats before, after;
	struct inlay_ep_conn *c;

	assert_non_null(kept);
	peer = endpoint_tls_add_client(&tls, w, PEER, (struct app){.initiator = true});
	world_pass(w, INLAY_S);
	c = n->accepted[0]->ours;
	w->hook = keep_short;
	w->hook_user = kept;
	assert_int_equal(inlay_peer_datagram(peer->peer, datagram, 10), 0);
	world_pass(w, 10 * INLAY_MS);
	assert_true(kept->len > 0);
	w->hook = NULL;
	memcpy(datagram + 6, kept->data + 1, INLAY_OWN_CID);
	datagram[6 + INLAY_OWN_CID + 1] = 0x40;
	datagram[6 + INLAY_OWN_CID + 2] = 32;
	memcpy(datagram + head, kept->data, kept->len);
	inlay_conn_stats(inlay_ep_conn_peek(c), &before);
	world_inject(w, PEER, OURS, datagram, head + kept->len);
	world_pass(w, 0);
	inlay_conn_stats(inlay_ep_conn_peek(c), &after);
	assert_int_equal(after.packets_received, before.packets_received + 1);
	assert_int_equal(after.datagrams_received, before.datagrams_received + 1);
	free(kept);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_cipher),
		cmocka_unit_test(after_retry),
		cmocka_unit_test(key_updates),
		cmocka_unit_test(over_loss),
		cmocka_unit_test(four_lost_rounds_are_made_up_for),
		cmocka_unit_test(nat_rebinding),
		cmocka_unit_test(cids_reach_the_provider),
		cmocka_unit_test(key_limits_are_heeded),
		cmocka_unit_test(packets_behind_one_that_does_not_open_are_taken),
		cmocka_unit_test(other_paths_get_their_answers_alone),
		cmocka_unit_test(connections_send_in_turn_and_in_bursts),
	};

	return cmocka_run_group_tests_name("endpoint", tests, endpoint_tls_set_up,
					   endpoint_tls_tear_down);
}
