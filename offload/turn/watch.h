/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What inlay-turn needs of libinlay-turn besides its public header: a channel that the server is
 * said to have bound is watched until the server was seen relaying on it, and events come up.
 */
#ifndef INLAY_OFFLOAD_TURN_WATCH_H
#define INLAY_OFFLOAD_TURN_WATCH_H

#include "inlay_turn.h"

/* A channel that is believed to be bound. */
struct inlay_turn_candidate {
	struct inlay_addr client;
	struct inlay_addr server;
	struct inlay_addr peer;
	__be16 relayed_port; /* of XOR-RELAYED-ADDRESS: NAT in front of a server keeps it */
	__u16 number;
	inlay_ns until; /* it is forgotten by itself then */
};

/* Samples of it come as events CHANNEL_DATA and RELAYED that bear |*ret_ref|. It takes the place of
 * one flow; a quarter of them all is kept for those that are proven. -EEXIST: that client, server
 * and number are watched or fast, or another candidate waits for the same peer and relayed port;
 * -ENOSPC; -EACCES; -EINVAL. */
int inlay_turn_watch_add(struct inlay_turn *turn, const struct inlay_turn_candidate *candidate,
			 struct inlay_turn_ref *ret_ref);
/* -ESTALE. Before inlay_turn_channel_set() of the same channel. */
int inlay_turn_watch_remove(struct inlay_turn *turn, struct inlay_turn_ref ref);

enum { INLAY_TURN_EVENTS = 256 }; /* handed over in one turn, at most; the rest in the next */

/*
 * What comes up. |event| is valid during the call; |len| bytes of it are readable, which has been
 * checked against its own lengths. |lost|: records of that ring that found no room since the
 * last call, told before the events behind the gap. |gone|: a socket of this namespace was
 * destroyed.
 */
struct inlay_turn_listener {
	void (*event)(void *user, const struct inlay_turn_event *event, size_t len,
		      enum inlay_turn_ring ring);
	void (*lost)(void *user, enum inlay_turn_ring ring, __u64 n);
	void (*gone)(void *user, __u64 cookie);
	void *user;
};

/* From now on the programs report, and inlay_turn_turn() hands over what comes up. |gone| lost:
 * told as one record of the responses' ring. -EPROTONOSUPPORT, -ENOENT, -EPERM: this kernel does
 * not tell of sockets' ends (CONFIG_INET_UDP_DIAG), so that what is learnt cannot be trusted. */
int inlay_turn_listen(struct inlay_turn *turn, const struct inlay_turn_listener *listener);

/* Once it listens: is this cookie, of an event, that of a UDP socket of this namespace, which sent
 * from |local| to |remote|? See sockets.h. */
bool inlay_turn_has_socket(struct inlay_turn *turn, __u64 cookie, const struct inlay_addr *local,
			   const struct inlay_addr *remote);

#endif
