/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The relay as it is shown: its tracks, and who publishes and subscribes to each. What is handed
 * out lives for the length of the call.
 */
#ifndef INLAY_RELAY_VIEW_H
#define INLAY_RELAY_VIEW_H

#include "relay.h"

#define INLAY_RELAY_NAME_TEXT 512

struct relay_subscription;
struct relay_track;

struct inlay_relay_track_view {
	__u64 number; /* of this relay's tracks: never used again, ascending */
	const char *name;
	const char *state;
	__u32 subscriptions, publishers;
	__u64 cache_bytes;
	__u32 cache_groups;
	bool has_largest;
	struct inlay_moq_location largest;
	const struct relay_track *track; /* for the two below */
	bool fast;			 /* a forwarder forwards what one of the publishers sends */
	__u32 positions;		 /* subscribers that it has copies for */
	__u32 slots;			 /* publishers' streams that it follows */
};

/* By ascending number. False of |each|: that is enough. */
void inlay_relay_for_each_track(const struct inlay_relay *r,
				bool (*each)(void *user, const struct inlay_relay_track_view *v),
				void *user);

struct inlay_relay_publisher_view {
	void *session; /* user of its session */
	bool established;
	bool by_publish; /* it sent PUBLISH; else we asked by SUBSCRIBE */
	bool fast;	 /* the one whose streams are forwarded */
};

void inlay_relay_for_each_publisher(const struct relay_track *t,
				    void (*each)(void *user,
						 const struct inlay_relay_publisher_view *v),
				    void *user);

struct inlay_relay_subscription_view {
	void *session; /* user of its session */
	__u64 request; /* ID of the SUBSCRIBE */
	const char *state;
	__u32 streams; /* that were begun, or wait */
	/* Of these, how many a forwarder sends at the moment; and in all, what it did. */
	bool fast;	    /* it has a position */
	__u32 why_not;	    /* enum inlay_reason, if it has none; INLAY_N_REASONS: it has */
	__u32 why_detached; /* enum inlay_reason: why a stream was last given up; _N_REASONS: none
			     */
	__u32 streams_lent;
	__u64 copies;	    /* of its position */
	__u32 why_not_sent; /* of its position: why a copy was last not sent; _N_REASONS: none */
	const struct relay_subscription *subscription; /* for what is below */
};

void inlay_relay_for_each_subscription(const struct relay_track *t,
				       void (*each)(void *user,
						    const struct inlay_relay_subscription_view *v),
				       void *user);

/* One stream to a subscriber. */
struct inlay_relay_stream_view {
	const char *state; /* of it: waiting, pending, open */
	bool is_evicted;   /* then its group and subgroup are not known any more */
	__u64 group, subgroup;
	__u64 arrived; /* bytes of the publisher's stream, behind its header */
	/* "none": the control plane's from its beginning; "attached", "detached", "offered". */
	const char *leg;
	__u64 number;	      /* of our stream; unless "none" */
	__u64 attach, detach; /* offsets in the publisher's stream */
	__u32 why_detached;   /* enum inlay_reason; _N_REASONS: it is not */
	bool has_attach, has_detach;
};

void inlay_relay_for_each_stream(const struct relay_subscription *sub,
				 void (*each)(void *user, const struct inlay_relay_stream_view *v),
				 void *user);

#endif
