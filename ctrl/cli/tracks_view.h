/* SPDX-License-Identifier: BSD-2-Clause */
/* inlayctl tracks and inlayctl why. */
#ifndef INLAY_CLI_TRACKS_VIEW_H
#define INLAY_CLI_TRACKS_VIEW_H

#include <stdio.h>

#include "control_client.h"

/* Commands: an exit code. */
int inlay_tracks_run(const char *path, int argc, char **argv);
int inlay_tracks_run_why(const char *path, int argc, char **argv);

/* A table of the list, with a line of titles. */
void inlay_tracks_print(FILE *f, const json_t *list);
/* What there is to say of an answer to "why". */
void inlay_tracks_print_why(FILE *f, const json_t *answer);

#endif
