/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An endpoint of ours with what the data thread does around it: packets are opened as they arrive
 * and wait in a ring until the engine reads them; what the engine sends is sealed and put on the
 * wire.
 */
#include <stdlib.h>
#include <string.h>

#include "clear.h"
#include "sim.h"

#define RING	   256 /* packets */
#define MAX_BURSTS 20000
#define IDLE_TURNS 500 /* a second: timers that fire and lead to nothing */

void sim_node_init(struct sim_node *n, struct sim *s, struct sim_client *c,
		   struct inlay_provider *provider)
{
	*n = (struct sim_node){.sim = s, .client = c, .provider = provider};
	for (int i = 0; i < SIM_RINGS; i++) {
		n->rings[i].end = &n->rings[i].first;
		n->rings[i].wake = INLAY_NEVER;
	}
	n->idle_since = s->now;
}

/* --- The provider ---------------------------------------------------------------------------- */

/* Packets that come before the provider knows their address or CID are opened by the endpoint. */
static struct sim_node *reading;
static struct sim *world;
static size_t (*real_open)(struct inlay_provider *p, struct inlay_open_item *items, size_t n);
static size_t (*real_seal)(struct inlay_provider *p, struct inlay_seal_item *items, size_t n);

static size_t open_and_watch(struct inlay_provider *p, struct inlay_open_item *items, size_t n)
{
	size_t opened = real_open(p, items, n);

	for (size_t i = 0; reading && i < n; i++)
		if (items[i].verdict == INLAY_OK)
			sim_watch_opened(reading, items[i].packet, items[i].len);
	return opened;
}

/* Whoever seals does it here: the endpoint, or a forwarder. */
static size_t seal_and_watch(struct inlay_provider *p, struct inlay_seal_item *items, size_t n)
{
	bool relay = world && p == sim_tls_provider(world->tls, true);
	size_t sealed;

	for (size_t i = 0; world && i < n; i++)
		sim_flows_sealing(world, relay, &items[i]);
	sealed = real_seal(p, items, n);
	for (size_t i = 0; world && i < n; i++)
		if (items[i].verdict == INLAY_OK)
			sim_flows_sealed(world, relay, &items[i]);
	return sealed;
}

void sim_node_hook(struct inlay_provider *p, struct inlay_provider_ops *ops)
{
	*ops = *p->ops;
	real_open = ops->open;
	real_seal = ops->seal;
	ops->open = open_and_watch;
	ops->seal = seal_and_watch;
	p->ops = ops;
}

void sim_node_tell(struct sim *s)
{
	world = s;
}

static struct sim_packet *take(struct sim_ring *r)
{
	struct sim_packet *p = r->first;

	if (!p)
		return NULL;
	r->first = p->next;
	if (!r->first)
		r->end = &r->first;
	r->n--;
	return p;
}

void sim_node_drain(struct sim_node *n)
{
	struct sim_packet *p;

	for (int i = 0; i < SIM_RINGS; i++) {
		while ((p = take(&n->rings[i])))
			sim_wire_give_back(&n->sim->wire, p);
		n->rings[i].wake = INLAY_NEVER;
	}
}

/* --- In -------------------------------------------------------------------------------------- */

/* False: it is dropped. |p->order| becomes the frame's kind. */
static bool open_packet(struct sim_node *n, struct sim_packet *p)
{
	struct inlay_open_item item = {.packet = p->data, .len = p->len, .local = p->path.local};

	p->order = INLAY_FRAME_SEALED;
	if (p->len == 0 || p->data[0] & 0x80)
		return p->len > 0;
	n->provider->ops->open(n->provider, &item, 1);
	if (item.verdict == INLAY_NO_SA) {
		p->order = INLAY_FRAME_UNKNOWN;
		return true;
	}
	if (item.verdict != INLAY_OK)
		return false;
	p->order = INLAY_FRAME_CLEAR;
	p->data[p->len - INLAY_TAG + offsetof(struct inlay_desc, flags)] |=
		(__u8)(p->ecn << INLAY_DESC_ECN_SHIFT) & INLAY_DESC_ECN_MASK;
	return true;
}

static struct sim_ring *ring_of(struct sim_node *n, const struct sim_packet *p)
{
	const struct sim_place *place = n->client ? NULL : sim_wire_place(n->sim, &p->path.remote);

	return &n->rings[place ? (__u32)place->client->index % n->sim->plan.n_rings : 0];
}

/* False: it found no room. */
static bool push(struct sim_node *n, struct sim_packet *p)
{
	struct sim_ring *r = ring_of(n, p);
	struct sim *s = n->sim;
	inlay_ns delay = n->client || !s->plan.lag ? s->plan.ring_delay : s->plan.lag;

	if (r->n == RING)
		return false;
	if (!n->client && s->plan.overflow_ppm &&
	    seeded_below(&s->rng, 1000000) < s->plan.overflow_ppm)
		return false;
	p->next = NULL;
	*r->end = p;
	r->end = &p->next;
	if (r->n++ == 0)
		r->wake = s->now + (delay ? seeded_below(&s->rng, delay) : 0);
	return true;
}

void sim_node_arrive(struct sim_node *n, struct sim_packet *p)
{
	bool opened = open_packet(n, p);

	/* Whatever becomes of the original. */
	if (opened && !n->client && p->order == INLAY_FRAME_CLEAR)
		sim_fast_opened(n->sim->fast, p);
	if (!opened || !push(n, p))
		sim_wire_give_back(&n->sim->wire, p);
}

