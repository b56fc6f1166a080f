/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One MoQ session (draft-ietf-moq-transport-18) over struct inlay_moq_transport, in either role,
 * sans-I/O: what the transport delivers and the time go in, calls of the transport and events come
 * out. It knows requests, aliases and streams; what a track is worth, and to whom, is the
 * application's (relay, publisher, subscriber).
 *
 * Invariants:
 *  - Whatever the peer sends ends, at worst, in a close of this session with the draft's code.
 *  - Bytes of a data stream reach the application only once they are known to be well-formed: an
 *    object's header whole, its payload as it arrives, never a byte behind a malformation.
 *  - All buffers and counts are bounded by struct inlay_moq_session_config.
 *  - Each request, incoming stream and outgoing stream that the application has seen ends in
 * exactly one last callback, or in a call of the application that says so below; the pointer is
 * dead after it.
 *
 * The transport's operations must not call back into the session; the application may call any
 * function of this header from a callback, except _free() and the inputs.
 */
#ifndef INLAY_MOQ_SESSION_H
#define INLAY_MOQ_SESSION_H

#include "inlay_moq.h"
#include "message.h"
#include "transport.h"

struct inlay_framing; /* bpf/include/inlay_abi.h */
struct inlay_moq_session;
struct inlay_moq_request;  /* a request stream, ours or the peer's, and what it established */
struct inlay_moq_incoming; /* a subgroup stream that we receive */
struct inlay_moq_outgoing; /* a subgroup stream that we send */

/* Priorities given to transport.stream_open(); lower is sent first (draft section 8.2). */
#define INLAY_MOQ_PRIORITY_CONTROL 0ULL
#define INLAY_MOQ_PRIORITY_REQUEST 1ULL

/* For data: by subscriber priority, publisher priority, group order, subgroup. |group| counts from
 * a base that the caller keeps per track. */
__u64 inlay_moq_priority(__u8 subscriber, __u8 publisher, bool descending, __u64 group,
			 __u64 subgroup);

/* How a request, an incoming or an outgoing stream came to its end. */
enum inlay_moq_end {
	INLAY_MOQ_END_DONE, /* in the regular way: FIN; answered; PUBLISH_DONE and all streams in */
	INLAY_MOQ_END_ERROR,	 /* request: REQUEST_ERROR; |code| and text are the peer's */
	INLAY_MOQ_END_CANCELLED, /* the peer's RESET_STREAM or STOP_SENDING, with its |code| */
	INLAY_MOQ_END_SESSION,	 /* the session ended under it */
	INLAY_MOQ_END_LOCAL,	 /* a limit of ours, or our request was cancelled */
};

/* Why a session ended. */
struct inlay_moq_closed {
	bool by_peer;
	bool application; /* |code| is enum inlay_moq_session_error; else QUIC's */
	__u64 code;
	const char *text; /* never NULL */
};

/*
 * What happens. All may be NULL. Strings and buffers live for the length of the call. |req|'s own
 * pointer is set by inlay_moq_request_set_user() or when the request is made, and so for streams.
 */
struct inlay_moq_session_ops {
	/* SETUP has arrived; requests of ours may have been sent before. */
	void (*on_setup)(void *user, const struct inlay_moq_setup *setup);
	/* The peer means to close: open no new requests here. */
	void (*on_goaway)(void *user, const struct inlay_moq_goaway *goaway);
	/* Once, after the last callback for every request and stream. */
	void (*on_closed)(void *user, const struct inlay_moq_closed *why);

	/* --- requests of the peer: answer now or later, with inlay_moq_request_*() --- */
	void (*on_subscribe)(void *user, struct inlay_moq_request *req,
			     const struct inlay_moq_subscribe *m);
	void (*on_track_status)(void *user, struct inlay_moq_request *req,
				const struct inlay_moq_subscribe *m);
	void (*on_publish)(void *user, struct inlay_moq_request *req,
			   const struct inlay_moq_publish *m);
	void (*on_publish_namespace)(void *user, struct inlay_moq_request *req,
				     const struct inlay_moq_namespace_request *m);
	void (*on_subscribe_namespace)(void *user, struct inlay_moq_request *req,
				       const struct inlay_moq_namespace_request *m);
	/* REQUEST_UPDATE for |req|: answer with _update_ok() or _update_error(), in order. */
	void (*on_update)(void *user, struct inlay_moq_request *req,
			  const struct inlay_moq_params *params);

