/* SPDX-License-Identifier: BSD-2-Clause */
/* STUN messages: a literal one, each attribute in each wrong form, and what two could read. */
#include "seeded.h"
#include "turn_world.h"

static enum inlay_stun_verdict parse(const struct message *m, struct inlay_stun_message *ret)
{
	return inlay_stun_parse(inlay_cursor_of(m->data, m->len), ret);
}

/* RFC 5769 section 2.2: a response with XOR-MAPPED-ADDRESS 192.0.2.1:32853; here the address stands
 * as XOR-RELAYED-ADDRESS, and its method and integrity are left out. */
static void a_literal_message_is_read(void **state)
{
	static const __u8 wire[] = {
		0x01, 0x03, 0x00, 0x24, 0x21, 0x12, 0xa4, 0x42, /* Allocate success */
		0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae, 0x80, 0x22,
		0x00, 0x0b, 0x74, 0x65, 0x73, 0x74, /* SOFTWARE, padded */
		0x20, 0x76, 0x65, 0x63, 0x74, 0x6f, 0x72, 0x20, 0x00, 0x16, 0x00, 0x08, 0x00, 0x01,
		0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43, 0x00, 0x0d, 0x00, 0x04, 0x00, 0x00, 0x02, 0x58,
	};
	struct inlay_addr expected = addr_of("192.0.2.1", 32853);
	struct inlay_stun_message m;

	assert_int_equal(inlay_stun_parse(inlay_cursor_of(wire, sizeof(wire)), &m), INLAY_STUN_OK);
	assert_int_equal(m.header.method, INLAY_STUN_ALLOCATE);
	assert_int_equal(m.header.class, INLAY_STUN_SUCCESS);
	assert_int_equal(m.header.id[0], 0xb7);
	assert_int_equal(m.header.id[11], 0xae);
	assert_int_equal(m.n_relayed, 1);
	assert_memory_equal(&m.relayed[0], &expected, sizeof(expected));
	assert_int_equal(m.has, INLAY_STUN_HAS_LIFETIME);
	assert_int_equal(m.lifetime, 600);
	/* RFC 5769 section 2.3: IPv6, with the same ID. */
	static const __u8 wire6[] = {
		0x01, 0x03, 0x00, 0x18, 0x21, 0x12, 0xa4, 0x42, 0xb7, 0xe7, 0xa7,
		0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae, 0x00, 0x16,
		0x00, 0x14, 0x00, 0x02, 0xa1, 0x47, 0x01, 0x13, 0xa9, 0xfa, 0xa5,
		0xd3, 0xf1, 0x79, 0xbc, 0x25, 0xf4, 0xb5, 0xbe, 0xd2, 0xb9, 0xd9,
	};
	expected = addr_of("2001:db8:1234:5678:11:2233:4455:6677", 32853);
	assert_int_equal(inlay_stun_parse(inlay_cursor_of(wire6, sizeof(wire6)), &m),
			 INLAY_STUN_OK);
	assert_memory_equal(&m.relayed[0], &expected, sizeof(expected));
}

static void every_type_is_taken_apart(void **state)
{
	for (__u16 method = 0; method < 0x1000; method++) {
		for (enum inlay_stun_class class = 0; class < 4; class ++) {
			struct message m = message_of(method, class, 1);
			struct inlay_stun_message read;

			assert_int_equal(parse(&m, &read), INLAY_STUN_OK);
			assert_int_equal(read.header.method, method);
			assert_int_equal(read.header.class, class);
		}
	}
}

static void what_has_no_header_is_not_stun(void **state)
{
	struct message m = allocate_request(1);
	struct inlay_stun_message read;

	for (m.len = 0; m.len < INLAY_STUN_HEADER_LEN; m.len++)
		assert_int_equal(parse(&m, &read), INLAY_STUN_NOT_STUN);
	m = allocate_request(1);
	m.data[0] |= 0x40;
	assert_int_equal(parse(&m, &read), INLAY_STUN_NOT_STUN);
	m = allocate_request(1);
	m.data[7] ^= 1;
	assert_int_equal(parse(&m, &read), INLAY_STUN_NOT_STUN);
}

