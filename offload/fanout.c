/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fan-out: the copies that the forwarder makes are collected into bursts, sealed and sent.
 *
 * A copy's head, link layer to the last byte that is its own, is written where it leaves from; the
 * payload stays in the original and is read by the provider, for all copies, from there. Nothing is
 * allocated, and nothing told to anybody, per copy.
 *
 * Within a burst the copies for one destination are brought together, in their order, so that the
 * port can send several as one message: the copies of one packet all differ in that.
 */
#include "fanout.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "inlay_atomic.h"
#include "inlay_net.h"

/* Copies of a burst. Those of one packet go out in smaller ones: there is nothing to bring
 * together, the first need not wait for the last to be sealed, and what is sealed is sent while it
 * is in the cache. */
#define BURST	    256
#define BURST_SMALL 16
#define CHAINS	    512 /* destinations are found by hash; a power of two above BURST */
#define NONE	    ((__u16)-1)

/* What is still to know of a copy once it is sealed. */
struct copy_note {
	__u16 port;
	__u16 next; /* copy for the same destination, or NONE */
	__u8 l2_len, ip_len;
};

struct inlay_fanout {
	struct inlay_forwarder forwarder; /* its counters of reasons are ours too */
	struct inlay_fanout_config config;
	struct inlay_frame *frames; /* BURST of them: what leaves */
	size_t n, limit;	    /* copies collected; as many are flushed */
	struct inlay_fanout_stats stats;

	struct inlay_seal_item seals[BURST];
	struct copy_note notes[BURST];
	struct inlay_port_item items[BURST];
	struct inlay_port_item ordered[BURST]; /* of one port */
	__u16 order[BURST];		       /* indices of copies, as they are to be sent */
	__u16 first[CHAINS], last[CHAINS];     /* copies of one SA, by the hash of its number */
};

static void add(__u64 *counter, __u64 n)
{
	inlay_store_u64(counter, *counter + n);
}

static void drop(struct inlay_fanout *f, const struct inlay_port_item *item)
{
	inlay_copy_dropped(item->sent, item->pn);
	add(&f->forwarder.reasons.count[INLAY_REASON_COPY_DROPPED], 1);
	add(&f->stats.dropped, 1);
}

/* --- Collecting ------------------------------------------------------------------------------ */

static void flush(struct inlay_fanout *f);

/* Where the headers that leave send it: what the provider is asked to allow. */
static void read_remote(const __u8 *udp, __u8 ip_len, struct inlay_addr *ret)
{
	bool v4 = ip_len == INLAY_NET_IPV4_LEN;

	memset(ret->ip, 0, sizeof(ret->ip));
	ret->family = v4 ? INLAY_NET_AF_INET : INLAY_NET_AF_INET6;
	ret->scope_id = 0;
	memcpy(&ret->port, udp + 2, sizeof(ret->port));
	if (v4)
		memcpy(ret->ip, udp - 4, 4);
	else
		memcpy(ret->ip, udp - 16, 16);
}

static bool fits(const struct inlay_copy *copy, const struct inlay_headers *h)
{
	if (copy->head_len + copy->payload_len + INLAY_TAG > INLAY_FRAME_ROOM ||
	    copy->quic_at + copy->quic_len > copy->head_len)
		return false;
	return !copy->quic_at ||
	       ((h->ip_len == INLAY_NET_IPV4_LEN || h->ip_len == INLAY_NET_IPV6_LEN) &&
		copy->quic_at == h->l2_len + h->ip_len + INLAY_NET_UDP_LEN);
}

/* Field by field: built elsewhere and copied, an item costs twice as much. */
static void fill_seal(struct inlay_seal_item *s, struct inlay_frame *frame,
		      const struct inlay_copy *copy, const struct inlay_headers *h)
{
	size_t body = copy->quic_at + copy->quic_len;

	s->header = s->dst = frame->data + copy->quic_at;
	s->header_len = copy->quic_len;
	s->prefix = frame->data + body;
	s->prefix_len = copy->head_len - body;
	s->payload = copy->payload;
	s->payload_len = copy->payload_len;
	s->dst_room = INLAY_FRAME_ROOM - copy->quic_at;
	s->sa.number = copy->sa;
	s->sa.generation = copy->sa_generation;
	s->pn = copy->pn;
	if (copy->quic_at)
		read_remote(s->dst - INLAY_NET_UDP_LEN, h->ip_len, &s->remote);
	else
		s->remote = h->path.remote;
}

