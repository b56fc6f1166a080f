/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One end of a QUIC connection on unmodified libngtcp2's whole stack, sans-I/O: datagrams and the
 * time go in, datagrams and the next deadline come out. Publisher and subscriber run on it, and so
 * do the tests of our own endpoint, in both roles: every run proves ours against a foreign stack.
 *
 * There is no QUIC code of ours here: packets, protection, recovery and flow control are ngtcp2's,
 * TLS is GnuTLS'. What is ours: buffers for what is not yet acknowledged, and their order.
 *
 * A server peer serves the first client whose Initial it takes, and no other.
 */
#ifndef INLAY_PEER_PEER_H
#define INLAY_PEER_PEER_H

#include "conn.h"
#include "transport.h"

struct inlay_peer;

/* Streams more urgent than this go before datagrams, all others after: what a datagram belongs to
 * is said on a control stream. */
#define INLAY_PEER_DATAGRAM_PRIORITY 2

/*
 * What happens on a connection. Called from within inlay_peer_recv(), _send() and _on_timer(); a
 * callback may call any function of this header except those three and inlay_peer_free(). Any may
 * be NULL.
 */
struct inlay_peer_ops {
	/* The handshake is complete: streams can be opened. */
	void (*on_connected)(void *user);
	/* In order, each byte once; an empty call with |fin| is possible. Data counts against flow
	 * control until inlay_peer_stream_consume(). */
	void (*on_stream_data)(void *user, __u64 id, const __u8 *data, size_t len, bool fin);
	void (*on_stream_reset)(void *user, __u64 id, __u64 code);
	/* The other end wanted no more, and has its RESET_STREAM. Comes just before
	 * on_stream_closed(): ngtcp2 does not tell earlier. Until then writes may give -EPIPE. */
	void (*on_stop_sending)(void *user, __u64 id, __u64 code);
	void (*on_stream_closed)(void *user, __u64 id);
	void (*on_datagram)(void *user, const __u8 *data, size_t len);
	/* The other end raised MAX_STREAMS. */
	void (*on_streams_available)(void *user, bool bidi);
	/* Once, when the connection has begun to close or to drain, or died. */
	void (*on_closed)(void *user, const struct inlay_close_reason *why);
};

struct inlay_peer_config {
	enum inlay_role role;
	const struct inlay_peer_ops *ops;
	void *user;
	struct inlay_path path; /* client: both ends. server: the local address */
	const char *alpn;	/* the one protocol offered, or taken; NULL: "moqt-18" */

	/* TLS. Files are PEM. */
	const char *server_name; /* client: name to indicate and to verify; an IP address is
				    verified only */
	const char *ca_file;	 /* client: trust these; NULL: the system's */
	bool insecure;		 /* client: take any certificate */
	const char *cert_file;	 /* server */
	const char *key_file;	 /* server */
	const char *
		ciphers; /* GnuTLS terms, as "+CHACHA20-POLY1305"; NULL: all three, AES-128 first */

	/* A zero field takes its default (peer.c). Reset token and max_udp_payload_size as well. */
	struct inlay_transport_params params;
	__u32 version; /* client: 0: QUIC v1. A reserved one provokes version negotiation */
	bool retry;    /* server: validate the address first (RFC 9000 section 8.1.2) */
	bool no_cid;   /* our connection IDs are empty */
	__u8 cid_len;  /* else their length, 1 to 20; 0: 8. A server's: 8 at least */
	enum inlay_cc_algorithm cc;
	size_t max_tx_payload; /* largest datagram to send; 0: 1452. Path MTU discovery up to there
				*/
	bool no_pmtud;
	inlay_ns keep_alive;	    /* PING after so much silence; 0: none */
	inlay_ns handshake_timeout; /* 0: 10 s */
	size_t max_stream_buffer; /* bytes written and not yet acknowledged, per stream; 0: 8 MiB */
	size_t max_datagram_queue; /* bytes of datagrams waiting; 0: 256 KiB */
};

/* 0; -ENOMEM; -EINVAL: configuration; -ENOENT: a file cannot be read or holds no PEM;
 * -EKEYREJECTED: certificate and key do not belong together. Configuration and its strings are
 * copied. */
int inlay_peer_new(const struct inlay_peer_config *config, inlay_ns now,
		   struct inlay_peer **ret_peer);
/* Sends nothing; releases every stream source. Takes NULL. */
void inlay_peer_free(struct inlay_peer *p);

/* Takes one datagram as it came from the wire. Errors end the connection, not the call. */
void inlay_peer_recv(struct inlay_peer *p, const struct inlay_path *path, const __u8 *datagram,
		     size_t len, inlay_ns now);
/* Writes at most one datagram for the wire. Returns its length; 0: nothing to send now. |room|:
 * max_tx_payload at least. */
