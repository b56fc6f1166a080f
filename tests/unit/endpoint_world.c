/* SPDX-License-Identifier: BSD-2-Clause */
#include "endpoint_world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clear.h"

/* --- The application ------------------------------------------------------------------------ */

static __u8 pattern(__u8 tag, __u64 offset)
{
	return offset ? (__u8)(offset * 31 + tag * 7 + (offset >> 8)) : tag;
}

static int open_stream(struct app *a, bool bidi, __u64 *ret_id)
{
	if (a->peer)
		return inlay_peer_stream_open(a->peer, bidi, 1, NULL, NULL, ret_id);
	return inlay_conn_stream_open(inlay_ep_conn_get(a->ours), bidi, 1, NULL, NULL, ret_id);
}

static int write_stream(struct app *a, __u64 id, const __u8 *data, size_t len, bool fin)
{
	if (a->peer)
		return inlay_peer_stream_write(a->peer, id, data, len, fin);
	return inlay_conn_stream_write(inlay_ep_conn_get(a->ours), id, data, len, fin);
}

static void consume(struct app *a, __u64 id, size_t bytes)
{
	if (a->peer)
		inlay_peer_stream_consume(a->peer, id, bytes);
	else
		inlay_conn_stream_consume(inlay_ep_conn_get(a->ours), id, bytes);
}

static int send_datagram(struct app *a, const __u8 *data, size_t len)
{
	if (a->peer)
		return inlay_peer_datagram(a->peer, data, len);
	return inlay_conn_datagram(inlay_ep_conn_get(a->ours), &(struct inlay_datagram_order){0},
				   data, len);
}

static void initiate(struct app *a)
{
	__u8 *data = malloc(a->bytes), datagram[100];
	__u64 id;

	if (!data)
		abort();
	for (unsigned int k = 0; k < a->n_streams; k++) {
		for (size_t i = 0; i < a->bytes; i++)
			data[i] = pattern((__u8)k, i);
		if (open_stream(a, k % 2 == 0, &id) || write_stream(a, id, data, a->bytes, true))
			a->wrong++;
	}
	free(data);
	for (unsigned int k = 0; k < a->n_datagrams; k++) {
		memset(datagram, (int)k, sizeof(datagram));
		if (send_datagram(a, datagram, sizeof(datagram)))
			a->wrong++;
	}
}

static struct app_stream *stream_of(struct app *a, __u64 id)
{
	for (int i = 0; i < WORLD_STREAMS; i++)
		if (a->in[i].used && a->in[i].id == id)
			return &a->in[i];
	for (int i = 0; i < WORLD_STREAMS; i++)
		if (!a->in[i].used) {
			a->in[i] = (struct app_stream){.used = true, .id = id};
			return &a->in[i];
		}
	abort();
}

static void check(struct app *a, struct app_stream *s, const __u8 *data, size_t len, bool fin)
{
	for (size_t i = 0; i < len; i++, s->received++) {
		if (!s->received)
			s->tag = data[i];
		a->wrong += data[i] != pattern(s->tag, s->received);
	}
	if (!fin)
		return;
	if (s->received == a->bytes && s->tag < a->n_streams && !s->ended)
		a->finished++;
	else
		a->wrong++;
	s->ended = true;
}

static void send_back(struct app *a, struct app_stream *s, const __u8 *data, size_t len, bool fin)
{
	if (!s->has_reply) {
		s->has_reply = true;
		s->reply_id = s->id;
		if (s->id & 2 && open_stream(a, false, &s->reply_id))
			a->wrong++;
	}
	if (write_stream(a, s->reply_id, data, len, fin))
		a->wrong++;
	if (fin)
		s->used = false;
}

static void on_stream_data(void *user, __u64 id, const __u8 *data, size_t len, bool fin)
{
	struct app *a = user;
	struct app_stream *s = stream_of(a, id);

	a->received += len;
	if (a->initiator)
		check(a, s, data, len, fin);
	else
		send_back(a, s, data, len, fin);
	consume(a, id, len);
}

static void on_datagram(void *user, const __u8 *data, size_t len)
{
	struct app *a = user;

	a->datagrams++;
	for (size_t i = 1; i < len; i++)
		a->wrong += data[i] != data[0];
	if (!a->initiator)
		send_datagram(a, data, len);
}

static void on_closed(void *user, const struct inlay_close_reason *why)
{
	struct app *a = user;

	if (a->closed)
		a->wrong++; /* once */
	a->closed = true;
	a->why = *why;
	a->ours = NULL;
}

static void on_peer_connected(void *user)
{
	struct app *a = user;

	a->connected = true;
	if (a->initiator)
		initiate(a);
}

