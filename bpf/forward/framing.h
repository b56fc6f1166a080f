/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Follows the objects of a subgroup stream (design section 5, rule 4) on a struct inlay_framing:
 * a copy of the slot's, which goes back there only when the frame was forwarded. A header is parsed
 * whole, properties included, or gathered in |acc| until it is: what the control plane would take
 * for malformed is found before the frame that completes it is forwarded.
 *
 * States used: OBJECT (between objects, or |acc_len| bytes into a header), PAYLOAD, ENDED.
 */
#ifndef INLAY_FORWARD_FRAMING_H
#define INLAY_FORWARD_FRAMING_H

#include "inlay_loop.h"
#include "inlay_moq_framer.h"
#include "inlay_moq_properties.h"
#include "tables.h"

/* At the first byte behind the subgroup header. */
INLAY_INLINE void inlay_framing_begin(struct inlay_framing *g, __u64 offset, bool has_properties)
{
	__builtin_memset(g, 0, sizeof(*g));
	g->offset = offset;
	g->state = INLAY_MOQ_FRAMER_OBJECT;
	g->has_properties = has_properties;
}

/* May what the control plane handed over be gone on from? */
INLAY_INLINE bool inlay_framing_is_sound(const struct inlay_framing *g)
{
	switch (g->state) {
	case INLAY_MOQ_FRAMER_OBJECT:
		return g->acc_len <= sizeof(g->acc);
	case INLAY_MOQ_FRAMER_PAYLOAD:
		return g->left > 0 && g->acc_len == 0;
	default:
		return g->state == INLAY_MOQ_FRAMER_ENDED && g->acc_len == 0;
	}
}

/* May the stream end here (section 11.4)? */
INLAY_INLINE bool inlay_framing_may_end(const struct inlay_framing *g)
{
	return g->acc_len == 0 && g->state != INLAY_MOQ_FRAMER_PAYLOAD;
}

/* |n| bytes of payload, at most those left. */
INLAY_INLINE void inlay_framing_pass(struct inlay_framing *g, __u64 n)
{
	g->left -= n;
	g->offset += n;
	if (g->left == 0)
		g->state = INLAY_MOQ_FRAMER_OBJECT;
}

/* On to |offset|, at or above where it stands. False: the gap lies over a header. */
INLAY_INLINE bool inlay_framing_leap(struct inlay_framing *g, __u64 offset)
{
	__u64 gap = offset - g->offset;

	if (gap == 0)
		return true;
	if (INLAY_MUTANT(GAP_OVER_HEADER) &&
	    (g->state != INLAY_MOQ_FRAMER_PAYLOAD || gap > g->left)) {
		g->offset = offset;
		g->state = INLAY_MOQ_FRAMER_OBJECT;
		g->acc_len = 0;
		return true;
	}
	if (g->state != INLAY_MOQ_FRAMER_PAYLOAD || gap > g->left)
		return false;
	inlay_framing_pass(g, gap);
	return true;
}

/* An object's header is complete. */
INLAY_INLINE void inlay_framing_object(struct inlay_framing *g, const struct inlay_moq_object *o)
{
	g->object = o->id;
	g->payload_len = o->payload_len;
	g->left = o->payload_len;
	if (g->objects != ~0U)
		g->objects++;
	if (o->payload_len > 0)
		g->state = INLAY_MOQ_FRAMER_PAYLOAD;
	else if (o->status != INLAY_MOQ_STATUS_NORMAL)
		g->state = INLAY_MOQ_FRAMER_ENDED;
}

INLAY_STAGE long inlay_properties_step(struct inlay_work *w, __u32 i)
{
	return !INLAY_GIVEN(w) || !inlay_moq18_pairs_next(&w->pairs, w);
}

INLAY_WORK_STEP(inlay_properties_step)

/* As inlay_moq18_pairs_end(). */
INLAY_INLINE enum inlay_moq_verdict inlay_properties_check(struct inlay_work *w,
							   struct inlay_moq_bytes bytes,
							   __u64 group, __u64 object)
{
	if (bytes.len == 0 || INLAY_MUTANT(NO_PROPERTIES))
		return INLAY_MOQ_OK;
	inlay_moq18_pairs_begin(&w->pairs, w, inlay_cursor_of(bytes.data, bytes.len), group,
				object);
	INLAY_WORK_LOOP(w, INLAY_PAIRS_FOLLOWED, inlay_properties_step);
	return inlay_moq18_pairs_end(&w->pairs, w);
}

/* One header from |c|. OK; MORE: not whole, or (|*ret_long|) more than is followed; others:
 * malformed. */
INLAY_INLINE enum inlay_moq_verdict inlay_framing_parse(struct inlay_work *w,
							struct inlay_framing *g,
							struct inlay_cursor *c, bool *ret_long)
{
	const struct inlay_moq_subgroup h = {.has_properties = g->has_properties};
	struct inlay_moq_object o;
	struct inlay_moq_bytes properties;
	enum inlay_moq_verdict v;

