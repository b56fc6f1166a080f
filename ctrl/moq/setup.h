/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Setup options (draft-ietf-moq-transport-18 section 10.3.1), the payload of SETUP. Unknown ones
 * are ignored.
 */
#ifndef INLAY_MOQ_SETUP_H
#define INLAY_MOQ_SETUP_H

#include "token.h"

enum inlay_moq_setup_bits {
	INLAY_MOQ_SETUP_HAS_PATH = 1 << 0,
	INLAY_MOQ_SETUP_HAS_AUTHORITY = 1 << 1,
	INLAY_MOQ_SETUP_HAS_IMPLEMENTATION = 1 << 2,
	INLAY_MOQ_SETUP_HAS_MAX_AUTH_TOKEN_CACHE_SIZE = 1 << 3,
};

struct inlay_moq_setup {
	__u32 present; /* enum inlay_moq_setup_bits */
	struct inlay_moq_bytes path;
	struct inlay_moq_bytes authority;
	struct inlay_moq_bytes implementation;
	__u64 max_auth_token_cache_size;
	struct inlay_moq_tokens tokens;
};

/* |from_client|: who sent it; some options are the client's alone. |native|: not WebTransport. */
int inlay_moq18_setup_parse(struct inlay_cursor *c, bool from_client, bool native,
			    struct inlay_moq_setup *ret, __u64 *ret_error);
bool inlay_moq18_setup_put(struct inlay_writer *w, const struct inlay_moq_setup *s);

#endif
