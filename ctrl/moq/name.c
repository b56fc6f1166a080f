/* SPDX-License-Identifier: BSD-2-Clause */
/* Track namespaces and names: see name.h. */
#include "name.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool inlay_moq_bytes_equal(struct inlay_moq_bytes a, struct inlay_moq_bytes b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

bool inlay_moq_namespace_has_prefix(const struct inlay_moq_namespace *ns,
				    const struct inlay_moq_namespace *prefix)
{
	__u32 i;

	if (ns->n < prefix->n)
		return false;
	for (i = 0; i < prefix->n; i++)
		if (!inlay_moq_bytes_equal(ns->field[i], prefix->field[i]))
			return false;
	return true;
}

bool inlay_moq_namespace_equal(const struct inlay_moq_namespace *a,
			       const struct inlay_moq_namespace *b)
{
	return a->n == b->n && inlay_moq_namespace_has_prefix(a, b);
}

bool inlay_moq_name_equal(const struct inlay_moq_name *a, const struct inlay_moq_name *b)
{
	return inlay_moq_bytes_equal(a->track, b->track) &&
	       inlay_moq_namespace_equal(&a->ns, &b->ns);
}

int inlay_moq_namespace_add(struct inlay_moq_namespace *ns, const void *data, size_t len)
{
	if (len == 0)
		return -EINVAL;
	if (ns->n >= INLAY_MOQ_NAMESPACE_FIELDS || len > INLAY_MOQ_NAME_BYTES - ns->bytes)
		return -E2BIG;
	ns->field[ns->n].data = data;
	ns->field[ns->n].len = len;
	ns->n++;
	ns->bytes += (__u32)len;
	return 0;
}

void inlay_moq_namespace_suffix(const struct inlay_moq_namespace *ns, __u32 n,
				struct inlay_moq_namespace *ret)
{
	struct inlay_moq_namespace suffix = {0};
	__u32 i;

	for (i = n; i < ns->n; i++)
		inlay_moq_namespace_add(&suffix, ns->field[i].data, ns->field[i].len);
	*ret = suffix;
}

/* Copies the bytes of |ns| to |p| and makes it point there; returns what lies behind them. */
static __u8 *move_namespace(struct inlay_moq_namespace *ns, __u8 *p)
{
	__u32 i;

	for (i = 0; i < ns->n; i++) {
		memcpy(p, ns->field[i].data, ns->field[i].len);
		ns->field[i].data = p;
		p += ns->field[i].len;
	}
	return p;
}

struct inlay_moq_namespace *inlay_moq_namespace_dup(const struct inlay_moq_namespace *ns)
{
	struct inlay_moq_namespace *copy = malloc(sizeof(*copy) + ns->bytes);

	if (!copy)
		return NULL;
	*copy = *ns;
	move_namespace(copy, (__u8 *)(copy + 1));
	return copy;
}

struct inlay_moq_name *inlay_moq_name_dup(const struct inlay_moq_name *name)
{
	struct inlay_moq_name *copy = malloc(sizeof(*copy) + name->ns.bytes + name->track.len);
	__u8 *p;

	if (!copy)
		return NULL;
	*copy = *name;
	p = move_namespace(&copy->ns, (__u8 *)(copy + 1));
	if (name->track.len > 0)
		memcpy(p, name->track.data, name->track.len);
	copy->track.data = p;
	return copy;
}

/* --- On the wire (section 2.4.1) ------------------------------------------------------------ */

enum inlay_moq_verdict inlay_moq18_namespace_parse(struct inlay_cursor *c,
						   struct inlay_moq_namespace *ret)
{
	struct inlay_moq_namespace ns = {0};
	struct inlay_cursor d = *c;
	const __u8 *data;
	__u64 n, len;

	if (!inlay_vi64_get(&d, &n))
		return INLAY_MOQ_MORE;
	if (n > INLAY_MOQ_NAMESPACE_FIELDS)
		return INLAY_MOQ_VIOLATION;
	while (ns.n < n) {
		if (!inlay_vi64_get(&d, &len))
			return INLAY_MOQ_MORE;
		if (len == 0 || len > INLAY_MOQ_NAME_BYTES - ns.bytes)
			return INLAY_MOQ_VIOLATION;
		if (!inlay_cursor_bytes(&d, len, &data))
			return INLAY_MOQ_MORE;
		inlay_moq_namespace_add(&ns, data, len);
	}
	*c = d;
	*ret = ns;
	return INLAY_MOQ_OK;
}

enum inlay_moq_verdict inlay_moq18_name_parse(struct inlay_cursor *c, struct inlay_moq_name *ret)
{
	struct inlay_cursor d = *c;
	struct inlay_moq_name name;
	enum inlay_moq_verdict v;
	__u64 len;

	v = inlay_moq18_namespace_parse(&d, &name.ns);
	if (v != INLAY_MOQ_OK)
		return v;
	if (!inlay_vi64_get(&d, &len))
		return INLAY_MOQ_MORE;
	if (len > INLAY_MOQ_NAME_BYTES - name.ns.bytes)
		return INLAY_MOQ_VIOLATION;
	if (!inlay_cursor_bytes(&d, len, &name.track.data))
		return INLAY_MOQ_MORE;
	name.track.len = len;
	*c = d;
	*ret = name;
	return INLAY_MOQ_OK;
}

