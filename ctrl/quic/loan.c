/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a forwarder holds of a connection, and how it comes back (design section 5, rules 4 to 7):
 * streams that are lent to it, and the headers that it writes. Nothing here waits: who holds
 * something is asked again, at ACKs, at timers, and every millisecond where it is urgent.
 *
 * The truth about a lent stream is the sent log. When it is back, every entry of it is published:
 * the log is read to its end before anything is done with the stream.
 */
#include "conn_internal.h"

#include <errno.h>
#include <string.h>

#define POLL INLAY_MS

/* --- Streams -------------------------------------------------------------------------------- */

static void set_watch(struct inlay_conn *c)
{
	c->recovery.watched = c->watched || !inlay_list_is_empty(&c->streams.lent);
}

void inlay_conn_watch(struct inlay_conn *c)
{
	c->watched = true;
	set_watch(c);
}

static void begin_loan(struct inlay_conn *c, struct inlay_stream *s,
		       const struct inlay_loan_ops *loan, void *loan_ctx, __u64 first_limit)
{
	s->send.lent = true;
	s->loan = loan;
	s->loan_ctx = loan_ctx;
	inlay_list_append(&c->streams.lent, &s->lent);
	set_watch(c);
	if (loan->limit && s->send.limit > first_limit)
		loan->limit(loan_ctx, s->send.limit);
}

static void recall(struct inlay_conn *c, struct inlay_stream *s)
{
	if (s->recalled)
		return;
	s->recalled = true;
	c->streams.n_recalled++;
	c->poll_at = c->now;
}

static void end_loan(struct inlay_conn *c, struct inlay_stream *s)
{
	c->streams.n_recalled -= s->recalled;
	s->recalled = false;
	s->loan = NULL;
	inlay_list_remove(&s->lent);
	set_watch(c);
	inlay_recovery_on_sent(&c->recovery, c->now);
	inlay_stream_send_return(&s->send);
	inlay_conn_reset_sender(c, s);
	inlay_streams_settle(&c->streams, s);
}

void inlay_conn_ask_back(struct inlay_conn *c, struct inlay_stream *s)
{
	if (s->loan->back(s->loan_ctx, s->recalled))
		end_loan(c, s);
}

void inlay_conn_reset_sender(struct inlay_conn *c, struct inlay_stream *s)
{
	if (s->send.doomed && s->loan)
		recall(c, s);
	if (inlay_stream_send_reset_is_due(&s->send)) {
		inlay_streams_paid(s, INLAY_OWES_BLOCKED);
		inlay_streams_owe(&c->streams, s, INLAY_OWES_RESET);
	}
	inlay_streams_update(&c->streams, s);
}

void inlay_conn_look_for(struct inlay_conn *c, __u64 id)
{
	if (inlay_stream_is_own(&c->streams, id) && inlay_stream_kind_of(id) == INLAY_UNI &&
	    !inlay_streams_find(&c->streams, id))
		inlay_recovery_on_sent(&c->recovery, c->now);
}

int inlay_conn_stream_adopt(struct inlay_conn *c, __u64 number, __u64 priority,
			    const struct inlay_stream_source *source, void *ctx,
			    const struct inlay_loan_ops *loan, void *loan_ctx, __u64 *ret_id)
{
	struct inlay_stream *s;
	int err;

	if (!inlay_conn_is_open(c))
		return -ENOTCONN;
	err = inlay_streams_adopt(&c->streams, number, &s);
	if (err)
		return err;
	s->priority = priority;
	inlay_streams_set_source(&c->streams, s, source, ctx);
	begin_loan(c, s, loan, loan_ctx, c->peer.initial_max_stream_data_uni);
	/* The peer may have refused it before we knew of it. */
	if (s->send.doomed)
		recall(c, s);
	c->stats.streams_opened++;
	if (inlay_conn_is_traced(c))
		inlay_conn_trace_stream(c, s->id, true);
	*ret_id = s->id;
	return 0;
}

