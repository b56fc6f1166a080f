/* SPDX-License-Identifier: BSD-2-Clause */
/* Fragmented MP4: top-level boxes gathered into units, and the little that is read inside them. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fmp4.h"
#include "fmp4_box.h"

#define MAX_TRACKS 16

#define T    INLAY_FMP4_TYPE
#define FTYP T('f', 't', 'y', 'p')
#define HDLR T('h', 'd', 'l', 'r')
#define MDAT T('m', 'd', 'a', 't')
#define MDHD T('m', 'd', 'h', 'd')
#define MDIA T('m', 'd', 'i', 'a')
#define MFRA T('m', 'f', 'r', 'a')
#define MOOF T('m', 'o', 'o', 'f')
#define MOOV T('m', 'o', 'o', 'v')
#define MVEX T('m', 'v', 'e', 'x')
#define TFDT T('t', 'f', 'd', 't')
#define TFHD T('t', 'f', 'h', 'd')
#define TKHD T('t', 'k', 'h', 'd')
#define TRAF T('t', 'r', 'a', 'f')
#define TRAK T('t', 'r', 'a', 'k')
#define TREX T('t', 'r', 'e', 'x')
#define TRUN T('t', 'r', 'u', 'n')
#define VIDE T('v', 'i', 'd', 'e')

/* tfhd and trun flags (sections 8.8.7 and 8.8.8) */
#define TFHD_BASE_OFFSET   0x000001
#define TFHD_DESCRIPTION   0x000002
#define TFHD_DURATION	   0x000008
#define TFHD_SIZE	   0x000010
#define TFHD_FLAGS	   0x000020
#define TRUN_DATA_OFFSET   0x000001
#define TRUN_FIRST_FLAGS   0x000004
#define TRUN_DURATION	   0x000100
#define TRUN_SIZE	   0x000200
#define TRUN_FLAGS	   0x000400
#define TRUN_COMPOSITION   0x000800
#define SAMPLE_IS_NOT_SYNC 0x00010000 /* section 8.8.3.1 */

struct track {
	__u32 id;
	__u32 timescale;
	__u32 default_duration, default_flags;
	bool video;
};

/* One traf, read. */
struct run {
	const struct track *track;
	__u32 default_duration, default_flags;
	__u64 decode_time, duration; /* in the track's units */
	bool has_samples, sync;
};

struct inlay_fmp4 {
	__u8 *buf;
	size_t room, len;
	size_t start; /* first byte that no unit has taken */
	size_t at;    /* boxes in [start, at) are whole and looked at */
	size_t max_box;
	bool in_init, has_moof;
	struct track tracks[MAX_TRACKS];
	size_t n_tracks;
	struct inlay_fmp4_unit pending; /* of the moof last seen */
	char error[160];
};

struct inlay_fmp4 *inlay_fmp4_new(size_t max_box)
{
	struct inlay_fmp4 *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->max_box = max_box;
	f->in_init = true;
	return f;
}

void inlay_fmp4_free(struct inlay_fmp4 *f)
{
	if (!f)
		return;
	free(f->buf);
	free(f);
}

const char *inlay_fmp4_error(const struct inlay_fmp4 *f)
{
	return f->error;
}

size_t inlay_fmp4_left(const struct inlay_fmp4 *f)
{
	return f->len - f->start;
}

bool inlay_fmp4_has_video(const struct inlay_fmp4 *f)
{
	size_t i;

	for (i = 0; i < f->n_tracks; i++)
		if (f->tracks[i].video)
			return true;
	return false;
}

int inlay_fmp4_push(struct inlay_fmp4 *f, const __u8 *data, size_t len)
{
	size_t room;
	__u8 *buf;

	if (f->start) {
		memmove(f->buf, f->buf + f->start, f->len - f->start);
		f->len -= f->start;
		f->at -= f->start;
		f->start = 0;
	}
	if (f->room - f->len < len) {
		room = 2 * f->room > f->len + len ? 2 * f->room : f->len + len;
		buf = realloc(f->buf, room);
		if (!buf)
			return -ENOMEM;
		f->buf = buf;
		f->room = room;
	}
	if (len)
		memcpy(f->buf + f->len, data, len);
	f->len += len;
	return 0;
}

static int refuse(struct inlay_fmp4 *f, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(f->error, sizeof(f->error), format, args);
	va_end(args);
	return -EBADMSG;
}

