/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One libinlay-turn serves a network namespace: a second one's programs would tell and count the
 * same packets again, and before tcx take the place of the first one's. Whoever serves it has an
 * abstract socket there, which nobody else can have as long as that process lives.
 *
 * In the network namespace of the calling thread.
 */
#ifndef INLAY_OFFLOAD_TURN_CLAIM_H
#define INLAY_OFFLOAD_TURN_CLAIM_H

#include "maps.h"

/* A descriptor, to be closed in the end. -EBUSY: another process has it, which is said. */
int inlay_turn_claim(int *ret_fd, const struct inlay_turn_error *error);

#endif
