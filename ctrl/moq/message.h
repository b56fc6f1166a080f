/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Control messages of draft-ietf-moq-transport-18 (section 10), both ways. A parsed message points
 * into the bytes it was parsed from; nothing is allocated. The messages' structs are not the
 * draft's: the codec of another draft fills the same ones.
 */
#ifndef INLAY_MOQ_MESSAGE_H
#define INLAY_MOQ_MESSAGE_H

#include "codes.h"
#include "name.h"
#include "params.h"
#include "properties.h"
#include "setup.h"

enum inlay_moq_message_type {
	INLAY_MOQ_MSG_REQUEST_UPDATE = 0x02,
	INLAY_MOQ_MSG_SUBSCRIBE = 0x03,
	INLAY_MOQ_MSG_SUBSCRIBE_OK = 0x04,
	INLAY_MOQ_MSG_REQUEST_ERROR = 0x05,
	INLAY_MOQ_MSG_PUBLISH_NAMESPACE = 0x06,
	INLAY_MOQ_MSG_REQUEST_OK = 0x07,
	INLAY_MOQ_MSG_NAMESPACE = 0x08,
	INLAY_MOQ_MSG_PUBLISH_DONE = 0x0b,
	INLAY_MOQ_MSG_TRACK_STATUS = 0x0d,
	INLAY_MOQ_MSG_NAMESPACE_DONE = 0x0e,
	INLAY_MOQ_MSG_PUBLISH_BLOCKED = 0x0f,
	INLAY_MOQ_MSG_GOAWAY = 0x10,
	INLAY_MOQ_MSG_FETCH = 0x16,
	INLAY_MOQ_MSG_FETCH_OK = 0x18,
	INLAY_MOQ_MSG_PUBLISH = 0x1d,
	/* The table of section 10 still lists it, the text has made it REQUEST_OK: taken, never
	   sent. */
	INLAY_MOQ_MSG_PUBLISH_OK = 0x1e,
	INLAY_MOQ_MSG_SUBSCRIBE_NAMESPACE = 0x50,
	INLAY_MOQ_MSG_SUBSCRIBE_TRACKS = 0x51,
	INLAY_MOQ_MSG_SETUP = 0x2f00,
};

#define INLAY_MOQ_REASON_MAX	       1024
#define INLAY_MOQ_URI_MAX	       8192
#define INLAY_MOQ_MESSAGE_MAX	       (INLAY_VI64_MAX_LEN + 2 + 0xffff) /* type, length, payload */
#define INLAY_MOQ_STREAM_COUNT_UNKNOWN ((1ULL << 62) - 1)		 /* PUBLISH_DONE */

struct inlay_moq_goaway {
	struct inlay_moq_bytes uri;
	__u64 timeout;	     /* ms; 0: none said */
	bool has_request_id; /* on the control stream, and only there */
	__u64 request_id;
};

/* Also PUBLISH_OK, TRACK_STATUS_OK and the like. */
struct inlay_moq_request_ok {
	struct inlay_moq_params params;
	struct inlay_moq_track_properties properties; /* TRACK_STATUS alone */
};

struct inlay_moq_redirect {
	struct inlay_moq_bytes uri; /* empty: the session's */
	struct inlay_moq_name name; /* no fields and no track: the request's */
};

struct inlay_moq_request_error {
	__u64 code;  /* enum inlay_moq_request_code, or unknown to us */
	__u64 retry; /* ms before it may be asked again, plus one; 0: do not */
	struct inlay_moq_bytes reason;
	struct inlay_moq_redirect redirect; /* if |code| is REDIRECT */
};

/* And TRACK_STATUS. */
struct inlay_moq_subscribe {
	__u64 request_id;
	struct inlay_moq_name name;
	struct inlay_moq_params params;
};

struct inlay_moq_subscribe_ok {
	__u64 alias;
	struct inlay_moq_params params;
	struct inlay_moq_track_properties properties;
};

struct inlay_moq_request_update {
	__u64 request_id;
	struct inlay_moq_params params;
};

