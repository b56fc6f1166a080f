/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The control thread's loop: file descriptors, one deadline, and the signals that end it. One
 * thread.
 */
#ifndef INLAY_DAEMON_LOOP_H
#define INLAY_DAEMON_LOOP_H

#include "inlay_types.h"

struct inlay_loop;

/* Embedded in whatever is waited for; stays where it is while watched. */
struct inlay_watch {
	int fd;
	/* |events|: EPOLLIN, EPOLLOUT, EPOLLHUP, EPOLLERR. May unwatch this one and others. */
	void (*ready)(void *user, __u32 events);
	void *user;
};

/* Blocks SIGTERM, SIGINT, SIGQUIT and SIGHUP for the calling thread and those that it starts: they
 * end the loop; ignores SIGPIPE. 0; -ENOMEM; what epoll_create and signalfd return.
 */
int inlay_loop_new(struct inlay_loop **ret_loop);
/* Takes NULL. */
void inlay_loop_free(struct inlay_loop *loop);

/* |events|: also EPOLLET. */
int inlay_loop_watch(struct inlay_loop *loop, struct inlay_watch *watch, __u32 events);
int inlay_loop_change(struct inlay_loop *loop, struct inlay_watch *watch, __u32 events);
/* Before its descriptor is closed. No call for it follows, not even of this wake-up. */
void inlay_loop_unwatch(struct inlay_loop *loop, struct inlay_watch *watch);

/* Waits until |deadline| (INLAY_NEVER: for events alone), at most, and calls what is ready. A
 * deadline that is past: does not wait. */
void inlay_loop_turn(struct inlay_loop *loop, inlay_ns deadline);
/* A signal has asked for the end: how many times. */
unsigned int inlay_loop_signals(const struct inlay_loop *loop);

inlay_ns inlay_loop_now(void);

#endif
