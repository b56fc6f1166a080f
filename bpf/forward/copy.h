/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * One copy of the frame at hand, for one position: credit, packet number, headers, entry in the
 * sent log, and only once that is published, out. One copy carries one frame and nothing else.
 */
#ifndef INLAY_FORWARD_COPY_H
#define INLAY_FORWARD_COPY_H

#include "credit.h"
#include "inlay_net.h"
#include "inlay_quic_frame.h"
#include "slot.h"

/* Where a copy goes in its subscriber's streams. */
struct inlay_place {
	__u64 offset; /* downstream */
	__u32 stream; /* number */
};

/* Of the frame's header: fixed-size fields, so that copies of a frame are of one size. */
INLAY_INLINE __u32 inlay_frame_head_len(const struct inlay_work *w)
{
	if (w->datagram)
		return 0; /* the type is part of the prefix */
	return w->first ? 1 + 4 : 1 + 4 + 8;
}

/* STREAM with OFF, but at offset 0, and without LEN (RFC 9000 section 19.8). */
INLAY_INLINE __u32 inlay_put_frame_head(const struct inlay_work *w,
					const struct inlay_subscriber *s,
					const struct inlay_place *at, __u8 *p)
{
	__u32 id = 2U << 30 | at->stream << 2 | 2 | (s->initiator & 1);
	__u64 offset = 3ULL << 62 | at->offset;

	p[0] = (__u8)(INLAY_QUIC_STREAM | (w->first ? 0 : INLAY_QUIC_STREAM_OFF) |
		      (w->fin && !INLAY_MUTANT(FIN_DROPPED) ? INLAY_QUIC_STREAM_FIN : 0));
	/* In one store each: a loop over bytes is not merged into one. */
	id = inlay_net_swap32(id);
	__builtin_memcpy(p + 1, &id, sizeof(id));
	if (w->first)
		return 5;
	offset = inlay_net_swap64(offset);
	__builtin_memcpy(p + 5, &offset, sizeof(offset));
	return 13;
}

/* The prefix, with the position's own alias as a vi64 of INLAY_ALIAS_BYTES. */
INLAY_INLINE void inlay_put_prefix(const struct inlay_work *w, const struct inlay_position *pos,
				   __u8 *p)
{
	const struct inlay_position *named =
		INLAY_MUTANT(ALIAS_OF_FIRST) ? inlay_position_at(w, 0) : pos;
	__u32 alias = named->alias & INLAY_ALIAS_MAX;
	__u32 at = w->alias_at & 7;

	__builtin_memcpy(p, w->prefix, INLAY_PREFIX_MAX);
	if (INLAY_MUTANT(PUBLISHERS_ALIAS))
		return;
	p[at] = (__u8)(0xe0 | alias >> 24);
	p[at + 1] = (__u8)(alias >> 16);
	p[at + 2] = (__u8)(alias >> 8);
	p[at + 3] = (__u8)alias;
}

/* Bytes before the short header; |*ret_len|: with it. False: the entry is not fit for use. */
INLAY_INLINE bool inlay_headers_len(const struct inlay_headers *h, __u32 *ret_at, __u32 *ret_len)
{
	__u32 at = h->l2_len + (h->ip_len ? h->ip_len + INLAY_NET_UDP_LEN : 0);

	if (h->ip_len && (!INLAY_CAP_WIRE ||
			  (h->ip_len != INLAY_NET_IPV4_LEN && h->ip_len != INLAY_NET_IPV6_LEN)))
		return false;
	*ret_at = at;
	*ret_len = at + h->quic_len;
	return h->quic_len > INLAY_TX_PN && *ret_len <= INLAY_HDR_MAX;
}

/* Link layer to packet number. Who seals the copy adds the UDP checksum: inlay_net_udp_begin(). */
INLAY_INLINE void inlay_put_headers(const struct inlay_headers *h, __u64 pn, __u32 size, __u32 len,
				    __u32 ecn, __u8 *p)
{
	__u8 *end = p + (len <= INLAY_HDR_MAX ? len : INLAY_HDR_MAX);
	__u32 low = inlay_net_swap32((__u32)pn);

	__builtin_memcpy(p, h->bytes, INLAY_HDR_MAX);
	__builtin_memcpy(end - sizeof(low), &low, sizeof(low));
#if INLAY_CAP_WIRE
	if (h->ip_len) {
		inlay_net_set_lengths(p, h->l2_len & 63, h->ip_len & 63, size);
		inlay_net_set_ecn(p, h->l2_len & 63, h->ip_len & 63, (__u8)ecn);
	}
#endif
}

