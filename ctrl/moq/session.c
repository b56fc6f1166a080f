/* SPDX-License-Identifier: BSD-2-Clause */
/* The session itself: its life, its inputs and timers. See session.h. */
#include "policy.h" /* struct inlay_policy_view */
#include "session_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__u64 inlay_moq_priority(__u8 subscriber, __u8 publisher, bool descending, __u64 group,
			 __u64 subgroup)
{
	__u64 g = group < 0xffffffff ? group : 0xffffffff;
	__u64 sub = subgroup < 0x1fff ? subgroup : 0x1fff;

	if (descending)
		g = 0xffffffff - g;
	/* Section 8.2. The top bit keeps data behind control and request streams. */
	return 1ULL << 63 | (__u64)subscriber << 53 | (__u64)publisher << 45 | g << 13 | sub;
}

/* --- life ------------------------------------------------------------------------------------ */

static bool copy_text(const char *text, char **ret)
{
	if (text == NULL || text[0] == '\0')
		return true;
	*ret = strdup(text);
	return *ret != NULL;
}

static void set_default(__u64 *value, __u64 otherwise)
{
	if (*value == 0)
		*value = otherwise;
}

static void set_defaults(struct inlay_moq_session_config *c)
{
	set_default(&c->setup_timeout, 10 * INLAY_S);
	set_default(&c->pending_timeout, 2 * INLAY_S);
	set_default(&c->done_timeout, 5 * INLAY_S);
	c->max_requests = c->max_requests > 0 ? c->max_requests : 1024;
	c->max_own_requests = c->max_own_requests > 0 ? c->max_own_requests : 4096;
	c->max_control_bytes = c->max_control_bytes > 0 ? c->max_control_bytes : 256 << 10;
	c->max_pending_bytes = c->max_pending_bytes > 0 ? c->max_pending_bytes : 1 << 20;
	c->max_object_header = c->max_object_header > 0 ? c->max_object_header : 16 << 10;
}

struct inlay_moq_session *inlay_moq_session_new(const struct inlay_moq_session_config *config)
{
	struct inlay_moq_session *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->config = *config;
	set_defaults(&s->config);
	s->own_control =
		(struct inlay_moq_stream){INLAY_MOQ_STREAM_OWN_CONTROL, INLAY_MOQ_NO_STREAM};
	s->peer_control =
		(struct inlay_moq_stream){INLAY_MOQ_STREAM_PEER_CONTROL, INLAY_MOQ_NO_STREAM};
	s->discard.id = INLAY_MOQ_NO_STREAM;
	s->control_in.account = &s->control_bytes;
	s->setup_deadline = s->goaway_deadline = INLAY_NEVER;
	s->next_request_id = config->transport.is_server ? 1 : 0;
	s->why.text = s->why_text;
	inlay_list_init(&s->requests);
	inlay_list_init(&s->incoming);
	inlay_list_init(&s->early_datagrams);
	inlay_list_init(&s->outgoing);
	inlay_list_init(&s->dead_requests);
	inlay_list_init(&s->dead_incoming);
	inlay_list_init(&s->dead_outgoing);
	if (!copy_text(config->path, &s->path) || !copy_text(config->authority, &s->authority) ||
	    !copy_text(config->implementation, &s->implementation)) {
		inlay_moq_session_free(s);
		return NULL;
	}
	return s;
}

/* The last callbacks, to everything that the application knows. */
static void tear_down(struct inlay_moq_session *s)
{
	s->torn_down = true;
	while (!inlay_list_is_empty(&s->requests))
		inlay_moq_request_end(
			inlay_list_entry(s->requests.next, struct inlay_moq_request, node),
			INLAY_MOQ_END_SESSION, s->why.code, NULL);
	while (!inlay_list_is_empty(&s->incoming))
		inlay_moq_incoming_drop(
			inlay_list_entry(s->incoming.next, struct inlay_moq_incoming, node));
	while (!inlay_list_is_empty(&s->outgoing))
		inlay_moq_outgoing_end(
			inlay_list_entry(s->outgoing.next, struct inlay_moq_outgoing, node),
			INLAY_MOQ_END_SESSION, s->why.code);
	if (s->config.ops->on_closed != NULL)
		s->config.ops->on_closed(s->config.user, &s->why);
}

