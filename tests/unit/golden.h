/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Byte sequences written by hand from a specification, and what all tests of parsers do with
 * them. With INLAY_CORPUS=DIR in the environment a test writes its sequences there, as corpora for
 * the fuzzers (tests/fuzz/corpus/), and ends.
 */
#ifndef INLAY_TEST_GOLDEN_H
#define INLAY_TEST_GOLDEN_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inlay_types.h"

struct golden {
	const char *name;
	const __u8 *bytes;
	size_t len;
};

#define GOLDEN(array)                                                                              \
	{                                                                                          \
#array, array, sizeof(array)                                                       \
	}

/* A copy with nothing readable behind it, as far as a sanitizer can tell; free() it. */
static inline __u8 *golden_copy(const __u8 *bytes, size_t len)
{
	__u8 *copy = malloc(len > 0 ? len : 1);

	assert_non_null(copy);
	if (len > 0)
		memcpy(copy, bytes, len);
	return copy;
}

/* True: the corpus was asked for, and written to DIR/|target|/, which exists. */
static inline bool golden_corpus(const char *target, const struct golden *all, size_t n)
{
	const char *dir = getenv("INLAY_CORPUS");
	char path[512];
	size_t i;
	FILE *f;

	for (i = 0; dir && i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s/%s", dir, target, all[i].name);
		f = fopen(path, "wb");
		if (!f || fwrite(all[i].bytes, 1, all[i].len, f) != all[i].len || fclose(f)) {
			perror(path);
			exit(1);
		}
	}
	return dir;
}

#endif
