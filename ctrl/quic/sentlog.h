/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The record of packets sent: the sent log that the control plane shares with a forwarder (design
 * section 5), read and written from the control plane's side.
 *
 * Log entries say what a number carried; what became of it (acknowledged, lost) is private and
 * stands in |slots|, one per log entry, valid while its |pn| is the one asked for. Packets of ours
 * carry several frames: their entries are INLAY_SENT_LOCAL and |offset| is the first of a chain of
 * frame records from a bounded pool, freed when the packet is resolved.
 *
 * A number that was taken and not published in time is voided, and either its taker or we win the
 * exchange that says so. The loser may be about to write the fields of an entry that is not its own
 * any more: so the entry's place is not given to another number before it has gone (|guard|). What
 * it charged it gives back, unless it died: then inlay_sentlog_reconcile() does.
 *
 * Invariants: every number in [oldest, next_pn) has its own log entry; |oldest| is unresolved or
 * equals next_pn; bytes_sent - resolved_bytes is what is in flight, and what somebody who is about
 * to send, or found that he may not, has charged.
 */
#ifndef INLAY_QUIC_SENTLOG_H
#define INLAY_QUIC_SENTLOG_H

#include <string.h>

#include "inlay_atomic.h"
#include "state.h"

/* What became of a number, as far as we know. */
enum inlay_sent_fate {
	INLAY_FATE_TAKEN, /* by somebody, and not published yet */
	INLAY_FATE_OPEN,  /* sent, in flight */
	INLAY_FATE_ACKED,
	INLAY_FATE_LOST,
	INLAY_FATE_VOID,    /* never sent */
	INLAY_FATE_QUIET,   /* sent, not ack-eliciting, not acknowledged */
	INLAY_FATE_UNKNOWN, /* too long ago */
	INLAY_FATE_NOT_TAKEN,
};

/* One frame in a packet of ours, as far as loss and acknowledgement need it. */
struct inlay_sent_frame {
	__u64 id;     /* stream ID, or the CID's sequence number */
	__u64 offset; /* STREAM: of the first byte. Limits: the value. ACK: the largest number */
	__u32 next;   /* index + 1 of the next one; 0: none */
	__u16 len;
	__u8 type; /* as on the wire, enum inlay_quic_frame_type or one of its forms */
	bool fin;
};

struct inlay_sent_slot {
	__u64 pn;
	__u32 frames; /* index + 1 of the first record; 0: none */
	__u8 fate;    /* ACKED, LOST, VOID or QUIET; OPEN: not resolved */
};

/* Numbers below the oldest unresolved one whose acknowledgement is still looked at. */
#define INLAY_LOOK_BACK 128

struct inlay_sentlog {
	struct inlay_subscriber *entry;
	struct inlay_sent *log;
	__u32 size;
	struct inlay_sent_slot *slots;
	struct inlay_sent_frame *pool;
	__u32 pool_room;
	__u32 pool_used; /* records behind were never touched, and cost no memory */
	__u32 pool_free; /* index + 1 of the first freed record; 0: none */
	__u32 pool_left; /* records that are free, or were never touched */
	__u64 first;	 /* no number below was ever taken */
	__u64 oldest;
	__u64 resolved_bytes;
	__u64 hole_end; /* numbers below were taken before |hole_since| */
	inlay_ns hole_since;
	const struct inlay_state *state; /* who else takes numbers; NULL: nobody */
	__u64 guard;			 /* lowest number given up whose taker may be there; ~0 */
	struct inlay_moment given_up;	 /* those at work then may be */
	__u64 odd[INLAY_LOOK_BACK / 64]; /* numbers below |oldest|: see inlay_sentlog_odd() */
	bool in_doubt;			 /* somebody may have charged what he never gives back */
};

/* |state|: see struct inlay_conn_config. 0; -ENOMEM; -EINVAL: |size| is no power of two or
 * below 64.
 */
int inlay_sentlog_init(struct inlay_sentlog *l, struct inlay_subscriber *entry,
		       struct inlay_sent *log, __u32 size, const struct inlay_state *state);
