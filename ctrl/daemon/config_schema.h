/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How libcyaml sees the configuration: every option is a pointer, NULL where the file does not have
 * it. Internal to ctrl/daemon/config*.c.
 */
#ifndef INLAY_DAEMON_CONFIG_SCHEMA_H
#define INLAY_DAEMON_CONFIG_SCHEMA_H

#include <cyaml/cyaml.h>

#include "config.h"
#include "yaml_check.h"

#define NUMBER(name, ...) __s64 *name;
#define TEXT(name, ...)	  char *name;
#define CHOICE(name, ...) __u32 *name;

struct inlay_raw_limits {
	INLAY_OPTIONS_LIMITS(NUMBER)
};

struct inlay_raw_cache {
	INLAY_OPTIONS_CACHE(NUMBER)
};

struct inlay_raw_relay {
	INLAY_OPTIONS_RELAY(NUMBER)
};

struct inlay_raw_origin {
	INLAY_OPTIONS_ORIGIN_TEXT(TEXT)
	INLAY_OPTIONS_ORIGIN_CHOICE(CHOICE)
	INLAY_OPTIONS_ORIGIN_NUMBER(NUMBER)
};

struct inlay_raw_qlog {
	INLAY_OPTIONS_QLOG_TEXT(TEXT)
	INLAY_OPTIONS_QLOG_CHOICE(CHOICE)
	INLAY_OPTIONS_QLOG_NUMBER(NUMBER)
};

struct inlay_raw_config {
	char **listen;
	unsigned int listen_count;
	char **alpn;
	unsigned int alpn_count;
	__u32 *ciphers;
	unsigned int ciphers_count;
	INLAY_OPTIONS_TOP_TEXT(TEXT)
	INLAY_OPTIONS_TOP_CHOICE(CHOICE)
	INLAY_OPTIONS_TOP_NUMBER(NUMBER)
	struct inlay_raw_limits *limits;
	struct inlay_raw_cache *cache;
	struct inlay_raw_relay *relay;
	struct inlay_raw_origin *origin;
	struct inlay_raw_qlog *qlog;
};

#undef NUMBER
#undef TEXT
#undef CHOICE

extern const struct cyaml_schema_value inlay_config_schema;

/* The same, for the checks that libcyaml leaves out. */
extern const struct inlay_yaml_schema inlay_config_options;

#endif
