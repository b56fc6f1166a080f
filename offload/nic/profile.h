/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A NIC profile: what one kind of NIC can do, as a data file says it (nic-profiles/NAME.yaml;
 * docs/man/inlay-nic-profile.5). Everything that is said of a NIC is said there: no code knows a
 * driver's name. What nobody knows is unknown, and every value names its source.
 *
 * A profile is untrusted input: bounded, and refused with file, line and key.
 */
#ifndef INLAY_NIC_PROFILE_H
#define INLAY_NIC_PROFILE_H

#include "inlay_types.h"
#include "profile_fields.h"

#define INLAY_NIC_NAME	   32
#define INLAY_NIC_PATTERN  64
#define INLAY_NIC_TEXT	   400 /* a source, a reason */
#define INLAY_NIC_MATCHES  16  /* patterns of one kind */
#define INLAY_NIC_PCI_IDS  32
#define INLAY_NIC_CHOICES  8
#define INLAY_NIC_NEEDS	   4
#define INLAY_NIC_HELPERS  32
#define INLAY_NIC_RULES	   96
#define INLAY_NIC_FIELDS   16  /* context fields of one kind; return codes */
#define INLAY_NIC_PROFILES 64  /* in a folder */
#define INLAY_NIC_ERROR	   640 /* room for any error line */

enum inlay_nic_answer {
	INLAY_NIC_UNKNOWN = 0, /* nobody knows */
	INLAY_NIC_NO,
	INLAY_NIC_YES,
	INLAY_NIC_ASK, /* this device says: its firmware, licence or setting decides */
};

struct inlay_nic_value {
	enum inlay_nic_answer answer;
	char source[INLAY_NIC_TEXT];
};

enum inlay_nic_limit_kind {
	INLAY_NIC_LIMIT_UNKNOWN = 0,
	INLAY_NIC_LIMIT_NONE, /* no limit of the device's own */
	INLAY_NIC_LIMIT_ASK,
	INLAY_NIC_LIMIT_NUMBER,
};

struct inlay_nic_limit {
	enum inlay_nic_limit_kind kind;
	__s64 number;
	char source[INLAY_NIC_TEXT];
};

enum inlay_nic_capability {
#define ANSWER(name, ...) INLAY_NIC_CAP_##name,
	INLAY_NIC_CAPABILITIES(ANSWER)
#undef ANSWER
		INLAY_NIC_N_CAPS
};

/* Where the forwarder runs (design section 3). */
enum inlay_nic_placement {
	INLAY_NIC_PLACE_CONVENTIONAL = 0,
	INLAY_NIC_PLACE_USER,
	INLAY_NIC_PLACE_KERNEL,
	INLAY_NIC_PLACE_NIC,
};

/* What it hangs on there. */
enum inlay_nic_hook {
	INLAY_NIC_HOOK_SOCKET = 0,
	INLAY_NIC_HOOK_TC,
	INLAY_NIC_HOOK_XDP_GENERIC,
	INLAY_NIC_HOOK_XDP_NATIVE,
	INLAY_NIC_HOOK_XDP_OFFLOAD,
	INLAY_NIC_HOOK_TC_OFFLOAD,
	INLAY_NIC_HOOK_AF_XDP,
	INLAY_NIC_HOOK_DPDK,
};

/* Who opens and seals. */
enum inlay_nic_provider {
	INLAY_NIC_PROVIDER_LOCAL = 0,
	INLAY_NIC_PROVIDER_SOFTNIC,
	INLAY_NIC_PROVIDER_DRIVER,
};

/* One way to use the NIC; a profile lists them, best first. */
struct inlay_nic_choice {
	enum inlay_nic_placement placement;
	enum inlay_nic_hook hook;
	enum inlay_nic_provider provider;
	enum inlay_nic_capability needs[INLAY_NIC_NEEDS]; /* each yes, or asked and answered so */
	size_t n_needs;
	char why[INLAY_NIC_TEXT];
};

/* How its devices are recognised. Patterns are fnmatch(3)'s. */
struct inlay_nic_match {
	char drivers[INLAY_NIC_MATCHES][INLAY_NIC_PATTERN];
	size_t n_drivers;
	struct {
		__u16 vendor, device;
	} pci[INLAY_NIC_PCI_IDS]; /* none: any device of the drivers */
	size_t n_pci;
	char boards[INLAY_NIC_MATCHES][INLAY_NIC_PATTERN]; /* devlink's board.id */
	size_t n_boards;
	char firmware[INLAY_NIC_PATTERN]; /* of the firmware that the values hold for; "": any */
};

struct inlay_nic_helper {
	char name[INLAY_NIC_NAME]; /* without bpf_ */
	struct inlay_nic_value value;
};

