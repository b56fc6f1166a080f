/* SPDX-License-Identifier: BSD-2-Clause */
/* Transport parameters of extensions, as bytes (RFC 9000 section 18 and the extensions' drafts). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "handshake_impl.h"
#include "inlay_quic_write.h"

#define MIN_ACK_DELAY	0xc0, 0x00, 0x00, 0x00, 0xff, 0x04, 0xde, 0x1b
#define RESET_STREAM_AT 0x1d

static const struct {
	const char *what;
	bool good;
	__u8 bytes[40];
	size_t len;
} cases[] = {
	{"nothing", true, {0}, 0},
	{"what ngtcp2 knows", true, {0x04, 0x02, 0x47, 0xd0, 0x0e, 0x01, 0x04}, 7},
	{"reset_stream_at", true, {RESET_STREAM_AT, 0x00}, 2},
	{"reset_stream_at with a value", false, {RESET_STREAM_AT, 0x01, 0x00}, 3},
	{"reset_stream_at twice", false, {RESET_STREAM_AT, 0x00, RESET_STREAM_AT, 0x00}, 4},
	{"min_ack_delay of 1000 us", true, {MIN_ACK_DELAY, 0x02, 0x43, 0xe8}, 11},
	{"min_ack_delay of 0", true, {MIN_ACK_DELAY, 0x01, 0x00}, 10},
	{"min_ack_delay as large as max_ack_delay is by default",
	 true,
	 {MIN_ACK_DELAY, 0x04, 0x80, 0x00, 0x61, 0xa8},
	 13},
	{"min_ack_delay larger than that",
	 false,
	 {MIN_ACK_DELAY, 0x04, 0x80, 0x00, 0x61, 0xa9},
	 13},
	{"max_ack_delay behind it makes it right",
	 true,
	 {MIN_ACK_DELAY, 0x04, 0x80, 0x00, 0x61, 0xa9, 0x0b, 0x01, 0x1a},
	 16},
	{"max_ack_delay before it makes it wrong",
	 false,
	 {0x0b, 0x01, 0x00, MIN_ACK_DELAY, 0x02, 0x43, 0xe8},
	 14},
	{"min_ack_delay twice", false, {MIN_ACK_DELAY, 0x01, 0x05, MIN_ACK_DELAY, 0x01, 0x05}, 20},
	{"min_ack_delay that is no integer", false, {MIN_ACK_DELAY, 0x01, 0x40}, 10},
	{"min_ack_delay with a byte too many", false, {MIN_ACK_DELAY, 0x02, 0x05, 0x00}, 11},
	{"min_ack_delay of 2^62-1 us",
	 false,
	 {MIN_ACK_DELAY, 0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
	 17},
	{"an unknown one", true, {0x1b, 0x03, 0x01, 0x02, 0x03}, 5},
	{"an unknown one twice", false, {0x1b, 0x00, 0x1b, 0x00}, 4},
	{"one of the RFC's twice", false, {0x0e, 0x01, 0x04, 0x0e, 0x01, 0x04}, 6},
	{"cut in a value", false, {0x1b, 0x03, 0x01, 0x02}, 4},
	{"cut in a length", false, {0x1b, 0x40}, 2},
	{"cut in an identifier", false, {0x40}, 1},
};

static void wrong_parameters_of_extensions_are_refused(void **state)
{
	struct inlay_transport_params p;
	size_t i;

	for (i = 0; i < INLAY_ARRAY_SIZE(cases); i++)
		if (inlay_params_read_extensions(cases[i].bytes, cases[i].len, &p) != cases[i].good)
			fail_msg("%s", cases[i].what);
}

static void what_is_written_is_read(void **state)
{
	struct inlay_transport_params own = {.max_ack_delay = 25 * INLAY_MS}, peer;
	struct inlay_writer w;
	__u8 room[64];
	__u64 i, left;

	for (i = 0; i < 64; i++) {
		__u64 random = i * 0x123456789abcdefULL;

		own.reset_stream_at = i & 1;
		own.has_min_ack_delay = i & 2;
		own.min_ack_delay = i & 2 ? i * INLAY_US : 0;
		w = inlay_writer_of(room, sizeof(room));
		assert_true(inlay_params_put_extensions(&w, &own, random));
		assert_true(inlay_params_read_extensions(room, inlay_writer_len(&w), &peer));
		assert_int_equal(peer.reset_stream_at, own.reset_stream_at);
		assert_int_equal(peer.has_min_ack_delay, own.has_min_ack_delay);
		assert_true(peer.min_ack_delay == own.min_ack_delay);
		for (left = 0; left < inlay_writer_len(&w); left++) {
			struct inlay_writer cut = inlay_writer_of(room, left);

			assert_false(inlay_params_put_extensions(&cut, &own, random));
		}
	}
}

/* RFC 9000 section 18.1. */
static void a_reserved_parameter_is_always_sent(void **state)
{
	const struct inlay_transport_params own = {0};
	struct inlay_cursor c;
	struct inlay_writer w;
	__u64 id = 0, i;
	__u8 room[64];

	for (i = 0; i < 32; i++) {
		w = inlay_writer_of(room, sizeof(room));
		assert_true(inlay_params_put_extensions(&w, &own, ~(i << 58 | i)));
		c = inlay_cursor_of(room, inlay_writer_len(&w));
		assert_true(inlay_quic_varint_get(&c, &id));
		assert_int_equal((id - 27) % 31, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrong_parameters_of_extensions_are_refused),
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(a_reserved_parameter_is_always_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
