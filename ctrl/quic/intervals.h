/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A set of 62-bit integers kept as sorted, disjoint, non-touching ranges [begin, end): packet
 * numbers received, stream bytes acknowledged, bytes to send again. The number of ranges is
 * bounded; an operation that would pass the bound fails and changes nothing.
 */
#ifndef INLAY_QUIC_INTERVALS_H
#define INLAY_QUIC_INTERVALS_H

#include "inlay_quic_frame.h"

struct inlay_intervals {
	struct inlay_quic_range *ranges;
	__u32 n;
	__u32 room;
	__u32 max;   /* ranges */
	__u64 total; /* integers in the set */
};

#define INLAY_INTERVALS_FIRST_ROOM 4 /* ranges; it doubles from there */

/* No memory is taken until the first range. */
void inlay_intervals_init(struct inlay_intervals *s, __u32 max_ranges);
void inlay_intervals_fini(struct inlay_intervals *s);

/* 0; -ENOSPC: one range too many; -ENOMEM. |begin| == |end| changes nothing. */
int inlay_intervals_add(struct inlay_intervals *s, __u64 begin, __u64 end);
/* The same: a removal may split a range. */
int inlay_intervals_remove(struct inlay_intervals *s, __u64 begin, __u64 end);
void inlay_intervals_remove_below(struct inlay_intervals *s, __u64 limit);
void inlay_intervals_remove_lowest(struct inlay_intervals *s);

/* True if all of [begin, end) is in the set. */
bool inlay_intervals_has(const struct inlay_intervals *s, __u64 begin, __u64 end);
/* First range that ends above |at|; false: there is none. */
bool inlay_intervals_next(const struct inlay_intervals *s, __u64 at, struct inlay_quic_range *ret);

static inline bool inlay_intervals_is_empty(const struct inlay_intervals *s)
{
	return s->n == 0;
}

#endif
