/* SPDX-License-Identifier: BSD-2-Clause */
/* inlay-conform: holds a device against the suites (docs/nics.md, inlay-conform(1)). */
#include <dlfcn.h>
#include <errno.h>
#include <getopt.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "case_check.h"
#include "conform.h"
#include "probe.h"
#include "provider_local.h"

enum { EXIT_GOOD = 0, EXIT_BAD = 1, EXIT_USAGE = 2 };

static const struct conform_suite *const suites[] = {
	&conform_crypto,
#ifdef INLAY_HAVE_BPF_OFFLOAD
	&conform_bpf_offload,
#endif
};
static const struct conform_format *const formats[] = {&conform_tap, &conform_json, &conform_junit,
						       &conform_html};

struct options {
	const char *device, *profile, *filter, *suite, *output;
	const struct conform_format *format;
	unsigned int seconds;
	bool list;
};

/* What the profile of the target stands in. */
struct identity_sources {
	struct inlay_nic_profile *named;
	struct inlay_nic_profiles profiles;
	struct inlay_nic_probe *probe;
};

static const char usage[] =
	"usage: inlay-conform --device local|netdevsim|DEV|./DEVICE.so [--profile P] [--suite S]\n"
	"                     [--filter PATTERN] [--format tap|junit|json|html] [--output FILE]\n"
	"                     [--timeout SECONDS]\n"
	"       inlay-conform --list\n"
	"Holds a device against the suites that apply to it. local: inlay's software provider;\n"
	"netdevsim: the kernel's simulated NIC (root); DEV: a network interface with nothing\n"
	"attached (root); ./DEVICE.so: your device behind tests/conform/device.h.\n"
	"exit code: 0 conforms, 1 does not, 2 usage or no such device\n";

static struct inlay_provider *make_local(const struct inlay_conform_device *device, __u32 max_sa,
					 __u32 max_cids)
{
	const struct inlay_provider_local_config config = {.max_sa = max_sa, .max_cids = max_cids};

	return inlay_provider_local_new(&config);
}

static const struct inlay_conform_device local = {
	.abi = INLAY_CONFORM_ABI,
	.name = "local: inlay's provider in software",
	.features = INLAY_CASE_THREADS,
	.make = make_local,
};

/* 0; EXIT_USAGE, said. */
static int open_plugin(struct conform_target *target, const char *path)
{
	void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	const struct inlay_conform_device *device =
		object ? dlsym(object, INLAY_CONFORM_SYMBOL) : NULL;

	if (!device) {
		fprintf(stderr,
			"inlay-conform: %s: %s\n"
			"A device is a shared object that exports '" INLAY_CONFORM_SYMBOL
			"' (tests/conform/device.h).\n",
			path, dlerror());
		return EXIT_USAGE;
	}
	if (device->abi != INLAY_CONFORM_ABI || !device->name || !device->make) {
		fprintf(stderr,
			"inlay-conform: %s: made for interface %u, this program has %u: build it "
			"anew\n",
			path, device->abi, INLAY_CONFORM_ABI);
		return EXIT_USAGE;
	}
	target->kind = CONFORM_PLUGIN;
	target->crypto = device;
	snprintf(target->title, sizeof(target->title), "%s", device->name);
	return 0;
}

static int open_target(struct conform_target *target, const struct options *options)
{
	target->device = options->device;
	target->seconds = options->seconds;
	if (!strcmp(options->device, "local")) {
		target->kind = CONFORM_LOCAL;
		target->crypto = &local;
		snprintf(target->title, sizeof(target->title), "%s", local.name);
	} else if (strchr(options->device, '/')) {
		return open_plugin(target, options->device);
	} else if (!strcmp(options->device, "netdevsim")) {
		target->kind = CONFORM_NETDEVSIM;
		snprintf(target->title, sizeof(target->title),
			 "netdevsim: the kernel's simulated NIC");
	} else if (if_nametoindex(options->device)) {
		target->kind = CONFORM_NETDEV;
		snprintf(target->title, sizeof(target->title), "%s", options->device);
	} else {
		fprintf(stderr,
			"inlay-conform: no device '%s': 'local', 'netdevsim', an interface (ip "
			"link),"
			" or the path of a shared object (with a '/')\n",
			options->device);
		return EXIT_USAGE;
	}
	return 0;
}