static void bury(struct inlay_moq_session *s)
{
	struct inlay_list *node, *after;

	inlay_list_for_each_safe (node, after, &s->dead_requests)
		inlay_moq_request_free(inlay_list_entry(node, struct inlay_moq_request, grave));
	inlay_list_for_each_safe (node, after, &s->dead_incoming)
		free(inlay_list_entry(node, struct inlay_moq_incoming, grave));
	inlay_list_for_each_safe (node, after, &s->dead_outgoing)
		free(inlay_list_entry(node, struct inlay_moq_outgoing, grave));
	inlay_list_init(&s->dead_requests);
	inlay_list_init(&s->dead_incoming);
	inlay_list_init(&s->dead_outgoing);
}

void inlay_moq_enter(struct inlay_moq_session *s)
{
	s->depth++;
}

void inlay_moq_leave(struct inlay_moq_session *s)
{
	if (--s->depth == 0)
		bury(s);
}

/* Bookends of the inputs. False: the session is closing, only its end is left to be told. */
static bool begin_input(struct inlay_moq_session *s, inlay_ns now)
{
	s->depth++;
	s->now = now;
	return !s->closing;
}

static void end_input(struct inlay_moq_session *s)
{
	/* Not in the application's own calls: it may be in the middle of its lists. */
	if (s->depth == 1 && s->closing && !s->torn_down)
		tear_down(s);
	inlay_moq_leave(s);
}

void inlay_moq_session_free(struct inlay_moq_session *s)
{
	if (s == NULL)
		return;
	inlay_moq_enter(s);
	s->closing = true;
	end_input(s);
	inlay_moq_datagram_expire(s, INLAY_NEVER);
	inlay_moq_buffer_fini(&s->control_in);
	inlay_map_fini(&s->streams);
	inlay_map_fini(&s->aliases);
	free(s->path);
	free(s->authority);
	free(s->implementation);
	free(s);
}

int inlay_moq_session_start(struct inlay_moq_session *s, inlay_ns now)
{
	int rv;

	if (s->closing)
		return -ENOTCONN;
	inlay_moq_enter(s);
	s->now = now;
	s->started = true;
	if (!s->has_setup)
		s->setup_deadline = now + s->config.setup_timeout;
	rv = inlay_moq_control_start(s);
	inlay_moq_leave(s);
	return rv;
}

void *inlay_moq_session_user(const struct inlay_moq_session *s)
{
	return s->config.user;
}

inlay_ns inlay_moq_session_now(const struct inlay_moq_session *s)
{
	return s->now;
}

void inlay_moq_session_view(const struct inlay_moq_session *s, struct inlay_policy_view *ret)
{
	const struct inlay_moq_transport *t = &s->config.transport;

	*ret = (struct inlay_policy_view){0};
	if (t->ops->view != NULL && !s->closing)
		t->ops->view(t->ctx, ret);
}

bool inlay_moq_session_is_closed(const struct inlay_moq_session *s)
{
	return s->closing;
}

void inlay_moq_session_close(struct inlay_moq_session *s, __u64 code, const char *text)
{
	const struct inlay_moq_transport *t = &s->config.transport;

	if (s->closing)
		return;
	inlay_moq_enter(s);
	s->closing = true;
	s->why.application = true;
	s->why.code = code;
	snprintf(s->why_text, sizeof(s->why_text), "%s", text);
	t->ops->close(t->ctx, code, s->why_text);
	inlay_moq_leave(s);
}

void inlay_moq_violation(struct inlay_moq_session *s, enum inlay_moq_verdict verdict,
			 const char *text)
{
	__u64 code = INLAY_MOQ_SESSION_PROTOCOL_VIOLATION;

	if (verdict == INLAY_MOQ_KV_FORMATTING)
		code = INLAY_MOQ_SESSION_KEY_VALUE_FORMATTING_ERROR;
	inlay_moq_session_close(s, code, text);
}

int inlay_moq_check_tokens(struct inlay_moq_session *s, const struct inlay_moq_tokens *tokens)
{
	/* Section 10.2.2: we advertise no token cache, so nothing fits and nothing is in it. */
	for (__u32 i = 0; i < tokens->n; i++) {
		switch (tokens->token[i].kind) {
		case INLAY_MOQ_TOKEN_USE_VALUE:
			break;
		case INLAY_MOQ_TOKEN_REGISTER:
			inlay_moq_session_close(s, INLAY_MOQ_SESSION_AUTH_TOKEN_CACHE_OVERFLOW,
						"token aliases are not taken");
			return -EPROTO;
		default:
			inlay_moq_session_close(s, INLAY_MOQ_SESSION_UNKNOWN_AUTH_TOKEN_ALIAS,
						"unknown token alias");
			return -EPROTO;
		}
	}
	return 0;
}

