/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The forwarder alone: shared state with one upstream and one track, subscribers with ample credit,
 * packets made by hand, and the copies that came out, kept.
 */
#ifndef INLAY_TESTS_UNIT_FORWARD_WORLD_H
#define INLAY_TESTS_UNIT_FORWARD_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "forwarder.h"
#include "inlay_moq.h"
#include "inlay_quic_write.h"

#define WORLD_SA       7
#define WORLD_SA_GEN   3
#define WORLD_ALIAS    77 /* of the publisher's track */
#define WORLD_COPIES   256
#define WORLD_LOG      64
#define WORLD_JOURNAL  64
#define WORLD_CREDIT   1000000
#define WORLD_CLIENT   2 /* ID of the first unidirectional stream that a client opens */
#define WORLD_NOW      (5 * INLAY_S)
#define WORLD_PRIORITY 100 /* the track's default */

struct world_copy {
	__u8 bytes[INLAY_FRAME_MAX]; /* head and payload */
	__u32 len, head_len, quic_at, quic_len;
	__u32 sa;
	__u64 pn;
	__u8 ecn;
	__u32 subscriber;
	struct inlay_sent *sent;
	struct inlay_sent entry; /* as it was when the copy came out */
};

struct world {
	struct inlay_state *st;
	const struct inlay_tables *t;
	struct inlay_forwarder f;
	struct inlay_upstream *up;
	__u32 upstream, track;
	struct inlay_alias *alias;
	__u64 next_pn; /* of the publisher's packets */

	struct world_copy copies[WORLD_COPIES];
	__u32 n_copies;
	void (*on_copy)(struct world *w); /* after each */

	/* The packet being made. */
	__u8 packet[INLAY_FRAME_MAX];
	struct inlay_writer out;
	enum inlay_forward_verdict verdict; /* of the last one */
	__u64 pn;
};

static inline void world_emit(void *user, const struct inlay_copy *copy)
{
	struct world *w = user;
	struct world_copy *c = &w->copies[w->n_copies];

	assert_true(w->n_copies < WORLD_COPIES);
	assert_true(copy->head_len <= INLAY_COPY_HEAD);
	memcpy(c->bytes, copy->head, copy->head_len);
	if (copy->payload_len > 0)
		memcpy(c->bytes + copy->head_len, copy->payload, copy->payload_len);
	c->len = copy->head_len + copy->payload_len;
	c->head_len = copy->head_len;
	c->quic_at = copy->quic_at;
	c->quic_len = copy->quic_len;
	c->sa = copy->sa;
	c->pn = copy->pn;
	c->ecn = copy->ecn;
	c->subscriber = (__u32)((copy->sent - w->t->logs) / w->t->log_stride);
	c->sent = copy->sent;
	c->entry = *copy->sent;
	w->n_copies++;
	if (w->on_copy)
		w->on_copy(w);
}

/* --- Subscribers ----------------------------------------------------------------------------- */

/* A connection with credit for everything; its SA is 100 and its index. */
static inline __u32 world_subscriber(struct world *w)
{
	struct inlay_subscriber *s;
	struct inlay_headers *h;
	__u32 i;

	assert_int_equal(inlay_state_subscriber_get(w->st, &i), 0);
	s = inlay_state_subscriber(w->st, i);
	s->pn_limit = WORLD_LOG - 8;
	s->stream_limit = 100;
	s->flow_limit = WORLD_CREDIT;
	s->initial_stream_limit = WORLD_CREDIT;
	s->max_datagram = 65535;
	s->path_mtu = 1400;
	for (int c = 0; c < INLAY_CLASSES; c++)
		s->class_limit[c] = WORLD_CREDIT;
	s->sa = 100 + i;
	s->sa_generation = 1;
	s->log_mask = WORLD_LOG - 1;
	s->initiator = 1;
	h = &s->headers[0];
	h->bytes[0] = 0x43;
	memset(h->bytes + 1, (int)(0xc0 + i), 8);
	h->quic_len = 1 + 8 + INLAY_TX_PN;
	h->port = 1;
	return i;
}

