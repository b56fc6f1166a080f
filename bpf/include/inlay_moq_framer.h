/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Follows the framing of a subgroup stream that comes in pieces, without keeping them: what has to
 * be seen whole (headers) is gathered in a few bytes of its own; properties and payload are handed
 * out as they come. Where the stream was cut makes no difference, except to how properties and
 * payload are cut.
 *
 * Once the framer has said VIOLATION it says so for ever.
 */
#ifndef INLAY_MOQ_FRAMER_H
#define INLAY_MOQ_FRAMER_H

#include "inlay_moq.h"

enum inlay_moq_framer_state {
	INLAY_MOQ_FRAMER_HEADER = 0, /* zeroed memory is a framer at the start of a stream */
	INLAY_MOQ_FRAMER_OBJECT,     /* object ID and, if any, length of the properties */
	INLAY_MOQ_FRAMER_PROPERTIES,
	INLAY_MOQ_FRAMER_TAIL, /* payload length and status */
	INLAY_MOQ_FRAMER_PAYLOAD,
	INLAY_MOQ_FRAMER_ENDED, /* behind an END_OF_GROUP or END_OF_TRACK object */
	INLAY_MOQ_FRAMER_BROKEN,
};

enum inlay_moq_event_kind {
	INLAY_MOQ_EVENT_SUBGROUP = 1, /* framer.header is complete */
	INLAY_MOQ_EVENT_PROPERTIES,   /* some bytes of the coming object's properties */
	INLAY_MOQ_EVENT_OBJECT,	      /* framer.object is complete; its payload follows */
	INLAY_MOQ_EVENT_PAYLOAD,      /* some bytes of it */
};

struct inlay_moq_event {
	enum inlay_moq_event_kind kind;
	bool last;		      /* OBJECT, PAYLOAD: the object ends here */
	struct inlay_moq_bytes bytes; /* PROPERTIES, PAYLOAD: within the bytes fed */
};

struct inlay_moq_framer {
	struct inlay_moq_subgroup header;
	struct inlay_moq_object object; /* the current one; |properties| is always NULL */
	__u64 left;			/* bytes to come of properties or payload */
	__u64 objects;			/* whose ID is known, the current one included */
	__u8 state;			/* enum inlay_moq_framer_state */
	__u8 acc_len;
	__u8 acc[INLAY_MOQ18_SUBGROUP_HEADER_MAX];
};

/* May the stream end here? A FIN elsewhere is a PROTOCOL_VIOLATION (section 11.4). */
INLAY_INLINE bool inlay_moq_framer_may_end(const struct inlay_moq_framer *f)
{
	return f->acc_len == 0 &&
	       (f->state == INLAY_MOQ_FRAMER_OBJECT || f->state == INLAY_MOQ_FRAMER_ENDED);
}

/* What stands between the properties and the payload is at hand: decide where to go on. */
INLAY_INLINE void inlay_moq_framer_object_done(struct inlay_moq_framer *f,
					       struct inlay_moq_event *ret)
{
	ret->kind = INLAY_MOQ_EVENT_OBJECT;
	ret->last = f->object.payload_len == 0;
	f->left = f->object.payload_len;
	if (!ret->last)
		f->state = INLAY_MOQ_FRAMER_PAYLOAD;
	else if (f->object.status == INLAY_MOQ_STATUS_NORMAL)
		f->state = INLAY_MOQ_FRAMER_OBJECT;
	else
		f->state = INLAY_MOQ_FRAMER_ENDED;
}

/* ID and properties length. OK: the state has moved on, there is no event. */
INLAY_INLINE enum inlay_moq_verdict inlay_moq18_framer_object(struct inlay_moq_framer *f,
							      struct inlay_cursor *c)
{
	struct inlay_cursor d = *c;
	struct inlay_moq_object o = {0};
	__u64 delta;

	if (!inlay_vi64_get(&d, &delta))
		return INLAY_MOQ_MORE;
	if (!inlay_moq18_object_id(f->objects == 0, f->object.id, delta, &o.id))
		return INLAY_MOQ_VIOLATION;
	if (f->header.has_properties && !inlay_vi64_get(&d, &o.properties_len))
		return INLAY_MOQ_MORE;
	if (f->objects == 0 && f->header.id_mode == INLAY_MOQ_SUBGROUP_FIRST_OBJECT)
		f->header.subgroup = o.id;
	f->objects++;
	f->object = o;
	f->left = o.properties_len;
	f->state = f->left > 0 ? INLAY_MOQ_FRAMER_PROPERTIES : INLAY_MOQ_FRAMER_TAIL;
	*c = d;
	return INLAY_MOQ_OK;
}

