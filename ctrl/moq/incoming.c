/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Unidirectional streams of the peer: first bytes decide what one is; a subgroup stream waits for
 * its alias, then its framing is followed and its bytes go to the application, an object's header
 * whole and checked, the payload as it comes.
 *
 * While a stream waits its bytes are not consumed: flow control holds the sender back, and
 * max_pending_bytes bounds what several of them may hold.
 */
#include "session_impl.h"

#include <stdlib.h>

static void free_later(struct inlay_moq_incoming *in)
{
	struct inlay_moq_session *s = in->session;

	in->dead = true;
	inlay_moq_buffer_fini(&in->in);
	inlay_list_remove(&in->node);
	inlay_list_append(&s->dead_incoming, &in->grave);
}

/* What was held back is given up. */
static void consume_rest(struct inlay_moq_incoming *in)
{
	if (in->unconsumed > 0)
		inlay_moq_consume(in->session, in->stream.id, in->unconsumed);
	in->unconsumed = 0;
}

void inlay_moq_incoming_drop(struct inlay_moq_incoming *in)
{
	if (in->dead)
		return;
	consume_rest(in);
	inlay_moq_stream_forget(in->session, &in->stream, in->fin);
	free_later(in);
}

static void stop_and_drop(struct inlay_moq_incoming *in, __u64 code)
{
	if (!in->fin)
		inlay_moq_stop(in->session, in->stream.id, code);
	inlay_moq_incoming_drop(in);
}

void inlay_moq_incoming_end(struct inlay_moq_incoming *in, enum inlay_moq_end end, __u64 code)
{
	struct inlay_moq_session *s = in->session;
	struct inlay_moq_request *req = in->request;

	if (in->dead)
		return;
	if (end == INLAY_MOQ_END_LOCAL && !in->fin)
		inlay_moq_stop(s, in->stream.id, code);
	inlay_moq_incoming_drop(in);
	if (req == NULL)
		return;
	if (s->config.ops->on_subgroup_end != NULL)
		s->config.ops->on_subgroup_end(s->config.user, in, end, code);
	inlay_moq_request_check_drained(req);
}

struct inlay_moq_incoming *inlay_moq_incoming_new(struct inlay_moq_session *s, __u64 id)
{
	struct inlay_moq_incoming *in = calloc(1, sizeof(*in));

	if (in == NULL)
		return NULL;
	in->stream = (struct inlay_moq_stream){.kind = INLAY_MOQ_STREAM_INCOMING, .id = id};
	if (inlay_map_set(&s->streams, id, &in->stream) < 0) {
		free(in);
		return NULL;
	}
	in->session = s;
	in->first = true;
	in->pending_deadline = s->now + s->config.pending_timeout;
	in->in.account = &s->pending_bytes;
	inlay_list_init(&in->grave);
	inlay_list_append(&s->incoming, &in->node);
	return in;
}

/* --- objects --------------------------------------------------------------------------------- */

static void deliver_header(struct inlay_moq_incoming *in, const __u8 *header, size_t len)
{
	const struct inlay_moq_session_ops *ops = in->session->config.ops;

	in->first = false;
	in->payload_left = in->object.payload_len;
	if (in->payload_left > 0)
		in->state = INLAY_MOQ_INCOMING_PAYLOAD;
	else if (in->object.status != INLAY_MOQ_STATUS_NORMAL)
		in->state = INLAY_MOQ_INCOMING_ENDED;
	if (ops->on_object != NULL)
		ops->on_object(in->session->config.user, in, &in->object, header, len);
}

/*
 * An object's header from |c|, which stands at the header's first byte and holds |known| bytes that
 * were there before. True: it is complete.
 */
