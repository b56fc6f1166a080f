/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How libcyaml sees a NIC profile, and the same for the checks that it leaves out. Internal to
 * offload/nic/profile*.c; tests read the options, to hold the documentation against them.
 */
#ifndef INLAY_NIC_PROFILE_SCHEMA_H
#define INLAY_NIC_PROFILE_SCHEMA_H

#include <cyaml/cyaml.h>

#include "profile.h"
#include "yaml_check.h"

struct inlay_raw_value {
	__u32 value;
	char *source;
};

struct inlay_raw_limit {
	char *value;
	char *source;
};

struct inlay_raw_texts {
	char **list;
	unsigned int list_count;
};

struct inlay_raw_numbers {
	__s64 *list;
	unsigned int list_count;
};

struct inlay_raw_match {
	struct inlay_raw_texts drivers, pci, boards;
	char *firmware;
};

struct inlay_raw_capabilities {
#define ANSWER(name, ...) struct inlay_raw_value name;
	INLAY_NIC_CAPABILITIES(ANSWER)
#undef ANSWER
};

struct inlay_raw_choice {
	__u32 placement, hook, provider;
	__u32 *needs;
	unsigned int needs_count;
	char *why;
};

struct inlay_raw_helper {
	char *name;
	__u32 value;
	char *source;
};

struct inlay_raw_ebpf {
	char *source;
	struct inlay_raw_texts programs, opcodes, map_types, xdp_reads, tc_reads, rules;
	struct inlay_raw_numbers xdp_returns, tc_returns;
	struct inlay_raw_helper *helpers;
	unsigned int helpers_count;
#define ANSWER(name, ...) struct inlay_raw_value name;
#define LIMIT(name, ...)  struct inlay_raw_limit name;
	INLAY_NIC_EBPF_ANSWERS(ANSWER)
	INLAY_NIC_EBPF_LIMITS(LIMIT)
#undef ANSWER
#undef LIMIT
};

struct inlay_raw_profile {
	char *name;
	char *title;
	char *notes;
	struct inlay_raw_match match;
	struct inlay_raw_capabilities capabilities;
	struct inlay_raw_choice *prefer;
	unsigned int prefer_count;
	struct inlay_raw_ebpf *ebpf;
};

extern const struct cyaml_schema_value inlay_nic_schema;
extern const struct inlay_yaml_schema inlay_nic_options;

#endif
