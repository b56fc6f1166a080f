/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CUBIC: RFC 9438, in integers. C = 0.4 packets per second cubed, beta = 0.7. Time is counted in ms
 * since the start of the epoch; a distance of more than 100 s from K adds nothing any more.
 */
#include "cc.h"

#define BETA_NUM     7
#define BETA_DEN     10
#define ALPHA_NUM    9 /* 3 (1 - beta) / (1 + beta): section 4.3 */
#define ALPHA_DEN    17
#define MAX_DT_MS    100000
#define MAX_DISTANCE (1ULL << 33)

static __u64 cube_root(__u64 v)
{
	__u64 root = 0, bit;

	/* 2^21 cubed is 2^63. */
	for (bit = 1ULL << 21; bit; bit >>= 1) {
		__u64 next = root | bit;

		if (next <= v / next / next)
			root = next;
	}
	return root;
}

/* Section 4.2: K = cbrt((W_max - cwnd_epoch) / C), here in ms. */
static void begin_epoch(struct inlay_cc *cc, inlay_ns now)
{
	__u64 distance;

	cc->cubic.epoch = now;
	cc->cubic.latest = now;
	cc->cubic.w_est = cc->cwnd;
	cc->cubic.k_ms = 0;
	if (cc->cwnd >= cc->cubic.w_max) {
		cc->cubic.w_max = cc->cwnd;
		return;
	}
	distance = cc->cubic.w_max - cc->cwnd;
	if (distance > MAX_DISTANCE)
		distance = MAX_DISTANCE;
	cc->cubic.k_ms = cube_root(distance * 1000000000 / cc->mtu * 10 / 4);
}

/* W_cubic(t): section 4.2. */
static __u64 window_at(const struct inlay_cc *cc, __u64 t_ms)
{
	bool below = t_ms < cc->cubic.k_ms;
	__u64 dt = below ? cc->cubic.k_ms - t_ms : t_ms - cc->cubic.k_ms;
	__u64 delta;

	if (dt > MAX_DT_MS)
		dt = MAX_DT_MS;
	delta = dt * dt * dt / 1000000000 * cc->mtu * 4 / 10 +
		dt * dt * dt % 1000000000 * cc->mtu / 1000000000 * 4 / 10;
	if (below)
		return delta < cc->cubic.w_max ? cc->cubic.w_max - delta : 0;
	return cc->cubic.w_max + delta;
}

static void grow(struct inlay_cc *cc, __u64 bytes, inlay_ns rtt, inlay_ns now)
{
	__u64 target;

	if (cc->cubic.epoch == 0)
		begin_epoch(cc, now);
	cc->cubic.latest = now;
	target = window_at(cc, (now - cc->cubic.epoch + rtt) / INLAY_MS);
	if (target > cc->cwnd + cc->cwnd / 2)
		target = cc->cwnd + cc->cwnd / 2;

	/* Section 4.3: never slower than Reno would be. */
	if (cc->cubic.w_est < cc->cubic.cwnd_prior)
		cc->cubic.w_est += bytes * cc->mtu / cc->cwnd * ALPHA_NUM / ALPHA_DEN;
	else
		cc->cubic.w_est += bytes * cc->mtu / cc->cwnd;

	/* Sections 4.4 and 4.5. */
	if (target > cc->cwnd)
		cc->cwnd += (target - cc->cwnd) * bytes / cc->cwnd;
	if (cc->cubic.w_est > cc->cwnd)
		cc->cwnd = cc->cubic.w_est;
}

/* Section 4.2: time in which the application held back does not count. */
static void unused(struct inlay_cc *cc, inlay_ns now)
{
	if (cc->cubic.epoch == 0)
		return;
	cc->cubic.epoch += now - cc->cubic.latest;
	cc->cubic.latest = now;
}

static void shrink(struct inlay_cc *cc)
{
	__u64 cwnd = cc->cwnd;

	/* Section 4.7: fast convergence. */
	if (cwnd < cc->cubic.w_max)
		cc->cubic.w_max = cwnd * (BETA_NUM + BETA_DEN) / (2 * BETA_DEN);
	else
		cc->cubic.w_max = cwnd;
	cc->cubic.cwnd_prior = cwnd;
	cc->ssthresh = cwnd * BETA_NUM / BETA_DEN;
	if (cc->ssthresh < inlay_cc_min_window(cc))
		cc->ssthresh = inlay_cc_min_window(cc);
	cc->cwnd = cc->ssthresh;
	cc->cubic.epoch = 0;
}

const struct inlay_cc_ops inlay_cc_cubic = {
	.name = "cubic", .hystart = true, .grow = grow, .unused = unused, .shrink = shrink};
