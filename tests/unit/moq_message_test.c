/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Control messages, both ways, against bytes written by hand from draft-ietf-moq-transport-18. A
 * message's fields stand beside its bytes: what the encoder makes of the fields has to be the
 * bytes, and what it makes of the parsed bytes as well, so that parser and encoder cannot share a
 * mistake.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#include "golden.h"
#include "message.h"

#define TEXT(s)                                                                                    \
	{                                                                                          \
		(const __u8 *)(s), sizeof(s) - 1                                                   \
	}
/* The namespace (live, cam1) and the track "video" in it. */
#define NAMESPACE_BYTES 0x02, 0x04, 'l', 'i', 'v', 'e', 0x04, 'c', 'a', 'm', '1'
#define NAME_BYTES	NAMESPACE_BYTES, 0x05, 'v', 'i', 'd', 'e', 'o'
#define NAMESPACE                                                                                  \
	{                                                                                          \
		.n = 2, .bytes = 8, .field = { TEXT("live"), TEXT("cam1") }                        \
	}
#define NAME                                                                                       \
	{                                                                                          \
		.ns = NAMESPACE, .track = TEXT("video")                                            \
	}

/* --- Messages whole: type, length, payload -------------------------------------------------- */

static const __u8 setup_client[] = {
	0xaf, 0x00,			       /* SETUP: 0x2f00 */
	0x00, 0x24,			       /* 36 bytes */
	0x01, 0x04, '/',  'm',	'o', 'q',      /* PATH */
	0x02, 0x05, 0x03, 0x00, 't', 'o', 'k', /* AUTHORIZATION_TOKEN (3): USE_VALUE, type 0 */
	0x01, 0x90, 0x00,		       /* MAX_AUTH_TOKEN_CACHE_SIZE (4): 4096 */
	0x01, 0x0b, 'e',  'x',	'a', 'm', 'p', 'l', 'e', '.', 'n', 'e', 't', /* AUTHORITY (5) */
	0x02, 0x05, 'i',  'n',	'l', 'a', 'y', /* MOQT_IMPLEMENTATION (7) */
};
static const __u8 goaway_control[] = {
	0x10,									/* GOAWAY */
	0x00, 0x11,								/* 17 bytes */
	0x0d, 'm',  'o', 'q', 't', ':', '/', '/', 'b', '.', 't', 'e', 's', 't', /* URI */
	0xa7, 0x10, /* timeout: 10000 ms */
	0x04,	    /* request ID 4, one of the client's */
};
static const __u8 goaway_request[] = {
	0x10,	    /* GOAWAY */
	0x00, 0x02, /* 2 bytes */
	0x00,	    /* no URI */
	0x00,	    /* no timeout; no request ID on a request stream */
};
static const __u8 track_status_ok[] = {
	0x07,		  /* REQUEST_OK */
	0x00, 0x0a,	  /* 10 bytes */
	0x02,		  /* two parameters */
	0x08, 0x83, 0xe8, /* EXPIRES: 1000 ms */
	0x01,		  /* LARGEST_OBJECT (9) */
	0x07, 0x80, 0x80, /* group 7, object 128 */
	0x0e, 0x20,	  /* property DEFAULT_PUBLISHER_PRIORITY: 32 */
};
static const __u8 publish_ok[] = {
	0x07,	    /* REQUEST_OK */
	0x00, 0x0d, /* 13 bytes */
	0x04,	    /* four parameters */
	0x10, 0x00, /* FORWARD: 0 */
	0x10, 0x20, /* SUBSCRIBER_PRIORITY (0x20): 32 */
	0x01, 0x04, /* SUBSCRIPTION_FILTER (0x21), 4 bytes */
	0x04,	    /* AbsoluteRange */
	0x03, 0x00, /* from group 3, object 0 */
	0x05,	    /* to group 3 + 5 */
	0x01, 0x02, /* GROUP_ORDER (0x22): descending */
};
static const __u8 request_error[] = {
	0x05,			   /* REQUEST_ERROR */
	0x00, 0x08,		   /* 8 bytes */
	0x10,			   /* DOES_NOT_EXIST */
	0x83, 0xe9,		   /* retry after 1000 ms */
	0x04, 'n',  'o', 'n', 'e', /* reason */
};
static const __u8 request_error_redirect[] = {
	0x05,									/* REQUEST_ERROR */
	0x00, 0x16,								/* 22 bytes */
	0x34,									/* REDIRECT */
	0x01,									/* at once */
	0x00,									/* no reason */
	0x0d, 'm',  'o', 'q', 't', ':', '/', '/', 'b', '.', 't', 'e', 's', 't', /* URI */
	0x01, 0x01, 'x',							/* namespace (x) */
	0x01, 'y',								/* track y */
};
static const __u8 subscribe[] = {
	0x03,			/* SUBSCRIBE */
	0x00,	    0x1c,	/* 28 bytes */
	0x00,			/* request ID 0 */
	NAME_BYTES,		/* 17 bytes */
	0x03,			/* three parameters */
	0x02,	    0x81, 0xf4, /* OBJECT_DELIVERY_TIMEOUT: 500 ms */
	0x01,	    0x02,	/* AUTHORIZATION_TOKEN (3), 2 bytes */
	0x02,	    0x07,	/* USE_ALIAS 7 */
	0x0d,	    0x01,	/* FORWARD (0x10): 1 */
};
static const __u8 subscribe_ok[] = {
	0x04,		  /* SUBSCRIBE_OK */
	0x00, 0x0c,	  /* 12 bytes */
	0xc1, 0x11, 0x70, /* alias 70000 */
	0x01,		  /* one parameter */
	0x09, 0x02, 0x05, /* LARGEST_OBJECT: group 2, object 5 */
	0x04, 0x8b, 0xb8, /* property MAX_CACHE_DURATION: 3000 ms */
	0x2c, 0x01,	  /* property DYNAMIC_GROUPS (0x30): 1 */
};
static const __u8 request_update[] = {
	0x02,	    /* REQUEST_UPDATE */
	0x00, 0x06, /* 6 bytes */
	0x02,	    /* request ID 2 */
	0x02,	    /* two parameters */
	0x10, 0x01, /* FORWARD: 1 */
	0x22, 0x09, /* NEW_GROUP_REQUEST (0x32): 9 */
};
static const __u8 request_update_prefix[] = {
	0x02,		      /* REQUEST_UPDATE */
	0x00, 0x07,	      /* 7 bytes */
	0x04,		      /* request ID 4 */
	0x01,		      /* one parameter */
	0x34,		      /* TRACK_NAMESPACE_PREFIX */
	0x01, 0x02, 'a', 'b', /* (ab) */
};
static const __u8 publish[] = {
	0x1d,		  /* PUBLISH */
	0x00,	    0x18, /* 24 bytes */
	0x02,		  /* request ID 2 */
	NAME_BYTES,	  /* 17 bytes */
	0x01,		  /* alias 1 */
	0x01,		  /* one parameter */
	0x08,	    0x00, /* EXPIRES: 0 */
	0x0e,	    0x40, /* property DEFAULT_PUBLISHER_PRIORITY: 64 */
};
static const __u8 publish_done[] = {
	0x0b,						      /* PUBLISH_DONE */
	0x00, 0x0e,					      /* 14 bytes */
	0x02,						      /* TRACK_ENDED */
	0xff, 0x3f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, /* 2^62 - 1 streams: not known */
	0x03, 'e',  'n',  'd',				      /* reason */
};
static const __u8 fetch_standalone[] = {
	0x16,		  /* FETCH */
	0x00,	    0x1c, /* 28 bytes */
	0x06,		  /* request ID 6 */
	0x01,		  /* standalone */
	NAME_BYTES,	  /* 17 bytes */
	0x01,	    0x00, /* from group 1, object 0 */
	0x02,	    0x00, /* to the end of group 2 */
	0x02,		  /* two parameters */
	0x0a,	    0x64, /* FILL_TIMEOUT: 100 ms */
	0x18,	    0x01, /* GROUP_ORDER (0x22): ascending */
};
static const __u8 fetch_joining[] = {
	0x16,	    /* FETCH */
	0x00, 0x05, /* 5 bytes */
	0x08,	    /* request ID 8 */
	0x02,	    /* relative joining */
	0x00,	    /* joins request 0 */
	0x03,	    /* three groups back */
	0x00,	    /* no parameters */
};
static const __u8 fetch_ok[] = {
	0x18,	    /* FETCH_OK */
	0x00, 0x06, /* 6 bytes */
	0x01,	    /* end of track */
	0x09, 0x04, /* group 9, up to object 3 */
	0x00,	    /* no parameters */
	0x22, 0x02, /* property DEFAULT_PUBLISHER_GROUP_ORDER: descending */
};
static const __u8 track_status[] = {
	0x0d,		  /* TRACK_STATUS */
	0x00,	    0x13, /* 19 bytes */
	0x0a,		  /* request ID 10 */
	NAME_BYTES,	  /* 17 bytes */
	0x00,		  /* no parameters */
};
static const __u8 publish_namespace[] = {
	0x06, /* PUBLISH_NAMESPACE */
	0x00,
	0x0d,		 /* 13 bytes */
	0x0c,		 /* request ID 12 */
	NAMESPACE_BYTES, /* 11 bytes */
	0x00,		 /* no parameters */
};
static const __u8 namespace_message[] = {
	0x08,				/* NAMESPACE */
	0x00, 0x06,			/* 6 bytes */
	0x01, 0x04, 'c', 'a', 'm', '1', /* suffix (cam1) */
};
static const __u8 namespace_done[] = {
	0x0e,	    /* NAMESPACE_DONE */
	0x00, 0x01, /* 1 byte */
	0x00,	    /* empty suffix: the prefix itself */
};
static const __u8 subscribe_namespace[] = {
	0x50,				/* SUBSCRIBE_NAMESPACE */
	0x00, 0x08,			/* 8 bytes */
	0x0e,				/* request ID 14 */
	0x01, 0x04, 'l', 'i', 'v', 'e', /* prefix (live) */
	0x00,				/* no parameters */
};
static const __u8 subscribe_tracks[] = {
	0x51,				/* SUBSCRIBE_TRACKS */
	0x00, 0x0a,			/* 10 bytes */
	0x10,				/* request ID 16 */
	0x01, 0x04, 'l', 'i', 'v', 'e', /* prefix (live) */
	0x01,				/* one parameter */
	0x10, 0x00,			/* FORWARD: 0 */
};
static const __u8 publish_blocked[] = {
	0x0f,				/* PUBLISH_BLOCKED */
	0x00, 0x0c,			/* 12 bytes */
	0x01, 0x04, 'c', 'a', 'm', '1', /* suffix (cam1) */
	0x05, 'v',  'i', 'd', 'e', 'o', /* track video */
};

