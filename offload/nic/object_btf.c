/* SPDX-License-Identifier: BSD-2-Clause */
/* What BTF tells of an object: its maps, and the source lines of its instructions. */
#include <errno.h>
#include <linux/btf.h>
#include <stdlib.h>
#include <string.h>

#include "object_impl.h"

#define TYPES_MAX  65536
#define DEPTH_MAX  32 /* of typedefs and the like, one upon another */
#define MEMBER_MAX 32 /* of a map's definition */

struct btf {
	struct inlay_cursor types;
	struct inlay_strings strings;
	__u32 *at; /* of type i + 1: where it begins */
	__u32 n;
};

struct btf_head {
	__u32 name, info, size; /* or the type that it is of */
};

/* --- Types ------------------------------------------------------------------------------------ */

/* Bytes that follow a type's head. */
static __u64 tail_of(__u32 info)
{
	__u64 n = BTF_INFO_VLEN(info);

	switch (BTF_INFO_KIND(info)) {
	case BTF_KIND_INT:
	case BTF_KIND_VAR:
	case BTF_KIND_DECL_TAG:
		return 4;
	case BTF_KIND_ARRAY:
		return sizeof(struct btf_array);
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
		return n * sizeof(struct btf_member);
	case BTF_KIND_ENUM:
		return n * sizeof(struct btf_enum);
	case BTF_KIND_FUNC_PROTO:
		return n * sizeof(struct btf_param);
	case BTF_KIND_DATASEC:
		return n * sizeof(struct btf_var_secinfo);
	case BTF_KIND_ENUM64:
		return n * 12;
	default:
		return 0;
	}
}

static bool read_head(struct inlay_cursor *c, struct btf_head *ret)
{
	return inlay_cursor_le32(c, &ret->name) && inlay_cursor_le32(c, &ret->info) &&
	       inlay_cursor_le32(c, &ret->size);
}

/* The head of type |id|, and what follows it. */
static bool type_at(const struct btf *b, __u32 id, struct btf_head *ret,
		    struct inlay_cursor *ret_tail)
{
	struct inlay_cursor c = b->types;

	if (!id || id > b->n || !inlay_cursor_skip(&c, b->at[id - 1]) || !read_head(&c, ret))
		return false;
	return inlay_cursor_take(&c, tail_of(ret->info), ret_tail);
}

/* The sections of .BTF or .BTF.ext that its header names. */
static bool read_parts(struct inlay_cursor c, struct inlay_cursor *ret_first,
		       struct inlay_cursor *ret_second)
{
	struct inlay_cursor body = c, second;
	__u64 magic, header;
	__u32 at[2], len[2];

	if (!inlay_cursor_le(&c, 2, &magic) || magic != BTF_MAGIC || !inlay_cursor_skip(&c, 2) ||
	    !inlay_cursor_le(&c, 4, &header) || !inlay_cursor_le32(&c, &at[0]) ||
	    !inlay_cursor_le32(&c, &len[0]) || !inlay_cursor_le32(&c, &at[1]) ||
	    !inlay_cursor_le32(&c, &len[1]) || !inlay_cursor_skip(&body, header))
		return false;
	second = body;
	return inlay_cursor_skip(&body, at[0]) && inlay_cursor_take(&body, len[0], ret_first) &&
	       inlay_cursor_skip(&second, at[1]) && inlay_cursor_take(&second, len[1], ret_second);
}

static int btf_init(const struct inlay_object_reader *r, struct btf *ret)
{
	const struct inlay_bpf_section *s = inlay_object_section(r->object, ".BTF");
	struct inlay_cursor c, strings;
	struct btf b = {0};
	struct btf_head head;

	if (!s || !inlay_object_bytes(r, s, &c) || !read_parts(c, &b.types, &strings))
		return -EINVAL;
	b.strings = (struct inlay_strings){.text = (const char *)inlay_cursor_at(&strings),
					   .len = inlay_cursor_left(&strings)};
	b.at = calloc(TYPES_MAX, sizeof(*b.at));
	if (!b.at)
		return -ENOMEM;
	for (c = b.types; inlay_cursor_left(&c) && b.n < TYPES_MAX; b.n++) {
		b.at[b.n] = (__u32)inlay_cursor_since(&c, &b.types);
		if (!read_head(&c, &head) || !inlay_cursor_skip(&c, tail_of(head.info)))
			break;
	}
	*ret = b;
	return 0;
}

/* Through typedefs and qualifiers. */
static bool plain_type(const struct btf *b, __u32 id, struct btf_head *ret,
		       struct inlay_cursor *ret_tail)
{
	for (int depth = 0; depth < DEPTH_MAX; depth++) {
		if (!type_at(b, id, ret, ret_tail))
			return false;
		switch (BTF_INFO_KIND(ret->info)) {
		case BTF_KIND_TYPEDEF:
		case BTF_KIND_CONST:
		case BTF_KIND_VOLATILE:
		case BTF_KIND_RESTRICT:
		case BTF_KIND_TYPE_TAG:
			id = ret->size;
			break;
		default:
			return true;
		}
	}
	return false;
}

