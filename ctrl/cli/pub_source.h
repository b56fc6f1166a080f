/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where inlay-pub's frames come from: fragmented MP4 from a file or a pipe, or made up at a rate. A
 * frame has a time, counted from the source's first one, at which it is due.
 *
 * The first frame of a group starts with the initialisation segment, so that whoever joins there
 * can decode.
 */
#ifndef INLAY_CLI_PUB_SOURCE_H
#define INLAY_CLI_PUB_SOURCE_H

#include "inlay_types.h"

struct inlay_pub_source;

struct inlay_pub_frame {
	const __u8 *data; /* until the next call */
	size_t len;
	bool starts_group;
	inlay_ns due; /* after the first frame; 0: at once */
};

struct inlay_pub_source_config {
	int fd;		      /* of the input; -1: synthetic */
	bool as_it_comes;     /* a pipe: never waited for, and its frames are due at once */
	bool fast;	      /* a file's frames too */
	double rate;	      /* synthetic: frames a second */
	size_t frame_bytes;   /* synthetic */
	double key_ratio;     /* synthetic: a group's first frame is so many times as large; 0: 1 */
	double seconds;	      /* end after so many; 0: no end */
	double group_seconds; /* synthetic, and input without video */
};

/* NULL: no memory. */
struct inlay_pub_source *inlay_pub_source_new(const struct inlay_pub_source_config *config);
void inlay_pub_source_free(struct inlay_pub_source *s);
/*
 * The next frame; the same one again until inlay_pub_source_advance(). 0; -EAGAIN: a pipe has no
 * more just now, call inlay_pub_source_read() when it can be read; -ENODATA: the end; -EBADMSG: no
 * fragmented MP4; -ENOMEM; what read() says. inlay_pub_source_error() explains.
 */
int inlay_pub_source_peek(struct inlay_pub_source *s, struct inlay_pub_frame *ret);
void inlay_pub_source_advance(struct inlay_pub_source *s);
/* Reads once. Errors come by inlay_pub_source_peek(). */
void inlay_pub_source_read(struct inlay_pub_source *s);
const char *inlay_pub_source_error(const struct inlay_pub_source *s);
/* The input ended within a fragment. */
bool inlay_pub_source_cut_short(const struct inlay_pub_source *s);

#endif
