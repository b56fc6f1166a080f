/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Request streams: how they begin and end. What arrives on them is in request_message.c, what the
 * application says on them in request_answer.c.
 */
#include "session_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- life ------------------------------------------------------------------------------------ */

static struct inlay_moq_request *request_new(struct inlay_moq_session *s, bool ours)
{
	struct inlay_moq_request *req = calloc(1, sizeof(*req));

	if (req == NULL)
		return NULL;
	req->stream = (struct inlay_moq_stream){INLAY_MOQ_STREAM_REQUEST, INLAY_MOQ_NO_STREAM};
	req->session = s;
	req->ours = ours;
	req->in.account = req->out.account = &s->control_bytes;
	inlay_list_init(&req->grave);
	inlay_list_init(&req->incoming);
	inlay_list_init(&req->outgoing);
	inlay_list_append(&s->requests, &req->node);
	if (ours)
		s->own_requests++;
	else
		s->peer_requests++;
	return req;
}

void inlay_moq_request_free(struct inlay_moq_request *req)
{
	inlay_map_fini(&req->suffixes);
	free(req);
}

struct inlay_moq_request *inlay_moq_request_accept(struct inlay_moq_session *s, __u64 id)
{
	struct inlay_moq_request *req = request_new(s, false);

	if (req == NULL)
		return NULL;
	req->stream.id = id;
	req->state = INLAY_MOQ_REQUEST_OPENING;
	if (inlay_map_set(&s->streams, id, &req->stream) < 0) {
		inlay_list_remove(&req->node);
		s->peer_requests--;
		inlay_moq_request_free(req);
		return NULL;
	}
	return req;
}

static void drop_alias(struct inlay_moq_request *req)
{
	struct inlay_moq_session *s = req->session;

	if (!req->has_alias || inlay_map_get(&s->aliases, req->alias) != req)
		return;
	inlay_map_remove(&s->aliases, req->alias);
	s->tombstones[s->tombstone_count++ % INLAY_MOQ_TOMBSTONES] = req->alias;
}

void inlay_moq_request_detach(struct inlay_moq_request *req, enum inlay_moq_end end)
{
	struct inlay_moq_session *s = req->session;

	req->dead = true;
	inlay_moq_request_drop_datagrams(req);
	drop_alias(req);
	inlay_list_remove(&req->node);
	if (req->ours)
		s->own_requests--;
	else
		s->peer_requests--;
	if (end != INLAY_MOQ_END_SESSION)
		end = INLAY_MOQ_END_LOCAL;
	/* Always from the front: a callback may end others. */
	while (!inlay_list_is_empty(&req->incoming))
		inlay_moq_incoming_end(
			inlay_list_entry(req->incoming.next, struct inlay_moq_incoming, node), end,
			INLAY_MOQ_RESET_CANCELLED);
	while (!inlay_list_is_empty(&req->outgoing)) {
		struct inlay_moq_outgoing *out =
			inlay_list_entry(req->outgoing.next, struct inlay_moq_outgoing, node);

		/* Section 5.1.1: streams of a subscription that was cancelled are reset. */
		inlay_moq_reset(s, out->stream.id, INLAY_MOQ_RESET_CANCELLED);
		inlay_moq_outgoing_end(out, end, INLAY_MOQ_RESET_CANCELLED);
	}
	inlay_moq_buffer_fini(&req->in);
	inlay_moq_buffer_fini(&req->out);
	inlay_list_append(&s->dead_requests, &req->grave);
}

void inlay_moq_request_abort_stream(struct inlay_moq_request *req, __u64 code)
{
	if (req->stream.id == INLAY_MOQ_NO_STREAM)
		return;
	if (!req->sent_fin)
		inlay_moq_reset(req->session, req->stream.id, code);
	if (!req->received_fin)
		inlay_moq_stop(req->session, req->stream.id, code);
	inlay_moq_stream_forget(req->session, &req->stream, req->received_fin);
}

void inlay_moq_request_finish_stream(struct inlay_moq_request *req)
{
	if (req->stream.id == INLAY_MOQ_NO_STREAM)
		return;
	if (!req->sent_fin)
		(void)inlay_moq_write(req->session, req->stream.id, NULL, 0, true);
	req->sent_fin = true;
	inlay_moq_stream_forget(req->session, &req->stream, req->received_fin);
}

