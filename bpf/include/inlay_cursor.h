/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The one way to read a packet (invariant 7). A cursor never moves past its end: every read checks
 * first and returns false, leaving cursor and output alone, where the bytes are not there.
 *
 * Its fields are nobody else's business where BPF compiles, for there they are others: the kernel's
 * verifier follows a pointer with a masked offset, but loses a pointer that moved, once two
 * paths meet. What a cursor reads there is a map value, with INLAY_CURSOR_ROOM bytes readable from
 * the address it was made of, however few are the packet's; the masks are for the verifier alone,
 * the checks against the end are the same as everywhere.
 */
#ifndef INLAY_CURSOR_H
#define INLAY_CURSOR_H

#include "inlay_types.h"

#ifdef __bpf__

struct inlay_cursor {
	const __u8 *base;
	__u32 pos;
	__u32 end;
};

#define INLAY_CURSOR_MASK (INLAY_FRAME_MAX - 1)
/* A read of up to 16 bytes, from the last position there is. */
#define INLAY_CURSOR_ROOM (INLAY_FRAME_MAX + 16)

/* Always zero, which the verifier does not know: to it every position is any position, so that two
 * paths that read different numbers of bytes are one from where they meet, and loops converge. */
static volatile __u32 inlay_cursor_zero;

INLAY_INLINE struct inlay_cursor inlay_cursor_of(const void *data, size_t len)
{
	struct inlay_cursor c = {.base = data, .pos = inlay_cursor_zero, .end = (__u32)len};

	return c;
}

INLAY_INLINE size_t inlay_cursor_left(const struct inlay_cursor *c)
{
	return c->end - c->pos;
}

/* Where the next read begins. */
INLAY_INLINE const __u8 *inlay_cursor_at(const struct inlay_cursor *c)
{
	return c->base + (c->pos & INLAY_CURSOR_MASK);
}

INLAY_INLINE void inlay_cursor_move(struct inlay_cursor *c, __u64 len)
{
	c->pos += (__u32)len;
}

INLAY_INLINE void inlay_cursor_cut(struct inlay_cursor *c, __u64 len)
{
	c->end = c->pos + (__u32)len;
}

/*
 * A cursor to be kept in a map's value, which holds no pointers: what the verifier loads from there
 * it does not tell from anything else, so a loop that goes on from a mark converges at once. |base|
 * has INLAY_MARK_ROOM bytes, those of the packet among the first half of them.
 */
struct inlay_mark {
	__u32 at;
	__u32 len;
};

#define INLAY_MARK_MASK (2 * INLAY_FRAME_MAX - 1)
#define INLAY_MARK_ROOM (2 * INLAY_FRAME_MAX + INLAY_CURSOR_ROOM)

/* Bytes from one place in a packet to another. (Pointers are not subtracted in 32 bits, which is
 * all that a caller may want of it.) */
INLAY_INLINE __u64 inlay_cursor_distance(const void *p, const void *from)
{
	__u64 n = (__u64)((const __u8 *)p - (const __u8 *)from);

	__asm__ volatile("" : "+r"(n));
	return n;
}

INLAY_INLINE struct inlay_mark inlay_mark_of(const void *base, const struct inlay_cursor *c)
{
	struct inlay_mark m = {
		.at = (__u32)inlay_cursor_distance(inlay_cursor_at(c), base),
		.len = (__u32)inlay_cursor_left(c),
	};

	return m;
}

INLAY_INLINE struct inlay_cursor inlay_mark_cursor(const void *base, const struct inlay_mark *m)
{
	return inlay_cursor_of((const __u8 *)base + (m->at & INLAY_MARK_MASK), m->len);
}

#else

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

INLAY_INLINE size_t inlay_cursor_left(const struct inlay_cursor *c)
{
	return (size_t)(c->end - c->pos);
}

/* Where the next read begins. */
INLAY_INLINE const __u8 *inlay_cursor_at(const struct inlay_cursor *c)
{
	return c->pos;
}

/* Bytes from one place in a packet to another. */
INLAY_INLINE __u64 inlay_cursor_distance(const void *p, const void *from)
{
	return (__u64)((const __u8 *)p - (const __u8 *)from);
}

struct inlay_mark {
	struct inlay_cursor c;
};

INLAY_INLINE struct inlay_mark inlay_mark_of(const void *base, const struct inlay_cursor *c)
{
	struct inlay_mark m = {.c = *c};

	return m;
}

INLAY_INLINE struct inlay_cursor inlay_mark_cursor(const void *base, const struct inlay_mark *m)
{
	return m->c;
}

/* The two below: |len| bytes are there; for this file alone. */
INLAY_INLINE void inlay_cursor_move(struct inlay_cursor *c, __u64 len)
{
	if (len > 0)
		c->pos += len;
}

