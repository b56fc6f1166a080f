/* SPDX-License-Identifier: BSD-2-Clause */
#include "check.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check_impl.h"

#define DECIDABLE   INLAY_NIC_HOW_DECIDABLE
#define APPROXIMATE INLAY_NIC_HOW_APPROXIMATE
#define NOT	    INLAY_NIC_HOW_NOT
#define ALWAYS	    INLAY_NIC_WHEN_ALWAYS
#define FIELD	    INLAY_NIC_WHEN_FIELD
#define LISTED	    INLAY_NIC_WHEN_LISTED

const struct inlay_nic_rule_info inlay_nic_rules[INLAY_NIC_N_RULES] = {
#define RULE(id, how, when, text, advice) {#id, how, when, text, advice},
#include "check_rules.def"
#undef RULE
};

/* --- Findings --------------------------------------------------------------------------------- */

/* Of the object or a map: found in these words already? */
static bool is_known(const struct inlay_nic_report *report, const struct inlay_nic_finding *f)
{
	for (__u32 i = 0; i < report->n_findings; i++) {
		const struct inlay_nic_finding *g = &report->findings[i];

		if (g->rule == f->rule && g->insn == f->insn && !strcmp(g->function, f->function) &&
		    !strcmp(g->detail, f->detail))
			return true;
	}
	return false;
}

/* Functions that several programs share are looked at once for each. */
static bool is_seen(struct inlay_nic_checker *ck, enum inlay_nic_rule rule,
		    const struct inlay_bpf_function *function, __u32 insn)
{
	const __u64 at = (__u64)rule * ck->n_insns +
			 ck->functions[function - ck->object->functions].first + insn;
	const __u8 bit = (__u8)(1u << at % 8);

	if (ck->seen[at / 8] & bit)
		return true;
	ck->seen[at / 8] |= bit;
	return false;
}

static bool is_wanted(const struct inlay_nic_checker *ck, enum inlay_nic_rule rule)
{
	return inlay_nic_rules[rule].when != LISTED || ck->listed[rule];
}

static void add(struct inlay_nic_checker *ck, const struct inlay_nic_finding *f)
{
	struct inlay_nic_report *report = ck->report;

	if (f->level == INLAY_NIC_REFUSED) {
		report->refused[f->rule]++;
		report->n_refused++;
	}
	if (ck->shown[f->rule]++ < INLAY_NIC_FINDINGS)
		report->findings[report->n_findings++] = *f;
}

/* What prints, and no more: a path of an untrusted object. */
static void copy_path(char *to, size_t room, const char *from)
{
	size_t i;

	for (i = 0; i + 1 < room && from[i]; i++)
		to[i] = from[i] >= ' ' && from[i] < 0x7f ? from[i] : '?';
	to[i] = '\0';
}

void inlay_nic_flag(struct inlay_nic_checker *ck, enum inlay_nic_rule rule,
		    const struct inlay_bpf_function *function, __s64 insn, const char *format, ...)
{
	struct inlay_nic_finding f = {.rule = rule, .insn = insn};
	const struct inlay_bpf_line *line = NULL;
	va_list args;

	if (!is_wanted(ck, rule) ||
	    (function && insn >= 0 && is_seen(ck, rule, function, (__u32)insn)))
		return;
	if (function)
		snprintf(f.function, sizeof(f.function), "%s", function->name);
	if (function && insn >= 0)
		line = inlay_bpf_object_line(ck->object, function, (__u32)insn);
	if (line) {
		copy_path(f.file, sizeof(f.file), line->file);
		f.line = line->line;
	}
	va_start(args, format);
	vsnprintf(f.detail, sizeof(f.detail), format, args);
	va_end(args);
	if (insn >= 0 || !is_known(ck->report, &f))
		add(ck, &f);
}

static void add_named(struct inlay_nic_checker *ck, struct inlay_nic_finding *f, const char *name,
		      const char *format, va_list args) __attribute__((format(printf, 4, 0)));

/* Once. */
static void add_named(struct inlay_nic_checker *ck, struct inlay_nic_finding *f, const char *name,
		      const char *format, va_list args)
{
	snprintf(f->function, sizeof(f->function), "%s", name);
	vsnprintf(f->detail, sizeof(f->detail), format, args);
	if (is_wanted(ck, f->rule) && !is_known(ck->report, f))
		add(ck, f);
}

