/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two ends of a handshake in memory: each is ours (ctrl/handshake/) or a peer on the whole of
 * libngtcp2 (ctrl/peer/). The link loses datagrams that begin with a long header, by a seed. Time
 * moves from event to event.
 */
#ifndef INLAY_TESTS_HANDSHAKE_PAIR_H
#define INLAY_TESTS_HANDSHAKE_PAIR_H

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "handshake.h"
#include "peer.h"

#define HS_DELAY  (10 * INLAY_MS)
#define HS_QUEUE  256
#define HS_SHORTS 32
#define HS_PACKET 1600

struct hs_packet {
	inlay_ns at;
	size_t len;
	__u8 data[HS_PACKET];
};

struct hs_end {
	struct inlay_handshake *hs; /* ours; a server's is made by the first Initial */
	struct inlay_peer *peer;    /* or foreign */
	struct inlay_handshake_config config;
	struct inlay_path path;
	struct hs_packet in[HS_QUEUE];
	size_t n_in;
	/* 1-RTT packets that came for our handshake: not its business. */
	struct hs_packet shorts[HS_SHORTS];
	size_t n_shorts;
	size_t long_sent;
};

struct hs_pair {
	struct hs_end end[2]; /* 0: client, 1: server */
	inlay_ns now;
	__u64 random;
	unsigned int loss; /* per mille */
	/* Drops the datagram if it says so. */
	bool (*drop)(struct hs_pair *p, int from, const __u8 *data, size_t len);
};

static inline __u64 hs_random(struct hs_pair *p)
{
	p->random ^= p->random >> 12;
	p->random ^= p->random << 25;
	p->random ^= p->random >> 27;
	return p->random * 0x2545f4914f6cdd1dULL;
}

static inline struct hs_pair *hs_pair_new(__u64 seed)
{
	struct inlay_addr a = {.family = AF_INET, .port = htons(5000), .ip = {127, 0, 0, 1}};
	struct inlay_addr b = {.family = AF_INET, .port = htons(4433), .ip = {127, 0, 0, 1}};
	struct hs_pair *p = calloc(1, sizeof(*p));

	if (!p)
		abort();
	p->now = INLAY_S;
	p->random = seed * 2 + 1;
	p->end[0].path = (struct inlay_path){.local = a, .remote = b};
	p->end[1].path = (struct inlay_path){.local = b, .remote = a};
	return p;
}

static inline void hs_pair_free(struct hs_pair *p)
{
	for (int i = 0; i < 2; i++) {
		inlay_handshake_free(p->end[i].hs);
		inlay_peer_free(p->end[i].peer);
	}
	free(p);
}

static inline bool hs_is_long(const __u8 *data)
{
	return data[0] & 0x80;
}

static inline void hs_carry(struct hs_pair *p, int from, const __u8 *data, size_t len)
{
	struct hs_end *to = &p->end[!from];
	struct hs_packet *packet;

	p->end[from].long_sent += hs_is_long(data);
	if (hs_is_long(data) && (hs_random(p) >> 33) % 1000 < p->loss)
		return;
	if ((p->drop && p->drop(p, from, data, len)) || to->n_in == HS_QUEUE || len > HS_PACKET)
		return;
	packet = &to->in[to->n_in++];
	packet->at = p->now + HS_DELAY;
	packet->len = len;
	memcpy(packet->data, data, len);
}

static inline size_t hs_flush(struct hs_pair *p, int from)
{
	struct hs_end *e = &p->end[from];
	__u8 buf[HS_PACKET];
	size_t len, n = 0;

	for (;; n++) {
		len = 0;
		if (e->peer)
			len = inlay_peer_send(e->peer, buf, sizeof(buf), p->now);
		else if (e->hs)
			len = inlay_handshake_send(e->hs, buf, sizeof(buf), p->now);
		if (!len)
			return n;
		hs_carry(p, from, buf, len);
	}
}

/* What the endpoint does for a client nobody knows. */
static inline void hs_accept(struct hs_pair *p, struct hs_end *e, const struct hs_packet *packet)
{
	struct inlay_cursor c = inlay_cursor_of(packet->data, packet->len);
	struct inlay_handshake_initial initial = {0};
	struct inlay_quic_long h;

	if (!inlay_quic_long_parse(&c, &h) || (h.first & 0x30) != 0)
		return;
	inlay_cid_set(&initial.dcid, h.dcid, h.dcid_len);
	inlay_cid_set(&initial.scid, h.scid, h.scid_len);
	if (inlay_handshake_new_server(&e->config, &initial, p->now, &e->hs))
		abort();
}

static inline void hs_keep_short(struct hs_end *e, const __u8 *data, size_t len)
{
	struct hs_packet *kept = &e->shorts[e->n_shorts];

	if (e->n_shorts == HS_SHORTS)
		return;
	e->n_shorts++;
	kept->len = len;
	memcpy(kept->data, data, len);
}

static inline void hs_deliver(struct hs_pair *p, int to, const struct hs_packet *packet)
{
	struct hs_end *e = &p->end[to];
	size_t tail = 0;

	if (e->peer) {
		inlay_peer_recv(e->peer, &e->path, packet->data, packet->len, p->now);
		return;
	}
	if (hs_is_long(packet->data)) {
		if (!e->hs)
			hs_accept(p, e, packet);
		if (!e->hs)
			return;
		inlay_handshake_recv(e->hs, &e->path, packet->data, packet->len, &tail, p->now);
	}
	if (tail < packet->len)
		hs_keep_short(e, packet->data + tail, packet->len - tail);
}

static inline inlay_ns hs_deadline(const struct hs_end *e)
{
	inlay_ns at = INLAY_NEVER;

	if (e->peer)
		at = inlay_peer_deadline(e->peer);
	else if (e->hs)
		at = inlay_handshake_deadline(e->hs);
	for (size_t i = 0; i < e->n_in; i++)
		if (e->in[i].at < at)
			at = e->in[i].at;
	return at;
}

static inline void hs_turn(struct hs_pair *p, int i)
{
	struct hs_end *e = &p->end[i];

	while (e->n_in && e->in[0].at <= p->now) {
		struct hs_packet packet = e->in[0];

		memmove(e->in, e->in + 1, --e->n_in * sizeof(e->in[0]));
		hs_deliver(p, i, &packet);
	}
	if (e->peer && inlay_peer_deadline(e->peer) <= p->now)
		inlay_peer_on_timer(e->peer, p->now);
	if (e->hs && inlay_handshake_deadline(e->hs) <= p->now)
		inlay_handshake_on_timer(e->hs, p->now);
}

static inline bool hs_settled(const struct hs_end *e)
{
	if (e->peer)
		return inlay_peer_is_connected(e->peer) || inlay_peer_close_reason(e->peer);
	return e->hs && inlay_handshake_state(e->hs) != INLAY_HANDSHAKE_RUNNING;
}

/* Until both ends are settled, or |limit| has passed. True: settled. */
static inline bool hs_run(struct hs_pair *p, inlay_ns limit)
{
	inlay_ns until = p->now + limit, a, b;

	for (;;) {
		/* A close of the one that failed is still to come. */
		hs_flush(p, 0);
		hs_flush(p, 1);
		if (hs_settled(&p->end[0]) && hs_settled(&p->end[1]))
			return true;
		a = hs_deadline(&p->end[0]);
		b = hs_deadline(&p->end[1]);
		a = a < b ? a : b;
		if (a > until)
			return false;
		if (a > p->now)
			p->now = a;
		hs_turn(p, 0);
		hs_turn(p, 1);
	}
}

#endif
