/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the sources of ctrl/endpoint/ share. Who may free a connection: inlay_endpoint_send() once
 * it has nothing more to send, and inlay_endpoint_free(); no callback, no other path. So within any
 * call a connection that was found stays.
 */
#ifndef INLAY_ENDPOINT_IMPL_H
#define INLAY_ENDPOINT_IMPL_H

#include "budget.h"
#include "demux.h"
#include "endpoint.h"
#include "inlay_quic.h"
#include "list.h"
#include "replies.h"
#include "reset.h"
#include "timers.h"

#define INLAY_EP_PEER_TOKENS 8
#define INLAY_EP_PEER_LEFT   8 /* CIDs of the peer's that packets under way may carry */
#define INLAY_EP_PORTS	     4 /* local addresses whose port is remembered, per connection */

/* A 1-RTT packet that arrived before the handshake ended. */
struct inlay_early {
	struct inlay_early *next;
	struct inlay_path path;
	__u8 ecn;
	size_t len;
	__u8 data[];
};

struct inlay_ep_conn {
	struct inlay_endpoint *ep;
	struct inlay_list in_all;
	__u64 number;
	inlay_ns since;		    /* it is established */
	struct inlay_list in_dirty; /* linked while inlay_endpoint_send() is to visit it */
	struct inlay_timer timer;
	enum inlay_role role;

	struct inlay_handshake *hs; /* NULL once done with; a client's lasts to confirmation */
	struct inlay_conn *conn;    /* NULL before the handshake ended */
	bool counted;		    /* in ep->handshakes */
	bool failed;		    /* on_failed() was called, or need not be: to be freed */
	bool confirmed;		    /* HANDSHAKE_DONE came: |hs| may go */
	bool closed_told;	    /* the application has had its on_closed() */
	bool update_due;	    /* a key's soft limit was reached: asked for until granted */

	struct inlay_path path;
	/* Which port a local address of ours is behind; the first is the handshake's. A packet that
	 * comes again by another port, as anybody can make it, does not change where we send. */
	struct {
		struct inlay_addr local;
		__u16 port;
	} ports[INLAY_EP_PORTS];
	unsigned int n_ports;
	struct inlay_cid own[INLAY_CONN_CIDS];
	unsigned int n_own;
	struct inlay_cid initial; /* DCID of an accepted client's first Initial; len 0: none */
	struct inlay_cid left[INLAY_EP_PEER_LEFT]; /* the peer's, not sent with any more */
	unsigned int n_left;
	struct inlay_addr rx_local; /* where the provider expects the peer's packets */
	__u8 tokens[INLAY_EP_PEER_TOKENS][INLAY_RESET_TOKEN];
	unsigned int n_tokens;

	inlay_secret secret;		  /* 0: none, or the handshake's still */
	struct inlay_sa_ref rx_sa, tx_sa; /* generation 0: none */
	struct inlay_subscriber *entry;
	struct inlay_sent *log;
	bool shared; /* they are of the state: its entry |subscriber| */
	__u32 subscriber;
	enum inlay_cipher cipher;
	char alpn[32];

	const struct inlay_conn_ops *app; /* NULL: refused, or not asked yet */
	void *app_user;
	void *dial_user;

	struct inlay_early *early; /* oldest first */
	struct inlay_early **early_end;
	__u32 n_early;
};

struct inlay_endpoint {
	struct inlay_endpoint_config config;
	struct inlay_demux demux;
	struct inlay_timers timers;
	struct inlay_list all;
	struct inlay_list dirty;
	struct inlay_replies replies;
	struct inlay_budget recv_memory; /* for what comes out of order, of all connections */
	struct inlay_bucket bucket;
	struct inlay_bucket starts; /* handshakes of addresses that were not validated */
	__u8 token_key[32];	    /* of Retry tokens */
	__u32 n_all;
	__u64 numbers; /* of connections so far */
	bool closing;
	struct inlay_endpoint_stats stats;
	struct inlay_reason_counters reasons;
	__u8 scratch[INLAY_FRAME_MAX]; /* a sealed 1-RTT packet, to be opened in place */
};

/* endpoint.c */
void inlay_endpoint_random(struct inlay_endpoint *ep, __u8 *dst, size_t len);
void inlay_endpoint_count(struct inlay_endpoint *ep, enum inlay_reason reason);

/* connection.c: the life of a connection. */
/* With one CID of ours, routed. 0; -ENOMEM; -ENOSPC: max_connections. */
int inlay_ep_conn_new(struct inlay_endpoint *ep, enum inlay_role role,
		      const struct inlay_path *path, __u16 port, struct inlay_ep_conn **ret);
/* Takes it out of everything, zeroes its secrets. Takes NULL. */
void inlay_ep_conn_free(struct inlay_ep_conn *c);
void inlay_ep_conn_mark(struct inlay_ep_conn *c);
/* A packet of its came to |local| by |port|. */
void inlay_ep_conn_note_port(struct inlay_ep_conn *c, const struct inlay_addr *local, __u16 port);
/* After anything happened to its handshake: carries completion or failure on. */
void inlay_ep_conn_on_handshake(struct inlay_ep_conn *c, inlay_ns now);
/* The port that packets from |local| leave by. */
__u16 inlay_ep_conn_port(const struct inlay_ep_conn *c, const struct inlay_addr *local);
/* Sets the timer to the connection's next deadline. */
void inlay_ep_conn_set_timer(struct inlay_ep_conn *c, inlay_ns now);
/* Fills |frame|. False: nothing to send now. */
bool inlay_ep_conn_send(struct inlay_ep_conn *c, struct inlay_frame *frame, inlay_ns now);
void inlay_ep_conn_on_timer(struct inlay_ep_conn *c, inlay_ns now);
/* A 1-RTT packet as on the wire: opened, or kept until it can be. */
void inlay_ep_conn_recv_sealed(struct inlay_ep_conn *c, const struct inlay_frame *frame,
			       const __u8 *packet, size_t len, inlay_ns now);
/* Makes, routes and remembers a CID of ours. 0; -ENOSPC; -ENOMEM. */
int inlay_ep_conn_add_cid(struct inlay_ep_conn *c, struct inlay_cid *ret_cid);
void inlay_ep_conn_del_cid(struct inlay_ep_conn *c, const struct inlay_cid *cid);
void inlay_ep_conn_add_token(struct inlay_ep_conn *c, const __u8 token[INLAY_RESET_TOKEN]);
void inlay_ep_conn_del_token(struct inlay_ep_conn *c, const __u8 token[INLAY_RESET_TOKEN]);
/* In constant time. */
bool inlay_ep_conn_has_token(const struct inlay_ep_conn *c, const __u8 token[INLAY_RESET_TOKEN]);

/* conn_ops.c: what an established phase asks for. Their |user| is the struct inlay_ep_conn. */
extern const struct inlay_conn_ops inlay_ep_conn_ops;

/* accept.c: packets with a long header of no connection. */
void inlay_endpoint_accept(struct inlay_endpoint *ep, const struct inlay_frame *frame,
			   const struct inlay_quic_long *h, struct inlay_cursor rest, inlay_ns now);

#endif
