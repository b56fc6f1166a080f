/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The relay's side of the fast path (design section 5): which connections media comes in on that a
 * forwarder forwards, to whom, and what becomes of the streams it opened. Only ctrl/relay includes
 * it.
 *
 *     session of a publisher    -- relay_fast_upstream   upstream entry, its SA's route
 *     track, its fast publisher -- relay_fast_track      track entry, alias entry
 *     subscription              -- relay_position        position
 *     publisher's stream (feed) -- relay_slot            slot that the forwarder has claimed
 *     reader                    -- its leg               position in slot: a stream that is lent
 *
 * Invariants:
 *  - Whether the forwarder has a stream for a subscriber stands in the leg, and nowhere else: who
 *    serves a publisher's stream is decided when the control plane first hears of it.
 *  - Every downstream stream that the forwarder opened is adopted, once, and ends in FIN or RESET.
 *  - An entry is given back when nobody can be at work on it: everything here outlives what it was
 *    made for until then. Nothing waits by blocking: see struct relay_wait.
 */
#ifndef INLAY_RELAY_FAST_H
#define INLAY_RELAY_FAST_H

#include "inlay_reasons.h"
#include "list.h"
#include "session.h"
#include "state.h"

struct inlay_cache_stream;
struct inlay_relay;
struct inlay_relay_session;
struct relay_reader;
struct relay_subscription;
struct relay_track;
struct relay_upstream;

#define RELAY_FAST_POLL (1 * INLAY_MS) /* how often it is asked whether all is quiet */
#define RELAY_NO_REASON INLAY_N_REASONS

/* Of the relay; all 0 where there is no forwarder. */
struct relay_fast {
	struct inlay_state *state;
	const struct inlay_tables *tables;
	struct inlay_list waits;     /* relay_wait.node, oldest first */
	struct inlay_list later;     /* the same, of those that look again at the next timer */
	struct inlay_list upstreams; /* relay_fast_upstream.node */
	struct inlay_list tracks;    /* relay_fast_track.node */
	struct relay_slot **slots;   /* by the slot's index; NULL: not known of yet */
	__u32 *given;	   /* by the slot's index: its generation when it was given back, + 1 */
	inlay_ns deadline; /* nothing is due before */
	inlay_ns next_sweep;
	__u64 last_upstream;
	__u64 attached; /* legs that were adopted */
	__u64 offered;	/* and those that the control plane offered */
	__u64 detached[INLAY_N_REASONS];
};

/* Something to be done once no forwarder holds what it read up to now. */
struct relay_wait {
	struct inlay_list node;
	struct inlay_moment moment;
	void (*then)(struct inlay_relay *r, struct relay_wait *w);
};

/* 0; -ENOMEM. |state| NULL: none. */
int relay_fast_init(struct inlay_relay *r, struct inlay_state *state);
/* No forwarder runs any more. */
void relay_fast_fini(struct inlay_relay *r);
void relay_fast_on_timer(struct inlay_relay *r);
struct inlay_relay_stats;
void relay_fast_count(const struct inlay_relay *r, struct inlay_relay_stats *ret);
void relay_fast_wake(struct inlay_relay *r, inlay_ns t);
/* Calls |then| at once, or as soon as all is quiet. One that waits begins anew. */
void relay_wait_for_quiet(struct inlay_relay *r, struct relay_wait *w,
			  void (*then)(struct inlay_relay *r, struct relay_wait *w));

/* Calls |then| with a timer to come. */
void relay_wait_a_while(struct inlay_relay *r, struct relay_wait *w,
			void (*then)(struct inlay_relay *r, struct relay_wait *w));

/* --- upstreams ------------------------------------------------------------------------------- */

struct relay_fast_upstream {
	struct inlay_list node;
	struct inlay_relay_session *session; /* NULL: ended */
	__u64 id;			     /* never another's: serials are told apart by it */
	__u32 index;
	__u32 sa;
	__u16 sa_generation;
	__u32 n_tracks;	     /* fast tracks that were not given back */
	inlay_ns idle_since; /* when the last one was */
	bool closing;
	struct relay_wait wait;
};

/* The session's; made if there is none. NULL: |*ret_why| says why not. */
struct relay_fast_upstream *relay_fast_upstream_get(struct inlay_relay_session *rs,
						    enum inlay_reason *ret_why);