size_t inlay_peer_send(struct inlay_peer *p, __u8 *dst, size_t room, inlay_ns now);
/* ECN (enum inlay_ecn): how the datagrams are marked that inlay_peer_recv() takes from now on; how
 * the one is to be marked that inlay_peer_send() wrote last. */
void inlay_peer_set_mark(struct inlay_peer *p, __u8 ecn);
__u8 inlay_peer_mark(const struct inlay_peer *p);
/* The same, and where it goes: family 0 in both addresses: as the packet before came. */
size_t inlay_peer_send_by(struct inlay_peer *p, __u8 *dst, size_t room, struct inlay_path *ret_path,
			  inlay_ns now);
/* When inlay_peer_on_timer() is due, sending to follow; INLAY_NEVER: no timer. */
inlay_ns inlay_peer_deadline(const struct inlay_peer *p);
void inlay_peer_on_timer(struct inlay_peer *p, inlay_ns now);

/* The time of the input being worked on, or of the last one. */
inlay_ns inlay_peer_now(const struct inlay_peer *p);
bool inlay_peer_is_connected(const struct inlay_peer *p);
bool inlay_peer_is_server(const struct inlay_peer *p);
/* Closing or draining has ended, or the connection was dropped: free it. */
bool inlay_peer_is_dead(const struct inlay_peer *p);
/* NULL until on_closed(). */
const struct inlay_close_reason *inlay_peer_close_reason(const struct inlay_peer *p);
/* The other end's certificate was refused: text says why. NULL: it was not. */
const char *inlay_peer_certificate_error(const struct inlay_peer *p);

/* CONNECTION_CLOSE goes with the next inlay_peer_send(). Later calls change nothing. */
void inlay_peer_close(struct inlay_peer *p, bool application, __u64 code, const char *text);

/* As in ctrl/quic/conn.h; a source is read through when the stream is extended. */
int inlay_peer_stream_open(struct inlay_peer *p, bool bidi, __u64 priority,
			   const struct inlay_stream_source *source, void *ctx, __u64 *ret_id);
/* 0; -ENOENT; -EPIPE: finished or reset; -ENOBUFS: max_stream_buffer; -ENOMEM. */
int inlay_peer_stream_write(struct inlay_peer *p, __u64 id, const __u8 *data, size_t len, bool fin);
int inlay_peer_stream_extend(struct inlay_peer *p, __u64 id, __u64 end, bool fin);
int inlay_peer_stream_set_priority(struct inlay_peer *p, __u64 id, __u64 priority);
int inlay_peer_stream_reset(struct inlay_peer *p, __u64 id, __u64 code);
int inlay_peer_stream_stop(struct inlay_peer *p, __u64 id, __u64 code);
void inlay_peer_stream_consume(struct inlay_peer *p, __u64 id, size_t bytes);
int inlay_peer_datagram(struct inlay_peer *p, const __u8 *data, size_t len);
size_t inlay_peer_max_datagram(const struct inlay_peer *p);

/*
 * A slow reader, for tests and measurements: while held, what stream_consume() gives back is kept,
 * so that flow control stops the sender. inlay_peer_release() grants up to |bytes| of it.
 */
void inlay_peer_hold(struct inlay_peer *p, bool hold);
void inlay_peer_release(struct inlay_peer *p, __u64 bytes);

/* 0; -EAGAIN: not before the earlier update is confirmed (RFC 9001 section 6.1); -ENOTCONN. */
int inlay_peer_update_keys(struct inlay_peer *p, inlay_ns now);

/*
 * Client: goes over to another local address (RFC 9000 section 9), |at_once|, or once that path is
 * validated. 0; -EAGAIN: not now: no connection ID is left, the handshake is not confirmed, or
 * another migration is under way; -EPERM: the server takes none; -ENOTCONN.
 */
int inlay_peer_migrate(struct inlay_peer *p, const struct inlay_path *path, bool at_once,
		       inlay_ns now);

struct inlay_peer_stats {
	__u64 packets_sent, packets_received; /* datagrams */
	__u64 bytes_sent, bytes_received;
	__u64 bytes_unsent;  /* stream bytes written and never sent */
	__u64 bytes_unacked; /* stream bytes in our buffers, the unsent among them */
	__u64 streams_open;
	__u64 datagrams_queued, datagrams_dropped;
	__u64 datagram_bytes; /* waiting to be sent */
	__u64 path_mtu;	      /* largest datagram that is sent now */
	__u64 bytes_in_flight, cwnd;
	inlay_ns smoothed_rtt, min_rtt, latest_rtt, rttvar;
};
void inlay_peer_stats(const struct inlay_peer *p, struct inlay_peer_stats *ret);
/* What was negotiated, in GnuTLS' words; "" before. */
const char *inlay_peer_cipher(const struct inlay_peer *p);
/* The client had to answer a Retry. */
bool inlay_peer_after_retry(const struct inlay_peer *p);

/* This connection as a MoQ session sees it. */
struct inlay_moq_transport inlay_peer_transport(struct inlay_peer *p);

#endif
