/* SPDX-License-Identifier: BSD-2-Clause */
/* Subgroup streams and datagrams that we send. */
#include "conn.h" /* struct inlay_datagram_order */
#include "session_impl.h"

#include <errno.h>
#include <stdlib.h>

static void free_later(struct inlay_moq_outgoing *out)
{
	out->dead = true;
	inlay_list_remove(&out->node);
	inlay_list_append(&out->session->dead_outgoing, &out->grave);
}

void inlay_moq_outgoing_end(struct inlay_moq_outgoing *out, enum inlay_moq_end end, __u64 code)
{
	struct inlay_moq_session *s = out->session;

	if (out->dead)
		return;
	inlay_moq_stream_forget(s, &out->stream, true);
	free_later(out);
	if (s->config.ops->on_outgoing_end != NULL)
		s->config.ops->on_outgoing_end(s->config.user, out, end, code);
}

void inlay_moq_outgoing_detach_all(struct inlay_moq_request *req)
{
	/* Always from the front: a callback may end others. */
	while (!inlay_list_is_empty(&req->outgoing)) {
		struct inlay_moq_outgoing *out =
			inlay_list_entry(req->outgoing.next, struct inlay_moq_outgoing, node);

		if (out->finished) {
			out->request = NULL;
			inlay_list_remove(&out->node);
			inlay_list_append(&req->session->outgoing, &out->node);
		} else {
			inlay_moq_reset(req->session, out->stream.id, INLAY_MOQ_RESET_CANCELLED);
			inlay_moq_outgoing_end(out, INLAY_MOQ_END_LOCAL, INLAY_MOQ_RESET_CANCELLED);
		}
	}
}

/* Do we publish on |req|, and may objects be sent? Section 5.1: on PUBLISH, before the answer. */
static bool may_send(const struct inlay_moq_request *req)
{
	if (req->dead || req->state == INLAY_MOQ_REQUEST_WAITING ||
	    req->state == INLAY_MOQ_REQUEST_DRAINING)
		return false;
	if (req->ours)
		return req->type == INLAY_MOQ_MSG_PUBLISH;
	return req->type == INLAY_MOQ_MSG_SUBSCRIBE && req->state == INLAY_MOQ_REQUEST_ACCEPTED;
}

/* |adoption| with a loan: the stream is there already. */
static int open_stream(struct inlay_moq_request *req, const struct inlay_moq_adoption *adoption,
		       void *user, struct inlay_moq_outgoing **ret)
{
	struct inlay_moq_session *s = req->session;
	const struct inlay_moq_transport *t = &s->config.transport;
	struct inlay_moq_outgoing *out;
	int rv;

	if (s->closing)
		return -ENOTCONN;
	if (!may_send(req))
		return -EINVAL;
	out = calloc(1, sizeof(*out));
	if (out == NULL)
		return -ENOMEM;
	if (adoption->loan != NULL)
		rv = t->ops->stream_adopt(t->ctx, adoption->number, adoption->priority,
					  adoption->source, adoption->ctx, adoption->loan,
					  adoption->ctx, &out->stream.id);
	else
		rv = t->ops->stream_open(t->ctx, false, adoption->priority, adoption->source,
					 adoption->ctx, &out->stream.id);
	if (rv == 0) {
		out->stream.kind = INLAY_MOQ_STREAM_OUTGOING;
		rv = inlay_map_set(&s->streams, out->stream.id, &out->stream);
		if (rv < 0)
			inlay_moq_reset(s, out->stream.id, INLAY_MOQ_RESET_INTERNAL_ERROR);
	}
	if (rv < 0) {
		free(out);
		return rv;
	}
	out->session = s;
	out->request = req;
	out->user = user;
	out->first = true;
	out->from_source = adoption->source != NULL;
	inlay_list_init(&out->grave);
	inlay_list_append(&req->outgoing, &out->node);
	req->streams_opened++;
	*ret = out;
	return 0;
}

int inlay_moq_outgoing_open(struct inlay_moq_request *req, const struct inlay_moq_subgroup *header,
			    __u64 priority, void *user, struct inlay_moq_outgoing **ret)
{
	__u8 room[INLAY_MOQ18_SUBGROUP_HEADER_MAX];
	struct inlay_writer w = inlay_writer_of(room, sizeof(room));
	const struct inlay_moq_adoption fresh = {.priority = priority};
	struct inlay_moq_subgroup h = *header;
	struct inlay_moq_outgoing *out;
	int rv;

	h.alias = req->alias;
	if (!inlay_moq18_subgroup_put(&w, &h))
		return -EINVAL;
	rv = open_stream(req, &fresh, user, &out);
	if (rv < 0)
		return rv;
	out->header = h;
	rv = inlay_moq_write(req->session, out->stream.id, room, inlay_writer_len(&w), false);
	if (rv < 0)
		inlay_moq_outgoing_reset(out, INLAY_MOQ_RESET_INTERNAL_ERROR);
	else
		*ret = out;
	return rv;
}

int inlay_moq_outgoing_open_source(struct inlay_moq_request *req, __u64 priority,
				   const struct inlay_stream_source *source, void *ctx, void *user,
				   struct inlay_moq_outgoing **ret)
{
	const struct inlay_moq_adoption fresh = {
		.priority = priority, .source = source, .ctx = ctx};

	return open_stream(req, &fresh, user, ret);
}

int inlay_moq_outgoing_adopt(struct inlay_moq_request *req,
			     const struct inlay_moq_adoption *adoption, void *user,
			     struct inlay_moq_outgoing **ret)
{
	return open_stream(req, adoption, user, ret);
}

