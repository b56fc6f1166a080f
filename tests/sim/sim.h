/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A simulated world: a relay (endpoint, MoQ sessions, relay, wired by the daemon's own sessions.c),
 * clients that publish and subscribe, on our established phase or on libngtcp2, each behind a NAT
 * and a pair of emulated links of its own whose settings change. Everything follows from a seed:
 * who there is, what they do and when, what the network does to them.
 *
 *     plan     what the seed makes of the world
 *     wire     packets under way, addresses
 *     watch    what is checked of paths and queues
 *     flow     what is checked of every packet that is sealed, with limits
 *     node     an endpoint of ours, its rings and its provider
 *     fast     the relay's forwarder
 *     client   one that comes, goes, publishes, subscribes, misbehaves
 *     published   what was published, by whom
 *     ledger   what arrived, and what excuses the difference
 *     world    all of it, and time
 *
 * A breach of any rule is told once, by sim_fail(), with the seed that leads to it, and ends the
 * run.
 */
#ifndef INLAY_TESTS_SIM_H
#define INLAY_TESTS_SIM_H

#include <stdio.h>

#include "endpoint.h"
#include "inlay_quic_frame.h"
#include "map.h"
#include "provider.h"
#include "../emulate/link.h" /* the network */
#include "link.h"	     /* of ctrl/cli: a MoQ session on libngtcp2 */
#include "list.h"
#include "peer.h"
#include "relay.h"
#include "sessions.h"
#include "state.h"
#include "transport_conn.h"

#define SIM_CLIENTS 10
#define SIM_TRACKS  6
#define SIM_SOURCES 2
#define SIM_PLACES  4096 /* addresses that clients have had, in one run */
#define SIM_LIVES   1024

struct sim;
struct sim_client;

/* --- plan ------------------------------------------------------------------------------------ */

struct sim_weights { /* of what clients do next */
	__u32 subscribe, unsubscribe, update, stall, rebind, key_update, rotate, migrate, link,
		outage, leave, vanish, reset, status, retire;
};

struct sim_plan {
	__u32 n_clients, n_publishers, n_tracks;
	__u32 n_foreign;  /* clients on libngtcp2, from the last one down */
	__u32 handshakes; /* percent of ours that run a real one */
	bool retry;
	inlay_ns active;     /* how long clients do as they like */
	inlay_ns pause;	     /* mean time between two things that a client does */
	__u32 harshness;     /* of the network: 0 to 3 */
	__u32 damage_ppm;    /* of packets arrive with a bit turned over */
	__u32 replay_ppm;    /* come once more, up to some seconds later */
	bool large_aliases;  /* publishers count theirs from anywhere */
	bool rivals;	     /* some tracks have two publishers */
	bool malformed;	     /* publishers break the rules of object framing now and then */
	inlay_ns restart;    /* the relay dies then, and another one begins; 0: it does not */
	inlay_ns ring_delay; /* most that a packet waits between provider and engine */
	inlay_ns lag;	     /* the same of the relay's, where it is more */
	__u32 n_rings;	     /* of the relay's: 1 to SIM_RINGS */
	__u32 overflow_ppm;  /* of packets that were opened find the relay's ring full */
	bool forward;	     /* the relay has a forwarder, */
	struct inlay_state_config state; /* by this state */
	__u32 refuse_ppm; /* of its copies, and what is sent with them, are dropped on their host */
	inlay_ns hold;	  /* most that another context keeps what it read; 0: none does */
	__u32 burst;	  /* frames taken from an endpoint at once; 1: all is checked */
	enum inlay_cipher cipher;
	struct inlay_endpoint_config relay_endpoint, client_endpoint;
	struct inlay_relay_config relay;
	struct sim_weights weights;
	bool subscriber_timeouts;
	/* Limits, queues and patience without end: nothing may be missing, whatever is lost. */
	bool ample;
	/* Nobody changes his mind or leaves: two runs publish the same. */
	bool steady;
	/* Churn: no account is kept of objects, which would be what grows; bytes are checked. */
	bool forgetful;
};

void sim_plan_draw(struct sim_plan *p, __u64 seed);
void sim_plan_make_ample(struct sim_plan *p);
void sim_plan_make_steady(struct sim_plan *p);
/* Of what a forwarder shares with the control plane there is little. */
void sim_plan_make_scarce(struct sim_plan *p);
void sim_plan_print(const struct sim_plan *p, FILE *to);
/* A link as bad as |harshness| may make it. */
void sim_plan_link(struct seeded *rng, __u32 harshness, struct link_settings *ret);

/* --- wire ------------------------------------------------------------------------------------ */

/* An address that a client was seen from. */
struct sim_place {
	struct sim_client *client;
	struct sim_life *life;
	struct inlay_addr addr, inside; /* to the relay; to the client */
	bool gone;			/* the NAT has forgotten it */
	bool validated;
	__u64 from, to; /* bytes that the relay got from there, and sent there */
};

struct sim_packet {
	inlay_ns at;
	__u64 order;
	struct sim_client *to;	/* NULL: the relay */
	struct inlay_path path; /* as the receiver sees it */
	__u8 ecn;
	bool in_vain; /* a copy of one that came before, or damaged: nobody need take it */
	__u32 len;
	struct sim_packet *next; /* in a ring, or in the pool */
	__u8 data[INLAY_FRAME_ROOM];
};

struct sim_wire {
	struct sim_packet **heap;
	size_t n, room;
	struct sim_packet *pool;
	__u64 order;
	struct sim_place *places;
	__u32 n_places;
	__u64 carried, dropped;
};

extern const struct inlay_addr sim_relay_addr;

void sim_wire_fini(struct sim_wire *w);
/* Frees what is kept for packets to come. */
void sim_wire_trim(struct sim_wire *w);
/* |data| leaves the relay towards |remote|. */
void sim_wire_down(struct sim *s, const struct inlay_addr *remote, const __u8 *data, size_t len,
		   __u8 ecn);
/* |data| leaves |c| from |local|; family 0: from where it was last. */
void sim_wire_up(struct sim_client *c, const struct inlay_addr *local, const __u8 *data, size_t len,
		 __u8 ecn);
inlay_ns sim_wire_next(const struct sim_wire *w);
/* NULL: nothing has arrived. To be given back. */
struct sim_packet *sim_wire_take(struct sim *s);
void sim_wire_give_back(struct sim_wire *w, struct sim_packet *p);
/* A new address for one of |c|'s ways, as seen by the relay; the one before leads nowhere any more.
 */
void sim_wire_move(struct sim_client *c, __u32 way);
struct sim_place *sim_wire_place(struct sim *s, const struct inlay_addr *addr);

/* --- node ------------------------------------------------------------------------------------ */

#define SIM_RINGS 4

struct sim_node {
	struct sim *sim;
	struct sim_client *client; /* NULL: the relay's */
	struct inlay_endpoint *ep;
	struct inlay_provider *provider;
	/* Opened, to be read. The relay has several: originals of one client may be read long
	 * before, or after, those of another. */
	struct sim_ring {
		struct sim_packet *first, **end;
		__u32 n;
		inlay_ns wake; /* when it is read */
	} rings[SIM_RINGS];
	bool touched; /* something happened: there may be something to send */
	__u64 turns, idle_turns;
	inlay_ns idle_since; /* of the second that idle_turns counts in */
};

/* Has |p| tell of what endpoints open themselves, and of what is sealed; |ops| is its table from
 * then on. */
void sim_node_hook(struct inlay_provider *p, struct inlay_provider_ops *ops);
/* ... to this world; NULL: to nobody. */
void sim_node_tell(struct sim *s);
void sim_node_init(struct sim_node *n, struct sim *s, struct sim_client *c,
		   struct inlay_provider *provider);
/* What waits in the ring is lost. */
void sim_node_drain(struct sim_node *n);
/* The data thread: opens it, and puts it into the ring. */
void sim_node_arrive(struct sim_node *n, struct sim_packet *p);
/* When a ring is to be read. */
inlay_ns sim_node_wake(const struct sim_node *n);
inlay_ns sim_node_deadline(const struct sim_node *n);
/* Reads the ring if it is time, runs the endpoint's timers. True: something happened. */
bool sim_node_turn(struct sim_node *n);
/* The data thread: seals and sends all that the endpoint has. */
void sim_node_flush(struct sim_node *n);

/* --- fast: the relay's forwarder ------------------------------------------------------------- */

struct sim_fast;

/* NULL: the plan has none. */
struct sim_fast *sim_fast_new(struct sim *s);
/* It forwards no more; all of these take NULL. */
void sim_fast_stop(struct sim_fast *f);
void sim_fast_free(struct sim_fast *f);
struct inlay_state *sim_fast_state(const struct sim_fast *f);
/* A packet was opened, and goes up; with others, by the time of the flush. */
void sim_fast_opened(struct sim_fast *f, const struct sim_packet *p);
void sim_fast_flush(struct sim_fast *f);
inlay_ns sim_fast_deadline(const struct sim_fast *f);
void sim_fast_turn(struct sim_fast *f);

/* --- watch ----------------------------------------------------------------------------------- */

struct sim_watch {
	struct {
		__u8 data[8];
		__u16 place; /* index */
		bool used;
	} challenges[256]; /* PATH_CHALLENGEs of the relay */
	__u32 n_challenges;
	__u64 packets;
};

/* A PATH_CHALLENGE of the relay's leaves. */
void sim_watch_challenge(struct sim *s, const struct inlay_addr *remote, const __u8 *data);
/* A clear packet that was opened, to be delivered to |n|. */
void sim_watch_opened(struct sim_node *n, const __u8 *packet, size_t len);
/* Prints a packet that is about to be sealed. */
void sim_watch_tell(struct sim *s, bool relay, const struct inlay_seal_item *item,
		    struct inlay_cursor frames);
/* What is on the relay's wire, to the address and from it. */
void sim_watch_down(struct sim *s, struct sim_place *place, size_t len);
void sim_watch_up(struct sim *s, struct sim_place *place, const __u8 *data, size_t len);
/* Every queue against its bound. */
void sim_watch_bounds(struct sim *s);

/* --- limits: a strict receiver's count ------------------------------------------------------- */

struct sim_limits {
	__u64 data, used;	/* MAX_DATA */
	__u64 streams[2];	/* MAX_STREAMS: bidirectional, unidirectional */
	__u64 initial_uni;	/* MAX_STREAM_DATA to begin with */
	__u64 initial_bidi[2];	/* of streams of the receiver's, of the sender's */
	__u64 datagram, packet; /* max_datagram_frame_size, max_udp_payload_size */
	bool server_sends;
	struct inlay_map by_id; /* streams */
};

/* What a receiver with the parameters |granted| takes. */
void sim_limits_init(struct sim_limits *l, const struct inlay_transport_params *granted,
		     bool server_sends);
void sim_limits_fini(struct sim_limits *l);
/* How far a stream has come. */
__u64 sim_limits_highest(struct sim_limits *l, __u64 id);
/* MAX_DATA and the like; other frames grant nothing. */
void sim_limits_grant(struct sim_limits *l, const struct inlay_quic_frame *f);
/* A frame of |frame_len| bytes. The name of the limit that it passes; NULL: none. */
const char *sim_limits_charge(struct sim_limits *l, const struct inlay_quic_frame *f,
			      size_t frame_len);

/* --- flow: packets as they are sealed -------------------------------------------------------- */

#define SIM_SAS 256

struct sim_flows;

void sim_flows_init(struct sim *s);
void sim_flows_fini(struct sim *s);
/* |conn| is established at |n|. */
void sim_flows_connection(struct sim_node *n, struct inlay_ep_conn *conn);
/* An item is about to be sealed, by the relay's provider or the clients'; and it was. */
void sim_flows_sealing(struct sim *s, bool relay, const struct inlay_seal_item *item);
void sim_flows_sealed(struct sim *s, bool relay, const struct inlay_seal_item *item);
/* Between two events: bytes in flight, as the engines have it and as they are. */
void sim_flows_check(struct sim *s);
/* All of them are to be looked at. */
void sim_flows_touch(struct sim *s);
/* Of a stream that the relay sends to whom |entry| belongs: how far it was sent. False: nobody has
 * the entry. */
bool sim_flows_highest(struct sim *s, const struct inlay_subscriber *entry, __u64 id,
		       __u64 *ret_highest);

/* --- records of what was published, and of what arrives --------------------------------------- */

enum sim_stream_state {
	SIM_STREAM_OPEN,
	SIM_STREAM_FINISHED, /* FIN written */
	SIM_STREAM_WHOLE,    /* and all of it acknowledged */
	SIM_STREAM_RESET,    /* by the publisher */
	SIM_STREAM_STOPPED,  /* by the relay */
	SIM_STREAM_CUT,	     /* its session ended */
};

/* A subgroup as a publisher sent it. */
struct sim_stream {
	struct sim_stream *next;
	struct sim_source *source;
	struct sim_life *life;
	__u32 service;	    /* the source's, that it is part of, */
	inlay_ns served_at; /* and when that began */
	__u64 group, subgroup;
	__u32 n_objects;
	enum sim_stream_state state;
	bool fin;     /* was written, whatever came after */
	bool refused; /* by the relay, as it says */
	struct inlay_moq_outgoing *out;
};

struct sim_object {
	__u64 group, subgroup, id;
	__u32 len;
	bool datagram;
	inlay_ns at; /* when the first published it */
	/* By source. */
	struct sim_copy {
		struct sim_stream *stream; /* NULL: it has not, or by datagram */
		__u32 place;		   /* in the stream */
		inlay_ns at;
	} copies[SIM_SOURCES];
};

/* Who makes a track, of two each with streams, timing, network and end of its own. */
struct sim_source {
	struct sim_track *track;
	struct sim_client *client;
	bool by_publish;
	/* Of two: */
	bool catches_up;  /* after it was away it goes on where the other one is */
	__u32 omits;	  /* percent of the groups */
	inlay_ns jitter;  /* of an object */
	inlay_ns on_time; /* when the next one is due but for jitter */
	bool retiring;	  /* its subscription ends with the group */
	struct inlay_moq_request *announced, *serving;
	__u32 n_services;   /* subscriptions that it has served */
	inlay_ns served_at; /* since when it has the newest */
	bool forward, in_group;
	__u64 group, object; /* the next one's */
	inlay_ns due, retry;
	struct sim_stream *open[4]; /* by subgroup */
	bool any;
	struct inlay_moq_location largest;
};

struct sim_track {
	int index;
	char text[24];
	struct inlay_moq_name name;
	__u8 properties[64];
	struct inlay_moq_track_properties parsed;
	/* How it is made. */
	bool datagrams;
	inlay_ns interval;
	__u32 group_objects, n_subgroups, max_key, max_delta;
	bool has_properties;
	bool has_order; /* each of its streams has this publisher priority */
	__u8 order;
	bool malforms;	  /* it will be malformed some time, */
	bool malformed;	  /* and was: nobody is owed anything any more */
	__u64 broken_len; /* of an object that ends within; 0: there is none */
	struct sim_source sources[SIM_SOURCES];
	__u32 n_sources;
	/* What was published, as it was; and indices. */
	struct sim_object *objects;
	__u32 *by_location;
	__u32 n_objects, room;
	struct sim_stream *streams;
};

enum sim_got { SIM_MISSING = 0, SIM_BEGUN, SIM_COMPLETE };

/* A stream as a subscriber gets it. */
struct sim_in {
	struct sim_in *next;
	struct inlay_moq_incoming *in; /* NULL: it has ended */
	struct sim_sub *sub;
	struct inlay_moq_subgroup header;
	__u32 n_objects;
	__u32 object;  /* index of the current one in the track's */
	__u32 authors; /* sources, by bit, whose stream it can be */
	__u64 id;      /* its own */
	__u32 len;
	__u64 offset;
	bool broken; /* the object can only begin */
};

/* A stream that the relay says it left out. */
struct sim_excuse {
	struct sim_excuse *next;
	enum inlay_relay_rule rule;
	__u64 request, group, subgroup;
	bool and_older, any_subgroup;
	struct sim_track *track;
};

/* A subscription, from SUBSCRIBE to its end. */
struct sim_sub {
	struct sim_sub *next;
	struct sim_life *life;
	struct sim_track *track;
	struct inlay_moq_request *request; /* NULL: it has ended */
	inlay_ns made_at;
	__u32 services[SIM_SOURCES]; /* the first of each of the track's sources that counts */
	__u64 request_id;
	bool ok, updating, resuming;
	struct inlay_moq_filter asked;
	bool filtered;
	__u64 next_group;
	bool has_from;	/* objects above |from| are expected */
	bool inclusive; /* and |from| itself */
	struct inlay_moq_location from;
	__u64 end_group;
	bool has_until; /* it ended: none behind the |until|th is expected */
	__u32 until;
	inlay_ns done_at; /* PUBLISH_DONE; 0: none yet */
	__u32 newest;	  /* number of the newest life whose objects it has, or had begun behind */
	__u8 *got;	  /* enum sim_got by index of the track's objects */
	__u32 n_got;
	struct sim_in *streams;
	__u64 n_complete, n_datagrams;
};

/* A client's connection, from its dialling to its end. */
struct sim_life {
	struct sim_life *next;
	struct sim_client *client;
	__u32 number;
	bool established, ended;
	bool misbehaved;  /* it is no wonder that the relay throws it out */
	bool relay_ended; /* the relay's end has, and its session goes with the next reaping */
	inlay_ns ended_at;
	struct inlay_moq_session *relay_moq; /* the relay's end */
	struct sim_sub *subs;
	struct sim_excuse *excuses;
};

void sim_ledger_life_free(struct sim_life *life);
/* --- published ------------------------------------------------------------------------------- */

void sim_track_fini(struct sim_track *t);
/* Who |c| is among its sources; NULL: none of them. */
struct sim_source *sim_track_source(struct sim_track *t, const struct sim_client *c);
__u32 sim_object_len(const struct sim_track *t, __u64 group, __u64 id);
/* The bytes of its properties; 0: it has none. */
size_t sim_object_properties(const struct sim_track *t, __u64 group, __u64 id, __u8 *dst,
			     size_t room);
void sim_object_fill(const struct sim_track *t, __u64 group, __u64 id, __u8 *dst, size_t len);
/* A byte of such an object; |seed|: sim_object_seed(). */
__u8 sim_object_byte(__u64 seed, __u64 at);
__u64 sim_object_seed(const struct sim_track *t, __u64 group, __u64 id);
/* Index of the object, or n_objects. */
__u32 sim_object_find(const struct sim_track *t, __u64 group, __u64 id);
/* Published now, the source's current object; |st| NULL: as a datagram. */
void sim_source_publish(struct sim_source *src, struct sim_stream *st);
/* Its next one of the current group. */
struct sim_stream *sim_stream_new(struct sim_source *src, __u64 subgroup);
/* Of a forgetful one. */
void sim_stream_free(struct sim_stream *st);
/* Has its publisher left it out after all, or been cut short by its end? Of two either may be the
 * group's author. */
bool sim_object_lost(const struct sim_track *t, const struct sim_object *o);
/* The track's one publisher's stream came to a bad end, however that was. */
bool sim_object_is_cut(const struct sim_track *t, const struct sim_object *o);

/* --- ledger ---------------------------------------------------------------------------------- */

/* No more of it arrives; the record may go. */
void sim_ledger_in_end(struct sim_in *rx);
void sim_ledger_excuse(struct sim_life *life, const struct sim_excuse *excuse);
/* The relay's word; |rs| is one of its sessions. */
void sim_ledger_on_reset(void *user, struct inlay_relay_session *rs,
			 const struct inlay_relay_reset *reset);
/* What arrives at subscribers. */
void sim_ledger_on_subscribe_ok(struct sim_sub *sub, struct inlay_moq_location largest);
void sim_ledger_on_subgroup(struct sim_sub *sub, struct inlay_moq_incoming *in,
			    const struct inlay_moq_subgroup *header);
void sim_ledger_on_object(struct inlay_moq_incoming *in, const struct inlay_moq_object *object);
void sim_ledger_on_payload(struct inlay_moq_incoming *in, const __u8 *data, size_t len, bool end);
void sim_ledger_on_subgroup_end(struct inlay_moq_incoming *in, enum inlay_moq_end end, __u64 code);
void sim_ledger_on_datagram(struct sim_sub *sub, const struct inlay_moq_datagram *d);
/* How many objects of |sub| are neither delivered nor excused; with |tell|, the first is told as a
 * failure. */
__u32 sim_ledger_missing(struct sim *s, struct sim_sub *sub, bool tell);
/* Of the track's |index|th object: is it owed to |sub|, and is it there? */
bool sim_ledger_expects(const struct sim_sub *sub, __u32 index);
bool sim_ledger_has(const struct sim_sub *sub, __u32 index);

/* --- client ---------------------------------------------------------------------------------- */

enum sim_client_state {
	SIM_CLIENT_AWAY,
	SIM_CLIENT_DIALLING,
	SIM_CLIENT_UP,
	SIM_CLIENT_LEAVING, /* the connection has ended, and says so for a while */
};

#define SIM_WAYS 4

struct sim_client {
	struct sim *sim;
	int index;
	bool foreign; /* on libngtcp2 */
	enum sim_client_state state;
	struct seeded rng;
	inlay_ns next;	 /* when it does something, comes back, or is gone at last */
	inlay_ns relink; /* its link changes; INLAY_NEVER: it stays */
	inlay_ns unstall, migrated;
	__u32 n_lives;

	/* Sockets of its own, and where the relay sees them. */
	struct sim_way {
		struct inlay_addr inside;
		struct sim_place *place;
	} ways[SIM_WAYS];
	__u32 n_ways, way; /* |way|: the newest */
	struct emulated_link up, down;
	inlay_ns last_arrival; /* of what keeps the connection from being idle */

	/* Ours. */
	struct sim_node node;
	struct inlay_ep_conn *conn; /* NULL: it has ended */
	struct inlay_transport_conn transport;
	bool transport_ended, dial_failed;
	bool stalled; /* it reads nothing: what was consumed is not given back */
	struct sim_held {
		__u64 id;
		size_t bytes;
	} * held;
	__u32 n_held;
	/* Foreign. */
	struct inlay_link link;
	bool foreign_touched;

	struct inlay_moq_session *moq; /* of either; NULL: none */
	struct sim_life *life;
};

void sim_client_init(struct sim_client *c, struct sim *s, int index);
void sim_client_fini(struct sim_client *c);
inlay_ns sim_client_deadline(const struct sim_client *c);
/* What is due: packets, timers, deeds. */
void sim_client_turn(struct sim_client *c);
void sim_client_arrive(struct sim_client *c, struct sim_packet *p);
void sim_client_flush(struct sim_client *c);
/* No more deeds; its links are healed; it reads what it held back. */
void sim_client_calm(struct sim_client *c);
/* Closes its connection in the regular way; or is gone without a word. */
void sim_client_leave(struct sim_client *c);
void sim_client_vanish(struct sim_client *c);
/* Goes over to another socket. */
void sim_client_migrate(struct sim_client *c);
void sim_client_stall(struct sim_client *c, bool stall);
/* Makes it send something. */
void sim_client_ping(struct sim_client *c);
/* For inlay_endpoint_ops, of the clients' endpoints. */
extern const struct inlay_endpoint_ops sim_client_endpoint_ops;
/* Its connection at the relay; NULL: there is none. */
struct inlay_ep_conn *sim_client_at_relay(const struct sim_client *c);
/* NULL: it has no established phase of ours. */
struct inlay_conn *sim_client_conn(struct sim_client *c);

/* --- publisher, subscriber: what clients do -------------------------------------------------- */

inlay_ns sim_publisher_deadline(const struct sim_client *c);
void sim_publisher_turn(struct sim_client *c);
void sim_publisher_on_up(struct sim_client *c);
void sim_publisher_on_down(struct sim_client *c);
/* Ends the groups in progress; with |done| the tracks as well. */
void sim_publisher_finish(struct sim_client *c, bool done);
void sim_publisher_reset(struct sim_client *c);
/* Of a track with another publisher: |c|'s subscription ends when its group does. */
void sim_publisher_retire(struct sim_client *c);
void sim_publisher_on_subscribe(void *user, struct inlay_moq_request *req,
				const struct inlay_moq_subscribe *m);
void sim_publisher_on_track_status(void *user, struct inlay_moq_request *req,
				   const struct inlay_moq_subscribe *m);
void sim_publisher_on_update(void *user, struct inlay_moq_request *req,
			     const struct inlay_moq_params *params);
void sim_publisher_on_outgoing_end(void *user, struct inlay_moq_outgoing *out,
				   enum inlay_moq_end end, __u64 code);
/* Of the announcement, or the subscription that it serves. */
void sim_publisher_on_ok(struct sim_source *src, struct inlay_moq_request *req,
			 const struct inlay_moq_request_ok *m);
void sim_publisher_on_end(struct sim_source *src, struct inlay_moq_request *req);

/* One thing, drawn by the plan's weights. */
void sim_deed(struct sim_client *c);
void sim_subscribe(struct sim_client *c, struct sim_track *t);
/* To every track of others. */
void sim_subscribe_all(struct sim_client *c);
extern const struct inlay_moq_session_ops sim_session_ops;

/* --- world ----------------------------------------------------------------------------------- */

struct sim_tls; /* certificates and contexts: made once for all runs */

struct sim {
	__u64 seed;
	bool verbose, packets, failed, calm; /* |verbose|, |packets|: traces */
	inlay_ns now, began;
	/* |crypto|: what endpoints draw; |rival|: tracks' second publishers. */
	struct seeded rng, crypto, rival;
	struct sim_plan plan;
	struct sim_tls *tls;
	struct sim_wire wire;
	struct sim_watch watch;
	struct sim_flows *flows;
	bool forwarding;      /* what is sealed now is a copy */
	struct sim_node node; /* the relay's */
	struct inlay_keystore *keystore;
	struct inlay_relay *relay;
	struct inlay_sessions sessions;
	struct sim_client clients[SIM_CLIENTS];
	struct sim_track tracks[SIM_TRACKS];
	struct sim_life *lives;
	__u32 n_lives;
	__u64 steps, at_once, sockets;
	/* An object has arrived whole. May be NULL. */
	void (*on_complete)(struct sim_sub *sub, const struct sim_object *o);
	struct sim_fast *fast;
	__u64 copies, refused, media_bytes, fast_bytes;
	__u64 reasons[INLAY_N_REASONS];
	inlay_ns next_check;
	char failure[512];
	/* What the run came to, for the curious. */
	__u64 published, shared, closes, connections; /* |shared|: by both publishers */
};

struct sim_result {
	bool failed;
	char failure[512];
	__u64 packets, published, shared, delivered, datagrams, connections, steps;
	inlay_ns time;
	__u64 resets[INLAY_RELAY_N_RULES];
	/* Stream bytes and datagrams of the relay's, and those that the forwarder sent. */
	__u64 media_bytes, fast_bytes, copies, refused;
	__u64 reasons[INLAY_N_REASONS];
	/* Of two runs: objects that both expected; datagrams that came without a forwarder. */
	__u64 compared, bare_datagrams;
};

int sim_tls_new(struct sim_tls **ret);
void sim_tls_free(struct sim_tls *tls);
struct inlay_tls *sim_tls_server(struct sim_tls *tls, enum inlay_cipher cipher);
struct inlay_tls *sim_tls_client(struct sim_tls *tls, enum inlay_cipher cipher);
const char *sim_tls_ca(struct sim_tls *tls);
struct inlay_provider *sim_tls_provider(struct sim_tls *tls, bool relay);
struct inlay_keystore *sim_tls_keystore(struct sim_tls *tls);

struct sim *sim_new(const struct sim_plan *plan, __u64 seed, struct sim_tls *tls, int verbose);
/* The relay is gone without a word, and another one stands in its place. */
void sim_restart(struct sim *s);
/* Ends everything without a word, and looks whether anything is left; then frees. */
void sim_close(struct sim *s);
void sim_free(struct sim *s);
/* Everything that happens up to |until|. False: a rule was broken. */
bool sim_run(struct sim *s, inlay_ns until);
/* --- census: what came of every object, for every subscription ------------------------------- */

struct sim_census {
	struct sim_fate {
		__u64 group, id;
		int client, track;
		bool expected, complete;
	} * fates;
	size_t n, room;
};

/* Of a steady run that is over. */
void sim_census_take(struct sim *s, struct sim_census *ret);
void sim_census_fini(struct sim_census *c);
/* Objects that both expected; |text|: the first that one had and the other had not, or "". */
__u64 sim_census_compare(const struct sim_census *a, const struct sim_census *b, char *text,
			 size_t room);

/* --- seed ------------------------------------------------------------------------------------ */

struct sim_options {
	int verbose; /* 1: what happens; 2: and packets */
	int forward; /* 0: the plan says it; 1: yes; -1: no */
	bool ample;  /* limits without end */
	bool steady; /* and nobody changes his mind */
	bool scarce; /* limits without end, and hardly any shared state */
};

/* One seed from its beginning to its end. |census| may be NULL. */
struct sim_result sim_seed(__u64 seed, struct sim_tls *tls, const struct sim_options *options,
			   struct sim_census *census);
/* A new life of |c|. */
struct sim_life *sim_life_new(struct sim_client *c);
/* No security association and no CID outlives its connection. */
void sim_check_providers(struct sim *s);
/* Both ends of an established connection, without a handshake. 0 or negative errno. */
int sim_join(struct sim_client *c);

void sim_fail(struct sim *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
void sim_trace(struct sim *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

static inline bool sim_chance(struct seeded *rng, __u32 percent)
{
	return seeded_below(rng, 100) < percent;
}

/* In [low, high]. */
static inline __u64 sim_between(struct seeded *rng, __u64 low, __u64 high)
{
	return low + seeded_below(rng, high - low + 1);
}

#endif