/* |subscriber| takes the track from group 0 on, by the alias 500 and its index. */
static inline __u32 world_position(struct world *w, __u32 subscriber)
{
	struct inlay_position *p;
	__u32 i;

	assert_int_equal(inlay_state_position_get(w->st, w->track, &i), 0);
	p = &w->t->positions[w->track * INLAY_POSITIONS + i];
	p->subscriber = subscriber;
	p->generation = inlay_state_subscriber(w->st, subscriber)->generation;
	p->end_group = ~0ULL;
	p->alias = 500 + i;
	for (size_t c = 0; c < INLAY_ARRAY_SIZE(p->thresholds); c++)
		p->thresholds[c] = 256;
	inlay_xchg_u32(&p->state, INLAY_POSITION_ARMED);
	return i;
}

static inline struct inlay_subscriber *world_sub(const struct world *w, __u32 i)
{
	return inlay_state_subscriber(w->st, i);
}

static inline struct inlay_position *world_pos(const struct world *w, __u32 i)
{
	return &w->t->positions[w->track * INLAY_POSITIONS + i];
}

/* The slot of the publisher's stream |number|; NULL: it has none. */
static inline struct inlay_slot *world_slot(const struct world *w, __u64 number)
{
	__u64 word = w->up->seen[number & (INLAY_SEEN - 1)];

	if (word == INLAY_SEEN_EMPTY || INLAY_SEEN_NUMBER(word) != number ||
	    INLAY_SEEN_WHAT(word) == INLAY_SEEN_CONVENTIONAL)
		return NULL;
	return &w->t->slots[INLAY_SEEN_WHAT(word) - 1];
}

static inline struct inlay_leg *world_leg(const struct world *w, __u64 number, __u32 position)
{
	const struct inlay_slot *s = world_slot(w, number);

	assert_non_null(s);
	return &w->t->legs[(size_t)(s - w->t->slots) * INLAY_POSITIONS + position];
}

static inline bool world_is_conventional(const struct world *w, __u64 number)
{
	return w->up->seen[number & (INLAY_SEEN - 1)] ==
	       INLAY_SEEN_WORD(number, INLAY_SEEN_CONVENTIONAL);
}

/* --- Setting up ------------------------------------------------------------------------------ */

/* |n| subscribers with a position each; subscriber i has position i. */
static inline struct world *world_new(__u32 n)
{
	const struct inlay_state_config config = {
		.subscribers = 32,
		.log_size = WORLD_LOG,
		.upstreams = 4,
		.journal_size = WORLD_JOURNAL,
		.tracks = 4,
		.slots = 16,
	};
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	assert_int_equal(inlay_state_new(&config, &w->st), 0);
	w->t = inlay_state_tables(w->st);
	assert_int_equal(inlay_state_upstream_get(w->st, &w->upstream), 0);
	assert_int_equal(inlay_state_track_get(w->st, &w->track), 0);
	w->up = &w->t->upstreams[w->upstream];
	w->up->initiator = 0; /* the publisher is a client */
	w->up->draft = 18;
	w->alias = &w->up->aliases[5];
	w->alias->alias = WORLD_ALIAS;
	w->alias->end_group = ~0ULL;
	w->alias->priority = WORLD_PRIORITY;
	inlay_xchg_u32(&w->alias->track, w->track + 1);
	inlay_xchg_u32(&w->up->state, INLAY_UPSTREAM_ON);
	assert_int_equal(inlay_state_route(w->st, WORLD_SA, WORLD_SA_GEN, w->upstream), 0);
	w->f.tables = w->t;
	w->f.emit = world_emit;
	w->f.user = w;
	for (__u32 i = 0; i < n; i++)
		assert_int_equal(world_position(w, world_subscriber(w)), i);
	return w;
}

static inline void world_free(struct world *w)
{
	/* A forwarder that has returned holds nothing. */
	assert_int_equal(w->t->contexts[0].epoch & 1, 0);
	inlay_state_free(w->st);
	free(w);
}

/* --- Packets --------------------------------------------------------------------------------- */

static inline void world_begin_pn(struct world *w, __u64 pn)
{
	static const __u8 cid[INLAY_OWN_CID] = {1, 2, 3, 4, 5, 6, 7, 8};

	w->pn = pn;
	w->out = inlay_writer_of(w->packet, sizeof(w->packet));
	inlay_writer_u8(&w->out, 0x43);
	inlay_writer_bytes(&w->out, cid, sizeof(cid));
	inlay_writer_be32(&w->out, (__u32)pn);
}