void inlay_nic_flag_named(struct inlay_nic_checker *ck, enum inlay_nic_rule rule, const char *name,
			  const char *format, ...)
{
	struct inlay_nic_finding f = {.rule = rule, .insn = -1};
	va_list args;

	va_start(args, format);
	add_named(ck, &f, name, format, args);
	va_end(args);
}

void inlay_nic_depends(struct inlay_nic_checker *ck, enum inlay_nic_rule rule, const char *name,
		       const char *format, ...)
{
	struct inlay_nic_finding f = {.rule = rule, .level = INLAY_NIC_DEPENDS, .insn = -1};
	va_list args;

	va_start(args, format);
	add_named(ck, &f, name, format, args);
	va_end(args);
}

void inlay_nic_hold(struct inlay_nic_checker *ck, enum inlay_nic_rule rule, const char *name,
		    const struct inlay_nic_limit *limit, __u64 amount)
{
	if (limit->kind == INLAY_NIC_LIMIT_NONE || !amount)
		return;
	if (limit->kind != INLAY_NIC_LIMIT_NUMBER)
		inlay_nic_depends(ck, rule, name, "%llu; the device's limit is not known",
				  (unsigned long long)amount);
	else if (amount > (__u64)limit->number)
		inlay_nic_flag_named(ck, rule, name, "%llu, and the device has %lld",
				     (unsigned long long)amount, (long long)limit->number);
}

/* --- Programs --------------------------------------------------------------------------------- */

/* Is |section| named |type|, or |type| and more behind one of the separators? */
static bool is_of(const char *section, const char *type)
{
	size_t len = strlen(type);

	return !strncmp(section, type, len) && (!section[len] || strchr("/_.", section[len]));
}

/* The type of a program follows from its section's name, as libbpf has it; with a question mark
 * before it, it is loaded only when asked for. */
static void check_type(struct inlay_nic_checker *ck, const char *section)
{
	const struct inlay_bpf_function *f = &ck->object->functions[ck->program];
	bool is_tc;

	section += *section == '?';
	is_tc = is_of(section, "tc") || is_of(section, "classifier");
	ck->is_tc = is_tc;
	ck->is_xdp = is_of(section, "xdp");
	if (is_of(section, "xdp.frags"))
		inlay_nic_flag(ck, INLAY_NIC_RULE_program_frags, f, -1, "section %s", section);
	if (strstr(section, "devmap") || strstr(section, "cpumap") || is_of(section, "tcx") ||
	    is_of(section, "netkit"))
		inlay_nic_flag(ck, INLAY_NIC_RULE_program_attach, f, -1, "section %s", section);
	else if ((!ck->is_xdp && !is_tc) || (ck->is_xdp && !ck->ebpf->programs_xdp) ||
		 (is_tc && !ck->ebpf->programs_tc))
		inlay_nic_flag(ck, INLAY_NIC_RULE_program_type, f, -1, "section %s", section);
}

/* Marks what the program reaches by calls and addresses of functions. */
static void reach(struct inlay_nic_checker *ck, __u32 *stack)
{
	const struct inlay_bpf_object *o = ck->object;
	__u32 n = 0;

	for (__u32 i = 0; i < o->n_functions; i++)
		ck->functions[i].in_program = false;
	stack[n++] = ck->program;
	ck->functions[ck->program].in_program = true;
	while (n) {
		const struct inlay_bpf_function *f = &o->functions[stack[--n]];

		for (__u32 i = 0; i < f->n; i++) {
			const struct inlay_bpf_ref *ref = &f->refs[i];

			if (ref->kind != INLAY_BPF_REF_FUNCTION ||
			    ck->functions[ref->index].in_program)
				continue;
			ck->functions[ref->index].in_program = true;
			stack[n++] = ref->index;
		}
	}
}

