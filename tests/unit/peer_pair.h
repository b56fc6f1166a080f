/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two peers on libngtcp2 in memory, with a link between them that loses, delays and repeats
 * datagrams by a seed. Time is the link's own and moves from event to event.
 */
#ifndef INLAY_TESTS_PEER_PAIR_H
#define INLAY_TESTS_PEER_PAIR_H

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "peer.h"
#include "tls.h"

#define PAIR_QUEUE 4096

/* A throw-away certificate in a folder of its own. */
struct pair_certificate {
	char dir[32];
	char cert[64];
	char key[64];
};

struct pair_datagram {
	inlay_ns at;
	int to;
	size_t len;
	__u8 data[1600];
};

struct peer_pair {
	struct inlay_peer *peer[2]; /* 0: client, 1: server */
	struct inlay_path path[2];
	inlay_ns now;
	inlay_ns delay;
	__u64 random;
	unsigned int loss, repeat, reorder; /* per mille */
	struct pair_datagram *queue[PAIR_QUEUE];
	size_t n_queued;
	size_t lost, carried;
	/* Called before each round; may be NULL. */
	void (*on_round)(struct peer_pair *pair, void *user);
	/* When it has something to do; may be NULL. */
	inlay_ns (*deadline)(struct peer_pair *pair, void *user);
	void *user;
};

static inline int pair_certificate_make(struct pair_certificate *c)
{
	struct inlay_tls_config config = {.role = INLAY_SERVER, .self_signed = true};
	const char *const alpn[] = {"moqt-18"};
	struct inlay_tls *tls;
	char text[256];
	int rv;

	config.alpn = alpn;
	config.n_alpn = 1;
	strcpy(c->dir, "/tmp/inlay-test-XXXXXX");
	if (!mkdtemp(c->dir))
		return -1;
	strcat(strcpy(c->cert, c->dir), "/cert.pem");
	strcat(strcpy(c->key, c->dir), "/key.pem");
	rv = inlay_tls_new(&config, text, sizeof(text), &tls);
	if (!rv)
		rv = inlay_tls_write_pem(tls, c->cert, c->key);
	if (!rv)
		inlay_tls_free(tls);
	return rv;
}

static inline void pair_certificate_remove(struct pair_certificate *c)
{
	unlink(c->cert);
	unlink(c->key);
	rmdir(c->dir);
}

/* xorshift64*; a seed is never 0. */
static inline __u64 pair_random(struct peer_pair *pair)
{
	pair->random ^= pair->random >> 12;
	pair->random ^= pair->random << 25;
	pair->random ^= pair->random >> 27;
	return pair->random * 0x2545f4914f6cdd1dULL;
}

static inline bool pair_chance(struct peer_pair *pair, unsigned int per_mille)
{
	return (pair_random(pair) >> 33) % 1000 < per_mille;
}

static inline void pair_addresses(struct peer_pair *pair)
{
	struct inlay_addr a = {.family = AF_INET, .port = htons(5000), .ip = {127, 0, 0, 1}};
	struct inlay_addr b = {.family = AF_INET, .port = htons(4433), .ip = {127, 0, 0, 1}};

	pair->path[0] = (struct inlay_path){.local = a, .remote = b};
	pair->path[1] = (struct inlay_path){.local = b, .remote = a};
}

static inline void pair_enqueue(struct peer_pair *pair, int to, const __u8 *data, size_t len)
{
	struct pair_datagram *d;

	if (pair_chance(pair, pair->loss) || pair->n_queued == PAIR_QUEUE) {
		pair->lost++;
		return;
	}
	d = malloc(sizeof(*d));
	if (!d)
		abort();
	d->at = pair->now + pair->delay;
	if (pair_chance(pair, pair->reorder))
		d->at += pair->delay * (1 + pair_random(pair) % 4);
	d->to = to;
	d->len = len;
	memcpy(d->data, data, len);
	pair->queue[pair->n_queued++] = d;
	pair->carried++;
}

static inline void pair_flush(struct peer_pair *pair, int from)
{
	__u8 buf[1600];
	size_t len;

	while ((len = inlay_peer_send(pair->peer[from], buf, sizeof(buf), pair->now))) {
		pair_enqueue(pair, !from, buf, len);
		if (pair_chance(pair, pair->repeat))
			pair_enqueue(pair, !from, buf, len);
	}
}

/* The earliest arrival; the first queued among equals. */
static inline struct pair_datagram *pair_take_due(struct peer_pair *pair)
{
	struct pair_datagram *d;
	size_t i, best = 0;

	for (i = 1; i < pair->n_queued; i++)
		if (pair->queue[i]->at < pair->queue[best]->at)
			best = i;
	if (!pair->n_queued || pair->queue[best]->at > pair->now)
		return NULL;
	d = pair->queue[best];
	pair->n_queued--;
	memmove(&pair->queue[best], &pair->queue[best + 1],
		(pair->n_queued - best) * sizeof(pair->queue[0]));
	return d;
}

static inline inlay_ns pair_next_event(struct peer_pair *pair)
{
	inlay_ns at = INLAY_NEVER, t;
	size_t i;

	for (i = 0; i < pair->n_queued; i++)
		if (pair->queue[i]->at < at)
			at = pair->queue[i]->at;
	for (i = 0; i < 2; i++) {
		t = pair->peer[i] ? inlay_peer_deadline(pair->peer[i]) : INLAY_NEVER;
		if (t < at)
			at = t;
	}
	t = pair->deadline ? pair->deadline(pair, pair->user) : INLAY_NEVER;
	return t < at ? t : at;
}

/* Runs until |done| says so or |limit| has passed; true: done. */
static inline bool pair_run(struct peer_pair *pair, bool (*done)(struct peer_pair *, void *),
			    void *user, inlay_ns limit)
{
	inlay_ns until = pair->now + limit, at;
	struct pair_datagram *d;
	int i;

	while (!done(pair, user)) {
		if (pair->on_round)
			pair->on_round(pair, pair->user);
		pair_flush(pair, 0);
		pair_flush(pair, 1);
		if (done(pair, user))
			return true;
		at = pair_next_event(pair);
		if (at > until) {
			pair->now = until;
			return false;
		}
		if (at > pair->now)
			pair->now = at;
		while ((d = pair_take_due(pair))) {
			inlay_peer_recv(pair->peer[d->to], &pair->path[d->to], d->data, d->len,
					pair->now);
			free(d);
		}
		for (i = 0; i < 2; i++)
			inlay_peer_on_timer(pair->peer[i], pair->now);
	}
	return true;
}

static inline void pair_fini(struct peer_pair *pair)
{
	while (pair->n_queued)
		free(pair->queue[--pair->n_queued]);
	inlay_peer_free(pair->peer[0]);
	inlay_peer_free(pair->peer[1]);
	pair->peer[0] = NULL;
	pair->peer[1] = NULL;
}

#endif
