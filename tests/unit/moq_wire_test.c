/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * MoQ data streams and datagrams, both ways, against bytes written by hand from
 * draft-ietf-moq-transport-18.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "golden.h"
#include "inlay_moq_framer.h"

/* --- Integers: the tables of section 1.4.1 -------------------------------------------------- */

static void vi64_examples(void **state)
{
	static const struct {
		__u8 bytes[9];
		size_t len;
		__u64 value;
	} cases[] = {
		{{0x25}, 1, 37},
		{{0x80, 0x25}, 2, 37},
		{{0xbb, 0xbd}, 2, 15293},
		{{0xed, 0x7f, 0x3e, 0x7d}, 4, 226442877},
		{{0xfa, 0xa1, 0xa0, 0xe4, 0x03, 0xd8}, 6, 2893212287960ULL},
		{{0xfc, 0x89, 0x98, 0xab, 0xc6, 0x6b, 0xc0}, 7, 151288809941952ULL},
		{{0xfe, 0xfa, 0x31, 0x8f, 0xa8, 0xe3, 0xca, 0x11}, 8, 70423237261249041ULL},
		{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, 9, ~0ULL},
	};
	struct inlay_cursor c;
	struct inlay_writer w;
	__u8 buf[9], *copy;
	size_t i, cut;
	__u64 v = 0;

	for (i = 0; i < INLAY_ARRAY_SIZE(cases); i++) {
		c = inlay_cursor_of(cases[i].bytes, cases[i].len);
		assert_true(inlay_vi64_get(&c, &v));
		assert_int_equal(v, cases[i].value);
		assert_int_equal(inlay_cursor_left(&c), 0);
		assert_int_equal(inlay_vi64_len_of(cases[i].bytes[0]), cases[i].len);
		w = inlay_writer_of(buf, sizeof(buf));
		assert_true(inlay_vi64_put_sized(&w, v, cases[i].len));
		assert_int_equal(inlay_writer_len(&w), cases[i].len);
		assert_memory_equal(buf, cases[i].bytes, cases[i].len);
		for (cut = 0; cut < cases[i].len; cut++) {
			copy = golden_copy(cases[i].bytes, cut);
			c = inlay_cursor_of(copy, cut);
			assert_false(inlay_vi64_get(&c, &v));
			assert_ptr_equal(c.pos, copy);
			free(copy);
			w = inlay_writer_of(buf, cut);
			assert_false(inlay_vi64_put_sized(&w, cases[i].value, cases[i].len));
			assert_int_equal(inlay_writer_len(&w), 0);
		}
	}
}

/* The ranges of the first table: the last value of each length, and the one after it. */
static void vi64_ranges(void **state)
{
	static const __u64 last[] = {127,
				     16383,
				     2097151,
				     268435455,
				     34359738367ULL,
				     4398046511103ULL,
				     562949953421311ULL,
				     72057594037927935ULL,
				     18446744073709551615ULL};
	struct inlay_cursor c;
	struct inlay_writer w;
	__u8 buf[9];
	size_t i, len;
	__u64 v = 0;

	for (i = 0; i < INLAY_ARRAY_SIZE(last); i++) {
		assert_int_equal(inlay_vi64_len(last[i]), i + 1);
		if (i < 8)
			assert_int_equal(inlay_vi64_len(last[i] + 1), i + 2);
		/* The shortest encoding, and every longer one. */
		for (len = i + 1; len <= 9; len++) {
			w = inlay_writer_of(buf, sizeof(buf));
			assert_true(inlay_vi64_put_sized(&w, last[i], len));
			c = inlay_cursor_of(buf, len);
			assert_true(inlay_vi64_get(&c, &v));
			assert_int_equal(v, last[i]);
			assert_int_equal(inlay_cursor_left(&c), 0);
		}
		w = inlay_writer_of(buf, sizeof(buf));
		assert_true(inlay_vi64_put(&w, last[i]));
		assert_int_equal(inlay_writer_len(&w), i + 1);
		w = inlay_writer_of(buf, sizeof(buf));
		assert_false(inlay_vi64_put_sized(&w, last[i], i));
		assert_false(inlay_vi64_put_sized(&w, last[i], 10));
	}
}

/* --- Subgroup headers (11.4.2) -------------------------------------------------------------- */

static const __u8 subgroup_zero[] = {
	0x50, /* subgroup, ID 0, priority, first object */
	0x02, /* alias 2 */
	0x07, /* group 7 */
	0x80, /* priority 128 */
};
static const __u8 subgroup_full[] = {
	0x1d,		  /* subgroup, ID present, priority, properties, end of group */
	0x90, 0x00,	  /* alias 4096 */
	0xc0, 0x40, 0x00, /* group 16384 */
	0x81, 0x00,	  /* subgroup 256 */
	0x05,		  /* priority 5 */
};
static const __u8 subgroup_first[] = {
	0x32,	    /* subgroup, ID of the first object, default priority */
	0x00,	    /* alias 0 */
	0x80, 0x7f, /* group 127, in two bytes where one would do */
};

