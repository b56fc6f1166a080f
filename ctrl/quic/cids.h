/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Connection IDs (RFC 9000 section 5.1): ours, which the peer sends to, and the peer's, which we
 * send to. Sequence number 0 of each comes from the handshake.
 */
#ifndef INLAY_QUIC_CIDS_H
#define INLAY_QUIC_CIDS_H

#include "conn.h"
#include "intervals.h"

#define INLAY_CIDS_OWN_MAX  4		    /* of ours in force at once */
#define INLAY_CIDS_OWN_ROOM INLAY_CONN_CIDS /* with those retired of late */
#define INLAY_CIDS_PEER_MAX 8		    /* of the peer's that we would ever keep */

struct inlay_own_cid {
	bool used;
	bool pending; /* NEW_CONNECTION_ID has to be sent */
	bool retired; /* by the peer: good until |gone_at| for packets that are late */
	inlay_ns gone_at;
	__u64 sequence;
	struct inlay_cid cid;
	__u8 token[16];
};

struct inlay_peer_cid {
	bool used;
	bool sent_with; /* on some path: no other gets it (RFC 9000 section 9.5) */
	bool has_token;
	__u64 sequence;
	struct inlay_cid cid;
	__u8 token[16];
};

struct inlay_cids {
	const struct inlay_conn_ops *ops;
	void *user;
	/* Ours */
	struct inlay_own_cid own[INLAY_CIDS_OWN_ROOM];
	__u64 next_sequence;
	__u64 own_retire_prior_to; /* ours below have been replaced */
	inlay_ns next_gone; /* none of those retired goes before; INLAY_NEVER: none is left */
	__u32 own_max;	    /* as many as the peer keeps, at most INLAY_CIDS_OWN_MAX */
	/* The peer's */
	struct inlay_peer_cid peer[INLAY_CIDS_PEER_MAX];
	__u32 peer_max; /* our active_connection_id_limit */
	__u32 current;	/* index of the one in use */
	__u64 retire_prior_to;
	struct inlay_intervals
		seen; /* sequence numbers that have come, in force or retired since */
	struct inlay_intervals retiring; /* sequences in RETIRE_CONNECTION_ID frames to send */
	__u32 retires_open; /* RETIRE_CONNECTION_ID frames to send or not acknowledged */
};

void inlay_cids_init(struct inlay_cids *c, const struct inlay_handover *h,
		     const struct inlay_conn_ops *ops, void *user);
void inlay_cids_fini(struct inlay_cids *c);

/* Issues CIDs of ours up to |own_max|. Fewer if the endpoint has none. */
void inlay_cids_issue(struct inlay_cids *c);
/* Issues as many new ones, which ask the peer to retire all those before (section 5.1.2). 0;
 * -EAGAIN: it has not done so yet since the last time; -ENOSPC: the endpoint has none. */
int inlay_cids_renew(struct inlay_cids *c);
static inline const struct inlay_cid *inlay_cids_peer(const struct inlay_cids *c)
{
	return &c->peer[c->current].cid;
}

/* Goes over to another CID of the peer's and retires the one in use. 0; -EAGAIN: there is none. */
int inlay_cids_rotate(struct inlay_cids *c);
static inline __u64 inlay_cids_peer_sequence(const struct inlay_cids *c)
{
	return c->peer[c->current].sequence;
}

/*
 * Paths besides the one in use have CIDs of their own (section 9.5), named by sequence number. A
 * new one; 0; -EAGAIN: there is none that nothing was sent with yet.
 */
int inlay_cids_take(struct inlay_cids *c, __u64 *ret_sequence);
/* NULL: the peer has had it retired. */
const struct inlay_cid *inlay_cids_peer_at(const struct inlay_cids *c, __u64 sequence);
/* The path in use goes on with this one, if it is still there. The one before stays taken. */
void inlay_cids_switch(struct inlay_cids *c, __u64 sequence);
/* No path sends with it any more: retired, unless it is the one in use. */
void inlay_cids_release(struct inlay_cids *c, __u64 sequence);

/* Frames of the peer. NO_ERROR or what to close with. */
enum inlay_quic_error inlay_cids_on_new(struct inlay_cids *c, const struct inlay_quic_new_cid *f);
/* |dcid|: what the packet was sent to; INLAY_OWN_CID bytes. The CID is forgotten at |gone_at|: a
 * late packet is not to be answered by a reset. */
enum inlay_quic_error inlay_cids_on_retire(struct inlay_cids *c, __u64 sequence, const __u8 *dcid,
					   inlay_ns gone_at);
inlay_ns inlay_cids_deadline(const struct inlay_cids *c);
void inlay_cids_on_timer(struct inlay_cids *c, inlay_ns now);

/* A NEW_CONNECTION_ID or RETIRE_CONNECTION_ID of ours was lost, or acknowledged. */
void inlay_cids_on_new_lost(struct inlay_cids *c, __u64 sequence);
void inlay_cids_on_retire_lost(struct inlay_cids *c, __u64 sequence);
void inlay_cids_on_retire_acked(struct inlay_cids *c);

/* Frames to send; NULL, false: none. */
struct inlay_own_cid *inlay_cids_pending(struct inlay_cids *c);
bool inlay_cids_retire_pending(const struct inlay_cids *c, __u64 *ret_sequence);
void inlay_cids_retire_sent(struct inlay_cids *c, __u64 sequence);

#endif
