/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The time of sending, as an object property: type 0x78 of the range that the draft leaves to
 * applications (section 15.8), CLOCK_MONOTONIC in microseconds. It measures delay between processes
 * of one host; across hosts it means nothing.
 */
#ifndef INLAY_CLI_TIMESTAMP_H
#define INLAY_CLI_TIMESTAMP_H

#include "inlay_moq.h"

#define INLAY_TIMESTAMP_PROPERTY 0x78
#define INLAY_TIMESTAMP_ROOM	 (2 * INLAY_VI64_MAX_LEN)

/* Writes the properties block; its length. */
INLAY_INLINE size_t inlay_timestamp_put(__u8 dst[INLAY_TIMESTAMP_ROOM], inlay_ns now)
{
	struct inlay_moq_kv kv = {.type = INLAY_TIMESTAMP_PROPERTY, .value = now / INLAY_US};
	struct inlay_writer w = inlay_writer_of(dst, INLAY_TIMESTAMP_ROOM);
	__u64 prev = 0;

	return inlay_moq18_kv_put(&w, &prev, &kv) ? inlay_writer_len(&w) : 0;
}

/* False: there is none. */
INLAY_INLINE bool inlay_timestamp_get(const __u8 *properties, size_t len, inlay_ns *ret)
{
	struct inlay_moq_bytes bytes = {.data = properties, .len = len};
	struct inlay_moq_kv_iter it;
	struct inlay_moq_kv kv;

	if (!properties || !len)
		return false;
	it = inlay_moq_kv_iter_of(bytes);
	while (inlay_moq_kv_left(&it)) {
		if (inlay_moq18_kv_next(&it, &kv) != INLAY_MOQ_OK)
			return false;
		if (kv.type == INLAY_TIMESTAMP_PROPERTY) {
			*ret = kv.value * INLAY_US;
			return true;
		}
	}
	return false;
}

#endif
