/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Drives one client peer over one connected UDP socket: epoll, a timer, recvmmsg and sendmmsg, and
 * a clean end on SIGINT and SIGTERM. One thread.
 */
#ifndef INLAY_PEER_DRIVER_H
#define INLAY_PEER_DRIVER_H

#include "peer.h"

struct inlay_driver;

struct inlay_driver_ops {
	/* Once a round, before sending: do what is due. */
	void (*on_round)(void *user, inlay_ns now);
	/* When on_round() has something to do besides what packets bring; INLAY_NEVER: not. */
	inlay_ns (*deadline)(void *user);
	/* SIGINT or SIGTERM: end in the regular way. A second one ends the loop at once. */
	void (*on_interrupt)(void *user);
};

inlay_ns inlay_driver_now(void);

/* 0; -ENOMEM; what epoll_create1() and the like say. Blocks SIGINT and SIGTERM for the thread. */
int inlay_driver_new(const struct inlay_driver_ops *ops, void *user,
		     struct inlay_driver **ret_driver);
/* Does not free the peer. Takes NULL. */
void inlay_driver_free(struct inlay_driver *d);

/* Opens a socket towards |remote|, in place of an earlier one; |ret_path|: both ends. What socket()
 * and connect() say. */
int inlay_driver_connect(struct inlay_driver *d, const struct inlay_addr *remote,
			 struct inlay_path *ret_path);
/* The peer to drive, whose path is |ret_path|'s. */
void inlay_driver_set_peer(struct inlay_driver *d, struct inlay_peer *peer);

/* Calls |on_readable| while |fd| can be read without blocking; a regular file always can. NULL: no
 * more. -EMFILE: INLAY_DRIVER_WATCHES are watched; what epoll_ctl() says. */
#define INLAY_DRIVER_WATCHES 8
int inlay_driver_watch(struct inlay_driver *d, int fd, void (*on_readable)(void *user, int fd));

/*
 * Until the peer's connection has closed and its farewell is sent, or inlay_driver_stop(). 0;
 * -ECONNREFUSED: nobody listens there (before the handshake is complete); -EINTR: a second signal;
 * -ENETUNREACH and others of the socket.
 */
int inlay_driver_run(struct inlay_driver *d);
void inlay_driver_stop(struct inlay_driver *d);
bool inlay_driver_interrupted(const struct inlay_driver *d);

#endif