static bool read_array(struct inlay_cursor tail, __u32 *ret_type, __u32 *ret_n)
{
	return inlay_cursor_le32(&tail, ret_type) && inlay_cursor_skip(&tail, 4) &&
	       inlay_cursor_le32(&tail, ret_n);
}

static bool size_of(const struct btf *b, __u32 id, __u32 *ret)
{
	struct inlay_cursor tail;
	struct btf_head head;
	__u64 times = 1;
	__u32 n;

	for (int depth = 0; depth < DEPTH_MAX; depth++) {
		if (!plain_type(b, id, &head, &tail))
			return false;
		if (BTF_INFO_KIND(head.info) != BTF_KIND_ARRAY)
			break;
		if (!read_array(tail, &id, &n))
			return false;
		times *= n;
		if (times > INLAY_BPF_OBJECT_BYTES)
			return false;
	}
	switch (BTF_INFO_KIND(head.info)) {
	case BTF_KIND_PTR:
		times *= 8;
		break;
	case BTF_KIND_INT:
	case BTF_KIND_ENUM:
	case BTF_KIND_ENUM64:
	case BTF_KIND_FLOAT:
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
		times *= head.size;
		break;
	default:
		return false;
	}
	*ret = (__u32)times;
	return times <= 0xffffffff;
}

/* --- Maps ------------------------------------------------------------------------------------- */

/* What a member of a map's definition points to; __uint(name, n) is a pointer to int[n]. */
static bool pointed_to(const struct btf *b, __u32 id, __u32 *ret_type)
{
	struct inlay_cursor tail;
	struct btf_head head;

	if (!plain_type(b, id, &head, &tail) || BTF_INFO_KIND(head.info) != BTF_KIND_PTR)
		return false;
	*ret_type = head.size;
	return true;
}

static bool number_of(const struct btf *b, __u32 id, __u32 *ret)
{
	struct inlay_cursor tail;
	struct btf_head head;
	__u32 type;

	return pointed_to(b, id, &type) && plain_type(b, type, &head, &tail) &&
	       BTF_INFO_KIND(head.info) == BTF_KIND_ARRAY && read_array(tail, &type, ret);
}

static bool take_member(const struct btf *b, const char *name, __u32 id, struct inlay_bpf_map *map)
{
	const struct {
		const char *name;
		__u32 *to;
	} numbers[] = {{"type", &map->type},
		       {"key_size", &map->key_bytes},
		       {"value_size", &map->value_bytes},
		       {"max_entries", &map->max_entries},
		       {"map_flags", &map->flags}};
	__u32 type, ignored;

	for (size_t i = 0; i < INLAY_ARRAY_SIZE(numbers); i++)
		if (!strcmp(name, numbers[i].name))
			return number_of(b, id, numbers[i].to);
	if (!strcmp(name, "key"))
		return pointed_to(b, id, &type) && size_of(b, type, &map->key_bytes);
	if (!strcmp(name, "value"))
		return pointed_to(b, id, &type) && size_of(b, type, &map->value_bytes);
	if (!strcmp(name, "numa_node")) {
		map->has_numa_node = true;
		return number_of(b, id, &ignored);
	}
	return true; /* pinning, values, map_extra: nothing that is looked at */
}

static bool read_map(const struct btf *b, __u32 variable, struct inlay_bpf_map *ret)
{
	struct inlay_cursor tail;
	struct btf_head head;
	__u32 name, type, offset;

	if (!type_at(b, variable, &head, &tail) || BTF_INFO_KIND(head.info) != BTF_KIND_VAR)
		return false;
	inlay_object_name(ret->name, inlay_strings_at(&b->strings, head.name));
	if (!plain_type(b, head.size, &head, &tail) ||
	    BTF_INFO_KIND(head.info) != BTF_KIND_STRUCT || BTF_INFO_VLEN(head.info) > MEMBER_MAX)
		return false;
	while (inlay_cursor_left(&tail)) {
		if (!inlay_cursor_le32(&tail, &name) || !inlay_cursor_le32(&tail, &type) ||
		    !inlay_cursor_le32(&tail, &offset) ||
		    !take_member(b, inlay_strings_at(&b->strings, name), type, ret))
			return false;
	}
	return true;
}

static int read_datasec(struct inlay_object_reader *r, const struct btf *b,
			struct inlay_cursor variables)
{
	struct inlay_bpf_object *o = r->object;
	__u32 variable, offset, size;

