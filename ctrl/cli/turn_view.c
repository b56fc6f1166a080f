/* SPDX-License-Identifier: BSD-2-Clause */
#include "turn_view.h"

#include <string.h>

#include "connections_view.h"

/* --- Lines --------------------------------------------------------------------------------------
 */

static void put_human(FILE *f, const json_t *o, const char *name)
{
	char text[8];

	inlay_connections_human((double)inlay_control_number(o, name), text);
	fprintf(f, " %6s", text);
}

/* Seconds that are left; "-": it has none. */
static void put_left(FILE *f, const json_t *o, const char *name)
{
	if (json_object_get(o, name))
		fprintf(f, " %6.1f", (double)inlay_control_number(o, name) / 1000);
	else
		fprintf(f, " %6s", "-");
}

void inlay_turn_view_channels(FILE *f, const json_t *answer)
{
	const json_t *o;
	size_t i;

	fprintf(f, "%-21s %-21s %-21s %-7s %-7s %6s %6s %6s %6s %6s %6s %6s %6s\n", "CLIENT",
		"RELAYED", "PEER", "CHANNEL", "STATE", "CHAN-S", "PERM-S", "ALLOC", "TOPEER",
		"BYTES", "TOCLNT", "BYTES", "OVER");
	json_array_foreach(json_object_get(answer, "channels"), i, o)
	{
		const char *relayed = json_string_value(json_object_get(o, "relayed"));

		fprintf(f, "%-21s %-21s %-21s 0x%-5llx %-7s", inlay_control_text(o, "client"),
			relayed ? relayed : "-", inlay_control_text(o, "peer"),
			(unsigned long long)inlay_control_number(o, "number"),
			inlay_control_text(o, "state"));
		put_left(f, o, "channel_ms");
		put_left(f, o, "permission_ms");
		put_left(f, o, "allocation_ms");
		put_human(f, o, "to_peer_packets");
		put_human(f, o, "to_peer_bytes");
		put_human(f, o, "to_client_packets");
		put_human(f, o, "to_client_bytes");
		put_human(f, o, "over_limit");
		fputc('\n', f);
	}
}

void inlay_turn_view_allocations(FILE *f, const json_t *answer)
{
	const json_t *o;
	size_t i;

	fprintf(f, "%-21s %-21s %-21s %6s %5s %5s %5s %s\n", "CLIENT", "SERVER", "RELAYED", "ALLOC",
		"PERMS", "CHANS", "FAST", "WHY NOT");
	json_array_foreach(json_object_get(answer, "allocations"), i, o)
	{
		const char *seen = json_string_value(json_object_get(o, "seen"));
		const char *why = json_string_value(json_object_get(o, "why"));

		/* Behind NAT they differ: what packets have is what matters here. */
		fprintf(f, "%-21s %-21s %-21s", inlay_control_text(o, "client"),
			inlay_control_text(o, "server"),
			seen ? seen : inlay_control_text(o, "relayed"));
		put_left(f, o, "allocation_ms");
		fprintf(f, " %5lld %5lld %5lld %s\n",
			(long long)inlay_control_number(o, "permissions"),
			(long long)inlay_control_number(o, "channels"),
			(long long)inlay_control_number(o, "fast_channels"), why ? why : "");
	}
}

void inlay_turn_view_counters(FILE *f, const json_t *answer, bool all)
{
	const json_t *one;
	const char *name;
	json_t *value;
	size_t i;

	fprintf(f, "%12s  %-21s %s\n", "PACKETS", "REASON", "MEANING");
	json_array_foreach(json_object_get(answer, "reasons"), i,
			   one) if (all || inlay_control_number(one, "packets"))
		fprintf(f, "%12lld  %-21s %s\n", (long long)inlay_control_number(one, "packets"),
			inlay_control_text(one, "reason"), inlay_control_text(one, "text"));
	fprintf(f, "%12s  %s\n", "COUNT", "LEARNT FROM THE SERVER");
	json_object_foreach(json_object_get(answer, "learnt"), name,
			    value) if (all || json_integer_value(value))
		fprintf(f, "%12lld  %s\n", (long long)json_integer_value(value), name);
}

