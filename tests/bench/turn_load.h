/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The TURN bench's load, the same for every contender: frames injected at a veth as a NIC's driver
 * would hand them over, and what arrived of them at the other end, counted by XDP there.
 */
#ifndef INLAY_BENCH_TURN_LOAD_H
#define INLAY_BENCH_TURN_LOAD_H

#include "turn_load_abi.h"

struct bpf_link;
struct bpf_object;

struct turn_load {
	struct bpf_object *object;
	struct turn_load_control *control;
	const __u64 *delays;
	struct turn_load_count *counts;
	int inject, frames, expected; /* descriptors */
	__u32 ingress;		      /* interface that frames leave by */
};

/* What a flow's datagrams are on the way to the relay. */
struct turn_load_path {
	__u8 src_mac[6], dst_mac[6];
	struct inlay_addr src, dst;
	__u16 channel; /* 0: application data alone */
};

/* 0; a negative errno: said why. Close it in either case. */
int turn_load_open(struct turn_load *l, const char *file);
void turn_load_close(struct turn_load *l);

/* Counts and swallows what arrives at an interface of the namespace where the caller is now. NULL:
 * said why. */
struct bpf_link *turn_load_receive(struct turn_load *l, const char *interface);
/* Ends that; takes NULL. */
void turn_load_receive_end(struct bpf_link *link);

/* A measurement begins; what is under way of the one before counts no more. Before
 * turn_load_set_flow(): datagrams have |bytes| of application data, and leave by
 * |interface|, of the namespace where the caller is now. */
void turn_load_set(struct turn_load *l, const char *interface, __u32 n_flows, __u32 bytes);
int turn_load_set_flow(struct turn_load *l, __u32 flow, const struct turn_load_path *path,
		       const struct turn_load_expected *expected);
struct turn_load_injected {
	__u64 sent;
	double waited_ns; /* CPU time of the caller's that it had nothing to do in */
	double window_s;  /* how long turn_load_count's in_window is */
};

/*
 * Sends |rate| frames a second, (0) as many as it can, for |duration|, from the namespace of that
 * interface; batch by batch, as a NIC's driver would hand them over. Uses SIGALRM. 0; -EAGAIN: the
 * machine was busy with something else when the window was to end; a negative errno.
 */
int turn_load_inject(const struct turn_load *l, unsigned int rate, inlay_ns duration,
		     struct turn_load_injected *ret);

/* Since it was asked before. */
struct turn_load_count turn_load_count(const struct turn_load *l);
/* Delays in ns of what arrived with stamps since turn_load_set(): *ret_n of them. */
const __u64 *turn_load_delays(const struct turn_load *l, size_t *ret_n);

#endif
