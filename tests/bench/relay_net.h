/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Three network namespaces in a row: publisher's, relay's, subscribers', joined by veth. They have
 * no names: the relay's is the calling process's own, the others belong to a child each. So when
 * the bench ends, however it does, they and all in them are gone.
 */
#ifndef INLAY_BENCH_RELAY_NET_H
#define INLAY_BENCH_RELAY_NET_H

#include <sys/types.h>

#include "inlay_types.h"

/* Interfaces in the relay's namespace, towards each side. */
#define RELAY_NET_IN  "upstream"
#define RELAY_NET_OUT "downstream"
/* The other ends. */
#define RELAY_NET_PUBLISHER   "publisher"
#define RELAY_NET_SUBSCRIBERS "subscribers"

enum relay_side {
	RELAY_PUBLISHER,
	RELAY_SUBSCRIBERS,
	RELAY_SIDES,
};

struct relay_net {
	pid_t holders[RELAY_SIDES];
	struct inlay_addr relay[RELAY_SIDES]; /* the relay's address towards that side */
	struct inlay_addr peer[RELAY_SIDES];  /* of that side; without a port */
};

/* Moves the calling process into a namespace of its own. 0; a negative errno: said why. */
int relay_net_open(struct relay_net *net);
void relay_net_close(struct relay_net *net);
/* A command of the shell's. 0; -EIO: said which. */
__attribute__((format(printf, 1, 2))) int relay_net_run(const char *format, ...);
/* Moves the calling process to a side. 0; a negative errno. */
int relay_net_enter(const struct relay_net *net, enum relay_side side);

#endif
