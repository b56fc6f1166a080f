/* SPDX-License-Identifier: BSD-2-Clause */
/* Track namespaces and names, as people read them and in comparison. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#include "golden.h"
#include "name.h"

static void make(struct inlay_moq_name *name, const char *const *fields, const char *track)
{
	memset(name, 0, sizeof(*name));
	for (; *fields; fields++)
		assert_int_equal(inlay_moq_namespace_add(&name->ns, *fields, strlen(*fields)), 0);
	name->track.data = (const __u8 *)track;
	name->track.len = strlen(track);
}

static void both_ways(void **state)
{
	static const struct {
		const char *fields[4];
		const char *track;
		const char *text;
	} cases[] = {
		/* The example of section 1.5.1. */
		{{"example.net", "team2", "project_x"},
		 "report",
		 "example.2enet-team2-project_x--report"},
		{{"a"}, "", "a--"},
		{{NULL}, "t", "--t"},
		{{NULL}, "", "--"},
		{{"a-b", "--"}, "-", "a.2db-.2d.2d--.2d"},
		{{"azAZ09_"}, "\x01\xff.", "azAZ09_--.01.ff.2e"},
	};
	struct inlay_moq_name name, back;
	__u8 storage[64];
	char text[64];
	size_t i, len;

	for (i = 0; i < INLAY_ARRAY_SIZE(cases); i++) {
		make(&name, cases[i].fields, cases[i].track);
		len = inlay_moq_name_format(&name, text, sizeof(text));
		assert_string_equal(text, cases[i].text);
		assert_int_equal(len, strlen(cases[i].text));
		assert_int_equal(inlay_moq_name_scan(text, storage, len, &back), 0);
		assert_true(inlay_moq_name_equal(&name, &back));
		assert_int_equal(back.ns.bytes, name.ns.bytes);
	}
}

static void cut_texts(void **state)
{
	static const char *const fields[] = {"a.b", NULL};
	struct inlay_moq_name name;
	char text[16];
	size_t room;

	make(&name, fields, "cd");
	for (room = 1; room <= sizeof(text); room++) {
		memset(text, '#', sizeof(text));
		assert_int_equal(inlay_moq_name_format(&name, text, room), 9);
		assert_int_equal(strlen(text), room <= 9 ? room - 1 : 9);
		assert_memory_equal(text, "a.2eb--cd", strlen(text));
	}
	assert_int_equal(inlay_moq_name_format(&name, NULL, 0), 9);
	assert_int_equal(inlay_moq_namespace_format(&name.ns, text, sizeof(text)), 5);
	assert_string_equal(text, "a.2eb");
}

/* Every name has one text; what is not that text is no name. */
static void strict(void **state)
{
	static const char *const bad[] = {
		"",	       /* no double hyphen */
		"a",	       /* the same */
		"a-b",	       /* the same */
		"a-",	       /* a single one at the end */
		"-a--t",       /* empty field */
		"a---t",       /* a hyphen in the track name */
		"a--t-",       /* the same */
		"a--b--c",     /* the same */
		"a--.2E",      /* upper case */
		"a--.61",      /* redundant: a */
		"a--.5f",      /* redundant: _ */
		"a--.",	       /* cut short */
		"a--.2",       /* cut short */
		"a--.2-",      /* cut short */
		"a--.zz",      /* no digits */
		"a b--t",      /* not literal */
		"a/b--t",      /* not literal */
		"a.--t",       /* cut short by the hyphen */
		"a--\xc3\xa9", /* not ASCII */
	};
	struct inlay_moq_namespace ns;
	struct inlay_moq_name name;
	__u8 storage[64];
	size_t i;

	for (i = 0; i < INLAY_ARRAY_SIZE(bad); i++)
		if (inlay_moq_name_scan(bad[i], storage, sizeof(storage), &name) != -EINVAL)
			fail_msg("\"%s\"", bad[i]);
	assert_int_equal(inlay_moq_name_scan("ab--c", storage, 2, &name), -ENOBUFS);
	assert_int_equal(inlay_moq_name_scan("ab--c", storage, 3, &name), 0);
	assert_int_equal(inlay_moq_namespace_scan("a-b", storage, sizeof(storage), &ns), 0);
	assert_int_equal(ns.n, 2);
	assert_int_equal(inlay_moq_namespace_scan("", storage, sizeof(storage), &ns), 0);
	assert_int_equal(ns.n, 0);
	assert_int_equal(inlay_moq_namespace_scan("a--b", storage, sizeof(storage), &ns), -EINVAL);
	assert_int_equal(inlay_moq_namespace_scan("a-", storage, sizeof(storage), &ns), -EINVAL);
}