static void check_subgroup(const struct inlay_moq_subgroup *h,
			   const struct inlay_moq_subgroup *want)
{
	assert_int_equal(h->alias, want->alias);
	assert_int_equal(h->group, want->group);
	assert_int_equal(h->subgroup, want->subgroup);
	assert_int_equal(h->id_mode, want->id_mode);
	assert_int_equal(h->has_priority, want->has_priority);
	assert_int_equal(h->priority, want->priority);
	assert_int_equal(h->has_properties, want->has_properties);
	assert_int_equal(h->end_of_group, want->end_of_group);
	assert_int_equal(h->first_object, want->first_object);
}

static void subgroup_headers(void **state)
{
	static const struct {
		struct golden golden;
		struct inlay_moq_subgroup h;
		bool shortest;
	} cases[] = {
		{GOLDEN(subgroup_zero),
		 {.alias = 2,
		  .group = 7,
		  .id_mode = INLAY_MOQ_SUBGROUP_ZERO,
		  .has_priority = true,
		  .priority = 128,
		  .first_object = true},
		 true},
		{GOLDEN(subgroup_full),
		 {.alias = 4096,
		  .group = 16384,
		  .subgroup = 256,
		  .id_mode = INLAY_MOQ_SUBGROUP_PRESENT,
		  .has_priority = true,
		  .priority = 5,
		  .has_properties = true,
		  .end_of_group = true},
		 true},
		{GOLDEN(subgroup_first),
		 {.group = 127, .id_mode = INLAY_MOQ_SUBGROUP_FIRST_OBJECT},
		 false},
	};
	struct inlay_moq_subgroup h = {0};
	struct inlay_cursor c;
	struct inlay_writer w;
	__u8 buf[INLAY_MOQ18_SUBGROUP_HEADER_MAX], *copy;
	const struct golden *g;
	size_t i, cut;

	for (i = 0; i < INLAY_ARRAY_SIZE(cases); i++) {
		g = &cases[i].golden;
		c = inlay_cursor_of(g->bytes, g->len);
		assert_int_equal(inlay_moq18_subgroup_parse(&c, &h), INLAY_MOQ_OK);
		assert_int_equal(inlay_cursor_left(&c), 0);
		check_subgroup(&h, &cases[i].h);
		w = inlay_writer_of(buf, sizeof(buf));
		assert_true(inlay_moq18_subgroup_put(&w, &cases[i].h));
		if (cases[i].shortest) {
			assert_int_equal(inlay_writer_len(&w), g->len);
			assert_memory_equal(buf, g->bytes, g->len);
		} else {
			c = inlay_cursor_of(buf, inlay_writer_len(&w));
			assert_int_equal(inlay_moq18_subgroup_parse(&c, &h), INLAY_MOQ_OK);
			check_subgroup(&h, &cases[i].h);
		}
		for (cut = 0; cut < g->len; cut++) {
			copy = golden_copy(g->bytes, cut);
			c = inlay_cursor_of(copy, cut);
			assert_int_equal(inlay_moq18_subgroup_parse(&c, &h), INLAY_MOQ_MORE);
			assert_ptr_equal(c.pos, copy);
			free(copy);
		}
		for (cut = 0; cut < inlay_vi64_len(cases[i].h.group) + 2; cut++) {
			w = inlay_writer_of(buf, cut);
			assert_false(inlay_moq18_subgroup_put(&w, &cases[i].h));
			assert_int_equal(inlay_writer_len(&w), 0);
		}
	}
}

/* The valid types as the draft lists them; everything else to 0x17f is a PROTOCOL_VIOLATION. */
static void subgroup_types(void **state)
{
	static const __u8 first[] = {0x10, 0x18, 0x30, 0x38, 0x50, 0x58, 0x70, 0x78};
	__u8 bytes[2 + 8] = {0};
	struct inlay_moq_subgroup h = {0};
	struct inlay_cursor c;
	struct inlay_writer w;
	__u64 type;
	bool valid;
	size_t i;

	for (type = 0; type < 0x180; type++) {
		valid = false;
		for (i = 0; i < INLAY_ARRAY_SIZE(first); i++)
			valid |= type >= first[i] && type <= first[i] + 5U;
		w = inlay_writer_of(bytes, sizeof(bytes));
		assert_true(inlay_vi64_put_sized(&w, type, 2));
		c = inlay_cursor_of(bytes, sizeof(bytes));
		assert_int_equal(inlay_moq18_subgroup_parse(&c, &h),
				 valid ? INLAY_MOQ_OK : INLAY_MOQ_VIOLATION);
		assert_int_equal(inlay_moq18_is_subgroup(type), valid);
	}
	assert_false(inlay_moq18_is_subgroup(~0ULL));
	assert_false(inlay_moq18_is_subgroup(INLAY_MOQ18_STREAM_SETUP));
	assert_false(inlay_moq18_is_subgroup(INLAY_MOQ18_STREAM_PADDING));
	assert_false(inlay_moq18_is_subgroup(INLAY_MOQ18_STREAM_FETCH));
}

/* --- Objects in a subgroup stream ----------------------------------------------------------- */

static const struct inlay_moq_subgroup plain = {0};
static const struct inlay_moq_subgroup with_properties = {.has_properties = true};

