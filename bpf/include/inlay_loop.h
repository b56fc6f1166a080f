/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A loop whose body the kernel's verifier goes through once or twice, and not as often as it may
 * run: there bpf_loop() (Linux 5.17 or newer), elsewhere a `for` with the body inlined.
 *
 *	INLAY_STEP name(__u32 i, void *ctx) { ... }	returns 0 to go on, 1 to stop
 *	INLAY_LOOP(n, name, ctx);			for i = 0 to n - 1
 *
 * For BPF |ctx| is a local variable of the caller's, or in one.
 */
#ifndef INLAY_LOOP_H
#define INLAY_LOOP_H

#include "inlay_types.h"

#ifdef __bpf__

/* The helper's number is the kernel's ABI: no header of libbpf's is needed here. */
static long (*inlay_bpf_loop)(__u32 n, void *step, void *ctx, __u64 flags) = (void *)181;

#define INLAY_STEP		 static __attribute__((unused)) long
#define INLAY_LOOP(n, step, ctx) ((void)inlay_bpf_loop((n), (step), (ctx), 0))

#else

#define INLAY_STEP INLAY_INLINE long
#define INLAY_LOOP(n, step, ctx)                                                                   \
	do {                                                                                       \
		for (__u32 i_ = 0; i_ < (n); i_++)                                                 \
			if (step(i_, (ctx)))                                                       \
				break;                                                             \
	} while (0)

#endif

#endif
