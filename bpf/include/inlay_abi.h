/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * State shared between the control plane, the forwarder and the crypto provider, wherever each
 * of them runs (design section 5). All integers are host order unless the type says otherwise;
 * all indices read from here are masked by the reader. Who writes a field stands beside it:
 *
 *   [C] the control plane alone
 *   [F] the forwarder alone: the context that holds the upstream's owner word
 *   [B] both, by fetch-add, exchange or compare-exchange (inlay_atomic.h)
 *
 * A plain field is published by the word named beside it: written before that word, read after it.
 * Offsets in streams are of two kinds: |upstream| ones count in the publisher's stream,
 * |downstream| ones in a copy's; a position's |shift| added to the first gives the second.
 */
#ifndef INLAY_ABI_H
#define INLAY_ABI_H

#include "inlay_types.h"

#define INLAY_ABI_VERSION 2

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

/*
 * A frame of the clear link (design section 4): Ethernet, type INLAY_LINK_TYPE, this, |skip| bytes
 * that mean nothing, the wire's headers if it has any (Ethernet, IP, UDP), the clear packet, and
 * perhaps bytes that mean nothing. A copy is written into its original's frame, whatever the length
 * of its headers: |skip| and |len| say where it lies, and nothing is resized.
 */
struct inlay_link_header {
	__be16 skip;
	__be16 len;  /* of the clear packet, descriptor and all */
	__be16 port; /* wire port that it came by, or leaves by */
	__u8 l2_len; /* as in struct inlay_headers: wire headers before the packet */
	__u8 ip_len; /* 0: there are none; else UDP's stand behind IP's */
};
_Static_assert(sizeof(struct inlay_link_header) == 8, "ABI");

#define INLAY_LINK_TYPE 0x88b5 /* IEEE 802: local experimental */
/* |skip| of what goes up to a forwarder, at least: with it there is room for the head of any copy
 * before any payload. */
#define INLAY_LINK_ROOM 192

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
/* flags and pad are one aligned word: DROPPED is set in it by compare-exchange, after publication.
 */
_Static_assert(offsetof(struct inlay_sent, flags) == 20, "ABI");
_Static_assert(offsetof(struct inlay_sent, pn_state) == 24, "ABI");

/* --- Subscriber entry: one per downstream connection ---------------------------------------- */

#define INLAY_CLASSES 8	  /* nested thresholds on one byte counter; 0 is served last cut */
#define INLAY_HDR_MAX 104 /* Ethernet, one VLAN tag, IPv6, UDP, short header with a 20-byte CID */

/* Headers to write before a copy, link layer to the packet number, and which way it leaves. */
struct inlay_headers {
	__u8 bytes[INLAY_HDR_MAX];
	__u8 l2_len; /* bytes before IP; 0 where the port is a socket */
	__u8 ip_len; /* 20, 40, or 0 where the port is a socket: then there is no UDP header either
		      */
	__u8 quic_len; /* first byte + CID + packet number */
	__u8 pad0;
	__u16 port; /* index of the socket or wire port */
	__u16 pad1;
	struct inlay_path path; /* where the port is a socket: to this remote address */
	__u8 pad2[32];
};
_Static_assert(sizeof(struct inlay_headers) == 192, "ABI: three cache lines");
_Static_assert(offsetof(struct inlay_headers, path) == 112, "ABI");

struct inlay_subscriber {
	/* Counters: a line of their own. */
	__u64 next_pn;	   /* [B] fetch-add: next packet number nobody has taken */
	__u64 next_stream; /* [B] compare-exchange: next unidirectional stream number of ours */
	__u64 bytes_sent;  /* [B] fetch-add: UDP payload bytes in flight, ever: congestion */
	__u64 flow_bytes;  /* [B] fetch-add: rise of the highest offsets of all streams: MAX_DATA */
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
	__u16 generation;  /* of this entry: bumped when given back; 0 never names one; atomic */
	__u32 log_mask;	   /* entries of the sent log, less one */
	__u32 abi_version; /* INLAY_ABI_VERSION */
	__u32 initiator;   /* bit 0 of the IDs of streams that we open: 1 where we are the server */
	__u32 pad3;
	__u64 pad4[5];