	/* --- answers to requests of ours --- */
	void (*on_subscribe_ok)(void *user, struct inlay_moq_request *req,
				const struct inlay_moq_subscribe_ok *m);
	/* To PUBLISH, PUBLISH_NAMESPACE, SUBSCRIBE_NAMESPACE, TRACK_STATUS. */
	void (*on_request_ok)(void *user, struct inlay_moq_request *req,
			      const struct inlay_moq_request_ok *m);
	/* To our REQUEST_UPDATE. |error| NULL: it was accepted. */
	void (*on_update_answer)(void *user, struct inlay_moq_request *req,
				 const struct inlay_moq_request_ok *ok,
				 const struct inlay_moq_request_error *error);
	void (*on_namespace)(void *user, struct inlay_moq_request *req,
			     const struct inlay_moq_namespace *suffix, bool done);
	/* The publisher is done; data may still be on its way, and on_request_end() follows once
	 * all streams are in or a timer says that they will not come. */
	void (*on_publish_done)(void *user, struct inlay_moq_request *req,
				const struct inlay_moq_publish_done *m);

	/* The last call for |req|, whoever made it. |error|: of REQUEST_ERROR, or NULL. END_LOCAL
	 * with MALFORMED_TRACK: the track broke the draft's rules (section 2.4.2). */
	void (*on_request_end)(void *user, struct inlay_moq_request *req, enum inlay_moq_end end,
			       __u64 code, const struct inlay_moq_request_error *error);

	/* --- data that we receive; |req| is our SUBSCRIBE or the peer's PUBLISH --- */
	/* |in|'s header has arrived. In subgroup mode "first object" the ID is not known yet. */
	void (*on_subgroup)(void *user, struct inlay_moq_request *req,
			    struct inlay_moq_incoming *in, const struct inlay_moq_subgroup *header);
	/* An object's header, with its verbatim bytes. */
	void (*on_object)(void *user, struct inlay_moq_incoming *in,
			  const struct inlay_moq_object *object, const __u8 *header, size_t len);
	/* Payload of the object last announced, verbatim, len > 0. |end|: it is complete. */
	void (*on_payload)(void *user, struct inlay_moq_incoming *in, const __u8 *data, size_t len,
			   bool end);
	/* The last call for |in|. DONE: FIN, at an object's end. */
	void (*on_subgroup_end)(void *user, struct inlay_moq_incoming *in, enum inlay_moq_end end,
				__u64 code);
	void (*on_datagram)(void *user, struct inlay_moq_request *req,
			    const struct inlay_moq_datagram *object);

	/* --- data that we send --- */
	/* The last call for |out|: DONE: all acknowledged; CANCELLED: the peer's STOP_SENDING. */
	void (*on_outgoing_end)(void *user, struct inlay_moq_outgoing *out, enum inlay_moq_end end,
				__u64 code);
	/* The peer raised MAX_STREAMS after -EAGAIN from opening an outgoing stream. */
	void (*on_streams_available)(void *user);
};

struct inlay_moq_session_config {
	struct inlay_moq_transport transport;	 /* copied; its ctx outlives the session */
	const struct inlay_moq_session_ops *ops; /* kept */
	void *user;
	/* Client: what goes into SETUP. NULL or empty: the option is left out. Copied. */
	const char *path;
	const char *authority;
	const char *implementation;
	/* Bounds; 0 stands for the default. */
	inlay_ns setup_timeout;	  /* the peer's SETUP after ours: 10 s */
	inlay_ns pending_timeout; /* data for an alias that is not known yet: 2 s */
	inlay_ns done_timeout;	  /* streams still to come after PUBLISH_DONE: 5 s */
	__u32 max_requests;	  /* of the peer, open at once: 1024 */
	__u32 max_own_requests;	  /* open at once: 4096 */
	size_t max_control_bytes; /* incomplete control messages, all streams together: 256 KiB */
	size_t max_pending_bytes; /* data for unknown aliases, or before SETUP: 1 MiB */
	size_t max_object_header; /* an object's header, properties included: 16 KiB */
};

/* NULL: no memory. Nothing is sent until inlay_moq_session_start(). */
struct inlay_moq_session *inlay_moq_session_new(const struct inlay_moq_session_config *config);
/* The last callbacks for requests, streams and session come from here, if not earlier; then frees.
 * Does not close the transport. Not from within a callback. Takes NULL. */
