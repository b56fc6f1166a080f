/* SPDX-License-Identifier: BSD-2-Clause */
#include "profile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profile_schema.h"
#include "yaml_file.h"

/* What a profile is made from, on its way. */
struct taking {
	struct inlay_nic_profile *profile;
	const struct inlay_raw_profile *raw;
	const struct inlay_yaml_index *index;
	struct inlay_yaml_complaint *complaint;
};

/* --- Values ----------------------------------------------------------------------------------- */

/* The schema bounds every text by the room that it goes to. */
#define TAKE_TEXT(to, from) snprintf(to, sizeof(to), "%s", (from) ? (from) : "")

static void take_value(struct inlay_nic_value *to, const struct inlay_raw_value *from)
{
	to->answer = (enum inlay_nic_answer)from->value;
	TAKE_TEXT(to->source, from->source);
}

static void take_limit(struct inlay_nic_limit *to, const struct inlay_raw_limit *from)
{
	TAKE_TEXT(to->source, from->source);
	if (!strcmp(from->value, "unknown")) {
		to->kind = INLAY_NIC_LIMIT_UNKNOWN;
	} else if (!strcmp(from->value, "none")) {
		to->kind = INLAY_NIC_LIMIT_NONE;
	} else if (!strcmp(from->value, "ask")) {
		to->kind = INLAY_NIC_LIMIT_ASK;
	} else {
		to->kind = INLAY_NIC_LIMIT_NUMBER;
		to->number = strtoll(from->value, NULL, 10);
	}
}

static size_t take_texts(char *to, size_t room, size_t most, const struct inlay_raw_texts *from)
{
	size_t n = 0;

	for (unsigned int i = 0; i < from->list_count && n < most; i++)
		snprintf(to + room * n++, room, "%s", from->list[i]);
	return n;
}

#define TAKE_TEXTS(to, from) take_texts(*(to), sizeof((to)[0]), INLAY_ARRAY_SIZE(to), from)

static size_t take_numbers(__s64 to[INLAY_NIC_FIELDS], const struct inlay_raw_numbers *from)
{
	size_t n = 0;

	for (unsigned int i = 0; i < from->list_count && n < INLAY_NIC_FIELDS; i++)
		to[n++] = from->list[i];
	return n;
}

/* --- Sections --------------------------------------------------------------------------------- */

/* "vendor:device", each of one to four hexadecimal digits. */
static bool parse_pci(const char *text, __u16 *ret_vendor, __u16 *ret_device)
{
	static const char digits[] = "0123456789abcdefABCDEF";
	size_t vendor = strspn(text, digits);
	size_t device = text[vendor] == ':' ? strspn(text + vendor + 1, digits) : 0;

	if (!vendor || vendor > 4 || !device || device > 4 || text[vendor + 1 + device])
		return false;
	*ret_vendor = (__u16)strtoul(text, NULL, 16);
	*ret_device = (__u16)strtoul(text + vendor + 1, NULL, 16);
	return true;
}

static int take_match(struct taking *t)
{
	const struct inlay_raw_match *raw = &t->raw->match;
	struct inlay_nic_match *m = &t->profile->match;

	m->n_drivers = TAKE_TEXTS(m->drivers, &raw->drivers);
	m->n_boards = TAKE_TEXTS(m->boards, &raw->boards);
	TAKE_TEXT(m->firmware, raw->firmware);
	for (unsigned int i = 0; i < raw->pci.list_count && m->n_pci < INLAY_NIC_PCI_IDS; i++) {
		if (!parse_pci(raw->pci.list[i], &m->pci[m->n_pci].vendor,
			       &m->pci[m->n_pci].device))
			return inlay_yaml_complain(t->index, "match.pci", t->complaint,
						   "'%s' is not vendor:device, such as 8086:1592",
						   raw->pci.list[i]);
		m->n_pci++;
	}
	return 0;
}

