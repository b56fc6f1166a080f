/* SPDX-License-Identifier: BSD-2-Clause */
/* What the programs' main() share: exit codes, what is wrong, and printing a configuration. */
#ifndef INLAY_DAEMON_PROGRAM_H
#define INLAY_DAEMON_PROGRAM_H

enum {
	INLAY_EXIT_FAILED = 1,
	INLAY_EXIT_USAGE = 2,
	INLAY_EXIT_CONFIG = 2,
};

/* Why a daemon does not start. */
struct inlay_failure {
	int exit_code;	/* one of the above */
	char text[640]; /* one line: what is wrong, and what a person can do */
};

/* Returns -1, so that a step can `return inlay_fail(...)`. */
int inlay_fail(struct inlay_failure *failure, int exit_code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Complains of what getopt_long(), silenced by a leading colon, stumbled over with |option|. The
 * exit code. */
int inlay_program_refuse_option(const char *program, int option, const char *word);
/* Complains of a word that is there beside the options. The exit code. */
int inlay_program_refuse_word(const char *program, const char *word);
/* Prints a configuration, and frees it; NULL has failed. An exit code; complains in the log. */
int inlay_program_print(char *text);

#endif
