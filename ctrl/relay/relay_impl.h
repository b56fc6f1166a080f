/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Inside the relay: its records, and what its parts call of each other. Only ctrl/relay includes
 * it.
 *
 *     track --< upstream  --< feed   a publisher's subscription; one of its streams, being cached
 *           --< subscription --< reader    a subscriber; one of its streams, reading the cache
 *           --- cache --< group --< stream --< reader
 */
#ifndef INLAY_RELAY_RELAY_IMPL_H
#define INLAY_RELAY_RELAY_IMPL_H

#include "conn.h" /* struct inlay_stream_source */
#include "fast.h"
#include "ranking.h"
#include "relay.h"

struct relay_subscription;
struct relay_upstream;

struct inlay_relay {
	struct inlay_relay_config config;
	struct inlay_relay_stats stats;
	struct inlay_cache cache;
	struct inlay_list sessions;	    /* inlay_relay_session.node */
	struct inlay_list tracks;	    /* relay_track.node */
	struct inlay_list namespaces;	    /* relay_namespace.node, in order of arrival */
	struct inlay_relay_session *origin; /* asked where no publisher is here; or NULL */
	struct inlay_list orphans; /* relay_reader.of_subscription: their subscription ended */
	struct inlay_map by_hash;  /* hash of the name to the first relay_track with it */
	__u64 track_numbers;	   /* tracks there ever were */
	inlay_ns now;
	inlay_ns deadline;    /* nothing is due before */
	inlay_ns next_expiry; /* of the cache */
	struct relay_fast fast;
};

struct inlay_relay_session {
	struct inlay_relay *relay;
	struct inlay_moq_session *moq;
	void *user;
	struct inlay_list node;
	struct inlay_list subscriptions;  /* relay_subscription.of_session */
	struct inlay_list prefixes;	  /* relay_prefix.of_session */
	struct relay_ranking ranking;	  /* of what its subscriptions send */
	struct relay_fast_upstream *fast; /* as a forwarder knows it; or NULL */
	struct inlay_list positions;	  /* relay_position.of_session */
	__u32 n_subscriptions;		  /* and TRACK_STATUS requests */
	__u32 n_namespaces;		  /* published or subscribed to */
	__u32 n_publications;		  /* by PUBLISH */
	__u32 n_upstreams;		  /* and by our SUBSCRIBE */
};

/* --- namespaces ------------------------------------------------------------------------------ */

/* A PUBLISH_NAMESPACE that was accepted. */
struct relay_namespace {
	struct inlay_list node;
	struct inlay_relay_session *session;
	struct inlay_moq_request *request;
	struct inlay_moq_namespace *ns;
};

/* A SUBSCRIBE_NAMESPACE that was accepted. */
struct relay_prefix {
	struct inlay_list of_session;
	struct inlay_relay_session *session;
	struct inlay_moq_request *request;
	struct inlay_moq_namespace *ns;
};

void relay_namespace_publish(struct inlay_relay_session *rs, struct inlay_moq_request *req,
			     const struct inlay_moq_namespace_request *m);
void relay_namespace_end(struct relay_namespace *n);
void relay_prefix_subscribe(struct inlay_relay_session *rs, struct inlay_moq_request *req,
			    const struct inlay_moq_namespace_request *m);
void relay_prefix_end(struct relay_prefix *p);

/* --- tracks ---------------------------------------------------------------------------------- */

enum relay_track_state {
	RELAY_TRACK_IDLE,	/* no publisher; subscribers wait for one, or there are none */
	RELAY_TRACK_CONNECTING, /* SUBSCRIBE is sent and not answered */
	RELAY_TRACK_LIVE,	/* a publisher answered, or sent PUBLISH */
	RELAY_TRACK_LOST,	/* the publishers went away; subscribers have a grace time */
};

struct relay_bygones {
	struct relay_bygone *ring;
	__u32 room;
	__u64 n; /* that there ever were */
};

struct relay_track {
	struct inlay_relay *relay;
	struct inlay_list node;
	struct relay_track *next_same_hash;
	__u64 hash;
	struct inlay_moq_name *name;
	__u64 number; /* of this relay's tracks: never used again, ascending */
	enum relay_track_state state;
	bool in_use; /* a function works on it: not to be freed */
	bool asked;  /* all publishers of namespaces that match, since they were last let go */
	struct inlay_track_cache cache;
	struct inlay_track_cache held;	 /* groups that may be the fast publisher's: held.c */
	struct relay_bygones bygones;	 /* groups that were evicted from |cache| */
	struct inlay_list subscriptions; /* relay_subscription.of_track */
	struct inlay_list statuses;	 /* relay_status.of_track: TRACK_STATUS not answered */
	struct inlay_list upstreams;	 /* relay_upstream.of_track; established ones by age */
	struct inlay_list feeds;	 /* relay_feed.of_track; also of what the cache gave up */
	__u32 n_subscriptions, n_upstreams;
	__u32 n_orphans; /* readers that go on without their subscription, and read our cache */

