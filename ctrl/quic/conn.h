/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The established phase of a QUIC connection (RFC 9000, 9002, 9221), sans-I/O: clear packets and
 * the time go in, clear packets and the next deadline come out. It runs no cipher, reads no clock,
 * owns no socket. The handshake before it belongs to ngtcp2 (ctrl/handshake/); what passes between
 * the two is struct inlay_handover.
 *
 * Packet numbers come from inlay_subscriber.next_pn by fetch-add, and what each number carried
 * stands in the sent log (bpf/include/inlay_abi.h): a forwarder takes numbers and writes entries
 * beside this code, and loss recovery works from the log alone.
 *
 * Stream bytes are not copied in: a send stream reads from a source by offset, when it sends and
 * when it sends again. So N subscribers of a track share one cache.
 */
#ifndef INLAY_QUIC_CONN_H
#define INLAY_QUIC_CONN_H

#include "inlay_abi.h"

struct inlay_budget;
struct inlay_conn;
struct inlay_policy;
struct inlay_state;

/* CIDs of ours that a connection has at most: those in force, and twice as many that the peer has
 * retired of late, and packets under way may carry. */
#define INLAY_CONN_CIDS 12
struct inlay_trace;
struct inlay_policy_view;

enum inlay_role {
	INLAY_CLIENT = 0,
	INLAY_SERVER = 1,
};

/* RFC 9000 section 18.2, as far as the established phase needs them. Durations in ns. */
struct inlay_transport_params {
	__u64 initial_max_data;
	__u64 initial_max_stream_data_bidi_local;
	__u64 initial_max_stream_data_bidi_remote;
	__u64 initial_max_stream_data_uni;
	__u64 initial_max_streams_bidi;
	__u64 initial_max_streams_uni;
	inlay_ns max_idle_timeout; /* 0: none */
	__u64 max_udp_payload_size;
	__u64 active_connection_id_limit;
	__u64 ack_delay_exponent;
	inlay_ns max_ack_delay;
	__u64 max_datagram_frame_size; /* 0: no datagrams */
	bool disable_active_migration;
	bool has_stateless_reset_token;
	__u8 stateless_reset_token[16];
	/* Extensions. ACK_FREQUENCY and IMMEDIATE_ACK are understood, and no ACK is asked to come
	 * sooner than |min_ack_delay| (draft-ietf-quic-ack-frequency); RESET_STREAM_AT is
	 * understood (draft-ietf-quic-reliable-stream-reset). */
	bool has_min_ack_delay;
	bool reset_stream_at;
	inlay_ns min_ack_delay; /* whole microseconds, at most |max_ack_delay| */
};

/* What a finished handshake leaves behind. Secrets stay in the key store. */
struct inlay_handover {
	enum inlay_role role;
	__u32 version;
	struct inlay_path path;
	struct inlay_cid own_cid;  /* sequence number 0 of ours */
	struct inlay_cid peer_cid; /* sequence number 0 of the peer's */
	struct inlay_transport_params own;
	struct inlay_transport_params peer;
	inlay_ns latest_rtt, min_rtt, smoothed_rtt, rttvar; /* 0: no sample */
	__u64 secret;					    /* inlay_secret */
	char alpn[32];
};

enum inlay_cc_algorithm {
	INLAY_CC_NEWRENO = 0,
	INLAY_CC_CUBIC = 1,
	INLAY_CC_LIVE = 2, /* keeps queues short */
};

/* Why a connection ended. */
struct inlay_close_reason {
	bool by_peer;
	bool application; /* |code| is the application's (CONNECTION_CLOSE 0x1d) */
	bool idle;	  /* idle timeout: no frame was exchanged */
	bool reset;	  /* stateless reset */
	__u64 code;
	char text[128]; /* printable, NUL-terminated, truncated */
};

/*
 * Where a send stream's bytes come from. The engine calls read() for any range at or above the
 * newest acked() offset and below the extended end, in any order, any number of times.
 */
struct inlay_stream_source {
	/* Copies |len| bytes from |offset|. 0; -ENODATA: no longer held: the stream is reset */
	int (*read)(void *ctx, __u64 offset, __u8 *dst, size_t len);
	/* Every byte below |offset| is acknowledged. May be NULL. */
	void (*acked)(void *ctx, __u64 offset);
	/* The last call: the stream is finished, reset or its connection freed. May be NULL. */
	void (*release)(void *ctx);
	/* Where the object that holds byte |offset| ends; |offset| itself if none is begun there.
	 * NULL: there are no objects. */
	__u64 (*object_end)(void *ctx, __u64 offset);
	/* How many bytes at the beginning say what the stream is. read() never fails for them, and
	 * a reset delivers them if the peer understands RESET_STREAM_AT. NULL: none. */
	__u64 (*head)(void *ctx);
	/* Error code of the RESET_STREAM that follows -ENODATA. */
	__u64 evicted_code;
};

