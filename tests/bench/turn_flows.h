/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The TURN bench's flows: a socket at the client's side and one at the peer's, each connected to
 * the relay, with an allocation and a channel between them; or, for the floor, to one another.
 */
#ifndef INLAY_BENCH_TURN_FLOWS_H
#define INLAY_BENCH_TURN_FLOWS_H

#include "turn_load.h"
#include "turn_net.h"

enum turn_direction {
	TURN_TO_PEER,
	TURN_TO_CLIENT,
	TURN_DIRECTIONS,
};

/* Where frames and datagrams of a direction come from, and where they go. */
static inline enum turn_side turn_source(enum turn_direction direction)
{
	return direction == TURN_TO_PEER ? TURN_CLIENT : TURN_PEER;
}

static inline enum turn_side turn_sink(enum turn_direction direction)
{
	return direction == TURN_TO_PEER ? TURN_PEER : TURN_CLIENT;
}

struct turn_flow {
	int fds[TURN_SIDES];
	struct inlay_addr addrs[TURN_SIDES];
	struct inlay_addr relay[TURN_SIDES]; /* where each of them sends to */
	__u16 channel;			     /* 0: there is no relay */
};

struct turn_flows {
	struct turn_flow *flows;
	unsigned int n;
};

/* |server|: a TURN server's address at the client's side, NULL: there is none. 0; a negative errno:
 * said why. Free it in either case. */
int turn_flows_open(struct turn_flows *f, unsigned int n, const struct turn_net *net,
		    const struct inlay_addr *server);
void turn_flows_free(struct turn_flows *f);

/* Frames and expectations for a direction. 0; a negative errno: said why. */
int turn_flows_load(const struct turn_flows *f, const struct turn_net *net, struct turn_load *load,
		    enum turn_direction direction, __u32 bytes);
/* Sends one datagram by its socket, of |bytes| of application data that begin with |mark|. */
void turn_flow_send(const struct turn_flow *f, enum turn_direction direction,
		    const struct turn_load_mark *mark, size_t bytes);

#endif
