/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * QUIC frames, for reading: all of RFC 9000 section 19, DATAGRAM (RFC 9221), ACK_FREQUENCY and
 * IMMEDIATE_ACK (draft-ietf-quic-ack-frequency), RESET_STREAM_AT
 * (draft-ietf-quic-reliable-stream-reset).
 *
 * Every pointer that a parser hands out points into the packet and its length has been checked. A
 * frame that parses is well-formed; what depends on a connection's state (limits, stream
 * directions, which role may send what, which extensions were announced) is the engine's to check.
 */
#ifndef INLAY_QUIC_FRAME_H
#define INLAY_QUIC_FRAME_H

#include "inlay_loop.h"
#include "inlay_quic.h"

#define INLAY_QUIC_STREAMS_MAX (1ULL << 60) /* RFC 9000 section 19.11 */

/* Frame types. Those that come in several forms are reported under the first of them. */
enum inlay_quic_frame_type {
	INLAY_QUIC_PADDING = 0x00,
	INLAY_QUIC_PING = 0x01,
	INLAY_QUIC_ACK = 0x02, /* 0x03: with ECN counts */
	INLAY_QUIC_RESET_STREAM = 0x04,
	INLAY_QUIC_STOP_SENDING = 0x05,
	INLAY_QUIC_CRYPTO = 0x06,
	INLAY_QUIC_NEW_TOKEN = 0x07,
	INLAY_QUIC_STREAM = 0x08, /* to 0x0f: FIN 0x01, LEN 0x02, OFF 0x04 */
	INLAY_QUIC_MAX_DATA = 0x10,
	INLAY_QUIC_MAX_STREAM_DATA = 0x11,
	INLAY_QUIC_MAX_STREAMS = 0x12, /* bidirectional; 0x13: unidirectional */
	INLAY_QUIC_DATA_BLOCKED = 0x14,
	INLAY_QUIC_STREAM_DATA_BLOCKED = 0x15,
	INLAY_QUIC_STREAMS_BLOCKED = 0x16, /* bidirectional; 0x17: unidirectional */
	INLAY_QUIC_NEW_CONNECTION_ID = 0x18,
	INLAY_QUIC_RETIRE_CONNECTION_ID = 0x19,
	INLAY_QUIC_PATH_CHALLENGE = 0x1a,
	INLAY_QUIC_PATH_RESPONSE = 0x1b,
	INLAY_QUIC_CONNECTION_CLOSE = 0x1c, /* of the transport; 0x1d: of the application */
	INLAY_QUIC_HANDSHAKE_DONE = 0x1e,
	INLAY_QUIC_IMMEDIATE_ACK = 0x1f,
	INLAY_QUIC_RESET_STREAM_AT = 0x24,
	INLAY_QUIC_DATAGRAM = 0x30, /* 0x31: with a length */
	INLAY_QUIC_ACK_FREQUENCY = 0xaf,
};

enum inlay_quic_stream_bits {
	INLAY_QUIC_STREAM_FIN = 0x01,
	INLAY_QUIC_STREAM_LEN = 0x02,
	INLAY_QUIC_STREAM_OFF = 0x04,
};

/* Packet numbers [begin, end). */
struct inlay_quic_range {
	__u64 begin;
	__u64 end;
};

struct inlay_quic_ecn_counts {
	__u64 ect0;
	__u64 ect1;
	__u64 ce;
};

/* Ranges are valid (none below zero) once the frame has been parsed: inlay_quic_ack_next(). */
struct inlay_quic_ack {
	__u64 largest;
	__u64 delay; /* as on the wire: to be shifted by the peer's ack_delay_exponent */
	__u64 first_range;
	__u64 range_count; /* behind the first */
	struct inlay_cursor ranges;
	bool has_ecn;
	struct inlay_quic_ecn_counts ecn;
};

struct inlay_quic_stream {
	__u64 id;
	__u64 offset;
	__u64 len;
	const __u8 *data;
	bool fin;
	bool has_len; /* false: the frame goes to the packet's end */
};

struct inlay_quic_new_cid {
	__u64 sequence;
	__u64 retire_prior_to;
	__u8 cid_len; /* 1 to 20 */
	const __u8 *cid;
	const __u8 *token; /* 16 bytes */
};