static void fill_note(struct copy_note *note, const struct inlay_copy *copy,
		      const struct inlay_headers *h)
{
	note->port = h->port;
	note->l2_len = h->l2_len;
	note->ip_len = copy->quic_at ? h->ip_len : 0;
}

/* The lines that the copy after the next one will be written to. */
static void prefetch_frame(struct inlay_fanout *f, size_t at)
{
	const __u8 *p = (const __u8 *)&f->frames[at];

	for (size_t line = 0; line < 3; line++)
		__builtin_prefetch(p + line * INLAY_CACHELINE, 1);
}

static void on_copy(void *user, const struct inlay_copy *copy)
{
	struct inlay_fanout *f = user;
	const struct inlay_headers *h = copy->headers;
	size_t at = f->n;
	struct inlay_frame *frame = &f->frames[at];
	struct inlay_port_item *item = &f->items[at];

	add(&f->stats.copies, 1);
	item->sent = copy->sent;
	item->pn = copy->pn;
	if (!fits(copy, h)) {
		add(&f->forwarder.reasons.count[INLAY_REASON_NO_ROOM], 1);
		drop(f, item);
		return;
	}
	/* It was written there, as a rule. */
	if (copy->head != frame->data)
		memcpy(frame->data, copy->head, copy->head_len);
	if (!copy->quic_at)
		frame->path = h->path;
	fill_seal(&f->seals[at], frame, copy, h);
	fill_note(&f->notes[at], copy, h);
	item->frame = frame;
	item->len = copy->head_len + copy->payload_len + INLAY_TAG;
	item->ecn = copy->ecn;
	item->alone = false;
	if (++f->n == f->limit)
		flush(f);
	f->forwarder.head = f->frames[f->n].data;
	if (f->n + 1 < f->limit)
		prefetch_frame(f, f->n + 1);
}

/* --- Sealing ---------------------------------------------------------------------------------- */

/* RFC 8200 section 8.1: over IPv6 a UDP datagram has a checksum; over IPv4 it need not (RFC 768),
 * and QUIC's tag says more. */
static void finish_headers(struct inlay_fanout *f, size_t i)
{
	const struct copy_note *note = &f->notes[i];
	const struct inlay_seal_item *s = &f->seals[i];
	struct inlay_net_sum sum;

	if (note->ip_len != INLAY_NET_IPV6_LEN)
		return;
	sum = inlay_net_udp_begin(f->items[i].frame->data, note->l2_len, note->ip_len);
	inlay_net_sum_add(&sum, s->dst, s->header_len + s->prefix_len + s->payload_len + INLAY_TAG);
	inlay_net_udp_finish(f->items[i].frame->data, note->l2_len, note->ip_len, &sum);
}

static void refuse(struct inlay_fanout *f, size_t i)
{
	enum inlay_reason reason = inlay_verdict_reason(f->seals[i].verdict);

	add(&f->forwarder.reasons.count[reason], 1);
	drop(f, &f->items[i]);
}

/* --- Sending ---------------------------------------------------------------------------------- */

/* The place of an SA's chain. */
static __u32 chain_of(const struct inlay_fanout *f, __u32 sa)
{
	__u32 at = sa & (CHAINS - 1);

	while (f->first[at] != NONE && f->seals[f->first[at]].sa.number != sa)
		at = (at + 1) & (CHAINS - 1);
	return at;
}

/* Has f->order list copies of one SA behind one another; |n| of them are listed. */
static void bring_together(struct inlay_fanout *f, size_t n)
{
	__u16 chains[BURST];
	size_t n_chains = 0, at = 0;

	memset(f->first, 0xff, sizeof(f->first));
	for (size_t i = 0; i < n; i++) {
		__u16 copy = f->order[i];
		__u32 chain = chain_of(f, f->seals[copy].sa.number);

		f->notes[copy].next = NONE;
		if (f->first[chain] == NONE) {
			f->first[chain] = copy;
			chains[n_chains++] = (__u16)chain;
		} else {
			f->notes[f->last[chain]].next = copy;
		}
		f->last[chain] = copy;
	}
	for (size_t i = 0; i < n_chains; i++)
		for (__u16 copy = f->first[chains[i]]; copy != NONE; copy = f->notes[copy].next)
			f->order[at++] = copy;
}

