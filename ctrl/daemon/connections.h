/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Connections on the control socket: the commands "connections" and "qlog". An answer has a bounded
 * number of connections, in ascending order of their numbers; who wants more asks again from the
 * last one on, and the control thread has its turn in between. |daemon| is a struct inlay_daemon.
 */
#ifndef INLAY_DAEMON_CONNECTIONS_H
#define INLAY_DAEMON_CONNECTIONS_H

#include <jansson.h>

#define INLAY_CONNECTIONS_PAGE 64 /* connections in one answer: less than a millisecond */

/*
 * {"command": "connections", "after": NUMBER, "ids": [NUMBER, ...]}, both optional: those above
 * |after|, or of those numbers. {"connections": [...], "more": true or false}. NULL: |*ret_error|.
 */
json_t *inlay_connections_answer(void *daemon, const json_t *request, const char **ret_error);
/* {"command": "qlog", "connection": NUMBER, "on": true or false}. {"file": "..."} */
json_t *inlay_connections_qlog(void *daemon, const json_t *request, const char **ret_error);

#endif
