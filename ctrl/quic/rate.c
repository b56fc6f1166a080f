/* SPDX-License-Identifier: BSD-2-Clause */
#include "rate.h"

#define NOISE	       (1500 * INLAY_US) /* of timers, rings and batches at both ends */
#define NOISE_MAX      (4 * INLAY_MS)
#define FORGET	       (300 * INLAY_MS) /* of busy time, after which half of it is forgotten */
#define ENOUGH	       (4 * INLAY_MS)	/* of busy time to believe in */
#define FRESH	       (3 * INLAY_S)	/* how long a measurement speaks for the path */
#define FLOOR_WINDOW   (5 * INLAY_S)
#define MIN_FLOOR_TIME (5 * INLAY_MS)

void inlay_rate_init(struct inlay_rate *r)
{
	*r = (struct inlay_rate){0};
}

static inlay_ns noise_of(inlay_ns base)
{
	inlay_ns noise = NOISE + base / 32;

	return noise < NOISE_MAX ? noise : NOISE_MAX;
}

static void add_busy(struct inlay_rate *r, __u64 bytes, inlay_ns time, inlay_ns now)
{
	r->busy_bytes += bytes;
	r->busy_time += time;
	r->busy_at = now;
	r->floor = 0;
	r->floor_before = 0;
	while (r->busy_time > FORGET) {
		r->busy_bytes /= 2;
		r->busy_time /= 2;
	}
}

void inlay_rate_on_sample(struct inlay_rate *r, const struct inlay_rate_sample *s)
{
	inlay_ns noise = noise_of(s->base), at = s->now - s->delay, rtt = at - s->sent;
	inlay_ns queue = rtt > s->base ? rtt - s->base : 0;

	if (r->prev.at && r->prev.queue > noise && queue > noise && at > r->prev.at &&
	    s->oldest <= r->prev.sent + r->prev.queue && s->gap <= r->prev.queue)
		add_busy(r, r->delivered - r->prev.delivered, at - r->prev.at, s->now);
	r->prev.at = at;
	r->prev.sent = s->sent;
	r->prev.queue = queue;
	r->prev.delivered = r->delivered;
}

void inlay_rate_on_round(struct inlay_rate *r, inlay_ns now)
{
	inlay_ns time = now - r->round_at;

	if (r->round_at && time >= MIN_FLOOR_TIME) {
		__u64 rate = (r->delivered - r->round_delivered) * (INLAY_S / INLAY_US) /
			     (time / INLAY_US);

		if (rate > r->floor)
			r->floor = rate;
	}
	if (!r->round_at || time >= MIN_FLOOR_TIME) {
		r->round_at = now;
		r->round_delivered = r->delivered;
	}
	if (now < r->floor_at + FLOOR_WINDOW)
		return;
	r->floor_before = r->floor;
	r->floor = 0;
	r->floor_at = now;
}

__u64 inlay_rate_estimate(const struct inlay_rate *r)
{
	__u64 floor = r->floor > r->floor_before ? r->floor : r->floor_before, busy;

	if (r->busy_time < ENOUGH)
		return floor;
	busy = r->busy_bytes * (INLAY_S / INLAY_US) / (r->busy_time / INLAY_US);
	return busy > floor ? busy : floor;
}

bool inlay_rate_is_measured(const struct inlay_rate *r, inlay_ns now)
{
	return r->busy_time >= ENOUGH && now <= r->busy_at + FRESH;
}
