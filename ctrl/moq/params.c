/* SPDX-License-Identifier: BSD-2-Clause */
/* Message parameters: see params.h. */
#include "params.h"

#include <errno.h>
#include <string.h>

#include "codes.h"

enum encoding {
	ENC_UINT8,
	ENC_VARINT,
	ENC_LOCATION,
	ENC_FILTER,
	ENC_NAMESPACE,
	ENC_TOKEN, /* the one that may be repeated */
};

#define UPDATES                                                                                    \
	(INLAY_MOQ_IN_UPDATE_SUBSCRIPTION | INLAY_MOQ_IN_UPDATE_FETCH |                            \
	 INLAY_MOQ_IN_UPDATE_NAMESPACE | INLAY_MOQ_IN_UPDATE_OTHER)
#define SUBSCRIBER                                                                                 \
	(INLAY_MOQ_IN_SUBSCRIBE | INLAY_MOQ_IN_PUBLISH_OK | INLAY_MOQ_IN_UPDATE_SUBSCRIPTION)
#define REQUESTS                                                                                   \
	(INLAY_MOQ_IN_SUBSCRIBE | INLAY_MOQ_IN_PUBLISH | INLAY_MOQ_IN_FETCH |                      \
	 INLAY_MOQ_IN_TRACK_STATUS | INLAY_MOQ_IN_PUBLISH_NAMESPACE |                              \
	 INLAY_MOQ_IN_SUBSCRIBE_NAMESPACE | INLAY_MOQ_IN_SUBSCRIBE_TRACKS)

/*
 * Section 15.7, ascending. TRACK_STATUS_OK has what SUBSCRIBE_OK would have had (10.14), so EXPIRES
 * may stand there although 10.2.10 does not list it.
 */
static const struct kind {
	__u64 type;
	enum encoding encoding;
	__u32 present;
	__u32 scope;
	size_t offset;
	__u8 min, max; /* of a uint8 */
} kinds[] = {
	{0x02, ENC_VARINT, INLAY_MOQ_HAS_OBJECT_DELIVERY_TIMEOUT,
	 INLAY_MOQ_IN_SUBSCRIBE | INLAY_MOQ_IN_PUBLISH_OK | UPDATES,
	 offsetof(struct inlay_moq_params, object_delivery_timeout), 0, 0},
	{0x03, ENC_TOKEN, 0, REQUESTS | UPDATES, offsetof(struct inlay_moq_params, tokens), 0, 0},
	{0x04, ENC_VARINT, INLAY_MOQ_HAS_RENDEZVOUS_TIMEOUT, INLAY_MOQ_IN_SUBSCRIBE,
	 offsetof(struct inlay_moq_params, rendezvous_timeout), 0, 0},
	{0x06, ENC_VARINT, INLAY_MOQ_HAS_SUBGROUP_DELIVERY_TIMEOUT,
	 INLAY_MOQ_IN_SUBSCRIBE | INLAY_MOQ_IN_PUBLISH_OK | UPDATES,
	 offsetof(struct inlay_moq_params, subgroup_delivery_timeout), 0, 0},
	{0x08, ENC_VARINT, INLAY_MOQ_HAS_EXPIRES,
	 INLAY_MOQ_IN_SUBSCRIBE_OK | INLAY_MOQ_IN_PUBLISH | INLAY_MOQ_IN_PUBLISH_OK |
		 INLAY_MOQ_IN_UPDATE_OK | INLAY_MOQ_IN_TRACK_STATUS_OK,
	 offsetof(struct inlay_moq_params, expires), 0, 0},
	{0x09, ENC_LOCATION, INLAY_MOQ_HAS_LARGEST_OBJECT,
	 INLAY_MOQ_IN_SUBSCRIBE_OK | INLAY_MOQ_IN_PUBLISH | INLAY_MOQ_IN_UPDATE_OK |
		 INLAY_MOQ_IN_TRACK_STATUS_OK,
	 offsetof(struct inlay_moq_params, largest_object), 0, 0},
	{0x0a, ENC_VARINT, INLAY_MOQ_HAS_FILL_TIMEOUT, INLAY_MOQ_IN_FETCH,
	 offsetof(struct inlay_moq_params, fill_timeout), 0, 0},
	{0x10, ENC_UINT8, INLAY_MOQ_HAS_FORWARD,
	 SUBSCRIBER | INLAY_MOQ_IN_PUBLISH | INLAY_MOQ_IN_SUBSCRIBE_TRACKS,
	 offsetof(struct inlay_moq_params, forward), 0, 1},
	{0x20, ENC_UINT8, INLAY_MOQ_HAS_SUBSCRIBER_PRIORITY,
	 SUBSCRIBER | INLAY_MOQ_IN_FETCH | INLAY_MOQ_IN_UPDATE_FETCH,
	 offsetof(struct inlay_moq_params, subscriber_priority), 0, 255},
	{0x21, ENC_FILTER, INLAY_MOQ_HAS_FILTER, SUBSCRIBER,
	 offsetof(struct inlay_moq_params, filter), 0, 0},
	{0x22, ENC_UINT8, INLAY_MOQ_HAS_GROUP_ORDER,
	 INLAY_MOQ_IN_SUBSCRIBE | INLAY_MOQ_IN_PUBLISH_OK | INLAY_MOQ_IN_FETCH,
	 offsetof(struct inlay_moq_params, group_order), INLAY_MOQ_ASCENDING, INLAY_MOQ_DESCENDING},
	{0x32, ENC_VARINT, INLAY_MOQ_HAS_NEW_GROUP_REQUEST, SUBSCRIBER,
	 offsetof(struct inlay_moq_params, new_group_request), 0, 0},
	{0x34, ENC_NAMESPACE, INLAY_MOQ_HAS_NAMESPACE_PREFIX, INLAY_MOQ_IN_UPDATE_NAMESPACE,
	 offsetof(struct inlay_moq_params, namespace_prefix), 0, 0},
};

