/* SPDX-License-Identifier: BSD-2-Clause */
/* Loads, stores and atomic operations, by the kind of memory. */
#include <stdlib.h>
#include <string.h>

#include "check_flow.h"

struct access {
	struct inlay_value base;
	__s64 offset;
	__u32 bytes;
	bool is_load, is_atomic;
};

static __u32 bytes_of(__u8 code)
{
	switch (BPF_SIZE(code)) {
	case BPF_B:
		return 1;
	case BPF_H:
		return 2;
	case BPF_W:
		return 4;
	default:
		return 8;
	}
}

static struct inlay_value loaded_number(__u32 bytes)
{
	return inlay_value_scalar(bytes < 8 ? (1ULL << 8 * bytes) - 1 : INLAY_VALUE_ANY_MAX);
}

static void flag(struct inlay_flow_place *p, enum inlay_nic_rule rule, const char *what)
{
	if (p->flow->is_reporting)
		inlay_nic_flag(p->flow->ck, rule, p->f, p->insn, "%s", what);
}

/* --- The context ------------------------------------------------------------------------------ */

static bool is_listed(const char list[][INLAY_NIC_NAME], size_t n, const char *field)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(list[i], field))
			return true;
	return !n;
}

static struct inlay_value field_value(const char *field)
{
	if (!strcmp(field, "data"))
		return inlay_value_pointer(INLAY_VALUE_PACKET, -1);
	if (!strcmp(field, "data_end"))
		return inlay_value_pointer(INLAY_VALUE_PACKET_END, -1);
	if (!strcmp(field, "data_meta"))
		return inlay_value_pointer(INLAY_VALUE_PACKET_META, -1);
	return inlay_value_scalar(INLAY_VALUE_U32_MAX);
}

static struct inlay_value read_context(struct inlay_flow_place *p, const struct access *a)
{
	const struct inlay_nic_checker *ck = p->flow->ck;
	const struct inlay_nic_ebpf *e = ck->ebpf;
	const char *field =
		a->base.n == 1
			? inlay_bpf_context_field(ck->is_xdp, a->base.constants[0] + a->offset)
			: NULL;
	size_t n = ck->is_xdp ? e->n_xdp_reads : e->n_tc_reads;

	if ((ck->is_xdp || ck->is_tc) && n &&
	    (!field || a->bytes != 4 ||
	     !is_listed(ck->is_xdp ? e->xdp_reads : e->tc_reads, n, field)))
		flag(p, INLAY_NIC_RULE_context_read, field ? field : "part of a field");
	return field ? field_value(field) : loaded_number(a->bytes);
}

static void write_context(struct inlay_flow_place *p, const struct access *a,
			  const struct inlay_value *value)
{
	struct inlay_nic_checker *ck = p->flow->ck;
	const char *field =
		a->base.n == 1
			? inlay_bpf_context_field(ck->is_xdp, a->base.constants[0] + a->offset)
			: NULL;

	if (!ck->is_xdp && !ck->is_tc)
		return;
	if (ck->is_tc && ck->ebpf->tc_context_store.answer == INLAY_NIC_YES)
		return;
	if (!ck->is_xdp || !field || strcmp(field, "rx_queue_index") || a->bytes != 4 ||
	    ck->ebpf->queue_select.answer == INLAY_NIC_NO) {
		flag(p, INLAY_NIC_RULE_context_write, field ? field : "part of a field");
		return;
	}
	if (ck->ebpf->queue_select.answer != INLAY_NIC_YES && p->flow->is_reporting)
		inlay_nic_depends(ck, INLAY_NIC_RULE_context_write, "rx_queue_index",
				  "the device's firmware decides");
	if (value->max > 255)
		flag(p, INLAY_NIC_RULE_queue_value,
		     value->n ? "a constant above 255" : "may be above 255");
}

/* --- The stack -------------------------------------------------------------------------------- */

void inlay_flow_note_depth(struct inlay_flow_place *p, const struct inlay_value *v, __s64 offset)
{
	struct inlay_nic_checker *ck = p->flow->ck;
	struct inlay_nic_function *f = &ck->functions[p->function];
	__s64 lowest = -INLAY_BPF_STACK;

	if (v->kind != INLAY_VALUE_STACK || v->foreign)
		return;
	if (v->n)
		lowest = v->constants[0] + offset;
	else if (ck->listed[INLAY_NIC_RULE_stack_offset])
		return; /* complained about as such */
	if (lowest < -INLAY_BPF_STACK)
		lowest = -INLAY_BPF_STACK;
	if (lowest < 0 && (__u32)-lowest > f->depth_bytes)
		f->depth_bytes = (__u32)-lowest;
}

