/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tracks and who makes them. Groups go on with time, whoever listens; a group that is wanted from
 * its beginning is published, its objects dealt to subgroups in turn. When the connection takes no
 * more, the publisher resets its oldest stream.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conn_internal.h"
#include "session_impl.h"
#include "sim.h"

#define RETRY	   (400 * INLAY_MS)
#define MAX_OBJECT (64 << 10)

static struct sim_track *track_of(struct sim_client *c, const struct inlay_moq_name *name)
{
	struct sim *s = c->sim;

	for (__u32 i = 0; i < s->plan.n_tracks; i++)
		if (s->tracks[i].publisher == c && inlay_moq_name_equal(&s->tracks[i].name, name))
			return &s->tracks[i];
	return NULL;
}

/* --- Requests -------------------------------------------------------------------------------- */

static struct inlay_moq_params params_of(const struct sim_track *t)
{
	struct inlay_moq_params p = {0};

	if (t->any) {
		p.present = INLAY_MOQ_HAS_LARGEST_OBJECT;
		p.largest_object = t->largest;
	}
	return p;
}

static void announce(struct sim_client *c, struct sim_track *t)
{
	struct inlay_moq_namespace_request ns = {.ns = t->name.ns};
	struct inlay_moq_publish publish = {
		.name = t->name, .properties = t->parsed, .params = params_of(t)};
	int rv;

	t->retry = INLAY_NEVER;
	if (t->by_publish)
		rv = inlay_moq_session_publish(c->moq, &publish, t, &t->announced);
	else
		rv = inlay_moq_session_publish_namespace(c->moq, &ns, t, &t->announced);
	if (rv)
		sim_trace(c->sim, "client %d cannot announce %s: %s", c->index, t->text,
			  strerror(-rv));
}

void sim_publisher_on_up(struct sim_client *c)
{
	struct sim *s = c->sim;

	for (__u32 i = 0; i < s->plan.n_tracks; i++)
		if (s->tracks[i].publisher == c)
			announce(c, &s->tracks[i]);
}

void sim_publisher_on_down(struct sim_client *c)
{
	struct sim *s = c->sim;

	for (__u32 i = 0; i < s->plan.n_tracks; i++) {
		struct sim_track *t = &s->tracks[i];

		if (t->publisher != c)
			continue;
		t->announced = t->serving = NULL;
		t->in_group = false;
		t->retry = INLAY_NEVER;
		memset(t->open, 0, sizeof(t->open));
	}
}

static void serve(struct sim_track *t, struct inlay_moq_request *req, bool forward)
{
	t->serving = req;
	t->forward = forward;
	t->in_group = false;
	sim_trace(t->publisher->sim, "client %d serves %s", t->publisher->index, t->text);
}

void sim_publisher_on_subscribe(void *user, struct inlay_moq_request *req,
				const struct inlay_moq_subscribe *m)
{
	struct sim_client *c = user;
	struct sim_track *t = track_of(c, &m->name);
	struct inlay_moq_params params;

	if (!t || t->serving || t->by_publish) {
		inlay_moq_request_error(req,
					t ? INLAY_MOQ_REQUEST_DUPLICATE_SUBSCRIPTION
					  : INLAY_MOQ_REQUEST_DOES_NOT_EXIST,
					0, "no");
		return;
	}
	params = params_of(t);
	inlay_moq_request_set_user(req, t);
	if (inlay_moq_request_subscribe_ok(req, &params, &t->parsed.bytes) == 0)
		serve(t, req, m->params.forward);
}

void sim_publisher_on_track_status(void *user, struct inlay_moq_request *req,
				   const struct inlay_moq_subscribe *m)
{
	struct sim_track *t = track_of(user, &m->name);
	struct inlay_moq_params params;

	if (!t) {
		inlay_moq_request_error(req, INLAY_MOQ_REQUEST_DOES_NOT_EXIST, 0, "no");
		return;
	}
	params = params_of(t);
	inlay_moq_request_ok(req, &params, &t->parsed.bytes);
}

