/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A port that is a UDP socket: bursts of datagrams into and out of struct inlay_frame. The socket
 * never blocks and never fragments. One thread uses a port at a time.
 */
#ifndef INLAY_DATAPLANE_PORT_UDP_H
#define INLAY_DATAPLANE_PORT_UDP_H

#include "inlay_abi.h"

#define INLAY_PORT_BURST 64 /* datagrams that one call moves at most */

struct inlay_port_udp {
	int fd;
	__u16 index;		 /* written into every frame received */
	struct inlay_addr local; /* as bound: with the port number that the kernel chose */
	__u32 kernel_drops;	 /* datagrams that found the socket buffer full, ever; wraps */
};

struct inlay_port_udp_config {
	struct inlay_addr local; /* port 0: any */
	__u16 index;
	__u32 buffer_bytes; /* wanted socket buffers; the kernel may give less. 0: leave alone */
};

/* 0; -EADDRINUSE; -EADDRNOTAVAIL; -EAFNOSUPPORT; what socket() and bind() return. */
int inlay_port_udp_open(struct inlay_port_udp *port, const struct inlay_port_udp_config *config);
/* Closing a closed port, or a zeroed one with fd -1, does nothing. */
void inlay_port_udp_close(struct inlay_port_udp *port);

/*
 * Receives up to |n| datagrams, as INLAY_FRAME_SEALED; a datagram larger than a frame, or from
 * nobody, comes with kind 0 and no bytes. Returns how many; 0: none is waiting.
 */
size_t inlay_port_udp_recv(struct inlay_port_udp *port, struct inlay_frame **frames, size_t n,
			   inlay_ns now);

/* What became of a burst. */
struct inlay_port_sent {
	size_t done;   /* frames from the first on that are settled: sent or refused */
	size_t failed; /* of those, refused by the kernel: too large, no route ... */
	bool blocked;  /* the socket takes no more for now: wait until it is writable */
};

/* Sends |frames|, whose lengths were checked by the caller (|lens|: a frame's own may change under
 * us), each from its path's local address to the remote one. */
void inlay_port_udp_send(struct inlay_port_udp *port, struct inlay_frame *const *frames,
			 const __u32 *lens, size_t n, struct inlay_port_sent *ret_sent);

#endif