void inlay_moq_session_free(struct inlay_moq_session *s);
/* The transport is up: opens our control stream and sends SETUP. 0; errors of stream_open(). */
int inlay_moq_session_start(struct inlay_moq_session *s, inlay_ns now);
void *inlay_moq_session_user(const struct inlay_moq_session *s);
/* The time of the input being worked on. */
inlay_ns inlay_moq_session_now(const struct inlay_moq_session *s);
/* What a policy is told of the connection below (ctrl/quic/policy.h); all 0 if it does not say. */
void inlay_moq_session_view(const struct inlay_moq_session *s, struct inlay_policy_view *ret);
bool inlay_moq_session_is_closed(const struct inlay_moq_session *s);
/* Of MoQ Transport: 18. */
__u16 inlay_moq_session_draft(const struct inlay_moq_session *s);
/* Closes the transport with |code| (enum inlay_moq_session_error). |text| is copied. The last
 * callbacks come at the end of the input that this is called from, or else with the next one, for
 * which the deadline is at once. */
void inlay_moq_session_close(struct inlay_moq_session *s, __u64 code, const char *text);
/* Sends GOAWAY: requests that arrive from now on are refused; with a |timeout|, the session is
 * closed with GOAWAY_TIMEOUT after it if requests are still open. 0; -EALREADY; -ENOTCONN. */
int inlay_moq_session_goaway(struct inlay_moq_session *s, const char *uri, inlay_ns timeout);

/* --- inputs, from the transport and its owner ------------------------------------------------ */

/* In order, each byte once; consumed by the session itself through transport.stream_consume(). */
void inlay_moq_session_on_stream_data(struct inlay_moq_session *s, __u64 id, const __u8 *data,
				      size_t len, bool fin, inlay_ns now);
void inlay_moq_session_on_stream_reset(struct inlay_moq_session *s, __u64 id, __u64 code,
				       inlay_ns now);
void inlay_moq_session_on_stop_sending(struct inlay_moq_session *s, __u64 id, __u64 code,
				       inlay_ns now);
void inlay_moq_session_on_stream_closed(struct inlay_moq_session *s, __u64 id, inlay_ns now);
void inlay_moq_session_on_datagram(struct inlay_moq_session *s, const __u8 *data, size_t len,
				   inlay_ns now);
void inlay_moq_session_on_streams_available(struct inlay_moq_session *s, bool bidi, inlay_ns now);
/* The connection has ended, whoever ended it. */
void inlay_moq_session_on_transport_closed(struct inlay_moq_session *s,
					   const struct inlay_moq_closed *why, inlay_ns now);
/* When on_timer() is due; INLAY_NEVER: no timer. */
inlay_ns inlay_moq_session_deadline(const struct inlay_moq_session *s);
void inlay_moq_session_on_timer(struct inlay_moq_session *s, inlay_ns now);

/* --- requests of ours ------------------------------------------------------------------------ */
/*
 * The session fills in the request ID (and the alias of PUBLISH); |m| is not kept. Where the peer's
 * MAX_STREAMS is reached the request waits for credit by itself. 0; -ENOTCONN: closing; -ESHUTDOWN:
 * the peer sent GOAWAY; -EMFILE: max_own_requests; -EMSGSIZE: longer than a message may be;
 * -ENOMEM.
 */
int inlay_moq_session_subscribe(struct inlay_moq_session *s, const struct inlay_moq_subscribe *m,
				void *user, struct inlay_moq_request **ret);
int inlay_moq_session_track_status(struct inlay_moq_session *s, const struct inlay_moq_subscribe *m,
				   void *user, struct inlay_moq_request **ret);
int inlay_moq_session_publish(struct inlay_moq_session *s, const struct inlay_moq_publish *m,
			      void *user, struct inlay_moq_request **ret);
int inlay_moq_session_publish_namespace(struct inlay_moq_session *s,
					const struct inlay_moq_namespace_request *m, void *user,
					struct inlay_moq_request **ret);
int inlay_moq_session_subscribe_namespace(struct inlay_moq_session *s,
					  const struct inlay_moq_namespace_request *m, void *user,
					  struct inlay_moq_request **ret);

/* --- requests, ours and the peer's ----------------------------------------------------------- */

