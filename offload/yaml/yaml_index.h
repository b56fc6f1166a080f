/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where everything in a YAML file stands: each key by its path ("cache.bytes"), with line, kind and
 * text. libcyaml, which loads the values, names no line for an unknown key, takes "maybe" for true
 * and 1e3 for 1; with this index such things are found beforehand, and every complaint has its
 * line.
 *
 * Bounded in size, depth and entries; aliases, tags and further documents are refused.
 */
#ifndef INLAY_YAML_INDEX_H
#define INLAY_YAML_INDEX_H

#include "inlay_types.h"

#define INLAY_YAML_MAX_BYTES   65536
#define INLAY_YAML_MAX_ENTRIES 512
#define INLAY_YAML_MAX_DEPTH   4
#define INLAY_YAML_PATH	       96
#define INLAY_YAML_VALUE       1024

enum inlay_yaml_kind {
	INLAY_YAML_SCALAR = 1,
	INLAY_YAML_LIST,
	INLAY_YAML_MAPPING,
};

struct inlay_yaml_entry {
	char path[INLAY_YAML_PATH];   /* "limits.streams_uni"; of a list's items: the list's path */
	char value[INLAY_YAML_VALUE]; /* of a scalar */
	enum inlay_yaml_kind kind;
	bool in_list;
	__u32 parent; /* the entry that holds this one; of the outermost: itself */
	__u32 line;   /* of the key, or of a list's item; from 1 */
};

struct inlay_yaml_index {
	struct inlay_yaml_entry *entries;
	size_t n;
};

struct inlay_yaml_error {
	__u32 line;
	char text[160];
};

/* 0; -EINVAL: |ret_error| says why; -ENOMEM. */
int inlay_yaml_index_new(const char *text, size_t len, struct inlay_yaml_index *ret_index,
			 struct inlay_yaml_error *ret_error);
/* Takes a zeroed one. */
void inlay_yaml_index_fini(struct inlay_yaml_index *index);
/* NULL: not there. */
const struct inlay_yaml_entry *inlay_yaml_find(const struct inlay_yaml_index *index,
					       const char *path);

#endif
