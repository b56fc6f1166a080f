/* SPDX-License-Identifier: BSD-2-Clause */
/* The TURN server under test as a child, and inlay-turn beside it. */
#ifndef INLAY_BENCH_TURN_SERVER_H
#define INLAY_BENCH_TURN_SERVER_H

#include <sched.h>
#include <sys/types.h>

#include "turn_net.h"

#define TURN_SERVER_PORT 3478

struct turn_server_config {
	const struct turn_net *net;
	const char *build;  /* where inlay-turn stands, with its object; NULL: coturn is alone */
	const char *attach; /* how inlay-turn stands at interfaces */
	cpu_set_t cpus;
};

struct turn_server {
	pid_t coturn, inlay;
	char inlayctl[512];
	char scratch[64]; /* a folder */
};

/* 0; a negative errno: said why. A client may have to repeat its first request. Stop it in either
 * case. */
int turn_server_start(struct turn_server *s, const struct turn_server_config *config);
/* Does nothing if it is zeroed. */
void turn_server_stop(struct turn_server *s);
/* CPU time in ns that all of it has had. */
double turn_server_cpu_ns(const struct turn_server *s);
/* Channels that are relayed without coturn, by inlay-turn's own word; -1: it does not answer. */
int turn_server_fast(const struct turn_server *s);

#endif
