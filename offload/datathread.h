/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The data thread of the placement `user`: ties ports, crypto provider and rings together.
 *
 * Up: a long header passes as it is, a 1-RTT packet is opened and passes as a clear packet, one
 * with a connection ID that the provider does not know passes sealed (INLAY_FRAME_UNKNOWN): it may
 * be an early packet of a handshake, or a stateless reset. One that does not open is counted, and
 * goes up in case it is a reset as well (INLAY_FRAME_FORGED). Down: clear packets are sealed,
 * handshake packets and stateless resets pass as they are, and nothing else leaves: a frame that is
 * not what its kind says is refused (invariant 1). Whatever does not pass is counted by reason
 * (invariant 5).
 *
 * With a shared state it forwards as well (fanout.h): copies of what was opened leave at once,
 * behind what the down ring holds, whose numbers are lower; the originals go up all the same, and
 * after that. What a blocked port does not take of the copies waits in its stash, or is dropped and
 * marked so.
 *
 * A quarter of the up ring is for opened packets alone: what strangers send, which costs the
 * control thread most, crowds nobody out who has a connection.
 *
 * Work per wake-up is bounded, so that neither direction starves the other.
 */
#ifndef INLAY_OFFLOAD_DATATHREAD_H
#define INLAY_OFFLOAD_DATATHREAD_H

#include "fanout.h"
#include "inlay_reasons.h"
#include "port_udp.h"
#include "provider.h"
#include "ring.h"

/* RFC 9000 section 10.3: no stateless reset is shorter. Ours are never longer than the other bound,
 * so that no packet with media in it passes for one. */
#define INLAY_RESET_MIN 21
#define INLAY_RESET_MAX 64

#define INLAY_DATATHREAD_PORTS 64

struct inlay_datathread;

/* All of it outlives the data thread, and is used by it alone while it runs (and by
 * inlay_datathread_push()): of the rings, the up ring's producer side and the down ring's consumer
 * side; the provider locks by itself. */
struct inlay_datathread_config {
	struct inlay_provider *provider;
	struct inlay_ring *up, *down;
	struct inlay_port_udp *ports; /* port n has index n */
	size_t n_ports;		      /* at most INLAY_DATATHREAD_PORTS */
	int cpu;		      /* to run on; -1: any */
	/* How long all ports may have to wait for one that takes nothing. 0: 200 ms. */
	inlay_ns patience;
	/* Media is forwarded by these, and |context| of theirs is this thread's. NULL: all of it
	 * goes up, and no more. */
	const struct inlay_tables *tables;
	__u32 context;
};

/* 0; -EINVAL; -ENOMEM; what epoll_create and eventfd return. */
int inlay_datathread_new(const struct inlay_datathread_config *config,
			 struct inlay_datathread **ret_dt);
/* Starts the thread. 0; -EINVAL: no such CPU, or running; what pthread_create returns. */
int inlay_datathread_start(struct inlay_datathread *dt);
/* Sends what is in the down ring, as far as the sockets take it at once; then ends the thread. */
void inlay_datathread_stop(struct inlay_datathread *dt);
/*
 * For the down ring's producer, after inlay_ring_publish(): sees that it leaves. If the data thread
 * sleeps it is woken; or, |here|, what there is to send is sent by the calling thread, which costs
 * less than to wake another one. Not for long queues: two threads do those sooner.
 */
void inlay_datathread_push(struct inlay_datathread *dt, bool here);
/* One wake-up in the caller's thread, while no thread was started: for tests, and for who has a
 * loop of their own. */
void inlay_datathread_turn(struct inlay_datathread *dt, int timeout_ms);
/* Stops. Takes NULL. */
void inlay_datathread_free(struct inlay_datathread *dt);

struct inlay_datathread_stats {
	__u64 rx_packets, rx_bytes, rx_bursts; /* datagrams from the ports */
	__u64 tx_packets, tx_bytes, tx_bursts; /* datagrams that a port took */
	__u64 opened, sealed;
	__u64 blocked;		       /* times a socket took no more */
	struct inlay_port_stats ports; /* of all of them */
	struct inlay_fanout_stats fanout;
};

/* Any thread. */
void inlay_datathread_stats(const struct inlay_datathread *dt, struct inlay_datathread_stats *ret);
void inlay_datathread_reasons(const struct inlay_datathread *dt, struct inlay_reason_counters *ret);
/* Those of them that forwarding has counted. */
void inlay_datathread_forward_reasons(const struct inlay_datathread *dt,
				      struct inlay_reason_counters *ret);

#endif