/* By what the device reports. 0; EXIT_USAGE, said. */
static int match_profile(struct conform_target *target, struct identity_sources *ret)
{
	char err[INLAY_NIC_ERROR];
	struct inlay_nic_identity identity;

	if (inlay_nic_probe_new(target->device, &ret->probe) || !ret->probe->n_devices) {
		fprintf(stderr,
			"inlay-conform: %s does not answer; say which NIC it is: --profile\n",
			target->device);
		return EXIT_USAGE;
	}
	if (inlay_nic_profiles_load(NULL, &ret->profiles, err)) {
		fprintf(stderr, "inlay-conform: %s\n", err);
		return EXIT_USAGE;
	}
	inlay_nic_device_identity(&ret->probe->devices[0], &identity);
	target->profile = inlay_nic_profiles_best(&ret->profiles, &identity);
	if (!target->profile) {
		fprintf(stderr,
			"inlay-conform: no profile knows %s (driver %s); name one: --profile, or"
			" write one (docs/nics.md)\n",
			target->device, identity.driver);
		return EXIT_USAGE;
	}
	snprintf(target->title, sizeof(target->title), "%s: %s (driver %s, firmware %s)",
		 target->device, target->profile->title, identity.driver,
		 identity.firmware && identity.firmware[0] ? identity.firmware : "not told");
	return 0;
}

/* What the target claims to be: by name, or as its kind has it. 0; EXIT_USAGE, said. */
static int find_profile(struct conform_target *target, const char *name,
			struct identity_sources *ret)
{
	char err[INLAY_NIC_ERROR];

	if (!name && target->kind == CONFORM_NETDEV)
		return match_profile(target, ret);
	if (!name && target->kind == CONFORM_NETDEVSIM)
		name = "netdevsim";
	if (!name)
		return 0;
	if (inlay_nic_profile_find(name, &ret->named, err)) {
		fprintf(stderr, "inlay-conform: %s\n", err);
		return EXIT_USAGE;
	}
	target->profile = ret->named;
	return 0;
}

static void forget_identity(struct identity_sources *identity)
{
	inlay_nic_profile_free(identity->named);
	inlay_nic_profiles_fini(&identity->profiles);
	inlay_nic_probe_free(identity->probe);
}

static int list_cases(void)
{
	for (size_t i = 0; i < INLAY_ARRAY_SIZE(suites); i++) {
		for (size_t j = 0; j < suites[i]->count(); j++) {
			struct conform_case c = {0};

			suites[i]->describe(j, &c);
			printf("%s: %s: %s\n", suites[i]->name, c.name, c.text);
		}
	}
	return EXIT_GOOD;
}

