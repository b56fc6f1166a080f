/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Would a NIC take this program? A compiled object against the eBPF limits of a profile, without a
 * device. What the object alone decides is decided; what needs the kernel's verifier is
 * approximated on the safe side, and said to be (check_rules.def). It does not stand in for the
 * verifier: an object that the kernel refuses may pass here.
 */
#ifndef INLAY_NIC_CHECK_H
#define INLAY_NIC_CHECK_H

#include "object.h"
#include "profile.h"

#define INLAY_NIC_FINDINGS 20 /* of one rule; of the others the number alone is kept */
#define INLAY_NIC_PROGRAMS 64
#define INLAY_NIC_DETAIL   200

enum inlay_nic_rule {
#define RULE(id, ...) INLAY_NIC_RULE_##id,
#include "check_rules.def"
#undef RULE
	INLAY_NIC_N_RULES
};

enum inlay_nic_rule_how {
	INLAY_NIC_HOW_DECIDABLE,
	INLAY_NIC_HOW_APPROXIMATE,
	INLAY_NIC_HOW_NOT,
};

enum inlay_nic_rule_when {
	INLAY_NIC_WHEN_ALWAYS,
	INLAY_NIC_WHEN_FIELD,
	INLAY_NIC_WHEN_LISTED,
};

struct inlay_nic_rule_info {
	const char *id;
	enum inlay_nic_rule_how how;
	enum inlay_nic_rule_when when;
	const char *text, *advice;
};

extern const struct inlay_nic_rule_info inlay_nic_rules[INLAY_NIC_N_RULES];

enum inlay_nic_level {
	INLAY_NIC_REFUSED = 0, /* the NIC does not take it, or runs it otherwise */
	INLAY_NIC_DEPENDS,     /* this device, or its firmware, decides */
};

struct inlay_nic_finding {
	enum inlay_nic_rule rule;
	enum inlay_nic_level level;
	char function[INLAY_BPF_NAME]; /* or the map's, section's name */
	__s64 insn;		       /* of the function, from 0; -1: of none */
	char file[INLAY_BPF_FILE];     /* "": the object does not tell */
	__u32 line;
	char detail[INLAY_NIC_DETAIL];
};

struct inlay_nic_program {
	char name[INLAY_BPF_NAME];
	char section[INLAY_BPF_NAME];
	__u32 n_insns;	    /* with the functions that it calls */
	__u32 stack_bytes;  /* of the deepest path, as the profile counts it */
	__u32 packet_reach; /* bytes from the packet's beginning, as far as known */
};

struct inlay_nic_report {
	struct inlay_nic_finding *findings;
	__u32 n_findings;
	__u32 refused[INLAY_NIC_N_RULES]; /* of each rule: places where it is broken */
	__u32 n_refused;		  /* all of them */
	struct inlay_nic_program programs[INLAY_NIC_PROGRAMS];
	__u32 n_programs;
};

/* 0; -ENOTSUP: the profile's NIC runs no eBPF; -EINVAL, -E2BIG, -ENOMEM: of the object; |err| says
 * why. |data| is read only during the call. */
int inlay_nic_check(const struct inlay_nic_profile *profile, const void *data, size_t len,
		    struct inlay_nic_report *ret_report, char err[INLAY_NIC_ERROR]);
void inlay_nic_report_fini(struct inlay_nic_report *report); /* takes a zeroed one */

#endif