/* --- the transport --------------------------------------------------------------------------- */

void inlay_moq_stream_forget(struct inlay_moq_session *s, struct inlay_moq_stream *stream,
			     bool ended)
{
	if (stream->id == INLAY_MOQ_NO_STREAM || inlay_map_get(&s->streams, stream->id) != stream)
		return;
	if (ended)
		inlay_map_remove(&s->streams, stream->id);
	else /* replaces, so it takes no memory */
		(void)inlay_map_set(&s->streams, stream->id, &s->discard);
}

void inlay_moq_consume(struct inlay_moq_session *s, __u64 id, size_t bytes)
{
	const struct inlay_moq_transport *t = &s->config.transport;

	if (!s->closing && bytes > 0)
		t->ops->stream_consume(t->ctx, id, bytes);
}

void inlay_moq_stop(struct inlay_moq_session *s, __u64 id, __u64 code)
{
	const struct inlay_moq_transport *t = &s->config.transport;

	/* -ENOENT: it is gone already. */
	if (!s->closing)
		(void)t->ops->stream_stop(t->ctx, id, code);
}

void inlay_moq_reset(struct inlay_moq_session *s, __u64 id, __u64 code)
{
	const struct inlay_moq_transport *t = &s->config.transport;

	if (!s->closing)
		(void)t->ops->stream_reset(t->ctx, id, code);
}

int inlay_moq_write(struct inlay_moq_session *s, __u64 id, const __u8 *data, size_t len, bool fin)
{
	const struct inlay_moq_transport *t = &s->config.transport;
	int rv;

	if (s->closing)
		return -ENOTCONN;
	rv = t->ops->stream_write(t->ctx, id, data, len, fin);
	if (rv == -ENOENT)
		rv = -EPIPE;
	return rv;
}

int inlay_moq_send(struct inlay_moq_session *s, __u64 id, const struct inlay_moq_message *m,
		   bool fin, __u64 *written)
{
	__u8 room[INLAY_MOQ_MESSAGE_MAX];
	struct inlay_writer w = inlay_writer_of(room, sizeof(room));
	int rv = inlay_moq18_message_put(&w, m);

	if (rv < 0)
		return rv == -ENOBUFS ? -EMSGSIZE : rv;
	rv = inlay_moq_write(s, id, room, inlay_writer_len(&w), fin);
	if (rv == 0 && written != NULL)
		*written += inlay_writer_len(&w);
	/* A control message that is lost leaves both sides with different ideas. */
	if (rv == -ENOMEM)
		inlay_moq_session_close(s, INLAY_MOQ_SESSION_INTERNAL_ERROR, "no memory");
	return rv;
}

/* --- inputs ---------------------------------------------------------------------------------- */

static bool is_own(const struct inlay_moq_session *s, __u64 id)
{
	return (id & 1) == s->config.transport.is_server;
}

/* First bytes on a stream of the peer. NULL: the session was closed. */
static struct inlay_moq_stream *accept_stream(struct inlay_moq_session *s, __u64 id)
{
	struct inlay_moq_request *req;
	struct inlay_moq_incoming *in;

	if (id & 2) {
		if (id >> 2 >= s->peer_streams)
			s->peer_streams = (id >> 2) + 1;
		in = inlay_moq_incoming_new(s, id);
		if (in != NULL)
			return &in->stream;
	} else {
		req = inlay_moq_request_accept(s, id);
		if (req != NULL)
			return &req->stream;
	}
	inlay_moq_session_close(s, INLAY_MOQ_SESSION_INTERNAL_ERROR, "no memory");
	return NULL;
}

static void stream_data(struct inlay_moq_session *s, struct inlay_moq_stream *stream, __u64 id,
			const __u8 *data, size_t len, bool fin)
{
	switch (stream->kind) {
	case INLAY_MOQ_STREAM_INCOMING:
		inlay_moq_incoming_data((struct inlay_moq_incoming *)stream, data, len, fin);
		return;
	case INLAY_MOQ_STREAM_REQUEST:
		inlay_moq_consume(s, id, len);
		inlay_moq_request_data((struct inlay_moq_request *)stream, data, len, fin);
		return;
	case INLAY_MOQ_STREAM_PEER_CONTROL:
		inlay_moq_consume(s, id, len);
		inlay_moq_control_data(s, data, len, fin);
		return;
	default:
		inlay_moq_consume(s, id, len);
		if (fin && stream->kind == INLAY_MOQ_STREAM_DISCARD)
			inlay_map_remove(&s->streams, id);
		return;
	}
}

