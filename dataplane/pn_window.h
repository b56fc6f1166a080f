/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which packet numbers were sealed under an SA's keys: the last guard of invariant 2. A bitmap of
 * the newest numbers; everything below it counts as taken.
 */
#ifndef INLAY_DATAPLANE_PN_WINDOW_H
#define INLAY_DATAPLANE_PN_WINDOW_H

#include <string.h>

#include "inlay_types.h"

/* Bits kept. The window moves by whole words, so that it reaches 4033 to 4096 numbers back. */
#define INLAY_PN_WINDOW	      4096
#define INLAY_PN_WINDOW_WORDS (INLAY_PN_WINDOW / 64)

struct inlay_pn_window {
	__u64 next;			   /* largest number taken, plus one; 0: none was */
	__u64 floor;			   /* all below is refused */
	__u64 bits[INLAY_PN_WINDOW_WORDS]; /* number n: bit n % 64 of word n / 64, as a ring */
};

static inline void inlay_pn_window_init(struct inlay_pn_window *w, __u64 floor)
{
	memset(w, 0, sizeof(*w));
	w->floor = floor;
}

/* The lowest number that may still be taken. */
static inline __u64 inlay_pn_window_lowest(const struct inlay_pn_window *w)
{
	__u64 top = w->next ? (w->next - 1) / 64 : 0;
	__u64 lowest = top < INLAY_PN_WINDOW_WORDS ? 0 : (top - INLAY_PN_WINDOW_WORDS + 1) * 64;

	return lowest > w->floor ? lowest : w->floor;
}

/* Refuses everything below |floor| from now on; never moves back. */
static inline void inlay_pn_window_raise(struct inlay_pn_window *w, __u64 floor)
{
	if (floor > w->floor)
		w->floor = floor;
}

/* True, once, for each number at or above the lowest. */
static inline bool inlay_pn_window_take(struct inlay_pn_window *w, __u64 pn)
{
	__u64 *word = &w->bits[pn / 64 % INLAY_PN_WINDOW_WORDS];
	__u64 bit = 1ULL << pn % 64;
	__u64 block;

	if (pn < inlay_pn_window_lowest(w))
		return false;
	if (pn >= w->next) {
		/* Words entered for the first time still show numbers of a turn before. */
		block = w->next ? (w->next - 1) / 64 + 1 : 0;
		if (pn / 64 >= block + INLAY_PN_WINDOW_WORDS)
			memset(w->bits, 0, sizeof(w->bits));
		else
			for (; block <= pn / 64; block++)
				w->bits[block % INLAY_PN_WINDOW_WORDS] = 0;
		w->next = pn + 1;
	}
	if (*word & bit)
		return false;
	*word |= bit;
	return true;
}

#endif
