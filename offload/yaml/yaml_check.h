/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What can be said of a YAML file key by key, with its line, before libcyaml loads it: unknown and
 * repeated keys, kinds, numbers and their ranges, choices, lengths, and what is missing.
 */
#ifndef INLAY_YAML_CHECK_H
#define INLAY_YAML_CHECK_H

#include "yaml_index.h"

struct cyaml_strval;

enum inlay_yaml_type {
	INLAY_YAML_TYPE_SECTION,
	INLAY_YAML_TYPE_NUMBER,
	INLAY_YAML_TYPE_TEXT,
	INLAY_YAML_TYPE_CHOICE,
	INLAY_YAML_TYPE_LIMIT, /* a number, or one of the choices */
	INLAY_YAML_TYPE_TEXT_LIST,
	INLAY_YAML_TYPE_CHOICE_LIST,
	INLAY_YAML_TYPE_NUMBER_LIST,
	INLAY_YAML_TYPE_SECTION_LIST,
};

/* What may be written for one key. */
struct inlay_yaml_option {
	const char *path; /* "cache.bytes" */
	enum inlay_yaml_type type;
	bool required;			    /* where its section is */
	__s64 minimum, maximum;		    /* of a number; a list's most items */
	const struct cyaml_strval *choices; /* CHOICE, CHOICE_LIST, LIMIT */
	size_t n_choices;
	size_t longest;	  /* TEXT, TEXT_LIST: bytes */
	const char *text; /* what it says, for the documents; may be NULL */
};

struct inlay_yaml_schema {
	const struct inlay_yaml_option *options;
	size_t n;
};

struct inlay_yaml_complaint {
	__u32 line; /* 0: of the file as a whole */
	char text[480];
};

/* 0; -EINVAL. */
int inlay_yaml_check(const struct inlay_yaml_schema *schema, const struct inlay_yaml_index *index,
		     struct inlay_yaml_complaint *ret_complaint);
/* Writes a complaint about |path| with its line, or without one if the file does not have it;
 * returns -EINVAL. */
int inlay_yaml_complain(const struct inlay_yaml_index *index, const char *path,
			struct inlay_yaml_complaint *ret_complaint, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

#endif