static bool parse_header(struct inlay_moq_incoming *in, struct inlay_cursor *c)
{
	struct inlay_moq_session *s = in->session;
	const __u8 *begin = c->pos;
	struct inlay_moq_object object;
	enum inlay_moq_verdict verdict;

	verdict = inlay_moq18_object_parse(c, &in->header, in->first, in->object.id, &object);
	if (verdict == INLAY_MOQ_MORE)
		return false;
	if (verdict == INLAY_MOQ_OK)
		verdict = inlay_moq18_object_properties_check(
			(struct inlay_moq_bytes){object.properties, object.properties_len},
			in->header.group, object.id);
	if (verdict == INLAY_MOQ_MALFORMED_TRACK) {
		inlay_moq_request_malformed(in->request);
		return false;
	}
	if (verdict != INLAY_MOQ_OK) {
		inlay_moq_violation(s, verdict, "malformed object");
		return false;
	}
	if (in->first && in->header.id_mode == INLAY_MOQ_SUBGROUP_FIRST_OBJECT)
		in->header.subgroup = object.id;
	in->object = object;
	deliver_header(in, begin, (size_t)(c->pos - begin));
	return true;
}

/* Bytes that begin a header but do not complete it are kept. */
static void gather_header(struct inlay_moq_incoming *in, struct inlay_cursor *c)
{
	size_t before = in->in.len;
	size_t take = inlay_cursor_left(c);
	size_t room = in->session->config.max_object_header - before;
	struct inlay_cursor whole;
	struct inlay_moq_buffer gathered;

	if (before == 0) {
		whole = *c;
		if (parse_header(in, &whole)) {
			c->pos = whole.pos;
			return;
		}
		if (in->dead || in->session->closing)
			return;
	}
	take = take < room ? take : room;
	if (take == 0 || inlay_moq_buffer_append(&in->in, c->pos, take) < 0) {
		inlay_moq_incoming_end(in, INLAY_MOQ_END_LOCAL, INLAY_MOQ_RESET_EXCESSIVE_LOAD);
		return;
	}
	if (before == 0) {
		c->pos += take;
		return;
	}
	/* The callback may end |in|: it must not free what it is being shown. */
	gathered = inlay_moq_buffer_take(&in->in);
	whole = inlay_cursor_of(gathered.data, gathered.len);
	if (parse_header(in, &whole)) {
		c->pos += (size_t)(whole.pos - gathered.data) - before;
		inlay_moq_buffer_fini(&gathered);
	} else if (in->dead || in->session->closing) {
		inlay_moq_buffer_fini(&gathered);
	} else {
		in->in = gathered;
		c->pos += take;
	}
}

static void pass_payload(struct inlay_moq_incoming *in, struct inlay_cursor *c)
{
	const struct inlay_moq_session_ops *ops = in->session->config.ops;
	const __u8 *data = c->pos;
	size_t n = inlay_cursor_left(c);
	bool end;

	if (n > in->payload_left)
		n = (size_t)in->payload_left;
	in->payload_left -= n;
	c->pos += n;
	end = in->payload_left == 0;
	if (end)
		in->state = INLAY_MOQ_INCOMING_OBJECT;
	if (ops->on_payload != NULL)
		ops->on_payload(in->session->config.user, in, data, n, end);
}

static void follow(struct inlay_moq_incoming *in, const __u8 *data, size_t len)
{
	struct inlay_cursor c = inlay_cursor_of(data, len);

	while (inlay_cursor_left(&c) > 0 && !in->dead && !in->session->closing) {
		if (in->state == INLAY_MOQ_INCOMING_PAYLOAD)
			pass_payload(in, &c);
		else if (in->state == INLAY_MOQ_INCOMING_OBJECT)
			gather_header(in, &c);
		else /* section 11.4.3: nothing follows the end of a group or track */
			inlay_moq_session_close(in->session, INLAY_MOQ_SESSION_PROTOCOL_VIOLATION,
						"object behind the end of its group");
	}
}

static void follow_fin(struct inlay_moq_incoming *in)
{
	if (in->dead || in->session->closing)
		return;
	/* Section 11.4: a FIN within an object. */
	if (in->state == INLAY_MOQ_INCOMING_PAYLOAD || in->in.len > 0) {
		inlay_moq_session_close(in->session, INLAY_MOQ_SESSION_PROTOCOL_VIOLATION,
					"stream ends within an object");
		return;
	}
	inlay_moq_incoming_end(in, INLAY_MOQ_END_DONE, 0);
}

/* --- the beginning of a stream --------------------------------------------------------------- */

