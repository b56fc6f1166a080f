/* SPDX-License-Identifier: BSD-2-Clause */
/* Fragmented MP4, made here box by box, pushed in pieces of every size; broken ones; and, where
 * there is an ffmpeg, real ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <errno.h>
#include <cmocka.h>

#include "fmp4.h"
#include "inlay_writer.h"

#define FILE_ROOM 65536
#define MAX_UNITS 64

/* ---- making files ---- */

static __u8 *box_begin(struct inlay_writer *w, const char *type)
{
	__u8 *at = w->pos;

	assert_true(inlay_writer_be32(w, 0) && inlay_writer_bytes(w, type, 4));
	return at;
}

static void box_end(struct inlay_writer *w, __u8 *at)
{
	struct inlay_writer size = inlay_writer_of(at, 4);

	assert_true(inlay_writer_be32(&size, (__u32)(w->pos - at)));
}

static void words(struct inlay_writer *w, size_t n, ...)
{
	va_list args;

	va_start(args, n);
	while (n--)
		assert_true(inlay_writer_be32(w, va_arg(args, __u32)));
	va_end(args);
}

static void put_track(struct inlay_writer *w, __u32 id, __u32 timescale, const char *handler)
{
	__u8 *trak = box_begin(w, "trak"), *inner, *mdia;

	inner = box_begin(w, "tkhd");
	words(w, 4, 0, 0, 0, id);
	box_end(w, inner);
	mdia = box_begin(w, "mdia");
	inner = box_begin(w, "mdhd");
	words(w, 5, 0x01000000, 0, 0, 0, 0); /* version 1: 64-bit times */
	words(w, 3, timescale, 0, 0);
	box_end(w, inner);
	inner = box_begin(w, "hdlr");
	words(w, 2, 0, 0);
	assert_true(inlay_writer_bytes(w, handler, 4));
	box_end(w, inner);
	box_end(w, mdia);
	box_end(w, trak);
}

static void put_init(struct inlay_writer *w, bool fragmented, bool audio)
{
	__u8 *at = box_begin(w, "ftyp"), *mvex;

	words(w, 2, 0x69736f6d, 0);
	box_end(w, at);
	at = box_begin(w, "moov");
	if (audio)
		put_track(w, 2, 48000, "soun");
	put_track(w, 1, 90000, "vide");
	if (fragmented) {
		mvex = box_begin(w, "mvex");
		__u8 *trex = box_begin(w, "trex");

		words(w, 6, 0, 1, 1, 3000, 0, 0x00010000); /* a non-sync sample by default */
		box_end(w, trex);
		box_end(w, mvex);
	}
	box_end(w, at);
}

struct frag {
	__u32 track;
	__u32 time;
	int sync; /* -1: by trex; 0, 1: by tfhd; 2, 3: by first-sample flags; 4, 5: by trun */
	__u32 samples;
	size_t media;
};

static void put_trun(struct inlay_writer *w, const struct frag *g)
{
	__u32 flags = g->sync & 1 ? 0x02000000 : 0x01010000, i;
	__u8 *trun = box_begin(w, "trun");

	if (g->sync == 2 || g->sync == 3)
		words(w, 4, 0x000005, g->samples, 0, flags);
	else if (g->sync >= 4)
		words(w, 3, 0x000701, g->samples, 0);
	else
		words(w, 3, 0x000001, g->samples, 0);
	/* Only the first sample is what |sync| says. */
	for (i = 0; g->sync >= 4 && i < g->samples; i++)
		words(w, 3, 1500, 100, i ? 0x01010000 : flags);
	box_end(w, trun);
}