void sim_publisher_on_update(void *user, struct inlay_moq_request *req,
			     const struct inlay_moq_params *params)
{
	struct sim_track *t = inlay_moq_request_user(req);

	if (t && params->present & INLAY_MOQ_HAS_FORWARD)
		t->forward = params->forward;
	inlay_moq_request_update_ok(req, NULL);
}

void sim_publisher_on_ok(struct sim_track *t, struct inlay_moq_request *req,
			 const struct inlay_moq_request_ok *m)
{
	if (t->by_publish && req == t->announced)
		serve(t, req, m->params.forward);
}

void sim_publisher_on_end(struct sim_track *t, struct inlay_moq_request *req)
{
	struct sim *s = t->publisher->sim;

	if (req == t->serving) {
		t->serving = NULL;
		t->in_group = false;
		sim_trace(s, "client %d serves %s no more", t->publisher->index, t->text);
	}
	if (req != t->announced)
		return;
	t->announced = NULL;
	if (!s->calm)
		t->retry = s->now + RETRY;
}

/* --- Objects --------------------------------------------------------------------------------- */

/* It is through, one way or the other. */
static void forget(struct sim_stream *st)
{
	st->out = NULL;
	if (st->track->open[st->subgroup] == st)
		st->track->open[st->subgroup] = NULL;
	if (st->track->publisher->sim->plan.forgetful)
		sim_ledger_stream_free(st);
}

void sim_publisher_on_outgoing_end(void *user, struct inlay_moq_outgoing *out,
				   enum inlay_moq_end end, __u64 code)
{
	struct sim_stream *st = inlay_moq_outgoing_user(out);

	switch (end) {
	case INLAY_MOQ_END_DONE:
		st->state = SIM_STREAM_WHOLE;
		break;
	case INLAY_MOQ_END_CANCELLED:
		st->state = SIM_STREAM_STOPPED;
		break;
	case INLAY_MOQ_END_LOCAL:
		st->state = SIM_STREAM_RESET;
		break;
	default:
		st->state = SIM_STREAM_CUT;
	}
	if (st->state != SIM_STREAM_WHOLE)
		sim_trace(st->track->publisher->sim, "%s/%llu/%llu ends in state %d, code 0x%llx",
			  st->track->text, (unsigned long long)st->group,
			  (unsigned long long)st->subgroup, st->state, (unsigned long long)code);
	forget(st);
}

static void reset(struct sim_stream *st)
{
	inlay_moq_outgoing_reset(st->out, INLAY_MOQ_RESET_CANCELLED);
	st->state = SIM_STREAM_RESET;
	sim_trace(st->track->publisher->sim, "client %d resets %s/%llu/%llu",
		  st->track->publisher->index, st->track->text, (unsigned long long)st->group,
		  (unsigned long long)st->subgroup);
	forget(st);
}

/* The oldest of this life that is not through. */
static struct sim_stream *oldest(struct sim_client *c)
{
	struct sim *s = c->sim;
	struct sim_stream *found = NULL, *st;

	for (__u32 i = 0; i < s->plan.n_tracks; i++)
		for (st = s->tracks[i].publisher == c ? s->tracks[i].streams : NULL; st;
		     st = st->next)
			if (st->out)
				found = st;
	return found;
}

void sim_publisher_reset(struct sim_client *c)
{
	struct sim_stream *st = oldest(c);

	if (st)
		reset(st);
}

/* What waits to be sent is the publisher's to bound. */
static bool is_full(struct sim_client *c)
{
	const struct inlay_conn *conn = c->foreign || !c->conn ? NULL : inlay_ep_conn_peek(c->conn);
	struct inlay_peer_stats stats;

	if (conn)
		return conn->streams.send_budget.used + MAX_OBJECT >
		       conn->streams.send_budget.max / 4;
	if (!c->link.peer)
		return true;
	inlay_peer_stats(c->link.peer, &stats);
	return stats.bytes_unacked > 1 << 20;
}

