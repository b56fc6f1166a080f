/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The connection as its own parts see it: conn.c (public functions, timers), conn_recv.c (frames
 * in), conn_send.c (packets out), conn_frames.c (what is in them), conn_fate.c (what became of it),
 * conn_path.c (which way they go).
 */
#ifndef INLAY_QUIC_CONN_INTERNAL_H
#define INLAY_QUIC_CONN_INTERNAL_H

#include "ack.h"
#include "ack_request.h"
#include "cids.h"
#include "classes.h"
#include "close.h"
#include "conn_trace.h"
#include "datagrams.h"
#include "ecn.h"
#include "keyupdate.h"
#include "path.h"
#include "pmtu.h"
#include "post_handshake.h"
#include "recovery.h"
#include "state.h"
#include "streams.h"

/* Headers that a forwarder writes: on their way from one version to the next. */
struct inlay_headers_change {
	enum {
		INLAY_HEADERS_SETTLED, /* nobody writes the old ones any more */
		INLAY_HEADERS_DUE,     /* somebody may still read the idle copy */
		INLAY_HEADERS_FLIPPED, /* somebody may still write the old ones */
	} state;
	struct inlay_moment moment; /* of the request, or of the flip */
};

/* Bytes of one of our unidirectional streams. */
struct inlay_acked_run {
	__u64 number, offset, end; /* |offset| == |end| and not |fin|: none */
	bool fin;
};

struct inlay_conn {
	const struct inlay_conn_ops *ops;
	void *user;
	enum inlay_role role;
	enum inlay_cc_algorithm cc;
	__u64 max_streams_open;
	struct inlay_transport_params own, peer;
	struct inlay_subscriber *entry;

	struct inlay_sentlog log;
	struct inlay_recovery recovery;
	struct inlay_acks acks;
	struct inlay_ack_request ack_request;
	struct inlay_streams streams;
	struct inlay_flow flow; /* of the connection */
	struct inlay_datagrams datagrams;
	struct inlay_classes classes;
	struct inlay_cids cids;
	struct inlay_keyupdate keys;
	struct inlay_paths paths;
	struct inlay_ecn_path ecn; /* of the current path */
	struct inlay_pmtu pmtu;
	struct inlay_close close;
	struct inlay_post_handshake crypto;

	inlay_ns now;			 /* as of the last call that said so */
	inlay_ns keep_alive;		 /* 0: none */
	const struct inlay_state *state; /* NULL: no forwarder */
	struct inlay_headers_change headers;
	__u64 pending_seen; /* bytes that waited here when a forwarder's limits were written */
	bool watched;	    /* a forwarder may send, without a stream that is lent */
	inlay_ns poll_at;   /* when to ask again what others have to let go of */
	bool handshake_done_due;
	bool confirmed; /* the handshake: HANDSHAKE_DONE has come, or we are the server */
	bool ping_due;
	__u64 data_blocked_at; /* limit that DATA_BLOCKED was sent for, + 1 */
	bool data_blocked_due;
	__u64 probe_from; /* the next probe repeats this packet, or a later one */
	__u32 until_skip; /* packets until a number is skipped on purpose; 0: never */

	/* While an ACK is being processed: what it acknowledges and the stream has not heard of.
	 * Copies of a forwarder carry one piece after the other. */
	struct inlay_acked_run acked;
	/* While the log is looked through: the same of what a forwarder sent. */
	struct inlay_acked_run foreign;

	/* While a packet is being processed. */
	bool refused;	      /* it is not to be acknowledged */
	bool recovery_failed; /* no memory to note what is to be sent again: the end */
	struct inlay_stream *delivering;
	bool taking; /* the frames of |packet| are being delivered */
	struct inlay_conn_packet packet;

	struct inlay_conn_stats stats;
	struct inlay_conn_trace trace;
};

static inline bool inlay_conn_is_traced(const struct inlay_conn *c)
{
	return __builtin_expect(c->trace.ops != NULL, 0);
}

static inline bool inlay_conn_is_open(const struct inlay_conn *c)
{
	return c->close.state == INLAY_OPEN;
}

static inline inlay_ns inlay_conn_pto(const struct inlay_conn *c)
{
	return inlay_rtt_pto(&c->recovery.rtt);
}

/* A transport error, found while reading a frame of type |frame_type| (0: none). */
void inlay_conn_fail(struct inlay_conn *c, enum inlay_quic_error code, __u64 frame_type,
		     const char *text, inlay_ns now);
