/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The TURN bench's namespaces: client, server, peer in a row (relay_net.h), made so that every
 * contender gets packets as a NIC would hand them over: checksums in them, neighbours known.
 */
#ifndef INLAY_BENCH_TURN_NET_H
#define INLAY_BENCH_TURN_NET_H

#include "relay_net.h"

enum turn_side {
	TURN_CLIENT = RELAY_PUBLISHER,
	TURN_PEER = RELAY_SUBSCRIBERS,
	TURN_SIDES = RELAY_SIDES,
};

struct turn_net {
	struct relay_net net; /* |relay|: the server's addresses, |peer|: of either side */
	int own;	      /* the server's namespace, which is the calling process's */
	__u8 near_mac[TURN_SIDES][6];
	__u8 far_mac[TURN_SIDES][6];
};

/* Of a side's own interface, and of the server's towards it. */
extern const char *const turn_net_far[TURN_SIDES];
extern const char *const turn_net_near[TURN_SIDES];

/* 0; a negative errno: said why. Close it in either case. */
int turn_net_open(struct turn_net *n);
void turn_net_close(struct turn_net *n);
/* 0; a negative errno. */
int turn_net_enter(const struct turn_net *n, enum turn_side side);
int turn_net_leave(const struct turn_net *n);
/* Lets the server's namespace forward packets, or not. */
int turn_net_forward(const struct turn_net *n, bool on);

#endif
