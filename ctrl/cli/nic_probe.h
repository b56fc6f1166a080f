/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * inlayctl nic probe: what this machine's network devices report, the profile that speaks of each,
 * and the placement that follows. Asks no inlayd, changes nothing.
 */
#ifndef INLAY_CLI_NIC_PROBE_H
#define INLAY_CLI_NIC_PROBE_H

#include <jansson.h>
#include <stdio.h>

#include "probe.h"

void inlay_nic_probe_print(const struct inlay_nic_probe *probe,
			   const struct inlay_nic_profiles *profiles, FILE *out);
/* NULL: no memory. */
json_t *inlay_nic_probe_json(const struct inlay_nic_probe *probe,
			     const struct inlay_nic_profiles *profiles);

/* The command: what stands behind "nic probe". An exit code. */
int inlay_nic_probe_run(int argc, char **argv);

#endif
