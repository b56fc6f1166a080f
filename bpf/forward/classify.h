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

/* The frames of the packet, and where they have been read to. */
struct inlay_frames {
	struct inlay_work *w;
	struct inlay_cursor c;
	const __u8 *begin;
	__u32 at; /* of |begin| in the packet */
	__u32 initiator;
};

/* NULL: there are as many already as are forwarded. */
INLAY_INLINE struct inlay_media *inlay_classify_note(struct inlay_frames *frames, const __u8 *data,
						     __u64 len)
{
	struct inlay_work *w = frames->w;
	struct inlay_media *m = &w->media[w->n_media & (INLAY_JOURNAL_FRAMES - 1)];

	if (w->n_media == INLAY_JOURNAL_FRAMES)
		return NULL;
	w->n_media++;
	__builtin_memset(m, 0, sizeof(*m));
	m->at = (__u16)(frames->at + inlay_cursor_distance(data, frames->begin));
	m->len = (__u16)len;
	return m;
}

/* Of streams the peer's unidirectional ones: objects come on no other (section 3.4). */
INLAY_INLINE bool inlay_classify_stream(struct inlay_frames *frames, struct inlay_cursor *c,
					__u64 wire_type)
{
	struct inlay_quic_stream s = {0};
	struct inlay_media *m;

	if (!inlay_quic_stream_parse(c, wire_type & 7, true, &s))
		return false;
	if ((s.id & 3) != (2 | (frames->initiator & 1)))
		return true;
	frames->w->reason = INLAY_REASON_TOO_MANY_FRAMES;
	m = inlay_classify_note(frames, s.data, s.len);
	if (!m)
		return false;
	m->stream = s.id >> 2;
	m->offset = s.offset;
	m->fin = s.fin;
	return true;
}

INLAY_INLINE bool inlay_classify_datagram(struct inlay_frames *frames, struct inlay_cursor *c,
					  struct inlay_quic_frame *f)
{
	struct inlay_media *m;

	if (!inlay_quic_bytes_parse(c, f))
		return false;
	frames->w->reason = INLAY_REASON_TOO_MANY_FRAMES;
	m = inlay_classify_note(frames, f->bytes.data, f->bytes.len);
	if (m)
		m->datagram = 1;
	return m;
}

/* One frame. Where it stops before a frame, w->reason says why. Media is noted where it was parsed:
 * what a union holds, the verifier could not tell later. */
INLAY_STEP inlay_classify_step(__u32 i, void *ctx)
{
	struct inlay_frames *frames = ctx;
	struct inlay_cursor c = frames->c;
	struct inlay_quic_frame f;
	bool ok;

	if (inlay_cursor_left(&c) == 0)
		return 1;
	frames->w->reason = INLAY_REASON_BAD_PACKET;
	if (inlay_quic_frame_begin(&c, &f) != INLAY_QUIC_NO_ERROR)
		return 1;
	if (f.type == INLAY_QUIC_STREAM)
		ok = inlay_classify_stream(frames, &c, f.wire_type);
	else if (f.type == INLAY_QUIC_DATAGRAM)
		ok = inlay_classify_datagram(frames, &c, &f);
	else
		ok = inlay_quic_frame_body_parse(&c, &f);
	if (!ok)
		return 1;
	frames->w->reason = INLAY_REASON_TOO_MANY_FRAMES;
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
