/* SPDX-License-Identifier: BSD-2-Clause */
/* What streams send where it does not matter: zeros, as far as anybody reads. */
#ifndef INLAY_TESTS_ZEROS_H
#define INLAY_TESTS_ZEROS_H

#include <string.h>

#include "conn.h"

static inline int zeros_read(void *ctx, __u64 offset, __u8 *dst, size_t len)
{
	memset(dst, 0, len);
	return 0;
}

static const struct inlay_stream_source zeros = {.read = zeros_read};

#endif
