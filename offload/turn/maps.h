/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The BPF object: its programs and maps, loaded with sizes of our own, and the memory that is
 * shared with the programs.
 */
#ifndef INLAY_OFFLOAD_TURN_MAPS_H
#define INLAY_OFFLOAD_TURN_MAPS_H

#include <bpf/libbpf.h>

#include "tables.h"

struct inlay_turn_maps {
	struct bpf_object *object;
	int xdp, ingress, egress; /* programs */
	int clients, peers, watched, stats, reasons, links, requests, responses;
	struct inlay_turn_flow *flows;
	struct inlay_turn_allocation *allocations;
	struct inlay_turn_control *control;
	__u64 *lost; /* by enum inlay_turn_ring */
	__u32 n_flows, n_allocations;
	int n_cpus;
	struct inlay_turn_stats *cpu_stats; /* room to read one flow's */
};

/* A line about what failed, and what to do. */
struct inlay_turn_error {
	char *line;
	size_t room;
};
void inlay_turn_say(const struct inlay_turn_error *error, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* libbpf says on standard error what its return values say: from now on it does not, until what is
 * returned is given to libbpf_set_print(). */
libbpf_print_fn_t inlay_turn_hush(void);

/* |path|: the object. -EPERM; -ENOENT; -ENOMEM; -EPROTO: of another version; what the kernel
 * returned. |maps| is to be given to fini() in any case. */
int inlay_turn_maps_init(struct inlay_turn_maps *maps, const char *path, __u32 n_flows,
			 __u32 n_allocations, const struct inlay_turn_error *error);
void inlay_turn_maps_fini(struct inlay_turn_maps *maps);

/* The tables' operations. */
void inlay_turn_maps_backend(struct inlay_turn_maps *maps, struct inlay_turn_backend *ret_backend);
void inlay_turn_maps_reasons(const struct inlay_turn_maps *maps,
			     struct inlay_reason_counters *ret_counters);
/* |flags| 0: not ours. */
void inlay_turn_maps_set_link(struct inlay_turn_maps *maps, __u32 ifindex, __u32 flags);

#endif