static void take_prefer(struct inlay_nic_profile *p, const struct inlay_raw_profile *raw)
{
	for (unsigned int i = 0; i < raw->prefer_count && p->n_prefer < INLAY_NIC_CHOICES; i++) {
		const struct inlay_raw_choice *from = &raw->prefer[i];
		struct inlay_nic_choice *to = &p->prefer[p->n_prefer++];

		to->placement = (enum inlay_nic_placement)from->placement;
		to->hook = (enum inlay_nic_hook)from->hook;
		to->provider = (enum inlay_nic_provider)from->provider;
		for (unsigned int j = 0; j < from->needs_count && j < INLAY_NIC_NEEDS; j++)
			to->needs[to->n_needs++] = (enum inlay_nic_capability)from->needs[j];
		TAKE_TEXT(to->why, from->why);
	}
}

static int take_opcodes(struct taking *t)
{
	const struct inlay_raw_texts *raw = &t->raw->ebpf->opcodes;
	bool *opcodes = t->profile->ebpf.opcodes;

	if (!raw->list)
		memset(opcodes, true, 256 * sizeof(*opcodes));
	for (unsigned int i = 0; i < raw->list_count; i++) {
		const char *text = raw->list[i];
		size_t digits =
			strncmp(text, "0x", 2) ? 0 : strspn(text + 2, "0123456789abcdefABCDEF");

		if (digits != 2 || text[4])
			return inlay_yaml_complain(t->index, "ebpf.opcodes", t->complaint,
						   "'%s' is not an opcode, such as 0x07", text);
		opcodes[strtoul(text, NULL, 16)] = true;
	}
	return 0;
}

static void take_helpers(struct inlay_nic_ebpf *e, const struct inlay_raw_ebpf *raw)
{
	for (unsigned int i = 0; i < raw->helpers_count && e->n_helpers < INLAY_NIC_HELPERS; i++) {
		struct inlay_nic_helper *to = &e->helpers[e->n_helpers++];

		TAKE_TEXT(to->name, raw->helpers[i].name);
		to->value.answer = (enum inlay_nic_answer)raw->helpers[i].value;
		TAKE_TEXT(to->value.source, raw->helpers[i].source);
	}
}

static int take_ebpf(struct taking *t)
{
	const struct inlay_raw_ebpf *raw = t->raw->ebpf;
	struct inlay_nic_ebpf *e = &t->profile->ebpf;

	if (!raw)
		return 0;
	t->profile->has_ebpf = true;
	TAKE_TEXT(e->source, raw->source);
	for (unsigned int i = 0; i < raw->programs.list_count; i++) {
		e->programs_xdp |= !strcmp(raw->programs.list[i], "xdp");
		e->programs_tc |= !strcmp(raw->programs.list[i], "sched_cls");
	}
	e->n_map_types = TAKE_TEXTS(e->map_types, &raw->map_types);
	e->n_xdp_reads = TAKE_TEXTS(e->xdp_reads, &raw->xdp_reads);
	e->n_tc_reads = TAKE_TEXTS(e->tc_reads, &raw->tc_reads);
	e->n_rules = TAKE_TEXTS(e->rules, &raw->rules);
	e->n_xdp_returns = take_numbers(e->xdp_returns, &raw->xdp_returns);
	e->n_tc_returns = take_numbers(e->tc_returns, &raw->tc_returns);
	take_helpers(e, raw);
#define ANSWER(name, ...) take_value(&e->name, &raw->name);
#define LIMIT(name, ...)  take_limit(&e->name, &raw->name);
	INLAY_NIC_EBPF_ANSWERS(ANSWER)
	INLAY_NIC_EBPF_LIMITS(LIMIT)
#undef ANSWER
#undef LIMIT
	return take_opcodes(t);
}