static const struct inlay_peer_ops peer_ops = {
	.on_connected = on_peer_connected,
	.on_stream_data = on_stream_data,
	.on_datagram = on_datagram,
	.on_closed = on_closed,
};

static const struct inlay_conn_ops conn_ops = {
	.on_stream_data = on_stream_data,
	.on_datagram = on_datagram,
	.on_closed = on_closed,
};

static const struct inlay_conn_ops *on_connection(void *user, struct inlay_ep_conn *c,
						  const struct inlay_handover *h, void **ret_user)
{
	struct node *n = user;
	struct app *a = inlay_ep_conn_dial_user(c);

	if (n->refuse)
		return NULL;
	if (!a) {
		a = calloc(1, sizeof(*a));
		if (!a || n->n_accepted == WORLD_NODES)
			abort();
		n->accepted[n->n_accepted++] = a;
	}
	a->ours = c;
	a->connected = true;
	*ret_user = a;
	if (a->initiator)
		initiate(a);
	return &conn_ops;
}

static void on_failed(void *user, struct inlay_ep_conn *c,
		      const struct inlay_handshake_failure *why)
{
	struct app *a = inlay_ep_conn_dial_user(c);
	struct node *n = user;

	n->n_failed++;
	if (!a)
		return;
	a->failed = true;
	memcpy(a->failure, why->text, sizeof(a->failure));
}

static const struct inlay_endpoint_ops endpoint_ops = {
	.on_connection = on_connection,
	.on_failed = on_failed,
};

void app_again(struct app *a)
{
	memset(a->in, 0, sizeof(a->in));
	a->finished = 0;
	initiate(a);
}

bool app_is_done(const struct app *a, bool some_lost)
{
	return a->connected && a->finished == a->n_streams &&
	       (some_lost || a->datagrams == a->n_datagrams);
}

bool world_is_done(struct world *w, void *user)
{
	const struct node *n = user;

	return app_is_done(&n->app, false) || n->app.closed;
}

/* --- Nodes ---------------------------------------------------------------------------------- */

static struct inlay_addr address(__u16 port)
{
	return (struct inlay_addr){.family = AF_INET, .port = htons(port), .ip = {127, 0, 0, 1}};
}

__u64 world_random(struct world *w)
{
	w->random ^= w->random >> 12;
	w->random ^= w->random << 25;
	w->random ^= w->random >> 27;
	return w->random * 0x2545f4914f6cdd1dULL;
}

static bool chance(struct world *w, unsigned int per_mille)
{
	return (world_random(w) >> 33) % 1000 < per_mille;
}

struct world *world_new(__u64 seed)
{
	struct world *w = calloc(1, sizeof(*w));

	if (!w)
		abort();
	w->now = 100 * INLAY_S;
	w->delay = 10 * INLAY_MS;
	w->random = seed * 2 + 1;
	link_init(&w->link, &(struct link_settings){0}, seed);
	return w;
}

static struct node *add_node(struct world *w, __u16 port)
{
	struct node *n = calloc(1, sizeof(*n));

	if (!n || w->n_nodes == WORLD_NODES)
		abort();
	n->world = w;
	n->addr = address(port);
	w->nodes[w->n_nodes++] = n;
	return n;
}

struct inlay_addr world_add_address(struct node *n)
{
	struct inlay_addr a = n->addr;

	if (n->n_others == WORLD_OTHERS)
		abort();
	a.port = htons((__u16)(ntohs(a.port) + 1000 * (n->n_others + 1)));
	a.ip[2] = (__u8)(n->n_others + 1);
	n->others[n->n_others++] = a;
	return a;
}

static void start_endpoint(struct node *n, struct inlay_endpoint_config *config)
{
	config->provider = n->provider;
	config->keystore = n->keystore;
	config->ops = &endpoint_ops;
	config->user = n;
	if (inlay_endpoint_new(config, n->world->now, &n->ep))
		abort();
}

struct node *world_add_endpoint(struct world *w, __u16 port, struct inlay_endpoint_config *config,
				__u32 max_connections)
{
	struct inlay_provider_local_config provider = {
		.max_sa = 2 * max_connections, .max_cids = INLAY_CONN_CIDS * max_connections};
	struct node *n = add_node(w, port);

	n->provider = inlay_provider_local_new(&provider);
	n->keystore = inlay_keystore_new(max_connections);
	if (!n->provider || !n->keystore)
		abort();
	start_endpoint(n, config);
	return n;
}

void world_restart_endpoint(struct node *n, struct inlay_endpoint_config *config)
{
	inlay_endpoint_free(n->ep);
	start_endpoint(n, config);
}

struct node *world_add_peer(struct world *w, __u16 port, __u16 to, struct inlay_peer_config config,
			    struct app app)
{
	struct node *n = add_node(w, port);

