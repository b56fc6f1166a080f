/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside the subscriber: its records, and what its three parts call of each other. */
#ifndef INLAY_CLI_SUBSCRIBER_IMPL_H
#define INLAY_CLI_SUBSCRIBER_IMPL_H

#include "list.h"
#include "subscriber.h"

#define SUBSCRIBER_ALL	     (~0ULL) /* no group has this number: all that there is */
#define SUBSCRIBER_NO_SWITCH INLAY_ABR_RENDITIONS

struct subscriber_rendition {
	const struct inlay_moq_name *name;
	struct inlay_moq_request *request;
	bool live;    /* SUBSCRIBE_OK has arrived */
	bool forward; /* objects are asked for; else the relay is only kept at it */
	bool owner;   /* of the groups [from, to): they are taken from it and nothing else */
	__u64 from, to;
	inlay_ns retry; /* not subscribed to before */
};

/* A subgroup stream, and the object that is coming on it. */
struct subscriber_stream {
	struct inlay_list node;
	struct inlay_subscriber_track *track;
	struct inlay_moq_incoming *in;
	unsigned int rendition;
	__u64 group, object;
	bool taken; /* its objects go into the order; else it is not known yet whether they will */
	bool end_of_group;
	bool incomplete; /* more of the object is to come */
	bool has_sent_at;
	inlay_ns sent_at;
	__u8 *payload;
	size_t len, room, total;
};

struct inlay_subscriber_track {
	struct inlay_subscriber_config config;
	struct inlay_moq_session *session;
	struct inlay_moq_request *status;
	struct inlay_jitter *jitter;
	enum inlay_subscriber_state state;
	inlay_ns give_up;  /* no publisher by then: failed */
	inlay_ns deadline; /* of the state */
	inlay_ns timer;	   /* when it last ran */
	bool ended;	   /* PUBLISH_DONE said that the track has ended */
	bool ending;	   /* ... but another rendition may have more */
	char done_reason[160];
	struct inlay_delays delays;
	char error[240];

	struct inlay_list streams; /* subscriber_stream.node */
	unsigned int incomplete;   /* streams within an object */
	struct inlay_estimate estimate;

	/* Renditions, by rising bit rate; one of them where there is no choice. */
	struct subscriber_rendition renditions[INLAY_ABR_RENDITIONS];
	unsigned int n, current;
	unsigned int next; /* the one to change over to; or NO_SWITCH */
	__u64 want;	   /* the first group that would be taken from it */
	__u64 newest;	   /* the largest group that has begun on |current| */
	bool has_newest;
	inlay_ns attempt;  /* when the change is given up */
	inlay_ns next_run; /* when to think again */
	struct inlay_abr abr;
	__u64 switches;
};

inlay_ns subscriber_now(const struct inlay_subscriber_track *t);
struct subscriber_rendition *subscriber_rendition_of(struct inlay_subscriber_track *t,
						     const struct inlay_moq_request *req);
/* The last owner but the current one is done: the track may have ended. */
void subscriber_check_end(struct inlay_subscriber_track *t);

/* --- streams: what the session says of objects --- */
void subscriber_on_subgroup(void *user, struct inlay_moq_request *req,
			    struct inlay_moq_incoming *in, const struct inlay_moq_subgroup *header);
void subscriber_on_object(void *user, struct inlay_moq_incoming *in,
			  const struct inlay_moq_object *object, const __u8 *header, size_t len);
void subscriber_on_payload(void *user, struct inlay_moq_incoming *in, const __u8 *data, size_t len,
			   bool end);
void subscriber_on_subgroup_end(void *user, struct inlay_moq_incoming *in, enum inlay_moq_end end,
				__u64 code);
void subscriber_on_datagram(void *user, struct inlay_moq_request *req,
			    const struct inlay_moq_datagram *d);
/* STOP_SENDING for what |rendition| sends of |group| and above; the order has forgotten it. */
void subscriber_stop_streams(struct inlay_subscriber_track *t, unsigned int rendition, __u64 group);

/* --- changing over --- */
/* The current rendition alone, from its beginning. */
void subscriber_switch_reset(struct inlay_subscriber_track *t);
/* Is |group| to be taken from |rendition|? |whole|: it begins with the group's first object, so
 * that this can be where the renditions change. */
bool subscriber_switch_take(struct inlay_subscriber_track *t, unsigned int rendition, __u64 group,
			    bool whole);
/* Could it be, once its first object is known? */
bool subscriber_switch_may_take(const struct inlay_subscriber_track *t, unsigned int rendition,
				__u64 group);
/* SUBSCRIBE_OK; the end of the request. */
void subscriber_switch_on_ok(struct inlay_subscriber_track *t, struct subscriber_rendition *r);
void subscriber_switch_on_end(struct inlay_subscriber_track *t, struct subscriber_rendition *r);
/* Groups below the current rendition's are still to come from another one. */
bool subscriber_switch_is_busy(const struct inlay_subscriber_track *t);
void subscriber_switch_run(struct inlay_subscriber_track *t, inlay_ns now);

#endif
