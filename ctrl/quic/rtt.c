/* SPDX-License-Identifier: BSD-2-Clause */
#include "rtt.h"

#define BASE_HALF (15 * INLAY_S)

static inlay_ns max_ns(inlay_ns a, inlay_ns b)
{
	return a > b ? a : b;
}

void inlay_rtt_init(struct inlay_rtt *r, inlay_ns latest, inlay_ns min, inlay_ns smoothed,
		    inlay_ns var, inlay_ns max_ack_delay)
{
	*r = (struct inlay_rtt){.max_ack_delay = max_ack_delay};
	if (smoothed == 0) {
		r->smoothed = INLAY_RTT_INITIAL;
		r->var = INLAY_RTT_INITIAL / 2;
		return;
	}
	r->latest = latest;
	r->min = min;
	r->smoothed = smoothed;
	r->var = var;
	r->first_sample = 1;
	r->base.now = min;
}

void inlay_rtt_lowest_add(struct inlay_rtt_lowest *w, inlay_ns sample, inlay_ns half, inlay_ns now)
{
	if (now >= w->since + half) {
		/* Of a half that ended long ago nothing is left. */
		w->before = now < w->since + 2 * half ? w->now : 0;
		w->now = sample;
		w->since = now;
	} else if (w->now == 0 || sample < w->now) {
		w->now = sample;
	}
}

static void note_path(struct inlay_rtt *r, inlay_ns sample, inlay_ns ack_delay, inlay_ns now)
{
	/* A delay that the peer did not promise is the path's, or invented. */
	if (ack_delay > r->max_ack_delay)
		ack_delay = r->max_ack_delay;
	r->path = sample > ack_delay ? sample - ack_delay : sample;
	if (r->base.since == 0)
		r->base.since = now;
	inlay_rtt_lowest_add(&r->base, r->path, BASE_HALF, now);
	inlay_rtt_lowest_add(&r->standing, r->path, r->smoothed / 4, now);
}

void inlay_rtt_forget_min(struct inlay_rtt *r)
{
	r->min = 0;
	r->base = (struct inlay_rtt_lowest){0};
}

/* RFC 9002 section 5.3. */
void inlay_rtt_sample(struct inlay_rtt *r, inlay_ns sample, inlay_ns ack_delay, inlay_ns now)
{
	inlay_ns adjusted, diff;

	r->latest = sample;
	note_path(r, sample, ack_delay, now);
	if (r->first_sample == 0) {
		r->first_sample = max_ns(now, 1);
		r->min = sample;
		r->smoothed = sample;
		r->var = sample / 2;
		return;
	}
	if (r->min == 0 || sample < r->min)
		r->min = sample;
	/* The handshake is confirmed: the peer keeps its max_ack_delay. */
	if (ack_delay > r->max_ack_delay)
		ack_delay = r->max_ack_delay;
	adjusted = sample >= r->min + ack_delay ? sample - ack_delay : sample;
	diff = r->smoothed > adjusted ? r->smoothed - adjusted : adjusted - r->smoothed;
	r->var = (3 * r->var + diff) / 4;
	r->smoothed = (7 * r->smoothed + adjusted) / 8;
}

inlay_ns inlay_rtt_pto(const struct inlay_rtt *r)
{
	return r->smoothed + max_ns(4 * r->var, INLAY_GRANULARITY) + r->max_ack_delay;
}

inlay_ns inlay_rtt_loss_delay(const struct inlay_rtt *r)
{
	inlay_ns rtt = max_ns(r->latest, r->smoothed);

	return max_ns(rtt * 9 / 8, INLAY_GRANULARITY);
}