static struct inlay_value use_stack(struct inlay_flow_place *p, const struct access *a,
				    const struct inlay_value *stored)
{
	struct inlay_value ret = {0}, one;
	const struct inlay_value *b = &a->base;

	inlay_flow_note_depth(p, b, a->offset);
	for (__u8 i = 1; i < b->n; i++)
		if ((b->constants[i] - b->constants[0]) % 4)
			flag(p, INLAY_NIC_RULE_stack_offset, "differs by path, not by fours");
	if (!b->n)
		flag(p, INLAY_NIC_RULE_stack_offset, "depends on a variable");
	if (b->foreign)
		return a->bytes == 8 ? inlay_value_any() : loaded_number(a->bytes);
	if (stored && b->n == 1) {
		inlay_state_store(p->state, b->constants[0] + a->offset, a->bytes, stored);
		return *stored;
	}
	if (stored && !b->n)
		inlay_state_smash(p->state, -INLAY_BPF_STACK, 0, INLAY_SLOT_LOST);
	for (__u8 i = 0; i < b->n; i++) {
		if (stored) {
			inlay_state_smash(p->state, b->constants[i] + a->offset, a->bytes,
					  INLAY_SLOT_LOST);
			continue;
		}
		one = inlay_state_load(p->state, b->constants[i] + a->offset, a->bytes);
		inlay_value_join(&ret, &one);
	}
	return b->n ? ret : inlay_value_any();
}

/* --- Map values ------------------------------------------------------------------------------- */

static void note_words_of(struct inlay_flow_place *p, const struct access *a, __u32 index)
{
	const struct inlay_bpf_map *map = &p->flow->ck->object->maps[index];
	enum inlay_word_use use = a->is_atomic ? INLAY_WORD_ADDED : INLAY_WORD_READ;
	struct inlay_flow_maps *maps = p->flow->ck->maps;
	__u8 *words;

	if (!maps->words[index])
		maps->words[index] = calloc(INLAY_FLOW_WORDS, 1);
	words = maps->words[index];
	if (!words) {
		p->flow->no_memory = true;
		return;
	}
	for (__u8 i = 0; i < a->base.n; i++) {
		__s64 at = a->base.constants[i] + a->offset, end = at + a->bytes;

		for (at = at / 4 * 4; at >= 0 && at < end && at / 4 < INLAY_FLOW_WORDS; at += 4) {
			if (words[at / 4] && words[at / 4] != use)
				inlay_nic_flag(p->flow->ck, INLAY_NIC_RULE_map_use_mixed, p->f,
					       p->insn, "bytes %lld to %lld of map %s",
					       (long long)at, (long long)at + 3, map->name);
			words[at / 4] |= (__u8)use;
		}
	}
}

static void note_words(struct inlay_flow_place *p, const struct access *a)
{
	struct inlay_nic_checker *ck = p->flow->ck;

	if (!p->flow->is_reporting || a->base.map == INLAY_VALUE_NO_MAP)
		return;
	if (a->base.map >= 0) {
		note_words_of(p, a, (__u32)a->base.map);
		return;
	}
	/* One of them: any. */
	ck->work += ck->object->n_maps;
	for (__u32 i = 0; i < ck->object->n_maps; i++)
		note_words_of(p, a, i);
}

static void use_map_value(struct inlay_flow_place *p, const struct access *a, bool is_store)
{
	const struct inlay_nic_value *store = &p->flow->ck->ebpf->map_store;

	if (is_store && store->answer == INLAY_NIC_NO)
		flag(p, INLAY_NIC_RULE_map_store,
		     a->base.map >= 0 ? p->flow->ck->object->maps[a->base.map].name : "a map");
	if (!a->base.n)
		flag(p, INLAY_NIC_RULE_map_offset, "depends on a variable");
	if (!is_store)
		note_words(p, a);
}

/* --- All of it -------------------------------------------------------------------------------- */

