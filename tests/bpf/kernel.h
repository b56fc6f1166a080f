/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The forwarder in the kernel, loaded for tests with the sizes of the vectors' scene, and its
 * shared state as userspace has it. Where it cannot be had the program ends: skipped, or failed.
 */
#ifndef INLAY_TESTS_BPF_KERNEL_H
#define INLAY_TESTS_BPF_KERNEL_H

#include <linux/if_ether.h>

#include "inlay_sizes.h"
#include "vector.h"

#define KERNEL_FRONT  (ETH_HLEN + sizeof(struct inlay_link_header))
#define KERNEL_FRAME  (KERNEL_FRONT + INLAY_LINK_ROOM + INLAY_FRAME_MAX)
#define KERNEL_COUNTS 128 /* of the map inlay_reasons */

extern const struct inlay_sizes kernel_sizes;

/* |ret_tables|: zeroed. Returns the program. */
int kernel_load(const char *path, struct inlay_tables *ret_tables);
/* What was counted since it was loaded, by all CPUs together. */
void kernel_reasons(__u64 *ret_counts);
/* A clear packet as a frame of the link, which has KERNEL_FRAME bytes. Its length. */
size_t kernel_put_frame(const __u8 *packet, size_t len, __u8 *frame);
/* What the program says of the frame, and what it leaves in |up|. */
__u32 kernel_run(const __u8 *frame, size_t n, __u8 *up, size_t *ret_n);

void kernel_die(const char *what) __attribute__((noreturn));
void kernel_skip(const char *why) __attribute__((noreturn));

#endif
