/* SPDX-License-Identifier: BSD-2-Clause */
/* inlay-turn: the command line. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "turn_daemon.h"

static const char usage[] =
	"usage: inlay-turn [--config FILE] [--interface NAME ...] [--port N ...] [--netns NAME]\n"
	"                  [--observe] [--control SOCKET]\n"
	"       inlay-turn --check-config | --print-config [OPTION ...]\n"
	"\n"
	"Relays ChannelData of the TURN server on this machine in the kernel. The server stays as "
	"it\n"
	"is: what may go fast is learnt from its own answers.\n"
	"\n"
	"  --config FILE     YAML; without it every option has its default\n"
	"  --interface NAME  the server's interface, again for each; default: all that are up\n"
	"  --port N          where the server listens for UDP clients, again for each; default: "
	"3478\n"
	"  --netns NAME      the server's network namespace, by name or path; default: this one\n"
	"  --observe         learn and count, and forward nothing\n"
	"  --control SOCKET  for inlayctl turn; default: /run/inlay-turn.sock\n"
	"  --check-config    say what is wrong with the configuration, and end\n"
	"  --print-config    print the configuration in force as YAML, and end\n"
	"  --version         print the version, and end\n"
	"  --help            print this, and end\n"
	"\n"
	"Exit codes: 0 done, 1 failed, 2 usage or configuration.\n";

/* What the command line says; the file has its say first, wherever it is named. */
struct words {
	const char *config_file, *netns, *control;
	const char *interfaces[INLAY_TURN_INTERFACES + 1];
	const char *ports[INLAY_TURN_PORTS + 1];
	__u32 n_interfaces, n_ports;
	bool observe, check, print;
};

enum {
	OPTION_CONFIG = 1,
	OPTION_INTERFACE,
	OPTION_PORT,
	OPTION_NETNS,
	OPTION_OBSERVE,
	OPTION_CONTROL,
	OPTION_CHECK,
	OPTION_PRINT,
	OPTION_VERSION,
	OPTION_HELP,
};

static const struct option table[] = {
	{"config", required_argument, NULL, OPTION_CONFIG},
	{"interface", required_argument, NULL, OPTION_INTERFACE},
	{"port", required_argument, NULL, OPTION_PORT},
	{"netns", required_argument, NULL, OPTION_NETNS},
	{"observe", no_argument, NULL, OPTION_OBSERVE},
	{"control", required_argument, NULL, OPTION_CONTROL},
	{"check-config", no_argument, NULL, OPTION_CHECK},
	{"print-config", no_argument, NULL, OPTION_PRINT},
	{"version", no_argument, NULL, OPTION_VERSION},
	{"help", no_argument, NULL, OPTION_HELP},
	{0},
};

/* One too many is kept, to be complained of. */
static void keep(const char **list, __u32 *n, __u32 most)
{
	list[*n] = optarg;
	*n += *n < most;
}

/* Returns -1 to go on, else the exit code. */
static int take_option(int option, char **argv, struct words *w)
{
	switch (option) {
	case OPTION_CONFIG:
		w->config_file = optarg;
		return -1;
	case OPTION_INTERFACE:
		keep(w->interfaces, &w->n_interfaces, INLAY_TURN_INTERFACES + 1);
		return -1;
	case OPTION_PORT:
		keep(w->ports, &w->n_ports, INLAY_TURN_PORTS + 1);
		return -1;
	case OPTION_NETNS:
		w->netns = optarg;
		return -1;
	case OPTION_CONTROL:
		w->control = optarg;
		return -1;
	case OPTION_OBSERVE:
		w->observe = true;
		return -1;
	case OPTION_CHECK:
		w->check = true;
		return -1;
	case OPTION_PRINT:
		w->print = true;
		return -1;
	case OPTION_VERSION:
		puts("inlay-turn " INLAY_VERSION);
		return 0;
	case OPTION_HELP:
		fputs(usage, stdout);
		return 0;
	default:
		return inlay_program_refuse_option("inlay-turn", option, argv[optind - 1]);
	}
}

static int parse_words(int argc, char **argv, struct words *w)
{
	int option, code;

	while ((option = getopt_long(argc, argv, ":", table, NULL)) != -1) {
		code = take_option(option, argv, w);
		if (code >= 0)
			return code;
	}
	return optind < argc ? inlay_program_refuse_word("inlay-turn", argv[optind]) : -1;
}

static bool complain(const char *option, const char *value, const char *what)
{
	inlay_log(INLAY_LOG_ERROR, "%s: '%s' %s", option, value, what);
	return false;
}

static bool apply(const struct words *w, struct inlay_turn_options *o)
{
	for (__u32 i = 0; i < w->n_interfaces; i++)
		if (!inlay_turn_options_interface(o, i, w->interfaces[i]))
			return complain("--interface", w->interfaces[i],
					"cannot be an interface's name, or is one too many");
	for (__u32 i = 0; i < w->n_ports; i++)
		if (!inlay_turn_options_port(o, i, w->ports[i]))
			return complain("--port", w->ports[i],
					"is no port (1 to 65535), or one too many");
	if (w->netns && strlen(w->netns) >= sizeof(o->netns))
		return complain("--netns", w->netns, "is too long");
	if (w->control && (!*w->control || strlen(w->control) > 100))
		return complain("--control", w->control, "cannot be a socket's path");
	if (w->netns)
		snprintf(o->netns, sizeof(o->netns), "%s", w->netns);
	if (w->control)
		snprintf(o->control_socket, sizeof(o->control_socket), "%s", w->control);
	if (w->observe)
		o->observe = 1;
	return true;
}

/* Returns -1 to go on, else the exit code. */
static int load(const struct words *w, struct inlay_turn_options *o)
{
	char err[INLAY_TURN_ERROR];

	inlay_turn_options_default(o);
	if (w->config_file && inlay_turn_options_load(w->config_file, o, err)) {
		inlay_log(INLAY_LOG_ERROR, "%s", err);
		return INLAY_EXIT_CONFIG;
	}
	if (!apply(w, o))
		return INLAY_EXIT_CONFIG;
	if (w->print)
		return inlay_program_print(inlay_turn_options_print(o));
	return w->check ? 0 : -1;
}

int main(int argc, char **argv)
{
	struct inlay_failure failure = {0};
	struct inlay_turn_options options;
	struct inlay_turn_daemon *d;
	struct words words = {0};
	int code;

	inlay_log_set_name("inlay-turn");
	code = parse_words(argc, argv, &words);
	if (code < 0)
		code = load(&words, &options);
	if (code >= 0)
		return code;
	inlay_log_set_level((enum inlay_log_level)options.log_level);
	d = inlay_turn_daemon_new(&options, &failure);
	if (!d) {
		inlay_log(INLAY_LOG_ERROR, "%s", failure.text);
		return failure.exit_code;
	}
	inlay_turn_daemon_run(d);
	inlay_turn_daemon_free(d);
	return 0;
}