void inlay_turn_view_links(FILE *f, const json_t *answer)
{
	const json_t *o;
	size_t i;

	fprintf(f, "%-15s %-8s %-6s %-8s %s\n", "INTERFACE", "INGRESS", "TX", "REDIRECT", "WHY");
	json_array_foreach(json_object_get(answer, "links"), i, o)
	{
		const char *why = json_string_value(json_object_get(o, "why"));

		fprintf(f, "%-15s %-8s %-6s %-8s %s\n", inlay_control_text(o, "name"),
			inlay_control_text(o, "ingress"),
			json_is_true(json_object_get(o, "xdp_tx")) ? "yes" : "no",
			json_is_true(json_object_get(o, "xdp_redirect_to")) ? "yes" : "no",
			why ? why : "");
	}
}

void inlay_turn_view_status(FILE *f, const json_t *s)
{
	const json_t *port;
	size_t i;

	fprintf(f, "%-14sinlay-turn %s, process %lld\n", "version",
		inlay_control_text(s, "version"), (long long)inlay_control_number(s, "pid"));
	fprintf(f, "%-14s%lld s\n", "uptime",
		(long long)inlay_control_number(s, "uptime_ms") / 1000);
	fprintf(f, "%-14s%s\n", "mode", inlay_control_text(s, "mode"));
	fprintf(f, "%-14s", "server at");
	json_array_foreach(json_object_get(s, "ports"), i, port)
		fprintf(f, "%sport %lld", i ? ", " : "", (long long)json_integer_value(port));
	fprintf(f, "\n%-14s%lld of %lld allocations; %lld not yet seen relayed\n", "channels",
		(long long)inlay_control_number(s, "channels"),
		(long long)inlay_control_number(s, "allocations"),
		(long long)inlay_control_number(s, "watched"));
	fprintf(f, "%-14s%lld packets, %lld bytes\n", "to peers",
		(long long)inlay_control_number(s, "to_peer_packets"),
		(long long)inlay_control_number(s, "to_peer_bytes"));
	fprintf(f, "%-14s%lld packets, %lld bytes\n", "to clients",
		(long long)inlay_control_number(s, "to_client_packets"),
		(long long)inlay_control_number(s, "to_client_bytes"));
	fprintf(f, "%-14s%lld packets\n", "over limits",
		(long long)inlay_control_number(s, "over_limit"));
}

/* --- Asking -------------------------------------------------------------------------------------
 */

/* Allocations and channels, in one object. */
static json_t *fetch_tables(const char *path)
{
	json_t *allocations = inlay_control_ask_all(path, "allocations", NULL, NULL);
	json_t *channels = allocations ? inlay_control_ask_all(path, "channels", NULL, NULL) : NULL;

	if (channels)
		return json_pack("{s:o, s:o}", "allocations", allocations, "channels", channels);
	json_decref(allocations);
	return NULL;
}

static void print_tables(FILE *f, const json_t *answer)
{
	inlay_turn_view_allocations(f, answer);
	fputc('\n', f);
	inlay_turn_view_channels(f, answer);
}

static void print_mode(FILE *f, const json_t *answer)
{
	fprintf(f, "%s, was %s\n", inlay_control_text(answer, "mode"),
		inlay_control_text(answer, "before"));
}

static void print_counters(FILE *f, const json_t *answer)
{
	inlay_turn_view_counters(f, answer, false);
}

static void print_all_counters(FILE *f, const json_t *answer)
{
	inlay_turn_view_counters(f, answer, true);
}

static const struct {
	const char *word;
	void (*print)(FILE *f, const json_t *answer);
} verbs[] = {
	{"status", inlay_turn_view_status},
	{"counters", print_counters},
	{"links", inlay_turn_view_links},
	{"off", print_mode},
	{"on", print_mode},
	{"observe", print_mode},
};

static int usage(const char *word)
{
	fprintf(stderr,
		"inlayctl: turn takes nothing, status, counters, links, on, observe or off, and "
		"--json, with counters --all too; not '%s'\n",
		word);
	return INLAY_EXIT_USAGE;
}

int inlay_turn_view_run(const char *path, int argc, char **argv)
{
	bool json = false, all = false;
	const char *verb = NULL;

	for (int i = 0; i < argc; i++) {
		if (!strcmp(argv[i], "--json"))
			json = true;
		else if (!strcmp(argv[i], "--all"))
			all = true;
		else if (!verb && argv[i][0] != '-')
			verb = argv[i];
		else
			return usage(argv[i]);
	}
	if (all && (!verb || strcmp(verb, "counters")))
		return usage("--all");
	if (!verb)
		return inlay_control_show(fetch_tables(path), json, print_tables);
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (!strcmp(verbs[i].word, verb))
			return inlay_control_show(inlay_control_ask(path, verb, NULL), json,
						  all ? print_all_counters : verbs[i].print);
	return usage(verb);
}
