/* SPDX-License-Identifier: BSD-2-Clause */
/* inlayctl nic: which of its commands is meant. */
#include <stdio.h>
#include <string.h>

#include "control_client.h"
#include "nic.h"
#include "nic_check.h"
#include "nic_probe.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} commands[] = {
	{"probe", inlay_nic_probe_run},
	{"check", inlay_nic_check_run},
};

int inlay_nic_run(const char *socket_path, int argc, char **argv)
{
	for (size_t i = 0; argc && i < INLAY_ARRAY_SIZE(commands); i++)
		if (!strcmp(commands[i].name, argv[0]))
			return commands[i].run(argc - 1, argv + 1);
	fprintf(stderr, "inlayctl: nic takes one of:");
	for (size_t i = 0; i < INLAY_ARRAY_SIZE(commands); i++)
		fprintf(stderr, "%s %s", i ? "," : "", commands[i].name);
	fprintf(stderr, "; see inlayctl --help\n");
	return INLAY_EXIT_USAGE;
}
