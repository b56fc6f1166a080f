/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any bytes as a datagram: coalesced long headers, then a short one; and as a clear packet, the
 * first byte giving the length of the connection ID. Everything handed out lies within the
 * datagram.
 */
#include <stdlib.h>
#include <string.h>

#include "inlay_quic_write.h"

int LLVMFuzzerTestOneInput(const __u8 *data, size_t len);

static void check_inside(const __u8 *data, size_t len, const __u8 *p, __u64 n)
{
	if (p < data || n > len || p > data + len - n)
		abort();
}

static void walk(const __u8 *data, size_t len, __u8 cid_len)
{
	struct inlay_cursor c = inlay_cursor_of(data, len);
	struct inlay_quic_long_v1 v;
	struct inlay_quic_short s;
	struct inlay_quic_long h;
	const __u8 *start;

	for (;;) {
		start = c.pos;
		if (!inlay_quic_long_parse(&c, &h))
			break;
		check_inside(data, len, h.dcid, h.dcid_len);
		check_inside(data, len, h.scid, h.scid_len);
		if (!inlay_quic_long_v1_parse(&c, &h, &v))
			return;
		check_inside(data, len, v.token, v.token_len);
		check_inside(data, len, v.payload, v.payload_len);
		if (v.payload + v.payload_len != c.pos || c.pos <= start)
			abort();
	}
	if (c.pos != start)
		abort();
	if (inlay_quic_short_parse(&c, cid_len, &s))
		check_inside(data, len, s.dcid, cid_len);
	else if (c.pos != start)
		abort();
}

/* What parses as a clear packet is written again, byte for byte. */
static void clear(const __u8 *data, size_t len, __u8 cid_len)
{
	static __u8 out[INLAY_FRAME_MAX];
	struct inlay_writer w = inlay_writer_of(out, len);
	struct inlay_quic_clear p;
	struct inlay_cid cid;
	size_t frames;

	if (!inlay_quic_clear_parse(data, len, cid_len, &p))
		return;
	frames = inlay_cursor_left(&p.frames);
	check_inside(data, len, p.frames.pos, frames);
	if (p.hdr_len + frames + INLAY_TAG != len || !inlay_cid_set(&cid, p.dcid, cid_len))
		abort();
	if (!inlay_quic_put_short(&w, &cid, p.pn, p.pn_len) ||
	    !inlay_writer_bytes(&w, p.frames.pos, frames) ||
	    !inlay_quic_put_desc(&w, p.sa, p.generation, p.desc_flags, p.hdr_len, p.pn))
		abort();
	/* Spin, phase and reserved bits are not the writer's. */
	if (memcmp(out + 1, data + 1, len - 1) || (out[0] ^ data[0]) & ~0x3c)
		abort();
}

int LLVMFuzzerTestOneInput(const __u8 *data, size_t len)
{
	__u8 cid_len;

	if (len < 1 || len > INLAY_FRAME_MAX)
		return 0;
	cid_len = data[0] % (INLAY_CID_MAX + 1);
	walk(data + 1, len - 1, cid_len);
	walk(data, len, INLAY_OWN_CID);
	clear(data + 1, len - 1, cid_len);
	clear(data, len, INLAY_OWN_CID);
	return 0;
}
