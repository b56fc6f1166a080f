/* SPDX-License-Identifier: BSD-2-Clause */
/* inlayd: the command line. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "daemon.h"
#include "log.h"

/* The address sanitizer's leak checker traces the process that it is in. */
#ifdef __SANITIZE_ADDRESS__
#define TRACED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TRACED
#endif
#endif

static const char usage[] =
	"usage: inlayd [--config FILE] [--dev]\n"
	"       inlayd --check-config | --print-config [--config FILE]\n"
	"\n"
	"A relay for Media over QUIC.\n"
	"\n"
	"  --config FILE    YAML; without it every option has its default\n"
	"  --dev            with a throw-away certificate; prints lines to paste\n"
	"  --check-config   say what is wrong with the configuration, and end\n"
	"  --print-config   print the configuration in force as YAML, and end\n"
	"  --version        print the version, and end\n"
	"  --help           print this, and end\n"
	"\n"
	"Exit codes: 0 done, 1 failed, 2 usage or configuration.\n";

struct options {
	const char *config_file;
	bool dev, check, print;
};

enum {
	OPTION_CONFIG = 1,
	OPTION_DEV,
	OPTION_CHECK,
	OPTION_PRINT,
	OPTION_VERSION,
	OPTION_HELP,
};

/* Returns -1 to go on, else the exit code. */
static int parse_options(int argc, char **argv, struct options *o)
{
	static const struct option table[] = {
		{"config", required_argument, NULL, OPTION_CONFIG},
		{"dev", no_argument, NULL, OPTION_DEV},
		{"check-config", no_argument, NULL, OPTION_CHECK},
		{"print-config", no_argument, NULL, OPTION_PRINT},
		{"version", no_argument, NULL, OPTION_VERSION},
		{"help", no_argument, NULL, OPTION_HELP},
		{0},
	};
	int option;

	while ((option = getopt_long(argc, argv, ":", table, NULL)) != -1) {
		switch (option) {
		case OPTION_CONFIG:
			o->config_file = optarg;
			break;
		case OPTION_DEV:
			o->dev = true;
			break;
		case OPTION_CHECK:
			o->check = true;
			break;
		case OPTION_PRINT:
			o->print = true;
			break;
		case OPTION_VERSION:
			puts("inlayd " INLAY_VERSION);
			return 0;
		case OPTION_HELP:
			fputs(usage, stdout);
			return 0;
		default:
			return inlay_program_refuse_option("inlayd", option, argv[optind - 1]);
		}
	}
	return optind < argc ? inlay_program_refuse_word("inlayd", argv[optind]) : -1;
}

/* Returns -1 to go on, else the exit code. */
static int load(const struct options *o, struct inlay_config *config)
{
	char err[INLAY_CONFIG_ERROR];

	inlay_config_default(config);
	if (o->config_file && inlay_config_load(o->config_file, config, err)) {
		inlay_log(INLAY_LOG_ERROR, "%s", err);
		return INLAY_EXIT_CONFIG;
	}
	if (o->print)
		return inlay_program_print(inlay_config_print(config));
	return o->check ? 0 : -1;
}

/* Keys must not reach a core file, nor another process of this user (ptrace, /proc/PID/mem). */
static void protect_memory(void)
{
	const struct rlimit none = {0, 0};

	setrlimit(RLIMIT_CORE, &none);
#ifndef TRACED
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}

/* |self| is how this program was called: the others lie beside it, or in the PATH as it does. */
static void print_dev_lines(const struct inlay_daemon *d, const char *self)
{
	const char *certificate = inlay_daemon_dev_certificate(d), *name = strrchr(self, '/');
	int folder = name ? (int)(name + 1 - self) : 0;
	char address[INLAY_ADDRESS_TEXT];

	inlay_address_format(inlay_daemon_listener(d, 0), address);
	printf("A relay with a throw-away certificate. To receive, and then to publish:\n\n"
	       "  %.*sinlay-sub moqt://%s/ --track demo--clock --ca %s --wait 60 --stats\n"
	       "  %.*sinlay-pub moqt://%s/ --track demo--clock --ca %s --rate 30\n\n",
	       folder, self, address, certificate, folder, self, address, certificate);
	fflush(stdout);
}

static void log_start(const struct inlay_daemon *d)
{
	char address[INLAY_ADDRESS_TEXT];
	const struct inlay_addr *addr;

	for (size_t i = 0; (addr = inlay_daemon_listener(d, i)); i++) {
		inlay_address_format(addr, address);
		inlay_log(INLAY_LOG_INFO, "listening on %s", address);
	}
}

int main(int argc, char **argv)
{
	struct inlay_failure failure = {0};
	struct options options = {0};
	struct inlay_config config;
	struct inlay_daemon *d;
	int code = parse_options(argc, argv, &options);

	if (code < 0)
		code = load(&options, &config);
	if (code >= 0)
		return code;
	inlay_log_set_level((enum inlay_log_level)config.log_level);
	protect_memory();
	d = inlay_daemon_new(&config, options.dev, &failure);
	if (!d) {
		inlay_log(INLAY_LOG_ERROR, "%s", failure.text);
		return failure.exit_code;
	}
	log_start(d);
	if (options.dev)
		print_dev_lines(d, argv[0]);
	inlay_daemon_run(d);
	inlay_daemon_free(d);
	return 0;
}
