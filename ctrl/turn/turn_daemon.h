/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * inlay-turn: watches an unmodified TURN server through libinlay-turn, learns from its answers, and
 * says what may go fast. One thread: the loop calls inlay_turn_turn() several times a second, so
 * that nothing goes fast any more two seconds after this stands still.
 */
#ifndef INLAY_TURN_DAEMON_H
#define INLAY_TURN_DAEMON_H

#include "program.h"
#include "turn_config.h"

struct inlay_turn_daemon;

/* Enters the namespace, loads and attaches. NULL: |ret_failure| says why. */
struct inlay_turn_daemon *inlay_turn_daemon_new(const struct inlay_turn_options *options,
						struct inlay_failure *ret_failure);
/* Until SIGTERM or SIGINT. */
void inlay_turn_daemon_run(struct inlay_turn_daemon *d);
/* Detaches everywhere. Takes NULL. */
void inlay_turn_daemon_free(struct inlay_turn_daemon *d);

#endif