void inlay_moq_session_on_stream_data(struct inlay_moq_session *s, __u64 id, const __u8 *data,
				      size_t len, bool fin, inlay_ns now)
{
	struct inlay_moq_stream *stream;

	if (begin_input(s, now)) {
		stream = inlay_map_get(&s->streams, id);
		if (stream == NULL && is_own(s, id))
			inlay_moq_consume(s, id, len); /* of a request that is over */
		else if (stream == NULL)
			stream = accept_stream(s, id);
		if (stream != NULL && !s->closing)
			stream_data(s, stream, id, data, len, fin);
	}
	end_input(s);
}

/* A stream, or a direction of it, ended abruptly. */
static void stream_aborted(struct inlay_moq_session *s, struct inlay_moq_stream *stream, __u64 code)
{
	switch (stream->kind) {
	case INLAY_MOQ_STREAM_INCOMING:
		((struct inlay_moq_incoming *)stream)->fin = true; /* nothing more arrives */
		inlay_moq_incoming_end((struct inlay_moq_incoming *)stream, INLAY_MOQ_END_CANCELLED,
				       code);
		return;
	case INLAY_MOQ_STREAM_OUTGOING:
		inlay_moq_outgoing_end((struct inlay_moq_outgoing *)stream, INLAY_MOQ_END_CANCELLED,
				       code);
		return;
	case INLAY_MOQ_STREAM_REQUEST:
		inlay_moq_request_aborted((struct inlay_moq_request *)stream, code);
		return;
	case INLAY_MOQ_STREAM_OWN_CONTROL:
	case INLAY_MOQ_STREAM_PEER_CONTROL:
		/* Section 3.3: control streams last as long as the session. */
		inlay_moq_session_close(s, INLAY_MOQ_SESSION_PROTOCOL_VIOLATION,
					"control stream ended");
		return;
	case INLAY_MOQ_STREAM_DISCARD:
		return;
	}
}

void inlay_moq_session_on_stream_reset(struct inlay_moq_session *s, __u64 id, __u64 code,
				       inlay_ns now)
{
	struct inlay_moq_stream *stream = inlay_map_get(&s->streams, id);

	if (begin_input(s, now) && stream != NULL) {
		if (stream->kind == INLAY_MOQ_STREAM_DISCARD)
			inlay_map_remove(&s->streams, id);
		else if (stream->kind == INLAY_MOQ_STREAM_REQUEST)
			((struct inlay_moq_request *)stream)->received_fin = true;
		stream_aborted(s, stream, code);
	}
	end_input(s);
}

void inlay_moq_session_on_stop_sending(struct inlay_moq_session *s, __u64 id, __u64 code,
				       inlay_ns now)
{
	struct inlay_moq_stream *stream = inlay_map_get(&s->streams, id);

	if (!begin_input(s, now)) {
		end_input(s);
		return;
	}
	if (stream != NULL && stream->kind != INLAY_MOQ_STREAM_INCOMING) {
		stream_aborted(s, stream, code);
	} else if (stream == NULL && !is_own(s, id) && !(id & 2)) {
		/* A request taken back before its first byte arrived: do not begin on it. If there
		 * is no memory the answer finds a closed stream. */
		(void)inlay_map_set(&s->streams, id, &s->discard);
		inlay_moq_stop(s, id, INLAY_MOQ_RESET_CANCELLED);
	}
	end_input(s);
}

static void stream_closed(struct inlay_moq_session *s, struct inlay_moq_stream *stream)
{
	struct inlay_moq_outgoing *out;

	inlay_map_remove(&s->streams, stream->id);
	/* All of it is here, and waits for its alias: it lives on without the transport. */
	if (stream->kind == INLAY_MOQ_STREAM_INCOMING && ((struct inlay_moq_incoming *)stream)->fin)
		return;
	if (stream->kind == INLAY_MOQ_STREAM_OUTGOING) {
		out = (struct inlay_moq_outgoing *)stream;
		/* Without our FIN: the transport reset it, as its source held the bytes no more. */
		inlay_moq_outgoing_end(out,
				       out->finished ? INLAY_MOQ_END_DONE : INLAY_MOQ_END_LOCAL, 0);
		return;
	}
	if (stream->kind == INLAY_MOQ_STREAM_REQUEST)
		((struct inlay_moq_request *)stream)->received_fin = true;
	stream_aborted(s, stream, INLAY_MOQ_RESET_CANCELLED);
}