static const __u8 object_plain[] = {
	0x03, /* ID 3, as the first one */
	0x04, /* payload: 4 bytes */
};
static const __u8 object_properties[] = {
	0x02,	    /* delta 2: three above the one before */
	0x05,	    /* properties: 5 bytes */
	0x3c, 0x01, /* PRIOR_GROUP_ID_GAP: 1 */
	0x03, 0x01, /* type 0x3f: 1 byte */
	0xee,	    /* of this */
	0x81, 0x2c, /* payload: 300 bytes */
};
static const __u8 object_empty[] = {
	0x00, /* next ID */
	0x00, /* no payload */
	0x00, /* status: normal */
};
static const __u8 object_end_of_group[] = {
	0x09, /* delta 9 */
	0x00, /* no properties */
	0x00, /* no payload */
	0x03, /* status: end of group */
};
static const __u8 object_end_of_track[] = {
	0x00, /* next ID */
	0x00, /* no payload */
	0x04, /* status: end of track */
};

static void objects(void **state)
{
	static const struct {
		struct golden golden;
		const struct inlay_moq_subgroup *h;
		bool first;
		__u64 prev;
		struct inlay_moq_object o;
	} cases[] = {
		{GOLDEN(object_plain), &plain, true, 99, {.id = 3, .payload_len = 4}},
		{GOLDEN(object_properties),
		 &with_properties,
		 false,
		 10,
		 {.id = 13,
		  .payload_len = 300,
		  .properties_len = 5,
		  .properties = object_properties + 2}},
		{GOLDEN(object_empty), &plain, false, 41, {.id = 42}},
		{GOLDEN(object_end_of_group),
		 &with_properties,
		 false,
		 0,
		 {.id = 10, .status = INLAY_MOQ_STATUS_END_OF_GROUP}},
		{GOLDEN(object_end_of_track),
		 &plain,
		 false,
		 ~0ULL - 1,
		 {.id = ~0ULL, .status = INLAY_MOQ_STATUS_END_OF_TRACK}},
	};
	struct inlay_moq_object o = {0};
	struct inlay_cursor c;
	struct inlay_writer w;
	const struct golden *g;
	__u8 buf[32], *copy;
	size_t i, cut;

	for (i = 0; i < INLAY_ARRAY_SIZE(cases); i++) {
		g = &cases[i].golden;
		c = inlay_cursor_of(g->bytes, g->len);
		assert_int_equal(
			inlay_moq18_object_parse(&c, cases[i].h, cases[i].first, cases[i].prev, &o),
			INLAY_MOQ_OK);
		assert_int_equal(inlay_cursor_left(&c), 0);
		assert_int_equal(o.id, cases[i].o.id);
		assert_int_equal(o.payload_len, cases[i].o.payload_len);
		assert_int_equal(o.properties_len, cases[i].o.properties_len);
		assert_int_equal(o.status, cases[i].o.status);
		if (o.properties_len > 0)
			assert_ptr_equal(o.properties, cases[i].o.properties);
		w = inlay_writer_of(buf, sizeof(buf));
		assert_true(inlay_moq18_object_put(&w, cases[i].h, cases[i].first, cases[i].prev,
						   &cases[i].o));
		assert_int_equal(inlay_writer_len(&w), g->len);
		assert_memory_equal(buf, g->bytes, g->len);
		for (cut = 0; cut < g->len; cut++) {
			copy = golden_copy(g->bytes, cut);
			c = inlay_cursor_of(copy, cut);
			assert_int_equal(inlay_moq18_object_parse(&c, cases[i].h, cases[i].first,
								  cases[i].prev, &o),
					 INLAY_MOQ_MORE);
			assert_ptr_equal(c.pos, copy);
			free(copy);
			w = inlay_writer_of(buf, cut);
			assert_false(inlay_moq18_object_put(&w, cases[i].h, cases[i].first,
							    cases[i].prev, &cases[i].o));
			assert_int_equal(inlay_writer_len(&w), 0);
		}
	}
}

