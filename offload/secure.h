/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory for keys: locked, left out of core dumps, wiped in a child, between guard pages, zeroed
 * before it goes back. RLIMIT_MEMLOCK is 8 MiB on many systems; so what is small comes from a pool,
 * which fills a few locked regions instead of a page each.
 */
#ifndef INLAY_OFFLOAD_SECURE_H
#define INLAY_OFFLOAD_SECURE_H

#include "inlay_types.h"

/*
 * Zeroed, aligned to a page; takes whole pages. NULL, with errno: ENOMEM; EPERM: it could not be
 * locked (raise RLIMIT_MEMLOCK); ENOTSUP: this kernel does not keep memory out of dumps or
 * children.
 */
void *inlay_secure_alloc(size_t len);
/* Zeroes and frees. Takes NULL. */
void inlay_secure_free(void *p, size_t len);

/* Objects of one size. Grows by regions, which stay until fini. One thread at a time. */
struct inlay_secure_region;
struct inlay_secure_pool {
	size_t object_size;
	struct inlay_secure_region *regions;
	size_t n_regions;
	size_t n_used; /* objects handed out */
};

/* Objects are aligned to 64 bytes. */
void inlay_secure_pool_init(struct inlay_secure_pool *pool, size_t object_size);
void inlay_secure_pool_fini(struct inlay_secure_pool *pool);
/* Zeroed. NULL, with errno: see inlay_secure_alloc(). */
void *inlay_secure_pool_get(struct inlay_secure_pool *pool);
/* Zeroes. Takes NULL. */
void inlay_secure_pool_put(struct inlay_secure_pool *pool, void *object);

#endif