/* Packets that keep a client's connection from being idle. */
static __u64 n_processed(const struct sim_node *n)
{
	const struct inlay_conn *c =
		n->client && n->client->conn ? inlay_ep_conn_peek(n->client->conn) : NULL;
	struct inlay_conn_stats stats;

	if (!c)
		return 0;
	inlay_conn_stats(c, &stats);
	return stats.packets_received - stats.duplicates;
}

static void read_ring(struct sim_node *n, struct sim_ring *r)
{
	static struct inlay_frame f;
	struct sim *s = n->sim;
	struct sim_packet *p;
	__u64 before;

	while ((p = take(r))) {
		memset(&f, 0, offsetof(struct inlay_frame, data));
		f.len = p->len;
		f.kind = (__u8)p->order;
		f.ecn = p->ecn;
		f.path = p->path;
		f.time = s->now;
		memcpy(f.data, p->data, p->len);
		if (f.kind == INLAY_FRAME_CLEAR)
			sim_watch_opened(n, f.data, f.len);
		before = n_processed(n);
		reading = n;
		inlay_endpoint_recv(n->ep, &f, s->now);
		reading = NULL;
		if (n->client && n_processed(n) > before)
			n->client->last_arrival = s->now;
		sim_wire_give_back(&s->wire, p);
	}
	r->wake = INLAY_NEVER;
}

inlay_ns sim_node_wake(const struct sim_node *n)
{
	inlay_ns at = INLAY_NEVER;

	for (int i = 0; i < SIM_RINGS; i++)
		at = n->rings[i].wake < at ? n->rings[i].wake : at;
	return at;
}

inlay_ns sim_node_deadline(const struct sim_node *n)
{
	inlay_ns at = n->ep ? inlay_endpoint_deadline(n->ep) : INLAY_NEVER;
	inlay_ns wake = sim_node_wake(n);

	return at < wake ? at : wake;
}

bool sim_node_turn(struct sim_node *n)
{
	inlay_ns now = n->sim->now;
	bool read = sim_node_wake(n) <= now;

	if (!n->ep || sim_node_deadline(n) > now)
		return false;
	for (int i = 0; i < SIM_RINGS; i++)
		if (n->rings[i].wake <= now)
			read_ring(n, &n->rings[i]);
	if (inlay_endpoint_deadline(n->ep) <= now)
		inlay_endpoint_on_timer(n->ep, now);
	inlay_endpoint_on_provider(n->ep, now);
	n->touched = true;
	n->turns++;
	n->idle_turns += !read; /* until flush() finds something to send */
	return true;
}

/* --- Out ------------------------------------------------------------------------------------- */

static bool seal(struct sim_node *n, struct inlay_frame *f)
{
	struct inlay_seal_item item;

	if (f->kind != INLAY_FRAME_CLEAR) {
		if (n->sim->packets)
			sim_trace(n->sim, "  %s sends %s, %u bytes",
				  n->client ? "a client" : "the relay",
				  f->data[0] & 0x80 ? "a long header" : "a reset", f->len);
		return true;
	}
	if (inlay_clear_seal_item(f->data, f->len, &f->path.remote, &item) != INLAY_OK) {
		sim_fail(n->sim, "the engine made something that is no clear packet");
		return false;
	}
	return n->provider->ops->seal(n->provider, &item, 1) == 1;
}

static __u8 ecn_of(const struct inlay_frame *f)
{
	__u8 flags = f->data[f->len - INLAY_TAG + offsetof(struct inlay_desc, flags)];

	if (f->kind != INLAY_FRAME_CLEAR)
		return f->ecn;
	return (flags & INLAY_DESC_ECN_MASK) >> INLAY_DESC_ECN_SHIFT;
}

static void send_frame(struct sim_node *n, struct inlay_frame *f)
{
	__u8 ecn = ecn_of(f);

	/* A packet that the provider refuses is lost: its SA is gone, or has moved on. */
	if (!seal(n, f))
		return;
	if (n->client)
		sim_wire_up(n->client, &f->path.local, f->data, f->len, ecn);
	else
		sim_wire_down(n->sim, &f->path.remote, f->data, f->len, ecn);
}

static void check_spin(struct sim_node *n, bool sent)
{
	struct sim *s = n->sim;

	if (sent && n->idle_turns > 0)
		n->idle_turns--;
	if (s->now - n->idle_since < INLAY_S)
		return;
	/* For a forwarder each connection may look at its pace, or for quiet, every millisecond. */
	if (n->idle_turns > IDLE_TURNS + (s->plan.forward ? 1000 * s->plan.n_clients : 0))
		sim_fail(s, "%s wakes up %llu times in a second for nothing",
			 n->client ? "a client" : "the relay", (unsigned long long)n->idle_turns);
	n->idle_turns = 0;
	n->idle_since = s->now;
}

void sim_node_flush(struct sim_node *n)
{
	static struct inlay_frame frames[32];
	struct sim *s = n->sim;
	size_t len, total = 0;
	int bursts = 0;

	if (!n->touched || !n->ep)
		return;
	n->touched = false;
	do {
		len = inlay_endpoint_send(n->ep, frames, s->plan.burst, s->now);
		for (size_t i = 0; i < len && !s->failed; i++)
			send_frame(n, &frames[i]);
		total += len;
	} while (len == s->plan.burst && ++bursts < MAX_BURSTS && !s->failed);
	if (bursts == MAX_BURSTS)
		sim_fail(s, "%s sends without end", n->client ? "a client" : "the relay");
	check_spin(n, total > 0);
}
