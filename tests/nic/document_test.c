/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What documents say is what the sources say: the fields of a profile and the rules of the checker
 * in docs/man/inlay-nic-profile.5, and what the shipped profiles say of cards in docs/nics.md.
 * usage: nic_document_test fields|cards DOCUMENT [--write]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "profile_schema.h"

#define ROOM (1u << 18)

/* --- From the tables ---------------------------------------------------------------------------
 */

static const struct inlay_yaml_option *option(const char *section, const char *key)
{
	for (size_t i = 0; i < inlay_nic_options.n; i++) {
		const char *path = inlay_nic_options.options[i].path;
		size_t len = strlen(section);

		if (!strncmp(path, section, len) && path[len] == '.' &&
		    !strcmp(path + len + 1, key))
			return &inlay_nic_options.options[i];
	}
	return NULL;
}

static void print_choices(const struct inlay_yaml_option *o, FILE *out)
{
	/* Long lists of words stand elsewhere in the page. */
	if (o->n_choices > 8)
		return;
	fputs(" of ", out);
	for (size_t i = 0; i < o->n_choices; i++)
		fprintf(out, "%s%s", i ? ", " : "", o->choices[i].str);
}

static void print_type(const struct inlay_yaml_option *o, FILE *out)
{
	static const char *const names[] = {
		[INLAY_YAML_TYPE_SECTION] = "section",
		[INLAY_YAML_TYPE_NUMBER] = "number",
		[INLAY_YAML_TYPE_TEXT] = "text",
		[INLAY_YAML_TYPE_CHOICE] = "one",
		[INLAY_YAML_TYPE_LIMIT] = "limit",
		[INLAY_YAML_TYPE_TEXT_LIST] = "list of texts",
		[INLAY_YAML_TYPE_CHOICE_LIST] = "list",
		[INLAY_YAML_TYPE_NUMBER_LIST] = "list of numbers",
		[INLAY_YAML_TYPE_SECTION_LIST] = "list of sections",
	};
	const struct inlay_yaml_option *value = option(o->path, "value");

	if (o->type == INLAY_YAML_TYPE_SECTION && value)
		fputs(value->type == INLAY_YAML_TYPE_LIMIT ? "limit" : "answer", out);
	else
		fputs(names[o->type], out);
	if (o->type == INLAY_YAML_TYPE_CHOICE || o->type == INLAY_YAML_TYPE_CHOICE_LIST)
		print_choices(o, out);
	if (!o->required)
		fputs(", optional", out);
}

static void print_fields(FILE *out)
{
	for (size_t i = 0; i < inlay_nic_options.n; i++) {
		const struct inlay_yaml_option *o = &inlay_nic_options.options[i];

		if (!o->text) /* value and source: of every answer and limit */
			continue;
		fprintf(out, ".TP\n\\fB%s\\fR: ", o->path);
		print_type(o, out);
		fprintf(out, "\n%s.\n", o->text);
	}
}

static void print_rules(FILE *out)
{
	static const char *const hows[] = {"", ", approximate", ", not decided"};
	static const char *const whens[] = {"every device", "by a field", "where listed"};

	for (size_t i = 0; i < INLAY_NIC_N_RULES; i++) {
		const struct inlay_nic_rule_info *r = &inlay_nic_rules[i];

		fprintf(out, ".TP\n\\fB%s\\fR: %s%s\n%s.\n%s.\n", r->id, whens[r->when],
			hows[r->how], r->text, r->advice);
	}
}

/* --- From the profiles -------------------------------------------------------------------------
 */

static struct inlay_nic_profiles profiles;

