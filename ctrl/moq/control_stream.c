/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The pair of control streams (draft section 3.3): SETUP first, then at most a GOAWAY. They live as
 * long as the session does.
 */
#include "session_impl.h"

#include <errno.h>
#include <string.h>

static struct inlay_moq_bytes bytes_of(const char *text)
{
	return (struct inlay_moq_bytes){(const __u8 *)text, text == NULL ? 0 : strlen(text)};
}

int inlay_moq_control_start(struct inlay_moq_session *s)
{
	struct inlay_moq_message m = {.type = INLAY_MOQ_MSG_SETUP};
	const struct inlay_moq_transport *t = &s->config.transport;
	__u64 id;
	int rv;

	rv = t->ops->stream_open(t->ctx, false, INLAY_MOQ_PRIORITY_CONTROL, NULL, NULL, &id);
	if (rv < 0)
		return rv;
	s->own_control.id = id;
	rv = inlay_map_set(&s->streams, id, &s->own_control);
	if (rv < 0)
		return rv;
	/* Sections 10.3.1.1 and 10.3.1.2: path and authority are the client's to send. */
	if (!t->is_server && s->path != NULL) {
		m.setup.present |= INLAY_MOQ_SETUP_HAS_PATH;
		m.setup.path = bytes_of(s->path);
	}
	if (!t->is_server && s->authority != NULL) {
		m.setup.present |= INLAY_MOQ_SETUP_HAS_AUTHORITY;
		m.setup.authority = bytes_of(s->authority);
	}
	if (s->implementation != NULL) {
		m.setup.present |= INLAY_MOQ_SETUP_HAS_IMPLEMENTATION;
		m.setup.implementation = bytes_of(s->implementation);
	}
	return inlay_moq_send(s, id, &m, false, NULL);
}

static void on_setup(struct inlay_moq_session *s, const struct inlay_moq_setup *setup)
{
	/* Section 10.3.1.4: a token that SETUP registers counts as used only; references to others
	 * were refused by the parser. */
	s->has_setup = true;
	s->setup_deadline = INLAY_NEVER;
	if (s->config.ops->on_setup != NULL)
		s->config.ops->on_setup(s->config.user, setup);
	inlay_moq_request_retry_all(s);
	inlay_moq_incoming_retry_all(s);
}

static void on_goaway(struct inlay_moq_session *s, const struct inlay_moq_goaway *goaway)
{
	if (s->goaway_received) {
		inlay_moq_session_close(s, INLAY_MOQ_SESSION_PROTOCOL_VIOLATION, "second GOAWAY");
		return;
	}
	s->goaway_received = true;
	if (s->config.ops->on_goaway != NULL)
		s->config.ops->on_goaway(s->config.user, goaway);
}

static void on_message(struct inlay_moq_session *s, __u64 type, struct inlay_cursor payload)
{
	struct inlay_moq_message_context context = {
		.from_client = s->config.transport.is_server,
		.control = true,
	};
	struct inlay_moq_message m;
	__u64 error;

	/* SETUP first and once; of the others only GOAWAY belongs here (section 10). */
	if ((type == INLAY_MOQ_MSG_SETUP) == s->has_setup ||
	    (type != INLAY_MOQ_MSG_SETUP && type != INLAY_MOQ_MSG_GOAWAY)) {
		inlay_moq_session_close(s, INLAY_MOQ_SESSION_PROTOCOL_VIOLATION,
					"message not for the control stream");
		return;
	}
	if (inlay_moq18_message_parse(&context, type, payload, &m, &error) < 0) {
		inlay_moq_session_close(s, error, inlay_moq_message_type_text(type));
		return;
	}
	if (type == INLAY_MOQ_MSG_SETUP)
		on_setup(s, &m.setup);
	else
		on_goaway(s, &m.goaway);
}

void inlay_moq_control_data(struct inlay_moq_session *s, const __u8 *data, size_t len, bool fin)
{
	struct inlay_moq_buffer gathered;
	struct inlay_cursor c, payload;
	__u64 type;

	if (inlay_moq_buffer_append(&s->control_in, data, len) < 0) {
		inlay_moq_session_close(s, INLAY_MOQ_SESSION_INTERNAL_ERROR, "no memory");
		return;
	}
	gathered = inlay_moq_buffer_take(&s->control_in);
	c = inlay_cursor_of(gathered.data, gathered.len);
	while (!s->closing && inlay_moq18_message_frame(&c, &type, &payload) == INLAY_MOQ_OK)
		on_message(s, type, payload);
	if (!s->closing &&
	    inlay_moq_buffer_append(&s->control_in, c.pos, inlay_cursor_left(&c)) < 0)
		inlay_moq_session_close(s, INLAY_MOQ_SESSION_INTERNAL_ERROR, "no memory");
	inlay_moq_buffer_fini(&gathered);
	if (fin && !s->closing) /* section 3.3 */
		inlay_moq_session_close(s, INLAY_MOQ_SESSION_PROTOCOL_VIOLATION,
					"control stream ended");
}

int inlay_moq_session_goaway(struct inlay_moq_session *s, const char *uri, inlay_ns timeout)
{
	struct inlay_moq_message m = {.type = INLAY_MOQ_MSG_GOAWAY};
	int rv;

	if (s->closing || !s->started)
		return -ENOTCONN;
	if (s->goaway_sent)
		return -EALREADY;
	m.goaway.uri = bytes_of(uri);
	m.goaway.timeout = timeout / INLAY_MS;
	m.goaway.has_request_id = true;
	/* Everything below was or may have been processed; what was seen above it as well, which
	 * the peer learns from the answers. */
	m.goaway.request_id = s->peer_ids.below * 2 + !s->config.transport.is_server;
	inlay_moq_enter(s);
	rv = inlay_moq_send(s, s->own_control.id, &m, false, NULL);
	if (rv == 0) {
		s->goaway_sent = true;
		if (timeout > 0)
			s->goaway_deadline = s->now + timeout;
	}
	inlay_moq_leave(s);
	return rv;
}