void inlay_moq_request_end(struct inlay_moq_request *req, enum inlay_moq_end end, __u64 code,
			   const struct inlay_moq_request_error *error)
{
	struct inlay_moq_session *s = req->session;

	if (req->dead)
		return;
	if (end == INLAY_MOQ_END_DONE || end == INLAY_MOQ_END_ERROR)
		inlay_moq_request_finish_stream(req);
	else
		inlay_moq_request_abort_stream(
			req, end == INLAY_MOQ_END_LOCAL ? code : INLAY_MOQ_RESET_CANCELLED);
	inlay_moq_request_detach(req, end);
	if ((req->ours || req->announced) && s->config.ops->on_request_end != NULL)
		s->config.ops->on_request_end(s->config.user, req, end, code, error);
}

void inlay_moq_request_aborted(struct inlay_moq_request *req, __u64 code)
{
	/* Behind PUBLISH_DONE only data is awaited. */
	if (req->state == INLAY_MOQ_REQUEST_DRAINING)
		return;
	inlay_moq_request_end(req, INLAY_MOQ_END_CANCELLED, code, NULL);
}

void inlay_moq_request_malformed(struct inlay_moq_request *req)
{
	inlay_moq_request_end(req, INLAY_MOQ_END_LOCAL, INLAY_MOQ_RESET_MALFORMED_TRACK, NULL);
}

void inlay_moq_request_check_drained(struct inlay_moq_request *req)
{
	if (!req->dead && req->state == INLAY_MOQ_REQUEST_DRAINING &&
	    inlay_list_is_empty(&req->incoming) && req->streams_seen >= req->streams_expected)
		inlay_moq_request_end(req, INLAY_MOQ_END_DONE, 0, NULL);
}

bool inlay_moq_request_take_alias(struct inlay_moq_request *req, __u64 alias)
{
	struct inlay_moq_session *s = req->session;
	struct inlay_moq_request *holder = inlay_map_get(&s->aliases, alias);

	/* Section 11.1: in use by an established subscription. */
	if (holder != NULL && holder->state != INLAY_MOQ_REQUEST_DRAINING) {
		inlay_moq_session_close(s, INLAY_MOQ_SESSION_DUPLICATE_TRACK_ALIAS,
					"track alias in use");
		return false;
	}
	if (holder != NULL)
		inlay_moq_request_end(holder, INLAY_MOQ_END_DONE, 0, NULL);
	if (inlay_map_set(&s->aliases, alias, req) < 0) {
		inlay_moq_session_close(s, INLAY_MOQ_SESSION_INTERNAL_ERROR, "no memory");
		return false;
	}
	req->has_alias = true;
	req->alias = alias;
	return true;
}

/* --- bytes that arrive ----------------------------------------------------------------------- */

/* Takes whole messages from what was gathered; keeps the rest. */
static void take_messages(struct inlay_moq_request *req)
{
	struct inlay_moq_session *s = req->session;
	struct inlay_moq_buffer gathered = inlay_moq_buffer_take(&req->in);
	struct inlay_cursor c = inlay_cursor_of(gathered.data, gathered.len);
	struct inlay_cursor payload;
	__u64 type;

	while (!req->dead && !s->closing &&
	       inlay_moq18_message_frame(&c, &type, &payload) == INLAY_MOQ_OK)
		inlay_moq_request_message(req, type, payload);
	if (!req->dead && !s->closing && inlay_cursor_left(&c) > 0 &&
	    inlay_moq_buffer_append(&req->in, c.pos, inlay_cursor_left(&c)) < 0)
		inlay_moq_session_close(s, INLAY_MOQ_SESSION_INTERNAL_ERROR, "no memory");
	inlay_moq_buffer_fini(&gathered);
}

