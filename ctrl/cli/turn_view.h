/* SPDX-License-Identifier: BSD-2-Clause */
/* inlayctl turn: asks a running inlay-turn. */
#ifndef INLAY_CLI_TURN_VIEW_H
#define INLAY_CLI_TURN_VIEW_H

#include <stdbool.h>
#include <stdio.h>

#include "control_client.h"

/* A command: an exit code. */
int inlay_turn_view_run(const char *path, int argc, char **argv);

/* Tables of what "channels", "allocations", "counters", "links" and "status" answer. */
void inlay_turn_view_channels(FILE *f, const json_t *answer);
void inlay_turn_view_allocations(FILE *f, const json_t *answer);
void inlay_turn_view_counters(FILE *f, const json_t *answer, bool all);
void inlay_turn_view_links(FILE *f, const json_t *answer);
void inlay_turn_view_status(FILE *f, const json_t *answer);

#endif
