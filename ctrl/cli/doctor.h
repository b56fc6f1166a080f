/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * inlayctl doctor: what this host offers inlay and what it lacks, one line each with the fix. Each
 * finding is a row of one table: a name, why it matters, a probe, the fix. Probes read files below
 * a root and try what the daemon will do; they change nothing, and need no privilege.
 */
#ifndef INLAY_CLI_DOCTOR_H
#define INLAY_CLI_DOCTOR_H

#include <jansson.h>
#include <stdio.h>

#include "config.h"

enum inlay_doctor_state {
	INLAY_DOCTOR_OK = 0,
	INLAY_DOCTOR_NOTE,  /* inlay works without */
	INLAY_DOCTOR_LACKS, /* it does not, or not as configured */
};

#define INLAY_DOCTOR_TEXT 320

/* What the key store and the crypto provider need for the configured connections. */
struct inlay_doctor_keys {
	__u64 locked_bytes;
	char backend[32];
};

/* What cannot be read from files: tried for real; replaced in tests. Each: 0 or -errno. */
struct inlay_doctor_tries {
	int (*gso)(void);
	int (*gro)(void);
	int (*drop_counter)(void);
	int (*no_fragments)(void);
	int (*ecn)(void);
	int (*random)(void);
	int (*clock_synchronised)(void); /* -ESTALE: it is not */
	int (*keys)(const struct inlay_config *config, struct inlay_doctor_keys *ret);
	int (*bind)(const struct inlay_addr *addr);
	int (*answers)(const char *socket_path);
	/* |err| holds a line. */
	int (*certificate)(const struct inlay_config *config, char *err, size_t room);
};
extern const struct inlay_doctor_tries inlay_doctor_real_tries;

struct inlay_doctor {
	const char *root; /* put before /proc, /sys and /dev; "": none */
	const struct inlay_doctor_tries *tries;
	const char *config_file;  /* NULL: the defaults are judged */
	const char *config_error; /* why it cannot be loaded; NULL: it was */
	struct inlay_config config;
	/* Filled by inlay_doctor_examine(), for probes that depend on each other. */
	int keys_result;
	struct inlay_doctor_keys keys;
};

struct inlay_doctor_finding {
	enum inlay_doctor_state state;
	char found[INLAY_DOCTOR_TEXT]; /* one line */
	char fix[INLAY_DOCTOR_TEXT];   /* of this finding, in place of the row's; "": the row's */
};

struct inlay_doctor_row {
	const char *name;
	const char *why; /* what inlay wants it for */
	void (*probe)(struct inlay_doctor *d, struct inlay_doctor_finding *ret);
	const char *fix;
};

#define INLAY_DOCTOR_ROWS_MAX 48

/* The table; its length. */
size_t inlay_doctor_rows(const struct inlay_doctor_row **ret_rows);
/* Fills one finding a row; NOTE and LACKS have a fix then. The number that LACKS. */
size_t inlay_doctor_examine(struct inlay_doctor *d, struct inlay_doctor_finding *findings);
void inlay_doctor_print(const struct inlay_doctor_finding *findings, FILE *out);
/* NULL: no memory. */
json_t *inlay_doctor_json(const struct inlay_doctor_finding *findings);

/* The command: what stands behind "doctor". An exit code. */
int inlay_doctor_run(const char *socket_path, int argc, char **argv);

#endif
