/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * QUIC on the wire, both ways, against bytes written by hand from RFC 9000, RFC 9221 and the drafts
 * of ACK_FREQUENCY and RESET_STREAM_AT.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "golden.h"
#include "inlay_quic_write.h"

/* --- Integers: RFC 9000 appendix A.1 -------------------------------------------------------- */

static void varint_examples(void **state)
{
	static const struct {
		__u8 bytes[8];
		size_t len;
		__u64 value;
		bool shortest;
	} cases[] = {
		{{0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c}, 8, 151288809941952652ULL, true},
		{{0x9d, 0x7f, 0x3e, 0x7d}, 4, 494878333, true},
		{{0x7b, 0xbd}, 2, 15293, true},
		{{0x25}, 1, 37, true},
		{{0x40, 0x25}, 2, 37, false},
	};
	struct inlay_cursor c;
	struct inlay_writer w;
	__u8 buf[8], *copy;
	size_t i, cut;
	__u64 v = 0;

	for (i = 0; i < INLAY_ARRAY_SIZE(cases); i++) {
		c = inlay_cursor_of(cases[i].bytes, cases[i].len);
		assert_true(inlay_quic_varint_get(&c, &v));
		assert_int_equal(v, cases[i].value);
		assert_int_equal(inlay_cursor_left(&c), 0);
		w = inlay_writer_of(buf, sizeof(buf));
		if (cases[i].shortest) {
			assert_int_equal(inlay_quic_varint_len(v), cases[i].len);
			assert_true(inlay_quic_varint_put(&w, v));
		} else {
			assert_true(inlay_quic_varint_put_sized(&w, v, cases[i].len));
		}
		assert_int_equal(inlay_writer_len(&w), cases[i].len);
		assert_memory_equal(buf, cases[i].bytes, cases[i].len);
		for (cut = 0; cut < cases[i].len; cut++) {
			copy = golden_copy(cases[i].bytes, cut);
			c = inlay_cursor_of(copy, cut);
			assert_false(inlay_quic_varint_get(&c, &v));
			assert_ptr_equal(c.pos, copy);
			free(copy);
			w = inlay_writer_of(buf, cut);
			assert_false(inlay_quic_varint_put_sized(&w, cases[i].value, cases[i].len));
			assert_int_equal(inlay_writer_len(&w), 0);
		}
	}
}

static void varint_limits(void **state)
{
	static const __u64 edges[] = {
		0, 63, 64, 16383, 16384, (1 << 30) - 1, 1 << 30, INLAY_QUIC_VARINT_MAX};
	static const size_t lens[] = {1, 1, 2, 2, 4, 4, 8, 8};
	struct inlay_cursor c;
	struct inlay_writer w;
	__u8 buf[8];
	size_t i;
	__u64 v = 0;

	for (i = 0; i < INLAY_ARRAY_SIZE(edges); i++) {
		w = inlay_writer_of(buf, sizeof(buf));
		assert_true(inlay_quic_varint_put(&w, edges[i]));
		assert_int_equal(inlay_writer_len(&w), lens[i]);
		c = inlay_cursor_of(buf, lens[i]);
		assert_true(inlay_quic_varint_get(&c, &v));
		assert_int_equal(v, edges[i]);
	}
	w = inlay_writer_of(buf, sizeof(buf));
	assert_false(inlay_quic_varint_put(&w, INLAY_QUIC_VARINT_MAX + 1));
	assert_int_equal(inlay_quic_varint_len(INLAY_QUIC_VARINT_MAX + 1), 0);
	assert_false(inlay_quic_varint_put_sized(&w, 64, 1));
	assert_false(inlay_quic_varint_put_sized(&w, 1, 3));
}

/* No bytes and no room, at no address: nothing is read or written, and nothing is undefined. */
static void nothing_at_all(void **state)
{
	struct inlay_cursor c = inlay_cursor_of(NULL, 0);
	struct inlay_writer w = inlay_writer_of(NULL, 0);
	struct inlay_quic_frame f;
	const __u8 *bytes;
	__u32 be32;
	__u16 be16;
	__u64 v;
	__u8 byte;

	assert_false(inlay_cursor_u8(&c, &byte));
	assert_false(inlay_cursor_peek_u8(&c, &byte));
	assert_false(inlay_cursor_be16(&c, &be16));
	assert_false(inlay_cursor_be32(&c, &be32));
	assert_false(inlay_cursor_skip(&c, 1));
	assert_true(inlay_cursor_bytes(&c, 0, &bytes));
	assert_false(inlay_quic_varint_get(&c, &v));
	assert_int_equal(inlay_quic_frame_parse(&c, &f), INLAY_QUIC_FRAME_ENCODING_ERROR);
	assert_int_equal(inlay_cursor_left(&c), 0);
	assert_false(inlay_writer_u8(&w, 1));
	assert_false(inlay_writer_be16(&w, 1));
	assert_false(inlay_writer_be32(&w, 1));
	assert_false(inlay_writer_zeros(&w, 1));
	assert_true(inlay_writer_bytes(&w, NULL, 0));
	assert_true(inlay_writer_zeros(&w, 0));
	assert_int_equal(inlay_writer_len(&w), 0);
}

/* --- Frames --------------------------------------------------------------------------------- */

