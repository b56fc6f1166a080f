/* SPDX-License-Identifier: BSD-2-Clause */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

/* Of this program; its control thread alone logs. */
static const char *log_name = "inlayd";
static enum inlay_log_level log_level = INLAY_LOG_INFO;

void inlay_log_set_name(const char *name)
{
	log_name = name;
}

void inlay_log_set_level(enum inlay_log_level level)
{
	log_level = level;
}

void inlay_log(enum inlay_log_level level, const char *format, ...)
{
	char line[1024];
	size_t len;
	va_list args;
	int n;

	if (level > log_level)
		return;
	len = (size_t)snprintf(line, sizeof(line) / 2, "%s: ", log_name);
	va_start(args, format);
	n = vsnprintf(line + len, sizeof(line) - len - 1, format, args);
	va_end(args);
	if (n < 0)
		return;
	len += (size_t)n < sizeof(line) - len - 2 ? (size_t)n : sizeof(line) - len - 2;
	/* A peer's words must not move a terminal's cursor. */
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = '?';
	line[len++] = '\n';
	(void)!write(STDERR_FILENO, line, len);
}