static void fin_arrived(struct inlay_moq_request *req)
{
	struct inlay_moq_session *s = req->session;

	if (req->dead || s->closing)
		return;
	if (req->in.len > 0) {
		inlay_moq_session_close(s, INLAY_MOQ_SESSION_PROTOCOL_VIOLATION,
					"request stream ends within a message");
		return;
	}
	if (req->state == INLAY_MOQ_REQUEST_DRAINING)
		return;
	/* A request is over when who makes it, or who publishes, has nothing more to say; for the
	 * others a FIN means that no more updates come. */
	if (req->state == INLAY_MOQ_REQUEST_OPENING || req->state == INLAY_MOQ_REQUEST_PENDING) {
		if (req->ours || req->state == INLAY_MOQ_REQUEST_OPENING ||
		    req->type == INLAY_MOQ_MSG_PUBLISH)
			inlay_moq_request_end(req, INLAY_MOQ_END_CANCELLED,
					      INLAY_MOQ_RESET_INTERNAL_ERROR, NULL);
		return;
	}
	if (req->ours ? req->type == INLAY_MOQ_MSG_SUBSCRIBE ||
				req->type == INLAY_MOQ_MSG_SUBSCRIBE_NAMESPACE
		      : req->type == INLAY_MOQ_MSG_PUBLISH ||
				req->type == INLAY_MOQ_MSG_SUBSCRIBE_NAMESPACE)
		inlay_moq_request_end(req, INLAY_MOQ_END_CANCELLED, INLAY_MOQ_RESET_CANCELLED,
				      NULL);
}

void inlay_moq_request_data(struct inlay_moq_request *req, const __u8 *data, size_t len, bool fin)
{
	struct inlay_moq_session *s = req->session;

	if (inlay_moq_buffer_append(&req->in, data, len) < 0) {
		inlay_moq_session_close(s, INLAY_MOQ_SESSION_INTERNAL_ERROR, "no memory");
		return;
	}
	req->received_fin = req->received_fin || fin;
	if (!s->has_setup) { /* section 3.3: requests may overtake SETUP */
		if (s->control_bytes > s->config.max_control_bytes)
			inlay_moq_request_end(req, INLAY_MOQ_END_LOCAL,
					      INLAY_MOQ_RESET_EXCESSIVE_LOAD, NULL);
		return;
	}
	take_messages(req);
	if (!req->dead && !s->closing && s->control_bytes > s->config.max_control_bytes)
		inlay_moq_request_end(req, INLAY_MOQ_END_LOCAL, INLAY_MOQ_RESET_EXCESSIVE_LOAD,
				      NULL);
	if (fin)
		fin_arrived(req);
}

void inlay_moq_request_retry_all(struct inlay_moq_session *s)
{
	struct inlay_list *node = s->requests.next;

	/* A message may end any request, the next one in the list included: begin again each time.
	 * What was looked at has nothing gathered but the start of a message. */
	while (node != &s->requests && !s->closing) {
		struct inlay_moq_request *req =
			inlay_list_entry(node, struct inlay_moq_request, node);
		size_t before = req->in.len;

		if (before > 0)
			take_messages(req);
		if (req->received_fin)
			fin_arrived(req);
		node = !req->dead && req->in.len == before ? node->next : s->requests.next;
	}
}

/* --- requests of ours ------------------------------------------------------------------------ */

static int open_now(struct inlay_moq_request *req)
{
	struct inlay_moq_session *s = req->session;
	const struct inlay_moq_transport *t = &s->config.transport;
	__u64 id;
	int rv;

	rv = t->ops->stream_open(t->ctx, true, INLAY_MOQ_PRIORITY_REQUEST, NULL, NULL, &id);
	if (rv < 0)
		return rv;
	req->stream.id = id;
	req->state = INLAY_MOQ_REQUEST_PENDING;
	rv = inlay_map_set(&s->streams, id, &req->stream);
	if (rv < 0)
		return rv;
	/* Section 10.13: TRACK_STATUS is the only message on its stream. */
	req->sent_fin = req->type == INLAY_MOQ_MSG_TRACK_STATUS;
	rv = inlay_moq_write(s, id, req->out.data, req->out.len, req->sent_fin);
	inlay_moq_buffer_fini(&req->out);
	return rv;
}

void inlay_moq_request_open_waiting(struct inlay_moq_session *s)
{
	struct inlay_list *node, *after;

	inlay_list_for_each_safe (node, after, &s->requests) {
		struct inlay_moq_request *req =
			inlay_list_entry(node, struct inlay_moq_request, node);
		int rv;

		if (req->state != INLAY_MOQ_REQUEST_WAITING)
			continue;
		rv = open_now(req);
		if (rv == -EAGAIN)
			return;
		if (rv < 0) {
			inlay_moq_session_close(s, INLAY_MOQ_SESSION_INTERNAL_ERROR, "no memory");
			return;
		}
	}
}

