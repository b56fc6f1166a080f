/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Control messages: see message.h. One table says what each type is called and who reads and writes
 * its payload; a payload that is too short or too long for its fields is a PROTOCOL_VIOLATION
 * (section 10).
 */
#include "message.h"

#include <errno.h>
#include <string.h>

struct parser {
	const struct inlay_moq_message_context *context;
	struct inlay_cursor c;
	__u64 error; /* PROTOCOL_VIOLATION until somebody knows better */
};

static bool fail(struct parser *p, __u64 error)
{
	p->error = error;
	return false;
}

static bool parse_namespace(struct parser *p, struct inlay_moq_namespace *ret)
{
	return inlay_moq18_namespace_parse(&p->c, ret) == INLAY_MOQ_OK;
}

static bool parse_name(struct parser *p, struct inlay_moq_name *ret)
{
	return inlay_moq18_name_parse(&p->c, ret) == INLAY_MOQ_OK;
}

static bool parse_location(struct parser *p, struct inlay_moq_location *ret)
{
	return inlay_vi64_get(&p->c, &ret->group) && inlay_vi64_get(&p->c, &ret->object);
}

/* Bytes with a limit of their own: reason phrases (1.4.4), URIs. */
static bool parse_bytes(struct parser *p, size_t max, struct inlay_moq_bytes *ret)
{
	return inlay_moq18_bytes_get(&p->c, ret) && ret->len <= max;
}

static bool parse_params(struct parser *p, __u32 scope, struct inlay_moq_params *ret)
{
	return inlay_moq18_params_parse(&p->c, scope, ret, &p->error) == 0;
}

/* Track properties: whatever is left of the message. */
static bool parse_properties(struct parser *p, struct inlay_moq_track_properties *ret)
{
	struct inlay_moq_bytes rest = {p->c.pos, inlay_cursor_left(&p->c)};

	p->c.pos = p->c.end;
	return inlay_moq18_track_properties_parse(rest, ret, &p->error) == 0;
}

/* --- Payloads, both ways, by type ----------------------------------------------------------- */

static bool parse_setup(struct parser *p, struct inlay_moq_message *m)
{
	return inlay_moq18_setup_parse(&p->c, p->context->from_client, !p->context->webtransport,
				       &m->setup, &p->error) == 0;
}

static bool put_setup(struct inlay_writer *w, const struct inlay_moq_message *m)
{
	return inlay_moq18_setup_put(w, &m->setup);
}

static bool parse_goaway(struct parser *p, struct inlay_moq_message *m)
{
	struct inlay_moq_goaway *g = &m->goaway;

	if (!parse_bytes(p, INLAY_MOQ_URI_MAX, &g->uri) || !inlay_vi64_get(&p->c, &g->timeout))
		return false;
	if (p->context->from_client && g->uri.len > 0)
		return false;
	g->has_request_id = p->context->control;
	if (!g->has_request_id)
		return true;
	if (!inlay_vi64_get(&p->c, &g->request_id))
		return false;
	/* It is one of the receiver's requests; the server's are odd (section 10.4). */
	if ((g->request_id & 1) != p->context->from_client)
		return fail(p, INLAY_MOQ_SESSION_INVALID_REQUEST_ID);
	return true;
}

static bool put_goaway(struct inlay_writer *w, const struct inlay_moq_message *m)
{
	const struct inlay_moq_goaway *g = &m->goaway;

	return inlay_moq18_bytes_put(w, g->uri) && inlay_vi64_put(w, g->timeout) &&
	       (!g->has_request_id || inlay_vi64_put(w, g->request_id));
}

/* What a REQUEST_OK answers decides what may stand in it. */
static __u32 request_ok_scope(const struct inlay_moq_message_context *context)
{
	if (context->request == 0)
		return INLAY_MOQ_IN_PUBLISH_OK | INLAY_MOQ_IN_TRACK_STATUS_OK |
		       INLAY_MOQ_IN_NAMESPACE_OK | INLAY_MOQ_IN_UPDATE_OK;
	if (context->answers_update)
		return INLAY_MOQ_IN_UPDATE_OK;
	switch (context->request) {
	case INLAY_MOQ_MSG_PUBLISH:
		return INLAY_MOQ_IN_PUBLISH_OK;
	case INLAY_MOQ_MSG_TRACK_STATUS:
		return INLAY_MOQ_IN_TRACK_STATUS_OK;
	case INLAY_MOQ_MSG_PUBLISH_NAMESPACE:
	case INLAY_MOQ_MSG_SUBSCRIBE_NAMESPACE:
	case INLAY_MOQ_MSG_SUBSCRIBE_TRACKS:
		return INLAY_MOQ_IN_NAMESPACE_OK;
	default:
		return INLAY_MOQ_IN_UPDATE_OK;
	}
}