	struct inlay_headers headers[2]; /* [C] the idle one is written, then headers_index flips */
};
_Static_assert(sizeof(struct inlay_subscriber) == 64 * 4 + 384, "ABI");
_Static_assert(offsetof(struct inlay_subscriber, pn_limit) == 64, "counters have their own line");
_Static_assert(offsetof(struct inlay_subscriber, class_limit) == 128, "ABI");
_Static_assert(offsetof(struct inlay_subscriber, sa) == 192, "ABI");
_Static_assert(offsetof(struct inlay_subscriber, headers) == 256, "ABI");

/* --- Journal: what became of each packet of an upstream (design section 5, rule 3) ------------ */

#define INLAY_JOURNAL_FRAMES 8 /* media frames of one packet; with more it is conventional */

enum inlay_journal_state {
	INLAY_JOURNAL_NONE = 0,
	INLAY_JOURNAL_CLAIMED = 1, /* a forwarder delivers its media; verdicts are not there yet */
	INLAY_JOURNAL_DONE = 2,	   /* the forwarder has: |verdicts| are valid */
	INLAY_JOURNAL_CONTROL = 3, /* the control plane delivers its media */
};
#define INLAY_JOURNAL_WORD(pn, state) ((__u64)(pn) << 2 | (__u64)(state))
#define INLAY_JOURNAL_PN(w)	      ((w) >> 2)
#define INLAY_JOURNAL_STATE(w)	      ((w)&3)

/*
 * The entry of packet number n is journal[n & journal_mask]. |word| goes from NONE, or from an
 * older number, to {n, CLAIMED} or {n, CONTROL} by compare-exchange, and from CLAIMED to DONE when
 * every copy is in the sent logs. It never goes back to an older number.
 */
struct inlay_journal {
	__u64 word;   /* [B] INLAY_JOURNAL_WORD */
	__u32 serial; /* [F] of the upstream when it was claimed; by |word| DONE */
	__u8 n;	      /* [F] media frames seen; by |word| DONE */
	__u8 pad0[3];
	__u8 verdicts[INLAY_JOURNAL_FRAMES]; /* [F] enum inlay_media_verdict; by |word| DONE */
	__u64 pad1;
};
_Static_assert(sizeof(struct inlay_journal) == 32, "ABI");

/* What the forwarder did with one media frame (STREAM of the publisher's, or DATAGRAM). */
enum inlay_media_verdict {
	INLAY_MEDIA_DECLINED = 0, /* the control plane's, for every position */
	INLAY_MEDIA_FORWARDED,	  /* to whatever positions were attached */
	INLAY_MEDIA_OLD,	  /* nothing new in it, or ours to ignore */
};

/* --- Upstream entry: one per connection that media comes in on -------------------------------- */

#define INLAY_SEEN    256 /* stream numbers remembered: a power of two */
#define INLAY_ALIASES 64  /* fast tracks of one upstream */

/* A track alias of the publisher's that the forwarder follows. */
struct inlay_alias {
	__u64 alias;	   /* [C] by |track| */
	__u64 first_group; /* [C] by |track|: groups [first_group, end_group) are forwarded */
	__u64 end_group;   /* [C] may fall and rise: atomic; ~0: no end */
	__u32 track;	   /* [C] index + 1, published last; 0: free */
	__u8 priority;	   /* [C] by |track|: of subgroups and datagrams that have none */
	__u8 pad[3];
};
_Static_assert(sizeof(struct inlay_alias) == 32, "ABI");

/*
 * A stream number seen: seen[number & (INLAY_SEEN - 1)], which goes by compare-exchange from empty,
 * or from a smaller number, to what its first sight decided, by whoever saw it first. A number
 * smaller than the one that stands there is below the window: conventional. Who replaces a number
 * that has a slot detaches every position of that slot first. When the slot is given back its
 * number becomes conventional: as long as a slot is named here, it is that stream's.
 */
#define INLAY_SEEN_EMPTY	0ULL
#define INLAY_SEEN_CONVENTIONAL 0xffffU
#define INLAY_SEEN_WORD(number, what)                                                              \
	((__u64)(number) << 16 | (what)) /* |what|: slot + 1, or so                                \
					  */
#define INLAY_SEEN_NUMBER(w)  ((w) >> 16)
#define INLAY_SEEN_WHAT(w)    ((__u32)((w)&0xffff))
#define INLAY_SEEN_NUMBER_MAX ((1ULL << 47) - 1)

struct inlay_upstream {
	/* Forwarder's line. */
	__u32 owner; /* [B] compare-exchange from 0 to context + 1: one context forwards at a time
		      */
	__u32 pad0;
	__u64 serial; /* [F] packets claimed, ever; by exchange */
	__u64 pad1[6];

