/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Slots: the live streams of upstreams (design section 5, rule 4). The first sight of a stream
 * decides for good whether it is followed; from then on its frames are new or they are not.
 */
#ifndef INLAY_FORWARD_SLOT_H
#define INLAY_FORWARD_SLOT_H

#include "framing.h"
#include "tables.h"

/* A fast track of the upstream's by its alias; NULL: none. */
INLAY_INLINE struct inlay_alias *inlay_alias_find(struct inlay_upstream *up, __u64 alias)
{
	struct inlay_alias *a;
	__u32 i;

	for (i = 0; i < INLAY_ALIASES; i++) {
		a = &up->aliases[(i + (__u32)alias) & (INLAY_ALIASES - 1)];
		if (inlay_load_u32(&a->track) && a->alias == alias)
			return a;
	}
	return NULL;
}

/* Which track, and may this upstream forward the group? False: w->reason. */
INLAY_INLINE bool inlay_work_track(struct inlay_work *w, struct inlay_upstream *up, __u64 alias,
				   __u64 group, __u8 *ret_priority)
{
	struct inlay_alias *a = inlay_alias_find(up, alias);
	__u32 track = a ? inlay_load_u32(&a->track) : 0;

	w->reason = INLAY_REASON_NO_TRACK;
	if (track == 0)
		return false;
	w->reason = INLAY_REASON_GROUP_NOT_FAST;
	if ((group < inlay_load_u64(&a->first_group) || group >= inlay_load_u64(&a->end_group)) &&
	    !INLAY_MUTANT(IGNORE_GRANT))
		return false;
	w->track = track - 1;
	w->group = group;
	*ret_priority = a->priority;
	return inlay_track_at(w) != NULL;
}

/* Positions are taken up by the first frame of a packet that is offered to all of a track's: so a
 * position had either all of a packet's datagrams offered, or none. */
INLAY_INLINE void inlay_work_take_up(struct inlay_work *w)
{
	__u32 i;

	w->take_up = 1;
	for (i = 0; i < INLAY_JOURNAL_FRAMES; i++)
		if (i < w->at_media && w->tracks[i] == w->track + 1)
			w->take_up = 0;
	w->tracks[w->at_media & (INLAY_JOURNAL_FRAMES - 1)] = w->track + 1;
}

/* --- Detaching ------------------------------------------------------------------------------ */

/* From here on new bytes are the control plane's. What it did meanwhile stands. */
INLAY_INLINE void inlay_leg_detach(struct inlay_leg *leg, __u32 from, __u64 offset, __u32 reason)
{
	if (INLAY_MUTANT(NO_DETACH))
		return;
	leg->detach = offset;
	inlay_store_u16(&leg->reason, (__u16)reason);
	(void)inlay_cas_u32(&leg->state, from, INLAY_LEG_DETACHED);
}

INLAY_STAGE long inlay_detach_one(struct inlay_work *w, __u32 i)
{
	struct inlay_leg *leg;
	__u32 state;

	if (!INLAY_GIVEN(w))
		return 0;
	leg = inlay_leg_at(w, w->slot, i);
	state = leg ? inlay_load_u32(&leg->state) : INLAY_LEG_NONE;
	if (state == INLAY_LEG_ATTACHED || state == INLAY_LEG_OFFERED)
		inlay_leg_detach(leg, state, w->offset, w->reason);
	return 0;
}

INLAY_WORK_STEP(inlay_detach_one)

/* Nothing from w->offset on is forwarded of the slot at hand, because of w->reason. */
INLAY_INLINE void inlay_slot_stop(struct inlay_work *w, struct inlay_slot *s, __u32 from, __u32 to)
{
	INLAY_WORK_LOOP(w, inlay_work_positions(w), inlay_detach_one);
	s->reason = w->reason;
	(void)inlay_cas_u32(&s->state, from, to);
}

/* Its place in the window is needed: |word| has a slot perhaps. */
INLAY_STAGE long inlay_slot_replace(struct inlay_work *w, __u64 word)
{
	__u32 what = INLAY_SEEN_WHAT(word);
	struct inlay_slot *s;
	__u32 state;

	if (!INLAY_GIVEN(w) || word == INLAY_SEEN_EMPTY || what == INLAY_SEEN_CONVENTIONAL ||
	    what == 0)
		return 0;
	s = inlay_slot_at(w, what - 1);
	state = s ? inlay_load_u32(&s->state) : INLAY_SLOT_FREE;
	if ((state != INLAY_SLOT_LIVE && state != INLAY_SLOT_UNFRAMED &&
	     state != INLAY_SLOT_OFFERED) ||
	    s->upstream != w->upstream || s->stream != INLAY_SEEN_NUMBER(word))
		return 0;
	w->slot = what - 1;
	w->track = s->track;
	w->offset = s->highest;
	w->reason = INLAY_REASON_SLOT_REPLACED;
	inlay_work_count(w, w->reason);
	inlay_slot_stop(w, s, state, INLAY_SLOT_DECLINED);
	return 0;
}

