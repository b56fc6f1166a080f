/* SPDX-License-Identifier: BSD-2-Clause */
#include "limits.h"

#include "inlay_atomic.h"

static __u64 min_u64(__u64 a, __u64 b)
{
	return a < b ? a : b;
}

void inlay_limits_input_init(struct inlay_limits_input *in)
{
	int i;

	*in = (struct inlay_limits_input){0};
	for (i = 0; i < INLAY_CLASSES; i++)
		in->shares.share[i] = INLAY_POLICY_WHOLE;
}

__u64 inlay_limits_part(__u64 cwnd, __u64 thousandths, __u64 floor)
{
	__u64 part;

	if (thousandths == 0)
		return 0;
	if (thousandths >= INLAY_POLICY_WHOLE)
		return cwnd;
	/* Windows are far below 2^54. */
	part = cwnd * thousandths / INLAY_POLICY_WHOLE;
	return min_u64(part > floor ? part : floor, cwnd);
}

void inlay_limits_write(struct inlay_subscriber *entry, const struct inlay_limits_input *in,
			__u64 resolved, __u64 cwnd, __u64 floor, __u64 paced)
{
	__u64 share = INLAY_POLICY_WHOLE, before = 0, limit = 0;
	__u32 part, of = ~0U;
	int i;

	for (i = 0; i < INLAY_CLASSES; i++) {
		/* policy.h: class 0 has the whole, and no class more than the one above it. */
		if (i > 0)
			share = min_u64(share, in->shares.share[i]);
		part = share ? (__u32)share + in->shares.overshoot[i] : 0;
		/* Most classes are like the one before. */
		if (part != of || in->pending[i]) {
			before += in->pending[i];
			limit = min_u64(resolved + inlay_limits_part(cwnd, part, floor), paced);
			limit = in->barred || limit < before ? 0 : limit - before;
			of = part;
		}
		inlay_store_u64(&entry->class_limit[i], limit);
	}
}
