/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which request IDs of a peer have been seen (draft section 9.1). They count up by two, but each
 * arrives on a stream of its own: out of order, and not at all where the stream was reset first.
 * So: a bound below which all count as seen, and a few that were seen above it.
 */
#ifndef INLAY_MOQ_REQUEST_IDS_H
#define INLAY_MOQ_REQUEST_IDS_H

#include "inlay_types.h"

#define INLAY_REQUEST_IDS_AHEAD 256

/* All zero: none seen. */
struct inlay_request_ids {
	__u64 below;			      /* IDs / 2 smaller than this have been seen */
	__u64 ahead[INLAY_REQUEST_IDS_AHEAD]; /* IDs / 2 seen at or above it, ascending */
	__u32 count;
};

/* Notes |id|. False: it was seen before. Where too many are missing, the oldest of the missing ones
 * count as seen from then on. */
static inline bool inlay_request_ids_note(struct inlay_request_ids *r, __u64 id)
{
	__u64 n = id / 2;
	__u32 at = r->count;
	__u32 done = 0;

	if (n < r->below)
		return false;
	while (at > 0 && r->ahead[at - 1] >= n)
		at--;
	if (at < r->count && r->ahead[at] == n)
		return false;
	if (r->count == INLAY_REQUEST_IDS_AHEAD) {
		/* Full: give up on what is missing below the first one seen. */
		if (at == 0) {
			r->below = n + 1;
		} else {
			r->below = r->ahead[0] + 1;
			__builtin_memmove(r->ahead, r->ahead + 1, (at - 1) * sizeof(r->ahead[0]));
			r->ahead[at - 1] = n;
		}
	} else {
		__builtin_memmove(r->ahead + at + 1, r->ahead + at,
				  (r->count - at) * sizeof(r->ahead[0]));
		r->ahead[at] = n;
		r->count++;
	}
	while (done < r->count && r->ahead[done] == r->below) {
		r->below++;
		done++;
	}
	__builtin_memmove(r->ahead, r->ahead + done, (r->count - done) * sizeof(r->ahead[0]));
	r->count -= done;
	return true;
}

#endif