/* What may be reached at most, of 64 KB that a packet can have. */
static void note_reach(struct inlay_flow_place *p, const struct access *a)
{
	struct inlay_nic_function *f = &p->flow->ck->functions[p->function];
	__u64 reach = a->base.max > 0xffff
			      ? 0xffff
			      : a->base.max + (__u64)(a->offset > 0 ? a->offset : 0) + a->bytes;

	if (p->flow->is_reporting && reach > f->packet_reach)
		f->packet_reach = (__u32)(reach > 0xffff ? 0xffff : reach);
}

static const char *kind_name(enum inlay_value_kind kind)
{
	switch (kind) {
	case INLAY_VALUE_PACKET_END:
		return "the packet's end";
	case INLAY_VALUE_PACKET_META:
		return "the packet's metadata";
	case INLAY_VALUE_MAP:
		return "a map itself";
	case INLAY_VALUE_FUNCTION:
		return "a function";
	default:
		return "could not be followed";
	}
}

/* Through the pointer in |a|; |stored| NULL: a load, of which the value is returned. */
static struct inlay_value use(struct inlay_flow_place *p, const struct access *a,
			      const struct inlay_value *stored)
{
	switch (a->base.kind) {
	case INLAY_VALUE_CTX:
		if (a->is_load)
			return read_context(p, a);
		if (stored)
			write_context(p, a, stored);
		break;
	case INLAY_VALUE_STACK:
		return use_stack(p, a, stored);
	case INLAY_VALUE_MAP_VALUE:
		use_map_value(p, a, stored && !a->is_atomic);
		break;
	case INLAY_VALUE_PACKET:
		note_reach(p, a);
		break;
	case INLAY_VALUE_MIXED:
		flag(p, INLAY_NIC_RULE_pointer_mixed, "by path");
		return inlay_value_any();
	case INLAY_VALUE_NONE:
		break;
	default:
		flag(p, INLAY_NIC_RULE_pointer_type, kind_name(a->base.kind));
		return a->bytes == 8 ? inlay_value_any() : loaded_number(a->bytes);
	}
	return loaded_number(a->bytes);
}

static void atomic(struct inlay_flow_place *p, struct access *a)
{
	const struct bpf_insn *insn = &p->f->insns[p->insn];
	const struct inlay_value number = loaded_number(a->bytes);

	a->is_atomic = true;
	if (a->base.kind != INLAY_VALUE_MAP_VALUE && a->base.kind != INLAY_VALUE_NONE)
		flag(p, INLAY_NIC_RULE_atomic_target, "not a map's value");
	else if (a->base.kind == INLAY_VALUE_MAP_VALUE)
		use_map_value(p, a, false);
	if (a->base.kind == INLAY_VALUE_STACK)
		use_stack(p, a, &number);
	if (!inlay_value_is_number(&p->state->regs[insn->src_reg]) &&
	    p->state->regs[insn->src_reg].kind != INLAY_VALUE_ANY)
		flag(p, INLAY_NIC_RULE_atomic_target, "adds a pointer");
	if (insn->imm == BPF_CMPXCHG)
		p->state->regs[BPF_REG_0] = number;
	else if (insn->imm & BPF_FETCH)
		p->state->regs[insn->src_reg] = number;
}

void inlay_flow_memory(struct inlay_flow_place *p)
{
	const struct bpf_insn *insn = &p->f->insns[p->insn];
	struct inlay_value *regs = p->state->regs, stored;
	__u8 class = BPF_CLASS(insn->code), mode = BPF_MODE(insn->code);
	struct access a = {.offset = insn->off, .bytes = bytes_of(insn->code)};

	switch (class) {
	case BPF_LD: /* LD_ABS and LD_IND: checked at run time */
		regs[BPF_REG_0] = loaded_number(a.bytes);
		for (int i = BPF_REG_1; i <= BPF_REG_5; i++)
			regs[i] = (struct inlay_value){0};
		break;
	case BPF_LDX:
		a.base = regs[insn->src_reg];
		a.is_load = true;
		regs[insn->dst_reg] = use(p, &a, NULL);
		if (mode != BPF_MEM) /* sign-extending */
			regs[insn->dst_reg] = inlay_value_scalar(INLAY_VALUE_ANY_MAX);
		break;
	default:
		a.base = regs[insn->dst_reg];
		stored = class == BPF_STX ? regs[insn->src_reg] : inlay_value_constant(insn->imm);
		if (class == BPF_STX && mode == BPF_ATOMIC)
			atomic(p, &a);
		else
			use(p, &a, &stored);
	}
}
