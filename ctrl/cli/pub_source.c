/* SPDX-License-Identifier: BSD-2-Clause */
/* Frames out of fragmented MP4, or made up. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fmp4.h"
#include "pub_source.h"

#define READ_BYTES 65536

struct inlay_pub_source {
	struct inlay_pub_source_config config;
	struct inlay_pub_frame frame;
	bool has_frame, eof;
	int error;
	__u8 *buf; /* of the frame */
	size_t room;
	__u64 n; /* frames so far */
	/* Input. */
	struct inlay_fmp4 *fmp4;
	__u8 *init;
	size_t init_len;
	inlay_ns first_time, group_time;
};

struct inlay_pub_source *inlay_pub_source_new(const struct inlay_pub_source_config *config)
{
	struct inlay_pub_source *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->config = *config;
	if (config->fd < 0)
		return s;
	s->fmp4 = inlay_fmp4_new(INLAY_FMP4_MAX_BOX);
	if (!s->fmp4) {
		free(s);
		return NULL;
	}
	return s;
}

void inlay_pub_source_free(struct inlay_pub_source *s)
{
	if (!s)
		return;
	inlay_fmp4_free(s->fmp4);
	free(s->init);
	free(s->buf);
	free(s);
}

const char *inlay_pub_source_error(const struct inlay_pub_source *s)
{
	if (s->fmp4 && inlay_fmp4_error(s->fmp4)[0])
		return inlay_fmp4_error(s->fmp4);
	return s->error == -ENOMSG ? "it is empty" : strerror(-s->error);
}

bool inlay_pub_source_cut_short(const struct inlay_pub_source *s)
{
	return s->eof && s->fmp4 && inlay_fmp4_left(s->fmp4) > 0;
}

static int reserve(struct inlay_pub_source *s, size_t len)
{
	__u8 *buf;

	if (len <= s->room)
		return 0;
	buf = realloc(s->buf, len);
	if (!buf)
		return -ENOMEM;
	s->buf = buf;
	s->room = len;
	return 0;
}

/* ---- made up ---- */

/* The frame's number in front, then bytes that differ from frame to frame. */
static int make_up(struct inlay_pub_source *s)
{
	__u64 per_group = (__u64)(s->config.group_seconds * s->config.rate + 0.5), word;
	size_t len = s->config.frame_bytes, at;
	int rv;

	if (s->config.seconds > 0 && (double)s->n >= s->config.seconds * s->config.rate)
		return -ENODATA;
	s->frame.starts_group = s->n % (per_group ? per_group : 1) == 0;
	if (s->frame.starts_group && s->config.key_ratio > 0)
		len = (size_t)((double)len * s->config.key_ratio);
	rv = reserve(s, len + sizeof(word));
	if (rv)
		return rv;
	word = s->n;
	for (at = 0; at < len; at += sizeof(word)) {
		memcpy(s->buf + at, &word, sizeof(word));
		word = word * 6364136223846793005ULL + 1442695040888963407ULL;
	}
	s->frame.data = s->buf;
	s->frame.len = len;
	s->frame.due = (inlay_ns)((double)s->n * 1e9 / s->config.rate);
	return 0;
}

/* ---- input ---- */

static int keep_init(struct inlay_pub_source *s, const struct inlay_fmp4_unit *u)
{
	__u8 *init = malloc(u->len);

	if (!init)
		return -ENOMEM;
	memcpy(init, u->data, u->len);
	free(s->init);
	s->init = init;
	s->init_len = u->len;
	return 0;
}

static bool starts_group(struct inlay_pub_source *s, const struct inlay_fmp4_unit *u)
{
	bool starts;

	if (!s->n || inlay_fmp4_has_video(s->fmp4))
		starts = !s->n || (u->video && u->sync);
	else
		starts =
			u->sync &&
			u->decode_time >= s->group_time + (inlay_ns)(s->config.group_seconds * 1e9);
	if (starts)
		s->group_time = u->decode_time;
	return starts;
}

static int take_fragment(struct inlay_pub_source *s, const struct inlay_fmp4_unit *u)
{
	bool starts = starts_group(s, u);
	size_t init = starts ? s->init_len : 0;
	inlay_ns due;
	int rv;

	if (!s->n)
		s->first_time = u->decode_time;
	due = u->decode_time > s->first_time ? u->decode_time - s->first_time : 0;
	if (s->config.seconds > 0 && (double)due >= s->config.seconds * 1e9)
		return -ENODATA;
	rv = reserve(s, init + u->len);
	if (rv)
		return rv;
	if (init)
		memcpy(s->buf, s->init, init);
	memcpy(s->buf + init, u->data, u->len);
	s->frame.data = s->buf;
	s->frame.len = init + u->len;
	s->frame.starts_group = starts;
	s->frame.due = s->config.as_it_comes || s->config.fast ? 0 : due;
	return 0;
}

void inlay_pub_source_read(struct inlay_pub_source *s)
{
	__u8 buf[READ_BYTES];
	ssize_t n = read(s->config.fd, buf, sizeof(buf));

	if (n > 0)
		s->error = inlay_fmp4_push(s->fmp4, buf, (size_t)n);
	else if (!n)
		s->eof = true;
	else if (errno != EAGAIN && errno != EINTR)
		s->error = -errno;
}

static int next_fragment(struct inlay_pub_source *s)
{
	struct inlay_fmp4_unit u;
	int rv;

	while (!s->error) {
		rv = inlay_fmp4_next(s->fmp4, &u);
		if (rv == -EAGAIN && s->eof)
			return s->init || s->n || inlay_fmp4_left(s->fmp4) ? -ENODATA : -ENOMSG;
		if (rv == -EAGAIN && s->config.as_it_comes)
			return -EAGAIN;
		if (rv == -EAGAIN) {
			inlay_pub_source_read(s);
			continue;
		}
		if (rv)
			return rv;
		if (u.kind == INLAY_FMP4_FRAGMENT)
			return take_fragment(s, &u);
		rv = keep_init(s, &u);
		if (rv)
			return rv;
	}
	return s->error;
}

int inlay_pub_source_peek(struct inlay_pub_source *s, struct inlay_pub_frame *ret)
{
	int rv;

	if (!s->has_frame) {
		rv = s->fmp4 ? next_fragment(s) : make_up(s);
		if (rv) {
			if (rv != -EAGAIN)
				s->error = rv;
			return rv;
		}
		s->has_frame = true;
	}
	*ret = s->frame;
	return 0;
}

void inlay_pub_source_advance(struct inlay_pub_source *s)
{
	s->n += s->has_frame;
	s->has_frame = false;
}
