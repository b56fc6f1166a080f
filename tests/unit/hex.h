/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bytes written as a person writes them: hexadecimal, spaces anywhere.
 */
#ifndef INLAY_TESTS_HEX_H
#define INLAY_TESTS_HEX_H

#include <stdlib.h>
#include <string.h>

#include "inlay_types.h"

/* Bytes written into |dst|. What is not hexadecimal, or does not fit, ends the test program. */
static inline size_t hex_bytes(const char *hex, __u8 *dst, size_t room)
{
	static const char digits[] = "0123456789abcdef";
	size_t nibbles = 0;

	for (; *hex; hex++) {
		const char *digit = strchr(digits, *hex);

		if (*hex == ' ')
			continue;
		if (!digit || nibbles / 2 >= room)
			abort();
		if (nibbles % 2 == 0)
			dst[nibbles / 2] = 0;
		dst[nibbles / 2] = (__u8)(dst[nibbles / 2] << 4 | (digit - digits));
		nibbles++;
	}
	if (nibbles % 2)
		abort();
	return nibbles / 2;
}

#endif
