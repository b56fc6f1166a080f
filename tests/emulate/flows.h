/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Engines that send through one bottleneck, each to an engine of its own behind it: bulk, or live
 * media in bursts. No provider, no cipher; simulated time; everything follows from the seed.
 */
#ifndef INLAY_TESTS_EMULATE_FLOWS_H
#define INLAY_TESTS_EMULATE_FLOWS_H

#include "conn.h"
#include "inlay_quic.h"
#include "link.h"

#define FLOWS_MAX	 8
#define FLOWS_LOG	 4096
#define FLOWS_BUCKET	 (500 * INLAY_US) /* of the histogram of queueing delays */
#define FLOWS_BUCKETS	 4096
#define FLOWS_TRACE_STEP (100 * INLAY_MS)
#define FLOWS_FPS	 25
#define FLOWS_KEY_FRAME	 5 /* times the size of others; one a second */

#define FLOWS_HOLD (10 * INLAY_MS)

struct flow_packet;

struct flow_settings {
	enum inlay_cc_algorithm cc;
	inlay_ns start, stop;	 /* stop 0: never */
	__u64 media_bytes_per_s; /* 0: bulk */
	/* Of so many packets on the way back only the last one arrives, or what there is of them
	 * after FLOWS_HOLD; 0, 1: all do. */
	__u32 ack_every;
	bool few_acks; /* the receiver lets the sender ask for fewer */
	const struct inlay_policy *policy;
};

struct flow {
	struct flow_settings settings;
	struct flows *all;
	struct inlay_conn *sender, *receiver;
	struct inlay_subscriber entry[2];
	struct inlay_sent *log[2];
	struct inlay_conn_ops ops;
	__u64 received;		  /* bytes of streams */
	__u64 wire;		  /* bytes that the link took */
	struct flow_packet *held; /* on the way back */
	__u32 n_held;
	inlay_ns held_until;
	__u32 cids;
	__u64 most_at_once; /* bytes that the sender sent without a pause */
	/* Media. */
	inlay_ns next_frame;
	__u64 frame, stream, end;
	bool open;
	/* How long packets waited in front of the line. */
	__u64 waits[FLOWS_BUCKETS], n_waits;
};

struct flows {
	struct emulated_link link; /* shared */
	inlay_ns back;		   /* delay of the way back */
	inlay_ns start, now;
	struct seeded rng;
	struct flow *flow[FLOWS_MAX];
	unsigned int n;
	struct flow_packet **heap;
	size_t n_heap, heap_room;
	__u64 sequence;
	__u64 beats, idle_beats; /* how often time moved on; and nothing came of it */
	bool busy;
};

/* Both ways take |settings->delay|. False: no memory. */
bool flows_init(struct flows *f, const struct link_settings *settings, __u64 seed);
void flows_fini(struct flows *f);
/* NULL: no memory. */
struct flow *flows_add(struct flows *f, const struct flow_settings *settings);
/* |until|: since the start. */
void flows_run(struct flows *f, inlay_ns until);
/* |thousandth|: 950 for p95. */
inlay_ns flow_wait(const struct flow *f, unsigned int thousandth);
void flow_forget_waits(struct flow *f);
/* Bytes/s of |bytes|, as a part of what the line carries. */
double flows_share(const struct flows *f, __u64 bytes, inlay_ns time);
/* Part of the time up to now in which the line was busy. */
double flows_utilisation(const struct flows *f);

#endif
