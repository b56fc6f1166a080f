/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A peer that breaks the rules: each violation closes the connection with the RFC's code, says so
 * in a CONNECTION_CLOSE, and names the frame type. Frames are written by hand.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "quic_solo.h"

#define CLIENT 1
#define SERVER 2
#define BOTH   3

/*
 * The engine is a server (the peer's streams are 0, 4, ... and 2, 6, ...; ours 1, 5, ... and 3, 7,
 * ...) or a client. Windows: 2000 a stream, 5000 in all; 4 streams of each kind; 3 CIDs.
 * |frames| come in one packet each, a length byte in front of each packet.
 */
struct hostile_case {
	const char *name;
	int roles;
	enum inlay_quic_error code;
	__u64 frame_type;
	const __u8 *packets;
	size_t len;
};

#define PACKETS(...)                                                                               \
	.packets = (const __u8[]){__VA_ARGS__}, .len = sizeof((const __u8[]){__VA_ARGS__})

#define FLOW   INLAY_QUIC_FLOW_CONTROL_ERROR
#define LIMIT  INLAY_QUIC_STREAM_LIMIT_ERROR
#define STATE  INLAY_QUIC_STREAM_STATE_ERROR
#define FINAL  INLAY_QUIC_FINAL_SIZE_ERROR
#define FRAME  INLAY_QUIC_FRAME_ENCODING_ERROR
#define PROTO  INLAY_QUIC_PROTOCOL_VIOLATION
#define CIDS   INLAY_QUIC_CONNECTION_ID_LIMIT_ERROR
#define CRYPTO INLAY_QUIC_CRYPTO_BUFFER_EXCEEDED

/* A NEW_CONNECTION_ID frame of 4-byte CIDs that differ in |c|, with token bytes |t|. */
#define NEW_CID(seq, prior, c, t)                                                                  \
	24, 0x18, seq, prior, 4, 0xab, 0xab, 0xab, c, t, t, t, t, t, t, t, t, t, t, t, t, t, t, t, t

