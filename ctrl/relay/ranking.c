/* SPDX-License-Identifier: BSD-2-Clause */
#include "ranking.h"

#include <string.h>

#include "inlay_abi.h"

#define MEDIA_CLASSES (INLAY_CLASSES - 1)

static __u16 key_of(__u8 subscriber, __u8 publisher)
{
	return (__u16)(subscriber << 8 | publisher);
}

/* How many are better. */
static __u32 find(const struct relay_ranking *r, __u16 key)
{
	__u32 i;

	for (i = 0; i < r->n && r->keys[i] < key; i++)
		;
	return i;
}

bool relay_ranking_add(struct relay_ranking *r, __u8 subscriber, __u8 publisher)
{
	__u16 key = key_of(subscriber, publisher);
	__u32 i = find(r, key);

	if (r->n == RELAY_RANKS || (i < r->n && r->keys[i] == key))
		return false;
	memmove(&r->keys[i + 1], &r->keys[i], (r->n - i) * sizeof(key));
	r->keys[i] = key;
	r->n++;
	return true;
}

__u8 relay_ranking_class(const struct relay_ranking *r, __u8 subscriber, __u8 publisher)
{
	__u32 rank = find(r, key_of(subscriber, publisher));

	if (r->n > MEDIA_CLASSES)
		rank = rank * MEDIA_CLASSES / r->n;
	return (__u8)(1 + (rank < MEDIA_CLASSES ? rank : MEDIA_CLASSES - 1));
}
