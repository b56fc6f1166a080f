/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Who delivers a packet's media (design section 5, rule 3): one context at a time forwards an
 * upstream, and of forwarder and control plane whoever claims the packet number first.
 */
#ifndef INLAY_FORWARD_JOURNAL_H
#define INLAY_FORWARD_JOURNAL_H

#include "tables.h"

INLAY_INLINE bool inlay_owner_lock(const struct inlay_work *w, struct inlay_upstream *up)
{
	return inlay_cas_u32(&up->owner, 0, inlay_work_owner(w)) || INLAY_MUTANT(NO_OWNER);
}

INLAY_INLINE void inlay_owner_unlock(struct inlay_upstream *up)
{
	inlay_xchg_u32(&up->owner, 0);
}

/* Why the entry that holds |word| cannot be claimed for |pn|. */
INLAY_INLINE bool inlay_journal_is_taken(__u64 word, __u64 pn, __u16 *ret_reason)
{
	*ret_reason = INLAY_REASON_JOURNAL_OLD;
	if (INLAY_JOURNAL_STATE(word) == INLAY_JOURNAL_NONE || INLAY_JOURNAL_PN(word) < pn)
		return false;
	if (INLAY_JOURNAL_PN(word) == pn && INLAY_JOURNAL_STATE(word) == INLAY_JOURNAL_CONTROL)
		*ret_reason = INLAY_REASON_CONTROL_CLAIMED;
	return true;
}

/* False: w->reason says why. True: w->serial is the packet's. */
INLAY_INLINE bool inlay_journal_claim(struct inlay_work *w, struct inlay_upstream *up)
{
	struct inlay_journal *j = inlay_journal_at(w, up);
	__u64 mark = inlay_load_u64(&up->journal_mark);
	__u64 word;

	if (!j)
		return false;
	/* Within one turn of the ring from the mark no two numbers share an entry; below it the
	 * control plane may still have to read the newer one's. */
	w->reason = INLAY_REASON_JOURNAL_OLD;
	if (w->pn < mark)
		return false;
	w->reason = INLAY_REASON_JOURNAL_OVERRUN;
	if (w->pn - mark > up->journal_mask && !INLAY_MUTANT(NO_OVERRUN))
		return false;
	word = inlay_load_u64(&j->word);
	if (inlay_journal_is_taken(word, w->pn, &w->reason) && !INLAY_MUTANT(NO_JOURNAL))
		return false;
	if (!inlay_cas_u64(&j->word, word, INLAY_JOURNAL_WORD(w->pn, INLAY_JOURNAL_CLAIMED))) {
		/* Nobody else writes an entry of an upstream that is ours, but the control plane.
		 */
		w->reason = INLAY_REASON_CONTROL_CLAIMED;
		return false;
	}
	/* Before any position is looked at: if whoever switches one off, and then adds nothing to
	 * this word, comes first, the packet finds it off. */
	w->serial = (__u32)inlay_xchg_u64(&up->serial, inlay_load_u64(&up->serial) + 1) + 1;
	return true;
}

/* Every copy is in the sent logs. */
INLAY_INLINE void inlay_journal_done(const struct inlay_work *w, const struct inlay_upstream *up)
{
	struct inlay_journal *j = inlay_journal_at(w, up);
	__u32 i;

	if (!j)
		return;
	j->serial = w->serial;
	j->n = (__u8)w->n_media;
	for (i = 0; i < INLAY_JOURNAL_FRAMES; i++)
		j->verdicts[i] = i < w->n_media ? w->verdicts[i] : INLAY_MEDIA_DECLINED;
	/* The control plane may have given up waiting, and the entry be a newer packet's. */
	(void)inlay_cas_u64(&j->word, INLAY_JOURNAL_WORD(w->pn, INLAY_JOURNAL_CLAIMED),
			    INLAY_JOURNAL_WORD(w->pn, INLAY_JOURNAL_DONE));
}

#endif
