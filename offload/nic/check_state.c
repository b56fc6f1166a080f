/* SPDX-License-Identifier: BSD-2-Clause */
#include "check_state.h"

#include <string.h>

void inlay_state_init(struct inlay_state *state)
{
	*state = (struct inlay_state){0};
	state->regs[BPF_REG_10] = inlay_value_pointer(INLAY_VALUE_STACK, -1);
}

static bool join_slot(struct inlay_slot *to, const struct inlay_slot *from)
{
	const struct inlay_slot before = *to;

	if (from->kind == INLAY_SLOT_EMPTY)
		return false;
	if (to->kind == INLAY_SLOT_EMPTY) {
		*to = *from;
		return true;
	}
	to->zeros &= from->zeros;
	if (to->kind == INLAY_SLOT_VALUE && from->kind == INLAY_SLOT_VALUE &&
	    to->bytes == from->bytes)
		return inlay_value_join(&to->value, &from->value) || to->zeros != before.zeros;
	if (to->kind != from->kind || to->kind == INLAY_SLOT_VALUE) {
		bool lost =
			to->kind == INLAY_SLOT_LOST || from->kind == INLAY_SLOT_LOST ||
			(to->kind == INLAY_SLOT_VALUE && !inlay_value_is_number(&to->value)) ||
			(from->kind == INLAY_SLOT_VALUE && !inlay_value_is_number(&from->value));

		to->kind = lost ? INLAY_SLOT_LOST : INLAY_SLOT_DATA;
		to->value = (struct inlay_value){0};
		to->bytes = 0;
	}
	return to->kind != before.kind || to->zeros != before.zeros;
}

bool inlay_state_join(struct inlay_state *to, const struct inlay_state *from)
{
	bool changed = false;

	for (size_t i = 0; i < MAX_BPF_REG; i++)
		changed |= inlay_value_join(&to->regs[i], &from->regs[i]);
	for (size_t i = 0; i < INLAY_STATE_SLOTS; i++)
		changed |= join_slot(&to->stack[i], &from->stack[i]);
	return changed;
}

static bool on_stack(__s64 offset, __u64 bytes)
{
	return offset >= -INLAY_BPF_STACK && offset < 0 && bytes <= (__u64)-offset;
}

static bool is_zero(const struct inlay_value *v)
{
	return v->kind == INLAY_VALUE_SCALAR && v->n == 1 && !v->constants[0];
}

void inlay_state_store(struct inlay_state *state, __s64 offset, __u32 bytes,
		       const struct inlay_value *value)
{
	__u64 at = (__u64)(offset + INLAY_BPF_STACK);
	struct inlay_slot *slot;
	__u8 mask;

	if (!bytes || bytes > INLAY_STATE_SLOT || !on_stack(offset, bytes))
		return;
	slot = &state->stack[at / INLAY_STATE_SLOT];
	at %= INLAY_STATE_SLOT;
	if (at + bytes > INLAY_STATE_SLOT) { /* no aligned store: over two slots */
		inlay_state_smash(state, offset, bytes, INLAY_SLOT_LOST);
		return;
	}
	mask = (__u8)(((1u << bytes) - 1) << at);
	slot->zeros = (__u8)(is_zero(value) ? slot->zeros | mask : slot->zeros & ~mask);
	if (!at && (bytes == 8 || (bytes == 4 && inlay_value_is_number(value)))) {
		slot->kind = INLAY_SLOT_VALUE;
		slot->value = *value;
		slot->bytes = (__u8)bytes;
		return;
	}
	/* A number behind one of four bytes leaves that one whole. */
	if (slot->kind == INLAY_SLOT_VALUE && slot->bytes <= at)
		return;
	slot->kind = INLAY_SLOT_DATA;
	slot->value = (struct inlay_value){0};
	slot->bytes = 0;
}

struct inlay_value inlay_state_load(const struct inlay_state *state, __s64 offset, __u32 bytes)
{
	__u64 most = bytes < 8 ? (1ULL << 8 * bytes) - 1 : INLAY_VALUE_ANY_MAX;
	__u64 at = (__u64)(offset + INLAY_BPF_STACK);
	const struct inlay_slot *slot;
	struct inlay_value ret;

	if (!bytes || bytes > INLAY_STATE_SLOT || !on_stack(offset, bytes))
		return inlay_value_any();
	slot = &state->stack[at / INLAY_STATE_SLOT];
	if (slot->kind == INLAY_SLOT_VALUE && !(at % INLAY_STATE_SLOT) && slot->bytes == bytes) {
		ret = slot->value;
		if (bytes == 4) {
			const struct inlay_value zero = inlay_value_constant(0);

			ret = inlay_value_alu(BPF_ADD, false, &ret, &zero);
		}
		return ret;
	}
	if (slot->kind == INLAY_SLOT_LOST && bytes == 8)
		return inlay_value_any();
	return inlay_value_scalar(most);
}

void inlay_state_smash(struct inlay_state *state, __s64 offset, __u64 bytes,
		       enum inlay_slot_kind kind)
{
	__s64 end = bytes && bytes < INLAY_BPF_STACK ? offset + (__s64)bytes : 0;

	if (offset >= 0)
		return;
	if (offset < -INLAY_BPF_STACK)
		offset = -INLAY_BPF_STACK;
	if (end > 0)
		end = 0;
	for (__s64 at = offset + INLAY_BPF_STACK; at < end + INLAY_BPF_STACK;
	     at = at / INLAY_STATE_SLOT * INLAY_STATE_SLOT + INLAY_STATE_SLOT) {
		struct inlay_slot *slot = &state->stack[at / INLAY_STATE_SLOT];

		*slot = (struct inlay_slot){.kind = (__u8)kind};
	}
}

__u64 inlay_state_zero_words(const struct inlay_state *state, __s64 offset)
{
	__u64 words = 0;

	for (int i = 0; i < 64; i++) {
		__s64 at = offset + 4 * i + INLAY_BPF_STACK;
		const struct inlay_slot *slot;

		if (at < 0 || at % 4 || at >= INLAY_BPF_STACK)
			break;
		slot = &state->stack[at / INLAY_STATE_SLOT];
		if ((slot->zeros >> at % INLAY_STATE_SLOT & 15) == 15)
			words |= 1ULL << i;
	}
	return words;
}
