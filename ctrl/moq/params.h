/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What stands inside control messages in the shape of types and values: message parameters, setup
 * options, track properties, authorization tokens, subscription filters
 * (draft-ietf-moq-transport-18 sections 5.1.2, 10.2, 10.3.1, 12). All of them point into the
 * message.
 *
 * Parsers here return 0, or -EPROTO with the code to close the session with in *ret_error.
 */
#ifndef INLAY_MOQ_PARAMS_H
#define INLAY_MOQ_PARAMS_H

#include "name.h"

/* --- Authorization tokens (10.2.2) ---------------------------------------------------------- */

enum inlay_moq_token_kind {
	INLAY_MOQ_TOKEN_DELETE = 0,    /* alias */
	INLAY_MOQ_TOKEN_REGISTER = 1,  /* alias, type, value */
	INLAY_MOQ_TOKEN_USE_ALIAS = 2, /* alias */
	INLAY_MOQ_TOKEN_USE_VALUE = 3, /* type, value */
};

struct inlay_moq_token {
	enum inlay_moq_token_kind kind;
	__u64 alias;
	__u64 type;
	struct inlay_moq_bytes value;
};

#define INLAY_MOQ_TOKENS_MAX 8 /* in one message: a limit of ours */

struct inlay_moq_tokens {
	__u32 n;
	struct inlay_moq_token token[INLAY_MOQ_TOKENS_MAX];
};

/* --- Message parameters --------------------------------------------------------------------- */

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

/* |scope|: set of (1 << enum inlay_moq_scope), any of which makes a parameter legal. */
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

/* Number of parameters and the parameters. |scope|: set of enum inlay_moq_scope, any of which makes
 * a parameter legal. */
int inlay_moq18_params_parse(struct inlay_cursor *c, __u32 scope, struct inlay_moq_params *ret,
			     __u64 *ret_error);
/* False: no room, or a value out of range. */
bool inlay_moq18_params_put(struct inlay_writer *w, const struct inlay_moq_params *p);

/* --- Track properties (section 12) ---------------------------------------------------------- */

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
enum inlay_moq_verdict inlay_moq18_object_properties_check(struct inlay_moq_bytes bytes);

/* --- Setup options (10.3.1) ----------------------------------------------------------------- */

enum inlay_moq_setup_bits {
	INLAY_MOQ_SETUP_HAS_PATH = 1 << 0,
	INLAY_MOQ_SETUP_HAS_AUTHORITY = 1 << 1,
	INLAY_MOQ_SETUP_HAS_IMPLEMENTATION = 1 << 2,
	INLAY_MOQ_SETUP_HAS_MAX_AUTH_TOKEN_CACHE_SIZE = 1 << 3,
};

struct inlay_moq_setup {
	__u32 present; /* enum inlay_moq_setup_bits */
	struct inlay_moq_bytes path;
	struct inlay_moq_bytes authority;
	struct inlay_moq_bytes implementation;
	__u64 max_auth_token_cache_size;
	struct inlay_moq_tokens tokens;
};

/* |from_client|: who sent it; some options are the client's alone. |native|: not WebTransport. */
int inlay_moq18_setup_parse(struct inlay_cursor *c, bool from_client, bool native,
			    struct inlay_moq_setup *ret, __u64 *ret_error);
bool inlay_moq18_setup_put(struct inlay_writer *w, const struct inlay_moq_setup *s);

#endif