/* ---- inside moov ---- */

/* Version and flags of a full box (section 4.2.2). */
static bool read_full(struct inlay_cursor *c, __u8 *ret_version, __u32 *ret_flags)
{
	__u32 word;

	if (!inlay_cursor_be32(c, &word))
		return false;
	*ret_version = (__u8)(word >> 24);
	*ret_flags = word & 0xffffff;
	return true;
}

/* tkhd and mdhd: two times of 4 or 8 bytes, then the 32 bits that matter here. */
static bool read_after_times(struct inlay_cursor c, __u32 *ret)
{
	__u8 version;
	__u32 flags;

	return read_full(&c, &version, &flags) && inlay_cursor_skip(&c, version == 1 ? 16 : 8) &&
	       inlay_cursor_be32(&c, ret);
}

static bool read_mdia(struct inlay_cursor c, struct track *t)
{
	struct inlay_cursor body;
	bool bad = false;
	__u32 type, handler;

	while (inlay_fmp4_box_next(&c, &type, &body, &bad)) {
		if (type == MDHD && (!read_after_times(body, &t->timescale) || !t->timescale))
			return false;
		if (type != HDLR)
			continue;
		if (!inlay_cursor_skip(&body, 8) || !inlay_cursor_be32(&body, &handler))
			return false;
		t->video = handler == VIDE;
	}
	return !bad;
}

static bool read_trak(struct inlay_cursor c, struct track *t)
{
	struct inlay_cursor body;
	bool bad = false;
	__u32 type;

	while (inlay_fmp4_box_next(&c, &type, &body, &bad)) {
		if (type == TKHD && !read_after_times(body, &t->id))
			return false;
		if (type == MDIA && !read_mdia(body, t))
			return false;
	}
	return !bad && t->timescale;
}

static struct track *track_of(struct inlay_fmp4 *f, __u32 id)
{
	size_t i;

	for (i = 0; i < f->n_tracks; i++)
		if (f->tracks[i].id == id)
			return &f->tracks[i];
	return NULL;
}

static bool read_mvex(struct inlay_fmp4 *f, struct inlay_cursor c)
{
	__u32 type, flags, id, duration, sample_flags;
	struct inlay_cursor body;
	struct track *t;
	bool bad = false;
	__u8 version;

	while (inlay_fmp4_box_next(&c, &type, &body, &bad)) {
		if (type != TREX)
			continue;
		/* Section 8.8.3: track, description index, duration, size, flags. */
		if (!read_full(&body, &version, &flags) || !inlay_cursor_be32(&body, &id) ||
		    !inlay_cursor_skip(&body, 4) || !inlay_cursor_be32(&body, &duration) ||
		    !inlay_cursor_skip(&body, 4) || !inlay_cursor_be32(&body, &sample_flags))
			return false;
		t = track_of(f, id);
		if (!t)
			continue;
		t->default_duration = duration;
		t->default_flags = sample_flags;
	}
	return !bad;
}

static int read_moov(struct inlay_fmp4 *f, struct inlay_cursor c)
{
	struct inlay_cursor body, mvex = {0};
	bool bad = false;
	__u32 type;

	f->n_tracks = 0;
	while (inlay_fmp4_box_next(&c, &type, &body, &bad)) {
		if (type == MVEX)
			mvex = body;
		if (type != TRAK)
			continue;
		if (f->n_tracks == MAX_TRACKS)
			return refuse(f, "more than %d tracks", MAX_TRACKS);
		f->tracks[f->n_tracks] = (struct track){0};
		if (!read_trak(body, &f->tracks[f->n_tracks]))
			return refuse(f, "malformed trak box");
		f->n_tracks++;
	}
	if (bad || !f->n_tracks)
		return refuse(f, "malformed moov box");
	if (!mvex.pos)
		return refuse(f, "not fragmented: write it with ffmpeg -movflags "
				 "empty_moov+default_base_moof+frag_every_frame");
	return read_mvex(f, mvex) ? 0 : refuse(f, "malformed mvex box");
}

/* ---- inside moof ---- */