void inlay_sentlog_fini(struct inlay_sentlog *l);

/* --- Sending --- */

/* False: the log is full. |urgent|: ACKs, probes and closes may use the reserve. */
bool inlay_sentlog_may_take(const struct inlay_sentlog *l, bool urgent);
/* Takes the next number. */
__u64 inlay_sentlog_take(struct inlay_sentlog *l);
/* Few records are left: ordinary frames get none until packets are resolved. */
bool inlay_sentlog_is_short(const struct inlay_sentlog *l);
/* Adds a frame record to the chain |*head| (0: empty), in no particular order. False: the pool is
 * empty, but for a reserve: for ACKs, PINGs and the like, which resolve what holds the records. */
bool inlay_sentlog_frame_add(struct inlay_sentlog *l, __u32 *head,
			     const struct inlay_sent_frame *frame);
void inlay_sentlog_frames_free(struct inlay_sentlog *l, __u32 head);
/*
 * Publishes |e| (all but pn_state) as what |pn| carried. |frames|: its chain, which the log now
 * owns; used if |e| is LOCAL. False: the number was voided meanwhile, and must not be sent.
 */
bool inlay_sentlog_publish(struct inlay_sentlog *l, __u64 pn, const struct inlay_sent *e,
			   __u32 frames);
/* Takes the next number and never sends it (RFC 9000 section 21.4). */
void inlay_sentlog_skip(struct inlay_sentlog *l);
/* Voids every number below |pn|, which nobody has taken yet; -ENOSPC: too many for the log. */
int inlay_sentlog_skip_to(struct inlay_sentlog *l, __u64 pn);

/* --- What became of it --- */

/* The entry of a number whose fate is OPEN, LOST, ACKED or QUIET. */
static inline const struct inlay_sent *inlay_sentlog_entry(const struct inlay_sentlog *l, __u64 pn)
{
	return &l->log[pn & (l->size - 1)];
}

/* Of a published entry. DROPPED may join them at any time; the others stay. */
static inline __u16 inlay_sentlog_flags(const struct inlay_sent *e)
{
	__u32 bits = inlay_load_u32((const __u32 *)(const void *)&e->flags);
	__u16 flags;

	memcpy(&flags, &bits, sizeof(flags));
	return flags;
}

/* Somebody else published it, and inlay_sentlog_note() was not called for it yet; of a number whose
 * fate is open. */
static inline bool inlay_sentlog_is_new(const struct inlay_sentlog *l, __u64 pn)
{
	return l->slots[pn & (l->size - 1)].pn != pn;
}

/* It is OPEN, and noted or ours. */
static inline bool inlay_sentlog_is_open(const struct inlay_sentlog *l, __u64 pn)
{
	const struct inlay_sent_slot *s = &l->slots[pn & (l->size - 1)];

	return s->pn == pn && s->fate == INLAY_FATE_OPEN;
}

enum inlay_sent_fate inlay_sentlog_fate(const struct inlay_sentlog *l, __u64 pn);
/* The same, of a number in [oldest, next_pn). */
static inline enum inlay_sent_fate inlay_sentlog_fate_of(const struct inlay_sentlog *l, __u64 pn)
{
	const struct inlay_sent_slot *s = &l->slots[pn & (l->size - 1)];
	const struct inlay_sent *e = inlay_sentlog_entry(l, pn);
	__u64 word;

	if (s->pn == pn)
		return s->fate;
	word = inlay_load_u64(&e->pn_state);
	if (INLAY_SENT_WORD_STATE(word) == INLAY_SENT_EMPTY || INLAY_SENT_WORD_PN(word) != pn)
		return INLAY_FATE_TAKEN;
	if (INLAY_SENT_WORD_STATE(word) == INLAY_SENT_VOID)
		return INLAY_FATE_VOID;
	return inlay_sentlog_flags(e) & INLAY_SENT_NOT_IN_FLIGHT ? INLAY_FATE_QUIET
								 : INLAY_FATE_OPEN;
}

