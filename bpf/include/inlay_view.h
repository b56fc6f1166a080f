/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A packet where it lies, for programs that have 150 ns for it: the cursor's second form, beside
 * inlay_cursor.h, whose BPF form reads a copy in a map's value; to copy would cost a third of that
 * time. What makes it safe is the same: nothing is read whose presence was not asked for first, and
 * the kernel's verifier refuses the program that would. Offsets are constants, which the verifier
 * follows most cheaply.
 */
#ifndef INLAY_VIEW_H
#define INLAY_VIEW_H

#include "inlay_types.h"

/* Words of memory that has another type, too. */
typedef __u16 __attribute__((may_alias)) inlay_any16;
typedef __u32 __attribute__((may_alias)) inlay_any32;
typedef __u64 __attribute__((may_alias)) inlay_any64;

struct inlay_view {
	const __u8 *data;
	const __u8 *end;
};

/* Are the |len| bytes at |at| there? */
INLAY_INLINE bool inlay_view_has(const struct inlay_view *v, __u32 at, __u32 len)
{
	return v->data + at + len <= v->end;
}

/* Reads of what was found there; any alignment, byte order as it lies. */
INLAY_INLINE __u16 inlay_view_16(const __u8 *p)
{
	return *(const inlay_any16 *)p;
}

INLAY_INLINE __u32 inlay_view_32(const __u8 *p)
{
	return *(const inlay_any32 *)p;
}

INLAY_INLINE __u64 inlay_view_64(const __u8 *p)
{
	return *(const inlay_any64 *)p;
}

INLAY_INLINE void inlay_view_put16(__u8 *p, __u16 v)
{
	*(inlay_any16 *)p = v;
}

INLAY_INLINE void inlay_view_put32(__u8 *p, __u32 v)
{
	*(inlay_any32 *)p = v;
}

INLAY_INLINE void inlay_view_put64(__u8 *p, __u64 v)
{
	*(inlay_any64 *)p = v;
}

#endif
