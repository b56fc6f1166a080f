/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The forwarder at the TC ingress of the clear link (design section 3, placement `kernel`).
 *
 * A frame of the private ethertype goes up in every case: TC_ACT_OK hands it to what is bound to
 * that ethertype, the control plane's packet socket, and no handler of IP's ever sees it. Whatever
 * else arrives on the link ends here.
 */
#include "link.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("tc")
int inlay_forward(struct __sk_buff *skb)
{
	return inlay_link_frame(skb);
}
