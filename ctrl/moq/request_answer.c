/* SPDX-License-Identifier: BSD-2-Clause */
/* What the application asks about a request and says on it: answers, updates, ends. */
#include "session_impl.h"

#include <errno.h>
#include <string.h>

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
	inlay_moq_request_abort_stream(req, code);
	inlay_moq_request_detach(req, INLAY_MOQ_END_LOCAL);
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
	int rv = inlay_moq_send(req->session, req->stream.id, m, fin, &req->written);

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
	if (rv == 0) {
		req->state = INLAY_MOQ_REQUEST_ACCEPTED;
		req->ok_end = req->written;
	}
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
			inlay_moq_request_finish_stream(req);
			inlay_moq_request_detach(req, INLAY_MOQ_END_DONE);
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

/* Behind our last message; |rv|: of sending it. Leaves the session. */
static int end_with(struct inlay_moq_request *req, int rv)
{
	struct inlay_moq_session *s = req->session;

	if (rv == 0) {
		req->sent_fin = true;
		inlay_moq_request_finish_stream(req);
		inlay_moq_request_detach(req, INLAY_MOQ_END_LOCAL);
	}
	inlay_moq_leave(s);
	return rv;
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
	return end_with(req, rv);
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
	return end_with(req, rv);
}
