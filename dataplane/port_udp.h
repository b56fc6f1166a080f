/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A port that is a UDP socket: bursts of datagrams into and out of struct inlay_frame. The socket
 * never blocks and never fragments. One thread at a time receives, and one sends.
 *
 * Where the kernel can, several datagrams cross it as one message: on their way out (GSO) those to
 * one destination, marked alike, of one size but for a shorter last; on their way in (GRO) those
 * that the kernel merged. Nothing else tells the two ways of sending apart: the same datagrams
 * leave, in the same order, and each frame has its own fate.
 */
#ifndef INLAY_DATAPLANE_PORT_UDP_H
#define INLAY_DATAPLANE_PORT_UDP_H

#include "inlay_abi.h"

#define INLAY_PORT_BURST    64 /* datagrams that one call moves at most */
#define INLAY_PORT_SEGMENTS 64 /* datagrams in one message at most: the kernel's older bound */

/* All monotonic; written by who receives or sends, read by any with inlay_load_u64(). */
struct inlay_port_stats {
	__u64 rx_messages;	/* what the kernel handed over: a datagram, or several in one */
	__u64 rx_merged;	/* of those, messages of several */
	__u64 rx_merged_frames; /* datagrams in them */
	__u64 tx_calls;		/* of sendmmsg() */
	__u64 tx_messages, tx_merged, tx_merged_frames;
	__u64 gso_refused; /* 1: a message of several was refused, its datagrams were not */
};

struct inlay_port_udp {
	int fd;
	__u16 index;		  /* written into every frame received */
	bool gso;		  /* messages of several are sent; false for good once refused */
	struct inlay_addr local;  /* as bound: with the port number that the kernel chose */
	__u32 kernel_drops;	  /* datagrams that found the socket buffer full, ever; wraps */
	struct inlay_port_rx *rx; /* GRO: received and not split yet; NULL: no GRO */
	struct inlay_port_stats stats;
};

struct inlay_port_udp_config {
	struct inlay_addr local; /* port 0: any */
	__u16 index;
	__u32 buffer_bytes;  /* wanted socket buffers; the kernel may give less. 0: leave alone */
	bool no_gso, no_gro; /* not even where the kernel can */
};

/* 0; -EADDRINUSE; -EADDRNOTAVAIL; -EAFNOSUPPORT; -ENOMEM; what socket() and bind() return. */
int inlay_port_udp_open(struct inlay_port_udp *port, const struct inlay_port_udp_config *config);
/* Closing a closed port, or a zeroed one with fd -1, does nothing. */
void inlay_port_udp_close(struct inlay_port_udp *port);

/*
 * Receives up to |n| datagrams, as INLAY_FRAME_SEALED; a datagram larger than a frame, or from
 * nobody, comes with kind 0 and no bytes. Returns how many; fewer than |n|: the socket is empty.
 */
size_t inlay_port_udp_recv(struct inlay_port_udp *port, struct inlay_frame **frames, size_t n,
			   inlay_ns now);
/* Datagrams wait in the port itself: the socket will not tell of them. */
bool inlay_port_udp_has_more(const struct inlay_port_udp *port);

/* One datagram to send, from its frame's path's local address to the remote one, marked |ecn|. */
struct inlay_port_item {
	struct inlay_frame *frame;
	__u32 len;  /* checked by the caller: a frame's own may change under us */
	__u8 ecn;   /* enum inlay_ecn */
	bool alone; /* never in one message with others */
	/* Of a forwarded copy: its entry in the sent log, where its sender marks it if it never
	 * leaves; nothing to the port. NULL: it is none. */
	struct inlay_sent *sent;
	__u64 pn;
};

/* What became of a burst. */
struct inlay_port_sent {
	size_t done;	  /* items from the first on that are settled: sent or refused */
	size_t failed;	  /* of those, refused by the kernel: no route, a firewall ... */
	size_t too_large; /* of those, refused as larger than the way out takes */
	__u64 refused;	  /* which those are: a bit for each item */
	__u64 bytes;	  /* of what was sent */
	bool blocked;	  /* the socket takes no more for now: wait until it is writable */
};

void inlay_port_udp_send(struct inlay_port_udp *port, const struct inlay_port_item *items, size_t n,
			 struct inlay_port_sent *ret_sent);

#endif
