/* SPDX-License-Identifier: BSD-2-Clause */
#include "classes.h"

#include "limits.h"

#define ACTIVE (2 * INLAY_S) /* a class counts for so long after its last bytes */

static void set_whole(struct inlay_policy_limits *l)
{
	*l = (struct inlay_policy_limits){0};
	for (int i = 0; i < INLAY_CLASSES; i++)
		l->share[i] = INLAY_POLICY_WHOLE;
}

void inlay_classes_init(struct inlay_classes *k, const struct inlay_policy *policy, void *user)
{
	*k = (struct inlay_classes){.user = user};
	if (policy && policy->limits)
		k->policy = policy;
	set_whole(&k->limits);
}

bool inlay_classes_on_use(struct inlay_classes *k, __u8 class)
{
	__u8 bit = (__u8)(1U << class);

	k->used |= bit;
	return k->policy && !(k->active & bit);
}

/* A policy may be wrong, but not dangerous: class 0 has the window, and no class more than a lower
 * one. */
static void make_sane(struct inlay_policy_limits *l)
{
	l->share[0] = INLAY_POLICY_WHOLE;
	for (int i = 1; i < INLAY_CLASSES; i++)
		if (l->share[i] > l->share[i - 1])
			l->share[i] = l->share[i - 1];
}

void inlay_classes_refresh(struct inlay_classes *k, struct inlay_policy_view *view, inlay_ns now)
{
	if (!k->policy)
		return;
	k->active = 0;
	for (int i = 0; i < INLAY_CLASSES; i++) {
		if (k->used & 1U << i || view->pending[i])
			k->used_at[i] = now;
		if (k->used_at[i] && now - k->used_at[i] <= ACTIVE)
			k->active |= (__u8)(1U << i);
	}
	k->used = 0;
	view->active = k->active;
	set_whole(&k->limits);
	k->policy->limits(k->user, view, &k->limits);
	make_sane(&k->limits);
}

__u64 inlay_classes_share(const struct inlay_classes *k, __u8 class, __u64 cwnd, bool soft)
{
	__u64 share = k->limits.share[class];

	if (soft)
		share += k->limits.overshoot[class];
	return inlay_limits_part(cwnd, share, 0);
}
