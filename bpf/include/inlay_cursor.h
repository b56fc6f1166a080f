/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The one way to read a packet (invariant 7). A cursor never moves past |end|: every read checks
 * first and returns false, leaving cursor and output alone, where the bytes are not there.
 *
 * For BPF the comparison has the shape that the kernel verifier follows; elsewhere it is one that
 * forms no pointer beyond the bytes.
 */
#ifndef INLAY_CURSOR_H
#define INLAY_CURSOR_H

#include "inlay_types.h"

struct inlay_cursor {
	const __u8 *pos;
	const __u8 *end;
};

INLAY_INLINE struct inlay_cursor inlay_cursor_of(const void *data, size_t len)
{
	struct inlay_cursor c = {.pos = data, .end = data};

	if (len > 0) /* |data| may be NULL if not */
		c.end += len;
	return c;
}

/* Are |n| bytes there? |n| is constant or bounded. */
INLAY_INLINE bool inlay_cursor_has(const struct inlay_cursor *c, size_t n)
{
#ifdef __bpf__
	return c->pos + n <= c->end;
#else
	return n <= (size_t)(c->end - c->pos);
#endif
}

INLAY_INLINE size_t inlay_cursor_left(const struct inlay_cursor *c)
{
	return (size_t)(c->end - c->pos);
}

INLAY_INLINE bool inlay_cursor_u8(struct inlay_cursor *c, __u8 *ret)
{
	if (!inlay_cursor_has(c, 1))
		return false;
	*ret = *c->pos++;
	return true;
}

INLAY_INLINE bool inlay_cursor_peek_u8(const struct inlay_cursor *c, __u8 *ret)
{
	if (!inlay_cursor_has(c, 1))
		return false;
	*ret = *c->pos;
	return true;
}

/* Host byte order out. */
INLAY_INLINE bool inlay_cursor_be16(struct inlay_cursor *c, __u16 *ret)
{
	if (!inlay_cursor_has(c, 2))
		return false;
	*ret = (__u16)((__u16)c->pos[0] << 8 | c->pos[1]);
	c->pos += 2;
	return true;
}

INLAY_INLINE bool inlay_cursor_be32(struct inlay_cursor *c, __u32 *ret)
{
	if (!inlay_cursor_has(c, 4))
		return false;
	*ret = (__u32)c->pos[0] << 24 | (__u32)c->pos[1] << 16 | (__u32)c->pos[2] << 8 | c->pos[3];
	c->pos += 4;
	return true;
}

/* |ret| points into the packet; |len| bytes from there are readable. */
INLAY_INLINE bool inlay_cursor_bytes(struct inlay_cursor *c, __u64 len, const __u8 **ret)
{
	if (len > (__u64)(c->end - c->pos))
		return false;
	*ret = c->pos;
	if (len > 0)
		c->pos += len;
	return true;
}

INLAY_INLINE bool inlay_cursor_skip(struct inlay_cursor *c, __u64 len)
{
	const __u8 *ignored;

	return inlay_cursor_bytes(c, len, &ignored);
}

#endif
