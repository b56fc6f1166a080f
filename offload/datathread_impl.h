/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the sources of the data thread share: datathread.c (its loop, and the way up), and
 * datathread_down.c (the way down).
 */
#ifndef INLAY_OFFLOAD_DATATHREAD_IMPL_H
#define INLAY_OFFLOAD_DATATHREAD_IMPL_H

#include <pthread.h>

#include "datathread.h"
#include "inlay_atomic.h"

#define INLAY_DT_BURST		 INLAY_PORT_BURST
#define INLAY_DT_BURSTS_PER_TURN 4   /* in each direction, of each port */
#define INLAY_DT_STASH		 256 /* frames that wait for one blocked port */

/* Down frames that were taken from the ring, sealed, and not yet all sent or stashed, ordered by
 * port. They are sealed once, and their lengths read once: nobody can change them any more. */
struct inlay_dt_burst {
	struct inlay_port_item items[INLAY_DT_BURST];
	__u16 ports[INLAY_DT_BURST];
	size_t n;     /* items to send */
	size_t at;    /* the first that is not settled */
	size_t taken; /* ring slots to release when all are */
};

/* Sealed frames that wait for a port, oldest first, so that other ports need not. */
struct inlay_dt_stash {
	struct inlay_frame *frames; /* INLAY_DT_STASH; NULL: never needed yet */
	struct inlay_port_item items[INLAY_DT_STASH];
	size_t first, n;
	inlay_ns full_since; /* nothing has left since, and there is no room; 0: not so */
};

struct inlay_datathread {
	struct inlay_datathread_config config;
	struct inlay_fanout *fanout; /* NULL: nothing is forwarded */
	int epoll, stop_fd;
	pthread_t thread;
	bool running;
	/* The way up: the data thread's alone. |unread| has a bit for each port in which datagrams
	 * wait, of which epoll does not tell. */
	__u64 unread;
	inlay_ns forwarded_at; /* when copies left last */
	inlay_ns wake_at; /* the control thread, if it still sleeps then; 0: nothing waits for it */
	__u32 kernel_drops[INLAY_DATATHREAD_PORTS];  /* as last seen */
	struct inlay_frame *scratch[INLAY_DT_BURST]; /* to receive into what has no room */

	/* The way down, with the ring's consumer side and the ports' sending side: whoever holds
	 * |down_lock|. One bit a port. */
	pthread_mutex_t down_lock;
	__u64 blocked; /* waits to be writable */
	__u64 watched; /* epoll has been told so */
	struct inlay_dt_burst tx;
	struct inlay_dt_stash *stashes[INLAY_DATATHREAD_PORTS];

	/* Each member of |stats| is written by one way alone; read by any. */
	struct inlay_datathread_stats stats __attribute__((aligned(INLAY_CACHELINE)));
	struct inlay_reason_counters reasons;
};

static inline void inlay_dt_add(__u64 *counter, __u64 n)
{
	inlay_store_u64(counter, *counter + n);
}

/* Some reasons belong to both ways. */
static inline void inlay_dt_count(struct inlay_datathread *dt, enum inlay_reason reason, __u64 n)
{
	if (n)
		inlay_fetch_add_u64(&dt->reasons.count[reason], n);
}

static inline void inlay_dt_count_verdict(struct inlay_datathread *dt, __u8 verdict)
{
	inlay_dt_count(dt, inlay_verdict_reason((enum inlay_verdict)verdict), 1);
}

inlay_ns inlay_dt_now(void);

/* datathread_down.c: under dt->down_lock, if there are two threads. */
/* Sends what the down ring has, a bounded part of it; |writable|: ports that epoll reported. */
void inlay_dt_transmit(struct inlay_datathread *dt, __u64 writable);
/* The down ring waits for a port. */
bool inlay_dt_is_held(const struct inlay_datathread *dt);
/* All that the down ring has, as far as the sockets take it at once; nothing waits any more. */
void inlay_dt_send_the_rest(struct inlay_datathread *dt);
/* Sends copies, or has them wait in the port's stash; |user| is the data thread. It takes the lock.
 */
size_t inlay_dt_send_copies(void *user, __u16 port, const struct inlay_port_item *items, size_t n);
void inlay_dt_free_stashes(struct inlay_datathread *dt);

#endif
