/* SPDX-License-Identifier: BSD-2-Clause */
/* A MoQ session on a peer: one call for each thing that the peer reports. */
#include <errno.h>

#include "link.h"

static inlay_ns now_of(const struct inlay_link *link)
{
	return inlay_peer_now(link->peer);
}

static void on_connected(void *user)
{
	struct inlay_link *link = user;

	if (inlay_moq_session_start(link->session, now_of(link))) {
		link->failed = true;
		inlay_peer_close(link->peer, true, INLAY_MOQ_SESSION_INTERNAL_ERROR, "no memory");
	}
}

static void on_stream_data(void *user, __u64 id, const __u8 *data, size_t len, bool fin)
{
	struct inlay_link *link = user;

	inlay_moq_session_on_stream_data(link->session, id, data, len, fin, now_of(link));
}

static void on_stream_reset(void *user, __u64 id, __u64 code)
{
	struct inlay_link *link = user;

	inlay_moq_session_on_stream_reset(link->session, id, code, now_of(link));
}

static void on_stop_sending(void *user, __u64 id, __u64 code)
{
	struct inlay_link *link = user;

	inlay_moq_session_on_stop_sending(link->session, id, code, now_of(link));
}

static void on_stream_closed(void *user, __u64 id)
{
	struct inlay_link *link = user;

	inlay_moq_session_on_stream_closed(link->session, id, now_of(link));
}

static void on_datagram(void *user, const __u8 *data, size_t len)
{
	struct inlay_link *link = user;

	inlay_moq_session_on_datagram(link->session, data, len, now_of(link));
}

static void on_streams_available(void *user, bool bidi)
{
	struct inlay_link *link = user;

	inlay_moq_session_on_streams_available(link->session, bidi, now_of(link));
}

static void on_closed(void *user, const struct inlay_close_reason *why)
{
	struct inlay_link *link = user;
	struct inlay_moq_closed closed = {
		.by_peer = why->by_peer,
		.application = why->application,
		.code = why->code,
		.text = why->text,
	};

	inlay_moq_session_on_transport_closed(link->session, &closed, now_of(link));
}

static const struct inlay_peer_ops ops = {
	.on_connected = on_connected,
	.on_stream_data = on_stream_data,
	.on_stream_reset = on_stream_reset,
	.on_stop_sending = on_stop_sending,
	.on_stream_closed = on_stream_closed,
	.on_datagram = on_datagram,
	.on_streams_available = on_streams_available,
	.on_closed = on_closed,
};

int inlay_link_init(struct inlay_link *link, const struct inlay_peer_config *peer,
		    const struct inlay_moq_session_config *session, inlay_ns now)
{
	struct inlay_moq_session_config session_config = *session;
	struct inlay_peer_config peer_config = *peer;
	int rv;

	*link = (struct inlay_link){0};
	peer_config.ops = &ops;
	peer_config.user = link;
	rv = inlay_peer_new(&peer_config, now, &link->peer);
	if (rv)
		return rv;
	session_config.transport = inlay_peer_transport(link->peer);
	link->session = inlay_moq_session_new(&session_config);
	if (link->session)
		return 0;
	inlay_peer_free(link->peer);
	link->peer = NULL;
	return -ENOMEM;
}

void inlay_link_fini(struct inlay_link *link)
{
	inlay_moq_session_free(link->session);
	inlay_peer_free(link->peer);
	*link = (struct inlay_link){0};
}

inlay_ns inlay_link_deadline(const struct inlay_link *link)
{
	return inlay_moq_session_deadline(link->session);
}

void inlay_link_on_timer(struct inlay_link *link, inlay_ns now)
{
	if (inlay_moq_session_deadline(link->session) <= now)
		inlay_moq_session_on_timer(link->session, now);
}