static bool parse_request_ok(struct parser *p, struct inlay_moq_message *m)
{
	__u32 scope = request_ok_scope(p->context);

	m->type = INLAY_MOQ_MSG_REQUEST_OK;
	if (!parse_params(p, scope, &m->request_ok.params))
		return false;
	/* Section 10.5: TRACK_STATUS_OK alone has properties. */
	if (!(scope & INLAY_MOQ_IN_TRACK_STATUS_OK) && inlay_cursor_left(&p->c) > 0)
		return false;
	return parse_properties(p, &m->request_ok.properties);
}

static bool put_request_ok(struct inlay_writer *w, const struct inlay_moq_message *m)
{
	const struct inlay_moq_request_ok *ok = &m->request_ok;

	return inlay_moq18_params_put(w, &ok->params) &&
	       inlay_writer_bytes(w, ok->properties.bytes.data, ok->properties.bytes.len);
}

/* Section 10.6.1. */
static bool parse_redirect(struct parser *p, struct inlay_moq_redirect *r)
{
	__u64 request = p->context->request;

	if (!inlay_moq18_bytes_get(&p->c, &r->uri) || !parse_name(p, &r->name))
		return false;
	if (p->context->from_client && r->uri.len > 0)
		return false;
	return r->name.track.len == 0 || (request != INLAY_MOQ_MSG_SUBSCRIBE_NAMESPACE &&
					  request != INLAY_MOQ_MSG_PUBLISH_NAMESPACE);
}

static bool parse_request_error(struct parser *p, struct inlay_moq_message *m)
{
	struct inlay_moq_request_error *e = &m->request_error;

	return inlay_vi64_get(&p->c, &e->code) && inlay_vi64_get(&p->c, &e->retry) &&
	       parse_bytes(p, INLAY_MOQ_REASON_MAX, &e->reason) &&
	       (e->code != INLAY_MOQ_REQUEST_REDIRECT || parse_redirect(p, &e->redirect));
}

static bool put_request_error(struct inlay_writer *w, const struct inlay_moq_message *m)
{
	const struct inlay_moq_request_error *e = &m->request_error;

	if (!inlay_vi64_put(w, e->code) || !inlay_vi64_put(w, e->retry) ||
	    !inlay_moq18_bytes_put(w, e->reason))
		return false;
	return e->code != INLAY_MOQ_REQUEST_REDIRECT ||
	       (inlay_moq18_bytes_put(w, e->redirect.uri) &&
		inlay_moq18_name_put(w, &e->redirect.name));
}

static bool parse_subscribe(struct parser *p, struct inlay_moq_message *m)
{
	struct inlay_moq_subscribe *s = &m->subscribe;
	__u32 scope = m->type == INLAY_MOQ_MSG_SUBSCRIBE ? INLAY_MOQ_IN_SUBSCRIBE
							 : INLAY_MOQ_IN_TRACK_STATUS;

	return inlay_vi64_get(&p->c, &s->request_id) && parse_name(p, &s->name) &&
	       parse_params(p, scope, &s->params);
}

static bool put_subscribe(struct inlay_writer *w, const struct inlay_moq_message *m)
{
	const struct inlay_moq_subscribe *s = &m->subscribe;

	return inlay_vi64_put(w, s->request_id) && inlay_moq18_name_put(w, &s->name) &&
	       inlay_moq18_params_put(w, &s->params);
}

static bool parse_subscribe_ok(struct parser *p, struct inlay_moq_message *m)
{
	struct inlay_moq_subscribe_ok *ok = &m->subscribe_ok;

	return inlay_vi64_get(&p->c, &ok->alias) &&
	       parse_params(p, INLAY_MOQ_IN_SUBSCRIBE_OK, &ok->params) &&
	       parse_properties(p, &ok->properties);
}

