/* SPDX-License-Identifier: BSD-2-Clause */
/* One engine and, in the peer's place, a hand that writes any frames it likes. No cipher. */
#ifndef INLAY_TESTS_QUIC_SOLO_H
#define INLAY_TESTS_QUIC_SOLO_H

#include <stdlib.h>
#include <string.h>

#include "conn_internal.h"
#include "inlay_quic_write.h"

#define SOLO_LOG    256
#define SOLO_PROBES 3
#define SOLO_T0	    (1000 * INLAY_S)

struct solo {
	struct inlay_subscriber entry;
	struct inlay_sent log[SOLO_LOG];
	struct inlay_handover handover;
	struct inlay_conn_ops ops;
	struct inlay_conn *conn;
	struct inlay_path path;
	inlay_ns now;
	__u64 next_pn; /* of the peer */
	__u8 next_cid;
	inlay_ns keep_alive;
	__u32 max_window_growth;
	__u64 max_send_buffer; /* 0: 64 KiB */
	const struct inlay_policy *policy;
	bool closed;
	struct inlay_close_reason why;
	/* What the engine told the application and the endpoint. */
	__u64 data_bytes, resets, stops, streams_closed, datagrams, available;
	__u32 tx_updates, rx_updates, drops, cid_changes, cids_retired, path_changes;
	__u64 tx_first;
	int tokens, probes; /* in force */
	struct inlay_path probe[SOLO_PROBES];
	__u32 migrated, not_migrated;
	__u8 random; /* what the last random bytes were made of */
	struct inlay_cid newest_cid;
};

static void solo_on_data(void *user, __u64 id, const __u8 *data, size_t len, bool fin)
{
	((struct solo *)user)->data_bytes += len;
}

static void solo_on_reset(void *user, __u64 id, __u64 code)
{
	((struct solo *)user)->resets++;
}

static void solo_on_stop(void *user, __u64 id, __u64 code)
{
	((struct solo *)user)->stops++;
}

static void solo_on_stream_closed(void *user, __u64 id)
{
	((struct solo *)user)->streams_closed++;
}

static void solo_on_datagram(void *user, const __u8 *data, size_t len)
{
	((struct solo *)user)->datagrams++;
}

static void solo_on_available(void *user, bool bidi)
{
	((struct solo *)user)->available++;
}

static void solo_on_closed(void *user, const struct inlay_close_reason *why)
{
	struct solo *s = user;

	if (s->closed)
		abort(); /* once */
	s->closed = true;
	s->why = *why;
}

static int solo_cid_issue(void *user, struct inlay_cid *ret_cid, __u8 ret_token[16])
{
	struct solo *s = user;
	__u8 data[INLAY_OWN_CID] = {0xc1, 0xd0};

	data[7] = ++s->next_cid;
	inlay_cid_set(ret_cid, data, sizeof(data));
	memset(ret_token, s->next_cid, 16);
	s->newest_cid = *ret_cid;
	return 0;
}

static void solo_cid_retire(void *user, const struct inlay_cid *cid)
{
	((struct solo *)user)->cids_retired++;
}

static void solo_peer_cid(void *user, const struct inlay_cid *cid, bool add)
{
	((struct solo *)user)->cid_changes += add;
}

static void solo_peer_token(void *user, const __u8 token[16], bool add)
{
	((struct solo *)user)->tokens += add ? 1 : -1;
}

static int solo_phase_tx(void *user, __u64 first_pn)
{
	struct solo *s = user;

	s->tx_updates++;
	s->tx_first = first_pn;
	return 0;
}

static int solo_phase_rx(void *user)
{
	((struct solo *)user)->rx_updates++;
	return 0;
}

static void solo_drop(void *user)
{
	((struct solo *)user)->drops++;
}

/* Ways that packets may go by besides the one in use, as a provider keeps them. */
static bool solo_forget_probe(struct solo *s, const struct inlay_path *path)
{
	int i;

	for (i = 0; i < s->probes; i++)
		if (!memcmp(&s->probe[i], path, sizeof(*path))) {
			s->probe[i] = s->probe[--s->probes];
			return true;
		}
	return false;
}

static void solo_path_change(void *user, const struct inlay_path *path)
{
	struct solo *s = user;

	solo_forget_probe(s, path);

	s->path_changes++;
	s->path = *path;
}

