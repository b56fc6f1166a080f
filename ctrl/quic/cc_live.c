/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * For live media: keeps the queue at the bottleneck short. Like Copa (Arun and Balakrishnan, NSDI
 * 2018) it steers the rate towards one packet per |delta| of queueing delay, so that flows of its
 * kind share evenly and the queue runs empty now and then; losses say little to it.
 *
 * A queue that does not run empty is somebody else's, or the path has grown longer. To find out,
 * it holds back for two round trips (DRAIN). If the queue goes, it was ours. If the round trip is
 * the same in three drains some seconds apart, it is the path's own. Otherwise a flow competes that
 * knows only loss, and beside it a short queue means no rate: CUBIC until a later drain finds the
 * queue gone.
 */
#include "cc.h"

#define PACKETS_QUEUED 2       /* 1 / delta: what a flow lets stand in the queue, */
#define QUEUED_AT      1250000 /* at so many bytes/s */
#define MIN_QUEUE      (1 * INLAY_US)
#define MAX_NOISE      (8 * INLAY_MS)
#define EXIT_QUEUE     (4 * INLAY_MS) /* ends the start */
#define NEAR_BASE      (2 * INLAY_MS)
#define ACKED_AT_ONCE  2 /* packets */
#define STEADY_ROUNDS  3 /* before the velocity doubles */
#define SUSPECT_ROUNDS 10
#define SUSPECT_AFTER  (300 * INLAY_MS)
#define DRAIN_SAMPLES  4
#define DRAIN_PKTS     4
#define FIRST_INTERVAL (4 * INLAY_S)
#define LAST_INTERVAL  (32 * INLAY_S)
#define LOSS_SAMPLE    200 /* packets */
#define LOSS_LIMIT     30  /* of a thousand; more make us try less */
#define LOSS_TOO_MUCH  350 /* whatever the reason */
#define LOSS_HOLD      (5 * INLAY_S)
#define LOSS_TOLERATED (20 * INLAY_S)

static __u64 max_u64(__u64 a, __u64 b)
{
	return a > b ? a : b;
}

static __u64 min_u64(__u64 a, __u64 b)
{
	return a < b ? a : b;
}

/* Bytes under way at |rate| for |rtt|. */
static __u64 held_by(__u64 rate, inlay_ns rtt)
{
	return rate * (rtt / INLAY_US) / (INLAY_S / INLAY_US);
}

static void enter(struct inlay_cc *cc, enum inlay_live_mode mode)
{
	cc->live.mode = mode;
	cc->live.velocity = 1;
	cc->live.steady = 0;
	cc->live.samples = 0;
	cc->live.round_cwnd = cc->cwnd;
	cc->undo.pkts = 0;
	/* What "limited" means: see is_window_limited(). */
	cc->ssthresh = mode == INLAY_LIVE_START ? ~0ULL : cc->cwnd;
}

/* How long the line takes for a packet or two of ours. */
static inlay_ns own_packets(const struct inlay_cc *cc)
{
	return cc->live.peak ? ACKED_AT_ONCE * cc->mtu * INLAY_S / cc->live.peak : 0;
}

/* A radio's jitter is no queue of ours. */
static inlay_ns noise_of(const struct inlay_cc *cc)
{
	inlay_ns jitter = 2 * cc->live.jitter, own = own_packets(cc);

	return jitter > own ? min_u64(jitter - own, MAX_NOISE) : 0;
}

/* How much above the base a round trip may be that met no standing queue. */
static inlay_ns near_base(const struct inlay_cc *cc)
{
	inlay_ns near = NEAR_BASE + cc->live.base / 16;

	return near + own_packets(cc);
}

static __u64 square_root(__u64 v)
{
	__u64 root = 0, bit;

	for (bit = 1ULL << 31; bit; bit >>= 1)
		if ((root | bit) <= v / (root | bit))
			root |= bit;
	return root;
}

