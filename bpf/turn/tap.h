/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What the watcher is told: requests and responses, and samples of what is not proven yet. A record
 * is put together beside the ring and copied there as long as it is: there is room for some ten
 * times as many as if each took the longest message's.
 */
#ifndef INLAY_TURN_TAP_H
#define INLAY_TURN_TAP_H

#include "flow.h"
#include "hook.h"

#define INLAY_TURN_STUN_HEADER 20
#define INLAY_TURN_AF_PACKET   17
#define INLAY_TURN_SOCK_RAW    3
#define INLAY_TURN_COOKIE      0x2112a442 /* RFC 8489 section 5 */

/* RFC 8489 section 5: the class is two bits of the message's type. */
enum inlay_turn_class {
	INLAY_TURN_REQUEST = 0x0000,
	INLAY_TURN_SUCCESS = 0x0100,
	INLAY_TURN_ERROR = 0x0110,
};

/* Allocate, Refresh, CreatePermission, ChannelBind (RFC 8656 section 17), of this class? */
INLAY_INLINE bool inlay_turn_is_method(__u16 type, enum inlay_turn_class class)
{
	__u16 method = type ^ class;

	return method == 3 || method == 4 || method == 8 || method == 9;
}

/* All of the four bytes at 4 and of the length that a message has at least. */
INLAY_INLINE bool inlay_turn_is_stun(const struct inlay_turn_packet *p)
{
	return p->cookie == bpf_htonl(INLAY_TURN_COOKIE) &&
	       p->udp_len >= INLAY_NET_UDP_LEN + INLAY_TURN_STUN_HEADER;
}

INLAY_INLINE void inlay_turn_lose(enum inlay_turn_ring ring)
{
	__u32 index = ring;
	__u64 *lost = bpf_map_lookup_elem(&turn_lost, &index);

	if (lost)
		__sync_fetch_and_add(lost, 1);
	inlay_turn_count(INLAY_REASON_TURN_EVENT_LOST);
}

/* |e| is filled but for what every kind has; |at|: where in the frame its |len| bytes begin. */
INLAY_INLINE void inlay_turn_report(enum inlay_turn_hook hook, void *ctx, __u32 at, __u32 len,
				    struct inlay_turn_event *e, enum inlay_turn_ring ring)
{
	void *map = ring == INLAY_TURN_REQUESTS ? (void *)&turn_requests : (void *)&turn_responses;

	e->time = bpf_ktime_get_ns();
	e->len = (__u16)len;
	if (len > 0) {
		len = inlay_turn_sized(len, INLAY_TURN_ROOM);
		if (inlay_turn_load(hook, ctx, at, e->data, len))
			return;
	}
	/* A sample that is lost is one of many: it says nothing about what the server granted. */
	if (bpf_ringbuf_output(map, e, sizeof(*e) + len, 0) && e->kind == INLAY_TURN_MESSAGE)
		inlay_turn_lose(ring);
}

INLAY_INLINE void inlay_turn_report_message(enum inlay_turn_hook hook, void *ctx,
					    const struct inlay_turn_packet *p, __u64 cookie,
					    enum inlay_turn_ring ring)
{
	struct inlay_turn_scratch *s = inlay_turn_scratch_of();
	__u32 len = p->udp_len - INLAY_NET_UDP_LEN;
	struct inlay_turn_event *e;

	if (!s)
		return;
	if (len > INLAY_TURN_MESSAGE_MAX) {
		inlay_turn_lose(ring);
		return;
	}
	e = inlay_turn_scratch_event(s);
	__builtin_memset(e, 0, sizeof(*e));
	e->cookie = cookie;
	e->src = p->key.client;
	e->dst = p->key.server;
	e->kind = INLAY_TURN_MESSAGE;
	e->data_len = (__u16)len;
	e->udp_sum = p->sum;
	inlay_turn_report(hook, ctx, p->at, len, e, ring);
}

/* Samples leave half of a ring to messages: clients can cause any number of them, and a response
 * that is lost ends everything that is fast. */
INLAY_INLINE bool inlay_turn_has_room(void *ring)
{
	return bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA) <
	       bpf_ringbuf_query(ring, BPF_RB_RING_SIZE) / 2;
}

INLAY_INLINE bool inlay_turn_may_sample(struct inlay_turn_flow *flow, __u32 *samples, void *ring)
{
	__u64 now = inlay_turn_now();

	if (!inlay_turn_has_room(ring))
		return false;
	if (now - flow->sampled_since >= INLAY_TURN_SAMPLE_TIME) {
		flow->sampled_since = now;
		flow->samples = 0;
		flow->samples_out = 0;
	}
	if (*samples >= INLAY_TURN_SAMPLES)
		return false;
	(*samples)++;
	return true;
}

/* The application's data begin at |at|. */
INLAY_INLINE void inlay_turn_report_sample(enum inlay_turn_hook hook, void *ctx,
					   const struct inlay_turn_packet *p, __u32 at,
					   struct inlay_turn_event *e, enum inlay_turn_ring ring)
{
	e->src = p->key.client;
	e->dst = p->key.server;
	e->channel = p->key.channel;
	e->data_len = p->data_len;
	e->udp_sum = 0;
	inlay_turn_report(hook, ctx, at,
			  p->data_len < INLAY_TURN_SAMPLE_MAX ? p->data_len : INLAY_TURN_SAMPLE_MAX,
			  e, ring);
}