static void open_stream(struct sim_client *c, struct sim_track *t, __u64 subgroup)
{
	struct inlay_moq_subgroup header = {
		.group = t->group,
		.subgroup = subgroup,
		.id_mode = subgroup == 0  ? INLAY_MOQ_SUBGROUP_ZERO
			   : t->group & 1 ? INLAY_MOQ_SUBGROUP_FIRST_OBJECT
					  : INLAY_MOQ_SUBGROUP_PRESENT,
		.priority = (__u8)(100 + subgroup),
		.has_priority = t->index & 1,
		.has_properties = t->has_properties,
		.end_of_group = t->n_subgroups == 1,
		.first_object = true,
	};
	struct sim_stream *st = sim_ledger_stream(t, c->life, t->group, subgroup);
	int rv;

	if (t->has_order) {
		header.has_priority = true;
		header.priority = t->order;
	}
	rv = inlay_moq_outgoing_open(
		t->serving, &header,
		inlay_moq_priority(128, header.priority, false, t->group, subgroup), st, &st->out);

	if (rv == 0) {
		t->open[subgroup] = st;
		return;
	}
	st->state = SIM_STREAM_CUT;
	forget(st);
	sim_trace(c->sim, "%s/%llu/%llu is not opened: %s", t->text, (unsigned long long)t->group,
		  (unsigned long long)subgroup, strerror(-rv));
}

/* --- Rules broken ---------------------------------------------------------------------------- */

/* What no session would write: an object's header with something wrong in it, and payload. */
static size_t write_wrong(struct sim_client *c, struct sim_track *t, __u8 *dst, size_t room,
			  bool *ret_fin)
{
	struct inlay_writer w = inlay_writer_of(dst, room);
	/* A mandatory property that nobody knows (section 2.5.1). */
	static const __u8 mandatory[] = {0x80 | 0x40, 0x00, 0x01};
	static const __u8 cut[] = {0x01, 0x09, 0x00};
	__u64 kind = seeded_below(&c->rng, t->has_properties ? 6 : 4);
	const __u64 payload_len = 40;
	const __u8 *p = kind == 4 ? mandatory : cut;

	/* The first has no room for another object's ID behind the one before. */
	inlay_vi64_put(&w, kind == 0 ? ~0ULL : 0);
	if (t->has_properties)
		inlay_vi64_put(&w, kind >= 4 ? 3 : 0);
	if (kind >= 4)
		inlay_writer_bytes(&w, p, 3);
	inlay_vi64_put(&w, kind == 1 ? 0 : payload_len);
	if (kind == 1)
		inlay_vi64_put(&w, 0x77); /* no such status */
	inlay_writer_bytes(&w, (const __u8 *)"nobody is to see this", 21);
	*ret_fin = kind == 2 || kind == 3; /* within the payload */
	if (*ret_fin)
		t->broken_len = payload_len;
	return inlay_writer_len(&w);
}

static void malform(struct sim_client *c, struct sim_stream *st)
{
	const struct inlay_moq_transport *transport = &c->moq->config.transport;
	struct sim_track *t = st->track;
	__u8 bytes[128];
	bool fin;
	size_t len = write_wrong(c, t, bytes, sizeof(bytes), &fin);

	if (transport->ops->stream_write(transport->ctx, st->out->stream.id, bytes, len, fin))
		return;
	sim_trace(c->sim, "client %d malforms %s/%llu/%llu", c->index, t->text,
		  (unsigned long long)st->group, (unsigned long long)st->subgroup);
	t->malformed = c->life->misbehaved = true;
	t->open[st->subgroup] = NULL;
}

/* --- Publishing ------------------------------------------------------------------------------ */