/*
 * Two packets are 2 ms at 10 Mbit/s, and less than any clock's noise at a hundred times that. With
 * the square root of the flow's rate they grow, and flows of different rates still draw nearer.
 */
static __u64 queued_bytes(const struct inlay_cc *cc)
{
	__u64 rate = cc->cwnd * (INLAY_S / INLAY_US) / (cc->live.standing / INLAY_US + 1);

	if (rate <= QUEUED_AT)
		return PACKETS_QUEUED * cc->mtu;
	return PACKETS_QUEUED * cc->mtu * square_root(rate * 256 / QUEUED_AT) / 16;
}

static inlay_ns queue_of(const struct inlay_cc_live *l)
{
	return l->standing > l->base ? l->standing - l->base : 0;
}

static void note_rtt(struct inlay_cc *cc, const struct inlay_cc_sample *s)
{
	struct inlay_cc_live *l = &cc->live;
	inlay_ns change;

	change = l->latest > s->rtt ? l->latest - s->rtt : s->rtt - l->latest;
	if (l->latest)
		l->jitter = (15 * l->jitter + change) / 16;
	l->latest = s->rtt;
	l->standing = s->standing;
	l->peak = max_u64(l->peak, s->bandwidth);
	if (l->base == 0 || s->rtt < l->base)
		l->base = s->rtt;
	if (s->rtt > l->base + near_base(cc))
		return;
	l->base_at = s->now;
	if (l->mode == INLAY_LIVE_DRAIN)
		return;
	l->calm_cwnd = cc->cwnd;
	if (s->bandwidth)
		l->calm_bandwidth = s->bandwidth;
}

/* --- Start ---------------------------------------------------------------------------------- */

static void start(struct inlay_cc *cc, const struct inlay_cc_sample *s)
{
	struct inlay_cc_live *l = &cc->live;
	__u64 fit;

	if (s->limited)
		cc->cwnd += s->acked;
	if (queue_of(l) <= EXIT_QUEUE + l->base / 16)
		return;
	/* What the path holds, if that is known by now. */
	fit = s->bandwidth ? held_by(s->bandwidth, l->base) : cc->cwnd / 2;
	cc->cwnd = max_u64(min_u64(fit, cc->cwnd), max_u64(cc->cwnd / 4, inlay_cc_min_window(cc)));
	enter(cc, INLAY_LIVE_DELAY);
}

/* --- Delay ---------------------------------------------------------------------------------- */

static void end_round(struct inlay_cc *cc)
{
	struct inlay_cc_live *l = &cc->live;
	bool up = cc->cwnd > l->round_cwnd;

	l->steady = up == l->up ? l->steady + 1 : 0;
	l->up = up;
	l->round_cwnd = cc->cwnd;
	if (l->steady < STEADY_ROUNDS)
		l->velocity = 1;
	else if (l->velocity * 2 * queued_bytes(cc) <= cc->cwnd / 2)
		l->velocity *= 2;
}

static void steer(struct inlay_cc *cc, const struct inlay_cc_sample *s)
{
	struct inlay_cc_live *l = &cc->live;
	inlay_ns noise = noise_of(cc);
	inlay_ns queue = queue_of(l) > noise + MIN_QUEUE ? queue_of(l) - noise : MIN_QUEUE;
	__u64 unit = queued_bytes(cc);
	__u64 target = unit * (l->standing / INLAY_US) / (queue / INLAY_US);
	bool up = cc->cwnd < target;
	__u64 step;

	if (!s->limited)
		return;
	/* A turn is a turn at once. */
	if (up != l->up && l->velocity > 1) {
		l->velocity = 1;
		l->steady = 0;
		l->up = up;
		l->round_cwnd = cc->cwnd;
	}
	step = l->velocity * unit * s->acked / cc->cwnd;
	step = min_u64(step, s->acked / 2);
	if (up)
		cc->cwnd += step;
	else
		cc->cwnd = max_u64(cc->cwnd - min_u64(step, cc->cwnd), 2 * inlay_cc_min_window(cc));
	if (l->try.ceiling)
		cc->cwnd = min_u64(cc->cwnd, l->try.ceiling);
	if (s->round)
		end_round(cc);
}

