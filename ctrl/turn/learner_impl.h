/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Inside the learner. Requests and responses meet in transactions; what a matched pair grants is
 * kept as allocation (one leg for each address family) -> permission (of a peer's IP address) ->
 * channel; a channel is fast once its proof is there. An object owns what stands below it.
 *
 * Strangers choose what most tables are searched by: those keys are hashed with a secret
 * (dataplane/siphash.h), and what is found is compared.
 */
#ifndef INLAY_TURN_LEARNER_IMPL_H
#define INLAY_TURN_LEARNER_IMPL_H

#include "inlay_stun.h"
#include "learner.h"
#include "list.h"
#include "map.h"
#include "siphash.h"
#include "timers.h"

/* A client retransmits for up to 39.5 s (RFC 8489 section 6.2.1): so long an ID means one thing. */
#define LEARNER_TRANSACTION_TIME (40 * INLAY_S)
/* A response waits so long for its request, which comes through the other ring. */
#define LEARNER_REORDER_TIME (1 * INLAY_S)
/* So long a socket that is gone is told from one that is not known. */
#define LEARNER_TOMB_TIME (3 * INLAY_S)

enum {
	LEARNER_TOMBS = 4096,
	LEARNER_SAMPLES = 16, /* kept of each kind, for each channel that waits for its proof */
	/* Shorter data are equal by chance too often to tell sockets of one port from each other.
	 */
	LEARNER_TELLING_LEN = 8,
	/* For each allocation that there may be; one alone may take an eighth of them all. */
	LEARNER_PERMISSIONS_EACH = 8,
	LEARNER_CHANNELS_EACH = 4,
};

#define LEARNER_SHARE(max) ((max) / 8 + 16)

/* What names an allocation: both ends of the client's path, as packets have them. */
struct learner_tuple {
	struct inlay_addr client;
	struct inlay_addr server;
};

enum learner_timer_kind { LEARNER_LEG, LEARNER_PERMISSION, LEARNER_CHANNEL };

struct learner_timer {
	struct inlay_timer timer;
	enum learner_timer_kind kind;
};

/* --- Transactions -------------------------------------------------------------------------- */

enum learner_transaction_state {
	LEARNER_ASKED,	  /* a request was seen */
	LEARNER_WAITING,  /* a response was, and not yet its request */
	LEARNER_GRANTED,  /* both: success */
	LEARNER_REFUSED,  /* both: an error */
	LEARNER_POISONED, /* what it means is in doubt: nothing counts */
};

struct learner_transaction {
	struct inlay_list node; /* of |transactions|, or |waiting| */
	__u64 key;
	struct learner_tuple tuple;
	inlay_ns forget; /* by the caller's clock */
	enum learner_transaction_state state;
	inlay_ns time;			   /* of the request's event; WAITING: of the response's */
	__u64 digest;			   /* of the whole request */
	__u64 cookie;			   /* WAITING: of the socket that sent the response */
	struct inlay_stun_message message; /* the request; WAITING: the response */
};

/* A response and where it came from. */
struct learner_answer {
	const struct inlay_stun_message *message;
	__u64 cookie;
	inlay_ns time;
};

/* --- Allocations --------------------------------------------------------------------------- */

struct learner_allocation;

/* One relayed address of an allocation. */
struct learner_leg {
	struct learner_timer timer;
	struct learner_allocation *allocation;
	struct inlay_addr told; /* XOR-RELAYED-ADDRESS; family 0: there is no such leg */
	struct inlay_addr seen; /* family 0: not yet */
	__u64 cookie;		/* 0: not yet */
	inlay_ns until;
	struct inlay_turn_id id; /* if |added| */
	bool added;		 /* the tables have it */
};

/* A socket that granted allocations. */
struct learner_listener {
	__u64 cookie;
	struct inlay_list allocations;
};

struct learner_allocation {
	struct inlay_list node;
	struct inlay_list listener_node;
	struct learner_listener *listener;
	struct learner_tuple tuple;
	__u64 key;
	__u64 serial;		    /* what is below it is looked up by this */
	__u8 id[INLAY_STUN_ID];	    /* of the transaction that made it */
	inlay_ns asked;		    /* when its request came */
	inlay_ns answered;	    /* when its response left */
	struct learner_leg legs[2]; /* IPv4, IPv6 */
	struct inlay_list permissions;
	__u32 n_permissions, n_channels, n_fast;
	const char *doubt;   /* it stays with the server; NULL: it need not */
	const char *trouble; /* the last thing that the tables refused */
};

struct learner_permission {
	struct learner_timer timer;
	struct inlay_list node;
	struct learner_leg *leg;
	struct inlay_addr peer; /* port 0 */
	__u64 key;
	inlay_ns until; /* 0: it is not granted, and stands here for its channels */
	bool added;	/* the tables have it */
	struct inlay_list channels;
};

enum learner_channel_state {
	LEARNER_IDLE, /* no permission, or the tables refused it */
	LEARNER_WATCHED,
	LEARNER_FAST,
};

/* ChannelData that went up, or a datagram that a socket sent. */
struct learner_sample {
	inlay_ns time;
	__u64 digest; /* of what is known of the data */
	__u64 cookie;
	struct inlay_addr src;
	__u16 data_len;
};

struct learner_samples {
	struct learner_sample up[LEARNER_SAMPLES], out[LEARNER_SAMPLES];
	/* What went up and is kept for as long as it can prove something: a server that is behind
	 * relays it when the latest are others. */
	struct learner_sample held[LEARNER_SAMPLES];
	__u32 n_up, n_out, n_held; /* ever; the latest are kept */
};

struct learner_channel {
	struct learner_timer timer;
	struct inlay_list node;
	struct learner_permission *permission;
	struct inlay_addr peer;
	__u64 number_key, peer_key;
	inlay_ns until;
	enum learner_channel_state state;
	struct inlay_turn_ref ref; /* WATCHED */
	struct learner_samples *samples;
	__u16 number;
};

/* --- The whole ----------------------------------------------------------------------------- */

struct learner_tomb {
	__u64 cookie; /* 0: none */
	inlay_ns until;
};

struct inlay_turn_learner {
	struct inlay_turn_learner_config config; /* |ports| points below */
	__u16 ports[INLAY_TURN_PORTS];
	struct inlay_siphash_key key;
	struct inlay_timers timers;
	size_t n_timed; /* things that have a timer each */
	struct inlay_turn_learner_counts counts;

	struct inlay_map transactions_by_key;
	struct inlay_list transactions, waiting; /* each: the oldest first */

	struct inlay_list allocations;
	__u64 serial;
	struct inlay_map by_tuple;		      /* struct learner_allocation */
	struct inlay_map by_told, by_seen, by_cookie; /* struct learner_leg */
	struct inlay_map listeners;

	struct inlay_map permissions;
	__u32 n_permissions;			     /* also those that are not granted */
	struct inlay_map by_number, by_peer, by_ref; /* struct learner_channel */

	struct inlay_map tombs; /* of |graves| */
	struct learner_tomb graves[LEARNER_TOMBS];
	__u32 n_graves; /* ever; used in turn */
};

/* learner.c */
__u64 inlay_learner_hash(const struct inlay_turn_learner *l, const void *data, size_t len);
bool inlay_learner_is_port(const struct inlay_turn_learner *l, __be16 port);
bool inlay_learner_is_buried(const struct inlay_turn_learner *l, __u64 cookie, inlay_ns now);
/* |cookie|: of what sent from |local| to |remote|. Asked once of each that grants or relays. */
bool inlay_learner_is_here(const struct inlay_turn_learner *l, __u64 cookie,
			   const struct inlay_addr *local, const struct inlay_addr *remote);
/* Room for the timers of |n| more things. 0; -ENOMEM. */
int inlay_learner_reserve(struct inlay_turn_learner *l, size_t n);

/* learner_transactions.c */
void inlay_learner_request(struct inlay_turn_learner *l, const struct inlay_turn_event *e,
			   inlay_ns now);
void inlay_learner_response(struct inlay_turn_learner *l, const struct inlay_turn_event *e,
			    inlay_ns now);
void inlay_learner_transactions_expire(struct inlay_turn_learner *l, inlay_ns now);
inlay_ns inlay_learner_transactions_next(const struct inlay_turn_learner *l);
/* Responses whose requests are not known yet: what they grant may have ended since. */
void inlay_learner_waiting_clear(struct inlay_turn_learner *l);
void inlay_learner_transactions_clear(struct inlay_turn_learner *l);

/* learner_grants.c: what a matched pair means. */
bool inlay_learner_says_nothing(const struct inlay_stun_message *error);
void inlay_learner_grant(struct inlay_turn_learner *l, const struct learner_transaction *t,
			 const struct learner_answer *answer, inlay_ns now);
void inlay_learner_refuse(struct inlay_turn_learner *l, const struct learner_transaction *t,
			  const struct learner_answer *answer, inlay_ns now);
/* An answer whose request is not known (yet) may end, and never begin. */
void inlay_learner_shrink(struct inlay_turn_learner *l, const struct learner_tuple *tuple,
			  const struct learner_answer *answer, inlay_ns now);
/* A transaction that was granted turns out to be in doubt. */
void inlay_learner_undo(struct inlay_turn_learner *l, const struct learner_transaction *t,
			inlay_ns now);

/* learner_allocations.c */
struct learner_allocation *inlay_learner_find(const struct inlay_turn_learner *l,
					      const struct learner_tuple *tuple);
/* With no leg yet. NULL: no room. */
struct learner_allocation *inlay_learner_allocation_new(struct inlay_turn_learner *l,
							const struct learner_tuple *tuple,
							__u64 listener);
void inlay_learner_allocation_end(struct inlay_turn_learner *l, struct learner_allocation *a);
/* It stays with the server from now on. */
void inlay_learner_allocation_doubt(struct inlay_turn_learner *l, struct learner_allocation *a,
				    const char *why);
/* NULL: it has no relayed address of that family. */
struct learner_leg *inlay_learner_leg(struct learner_allocation *a, __u16 family);
int inlay_learner_leg_add(struct inlay_turn_learner *l, struct learner_allocation *a,
			  const struct inlay_addr *told, inlay_ns until);
void inlay_learner_leg_set(struct inlay_turn_learner *l, struct learner_leg *leg, inlay_ns until);
/* Takes the allocation with it, if it was the last. */
void inlay_learner_leg_end(struct inlay_turn_learner *l, struct learner_leg *leg);
/* False, with the allocation in doubt: this socket and address are not the leg's. */
bool inlay_learner_leg_bind(struct inlay_turn_learner *l, struct learner_leg *leg,
			    const struct inlay_addr *seen, __u64 cookie);
/* The tables know it. Sets |trouble| if not. */
bool inlay_learner_leg_publish(struct inlay_turn_learner *l, struct learner_leg *leg);
/* The tables said that they no longer know it. */
void inlay_learner_leg_forgotten(struct inlay_turn_learner *l, struct learner_leg *leg);

/* learner_permissions.c */
struct learner_permission *inlay_learner_permission(const struct inlay_turn_learner *l,
						    const struct learner_leg *leg,
						    const struct inlay_addr *peer);
/* Adds or refreshes. NULL: no room. */
struct learner_permission *inlay_learner_permission_grant(struct inlay_turn_learner *l,
							  struct learner_leg *leg,
							  const struct inlay_addr *peer,
							  inlay_ns until);
/* Its channels are fast no more, and have to be proven again. May free it. */
void inlay_learner_permission_end(struct inlay_turn_learner *l, struct learner_permission *p);
bool inlay_learner_permission_publish(struct inlay_turn_learner *l, struct learner_permission *p);
/* It has no channel left, or lost one: frees it if nothing keeps it. */
void inlay_learner_permission_settle(struct inlay_turn_learner *l, struct learner_permission *p);
/* With its channels. */
void inlay_learner_permission_free(struct inlay_turn_learner *l, struct learner_permission *p);

/* learner_channels.c */
struct learner_channel *inlay_learner_channel_by_number(const struct inlay_turn_learner *l,
							const struct learner_allocation *a,
							__u16 number);
struct learner_channel *inlay_learner_channel_by_peer(const struct inlay_turn_learner *l,
						      const struct learner_allocation *a,
						      const struct inlay_addr *peer);
struct learner_channel *inlay_learner_channel_by_ref(const struct inlay_turn_learner *l,
						     struct inlay_turn_ref ref);
void inlay_learner_channel_bind(struct inlay_turn_learner *l, struct learner_permission *p,
				__u16 number, const struct inlay_addr *peer, inlay_ns until);
/* Leaves the permission alone. */
void inlay_learner_channel_end(struct inlay_turn_learner *l, struct learner_channel *ch);
/* Neither fast nor watched. */
void inlay_learner_channel_rest(struct inlay_turn_learner *l, struct learner_channel *ch);
/* Waits for its proof, if it may. */
void inlay_learner_channel_watch(struct inlay_turn_learner *l, struct learner_channel *ch);
/* It was proven. */
void inlay_learner_channel_quicken(struct inlay_turn_learner *l, struct learner_channel *ch);

/* learner_proofs.c */
void inlay_learner_channel_data(struct inlay_turn_learner *l, const struct inlay_turn_event *e,
				inlay_ns now);
void inlay_learner_relayed(struct inlay_turn_learner *l, const struct inlay_turn_event *e,
			   inlay_ns now);

/* learner_sum.c */
/* Is the checksum of a request what a receiver accepts, as far as is known here? */
bool inlay_turn_message_sound(const struct inlay_turn_event *event);

#endif
