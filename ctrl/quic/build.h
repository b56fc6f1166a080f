/* SPDX-License-Identifier: BSD-2-Clause */
/* A packet being put together: conn_send.c begins and finishes it, conn_frames.c fills it. */
#ifndef INLAY_QUIC_BUILD_H
#define INLAY_QUIC_BUILD_H

#include "conn_internal.h"
#include "inlay_quic_write.h"

struct inlay_build {
	struct inlay_conn *c;
	struct inlay_path_entry *path; /* where it goes, and what it is charged to */
	struct inlay_cid cid;	       /* that it is sent with */
	struct inlay_writer w;
	__u8 *header;
	__u8 hdr_len;
	__u32 frames; /* chain of records */
	__u32 n_frames;
	struct inlay_sent_frame last;
	bool eliciting;
	bool padded;
	bool full;	   /* no room, or no records, for one more frame */
	bool probe;	   /* not bound by the congestion window */
	__u64 charged;	   /* bytes reserved for it in bytes_sent */
	bool unmarked;	   /* whatever the path is known to carry */
	__u16 extra_flags; /* enum inlay_sent_flags, beside those that follow from the frames */
	__u64 pn;	   /* once finished */
	inlay_ns now;
};

/* Of at most |size| bytes, for |path|. False: that is too little, or there is no CID to send with.
 */
bool inlay_build_begin(struct inlay_build *b, struct inlay_conn *c, struct inlay_path_entry *path,
		       __u8 *dst, size_t size, inlay_ns now);
/* Takes the number, writes header, descriptor and log entry. Returns the length; 0: not sent. */
size_t inlay_build_finish(struct inlay_build *b);

/* |written|: the result of a put that began at |mark|. Records the frame; false: there was no room,
 * for the frame or for its record, and it is taken back. */
bool inlay_build_put(struct inlay_build *b, bool written, struct inlay_writer mark, __u8 type,
		     __u64 id, __u64 offset);

/* Each writes what there is to send of its kind, as far as there is room. */
void inlay_build_ack(struct inlay_build *b);
void inlay_build_control(struct inlay_build *b);
/* For probes: IMMEDIATE_ACK, where the peer understands it. */
void inlay_build_immediate_ack(struct inlay_build *b);
void inlay_build_owed(struct inlay_build *b);	 /* by streams */
void inlay_build_payload(struct inlay_build *b); /* datagrams and bytes of streams */

#endif