static void begin_weighing(struct inlay_cc_live *l, inlay_ns now)
{
	l->acked = 0;
	l->lost = 0;
	l->weighed_at = now;
}

static void try_less(struct inlay_cc *cc, __u64 ratio, __u64 rate)
{
	struct inlay_cc_live *l = &cc->live;

	l->try.ratio = ratio;
	l->try.rate = rate;
	l->try.cwnd = cc->cwnd;
	l->try.settled = false;
	cc->cwnd = max_u64(cc->cwnd * 7 / 10, inlay_cc_min_window(cc));
	l->try.ceiling = cc->cwnd;
	l->try.until = INLAY_NEVER;
	if (l->mode == INLAY_LIVE_START)
		enter(cc, INLAY_LIVE_DELAY);
}

/* As much arrives of less, or much less is lost: then the rest was too much, and what the path
 * delivers is what it holds. */
static void judge_try(struct inlay_cc *cc, __u64 ratio, __u64 rate, inlay_ns now)
{
	struct inlay_cc_live *l = &cc->live;

	if (rate >= l->try.rate / 20 * 17 || ratio <= l->try.ratio / 2 ||
	    l->try.ratio > LOSS_TOO_MUCH) {
		cc->cwnd = max_u64(cc->cwnd, held_by(max_u64(rate, l->try.rate), l->standing));
		cc->cwnd = min_u64(cc->cwnd, l->try.cwnd / 20 * 19);
		l->try.ceiling = cc->cwnd;
		l->try.until = now + LOSS_HOLD;
	} else {
		cc->cwnd = max_u64(cc->cwnd, l->try.cwnd);
		l->try.ceiling = 0;
		l->try.tolerated = l->try.ratio * 3 / 2;
		l->try.until = now + LOSS_TOLERATED;
	}
	l->try.ratio = 0;
}

/*
 * A radio link loses packets whatever we send; a policer, or a queue too short to be seen, because
 * we send too much. Sending less for a while tells which.
 */
static void weigh_loss(struct inlay_cc *cc, const struct inlay_cc_sample *s)
{
	struct inlay_cc_live *l = &cc->live;
	__u64 ratio, rate;

	l->acked += s->acked;
	l->lost += s->lost;
	if (s->now >= l->try.until) {
		l->try.until = INLAY_NEVER;
		l->try.ceiling = 0;
		l->try.tolerated = 0;
	}
	if (!s->round)
		return;
	/* The first round trip speaks of what was sent before. */
	if (l->weighed_at == 0 || !l->try.settled) {
		l->try.settled = true;
		begin_weighing(l, s->now);
		return;
	}
	if (l->acked + l->lost < LOSS_SAMPLE * cc->mtu || s->now - l->weighed_at < INLAY_MS)
		return;
	ratio = l->lost * 1000 / (l->acked + l->lost);
	rate = l->acked * 1000 / ((s->now - l->weighed_at) / INLAY_MS);
	if (l->try.ratio)
		judge_try(cc, ratio, rate, s->now);
	else if (ratio > max_u64(LOSS_LIMIT, l->try.tolerated))
		try_less(cc, ratio, rate);
	begin_weighing(l, s->now);
}

/* --- Whose queue is it? --------------------------------------------------------------------- */

static void drain(struct inlay_cc *cc, const struct inlay_cc_sample *s)
{
	struct inlay_cc_live *l = &cc->live;
	__u64 half = held_by(s->bandwidth, l->base) / 2;

	l->saved_cwnd = cc->cwnd;
	l->drain_at = s->now;
	l->floor = INLAY_NEVER;
	/* Before that our own packets stand in the queue. */
	l->floor_from = s->now + l->standing;
	cc->cwnd = min_u64(cc->cwnd / 2, max_u64(half, DRAIN_PKTS * cc->mtu));
	cc->cwnd = max_u64(cc->cwnd, inlay_cc_min_window(cc));
	enter(cc, INLAY_LIVE_DRAIN);
}

