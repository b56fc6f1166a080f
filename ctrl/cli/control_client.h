/* SPDX-License-Identifier: BSD-2-Clause */
/* inlayctl's end of the control socket (ctrl/daemon/control_socket.h). */
#ifndef INLAY_CLI_CONTROL_CLIENT_H
#define INLAY_CLI_CONTROL_CLIENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "program.h"

/* Asks the daemon at |path|. |members|: of the request beside version and command, taken over;
 * NULL: none. The result, to be released; NULL: said why on standard error. */
json_t *inlay_control_ask(const char *path, const char *command, json_t *members);
/*
 * A whole table, page after page: |command| answers with a list of that name, and whether there is
 * more behind it. A page is asked for by |key| of the last entry before it; NULL: by how many there
 * are before it. Otherwise as above.
 */
json_t *inlay_control_ask_all(const char *path, const char *command, const char *key,
			      json_t *members);
/* Prints an answer, which it releases, as JSON or by |print|. An exit code: NULL has failed. */
int inlay_control_show(json_t *answer, bool json, void (*print)(FILE *f, const json_t *answer));

/* 0 where there is none. */
json_int_t inlay_control_number(const json_t *o, const char *name);
/* "?" where there is none. */
const char *inlay_control_text(const json_t *o, const char *name);

#endif
