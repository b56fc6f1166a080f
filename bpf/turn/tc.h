/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What stands at TC: relaying where XDP has none or could not, and the watch over what leaves.
 */
#ifndef INLAY_TURN_TC_H
#define INLAY_TURN_TC_H

#include <linux/pkt_cls.h>

#include "headers.h"

/* A whole datagram at our feet? Not of a VLAN, whose own interface sees it next or has seen it. */
INLAY_INLINE __u32 inlay_turn_tc_read(struct __sk_buff *skb, struct inlay_turn_packet *p)
{
	struct inlay_view view;

	if ((skb->protocol != bpf_htons(INLAY_NET_TYPE_IPV4) &&
	     skb->protocol != bpf_htons(INLAY_NET_TYPE_IPV6)) ||
	    skb->vlan_present)
		return INLAY_TURN_STRANGER;
	if (skb->data + INLAY_TURN_LOOK > skb->data_end && skb->len > skb->data_end - skb->data)
		(void)bpf_skb_pull_data(skb,
					skb->len < INLAY_TURN_LOOK ? skb->len : INLAY_TURN_LOOK);
	view.data = (const __u8 *)(long)skb->data;
	view.end = (const __u8 *)(long)skb->data_end;
	return inlay_turn_read(&view, skb->len, p);
}

INLAY_INLINE int inlay_turn_at_egress(struct __sk_buff *skb)
{
	const struct inlay_turn_control *c = inlay_turn_settings();
	struct inlay_turn_packet p;

	if (!c || INLAY_TURN_READ(c->mode) == INLAY_TURN_OFF || skb->gso_segs > 1)
		return TC_ACT_UNSPEC;
	if (inlay_turn_tc_read(skb, &p) != INLAY_TURN_GO)
		return TC_ACT_UNSPEC;
	inlay_view_put32((__u8 *)&p.key.channel, 0);
	inlay_turn_tap_egress(skb, &p, c);
	return TC_ACT_UNSPEC;
}

#endif