static void publish(struct sim_client *c, struct sim_track *t)
{
	static __u8 payload[MAX_OBJECT], properties[512];
	__u64 subgroup = t->object % t->n_subgroups;
	struct inlay_moq_object object = {.id = t->object,
					  .payload_len = sim_object_len(t, t->group, t->object)};
	struct sim_stream *st;
	int rv;

	if (is_full(c)) {
		if (!c->sim->plan.ample)
			sim_publisher_reset(c);
		return;
	}
	if (t->object < t->n_subgroups)
		open_stream(c, t, subgroup);
	st = t->open[subgroup];
	if (!st)
		return;
	if (t->malforms && st->n_objects > 0 && sim_chance(&c->rng, 3)) {
		malform(c, st);
		return;
	}
	object.properties = properties;
	object.properties_len =
		sim_object_properties(t, t->group, t->object, properties, sizeof(properties));
	rv = inlay_moq_outgoing_object(st->out, &object);
	if (rv == 0)
		sim_ledger_publish(c->sim, t, st);
	sim_object_fill(t, t->group, t->object, payload, object.payload_len);
	if (rv == 0 && object.payload_len > 0)
		rv = inlay_moq_outgoing_payload(st->out, payload, object.payload_len);
	if (rv) /* the relay has stopped it, and on_outgoing_end() follows; or the session ends */
		t->open[subgroup] = NULL;
}

static void publish_datagram(struct sim_client *c, struct sim_track *t)
{
	const struct inlay_datagram_order order = {.priority = 1ULL << 63,
						   .deadline = c->sim->now + 200 * INLAY_MS};
	struct inlay_moq_datagram d = {.group = t->group, .object = t->object};
	__u8 payload[1024];

	d.payload = (struct inlay_moq_bytes){payload, sim_object_len(t, t->group, t->object)};
	sim_object_fill(t, t->group, t->object, payload, d.payload.len);
	if (inlay_moq_request_datagram(t->serving, &d, &order) == 0)
		sim_ledger_publish(c->sim, t, NULL);
}

static void end_group(struct sim_track *t)
{
	for (__u32 i = 0; i < INLAY_ARRAY_SIZE(t->open); i++) {
		struct sim_stream *st = t->open[i];

		t->open[i] = NULL;
		if (!st || !st->out || inlay_moq_outgoing_finish(st->out))
			continue;
		st->state = SIM_STREAM_FINISHED;
		st->fin = true;
	}
	t->in_group = false;
}

static void produce(struct sim_client *c, struct sim_track *t)
{
	bool wanted = t->serving && t->forward;

	if (t->object == t->group_objects) {
		end_group(t);
		t->group++;
		t->object = 0;
	}
	if (t->object == 0)
		t->in_group = wanted;
	if (t->in_group && wanted && t->datagrams)
		publish_datagram(c, t);
	else if (t->in_group && wanted)
		publish(c, t);
	t->object++;
}

void sim_publisher_finish(struct sim_client *c, bool done)
{
	struct sim *s = c->sim;

	for (__u32 i = 0; i < s->plan.n_tracks; i++) {
		struct sim_track *t = &s->tracks[i];

		if (t->publisher != c)
			continue;
		end_group(t);
		t->due = t->retry = INLAY_NEVER;
		if (done && t->serving && c->state == SIM_CLIENT_UP) {
			inlay_moq_request_publish_done(t->serving, INLAY_MOQ_DONE_TRACK_ENDED, "");
			if (t->announced == t->serving)
				t->announced = NULL;
			t->serving = NULL;
		}
	}
	c->node.touched = c->foreign_touched = true;
}

inlay_ns sim_publisher_deadline(const struct sim_client *c)
{
	const struct sim *s = c->sim;
	inlay_ns at = INLAY_NEVER;

	for (__u32 i = 0; i < s->plan.n_tracks; i++) {
		const struct sim_track *t = &s->tracks[i];

		if (t->publisher != c)
			continue;
		at = t->due < at ? t->due : at;
		at = t->retry < at ? t->retry : at;
	}
	return at;
}

void sim_publisher_turn(struct sim_client *c)
{
	struct sim *s = c->sim;

	for (__u32 i = 0; i < s->plan.n_tracks; i++) {
		struct sim_track *t = &s->tracks[i];

		if (t->publisher != c)
			continue;
		if (t->retry <= s->now)
			announce(c, t);
		if (t->due > s->now)
			continue;
		produce(c, t);
		/* Time went on while it was away. */
		t->due = s->now + t->interval;
	}
}
