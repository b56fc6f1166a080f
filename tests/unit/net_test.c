/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The headers around a datagram: frames written by hand from RFC 791, 8200, 768 and IEEE 802.1Q are
 * read, written again, cut and damaged; checksums against one that adds up word by word.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "golden.h"
#include "inlay_net.h"

/* 10.0.0.1:4433 to 10.0.0.2:50000, ECT(0), TTL 64, "hello"; padded to the shortest frame. */
static const __u8 ipv4[] = {
	0x02, 0,    0,	  0,	0,    2,    0x02, 0,	0,    0,  0,	1,    0x08,
	0x00,							  /* Ethernet */
	0x45, 0x02, 0x00, 0x21, 0x12, 0x34, 0x40, 0x00, 0x40, 17, /* IPv4 */
	0x14, 0x94, 10,	  0,	0,    1,    10,	  0,	0,    2,  0x11, 0x51, 0xc3,
	0x50,									 /* and UDP */
	0x00, 0x0d, 0xd3, 0x5d, 'h',  'e',  'l',  'l',	'o',			 /* */
	0,    0,    0,	  0,	0,    0,    0,	  0,	0,    0,  0,	0,    0, /* padding */
};

/* 2001:db8::1 port 443 to 2001:db8::2 port 1024, VLAN 5 of priority 3, flow 0xabcde. */
static const __u8 ipv6_vlan[] = {
	0x02, 0,    0,	  0,	0,    2,    0x02, 0,	0,    0,
	0,    1,    0x81, 0x00, 0x60, 0x05, 0x86, 0xdd, /* tagged */
	0x6b, 0x8a, 0xbc, 0xde, 0x00, 0x0a, 17,	  63,	/* IPv6 */
	0x20, 0x01, 0x0d, 0xb8, 0,    0,    0,	  0,	0,    0,
	0,    0,    0,	  0,	0,    1, /* source */
	0x20, 0x01, 0x0d, 0xb8, 0,    0,    0,	  0,	0,    0,
	0,    0,    0,	  0,	0,    2,			    /* destination */
	0x01, 0xbb, 0x04, 0x00, 0x00, 0x0a, 0x39, 0x44, 0x65, 0x66, /* UDP, "ef" */
};

#define ALL_OF_THEM                                                                                \
	{                                                                                          \
		GOLDEN(ipv4), GOLDEN(ipv6_vlan),                                                   \
	}

static enum inlay_net_verdict parse(const __u8 *frame, size_t len, struct inlay_net_datagram *d)
{
	__u8 *copy = golden_copy(frame, len);
	enum inlay_net_verdict v = inlay_net_parse(inlay_cursor_of(copy, len), d);

	if (v == INLAY_NET_OK) /* where it lies in the caller's bytes */
		d->payload = inlay_cursor_of(frame + (d->payload.pos - copy),
					     inlay_cursor_left(&d->payload));
	free(copy);
	return v;
}

/* RFC 1071 as it stands there. */
static __u16 naive_sum(const __u8 *data, size_t len, __u32 sum)
{
	size_t i;

	for (i = 0; i < len; i++)
		sum += i & 1 ? data[i] : (__u32)data[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)sum;
}

static __u32 random_state;

static __u32 next_random(void)
{
	random_state = random_state * 1664525 + 1013904223;
	return random_state >> 8;
}

static void an_ipv4_datagram_is_read(void **state)
{
	struct inlay_net_datagram d;
	struct inlay_path path;

	assert_int_equal(parse(ipv4, sizeof(ipv4), &d), INLAY_NET_OK);
	assert_memory_equal(d.eth.dst, ipv4, 6);
	assert_memory_equal(d.eth.src, ipv4 + 6, 6);
	assert_int_equal(d.eth.type, INLAY_NET_TYPE_IPV4);
	assert_false(d.eth.has_vlan);
	assert_int_equal(d.ip.version, 4);
	assert_int_equal(d.ip.tos, 2);
	assert_int_equal(d.ip.ttl, 64);
	assert_int_equal(d.ip.protocol, 17);
	assert_int_equal(d.ip.id, 0x1234);
	assert_int_equal(d.ip.len, 13);
	assert_int_equal(d.udp.src, 4433);
	assert_int_equal(d.udp.dst, 50000);
	assert_int_equal(d.udp.len, 5);
	assert_int_equal(d.udp.sum, 0xd35d);
	assert_int_equal(inlay_cursor_left(&d.payload), 5); /* the padding is not the payload's */
	assert_memory_equal(d.payload.pos, "hello", 5);

	inlay_net_path(&d, &path);
	assert_int_equal(path.local.family, AF_INET);
	assert_memory_equal(&path.local.port, ipv4 + 36, 2);
	assert_memory_equal(path.local.ip, "\x0a\0\0\2\0\0\0\0\0\0\0\0\0\0\0", 16);
	assert_memory_equal(&path.remote.port, ipv4 + 34, 2);
	assert_memory_equal(path.remote.ip, "\x0a\0\0\1\0\0\0\0\0\0\0\0\0\0\0", 16);
}