static void a_length_that_is_not_the_datagrams_is_bad(void **state)
{
	struct message m = allocate_request(1);
	struct inlay_stun_message read;
	size_t whole = m.len;

	for (m.len = INLAY_STUN_HEADER_LEN; m.len < whole + 8; m.len++)
		assert_int_equal(parse(&m, &read),
				 m.len == whole ? INLAY_STUN_OK : INLAY_STUN_BAD_LENGTH);
	/* Not a multiple of four. */
	m = message_of(INLAY_STUN_ALLOCATE, INLAY_STUN_REQUEST, 9);
	m.data[3] = 6;
	m.len += 6;
	assert_int_equal(parse(&m, &read), INLAY_STUN_BAD_LENGTH);
	/* The header is known all the same. */
	assert_int_equal(read.header.id[11], 9);
}

static void an_attribute_ends_within_the_message(void **state)
{
	struct inlay_stun_message read;
	struct message m;

	for (__u16 len = 0; len < 16; len++) {
		m = message_of(INLAY_STUN_ALLOCATE, INLAY_STUN_REQUEST, 9);
		message_attribute(&m, 0x7777, "abcdefgh", 8);
		inlay_net_set16(m.data + INLAY_STUN_HEADER_LEN + 2, len);
		/* Shorter: what follows is another attribute of no length, or one that is cut. */
		assert_int_equal(parse(&m, &read) == INLAY_STUN_BAD_ATTRIBUTE, len > 8 || len < 5);
	}
}

static const struct {
	__u16 type;
	__u16 len; /* the right one */
} known[] = {
	{INLAY_STUN_ERROR_CODE, 4},
	{INLAY_STUN_CHANNEL_NUMBER, 4},
	{INLAY_STUN_LIFETIME, 4},
	{INLAY_STUN_XOR_PEER_ADDRESS, 8},
	{INLAY_STUN_XOR_RELAYED_ADDRESS, 8},
	{INLAY_STUN_REQUESTED_ADDRESS_FAMILY, 4},
	{INLAY_STUN_REQUESTED_TRANSPORT, 4},
	{INLAY_STUN_ADDITIONAL_ADDRESS_FAMILY, 4},
};

/* Bytes that are an IPv4 address as well as error 300. */
static const __u8 value[32] = {0, 1, 3, 0, 1, 2, 3, 4};

static void an_attribute_of_a_wrong_length_is_bad(void **state)
{
	struct inlay_stun_message read;
	struct message m;
	bool good;

	for (size_t i = 0; i < INLAY_ARRAY_SIZE(known); i++) {
		for (__u16 len = 0; len < 24; len++) {
			m = message_of(INLAY_STUN_ALLOCATE, INLAY_STUN_REQUEST, 9);
			message_attribute(&m, known[i].type, value, len);
			good = len == known[i].len ||
			       (known[i].type == INLAY_STUN_ERROR_CODE && len > 4);
			assert_int_equal(parse(&m, &read),
					 good ? INLAY_STUN_OK : INLAY_STUN_BAD_ATTRIBUTE);
		}
	}
}

