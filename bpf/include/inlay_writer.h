/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The mirror of struct inlay_cursor: bytes go out through it, and never past its end. Every put
 * checks first and returns false, leaving the writer alone, where there is no room; a put of
 * several fields writes all of them or none.
 *
 * As with the cursor, its fields are others where BPF compiles, and nobody else's business there.
 * What it writes to there has INLAY_WRITER_ROOM bytes, whatever its end; an integer whose length is
 * no constant may leave rubbish in the seven bytes behind it.
 */
#ifndef INLAY_WRITER_H
#define INLAY_WRITER_H

#include "inlay_types.h"

#ifdef __bpf__

struct inlay_writer {
	__u8 *base;
	__u32 pos;
	__u32 end;
};

#define INLAY_WRITER_MASK 255
#define INLAY_WRITER_ROOM (INLAY_WRITER_MASK + 1 + 8)

INLAY_INLINE struct inlay_writer inlay_writer_of(void *data, size_t room)
{
	struct inlay_writer w = {.base = data, .pos = 0, .end = (__u32)room};

	return w;
}

/* Bytes written. */
INLAY_INLINE size_t inlay_writer_len(const struct inlay_writer *w)
{
	return w->pos;
}

INLAY_INLINE size_t inlay_writer_left(const struct inlay_writer *w)
{
	return w->end - w->pos;
}

INLAY_INLINE __u8 *inlay_writer_at(const struct inlay_writer *w)
{
	return w->base + (w->pos & INLAY_WRITER_MASK);
}

INLAY_INLINE void inlay_writer_move(struct inlay_writer *w, size_t len)
{
	w->pos += (__u32)len;
}

#else

struct inlay_writer {
	__u8 *begin;
	__u8 *pos;
	__u8 *end;
};

INLAY_INLINE struct inlay_writer inlay_writer_of(void *data, size_t room)
{
	struct inlay_writer w = {.begin = data, .pos = data, .end = data};

	if (room > 0) /* |data| may be NULL if not */
		w.end += room;
	return w;
}

/* Bytes written. */
INLAY_INLINE size_t inlay_writer_len(const struct inlay_writer *w)
{
	return (size_t)(w->pos - w->begin);
}

INLAY_INLINE size_t inlay_writer_left(const struct inlay_writer *w)
{
	return (size_t)(w->end - w->pos);
}

/* Where the next byte goes. */
INLAY_INLINE __u8 *inlay_writer_at(const struct inlay_writer *w)
{
	return w->pos;
}

/* There is room for |len| bytes; for this file alone. */
INLAY_INLINE void inlay_writer_move(struct inlay_writer *w, size_t len)
{
	if (len > 0)
		w->pos += len;
}

#endif

/* Is there room for |n| bytes? */
INLAY_INLINE bool inlay_writer_has(const struct inlay_writer *w, size_t n)
{
	return n <= inlay_writer_left(w);
}

INLAY_INLINE bool inlay_writer_u8(struct inlay_writer *w, __u8 v)
{
	if (!inlay_writer_has(w, 1))
		return false;
	*inlay_writer_at(w) = v;
	inlay_writer_move(w, 1);
	return true;
}

/* Host byte order in. */
INLAY_INLINE bool inlay_writer_be16(struct inlay_writer *w, __u16 v)
{
	__u8 *p = inlay_writer_at(w);

	if (!inlay_writer_has(w, 2))
		return false;
	p[0] = (__u8)(v >> 8);
	p[1] = (__u8)v;
	inlay_writer_move(w, 2);
	return true;
}

INLAY_INLINE bool inlay_writer_be32(struct inlay_writer *w, __u32 v)
{
	__u8 *p = inlay_writer_at(w);

	if (!inlay_writer_has(w, 4))
		return false;
	p[0] = (__u8)(v >> 24);
	p[1] = (__u8)(v >> 16);
	p[2] = (__u8)(v >> 8);
	p[3] = (__u8)v;
	inlay_writer_move(w, 4);
	return true;
}

/* The last |n| bytes of |v|, 0 to 8, most significant first. */
INLAY_INLINE bool inlay_writer_uint(struct inlay_writer *w, __u64 v, size_t n)
{
	__u8 *p = inlay_writer_at(w);
	size_t i;

	if (!inlay_writer_has(w, n))
		return false;
#ifdef __bpf__
	i = 64 - 8 * n;
	if (__builtin_constant_p(n) && n == 1)
		*p = (__u8)v;
	else if (__builtin_constant_p(n) && n == 2)
		*(__u16 *)p = __builtin_bswap16((__u16)v);
	else if (__builtin_constant_p(n) && n == 4)
		*(__u32 *)p = __builtin_bswap32((__u32)v);
	else
		*(__u64 *)p = __builtin_bswap64(v << (i & 63));
#else
	for (i = n; i > 0; i--) {
		p[i - 1] = (__u8)v;
		v >>= 8;
	}
#endif
	inlay_writer_move(w, n);
	return true;
}

/* |data| may be NULL where |len| is 0. BPF: |len| is a constant. */
INLAY_INLINE bool inlay_writer_bytes(struct inlay_writer *w, const void *data, size_t len)
{
	if (!inlay_writer_has(w, len))
		return false;
	if (len > 0)
		__builtin_memcpy(inlay_writer_at(w), data, len);
	inlay_writer_move(w, len);
	return true;
}

/* Leaves |len| bytes for the caller to fill; |ret| points at them. */
INLAY_INLINE bool inlay_writer_reserve(struct inlay_writer *w, size_t len, __u8 **ret)
{
	if (!inlay_writer_has(w, len))
		return false;
	*ret = inlay_writer_at(w);
	inlay_writer_move(w, len);
	return true;
}

/* BPF: |len| is a constant. */
INLAY_INLINE bool inlay_writer_zeros(struct inlay_writer *w, size_t len)
{
	if (!inlay_writer_has(w, len))
		return false;
	if (len > 0)
		__builtin_memset(inlay_writer_at(w), 0, len);
	inlay_writer_move(w, len);
	return true;
}

#endif
