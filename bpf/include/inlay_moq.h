/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Media over QUIC Transport on the wire: integers, key-value pairs, the headers of subgroup streams
 * and of object datagrams. Section numbers are of draft-ietf-moq-transport-18. What differs between
 * drafts carries the draft's number (inlay_moq18_...); structs do not, so that another draft's
 * parsers fill the same ones.
 *
 * Streams arrive in pieces, so a parser says whether bytes are malformed or not all there yet; it
 * moves the cursor only when it succeeds. A stream whose pieces cannot be kept together goes
 * through the framer of inlay_moq_framer.h.
 */
#ifndef INLAY_MOQ_H
#define INLAY_MOQ_H

#include "inlay_cursor.h"
#include "inlay_writer.h"

enum inlay_moq_verdict {
	INLAY_MOQ_OK = 0,
	INLAY_MOQ_MORE,		   /* not all bytes there yet */
	INLAY_MOQ_VIOLATION,	   /* close the session: PROTOCOL_VIOLATION */
	INLAY_MOQ_KV_FORMATTING,   /* close the session: KEY_VALUE_FORMATTING_ERROR */
	INLAY_MOQ_MALFORMED_TRACK, /* end the track's subscriptions and fetches, not the session */
};

/* Bytes that somebody else holds. */
struct inlay_moq_bytes {
	const __u8 *data;
	size_t len;
};

struct inlay_moq_location {
	__u64 group;
	__u64 object;
};

INLAY_INLINE bool inlay_moq_location_less(struct inlay_moq_location a, struct inlay_moq_location b)
{
	return a.group < b.group || (a.group == b.group && a.object < b.object);
}

/* --- Integers with leading ones, "vi64" (1.4.1) --------------------------------------------- */

#define INLAY_VI64_MAX_LEN 9

/* Length of an encoding, by its first byte: 1 to 9. */
INLAY_INLINE __u8 inlay_vi64_len_of(__u8 first)
{
#ifdef __bpf__
	/* The zeros at its end, once the leading ones are gone: without a branch, each of which
	 * would be one more path for the verifier. */
	__u32 v = (__u8)~first;

	v |= v >> 1;
	v |= v >> 2;
	v |= v >> 4;
	v -= v >> 1 & 0x55;
	v = (v & 0x33) + (v >> 2 & 0x33);
	return (__u8)(9 - ((v + (v >> 4)) & 0xf));
#else
	__u8 len = 1;

	while (len < INLAY_VI64_MAX_LEN && (first & 0x80)) {
		first = (__u8)(first << 1);
		len++;
	}
	return len;
#endif
}

/* Any length that holds the value is valid, so false is always: not all bytes there. */
INLAY_INLINE bool inlay_vi64_get(struct inlay_cursor *c, __u64 *ret)
{
	struct inlay_cursor d = *c;
	__u8 first, len;
	__u64 v;

	if (!inlay_cursor_u8(&d, &first))
		return false;
	len = inlay_vi64_len_of(first);
	if (!inlay_cursor_uint(&d, len - 1U, &v))
		return false;
	/* The first byte's own bits; with eight and nine bytes it has none. */
	if (len < 8)
		v |= (__u64)(first & (0x7fU >> (len - 1))) << (8 * (len - 1));
	*ret = v;
	*c = d;
	return true;
}

/* Bytes of the shortest encoding. */
INLAY_INLINE size_t inlay_vi64_len(__u64 v)
{
	size_t len;

	for (len = 1; len < INLAY_VI64_MAX_LEN - 1; len++)
		if (v < 1ULL << (7 * len))
			return len;
	return v < 1ULL << 56 ? 8 : 9;
}

/* |len|: bytes to use, at least inlay_vi64_len(v), at most 9. False: no room. */
INLAY_INLINE bool inlay_vi64_put_sized(struct inlay_writer *w, __u64 v, size_t len)
{
	if (len < inlay_vi64_len(v) || len > INLAY_VI64_MAX_LEN || !inlay_writer_has(w, len))
		return false;
	if (len == INLAY_VI64_MAX_LEN) /* the first byte has no bit of |v| */
		return inlay_writer_u8(w, 0xff) && inlay_writer_uint(w, v, 8);
	/* As many ones as bytes follow, then a zero, then the number: it has 7 * len bits. */
	return inlay_writer_uint(w, v | (0xff00ULL >> (len - 1) & 0xff) << (8 * (len - 1)), len);
}

