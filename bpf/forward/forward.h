/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The forwarder: one opened packet in, its copies out (design section 5). Native builds and the
 * kernel's program begin here, each with a struct inlay_work that says where its packet is.
 *
 * The original goes up in every case. What it says of media is in the journal then, if the packet
 * was claimed; everything that was not forwarded has been counted by its reason.
 */
#ifndef INLAY_FORWARD_FORWARD_H
#define INLAY_FORWARD_FORWARD_H

#include "classify.h"
#include "datagram.h"
#include "journal.h"
#include "stream.h"

INLAY_STAGE long inlay_forward_media(struct inlay_work *w)
{
	__u8 verdict = INLAY_MEDIA_DECLINED;
	const struct inlay_media *m;

	if (!INLAY_GIVEN(w))
		return 0;
	m = inlay_media_at(w);
	if (!m->datagram) {
		verdict = inlay_forward_stream(w, m);
	} else {
		w->reason = INLAY_REASON_NOT_MEDIA;
		if (INLAY_CAP_DATAGRAM)
			verdict = inlay_forward_datagram(w);
	}
	if (verdict != INLAY_MEDIA_FORWARDED)
		inlay_work_count(w, w->reason);
	w->verdicts[w->at_media & (INLAY_JOURNAL_FRAMES - 1)] = verdict;
	return 0;
}

/* The owner word is ours. */
INLAY_INLINE bool inlay_forward_claimed(struct inlay_work *w, struct inlay_upstream *up)
{
	__u32 i;

	if (!inlay_journal_claim(w, up))
		return false;
	if (INLAY_MUTANT(VERDICT_EARLY))
		inlay_journal_done(w, up);
	for (i = 0; i < INLAY_JOURNAL_FRAMES && i < w->n_media; i++) {
		w->at_media = i;
		w->tracks[i] = 0;
		inlay_forward_media(w);
	}
	inlay_journal_done(w, up);
	return true;
}

/* Within the context's epoch. False: w->reason says why nothing was done; if there is no media,
 * there is none. */
INLAY_INLINE bool inlay_forward_entered(struct inlay_work *w, const struct inlay_quic_clear *p)
{
	struct inlay_upstream *up;
	bool done;

	/* It ends the connection (RFC 9000 section 17.3.1). */
	w->reason = INLAY_REASON_RESERVED_BITS;
	if (p->first & INLAY_QUIC_SHORT_RESERVED)
		return false;
	w->reason = INLAY_REASON_NOT_UPSTREAM;
	if (!inlay_classify_upstream(w, p->sa, p->generation))
		return false;
	if (!inlay_classify_frames(w, p->hdr_len, w->packet_len - INLAY_TAG - p->hdr_len))
		return false;
	up = inlay_upstream_at(w);
	if (w->n_media == 0 || !up)
		return false;
	w->reason = INLAY_REASON_OTHER_DRAFT;
	if (up->draft != 18)
		return false;
	if (!INLAY_CAP_FANOUT) {
		w->reason = INLAY_REASON_FORWARDING_OFF;
		return false;
	}
	w->reason = INLAY_REASON_OWNER_BUSY;
	if (!inlay_owner_lock(w, up))
		return false;
	done = inlay_forward_claimed(w, up);
	inlay_owner_unlock(up);
	return done;
}

/* True: the journal has the verdicts. */
INLAY_INLINE bool inlay_forward_packet(struct inlay_work *w)
{
	struct inlay_cursor all = inlay_work_bytes(w, 0, w->packet_len);
	struct inlay_quic_clear p;
	bool done = false;

	w->n_media = ~0U;
	w->reason = INLAY_REASON_BAD_PACKET;
	if (inlay_quic_clear_parse(inlay_cursor_at(&all), inlay_cursor_left(&all), INLAY_OWN_CID,
				   &p)) {
		w->pn = p.pn;
		inlay_work_enter(w);
		done = inlay_forward_entered(w, &p);
		inlay_work_leave(w);
	}
	if (!done && w->n_media != 0)
		inlay_work_count(w, w->reason);
	return done;
}

#endif
