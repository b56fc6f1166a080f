/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every packet that is sealed, whoever made it, the engine or a forwarder: counted here anew at the
 * provider's door. No number twice under a key; no more in flight than the window, nor faster than
 * the pace; no limit of the peer's passed; and what the engine takes for in flight is what was sent
 * less what was acknowledged or declared lost.
 */
#include <stdlib.h>
#include <string.h>

#include "conn_internal.h"
#include "sim.h"

#define FLOW_LOG    2048	    /* numbers remembered: as many as any sent log */
#define BURST	    (20 * INLAY_MS) /* design section 5 rule 2: several ms worth */
#define BURST_PKTS  10
#define MIN_PKTS    16 /* a second: no pace is slower */
#define MAX_PN_LEAP (1U << 20)

enum state { NOTHING, OPEN, ACKED, LOST };

struct packet {
	__u64 pn;
	__u32 size;
	__u8 state;
};

/* Tokens of a bucket that fills at the pace. */
struct pace {
	inlay_ns at;
	__u64 rate;
	double tokens;
};

/* One end's view of its connection. */
struct sim_end {
	struct sim *sim;
	struct inlay_ep_conn *conn;
	struct inlay_sa_ref tx;
	bool relay, dirty;
	struct packet log[FLOW_LOG];
	__u64 in_flight;
	__u64 ptos, probes; /* timeouts seen, packets that they still excuse */
	struct pace pace;
	__u64 path_first;
	struct sim_limits obeyed; /* what the peer has granted, as far as we know */
	struct sim_limits granted;
};

/* Numbers sealed under one key. */
struct key {
	__u16 generation;
	__u64 *bits;
	__u64 n_words;
};

struct sim_flows {
	struct sim_end *ends[2][SIM_SAS]; /* the relay's, the clients', by transmit SA */
	struct key keys[2][SIM_SAS];
	__u64 sealed, forwarded;
};

/* --- Who there is ---------------------------------------------------------------------------- */

static const struct inlay_conn *conn_of(const struct sim_end *e)
{
	const struct inlay_conn *c = e->conn ? inlay_ep_conn_peek(e->conn) : NULL;

	return c && inlay_conn_is_open(c) ? c : NULL;
}

static struct sim_end *end_of(struct sim *s, bool relay, struct inlay_sa_ref sa)
{
	struct sim_end *e;

	if (sa.number >= SIM_SAS)
		abort();
	e = s->flows->ends[!relay][sa.number];
	return e && e->tx.generation == sa.generation ? e : NULL;
}

static void forget_key(struct key *k)
{
	free(k->bits);
	*k = (struct key){0};
}

static void on_release(void *ctx)
{
	struct sim_end *e = ctx;
	struct sim_flows *flows = e->sim->flows;
	struct sim_end **place = &flows->ends[!e->relay][e->tx.number];

	if (*place == e)
		*place = NULL;
	if (e->sim->plan.forgetful)
		forget_key(&flows->keys[!e->relay][e->tx.number]);
	sim_limits_fini(&e->obeyed);
	sim_limits_fini(&e->granted);
	free(e);
}

void sim_flows_init(struct sim *s)
{
	s->flows = calloc(1, sizeof(*s->flows));
	if (!s->flows)
		abort();
}

void sim_flows_fini(struct sim *s)
{
	for (int side = 0; side < 2; side++)
		for (__u32 i = 0; i < SIM_SAS; i++)
			forget_key(&s->flows->keys[side][i]);
	free(s->flows);
	s->flows = NULL;
}

/* --- What arrives ---------------------------------------------------------------------------- */

static void settle(struct sim_end *e, __u64 pn, enum state state)
{
	struct packet *p = &e->log[pn % FLOW_LOG];

	if (p->pn != pn || p->state == NOTHING)
		return;
	if (p->state == OPEN)
		e->in_flight -= p->size;
	p->state = (__u8)state;
	e->dirty = true;
}