INLAY_INLINE bool inlay_vi64_put(struct inlay_writer *w, __u64 v)
{
	return inlay_vi64_put_sized(w, v, inlay_vi64_len(v));
}

/* A vi64 length and that many bytes. MORE also where the length alone is beyond the end. */
INLAY_INLINE bool inlay_moq18_bytes_get(struct inlay_cursor *c, struct inlay_moq_bytes *ret)
{
	struct inlay_cursor d = *c;
	const __u8 *data;
	__u64 len;

	if (!inlay_vi64_get(&d, &len) || !inlay_cursor_bytes(&d, len, &data))
		return false;
	*c = d;
	ret->data = data;
	ret->len = len;
	return true;
}

INLAY_INLINE bool inlay_moq18_bytes_put(struct inlay_writer *w, struct inlay_moq_bytes b)
{
	struct inlay_writer t = *w;

	if (!inlay_vi64_put(&t, b.len) || !inlay_writer_bytes(&t, b.data, b.len))
		return false;
	*w = t;
	return true;
}

/* --- Key-value pairs (1.4.3): setup options and properties ---------------------------------- */

#define INLAY_MOQ_KV_LEN_MAX 0xffff

struct inlay_moq_kv {
	__u64 type;
	__u64 value;		      /* even types */
	struct inlay_moq_bytes bytes; /* odd types */
};

/* Goes on while the cursor has bytes left. */
struct inlay_moq_kv_iter {
	struct inlay_cursor c;
	__u64 type; /* of the pair before; 0 at the start */
};

INLAY_INLINE struct inlay_moq_kv_iter inlay_moq_kv_iter_of(struct inlay_moq_bytes b)
{
	struct inlay_moq_kv_iter it = {.c = inlay_cursor_of(b.data, b.len)};

	return it;
}

INLAY_INLINE bool inlay_moq_kv_left(const struct inlay_moq_kv_iter *it)
{
	return inlay_cursor_left(&it->c) > 0;
}

/* OK; VIOLATION; KV_FORMATTING: cut short. */
INLAY_INLINE enum inlay_moq_verdict inlay_moq18_kv_next(struct inlay_moq_kv_iter *it,
							struct inlay_moq_kv *ret)
{
	struct inlay_cursor d = it->c;
	struct inlay_moq_kv kv = {0};
	__u64 delta, len;

	if (!inlay_vi64_get(&d, &delta))
		return INLAY_MOQ_KV_FORMATTING;
	kv.type = it->type + delta;
	if (kv.type < delta)
		return INLAY_MOQ_VIOLATION;
	if (kv.type & 1) {
		if (!inlay_vi64_get(&d, &len))
			return INLAY_MOQ_KV_FORMATTING;
		if (len > INLAY_MOQ_KV_LEN_MAX)
			return INLAY_MOQ_VIOLATION;
		if (!inlay_cursor_bytes(&d, len, &kv.bytes.data))
			return INLAY_MOQ_KV_FORMATTING;
		kv.bytes.len = len;
	} else if (!inlay_vi64_get(&d, &kv.value)) {
		return INLAY_MOQ_KV_FORMATTING;
	}
	it->c = d;
	it->type = kv.type;
	*ret = kv;
	return INLAY_MOQ_OK;
}

/* Types ascend; |*prev| starts at 0 and is kept by this function. False: no room, or not ascending.
 */
INLAY_INLINE bool inlay_moq18_kv_put(struct inlay_writer *w, __u64 *prev,
				     const struct inlay_moq_kv *kv)
{
	struct inlay_writer t = *w;

	if (kv->type < *prev || !inlay_vi64_put(&t, kv->type - *prev))
		return false;
	if (!(kv->type & 1 ? kv->bytes.len <= INLAY_MOQ_KV_LEN_MAX &&
				     inlay_moq18_bytes_put(&t, kv->bytes)
			   : inlay_vi64_put(&t, kv->value)))
		return false;
	*w = t;
	*prev = kv->type;
	return true;
}

