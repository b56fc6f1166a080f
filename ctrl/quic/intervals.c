/* SPDX-License-Identifier: BSD-2-Clause */
/* A sorted array: sets are small, and grow mostly at their upper end. */
#include "intervals.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void inlay_intervals_init(struct inlay_intervals *s, __u32 max_ranges)
{
	memset(s, 0, sizeof(*s));
	s->max = max_ranges;
}

void inlay_intervals_fini(struct inlay_intervals *s)
{
	free(s->ranges);
	s->ranges = NULL;
	s->n = 0;
	s->room = 0;
	s->total = 0;
}

static __u64 size_of(const struct inlay_intervals *s, __u32 i)
{
	return s->ranges[i].end - s->ranges[i].begin;
}

/* Index of the first range whose end is at or above |at|. */
static __u32 find(const struct inlay_intervals *s, __u64 at)
{
	__u32 low = 0, high = s->n;

	if (s->n > 0 && s->ranges[s->n - 1].end < at)
		return s->n;
	while (low < high) {
		__u32 mid = low + (high - low) / 2;

		if (s->ranges[mid].end < at)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* Makes room for one more range at |i|. */
static int open_slot(struct inlay_intervals *s, __u32 i)
{
	if (s->n >= s->max)
		return -ENOSPC;
	if (s->n == s->room) {
		__u32 room = s->room ? s->room * 2 : INLAY_INTERVALS_FIRST_ROOM;
		void *p = realloc(s->ranges, room * sizeof(*s->ranges));

		if (!p)
			return -ENOMEM;
		s->ranges = p;
		s->room = room;
	}
	memmove(&s->ranges[i + 1], &s->ranges[i], (s->n - i) * sizeof(*s->ranges));
	s->n++;
	return 0;
}

static void close_slots(struct inlay_intervals *s, __u32 from, __u32 to)
{
	if (from == to)
		return;
	for (__u32 i = from; i < to; i++)
		s->total -= size_of(s, i);
	memmove(&s->ranges[from], &s->ranges[to], (s->n - to) * sizeof(*s->ranges));
	s->n -= to - from;
}

/* What comes next, mostly: the last range grows. */
static bool extend_last(struct inlay_intervals *s, __u64 begin, __u64 end)
{
	struct inlay_quic_range *last;

	if (s->n == 0)
		return false;
	last = &s->ranges[s->n - 1];
	if (begin < last->begin || begin > last->end)
		return false;
	if (end > last->end) {
		s->total += end - last->end;
		last->end = end;
	}
	return true;
}

int inlay_intervals_add(struct inlay_intervals *s, __u64 begin, __u64 end)
{
	__u32 i, j;
	int err;

	if (begin >= end || extend_last(s, begin, end))
		return 0;
	i = find(s, begin);
	if (i == s->n || s->ranges[i].begin > end) {
		err = open_slot(s, i);
		if (err)
			return err;
		s->ranges[i] = (struct inlay_quic_range){.begin = begin, .end = end};
		s->total += end - begin;
		return 0;
	}
	/* It touches range i: widen that one, and swallow those that it now reaches. */
	s->total -= size_of(s, i);
	if (begin < s->ranges[i].begin)
		s->ranges[i].begin = begin;
	for (j = i + 1; j < s->n && s->ranges[j].begin <= end; j++)
		;
	if (s->ranges[j - 1].end > end)
		end = s->ranges[j - 1].end;
	s->ranges[i].end = end;
	s->total += size_of(s, i);
	close_slots(s, i + 1, j);
	return 0;
}

int inlay_intervals_remove(struct inlay_intervals *s, __u64 begin, __u64 end)
{
	__u32 i, j;
	int err;

	if (begin >= end)
		return 0;
	i = find(s, begin + 1);
	if (i == s->n || s->ranges[i].begin >= end)
		return 0;
	if (s->ranges[i].begin < begin) {
		if (s->ranges[i].end > end) {
			err = open_slot(s, i);
			if (err)
				return err;
			s->ranges[i].end = begin;
			s->ranges[i + 1].begin = end;
			s->total -= end - begin;
			return 0;
		}
		s->total -= s->ranges[i].end - begin;
		s->ranges[i++].end = begin;
	}
	for (j = i; j < s->n && s->ranges[j].end <= end; j++)
		;
	if (j < s->n && s->ranges[j].begin < end) {
		s->total -= end - s->ranges[j].begin;
		s->ranges[j].begin = end;
	}
	close_slots(s, i, j);
	return 0;
}

void inlay_intervals_remove_below(struct inlay_intervals *s, __u64 limit)
{
	__u32 i;

	for (i = 0; i < s->n && s->ranges[i].end <= limit; i++)
		;
	close_slots(s, 0, i);
	if (s->n > 0 && s->ranges[0].begin < limit) {
		s->total -= limit - s->ranges[0].begin;
		s->ranges[0].begin = limit;
	}
}

void inlay_intervals_remove_lowest(struct inlay_intervals *s)
{
	if (s->n > 0)
		close_slots(s, 0, 1);
}

bool inlay_intervals_has(const struct inlay_intervals *s, __u64 begin, __u64 end)
{
	__u32 i;

	if (begin >= end)
		return true;
	i = find(s, begin + 1);
	return i < s->n && s->ranges[i].begin <= begin && s->ranges[i].end >= end;
}

bool inlay_intervals_next(const struct inlay_intervals *s, __u64 at, struct inlay_quic_range *ret)
{
	__u32 i = find(s, at + 1);

	if (i == s->n)
		return false;
	*ret = s->ranges[i];
	return true;
}
