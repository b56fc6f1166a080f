/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The learner: what a TURN server (RFC 8656) has granted, learnt from its own answers (design
 * section 8). Sans-I/O: events and the time go in, calls of |ops| come out.
 *
 * What makes a channel fast, all of it:
 *  - a request of a UDP client's at one of the server's ports, its UDP checksum one that a receiver
 *    takes, and the success with the same method, transaction ID and 5-tuple, sent no earlier by a
 *    socket of this namespace from one of those ports that is no relayed one: of Allocate, and of
 *    ChannelBind. ChannelBind gives the permission, too; CreatePermission refreshes it. Only the
 *    first eight peers of a CreatePermission count.
 *  - ChannelData on that channel was seen to go up, and within INLAY_TURN_PROOF_TIME a socket of
 *    this namespace sent the same bytes to the very peer that the request named, from the port of
 *    the allocation's XOR-RELAYED-ADDRESS. Its source address is the relayed address, its cookie
 *    the allocation's. Fewer than eight bytes count only from the address that was told.
 *  - no doubt. The allocation stays with the server until its end if: REQUESTED-TRANSPORT is not
 *    UDP; a mobility ticket (RFC 8016) goes by; what was granted is not what was asked for (address
 *    families, a Refresh of one that is not there), names no relayed address, port or lifetime, or
 * a relayed port where the server listens; its data leave from another socket or address than
 *    before, from another allocation's, or from a listening one.
 *
 * An ID means one request, for 40 s: byte for byte the same is a retransmission (its time is the
 * first one's); any difference, an answer of another method or with another meaning, and anything
 * that does not parse or that two could read differently (inlay_stun.h) poisons it. No answer to it
 * counts, and what it has granted already is taken back. Responses may be handed over up to a
 * second before their requests; which came first is decided by the events' times.
 *
 * What ends it:
 *  - a Refresh with lifetime 0, or shorter, also without its request; expiry, of each of the three
 *    lifetimes, counted from the request. A permission that has run out takes its channels' proofs
 *    with it.
 *  - error responses. 300, 401, 420, 438 and 441 say nothing, nor does 400 but to ChannelBind. 437
 *    ends the allocation, also without its request (but is what an Allocate gets where there is
 *    one). Any other: to Allocate and Refresh (but 443) ends the allocation; to CreatePermission
 * the permissions that it names, to ChannelBind that channel and permission. 400 to ChannelBind:
 * that channel.
 *  - another Allocate that succeeds on the 5-tuple, or with the relayed address: it begins anew. A
 *    number bound to another peer, or a peer bound to another number, is proven anew.
 *  - the destruction of the relayed socket, or of the one that granted the allocation; what such a
 *    socket has sent and is handed over later begins nothing.
 *  - records lost from the ring of responses: then everything. Lost requests end nothing.
 *
 * What it cannot see: a server that comes to deny a peer without telling the client. A client that
 * refreshes is told (403); one that has its refreshes of that peer reach this host and not the
 * server, and others in fragments under the same IDs, can keep a channel that was proven before.
 */
#ifndef INLAY_TURN_LEARNER_H
#define INLAY_TURN_LEARNER_H

#include "watch.h"

struct inlay_turn_learner;

#define INLAY_TURN_PROOF_TIME  (1 * INLAY_S)
#define INLAY_TURN_LEARNER_MAX (1U << 24) /* allocations, at most */

/* Where decisions go: the functions of inlay_turn.h and watch.h, or a test's. */
struct inlay_turn_learner_ops {
	int (*allocation_add)(void *user, const struct inlay_turn_allocation_params *params,
			      struct inlay_turn_id *ret_id);
	int (*allocation_refresh)(void *user, struct inlay_turn_id id, inlay_ns until);
	int (*allocation_remove)(void *user, struct inlay_turn_id id);
	int (*permission_set)(void *user, struct inlay_turn_id id, const struct inlay_addr *peer,
			      inlay_ns until);
	int (*permission_remove)(void *user, struct inlay_turn_id id,
				 const struct inlay_addr *peer);
	int (*channel_set)(void *user, struct inlay_turn_id id, __u16 number,
			   const struct inlay_addr *peer, inlay_ns until);
	int (*channel_remove)(void *user, struct inlay_turn_id id, __u16 number);
	int (*watch_add)(void *user, const struct inlay_turn_candidate *candidate,
			 struct inlay_turn_ref *ret_ref);
	int (*watch_remove)(void *user, struct inlay_turn_ref ref);
	/* Is that a socket of the server's namespace, which sent from |local| to |remote|? Others'
	 * may hold an address of the host's, too, and nobody would tell of their ends. NULL: all
	 * are. */
	bool (*is_here)(void *user, __u64 cookie, const struct inlay_addr *local,
			const struct inlay_addr *remote);
};

struct inlay_turn_learner_config {
	const struct inlay_turn_learner_ops *ops;
	void *user;
	inlay_ns channel_lifetime;    /* 0: 10 minutes (RFC 8656 section 12) */
	inlay_ns permission_lifetime; /* 0: 5 minutes (section 9) */
	__u32 max_packets_per_s;      /* for each allocation; 0: no limit */
	__u32 max_bytes_per_s;
	__u32 max_allocations;	/* known at one time; 0: 8192; more stay with the server */
	__u32 max_transactions; /* under way at one time; 0: 65536; the oldest give way */
	const __u16 *ports;	/* where the server listens, host order; copied; none: 3478 */
	size_t n_ports;		/* at most INLAY_TURN_PORTS */
	__u64 hash_key[2];	/* random: strangers choose what tables are searched by */
};

/* -ENOMEM; -EINVAL: no |ops|, or the ports. */
int inlay_turn_learner_new(const struct inlay_turn_learner_config *config,
			   struct inlay_turn_learner **ret_learner);
/* Removes nothing through |ops|: whoever ends it closes the tables. Takes NULL. */
void inlay_turn_learner_free(struct inlay_turn_learner *learner);

/* As the listener of watch.h hands them over; nothing of |event| is trusted. |now| is the caller's,
 * and never goes back. */
void inlay_turn_learner_event(struct inlay_turn_learner *learner,
			      const struct inlay_turn_event *event, size_t len,
			      enum inlay_turn_ring ring, inlay_ns now);
void inlay_turn_learner_lost(struct inlay_turn_learner *learner, enum inlay_turn_ring ring, __u64 n,
			     inlay_ns now);
void inlay_turn_learner_gone(struct inlay_turn_learner *learner, __u64 cookie, inlay_ns now);

/* Forgets what has run out. Returns the next deadline, or INLAY_NEVER. */
inlay_ns inlay_turn_learner_turn(struct inlay_turn_learner *learner, inlay_ns now);
/* Forgets everything, through |ops| too: for whoever was not listening for a while. */
void inlay_turn_learner_reset(struct inlay_turn_learner *learner, inlay_ns now);

/* What it knows, for people and tests. */
struct inlay_turn_learner_counts {
	__u64 requests, successes, errors; /* responses that matched a request */
	__u64 unmatched; /* responses without a request, or not of the server's own */
	__u64 poisoned, malformed, bad_sum, evicted, lost;
	__u64 refused;	 /* allocations, permissions and channels that found no room here */
	__u64 proven;	 /* channels that were seen relayed */
	__u64 conflicts; /* doubts that left, or put, an allocation with the server */
	__u32 allocations, permissions, channels, watched, transactions; /* now */
};
void inlay_turn_learner_counts(const struct inlay_turn_learner *learner,
			       struct inlay_turn_learner_counts *ret_counts);

struct inlay_turn_learner_allocation {
	struct inlay_addr client, server, relayed; /* relayed: as the response has it */
	struct inlay_addr seen;			   /* as packets have it; family 0: not seen yet */
	inlay_ns until;
	__u64 cookie; /* of the relayed socket; 0: not seen yet */
	__u32 permissions, channels, fast_channels;
	const char *why; /* it has no fast channel: one line; NULL: it has one */
};
void inlay_turn_learner_allocations(
	const struct inlay_turn_learner *learner,
	void (*each)(void *user, const struct inlay_turn_learner_allocation *allocation),
	void *user);

#endif
