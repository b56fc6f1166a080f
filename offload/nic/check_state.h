/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The state of a program at one instruction: registers and the frame's stack. Internal to
 * offload/nic/check*.c.
 */
#ifndef INLAY_NIC_CHECK_STATE_H
#define INLAY_NIC_CHECK_STATE_H

#include "check_impl.h"
#include "check_value.h"

#define INLAY_STATE_SLOT  8 /* bytes */
#define INLAY_STATE_SLOTS (INLAY_BPF_STACK / INLAY_STATE_SLOT)

enum inlay_slot_kind {
	INLAY_SLOT_EMPTY = 0,
	INLAY_SLOT_VALUE, /* |value|, of |bytes| from the slot's beginning */
	INLAY_SLOT_DATA,  /* numbers */
	INLAY_SLOT_LOST,  /* somebody else may have written there */
};

struct inlay_slot {
	struct inlay_value value;
	__u8 kind;
	__u8 bytes; /* VALUE: 4 or 8 */
	__u8 zeros; /* a bit for each byte that is certainly 0 */
	__u8 unused[5];
};

struct inlay_state {
	struct inlay_value regs[MAX_BPF_REG];
	struct inlay_slot stack[INLAY_STATE_SLOTS]; /* of fp-512 up */
};

/* As a function is entered: nothing known but the frame pointer. */
void inlay_state_init(struct inlay_state *state);
/* True if |to| lost knowledge. */
bool inlay_state_join(struct inlay_state *to, const struct inlay_state *from);

/* A store to |bytes| at |offset| from the frame pointer, -512 to -1. */
void inlay_state_store(struct inlay_state *state, __s64 offset, __u32 bytes,
		       const struct inlay_value *value);
struct inlay_value inlay_state_load(const struct inlay_state *state, __s64 offset, __u32 bytes);
/* Somebody writes there: |bytes| from |offset| up, or all from there up if not known (0). */
void inlay_state_smash(struct inlay_state *state, __s64 offset, __u64 bytes,
		       enum inlay_slot_kind kind);
/* A bit for each 4 bytes from |offset| up that are certainly zero, of the first 64 of them. */
__u64 inlay_state_zero_words(const struct inlay_state *state, __s64 offset);

#endif