static bool put_subscribe_ok(struct inlay_writer *w, const struct inlay_moq_message *m)
{
	const struct inlay_moq_subscribe_ok *ok = &m->subscribe_ok;

	return inlay_vi64_put(w, ok->alias) && inlay_moq18_params_put(w, &ok->params) &&
	       inlay_writer_bytes(w, ok->properties.bytes.data, ok->properties.bytes.len);
}

static __u32 request_update_scope(const struct inlay_moq_message_context *context)
{
	switch (context->request) {
	case 0:
		return INLAY_MOQ_IN_UPDATE_SUBSCRIPTION | INLAY_MOQ_IN_UPDATE_FETCH |
		       INLAY_MOQ_IN_UPDATE_NAMESPACE | INLAY_MOQ_IN_UPDATE_OTHER;
	case INLAY_MOQ_MSG_SUBSCRIBE:
	case INLAY_MOQ_MSG_PUBLISH:
		return INLAY_MOQ_IN_UPDATE_SUBSCRIPTION;
	case INLAY_MOQ_MSG_FETCH:
		return INLAY_MOQ_IN_UPDATE_FETCH;
	case INLAY_MOQ_MSG_SUBSCRIBE_NAMESPACE:
	case INLAY_MOQ_MSG_SUBSCRIBE_TRACKS:
		return INLAY_MOQ_IN_UPDATE_NAMESPACE;
	default:
		return INLAY_MOQ_IN_UPDATE_OTHER;
	}
}

static bool parse_request_update(struct parser *p, struct inlay_moq_message *m)
{
	struct inlay_moq_request_update *u = &m->request_update;

	return inlay_vi64_get(&p->c, &u->request_id) &&
	       parse_params(p, request_update_scope(p->context), &u->params);
}

static bool put_request_update(struct inlay_writer *w, const struct inlay_moq_message *m)
{
	return inlay_vi64_put(w, m->request_update.request_id) &&
	       inlay_moq18_params_put(w, &m->request_update.params);
}

static bool parse_publish(struct parser *p, struct inlay_moq_message *m)
{
	struct inlay_moq_publish *b = &m->publish;

	return inlay_vi64_get(&p->c, &b->request_id) && parse_name(p, &b->name) &&
	       inlay_vi64_get(&p->c, &b->alias) &&
	       parse_params(p, INLAY_MOQ_IN_PUBLISH, &b->params) &&
	       parse_properties(p, &b->properties);
}

static bool put_publish(struct inlay_writer *w, const struct inlay_moq_message *m)
{
	const struct inlay_moq_publish *b = &m->publish;

	return inlay_vi64_put(w, b->request_id) && inlay_moq18_name_put(w, &b->name) &&
	       inlay_vi64_put(w, b->alias) && inlay_moq18_params_put(w, &b->params) &&
	       inlay_writer_bytes(w, b->properties.bytes.data, b->properties.bytes.len);
}

static bool parse_publish_done(struct parser *p, struct inlay_moq_message *m)
{
	struct inlay_moq_publish_done *d = &m->publish_done;

	return inlay_vi64_get(&p->c, &d->status) && inlay_vi64_get(&p->c, &d->streams) &&
	       parse_bytes(p, INLAY_MOQ_REASON_MAX, &d->reason);
}

static bool put_publish_done(struct inlay_writer *w, const struct inlay_moq_message *m)
{
	const struct inlay_moq_publish_done *d = &m->publish_done;

	return inlay_vi64_put(w, d->status) && inlay_vi64_put(w, d->streams) &&
	       inlay_moq18_bytes_put(w, d->reason);
}

static bool parse_fetch(struct parser *p, struct inlay_moq_message *m)
{
	struct inlay_moq_fetch *f = &m->fetch;
	__u64 type;

	if (!inlay_vi64_get(&p->c, &f->request_id) || !inlay_vi64_get(&p->c, &type) ||
	    type < INLAY_MOQ_FETCH_STANDALONE || type > INLAY_MOQ_FETCH_ABSOLUTE_JOINING)
		return false;
	f->type = (enum inlay_moq_fetch_type)type;
	if (f->type == INLAY_MOQ_FETCH_STANDALONE) {
		if (!parse_name(p, &f->name) || !parse_location(p, &f->start) ||
		    !parse_location(p, &f->end))
			return false;
	} else if (!inlay_vi64_get(&p->c, &f->joining_request_id) ||
		   !inlay_vi64_get(&p->c, &f->joining_start)) {
		return false;
	}
	return parse_params(p, INLAY_MOQ_IN_FETCH, &f->params);
}

