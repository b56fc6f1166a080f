/* SPDX-License-Identifier: BSD-2-Clause */
#include "ack.h"

#include <errno.h>
#include <string.h>

#define SEEN_MAX   256 /* ranges */
#define REPORT_MAX 64

void inlay_acks_init(struct inlay_acks *a, inlay_ns max_ack_delay)
{
	memset(a, 0, sizeof(*a));
	inlay_intervals_init(&a->seen, SEEN_MAX);
	inlay_intervals_init(&a->report, REPORT_MAX);
	a->deadline = INLAY_NEVER;
	a->max_ack_delay = max_ack_delay;
}

void inlay_acks_fini(struct inlay_acks *a)
{
	inlay_intervals_fini(&a->seen);
	inlay_intervals_fini(&a->report);
}

bool inlay_acks_is_duplicate(const struct inlay_acks *a, __u64 pn)
{
	return pn < a->floor || inlay_intervals_has(&a->seen, pn, pn + 1);
}

static int add_to_seen(struct inlay_acks *a, __u64 pn)
{
	int err = inlay_intervals_add(&a->seen, pn, pn + 1);

	while (err == -ENOSPC) {
		/* Forgotten numbers must never count as new (RFC 9000 section 12.3). */
		a->floor = a->seen.ranges[0].end;
		inlay_intervals_remove_lowest(&a->seen);
		if (pn < a->floor)
			return 0;
		err = inlay_intervals_add(&a->seen, pn, pn + 1);
	}
	return err;
}

static int add_to_report(struct inlay_acks *a, __u64 pn)
{
	int err = inlay_intervals_add(&a->report, pn, pn + 1);

	if (err != -ENOSPC)
		return err;
	if (pn < a->report.ranges[0].begin)
		return 0;
	inlay_intervals_remove_lowest(&a->report);
	return inlay_intervals_add(&a->report, pn, pn + 1);
}

/* RFC 9000 section 13.2.1: out of order, or the first of a gap: tell the peer at once. */
static bool is_out_of_order(const struct inlay_acks *a, __u64 pn)
{
	return a->any && pn != a->largest + 1;
}

int inlay_acks_on_packet(struct inlay_acks *a, __u64 pn, bool eliciting, bool ce, inlay_ns now)
{
	bool at_once = ce || is_out_of_order(a, pn);
	int err;

	err = add_to_seen(a, pn);
	if (!err)
		err = add_to_report(a, pn);
	if (err)
		return err;
	if (!a->any || pn > a->largest) {
		a->any = true;
		a->largest = pn;
		a->largest_time = now;
	}
	a->fresh = true;
	if (!eliciting)
		return 0;
	/* Section 13.2.2: every second one, or after max_ack_delay. */
	if (++a->unacked >= 2 || at_once)
		a->deadline = now;
	else if (a->deadline == INLAY_NEVER)
		a->deadline = now + a->max_ack_delay;
	return 0;
}

void inlay_acks_on_sent(struct inlay_acks *a, inlay_ns now)
{
	a->fresh = false;
	a->sent = now;
	a->unacked = 0;
	a->deadline = INLAY_NEVER;
}

void inlay_acks_on_acked(struct inlay_acks *a, __u64 largest)
{
	inlay_intervals_remove_below(&a->report, largest + 1);
}
