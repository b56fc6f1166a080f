/* SPDX-License-Identifier: BSD-2-Clause */
/* Track and object properties: see properties.h. */
#include "properties.h"

#include <errno.h>
#include <string.h>

#include "codes.h"
#include "inlay_moq_properties.h"

/* A known property of a track; the first of several counts. False: a value that section 12 forbids.
 */
static bool take(struct inlay_moq_track_properties *p, const struct inlay_moq_kv *kv)
{
	switch (kv->type) {
	case INLAY_MOQ_PROP_OBJECT_DELIVERY_TIMEOUT:
		if (!(p->present & INLAY_MOQ_TRACK_HAS_OBJECT_DELIVERY_TIMEOUT))
			p->object_delivery_timeout = kv->value;
		p->present |= INLAY_MOQ_TRACK_HAS_OBJECT_DELIVERY_TIMEOUT;
		return true;
	case INLAY_MOQ_PROP_MAX_CACHE_DURATION:
		if (!(p->present & INLAY_MOQ_TRACK_HAS_MAX_CACHE_DURATION))
			p->max_cache_duration = kv->value;
		p->present |= INLAY_MOQ_TRACK_HAS_MAX_CACHE_DURATION;
		return true;
	case INLAY_MOQ_PROP_SUBGROUP_DELIVERY_TIMEOUT:
		if (!(p->present & INLAY_MOQ_TRACK_HAS_SUBGROUP_DELIVERY_TIMEOUT))
			p->subgroup_delivery_timeout = kv->value;
		p->present |= INLAY_MOQ_TRACK_HAS_SUBGROUP_DELIVERY_TIMEOUT;
		return true;
	case INLAY_MOQ_PROP_DEFAULT_PUBLISHER_PRIORITY:
		if (!(p->present & INLAY_MOQ_TRACK_HAS_PUBLISHER_PRIORITY))
			p->publisher_priority = (__u8)kv->value;
		p->present |= INLAY_MOQ_TRACK_HAS_PUBLISHER_PRIORITY;
		return kv->value <= 255;
	case INLAY_MOQ_PROP_DEFAULT_PUBLISHER_GROUP_ORDER:
		if (!(p->present & INLAY_MOQ_TRACK_HAS_GROUP_ORDER))
			p->group_order = (__u8)kv->value;
		p->present |= INLAY_MOQ_TRACK_HAS_GROUP_ORDER;
		return kv->value == INLAY_MOQ_ASCENDING || kv->value == INLAY_MOQ_DESCENDING;
	case INLAY_MOQ_PROP_DYNAMIC_GROUPS:
		if (!(p->present & INLAY_MOQ_TRACK_HAS_DYNAMIC_GROUPS))
			p->dynamic_groups = kv->value == 1;
		p->present |= INLAY_MOQ_TRACK_HAS_DYNAMIC_GROUPS;
		return kv->value <= 1;
	default:
		return true;
	}
}

/* The pairs of a track, or (|outer| false) those inside its IMMUTABLE_PROPERTIES. */
static enum inlay_moq_verdict parse_pairs(struct inlay_moq_bytes bytes, bool outer,
					  struct inlay_moq_track_properties *p);

/* Section 12.7: what cannot be parsed in there, or another one in there, makes the track malformed.
 */
static enum inlay_moq_verdict parse_immutable(struct inlay_moq_bytes bytes, bool outer,
					      struct inlay_moq_track_properties *p)
{
	enum inlay_moq_verdict v;

	if (!outer)
		return INLAY_MOQ_MALFORMED_TRACK;
	v = parse_pairs(bytes, false, p);
	return v == INLAY_MOQ_KV_FORMATTING ? INLAY_MOQ_MALFORMED_TRACK : v;
}

static enum inlay_moq_verdict parse_pairs(struct inlay_moq_bytes bytes, bool outer,
					  struct inlay_moq_track_properties *p)
{
	struct inlay_moq_kv_iter it = inlay_moq_kv_iter_of(bytes);
	struct inlay_moq_kv kv;
	enum inlay_moq_verdict v;