/* Property types (section 15.8). */
enum inlay_moq_property {
	INLAY_MOQ_PROP_OBJECT_DELIVERY_TIMEOUT = 0x02,
	INLAY_MOQ_PROP_MAX_CACHE_DURATION = 0x04,
	INLAY_MOQ_PROP_SUBGROUP_DELIVERY_TIMEOUT = 0x06,
	INLAY_MOQ_PROP_IMMUTABLE = 0x0b,
	INLAY_MOQ_PROP_DEFAULT_PUBLISHER_PRIORITY = 0x0e,
	INLAY_MOQ_PROP_DEFAULT_PUBLISHER_GROUP_ORDER = 0x22,
	INLAY_MOQ_PROP_DYNAMIC_GROUPS = 0x30,
	INLAY_MOQ_PROP_PRIOR_GROUP_ID_GAP = 0x3c,
	INLAY_MOQ_PROP_PRIOR_OBJECT_ID_GAP = 0x3e,
};

/* A track with one of these that the receiver does not understand is not processed (2.5.1). */
INLAY_INLINE bool inlay_moq18_property_is_mandatory(__u64 type)
{
	return type >= 0x4000 && type <= 0x7fff;
}

/* --- Streams (3.4) -------------------------------------------------------------------------- */

enum inlay_moq18_stream_type {
	INLAY_MOQ18_STREAM_FETCH = 0x05,
	INLAY_MOQ18_STREAM_SETUP = 0x2f00,
	INLAY_MOQ18_STREAM_PADDING = 0x132b3e28,
};
#define INLAY_MOQ18_DATAGRAM_PADDING 0x132b3e29

/* SUBGROUP_HEADER type bits (11.4.2). */
enum inlay_moq18_subgroup_bits {
	INLAY_MOQ18_SUBGROUP_PROPERTIES = 0x01,
	INLAY_MOQ18_SUBGROUP_ID_MODE = 0x06,
	INLAY_MOQ18_SUBGROUP_END_OF_GROUP = 0x08,
	INLAY_MOQ18_SUBGROUP_FORM = 0x10,
	INLAY_MOQ18_SUBGROUP_DEFAULT_PRIORITY = 0x20,
	INLAY_MOQ18_SUBGROUP_FIRST_OBJECT = 0x40,
};

/* Where a subgroup's ID stands. */
enum inlay_moq_subgroup_id {
	INLAY_MOQ_SUBGROUP_ZERO = 0,	     /* it is 0 */
	INLAY_MOQ_SUBGROUP_FIRST_OBJECT = 1, /* it is the ID of the stream's first object */
	INLAY_MOQ_SUBGROUP_PRESENT = 2,
};

struct inlay_moq_subgroup {
	__u64 alias;
	__u64 group;
	__u64 subgroup; /* FIRST_OBJECT: 0 until the first object is known */
	enum inlay_moq_subgroup_id id_mode;
	__u8 priority; /* only if |has_priority|; else the track's default holds */
	bool has_priority;
	bool has_properties; /* every object carries a properties length */
	bool end_of_group;   /* a FIN also ends the group */
	bool first_object;   /* starts with the first object ever published in the subgroup */
};

/* True for the types that a subgroup stream can begin with, reserved ID mode excluded. */
INLAY_INLINE bool inlay_moq18_is_subgroup(__u64 type)
{
	return type <= 0x7f && (type & INLAY_MOQ18_SUBGROUP_FORM) &&
	       (type & INLAY_MOQ18_SUBGROUP_ID_MODE) != INLAY_MOQ18_SUBGROUP_ID_MODE;
}

/* Longest header, longest encodings: what an accumulator has to hold. */
#define INLAY_MOQ18_SUBGROUP_HEADER_MAX (4 * INLAY_VI64_MAX_LEN + 1)

/* OK; MORE; VIOLATION: no subgroup header. The cursor stands at the stream's first byte. */
INLAY_INLINE enum inlay_moq_verdict inlay_moq18_subgroup_parse(struct inlay_cursor *c,
							       struct inlay_moq_subgroup *ret)
{
	struct inlay_cursor d = *c;
	struct inlay_moq_subgroup h = {0};
	__u64 type;

