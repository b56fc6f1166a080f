/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Where the forwarder finds the shared state and the packet, and how a copy leaves: the one place
 * that differs between builds. Every index is masked or compared here; NULL: there is no such
 * entry.
 */
#ifndef INLAY_FORWARD_TABLES_H
#define INLAY_FORWARD_TABLES_H

#include "inlay_atomic.h"
#include "inlay_reasons.h"
#include "work.h"

#ifdef __bpf__
#include "tables_bpf.h"
#else

#include "forwarder.h"

/* A stage that a BPF build verifies by itself. */
#define INLAY_STAGE    static
#define INLAY_GIVEN(p) true

INLAY_INLINE struct inlay_rx_sa *inlay_rx_sa_at(const struct inlay_work *w, __u32 number)
{
	return &w->f->tables->sas[number & (w->f->tables->n_sas - 1)];
}

INLAY_INLINE struct inlay_upstream *inlay_upstream_at(const struct inlay_work *w)
{
	const struct inlay_tables *t = w->f->tables;

	return w->upstream < t->n_upstreams ? &t->upstreams[w->upstream] : NULL;
}

INLAY_INLINE struct inlay_journal *inlay_journal_at(const struct inlay_work *w,
						    const struct inlay_upstream *up)
{
	const struct inlay_tables *t = w->f->tables;
	__u64 i = w->pn & up->journal_mask & (t->journal_size - 1);

	return &t->journals[(size_t)w->upstream * t->journal_size + i];
}

INLAY_INLINE struct inlay_track *inlay_track_at(const struct inlay_work *w)
{
	const struct inlay_tables *t = w->f->tables;

	return w->track < t->n_tracks ? &t->tracks[w->track] : NULL;
}

INLAY_INLINE struct inlay_position *inlay_position_at(const struct inlay_work *w, __u32 i)
{
	return &w->f->tables->positions[(size_t)w->track * INLAY_POSITIONS +
					(i & (INLAY_POSITIONS - 1))];
}

INLAY_INLINE struct inlay_slot *inlay_slot_at(const struct inlay_work *w, __u32 i)
{
	const struct inlay_tables *t = w->f->tables;

	return i < t->n_slots ? &t->slots[i] : NULL;
}

INLAY_INLINE __u32 inlay_slot_count(const struct inlay_work *w)
{
	return w->f->tables->n_slots;
}

INLAY_INLINE struct inlay_leg *inlay_leg_at(const struct inlay_work *w, __u32 slot, __u32 i)
{
	return &w->f->tables->legs[(size_t)slot * INLAY_POSITIONS + (i & (INLAY_POSITIONS - 1))];
}

INLAY_INLINE struct inlay_subscriber *inlay_subscriber_at(const struct inlay_work *w, __u32 i)
{
	const struct inlay_tables *t = w->f->tables;

	return i < t->n_subscribers ? &t->subscribers[i] : NULL;
}

/* |i|: of the subscriber whose entry |s| is. */
INLAY_INLINE struct inlay_sent *inlay_sent_at(const struct inlay_work *w, __u32 i,
					      const struct inlay_subscriber *s, __u64 pn)
{
	const struct inlay_tables *t = w->f->tables;
	__u64 at = pn & s->log_mask;

	return at < t->log_stride ? &t->logs[(size_t)i * t->log_stride + at] : NULL;
}

/* Quiescence (rule 7): what is read between the two is not given to others meanwhile. */
INLAY_INLINE void inlay_work_enter(const struct inlay_work *w)
{
	if (!INLAY_MUTANT(NO_EPOCH))
		inlay_context_enter(&w->f->tables->contexts[w->f->context]);
}

INLAY_INLINE void inlay_work_leave(const struct inlay_work *w)
{
	if (!INLAY_MUTANT(NO_EPOCH))
		inlay_context_leave(&w->f->tables->contexts[w->f->context]);
}

/* What stands in the owner word of an upstream that this context forwards. */
INLAY_INLINE __u32 inlay_work_owner(const struct inlay_work *w)
{
	return w->f->context + 1;
}

/* |len| bytes of the packet from |at|; fewer where it ends before. */
INLAY_INLINE struct inlay_cursor inlay_work_bytes(const struct inlay_work *w, __u32 at, __u32 len)
{
	if (at > w->packet_len)
		at = w->packet_len;
	if (len > w->packet_len - at)
		len = w->packet_len - at;
	return inlay_cursor_of(w->packet + at, len);
}

