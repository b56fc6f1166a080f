/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The mirror of struct inlay_cursor: bytes go out through it, and never past |end|. Every put
 * checks first and returns false, leaving the writer alone, where there is no room; a put of
 * several fields writes all of them or none.
 */
#ifndef INLAY_WRITER_H
#define INLAY_WRITER_H

#include "inlay_types.h"

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

/* Is there room for |n| bytes? |n| is constant or bounded. */
INLAY_INLINE bool inlay_writer_has(const struct inlay_writer *w, size_t n)
{
#ifdef __bpf__
	return w->pos + n <= w->end;
#else
	return n <= (size_t)(w->end - w->pos);
#endif
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

INLAY_INLINE bool inlay_writer_u8(struct inlay_writer *w, __u8 v)
{
	if (!inlay_writer_has(w, 1))
		return false;
	*w->pos++ = v;
	return true;
}

/* Host byte order in. */
INLAY_INLINE bool inlay_writer_be16(struct inlay_writer *w, __u16 v)
{
	if (!inlay_writer_has(w, 2))
		return false;
	w->pos[0] = (__u8)(v >> 8);
	w->pos[1] = (__u8)v;
	w->pos += 2;
	return true;
}

INLAY_INLINE bool inlay_writer_be32(struct inlay_writer *w, __u32 v)
{
	if (!inlay_writer_has(w, 4))
		return false;
	w->pos[0] = (__u8)(v >> 24);
	w->pos[1] = (__u8)(v >> 16);
	w->pos[2] = (__u8)(v >> 8);
	w->pos[3] = (__u8)v;
	w->pos += 4;
	return true;
}

/* |data| may be NULL where |len| is 0. */
INLAY_INLINE bool inlay_writer_bytes(struct inlay_writer *w, const void *data, size_t len)
{
	if (len > inlay_writer_left(w))
		return false;
	if (len > 0) {
		__builtin_memcpy(w->pos, data, len);
		w->pos += len;
	}
	return true;
}

/* Leaves |len| bytes for the caller to fill; |ret| points at them. */
INLAY_INLINE bool inlay_writer_reserve(struct inlay_writer *w, size_t len, __u8 **ret)
{
	if (len > inlay_writer_left(w))
		return false;
	*ret = w->pos;
	if (len > 0)
		w->pos += len;
	return true;
}

INLAY_INLINE bool inlay_writer_zeros(struct inlay_writer *w, size_t len)
{
	if (len > inlay_writer_left(w))
		return false;
	if (len > 0) {
		__builtin_memset(w->pos, 0, len);
		w->pos += len;
	}
	return true;
}

#endif