static bool put_location(struct inlay_writer *w, struct inlay_moq_location l)
{
	return inlay_vi64_put(w, l.group) && inlay_vi64_put(w, l.object);
}

static bool put_fetch(struct inlay_writer *w, const struct inlay_moq_message *m)
{
	const struct inlay_moq_fetch *f = &m->fetch;

	if (!inlay_vi64_put(w, f->request_id) || !inlay_vi64_put(w, f->type))
		return false;
	if (f->type == INLAY_MOQ_FETCH_STANDALONE) {
		if (!inlay_moq18_name_put(w, &f->name) || !put_location(w, f->start) ||
		    !put_location(w, f->end))
			return false;
	} else if (!inlay_vi64_put(w, f->joining_request_id) ||
		   !inlay_vi64_put(w, f->joining_start)) {
		return false;
	}
	return inlay_moq18_params_put(w, &f->params);
}

static bool parse_fetch_ok(struct parser *p, struct inlay_moq_message *m)
{
	struct inlay_moq_fetch_ok *ok = &m->fetch_ok;
	__u8 end;

	if (!inlay_cursor_u8(&p->c, &end) || end > 1)
		return false;
	ok->end_of_track = end;
	return parse_location(p, &ok->end) && parse_params(p, INLAY_MOQ_IN_FETCH_OK, &ok->params) &&
	       parse_properties(p, &ok->properties);
}

static bool put_fetch_ok(struct inlay_writer *w, const struct inlay_moq_message *m)
{
	const struct inlay_moq_fetch_ok *ok = &m->fetch_ok;

	return inlay_writer_u8(w, ok->end_of_track) && put_location(w, ok->end) &&
	       inlay_moq18_params_put(w, &ok->params) &&
	       inlay_writer_bytes(w, ok->properties.bytes.data, ok->properties.bytes.len);
}

static bool parse_namespace_request(struct parser *p, struct inlay_moq_message *m)
{
	struct inlay_moq_namespace_request *r = &m->namespace_request;
	__u32 scope = INLAY_MOQ_IN_SUBSCRIBE_TRACKS;

	if (m->type == INLAY_MOQ_MSG_PUBLISH_NAMESPACE)
		scope = INLAY_MOQ_IN_PUBLISH_NAMESPACE;
	else if (m->type == INLAY_MOQ_MSG_SUBSCRIBE_NAMESPACE)
		scope = INLAY_MOQ_IN_SUBSCRIBE_NAMESPACE;
	return inlay_vi64_get(&p->c, &r->request_id) && parse_namespace(p, &r->ns) &&
	       parse_params(p, scope, &r->params);
}

static bool put_namespace_request(struct inlay_writer *w, const struct inlay_moq_message *m)
{
	const struct inlay_moq_namespace_request *r = &m->namespace_request;

	return inlay_vi64_put(w, r->request_id) && inlay_moq18_namespace_put(w, &r->ns) &&
	       inlay_moq18_params_put(w, &r->params);
}

static bool parse_suffix(struct parser *p, struct inlay_moq_message *m)
{
	return parse_namespace(p, &m->suffix);
}

static bool put_suffix(struct inlay_writer *w, const struct inlay_moq_message *m)
{
	return inlay_moq18_namespace_put(w, &m->suffix);
}

static bool parse_blocked(struct parser *p, struct inlay_moq_message *m)
{
	return parse_name(p, &m->blocked);
}

static bool put_blocked(struct inlay_writer *w, const struct inlay_moq_message *m)
{
	return inlay_moq18_name_put(w, &m->blocked);
}

/* --- The table ------------------------------------------------------------------------------ */