static const __u8 padding[] = {0x00, 0x00, 0x00};
static const __u8 ping[] = {0x01};
static const __u8 ack_ecn[] = {
	0x03,	    /* ACK with ECN counts */
	0x40, 0x64, /* largest acknowledged: 100 */
	0x41, 0x2c, /* ACK delay: 300 */
	0x02,	    /* two ranges behind the first */
	0x0a,	    /* first range: 90 to 100 */
	0x1c, 0x0a, /* gap 28: the next one ends at 90 - 28 - 2 = 60; 50 to 60 */
	0x2e, 0x02, /* gap 46: 50 - 46 - 2 = 2; 0 to 2 */
	0x07,	    /* ECT(0): 7 */
	0x00,	    /* ECT(1): 0 */
	0x42, 0x00, /* CE: 512 */
};
static const __u8 ack[] = {
	0x02, /* ACK */
	0x00, /* largest: 0 */
	0x00, /* delay */
	0x00, /* no further ranges */
	0x00, /* first range: 0 alone */
};
static const __u8 reset_stream[] = {
	0x04,			/* RESET_STREAM */
	0x0b,			/* stream 11 */
	0x52, 0x34,		/* error code 0x1234 */
	0x80, 0x01, 0x00, 0x00, /* final size 65536 */
};
static const __u8 stop_sending[] = {
	0x05,	    /* STOP_SENDING */
	0x40, 0x40, /* stream 64 */
	0x12,	    /* error code 18 */
};
static const __u8 crypto[] = {
	0x06,		  /* CRYPTO */
	0x44, 0x00,	  /* offset 1024 */
	0x03,		  /* length */
	0x14, 0x15, 0x16, /* data */
};
static const __u8 new_token[] = {
	0x07,	    /* NEW_TOKEN */
	0x02,	    /* length */
	0xca, 0xfe, /* token */
};
static const __u8 stream_bare[] = {
	0x08,	    /* STREAM: offset 0, to the end of the packet */
	0x04,	    /* stream 4 */
	0x61, 0x62, /* "ab" */
};
static const __u8 stream_full[] = {
	0x0f,			/* STREAM with OFF, LEN, FIN */
	0x07,			/* stream 7 */
	0x80, 0x00, 0x50, 0x00, /* offset 20480 */
	0x02,			/* length */
	0x79, 0x7a,		/* "yz" */
};
static const __u8 max_data[] = {
	0x10,						/* MAX_DATA */
	0xc0, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, /* 2^32 */
};
static const __u8 max_stream_data[] = {
	0x11,	    /* MAX_STREAM_DATA */
	0x02,	    /* stream 2 */
	0x7f, 0xff, /* 16383 */
};
static const __u8 max_streams_bidi[] = {
	0x12,						/* MAX_STREAMS, bidirectional */
	0xd0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, /* 2^60: the most there can be */
};
static const __u8 max_streams_uni[] = {
	0x13, /* MAX_STREAMS, unidirectional */
	0x3f, /* 63 */
};
static const __u8 data_blocked[] = {
	0x14,	    /* DATA_BLOCKED */
	0x41, 0x00, /* 256 */
};
static const __u8 stream_data_blocked[] = {
	0x15, /* STREAM_DATA_BLOCKED */
	0x03, /* stream 3 */
	0x21, /* 33 */
};
static const __u8 streams_blocked_bidi[] = {
	0x16, /* STREAMS_BLOCKED, bidirectional */
	0x05, /* 5 */
};
static const __u8 streams_blocked_uni[] = {
	0x17, /* STREAMS_BLOCKED, unidirectional */
	0x06, /* 6 */
};
static const __u8 new_connection_id[] = {
	0x18,						/* NEW_CONNECTION_ID */
	0x09,						/* sequence number 9 */
	0x08,						/* retire prior to 8 */
	0x04,						/* length of the ID */
	0xde, 0xad, 0xbe, 0xef,				/* the ID */
	0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, /* stateless reset token */
	0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f,
};
static const __u8 retire_connection_id[] = {
	0x19, /* RETIRE_CONNECTION_ID */
	0x07, /* sequence number 7 */
};
static const __u8 path_challenge[] = {
	0x1a,						/* PATH_CHALLENGE */
	0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, /* data */
};
static const __u8 path_response[] = {
	0x1b,						/* PATH_RESPONSE */
	0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, /* data */
};
static const __u8 close_transport[] = {
	0x1c,		  /* CONNECTION_CLOSE of the transport */
	0x41, 0x28,	  /* CRYPTO_ERROR, alert 40: 0x128 */
	0x06,		  /* frame type: CRYPTO */
	0x03,		  /* length of the reason */
	0x62, 0x61, 0x64, /* "bad" */
};
static const __u8 close_application[] = {
	0x1d, /* CONNECTION_CLOSE of the application */
	0x03, /* code 3 */
	0x00, /* no reason */
};
static const __u8 handshake_done[] = {0x1e};
static const __u8 immediate_ack[] = {0x1f};
static const __u8 reset_stream_at[] = {
	0x24,	    /* RESET_STREAM_AT */
	0x04,	    /* stream */
	0x41, 0x00, /* code 256 */
	0x44, 0x00, /* final size 1024 */
	0x1f,	    /* reliable size 31 */
};
static const __u8 ack_frequency[] = {
	0x40, 0xaf,		/* ACK_FREQUENCY */
	0x02,			/* sequence number */
	0x0a,			/* ack-eliciting threshold */
	0x80, 0x00, 0x61, 0xa8, /* max_ack_delay: 25000 us */
	0x03,			/* reordering threshold */
};
static const __u8 datagram_bare[] = {
	0x30,	    /* DATAGRAM to the end of the packet */
	0x01, 0x02, /* data */
};
static const __u8 datagram_len[] = {
	0x31,	    /* DATAGRAM with a length */
	0x02,	    /* length */
	0x01, 0x02, /* data */
};

static const struct golden frames[] = {
	GOLDEN(padding),
	GOLDEN(ping),
	GOLDEN(ack_ecn),
	GOLDEN(ack),
	GOLDEN(reset_stream),
	GOLDEN(stop_sending),
	GOLDEN(crypto),
	GOLDEN(new_token),
	GOLDEN(stream_bare),
	GOLDEN(stream_full),
	GOLDEN(max_data),
	GOLDEN(max_stream_data),
	GOLDEN(max_streams_bidi),
	GOLDEN(max_streams_uni),
	GOLDEN(data_blocked),
	GOLDEN(stream_data_blocked),
	GOLDEN(streams_blocked_bidi),
	GOLDEN(streams_blocked_uni),
	GOLDEN(new_connection_id),
	GOLDEN(retire_connection_id),
	GOLDEN(path_challenge),
	GOLDEN(path_response),
	GOLDEN(close_transport),
	GOLDEN(close_application),
	GOLDEN(handshake_done),
	GOLDEN(immediate_ack),
	GOLDEN(reset_stream_at),
	GOLDEN(ack_frequency),
	GOLDEN(datagram_bare),
	GOLDEN(datagram_len),
};

/* The whole of |bytes| is one frame. */
#define PARSE(bytes) parse(bytes, sizeof(bytes))
static struct inlay_quic_frame parse(const __u8 *bytes, size_t len)
{
	struct inlay_cursor c = inlay_cursor_of(bytes, len);
	struct inlay_quic_frame f;
	__u64 type;

