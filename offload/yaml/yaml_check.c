/* SPDX-License-Identifier: BSD-2-Clause */
#include "yaml_check.h"

#include <cyaml/cyaml.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int complain_at(__u32 line, const char *path, struct inlay_yaml_complaint *c,
		       const char *format, va_list args)
{
	int n = snprintf(c->text, sizeof(c->text), *path ? "%s: " : "%s", path);

	c->line = line;
	vsnprintf(c->text + n, sizeof(c->text) - (size_t)n, format, args);
	return -EINVAL;
}

int inlay_yaml_complain(const struct inlay_yaml_index *index, const char *path,
			struct inlay_yaml_complaint *ret_complaint, const char *format, ...)
{
	const struct inlay_yaml_entry *e = inlay_yaml_find(index, path);
	va_list args;
	int ret;

	va_start(args, format);
	ret = complain_at(e ? e->line : 0, path, ret_complaint, format, args);
	va_end(args);
	return ret;
}

static int complain(const struct inlay_yaml_entry *e, struct inlay_yaml_complaint *c,
		    const char *format, ...) __attribute__((format(printf, 3, 4)));

static int complain(const struct inlay_yaml_entry *e, struct inlay_yaml_complaint *c,
		    const char *format, ...)
{
	va_list args;
	int ret;

	va_start(args, format);
	ret = complain_at(e->line, e->path, c, format, args);
	va_end(args);
	return ret;
}

/* --- Unknown keys ---------------------------------------------------------------------------- */

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t ab = a < b ? a : b;

	return ab < c ? ab : c;
}

/* Levenshtein's distance: letters to insert, drop or replace. */
static size_t distance(const char *a, const char *b)
{
	size_t row[INLAY_YAML_PATH + 1], len = strlen(b);

	for (size_t j = 0; j <= len; j++)
		row[j] = j;
	for (size_t i = 0; a[i]; i++) {
		size_t diagonal = row[0];

		row[0] = i + 1;
		for (size_t j = 0; j < len; j++) {
			size_t above = row[j + 1];

			row[j + 1] = min3(above + 1, row[j] + 1, diagonal + (a[i] != b[j]));
			diagonal = above;
		}
	}
	return row[len];
}

/* The known key that is nearest: by whole path, or by its last part in whatever section. */
static const char *nearest(const struct inlay_yaml_schema *schema, const char *path)
{
	const char *dot = strrchr(path, '.'), *best = NULL;
	size_t best_distance = strlen(dot ? dot + 1 : path) / 3 + 2;

	for (size_t i = 0; i < schema->n; i++) {
		const char *known = schema->options[i].path;
		const char *known_dot = strrchr(known, '.');
		size_t d = distance(path, known);
		size_t last = distance(dot ? dot + 1 : path, known_dot ? known_dot + 1 : known);

		/* The right name in the wrong section is one step off. */
		if (last + 1 < d)
			d = last + 1;
		if (d < best_distance) {
			best_distance = d;
			best = known;
		}
	}
	return best;
}

static int complain_unknown(const struct inlay_yaml_schema *schema,
			    const struct inlay_yaml_entry *e, struct inlay_yaml_complaint *c)
{
	const char *guess = nearest(schema, e->path);

	if (guess)
		return complain(e, c, "unknown key; did you mean %s?", guess);
	return complain(e, c, "unknown key");
}

/* --- Values ---------------------------------------------------------------------------------- */

static int check_number(const struct inlay_yaml_entry *e, const struct inlay_yaml_option *o,
			struct inlay_yaml_complaint *c)
{
	size_t sign = e->value[0] == '-';
	size_t digits = strspn(e->value + sign, "0123456789");
	long long value;

