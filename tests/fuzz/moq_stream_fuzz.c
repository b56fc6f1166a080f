/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any bytes as a subgroup stream: whole, byte by byte, and in pieces of the length that the last
 * byte gives, the framer must tell the same story; and, as far as headers go, the one that parsers
 * of whole headers tell.
 */
#include <stdlib.h>
#include <string.h>

#include "inlay_moq_framer.h"

int LLVMFuzzerTestOneInput(const __u8 *data, size_t len);

/* A running hash of what was told, pieces joined. */
struct story {
	__u64 hash;
	__u64 objects;
	__u64 bytes;
	enum inlay_moq_verdict verdict;
	bool may_end;
};

static void mix(struct story *s, __u64 v)
{
	s->hash = (s->hash ^ v) * 0x100000001b3ULL;
}

static void tell(struct story *s, const struct inlay_moq_framer *f, const struct inlay_moq_event *e)
{
	size_t i;

	switch (e->kind) {
	case INLAY_MOQ_EVENT_SUBGROUP:
		mix(s, f->header.alias);
		mix(s, f->header.group);
		mix(s, f->header.subgroup);
		break;
	case INLAY_MOQ_EVENT_OBJECT:
		s->objects++;
		mix(s, f->object.id);
		mix(s, f->object.payload_len);
		mix(s, f->object.properties_len);
		mix(s, f->object.status);
		break;
	case INLAY_MOQ_EVENT_PROPERTIES:
	case INLAY_MOQ_EVENT_PAYLOAD:
		if (e->bytes.len == 0)
			abort();
		s->bytes += e->bytes.len;
		for (i = 0; i < e->bytes.len; i++)
			mix(s, e->bytes.data[i]);
		break;
	}
	if (e->last)
		mix(s, 0x1a57);
}

static struct story follow(const __u8 *data, size_t len, size_t piece)
{
	struct inlay_moq_framer f = {0};
	struct inlay_moq_event e;
	struct inlay_cursor c;
	struct story s = {0};
	size_t at, n;

	s.verdict = INLAY_MOQ_MORE;
	for (at = 0; at < len && s.verdict == INLAY_MOQ_MORE; at += n) {
		n = len - at < piece ? len - at : piece;
		c = inlay_cursor_of(data + at, n);
		while ((s.verdict = inlay_moq18_framer_next(&f, &c, &e)) == INLAY_MOQ_OK) {
			if (e.bytes.len > 0 && (e.bytes.data < data + at ||
						e.bytes.data + e.bytes.len > data + at + n))
				abort();
			tell(&s, &f, &e);
		}
		if (s.verdict == INLAY_MOQ_MORE && inlay_cursor_left(&c) > 0)
			abort();
	}
	s.may_end = inlay_moq_framer_may_end(&f);
	return s;
}

/* The stream by the parsers of whole headers: how many objects, and what comes of it. */
static struct story parse(const __u8 *data, size_t len)
{
	struct inlay_cursor c = inlay_cursor_of(data, len);
	struct inlay_moq_subgroup h;
	struct inlay_moq_object o = {0};
	struct story s = {0};
	bool ended = false;

	s.verdict = inlay_moq18_subgroup_parse(&c, &h);
	while (s.verdict == INLAY_MOQ_OK) {
		if (inlay_cursor_left(&c) == 0) {
			s.verdict = INLAY_MOQ_MORE;
			s.may_end = true;
		} else if (ended) {
			s.verdict = INLAY_MOQ_VIOLATION;
		} else {
			s.verdict = inlay_moq18_object_parse(&c, &h, s.objects == 0, o.id, &o);
			if (s.verdict != INLAY_MOQ_OK)
				break;
			s.objects++;
			ended = o.status != INLAY_MOQ_STATUS_NORMAL;
			if (!inlay_cursor_skip(&c, o.payload_len))
				s.verdict = INLAY_MOQ_MORE;
		}
	}
	return s;
}

int LLVMFuzzerTestOneInput(const __u8 *data, size_t len)
{
	struct story whole = follow(data, len, len ? len : 1), single = follow(data, len, 1),
		     pieces, parsed = parse(data, len);

	pieces = follow(data, len, len ? 1 + data[len - 1] : 1);
	if (whole.hash != single.hash || whole.objects != single.objects ||
	    whole.bytes != single.bytes || whole.verdict != single.verdict ||
	    whole.may_end != single.may_end)
		abort();
	if (whole.hash != pieces.hash || whole.verdict != pieces.verdict ||
	    whole.may_end != pieces.may_end)
		abort();
	if (parsed.objects != whole.objects || parsed.verdict != whole.verdict ||
	    parsed.may_end != whole.may_end)
		abort();
	return 0;
}