	assert_int_equal(inlay_quic_frame_parse(&c, &f), INLAY_QUIC_NO_ERROR);
	assert_int_equal(inlay_cursor_left(&c), 0);
	c = inlay_cursor_of(bytes, len);
	assert_true(inlay_quic_varint_get(&c, &type));
	assert_int_equal(f.wire_type, type);
	return f;
}

/* |call| writes exactly |golden|, and nothing where a byte of room lacks. */
#define WRITES(golden, w, call)                                                                    \
	do {                                                                                       \
		__u8 out_[64];                                                                     \
		size_t room_;                                                                      \
		struct inlay_writer w = inlay_writer_of(out_, sizeof(out_));                       \
		assert_true(call);                                                                 \
		assert_int_equal(inlay_writer_len(&w), sizeof(golden));                            \
		assert_memory_equal(out_, golden, sizeof(golden));                                 \
		for (room_ = 0; room_ < sizeof(golden); room_++) {                                 \
			w = inlay_writer_of(out_, room_);                                          \
			assert_false(call);                                                        \
			assert_int_equal(inlay_writer_len(&w), 0);                                 \
		}                                                                                  \
	} while (0)

static void simple_frames(void **state)
{
	struct inlay_quic_frame f;

	f = PARSE(padding);
	assert_int_equal(f.type, INLAY_QUIC_PADDING);
	assert_int_equal(f.bytes.len, 3);
	WRITES(padding, w, inlay_quic_put_padding(&w, 3));
	assert_int_equal(PARSE(ping).type, INLAY_QUIC_PING);
	WRITES(ping, w, inlay_quic_put_ping(&w));
	assert_int_equal(PARSE(handshake_done).type, INLAY_QUIC_HANDSHAKE_DONE);
	WRITES(handshake_done, w, inlay_quic_put_handshake_done(&w));
	f = PARSE(path_challenge);
	assert_int_equal(f.type, INLAY_QUIC_PATH_CHALLENGE);
	assert_memory_equal(f.path_data, path_challenge + 1, 8);
	WRITES(path_challenge, w, inlay_quic_put_path_challenge(&w, path_challenge + 1));
	f = PARSE(path_response);
	assert_int_equal(f.type, INLAY_QUIC_PATH_RESPONSE);
	assert_memory_equal(f.path_data, path_response + 1, 8);
	WRITES(path_response, w, inlay_quic_put_path_response(&w, path_response + 1));
}

static void ack_frames(void **state)
{
	static const struct inlay_quic_range ranges[] = {{90, 101}, {50, 61}, {0, 3}};
	static const struct inlay_quic_range zero[] = {{0, 1}};
	static const struct inlay_quic_ecn_counts ecn = {.ect0 = 7, .ect1 = 0, .ce = 512};
	struct inlay_quic_frame f = PARSE(ack_ecn);
	struct inlay_quic_ack_iter it;
	struct inlay_quic_range range;
	__u8 buf[sizeof(ack_ecn)];
	struct inlay_writer w;
	size_t i;

	assert_int_equal(f.type, INLAY_QUIC_ACK);
	assert_int_equal(f.ack.largest, 100);
	assert_int_equal(f.ack.delay, 300);
	assert_int_equal(f.ack.range_count, 2);
	assert_true(f.ack.has_ecn);
	assert_int_equal(f.ack.ecn.ect0, 7);
	assert_int_equal(f.ack.ecn.ect1, 0);
	assert_int_equal(f.ack.ecn.ce, 512);
	it = inlay_quic_ack_iter_of(&f.ack);
	for (i = 0; i < INLAY_ARRAY_SIZE(ranges); i++) {
		assert_true(inlay_quic_ack_next(&it, &range));
		assert_int_equal(range.begin, ranges[i].begin);
		assert_int_equal(range.end, ranges[i].end);
	}
	assert_false(inlay_quic_ack_next(&it, &range));

	f = PARSE(ack);
	assert_int_equal(f.type, INLAY_QUIC_ACK);
	assert_false(f.ack.has_ecn);
	it = inlay_quic_ack_iter_of(&f.ack);
	assert_true(inlay_quic_ack_next(&it, &range));
	assert_int_equal(range.begin, 0);
	assert_int_equal(range.end, 1);
	assert_false(inlay_quic_ack_next(&it, &range));
	WRITES(ack, v, inlay_quic_put_ack(&v, zero, 1, 0, NULL) == 1);
	w = inlay_writer_of(buf, sizeof(ack_ecn));
	assert_int_equal(inlay_quic_put_ack(&w, ranges, 3, 300, &ecn), 3);
	assert_memory_equal(buf, ack_ecn, sizeof(ack_ecn));
	assert_int_equal(inlay_writer_left(&w), 0);
}

/* Ranges that do not fit are left out, the smallest first. */
static void ack_without_room(void **state)
{
	static const struct inlay_quic_range ranges[] = {{90, 101}, {50, 61}, {0, 3}};
	static const size_t fits[] = {0, 0, 0, 0, 0, 0, 1, 1, 2, 2, 3};
	struct inlay_quic_frame f;
	struct inlay_writer w;
	__u8 buf[16];
	size_t room;

	/* Type, two bytes of number, delay, count, first range: 6; then two for each range. */
	for (room = 0; room < INLAY_ARRAY_SIZE(fits); room++) {
		w = inlay_writer_of(buf, room);
		assert_int_equal(inlay_quic_put_ack(&w, ranges, 3, 0, NULL), fits[room]);
		if (fits[room] == 0) {
			assert_int_equal(inlay_writer_len(&w), 0);
			continue;
		}
		f = parse(buf, inlay_writer_len(&w));
		assert_int_equal(f.ack.range_count, fits[room] - 1);
	}
	assert_int_equal(inlay_quic_put_ack(&w, ranges, 0, 0, NULL), 0);
}

