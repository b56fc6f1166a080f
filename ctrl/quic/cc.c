/* SPDX-License-Identifier: BSD-2-Clause */
#include "cc.h"

#define INITIAL_PKTS  10
#define INITIAL_BYTES 14720 /* RFC 9002 section 7.2 */

static const struct inlay_cc_ops *ops_of(enum inlay_cc_algorithm algorithm)
{
	switch (algorithm) {
	case INLAY_CC_CUBIC:
		return &inlay_cc_cubic;
	case INLAY_CC_LIVE:
		return &inlay_cc_live;
	case INLAY_CC_NEWRENO:
		break;
	}
	return &inlay_cc_newreno;
}

void inlay_cc_init(struct inlay_cc *cc, enum inlay_cc_algorithm algorithm, __u64 mtu)
{
	__u64 cap = INITIAL_BYTES > 2 * mtu ? INITIAL_BYTES : 2 * mtu;

	*cc = (struct inlay_cc){.mtu = mtu, .ssthresh = ~0ULL};
	cc->ops = ops_of(algorithm);
	cc->live.try.until = INLAY_NEVER;
	cc->cwnd = INITIAL_PKTS * mtu < cap ? INITIAL_PKTS * mtu : cap;
}

void inlay_cc_on_ack(struct inlay_cc *cc, __u64 bytes, inlay_ns sent, bool limited, inlay_ns rtt,
		     inlay_ns now)
{
	if (cc->in_recovery) {
		if (sent <= cc->recovery_start)
			return;
		cc->in_recovery = false;
	}
	if (!cc->ops->grow)
		return;
	if (!limited) {
		if (cc->ops->unused)
			cc->ops->unused(cc, now);
		return;
	}
	if (cc->cwnd < cc->ssthresh && !cc->ops->sampled) /* section 7.3.1 */
		cc->cwnd += cc->ops->hystart ? inlay_cc_hystart_grow(cc, bytes) : bytes;
	else
		cc->ops->grow(cc, bytes, rtt, now);
}

void inlay_cc_on_sample(struct inlay_cc *cc, const struct inlay_cc_sample *s)
{
	if (cc->ops->sampled)
		cc->ops->sampled(cc, s);
	else if (cc->ops->hystart && cc->cwnd < cc->ssthresh)
		inlay_cc_hystart_on_sample(cc, s);
}

/* Once per round trip: what was sent before the window shrank says nothing new. */
static bool is_news(const struct inlay_cc *cc, inlay_ns sent)
{
	return cc->recovery_start == 0 || sent > cc->recovery_start;
}

static void enter_recovery(struct inlay_cc *cc, inlay_ns now)
{
	cc->in_recovery = true;
	cc->recovery_start = now;
	cc->hystart = (struct inlay_cc_hystart){0};
}

void inlay_cc_on_loss(struct inlay_cc *cc, __u64 pkts, inlay_ns sent, inlay_ns now)
{
	if (!is_news(cc, sent)) {
		if (cc->undo.pkts > 0)
			cc->undo.pkts += pkts;
		return;
	}
	cc->undo = (struct inlay_cc_undo){
		.pkts = pkts,
		.cwnd = cc->cwnd,
		.ssthresh = cc->ssthresh,
		.cubic = cc->cubic,
	};
	enter_recovery(cc, now);
	cc->ops->shrink(cc);
	if (cc->cwnd == cc->undo.cwnd)
		cc->undo.pkts = 0; /* whatever makes it smaller later, this did not */
}

void inlay_cc_on_spurious(struct inlay_cc *cc, inlay_ns sent)
{
	if (cc->undo.pkts == 0 || sent > cc->recovery_start || --cc->undo.pkts > 0)
		return;
	if (cc->undo.cwnd > cc->cwnd) {
		cc->cwnd = cc->undo.cwnd;
		cc->ssthresh = cc->undo.ssthresh;
		cc->cubic = cc->undo.cubic;
	}
	cc->in_recovery = false;
}

void inlay_cc_on_ce(struct inlay_cc *cc, inlay_ns sent, inlay_ns now)
{
	if (!is_news(cc, sent))
		return;
	cc->undo.pkts = 0;
	enter_recovery(cc, now);
	if (cc->ops->marked)
		cc->ops->marked(cc);
	else
		cc->ops->shrink(cc);
}

void inlay_cc_on_persistent(struct inlay_cc *cc)
{
	cc->cwnd = inlay_cc_min_window(cc);
	cc->in_recovery = false;
	cc->recovery_start = 0;
	cc->credit = 0;
	cc->cubic.epoch = 0;
	cc->undo.pkts = 0;
	if (cc->ops->persistent)
		cc->ops->persistent(cc);
}

__u64 inlay_cc_pacing_rate(const struct inlay_cc *cc, inlay_ns smoothed)
{
	__u64 us = smoothed / INLAY_US + 1, rate;

	if (cc->ops->pacing_rate)
		return cc->ops->pacing_rate(cc, smoothed);
	rate = cc->cwnd * (INLAY_S / INLAY_US) / us;
	/* N is 2 where the window doubles every round trip, else 1.25. */
	return cc->cwnd < cc->ssthresh ? 2 * rate : rate + rate / 4;
}