/* A fast track of it was given back. */
void relay_fast_upstream_put(struct inlay_relay *r, struct relay_fast_upstream *fu);
/* Those that have been without a track for long enough end. */
void relay_fast_upstreams_check(struct inlay_relay *r);
void relay_fast_session_gone(struct inlay_relay_session *rs);
/* A packet of the session's was read: the journal's place for it may be used again. */
void relay_fast_heard(struct inlay_relay_session *rs);
struct inlay_upstream *relay_fast_upstream_entry(const struct relay_fast *f,
						 const struct relay_fast_upstream *fu);

/* --- tracks ---------------------------------------------------------------------------------- */

struct relay_fast_track {
	struct inlay_list node;
	struct relay_track *track;	 /* NULL: it is gone */
	struct relay_upstream *upstream; /* the fast one; NULL: none any more: it drains */
	struct relay_fast_upstream *from;
	struct inlay_alias *alias;
	__u64 first_group; /* that it is granted */
	__u32 index;
	bool quiet;			   /* draining: no new slot can be claimed */
	bool leaving;			   /* relay_fast_track_left() is at work on it */
	bool abandon;			   /* draining: slots not known of yet never will be */
	struct inlay_list slots;	   /* relay_slot.of_track */
	struct relay_position **positions; /* by index */
	__u32 n_positions;
	struct relay_wait wait;
};

/* Publishers or subscribers have come or gone: begins, or ends, what follows from it. */
void relay_fast_track_check(struct relay_track *t);
/* The fast publisher begins no new group: another may be the fast one after it. */
void relay_fast_track_yield(struct relay_fast_track *ft);
/* Has a forwarder begun |group|, or may it yet, that the control plane has heard nothing of? */
bool relay_fast_may_have(const struct relay_fast_track *ft, __u64 group);
/* |up| is about to go. */
void relay_fast_upstream_gone(struct relay_upstream *up);
void relay_fast_track_gone(struct relay_track *t);
/* Now and then: slots of streams that the control plane will never hear of are given up. */
void relay_fast_track_sweep(struct inlay_relay *r, struct relay_fast_track *ft);
/* A slot or position was given back. */
void relay_fast_track_left(struct inlay_relay *r, struct relay_fast_track *ft);

/* --- positions ------------------------------------------------------------------------------- */

struct relay_position {
	struct inlay_list of_session;
	struct inlay_relay *relay;
	struct relay_fast_track *ft;
	struct relay_subscription *sub;	     /* NULL: it has ended */
	__u64 request;			     /* ID of its SUBSCRIBE */
	struct inlay_relay_session *session; /* NULL: it has ended */
	__u32 index;
	bool closing;
	bool was_active;	/* before it closed */
	bool is_old;		/* no packet comes up any more from before |since| */
	__u32 until;		/* closing: serial of the first packet that found it off */
	struct inlay_list legs; /* relay_reader.leg.of_position */
	struct relay_wait wait;
};

/* What a position had before it closed: datagrams in packets of these serials. */
struct relay_past {
	__u64 upstream; /* relay_fast_upstream.id; 0: none */
	__u32 since, until;
	__u64 first_group, end_group;
};

/* Arms a position for |sub| if the rules allow it; else |sub->why| says which one does not. */
void relay_position_check(struct relay_subscription *sub);
/* No new stream, no datagram; what it has comes back. True: it is gone already. */
bool relay_position_close(struct relay_position *p);
/* The same for the one that |sub| has, if any. */
bool relay_position_end(struct relay_subscription *sub);
/* |sub| is about to be freed. */
void relay_position_forget(struct relay_subscription *sub);
/* Classes have changed. */
void relay_position_set_thresholds(struct relay_subscription *sub);

/* Now and then: serials have 32 bits, and a subscription may last for more packets. */
void relay_positions_age(struct inlay_relay *r, struct relay_fast_track *ft);

/* For displays: streams that are the forwarder's now, copies made, why one was last not made. */
void relay_position_view(const struct relay_subscription *sub, __u32 *ret_lent, __u64 *ret_copies,
			 __u32 *ret_why);

/* What the forwarder did with the datagram that is being delivered. */
struct relay_datagram_fate {
	bool forwarded;
	__u32 serial;
	__u64 upstream; /* as above */
};
void relay_fast_datagram(struct relay_upstream *up, struct relay_datagram_fate *ret);
/* Has |sub| had it? */
bool relay_position_had(const struct relay_subscription *sub,
			const struct relay_datagram_fate *fate, __u64 group);

