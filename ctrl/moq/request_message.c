/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What may arrive on a request stream, and when (draft sections 5 and 10): the table below says for
 * each message who may send it in which state; anything else is a PROTOCOL_VIOLATION.
 */
#include "session_impl.h"

/* Suffixes that one SUBSCRIBE_NAMESPACE of ours keeps account of. */
#define MAX_SUFFIXES 65536

static void violation(struct inlay_moq_request *req, __u64 type)
{
	inlay_moq_session_close(req->session, INLAY_MOQ_SESSION_PROTOCOL_VIOLATION,
				inlay_moq_message_type_text(type));
}

/* Section 10.1. */
static bool note_request_id(struct inlay_moq_session *s, __u64 id)
{
	bool right_parity = (id & 1) == !s->config.transport.is_server;

	if (right_parity && inlay_request_ids_note(&s->peer_ids, id))
		return true;
	inlay_moq_session_close(s, INLAY_MOQ_SESSION_INVALID_REQUEST_ID,
				right_parity ? "request ID used before" : "request ID of ours");
	return false;
}

/* --- the first message of a request of the peer ---------------------------------------------- */

/* The parts that most requests have. */
struct head {
	__u64 id;
	const struct inlay_moq_params *params;
	const struct inlay_moq_namespace *ns; /* NULL: none */
};

static struct head head_of(const struct inlay_moq_message *m)
{
	switch (m->type) {
	case INLAY_MOQ_MSG_PUBLISH:
		return (struct head){m->publish.request_id, &m->publish.params,
				     &m->publish.name.ns};
	case INLAY_MOQ_MSG_FETCH:
		return (struct head){m->fetch.request_id, &m->fetch.params, NULL};
	case INLAY_MOQ_MSG_PUBLISH_NAMESPACE:
	case INLAY_MOQ_MSG_SUBSCRIBE_NAMESPACE:
	case INLAY_MOQ_MSG_SUBSCRIBE_TRACKS:
		return (struct head){m->namespace_request.request_id, &m->namespace_request.params,
				     &m->namespace_request.ns};
	default:
		return (struct head){m->subscribe.request_id, &m->subscribe.params,
				     &m->subscribe.name.ns};
	}
}

/* Sections 3.2.1 and 3.2.2: "." is nobody's, and we define no session-level tracks. */
static bool is_reserved(const struct inlay_moq_namespace *ns)
{
	static const struct inlay_moq_bytes dot = {(const __u8 *)".", 1};
	static const struct inlay_moq_bytes session = {(const __u8 *)".session", 8};

	return ns != NULL && ns->n > 0 &&
	       (inlay_moq_bytes_equal(ns->field[0], dot) ||
		inlay_moq_bytes_equal(ns->field[0], session));
}

static void refuse(struct inlay_moq_request *req, __u64 code, __u64 retry)
{
	(void)inlay_moq_request_error(req, code, retry, inlay_moq_request_code_text(code));
}

static void hand_over(struct inlay_moq_request *req, const struct inlay_moq_message *m)
{
	struct inlay_moq_session *s = req->session;
	const struct inlay_moq_session_ops *ops = s->config.ops;
	void *user = s->config.user;

	req->announced = true;
	if (m->type == INLAY_MOQ_MSG_SUBSCRIBE && ops->on_subscribe != NULL) {
		req->has_alias = true;
		req->alias = s->next_alias++;
		ops->on_subscribe(user, req, &m->subscribe);
	} else if (m->type == INLAY_MOQ_MSG_TRACK_STATUS && ops->on_track_status != NULL) {
		ops->on_track_status(user, req, &m->subscribe);
	} else if (m->type == INLAY_MOQ_MSG_PUBLISH && ops->on_publish != NULL) {
		if (!inlay_moq_request_take_alias(req, m->publish.alias))
			return;
		ops->on_publish(user, req, &m->publish);
		inlay_moq_incoming_retry_all(s);
	} else if (m->type == INLAY_MOQ_MSG_PUBLISH_NAMESPACE &&
		   ops->on_publish_namespace != NULL) {
		ops->on_publish_namespace(user, req, &m->namespace_request);
	} else if (m->type == INLAY_MOQ_MSG_SUBSCRIBE_NAMESPACE &&
		   ops->on_subscribe_namespace != NULL) {
		ops->on_subscribe_namespace(user, req, &m->namespace_request);
	} else {
		req->announced = false;
		refuse(req, INLAY_MOQ_REQUEST_NOT_SUPPORTED, 0);
	}
}