static void solo_path_probe(void *user, const struct inlay_path *path, bool add)
{
	struct solo *s = user;

	/* Taken out twice, or more than a provider has room for. */
	if (add ? s->probes == SOLO_PROBES : !solo_forget_probe(s, path))
		abort();
	if (add)
		s->probe[s->probes++] = *path;
}

static void solo_on_migrated(void *user, const struct inlay_path *path, bool done)
{
	struct solo *s = user;

	if (done)
		s->migrated++;
	else
		s->not_migrated++;
}

static void solo_random(void *user, __u8 *dst, size_t len)
{
	memset(dst, ++((struct solo *)user)->random, len);
}

static const struct inlay_conn_ops solo_ops = {
	.on_stream_data = solo_on_data,
	.on_stream_reset = solo_on_reset,
	.on_stop_sending = solo_on_stop,
	.on_stream_closed = solo_on_stream_closed,
	.on_datagram = solo_on_datagram,
	.on_streams_available = solo_on_available,
	.on_closed = solo_on_closed,
	.cid_issue = solo_cid_issue,
	.cid_retire = solo_cid_retire,
	.peer_cid = solo_peer_cid,
	.peer_token = solo_peer_token,
	.next_phase_tx = solo_phase_tx,
	.next_phase_rx = solo_phase_rx,
	.drop_old_phase = solo_drop,
	.path_change = solo_path_change,
	.path_probe = solo_path_probe,
	.on_migrated = solo_on_migrated,
	.random = solo_random,
};

static inline struct inlay_transport_params solo_params(void)
{
	return (struct inlay_transport_params){
		.initial_max_data = 5000,
		.initial_max_stream_data_bidi_local = 2000,
		.initial_max_stream_data_bidi_remote = 2000,
		.initial_max_stream_data_uni = 2000,
		.initial_max_streams_bidi = 4,
		.initial_max_streams_uni = 4,
		.max_idle_timeout = 30 * INLAY_S,
		.max_udp_payload_size = 1472,
		.active_connection_id_limit = 3,
		.ack_delay_exponent = 3,
		.max_ack_delay = 25 * INLAY_MS,
		.max_datagram_frame_size = 1000,
	};
}

/* Everything but the engine: change s->handover before solo_start(). */
static inline void solo_init(struct solo *s, enum inlay_role role)
{
	const __u8 own[INLAY_OWN_CID] = {1, 2, 3, 4, 5, 6, 7, 8}, peer[5] = {9, 8, 7, 6, 5};

	memset(s, 0, sizeof(*s));
	s->now = SOLO_T0;
	s->ops = solo_ops;
	s->path.local.family = 2;
	s->path.remote.family = 2;
	s->path.remote.port = 4433;
	s->handover.role = role;
	s->handover.path = s->path;
	s->handover.own = solo_params();
	s->handover.peer = solo_params();
	s->handover.smoothed_rtt = 100 * INLAY_MS;
	s->handover.latest_rtt = 100 * INLAY_MS;
	s->handover.min_rtt = 100 * INLAY_MS;
	s->handover.rttvar = 10 * INLAY_MS;
	inlay_cid_set(&s->handover.own_cid, own, sizeof(own));
	inlay_cid_set(&s->handover.peer_cid, peer, sizeof(peer));
}

static inline bool solo_start(struct solo *s)
{
	const struct inlay_conn_config config = {
		.handover = &s->handover,
		.ops = &s->ops,
		.user = s,
		.entry = &s->entry,
		.log = s->log,
		.log_size = SOLO_LOG,
		.max_recv_buffer = 64 * 1024,
		.max_send_buffer = s->max_send_buffer ? s->max_send_buffer : 64 * 1024,
		.max_window_growth = s->max_window_growth,
		.max_datagram_queue = 4000,
		.max_streams_open = 8,
		.keep_alive = s->keep_alive,
		.policy = s->policy,
	};

	s->conn = inlay_conn_new(&config, s->now);
	return s->conn != NULL;
}

static inline void solo_stop(struct solo *s)
{
	inlay_conn_free(s->conn);
}

