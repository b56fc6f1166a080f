/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A TURN server's host for the programs to stand in: a network namespace with an interface towards
 * clients and one towards peers, neighbours that are known, and tables filled with flows of every
 * combination of address families. No server is there: what it would see is what passes.
 */
#ifndef INLAY_TESTS_TURN_SCENE_H
#define INLAY_TESTS_TURN_SCENE_H

#include "datagram.h"
#include "inlay_reasons.h"

enum program {
	XDP,
	INGRESS,
	EGRESS,
	N_PROGRAMS,
};

enum link {
	TO_CLIENTS,
	TO_PEERS,
	N_LINKS,
};

/* Flows: of a client's family and a relayed address's; then pairs that are each other's peers, for
 * each family of the first client, the relayed addresses, and the second client. */
enum {
	FLOW_44,
	FLOW_46,
	FLOW_64,
	FLOW_66,
	FLOW_PAIRS,
	N_PAIRS = 8,
	N_FLOWS = FLOW_PAIRS + 2 * N_PAIRS,
};

#define SCENE_GENERATION 7
#define SCENE_MTU	 1500

struct scene {
	int programs[N_PROGRAMS];
	__u32 ifindex[N_LINKS];
	struct inlay_turn_flow *flows;
	struct inlay_turn_allocation *allocations;
	struct inlay_turn_control *control;
	__u64 *lost;
};

/* Ends the test, skipped or failed, where it cannot be had. */
void scene_open(struct scene *ret, const char *object);
/* As it was in the beginning: flows, settings, counters, nothing cached, rings empty. */
void scene_reset(struct scene *s);

/* An end's address: one of the enum, or the relayed one of a flow. */
int end_relayed(__u32 flow);
struct inlay_addr end_addr(int end);
/* What a frame for that link has: |ours| or the next hop's. */
void link_mac(enum link link, bool ours, __u8 *ret_mac);

/* Flags of turn_links. */
void scene_link(const struct scene *s, enum link link, __u32 flags);
void scene_watch(struct scene *s, __u32 flow);
void scene_forget_channel(__u32 flow);
void scene_forget_peer(__u32 flow);
/* What is a flow's leads to it, whatever its addresses have become. */
void scene_tie(const struct scene *s, __u32 flow);
/* What the entries of a flow say instead of its generation. */
void scene_ref(__u32 flow, struct inlay_turn_ref ref);

/* What every CPU has kept of a flow's next hops is a second old. */
void scene_age_hops(__u32 flow);

/* Sums over CPUs. */
__u64 scene_reason(__u32 reason);
void scene_stats(__u32 flow, struct inlay_turn_stats *ret);

/* The next record of a ring, copied; its length, or 0. |event|: FRAME_MAX bytes. */
size_t scene_event(enum inlay_turn_ring ring, struct inlay_turn_event *event);

struct run {
	enum program program;
	enum link in;
	__u32 segments;
	bool no_headroom;
	bool through; /* it leaves by |in|, and came in by another */
	const __u8 *frame;
	size_t len;
	__u32 repeat; /* 0: once */
	/* Results. */
	__u8 out[FRAME_MAX];
	size_t out_len;
	__u32 verdict;
	__u32 ns;
	bool impossible; /* this kernel cannot run it so */
};
void scene_run(const struct scene *s, struct run *run);

inlay_ns scene_now(void);
void die(const char *what) __attribute__((noreturn));
void skip(const char *why) __attribute__((noreturn));

#endif