static void first_message(struct inlay_moq_request *req, const struct inlay_moq_message *m)
{
	struct inlay_moq_session *s = req->session;
	struct head head = head_of(m);

	req->type = m->type;
	req->id = head.id;
	req->state = INLAY_MOQ_REQUEST_PENDING;
	if (!note_request_id(s, head.id) || inlay_moq_check_tokens(s, &head.params->tokens) < 0)
		return;
	if (s->goaway_sent)
		refuse(req, INLAY_MOQ_REQUEST_GOING_AWAY, 0);
	else if (s->peer_requests > s->config.max_requests)
		refuse(req, INLAY_MOQ_REQUEST_EXCESSIVE_LOAD, 1001);
	else if (is_reserved(head.ns))
		refuse(req, INLAY_MOQ_REQUEST_DOES_NOT_EXIST, 0);
	else
		hand_over(req, m);
}

/* --- answers --------------------------------------------------------------------------------- */

static void on_request_ok(struct inlay_moq_request *req, const struct inlay_moq_request_ok *m)
{
	const struct inlay_moq_session_ops *ops = req->session->config.ops;
	void *user = req->session->config.user;

	if (req->state == INLAY_MOQ_REQUEST_ACCEPTED) {
		req->updates_sent--;
		if (ops->on_update_answer != NULL)
			ops->on_update_answer(user, req, m, NULL);
		return;
	}
	req->state = INLAY_MOQ_REQUEST_ACCEPTED;
	if (ops->on_request_ok != NULL)
		ops->on_request_ok(user, req, m);
	if (req->type == INLAY_MOQ_MSG_TRACK_STATUS)
		inlay_moq_request_end(req, INLAY_MOQ_END_DONE, 0, NULL);
}

static void on_request_error(struct inlay_moq_request *req, const struct inlay_moq_request_error *m)
{
	const struct inlay_moq_session_ops *ops = req->session->config.ops;

	if (req->state == INLAY_MOQ_REQUEST_ACCEPTED) {
		req->updates_sent--;
		if (ops->on_update_answer != NULL)
			ops->on_update_answer(req->session->config.user, req, NULL, m);
		return;
	}
	inlay_moq_request_end(req, INLAY_MOQ_END_ERROR, m->code, m);
}

static void on_subscribe_ok(struct inlay_moq_request *req, const struct inlay_moq_subscribe_ok *m)
{
	const struct inlay_moq_session_ops *ops = req->session->config.ops;

	if (!inlay_moq_request_take_alias(req, m->alias))
		return;
	req->state = INLAY_MOQ_REQUEST_ACCEPTED;
	if (ops->on_subscribe_ok != NULL)
		ops->on_subscribe_ok(req->session->config.user, req, m);
	inlay_moq_incoming_retry_all(req->session);
}

/* --- what follows ---------------------------------------------------------------------------- */

static void on_update(struct inlay_moq_request *req, const struct inlay_moq_request_update *m)
{
	struct inlay_moq_session *s = req->session;

	if (!note_request_id(s, m->request_id) || inlay_moq_check_tokens(s, &m->params.tokens) < 0)
		return;
	req->updates_received++;
	if (s->config.ops->on_update != NULL)
		s->config.ops->on_update(s->config.user, req, &m->params);
	else
		(void)inlay_moq_request_update_error(req, INLAY_MOQ_REQUEST_NOT_SUPPORTED, NULL);
}

static void on_publish_done(struct inlay_moq_request *req, const struct inlay_moq_publish_done *m)
{
	struct inlay_moq_session *s = req->session;

	req->state = INLAY_MOQ_REQUEST_DRAINING;
	req->streams_expected = m->streams;
	req->drain_deadline = s->now + s->config.done_timeout;
	if (s->config.ops->on_publish_done != NULL)
		s->config.ops->on_publish_done(s->config.user, req, m);
	inlay_moq_request_check_drained(req);
}

static __u64 hash_suffix(const struct inlay_moq_namespace *ns)
{
	__u64 h = 0xcbf29ce484222325ULL;

	for (__u32 f = 0; f < ns->n; f++) {
		h = (h ^ ns->field[f].len) * 0x100000001b3ULL;
		for (size_t i = 0; i < ns->field[f].len; i++)
			h = (h ^ ns->field[f].data[i]) * 0x100000001b3ULL;
	}
	return h;
}

