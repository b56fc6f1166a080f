/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All connections of one process, sans-I/O: frames from the data thread and the time go in, frames
 * for it and the next deadline come out. The endpoint tells connections apart, runs their
 * handshakes (ctrl/handshake/), plumbs their keys into the provider, and runs their established
 * phases (ctrl/quic/); it answers what belongs to no connection: Retry, version negotiation,
 * stateless resets.
 *
 * After a batch of inlay_endpoint_recv() and inlay_endpoint_on_timer() call inlay_endpoint_send()
 * until it returns 0. Only connections that something happened to are visited; so who uses a
 * connection fetches it anew each time by inlay_ep_conn_get(), which marks it.
 *
 * A connection costs, with the default of 2048 entries in its sent log, about 270 KB: 32 bytes an
 * entry here and 96 in ctrl/quic/, and some 6 KB besides; what streams buffer is bounded by the
 * configuration. While its handshake runs it costs the state of ngtcp2 and GnuTLS (measured: 75 KB)
 * and at most max_early packets of up to 2 KB, and no log.
 */
#ifndef INLAY_ENDPOINT_H
#define INLAY_ENDPOINT_H

#include "conn.h"
#include "handshake.h"
#include "inlay_reasons.h"

struct inlay_endpoint;
struct inlay_ep_conn;

struct inlay_endpoint_ops {
	/*
	 * A connection, accepted or dialled, is established; streams may be opened at once. Returns
	 * the application's half of inlay_conn_ops (on_stream_data to on_closed; the rest is
	 * ignored) and in |*ret_user| the pointer they get. NULL: the connection is closed
	 * (CONNECTION_REFUSED). on_closed() comes exactly once; after it |c| must not be used.
	 */
	const struct inlay_conn_ops *(*on_connection)(void *user, struct inlay_ep_conn *c,
						      const struct inlay_handover *handover,
						      void **ret_user);
	/* A handshake failed. |c| is about to go; inlay_ep_conn_dial_user() tells which one. */
	void (*on_failed)(void *user, struct inlay_ep_conn *c,
			  const struct inlay_handshake_failure *why);
};

struct inlay_endpoint_config {
	struct inlay_provider *provider;
	struct inlay_keystore *keystore;
	struct inlay_tls *tls; /* server role; NULL: dials, accepts nothing */
	const struct inlay_endpoint_ops *ops;
	void *user;
	struct inlay_transport_params params; /* ours; without a stateless reset token */

	inlay_ns handshake_timeout;
	__u32 max_handshakes;  /* in flight, accepted ones */
	__u32 max_connections; /* accepted and dialled, handshakes included */
	bool retry;	       /* validate every address by Retry */
	__u32 retry_above; /* and anyway, when more handshakes are in flight, or begin in a second
			    */
	inlay_ns token_lifetime;  /* of a Retry token */
	__u32 max_early;	  /* 1-RTT packets kept per handshake */
	__u32 replies_per_second; /* stateless resets and refusals */
	bool has_reset_key;	  /* false: a random one: a restart forgets it */
	__u8 reset_key[32];	  /* RFC 9000 section 10.3.2 */

	/* Where connections have what they share with a forwarder; outlives the endpoint. A
	 * connection for which it has no entry left gets memory of its own, and is not forwarded.
	 * NULL: so do all of them. */
	struct inlay_state *state;
	__u32 log_size; /* entries of a sent log: a power of two; with |state|: at most its log_size
			 */
	enum inlay_cc_algorithm cc;
	__u64 max_recv_buffer; /* see struct inlay_conn_config */
	__u32 max_window_growth;
	__u64 max_recv_memory; /* of all connections together, for data out of order */
	__u64 max_datagram_queue;
	__u64 max_streams_open;
	__u32 max_path_mtu; /* what peers may be sent: params bounds what they send */
	bool no_ecn;
	inlay_ns keep_alive; /* PING after so much silence; 0: never */

	const struct inlay_policy *policy; /* of every connection; NULL: none */
	void *policy_user;

	/* |len| random bytes, cryptographically good. NULL: those of GnuTLS. */
	void (*random)(void *user, __u8 *dst, size_t len);
};

/* Fills in every default; provider, keystore, tls, ops and user remain to be set. */
void inlay_endpoint_config_init(struct inlay_endpoint_config *config);

/* 0; -EINVAL; -ENOMEM. |config| is copied. */
int inlay_endpoint_new(const struct inlay_endpoint_config *config, inlay_ns now,
		       struct inlay_endpoint **ret_ep);
/* Ends every connection without a word (see inlay_endpoint_close()), calls their on_closed(),
 * deletes their SAs and secrets. Takes NULL. */
void inlay_endpoint_free(struct inlay_endpoint *ep);

/* Takes one frame: INLAY_FRAME_CLEAR, _SEALED, _UNKNOWN or _FORGED. */
void inlay_endpoint_recv(struct inlay_endpoint *ep, const struct inlay_frame *frame, inlay_ns now);
/* Fills up to |n| frames; returns how many. 0: nothing to send now. */
size_t inlay_endpoint_send(struct inlay_endpoint *ep, struct inlay_frame *frames, size_t n,
			   inlay_ns now);