static int take(struct taking *t)
{
	struct inlay_nic_profile *p = t->profile;
	int ret;

	TAKE_TEXT(p->name, t->raw->name);
	TAKE_TEXT(p->title, t->raw->title);
	TAKE_TEXT(p->notes, t->raw->notes);
#define ANSWER(name, ...) take_value(&p->caps[INLAY_NIC_CAP_##name], &t->raw->capabilities.name);
	INLAY_NIC_CAPABILITIES(ANSWER)
#undef ANSWER
	take_prefer(p, t->raw);
	ret = take_match(t);
	return ret ? ret : take_ebpf(t);
}

/* --- Loading ---------------------------------------------------------------------------------- */

static int parse(const char *text, size_t len, struct inlay_nic_profile *profile,
		 struct inlay_yaml_complaint *complaint)
{
	struct inlay_raw_profile *raw = NULL;
	struct inlay_yaml_index index;
	int ret = inlay_yaml_load(text, len, &inlay_nic_options, &inlay_nic_schema, (void **)&raw,
				  &index, complaint);

	if (ret)
		return ret;
	if (raw) {
		ret = take(&(struct taking){
			.profile = profile, .raw = raw, .index = &index, .complaint = complaint});
	} else {
		snprintf(complaint->text, sizeof(complaint->text), "empty");
		ret = -EINVAL;
	}
	inlay_yaml_unload(&inlay_nic_schema, raw);
	inlay_yaml_index_fini(&index);
	return ret;
}

int inlay_nic_profile_parse(const char *name, const char *text, size_t len,
			    struct inlay_nic_profile **ret_profile, char err[INLAY_NIC_ERROR])
{
	struct inlay_yaml_complaint complaint = {0};
	struct inlay_nic_profile *profile = calloc(1, sizeof(*profile));
	int ret = -ENOMEM;

	if (profile)
		ret = parse(text, len, profile, &complaint);
	else
		snprintf(complaint.text, sizeof(complaint.text), "out of memory");
	if (ret) {
		inlay_yaml_describe(name, &complaint, err, INLAY_NIC_ERROR);
		inlay_nic_profile_free(profile);
		return ret;
	}
	*ret_profile = profile;
	return 0;
}

int inlay_nic_profile_load(const char *file, struct inlay_nic_profile **ret_profile,
			   char err[INLAY_NIC_ERROR])
{
	size_t len;
	char *text;
	int ret = inlay_yaml_read(file, &text, &len);

	if (ret) {
		snprintf(err, INLAY_NIC_ERROR, "%.400s: %s", file, strerror(-ret));
		return ret;
	}
	ret = inlay_nic_profile_parse(file, text, len, ret_profile, err);
	free(text);
	return ret;
}

void inlay_nic_profile_free(struct inlay_nic_profile *profile)
{
	free(profile);
}

/* --- Words ------------------------------------------------------------------------------------ */

const char *inlay_nic_answer_name(enum inlay_nic_answer answer)
{
	static const char *const names[] = {"unknown", "no", "yes", "ask"};

	return names[answer];
}

const char *inlay_nic_placement_name(enum inlay_nic_placement placement)
{
	static const char *const names[] = {"conventional", "user", "kernel", "nic"};

	return names[placement];
}

const char *inlay_nic_hook_name(enum inlay_nic_hook hook)
{
	static const char *const names[] = {"socket",	  "tc",		 "xdp-generic",
					    "xdp-native", "xdp-offload", "tc-offload",
					    "af-xdp",	  "dpdk"};

	return names[hook];
}

const char *inlay_nic_provider_name(enum inlay_nic_provider provider)
{
	static const char *const names[] = {"local", "softnic", "driver"};

	return names[provider];
}

static const struct {
	const char *name, *question, *text;
} caps[] = {
#define ANSWER(name, question, text) {#name, question, text},
	INLAY_NIC_CAPABILITIES(ANSWER)
#undef ANSWER
};

const char *inlay_nic_cap_name(enum inlay_nic_capability cap)
{
	return caps[cap].name;
}

const char *inlay_nic_cap_text(enum inlay_nic_capability cap)
{
	return caps[cap].text;
}

const char *inlay_nic_cap_question(enum inlay_nic_capability cap)
{
	return caps[cap].question;
}
