/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Memory order of the shared state, in one place. BPF has fetch-add, exchange and compare-exchange
 * of 32 and 64 bits, all fully ordered, and no fences, acquire loads or release stores; so every
 * publication goes through a compare-exchange or an exchange, and only such words are read across
 * threads to decide anything. Plain fields are written before the word that publishes them and
 * read after it.
 */
#ifndef INLAY_ATOMIC_H
#define INLAY_ATOMIC_H

#include "inlay_types.h"

#ifdef __bpf__
#define inlay_fetch_add_u64(p, v)  __sync_fetch_and_add((p), (v))
#define inlay_load_u64(p)	   (*(volatile __u64 *)(p))
#define inlay_load_u32(p)	   (*(volatile __u32 *)(p))
#define inlay_reload_u32(p)	   __sync_fetch_and_add((p), 0)
#define inlay_load_u16(p)	   (*(const volatile __u16 *)(p))
#define inlay_store_u16(p, v)	   ((void)(*(volatile __u16 *)(p) = (v)))
#define inlay_store_u64(p, v)	   ((void)__sync_lock_test_and_set((p), (v)))
#define inlay_store_u32(p, v)	   ((void)__sync_lock_test_and_set((p), (v)))
#define inlay_xchg_u32(p, v)	   __sync_lock_test_and_set((p), (v))
#define inlay_xchg_u64(p, v)	   __sync_lock_test_and_set((p), (v))
#define inlay_cas_u64(p, old, new) (__sync_val_compare_and_swap((p), (old), (new)) == (old))
#define inlay_cas_u32(p, old, new) (__sync_val_compare_and_swap((p), (old), (new)) == (old))
#else
#define inlay_fetch_add_u64(p, v) __atomic_fetch_add((p), (v), __ATOMIC_SEQ_CST)
#define inlay_load_u64(p)	  __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define inlay_load_u32(p)	  __atomic_load_n((p), __ATOMIC_ACQUIRE)
/* A word that was loaded before, once more: what is read behind it is no older than it. A load
 * alone orders nothing in BPF. */
#define inlay_reload_u32(p)	  __atomic_load_n((p), __ATOMIC_ACQUIRE)
/* A word on its own: BPF has no atomics of 16 bits, so these publish nothing. */
#define inlay_load_u16(p)	  __atomic_load_n((p), __ATOMIC_RELAXED)
#define inlay_store_u16(p, v)	  __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define inlay_store_u64(p, v)	  __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define inlay_store_u32(p, v)	  __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define inlay_xchg_u32(p, v)	  __atomic_exchange_n((p), (v), __ATOMIC_SEQ_CST)
#define inlay_xchg_u64(p, v)	  __atomic_exchange_n((p), (v), __ATOMIC_SEQ_CST)
/* True if *p was |old| and is now |new|. */
INLAY_INLINE bool inlay_cas_u64(__u64 *p, __u64 old, __u64 new_value)
{
	return __atomic_compare_exchange_n(p, &old, new_value, false, __ATOMIC_SEQ_CST,
					   __ATOMIC_SEQ_CST);
}
INLAY_INLINE bool inlay_cas_u32(__u32 *p, __u32 old, __u32 new_value)
{
	return __atomic_compare_exchange_n(p, &old, new_value, false, __ATOMIC_SEQ_CST,
					   __ATOMIC_SEQ_CST);
}
#endif

#endif
