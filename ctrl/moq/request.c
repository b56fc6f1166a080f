/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Request streams: how they begin and end, and what the application asks and answers on them. What
 * their messages mean is in request_message.c.
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

/* Out of every table, so that nothing finds it any more; what its streams carried is cut off. */
static void detach(struct inlay_moq_request *req, enum inlay_moq_end end)
{
	struct inlay_moq_session *s = req->session;

	req->dead = true;
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

/* Both directions, whatever is still open (section 3.3.2). */
static void abort_stream(struct inlay_moq_request *req, __u64 code)
{
	if (req->stream.id == INLAY_MOQ_NO_STREAM)
		return;
	if (!req->sent_fin)
		inlay_moq_reset(req->session, req->stream.id, code);
	if (!req->received_fin)
		inlay_moq_stop(req->session, req->stream.id, code);
	inlay_moq_stream_forget(req->session, &req->stream, req->received_fin);
}

/* FIN, if there was none; what the peer still sends is thrown away. */
static void finish_stream(struct inlay_moq_request *req)
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
		finish_stream(req);
	else
		abort_stream(req, end == INLAY_MOQ_END_LOCAL ? code : INLAY_MOQ_RESET_CANCELLED);
	detach(req, end);
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
		abort_stream(req, INLAY_MOQ_RESET_INTERNAL_ERROR);
		detach(req, INLAY_MOQ_END_LOCAL);
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

/* --- what the application says --------------------------------------------------------------- */

void inlay_moq_request_set_user(struct inlay_moq_request *req, void *user)
{
	req->user = user;
}

void *inlay_moq_request_user(const struct inlay_moq_request *req)
{
	return req->user;
}

struct inlay_moq_session *inlay_moq_request_session(const struct inlay_moq_request *req)
{
	return req->session;
}

__u64 inlay_moq_request_type(const struct inlay_moq_request *req)
{
	return req->type;
}

__u64 inlay_moq_request_id(const struct inlay_moq_request *req)
{
	return req->id;
}

bool inlay_moq_request_is_ours(const struct inlay_moq_request *req)
{
	return req->ours;
}

__u64 inlay_moq_request_alias(const struct inlay_moq_request *req)
{
	return req->alias;
}

void inlay_moq_request_cancel(struct inlay_moq_request *req, __u64 code)
{
	struct inlay_moq_session *s = req->session;

	if (req->dead)
		return;
	inlay_moq_enter(s);
	abort_stream(req, code);
	detach(req, INLAY_MOQ_END_LOCAL);
	inlay_moq_leave(s);
}

/* May a message go out on |req| now? */
static int check_open(const struct inlay_moq_request *req, bool right)
{
	if (req->session->closing)
		return -ENOTCONN;
	return req->dead || !right || req->stream.id == INLAY_MOQ_NO_STREAM || req->sent_fin
		       ? -EINVAL
		       : 0;
}

/* -EPIPE: the peer took the request back; that is told by itself. */
static int answer(struct inlay_moq_request *req, const struct inlay_moq_message *m, bool fin)
{
	int rv = inlay_moq_send(req->session, req->stream.id, m, fin);

	return rv == -EPIPE ? 0 : rv;
}

static struct inlay_moq_params no_params(void)
{
	return (struct inlay_moq_params){0};
}

int inlay_moq_request_subscribe_ok(struct inlay_moq_request *req,
				   const struct inlay_moq_params *params,
				   const struct inlay_moq_bytes *properties)
{
	struct inlay_moq_message m = {.type = INLAY_MOQ_MSG_SUBSCRIBE_OK};
	int rv = check_open(req, !req->ours && req->type == INLAY_MOQ_MSG_SUBSCRIBE &&
					 req->state == INLAY_MOQ_REQUEST_PENDING);

	if (rv < 0)
		return rv;
	m.subscribe_ok.alias = req->alias;
	m.subscribe_ok.params = params != NULL ? *params : no_params();
	if (properties != NULL)
		m.subscribe_ok.properties.bytes = *properties;
	rv = answer(req, &m, false);
	if (rv == 0)
		req->state = INLAY_MOQ_REQUEST_ACCEPTED;
	return rv;
}

int inlay_moq_request_ok(struct inlay_moq_request *req, const struct inlay_moq_params *params,
			 const struct inlay_moq_bytes *properties)
{
	struct inlay_moq_message m = {.type = INLAY_MOQ_MSG_REQUEST_OK};
	bool last = req->type == INLAY_MOQ_MSG_TRACK_STATUS;
	int rv = check_open(req, !req->ours && req->type != INLAY_MOQ_MSG_SUBSCRIBE &&
					 req->state == INLAY_MOQ_REQUEST_PENDING);

	if (rv < 0)
		return rv;
	m.request_ok.params = params != NULL ? *params : no_params();
	if (properties != NULL && last)
		m.request_ok.properties.bytes = *properties;
	inlay_moq_enter(req->session);
	rv = answer(req, &m, last);
	if (rv == 0) {
		req->state = INLAY_MOQ_REQUEST_ACCEPTED;
		req->sent_fin = last;
		if (last) {
			finish_stream(req);
			detach(req, INLAY_MOQ_END_DONE);
		}
	}
	inlay_moq_leave(req->session);
	return rv;
}

static int send_error(struct inlay_moq_request *req, __u64 code, __u64 retry_ms, const char *reason,
		      bool fin)
{
	struct inlay_moq_message m = {.type = INLAY_MOQ_MSG_REQUEST_ERROR};

	m.request_error.code = code;
	m.request_error.retry = retry_ms;
	if (reason != NULL)
		m.request_error.reason =
			(struct inlay_moq_bytes){(const __u8 *)reason, strlen(reason)};
	return answer(req, &m, fin);
}

int inlay_moq_request_error(struct inlay_moq_request *req, __u64 code, __u64 retry_ms,
			    const char *reason)
{
	struct inlay_moq_session *s = req->session;
	int rv = check_open(req, !req->ours && req->state == INLAY_MOQ_REQUEST_PENDING);

	if (rv < 0)
		return rv;
	inlay_moq_enter(s);
	rv = send_error(req, code, retry_ms, reason, true);
	if (rv == 0) {
		req->sent_fin = true;
		finish_stream(req);
		detach(req, INLAY_MOQ_END_LOCAL);
	}
	inlay_moq_leave(s);
	return rv;
}

int inlay_moq_request_update_ok(struct inlay_moq_request *req,
				const struct inlay_moq_params *params)
{
	struct inlay_moq_message m = {.type = INLAY_MOQ_MSG_REQUEST_OK};
	int rv = check_open(req,
			    req->updates_received > 0 && req->state == INLAY_MOQ_REQUEST_ACCEPTED);

	if (rv < 0)
		return rv;
	m.request_ok.params = params != NULL ? *params : no_params();
	rv = answer(req, &m, false);
	if (rv == 0)
		req->updates_received--;
	return rv;
}

int inlay_moq_request_update_error(struct inlay_moq_request *req, __u64 code, const char *reason)
{
	int rv = check_open(req,
			    req->updates_received > 0 && req->state == INLAY_MOQ_REQUEST_ACCEPTED);

	if (rv == 0)
		rv = send_error(req, code, 0, reason, false);
	if (rv == 0)
		req->updates_received--;
	return rv;
}

int inlay_moq_request_update(struct inlay_moq_request *req, const struct inlay_moq_params *params)
{
	struct inlay_moq_message m = {.type = INLAY_MOQ_MSG_REQUEST_UPDATE};
	int rv = check_open(req, req->state == INLAY_MOQ_REQUEST_ACCEPTED &&
					 (req->ours || req->type == INLAY_MOQ_MSG_PUBLISH));

	if (rv < 0)
		return rv;
	m.request_update.request_id = req->session->next_request_id;
	m.request_update.params = *params;
	rv = answer(req, &m, false);
	if (rv == 0) {
		req->session->next_request_id += 2;
		req->updates_sent++;
	}
	return rv;
}

int inlay_moq_request_namespace(struct inlay_moq_request *req,
				const struct inlay_moq_namespace *suffix, bool done)
{
	struct inlay_moq_message m = {.type = done ? INLAY_MOQ_MSG_NAMESPACE_DONE
						   : INLAY_MOQ_MSG_NAMESPACE,
				      .suffix = *suffix};
	int rv = check_open(req, !req->ours && req->type == INLAY_MOQ_MSG_SUBSCRIBE_NAMESPACE &&
					 req->state == INLAY_MOQ_REQUEST_ACCEPTED);

	return rv < 0 ? rv : answer(req, &m, false);
}

int inlay_moq_request_publish_done(struct inlay_moq_request *req, __u64 status, const char *reason)
{
	struct inlay_moq_message m = {.type = INLAY_MOQ_MSG_PUBLISH_DONE};
	struct inlay_moq_session *s = req->session;
	int rv = check_open(req, req->ours ? req->type == INLAY_MOQ_MSG_PUBLISH
					   : req->type == INLAY_MOQ_MSG_SUBSCRIBE &&
						     req->state == INLAY_MOQ_REQUEST_ACCEPTED);

	if (rv < 0)
		return rv;
	m.publish_done.status = status;
	m.publish_done.streams = req->streams_opened;
	if (reason != NULL)
		m.publish_done.reason =
			(struct inlay_moq_bytes){(const __u8 *)reason, strlen(reason)};
	inlay_moq_enter(s);
	/* Section 10.10: not before every stream is closed. */
	inlay_moq_outgoing_detach_all(req);
	rv = answer(req, &m, true);
	if (rv == 0) {
		req->sent_fin = true;
		finish_stream(req);
		detach(req, INLAY_MOQ_END_LOCAL);
	}
	inlay_moq_leave(s);
	return rv;
}
