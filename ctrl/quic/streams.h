/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The streams of a connection: a table by ID, the limits on IDs in both directions (RFC 9000
 * sections 2.1, 3, 4.6), and the order in which streams with something to send take turns.
 *
 * A stream is in the table from its first use until both of its sides are done. IDs of the peer
 * that were used before and are in the table no more are closed; those never used, below the
 * limit, are open without a record.
 */
#ifndef INLAY_QUIC_STREAMS_H
#define INLAY_QUIC_STREAMS_H

#include "inlay_atomic.h"
#include "list.h"
#include "stream_recv.h"
#include "stream_send.h"

/* Control frames that a stream owes. */
enum inlay_stream_owes {
	INLAY_OWES_RESET = 1 << 0,
	INLAY_OWES_STOP = 1 << 1,
	INLAY_OWES_MAX_DATA = 1 << 2,
	INLAY_OWES_BLOCKED = 1 << 3,
};

struct inlay_stream {
	__u64 id;
	struct inlay_stream *hash_next;
	struct inlay_list all;
	struct inlay_list owing; /* in streams->owing while |owes| is not 0 */
	struct inlay_list dead;	 /* in streams->dead once both sides are done */
	__u8 owes;
	bool has_send;
	bool has_recv;
	bool is_dead;
	__u32 heap_index;	      /* + 1; 0: not waiting to send */
	__u8 rank;		      /* 0: something to send again, or a FIN alone; 1: new bytes */
	__u8 class;		      /* of its new bytes: see classes.h */
	__u64 waits_new, waits_again; /* bytes of it in inlay_streams.pending */
	__u64 priority;
	__u64 turn;
	__u64 blocked_at; /* limit that STREAM_DATA_BLOCKED was sent for, + 1 */
	/* While it is lent; NULL: it is not, or a forwarder has opened it, and nobody adopted it.
	 */
	const struct inlay_loan_ops *loan;
	void *loan_ctx;
	struct inlay_list lent; /* in streams->lent while there is a loan */
	bool recalled;
	struct inlay_stream_send send;
	struct inlay_stream_recv recv;
};

/* Streams that the peer opens, of one kind. */
struct inlay_stream_quota {
	__u64 window;
	__u64 limit;  /* advertised */
	__u64 closed; /* of those opened so far */
	struct inlay_window_tuner tuner;
	struct inlay_intervals used; /* stream numbers that have had a record */
	bool pending;		     /* MAX_STREAMS has to be sent */
	bool blocked;		     /* we owe STREAMS_BLOCKED */
	bool refused;		     /* stream_open() has returned -EAGAIN since the last rise */
};

enum inlay_stream_kind {
	INLAY_BIDI = 0,
	INLAY_UNI = 1,
};

#define INLAY_STREAMS_RECENT 4

struct inlay_streams {
	enum inlay_role role;
	struct inlay_subscriber *entry;
	struct inlay_stream **buckets;
	__u32 n_buckets;
	__u32 n;
	__u32 n_own;
	struct inlay_list all, owing, dead, lent;
	__u32 n_recalled; /* of those lent */
	__u64 charged; /* rise of the highest offsets of all streams that is in |entry->flow_bytes|
			*/
	/* What inlay_streams_seek() found last, by stream number; NULL: none. Acknowledgements and
	 * what a forwarder sends meanwhile are of neighbours. */
	struct inlay_stream *recent[INLAY_STREAMS_RECENT];
	struct inlay_stream **heap;
	__u32 n_heap, heap_room;
	__u64 turn;
	/* Bytes that could be sent now but for credit of the connection; those to be sent again
	 * count for class 0. */
	__u64 pending[INLAY_CLASSES];
	struct inlay_stream_quota quota[2]; /* by enum inlay_stream_kind */
	__u64 next_bidi, bidi_limit;	    /* numbers of ours; unidirectional: in |entry| */
	const struct inlay_transport_params *own, *peer;
	__u32 growth; /* most that a window of a stream grows by */
	struct inlay_budget recv_budget;
	struct inlay_budget send_budget;
};

