/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * docs/man/inlay-nic-profile.5 has every field of a profile and every rule of the checker, as the
 * tables in the sources have them.
 * usage: nic_document_test PAGE [--write]
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

/* --- In the page -------------------------------------------------------------------------------
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
	const char *from, *to;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	snprintf(begin, sizeof(begin), ".\\\" %s: begin\n", name);
	snprintf(end, sizeof(end), ".\\\" %s: end\n", name);
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

int main(int argc, char **argv)
{
	char *page, *fields, *whole;
	bool same;

	if (argc < 2)
		return 2;
	page = read_page(argv[1]);
	fields = with_part(page, "fields", print_fields);
	whole = with_part(fields, "rules", print_rules);
	same = !strcmp(page, whole);
	if (argc == 3 && !strcmp(argv[2], "--write")) {
		FILE *f = fopen(argv[1], "w");

		if (!f || fputs(whole, f) < 0 || fclose(f))
			return 1;
		same = true;
	}
	printf("1..1\n%s 1 - the manual page has every field and rule as the sources have them\n",
	       same ? "ok" : "not ok");
	if (!same)
		printf("# write it anew: %s %s --write\n", argv[0], argv[1]);
	free(page);
	free(fields);
	free(whole);
	return same ? 0 : 1;
}
