/* SPDX-License-Identifier: BSD-2-Clause */
/* A peer as the transport of a MoQ session. */
#include <errno.h>

#include "peer.h"

static int stream_open(void *peer, bool bidi, __u64 priority,
		       const struct inlay_stream_source *source, void *ctx, __u64 *ret_id)
{
	return inlay_peer_stream_open(peer, bidi, priority, source, ctx, ret_id);
}

static int stream_write(void *peer, __u64 id, const __u8 *data, size_t len, bool fin)
{
	int rv = inlay_peer_stream_write(peer, id, data, len, fin);

	return rv == -ENOBUFS ? -ENOMEM : rv;
}

static int stream_extend(void *peer, __u64 id, __u64 end, bool fin)
{
	return inlay_peer_stream_extend(peer, id, end, fin);
}

static int stream_reset(void *peer, __u64 id, __u64 code)
{
	return inlay_peer_stream_reset(peer, id, code);
}

static int stream_stop(void *peer, __u64 id, __u64 code)
{
	return inlay_peer_stream_stop(peer, id, code);
}

static void stream_consume(void *peer, __u64 id, size_t bytes)
{
	inlay_peer_stream_consume(peer, id, bytes);
}

static int datagram(void *peer, const struct inlay_datagram_order *order, const __u8 *data,
		    size_t len)
{
	int rv = inlay_peer_datagram(peer, data, len);

	return rv == -ENOTCONN ? -ENOTSUP : rv;
}

static size_t max_datagram(void *peer)
{
	return inlay_peer_max_datagram(peer);
}

static void close_session(void *peer, __u64 code, const char *text)
{
	inlay_peer_close(peer, true, code, text);
}

static int stream_set_priority(void *peer, __u64 id, __u64 priority)
{
	return inlay_peer_stream_set_priority(peer, id, priority);
}

static const struct inlay_moq_transport_ops ops = {
	.stream_open = stream_open,
	.stream_write = stream_write,
	.stream_extend = stream_extend,
	.stream_reset = stream_reset,
	.stream_stop = stream_stop,
	.stream_consume = stream_consume,
	.datagram = datagram,
	.max_datagram = max_datagram,
	.close = close_session,
	.stream_set_priority = stream_set_priority,
};

struct inlay_moq_transport inlay_peer_transport(struct inlay_peer *p)
{
	return (struct inlay_moq_transport){
		.ops = &ops, .ctx = p, .is_server = inlay_peer_is_server(p)};
}
