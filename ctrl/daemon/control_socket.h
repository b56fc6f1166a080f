/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The control socket: a Unix stream socket, mode 0600, on which requests and answers pass as JSON
 * objects, each behind its length (32 bits, big-endian):
 *
 *   {"version": 1, "command": "status"}
 *   {"version": 1, "ok": true, "result": {...}}    {"version": 1, "ok": false, "error": "..."}
 *
 * Clients, requests and answers are bounded; a client is served one request at a time, and one that
 * breaks the rules is told, and dropped.
 */
#ifndef INLAY_DAEMON_CONTROL_SOCKET_H
#define INLAY_DAEMON_CONTROL_SOCKET_H

#include <jansson.h>

#include "loop.h"

#define INLAY_CONTROL_VERSION	  1
#define INLAY_CONTROL_REQUEST_MAX 4096
#define INLAY_CONTROL_ANSWER_MAX  (16 << 20)
#define INLAY_CONTROL_CLIENTS	  8 /* a further one takes the place of the oldest */

struct inlay_control;

/* What a daemon carries out; a table of them ends with one that has no name. */
struct inlay_control_command {
	const char *name;
	/* The result, which the caller then owns; or NULL, and |*ret_error| says in one line why,
	 * or, where it was left as it was, that there was no memory. */
	json_t *(*answer)(void *user, const json_t *request, const char **ret_error);
};

/*
 * Binds |path|; |commands| outlives it. A socket left behind by a daemon that is gone is removed.
 * 0; -EADDRINUSE: a daemon answers there; -EEXIST: something that is not a socket stands there;
 * -ENAMETOOLONG; -ENOMEM; what bind() returns.
 */
int inlay_control_new(struct inlay_loop *loop, const char *path,
		      const struct inlay_control_command *commands, void *user,
		      struct inlay_control **ret_control);
/* Removes the socket. Takes NULL. */
void inlay_control_free(struct inlay_control *control);

/* The answer to the |len| bytes of a request, as JSON text to be freed; |*ret_close|: the client
 * has broken the rules. NULL: no memory. For tests and fuzzers. */
char *inlay_control_answer(const char *request, size_t len,
			   const struct inlay_control_command *commands, void *user,
			   bool *ret_close);

#endif