	if (!digits || e->value[sign + digits] || (digits > 1 && e->value[sign] == '0'))
		return complain(e, c, "'%.40s' is not a whole number", e->value);
	errno = 0;
	value = strtoll(e->value, NULL, 10);
	if (errno || value < o->minimum || value > o->maximum)
		return complain(e, c, "%.24s is out of range: %lld to %lld", e->value,
				(long long)o->minimum, (long long)o->maximum);
	return 0;
}

/* As many of the choices as there is room for. */
static void list_choices(const struct inlay_yaml_option *o, char *list, size_t room)
{
	size_t at = 0;

	for (size_t i = 0; i < o->n_choices; i++) {
		const char *word = o->choices[i].str;

		if (at + strlen(word) + sizeof(", , ...") > room) {
			snprintf(list + at, room - at, ", ...");
			return;
		}
		at += (size_t)snprintf(list + at, room - at, "%s%s", i ? ", " : "", word);
	}
}

static int check_choice(const struct inlay_yaml_entry *e, const struct inlay_yaml_option *o,
			struct inlay_yaml_complaint *c)
{
	char list[256] = "";

	for (size_t i = 0; i < o->n_choices; i++)
		if (!strcmp(o->choices[i].str, e->value))
			return 0;
	list_choices(o, list, sizeof(list));
	return complain(e, c, "'%.40s' is none of: %s", e->value, list);
}

static int check_text(const struct inlay_yaml_entry *e, const struct inlay_yaml_option *o,
		      struct inlay_yaml_complaint *c)
{
	if (strlen(e->value) > o->longest)
		return complain(e, c, "longer than %zu bytes", o->longest);
	return 0;
}

/* A number, or one of some words. */
static int check_limit(const struct inlay_yaml_entry *e, const struct inlay_yaml_option *o,
		       struct inlay_yaml_complaint *c)
{
	if (e->value[0] == '-' || (e->value[0] >= '0' && e->value[0] <= '9'))
		return check_number(e, o, c);
	return check_choice(e, o, c);
}

static int check_list(const struct inlay_yaml_index *index, const struct inlay_yaml_entry *e,
		      const struct inlay_yaml_option *o, struct inlay_yaml_complaint *c)
{
	__s64 n = 0;

	for (size_t i = 0; i < index->n; i++)
		n += index->entries[i].in_list && index->entries[i].parent == e - index->entries;
	if (!n)
		return complain(e, c, "an empty list");
	if (n > o->maximum)
		return complain(e, c, "more than %lld entries", (long long)o->maximum);
	return 0;
}

static const char *kind_name(enum inlay_yaml_kind kind)
{
	return kind == INLAY_YAML_SCALAR ? "a single value"
	       : kind == INLAY_YAML_LIST ? "a list"
					 : "a section";
}

static enum inlay_yaml_kind kind_of(const struct inlay_yaml_entry *e,
				    const struct inlay_yaml_option *o)
{
	switch (o->type) {
	case INLAY_YAML_TYPE_SECTION:
		return INLAY_YAML_MAPPING;
	case INLAY_YAML_TYPE_SECTION_LIST:
		return e->in_list ? INLAY_YAML_MAPPING : INLAY_YAML_LIST;
	case INLAY_YAML_TYPE_TEXT_LIST:
	case INLAY_YAML_TYPE_CHOICE_LIST:
	case INLAY_YAML_TYPE_NUMBER_LIST:
		return e->in_list ? INLAY_YAML_SCALAR : INLAY_YAML_LIST;
	default:
		return INLAY_YAML_SCALAR;
	}
}

static int check_kind(const struct inlay_yaml_entry *e, const struct inlay_yaml_option *o,
		      struct inlay_yaml_complaint *c)
{
	enum inlay_yaml_kind wanted = kind_of(e, o);

	if (e->kind != wanted)
		return complain(e, c, "is %s; it should be %s", kind_name(e->kind),
				kind_name(wanted));
	return 0;
}

