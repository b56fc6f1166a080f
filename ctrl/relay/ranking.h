/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The priorities that one subscriber's traffic has, ranked: subscriber priority first, then the
 * publisher's (draft section 8.2). A rank is what becomes a class of the engine (ctrl/quic/
 * policy.h). It is relative, since players spread their few priorities over any part of the scale:
 * the best that there is gets class 1, whatever its number. Class 0 is left to control streams.
 *
 * Invariant: a better priority never has a higher class.
 */
#ifndef INLAY_RELAY_RANKING_H
#define INLAY_RELAY_RANKING_H

#include "inlay_types.h"

#define RELAY_RANKS 32 /* different priorities; further ones share the rank below them */

struct relay_ranking {
	__u16 keys[RELAY_RANKS]; /* ascending: subscriber priority << 8 | publisher priority */
	__u32 n;
};

/* Adds the priority. True: it is new, and classes given before may have changed. */
bool relay_ranking_add(struct relay_ranking *r, __u8 subscriber, __u8 publisher);
/* 1 to INLAY_CLASSES - 1. */
__u8 relay_ranking_class(const struct relay_ranking *r, __u8 subscriber, __u8 publisher);

#endif
