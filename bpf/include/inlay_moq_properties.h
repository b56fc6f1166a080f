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

/* Section 12.7: what cannot be parsed in there, or another one in there (it counts as the second),
 * makes the track malformed. */
INLAY_INLINE enum inlay_moq_verdict inlay_moq18_immutable_check(struct inlay_moq_bytes bytes,
								__u32 max,
								struct inlay_moq_object_check *o)
{
	struct inlay_moq_kv_iter it = inlay_moq_kv_iter_of(bytes);
	enum inlay_moq_verdict v;
	struct inlay_moq_kv kv;
	__u32 i;

	for (i = 0; i < max && inlay_moq_kv_left(&it); i++) {
		v = inlay_moq18_kv_next(&it, &kv);
		if (v == INLAY_MOQ_OK)
			v = inlay_moq18_object_pair_check(o, &kv);
		if (v != INLAY_MOQ_OK)
			return v == INLAY_MOQ_KV_FORMATTING ? INLAY_MOQ_MALFORMED_TRACK : v;
	}
	return inlay_moq_kv_left(&it) ? INLAY_MOQ_MORE : INLAY_MOQ_OK;
}

/* OK; VIOLATION; KV_FORMATTING; MALFORMED_TRACK; MORE: more than |max| pairs, so not all of them
 * were looked at. */
INLAY_INLINE enum inlay_moq_verdict
inlay_moq18_properties_follow(struct inlay_moq_bytes bytes, __u32 max, __u64 group, __u64 object)
{
	struct inlay_moq_object_check o = {.group = group, .object = object};
	struct inlay_moq_kv_iter it = inlay_moq_kv_iter_of(bytes);
	enum inlay_moq_verdict v;
	struct inlay_moq_kv kv;
	__u32 i;

	for (i = 0; i < max && inlay_moq_kv_left(&it); i++) {
		v = inlay_moq18_kv_next(&it, &kv);
		if (v == INLAY_MOQ_OK)
			v = inlay_moq18_object_pair_check(&o, &kv);
		if (v == INLAY_MOQ_OK && kv.type == INLAY_MOQ_PROP_IMMUTABLE)
			v = inlay_moq18_immutable_check(kv.bytes, max, &o);
		if (v != INLAY_MOQ_OK)
			return v;
	}
	return inlay_moq_kv_left(&it) ? INLAY_MOQ_MORE : INLAY_MOQ_OK;
}

#endif
