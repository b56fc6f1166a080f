/* SPDX-License-Identifier: BSD-2-Clause */
/* From clear packets to items: every disagreement has its reason. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "clear.h"
#include "hex.h"

/* First byte, CID of 8, number 0x11223344; two bytes of frames; SA 5, no flags, 13 bytes of header,
 * generation 9, number 0x0111223344. */
static const char good[] = "43 c0c1c2c3c4c5c6c7 11223344 0101 00000005 00 0d 0009 0000000111223344";
#define GOOD_LEN 31

static const struct inlay_addr remote = {.family = 2, .port = 7, .ip = {127, 0, 0, 1}};

static void test_good(void **state)
{
	struct inlay_seal_item item;
	__u8 packet[64];

	assert_int_equal(hex_bytes(good, packet, sizeof(packet)), GOOD_LEN);
	assert_int_equal(inlay_clear_seal_item(packet, GOOD_LEN, &remote, &item), INLAY_OK);
	assert_ptr_equal(item.header, packet);
	assert_int_equal(item.header_len, 13);
	assert_ptr_equal(item.payload, packet + 13);
	assert_int_equal(item.payload_len, 2);
	assert_ptr_equal(item.dst, packet);
	assert_int_equal(item.dst_room, GOOD_LEN);
	assert_int_equal(item.sa.number, 5);
	assert_int_equal(item.sa.generation, 9);
	assert_int_equal(item.pn, 0x111223344);
	assert_memory_equal(&item.remote, &remote, sizeof(remote));
}

static void test_bad(void **state)
{
	static const struct {
		const char *packet;
		enum inlay_verdict verdict;
	} cases[] = {
		/* Nothing; a descriptor alone; no frames with the shortest header. */
		{"", INLAY_RUNT},
		{"00000005 00 0d 0009 0000000111223344", INLAY_RUNT},
		{"43 11223344 00000005 00 05 0009 0000000111223344", INLAY_RUNT},
		/* A long header; the fixed bit. */
		{"c3 c0c1c2c3c4c5c6c7 11223344 0101 00000005 00 0d 0009 0000000111223344",
		 INLAY_NOT_SHORT},
		{"03 c0c1c2c3c4c5c6c7 11223344 0101 00000005 00 0d 0009 0000000111223344",
		 INLAY_NOT_SHORT},
		/* No frames behind a whole header. */
		{"43 c0c1c2c3c4c5c6c7 11223344 00000005 00 0d 0009 0000000111223344",
		 INLAY_BAD_ITEM},
		/* Number on 2 bytes; header lengths that are none, or reach past the packet. */
		{"41 c0c1c2c3c4c5c6c7 3344 0101 01 00000005 00 0b 0009 0000000111223344",
		 INLAY_BAD_ITEM},
		{"43 c0c1c2c3c4c5c6c7 11223344 0101 00000005 00 04 0009 0000000111223344",
		 INLAY_BAD_ITEM},
		{"43 c0c1c2c3c4c5c6c7 11223344 0101 00000005 00 0e 0009 0000000111223344",
		 INLAY_BAD_ITEM},
		{"43 c0c1c2c3c4c5c6c7 11223344 0101 00000005 00 19 0009 0000000111223344",
		 INLAY_BAD_ITEM},
		{"43 c0c1c2c3c4c5c6c7 11223344 0101 00000005 00 ff 0009 0000000111223344",
		 INLAY_BAD_ITEM},
		/* Another number; one beyond 62 bits. */
		{"43 c0c1c2c3c4c5c6c7 11223344 0101 00000005 00 0d 0009 0000000111223345",
		 INLAY_BAD_ITEM},
		{"43 c0c1c2c3c4c5c6c7 11223344 0101 00000005 00 0d 0009 4000000011223344",
		 INLAY_BAD_ITEM},
	};
	struct inlay_seal_item item;
	__u8 *packet;
	__u8 bytes[64];
	size_t i, len;

	for (i = 0; i < INLAY_ARRAY_SIZE(cases); i++) {
		len = hex_bytes(cases[i].packet, bytes, sizeof(bytes));
		/* As long as it is: a read beyond is seen. */
		packet = malloc(len ? len : 1);
		assert_non_null(packet);
		memcpy(packet, bytes, len);
		memset(&item, 0xee, sizeof(item));
		assert_int_equal(inlay_clear_seal_item(packet, len, &remote, &item),
				 cases[i].verdict);
		assert_int_equal(item.verdict, 0xee);
		free(packet);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
