/* SPDX-License-Identifier: BSD-2-Clause */
/* What each instruction tells by itself. */
#include <stdio.h>
#include <string.h>

#include "check_impl.h"

static bool is_alu(__u8 class)
{
	return class == BPF_ALU || class == BPF_ALU64;
}

/* Bits that a load, store or jump of another meaning has there are no trap. */
static void check_alu(struct inlay_nic_checker *ck, const struct inlay_bpf_function *f, __u32 i)
{
	const struct bpf_insn *insn = &f->insns[i];
	__u8 op = BPF_OP(insn->code);

	if (op == BPF_MOV && insn->off)
		inlay_nic_flag(ck, INLAY_NIC_RULE_move_offset, f, i, "moves %d bits", insn->off);
	if (op == BPF_DIV && insn->off)
		inlay_nic_flag(ck, INLAY_NIC_RULE_divide_offset, f, i, "signed");
	if (BPF_CLASS(insn->code) != BPF_ALU64 || BPF_SRC(insn->code) != BPF_K || insn->imm >= 0)
		return;
	if (op == BPF_MUL)
		inlay_nic_flag(ck, INLAY_NIC_RULE_multiply_range, f, i, "by %d", insn->imm);
	if (op == BPF_DIV)
		inlay_nic_flag(ck, INLAY_NIC_RULE_divide_range, f, i, "by %d", insn->imm);
}

/* By answer of the profile: no is a finding, what is not known depends. */
static void hold_answer(struct inlay_nic_checker *ck, enum inlay_nic_rule rule,
			const struct inlay_bpf_function *f, __u32 i,
			const struct inlay_nic_value *value, const char *what)
{
	if (value->answer == INLAY_NIC_NO)
		inlay_nic_flag(ck, rule, f, i, "%s", what);
	else if (value->answer != INLAY_NIC_YES)
		inlay_nic_depends(ck, rule, what, "%s",
				  value->answer == INLAY_NIC_ASK ? "the device's firmware decides"
								 : "nobody knows");
}

static void check_helper(struct inlay_nic_checker *ck, const struct inlay_bpf_function *f, __u32 i)
{
	const struct inlay_nic_ebpf *e = ck->ebpf;
	__s32 id = f->insns[i].imm;
	const char *name = inlay_bpf_helper_name(id);
	char what[INLAY_BPF_NAME];

	snprintf(what, sizeof(what), "bpf_%s", name);
	for (size_t h = 0; h < e->n_helpers; h++) {
		if (strcmp(e->helpers[h].name, name))
			continue;
		hold_answer(ck, INLAY_NIC_RULE_helper, f, i, &e->helpers[h].value, what);
		return;
	}
	if (e->n_helpers)
		inlay_nic_flag(ck, INLAY_NIC_RULE_helper, f, i, "%s, number %d",
			       *name ? what : "unknown here", id);
}

static void check_call(struct inlay_nic_checker *ck, const struct inlay_bpf_function *f, __u32 i)
{
	const struct inlay_bpf_ref *ref = &f->refs[i];
	const struct inlay_bpf_function *callee;

	if (ref->kind == INLAY_BPF_REF_EXTERN || f->insns[i].src_reg == BPF_PSEUDO_KFUNC_CALL) {
		hold_answer(ck, INLAY_NIC_RULE_kfunc, f, i, &ck->ebpf->kfuncs,
			    "a function of the kernel");
	} else if (ref->kind == INLAY_BPF_REF_FUNCTION) {
		callee = &ck->object->functions[ref->index];
		hold_answer(ck, INLAY_NIC_RULE_bpf_call, f, i, &ck->ebpf->bpf_calls, callee->name);
		if (callee->is_global)
			inlay_nic_flag(ck, INLAY_NIC_RULE_global_function, f, i, "calls %s",
				       callee->name);
	} else {
		check_helper(ck, f, i);
	}
}

