// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* The least that a device can be asked to run. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_helpers.h>

SEC("xdp")
int ret_xdp(struct xdp_md *ctx)
{
	return XDP_PASS;
}

SEC("tc")
int ret_tc(struct __sk_buff *skb)
{
	return TC_ACT_UNSPEC;
}

char _license[] SEC("license") = "Dual BSD/GPL";
