/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The relay as it is shown: its tracks, and who publishes and subscribes to each. What is handed
 * out lives for the length of the call.
 */
#ifndef INLAY_RELAY_VIEW_H
#define INLAY_RELAY_VIEW_H

#include "relay.h"

#define INLAY_RELAY_NAME_TEXT 512

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
};

/* By ascending number. False of |each|: that is enough. */
void inlay_relay_for_each_track(const struct inlay_relay *r,
				bool (*each)(void *user, const struct inlay_relay_track_view *v),
				void *user);

struct inlay_relay_publisher_view {
	void *session; /* user of its session */
	bool established;
	bool by_publish; /* it sent PUBLISH; else we asked by SUBSCRIBE */
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
};

void inlay_relay_for_each_subscription(const struct relay_track *t,
				       void (*each)(void *user,
						    const struct inlay_relay_subscription_view *v),
				       void *user);

#endif
