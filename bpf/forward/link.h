/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The clear link at a TC hook: frames come out of a socket buffer, copies leave in clones of it.
 *
 * A copy is written into the original's own bytes: its head before the payload that copies share,
 * its descriptor behind it, and the link's header at the front says where it lies. What was written
 * over is put back when the last one has left: the original goes up as it came.
 */
#ifndef INLAY_FORWARD_LINK_H
#define INLAY_FORWARD_LINK_H

#include <linux/if_ether.h>
#include <linux/pkt_cls.h>

#include "forward.h"

#define INLAY_LINK_FRONT (ETH_HLEN + (__u32)sizeof(struct inlay_link_header))

/* One packet's way out, on the entry's stack: stages cannot be handed a socket buffer. */
struct inlay_link_run {
	struct __sk_buff *skb;
	struct inlay_work *w;
	__u32 packet_at; /* of the clear packet in the frame */
	__u32 at;	 /* of the payload, in the frame, of the copies that are leaving */
	__u32 end;	 /* and behind it */
};

INLAY_INLINE __be16 inlay_link_be16(__u32 v)
{
	return __builtin_bswap16((__u16)v);
}

/* Is there a clear packet in the frame? Then it is copied to where it is read. */
INLAY_INLINE bool inlay_link_read(struct inlay_link_run *r)
{
	struct inlay_link_header h;
	__u32 len, headers;

	if (bpf_skb_load_bytes(r->skb, ETH_HLEN, &h, sizeof(h)))
		return false;
	headers = h.l2_len + (h.ip_len ? h.ip_len + INLAY_NET_UDP_LEN : 0);
	len = inlay_link_be16(h.len);
	if (inlay_link_be16(h.skip) < INLAY_LINK_ROOM || len > INLAY_FRAME_MAX)
		return false;
	/* Two comparisons stay two: made into one, of another number, they tell the verifier
	 * nothing of this one. */
	__asm__ volatile("" : "+r"(len));
	if (len < INLAY_TAG)
		return false;
	r->packet_at = INLAY_LINK_FRONT + inlay_link_be16(h.skip) + headers;
	r->w->packet_len = len;
	/* The second is what the masks of inlay_link_put() take for granted. */
	return r->packet_at + len <= r->skb->len && r->packet_at + len <= 2 * INLAY_FRAME_MAX &&
	       !bpf_skb_load_bytes(r->skb, r->packet_at, r->w->bytes, len);
}

/* The bytes that copies of one frame of the packet are written over. */
INLAY_INLINE void inlay_link_save(struct inlay_link_run *r, const struct inlay_out *o)
{
	r->at = r->packet_at + o->payload_at;
	r->end = r->at + o->payload_len;
	(void)bpf_skb_load_bytes(r->skb, r->at - INLAY_HEAD_MAX, r->w->saved, INLAY_HEAD_MAX);
	(void)bpf_skb_load_bytes(r->skb, r->end, r->w->saved + INLAY_HEAD_MAX, INLAY_TAG);
}

INLAY_INLINE void inlay_link_restore(struct inlay_link_run *r)
{
	(void)bpf_skb_store_bytes(r->skb, r->at - INLAY_HEAD_MAX, r->w->saved, INLAY_HEAD_MAX, 0);
	(void)bpf_skb_store_bytes(r->skb, r->end, r->w->saved + INLAY_HEAD_MAX, INLAY_TAG, 0);
}

/* Which way it leaves, and where it lies. |p|: ETH_HLEN bytes and the header's. */
INLAY_INLINE void inlay_link_put_front(struct inlay_link_run *r, const struct inlay_out *o, __u8 *p)
{
	struct inlay_link_header *h = (struct inlay_link_header *)(p + ETH_HLEN);

	/* Back to where the original came from. */
	__builtin_memcpy(p, r->w->front + ETH_ALEN, ETH_ALEN);
	__builtin_memcpy(p + ETH_ALEN, r->w->front, ETH_ALEN);
	h->skip = inlay_link_be16(r->at - o->head_len - INLAY_LINK_FRONT);
	h->len = inlay_link_be16((__u32)o->head_len - o->quic_at + o->payload_len + INLAY_TAG);
	h->port = inlay_link_be16(o->port);
	h->l2_len = o->l2_len;
	h->ip_len = o->ip_len;
}

