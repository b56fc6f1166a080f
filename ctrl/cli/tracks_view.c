/* SPDX-License-Identifier: BSD-2-Clause */
#include "tracks_view.h"

#include <stdbool.h>
#include <string.h>

#include "connections_view.h"

/* "3*,7?": connections; the one that is forwarded, and those that have not answered yet. */
static void put_publishers(FILE *f, const json_t *list)
{
	char text[64] = "-";
	const json_t *one;
	size_t i, at = 0;

	json_array_foreach(list, i, one)
	{
		int n = snprintf(text + at, sizeof(text) - at, "%s%lld%s", i ? "," : "",
				 (long long)inlay_control_number(one, "connection"),
				 !json_is_true(json_object_get(one, "established")) ? "?"
				 : json_is_true(json_object_get(one, "fast"))	    ? "*"
										    : "");

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
	if (json_is_true(json_object_get(o, "fast")))
		fprintf(f, " %5lld", (long long)inlay_control_number(o, "fast_subscribers"));
	else
		fprintf(f, " %5s", "-");
	fprintf(f, " %5lld", (long long)inlay_control_number(o, "slots"));
	put_largest(f, o);
	fprintf(f, " %5s %6lld", cache, (long long)inlay_control_number(o, "cache_groups"));
	fprintf(f, " %s\n", inlay_control_text(o, "name"));
}

void inlay_tracks_print(FILE *f, const json_t *list)
{
	const json_t *one;
	size_t i;

	fprintf(f, "%6s %-10s %-9s %5s %5s %5s %12s %5s %6s %s\n", "NUMBER", "STATE", "PUBS",
		"SUBS", "FAST", "SLOTS", "LARGEST", "CACHE", "GROUPS", "NAME");
	json_array_foreach(list, i, one) print_one(f, one);
}

/* --- why ---------------------------------------------------------------------------------------
 */

/* "title    NAME  text", and what to do about it in a line of its own. */
static void put_reason(FILE *f, const char *title, const json_t *o)
{
	if (!o)
		return;
	fprintf(f, "%-14s%s: %s\n", title, inlay_control_text(o, "reason"),
		inlay_control_text(o, "text"));
	fprintf(f, "%-14s%s\n", "", inlay_control_text(o, "advice"));
}

static void put_number(FILE *f, const json_t *o, const char *name, int width)
{
	if (json_object_get(o, name))
		fprintf(f, " %*lld", width, (long long)inlay_control_number(o, name));
	else
		fprintf(f, " %*s", width, "-");
}

static void print_streams(FILE *f, const json_t *list)
{
	const json_t *one, *why;
	size_t i;

	if (!json_array_size(list)) {
		fprintf(f, "%-14snone\n", "streams now");
		return;
	}
	fprintf(f, "%10s %8s %-8s %-9s %6s %9s %8s %8s %s\n", "GROUP", "SUBGROUP", "STATE", "LEG",
		"STREAM", "ARRIVED", "ATTACHED", "DETACHED", "REASON");
	json_array_foreach(list, i, one)
	{
		put_number(f, one, "group", 9);
		put_number(f, one, "subgroup", 8);
		fprintf(f, " %-8s %-9s", inlay_control_text(one, "state"),
			inlay_control_text(one, "leg"));
		put_number(f, one, "stream", 6);
		put_number(f, one, "arrived_bytes", 9);
		put_number(f, one, "attached_at", 8);
		put_number(f, one, "detached_at", 8);
		why = json_object_get(one, "detached");
		fprintf(f, " %s\n", why ? inlay_control_text(why, "reason") : "-");
	}
}

static void print_subscriber(FILE *f, const json_t *o)
{
	const json_t *why = json_object_get(o, "why_not");
	bool fast = json_is_true(json_object_get(o, "fast"));

	fprintf(f, "%-14sconnection %lld, %s, request %lld, %s\n", "subscriber",
		(long long)inlay_control_number(o, "connection"), inlay_control_text(o, "remote"),
		(long long)inlay_control_number(o, "request"), inlay_control_text(o, "state"));
	if (fast)
		fprintf(f, "%-14syes: %lld copies so far, and %lld of %zu streams now\n",
			"served fast", (long long)inlay_control_number(o, "copies"),
			(long long)inlay_control_number(o, "streams_lent"),
			json_array_size(json_object_get(o, "streams")));
	else if (why)
		put_reason(f, "not fast", why);
	else
		fprintf(f, "%-14snot yet\n", "served fast");
	put_reason(f, "last refusal", json_object_get(o, "last_not_sent"));
	put_reason(f, "last detached", json_object_get(o, "last_detached"));
	print_streams(f, json_object_get(o, "streams"));
}

void inlay_tracks_print_why(FILE *f, const json_t *answer)
{
	const json_t *track = json_object_get(answer, "track"), *one;
	size_t i;

	fprintf(f, "%-14s%s (number %lld): %s, %lld of %lld subscribers served fast\n", "track",
		inlay_control_text(track, "name"), (long long)inlay_control_number(track, "number"),
		inlay_control_text(track, "state"),
		(long long)inlay_control_number(track, "fast_subscribers"),
		(long long)inlay_control_number(track, "subscribers"));
	json_array_foreach(json_object_get(answer, "subscribers"), i, one) print_subscriber(f, one);
}

int inlay_tracks_run_why(const char *path, int argc, char **argv)
{
	bool json = argc == 3 && !strcmp(argv[2], "--json");

	if (argc != 2 && !json) {
		fprintf(stderr, "inlayctl: why takes the name or number of a track (see inlayctl "
				"tracks), the number or address of a connection (see inlayctl "
				"connections), and --json or nothing\n");
		return INLAY_EXIT_USAGE;
	}
	return inlay_control_show(
		inlay_control_ask(path, "why",
				  json_pack("{s:s, s:s}", "track", argv[0], "subscriber", argv[1])),
		json, inlay_tracks_print_why);
}

/* --- All of them --------------------------------------------------------------------------------
 */

static void print_tracks(FILE *f, const json_t *answer)
{
	inlay_tracks_print(f, json_object_get(answer, "tracks"));
}

int inlay_tracks_run(const char *path, int argc, char **argv)
{
	bool json = argc == 1 && !strcmp(argv[0], "--json");

	if (argc > 1 || (argc == 1 && !json)) {
		fprintf(stderr, "inlayctl: tracks takes --json or nothing, not '%s'\n", argv[0]);
		return INLAY_EXIT_USAGE;
	}
	return inlay_control_show(
		json_pack("{s:o}", "tracks", inlay_control_ask_all(path, "tracks", "number", NULL)),
		json, print_tracks);
}