static const struct hostile_case cases[] = {
	{"no frames", BOTH, PROTO, 0, PACKETS(0)},
	{"unknown frame type", BOTH, FRAME, 0x21, PACKETS(1, 0x21)},
	{"frame type not in its shortest form", BOTH, PROTO, 0, PACKETS(2, 0x40, 0x01)},
	{"cut short", BOTH, FRAME, 0x10, PACKETS(2, 0x10, 0x80)},
	/* Streams */
	{"beyond the stream's window", SERVER, FLOW, 0x0e,
	 PACKETS(6, 0x0e, 0x00, 0x47, 0xd0, 0x01, 0xff)},
	{"beyond the connection's window", SERVER, FLOW, 0x0e,
	 PACKETS(6, 0x0e, 0x00, 0x47, 0xcf, 0x01, 0xff, /* 2000 */
		 6, 0x0e, 0x04, 0x47, 0xcf, 0x01, 0xff, /* 4000 */
		 6, 0x0e, 0x08, 0x43, 0xe8, 0x01, 0xff)},
	{"a reset beyond the window", SERVER, FLOW, 0x04, PACKETS(5, 0x04, 0x00, 0x00, 0x47, 0xd1)},
	{"more bidirectional streams than allowed", SERVER, LIMIT, 0x0a, PACKETS(3, 0x0a, 16, 0)},
	{"more unidirectional streams than allowed", SERVER, LIMIT, 0x0a, PACKETS(3, 0x0a, 18, 0)},
	{"more streams than allowed, by MAX_STREAM_DATA", SERVER, LIMIT, 0x11,
	 PACKETS(3, 0x11, 16, 1)},
	{"data on our unidirectional stream", SERVER, STATE, 0x0a, PACKETS(3, 0x0a, 3, 0)},
	{"data on a stream of ours not opened", SERVER, STATE, 0x0a, PACKETS(3, 0x0a, 1, 0)},
	{"the same, for a client", CLIENT, STATE, 0x0a, PACKETS(3, 0x0a, 0, 0)},
	{"reset of our unidirectional stream", SERVER, STATE, 0x04, PACKETS(4, 0x04, 3, 0, 0)},
	{"STOP_SENDING on a stream we only receive", SERVER, STATE, 0x05, PACKETS(3, 0x05, 2, 0)},
	{"STOP_SENDING on a stream of ours not opened", SERVER, STATE, 0x05,
	 PACKETS(3, 0x05, 3, 0)},
	{"MAX_STREAM_DATA on a stream we only receive", SERVER, STATE, 0x11,
	 PACKETS(3, 0x11, 2, 9)},
	{"MAX_STREAM_DATA on a stream of ours not opened", SERVER, STATE, 0x11,
	 PACKETS(3, 0x11, 3, 9)},
	{"STREAM_DATA_BLOCKED on a stream we only send", SERVER, STATE, 0x15,
	 PACKETS(3, 0x15, 3, 9)},
	{"data past the end", SERVER, FINAL, 0x0e,
	 PACKETS(5, 0x0b, 0, 2, 1, 2, 5, 0x0e, 0, 2, 1, 9)},
	{"two ends", SERVER, FINAL, 0x0f,
	 PACKETS(5, 0x0f, 0, 9, 1, 1, /* ends at 10 */
		 5, 0x0f, 0, 8, 1, 1)},
	{"an end before what came", SERVER, FINAL, 0x0b,
	 PACKETS(5, 0x0e, 0, 9, 1, 1, 4, 0x0b, 0, 1, 1)},
	{"a reset with another size", SERVER, FINAL, 0x04,
	 PACKETS(5, 0x0f, 0, 9, 1, 1, 4, 0x04, 0, 0, 11)},
	{"a reset below what came", SERVER, FINAL, 0x04,
	 PACKETS(5, 0x0e, 0, 9, 1, 1, 4, 0x04, 0, 0, 9)},
	{"data past the end of what was reset", SERVER, FINAL, 0x0e,
	 PACKETS(4, 0x04, 0, 0, 5, 5, 0x0e, 0, 5, 1, 9)},
	{"another end after a reset", SERVER, FINAL, 0x0b,
	 PACKETS(4, 0x04, 0, 0, 5, 4, 0x0b, 0, 1, 9)},
	{"two resets, two sizes", SERVER, FINAL, 0x04, PACKETS(4, 0x04, 0, 0, 5, 4, 0x04, 0, 0, 6)},
	{"an empty end beyond the other one", SERVER, FINAL, 0x0f,
	 PACKETS(4, 0x0b, 0, 1, 9, 4, 0x0f, 0, 2, 0)},
	{"resets beyond the connection's window", SERVER, FLOW, 0x04,
	 PACKETS(5, 0x04, 0x00, 0x00, 0x47, 0xd0, /* 2000 */
		 5, 0x04, 0x02, 0x00, 0x47, 0xd0, /* 4000 */
		 5, 0x04, 0x06, 0x00, 0x47, 0xd0)},
	{"an empty frame beyond the window", SERVER, FLOW, 0x0e,
	 PACKETS(5, 0x0e, 0x00, 0x47, 0xd1, 0x00)},
	{"offset and length beyond 2^62", SERVER, FRAME, 0x0e,
	 PACKETS(12, 0x0e, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0xff)},
	{"MAX_STREAMS above 2^60", BOTH, FRAME, 0x12, PACKETS(9, 0x12, 0xd0, 0, 0, 0, 0, 0, 0, 1)},
	{"STREAMS_BLOCKED above 2^60", BOTH, FRAME, 0x17,
	 PACKETS(9, 0x17, 0xd0, 0, 0, 0, 0, 0, 0, 1)},
	/* Acknowledgements */
	{"ACK of what was never sent", BOTH, PROTO, 0x02, PACKETS(6, 0x02, 0x40, 200, 0, 0, 0)},
	{"ACK of the largest number there is", BOTH, PROTO, 0x02,
	 PACKETS(12, 0x02, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0)},
	{"ACK of everything there can be", BOTH, PROTO, 0x02,
	 PACKETS(19, 0x02, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0xff, 0xff, 0xff,
		 0xff, 0xff, 0xff, 0xff, 0xff)},
	{"ACK with a gap that wraps", BOTH, FRAME, 0x02,
	 PACKETS(14, 0x02, 3, 0, 1, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0)},
	{"ACK with a range that wraps", BOTH, FRAME, 0x02,
	 PACKETS(14, 0x02, 3, 0, 1, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)},
	{"ACK of more ranges than there are bytes", BOTH, FRAME, 0x02,
	 PACKETS(13, 0x02, 3, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0)},
	{"ACK with a range below zero", BOTH, FRAME, 0x02, PACKETS(5, 0x02, 1, 0, 0, 2)},
	{"ACK with a gap below zero", BOTH, FRAME, 0x02, PACKETS(7, 0x02, 3, 0, 1, 0, 5, 0)},
	/* Connection IDs */
	{"retire_prior_to above the sequence number", BOTH, FRAME, 0x18,
	 PACKETS(NEW_CID(1, 2, 1, 1))},
	{"an empty connection ID", BOTH, FRAME, 0x18,
	 PACKETS(20, 0x18, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)},
	{"a connection ID of 21 bytes", BOTH, FRAME, 0x18,
	 PACKETS(41, 0x18, 1, 0, 21, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18,
		 19, 20, 21, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)},
	{"one sequence number, two connection IDs", BOTH, PROTO, 0x18,
	 PACKETS(NEW_CID(1, 0, 1, 1), NEW_CID(1, 0, 2, 1))},
	{"one sequence number, two tokens", BOTH, PROTO, 0x18,
	 PACKETS(NEW_CID(1, 0, 1, 1), NEW_CID(1, 0, 1, 2))},
	{"one connection ID, two sequence numbers", BOTH, PROTO, 0x18,
	 PACKETS(NEW_CID(1, 0, 1, 1), NEW_CID(2, 0, 1, 1))},
	{"more connection IDs than we keep", BOTH, CIDS, 0x18,
	 PACKETS(NEW_CID(1, 0, 1, 1), NEW_CID(2, 0, 2, 2), NEW_CID(3, 0, 3, 3))},
	{"retiring a connection ID never issued", BOTH, PROTO, 0x19, PACKETS(2, 0x19, 3)},
	{"retiring the one that the packet came by", BOTH, PROTO, 0x19, PACKETS(2, 0x19, 0)},
	/* The rest */
	{"HANDSHAKE_DONE to a server", SERVER, PROTO, 0x1e, PACKETS(1, 0x1e)},
	{"NEW_TOKEN to a server", SERVER, PROTO, 0x07, PACKETS(3, 0x07, 1, 1)},
	{"an empty NEW_TOKEN", CLIENT, FRAME, 0x07, PACKETS(2, 0x07, 0)},
	{"an unknown frame type of eight bytes", BOTH, FRAME, 0x3fffffffffffffff,
	 PACKETS(8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)},
	{"an unknown frame behind good ones", BOTH, FRAME, 0x40,
	 PACKETS(5, 0x01, 0x01, 0x00, 0x40, 0x40)},
	{"PATH_CHALLENGE cut short", BOTH, FRAME, 0x1a, PACKETS(8, 0x1a, 1, 2, 3, 4, 5, 6, 7)},
	{"PATH_RESPONSE cut short", BOTH, FRAME, 0x1b, PACKETS(8, 0x1b, 1, 2, 3, 4, 5, 6, 7)},
	{"CONNECTION_CLOSE cut short", BOTH, FRAME, 0x1c, PACKETS(4, 0x1c, 0, 0, 5)},
	{"RETIRE_CONNECTION_ID cut short", BOTH, FRAME, 0x19, PACKETS(1, 0x19)},
	{"a datagram cut short", BOTH, FRAME, 0x31, PACKETS(3, 0x31, 5, 1)},
	{"STREAM_DATA_BLOCKED on a stream of ours not opened", SERVER, STATE, 0x15,
	 PACKETS(3, 0x15, 1, 9)},
	{"RESET_STREAM of a stream of ours not opened", SERVER, STATE, 0x04,
	 PACKETS(4, 0x04, 1, 0, 0)},
	{"a reset of more streams than allowed", SERVER, LIMIT, 0x04, PACKETS(4, 0x04, 18, 0, 0)},
	{"STOP_SENDING for more streams than allowed", SERVER, LIMIT, 0x05,
	 PACKETS(3, 0x05, 16, 0)},
	{"STREAM_DATA_BLOCKED for more streams than allowed", SERVER, LIMIT, 0x15,
	 PACKETS(3, 0x15, 18, 0)},
	{"CRYPTO far ahead", CLIENT, CRYPTO, 0x06, PACKETS(7, 0x06, 0x80, 0x01, 0x00, 0x00, 1, 0)},
};

