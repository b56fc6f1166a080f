/* SPDX-License-Identifier: BSD-2-Clause */
#include "transport_conn.h"

#include <errno.h>

#include "policy.h"

/* --- Down: what the session calls ------------------------------------------------------------- */

static struct inlay_conn *conn_of(void *transport)
{
	struct inlay_transport_conn *t = transport;

	return t->conn ? inlay_ep_conn_get(t->conn) : NULL;
}

static int stream_open(void *transport, bool bidi, __u64 priority,
		       const struct inlay_stream_source *source, void *ctx, __u64 *ret_id)
{
	struct inlay_transport_conn *t = transport;
	struct inlay_conn *c = conn_of(transport);
	int ret = c ? inlay_conn_stream_open(c, bidi, priority, source, ctx, ret_id) : -ENOTCONN;

	/* Too many of ours at once: to the session that is like the peer's limit. */
	if (ret != -EMFILE)
		return ret;
	t->starved[bidi] = true;
	return -EAGAIN;
}

static int stream_write(void *transport, __u64 id, const __u8 *data, size_t len, bool fin)
{
	struct inlay_conn *c = conn_of(transport);

	return c ? inlay_conn_stream_write(c, id, data, len, fin) : -ENOENT;
}

static int stream_extend(void *transport, __u64 id, __u64 end, bool fin)
{
	struct inlay_conn *c = conn_of(transport);

	return c ? inlay_conn_stream_extend(c, id, end, fin) : -ENOENT;
}

static int stream_reset(void *transport, __u64 id, __u64 code)
{
	struct inlay_conn *c = conn_of(transport);

	return c ? inlay_conn_stream_reset(c, id, code) : -ENOENT;
}

static int stream_stop(void *transport, __u64 id, __u64 code)
{
	struct inlay_conn *c = conn_of(transport);

	return c ? inlay_conn_stream_stop(c, id, code) : -ENOENT;
}

static void stream_consume(void *transport, __u64 id, size_t bytes)
{
	struct inlay_conn *c = conn_of(transport);

	if (c)
		inlay_conn_stream_consume(c, id, bytes);
}

static int datagram(void *transport, const struct inlay_datagram_order *order, const __u8 *data,
		    size_t len)
{
	struct inlay_conn *c = conn_of(transport);

	return c ? inlay_conn_datagram(c, order, data, len) : -ENOTSUP;
}

static size_t datagrams_queued(void *transport, __u64 flow)
{
	const struct inlay_transport_conn *t = transport;
	const struct inlay_conn *c = t->conn ? inlay_ep_conn_peek(t->conn) : NULL;

	return c ? inlay_conn_datagrams_queued(c, flow) : 0;
}

static void datagrams_drop(void *transport, __u64 flow)
{
	struct inlay_conn *c = conn_of(transport);

	if (c)
		inlay_conn_datagrams_drop(c, flow);
}

static size_t max_datagram(void *transport)
{
	const struct inlay_transport_conn *t = transport;
	const struct inlay_conn *c = t->conn ? inlay_ep_conn_peek(t->conn) : NULL;

	return c ? inlay_conn_max_datagram(c) : 0;
}

static void close_conn(void *transport, __u64 code, const char *text)
{
	struct inlay_transport_conn *t = transport;
	struct inlay_conn *c = conn_of(transport);

	if (c)
		inlay_conn_close(c, true, code, text, *t->now);
}

static int stream_set_priority(void *transport, __u64 id, __u64 priority)
{
	struct inlay_conn *c = conn_of(transport);

	return c ? inlay_conn_stream_set_priority(c, id, priority) : -ENOENT;
}

static int stream_set_class(void *transport, __u64 id, __u8 class)
{
	struct inlay_conn *c = conn_of(transport);

	return c ? inlay_conn_stream_set_class(c, id, class) : -ENOENT;
}

static void view(void *transport, struct inlay_policy_view *ret)
{
	const struct inlay_transport_conn *t = transport;
	const struct inlay_conn *c = t->conn ? inlay_ep_conn_peek(t->conn) : NULL;

	*ret = (struct inlay_policy_view){0};
	if (c)
		inlay_conn_view(c, ret);
}

static int shared(void *transport, struct inlay_moq_shared *ret)
{
	const struct inlay_transport_conn *t = transport;
	struct inlay_ep_shared s;
	int err = t->conn ? inlay_ep_conn_shared(t->conn, &s) : -ENOTSUP;

	if (err)
		return err;
	*ret = (struct inlay_moq_shared){.subscriber = s.subscriber,
					 .generation = s.generation,
					 .rx_sa = s.rx_sa.number,
					 .rx_sa_generation = s.rx_sa.generation};
	return 0;
}

static int stream_adopt(void *transport, __u64 number, __u64 priority,
			const struct inlay_stream_source *source, void *ctx,
			const struct inlay_loan_ops *loan, void *loan_ctx, __u64 *ret_id)
{
	struct inlay_conn *c = conn_of(transport);

	return c ? inlay_conn_stream_adopt(c, number, priority, source, ctx, loan, loan_ctx, ret_id)
		 : -ENOTCONN;
}

