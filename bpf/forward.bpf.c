/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The forwarder at the TC ingress of the clear link (design section 3, placement `kernel`).
 *
 * A frame of the private ethertype goes up in every case, byte for byte as it came: TC_ACT_OK hands
 * it to what is bound to that ethertype, the control plane's packet socket, and to nothing else; no
 * handler of IP's ever sees it. Whatever else arrives on the link ends here (invariant 1).
 *
 * Copies are written into the original's own bytes, one after the other: the head before the
 * payload, the descriptor behind it, and a clone of that is sent back over the link. What was
 * written over is put back at last.
 */
#include "link.h"

/* Not a frame of ours: counted as BAD_FRAME. */
char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("tc")
int inlay_forward(struct __sk_buff *skb)
{
	return inlay_link_run(skb);
}
