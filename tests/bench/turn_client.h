/* SPDX-License-Identifier: BSD-2-Clause */
/* A TURN client as far as the bench needs one: an allocation with a channel, by long-term
 * credentials. */
#ifndef INLAY_BENCH_TURN_CLIENT_H
#define INLAY_BENCH_TURN_CLIENT_H

#include "inlay_turn_abi.h"

#define TURN_CLIENT_USER     "bench"
#define TURN_CLIENT_PASSWORD "secret"
#define TURN_CLIENT_REALM    "inlay"

/* Allocates and binds |channel| to |peer|, by a blocking socket that is connected to the server.
 * 0; a negative errno: said why. */
int turn_client_bind(int fd, const struct inlay_addr *peer, __u16 channel,
		     struct inlay_addr *ret_relayed);

#endif