struct inlay_moq_publish {
	__u64 request_id;
	struct inlay_moq_name name;
	__u64 alias;
	struct inlay_moq_params params;
	struct inlay_moq_track_properties properties;
};

struct inlay_moq_publish_done {
	__u64 status; /* enum inlay_moq_done_code, or unknown to us */
	__u64 streams;
	struct inlay_moq_bytes reason;
};

enum inlay_moq_fetch_type {
	INLAY_MOQ_FETCH_STANDALONE = 1,
	INLAY_MOQ_FETCH_RELATIVE_JOINING = 2,
	INLAY_MOQ_FETCH_ABSOLUTE_JOINING = 3,
};

struct inlay_moq_fetch {
	__u64 request_id;
	enum inlay_moq_fetch_type type;
	/* Standalone. */
	struct inlay_moq_name name;
	struct inlay_moq_location start;
	struct inlay_moq_location end; /* object: plus one; 0: the whole group */
	/* Joining. */
	__u64 joining_request_id;
	__u64 joining_start;
	struct inlay_moq_params params;
};

struct inlay_moq_fetch_ok {
	bool end_of_track;
	struct inlay_moq_location end; /* as in inlay_moq_fetch */
	struct inlay_moq_params params;
	struct inlay_moq_track_properties properties;
};

/* PUBLISH_NAMESPACE; with a prefix for |ns|, SUBSCRIBE_NAMESPACE and SUBSCRIBE_TRACKS. */
struct inlay_moq_namespace_request {
	__u64 request_id;
	struct inlay_moq_namespace ns;
	struct inlay_moq_params params;
};

struct inlay_moq_message {
	enum inlay_moq_message_type type;
	union {
		struct inlay_moq_setup setup;
		struct inlay_moq_goaway goaway;
		struct inlay_moq_request_ok request_ok;
		struct inlay_moq_request_error request_error;
		struct inlay_moq_subscribe subscribe; /* and TRACK_STATUS */
		struct inlay_moq_subscribe_ok subscribe_ok;
		struct inlay_moq_request_update request_update;
		struct inlay_moq_publish publish;
		struct inlay_moq_publish_done publish_done;
		struct inlay_moq_fetch fetch;
		struct inlay_moq_fetch_ok fetch_ok;
		struct inlay_moq_namespace_request namespace_request;
		struct inlay_moq_namespace suffix; /* NAMESPACE, NAMESPACE_DONE */
		struct inlay_moq_name blocked;	   /* PUBLISH_BLOCKED: namespace suffix, track */
	};
};

/* Where a message came from: some of its rules depend on it. Zeroed: the peer is a server, native
 * QUIC, a request stream of unknown kind. */
struct inlay_moq_message_context {
	bool from_client; /* the sender */
	bool webtransport;
	bool control;  /* on the control stream; else on a request stream */
	__u64 request; /* the type that opened the request stream; 0: not known, all is allowed */
	bool answers_update; /* REQUEST_OK: to a REQUEST_UPDATE, not to |request| itself */
};

/* "SUBSCRIBE"; "unknown message". */
const char *inlay_moq_message_type_text(__u64 type);
/* One of the seven that a request stream may begin with (section 3.3). */
bool inlay_moq_message_is_request(__u64 type);

/*
 * Is a whole message at the cursor? OK: type and payload, and the cursor stands behind it; MORE.
 * |ret_type| may be one that nobody knows.
 */
enum inlay_moq_verdict inlay_moq18_message_frame(struct inlay_cursor *c, __u64 *ret_type,
						 struct inlay_cursor *ret_payload);
/* 0; -EPROTO: close the session with *ret_error, a enum inlay_moq_session_error. */
int inlay_moq18_message_parse(const struct inlay_moq_message_context *context, __u64 type,
			      struct inlay_cursor payload, struct inlay_moq_message *ret,
			      __u64 *ret_error);
/*
 * Type, length and payload. 0; -ENOBUFS: no room, or longer than a message may be; -EINVAL: a value
 * that the draft forbids. The writer is left as it was on failure.
 */
int inlay_moq18_message_put(struct inlay_writer *w, const struct inlay_moq_message *m);

#endif
