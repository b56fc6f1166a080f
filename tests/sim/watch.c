/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What holds of paths, wires and queues, whatever happens: counted here anew, from the packets
 * themselves, not from what the engine says of them.
 */
#include <stdlib.h>
#include <string.h>

#include "conn_internal.h"
#include "inlay_quic_frame.h"
#include "relay_impl.h"
#include "session_impl.h"
#include "sim.h"

#define BOUND_SLACK (64 << 10)

/* --- Paths (RFC 9000 section 8.2.3) ----------------------------------------------------------- */

void sim_watch_challenge(struct sim *s, const struct inlay_addr *remote, const __u8 *data)
{
	struct sim_place *p = sim_wire_place(s, remote);
	__u32 i = s->watch.n_challenges++ % INLAY_ARRAY_SIZE(s->watch.challenges);

	memcpy(s->watch.challenges[i].data, data, 8);
	s->watch.challenges[i].place = (__u16)(p - s->wire.places);
	s->watch.challenges[i].used = true;
}

/* It validates the path that the challenge was sent on. */
static void note_response(struct sim *s, const __u8 *data)
{
	for (size_t i = 0; i < INLAY_ARRAY_SIZE(s->watch.challenges); i++)
		if (s->watch.challenges[i].used && !memcmp(s->watch.challenges[i].data, data, 8))
			s->wire.places[s->watch.challenges[i].place].validated = true;
}

void sim_watch_opened(struct sim_node *n, const __u8 *packet, size_t len)
{
	struct inlay_quic_clear clear;
	struct inlay_quic_frame f;
	bool good = inlay_quic_clear_parse(packet, len, INLAY_OWN_CID, &clear);

	while (good && inlay_cursor_left(&clear.frames) > 0) {
		good = !inlay_quic_frame_parse(&clear.frames, &f);
		if (good && !n->client && f.type == INLAY_QUIC_PATH_RESPONSE)
			note_response(n->sim, f.path_data);
	}
	if (!good)
		sim_fail(n->sim, "an authentic packet does not parse");
}

/* --- For a reader of the trace ---------------------------------------------------------------- */

void sim_watch_tell(struct sim *s, bool relay, const struct inlay_seal_item *item,
		    struct inlay_cursor c)
{
	struct sim_place *p = relay ? sim_wire_place(s, &item->remote) : NULL;
	struct inlay_quic_frame f;

	fprintf(stderr,
		"%11.6f   %s %d, %u/%u, %llu%s, %zu bytes:", (double)(s->now - s->began) / INLAY_S,
		relay ? "to client" : "from a client", p ? p->client->index : -1, item->sa.number,
		item->sa.generation, (unsigned long long)item->pn,
		s->forwarding ? " (forwarded)" : "",
		item->header_len + inlay_cursor_left(&c) + INLAY_TAG);
	while (inlay_cursor_left(&c) > 0) {
		if (inlay_quic_frame_parse(&c, &f))
			break;
		fprintf(stderr, " %02x", (unsigned int)f.wire_type);
		if (f.type == INLAY_QUIC_STREAM)
			fprintf(stderr, " %llu [%llu+%llu%s]", (unsigned long long)f.stream.id,
				(unsigned long long)f.stream.offset,
				(unsigned long long)f.stream.len, f.stream.fin ? " FIN" : "");
	}
	fputc('\n', stderr);
}

/* --- Amplification (RFC 9000 sections 8 and 9.3) ---------------------------------------------- */

void sim_watch_down(struct sim *s, struct sim_place *place, size_t len)
{
	place->to += len;
	if (!place->validated && place->to > 3 * place->from)
		sim_fail(s, "%llu bytes to an address that sent %llu and is not validated",
			 (unsigned long long)place->to, (unsigned long long)place->from);
}

/* A Handshake packet, or an Initial with the token of a Retry, wherever in the datagram. */
static bool proves_address(const __u8 *data, size_t len)
{
	struct inlay_cursor c = inlay_cursor_of(data, len);
	struct inlay_quic_long_v1 v1;
	struct inlay_quic_long h;

	while (inlay_quic_long_parse(&c, &h) && inlay_quic_long_v1_parse(&c, &h, &v1))
		if (v1.type == INLAY_QUIC_HANDSHAKE ||
		    (v1.type == INLAY_QUIC_INITIAL && v1.token_len > 0))
			return true;
	return false;
}