	/* Control plane's line. */
	__u64 journal_mark; /* [C] monotone: numbers at or above mark + size are declined */
	__u32 journal_mask; /* [C] entries less one; while off */
	__u32 state;	    /* [C] INLAY_UPSTREAM_...; atomic */
	__u32 initiator;    /* [C] bit 0 of the IDs of streams that the peer opens; while off */
	__u16 generation;   /* [C] of this entry: bumped before reuse */
	__u16 draft;	    /* [C] of MoQ Transport: 18; while off */
	__u64 pad2[5];

	__u64 seen[INLAY_SEEN]; /* [B] INLAY_SEEN_WORD */
	struct inlay_alias aliases[INLAY_ALIASES];
};
_Static_assert(offsetof(struct inlay_upstream, journal_mark) == 64, "ABI");
_Static_assert(offsetof(struct inlay_upstream, seen) == 128, "ABI");
_Static_assert(sizeof(struct inlay_upstream) == 128 + 8 * INLAY_SEEN + 32 * INLAY_ALIASES, "ABI");

enum inlay_upstream_state {
	INLAY_UPSTREAM_OFF = 0,
	INLAY_UPSTREAM_ON = 1,
};

/* What receive SA belongs to which upstream: sa[number & mask]. [C]; |upstream| published last. */
struct inlay_rx_sa {
	__u32 number;
	__u16 generation;
	__u16 pad;
	__u32 upstream; /* index + 1; 0: none */
	__u32 pad1;
};
_Static_assert(sizeof(struct inlay_rx_sa) == 16, "ABI");

/* --- Track entry and positions ---------------------------------------------------------------- */

#define INLAY_POSITIONS 1024 /* of one track */

struct inlay_track {
	__u32 n_positions; /* [C] those at or above were never used; atomic */
	__u32 pad[15];
};
_Static_assert(sizeof(struct inlay_track) == 64, "ABI");

enum inlay_position_state {
	INLAY_POSITION_FREE = 0,
	INLAY_POSITION_ARMED = 1,  /* [C] set up: the forwarder takes it up with its next packet */
	INLAY_POSITION_ACTIVE = 2, /* [F] from ARMED, by compare-exchange, |since| written before */
	INLAY_POSITION_OFF = 3,	   /* [C] no new stream, no datagram */
};

/* Every alias that a copy carries has this length: copies of one frame are of one size. */
#define INLAY_ALIAS_BYTES 4
#define INLAY_ALIAS_MAX	  ((1U << 28) - 1)

/*
 * positions[track * INLAY_POSITIONS + i]. A datagram in an upstream packet is the
 * forwarder's to deliver to a position if the packet's journal serial is at or above
 * |since| (32 bits, modular), and the position was not OFF when the packet was claimed.
 */
struct inlay_position {
	__u32 state;	  /* [B] enum inlay_position_state; publishes the rest */
	__u32 since;	  /* [F] serial of the first packet that was forwarded to it; by ACTIVE */
	__u32 subscriber; /* [C] index of its connection */
	__u16 generation; /* [C] of that subscriber entry */
	__u16 pad0;
	__u64 first_group; /* [C] groups [first_group, end_group) are delivered */
	__u64 end_group;   /* [C] ~0: no end */
	__u32 alias;	   /* [C] downstream, at most INLAY_ALIAS_MAX */
	/* [C] atomic as one word each; a class is 1 + the number of thresholds that the publisher
	 * priority reaches: six, ascending, 256 or more: never. */
	__u16 thresholds[INLAY_CLASSES - 2];
	__u64 copies; /* [F] for display */
	__u16 reason; /* [F] why the last attempt to send failed: enum inlay_reason; display */
	__u16 pad1[3];
};
_Static_assert(sizeof(struct inlay_position) == 64, "ABI: one cache line");

/* --- Slots: live upstream streams ------------------------------------------------------------- */

enum inlay_slot_state {
	INLAY_SLOT_FREE = 0,
	INLAY_SLOT_CLAIMED = 1, /* [F] being set up */
	INLAY_SLOT_LIVE = 2,	/* [F] followed */
	/* [F] a gap lay over an object's header, or that was longer than is followed: positions are
	 * detached; |reason| says why */
	INLAY_SLOT_UNFRAMED = 3,
	INLAY_SLOT_OFFERED = 4,	 /* [C] from UNFRAMED: |hand| says where an object stands */
	INLAY_SLOT_DECLINED = 5, /* [B] for good: malformed, or given up; |reason| says why */
};