static const struct kind {
	__u64 type;
	const char *text;
	bool request; /* begins a request stream */
	bool (*parse)(struct parser *p, struct inlay_moq_message *m);
	bool (*put)(struct inlay_writer *w, const struct inlay_moq_message *m);
} kinds[] = {
	{INLAY_MOQ_MSG_SETUP, "SETUP", false, parse_setup, put_setup},
	{INLAY_MOQ_MSG_GOAWAY, "GOAWAY", false, parse_goaway, put_goaway},
	{INLAY_MOQ_MSG_REQUEST_OK, "REQUEST_OK", false, parse_request_ok, put_request_ok},
	{INLAY_MOQ_MSG_PUBLISH_OK, "PUBLISH_OK", false, parse_request_ok, NULL},
	{INLAY_MOQ_MSG_REQUEST_ERROR, "REQUEST_ERROR", false, parse_request_error,
	 put_request_error},
	{INLAY_MOQ_MSG_SUBSCRIBE, "SUBSCRIBE", true, parse_subscribe, put_subscribe},
	{INLAY_MOQ_MSG_SUBSCRIBE_OK, "SUBSCRIBE_OK", false, parse_subscribe_ok, put_subscribe_ok},
	{INLAY_MOQ_MSG_REQUEST_UPDATE, "REQUEST_UPDATE", false, parse_request_update,
	 put_request_update},
	{INLAY_MOQ_MSG_PUBLISH, "PUBLISH", true, parse_publish, put_publish},
	{INLAY_MOQ_MSG_PUBLISH_DONE, "PUBLISH_DONE", false, parse_publish_done, put_publish_done},
	{INLAY_MOQ_MSG_FETCH, "FETCH", true, parse_fetch, put_fetch},
	{INLAY_MOQ_MSG_FETCH_OK, "FETCH_OK", false, parse_fetch_ok, put_fetch_ok},
	{INLAY_MOQ_MSG_TRACK_STATUS, "TRACK_STATUS", true, parse_subscribe, put_subscribe},
	{INLAY_MOQ_MSG_PUBLISH_NAMESPACE, "PUBLISH_NAMESPACE", true, parse_namespace_request,
	 put_namespace_request},
	{INLAY_MOQ_MSG_SUBSCRIBE_NAMESPACE, "SUBSCRIBE_NAMESPACE", true, parse_namespace_request,
	 put_namespace_request},
	{INLAY_MOQ_MSG_SUBSCRIBE_TRACKS, "SUBSCRIBE_TRACKS", true, parse_namespace_request,
	 put_namespace_request},
	{INLAY_MOQ_MSG_NAMESPACE, "NAMESPACE", false, parse_suffix, put_suffix},
	{INLAY_MOQ_MSG_NAMESPACE_DONE, "NAMESPACE_DONE", false, parse_suffix, put_suffix},
	{INLAY_MOQ_MSG_PUBLISH_BLOCKED, "PUBLISH_BLOCKED", false, parse_blocked, put_blocked},
};

static const struct kind *find(__u64 type)
{
	size_t i;

	for (i = 0; i < INLAY_ARRAY_SIZE(kinds); i++)
		if (kinds[i].type == type)
			return &kinds[i];
	return NULL;
}

const char *inlay_moq_message_type_text(__u64 type)
{
	const struct kind *k = find(type);

	return k ? k->text : "unknown message";
}

bool inlay_moq_message_is_request(__u64 type)
{
	const struct kind *k = find(type);

	return k && k->request;
}

enum inlay_moq_verdict inlay_moq18_message_frame(struct inlay_cursor *c, __u64 *ret_type,
						 struct inlay_cursor *ret_payload)
{
	struct inlay_cursor d = *c;
	const __u8 *payload;
	__u64 type;
	__u16 len;

	if (!inlay_vi64_get(&d, &type) || !inlay_cursor_be16(&d, &len) ||
	    !inlay_cursor_bytes(&d, len, &payload))
		return INLAY_MOQ_MORE;
	*c = d;
	*ret_type = type;
	*ret_payload = inlay_cursor_of(payload, len);
	return INLAY_MOQ_OK;
}