/* When inlay_endpoint_on_timer() is due; INLAY_NEVER: no timer. */
inlay_ns inlay_endpoint_deadline(const struct inlay_endpoint *ep);
void inlay_endpoint_on_timer(struct inlay_endpoint *ep, inlay_ns now);
/* Takes the provider's events: key updates at the soft limit, closes at the hard one. */
void inlay_endpoint_on_provider(struct inlay_endpoint *ep, inlay_ns now);

struct inlay_endpoint_dial {
	struct inlay_tls *tls; /* client role */
	const char *host;      /* the name to verify */
	struct inlay_path path;
	__u16 port; /* inlay_frame.port to send by */
	void *user; /* see inlay_ep_conn_dial_user() */
	/* Told to the peer in place of what all are told, if not 0: who relays to us makes packets
	 * larger than those it was sent (design section 5, rule 9). */
	__u32 max_udp_payload;
};
/* Ends in on_connection() or on_failed(). 0; -ENOSPC: max_connections; -ENOMEM; -EINVAL; -EIO;
 * -ESHUTDOWN: closing. */
int inlay_endpoint_connect(struct inlay_endpoint *ep, const struct inlay_endpoint_dial *dial,
			   inlay_ns now, struct inlay_ep_conn **ret_conn);
/* A connection whose handshake somebody else has run. */
struct inlay_endpoint_adoption {
	const struct inlay_handover *handover; /* own_cid: one that nobody here has */
	enum inlay_cipher cipher;
	__u16 port; /* inlay_frame.port to send by */
	void *user; /* see inlay_ep_conn_dial_user(); NULL: as if accepted */
};
/* on_connection() comes from within. The handover's secret is the endpoint's, whatever this
 * returns. 0; -ENOSPC: max_connections; -EEXIST: the CID; -EINVAL; -ENOMEM; what plumbing says. */
int inlay_endpoint_adopt(struct inlay_endpoint *ep, const struct inlay_endpoint_adoption *adoption,
			 inlay_ns now, struct inlay_ep_conn **ret_conn);
/* Shutdown: closes every connection (application error |code|), accepts none. Go on with send and
 * timers until inlay_endpoint_is_idle(), or as long as you care to. */
void inlay_endpoint_close(struct inlay_endpoint *ep, __u64 code, const char *text, inlay_ns now);
bool inlay_endpoint_is_idle(const struct inlay_endpoint *ep);

/* The established phase, to be used until control returns to the caller's loop; the connection is
 * visited by the next inlay_endpoint_send(). NULL while the handshake runs. */
struct inlay_conn *inlay_ep_conn_get(struct inlay_ep_conn *c);
/* Ends it: application error |code|, or, while the handshake runs, on_failed() with |text|. */
void inlay_ep_conn_close(struct inlay_ep_conn *c, __u64 code, const char *text, inlay_ns now);
/* A dialled connection goes on from another local address, reached by |port|, if that works: as
 * inlay_conn_migrate(), and on_migrated() tells. -EPERM also while the handshake runs. */
int inlay_ep_conn_migrate(struct inlay_ep_conn *c, const struct inlay_path *path, __u16 port,
			  inlay_ns now);
/* To read only: does not mark. */
const struct inlay_conn *inlay_ep_conn_peek(const struct inlay_ep_conn *c);
/* Of a dialled connection; NULL for an accepted one. */
void *inlay_ep_conn_dial_user(const struct inlay_ep_conn *c);
const struct inlay_path *inlay_ep_conn_path(const struct inlay_ep_conn *c);

/* What a forwarder knows an established connection by. */
struct inlay_ep_shared {
	__u32 subscriber; /* index of its subscriber entry */
	__u16 generation; /* of that entry */
	struct inlay_sa_ref rx_sa;
};
/* From now on a forwarder may send on it: it is looked after accordingly (inlay_conn_watch()). 0;
 * -ENOTSUP: it has no entry in the state, or is not established. */
int inlay_ep_conn_shared(struct inlay_ep_conn *c, struct inlay_ep_shared *ret);

struct inlay_ep_conn_info {
	__u64 number; /* of this endpoint's connections: never used again, ascending */
	enum inlay_role role;
	bool established; /* false: the rest but |number| and |path| is zero */
	inlay_ns since;	  /* when it was */
	struct inlay_path path;
	enum inlay_cipher cipher;
	struct inlay_sa_ref rx_sa, tx_sa;
	char alpn[32];
};
void inlay_ep_conn_info(const struct inlay_ep_conn *c, struct inlay_ep_conn_info *ret);
/* What on_connection() gave for it; NULL: none yet, or on_closed() was called. */
void *inlay_ep_conn_user(const struct inlay_ep_conn *c);
/* Visits every connection, by ascending number; |visit| must not end any. */
void inlay_endpoint_for_each(struct inlay_endpoint *ep,
			     void (*visit)(void *user, struct inlay_ep_conn *c), void *user);

struct inlay_endpoint_stats {
	__u32 handshakes, connections; /* now: accepted ones in flight; established */
	__u64 accepted, dialled, established, failed;
	__u64 retries_sent, version_negotiations_sent, resets_sent, resets_received, refusals_sent;
};
void inlay_endpoint_stats(const struct inlay_endpoint *ep, struct inlay_endpoint_stats *ret);
const struct inlay_reason_counters *inlay_endpoint_reasons(const struct inlay_endpoint *ep);

#endif