/* All of the entry but what publishes it. */
INLAY_INLINE void inlay_sent_fill(const struct inlay_work *w, struct inlay_sent *sent,
				  const struct inlay_place *at, __u32 size, __u32 ecn)
{
	__u32 prefix = w->first || w->datagram ? w->prefix_len : 0;

	sent->stream = w->datagram ? 0 : at->stream;
	sent->time_us = w->time_us;
	sent->offset = w->datagram ? 0 : at->offset;
	/* A datagram's prefix begins with the frame's type, which is not of the datagram. */
	sent->payload_len = (__u16)(prefix - (w->datagram ? 1 : 0) + w->payload_len);
	sent->packet_size = (__u16)size;
	sent->flags =
		(__u16)((w->fin ? INLAY_SENT_FIN : 0) |
			(w->datagram && !INLAY_MUTANT(DATAGRAM_STREAM) ? INLAY_SENT_DATAGRAM : 0) |
			(ecn != INLAY_ECN_NOT_ECT ? INLAY_SENT_ECN : 0));
	sent->pad = 0;
}

/* False: the control plane has voided the number: it must not be sent. */
INLAY_INLINE bool inlay_sent_publish(struct inlay_sent *sent, __u64 old, __u64 pn)
{
	__u64 word = INLAY_SENT_WORD(pn, INLAY_SENT_SENT);

	return (old < word && inlay_cas_u64(&sent->pn_state, old, word)) ||
	       INLAY_MUTANT(NO_PUBLICATION);
}

/* Credit has been taken. False: the number was voided, and nothing is sent. */
INLAY_INLINE bool inlay_copy_send(struct inlay_work *w, const struct inlay_position *p,
				  struct inlay_subscriber *s, const struct inlay_headers *h,
				  const struct inlay_place *at, __u32 size)
{
	__u32 ecn = inlay_load_u32(&s->ecn) & 3, len, quic_at;
	__u64 pn = inlay_fetch_add_u64(&s->next_pn, 1);
	struct inlay_sent *sent = inlay_sent_at(w, p->subscriber, s, pn);
	__u64 old = sent ? inlay_load_u64(&sent->pn_state) : ~0ULL;
	__u8 *head = inlay_work_head(w);

	if (!sent || !inlay_headers_len(h, &quic_at, &len))
		return false;
	inlay_put_headers(h, pn, size, len, ecn, head);
	if (!w->datagram)
		len += inlay_put_frame_head(w, s, at, head + len);
	if (w->first || w->datagram) {
		inlay_put_prefix(w, p, head + len);
		len += w->prefix_len;
	}
	if (old < INLAY_SENT_WORD(pn, INLAY_SENT_SENT))
		inlay_sent_fill(w, sent, at, size, ecn);
	if (!inlay_sent_publish(sent, old, pn))
		return false;
	inlay_sent_ahead(w, p->subscriber, s, pn);
	inlay_work_emit(w, s, h, sent, pn, len, quic_at);
	return true;
}

/* Why the position is not sent what others are. */
INLAY_INLINE void inlay_position_refuse(const struct inlay_work *w, struct inlay_position *p,
					__u32 reason)
{
	inlay_store_u16(&p->reason, (__u16)reason);
	inlay_work_count(w, reason);
}

