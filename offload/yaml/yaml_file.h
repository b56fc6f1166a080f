/* SPDX-License-Identifier: BSD-2-Clause */
/* A YAML file into libcyaml's structs, with every complaint as one line that names file, line and
 * key. */
#ifndef INLAY_YAML_FILE_H
#define INLAY_YAML_FILE_H

#include "yaml_check.h"

struct cyaml_schema_value;

/* The file's text, at most one byte more than an index takes. The caller frees it. 0; -errno. */
int inlay_yaml_read(const char *file, char **ret_text, size_t *ret_len);
/*
 * Checked by |options|, then loaded as |schema| has it. |ret_raw| may be NULL for an empty file; it
 * is given back by inlay_yaml_unload(). |ret_index| is the caller's to fini. 0; -EINVAL: a
 * complaint; -ENOMEM: one too.
 */
int inlay_yaml_load(const char *text, size_t len, const struct inlay_yaml_schema *options,
		    const struct cyaml_schema_value *schema, void **ret_raw,
		    struct inlay_yaml_index *ret_index, struct inlay_yaml_complaint *ret_complaint);
void inlay_yaml_unload(const struct cyaml_schema_value *schema, void *raw);
/* "name:line: text", in one line whatever the file holds. */
void inlay_yaml_describe(const char *name, const struct inlay_yaml_complaint *complaint, char *err,
			 size_t room);

#endif
