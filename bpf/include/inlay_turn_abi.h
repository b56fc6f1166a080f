/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What userspace and the programs in front of a TURN server share (design section 8): tables of
 * what may go fast, and events from which the watcher learns. All integers are host order unless
 * the type says otherwise; times are CLOCK_MONOTONIC, as bpf_ktime_get_ns() has them. Who writes a
 * field stands beside it: [U] userspace alone, [P] the programs alone, [B] both, atomically.
 *
 * A packet goes fast by one look-up: {client, server, channel number} in turn_clients, or {relayed,
 * peer} in turn_peers. Either leads, by number and generation, to the flow in turn_flows: one
 * channel of one allocation. Both directions are decided from that one entry, so a flow ends for
 * both at once, whatever else is stale. An entry is used again only when no program can still hold
 * what stood there before: its generation differs, and a grace period lies between.
 */
#ifndef INLAY_TURN_ABI_H
#define INLAY_TURN_ABI_H

#include "inlay_types.h"

#define INLAY_TURN_ABI_VERSION 1

/* Channel numbers: RFC 8656 section 12 has them up to 0x4fff, RFC 5766 had them up to 0x7fff, and
 * coturn binds, and its own client takes, what RFC 5766 had: the server's word decides. So the
 * first byte of ChannelData is 0x40 to 0x7f. */
#define INLAY_TURN_CHANNEL_MIN	  0x4000
#define INLAY_TURN_CHANNEL_MAX	  0x7fff
#define INLAY_TURN_CHANNEL_HEADER 4

/* --- Look-ups ------------------------------------------------------------------------------ */

/* Key of turn_clients (HASH). Addresses as in inlay_types.h: unused bytes and scope_id zero. */
struct inlay_turn_client_key {
	struct inlay_addr client;
	struct inlay_addr server; /* where the client sends to: as the packet has it */
	__be16 channel;
	__u16 pad; /* zero */
};

/* Key of turn_peers (HASH). */
struct inlay_turn_peer_key {
	struct inlay_addr relayed; /* as packets have it: behind 1:1 NAT not what the client sees */
	struct inlay_addr peer;
};

/*
 * Key of turn_watched (HASH): datagrams that leave a socket of the server's for |peer| from this
 * port prove that the server relays there. The address that they come from is not known before.
 */
struct inlay_turn_watched_key {
	struct inlay_addr peer;
	__be16 relayed_port;
	__u16 pad; /* zero */
};

/* Value of all three. */
struct inlay_turn_ref {
	__u32 flow;	  /* index into turn_flows; the reader checks it */
	__u32 generation; /* of that flow: another one is as good as no entry */
};

/* --- Tables -------------------------------------------------------------------------------- */

enum inlay_turn_flow_state {
	INLAY_TURN_FREE = 0,
	/* Bound by the server's own word, and not yet seen relayed: its ChannelData passes up, with
	 * samples for the watcher. Only turn_clients and turn_watched lead to it. */
	INLAY_TURN_WATCHED = 1,
	INLAY_TURN_FAST = 2,
};

/*
 * One channel of one allocation, in turn_flows (ARRAY, mmapable). Everything is written before the
 * keys that lead here are inserted; after that only |state| and the times change, each a store of
 * its own.
 */
struct inlay_turn_flow {
	__u32 generation;	   /* [U] 0 never names a flow */
	__u32 state;		   /* [U] enum inlay_turn_flow_state */
	__u64 channel_until;	   /* [U] the channel binding's end */
	__u64 permission_until;	   /* [U] of the peer's address */
	struct inlay_addr client;  /* [U] */
	struct inlay_addr server;  /* [U] */
	struct inlay_addr relayed; /* [U] FAST only */
	struct inlay_addr peer;	   /* [U] */
	__u32 allocation;	   /* [U] index into turn_allocations */
	__be16 channel;		   /* [U] */
	__u16 pad;		   /* zero */
	/* Samples sent for the watcher: at most INLAY_TURN_SAMPLES of each kind in each
	 * INLAY_TURN_SAMPLE_TIME. Racy by design: a limit, not a count. */
	__u64 sampled_since; /* [P] */
	__u32 samples;	     /* [P] CHANNEL_DATA */
	__u32 samples_out;   /* [P] RELAYED */
};
_Static_assert(sizeof(struct inlay_turn_flow) == 144, "ABI");

#define INLAY_TURN_SAMPLES     16
#define INLAY_TURN_SAMPLE_TIME (100 * INLAY_MS)

/*
 * In turn_allocations (ARRAY, mmapable). Rates are kept by the generic cell rate algorithm: a
 * packet conforms if |packet_time| is no more than |burst| ahead of now, and moves it on by its
 * cost; the same for bytes. 0 cost: no limit. Both directions count, as in coturn's max-bps.
 */
struct inlay_turn_allocation {
	__u64 until;	   /* [U] the allocation's end; 0: free */
	__u64 packet_time; /* [B] by compare-exchange; [U] before any flow leads here */
	__u64 byte_time;   /* [B] the same */
	__u64 burst;	   /* [U] in ns */
	__u32 packet_cost; /* [U] ns a packet */
	__u32 byte_cost;   /* [U] ns for 1024 bytes of UDP payload */
	__u64 over_limit;  /* [B] packets dropped for it, by fetch-add */
};
_Static_assert(sizeof(struct inlay_turn_allocation) == 48, "ABI");

