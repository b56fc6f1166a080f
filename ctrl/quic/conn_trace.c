/* SPDX-License-Identifier: BSD-2-Clause */
#include "conn_internal.h"
#include "inlay_quic_write.h"

/* --- Packets -------------------------------------------------------------------------------- */

static void tell(struct inlay_conn *c, const struct inlay_trace_packet *p, inlay_ns now)
{
	c->trace.now = now;
	c->trace.ops->packet(c->trace.ctx, p, now);
}

void inlay_conn_trace_sent(struct inlay_conn *c, __u8 cid_len, const __u8 *packet, size_t len,
			   inlay_ns now)
{
	struct inlay_quic_clear clear;
	struct inlay_trace_packet p = {
		.kind = INLAY_TRACE_SENT,
		.clear = &clear,
		.len = len,
		.phase = c->keys.tx_phase,
		.ack_delay_exponent = (__u8)c->own.ack_delay_exponent,
	};

	if (!inlay_quic_clear_parse(packet, len, cid_len, &clear))
		return;
	p.mtu_probe = inlay_sentlog_entry(&c->log, clear.pn)->flags & INLAY_SENT_MTU_PROBE;
	tell(c, &p, now);
}

void inlay_conn_trace_forwarded(struct inlay_conn *c, __u64 pn, inlay_ns sent)
{
	static const __u8 zeros[INLAY_FRAME_MAX];
	const struct inlay_sent *e = inlay_sentlog_entry(&c->log, pn);
	__u16 flags = inlay_sentlog_flags(e);
	__u8 frame[INLAY_FRAME_MAX + 64];
	struct inlay_writer w = inlay_writer_of(frame, sizeof(frame));
	struct inlay_quic_clear clear = {.first = 0x40, .pn_len = INLAY_TX_PN, .pn = pn};
	struct inlay_quic_stream f = {
		.id = inlay_conn_foreign_stream(c, e->stream),
		.offset = e->offset,
		.len = e->payload_len <= sizeof(zeros) ? e->payload_len : sizeof(zeros),
		.fin = flags & INLAY_SENT_FIN,
		.has_len = true,
		.data = zeros,
	};
	struct inlay_trace_packet p = {
		.kind = INLAY_TRACE_SENT,
		.clear = &clear,
		.len = e->packet_size,
		.phase = c->keys.tx_phase,
		.forwarded = true,
		.ago = c->now > sent ? c->now - sent : 0,
	};

	if (!(flags & INLAY_SENT_DATAGRAM))
		inlay_quic_put_stream(&w, &f);
	else
		inlay_quic_put_datagram(&w, zeros, f.len, true);
	clear.frames = inlay_cursor_of(frame, inlay_writer_len(&w));
	tell(c, &p, c->now);
}

void inlay_conn_trace_received(struct inlay_conn *c, const struct inlay_quic_clear *clear,
			       size_t len, inlay_ns now)
{
	struct inlay_trace_packet p = {
		.kind = INLAY_TRACE_RECEIVED,
		.clear = clear,
		.len = len,
		.ack_delay_exponent = (__u8)c->peer.ack_delay_exponent,
	};

	tell(c, &p, now);
}

void inlay_conn_trace_dropped(struct inlay_conn *c, const struct inlay_quic_clear *clear,
			      size_t len, const char *trigger, inlay_ns now)
{
	struct inlay_trace_packet p = {
		.kind = INLAY_TRACE_DROPPED, .clear = clear, .len = len, .trigger = trigger};

	tell(c, &p, now);
}

void inlay_conn_trace_lost(struct inlay_conn *c, __u64 pn)
{
	const struct inlay_recovery *r = &c->recovery;
	bool reordered = r->any_acked && r->largest_acked >= pn &&
			 r->largest_acked - pn >= r->packet_threshold;

	c->trace.ops->lost(c->trace.ctx, pn, reordered ? "reordering_threshold" : "time_threshold",
			   c->trace.now);
}

void inlay_conn_trace_stream(struct inlay_conn *c, __u64 id, bool opened)
{
	c->trace.ops->stream(c->trace.ctx, id, opened, c->trace.now);
}

/* --- State ---------------------------------------------------------------------------------- */

static const char *congestion(const struct inlay_cc *cc)
{
	if (cc->in_recovery)
		return "recovery";
	return cc->cwnd < cc->ssthresh ? "slow_start" : "congestion_avoidance";
}

static void sample_recovery(const struct inlay_recovery *r, struct inlay_trace_state *s)
{
	s->min_rtt = r->rtt.min;
	s->smoothed_rtt = r->rtt.smoothed;
	s->latest_rtt = r->rtt.latest;
	s->rttvar = r->rtt.var;
	s->cwnd = r->cc.cwnd;
	s->ssthresh = r->cc.ssthresh;
	s->bytes_in_flight = inlay_sentlog_in_flight(r->log);
	s->pacing_rate = r->pacer.rate;
	s->congestion = congestion(&r->cc);
	s->pto_count = r->pto_count;
	s->loss_timer = inlay_recovery_loss_deadline(r);
	s->by_threshold = r->loss_time != INLAY_NEVER;
}

void inlay_conn_trace_sample(struct inlay_conn *c, inlay_ns now)
{
	const struct inlay_peer_cid *peer = &c->cids.peer[c->cids.current];
	struct inlay_trace_state s = {
		.own = &c->own,
		.peer = &c->peer,
		.path = &inlay_paths_current(&c->paths)->path,
		.path_validated = inlay_paths_current(&c->paths)->validated,
		.peer_cid_sequence = peer->sequence,
		.peer_cid = peer->cid,
		.path_mtu = c->entry->path_mtu,
		.ecn = inlay_ecn_state_name(c->ecn.state),
		.tx_phase = c->keys.tx_phase,
		.rx_phase = c->keys.rx_phase,
		.handshake_confirmed = c->confirmed || c->role == INLAY_SERVER,
		.close_state = c->close.state,
		.why = &c->close.why,
	};

	sample_recovery(&c->recovery, &s);
	c->trace.now = now;
	if (!c->trace.ops->sample(c->trace.ctx, &s, now))
		inlay_conn_set_trace(c, NULL, NULL, now);
}

/* --- Coming and going ------------------------------------------------------------------------- */

void inlay_conn_set_trace(struct inlay_conn *c, const struct inlay_trace *trace, void *ctx,
			  inlay_ns now)
{
	const struct inlay_conn_trace before = c->trace;

	c->trace = (struct inlay_conn_trace){.ops = trace, .ctx = ctx, .now = now};
	if (before.ops)
		before.ops->release(before.ctx);
	if (trace)
		inlay_conn_trace_sample(c, now);
}

bool inlay_conn_has_trace(const struct inlay_conn *c)
{
	return c->trace.ops != NULL;
}
