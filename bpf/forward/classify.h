/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Whose packet is it, and what media is in it. Frames that are no media are parsed to get past
 * them, and left to the control plane: nothing of them reaches a copy.
 */
#ifndef INLAY_FORWARD_CLASSIFY_H
#define INLAY_FORWARD_CLASSIFY_H

#include "inlay_loop.h"
#include "inlay_quic_frame.h"
#include "tables.h"

/* Which upstream does the SA open packets of? False: none that media is forwarded from. */
INLAY_INLINE bool inlay_classify_upstream(struct inlay_work *w, __u32 sa, __u16 generation)
{
	struct inlay_rx_sa *e = inlay_rx_sa_at(w, sa);
	__u32 upstream = e ? inlay_load_u32(&e->upstream) : 0;
	struct inlay_upstream *up;

	if (upstream == 0 || e->number != sa || e->generation != generation)
		return false;
	w->upstream = upstream - 1;
	up = inlay_upstream_at(w);
	return up && inlay_load_u32(&up->state) == INLAY_UPSTREAM_ON;
}

/* A stream of the peer's, unidirectional: objects come on no other (section 3.4). */
INLAY_INLINE bool inlay_classify_is_media(__u32 initiator, const struct inlay_quic_frame *f)
{
	if (f->type == INLAY_QUIC_DATAGRAM)
		return true;
	return f->type == INLAY_QUIC_STREAM && (f->stream.id & 3) == (2 | (initiator & 1));
}

/* The frames of the packet, and where they have been read to. */
struct inlay_frames {
	struct inlay_work *w;
	struct inlay_cursor c;
	const __u8 *begin;
	__u32 at; /* of |begin| in the packet */
	__u32 initiator;
};

INLAY_INLINE void inlay_classify_note(struct inlay_work *w, const struct inlay_quic_frame *f,
				      const struct inlay_frames *frames)
{
	struct inlay_media *m = &w->media[w->n_media & (INLAY_JOURNAL_FRAMES - 1)];

	__builtin_memset(m, 0, sizeof(*m));
	if (f->type == INLAY_QUIC_DATAGRAM) {
		m->datagram = 1;
		m->at = (__u16)(frames->at + (__u32)(f->bytes.data - frames->begin));
		m->len = (__u16)f->bytes.len;
	} else {
		m->stream = f->stream.id >> 2;
		m->offset = f->stream.offset;
		m->at = (__u16)(frames->at + (__u32)(f->stream.data - frames->begin));
		m->len = (__u16)f->stream.len;
		m->fin = f->stream.fin;
	}
	w->n_media++;
}

/* One frame. Where it stops before a frame, w->reason says why. */
INLAY_STEP inlay_classify_step(__u32 i, void *ctx)
{
	struct inlay_frames *frames = ctx;
	struct inlay_cursor c = frames->c;
	struct inlay_work *w = frames->w;
	struct inlay_quic_frame f;

	if (inlay_cursor_left(&c) == 0)
		return 1;
	w->reason = INLAY_REASON_BAD_PACKET;
	if (inlay_quic_frame_parse(&c, &f) != INLAY_QUIC_NO_ERROR)
		return 1;
	INLAY_IN_MEMORY(f);
	w->reason = INLAY_REASON_TOO_MANY_FRAMES;
	if (inlay_classify_is_media(frames->initiator, &f)) {
		if (w->n_media == INLAY_JOURNAL_FRAMES)
			return 1;
		inlay_classify_note(w, &f, frames);
	}
	frames->c = c;
	return 0;
}

/* Finds the media among the frames. False: w->reason says why the packet is not looked at. */
INLAY_STAGE long inlay_classify_frames(struct inlay_work *w, __u32 at, __u32 len)
{
	const struct inlay_upstream *up;
	struct inlay_frames frames;

	if (!INLAY_GIVEN(w))
		return false;
	w->n_media = 0;
	w->reason = INLAY_REASON_BAD_PACKET;
	up = inlay_upstream_at(w);
	if (!up)
		return false;
	frames.w = w;
	frames.c = inlay_work_bytes(w, at, len);
	frames.begin = inlay_cursor_at(&frames.c);
	frames.at = at;
	frames.initiator = up->initiator;
	INLAY_LOOP(INLAY_FRAMES_FOLLOWED, inlay_classify_step, &frames);
	return inlay_cursor_left(&frames.c) == 0;
}

#endif