/* What a CPU has found out about the way to one of a flow's ends (rule 5 of the design's facts):
 * used while |generation| is the control block's, and for INLAY_TURN_HOP_TIME at most. */
struct inlay_turn_hop {
	__u64 until;
	__u32 generation;
	__u32 ifindex;
	__u16 mtu; /* of IP packets */
	__u8 dst[6];
	__u8 src[6];
	__u16 flags; /* of turn_links, and INLAY_TURN_HOP_LOCAL */
};
#define INLAY_TURN_HOP_LINK 0x00ff /* those of enum inlay_turn_link_flags */
#define INLAY_TURN_HOP_LOCAL                                                                       \
	0x8000 /* not to be forwarded: an address of this host, most likely                        \
		*/
#define INLAY_TURN_HOP_TIME (1 * INLAY_S)

/* In turn_stats (PERCPU_ARRAY), by flow. [P]; userspace zeroes it before the flow is used. */
struct inlay_turn_stats {
	__u64 to_peer_packets;
	__u64 to_peer_bytes; /* of application data, without ChannelData's header */
	__u64 to_client_packets;
	__u64 to_client_bytes;
	__u64 last; /* when the last one went fast */
	struct inlay_turn_hop to_peer;
	struct inlay_turn_hop to_client;
};

enum inlay_turn_mode {
	INLAY_TURN_OFF = 0,	/* everything passes, nothing is reported */
	INLAY_TURN_OBSERVE = 1, /* counts what would have gone fast, and passes it */
	INLAY_TURN_RELAY = 2,
};

#define INLAY_TURN_PORTS 8

/* The only entry of turn_control (ARRAY, mmapable). */
struct inlay_turn_control {
	__u32 version; /* [U] INLAY_TURN_ABI_VERSION */
	__u32 mode;    /* [U] enum inlay_turn_mode */
	/*
	 * [U] Nothing goes fast past this time: a watcher that is gone learns of no end. It is
	 * moved on several times a second, to at most INLAY_TURN_ALIVE from now.
	 */
	__u64 alive_until;
	/* [U] raised whenever a route, neighbour, address or link changes, or turn_links. */
	__u32 hop_generation;
	__u32 n_ports; /* [U] */
	/* [U] Where the server listens. Only these are watched for requests and responses: a
	 * relayed socket's datagrams carry whatever a client likes, also what looks like a
	 * response. */
	__be16 ports[INLAY_TURN_PORTS];
};
#define INLAY_TURN_ALIVE (2 * INLAY_S)

/* In turn_links (HASH, by ifindex) [U]: what may be done with an interface; none: not ours. */
enum inlay_turn_link_flags {
	INLAY_TURN_LINK_XDP = 1 << 0, /* our XDP program stands at its ingress: TC taps nothing */
	INLAY_TURN_LINK_XMIT =
		1 << 1, /* XDP may redirect to it (its peer, ring or driver takes it) */
	INLAY_TURN_LINK_TX = 1 << 2, /* XDP_TX works */
	INLAY_TURN_LINK_TC = 1 << 3, /* TC may redirect to it */
};

/* --- Events -------------------------------------------------------------------------------- */

/*
 * Records of two ring buffers. turn_requests has what strangers can cause; turn_responses only what
 * a socket of this namespace has sent. A record that finds no room is counted in turn_lost
 * (ARRAY of two u64, by enum inlay_turn_ring) [P], by fetch-add: the watcher has to know.
 */
enum inlay_turn_ring {
	INLAY_TURN_REQUESTS = 0,
	INLAY_TURN_RESPONSES = 1,
};

enum inlay_turn_event_kind {
	INLAY_TURN_MESSAGE = 1,	     /* a STUN message, whole: Allocate, Refresh, CreatePermission,
					ChannelBind; requests in one ring, responses in the other */
	INLAY_TURN_CHANNEL_DATA = 2, /* requests: ChannelData of a flow that is WATCHED */
	INLAY_TURN_RELAYED = 3,	     /* responses: a datagram that turn_watched asked for */
};

#define INLAY_TURN_MESSAGE_MAX 1536 /* longer messages are not reported, which is counted */
#define INLAY_TURN_SAMPLE_MAX  64

struct inlay_turn_event {
	__u64 time;
	__u64 cookie; /* of the socket that sent it; 0 in the requests' ring */
	struct inlay_addr src;
	struct inlay_addr dst;
	__u32 kind;
	struct inlay_turn_ref flow; /* CHANNEL_DATA, RELAYED */
	__be16 channel;		    /* CHANNEL_DATA */
	/* Bytes of |data|. MESSAGE: all of it; else the beginning of the application's data, */
	__u16 len;
	__u16 data_len; /* which has this length */
	/* MESSAGE in the requests' ring: the UDP checksum as the packet had it; see
	 * inlay_turn_message_sound(). */
	__be16 udp_sum;
	__u8 data[]; /* INLAY_TURN_MESSAGE_MAX or INLAY_TURN_SAMPLE_MAX bytes of room */
};

#endif