/* It closes, drains or has died: tells whoever must know. */
void inlay_conn_ended(struct inlay_conn *c, inlay_ns now);
/* Frees the streams that are dead, telling the application. */
void inlay_conn_reap(struct inlay_conn *c);
/* Throws away what a stream holds or gets that nobody wants any more. */
void inlay_conn_discard(struct inlay_conn *c, struct inlay_stream *s);
/* The headers for a forwarder (design section 5, subscriber entry) are to follow path and CID: at
 * once, or as soon as nobody reads the copy that has to be written. */
void inlay_conn_write_headers(struct inlay_conn *c);
/* The connection is on a path of which nothing is known (RFC 9000 section 9.4): whatever was
 * measured or found out about the one before starts anew. */
void inlay_conn_forget_path(struct inlay_conn *c);
/* What a forwarder's limits by class depend on; of struct inlay_recovery_ops. */
void inlay_conn_classes(void *user, struct inlay_limits_input *in);
/* What waits here has changed: a forwarder's limits follow. */
void inlay_conn_keep_limits(struct inlay_conn *c, inlay_ns now);
/* Asks the policy what each class may use, if it has a say. */
void inlay_conn_refresh_classes(struct inlay_conn *c, inlay_ns now);
/* What was found out about the path's MTU is what packets, ours and a forwarder's, obey. */
void inlay_conn_note_mtu(struct inlay_conn *c);
/* ... and its mark is what a forwarder's copies bear. */
void inlay_conn_note_ecn(struct inlay_conn *c);
/* Moves our sending keys on by one phase. 0 or negative errno. */
int inlay_conn_next_phase(struct inlay_conn *c, inlay_ns now);
void inlay_conn_random(struct inlay_conn *c, void *dst, size_t len);

/* loan.c */
/* Asks those that hold something of ours: lent streams and, if |all| is false, only those that were
 * recalled; readers of old headers. */
void inlay_conn_poll(struct inlay_conn *c, bool all);
/* When to ask again; INLAY_NEVER: nobody is to be asked. */
inlay_ns inlay_conn_poll_deadline(const struct inlay_conn *c);
/* inlay_stream_send_reset() had news: what |s| owes and its place follow. A lent stream is recalled
 * first. */
void inlay_conn_reset_sender(struct inlay_conn *c, struct inlay_stream *s);
/* |s| is lent, and something happened to it. */
void inlay_conn_ask_back(struct inlay_conn *c, struct inlay_stream *s);
/* A unidirectional stream of ours that the peer speaks of, and we do not know: a forwarder may have
 * opened it. */
void inlay_conn_look_for(struct inlay_conn *c, __u64 id);

/* conn_path.c */
/* A new packet of |len| bytes came by |path|: before its frames, and after them. |dcid|: what it
 * was sent to. */
void inlay_conn_path_received(struct inlay_conn *c, const struct inlay_path *path, size_t len);
void inlay_conn_path_follow(struct inlay_conn *c, const struct inlay_path *path, const __u8 *dcid,
			    size_t len, inlay_ns now);
void inlay_conn_path_challenged(struct inlay_conn *c, const struct inlay_path *path,
				const __u8 *dcid, size_t len, const __u8 data[8], inlay_ns now);
void inlay_conn_path_answered(struct inlay_conn *c, const __u8 data[8], inlay_ns now);
void inlay_conn_path_on_timer(struct inlay_conn *c, inlay_ns now);
/* How long a path is asked in vain before it is given up: at either end, and so how long a CID that
 * was retired may still come. */
inlay_ns inlay_conn_path_patience(const struct inlay_conn *c);
/* The CID to send with on |e|. NULL: there is none for it. */
const struct inlay_cid *inlay_conn_path_cid(struct inlay_conn *c, struct inlay_path_entry *e);
/* A packet that validates a path, or answers who does; 0: none is due, or may be sent. */
size_t inlay_conn_path_send(struct inlay_conn *c, __u8 *dst, size_t room,
			    struct inlay_path *ret_path, inlay_ns now);

/* conn_fate.c */
extern const struct inlay_recovery_ops inlay_conn_recovery_ops;
/* ID of the stream that an entry that is not LOCAL speaks of. */
static inline __u64 inlay_conn_foreign_stream(const struct inlay_conn *c, __u64 number)
{
	return number << 2 | INLAY_UNI << 1 | (c->role == INLAY_SERVER);
}

/* Behind the ACK: what was acknowledged is known to its streams. */
void inlay_conn_end_ack(struct inlay_conn *c);
/* Queues what |pn| carried once more, without calling it lost. */
void inlay_conn_repeat(struct inlay_conn *c, __u64 pn);

#endif
