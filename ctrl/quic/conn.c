/* SPDX-License-Identifier: BSD-2-Clause */
/* The public functions, and what holds the parts of a connection together. */
#include "conn_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_MTU	    1200 /* until the path is known to carry more */
#define DEFAULT_SEND_BUFFER (4ULL << 20)
#define DEFAULT_RECV_BUFFER (1ULL << 20)
#define STREAM_BUFFER	    (256ULL << 10) /* any stream without a source may keep as much */
#define UPDATE_MARGIN	    4		   /* numbers between the counter and a new phase */
#define UPDATE_TRIES	    8
#define ACK_ROOM	    128 /* bytes: a path that allows less carries no packet */

/* --- Birth and death ------------------------------------------------------------------------ */

/* RFC 9000 section 18.2: no parameter means 65527, and less than 1200 is refused before. */
static __u32 largest_mtu(const struct inlay_conn *c, __u32 wanted)
{
	__u64 most = c->peer.max_udp_payload_size;

	return most >= DEFAULT_MTU && most < wanted ? (__u32)most : wanted;
}

static void fill_entry(struct inlay_conn *c)
{
	struct inlay_subscriber *e = c->entry;

	inlay_store_u32(&e->path_mtu, largest_mtu(c, e->path_mtu ? e->path_mtu : DEFAULT_MTU));
	e->abi_version = INLAY_ABI_VERSION;
	e->initiator = c->role == INLAY_SERVER;
	e->initial_stream_limit = c->peer.initial_max_stream_data_uni;
	e->max_datagram = c->peer.max_datagram_frame_size;
	inlay_store_u64(&e->flow_limit, c->peer.initial_max_data);
	inlay_conn_write_headers(c);
}

static void copy_config(struct inlay_conn *c, const struct inlay_conn_config *config)
{
	const struct inlay_handover *h = config->handover;

	c->ops = config->ops;
	c->user = config->user;
	c->role = h->role;
	c->cc = config->cc;
	c->max_streams_open = config->max_streams_open;
	c->keep_alive = config->keep_alive;
	c->own = h->own;
	c->peer = h->peer;
	if (c->peer.ack_delay_exponent > 20) /* RFC 9000 section 18.2; checked by the handshake */
		c->peer.ack_delay_exponent = 20;
	c->entry = config->entry;
	c->state = config->state;
	c->handshake_done_due = c->role == INLAY_SERVER;
	c->confirmed = c->role == INLAY_SERVER; /* RFC 9001 section 4.1.2 */
}

/* Windows of bytes are promises of memory, for what comes out of order. */
static void set_growth(struct inlay_conn *c, __u32 growth)
{
	__u64 room = c->streams.recv_budget.max, most = c->own.initial_max_data * growth;
	int kind;

	if (growth <= 1)
		return;
	c->streams.growth = growth;
	c->flow.tuner.most = most < room ? most : room;
	for (kind = INLAY_BIDI; kind <= INLAY_UNI; kind++)
		c->streams.quota[kind].tuner.most = c->streams.quota[kind].window * growth;
}