static void what_two_could_read_otherwise_is_ambiguous(void **state)
{
	struct inlay_stun_message read;
	struct message m;
	bool many;

	for (size_t i = 0; i < INLAY_ARRAY_SIZE(known); i++) {
		/* Twice: one may take the first, another the last. */
		many = known[i].type == INLAY_STUN_XOR_PEER_ADDRESS;
		m = message_of(INLAY_STUN_ALLOCATE, INLAY_STUN_REQUEST, 9);
		message_attribute(&m, known[i].type, value, known[i].len);
		message_attribute(&m, known[i].type, value, known[i].len);
		assert_int_equal(parse(&m, &read), many ? INLAY_STUN_OK : INLAY_STUN_AMBIGUOUS);
		/* Behind the seal: one may leave it out. */
		m = message_of(INLAY_STUN_ALLOCATE, INLAY_STUN_REQUEST, 9);
		message_seal(&m);
		message_attribute(&m, known[i].type, value, known[i].len);
		assert_int_equal(parse(&m, &read), INLAY_STUN_AMBIGUOUS);
	}
	m = message_of(INLAY_STUN_ALLOCATE, INLAY_STUN_REQUEST, 9);
	message_attribute(&m, INLAY_STUN_MESSAGE_INTEGRITY_SHA256, value, 32);
	message_u32(&m, INLAY_STUN_LIFETIME, 0);
	assert_int_equal(parse(&m, &read), INLAY_STUN_AMBIGUOUS);
	m = message_of(INLAY_STUN_ALLOCATE, INLAY_STUN_REQUEST, 9);
	message_attribute(&m, INLAY_STUN_MOBILITY_TICKET, NULL, 0);
	assert_int_equal(parse(&m, &read), INLAY_STUN_OK);
	assert_int_equal(read.has, INLAY_STUN_HAS_TICKET);
	message_attribute(&m, INLAY_STUN_MOBILITY_TICKET, NULL, 0);
	assert_int_equal(parse(&m, &read), INLAY_STUN_AMBIGUOUS);
}

static void values_are_read(void **state)
{
	struct inlay_addr peer = addr_of("203.0.113.7", 5000), six = addr_of("2001:db8::7", 1);
	struct inlay_stun_message read;
	struct message m;

	m = message_of(INLAY_STUN_CHANNEL_BIND, INLAY_STUN_REQUEST, 9);
	message_u32(&m, INLAY_STUN_CHANNEL_NUMBER, 0x4fff0001); /* RFFU: ignored */
	message_u32(&m, INLAY_STUN_REQUESTED_TRANSPORT, 17U << 24 | 5);
	message_u32(&m, INLAY_STUN_REQUESTED_ADDRESS_FAMILY, 2U << 24);
	message_address(&m, INLAY_STUN_XOR_PEER_ADDRESS, &peer);
	message_address(&m, INLAY_STUN_XOR_PEER_ADDRESS, &six);
	assert_int_equal(parse(&m, &read), INLAY_STUN_OK);
	assert_int_equal(read.channel, 0x4fff);
	assert_int_equal(read.transport, 17);
	assert_int_equal(read.family, AF_INET6);
	assert_int_equal(read.n_peers, 2);
	assert_memory_equal(&read.peers[0], &peer, sizeof(peer));
	assert_memory_equal(&read.peers[1], &six, sizeof(six));
	assert_int_equal(read.has,
			 INLAY_STUN_HAS_CHANNEL | INLAY_STUN_HAS_TRANSPORT | INLAY_STUN_HAS_FAMILY);
	m = message_of(INLAY_STUN_REFRESH, INLAY_STUN_ERROR, 9);
	message_error(&m, 437);
	assert_int_equal(parse(&m, &read), INLAY_STUN_OK);
	assert_int_equal(read.error, 437);
	/* Neither family. */
	m = message_of(INLAY_STUN_REFRESH, INLAY_STUN_REQUEST, 9);
	message_u32(&m, INLAY_STUN_REQUESTED_ADDRESS_FAMILY, 3U << 24);
	assert_int_equal(parse(&m, &read), INLAY_STUN_OK);
	assert_int_equal(read.family, 0);
}

