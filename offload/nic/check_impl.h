/* SPDX-License-Identifier: BSD-2-Clause */
/* What the checker's parts share. Internal to offload/nic/check*.c. */
#ifndef INLAY_NIC_CHECK_IMPL_H
#define INLAY_NIC_CHECK_IMPL_H

#include "check.h"

#define INLAY_BPF_STACK 512 /* bytes of one frame, the kernel's limit */
#define INLAY_BPF_WIDE	(BPF_LD | BPF_IMM | BPF_DW)
#define INLAY_BPF_CALL	(BPF_JMP | BPF_CALL)
#define INLAY_BPF_EXIT	(BPF_JMP | BPF_EXIT)

/* What is known of a function, gathered by the passes. */
struct inlay_nic_function {
	__u32 first;	   /* its first instruction, of all functions' */
	bool in_program;   /* the one that is looked at */
	__u8 looked;	   /* its instructions were, as of xdp, tc, another type: bits 0 to 2 */
	__u32 depth_bytes; /* of its own frame */
	__u32 packet_reach;
	bool writes_saved; /* r6 to r9 */
};

struct inlay_flow_maps; /* check_flow.h */

struct inlay_nic_checker {
	const struct inlay_nic_ebpf *ebpf;
	const struct inlay_bpf_object *object;
	struct inlay_nic_report *report;
	bool listed[INLAY_NIC_N_RULES];
	struct inlay_nic_function *functions; /* as many as the object has */
	__u8 *seen; /* a bit for each rule and instruction: found already */
	__u32 n_insns;
	__u32 shown[INLAY_NIC_N_RULES]; /* findings that were kept */
	struct inlay_flow_maps *maps;
	__u64 work;    /* done, in steps of about 50 ns; bounded over all programs of the object */
	__u32 program; /* a function: the program that is looked at */
	bool is_xdp, is_tc; /* neither: its context is not known */
};

#define INLAY_NIC_WORK_MAX (40u << 20)

/* One finding; a rule that the profile does not list is none. |function| may be NULL. */
void inlay_nic_flag(struct inlay_nic_checker *ck, enum inlay_nic_rule rule,
		    const struct inlay_bpf_function *function, __s64 insn, const char *format, ...)
	__attribute__((format(printf, 5, 6)));
/* The same, of something that has a name and no instruction. */
void inlay_nic_flag_named(struct inlay_nic_checker *ck, enum inlay_nic_rule rule, const char *name,
			  const char *format, ...) __attribute__((format(printf, 4, 5)));
/* What this device decides. */
void inlay_nic_depends(struct inlay_nic_checker *ck, enum inlay_nic_rule rule, const char *name,
		       const char *format, ...) __attribute__((format(printf, 4, 5)));
/* |amount| against a limit of the profile; a limit that nobody knows depends on the device. */
void inlay_nic_hold(struct inlay_nic_checker *ck, enum inlay_nic_rule rule, const char *name,
		    const struct inlay_nic_limit *limit, __u64 amount);

/* The passes: over the object as a whole; the instructions of every function that the program
 * reaches; frames and calls; what registers hold. 0, or -ENOMEM. */
void inlay_nic_check_maps(struct inlay_nic_checker *ck);
void inlay_nic_check_insns(struct inlay_nic_checker *ck);
void inlay_nic_check_calls(struct inlay_nic_checker *ck, struct inlay_nic_program *ret_program);
int inlay_nic_check_flow(struct inlay_nic_checker *ck);
/* After the last program: updates of words that any of them adds to. */
void inlay_nic_check_updates(struct inlay_nic_checker *ck);
struct inlay_flow_maps *inlay_nic_maps_new(void); /* NULL: no memory */
void inlay_nic_maps_free(struct inlay_flow_maps *maps);

/* "map_lookup_elem"; "" where this build does not know it. */
const char *inlay_bpf_helper_name(__s32 id);
const char *inlay_bpf_map_type_name(__u32 type);

/* A field of the context at exactly this offset; NULL: none begins there. */
const char *inlay_bpf_context_field(bool is_xdp, __s64 offset);

#endif