struct inlay_quic_close {
	__u64 code;
	__u64 frame_type; /* transport only; 0 otherwise */
	__u64 reason_len;
	const __u8 *reason; /* not terminated, in no way trustworthy */
	bool application;
};

struct inlay_quic_ack_frequency {
	__u64 sequence;
	__u64 threshold;    /* ack-eliciting packets that may go without an ACK */
	__u64 max_delay_us; /* requested max_ack_delay */
	__u64 reordering;
};

struct inlay_quic_frame {
	enum inlay_quic_frame_type type; /* first of its forms */
	__u64 wire_type;		 /* set if it could be read, known or not */
	union {
		struct inlay_quic_ack ack;
		struct inlay_quic_stream stream; /* STREAM; CRYPTO without id and fin */
		struct {
			__u64 id;
			__u64 code;
			__u64 final_size; /* but STOP_SENDING */
			__u64 reliable;	  /* RESET_STREAM_AT: bytes that come all the same */
		} reset;		  /* RESET_STREAM, RESET_STREAM_AT, STOP_SENDING */
		struct {
			__u64 id; /* the two of a stream */
			__u64 limit;
			bool bidi; /* MAX_STREAMS, STREAMS_BLOCKED */
		} limit;	   /* MAX_*, *_BLOCKED */
		struct {
			__u64 len;
			const __u8 *data;
			bool has_len;
		} bytes; /* NEW_TOKEN, DATAGRAM; PADDING: len alone, of the run */
		struct inlay_quic_new_cid new_cid;
		__u64 retire_sequence;
		const __u8 *path_data; /* 8 bytes: PATH_CHALLENGE, PATH_RESPONSE */
		struct inlay_quic_close close;
		struct inlay_quic_ack_frequency frequency;
	};
};

/* All frames but ACK, PADDING and CONNECTION_CLOSE (RFC 9000 section 1.2). */
INLAY_INLINE bool inlay_quic_frame_is_ack_eliciting(enum inlay_quic_frame_type type)
{
	return type != INLAY_QUIC_PADDING && type != INLAY_QUIC_ACK &&
	       type != INLAY_QUIC_CONNECTION_CLOSE;
}

/* RFC 9000 section 9.1. */
INLAY_INLINE bool inlay_quic_frame_is_probing(enum inlay_quic_frame_type type)
{
	return type == INLAY_QUIC_PADDING || type == INLAY_QUIC_NEW_CONNECTION_ID ||
	       type == INLAY_QUIC_PATH_CHALLENGE || type == INLAY_QUIC_PATH_RESPONSE;
}

/* Walks an ACK's ranges, from the largest numbers down. */
struct inlay_quic_ack_iter {
	struct inlay_cursor c;
	__u64 left;	/* ranges to come */
	__u64 smallest; /* of the range before */
	bool started;
	struct inlay_quic_range first;
};

INLAY_INLINE struct inlay_quic_ack_iter inlay_quic_ack_iter_of(const struct inlay_quic_ack *ack)
{
	struct inlay_quic_ack_iter it = {
		.c = ack->ranges,
		.left = ack->range_count,
		.first = {.begin = ack->largest - ack->first_range, .end = ack->largest + 1},
	};

	return it;
}

/* False: no more; or, while the frame is being checked, malformed (then |left| is not 0). */
INLAY_INLINE bool inlay_quic_ack_next(struct inlay_quic_ack_iter *it, struct inlay_quic_range *ret)
{
	struct inlay_cursor c = it->c;
	__u64 gap, len, largest;

	if (!it->started) {
		it->started = true;
		it->smallest = it->first.begin;
		*ret = it->first;
		return true;
	}
	if (it->left == 0 || !inlay_quic_varint_get(&c, &gap) || !inlay_quic_varint_get(&c, &len))
		return false;
	/* RFC 9000 section 19.3.1: no computed number may be negative. */
	if (it->smallest < gap + 2)
		return false;
	largest = it->smallest - gap - 2;
	if (largest < len)
		return false;
	it->c = c;
	it->left--;
	it->smallest = largest - len;
	ret->begin = it->smallest;
	ret->end = largest + 1;
	return true;
}