void inlay_moq_request_set_user(struct inlay_moq_request *req, void *user);
void *inlay_moq_request_user(const struct inlay_moq_request *req);
struct inlay_moq_session *inlay_moq_request_session(const struct inlay_moq_request *req);
/* The message type that opened it (enum inlay_moq_message_type). */
__u64 inlay_moq_request_type(const struct inlay_moq_request *req);
__u64 inlay_moq_request_id(const struct inlay_moq_request *req);
bool inlay_moq_request_is_ours(const struct inlay_moq_request *req);
/* Alias of the track on this session: we publish (SUBSCRIBE of the peer, PUBLISH of ours): chosen
 * by the session; else the peer's, once it is known. */
__u64 inlay_moq_request_alias(const struct inlay_moq_request *req);

/*
 * Ends it abruptly, ours (unsubscribe, withdraw a namespace) or the peer's: resets what is open,
 * tells the peer to stop, drops its streams. on_subgroup_end() and on_outgoing_end() come from here
 * with END_LOCAL; on_request_end() does not come.
 */
void inlay_moq_request_cancel(struct inlay_moq_request *req, __u64 code);

/* Answers. 0; -ENOTCONN; -EINVAL: not the answer to this request, or answered already; -EMSGSIZE.
 */
int inlay_moq_request_subscribe_ok(struct inlay_moq_request *req,
				   const struct inlay_moq_params *params,
				   const struct inlay_moq_bytes *properties);
/* PUBLISH, PUBLISH_NAMESPACE, SUBSCRIBE_NAMESPACE; for TRACK_STATUS it is the end: |req| is dead.
 */
int inlay_moq_request_ok(struct inlay_moq_request *req, const struct inlay_moq_params *params,
			 const struct inlay_moq_bytes *properties);
/* The end of |req|. |retry_ms|: 0: do not retry; else the time before a retry, plus one. */
int inlay_moq_request_error(struct inlay_moq_request *req, __u64 code, __u64 retry_ms,
			    const char *reason);
int inlay_moq_request_update_ok(struct inlay_moq_request *req,
				const struct inlay_moq_params *params);
/* The draft wants the request ended after it: call _publish_done() or _cancel() next. */
int inlay_moq_request_update_error(struct inlay_moq_request *req, __u64 code, const char *reason);
/* Our SUBSCRIBE, or the peer's PUBLISH: asks for a change. */
int inlay_moq_request_update(struct inlay_moq_request *req, const struct inlay_moq_params *params);
int inlay_moq_request_namespace(struct inlay_moq_request *req,
				const struct inlay_moq_namespace *suffix, bool done);
/*
 * The end of a subscription that we serve, with the number of streams that were opened. Every
 * outgoing stream must have its FIN or reset; those still unfinished are reset here with |code|
 * CANCELLED. on_outgoing_end() of the finished ones still follows; on_request_end() does not.
 */
int inlay_moq_request_publish_done(struct inlay_moq_request *req, __u64 status, const char *reason);

/* --- for a forwarder (design section 5) ------------------------------------------------------ */

/* What a forwarder knows the connection by. 0; -ENOTSUP: none serves it, or it has ended. */
int inlay_moq_session_shared(const struct inlay_moq_session *s, struct inlay_moq_shared *ret);
bool inlay_moq_session_is_server(const struct inlay_moq_session *s);
/* The packet whose frame is being delivered; |number| ~0: what is being delivered came earlier. */
void inlay_moq_session_packet(const struct inlay_moq_session *s, struct inlay_moq_packet *ret);
/* Unidirectional streams of the peer whose number is below have begun, or may have. */
__u64 inlay_moq_session_peer_streams(const struct inlay_moq_session *s);
/* A stream that a forwarder opened and that nobody wants: adopted, and reset. No callback follows.
 * |req|: what it was opened for, if that is still there; or NULL. 0; as _outgoing_adopt(). */
int inlay_moq_session_abandon(struct inlay_moq_session *s, struct inlay_moq_request *req,
			      __u64 number, __u64 code);
/* Every byte of our SUBSCRIBE_OK is acknowledged. */
bool inlay_moq_request_ok_is_acked(const struct inlay_moq_request *req);
/* Number of the stream: its ID >> 2. */
__u64 inlay_moq_incoming_number(const struct inlay_moq_incoming *in);
/* Where the framing stands, all but the offset. False: so much of a header is gathered that it
 * cannot be handed over. */
