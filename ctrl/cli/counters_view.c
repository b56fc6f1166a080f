/* SPDX-License-Identifier: BSD-2-Clause */
#include "counters_view.h"

#include <string.h>

/* "endpoint 12, forwarder 3": the members of |one| that count, and are not zero. */
static void put_parts(FILE *f, const json_t *one)
{
	const char *name, *before = "";
	json_t *value;

	json_object_foreach((json_t *)one, name, value)
	{
		if (!json_is_integer(value) || !strcmp(name, "total") || !json_integer_value(value))
			continue;
		fprintf(f, "%s%s %lld", before, name, (long long)json_integer_value(value));
		before = ", ";
	}
}

static bool print_reasons(FILE *f, const json_t *list, bool all)
{
	const json_t *one;
	bool any = false;
	size_t i;

	json_array_foreach(list, i, one)
	{
		json_int_t total = inlay_control_number(one, "total");

		if (!total && !all)
			continue;
		if (!any)
			fprintf(f, "%12s  %-18s %s\n", "COUNT", "REASON", "MEANING (WHERE)");
		any = true;
		fprintf(f, "%12lld  %-18s %s", (long long)total, inlay_control_text(one, "reason"),
			inlay_control_text(one, "text"));
		if (total) {
			fputs(" (", f);
			put_parts(f, one);
			fputc(')', f);
		}
		fputc('\n', f);
	}
	return any;
}

static bool print_resets(FILE *f, const json_t *list, bool all)
{
	const json_t *one;
	bool any = false;
	size_t i;

	json_array_foreach(list, i, one)
	{
		json_int_t count = inlay_control_number(one, "count");

		if (!count && !all)
			continue;
		if (!any)
			fprintf(f, "%12s  %-18s %s\n", "STREAMS", "RESET BY RULE", "MEANING");
		any = true;
		fprintf(f, "%12lld  %-18s %s\n", (long long)count, inlay_control_text(one, "rule"),
			inlay_control_text(one, "text"));
	}
	return any;
}

void inlay_counters_print(FILE *f, const json_t *answer, bool all)
{
	bool any = print_reasons(f, json_object_get(answer, "reasons"), all);

	any |= print_resets(f, json_object_get(answer, "stream_resets"), all);
	if (!any)
		fputs("nothing was dropped, declined or reset\n", f);
}

static void print_occurred(FILE *f, const json_t *answer)
{
	inlay_counters_print(f, answer, false);
}

static void print_all(FILE *f, const json_t *answer)
{
	inlay_counters_print(f, answer, true);
}

int inlay_counters_run(const char *path, int argc, char **argv)
{
	bool json = false, all = false;

	for (int i = 0; i < argc; i++) {
		json |= !strcmp(argv[i], "--json");
		all |= !strcmp(argv[i], "--all");
		if (!strcmp(argv[i], "--json") || !strcmp(argv[i], "--all"))
			continue;
		fprintf(stderr, "inlayctl: counters takes --all and --json, not '%s'\n", argv[i]);
		return INLAY_EXIT_USAGE;
	}
	return inlay_control_show(inlay_control_ask(path, "counters", NULL), json,
				  all ? print_all : print_occurred);
}
