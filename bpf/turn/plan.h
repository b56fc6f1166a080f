/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What is to become of a packet: decided here, whole, before a byte of it is touched. XDP and TC
 * differ afterwards, in how it leaves.
 */
#ifndef INLAY_TURN_PLAN_H
#define INLAY_TURN_PLAN_H

#include "hop.h"
#include "tap.h"

/* RFC 8200 section 5: what every IPv6 link takes. RFC 7915 section 5.1: what is no longer than this
 * in IPv4 may be fragmented on its way. */
#define INLAY_TURN_V6_MIN 1280
#define INLAY_TURN_DF_MAX 1260

/* Of the UDP checksum in the packet that goes out. */
enum inlay_turn_sum {
	INLAY_TURN_SUM_DONE,  /* |sum| is it */
	INLAY_TURN_SUM_OWED,  /* there is none, and IPv6 wants one: over all of the data */
	INLAY_TURN_SUM_MAYBE, /* as if left to hardware: |pseudo_sum| if so, else |sum| */
};

struct inlay_turn_plan {
	__u64 now;
	__u32 ingress;		   /* where it came in: the caller's to set */
	struct inlay_turn_leg in;  /* whose packet it is */
	struct inlay_turn_leg out; /* another one, if it goes straight to another client */
	const struct inlay_turn_hop *hop;
	const struct inlay_addr *src;
	const struct inlay_addr *dst;
	__u32 to_client; /* the flow's own packet, from its peer */
	__u32 v4;	 /* in which it goes out */
	__u32 df;
	__be16 channel;	  /* 0: without ChannelData's header */
	__u16 udp_len;	  /* host order */
	__u16 sum;	  /* as it lies in the packet */
	__u16 pseudo_sum; /* folded */
	__u32 sum_kind;	  /* enum inlay_turn_sum */
	__u32 front;	  /* bytes before the application's data, from the link layer on */
};

/* --- Which way ------------------------------------------------------------------------------- */

/*
 * The peer is an address of this host, most likely another client's relayed one: straight on to
 * that client, if both flows may. Anything else there is none of ours to send anywhere.
 */
INLAY_INLINE __u32 inlay_turn_plan_hairpin(void *ctx, const struct inlay_turn_control *c, __u64 now,
					   struct inlay_turn_plan *plan)
{
	struct inlay_turn_flow *from = plan->in.flow, *flow;
	__u32 index, why;

	flow = inlay_turn_flow_by_peer(&from->peer, &from->relayed, &index);
	if (!flow)
		return INLAY_REASON_TURN_UNKNOWN_PEER;
	why = inlay_turn_leg_of(flow, index, now, &plan->out);
	if (why != INLAY_TURN_GO)
		return why;
	plan->src = &flow->server;
	plan->dst = &flow->client;
	plan->channel = flow->channel;
	plan->hop = &plan->out.stats->to_client;
	if (!inlay_turn_hop_ready(ctx, &plan->out.stats->to_client, plan->src, plan->dst,
				  plan->ingress, c, now))
		return INLAY_REASON_TURN_NO_HOP;
	return plan->hop->flags & INLAY_TURN_HOP_LOCAL ? INLAY_REASON_TURN_NO_HOP : INLAY_TURN_GO;
}

INLAY_INLINE __u32 inlay_turn_plan_to_peer(void *ctx, const struct inlay_turn_control *c, __u64 now,
					   struct inlay_turn_plan *plan)
{
	struct inlay_turn_flow *flow = plan->in.flow;

	plan->src = &flow->relayed;
	plan->dst = &flow->peer;
	plan->channel = 0;
	plan->hop = &plan->in.stats->to_peer;
	if (!inlay_turn_hop_ready(ctx, &plan->in.stats->to_peer, plan->src, plan->dst,
				  plan->ingress, c, now))
		return INLAY_REASON_TURN_NO_HOP;
	if (plan->hop->flags & INLAY_TURN_HOP_LOCAL)
		return inlay_turn_plan_hairpin(ctx, c, now, plan);
	return INLAY_TURN_GO;
}