/* Every message, with who sent it where, and after how many bytes of payload it could end too. */
static const struct {
	struct golden golden;
	struct inlay_moq_message_context context;
	struct inlay_moq_message m;
	size_t also_ends[6];
} messages[] = {
	{GOLDEN(setup_client),
	 {.from_client = true, .control = true},
	 {.type = INLAY_MOQ_MSG_SETUP,
	  .setup = {.present = INLAY_MOQ_SETUP_HAS_PATH | INLAY_MOQ_SETUP_HAS_AUTHORITY |
			       INLAY_MOQ_SETUP_HAS_IMPLEMENTATION |
			       INLAY_MOQ_SETUP_HAS_MAX_AUTH_TOKEN_CACHE_SIZE,
		    .path = TEXT("/moq"),
		    .authority = TEXT("example.net"),
		    .implementation = TEXT("inlay"),
		    .max_auth_token_cache_size = 4096,
		    .tokens = {.n = 1,
			       .token = {{.kind = INLAY_MOQ_TOKEN_USE_VALUE,
					  .value = TEXT("tok")}}}}},
	 {0, 6, 13, 16, 29}},
	{GOLDEN(goaway_control),
	 {.control = true},
	 {.type = INLAY_MOQ_MSG_GOAWAY,
	  .goaway = {.uri = TEXT("moqt://b.test"),
		     .timeout = 10000,
		     .has_request_id = true,
		     .request_id = 4}},
	 {~0UL}},
	{GOLDEN(goaway_request), {0}, {.type = INLAY_MOQ_MSG_GOAWAY}, {~0UL}},
	{GOLDEN(track_status_ok),
	 {.request = INLAY_MOQ_MSG_TRACK_STATUS},
	 {.type = INLAY_MOQ_MSG_REQUEST_OK,
	  .request_ok = {.params = {.present = INLAY_MOQ_HAS_EXPIRES | INLAY_MOQ_HAS_LARGEST_OBJECT,
				    .expires = 1000,
				    .largest_object = {7, 128}},
			 .properties = {.bytes = {track_status_ok + 11, 2}}}},
	 {8}},
	{GOLDEN(publish_ok),
	 {.request = INLAY_MOQ_MSG_PUBLISH},
	 {.type = INLAY_MOQ_MSG_REQUEST_OK,
	  .request_ok = {.params = {.present = INLAY_MOQ_HAS_FORWARD |
					       INLAY_MOQ_HAS_SUBSCRIBER_PRIORITY |
					       INLAY_MOQ_HAS_FILTER | INLAY_MOQ_HAS_GROUP_ORDER,
				    .forward = false,
				    .subscriber_priority = 32,
				    .filter = {.type = INLAY_MOQ_FILTER_ABSOLUTE_RANGE,
					       .start = {3, 0},
					       .end_group = 8},
				    .group_order = INLAY_MOQ_DESCENDING}}},
	 {~0UL}},
	{GOLDEN(request_error),
	 {.request = INLAY_MOQ_MSG_SUBSCRIBE},
	 {.type = INLAY_MOQ_MSG_REQUEST_ERROR,
	  .request_error = {.code = INLAY_MOQ_REQUEST_DOES_NOT_EXIST,
			    .retry = 1001,
			    .reason = TEXT("none")}},
	 {~0UL}},
	{GOLDEN(request_error_redirect),
	 {.request = INLAY_MOQ_MSG_SUBSCRIBE},
	 {.type = INLAY_MOQ_MSG_REQUEST_ERROR,
	  .request_error = {.code = INLAY_MOQ_REQUEST_REDIRECT,
			    .retry = 1,
			    .redirect = {.uri = TEXT("moqt://b.test"),
					 .name = {.ns = {.n = 1, .bytes = 1, .field = {TEXT("x")}},
						  .track = TEXT("y")}}}},
	 {~0UL}},
	{GOLDEN(subscribe),
	 {.from_client = true},
	 {.type = INLAY_MOQ_MSG_SUBSCRIBE,
	  .subscribe = {.name = NAME,
			.params = {.present = INLAY_MOQ_HAS_OBJECT_DELIVERY_TIMEOUT |
					      INLAY_MOQ_HAS_FORWARD,
				   .object_delivery_timeout = 500,
				   .forward = true,
				   .tokens = {.n = 1,
					      .token = {{.kind = INLAY_MOQ_TOKEN_USE_ALIAS,
							 .alias = 7}}}}}},
	 {~0UL}},
	{GOLDEN(subscribe_ok),
	 {.request = INLAY_MOQ_MSG_SUBSCRIBE},
	 {.type = INLAY_MOQ_MSG_SUBSCRIBE_OK,
	  .subscribe_ok = {.alias = 70000,
			   .params = {.present = INLAY_MOQ_HAS_LARGEST_OBJECT,
				      .largest_object = {2, 5}},
			   .properties = {.bytes = {subscribe_ok + 10, 5}}}},
	 {7, 10}},
	{GOLDEN(request_update),
	 {.from_client = true, .request = INLAY_MOQ_MSG_SUBSCRIBE},
	 {.type = INLAY_MOQ_MSG_REQUEST_UPDATE,
	  .request_update = {.request_id = 2,
			     .params = {.present = INLAY_MOQ_HAS_FORWARD |
						   INLAY_MOQ_HAS_NEW_GROUP_REQUEST,
					.forward = true,
					.new_group_request = 9}}},
	 {~0UL}},
	{GOLDEN(request_update_prefix),
	 {.from_client = true, .request = INLAY_MOQ_MSG_SUBSCRIBE_TRACKS},
	 {.type = INLAY_MOQ_MSG_REQUEST_UPDATE,
	  .request_update =
		  {.request_id = 4,
		   .params = {.present = INLAY_MOQ_HAS_NAMESPACE_PREFIX,
			      .namespace_prefix = {.n = 1, .bytes = 2, .field = {TEXT("ab")}}}}},
	 {~0UL}},
	{GOLDEN(publish),
	 {.from_client = true},
	 {.type = INLAY_MOQ_MSG_PUBLISH,
	  .publish = {.request_id = 2,
		      .name = NAME,
		      .alias = 1,
		      .params = {.present = INLAY_MOQ_HAS_EXPIRES},
		      .properties = {.bytes = {publish + 25, 2}}}},
	 {22}},
	{GOLDEN(publish_done),
	 {.request = INLAY_MOQ_MSG_SUBSCRIBE},
	 {.type = INLAY_MOQ_MSG_PUBLISH_DONE,
	  .publish_done = {.status = INLAY_MOQ_DONE_TRACK_ENDED,
			   .streams = INLAY_MOQ_STREAM_COUNT_UNKNOWN,
			   .reason = TEXT("end")}},
	 {~0UL}},
	{GOLDEN(fetch_standalone),
	 {.from_client = true},
	 {.type = INLAY_MOQ_MSG_FETCH,
	  .fetch = {.request_id = 6,
		    .type = INLAY_MOQ_FETCH_STANDALONE,
		    .name = NAME,
		    .start = {1, 0},
		    .end = {2, 0},
		    .params = {.present = INLAY_MOQ_HAS_FILL_TIMEOUT | INLAY_MOQ_HAS_GROUP_ORDER,
			       .fill_timeout = 100,
			       .group_order = INLAY_MOQ_ASCENDING}}},
	 {~0UL}},
	{GOLDEN(fetch_joining),
	 {.from_client = true},
	 {.type = INLAY_MOQ_MSG_FETCH,
	  .fetch = {.request_id = 8,
		    .type = INLAY_MOQ_FETCH_RELATIVE_JOINING,
		    .joining_request_id = 0,
		    .joining_start = 3}},
	 {~0UL}},
	{GOLDEN(fetch_ok),
	 {.request = INLAY_MOQ_MSG_FETCH},
	 {.type = INLAY_MOQ_MSG_FETCH_OK,
	  .fetch_ok = {.end_of_track = true,
		       .end = {9, 4},
		       .properties = {.bytes = {fetch_ok + 7, 2}}}},
	 {4}},
	{GOLDEN(track_status),
	 {.from_client = true},
	 {.type = INLAY_MOQ_MSG_TRACK_STATUS, .subscribe = {.request_id = 10, .name = NAME}},
	 {~0UL}},
	{GOLDEN(publish_namespace),
	 {.from_client = true},
	 {.type = INLAY_MOQ_MSG_PUBLISH_NAMESPACE,
	  .namespace_request = {.request_id = 12, .ns = NAMESPACE}},
	 {~0UL}},
	{GOLDEN(namespace_message),
	 {.request = INLAY_MOQ_MSG_SUBSCRIBE_NAMESPACE},
	 {.type = INLAY_MOQ_MSG_NAMESPACE, .suffix = {.n = 1, .bytes = 4, .field = {TEXT("cam1")}}},
	 {~0UL}},
	{GOLDEN(namespace_done),
	 {.request = INLAY_MOQ_MSG_SUBSCRIBE_NAMESPACE},
	 {.type = INLAY_MOQ_MSG_NAMESPACE_DONE},
	 {~0UL}},
	{GOLDEN(subscribe_namespace),
	 {.from_client = true},
	 {.type = INLAY_MOQ_MSG_SUBSCRIBE_NAMESPACE,
	  .namespace_request = {.request_id = 14,
				.ns = {.n = 1, .bytes = 4, .field = {TEXT("live")}}}},
	 {~0UL}},
	{GOLDEN(subscribe_tracks),
	 {.from_client = true},
	 {.type = INLAY_MOQ_MSG_SUBSCRIBE_TRACKS,
	  .namespace_request = {.request_id = 16,
				.ns = {.n = 1, .bytes = 4, .field = {TEXT("live")}},
				.params = {.present = INLAY_MOQ_HAS_FORWARD, .forward = false}}},
	 {~0UL}},
	{GOLDEN(publish_blocked),
	 {.request = INLAY_MOQ_MSG_SUBSCRIBE_TRACKS},
	 {.type = INLAY_MOQ_MSG_PUBLISH_BLOCKED,
	  .blocked = {.ns = {.n = 1, .bytes = 4, .field = {TEXT("cam1")}}, .track = TEXT("video")}},
	 {~0UL}},
};