static void malformed_objects(void **state)
{
	static const struct {
		const char *what;
		const struct inlay_moq_subgroup *h;
		__u64 prev;
		__u8 bytes[16];
		size_t len;
	} cases[] = {
		{"ID above 2^64-1", &plain, ~0ULL, {0x00, 0x01}, 2},
		{"ID above 2^64-1 by one", &plain, ~0ULL - 5, {0x05, 0x01}, 2},
		{"ID far above 2^64-1",
		 &plain,
		 1,
		 {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01},
		 10},
		{"status 1", &plain, 0, {0x00, 0x00, 0x01}, 3},
		{"status 2", &plain, 0, {0x00, 0x00, 0x02}, 3},
		{"status 5", &plain, 0, {0x00, 0x00, 0x05}, 3},
		{"status 259, whose low byte is 3", &plain, 0, {0x00, 0x00, 0x81, 0x03}, 4},
		{"END_OF_GROUP with properties",
		 &with_properties,
		 0,
		 {0x00, 0x02, 0x3c, 0x01, 0x00, 0x03},
		 6},
		{"END_OF_TRACK with properties",
		 &with_properties,
		 0,
		 {0x00, 0x02, 0x3c, 0x01, 0x00, 0x04},
		 6},
	};
	struct inlay_moq_object o = {.id = 5};
	struct inlay_cursor c;
	struct inlay_writer w;
	__u8 buf[16];
	size_t i;

	for (i = 0; i < INLAY_ARRAY_SIZE(cases); i++) {
		c = inlay_cursor_of(cases[i].bytes, cases[i].len);
		if (inlay_moq18_object_parse(&c, cases[i].h, false, cases[i].prev, &o) !=
		    INLAY_MOQ_VIOLATION)
			fail_msg("%s", cases[i].what);
		assert_ptr_equal(c.pos, cases[i].bytes);
		assert_int_equal(o.id, 5);
	}
	/* The delta of the first object is its ID, so nothing can overflow. */
	c = inlay_cursor_of(cases[2].bytes, cases[2].len);
	assert_int_equal(inlay_moq18_object_parse(&c, &plain, true, 0, &o), INLAY_MOQ_OK);
	assert_int_equal(o.id, ~0ULL);

	/* What must not be written is not. */
	w = inlay_writer_of(buf, sizeof(buf));
	o = (struct inlay_moq_object){.id = 5};
	assert_false(inlay_moq18_object_put(&w, &plain, false, 5, &o));
	o.status = INLAY_MOQ_STATUS_END_OF_GROUP;
	o.payload_len = 1;
	assert_false(inlay_moq18_object_put(&w, &plain, false, 4, &o));
	o.payload_len = 0;
	o.properties = buf;
	o.properties_len = 1;
	assert_false(inlay_moq18_object_put(&w, &with_properties, false, 4, &o));
	o.status = INLAY_MOQ_STATUS_NORMAL;
	assert_false(inlay_moq18_object_put(&w, &plain, false, 4, &o));
	assert_int_equal(inlay_writer_len(&w), 0);
}

/* --- Whole subgroup streams ----------------------------------------------------------------- */

/* The first example of section 11.6, with a priority in its header as the type says. */
static const __u8 stream_example[] = {
	0x14,				/* subgroup, ID present, priority */
	0x02,				/* alias 2 */
	0x00,				/* group 0 */
	0x00,				/* subgroup 0 */
	0x00,				/* priority 0 */
	0x00, 0x04, 'a', 'b', 'c', 'd', /* object 0 */
	0x00, 0x04, 'e', 'f', 'g', 'h', /* object 1 */
};
/* The second one; the draft's lengths do not agree with its text, these do. */
static const __u8 stream_properties[] = {
	0x35,			      /* subgroup, ID present, default priority, properties */
	0x02,			      /* alias 2 */
	0x00,			      /* group 0 */
	0x00,			      /* subgroup 0 */
	0x00,			      /* object 0 */
	0x16,			      /* properties: 22 bytes */
	0x04,			      /* MAX_CACHE_DURATION */
	0xf0, 0x82, 0x57, 0xdc, 0xd3, /* = 2186796243 */
	0x49,			      /* type 77 */
	0x0e,			      /* 14 bytes */
	't',  'r',  'a',  'c',	'e',  'I', 'D', ':', '1', '2', '3', '4', '5', '6', /* of this */
	0x04, 'a',  'b',  'c',	'd',						   /* payload */
	0x00, 0x00,		     /* object 1, no properties */
	0x04, 'e',  'f',  'g',	'h', /* payload */
};
static const __u8 stream_ended[] = {
	0x72,		  /* subgroup, ID of the first object, default priority, first object */
	0x01,		  /* alias 1 */
	0x05,		  /* group 5 */
	0x09, 0x01, 0xaa, /* object 9 */
	0x00, 0x00, 0x00, /* object 10, empty */
	0x00, 0x00, 0x03, /* object 11: end of group */
};
static const __u8 stream_bad_status[] = {
	0x10, 0x01, 0x05, 0x80, /* subgroup 0 of group 5, alias 1, priority 128 */
	0x00, 0x01, 0xaa,	/* object 0 */
	0x00, 0x00, 0x02,	/* object 1: no such status */
	0x00, 0x01, 0xbb,	/* never looked at */
};

static const __u8 stream_bad_id[] = {
	0x30, 0x01, 0x05,				      /* subgroup 0 of group 5, alias 1 */
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, /* object 2^64-1 */
	0x01, 0xaa,					      /* one byte */
	0x00,						      /* nothing can come after it */
};

static const struct golden streams[] = {
	GOLDEN(subgroup_zero),	   GOLDEN(subgroup_full),     GOLDEN(subgroup_first),
	GOLDEN(stream_example),	   GOLDEN(stream_properties), GOLDEN(stream_ended),
	GOLDEN(stream_bad_status), GOLDEN(stream_bad_id),
};

/* What a framer reports, as text: pieces of properties and payload are joined. */
struct story {
	char text[512];
	size_t len;
	enum inlay_moq_verdict verdict;
};

static void tell(struct story *s, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	s->len += (size_t)vsnprintf(s->text + s->len, sizeof(s->text) - s->len, format, args);
	va_end(args);
	assert_true(s->len < sizeof(s->text));
}

