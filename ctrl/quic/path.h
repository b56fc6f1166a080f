/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where a connection's packets go (RFC 9000 sections 8.2 and 9). When the peer's address changes
 * the connection follows it, as section 9.3 demands, but sends at most three times what came
 * from there until the peer has echoed a challenge; if it never does, the path before is restored.
 * A migration of our own is not here.
 */
#ifndef INLAY_QUIC_PATH_H
#define INLAY_QUIC_PATH_H

#include "inlay_types.h"

#define INLAY_PATH_RESPONSES 4	  /* PATH_CHALLENGEs of the peer waiting for an answer */
#define INLAY_PATH_MIN_SIZE  1200 /* of datagrams that validate a path: RFC 9000 section 8.2.1 */

struct inlay_path_response {
	struct inlay_path path;
	__u64 limit; /* bytes that may answer it where the peer has not been seen */
	__u8 data[8];
};

struct inlay_paths {
	struct inlay_path current;
	struct inlay_path fallback; /* the validated one, while |current| is not */
	bool validated;
	__u64 received, sent; /* bytes on |current| while it is not validated */
	__u8 challenge[8];
	bool challenge_due;
	inlay_ns challenge_at; /* again then */
	inlay_ns give_up_at;   /* INLAY_NEVER: nothing is being validated */
	struct inlay_path_response responses[INLAY_PATH_RESPONSES];
	__u32 n_responses;
};

void inlay_paths_init(struct inlay_paths *p, const struct inlay_path *path);
/* The peer now sends from |path|. |random|: 8 unpredictable bytes. */
void inlay_paths_move(struct inlay_paths *p, const struct inlay_path *path, const __u8 random[8],
		      __u64 received, inlay_ns pto, inlay_ns now);
/* True if it answers our challenge: |current| is validated from now on. */
bool inlay_paths_on_response(struct inlay_paths *p, const __u8 data[8]);
/* |received|: bytes of the packet that brings it. */
void inlay_paths_on_challenge(struct inlay_paths *p, const struct inlay_path *path,
			      const __u8 data[8], __u64 received);
/* Bytes that may be sent on |current| now; ~0: no limit. */
__u64 inlay_paths_allowance(const struct inlay_paths *p);
void inlay_paths_on_challenge_sent(struct inlay_paths *p, inlay_ns pto, inlay_ns now);
inlay_ns inlay_paths_deadline(const struct inlay_paths *p);
/* True if validation failed: |current| is what it was before. */
bool inlay_paths_on_timer(struct inlay_paths *p, inlay_ns now);

#endif
