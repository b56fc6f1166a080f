/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * inlay-turn's configuration: a YAML file, loaded through libcyaml, checked, with a default for
 * every option. An error is one line that names file, line and key.
 */
#ifndef INLAY_TURN_CONFIG_H
#define INLAY_TURN_CONFIG_H

#include "inlay_turn.h"
#include "log.h"
#include "turn_options.h"

#define INLAY_TURN_TEXT	      256
#define INLAY_TURN_INTERFACES 64
#define INLAY_TURN_RANGES     64
#define INLAY_TURN_ERROR      640 /* room for any error line */

/* Flat, without pointers: copied by assignment. */
struct inlay_turn_options {
#define NUMBER(name, ...) __s64 name;
#define TEXT(name)	  char name[INLAY_TURN_TEXT];
#define CHOICE(name, ...) __u32 name;
	INLAY_TURN_OPTIONS_TEXT(TEXT)
	INLAY_TURN_OPTIONS_CHOICE(CHOICE)
	struct {
		INLAY_TURN_OPTIONS_LIFETIMES(NUMBER)
	} lifetimes;
	struct {
		INLAY_TURN_OPTIONS_LIMITS(NUMBER)
	} limits;
#undef NUMBER
#undef TEXT
#undef CHOICE

	char interfaces[INLAY_TURN_INTERFACES][16]; /* none: all that are up */
	__u32 n_interfaces;
	__u16 ports[INLAY_TURN_PORTS]; /* host order */
	__u32 n_ports;
	struct inlay_turn_range denied[INLAY_TURN_RANGES];
	__u32 n_denied;
};

void inlay_turn_options_default(struct inlay_turn_options *ret_options);
/* |name| stands for the file in errors. 0; -EINVAL; -ENOMEM: |err| holds a line. */
int inlay_turn_options_parse(const char *name, const char *text, size_t len,
			     struct inlay_turn_options *ret_options, char err[INLAY_TURN_ERROR]);
/* Also what open() and read() say. */
int inlay_turn_options_load(const char *file, struct inlay_turn_options *ret_options,
			    char err[INLAY_TURN_ERROR]);
/* The whole configuration as YAML, as it would be loaded; to be freed. NULL: no memory. */
char *inlay_turn_options_print(const struct inlay_turn_options *options);

/* From the command line, in place of what stands there. False: it cannot be one, or there are too
 * many; |n|: how many the command line has named before. */
bool inlay_turn_options_interface(struct inlay_turn_options *options, __u32 n, const char *name);
bool inlay_turn_options_port(struct inlay_turn_options *options, __u32 n, const char *text);

#endif
