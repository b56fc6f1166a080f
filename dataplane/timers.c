/* SPDX-License-Identifier: BSD-2-Clause */
/* See timers.h. */
#include "timers.h"

#include <errno.h>
#include <stdlib.h>

int inlay_timers_reserve(struct inlay_timers *t, size_t n)
{
	struct inlay_timer **heap;
	size_t room = t->room ? t->room : 16;

	if (n <= t->room)
		return 0;
	while (room < n)
		room *= 2;
	heap = realloc(t->heap, (room + 1) * sizeof(struct inlay_timer *));
	if (!heap)
		return -ENOMEM;
	t->heap = heap;
	t->room = room;
	return 0;
}

void inlay_timers_fini(struct inlay_timers *t)
{
	free(t->heap);
	*t = (struct inlay_timers){0};
}

static void put(struct inlay_timers *t, struct inlay_timer *timer, size_t place)
{
	t->heap[place] = timer;
	timer->place = place;
}

static void sift_up(struct inlay_timers *t, struct inlay_timer *timer, size_t place)
{
	for (; place > 1 && t->heap[place / 2]->deadline > timer->deadline; place /= 2)
		put(t, t->heap[place / 2], place);
	put(t, timer, place);
}

static void sift_down(struct inlay_timers *t, struct inlay_timer *timer, size_t place)
{
	size_t child;

	for (; (child = 2 * place) <= t->n; place = child) {
		if (child < t->n && t->heap[child + 1]->deadline < t->heap[child]->deadline)
			child++;
		if (t->heap[child]->deadline >= timer->deadline)
			break;
		put(t, t->heap[child], place);
	}
	put(t, timer, place);
}

/* Puts |timer|, which may stand anywhere near, where its deadline belongs. */
static void settle(struct inlay_timers *t, struct inlay_timer *timer, size_t place)
{
	if (place > 1 && t->heap[place / 2]->deadline > timer->deadline)
		sift_up(t, timer, place);
	else
		sift_down(t, timer, place);
}

static void take_out(struct inlay_timers *t, struct inlay_timer *timer)
{
	struct inlay_timer *last = t->heap[t->n--];

	if (last != timer)
		settle(t, last, timer->place);
	timer->place = 0;
}

void inlay_timers_set(struct inlay_timers *t, struct inlay_timer *timer, inlay_ns deadline)
{
	timer->deadline = deadline;
	if (timer->place && deadline == INLAY_NEVER)
		take_out(t, timer);
	else if (timer->place)
		settle(t, timer, timer->place);
	else if (deadline != INLAY_NEVER && t->n < t->room)
		sift_up(t, timer, ++t->n);
}

struct inlay_timer *inlay_timers_pop(struct inlay_timers *t, inlay_ns now)
{
	struct inlay_timer *first;

	if (!t->n || t->heap[1]->deadline > now)
		return NULL;
	first = t->heap[1];
	take_out(t, first);
	return first;
}

inlay_ns inlay_timers_next(const struct inlay_timers *t)
{
	return t->n ? t->heap[1]->deadline : INLAY_NEVER;
}
