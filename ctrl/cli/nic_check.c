/* SPDX-License-Identifier: BSD-2-Clause */
/* inlayctl nic check: the checker's report, for people and for programs. */
#include "nic_check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control_client.h"

/* --- The report ------------------------------------------------------------------------------- */

static const char *how_name(enum inlay_nic_rule_how how)
{
	static const char *const names[] = {"decidable", "approximate", "not"};

	return names[how];
}

static void print_finding(const struct inlay_nic_finding *f, FILE *out)
{
	fprintf(out, "  %s", f->function);
	if (f->insn >= 0)
		fprintf(out, " instruction %lld", (long long)f->insn);
	if (*f->file)
		fprintf(out, " (%s:%u)", f->file, f->line);
	fprintf(out, ": %s\n", f->detail);
}

static __u32 shown(const struct inlay_nic_report *report, enum inlay_nic_rule rule)
{
	__u32 n = 0;

	for (__u32 i = 0; i < report->n_findings; i++)
		n += report->findings[i].rule == rule &&
		     report->findings[i].level == INLAY_NIC_REFUSED;
	return n;
}

static void print_refused(const struct inlay_nic_report *report, FILE *out)
{
	for (__u32 rule = 0; rule < INLAY_NIC_N_RULES; rule++) {
		const struct inlay_nic_rule_info *info = &inlay_nic_rules[rule];

		if (!report->refused[rule])
			continue;
		fprintf(out, "\n%s%s: %s\n    %s\n", info->id,
			info->how == INLAY_NIC_HOW_APPROXIMATE ? " (approximate)" : "", info->text,
			info->advice);
		for (__u32 i = 0; i < report->n_findings; i++)
			if (report->findings[i].rule == rule &&
			    report->findings[i].level == INLAY_NIC_REFUSED)
				print_finding(&report->findings[i], out);
		if (report->refused[rule] > shown(report, rule))
			fprintf(out, "  and %u more\n",
				report->refused[rule] - shown(report, rule));
	}
}

static void print_depends(const struct inlay_nic_report *report, FILE *out)
{
	bool any = false;

	for (__u32 i = 0; i < report->n_findings; i++) {
		const struct inlay_nic_finding *f = &report->findings[i];

		if (f->level != INLAY_NIC_DEPENDS)
			continue;
		if (!any)
			fprintf(out, "\nDepends on this device:\n");
		any = true;
		fprintf(out, "  %s: %s: %s\n", inlay_nic_rules[f->rule].id, f->function, f->detail);
	}
}

void inlay_nic_check_print(const struct inlay_nic_profile *profile, const char *name,
			   const struct inlay_nic_report *report, FILE *out)
{
	if (report->n_refused)
		fprintf(out, "%s does not fit %s: refused in %u place%s\n", name, profile->title,
			report->n_refused, report->n_refused == 1 ? "" : "s");
	else
		fprintf(out, "%s fits %s\n", name, profile->title);
	for (__u32 i = 0; i < report->n_programs; i++) {
		const struct inlay_nic_program *p = &report->programs[i];

		fprintf(out, "%s, section %s: %u instructions, %u bytes of stack, ", p->name,
			p->section, p->n_insns, p->stack_bytes);
		if (p->packet_reach == 0xffff)
			fputs("reaches further into the packet than could be followed\n", out);
		else
			fprintf(out, "reaches %u bytes into the packet\n", p->packet_reach);
	}
	print_refused(report, out);
	print_depends(report, out);
	fprintf(out, "\nNot to be told from an object:\n");
	for (size_t i = 0; i < INLAY_NIC_N_RULES; i++)
		if (inlay_nic_rules[i].how == INLAY_NIC_HOW_NOT)
			fprintf(out, "  %s: %s: %s\n", inlay_nic_rules[i].id,
				inlay_nic_rules[i].text, inlay_nic_rules[i].advice);
}

static json_t *finding_json(const struct inlay_nic_finding *f)
{
	const struct inlay_nic_rule_info *rule = &inlay_nic_rules[f->rule];
	json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "rule", rule->id, "level",
			      f->level == INLAY_NIC_REFUSED ? "refused" : "depends", "how",
			      how_name(rule->how), "where", f->function, "detail", f->detail,
			      "text", rule->text, "advice", rule->advice);

	if (o && f->insn >= 0)
		json_object_set_new(o, "instruction", json_integer(f->insn));
	if (o && *f->file) {
		json_object_set_new(o, "file", json_string(f->file));
		json_object_set_new(o, "line", json_integer(f->line));
	}
	return o;
}

static json_t *program_json(const struct inlay_nic_program *p)
{
	return json_pack("{s:s, s:s, s:I, s:I, s:I}", "name", p->name, "section", p->section,
			 "instructions", (json_int_t)p->n_insns, "stack_bytes",
			 (json_int_t)p->stack_bytes, "packet_reach_bytes",
			 (json_int_t)p->packet_reach);
}

