/* SPDX-License-Identifier: BSD-2-Clause */
/* inlayctl tracks. */
#ifndef INLAY_CLI_TRACKS_VIEW_H
#define INLAY_CLI_TRACKS_VIEW_H

#include <stdio.h>

#include "control_client.h"

/* Command: an exit code. */
int inlay_tracks_run(const char *path, int argc, char **argv);

/* A table of the list, with a line of titles. */
void inlay_tracks_print(FILE *f, const json_t *list);

#endif