	bool has_properties;
	struct inlay_moq_track_properties properties; /* .bytes is our copy */
	bool has_largest;
	struct inlay_moq_location largest;
	/* Who has brought datagrams last, and the largest of all that came. */
	const struct relay_upstream *datagrams_of;
	bool has_datagram;
	struct inlay_moq_location last_datagram;
	bool has_end; /* END_OF_TRACK: no object at or behind */
	struct inlay_moq_location end;
	__u64 base_group; /* priorities count groups from here */
	bool has_base;
	struct relay_fast_track *fast; /* NULL: it is conventional */

	inlay_ns linger_deadline, grace_deadline;
	inlay_ns retry_deadline; /* the origin is asked again for those that wait */
};

/* A TRACK_STATUS that waits for a publisher's answer. */
struct relay_status {
	struct inlay_list of_track;
	struct relay_track *track;
	struct inlay_relay_session *session;
	struct inlay_moq_request *request;
};

struct relay_track *relay_track_find(const struct inlay_relay *r,
				     const struct inlay_moq_name *name);
/* NULL: no memory, or max_tracks. */
struct relay_track *relay_track_find_or_new(struct inlay_relay *r,
					    const struct inlay_moq_name *name);
/* Somebody wants objects or a status: finds publishers, if there is none yet. */
void relay_track_want(struct relay_track *t);
/* A publisher answered: who waits is answered. */
void relay_track_established(struct relay_track *t);
/* A publisher is out of the lists. |code|: its REQUEST_ERROR, or RELAY_WENT_AWAY. |done|: what
 * subscribers are told of a track that it ended, or RELAY_NOT_DONE. */
#define RELAY_WENT_AWAY (~0ULL)
#define RELAY_NOT_DONE	(~0ULL)
void relay_track_upstream_gone(struct relay_track *t, __u64 code, __u64 done);
/* Until when somebody waits for a publisher at most; 0: nobody does. */
inlay_ns relay_track_patience(const struct relay_track *t);
/* The origin has no publisher, and waits for one with us: patience is all that is left here. */
bool relay_track_is_absent(const struct relay_track *t);
/* Who does not wait is told so. */
void relay_track_refuse_impatient(struct relay_track *t);
/* Does anybody want objects, or a status? */
bool relay_track_is_wanted(const struct relay_track *t);
void relay_track_malformed(struct relay_track *t);
/* The fast publisher, where one can be, and who feeds datagrams; NULL: none is established. */
struct relay_upstream *relay_track_first_upstream(const struct relay_track *t);
/* A subscription or status is out of the lists. Frees the track if nothing holds it. */
void relay_track_left(struct relay_track *t);
void relay_track_on_timer(struct relay_track *t);
/* False: the track has ended there: malformed. */
bool relay_track_note_object(struct relay_track *t, struct inlay_moq_location where);
/* Takes over |p|. 0; -ENOMEM. */
int relay_track_set_properties(struct relay_track *t, const struct inlay_moq_track_properties *p);
void relay_track_free_all(struct inlay_relay *r);
void relay_status_ask(struct inlay_relay_session *rs, struct inlay_moq_request *req,
		      const struct inlay_moq_subscribe *m);
void relay_status_end(struct relay_status *st);
/* REQUEST_OK or SUBSCRIBE_OK parameters that tell LARGEST_OBJECT. */
struct inlay_moq_params relay_track_params(const struct relay_track *t);

/* --- upstream -------------------------------------------------------------------------------- */

/* Our SUBSCRIBE to a publisher, or a publisher's PUBLISH to us. An origin is asked by TRACK_STATUS
 * before, so that the group in progress comes whole. */
