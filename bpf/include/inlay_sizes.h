/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Sizes of the shared state's tables as the kernel's program has them: constants of its section
 * .rodata, which the loader writes before the program is loaded, with every map's max_entries.
 */
#ifndef INLAY_SIZES_H
#define INLAY_SIZES_H

#include "inlay_abi.h"

struct inlay_sizes {
	__u32 n_sas; /* a power of two */
	__u32 n_subscribers;
	__u32 n_upstreams;
	__u32 journal_size; /* a power of two */
	__u32 n_tracks;
	__u32 n_slots; /* a power of two */
	__u32 log_stride;
	__u32 first_owner; /* what the first CPU writes into an owner word; others count on */
};

/* Copies of one packet: what is more is dropped. The map inlay_outs has as many for each CPU. */
#define INLAY_OUT_MAX 2048

#endif