int inlay_moq_outgoing_object(struct inlay_moq_outgoing *out, const struct inlay_moq_object *object)
{
	size_t size = 4 * INLAY_VI64_MAX_LEN + object->properties_len;
	struct inlay_writer w;
	__u8 *room;
	int rv;

	if (out->dead || out->finished || out->from_source || out->payload_left > 0)
		return -EINVAL;
	room = malloc(size);
	if (room == NULL)
		return -ENOMEM;
	w = inlay_writer_of(room, size);
	rv = -EINVAL;
	if (inlay_moq18_object_put(&w, &out->header, out->first, out->last_object, object))
		rv = inlay_moq_write(out->session, out->stream.id, room, inlay_writer_len(&w),
				     false);
	free(room);
	if (rv < 0)
		return rv;
	out->first = false;
	out->last_object = object->id;
	out->payload_left = object->payload_len;
	return 0;
}

int inlay_moq_outgoing_payload(struct inlay_moq_outgoing *out, const __u8 *data, size_t len)
{
	int rv;

	if (out->dead || out->finished || len > out->payload_left)
		return -EINVAL;
	rv = inlay_moq_write(out->session, out->stream.id, data, len, false);
	if (rv == 0)
		out->payload_left -= len;
	return rv;
}

int inlay_moq_outgoing_finish(struct inlay_moq_outgoing *out)
{
	int rv;

	if (out->dead || out->finished || out->from_source || out->payload_left > 0)
		return -EINVAL;
	rv = inlay_moq_write(out->session, out->stream.id, NULL, 0, true);
	if (rv == 0)
		out->finished = true;
	return rv;
}

int inlay_moq_outgoing_extend(struct inlay_moq_outgoing *out, __u64 end, bool fin)
{
	const struct inlay_moq_transport *t = &out->session->config.transport;
	int rv;

	if (out->dead || out->finished || !out->from_source)
		return -EINVAL;
	if (out->session->closing)
		return -ENOTCONN;
	rv = t->ops->stream_extend(t->ctx, out->stream.id, end, fin);
	if (rv == 0 && fin)
		out->finished = true;
	return rv;
}

void inlay_moq_outgoing_set_priority(struct inlay_moq_outgoing *out, __u64 priority)
{
	const struct inlay_moq_transport *t = &out->session->config.transport;

	if (!out->dead && !out->session->closing && t->ops->stream_set_priority != NULL)
		(void)t->ops->stream_set_priority(t->ctx, out->stream.id, priority);
}

void inlay_moq_outgoing_set_class(struct inlay_moq_outgoing *out, __u8 class)
{
	const struct inlay_moq_transport *t = &out->session->config.transport;

	if (!out->dead && !out->session->closing && t->ops->stream_set_class != NULL)
		(void)t->ops->stream_set_class(t->ctx, out->stream.id, class);
}

void inlay_moq_outgoing_reset(struct inlay_moq_outgoing *out, __u64 code)
{
	struct inlay_moq_session *s = out->session;

	if (out->dead)
		return;
	inlay_moq_enter(s);
	inlay_moq_reset(s, out->stream.id, code);
	inlay_moq_stream_forget(s, &out->stream, true);
	free_later(out);
	inlay_moq_leave(s);
}

void *inlay_moq_outgoing_user(const struct inlay_moq_outgoing *out)
{
	return out->user;
}

int inlay_moq_request_datagram(struct inlay_moq_request *req,
			       const struct inlay_moq_datagram *object,
			       const struct inlay_datagram_order *order)
{
	struct inlay_datagram_order sent = {0};
	struct inlay_moq_session *s = req->session;
	const struct inlay_moq_transport *t = &s->config.transport;
	struct inlay_moq_datagram o = *object;
	__u8 room[INLAY_FRAME_MAX];
	struct inlay_writer w = inlay_writer_of(room, sizeof(room));

	if (s->closing)
		return -ENOTCONN;
	if (!may_send(req))
		return -EINVAL;
	if (order != NULL)
		sent = *order;
	sent.flow = req->alias;
	o.alias = req->alias;
	if (o.properties.len > sizeof(room) || o.payload.len > sizeof(room))
		return -EMSGSIZE;
	if (!inlay_moq18_datagram_put(&w, &o)) {
		/* Against the rules, or too long for any packet. */
		return o.properties.len + 64 > sizeof(room) ? -EMSGSIZE : -EINVAL;
	}
	if (!inlay_writer_bytes(&w, o.payload.data, o.payload.len))
		return -EMSGSIZE;
	return t->ops->datagram(t->ctx, &sent, room, inlay_writer_len(&w));
}

/* Aliases of ours tell our datagrams apart; on other requests the alias is the peer's. */
static bool sends(const struct inlay_moq_request *req)
{
	return req->has_alias &&
	       req->type == (req->ours ? INLAY_MOQ_MSG_PUBLISH : INLAY_MOQ_MSG_SUBSCRIBE);
}

size_t inlay_moq_request_datagrams_queued(const struct inlay_moq_request *req)
{
	const struct inlay_moq_transport *t = &req->session->config.transport;

	if (!sends(req) || req->session->closing || t->ops->datagrams_queued == NULL)
		return 0;
	return t->ops->datagrams_queued(t->ctx, req->alias);
}

void inlay_moq_request_drop_datagrams(struct inlay_moq_request *req)
{
	const struct inlay_moq_transport *t = &req->session->config.transport;

	if (sends(req) && !req->session->closing && t->ops->datagrams_drop != NULL)
		t->ops->datagrams_drop(t->ctx, req->alias);
}