static inline enum inlay_stream_kind inlay_stream_kind_of(__u64 id)
{
	return id & 2 ? INLAY_UNI : INLAY_BIDI;
}

static inline bool inlay_stream_is_own(const struct inlay_streams *t, __u64 id)
{
	return (id & 1) == (t->role == INLAY_SERVER);
}

/* |own| and |peer| outlive it. 0; -ENOMEM. */
int inlay_streams_init(struct inlay_streams *t, enum inlay_role role,
		       struct inlay_subscriber *entry, const struct inlay_transport_params *own,
		       const struct inlay_transport_params *peer);
/* Releases every source. */
void inlay_streams_fini(struct inlay_streams *t);

/* NULL: no such stream in the table. */
struct inlay_stream *inlay_streams_find(const struct inlay_streams *t, __u64 id);
/* Streams that were looked for of late are fetched into the cache. */
static inline void inlay_streams_fetch(const struct inlay_streams *t)
{
	for (int i = 0; i < INLAY_STREAMS_RECENT; i++) {
		__builtin_prefetch(t->recent[i]);
		if (t->recent[i])
			__builtin_prefetch(&t->recent[i]->send, 1);
	}
}
/* The same, quickly where the same one is asked for many times in a row. */
struct inlay_stream *inlay_streams_seek(struct inlay_streams *t, __u64 id);
/* Opens a stream of ours. 0; -EAGAIN: the peer's limit; -ENOMEM. */
int inlay_streams_open(struct inlay_streams *t, bool bidi, struct inlay_stream **ret);
/*
 * Unidirectional stream |number| of ours, which a forwarder has opened: its record is made when its
 * first packet is found in the log, or when it is adopted, whichever comes first; it is lent.
 */
/* NULL: no memory. */
struct inlay_stream *inlay_streams_of_forwarder(struct inlay_streams *t, __u64 number);
/* Without a source yet. 0; -EINVAL: nobody took that number; -EEXIST; -ENOMEM. */
int inlay_streams_adopt(struct inlay_streams *t, __u64 number, struct inlay_stream **ret);
/*
 * The stream that a frame of the peer names. |to_send|: the frame is about our sending side
 * (MAX_STREAM_DATA, STOP_SENDING). NO_ERROR with |*ret| NULL: closed before, ignore the frame.
 * |*ret_new|: it is the first use. STREAM_STATE_ERROR; STREAM_LIMIT_ERROR; INTERNAL_ERROR.
 */
enum inlay_quic_error inlay_streams_accept(struct inlay_streams *t, __u64 id, bool to_send,
					   struct inlay_stream **ret, bool *ret_new);
/* 0: source, or a buffer if NULL; -ENOMEM. */
int inlay_streams_set_source(struct inlay_streams *t, struct inlay_stream *s,
			     const struct inlay_stream_source *source, void *ctx);

void inlay_streams_owe(struct inlay_streams *t, struct inlay_stream *s, __u8 owes);
void inlay_streams_paid(struct inlay_stream *s, __u8 owes);

/* After any change of what |s| has to send: its place in the order. */
void inlay_streams_update(struct inlay_streams *t, struct inlay_stream *s);
/* Class of its new bytes, below INLAY_CLASSES. */
void inlay_streams_set_class(struct inlay_streams *t, struct inlay_stream *s, __u8 class);
/* A frame of |s| was sent: the next of equal priority is next. */
void inlay_streams_rotate(struct inlay_streams *t, struct inlay_stream *s);
/* First in order; NULL: none. */
static inline struct inlay_stream *inlay_streams_first(const struct inlay_streams *t)
{
	return t->n_heap ? t->heap[0] : NULL;
}

/* Puts |s| on the dead list if both sides are done. */
void inlay_streams_settle(struct inlay_streams *t, struct inlay_stream *s);
/* Takes a dead stream out of the table and frees it. */
void inlay_streams_free(struct inlay_streams *t, struct inlay_stream *s);

#endif
