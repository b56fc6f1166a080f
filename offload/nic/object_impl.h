/* SPDX-License-Identifier: BSD-2-Clause */
/* What the readers of an object share. Internal to object*.c. */
#ifndef INLAY_NIC_OBJECT_IMPL_H
#define INLAY_NIC_OBJECT_IMPL_H

#include <stdio.h>

#include "inlay_cursor.h"
#include "object.h"

/* A table of texts, each ended by a zero byte. */
struct inlay_strings {
	const char *text;
	size_t len;
};

struct inlay_object_reader {
	struct inlay_cursor file;
	struct inlay_bpf_object *object;
	struct inlay_strings symbol_names;
	char *err;
};

#define inlay_object_refuse(r, ...) (snprintf((r)->err, INLAY_BPF_ERROR, __VA_ARGS__), -EINVAL)

/* An integer of |n| bytes, 1 to 8, least significant first. */
INLAY_INLINE bool inlay_cursor_le(struct inlay_cursor *c, size_t n, __u64 *ret)
{
	const __u8 *p;
	__u64 v = 0;

	if (!inlay_cursor_bytes(c, n, &p))
		return false;
	for (size_t i = n; i > 0; i--)
		v = v << 8 | p[i - 1];
	*ret = v;
	return true;
}

INLAY_INLINE bool inlay_cursor_le32(struct inlay_cursor *c, __u32 *ret)
{
	__u64 v;

	if (!inlay_cursor_le(c, 4, &v))
		return false;
	*ret = (__u32)v;
	return true;
}

/* The text at |at|; "" where there is none. */
const char *inlay_strings_at(const struct inlay_strings *strings, __u64 at);
/* A name for people and JSON: cut to its room, what does not print as '?'. */
void inlay_object_name(char to[INLAY_BPF_NAME], const char *from);
/* The bytes of a section. False: not within the file, or it has none there. */
bool inlay_object_bytes(const struct inlay_object_reader *r, const struct inlay_bpf_section *s,
			struct inlay_cursor *ret);

/* Maps from .BTF. 0, -EINVAL, -ENOMEM. */
int inlay_object_read_maps(struct inlay_object_reader *r);
/* Lines from .BTF and .BTF.ext: what is not there or broken leaves them out. 0, -ENOMEM. */
int inlay_object_read_lines(struct inlay_object_reader *r);
/* What instructions refer to, from the relocations. 0, -EINVAL. */
int inlay_object_read_refs(struct inlay_object_reader *r);

/* One symbol. */
struct inlay_elf_symbol {
	const char *name;
	__u8 type, bind, visibility;
	__u32 section;
	__u64 value, bytes;
};

/* Symbol |i| of the section |symtab|. */
bool inlay_object_symbol(const struct inlay_object_reader *r,
			 const struct inlay_bpf_section *symtab, __u64 i,
			 struct inlay_elf_symbol *ret);
const struct inlay_bpf_section *inlay_object_section(const struct inlay_bpf_object *object,
						     const char *name);
/* The function that holds an instruction of a section; -1: none. */
__s64 inlay_object_function_at(const struct inlay_bpf_object *object, __u32 section, __u64 insn);

#endif