	n->app = app;
	config.path.local = n->addr;
	if (to)
		config.path.remote = address(to);
	n->peer_remote = config.path.remote;
	config.ops = &peer_ops;
	config.user = &n->app;
	if (inlay_peer_new(&config, w->now, &n->peer))
		abort();
	n->app.peer = n->peer;
	return n;
}

static void free_node(struct node *n)
{
	inlay_peer_free(n->peer);
	inlay_endpoint_free(n->ep);
	if (n->provider)
		n->provider->ops->free(n->provider);
	inlay_keystore_free(n->keystore);
	for (unsigned int i = 0; i < n->n_accepted; i++)
		free(n->accepted[i]);
	free(n);
}

void world_remove(struct node *n)
{
	struct world *w = n->world;

	for (unsigned int i = 0; i < w->n_nodes; i++)
		if (w->nodes[i] == n)
			w->nodes[i] = w->nodes[--w->n_nodes];
	free_node(n);
}

void world_free(struct world *w)
{
	struct wire_packet *p;

	while (w->n_nodes)
		free_node(w->nodes[--w->n_nodes]);
	while ((p = w->wire)) {
		w->wire = p->next;
		free(p);
	}
	free(w);
}

int world_connect(struct node *n, __u16 to, struct inlay_tls *tls, const char *host, struct app app)
{
	struct inlay_endpoint_dial dial = {
		.tls = tls,
		.host = host,
		.path = {.local = n->addr, .remote = address(to)},
		.user = &n->app,
	};
	struct inlay_ep_conn *c;

	n->app = app;
	return inlay_endpoint_connect(n->ep, &dial, n->world->now, &c);
}

/* --- The wire ------------------------------------------------------------------------------- */

static void put_on_wire(struct world *w, const struct inlay_path *path, const __u8 *data,
			size_t len, __u8 ecn, inlay_ns at)
{
	struct wire_packet *p = malloc(sizeof(*p)), **place = &w->wire;

	if (!p || len > sizeof(p->data))
		abort();
	p->at = at;
	p->path = *path;
	p->ecn = ecn;
	p->len = len;
	memcpy(p->data, data, len);
	while (*place && (*place)->at <= at)
		place = &(*place)->next;
	p->next = *place;
	*place = p;
}

static void translate(const struct world *w, struct inlay_path *seen)
{
	if (!w->nat_inside)
		return;
	if (seen->remote.port == w->nat_inside)
		seen->remote.port = w->nat_outside;
	if (seen->local.port == w->nat_outside)
		seen->local.port = w->nat_inside;
}

/* Tests change the world's settings as they go. */
static void set_link(struct world *w)
{
	w->link.settings = (struct link_settings){
		.delay = w->delay,
		.loss_ppm = w->loss * 1000,
		.reorder_ppm = w->reorder * 1000,
		.reorder_delay = 4 * w->delay,
		.duplicate_ppm = w->repeat * 1000,
		.mtu = w->mtu,
		.bleach_ecn = w->bleach_ecn,
	};
}

static void carry(struct node *n, const struct inlay_path *path, __u8 *data, size_t len, __u8 ecn)
{
	struct inlay_path seen = {.local = path->remote, .remote = path->local};
	struct world *w = n->world;
	struct link_arrival a;

	n->sent++;
	n->sent_ecn[ecn]++;
	translate(w, &seen);
	if (w->hook && !w->hook(w, &seen, data, len, w->hook_user))
		return;
	if (ecn && chance(w, w->mark))
		ecn = INLAY_ECN_CE;
	set_link(w);
	a = link_carry(&w->link, len, ecn, w->now);
	for (unsigned int i = 0; i < a.n; i++)
		put_on_wire(w, &seen, data, len, a.ecn, a.at[i]);
}

void world_inject(struct world *w, __u16 from, __u16 to, const __u8 *data, size_t len)
{
	struct inlay_path path = {.local = address(to), .remote = address(from)};

	put_on_wire(w, &path, data, len, INLAY_ECN_NOT_ECT, w->now);
}

/* As the data thread does. */
static void send_frame(struct node *n, struct inlay_frame *f)
{
	struct inlay_seal_item item;
	__u8 flags = f->data[f->len - INLAY_TAG + offsetof(struct inlay_desc, flags)];

	n->sent_reset += f->kind == INLAY_FRAME_UNKNOWN;
	if (f->kind == INLAY_FRAME_CLEAR &&
	    (inlay_clear_seal_item(f->data, f->len, &f->path.remote, &item) != INLAY_OK ||
	     n->provider->ops->seal(n->provider, &item, 1) != 1)) {
		n->seal_refused++;
		return;
	}
	if (f->kind == INLAY_FRAME_CLEAR)
		f->ecn = (flags & INLAY_DESC_ECN_MASK) >> INLAY_DESC_ECN_SHIFT;
	carry(n, &f->path, f->data, f->len, f->ecn);
}

