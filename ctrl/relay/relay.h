/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The relay (draft-ietf-moq-transport-18 section 9): publishers and subscribers are sessions to it.
 * Many subscribers of a track share one subscription per publisher and one cache; what a subscriber
 * is sent are ranges of that cache, so that N subscribers cost N offsets, not N copies.
 *
 * Sans-I/O: sessions are fed by their owner (inlay_moq_session_on_...()), and all time comes in
 * through arguments. What a session's input leads to on other sessions goes out through their
 * transports at once; an owner that batches has to look at those as well.
 *
 * Invariants:
 *  - A subscriber's stream is a prefix of what the publisher sent, ended by its FIN, or a reset
 *    that a counter of struct inlay_relay_stats accounts for.
 *  - Nothing malformed passes from one session to another.
 *  - A slow subscriber costs its own streams, by named rules, and no memory beyond the cache.
 */
#ifndef INLAY_RELAY_RELAY_H
#define INLAY_RELAY_RELAY_H

#include "cache.h"
#include "inlay_reasons.h"
#include "policies.h"
#include "session.h"

struct inlay_relay;
struct inlay_relay_session;
struct inlay_state;

enum inlay_relay_action {
	INLAY_RELAY_SUBSCRIBE,
	INLAY_RELAY_PUBLISH,
	INLAY_RELAY_PUBLISH_NAMESPACE,
	INLAY_RELAY_SUBSCRIBE_NAMESPACE,
	INLAY_RELAY_TRACK_STATUS,
};

/* Why a subscriber's stream was reset, or never opened: nothing of a track is left out but by one
 * of these. Name, and what it means. */
#define INLAY_RELAY_RULES(X)                                                                       \
	X(UPSTREAM, upstream, "the publisher reset, or went away")                                 \
	X(TIMEOUT, timeout, "a delivery timeout")                                                  \
	X(BEHIND, behind, "max_streams")                                                           \
	X(POLICY, policy, "late, and given up by the policy")                                      \
	X(EVICTED, evicted, "the cache holds the bytes no more")                                   \
	X(STOPPED, stopped, "the subscriber's STOP_SENDING")                                       \
	X(NARROWED, narrowed, "REQUEST_UPDATE: forward 0, or a narrower filter")                   \
	X(ENDED, ended, "the subscription ended")                                                  \
	X(MEMORY, memory, "no memory")

#define INLAY_RELAY_RULE(id, name, text) INLAY_RELAY_RULE_##id,
enum inlay_relay_rule { INLAY_RELAY_RULES(INLAY_RELAY_RULE) INLAY_RELAY_N_RULES };
#undef INLAY_RELAY_RULE

/* A stream that was reset, or never opened; or one of a publisher's that was refused. */
struct inlay_relay_reset {
	enum inlay_relay_rule rule;
	bool upstream; /* the publisher's: what it still brings is nobody's */
	const struct inlay_moq_name *name;
	__u64 request; /* ID of the SUBSCRIBE, or of the PUBLISH */
	__u64 group, subgroup;
	bool and_older;	   /* and no older stream of the cache either */
	bool any_subgroup; /* before its first object was read: |subgroup| may be another */
};

/* How much longer than the publisher's packet a copy is at most: a CID of 20 bytes for one of 8,
 * three bytes more of packet number, fixed-size STREAM fields for the shortest, and our alias. */
#define INLAY_RELAY_COPY_GROWTH 32

/* All 0 is a usable configuration: 0 stands for the default given. */
struct inlay_relay_config {
	struct inlay_cache_config cache; /* 1 GiB, 64 MiB a track, 1024 groups a track */
	inlay_ns max_cache_age;		 /* 60 s */
	inlay_ns max_rendezvous;	 /* longest wait for a publisher: 10 s */
	inlay_ns connect_timeout;	 /* for a publisher's answer to SUBSCRIBE: 5 s */
	inlay_ns linger;		 /* an upstream subscription nobody uses: 2 s */
	inlay_ns grace;			 /* subscribers of a publisher that went away: 10 s */
	inlay_ns drain;			 /* streams not opened yet when a track ends: 2 s */
	__u32 max_tracks;		 /* 4096 */
	__u32 max_namespaces;		 /* published, over all sessions: 4096 */
	__u32 max_session_namespaces;	 /* published or subscribed to, of one session: 64 */
	__u32 max_session_subscriptions; /* TRACK_STATUS included: 64 */
	__u32 max_session_publications;	 /* by PUBLISH: 64 */
	__u32 max_publishers;		 /* of one track: 4 */
	/* Of one subscription. Streams that were begun, or wait for credit, and are not finished:
	 * one more resets the oldest (TOO_FAR_BEHIND). After |max_resets| such in a row the
	 * subscription ends with PUBLISH_DONE. */
	__u32 max_streams; /* 128 */
	__u32 max_resets;  /* 256 */
	/* What is late, and what becomes of it; NULL: nothing is. The engine below has the same
	 * policy for its limits. */
	const struct inlay_policy *policy;
	void *policy_user;
	/* What a forwarder forwards from; NULL: there is none. It outlives the relay. */
	struct inlay_state *state;
	__u32 max_udp_payload; /* what publishers are told that a packet may have: 1400 */
	__u64 hash_seed;       /* of the table of tracks: anything hard to guess */
	/* NULL: everybody may do everything. |name|'s track is empty for namespaces. */
	bool (*authorise)(void *user, struct inlay_relay_session *session,
			  enum inlay_relay_action action, const struct inlay_moq_name *name,
			  const struct inlay_moq_tokens *tokens);
	void *authorise_user;
	/* Hears of every stream that a rule takes from a subscriber, or refuses of a publisher's.
	 * May be NULL. */
	void (*on_reset)(void *user, struct inlay_relay_session *session,
			 const struct inlay_relay_reset *reset);
	void *on_reset_user;
};

