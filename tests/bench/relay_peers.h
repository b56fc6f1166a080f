/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The relay's two sides, a process each, in their own namespaces: the publisher, and all
 * subscribers. Of a relay (QUIC), or of the floor (plain datagrams of the same sizes).
 */
#ifndef INLAY_BENCH_RELAY_PEERS_H
#define INLAY_BENCH_RELAY_PEERS_H

#include <netinet/in.h>
#include <sched.h>

#include "relay_load.h"
#include "relay_net.h"

#define RELAY_FLOOR_MOST 64 /* subscribers */

struct relay_peer_config {
	const struct relay_net *net;
	enum relay_side side;
	bool floor;
	__u16 port; /* of the relay */
	unsigned int subscribers;
	cpu_set_t cpus;
};

struct relay_peer {
	pid_t pid;
	int fd;
};

/* What a peer says once it is ready. */
struct relay_peer_ready {
	bool ok;
	struct sockaddr_in names[RELAY_FLOOR_MOST]; /* of the floor's subscribers */
};

/* Returns when it is connected, and subscribed. 0; a negative errno: said why. */
int relay_peer_start(struct relay_peer *p, const struct relay_peer_config *config,
		     struct relay_peer_ready *ret_ready);
/* Publishes so many objects and returns when it has; 0; -EIO. */
int relay_peer_publish(const struct relay_peer *p, const struct relay_pattern *pattern,
		       __u64 objects);
/* What subscribers have seen since they were asked before. 0; -EIO. */
int relay_peer_seen(const struct relay_peer *p, struct relay_seen *ret_seen);
/* Does nothing if it is zeroed. */
void relay_peer_stop(struct relay_peer *p);

#endif