static void feed(struct solo *s, const __u8 *packets, size_t len)
{
	size_t at = 0;

	while (at < len) {
		size_t n = packets[at];

		assert_true(at + 1 + n <= len);
		/* Only the last packet is the one that breaks a rule. */
		assert_false(s->closed);
		solo_recv(s, packets + at + 1, n);
		at += 1 + n;
	}
}

static void expect_close(struct solo *s, __u64 code, __u64 frame_type)
{
	struct inlay_quic_frame f;

	assert_true(s->closed);
	assert_false(s->why.by_peer || s->why.application);
	assert_int_equal(s->why.code, code);
	assert_int_equal(solo_find(s, INLAY_QUIC_CONNECTION_CLOSE, &f), 1);
	assert_false(f.close.application);
	assert_int_equal(f.close.code, code);
	assert_int_equal(f.close.frame_type, frame_type);
	assert_true(inlay_conn_is_closing(s->conn));
}

static void run_case(const struct hostile_case *k, enum inlay_role role)
{
	struct solo s;

	solo_init(&s, role);
	assert_true(solo_start(&s));
	solo_drain(&s);
	feed(&s, k->packets, k->len);
	if (!s.closed || s.why.code != k->code)
		print_error("%s, as %s: closed %d, code %llu\n", k->name,
			    role == INLAY_SERVER ? "server" : "client", s.closed, s.why.code);
	expect_close(&s, k->code, k->frame_type);
	solo_stop(&s);
}