	v = inlay_moq18_object_parse(c, &h, g->objects == 0, g->object, &o);
	if (v != INLAY_MOQ_OK)
		return v;
	properties.data = o.properties;
	properties.len = o.properties_len;
	v = inlay_properties_check(w, properties, w->group, o.id);
	*ret_long = v == INLAY_MOQ_MORE;
	if (v == INLAY_MOQ_OK)
		inlay_framing_object(g, &o);
	return v;
}

/* A header that began in a packet before: |acc| is filled up, and |c| moves over what it took. */
INLAY_INLINE enum inlay_moq_verdict inlay_framing_gather(struct inlay_work *w,
							 struct inlay_framing *g,
							 struct inlay_cursor *c, bool *ret_long)
{
	__u32 had = g->acc_len, n = had;
	struct inlay_cursor a, begin, d = *c;
	enum inlay_moq_verdict v;

	while (n < sizeof(g->acc) && inlay_cursor_u8(&d, &g->acc[n]))
		n++;
	a = inlay_cursor_of(g->acc, n);
	begin = a;
	v = inlay_framing_parse(w, g, &a, ret_long);
	if (v == INLAY_MOQ_MORE) {
		*ret_long = *ret_long || inlay_cursor_left(&d) > 0;
		g->acc_len = (__u8)n;
		*c = d;
		return v;
	}
	if (v != INLAY_MOQ_OK)
		return v;
	/* What was there did not suffice, so some came from |c|. */
	inlay_cursor_skip(c, inlay_cursor_since(&a, &begin) - had);
	g->acc_len = 0;
	return v;
}

/* Header bytes at the end of a frame, that do not complete one: kept. False: too many. */
INLAY_INLINE bool inlay_framing_keep(struct inlay_framing *g, struct inlay_cursor *c)
{
	__u32 n = 0;

	while (n < sizeof(g->acc) && inlay_cursor_u8(c, &g->acc[n]))
		n++;
	g->acc_len = INLAY_MUTANT(NO_ACCUMULATOR) ? 0 : (__u8)n;
	return inlay_cursor_left(c) == 0;
}

#define INLAY_FRAMING_STOP (~0U)

/* A header, or as much of it as is there, in the |len| bytes of the packet from |at|. Returns how
 * many it has, or STOP: w->reason says why it is not followed. */
INLAY_STAGE __u32 inlay_framing_header(struct inlay_work *w, __u32 at, __u32 len)
{
	struct inlay_cursor c, begin;
	enum inlay_moq_verdict v;
	struct inlay_framing *g;
	bool is_long = false;

	if (!INLAY_GIVEN(w))
		return INLAY_FRAMING_STOP;
	g = &w->framing;
	c = inlay_work_bytes(w, at, len);
	begin = c;
	if (g->acc_len > 0)
		v = inlay_framing_gather(w, g, &c, &is_long);
	else
		v = inlay_framing_parse(w, g, &c, &is_long);
	if (v == INLAY_MOQ_MORE && !is_long && g->acc_len == 0)
		is_long = !inlay_framing_keep(g, &c);
	g->offset += inlay_cursor_since(&c, &begin);
	if (v == INLAY_MOQ_OK || (v == INLAY_MOQ_MORE && !is_long))
		return (__u32)inlay_cursor_since(&c, &begin);
	w->reason = v == INLAY_MOQ_MORE ? INLAY_REASON_LONG_OBJECT_HEADER : INLAY_REASON_MALFORMED;
	return INLAY_FRAMING_STOP;
}

/* Bytes of the packet, [at, end): they stand at w->framing.offset of the stream. */
struct inlay_follow {
	struct inlay_work *w;
	__u32 at, end;
};

INLAY_STEP inlay_framing_step(__u32 i, void *ctx)
{
	struct inlay_follow *f = ctx;
	struct inlay_framing *g = &f->w->framing;
	__u32 n = f->end - f->at;

	if (n == 0)
		return 1;
	if (g->state == INLAY_MOQ_FRAMER_PAYLOAD) {
		n = n < g->left ? n : (__u32)g->left;
		inlay_framing_pass(g, n);
	} else if (g->state == INLAY_MOQ_FRAMER_ENDED) {
		/* Section 11.4.3: nothing follows the end of a group or track. */
		f->w->reason = INLAY_REASON_MALFORMED;
		return 1;
	} else {
		n = inlay_framing_header(f->w, f->at, n);
		if (n == INLAY_FRAMING_STOP)
			return 1;
	}
	f->at += n;
	return 0;
}

/* False: w->reason says why not all of the frame at hand is followed. */
INLAY_INLINE bool inlay_framing_follow(struct inlay_work *w)
{
	struct inlay_follow f = {
		.w = w,
		.at = w->payload_at,
		.end = w->payload_at + w->payload_len,
	};

	w->reason = INLAY_REASON_TOO_MANY_OBJECTS;
	INLAY_LOOP(2 * INLAY_OBJECTS_FOLLOWED, inlay_framing_step, &f);
	return f.at == f.end;
}

#endif
