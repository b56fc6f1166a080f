/* SPDX-License-Identifier: BSD-2-Clause */
#include "connections_view.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define IDS_MAX 64 /* on a command line; the daemon takes requests of 4 KiB */

/* --- A line ------------------------------------------------------------------------------------
 */

void inlay_connections_human(double value, char ret_text[8])
{
	static const char units[] = "\0kMGTP";
	size_t unit = 0;

	while (value >= 999.5 && unit + 2 < sizeof(units)) {
		value /= 1000;
		unit++;
	}
	if (value > 9999)
		value = 9999;
	snprintf(ret_text, 8, unit && value < 9.95 ? "%.1f%c" : "%.0f%c", value, units[unit]);
}

/* Right-aligned in five places, with a space before. */
static void put_human(FILE *f, double value)
{
	char text[8];

	inlay_connections_human(value, text);
	fprintf(f, " %5s", text);
}

static void put_ms(FILE *f, json_int_t us)
{
	fprintf(f, us < 99950 ? " %5.1f" : " %5.0f", (double)us / 1000);
}

static void put_age(FILE *f, json_int_t ms)
{
	json_int_t s = ms / 1000;
	char text[24];

	if (s < 60)
		snprintf(text, sizeof(text), "%llds", (long long)s);
	else if (s < 3600)
		snprintf(text, sizeof(text), "%lldm%02llds", (long long)(s / 60),
			 (long long)(s % 60));
	else if (s < 86400)
		snprintf(text, sizeof(text), "%lldh%02lldm", (long long)(s / 3600),
			 (long long)(s / 60 % 60));
	else
		snprintf(text, sizeof(text), "%lldd%02lldh", (long long)(s / 86400),
			 (long long)(s / 3600 % 24));
	fprintf(f, " %6s", text);
}

static void put_loss(FILE *f, const json_t *o)
{
	double sent = (double)inlay_control_number(o, "packets_sent");
	double lost = (double)inlay_control_number(o, "packets_lost");

	fprintf(f, " %5.2f", sent > 0 ? 100 * lost / sent : 0);
}

static void put_path(FILE *f, const json_t *o)
{
	put_ms(f, inlay_control_number(o, "srtt_us"));
	put_ms(f, inlay_control_number(o, "min_rtt_us"));
	put_human(f, (double)inlay_control_number(o, "cwnd"));
	put_human(f, (double)inlay_control_number(o, "bytes_in_flight"));
	put_human(f, (double)inlay_control_number(o, "bandwidth_bps"));
	/* Nothing has filled it lately: it may carry more. */
	fputc(json_is_true(json_object_get(o, "app_limited")) ? '+' : ' ', f);
	put_loss(f, o);
	put_human(f, (double)inlay_control_number(o, "packets_spurious"));
	put_human(f, (double)inlay_control_number(o, "ptos"));
	fprintf(f, " %5lld", (long long)inlay_control_number(o, "mtu"));
	fprintf(f, " %-7s", inlay_control_text(o, "ecn"));
	fprintf(f, " %4lld", (long long)inlay_control_number(o, "key_updates"));
	fprintf(f, " %5lld", (long long)inlay_control_number(o, "path_changes"));
	fprintf(f, " %-7s", inlay_control_text(o, "congestion_control"));
	fprintf(f, " %s", inlay_control_text(o, "policy"));
	if (json_is_true(json_object_get(o, "qlog")))
		fputs(" qlog", f);
}

static void print_one(FILE *f, const json_t *o)
{
	const char *state = inlay_control_text(o, "state");

	fprintf(f, "%6lld %-21s %-6s %-11s", (long long)inlay_control_number(o, "id"),
		inlay_control_text(o, "remote"), inlay_control_text(o, "role"), state);
	if (strcmp(state, "handshake")) {
		put_age(f, inlay_control_number(o, "age_ms"));
		fprintf(f, " %4lld %4lld", (long long)inlay_control_number(o, "tracks_subscribed"),
			(long long)inlay_control_number(o, "tracks_published"));
		fprintf(f, " %4lld %4lld", (long long)inlay_control_number(o, "fast_positions"),
			(long long)inlay_control_number(o, "streams_lent"));
		put_human(f, (double)inlay_control_number(o, "copies"));
		put_path(f, o);
	}
	fputc('\n', f);
}