/*
 * A stream of ours whose new bytes a forwarder sends: it is lent (design section 5, rules 4 to 7).
 * What the forwarder sent stands in the sent log, and that is all the engine goes by: a gap in it,
 * and whatever was lost, is the engine's to send, from the source; what is above is the
 * forwarder's, until the stream is back.
 */
struct inlay_loan_ops {
	/*
	 * Has the stream come back: the forwarder sends no more of it, and all that it sent is in
	 * the log? |recall|: it is to come back, as soon as may be. Asked again until it is true;
	 * then the loan is over, and this is not called any more; nor is it once the source was
	 * released. It is asked when the stream is extended or recalled, at timers and at ACKs, and
	 * may call nothing of the connection.
	 */
	bool (*back)(void *loan, bool recall);
	/* The peer raised MAX_STREAM_DATA, or had done so before: then from within
	 * inlay_conn_stream_adopt() or _lend(). May be NULL. */
	void (*limit)(void *loan, __u64 limit);
};

/* When a datagram is sent, and until when. All 0: before every stream, and at any time. */
struct inlay_datagram_order {
	__u64 priority;	   /* as of streams; among equals datagrams go first */
	__u64 flow;	   /* whose it is, to the application */
	inlay_ns deadline; /* dropped if it waits for as long; 0: it may wait */
	__u8 class;	   /* as of streams */
};

/*
 * What happens on a connection. Called from within inlay_conn_recv(), _send() and _on_timer(); a
 * callback may call any function of this header on the same connection except those three and
 * inlay_conn_free(). Any may be NULL.
 */
struct inlay_conn_ops {
	/* In order, each byte once; an empty call with |fin| is possible. Data counts against flow
	 * control until inlay_conn_stream_consume(). */
	void (*on_stream_data)(void *user, __u64 id, const __u8 *data, size_t len, bool fin);
	void (*on_stream_reset)(void *user, __u64 id, __u64 code);
	/* The peer wants no more; the engine has answered with RESET_STREAM already, or does so
	 * once the stream, which was lent, is back. */
	void (*on_stop_sending)(void *user, __u64 id, __u64 code);
	/* All sent bytes and the FIN, or the reset, are acknowledged, and (bidirectional) the
	 * receiving side has ended too: the ID is dead. */
	void (*on_stream_closed)(void *user, __u64 id);
	void (*on_datagram)(void *user, const __u8 *data, size_t len);
	/* The peer raised MAX_STREAMS after inlay_conn_stream_open() had returned -EAGAIN. */
	void (*on_streams_available)(void *user, bool bidi);
	/* What inlay_conn_migrate() came to. False: the path does not work, and all stays as it
	 * was.
	 */
	void (*on_migrated)(void *user, const struct inlay_path *path, bool done);
	/* Once, when the connection has begun to close or to drain, or died. */
	void (*on_closed)(void *user, const struct inlay_close_reason *why);

	/* Towards endpoint and provider. 0 or negative errno. */
	/* Client: HANDSHAKE_DONE arrived (RFC 9001 section 4.1.2), once: ngtcp2 may go. */
	void (*on_confirmed)(void *user);
	/* Make a new CID of ours with its reset token (RFC 9000 section 10.3.1), and route it. */
	int (*cid_issue)(void *user, struct inlay_cid *ret_cid, __u8 ret_token[16]);
	void (*cid_retire)(void *user, const struct inlay_cid *cid);
	/* Packets may carry this CID of the peer's from now on (add), or none that is yet to come
	 * will. There may be several at once: each path has one. */
	void (*peer_cid)(void *user, const struct inlay_cid *cid, bool add);
	/* Learned a reset token of the peer's (add) or may forget it. */
	void (*peer_token)(void *user, const __u8 token[16], bool add);
	/* Install the next keys. TX: from |first_pn| on. */
	int (*next_phase_tx)(void *user, __u64 first_pn);
	int (*next_phase_rx)(void *user);
	void (*drop_old_phase)(void *user);
	/* Send by this path from now on. Either the peer's packets come from there (RFC 9000
	 * section 9.3), little is sent until it has proved that it is there, and if it does not,
	 * another call restores the path before; or it is one of inlay_conn_migrate(). */
	void (*path_change)(void *user, const struct inlay_path *path);
	/* A few packets go by this path besides (add), or will not any more: it is validated, or
	 * was left a moment ago. */
	void (*path_probe)(void *user, const struct inlay_path *path, bool add);
	/* Index of the port that packets by |path| leave by: for a forwarder's copies. */
	__u16 (*port_of)(void *user, const struct inlay_path *path);
	/* |len| random bytes, cryptographically good. */
	void (*random)(void *user, __u8 *dst, size_t len);
};

