/* SPDX-License-Identifier: BSD-2-Clause */
/* The forwarder of bpf/forward/ as native code: see forwarder.h. */
#include "forwarder.h"

#include "forward.h"
#include "inlay_sent.h"

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
	inlay_sent_drop(sent, pn);
}