void inlay_moq_session_on_stream_closed(struct inlay_moq_session *s, __u64 id, inlay_ns now)
{
	struct inlay_moq_stream *stream = inlay_map_get(&s->streams, id);

	if (begin_input(s, now) && stream == &s->discard)
		inlay_map_remove(&s->streams, id);
	else if (!s->closing && stream != NULL)
		stream_closed(s, stream);
	end_input(s);
}

void inlay_moq_session_on_datagram(struct inlay_moq_session *s, const __u8 *data, size_t len,
				   inlay_ns now)
{
	if (begin_input(s, now))
		inlay_moq_datagram_data(s, data, len);
	end_input(s);
}

void inlay_moq_session_on_streams_available(struct inlay_moq_session *s, bool bidi, inlay_ns now)
{
	if (begin_input(s, now)) {
		if (bidi)
			inlay_moq_request_open_waiting(s);
		else if (s->config.ops->on_streams_available != NULL)
			s->config.ops->on_streams_available(s->config.user);
	}
	end_input(s);
}

void inlay_moq_session_on_transport_closed(struct inlay_moq_session *s,
					   const struct inlay_moq_closed *why, inlay_ns now)
{
	if (begin_input(s, now)) {
		s->closing = true;
		s->why = *why;
		snprintf(s->why_text, sizeof(s->why_text), "%s",
			 why->text != NULL ? why->text : "");
		s->why.text = s->why_text;
	}
	end_input(s);
}

/* --- timers ---------------------------------------------------------------------------------- */

static inlay_ns drain_deadline(const struct inlay_moq_session *s)
{
	inlay_ns first = INLAY_NEVER;
	struct inlay_list *node;

	inlay_list_for_each (node, &s->requests) {
		struct inlay_moq_request *req =
			inlay_list_entry(node, struct inlay_moq_request, node);

		if (req->state == INLAY_MOQ_REQUEST_DRAINING && req->drain_deadline < first)
			first = req->drain_deadline;
	}
	return first;
}

inlay_ns inlay_moq_session_deadline(const struct inlay_moq_session *s)
{
	inlay_ns first =
		s->setup_deadline < s->goaway_deadline ? s->setup_deadline : s->goaway_deadline;
	inlay_ns t = inlay_moq_incoming_deadline(s), datagram = inlay_moq_datagram_deadline(s);

	if (s->closing)
		return s->torn_down ? INLAY_NEVER : s->now;
	first = t < first ? t : first;
	first = datagram < first ? datagram : first;
	t = drain_deadline(s);
	return t < first ? t : first;
}

static void end_drained(struct inlay_moq_session *s)
{
	struct inlay_list *node = s->requests.next;

	while (node != &s->requests) {
		struct inlay_moq_request *req =
			inlay_list_entry(node, struct inlay_moq_request, node);

		node = node->next;
		if (req->state == INLAY_MOQ_REQUEST_DRAINING && req->drain_deadline <= s->now) {
			inlay_moq_request_end(req, INLAY_MOQ_END_DONE, 0, NULL);
			node = s->requests.next; /* the callback may have ended any */
		}
	}
}

static void run_timers(struct inlay_moq_session *s)
{
	if (s->setup_deadline <= s->now) {
		inlay_moq_session_close(s, INLAY_MOQ_SESSION_CONTROL_MESSAGE_TIMEOUT,
					"no SETUP in time");
		return;
	}
	if (s->goaway_deadline <= s->now) {
		s->goaway_deadline = INLAY_NEVER;
		if (!inlay_list_is_empty(&s->requests)) { /* section 10.4 */
			inlay_moq_session_close(s, INLAY_MOQ_SESSION_GOAWAY_TIMEOUT,
						"requests open after GOAWAY");
			return;
		}
	}
	inlay_moq_incoming_expire(s);
	inlay_moq_datagram_expire(s, s->now);
	end_drained(s);
}

void inlay_moq_session_on_timer(struct inlay_moq_session *s, inlay_ns now)
{
	if (begin_input(s, now))
		run_timers(s);
	end_input(s);
}
