/* SPDX-License-Identifier: BSD-2-Clause */
/* Any bytes as an object datagram: what parses is written again and parses to the same. */
#include <stdlib.h>
#include <string.h>

#include "inlay_moq.h"

int LLVMFuzzerTestOneInput(const __u8 *data, size_t len);

static bool same(struct inlay_moq_bytes a, struct inlay_moq_bytes b)
{
	return a.len == b.len && (a.len == 0 || !memcmp(a.data, b.data, a.len));
}

int LLVMFuzzerTestOneInput(const __u8 *data, size_t len)
{
	static __u8 out[4096];
	struct inlay_writer w = inlay_writer_of(out, sizeof(out));
	struct inlay_cursor c = inlay_cursor_of(data, len);
	struct inlay_moq_datagram o, again;

	if (len > sizeof(out) - 64 || inlay_moq18_datagram_parse(&c, &o) != INLAY_MOQ_OK ||
	    o.padding)
		return 0;
	if (o.payload.len > 0 && o.payload.data + o.payload.len != data + len)
		abort();
	if (!inlay_moq18_datagram_put(&w, &o) ||
	    !inlay_writer_bytes(&w, o.payload.data, o.payload.len))
		abort();
	c = inlay_cursor_of(out, inlay_writer_len(&w));
	if (inlay_moq18_datagram_parse(&c, &again) != INLAY_MOQ_OK)
		abort();
	if (again.alias != o.alias || again.group != o.group || again.object != o.object ||
	    again.status != o.status || again.has_status != o.has_status ||
	    again.priority != o.priority || again.has_priority != o.has_priority ||
	    again.end_of_group != o.end_of_group || !same(again.properties, o.properties) ||
	    !same(again.payload, o.payload))
		abort();
	return 0;
}