static int init_parts(struct inlay_conn *c, const struct inlay_conn_config *config, inlay_ns now)
{
	const struct inlay_handover *h = config->handover;
	int err;

	err = inlay_sentlog_init(&c->log, config->entry, config->log, config->log_size,
				 config->state);
	if (err)
		return err;
	err = inlay_streams_init(&c->streams, h->role, config->entry, &c->own, &c->peer);
	if (err)
		return err;
	c->streams.recv_budget.max =
		config->max_recv_buffer ? config->max_recv_buffer : DEFAULT_RECV_BUFFER;
	c->streams.recv_budget.parent = config->recv_memory;
	c->streams.send_budget.max =
		config->max_send_buffer ? config->max_send_buffer : DEFAULT_SEND_BUFFER;
	inlay_flow_init(&c->flow, c->own.initial_max_data);
	set_growth(c, config->max_window_growth);
	inlay_acks_init(&c->acks, c->own.max_ack_delay, c->own.min_ack_delay);
	inlay_ack_request_init(&c->ack_request, &c->peer);
	inlay_post_handshake_init(&c->crypto, h->role, &c->streams.recv_budget);
	inlay_datagrams_init(&c->datagrams, config->max_datagram_queue);
	inlay_cids_init(&c->cids, h, c->ops, c->user);
	inlay_classes_init(&c->classes, config->policy, config->policy_user);
	inlay_paths_init(&c->paths, h->role, &h->path, h->own_cid.data);
	inlay_close_init(&c->close, &c->own, &c->peer, now);
	inlay_keyupdate_init(&c->keys, inlay_load_u64(&c->entry->next_pn));
	fill_entry(c);
	inlay_ecn_init(&c->ecn, !config->no_ecn, inlay_load_u64(&c->entry->next_pn));
	inlay_pmtu_init(&c->pmtu, c->entry->path_mtu, largest_mtu(c, config->max_path_mtu),
			inlay_load_u64(&c->entry->next_pn));
	inlay_recovery_init(&c->recovery, &c->log, &inlay_conn_recovery_ops, c, config->cc,
			    c->entry->path_mtu, now);
	c->recovery.no_pto = !c->confirmed;
	inlay_rtt_init(&c->recovery.rtt, h->latest_rtt, h->min_rtt, h->smoothed_rtt, h->rttvar,
		       c->peer.max_ack_delay);
	inlay_recovery_set_limits(&c->recovery, now);
	inlay_cids_issue(&c->cids);
	return 0;
}

struct inlay_conn *inlay_conn_new(const struct inlay_conn_config *config, inlay_ns now)
{
	struct inlay_conn *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	copy_config(c, config);
	c->now = now;
	if (init_parts(c, config, now)) {
		inlay_conn_free(c);
		return NULL;
	}
	return c;
}

void inlay_conn_free(struct inlay_conn *c)
{
	if (!c)
		return;
	if (inlay_conn_is_traced(c))
		inlay_conn_set_trace(c, NULL, NULL, c->trace.now);
	inlay_streams_fini(&c->streams);
	inlay_datagrams_fini(&c->datagrams);
	inlay_post_handshake_fini(&c->crypto);
	inlay_acks_fini(&c->acks);
	inlay_cids_fini(&c->cids);
	inlay_sentlog_fini(&c->log);
	free(c);
}

/* --- Closing -------------------------------------------------------------------------------- */

void inlay_conn_ended(struct inlay_conn *c, inlay_ns now)
{
	/* RFC 9000 section 10.2: nor does a forwarder send any more. */
	inlay_recovery_set_limits(&c->recovery, now);
	if (c->ops->on_closed)
		c->ops->on_closed(c->user, &c->close.why);
}

static void begin_close(struct inlay_conn *c, const struct inlay_close_reason *why,
			__u64 frame_type, inlay_ns now)
{
	if (inlay_close_begin(&c->close, why, frame_type, inlay_conn_pto(c), now))
		inlay_conn_ended(c, now);
	if (inlay_conn_is_traced(c))
		inlay_conn_trace_sample(c, now);
}

void inlay_conn_fail(struct inlay_conn *c, enum inlay_quic_error code, __u64 frame_type,
		     const char *text, inlay_ns now)
{
	struct inlay_close_reason why = {.code = code};

	inlay_close_text(&why, text, strlen(text));
	begin_close(c, &why, frame_type, now);
}

void inlay_conn_close(struct inlay_conn *c, bool application, __u64 code, const char *text,
		      inlay_ns now)
{
	struct inlay_close_reason why = {.application = application, .code = code};

	if (text)
		inlay_close_text(&why, text, strlen(text));
	begin_close(c, &why, 0, now);
}

void inlay_conn_on_stateless_reset(struct inlay_conn *c, inlay_ns now)
{
	struct inlay_close_reason why = {.by_peer = true, .reset = true};

	if (inlay_close_drain(&c->close, &why, inlay_conn_pto(c), now))
		inlay_conn_ended(c, now);
	if (inlay_conn_is_traced(c))
		inlay_conn_trace_sample(c, now);
}

