/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What the stamping programs (relay_stamps.bpf.c) and the bench share. Maps that hold these are
 * mapped by the bench. [B] the bench writes it while no program runs over it; [P] the programs.
 */
#ifndef INLAY_BENCH_RELAY_STAMPS_ABI_H
#define INLAY_BENCH_RELAY_STAMPS_ABI_H

#include <linux/types.h>

#define RELAY_STAMPS	  (1U << 20)
#define RELAY_STAMP_CALLS 512 /* system call numbers */

/* One packet of the size class, on its way into the relay's namespace or out of it. */
struct relay_stamp {
	__u64 time;  /* CLOCK_MONOTONIC, ns */
	__u32 ip;    /* of the peer, IPv4, as in the packet */
	__u16 port;  /* of the peer, host order */
	__u16 len;   /* UDP payload */
	__u8 out;    /* 0: from the publisher. 1: to a subscriber */
	__u8 merged; /* datagrams that the kernel passes on in one with it */
	__u8 pad[6];
};

struct relay_stamps_control {
	__u64 n;    /* [B] [P] by fetch-add: stamps taken; those beyond RELAY_STAMPS are lost */
	__u32 port; /* [B] of the relay, host order */
	__u32 pid;  /* [B] of the process whose system calls are counted */
	__u16 least, most; /* [B] bytes of UDP payload: the size class */
	__u32 pad;
};

#endif