/* Sends those of f->order that leave by |port|, and keeps the others there; returns how many. */
static size_t send_port(struct inlay_fanout *f, __u16 port, size_t n)
{
	size_t n_mine = 0, kept = 0, taken;

	for (size_t i = 0; i < n; i++) {
		__u16 copy = f->order[i];

		if (f->notes[copy].port == port) {
			f->ordered[n_mine++] = f->items[copy];
		} else {
			f->order[kept++] = copy;
		}
	}
	taken = f->config.ops->send(f->config.user, port, f->ordered, n_mine);
	add(&f->stats.sent, taken);
	for (size_t i = taken; i < n_mine; i++)
		drop(f, &f->ordered[i]);
	return kept;
}

/* All of them, as they were collected: nothing was refused, nor is there anything to put in order.
 */
static void send_all(struct inlay_fanout *f)
{
	size_t taken = f->config.ops->send(f->config.user, f->notes[0].port, f->items, f->n);

	add(&f->stats.sent, taken);
	for (size_t i = taken; i < f->n; i++)
		drop(f, &f->items[i]);
}

static void flush(struct inlay_fanout *f)
{
	struct inlay_provider *p = f->config.provider;
	bool in_order = f->limit == BURST_SMALL;
	size_t n = 0;

	if (!f->n)
		return;
	p->ops->seal(p, f->seals, f->n);
	for (size_t i = 0; i < f->n; i++) {
		if (f->seals[i].verdict == INLAY_OK) {
			finish_headers(f, i);
			f->order[n++] = (__u16)i;
			in_order &= f->notes[i].port == f->notes[0].port;
		} else {
			refuse(f, i);
		}
	}
	if (in_order && n == f->n) {
		send_all(f);
		n = 0;
	} else if (f->limit > BURST_SMALL) {
		bring_together(f, n);
	}
	while (n)
		n = send_port(f, f->notes[f->order[0]].port, n);
	f->n = 0;
}

/* --- The whole -------------------------------------------------------------------------------- */

size_t inlay_fanout_run(struct inlay_fanout *f, struct inlay_frame *const *frames, size_t n,
			inlay_ns now)
{
	__u64 copies = f->stats.copies;
	size_t done = 0;

	f->limit = n > 1 ? BURST : BURST_SMALL;
	while (done < n && f->stats.copies - copies < INLAY_FANOUT_TURN) {
		const struct inlay_frame *frame = frames[done++];

		if (frame->kind != INLAY_FRAME_CLEAR)
			continue;
		inlay_forwarder_run(&f->forwarder, frame->data, frame->len, now);
		add(&f->stats.packets, 1);
	}
	flush(f);
	f->forwarder.head = f->frames[0].data;
	return done;
}

int inlay_fanout_new(const struct inlay_fanout_config *config, struct inlay_fanout **ret_fanout)
{
	struct inlay_fanout *f;

	if (!config->tables || !config->provider || !config->ops ||
	    config->context >= INLAY_CONTEXTS)
		return -EINVAL;
	f = aligned_alloc(INLAY_CACHELINE,
			  (sizeof(*f) + INLAY_CACHELINE - 1) / INLAY_CACHELINE * INLAY_CACHELINE);
	if (!f)
		return -ENOMEM;
	memset(f, 0, sizeof(*f));
	f->config = *config;
	f->forwarder = (struct inlay_forwarder){
		.tables = config->tables,
		.context = config->context,
		.emit = on_copy,
		.user = f,
	};
	f->frames = aligned_alloc(INLAY_CACHELINE, BURST * sizeof(*f->frames));
	if (!f->frames) {
		free(f);
		return -ENOMEM;
	}
	/* Pages are there before the first packet. */
	memset(f->frames, 0, BURST * sizeof(*f->frames));
	f->forwarder.head = f->frames[0].data;
	*ret_fanout = f;
	return 0;
}

void inlay_fanout_free(struct inlay_fanout *f)
{
	if (!f)
		return;
	free(f->frames);
	free(f);
}

void inlay_fanout_stats(const struct inlay_fanout *f, struct inlay_fanout_stats *ret)
{
	const __u64 *from = (const __u64 *)&f->stats;
	__u64 *to = (__u64 *)ret;

	for (size_t i = 0; i < sizeof(*ret) / sizeof(*to); i++)
		to[i] = inlay_load_u64(&from[i]);
}

const struct inlay_reason_counters *inlay_fanout_reasons(const struct inlay_fanout *f)
{
	return &f->forwarder.reasons;
}