static void tell_event(struct story *s, const struct inlay_moq_framer *f,
		       const struct inlay_moq_event *e)
{
	size_t i;

	switch (e->kind) {
	case INLAY_MOQ_EVENT_SUBGROUP:
		tell(s, "subgroup %llu/%llu", f->header.alias, f->header.group);
		break;
	case INLAY_MOQ_EVENT_OBJECT:
		tell(s, " object %llu/%llu+%llu:%d%s ", f->header.subgroup, f->object.id,
		     f->object.payload_len, f->object.status, e->last ? "." : "");
		break;
	case INLAY_MOQ_EVENT_PROPERTIES:
	case INLAY_MOQ_EVENT_PAYLOAD:
		assert_true(e->bytes.len > 0);
		for (i = 0; i < e->bytes.len; i++)
			tell(s, "%02x", e->bytes.data[i]);
		if (e->last)
			tell(s, ".");
		break;
	}
}

/* Feeds |len| bytes, as far as the framer takes them. */
static void feed(struct inlay_moq_framer *f, const __u8 *bytes, size_t len, struct story *s)
{
	__u8 *copy = golden_copy(bytes, len);
	struct inlay_cursor c = inlay_cursor_of(copy, len);
	struct inlay_moq_event e;

	for (;;) {
		s->verdict = inlay_moq18_framer_next(f, &c, &e);
		if (s->verdict != INLAY_MOQ_OK)
			break;
		tell_event(s, f, &e);
	}
	if (s->verdict == INLAY_MOQ_MORE)
		assert_int_equal(inlay_cursor_left(&c), 0);
	free(copy);
}

static void framer_stories(void **state)
{
	static const struct {
		struct golden golden;
		const char *text;
		enum inlay_moq_verdict verdict;
	} cases[] = {
		{GOLDEN(stream_example),
		 "subgroup 2/0 object 0/0+4:0 61626364. object 0/1+4:0 65666768.", INLAY_MOQ_MORE},
		{GOLDEN(stream_properties),
		 "subgroup 2/004f08257dcd3490e747261636549443a313233343536"
		 " object 0/0+4:0 61626364. object 0/1+4:0 65666768.",
		 INLAY_MOQ_MORE},
		{GOLDEN(stream_ended),
		 "subgroup 1/5 object 9/9+1:0 aa. object 9/10+0:0.  object 9/11+0:3. ",
		 INLAY_MOQ_MORE},
		{GOLDEN(stream_bad_id), "subgroup 1/5 object 0/18446744073709551615+1:0 aa.",
		 INLAY_MOQ_VIOLATION},
		{GOLDEN(stream_bad_status), "subgroup 1/5 object 0/0+1:0 aa.", INLAY_MOQ_VIOLATION},
	};
	const struct golden *g;
	size_t i, one, two;

	for (i = 0; i < INLAY_ARRAY_SIZE(cases); i++) {
		g = &cases[i].golden;
		/* In three pieces, cut everywhere; whole where both cuts are at the ends. */
		for (one = 0; one <= g->len; one++) {
			for (two = one; two <= g->len; two++) {
				struct inlay_moq_framer f = {0};
				struct story s = {0};

				feed(&f, g->bytes, one, &s);
				feed(&f, g->bytes + one, two - one, &s);
				feed(&f, g->bytes + two, g->len - two, &s);
				assert_string_equal(s.text, cases[i].text);
				assert_int_equal(s.verdict, cases[i].verdict);
				assert_int_equal(inlay_moq_framer_may_end(&f),
						 s.verdict == INLAY_MOQ_MORE);
			}
		}
	}
}

/* A FIN is in order behind the header and behind each object, nowhere else. */
static void framer_ends(void **state)
{
	static const size_t ends[] = {5, 11, 17};
	struct inlay_moq_framer f;
	struct story s;
	size_t cut, i;
	bool may;

	for (cut = 0; cut <= sizeof(stream_example); cut++) {
		f = (struct inlay_moq_framer){0};
		s = (struct story){0};
		feed(&f, stream_example, cut, &s);
		may = false;
		for (i = 0; i < INLAY_ARRAY_SIZE(ends); i++)
			may |= cut == ends[i];
		assert_int_equal(inlay_moq_framer_may_end(&f), may);
	}
}

/* Behind an END_OF_GROUP object nothing can follow; a broken framer stays broken. */
static void framer_stays_broken(void **state)
{
	static const __u8 more[] = {0x00, 0x01, 0xbb};
	struct inlay_moq_framer f = {0};
	struct story s = {0};

	feed(&f, stream_ended, sizeof(stream_ended), &s);
	assert_int_equal(s.verdict, INLAY_MOQ_MORE);
	s.len = 0;
	feed(&f, more, sizeof(more), &s);
	assert_int_equal(s.verdict, INLAY_MOQ_VIOLATION);
	feed(&f, more, 0, &s);
	assert_int_equal(s.verdict, INLAY_MOQ_VIOLATION);
	feed(&f, stream_example, sizeof(stream_example), &s);
	assert_int_equal(s.verdict, INLAY_MOQ_VIOLATION);
	assert_int_equal(s.len, 0);
	assert_false(inlay_moq_framer_may_end(&f));
}

