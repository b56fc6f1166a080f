/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What holds of packets and queues, whatever happens: counted here anew, from the packets
 * themselves as they pass between engine and provider, not from what the engine says of them.
 */
#include <stdlib.h>
#include <string.h>

#include "conn_internal.h"
#include "inlay_quic_frame.h"
#include "relay_impl.h"
#include "session_impl.h"
#include "sim.h"

#define BOUND_SLACK (64 << 10)

static struct sim_flow *flow_of(const struct sim_node *n, __u32 sa)
{
	struct sim *s = n->sim;
	int side = n->client != NULL;

	if (!s->watch.flows[side])
		s->watch.flows[side] = calloc(SIM_SAS, sizeof(struct sim_flow));
	if (!s->watch.flows[side] || sa >= SIM_SAS)
		abort();
	return &s->watch.flows[side][sa];
}

void sim_watch_connection(struct sim_node *n, struct inlay_ep_conn *c)
{
	struct inlay_ep_conn_info info;
	struct sim_flow *f;

	inlay_ep_conn_info(c, &info);
	f = flow_of(n, info.tx_sa.number);
	memset(f, 0, sizeof(*f));
	f->generation = info.tx_sa.generation;
	f->conn = c;
	f = flow_of(n, info.rx_sa.number);
	f->generation = info.rx_sa.generation;
	f->twin = info.tx_sa;
}

/* --- Numbers and windows --------------------------------------------------------------------- */

struct content {
	bool eliciting, padded, path;
	bool mtu_probe;
	const __u8 *challenge, *response;
	bool has_ack;
	struct inlay_quic_ack ack;
};

static bool look(const __u8 *data, size_t len, __u8 cid_len, struct inlay_quic_clear *clear,
		 struct content *ret)
{
	struct inlay_quic_frame f;
	bool only_ping = true;

	*ret = (struct content){0};
	if (!inlay_quic_clear_parse(data, len, cid_len, clear))
		return false;
	while (inlay_cursor_left(&clear->frames) > 0) {
		if (inlay_quic_frame_parse(&clear->frames, &f))
			return false;
		ret->eliciting |= inlay_quic_frame_is_ack_eliciting(f.type);
		ret->padded |= f.type == INLAY_QUIC_PADDING;
		only_ping &= f.type == INLAY_QUIC_PADDING || f.type == INLAY_QUIC_PING;
		if (f.type == INLAY_QUIC_PATH_CHALLENGE)
			ret->challenge = f.path_data;
		if (f.type == INLAY_QUIC_PATH_RESPONSE)
			ret->response = f.path_data;
		if (f.type == INLAY_QUIC_ACK) {
			ret->has_ack = true;
			ret->ack = f.ack;
		}
	}
	ret->path = ret->challenge || ret->response;
	ret->mtu_probe = only_ping && ret->padded && ret->eliciting;
	return true;
}

static void note_challenge(struct sim *s, const struct inlay_addr *remote, const __u8 *data)
{
	struct sim_place *p = sim_wire_place(s, remote);
	__u32 i = s->watch.n_challenges++ % INLAY_ARRAY_SIZE(s->watch.challenges);

	memcpy(s->watch.challenges[i].data, data, 8);
	s->watch.challenges[i].place = (__u16)(p - s->wire.places);
	s->watch.challenges[i].used = true;
}

/* RFC 9000 section 8.2.3: it validates the path that the challenge was sent on. */
static void note_response(struct sim *s, const __u8 *data)
{
	for (size_t i = 0; i < INLAY_ARRAY_SIZE(s->watch.challenges); i++)
		if (s->watch.challenges[i].used && !memcmp(s->watch.challenges[i].data, data, 8))
			s->wire.places[s->watch.challenges[i].place].validated = true;
}

/* Congestion: what left and was neither acknowledged nor given up, against the window. */
static void check_window(struct sim *s, struct sim_flow *f, const struct content *what)
{
	const struct inlay_conn *c = inlay_ep_conn_peek(f->conn);
	struct inlay_conn_stats stats;
	__u64 open, window;

	if (s->plan.burst != 1 || !c || what->mtu_probe)
		return;
	inlay_conn_stats(c, &stats);
	f->probes += 2 * (stats.ptos - f->ptos);
	f->ptos = stats.ptos;
	open = f->eliciting_bytes - f->acked_bytes;
	open -= stats.bytes_lost < open ? stats.bytes_lost : open;
	window = inlay_cc_window(&c->recovery.cc);
	if (open <= window)
		return;
	if (f->probes == 0)
		sim_fail(s, "%llu bytes in flight with a window of %llu (%llu says the engine)",
			 (unsigned long long)open, (unsigned long long)window,
			 (unsigned long long)stats.bytes_in_flight);
	else
		f->probes--;
}

