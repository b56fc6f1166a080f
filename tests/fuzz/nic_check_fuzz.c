/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A BPF object into the checker, against a profile of which every rule holds: whatever the object,
 * it is refused in one line or looked at, and what is reported of it is whole.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

static struct inlay_nic_profile strictest(void)
{
	static const char *const helpers[] = {"map_lookup_elem",
					      "map_update_elem",
					      "map_delete_elem",
					      "get_prandom_u32",
					      "perf_event_output",
					      "xdp_adjust_tail",
					      "loop"};
	struct inlay_nic_profile p = {.title = "a NIC", .has_ebpf = true};
	struct inlay_nic_ebpf *e = &p.ebpf;

	e->programs_xdp = e->programs_tc = true;
	memset(e->opcodes, true, sizeof(e->opcodes));
	snprintf(e->map_types[e->n_map_types++], INLAY_NIC_NAME, "array");
	snprintf(e->map_types[e->n_map_types++], INLAY_NIC_NAME, "hash");
	snprintf(e->xdp_reads[e->n_xdp_reads++], INLAY_NIC_NAME, "data");
	snprintf(e->tc_reads[e->n_tc_reads++], INLAY_NIC_NAME, "data");
	e->n_xdp_returns = e->n_tc_returns = 1;
	for (size_t i = 0; i < INLAY_ARRAY_SIZE(helpers); i++)
		snprintf(e->helpers[e->n_helpers++].name, INLAY_NIC_NAME, "%s", helpers[i]);
	for (size_t i = 0; i < INLAY_NIC_N_RULES; i++)
		if (inlay_nic_rules[i].when == INLAY_NIC_WHEN_LISTED)
			snprintf(e->rules[e->n_rules++], INLAY_NIC_NAME, "%s",
				 inlay_nic_rules[i].id);
#define ANSWER(name, ...) e->name.answer = INLAY_NIC_NO;
#define LIMIT(name, ...)                                                                           \
	e->name.kind = INLAY_NIC_LIMIT_NUMBER;                                                     \
	e->name.number = 8;
	INLAY_NIC_EBPF_ANSWERS(ANSWER)
	INLAY_NIC_EBPF_LIMITS(LIMIT)
#undef ANSWER
#undef LIMIT
	e->direct_action.answer = INLAY_NIC_YES;
	return p;
}

static void check_report(const struct inlay_nic_report *report)
{
	__u32 refused = 0;

	for (__u32 i = 0; i < INLAY_NIC_N_RULES; i++)
		refused += report->refused[i];
	if (refused != report->n_refused || !report->n_programs ||
	    report->n_programs > INLAY_NIC_PROGRAMS)
		abort();
	for (__u32 i = 0; i < report->n_findings; i++) {
		const struct inlay_nic_finding *f = &report->findings[i];

		if (f->rule >= INLAY_NIC_N_RULES ||
		    inlay_nic_rules[f->rule].how == INLAY_NIC_HOW_NOT ||
		    strpbrk(f->detail, "\n\x1b") || strpbrk(f->file, "\n\x1b") ||
		    strpbrk(f->function, "\n\x1b") || (f->insn < 0 && *f->file))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct inlay_nic_profile profile;
	struct inlay_nic_report report;
	char err[INLAY_NIC_ERROR] = "";

	if (!profile.has_ebpf)
		profile = strictest();
	if (inlay_nic_check(&profile, data, size, &report, err)) {
		if (!*err || strpbrk(err, "\n\x1b"))
			abort();
		return 0;
	}
	check_report(&report);
	inlay_nic_report_fini(&report);
	return 0;
}
