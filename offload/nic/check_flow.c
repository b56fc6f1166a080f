/* SPDX-License-Identifier: BSD-2-Clause */
#include "check_flow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define STATES_MAX 6144 /* of about 5 KB */
#define STATE_WORK 16	/* to copy or to join one */

/* --- States ----------------------------------------------------------------------------------- */

static void queue(struct inlay_flow *flow, __u32 function, __u32 insn)
{
	flow->functions[function].waiting[insn] = true;
	flow->functions[function].is_queued = true;
}

static bool has_room(struct inlay_flow *flow, __u32 function)
{
	struct inlay_flow_function *ff = &flow->functions[function];
	const struct inlay_bpf_function *f = &flow->ck->object->functions[function];

	if (flow->n_states == STATES_MAX) {
		flow->gave_up = true;
		return false;
	}
	if (ff->at)
		return true;
	ff->at = calloc(f->n, sizeof(struct inlay_state *));
	ff->waiting = calloc(f->n, sizeof(*ff->waiting));
	ff->leads = calloc(f->n, sizeof(*ff->leads));
	if (!ff->at || !ff->waiting || !ff->leads) {
		flow->no_memory = true;
		return false;
	}
	return true;
}

/* A path comes to |insn| of the function with |state|. */
static void arrive(struct inlay_flow *flow, __u32 function, __u32 insn,
		   const struct inlay_state *state)
{
	struct inlay_flow_function *ff = &flow->functions[function];

	if (flow->is_reporting)
		return;
	flow->ck->work += STATE_WORK;
	if (ff->at && ff->at[insn]) {
		if (inlay_state_join(ff->at[insn], state))
			queue(flow, function, insn);
		return;
	}
	if (!has_room(flow, function))
		return;
	ff->at[insn] = malloc(sizeof(*state));
	if (!ff->at[insn]) {
		flow->no_memory = true;
		return;
	}
	*ff->at[insn] = *state;
	flow->n_states++;
	queue(flow, function, insn);
}

void inlay_flow_enter(struct inlay_flow *flow, __u32 function, const struct inlay_value args[5])
{
	struct inlay_state state;

	inlay_state_init(&state);
	for (int i = 0; i < 5; i++)
		state.regs[BPF_REG_1 + i] = args[i];
	arrive(flow, function, 0, &state);
}

/* --- Instructions ----------------------------------------------------------------------------- */

static bool is_jump(const struct bpf_insn *insn)
{
	__u8 class = BPF_CLASS(insn->code);

	return (class == BPF_JMP || class == BPF_JMP32) && insn->code != INLAY_BPF_CALL &&
	       insn->code != INLAY_BPF_EXIT;
}

static bool is_goto(const struct bpf_insn *insn)
{
	return is_jump(insn) && BPF_OP(insn->code) == BPF_JA && BPF_SRC(insn->code) == BPF_K;
}

/* Where a jump leads; -1: out of the function. */
static __s64 target_of(const struct inlay_bpf_function *f, __u32 i)
{
	const struct bpf_insn *insn = &f->insns[i];
	bool is_long = is_goto(insn) && BPF_CLASS(insn->code) == BPF_JMP32;
	__s64 at = (__s64)i + 1 + (is_long ? insn->imm : insn->off);

	return at >= 0 && at < f->n ? at : -1;
}

/* Of a pointer, or what is one on another path, only its offset is known. */
static __u64 most(const struct inlay_value *v)
{
	return inlay_value_is_number(v) ? v->max : INLAY_VALUE_ANY_MAX;
}