INLAY_STEP inlay_quic_ack_step(__u32 i, void *it)
{
	struct inlay_quic_range range;

	return !inlay_quic_ack_next(it, &range);
}

/* No packet that a port carries holds more: a range has two bytes at least. */
#define INLAY_QUIC_ACK_RANGES_MAX (INLAY_FRAME_MAX / 2)

INLAY_INLINE bool inlay_quic_ack_parse(struct inlay_cursor *c, bool has_ecn,
				       struct inlay_quic_ack *ret)
{
	struct inlay_quic_ack_iter it;

	ret->has_ecn = has_ecn;
	if (!inlay_quic_varint_get(c, &ret->largest) || !inlay_quic_varint_get(c, &ret->delay) ||
	    !inlay_quic_varint_get(c, &ret->range_count) ||
	    !inlay_quic_varint_get(c, &ret->first_range))
		return false;
	if (ret->first_range > ret->largest || ret->range_count > INLAY_QUIC_ACK_RANGES_MAX)
		return false;
	ret->ranges = *c; /* its end is found by walking it */
	it = inlay_quic_ack_iter_of(ret);
	INLAY_LOOP(INLAY_QUIC_ACK_RANGES_MAX + 1, inlay_quic_ack_step, &it);
	if (it.left != 0)
		return false;
	inlay_cursor_take(c, inlay_cursor_since(&it.c, c), &ret->ranges);
	return !has_ecn ||
	       (inlay_quic_varint_get(c, &ret->ecn.ect0) &&
		inlay_quic_varint_get(c, &ret->ecn.ect1) && inlay_quic_varint_get(c, &ret->ecn.ce));
}

/* STREAM and, as if it were 0x0e less its stream ID, CRYPTO. */
INLAY_INLINE bool inlay_quic_stream_parse(struct inlay_cursor *c, __u8 bits, bool has_id,
					  struct inlay_quic_stream *ret)
{
	ret->fin = bits & INLAY_QUIC_STREAM_FIN;
	ret->has_len = bits & INLAY_QUIC_STREAM_LEN;
	if (has_id && !inlay_quic_varint_get(c, &ret->id))
		return false;
	if ((bits & INLAY_QUIC_STREAM_OFF) && !inlay_quic_varint_get(c, &ret->offset))
		return false;
	ret->len = inlay_cursor_left(c);
	if (ret->has_len && !inlay_quic_varint_get(c, &ret->len))
		return false;
	/* RFC 9000 sections 19.6 and 19.8; neither term has more than 62 bits. */
	return ret->offset + ret->len <= INLAY_QUIC_VARINT_MAX &&
	       inlay_cursor_bytes(c, ret->len, &ret->data);
}

/* RFC 9000 section 19.15. */
INLAY_INLINE bool inlay_quic_new_cid_parse(struct inlay_cursor *c, struct inlay_quic_new_cid *ret)
{
	return inlay_quic_varint_get(c, &ret->sequence) &&
	       inlay_quic_varint_get(c, &ret->retire_prior_to) &&
	       ret->retire_prior_to <= ret->sequence && inlay_cursor_u8(c, &ret->cid_len) &&
	       ret->cid_len >= 1 && ret->cid_len <= INLAY_CID_MAX &&
	       inlay_cursor_bytes(c, ret->cid_len, &ret->cid) &&
	       inlay_cursor_bytes(c, 16, &ret->token);
}

INLAY_INLINE bool inlay_quic_close_parse(struct inlay_cursor *c, bool application,
					 struct inlay_quic_close *ret)
{
	ret->application = application;
	return inlay_quic_varint_get(c, &ret->code) &&
	       (application || inlay_quic_varint_get(c, &ret->frame_type)) &&
	       inlay_quic_varint_get(c, &ret->reason_len) &&
	       inlay_cursor_bytes(c, ret->reason_len, &ret->reason);
}

INLAY_STEP inlay_quic_padding_step(__u32 i, void *cursor)
{
	__u8 byte;

	return !inlay_cursor_peek_u8(cursor, &byte) || byte != 0 || !inlay_cursor_skip(cursor, 1);
}

