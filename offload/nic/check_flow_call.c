/* SPDX-License-Identifier: BSD-2-Clause */
/* Calls: of helpers, with what a device wants of their arguments; of functions of the program. */
#include <stdlib.h>

#include "check_flow.h"

#define ARGS 5

static void flag(struct inlay_flow_place *p, enum inlay_nic_rule rule, const char *what)
{
	if (p->flow->is_reporting)
		inlay_nic_flag(p->flow->ck, rule, p->f, p->insn, "%s", what);
}

/* --- Helpers' arguments ----------------------------------------------------------------------- */

static bool is_aligned(const struct inlay_value *v)
{
	for (__u8 i = 0; i < v->n; i++)
		if (v->constants[i] % 4)
			return false;
	return v->n > 0;
}

static void want_stack(struct inlay_flow_place *p, int reg, const char *what)
{
	const struct inlay_value *v = &p->state->regs[reg];

	if (v->kind != INLAY_VALUE_NONE && (v->kind != INLAY_VALUE_STACK || !is_aligned(v)))
		flag(p, INLAY_NIC_RULE_helper_stack_pointer, what);
}

/* The one that is noted of this instruction, by another program or path; or a new one. */
static struct inlay_flow_update *find_update(struct inlay_flow_place *p, __s16 map)
{
	struct inlay_flow_maps *maps = p->flow->ck->maps;
	struct inlay_flow_update *u;

	for (u = maps->updates; u < maps->updates + maps->n_updates; u++)
		if (u->function == p->f && u->insn == p->insn && u->map == map)
			return u;
	if (maps->n_updates == INLAY_FLOW_UPDATES) {
		flag(p, INLAY_NIC_RULE_analysis_limit, "too many calls of bpf_map_update_elem");
		return NULL;
	}
	maps->n_updates++;
	*u = (struct inlay_flow_update){
		.function = p->f, .insn = p->insn, .map = map, .zero_words = ~0ULL};
	return u;
}

static void note_update(struct inlay_flow_place *p)
{
	const struct inlay_value *map = &p->state->regs[BPF_REG_1];
	const struct inlay_value *value = &p->state->regs[BPF_REG_3];
	struct inlay_flow_update *u;

	if (!p->flow->is_reporting || map->kind != INLAY_VALUE_MAP || map->map < 0)
		return;
	u = find_update(p, map->map);
	if (u)
		u->zero_words &=
			value->kind == INLAY_VALUE_STACK && !value->foreign && value->n == 1
				? inlay_state_zero_words(p->state, value->constants[0])
				: 0;
}

static void check_update(struct inlay_flow_place *p)
{
	const struct inlay_value *flags = &p->state->regs[BPF_REG_4];

	want_stack(p, BPF_REG_3, "the value");
	if (flags->max > INLAY_VALUE_U32_MAX)
		flag(p, INLAY_NIC_RULE_update_flags, "of 64 bits");
	note_update(p);
}

static void check_event(struct inlay_flow_place *p)
{
	const struct inlay_value *flags = &p->state->regs[BPF_REG_3];
	const struct inlay_value *data = &p->state->regs[BPF_REG_4];
	bool is_current = flags->n > 0;

	for (__u8 i = 0; i < flags->n; i++)
		is_current &=
			(flags->constants[i] & (__s64)BPF_F_INDEX_MASK) == (__s64)BPF_F_CURRENT_CPU;
	if (!is_current)
		flag(p, INLAY_NIC_RULE_event_flags,
		     flags->n ? "another constant" : "no constant that could be followed");
	switch (data->kind) {
	case INLAY_VALUE_NONE:
	case INLAY_VALUE_SCALAR:
	case INLAY_VALUE_MAP_VALUE:
	case INLAY_VALUE_PACKET:
		return;
	case INLAY_VALUE_STACK:
		if (!is_aligned(data))
			flag(p, INLAY_NIC_RULE_event_data, "not aligned to 4");
		return;
	default:
		flag(p, INLAY_NIC_RULE_event_data, "memory of another kind");
	}
}

static void check_tail(struct inlay_flow_place *p)
{
	const struct inlay_value *delta = &p->state->regs[BPF_REG_2];
	bool shrinks = delta->n > 0;

	for (__u8 i = 0; i < delta->n; i++)
		shrinks &= (__s32)delta->constants[i] < 0;
	if (!shrinks)
		flag(p, INLAY_NIC_RULE_tail_grow, delta->n ? "grows" : "may grow");
}

static void check_helper(struct inlay_flow_place *p, __s32 id)
{
	switch (id) {
	case BPF_FUNC_map_update_elem:
		check_update(p);
		/* fall through */
	case BPF_FUNC_map_lookup_elem:
	case BPF_FUNC_map_delete_elem:
		want_stack(p, BPF_REG_2, "the key");
		break;
	case BPF_FUNC_perf_event_output:
		check_event(p);
		break;
	case BPF_FUNC_xdp_adjust_tail:
		check_tail(p);
		break;
	default:
		break;
	}
}

/* --- What a call leaves ------------------------------------------------------------------------
 */

/* What was handed out of the frame may be written there: as many bytes as the next argument says,
 * where that is a constant. Maps are only read. */