bool inlay_moq_incoming_framing(const struct inlay_moq_incoming *in, struct inlay_framing *ret);
/* As _open_source(), for the stream |number|, which a forwarder has opened and goes on sending:
 * see inlay_conn_stream_adopt(). Errors of both. */
struct inlay_moq_adoption {
	__u64 number;
	__u64 priority;
	const struct inlay_stream_source *source;
	const struct inlay_loan_ops *loan;
	void *ctx; /* of |source| and |loan| */
};
int inlay_moq_outgoing_adopt(struct inlay_moq_request *req,
			     const struct inlay_moq_adoption *adoption, void *user,
			     struct inlay_moq_outgoing **ret);
/* See inlay_conn_stream_lend(), _recall(), _progress(). */
int inlay_moq_outgoing_lend(struct inlay_moq_outgoing *out, const struct inlay_loan_ops *loan,
			    void *ctx, __u64 *ret_offset);
void inlay_moq_outgoing_recall(struct inlay_moq_outgoing *out);
bool inlay_moq_outgoing_progress(const struct inlay_moq_outgoing *out,
				 struct inlay_moq_progress *ret);

/* --- incoming streams ------------------------------------------------------------------------ */

void inlay_moq_incoming_set_user(struct inlay_moq_incoming *in, void *user);
struct inlay_moq_request *inlay_moq_incoming_request(const struct inlay_moq_incoming *in);
void *inlay_moq_incoming_user(const struct inlay_moq_incoming *in);
/* STOP_SENDING; |in| is dead, on_subgroup_end() does not come. */
void inlay_moq_incoming_stop(struct inlay_moq_incoming *in, __u64 code);

/* --- outgoing streams and datagrams ---------------------------------------------------------- */

/*
 * For simple publishers: opens a stream for |req|, an established subscription that we serve, and
 * writes |header| with the alias of |req|. 0; -EAGAIN: MAX_STREAMS, on_streams_available() follows;
 * -ENOTCONN; -EINVAL; -ENOMEM.
 */
int inlay_moq_outgoing_open(struct inlay_moq_request *req, const struct inlay_moq_subgroup *header,
			    __u64 priority, void *user, struct inlay_moq_outgoing **ret);
/* Writes the header of an object (its ID above the last one's), whose payload_len bytes follow
 * by _payload(), in as many calls as one likes. Streams opened with _open(). 0; -EINVAL; -EPIPE. */
int inlay_moq_outgoing_object(struct inlay_moq_outgoing *out,
			      const struct inlay_moq_object *object);
int inlay_moq_outgoing_payload(struct inlay_moq_outgoing *out, const __u8 *data, size_t len);
/* FIN. on_outgoing_end() follows. 0; -EINVAL: within an object. */
int inlay_moq_outgoing_finish(struct inlay_moq_outgoing *out);

/* The whole stream, header included, comes from |source|; offsets count from 0. */
int inlay_moq_outgoing_open_source(struct inlay_moq_request *req, __u64 priority,
				   const struct inlay_stream_source *source, void *ctx, void *user,
				   struct inlay_moq_outgoing **ret);
/* Bytes below |end| may be read; |fin|: as _finish(). */
int inlay_moq_outgoing_extend(struct inlay_moq_outgoing *out, __u64 end, bool fin);
void inlay_moq_outgoing_set_priority(struct inlay_moq_outgoing *out, __u64 priority);
/* Its class, of ctrl/quic/policy.h; 0 until it is set. */
void inlay_moq_outgoing_set_class(struct inlay_moq_outgoing *out, __u8 class);
/* RESET_STREAM; |out| is dead, on_outgoing_end() does not come. */
void inlay_moq_outgoing_reset(struct inlay_moq_outgoing *out, __u64 code);
void *inlay_moq_outgoing_user(const struct inlay_moq_outgoing *out);

/* |object|'s alias is replaced by the one of |req|. |order|: priority and class as of streams, and
 * a time from which on it is not sent (section 8.3); its flow is set here. NULL: all 0. 0;
 * -EMSGSIZE; -ENOBUFS; -ENOTSUP; -EINVAL. */
int inlay_moq_request_datagram(struct inlay_moq_request *req,
			       const struct inlay_moq_datagram *object,
			       const struct inlay_datagram_order *order);
/* How many of |req| wait in the transport: PUBLISH_DONE, and every other end, throws them away. */
size_t inlay_moq_request_datagrams_queued(const struct inlay_moq_request *req);

#endif
