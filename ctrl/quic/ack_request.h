/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What we ask of the peer about its ACKs (draft-ietf-quic-ack-frequency, [AF] here): fewer of them,
 * as far as congestion control, loss detection and RTT estimate bear it. To a fan-out an ACK is a
 * packet to receive, open and match for every subscriber.
 *
 * The delay is never less than the peer announced: sparse media, an audio packet each 20 ms, would
 * draw more ACKs than before. It grows with the round trip, which it then does not lengthen much.
 */
#ifndef INLAY_QUIC_ACK_REQUEST_H
#define INLAY_QUIC_ACK_REQUEST_H

#include "conn.h"
#include "inlay_quic_frame.h"

struct inlay_ack_request {
	bool possible;	    /* the peer announced min_ack_delay */
	bool due;	    /* ACK_FREQUENCY is to be sent */
	bool any;	    /* one was sent: |asked| */
	inlay_ns announced; /* the peer's max_ack_delay */
	inlay_ns least;	    /* its min_ack_delay */
	inlay_ns granted;   /* its delay as of the newest request that was acknowledged */
	inlay_ns pending;   /* most asked for since; 0: nothing is outstanding */
	__u64 next_sequence;
	struct inlay_quic_ack_frequency wanted, asked;
	inlay_ns asked_at;
};

/* What the request follows from. */
struct inlay_ack_view {
	__u64 cwnd_pkts;
	inlay_ns smoothed_rtt;
	__u64 packet_threshold; /* of loss detection */
};

void inlay_ack_request_init(struct inlay_ack_request *r, const struct inlay_transport_params *peer);
/* Something was acknowledged: asks, or asks anew if much has changed since. */
void inlay_ack_request_update(struct inlay_ack_request *r, const struct inlay_ack_view *view,
			      inlay_ns now);
/* The path is another one ([AF] section 8.4): asks anew, whatever was asked before. */
void inlay_ack_request_renew(struct inlay_ack_request *r);
/* The frame to send. Sent: |due| no more. */
void inlay_ack_request_on_sent(struct inlay_ack_request *r, inlay_ns now);
void inlay_ack_request_on_acked(struct inlay_ack_request *r, __u64 sequence);
void inlay_ack_request_on_lost(struct inlay_ack_request *r, __u64 sequence);

/* The peer's max_ack_delay, for PTO ([AF] section 7): the most that may be in force. */
static inline inlay_ns inlay_ack_request_delay(const struct inlay_ack_request *r)
{
	return r->pending > r->granted ? r->pending : r->granted;
}

#endif