bool inlay_moq18_namespace_put(struct inlay_writer *w, const struct inlay_moq_namespace *ns)
{
	struct inlay_writer t = *w;
	__u32 i;

	if (!inlay_vi64_put(&t, ns->n))
		return false;
	for (i = 0; i < ns->n; i++)
		if (!inlay_moq18_bytes_put(&t, ns->field[i]))
			return false;
	*w = t;
	return true;
}

bool inlay_moq18_name_put(struct inlay_writer *w, const struct inlay_moq_name *name)
{
	struct inlay_writer t = *w;

	if (!inlay_moq18_namespace_put(&t, &name->ns) || !inlay_moq18_bytes_put(&t, name->track))
		return false;
	*w = t;
	return true;
}

/* --- For people (section 1.5) --------------------------------------------------------------- */

static bool is_literal(__u8 c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_';
}

/* A string that is cut at |room|, and the length that it would have had. */
struct text {
	char *dst;
	size_t room;
	size_t len;
};

static void put_char(struct text *t, char c)
{
	if (t->len + 1 < t->room)
		t->dst[t->len] = c;
	t->len++;
}

static void put_bytes(struct text *t, struct inlay_moq_bytes b)
{
	static const char hex[] = "0123456789abcdef";
	size_t i;

	for (i = 0; i < b.len; i++) {
		if (is_literal(b.data[i])) {
			put_char(t, (char)b.data[i]);
			continue;
		}
		put_char(t, '.');
		put_char(t, hex[b.data[i] >> 4]);
		put_char(t, hex[b.data[i] & 15]);
	}
}

static void put_namespace(struct text *t, const struct inlay_moq_namespace *ns)
{
	__u32 i;

	for (i = 0; i < ns->n; i++) {
		if (i > 0)
			put_char(t, '-');
		put_bytes(t, ns->field[i]);
	}
}

static size_t terminate(struct text *t)
{
	if (t->room > 0)
		t->dst[t->len < t->room ? t->len : t->room - 1] = '\0';
	return t->len;
}

size_t inlay_moq_namespace_format(const struct inlay_moq_namespace *ns, char *dst, size_t room)
{
	struct text t = {.dst = dst, .room = room};

	put_namespace(&t, ns);
	return terminate(&t);
}

size_t inlay_moq_name_format(const struct inlay_moq_name *name, char *dst, size_t room)
{
	struct text t = {.dst = dst, .room = room};

	put_namespace(&t, &name->ns);
	put_char(&t, '-');
	put_char(&t, '-');
	put_bytes(&t, name->track);
	return terminate(&t);
}

/* Lower case only (section 1.5.1). */
static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Reads up to a hyphen or the end, and leaves |*text| there. */
static int scan_bytes(const char **text, struct inlay_writer *w, struct inlay_moq_bytes *ret)
{
	const char *p = *text;
	int high, low;
	__u8 byte;

	ret->data = w->pos;
	while (*p != '\0' && *p != '-') {
		byte = (__u8)*p++;
		if (byte == '.') {
			high = hex_digit(p[0]);
			low = high < 0 ? -1 : hex_digit(p[1]);
			if (low < 0)
				return -EINVAL;
			byte = (__u8)(high << 4 | low);
			if (is_literal(byte))
				return -EINVAL;
			p += 2;
		} else if (!is_literal(byte)) {
			return -EINVAL;
		}
		if (!inlay_writer_u8(w, byte))
			return -ENOBUFS;
	}
	ret->len = (size_t)(w->pos - ret->data);
	*text = p;
	return 0;
}

/* Fields with a hyphen between them, up to the end or to a double hyphen. */
static int scan_namespace(const char **text, struct inlay_writer *w,
			  struct inlay_moq_namespace *ret)
{
	struct inlay_moq_bytes field;
	int err;

	memset(ret, 0, sizeof(*ret));
	if (**text == '\0' || **text == '-')
		return 0;
	for (;;) {
		err = scan_bytes(text, w, &field);
		if (!err)
			err = inlay_moq_namespace_add(ret, field.data, field.len);
		if (err)
			return err;
		if ((*text)[0] != '-' || (*text)[1] == '-')
			return 0;
		(*text)++;
	}
}

int inlay_moq_namespace_scan(const char *text, __u8 *storage, size_t room,
			     struct inlay_moq_namespace *ret)
{
	struct inlay_writer w = inlay_writer_of(storage, room);
	struct inlay_moq_namespace ns;
	int err;

	err = scan_namespace(&text, &w, &ns);
	if (err)
		return err;
	if (*text != '\0')
		return -EINVAL;
	*ret = ns;
	return 0;
}

int inlay_moq_name_scan(const char *text, __u8 *storage, size_t room, struct inlay_moq_name *ret)
{
	struct inlay_writer w = inlay_writer_of(storage, room);
	struct inlay_moq_name name;
	int err;

	err = scan_namespace(&text, &w, &name.ns);
	if (err)
		return err;
	if (text[0] != '-' || text[1] != '-')
		return -EINVAL;
	text += 2;
	err = scan_bytes(&text, &w, &name.track);
	if (err)
		return err;
	if (*text != '\0')
		return -EINVAL;
	if (name.track.len > INLAY_MOQ_NAME_BYTES - name.ns.bytes)
		return -E2BIG;
	*ret = name;
	return 0;
}
