/* SPDX-License-Identifier: BSD-2-Clause */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Of this program; its control thread alone logs. */
static enum inlay_log_level log_level = INLAY_LOG_INFO;

void inlay_log_set_level(enum inlay_log_level level)
{
	log_level = level;
}

void inlay_log(enum inlay_log_level level, const char *format, ...)
{
	static const char prefix[] = "inlayd: ";
	char line[1024];
	size_t len = sizeof(prefix) - 1;
	va_list args;
	int n;

	if (level > log_level)
		return;
	memcpy(line, prefix, len);
	va_start(args, format);
	n = vsnprintf(line + len, sizeof(line) - len - 1, format, args);
	va_end(args);
	if (n < 0)
		return;
	len += (size_t)n < sizeof(line) - len - 2 ? (size_t)n : sizeof(line) - len - 2;
	/* A peer's words must not move a terminal's cursor. */
	for (size_t i = sizeof(prefix) - 1; i < len; i++)
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = '?';
	line[len++] = '\n';
	(void)!write(STDERR_FILENO, line, len);
}
