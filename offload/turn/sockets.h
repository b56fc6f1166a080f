/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whose socket was that? What leaves an interface may come from a socket of another network
 * namespace: a container's, that stands on it by macvlan or ipvlan and may take any address.
 * Programs cannot tell before Linux 6.15; sock_diag can.
 */
#ifndef INLAY_OFFLOAD_TURN_SOCKETS_H
#define INLAY_OFFLOAD_TURN_SOCKETS_H

#include "inlay_turn_abi.h"

struct nl_sock;

struct inlay_turn_sockets {
	struct nl_sock *sock;
	inlay_ns searched; /* when it was last looked for by its port alone */
};

/* In the network namespace of the calling thread. -ENOMEM; -EPROTONOSUPPORT. */
int inlay_turn_sockets_init(struct inlay_turn_sockets *s);
void inlay_turn_sockets_fini(struct inlay_turn_sockets *s);

#define INLAY_TURN_SEARCH_EVERY (10 * INLAY_MS)

/*
 * Has the namespace a UDP socket with this cookie, that sends from |local| to |remote|? Asked for
 * exactly first, which costs microseconds; then, for sockets that share a port, belong to one
 * interface or stand behind NAT, all with that port are looked through, and no more often than
 * INLAY_TURN_SEARCH_EVERY: false meanwhile.
 */
bool inlay_turn_sockets_have(struct inlay_turn_sockets *s, __u64 cookie,
			     const struct inlay_addr *local, const struct inlay_addr *remote,
			     inlay_ns now);

#endif