static int check_value(const struct inlay_yaml_index *index, const struct inlay_yaml_entry *e,
		       const struct inlay_yaml_option *o, struct inlay_yaml_complaint *c)
{
	int ret = check_kind(e, o, c);

	if (ret)
		return ret;
	if (e->kind == INLAY_YAML_LIST)
		return check_list(index, e, o, c);
	switch (o->type) {
	case INLAY_YAML_TYPE_NUMBER:
	case INLAY_YAML_TYPE_NUMBER_LIST:
		return check_number(e, o, c);
	case INLAY_YAML_TYPE_CHOICE:
	case INLAY_YAML_TYPE_CHOICE_LIST:
		return check_choice(e, o, c);
	case INLAY_YAML_TYPE_TEXT:
	case INLAY_YAML_TYPE_TEXT_LIST:
		return check_text(e, o, c);
	case INLAY_YAML_TYPE_LIMIT:
		return check_limit(e, o, c);
	case INLAY_YAML_TYPE_SECTION:
	case INLAY_YAML_TYPE_SECTION_LIST:
		break;
	}
	return 0;
}

/* The key's first time within its section; NULL: this is it. */
static const struct inlay_yaml_entry *earlier(const struct inlay_yaml_index *index,
					      const struct inlay_yaml_entry *e)
{
	for (const struct inlay_yaml_entry *f = index->entries; f < e; f++)
		if (!f->in_list && !e->in_list && f->parent == e->parent &&
		    !strcmp(f->path, e->path))
			return f;
	return NULL;
}

static int check_entry(const struct inlay_yaml_schema *schema, const struct inlay_yaml_index *index,
		       const struct inlay_yaml_entry *e, struct inlay_yaml_complaint *c)
{
	const struct inlay_yaml_entry *first = earlier(index, e);

	if (!*e->path)
		return e->kind == INLAY_YAML_MAPPING
			       ? 0
			       : complain(e, c, "not a list of keys and values");
	for (size_t i = 0; i < schema->n; i++) {
		if (strcmp(schema->options[i].path, e->path))
			continue;
		if (first)
			return complain(e, c, "given twice; first on line %u", first->line);
		return check_value(index, e, &schema->options[i], c);
	}
	return complain_unknown(schema, e, c);
}

/* --- What must be there ------------------------------------------------------------------------
 */

static bool stands_in(const char *path, const char *section)
{
	const char *dot = strrchr(path, '.');
	size_t len = dot ? (size_t)(dot - path) : 0;

	return strlen(section) == len && !strncmp(path, section, len);
}

static bool has(const struct inlay_yaml_index *index, const struct inlay_yaml_entry *section,
		const char *path)
{
	for (size_t i = 0; i < index->n; i++)
		if (index->entries[i].parent == section - index->entries &&
		    &index->entries[i] != section && !strcmp(index->entries[i].path, path))
			return true;
	return false;
}

static int check_complete(const struct inlay_yaml_schema *schema,
			  const struct inlay_yaml_index *index,
			  const struct inlay_yaml_entry *section, struct inlay_yaml_complaint *c)
{
	if (section->kind != INLAY_YAML_MAPPING)
		return 0;
	for (size_t i = 0; i < schema->n; i++) {
		const struct inlay_yaml_option *o = &schema->options[i];

		if (o->required && stands_in(o->path, section->path) &&
		    !has(index, section, o->path))
			return complain(section, c, *section->path ? "lacks %s" : "%s is missing",
					*section->path ? strrchr(o->path, '.') + 1 : o->path);
	}
	return 0;
}

int inlay_yaml_check(const struct inlay_yaml_schema *schema, const struct inlay_yaml_index *index,
		     struct inlay_yaml_complaint *ret_complaint)
{
	int ret = 0;

	for (size_t i = 0; i < index->n && !ret; i++)
		ret = check_entry(schema, index, &index->entries[i], ret_complaint);
	for (size_t i = 0; i < index->n && !ret; i++)
		ret = check_complete(schema, index, &index->entries[i], ret_complaint);
	return ret;
}
