/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Properties of tracks and objects (draft-ietf-moq-transport-18 sections 2.5 and 12). Relays pass
 * them on as they came; what is read of them here is what a relay must know.
 */
#ifndef INLAY_MOQ_PROPERTIES_H
#define INLAY_MOQ_PROPERTIES_H

#include "inlay_moq.h"
#include "params.h"

enum inlay_moq_properties_bits {
	INLAY_MOQ_TRACK_HAS_OBJECT_DELIVERY_TIMEOUT = 1 << 0,
	INLAY_MOQ_TRACK_HAS_MAX_CACHE_DURATION = 1 << 1,
	INLAY_MOQ_TRACK_HAS_SUBGROUP_DELIVERY_TIMEOUT = 1 << 2,
	INLAY_MOQ_TRACK_HAS_PUBLISHER_PRIORITY = 1 << 3,
	INLAY_MOQ_TRACK_HAS_GROUP_ORDER = 1 << 4,
	INLAY_MOQ_TRACK_HAS_DYNAMIC_GROUPS = 1 << 5,
};

/* |bytes| is what a relay passes on, verbatim; the rest is what it understands of it. */
struct inlay_moq_track_properties {
	struct inlay_moq_bytes bytes;
	__u32 present;		 /* enum inlay_moq_properties_bits */
	__u8 publisher_priority; /* default 128 */
	__u8 group_order;	 /* enum inlay_moq_group_order; default ascending */
	bool dynamic_groups;
	bool malformed;	 /* the track is: it must not be passed on (2.4.2) */
	__u64 mandatory; /* the first property of the mandatory range; 0: none (2.5.1) */
	__u64 object_delivery_timeout;	 /* ms */
	__u64 subgroup_delivery_timeout; /* ms */
	__u64 max_cache_duration;	 /* ms */
};

/* 0; -EPROTO. A malformed track is 0 as well: see |malformed|. */
int inlay_moq18_track_properties_parse(struct inlay_moq_bytes bytes,
				       struct inlay_moq_track_properties *ret, __u64 *ret_error);
/* Writes what |present| says, in order; |bytes| is not looked at. False: no room. */
bool inlay_moq18_track_properties_put(struct inlay_writer *w,
				      const struct inlay_moq_track_properties *p);
/* An object's properties. OK; VIOLATION; KV_FORMATTING; MALFORMED_TRACK. */
enum inlay_moq_verdict inlay_moq18_object_properties_check(struct inlay_moq_bytes bytes,
							   __u64 group, __u64 object);

#endif