/* 300 ranges: the count takes two bytes. */
static void ack_with_many_ranges(void **state)
{
	struct inlay_quic_range ranges[300], range;
	struct inlay_quic_ack_iter it;
	struct inlay_quic_frame f;
	struct inlay_writer w;
	__u8 buf[1024];
	__u64 i;

	for (i = 0; i < 300; i++)
		ranges[i] = (struct inlay_quic_range){4 * (300 - i), 4 * (300 - i) + 2};
	w = inlay_writer_of(buf, sizeof(buf));
	assert_int_equal(inlay_quic_put_ack(&w, ranges, 300, 0, NULL), 300);
	f = parse(buf, inlay_writer_len(&w));
	it = inlay_quic_ack_iter_of(&f.ack);
	for (i = 0; i < 300; i++) {
		assert_true(inlay_quic_ack_next(&it, &range));
		assert_memory_equal(&range, &ranges[i], sizeof(range));
	}
	assert_false(inlay_quic_ack_next(&it, &range));
}

static void stream_frames(void **state)
{
	struct inlay_quic_frame f;
	struct inlay_quic_stream s;

	f = PARSE(reset_stream);
	assert_int_equal(f.type, INLAY_QUIC_RESET_STREAM);
	assert_int_equal(f.reset.id, 11);
	assert_int_equal(f.reset.code, 0x1234);
	assert_int_equal(f.reset.final_size, 65536);
	WRITES(reset_stream, w, inlay_quic_put_reset_stream(&w, 11, 0x1234, 65536));
	f = PARSE(stop_sending);
	assert_int_equal(f.type, INLAY_QUIC_STOP_SENDING);
	assert_int_equal(f.reset.id, 64);
	assert_int_equal(f.reset.code, 18);
	WRITES(stop_sending, w, inlay_quic_put_stop_sending(&w, 64, 18));
	f = PARSE(stream_bare);
	assert_int_equal(f.type, INLAY_QUIC_STREAM);
	assert_int_equal(f.stream.id, 4);
	assert_int_equal(f.stream.offset, 0);
	assert_int_equal(f.stream.len, 2);
	assert_memory_equal(f.stream.data, "ab", 2);
	assert_false(f.stream.fin);
	assert_false(f.stream.has_len);
	s = f.stream;
	WRITES(stream_bare, w, inlay_quic_put_stream(&w, &s));
	f = PARSE(stream_full);
	assert_int_equal(f.type, INLAY_QUIC_STREAM);
	assert_int_equal(f.stream.id, 7);
	assert_int_equal(f.stream.offset, 20480);
	assert_int_equal(f.stream.len, 2);
	assert_memory_equal(f.stream.data, "yz", 2);
	assert_true(f.stream.fin);
	assert_true(f.stream.has_len);
	s = f.stream;
	WRITES(stream_full, w, inlay_quic_put_stream(&w, &s));
	assert_int_equal(inlay_quic_stream_header_len(7, 20480, 2, true), sizeof(stream_full) - 2);
	assert_int_equal(inlay_quic_stream_header_len(4, 0, 2, false), sizeof(stream_bare) - 2);
	f = PARSE(crypto);
	assert_int_equal(f.type, INLAY_QUIC_CRYPTO);
	assert_int_equal(f.stream.offset, 1024);
	assert_int_equal(f.stream.len, 3);
	assert_memory_equal(f.stream.data, crypto + 4, 3);
	WRITES(crypto, w, inlay_quic_put_crypto(&w, 1024, crypto + 4, 3));
}

static void limit_frames(void **state)
{
	struct inlay_quic_frame f;

	f = PARSE(max_data);
	assert_int_equal(f.type, INLAY_QUIC_MAX_DATA);
	assert_int_equal(f.limit.limit, 1ULL << 32);
	WRITES(max_data, w, inlay_quic_put_max_data(&w, 1ULL << 32));
	f = PARSE(max_stream_data);
	assert_int_equal(f.type, INLAY_QUIC_MAX_STREAM_DATA);
	assert_int_equal(f.limit.id, 2);
	assert_int_equal(f.limit.limit, 16383);
	WRITES(max_stream_data, w, inlay_quic_put_max_stream_data(&w, 2, 16383));
	f = PARSE(max_streams_bidi);
	assert_int_equal(f.type, INLAY_QUIC_MAX_STREAMS);
	assert_true(f.limit.bidi);
	assert_int_equal(f.limit.limit, 1ULL << 60);
	WRITES(max_streams_bidi, w, inlay_quic_put_max_streams(&w, true, 1ULL << 60));
	f = PARSE(max_streams_uni);
	assert_int_equal(f.type, INLAY_QUIC_MAX_STREAMS);
	assert_false(f.limit.bidi);
	assert_int_equal(f.limit.limit, 63);
	WRITES(max_streams_uni, w, inlay_quic_put_max_streams(&w, false, 63));
	f = PARSE(data_blocked);
	assert_int_equal(f.type, INLAY_QUIC_DATA_BLOCKED);
	assert_int_equal(f.limit.limit, 256);
	WRITES(data_blocked, w, inlay_quic_put_data_blocked(&w, 256));
	f = PARSE(stream_data_blocked);
	assert_int_equal(f.type, INLAY_QUIC_STREAM_DATA_BLOCKED);
	assert_int_equal(f.limit.id, 3);
	assert_int_equal(f.limit.limit, 33);
	WRITES(stream_data_blocked, w, inlay_quic_put_stream_data_blocked(&w, 3, 33));
	f = PARSE(streams_blocked_bidi);
	assert_int_equal(f.type, INLAY_QUIC_STREAMS_BLOCKED);
	assert_true(f.limit.bidi);
	assert_int_equal(f.limit.limit, 5);
	WRITES(streams_blocked_bidi, w, inlay_quic_put_streams_blocked(&w, true, 5));
	f = PARSE(streams_blocked_uni);
	assert_int_equal(f.type, INLAY_QUIC_STREAMS_BLOCKED);
	assert_false(f.limit.bidi);
	assert_int_equal(f.limit.limit, 6);
	WRITES(streams_blocked_uni, w, inlay_quic_put_streams_blocked(&w, false, 6));
}