static int stream_lend(void *transport, __u64 id, const struct inlay_loan_ops *loan, void *loan_ctx,
		       __u64 *ret_offset)
{
	struct inlay_conn *c = conn_of(transport);

	return c ? inlay_conn_stream_lend(c, id, loan, loan_ctx, ret_offset) : -ENOTCONN;
}

static int stream_recall(void *transport, __u64 id)
{
	struct inlay_conn *c = conn_of(transport);

	return c ? inlay_conn_stream_recall(c, id) : -ENOENT;
}

static bool stream_progress(void *transport, __u64 id, struct inlay_moq_progress *ret)
{
	const struct inlay_transport_conn *t = transport;
	const struct inlay_conn *c = t->conn ? inlay_ep_conn_peek(t->conn) : NULL;
	struct inlay_stream_progress p;

	if (!c || !inlay_conn_stream_progress(c, id, &p))
		return false;
	*ret = (struct inlay_moq_progress){
		.sent = p.sent, .acked = p.acked, .number = p.number, .lent = p.lent};
	return true;
}

static void packet(void *transport, struct inlay_moq_packet *ret)
{
	const struct inlay_transport_conn *t = transport;
	const struct inlay_conn *c = t->conn ? inlay_ep_conn_peek(t->conn) : NULL;
	struct inlay_conn_packet p;

	if (!c)
		return;
	inlay_conn_packet(c, &p);
	*ret = (struct inlay_moq_packet){
		.number = p.number, .largest = p.largest, .media = p.media};
}

static const struct inlay_moq_transport_ops down_ops = {
	.stream_open = stream_open,
	.stream_write = stream_write,
	.stream_extend = stream_extend,
	.stream_reset = stream_reset,
	.stream_stop = stream_stop,
	.stream_consume = stream_consume,
	.datagram = datagram,
	.max_datagram = max_datagram,
	.close = close_conn,
	.stream_set_priority = stream_set_priority,
	.stream_set_class = stream_set_class,
	.view = view,
	.datagrams_queued = datagrams_queued,
	.datagrams_drop = datagrams_drop,
	.shared = shared,
	.stream_adopt = stream_adopt,
	.stream_lend = stream_lend,
	.stream_recall = stream_recall,
	.stream_progress = stream_progress,
	.packet = packet,
};

void inlay_transport_conn_init(struct inlay_transport_conn *t, struct inlay_ep_conn *conn,
			       const inlay_ns *now,
			       void (*on_ended)(struct inlay_transport_conn *t))
{
	*t = (struct inlay_transport_conn){.conn = conn, .now = now, .on_ended = on_ended};
}

struct inlay_moq_transport inlay_transport_conn_transport(struct inlay_transport_conn *t,
							  bool is_server)
{
	return (struct inlay_moq_transport){.ops = &down_ops, .ctx = t, .is_server = is_server};
}

/* --- Up: what the connection reports -----------------------------------------------------------
 */

static void on_stream_data(void *user, __u64 id, const __u8 *data, size_t len, bool fin)
{
	struct inlay_transport_conn *t = user;

	if (t->session)
		inlay_moq_session_on_stream_data(t->session, id, data, len, fin, *t->now);
}

static void on_stream_reset(void *user, __u64 id, __u64 code)
{
	struct inlay_transport_conn *t = user;

	if (t->session)
		inlay_moq_session_on_stream_reset(t->session, id, code, *t->now);
}

static void on_stop_sending(void *user, __u64 id, __u64 code)
{
	struct inlay_transport_conn *t = user;

	if (t->session)
		inlay_moq_session_on_stop_sending(t->session, id, code, *t->now);
}

static void on_stream_closed(void *user, __u64 id)
{
	struct inlay_transport_conn *t = user;

	if (!t->session)
		return;
	inlay_moq_session_on_stream_closed(t->session, id, *t->now);
	for (int bidi = 1; bidi >= 0; bidi--) {
		if (!t->starved[bidi])
			continue;
		t->starved[bidi] = false;
		inlay_moq_session_on_streams_available(t->session, bidi, *t->now);
	}
}

static void on_datagram(void *user, const __u8 *data, size_t len)
{
	struct inlay_transport_conn *t = user;

	if (t->session)
		inlay_moq_session_on_datagram(t->session, data, len, *t->now);
}

static void on_streams_available(void *user, bool bidi)
{
	struct inlay_transport_conn *t = user;

	if (t->session)
		inlay_moq_session_on_streams_available(t->session, bidi, *t->now);
}

static void on_closed(void *user, const struct inlay_close_reason *why)
{
	struct inlay_transport_conn *t = user;

	t->conn = NULL;
	t->why = *why;
	t->on_ended(t);
}

const struct inlay_conn_ops inlay_transport_conn_ops = {
	.on_stream_data = on_stream_data,
	.on_stream_reset = on_stream_reset,
	.on_stop_sending = on_stop_sending,
	.on_stream_closed = on_stream_closed,
	.on_datagram = on_datagram,
	.on_streams_available = on_streams_available,
	.on_closed = on_closed,
};

void inlay_transport_conn_tell_end(struct inlay_transport_conn *t)
{
	struct inlay_moq_closed why = {.by_peer = t->why.by_peer,
				       .application = t->why.application,
				       .code = t->why.code,
				       .text = t->why.text};

	if (t->session)
		inlay_moq_session_on_transport_closed(t->session, &why, *t->now);
}
