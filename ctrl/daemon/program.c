/* SPDX-License-Identifier: BSD-2-Clause */
#include "program.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

int inlay_fail(struct inlay_failure *failure, int exit_code, const char *format, ...)
{
	va_list args;

	failure->exit_code = exit_code;
	va_start(args, format);
	vsnprintf(failure->text, sizeof(failure->text), format, args);
	va_end(args);
	return -1;
}

int inlay_program_refuse_option(const char *program, int option, const char *word)
{
	fprintf(stderr, "%s: '%s' %s; see %s --help\n", program, word,
		option == ':' ? "wants a value" : "is no option", program);
	return INLAY_EXIT_USAGE;
}

int inlay_program_refuse_word(const char *program, const char *word)
{
	fprintf(stderr, "%s: unexpected argument '%s'; see %s --help\n", program, word, program);
	return INLAY_EXIT_USAGE;
}

int inlay_program_print(char *text)
{
	if (!text)
		return INLAY_EXIT_FAILED;
	fputs(text, stdout);
	free(text);
	/* Half a configuration in a file would be taken for a whole one. */
	if (fflush(stdout) || ferror(stdout)) {
		inlay_log(INLAY_LOG_ERROR, "standard output: %s", strerror(errno));
		return INLAY_EXIT_FAILED;
	}
	return 0;
}
