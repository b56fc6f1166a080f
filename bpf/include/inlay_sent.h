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
 * 5, rule 1). Lengths, flags and padding are one aligned word, which is exchanged whole: once the
 * packet counts as lost the control plane may give the entry to another number. Nobody else
 * exchanges that word, so a second try is one too many already.
 */
INLAY_INLINE void inlay_sent_drop(struct inlay_sent *sent, __u64 pn)
{
	__u64 *word = (__u64 *)&sent->payload_len;
	union {
		struct {
			__u16 payload_len, packet_size, flags, pad;
		};
		__u64 word;
	} seen, dropped;
	__u32 i;

	for (i = 0; i < 4; i++) {
		seen.word = inlay_load_u64(word);
		if (inlay_load_u64(&sent->pn_state) != INLAY_SENT_WORD(pn, INLAY_SENT_SENT))
			return;
		dropped = seen;
		dropped.flags |= INLAY_SENT_DROPPED;
		if (inlay_cas_u64(word, seen.word, dropped.word))
			return;
	}
}

#endif