/* Encodings at their longest still fit what the framer gathers. */
static void framer_longest_header(void **state)
{
	__u8 bytes[INLAY_MOQ18_SUBGROUP_HEADER_MAX + 4 * 9 + 1];
	struct inlay_writer w = inlay_writer_of(bytes, sizeof(bytes));
	struct inlay_moq_framer f = {0};
	struct story s = {0};
	size_t i;

	assert_true(inlay_vi64_put_sized(&w, 0x15, 9));
	assert_true(inlay_vi64_put_sized(&w, 1, 9));
	assert_true(inlay_vi64_put_sized(&w, 2, 9));
	assert_true(inlay_vi64_put_sized(&w, 3, 9));
	assert_true(inlay_writer_u8(&w, 4));
	assert_true(inlay_vi64_put_sized(&w, 5, 9)); /* object ID */
	assert_true(inlay_vi64_put_sized(&w, 0, 9)); /* no properties */
	assert_true(inlay_vi64_put_sized(&w, 0, 9)); /* no payload */
	assert_true(inlay_vi64_put_sized(&w, 0, 9)); /* normal */
	for (i = 0; i < inlay_writer_len(&w); i++)
		feed(&f, bytes + i, 1, &s);
	assert_string_equal(s.text, "subgroup 1/2 object 3/5+0:0. ");
	assert_true(inlay_moq_framer_may_end(&f));
}

/* --- Datagrams (11.3.1) --------------------------------------------------------------------- */

static const __u8 datagram_plain[] = {
	0x00,	    /* object ID and priority present */
	0x01,	    /* alias 1 */
	0x02,	    /* group 2 */
	0x03,	    /* object 3 */
	0x7f,	    /* priority 127 */
	0x68, 0x69, /* payload "hi" */
};
static const __u8 datagram_short[] = {
	0x0f,	    /* properties, end of group, object 0, default priority */
	0x80, 0x80, /* alias 128 */
	0x02,	    /* group 2 */
	0x02,	    /* properties: 2 bytes */
	0x3e, 0x00, /* PRIOR_OBJECT_ID_GAP: 0 */
	0x68,	    /* payload "h" */
};
static const __u8 datagram_status[] = {
	0x28, /* status, default priority */
	0x01, /* alias 1 */
	0x02, /* group 2 */
	0x09, /* object 9 */
	0x04, /* end of track */
};
static const __u8 datagram_normal_status[] = {
	0x25,	    /* properties, object 0, status, priority present */
	0x01,	    /* alias 1 */
	0x02,	    /* group 2 */
	0x10,	    /* priority 16 */
	0x02,	    /* properties: 2 bytes */
	0x3c, 0x01, /* PRIOR_GROUP_ID_GAP: 1 */
	0x00,	    /* normal: an object without payload */
};
static const __u8 datagram_padding[] = {
	0xf0, 0x13, 0x2b, 0x3e, 0x29, /* padding: 0x132b3e29 in five bytes */
	0x00, 0x00, 0x00,
};

static const struct golden datagrams[] = {
	GOLDEN(datagram_plain),		GOLDEN(datagram_short),	  GOLDEN(datagram_status),
	GOLDEN(datagram_normal_status), GOLDEN(datagram_padding),
};

