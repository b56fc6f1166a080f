/* SPDX-License-Identifier: BSD-2-Clause */
#include "secure.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define OBJECT_ALIGN	   64
#define OBJECTS_PER_REGION 64

struct inlay_secure_region {
	__u8 *memory;
	__u64 used; /* bit n: object n is out */
};

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

static size_t whole_pages(size_t len)
{
	size_t page = page_size();

	return (len + page - 1) / page * page;
}

/* The region proper, between two guard pages. */
static int harden(void *p, size_t len)
{
	if (mprotect(p, len, PROT_READ | PROT_WRITE))
		return ENOMEM;
	/* Before there is anything to hide, and before a page of it exists. */
	if (madvise(p, len, MADV_DONTDUMP) || madvise(p, len, MADV_WIPEONFORK))
		return ENOTSUP;
	/* ENOMEM or EAGAIN where the limit is too low, EPERM where it is 0: one answer. */
	if (mlock(p, len))
		return EPERM;
	return 0;
}

void *inlay_secure_alloc(size_t len)
{
	size_t page = page_size();
	__u8 *base;
	int err;

	if (len == 0 || len > SIZE_MAX / 2) {
		errno = ENOMEM;
		return NULL;
	}
	len = whole_pages(len);
	base = mmap(NULL, len + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (base == MAP_FAILED) {
		errno = ENOMEM;
		return NULL;
	}
	err = harden(base + page, len);
	if (err) {
		munmap(base, len + 2 * page);
		errno = err;
		return NULL;
	}
	return base + page;
}

void inlay_secure_free(void *p, size_t len)
{
	size_t page = page_size();

	if (!p)
		return;
	len = whole_pages(len);
	explicit_bzero(p, len);
	munmap((__u8 *)p - page, len + 2 * page);
}

void inlay_secure_pool_init(struct inlay_secure_pool *pool, size_t object_size)
{
	memset(pool, 0, sizeof(*pool));
	pool->object_size = (object_size + OBJECT_ALIGN - 1) / OBJECT_ALIGN * OBJECT_ALIGN;
}

void inlay_secure_pool_fini(struct inlay_secure_pool *pool)
{
	size_t i;

	for (i = 0; i < pool->n_regions; i++)
		inlay_secure_free(pool->regions[i].memory, pool->object_size * OBJECTS_PER_REGION);
	free(pool->regions);
	memset(pool, 0, sizeof(*pool));
}

static struct inlay_secure_region *region_add(struct inlay_secure_pool *pool)
{
	struct inlay_secure_region *regions, *r;

	regions = realloc(pool->regions, (pool->n_regions + 1) * sizeof(*regions));
	if (!regions) {
		errno = ENOMEM;
		return NULL;
	}
	pool->regions = regions;
	r = &regions[pool->n_regions];
	r->used = 0;
	r->memory = inlay_secure_alloc(pool->object_size * OBJECTS_PER_REGION);
	if (!r->memory)
		return NULL;
	pool->n_regions++;
	return r;
}

void *inlay_secure_pool_get(struct inlay_secure_pool *pool)
{
	struct inlay_secure_region *r = NULL;
	size_t i;

	if (pool->n_used < pool->n_regions * OBJECTS_PER_REGION)
		for (i = 0; i < pool->n_regions && !r; i++)
			if (~pool->regions[i].used)
				r = &pool->regions[i];
	if (!r)
		r = region_add(pool);
	if (!r)
		return NULL;
	i = (size_t)__builtin_ctzll(~r->used);
	r->used |= 1ULL << i;
	pool->n_used++;
	return r->memory + i * pool->object_size;
}

void inlay_secure_pool_put(struct inlay_secure_pool *pool, void *object)
{
	size_t len = pool->object_size * OBJECTS_PER_REGION;
	__u8 *p = object;
	size_t i;

	if (!p)
		return;
	explicit_bzero(p, pool->object_size);
	for (i = 0; i < pool->n_regions; i++) {
		struct inlay_secure_region *r = &pool->regions[i];

		if (p >= r->memory && p < r->memory + len) {
			r->used &= ~(1ULL << ((size_t)(p - r->memory) / pool->object_size));
			pool->n_used--;
			return;
		}
	}
}
