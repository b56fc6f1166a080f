/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Deadlines in a binary heap. A timer is a member of what it belongs to and knows its place, so
 * that moving or removing one costs no search. Room is made when an object is born: setting a timer
 * never fails.
 */
#ifndef INLAY_DATAPLANE_TIMERS_H
#define INLAY_DATAPLANE_TIMERS_H

#include "inlay_types.h"

struct inlay_timer {
	inlay_ns deadline;
	size_t place; /* in the heap, from 1; 0: not set */
};

/* All zero is an empty heap. */
struct inlay_timers {
	struct inlay_timer **heap; /* heap[0] is unused */
	size_t n;
	size_t room;
};

/* Makes room for |n| timers set at once. 0; -ENOMEM. */
int inlay_timers_reserve(struct inlay_timers *t, size_t n);
void inlay_timers_fini(struct inlay_timers *t);

/* INLAY_NEVER: takes the timer out. */
void inlay_timers_set(struct inlay_timers *t, struct inlay_timer *timer, inlay_ns deadline);
/* Takes out a timer that is due; NULL: none is. */
struct inlay_timer *inlay_timers_pop(struct inlay_timers *t, inlay_ns now);
/* INLAY_NEVER: none is set. */
inlay_ns inlay_timers_next(const struct inlay_timers *t);

#endif