static void take_ack(struct sim_end *e, const struct inlay_quic_ack *ack)
{
	struct inlay_quic_ack_iter it = inlay_quic_ack_iter_of(ack);
	struct inlay_quic_range range;

	while (inlay_quic_ack_next(&it, &range)) {
		__u64 low = range.end > FLOW_LOG ? range.end - FLOW_LOG : 0;

		for (__u64 pn = range.end; pn > range.begin && pn > low; pn--)
			settle(e, pn - 1, ACKED);
	}
}

static const char *name_of(const struct sim_end *e)
{
	return e->relay ? "the relay" : "a client";
}

static void judge(struct sim_end *e, const char *wrong, const char *by)
{
	if (wrong)
		sim_fail(e->sim, "%s is passed: %s has counted (%s is sealed by %u/%u)", wrong, by,
			 name_of(e), e->tx.number, e->tx.generation);
}

static void on_received(struct sim_end *e, const struct inlay_quic_clear *clear)
{
	struct inlay_cursor c = clear->frames;
	struct inlay_quic_frame f;

	while (inlay_cursor_left(&c) > 0) {
		size_t before = inlay_cursor_left(&c);

		if (inlay_quic_frame_parse(&c, &f))
			return;
		if (f.type == INLAY_QUIC_ACK)
			take_ack(e, &f.ack);
		sim_limits_grant(&e->obeyed, &f);
		judge(e, sim_limits_charge(&e->granted, &f, before - inlay_cursor_left(&c)),
		      "the receiver");
	}
}

/* --- What the engine says of itself ---------------------------------------------------------- */

static void on_packet(void *ctx, const struct inlay_trace_packet *p, inlay_ns now)
{
	if (p->kind == INLAY_TRACE_RECEIVED)
		on_received(ctx, p->clear);
}

static void on_lost(void *ctx, __u64 pn, const char *trigger, inlay_ns now)
{
	settle(ctx, pn, LOST);
}

static void on_stream(void *ctx, __u64 id, bool opened, inlay_ns now)
{
}

static __u64 burst_of(__u64 rate, __u64 mtu)
{
	__u64 bytes = rate / (INLAY_S / BURST);

	return bytes > BURST_PKTS * mtu ? bytes : BURST_PKTS * mtu;
}

/* A bucket that is looked at after a pause is filled once more, whatever left it meanwhile; and
 * rates change between two looks. */
static double debt_of(__u64 rate, __u64 mtu)
{
	return (double)(burst_of(rate, mtu) + 2 * mtu);
}

/* The bucket fills at the better of two rates: it changed some time in between. */
static void refill(struct sim_end *e, __u64 rate, __u64 mtu, inlay_ns now)
{
	struct pace *p = &e->pace;
	__u64 best = rate > p->rate ? rate : p->rate;

	best = best > MIN_PKTS * mtu ? best : MIN_PKTS * mtu;
	p->tokens += (double)(now - p->at) * (double)best / INLAY_S;
	if (p->tokens > (double)burst_of(best, mtu))
		p->tokens = (double)burst_of(best, mtu);
	p->at = now;
	p->rate = rate;
}

static bool on_sample(void *ctx, const struct inlay_trace_state *state, inlay_ns now)
{
	refill(ctx, state->pacing_rate, state->path_mtu, now);
	return true;
}

void sim_flows_connection(struct sim_node *n, struct inlay_ep_conn *conn)
{
	static const struct inlay_trace trace = {.packet = on_packet,
						 .lost = on_lost,
						 .stream = on_stream,
						 .sample = on_sample,
						 .release = on_release};
	struct inlay_conn *c = inlay_ep_conn_get(conn);
	struct sim_end *e = calloc(1, sizeof(*e));
	struct inlay_ep_conn_info info;
	struct sim *s = n->sim;

	if (!e)
		abort();
	inlay_ep_conn_info(conn, &info);
	e->sim = s;
	e->conn = conn;
	e->tx = info.tx_sa;
	e->relay = !n->client;
	e->pace.at = s->now;
	e->pace.tokens = (double)burst_of(0, 1500);
	sim_limits_init(&e->obeyed, &c->peer, e->relay);
	sim_limits_init(&e->granted, &c->own, !e->relay);
	s->flows->ends[!e->relay][e->tx.number] = e;
	inlay_conn_set_trace(c, &trace, e, s->now);
}

