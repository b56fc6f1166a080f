/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The programs of inlay-turn at a TURN server's interfaces (design section 8). At TC they say
 * TC_ACT_UNSPEC of what they leave alone: whoever stands behind them decides.
 */
#include "turn/tc.h"
#include "turn/xdp.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("xdp")
int turn_xdp(struct xdp_md *ctx)
{
	return inlay_turn_at_xdp(ctx);
}

SEC("tc")
int turn_ingress(struct __sk_buff *skb)
{
	return inlay_turn_at_ingress(skb);
}

SEC("tc")
int turn_egress(struct __sk_buff *skb)
{
	return inlay_turn_at_egress(skb);
}