_Static_assert(sizeof(bool) == 1, "FORWARD is read as a byte");

static const struct kind *find(__u64 type)
{
	size_t i;

	for (i = 0; i < INLAY_ARRAY_SIZE(kinds); i++)
		if (kinds[i].type == type)
			return &kinds[i];
	return NULL;
}

/* Section 5.1.2; the filter has |b| to itself. */
static bool parse_filter(struct inlay_moq_bytes b, struct inlay_moq_filter *ret)
{
	struct inlay_cursor c = inlay_cursor_of(b.data, b.len);
	struct inlay_moq_filter f = {0};
	__u64 type, delta;

	if (!inlay_vi64_get(&c, &type) || type < INLAY_MOQ_FILTER_NEXT_GROUP ||
	    type > INLAY_MOQ_FILTER_ABSOLUTE_RANGE)
		return false;
	f.type = (enum inlay_moq_filter_type)type;
	if (type >= INLAY_MOQ_FILTER_ABSOLUTE_START &&
	    (!inlay_vi64_get(&c, &f.start.group) || !inlay_vi64_get(&c, &f.start.object)))
		return false;
	if (type == INLAY_MOQ_FILTER_ABSOLUTE_RANGE) {
		if (!inlay_vi64_get(&c, &delta) || delta > ~0ULL - f.start.group)
			return false;
		f.end_group = f.start.group + delta;
	}
	*ret = f;
	return inlay_cursor_left(&c) == 0;
}

static bool put_filter(struct inlay_writer *w, const struct inlay_moq_filter *f)
{
	__u8 buf[4 * INLAY_VI64_MAX_LEN];
	struct inlay_writer t = inlay_writer_of(buf, sizeof(buf));
	struct inlay_moq_bytes b;

	if (!inlay_vi64_put(&t, f->type))
		return false;
	if (f->type >= INLAY_MOQ_FILTER_ABSOLUTE_START &&
	    (!inlay_vi64_put(&t, f->start.group) || !inlay_vi64_put(&t, f->start.object)))
		return false;
	if (f->type == INLAY_MOQ_FILTER_ABSOLUTE_RANGE &&
	    !inlay_vi64_put(&t, f->end_group - f->start.group))
		return false;
	b.data = buf;
	b.len = inlay_writer_len(&t);
	return inlay_moq18_bytes_put(w, b);
}

/* One value. *ret_error is PROTOCOL_VIOLATION already. */
static int parse_value(struct inlay_cursor *c, const struct kind *k, struct inlay_moq_params *p,
		       __u64 *ret_error)
{
	void *at = (__u8 *)p + k->offset;
	struct inlay_moq_location *location = at;
	struct inlay_moq_bytes b;
	__u8 byte;

	switch (k->encoding) {
	case ENC_UINT8:
		if (!inlay_cursor_u8(c, &byte) || byte < k->min || byte > k->max)
			return -EPROTO;
		memcpy(at, &byte, 1);
		return 0;
	case ENC_VARINT:
		return inlay_vi64_get(c, at) ? 0 : -EPROTO;
	case ENC_LOCATION:
		return inlay_vi64_get(c, &location->group) && inlay_vi64_get(c, &location->object)
			       ? 0
			       : -EPROTO;
	case ENC_FILTER:
		return inlay_moq18_bytes_get(c, &b) && parse_filter(b, at) ? 0 : -EPROTO;
	case ENC_NAMESPACE:
		return inlay_moq18_namespace_parse(c, at) == INLAY_MOQ_OK ? 0 : -EPROTO;
	case ENC_TOKEN:
		if (!inlay_moq18_bytes_get(c, &b))
			return -EPROTO;
		return inlay_moq18_token_parse(b, at, ret_error);
	}
	return -EPROTO;
}

