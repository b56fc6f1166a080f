/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * State shared between the control plane, the forwarder and the crypto provider, wherever each
 * of them runs (design section 5). All integers are host order unless the type says otherwise;
 * all indices read from here are masked by the reader. Who writes a field stands beside it:
 *
 *   [C] the control plane alone     [F] forwarder and control plane, atomically (inlay_atomic.h)
 *
 * A field without compare-exchange or fetch-add is published by the word named beside it.
 */
#ifndef INLAY_ABI_H
#define INLAY_ABI_H

#include "inlay_types.h"

#define INLAY_ABI_VERSION 1

/* --- Clear packets (design section 4) ------------------------------------------------------ */

enum inlay_ecn {
	INLAY_ECN_NOT_ECT = 0,
	INLAY_ECN_ECT1 = 1,
	INLAY_ECN_ECT0 = 2,
	INLAY_ECN_CE = 3,
};

enum inlay_desc_flags {
	/* Receive: opened with keys of the phase after the newest one that the control plane
	 * confirmed: the peer has updated its keys (RFC 9001 section 6). */
	INLAY_DESC_NEXT_PHASE = 1 << 0,
	/* Receive: opened with the keys before the current ones. */
	INLAY_DESC_OLD_PHASE = 1 << 1,
	/* Two bits, as in the IP header (RFC 3168). Receive: how the packet was marked when it
	 * arrived. Transmit: how to mark it. */
	INLAY_DESC_ECN_MASK = 3 << 2,
	INLAY_DESC_ECN_CE = 3 << 2,
	/* Transmit: to be sent apart from others. A path MTU probe: where it is too large for some
	 * host on the way, datagrams merged with it would be dropped with it. */
	INLAY_DESC_ALONE = 1 << 4,
};
#define INLAY_DESC_ECN_SHIFT 2

/* Stands where the AEAD tag stands on the wire: the last 16 bytes of a clear packet. */
struct inlay_desc {
	__be32 sa;	   /* SA number in the provider */
	__u8 flags;	   /* enum inlay_desc_flags */
	__u8 hdr_len;	   /* bytes before the first frame: 1 + CID + packet number */
	__be16 generation; /* of the SA number: a stale one is refused */
	__be64 pn;	   /* whole packet number, 62 bits */
};
_Static_assert(sizeof(struct inlay_desc) == INLAY_TAG, "the descriptor replaces the AEAD tag");
_Static_assert(offsetof(struct inlay_desc, pn) == 8, "ABI");

/* --- The sent log -------------------------------------------------------------------------- */

enum inlay_sent_flags {
	INLAY_SENT_FIN = 1 << 0,
	INLAY_SENT_DATAGRAM = 1 << 1,
	/* |offset| is an index into private records of the control plane. */
	INLAY_SENT_LOCAL = 1 << 2,
	/* Not ack-eliciting and not padded: resolved when sent. */
	INLAY_SENT_NOT_IN_FLIGHT = 1 << 3,
	INLAY_SENT_PROBE = 1 << 4,
	INLAY_SENT_ECN = 1 << 5,
	/* Lost on its own host: repaired, and no signal for congestion. */
	INLAY_SENT_DROPPED = 1 << 6,
	/* A probe of path MTU discovery: its loss says nothing of congestion (RFC 9000 14.4). */
	INLAY_SENT_MTU_PROBE = 1 << 7,
};

/* State of a packet number, in the low bits of inlay_sent.pn_state. */
enum inlay_sent_state {
	INLAY_SENT_EMPTY = 0, /* taken perhaps, not published */
	INLAY_SENT_SENT = 1,
	INLAY_SENT_VOID = 2, /* never sent: skipped on purpose, or given up after a grace period */
};
#define INLAY_SENT_STATE_BITS	   2
#define INLAY_SENT_WORD(pn, state) ((__u64)(pn) << INLAY_SENT_STATE_BITS | (__u64)(state))
#define INLAY_SENT_WORD_PN(w)	   ((w) >> INLAY_SENT_STATE_BITS)
#define INLAY_SENT_WORD_STATE(w)   ((w) & ((1U << INLAY_SENT_STATE_BITS) - 1))

/*
 * What one packet number carried. The entry of number n is log[n & mask]. Its writer is whoever
 * took the number by fetch-add on inlay_subscriber.next_pn; all other fields are written before
 * |pn_state|, which goes from the entry's older content to {pn, SENT} by compare-exchange; who
 * loses that exchange must not send (the control plane has voided the number).
 */
struct inlay_sent {
	__u32 stream;	   /* stream number: stream ID >> 2; unidirectional, ours */
	__u32 time_us;	   /* low 32 bits of CLOCK_MONOTONIC in microseconds */
	__u64 offset;	   /* of the first payload byte in the stream; LOCAL: private record */
	__u16 payload_len; /* bytes of the stream or datagram carried */
	__u16 packet_size; /* bytes of the UDP payload: what congestion control counts */
	__u16 flags;	   /* enum inlay_sent_flags */
	__u16 pad;	   /* zero */
	__u64 pn_state;	   /* INLAY_SENT_WORD; published last */
};
_Static_assert(sizeof(struct inlay_sent) == 32, "ABI");
_Static_assert(offsetof(struct inlay_sent, pn_state) == 24, "ABI");