static void test_cases(void **state)
{
	size_t i;

	for (i = 0; i < INLAY_ARRAY_SIZE(cases); i++) {
		if (cases[i].roles & CLIENT)
			run_case(&cases[i], INLAY_CLIENT);
		if (cases[i].roles & SERVER)
			run_case(&cases[i], INLAY_SERVER);
	}
}

static void test_reserved_bits(void **state)
{
	const __u8 packet[] = {0x58, 1, 2, 3, 4, 5,  6, 7, 8, 0, /* header */
			       0x01,				 /* PING */
			       0,    0, 0, 1, 0, 10, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0};
	struct solo s;

	solo_init(&s, INLAY_SERVER);
	assert_true(solo_start(&s));
	inlay_conn_recv(s.conn, &s.path, packet, sizeof(packet), s.now);
	expect_close(&s, PROTO, 0);
	solo_stop(&s);
}

static void test_datagrams(void **state)
{
	__u8 frames[1200] = {0x30};
	struct solo s;

	solo_init(&s, INLAY_SERVER);
	assert_true(solo_start(&s));
	solo_recv(&s, frames, 1000); /* as large as announced */
	assert_false(s.closed);
	assert_int_equal(s.datagrams, 1);
	solo_recv(&s, frames, 1001);
	expect_close(&s, PROTO, 0x30);
	solo_stop(&s);

	solo_init(&s, INLAY_SERVER);
	s.handover.own.max_datagram_frame_size = 0;
	assert_true(solo_start(&s));
	solo_recv(&s, frames, 1);
	expect_close(&s, PROTO, 0x30);
	solo_stop(&s);
}

static void test_new_cid_for_a_peer_without(void **state)
{
	const __u8 packets[] = {NEW_CID(1, 0, 1, 1)};
	struct solo s;

	solo_init(&s, INLAY_SERVER);
	memset(&s.handover.peer_cid, 0, sizeof(s.handover.peer_cid));
	assert_true(solo_start(&s));
	feed(&s, packets, sizeof(packets));
	expect_close(&s, PROTO, 0x18);
	solo_stop(&s);
}