INLAY_INLINE __u32 inlay_turn_plan_to_client(void *ctx, const struct inlay_turn_control *c,
					     __u64 now, struct inlay_turn_plan *plan)
{
	struct inlay_turn_flow *flow = plan->in.flow;

	/* RFC 1812 section 5.3.7: the host takes nothing from outside that says to be from itself,
	 * as a spoofed peer that is another client's relayed address would. */
	if (inlay_turn_hop_ready(ctx, &plan->in.stats->to_peer, &flow->relayed, &flow->peer,
				 plan->ingress, c, now) &&
	    plan->in.stats->to_peer.flags & INLAY_TURN_HOP_LOCAL)
		return INLAY_REASON_TURN_NO_HOP;
	plan->src = &flow->server;
	plan->dst = &flow->client;
	plan->channel = flow->channel;
	plan->hop = &plan->in.stats->to_client;
	if (!inlay_turn_hop_ready(ctx, &plan->in.stats->to_client, plan->src, plan->dst,
				  plan->ingress, c, now))
		return INLAY_REASON_TURN_NO_HOP;
	return plan->hop->flags & INLAY_TURN_HOP_LOCAL ? INLAY_REASON_TURN_NO_HOP : INLAY_TURN_GO;
}

/* --- Lengths and checksum -------------------------------------------------------------------- */

INLAY_INLINE __u32 inlay_turn_plan_lengths(const struct inlay_turn_packet *p,
					   struct inlay_turn_plan *plan)
{
	__u32 ip_len, header = plan->channel ? INLAY_TURN_CHANNEL_HEADER : 0;
	__u32 udp_len = INLAY_NET_UDP_LEN + header + p->data_len;

	plan->v4 = plan->dst->family == INLAY_NET_AF_INET;
	ip_len = (plan->v4 ? INLAY_NET_IPV4_LEN : INLAY_NET_IPV6_LEN) + udp_len;
	if (p->ttl <= 1)
		return INLAY_REASON_TURN_TTL;
	if (ip_len > plan->hop->mtu)
		return INLAY_REASON_TURN_OVER_MTU;
	/* RFC 7915 section 4: this is to be fragmented, which is the host's to do. */
	if (!plan->v4 && !p->df && ip_len > INLAY_TURN_V6_MIN)
		return INLAY_REASON_TURN_OVER_MTU;
	plan->udp_len = (__u16)udp_len;
	plan->front = INLAY_NET_ETH_LEN + ip_len - p->data_len;
	/* RFC 8656 section 14: copied. From IPv6, RFC 7915 section 5.1. */
	plan->df = p->key.client.family == INLAY_NET_AF_INET ? p->df : ip_len > INLAY_TURN_DF_MAX;
	return INLAY_TURN_GO;
}

/* Of the one to three bytes behind ChannelData, which will not be there: as their words add up. */
INLAY_INLINE __u64 inlay_turn_sum_padding(enum inlay_turn_hook hook, void *ctx,
					  const struct inlay_turn_packet *p)
{
	__u8 bytes[4] = {0};
	__u32 odd = p->data_len & 1;

	if (inlay_turn_load(hook, ctx, p->at + INLAY_TURN_CHANNEL_HEADER + p->data_len, bytes,
			    inlay_turn_sized(p->pad_len, sizeof(bytes))))
		return 0;
	return odd ? (__u64)inlay_turn_pair(bpf_htons(bytes[0]), 0) +
			       inlay_turn_pair(bpf_htons((__u16)(bytes[1] << 8 | bytes[2])), 0)
		   : (__u64)inlay_turn_pair(bpf_htons((__u16)(bytes[0] << 8 | bytes[1])), 0) +
			       inlay_turn_pair(bpf_htons((__u16)(bytes[2] << 8)), 0);
}

/* RFC 1624, over all that changes: a wrong checksum stays wrong by as much. */
INLAY_INLINE __u32 inlay_turn_plan_sum(enum inlay_turn_hook hook, void *ctx,
				       const struct inlay_turn_packet *p,
				       struct inlay_turn_plan *plan)
{
	__u64 proto = bpf_htons(INLAY_NET_PROTO_UDP), was, is;
	__u32 in_len = bpf_htons(p->udp_len), out_len = bpf_htons(plan->udp_len);

