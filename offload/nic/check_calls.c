/* SPDX-License-Identifier: BSD-2-Clause */
/* Frames upon frames: how deep a program calls, and how much stack that takes. */
#include "check_impl.h"

#define FRAMES 8 /* MAX_CALL_FRAMES of kernels up to 6.12 */

static __u64 number_or(const struct inlay_nic_limit *limit, __u64 other)
{
	return limit->kind == INLAY_NIC_LIMIT_NUMBER ? (__u64)limit->number : other;
}

static __u32 frame_bytes(const struct inlay_nic_checker *ck, __u32 function)
{
	__u64 align = number_or(&ck->ebpf->frame_align_bytes, 8);
	__u64 depth = ck->functions[function].depth_bytes;

	return (__u32)(align ? (depth + align - 1) / align * align : depth);
}

static __u32 call_bytes(const struct inlay_nic_checker *ck, __u32 callee)
{
	__u64 bytes = number_or(&ck->ebpf->call_bytes, 0);

	if (ck->functions[callee].writes_saved)
		bytes += number_or(&ck->ebpf->saved_register_bytes, 0);
	return (__u32)bytes;
}

/* One frame of the walk: the function, and where in it the walk has come to. */
struct frame {
	__u32 function;
	__u32 insn;
	__u32 bytes; /* of the stack, with this frame */
};

struct walk {
	struct inlay_nic_checker *ck;
	struct frame frames[FRAMES];
	__u32 n;
	__u32 deepest;
};

static void enter(struct walk *w, __u32 function, __u32 below)
{
	__u32 bytes = below + frame_bytes(w->ck, function);

	w->frames[w->n++] = (struct frame){.function = function, .bytes = bytes};
	if (bytes > w->deepest)
		w->deepest = bytes;
}

static void call(struct walk *w, __u32 callee)
{
	const struct frame *top = &w->frames[w->n - 1];
	const struct inlay_bpf_function *f = &w->ck->object->functions[top->function];

	if (w->n == FRAMES) {
		inlay_nic_flag(w->ck, INLAY_NIC_RULE_call_depth, f, top->insn, "%d frames above",
			       FRAMES);
		return;
	}
	enter(w, callee, top->bytes + call_bytes(w->ck, callee));
}

/* Every path, in the order of the instructions. */
static void walk(struct walk *w)
{
	/* A graph of calls has more paths than functions. */
	while (w->n && w->ck->work++ < INLAY_NIC_WORK_MAX) {
		struct frame *top = &w->frames[w->n - 1];
		const struct inlay_bpf_function *f = &w->ck->object->functions[top->function];
		const struct inlay_bpf_ref *ref;

		while (top->insn < f->n && f->refs[top->insn].kind != INLAY_BPF_REF_FUNCTION)
			top->insn++;
		w->ck->work += f->n / 64;
		if (top->insn == f->n) {
			w->n--;
			if (w->n)
				w->frames[w->n - 1].insn++;
			continue;
		}
		ref = &f->refs[top->insn];
		if (w->n == FRAMES) {
			call(w, ref->index); /* says so */
			top->insn++;
			continue;
		}
		call(w, ref->index);
	}
}

void inlay_nic_check_calls(struct inlay_nic_checker *ck, struct inlay_nic_program *ret_program)
{
	struct walk w = {.ck = ck};

	enter(&w, ck->program, 0);
	walk(&w);
	if (w.n)
		inlay_nic_flag(ck, INLAY_NIC_RULE_analysis_limit,
			       &ck->object->functions[ck->program], -1, "too many paths of calls");
	ret_program->stack_bytes = w.deepest;
	for (__u32 i = 0; i < ck->object->n_functions; i++)
		if (ck->functions[i].in_program &&
		    ck->functions[i].packet_reach > ret_program->packet_reach)
			ret_program->packet_reach = ck->functions[i].packet_reach;
}
