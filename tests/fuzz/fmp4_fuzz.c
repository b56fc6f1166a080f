/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any bytes as fragmented MP4, in pieces whose size the first byte gives. Whatever they are, the
 * units are bounded, and refusals have a reason.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fmp4.h"

#define MAX_BOX 4096

int LLVMFuzzerTestOneInput(const __u8 *data, size_t len);

static void check_unit(const struct inlay_fmp4_unit *u)
{
	if (!u->len || u->len > 2 * MAX_BOX)
		abort();
	if (inlay_fmp4_init_len(u->data, u->len) > u->len)
		abort();
}

int LLVMFuzzerTestOneInput(const __u8 *data, size_t len)
{
	size_t piece = len ? 1 + data[0] : 1, n;
	struct inlay_fmp4 *f = inlay_fmp4_new(MAX_BOX);
	struct inlay_fmp4_unit u;
	int rv = -EAGAIN;

	if (!f)
		return 0;
	if (len) {
		data++;
		len--;
	}
	for (; len && rv == -EAGAIN; data += n, len -= n) {
		n = len < piece ? len : piece;
		if (inlay_fmp4_push(f, data, n))
			break;
		while (!(rv = inlay_fmp4_next(f, &u)))
			check_unit(&u);
		if (rv == -EBADMSG && !inlay_fmp4_error(f)[0])
			abort();
		/* A unit in the making is bounded. */
		if (rv == -EAGAIN && inlay_fmp4_left(f) > 2 * MAX_BOX + 256)
			abort();
	}
	inlay_fmp4_free(f);
	return 0;
}
