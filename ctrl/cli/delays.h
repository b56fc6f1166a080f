/* SPDX-License-Identifier: BSD-2-Clause */
/* Counts of durations in buckets a 32nd apart, from a microsecond to hours: percentiles without
 * keeping the samples. */
#ifndef INLAY_CLI_DELAYS_H
#define INLAY_CLI_DELAYS_H

#include "inlay_types.h"

#define INLAY_DELAYS_SUB     5 /* bits of the mantissa */
#define INLAY_DELAYS_BUCKETS (36 << INLAY_DELAYS_SUB)

struct inlay_delays {
	__u64 n, sum_us, max_us;
	__u64 count[INLAY_DELAYS_BUCKETS];
};

/* Values below 2^(SUB + 1) have a bucket each; above, the leading SUB + 1 bits choose it. */
static inline unsigned int inlay_delays_bucket(__u64 us)
{
	unsigned int top = us ? 63 - (unsigned int)__builtin_clzll(us) : 0, shift, bucket;

	if (top <= INLAY_DELAYS_SUB)
		return (unsigned int)us;
	shift = top - INLAY_DELAYS_SUB;
	bucket = (shift << INLAY_DELAYS_SUB) + (unsigned int)(us >> shift);
	return bucket < INLAY_DELAYS_BUCKETS ? bucket : INLAY_DELAYS_BUCKETS - 1;
}

/* The largest value of a bucket. */
static inline __u64 inlay_delays_value(unsigned int bucket)
{
	unsigned int shift = bucket >> INLAY_DELAYS_SUB;
	__u64 mantissa = bucket & ((1U << INLAY_DELAYS_SUB) - 1);

	if (bucket < 2U << INLAY_DELAYS_SUB)
		return bucket;
	shift--;
	mantissa += 1U << INLAY_DELAYS_SUB;
	return ((mantissa + 1) << shift) - 1;
}

static inline void inlay_delays_add(struct inlay_delays *d, inlay_ns delay)
{
	__u64 us = delay / INLAY_US;

	d->n++;
	d->sum_us += us;
	if (us > d->max_us)
		d->max_us = us;
	d->count[inlay_delays_bucket(us)]++;
}

/* |per_mille| of the samples are no larger, to within a 32nd; in microseconds; 0: no samples. */
static inline __u64 inlay_delays_percentile(const struct inlay_delays *d, unsigned int per_mille)
{
	__u64 want = (d->n * per_mille + 999) / 1000, have = 0, value;
	unsigned int i;

	for (i = 0; i < INLAY_DELAYS_BUCKETS; i++) {
		have += d->count[i];
		if (have && have >= want) {
			value = inlay_delays_value(i);
			return value < d->max_us ? value : d->max_us;
		}
	}
	return d->max_us;
}

#endif