static void object_datagrams(void **state)
{
	static const struct {
		struct golden golden;
		struct inlay_moq_datagram o;
		size_t header; /* any cut before this is an error */
	} cases[] = {
		{GOLDEN(datagram_plain),
		 {.alias = 1,
		  .group = 2,
		  .object = 3,
		  .has_priority = true,
		  .priority = 127,
		  .payload = {datagram_plain + 5, 2}},
		 5},
		{GOLDEN(datagram_short),
		 {.alias = 128,
		  .group = 2,
		  .end_of_group = true,
		  .properties = {datagram_short + 5, 2},
		  .payload = {datagram_short + 7, 1}},
		 7},
		{GOLDEN(datagram_status),
		 {.alias = 1,
		  .group = 2,
		  .object = 9,
		  .has_status = true,
		  .status = INLAY_MOQ_STATUS_END_OF_TRACK},
		 5},
		{GOLDEN(datagram_normal_status),
		 {.alias = 1,
		  .group = 2,
		  .has_priority = true,
		  .priority = 16,
		  .has_status = true,
		  .properties = {datagram_normal_status + 5, 2}},
		 8},
	};
	const struct inlay_moq_datagram *want;
	struct inlay_moq_datagram o = {0};
	struct inlay_cursor c;
	struct inlay_writer w;
	const struct golden *g;
	__u8 buf[32], *copy;
	size_t i, cut;

	for (i = 0; i < INLAY_ARRAY_SIZE(cases); i++) {
		g = &cases[i].golden;
		want = &cases[i].o;
		c = inlay_cursor_of(g->bytes, g->len);
		assert_int_equal(inlay_moq18_datagram_parse(&c, &o), INLAY_MOQ_OK);
		assert_false(o.padding);
		assert_int_equal(o.alias, want->alias);
		assert_int_equal(o.group, want->group);
		assert_int_equal(o.object, want->object);
		assert_int_equal(o.has_priority, want->has_priority);
		assert_int_equal(o.priority, want->priority);
		assert_int_equal(o.has_status, want->has_status);
		assert_int_equal(o.status, want->status);
		assert_int_equal(o.end_of_group, want->end_of_group);
		assert_int_equal(o.properties.len, want->properties.len);
		assert_int_equal(o.payload.len, want->payload.len);
		if (want->properties.len > 0)
			assert_ptr_equal(o.properties.data, want->properties.data);
		if (want->payload.len > 0)
			assert_ptr_equal(o.payload.data, want->payload.data);
		w = inlay_writer_of(buf, sizeof(buf));
		assert_true(inlay_moq18_datagram_put(&w, want));
		assert_int_equal(inlay_writer_len(&w), cases[i].header);
		assert_memory_equal(buf, g->bytes, cases[i].header);
		for (cut = 0; cut < g->len; cut++) {
			copy = golden_copy(g->bytes, cut);
			c = inlay_cursor_of(copy, cut);
			assert_int_equal(inlay_moq18_datagram_parse(&c, &o),
					 cut < cases[i].header ? INLAY_MOQ_VIOLATION
							       : INLAY_MOQ_OK);
			free(copy);
		}
		for (cut = 0; cut < cases[i].header; cut++) {
			w = inlay_writer_of(buf, cut);
			assert_false(inlay_moq18_datagram_put(&w, want));
			assert_int_equal(inlay_writer_len(&w), 0);
		}
	}
	c = inlay_cursor_of(datagram_padding, sizeof(datagram_padding));
	assert_int_equal(inlay_moq18_datagram_parse(&c, &o), INLAY_MOQ_OK);
	assert_true(o.padding);
}

/* The types that the draft calls valid: 0x00..0x0f and those of 0x20..0x2f without END_OF_GROUP. */
static void datagram_types(void **state)
{
	static const __u8 status_types[] = {0x20, 0x21, 0x24, 0x25, 0x28, 0x29, 0x2c, 0x2d};
	__u64 type;
	bool valid;
	size_t i;

	for (type = 0; type < 0x200; type++) {
		valid = type <= 0x0f;
		for (i = 0; i < INLAY_ARRAY_SIZE(status_types); i++)
			valid |= type == status_types[i];
		assert_int_equal(inlay_moq18_is_datagram(type), valid);
	}
}

static void malformed_datagrams(void **state)
{
	static const struct {
		const char *what;
		__u8 bytes[16];
		size_t len;
	} cases[] = {
		{"nothing", {0}, 0},
		{"type 0x10", {0x10, 1, 2, 3, 4, 5}, 6},
		{"type 0x22: status and end of group", {0x22, 1, 2, 3, 4, 3}, 6},
		{"type 0x2f", {0x2f, 1, 2, 2, 0x3c, 0, 0}, 7},
		{"type 0x40", {0x80, 0x40, 1, 2, 3, 4}, 6},
		{"type 0x100, whose low byte is 0", {0x81, 0x00, 1, 2, 3, 4, 5}, 7},
		{"properties of length 0", {0x09, 1, 2, 3, 0x00, 0xaa}, 6},
		{"properties beyond the end", {0x09, 1, 2, 3, 0x02, 0xaa}, 6},
		{"properties of 2^64-1 bytes",
		 {0x09, 1, 2, 3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xaa},
		 14},
		{"status 1", {0x28, 1, 2, 3, 1}, 5},
		{"end of group with properties", {0x29, 1, 2, 3, 2, 0x3c, 0, 3}, 8},
		{"bytes behind a status", {0x28, 1, 2, 3, 3, 0}, 6},
	};
	struct inlay_moq_datagram o = {.alias = 77};
	struct inlay_cursor c;
	struct inlay_writer w;
	__u8 buf[16], *copy;
	size_t i;

	for (i = 0; i < INLAY_ARRAY_SIZE(cases); i++) {
		copy = golden_copy(cases[i].bytes, cases[i].len);
		c = inlay_cursor_of(copy, cases[i].len);
		if (inlay_moq18_datagram_parse(&c, &o) != INLAY_MOQ_VIOLATION)
			fail_msg("%s", cases[i].what);
		assert_ptr_equal(c.pos, copy);
		assert_int_equal(o.alias, 77);
		free(copy);
	}
	w = inlay_writer_of(buf, sizeof(buf));
	o = (struct inlay_moq_datagram){.status = INLAY_MOQ_STATUS_END_OF_GROUP,
					.end_of_group = true};
	assert_false(inlay_moq18_datagram_put(&w, &o));
	o.end_of_group = false;
	o.properties = (struct inlay_moq_bytes){buf, 1};
	assert_false(inlay_moq18_datagram_put(&w, &o));
	o.properties.len = 0;
	o.payload = (struct inlay_moq_bytes){buf, 1};
	assert_false(inlay_moq18_datagram_put(&w, &o));
	assert_int_equal(inlay_writer_len(&w), 0);
}

