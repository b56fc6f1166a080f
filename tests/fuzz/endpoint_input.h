/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Inputs of endpoint_fuzz.c, which endpoint_stranger_test.c records: a sequence of {what, be16
 * length, bytes}. And the random numbers of both, so that connection IDs in recordings name
 * something.
 */
#ifndef INLAY_TESTS_ENDPOINT_INPUT_H
#define INLAY_TESTS_ENDPOINT_INPUT_H

#include <string.h>

#include "inlay_types.h"

/* Low two bits of |what|; the next two: which of four strangers. */
enum endpoint_input {
	INPUT_SEALED = 0,
	INPUT_UNKNOWN = 1,
	INPUT_CLEAR = 2,
	INPUT_TIME = 3, /* no bytes: that many milliseconds pass */
};

#define INPUT_PORT 5000 /* of the first stranger */

static __u64 input_random_state;

static inline void input_random(void *user, __u8 *dst, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		input_random_state =
			input_random_state * 6364136223846793005ULL + 1442695040888963407ULL;
		dst[i] = (__u8)(input_random_state >> 56);
	}
}

#endif