INLAY_INLINE void inlay_cursor_cut(struct inlay_cursor *c, __u64 len)
{
	if (len > 0)
		c->end = c->pos + len;
	else
		c->end = c->pos;
}

#endif

/* Are |n| bytes there? */
INLAY_INLINE bool inlay_cursor_has(const struct inlay_cursor *c, size_t n)
{
	return n <= inlay_cursor_left(c);
}

INLAY_INLINE bool inlay_cursor_peek_u8(const struct inlay_cursor *c, __u8 *ret)
{
	if (!inlay_cursor_has(c, 1))
		return false;
	*ret = *inlay_cursor_at(c);
	return true;
}

INLAY_INLINE bool inlay_cursor_u8(struct inlay_cursor *c, __u8 *ret)
{
	if (!inlay_cursor_peek_u8(c, ret))
		return false;
	inlay_cursor_move(c, 1);
	return true;
}

/* Host byte order out. */
INLAY_INLINE bool inlay_cursor_be16(struct inlay_cursor *c, __u16 *ret)
{
	const __u8 *p = inlay_cursor_at(c);

	if (!inlay_cursor_has(c, 2))
		return false;
	*ret = (__u16)((__u16)p[0] << 8 | p[1]);
	inlay_cursor_move(c, 2);
	return true;
}

INLAY_INLINE bool inlay_cursor_be32(struct inlay_cursor *c, __u32 *ret)
{
	const __u8 *p = inlay_cursor_at(c);

	if (!inlay_cursor_has(c, 4))
		return false;
	*ret = (__u32)p[0] << 24 | (__u32)p[1] << 16 | (__u32)p[2] << 8 | p[3];
	inlay_cursor_move(c, 4);
	return true;
}

/* An integer of |n| bytes, 0 to 8, most significant first. */
INLAY_INLINE bool inlay_cursor_uint(struct inlay_cursor *c, size_t n, __u64 *ret)
{
	const __u8 *p = inlay_cursor_at(c);
	__u64 v = 0;
	size_t i;

	if (!inlay_cursor_has(c, n))
		return false;
#ifdef __bpf__
	/* There is always room to read eight: no loop for the verifier to walk. */
	i = 64 - 8 * n;
	v = __builtin_bswap64(*(const __u64 *)p);
	v = n > 0 ? v >> (i & 63) : 0;
#else
	for (i = 0; i < n; i++)
		v = v << 8 | p[i];
#endif
	*ret = v;
	inlay_cursor_move(c, n);
	return true;
}

/* |ret| points into the packet; |len| bytes from there are readable. */
INLAY_INLINE bool inlay_cursor_bytes(struct inlay_cursor *c, __u64 len, const __u8 **ret)
{
	if (len > inlay_cursor_left(c))
		return false;
	*ret = inlay_cursor_at(c);
	inlay_cursor_move(c, len);
	return true;
}

/* |len| is a constant, at most 16. */
INLAY_INLINE bool inlay_cursor_copy(struct inlay_cursor *c, void *to, size_t len)
{
	if (!inlay_cursor_has(c, len))
		return false;
	__builtin_memcpy(to, inlay_cursor_at(c), len);
	inlay_cursor_move(c, len);
	return true;
}

INLAY_INLINE bool inlay_cursor_skip(struct inlay_cursor *c, __u64 len)
{
	if (len > inlay_cursor_left(c))
		return false;
	inlay_cursor_move(c, len);
	return true;
}

/* The next |len| bytes become a cursor of their own. */
INLAY_INLINE bool inlay_cursor_take(struct inlay_cursor *c, __u64 len, struct inlay_cursor *ret)
{
	struct inlay_cursor t = *c;

	if (!inlay_cursor_skip(c, len))
		return false;
	inlay_cursor_cut(&t, len);
	*ret = t;
	return true;
}

/* The last |len| bytes do; |c| ends before them. */
INLAY_INLINE bool inlay_cursor_take_last(struct inlay_cursor *c, __u64 len,
					 struct inlay_cursor *ret)
{
	struct inlay_cursor t = *c;

	if (len > inlay_cursor_left(c))
		return false;
	inlay_cursor_move(&t, inlay_cursor_left(c) - len);
	inlay_cursor_cut(c, inlay_cursor_left(c) - len);
	*ret = t;
	return true;
}

/* Bytes that |c| has read since it was where |earlier| stands. */
INLAY_INLINE size_t inlay_cursor_since(const struct inlay_cursor *c,
				       const struct inlay_cursor *earlier)
{
	return (size_t)(c->pos - earlier->pos);
}

#endif