static void smash_arguments(struct inlay_flow_place *p, bool only_numbers)
{
	struct inlay_value *regs = p->state->regs;

	for (int i = BPF_REG_1; i <= BPF_REG_5; i++) {
		const struct inlay_value *v = &regs[i], *size = &regs[i + 1];
		__u64 bytes = only_numbers && i < BPF_REG_5 && size->kind == INLAY_VALUE_SCALAR &&
					      size->n == 1 && size->constants[0] > 0
				      ? (__u64)size->constants[0]
				      : 0;

		if (v->kind != INLAY_VALUE_STACK || v->foreign)
			continue;
		inlay_flow_note_depth(p, v, 0);
		inlay_state_smash(p->state, v->n ? v->constants[0] : -INLAY_BPF_STACK, bytes,
				  only_numbers ? INLAY_SLOT_DATA : INLAY_SLOT_LOST);
	}
}

static void forget_arguments(struct inlay_flow_place *p)
{
	for (int i = BPF_REG_1; i <= BPF_REG_5; i++)
		p->state->regs[i] = (struct inlay_value){0};
}

/* Functions that a helper calls back. */
static void enter_callbacks(struct inlay_flow_place *p, __s32 id)
{
	struct inlay_value args[ARGS];

	for (int i = BPF_REG_1; i <= BPF_REG_5; i++) {
		const struct inlay_value *v = &p->state->regs[i];

		if (v->kind != INLAY_VALUE_FUNCTION || v->n != 1)
			continue;
		for (int j = 0; j < ARGS; j++)
			args[j] = inlay_value_any();
		if (id == BPF_FUNC_loop) { /* (index, context) */
			args[0] = inlay_value_scalar(INLAY_VALUE_U32_MAX);
			args[1] = p->state->regs[BPF_REG_3];
			args[1].foreign = 1;
		}
		inlay_flow_enter(p->flow, (__u32)v->constants[0], args);
	}
}

static bool call_helper(struct inlay_flow_place *p, __s32 id)
{
	const struct inlay_value map = p->state->regs[BPF_REG_1];

	check_helper(p, id);
	enter_callbacks(p, id);
	if (id == BPF_FUNC_map_lookup_elem || id == BPF_FUNC_map_update_elem ||
	    id == BPF_FUNC_map_delete_elem) {
		inlay_flow_note_depth(p, &p->state->regs[BPF_REG_2], 0);
		inlay_flow_note_depth(p, &p->state->regs[BPF_REG_3], 0);
	} else {
		smash_arguments(p, id != BPF_FUNC_loop && id != BPF_FUNC_for_each_map_elem);
	}
	forget_arguments(p);
	p->state->regs[BPF_REG_0] = inlay_value_scalar(INLAY_VALUE_ANY_MAX);
	if (id == BPF_FUNC_map_lookup_elem)
		p->state->regs[BPF_REG_0] = inlay_value_pointer(
			INLAY_VALUE_MAP_VALUE, map.kind == INLAY_VALUE_MAP ? map.map : -1);
	return true;
}

static bool call_function(struct inlay_flow_place *p, __u32 callee)
{
	const struct inlay_value *result = &p->flow->functions[callee].result;
	struct inlay_value args[ARGS];

	for (int i = 0; i < ARGS; i++) {
		args[i] = p->state->regs[BPF_REG_1 + i];
		if (args[i].kind == INLAY_VALUE_STACK)
			args[i].foreign = 1;
	}
	inlay_flow_enter(p->flow, callee, args);
	smash_arguments(p, false);
	forget_arguments(p);
	if (result->kind == INLAY_VALUE_NONE)
		return false;
	p->state->regs[BPF_REG_0] = *result;
	return true;
}

bool inlay_flow_call(struct inlay_flow_place *p)
{
	const struct bpf_insn *insn = &p->f->insns[p->insn];
	const struct inlay_bpf_ref *ref = &p->f->refs[p->insn];

	if (BPF_SRC(insn->code) == BPF_K && ref->kind == INLAY_BPF_REF_FUNCTION)
		return call_function(p, ref->index);
	if (ref->kind == INLAY_BPF_REF_NONE && !insn->src_reg)
		return call_helper(p, insn->imm);
	smash_arguments(p, false);
	forget_arguments(p);
	p->state->regs[BPF_REG_0] = inlay_value_any();
	return true;
}

/* --- After all of it ---------------------------------------------------------------------------
 */

void inlay_nic_check_updates(struct inlay_nic_checker *ck)
{
	for (__u32 i = 0; i < ck->maps->n_updates; i++) {
		const struct inlay_flow_update *u = &ck->maps->updates[i];
		const struct inlay_bpf_map *map = &ck->object->maps[u->map];
		const __u8 *words = ck->maps->words[u->map];
		__u32 n = map->value_bytes / 4;

		for (__u32 w = 0; words && w < n && w < INLAY_FLOW_WORDS; w++) {
			if (!(words[w] & INLAY_WORD_ADDED) || (w < 64 && u->zero_words >> w & 1))
				continue;
			inlay_nic_flag(ck, INLAY_NIC_RULE_update_atomic_value, u->function, u->insn,
				       "bytes %u to %u of map %s", 4 * w, 4 * w + 3, map->name);
			break;
		}
	}
}

struct inlay_flow_maps *inlay_nic_maps_new(void)
{
	return calloc(1, sizeof(struct inlay_flow_maps));
}

void inlay_nic_maps_free(struct inlay_flow_maps *maps)
{
	for (__u32 i = 0; maps && i < INLAY_BPF_MAPS; i++)
		free(maps->words[i]);
	free(maps);
}
