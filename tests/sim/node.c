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
	*n = (struct sim_node){.sim = s, .client = c, .provider = provider, .wake = INLAY_NEVER};
	n->ring_end = &n->ring;
	n->idle_since = s->now;
}

/* --- The provider ---------------------------------------------------------------------------- */

/* Packets that come before the provider knows their address or CID are opened by the endpoint. */
static struct sim_node *reading;
static size_t (*real_open)(struct inlay_provider *p, struct inlay_open_item *items, size_t n);

static size_t open_and_watch(struct inlay_provider *p, struct inlay_open_item *items, size_t n)
{
	size_t opened = real_open(p, items, n);

	for (size_t i = 0; reading && i < n; i++)
		if (items[i].verdict == INLAY_OK)
			sim_watch_opened(reading, items[i].packet, items[i].len);
	return opened;
}

void sim_node_hook(struct inlay_provider *p, struct inlay_provider_ops *ops)
{
	*ops = *p->ops;
	real_open = ops->open;
	ops->open = open_and_watch;
	p->ops = ops;
}

static struct sim_packet *take(struct sim_node *n)
{
	struct sim_packet *p = n->ring;

	if (!p)
		return NULL;
	n->ring = p->next;
	if (!n->ring)
		n->ring_end = &n->ring;
	n->n_ring--;
	return p;
}

void sim_node_drain(struct sim_node *n)
{
	struct sim_packet *p;

	while ((p = take(n)))
		sim_wire_give_back(&n->sim->wire, p);
	n->wake = INLAY_NEVER;
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

void sim_node_arrive(struct sim_node *n, struct sim_packet *p)
{
	struct sim *s = n->sim;

	if (n->n_ring == RING || !open_packet(n, p)) {
		sim_wire_give_back(&s->wire, p);
		return;
	}
	p->next = NULL;
	*n->ring_end = p;
	n->ring_end = &p->next;
	if (n->n_ring++ == 0)
		n->wake = s->now +
			  (s->plan.ring_delay ? seeded_below(&s->rng, s->plan.ring_delay) : 0);
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

static void read_ring(struct sim_node *n)
{
	static struct inlay_frame f;
	struct sim *s = n->sim;
	struct sim_packet *p;
	__u64 before;

	while ((p = take(n))) {
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
	n->wake = INLAY_NEVER;
}

inlay_ns sim_node_deadline(const struct sim_node *n)
{
	inlay_ns at = n->ep ? inlay_endpoint_deadline(n->ep) : INLAY_NEVER;

	return at < n->wake ? at : n->wake;
}

bool sim_node_turn(struct sim_node *n)
{
	inlay_ns now = n->sim->now;
	bool read = n->wake <= now;

	if (!n->ep || sim_node_deadline(n) > now)
		return false;
	if (read)
		read_ring(n);
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
	sim_watch_sent(n, f);
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
	if (n->idle_turns > IDLE_TURNS)
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
