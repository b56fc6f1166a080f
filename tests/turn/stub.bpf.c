/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The maps of inlay-turn with programs that leave everything alone: for tests of the library, which
 * load it dozens of times. The true ones take the verifier a second or two.
 */
#include "../../bpf/turn/maps.h"

#include <linux/pkt_cls.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("xdp")
int turn_xdp(struct xdp_md *ctx)
{
	return XDP_PASS;
}

SEC("tc")
int turn_ingress(struct __sk_buff *skb)
{
	return TC_ACT_UNSPEC;
}

SEC("tc")
int turn_egress(struct __sk_buff *skb)
{
	return TC_ACT_UNSPEC;
}