	plan->sum_kind = INLAY_TURN_SUM_DONE;
	is = inlay_turn_sum_ip(plan->src) + inlay_turn_sum_ip(plan->dst) + out_len;
	plan->pseudo_sum = inlay_net_sum_fold(is + proto);
	if (!p->sum) {
		/* RFC 8200 section 8.1: IPv6 has none without. */
		if (p->key.client.family != INLAY_NET_AF_INET)
			return INLAY_REASON_TURN_NO_SUM;
		plan->sum = 0;
		plan->sum_kind = plan->v4 ? INLAY_TURN_SUM_DONE : INLAY_TURN_SUM_OWED;
		return INLAY_TURN_GO;
	}
	was = inlay_turn_sum_ip(&p->key.client) + inlay_turn_sum_ip(&p->key.server) + in_len;
	if (p->sum == inlay_net_sum_fold(was + proto)) {
		/* As a socket leaves it to a device that shall sum the rest. A whole checksum has
		 * this value once in 65536 times. XDP cannot tell, nor say it on. */
		if (hook == INLAY_TURN_AT_XDP)
			return INLAY_REASON_TURN_NO_SUM;
		plan->sum_kind = INLAY_TURN_SUM_MAYBE;
	}
	was += in_len + p->key.client.port + p->key.server.port;
	is += out_len + plan->src->port + plan->dst->port;
	if (p->key.channel)
		was += p->key.channel + bpf_htons(p->data_len);
	if (plan->channel)
		is += plan->channel + bpf_htons(p->data_len);
	if (p->pad_len)
		was += inlay_turn_sum_padding(hook, ctx, p);
	plan->sum = inlay_net_sum_update(p->sum, inlay_net_sum_fold(was), inlay_net_sum_fold(is));
	/* RFC 768: zero would say that there is none. */
	plan->sum = plan->sum ? plan->sum : 0xffff;
	return INLAY_TURN_GO;
}

/* Of data that stand at |at|: pieces, as older kernels sum them. False: not all of it is there. */
INLAY_INLINE bool inlay_turn_sum_data(enum inlay_turn_hook hook, void *ctx, __u32 at, __u32 len,
				      __u64 *sum)
{
	struct inlay_turn_scratch *s = inlay_turn_scratch_of();
	__u32 i, n;

	if (!s || len > INLAY_TURN_ROOM)
		return false;
	for (i = 0; i < INLAY_TURN_ROOM / INLAY_TURN_PIECE && len > 0; i++) {
		n = inlay_turn_sized(len < INLAY_TURN_PIECE ? len : INLAY_TURN_PIECE,
				     INLAY_TURN_PIECE);
		if (inlay_turn_load(hook, ctx, at, inlay_turn_scratch_bytes(s), n))
			return false;
		inlay_view_put32(inlay_turn_scratch_bytes(s) + n, 0);
		*sum += (__u32)bpf_csum_diff(NULL, 0, (void *)inlay_turn_scratch_bytes(s),
					     (n + 3) & ~3U, 0);
		at += n;
		len -= n;
	}
	return true;
}

/* The whole checksum of a packet that had none. */
INLAY_INLINE __u32 inlay_turn_plan_owed(enum inlay_turn_hook hook, void *ctx,
					const struct inlay_turn_packet *p,
					struct inlay_turn_plan *plan)
{
	__u64 sum = plan->pseudo_sum;

	sum += plan->src->port + plan->dst->port + bpf_htons(plan->udp_len);
	if (plan->channel)
		sum += plan->channel + bpf_htons(p->data_len);
	if (!inlay_turn_sum_data(hook, ctx,
				 p->at + (p->key.channel ? INLAY_TURN_CHANNEL_HEADER : 0),
				 p->data_len, &sum))
		return INLAY_REASON_TURN_NO_SUM;
	plan->sum = (__u16)~inlay_net_sum_fold(sum);
	plan->sum = plan->sum ? plan->sum : 0xffff;
	return INLAY_TURN_GO;
}

/* --- All of it ------------------------------------------------------------------------------- */

/* Which flow: GO with |plan->in| filled, or why not. */
INLAY_INLINE __u32 inlay_turn_plan_flow(enum inlay_turn_hook hook, void *ctx,
					struct inlay_turn_packet *p,
					const struct inlay_turn_control *c, bool tap,
					struct inlay_turn_plan *plan, __u64 *ret_now)
{
	struct inlay_turn_flow *flow = NULL;
	__u32 index = 0, why;

	plan->to_client = false;
	if (inlay_turn_may_be_channel(p))
		flow = inlay_turn_flow_by_channel(p, &index);
	if (flow) {
		if (!p->segments && !inlay_turn_read_channel(p))
			return INLAY_REASON_TURN_MALFORMED;
	} else {
		plan->to_client = true;
		inlay_view_put32((__u8 *)&p->key.channel, 0);
		flow = inlay_turn_flow_by_peer(&p->key.server, &p->key.client, &index);
		if (!flow)
			return INLAY_REASON_TURN_UNKNOWN_PEER;
	}
	if (p->segments)
		return INLAY_REASON_TURN_SEGMENTS;
	*ret_now = inlay_turn_now();
	why = inlay_turn_leg_of(flow, index, *ret_now, &plan->in);
	if (why == INLAY_REASON_TURN_WATCHED && !plan->to_client && tap)
		inlay_turn_tap_channel(hook, ctx, p, flow, index);
	if (why != INLAY_TURN_GO)
		return why;
	return *ret_now < INLAY_TURN_READ(c->alive_until) ? INLAY_TURN_GO
							  : INLAY_REASON_TURN_NOT_ALIVE;
}

