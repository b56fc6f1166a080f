/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Generic netlink's family "netdev", which tells what XDP can do on a device (Linux 6.3 and newer):
 * its numbers, which are the kernel's ABI (linux/netdev.h), and which Debian 12's headers lack.
 */
#ifndef INLAY_OFFLOAD_NIC_NETDEV_FAMILY_H
#define INLAY_OFFLOAD_NIC_NETDEV_FAMILY_H

#define INLAY_NETDEV_FAMILY "netdev"

enum inlay_netdev_command {
	INLAY_NETDEV_DEV_GET = 1,
};

enum inlay_netdev_attr {
	INLAY_NETDEV_IFINDEX = 1,      /* u32 */
	INLAY_NETDEV_XDP_FEATURES = 3, /* u64, enum inlay_nic_xdp */
	INLAY_NETDEV_XDP_METADATA = 5, /* u64 */
};

/* enum netdev_xdp_act. It changes while a device runs. */
enum inlay_nic_xdp {
	INLAY_NIC_XDP_BASIC = 1 << 0, /* native: pass, drop, abort, XDP_TX */
	INLAY_NIC_XDP_REDIRECT = 1 << 1,
	INLAY_NIC_XDP_XMIT = 1 << 2, /* others may redirect to it */
	INLAY_NIC_XDP_ZEROCOPY = 1 << 3,
	INLAY_NIC_XDP_OFFLOAD = 1 << 4, /* it runs eBPF itself */
	INLAY_NIC_XDP_RX_SG = 1 << 5,
	INLAY_NIC_XDP_XMIT_SG = 1 << 6,
};

#endif