bool inlay_conn_is_dead(const struct inlay_conn *c)
{
	return c->close.state == INLAY_DEAD;
}

bool inlay_conn_is_closing(const struct inlay_conn *c)
{
	return c->close.state != INLAY_OPEN;
}

/* --- Timers --------------------------------------------------------------------------------- */

static inlay_ns earlier(inlay_ns a, inlay_ns b)
{
	return a < b ? a : b;
}

/* An ACK that is due and cannot be sent must not make the caller spin. */
static bool can_ack(const struct inlay_conn *c)
{
	return inlay_sentlog_may_take(&c->log, true) &&
	       inlay_path_allowance(inlay_paths_current(&c->paths)) > ACK_ROOM;
}

/* What is in flight keeps the connection alive by itself. RFC 9000 section 10.1.2: early enough for
 * the peer's idle timeout, and for a PING that gets lost. */
static inlay_ns keep_alive_deadline(const struct inlay_conn *c)
{
	inlay_ns most = c->close.idle_timeout / 2, after = c->keep_alive;

	if (c->keep_alive == 0 || c->ping_due || inlay_sentlog_in_flight(&c->log) > 0)
		return INLAY_NEVER;
	if (most > 0 && after > most)
		after = most;
	return c->close.active + after;
}

inlay_ns inlay_conn_deadline(const struct inlay_conn *c)
{
	inlay_ns at = inlay_close_deadline(&c->close, inlay_conn_pto(c));

	if (!inlay_conn_is_open(c))
		return at;
	at = earlier(at, inlay_recovery_deadline(&c->recovery));
	if (can_ack(c))
		at = earlier(at, c->acks.deadline);
	at = earlier(at, c->keys.drop_at);
	at = earlier(at, keep_alive_deadline(c));
	at = earlier(at, inlay_conn_poll_deadline(c));
	at = earlier(at, inlay_cids_deadline(&c->cids));
	return earlier(at, inlay_paths_deadline(&c->paths));
}

/* Nothing passes: what made packets conspicuous, their size or their marks, may be why. */
static void on_silence(struct inlay_conn *c)
{
	__u64 next = inlay_load_u64(&c->entry->next_pn);

	if (inlay_pmtu_on_ptos(&c->pmtu, c->recovery.pto_count, next))
		inlay_conn_note_mtu(c);
	if (c->ecn.state == INLAY_ECN_CAPABLE)
		inlay_ecn_restart(&c->ecn, next);
	inlay_conn_note_ecn(c);
}

static void on_recovery_timer(struct inlay_conn *c, inlay_ns now)
{
	if (now < inlay_recovery_deadline(&c->recovery))
		return;
	inlay_recovery_on_timer(&c->recovery, now);
	if (c->recovery.pto_count >= INLAY_PMTU_PTOS)
		on_silence(c);
	if (c->recovery_failed)
		inlay_conn_fail(c, INLAY_QUIC_INTERNAL_ERROR, 0, "no memory", now);
}

static void on_timers(struct inlay_conn *c, inlay_ns now)
{
	if (inlay_close_on_timer(&c->close, inlay_conn_pto(c), now))
		inlay_conn_ended(c, now);
	if (!inlay_conn_is_open(c))
		return;
	inlay_conn_poll(c, true);
	on_recovery_timer(c, now);
	if (now >= keep_alive_deadline(c))
		c->ping_due = true;
	if (now >= c->keys.drop_at) {
		c->keys.drop_at = INLAY_NEVER;
		if (c->ops->drop_old_phase)
			c->ops->drop_old_phase(c->user);
	}
	inlay_conn_path_on_timer(c, now);
	inlay_cids_on_timer(&c->cids, now);
	inlay_conn_refresh_classes(c, now);
	inlay_conn_reap(c);
}