int inlay_moq18_params_parse(struct inlay_cursor *c, __u32 scope, struct inlay_moq_params *ret,
			     __u64 *ret_error)
{
	struct inlay_cursor d = *c;
	const struct kind *k;
	__u64 n, i, delta, type = 0;
	int err;

	memset(ret, 0, sizeof(*ret));
	ret->forward = true;
	ret->subscriber_priority = 128;
	ret->filter.type = INLAY_MOQ_FILTER_ABSOLUTE_START;
	*ret_error = INLAY_MOQ_SESSION_PROTOCOL_VIOLATION;
	if (!inlay_vi64_get(&d, &n))
		return -EPROTO;
	/* Every turn takes bytes or fails, whatever |n| is. */
	for (i = 0; i < n; i++) {
		if (!inlay_vi64_get(&d, &delta) || delta > ~0ULL - type)
			return -EPROTO;
		type += delta;
		k = find(type);
		/* Unknown, out of place, or twice (10.2, 10.2.1). */
		if (!k || !(k->scope & scope) || (ret->present & k->present))
			return -EPROTO;
		err = parse_value(&d, k, ret, ret_error);
		if (err)
			return err;
		ret->present |= k->present;
	}
	*c = d;
	return 0;
}

static bool put_value(struct inlay_writer *w, const struct kind *k,
		      const struct inlay_moq_params *p)
{
	const void *at = (const __u8 *)p + k->offset;
	const struct inlay_moq_location *location = at;
	const __u64 *varint = at;
	__u8 byte;

	switch (k->encoding) {
	case ENC_UINT8:
		memcpy(&byte, at, 1);
		return inlay_writer_u8(w, byte);
	case ENC_VARINT:
		return inlay_vi64_put(w, *varint);
	case ENC_LOCATION:
		return inlay_vi64_put(w, location->group) && inlay_vi64_put(w, location->object);
	case ENC_FILTER:
		return put_filter(w, at);
	case ENC_NAMESPACE:
		return inlay_moq18_namespace_put(w, at);
	case ENC_TOKEN:
		break;
	}
	return false;
}

static bool put_tokens(struct inlay_writer *w, __u64 delta, const struct inlay_moq_tokens *tokens)
{
	__u32 i;

	for (i = 0; i < tokens->n; i++) {
		if (!inlay_vi64_put(w, delta) || !inlay_moq18_token_put(w, &tokens->token[i]))
			return false;
		delta = 0;
	}
	return true;
}

static bool filter_is_valid(const struct inlay_moq_filter *f)
{
	return f->type >= INLAY_MOQ_FILTER_NEXT_GROUP &&
	       f->type <= INLAY_MOQ_FILTER_ABSOLUTE_RANGE &&
	       (f->type != INLAY_MOQ_FILTER_ABSOLUTE_RANGE || f->end_group >= f->start.group);
}

bool inlay_moq_params_are_valid(const struct inlay_moq_params *p)
{
	const struct kind *k;
	__u8 byte;

	for (k = kinds; k < kinds + INLAY_ARRAY_SIZE(kinds); k++) {
		if (k->encoding != ENC_UINT8 || !(p->present & k->present))
			continue;
		memcpy(&byte, (const __u8 *)p + k->offset, 1);
		if (byte < k->min || byte > k->max)
			return false;
	}
	if ((p->present & INLAY_MOQ_HAS_FILTER) && !filter_is_valid(&p->filter))
		return false;
	return p->tokens.n <= INLAY_MOQ_TOKENS_MAX;
}

bool inlay_moq18_params_put(struct inlay_writer *w, const struct inlay_moq_params *p)
{
	struct inlay_writer t = *w;
	const struct kind *k;
	__u64 n = p->tokens.n, prev = 0;

	if (!inlay_moq_params_are_valid(p))
		return false;
	for (k = kinds; k < kinds + INLAY_ARRAY_SIZE(kinds); k++)
		n += (p->present & k->present) != 0;
	if (!inlay_vi64_put(&t, n))
		return false;
	for (k = kinds; k < kinds + INLAY_ARRAY_SIZE(kinds); k++) {
		if (k->encoding == ENC_TOKEN ? p->tokens.n == 0 : !(p->present & k->present))
			continue;
		if (k->encoding == ENC_TOKEN) {
			if (!put_tokens(&t, k->type - prev, &p->tokens))
				return false;
		} else if (!inlay_vi64_put(&t, k->type - prev) || !put_value(&t, k, p)) {
			return false;
		}
		prev = k->type;
	}
	*w = t;
	return true;
}
