/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The floor of relaying in user space: a process that receives datagrams and sends each to N
 * others, by recvmmsg(), sendmmsg() and GSO, without keys, streams or acknowledgements; and its
 * load.
 */
#ifndef INLAY_BENCH_RELAY_FLOOR_H
#define INLAY_BENCH_RELAY_FLOOR_H

#include <netinet/in.h>
#include <sys/types.h>

#include "relay_load.h"

struct relay_floor;

/* Sends each datagram that |fd| receives to all of |names|. Does not return. */
__attribute__((noreturn)) void relay_floor_forward(int fd, struct sockaddr_in *names,
						   size_t n_names, bool gso);

/* Forks. NULL: said why. */
struct relay_floor *relay_floor_new(unsigned int subscribers, bool gso);
pid_t relay_floor_pid(const struct relay_floor *f);
void relay_floor_run(struct relay_floor *f, const struct relay_pattern *pattern, inlay_ns duration,
		     struct relay_seen *ret_seen);
/* Takes NULL. */
void relay_floor_free(struct relay_floor *f);

#endif