static int check_program(struct inlay_nic_checker *ck, __u32 *stack)
{
	const struct inlay_bpf_object *o = ck->object;
	const struct inlay_bpf_function *f = &o->functions[ck->program];
	struct inlay_nic_program program = {0};
	int ret;

	snprintf(program.name, sizeof(program.name), "%s", f->name);
	snprintf(program.section, sizeof(program.section), "%s", o->sections[f->section].name);
	reach(ck, stack);
	for (__u32 i = 0; i < o->n_functions; i++)
		if (ck->functions[i].in_program)
			program.n_insns += o->functions[i].n;
	check_type(ck, program.section);
	inlay_nic_check_insns(ck);
	inlay_nic_hold(ck, INLAY_NIC_RULE_bpf_instructions, f->name, &ck->ebpf->bpf_instructions,
		       program.n_insns);
	inlay_nic_hold(ck, INLAY_NIC_RULE_device_instructions, f->name,
		       &ck->ebpf->device_instructions, program.n_insns);
	ret = inlay_nic_check_flow(ck);
	if (ret)
		return ret;
	inlay_nic_check_calls(ck, &program);
	inlay_nic_hold(ck, INLAY_NIC_RULE_stack_bytes, f->name, &ck->ebpf->stack_bytes,
		       program.stack_bytes);
	inlay_nic_hold(ck, INLAY_NIC_RULE_packet_offset, f->name, &ck->ebpf->packet_offset_bytes,
		       program.packet_reach);
	ck->report->programs[ck->report->n_programs++] = program;
	return 0;
}

/* --- The whole -------------------------------------------------------------------------------- */

static void list_rules(struct inlay_nic_checker *ck)
{
	for (size_t i = 0; i < ck->ebpf->n_rules; i++)
		for (size_t j = 0; j < INLAY_NIC_N_RULES; j++)
			if (!strcmp(ck->ebpf->rules[i], inlay_nic_rules[j].id))
				ck->listed[j] = true;
}

static int check(struct inlay_nic_checker *ck)
{
	const struct inlay_bpf_object *o = ck->object;
	__u32 *stack = calloc(o->n_functions, sizeof(*stack));
	int ret = 0;

	ck->maps = inlay_nic_maps_new();
	ck->functions = calloc(o->n_functions, sizeof(*ck->functions));
	for (__u32 i = 0; i < o->n_functions && ck->functions; i++) {
		ck->functions[i].first = ck->n_insns;
		ck->n_insns += o->functions[i].n;
	}
	ck->seen = calloc((size_t)ck->n_insns * INLAY_NIC_N_RULES / 8 + 1, 1);
	if (!stack || !ck->functions || !ck->seen || !ck->maps)
		ret = -ENOMEM;
	list_rules(ck);
	if (!ret)
		inlay_nic_check_maps(ck);
	if (o->n_programs > INLAY_NIC_PROGRAMS)
		inlay_nic_flag_named(ck, INLAY_NIC_RULE_analysis_limit, "programs",
				     "%u programs, of which %d are looked at", o->n_programs,
				     INLAY_NIC_PROGRAMS);
	for (__u32 i = 0; i < o->n_programs && i < INLAY_NIC_PROGRAMS && !ret; i++) {
		ck->program = o->programs[i];
		ret = check_program(ck, stack);
	}
	if (!ret)
		inlay_nic_check_updates(ck);
	inlay_nic_maps_free(ck->maps);
	free(stack);
	free(ck->functions);
	free(ck->seen);
	return ret;
}

int inlay_nic_check(const struct inlay_nic_profile *profile, const void *data, size_t len,
		    struct inlay_nic_report *ret_report, char err[INLAY_NIC_ERROR])
{
	struct inlay_bpf_object object;
	struct inlay_nic_report *report;
	int ret;

	if (!profile->has_ebpf) {
		snprintf(err, INLAY_NIC_ERROR,
			 "%s runs no eBPF programs itself: its profile has no section ebpf",
			 profile->title);
		return -ENOTSUP;
	}
	ret = inlay_bpf_object_parse(data, len, &object, err);
	if (ret)
		return ret;
	report = calloc(1, sizeof(*report));
	if (report)
		report->findings = calloc((size_t)INLAY_NIC_FINDINGS * INLAY_NIC_N_RULES,
					  sizeof(*report->findings));
	if (report && report->findings)
		ret = check(&(struct inlay_nic_checker){
			.ebpf = &profile->ebpf, .object = &object, .report = report});
	else
		ret = -ENOMEM;
	if (ret) {
		snprintf(err, INLAY_NIC_ERROR, "out of memory");
		if (report)
			inlay_nic_report_fini(report);
	} else {
		*ret_report = *report;
	}
	free(report);
	inlay_bpf_object_fini(&object);
	return ret;
}

void inlay_nic_report_fini(struct inlay_nic_report *report)
{
	free(report->findings);
	*report = (struct inlay_nic_report){0};
}
