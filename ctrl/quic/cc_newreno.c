/* SPDX-License-Identifier: BSD-2-Clause */
/* NewReno: RFC 9002 sections 7.3.2 and 7.3.3. */
#include "cc.h"

static void grow(struct inlay_cc *cc, __u64 bytes, inlay_ns rtt, inlay_ns now)
{
	cc->credit += bytes;
	if (cc->credit < cc->cwnd)
		return;
	cc->credit -= cc->cwnd;
	cc->cwnd += cc->mtu;
}

static void shrink(struct inlay_cc *cc)
{
	cc->ssthresh = cc->cwnd / 2;
	if (cc->ssthresh < inlay_cc_min_window(cc))
		cc->ssthresh = inlay_cc_min_window(cc);
	cc->cwnd = cc->ssthresh;
	cc->credit = 0;
}

const struct inlay_cc_ops inlay_cc_newreno = {.name = "newreno", .grow = grow, .shrink = shrink};