void inlay_conn_on_timer(struct inlay_conn *c, inlay_ns now)
{
	c->now = now;
	c->trace.now = now;
	on_timers(c, now);
	if (inlay_conn_is_traced(c))
		inlay_conn_trace_sample(c, now);
}

/* --- Paths --------------------------------------------------------------------------------- */

void inlay_conn_note_mtu(struct inlay_conn *c)
{
	inlay_store_u32(&c->entry->path_mtu, c->pmtu.mtu);
	inlay_recovery_set_mtu(&c->recovery, c->pmtu.mtu);
}

void inlay_conn_note_ecn(struct inlay_conn *c)
{
	bool marks = c->ecn.state == INLAY_ECN_CAPABLE;

	inlay_store_u32(&c->entry->ecn, marks ? INLAY_ECN_ECT0 : INLAY_ECN_NOT_ECT);
}

void inlay_conn_forget_path(struct inlay_conn *c)
{
	__u64 next = inlay_load_u64(&c->entry->next_pn);

	inlay_ecn_restart(&c->ecn, next);
	inlay_conn_note_ecn(c);
	inlay_pmtu_restart(&c->pmtu, next);
	inlay_conn_note_mtu(c);
	inlay_recovery_reset_path(&c->recovery, c->cc);
	inlay_ack_request_renew(&c->ack_request);
}

/* --- Streams -------------------------------------------------------------------------------- */

void inlay_conn_reap(struct inlay_conn *c)
{
	while (!inlay_list_is_empty(&c->streams.dead)) {
		struct inlay_stream *s =
			inlay_list_entry(c->streams.dead.next, struct inlay_stream, dead);
		__u64 id = s->id;

		inlay_streams_free(&c->streams, s);
		if (inlay_conn_is_traced(c))
			inlay_conn_trace_stream(c, id, false);
		if (c->ops->on_stream_closed)
			c->ops->on_stream_closed(c->user, id);
	}
}

void inlay_conn_discard(struct inlay_conn *c, struct inlay_stream *s)
{
	struct inlay_stream_recv *r = &s->recv;

	/* Not under the feet of whoever is handing bytes over. */
	if (c->delivering == s)
		return;
	inlay_flow_consume(&c->flow, r->flow.received - r->next);
	r->next = r->flow.received;
	inlay_stream_recv_drop(r);
}

int inlay_conn_stream_open(struct inlay_conn *c, bool bidi, __u64 priority,
			   const struct inlay_stream_source *source, void *ctx, __u64 *ret_id)
{
	struct inlay_stream *s;
	int err;

	if (!inlay_conn_is_open(c))
		return -ENOTCONN;
	if (c->streams.n_own >= c->max_streams_open)
		return -EMFILE;
	err = inlay_streams_open(&c->streams, bidi, &s);
	if (err)
		return err;
	s->priority = priority;
	err = inlay_streams_set_source(&c->streams, s, source, ctx);
	if (err) {
		/* The number is taken: it ends in a reset. */
		inlay_conn_stream_reset(c, s->id, 0);
		return err;
	}
	c->stats.streams_opened++;
	if (inlay_conn_is_traced(c))
		inlay_conn_trace_stream(c, s->id, true);
	*ret_id = s->id;
	return 0;
}

bool inlay_conn_can_reset_at(const struct inlay_conn *c)
{
	return c->peer.reset_stream_at;
}

static struct inlay_stream *find_sender(const struct inlay_conn *c, __u64 id)
{
	struct inlay_stream *s = inlay_streams_find(&c->streams, id);

	return s && s->has_send ? s : NULL;
}

int inlay_conn_stream_extend(struct inlay_conn *c, __u64 id, __u64 end, bool fin)
{
	struct inlay_stream *s = find_sender(c, id);
	int err;

	if (!s)
		return -ENOENT;
	err = inlay_stream_send_extend(&s->send, end, fin);
	if (err)
		return err == -EPIPE ? -ENOENT : err;
	if (s->loan)
		inlay_conn_ask_back(c, s);
	inlay_streams_update(&c->streams, s);
	return 0;
}