/* Where a stream's framing stands at an upstream offset: enough to go on from there. */
struct inlay_framing {
	__u64 offset;	   /* upstream: all below has been followed */
	__u64 object;	   /* ID of the last object that began */
	__u64 left;	   /* bytes to come of the properties or the payload */
	__u64 payload_len; /* of the object that began, once known */
	__u32 objects;	   /* that began; saturates */
	__u8 state;	   /* enum inlay_moq_framer_state */
	__u8 acc_len;	   /* header bytes gathered in |acc| */
	__u8 has_properties;
	__u8 pad;
	__u8 acc[40];
};
_Static_assert(sizeof(struct inlay_framing) == 80, "ABI");

struct inlay_slot {
	__u32 state;	  /* [B] enum inlay_slot_state; publishes the rest */
	__u32 upstream;	  /* [F] index; by LIVE */
	__u32 track;	  /* [F] index; by LIVE */
	__u16 generation; /* [C] bumped when freed */
	__u16 reason;	  /* [F] why UNFRAMED or DECLINED: enum inlay_reason */
	__u64 stream;	  /* [F] number of the upstream stream; by LIVE */
	__u64 group;	  /* [F] by LIVE */
	/* [F] atomic: upstream offset below which everything new was offered to the positions;
	 * stored after every copy of a frame is in the sent logs. */
	__u64 highest;
	__u64 final_size; /* [F] atomic: ~0 until a FIN was forwarded */
	__u64 since;	  /* [F] time_us of the claim, for display */
	__u8 priority;	  /* [F] publisher priority; by LIVE */
	__u8 header_len;  /* [F] of the publisher's subgroup header; by LIVE */
	__u8 pad0[6];
	struct inlay_framing framing; /* [F] */
	/* [C] by OFFERED; its state is OBJECT (between objects, or |acc_len| bytes into a header),
	 * PAYLOAD or ENDED */
	struct inlay_framing hand;
	__u64 pad1[4];
};
_Static_assert(sizeof(struct inlay_slot) == 256, "ABI");

enum inlay_leg_state {
	INLAY_LEG_NONE = 0,	/* the forwarder never sent on it: the control plane serves it */
	INLAY_LEG_ATTACHED = 1, /* new bytes are the forwarder's to send */
	INLAY_LEG_DETACHED = 2, /* they are the control plane's; |reason| says why */
	INLAY_LEG_OFFERED = 3,	/* [C] from DETACHED or NONE: may attach at or above |attach| */
};

/*
 * One position in one slot: legs[slot * INLAY_POSITIONS + i]. What it was sent stands in the
 * subscriber's log: that is the truth, these are for going on. |state| is compare-exchanged by both
 * sides and publishes the rest: ATTACHED to DETACHED by either; NONE to ATTACHED, and OFFERED to
 * ATTACHED, by the forwarder; OFFERED to DETACHED (withdrawn) by the control plane, which waits for
 * quiescence before it writes and offers the leg again.
 */
struct inlay_leg {
	__u32 state;   /* [B] enum inlay_leg_state */
	__u32 stream;  /* downstream stream number; [F] by ATTACHED, [C] by OFFERED */
	__u64 limit;   /* [C] atomic, monotone: the stream's flow-control limit, downstream; 0: the
			* subscriber's initial_stream_limit */
	__u64 charged; /* [F], [C] by OFFERED: downstream offset up to which MAX_DATA was charged */
	__u64 attach;  /* [F] by ATTACHED: upstream offset it attached at. [C] by OFFERED: R */
	__u64 detach;  /* [F] by DETACHED: upstream offset of the first frame not sent. Who detaches
			* from the other side leaves it, and asks the log */
	__s32 shift;   /* [F], [C] by OFFERED: downstream offset less upstream offset */
	__u16 reason;  /* [B] enum inlay_reason of the detaching */
	__u16 pad;
};
_Static_assert(sizeof(struct inlay_leg) == 48, "ABI: design section 5");

/* --- Contexts: who may run a forwarder -------------------------------------------------------- */

#define INLAY_CONTEXTS 8

/* |epoch| is odd while the context may hold anything it read from here: quiescence (rule 7). */
struct inlay_context {
	__u64 epoch; /* [F] by fetch-add: a full barrier either way */
	__u64 pad[7];
};
_Static_assert(sizeof(struct inlay_context) == 64, "ABI");

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