static void cid_frames(void **state)
{
	struct inlay_quic_frame f;
	struct inlay_cid cid;

	f = PARSE(new_connection_id);
	assert_int_equal(f.type, INLAY_QUIC_NEW_CONNECTION_ID);
	assert_int_equal(f.new_cid.sequence, 9);
	assert_int_equal(f.new_cid.retire_prior_to, 8);
	assert_int_equal(f.new_cid.cid_len, 4);
	assert_memory_equal(f.new_cid.cid, new_connection_id + 4, 4);
	assert_memory_equal(f.new_cid.token, new_connection_id + 8, 16);
	assert_true(inlay_cid_set(&cid, f.new_cid.cid, f.new_cid.cid_len));
	WRITES(new_connection_id, w,
	       inlay_quic_put_new_connection_id(&w, 9, 8, &cid, new_connection_id + 8));
	f = PARSE(retire_connection_id);
	assert_int_equal(f.type, INLAY_QUIC_RETIRE_CONNECTION_ID);
	assert_int_equal(f.retire_sequence, 7);
	WRITES(retire_connection_id, w, inlay_quic_put_retire_connection_id(&w, 7));
	f = PARSE(new_token);
	assert_int_equal(f.type, INLAY_QUIC_NEW_TOKEN);
	assert_int_equal(f.bytes.len, 2);
	assert_memory_equal(f.bytes.data, new_token + 2, 2);
	WRITES(new_token, w, inlay_quic_put_new_token(&w, new_token + 2, 2));
}

static void close_frames(void **state)
{
	struct inlay_quic_frame f;
	struct inlay_writer w;
	__u8 buf[8];

	f = PARSE(close_transport);
	assert_int_equal(f.type, INLAY_QUIC_CONNECTION_CLOSE);
	assert_false(f.close.application);
	assert_int_equal(f.close.code, INLAY_QUIC_CRYPTO_ERROR + 40);
	assert_int_equal(f.close.frame_type, 6);
	assert_int_equal(f.close.reason_len, 3);
	assert_memory_equal(f.close.reason, "bad", 3);
	w = inlay_writer_of(buf, sizeof(buf));
	assert_true(inlay_quic_put_close(&w, false, 0x128, 6, "bad", 3));
	assert_int_equal(inlay_writer_len(&w), sizeof(close_transport));
	assert_memory_equal(buf, close_transport, sizeof(close_transport));
	/* The reason is cut to the room there is; without room for its length there is no frame. */
	w = inlay_writer_of(buf, 7);
	assert_true(inlay_quic_put_close(&w, false, 0x128, 6, "bad", 3));
	f = parse(buf, 7);
	assert_int_equal(f.close.reason_len, 2);
	w = inlay_writer_of(buf, 4);
	assert_false(inlay_quic_put_close(&w, false, 0x128, 6, "bad", 3));
	assert_int_equal(inlay_writer_len(&w), 0);
	f = PARSE(close_application);
	assert_int_equal(f.type, INLAY_QUIC_CONNECTION_CLOSE);
	assert_true(f.close.application);
	assert_int_equal(f.close.code, 3);
	assert_int_equal(f.close.reason_len, 0);
	WRITES(close_application, w2, inlay_quic_put_close(&w2, true, 3, 6, NULL, 0));
}

static void datagram_frames(void **state)
{
	struct inlay_quic_frame f;

	f = PARSE(datagram_bare);
	assert_int_equal(f.type, INLAY_QUIC_DATAGRAM);
	assert_false(f.bytes.has_len);
	assert_int_equal(f.bytes.len, 2);
	WRITES(datagram_bare, w, inlay_quic_put_datagram(&w, datagram_bare + 1, 2, false));
	f = PARSE(datagram_len);
	assert_int_equal(f.type, INLAY_QUIC_DATAGRAM);
	assert_true(f.bytes.has_len);
	assert_int_equal(f.bytes.len, 2);
	assert_memory_equal(f.bytes.data, datagram_len + 2, 2);
	WRITES(datagram_len, w, inlay_quic_put_datagram(&w, datagram_len + 2, 2, true));
}

static void extension_frames(void **state)
{
	struct inlay_quic_ack_frequency wanted;
	struct inlay_quic_frame f;

	assert_int_equal(PARSE(immediate_ack).type, INLAY_QUIC_IMMEDIATE_ACK);
	WRITES(immediate_ack, w, inlay_quic_put_immediate_ack(&w));
	f = PARSE(reset_stream_at);
	assert_int_equal(f.type, INLAY_QUIC_RESET_STREAM_AT);
	assert_int_equal(f.reset.id, 4);
	assert_int_equal(f.reset.code, 256);
	assert_int_equal(f.reset.final_size, 1024);
	assert_int_equal(f.reset.reliable, 31);
	WRITES(reset_stream_at, w, inlay_quic_put_reset_stream_at(&w, 4, 256, 1024, 31));
	f = PARSE(ack_frequency);
	assert_int_equal(f.type, INLAY_QUIC_ACK_FREQUENCY);
	assert_int_equal(f.frequency.sequence, 2);
	assert_int_equal(f.frequency.threshold, 10);
	assert_int_equal(f.frequency.max_delay_us, 25000);
	assert_int_equal(f.frequency.reordering, 3);
	wanted = f.frequency;
	WRITES(ack_frequency, w, inlay_quic_put_ack_frequency(&w, &wanted));
}

static void frame_classes(void **state)
{
	int type;

	for (type = 0; type <= INLAY_QUIC_ACK_FREQUENCY; type++) {
		bool quiet = type == INLAY_QUIC_PADDING || type == INLAY_QUIC_ACK ||
			     type == INLAY_QUIC_CONNECTION_CLOSE;
		bool probing = type == 0x00 || type == 0x18 || type == 0x1a || type == 0x1b;

		assert_int_equal(inlay_quic_frame_is_ack_eliciting(type), !quiet);
		assert_int_equal(inlay_quic_frame_is_probing(type), probing);
	}
}

/* A frame cut anywhere is malformed, unless it is one that goes on to the packet's end. */
static void truncated_frames(void **state)
{
	struct inlay_quic_frame f;
	struct inlay_cursor c;
	enum inlay_quic_error err;
	size_t i, cut;
	__u8 *copy;
	bool open;

	for (i = 0; i < INLAY_ARRAY_SIZE(frames); i++) {
		for (cut = 0; cut < frames[i].len; cut++) {
			open = (frames[i].bytes == padding || frames[i].bytes == datagram_bare) &&
			       cut >= 1;
			open |= frames[i].bytes == stream_bare && cut >= 2;
			copy = golden_copy(frames[i].bytes, cut);
			c = inlay_cursor_of(copy, cut);
			err = inlay_quic_frame_parse(&c, &f);
			if (open) {
				assert_int_equal(err, INLAY_QUIC_NO_ERROR);
				assert_int_equal(inlay_cursor_left(&c), 0);
			} else {
				assert_int_equal(err, INLAY_QUIC_FRAME_ENCODING_ERROR);
				assert_ptr_equal(c.pos, copy);
			}
			free(copy);
		}
	}
}

