/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A client: its connection, on our established phase (by an endpoint in the client's role and the
 * daemon's transport_conn.c) or on libngtcp2 (as inlay-pub and inlay-sub have it), from its
 * dialling to its end; and whether that end was one that may be.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conn_internal.h"
#include "session_impl.h"
#include "sim.h"

#define FAREWELL (INLAY_S / 2) /* for what a closed connection has to say */

/* --- The transport below the session --------------------------------------------------------- */

static struct sim_client *client_of(void *transport)
{
	return inlay_list_entry(transport, struct sim_client, transport);
}

/* A client that stalls gives no credit. */
static void consume(void *transport, __u64 id, size_t bytes)
{
	struct sim_client *c = client_of(transport);
	__u32 i = 0;

	if (!c->stalled) {
		inlay_transport_conn_transport(&c->transport, false)
			.ops->stream_consume(transport, id, bytes);
		return;
	}
	while (i < c->n_held && c->held[i].id != id)
		i++;
	if (i == c->n_held) {
		c->held = realloc(c->held, (c->n_held + 1) * sizeof(*c->held));
		if (!c->held)
			abort();
		c->held[c->n_held++] = (struct sim_held){.id = id};
	}
	c->held[i].bytes += bytes;
}

void sim_client_stall(struct sim_client *c, bool stall)
{
	c->stalled = stall;
	if (c->foreign && c->link.peer)
		inlay_peer_hold(c->link.peer, stall);
	if (c->foreign && c->link.peer && !stall)
		inlay_peer_release(c->link.peer, ~0ULL);
	while (!stall && c->n_held > 0) {
		c->n_held--;
		if (c->conn && !c->transport_ended)
			consume(&c->transport, c->held[c->n_held].id, c->held[c->n_held].bytes);
	}
	c->foreign_touched = c->node.touched = true;
}

static void on_transport_ended(struct inlay_transport_conn *t)
{
	struct sim_client *c = client_of(t);

	c->transport_ended = true;
	c->conn = NULL;
}

/* Two publishers have the same ones, or some that are longer than any copy's. */
static void draw_aliases(struct sim_client *c)
{
	static const __u64 first[] = {0, 60, 16380, (1 << 28) - 2, 1ULL << 40, ~0ULL >> 2};

	if (c->sim->plan.large_aliases)
		c->moq->next_alias = first[seeded_below(&c->rng, INLAY_ARRAY_SIZE(first))];
}

static void new_session(struct sim_client *c)
{
	static struct inlay_moq_transport_ops ops;
	struct inlay_moq_session_config config = {.ops = &sim_session_ops, .user = c};

	config.transport = inlay_transport_conn_transport(&c->transport, false);
	ops = *config.transport.ops;
	ops.stream_consume = consume;
	config.transport.ops = &ops;
	c->moq = inlay_moq_session_new(&config);
	if (!c->moq)
		abort();
	c->transport.session = c->moq;
	draw_aliases(c);
}

static void up(struct sim_client *c)
{
	struct sim *s = c->sim;

	c->state = SIM_CLIENT_UP;
	c->life->established = true;
	c->next = s->now + seeded_below(&c->rng, s->plan.pause);
	s->connections++;
	sim_trace(s, "client %d is up, life %u", c->index, c->life->number);
	sim_publisher_on_up(c);
	if (s->plan.steady)
		sim_subscribe_all(c);
}

static const struct inlay_conn_ops *on_connection(void *user, struct inlay_ep_conn *conn,
						  const struct inlay_handover *handover,
						  void **ret_user)
{
	struct sim_client *c = user;

	c->conn = conn;
	sim_flows_connection(&c->node, conn);
	inlay_transport_conn_init(&c->transport, conn, &c->sim->now, on_transport_ended);
	new_session(c);
	*ret_user = &c->transport;
	if (inlay_moq_session_start(c->moq, c->sim->now))
		sim_fail(c->sim, "client %d cannot start its session", c->index);
	return &inlay_transport_conn_ops;
}

static void on_failed(void *user, struct inlay_ep_conn *conn,
		      const struct inlay_handshake_failure *why)
{
	struct sim_client *c = user;

	c->dial_failed = true;
	sim_trace(c->sim, "client %d: handshake failed: %s", c->index, why->text);
}

const struct inlay_endpoint_ops sim_client_endpoint_ops = {.on_connection = on_connection,
							   .on_failed = on_failed};

/* --- Coming ---------------------------------------------------------------------------------- */

static void dial_foreign(struct sim_client *c)
{
	struct sim *s = c->sim;
	struct inlay_peer_config peer = {
		.role = INLAY_CLIENT,
		.path = {.local = c->ways[0].inside, .remote = sim_relay_addr},
		.server_name = "localhost",
		.ca_file = sim_tls_ca(s->tls),
		.keep_alive = INLAY_S,
		.no_pmtud = true,
		.max_tx_payload = 1200, /* the network's least: it would not find out */
	};
	struct inlay_moq_session_config session = {.ops = &sim_session_ops, .user = c};

	peer.params.max_idle_timeout = s->plan.client_endpoint.params.max_idle_timeout;
	if (inlay_link_init(&c->link, &peer, &session, s->now))
		abort();
	c->moq = c->link.session;
	draw_aliases(c);
	c->foreign_touched = true;
}

static void random_bytes(void *user, __u8 *dst, size_t len)
{
	struct sim_client *c = user;

	seeded_bytes(&c->sim->crypto, dst, len);
}

static void dial_ours(struct sim_client *c)
{
	struct sim *s = c->sim;
	struct inlay_endpoint_config config = s->plan.client_endpoint;
	struct inlay_endpoint_dial dial = {
		.tls = sim_tls_client(s->tls, s->plan.cipher),
		.host = "localhost",
		.path = {.local = c->ways[0].inside, .remote = sim_relay_addr},
		.user = c,
	};
	int err;

	config.provider = c->node.provider;
	config.keystore = s->keystore;
	config.ops = &sim_client_endpoint_ops;
	config.user = c;
	config.random = random_bytes;
	if (inlay_endpoint_new(&config, s->now, &c->node.ep))
		abort();
	if (sim_chance(&c->rng, s->plan.handshakes))
		err = inlay_endpoint_connect(c->node.ep, &dial, s->now, &c->conn);
	else
		err = sim_join(c);
	if (err)
		sim_fail(s, "client %d cannot connect: %s", c->index, strerror(-err));
	c->node.touched = true;
}

/* Another socket, in the network that it is in or in another one. */
static void new_way(struct sim_client *c, bool elsewhere)
{
	__u32 i = c->n_ways < SIM_WAYS ? c->n_ways++ : (c->way + 1) % SIM_WAYS;

	if (c->ways[i].place)
		c->ways[i].place->gone = true;
	c->ways[i] = (struct sim_way){
		.inside = {.family = AF_INET, .ip = {10, 0, elsewhere, (__u8)(1 + c->index)}}};
	c->ways[i].inside.port = htons((__u16)(20000 + c->sim->sockets++ % 40000));
	sim_wire_move(c, i);
}

void sim_client_migrate(struct sim_client *c)
{
	struct inlay_path path = {.remote = sim_relay_addr};
	__u32 before = c->way, n = c->n_ways;
	int rv = -ENOTCONN;

	/* libngtcp2 goes on without the old address at once, and the relay cannot follow before it
	 * has another connection ID to use there. */
	if (n == SIM_WAYS || (c->foreign && c->sim->now < c->migrated + 3 * INLAY_S))
		return;
	c->migrated = c->sim->now;
	new_way(c, sim_chance(&c->rng, 30));
	path.local = c->ways[c->way].inside;
	if (c->link.peer)
		rv = inlay_peer_migrate(c->link.peer, &path, sim_chance(&c->rng, 50), c->sim->now);
	else if (c->conn)
		rv = inlay_ep_conn_migrate(c->conn, &path, 0, c->sim->now);
	sim_trace(c->sim, "client %d migrates: %d", c->index, rv);
	if (rv) {
		c->way = before;
		c->n_ways = n;
	}
}

static void dial(struct sim_client *c)
{
	struct sim *s = c->sim;

	c->life = sim_life_new(c);
	for (__u32 i = 0; i < c->n_ways; i++)
		c->ways[i].place->gone = true;
	c->n_ways = 0;
	new_way(c, false);
	c->state = SIM_CLIENT_DIALLING;
	c->transport_ended = c->dial_failed = c->stalled = false;
	c->n_held = 0;
	c->next = INLAY_NEVER;
	c->last_arrival = s->now;
	sim_trace(s, "client %d dials, life %u", c->index, c->life->number);
	if (c->foreign)
		dial_foreign(c);
	else
		dial_ours(c);
}

/* --- Going ----------------------------------------------------------------------------------- */

static void find_at_relay(void *user, struct inlay_ep_conn *conn)
{
	struct {
		const struct sim_client *c;
		struct inlay_ep_conn *found;
	} *search = user;
	struct sim_place *p = sim_wire_place(search->c->sim, &inlay_ep_conn_path(conn)->remote);

	if (p && p->life == search->c->life && inlay_ep_conn_peek(conn) &&
	    !inlay_conn_is_closing(inlay_ep_conn_peek(conn)))
		search->found = conn;
}

struct inlay_ep_conn *sim_client_at_relay(const struct sim_client *c)
{
	struct {
		const struct sim_client *c;
		struct inlay_ep_conn *found;
	} search = {.c = c};

	if (c->life)
		inlay_endpoint_for_each(c->sim->node.ep, find_at_relay, &search);
	return search.found;
}

struct inlay_conn *sim_client_conn(struct sim_client *c)
{
	return c->conn && !c->foreign ? inlay_ep_conn_get(c->conn) : NULL;
}

/* No protocol error ends a connection, ever. */
static void judge(struct sim_client *c, const struct inlay_close_reason *why)
{
	struct sim *s = c->sim;
	inlay_ns idle = s->plan.client_endpoint.params.max_idle_timeout;

	sim_trace(s, "client %d is down: %s0x%llx %s%s%s", c->index,
		  why->application ? "application " : "", (unsigned long long)why->code, why->text,
		  why->idle ? " (idle)" : "", why->reset ? " (reset)" : "");
	s->closes++;
	if (why->idle && s->now - c->last_arrival + INLAY_MS < idle)
		sim_fail(s, "client %d: idle, though a packet came %llu ms ago", c->index,
			 (unsigned long long)((s->now - c->last_arrival) / INLAY_MS));
	else if (why->reset && sim_client_at_relay(c))
		sim_fail(s, "client %d: a stateless reset, though the relay has the connection",
			 c->index);
	else if (!why->idle && !why->reset && (!why->application || why->code != 0) &&
		 !c->life->misbehaved)
		sim_fail(s, "client %d: the connection ends with %s error 0x%llx, %s: %s", c->index,
			 why->application ? "application" : "transport",
			 (unsigned long long)why->code, why->by_peer ? "the relay's" : "its own",
			 why->text);
}

static void end_life(struct sim_client *c)
{
	struct inlay_moq_session *moq = c->moq;

	if (!c->life || c->life->ended)
		return;
	c->life->ended = true;
	c->life->ended_at = c->sim->now;
	c->moq = c->transport.session = NULL;
	if (c->foreign)
		inlay_link_fini(&c->link);
	else
		inlay_moq_session_free(moq);
	sim_publisher_on_down(c);
}

static void go_away(struct sim_client *c)
{
	struct sim *s = c->sim;

	end_life(c);
	inlay_endpoint_free(c->node.ep);
	c->node.ep = NULL;
	c->conn = NULL;
	sim_node_drain(&c->node);
	c->transport_ended = false;
	c->state = SIM_CLIENT_AWAY;
	c->next = s->calm ? INLAY_NEVER : s->now + sim_between(&c->rng, 50, 2500) * INLAY_MS;
}

/* The connection has ended, and the session is told. */
static void on_end(struct sim_client *c)
{
	inlay_transport_conn_tell_end(&c->transport);
	judge(c, &c->transport.why);
	end_life(c);
	c->transport_ended = false;
	c->state = SIM_CLIENT_LEAVING;
	c->next = c->sim->now + FAREWELL;
}

void sim_client_leave(struct sim_client *c)
{
	if (c->state != SIM_CLIENT_UP)
		return;
	sim_trace(c->sim, "client %d leaves", c->index);
	inlay_moq_session_close(c->moq, INLAY_MOQ_SESSION_NO_ERROR, "bye");
	c->node.touched = c->foreign_touched = true;
}

void sim_client_vanish(struct sim_client *c)
{
	sim_trace(c->sim, "client %d vanishes", c->index);
	go_away(c);
}

void sim_client_ping(struct sim_client *c)
{
	struct inlay_conn *conn = sim_client_conn(c);

	if (conn)
		conn->ping_due = true;
	c->node.touched = true;
}

/* --- Turns ----------------------------------------------------------------------------------- */

void sim_client_init(struct sim_client *c, struct sim *s, int index)
{
	struct link_settings settings;

	*c = (struct sim_client){.sim = s, .index = index};
	c->rng.state = (s->seed * 64 + (__u64)index + 1) * 0xd1342543de82ef95ULL | 1;
	c->foreign = (__u32)index + s->plan.n_foreign >= s->plan.n_clients;
	sim_node_init(&c->node, s, c, sim_tls_provider(s->tls, false));
	sim_plan_link(&c->rng, s->plan.harshness, &settings);
	link_init(&c->up, &settings, seeded_u64(&c->rng));
	sim_plan_link(&c->rng, s->plan.harshness, &settings);
	link_init(&c->down, &settings, seeded_u64(&c->rng));
	c->relink = c->unstall = INLAY_NEVER;
	c->next = s->now + seeded_below(&c->rng, 500 * INLAY_MS);
}

void sim_client_fini(struct sim_client *c)
{
	if (c->life)
		go_away(c);
	free(c->held);
}

static inlay_ns earlier(inlay_ns a, inlay_ns b)
{
	return a < b ? a : b;
}

inlay_ns sim_client_deadline(const struct sim_client *c)
{
	inlay_ns at = earlier(c->next, earlier(c->relink, c->unstall));

	if (c->moq)
		at = earlier(at, inlay_moq_session_deadline(c->moq));
	if (c->link.peer)
		at = earlier(at, inlay_peer_deadline(c->link.peer));
	at = earlier(at, sim_node_deadline(&c->node));
	return c->state == SIM_CLIENT_UP ? earlier(at, sim_publisher_deadline(c)) : at;
}

void sim_client_arrive(struct sim_client *c, struct sim_packet *p)
{
	struct sim *s = c->sim;
	__u32 i = 0;

	while (i < c->n_ways && memcmp(&p->path.local, &c->ways[i].inside, sizeof(p->path.local)))
		i++;
	/* It has other sockets by now. */
	if (i == c->n_ways || (!c->foreign && !c->node.ep)) {
		sim_wire_give_back(&s->wire, p);
		return;
	}
	if (!c->foreign) {
		sim_node_arrive(&c->node, p);
		return;
	}
	if (!p->in_vain)
		c->last_arrival = s->now;
	if (c->link.peer) {
		inlay_peer_set_mark(c->link.peer, p->ecn);
		inlay_peer_recv(c->link.peer, &p->path, p->data, p->len, s->now);
	}
	c->foreign_touched = true;
	sim_wire_give_back(&s->wire, p);
}

static void turn_foreign(struct sim_client *c)
{
	struct sim *s = c->sim;
	struct inlay_peer *peer = c->link.peer;

	if (!peer)
		return;
	if (inlay_peer_deadline(peer) <= s->now) {
		inlay_peer_on_timer(peer, s->now);
		c->foreign_touched = true;
	}
	if (c->state == SIM_CLIENT_DIALLING && inlay_peer_is_connected(peer))
		up(c);
}

/* A new link, or an outage that ends. */
static void relink(struct sim_client *c)
{
	c->relink = INLAY_NEVER;
	sim_plan_link(&c->rng, c->sim->plan.harshness, &c->up.settings);
	sim_plan_link(&c->rng, c->sim->plan.harshness, &c->down.settings);
}

static void act(struct sim_client *c)
{
	struct sim *s = c->sim;

	if (c->relink <= s->now)
		relink(c);
	if (c->unstall <= s->now) {
		c->unstall = INLAY_NEVER;
		sim_client_stall(c, false);
	}
	if (c->state == SIM_CLIENT_UP && sim_publisher_deadline(c) <= s->now) {
		sim_publisher_turn(c);
		c->node.touched = c->foreign_touched = true;
	}
	if (c->next > s->now)
		return;
	if (c->state == SIM_CLIENT_AWAY) {
		dial(c);
	} else if (c->state == SIM_CLIENT_LEAVING) {
		go_away(c);
	} else if (c->state == SIM_CLIENT_UP) {
		c->next = s->now + 1 + seeded_below(&c->rng, 2 * s->plan.pause);
		sim_deed(c);
		c->node.touched = c->foreign_touched = true;
	}
	if (s->calm && c->state == SIM_CLIENT_UP)
		c->next = INLAY_NEVER;
}

void sim_client_turn(struct sim_client *c)
{
	struct sim *s = c->sim;

	if (c->foreign)
		turn_foreign(c);
	else
		sim_node_turn(&c->node);
	if (c->moq && inlay_moq_session_deadline(c->moq) <= s->now) {
		inlay_moq_session_on_timer(c->moq, s->now);
		c->node.touched = c->foreign_touched = true;
	}
	if (!c->foreign && c->state == SIM_CLIENT_DIALLING && c->moq)
		up(c);
	act(c);
}

static void flush_foreign(struct sim_client *c)
{
	struct sim *s = c->sim;
	__u8 buf[INLAY_FRAME_ROOM];
	const struct inlay_close_reason *why;
	struct inlay_path path;
	size_t len;

	if (!c->link.peer || !c->foreign_touched)
		return;
	c->foreign_touched = false;
	while ((len = inlay_peer_send_by(c->link.peer, buf, sizeof(buf), &path, s->now)))
		sim_wire_up(c, &path.local, buf, len, inlay_peer_mark(c->link.peer));
	why = inlay_peer_close_reason(c->link.peer);
	if (!why)
		return;
	if (c->state == SIM_CLIENT_UP)
		judge(c, why);
	go_away(c);
}

void sim_client_flush(struct sim_client *c)
{
	if (c->foreign)
		flush_foreign(c);
	else
		sim_node_flush(&c->node);
	if (c->transport_ended)
		on_end(c);
	else if (c->dial_failed)
		go_away(c);
	c->dial_failed = false;
}

void sim_client_calm(struct sim_client *c)
{
	const struct link_settings good = {.delay = 10 * INLAY_MS};

	c->up.settings = c->down.settings = good;
	c->relink = c->unstall = INLAY_NEVER;
	sim_client_stall(c, false);
	if (c->state == SIM_CLIENT_UP || c->state == SIM_CLIENT_AWAY)
		c->next = INLAY_NEVER;
	sim_client_ping(c);
}