static void check_wide(struct inlay_nic_checker *ck, const struct inlay_bpf_function *f, __u32 i)
{
	static const char *const whats[] = {
		[INLAY_BPF_REF_FUNCTION] = "the address of a function",
		[INLAY_BPF_REF_EXTERN] = "a variable of the kernel",
		[INLAY_BPF_REF_RAW] = "a pseudo value",
	};
	const struct inlay_bpf_ref *ref = &f->refs[i];

	if (ref->kind == INLAY_BPF_REF_DATA) {
		const struct inlay_bpf_section *s = &ck->object->sections[ref->index];

		/* Sections that libbpf makes maps of are found as such, once. */
		if (ck->ebpf->direct_values.answer == INLAY_NIC_NO && !s->is_global_data)
			inlay_nic_flag(ck, INLAY_NIC_RULE_direct_values, f, i, "of section %s",
				       s->name);
	} else if (whats[ref->kind]) {
		inlay_nic_flag(ck, INLAY_NIC_RULE_wide_immediate, f, i, "%s", whats[ref->kind]);
	}
}

static void check_memory(struct inlay_nic_checker *ck, const struct inlay_bpf_function *f, __u32 i)
{
	const struct bpf_insn *insn = &f->insns[i];
	__u8 mode = BPF_MODE(insn->code), class = BPF_CLASS(insn->code);

	if (class == BPF_ST)
		hold_answer(ck, INLAY_NIC_RULE_store_immediate, f, i, &ck->ebpf->store_immediate,
			    "BPF_ST");
	if (class == BPF_STX && mode == BPF_ATOMIC)
		hold_answer(ck, INLAY_NIC_RULE_atomic_operation, f, i,
			    insn->imm == BPF_ADD ? &ck->ebpf->atomic_add : &ck->ebpf->atomic_other,
			    insn->imm == BPF_ADD ? "atomic add" : "not a plain add");
	if (class == BPF_LD && (mode == BPF_ABS || mode == BPF_IND) && ck->is_xdp)
		inlay_nic_flag(ck, INLAY_NIC_RULE_packet_load, f, i, "in an XDP program");
}

static void check_insn(struct inlay_nic_checker *ck, const struct inlay_bpf_function *f, __u32 i)
{
	const struct inlay_nic_limit *registers = &ck->ebpf->registers;
	const struct bpf_insn *insn = &f->insns[i];
	__u8 class = BPF_CLASS(insn->code);

	if (!ck->ebpf->opcodes[insn->code]) {
		inlay_nic_flag(ck, INLAY_NIC_RULE_opcode, f, i, "opcode 0x%02x", insn->code);
		return;
	}
	if (registers->kind == INLAY_NIC_LIMIT_NUMBER &&
	    (insn->dst_reg >= registers->number || insn->src_reg >= registers->number))
		inlay_nic_flag(ck, INLAY_NIC_RULE_registers, f, i, "r%u, r%u", insn->dst_reg,
			       insn->src_reg);
	if (is_alu(class))
		check_alu(ck, f, i);
	else if (insn->code == INLAY_BPF_CALL)
		check_call(ck, f, i);
	else if (insn->code == INLAY_BPF_WIDE)
		check_wide(ck, f, i);
	else
		check_memory(ck, f, i);
}

/* Does it write r6 to r9, which a function must give back as they were? */
static bool writes_saved(const struct bpf_insn *insn)
{
	__u8 class = BPF_CLASS(insn->code);

	return (is_alu(class) || class == BPF_LDX || insn->code == INLAY_BPF_WIDE) &&
	       insn->dst_reg >= BPF_REG_6 && insn->dst_reg <= BPF_REG_9;
}

/* What they tell depends on the program's type alone: once for each is enough. */
void inlay_nic_check_insns(struct inlay_nic_checker *ck)
{
	const __u8 type = ck->is_xdp ? 1 : ck->is_tc ? 2 : 4;

	for (__u32 n = 0; n < ck->object->n_functions; n++) {
		const struct inlay_bpf_function *f = &ck->object->functions[n];

		if (!ck->functions[n].in_program || ck->functions[n].looked & type)
			continue;
		ck->functions[n].looked |= type;
		for (__u32 i = 0; i < f->n; i++) {
			check_insn(ck, f, i);
			ck->functions[n].writes_saved |= writes_saved(&f->insns[i]);
			i += f->insns[i].code == INLAY_BPF_WIDE; /* two of them */
		}
	}
}
