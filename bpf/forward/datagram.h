/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Object datagrams: each is written anew up to its properties, with the position's own alias, and
 * goes on as it came. To whom it cannot be sent it is not sent (design section 5, rule 6).
 */
#ifndef INLAY_FORWARD_DATAGRAM_H
#define INLAY_FORWARD_DATAGRAM_H

#include "copy.h"

/* Valid as the control plane has it? Else w->reason. */
INLAY_INLINE bool inlay_datagram_check(struct inlay_work *w, struct inlay_cursor *c,
				       struct inlay_moq_datagram *o)
{
	enum inlay_moq_verdict v = inlay_moq18_datagram_parse(c, o);

	w->reason = INLAY_REASON_MALFORMED;
	if (v != INLAY_MOQ_OK)
		return INLAY_MUTANT(PAST_MALFORMED) && o->payload.len > 0;
	w->reason = INLAY_REASON_NOT_MEDIA;
	if (o->padding)
		return false;
	v = inlay_properties_check(w, o->properties, o->group, o->object);
	w->reason = v == INLAY_MOQ_MORE ? INLAY_REASON_LONG_OBJECT_HEADER : INLAY_REASON_MALFORMED;
	return v == INLAY_MOQ_OK;
}

/* What copies begin with, and where the rest is: properties and all behind them, or the payload. */
INLAY_INLINE bool inlay_datagram_prefix(struct inlay_work *w, const struct inlay_media *m,
					const struct inlay_moq_datagram *o, const __u8 *begin)
{
	struct inlay_writer out = inlay_writer_of(w->prefix, sizeof(w->prefix));
	struct inlay_moq_datagram copy = *o;
	const __u8 *rest = o->properties.len > 0 ? o->properties.data : o->payload.data;

	copy.alias = INLAY_MUTANT(PUBLISHERS_ALIAS) ? o->alias & INLAY_ALIAS_MAX : 0;
	w->alias_at = 2; /* types of frame and datagram have a byte each */
	if (!inlay_writer_u8(&out, INLAY_QUIC_DATAGRAM) ||
	    !inlay_moq18_datagram_put_sized(&out, &copy, INLAY_ALIAS_BYTES))
		return false;
	w->prefix_len = (__u8)inlay_writer_len(&out);
	w->payload_at = m->at + (__u32)inlay_cursor_distance(rest, begin);
	w->payload_len = m->len - (__u32)inlay_cursor_distance(rest, begin);
	return true;
}

INLAY_STAGE __u32 inlay_forward_datagram(struct inlay_work *w)
{
	struct inlay_moq_datagram o = {0};
	const struct inlay_media *m;
	struct inlay_upstream *up;
	struct inlay_cursor c;
	const __u8 *begin;
	__u8 priority = 0;

	if (!INLAY_GIVEN(w))
		return INLAY_MEDIA_DECLINED;
	m = inlay_media_at(w);
	up = inlay_upstream_at(w);
	c = inlay_work_bytes(w, m->at, m->len);
	begin = inlay_cursor_at(&c);
	if (!up || !inlay_datagram_check(w, &c, &o) ||
	    !inlay_work_track(w, up, o.alias, o.group, &priority) ||
	    !inlay_datagram_prefix(w, m, &o, begin))
		return INLAY_MEDIA_DECLINED;
	w->priority = o.has_priority ? o.priority : priority;
	w->first = 0;
	w->fin = 0;
	w->datagram = 1;
	inlay_work_take_up(w);
	inlay_fan_out(w);
	return INLAY_MEDIA_FORWARDED;
}

#endif