static void malformed_frames(void **state)
{
	static const struct {
		const char *what;
		__u8 bytes[32];
		size_t len;
		enum inlay_quic_error error;
	} cases[] = {
		{"RESET_STREAM_AT: more reliable bytes than bytes",
		 {0x24, 0x04, 0x00, 0x05, 0x06},
		 5,
		 INLAY_QUIC_FRAME_ENCODING_ERROR},
		{"ACK_FREQUENCY in four bytes",
		 {0x80, 0x00, 0x00, 0xaf, 0, 0, 0, 0},
		 8,
		 INLAY_QUIC_PROTOCOL_VIOLATION},
		{"unknown type below ACK_FREQUENCY",
		 {0x40, 0xae},
		 2,
		 INLAY_QUIC_FRAME_ENCODING_ERROR},
		{"unknown type above it", {0x40, 0xb0}, 2, INLAY_QUIC_FRAME_ENCODING_ERROR},
		{"unknown type", {0x20}, 1, INLAY_QUIC_FRAME_ENCODING_ERROR},
		{"unknown type", {0x2f}, 1, INLAY_QUIC_FRAME_ENCODING_ERROR},
		{"unknown type", {0x32}, 1, INLAY_QUIC_FRAME_ENCODING_ERROR},
		{"unknown type of two bytes", {0x40, 0xff}, 2, INLAY_QUIC_FRAME_ENCODING_ERROR},
		{"type that would be PING in eight bits",
		 {0x41, 0x01},
		 2,
		 INLAY_QUIC_FRAME_ENCODING_ERROR},
		{"PING in two bytes", {0x40, 0x01}, 2, INLAY_QUIC_PROTOCOL_VIOLATION},
		{"PADDING in eight bytes",
		 {0xc0, 0, 0, 0, 0, 0, 0, 0},
		 8,
		 INLAY_QUIC_PROTOCOL_VIOLATION},
		{"ACK: first range below zero",
		 {0x02, 0x05, 0x00, 0x00, 0x06},
		 5,
		 INLAY_QUIC_FRAME_ENCODING_ERROR},
		{"ACK: gap below zero",
		 {0x02, 0x0a, 0x00, 0x01, 0x02, 0x07, 0x00},
		 7,
		 INLAY_QUIC_FRAME_ENCODING_ERROR},
		{"ACK: range below zero",
		 {0x02, 0x0a, 0x00, 0x01, 0x02, 0x06, 0x01},
		 7,
		 INLAY_QUIC_FRAME_ENCODING_ERROR},
		{"ACK: more ranges than bytes",
		 {0x02, 0x0a, 0x00, 0x02, 0x02, 0x06, 0x00},
		 7,
		 INLAY_QUIC_FRAME_ENCODING_ERROR},
		{"ACK: 2^62-1 ranges",
		 {0x02, 0x0a, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02},
		 12,
		 INLAY_QUIC_FRAME_ENCODING_ERROR},
		{"STREAM: beyond 2^62-1",
		 {0x0e, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0xaa},
		 12,
		 INLAY_QUIC_FRAME_ENCODING_ERROR},
		{"STREAM to the packet's end: beyond 2^62-1",
		 {0x0c, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xaa},
		 11,
		 INLAY_QUIC_FRAME_ENCODING_ERROR},
		{"CRYPTO: beyond 2^62-1",
		 {0x06, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0xaa},
		 11,
		 INLAY_QUIC_FRAME_ENCODING_ERROR},
		{"STREAM: length beyond the packet",
		 {0x0a, 0x00, 0x02, 0xaa},
		 4,
		 INLAY_QUIC_FRAME_ENCODING_ERROR},
		{"NEW_TOKEN: empty", {0x07, 0x00}, 2, INLAY_QUIC_FRAME_ENCODING_ERROR},
		{"MAX_STREAMS above 2^60",
		 {0x12, 0xd0, 0, 0, 0, 0, 0, 0, 1},
		 9,
		 INLAY_QUIC_FRAME_ENCODING_ERROR},
		{"MAX_STREAMS, unidirectional, above 2^60",
		 {0x13, 0xd0, 0, 0, 0, 0, 0, 0, 1},
		 9,
		 INLAY_QUIC_FRAME_ENCODING_ERROR},
		{"STREAMS_BLOCKED above 2^60",
		 {0x17, 0xd0, 0, 0, 0, 0, 0, 0, 1},
		 9,
		 INLAY_QUIC_FRAME_ENCODING_ERROR},
		{"NEW_CONNECTION_ID: no ID",
		 {0x18, 0x00, 0x00, 0x00, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16},
		 20,
		 INLAY_QUIC_FRAME_ENCODING_ERROR},
		{"NEW_CONNECTION_ID: 21 bytes of ID", /* of which 20 would be left for the token */
		 {0x18, 0x00, 0x00, 0x15},
		 32,
		 INLAY_QUIC_FRAME_ENCODING_ERROR},
		{"NEW_CONNECTION_ID: retires itself",
		 {0x18, 0x01, 0x02, 0x01, 0xaa, 1,  2,	3,  4,	5, 6,
		  7,	8,    9,    10,	  11,	12, 13, 14, 15, 16},
		 21,
		 INLAY_QUIC_FRAME_ENCODING_ERROR},
		{"DATAGRAM: length beyond the packet",
		 {0x31, 0x02, 0x00},
		 3,
		 INLAY_QUIC_FRAME_ENCODING_ERROR},
	};
	struct inlay_quic_frame f;
	struct inlay_cursor c;
	size_t i;
	__u8 *copy;

	for (i = 0; i < INLAY_ARRAY_SIZE(cases); i++) {
		copy = golden_copy(cases[i].bytes, cases[i].len);
		c = inlay_cursor_of(copy, cases[i].len);
		if (inlay_quic_frame_parse(&c, &f) != cases[i].error)
			fail_msg("%s", cases[i].what);
		assert_ptr_equal(c.pos, copy);
		free(copy);
	}
}