static void put_fragment(struct inlay_writer *w, const struct frag *g)
{
	__u8 *moof = box_begin(w, "moof"), *traf, *at;
	size_t i;

	at = box_begin(w, "mfhd");
	words(w, 2, 0, 1);
	box_end(w, at);
	traf = box_begin(w, "traf");
	at = box_begin(w, "tfhd");
	if (g->sync == 0 || g->sync == 1)
		words(w, 4, 0x000028, g->track, 4500, g->sync ? 0x02000000 : 0x01010000);
	else
		words(w, 2, 0, g->track);
	box_end(w, at);
	at = box_begin(w, "tfdt");
	words(w, 3, 0x01000000, 0, g->time);
	box_end(w, at);
	put_trun(w, g);
	box_end(w, traf);
	box_end(w, moof);
	at = box_begin(w, "mdat");
	for (i = 0; i < g->media; i++)
		assert_true(inlay_writer_u8(w, (__u8)(i * 13 + g->time)));
	box_end(w, at);
}

/* ---- reading them ---- */

struct reading {
	struct inlay_fmp4_unit units[MAX_UNITS];
	size_t n, len, left;
	__u8 bytes[FILE_ROOM * 2]; /* of all units, one after another */
	int rv;
	char error[160];
	bool video;
};

static struct reading *read_all(const __u8 *data, size_t len, size_t piece, size_t max_box)
{
	struct inlay_fmp4 *f = inlay_fmp4_new(max_box);
	struct reading *r = calloc(1, sizeof(*r));
	struct inlay_fmp4_unit u;
	size_t at, n;

	assert_non_null(f);
	assert_non_null(r);
	r->rv = -EAGAIN;
	for (at = 0; at < len && r->rv == -EAGAIN; at += n) {
		n = len - at < piece ? len - at : piece;
		assert_int_equal(inlay_fmp4_push(f, data + at, n), 0);
		while (!(r->rv = inlay_fmp4_next(f, &u))) {
			assert_true(r->n < MAX_UNITS && r->len + u.len <= sizeof(r->bytes));
			memcpy(r->bytes + r->len, u.data, u.len);
			r->len += u.len;
			u.data = NULL;
			r->units[r->n++] = u;
		}
	}
	r->left = inlay_fmp4_left(f);
	r->video = inlay_fmp4_has_video(f);
	snprintf(r->error, sizeof(r->error), "%s", inlay_fmp4_error(f));
	inlay_fmp4_free(f);
	return r;
}

static const struct frag fragments[] = {
	{1, 0, 1, 1, 500},   {1, 4500, 0, 1, 30}, {1, 9000, -1, 1, 0}, {1, 12000, 3, 2, 70},
	{1, 18000, 2, 1, 9}, {1, 21000, 5, 3, 9}, {1, 25500, 4, 2, 9},
};

static void test_fragments_in_any_pieces(void **state)
{
	static const bool sync[] = {true, false, false, true, false, true, false};
	static const __u32 duration[] = {4500, 4500, 3000, 6000, 3000, 4500, 3000};
	static __u8 file[FILE_ROOM];
	struct inlay_writer w = inlay_writer_of(file, sizeof(file));
	size_t piece, i;

	put_init(&w, true, false);
	for (i = 0; i < INLAY_ARRAY_SIZE(fragments); i++)
		put_fragment(&w, &fragments[i]);
	for (piece = 1; piece < inlay_writer_len(&w) + 7;
	     piece = piece < 40 ? piece + 1 : piece * 2) {
		struct reading *r = read_all(file, inlay_writer_len(&w), piece, 4096);

		assert_int_equal(r->rv, -EAGAIN);
		assert_int_equal(r->n, 1 + INLAY_ARRAY_SIZE(fragments));
		assert_int_equal(r->len, inlay_writer_len(&w));
		assert_memory_equal(r->bytes, file, r->len);
		assert_int_equal(r->left, 0);
		assert_true(r->video);
		assert_int_equal(r->units[0].kind, INLAY_FMP4_INIT);
		for (i = 0; i < INLAY_ARRAY_SIZE(fragments); i++) {
			struct inlay_fmp4_unit *u = &r->units[i + 1];

			assert_int_equal(u->kind, INLAY_FMP4_FRAGMENT);
			assert_int_equal(u->sync, sync[i]);
			assert_int_equal(u->decode_time, fragments[i].time * INLAY_S / 90000);
			assert_int_equal(u->duration, duration[i] * INLAY_S / 90000);
		}
		free(r);
	}
}

