/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What happens to an entry of the sent log after its publication.
 */
#ifndef INLAY_SENT_H
#define INLAY_SENT_H

#include "inlay_abi.h"
#include "inlay_atomic.h"

/*
 * Number |pn| was published, but its packet was not sent: its own host dropped it (design section
 * 5, rule 1). Flags and padding are one aligned word, apart from what others read plainly. Once the
 * packet counts as lost the control plane may give the entry to another number; were that to happen
 * in between, what the other one carried would be sent again, and no more. Nobody else exchanges
 * that word, so a second try is one too many already.
 */
INLAY_INLINE void inlay_sent_drop(struct inlay_sent *sent, __u64 pn)
{
	__u32 *word = (__u32 *)(void *)&sent->flags;
	union {
		struct {
			__u16 flags, pad;
		};
		__u32 word;
	} seen, dropped;
	__u32 i;

	for (i = 0; i < 4; i++) {
		seen.word = inlay_load_u32(word);
		if (inlay_load_u64(&sent->pn_state) != INLAY_SENT_WORD(pn, INLAY_SENT_SENT))
			return;
		dropped = seen;
		dropped.flags |= INLAY_SENT_DROPPED;
		if (inlay_cas_u32(word, seen.word, dropped.word))
			return;
	}
}

#endif