static void limits(void **state)
{
	static __u8 storage[8192];
	static char text[8192];
	struct inlay_moq_namespace ns = {0};
	struct inlay_moq_name name;
	size_t i;

	assert_int_equal(inlay_moq_namespace_add(&ns, "", 0), -EINVAL);
	for (i = 0; i < 32; i++)
		assert_int_equal(inlay_moq_namespace_add(&ns, "x", 1), 0);
	assert_int_equal(inlay_moq_namespace_add(&ns, "x", 1), -E2BIG);
	assert_int_equal(ns.n, 32);
	memset(&ns, 0, sizeof(ns));
	assert_int_equal(inlay_moq_namespace_add(&ns, storage, 4096), 0);
	assert_int_equal(inlay_moq_namespace_add(&ns, storage, 1), -E2BIG);
	memset(text, 'a', 4098);
	memcpy(text + 1, "--", 2);
	text[4098] = '\0'; /* 1 and 4095 */
	assert_int_equal(inlay_moq_name_scan(text, storage, sizeof(storage), &name), 0);
	text[4098] = 'a';
	text[4099] = '\0';
	assert_int_equal(inlay_moq_name_scan(text, storage, sizeof(storage), &name), -E2BIG);
}

static void prefixes(void **state)
{
	static const char *const abc[] = {"a", "b", "c", NULL}, *const ab[] = {"a", "b", NULL};
	static const char *const ax[] = {"a", "x", NULL}, *const abx[] = {"ab", NULL};
	static const char *const none[] = {NULL};
	struct inlay_moq_name long_name, short_name, other, joined, empty;
	struct inlay_moq_namespace suffix;

	make(&long_name, abc, "t");
	make(&short_name, ab, "t");
	make(&other, ax, "t");
	make(&joined, abx, "t");
	make(&empty, none, "t");
	assert_true(inlay_moq_namespace_has_prefix(&long_name.ns, &short_name.ns));
	assert_true(inlay_moq_namespace_has_prefix(&long_name.ns, &long_name.ns));
	assert_true(inlay_moq_namespace_has_prefix(&long_name.ns, &empty.ns));
	assert_false(inlay_moq_namespace_has_prefix(&short_name.ns, &long_name.ns));
	assert_false(inlay_moq_namespace_has_prefix(&long_name.ns, &other.ns));
	assert_false(inlay_moq_namespace_has_prefix(&short_name.ns, &joined.ns));
	assert_false(inlay_moq_namespace_equal(&short_name.ns, &joined.ns));
	assert_false(inlay_moq_namespace_equal(&short_name.ns, &long_name.ns));
	assert_false(inlay_moq_name_equal(&short_name, &other));
	inlay_moq_namespace_suffix(&long_name.ns, 2, &suffix);
	assert_int_equal(suffix.n, 1);
	assert_int_equal(suffix.bytes, 1);
	assert_memory_equal(suffix.field[0].data, "c", 1);
	inlay_moq_namespace_suffix(&long_name.ns, 5, &suffix);
	assert_int_equal(suffix.n, 0);
}

/* A copy owes nothing to its original. */
static void copies(void **state)
{
	static const char *const fields[] = {"live", "cam1", NULL};
	struct inlay_moq_name name, *copy;
	struct inlay_moq_namespace *ns;
	__u8 bytes[64];
	char live[] = "live--video";
	__u8 storage[16];
	struct inlay_writer w = inlay_writer_of(bytes, sizeof(bytes));
	struct inlay_cursor c;

	make(&name, fields, "video");
	copy = inlay_moq_name_dup(&name);
	ns = inlay_moq_namespace_dup(&name.ns);
	assert_non_null(copy);
	assert_non_null(ns);
	assert_true(inlay_moq_name_equal(copy, &name));
	assert_true(inlay_moq_namespace_equal(ns, &name.ns));
	assert_ptr_not_equal(copy->track.data, name.track.data);
	assert_ptr_not_equal(ns->field[0].data, name.ns.field[0].data);
	free(copy);
	free(ns);
	/* Names that differ on the wire by the length of their integers are equal, and one key. */
	assert_int_equal(inlay_moq_name_scan(live, storage, sizeof(storage), &name), 0);
	assert_true(inlay_vi64_put_sized(&w, 1, 3) && inlay_vi64_put_sized(&w, 4, 2) &&
		    inlay_writer_bytes(&w, "live", 4) && inlay_vi64_put_sized(&w, 5, 9) &&
		    inlay_writer_bytes(&w, "video", 5));
	c = inlay_cursor_of(bytes, inlay_writer_len(&w));
	copy = malloc(sizeof(*copy));
	assert_non_null(copy);
	assert_int_equal(inlay_moq18_name_parse(&c, copy), INLAY_MOQ_OK);
	assert_true(inlay_moq_name_equal(copy, &name));
	free(copy);
}

int main(void)
{
	static const __u8 example[] = "example.2enet-team2-project_x--report";
	static const __u8 escapes[] = "a.2db-.2d.2d--.2d";
	static const __u8 bare[] = "--";
	const struct golden names[] = {GOLDEN(example), GOLDEN(escapes), GOLDEN(bare)};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_ways), cmocka_unit_test(cut_texts), cmocka_unit_test(strict),
		cmocka_unit_test(limits),    cmocka_unit_test(prefixes),  cmocka_unit_test(copies),
	};

	if (golden_corpus("moq_name", names, INLAY_ARRAY_SIZE(names)))
		return 0;
	return cmocka_run_group_tests_name("moq_name", tests, NULL, NULL);
}