	if (!inlay_vi64_get(&d, &type))
		return INLAY_MOQ_MORE;
	if (!inlay_moq18_is_subgroup(type))
		return INLAY_MOQ_VIOLATION;
	h.id_mode = (enum inlay_moq_subgroup_id)((type & INLAY_MOQ18_SUBGROUP_ID_MODE) >> 1);
	h.has_priority = !(type & INLAY_MOQ18_SUBGROUP_DEFAULT_PRIORITY);
	h.has_properties = type & INLAY_MOQ18_SUBGROUP_PROPERTIES;
	h.end_of_group = type & INLAY_MOQ18_SUBGROUP_END_OF_GROUP;
	h.first_object = type & INLAY_MOQ18_SUBGROUP_FIRST_OBJECT;
	if (!inlay_vi64_get(&d, &h.alias) || !inlay_vi64_get(&d, &h.group))
		return INLAY_MOQ_MORE;
	if (h.id_mode == INLAY_MOQ_SUBGROUP_PRESENT && !inlay_vi64_get(&d, &h.subgroup))
		return INLAY_MOQ_MORE;
	if (h.has_priority && !inlay_cursor_u8(&d, &h.priority))
		return INLAY_MOQ_MORE;
	*c = d;
	*ret = h;
	return INLAY_MOQ_OK;
}

/* |alias_len|: bytes of the alias, at least inlay_vi64_len() of it. False: no room. */
INLAY_INLINE bool inlay_moq18_subgroup_put_sized(struct inlay_writer *w,
						 const struct inlay_moq_subgroup *h,
						 size_t alias_len)
{
	struct inlay_writer t = *w;
	__u64 type = INLAY_MOQ18_SUBGROUP_FORM | (__u64)h->id_mode << 1;

	type |= h->has_properties ? INLAY_MOQ18_SUBGROUP_PROPERTIES : 0;
	type |= h->end_of_group ? INLAY_MOQ18_SUBGROUP_END_OF_GROUP : 0;
	type |= h->has_priority ? 0 : INLAY_MOQ18_SUBGROUP_DEFAULT_PRIORITY;
	type |= h->first_object ? INLAY_MOQ18_SUBGROUP_FIRST_OBJECT : 0;
	if (!inlay_vi64_put(&t, type) || !inlay_vi64_put_sized(&t, h->alias, alias_len) ||
	    !inlay_vi64_put(&t, h->group))
		return false;
	if (h->id_mode == INLAY_MOQ_SUBGROUP_PRESENT && !inlay_vi64_put(&t, h->subgroup))
		return false;
	if (h->has_priority && !inlay_writer_u8(&t, h->priority))
		return false;
	*w = t;
	return true;
}

/* False: no room. */
INLAY_INLINE bool inlay_moq18_subgroup_put(struct inlay_writer *w,
					   const struct inlay_moq_subgroup *h)
{
	return inlay_moq18_subgroup_put_sized(w, h, inlay_vi64_len(h->alias));
}

/* --- Objects in a subgroup stream (11.4.2) -------------------------------------------------- */

/* Object status (11.2.1.1). */
enum inlay_moq_status {
	INLAY_MOQ_STATUS_NORMAL = 0x0,
	INLAY_MOQ_STATUS_END_OF_GROUP = 0x3,
	INLAY_MOQ_STATUS_END_OF_TRACK = 0x4,
};

INLAY_INLINE bool inlay_moq_status_is_valid(__u64 status)
{
	return status == INLAY_MOQ_STATUS_NORMAL || status == INLAY_MOQ_STATUS_END_OF_GROUP ||
	       status == INLAY_MOQ_STATUS_END_OF_TRACK;
}

/* An object's header; the payload follows on the stream. */
struct inlay_moq_object {
	__u64 id;
	__u64 payload_len;
	__u64 properties_len;
	const __u8 *properties; /* NULL from the framer, which hands them out as they come */
	enum inlay_moq_status status;
};

/* The object ID after |prev|. |first|: there is none before. */
INLAY_INLINE bool inlay_moq18_object_id(bool first, __u64 prev, __u64 delta, __u64 *ret)
{
	__u64 id = first ? delta : prev + delta + 1;

	if (!first && (prev == ~0ULL || delta > ~0ULL - prev - 1))
		return false;
	*ret = id;
	return true;
}

/* Payload length and, if that is 0, status: what stands behind the properties. */
INLAY_INLINE enum inlay_moq_verdict inlay_moq18_object_tail_parse(struct inlay_cursor *c,
								  struct inlay_moq_object *o)
{
	struct inlay_cursor d = *c;
	__u64 status = INLAY_MOQ_STATUS_NORMAL;

	if (!inlay_vi64_get(&d, &o->payload_len))
		return INLAY_MOQ_MORE;
	if (o->payload_len == 0) {
		if (!inlay_vi64_get(&d, &status))
			return INLAY_MOQ_MORE;
		/* Section 11.2.1.1; only normal objects have properties, 11.2.1.2. */
		if (!inlay_moq_status_is_valid(status) ||
		    (status != INLAY_MOQ_STATUS_NORMAL && o->properties_len > 0))
			return INLAY_MOQ_VIOLATION;
	}
	o->status = (enum inlay_moq_status)status;
	*c = d;
	return INLAY_MOQ_OK;
}