/* From here on, or again after a drain. */
static void compete(struct inlay_cc *cc, bool sure, inlay_ns now)
{
	struct inlay_cc_live *l = &cc->live;
	__u64 fair;

	if (l->interval == 0) {
		/* While it was not yet known what that queue is, we gave way to it. Half of the
		 * path is ours; what it held before, it holds more of now. */
		fair = l->calm_cwnd / 2 * (l->standing / INLAY_US) / (l->base / INLAY_US + 1);
		/* A window has its least, which on a path of microseconds is more than it held. */
		fair = min_u64(fair, held_by(l->calm_bandwidth, l->standing));
		cc->cwnd = max_u64(cc->cwnd, fair);
		cc->cubic = (struct inlay_cc_cubic_state){.w_max = cc->cwnd};
		l->interval = FIRST_INTERVAL;
	} else {
		if (cc->cubic.epoch) /* the time of the drain does not count */
			cc->cubic.epoch += now - l->drain_at;
		cc->cubic.latest = now;
		l->interval = min_u64(l->interval * (sure ? 4 : 2), LAST_INTERVAL);
	}
	l->drain_at = now + l->interval;
	enter(cc, INLAY_LIVE_COMPETE);
}

static bool is_same(inlay_ns a, inlay_ns b)
{
	inlay_ns diff = a > b ? a - b : b - a;

	return diff <= max_u64(a / 32, 2 * INLAY_MS);
}

/* The path is ours: what it holds without a queue. */
static void settle(struct inlay_cc *cc, const struct inlay_cc_sample *s)
{
	struct inlay_cc_live *l = &cc->live;
	__u64 fit = s->bandwidth ? held_by(s->bandwidth, l->base) : l->saved_cwnd / 2;

	cc->cwnd = max_u64(min_u64(l->saved_cwnd, fit), inlay_cc_min_window(cc));
	l->base_at = s->now;
	l->floors[0] = 0;
	l->floors[1] = 0;
	l->interval = 0;
	enter(cc, INLAY_LIVE_DELAY);
}

static void watch_drain(struct inlay_cc *cc, const struct inlay_cc_sample *s)
{
	struct inlay_cc_live *l = &cc->live;
	bool other;

	if (l->base_at == s->now) {
		/* Ours: it is gone. */
		settle(cc, s);
		return;
	}
	if (!s->rtt || s->now - s->rtt < l->floor_from)
		return;
	l->floor = min_u64(l->floor, s->rtt);
	if (++l->samples < DRAIN_SAMPLES && !s->round)
		return;
	if (l->floors[1] && is_same(l->floor, l->floors[0]) && is_same(l->floor, l->floors[1])) {
		l->base = l->floor;
		settle(cc, s);
		return;
	}
	/* Then it was not all. */
	l->calm_bandwidth = max_u64(l->calm_bandwidth, s->bandwidth / 2 * 3);
	cc->cwnd = l->saved_cwnd;
	other = l->floors[0] && !is_same(l->floor, l->floors[0]);
	l->floors[1] = l->floors[0];
	l->floors[0] = l->floor;
	compete(cc, other, s->now);
}

/* The time has come; or we get all that we had when we were alone, and may be so again. */
static bool should_look(const struct inlay_cc_live *l, const struct inlay_cc_sample *s)
{
	inlay_ns early = l->drain_at - l->interval + max_u64(FIRST_INTERVAL, l->interval / 4);

	if (!s->round || s->now < early)
		return false;
	if (s->now >= l->drain_at)
		return true;
	return l->calm_bandwidth && s->bandwidth > l->calm_bandwidth / 10 * 9;
}

static bool is_suspicious(const struct inlay_cc *cc, const struct inlay_cc_sample *s)
{
	inlay_ns patience = max_u64(SUSPECT_ROUNDS * s->smoothed, SUSPECT_AFTER);

	return s->limited && s->now > cc->live.base_at + patience;
}

