/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One direction of an emulated link: a queue in front of a line, then a delay; loss, reordering,
 * duplication, a datagram size above which nothing passes, ECN marking. It holds no packets: it
 * says when, how often and how marked a datagram arrives, and the caller keeps the bytes. Several
 * flows may share one link. Time is the caller's, everything follows from the seed, and settings
 * may be changed at any moment.
 */
#ifndef INLAY_TESTS_EMULATE_LINK_H
#define INLAY_TESTS_EMULATE_LINK_H

#include "inlay_abi.h"

#include "seeded.h"

struct link_settings {
	__u64 bytes_per_s; /* of the line; 0: infinitely fast */
	__u64 queue_bytes; /* waiting in front of it; more is dropped. 0: 1 MiB */
	__u64 mark_bytes;  /* ECN: CE on ECT datagrams that find more waiting; 0: never */
	inlay_ns delay;	   /* one way, after the line */
	inlay_ns jitter;   /* added at random, order kept */
	__u32 loss_ppm;	   /* in a million datagrams */
	__u32 reorder_ppm; /* these arrive late, by up to reorder_delay */
	inlay_ns reorder_delay;
	__u32 duplicate_ppm;
	__u32 mtu;	 /* largest UDP payload that passes; 0: any */
	bool bleach_ecn; /* clears the two bits, as some routers do */
	bool down;	 /* nothing passes */
};

struct emulated_link {
	struct link_settings settings;
	struct seeded rng;
	inlay_ns line_free;    /* the line has sent what came before */
	inlay_ns last_arrival; /* of a datagram in order */
	__u64 passed, passed_bytes, lost, overflowed, too_large, marked;
};

struct link_arrival {
	unsigned int n; /* 0: never; 2: twice */
	inlay_ns at[2];
	inlay_ns queued; /* how long it waits in front of the line */
	__u8 ecn;	 /* enum inlay_ecn, on arrival */
};

void link_init(struct emulated_link *l, const struct link_settings *settings, __u64 seed);
/* A datagram of |bytes| of UDP payload goes in. */
struct link_arrival link_carry(struct emulated_link *l, __u64 bytes, __u8 ecn, inlay_ns now);
/* Bytes that wait in front of the line now. */
__u64 link_backlog(const struct emulated_link *l, inlay_ns now);

#endif