bool inlay_moq_is_tombstone(const struct inlay_moq_session *s, __u64 alias)
{
	for (__u32 i = 0; i < INLAY_MOQ_TOMBSTONES && i < s->tombstone_count; i++)
		if (s->tombstones[i] == alias)
			return true;
	return false;
}

/* The alias is known: what waited goes to the application. */
static void activate(struct inlay_moq_incoming *in, struct inlay_moq_request *req,
		     size_t header_len)
{
	struct inlay_moq_session *s = in->session;
	struct inlay_moq_buffer waited = inlay_moq_buffer_take(&in->in);

	in->request = req;
	in->state = INLAY_MOQ_INCOMING_OBJECT;
	inlay_list_remove(&in->node);
	inlay_list_append(&req->incoming, &in->node);
	req->streams_seen++;
	consume_rest(in);
	if (s->config.ops->on_subgroup != NULL)
		s->config.ops->on_subgroup(s->config.user, req, in, &in->header);
	if (!in->dead)
		follow(in, waited.data + header_len, waited.len - header_len);
	inlay_moq_buffer_fini(&waited);
	if (in->fin)
		follow_fin(in);
}

/* |c| stands behind the header. */
static void find_alias(struct inlay_moq_incoming *in, size_t header_len)
{
	struct inlay_moq_session *s = in->session;
	struct inlay_moq_request *req = inlay_map_get(&s->aliases, in->header.alias);

	if (req != NULL)
		activate(in, req, header_len);
	else if (inlay_moq_is_tombstone(s, in->header.alias))
		stop_and_drop(in, INLAY_MOQ_RESET_CANCELLED);
	else
		in->state = INLAY_MOQ_INCOMING_PENDING;
}

static void become_control(struct inlay_moq_incoming *in)
{
	struct inlay_moq_session *s = in->session;
	struct inlay_moq_buffer first;
	bool fin = in->fin;

	if (s->peer_control.id != INLAY_MOQ_NO_STREAM) {
		inlay_moq_session_close(s, INLAY_MOQ_SESSION_PROTOCOL_VIOLATION,
					"second control stream");
		return;
	}
	s->peer_control.id = in->stream.id;
	first = inlay_moq_buffer_take(&in->in);
	consume_rest(in);
	/* The entry exists: replacing it takes no memory. */
	(void)inlay_map_set(&s->streams, in->stream.id, &s->peer_control);
	free_later(in);
	inlay_moq_control_data(s, first.data, first.len, fin);
	inlay_moq_buffer_fini(&first);
}

/* Sections 3.4, 11.4: what is it? Looks at all that has been gathered. */
static void begin(struct inlay_moq_incoming *in)
{
	struct inlay_moq_session *s = in->session;
	struct inlay_cursor c = inlay_cursor_of(in->in.data, in->in.len);
	enum inlay_moq_verdict verdict;
	__u64 type;

	if (!inlay_vi64_get(&c, &type))
		return;
	switch (type) {
	case INLAY_MOQ18_STREAM_SETUP:
		become_control(in);
		return;
	case INLAY_MOQ18_STREAM_PADDING:
		inlay_moq_incoming_drop(in);
		return;
	case INLAY_MOQ18_STREAM_FETCH:
		/* We fetch nothing, so it is nobody's. */
		stop_and_drop(in, INLAY_MOQ_RESET_CANCELLED);
		return;
	default:
		break;
	}
	c = inlay_cursor_of(in->in.data, in->in.len);
	verdict = inlay_moq18_subgroup_parse(&c, &in->header);
	if (verdict == INLAY_MOQ_MORE)
		return;
	if (verdict != INLAY_MOQ_OK)
		inlay_moq_violation(s, verdict, "unknown stream type");
	else if (!s->has_setup) /* section 3.3: objects may overtake SETUP */
		in->state = INLAY_MOQ_INCOMING_PENDING;
	else
		find_alias(in, in->in.len - inlay_cursor_left(&c));
}