/* Boxes before a moof belong to its fragment; the index at the end is left out. */
static void test_boxes_between(void **state)
{
	static __u8 file[FILE_ROOM];
	struct inlay_writer w = inlay_writer_of(file, sizeof(file));
	struct reading *r;
	size_t before, media;
	__u8 *at;

	put_init(&w, true, true);
	put_fragment(&w, &fragments[0]);
	before = inlay_writer_len(&w);
	at = box_begin(&w, "styp");
	words(&w, 3, 1, 2, 3);
	box_end(&w, at);
	put_fragment(&w, &(struct frag){2, 48000, -1, 1, 5});
	media = inlay_writer_len(&w);
	at = box_begin(&w, "mfra");
	words(&w, 4, 1, 2, 3, 4);
	box_end(&w, at);
	r = read_all(file, inlay_writer_len(&w), 100, 4096);
	assert_int_equal(r->n, 3);
	assert_int_equal(r->units[2].len, media - before);
	assert_false(r->units[2].video);
	assert_int_equal(r->units[2].decode_time, INLAY_S);
	assert_int_equal(r->len, media);
	assert_int_equal(r->left, 0);
	free(r);
}

/* A second file after the first: a new initialisation segment. */
static void test_started_anew(void **state)
{
	static __u8 file[FILE_ROOM];
	struct inlay_writer w = inlay_writer_of(file, sizeof(file));
	struct reading *r;

	put_init(&w, true, false);
	put_fragment(&w, &fragments[0]);
	put_init(&w, true, true);
	put_fragment(&w, &fragments[1]);
	r = read_all(file, inlay_writer_len(&w), 64, 4096);
	assert_int_equal(r->n, 4);
	assert_int_equal(r->units[2].kind, INLAY_FMP4_INIT);
	assert_int_equal(r->len, inlay_writer_len(&w));
	free(r);
}

static void test_init_len(void **state)
{
	static __u8 file[FILE_ROOM];
	struct inlay_writer w = inlay_writer_of(file, sizeof(file));
	size_t init;

	put_init(&w, true, false);
	init = inlay_writer_len(&w);
	assert_int_equal(inlay_fmp4_init_len(file, init), 0); /* no moof follows */
	put_fragment(&w, &fragments[0]);
	assert_int_equal(inlay_fmp4_init_len(file, inlay_writer_len(&w)), init);
	assert_int_equal(inlay_fmp4_init_len(file + init, inlay_writer_len(&w) - init), 0);
	assert_int_equal(inlay_fmp4_init_len((const __u8 *)"no boxes at all", 15), 0);
	assert_int_equal(inlay_fmp4_init_len(NULL, 0), 0);
}

static void expect_refusal(const __u8 *data, size_t len, size_t max_box, const char *needle)
{
	struct reading *r = read_all(data, len, 50, max_box);

	assert_int_equal(r->rv, -EBADMSG);
	if (!strstr(r->error, needle))
		fail_msg("'%s' is not in '%s'", needle, r->error);
	free(r);
}

static void test_refused(void **state)
{
	static __u8 file[FILE_ROOM];
	struct inlay_writer w = inlay_writer_of(file, sizeof(file));
	size_t init;

	expect_refusal((const __u8 *)"GIF89a..........", 16, 4096, "ftyp");
	expect_refusal((const __u8 *)"\0\0\0\4ftyp........", 16, 4096, "size");
	expect_refusal((const __u8 *)"\0\0\0\0ftyp........", 16, 4096, "size");
	expect_refusal((const __u8 *)"\0\0\0\1ftyp\377\377\377\377\377\377\377\377", 16, 4096,
		       "larger");
	put_init(&w, false, false);
	expect_refusal(file, inlay_writer_len(&w), 4096, "not fragmented");
	w = inlay_writer_of(file, sizeof(file));
	put_init(&w, true, false);
	init = inlay_writer_len(&w);
	box_end(&w, box_begin(&w, "mdat"));
	expect_refusal(file, inlay_writer_len(&w), 4096, "outside of fragments");
	w.pos = file + init;
	put_fragment(&w, &(struct frag){1, 0, 1, 1, 5000});
	expect_refusal(file, inlay_writer_len(&w), 4096, "larger");
	w.pos = file + init;
	put_fragment(&w, &(struct frag){7, 0, 1, 1, 5}); /* a track that moov does not name */
	expect_refusal(file, inlay_writer_len(&w), 4096, "traf");
	w = inlay_writer_of(file, sizeof(file));
	box_end(&w, box_begin(&w, "ftyp"));
	put_fragment(&w, &fragments[0]);
	expect_refusal(file, inlay_writer_len(&w), 4096, "before the moov");
}

