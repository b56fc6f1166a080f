/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Authorization tokens (draft-ietf-moq-transport-18 section 10.2.2), which messages and SETUP
 * carry. What they are worth, and the cache of their aliases, is the session's.
 */
#ifndef INLAY_MOQ_TOKEN_H
#define INLAY_MOQ_TOKEN_H

#include "inlay_moq.h"

enum inlay_moq_token_kind {
	INLAY_MOQ_TOKEN_DELETE = 0,    /* alias */
	INLAY_MOQ_TOKEN_REGISTER = 1,  /* alias, type, value */
	INLAY_MOQ_TOKEN_USE_ALIAS = 2, /* alias */
	INLAY_MOQ_TOKEN_USE_VALUE = 3, /* type, value */
};

struct inlay_moq_token {
	enum inlay_moq_token_kind kind;
	__u64 alias;
	__u64 type;
	struct inlay_moq_bytes value;
};

#define INLAY_MOQ_TOKENS_MAX 8 /* in one message: a limit of ours */

struct inlay_moq_tokens {
	__u32 n;
	struct inlay_moq_token token[INLAY_MOQ_TOKENS_MAX];
};

/*
 * The value of one parameter or option; it is appended. 0; -EPROTO: *ret_error is the code to close
 * the session with; that of a limit of ours is INTERNAL_ERROR.
 */
int inlay_moq18_token_parse(struct inlay_moq_bytes value, struct inlay_moq_tokens *tokens,
			    __u64 *ret_error);
/* Length and value. False: no room. */
bool inlay_moq18_token_put(struct inlay_writer *w, const struct inlay_moq_token *token);

#endif
