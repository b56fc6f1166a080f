/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two established connections in memory, with the provider `local` between each of them and an
 * emulated link in each direction: delay, jitter (and so reordering), loss, duplication, a
 * bottleneck, an MTU, ECN. Between provider and engine packets wait in a ring, as they do in the
 * daemon, so that the engine reads them some time after they were opened. Time is simulated;
 * everything follows from the seed. What concerns the link in the pair's config may be changed
 * while it runs.
 */
#ifndef INLAY_TESTS_QUIC_PAIR_H
#define INLAY_TESTS_QUIC_PAIR_H

#include "conn.h"
#include "keystore.h"
#include "link.h"
#include "seeded.h"

#define PAIR_LOG 512

struct quic_pair_config {
	__u64 seed;
	inlay_ns delay, jitter;	 /* one way */
	__u32 loss_pct, dup_pct; /* of packets, in each direction */
	__u64 bytes_per_s;	 /* bottleneck in each direction; 0: none */
	__u32 queue_bytes;	 /* in front of it */
	__u64 mark_bytes;	 /* CE on ECT packets that find more in the queue; 0: never */
	__u32 mtu;		 /* largest UDP payload that passes; 0: any */
	bool bleach_ecn;	 /* ECN marks do not arrive */
	bool drop_ect;		 /* marked packets do not */
	inlay_ns ring_delay;	 /* most that a packet waits between provider and engine */
	enum inlay_cc_algorithm cc;
	enum inlay_cipher cipher;
	struct inlay_transport_params params; /* of both sides */
	__u64 max_recv_buffer;
	__u32 max_window_growth;
	__u64 tx_soft_limit, tx_hard_limit; /* packets sealed under one key; 0: the RFC's */
	struct inlay_budget *recv_memory;
	__u32 max_path_mtu; /* 0: neither side discovers it */
	bool no_ecn;
	const struct inlay_policy *policy; /* of both sides */
	__u64 first_pn[2];		   /* by enum inlay_role */
	const struct inlay_conn_ops *app;  /* the on_ functions; |user| is the side */
};

struct quic_pair;

struct quic_pair_side {
	struct quic_pair *pair;
	enum inlay_role role;
	struct quic_pair_side *other;
	struct inlay_conn *conn;
	struct inlay_conn_ops ops;
	struct inlay_subscriber *entry;
	struct inlay_sent *log;
	struct inlay_handover handover;
	inlay_secret secret;
	struct inlay_sa_ref rx, tx;
	struct inlay_path path;	   /* local and remote, as this side sees it */
	struct inlay_addr outside; /* where the other side sees this one */
	struct emulated_link link; /* from here to the other side */
	bool closed;
	struct inlay_close_reason why;
	__u64 refused; /* packets that the provider did not seal */
	__u64 not_opened;
	__u64 sent, last_pn;
	__u64 sent_ecn[4]; /* by enum inlay_ecn */
	void *app;
};

struct quic_pair {
	struct quic_pair_config config;
	struct seeded rng;
	inlay_ns now;
	struct inlay_keystore *ks;
	struct inlay_provider *provider;
	struct quic_pair_side side[2]; /* by enum inlay_role */
	struct pair_packet *packets;   /* in flight, by time */
	bool blackhole;		       /* nothing arrives any more */
};

/* The config's usual values, drawn from |seed|. */
struct quic_pair_config quic_pair_defaults(__u64 seed);
/* Asserts that everything can be had. */
struct quic_pair *quic_pair_new(const struct quic_pair_config *config);
void quic_pair_free(struct quic_pair *p);

/* Sends what both sides have to send now. */
void quic_pair_flush(struct quic_pair *p);
/* Moves time to the next event, at most to |until|, and lets it happen. False: |until| is reached.
 */
bool quic_pair_step(struct quic_pair *p, inlay_ns until);
/* Steps up to |until|. */
void quic_pair_run(struct quic_pair *p, inlay_ns until);
/* The client's address changes: a NAT forgot its binding. */
void quic_pair_rebind(struct quic_pair *p);

#endif
