/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * One STREAM frame of the publisher's: is it new, is it sound, and then to every position that is
 * attached (design section 5, rule 4).
 */
#ifndef INLAY_FORWARD_STREAM_H
#define INLAY_FORWARD_STREAM_H

#include "copy.h"

/* Follows the frame on w->framing. False: w->reason. */
INLAY_INLINE bool inlay_frame_follow(struct inlay_work *w, __u64 final_size)
{
	w->reason = INLAY_REASON_MALFORMED;
	if (w->end > final_size && !INLAY_MUTANT(PAST_FINAL))
		return false;
	if (!inlay_framing_follow(w)) {
		w->framing.offset = w->end;
		return INLAY_MUTANT(PAST_MALFORMED) && w->reason == INLAY_REASON_MALFORMED;
	}
	w->reason = INLAY_REASON_MALFORMED;
	return !w->fin || inlay_framing_may_end(&w->framing) || INLAY_MUTANT(FIN_INSIDE);
}

/* Everything of the frame is in the sent logs, or the control plane's. */
INLAY_INLINE void inlay_slot_commit(const struct inlay_work *w, struct inlay_slot *s)
{
	s->framing = w->framing;
	if (w->fin)
		inlay_store_u64(&s->final_size, w->end);
	inlay_store_u64(&s->highest, w->end);
}

/* --- First sight ---------------------------------------------------------------------------- */

/* |word| stands in the stream's place in the window: another's, or none. */
INLAY_STAGE __u32 inlay_forward_first(struct inlay_work *w, __u64 word)
{
	const struct inlay_media *m;
	struct inlay_slot *s = NULL;
	struct inlay_upstream *up;
	__u64 *seen;

	if (!INLAY_GIVEN(w))
		return INLAY_MEDIA_DECLINED;
	m = inlay_media_at(w);
	up = inlay_upstream_at(w);
	if (!up)
		return INLAY_MEDIA_DECLINED;
	seen = &up->seen[m->stream & (INLAY_SEEN - 1)];
	inlay_slot_replace(w, word);
	w->first = 1;
	w->offset = 0;
	w->end = m->len;
	if (inlay_first_look(w, up, m) && inlay_frame_follow(w, ~0ULL)) {
		w->reason = INLAY_REASON_NO_SLOT;
		s = inlay_slot_claim(w, m->stream);
	}
	if (!s) {
		(void)inlay_cas_u64(seen, word,
				    INLAY_SEEN_WORD(m->stream, INLAY_SEEN_CONVENTIONAL));
		return INLAY_MEDIA_DECLINED;
	}
	inlay_slot_fill(w, s, m->stream);
	if (!inlay_cas_u64(seen, word, INLAY_SEEN_WORD(m->stream, w->slot + 1)) &&
	    !INLAY_MUTANT(SEEN_IGNORED)) {
		/* The control plane saw it first. */
		w->reason = INLAY_REASON_STREAM_DECLINED;
		(void)inlay_cas_u32(&s->state, INLAY_SLOT_CLAIMED, INLAY_SLOT_FREE);
		return INLAY_MEDIA_DECLINED;
	}
	if (INLAY_MUTANT(HIGHEST_EARLY))
		inlay_slot_commit(w, s);
	inlay_work_take_up(w);
	inlay_fan_out(w);
	inlay_slot_commit(w, s);
	/* Only now: who sees it LIVE sees which legs it has. */
	if (!inlay_cas_u32(&s->state, INLAY_SLOT_CLAIMED, INLAY_SLOT_LIVE)) {
		w->offset = w->end;
		w->reason = INLAY_REASON_SLOT_REPLACED;
		inlay_work_count(w, w->reason);
		inlay_slot_stop(w, s, INLAY_SLOT_DECLINED, INLAY_SLOT_DECLINED);
	}
	return INLAY_MEDIA_FORWARDED;
}

/* --- Later frames --------------------------------------------------------------------------- */

/* False: w->reason, and |*ret_verdict|. */
INLAY_INLINE bool inlay_frame_is_new(struct inlay_work *w, const struct inlay_slot *s,
				     __u8 *ret_verdict)
{
	__u64 highest = inlay_load_u64(&s->highest);
	bool has_end = inlay_load_u64(&s->final_size) != ~0ULL;

	if (w->offset >= highest && (w->end > w->offset || (w->fin && !has_end)))
		return true;
	w->reason = INLAY_REASON_OLD_BYTES;
	*ret_verdict = w->end > highest ? INLAY_MEDIA_DECLINED : INLAY_MEDIA_OLD;
	return false;
}