static void flush(struct node *n)
{
	static struct inlay_frame frames[3];
	struct inlay_path path;
	__u8 buf[WORLD_PACKET];
	size_t len;

	while (n->ep && (len = inlay_endpoint_send(n->ep, frames, 3, n->world->now)))
		for (size_t i = 0; i < len; i++)
			send_frame(n, &frames[i]);
	while (n->peer &&
	       (len = inlay_peer_send_by(n->peer, buf, sizeof(buf), &path, n->world->now))) {
		if (!path.remote.family)
			path = (struct inlay_path){.local = n->addr, .remote = n->peer_remote};
		carry(n, &path, buf, len, inlay_peer_mark(n->peer));
	}
}

/* What the data thread makes of it; 0: nothing. */
static __u8 kind_of(__u8 verdict)
{
	switch (verdict) {
	case INLAY_OK:
	case INLAY_RESERVED_BITS:
		return INLAY_FRAME_CLEAR;
	case INLAY_NO_SA:
		return INLAY_FRAME_UNKNOWN;
	case INLAY_AUTH_FAILED:
		return INLAY_FRAME_FORGED;
	default:
		return 0;
	}
}

static void receive(struct node *n, struct wire_packet *p)
{
	static struct inlay_frame f;
	struct inlay_open_item item = {.packet = f.data, .len = p->len, .local = p->path.local};

	if (n->peer) {
		n->peer_remote = p->path.remote;
		inlay_peer_set_mark(n->peer, p->ecn);
		inlay_peer_recv(n->peer, &p->path, p->data, p->len, n->world->now);
		return;
	}
	if (p->len > sizeof(f.data))
		return;
	memset(&f, 0, offsetof(struct inlay_frame, data));
	f.len = (__u32)p->len;
	f.path = p->path;
	f.time = n->world->now;
	f.ecn = p->ecn;
	memcpy(f.data, p->data, p->len);
	f.kind = INLAY_FRAME_SEALED;
	if (p->len && !(f.data[0] & 0x80)) {
		n->provider->ops->open(n->provider, &item, 1);
		n->open_refused += item.verdict != INLAY_OK && item.verdict != INLAY_NO_SA;
		f.kind = kind_of(item.verdict);
		if (!f.kind)
			return;
		if (f.kind == INLAY_FRAME_CLEAR)
			f.data[f.len - INLAY_TAG + offsetof(struct inlay_desc, flags)] |=
				(__u8)(f.ecn << INLAY_DESC_ECN_SHIFT);
	}
	inlay_endpoint_recv(n->ep, &f, n->world->now);
}

static struct node *node_at(struct world *w, __be16 port)
{
	for (unsigned int i = 0; i < w->n_nodes; i++) {
		struct node *n = w->nodes[i];

		if (n->addr.port == port)
			return n;
		for (unsigned int k = 0; k < n->n_others; k++)
			if (n->others[k].port == port)
				return n;
	}
	return NULL;
}

static inlay_ns deadline_of(const struct node *n)
{
	return n->peer ? inlay_peer_deadline(n->peer) : inlay_endpoint_deadline(n->ep);
}

static void run_timers(struct node *n)
{
	if (deadline_of(n) > n->world->now)
		return;
	if (n->peer)
		inlay_peer_on_timer(n->peer, n->world->now);
	else
		inlay_endpoint_on_timer(n->ep, n->world->now);
}

bool world_step(struct world *w, inlay_ns until)
{
	inlay_ns next = until + 1;
	struct wire_packet *p;
	struct node *n;

	for (unsigned int i = 0; i < w->n_nodes; i++)
		flush(w->nodes[i]);
	for (unsigned int i = 0; i < w->n_nodes; i++)
		if (deadline_of(w->nodes[i]) < next)
			next = deadline_of(w->nodes[i]);
	if (w->wire && w->wire->at < next)
		next = w->wire->at;
	if (next > until) {
		w->now = until;
		return false;
	}
	if (next > w->now)
		w->now = next;
	while ((p = w->wire) && p->at <= w->now) {
		w->wire = p->next;
		n = node_at(w, p->path.local.port);
		if (n)
			receive(n, p);
		free(p);
	}
	for (unsigned int i = 0; i < w->n_nodes; i++)
		run_timers(w->nodes[i]);
	return true;
}

bool world_run(struct world *w, bool (*done)(struct world *w, void *user), void *user,
	       inlay_ns limit)
{
	inlay_ns until = w->now + limit;

	while (!done(w, user))
		if (!world_step(w, until))
			return done(w, user);
	return true;
}

void world_pass(struct world *w, inlay_ns time)
{
	inlay_ns until = w->now + time;

	while (world_step(w, until))
		;
}
