/* SPDX-License-Identifier: BSD-2-Clause */
/* inlayctl nic check: whether a NIC would take the programs of a compiled object. */
#ifndef INLAY_CLI_NIC_CHECK_H
#define INLAY_CLI_NIC_CHECK_H

#include <jansson.h>
#include <stdio.h>

#include "check.h"

/* What stands behind "nic check". An exit code: 0 fits, 1 does not, 2 usage. */
int inlay_nic_check_run(int argc, char **argv);
/* |name|: the object's. */
void inlay_nic_check_print(const struct inlay_nic_profile *profile, const char *name,
			   const struct inlay_nic_report *report, FILE *out);
/* NULL: no memory. */
json_t *inlay_nic_check_json(const struct inlay_nic_profile *profile, const char *name,
			     const struct inlay_nic_report *report);

#endif