static bool read_tfhd(struct inlay_fmp4 *f, struct inlay_cursor c, struct run *r)
{
	__u32 flags, id;
	__u8 version;

	if (!read_full(&c, &version, &flags) || !inlay_cursor_be32(&c, &id))
		return false;
	r->track = track_of(f, id);
	if (!r->track)
		return false;
	r->default_duration = r->track->default_duration;
	r->default_flags = r->track->default_flags;
	return (!(flags & TFHD_BASE_OFFSET) || inlay_cursor_skip(&c, 8)) &&
	       (!(flags & TFHD_DESCRIPTION) || inlay_cursor_skip(&c, 4)) &&
	       (!(flags & TFHD_DURATION) || inlay_cursor_be32(&c, &r->default_duration)) &&
	       (!(flags & TFHD_SIZE) || inlay_cursor_skip(&c, 4)) &&
	       (!(flags & TFHD_FLAGS) || inlay_cursor_be32(&c, &r->default_flags));
}

static bool read_tfdt(struct inlay_cursor c, struct run *r)
{
	__u32 flags, low;
	__u8 version;

	if (!read_full(&c, &version, &flags))
		return false;
	if (version == 1)
		return inlay_fmp4_be64(&c, &r->decode_time);
	if (!inlay_cursor_be32(&c, &low))
		return false;
	r->decode_time = low;
	return true;
}

/* One sample's fields. Consumes something if |flags| names any. */
static bool read_sample(struct inlay_cursor *c, __u32 flags, __u32 *duration, __u32 *sample_flags)
{
	return (!(flags & TRUN_DURATION) || inlay_cursor_be32(c, duration)) &&
	       (!(flags & TRUN_SIZE) || inlay_cursor_skip(c, 4)) &&
	       (!(flags & TRUN_FLAGS) || inlay_cursor_be32(c, sample_flags)) &&
	       (!(flags & TRUN_COMPOSITION) || inlay_cursor_skip(c, 4));
}

static bool read_trun(struct inlay_cursor c, struct run *r)
{
	__u32 flags, count, i, first, duration, sample_flags;
	__u8 version;

	if (!r->track || !read_full(&c, &version, &flags) || !inlay_cursor_be32(&c, &count) ||
	    ((flags & TRUN_DATA_OFFSET) && !inlay_cursor_skip(&c, 4)))
		return false;
	first = r->default_flags;
	if ((flags & TRUN_FIRST_FLAGS) && !inlay_cursor_be32(&c, &first))
		return false;
	if (!(flags & (TRUN_DURATION | TRUN_SIZE | TRUN_FLAGS | TRUN_COMPOSITION))) {
		r->duration += (__u64)count * r->default_duration;
	} else {
		for (i = 0; i < count; i++) {
			duration = r->default_duration;
			sample_flags = first;
			if (!read_sample(&c, flags, &duration, &sample_flags))
				return false;
			r->duration += duration;
			if (!i)
				first = sample_flags;
		}
	}
	if (count && !r->has_samples) {
		r->has_samples = true;
		r->sync = !(first & SAMPLE_IS_NOT_SYNC);
	}
	return true;
}

static bool read_traf(struct inlay_fmp4 *f, struct inlay_cursor c, struct run *r)
{
	struct inlay_cursor body;
	bool bad = false;
	__u32 type;

	while (inlay_fmp4_box_next(&c, &type, &body, &bad)) {
		if (type == TFHD && !read_tfhd(f, body, r))
			return false;
		if (type == TFDT && !read_tfdt(body, r))
			return false;
		if (type == TRUN && !read_trun(body, r))
			return false;
	}
	return !bad && r->track;
}

static inlay_ns to_ns(__u64 units, __u32 timescale)
{
	return units / timescale * INLAY_S + units % timescale * INLAY_S / timescale;
}

static int read_moof(struct inlay_fmp4 *f, struct inlay_cursor c)
{
	struct inlay_cursor body;
	bool bad = false, any = false;
	struct run r;
	__u32 type;

	f->pending = (struct inlay_fmp4_unit){.kind = INLAY_FMP4_FRAGMENT};
	while (inlay_fmp4_box_next(&c, &type, &body, &bad)) {
		if (type != TRAF)
			continue;
		r = (struct run){0};
		if (!read_traf(f, body, &r))
			return refuse(f, "malformed traf box");
		if (any && (f->pending.video || !r.track->video))
			continue;
		any = true;
		f->pending.video = r.track->video;
		f->pending.sync = r.has_samples && r.sync;
		f->pending.decode_time = to_ns(r.decode_time, r.track->timescale);
		f->pending.duration = to_ns(r.duration, r.track->timescale);
	}
	return bad || !any ? refuse(f, "malformed moof box") : 0;
}

