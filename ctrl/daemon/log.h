/* SPDX-License-Identifier: BSD-2-Clause */
/* What the daemon tells people: one line each on standard error. Libraries do not log. */
#ifndef INLAY_DAEMON_LOG_H
#define INLAY_DAEMON_LOG_H

#include "config.h"

void inlay_log_set_level(enum inlay_log_level level);
/* Without a newline at the end; control characters come out as '?'. */
void inlay_log(enum inlay_log_level level, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
