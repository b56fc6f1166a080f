/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packets under way, by time of arrival, and the NAT of every client: the relay sees a client at a
 * place, and what goes to a place that the NAT has forgotten is lost.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

#define FIRST_PORT 10000

const struct inlay_addr sim_relay_addr = {
	.family = AF_INET, .port = __builtin_bswap16(4433), .ip = {198, 51, 100, 1}};

static bool is_before(const struct sim_packet *a, const struct sim_packet *b)
{
	return a->at < b->at || (a->at == b->at && a->order < b->order);
}

static void push(struct sim_wire *w, struct sim_packet *p)
{
	size_t i = w->n;

	if (w->n == w->room) {
		w->room = w->room ? 2 * w->room : 256;
		w->heap = realloc(w->heap, w->room * sizeof(struct sim_packet *));
		if (!w->heap)
			abort();
	}
	for (w->n++; i && is_before(p, w->heap[(i - 1) / 2]); i = (i - 1) / 2)
		w->heap[i] = w->heap[(i - 1) / 2];
	w->heap[i] = p;
}

static struct sim_packet *pop(struct sim_wire *w)
{
	struct sim_packet *first = w->heap[0], *p = w->heap[--w->n];
	size_t i = 0, child;

	for (; (child = 2 * i + 1) < w->n; i = child) {
		if (child + 1 < w->n && is_before(w->heap[child + 1], w->heap[child]))
			child++;
		if (!is_before(w->heap[child], p))
			break;
		w->heap[i] = w->heap[child];
	}
	w->heap[i] = p;
	return first;
}

static struct sim_packet *new_packet(struct sim_wire *w)
{
	struct sim_packet *p = w->pool;

	if (p)
		w->pool = p->next;
	else
		p = malloc(sizeof(*p));
	if (!p)
		abort();
	return p;
}

void sim_wire_give_back(struct sim_wire *w, struct sim_packet *p)
{
	p->next = w->pool;
	w->pool = p;
}

void sim_wire_trim(struct sim_wire *w)
{
	struct sim_packet *p;

	while ((p = w->pool)) {
		w->pool = p->next;
		free(p);
	}
}

void sim_wire_fini(struct sim_wire *w)
{
	while (w->n)
		free(w->heap[--w->n]);
	sim_wire_trim(w);
	free(w->heap);
	free(w->places);
}

inlay_ns sim_wire_next(const struct sim_wire *w)
{
	return w->n ? w->heap[0]->at : INLAY_NEVER;
}

static void carry(struct sim *s, struct emulated_link *l, struct sim_client *to,
		  const struct inlay_path *path, const __u8 *data, size_t len, __u8 ecn)
{
	struct link_arrival a = link_carry(l, len, ecn, s->now);

	/* Somebody on the path sends it again when nobody expects it any more. */
	if (a.n == 1 && s->plan.replay_ppm && seeded_below(&s->rng, 1000000) < s->plan.replay_ppm) {
		a.at[1] = a.at[0] + sim_between(&s->rng, 1, 3000) * INLAY_MS;
		a.n = 2;
	}
	s->wire.carried++;
	s->wire.dropped += a.n == 0;
	for (unsigned int i = 0; i < a.n; i++) {
		struct sim_packet *p = new_packet(&s->wire);

		p->at = a.at[i];
		p->order = s->wire.order++;
		p->to = to;
		p->path = *path;
		p->ecn = a.ecn;
		p->in_vain = a.n > 1 && (i ? a.at[1] >= a.at[0] : a.at[0] > a.at[1]);
		p->len = (__u32)len;
		memcpy(p->data, data, len);
		if (s->plan.damage_ppm && seeded_below(&s->rng, 1000000) < s->plan.damage_ppm) {
			p->data[seeded_below(&s->rng, len)] ^= 1U << seeded_below(&s->rng, 8);
			p->in_vain = true;
		}
		push(&s->wire, p);
	}
}

struct sim_place *sim_wire_place(struct sim *s, const struct inlay_addr *addr)
{
	__u32 i = (__u32)ntohs(addr->port) - FIRST_PORT;

	return i < SIM_PLACES && i < s->wire.n_places ? &s->wire.places[i] : NULL;
}

void sim_wire_move(struct sim_client *c, __u32 way)
{
	struct sim *s = c->sim;
	struct sim_wire *w = &s->wire;
	struct sim_way *y = &c->ways[way];
	struct sim_place *p;
	__u32 i;

	if (!w->places)
		w->places = calloc(SIM_PLACES, sizeof(*w->places));
	if (!w->places)
		abort();
	if (y->place)
		y->place->gone = true;
	i = w->n_places++ % SIM_PLACES; /* after so many nobody remembers the first */
	p = &w->places[i];
	*p = (struct sim_place){.client = c, .life = c->life, .inside = y->inside};
	/* Another network inside has another address outside. */
	p->addr = (struct inlay_addr){.family = AF_INET,
				      .port = htons((__u16)(FIRST_PORT + i)),
				      .ip = {192, 0, 2 + y->inside.ip[2], (__u8)(1 + c->index)}};
	y->place = p;
	c->way = way;
}

void sim_wire_down(struct sim *s, const struct inlay_addr *remote, const __u8 *data, size_t len,
		   __u8 ecn)
{
	struct sim_place *p = sim_wire_place(s, remote);
	struct inlay_path path;

	if (!p || memcmp(&p->addr, remote, sizeof(*remote))) {
		sim_fail(s, "the relay sends to an address that nobody ever had");
		return;
	}
	sim_watch_down(s, p, len);
	if (p->gone)
		return;
	path.local = p->inside;
	path.remote = sim_relay_addr;
	carry(s, &p->client->down, p->client, &path, data, len, ecn);
}

void sim_wire_up(struct sim_client *c, const struct inlay_addr *local, const __u8 *data, size_t len,
		 __u8 ecn)
{
	struct inlay_path path = {.local = sim_relay_addr};
	__u32 i = c->way;

	if (local->family)
		for (i = 0; i < c->n_ways; i++)
			if (!memcmp(&c->ways[i].inside, local, sizeof(*local)))
				break;
	if (i == c->n_ways) /* that socket is closed */
		return;
	path.remote = c->ways[i].place->addr;
	carry(c->sim, &c->up, NULL, &path, data, len, ecn);
}

struct sim_packet *sim_wire_take(struct sim *s)
{
	struct sim_packet *p;

	if (sim_wire_next(&s->wire) > s->now)
		return NULL;
	p = pop(&s->wire);
	if (!p->to)
		sim_watch_up(s, sim_wire_place(s, &p->path.remote), p->data, p->len);
	return p;
}