/* --- Subscriber entry: one per downstream connection ---------------------------------------- */

#define INLAY_CLASSES 8	  /* nested thresholds on one byte counter; 0 is served last cut */
#define INLAY_HDR_MAX 104 /* Ethernet, one VLAN tag, IPv6, UDP, short header with a 20-byte CID */

/* Headers to write before a copy: link layer to the packet number. */
struct inlay_headers {
	__u8 bytes[INLAY_HDR_MAX];
	__u8 l2_len;   /* bytes before IP; 0 where the port is a socket */
	__u8 ip_len;   /* 20, 40, or 0 where the port is a socket */
	__u8 quic_len; /* first byte + CID + packet number */
	__u8 pad[21];
};
_Static_assert(sizeof(struct inlay_headers) == 128, "ABI: two cache lines");

struct inlay_subscriber {
	/* Counters. [F] fetch-add; a line of their own. */
	__u64 next_pn;	   /* next packet number nobody has taken */
	__u64 next_stream; /* next unidirectional stream number; compare-exchange */
	__u64 bytes_sent;  /* UDP payload bytes of packets in flight, ever: congestion */
	__u64 flow_bytes;  /* rise of the highest offsets of all streams, ever: MAX_DATA */
	__u64 pad0[4];

	/* Limits. [C]; may fall, except flow_limit and stream_limit. */
	__u64 pn_limit; /* a number is taken only below: the log's size above the oldest open one */
	__u64 stream_limit;	    /* MAX_STREAMS, unidirectional */
	__u64 flow_limit;	    /* MAX_DATA */
	__u64 initial_stream_limit; /* initial_max_stream_data_uni of the peer */
	__u64 max_datagram;	    /* max_datagram_frame_size of the peer; 0: none */
	__u32 path_mtu;		    /* validated: largest UDP payload that may be sent, in bytes */
	__u32 headers_index;	    /* which of headers[] is in force: 0 or 1 */
	__u32 ecn;		    /* enum inlay_ecn: how copies are to be marked */
	__u32 pad1;
	__u64 pad2;
	__u64 class_limit[INLAY_CLASSES]; /* bytes_sent must stay at or below, by class */

	/* Identity. [C]; written while no forwarder can hold the entry. */
	__u32 sa; /* transmit SA */
	__u16 sa_generation;
	__u16 generation;  /* of this entry: bumped before reuse */
	__u32 log_mask;	   /* entries of the sent log, less one */
	__u32 abi_version; /* INLAY_ABI_VERSION */
	__u64 pad3[6];

	struct inlay_headers headers[2]; /* [C] the idle one is written, then headers_index flips */
};
_Static_assert(sizeof(struct inlay_subscriber) == 64 * 4 + 256, "ABI");
_Static_assert(offsetof(struct inlay_subscriber, pn_limit) == 64, "counters have their own line");
_Static_assert(offsetof(struct inlay_subscriber, class_limit) == 128, "ABI");
_Static_assert(offsetof(struct inlay_subscriber, sa) == 192, "ABI");
_Static_assert(offsetof(struct inlay_subscriber, headers) == 256, "ABI");

/* --- Ring slots between the data thread and the control thread (design section 3) ----------- */

enum inlay_frame_kind {
	INLAY_FRAME_CLEAR = 1, /* a clear packet with its descriptor */
	INLAY_FRAME_SEALED =
		2, /* a datagram as on the wire: long headers, 1-RTT without an SA yet */
	INLAY_FRAME_UNKNOWN =
		3, /* up: short header, no such connection ID. down: a stateless reset */
	/* Up: a known connection ID, but it did not open: a stateless reset at best. Only the last
	 * 16 bytes mean anything. */
	INLAY_FRAME_FORGED = 4,
};

#define INLAY_FRAME_ROOM (INLAY_FRAME_MAX - 80)

/* One packet in a ring, with what the packet's bytes do not say. */
struct inlay_frame {
	__u32 len;  /* bytes used in |data| */
	__u8 kind;  /* enum inlay_frame_kind */
	__u8 ecn;   /* enum inlay_ecn */
	__u16 port; /* index of the socket or wire port it came by, or leaves by */
	__u64 time; /* inlay_ns of arrival; 0 downwards */
	struct inlay_path path;
	__u8 pad[16];
	__u8 data[INLAY_FRAME_ROOM];
};
_Static_assert(sizeof(struct inlay_path) == 48, "ABI");
_Static_assert(sizeof(struct inlay_frame) == INLAY_FRAME_MAX, "ABI");
_Static_assert(offsetof(struct inlay_frame, data) == 80, "ABI");

#endif
