/* SPDX-License-Identifier: BSD-2-Clause */
/* Pseudo-random numbers of a fixed seed (xorshift64*), so that every run of a test is the same. */
#ifndef INLAY_TESTS_SEEDED_H
#define INLAY_TESTS_SEEDED_H

#include "inlay_types.h"

struct seeded {
	__u64 state; /* not 0 */
};

static inline __u64 seeded_u64(struct seeded *s)
{
	s->state ^= s->state >> 12;
	s->state ^= s->state << 25;
	s->state ^= s->state >> 27;
	return s->state * 0x2545f4914f6cdd1dULL;
}

/* In [0, bound). */
static inline __u64 seeded_below(struct seeded *s, __u64 bound)
{
	return (seeded_u64(s) >> 16) % bound;
}

static inline void seeded_bytes(struct seeded *s, void *dst, size_t len)
{
	__u8 *p = dst;
	size_t i;

	for (i = 0; i < len; i++)
		p[i] = (__u8)(seeded_u64(s) >> 32);
}

#endif