struct relay_upstream {
	struct inlay_list of_track;
	struct relay_track *track;
	struct inlay_relay_session *session;
	struct inlay_moq_request *request;
	bool published; /* by PUBLISH */
	bool established;
	bool forward;
	bool asking;	/* |request| is the TRACK_STATUS */
	bool absent;	/* the origin has no publisher, and waits for one */
	__u64 done;	/* PUBLISH_DONE said that the track is over: for subscribers */
	bool has_floor; /* objects at or below are old: this publisher came later */
	struct inlay_moq_location floor;
	bool has_datagram_floor; /* the same of datagrams: another one has brought them */
	struct inlay_moq_location datagram_floor;
	inlay_ns connect_deadline;
};

/* One of its streams that is arriving; the user pointer of the inlay_moq_incoming. */
struct relay_feed {
	struct inlay_list of_track;
	struct relay_upstream *upstream;
	struct inlay_cache_stream *stream;
	struct inlay_moq_incoming *in;
	struct relay_slot *slot; /* NULL: no forwarder has claimed it */
	bool held;		 /* the stream is in the track's |held| */
	bool begun;		 /* an object has arrived */
	bool has_min;		 /* objects at or below were delivered by another publisher: */
	__u64 min_object;
};

/* 0, and |up| is in the track's list; else an errno of inlay_moq_session_subscribe(). */
int relay_upstream_subscribe(struct relay_track *t, struct inlay_relay_session *rs);
/* The same at an origin. */
int relay_upstream_ask(struct relay_track *t, struct inlay_relay_session *rs);
/* The origin's TRACK_STATUS: its answer, or none in time. */
void relay_upstream_on_status(struct relay_upstream *up, const struct inlay_moq_params *params);
void relay_upstream_status_timeout(struct relay_upstream *up);
void relay_upstream_publish(struct inlay_relay_session *rs, struct inlay_moq_request *req,
			    const struct inlay_moq_publish *m);
void relay_upstream_on_ok(struct relay_upstream *up, const struct inlay_moq_subscribe_ok *m);
void relay_upstream_on_done(struct relay_upstream *up, const struct inlay_moq_publish_done *m);
/* The request has ended by itself. */
void relay_upstream_ended(struct relay_upstream *up, enum inlay_moq_end end, __u64 code);
/* We end it. Out of the lists; the track is not told. */
void relay_upstream_cancel(struct relay_upstream *up, __u64 code);
/* Tells a publisher by PUBLISH whether anybody listens. */
void relay_upstream_set_forward(struct relay_upstream *up, bool forward);
void relay_upstream_on_subgroup(struct relay_upstream *up, struct inlay_moq_incoming *in,
				const struct inlay_moq_subgroup *header);
void relay_feed_on_object(struct relay_feed *feed, struct inlay_moq_incoming *in,
			  const struct inlay_moq_object *object, const __u8 *header, size_t len);
void relay_feed_on_payload(struct relay_feed *feed, struct inlay_moq_incoming *in, const __u8 *data,
			   size_t len);
void relay_feed_end(struct relay_feed *feed, enum inlay_moq_end end, __u64 code);
/* The publisher is told to send no more of it; the feed is gone. */
void relay_feed_abandon(struct relay_feed *feed, __u64 code);
void relay_upstream_on_datagram(struct relay_upstream *up, const struct inlay_moq_datagram *d);

/* --- groups that are held back --------------------------------------------------------------- */

/* Is what |up| sends of |group| to be held back? */
bool relay_held_wants(const struct relay_upstream *up, __u64 group);
/* |feed| has begun in the track's |held|. */
void relay_held_begun(struct relay_feed *feed);
/* Somebody else is the group's author. */
void relay_held_drop(struct relay_track *t, __u64 group, __u64 code);
/* For inlay_track_cache.on_evict. */
void relay_held_on_evict(struct inlay_cache_group *g, const struct inlay_cache_stream *s);
/* |up| is about to go. */
void relay_held_forget(struct relay_track *t, const struct relay_upstream *up);
/* Gives subscribers what no forwarder can begin any more. The track may be gone. */
void relay_held_promote(struct relay_track *t);
/* Gives the fast publisher up if it lets others wait. */
void relay_held_check(struct relay_track *t);

/* --- groups that the cache has given up ------------------------------------------------------ */

/* For inlay_track_cache.on_evict. */
void relay_bygones_on_evict(struct inlay_cache_group *g, const struct inlay_cache_stream *s);
/* |owner| NULL: nobody goes on with it. */
void relay_bygones_add(struct relay_bygones *b, __u64 group, const struct relay_upstream *owner);
/* Has another than |up| brought |group|? */
bool relay_bygones_has(const struct relay_bygones *b, __u64 group, const struct relay_upstream *up);
/* The first group above all that others than |up| have brought. */
__u64 relay_bygones_end(const struct relay_bygones *b, const struct relay_upstream *up);
/* |up| is about to go. */
void relay_bygones_forget(struct relay_bygones *b, const struct relay_upstream *up);
void relay_bygones_fini(struct relay_bygones *b);

