/* SPDX-License-Identifier: BSD-2-Clause */
/* See vectors.h: a vector for each check that the programs make, and for each that they must not
 * lack. */
#include "vectors.h"

#include <arpa/inet.h>
#include <string.h>

/* The programs' clock may be a tick behind. */
#define PAST (20 * INLAY_MS)

#define CHANNEL(flow) (INLAY_TURN_CHANNEL_MIN + (flow))
#define PAIR(k)	      (FLOW_PAIRS + 2 * (k))
#define OTHER(k)      (PAIR(k) + 1)

/* ChannelData of FLOW_44, and of others; and what a peer sends to them. */
#define FROM_CLIENT4 .in = TO_CLIENTS, .src = CLIENT4, .dst = SERVER4
#define FROM_CLIENT6 .in = TO_CLIENTS, .src = CLIENT6, .dst = SERVER6
#define RELAYED_AS(link, from, to)                                                                 \
	.outcome = RELAYED_TO, .reason = UNCOUNTED, .out = (link), .src = (from), .dst = (to)
#define TO_PEER(flow, family) .want = {RELAYED_AS(TO_PEERS, RELAYED + (flow), PEER##family)}
#define TO_CLIENT(flow, family)                                                                    \
	.want = {RELAYED_AS(TO_CLIENTS, SERVER##family, CLIENT##family), .channel = CHANNEL(flow)}
#define TO_SECOND      .want = {RELAYED_AS(TO_CLIENTS, RELAYED + FLOW_44, SECOND4)}
#define OVER	       .want = {.outcome = DROPPED, .reason = INLAY_REASON_TURN_OVER_LIMIT}
#define LEFT(why)      .want = {.reason = INLAY_REASON_TURN_##why}
#define LEFT_UNCOUNTED .want = {.reason = UNCOUNTED}
#define SAMPLED	       .want = {.reason = INLAY_REASON_TURN_WATCHED, .told = {INLAY_TURN_CHANNEL_DATA, 1}}
#define LEFT_LOCAL     LEFT(UNKNOWN_PEER)
#define TOLD(kind)     .want = {PASSES, UNCOUNTED, .told = {INLAY_TURN_##kind, 1}}

#define DATA_44	  FROM_CLIENT4, .packet = {.channel = CHANNEL(FLOW_44)}
#define PAIR_DATA FROM_CLIENT4, .packet = {.channel = CHANNEL(PAIR(0))}
#define SERVED	  .in = TO_CLIENTS, .src = SERVER4, .dst = CLIENT4
#define LEAVING	  .in = TO_PEERS, .src = RELAYED + FLOW_44, .dst = PEER4
#define PEER_44	  .in = TO_PEERS, .src = PEER4, .dst = RELAYED + FLOW_44

/* --- States ---------------------------------------------------------------------------------- */

#define STATE(name, ...)                                                                           \
	static void name(struct scene *s)                                                          \
	{                                                                                          \
		struct inlay_turn_flow *f = &s->flows[FLOW_44];                                    \
		struct inlay_turn_allocation *a = &s->allocations[f->allocation];                  \
		(void)f;                                                                           \
		(void)a;                                                                           \
		__VA_ARGS__;                                                                       \
	}

STATE(channel_past, f->channel_until = scene_now() - PAST)
STATE(permission_past, f->permission_until = scene_now() - PAST)
STATE(allocation_past, a->until = scene_now() - PAST)
STATE(other_generation, f->generation++)
STATE(no_generation, f->generation = 0; scene_ref(FLOW_44, (struct inlay_turn_ref){FLOW_44, 0}))
STATE(flow_free, f->state = INLAY_TURN_FREE)
STATE(flow_watched, scene_watch(s, FLOW_44))
STATE(flow_watched_by_peer, f->state = INLAY_TURN_WATCHED)
STATE(watched_and_gone, scene_watch(s, FLOW_44); f->generation++)
STATE(watched_and_fast, scene_watch(s, FLOW_44); f->state = INLAY_TURN_FAST)
STATE(watched_for_another, scene_watch(s, FLOW_44); f->peer.ip[3]++)
STATE(samples_spent, scene_watch(s, FLOW_44); f->sampled_since = scene_now() - PAST;
      f->samples = INLAY_TURN_SAMPLES)
STATE(samples_spent_long_ago, scene_watch(s, FLOW_44);
      f->sampled_since = scene_now() - 2 * INLAY_TURN_SAMPLE_TIME; f->samples = INLAY_TURN_SAMPLES)
STATE(samples_out_spent, scene_watch(s, FLOW_44); f->sampled_since = scene_now() - PAST;
      f->samples_out = INLAY_TURN_SAMPLES)
STATE(not_alive, s->control->alive_until = scene_now() - PAST)
STATE(mode_off, s->control->mode = INLAY_TURN_OFF)
STATE(mode_observe, s->control->mode = INLAY_TURN_OBSERVE)
STATE(observe_behind_xdp, s->control->mode = INLAY_TURN_OBSERVE;
      scene_link(s, TO_CLIENTS, INLAY_TURN_LINK_XDP | INLAY_TURN_LINK_XMIT | INLAY_TURN_LINK_TC))
STATE(observe_over, s->control->mode = INLAY_TURN_OBSERVE; a->packet_cost = 1;
      a->packet_time = scene_now() + INLAY_S)
STATE(other_channel, f->channel = htons(0x4abc))
STATE(other_client, f->client.port++)
STATE(other_server, f->server.ip[3]++)
STATE(other_peer, f->peer.port++)
STATE(other_relayed, f->relayed.ip[3]++)
STATE(allocation_out_of_range, f->allocation = 1 << 20)
STATE(flow_out_of_range, scene_ref(FLOW_44, (struct inlay_turn_ref){1 << 20, f->generation}))
STATE(unknown_neighbour, f->peer.ip[3] = 77)
STATE(no_route, f->peer.ip[0] = 99)
STATE(blackhole, f->peer.ip[1] = 4)
STATE(peer_is_local, f->peer.ip[3] = 1)
STATE(peer_is_loopback, memcpy(f->peer.ip, "\x7f\0\0\1", 4))
STATE(peer_is_broadcast, f->peer.ip[3] = 255)
STATE(peer_is_group, f->peer.ip[0] = 224)
STATE(client_is_local, f->client.ip[3] = 1)
STATE(narrow_route, f->peer.ip[1] = 3)
STATE(no_xmit, scene_link(s, TO_PEERS, 0))
STATE(only_tc, scene_link(s, TO_PEERS, INLAY_TURN_LINK_TC))
STATE(only_xdp, scene_link(s, TO_PEERS, INLAY_TURN_LINK_TX | INLAY_TURN_LINK_XMIT))
STATE(only_tx, scene_link(s, TO_PEERS, INLAY_TURN_LINK_TX))
STATE(back_only_xmit, f->peer = end_addr(SECOND4);
      scene_link(s, TO_CLIENTS, INLAY_TURN_LINK_XMIT | INLAY_TURN_LINK_TC))
STATE(back_only_tc, f->peer = end_addr(SECOND4); scene_link(s, TO_CLIENTS, INLAY_TURN_LINK_TC))
STATE(back, f->peer = end_addr(SECOND4))
STATE(behind_xdp, scene_link(s, TO_CLIENTS, INLAY_TURN_LINK_XDP | INLAY_TURN_LINK_TC))
STATE(behind_xdp_watched, behind_xdp(s); scene_watch(s, FLOW_44))
STATE(behind_xdp_past, behind_xdp(s); f->channel_until = 1)
STATE(packets_spent, a->packet_cost = 1000; a->burst = 5000; a->packet_time = scene_now() + INLAY_S)
STATE(bytes_spent, a->byte_cost = 1000; a->burst = 5000; a->byte_time = scene_now() + INLAY_S)
STATE(bytes_spent_without_cost, a->byte_time = scene_now() + INLAY_S; a->packet_cost = 1)
STATE(packets_left, a->packet_cost = 1000; a->burst = INLAY_S;
      a->packet_time = scene_now() + INLAY_S / 2)
STATE(bytes_left, a->byte_cost = 1000; a->burst = INLAY_S; a->byte_time = scene_now() + INLAY_S / 2)
STATE(behind_xdp_spent, behind_xdp(s); packets_spent(s))
STATE(only_one_port, s->control->n_ports = 1)

STATE(pair_other_past, s->flows[OTHER(0)].channel_until = 1)
STATE(pair_other_permission_past, s->flows[OTHER(0)].permission_until = 1)
STATE(pair_other_allocation_past, s->allocations[s->flows[OTHER(0)].allocation].until = 1)
STATE(pair_other_watched, scene_watch(s, OTHER(0)))
STATE(pair_other_gone, s->flows[OTHER(0)].generation++)
STATE(pair_other_is_local, s->flows[OTHER(0)].client.ip[3] = 1)
STATE(pair_own_past, s->flows[PAIR(0)].channel_until = 1)

static void spend(struct scene *s, __u32 flow)
{
	struct inlay_turn_allocation *a = &s->allocations[s->flows[flow].allocation];

	a->packet_cost = 1000;
	a->packet_time = scene_now() + INLAY_S;
}

STATE(pair_other_spent, spend(s, OTHER(0)))
STATE(pair_own_spent, spend(s, PAIR(0)))

/* --- Changes --------------------------------------------------------------------------------- */

#define CHANGE(name, ...)                                                                          \
	static void name(struct datagram *d, __u8 *frame, size_t *len)                             \
	{                                                                                          \
		__u8 *ip = frame + 14, *udp = frame + datagram_udp_at(d);                          \
		(void)ip;                                                                          \
		(void)udp;                                                                         \
		(void)len;                                                                         \
		__VA_ARGS__;                                                                       \
	}

CHANGE(more_fragments, ip[6] |= 0x20; datagram_sum(d, frame))
CHANGE(later_fragment, ip[7] = 1; datagram_sum(d, frame))
CHANGE(wrong_ip_sum, ip[10] ^= 1)
CHANGE(version_5, ip[0] = 0x55; datagram_sum(d, frame))
CHANGE(v6_version_4, ip[0] = 0x40)
CHANGE(is_tcp, ip[9] = IPPROTO_TCP; datagram_sum(d, frame))
CHANGE(v6_is_tcp, ip[6] = IPPROTO_TCP)
CHANGE(v6_fragment, ip[6] = IPPROTO_FRAGMENT)
CHANGE(v6_hop_by_hop, ip[6] = IPPROTO_HOPOPTS)
CHANGE(v6_link_local, memcpy(ip + 8, "\xfe\xbf", 2))
CHANGE(v6_to_link_local, memcpy(ip + 24, "\xfe\x80", 2))
CHANGE(is_arp, frame[12] = 8; frame[13] = 6)
CHANGE(to_a_group, frame[0] |= 1)
CHANGE(has_tag, memmove(frame + 16, frame + 12, *len - 12); memcpy(frame + 12, "\x81\0\0\5", 4);
       *len += 4)
CHANGE(udp_longer, udp[5] += 4)
CHANGE(udp_shorter, udp[5] -= 4; datagram_sum(d, frame))
CHANGE(udp_of_seven, udp[5] = 7; ip[3] = 27; datagram_sum(d, frame))
CHANGE(cut_by_one, *len -= 1)
CHANGE(cut_in_udp, *len = datagram_udp_at(d) + 7)
CHANGE(cut_in_ip, *len = 14 + 19)
CHANGE(length_longer, udp[11] += 1; datagram_sum(d, frame))
CHANGE(length_shorter, udp[11] -= 1; datagram_sum(d, frame))
CHANGE(length_of_all, memset(udp + 10, 0xff, 2); datagram_sum(d, frame))
CHANGE(one_byte_of_channel, udp[8] = 0x40; datagram_sum(d, frame))

/* With options: an IHL of 6. */
static void options(struct datagram *d, __u8 *frame, size_t *len)
{
	__u8 *ip = frame + 14;

	memmove(ip + 24, ip + 20, *len - 34);
	memset(ip + 20, 1, 4);
	*len += 4;
	ip[0] = 0x46;
	ip[3] += 4;
}

/* STUN: a type and the cookie. */
static void message(struct datagram *d, __u8 *frame, __u8 class, __u8 method)
{
	__u8 *stun = frame + datagram_udp_at(d) + 8;

	stun[0] = class;
	stun[1] = method;
	memcpy(stun + 4, "\x21\x12\xa4\x42", 4);
	datagram_sum(d, frame);
}

#define MESSAGE(name, type)                                                                        \
	static void name(struct datagram *d, __u8 *frame, size_t *len)                             \
	{                                                                                          \
		message(d, frame, (type) >> 8, (type)&0xff);                                       \
	}

MESSAGE(allocate, 0x0003)
MESSAGE(refresh, 0x0004)
MESSAGE(create_permission, 0x0008)
MESSAGE(channel_bind, 0x0009)
MESSAGE(binding, 0x0001)
MESSAGE(send_indication, 0x0016)
MESSAGE(allocate_success, 0x0103)
MESSAGE(channel_bind_error, 0x0119)
MESSAGE(binding_success, 0x0101)
MESSAGE(allocate_indication, 0x0013)

static void success_fragment(struct datagram *d, __u8 *frame, size_t *len)
{
	allocate_success(d, frame, len);
	more_fragments(d, frame, len);
}

static void no_cookie(struct datagram *d, __u8 *frame, size_t *len)
{
	allocate(d, frame, len);
	frame[datagram_udp_at(d) + 12] ^= 1;
	datagram_sum(d, frame);
}

/* --- The table ------------------------------------------------------------------------------- */

static const struct expected relayed_by_tc = {RELAYED_AS(TO_PEERS, RELAYED + FLOW_44, PEER4)};
static const struct expected not_by_tc = {.reason = INLAY_REASON_TURN_NO_XMIT};

const struct vector vectors[] = {
#include "vectors_relay.def"
#include "vectors_refuse.def"
#include "vectors_tap.def"
};

const __u32 vectors_count = INLAY_ARRAY_SIZE(vectors);
