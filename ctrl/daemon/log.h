/* SPDX-License-Identifier: BSD-2-Clause */
/* What a daemon tells people: one line each on standard error. Libraries do not log. */
#ifndef INLAY_DAEMON_LOG_H
#define INLAY_DAEMON_LOG_H

enum inlay_log_level {
	INLAY_LOG_ERROR = 0,
	INLAY_LOG_WARNING,
	INLAY_LOG_INFO,
	INLAY_LOG_DEBUG,
};

/* Every line begins with |name|, a constant of the caller's; "inlayd" until this is called. */
void inlay_log_set_name(const char *name);
void inlay_log_set_level(enum inlay_log_level level);
/* Without a newline at the end; control characters come out as '?'. */
void inlay_log(enum inlay_log_level level, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