/* --- What leaves ----------------------------------------------------------------------------- */

struct content {
	bool eliciting, padded, path, mtu_probe;
	__u32 n_frames;
	__u64 media; /* bytes of unidirectional streams and datagrams */
	struct inlay_quic_frame first;
	size_t first_len;
	const __u8 *challenge;
};

/* A copy carries bytes that were not sent before, and nothing else. */
static void check_new(struct sim_end *e, const struct inlay_quic_frame *f)
{
	__u64 highest;

	if (f->type != INLAY_QUIC_STREAM)
		return;
	highest = sim_limits_highest(&e->obeyed, f->stream.id);
	if (f->stream.offset < highest || (f->stream.len == 0 && !f->stream.fin))
		sim_fail(e->sim, "a copy on stream %llu begins at %llu, and %llu was reached",
			 (unsigned long long)f->stream.id, (unsigned long long)f->stream.offset,
			 (unsigned long long)highest);
}

static bool look(struct sim_end *e, struct inlay_cursor c, struct content *ret)
{
	struct inlay_quic_frame f;
	bool only_ping = true;

	*ret = (struct content){0};
	while (inlay_cursor_left(&c) > 0) {
		size_t before = inlay_cursor_left(&c);

		if (inlay_quic_frame_parse(&c, &f))
			return false;
		if (ret->n_frames++ == 0) {
			ret->first = f;
			ret->first_len = before - inlay_cursor_left(&c);
		}
		if (e && e->sim->forwarding)
			check_new(e, &f);
		if (f.type == INLAY_QUIC_STREAM && f.stream.id & 2)
			ret->media += f.stream.len;
		if (f.type == INLAY_QUIC_DATAGRAM)
			ret->media += f.bytes.len;
		ret->eliciting |= inlay_quic_frame_is_ack_eliciting(f.type);
		ret->padded |= f.type == INLAY_QUIC_PADDING;
		ret->path |=
			f.type == INLAY_QUIC_PATH_CHALLENGE || f.type == INLAY_QUIC_PATH_RESPONSE;
		only_ping &= f.type == INLAY_QUIC_PADDING || f.type == INLAY_QUIC_PING ||
			     f.type == INLAY_QUIC_IMMEDIATE_ACK;
		if (f.type == INLAY_QUIC_PATH_CHALLENGE)
			ret->challenge = f.path_data;
		if (!e)
			continue;
		sim_limits_grant(&e->granted, &f);
		judge(e, sim_limits_charge(&e->obeyed, &f, before - inlay_cursor_left(&c)),
		      "the sender");
	}
	ret->mtu_probe = only_ping && ret->padded && ret->eliciting;
	return true;
}

/* Probes are charged, and never held back (RFC 9002 section 7.5); what asks whether another path
 * works says nothing of this one's congestion. */
static bool is_probe(struct sim_end *e, const struct inlay_conn *c, const struct content *what)
{
	struct inlay_conn_stats stats;

	inlay_conn_stats(c, &stats);
	e->probes += 2 * (stats.ptos - e->ptos);
	e->ptos = stats.ptos;
	if (what->path)
		return true;
	if (e->probes == 0)
		return false;
	e->probes--;
	return true;
}

/* Another path begins with a full bucket. */
static void follow_path(struct sim_end *e, const struct inlay_conn *c)
{
	if (c->recovery.path_first == e->path_first)
		return;
	e->path_first = c->recovery.path_first;
	e->pace.tokens = (double)burst_of(e->pace.rate, c->entry->path_mtu);
}