/* Counters, since the relay was made, except where "now" is said. */
struct inlay_relay_stats {
	__u64 sessions_now, tracks_now, namespaces_now, subscriptions_now, upstreams_now;
	__u64 streams_now; /* downstream, begun or waiting */
	__u64 cache_bytes_now, cache_groups_evicted, cache_bytes_evicted;
	__u64 objects_in, bytes_in, streams_in;
	__u64 objects_out, bytes_out, streams_out; /* handed to transports */
	__u64 datagrams_in, datagrams_out;
	union { /* downstream streams that were reset, or never opened, by rule */
		__u64 resets[INLAY_RELAY_N_RULES];
		struct {
#define INLAY_RELAY_RULE(id, name, text) __u64 reset_##name;
			INLAY_RELAY_RULES(INLAY_RELAY_RULE)
#undef INLAY_RELAY_RULE
		};
	};
	__u64 ended_behind; /* subscriptions ended TOO_FAR_BEHIND */
	__u64 duplicates;   /* streams and datagrams of a further publisher, or sent twice */
	__u64 malformed_tracks;
	__u64 streams_refused;	 /* of publishers: evicted as they arrived, or no memory */
	__u64 datagrams_dropped; /* too large, or the queue is full */
	__u64 legs_attached;	 /* streams that a forwarder began, and were adopted */
	__u64 legs_detached[INLAY_N_REASONS]; /* and those that it gave up before their end */
	__u64 positions_now, slots_now;
	__u64 refused; /* requests answered with an error for a limit or a missing right */
};

/* "upstream". */
const char *inlay_relay_rule_name(enum inlay_relay_rule rule);
/* "the publisher reset, or went away". */
const char *inlay_relay_rule_text(enum inlay_relay_rule rule);

/* NULL: no memory. |config| is copied. */
struct inlay_relay *inlay_relay_new(const struct inlay_relay_config *config);
/* Ends all sessions as inlay_relay_session_free() does. Takes NULL. */
void inlay_relay_free(struct inlay_relay *r);
inlay_ns inlay_relay_deadline(const struct inlay_relay *r);
void inlay_relay_on_timer(struct inlay_relay *r, inlay_ns now);
void inlay_relay_stats(const struct inlay_relay *r, struct inlay_relay_stats *ret);

/*
 * A connection that has been accepted, or made. |base| gives transport and bounds of the session
 * (ops and user are the relay's); |user| is the owner's. The owner starts the session below, feeds
 * it, and minds its deadline. NULL: no memory.
 */
struct inlay_relay_session *inlay_relay_session_new(struct inlay_relay *r,
						    const struct inlay_moq_session_config *base,
						    void *user);
/* The transport is gone, or is not to be used any more. Takes NULL. */
void inlay_relay_session_free(struct inlay_relay_session *rs);
/* Tracks that no publisher here has are asked for at this session, the newest one so named. */
void inlay_relay_session_set_origin(struct inlay_relay_session *rs);
struct inlay_moq_session *inlay_relay_session_moq(const struct inlay_relay_session *rs);
void *inlay_relay_session_user(const struct inlay_relay_session *rs);

/* What one session is to the relay, for status displays. */
struct inlay_relay_session_stats {
	__u32 subscriptions, publications, namespaces;
	__u32 tracks_published; /* that the relay takes from it */
	__u64 streams;		/* downstream, begun or waiting */
	/* Of the forwarder's: subscriptions that have a position, streams that it sends, copies. */
	__u32 positions, streams_lent;
	__u64 copies;
};
void inlay_relay_session_stats(const struct inlay_relay_session *rs,
			       struct inlay_relay_session_stats *ret);

#endif
