/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fragmented MP4 (ISO/IEC 14496-12), cut into what a live track is made of: the initialisation
 * segment (everything before the first movie fragment) and fragments (moof with its mdat, and
 * whatever stands before the moof). Bytes go in as they come, in pieces of any size.
 *
 * Invariants: no byte of a unit is changed, left out or reordered; a box is at most max_box bytes,
 * and no more than one unit is buffered beyond what was pushed. The random access index at a file's
 * end (mfra) is no media, and left out: its offsets mean nothing to who joined late.
 */
#ifndef INLAY_CLI_FMP4_H
#define INLAY_CLI_FMP4_H

#include "inlay_types.h"

struct inlay_fmp4;

enum inlay_fmp4_kind {
	INLAY_FMP4_INIT = 1,
	INLAY_FMP4_FRAGMENT = 2,
};

struct inlay_fmp4_unit {
	enum inlay_fmp4_kind kind;
	const __u8 *data; /* valid until the next call */
	size_t len;
	/* Fragments only; of the first track fragment that is video, else of the first. */
	bool video;
	bool sync; /* starts with a sync sample */
	inlay_ns decode_time;
	inlay_ns duration;
};

#define INLAY_FMP4_MAX_BOX ((size_t)32 << 20)

/* NULL: no memory. */
struct inlay_fmp4 *inlay_fmp4_new(size_t max_box);
/* Takes NULL. */
void inlay_fmp4_free(struct inlay_fmp4 *f);
/* 0; -ENOMEM. |data| is copied. */
int inlay_fmp4_push(struct inlay_fmp4 *f, const __u8 *data, size_t len);
/* The next unit: 0; -EAGAIN: push more; -EBADMSG: no fragmented MP4, inlay_fmp4_error() says why.
 */
int inlay_fmp4_next(struct inlay_fmp4 *f, struct inlay_fmp4_unit *ret);
/* What is wrong, for a person; "" while nothing is. */
const char *inlay_fmp4_error(const struct inlay_fmp4 *f);
/* Bytes that no unit has taken: at the end of input, not 0 means that it was cut short. */
size_t inlay_fmp4_left(const struct inlay_fmp4 *f);
/* Has video: groups start at its sync samples. */
bool inlay_fmp4_has_video(const struct inlay_fmp4 *f);

/* Length of the initialisation segment at the front of |data|; 0: there is none. */
size_t inlay_fmp4_init_len(const __u8 *data, size_t len);

/*
 * Each group repeats the initialisation segment, for those who join there; a file wants it once.
 * Zeroed: none was seen yet.
 */
struct inlay_fmp4_once {
	__u8 *init;
	size_t len;
};

/* How many bytes at the front of |data| to leave out: an initialisation segment, if it is the one
 * seen last. Without memory, the segment stays. */
size_t inlay_fmp4_once_skip(struct inlay_fmp4_once *once, const __u8 *data, size_t len);
void inlay_fmp4_once_fini(struct inlay_fmp4_once *once);

#endif