INLAY_INLINE void inlay_work_count(const struct inlay_work *w, __u32 reason)
{
#if INLAY_CAP_COUNTERS
	__u64 *count = &w->f->reasons.count[reason];

	inlay_store_u64(count, *count + 1);
#endif
}

/* Where the head of the copy at hand is written. */
INLAY_INLINE __u8 *inlay_work_head(struct inlay_work *w)
{
	return w->f->head ? w->f->head : w->head;
}

/* The copy whose head is the first |len| bytes of inlay_work_head(), published as |sent|. */
INLAY_INLINE void inlay_work_emit(struct inlay_work *w, const struct inlay_subscriber *s,
				  const struct inlay_headers *h, struct inlay_sent *sent, __u64 pn,
				  __u32 len, __u32 quic_at)
{
	const struct inlay_copy copy = {
		.head = inlay_work_head(w),
		.head_len = len,
		.quic_at = (__u16)quic_at,
		.quic_len = h->quic_len,
		.payload = w->packet + w->payload_at,
		.payload_len = w->payload_len,
		.sa = s->sa,
		.sa_generation = s->sa_generation,
		.ecn = inlay_load_u32(&s->ecn) & 3,
		.pn = pn,
		.headers = h,
		.sent = sent,
	};

	inlay_store_u64(&w->f->copies, w->f->copies + 1);
	w->f->emit(w->f->user, &copy);
}

/* Lines of the cache that copies of positions to come will want: with many subscribers each is
 * cold. What is read for that was published by ACTIVE. */
INLAY_INLINE struct inlay_subscriber *inlay_position_ahead(const struct inlay_work *w, __u32 i)
{
	struct inlay_position *p = inlay_position_at(w, i);

	return inlay_load_u32(&p->state) == INLAY_POSITION_ACTIVE
		       ? inlay_subscriber_at(w, p->subscriber)
		       : NULL;
}

INLAY_INLINE void inlay_prefetch_subscriber(const struct inlay_work *w, __u32 i)
{
	const __u8 *s = (const __u8 *)inlay_position_ahead(w, i);
	__u32 line;

	if (!s)
		return;
	__builtin_prefetch(s, 1);
	for (line = 1; line < 6; line++)
		__builtin_prefetch(s + line * INLAY_CACHELINE);
}

#define INLAY_AHEAD	     8	 /* positions */
#define INLAY_POSITIONS_NEAR 128 /* of as many all is in near caches anyway */

/* Position |i| of |n| is about to have its copy. */
INLAY_INLINE void inlay_work_ahead(const struct inlay_work *w, __u32 i, __u32 n)
{
	if (n > INLAY_POSITIONS_NEAR && i + INLAY_AHEAD < n)
		inlay_prefetch_subscriber(w, i + INLAY_AHEAD);
}

/* The entry of number |pn| is being written: the line behind it is wanted next, when the logs of
 * all other subscribers have been written to. */
INLAY_INLINE void inlay_sent_ahead(const struct inlay_work *w, __u32 i,
				   const struct inlay_subscriber *s, __u64 pn)
{
	__builtin_prefetch(inlay_sent_at(w, i, s, pn + 2), 1);
}

/* f(w, i) for i from 0 below |n|, until it returns other than 0. */
#define INLAY_WORK_LOOP(w, n, f)                                                                   \
	do {                                                                                       \
		for (__u32 i_ = 0, n_ = (n); i_ < n_; i_++)                                        \
			if (f((w), i_))                                                            \
				break;                                                             \
	} while (0)
/* Stands behind such an f. */
#define INLAY_WORK_STEP(f)

#endif

INLAY_INLINE void inlay_add_u64(__u64 *counter, __u64 n)
{
	inlay_store_u64(counter, *counter + n);
}

/* Positions of the track at hand that were ever used. */
INLAY_INLINE __u32 inlay_work_positions(const struct inlay_work *w)
{
	const struct inlay_track *t = inlay_track_at(w);
	__u32 n = t ? inlay_load_u32(&t->n_positions) : 0;

	return n < INLAY_POSITIONS ? n : INLAY_POSITIONS;
}

#endif
