/* SPDX-License-Identifier: BSD-2-Clause */
/* inlayctl nic: commands about network devices, which ask no inlayd. */
#ifndef INLAY_CLI_NIC_H
#define INLAY_CLI_NIC_H

/* The command: what stands behind "nic". An exit code. */
int inlay_nic_run(const char *socket_path, int argc, char **argv);

#endif
