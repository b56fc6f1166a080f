/* SPDX-License-Identifier: BSD-2-Clause */
/* The choice of a rendition. */
#include "abr.h"

/* Per cent of the estimate that a rendition may take: to be climbed to, to fall to. */
#define CLIMB_PERCENT 75
#define FALL_PERCENT  90

#define LATE	     (400 * INLAY_MS) /* objects are: the path does not carry the rendition */
#define IN_TIME	     (150 * INLAY_MS) /* nothing is queued: a higher one may be tried */
#define SETTLE	     INLAY_S	      /* after a change lateness is still the old rendition's */
#define PATIENCE     (2 * INLAY_S)
#define MAX_PATIENCE (30 * INLAY_S)
#define TAKEN_BACK   (10 * INLAY_S) /* a fall so soon after a climb doubles the patience */
#define DRIFT	     10000	    /* clocks drift apart by no more than 1 in this */

void inlay_abr_init(struct inlay_abr *a, const __u64 *bps, unsigned int n)
{
	unsigned int i;

	*a = (struct inlay_abr){.n = n, .patience = PATIENCE};
	for (i = 0; i < n; i++)
		a->bps[i] = bps[i];
}

void inlay_abr_object(struct inlay_abr *a, inlay_ns sent_at, inlay_ns now)
{
	__s64 transit = (__s64)(now - sent_at);

	if (a->has_base)
		a->base += (__s64)((now - a->base_at) / DRIFT);
	if (!a->has_base || transit < a->base)
		a->base = transit;
	a->has_base = true;
	a->base_at = now;
	a->late = (inlay_ns)(transit - a->base);
}

/* The highest that takes no more than |percent| of the estimate. */
static unsigned int highest(const struct inlay_abr *a, __u64 estimate, __u64 percent)
{
	unsigned int i = a->n - 1;

	while (i > 0 && a->bps[i] > estimate / 100 * percent)
		i--;
	return i;
}

static bool has_fallen_behind(const struct inlay_abr *a, inlay_ns now)
{
	return a->late > LATE && now >= a->changed + SETTLE;
}

unsigned int inlay_abr_choose(struct inlay_abr *a, unsigned int current, __u64 estimate,
			      inlay_ns now)
{
	bool known = estimate > 0;
	unsigned int target;
	inlay_ns wait;

	if (current > 0 && ((known && estimate < a->bps[current]) || has_fallen_behind(a, now))) {
		a->room_since = 0;
		target = known ? highest(a, estimate, FALL_PERCENT) : current - 1;
		return target < current ? target : current - 1;
	}
	/* Objects too small to tell anything, and in time: the next rendition's may tell. */
	target = known ? highest(a, estimate, CLIMB_PERCENT) : current + (current + 1 < a->n);
	if (target <= current || a->late > IN_TIME) {
		a->room_since = 0;
		return current;
	}
	if (!a->room_since)
		a->room_since = now;
	wait = known ? a->patience : 2 * a->patience;
	return now >= a->room_since + wait && now >= a->changed + wait ? target : current;
}

void inlay_abr_changed(struct inlay_abr *a, unsigned int from, unsigned int to, inlay_ns now)
{
	a->changed = now;
	a->room_since = 0;
	if (to > from) {
		a->climbed = now;
	} else if (a->climbed && now < a->climbed + TAKEN_BACK) {
		a->patience = a->patience * 2 < MAX_PATIENCE ? a->patience * 2 : MAX_PATIENCE;
	} else {
		a->patience = PATIENCE;
	}
}
