/* SPDX-License-Identifier: BSD-2-Clause */
/* Boxes of ISO/IEC 14496-12, read through the cursor. */
#ifndef INLAY_CLI_FMP4_BOX_H
#define INLAY_CLI_FMP4_BOX_H

#include "inlay_cursor.h"

#define INLAY_FMP4_TYPE(a, b, c, d)                                                                \
	((__u32)(a) << 24 | (__u32)(b) << 16 | (__u32)(c) << 8 | (__u32)(d))

struct inlay_fmp4_box {
	__u32 type;
	__u64 size; /* of the whole box, header included */
	__u64 header_len;
};

INLAY_INLINE bool inlay_fmp4_be64(struct inlay_cursor *c, __u64 *ret)
{
	struct inlay_cursor copy = *c;
	__u32 high, low;

	if (!inlay_cursor_be32(&copy, &high) || !inlay_cursor_be32(&copy, &low))
		return false;
	*ret = (__u64)high << 32 | low;
	*c = copy;
	return true;
}

/* Reads a header (section 4.2). False: not all of it is there. A size below the header's own is
 * the caller's to refuse. */
INLAY_INLINE bool inlay_fmp4_box_header(struct inlay_cursor *c, struct inlay_fmp4_box *ret)
{
	struct inlay_cursor copy = *c;
	__u32 size;

	if (!inlay_cursor_be32(&copy, &size) || !inlay_cursor_be32(&copy, &ret->type))
		return false;
	ret->size = size;
	ret->header_len = 8;
	if (size == 1) {
		if (!inlay_fmp4_be64(&copy, &ret->size))
			return false;
		ret->header_len = 16;
	}
	*c = copy;
	return true;
}

/* The next box inside another, and its body. False: the end, or nonsense: |*ret_bad|. */
INLAY_INLINE bool inlay_fmp4_box_next(struct inlay_cursor *c, __u32 *ret_type,
				      struct inlay_cursor *ret_body, bool *ret_bad)
{
	struct inlay_fmp4_box box;
	const __u8 *body;

	if (!inlay_cursor_left(c))
		return false;
	if (!inlay_fmp4_box_header(c, &box) || box.size < box.header_len ||
	    !inlay_cursor_bytes(c, box.size - box.header_len, &body)) {
		*ret_bad = true;
		return false;
	}
	*ret_type = box.type;
	*ret_body = inlay_cursor_of(body, box.size - box.header_len);
	return true;
}

#endif
