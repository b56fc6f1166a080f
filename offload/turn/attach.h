/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One program at one place of one interface. Never in the place of another: an XDP program that is
 * there makes it fail; at TC ours stands behind those that are there, so that what they drop is
 * neither relayed nor believed. XDP and tcx are bpf_links: they end with the process, however it
 * ends. Kernels before 6.6 have clsact filters only: ours bear a handle and a priority of their
 * own, and one that a process left behind when it was killed is taken away by the next.
 *
 * In the network namespace of the calling thread.
 */
#ifndef INLAY_OFFLOAD_TURN_ATTACH_H
#define INLAY_OFFLOAD_TURN_ATTACH_H

#include "inlay_types.h"

struct inlay_turn_hook {
	int link;	  /* descriptor of a bpf_link; -1: none */
	bool filter;	  /* or a clsact filter */
	bool egress;	  /* which one */
	bool made_clsact; /* its qdisc was not there before we came */
	__u32 ifindex;
};
#define INLAY_TURN_NO_HOOK ((struct inlay_turn_hook){.link = -1})

static inline bool inlay_turn_hook_is_set(const struct inlay_turn_hook *hook)
{
	return hook->link >= 0 || hook->filter;
}

/* |program|: its descriptor. -EBUSY: another program is there; -EOPNOTSUPP: the driver (if not
 * |generic|) cannot; what the kernel returned. |hook| was none. */
int inlay_turn_hook_xdp(struct inlay_turn_hook *hook, int program, __u32 ifindex, bool generic);
/* tcx, or else a filter. |beside|: that of the other direction, or none. */
int inlay_turn_hook_tc(struct inlay_turn_hook *hook, int program, __u32 ifindex, bool egress,
		       const struct inlay_turn_hook *beside);
int inlay_turn_hook_tcx(struct inlay_turn_hook *hook, int program, __u32 ifindex, bool egress);
int inlay_turn_hook_filter(struct inlay_turn_hook *hook, int program, __u32 ifindex, bool egress,
			   const struct inlay_turn_hook *beside);
/* Takes one that is none. The qdisc goes too, if it came with us and nobody else uses it. */
void inlay_turn_hook_drop(struct inlay_turn_hook *hook);

#endif
