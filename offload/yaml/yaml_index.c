/* SPDX-License-Identifier: BSD-2-Clause */
#include "yaml_index.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

/* One open mapping or list. */
struct level {
	bool is_list;
	bool wants_key;	 /* of a mapping: the next scalar is one */
	size_t path_len; /* of the container's own path */
	__u32 entry;	 /* the container's own */
	__u32 key_line;
};

struct walk {
	yaml_parser_t parser;
	struct inlay_yaml_index *index;
	struct inlay_yaml_error *error;
	struct level levels[INLAY_YAML_MAX_DEPTH];
	size_t depth;
	size_t documents;
	char path[INLAY_YAML_PATH];
};

static int complain(struct walk *w, size_t line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int complain(struct walk *w, size_t line, const char *format, ...)
{
	va_list args;

	w->error->line = (__u32)line + 1;
	va_start(args, format);
	vsnprintf(w->error->text, sizeof(w->error->text), format, args);
	va_end(args);
	return -EINVAL;
}

static struct level *top(struct walk *w)
{
	return w->depth ? &w->levels[w->depth - 1] : NULL;
}

static int append(struct walk *w, enum inlay_yaml_kind kind, const char *value, size_t len,
		  __u32 line)
{
	struct inlay_yaml_index *index = w->index;
	struct inlay_yaml_entry *e;

	if (index->n == INLAY_YAML_MAX_ENTRIES)
		return complain(w, line, "more than %d entries", INLAY_YAML_MAX_ENTRIES);
	if (len >= INLAY_YAML_VALUE || (len && memchr(value, '\0', len)))
		return complain(w, line, "value too long, or not text");
	e = &index->entries[index->n++];
	*e = (struct inlay_yaml_entry){.kind = kind,
				       .line = line + 1,
				       .parent = top(w) ? top(w)->entry : (__u32)index->n - 1,
				       .in_list = top(w) && top(w)->is_list};
	snprintf(e->path, sizeof(e->path), "%s", w->path);
	memcpy(e->value, value, len);
	return 0;
}

static int on_key(struct walk *w, const yaml_event_t *ev)
{
	struct level *l = top(w);
	const char *key = (const char *)ev->data.scalar.value;
	size_t len = ev->data.scalar.length, at = l->path_len;

	if (at + len + 2 > sizeof(w->path) || memchr(key, '\0', len))
		return complain(w, ev->start_mark.line, "key too long, or not text");
	snprintf(w->path + at, sizeof(w->path) - at, at ? ".%s" : "%s", key);
	l->wants_key = false;
	l->key_line = (__u32)ev->start_mark.line;
	return 0;
}

/* Where the value that begins now is said to stand: at its key, or, in a list, at itself. */
static __u32 line_of(struct walk *w, const yaml_event_t *ev)
{
	struct level *l = top(w);

	return l && !l->is_list ? l->key_line : (__u32)ev->start_mark.line;
}

static void value_is_over(struct walk *w)
{
	if (top(w) && !top(w)->is_list)
		top(w)->wants_key = true;
}

static int on_scalar(struct walk *w, const yaml_event_t *ev)
{
	int ret;

	if (top(w) && !top(w)->is_list && top(w)->wants_key)
		return on_key(w, ev);
	ret = append(w, INLAY_YAML_SCALAR, (const char *)ev->data.scalar.value,
		     ev->data.scalar.length, line_of(w, ev));
	value_is_over(w);
	return ret;
}

static int on_start(struct walk *w, const yaml_event_t *ev, bool is_list)
{
	size_t line = ev->start_mark.line;
	int ret;

	if (top(w) && !top(w)->is_list && top(w)->wants_key)
		return complain(w, line, "a key must be plain text");
	if (w->depth == INLAY_YAML_MAX_DEPTH)
		return complain(w, line, "nested too deeply");
	ret = append(w, is_list ? INLAY_YAML_LIST : INLAY_YAML_MAPPING, "", 0, line_of(w, ev));
	if (ret)
		return ret;
	w->levels[w->depth++] = (struct level){.is_list = is_list,
					       .wants_key = !is_list,
					       .path_len = strlen(w->path),
					       .entry = (__u32)w->index->n - 1};
	return 0;
}

static void on_end(struct walk *w)
{
	w->depth--;
	w->path[w->levels[w->depth].path_len] = '\0';
	value_is_over(w);
}

static int on_event(struct walk *w, const yaml_event_t *ev)
{
	switch (ev->type) {
	case YAML_DOCUMENT_START_EVENT:
		return w->documents++ ? complain(w, ev->start_mark.line, "a second document") : 0;
	case YAML_ALIAS_EVENT:
		return complain(w, ev->start_mark.line, "aliases are not supported");
	case YAML_SCALAR_EVENT:
		return on_scalar(w, ev);
	case YAML_SEQUENCE_START_EVENT:
		return on_start(w, ev, true);
	case YAML_MAPPING_START_EVENT:
		return on_start(w, ev, false);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		on_end(w);
		return 0;
	default:
		return 0;
	}
}

static int walk(struct walk *w)
{
	bool end = false;
	int ret = 0;

	while (!ret && !end) {
		yaml_event_t ev;

		if (!yaml_parser_parse(&w->parser, &ev))
			return complain(w, w->parser.problem_mark.line, "%s",
					w->parser.problem ? w->parser.problem : "not YAML");
		ret = on_event(w, &ev);
		end = ev.type == YAML_STREAM_END_EVENT;
		yaml_event_delete(&ev);
	}
	return ret;
}

int inlay_yaml_index_new(const char *text, size_t len, struct inlay_yaml_index *ret_index,
			 struct inlay_yaml_error *ret_error)
{
	struct inlay_yaml_index index = {0};
	struct walk w = {.index = &index, .error = ret_error};
	int ret;

	if (len > INLAY_YAML_MAX_BYTES)
		return complain(&w, 0, "larger than %d bytes", INLAY_YAML_MAX_BYTES);
	index.entries = calloc(INLAY_YAML_MAX_ENTRIES, sizeof(*index.entries));
	if (!index.entries)
		return -ENOMEM;
	if (!yaml_parser_initialize(&w.parser)) {
		inlay_yaml_index_fini(&index);
		return -ENOMEM;
	}
	yaml_parser_set_input_string(&w.parser, (const unsigned char *)text, len);
	ret = walk(&w);
	yaml_parser_delete(&w.parser);
	if (ret) {
		inlay_yaml_index_fini(&index);
		return ret;
	}
	*ret_index = index;
	return 0;
}

void inlay_yaml_index_fini(struct inlay_yaml_index *index)
{
	free(index->entries);
	*index = (struct inlay_yaml_index){0};
}

const struct inlay_yaml_entry *inlay_yaml_find(const struct inlay_yaml_index *index,
					       const char *path)
{
	for (size_t i = 0; i < index->n; i++)
		if (!index->entries[i].in_list && !strcmp(index->entries[i].path, path))
			return &index->entries[i];
	return NULL;
}
