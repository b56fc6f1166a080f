/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tracks on the control socket: the command "tracks". As with connections, an answer has a bounded
 * number of them, in ascending order, and who wants more asks again.
 */
#ifndef INLAY_DAEMON_TRACKS_H
#define INLAY_DAEMON_TRACKS_H

#include <jansson.h>

struct inlay_daemon;

#define INLAY_TRACKS_PAGE 64

/* {"command": "tracks", "after": NUMBER}, optional: those above. {"tracks": [...], "more": true or
 * false}. NULL: |*ret_error|. */
json_t *inlay_tracks_answer(struct inlay_daemon *d, const json_t *request, const char **ret_error);

#endif
