/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A publisher, subscribers, or both, in the calling thread: load for a relay, on our own engine,
 * since it costs least. Objects carry the time of sending.
 */
#ifndef INLAY_BENCH_RELAY_LOAD_H
#define INLAY_BENCH_RELAY_LOAD_H

#include "inlay_types.h"

struct relay_load;

/* A packet's size can tell which object is in it, sealed or not: neighbours differ most. */
#define RELAY_TAGS     15
#define RELAY_TAG_STEP 4

struct relay_pattern {
	const char *name;
	unsigned int per_second; /* objects */
	size_t object_bytes;
	unsigned int key_every; /* objects of a group; the first one is larger */
	size_t key_bytes;
	size_t tag_bytes; /* object i is longer by so much, times (RELAY_TAG_STEP * i % RELAY_TAGS)
			   */
	bool jitter;	  /* not exactly at equal distances */
};

/* Bytes of object |i|. */
size_t relay_pattern_bytes(const struct relay_pattern *p, __u64 i);
/* When it is published, from the first one's time on. */
inlay_ns relay_pattern_time(const struct relay_pattern *p, __u64 i);

/* For who looks at each object. Subscribers are counted from 0, after the publisher if there is
 * one. */
struct relay_load_ops {
	/* What it is to get is behind this object. */
	void (*on_subscribed)(void *user, unsigned int i, __u64 group, __u64 object);
	void (*on_object)(void *user, unsigned int i, __u64 group, __u64 object);
};

struct relay_load_config {
	struct inlay_addr relay;
	struct inlay_addr local; /* without a port: each client has one, up to 64 */
	bool publisher;
	unsigned int subscribers;
	unsigned int spare;		  /* more that do not subscribe yet */
	bool from_now;			  /* subscribe to what comes, not to all there is */
	const struct relay_load_ops *ops; /* or NULL: then all of them stay */
	void *user;
	bool gro;    /* subscribers take merged messages, which saves the sender's kernel work */
	bool sleeps; /* rather a few us late than spinning until it is time to publish */
};

/* What the subscribers saw. */
struct relay_seen {
	__u64 packets, bytes; /* of the relay's, ACKs and all */
	__u64 objects, expected;
	double seconds;
	double p50_us, p99_us; /* from publisher to subscriber */
	bool failed;	       /* a connection or request ended */
};

/* Connects and subscribes everybody. NULL: said why. */
struct relay_load *relay_load_new(const struct relay_load_config *config);
/* Publishes for |duration|. */
void relay_load_run(struct relay_load *load, const struct relay_pattern *pattern, inlay_ns duration,
		    struct relay_seen *ret_seen);
/* Somebody is subscribed to what it publishes. */
bool relay_load_is_wanted(const struct relay_load *load);
/* Receives and answers, and publishes nothing. */
void relay_load_idle(struct relay_load *load, inlay_ns until);
/* It is not subscribed, and can join. */
bool relay_load_is_idle(const struct relay_load *load, unsigned int i);
/* Subscribes, connecting if need be: on_subscribed(). */
void relay_load_join(struct relay_load *load, unsigned int i);
/* Unsubscribes at once, or closes the connection. */
void relay_load_leave(struct relay_load *load, unsigned int i, bool close);
/* What was seen since the last reset. */
void relay_load_reset(struct relay_load *load);
void relay_load_seen(struct relay_load *load, struct relay_seen *ret_seen);
/* Takes NULL. */
void relay_load_free(struct relay_load *load);

#endif