/* Just inside the limits. */
static void frames_at_limits(void **state)
{
	static const __u8 far[] = {0x0e, 0x00, 0xff, 0xff, 0xff, 0xff,
				   0xff, 0xff, 0xff, 0xff, 0x00};
	__u8 cid[4 + 20 + 16] = {0x18, 0x02, 0x02, 0x14};
	__u8 one[4 + 20 + 16 + 1] = {0x18, 0x02, 0x02, 0x15};
	struct inlay_quic_frame f = PARSE(far);
	struct inlay_cursor c;

	assert_int_equal(f.stream.offset, INLAY_QUIC_VARINT_MAX);
	f = PARSE(cid);
	assert_int_equal(f.new_cid.cid_len, 20);
	c = inlay_cursor_of(one, sizeof(one));
	assert_int_equal(inlay_quic_frame_parse(&c, &f), INLAY_QUIC_FRAME_ENCODING_ERROR);
}

/* --- Packets -------------------------------------------------------------------------------- */

static const __u8 initial_coalesced[] = {
	0xc3,						      /* long, fixed bit, Initial, pn: 4 */
	0x00, 0x00, 0x00, 0x01,				      /* version 1 */
	0x08, 0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08, /* DCID */
	0x02, 0xaa, 0xbb,				      /* SCID */
	0x03, 0x01, 0x02, 0x03,				      /* token */
	0x40, 0x05,					      /* length 5 */
	0x10, 0x11, 0x12, 0x13, 0x14,			      /* packet number and payload */
	0xe0,						      /* a Handshake packet follows */
	0x00, 0x00, 0x00, 0x01,				      /* version 1 */
	0x00,						      /* no DCID */
	0x01, 0xcc,					      /* SCID */
	0x02, 0x20, 0x21,				      /* length and payload */
};
static const __u8 retry[] = {
	0xf0,						/* long, fixed bit, Retry */
	0x00, 0x00, 0x00, 0x01,				/* version 1 */
	0x01, 0xaa,					/* DCID */
	0x01, 0xbb,					/* SCID */
	0x74, 0x6f, 0x6b,				/* token */
	0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, /* integrity tag */
	0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f,
};
static const __u8 version_negotiation[] = {
	0x80,			/* long; nothing else is fixed */
	0x00, 0x00, 0x00, 0x00, /* version 0 */
	0x01, 0xaa,		/* DCID */
	0x01, 0xbb,		/* SCID */
	0x00, 0x00, 0x00, 0x01, /* supported: version 1 */
};
static const __u8 clear[] = {
	0x47,						/* short, fixed, phase 1, pn: 4 bytes */
	0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, /* DCID */
	0x12, 0x34, 0x56, 0x78,				/* packet number */
	0x01,						/* PING */
	0x00, 0x00, 0x00, 0x07,				/* descriptor: SA 7 */
	0x0c,						/* ECN CE */
	0x0d,						/* 13 bytes of header */
	0x00, 0x02,					/* generation 2 */
	0x00, 0x00, 0x00, 0x05, 0x12, 0x34, 0x56, 0x78, /* packet number 0x512345678 */
};

static const struct golden packets[] = {
	GOLDEN(initial_coalesced),
	GOLDEN(retry),
	GOLDEN(version_negotiation),
	GOLDEN(clear),
};

static void long_headers(void **state)
{
	struct inlay_cursor c = inlay_cursor_of(initial_coalesced, sizeof(initial_coalesced));
	struct inlay_quic_long_v1 v;
	struct inlay_quic_long h;

	assert_true(inlay_quic_long_parse(&c, &h));
	assert_int_equal(h.version, INLAY_QUIC_V1);
	assert_int_equal(h.dcid_len, 8);
	assert_memory_equal(h.dcid, initial_coalesced + 6, 8);
	assert_int_equal(h.scid_len, 2);
	assert_memory_equal(h.scid, "\xaa\xbb", 2);
	assert_true(inlay_quic_long_v1_parse(&c, &h, &v));
	assert_int_equal(v.type, INLAY_QUIC_INITIAL);
	assert_int_equal(v.token_len, 3);
	assert_memory_equal(v.token, "\x01\x02\x03", 3);
	assert_int_equal(v.payload_len, 5);
	assert_memory_equal(v.payload, "\x10\x11\x12\x13\x14", 5);

	assert_true(inlay_quic_long_parse(&c, &h));
	assert_int_equal(h.dcid_len, 0);
	assert_true(inlay_quic_long_v1_parse(&c, &h, &v));
	assert_int_equal(v.type, INLAY_QUIC_HANDSHAKE);
	assert_int_equal(v.payload_len, 2);
	assert_int_equal(inlay_cursor_left(&c), 0);

	c = inlay_cursor_of(retry, sizeof(retry));
	assert_true(inlay_quic_long_parse(&c, &h));
	assert_true(inlay_quic_long_v1_parse(&c, &h, &v));
	assert_int_equal(v.type, INLAY_QUIC_RETRY);
	assert_int_equal(v.token_len, 3);
	assert_memory_equal(v.token, "tok", 3);
	assert_int_equal(v.payload_len, 16);

	c = inlay_cursor_of(version_negotiation, sizeof(version_negotiation));
	assert_true(inlay_quic_long_parse(&c, &h));
	assert_int_equal(h.version, 0);
	assert_false(inlay_quic_long_v1_parse(&c, &h, &v));
}

/* Other versions may have longer CIDs (RFC 8999); version 1 must not (RFC 9000 section 17.2). */
static void long_cids(void **state)
{
	__u8 packet[1 + 4 + 1 + 255 + 1 + 1] = {0xc0, 0x0a, 0x0a, 0x0a, 0x0a, 0xff};
	struct inlay_cursor c = inlay_cursor_of(packet, sizeof(packet));
	struct inlay_quic_long_v1 v;
	struct inlay_quic_long h;
	struct inlay_cid cid;
	size_t len = 21;

	packet[1 + 4 + 1 + 255] = 1;
	assert_true(inlay_quic_long_parse(&c, &h));
	assert_int_equal(h.dcid_len, 255);
	assert_int_equal(h.scid_len, 1);
	assert_int_equal(inlay_cursor_left(&c), 0);
	assert_false(inlay_quic_long_v1_parse(&c, &h, &v));
	assert_false(inlay_cid_set(&cid, h.dcid, len));
	assert_true(inlay_cid_set(&cid, h.dcid, 20));
	assert_int_equal(cid.len, 20);
}