/* Takes note of an open number that somebody else published. */
static inline void inlay_sentlog_note(struct inlay_sentlog *l, __u64 pn)
{
	struct inlay_sent_slot *s = &l->slots[pn & (l->size - 1)];

	if (s->frames)
		inlay_sentlog_frames_free(l, s->frames);
	*s = (struct inlay_sent_slot){.pn = pn, .fate = INLAY_FATE_OPEN};
}

/* First frame record of a local packet, next one; NULL: no more. */
const struct inlay_sent_frame *inlay_sentlog_frames(const struct inlay_sentlog *l, __u64 pn);
const struct inlay_sent_frame *inlay_sentlog_frame_next(const struct inlay_sentlog *l,
							const struct inlay_sent_frame *f);

/* An OPEN number that was noted, or is ours, is acknowledged. */
static inline void inlay_sentlog_ack(struct inlay_sentlog *l, __u64 pn)
{
	struct inlay_sent_slot *s = &l->slots[pn & (l->size - 1)];

	l->resolved_bytes += inlay_sentlog_entry(l, pn)->packet_size;
	if (s->frames)
		inlay_sentlog_frames_free(l, s->frames);
	s->frames = 0;
	s->fate = INLAY_FATE_ACKED;
}
/* Settles an OPEN, QUIET or LOST number as ACKED or LOST and counts its bytes, once. The records
 * of a lost one are kept until its number is acknowledged or its slot is used again. */
void inlay_sentlog_resolve(struct inlay_sentlog *l, __u64 pn, enum inlay_sent_fate fate);
/* Moves |oldest| over what is resolved. */
void inlay_sentlog_skip_resolved(struct inlay_sentlog *l);
/* The same, gives up numbers that nobody published within |grace|, and
 * writes entry->pn_limit. */
void inlay_sentlog_advance(struct inlay_sentlog *l, inlay_ns grace, inlay_ns now);

/* Bytes of what is in flight, by the log alone; counts open and taken numbers as it goes. */
__u64 inlay_sentlog_recount(const struct inlay_sentlog *l, __u64 *ret_taken);
/*
 * At a moment when nobody else is at work: what is charged and neither in flight nor resolved was
 * charged by somebody who died. |*flow_charged|: what streams have really used of flow_bytes, which
 * is put right as well. False: somebody is at work; later.
 */
bool inlay_sentlog_reconcile(struct inlay_sentlog *l, const __u64 *flow_charged);

/* Lowest number that still has an entry: below it the log has been written over. */
static inline __u64 inlay_sentlog_lowest(const struct inlay_sentlog *l)
{
	__u64 next = inlay_load_u64(&l->entry->next_pn);

	return next - l->first > l->size ? next - l->size : l->first;
}

static inline __u64 inlay_sentlog_in_flight(const struct inlay_sentlog *l)
{
	return inlay_load_u64(&l->entry->bytes_sent) - l->resolved_bytes;
}

/*
 * The largest number in [begin, end), all of it below |oldest|, of which an acknowledgement may be
 * news: it was lost, or never acknowledged, or never sent. Looks back INLAY_LOOK_BACK numbers at
 * most, and half as many at least. False: there is none.
 */
bool inlay_sentlog_odd(const struct inlay_sentlog *l, __u64 begin, __u64 end, __u64 *ret_pn);

/* When the entry was written; |now_us|, in microseconds, at most 71 minutes later. Whole
 * microseconds: else a timer that counts from here would move on with the clock, and come due a
 * nanosecond early until the microsecond is over. */
static inline inlay_ns inlay_sentlog_time_us(const struct inlay_sent *e, __u64 now_us)
{
	__u32 age_us = (__u32)now_us - e->time_us;

	/* Another thread's clock reading may be a little ahead; then it is now. */
	if (age_us > -1000000U)
		age_us = 0;
	return age_us > now_us ? 0 : (now_us - age_us) * INLAY_US;
}

static inline inlay_ns inlay_sentlog_time(const struct inlay_sent *e, inlay_ns now)
{
	return inlay_sentlog_time_us(e, now / INLAY_US);
}

#endif
