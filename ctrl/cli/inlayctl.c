/* SPDX-License-Identifier: BSD-2-Clause */
/* inlayctl: asks a running inlayd, or inlay-turn, over its control socket. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "config.h"
#include "connections_view.h"
#include "control_client.h"
#include "counters_view.h"
#include "doctor.h"
#include "nic.h"
#include "tracks_view.h"
#include "turn_options.h"
#include "turn_view.h"

static const char usage[] =
	"usage: inlayctl [--socket PATH] COMMAND\n"
	"\n"
	"Asks a running inlayd.\n"
	"\n"
	"  status [--json]  what it does: connections, tracks, packets, drops by reason\n"
	"  connections [--json] [--watch] [ID ...]\n"
	"                   its connections, or those, one a line\n"
	"  tracks [--json]  its tracks: publishers, subscribers, cache, and whether they are fast\n"
	"  why TRACK SUBSCRIBER [--json]\n"
	"                   why a subscriber is served fast, or not, and what to do about it\n"
	"  counters [--all] [--json]\n"
	"                   what was dropped, declined or reset, by reason\n"
	"  qlog ID on|off   begins or ends a log of a connection, in its qlog.directory\n"
	"  doctor [--config FILE] [--json]\n"
	"                   asks no inlayd: what this host offers it and lacks, with the fix\n"
	"  nic probe [DEVICE] [--json]\n"
	"                   asks no inlayd: what network devices report, the profile that speaks "
	"of\n"
	"                   each, and the placement that follows\n"
	"  nic check PROFILE OBJECT.bpf.o [--json]\n"
	"                   asks no inlayd: whether a NIC would take the programs of an object\n"
	"  turn [status|counters [--all]|links|on|observe|off] [--json]\n"
	"                   asks a running inlay-turn: its allocations and channels, or that; "
	"lets\n"
	"                   it relay, only observe, or detach at once\n"
	"\n"
	"  --socket PATH    its control_socket, if not the default\n"
	"  --version        print the version, and end\n"
	"  --help           print this, and end\n"
	"\n"
	"Exit codes: 0 done, 1 failed or lacking, 2 usage.\n";

/* --- status ------------------------------------------------------------------------------------
 */

static void print_uptime(FILE *f, json_int_t ms)
{
	json_int_t s = ms / 1000;

	fprintf(f, "%-14s", "uptime");
	if (s >= 86400)
		fprintf(f, "%lld d ", (long long)(s / 86400));
	fprintf(f, "%02lld:%02lld:%02lld\n", (long long)(s / 3600 % 24), (long long)(s / 60 % 60),
		(long long)(s % 60));
}

static void print_listeners(FILE *f, const json_t *list)
{
	const json_t *one;
	size_t i;

	json_array_foreach(list, i, one)
		fprintf(f, "%-14s%s\n", i ? "" : "listening on", json_string_value(one));
}

static void print_pair(FILE *f, const char *name, const json_t *o, const char *in, const char *out)
{
	fprintf(f, "%-14s%lld received, %lld sent\n", name, (long long)inlay_control_number(o, in),
		(long long)inlay_control_number(o, out));
}

static void print_resets(FILE *f, const json_t *resets)
{
	const char *name;
	json_t *value;
	bool any = false;

	json_object_foreach((json_t *)resets, name, value)
	{
		if (!json_integer_value(value))
			continue;
		fprintf(f, "%s%lld %s", any ? ", " : "streams reset ",
			(long long)json_integer_value(value), name);
		any = true;
	}
	if (any)
		fputc('\n', f);
}

static void print_drops(FILE *f, const json_t *drops)
{
	const json_t *one;
	size_t i;

	fprintf(f, "%-14s", "drops");
	if (!json_array_size(drops))
		fputs("none\n", f);
	json_array_foreach(drops, i, one)
		fprintf(f, "%s%10lld  %-18s %s\n", i ? "              " : "",
			(long long)inlay_control_number(one, "packets"),
			inlay_control_text(one, "reason"), inlay_control_text(one, "text"));
}