/* ChannelData of a flow that is watched. */
INLAY_INLINE void inlay_turn_tap_channel(enum inlay_turn_hook hook, void *ctx,
					 const struct inlay_turn_packet *p,
					 struct inlay_turn_flow *flow, __u32 index)
{
	struct inlay_turn_scratch *s = inlay_turn_scratch_of();
	struct inlay_turn_event *e;

	if (!s || !inlay_turn_may_sample(flow, &flow->samples, &turn_requests))
		return;
	e = inlay_turn_scratch_event(s);
	e->kind = INLAY_TURN_CHANNEL_DATA;
	e->cookie = 0;
	e->flow.flow = index;
	e->flow.generation = flow->generation;
	inlay_turn_report_sample(hook, ctx, p, p->at + INLAY_TURN_CHANNEL_HEADER, e,
				 INLAY_TURN_REQUESTS);
}

/* What no flow takes, sent to the server: a request? */
INLAY_INLINE void inlay_turn_tap_request(enum inlay_turn_hook hook, void *ctx,
					 const struct inlay_turn_packet *p)
{
	if (inlay_turn_is_stun(p) && inlay_turn_is_method(p->head, INLAY_TURN_REQUEST))
		inlay_turn_report_message(hook, ctx, p, 0, INLAY_TURN_REQUESTS);
}

/* A success or an error of the server's own. */
INLAY_INLINE bool inlay_turn_is_response(const struct inlay_turn_packet *p,
					 const struct inlay_turn_control *c)
{
	return inlay_turn_is_server_port(c, p->key.client.port) && inlay_turn_is_stun(p) &&
	       (inlay_turn_is_method(p->head, INLAY_TURN_SUCCESS) ||
		inlay_turn_is_method(p->head, INLAY_TURN_ERROR));
}

/*
 * An error that strangers can cause any number of without credentials, and that says nothing about
 * what is there (the learner's list): it is shed as samples are. Servers have ERROR-CODE first (RFC
 * 8489 section 14.8); where one has not, the error is told.
 */
INLAY_INLINE bool inlay_turn_says_nothing(struct __sk_buff *skb, const struct inlay_turn_packet *p)
{
	__u16 method = p->head ^ INLAY_TURN_ERROR, code;
	__u8 first[8];

	if (!inlay_turn_is_method(p->head, INLAY_TURN_ERROR) ||
	    p->udp_len < INLAY_NET_UDP_LEN + INLAY_TURN_STUN_HEADER + sizeof(first) ||
	    bpf_skb_load_bytes(skb, p->at + INLAY_TURN_STUN_HEADER, first, sizeof(first)) ||
	    first[0] != 0 || first[1] != 9)
		return false;
	code = (__u16)((first[6] & 7) * 100 + first[7]);
	return code == 300 || code == 401 || code == 420 || code == 438 || code == 441 ||
	       (code == 400 && method != 9) || (code == 437 && method == 3);
}

/* The cookie of a socket that can speak for itself alone; 0: there is none. Packet sockets and raw
 * ones say anything in the server's name: also those of a container that stands on an interface of
 * ours by macvlan, and may have no more than CAP_NET_RAW there. */
INLAY_INLINE __u64 inlay_turn_cookie_of(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;

	if (!sk)
		return 0;
	sk = bpf_sk_fullsock(sk);
	if (!sk || sk->family == INLAY_TURN_AF_PACKET || sk->type == INLAY_TURN_SOCK_RAW)
		return 0;
	return bpf_get_socket_cookie(skb);
}

/* A datagram that may be what a watched flow's ChannelData had in it. */
INLAY_INLINE void inlay_turn_tap_relayed(struct __sk_buff *skb, const struct inlay_turn_packet *p)
{
	struct inlay_turn_watched_key key = {.peer = p->key.server,
					     .relayed_port = p->key.client.port};
	struct inlay_turn_scratch *s = inlay_turn_scratch_of();
	struct inlay_turn_event *e;
	struct inlay_turn_flow *flow;
	__u32 index;

	flow = inlay_turn_flow_of(bpf_map_lookup_elem(&turn_watched, &key), &index);
	if (!s || !flow || INLAY_TURN_READ(flow->state) != INLAY_TURN_WATCHED ||
	    !inlay_turn_same_addr(&flow->peer, &p->key.server))
		return;
	e = inlay_turn_scratch_event(s);
	e->kind = INLAY_TURN_RELAYED;
	e->cookie = inlay_turn_cookie_of(skb);
	e->flow.flow = index;
	e->flow.generation = flow->generation;
	if (e->cookie && inlay_turn_may_sample(flow, &flow->samples_out, &turn_responses))
		inlay_turn_report_sample(INLAY_TURN_AT_TC, skb, p, p->at, e, INLAY_TURN_RESPONSES);
}

/* What leaves: only what a socket of this namespace sends can say what the server did. */
INLAY_INLINE void inlay_turn_tap_egress(struct __sk_buff *skb, const struct inlay_turn_packet *p,
					const struct inlay_turn_control *c)
{
	__u64 cookie;

	if (!inlay_turn_is_response(p, c)) {
		inlay_turn_tap_relayed(skb, p);
		return;
	}
	if (inlay_turn_says_nothing(skb, p) && !inlay_turn_has_room(&turn_responses))
		return;
	cookie = inlay_turn_cookie_of(skb);
	if (cookie)
		inlay_turn_report_message(INLAY_TURN_AT_TC, skb, p, cookie, INLAY_TURN_RESPONSES);
}

#endif
