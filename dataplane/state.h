/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The shared fast-path state (bpf/include/inlay_abi.h, design section 5) as memory: one memfd of
 * sealed size, laid out as the tables of struct inlay_tables. Pages nobody touched cost nothing, so
 * bounds may be generous. Who gets which entry is decided here, by the control thread alone; what
 * is in the entries is written by whom the ABI says.
 *
 * Entries are reused only when no forwarder can hold them any more (rule 7): who is done with one
 * gives it back, and it becomes free once every context has passed through a quiet moment.
 */
#ifndef INLAY_DATAPLANE_STATE_H
#define INLAY_DATAPLANE_STATE_H

#include "inlay_abi.h"
#include "inlay_atomic.h"

/* Zero: the default given. Powers of two, but for |tracks|. */
struct inlay_state_config {
	__u32 subscribers;  /* connections: 1024 */
	__u32 log_size;	    /* entries of each one's sent log: 2048 */
	__u32 upstreams;    /* connections that media comes in on: 64 */
	__u32 journal_size; /* entries of each one's journal: 1024 */
	__u32 tracks;	    /* forwarded at once: 256 */
	__u32 slots;	    /* live upstream streams: 256, at most 65534 */
	__u32 sas;	    /* receive SAs looked up by number: twice |subscribers| */
};

/* Where everything stands: what a forwarder needs. All indices are masked or compared by the user.
 */
struct inlay_tables {
	struct inlay_context *contexts;	      /* INLAY_CONTEXTS */
	struct inlay_rx_sa *sas;	      /* [number & (n_sas - 1)] */
	struct inlay_subscriber *subscribers; /* [i] */
	struct inlay_sent *logs;	      /* [subscriber * log_stride + (pn & log_mask)] */
	struct inlay_upstream *upstreams;     /* [i] */
	struct inlay_journal *journals;	      /* [upstream * journal_size + (pn & journal_mask)] */
	struct inlay_track *tracks;	      /* [i] */
	struct inlay_position *positions;     /* [track * INLAY_POSITIONS + i] */
	struct inlay_slot *slots;	      /* [i] */
	struct inlay_leg *legs;		      /* [slot * INLAY_POSITIONS + i] */
	__u32 n_sas, n_subscribers, n_upstreams, journal_size, n_tracks, n_slots;
	/* Entries from one log to the next: a little more than each has, so that the entries of one
	 * number, which fan-out writes one after the other, fall on different sets of the cache. */
	__u32 log_stride;
};

struct inlay_state;

/* 0; -EINVAL; -ENOMEM; what memfd_create() and mmap() return. */
int inlay_state_new(const struct inlay_state_config *config, struct inlay_state **ret_state);
/* Nobody uses it any more. Takes NULL. */
void inlay_state_free(struct inlay_state *st);
const struct inlay_tables *inlay_state_tables(const struct inlay_state *st);
/* Address space of it all, and what is touched of it, in bytes. */
void inlay_state_size(const struct inlay_state *st, __u64 *ret_room, __u64 *ret_used);

/* --- Quiescence --- */

/* A moment: every forwarder that could have read what was there before it is still at work. */
struct inlay_moment {
	__u64 epochs[INLAY_CONTEXTS];
};
/* After what nobody is to see any more was written by an exchange or compare-exchange. */
void inlay_state_moment(const struct inlay_state *st, struct inlay_moment *ret_moment);
/* True: no forwarder holds anything it read before the moment. It stays true. */
bool inlay_state_is_quiet(const struct inlay_state *st, const struct inlay_moment *moment);
/* The forwarder's side. */
static inline void inlay_context_enter(struct inlay_context *c);
static inline void inlay_context_leave(struct inlay_context *c);

/* --- Entries: -ENOSPC where there is none --- */

/* Zeroed, with its generation set; its log is zero too. */
int inlay_state_subscriber_get(struct inlay_state *st, __u32 *ret_index);
void inlay_state_subscriber_put(struct inlay_state *st, __u32 index);
struct inlay_subscriber *inlay_state_subscriber(const struct inlay_state *st, __u32 index);
struct inlay_sent *inlay_state_log(const struct inlay_state *st, __u32 index);

/* OFF and empty, not yet found by any SA. */
int inlay_state_upstream_get(struct inlay_state *st, __u32 *ret_index);
/* Its SA is not routed to it any more, its slots were given up. */
void inlay_state_upstream_put(struct inlay_state *st, __u32 index);
/* Packets opened by this SA belong to |upstream|. -EEXIST: its place is taken by another, or was a
 * moment ago. */
int inlay_state_route(struct inlay_state *st, __u32 sa, __u16 generation, __u32 upstream);
void inlay_state_unroute(struct inlay_state *st, __u32 sa, __u16 generation);

int inlay_state_track_get(struct inlay_state *st, __u32 *ret_index);
/* No alias names it any more, and its positions were put. */
void inlay_state_track_put(struct inlay_state *st, __u32 index);
/* A free position of |track|, stable until it is put; its legs are NONE in every slot. */
int inlay_state_position_get(struct inlay_state *st, __u32 track, __u32 *ret_index);
/* It is OFF, and every leg of it was settled. */
void inlay_state_position_put(struct inlay_state *st, __u32 track, __u32 index);

/* A slot whose stream is over, or was given up: its legs become NONE, it becomes FREE. No leg of it
 * is ATTACHED or OFFERED. */
void inlay_state_slot_put(struct inlay_state *st, __u32 index);
/*
 * Its fields are there to be read, by the thread that frees slots: until it does, they stay. Those
 * of a slot that is CLAIMED a forwarder is writing.
 */
static inline bool inlay_state_slot_is_set_up(const struct inlay_slot *s)
{
	__u32 state = inlay_load_u32(&s->state);

	return state != INLAY_SLOT_FREE && state != INLAY_SLOT_CLAIMED;
}

/* Now and then, and before a -ENOSPC is believed: gives free what was put and is quiet. */
void inlay_state_reclaim(struct inlay_state *st);

static inline void inlay_context_enter(struct inlay_context *c)
{
	inlay_xchg_u64(&c->epoch, inlay_load_u64(&c->epoch) + 1);
}

static inline void inlay_context_leave(struct inlay_context *c)
{
	inlay_xchg_u64(&c->epoch, inlay_load_u64(&c->epoch) + 1);
}

#endif