INLAY_INLINE void inlay_link_put_desc(const struct inlay_out *o, struct inlay_desc *d)
{
	d->sa = __builtin_bswap32(o->sa);
	d->flags = (__u8)(o->ecn << INLAY_DESC_ECN_SHIFT);
	d->hdr_len = o->quic_len;
	d->generation = __builtin_bswap16(o->sa_generation);
	d->pn = __builtin_bswap64(o->pn);
}

/* Direct wide stores: a helper's call for each would cost 200 to 400 ns a copy. */
INLAY_INLINE bool inlay_link_put(struct inlay_link_run *r, const struct inlay_out *o)
{
	__u8 *data = (__u8 *)(long)r->skb->data, *end = (__u8 *)(long)r->skb->data_end;
	/* Bounded for the verifier: they are lengths of a frame that was looked at. */
	__u8 *head = data + ((r->at - INLAY_HEAD_MAX) & (2 * INLAY_FRAME_MAX - 1));
	__u8 *tail = data + (r->end & (2 * INLAY_FRAME_MAX - 1));
	__u32 i;

	if (data + INLAY_LINK_FRONT > end || head + INLAY_HEAD_MAX > end || tail + INLAY_TAG > end)
		return false;
	for (i = 0; i < INLAY_HEAD_MAX / 8; i++)
		((__u64 *)head)[i] = ((const __u64 *)o->head)[i];
	inlay_link_put_front(r, o, data);
	inlay_link_put_desc(o, (struct inlay_desc *)tail);
	return true;
}

INLAY_STEP inlay_link_step(__u32 i, void *ctx)
{
	struct inlay_link_run *r = ctx;
	struct inlay_out *o = inlay_entry(&inlay_outs, r->w->first_out + i);
	struct inlay_sent *sent;

	if (!o)
		return 1;
	if (i == 0 || r->at != r->packet_at + o->payload_at) {
		if (i > 0)
			inlay_link_restore(r);
		inlay_link_save(r, o);
	}
	if (inlay_link_put(r, o) && !bpf_clone_redirect(r->skb, r->skb->ifindex, 0))
		return 0;
	inlay_work_count(r->w, INLAY_REASON_COPY_DROPPED);
	sent = inlay_entry(&inlay_logs, o->log);
	if (sent)
		inlay_sent_drop(sent, o->pn);
	return 0;
}

INLAY_INLINE void inlay_link_send(struct inlay_link_run *r)
{
	struct inlay_work *w = r->w;

	if (w->n_out == 0 || bpf_skb_load_bytes(r->skb, 0, w->front, INLAY_LINK_FRONT))
		return;
	INLAY_LOOP(w->n_out, inlay_link_step, r);
	inlay_link_restore(r);
	(void)bpf_skb_store_bytes(r->skb, 0, w->front, INLAY_LINK_FRONT, 0);
}

/* What becomes of the frame: TC_ACT_OK, up to the socket bound to its type, or TC_ACT_SHOT. */
INLAY_INLINE int inlay_link_frame(struct __sk_buff *skb)
{
	struct inlay_link_run r = {.skb = skb, .w = inlay_entry(&inlay_scratch, 0)};
	struct inlay_work *w = r.w;

	if (!w)
		return TC_ACT_SHOT;
	/* Nothing else belongs on this link: IP is not to see any of it (invariant 1). */
	if (skb->protocol != inlay_link_be16(INLAY_LINK_TYPE)) {
		inlay_work_count(w, INLAY_REASON_BAD_FRAME);
		return TC_ACT_SHOT;
	}
	/* Several packets in one, and no room before each. */
	if (skb->gso_size || bpf_skb_pull_data(skb, skb->len) || !inlay_link_read(&r)) {
		inlay_work_count(w, INLAY_REASON_BAD_FRAME);
		return TC_ACT_OK;
	}
	w->time_us = (__u32)(bpf_ktime_get_ns() / INLAY_US);
	w->first_out = bpf_get_smp_processor_id() * INLAY_OUT_MAX;
	w->n_out = 0;
	(void)inlay_forward_packet(w);
	inlay_link_send(&r);
	return TC_ACT_OK;
}

#endif