struct inlay_conn_config {
	const struct inlay_handover *handover; /* copied */
	const struct inlay_conn_ops *ops;
	void *user;
	struct inlay_subscriber *entry; /* zeroed by the caller; shared with a forwarder */
	struct inlay_sent *log; /* zeroed; |log_size| entries, a power of two, 64 at least */
	__u32 log_size;
	/* Whose |entry| and |log| are; asked when what a forwarder may still hold has to stay as it
	 * is. NULL: no forwarder reads them. */
	const struct inlay_state *state;
	enum inlay_cc_algorithm cc;
	/* Bytes of out-of-order stream data kept, over all streams; 0: 1 MiB. Less than our
	 * initial_max_data works, but slowly: what has no room is not acknowledged. */
	__u64 max_recv_buffer;
	struct inlay_budget *recv_memory; /* of all connections together; NULL: no bound but that */
	__u64 max_send_buffer;	  /* bytes kept of streams without a source, over all; 0: 4 MiB */
	__u64 max_datagram_queue; /* bytes of datagrams waiting to be sent */
	__u64 max_streams_open;	  /* streams of ours at once, either direction together */
	/* Largest UDP payload that path MTU discovery (RFC 8899) tries; 0: none is discovered. */
	__u32 max_path_mtu;
	bool no_ecn; /* neither mark nor report: for paths known to mistreat marked packets */
	/* Receive windows, and how many streams the peer may have, grow up to this many times the
	 * initial limits while round trips use them up; 0, 1: they stay as announced. Those of
	 * bytes grow no further than max_recv_buffer. */
	__u32 max_window_growth;
	const struct inlay_policy *policy; /* NULL: all classes alike; see policy.h */
	void *policy_user;
	/* Send a PING once nothing has been exchanged for this long; 0: never. Well below the idle
	 * timeout, for connections that wait in silence. */
	inlay_ns keep_alive;
};

/* NULL: no memory. */
struct inlay_conn *inlay_conn_new(const struct inlay_conn_config *config, inlay_ns now);
/* Releases every source; sends nothing. Takes NULL. */
void inlay_conn_free(struct inlay_conn *c);

/* Takes one clear packet (design section 4). Whatever is wrong with it ends, at worst, in a close
 * of this connection. |packet| is not kept. */
void inlay_conn_recv(struct inlay_conn *c, const struct inlay_path *path, const __u8 *packet,
		     size_t len, inlay_ns now);
/*
 * Writes at most one clear packet, header to descriptor, into |dst| (room for the path's datagram
 * size at least), and the path to send it on. Returns its length; 0: nothing to send now.
 */
size_t inlay_conn_send(struct inlay_conn *c, __u8 *dst, size_t room, struct inlay_path *ret_path,
		       inlay_ns now);
/* When inlay_conn_on_timer() or inlay_conn_send() is due; INLAY_NEVER: no timer. */
inlay_ns inlay_conn_deadline(const struct inlay_conn *c);
void inlay_conn_on_timer(struct inlay_conn *c, inlay_ns now);
/* True once closing or draining has ended: free it. */
bool inlay_conn_is_dead(const struct inlay_conn *c);
bool inlay_conn_is_closing(const struct inlay_conn *c);

/* Sends CONNECTION_CLOSE (0x1d if |application|). Later calls change nothing. */
void inlay_conn_close(struct inlay_conn *c, bool application, __u64 code, const char *text,
		      inlay_ns now);
/* A datagram ended in one of the peer's reset tokens: drain at once (RFC 9000 section 10.3.1). */
void inlay_conn_on_stateless_reset(struct inlay_conn *c, inlay_ns now);

/*
 * Opens a stream of ours. |source| NULL: bytes come by inlay_conn_stream_write() and are kept
 * inside until acknowledged. |priority|: lower is sent first; equal ones in turn.
 * 0; -EAGAIN: the peer's MAX_STREAMS; -EMFILE: max_streams_open; -ENOMEM; -ENOTCONN: closing.
 */
int inlay_conn_stream_open(struct inlay_conn *c, bool bidi, __u64 priority,
			   const struct inlay_stream_source *source, void *ctx, __u64 *ret_id);
