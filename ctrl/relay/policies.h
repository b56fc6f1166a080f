/* SPDX-License-Identifier: BSD-2-Clause */
/* The policies that inlay ships (ctrl/quic/policy.h): what `policy:` in the configuration names. */
#ifndef INLAY_RELAY_POLICIES_H
#define INLAY_RELAY_POLICIES_H

#include "policy.h"

/* Every class may use the whole window; priorities order what is sent, nothing is given up. */
extern const struct inlay_policy inlay_policy_fair;
/*
 * For live media: the best class there is has the window, each one behind it a smaller share, so
 * that the best never waits for what the others have in flight; and a stream of theirs that has
 * fallen behind while a newer group of its track has begun is given up.
 */
extern const struct inlay_policy inlay_policy_live;

#endif