/* The run of zero bytes that began before the cursor: one frame to us. */
INLAY_INLINE __u64 inlay_quic_padding_parse(struct inlay_cursor *c)
{
	struct inlay_cursor d = *c;
	__u64 len;

	INLAY_LOOP(INLAY_FRAME_MAX - 1, inlay_quic_padding_step, &d);
	len = 1 + inlay_cursor_since(&d, c);
	*c = d;
	return len;
}

/* A limit, perhaps of a stream; MAX_STREAMS and STREAMS_BLOCKED have a ceiling (section 19.11). */
INLAY_INLINE bool inlay_quic_limit_parse(struct inlay_cursor *c, struct inlay_quic_frame *f)
{
	switch (f->type) {
	case INLAY_QUIC_MAX_STREAM_DATA:
	case INLAY_QUIC_STREAM_DATA_BLOCKED:
		return inlay_quic_varint_get(c, &f->limit.id) &&
		       inlay_quic_varint_get(c, &f->limit.limit);
	case INLAY_QUIC_MAX_STREAMS:
	case INLAY_QUIC_STREAMS_BLOCKED:
		f->limit.bidi = !(f->wire_type & 1);
		return inlay_quic_varint_get(c, &f->limit.limit) &&
		       f->limit.limit <= INLAY_QUIC_STREAMS_MAX;
	default:
		return inlay_quic_varint_get(c, &f->limit.limit);
	}
}

/* NEW_TOKEN, which has to be something (section 19.7), and DATAGRAM (RFC 9221 section 4). */
INLAY_INLINE bool inlay_quic_bytes_parse(struct inlay_cursor *c, struct inlay_quic_frame *f)
{
	f->bytes.has_len = f->type == INLAY_QUIC_NEW_TOKEN || (f->wire_type & 1);
	f->bytes.len = inlay_cursor_left(c);
	if (f->bytes.has_len && !inlay_quic_varint_get(c, &f->bytes.len))
		return false;
	if (f->type == INLAY_QUIC_NEW_TOKEN && f->bytes.len == 0)
		return false;
	return inlay_cursor_bytes(c, f->bytes.len, &f->bytes.data);
}

/* RESET_STREAM (section 19.4), and RESET_STREAM_AT, which promises no more than there is. */
INLAY_INLINE bool inlay_quic_reset_parse(struct inlay_cursor *c, struct inlay_quic_frame *f)
{
	if (!inlay_quic_varint_get(c, &f->reset.id) || !inlay_quic_varint_get(c, &f->reset.code) ||
	    !inlay_quic_varint_get(c, &f->reset.final_size))
		return false;
	return f->type == INLAY_QUIC_RESET_STREAM ||
	       (inlay_quic_varint_get(c, &f->reset.reliable) &&
		f->reset.reliable <= f->reset.final_size);
}

INLAY_INLINE bool inlay_quic_ack_frequency_parse(struct inlay_cursor *c,
						 struct inlay_quic_ack_frequency *ret)
{
	return inlay_quic_varint_get(c, &ret->sequence) &&
	       inlay_quic_varint_get(c, &ret->threshold) &&
	       inlay_quic_varint_get(c, &ret->max_delay_us) &&
	       inlay_quic_varint_get(c, &ret->reordering);
}

