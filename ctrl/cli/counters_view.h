/* SPDX-License-Identifier: BSD-2-Clause */
/* inlayctl counters. */
#ifndef INLAY_CLI_COUNTERS_VIEW_H
#define INLAY_CLI_COUNTERS_VIEW_H

#include <stdbool.h>
#include <stdio.h>

#include "control_client.h"

/* Command: an exit code. */
int inlay_counters_run(const char *path, int argc, char **argv);

/* A table of the answer, with a line of titles. |all|: of what never occurred as well. */
void inlay_counters_print(FILE *f, const json_t *answer, bool all);

#endif
