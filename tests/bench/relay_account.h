/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which objects of a track a subscriber has had: all of them, once each, from where it joined.
 * Objects are counted through, from the first of group 0.
 */
#ifndef INLAY_BENCH_RELAY_ACCOUNT_H
#define INLAY_BENCH_RELAY_ACCOUNT_H

#include "inlay_types.h"

#define RELAY_ACCOUNT_AHEAD 256 /* that may come out of order */

struct relay_account {
	__u64 next;			 /* the lowest that is not there */
	__u8 ahead[RELAY_ACCOUNT_AHEAD]; /* by number, modulo: there already */
	__u64 received, repeated, missing;
};

/* It is to get |first| and all behind it; the counters go on. */
static inline void relay_account_begin(struct relay_account *a, __u64 first)
{
	__builtin_memset(a->ahead, 0, sizeof(a->ahead));
	a->next = first;
}

static inline void relay_account_advance(struct relay_account *a)
{
	while (a->ahead[a->next % RELAY_ACCOUNT_AHEAD])
		a->ahead[a->next++ % RELAY_ACCOUNT_AHEAD] = 0;
}

/* Does not wait for it any longer. */
static inline void relay_account_give_up(struct relay_account *a)
{
	a->missing++;
	a->next++;
	relay_account_advance(a);
}

static inline void relay_account_note(struct relay_account *a, __u64 object)
{
	while (object >= a->next + RELAY_ACCOUNT_AHEAD)
		relay_account_give_up(a);
	if (object < a->next || a->ahead[object % RELAY_ACCOUNT_AHEAD]) {
		a->repeated++;
		return;
	}
	a->received++;
	a->ahead[object % RELAY_ACCOUNT_AHEAD] = 1;
	relay_account_advance(a);
}

#endif