void inlay_connections_print(FILE *f, const json_t *list)
{
	const json_t *one;
	size_t i;

	fprintf(f,
		"%6s %-21s %-6s %-11s %6s %4s %4s %4s %4s %5s %5s %5s %5s %5s %5s  %5s %5s %5s %5s "
		"%-7s %4s "
		"%5s %-7s %s\n",
		"ID", "REMOTE", "ROLE", "STATE", "AGE", "SUBS", "PUBS", "FAST", "LENT", "COPS",
		"SRTT", "MIN", "CWND", "FLGHT", "BIT/S", "LOSS%", "SPUR", "PTOS", "MTU", "ECN",
		"KEYS", "PATHS", "CC", "POLICY");
	json_array_foreach(list, i, one) print_one(f, one);
}

/* --- All of them --------------------------------------------------------------------------------
 */

/* How many of |ids| are not in |list|; names them. */
static size_t name_missing(const json_t *list, const json_t *ids)
{
	const json_t *id, *one;
	size_t i, j, missing = 0;

	json_array_foreach(ids, i, id)
	{
		bool found = false;

		json_array_foreach(list, j, one) found |=
			inlay_control_number(one, "id") == json_integer_value(id);
		if (found)
			continue;
		fprintf(stderr, "inlayctl: no connection %lld\n",
			(long long)json_integer_value(id));
		missing++;
	}
	return missing;
}

/* Below 1: no ID. */
static json_int_t parse_id(const char *text)
{
	char *end;
	long long id;

	errno = 0;
	id = strtoll(text, &end, 10);
	return errno || *end || end == text ? -1 : id;
}

static int show(const char *path, json_t *ids, bool json, bool clear)
{
	json_t *list =
		inlay_control_ask_all(path, "connections", "id", json_pack("{s:O*}", "ids", ids));
	size_t missing;

	if (!list)
		return INLAY_EXIT_FAILED;
	if (clear)
		fputs("\033[H\033[2J", stdout);
	missing = name_missing(list, ids);
	if (json) {
		list = json_pack("{s:o}", "connections", list);
		json_dumpf(list, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		inlay_connections_print(stdout, list);
	}
	json_decref(list);
	return fflush(stdout) || missing ? INLAY_EXIT_FAILED : 0;
}

/* Until the daemon, or one of those that were named, has gone. */
static int watch(const char *path, json_t *ids, bool json)
{
	bool clear = !json && isatty(STDOUT_FILENO);
	int ret;

	do
		ret = show(path, ids, json, clear);
	while (!ret && !sleep(1));
	return ret;
}

int inlay_connections_run(const char *path, int argc, char **argv)
{
	bool json = false, again = false;
	json_t *ids = NULL;
	int ret;

	for (int i = 0; i < argc; i++) {
		json_int_t id = parse_id(argv[i]);

		if (!strcmp(argv[i], "--json")) {
			json = true;
		} else if (!strcmp(argv[i], "--watch")) {
			again = true;
		} else if (id < 1 || json_array_size(ids) == IDS_MAX) {
			fprintf(stderr,
				"inlayctl: connections takes --json, --watch and up to %d "
				"numbers, not '%s'\n",
				IDS_MAX, argv[i]);
			json_decref(ids);
			return INLAY_EXIT_USAGE;
		} else {
			ids = ids ? ids : json_array();
			json_array_append_new(ids, json_integer(id));
		}
	}
	ret = again ? watch(path, ids, json) : show(path, ids, json, false);
	json_decref(ids);
	return ret;
}

int inlay_connections_run_qlog(const char *path, int argc, char **argv)
{
	bool on = argc == 2 && !strcmp(argv[1], "on"), off = argc == 2 && !strcmp(argv[1], "off");
	json_int_t id = argc == 2 ? parse_id(argv[0]) : -1;
	json_t *result;

	if (id < 1 || (!on && !off)) {
		fprintf(stderr, "inlayctl: qlog takes the number of a connection (see inlayctl "
				"connections), and on or off\n");
		return INLAY_EXIT_USAGE;
	}
	result = inlay_control_ask(path, "qlog",
				   json_pack("{s:I, s:b}", "connection", id, "on", on));
	if (!result)
		return INLAY_EXIT_FAILED;
	if (on)
		puts(inlay_control_text(result, "file"));
	json_decref(result);
	return 0;
}
