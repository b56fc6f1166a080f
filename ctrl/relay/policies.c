/* SPDX-License-Identifier: BSD-2-Clause */
#include "policies.h"

#define LIVE_PATIENCE  (250 * INLAY_MS)
#define LIVE_OVERSHOOT 100 /* thousandths of the window, to end an object */

const struct inlay_policy inlay_policy_fair = {.name = "fair"};

/* Of the best class there is, the next one, and so on, in thousandths of the window. What a class
 * leaves is what those before it find free when they have something to send: a burst of audio is
 * small beside a window, so a fifth is plenty. */
static const __u16 live_shares[] = {INLAY_POLICY_WHOLE, 800, 650, 550, 450, 400, 350};

/* Classes of media are 1 and above (ranking.h). */
static void live_limits(void *user, const struct inlay_policy_view *view,
			struct inlay_policy_limits *ret_limits)
{
	int rank = 0;

	for (int i = 1; i < INLAY_CLASSES; i++) {
		ret_limits->share[i] = live_shares[rank];
		ret_limits->overshoot[i] = rank > 0 ? LIVE_OVERSHOOT : 0;
		rank += view->active >> i & 1;
	}
}

/* Is a better class at work than |class|? */
static bool is_low(const struct inlay_policy_view *view, __u8 class)
{
	return (view->active & ((1U << class) - 1) & ~1U) != 0;
}

static enum inlay_policy_verdict live_late(void *user, const struct inlay_policy_view *view,
					   const struct inlay_policy_stream *stream)
{
	if (stream->newer_group && stream->behind >= LIVE_PATIENCE && is_low(view, stream->class))
		return INLAY_POLICY_RESET;
	return INLAY_POLICY_CARRY_ON;
}

const struct inlay_policy inlay_policy_live = {
	.name = "live",
	.limits = live_limits,
	.patience = LIVE_PATIENCE,
	.late = live_late,
};
