/* SPDX-License-Identifier: BSD-2-Clause */
/* The forwarder of bpf/forward/ as native code: see forwarder.h. */
#include "forwarder.h"

#include "forward.h"

_Static_assert(INLAY_COPY_HEAD == INLAY_HEAD_MAX, "what users make room for is what is written");

enum inlay_forward_verdict inlay_forwarder_run(struct inlay_forwarder *f, const __u8 *packet,
					       size_t len, inlay_ns now)
{
	struct inlay_work w;

	w.f = f;
	w.packet = packet;
	w.packet_len = (__u32)len;
	w.time_us = (__u32)(now / INLAY_US);
	inlay_store_u64(&f->packets, f->packets + 1);
	return inlay_forward_packet(&w) ? INLAY_FORWARD_DONE : INLAY_FORWARD_PASS;
}

void inlay_copy_dropped(struct inlay_sent *sent, __u64 pn)
{
	/* Lengths, flags and padding are one aligned word, which is exchanged whole: once the
	 * copy counts as lost the control plane may give the entry to another number. */
	union {
		struct {
			__u16 payload_len, packet_size, flags, pad;
		};
		__u64 word;
	} seen, dropped;

	do {
		seen.word = inlay_load_u64((__u64 *)&sent->payload_len);
		if (inlay_load_u64(&sent->pn_state) != INLAY_SENT_WORD(pn, INLAY_SENT_SENT))
			return;
		dropped = seen;
		dropped.flags |= INLAY_SENT_DROPPED;
	} while (!inlay_cas_u64((__u64 *)&sent->payload_len, seen.word, dropped.word));
}