/* |f->type| is set; false: malformed. */
INLAY_INLINE bool inlay_quic_frame_body_parse(struct inlay_cursor *c, struct inlay_quic_frame *f)
{
	switch (f->type) {
	case INLAY_QUIC_PADDING:
		f->bytes.len = inlay_quic_padding_parse(c);
		return true;
	case INLAY_QUIC_PING:
	case INLAY_QUIC_HANDSHAKE_DONE:
	case INLAY_QUIC_IMMEDIATE_ACK:
		return true;
	case INLAY_QUIC_ACK:
		return inlay_quic_ack_parse(c, f->wire_type & 1, &f->ack);
	case INLAY_QUIC_RESET_STREAM:
	case INLAY_QUIC_RESET_STREAM_AT:
		return inlay_quic_reset_parse(c, f);
	case INLAY_QUIC_STOP_SENDING:
		return inlay_quic_varint_get(c, &f->reset.id) &&
		       inlay_quic_varint_get(c, &f->reset.code);
	case INLAY_QUIC_CRYPTO:
		return inlay_quic_stream_parse(c, INLAY_QUIC_STREAM_LEN | INLAY_QUIC_STREAM_OFF,
					       false, &f->stream);
	case INLAY_QUIC_STREAM:
		return inlay_quic_stream_parse(c, f->wire_type & 7, true, &f->stream);
	case INLAY_QUIC_NEW_TOKEN:
	case INLAY_QUIC_DATAGRAM:
		return inlay_quic_bytes_parse(c, f);
	case INLAY_QUIC_MAX_DATA:
	case INLAY_QUIC_MAX_STREAM_DATA:
	case INLAY_QUIC_MAX_STREAMS:
	case INLAY_QUIC_DATA_BLOCKED:
	case INLAY_QUIC_STREAM_DATA_BLOCKED:
	case INLAY_QUIC_STREAMS_BLOCKED:
		return inlay_quic_limit_parse(c, f);
	case INLAY_QUIC_NEW_CONNECTION_ID:
		return inlay_quic_new_cid_parse(c, &f->new_cid);
	case INLAY_QUIC_RETIRE_CONNECTION_ID:
		return inlay_quic_varint_get(c, &f->retire_sequence);
	case INLAY_QUIC_PATH_CHALLENGE:
	case INLAY_QUIC_PATH_RESPONSE:
		return inlay_cursor_bytes(c, 8, &f->path_data);
	case INLAY_QUIC_CONNECTION_CLOSE:
		return inlay_quic_close_parse(c, f->wire_type & 1, &f->close);
	case INLAY_QUIC_ACK_FREQUENCY:
		return inlay_quic_ack_frequency_parse(c, &f->frequency);
	}
	return false;
}

/* The first of a type's forms; what we do not know comes back as it is. */
INLAY_INLINE __u64 inlay_quic_frame_type_of(__u64 wire_type)
{
	if (wire_type >= 0x08 && wire_type <= 0x0f)
		return INLAY_QUIC_STREAM;
	switch (wire_type) {
	case INLAY_QUIC_ACK | 1:
	case INLAY_QUIC_MAX_STREAMS | 1:
	case INLAY_QUIC_STREAMS_BLOCKED | 1:
	case INLAY_QUIC_CONNECTION_CLOSE | 1:
	case INLAY_QUIC_DATAGRAM | 1:
		return wire_type & ~1ULL;
	default:
		return wire_type;
	}
}

/* Reads a frame's type, and leaves |c| behind it; errors as below. */
INLAY_INLINE enum inlay_quic_error inlay_quic_frame_begin(struct inlay_cursor *c,
							  struct inlay_quic_frame *ret)
{
	struct inlay_cursor d = *c;
	__u64 type;

	__builtin_memset(ret, 0, sizeof(*ret));
	if (!inlay_quic_varint_get(&d, &type))
		return INLAY_QUIC_FRAME_ENCODING_ERROR;
	if (inlay_quic_varint_len(type) != inlay_cursor_since(&d, c))
		return INLAY_QUIC_PROTOCOL_VIOLATION;
	ret->wire_type = type;
	if (type > INLAY_QUIC_ACK_FREQUENCY) /* the largest that we know */
		return INLAY_QUIC_FRAME_ENCODING_ERROR;
	ret->type = (enum inlay_quic_frame_type)inlay_quic_frame_type_of(type);
	*c = d;
	return INLAY_QUIC_NO_ERROR;
}

/*
 * Reads one frame. NO_ERROR; FRAME_ENCODING_ERROR: malformed or unknown (RFC 9000 section 12.4);
 * PROTOCOL_VIOLATION: the type is not in its shortest form (same section). The cursor must have
 * bytes left: a packet without frames is another error, and the caller's.
 */
INLAY_INLINE enum inlay_quic_error inlay_quic_frame_parse(struct inlay_cursor *c,
							  struct inlay_quic_frame *ret)
{
	struct inlay_cursor d = *c;
	enum inlay_quic_error err = inlay_quic_frame_begin(&d, ret);

	if (err != INLAY_QUIC_NO_ERROR)
		return err;
	if (!inlay_quic_frame_body_parse(&d, ret))
		return INLAY_QUIC_FRAME_ENCODING_ERROR;
	*c = d;
	return INLAY_QUIC_NO_ERROR;
}

#endif
