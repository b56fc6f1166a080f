/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#ifndef INLAY_LINK_H
#define INLAY_LINK_H
#include "forward.h"
#include <linux/pkt_cls.h>

INLAY_INLINE int inlay_link_run(struct __sk_buff *skb)
{
	struct inlay_work *w = inlay_entry(&inlay_scratch, 0);
	__u32 len = skb->len;

	if (!w)
		return TC_ACT_OK;
	if (len < 30 || len > 2048)
		return TC_ACT_OK;
	len -= 22;
	if (bpf_skb_load_bytes(skb, 22, w->bytes, len))
		return TC_ACT_OK;
	w->packet_len = len;
	w->time_us = (__u32)(bpf_ktime_get_ns() / 1000);
	w->n_out = 0;
	w->n_lost = 0;
	w->first_out = bpf_get_smp_processor_id() * INLAY_OUT_MAX;
	inlay_forward_packet(w);
	return TC_ACT_OK;
}
#endif