/* The packet numbers are counted up. */
static inline void world_begin(struct world *w)
{
	world_begin_pn(w, w->next_pn++);
}

static inline void world_stream(struct world *w, __u64 number, __u64 offset, const void *data,
				size_t len, bool fin)
{
	assert_true(inlay_quic_put_stream_header(&w->out, number << 2 | WORLD_CLIENT, offset, len,
						 fin, true));
	assert_true(inlay_writer_bytes(&w->out, data, len));
}

static inline void world_datagram(struct world *w, const void *data, size_t len)
{
	assert_true(inlay_quic_varint_put(&w->out, INLAY_QUIC_DATAGRAM | 1));
	assert_true(inlay_quic_varint_put(&w->out, len));
	assert_true(inlay_writer_bytes(&w->out, data, len));
}

static inline void world_run(struct world *w)
{
	assert_true(inlay_quic_put_desc(&w->out, WORLD_SA, WORLD_SA_GEN, 0,
					1 + INLAY_OWN_CID + INLAY_TX_PN, w->pn));
	w->verdict = inlay_forwarder_run(&w->f, w->packet, inlay_writer_len(&w->out), WORLD_NOW);
}

/* One packet with one frame. */
static inline void world_send(struct world *w, __u64 number, __u64 offset, const void *data,
			      size_t len, bool fin)
{
	world_begin(w);
	world_stream(w, number, offset, data, len, fin);
	world_run(w);
}

static inline void world_send_datagram(struct world *w, const void *data, size_t len)
{
	world_begin(w);
	world_datagram(w, data, len);
	world_run(w);
}

static inline const struct inlay_journal *world_journal(const struct world *w, __u64 pn)
{
	return &w->t->journals[w->upstream * w->t->journal_size + (pn & (WORLD_JOURNAL - 1))];
}

/* Verdict of the last packet's frame |i|. */
static inline __u8 world_verdict(const struct world *w, __u32 i)
{
	const struct inlay_journal *j = world_journal(w, w->pn);

	assert_int_equal(j->word, INLAY_JOURNAL_WORD(w->pn, INLAY_JOURNAL_DONE));
	assert_true(i < j->n);
	return j->verdicts[i];
}

static inline __u64 world_count(const struct world *w, enum inlay_reason reason)
{
	return inlay_load_u64(&w->f.reasons.count[reason]);
}

/* --- Content --------------------------------------------------------------------------------- */

/* A subgroup header of |group|, subgroup 0, no properties, the track's priority. Its length. */
static inline size_t world_header(__u8 *buf, __u64 group)
{
	const struct inlay_moq_subgroup h = {.alias = WORLD_ALIAS, .group = group};
	struct inlay_writer out = inlay_writer_of(buf, 64);

	assert_true(inlay_moq18_subgroup_put(&out, &h));
	return inlay_writer_len(&out);
}

/* Object ID delta 0, |len| bytes of payload that count up from |from|. Its length. */
static inline size_t world_object(__u8 *buf, size_t len, __u8 from)
{
	struct inlay_writer out = inlay_writer_of(buf, 16);

	assert_true(inlay_vi64_put(&out, 0) && inlay_vi64_put(&out, len));
	if (len == 0)
		assert_true(inlay_vi64_put(&out, 0));
	for (size_t i = 0; i < len; i++)
		buf[inlay_writer_len(&out) + i] = (__u8)(from + i);
	return inlay_writer_len(&out) + len;
}

/* What a copy says, read back. */
struct world_read {
	struct inlay_quic_frame frame;
	__u64 pn; /* 32 bits of it */
};

static inline struct world_read world_read(const struct world_copy *c)
{
	struct inlay_cursor in = inlay_cursor_of(c->bytes + c->quic_at, c->len - c->quic_at);
	struct world_read r = {0};
	__u32 pn = 0;

	assert_true(inlay_cursor_skip(&in, c->quic_len - 4));
	assert_true(inlay_cursor_be32(&in, &pn));
	r.pn = pn;
	assert_int_equal(inlay_quic_frame_parse(&in, &r.frame), INLAY_QUIC_NO_ERROR);
	assert_int_equal(inlay_cursor_left(&in), 0); /* one frame and nothing else */
	assert_int_equal(r.pn, (__u32)c->pn);
	return r;
}

#endif