/* --- subscriptions --------------------------------------------------------------------------- */

enum relay_subscription_state {
	RELAY_SUBSCRIPTION_PENDING, /* SUBSCRIBE_OK is not sent */
	RELAY_SUBSCRIPTION_ACTIVE,
	RELAY_SUBSCRIPTION_ENDING, /* PUBLISH_DONE follows when no reader or datagram waits */
};

struct relay_subscription {
	struct inlay_list of_track;
	struct inlay_list of_session;
	struct relay_track *track;
	struct inlay_relay_session *session;
	struct inlay_moq_request *request;
	enum relay_subscription_state state;
	inlay_ns rendezvous_deadline; /* PENDING, without a publisher */
	__u32 updates;		      /* REQUEST_UPDATEs that came before SUBSCRIBE_OK */

	struct inlay_moq_params params; /* as the subscriber set them; names and tokens left out */
	bool unfiltered;
	bool served; /* objects have been forwarded to it */
	struct inlay_moq_location start;
	__u64 end_group;
	__u64 object_timeout, subgroup_timeout; /* ns; 0: none */
	bool descending;

	struct inlay_list readers; /* relay_reader.of_subscription, oldest first */
	__u32 n_readers;	   /* OPEN or PENDING */
	__u32 resets;		   /* in a row, for falling behind */
	inlay_ns end_deadline;	   /* ENDING */
	__u64 end_status;

	struct relay_position *position; /* NULL: it is not served fast, and */
	inlay_ns check_at, check_pause;	 /* whether it can be, by now */
	__u32 why;			 /* enum inlay_reason: why not */
	__u32 why_detached;		 /* why a stream of its was last given up */
	struct relay_past past;
};

void relay_subscription_new(struct inlay_relay_session *rs, struct inlay_moq_request *req,
			    const struct inlay_moq_subscribe *m);
/* A publisher is there: SUBSCRIBE_OK, and what the cache has for it. */
void relay_subscription_accept(struct relay_subscription *sub);
void relay_subscription_refuse(struct relay_subscription *sub, __u64 code);
void relay_subscription_update(struct relay_subscription *sub,
			       const struct inlay_moq_params *params);
/* PUBLISH_DONE, now or when no reader waits for credit any more. */
void relay_subscription_finish(struct relay_subscription *sub, __u64 status);
/* The subscriber has gone: the request is dead already. */
void relay_subscription_gone(struct relay_subscription *sub);
/* Too many streams had to be reset. */
void relay_subscription_behind(struct relay_subscription *sub);
void relay_subscription_check_end(struct relay_subscription *sub);
/* Is {group, object} among what it asked for? */
bool relay_subscription_wants(const struct relay_subscription *sub,
			      struct inlay_moq_location where);
bool relay_subscription_wants_group(const struct relay_subscription *sub, __u64 group);
void relay_subscription_on_timer(struct relay_subscription *sub);
/* Section 8.2. |subgroup|: for datagrams the object ID, which orders them in its place. */
__u64 relay_subscription_priority(const struct relay_subscription *sub, bool has_priority,
				  __u8 priority, __u64 group, __u64 subgroup);
/* Class of what has this publisher priority. */
__u8 relay_subscription_class(struct relay_subscription *sub, bool has_priority, __u8 priority);
void relay_subscription_datagram(struct relay_subscription *sub,
				 const struct inlay_moq_datagram *d);
/* Timeouts follow from parameters and track properties. */
void relay_subscription_set_timeouts(struct relay_subscription *sub);

/* --- readers --------------------------------------------------------------------------------- */

enum relay_reader_state {
	RELAY_READER_WAITING, /* for the first object that passes the filter */
	RELAY_READER_PENDING, /* for stream credit */
	RELAY_READER_OPEN,
};

/* Subgroup header with our alias, and the first object's ID. */
#define RELAY_PREFIX_MAX (INLAY_MOQ18_SUBGROUP_HEADER_MAX + INLAY_VI64_MAX_LEN)