/* --- Key-value pairs (1.4.3) ---------------------------------------------------------------- */

static void key_value_pairs(void **state)
{
	static const __u8 pairs[] = {
		0x04, 0x81, 0x00,	    /* type 4 = 256 */
		0x00, 0x01,		    /* type 4 again = 1 */
		0x49, 0x03, 'x',  'y', 'z', /* type 77 = "xyz" */
		0x00, 0x00,		    /* type 77 again, empty */
	};
	const struct inlay_moq_bytes all = {pairs, sizeof(pairs)};
	struct inlay_moq_kv_iter it = inlay_moq_kv_iter_of(all);
	struct inlay_moq_kv kv[4];
	struct inlay_writer w;
	__u8 buf[sizeof(pairs)];
	__u64 prev = 0;
	size_t i;

	for (i = 0; i < 4; i++) {
		assert_true(inlay_moq_kv_left(&it));
		assert_int_equal(inlay_moq18_kv_next(&it, &kv[i]), INLAY_MOQ_OK);
		assert_int_equal(kv[i].type, i < 2 ? 4 : 77);
	}
	assert_false(inlay_moq_kv_left(&it));
	assert_int_equal(kv[0].value, 256);
	assert_int_equal(kv[1].value, 1);
	assert_int_equal(kv[2].bytes.len, 3);
	assert_ptr_equal(kv[2].bytes.data, pairs + 7);
	assert_int_equal(kv[3].bytes.len, 0);
	w = inlay_writer_of(buf, sizeof(buf));
	for (i = 0; i < 4; i++)
		assert_true(inlay_moq18_kv_put(&w, &prev, &kv[i]));
	assert_int_equal(inlay_writer_len(&w), sizeof(pairs));
	assert_memory_equal(buf, pairs, sizeof(pairs));
	assert_false(inlay_moq18_kv_put(&w, &prev, &kv[3]));
	w = inlay_writer_of(buf, sizeof(buf));
	assert_false(inlay_moq18_kv_put(&w, &prev, &kv[0]));
}

static void malformed_pairs(void **state)
{
	static const struct {
		const char *what;
		__u8 bytes[16];
		size_t len;
		enum inlay_moq_verdict verdict;
	} cases[] = {
		{"type cut short", {0x80}, 1, INLAY_MOQ_KV_FORMATTING},
		{"no value", {0x04}, 1, INLAY_MOQ_KV_FORMATTING},
		{"value cut short", {0x04, 0x81}, 2, INLAY_MOQ_KV_FORMATTING},
		{"no length", {0x05}, 1, INLAY_MOQ_KV_FORMATTING},
		{"bytes cut short", {0x05, 0x02, 0xaa}, 3, INLAY_MOQ_KV_FORMATTING},
		{"length 65536", {0x05, 0xc1, 0x00, 0x00}, 4, INLAY_MOQ_VIOLATION},
		{"type above 2^64-1",
		 {0x02, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00},
		 12,
		 INLAY_MOQ_VIOLATION},
	};
	struct inlay_moq_kv_iter it;
	struct inlay_moq_bytes b;
	enum inlay_moq_verdict v;
	struct inlay_moq_kv kv;
	__u8 *copy;
	size_t i;

	for (i = 0; i < INLAY_ARRAY_SIZE(cases); i++) {
		copy = golden_copy(cases[i].bytes, cases[i].len);
		b = (struct inlay_moq_bytes){copy, cases[i].len};
		it = inlay_moq_kv_iter_of(b);
		do {
			v = inlay_moq18_kv_next(&it, &kv);
		} while (v == INLAY_MOQ_OK && inlay_moq_kv_left(&it));
		if (v != cases[i].verdict)
			fail_msg("%s", cases[i].what);
		free(copy);
	}
}

static void mandatory_properties(void **state)
{
	assert_false(inlay_moq18_property_is_mandatory(0x3fff));
	assert_true(inlay_moq18_property_is_mandatory(0x4000));
	assert_true(inlay_moq18_property_is_mandatory(0x7fff));
	assert_false(inlay_moq18_property_is_mandatory(0x8000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vi64_examples),
		cmocka_unit_test(vi64_ranges),
		cmocka_unit_test(subgroup_headers),
		cmocka_unit_test(subgroup_types),
		cmocka_unit_test(objects),
		cmocka_unit_test(malformed_objects),
		cmocka_unit_test(framer_stories),
		cmocka_unit_test(framer_ends),
		cmocka_unit_test(framer_stays_broken),
		cmocka_unit_test(framer_longest_header),
		cmocka_unit_test(object_datagrams),
		cmocka_unit_test(datagram_types),
		cmocka_unit_test(malformed_datagrams),
		cmocka_unit_test(key_value_pairs),
		cmocka_unit_test(malformed_pairs),
		cmocka_unit_test(mandatory_properties),
	};

	if (golden_corpus("moq_stream", streams, INLAY_ARRAY_SIZE(streams)) &&
	    golden_corpus("moq_datagram", datagrams, INLAY_ARRAY_SIZE(datagrams)))
		return 0;
	return cmocka_run_group_tests_name("moq_wire", tests, NULL, NULL);
}