/* --- First sight ---------------------------------------------------------------------------- */

INLAY_INLINE __u32 inlay_slot_hash(const struct inlay_work *w, __u64 stream)
{
	__u64 h = ((__u64)w->upstream << 48 ^ stream) * 0x9e3779b97f4a7c15ULL;

	return (__u32)(h >> 32);
}

/* CLAIMED, and nobody else's; NULL: none was free. */
INLAY_INLINE struct inlay_slot *inlay_slot_claim(struct inlay_work *w, __u64 stream)
{
	__u32 at = inlay_slot_hash(w, stream);
	struct inlay_slot *s;
	__u32 i;

	for (i = 0; i < INLAY_SLOT_PROBES; i++) {
		w->slot = (at + i) & (inlay_slot_count(w) - 1);
		s = inlay_slot_at(w, w->slot);
		if (s && inlay_load_u32(&s->state) == INLAY_SLOT_FREE &&
		    inlay_cas_u32(&s->state, INLAY_SLOT_FREE, INLAY_SLOT_CLAIMED))
			return s;
	}
	return NULL;
}

/* The header as copies have it: canonical, but for the alias, which each writes over. */
INLAY_INLINE bool inlay_work_subgroup(struct inlay_work *w, const struct inlay_moq_subgroup *h)
{
	struct inlay_writer out = inlay_writer_of(w->prefix, sizeof(w->prefix));
	struct inlay_moq_subgroup copy = *h;

	copy.alias = INLAY_MUTANT(PUBLISHERS_ALIAS) ? h->alias & INLAY_ALIAS_MAX : 0;
	if (!inlay_moq18_subgroup_put_sized(&out, &copy, INLAY_ALIAS_BYTES))
		return false;
	w->prefix_len = (__u8)inlay_writer_len(&out);
	w->alias_at = 1; /* every type has one byte */
	return true;
}

/* Can a slot be set up for a stream that begins like this? False: w->reason. */
INLAY_INLINE bool inlay_first_look(struct inlay_work *w, struct inlay_upstream *up,
				   const struct inlay_media *m)
{
	struct inlay_cursor c = inlay_work_bytes(w, m->at, m->len);
	const struct inlay_cursor begin = c;
	struct inlay_moq_subgroup h;
	enum inlay_moq_verdict v;
	__u8 first, priority = 0;

	w->reason = INLAY_REASON_MID_STREAM;
	if (m->offset != 0)
		return false;
	if (!inlay_cursor_peek_u8(&c, &first))
		return false;
	w->reason = INLAY_REASON_NOT_MEDIA;
	if (!inlay_moq18_is_subgroup(first)) /* so the type has one byte */
		return false;
	v = inlay_moq18_subgroup_parse(&c, &h);
	w->reason = v == INLAY_MOQ_MORE ? INLAY_REASON_MID_STREAM : INLAY_REASON_NOT_MEDIA;
	if (v != INLAY_MOQ_OK)
		return false;
	if (!inlay_work_track(w, up, h.alias, h.group, &priority) || !inlay_work_subgroup(w, &h))
		return false;
	w->priority = h.has_priority ? h.priority : priority;
	w->header_len = (__u8)inlay_cursor_since(&c, &begin);
	w->shift = (__s32)w->prefix_len - (__s32)w->header_len;
	w->payload_at = m->at + w->header_len;
	w->payload_len = m->len - w->header_len;
	inlay_framing_begin(&w->framing, w->header_len, h.has_properties);
	return true;
}

/* Everything but the state. */
INLAY_INLINE void inlay_slot_fill(const struct inlay_work *w, struct inlay_slot *s, __u64 stream)
{
	s->upstream = w->upstream;
	s->track = w->track;
	s->reason = 0;
	s->stream = stream;
	s->group = w->group;
	s->since = w->time_us;
	s->priority = w->priority;
	s->header_len = w->header_len;
	inlay_store_u64(&s->highest, 0);
	inlay_store_u64(&s->final_size, ~0ULL);
}

#endif
