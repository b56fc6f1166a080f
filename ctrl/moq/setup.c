/* SPDX-License-Identifier: BSD-2-Clause */
/* Setup options: see setup.h. */
#include "setup.h"

#include <errno.h>
#include <string.h>

#include "codes.h"

/* Section 15.4. */
enum option {
	OPTION_PATH = 0x01,
	OPTION_AUTHORIZATION_TOKEN = 0x03,
	OPTION_MAX_AUTH_TOKEN_CACHE_SIZE = 0x04,
	OPTION_AUTHORITY = 0x05,
	OPTION_IMPLEMENTATION = 0x07,
};

/* --- URI components (RFC 3986 appendix A) --------------------------------------------------- */

static bool is_alnum(__u8 c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_hex(__u8 c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* unreserved, sub-delims, well-formed percent escapes, and whatever is in |more|. */
static bool is_uri_text(struct inlay_moq_bytes b, const char *more)
{
	size_t i;

	for (i = 0; i < b.len; i++) {
		if (b.data[i] == '%') {
			if (b.len - i < 3 || !is_hex(b.data[i + 1]) || !is_hex(b.data[i + 2]))
				return false;
			i += 2;
		} else if (b.data[i] == '\0' ||
			   (!is_alnum(b.data[i]) && !strchr("-._~!$&'()*+,;=", b.data[i]) &&
			    !strchr(more, b.data[i]))) {
			return false;
		}
	}
	return true;
}

/* path-abempty, and a query behind a question mark. */
static bool is_path(struct inlay_moq_bytes b)
{
	return (b.len == 0 || b.data[0] == '/' || b.data[0] == '?') && is_uri_text(b, ":@/?");
}

/* [userinfo "@"] host [":" port]; brackets hold an IP literal. */
static bool is_authority(struct inlay_moq_bytes b)
{
	const __u8 *at, *close, *p, *end;

	if (b.len == 0)
		return true;
	end = b.data + b.len;
	at = memchr(b.data, '@', b.len);
	if (at) {
		struct inlay_moq_bytes user = {b.data, (size_t)(at - b.data)};

		if (!is_uri_text(user, ":"))
			return false;
	}
	p = at ? at + 1 : b.data;
	if (p < end && *p == '[') {
		close = memchr(p, ']', (size_t)(end - p));
		if (!close || close == p + 1)
			return false;
		for (p++; p < close; p++)
			if (!is_alnum(*p) && *p != ':' && *p != '.')
				return false;
		p++;
	} else {
		struct inlay_moq_bytes host = {p, 0};

		while (p < end && *p != ':')
			p++;
		host.len = (size_t)(p - host.data);
		if (!is_uri_text(host, ""))
			return false;
	}
	if (p == end)
		return true;
	if (*p++ != ':')
		return false;
	while (p < end && *p >= '0' && *p <= '9')
		p++;
	return p == end;
}

/* --- Options -------------------------------------------------------------------------------- */

/* Who parses, and into what. */
struct parser {
	bool from_client;
	bool native;
	struct inlay_moq_setup *setup;
	__u64 error;
};

static bool fail(struct parser *p, __u64 error)
{
	p->error = error;
	return false;
}

/* Senders do not repeat an option that they and we know (10.3). */
static bool once(struct parser *p, __u32 bit)
{
	if (p->setup->present & bit)
		return fail(p, INLAY_MOQ_SESSION_PROTOCOL_VIOLATION);
	p->setup->present |= bit;
	return true;
}

static bool take_token(struct parser *p, struct inlay_moq_bytes value)
{
	struct inlay_moq_tokens *tokens = &p->setup->tokens;
	enum inlay_moq_token_kind kind;

	if (inlay_moq18_token_parse(value, tokens, &p->error))
		return false;
	kind = tokens->token[tokens->n - 1].kind;
	/* Section 10.2.2: there is no alias yet that a client could mean. */
	if (p->from_client && (kind == INLAY_MOQ_TOKEN_DELETE || kind == INLAY_MOQ_TOKEN_USE_ALIAS))
		return fail(p, INLAY_MOQ_SESSION_PROTOCOL_VIOLATION);
	return true;
}

static bool take(struct parser *p, const struct inlay_moq_kv *kv)
{
	struct inlay_moq_setup *s = p->setup;

	switch (kv->type) {
	case OPTION_PATH:
		if (!p->from_client || !p->native)
			return fail(p, INLAY_MOQ_SESSION_INVALID_PATH);
		if (!is_path(kv->bytes))
			return fail(p, INLAY_MOQ_SESSION_MALFORMED_PATH);
		s->path = kv->bytes;
		return once(p, INLAY_MOQ_SETUP_HAS_PATH);
	case OPTION_AUTHORITY:
		if (!p->from_client || !p->native)
			return fail(p, INLAY_MOQ_SESSION_INVALID_AUTHORITY);
		if (!is_authority(kv->bytes))
			return fail(p, INLAY_MOQ_SESSION_MALFORMED_AUTHORITY);
		s->authority = kv->bytes;
		return once(p, INLAY_MOQ_SETUP_HAS_AUTHORITY);
	case OPTION_IMPLEMENTATION:
		s->implementation = kv->bytes;
		return once(p, INLAY_MOQ_SETUP_HAS_IMPLEMENTATION);
	case OPTION_MAX_AUTH_TOKEN_CACHE_SIZE:
		s->max_auth_token_cache_size = kv->value;
		return once(p, INLAY_MOQ_SETUP_HAS_MAX_AUTH_TOKEN_CACHE_SIZE);
	case OPTION_AUTHORIZATION_TOKEN:
		return take_token(p, kv->bytes);
	default:
		return true;
	}
}

int inlay_moq18_setup_parse(struct inlay_cursor *c, bool from_client, bool native,
			    struct inlay_moq_setup *ret, __u64 *ret_error)
{
	struct inlay_moq_bytes all = {c->pos, inlay_cursor_left(c)};
	struct inlay_moq_kv_iter it = inlay_moq_kv_iter_of(all);
	struct parser p = {.from_client = from_client, .native = native, .setup = ret};
	struct inlay_moq_kv kv;
	enum inlay_moq_verdict v;

	memset(ret, 0, sizeof(*ret));
	while (inlay_moq_kv_left(&it)) {
		v = inlay_moq18_kv_next(&it, &kv);
		if (v != INLAY_MOQ_OK) {
			*ret_error = v == INLAY_MOQ_KV_FORMATTING
					     ? INLAY_MOQ_SESSION_KEY_VALUE_FORMATTING_ERROR
					     : INLAY_MOQ_SESSION_PROTOCOL_VIOLATION;
			return -EPROTO;
		}
		if (!take(&p, &kv)) {
			*ret_error = p.error;
			return -EPROTO;
		}
	}
	*c = it.c;
	return 0;
}

/* An option of the type and bytes, if |present|. */
static bool put_bytes(struct inlay_writer *w, __u64 *prev, bool present, __u64 type,
		      struct inlay_moq_bytes bytes)
{
	struct inlay_moq_kv kv = {.type = type, .bytes = bytes};

	return !present || inlay_moq18_kv_put(w, prev, &kv);
}

bool inlay_moq18_setup_put(struct inlay_writer *w, const struct inlay_moq_setup *s)
{
	struct inlay_moq_kv cache = {.type = OPTION_MAX_AUTH_TOKEN_CACHE_SIZE,
				     .value = s->max_auth_token_cache_size};
	struct inlay_writer t = *w;
	__u64 prev = 0;
	__u32 i;

	if (!put_bytes(&t, &prev, s->present & INLAY_MOQ_SETUP_HAS_PATH, OPTION_PATH, s->path))
		return false;
	for (i = 0; i < s->tokens.n && i < INLAY_MOQ_TOKENS_MAX; i++) {
		if (!inlay_vi64_put(&t, OPTION_AUTHORIZATION_TOKEN - prev) ||
		    !inlay_moq18_token_put(&t, &s->tokens.token[i]))
			return false;
		prev = OPTION_AUTHORIZATION_TOKEN;
	}
	if ((s->present & INLAY_MOQ_SETUP_HAS_MAX_AUTH_TOKEN_CACHE_SIZE) &&
	    !inlay_moq18_kv_put(&t, &prev, &cache))
		return false;
	if (!put_bytes(&t, &prev, s->present & INLAY_MOQ_SETUP_HAS_AUTHORITY, OPTION_AUTHORITY,
		       s->authority) ||
	    !put_bytes(&t, &prev, s->present & INLAY_MOQ_SETUP_HAS_IMPLEMENTATION,
		       OPTION_IMPLEMENTATION, s->implementation))
		return false;
	*w = t;
	return true;
}
