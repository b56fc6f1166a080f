/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which of several renditions a receiver should be on: of bit rates, an estimate of what the path
 * carries, and how late objects are, sans-I/O.
 *
 * Down at once, up with patience: a rendition is left when the path no longer carries it or objects
 * fall behind; a higher one is tried once the estimate has had room for it for some time, and the
 * longer, the sooner the last climb had to be taken back. Where objects are too small to make an
 * estimate of, and in time, the next rendition is tried for what it tells.
 */
#ifndef INLAY_CLI_ABR_H
#define INLAY_CLI_ABR_H

#include "inlay_types.h"

#define INLAY_ABR_RENDITIONS 8

struct inlay_abr {
	unsigned int n;
	__u64 bps[INLAY_ABR_RENDITIONS]; /* rising */
	inlay_ns changed;		 /* when the rendition last changed */
	inlay_ns climbed;		 /* when it last rose; 0: never */
	inlay_ns room_since;		 /* the estimate has room for a higher one; 0: it has not */
	inlay_ns patience;		 /* before a climb */
	/* Lateness of objects that carry the time of sending, against the least that was seen: the
	 * clocks need not agree. */
	bool has_base;
	__s64 base;
	inlay_ns base_at, late;
};

/* |bps| is copied; 1 <= n <= INLAY_ABR_RENDITIONS. */
void inlay_abr_init(struct inlay_abr *a, const __u64 *bps, unsigned int n);
/* An object sent at |sent_at|, by the sender's clock, is complete. */
void inlay_abr_object(struct inlay_abr *a, inlay_ns sent_at, inlay_ns now);
/* The rendition to be on, now that it is |current|. |estimate|: in bits a second;
 * 0: not known. */
unsigned int inlay_abr_choose(struct inlay_abr *a, unsigned int current, __u64 estimate,
			      inlay_ns now);
/* The receiver has changed over. */
void inlay_abr_changed(struct inlay_abr *a, unsigned int from, unsigned int to, inlay_ns now);

#endif
