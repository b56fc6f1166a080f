/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any bytes as a peer's transport parameters, read for those of our extensions. What is accepted
 * keeps to the extensions' bounds, is written again, and read to the same.
 */
#include <stdlib.h>

#include "handshake_impl.h"

int LLVMFuzzerTestOneInput(const __u8 *data, size_t len);

int LLVMFuzzerTestOneInput(const __u8 *data, size_t len)
{
	struct inlay_transport_params p, again;
	struct inlay_writer w;
	__u8 room[64];

	if (!inlay_params_read_extensions(data, len, &p))
		return 0;
	if (p.min_ack_delay >= (1 << 14) * INLAY_MS || p.min_ack_delay % INLAY_US)
		abort();
	if (!p.has_min_ack_delay && p.min_ack_delay)
		abort();
	/* What is written goes without max_ack_delay, whose default is 25 ms. */
	if (p.min_ack_delay > 25 * INLAY_MS)
		return 0;
	w = inlay_writer_of(room, sizeof(room));
	if (!inlay_params_put_extensions(&w, &p, len * 0x9e3779b97f4a7c15ULL))
		abort();
	if (!inlay_params_read_extensions(room, inlay_writer_len(&w), &again) ||
	    again.has_min_ack_delay != p.has_min_ack_delay ||
	    again.min_ack_delay != p.min_ack_delay || again.reset_stream_at != p.reset_stream_at)
		abort();
	return 0;
}