/* Is the position to be sent a stream that begins, or a datagram, of the group at hand? */
INLAY_INLINE bool inlay_position_takes(const struct inlay_work *w, struct inlay_position *p)
{
	__u32 state = inlay_load_u32(&p->state);

	if (state == INLAY_POSITION_ARMED && w->take_up) {
		if (!INLAY_MUTANT(NO_SINCE))
			p->since = w->serial;
		if (inlay_cas_u32(&p->state, INLAY_POSITION_ARMED, INLAY_POSITION_ACTIVE))
			state = INLAY_POSITION_ACTIVE;
	}
	if (state == INLAY_POSITION_OFF && !INLAY_MUTANT(IGNORE_OFF)) {
		inlay_position_refuse(w, p, INLAY_REASON_POSITION_OFF);
		return false;
	}
	if (state != INLAY_POSITION_ACTIVE && state != INLAY_POSITION_OFF)
		return false;
	if ((w->group < inlay_load_u64(&p->first_group) ||
	     w->group >= inlay_load_u64(&p->end_group)) &&
	    !INLAY_MUTANT(IGNORE_FILTER)) {
		inlay_position_refuse(w, p, INLAY_REASON_OUTSIDE_FILTER);
		return false;
	}
	return true;
}

/* Its connection, and the headers in force; NULL: it has gone. */
INLAY_INLINE struct inlay_subscriber *inlay_position_subscriber(const struct inlay_work *w,
								const struct inlay_position *p)
{
	struct inlay_subscriber *s = inlay_subscriber_at(w, p->subscriber);

	if (!s ||
	    (inlay_load_u16(&s->generation) != p->generation && !INLAY_MUTANT(STALE_SUBSCRIBER)))
		return NULL;
	return s;
}

/* Bytes of the UDP payload; 0: the headers are not fit for use. */
INLAY_INLINE __u32 inlay_copy_size(const struct inlay_work *w, const struct inlay_headers *h)
{
	__u32 at, len;

	if (!inlay_headers_len(h, &at, &len))
		return 0;
	return h->quic_len + inlay_frame_head_len(w) +
	       (w->first || w->datagram ? w->prefix_len : 0) + w->payload_len + INLAY_TAG;
}

/* --- Datagrams ------------------------------------------------------------------------------ */

INLAY_INLINE void inlay_copy_datagram(struct inlay_work *w, struct inlay_position *p)
{
	const struct inlay_place at = {0};
	struct inlay_credit c = {.reason = INLAY_REASON_SUBSCRIBER_GONE};
	const struct inlay_headers *h;
	struct inlay_subscriber *s;

	if (!inlay_position_takes(w, p))
		return;
	s = inlay_position_subscriber(w, p);
	if (s) {
		h = &s->headers[inlay_load_u32(&s->headers_index) & 1];
		c.size = inlay_copy_size(w, h);
		c.datagram = w->prefix_len + w->payload_len;
		c.class = inlay_class_of(p, w->priority);
		if (c.size > 0 && inlay_credit_take(&c, s)) {
			if (inlay_copy_send(w, p, s, h, &at, c.size)) {
				inlay_add_u64(&p->copies, 1);
				return;
			}
			inlay_credit_bytes_undo(&c, s);
			c.reason = INLAY_REASON_NUMBER_VOIDED;
		}
	}
	inlay_position_refuse(w, p, c.reason);
}

/* --- Streams -------------------------------------------------------------------------------- */

/* Is the frame at hand this leg's to send? */
INLAY_INLINE bool inlay_leg_takes(const struct inlay_work *w, struct inlay_leg *leg, __u32 state,
				  struct inlay_position *p)
{
	if (w->first)
		return state == INLAY_LEG_NONE && inlay_position_takes(w, p);
	if (state == INLAY_LEG_OFFERED)
		return inlay_reload_u32(&leg->state) == state &&
		       (w->offset >= leg->attach || INLAY_MUTANT(OFFER_EARLY));
	return state == INLAY_LEG_ATTACHED ||
	       (INLAY_MUTANT(RECALL_IGNORED) && state == INLAY_LEG_DETACHED) ||
	       (INLAY_MUTANT(ATTACH_MID_STREAM) && state == INLAY_LEG_NONE &&
		inlay_position_takes(w, p));
}

INLAY_INLINE void inlay_leg_ask(const struct inlay_work *w, const struct inlay_leg *leg,
				struct inlay_credit *c, struct inlay_place *at)
{
	__s32 shift = w->first ? w->shift : leg->shift;
	__u64 charged = w->first ? 0 : leg->charged;

