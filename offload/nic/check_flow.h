/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Follows a program: states at every place where paths meet, joined until nothing changes, and then
 * one more time, to say what is found. Internal to offload/nic/check_flow*.c.
 */
#ifndef INLAY_NIC_CHECK_FLOW_H
#define INLAY_NIC_CHECK_FLOW_H

#include "check_state.h"

#define INLAY_FLOW_WORDS   4096 /* of a map's value that are looked at */
#define INLAY_FLOW_UPDATES 256

enum inlay_word_use {
	INLAY_WORD_READ = 1,
	INLAY_WORD_ADDED = 2,
};

/* A bpf_map_update_elem. */
struct inlay_flow_update {
	const struct inlay_bpf_function *function;
	__u32 insn;
	__s16 map;
	__u64 zero_words;
};

/* What all programs of the object do with maps: devices count over all of them. */
struct inlay_flow_maps {
	__u8 *words[INLAY_BPF_MAPS]; /* of maps' values: enum inlay_word_use */
	struct inlay_flow_update updates[INLAY_FLOW_UPDATES];
	__u32 n_updates;
};

struct inlay_flow_function {
	struct inlay_state *
		*at; /* by instruction; NULL: no paths meet there, or none leads there */
	bool *waiting;
	bool *leads; /* a jump leads there */
	bool is_queued;
	struct inlay_value result;
};

struct inlay_flow {
	struct inlay_nic_checker *ck;
	struct inlay_flow_function *functions; /* as many as the object has */
	__u32 n_states;
	bool is_reporting;
	bool gave_up;
	bool no_memory;
};

/* Where the flow is. */
struct inlay_flow_place {
	struct inlay_flow *flow;
	__u32 function;
	const struct inlay_bpf_function *f;
	__u32 insn;
	struct inlay_state *state;
};

/* What a load, store or atomic operation does. Its result, if it has one. */
void inlay_flow_memory(struct inlay_flow_place *p);
/* A call. False: it does not return, or not yet. */
bool inlay_flow_call(struct inlay_flow_place *p);
/* The function is called with these arguments. */
void inlay_flow_enter(struct inlay_flow *flow, __u32 function, const struct inlay_value args[5]);
/* Notes how deep the function's frame is reached through |v|. */
void inlay_flow_note_depth(struct inlay_flow_place *p, const struct inlay_value *v, __s64 offset);

#endif