/* A trun that claims 2^32 samples and holds none. */
static void test_sample_count_is_not_believed(void **state)
{
	static __u8 file[FILE_ROOM];
	struct inlay_writer w = inlay_writer_of(file, sizeof(file));

	put_init(&w, true, false);
	put_fragment(&w, &(struct frag){1, 0, 5, 1, 5});
	for (__u8 *p = file; p + 12 < w.pos; p++)
		if (!memcmp(p, "trun", 4))
			memset(p + 8, 0xff, 4);
	expect_refusal(file, inlay_writer_len(&w), 4096, "traf");
}

static void test_cut_short(void **state)
{
	static __u8 file[FILE_ROOM];
	struct inlay_writer w = inlay_writer_of(file, sizeof(file));
	struct reading *r;
	size_t cut;

	put_init(&w, true, false);
	put_fragment(&w, &fragments[0]);
	for (cut = 0; cut < inlay_writer_len(&w); cut++) {
		r = read_all(file, cut, 33, 4096);
		assert_int_equal(r->rv, -EAGAIN);
		assert_true(r->n < 2);
		assert_int_equal(r->left, cut - r->len);
		free(r);
	}
}

/* What ffmpeg writes, for the demo: one fragment a frame, a sync sample every tenth. */
static void test_ffmpeg(void **state)
{
	static __u8 file[FILE_ROOM];
	FILE *ffmpeg;
	struct reading *r;
	size_t len, i;

	if (system("ffmpeg -version >/dev/null 2>&1")) {
		print_message("skipped: no ffmpeg here\n");
		skip();
	}
	ffmpeg = popen("ffmpeg -hide_banner -loglevel error -f lavfi "
		       "-i testsrc2=size=128x72:rate=10:duration=3 -c:v libx264 -preset ultrafast "
		       "-tune zerolatency -g 10 -pix_fmt yuv420p -f mp4 "
		       "-movflags empty_moov+default_base_moof+frag_every_frame pipe:1",
		       "r");
	assert_non_null(ffmpeg);
	len = fread(file, 1, sizeof(file), ffmpeg);
	assert_int_equal(pclose(ffmpeg), 0);
	assert_in_range(len, 1000, sizeof(file) - 1);
	r = read_all(file, len, 1000, 1 << 20);
	assert_int_equal(r->rv, -EAGAIN);
	assert_int_equal(r->n, 31);
	assert_memory_equal(r->bytes, file, r->len);
	for (i = 0; i < 30; i++) {
		assert_true(r->units[i + 1].video);
		assert_int_equal(r->units[i + 1].sync, i % 10 == 0);
		assert_int_equal(r->units[i + 1].decode_time, i * INLAY_S / 10);
		assert_int_equal(r->units[i + 1].duration, INLAY_S / 10);
	}
	free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fragments_in_any_pieces),
		cmocka_unit_test(test_boxes_between),
		cmocka_unit_test(test_started_anew),
		cmocka_unit_test(test_init_len),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_sample_count_is_not_believed),
		cmocka_unit_test(test_cut_short),
		cmocka_unit_test(test_ffmpeg),
	};

	return cmocka_run_group_tests_name("fmp4", tests, NULL, NULL);
}
