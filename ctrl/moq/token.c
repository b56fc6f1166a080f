/* SPDX-License-Identifier: BSD-2-Clause */
/* Authorization tokens: see token.h. */
#include "token.h"

#include <errno.h>

#include "codes.h"

static bool has_alias(__u64 kind)
{
	return kind != INLAY_MOQ_TOKEN_USE_VALUE;
}

static bool has_value(__u64 kind)
{
	return kind == INLAY_MOQ_TOKEN_REGISTER || kind == INLAY_MOQ_TOKEN_USE_VALUE;
}

/* False: the structure cannot be decoded. */
static bool parse(struct inlay_moq_bytes value, struct inlay_moq_token *ret)
{
	struct inlay_cursor c = inlay_cursor_of(value.data, value.len);
	struct inlay_moq_token t = {0};
	__u64 kind;

	if (!inlay_vi64_get(&c, &kind) || kind > INLAY_MOQ_TOKEN_USE_VALUE)
		return false;
	t.kind = (enum inlay_moq_token_kind)kind;
	if (has_alias(kind) && !inlay_vi64_get(&c, &t.alias))
		return false;
	if (has_value(kind)) {
		if (!inlay_vi64_get(&c, &t.type))
			return false;
		t.value.len = inlay_cursor_left(&c);
		t.value.data = c.pos;
	} else if (inlay_cursor_left(&c) > 0) {
		return false;
	}
	*ret = t;
	return true;
}

int inlay_moq18_token_parse(struct inlay_moq_bytes value, struct inlay_moq_tokens *tokens,
			    __u64 *ret_error)
{
	if (tokens->n >= INLAY_MOQ_TOKENS_MAX) {
		*ret_error = INLAY_MOQ_SESSION_INTERNAL_ERROR;
		return -EPROTO;
	}
	if (!parse(value, &tokens->token[tokens->n])) {
		*ret_error = INLAY_MOQ_SESSION_KEY_VALUE_FORMATTING_ERROR;
		return -EPROTO;
	}
	tokens->n++;
	return 0;
}

bool inlay_moq18_token_put(struct inlay_writer *w, const struct inlay_moq_token *t)
{
	struct inlay_writer v = *w;
	size_t len = inlay_vi64_len(t->kind);

	if (has_alias(t->kind))
		len += inlay_vi64_len(t->alias);
	if (has_value(t->kind))
		len += inlay_vi64_len(t->type) + t->value.len;
	if (!inlay_vi64_put(&v, len) || !inlay_vi64_put(&v, t->kind))
		return false;
	if (has_alias(t->kind) && !inlay_vi64_put(&v, t->alias))
		return false;
	if (has_value(t->kind) &&
	    (!inlay_vi64_put(&v, t->type) || !inlay_writer_bytes(&v, t->value.data, t->value.len)))
		return false;
	*w = v;
	return true;
}
