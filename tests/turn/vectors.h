/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table: what the programs at a TURN server do with one packet, in which state. Compared are
 * the verdict, every byte that goes out or up, every counter, and what the watcher is told.
 */
#ifndef INLAY_TESTS_TURN_VECTORS_H
#define INLAY_TESTS_TURN_VECTORS_H

#include "scene.h"

enum outcome {
	PASSES, /* untouched */
	RELAYED_TO,
	DROPPED,
};

/* Where 0 means something else (struct vector). */
#define EMPTY 0xffff
#define NONE  0xfe

#define UNCOUNTED INLAY_N_REASONS /* no reason is counted */

enum {
	AT_XDP = 1 << XDP,
	AT_TC = 1 << INGRESS,
	AT_EGRESS = 1 << EGRESS,
	AT_BOTH = AT_XDP | AT_TC,
};

struct told {
	__u32 kind; /* 0: nothing */
	__u32 times;
};

struct expected {
	enum outcome outcome;
	__u32 reason;
	/* RELAYED_TO: by which link; from and to whom; with which channel. */
	enum link out;
	int src, dst;
	__u16 channel;
	bool redirected; /* from XDP, though it goes back where it came from */
	struct told told;
};

struct vector {
	const char *name;
	__u32 at;
	void (*state)(struct scene *s);
	enum link in;
	int src, dst;
	struct datagram packet; /* 0: length 20, TTL 64; addresses are |src|'s and |dst|'s */
	void (*change)(struct datagram *d, __u8 *frame, size_t *len);
	__u32 segments;
	bool no_headroom;
	bool through;
	struct expected want;
	const struct expected *want_tc; /* NULL: the same */
};

extern const struct vector vectors[];
extern const __u32 vectors_count;

#endif
