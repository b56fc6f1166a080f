/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A small network in memory: endpoints of ours, each with its crypto provider, and peers on the
 * whole of libngtcp2, told apart by UDP port. The wire loses, delays and repeats datagrams by a
 * seed. Time moves from event to event.
 *
 * Every connection runs the same application: the initiator opens streams of both kinds and sends
 * datagrams, the other end sends everything back.
 */
#ifndef INLAY_TESTS_ENDPOINT_WORLD_H
#define INLAY_TESTS_ENDPOINT_WORLD_H

#include "endpoint.h"
#include "link.h"
#include "peer.h"
#include "provider_local.h"

#define WORLD_NODES   128
#define WORLD_STREAMS 16
#define WORLD_PACKET  2048
#define WORLD_OTHERS  32

struct world;

struct app_stream {
	__u64 id;
	bool used, ended;
	__u64 received;
	__u64 reply_id;
	bool has_reply;
	__u8 tag;
};

/* One end of one connection. */
struct app {
	bool initiator;
	unsigned int n_streams; /* to open: bidirectional and unidirectional in turn */
	size_t bytes;		/* of each */
	unsigned int n_datagrams;
	struct inlay_ep_conn *ours; /* one of these two */
	struct inlay_peer *peer;

	struct app_stream in[WORLD_STREAMS];
	unsigned int finished;	/* streams that came back whole */
	unsigned int wrong;	/* bytes or streams that are not what they should be */
	unsigned int datagrams; /* that came, or came back */
	size_t received;
	bool connected, closed, failed;
	struct inlay_close_reason why;
	char failure[320];
};

struct node {
	struct world *world;
	struct inlay_addr addr;
	/* Other addresses of its that a path leads to; a connection that moved sends from them. */
	struct inlay_addr others[WORLD_OTHERS];
	unsigned int n_others;
	struct inlay_peer *peer;       /* or: */
	struct inlay_addr peer_remote; /* a peer's other end: of the latest packet */
	struct inlay_endpoint *ep;
	struct inlay_provider *provider;
	struct inlay_keystore *keystore;
	struct app app; /* of a peer; of the latest dialled connection */
	unsigned int n_accepted;
	struct app *accepted[WORLD_NODES]; /* of the endpoint's accepted connections */
	bool refuse;			   /* on_connection() says no */
	unsigned int n_failed;		   /* on_failed() calls */
	unsigned int seal_refused, open_refused;
	size_t sent, sent_reset; /* datagrams */
	size_t sent_ecn[4];	 /* of these, by enum inlay_ecn */
};

struct wire_packet {
	struct wire_packet *next;
	inlay_ns at;
	struct inlay_path path; /* as the receiver sees it */
	__u8 ecn;		/* enum inlay_ecn */
	size_t len;
	__u8 data[WORLD_PACKET];
};

struct world {
	inlay_ns now, delay;
	__u64 random;
	unsigned int loss, repeat, reorder, mark; /* per mille; mark: CE, of what is ECT */
	__u32 mtu;				  /* largest UDP payload that passes; 0: any */
	bool bleach_ecn;
	struct emulated_link link; /* all datagrams pass it, by these settings */
	struct wire_packet *wire;  /* by arrival */
	struct node *nodes[WORLD_NODES];
	unsigned int n_nodes;
	/* A NAT: what leaves this port seems to come from that one, and back. 0: none */
	__be16 nat_inside, nat_outside;
	/* Sees, and may change, what is sent. False: dropped. */
	bool (*hook)(struct world *w, struct inlay_path *path, __u8 *data, size_t len, void *user);
	void *hook_user;
};

struct world *world_new(__u64 seed);
void world_free(struct world *w);

/* An endpoint; |config| from inlay_endpoint_config_init(), with or without tls. */
struct node *world_add_endpoint(struct world *w, __u16 port, struct inlay_endpoint_config *config,
				__u32 max_connections);
/* Ends it without a word, and starts anew with |config|. */
void world_restart_endpoint(struct node *n, struct inlay_endpoint_config *config);
/* A peer; path, ops and user are set here. |to|: the server's port, for a client. */
struct node *world_add_peer(struct world *w, __u16 port, __u16 to, struct inlay_peer_config config,
			    struct app app);
/* Gives a node another address, port and host unlike those it has. */
struct inlay_addr world_add_address(struct node *n);
/* Takes a node out; its packets under way are nobody's. */
void world_remove(struct node *n);
/* Dials from an endpoint. */
int world_connect(struct node *n, __u16 to, struct inlay_tls *tls, const char *host,
		  struct app app);

/* A datagram of nobody's, to arrive now. */
void world_inject(struct world *w, __u16 from, __u16 to, const __u8 *data, size_t len);
/* Sends what there is to send, moves to the next event, handles it. False: nothing more happens
 * up to |until|; now is |until| then. */
bool world_step(struct world *w, inlay_ns until);
/* Steps until |done| or |limit| has passed; true: done. */
bool world_run(struct world *w, bool (*done)(struct world *w, void *user), void *user,
	       inlay_ns limit);
/* Runs that long. */
void world_pass(struct world *w, inlay_ns time);

__u64 world_random(struct world *w);
/* The same streams and datagrams once more, all of those before being done. */
void app_again(struct app *a);
/* All the streams came back, and unless |some_lost| all datagrams. */
bool app_is_done(const struct app *a, bool some_lost);
/* For world_run(); |user| is a node: its application has all back, or its connection is closed. */
bool world_is_done(struct world *w, void *user);

#endif