static void print_cards(FILE *out)
{
	fputs("| |", out);
	for (size_t i = 0; i < profiles.n; i++)
		fprintf(out, " %s |", profiles.list[i]->name);
	fputs("\n| --- |", out);
	for (size_t i = 0; i < profiles.n; i++)
		fputs(" --- |", out);
	for (int cap = 0; cap < INLAY_NIC_N_CAPS; cap++) {
		fprintf(out, "\n| `%s`: %s |", inlay_nic_cap_name(cap), inlay_nic_cap_text(cap));
		for (size_t i = 0; i < profiles.n; i++) {
			enum inlay_nic_answer answer = profiles.list[i]->caps[cap].answer;

			fprintf(out, " %s |",
				answer == INLAY_NIC_UNKNOWN ? "?" : inlay_nic_answer_name(answer));
		}
	}
	fputs("\n| runs eBPF itself |", out);
	for (size_t i = 0; i < profiles.n; i++)
		fprintf(out, " %s |", profiles.list[i]->has_ebpf ? "yes" : "no");
	fputs("\n", out);
}

static void print_uses(FILE *out)
{
	for (size_t i = 0; i < profiles.n; i++) {
		const struct inlay_nic_profile *p = profiles.list[i];

		fprintf(out, "* **%s** (`%s`):", p->title, p->name);
		for (size_t j = 0; j < p->n_prefer; j++) {
			const struct inlay_nic_choice *c = &p->prefer[j];

			fprintf(out, "%s %s by %s, provider %s", j ? ";" : "",
				inlay_nic_placement_name(c->placement),
				inlay_nic_hook_name(c->hook), inlay_nic_provider_name(c->provider));
			for (size_t k = 0; k < c->n_needs; k++)
				fprintf(out, "%s`%s`", k ? ", " : " if ",
					inlay_nic_cap_name(c->needs[k]));
		}
		fputs("\n", out);
	}
}

/* --- In the document
 * -------------------------------------------------------------------------------
 */

static char *read_page(const char *path)
{
	char *text = calloc(1, ROOM);
	FILE *f = fopen(path, "r");

	if (!text || !f || !fread(text, 1, ROOM - 1, f)) {
		fprintf(stderr, "%s cannot be read\n", path);
		exit(1);
	}
	fclose(f);
	return text;
}

/* The part of the page between two marks made what |print| prints. */
static char *with_part(const char *page, const char *name, void (*print)(FILE *out))
{
	char begin[64], end[64], *text = NULL;
	bool is_page = strstr(page, ".TH ");
	const char *from, *to;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	snprintf(begin, sizeof(begin), is_page ? ".\\\" %s: begin\n" : "<!-- %s: begin -->\n",
		 name);
	snprintf(end, sizeof(end), is_page ? ".\\\" %s: end\n" : "<!-- %s: end -->\n", name);
	from = strstr(page, begin);
	to = strstr(page, end);
	if (!out || !from || !to || to < from) {
		fprintf(stderr, "the page has no part '%s'\n", name);
		exit(1);
	}
	from += strlen(begin);
	fwrite(page, 1, (size_t)(from - page), out);
	print(out);
	fputs(to, out);
	fclose(out);
	return text;
}

static int write_page(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	return !f || fputs(text, f) < 0 || fclose(f) ? 1 : 0;
}

int main(int argc, char **argv)
{
	char err[INLAY_NIC_ERROR], *page, *half, *whole;
	bool cards, same;

	if (argc < 3)
		return 2;
	cards = !strcmp(argv[1], "cards");
	if (cards && inlay_nic_profiles_load(NULL, &profiles, err)) {
		fprintf(stderr, "%s\n", err);
		return 1;
	}
	page = read_page(argv[2]);
	half = with_part(page, cards ? "cards" : "fields", cards ? print_cards : print_fields);
	whole = with_part(half, cards ? "uses" : "rules", cards ? print_uses : print_rules);
	same = !strcmp(page, whole);
	if (argc == 4 && !strcmp(argv[3], "--write"))
		same = !write_page(argv[2], whole);
	printf("1..1\n%s 1 - the document says what the %s say\n", same ? "ok" : "not ok",
	       cards ? "profiles" : "tables");
	if (!same)
		printf("# write it anew: %s %s %s --write\n", argv[0], argv[1], argv[2]);
	free(page);
	free(half);
	free(whole);
	inlay_nic_profiles_fini(&profiles);
	return same ? 0 : 1;
}
