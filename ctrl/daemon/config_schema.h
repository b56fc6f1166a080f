/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How libcyaml sees the configuration: every option is a pointer, NULL where the file does not have
 * it. Internal to ctrl/daemon/config*.c.
 */
#ifndef INLAY_DAEMON_CONFIG_SCHEMA_H
#define INLAY_DAEMON_CONFIG_SCHEMA_H

#include <cyaml/cyaml.h>

#include "config.h"

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

/* What may be written for one key, for checks that libcyaml leaves out. */
enum inlay_option_type {
	INLAY_OPTION_SECTION,
	INLAY_OPTION_NUMBER,
	INLAY_OPTION_TEXT,
	INLAY_OPTION_CHOICE,
	INLAY_OPTION_TEXT_LIST,
	INLAY_OPTION_CHOICE_LIST,
};

struct inlay_option {
	const char *path; /* "cache.bytes" */
	enum inlay_option_type type;
	__s64 minimum, maximum;		    /* NUMBER */
	const struct cyaml_strval *choices; /* CHOICE, CHOICE_LIST */
	size_t n_choices;
	size_t longest; /* TEXT, TEXT_LIST: bytes */
};

extern const struct inlay_option inlay_options[];
extern const size_t inlay_n_options;

#endif