/* Bytes of type and length. */
static size_t header_len(const struct golden *g)
{
	return inlay_vi64_len_of(g->bytes[0]) + 2;
}

static void goldens_both_ways(void **state)
{
	struct inlay_cursor c, payload;
	struct inlay_moq_message m;
	struct inlay_writer w;
	const struct golden *g;
	__u64 type, error;
	__u8 buf[64];
	size_t i, room;

	for (i = 0; i < INLAY_ARRAY_SIZE(messages); i++) {
		g = &messages[i].golden;
		w = inlay_writer_of(buf, sizeof(buf));
		assert_int_equal(inlay_moq18_message_put(&w, &messages[i].m), 0);
		if (inlay_writer_len(&w) != g->len || memcmp(buf, g->bytes, g->len))
			fail_msg("%s: from fields", g->name);
		c = inlay_cursor_of(g->bytes, g->len);
		assert_int_equal(inlay_moq18_message_frame(&c, &type, &payload), INLAY_MOQ_OK);
		assert_int_equal(inlay_cursor_left(&c), 0);
		assert_int_equal(type, messages[i].m.type);
		assert_int_equal(inlay_cursor_left(&payload), g->len - header_len(g));
		if (inlay_moq18_message_parse(&messages[i].context, type, payload, &m, &error))
			fail_msg("%s: not parsed", g->name);
		assert_int_equal(m.type, messages[i].m.type);
		w = inlay_writer_of(buf, sizeof(buf));
		assert_int_equal(inlay_moq18_message_put(&w, &m), 0);
		if (inlay_writer_len(&w) != g->len || memcmp(buf, g->bytes, g->len))
			fail_msg("%s: from what was parsed", g->name);
		for (room = 0; room < g->len; room++) {
			w = inlay_writer_of(buf, room);
			assert_int_equal(inlay_moq18_message_put(&w, &m), -ENOBUFS);
			assert_int_equal(inlay_writer_len(&w), 0);
		}
	}
}

