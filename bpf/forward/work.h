/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * One packet on its way through the forwarder: what was read of it, and what the copies of the
 * frame at hand have in common. Positions in the packet are offsets and entries of the shared state
 * are indices: a pointer to either is asked for where it is used (tables.h), as a BPF program has
 * to, in whose map this struct lives.
 */
#ifndef INLAY_FORWARD_WORK_H
#define INLAY_FORWARD_WORK_H

#include "inlay_abi.h"
#include "inlay_moq_properties.h"

/* What a build leaves out passes up, to whoever can do more (design section 3). */
#ifndef INLAY_CAP_FANOUT
#define INLAY_CAP_FANOUT 1 /* copies are made; else packets are looked at, and pass up */
#endif
#ifndef INLAY_CAP_DATAGRAM
#define INLAY_CAP_DATAGRAM 1 /* datagrams are forwarded */
#endif
#ifndef INLAY_CAP_COUNTERS
#define INLAY_CAP_COUNTERS 1 /* reasons are counted */
#endif
#ifndef INLAY_CAP_WIRE
#define INLAY_CAP_WIRE 1 /* copies may begin with link layer, IP and UDP headers */
#endif

/* The rules that a build can be made to break, so that tests show that they would notice: compiled
 * with -DINLAY_MUTATION=INLAY_MUTANT_..., one of mutations.def. */
enum inlay_mutant {
	INLAY_MUTANT_NONE = 0,
#define MUTATION(name, text) INLAY_MUTANT_##name,
#include "mutations.def"
#undef MUTATION
	INLAY_N_MUTANTS
};
#ifdef INLAY_MUTATION
#define INLAY_MUTANT(name) (INLAY_MUTATION == INLAY_MUTANT_##name)
#else
#define INLAY_MUTANT(name) 0
#endif

#define INLAY_FRAMES_FOLLOWED  64 /* frames of one packet, media or not */
#define INLAY_OBJECTS_FOLLOWED 32 /* objects that one frame touches */
#define INLAY_PAIRS_FOLLOWED   64 /* properties of one object, those inside of immutable ones too */
#define INLAY_SLOT_PROBES      8
#define INLAY_STREAM_TRIES     8	    /* to take a stream number that others take too */
#define INLAY_STREAM_MAX       (1ULL << 28) /* stream IDs of copies are 4-byte varints */

/* Canonical subgroup header; or DATAGRAM's type and object header up to the properties' length. */
#define INLAY_PREFIX_MAX 48

/* Link layer to UDP, short header, STREAM header with fixed-size fields, prefix. */
#define INLAY_HEAD_MAX (INLAY_HDR_MAX + 24 + INLAY_PREFIX_MAX)

/* A frame of the packet that carries media. */
struct inlay_media {
	__u64 stream; /* number */
	__u64 offset;
	__u16 at; /* of its first byte of content in the packet */
	__u16 len;
	__u8 datagram;
	__u8 fin;
	__u8 pad[2];
};

struct inlay_forwarder;

struct inlay_work {
	struct inlay_forwarder *f;
	const __u8 *packet; /* natively */
	__u32 packet_len;
	__u32 time_us;
	__u64 pn;
	__u32 upstream; /* indices */
	__u32 serial;	/* of this packet among those claimed of its upstream */

	__u32 n_media, at_media;
	struct inlay_media media[INLAY_JOURNAL_FRAMES];
	__u8 verdicts[INLAY_JOURNAL_FRAMES]; /* enum inlay_media_verdict */
	__u32 tracks[INLAY_JOURNAL_FRAMES];  /* + 1: whose positions were taken up already */

	/* The frame at hand, media[at_media]. */
	__u32 slot, track;
	__u64 group;
	__u64 offset, end; /* upstream; of a first frame |offset| is 0 */
	__u32 payload_at;  /* what copies share, in the packet */
	__u32 payload_len;
	__s32 shift;
	__u16 reason; /* why the frame is not forwarded: enum inlay_reason */
	__u8 datagram, first, fin;
	__u8 take_up; /* ARMED positions become ACTIVE */
	__u8 priority;
	__u8 header_len; /* of the publisher's subgroup header */
	__u8 prefix_len;
	__u8 alias_at; /* in |prefix|: INLAY_ALIAS_BYTES to be written over */
	__u8 prefix[INLAY_PREFIX_MAX];
	struct inlay_framing framing; /* behind the frame at hand */
	struct inlay_moq_pairs pairs; /* properties of the object at hand */
	__u8 head[INLAY_HEAD_MAX];    /* of the copy at hand */
#ifdef __bpf__
	__u32 log;	 /* index of the entry of the copy at hand */
	__u32 first_out; /* where this CPU's copies stand */
	__u32 n_out;	 /* copies that were published */
	__u8 front[24];	 /* the frame's own, written over by copies: link.h */
	__u8 saved[INLAY_HEAD_MAX + INLAY_TAG];
	/* The packet. Of where something stands in the packet the verifier knows only that it is
	 * below INLAY_FRAME_MAX, and adds: four deep, for a property among a property's. */
	__u8 bytes[3 * INLAY_FRAME_MAX + INLAY_CURSOR_ROOM];
#endif
};

INLAY_INLINE struct inlay_media *inlay_media_at(struct inlay_work *w)
{
	return &w->media[w->at_media & (INLAY_JOURNAL_FRAMES - 1)];
}

#endif