static void an_ipv6_datagram_behind_a_vlan_tag_is_read(void **state)
{
	struct inlay_net_datagram d;
	struct inlay_path path;

	assert_int_equal(parse(ipv6_vlan, sizeof(ipv6_vlan), &d), INLAY_NET_OK);
	assert_true(d.eth.has_vlan);
	assert_int_equal(d.eth.tci, 0x6005);
	assert_int_equal(d.eth.type, INLAY_NET_TYPE_IPV6);
	assert_int_equal(d.ip.version, 6);
	assert_int_equal(d.ip.tos, 0xb8);
	assert_int_equal(d.ip.flow, 0xabcde);
	assert_int_equal(d.ip.ttl, 63);
	assert_int_equal(d.udp.src, 443);
	assert_int_equal(d.udp.dst, 1024);
	assert_int_equal(d.udp.len, 2);
	inlay_net_path(&d, &path);
	assert_int_equal(path.local.family, AF_INET6);
	assert_memory_equal(path.local.ip, ipv6_vlan + 42, 16);
	assert_memory_equal(path.remote.ip, ipv6_vlan + 26, 16);
}

/* Bytes at |at| of |golden| become |with|: what is it then? */
struct damage {
	struct golden golden;
	size_t at;
	__u8 with[4];
	size_t n;
	enum inlay_net_verdict verdict;
};

static void what_is_not_for_us_has_a_verdict(void **state)
{
	static const struct damage cases[] = {
		{GOLDEN(ipv4), 12, {0x08, 0x06}, 2, INLAY_NET_NOT_IP},
		{GOLDEN(ipv4), 12, {0x88, 0xa8}, 2, INLAY_NET_NOT_IP},
		{GOLDEN(ipv6_vlan), 16, {0x81, 0x00}, 2, INLAY_NET_NOT_IP}, /* a second tag */
		{GOLDEN(ipv4), 14, {0x55}, 1, INLAY_NET_BAD_IP},
		{GOLDEN(ipv4), 14, {0x44}, 1, INLAY_NET_BAD_IP},
		{GOLDEN(ipv4), 14, {0x46}, 1, INLAY_NET_IP_OPTIONS},
		{GOLDEN(ipv4), 14, {0x4f}, 1, INLAY_NET_IP_OPTIONS},
		{GOLDEN(ipv4), 22, {0x41}, 1, INLAY_NET_BAD_IP}, /* the sum is wrong */
		/* These with a sum that is right: */
		{GOLDEN(ipv4), 16, {0x00, 0x13, 0x12, 0x42}, 4, INLAY_NET_BAD_IP},
		{GOLDEN(ipv4), 16, {0x00, 0x43, 0x12, 0x12}, 4, INLAY_NET_SHORT},
		{GOLDEN(ipv4), 18, {0x32, 0x34, 0x20, 0x00}, 4, INLAY_NET_FRAGMENT}, /* MF */
		{GOLDEN(ipv4), 18, {0x52, 0x33, 0x00, 0x01}, 4, INLAY_NET_FRAGMENT}, /* offset */
		{GOLDEN(ipv4), 22, {0x4b, 6}, 2, INLAY_NET_BAD_IP},
		{GOLDEN(ipv4), 22, {0x40, 6, 0x14, 0x9f}, 4, INLAY_NET_NOT_UDP},
		{GOLDEN(ipv4), 38, {0x00, 0x07}, 2, INLAY_NET_BAD_UDP},
		{GOLDEN(ipv4), 38, {0x00, 0x0e}, 2, INLAY_NET_BAD_UDP},
		{GOLDEN(ipv6_vlan), 18, {0x4b}, 1, INLAY_NET_BAD_IP},
		{GOLDEN(ipv6_vlan), 24, {44}, 1, INLAY_NET_FRAGMENT},
		{GOLDEN(ipv6_vlan), 24, {0}, 1, INLAY_NET_NOT_UDP},  /* hop-by-hop options */
		{GOLDEN(ipv6_vlan), 24, {60}, 1, INLAY_NET_NOT_UDP}, /* destination options */
		{GOLDEN(ipv6_vlan), 24, {6}, 1, INLAY_NET_NOT_UDP},
		{GOLDEN(ipv6_vlan), 22, {0x00, 0x0b}, 2, INLAY_NET_SHORT},
		{GOLDEN(ipv6_vlan), 22, {0x00, 0x00}, 2, INLAY_NET_SHORT}, /* a jumbogram's */
		{GOLDEN(ipv6_vlan), 62, {0x00, 0x0b}, 2, INLAY_NET_BAD_UDP},
	};
	__u8 frame[sizeof(ipv6_vlan) + sizeof(ipv4)];
	struct inlay_net_datagram d;
	size_t i;

	for (i = 0; i < INLAY_ARRAY_SIZE(cases); i++) {
		memcpy(frame, cases[i].golden.bytes, cases[i].golden.len);
		memcpy(frame + cases[i].at, cases[i].with, cases[i].n);
		if (parse(frame, cases[i].golden.len, &d) != cases[i].verdict)
			fail_msg("case %zu: %d", i, parse(frame, cases[i].golden.len, &d));
	}
}

