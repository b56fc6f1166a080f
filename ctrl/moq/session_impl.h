/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Inside a MoQ session: its records, and what its parts (request, control_stream, incoming,
 * outgoing) call of each other. Only these files include it.
 *
 * Lifetimes. Every transport stream that may still deliver something stands in |streams|: as the
 * record that it belongs to, or, when that is gone, as |discard|, until its receiving side ends. A
 * record that ends during an input is marked dead at once and freed when the outermost function of
 * the session returns; so loops over it stay valid and see |dead|.
 */
#ifndef INLAY_MOQ_SESSION_IMPL_H
#define INLAY_MOQ_SESSION_IMPL_H

#include "list.h"
#include "map.h"
#include "request_ids.h"
#include "session.h"

#define INLAY_MOQ_NO_STREAM (~0ULL)

/* Aliases of subscriptions that we cancelled: their late streams are stopped without waiting. */
#define INLAY_MOQ_TOMBSTONES 64

enum inlay_moq_stream_kind {
	INLAY_MOQ_STREAM_DISCARD = 0, /* nobody's any more: bytes are thrown away */
	INLAY_MOQ_STREAM_OWN_CONTROL,
	INLAY_MOQ_STREAM_PEER_CONTROL,
	INLAY_MOQ_STREAM_REQUEST,
	INLAY_MOQ_STREAM_INCOMING,
	INLAY_MOQ_STREAM_OUTGOING,
};

/* What |streams| points at; first member of every record. */
struct inlay_moq_stream {
	enum inlay_moq_stream_kind kind;
	__u64 id; /* INLAY_MOQ_NO_STREAM: not open */
};

/* Bytes gathered until a message or header is whole. */
struct inlay_moq_buffer {
	__u8 *data;
	size_t len, room;
	size_t *account; /* the session's sum that |room| counts in */
};

enum inlay_moq_request_state {
	INLAY_MOQ_REQUEST_OPENING,  /* of the peer: its first message is not whole yet */
	INLAY_MOQ_REQUEST_WAITING,  /* of ours: for stream credit */
	INLAY_MOQ_REQUEST_PENDING,  /* sent, or received, and not answered */
	INLAY_MOQ_REQUEST_ACCEPTED, /* answered with an OK */
	INLAY_MOQ_REQUEST_DRAINING, /* the publisher is done; streams may still come */
};

struct inlay_moq_request {
	struct inlay_moq_stream stream;
	struct inlay_moq_session *session;
	struct inlay_list node; /* in session.requests */
	struct inlay_list grave;
	void *user;
	enum inlay_moq_request_state state;
	bool ours;
	bool dead;
	bool announced;	   /* the application has seen it */
	bool received_fin; /* nothing more will arrive on the stream */
	bool sent_fin;
	bool has_goaway; /* one was received on this stream */
	__u64 type;	 /* of the first message */
	__u64 id;	 /* request ID */

	struct inlay_moq_buffer in;  /* an incomplete message */
	struct inlay_moq_buffer out; /* the first message, while waiting for credit */

	bool has_alias;
	__u64 alias;
	__u64 written;		/* bytes on the stream, by answers */
	__u64 ok_end;		/* |written| behind SUBSCRIBE_OK; 0: not sent */
	__u32 updates_sent;	/* REQUEST_UPDATEs of ours not answered yet */
	__u32 updates_received; /* of the peer, not answered yet */

	/* As subscriber. */
	struct inlay_list incoming; /* inlay_moq_incoming.node */
	__u64 streams_seen;	    /* begun to arrive */
	__u64 streams_expected;	    /* by PUBLISH_DONE */
	inlay_ns drain_deadline;

	/* As publisher. */
	struct inlay_list outgoing; /* inlay_moq_outgoing.node */
	__u64 streams_opened;

	/* SUBSCRIBE_NAMESPACE of ours: hashes of the suffixes announced and not withdrawn. */
	struct inlay_map suffixes;
};

enum inlay_moq_incoming_state {
	INLAY_MOQ_INCOMING_TYPE,    /* its first bytes are not enough yet */
	INLAY_MOQ_INCOMING_PENDING, /* waits for SETUP, or for its alias to be known */
	INLAY_MOQ_INCOMING_OBJECT,  /* in front of, or within, an object's header */
	INLAY_MOQ_INCOMING_PAYLOAD,
	INLAY_MOQ_INCOMING_ENDED, /* behind an END_OF_GROUP or END_OF_TRACK object */
};