static void alu(struct inlay_flow_place *p)
{
	const struct bpf_insn *insn = &p->f->insns[p->insn];
	struct inlay_value *regs = p->state->regs, *dst = &regs[insn->dst_reg];
	struct inlay_value src = BPF_SRC(insn->code) == BPF_X ? regs[insn->src_reg]
							      : inlay_value_constant(insn->imm);
	bool wide = BPF_CLASS(insn->code) == BPF_ALU64;
	__u8 op = BPF_OP(insn->code);
	enum inlay_nic_rule rule =
		op == BPF_MUL ? INLAY_NIC_RULE_multiply_range : INLAY_NIC_RULE_divide_range;

	if (op == BPF_END) { /* the verifier of 6.12 knows nothing of it */
		*dst = inlay_value_scalar(INLAY_VALUE_ANY_MAX);
		return;
	}
	if (p->flow->is_reporting && (op == BPF_MUL || op == BPF_DIV)) {
		/* Whole registers count, for operations of 32 bits as well. */
		__u64 a = most(dst), b = BPF_SRC(insn->code) == BPF_X ? most(&src) : 0;

		if (a > INLAY_VALUE_U32_MAX || b > INLAY_VALUE_U32_MAX)
			inlay_nic_flag(p->flow->ck, rule, p->f, p->insn, "up to 0x%llx and 0x%llx",
				       (unsigned long long)a, (unsigned long long)src.max);
		else if (op == BPF_DIV && src.n != 1)
			inlay_nic_flag(p->flow->ck, rule, p->f, p->insn, "by no constant");
	}
	if (op == BPF_MOV && insn->off)
		*dst = inlay_value_scalar(wide ? INLAY_VALUE_ANY_MAX : INLAY_VALUE_U32_MAX);
	else
		*dst = inlay_value_alu(op, wide, dst, &src);
}

static void wide(struct inlay_flow_place *p)
{
	const struct bpf_insn *insn = &p->f->insns[p->insn];
	const struct inlay_bpf_ref *ref = &p->f->refs[p->insn];
	struct inlay_value *dst = &p->state->regs[insn->dst_reg];
	__u32 high = p->insn + 1 < p->f->n ? (__u32)insn[1].imm : 0;

	switch (ref->kind) {
	case INLAY_BPF_REF_NONE:
		*dst = inlay_value_constant((__s64)((__u64)high << 32 | (__u32)insn->imm));
		break;
	case INLAY_BPF_REF_MAP:
		*dst = inlay_value_pointer(INLAY_VALUE_MAP, (__s16)ref->index);
		break;
	case INLAY_BPF_REF_FUNCTION:
		*dst = inlay_value_pointer(INLAY_VALUE_FUNCTION, -1);
		dst->constants[0] = ref->index;
		break;
	case INLAY_BPF_REF_DATA: /* libbpf makes a map of it */
	case INLAY_BPF_REF_CONFIG:
		*dst = inlay_value_pointer(INLAY_VALUE_MAP_VALUE, INLAY_VALUE_NO_MAP);
		break;
	default:
		*dst = inlay_value_any();
	}
}

static bool takes_verdict(const struct inlay_nic_checker *ck, __s64 verdict)
{
	const struct inlay_nic_ebpf *e = ck->ebpf;
	const __s64 *list = ck->is_xdp ? e->xdp_returns : e->tc_returns;
	size_t n = ck->is_xdp ? e->n_xdp_returns : e->n_tc_returns;

	for (size_t i = 0; i < n; i++)
		if (list[i] == (__s32)verdict)
			return true;
	return !n || (ck->is_tc && e->tc_return_open.kind == INLAY_NIC_LIMIT_NUMBER &&
		      (__s32)verdict >= e->tc_return_open.number);
}

/* A variable, but of verdicts that are taken whichever it is. */
static bool takes_any(const struct inlay_nic_checker *ck, const struct inlay_value *r0)
{
	if (!ck->ebpf->n_xdp_returns)
		return true;
	if (r0->kind != INLAY_VALUE_SCALAR || r0->max >= INLAY_NIC_FIELDS)
		return false;
	for (__s64 v = 0; v <= (__s64)r0->max; v++)
		if (!takes_verdict(ck, v))
			return false;
	return true;
}

