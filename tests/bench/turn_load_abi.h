/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What turn_load.bpf.c and the bench share: frames to inject, and what arrived of them. */
#ifndef INLAY_BENCH_TURN_LOAD_ABI_H
#define INLAY_BENCH_TURN_LOAD_ABI_H

#include "inlay_types.h"

#define TURN_LOAD_FLOWS	  1024
#define TURN_LOAD_SAMPLES (1 << 16)
#define TURN_LOAD_MAGIC	  0x696e6c6179000000ULL /* and no ChannelData header */

/* |magic| of what is sent in a measurement: a server may have packets of the one before still. */
static inline __u64 turn_load_magic(__u32 generation)
{
	return TURN_LOAD_MAGIC | (__u64)(generation & 0xffff) << 8;
}

/* The beginning of each datagram's application data, in the machine's own order. */
struct turn_load_mark {
	__u64 magic;
	__u64 stamp; /* when it was sent; 0: its delay is of no interest */
	__u32 flow;
} __attribute__((packed));

/* What is written anew into each injected frame: Ethernet, IPv4, UDP, ChannelData's header, mark;
 * the page that bears the frame was a rewritten packet before. */
#define TURN_LOAD_HEAD 72

struct turn_load_frame {
	__u8 head[TURN_LOAD_HEAD];
};

/* How a datagram of a flow has to look where it arrives. */
struct turn_load_expected {
	__be32 dst;
	__be16 port;
	__be16 channel; /* 0: application data alone */
};

#define TURN_LOAD_BATCH 64 /* frames handed over at once, saturated: a NAPI poll's budget */
#define TURN_LOAD_CPUS	64

struct turn_load_control {
	__u32 n_flows; /* that frames are injected for, in turn */
	__u32 next;    /* of them */
	__u32 ifindex; /* where frames leave */
	__u32 bytes;   /* of application data in each datagram */
	/* Of one injection. The program waits for the time of each batch, or (|gap| is 0) not. */
	__u32 batch, in_batch; /* frames */
	__u64 gap;	       /* ns between two batches */
	__u64 due;	       /* when the next one is; 0: none was yet */
	__u64 waited;	       /* ns: what the generator's CPU had nothing to do for */
	__u64 sent;
	/*
	 * Arrivals of a window count extra: queues are full already, and still being filled. It is
	 * open between two batches: the first ones not before these times (since the first of all).
	 */
	__u64 window_begin, window_end;
	__u64 begun, opened, closed; /* 0: not yet; CLOCK_MONOTONIC */
	__u32 open;
	__u32 generation; /* of the measurement */
	__u64 n_delays;
};

/* A line of cache for each CPU. */
struct turn_load_count {
	__u64 delivered;
	__u64 in_window; /* of them */
	__u64 wrong;	 /* for somebody else, or of another length */
	__u64 pad[5];
};

#endif