/* --- The table ------------------------------------------------------------------------------ */

/* What one ACK acknowledges at once was not in flight any more, though it counted as such. */
static void note_aggregation(struct inlay_cc *cc, const struct inlay_cc_sample *s)
{
	struct inlay_cc_live *l = &cc->live;
	__u64 extra = s->acked > ACKED_AT_ONCE * cc->mtu ? s->acked - ACKED_AT_ONCE * cc->mtu : 0;

	if (extra > l->extra)
		l->extra = extra;
	else if (s->round)
		l->extra -= (l->extra - extra) / 16;
	l->extra = min_u64(l->extra, cc->cwnd);
}

static __u64 allowance(const struct inlay_cc *cc)
{
	return cc->live.mode == INLAY_LIVE_DELAY ? cc->live.extra : 0;
}

static void sampled(struct inlay_cc *cc, const struct inlay_cc_sample *s)
{
	if (s->rtt)
		note_rtt(cc, s);
	if (cc->live.base == 0 || cc->live.standing == 0)
		return;
	note_aggregation(cc, s);
	if (cc->live.mode != INLAY_LIVE_COMPETE)
		weigh_loss(cc, s);
	switch (cc->live.mode) {
	case INLAY_LIVE_START:
		start(cc, s);
		break;
	case INLAY_LIVE_DELAY:
		if (is_suspicious(cc, s))
			drain(cc, s);
		else
			steer(cc, s);
		break;
	case INLAY_LIVE_DRAIN:
		watch_drain(cc, s);
		break;
	case INLAY_LIVE_COMPETE:
		if (should_look(&cc->live, s))
			drain(cc, s);
		break;
	}
	/* RFC 9002 section 7.2, whatever the ceiling says, and the datagrams' size was then. */
	cc->cwnd = max_u64(cc->cwnd, inlay_cc_min_window(cc));
}

static void grow(struct inlay_cc *cc, __u64 bytes, inlay_ns rtt, inlay_ns now)
{
	if (cc->live.mode == INLAY_LIVE_COMPETE)
		inlay_cc_cubic.grow(cc, bytes, rtt, now);
}

static void unused(struct inlay_cc *cc, inlay_ns now)
{
	if (cc->live.mode == INLAY_LIVE_COMPETE)
		inlay_cc_cubic.unused(cc, now);
}

static void shrink(struct inlay_cc *cc)
{
	if (cc->live.mode == INLAY_LIVE_COMPETE)
		inlay_cc_cubic.shrink(cc);
}

/* Marks come before losses, and mean what they say. */
static void marked(struct inlay_cc *cc)
{
	if (cc->live.mode == INLAY_LIVE_DRAIN)
		return;
	cc->cwnd = max_u64(cc->cwnd * 8 / 10, inlay_cc_min_window(cc));
	if (cc->live.mode == INLAY_LIVE_START)
		enter(cc, INLAY_LIVE_DELAY);
}

static void persistent(struct inlay_cc *cc)
{
	cc->live = (struct inlay_cc_live){.try.until = INLAY_NEVER};
	enter(cc, INLAY_LIVE_START);
}

static __u64 pacing_rate(const struct inlay_cc *cc, inlay_ns smoothed)
{
	inlay_ns rtt = cc->live.standing ? cc->live.standing : smoothed;
	__u64 rate = cc->cwnd * (INLAY_S / INLAY_US) / (rtt / INLAY_US + 1);

	return cc->live.mode == INLAY_LIVE_START ? 2 * rate : rate + rate / 4;
}

const struct inlay_cc_ops inlay_cc_live = {
	.name = "live",
	.grow = grow,
	.unused = unused,
	.shrink = shrink,
	.marked = marked,
	.sampled = sampled,
	.persistent = persistent,
	.pacing_rate = pacing_rate,
	.allowance = allowance,
};