static void check_exit(struct inlay_flow_place *p)
{
	struct inlay_nic_checker *ck = p->flow->ck;
	const struct inlay_value *r0 = &p->state->regs[BPF_REG_0];
	enum inlay_nic_rule rule =
		ck->is_xdp ? INLAY_NIC_RULE_xdp_return : INLAY_NIC_RULE_tc_return;

	/* A tc program's verdict must be constant wherever it exits, in functions as well. */
	if (ck->is_xdp ? p->function != ck->program
		       : !ck->is_tc || ck->ebpf->direct_action.answer != INLAY_NIC_YES)
		return;
	if (r0->kind != INLAY_VALUE_SCALAR || !r0->n) {
		if (ck->is_tc || !takes_any(ck, r0))
			inlay_nic_flag(ck, rule, p->f, p->insn,
				       "returns no constant that could be followed");
		return;
	}
	for (__u8 i = 0; i < r0->n; i++)
		if (!takes_verdict(ck, r0->constants[i]))
			inlay_nic_flag(ck, rule, p->f, p->insn, "may return %d",
				       (__s32)r0->constants[i]);
}

static bool calls(const struct inlay_bpf_function *f, __u32 callee)
{
	for (__u32 i = 0; i < f->n; i++)
		if (f->refs[i].kind == INLAY_BPF_REF_FUNCTION && f->refs[i].index == callee)
			return true;
	return false;
}

static void leave(struct inlay_flow_place *p)
{
	struct inlay_value result = p->state->regs[BPF_REG_0];
	struct inlay_flow *flow = p->flow;
	const struct inlay_bpf_object *o = flow->ck->object;

	if (flow->is_reporting) {
		check_exit(p);
		return;
	}
	if (result.kind == INLAY_VALUE_NONE)
		result = inlay_value_any();
	if (result.kind == INLAY_VALUE_STACK)
		result = inlay_value_any();
	if (!inlay_value_join(&flow->functions[p->function].result, &result))
		return;
	/* Whoever calls it goes on from there. */
	flow->ck->work += flow->ck->n_insns / 16;
	for (__u32 i = 0; i < o->n_functions; i++)
		if (flow->functions[i].at && calls(&o->functions[i], p->function))
			for (__u32 j = 0; j < o->functions[i].n; j++)
				if (flow->functions[i].at[j])
					queue(flow, i, j);
}

/* Both ways of a conditional jump. */
static void branch(struct inlay_flow_place *p)
{
	const struct bpf_insn *insn = &p->f->insns[p->insn];
	__s64 to = target_of(p->f, p->insn);
	bool is_wide = BPF_CLASS(insn->code) == BPF_JMP;

	for (int taken = 0; taken < 2; taken++) {
		struct inlay_state state = *p->state;
		struct inlay_value src = BPF_SRC(insn->code) == BPF_X
						 ? state.regs[insn->src_reg]
						 : inlay_value_constant(insn->imm);
		__s64 at = taken ? to : (__s64)p->insn + 1;

		if (at >= 0 && at < p->f->n &&
		    inlay_value_refine(BPF_OP(insn->code), is_wide, taken,
				       &state.regs[insn->dst_reg], &src))
			arrive(p->flow, p->function, (__u32)at, &state);
	}
}

/* One instruction. False: the path ends, or goes on elsewhere. */
static bool step(struct inlay_flow_place *p)
{
	const struct bpf_insn *insn = &p->f->insns[p->insn];
	__u8 class = BPF_CLASS(insn->code);

	if (insn->dst_reg >= MAX_BPF_REG || insn->src_reg >= MAX_BPF_REG)
		return false; /* no register of any kernel's */
	if (insn->code == INLAY_BPF_EXIT) {
		leave(p);
		return false;
	}
	if (insn->code == INLAY_BPF_CALL)
		return inlay_flow_call(p);
	if (is_goto(insn)) {
		__s64 to = target_of(p->f, p->insn);

		if (to >= 0)
			arrive(p->flow, p->function, (__u32)to, p->state);
		return false;
	}
	if (is_jump(insn)) {
		branch(p);
		return false;
	}
	if (class == BPF_ALU || class == BPF_ALU64)
		alu(p);
	else if (insn->code == INLAY_BPF_WIDE)
		wide(p);
	else
		inlay_flow_memory(p);
	return true;
}

/* --- Following -------------------------------------------------------------------------------- */