static void error_codes_are_within_bounds(void **state)
{
	static const __u32 bad[] = {0x000, 0x200, 0x263, 0x700, 0x364, 0x4ff};
	static const __u32 good[] = {0x300, 0x425, 0x663, 0xf00 | 0x401 << 0};
	struct inlay_stun_message read;
	struct message m;

	for (size_t i = 0; i < INLAY_ARRAY_SIZE(bad); i++) {
		m = message_of(INLAY_STUN_REFRESH, INLAY_STUN_ERROR, 9);
		message_u32(&m, INLAY_STUN_ERROR_CODE, bad[i]);
		assert_int_equal(parse(&m, &read), INLAY_STUN_BAD_ATTRIBUTE);
	}
	for (size_t i = 0; i < 3; i++) {
		m = message_of(INLAY_STUN_REFRESH, INLAY_STUN_ERROR, 9);
		message_u32(&m, INLAY_STUN_ERROR_CODE, good[i] | 0xf800);
		assert_int_equal(parse(&m, &read), INLAY_STUN_OK);
		assert_int_equal(read.error, (good[i] >> 8) * 100 + (good[i] & 0xff));
	}
}

static void peers_beyond_the_eighth_are_noted(void **state)
{
	struct inlay_addr peer = addr_of("203.0.113.7", 5000);
	struct inlay_stun_message read;
	struct message m = message_of(INLAY_STUN_CREATE_PERMISSION, INLAY_STUN_REQUEST, 9);

	for (int i = 1; i < 12; i++) {
		message_address(&m, INLAY_STUN_XOR_PEER_ADDRESS, &peer);
		assert_int_equal(parse(&m, &read), INLAY_STUN_OK);
		assert_int_equal(read.n_peers, i < 8 ? i : 8);
		assert_int_equal(read.has, i > 8 ? INLAY_STUN_HAS_MORE_PEERS : 0);
	}
}

static void relayed_addresses_are_two_of_different_families(void **state)
{
	struct inlay_addr four = addr_of("203.0.113.7", 5000), six = addr_of("2001:db8::7", 1);
	struct inlay_stun_message read;
	struct message m = message_of(INLAY_STUN_ALLOCATE, INLAY_STUN_SUCCESS, 9);

	message_address(&m, INLAY_STUN_XOR_RELAYED_ADDRESS, &six);
	message_address(&m, INLAY_STUN_XOR_RELAYED_ADDRESS, &four);
	assert_int_equal(parse(&m, &read), INLAY_STUN_OK);
	assert_int_equal(read.n_relayed, 2);
	message_address(&m, INLAY_STUN_XOR_RELAYED_ADDRESS, &six);
	assert_int_equal(parse(&m, &read), INLAY_STUN_AMBIGUOUS);
}

/* Bytes in an allocation of their own length: a read past it is seen by the sanitizers. */
static void any_bytes_are_read_within_their_bounds(void **state)
{
	struct seeded s = {.state = 3};
	struct inlay_stun_message read;
	struct message m;
	__u8 *exact;

	for (int i = 0; i < 20000; i++) {
		m = bind_request(9, 0x4001, &(struct inlay_addr){.family = AF_INET, .port = 1});
		for (int k = 0; k < 3; k++)
			m.data[seeded_below(&s, m.len)] = (__u8)seeded_u64(&s);
		m.len = seeded_below(&s, m.len + 1);
		exact = malloc(m.len + 1);
		memcpy(exact, m.data, m.len);
		inlay_stun_parse(inlay_cursor_of(exact, m.len), &read);
		assert_true(read.n_peers <= INLAY_STUN_PEERS);
		assert_true(read.n_relayed <= INLAY_STUN_RELAYED);
		free(exact);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_literal_message_is_read),
		cmocka_unit_test(every_type_is_taken_apart),
		cmocka_unit_test(what_has_no_header_is_not_stun),
		cmocka_unit_test(a_length_that_is_not_the_datagrams_is_bad),
		cmocka_unit_test(an_attribute_ends_within_the_message),
		cmocka_unit_test(an_attribute_of_a_wrong_length_is_bad),
		cmocka_unit_test(what_two_could_read_otherwise_is_ambiguous),
		cmocka_unit_test(values_are_read),
		cmocka_unit_test(error_codes_are_within_bounds),
		cmocka_unit_test(peers_beyond_the_eighth_are_noted),
		cmocka_unit_test(relayed_addresses_are_two_of_different_families),
		cmocka_unit_test(any_bytes_are_read_within_their_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
