/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Map from 64-bit numbers (stream IDs, aliases) to pointers. Open addressing, linear probing, no
 * tombstones: removing shifts later entries back. The caller bounds how many entries there are.
 *
 * Keys that a peer chooses go through a multiplicative mix with a secret-free constant: a peer that
 * crafts collisions slows its own session only, as every map belongs to one session.
 */
#ifndef INLAY_DATAPLANE_MAP_H
#define INLAY_DATAPLANE_MAP_H

#include <errno.h>
#include <stdlib.h>
#include "inlay_types.h"

struct inlay_map_slot {
	__u64 key;
	void *value; /* NULL: the slot is free */
};

/* All zero is an empty map. */
struct inlay_map {
	struct inlay_map_slot *slots;
	size_t size; /* slots, a power of two, or 0 */
	size_t used;
};

static inline size_t inlay_map_home(const struct inlay_map *m, __u64 key)
{
	__u64 h = key * 0x9e3779b97f4a7c15ULL;

	return (size_t)(h ^ h >> 32) & (m->size - 1);
}

static inline void *inlay_map_get(const struct inlay_map *m, __u64 key)
{
	if (m->size == 0)
		return NULL;
	for (size_t i = inlay_map_home(m, key);; i = (i + 1) & (m->size - 1)) {
		if (m->slots[i].value == NULL)
			return NULL;
		if (m->slots[i].key == key)
			return m->slots[i].value;
	}
}

static inline void inlay_map_place(struct inlay_map *m, __u64 key, void *value)
{
	size_t i = inlay_map_home(m, key);

	while (m->slots[i].value != NULL && m->slots[i].key != key)
		i = (i + 1) & (m->size - 1);
	if (m->slots[i].value == NULL)
		m->used++;
	m->slots[i].key = key;
	m->slots[i].value = value;
}

/* Adds or replaces. |value| is not NULL. 0; -ENOMEM. */
static inline int inlay_map_set(struct inlay_map *m, __u64 key, void *value)
{
	if (m->used * 4 >= m->size * 3) {
		struct inlay_map bigger = {.size = m->size == 0 ? 16 : m->size * 2};

		bigger.slots = calloc(bigger.size, sizeof(*bigger.slots));
		if (bigger.slots == NULL)
			return -ENOMEM;
		for (size_t i = 0; i < m->size; i++)
			if (m->slots[i].value != NULL)
				inlay_map_place(&bigger, m->slots[i].key, m->slots[i].value);
		free(m->slots);
		*m = bigger;
	}
	inlay_map_place(m, key, value);
	return 0;
}

static inline void inlay_map_remove(struct inlay_map *m, __u64 key)
{
	size_t mask = m->size - 1;
	size_t hole;

	if (m->size == 0)
		return;
	for (hole = inlay_map_home(m, key); m->slots[hole].key != key; hole = (hole + 1) & mask)
		if (m->slots[hole].value == NULL)
			return;
	if (m->slots[hole].value == NULL)
		return;
	for (size_t i = (hole + 1) & mask; m->slots[i].value != NULL; i = (i + 1) & mask) {
		size_t home = inlay_map_home(m, m->slots[i].key);

		/* Entry i may move back into the hole unless its home lies behind the hole. */
		if (((i - home) & mask) >= ((i - hole) & mask)) {
			m->slots[hole] = m->slots[i];
			hole = i;
		}
	}
	m->slots[hole].value = NULL;
	m->used--;
}

static inline void inlay_map_fini(struct inlay_map *m)
{
	free(m->slots);
	*m = (struct inlay_map){0};
}

#endif
