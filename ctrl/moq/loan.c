/* SPDX-License-Identifier: BSD-2-Clause */
/* What a session has to do with a forwarder: what it is known by, and streams that are lent. */
#include "conn.h" /* struct inlay_stream_source, struct inlay_loan_ops */
#include "inlay_abi.h"
#include "inlay_moq_framer.h"
#include "session_impl.h"

#include <errno.h>
#include <string.h>

__u16 inlay_moq_session_draft(const struct inlay_moq_session *s)
{
	return 18;
}

bool inlay_moq_session_is_server(const struct inlay_moq_session *s)
{
	return s->config.transport.is_server;
}

int inlay_moq_session_shared(const struct inlay_moq_session *s, struct inlay_moq_shared *ret)
{
	const struct inlay_moq_transport *t = &s->config.transport;

	if (t->ops->shared == NULL || s->closing)
		return -ENOTSUP;
	return t->ops->shared(t->ctx, ret);
}

void inlay_moq_session_packet(const struct inlay_moq_session *s, struct inlay_moq_packet *ret)
{
	const struct inlay_moq_transport *t = &s->config.transport;

	*ret = (struct inlay_moq_packet){.number = ~0ULL};
	if (t->ops->packet != NULL && !s->closing)
		t->ops->packet(t->ctx, ret);
	if (s->replaying)
		ret->number = ~0ULL;
}

__u64 inlay_moq_session_peer_streams(const struct inlay_moq_session *s)
{
	return s->peer_streams;
}

bool inlay_moq_request_ok_is_acked(const struct inlay_moq_request *req)
{
	const struct inlay_moq_transport *t = &req->session->config.transport;
	struct inlay_moq_progress p;

	if (req->ok_end == 0 || req->dead || req->session->closing ||
	    t->ops->stream_progress == NULL)
		return false;
	return t->ops->stream_progress(t->ctx, req->stream.id, &p) && p.acked >= req->ok_end;
}

bool inlay_moq_incoming_framing(const struct inlay_moq_incoming *in, struct inlay_framing *ret)
{
	static const __u8 states[] = {
		[INLAY_MOQ_INCOMING_OBJECT] = INLAY_MOQ_FRAMER_OBJECT,
		[INLAY_MOQ_INCOMING_PAYLOAD] = INLAY_MOQ_FRAMER_PAYLOAD,
		[INLAY_MOQ_INCOMING_ENDED] = INLAY_MOQ_FRAMER_ENDED,
	};

	if (in->state < INLAY_MOQ_INCOMING_OBJECT || in->in.len > sizeof(ret->acc))
		return false;
	*ret = (struct inlay_framing){
		.object = in->object.id,
		.left = in->payload_left,
		.payload_len = in->object.payload_len,
		.objects = !in->first,
		.state = states[in->state],
		.acc_len = (__u8)in->in.len,
		.has_properties = in->header.has_properties,
	};
	if (in->in.len > 0)
		memcpy(ret->acc, in->in.data, in->in.len);
	return true;
}

/* --- a stream that nobody wants -------------------------------------------------------------- */

static int read_nothing(void *ctx, __u64 offset, __u8 *dst, size_t len)
{
	return -ENODATA;
}

/* The application has made sure that the forwarder is through with it. */
static bool is_back(void *loan, bool recall)
{
	return true;
}

int inlay_moq_session_abandon(struct inlay_moq_session *s, struct inlay_moq_request *req,
			      __u64 number, __u64 code)
{
	static const struct inlay_stream_source nothing = {.read = read_nothing};
	static const struct inlay_loan_ops over = {.back = is_back};
	const struct inlay_moq_transport *t = &s->config.transport;
	__u64 id;
	int rv;

	if (s->closing)
		return -ENOTCONN;
	rv = t->ops->stream_adopt(t->ctx, number, INLAY_MOQ_PRIORITY_REQUEST, &nothing, NULL, &over,
				  NULL, &id);
	if (rv < 0)
		return rv;
	/* The subscriber may have seen it: PUBLISH_DONE counts it. */
	if (req != NULL && !req->dead)
		req->streams_opened++;
	return t->ops->stream_reset(t->ctx, id, code);
}

/* --- streams that are lent ------------------------------------------------------------------- */

int inlay_moq_outgoing_lend(struct inlay_moq_outgoing *out, const struct inlay_loan_ops *loan,
			    void *ctx, __u64 *ret_offset)
{
	const struct inlay_moq_transport *t = &out->session->config.transport;

	if (out->dead || out->session->closing)
		return -ENOTCONN;
	return t->ops->stream_lend(t->ctx, out->stream.id, loan, ctx, ret_offset);
}

void inlay_moq_outgoing_recall(struct inlay_moq_outgoing *out)
{
	const struct inlay_moq_transport *t = &out->session->config.transport;

	if (!out->dead && !out->session->closing)
		(void)t->ops->stream_recall(t->ctx, out->stream.id);
}

bool inlay_moq_outgoing_progress(const struct inlay_moq_outgoing *out,
				 struct inlay_moq_progress *ret)
{
	const struct inlay_moq_transport *t = &out->session->config.transport;

	return !out->dead && !out->session->closing && t->ops->stream_progress != NULL &&
	       t->ops->stream_progress(t->ctx, out->stream.id, ret);
}