/* --- slots and legs -------------------------------------------------------------------------- */

struct relay_slot {
	struct inlay_list of_track;
	struct relay_fast_track *ft;
	struct inlay_cache_stream *stream; /* NULL: refused, or ended */
	struct inlay_moq_incoming *in;	   /* as long as |stream| */
	__u32 index;
	__u64 number; /* of the publisher's stream */
	bool ending;
	inlay_ns tail_since;	/* we hold what the forwarder has not seen; 0: we do not */
	__u64 tail;		/* where it ended then */
	struct inlay_list legs; /* relay_reader.leg.of_slot */
	__u64 taken[INLAY_POSITIONS / 64]; /* by position: adopted, or abandoned */
	inlay_ns offer_at;		   /* 0: not before there is more */
	struct relay_wait wait;
};

/* A record for the slot |index|. NULL: no memory. */
struct relay_slot *relay_slot_new(struct inlay_relay *r, struct relay_fast_track *ft, __u32 index);
/* The slot of a publisher's stream that has just begun to arrive; NULL: it is conventional, now if
 * it was not before. */
struct relay_slot *relay_slot_find(struct relay_upstream *up, const struct inlay_moq_incoming *in);
/* The relay has the stream as |stream|. */
void relay_slot_begin(struct relay_slot *slot, struct inlay_cache_stream *stream,
		      struct inlay_moq_incoming *in);
/* What the position has in it is adopted. */
void relay_slot_take(struct relay_slot *slot, __u32 position);
/*
 * The slot |index| of |track|, whether the control plane knows of it or not. NULL: it is free,
 * given back, another track's, or CLAIMED: a forwarder is writing it, and what can be read there is
 * what it was before. A slot leaves CLAIMED within one packet, so once a track or a position is
 * quiet none of its own are left out here.
 */
struct inlay_slot *relay_slot_of(const struct relay_fast *f, __u32 index, __u32 track);
/* Offers what the control plane sends. */
void relay_slot_offer(struct inlay_relay *r, struct relay_slot *slot);
/* Adopts the stream that the forwarder has opened for |sub|, if any. */
bool relay_slot_adopt(struct relay_slot *slot, struct relay_subscription *sub);
/* More of the stream is in the cache, and a leg is offered that may have come too late for it. */
void relay_slot_expect(struct inlay_relay *r, struct relay_slot *slot);
/* More of the stream is in the cache. */
void relay_slot_on_growth(struct inlay_relay *r, struct relay_slot *slot);
/* The stream is over, or refused: all legs come back, then the slot goes. */
void relay_slot_end(struct inlay_relay *r, struct relay_slot *slot);
void relay_slot_on_timer(struct inlay_relay *r, struct relay_slot *slot);
/* Detaches what position |index| has in slot |slot|. True: it had something. */
bool relay_leg_detach(const struct relay_fast *f, __u32 slot, __u32 index,
		      enum inlay_reason reason);
/* The position's streams in all slots that nobody has adopted are reset. */
void relay_slots_abandon(struct inlay_relay *r, struct relay_position *p);
struct inlay_leg *relay_leg_at(const struct relay_fast *f, __u32 slot, __u32 index);

/* What a reader knows of the stream that is lent. */
struct relay_leg {
	struct inlay_leg *entry; /* NULL: it is not lent, or came back for good */
	struct relay_slot *slot;
	struct inlay_list of_slot, of_position;
	bool recalled;
	bool detached; /* |moment| is of then */
	__u64 offered; /* our stream's offset that it was last offered from */
	inlay_ns offer_at, offer_pause;
	struct inlay_moment moment;
};

extern const struct inlay_loan_ops relay_leg_ops; /* of readers */
void relay_leg_init(struct relay_leg *leg);
/* The forwarder sends |rd|'s stream. */
void relay_leg_lend(struct relay_reader *rd, struct relay_slot *slot, struct inlay_leg *entry);
/* The forwarder is through with it: no entry is looked at any more. */
void relay_leg_settle(struct relay_reader *rd);
/* Out of the lists of slot and position: the reader is about to go. */
void relay_leg_fini(struct relay_leg *leg);
/* Asks for it back. */
void relay_leg_recall(struct relay_reader *rd);
/* More is in the cache: sees to it that somebody sends it. */
void relay_leg_on_growth(struct relay_reader *rd);

#endif
