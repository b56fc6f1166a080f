/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every named reason with its counts on the control socket: the command "counters". Who drops or
 * declines has a set of counters of its own; an answer has them side by side. |daemon| is a struct
 * inlay_daemon.
 */
#ifndef INLAY_DAEMON_COUNTERS_H
#define INLAY_DAEMON_COUNTERS_H

#include <jansson.h>

#include "inlay_reasons.h"

/* {"reasons": [{"reason", "text", "advice", "total", and a count for each part}], "stream_resets":
 * [{"rule", "text", "count"}]}: all of them, in the order of the lists. NULL: |*ret_error|. */
json_t *inlay_counters_answer(void *daemon, const json_t *request, const char **ret_error);

#endif