/* For a reader of the trace. */
static void tell(const struct sim_node *n, const struct inlay_frame *frame, __u8 cid_len)
{
	struct inlay_quic_clear clear;
	struct inlay_quic_frame f;
	struct sim *s = n->sim;
	struct sim_place *p;

	if (!inlay_quic_clear_parse(frame->data, frame->len, cid_len, &clear))
		return;
	p = n->client ? n->client->ways[0].place : sim_wire_place(s, &frame->path.remote);
	fprintf(stderr,
		"%11.6f   %s client %d, %llu, %u bytes:", (double)(s->now - s->began) / INLAY_S,
		n->client ? "from" : "to", p ? p->client->index : -1, (unsigned long long)clear.pn,
		frame->len);
	while (inlay_cursor_left(&clear.frames) > 0) {
		if (inlay_quic_frame_parse(&clear.frames, &f))
			break;
		fprintf(stderr, " %02x", (unsigned int)f.wire_type);
		if (f.type == INLAY_QUIC_STREAM)
			fprintf(stderr, " %llu [%llu+%llu%s]", (unsigned long long)f.stream.id,
				(unsigned long long)f.stream.offset,
				(unsigned long long)f.stream.len, f.stream.fin ? " FIN" : "");
	}
	fputc('\n', stderr);
}

void sim_watch_sent(struct sim_node *n, const struct inlay_frame *frame)
{
	__u8 hdr_len = frame->data[frame->len - INLAY_TAG + offsetof(struct inlay_desc, hdr_len)];
	struct inlay_quic_clear clear;
	struct sim *s = n->sim;
	struct content what;
	struct sim_flow *f;

	s->watch.packets++;
	if (s->packets)
		tell(n, frame, hdr_len - 1 - INLAY_TX_PN);
	if (!look(frame->data, frame->len, hdr_len - 1 - INLAY_TX_PN, &clear, &what)) {
		sim_fail(s, "the engine sends a frame that does not parse");
		return;
	}
	f = flow_of(n, clear.sa);
	if (f->generation != clear.generation)
		return; /* its SA is gone: refused by the provider */
	if (clear.pn < f->next_pn)
		sim_fail(s, "packet number %llu is taken twice", (unsigned long long)clear.pn);
	f->next_pn = clear.pn + 1;
	if (!n->client && what.challenge)
		note_challenge(s, &frame->path.remote, what.challenge);
	/* What asks whether another path works says nothing of this one's congestion. */
	if ((!what.eliciting && !what.padded) || what.path)
		return;
	f->eliciting_bytes += frame->len;
	f->log[clear.pn % SIM_FLOW_LOG].pn = clear.pn;
	f->log[clear.pn % SIM_FLOW_LOG].size = frame->len;
	check_window(s, f, &what);
}

static void take_ack(struct sim_flow *f, const struct inlay_quic_ack *ack)
{
	struct inlay_quic_ack_iter it = inlay_quic_ack_iter_of(ack);
	struct inlay_quic_range range;

	while (inlay_quic_ack_next(&it, &range)) {
		__u64 low = range.end > SIM_FLOW_LOG ? range.end - SIM_FLOW_LOG : 0;

		for (__u64 pn = range.end; pn > range.begin && pn > low; pn--) {
			if (f->log[(pn - 1) % SIM_FLOW_LOG].pn != pn - 1)
				continue;
			f->acked_bytes += f->log[(pn - 1) % SIM_FLOW_LOG].size;
			f->log[(pn - 1) % SIM_FLOW_LOG].size = 0;
		}
	}
}

void sim_watch_opened(struct sim_node *n, const __u8 *packet, size_t len)
{
	struct inlay_quic_clear clear;
	struct inlay_sa_ref twin;
	struct content what;
	struct sim_flow *f;

	if (!look(packet, len, INLAY_OWN_CID, &clear, &what)) {
		sim_fail(n->sim, "an authentic packet does not parse");
		return;
	}
	if (!n->client && what.response)
		note_response(n->sim, what.response);
	f = flow_of(n, clear.sa);
	if (!what.has_ack || f->generation != clear.generation)
		return;
	twin = f->twin;
	f = flow_of(n, twin.number);
	if (f->generation == twin.generation)
		take_ack(f, &what.ack);
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

	bound(s, "bytes kept for sending", t->send_budget.used, t->send_budget.max);
	bound(s, "bytes kept out of order", t->recv_budget.used, t->recv_budget.max);
	bound(s, "bytes of datagrams", c->datagrams.bytes, c->datagrams.max_bytes);
	bound(s, "streams of ours", t->n_own, c->max_streams_open);
	bound(s, "streams", t->n,
	      c->max_streams_open + t->quota[0].window + t->quota[1].window +
		      inlay_list_is_empty(&t->dead));
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
