/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames for the programs at a TURN server, made from what a vector says of them and with every
 * checksum summed whole: nothing of the programs' own arithmetic is used.
 */
#ifndef INLAY_TESTS_TURN_DATAGRAM_H
#define INLAY_TESTS_TURN_DATAGRAM_H

#include "inlay_turn_abi.h"

#define FRAME_MAX 4096

/* Ends of datagrams in the scene; by pairs, IPv4 and then IPv6. */
enum end {
	NOBODY,
	CLIENT4,
	CLIENT6,
	SECOND4, /* another client */
	SECOND6,
	SERVER4,
	SERVER6,
	PEER4,
	PEER6,
	RELAYED, /* and so on, by end_relayed() */
};

enum sum_kind {
	SUM_RIGHT,
	SUM_ZERO,
	SUM_WRONG,   /* by 0x1111 */
	SUM_PARTIAL, /* the pseudo-header's, for a device to sum the rest */
};

struct datagram {
	struct inlay_addr src, dst;
	__u8 src_mac[6], dst_mac[6];
	__u8 tos, ttl;
	bool no_df;
	enum sum_kind sum;
	__u16 channel;	  /* 0: none */
	__u16 claims;	  /* more that ChannelData's length claims than there is */
	const void *data; /* NULL: a pattern */
	__u16 len;
	__u8 pad, pad_byte; /* behind the data, within UDP */
	__u8 trailer;	    /* behind IP's end */
};

/* Its length. |frame|: FRAME_MAX bytes. */
size_t datagram_put(const struct datagram *d, __u8 *frame);
/* Checksums as |d| says, of a frame whose fields were changed. */
void datagram_sum(const struct datagram *d, __u8 *frame);
/* Where UDP begins. */
size_t datagram_udp_at(const struct datagram *d);

#endif
