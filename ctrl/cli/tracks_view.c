/* SPDX-License-Identifier: BSD-2-Clause */
#include "tracks_view.h"

#include <stdbool.h>
#include <string.h>

#include "connections_view.h"

#define PAGES_MAX 100000 /* a daemon that never ends is not believed */

/* "3 7?": connections; those that have not answered yet are doubtful. */
static void put_publishers(FILE *f, const json_t *list)
{
	char text[64] = "-";
	const json_t *one;
	size_t i, at = 0;

	json_array_foreach(list, i, one)
	{
		int n = snprintf(text + at, sizeof(text) - at, "%s%lld%s", i ? "," : "",
				 (long long)inlay_control_number(one, "connection"),
				 json_is_true(json_object_get(one, "established")) ? "" : "?");

		if (n < 0 || (size_t)n >= sizeof(text) - at)
			break;
		at += (size_t)n;
	}
	fprintf(f, " %-9s", text);
}

static void put_largest(FILE *f, const json_t *o)
{
	char text[48] = "-";

	if (json_object_get(o, "largest_group"))
		snprintf(text, sizeof(text), "%lld/%lld",
			 (long long)inlay_control_number(o, "largest_group"),
			 (long long)inlay_control_number(o, "largest_object"));
	fprintf(f, " %12s", text);
}

static void print_one(FILE *f, const json_t *o)
{
	char cache[8];

	inlay_connections_human((double)inlay_control_number(o, "cache_bytes"), cache);
	fprintf(f, "%6lld %-10s", (long long)inlay_control_number(o, "number"),
		inlay_control_text(o, "state"));
	put_publishers(f, json_object_get(o, "publishers"));
	fprintf(f, " %5lld", (long long)inlay_control_number(o, "subscribers"));
	put_largest(f, o);
	fprintf(f, " %5s %6lld", cache, (long long)inlay_control_number(o, "cache_groups"));
	fprintf(f, " %s\n", inlay_control_text(o, "name"));
}

void inlay_tracks_print(FILE *f, const json_t *list)
{
	const json_t *one;
	size_t i;

	fprintf(f, "%6s %-10s %-9s %5s %12s %5s %6s %s\n", "NUMBER", "STATE", "PUBS", "SUBS",
		"LARGEST", "CACHE", "GROUPS", "NAME");
	json_array_foreach(list, i, one) print_one(f, one);
}

/* Page after page. NULL: said why. */
static json_t *fetch(const char *path)
{
	json_t *all = json_array();
	json_int_t after = 0;
	bool more = true;

	for (int page = 0; more && all && page < PAGES_MAX; page++) {
		json_t *answer =
			inlay_control_ask(path, "tracks", json_pack("{s:I}", "after", after));
		const json_t *list = json_object_get(answer, "tracks");
		size_t n = json_array_size(list);

		more = json_is_true(json_object_get(answer, "more")) && n > 0;
		if (n > 0)
			after = inlay_control_number(json_array_get(list, n - 1), "number");
		if (!answer || json_array_extend(all, (json_t *)list)) {
			json_decref(all);
			all = NULL;
		}
		json_decref(answer);
	}
	return all;
}

int inlay_tracks_run(const char *path, int argc, char **argv)
{
	bool json = argc == 1 && !strcmp(argv[0], "--json");
	json_t *list;

	if (argc > 1 || (argc == 1 && !json)) {
		fprintf(stderr, "inlayctl: tracks takes --json or nothing, not '%s'\n", argv[0]);
		return INLAY_EXIT_USAGE;
	}
	list = fetch(path);
	if (!list)
		return INLAY_EXIT_FAILED;
	if (json) {
		list = json_pack("{s:o}", "tracks", list);
		json_dumpf(list, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		inlay_tracks_print(stdout, list);
	}
	json_decref(list);
	return 0;
}
