/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How libcyaml sees the configuration: every option is a pointer, NULL where the file does not have
 * it. Internal to ctrl/turn/turn_config.c and turn_schema.c.
 */
#ifndef INLAY_TURN_SCHEMA_H
#define INLAY_TURN_SCHEMA_H

#include <cyaml/cyaml.h>

#include "turn_config.h"
#include "yaml_check.h"

#define NUMBER(name, ...) __s64 *name;
#define TEXT(name)	  char *name;
#define CHOICE(name, ...) __u32 *name;

struct inlay_turn_raw_lifetimes {
	INLAY_TURN_OPTIONS_LIFETIMES(NUMBER)
};

struct inlay_turn_raw_limits {
	INLAY_TURN_OPTIONS_LIMITS(NUMBER)
};

struct inlay_turn_raw {
	INLAY_TURN_OPTIONS_TEXT(TEXT)
	INLAY_TURN_OPTIONS_CHOICE(CHOICE)
	struct inlay_turn_raw_lifetimes *lifetimes;
	struct inlay_turn_raw_limits *limits;
	char **interfaces;
	unsigned int interfaces_count;
	__s64 *ports;
	unsigned int ports_count;
	char **denied;
	unsigned int denied_count;
};

#undef NUMBER
#undef TEXT
#undef CHOICE

extern const struct cyaml_schema_value inlay_turn_schema;
/* The same, for the checks that libcyaml leaves out. */
extern const struct inlay_yaml_schema inlay_turn_yaml_options;

#endif
