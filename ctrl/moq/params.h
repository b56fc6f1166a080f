/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Message parameters (draft-ietf-moq-transport-18 section 10.2) and subscription filters (5.1.2).
 * Each type has its own encoding and its own messages to stand in: one table says so, for both
 * directions.
 */
#ifndef INLAY_MOQ_PARAMS_H
#define INLAY_MOQ_PARAMS_H

#include "name.h"
#include "token.h"

enum inlay_moq_filter_type {
	INLAY_MOQ_FILTER_NEXT_GROUP = 1,
	INLAY_MOQ_FILTER_LARGEST_OBJECT = 2,
	INLAY_MOQ_FILTER_ABSOLUTE_START = 3,
	INLAY_MOQ_FILTER_ABSOLUTE_RANGE = 4,
};

struct inlay_moq_filter {
	enum inlay_moq_filter_type type;
	struct inlay_moq_location start; /* the absolute ones */
	__u64 end_group;		 /* ABSOLUTE_RANGE: the last group, itself included */
};

enum inlay_moq_group_order {
	INLAY_MOQ_ASCENDING = 1,
	INLAY_MOQ_DESCENDING = 2,
};

/* Bits of inlay_moq_params.present. AUTHORIZATION_TOKEN has tokens.n instead. */
enum inlay_moq_params_bits {
	INLAY_MOQ_HAS_OBJECT_DELIVERY_TIMEOUT = 1 << 0,
	INLAY_MOQ_HAS_RENDEZVOUS_TIMEOUT = 1 << 1,
	INLAY_MOQ_HAS_SUBGROUP_DELIVERY_TIMEOUT = 1 << 2,
	INLAY_MOQ_HAS_EXPIRES = 1 << 3,
	INLAY_MOQ_HAS_LARGEST_OBJECT = 1 << 4,
	INLAY_MOQ_HAS_FILL_TIMEOUT = 1 << 5,
	INLAY_MOQ_HAS_FORWARD = 1 << 6,
	INLAY_MOQ_HAS_SUBSCRIBER_PRIORITY = 1 << 7,
	INLAY_MOQ_HAS_FILTER = 1 << 8,
	INLAY_MOQ_HAS_GROUP_ORDER = 1 << 9,
	INLAY_MOQ_HAS_NEW_GROUP_REQUEST = 1 << 10,
	INLAY_MOQ_HAS_NAMESPACE_PREFIX = 1 << 11,
};

/*
 * Zeroed memory is a set without parameters. A parser leaves the draft's default in |forward|,
 * |subscriber_priority| and |filter| where a parameter is absent; durations are in ms.
 */
struct inlay_moq_params {
	__u32 present;		  /* enum inlay_moq_params_bits */
	bool forward;		  /* default true */
	__u8 subscriber_priority; /* default 128 */
	__u8 group_order;	  /* enum inlay_moq_group_order; 0: absent */
	__u64 object_delivery_timeout;
	__u64 subgroup_delivery_timeout;
	__u64 rendezvous_timeout;
	__u64 expires;
	__u64 fill_timeout;
	__u64 new_group_request;
	struct inlay_moq_location largest_object;
	struct inlay_moq_filter filter; /* default: ABSOLUTE_START of {0, 0}, which passes all */
	struct inlay_moq_namespace namespace_prefix;
	struct inlay_moq_tokens tokens;
};

/* Where a parameter can stand. */
enum inlay_moq_scope {
	INLAY_MOQ_IN_SUBSCRIBE = 1 << 0,
	INLAY_MOQ_IN_SUBSCRIBE_OK = 1 << 1,
	INLAY_MOQ_IN_PUBLISH = 1 << 2,
	INLAY_MOQ_IN_PUBLISH_OK = 1 << 3,
	INLAY_MOQ_IN_FETCH = 1 << 4,
	INLAY_MOQ_IN_FETCH_OK = 1 << 5,
	INLAY_MOQ_IN_TRACK_STATUS = 1 << 6,
	INLAY_MOQ_IN_TRACK_STATUS_OK = 1 << 7,
	INLAY_MOQ_IN_PUBLISH_NAMESPACE = 1 << 8,
	INLAY_MOQ_IN_SUBSCRIBE_NAMESPACE = 1 << 9,
	INLAY_MOQ_IN_SUBSCRIBE_TRACKS = 1 << 10,
	INLAY_MOQ_IN_NAMESPACE_OK = 1 << 11, /* REQUEST_OK to one of the three before */
	INLAY_MOQ_IN_UPDATE_SUBSCRIPTION = 1 << 12,
	INLAY_MOQ_IN_UPDATE_FETCH = 1 << 13,
	INLAY_MOQ_IN_UPDATE_NAMESPACE = 1 << 14, /* SUBSCRIBE_NAMESPACE, SUBSCRIBE_TRACKS */
	INLAY_MOQ_IN_UPDATE_OTHER = 1 << 15,	 /* PUBLISH_NAMESPACE */
	INLAY_MOQ_IN_UPDATE_OK = 1 << 16,
};

/* Number of parameters, and the parameters. |scope|: set of enum inlay_moq_scope, any of which
 * makes a parameter legal. */
int inlay_moq18_params_parse(struct inlay_cursor *c, __u32 scope, struct inlay_moq_params *ret,
			     __u64 *ret_error);
/* False: a value that may not be sent. */
bool inlay_moq_params_are_valid(const struct inlay_moq_params *p);
/* False: no room, or not valid. */
bool inlay_moq18_params_put(struct inlay_writer *w, const struct inlay_moq_params *p);

#endif