/* ---- top level ---- */

static void take_unit(struct inlay_fmp4 *f, struct inlay_fmp4_unit *ret)
{
	ret->data = f->buf + f->start;
	ret->len = f->at - f->start;
	f->start = f->at;
}

/* A whole box stands at |at|. 1: |ret| is a unit; 0: go on; -EBADMSG. */
static int take_box(struct inlay_fmp4 *f, const struct inlay_fmp4_box *box,
		    struct inlay_fmp4_unit *ret)
{
	struct inlay_cursor body =
		inlay_cursor_of(f->buf + f->at + box->header_len, box->size - box->header_len);
	int rv = 0;

	switch (box->type) {
	case FTYP:
		if (f->at == f->start && !f->has_moof) {
			f->in_init = true; /* the input was started anew */
			f->n_tracks = 0;
		}
		break;
	case MOOV:
		if (!f->in_init)
			return refuse(f, "a moov box between fragments");
		rv = read_moov(f, body);
		break;
	case MOOF:
		if (!f->n_tracks)
			return refuse(f, "a fragment before the moov box");
		if (f->in_init) {
			f->in_init = false;
			*ret = (struct inlay_fmp4_unit){.kind = INLAY_FMP4_INIT};
			take_unit(f, ret);
			return 1;
		}
		if (f->has_moof)
			return refuse(f, "a moof box without its mdat");
		rv = read_moof(f, body);
		f->has_moof = true;
		break;
	case MDAT:
		if (!f->has_moof)
			return refuse(f,
				      "media outside of fragments: write it with ffmpeg -movflags "
				      "empty_moov+default_base_moof+frag_every_frame");
		f->has_moof = false;
		f->at += box->size;
		*ret = f->pending;
		take_unit(f, ret);
		return 1;
	case MFRA:
		if (f->at == f->start)
			f->start += box->size;
		break;
	}
	if (rv)
		return rv;
	f->at += box->size;
	return 0;
}

int inlay_fmp4_next(struct inlay_fmp4 *f, struct inlay_fmp4_unit *ret)
{
	struct inlay_fmp4_box box;
	struct inlay_cursor c;
	int rv;

	if (f->error[0])
		return -EBADMSG;
	for (;;) {
		if (f->at == f->len)
			return -EAGAIN;
		c = inlay_cursor_of(f->buf + f->at, f->len - f->at);
		if (!inlay_fmp4_box_header(&c, &box))
			return -EAGAIN;
		if (f->in_init && f->at == f->start && box.type != FTYP)
			return refuse(f, "no MP4: it does not begin with an ftyp box");
		if (box.size < box.header_len)
			return refuse(f, "a box of impossible size");
		if (box.size > f->max_box || f->at - f->start + box.size > 2 * f->max_box)
			return refuse(f, "a box larger than %zu bytes", f->max_box);
		if (box.size > f->len - f->at)
			return -EAGAIN;
		rv = take_box(f, &box, ret);
		if (rv)
			return rv > 0 ? 0 : rv;
	}
}

size_t inlay_fmp4_init_len(const __u8 *data, size_t len)
{
	struct inlay_cursor c;
	bool bad = false, first = true;
	struct inlay_cursor body;
	const __u8 *at;
	__u32 type;

	if (!len)
		return 0;
	c = inlay_cursor_of(data, len);
	for (at = c.pos; inlay_fmp4_box_next(&c, &type, &body, &bad); at = c.pos) {
		if (first && type != FTYP)
			return 0;
		first = false;
		if (type == MOOF)
			return (size_t)(at - data);
	}
	return 0;
}

size_t inlay_fmp4_once_skip(struct inlay_fmp4_once *once, const __u8 *data, size_t len)
{
	size_t init = inlay_fmp4_init_len(data, len);
	__u8 *copy;

	if (!init)
		return 0;
	if (init == once->len && !memcmp(data, once->init, init))
		return init;
	copy = malloc(init);
	if (!copy)
		return 0;
	memcpy(copy, data, init);
	free(once->init);
	once->init = copy;
	once->len = init;
	return 0;
}

void inlay_fmp4_once_fini(struct inlay_fmp4_once *once)
{
	free(once->init);
	*once = (struct inlay_fmp4_once){0};
}
