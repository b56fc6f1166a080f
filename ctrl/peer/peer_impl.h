/* SPDX-License-Identifier: BSD-2-Clause */
/* What the sources of this folder share: the peer, its streams, its TLS session. */
#ifndef INLAY_PEER_IMPL_H
#define INLAY_PEER_IMPL_H

#include <gnutls/gnutls.h>
#include <ngtcp2/ngtcp2.h>
#include <ngtcp2/ngtcp2_crypto.h>

#include "list.h"
#include "peer.h"

#define INLAY_PEER_TLS_TEXT 128

/* TLS: one session and its credentials. */
struct inlay_peer_tls {
	gnutls_certificate_credentials_t credentials;
	gnutls_session_t session; /* a server's is made with its connection */
	ngtcp2_crypto_conn_ref ref;
	char alpn[32];
	char priority[256];
	char server_name[256];
	bool insecure;
	char refused[INLAY_PEER_TLS_TEXT]; /* why the certificate was not taken; "" */
};

/* Bytes written and not yet acknowledged. ngtcp2 keeps pointers into |data|: it never moves. */
struct inlay_peer_chunk {
	struct inlay_peer_chunk *next;
	size_t len;
	size_t room;
	__u8 data[];
};

struct inlay_peer_stream {
	struct inlay_list in_all;
	struct inlay_list in_ready; /* linked while there is something to send and credit for it */
	__u64 id;
	__u64 priority;
	struct inlay_peer_chunk *first, *last;
	__u64 acked; /* every byte below is acknowledged */
	__u64 base;  /* offset of first->data[0] */
	__u64 sent;  /* handed to ngtcp2 below */
	__u64 end;   /* written below */
	__u64 held;  /* consumed while the peer was held */
	__u64 unconsumed;
	bool fin, fin_sent, blocked;
	bool shut;  /* nothing more is sent */
	bool reset; /* by us */
	const struct inlay_stream_source *source;
	void *ctx;
};

struct inlay_peer_datagram {
	struct inlay_list node;
	size_t len;
	__u8 data[];
};

struct inlay_peer {
	struct inlay_peer_config config; /* strings inside are not to be used after new() */
	struct inlay_peer_tls tls;
	ngtcp2_conn *conn; /* a server's: NULL until an Initial was taken */
	struct inlay_list streams;
	struct inlay_list ready; /* by priority, then in the order they became ready */
	struct inlay_list datagrams;
	size_t datagram_bytes;
	size_t unsent, unacked, n_streams;
	__u64 held_closed; /* held credit of streams that have closed since */
	__u8 secret[32];   /* of Retry and stateless reset tokens */

	ngtcp2_ccerr error; /* sent by the next send() once |close_due| */
	char error_text[128];
	bool close_due, connected, closed, dead, hold;
	inlay_ns now, dead_at;
	struct inlay_close_reason why;
	__u8 farewell[1280]; /* CONNECTION_CLOSE, Retry or Version Negotiation, to send as it is */
	size_t farewell_len;
	bool farewell_due;
	__u8 mark_in;
	ngtcp2_pkt_info tx_info; /* of the newest datagram */
	ngtcp2_path_storage out; /* of the packet being written */
	size_t burst;		 /* bytes since the pacer was told */
	struct inlay_peer_stats stats;
};

/* A path in ngtcp2's terms. */
struct inlay_wire_path {
	struct sockaddr_storage local, remote;
	ngtcp2_path path;
};

/* peer_start.c */
void inlay_wire_path_of(struct inlay_wire_path *w, const struct inlay_path *path);
void inlay_peer_set_defaults(struct inlay_peer_config *c);
/* 0 or negative errno. */
int inlay_peer_start_client(struct inlay_peer *p, inlay_ns now);
/* 0, also where the datagram began nothing; negative errno: there will be no connection. */
int inlay_peer_start_server(struct inlay_peer *p, const struct inlay_wire_path *path,
			    const __u8 *datagram, size_t len, inlay_ns now);

/* peer_tls.c: 0 or negative errno, as inlay_peer_new(). */
int inlay_peer_tls_init(struct inlay_peer_tls *tls, const struct inlay_peer_config *config);
int inlay_peer_tls_start(struct inlay_peer *p); /* a session, bound to p->conn */
void inlay_peer_tls_note_failure(struct inlay_peer_tls *tls);
void inlay_peer_tls_fini(struct inlay_peer_tls *tls);

/* peer_stream.c */
void inlay_peer_set_stream_callbacks(ngtcp2_callbacks *callbacks);
void inlay_peer_streams_fini(struct inlay_peer *p);
struct inlay_peer_stream *inlay_peer_stream_find(struct inlay_peer *p, __u64 id);
/* Up to |n| pieces of what is written and not sent; how many there are. */
size_t inlay_peer_stream_gather(const struct inlay_peer_stream *s, ngtcp2_vec *vec, size_t n,
				bool *ret_all);
void inlay_peer_stream_sent(struct inlay_peer *p, struct inlay_peer_stream *s, size_t bytes,
			    bool fin);
void inlay_peer_stream_mark_shut(struct inlay_peer *p, struct inlay_peer_stream *s);
void inlay_peer_datagram_pop(struct inlay_peer *p);

#endif