/* 0; EXIT_USAGE, said. -1: --help. */
static int parse_options(int argc, char **argv, struct options *ret_options)
{
	static const struct option known[] = {
		{"device", required_argument, NULL, 'd'},
		{"profile", required_argument, NULL, 'p'},
		{"suite", required_argument, NULL, 's'},
		{"filter", required_argument, NULL, 'f'},
		{"format", required_argument, NULL, 'o'},
		{"output", required_argument, NULL, 'w'},
		{"timeout", required_argument, NULL, 't'},
		{"list", no_argument, NULL, 'l'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	const char *values[128] = {['o'] = "tap", ['t'] = CHECK_TEXT(CONFORM_SECONDS)};
	char *end;
	int option;

	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (option == 'h')
			return -1;
		if (option == '?')
			return EXIT_USAGE;
		values[option] = optarg ? optarg : "";
	}
	*ret_options = (struct options){
		.device = values['d'],
		.profile = values['p'],
		.suite = values['s'],
		.filter = values['f'],
		.output = values['w'],
		.list = values['l'],
	};
	ret_options->seconds = (unsigned int)strtoul(values['t'], &end, 10);
	for (size_t i = 0; i < INLAY_ARRAY_SIZE(formats); i++)
		if (!strcmp(formats[i]->name, values['o']))
			ret_options->format = formats[i];
	if (!ret_options->format) {
		fprintf(stderr, "inlay-conform: no format '%s': tap, json, junit or html\n",
			values['o']);
		return EXIT_USAGE;
	}
	if (*end || !ret_options->seconds || ret_options->seconds > 86400) {
		fprintf(stderr, "inlay-conform: --timeout takes seconds, 1 to 86400\n");
		return EXIT_USAGE;
	}
	if (optind < argc || (!ret_options->device && !ret_options->list)) {
		fputs(usage, stderr);
		return EXIT_USAGE;
	}
	return 0;
}

static int run_suites(struct conform_report *report, struct conform_target *target,
		      const struct options *options, FILE *out)
{
	size_t applied = 0;

	if (options->format->begin)
		options->format->begin(report, out);
	for (size_t i = 0; i < INLAY_ARRAY_SIZE(suites); i++) {
		if (!suites[i]->applies(target) ||
		    (options->suite && strcmp(options->suite, suites[i]->name) != 0))
			continue;
		applied++;
		if (!conform_run(report, target, suites[i], options->filter, options->format,
				 out)) {
			fputs("inlay-conform: out of memory\n", stderr);
			return EXIT_BAD;
		}
	}
	if (!applied) {
		fprintf(stderr, "inlay-conform: no suite%s%s is for %s (see --list)\n",
			options->suite ? " " : "", options->suite ? options->suite : "",
			target->title);
		return EXIT_USAGE;
	}
	if (options->format->end)
		options->format->end(report, out);
	return conform_good(report) ? EXIT_GOOD : EXIT_BAD;
}

static void note_circumstances(struct conform_report *report)
{
	struct utsname host;
	time_t now = time(NULL);
	struct tm utc;

	if (!uname(&host))
		snprintf(report->kernel, sizeof(report->kernel), "%s %s %s", host.sysname,
			 host.release, host.machine);
	if (gmtime_r(&now, &utc))
		strftime(report->when, sizeof(report->when), "%Y-%m-%dT%H:%M:%SZ", &utc);
}

/* The report alone goes to stdout: what a device says by itself, to stderr. */
static FILE *report_stream(void)
{
	int fd = dup(STDOUT_FILENO);
	FILE *out = fd < 0 ? NULL : fdopen(fd, "w");

	if (!out || dup2(STDERR_FILENO, STDOUT_FILENO) < 0) {
		fprintf(stderr, "inlay-conform: no room for the report: %s\n", strerror(errno));
		return NULL;
	}
	return out;
}

int main(int argc, char **argv)
{
	struct conform_report report = {0};
	struct conform_target target = {0};
	struct identity_sources identity = {0};
	struct options options = {0};
	FILE *out;
	int code;

	code = parse_options(argc, argv, &options);
	if (code < 0)
		fputs(usage, stdout);
	if (code)
		return code < 0 ? EXIT_GOOD : code;
	if (options.list)
		return list_cases();
	out = report_stream();
	code = out ? open_target(&target, &options) : EXIT_BAD;
	if (!code)
		code = find_profile(&target, options.profile, &identity);
	inlay_nic_make_printable(target.title);
	for (char *c = target.title; *c; c++)
		if (*c == '\n')
			*c = '?';
	if (!code && options.output) {
		fclose(out);
		out = fopen(options.output, "w");
		if (!out) {
			fprintf(stderr, "inlay-conform: %s: %s\n", options.output, strerror(errno));
			code = EXIT_USAGE;
		}
	}
	if (code) {
		if (out)
			fclose(out);
		forget_identity(&identity);
		return code;
	}
	report.target = &target;
	note_circumstances(&report);
	code = run_suites(&report, &target, &options, out);
	if (fflush(out) || ferror(out) || fclose(out)) {
		fprintf(stderr, "inlay-conform: writing the report: %s\n", strerror(errno));
		code = EXIT_BAD;
	}
	free(report.outcomes);
	forget_identity(&identity);
	return code;
}
