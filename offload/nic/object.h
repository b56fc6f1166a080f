/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A compiled BPF object, as libbpf would take it apart: programs, functions, maps, references,
 * source lines. An object is untrusted: it is read through a cursor, every count is bounded, and
 * every index in here is one of an element that exists.
 */
#ifndef INLAY_NIC_OBJECT_H
#define INLAY_NIC_OBJECT_H

#include <linux/bpf.h>

#include "inlay_types.h"

#define INLAY_BPF_OBJECT_BYTES (16u << 20)
#define INLAY_BPF_SECTIONS     1024
#define INLAY_BPF_SYMBOLS      65536
#define INLAY_BPF_INSNS	       (1u << 18) /* of all sections */
#define INLAY_BPF_FUNCTIONS    4096
#define INLAY_BPF_MAPS	       256
#define INLAY_BPF_LINES	       (1u << 18)
#define INLAY_BPF_NAME	       64
#define INLAY_BPF_FILE	       128
#define INLAY_BPF_ERROR	       256

enum inlay_bpf_ref_kind {
	INLAY_BPF_REF_NONE = 0,
	INLAY_BPF_REF_MAP,	/* |index|: of a map */
	INLAY_BPF_REF_FUNCTION, /* a call's target, or a function's address; |index|: of a function
				 */
	INLAY_BPF_REF_DATA,	/* a global variable; |index|: of a section */
	INLAY_BPF_REF_CONFIG,	/* a variable marked __kconfig */
	INLAY_BPF_REF_EXTERN,	/* the kernel's: a function if a call names it, else a variable */
	INLAY_BPF_REF_RAW,	/* a pseudo value that the object does not explain */
};

/* What an instruction refers to. */
struct inlay_bpf_ref {
	enum inlay_bpf_ref_kind kind;
	__u32 index;
};

struct inlay_bpf_function {
	char name[INLAY_BPF_NAME];
	__u32 section;
	__u32 first;			  /* instruction, of the section's */
	__u32 n;			  /* at least 1 */
	bool is_global;			  /* visible to others, and not hidden */
	const struct bpf_insn *insns;	  /* |n| of them */
	const struct inlay_bpf_ref *refs; /* as many */
};

struct inlay_bpf_map {
	char name[INLAY_BPF_NAME];
	__u32 type, key_bytes, value_bytes, max_entries, flags;
	bool has_numa_node;
};

struct inlay_bpf_section {
	char name[INLAY_BPF_NAME];
	bool is_code;
	bool is_global_data; /* libbpf makes a map of it */
	__u32 n_insns;
	struct bpf_insn *insns;
	struct inlay_bpf_ref *refs;
	__u32 elf_type, link, info;
	__u64 offset, bytes;
};

struct inlay_bpf_line {
	__u32 section, insn, line;
	const char *file; /* within the object's text */
};

struct inlay_bpf_object {
	struct inlay_bpf_section *sections; /* as the ELF file numbers them */
	__u32 n_sections;
	struct inlay_bpf_function *functions; /* by section and place */
	__u32 n_functions;
	__u32 *programs; /* functions outside .text */
	__u32 n_programs;
	struct inlay_bpf_map *maps;
	__u32 n_maps;
	struct inlay_bpf_line *lines; /* by section and instruction */
	__u32 n_lines;
	bool has_legacy_maps; /* SEC("maps"), which libbpf 1 refuses */
	bool has_kconfig;     /* variables marked __kconfig: libbpf makes a map of them */
	bool has_ksyms;	      /* marked __ksym: the kernel's own */
};

/*
 * |data| stays as it is until fini: lines point into it. 0; -EINVAL: no object that anybody could
 * load; -E2BIG: larger than is looked at; -ENOMEM. |err| says why.
 */
int inlay_bpf_object_parse(const void *data, size_t len, struct inlay_bpf_object *ret_object,
			   char err[INLAY_BPF_ERROR]);
void inlay_bpf_object_fini(struct inlay_bpf_object *object); /* takes a zeroed one */

/* Where instruction |insn| of the function stands in its source; NULL: not told. */
const struct inlay_bpf_line *inlay_bpf_object_line(const struct inlay_bpf_object *object,
						   const struct inlay_bpf_function *function,
						   __u32 insn);

#endif