static void a_frame_that_was_cut_is_short(void **state)
{
	const struct golden all[] = ALL_OF_THEM;
	const size_t whole[] = {sizeof(ipv4) - 13, sizeof(ipv6_vlan)};
	struct inlay_net_datagram d;
	size_t i, len;

	for (i = 0; i < INLAY_ARRAY_SIZE(all); i++) {
		for (len = 0; len < whole[i]; len++)
			assert_int_equal(parse(all[i].bytes, len, &d), INLAY_NET_SHORT);
		assert_int_equal(parse(all[i].bytes, len, &d), INLAY_NET_OK);
	}
}

/* A UDP length below the IP datagram's: the rest is nobody's. */
static void a_udp_length_may_end_before_the_datagram(void **state)
{
	__u8 frame[sizeof(ipv4)];
	struct inlay_net_datagram d;

	memcpy(frame, ipv4, sizeof(ipv4));
	frame[39] = 12;
	assert_int_equal(parse(frame, sizeof(frame), &d), INLAY_NET_OK);
	assert_int_equal(inlay_cursor_left(&d.payload), 4);
}

/* Headers, lengths, ECN and checksums packet by packet give the same bytes again. */
static void what_was_read_is_written_again(void **state)
{
	const struct golden all[] = ALL_OF_THEM;
	struct inlay_net_datagram d;
	__u8 out[INLAY_HDR_MAX];
	__u32 l2_len, ip_len;
	size_t i, room;

	for (i = 0; i < INLAY_ARRAY_SIZE(all); i++) {
		struct inlay_writer w;
		struct inlay_net_sum s;
		__u8 ecn;

		assert_int_equal(parse(all[i].bytes, all[i].len, &d), INLAY_NET_OK);
		l2_len = d.eth.has_vlan ? 18 : 14;
		ip_len = d.ip.version == 4 ? 20 : 40;
		ecn = d.ip.tos & 3;
		d.ip.tos ^= 3;
		for (room = 0; room < l2_len + ip_len + 8; room++) {
			w = inlay_writer_of(out, room);
			assert_false(inlay_net_put(&w, &d));
			assert_int_equal(inlay_writer_len(&w), 0);
		}
		w = inlay_writer_of(out, sizeof(out));
		assert_true(inlay_net_put(&w, &d));
		assert_int_equal(inlay_writer_len(&w), l2_len + ip_len + 8);
		inlay_net_set_ecn(out, l2_len, ip_len, ecn);
		inlay_net_set_lengths(out, l2_len, ip_len, d.udp.len);
		s = inlay_net_udp_begin(out, l2_len, ip_len);
		inlay_net_sum_add(&s, d.payload.pos, inlay_cursor_left(&d.payload));
		inlay_net_udp_finish(out, l2_len, ip_len, &s);
		assert_memory_equal(out, all[i].bytes, l2_len + ip_len + 8);
	}
}