void sim_watch_up(struct sim *s, struct sim_place *place, const __u8 *data, size_t len)
{
	place->from += len;
	if (!place->validated && proves_address(data, len))
		place->validated = true;
}

/* --- Bounds ---------------------------------------------------------------------------------- */

static void bound(struct sim *s, const char *what, __u64 value, __u64 most)
{
	if (value > most)
		sim_fail(s, "%s: %llu, more than %llu", what, (unsigned long long)value,
			 (unsigned long long)most);
}

static void check_conn(struct sim *s, const struct inlay_conn *c)
{
	const struct inlay_streams *t = &c->streams;
	const struct inlay_subscriber *e = c->entry;
	/* A forwarder obeys the peer's limit alone. */
	__u64 own =
		s->plan.forward && c->role == INLAY_SERVER && e->stream_limit > c->max_streams_open
			? e->stream_limit
			: c->max_streams_open;

	bound(s, "bytes kept for sending", t->send_budget.used, t->send_budget.max);
	bound(s, "bytes kept out of order", t->recv_budget.used, t->recv_budget.max);
	bound(s, "bytes of datagrams", c->datagrams.bytes, c->datagrams.max_bytes);
	bound(s, "streams of ours", t->n_own, own);
	bound(s, "streams", t->n,
	      own + t->quota[0].window + t->quota[1].window + inlay_list_is_empty(&t->dead));
	bound(s, "open packet numbers", e->next_pn - c->log.oldest, c->log.size);
	bound(s, "bytes received", c->flow.received, c->flow.limit);
	bound(s, "bytes sent", e->flow_bytes, e->flow_limit);
	bound(s, "streams opened", e->next_stream, e->stream_limit);
	bound(s, "ranges to acknowledge", c->acks.report.n, 1024);
	bound(s, "CIDs of ours retired and not replaced", c->cids.retires_open, 64);
}

static void check_session(struct sim *s, const struct inlay_moq_session *m)
{
	if (!m)
		return;
	bound(s, "bytes of control messages", m->control_bytes, m->config.max_control_bytes);
	bound(s, "bytes that wait for an alias", m->pending_bytes,
	      m->config.max_pending_bytes + BOUND_SLACK);
	bound(s, "requests of ours", m->own_requests, m->config.max_own_requests);
	bound(s, "requests of the peer", m->peer_requests, m->config.max_requests);
}

static void check_ep_conn(void *user, struct inlay_ep_conn *c)
{
	if (inlay_ep_conn_peek(c))
		check_conn(user, inlay_ep_conn_peek(c));
}

static void check_relay(struct sim *s)
{
	const struct inlay_relay *r = s->relay;
	struct inlay_list *node, *n;

	bound(s, "cached bytes", r->cache.bytes, r->config.cache.max_bytes + BOUND_SLACK);
	inlay_list_for_each (node, &r->tracks) {
		const struct relay_track *t = inlay_list_entry(node, struct relay_track, node);

		bound(s, "cached bytes of a track", t->cache.bytes,
		      r->config.cache.max_track_bytes + BOUND_SLACK);
		bound(s, "cached groups of a track", t->cache.group_count,
		      r->config.cache.max_track_groups + 1);
		bound(s, "publishers of a track", t->n_upstreams, r->config.max_publishers);
		inlay_list_for_each (n, &t->subscriptions)
			bound(s, "streams of a subscription",
			      inlay_list_entry(n, struct relay_subscription, of_track)->n_readers,
			      r->config.max_streams);
	}
	inlay_list_for_each (node, &r->sessions)
		check_session(s, inlay_list_entry(node, struct inlay_relay_session, node)->moq);
}

void sim_watch_bounds(struct sim *s)
{
	struct inlay_endpoint_stats stats;

	inlay_endpoint_stats(s->node.ep, &stats);
	bound(s, "connections", stats.connections, s->plan.relay_endpoint.max_connections);
	bound(s, "handshakes", stats.handshakes, s->plan.relay_endpoint.max_handshakes);
	inlay_endpoint_for_each(s->node.ep, check_ep_conn, s);
	check_relay(s);
	for (__u32 i = 0; i < s->plan.n_clients; i++) {
		if (s->clients[i].node.ep)
			inlay_endpoint_for_each(s->clients[i].node.ep, check_ep_conn, s);
		check_session(s, s->clients[i].moq);
	}
}