/* A clear packet of the peer with number |pn|, sent to |cid|. */
static inline void solo_recv_as(struct solo *s, const struct inlay_cid *cid, __u64 pn, __u8 flags,
				const void *frames, size_t len)
{
	__u8 packet[INLAY_FRAME_MAX];
	struct inlay_writer w = inlay_writer_of(packet, sizeof(packet));

	if (!inlay_quic_put_short(&w, cid, pn, 4) || !inlay_writer_bytes(&w, frames, len) ||
	    !inlay_quic_put_desc(&w, 1, 1, flags, (__u8)(1 + cid->len + 4), pn))
		abort();
	/* The provider leaves the phase bit as it came. */
	if ((s->conn->keys.rx_phase + (flags & ~INLAY_DESC_ECN_MASK ? 1 : 0)) & 1)
		packet[0] |= INLAY_QUIC_SHORT_PHASE;
	inlay_conn_recv(s->conn, &s->path, packet, inlay_writer_len(&w), s->now);
}

static inline void solo_recv(struct solo *s, const void *frames, size_t len)
{
	solo_recv_as(s, &s->handover.own_cid, s->next_pn++, 0, frames, len);
}

/* What the engine sends next, taken apart. False: nothing. |room|: INLAY_FRAME_MAX bytes, which
 * |ret| points into. */
static inline bool solo_send(struct solo *s, __u8 *room, struct inlay_quic_clear *ret)
{
	struct inlay_path path;
	size_t len = inlay_conn_send(s->conn, room, INLAY_FRAME_MAX, &path, s->now);

	struct inlay_desc desc;

	if (len == 0)
		return false;
	if (len < sizeof(desc))
		abort();
	/* Packets of different paths have connection IDs of their own, maybe of other lengths. */
	memcpy(&desc, room + len - sizeof(desc), sizeof(desc));
	if (desc.hdr_len < 1 + INLAY_TX_PN ||
	    !inlay_quic_clear_parse(room, len, desc.hdr_len - 1U - INLAY_TX_PN, ret))
		abort();
	return true;
}

/* Sends all that there is; returns how many packets. */
static inline unsigned int solo_drain(struct solo *s)
{
	__u8 room[INLAY_FRAME_MAX];
	struct inlay_quic_clear clear;
	unsigned int n = 0;

	while (solo_send(s, room, &clear) && n < 10000)
		n++;
	return n;
}

/* Sends all that there is, and looks for a frame of |type|; the last one found is |*ret|. */
static inline unsigned int solo_find(struct solo *s, enum inlay_quic_frame_type type,
				     struct inlay_quic_frame *ret)
{
	static __u8 room[64][INLAY_FRAME_MAX];
	struct inlay_quic_clear clear;
	struct inlay_quic_frame f;
	unsigned int n = 0, i;

	for (i = 0; i < 64 && solo_send(s, room[i], &clear); i++) {
		while (inlay_cursor_left(&clear.frames) > 0) {
			if (inlay_quic_frame_parse(&clear.frames, &f))
				abort();
			if (f.type != type)
				continue;
			*ret = f;
			n++;
		}
	}
	return n;
}

/* The peer acknowledges all that was sent since |first|, and is not asked to do so again. */
static inline void solo_ack(struct solo *s, __u64 first)
{
	struct inlay_quic_range ranges[SOLO_LOG];
	__u64 pn = s->entry.next_pn;
	__u8 frame[1024];
	struct inlay_writer w = inlay_writer_of(frame, sizeof(frame));
	size_t n = 0;

	while (pn > first) {
		pn--;
		if (inlay_sentlog_fate(&s->conn->log, pn) == INLAY_FATE_VOID)
			continue;
		if (n > 0 && ranges[n - 1].begin == pn + 1)
			ranges[n - 1].begin = pn;
		else if (n < SOLO_LOG)
			ranges[n++] = (struct inlay_quic_range){pn, pn + 1};
	}
	if (n > 0 && inlay_quic_put_ack(&w, ranges, n, 0, NULL) == n)
		solo_recv(s, frame, inlay_writer_len(&w));
}

/* With nothing to send and nothing in flight. */
static inline void solo_start_quiet(struct solo *s)
{
	if (!solo_start(s))
		abort();
	solo_drain(s);
	solo_ack(s, 0);
	solo_drain(s);
}

static inline void solo_start_as(struct solo *s, enum inlay_role role)
{
	solo_init(s, role);
	solo_start_quiet(s);
}

#endif