/* Lengths go up and down on one set of headers; the sum of the IPv4 header stays right. */
static void lengths_may_be_set_again_and_again(void **state)
{
	__u8 frame[42 + 1500 + 1] = {0};
	struct inlay_net_datagram d;
	__u32 i, len;

	memcpy(frame, ipv4, 42);
	random_state = 1;
	for (i = 0; i < 20000; i++) {
		len = next_random() % 1500;
		inlay_net_set_lengths(frame, 14, 20, len);
		inlay_net_set_ecn(frame, 14, 20, (__u8)next_random());
		assert_int_equal(naive_sum(frame + 14, 20, 0), 0xffff);
		assert_int_equal(inlay_net_parse(inlay_cursor_of(frame, sizeof(frame)), &d),
				 INLAY_NET_OK);
		assert_int_equal(d.udp.len, len);
	}
}

static void a_sum_of_ranges_is_the_sum_of_the_whole(void **state)
{
	static __u8 data[3000];
	struct inlay_net_sum s;
	size_t at, n, len;
	__u32 i;

	random_state = 2;
	for (i = 0; i < 5000; i++) {
		len = next_random() % sizeof(data);
		for (at = 0; at < len; at++)
			data[at] = i % 3 ? (__u8)next_random() : 0xff; /* carries everywhere */
		memset(&s, 0, sizeof(s));
		for (at = 0; at < len; at += n) {
			n = 1 + next_random() % (i % 7 ? 1500 : 3);
			n = n < len - at ? n : len - at;
			inlay_net_sum_add(&s, data + at, n);
		}
		assert_int_equal(inlay_net_sum_end(&s), (__u16)~naive_sum(data, len, 0));
	}
}

static void a_changed_word_changes_the_sum_as_a_new_one_would(void **state)
{
	__u8 data[20];
	__u32 i, at, k;
	__u16 sum, v;

	random_state = 3;
	for (i = 0; i < 50000; i++) {
		for (k = 0; k < sizeof(data); k++)
			data[k] = i % 4 ? (__u8)next_random() : (__u8)(0 - (next_random() & 1));
		sum = (__u16)~naive_sum(data, sizeof(data), 0);
		at = next_random() % 10 * 2;
		v = i % 5 ? (__u16)next_random() : 0;
		sum = inlay_net_sum_update(sum, inlay_net_get16(data + at), v);
		inlay_net_set16(data + at, v);
		/* Zero has two forms; that of nothing but zeros is no header's. */
		if (naive_sum(data, sizeof(data), 0) != 0)
			assert_int_equal(sum, (__u16)~naive_sum(data, sizeof(data), 0));
	}
}

/* RFC 768: zero would say that there is no checksum. */
static void a_udp_sum_of_zero_goes_as_ones(void **state)
{
	__u8 frame[44];
	struct inlay_net_sum s;
	__u8 payload[2];
	__u16 rest;

	memcpy(frame, ipv4, 42);
	inlay_net_set_lengths(frame, 14, 20, 2);
	s = inlay_net_udp_begin(frame, 14, 20);
	rest = inlay_net_sum_end(&s);
	inlay_net_set16(payload, rest);
	inlay_net_sum_add(&s, payload, 2);
	assert_int_equal(inlay_net_sum_end(&s), 0);
	inlay_net_udp_finish(frame, 14, 20, &s);
	assert_int_equal(inlay_net_get16(frame + 40), 0xffff);
}

int main(void)
{
	const struct golden all[] = ALL_OF_THEM;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_ipv4_datagram_is_read),
		cmocka_unit_test(an_ipv6_datagram_behind_a_vlan_tag_is_read),
		cmocka_unit_test(what_is_not_for_us_has_a_verdict),
		cmocka_unit_test(a_frame_that_was_cut_is_short),
		cmocka_unit_test(a_udp_length_may_end_before_the_datagram),
		cmocka_unit_test(what_was_read_is_written_again),
		cmocka_unit_test(lengths_may_be_set_again_and_again),
		cmocka_unit_test(a_sum_of_ranges_is_the_sum_of_the_whole),
		cmocka_unit_test(a_changed_word_changes_the_sum_as_a_new_one_would),
		cmocka_unit_test(a_udp_sum_of_zero_goes_as_ones),
	};

	if (golden_corpus("net", all, INLAY_ARRAY_SIZE(all)))
		return 0;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