/* OK; MORE; VIOLATION. |first|: no object before this one on the stream, whose ID would be |prev|.
 */
INLAY_INLINE enum inlay_moq_verdict inlay_moq18_object_parse(struct inlay_cursor *c,
							     const struct inlay_moq_subgroup *h,
							     bool first, __u64 prev,
							     struct inlay_moq_object *ret)
{
	struct inlay_cursor d = *c;
	struct inlay_moq_object o = {0};
	enum inlay_moq_verdict v;
	__u64 delta;

	if (!inlay_vi64_get(&d, &delta))
		return INLAY_MOQ_MORE;
	if (!inlay_moq18_object_id(first, prev, delta, &o.id))
		return INLAY_MOQ_VIOLATION;
	if (h->has_properties && (!inlay_vi64_get(&d, &o.properties_len) ||
				  !inlay_cursor_bytes(&d, o.properties_len, &o.properties)))
		return INLAY_MOQ_MORE;
	v = inlay_moq18_object_tail_parse(&d, &o);
	if (v != INLAY_MOQ_OK)
		return v;
	*c = d;
	*ret = o;
	return INLAY_MOQ_OK;
}

/* Everything before the payload. False: no room, or |o| cannot follow |prev| or is against the
 * rules. */
INLAY_INLINE bool inlay_moq18_object_put(struct inlay_writer *w, const struct inlay_moq_subgroup *h,
					 bool first, __u64 prev, const struct inlay_moq_object *o)
{
	struct inlay_writer t = *w;

	if (!first && o->id <= prev)
		return false;
	if (o->status != INLAY_MOQ_STATUS_NORMAL && (o->payload_len > 0 || o->properties_len > 0))
		return false;
	if (!h->has_properties && o->properties_len > 0)
		return false;
	if (!inlay_vi64_put(&t, first ? o->id : o->id - prev - 1))
		return false;
	if (h->has_properties && (!inlay_vi64_put(&t, o->properties_len) ||
				  !inlay_writer_bytes(&t, o->properties, o->properties_len)))
		return false;
	if (!inlay_vi64_put(&t, o->payload_len) ||
	    (o->payload_len == 0 && !inlay_vi64_put(&t, o->status)))
		return false;
	*w = t;
	return true;
}

/* --- Object datagrams (11.3.1) -------------------------------------------------------------- */

enum inlay_moq18_datagram_bits {
	INLAY_MOQ18_DATAGRAM_PROPERTIES = 0x01,
	INLAY_MOQ18_DATAGRAM_END_OF_GROUP = 0x02,
	INLAY_MOQ18_DATAGRAM_ZERO_OBJECT_ID = 0x04,
	INLAY_MOQ18_DATAGRAM_DEFAULT_PRIORITY = 0x08,
	INLAY_MOQ18_DATAGRAM_STATUS = 0x20,
};

struct inlay_moq_datagram {
	__u64 alias;
	__u64 group;
	__u64 object;
	enum inlay_moq_status status;
	__u8 priority; /* only if |has_priority| */
	bool has_priority;
	bool has_status; /* the status is spelt out and there is no payload */
	bool end_of_group;
	bool padding; /* not an object: to be discarded, and nothing else here is set */
	struct inlay_moq_bytes properties;
	struct inlay_moq_bytes payload;
};

INLAY_INLINE bool inlay_moq18_is_datagram(__u64 type)
{
	return type <= 0x2f && !(type & 0x10) &&
	       !((type & INLAY_MOQ18_DATAGRAM_STATUS) &&
		 (type & INLAY_MOQ18_DATAGRAM_END_OF_GROUP));
}

/* OK or VIOLATION: a datagram is whole. The cursor ends at the payload. */
INLAY_INLINE enum inlay_moq_verdict inlay_moq18_datagram_parse(struct inlay_cursor *c,
							       struct inlay_moq_datagram *ret)
{
	struct inlay_cursor d = *c;
	struct inlay_moq_datagram o = {0};
	__u64 type, status = INLAY_MOQ_STATUS_NORMAL;