	while (inlay_cursor_le32(&variables, &variable) && inlay_cursor_le32(&variables, &offset) &&
	       inlay_cursor_le32(&variables, &size)) {
		if (o->n_maps == INLAY_BPF_MAPS)
			return inlay_object_refuse(r, "more than %d maps", INLAY_BPF_MAPS);
		if (!read_map(b, variable, &o->maps[o->n_maps]))
			return inlay_object_refuse(r, "the definition of map %u cannot be read",
						   o->n_maps);
		o->n_maps++;
	}
	return 0;
}

static int read_datasecs(struct inlay_object_reader *r, const struct btf *b)
{
	struct inlay_cursor tail;
	struct btf_head head;
	const char *name;
	int ret = 0;

	for (__u32 id = 1; id <= b->n && !ret; id++) {
		if (!type_at(b, id, &head, &tail) || BTF_INFO_KIND(head.info) != BTF_KIND_DATASEC)
			continue;
		name = inlay_strings_at(&b->strings, head.name);
		if (!strcmp(name, ".maps"))
			ret = read_datasec(r, b, tail);
		else if (!strcmp(name, ".kconfig"))
			r->object->has_kconfig = true;
		else if (!strcmp(name, ".ksyms"))
			r->object->has_ksyms = true;
	}
	return ret;
}

int inlay_object_read_maps(struct inlay_object_reader *r)
{
	const struct inlay_bpf_section *s = inlay_object_section(r->object, ".maps");
	bool has_maps = s && s->bytes;
	struct btf b;
	int ret = btf_init(r, &b);

	if (ret == -EINVAL && !has_maps)
		return 0;
	if (ret == -EINVAL)
		return inlay_object_refuse(r, "it has maps and no BTF to tell what they are: "
					      "compile it with -g");
	if (ret)
		return ret;
	r->object->maps = calloc(INLAY_BPF_MAPS, sizeof(*r->object->maps));
	ret = r->object->maps ? read_datasecs(r, &b) : -ENOMEM;
	free(b.at);
	return ret;
}

/* --- Lines ------------------------------------------------------------------------------------ */

static __s64 section_named(const struct inlay_bpf_object *o, const char *name)
{
	char cut[INLAY_BPF_NAME];

	inlay_object_name(cut, name);
	for (__u32 i = 0; i < o->n_sections; i++)
		if (o->sections[i].is_code && !strcmp(o->sections[i].name, cut))
			return i;
	return -1;
}

/* One section's lines. |bytes|: of a record. */
static bool read_section_lines(struct inlay_bpf_object *o, const struct btf *b,
			       struct inlay_cursor *c, __u32 bytes)
{
	__u32 name, n, offset, file, text, column;
	struct inlay_cursor record;
	__s64 section;

	if (!inlay_cursor_le32(c, &name) || !inlay_cursor_le32(c, &n))
		return false;
	section = section_named(o, inlay_strings_at(&b->strings, name));
	for (; n; n--) {
		if (!inlay_cursor_take(c, bytes, &record) || !inlay_cursor_le32(&record, &offset) ||
		    !inlay_cursor_le32(&record, &file) || !inlay_cursor_le32(&record, &text) ||
		    !inlay_cursor_le32(&record, &column) || o->n_lines == INLAY_BPF_LINES)
			return false;
		if (section < 0)
			continue;
		o->lines[o->n_lines++] = (struct inlay_bpf_line){
			.section = (__u32)section,
			.insn = offset / (__u32)sizeof(struct bpf_insn),
			.line = BPF_LINE_INFO_LINE_NUM(column),
			.file = inlay_strings_at(&b->strings, file),
		};
	}
	return true;
}

static int line_by_place(const void *a, const void *b)
{
	const struct inlay_bpf_line *l = a, *m = b;

	if (l->section != m->section)
		return l->section < m->section ? -1 : 1;
	return l->insn < m->insn ? -1 : l->insn > m->insn;
}

int inlay_object_read_lines(struct inlay_object_reader *r)
{
	struct inlay_bpf_object *o = r->object;
	const struct inlay_bpf_section *s = inlay_object_section(o, ".BTF.ext");
	struct inlay_cursor c, functions, lines;
	struct btf b;
	__u32 bytes;
	int ret;

	if (!s || !inlay_object_bytes(r, s, &c) || !read_parts(c, &functions, &lines) ||
	    !inlay_cursor_le32(&lines, &bytes) || bytes < sizeof(struct bpf_line_info))
		return 0;
	ret = btf_init(r, &b);
	if (ret)
		return ret == -ENOMEM ? ret : 0;
	/* As many as there can be records. */
	o->lines = calloc(inlay_cursor_left(&lines) / bytes + 1, sizeof(*o->lines));
	for (__u32 i = 0; o->lines && i < o->n_sections && inlay_cursor_left(&lines); i++)
		if (!read_section_lines(o, &b, &lines, bytes))
			break;
	free(b.at);
	if (!o->lines)
		return -ENOMEM;
	qsort(o->lines, o->n_lines, sizeof(*o->lines), line_by_place);
	return 0;
}