static void malformed_long_headers(void **state)
{
	__u8 packet[sizeof(initial_coalesced)];
	struct inlay_quic_long_v1 v;
	struct inlay_quic_long h;
	struct inlay_cursor c;
	size_t cut;
	__u8 *copy;
	bool ok;

	/* Cut anywhere in the first packet. */
	for (cut = 0; cut < 28; cut++) {
		copy = golden_copy(initial_coalesced, cut);
		c = inlay_cursor_of(copy, cut);
		ok = inlay_quic_long_parse(&c, &h) && inlay_quic_long_v1_parse(&c, &h, &v);
		assert_false(ok);
		free(copy);
	}
	for (cut = 0; cut < 25; cut++) {
		copy = golden_copy(retry, cut);
		c = inlay_cursor_of(copy, cut);
		ok = inlay_quic_long_parse(&c, &h) && inlay_quic_long_v1_parse(&c, &h, &v);
		assert_false(ok); /* no room for the tag */
		free(copy);
	}
	/* Short form; fixed bit clear. */
	memcpy(packet, initial_coalesced, sizeof(packet));
	packet[0] &= 0x7f;
	c = inlay_cursor_of(packet, sizeof(packet));
	assert_false(inlay_quic_long_parse(&c, &h));
	packet[0] = 0x83;
	assert_true(inlay_quic_long_parse(&c, &h));
	assert_false(inlay_quic_long_v1_parse(&c, &h, &v));
}

static void clear_packets(void **state)
{
	struct inlay_cid cid = {.len = 8, .data = {1, 2, 3, 4, 5, 6, 7, 8}};
	struct inlay_quic_clear p;
	struct inlay_writer w;
	__u8 buf[sizeof(clear)], bad[sizeof(clear)], *copy;
	size_t cut;

	assert_true(inlay_quic_clear_parse(clear, sizeof(clear), 8, &p));
	assert_int_equal(p.first, 0x47);
	assert_true(p.first & INLAY_QUIC_SHORT_PHASE);
	assert_memory_equal(p.dcid, cid.data, 8);
	assert_int_equal(p.pn_len, 4);
	assert_int_equal(p.pn_truncated, 0x12345678);
	assert_int_equal(p.pn, 0x512345678ULL);
	assert_int_equal(p.sa, 7);
	assert_int_equal(p.desc_flags, INLAY_DESC_ECN_CE);
	assert_int_equal(p.hdr_len, 13);
	assert_int_equal(p.generation, 2);
	assert_int_equal(inlay_cursor_left(&p.frames), 1);
	assert_int_equal(p.frames.pos[0], 0x01);

	w = inlay_writer_of(buf, sizeof(buf));
	assert_true(inlay_quic_put_short(&w, &cid, 0x512345678ULL, 4));
	buf[0] |= INLAY_QUIC_SHORT_PHASE;
	assert_true(inlay_quic_put_ping(&w));
	assert_true(inlay_quic_put_desc(&w, 7, 2, INLAY_DESC_ECN_CE, 13, 0x512345678ULL));
	assert_memory_equal(buf, clear, sizeof(clear));
	assert_false(inlay_quic_put_desc(&w, 7, 2, 0, 13, 0));

	for (cut = 0; cut < sizeof(clear); cut++) {
		copy = golden_copy(clear, cut);
		assert_false(inlay_quic_clear_parse(copy, cut, 8, &p));
		free(copy);
	}
	/* Header and descriptor disagree; long form; fixed bit; a CID of another length. */
	memcpy(bad, clear, sizeof(bad));
	bad[9]++;
	assert_false(inlay_quic_clear_parse(bad, sizeof(bad), 8, &p));
	memcpy(bad, clear, sizeof(bad));
	bad[19] = 12;
	assert_false(inlay_quic_clear_parse(bad, sizeof(bad), 8, &p));
	memcpy(bad, clear, sizeof(bad));
	bad[0] = 0xc3;
	assert_false(inlay_quic_clear_parse(bad, sizeof(bad), 8, &p));
	bad[0] = 0x03;
	assert_false(inlay_quic_clear_parse(bad, sizeof(bad), 8, &p));
	assert_false(inlay_quic_clear_parse(clear, sizeof(clear), 7, &p));
	assert_false(inlay_quic_clear_parse(clear, sizeof(clear), 21, &p));
}

static void short_headers(void **state)
{
	struct inlay_quic_short h;
	struct inlay_cursor c = inlay_cursor_of(clear, 9);
	__u32 pn;

	assert_true(inlay_quic_short_parse(&c, 8, &h));
	assert_int_equal(h.first, 0x47);
	assert_ptr_equal(h.dcid, clear + 1);
	assert_int_equal(inlay_cursor_left(&c), 0);
	c = inlay_cursor_of(clear, 8);
	assert_false(inlay_quic_short_parse(&c, 8, &h));
	assert_ptr_equal(c.pos, clear);
	c = inlay_cursor_of(clear + 9, 4);
	assert_true(inlay_quic_pn_get(&c, 3, &pn));
	assert_int_equal(pn, 0x123456);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(varint_examples),
		cmocka_unit_test(varint_limits),
		cmocka_unit_test(nothing_at_all),
		cmocka_unit_test(simple_frames),
		cmocka_unit_test(ack_frames),
		cmocka_unit_test(ack_without_room),
		cmocka_unit_test(ack_with_many_ranges),
		cmocka_unit_test(stream_frames),
		cmocka_unit_test(limit_frames),
		cmocka_unit_test(extension_frames),
		cmocka_unit_test(cid_frames),
		cmocka_unit_test(close_frames),
		cmocka_unit_test(datagram_frames),
		cmocka_unit_test(frame_classes),
		cmocka_unit_test(truncated_frames),
		cmocka_unit_test(malformed_frames),
		cmocka_unit_test(frames_at_limits),
		cmocka_unit_test(long_headers),
		cmocka_unit_test(long_cids),
		cmocka_unit_test(malformed_long_headers),
		cmocka_unit_test(clear_packets),
		cmocka_unit_test(short_headers),
	};

	if (golden_corpus("quic_frame", frames, INLAY_ARRAY_SIZE(frames)) &&
	    golden_corpus("quic_packet", packets, INLAY_ARRAY_SIZE(packets)))
		return 0;
	return cmocka_run_group_tests_name("quic_wire", tests, NULL, NULL);
}