int inlay_moq18_message_parse(const struct inlay_moq_message_context *context, __u64 type,
			      struct inlay_cursor payload, struct inlay_moq_message *ret,
			      __u64 *ret_error)
{
	struct parser p = {
		.context = context, .c = payload, .error = INLAY_MOQ_SESSION_PROTOCOL_VIOLATION};
	const struct kind *k = find(type);
	bool parsed;

	memset(ret, 0, sizeof(*ret));
	if (k) {
		ret->type = (enum inlay_moq_message_type)type;
		parsed = k->parse(&p, ret);
		if (parsed && inlay_cursor_left(&p.c) == 0)
			return 0;
		if (parsed) /* longer than its fields */
			p.error = INLAY_MOQ_SESSION_PROTOCOL_VIOLATION;
	}
	*ret_error = p.error;
	return -EPROTO;
}

/* --- Sending -------------------------------------------------------------------------------- */

static bool name_is_valid(const struct inlay_moq_name *name)
{
	return name->ns.n <= INLAY_MOQ_NAMESPACE_FIELDS &&
	       name->ns.bytes + name->track.len <= INLAY_MOQ_NAME_BYTES;
}

/* What a peer would close the session for, and a caller can get wrong. */
static bool is_valid(const struct inlay_moq_message *m)
{
	switch (m->type) {
	case INLAY_MOQ_MSG_SETUP:
		return m->setup.tokens.n <= INLAY_MOQ_TOKENS_MAX;
	case INLAY_MOQ_MSG_GOAWAY:
		return m->goaway.uri.len <= INLAY_MOQ_URI_MAX;
	case INLAY_MOQ_MSG_REQUEST_OK:
		return inlay_moq_params_are_valid(&m->request_ok.params);
	case INLAY_MOQ_MSG_REQUEST_ERROR:
		return m->request_error.reason.len <= INLAY_MOQ_REASON_MAX &&
		       name_is_valid(&m->request_error.redirect.name);
	case INLAY_MOQ_MSG_SUBSCRIBE:
	case INLAY_MOQ_MSG_TRACK_STATUS:
		return name_is_valid(&m->subscribe.name) &&
		       inlay_moq_params_are_valid(&m->subscribe.params);
	case INLAY_MOQ_MSG_SUBSCRIBE_OK:
		return inlay_moq_params_are_valid(&m->subscribe_ok.params);
	case INLAY_MOQ_MSG_REQUEST_UPDATE:
		return inlay_moq_params_are_valid(&m->request_update.params);
	case INLAY_MOQ_MSG_PUBLISH:
		return name_is_valid(&m->publish.name) &&
		       inlay_moq_params_are_valid(&m->publish.params);
	case INLAY_MOQ_MSG_PUBLISH_DONE:
		return m->publish_done.reason.len <= INLAY_MOQ_REASON_MAX;
	case INLAY_MOQ_MSG_FETCH:
		return m->fetch.type >= INLAY_MOQ_FETCH_STANDALONE &&
		       m->fetch.type <= INLAY_MOQ_FETCH_ABSOLUTE_JOINING &&
		       name_is_valid(&m->fetch.name) &&
		       inlay_moq_params_are_valid(&m->fetch.params);
	case INLAY_MOQ_MSG_FETCH_OK:
		return inlay_moq_params_are_valid(&m->fetch_ok.params);
	case INLAY_MOQ_MSG_PUBLISH_NAMESPACE:
	case INLAY_MOQ_MSG_SUBSCRIBE_NAMESPACE:
	case INLAY_MOQ_MSG_SUBSCRIBE_TRACKS:
		return inlay_moq_params_are_valid(&m->namespace_request.params);
	case INLAY_MOQ_MSG_PUBLISH_BLOCKED:
		return name_is_valid(&m->blocked);
	default:
		return true;
	}
}

int inlay_moq18_message_put(struct inlay_writer *w, const struct inlay_moq_message *m)
{
	const struct kind *k = find(m->type);
	struct inlay_writer t = *w;
	struct inlay_writer length;
	__u8 *at;
	size_t len;

	if (!k || !k->put || !is_valid(m))
		return -EINVAL;
	if (!inlay_vi64_put(&t, k->type) || !inlay_writer_reserve(&t, 2, &at) || !k->put(&t, m))
		return -ENOBUFS;
	len = (size_t)(t.pos - at) - 2;
	if (len > 0xffff)
		return -ENOBUFS;
	length = inlay_writer_of(at, 2);
	inlay_writer_be16(&length, (__u16)len);
	*w = t;
	return 0;
}
