/* SPDX-License-Identifier: BSD-2-Clause */
/* RDMA devices, by libibverbs and mlx5dv: what cards of Mellanox's kind tell beside their netdev.
 */
#include <errno.h>
#include <infiniband/mlx5dv.h>
#include <infiniband/verbs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probe_impl.h"

/* Its first port's, as the kernel pairs them. */
static void find_netdev(struct inlay_nic_rdma *rdma)
{
	char path[192], line[32] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/sys/class/infiniband/%s/ports/1/gid_attrs/ndevs/0",
		 rdma->name);
	f = fopen(path, "re");
	if (!f)
		return;
	if (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = 0;
		snprintf(rdma->netdev, sizeof(rdma->netdev), "%.15s", line);
	}
	fclose(f);
}

static void ask_mlx5(struct ibv_context *context, struct inlay_nic_rdma *rdma)
{
	struct mlx5dv_context attrs = {.comp_mask = MLX5DV_CONTEXT_MASK_CRYPTO_OFFLOAD};

	rdma->mlx5 = mlx5dv_is_supported(context->device);
	if (rdma->mlx5 && !mlx5dv_query_device(context, &attrs) &&
	    attrs.comp_mask & MLX5DV_CONTEXT_MASK_CRYPTO_OFFLOAD)
		rdma->mlx5_crypto = attrs.crypto_caps.crypto_engines != 0;
}

static void ask_device(struct ibv_device *device, struct inlay_nic_rdma *rdma)
{
	struct ibv_context *context;
	struct ibv_device_attr attr;
	struct ibv_port_attr port;

	snprintf(rdma->name, sizeof(rdma->name), "%s", ibv_get_device_name(device));
	find_netdev(rdma);
	context = ibv_open_device(device);
	if (!context) {
		inlay_nic_note(&rdma->notes, "cannot be opened: %s", strerror(errno));
		return;
	}
	if (ibv_query_device(context, &attr)) {
		inlay_nic_note(&rdma->notes, "says nothing of itself: %s", strerror(errno));
	} else {
		snprintf(rdma->firmware, sizeof(rdma->firmware), "%s", attr.fw_ver);
		rdma->vendor = attr.vendor_id;
		rdma->part = attr.vendor_part_id;
		rdma->max_qp = (__u32)attr.max_qp;
	}
	if (!ibv_query_port(context, 1, &port)) {
		snprintf(rdma->state, sizeof(rdma->state), "%s", ibv_port_state_str(port.state));
		snprintf(rdma->transport, sizeof(rdma->transport), "%s",
			 port.link_layer == IBV_LINK_LAYER_ETHERNET ? "RoCE" : "InfiniBand");
	}
	ask_mlx5(context, rdma);
	ibv_close_device(context);
}

int inlay_nic_probe_rdma(struct inlay_nic_probe *probe)
{
	int n = 0;
	struct ibv_device **list = ibv_get_device_list(&n);

	if (!list) {
		/* A kernel without RDMA: there are none. */
		if (errno != ENOSYS)
			inlay_nic_note(&probe->notes, "RDMA devices: %s", strerror(errno));
		return 0;
	}
	if (n > INLAY_NIC_RDMA_MAX) {
		inlay_nic_note(&probe->notes, "more than %d RDMA devices: the others are not shown",
			       INLAY_NIC_RDMA_MAX);
		n = INLAY_NIC_RDMA_MAX;
	}
	if (n > 0) {
		probe->rdma = calloc((size_t)n, sizeof(*probe->rdma));
		if (!probe->rdma) {
			ibv_free_device_list(list);
			return -ENOMEM;
		}
	}
	for (int i = 0; i < n; i++)
		ask_device(list[i], &probe->rdma[i]);
	probe->n_rdma = (size_t)n;
	ibv_free_device_list(list);
	return 0;
}
