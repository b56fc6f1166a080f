/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an observer of a connection is told, for logs that a person asks for (ctrl/qlog/). Off, it
 * costs a branch. Packets are told as they pass; what changes behind them (RTT, window, timers,
 * keys, path, state) is sampled after each input and each packet, and the observer compares. So the
 * engine's parts need no hooks of their own.
 *
 * An observer must not call the connection. It sees clear packets, tokens and payload among them:
 * what it may keep of those is its own business.
 */
#ifndef INLAY_QUIC_TRACE_H
#define INLAY_QUIC_TRACE_H

#include "close.h"
#include "inlay_quic.h"

enum inlay_trace_packet_kind {
	INLAY_TRACE_SENT,
	INLAY_TRACE_RECEIVED,
	INLAY_TRACE_DROPPED,
};

struct inlay_trace_packet {
	enum inlay_trace_packet_kind kind;
	const struct inlay_quic_clear *clear; /* NULL: it could not be parsed */
	size_t len;			      /* of the UDP payload */
	__u64 phase;			      /* of the keys that it has */
	__u8 ack_delay_exponent;	      /* of the ACKs in it */
	bool mtu_probe;
	/* SENT: a forwarder did, this long ago: told when the log is read. Its payload is not
	 * there: the frame's bytes are zero. */
	bool forwarded;
	inlay_ns ago;
	const char *trigger; /* DROPPED: why, in qlog's words */
};

/* Everything that is sampled. Pointers live for the length of the call. */
struct inlay_trace_state {
	const struct inlay_transport_params *own, *peer;
	const struct inlay_path *path;
	bool path_validated;
	__u64 peer_cid_sequence;
	struct inlay_cid peer_cid;
	inlay_ns min_rtt, smoothed_rtt, latest_rtt, rttvar;
	__u64 cwnd, ssthresh, bytes_in_flight;
	__u64 pacing_rate;	/* bytes/s; 0: not paced */
	const char *congestion; /* state of the controller, in qlog's words */
	__u32 pto_count;
	inlay_ns loss_timer; /* INLAY_NEVER: not set */
	bool by_threshold;   /* it is for packets lost by time; else for a probe */
	__u32 path_mtu;
	const char *ecn; /* state, in qlog's words; NULL: not known */
	__u64 tx_phase, rx_phase;
	bool handshake_confirmed;
	enum inlay_close_state close_state;
	const struct inlay_close_reason *why; /* once it is not OPEN */
};

struct inlay_trace {
	void (*packet)(void *ctx, const struct inlay_trace_packet *p, inlay_ns now);
	void (*lost)(void *ctx, __u64 pn, const char *trigger, inlay_ns now);
	/* It was opened, by us or the peer, or both of its sides are done. */
	void (*stream)(void *ctx, __u64 id, bool opened, inlay_ns now);
	/* False: it has seen enough, and is released. */
	bool (*sample)(void *ctx, const struct inlay_trace_state *s, inlay_ns now);
	/* The last call: the connection is freed, has another observer, or sample() said so. */
	void (*release)(void *ctx);
};

#endif
