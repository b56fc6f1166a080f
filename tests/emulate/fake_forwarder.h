/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A forwarder as a connection sees it, and nothing else: it takes numbers, charges credit in the
 * order of design section 5, rule 2, and writes the sent log. No packet exists.
 */
#ifndef INLAY_TESTS_FAKE_FORWARDER_H
#define INLAY_TESTS_FAKE_FORWARDER_H

#include "inlay_abi.h"
#include "inlay_atomic.h"

#define FAKE_OVERHEAD 40 /* bytes of a packet that are not the stream's */

/* What refused. */
enum fake_credit {
	FAKE_SENT,
	FAKE_TOO_LARGE,
	FAKE_NO_STREAM_DATA,
	FAKE_NO_DATA,
	FAKE_NO_WINDOW,
	FAKE_LOG_FULL,
	FAKE_VOIDED,
};

struct fake_forwarder {
	struct inlay_subscriber *entry;
	struct inlay_sent *log;
	__u8 class;
};

/* A stream that it sends on. */
struct fake_stream {
	__u32 number;
	__u64 next;    /* the first byte that it would send */
	__u64 charged; /* MAX_DATA was, up to here */
	__u64 limit;   /* 0: initial_stream_limit */
	bool fin;
};

/* False: none is left. */
static inline bool fake_open(struct fake_forwarder *f, struct fake_stream *ret)
{
	__u64 next;

	do {
		next = inlay_load_u64(&f->entry->next_stream);
		if (next >= inlay_load_u64(&f->entry->stream_limit))
			return false;
	} while (!inlay_cas_u64(&f->entry->next_stream, next, next + 1));
	*ret = (struct fake_stream){.number = (__u32)next};
	return true;
}

static inline bool fake_reserve(__u64 *counter, __u64 bytes, const __u64 *limit)
{
	if (inlay_fetch_add_u64(counter, bytes) + bytes <= inlay_load_u64(limit))
		return true;
	inlay_fetch_add_u64(counter, -bytes);
	return false;
}

static inline __u64 fake_take(struct fake_forwarder *f)
{
	return inlay_fetch_add_u64(&f->entry->next_pn, 1);
}

/* What |pn| carried, all but the word that publishes it; returns what that word is to replace. */
static inline __u64 fake_write(struct fake_forwarder *f, __u64 pn, const struct inlay_sent *e)
{
	struct inlay_sent *to = &f->log[pn & f->entry->log_mask];
	__u64 old = inlay_load_u64(&to->pn_state);

	to->stream = e->stream;
	to->time_us = e->time_us;
	to->offset = e->offset;
	to->payload_len = e->payload_len;
	to->packet_size = e->packet_size;
	to->flags = e->flags;
	to->pad = 0;
	return old;
}

static inline bool fake_publish(struct fake_forwarder *f, __u64 pn, __u64 old)
{
	struct inlay_sent *to = &f->log[pn & f->entry->log_mask];

	if (INLAY_SENT_WORD_STATE(old) != INLAY_SENT_EMPTY && INLAY_SENT_WORD_PN(old) == pn)
		return false;
	return inlay_cas_u64(&to->pn_state, old, INLAY_SENT_WORD(pn, INLAY_SENT_SENT));
}

/* Its own host dropped it. */
static inline void fake_drop(struct fake_forwarder *f, __u64 pn)
{
	__u64 *word = (__u64 *)(void *)&f->log[pn & f->entry->log_mask].payload_len, old;
	struct inlay_sent e = {.flags = INLAY_SENT_DROPPED};
	__u64 bits;

	__builtin_memcpy(&bits, &e.payload_len, sizeof(bits));
	do
		old = inlay_load_u64(word);
	while (!inlay_cas_u64(word, old, old | bits));
}

/* Bytes [offset, offset + len) of |s|, at its |next| or beyond: then a gap is left. */
static inline enum fake_credit fake_send_at(struct fake_forwarder *f, struct fake_stream *s,
					    __u64 offset, __u16 len, bool fin, inlay_ns now,
					    __u64 *ret_pn)
{
	struct inlay_subscriber *e = f->entry;
	__u64 end = offset + len, rise = end > s->charged ? end - s->charged : 0, size, pn, old;
	struct inlay_sent sent = {
		.stream = s->number,
		.time_us = (__u32)(now / INLAY_US),
		.offset = offset,
		.payload_len = len,
		.packet_size = (__u16)(len + FAKE_OVERHEAD),
		.flags = (__u16)((fin ? INLAY_SENT_FIN : 0) |
				 (inlay_load_u32(&e->ecn) ? INLAY_SENT_ECN : 0)),
	};

	size = sent.packet_size;
	if (size > inlay_load_u32(&e->path_mtu))
		return FAKE_TOO_LARGE;
	if (end > (s->limit ? s->limit : e->initial_stream_limit))
		return FAKE_NO_STREAM_DATA;
	if (!fake_reserve(&e->flow_bytes, rise, &e->flow_limit))
		return FAKE_NO_DATA;
	if (!fake_reserve(&e->bytes_sent, size, &e->class_limit[f->class])) {
		inlay_fetch_add_u64(&e->flow_bytes, -rise);
		return FAKE_NO_WINDOW;
	}
	if (inlay_load_u64(&e->next_pn) >= inlay_load_u64(&e->pn_limit)) {
		inlay_fetch_add_u64(&e->flow_bytes, -rise);
		inlay_fetch_add_u64(&e->bytes_sent, -size);
		return FAKE_LOG_FULL;
	}
	pn = fake_take(f);
	old = fake_write(f, pn, &sent);
	if (!fake_publish(f, pn, old)) {
		inlay_fetch_add_u64(&e->flow_bytes, -rise);
		inlay_fetch_add_u64(&e->bytes_sent, -size);
		return FAKE_VOIDED;
	}
	s->next = end;
	s->charged += rise;
	s->fin |= fin;
	*ret_pn = pn;
	return FAKE_SENT;
}

static inline enum fake_credit fake_send(struct fake_forwarder *f, struct fake_stream *s, __u16 len,
					 bool fin, inlay_ns now, __u64 *ret_pn)
{
	return fake_send_at(f, s, s->next, len, fin, now, ret_pn);
}

#endif
