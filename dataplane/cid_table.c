/* SPDX-License-Identifier: BSD-2-Clause */
#include "cid_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(INLAY_OWN_CID == sizeof(__u64), "a CID is hashed as one word");

static __u32 home_of(const struct inlay_cid_table *t, __be16 port, const __u8 *cid)
{
	__u64 word;

	memcpy(&word, cid, sizeof(word));
	/* An odd constant near 2^64 divided by the golden ratio spreads tests' simple CIDs too. */
	word = (word ^ port) * 0x9e3779b97f4a7c15ULL;
	return (__u32)(word >> 32) & t->mask;
}

static bool holds(const struct inlay_cid_slot *s, __be16 port, const __u8 *cid)
{
	return s->port == port && memcmp(s->cid, cid, INLAY_OWN_CID) == 0;
}

/* The entry's slot, or the free one where the search ends. */
static struct inlay_cid_slot *probe(const struct inlay_cid_table *t, __be16 port, const __u8 *cid)
{
	__u32 i = home_of(t, port, cid);

	while (t->slots[i].used && !holds(&t->slots[i], port, cid))
		i = (i + 1) & t->mask;
	return &t->slots[i];
}

int inlay_cid_table_init(struct inlay_cid_table *t, __u32 max)
{
	__u32 size = 4;

	memset(t, 0, sizeof(*t));
	if (max == 0 || max > 1U << 30)
		return -EINVAL;
	while (size < 2 * max)
		size *= 2;
	t->slots = calloc(size, sizeof(*t->slots));
	if (!t->slots)
		return -ENOMEM;
	t->mask = size - 1;
	t->max = max;
	return 0;
}

void inlay_cid_table_fini(struct inlay_cid_table *t)
{
	free(t->slots);
	t->slots = NULL;
}

bool inlay_cid_table_find(const struct inlay_cid_table *t, __be16 port, const __u8 *cid,
			  __u32 *ret_value)
{
	const struct inlay_cid_slot *s = probe(t, port, cid);

	if (!s->used)
		return false;
	*ret_value = s->value;
	return true;
}

int inlay_cid_table_add(struct inlay_cid_table *t, __be16 port, const __u8 *cid, __u32 value)
{
	struct inlay_cid_slot *s = probe(t, port, cid);

	if (s->used)
		return -EEXIST;
	if (t->count == t->max)
		return -ENOSPC;
	memcpy(s->cid, cid, INLAY_OWN_CID);
	s->port = port;
	s->used = 1;
	s->value = value;
	t->count++;
	return 0;
}

/* Moves later entries of the chain up, so that no search stops short at the hole. */
static void close_hole(struct inlay_cid_table *t, __u32 hole)
{
	__u32 i = hole;

	for (;;) {
		__u32 home;

		i = (i + 1) & t->mask;
		if (!t->slots[i].used)
			break;
		home = home_of(t, t->slots[i].port, t->slots[i].cid);
		/* It may move if its home is not within (hole, i], on the circle. */
		if (((i - home) & t->mask) >= ((i - hole) & t->mask)) {
			t->slots[hole] = t->slots[i];
			hole = i;
		}
	}
	memset(&t->slots[hole], 0, sizeof(t->slots[hole]));
}

int inlay_cid_table_del(struct inlay_cid_table *t, __be16 port, const __u8 *cid)
{
	struct inlay_cid_slot *s = probe(t, port, cid);

	if (!s->used)
		return -ENOENT;
	close_hole(t, (__u32)(s - t->slots));
	t->count--;
	return 0;
}
