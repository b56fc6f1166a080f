/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Datagrams that answer packets of no connection: version negotiation, Retry, refusals, stateless
 * resets. A bounded queue: what does not fit is not sent, as if lost. A token bucket holds back
 * what strangers could provoke at will.
 */
#ifndef INLAY_ENDPOINT_REPLIES_H
#define INLAY_ENDPOINT_REPLIES_H

#include "inlay_abi.h"

#define INLAY_REPLIES	 64
#define INLAY_REPLY_ROOM 640 /* version negotiation with two CIDs of 255 bytes: 525 */

struct inlay_reply {
	struct inlay_path path;
	__u16 port;
	__u16 len;
	__u8 kind; /* enum inlay_frame_kind */
	__u8 data[INLAY_REPLY_ROOM];
};

struct inlay_replies {
	struct inlay_reply queue[INLAY_REPLIES];
	__u32 first, n;
};

/* Room for an answer to |frame|, to be filled in and then committed; NULL: the queue is full. */
struct inlay_reply *inlay_replies_reserve(struct inlay_replies *r, const struct inlay_frame *frame);
void inlay_replies_commit(struct inlay_replies *r);
/* False: none waits. */
bool inlay_replies_pop(struct inlay_replies *r, struct inlay_frame *ret_frame);

/* So many a second, and as many at once. */
struct inlay_bucket {
	__u32 per_second;
	inlay_ns credit; /* a token costs INLAY_S / per_second */
	inlay_ns last;
};

void inlay_bucket_init(struct inlay_bucket *b, __u32 per_second, inlay_ns now);
bool inlay_bucket_take(struct inlay_bucket *b, inlay_ns now);

#endif
