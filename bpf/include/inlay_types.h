/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Plain values that every part of inlay shares: time, addresses, connection IDs.
 * Compiled into BPF objects, the daemon, the softnic, tests and fuzzers alike.
 */
#ifndef INLAY_TYPES_H
#define INLAY_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>

/* Nanoseconds of CLOCK_MONOTONIC, or a duration in nanoseconds. */
typedef __u64 inlay_ns;

#define INLAY_NEVER ((inlay_ns)~0ULL)
#define INLAY_US    ((inlay_ns)1000)
#define INLAY_MS    ((inlay_ns)1000000)
#define INLAY_S	    ((inlay_ns)1000000000)

#define INLAY_CID_MAX	20 /* RFC 9000 section 17.2 */
#define INLAY_OWN_CID	8  /* every CID that we issue has this length (design section 4) */
#define INLAY_TAG	16 /* AEAD tag of every cipher QUIC v1 uses; also the descriptor's size */
#define INLAY_TX_PN	4  /* bytes of packet number in every 1-RTT packet that we send */
#define INLAY_PN_MAX	((1ULL << 62) - 1)
#define INLAY_FRAME_MAX 2048 /* largest datagram that a port or a ring carries, in bytes */

#define INLAY_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define INLAY_CACHELINE	    64

#ifndef INLAY_INLINE
#define INLAY_INLINE static inline __attribute__((always_inline, unused))
#endif

/* A connection ID; bytes past |len| are zero, so that two compare with memcmp. */
struct inlay_cid {
	__u8 len; /* 0 to 20 */
	__u8 data[INLAY_CID_MAX];
};

/* An IP address and a UDP port; unused bytes are zero, so that two compare with memcmp. */
struct inlay_addr {
	__u16 family; /* AF_INET, AF_INET6, or 0: none */
	__be16 port;
	__u32 scope_id; /* IPv6 link-local only */
	__u8 ip[16];	/* IPv4 in the first four bytes */
};

/* A local and a remote address. */
struct inlay_path {
	struct inlay_addr local;
	struct inlay_addr remote;
};

#endif
