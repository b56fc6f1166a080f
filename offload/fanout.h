/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Forwarder, provider and ports together, sans-I/O: bursts of opened frames go in, sealed datagrams
 * come out to whoever sends. What the data thread of the placement `user` runs, and the simulation,
 * and the softnic.
 *
 * A copy that cannot be sealed or sent is marked dropped in its subscriber's log, and counted: why
 * it was not sealed by name, and with those that were not taken as COPY_DROPPED. The ports' owner
 * does the same with what it took.
 */
#ifndef INLAY_OFFLOAD_FANOUT_H
#define INLAY_OFFLOAD_FANOUT_H

#include "forwarder.h"
#include "port_udp.h"
#include "provider.h"

struct inlay_fanout;

struct inlay_fanout_ops {
	/* Sends datagrams that leave by one port, in order: as they stand in their frames, sealed,
	 * UDP payloads or, by a wire port, from the link layer on. Returns how many it took, or
	 * owns by now, and marks dropped should they not leave: the others, from there on, are
	 * dropped here. Frames are the fanout's, for the call. */
	size_t (*send)(void *user, __u16 port, const struct inlay_port_item *items, size_t n);
};

struct inlay_fanout_config {
	const struct inlay_tables *tables;
	__u32 context;
	struct inlay_provider *provider;
	const struct inlay_fanout_ops *ops;
	void *user;
};

/* 0; -EINVAL; -ENOMEM. All that |config| names outlives it. */
int inlay_fanout_new(const struct inlay_fanout_config *config, struct inlay_fanout **ret_fanout);
/* Takes NULL. */
void inlay_fanout_free(struct inlay_fanout *f);

#define INLAY_FANOUT_TURN 1024 /* copies after which it is others' turn */

/* Forwards a burst of frames of the kind INLAY_FRAME_CLEAR (others are passed over), and stops
 * behind the one that fills a turn; returns how many it is done with. All their copies have been
 * sent, or dropped, when it returns. The frames are unchanged: they go up as they are. */
size_t inlay_fanout_run(struct inlay_fanout *f, struct inlay_frame *const *frames, size_t n,
			inlay_ns now);

struct inlay_fanout_stats {
	__u64 packets; /* looked at */
	__u64 copies;  /* made */
	__u64 sent;    /* and taken by a port */
	__u64 dropped; /* and not sealed, or not taken */
};
/* Any thread. */
void inlay_fanout_stats(const struct inlay_fanout *f, struct inlay_fanout_stats *ret);
const struct inlay_reason_counters *inlay_fanout_reasons(const struct inlay_fanout *f);

#endif
