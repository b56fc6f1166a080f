/* SPDX-License-Identifier: BSD-2-Clause */
#include "config_check.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_schema.h"

static int complain_at(__u32 line, const char *path, struct inlay_config_complaint *c,
		       const char *format, va_list args)
{
	int n = snprintf(c->text, sizeof(c->text), *path ? "%s: " : "%s", path);

	c->line = line;
	vsnprintf(c->text + n, sizeof(c->text) - (size_t)n, format, args);
	return -EINVAL;
}

int inlay_config_complain(const struct inlay_yaml_index *index, const char *path,
			  struct inlay_config_complaint *ret_complaint, const char *format, ...)
{
	const struct inlay_yaml_entry *e = inlay_yaml_find(index, path);
	va_list args;
	int ret;

	va_start(args, format);
	ret = complain_at(e ? e->line : 0, path, ret_complaint, format, args);
	va_end(args);
	return ret;
}

static int complain(const struct inlay_yaml_entry *e, struct inlay_config_complaint *c,
		    const char *format, ...) __attribute__((format(printf, 3, 4)));

static int complain(const struct inlay_yaml_entry *e, struct inlay_config_complaint *c,
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
static const char *nearest(const char *path)
{
	const char *dot = strrchr(path, '.'), *best = NULL;
	size_t best_distance = strlen(dot ? dot + 1 : path) / 3 + 2;

	for (size_t i = 0; i < inlay_n_options; i++) {
		const char *known = inlay_options[i].path;
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

static int complain_unknown(const struct inlay_yaml_entry *e, struct inlay_config_complaint *c)
{
	const char *guess = nearest(e->path);

	if (guess)
		return complain(e, c, "unknown key; did you mean %s?", guess);
	return complain(e, c, "unknown key");
}

/* --- Values ---------------------------------------------------------------------------------- */

static int check_number(const struct inlay_yaml_entry *e, const struct inlay_option *o,
			struct inlay_config_complaint *c)
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

static int check_choice(const struct inlay_yaml_entry *e, const struct inlay_option *o,
			struct inlay_config_complaint *c)
{
	char list[160] = "";
	size_t at = 0;

	for (size_t i = 0; i < o->n_choices; i++) {
		if (!strcmp(o->choices[i].str, e->value))
			return 0;
		at += (size_t)snprintf(list + at, sizeof(list) - at, "%s%s", i ? ", " : "",
				       o->choices[i].str);
	}
	return complain(e, c, "'%.40s' is none of: %s", e->value, list);
}

static int check_text(const struct inlay_yaml_entry *e, const struct inlay_option *o,
		      struct inlay_config_complaint *c)
{
	if (strlen(e->value) > o->longest)
		return complain(e, c, "longer than %zu bytes", o->longest);
	return 0;
}

static int check_list(const struct inlay_yaml_index *index, const struct inlay_yaml_entry *e,
		      const struct inlay_option *o, struct inlay_config_complaint *c)
{
	__s64 n = 0;

	for (size_t i = 0; i < index->n; i++)
		n += index->entries[i].in_list && !strcmp(index->entries[i].path, e->path);
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

static int check_kind(const struct inlay_yaml_entry *e, const struct inlay_option *o,
		      struct inlay_config_complaint *c)
{
	enum inlay_yaml_kind wanted = INLAY_YAML_SCALAR;

	if (o->type == INLAY_OPTION_SECTION)
		wanted = INLAY_YAML_MAPPING;
	else if (o->type >= INLAY_OPTION_TEXT_LIST && !e->in_list)
		wanted = INLAY_YAML_LIST;
	if (e->kind != wanted)
		return complain(e, c, "is %s; it should be %s", kind_name(e->kind),
				kind_name(wanted));
	return 0;
}

static int check_value(const struct inlay_yaml_index *index, const struct inlay_yaml_entry *e,
		       const struct inlay_option *o, struct inlay_config_complaint *c)
{
	int ret = check_kind(e, o, c);

	if (ret)
		return ret;
	switch (o->type) {
	case INLAY_OPTION_NUMBER:
		return check_number(e, o, c);
	case INLAY_OPTION_CHOICE:
		return check_choice(e, o, c);
	case INLAY_OPTION_TEXT:
		return check_text(e, o, c);
	case INLAY_OPTION_TEXT_LIST:
		return e->in_list ? check_text(e, o, c) : check_list(index, e, o, c);
	case INLAY_OPTION_CHOICE_LIST:
		return e->in_list ? check_choice(e, o, c) : check_list(index, e, o, c);
	case INLAY_OPTION_SECTION:
		break;
	}
	return 0;
}

static int check_entry(const struct inlay_yaml_index *index, const struct inlay_yaml_entry *e,
		       struct inlay_config_complaint *c)
{
	if (!*e->path)
		return e->kind == INLAY_YAML_MAPPING
			       ? 0
			       : complain(e, c, "not a list of keys and values");
	for (size_t i = 0; i < inlay_n_options; i++) {
		const struct inlay_yaml_entry *first = inlay_yaml_find(index, e->path);

		if (strcmp(inlay_options[i].path, e->path))
			continue;
		if (!e->in_list && first != e)
			return complain(e, c, "given twice; first on line %u", first->line);
		return check_value(index, e, &inlay_options[i], c);
	}
	return complain_unknown(e, c);
}

int inlay_config_check(const struct inlay_yaml_index *index,
		       struct inlay_config_complaint *ret_complaint)
{
	int ret = 0;

	for (size_t i = 0; i < index->n && !ret; i++)
		ret = check_entry(index, &index->entries[i], ret_complaint);
	return ret;
}