/* Looks again at a stream that waits. */
static void retry(struct inlay_moq_incoming *in)
{
	struct inlay_cursor c = inlay_cursor_of(in->in.data, in->in.len);

	if (in->state == INLAY_MOQ_INCOMING_PENDING && in->session->has_setup &&
	    inlay_moq18_subgroup_parse(&c, &in->header) == INLAY_MOQ_OK)
		find_alias(in, in->in.len - inlay_cursor_left(&c));
}

void inlay_moq_incoming_retry_all(struct inlay_moq_session *s)
{
	struct inlay_list *node, *after;

	inlay_list_for_each_safe (node, after, &s->incoming) {
		if (s->closing)
			return;
		retry(inlay_list_entry(node, struct inlay_moq_incoming, node));
	}
	inlay_moq_datagram_retry_all(s);
}

/* --- inputs ---------------------------------------------------------------------------------- */

static void wait_for_more(struct inlay_moq_incoming *in, const __u8 *data, size_t len)
{
	struct inlay_moq_session *s = in->session;

	in->unconsumed += len;
	if (s->pending_bytes + len > s->config.max_pending_bytes ||
	    inlay_moq_buffer_append(&in->in, data, len) < 0) {
		stop_and_drop(in, INLAY_MOQ_RESET_EXCESSIVE_LOAD);
		return;
	}
	if (in->state == INLAY_MOQ_INCOMING_TYPE)
		begin(in);
}

void inlay_moq_incoming_data(struct inlay_moq_incoming *in, const __u8 *data, size_t len, bool fin)
{
	bool waits =
		in->state == INLAY_MOQ_INCOMING_TYPE || in->state == INLAY_MOQ_INCOMING_PENDING;

	in->fin = in->fin || fin;
	if (!waits) {
		inlay_moq_consume(in->session, in->stream.id, len);
		follow(in, data, len);
		if (fin)
			follow_fin(in);
		return;
	}
	if (len > 0)
		wait_for_more(in, data, len);
	if (!fin || in->dead || in->session->closing || in->state != INLAY_MOQ_INCOMING_TYPE)
		return;
	/* It ended before anybody could know what it was. */
	if (in->in.len > 0)
		inlay_moq_session_close(in->session, INLAY_MOQ_SESSION_PROTOCOL_VIOLATION,
					"stream ends within its header");
	else
		inlay_moq_incoming_drop(in);
}

void inlay_moq_incoming_expire(struct inlay_moq_session *s)
{
	struct inlay_list *node, *after;

	inlay_list_for_each_safe (node, after, &s->incoming) {
		struct inlay_moq_incoming *in =
			inlay_list_entry(node, struct inlay_moq_incoming, node);

		if (in->pending_deadline <= s->now && in->state == INLAY_MOQ_INCOMING_PENDING)
			stop_and_drop(in, INLAY_MOQ_RESET_CANCELLED);
	}
}

inlay_ns inlay_moq_incoming_deadline(const struct inlay_moq_session *s)
{
	inlay_ns first = INLAY_NEVER;
	struct inlay_list *node;

	inlay_list_for_each (node, &s->incoming) {
		struct inlay_moq_incoming *in =
			inlay_list_entry(node, struct inlay_moq_incoming, node);

		if (in->state == INLAY_MOQ_INCOMING_PENDING && in->pending_deadline < first)
			first = in->pending_deadline;
	}
	return first;
}

void inlay_moq_incoming_set_user(struct inlay_moq_incoming *in, void *user)
{
	in->user = user;
}

__u64 inlay_moq_incoming_number(const struct inlay_moq_incoming *in)
{
	return in->stream.id >> 2;
}

struct inlay_moq_request *inlay_moq_incoming_request(const struct inlay_moq_incoming *in)
{
	return in->request;
}

void *inlay_moq_incoming_user(const struct inlay_moq_incoming *in)
{
	return in->user;
}

void inlay_moq_incoming_stop(struct inlay_moq_incoming *in, __u64 code)
{
	struct inlay_moq_session *s = in->session;
	struct inlay_moq_request *req = in->request;

	if (in->dead)
		return;
	inlay_moq_enter(s);
	stop_and_drop(in, code);
	if (req != NULL)
		inlay_moq_request_check_drained(req);
	inlay_moq_leave(s);
}