/* Congestion: what left and was neither acknowledged nor given up, against window and pace. */
static void check_window(struct sim_end *e, const struct content *what, __u32 size)
{
	const struct inlay_conn *c = conn_of(e);
	struct sim *s = e->sim;
	__u64 window;

	if (!c)
		return;
	follow_path(e, c);
	refill(e, c->recovery.pacer.rate, c->entry->path_mtu, s->now);
	if (!s->forwarding && is_probe(e, c, what))
		return;
	e->pace.tokens -= size;
	/* Several packets of the engine's at once: it is further on than they are. */
	if (s->plan.burst != 1 && !s->forwarding)
		return;
	window = inlay_cc_window(&c->recovery.cc);
	if (e->in_flight > window && !what->mtu_probe)
		sim_fail(s, "%s%s: %llu bytes in flight with a window of %llu", name_of(e),
			 s->forwarding ? ", forwarding" : "", (unsigned long long)e->in_flight,
			 (unsigned long long)window);
	else if (e->pace.tokens + debt_of(e->pace.rate, c->entry->path_mtu) < 0)
		sim_fail(s, "%s%s sends %.0f bytes ahead of its pace", name_of(e),
			 s->forwarding ? ", forwarding" : "", -e->pace.tokens);
}

static void note_flight(struct sim_end *e, __u64 pn, __u32 size, const struct content *what)
{
	struct packet *p = &e->log[pn % FLOW_LOG];

	if (p->state == OPEN)
		sim_fail(e->sim, "packet %llu was never resolved", (unsigned long long)p->pn);
	*p = (struct packet){.pn = pn, .size = size, .state = OPEN};
	e->in_flight += size;
	e->dirty = true;
	check_window(e, what, size);
}

/* True: it is the first of its number under this key. */
static bool take_number(struct key *k, struct inlay_sa_ref sa, __u64 pn)
{
	__u64 word = pn / 64, bit = 1ULL << pn % 64;

	if (k->generation != sa.generation) {
		forget_key(k);
		k->generation = sa.generation;
	}
	if (word >= k->n_words) {
		__u64 n = word + word / 2 + 16;

		if (n > MAX_PN_LEAP)
			abort();
		k->bits = realloc(k->bits, n * sizeof(*k->bits));
		if (!k->bits)
			abort();
		memset(k->bits + k->n_words, 0, (n - k->n_words) * sizeof(*k->bits));
		k->n_words = n;
	}
	if (k->bits[word] & bit)
		return false;
	k->bits[word] |= bit;
	return true;
}

/* The frames, in one piece. */
static struct inlay_cursor frames_of(const struct inlay_seal_item *item)
{
	static __u8 bytes[INLAY_FRAME_ROOM];

	if (item->prefix_len == 0)
		return inlay_cursor_of(item->payload, item->payload_len);
	if (item->prefix_len + item->payload_len > sizeof(bytes))
		abort();
	memcpy(bytes, item->prefix, item->prefix_len);
	memcpy(bytes + item->prefix_len, item->payload, item->payload_len);
	return inlay_cursor_of(bytes, item->prefix_len + item->payload_len);
}

/* Rule 1: what stands in the log is what the packet carries. */
static void check_entry(struct sim_end *e, const struct inlay_seal_item *item,
			const struct content *what, __u32 size)
{
	const struct inlay_conn *c = conn_of(e);
	const struct inlay_quic_frame *f = &what->first;
	bool datagram = f->type == INLAY_QUIC_DATAGRAM;
	const struct inlay_sent *sent;
	bool good;

	if (!c)
		return;
	sent = inlay_sentlog_entry(&c->log, item->pn);
	good = sent->pn_state == INLAY_SENT_WORD(item->pn, INLAY_SENT_SENT) &&
	       sent->packet_size == size && !(sent->flags & INLAY_SENT_DATAGRAM) == !datagram &&
	       !(sent->flags & (INLAY_SENT_LOCAL | INLAY_SENT_NOT_IN_FLIGHT));
	if (good && datagram)
		good = sent->payload_len == f->bytes.len;
	else if (good)
		good = sent->stream == f->stream.id >> 2 && sent->offset == f->stream.offset &&
		       sent->payload_len == f->stream.len &&
		       !(sent->flags & INLAY_SENT_FIN) == !f->stream.fin;
	if (!good)
		sim_fail(e->sim, "copy %llu is not what the log says",
			 (unsigned long long)item->pn);
	if (size > inlay_load_u32(&c->entry->path_mtu))
		sim_fail(e->sim, "a copy of %u bytes, and the path takes %u", size,
			 c->entry->path_mtu);
	if (item->pn >= inlay_load_u64(&c->entry->pn_limit))
		sim_fail(e->sim, "copy %llu is beyond what the log has room for",
			 (unsigned long long)item->pn);
}