/* What a program must keep to, to run on a NIC of this kind. */
struct inlay_nic_ebpf {
	char source[INLAY_NIC_TEXT]; /* of what has none of its own below */
	bool opcodes[256];
	bool programs_xdp, programs_tc;
	char map_types[INLAY_NIC_FIELDS][INLAY_NIC_NAME]; /* "array": as BPF_MAP_TYPE_ARRAY */
	size_t n_map_types;
	char xdp_reads[INLAY_NIC_FIELDS][INLAY_NIC_NAME]; /* fields of struct xdp_md */
	size_t n_xdp_reads;
	char tc_reads[INLAY_NIC_FIELDS][INLAY_NIC_NAME]; /* of struct __sk_buff */
	size_t n_tc_reads;
	__s64 xdp_returns[INLAY_NIC_FIELDS];
	size_t n_xdp_returns;
	__s64 tc_returns[INLAY_NIC_FIELDS];
	size_t n_tc_returns;
	struct inlay_nic_helper helpers[INLAY_NIC_HELPERS];
	size_t n_helpers;
	char rules[INLAY_NIC_RULES][INLAY_NIC_NAME]; /* of offload/nic/check_rules.def */
	size_t n_rules;
#define ANSWER(name, ...) struct inlay_nic_value name;
#define LIMIT(name, ...)  struct inlay_nic_limit name;
	INLAY_NIC_EBPF_ANSWERS(ANSWER)
	INLAY_NIC_EBPF_LIMITS(LIMIT)
#undef ANSWER
#undef LIMIT
};

struct inlay_nic_profile {
	char name[INLAY_NIC_NAME]; /* the file's, without .yaml */
	char title[INLAY_NIC_PATTERN];
	char notes[1024];
	struct inlay_nic_match match;
	struct inlay_nic_value caps[INLAY_NIC_N_CAPS];
	struct inlay_nic_choice prefer[INLAY_NIC_CHOICES];
	size_t n_prefer;
	bool has_ebpf;
	struct inlay_nic_ebpf ebpf;
};

/* What is known of a device; "" and 0: not known. */
struct inlay_nic_identity {
	const char *driver;
	const char *firmware;
	const char *board;
	__u16 pci_vendor, pci_device;
};

/* --- One profile ------------------------------------------------------------------------------ */

/* From a text; |name| is for errors. The caller frees |ret_profile|. 0; -EINVAL, -ENOMEM: |err|. */
int inlay_nic_profile_parse(const char *name, const char *text, size_t len,
			    struct inlay_nic_profile **ret_profile, char err[INLAY_NIC_ERROR]);
/* From a file. Besides: what open and read say. */
int inlay_nic_profile_load(const char *file, struct inlay_nic_profile **ret_profile,
			   char err[INLAY_NIC_ERROR]);
/* By name from the folder of profiles, or, where |name| has a '/' or ends in .yaml, from that file.
 * -ENOENT: |err| lists what there is. */
int inlay_nic_profile_find(const char *name, struct inlay_nic_profile **ret_profile,
			   char err[INLAY_NIC_ERROR]);
void inlay_nic_profile_free(struct inlay_nic_profile *profile);

/* 0: another kind of device; else the higher, the more of |identity| the profile speaks of. */
__u32 inlay_nic_profile_match(const struct inlay_nic_profile *profile,
			      const struct inlay_nic_identity *identity);
/* Is the device's firmware that which the profile's values are about? True if either says nothing.
 */
bool inlay_nic_profile_firmware_fits(const struct inlay_nic_profile *profile,
				     const struct inlay_nic_identity *identity);

/* --- All of them ------------------------------------------------------------------------------ */

struct inlay_nic_profiles {
	struct inlay_nic_profile *list[INLAY_NIC_PROFILES]; /* by name */
	size_t n;
};

/* The folder: $INLAY_NIC_PROFILES, else nic-profiles beside the running program (a build), else
 * where they are installed. */
void inlay_nic_profiles_folder(char ret_path[4096]);
/* |folder| NULL: the one above. 0; -errno: |err|. Any broken file is an error. */
int inlay_nic_profiles_load(const char *folder, struct inlay_nic_profiles *ret_profiles,
			    char err[INLAY_NIC_ERROR]);
void inlay_nic_profiles_fini(struct inlay_nic_profiles *profiles); /* takes a zeroed one */
/* The profile that matches best, by name among equals; NULL: none does. */
const struct inlay_nic_profile *inlay_nic_profiles_best(const struct inlay_nic_profiles *profiles,
							const struct inlay_nic_identity *identity);

/* --- Words ------------------------------------------------------------------------------------ */

const char *inlay_nic_answer_name(enum inlay_nic_answer answer);
const char *inlay_nic_placement_name(enum inlay_nic_placement placement);
const char *inlay_nic_hook_name(enum inlay_nic_hook hook);
const char *inlay_nic_provider_name(enum inlay_nic_provider provider);
const char *inlay_nic_cap_name(enum inlay_nic_capability cap);	   /* "xdp_native" */
const char *inlay_nic_cap_text(enum inlay_nic_capability cap);	   /* for people */
const char *inlay_nic_cap_question(enum inlay_nic_capability cap); /* "xdp:basic", or "" */

#endif
