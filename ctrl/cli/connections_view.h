/* SPDX-License-Identifier: BSD-2-Clause */
/* inlayctl connections and inlayctl qlog. */
#ifndef INLAY_CLI_CONNECTIONS_VIEW_H
#define INLAY_CLI_CONNECTIONS_VIEW_H

#include <stdio.h>

#include "control_client.h"

/* Commands: an exit code. */
int inlay_connections_run(const char *path, int argc, char **argv);
int inlay_connections_run_qlog(const char *path, int argc, char **argv);

/* A table of the list, with a line of titles. */
void inlay_connections_print(FILE *f, const json_t *list);
/* |value| in four places: 999, 1.2k, 45M. */
void inlay_connections_human(double value, char ret_text[8]);

#endif
