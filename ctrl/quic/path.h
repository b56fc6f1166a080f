/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is known about the paths of a connection (RFC 9000 sections 8.2 and 9): the one in use, the
 * one to go back to, those that are being probed. Here are their accounts and timers; what follows
 * from them, for connection IDs, congestion and provider, is in conn_path.c.
 *
 * Until a peer has answered a challenge from an address, no more than three times the bytes that
 * came from there go there, whatever they are (section 8). An answer to a challenge in a small
 * datagram proves the address, and not that the path carries 1200 bytes: it is asked once more.
 *
 * A server tells paths apart by the peer's address, a client by its own: its server does not move.
 */
#ifndef INLAY_QUIC_PATH_H
#define INLAY_QUIC_PATH_H

#include "conn.h"

#define INLAY_PATHS	      4	   /* the one in use, the one to go back to, and others */
#define INLAY_PATH_ANSWERS    4	   /* PATH_CHALLENGEs of the peer waiting for an answer, per path */
#define INLAY_PATH_CHALLENGES 4	   /* of ours that may still be answered, per path */
#define INLAY_PATH_MIN_SIZE   1200 /* of datagrams that validate a path: RFC 9000 section 8.2.1 */

struct inlay_path_challenge {
	__u8 data[8];
	bool full; /* sent in a datagram of 1200 bytes */
};

struct inlay_path_answer {
	__u8 data[8];
	struct inlay_addr local; /* where the challenge came to */
};

struct inlay_path_entry {
	bool used;
	bool validated; /* the peer is there */
	bool fits;	/* and 1200 bytes pass */
	bool silent;	/* it did not answer the last time that it was asked */
	bool heard;	/* something came from there since it was asked */
	__u32 failures; /* in a row, though it is validated */
	__u32 refusals; /* of those: it was heard, and 1200 bytes did not pass */
	bool moving;	/* ours: used as soon as it is validated */
	struct inlay_path path;
	__u64 cid;		  /* sequence number of the peer's CID that is sent with there */
	__u8 dcid[INLAY_OWN_CID]; /* of ours, that the peer sends with from there */
	__u64 received, sent;	  /* bytes, while it is not validated */
	__u64 serial;		  /* the newest has the highest */

	/* Our validation of it: section 8.2. */
	struct inlay_path_challenge challenges[INLAY_PATH_CHALLENGES]; /* newest last */
	__u32 n_challenges;
	__u32 due; /* PATH_CHALLENGEs to be sent now */
	__u32 rounds;
	inlay_ns interval;     /* between rounds, doubled each time */
	inlay_ns challenge_at; /* again then */
	inlay_ns give_up_at;   /* INLAY_NEVER: it is not being validated */
	inlay_ns forget_at;    /* a path that was left: late packets are answered until then */

	struct inlay_path_answer answers[INLAY_PATH_ANSWERS];
	__u32 n_answers;
	bool nudge; /* answers are to be more than probes: section 9.3.3 */
};

struct inlay_paths {
	enum inlay_role role;
	struct inlay_path_entry entries[INLAY_PATHS];
	struct inlay_path measured; /* the path that round trip, window and marks are known of */
	__u32 current;		    /* where packets go */
	__u32 fallback;		    /* where they go if |current| is not validated; else the same */
	inlay_ns linger;	    /* how long a path that was left is remembered */
	__u64 serial;
};

/* |dcid|: the CID of ours that the peer sends with. */
void inlay_paths_init(struct inlay_paths *p, enum inlay_role role, const struct inlay_path *path,
		      const __u8 *dcid);
static inline struct inlay_path_entry *inlay_paths_current(const struct inlay_paths *p)
{
	return (struct inlay_path_entry *)&p->entries[p->current];
}
static inline struct inlay_path_entry *inlay_paths_fallback(const struct inlay_paths *p)
{
	return (struct inlay_path_entry *)&p->entries[p->fallback];
}
/* Which one a packet by |path| belongs to; NULL: none. */
struct inlay_path_entry *inlay_paths_find(const struct inlay_paths *p,
					  const struct inlay_path *path);
/* The one that is free, or may be thrown away for a new one: the oldest not in use. */
struct inlay_path_entry *inlay_paths_spare(struct inlay_paths *p);
/* Makes |e| a path of which nothing is known. */
void inlay_paths_fill(struct inlay_paths *p, struct inlay_path_entry *e,
		      const struct inlay_path *path, const __u8 *dcid, __u64 cid);
bool inlay_paths_same_ip(const struct inlay_addr *a, const struct inlay_addr *b);
/* Is what was measured true of |e|? A port that alone has changed is the same path behind another
 * NAT binding (section 9.4). */
bool inlay_paths_is_measured(const struct inlay_paths *p, const struct inlay_path_entry *e);

/* Bytes that may be sent there now; ~0: no limit. */
__u64 inlay_path_allowance(const struct inlay_path_entry *e);
/* Largest datagram to send there, if it may have |mtu| bytes elsewhere. */
__u64 inlay_path_datagram(const struct inlay_path_entry *e, __u64 mtu);

/* Validation begins, or begins anew; it fails after |patience|. */
void inlay_path_validate(struct inlay_path_entry *e, inlay_ns interval, inlay_ns patience,
			 inlay_ns now);
static inline bool inlay_path_is_validating(const struct inlay_path_entry *e)
{
	return e->give_up_at != INLAY_NEVER;
}
void inlay_path_stop_validating(struct inlay_path_entry *e);
void inlay_path_on_challenge_sent(struct inlay_path_entry *e, const __u8 data[8], bool full,
				  inlay_ns now);

enum inlay_path_proof {
	INLAY_PATH_NO_PROOF,
	INLAY_PATH_PROOF_OF_ADDRESS,
	INLAY_PATH_PROOF_OF_SIZE, /* and of the address */
};
/* What a PATH_RESPONSE with |data| says about it. */
enum inlay_path_proof inlay_path_on_response(const struct inlay_path_entry *e, const __u8 data[8]);
/* A PATH_CHALLENGE came from there, to |local|: an answer is owed. */
void inlay_path_owe(struct inlay_path_entry *e, const struct inlay_addr *local, const __u8 data[8]);
/* Asks again where it is time. True: validation has failed. */
bool inlay_path_on_timer(struct inlay_path_entry *e, inlay_ns now);
inlay_ns inlay_path_deadline(const struct inlay_path_entry *e);
inlay_ns inlay_paths_deadline(const struct inlay_paths *p);

#endif