static void frames_in_pieces(void **state)
{
	struct inlay_cursor c, payload;
	const struct golden *g;
	__u64 type;
	size_t i, cut;
	__u8 *copy;

	for (i = 0; i < INLAY_ARRAY_SIZE(messages); i++) {
		g = &messages[i].golden;
		for (cut = 0; cut < g->len; cut++) {
			copy = golden_copy(g->bytes, cut);
			c = inlay_cursor_of(copy, cut);
			assert_int_equal(inlay_moq18_message_frame(&c, &type, &payload),
					 INLAY_MOQ_MORE);
			assert_ptr_equal(c.pos, copy);
			free(copy);
		}
	}
}

/* A payload that does not match its length is an error, wherever it is cut, and one byte longer. */
static void payloads_of_wrong_length(void **state)
{
	const struct inlay_moq_message_context *context;
	struct inlay_moq_message m;
	const struct golden *g;
	size_t i, j, cut, len;
	__u64 error;
	__u8 *copy;
	bool may;
	int err;

	for (i = 0; i < INLAY_ARRAY_SIZE(messages); i++) {
		g = &messages[i].golden;
		context = &messages[i].context;
		len = g->len - header_len(g);
		for (cut = 0; cut < len; cut++) {
			copy = golden_copy(g->bytes + header_len(g), cut);
			err = inlay_moq18_message_parse(context, messages[i].m.type,
							inlay_cursor_of(copy, cut), &m, &error);
			may = false;
			for (j = 0; j < INLAY_ARRAY_SIZE(messages[i].also_ends); j++)
				may |= cut == messages[i].also_ends[j] &&
				       (j == 0 || messages[i].also_ends[j] != 0);
			if (err != (may ? 0 : -EPROTO))
				fail_msg("%s cut at %zu: %d", g->name, cut, err);
			if (err)
				assert_in_range(error, INLAY_MOQ_SESSION_PROTOCOL_VIOLATION,
						INLAY_MOQ_SESSION_KEY_VALUE_FORMATTING_ERROR);
			free(copy);
		}
		copy = malloc(len + 1);
		assert_non_null(copy);
		memcpy(copy, g->bytes + header_len(g), len);
		copy[len] = 0;
		if (inlay_moq18_message_parse(context, messages[i].m.type,
					      inlay_cursor_of(copy, len + 1), &m,
					      &error) != -EPROTO)
			fail_msg("%s with a byte more", g->name);
		free(copy);
	}
}

/* --- Rules ---------------------------------------------------------------------------------- */

#define CLIENT                                                                                     \
	{                                                                                          \
		.from_client = true                                                                \
	}
#define SERVER                                                                                     \
	{                                                                                          \
		.from_client = false                                                               \
	}
#define IN(message)                                                                                \
	{                                                                                          \
		.request = INLAY_MOQ_MSG_##message                                                 \
	}