/* Source streams: bytes up to |end| may now be read; |fin|: the stream ends there.
 * 0; -ENOENT; -EINVAL: below the earlier end, or after FIN. */
int inlay_conn_stream_extend(struct inlay_conn *c, __u64 id, __u64 end, bool fin);
/* Streams without a source, and the sending side of the peer's bidirectional ones. 0; -ENOENT;
 * -EPIPE: finished or reset; -ENOMEM: none, or so much waits to be acknowledged that more would not
 * leave any sooner (two congestion windows, and 256 KiB at least), or max_send_buffer does. */
int inlay_conn_stream_write(struct inlay_conn *c, __u64 id, const __u8 *data, size_t len, bool fin);
int inlay_conn_stream_set_priority(struct inlay_conn *c, __u64 id, __u64 priority);
/* Class of its new bytes (policy.h); 0 until it is set. 0; -ENOENT; -EINVAL: no such class. */
int inlay_conn_stream_set_class(struct inlay_conn *c, __u64 id, __u8 class);
/* A reset of our sending side, which spares the source's head; STOP_SENDING for the receiving one.
 * 0; -ENOENT. */
int inlay_conn_stream_reset(struct inlay_conn *c, __u64 id, __u64 code);
/*
 * By RESET_STREAM_AT: the first |reliable| bytes are delivered all the same, sent now if
 * they were not yet. Where the peer does not understand it, it is a RESET_STREAM, and no byte is
 * sure to arrive: inlay_conn_can_reset_at(). Again for the same stream: |reliable| may fall, the
 * first |code| stays. 0; -ENOENT; -EINVAL: more bytes than the stream has.
 */
int inlay_conn_stream_reset_at(struct inlay_conn *c, __u64 id, __u64 code, __u64 reliable);
bool inlay_conn_can_reset_at(const struct inlay_conn *c);
int inlay_conn_stream_stop(struct inlay_conn *c, __u64 id, __u64 code);
/* |bytes| delivered by on_stream_data() are done with: grants flow control credit. */
void inlay_conn_stream_consume(struct inlay_conn *c, __u64 id, size_t bytes);

/*
 * The forwarder has opened unidirectional stream |number| of ours, perhaps sent on it, and goes on
 * sending: from now on it is a stream like others, but lent. What the forwarder sent before counts.
 * Each stream number that a forwarder takes is adopted, once, if only to be reset.
 * 0; -EINVAL: no such number was taken; -EEXIST; -ENOMEM; -ENOTCONN: closing.
 */
int inlay_conn_stream_adopt(struct inlay_conn *c, __u64 number, __u64 priority,
			    const struct inlay_stream_source *source, void *ctx,
			    const struct inlay_loan_ops *loan, void *loan_ctx, __u64 *ret_id);
/*
 * A forwarder may send on the connection at any time from now on, datagrams too, without a stream
 * being lent: the log is looked through once a probe timeout at least (design section 5, rule 10).
 */
void inlay_conn_watch(struct inlay_conn *c);
/*
 * Lends a stream of ours with a source, which is not lent: from the offset it returns on (no byte
 * at or above it was ever sent or charged) new bytes are the forwarder's. 0; -ENOENT; -EAGAIN:
 * bytes that were extended to are not all sent yet; -EINVAL: FIN or reset; -ENOTCONN.
 */
int inlay_conn_stream_lend(struct inlay_conn *c, __u64 id, const struct inlay_loan_ops *loan,
			   void *loan_ctx, __u64 *ret_offset);
/* Asks for a lent stream back; as long as it takes, what is to be done with it (a reset, new bytes)
 * waits. 0; -ENOENT. */
int inlay_conn_stream_recall(struct inlay_conn *c, __u64 id);
/* Our sending side of |id|: how far it was sent, by whom ever, and acknowledged without a gap; is
 * it lent. Of a lent one as far as the log was read, which is not at once. False: no such stream
 * any more. */
struct inlay_stream_progress {
	__u64 sent, acked;
	__u64 number; /* stream number: ID >> 2 */
	bool lent;
};
bool inlay_conn_stream_progress(const struct inlay_conn *c, __u64 id,
				struct inlay_stream_progress *ret);
/*
 * What a journal knows the frame by that is being delivered. A media frame is a DATAGRAM, or a
 * STREAM of a unidirectional stream of the peer's.
 */
struct inlay_conn_packet {
	__u64 number;  /* of the packet that it is in; ~0: none is being delivered */
	__u64 largest; /* number received; 0: none */
	__u32 media;   /* media frames before it in the packet */
};
void inlay_conn_packet(const struct inlay_conn *c, struct inlay_conn_packet *ret);