static void find_leads(const struct inlay_bpf_function *f, bool *leads)
{
	leads[0] = true;
	for (__u32 i = 0; i < f->n; i++) {
		__s64 to = is_jump(&f->insns[i]) ? target_of(f, i) : -1;

		if (to >= 0)
			leads[to] = true;
		i += f->insns[i].code == INLAY_BPF_WIDE;
	}
}

/* From one place where paths meet to the next. */
static void follow(struct inlay_flow *flow, __u32 function, __u32 insn)
{
	struct inlay_flow_function *ff = &flow->functions[function];
	struct inlay_state state = *ff->at[insn];
	struct inlay_flow_place p = {.flow = flow,
				     .function = function,
				     .f = &flow->ck->object->functions[function],
				     .insn = insn,
				     .state = &state};

	if (!ff->leads[0])
		find_leads(p.f, ff->leads);
	for (;;) {
		if (flow->ck->work++ >= INLAY_NIC_WORK_MAX)
			flow->gave_up = true;
		if (flow->gave_up || flow->no_memory || !step(&p))
			return;
		p.insn += 1 + (p.f->insns[p.insn].code == INLAY_BPF_WIDE);
		if (p.insn >= p.f->n)
			return;
		if (ff->leads[p.insn]) {
			arrive(flow, function, p.insn, &state);
			return;
		}
	}
}

static void follow_function(struct inlay_flow *flow, __u32 function)
{
	struct inlay_flow_function *ff = &flow->functions[function];
	const struct inlay_bpf_function *f = &flow->ck->object->functions[function];

	ff->is_queued = false;
	flow->ck->work += f->n / 16;
	for (__u32 i = 0; i < f->n && !flow->gave_up && !flow->no_memory; i++) {
		if (!ff->waiting[i])
			continue;
		ff->waiting[i] = false;
		follow(flow, function, i);
	}
}

static void follow_all(struct inlay_flow *flow)
{
	bool more = true;

	while (more && !flow->gave_up && !flow->no_memory) {
		more = false;
		for (__u32 i = 0; i < flow->ck->object->n_functions; i++) {
			if (!flow->functions[i].is_queued)
				continue;
			more = true;
			follow_function(flow, i);
		}
	}
}

static void report(struct inlay_flow *flow)
{
	const struct inlay_bpf_object *o = flow->ck->object;

	flow->is_reporting = true;
	for (__u32 i = 0; i < o->n_functions; i++) {
		if (!flow->functions[i].at)
			continue;
		for (__u32 j = 0; j < o->functions[i].n; j++)
			if (flow->functions[i].at[j])
				follow(flow, i, j);
	}
}

static void flow_fini(struct inlay_flow *flow)
{
	const struct inlay_bpf_object *o = flow->ck->object;

	for (__u32 i = 0; flow->functions && i < o->n_functions; i++) {
		struct inlay_flow_function *ff = &flow->functions[i];

		for (__u32 j = 0; ff->at && j < o->functions[i].n; j++)
			free(ff->at[j]);
		free(ff->at);
		free(ff->waiting);
		free(ff->leads);
	}
	free(flow->functions);
	free(flow);
}

int inlay_nic_check_flow(struct inlay_nic_checker *ck)
{
	const struct inlay_value context[5] = {inlay_value_pointer(INLAY_VALUE_CTX, -1)};
	struct inlay_flow *flow = calloc(1, sizeof(*flow));
	int ret;

	if (!flow)
		return -ENOMEM;
	flow->ck = ck;
	flow->functions = calloc(ck->object->n_functions, sizeof(*flow->functions));
	if (flow->functions) {
		inlay_flow_enter(flow, ck->program, context);
		follow_all(flow);
		if (!flow->gave_up && !flow->no_memory)
			report(flow);
		if (flow->gave_up)
			inlay_nic_flag(ck, INLAY_NIC_RULE_analysis_limit,
				       &ck->object->functions[ck->program], -1,
				       "%u states, %llu steps", flow->n_states,
				       (unsigned long long)ck->work);
	}
	ret = !flow->functions || flow->no_memory ? -ENOMEM : 0;
	flow_fini(flow);
	return ret;
}
