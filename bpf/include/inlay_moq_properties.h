/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What a relay checks of an object's properties (draft-ietf-moq-transport-18 sections 2.5.1 and
 * 12.7 to 12.9), in the control plane and in the forwarder alike: what one takes for malformed the
 * other must not pass on.
 */
#ifndef INLAY_MOQ_PROPERTIES_CHECK_H
#define INLAY_MOQ_PROPERTIES_CHECK_H

#include "inlay_moq.h"

/* What an object has once at most (sections 12.7 to 12.9); 0: any number. */
INLAY_INLINE __u32 inlay_moq18_property_once(__u64 type)
{
	switch (type) {
	case INLAY_MOQ_PROP_IMMUTABLE:
		return 1;
	case INLAY_MOQ_PROP_PRIOR_GROUP_ID_GAP:
		return 2;
	case INLAY_MOQ_PROP_PRIOR_OBJECT_ID_GAP:
		return 4;
	default:
		return 0;
	}
}

/* Where an object stands, and what has been seen of it. */
struct inlay_moq_object_check {
	__u64 group, object;
	__u32 seen;
};

/* OK; MALFORMED_TRACK: mandatory (2.5.1), there for the second time, or a gap that reaches beyond
 * the first group or object (12.8, 12.9). */
INLAY_INLINE enum inlay_moq_verdict inlay_moq18_object_pair_check(struct inlay_moq_object_check *o,
								  const struct inlay_moq_kv *kv)
{
	__u32 bit = inlay_moq18_property_once(kv->type);

	if (inlay_moq18_property_is_mandatory(kv->type) || (o->seen & bit) ||
	    (kv->type == INLAY_MOQ_PROP_PRIOR_GROUP_ID_GAP && kv->value > o->group) ||
	    (kv->type == INLAY_MOQ_PROP_PRIOR_OBJECT_ID_GAP && kv->value > o->object))
		return INLAY_MOQ_MALFORMED_TRACK;
	o->seen |= bit;
	return INLAY_MOQ_OK;
}

/* The pairs of one object, those inside of its immutable ones among them, one after the other. */
struct inlay_moq_pairs {
	struct inlay_moq_object_check check;
	struct inlay_mark rest; /* to come */
	__u64 type;		/* of the pair before, for the next one's */
	__u64 inside;		/* bytes to come of the immutable ones */
	__u32 verdict;		/* enum inlay_moq_verdict */
	__u32 pad;
};

/* |base|: as for struct inlay_mark. */
INLAY_INLINE void inlay_moq18_pairs_begin(struct inlay_moq_pairs *p, const void *base,
					  struct inlay_cursor c, __u64 group, __u64 object)
{
	__builtin_memset(p, 0, sizeof(*p));
	p->check.group = group;
	p->check.object = object;
	p->rest = inlay_mark_of(base, &c);
}

/* Checks one pair. False: there is none, or p->verdict is not OK. */
INLAY_INLINE bool inlay_moq18_pairs_next(struct inlay_moq_pairs *p, const void *base)
{
	struct inlay_cursor c = inlay_mark_cursor(base, &p->rest), t = c;
	struct inlay_moq_kv_iter it = {.c = c, .type = p->type};
	enum inlay_moq_verdict v;
	struct inlay_moq_kv kv;
	__u64 taken;

	if (inlay_cursor_left(&c) == 0 ||
	    (p->inside > 0 && !inlay_cursor_take(&t, p->inside, &it.c)))
		return false;
	v = inlay_moq18_kv_next(&it, &kv);
	/* Section 12.7: what cannot be parsed in there makes the track malformed, and another one
	 * in there counts as the second. */
	if (v == INLAY_MOQ_KV_FORMATTING && p->inside > 0)
		v = INLAY_MOQ_MALFORMED_TRACK;
	if (v == INLAY_MOQ_OK)
		v = inlay_moq18_object_pair_check(&p->check, &kv);
	p->verdict = v;
	if (v != INLAY_MOQ_OK)
		return false;
	taken = inlay_cursor_since(&it.c, &c);
	p->type = kv.type;
	if (p->inside > 0) {
		p->inside -= taken;
		if (p->inside == 0)
			p->type = INLAY_MOQ_PROP_IMMUTABLE;
	} else if (kv.type == INLAY_MOQ_PROP_IMMUTABLE && kv.bytes.len > 0) {
		p->inside = kv.bytes.len;
		taken -= p->inside;
		p->type = 0;
	}
	inlay_cursor_skip(&c, taken);
	p->rest = inlay_mark_of(base, &c);
	return true;
}

/* OK; VIOLATION; KV_FORMATTING; MALFORMED_TRACK; MORE: more than |max| pairs, so not all of them
 * were looked at. */
INLAY_INLINE enum inlay_moq_verdict inlay_moq18_pairs_end(const struct inlay_moq_pairs *p,
							  const void *base)
{
	struct inlay_cursor c = inlay_mark_cursor(base, &p->rest);

	if (p->verdict == INLAY_MOQ_OK && inlay_cursor_left(&c) > 0)
		return INLAY_MOQ_MORE;
	return (enum inlay_moq_verdict)p->verdict;
}

#endif