static void print_status(FILE *f, const json_t *s)
{
	const json_t *crypto = json_object_get(s, "crypto");

	fprintf(f, "%-14sinlayd %s, process %lld\n", "version", inlay_control_text(s, "version"),
		(long long)inlay_control_number(s, "pid"));
	print_uptime(f, inlay_control_number(s, "uptime_ms"));
	print_listeners(f, json_object_get(s, "listeners"));
	fprintf(f, "%-14s%s, %s\n", "crypto", inlay_control_text(crypto, "provider"),
		inlay_control_text(crypto, "backend"));
	fprintf(f, "%-14s%s\n", "placement", inlay_control_text(s, "placement"));
	fprintf(f, "%-14s%lld now, %lld handshakes in flight, %lld ever, %lld handshakes failed\n",
		"connections", (long long)inlay_control_number(s, "connections"),
		(long long)inlay_control_number(s, "handshakes"),
		(long long)inlay_control_number(s, "connections_established"),
		(long long)inlay_control_number(s, "handshakes_failed"));
	fprintf(f, "%-14s%lld, with %lld upstream subscriptions\n", "tracks",
		(long long)inlay_control_number(s, "tracks"),
		(long long)inlay_control_number(s, "upstreams"));
	fprintf(f, "%-14s%lld\n", "subscribers", (long long)inlay_control_number(s, "subscribers"));
	fprintf(f, "%-14s%lld bytes\n", "cache", (long long)inlay_control_number(s, "cache_bytes"));
	print_pair(f, "packets", s, "packets_received", "packets_sent");
	fprintf(f, "%-14s%lld of the packets sent are the forwarder's; %lld copies were dropped\n",
		"forwarded", (long long)inlay_control_number(s, "copies_forwarded"),
		(long long)inlay_control_number(s, "copies_dropped"));
	fprintf(f, "%-14sof packets received: %lld in %lld; sent: %lld in %lld%s\n", "merged",
		(long long)inlay_control_number(s, "gro_packets"),
		(long long)inlay_control_number(s, "gro_messages"),
		(long long)inlay_control_number(s, "gso_packets"),
		(long long)inlay_control_number(s, "gso_messages"),
		inlay_control_number(s, "gso_refused") ? "; then refused" : "");
	print_pair(f, "bytes", s, "bytes_received", "bytes_sent");
	print_pair(f, "objects", s, "objects_received", "objects_sent");
	print_resets(f, json_object_get(s, "stream_resets"));
	print_drops(f, json_object_get(s, "drops"));
}

static int run_status(const char *path, int argc, char **argv)
{
	bool json = argc == 1 && !strcmp(argv[0], "--json");

	if (argc > 1 || (argc == 1 && !json)) {
		fprintf(stderr, "inlayctl: status takes --json or nothing; see inlayctl --help\n");
		return INLAY_EXIT_USAGE;
	}
	return inlay_control_show(inlay_control_ask(path, "status", NULL), json, print_status);
}

/* --- The command line --------------------------------------------------------------------------
 */

static const struct {
	const char *name;
	int (*run)(const char *path, int argc, char **argv);
} commands[] = {
	{"status", run_status},
	{"connections", inlay_connections_run},
	{"qlog", inlay_connections_run_qlog},
	{"tracks", inlay_tracks_run},
	{"counters", inlay_counters_run},
	{"why", inlay_tracks_run_why},
	{"doctor", inlay_doctor_run},
	{"nic", inlay_nic_run},
	{"turn", inlay_turn_view_run},
};

/* |path|: NULL: that of the daemon that the command is for. */
static int run(const char *path, int argc, char **argv)
{
	char default_path[INLAY_CONFIG_TEXT];

	if (!argc) {
		fputs(usage, stderr);
		return INLAY_EXIT_USAGE;
	}
	inlay_config_default_socket(default_path);
	if (!path)
		path = strcmp(argv[0], "turn") ? default_path : INLAY_TURN_SOCKET;
	for (size_t i = 0; i < INLAY_ARRAY_SIZE(commands); i++)
		if (!strcmp(commands[i].name, argv[0]))
			return commands[i].run(path, argc - 1, argv + 1);
	fprintf(stderr, "inlayctl: unknown command '%s'; see inlayctl --help\n", argv[0]);
	return INLAY_EXIT_USAGE;
}

/* An answer that nobody got is no answer. */
static int flushed(int ret)
{
	if (!fflush(stdout) && !ferror(stdout))
		return ret;
	fprintf(stderr, "inlayctl: standard output cannot be written\n");
	return INLAY_EXIT_FAILED;
}

int main(int argc, char **argv)
{
	static const struct option table[] = {
		{"socket", required_argument, NULL, 's'},
		{"version", no_argument, NULL, 'v'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	const char *path = NULL;
	int option;

	/* "+": what stands behind the command is the command's. */
	while ((option = getopt_long(argc, argv, "+:", table, NULL)) != -1) {
		switch (option) {
		case 's':
			path = optarg;
			break;
		case 'v':
			puts("inlayctl " INLAY_VERSION);
			return flushed(0);
		case 'h':
			fputs(usage, stdout);
			return flushed(0);
		default:
			return inlay_program_refuse_option("inlayctl", option, argv[optind - 1]);
		}
	}
	return flushed(run(path, argc - optind, argv + optind));
}