/* One step of a state that wants its bytes together. |ret->kind| stays 0 where nothing is to tell.
 */
INLAY_INLINE enum inlay_moq_verdict inlay_moq18_framer_step(struct inlay_moq_framer *f,
							    struct inlay_cursor *c,
							    struct inlay_moq_event *ret)
{
	enum inlay_moq_verdict v;

	switch (f->state) {
	case INLAY_MOQ_FRAMER_HEADER:
		v = inlay_moq18_subgroup_parse(c, &f->header);
		if (v == INLAY_MOQ_OK) {
			ret->kind = INLAY_MOQ_EVENT_SUBGROUP;
			f->state = INLAY_MOQ_FRAMER_OBJECT;
		}
		return v;
	case INLAY_MOQ_FRAMER_OBJECT:
		return inlay_moq18_framer_object(f, c);
	default:
		v = inlay_moq18_object_tail_parse(c, &f->object);
		if (v == INLAY_MOQ_OK)
			inlay_moq_framer_object_done(f, ret);
		return v;
	}
}

/* Gathers a header byte by byte until the step above succeeds: none is longer than |acc|. */
INLAY_INLINE enum inlay_moq_verdict inlay_moq18_framer_gather(struct inlay_moq_framer *f,
							      struct inlay_cursor *c,
							      struct inlay_moq_event *ret)
{
	enum inlay_moq_verdict v;
	struct inlay_cursor a;
	__u8 byte;

	while (f->acc_len < sizeof(f->acc) && inlay_cursor_u8(c, &byte)) {
		f->acc[f->acc_len++] = byte;
		a = inlay_cursor_of(f->acc, f->acc_len);
		v = inlay_moq18_framer_step(f, &a, ret);
		if (v == INLAY_MOQ_OK)
			f->acc_len = 0;
		if (v != INLAY_MOQ_MORE)
			return v;
	}
	return INLAY_MOQ_MORE;
}

/* The next piece of properties or payload. */
INLAY_INLINE void inlay_moq_framer_pass(struct inlay_moq_framer *f, struct inlay_cursor *c,
					struct inlay_moq_event *ret)
{
	size_t len = inlay_cursor_left(c);

	if (len > f->left)
		len = f->left;
	ret->bytes.len = len;
	inlay_cursor_bytes(c, len, &ret->bytes.data);
	f->left -= len;
	if (f->state == INLAY_MOQ_FRAMER_PROPERTIES) {
		ret->kind = INLAY_MOQ_EVENT_PROPERTIES;
		if (f->left == 0)
			f->state = INLAY_MOQ_FRAMER_TAIL;
	} else {
		ret->kind = INLAY_MOQ_EVENT_PAYLOAD;
		ret->last = f->left == 0;
		if (ret->last)
			f->state = INLAY_MOQ_FRAMER_OBJECT;
	}
}

/*
 * Takes bytes from the cursor up to the next event. OK: |ret| is one; MORE: all bytes are taken,
 * feed more; VIOLATION: close the session.
 */
INLAY_INLINE enum inlay_moq_verdict inlay_moq18_framer_next(struct inlay_moq_framer *f,
							    struct inlay_cursor *c,
							    struct inlay_moq_event *ret)
{
	enum inlay_moq_verdict v;

	__builtin_memset(ret, 0, sizeof(*ret));
	while (inlay_cursor_left(c) > 0) {
		switch (f->state) {
		case INLAY_MOQ_FRAMER_PROPERTIES:
		case INLAY_MOQ_FRAMER_PAYLOAD:
			inlay_moq_framer_pass(f, c, ret);
			return INLAY_MOQ_OK;
		case INLAY_MOQ_FRAMER_ENDED: /* section 11.4.3: nothing can follow */
		case INLAY_MOQ_FRAMER_BROKEN:
			v = INLAY_MOQ_VIOLATION;
			break;
		default:
			v = inlay_moq18_framer_gather(f, c, ret);
			break;
		}
		if (v == INLAY_MOQ_VIOLATION)
			f->state = INLAY_MOQ_FRAMER_BROKEN;
		if (v != INLAY_MOQ_OK || ret->kind != 0)
			return v;
	}
	return f->state == INLAY_MOQ_FRAMER_BROKEN ? INLAY_MOQ_VIOLATION : INLAY_MOQ_MORE;
}

#endif