void sim_flows_sealing(struct sim *s, bool relay, const struct inlay_seal_item *item)
{
	struct inlay_cursor c = frames_of(item);
	__u32 size = (__u32)(item->header_len + inlay_cursor_left(&c) + INLAY_TAG);
	struct sim_end *e = end_of(s, relay, item->sa);
	struct content what;

	s->watch.packets++;
	if (s->packets)
		sim_watch_tell(s, relay, item, c);
	if (!look(e, c, &what)) {
		sim_fail(s, "%s sends a frame that does not parse",
			 relay ? "the relay" : "a client");
		return;
	}
	s->media_bytes += relay ? what.media : 0;
	s->fast_bytes += s->forwarding ? what.media : 0;
	if (s->forwarding && (what.n_frames != 1 || !what.eliciting || what.path))
		sim_fail(s, "a copy carries more than one frame of media");
	if (relay && what.challenge)
		sim_watch_challenge(s, &item->remote, what.challenge);
	if (!e)
		return;
	if (s->forwarding)
		check_entry(e, item, &what, size);
	if (size > e->obeyed.packet)
		judge(e, "max_udp_payload_size", "the sender");
	if (what.eliciting || what.padded)
		note_flight(e, item->pn, size, &what);
}

void sim_flows_sealed(struct sim *s, bool relay, const struct inlay_seal_item *item)
{
	s->flows->sealed++;
	s->flows->forwarded += s->forwarding;
	if (item->sa.number >= SIM_SAS)
		abort();
	if (!take_number(&s->flows->keys[!relay][item->sa.number], item->sa, item->pn))
		sim_fail(s, "packet number %llu is sealed twice under the key of %u/%u",
			 (unsigned long long)item->pn, item->sa.number, item->sa.generation);
}

void sim_flows_touch(struct sim *s)
{
	for (__u32 i = 0; i < SIM_SAS; i++)
		if (s->flows->ends[0][i])
			s->flows->ends[0][i]->dirty = true;
}

bool sim_flows_highest(struct sim *s, const struct inlay_subscriber *entry, __u64 id,
		       __u64 *ret_highest)
{
	for (__u32 i = 0; i < SIM_SAS; i++) {
		struct sim_end *e = s->flows->ends[0][i];
		const struct inlay_conn *c = e ? conn_of(e) : NULL;

		if (!c || c->entry != entry)
			continue;
		*ret_highest = sim_limits_highest(&e->obeyed, id);
		return true;
	}
	return false;
}

void sim_flows_check(struct sim *s)
{
	for (int side = 0; side < 2; side++)
		for (__u32 i = 0; i < SIM_SAS; i++) {
			struct sim_end *e = s->flows->ends[side][i];
			const struct inlay_conn *c = e && e->dirty ? conn_of(e) : NULL;

			if (!c)
				continue;
			e->dirty = false;
			if (inlay_load_u64(&c->entry->flow_bytes) != e->obeyed.used)
				sim_fail(s, "%s has charged %llu to MAX_DATA, and sent %llu",
					 name_of(e), (unsigned long long)c->entry->flow_bytes,
					 (unsigned long long)e->obeyed.used);
			if (inlay_sentlog_in_flight(&c->log) != e->in_flight)
				sim_fail(s, "%s takes %llu bytes for in flight, and %llu are",
					 name_of(e),
					 (unsigned long long)inlay_sentlog_in_flight(&c->log),
					 (unsigned long long)e->in_flight);
		}
}
