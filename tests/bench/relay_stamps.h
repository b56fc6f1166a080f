/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Timestamps by eBPF on both sides of a relay, and a count of its system calls: relay_stamps.bpf.c
 * loaded, attached, and its maps mapped. All of it goes with the process and the namespace.
 */
#ifndef INLAY_BENCH_RELAY_STAMPS_H
#define INLAY_BENCH_RELAY_STAMPS_H

#include "relay_stamps_abi.h"

#include "inlay_types.h"

struct bpf_object;
struct bpf_link;

struct relay_stamps {
	struct bpf_object *object;
	struct bpf_link *link; /* counts system calls while it is attached */
	struct relay_stamps_control *control;
	const struct relay_stamp *stamps;
	__u64 *calls; /* by number */
};

/* |in| and |out|: interfaces of the calling thread's namespace. 0; a negative errno: said why. */
int relay_stamps_open(struct relay_stamps *s, const char *file, const char *in, const char *out);
void relay_stamps_close(struct relay_stamps *s);

/* From now on: packets of [least, most] bytes to and from |port|. */
void relay_stamps_begin(struct relay_stamps *s, __u16 port, __u16 least, __u16 most);
/* No more of them; how many there are. */
size_t relay_stamps_end(struct relay_stamps *s);

/* System calls of |pid|; counting costs the process time. 0; a negative errno: said why. */
int relay_stamps_count_calls(struct relay_stamps *s, int pid);
/* How many since. */
__u64 relay_stamps_calls(struct relay_stamps *s);

#endif
