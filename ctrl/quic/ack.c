/* SPDX-License-Identifier: BSD-2-Clause */
#include "ack.h"

#include <errno.h>
#include <string.h>

#define SEEN_MAX      256 /* ranges */
#define REPORT_MAX    64
#define UNREPORTED    16	   /* more new ranges than that do not wait for an ACK */
#define MAX_ACK_DELAY (1ULL << 14) /* ms; RFC 9000 section 18.2: nobody has as much */

void inlay_acks_init(struct inlay_acks *a, inlay_ns max_ack_delay, inlay_ns min_ack_delay)
{
	memset(a, 0, sizeof(*a));
	inlay_intervals_init(&a->seen, SEEN_MAX);
	inlay_intervals_init(&a->report, REPORT_MAX);
	a->deadline = INLAY_NEVER;
	a->max_ack_delay = max_ack_delay;
	a->promised = max_ack_delay;
	a->min_ack_delay = min_ack_delay;
	/* RFC 9000 section 13.2.2: every second one, and disorder at once. */
	a->threshold = 1;
	a->reordering = 1;
	a->pause = INLAY_ACK_PAUSE;
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

/* [AF] section 6.2: the peer can call something lost that we have not reported missing yet, or
 * has called |pn| lost already. */
static bool is_out_of_order(const struct inlay_acks *a, __u64 pn)
{
	__u64 from = a->seen.ranges[0].begin, missing;
	struct inlay_quic_range range;

	if (a->reordering == 0)
		return false;
	if (a->any_reported && a->reported >= a->reordering) {
		if (pn <= a->reported - a->reordering)
			return true;
		/* Above the "Largest Reported Missing". */
		if (from <= a->reported - a->reordering)
			from = a->reported - a->reordering + 1;
	}
	missing = from;
	if (inlay_intervals_next(&a->seen, from, &range) && range.begin <= from)
		missing = range.end;
	return missing < a->largest_eliciting && a->largest_eliciting - missing >= a->reordering;
}

/* [AF] section 6.3: the first marked packet after others; all of them, as RFC 9000 section 13.2.1
 * has it, unless the peer asked for fewer ACKs. */
static bool is_mark_news(const struct inlay_acks *a, bool ce)
{
	return ce && (!a->last_ce || a->threshold <= 1);
}

static void note_eliciting(struct inlay_acks *a, __u64 pn, bool ce, inlay_ns now)
{
	/* [AF] section 6.1: after a long silence the peer knows little of the path, and gets its
	 * ACK as if it had not asked for fewer. */
	bool rested = now > a->sent + a->pause;
	inlay_ns delay = rested && a->promised < a->max_ack_delay ? a->promised : a->max_ack_delay;
	__u64 threshold = rested && a->threshold > 1 ? 1 : a->threshold;

	if (!a->any_eliciting || pn > a->largest_eliciting)
		a->largest_eliciting = pn;
	a->any_eliciting = true;
	/* Ranges that were never sent must not be pushed out by newer ones ([AF] section 6). */
	if (++a->unacked > threshold || is_mark_news(a, ce) || is_out_of_order(a, pn) ||
	    a->report.n > a->ranges_reported + UNREPORTED)
		a->deadline = now;
	else if (a->deadline == INLAY_NEVER)
		a->deadline = now + delay;
}

int inlay_acks_on_packet(struct inlay_acks *a, __u64 pn, bool eliciting, bool ce, inlay_ns now)
{
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
	if (eliciting)
		note_eliciting(a, pn, ce, now);
	a->last_ce = ce;
	return 0;
}

void inlay_acks_on_refused(struct inlay_acks *a, inlay_ns now)
{
	/* Not for each of them: a sender that floods us is not to be answered in kind. */
	inlay_ns at = a->sent + a->max_ack_delay > now ? a->sent + a->max_ack_delay : now;

	if (a->report.n > 0 && at < a->deadline)
		a->deadline = at;
}

enum inlay_quic_error inlay_acks_on_frequency(struct inlay_acks *a,
					      const struct inlay_quic_ack_frequency *f,
					      inlay_ns now)
{
	inlay_ns delay = f->max_delay_us * INLAY_US;

	/* Valid or not is asked first: [AF] section 4. */
	if (f->max_delay_us >= MAX_ACK_DELAY * INLAY_MS / INLAY_US || delay < a->min_ack_delay)
		return INLAY_QUIC_PROTOCOL_VIOLATION;
	if (f->sequence < a->frequency_next)
		return INLAY_QUIC_NO_ERROR;
	a->frequency_next = f->sequence + 1;
	a->threshold = f->threshold;
	a->reordering = f->reordering;
	a->max_ack_delay = delay;
	if (a->deadline != INLAY_NEVER && a->deadline > now + delay)
		a->deadline = now + delay;
	return INLAY_QUIC_NO_ERROR;
}

void inlay_acks_on_sent(struct inlay_acks *a, inlay_ns now)
{
	a->fresh = false;
	a->sent = now;
	a->unacked = 0;
	a->deadline = INLAY_NEVER;
	a->any_reported = a->any;
	a->reported = a->largest;
	a->ranges_reported = a->report.n;
}

void inlay_acks_on_acked(struct inlay_acks *a, __u64 largest)
{
	inlay_intervals_remove_below(&a->report, largest + 1);
	/* Late ones went with it, and the packet that brought this need not be taken itself: a
	 * deadline with nothing to report would never be met. */
	if (a->report.n == 0) {
		a->unacked = 0;
		a->deadline = INLAY_NEVER;
	}
	if (a->ranges_reported > a->report.n)
		a->ranges_reported = a->report.n;
}
