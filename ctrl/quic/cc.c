/* SPDX-License-Identifier: BSD-2-Clause */
#include "cc.h"

#define INITIAL_PKTS  10
#define INITIAL_BYTES 14720 /* RFC 9002 section 7.2 */

void inlay_cc_init(struct inlay_cc *cc, enum inlay_cc_algorithm algorithm, __u64 mtu)
{
	__u64 cap = INITIAL_BYTES > 2 * mtu ? INITIAL_BYTES : 2 * mtu;

	*cc = (struct inlay_cc){.mtu = mtu, .ssthresh = ~0ULL};
	cc->ops = algorithm == INLAY_CC_CUBIC ? &inlay_cc_cubic : &inlay_cc_newreno;
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
	if (!limited) {
		if (cc->ops->unused)
			cc->ops->unused(cc, now);
		return;
	}
	if (cc->cwnd < cc->ssthresh)
		cc->cwnd += bytes; /* section 7.3.1 */
	else
		cc->ops->grow(cc, bytes, rtt, now);
}

void inlay_cc_on_loss(struct inlay_cc *cc, inlay_ns sent, inlay_ns now)
{
	/* Once per round trip: what was sent before the window shrank says nothing new. */
	if (cc->recovery_start != 0 && sent <= cc->recovery_start)
		return;
	cc->in_recovery = true;
	cc->recovery_start = now;
	cc->ops->shrink(cc);
}

void inlay_cc_on_persistent(struct inlay_cc *cc)
{
	cc->cwnd = inlay_cc_min_window(cc);
	cc->in_recovery = false;
	cc->recovery_start = 0;
	cc->credit = 0;
	cc->cubic.epoch = 0;
}