json_t *inlay_nic_check_json(const struct inlay_nic_profile *profile, const char *name,
			     const struct inlay_nic_report *report)
{
	json_t *programs = json_array(), *findings = json_array(), *not_told = json_array();
	json_t *rules = json_object();
	bool whole = programs && findings && not_told && rules;

	for (size_t i = 0; whole && i < INLAY_NIC_N_RULES; i++)
		if (report->refused[i])
			whole = !json_object_set_new(rules, inlay_nic_rules[i].id,
						     json_integer(report->refused[i]));

	for (__u32 i = 0; whole && i < report->n_programs; i++)
		whole = !json_array_append_new(programs, program_json(&report->programs[i]));
	for (__u32 i = 0; whole && i < report->n_findings; i++)
		whole = !json_array_append_new(findings, finding_json(&report->findings[i]));
	for (size_t i = 0; whole && i < INLAY_NIC_N_RULES; i++)
		if (inlay_nic_rules[i].how == INLAY_NIC_HOW_NOT)
			whole = !json_array_append_new(not_told,
						       json_string(inlay_nic_rules[i].id));
	if (!whole) {
		json_decref(programs);
		json_decref(findings);
		json_decref(not_told);
		json_decref(rules);
		return NULL;
	}
	return json_pack("{s:i, s:s, s:s, s:b, s:I, s:o, s:o, s:o, s:o}", "version", 1, "object",
			 name, "profile", profile->name, "fits", !report->n_refused, "refused",
			 (json_int_t)report->n_refused, "rules", rules, "programs", programs,
			 "findings", findings, "not_told", not_told);
}

/* --- The command ------------------------------------------------------------------------------ */

/* At most one byte more than the checker takes. */
static int read_object(const char *file, void **ret_data, size_t *ret_len)
{
	const size_t room = INLAY_BPF_OBJECT_BYTES + 1;
	char *data = malloc(room);
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	int ret = fd < 0 ? -errno : data ? 0 : -ENOMEM;
	size_t len = 0;

	while (!ret && len < room) {
		ssize_t n = read(fd, data + len, room - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			ret = -errno;
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	if (fd >= 0)
		close(fd);
	if (ret) {
		free(data);
		return ret;
	}
	*ret_data = data;
	*ret_len = len;
	return 0;
}

static int report(const struct inlay_nic_profile *profile, const char *file, bool json,
		  const struct inlay_nic_report *report)
{
	json_t *o = json ? inlay_nic_check_json(profile, file, report) : NULL;

	if (json && !o) {
		fprintf(stderr, "inlayctl: no memory\n");
		return INLAY_EXIT_FAILED;
	}
	if (json) {
		json_dumpf(o, stdout, JSON_INDENT(2));
		putchar('\n');
		json_decref(o);
	} else {
		inlay_nic_check_print(profile, file, report, stdout);
	}
	return report->n_refused ? INLAY_EXIT_FAILED : 0;
}

static int check(const struct inlay_nic_profile *profile, const char *file, bool json)
{
	struct inlay_nic_report found;
	char err[INLAY_NIC_ERROR];
	void *data;
	size_t len;
	int ret = read_object(file, &data, &len);

	if (ret) {
		fprintf(stderr, "inlayctl: %s: %s\n", file, strerror(-ret));
		return INLAY_EXIT_FAILED;
	}
	ret = inlay_nic_check(profile, data, len, &found, err);
	free(data);
	if (ret) {
		fprintf(stderr, "inlayctl: %s: %s\n", file, err);
		return INLAY_EXIT_FAILED;
	}
	ret = report(profile, file, json, &found);
	inlay_nic_report_fini(&found);
	return ret;
}

int inlay_nic_check_run(int argc, char **argv)
{
	struct inlay_nic_profile *profile;
	const char *words[2] = {NULL, NULL};
	char err[INLAY_NIC_ERROR];
	bool json = false;
	int n = 0, ret;

	for (int i = 0; i < argc; i++) {
		if (!strcmp(argv[i], "--json"))
			json = true;
		else if (argv[i][0] == '-' || n == 2)
			n = 3;
		else
			words[n++] = argv[i];
		if (n > 2)
			break;
	}
	if (n != 2) {
		fprintf(stderr, "inlayctl: nic check takes PROFILE OBJECT.bpf.o and --json; see "
				"inlayctl --help\n");
		return INLAY_EXIT_USAGE;
	}
	ret = inlay_nic_profile_find(words[0], &profile, err);
	if (ret) {
		fprintf(stderr, "inlayctl: %s\n", err);
		return INLAY_EXIT_USAGE;
	}
	ret = check(profile, words[1], json);
	inlay_nic_profile_free(profile);
	return ret;
}