struct inlay_moq_incoming {
	struct inlay_moq_stream stream;
	struct inlay_moq_session *session;
	struct inlay_moq_request *request; /* NULL until the alias is known */
	struct inlay_list node;		   /* in request.incoming or session.incoming */
	struct inlay_list grave;
	void *user;
	enum inlay_moq_incoming_state state;
	bool dead;
	bool fin;   /* seen; bytes may wait in |in| */
	bool first; /* no object yet */
	inlay_ns pending_deadline;
	size_t unconsumed; /* bytes in |in| that flow control still holds */
	struct inlay_moq_subgroup header;
	struct inlay_moq_object object; /* the last one */
	__u64 payload_left;
	struct inlay_moq_buffer in;
};

struct inlay_moq_outgoing {
	struct inlay_moq_stream stream;
	struct inlay_moq_session *session;
	struct inlay_moq_request *request; /* NULL after PUBLISH_DONE */
	struct inlay_list node;		   /* in request.outgoing or session.outgoing */
	struct inlay_list grave;
	void *user;
	bool dead;
	bool finished; /* FIN was given to the transport */
	bool from_source;
	bool first;
	__u64 last_object;
	__u64 payload_left;
	struct inlay_moq_subgroup header;
};

struct inlay_moq_session {
	struct inlay_moq_session_config config;
	char *path, *authority, *implementation;
	inlay_ns now;
	unsigned int depth; /* of public functions at work */

	bool started;
	bool closing;	/* no more input is taken, nothing more is sent */
	bool torn_down; /* the last callbacks were made */
	bool transport_closed;
	bool has_setup; /* of the peer */
	bool goaway_sent, goaway_received;
	struct inlay_moq_closed why;
	char why_text[128]; /* what why.text points at */
	inlay_ns setup_deadline, goaway_deadline;

	struct inlay_moq_stream discard;
	struct inlay_moq_stream own_control;
	struct inlay_moq_stream peer_control;
	struct inlay_moq_buffer control_in;

	struct inlay_map streams; /* stream ID to struct inlay_moq_stream */
	struct inlay_map aliases; /* the peer's alias to struct inlay_moq_request */
	__u64 tombstones[INLAY_MOQ_TOMBSTONES];
	__u32 tombstone_count;
	__u64 next_alias;

	struct inlay_list requests; /* inlay_moq_request.node */
	struct inlay_list incoming; /* those without a request */
	struct inlay_list outgoing; /* those without a request */
	struct inlay_list early_datagrams;
	struct inlay_list dead_requests, dead_incoming, dead_outgoing;
	__u32 own_requests, peer_requests;
	__u64 next_request_id;
	struct inlay_request_ids peer_ids;
	__u64 peer_streams; /* unidirectional ones below this number have begun, or may have */
	bool replaying;	    /* datagrams that came earlier */

	size_t control_bytes; /* in buffers of control and request streams */
	size_t pending_bytes; /* in buffers of incoming streams, and in early datagrams */
};

/* Bookends of every public function that can end something: what died is freed when the outermost
 * one leaves. */
void inlay_moq_enter(struct inlay_moq_session *s);
void inlay_moq_leave(struct inlay_moq_session *s);
/* Closes for a parser's verdict. */
void inlay_moq_violation(struct inlay_moq_session *s, enum inlay_moq_verdict verdict,
			 const char *text);
/* 0, or the session was closed: tokens that we do not keep (section 10.2.2). */
int inlay_moq_check_tokens(struct inlay_moq_session *s, const struct inlay_moq_tokens *tokens);

/* The record of |stream| goes. |ended|: nothing more will arrive on it. */
void inlay_moq_stream_forget(struct inlay_moq_session *s, struct inlay_moq_stream *stream,
			     bool ended);
/* The transport's operations, where failure changes nothing or closes the session. */
void inlay_moq_consume(struct inlay_moq_session *s, __u64 id, size_t bytes);
void inlay_moq_stop(struct inlay_moq_session *s, __u64 id, __u64 code);
void inlay_moq_reset(struct inlay_moq_session *s, __u64 id, __u64 code);
/* 0; -EPIPE: the peer wants no more; -ENOMEM (the session is closed). */
int inlay_moq_write(struct inlay_moq_session *s, __u64 id, const __u8 *data, size_t len, bool fin);
/* |written|, if not NULL, counts the bytes. */
int inlay_moq_send(struct inlay_moq_session *s, __u64 id, const struct inlay_moq_message *m,
		   bool fin, __u64 *written);