/* One stream's share of what is kept: what two windows can carry, lest a peer that never reads one
 * stream takes the room of all. */
static __u64 send_bound(const struct inlay_conn *c)
{
	__u64 bound = 2 * c->recovery.cc.cwnd;

	return bound > STREAM_BUFFER ? bound : STREAM_BUFFER;
}

int inlay_conn_stream_write(struct inlay_conn *c, __u64 id, const __u8 *data, size_t len, bool fin)
{
	struct inlay_stream *s = find_sender(c, id);
	int err;

	if (!s)
		return -ENOENT;
	if (s->send.fin || s->send.reset)
		return -EPIPE;
	if (!s->send.buffer)
		return -ENOENT;
	if (len > 0 && inlay_send_buffer_len(s->send.buffer) + len > send_bound(c))
		return -ENOMEM;
	err = inlay_send_buffer_write(s->send.buffer, data, len);
	if (err)
		return err;
	inlay_stream_send_extend(&s->send, s->send.end + len, fin);
	inlay_streams_update(&c->streams, s);
	return 0;
}

int inlay_conn_stream_set_priority(struct inlay_conn *c, __u64 id, __u64 priority)
{
	struct inlay_stream *s = find_sender(c, id);

	if (!s)
		return -ENOENT;
	s->priority = priority;
	inlay_streams_update(&c->streams, s);
	return 0;
}

int inlay_conn_stream_set_class(struct inlay_conn *c, __u64 id, __u8 class)
{
	struct inlay_stream *s = find_sender(c, id);

	if (!s)
		return -ENOENT;
	if (class >= INLAY_CLASSES)
		return -EINVAL;
	inlay_streams_set_class(&c->streams, s, class);
	return 0;
}

int inlay_conn_stream_reset(struct inlay_conn *c, __u64 id, __u64 code)
{
	const struct inlay_stream *s = find_sender(c, id);

	if (!s)
		return -ENOENT;
	return inlay_conn_stream_reset_at(c, id, code, inlay_stream_send_head(&s->send));
}

int inlay_conn_stream_reset_at(struct inlay_conn *c, __u64 id, __u64 code, __u64 reliable)
{
	struct inlay_stream *s = find_sender(c, id);

	if (!s)
		return -ENOENT;
	if (!c->peer.reset_stream_at)
		reliable = 0;
	if (reliable > s->send.end && !s->send.reset && !s->send.doomed)
		return -EINVAL;
	if (inlay_stream_send_reset(&s->send, code, reliable))
		inlay_conn_reset_sender(c, s);
	return 0;
}

int inlay_conn_stream_stop(struct inlay_conn *c, __u64 id, __u64 code)
{
	struct inlay_stream *s = inlay_streams_find(&c->streams, id);

	if (!s || !s->has_recv)
		return -ENOENT;
	if (s->recv.stopped || inlay_stream_recv_is_done(&s->recv))
		return 0;
	s->recv.stopped = true;
	s->recv.stop_code = code;
	/* RFC 9000 section 3.5: pointless once the whole size is known. */
	if (!s->recv.has_final)
		inlay_streams_owe(&c->streams, s, INLAY_OWES_STOP);
	inlay_streams_paid(s, INLAY_OWES_MAX_DATA);
	inlay_conn_discard(c, s);
	inlay_streams_settle(&c->streams, s);
	return 0;
}

void inlay_conn_stream_consume(struct inlay_conn *c, __u64 id, size_t bytes)
{
	struct inlay_stream *s = inlay_streams_find(&c->streams, id);

	/* The stream may be gone; the connection's window gets its bytes back all the same. */
	inlay_flow_consume(&c->flow, bytes);
	if (!s || !s->has_recv)
		return;
	inlay_flow_consume(&s->recv.flow, bytes);
	if (s->recv.flow.pending && !s->recv.has_final && !s->recv.stopped && !s->recv.reset)
		inlay_streams_owe(&c->streams, s, INLAY_OWES_MAX_DATA);
}