/* One stream to one subscriber. */
struct relay_reader {
	struct inlay_relay *relay;
	struct relay_subscription *subscription; /* NULL: ended, the stream goes on alone */
	struct relay_track *orphan_of;		 /* the track that is kept for it; or NULL */
	struct inlay_relay_session *session;
	struct relay_track *track;	   /* lives as long as this is not dropped */
	__u64 request;			   /* ID of the subscription's */
	struct inlay_cache_stream *stream; /* a reference */
	struct inlay_list of_subscription;
	struct inlay_list of_stream;
	enum relay_reader_state state;
	struct inlay_moq_outgoing *out;
	bool held;     /* the transport has the source */
	bool dropped;  /* out of the lists: lives for the transport only */
	bool evicted;  /* a read failed: counted */
	bool finished; /* the transport has its FIN */
	__u8 prefix[RELAY_PREFIX_MAX];
	__u8 prefix_len;
	__u8 head_len; /* of the prefix: the subgroup header, by which a reset stream is known */
	__u64 start;   /* offset in the cached stream of what follows the prefix */
	__u64 from_object; /* offset of the first object's header; PENDING, OPEN */
	__u64 read_high;   /* of our stream: read so far */
	__u64 acked;
	__u64 end; /* extended to */
	inlay_ns object_timeout, subgroup_timeout;
	inlay_ns asked_at; /* the policy, whether it is late */
	struct relay_leg leg;
};

/* Follows a stream that is arriving, from the first object on that passes and is still to come. */
void relay_reader_attach(struct relay_subscription *sub, struct inlay_cache_stream *stream);
/* Follows a stream that is arriving, by the stream that the forwarder has opened in |slot|. False:
 * that is not adopted. */
bool relay_reader_adopt(struct relay_subscription *sub, struct relay_slot *slot,
			struct inlay_leg *leg);
/* As above, for what the cache holds, newest first: goes to the front of the subscription's list.
 * False: the subscription has as many streams as it may. */
bool relay_reader_attach_old(struct relay_subscription *sub, struct inlay_cache_stream *stream);
/* Follows a stream that was held back, from what arrived first. */
void relay_reader_attach_held(struct relay_subscription *sub, struct inlay_cache_stream *stream);
/* An object has begun at the stream's end; its header is in the cache. */
void relay_reader_on_object(struct relay_reader *rd, const struct inlay_cache_object *object);
/* A stream that is complete goes on without its subscription; any other is dropped. */
void relay_reader_let_go(struct relay_reader *rd);
/* Bytes were added, or the stream has ended. */
void relay_reader_on_growth(struct relay_reader *rd);
/* Resets it, or takes it off the list of those that wait. */
void relay_reader_drop(struct relay_reader *rd, __u64 code, enum inlay_relay_rule rule);
#define RELAY_NO_RULE INLAY_RELAY_N_RULES /* nothing is lost by it, or it was counted */
/* The transport's stream has ended. */
void relay_reader_ended(struct relay_reader *rd, enum inlay_moq_end end);
/* Tells the transport its priority and class anew. */
void relay_reader_set_order(struct relay_reader *rd);
/* The forwarder has opened a stream of |group| that nobody goes on with. |stream|: which one; NULL:
 * it is not known. */
void relay_reader_abandoned(const struct relay_position *p, __u64 group,
			    const struct inlay_cache_stream *stream);
/* A stream that never had a reader: a rule takes it from |sub|. */
void relay_reader_unread(const struct relay_subscription *sub,
			 const struct inlay_cache_stream *stream, enum inlay_relay_rule rule);
/* A publisher's stream is refused. */
void relay_reader_refuse(const struct relay_upstream *up, const struct inlay_cache_stream *stream,
			 enum inlay_relay_rule rule);
/* Opens what waits for credit, best first. */
void relay_reader_open_pending(struct relay_subscription *sub);
void relay_reader_on_timer(struct relay_reader *rd);
__u64 relay_reader_priority(const struct relay_subscription *sub,
			    const struct inlay_cache_stream *stream);

/* Something is due at |t|. */
static inline void relay_wake(struct inlay_relay *r, inlay_ns t)
{
	if (t < r->deadline)
		r->deadline = t;
}

/* Milliseconds of the protocol; beyond what a timer needs: none. */
static inline inlay_ns relay_ms(__u64 ms)
{
	return ms < 1ULL << 40 ? ms * INLAY_MS : 0;
}

static inline void relay_touch(struct inlay_relay_session *rs)
{
	inlay_ns now = inlay_moq_session_now(rs->moq);

	if (now > rs->relay->now)
		rs->relay->now = now;
}

#endif