/* Framing to go on from: the slot's, or what the control plane handed over. False: w->reason. */
INLAY_INLINE bool inlay_frame_framing(struct inlay_work *w, struct inlay_slot *s, __u32 state)
{
	if (state == INLAY_SLOT_LIVE) {
		w->framing = s->framing;
		return true;
	}
	w->reason = INLAY_REASON_UNFRAMED;
	if (state != INLAY_SLOT_OFFERED || inlay_reload_u32(&s->state) != state)
		return false;
	w->framing = s->hand;
	return inlay_framing_is_sound(&w->framing) && w->framing.offset <= w->offset;
}

/* The frame ends the slot's following, for now or for good. */
INLAY_INLINE __u8 inlay_frame_stop(struct inlay_work *w, struct inlay_slot *s, __u32 state)
{
	inlay_slot_stop(w, s, state,
			w->reason == INLAY_REASON_MALFORMED ? INLAY_SLOT_DECLINED
							    : INLAY_SLOT_UNFRAMED);
	return INLAY_MEDIA_DECLINED;
}

/* What of the frame stands in |w|. */
INLAY_INLINE void inlay_frame_begin(struct inlay_work *w, const struct inlay_slot *s,
				    const struct inlay_media *m)
{
	w->track = s->track;
	w->group = s->group;
	w->priority = s->priority;
	w->first = 0;
	w->take_up = 0;
	w->offset = m->offset;
	w->end = m->offset + m->len;
	w->payload_at = m->at;
	w->payload_len = m->len;
}

INLAY_STAGE __u32 inlay_forward_later(struct inlay_work *w, __u32 slot)
{
	__u8 verdict = INLAY_MEDIA_DECLINED;
	const struct inlay_media *m;
	struct inlay_slot *s;
	__u32 state;

	if (!INLAY_GIVEN(w))
		return verdict;
	m = inlay_media_at(w);
	s = inlay_slot_at(w, slot);
	state = s ? inlay_load_u32(&s->state) : INLAY_SLOT_FREE;
	w->reason = INLAY_REASON_STREAM_DECLINED;
	if ((state != INLAY_SLOT_LIVE && state != INLAY_SLOT_UNFRAMED &&
	     state != INLAY_SLOT_OFFERED) ||
	    s->upstream != w->upstream || s->stream != m->stream)
		return verdict;
	w->slot = slot;
	inlay_frame_begin(w, s, m);
	if (!inlay_frame_framing(w, s, state))
		return verdict;
	if (INLAY_MUTANT(OLD_FORWARDED) && w->offset >= s->header_len &&
	    w->offset < inlay_load_u64(&s->highest)) {
		inlay_fan_out(w);
		return INLAY_MEDIA_FORWARDED;
	}
	if (!inlay_frame_is_new(w, s, &verdict))
		return verdict;
	w->reason = INLAY_REASON_UNFRAMED;
	if (w->framing.offset <= w->offset && !inlay_framing_leap(&w->framing, w->offset))
		return inlay_frame_stop(w, s, state);
	if (!inlay_frame_follow(w, inlay_load_u64(&s->final_size)))
		return inlay_frame_stop(w, s, state);
	w->reason = INLAY_REASON_UNFRAMED;
	if (state == INLAY_SLOT_OFFERED && !inlay_cas_u32(&s->state, state, INLAY_SLOT_LIVE))
		return verdict; /* withdrawn */
	if (INLAY_MUTANT(HIGHEST_EARLY))
		inlay_slot_commit(w, s);
	inlay_fan_out(w);
	inlay_slot_commit(w, s);
	return INLAY_MEDIA_FORWARDED;
}

INLAY_INLINE __u8 inlay_forward_stream(struct inlay_work *w, const struct inlay_media *m)
{
	struct inlay_upstream *up = inlay_upstream_at(w);
	__u64 word;

	w->reason = INLAY_REASON_BELOW_WINDOW;
	if (!up || m->stream > INLAY_SEEN_NUMBER_MAX)
		return INLAY_MEDIA_DECLINED;
	w->datagram = 0;
	w->fin = m->fin;
	word = inlay_load_u64(&up->seen[m->stream & (INLAY_SEEN - 1)]);
	if (word == INLAY_SEEN_EMPTY || INLAY_SEEN_NUMBER(word) < m->stream)
		return inlay_forward_first(w, word);
	if (INLAY_SEEN_NUMBER(word) > m->stream)
		return INLAY_MEDIA_DECLINED;
	if (INLAY_SEEN_WHAT(word) != INLAY_SEEN_CONVENTIONAL)
		return inlay_forward_later(w, INLAY_SEEN_WHAT(word) - 1);
	if (INLAY_MUTANT(SEEN_IGNORED) && m->offset == 0)
		return inlay_forward_first(w, word);
	w->reason = INLAY_REASON_STREAM_DECLINED;
	return INLAY_MEDIA_DECLINED;
}

#endif