	while (inlay_moq_kv_left(&it)) {
		v = inlay_moq18_kv_next(&it, &kv);
		if (v != INLAY_MOQ_OK)
			return v;
		if (inlay_moq18_property_is_mandatory(kv.type) && p->mandatory == 0)
			p->mandatory = kv.type;
		if (kv.type == INLAY_MOQ_PROP_IMMUTABLE) {
			v = parse_immutable(kv.bytes, outer, p);
			if (v == INLAY_MOQ_MALFORMED_TRACK)
				p->malformed = true;
			else if (v != INLAY_MOQ_OK)
				return v;
		}
		if (!take(p, &kv))
			return INLAY_MOQ_VIOLATION;
	}
	return INLAY_MOQ_OK;
}

int inlay_moq18_track_properties_parse(struct inlay_moq_bytes bytes,
				       struct inlay_moq_track_properties *ret, __u64 *ret_error)
{
	struct inlay_moq_track_properties p = {
		.bytes = bytes,
		.publisher_priority = 128,
		.group_order = INLAY_MOQ_ASCENDING,
	};

	switch (parse_pairs(bytes, true, &p)) {
	case INLAY_MOQ_OK:
		*ret = p;
		return 0;
	case INLAY_MOQ_KV_FORMATTING:
		*ret_error = INLAY_MOQ_SESSION_KEY_VALUE_FORMATTING_ERROR;
		return -EPROTO;
	default:
		*ret_error = INLAY_MOQ_SESSION_PROTOCOL_VIOLATION;
		return -EPROTO;
	}
}

bool inlay_moq18_track_properties_put(struct inlay_writer *w,
				      const struct inlay_moq_track_properties *p)
{
	const struct {
		__u32 present;
		struct inlay_moq_kv kv;
	} all[] = {
		{INLAY_MOQ_TRACK_HAS_OBJECT_DELIVERY_TIMEOUT,
		 {.type = INLAY_MOQ_PROP_OBJECT_DELIVERY_TIMEOUT,
		  .value = p->object_delivery_timeout}},
		{INLAY_MOQ_TRACK_HAS_MAX_CACHE_DURATION,
		 {.type = INLAY_MOQ_PROP_MAX_CACHE_DURATION, .value = p->max_cache_duration}},
		{INLAY_MOQ_TRACK_HAS_SUBGROUP_DELIVERY_TIMEOUT,
		 {.type = INLAY_MOQ_PROP_SUBGROUP_DELIVERY_TIMEOUT,
		  .value = p->subgroup_delivery_timeout}},
		{INLAY_MOQ_TRACK_HAS_PUBLISHER_PRIORITY,
		 {.type = INLAY_MOQ_PROP_DEFAULT_PUBLISHER_PRIORITY,
		  .value = p->publisher_priority}},
		{INLAY_MOQ_TRACK_HAS_GROUP_ORDER,
		 {.type = INLAY_MOQ_PROP_DEFAULT_PUBLISHER_GROUP_ORDER, .value = p->group_order}},
		{INLAY_MOQ_TRACK_HAS_DYNAMIC_GROUPS,
		 {.type = INLAY_MOQ_PROP_DYNAMIC_GROUPS, .value = p->dynamic_groups}},
	};
	struct inlay_writer t = *w;
	__u64 prev = 0;
	size_t i;

	for (i = 0; i < INLAY_ARRAY_SIZE(all); i++)
		if ((p->present & all[i].present) && !inlay_moq18_kv_put(&t, &prev, &all[i].kv))
			return false;
	*w = t;
	return true;
}

enum inlay_moq_verdict inlay_moq18_object_properties_check(struct inlay_moq_bytes bytes,
							   __u64 group, __u64 object)
{
	struct inlay_moq_pairs p;

	inlay_moq18_pairs_begin(&p, NULL, inlay_cursor_of(bytes.data, bytes.len), group, object);
	while (inlay_moq18_pairs_next(&p, NULL))
		;
	return inlay_moq18_pairs_end(&p, NULL);
}
