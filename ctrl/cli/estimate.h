/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How fast a receiver could receive, from what arrives, sans-I/O. Live media seldom fills the path,
 * so bytes a second say nothing; but a publisher hands over a whole object at once, and while an
 * object is incomplete more of it is on its way: such a *train* passes the narrowest link at that
 * link's rate. A key frame is a good train, and a path that starves is one long train.
 *
 * Invariants: time in which no object was incomplete never counts; what arrives in a train's first
 * instant counts for nothing (it shows no rate, and a token bucket lets it pass at once), except
 * where a large train came in no measurable time.
 */
#ifndef INLAY_CLI_ESTIMATE_H
#define INLAY_CLI_ESTIMATE_H

#include "inlay_types.h"

#define INLAY_ESTIMATE_SAMPLES 64

struct inlay_estimate_sample {
	inlay_ns at;
	inlay_ns time;
	__u64 bytes;
};

/* Zeroed: nothing has arrived. */
struct inlay_estimate {
	struct inlay_estimate_sample samples[INLAY_ESTIMATE_SAMPLES];
	unsigned int next, n;
	bool busy; /* a train is under way */
	bool long_train;
	inlay_ns begin, last; /* of the train, or of what is not yet a sample of it */
	__u64 first, bytes;   /* in its first instant; in all */
	__u64 trains;	      /* ever, those too short to tell included */
};

/* |bytes| of objects arrived; |more|: an object is incomplete now. */
void inlay_estimate_arrived(struct inlay_estimate *e, inlay_ns now, size_t bytes, bool more);
/* Bits of payload a second; 0: nothing is known. Falls within what a train takes, rises after some
 * seconds. */
__u64 inlay_estimate_bps(const struct inlay_estimate *e, inlay_ns now);

#endif
