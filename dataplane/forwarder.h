/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The forwarder of bpf/forward/, compiled natively: the same source as the kernel's program. One
 * opened packet goes in; its copies come out, one call each, in the order in which their numbers
 * stand in the sent logs.
 */
#ifndef INLAY_DATAPLANE_FORWARDER_H
#define INLAY_DATAPLANE_FORWARDER_H

#include "inlay_reasons.h"
#include "state.h"

/* Link layer to UDP, short header, STREAM header with fixed-size fields, subgroup header. */
#define INLAY_COPY_HEAD (INLAY_HDR_MAX + 24 + 48)

/* One copy, published in its subscriber's log: to be sealed and sent, or to be marked dropped. */
struct inlay_copy {
	const __u8 *head; /* link layer up to the payload that is shared; lives for the call */
	__u32 head_len;
	__u16 quic_at;	     /* where the short header begins in |head|; 0: the port is a socket */
	__u16 quic_len;	     /* of the short header: the rest of |head| is plaintext */
	const __u8 *payload; /* of the packet that was forwarded: shared by all copies */
	__u32 payload_len;
	__u32 sa;
	__u16 sa_generation;
	__u8 ecn; /* enum inlay_ecn */
	__u8 pad;
	__u64 pn;
	const struct inlay_headers *headers; /* path and port; may be written over later */
	struct inlay_sent *sent;
};

/* What becomes of the original: it goes up in every case. */
enum inlay_forward_verdict {
	INLAY_FORWARD_PASS = 0, /* nothing was done with it: reasons are counted */
	INLAY_FORWARD_DONE = 1, /* its media was looked at: the journal has the verdicts */
};

struct inlay_forwarder {
	const struct inlay_tables *tables;
	__u32 context; /* index of ours in tables->contexts */
	void (*emit)(void *user, const struct inlay_copy *copy);
	void *user;
	/* Where the next copy's head is to be written: INLAY_COPY_HEAD bytes, and emit() may name
	 * others. NULL: into memory of the forwarder's. */
	__u8 *head;
	/* Written by this forwarder alone; read by any with inlay_load_u64(). */
	struct inlay_reason_counters reasons;
	__u64 packets, copies;
};

/* |packet|: a clear packet, descriptor and all; unchanged. |now|: CLOCK_MONOTONIC. */
enum inlay_forward_verdict inlay_forwarder_run(struct inlay_forwarder *f, const __u8 *packet,
					       size_t len, inlay_ns now);

/* The copy was not sent: its own host dropped it (design section 5, rule 1). */
void inlay_copy_dropped(struct inlay_sent *sent, __u64 pn);

#endif
