/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Receives one track on a MoQ session, sans-I/O: finds out where it stands, subscribes, and hands
 * its objects on in order.
 *
 * It joins at the first object of the largest group (learnt by TRACK_STATUS), or, with |live| or
 * where there is nothing yet, at what comes next. Subscriptions that end without the track's end
 * are made anew while |wait| lasts.
 *
 * Where the content comes in several renditions (tracks whose groups hold the same media under the
 * same numbers), it chooses among them by what it receives, and changes between two groups: each
 * group comes whole from one of them, none is missing and none comes twice.
 */
#ifndef INLAY_CLI_SUBSCRIBER_H
#define INLAY_CLI_SUBSCRIBER_H

#include "abr.h"
#include "delays.h"
#include "estimate.h"
#include "jitter.h"
#include "session.h"

struct inlay_subscriber_track;

enum inlay_subscriber_state {
	INLAY_SUB_ASKING = 0, /* TRACK_STATUS is under way, or the session is not up */
	INLAY_SUB_WAITING,    /* SUBSCRIBE is sent */
	INLAY_SUB_READY,      /* SUBSCRIBE_OK has arrived */
	INLAY_SUB_PAUSED,     /* between two subscriptions */
	INLAY_SUB_ENDED,      /* the track has ended, and everything was handed on */
	INLAY_SUB_FAILED,
};

struct inlay_subscriber_rendition {
	const struct inlay_moq_name *name; /* kept */
	__u64 bps;
};

struct inlay_subscriber_config {
	/* By rising bit rate; of a single one the bit rate does not matter. At most
	 * INLAY_ABR_RENDITIONS. It begins with the first one. */
	struct inlay_subscriber_rendition renditions[INLAY_ABR_RENDITIONS];
	unsigned int n;
	bool live;
	inlay_ns wait;	   /* for a publisher to come, or to come back */
	inlay_ns patience; /* for what is missing; 0: 2 s */
	size_t max_bytes;  /* held for order, and of one object; 0: 64 MiB */
	void (*on_state)(void *user, enum inlay_subscriber_state state);
	/* In order. */
	void (*on_object)(void *user, __u64 group, __u64 object, const __u8 *data, size_t len);
	/* From |group| on, |to| is taken; indices into |renditions|. May be NULL. */
	void (*on_switch)(void *user, unsigned int from, unsigned int to, __u64 group);
	void *user;
};

/* NULL: no memory. */
struct inlay_subscriber_track *inlay_subscriber_new(const struct inlay_subscriber_config *config);
/* After its session. Takes NULL. */
void inlay_subscriber_free(struct inlay_subscriber_track *t);
/* What the session calls, with the subscriber as its user. */
const struct inlay_moq_session_ops *inlay_subscriber_session_ops(void);
/* Before the session starts. */
void inlay_subscriber_set_session(struct inlay_subscriber_track *t, struct inlay_moq_session *s);

enum inlay_subscriber_state inlay_subscriber_state(const struct inlay_subscriber_track *t);
/* Why it failed; a line for a person. */
const char *inlay_subscriber_error(const struct inlay_subscriber_track *t);
inlay_ns inlay_subscriber_deadline(const struct inlay_subscriber_track *t);
void inlay_subscriber_on_timer(struct inlay_subscriber_track *t, inlay_ns now);
/* Hands on what is held, and unsubscribes. */
void inlay_subscriber_finish(struct inlay_subscriber_track *t);
void inlay_subscriber_stats(const struct inlay_subscriber_track *t, struct inlay_jitter_stats *ret);
/* From sending to arrival, of objects that carry the time. */
const struct inlay_delays *inlay_subscriber_delays(const struct inlay_subscriber_track *t);
/* The rendition that new groups are taken from. */
unsigned int inlay_subscriber_rendition(const struct inlay_subscriber_track *t);
/* How often it changed. */
__u64 inlay_subscriber_switches(const struct inlay_subscriber_track *t);
/* What the path is taken to carry, in bits of payload a second; 0: not known yet. */
__u64 inlay_subscriber_estimate(const struct inlay_subscriber_track *t, inlay_ns now);

#endif
