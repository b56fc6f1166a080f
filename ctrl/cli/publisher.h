/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Publishes one track on a MoQ session, sans-I/O: announces it, answers for it, and turns frames
 * into objects. A group is one subgroup on one stream, or a series of datagrams.
 *
 * Several tracks of a session make one announcement, and begin with the same group, so that groups
 * with the same number hold the same media if each track is given as many as the others:
 * inlay_publisher_join().
 *
 * A subscription that arrives within a group begins with the next one: what was published before
 * is not kept here.
 */
#ifndef INLAY_CLI_PUBLISHER_H
#define INLAY_CLI_PUBLISHER_H

#include "session.h"

struct inlay_publisher;

struct inlay_publisher_config {
	const struct inlay_moq_name *name; /* kept */
	bool publish; /* by PUBLISH; else PUBLISH_NAMESPACE, and the peer subscribes */
	bool datagrams;
	bool timestamps;
	__u8 priority;
	__u64 first_group;
	/* Ask the peer first (TRACK_STATUS) and begin above the largest group that it knows, so
	 * that a publisher that comes back collides with nothing it published before (draft
	 * section 2.4.2). The announcement waits for the answer: inlay_publisher_announce(). */
	bool go_on;
	/* A frame went out. May be NULL. */
	void (*on_sent)(void *user, __u64 group, __u64 object, const __u8 *data, size_t len);
	void *user;
};

struct inlay_publisher_stats {
	__u64 frames, bytes, groups; /* sent */
	__u64 unwanted;	 /* frames while nobody was subscribed, or before a group's start */
	__u64 too_large; /* for a datagram */
	__u64 unsent;	 /* datagrams that found the queue full */
};

/* NULL: no memory. */
struct inlay_publisher *inlay_publisher_new(const struct inlay_publisher_config *config);
void inlay_publisher_free(struct inlay_publisher *p);
/* Before the session starts: |p| is another track of |first|'s session, whose user |first| is.
 * What is said below of announcing and of errors is asked of |first|, for all of them. */
void inlay_publisher_join(struct inlay_publisher *first, struct inlay_publisher *p);
/* What the session calls, with the publisher as its user. */
const struct inlay_moq_session_ops *inlay_publisher_session_ops(void);
/* Before the session starts. */
void inlay_publisher_set_session(struct inlay_publisher *p, struct inlay_moq_session *s);

/* The peer was asked what it has of the track, and has not answered. */
bool inlay_publisher_is_asking(const struct inlay_publisher *p);
/* Announces the track without waiting for that answer any longer. */
void inlay_publisher_announce(struct inlay_publisher *p);
/* Somebody is subscribed and wants objects. */
bool inlay_publisher_is_wanted(const struct inlay_publisher *p);
/* The announcement was accepted. */
bool inlay_publisher_is_announced(const struct inlay_publisher *p);
/* The announcement was refused, or a session error; a line for a person, or NULL. */
const char *inlay_publisher_error(const struct inlay_publisher *p);

/*
 * One frame; |starts_group|: it can be decoded without earlier ones. 0: sent, or counted as
 * unwanted; -EAGAIN: the peer allows no more streams just now: come again; -ENOMEM and other
 * errors.
 */
int inlay_publisher_frame(struct inlay_publisher *p, const __u8 *data, size_t len,
			  bool starts_group, inlay_ns now);
/* The track has ended: finishes the group and the subscription. Not while datagrams wait to be
 * sent: what says that there will be no more would overtake them. Later calls do nothing. */
void inlay_publisher_finish(struct inlay_publisher *p, enum inlay_moq_done_code status);
void inlay_publisher_stats(const struct inlay_publisher *p, struct inlay_publisher_stats *ret);

#endif