/* A packet that no flow takes. Which reason, if any. */
INLAY_INLINE __u32 inlay_turn_plan_unknown(enum inlay_turn_hook hook, void *ctx,
					   const struct inlay_turn_packet *p,
					   const struct inlay_turn_control *c, bool tap)
{
	if (!inlay_turn_is_server_port(c, p->key.server.port))
		return INLAY_REASON_TURN_UNKNOWN_PEER;
	if (inlay_turn_may_be_channel(p))
		return INLAY_REASON_TURN_UNKNOWN_CHANNEL;
	if (tap)
		inlay_turn_tap_request(hook, ctx, p);
	return INLAY_TURN_STRANGER;
}

/* As inlay_turn_read_merge(): what leaves is one to the verifier. */
INLAY_INLINE void inlay_turn_plan_merge(struct inlay_turn_packet *p, struct inlay_turn_plan *plan)
{
	__u32 zero = inlay_cursor_zero;

	plan->to_client ^= zero;
	plan->v4 ^= zero;
	plan->df ^= zero;
	plan->sum_kind ^= zero;
	plan->sum ^= (__u16)zero;
	plan->pseudo_sum ^= (__u16)zero;
	plan->channel ^= (__u16)zero;
	plan->udp_len ^= (__u16)zero;
	plan->front ^= zero;
	p->pad_len ^= (__u16)zero;
	p->data_len ^= (__u16)zero;
	inlay_view_put32((__u8 *)&p->key.channel, inlay_turn_pair(p->key.channel, 0) ^ zero);
}

/* GO: it can leave by |plan|, if the way out takes packets from |hook|. */
INLAY_INLINE __u32 inlay_turn_plan_make(enum inlay_turn_hook hook, void *ctx,
					struct inlay_turn_packet *p,
					const struct inlay_turn_control *c, bool tap,
					struct inlay_turn_plan *plan)
{
	__u64 now = 0;
	__u32 why;

	plan->out.flow = NULL;
	why = inlay_turn_plan_flow(hook, ctx, p, c, tap, plan, &now);
	if (why == INLAY_REASON_TURN_UNKNOWN_PEER)
		return inlay_turn_plan_unknown(hook, ctx, p, c, tap);
	if (why != INLAY_TURN_GO)
		return why;
	plan->now = now;
	why = plan->to_client ? inlay_turn_plan_to_client(ctx, c, now, plan)
			      : inlay_turn_plan_to_peer(ctx, c, now, plan);
	if (why == INLAY_TURN_GO)
		why = inlay_turn_plan_lengths(p, plan);
	if (why == INLAY_TURN_GO)
		why = inlay_turn_plan_sum(hook, ctx, p, plan);
	if (why == INLAY_TURN_GO)
		inlay_turn_plan_merge(p, plan);
	return why;
}

/* Both flows' rates, if there are two. Only for what leaves for certain. */
INLAY_INLINE bool inlay_turn_plan_conforms(const struct inlay_turn_packet *p,
					   const struct inlay_turn_plan *plan)
{
	__u32 bytes = p->udp_len - INLAY_NET_UDP_LEN;

	if (!inlay_turn_conforms(plan->in.allocation, bytes))
		return false;
	return !plan->out.flow || inlay_turn_conforms(plan->out.allocation, p->data_len);
}

INLAY_INLINE void inlay_turn_plan_account(const struct inlay_turn_packet *p,
					  const struct inlay_turn_plan *plan)
{
	struct inlay_turn_stats *stats = plan->in.stats;

	stats->last = plan->now;
	if (plan->to_client) {
		stats->to_client_packets++;
		stats->to_client_bytes += p->data_len;
		return;
	}
	stats->to_peer_packets++;
	stats->to_peer_bytes += p->data_len;
	if (!plan->out.flow)
		return;
	plan->out.stats->to_client_packets++;
	plan->out.stats->to_client_bytes += p->data_len;
	plan->out.stats->last = plan->now;
}

#endif
