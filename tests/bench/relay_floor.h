/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The floor of relaying in user space: a process that receives datagrams and sends each to N
 * others, by recvmmsg(), sendmmsg() and GSO, without keys, streams or acknowledgements; and its
 * load.
 */
#ifndef INLAY_BENCH_RELAY_FLOOR_H
#define INLAY_BENCH_RELAY_FLOOR_H

#include <sys/types.h>

#include "relay_load.h"

struct relay_floor;

/* Forks. NULL: said why. */
struct relay_floor *relay_floor_new(unsigned int subscribers, bool gso);
pid_t relay_floor_pid(const struct relay_floor *f);
void relay_floor_run(struct relay_floor *f, const struct relay_pattern *pattern, inlay_ns duration,
		     struct relay_seen *ret_seen);
/* Takes NULL. */
void relay_floor_free(struct relay_floor *f);

#endif
