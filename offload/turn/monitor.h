/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the kernel tells about the network namespace of the thread that opens it: links, addresses,
 * neighbours and routes that change, and UDP sockets that are destroyed.
 */
#ifndef INLAY_OFFLOAD_TURN_MONITOR_H
#define INLAY_OFFLOAD_TURN_MONITOR_H

#include "inlay_types.h"

struct nl_sock;

struct inlay_turn_monitor {
	struct nl_sock *route;
	struct nl_sock *sockets;
	int sockets_err; /* why sockets' ends are not told; 0: they are */
};

struct inlay_turn_news {
	bool links; /* something about an interface */
	bool hops;  /* something by which the way of packets may change */
	bool more;  /* there is more to read: call again soon */
	__u32 lost; /* times that ends of sockets were lost */
};

/* Sockets' ends may be missing: see |sockets_err|. -ENOMEM; what socket(2) returned. */
int inlay_turn_monitor_init(struct inlay_turn_monitor *m);
void inlay_turn_monitor_fini(struct inlay_turn_monitor *m);

/* Does not wait. A bounded number; |gone|: NULL, or what is called with the cookie of each UDP
 * socket that was destroyed. */
void inlay_turn_monitor_read(struct inlay_turn_monitor *m, void (*gone)(void *user, __u64 cookie),
			     void *user, struct inlay_turn_news *ret_news);
/* Two descriptors, the second -1 where there is none. */
void inlay_turn_monitor_fds(const struct inlay_turn_monitor *m, int ret_fds[2]);

#endif
