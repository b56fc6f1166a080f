/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tracks on the control socket: the commands "tracks" and "why". As with connections, an answer has
 * a bounded number of tracks, in ascending order, and who wants more asks again. |daemon| is a
 * struct inlay_daemon.
 */
#ifndef INLAY_DAEMON_TRACKS_H
#define INLAY_DAEMON_TRACKS_H

#include <jansson.h>

#define INLAY_TRACKS_PAGE 64

/* {"command": "tracks", "after": NUMBER}, optional: those above. {"tracks": [...], "more": true or
 * false}. NULL: |*ret_error|. */
json_t *inlay_tracks_answer(void *daemon, const json_t *request, const char **ret_error);
/* {"command": "why", "track": NAME or NUMBER, "subscriber": NUMBER or ADDRESS}: is it served fast,
 * and if not, why? {"track": {...}, "subscribers": [{...}]}, one for each subscription of that
 * connection.
 */
json_t *inlay_tracks_why(void *daemon, const json_t *request, const char **ret_error);

#endif
