/* SPDX-License-Identifier: BSD-2-Clause */
/* Bytes that may be held: of one connection, and above it of all that share a parent. */
#ifndef INLAY_QUIC_BUDGET_H
#define INLAY_QUIC_BUDGET_H

#include "inlay_types.h"

struct inlay_budget {
	__u64 used;
	__u64 max;
	struct inlay_budget *parent; /* NULL: none */
};

/* False: nothing was taken. */
static inline bool inlay_budget_take(struct inlay_budget *b, __u64 bytes)
{
	if (bytes > b->max - b->used)
		return false;
	if (b->parent && !inlay_budget_take(b->parent, bytes))
		return false;
	b->used += bytes;
	return true;
}

static inline void inlay_budget_give(struct inlay_budget *b, __u64 bytes)
{
	for (; b; b = b->parent)
		b->used -= bytes;
}

/* Half of what all have is taken: not the time to promise more. */
static inline bool inlay_budget_is_tight(const struct inlay_budget *b)
{
	for (; b; b = b->parent)
		if (b->used > b->max / 2)
			return true;
	return false;
}

#endif