/* RFC 9000 section 21.4. */
static void test_optimistic_ack(void **state)
{
	__u8 frame[32], room[INLAY_FRAME_MAX];
	struct inlay_quic_range all = {0, 0};
	struct inlay_quic_clear clear;
	struct inlay_writer w;
	struct solo s;
	__u64 voided = 0;
	int i;

	solo_init(&s, INLAY_SERVER);
	assert_true(solo_start(&s));
	for (i = 0; i < 400 && !s.closed; i++) {
		s.conn->ping_due = true;
		s.now += 10 * INLAY_MS;
		while (solo_send(&s, room, &clear))
			;
		while (voided < s.entry.next_pn &&
		       inlay_sentlog_fate(&s.conn->log, voided) != INLAY_FATE_VOID)
			voided++;
		/* All there is, whether it arrived or not. */
		all.end = s.entry.next_pn;
		w = inlay_writer_of(frame, sizeof(frame));
		assert_int_equal(inlay_quic_put_ack(&w, &all, 1, 0, NULL), 1);
		if (voided < s.entry.next_pn)
			break;
		solo_recv(&s, frame, inlay_writer_len(&w));
	}
	assert_true(voided < s.entry.next_pn);
	assert_false(s.closed);
	solo_recv(&s, frame, inlay_writer_len(&w));
	expect_close(&s, PROTO, 0x02);
	solo_stop(&s);
}

/* Thousands of CIDs retired without an acknowledgement of ours: bounded. */
static void test_retire_flood(void **state)
{
	struct solo s;
	__u64 i;

	solo_init(&s, INLAY_SERVER);
	assert_true(solo_start(&s));
	for (i = 1; i < 1000 && !s.closed; i++) {
		__u8 cid[4] = {0xab, 0, (__u8)(i >> 8), (__u8)i},
		     token[16] = {(__u8)i, (__u8)(i >> 8)};
		__u8 frame[64];
		struct inlay_writer w = inlay_writer_of(frame, sizeof(frame));
		struct inlay_cid c;

		inlay_cid_set(&c, cid, 4);
		assert_true(inlay_quic_put_new_connection_id(&w, i, i, &c, token));
		solo_recv(&s, frame, inlay_writer_len(&w));
		solo_drain(&s);
	}
	assert_true(i < 50);
	assert_int_equal(s.why.code, CIDS);
	solo_stop(&s);
}

/* One byte of each page: memory is refused, not taken, and the packet not acknowledged. */
static void test_sparse_stream(void **state)
{
	__u8 frame[32];
	struct inlay_writer w;
	struct solo s;
	__u64 i;

	solo_init(&s, INLAY_SERVER);
	s.handover.own.initial_max_data = 1ULL << 40;
	s.handover.own.initial_max_stream_data_bidi_remote = 1ULL << 40;
	assert_true(solo_start(&s));
	for (i = 0; i < 1000; i++) {
		w = inlay_writer_of(frame, sizeof(frame));
		inlay_quic_put_stream_header(&w, 0, 1 + i * 100000, 1, false, true);
		inlay_writer_u8(&w, 7);
		solo_recv(&s, frame, inlay_writer_len(&w));
	}
	assert_false(s.closed);
	assert_true(s.conn->streams.recv_budget.used <= 64 * 1024);
	assert_true(s.conn->acks.seen.n == 1 && s.conn->acks.seen.ranges[0].end < 100);
	solo_stop(&s);
}

static void test_flood_of_path_challenges(void **state)
{
	const __u8 frame[] = {0x1a, 1, 2, 3, 4, 5, 6, 7, 8};
	struct inlay_quic_frame f;
	struct solo s;
	int i;

	solo_init(&s, INLAY_SERVER);
	assert_true(solo_start(&s));
	solo_drain(&s);
	for (i = 0; i < 100; i++)
		solo_recv(&s, frame, sizeof(frame));
	assert_int_equal(solo_find(&s, INLAY_QUIC_PATH_RESPONSE, &f), INLAY_PATH_ANSWERS);
	assert_memory_equal(f.path_data, frame + 1, 8);
	solo_stop(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_reserved_bits),
		cmocka_unit_test(test_datagrams),
		cmocka_unit_test(test_new_cid_for_a_peer_without),
		cmocka_unit_test(test_optimistic_ack),
		cmocka_unit_test(test_retire_flood),
		cmocka_unit_test(test_sparse_stream),
		cmocka_unit_test(test_flood_of_path_challenges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