static void rules(void **state)
{
	static const struct {
		const char *what;
		struct inlay_moq_message_context context;
		__u64 type;
		__u8 bytes[64];
		size_t len;
		__u64 error; /* 0: none */
	} cases[] = {
		/* Section 10: types. */
		{"unknown type", CLIENT, 0x7f, {0}, 0, 3},
		{"SETUP of draft 16", CLIENT, 0x20, {0}, 1, 3},
		{"PUBLISH_OK as the table has it", IN(PUBLISH), 0x1e, {0x00}, 1, 0},

		/* Section 10.2: parameters. */
		{"unknown parameter", CLIENT, 0x03, {0, 0, 0, 1, 0x01, 0}, 6, 3},
		{"parameter twice", CLIENT, 0x03, {0, 0, 0, 2, 0x10, 0, 0x00, 0}, 8, 3},
		{"parameter type above 2^64-1",
		 CLIENT,
		 0x03,
		 {0, 0, 0, 2, 0x10, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0},
		 16,
		 3},
		{"fewer parameters than said", CLIENT, 0x03, {0, 0, 0, 2, 0x10, 0}, 6, 3},
		{"2^64-1 parameters",
		 CLIENT,
		 0x03,
		 {0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x10, 0},
		 14,
		 3},
		{"more parameters than said", CLIENT, 0x03, {0, 0, 0, 0, 0x10, 0}, 6, 3},
		{"two tokens", CLIENT, 0x03, {0, 0, 0, 2, 3, 2, 2, 1, 0, 2, 2, 5}, 12, 0},
		{"nine tokens: a limit of ours",
		 CLIENT,
		 0x03,
		 {0, 0, 0, 9, 3, 2, 2, 1, 0, 2, 2, 1, 0, 2, 2, 1, 0, 2, 2, 1,
		  0, 2, 2, 1, 0, 2, 2, 1, 0, 2, 2, 1, 0, 2, 2, 1, 0, 2, 2, 1},
		 40,
		 1},
		{"FORWARD 2", CLIENT, 0x03, {0, 0, 0, 1, 0x10, 2}, 6, 3},
		{"GROUP_ORDER 0", CLIENT, 0x03, {0, 0, 0, 1, 0x22, 0}, 6, 3},
		{"GROUP_ORDER 3", CLIENT, 0x03, {0, 0, 0, 1, 0x22, 3}, 6, 3},
		{"SUBSCRIBER_PRIORITY 255", CLIENT, 0x03, {0, 0, 0, 1, 0x20, 0xff}, 6, 0},

		/* Section 10.2.1: parameters out of place. */
		{"LARGEST_OBJECT in SUBSCRIBE", CLIENT, 0x03, {0, 0, 0, 1, 0x09, 1, 1}, 7, 3},
		{"EXPIRES in SUBSCRIBE", CLIENT, 0x03, {0, 0, 0, 1, 0x08, 1}, 6, 3},
		{"FORWARD in SUBSCRIBE_OK", IN(SUBSCRIBE), 0x04, {0, 1, 0x10, 1}, 4, 3},
		{"FORWARD in TRACK_STATUS", CLIENT, 0x0d, {0, 0, 0, 1, 0x10, 1}, 6, 3},
		{"token in TRACK_STATUS", CLIENT, 0x0d, {0, 0, 0, 1, 3, 2, 2, 1}, 8, 0},
		{"RENDEZVOUS_TIMEOUT in SUBSCRIBE", CLIENT, 0x03, {0, 0, 0, 1, 4, 9}, 6, 0},
		{"RENDEZVOUS_TIMEOUT in FETCH", CLIENT, 0x16, {0, 2, 0, 0, 1, 4, 9}, 7, 3},
		{"FILL_TIMEOUT in SUBSCRIBE", CLIENT, 0x03, {0, 0, 0, 1, 0x0a, 9}, 6, 3},
		{"filter in PUBLISH", CLIENT, 0x1d, {0, 0, 0, 0, 1, 0x21, 1, 1}, 8, 3},
		{"filter to update a FETCH", IN(FETCH), 0x02, {0, 1, 0x21, 1, 1}, 5, 3},
		{"priority to update a FETCH", IN(FETCH), 0x02, {0, 1, 0x20, 1}, 4, 0},
		{"prefix to update a SUBSCRIBE", IN(SUBSCRIBE), 0x02, {0, 1, 0x34, 0}, 4, 3},
		{"prefix to update a PUBLISH_NAMESPACE",
		 IN(PUBLISH_NAMESPACE),
		 0x02,
		 {0, 1, 0x34, 0},
		 4,
		 3},
		{"GROUP_ORDER in an update", IN(SUBSCRIBE), 0x02, {0, 1, 0x22, 1}, 4, 3},
		{"FORWARD in SUBSCRIBE_NAMESPACE", CLIENT, 0x50, {0, 0, 1, 0x10, 1}, 5, 3},
		{"EXPIRES in PUBLISH_OK", IN(PUBLISH), 0x07, {1, 0x08, 1}, 3, 0},
		{"LARGEST_OBJECT in PUBLISH_OK", IN(PUBLISH), 0x07, {1, 0x09, 1, 1}, 4, 3},
		{"LARGEST_OBJECT in REQUEST_UPDATE_OK",
		 {.request = INLAY_MOQ_MSG_PUBLISH, .answers_update = true},
		 0x07,
		 {1, 0x09, 1, 1},
		 4,
		 0},
		{"anything in an answer to we know not what",
		 SERVER,
		 0x07,
		 {2, 0x09, 1, 1, 0x07, 1, 0x0e, 1},
		 8,
		 0},
		{"anything in an update of we know not what",
		 CLIENT,
		 0x02,
		 {0, 2, 0x10, 1, 0x24, 0},
		 6,
		 0},
		{"REQUEST_OK to SUBSCRIBE itself", IN(SUBSCRIBE), 0x07, {1, 0x10, 1}, 3, 3},
		{"EXPIRES in PUBLISH_NAMESPACE_OK",
		 IN(PUBLISH_NAMESPACE),
		 0x07,
		 {1, 0x08, 1},
		 3,
		 3},

		/* Section 10.2.2: tokens. */
		{"empty token", CLIENT, 0x03, {0, 0, 0, 1, 3, 0}, 6, 6},
		{"alias type 4", CLIENT, 0x03, {0, 0, 0, 1, 3, 2, 4, 1}, 8, 6},
		{"USE_ALIAS without one", CLIENT, 0x03, {0, 0, 0, 1, 3, 1, 2}, 7, 6},
		{"USE_ALIAS and more", CLIENT, 0x03, {0, 0, 0, 1, 3, 3, 2, 1, 0}, 9, 6},
		{"REGISTER without a type", CLIENT, 0x03, {0, 0, 0, 1, 3, 2, 1, 1}, 8, 6},
		{"REGISTER, empty value", CLIENT, 0x03, {0, 0, 0, 1, 3, 3, 1, 1, 0}, 9, 0},
		{"DELETE", CLIENT, 0x03, {0, 0, 0, 1, 3, 2, 0, 1}, 8, 0},
		{"token beyond the end", CLIENT, 0x03, {0, 0, 0, 1, 3, 3, 2, 1}, 8, 3},

		/* Section 5.1.2: filters. */
		{"filter type 0", CLIENT, 0x03, {0, 0, 0, 1, 0x21, 1, 0}, 7, 3},
		{"filter type 5", CLIENT, 0x03, {0, 0, 0, 1, 0x21, 1, 5}, 7, 3},
		{"empty filter", CLIENT, 0x03, {0, 0, 0, 1, 0x21, 0}, 6, 3},
		{"next group", CLIENT, 0x03, {0, 0, 0, 1, 0x21, 1, 1}, 7, 0},
		{"largest object", CLIENT, 0x03, {0, 0, 0, 1, 0x21, 1, 2}, 7, 0},
		{"largest object and more", CLIENT, 0x03, {0, 0, 0, 1, 0x21, 2, 2, 0}, 8, 3},
		{"absolute start, cut", CLIENT, 0x03, {0, 0, 0, 1, 0x21, 2, 3, 0}, 8, 3},
		{"absolute start", CLIENT, 0x03, {0, 0, 0, 1, 0x21, 3, 3, 0, 0}, 9, 0},
		{"absolute range, cut", CLIENT, 0x03, {0, 0, 0, 1, 0x21, 3, 4, 0, 0}, 9, 3},
		{"end group above 2^64-1",
		 CLIENT,
		 0x03,
		 {0, 0, 0, 1, 0x21, 12, 4, 1, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		  0xff},
		 18,
		 3},
		{"end group 2^64-1",
		 CLIENT,
		 0x03,
		 {0, 0, 0, 1, 0x21, 12, 4, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		  0xff},
		 18,
		 0},

		/* Section 2.4.1: names. */
		{"empty namespace field", CLIENT, 0x03, {0, 1, 0, 0, 0}, 5, 3},
		{"33 fields", CLIENT, 0x06, {0, 33}, 40, 3},
		{"field of 2^64-1 bytes",
		 CLIENT,
		 0x06,
		 {0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
		 11,
		 3},
		{"namespace without fields", CLIENT, 0x50, {0, 0, 0}, 3, 0},
		{"track name beyond the end", CLIENT, 0x03, {0, 0, 5, 'a', 0}, 5, 3},

		/* Section 10.4: GOAWAY. */
		{"URI from a client", CLIENT, 0x10, {1, 'x', 0}, 3, 3},
		{"request ID on a request stream", SERVER, 0x10, {0, 0, 4}, 3, 3},
		{"no request ID on the control stream", {.control = true}, 0x10, {0, 0}, 2, 3},
		{"server's GOAWAY, odd request ID", {.control = true}, 0x10, {0, 0, 5}, 3, 4},
		{"client's GOAWAY, even request ID",
		 {.control = true, .from_client = true},
		 0x10,
		 {0, 0, 4},
		 3,
		 4},
		{"client's GOAWAY, odd request ID",
		 {.control = true, .from_client = true},
		 0x10,
		 {0, 0, 5},
		 3,
		 0},

		/* Sections 10.5, 10.6: answers. */
		{"properties in PUBLISH_OK", IN(PUBLISH), 0x07, {0, 0x0e, 1}, 3, 3},
		{"properties in PUBLISH_NAMESPACE_OK",
		 IN(PUBLISH_NAMESPACE),
		 0x07,
		 {0, 0x0e, 1},
		 3,
		 3},
		{"properties in TRACK_STATUS_OK", IN(TRACK_STATUS), 0x07, {0, 0x0e, 1}, 3, 0},
		{"redirect without REDIRECT", SERVER, 0x05, {0x10, 0, 0, 0, 0, 0}, 6, 3},
		{"REDIRECT without redirect", SERVER, 0x05, {0x34, 0, 0}, 3, 3},
		{"redirect with a URI from a client",
		 CLIENT,
		 0x05,
		 {0x34, 0, 0, 1, 'x', 0, 0},
		 7,
		 3},
		{"redirect without a URI from a client", CLIENT, 0x05, {0x34, 0, 0, 0, 0, 0}, 6, 0},
		{"redirect of a namespace to a track",
		 IN(SUBSCRIBE_NAMESPACE),
		 0x05,
		 {0x34, 0, 0, 0, 0, 1, 'x'},
		 7,
		 3},
		{"unknown error code", SERVER, 0x05, {0x80, 0x9d, 0, 0}, 4, 0},

		/* Sections 10.12, 10.13: FETCH. */
		{"fetch type 0", CLIENT, 0x16, {0, 0, 0, 0, 0}, 5, 3},
		{"fetch type 4", CLIENT, 0x16, {0, 4, 0, 0, 0}, 5, 3},
		{"absolute joining fetch", CLIENT, 0x16, {0, 3, 0, 9, 0}, 5, 0},
		{"end of track 2", IN(FETCH), 0x18, {2, 0, 0, 0}, 4, 3},

		/* Section 12: track properties. */
		{"priority 256", IN(SUBSCRIBE), 0x04, {0, 0, 0x0e, 0x81, 0x00}, 5, 3},
		{"priority 255", IN(SUBSCRIBE), 0x04, {0, 0, 0x0e, 0x80, 0xff}, 5, 0},
		{"group order 0", IN(SUBSCRIBE), 0x04, {0, 0, 0x22, 0}, 4, 3},
		{"group order 3", IN(SUBSCRIBE), 0x04, {0, 0, 0x22, 3}, 4, 3},
		{"dynamic groups 2", IN(SUBSCRIBE), 0x04, {0, 0, 0x30, 2}, 4, 3},
		{"property of 65536 bytes",
		 IN(SUBSCRIBE),
		 0x04,
		 {0, 0, 0x0d, 0xc1, 0x00, 0x00},
		 6,
		 3},
		{"property beyond the end", IN(SUBSCRIBE), 0x04, {0, 0, 0x0d, 2, 0}, 5, 6},
		{"property type above 2^64-1",
		 IN(SUBSCRIBE),
		 0x04,
		 {0, 0, 2, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0},
		 14,
		 3},
		{"group order 3 among the immutable ones",
		 IN(SUBSCRIBE),
		 0x04,
		 {0, 0, 0x0b, 2, 0x22, 3},
		 6,
		 3},

		/* Section 10.3: SETUP. */
		{"nothing", CLIENT, 0x2f00, {0}, 0, 0},
		{"unknown options, twice",
		 CLIENT,
		 0x2f00,
		 {0x80, 0x9d, 1, 0xaa, 0x00, 0, 0x01, 5},
		 8,
		 0},
		{"option of 65536 bytes", CLIENT, 0x2f00, {0x0d, 0xc1, 0x00, 0x00}, 4, 3},
		{"option beyond the end", CLIENT, 0x2f00, {0x0d, 2, 0}, 3, 6},
		{"PATH twice", CLIENT, 0x2f00, {1, 0, 0, 0}, 4, 3},
		{"MOQT_IMPLEMENTATION twice", SERVER, 0x2f00, {7, 0, 0, 0}, 4, 3},
		{"cache size twice", SERVER, 0x2f00, {4, 0, 0, 0}, 4, 3},
		{"PATH from a server", SERVER, 0x2f00, {1, 1, '/'}, 3, 8},
		{"PATH over WebTransport",
		 {.from_client = true, .webtransport = true},
		 0x2f00,
		 {1, 1, '/'},
		 3,
		 8},
		{"PATH and query",
		 CLIENT,
		 0x2f00,
		 {1, 8, '/', 'a', '?', 'b', '=', '%', '2', 'f'},
		 10,
		 0},
		{"PATH without a slash", CLIENT, 0x2f00, {1, 1, 'x'}, 3, 9},
		{"PATH with a space", CLIENT, 0x2f00, {1, 2, '/', ' '}, 4, 9},
		{"PATH with a NUL", CLIENT, 0x2f00, {1, 2, '/', 0}, 4, 9},
		{"PATH with half an escape", CLIENT, 0x2f00, {1, 3, '/', '%', '2'}, 5, 9},
		{"PATH with a bad escape", CLIENT, 0x2f00, {1, 4, '/', '%', '2', 'g'}, 6, 9},
		{"AUTHORITY from a server", SERVER, 0x2f00, {5, 1, 'a'}, 3, 0x19},
		{"AUTHORITY over WebTransport",
		 {.from_client = true, .webtransport = true},
		 0x2f00,
		 {5, 1, 'a'},
		 3,
		 0x19},
		{"AUTHORITY with everything",
		 CLIENT,
		 0x2f00,
		 {5, 10, 'u', '@', '[', ':', ':', '1', ']', ':', '4', '4'},
		 12,
		 0},
		{"AUTHORITY with a slash", CLIENT, 0x2f00, {5, 3, 'a', '/', 'b'}, 5, 0x1a},
		{"AUTHORITY with a bad port", CLIENT, 0x2f00, {5, 3, 'a', ':', 'b'}, 5, 0x1a},
		{"AUTHORITY, bracket open", CLIENT, 0x2f00, {5, 3, '[', ':', ':'}, 5, 0x1a},
		{"AUTHORITY, empty brackets", CLIENT, 0x2f00, {5, 2, '[', ']'}, 4, 0x1a},
		{"AUTHORITY, text behind brackets",
		 CLIENT,
		 0x2f00,
		 {5, 4, '[', ':', ']', 'x'},
		 6,
		 0x1a},
		{"token by alias in a client's SETUP", CLIENT, 0x2f00, {3, 2, 2, 1}, 4, 3},
		{"token deleted in a client's SETUP", CLIENT, 0x2f00, {3, 2, 0, 1}, 4, 3},
		{"token registered in a client's SETUP", CLIENT, 0x2f00, {3, 3, 1, 1, 0}, 5, 0},
		{"malformed token", CLIENT, 0x2f00, {3, 1, 7}, 3, 6},
	};
	struct inlay_moq_message m;
	__u64 error;
	__u8 *copy;
	size_t i;
	int err;

	for (i = 0; i < INLAY_ARRAY_SIZE(cases); i++) {
		copy = golden_copy(cases[i].bytes, cases[i].len);
		error = 0;
		err = inlay_moq18_message_parse(&cases[i].context, cases[i].type,
						inlay_cursor_of(copy, cases[i].len), &m, &error);
		if (err != (cases[i].error ? -EPROTO : 0) || error != cases[i].error)
			fail_msg("%s: %d, code %#llx", cases[i].what, err, error);
		free(copy);
	}
}

static int parse_with(struct inlay_moq_message_context context, __u64 type, const __u8 *bytes,
		      size_t len, struct inlay_moq_message *ret)
{
	__u64 error;

	return inlay_moq18_message_parse(&context, type, inlay_cursor_of(bytes, len), ret, &error);
}

static void defaults(void **state)
{
	static const __u8 bare[] = {0x00, 0x00, 0x00, 0x00};
	static const __u8 bare_ok[] = {0x00, 0x00};
	struct inlay_moq_message_context context = {.from_client = true};
	struct inlay_moq_message m = {0};

	assert_int_equal(parse_with(context, INLAY_MOQ_MSG_SUBSCRIBE, bare, sizeof(bare), &m), 0);
	assert_int_equal(m.subscribe.params.present, 0);
	assert_true(m.subscribe.params.forward);
	assert_int_equal(m.subscribe.params.subscriber_priority, 128);
	assert_int_equal(m.subscribe.params.group_order, 0);
	assert_int_equal(m.subscribe.params.filter.type, INLAY_MOQ_FILTER_ABSOLUTE_START);
	assert_int_equal(m.subscribe.params.filter.start.group, 0);
	assert_int_equal(m.subscribe.name.ns.n, 0);
	assert_int_equal(m.subscribe.name.track.len, 0);
	assert_int_equal(
		parse_with(context, INLAY_MOQ_MSG_SUBSCRIBE_OK, bare_ok, sizeof(bare_ok), &m), 0);
	assert_int_equal(m.subscribe_ok.properties.present, 0);
	assert_int_equal(m.subscribe_ok.properties.publisher_priority, 128);
	assert_int_equal(m.subscribe_ok.properties.group_order, INLAY_MOQ_ASCENDING);
	assert_false(m.subscribe_ok.properties.dynamic_groups);
	assert_false(m.subscribe_ok.properties.malformed);
	assert_int_equal(m.subscribe_ok.properties.mandatory, 0);
}

static void track_properties(void **state)
{
	static const __u8 all[] = {
		0x02, 0x07, /* OBJECT_DELIVERY_TIMEOUT: 7 */
		0x02, 0x08, /* MAX_CACHE_DURATION (4): 8 */
		0x02, 0x09, /* SUBGROUP_DELIVERY_TIMEOUT (6): 9 */
		0x08, 0x0a, /* DEFAULT_PUBLISHER_PRIORITY (14): 10 */
		0x14, 0x02, /* DEFAULT_PUBLISHER_GROUP_ORDER (34): descending */
		0x0e, 0x01, /* DYNAMIC_GROUPS (48): 1 */
	};
	static const __u8 inside[] = {
		0x0b, 0x05, /* IMMUTABLE_PROPERTIES, 5 bytes: */
		0x0e, 0x0b, /* DEFAULT_PUBLISHER_PRIORITY: 11 */
		0xbf, 0xf2, /* type 0x4000, a mandatory one */
		0x01,	    /* = 1 */
		0x03, 0x0c, /* outside: type 14 again, which is not the first */
	};
	static const __u8 twice[] = {0x0b, 0x02, 0x0b, 0x00};
	static const __u8 broken[] = {0x0b, 0x01, 0x0e};
	struct inlay_moq_bytes b = {all, sizeof(all)};
	struct inlay_moq_track_properties p;
	struct inlay_writer w;
	__u8 buf[sizeof(all)];
	__u64 error;

	assert_int_equal(inlay_moq18_track_properties_parse(b, &p, &error), 0);
	assert_int_equal(p.present, 0x3f);
	assert_int_equal(p.object_delivery_timeout, 7);
	assert_int_equal(p.max_cache_duration, 8);
	assert_int_equal(p.subgroup_delivery_timeout, 9);
	assert_int_equal(p.publisher_priority, 10);
	assert_int_equal(p.group_order, INLAY_MOQ_DESCENDING);
	assert_true(p.dynamic_groups);
	assert_ptr_equal(p.bytes.data, all);
	w = inlay_writer_of(buf, sizeof(buf));
	assert_true(inlay_moq18_track_properties_put(&w, &p));
	assert_int_equal(inlay_writer_len(&w), sizeof(all));
	assert_memory_equal(buf, all, sizeof(all));
	w = inlay_writer_of(buf, sizeof(buf) - 1);
	assert_false(inlay_moq18_track_properties_put(&w, &p));
	assert_int_equal(inlay_writer_len(&w), 0);

	b = (struct inlay_moq_bytes){inside, sizeof(inside)};
	assert_int_equal(inlay_moq18_track_properties_parse(b, &p, &error), 0);
	assert_int_equal(p.publisher_priority, 11);
	assert_int_equal(p.mandatory, 0x4000);
	assert_false(p.malformed);
	b = (struct inlay_moq_bytes){twice, sizeof(twice)};
	assert_int_equal(inlay_moq18_track_properties_parse(b, &p, &error), 0);
	assert_true(p.malformed);
	b = (struct inlay_moq_bytes){broken, sizeof(broken)};
	assert_int_equal(inlay_moq18_track_properties_parse(b, &p, &error), 0);
	assert_true(p.malformed);
}

static void object_properties(void **state)
{
	static const struct {
		__u8 bytes[8];
		size_t len;
		enum inlay_moq_verdict verdict;
	} cases[] = {
		{{0}, 0, INLAY_MOQ_OK},
		{{0x3c, 1, 0x02, 1}, 4, INLAY_MOQ_OK},
		{{0x0b, 2, 0x3c, 1}, 4, INLAY_MOQ_OK},
		{{0x3c, 2, 0x02, 5}, 4, INLAY_MOQ_OK},
		{{0x3c, 3}, 2, INLAY_MOQ_MALFORMED_TRACK},		     /* of group 2 */
		{{0x3e, 6}, 2, INLAY_MOQ_MALFORMED_TRACK},		     /* of object 5 */
		{{0x0b, 2, 0x3e, 6}, 4, INLAY_MOQ_MALFORMED_TRACK},	     /* inside */
		{{0x3c, 1, 0x00, 1}, 4, INLAY_MOQ_MALFORMED_TRACK},	     /* group gap twice */
		{{0x3e, 1, 0x00, 1}, 4, INLAY_MOQ_MALFORMED_TRACK},	     /* object gap twice */
		{{0x0b, 2, 0x3c, 1, 0x31, 1}, 6, INLAY_MOQ_MALFORMED_TRACK}, /* one of it inside */
		{{0x0b, 0, 0x00, 0}, 4, INLAY_MOQ_MALFORMED_TRACK},	     /* immutable twice */
		{{0x0b, 2, 0x0b, 0}, 4, INLAY_MOQ_MALFORMED_TRACK},	     /* in itself */
		{{0x0b, 1, 0x3c}, 3, INLAY_MOQ_MALFORMED_TRACK},	     /* cut inside */
		{{0xc0, 0x40, 0x00, 0}, 4, INLAY_MOQ_MALFORMED_TRACK},	     /* mandatory: 0x4000 */
		{{0x3c}, 1, INLAY_MOQ_KV_FORMATTING},
		{{0x0d, 0xc1, 0, 0}, 4, INLAY_MOQ_VIOLATION},
	};
	struct inlay_moq_bytes b;
	size_t i;

	for (i = 0; i < INLAY_ARRAY_SIZE(cases); i++) {
		b = (struct inlay_moq_bytes){cases[i].bytes, cases[i].len};
		assert_int_equal(inlay_moq18_object_properties_check(b, 2, 5), cases[i].verdict);
	}
}

/* What the draft forbids to send is refused before it is sent. */
static void encoder_refuses(void **state)
{
	static __u8 room[INLAY_MOQ_MESSAGE_MAX];
	static const __u8 zeros[0x10000];
	struct inlay_writer w = inlay_writer_of(room, sizeof(room));
	struct inlay_moq_message m;

	m = (struct inlay_moq_message){.type = INLAY_MOQ_MSG_PUBLISH_OK};
	assert_int_equal(inlay_moq18_message_put(&w, &m), -EINVAL);
	m = (struct inlay_moq_message){.type = 0};
	assert_int_equal(inlay_moq18_message_put(&w, &m), -EINVAL);
	m = (struct inlay_moq_message){.type = INLAY_MOQ_MSG_PUBLISH_DONE,
				       .publish_done = {.reason = {zeros, 1025}}};
	assert_int_equal(inlay_moq18_message_put(&w, &m), -EINVAL);
	m = (struct inlay_moq_message){.type = INLAY_MOQ_MSG_GOAWAY,
				       .goaway = {.uri = {zeros, 8193}}};
	assert_int_equal(inlay_moq18_message_put(&w, &m), -EINVAL);
	m = (struct inlay_moq_message){.type = INLAY_MOQ_MSG_SUBSCRIBE,
				       .subscribe = {.name = {.track = {zeros, 4097}}}};
	assert_int_equal(inlay_moq18_message_put(&w, &m), -EINVAL);
	m = (struct inlay_moq_message){.type = INLAY_MOQ_MSG_FETCH};
	assert_int_equal(inlay_moq18_message_put(&w, &m), -EINVAL);
	m = (struct inlay_moq_message){.type = INLAY_MOQ_MSG_SUBSCRIBE};
	m.subscribe.params.present = INLAY_MOQ_HAS_GROUP_ORDER;
	assert_int_equal(inlay_moq18_message_put(&w, &m), -EINVAL);
	m.subscribe.params.present = INLAY_MOQ_HAS_FILTER;
	assert_int_equal(inlay_moq18_message_put(&w, &m), -EINVAL);
	m.subscribe.params.filter = (struct inlay_moq_filter){
		.type = INLAY_MOQ_FILTER_ABSOLUTE_RANGE, .start = {5, 0}, .end_group = 4};
	assert_int_equal(inlay_moq18_message_put(&w, &m), -EINVAL);
	m.subscribe.params.present = 0;
	m.subscribe.params.tokens.n = INLAY_MOQ_TOKENS_MAX + 1;
	assert_int_equal(inlay_moq18_message_put(&w, &m), -EINVAL);
	/* A payload of 65535 bytes, and one more. */
	m = (struct inlay_moq_message){.type = INLAY_MOQ_MSG_SUBSCRIBE_OK,
				       .subscribe_ok = {.properties = {.bytes = {zeros, 0xfffe}}}};
	assert_int_equal(inlay_moq18_message_put(&w, &m), -ENOBUFS);
	assert_int_equal(inlay_writer_len(&w), 0);
	m.subscribe_ok.properties.bytes.len = 0xfffd;
	assert_int_equal(inlay_moq18_message_put(&w, &m), 0);
	assert_int_equal(inlay_writer_len(&w), 3 + 0xffff);
}

static void largest_names(void **state)
{
	static __u8 bytes[8192];
	struct inlay_moq_message_context context = {.from_client = true};
	struct inlay_writer w = inlay_writer_of(bytes, sizeof(bytes));
	struct inlay_moq_message m = {0};
	struct inlay_moq_bytes field = {bytes + 4096, 100};
	size_t name_at, i, len;

	/* 32 fields of 100 bytes, and a track name of 896: 4096 together. */
	assert_true(inlay_vi64_put(&w, 0) && inlay_vi64_put(&w, 32));
	for (i = 0; i < 32; i++)
		assert_true(inlay_moq18_bytes_put(&w, field));
	name_at = inlay_writer_len(&w);
	assert_true(inlay_vi64_put(&w, 896) && inlay_writer_zeros(&w, 896));
	assert_true(inlay_vi64_put(&w, 0));
	len = inlay_writer_len(&w);
	assert_int_equal(parse_with(context, INLAY_MOQ_MSG_SUBSCRIBE, bytes, len, &m), 0);
	assert_int_equal(m.subscribe.name.ns.n, 32);
	assert_int_equal(m.subscribe.name.ns.bytes, 3200);
	assert_int_equal(m.subscribe.name.track.len, 896);
	/* 4097. */
	w = inlay_writer_of(bytes + name_at, sizeof(bytes) - name_at);
	assert_true(inlay_vi64_put(&w, 897) && inlay_writer_zeros(&w, 897));
	assert_true(inlay_vi64_put(&w, 0));
	assert_int_equal(parse_with(context, INLAY_MOQ_MSG_SUBSCRIBE, bytes, len + 1, &m), -EPROTO);
	/* One field of 4097 bytes. */
	w = inlay_writer_of(bytes, sizeof(bytes));
	assert_true(inlay_vi64_put(&w, 1) && inlay_vi64_put(&w, 4097) &&
		    inlay_writer_zeros(&w, 4097));
	assert_int_equal(
		parse_with(context, INLAY_MOQ_MSG_NAMESPACE, bytes, inlay_writer_len(&w), &m),
		-EPROTO);
}

/* A GOAWAY with a URI of |uri_len| bytes, and a REQUEST_ERROR with a reason of |reason_len|. */
static void check_lengths(size_t uri_len, size_t reason_len, int want)
{
	static __u8 bytes[INLAY_MOQ_URI_MAX + 16];
	struct inlay_moq_message_context context = {0};
	struct inlay_writer w = inlay_writer_of(bytes, sizeof(bytes));
	struct inlay_moq_message m;

	assert_true(inlay_vi64_put(&w, uri_len) && inlay_writer_zeros(&w, uri_len + 1));
	assert_int_equal(parse_with(context, INLAY_MOQ_MSG_GOAWAY, bytes, inlay_writer_len(&w), &m),
			 want);
	w = inlay_writer_of(bytes, sizeof(bytes));
	assert_true(inlay_writer_zeros(&w, 2) && inlay_vi64_put(&w, reason_len) &&
		    inlay_writer_zeros(&w, reason_len));
	assert_int_equal(
		parse_with(context, INLAY_MOQ_MSG_REQUEST_ERROR, bytes, inlay_writer_len(&w), &m),
		want);
	assert_int_equal(
		parse_with(context, INLAY_MOQ_MSG_PUBLISH_DONE, bytes, inlay_writer_len(&w), &m),
		want);
}

/* Sections 10.4 and 1.4.4. */
static void longest_texts(void **state)
{
	check_lengths(8192, 1024, 0);
	check_lengths(8193, 1025, -EPROTO);
}

static void texts(void **state)
{
	assert_string_equal(inlay_moq_message_type_text(0x2f00), "SETUP");
	assert_string_equal(inlay_moq_message_type_text(0x51), "SUBSCRIBE_TRACKS");
	assert_string_equal(inlay_moq_message_type_text(0x99), "unknown message");
	assert_string_equal(inlay_moq_session_error_text(0x3), "protocol violation");
	assert_string_equal(inlay_moq_session_error_text(0x7), "unknown session error");
	assert_string_equal(inlay_moq_request_code_text(0x34), "redirect");
	assert_string_equal(inlay_moq_request_code_text(0x7), "unknown request error");
	assert_string_equal(inlay_moq_done_code_text(0x8), "update failed");
	assert_string_equal(inlay_moq_done_code_text(0x7), "unknown status");
	assert_string_equal(inlay_moq_reset_code_text(0x12), "malformed track");
	assert_string_equal(inlay_moq_reset_code_text(0x8), "unknown stream error");
}

/* Section 3.3: seven messages begin a request stream. */
static void request_types(void **state)
{
	__u64 type;
	int n = 0;

	for (type = 0; type <= 0x3000; type++)
		n += inlay_moq_message_is_request(type);
	assert_int_equal(n, 7);
	assert_true(inlay_moq_message_is_request(INLAY_MOQ_MSG_TRACK_STATUS));
	assert_true(inlay_moq_message_is_request(INLAY_MOQ_MSG_SUBSCRIBE));
	assert_true(inlay_moq_message_is_request(INLAY_MOQ_MSG_PUBLISH));
	assert_true(inlay_moq_message_is_request(INLAY_MOQ_MSG_FETCH));
	assert_true(inlay_moq_message_is_request(INLAY_MOQ_MSG_PUBLISH_NAMESPACE));
	assert_true(inlay_moq_message_is_request(INLAY_MOQ_MSG_SUBSCRIBE_NAMESPACE));
	assert_true(inlay_moq_message_is_request(INLAY_MOQ_MSG_SUBSCRIBE_TRACKS));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(goldens_both_ways),
		cmocka_unit_test(frames_in_pieces),
		cmocka_unit_test(payloads_of_wrong_length),
		cmocka_unit_test(rules),
		cmocka_unit_test(defaults),
		cmocka_unit_test(track_properties),
		cmocka_unit_test(object_properties),
		cmocka_unit_test(encoder_refuses),
		cmocka_unit_test(largest_names),
		cmocka_unit_test(longest_texts),
		cmocka_unit_test(texts),
		cmocka_unit_test(request_types),
	};
	struct golden all[INLAY_ARRAY_SIZE(messages)];
	size_t i;

	for (i = 0; i < INLAY_ARRAY_SIZE(messages); i++)
		all[i] = messages[i].golden;
	if (golden_corpus("moq_message", all, INLAY_ARRAY_SIZE(all)))
		return 0;
	return cmocka_run_group_tests_name("moq_message", tests, NULL, NULL);
}