/* Queues a datagram (RFC 9221); copied. 0; -EMSGSIZE: larger than the peer or the path takes;
 * -ENOBUFS: the queue is full; -ENOTSUP; -ENOTCONN; -EINVAL: no such class. */
int inlay_conn_datagram(struct inlay_conn *c, const struct inlay_datagram_order *order,
			const __u8 *data, size_t len);
/* How many of |flow| wait to be sent; throws those away. */
size_t inlay_conn_datagrams_queued(const struct inlay_conn *c, __u64 flow);
void inlay_conn_datagrams_drop(struct inlay_conn *c, __u64 flow);
/* Largest datagram that fits now; 0: none. */
size_t inlay_conn_max_datagram(const struct inlay_conn *c);

/* Starts a key update, as soon as RFC 9001 section 6.1 allows one. 0; -EAGAIN: not yet. */
int inlay_conn_update_keys(struct inlay_conn *c, inlay_ns now);

/*
 * Client: tries another path to the same server, from another local address, and goes over to it
 * once it is validated; see on_migrated(). A try under way is given up for a new one. 0; -EAGAIN:
 * no CID of the peer's is left for it; -EPERM: the peer takes no migration, the handshake is not
 * confirmed, or we are the server; -EINVAL: another remote address, or the path in use; -ENOTCONN.
 */
int inlay_conn_migrate(struct inlay_conn *c, const struct inlay_path *path, inlay_ns now);
/* Sends with another CID of the peer's from now on, and has the one in use retired. 0; -EAGAIN: the
 * peer has given no other; -ENOTCONN. */
int inlay_conn_rotate_cid(struct inlay_conn *c);
/* Replaces all CIDs of ours. 0; -EAGAIN: the peer has not retired what the last call replaced;
 * -ENOSPC: the endpoint has none; -ENOTCONN. */
int inlay_conn_renew_cids(struct inlay_conn *c);
/* May packets of the peer come by this path? Others are not looked at. */
bool inlay_conn_is_known_path(const struct inlay_conn *c, const struct inlay_path *path);

struct inlay_conn_stats {
	__u64 path_mtu, mtu_probes_sent, mtu_probes_lost, black_holes;
	bool ecn_capable;		/* what we send is marked ECT(0) */
	__u64 ce_received, ce_reported; /* congestion marks: met by the peer's packets, by ours */
	__u64 packets_sent, packets_received, packets_lost, packets_spurious;
	__u64 packets_forwarded; /* of those sent: by a forwarder, as far as the log was read */
	__u64 packets_dropped;	 /* of those: by our own host */
	__u64 bytes_sent, bytes_received, bytes_lost, bytes_in_flight, cwnd;
	inlay_ns smoothed_rtt, min_rtt, rttvar, latest_rtt;
	__u64 streams_open, streams_opened, streams_accepted;
	__u64 datagrams_sent, datagrams_received, datagrams_lost, datagrams_dropped;
	__u64 ptos, key_updates, duplicates;
	__u64 acks_sent, acks_received; /* frames */
	__u64 recv_window;		/* of the connection, as it is now */
	const char *ecn;		/* state of the path, in qlog's words */
	/* The peer moved; and it had not, or was not heard there. Ours. */
	__u64 peer_moves, moves_undone, migrations, migrations_failed;
	__u64 paths_validated;
	__u64 unknown_path; /* packets of a client's that did not come from its server */
	/* Bytes/s that the path carries to the peer, 0: not known; and whether nothing has filled
	 * it lately, so that it may carry more. */
	__u64 bandwidth;
	bool app_limited;
	__u64 pacing_rate;	 /* bytes/s */
	inlay_ns queueing_delay; /* in the path's queues, as of the last half of a round trip */
	const char *cc;		 /* name of the congestion controller */
};
void inlay_conn_stats(const struct inlay_conn *c, struct inlay_conn_stats *ret);

/* What a policy is told of the connection. */
void inlay_conn_view(const struct inlay_conn *c, struct inlay_policy_view *ret);

/* An observer (trace.h), in place of the one there was; NULL: none. Its release() is called when
 * it goes, at the latest when the connection is freed. */
void inlay_conn_set_trace(struct inlay_conn *c, const struct inlay_trace *trace, void *ctx,
			  inlay_ns now);
bool inlay_conn_has_trace(const struct inlay_conn *c);

/* Our CIDs in force, for routing: up to |n| written; returns how many there are. */
size_t inlay_conn_own_cids(const struct inlay_conn *c, struct inlay_cid *cids, size_t n);

#endif
