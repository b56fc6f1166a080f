/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a MoQ session needs from the connection below it. No operation calls back into the session;
 * what it leads to is delivered later, from outside. Three things stand below: our established
 * phase (ctrl/quic/), the whole of libngtcp2 (ctrl/peer/: publisher, subscriber and tests), and
 * later WebTransport over either.
 */
#ifndef INLAY_MOQ_TRANSPORT_H
#define INLAY_MOQ_TRANSPORT_H

#include "inlay_types.h"

/* ctrl/quic/conn.h: the definitions that every transport uses */
struct inlay_stream_source;
struct inlay_datagram_order;
struct inlay_policy_view;
struct inlay_loan_ops;

/* What a forwarder knows a connection by (bpf/include/inlay_abi.h). */
struct inlay_moq_shared {
	__u32 subscriber; /* index of its subscriber entry */
	__u16 generation; /* of that entry */
	__u16 rx_sa_generation;
	__u32 rx_sa; /* receive SA: what its packets are opened by */
};

/* How far a stream of ours is. */
struct inlay_moq_progress {
	__u64 sent;   /* bytes sent at least once, by whom ever */
	__u64 acked;  /* bytes acknowledged without a gap */
	__u64 number; /* of the stream */
	bool lent;
};

/* The packet whose frame is being delivered, as a journal knows it. */
struct inlay_moq_packet {
	__u64 number;  /* ~0: none is being delivered */
	__u64 largest; /* number received */
	__u32 media;   /* media frames before this one in the packet */
};

struct inlay_moq_transport_ops {
	/* 0; -EAGAIN: MAX_STREAMS reached, on_streams_available() follows; -ENOTCONN; -ENOMEM.
	 * |priority|: lower first. |source| NULL: bytes come by stream_write(). */
	int (*stream_open)(void *transport, bool bidi, __u64 priority,
			   const struct inlay_stream_source *source, void *ctx, __u64 *ret_id);
	/* 0; -ENOENT; -EPIPE; -ENOMEM. Copied. */
	int (*stream_write)(void *transport, __u64 id, const __u8 *data, size_t len, bool fin);
	/* Streams with a source: see inlay_conn_stream_extend(). */
	int (*stream_extend)(void *transport, __u64 id, __u64 end, bool fin);
	int (*stream_reset)(void *transport, __u64 id, __u64 code);
	int (*stream_stop)(void *transport, __u64 id, __u64 code);
	/* Bytes delivered by on_stream_data() are done with. */
	void (*stream_consume)(void *transport, __u64 id, size_t bytes);
	/* 0; -EMSGSIZE; -ENOBUFS; -ENOTSUP. Copied. */
	int (*datagram)(void *transport, const struct inlay_datagram_order *order, const __u8 *data,
			size_t len);
	size_t (*max_datagram)(void *transport);
	void (*close)(void *transport, __u64 code, const char *text);
	/* 0; -ENOENT. May be NULL: priorities are then those given at opening. */
	int (*stream_set_priority)(void *transport, __u64 id, __u64 priority);
	/* Class of its new bytes, and what a policy is told of the connection (ctrl/quic/policy.h).
	 * 0; -ENOENT. Both may be NULL: there are no classes, nothing is known. */
	int (*stream_set_class)(void *transport, __u64 id, __u8 class);
	void (*view)(void *transport, struct inlay_policy_view *ret);
	/* Datagrams of |flow| that wait to be sent: how many; throws them away. Both may be NULL:
	 * none ever waits. */
	size_t (*datagrams_queued)(void *transport, __u64 flow);
	void (*datagrams_drop)(void *transport, __u64 flow);
	/* For a forwarder; NULL, all of them: none serves this transport. */
	/* 0; -ENOTSUP: not this connection. */
	int (*shared)(void *transport, struct inlay_moq_shared *ret);
	/* See inlay_conn_stream_adopt(), _lend(), _recall(), _progress(). |number|: stream number.
	 */
	int (*stream_adopt)(void *transport, __u64 number, __u64 priority,
			    const struct inlay_stream_source *source, void *ctx,
			    const struct inlay_loan_ops *loan, void *loan_ctx, __u64 *ret_id);
	int (*stream_lend)(void *transport, __u64 id, const struct inlay_loan_ops *loan,
			   void *loan_ctx, __u64 *ret_offset);
	int (*stream_recall)(void *transport, __u64 id);
	/* False: no such stream any more. */
	bool (*stream_progress)(void *transport, __u64 id, struct inlay_moq_progress *ret);
	/* See inlay_conn_packet(). */
	void (*packet)(void *transport, struct inlay_moq_packet *ret);
};

struct inlay_moq_transport {
	const struct inlay_moq_transport_ops *ops;
	void *ctx;
	bool is_server;
};

#endif