	at->stream = leg->stream;
	at->offset = w->first ? 0 : w->offset + (__u64)(__s64)shift;
	if (INLAY_MUTANT(WRONG_SHIFT) && !w->first)
		at->offset++;
	c->first = w->first;
	c->limit = inlay_load_u64(&leg->limit);
	c->end = w->end + (__u64)(__s64)shift;
	c->rise = c->end > charged ? c->end - charged : 0;
	if (INLAY_MUTANT(NO_GAP_CHARGE) && c->rise > w->payload_len && !w->first)
		c->rise = w->payload_len;
}

/* A leg that was not ours becomes so. False: the offer was withdrawn. */
INLAY_INLINE bool inlay_leg_attach(const struct inlay_work *w, struct inlay_leg *leg, __u32 state,
				   const struct inlay_credit *c)
{
	if (state == INLAY_LEG_ATTACHED ||
	    (INLAY_MUTANT(RECALL_IGNORED) && state == INLAY_LEG_DETACHED))
		return true;
	if (w->first) {
		leg->stream = c->stream;
		leg->shift = w->shift;
		leg->charged = 0;
	}
	leg->attach = w->offset;
	return inlay_cas_u32(&leg->state, state, INLAY_LEG_ATTACHED);
}

/* Credit was given. False: c->reason says why nothing was sent; all but the stream number was
 * given back. */
INLAY_INLINE bool inlay_leg_send(struct inlay_work *w, struct inlay_position *p,
				 struct inlay_leg *leg, struct inlay_subscriber *s,
				 const struct inlay_headers *h, struct inlay_credit *c,
				 struct inlay_place *at)
{
	if (w->first)
		at->stream = c->stream;
	c->reason = INLAY_REASON_NUMBER_VOIDED;
	if (!inlay_copy_send(w, p, s, h, at, c->size)) {
		inlay_credit_bytes_undo(c, s);
		inlay_credit_flow_undo(c, s);
		return false;
	}
	leg->charged += c->rise;
	inlay_add_u64(&p->copies, 1);
	return true;
}

INLAY_INLINE void inlay_copy_frame(struct inlay_work *w, struct inlay_position *p, __u32 i)
{
	struct inlay_credit c = {.reason = INLAY_REASON_SUBSCRIBER_GONE};
	struct inlay_leg *leg = inlay_leg_at(w, w->slot, i);
	__u32 state = leg ? inlay_load_u32(&leg->state) : INLAY_LEG_NONE;
	const struct inlay_headers *h;
	struct inlay_subscriber *s;
	struct inlay_place at;

	if (!leg || !inlay_leg_takes(w, leg, state, p))
		return;
	s = inlay_position_subscriber(w, p);
	if (s) {
		h = &s->headers[inlay_load_u32(&s->headers_index) & 1];
		inlay_leg_ask(w, leg, &c, &at);
		c.size = inlay_copy_size(w, h);
		c.class = inlay_class_of(p, w->priority);
		if (c.size > 0 && inlay_credit_take(&c, s)) {
			if (!inlay_leg_attach(w, leg, state, &c)) {
				inlay_credit_bytes_undo(&c, s);
				inlay_credit_flow_undo(&c, s);
				return;
			}
			if (inlay_leg_send(w, p, leg, s, h, &c, &at))
				return;
			state = INLAY_LEG_ATTACHED;
		}
	}
	inlay_position_refuse(w, p, c.reason);
	/* A leg that never had a stream number stays NONE: the control plane serves it. */
	if (state != INLAY_LEG_NONE)
		inlay_leg_detach(leg, state, INLAY_MUTANT(DETACH_LATE) ? w->end : w->offset,
				 c.reason);
}

/* --- Fan-out -------------------------------------------------------------------------------- */

INLAY_STAGE long inlay_copy_one(struct inlay_work *w, __u32 i)
{
	struct inlay_position *p;

	if (!INLAY_GIVEN(w))
		return 0;
	p = inlay_position_at(w, i);
	if (!p)
		return 0;
	inlay_work_ahead(w, i, inlay_work_positions(w));
	if (w->datagram)
		inlay_copy_datagram(w, p);
	else
		inlay_copy_frame(w, p, i);
	return 0;
}

INLAY_WORK_STEP(inlay_copy_one)

INLAY_INLINE void inlay_fan_out(struct inlay_work *w)
{
	INLAY_WORK_LOOP(w, inlay_work_positions(w), inlay_copy_one);
}

#endif
