/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * HyStart++: RFC 9406. Slow start turns careful when a round trip is longer than the one before,
 * and ends if that stays so. We pace, so L is infinite. Where a peer acknowledges rarely there are
 * less than eight samples in a round trip: then its last one decides.
 */
#include "cc.h"

#define MIN_THRESHOLD (4 * INLAY_MS)
#define MAX_THRESHOLD (16 * INLAY_MS)
#define DIVISOR	      8
#define SAMPLES	      8
#define CSS_GROWTH    4
#define CSS_ROUNDS    5

__u64 inlay_cc_hystart_grow(const struct inlay_cc *cc, __u64 bytes)
{
	return cc->hystart.css ? bytes / CSS_GROWTH : bytes;
}

static inline inlay_ns threshold_of(inlay_ns last)
{
	inlay_ns t = last / DIVISOR;

	if (t < MIN_THRESHOLD)
		return MIN_THRESHOLD;
	return t > MAX_THRESHOLD ? MAX_THRESHOLD : t;
}

static void judge(struct inlay_cc_hystart *h)
{
	if (!h->css) {
		if (!h->last || h->lowest < h->last + threshold_of(h->last))
			return;
		h->css = true;
		h->css_rounds = 0;
		h->css_base = h->lowest;
	} else if (h->lowest < h->css_base) {
		h->css = false; /* it was noise */
		h->css_base = 0;
	}
}

void inlay_cc_hystart_on_sample(struct inlay_cc *cc, const struct inlay_cc_sample *s)
{
	struct inlay_cc_hystart *h = &cc->hystart;

	if (s->rtt) {
		h->samples++;
		if (h->lowest == 0 || s->rtt < h->lowest)
			h->lowest = s->rtt;
	}
	if (h->lowest && (h->samples >= SAMPLES || s->round))
		judge(h);
	if (!s->round)
		return;
	if (h->css && ++h->css_rounds > CSS_ROUNDS) {
		cc->ssthresh = cc->cwnd;
		*h = (struct inlay_cc_hystart){0};
		return;
	}
	h->last = h->lowest;
	h->lowest = 0;
	h->samples = 0;
}