int inlay_conn_stream_lend(struct inlay_conn *c, __u64 id, const struct inlay_loan_ops *loan,
			   void *loan_ctx, __u64 *ret_offset)
{
	struct inlay_stream *s = inlay_streams_find(&c->streams, id);

	if (!inlay_conn_is_open(c))
		return -ENOTCONN;
	if (!s || !s->has_send)
		return -ENOENT;
	if (s->send.reset || s->send.fin || s->send.lent || s->send.buffer || s->has_recv)
		return -EINVAL;
	/* Ahead of what can be read is what a forwarder sent before: the source catches up. */
	if (s->send.next < s->send.end)
		return -EAGAIN;
	begin_loan(c, s, loan, loan_ctx, c->peer.initial_max_stream_data_uni);
	inlay_streams_update(&c->streams, s);
	*ret_offset = s->send.next;
	return 0;
}

int inlay_conn_stream_recall(struct inlay_conn *c, __u64 id)
{
	struct inlay_stream *s = inlay_streams_find(&c->streams, id);

	if (!s || !s->has_send)
		return -ENOENT;
	if (s->loan) {
		recall(c, s);
		inlay_conn_ask_back(c, s);
	}
	return 0;
}

bool inlay_conn_stream_progress(const struct inlay_conn *c, __u64 id,
				struct inlay_stream_progress *ret)
{
	const struct inlay_stream *s = inlay_streams_find(&c->streams, id);

	if (!s || !s->has_send)
		return false;
	*ret = (struct inlay_stream_progress){
		.sent = s->send.next,
		.acked = s->send.acked_below,
		.number = id >> 2,
		.lent = s->send.lent,
	};
	return true;
}

/* --- Headers -------------------------------------------------------------------------------- */

static void fill_headers(struct inlay_conn *c)
{
	__u32 idle = !(inlay_load_u32(&c->entry->headers_index) & 1) ? 1 : 0;
	struct inlay_headers *h = &c->entry->headers[idle];
	const struct inlay_path *path = &inlay_paths_current(&c->paths)->path;
	const struct inlay_cid *cid = inlay_cids_peer(&c->cids);

	memset(h, 0, sizeof(*h));
	h->bytes[0] = 0x40 | (INLAY_TX_PN - 1);
	memcpy(h->bytes + 1, cid->data, cid->len);
	h->quic_len = (__u8)(1 + cid->len + INLAY_TX_PN);
	h->path = *path;
	h->port = c->ops->port_of ? c->ops->port_of(c->user, path) : 0;
	inlay_xchg_u32(&c->entry->headers_index, idle);
}

static void take_moment(struct inlay_conn *c)
{
	if (c->state)
		inlay_state_moment(c->state, &c->headers.moment);
}

static bool is_quiet(const struct inlay_conn *c)
{
	return !c->state || inlay_state_is_quiet(c->state, &c->headers.moment);
}

/* Who was at work at the moment noted may hold either copy; who came later, the one in force. */
static void move_headers(struct inlay_conn *c)
{
	if (c->headers.state == INLAY_HEADERS_DUE && is_quiet(c)) {
		fill_headers(c);
		take_moment(c);
		c->headers.state = INLAY_HEADERS_FLIPPED;
	}
	if (c->headers.state == INLAY_HEADERS_FLIPPED && is_quiet(c))
		c->headers.state = INLAY_HEADERS_SETTLED;
}

void inlay_conn_write_headers(struct inlay_conn *c)
{
	take_moment(c);
	c->headers.state = INLAY_HEADERS_DUE;
	c->poll_at = c->now;
	move_headers(c);
}

/* --- Asking --------------------------------------------------------------------------------- */

/* What a forwarder charged that died. */
static void reconcile(struct inlay_conn *c)
{
	inlay_recovery_on_sent(&c->recovery, c->now);
	inlay_sentlog_reconcile(&c->log, &c->streams.charged);
}

void inlay_conn_poll(struct inlay_conn *c, bool all)
{
	struct inlay_list *node, *after;

	if (all && c->log.in_doubt)
		reconcile(c);
	if (c->headers.state != INLAY_HEADERS_SETTLED)
		move_headers(c);
	if (all || c->streams.n_recalled > 0)
		inlay_list_for_each_safe (node, after, &c->streams.lent) {
			struct inlay_stream *s = inlay_list_entry(node, struct inlay_stream, lent);

			if (all || s->recalled)
				inlay_conn_ask_back(c, s);
		}
	c->poll_at = c->now + POLL;
}

inlay_ns inlay_conn_poll_deadline(const struct inlay_conn *c)
{
	bool urgent = c->streams.n_recalled > 0 || c->headers.state != INLAY_HEADERS_SETTLED;

	return urgent ? c->poll_at : INLAY_NEVER;
}
