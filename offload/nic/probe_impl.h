/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the parts of the probe. */
#ifndef INLAY_OFFLOAD_NIC_PROBE_IMPL_H
#define INLAY_OFFLOAD_NIC_PROBE_IMPL_H

#include "genl.h"
#include "probe.h"

void inlay_nic_note(struct inlay_nic_notes *notes, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* probe_netdev.c; |genl| may be NULL. Name and ifindex are there. */
void inlay_nic_probe_netdev(struct inlay_nic_device *device, struct inlay_genl *genl);
/* probe_rdma.c: 0; -ENOMEM. */
int inlay_nic_probe_rdma(struct inlay_nic_probe *probe);
/* probe_kernel.c */
void inlay_nic_probe_kernel(struct inlay_nic_kernel *kernel);

#endif