	if (!inlay_vi64_get(&d, &type))
		return INLAY_MOQ_VIOLATION;
	if (type == INLAY_MOQ18_DATAGRAM_PADDING) {
		o.padding = true;
		*ret = o;
		return INLAY_MOQ_OK;
	}
	if (!inlay_moq18_is_datagram(type) || !inlay_vi64_get(&d, &o.alias) ||
	    !inlay_vi64_get(&d, &o.group))
		return INLAY_MOQ_VIOLATION;
	o.end_of_group = type & INLAY_MOQ18_DATAGRAM_END_OF_GROUP;
	o.has_status = type & INLAY_MOQ18_DATAGRAM_STATUS;
	o.has_priority = !(type & INLAY_MOQ18_DATAGRAM_DEFAULT_PRIORITY);
	if (!(type & INLAY_MOQ18_DATAGRAM_ZERO_OBJECT_ID) && !inlay_vi64_get(&d, &o.object))
		return INLAY_MOQ_VIOLATION;
	if (o.has_priority && !inlay_cursor_u8(&d, &o.priority))
		return INLAY_MOQ_VIOLATION;
	if ((type & INLAY_MOQ18_DATAGRAM_PROPERTIES) &&
	    (!inlay_moq18_bytes_get(&d, &o.properties) || o.properties.len == 0))
		return INLAY_MOQ_VIOLATION;
	if (o.has_status && (!inlay_vi64_get(&d, &status) || !inlay_moq_status_is_valid(status) ||
			     (status != INLAY_MOQ_STATUS_NORMAL && o.properties.len > 0) ||
			     inlay_cursor_left(&d) > 0))
		return INLAY_MOQ_VIOLATION;
	o.status = (enum inlay_moq_status)status;
	*c = d;
	o.payload.len = inlay_cursor_left(&d);
	inlay_cursor_bytes(&d, o.payload.len, &o.payload.data);
	*ret = o;
	return INLAY_MOQ_OK;
}

/*
 * A datagram's beginning: up to the length of the properties, whose bytes the caller appends, where
 * it has any; else all but the payload. |alias_len|: bytes of the alias, at least inlay_vi64_len()
 * of it. False: no room, or against the rules.
 */
INLAY_INLINE bool inlay_moq18_datagram_put_sized(struct inlay_writer *w,
						 const struct inlay_moq_datagram *o,
						 size_t alias_len)
{
	bool has_status = o->has_status || o->status != INLAY_MOQ_STATUS_NORMAL;
	struct inlay_writer t = *w;
	__u64 type = 0;

	if (has_status && (o->end_of_group || o->payload.len > 0 ||
			   (o->status != INLAY_MOQ_STATUS_NORMAL && o->properties.len > 0)))
		return false;
	type |= o->properties.len > 0 ? INLAY_MOQ18_DATAGRAM_PROPERTIES : 0;
	type |= o->end_of_group ? INLAY_MOQ18_DATAGRAM_END_OF_GROUP : 0;
	type |= o->object == 0 ? INLAY_MOQ18_DATAGRAM_ZERO_OBJECT_ID : 0;
	type |= o->has_priority ? 0 : INLAY_MOQ18_DATAGRAM_DEFAULT_PRIORITY;
	type |= has_status ? INLAY_MOQ18_DATAGRAM_STATUS : 0;
	if (!inlay_vi64_put(&t, type) || !inlay_vi64_put_sized(&t, o->alias, alias_len) ||
	    !inlay_vi64_put(&t, o->group) || (o->object != 0 && !inlay_vi64_put(&t, o->object)) ||
	    (o->has_priority && !inlay_writer_u8(&t, o->priority)))
		return false;
	if (o->properties.len > 0 ? !inlay_vi64_put(&t, o->properties.len)
				  : has_status && !inlay_vi64_put(&t, o->status))
		return false;
	*w = t;
	return true;
}

/* Everything before the payload, which the caller appends. False: no room, or against the rules. */
INLAY_INLINE bool inlay_moq18_datagram_put(struct inlay_writer *w,
					   const struct inlay_moq_datagram *o)
{
	struct inlay_writer t = *w;

	if (!inlay_moq18_datagram_put_sized(&t, o, inlay_vi64_len(o->alias)) ||
	    !inlay_writer_bytes(&t, o->properties.data, o->properties.len))
		return false;
	/* A status behind properties is NORMAL: checked above. */
	if (o->properties.len > 0 && o->has_status && !inlay_vi64_put(&t, o->status))
		return false;
	*w = t;
	return true;
}

#endif