static void on_suffix(struct inlay_moq_request *req, const struct inlay_moq_namespace *suffix,
		      bool done)
{
	struct inlay_moq_session *s = req->session;
	__u64 hash = hash_suffix(suffix);

	if (done) {
		/* Section 10.19: NAMESPACE_DONE without its NAMESPACE. */
		if (inlay_map_get(&req->suffixes, hash) == NULL) {
			violation(req, INLAY_MOQ_MSG_NAMESPACE_DONE);
			return;
		}
		inlay_map_remove(&req->suffixes, hash);
	} else if (req->suffixes.used >= MAX_SUFFIXES ||
		   inlay_map_set(&req->suffixes, hash, req) < 0) {
		inlay_moq_request_end(req, INLAY_MOQ_END_LOCAL, INLAY_MOQ_RESET_EXCESSIVE_LOAD,
				      NULL);
		return;
	}
	if (s->config.ops->on_namespace != NULL)
		s->config.ops->on_namespace(s->config.user, req, suffix, done);
}

/* May |type| arrive on |req| now? */
static bool is_expected(const struct inlay_moq_request *req, __u64 type)
{
	bool pending = req->state == INLAY_MOQ_REQUEST_PENDING;
	bool accepted = req->state == INLAY_MOQ_REQUEST_ACCEPTED;
	/* Does the peer publish on it, or subscribe? */
	bool publishes = req->ours ? req->type == INLAY_MOQ_MSG_SUBSCRIBE
				   : req->type == INLAY_MOQ_MSG_PUBLISH;

	switch (type) {
	case INLAY_MOQ_MSG_GOAWAY:
		return !req->has_goaway;
	case INLAY_MOQ_MSG_SUBSCRIBE_OK:
		return req->ours && pending && req->type == INLAY_MOQ_MSG_SUBSCRIBE;
	case INLAY_MOQ_MSG_REQUEST_OK:
	case INLAY_MOQ_MSG_PUBLISH_OK:
		return (req->ours && pending && req->type != INLAY_MOQ_MSG_SUBSCRIBE) ||
		       (accepted && req->updates_sent > 0);
	case INLAY_MOQ_MSG_REQUEST_ERROR:
		return (req->ours && pending) || (accepted && req->updates_sent > 0);
	case INLAY_MOQ_MSG_REQUEST_UPDATE:
		/* Who made the request, and who subscribes to a PUBLISH. */
		return req->ours ? accepted && req->type == INLAY_MOQ_MSG_PUBLISH
				 : req->type != INLAY_MOQ_MSG_TRACK_STATUS;
	case INLAY_MOQ_MSG_PUBLISH_DONE:
		return publishes && (accepted || (!req->ours && pending));
	case INLAY_MOQ_MSG_NAMESPACE:
	case INLAY_MOQ_MSG_NAMESPACE_DONE:
		return req->ours && accepted && req->type == INLAY_MOQ_MSG_SUBSCRIBE_NAMESPACE;
	default:
		return false;
	}
}

static void later_message(struct inlay_moq_request *req, const struct inlay_moq_message *m)
{
	switch (m->type) {
	case INLAY_MOQ_MSG_SUBSCRIBE_OK:
		on_subscribe_ok(req, &m->subscribe_ok);
		return;
	case INLAY_MOQ_MSG_REQUEST_OK:
	case INLAY_MOQ_MSG_PUBLISH_OK:
		on_request_ok(req, &m->request_ok);
		return;
	case INLAY_MOQ_MSG_REQUEST_ERROR:
		on_request_error(req, &m->request_error);
		return;
	case INLAY_MOQ_MSG_REQUEST_UPDATE:
		on_update(req, &m->request_update);
		return;
	case INLAY_MOQ_MSG_PUBLISH_DONE:
		on_publish_done(req, &m->publish_done);
		return;
	case INLAY_MOQ_MSG_NAMESPACE:
	case INLAY_MOQ_MSG_NAMESPACE_DONE:
		on_suffix(req, &m->suffix, m->type == INLAY_MOQ_MSG_NAMESPACE_DONE);
		return;
	default: /* GOAWAY for one request: a hint that we do not follow */
		req->has_goaway = true;
		return;
	}
}

void inlay_moq_request_message(struct inlay_moq_request *req, __u64 type,
			       struct inlay_cursor payload)
{
	struct inlay_moq_session *s = req->session;
	bool first = req->state == INLAY_MOQ_REQUEST_OPENING;
	struct inlay_moq_message_context context = {
		.from_client = s->config.transport.is_server,
		.request = first ? type : req->type,
		.answers_update = req->state == INLAY_MOQ_REQUEST_ACCEPTED,
	};
	struct inlay_moq_message m;
	__u64 error;

	if (first ? !inlay_moq_message_is_request(type) : !is_expected(req, type)) {
		violation(req, type);
		return;
	}
	if (inlay_moq18_message_parse(&context, type, payload, &m, &error) < 0) {
		inlay_moq_session_close(s, error, inlay_moq_message_type_text(type));
		return;
	}
	if (first)
		first_message(req, &m);
	else
		later_message(req, &m);
}