/* --- Datagrams ------------------------------------------------------------------------------ */

size_t inlay_conn_max_datagram(const struct inlay_conn *c)
{
	__u64 overhead = 1 + inlay_cids_peer(&c->cids)->len + INLAY_TX_PN + INLAY_TAG;
	__u64 room = c->entry->path_mtu > overhead ? c->entry->path_mtu - overhead : 0;

	/* The frame's type and a length of two bytes count (RFC 9221 section 3). */
	if (c->peer.max_datagram_frame_size < room)
		room = c->peer.max_datagram_frame_size;
	return room > 3 ? room - 3 : 0;
}

int inlay_conn_datagram(struct inlay_conn *c, const struct inlay_datagram_order *order,
			const __u8 *data, size_t len)
{
	int err;

	if (!inlay_conn_is_open(c))
		return -ENOTCONN;
	if (c->peer.max_datagram_frame_size == 0)
		return -ENOTSUP;
	if (len > inlay_conn_max_datagram(c))
		return -EMSGSIZE;
	if (order->class >= INLAY_CLASSES)
		return -EINVAL;
	err = inlay_datagrams_push(&c->datagrams, order, data, len);
	if (err)
		c->stats.datagrams_dropped++;
	return err ? -ENOBUFS : 0;
}

size_t inlay_conn_datagrams_queued(const struct inlay_conn *c, __u64 flow)
{
	return inlay_datagrams_queued(&c->datagrams, flow);
}

void inlay_conn_datagrams_drop(struct inlay_conn *c, __u64 flow)
{
	c->stats.datagrams_dropped += inlay_datagrams_drop(&c->datagrams, flow);
}

/* --- Keys ----------------------------------------------------------------------------------- */

int inlay_conn_next_phase(struct inlay_conn *c, inlay_ns now)
{
	/* With a full log nobody takes numbers, and there is none to leave out. */
	__u64 margin = inlay_sentlog_may_take(&c->log, false) ? UPDATE_MARGIN : 0, first = 0;
	int err = -EBUSY, i;

	/* Design section 4: numbers that a forwarder takes meanwhile push it up. */
	for (i = 0; i < UPDATE_TRIES && err == -EBUSY; i++) {
		first = inlay_load_u64(&c->entry->next_pn) + (margin << i);
		err = c->ops->next_phase_tx ? c->ops->next_phase_tx(c->user, first) : 0;
	}
	if (!err)
		err = inlay_sentlog_skip_to(&c->log, first);
	if (err)
		return err;
	inlay_keyupdate_on_tx(&c->keys, first, now);
	return 0;
}

int inlay_conn_update_keys(struct inlay_conn *c, inlay_ns now)
{
	int err;

	/* RFC 9001 section 6.1. */
	if (!inlay_conn_is_open(c) || !c->confirmed ||
	    !inlay_keyupdate_may_start(&c->keys, inlay_conn_pto(c), now) ||
	    !inlay_sentlog_may_take(&c->log, false))
		return -EAGAIN;
	err = inlay_conn_next_phase(c, now);
	if (err) {
		inlay_conn_fail(c, INLAY_QUIC_INTERNAL_ERROR, 0, "key update failed", now);
		return -EAGAIN;
	}
	c->stats.key_updates++;
	/* Something has to be sent under them, or the peer would not follow. */
	c->ping_due = true;
	return 0;
}

void inlay_conn_random(struct inlay_conn *c, void *dst, size_t len)
{
	memset(dst, 0, len);
	if (c->ops->random)
		c->ops->random(c->user, dst, len);
}

/* --- For the policy, and the curious --------------------------------------------------------- */

static void count_pending(const struct inlay_conn *c, __u64 pending[INLAY_CLASSES])
{
	for (int i = 0; i < INLAY_CLASSES; i++)
		pending[i] = c->streams.pending[i] + c->datagrams.pending[i];
}

static __u64 sum_pending(const __u64 pending[INLAY_CLASSES])
{
	__u64 sum = 0;

	for (int i = 0; i < INLAY_CLASSES; i++)
		sum += pending[i];
	return sum;
}