static int encode(const struct inlay_moq_message *m, struct inlay_moq_buffer *b)
{
	__u8 room[INLAY_MOQ_MESSAGE_MAX];
	struct inlay_writer w = inlay_writer_of(room, sizeof(room));
	int rv = inlay_moq18_message_put(&w, m);

	if (rv == -ENOBUFS)
		return -EMSGSIZE;
	return rv < 0 ? rv : inlay_moq_buffer_append(b, room, inlay_writer_len(&w));
}

/* |m|'s request ID is |id|. */
static int submit(struct inlay_moq_session *s, const struct inlay_moq_message *m, __u64 id,
		  void *user, struct inlay_moq_request **ret)
{
	struct inlay_moq_request *req;
	int rv;

	if (s->closing || !s->started)
		return -ENOTCONN;
	if (s->goaway_received)
		return -ESHUTDOWN;
	if (s->own_requests >= s->config.max_own_requests)
		return -EMFILE;
	req = request_new(s, true);
	if (req == NULL)
		return -ENOMEM;
	req->type = m->type;
	req->id = id;
	req->user = user;
	req->state = INLAY_MOQ_REQUEST_WAITING;
	inlay_moq_enter(s);
	rv = encode(m, &req->out);
	if (rv == 0) {
		s->next_request_id += 2;
		rv = open_now(req);
		rv = rv == -EAGAIN ? 0 : rv;
	}
	if (rv < 0) {
		inlay_moq_request_abort_stream(req, INLAY_MOQ_RESET_INTERNAL_ERROR);
		inlay_moq_request_detach(req, INLAY_MOQ_END_LOCAL);
	} else {
		*ret = req;
	}
	inlay_moq_leave(s);
	return rv;
}

int inlay_moq_session_subscribe(struct inlay_moq_session *s, const struct inlay_moq_subscribe *m,
				void *user, struct inlay_moq_request **ret)
{
	struct inlay_moq_message message = {.type = INLAY_MOQ_MSG_SUBSCRIBE, .subscribe = *m};
	int rv;

	message.subscribe.request_id = s->next_request_id;
	rv = submit(s, &message, s->next_request_id, user, ret);
	/* The publisher may give this track an alias that an old one had. */
	if (rv == 0)
		s->tombstone_count = 0;
	return rv;
}

int inlay_moq_session_track_status(struct inlay_moq_session *s, const struct inlay_moq_subscribe *m,
				   void *user, struct inlay_moq_request **ret)
{
	struct inlay_moq_message message = {.type = INLAY_MOQ_MSG_TRACK_STATUS, .subscribe = *m};

	message.subscribe.request_id = s->next_request_id;
	return submit(s, &message, s->next_request_id, user, ret);
}

int inlay_moq_session_publish(struct inlay_moq_session *s, const struct inlay_moq_publish *m,
			      void *user, struct inlay_moq_request **ret)
{
	struct inlay_moq_message message = {.type = INLAY_MOQ_MSG_PUBLISH, .publish = *m};
	int rv;

	message.publish.request_id = s->next_request_id;
	message.publish.alias = s->next_alias;
	rv = submit(s, &message, s->next_request_id, user, ret);
	if (rv == 0) {
		(*ret)->has_alias = true;
		(*ret)->alias = s->next_alias++;
	}
	return rv;
}

static int namespace_request(struct inlay_moq_session *s, enum inlay_moq_message_type type,
			     const struct inlay_moq_namespace_request *m, void *user,
			     struct inlay_moq_request **ret)
{
	struct inlay_moq_message message = {.type = type, .namespace_request = *m};

	message.namespace_request.request_id = s->next_request_id;
	return submit(s, &message, s->next_request_id, user, ret);
}

int inlay_moq_session_publish_namespace(struct inlay_moq_session *s,
					const struct inlay_moq_namespace_request *m, void *user,
					struct inlay_moq_request **ret)
{
	return namespace_request(s, INLAY_MOQ_MSG_PUBLISH_NAMESPACE, m, user, ret);
}

int inlay_moq_session_subscribe_namespace(struct inlay_moq_session *s,
					  const struct inlay_moq_namespace_request *m, void *user,
					  struct inlay_moq_request **ret)
{
	return namespace_request(s, INLAY_MOQ_MSG_SUBSCRIBE_NAMESPACE, m, user, ret);
}