/* --- buffer.c --- */
/* 0; -ENOMEM (nothing was added). */
int inlay_moq_buffer_append(struct inlay_moq_buffer *b, const __u8 *data, size_t len);
void inlay_moq_buffer_fini(struct inlay_moq_buffer *b);
/* Empties |b| into the return value, which the caller has to fini. */
struct inlay_moq_buffer inlay_moq_buffer_take(struct inlay_moq_buffer *b);

/* --- control_stream.c --- */
int inlay_moq_control_start(struct inlay_moq_session *s);
void inlay_moq_control_data(struct inlay_moq_session *s, const __u8 *data, size_t len, bool fin);

/* --- request.c --- */
struct inlay_moq_request *inlay_moq_request_accept(struct inlay_moq_session *s, __u64 id);
void inlay_moq_request_data(struct inlay_moq_request *req, const __u8 *data, size_t len, bool fin);
/* Reset, STOP_SENDING, or the stream closed under it. */
void inlay_moq_request_aborted(struct inlay_moq_request *req, __u64 code);
void inlay_moq_request_end(struct inlay_moq_request *req, enum inlay_moq_end end, __u64 code,
			   const struct inlay_moq_request_error *error);
/* Its stream's part: both directions, whatever is still open (section 3.3.2); or FIN, if there was
 * none, and what the peer still sends is thrown away. */
void inlay_moq_request_abort_stream(struct inlay_moq_request *req, __u64 code);
void inlay_moq_request_finish_stream(struct inlay_moq_request *req);
/* The record's part: out of every table, so that nothing finds it any more; what its streams
 * carried is cut off. */
void inlay_moq_request_detach(struct inlay_moq_request *req, enum inlay_moq_end end);
void inlay_moq_request_malformed(struct inlay_moq_request *req);
void inlay_moq_request_check_drained(struct inlay_moq_request *req);
/* SETUP has arrived: looks at what waited for it. */
void inlay_moq_request_retry_all(struct inlay_moq_session *s);
/* Stream credit has arrived. */
void inlay_moq_request_open_waiting(struct inlay_moq_session *s);
void inlay_moq_request_free(struct inlay_moq_request *req);
/* The peer's alias now means |req|. False: the session was closed. */
bool inlay_moq_request_take_alias(struct inlay_moq_request *req, __u64 alias);

/* --- request_message.c --- */
/* One whole message on a request stream. */
void inlay_moq_request_message(struct inlay_moq_request *req, __u64 type,
			       struct inlay_cursor payload);

/* --- incoming.c --- */
struct inlay_moq_incoming *inlay_moq_incoming_new(struct inlay_moq_session *s, __u64 id);
void inlay_moq_incoming_data(struct inlay_moq_incoming *in, const __u8 *data, size_t len, bool fin);
/* With on_subgroup_end(), if the application knows it. */
void inlay_moq_incoming_end(struct inlay_moq_incoming *in, enum inlay_moq_end end, __u64 code);
/* Without. */
void inlay_moq_incoming_drop(struct inlay_moq_incoming *in);
/* An alias has become known, or SETUP has arrived. */
void inlay_moq_incoming_retry_all(struct inlay_moq_session *s);
/* Of a subscription that has ended not long ago: what still comes for it is not wanted. */
bool inlay_moq_is_tombstone(const struct inlay_moq_session *s, __u64 alias);
void inlay_moq_incoming_expire(struct inlay_moq_session *s);
inlay_ns inlay_moq_incoming_deadline(const struct inlay_moq_session *s);

/* --- datagram.c --- */
void inlay_moq_datagram_data(struct inlay_moq_session *s, const __u8 *data, size_t len);
void inlay_moq_datagram_retry_all(struct inlay_moq_session *s);
/* Drops early ones whose time is over at |until|. */
void inlay_moq_datagram_expire(struct inlay_moq_session *s, inlay_ns until);
inlay_ns inlay_moq_datagram_deadline(const struct inlay_moq_session *s);

/* --- outgoing.c --- */
void inlay_moq_outgoing_end(struct inlay_moq_outgoing *out, enum inlay_moq_end end, __u64 code);
/* PUBLISH_DONE was sent: finished streams go on without |req|, others are reset. */
void inlay_moq_outgoing_detach_all(struct inlay_moq_request *req);
/* None that waits in the transport is sent any more. */
void inlay_moq_request_drop_datagrams(struct inlay_moq_request *req);

#endif