void inlay_conn_classes(void *user, struct inlay_limits_input *in)
{
	struct inlay_conn *c = user;

	/* Design section 5 rule 12: not by a path that is not validated, whose limit of three times
	 * a forwarder does not know; nor when the connection has ended. */
	in->barred = !inlay_conn_is_open(c) || !inlay_paths_current(&c->paths)->fits;
	in->shares = c->classes.limits;
	count_pending(c, in->pending);
	c->pending_seen = sum_pending(in->pending);
}

void inlay_conn_keep_limits(struct inlay_conn *c, inlay_ns now)
{
	__u64 pending[INLAY_CLASSES];

	if (!c->recovery.watched)
		return;
	count_pending(c, pending);
	if (sum_pending(pending) != c->pending_seen)
		inlay_recovery_set_limits(&c->recovery, now);
}

void inlay_conn_view(const struct inlay_conn *c, struct inlay_policy_view *ret)
{
	const struct inlay_recovery *r = &c->recovery;

	*ret = (struct inlay_policy_view){
		.bandwidth = inlay_rate_estimate(&r->rate),
		.cwnd = r->cc.cwnd,
		.app_limited = inlay_recovery_is_app_limited(r, r->pacer.last),
		.bytes_in_flight = inlay_sentlog_in_flight(&c->log),
		.smoothed_rtt = r->rtt.smoothed,
		.min_rtt = r->rtt.min,
		.active = c->classes.active,
	};
	count_pending(c, ret->pending);
}

void inlay_conn_refresh_classes(struct inlay_conn *c, inlay_ns now)
{
	struct inlay_policy_view view;

	if (!c->classes.policy)
		return;
	inlay_conn_view(c, &view);
	inlay_classes_refresh(&c->classes, &view, now);
}

void inlay_conn_stats(const struct inlay_conn *c, struct inlay_conn_stats *ret)
{
	const struct inlay_recovery *r = &c->recovery;

	*ret = c->stats;
	ret->packets_lost = r->lost_pkts;
	ret->bytes_lost = r->lost_bytes;
	ret->packets_spurious = r->spurious_pkts;
	ret->packets_dropped = r->dropped_pkts;
	ret->bytes_in_flight = inlay_sentlog_in_flight(&c->log);
	ret->cwnd = r->cc.cwnd;
	ret->smoothed_rtt = r->rtt.smoothed;
	ret->min_rtt = r->rtt.min;
	ret->rttvar = r->rtt.var;
	ret->latest_rtt = r->rtt.latest;
	ret->streams_open = c->streams.n;
	ret->recv_window = c->flow.window;
	ret->ptos = r->ptos;
	ret->path_mtu = c->pmtu.mtu;
	ret->mtu_probes_sent = c->pmtu.probes_sent;
	ret->mtu_probes_lost = c->pmtu.probes_lost;
	ret->black_holes = c->pmtu.black_holes;
	ret->ecn_capable = c->ecn.state == INLAY_ECN_CAPABLE;
	ret->ce_received = c->acks.ecn.ce;
	ret->ce_reported = c->ecn.counts.ce;
	ret->bandwidth = inlay_rate_estimate(&r->rate);
	ret->app_limited = inlay_recovery_is_app_limited(r, r->pacer.last);
	ret->pacing_rate = r->pacer.rate;
	ret->queueing_delay = inlay_recovery_queueing(r);
	ret->cc = r->cc.ops->name;
	ret->ecn = inlay_ecn_state_name(c->ecn.state);
}

size_t inlay_conn_own_cids(const struct inlay_conn *c, struct inlay_cid *cids, size_t n)
{
	size_t i, found = 0;

	for (i = 0; i < INLAY_CIDS_OWN_ROOM; i++) {
		if (!c->cids.own[i].used)
			continue;
		if (found < n)
			cids[found] = c->cids.own[i].cid;
		found++;
	}
	return found;
}
