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

static struct sim_source *source_of(struct sim_client *c, const struct inlay_moq_name *name)
{
	struct sim *s = c->sim;

	for (__u32 i = 0; i < s->plan.n_tracks; i++)
		if (inlay_moq_name_equal(&s->tracks[i].name, name))
			return sim_track_source(&s->tracks[i], c);
	return NULL;
}

/* --- Requests -------------------------------------------------------------------------------- */

static struct inlay_moq_params params_of(const struct sim_source *src)
{
	struct inlay_moq_params p = {0};

	if (src->any) {
		p.present = INLAY_MOQ_HAS_LARGEST_OBJECT;
		p.largest_object = src->largest;
	}
	return p;
}

static void announce(struct sim_source *src)
{
	const struct sim_track *t = src->track;
	struct sim_client *c = src->client;
	struct inlay_moq_namespace_request ns = {.ns = t->name.ns};
	struct inlay_moq_publish publish = {
		.name = t->name, .properties = t->parsed, .params = params_of(src)};
	int rv;

	src->retry = INLAY_NEVER;
	if (src->by_publish)
		rv = inlay_moq_session_publish(c->moq, &publish, src, &src->announced);
	else
		rv = inlay_moq_session_publish_namespace(c->moq, &ns, src, &src->announced);
	if (rv)
		sim_trace(c->sim, "client %d cannot announce %s: %s", c->index, t->text,
			  strerror(-rv));
}

/* What it missed it leaves to the other one. */
static void catch_up(struct sim_source *src)
{
	const struct sim_source *other = &src->track->sources[src == src->track->sources];

	if (src->track->n_sources == 1 || !src->catches_up || other->group <= src->group)
		return;
	src->group = other->group;
	src->object = 0;
}

void sim_publisher_on_up(struct sim_client *c)
{
	struct sim *s = c->sim;

	for (__u32 i = 0; i < s->plan.n_tracks; i++) {
		struct sim_source *src = sim_track_source(&s->tracks[i], c);

		if (!src)
			continue;
		catch_up(src);
		announce(src);
	}
}

void sim_publisher_on_down(struct sim_client *c)
{
	struct sim *s = c->sim;

	for (__u32 i = 0; i < s->plan.n_tracks; i++) {
		struct sim_source *src = sim_track_source(&s->tracks[i], c);

		if (!src)
			continue;
		src->announced = src->serving = NULL;
		src->in_group = src->retiring = false;
		src->retry = INLAY_NEVER;
		memset(src->open, 0, sizeof(src->open));
	}
}

static void serve(struct sim_source *src, struct inlay_moq_request *req, bool forward)
{
	struct sim_client *c = src->client;

	src->serving = req;
	src->n_services++;
	src->served_at = c->sim->now;
	src->forward = forward;
	src->in_group = src->retiring = false;
	sim_trace(c->sim, "client %d serves %s", c->index, src->track->text);
}

void sim_publisher_on_subscribe(void *user, struct inlay_moq_request *req,
				const struct inlay_moq_subscribe *m)
{
	struct sim_source *src = source_of(user, &m->name);
	struct inlay_moq_params params;

	if (!src || src->serving || src->by_publish) {
		inlay_moq_request_error(req,
					src ? INLAY_MOQ_REQUEST_DUPLICATE_SUBSCRIPTION
					    : INLAY_MOQ_REQUEST_DOES_NOT_EXIST,
					0, "no");
		return;
	}
	params = params_of(src);
	inlay_moq_request_set_user(req, src);
	if (inlay_moq_request_subscribe_ok(req, &params, &src->track->parsed.bytes) == 0)
		serve(src, req, m->params.forward);
}

void sim_publisher_on_track_status(void *user, struct inlay_moq_request *req,
				   const struct inlay_moq_subscribe *m)
{
	const struct sim_source *src = source_of(user, &m->name);
	struct inlay_moq_params params;

	if (!src) {
		inlay_moq_request_error(req, INLAY_MOQ_REQUEST_DOES_NOT_EXIST, 0, "no");
		return;
	}
	params = params_of(src);
	inlay_moq_request_ok(req, &params, &src->track->parsed.bytes);
}

void sim_publisher_on_update(void *user, struct inlay_moq_request *req,
			     const struct inlay_moq_params *params)
{
	struct sim_source *src = inlay_moq_request_user(req);

	if (src && params->present & INLAY_MOQ_HAS_FORWARD)
		src->forward = params->forward;
	inlay_moq_request_update_ok(req, NULL);
}

void sim_publisher_on_ok(struct sim_source *src, struct inlay_moq_request *req,
			 const struct inlay_moq_request_ok *m)
{
	if (src->by_publish && req == src->announced)
		serve(src, req, m->params.forward);
}

void sim_publisher_on_end(struct sim_source *src, struct inlay_moq_request *req)
{
	struct sim_client *c = src->client;

	if (req == src->serving) {
		src->serving = NULL;
		src->in_group = src->retiring = false;
		sim_trace(c->sim, "client %d serves %s no more", c->index, src->track->text);
	}
	if (req != src->announced)
		return;
	src->announced = NULL;
	if (!c->sim->calm)
		src->retry = c->sim->now + RETRY;
}

/* --- Objects --------------------------------------------------------------------------------- */

/* It is through, one way or the other. */
static void forget(struct sim_stream *st)
{
	st->out = NULL;
	if (st->source->open[st->subgroup] == st)
		st->source->open[st->subgroup] = NULL;
	if (st->source->client->sim->plan.forgetful)
		sim_stream_free(st);
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
		sim_trace(st->source->client->sim,
			  "client %d: %s/%llu/%llu ends in state %d, code 0x%llx",
			  st->source->client->index, st->source->track->text,
			  (unsigned long long)st->group, (unsigned long long)st->subgroup,
			  st->state, (unsigned long long)code);
	forget(st);
}

static void reset(struct sim_stream *st)
{
	inlay_moq_outgoing_reset(st->out, INLAY_MOQ_RESET_CANCELLED);
	st->state = SIM_STREAM_RESET;
	sim_trace(st->source->client->sim, "client %d resets %s/%llu/%llu",
		  st->source->client->index, st->source->track->text, (unsigned long long)st->group,
		  (unsigned long long)st->subgroup);
	forget(st);
}

/* The oldest of this life that is not through. */
static struct sim_stream *oldest(struct sim_client *c)
{
	struct sim *s = c->sim;
	struct sim_stream *found = NULL, *st;

	for (__u32 i = 0; i < s->plan.n_tracks; i++)
		for (st = s->tracks[i].streams; st; st = st->next)
			if (st->out && st->source->client == c)
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

static void open_stream(struct sim_source *src, __u64 subgroup)
{
	const struct sim_track *t = src->track;
	struct inlay_moq_subgroup header = {
		.group = src->group,
		.subgroup = subgroup,
		.id_mode = subgroup == 0    ? INLAY_MOQ_SUBGROUP_ZERO
			   : src->group & 1 ? INLAY_MOQ_SUBGROUP_FIRST_OBJECT
					    : INLAY_MOQ_SUBGROUP_PRESENT,
		.priority = (__u8)(100 + subgroup),
		.has_priority = t->index & 1,
		.has_properties = t->has_properties,
		.end_of_group = t->n_subgroups == 1,
		.first_object = true,
	};
	struct sim_stream *st = sim_stream_new(src, subgroup);
	int rv;

	if (t->has_order) {
		header.has_priority = true;
		header.priority = t->order;
	}
	rv = inlay_moq_outgoing_open(
		src->serving, &header,
		inlay_moq_priority(128, header.priority, false, src->group, subgroup), st,
		&st->out);

	if (rv == 0) {
		src->open[subgroup] = st;
		return;
	}
	st->state = SIM_STREAM_CUT;
	forget(st);
	sim_trace(src->client->sim, "%s/%llu/%llu is not opened: %s", t->text,
		  (unsigned long long)src->group, (unsigned long long)subgroup, strerror(-rv));
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
	struct sim_track *t = st->source->track;
	__u8 bytes[128];
	bool fin;
	size_t len = write_wrong(c, t, bytes, sizeof(bytes), &fin);

	if (transport->ops->stream_write(transport->ctx, st->out->stream.id, bytes, len, fin))
		return;
	sim_trace(c->sim, "client %d malforms %s/%llu/%llu", c->index, t->text,
		  (unsigned long long)st->group, (unsigned long long)st->subgroup);
	t->malformed = c->life->misbehaved = true;
	st->source->open[st->subgroup] = NULL;
}

/* --- Publishing ------------------------------------------------------------------------------ */

static void publish(struct sim_source *src)
{
	static __u8 payload[MAX_OBJECT], properties[512];
	struct sim_client *c = src->client;
	const struct sim_track *t = src->track;
	__u64 subgroup = src->object % t->n_subgroups;
	struct inlay_moq_object object = {
		.id = src->object, .payload_len = sim_object_len(t, src->group, src->object)};
	struct sim_stream *st;
	int rv;

	if (is_full(c)) {
		if (!c->sim->plan.ample)
			sim_publisher_reset(c);
		return;
	}
	if (src->object < t->n_subgroups)
		open_stream(src, subgroup);
	st = src->open[subgroup];
	if (!st)
		return;
	if (t->malforms && st->n_objects > 0 && sim_chance(&c->rng, 3)) {
		malform(c, st);
		return;
	}
	object.properties = properties;
	object.properties_len =
		sim_object_properties(t, src->group, src->object, properties, sizeof(properties));
	rv = inlay_moq_outgoing_object(st->out, &object);
	if (rv == 0)
		sim_source_publish(src, st);
	sim_object_fill(t, src->group, src->object, payload, object.payload_len);
	if (rv == 0 && object.payload_len > 0)
		rv = inlay_moq_outgoing_payload(st->out, payload, object.payload_len);
	if (rv) /* the relay has stopped it, and on_outgoing_end() follows; or the session ends */
		src->open[subgroup] = NULL;
}

static void publish_datagram(struct sim_source *src)
{
	const struct inlay_datagram_order order = {
		.priority = 1ULL << 63, .deadline = src->client->sim->now + 200 * INLAY_MS};
	struct inlay_moq_datagram d = {.group = src->group, .object = src->object};
	const struct sim_track *t = src->track;
	__u8 payload[1024];

	d.payload = (struct inlay_moq_bytes){payload, sim_object_len(t, src->group, src->object)};
	sim_object_fill(t, src->group, src->object, payload, d.payload.len);
	if (inlay_moq_request_datagram(src->serving, &d, &order) == 0)
		sim_source_publish(src, NULL);
}

static void end_group(struct sim_source *src)
{
	for (__u32 i = 0; i < INLAY_ARRAY_SIZE(src->open); i++) {
		struct sim_stream *st = src->open[i];

		src->open[i] = NULL;
		if (!st || !st->out || inlay_moq_outgoing_finish(st->out))
			continue;
		st->state = SIM_STREAM_FINISHED;
		st->fin = true;
	}
	src->in_group = false;
}

/* One by PUBLISH is announced again a little later. */
static void end_service(struct sim_source *src)
{
	struct inlay_moq_request *req = src->serving;

	inlay_moq_request_publish_done(req, INLAY_MOQ_DONE_TRACK_ENDED, "");
	if (src->announced == req)
		src->announced = NULL;
	src->serving = NULL;
	src->retiring = false;
	if (!src->announced && !src->client->sim->calm)
		src->retry = src->client->sim->now + RETRY;
}

void sim_publisher_retire(struct sim_client *c)
{
	struct sim *s = c->sim;

	for (__u32 i = 0; i < s->plan.n_tracks; i++) {
		struct sim_source *src = sim_track_source(&s->tracks[i], c);

		if (!src || s->tracks[i].n_sources == 1 || !src->serving)
			continue;
		sim_trace(s, "client %d ends %s soon", c->index, src->track->text);
		src->retiring = true;
	}
}

static void produce(struct sim_source *src)
{
	const struct sim_track *t = src->track;
	bool wanted = src->serving && src->forward;

	if (src->object == t->group_objects) {
		end_group(src);
		src->group++;
		src->object = 0;
		if (src->retiring)
			end_service(src);
		wanted = src->serving && src->forward;
	}
	if (src->object == 0)
		src->in_group =
			wanted && !(src->omits && sim_chance(&src->client->rng, src->omits));
	if (src->in_group && wanted && t->datagrams)
		publish_datagram(src);
	else if (src->in_group && wanted)
		publish(src);
	src->object++;
}

void sim_publisher_finish(struct sim_client *c, bool done)
{
	struct sim *s = c->sim;

	for (__u32 i = 0; i < s->plan.n_tracks; i++) {
		struct sim_source *src = sim_track_source(&s->tracks[i], c);

		if (!src)
			continue;
		end_group(src);
		src->due = src->retry = INLAY_NEVER;
		if (done && src->serving && c->state == SIM_CLIENT_UP)
			end_service(src);
	}
	c->node.touched = c->foreign_touched = true;
}

inlay_ns sim_publisher_deadline(const struct sim_client *c)
{
	struct sim *s = c->sim;
	inlay_ns at = INLAY_NEVER;

	for (__u32 i = 0; i < s->plan.n_tracks; i++) {
		const struct sim_source *src = sim_track_source(&s->tracks[i], c);

		if (!src)
			continue;
		at = src->due < at ? src->due : at;
		at = src->retry < at ? src->retry : at;
	}
	return at;
}

/* Time went on while it was away. */
static inlay_ns next_due(struct sim_source *src)
{
	struct sim_client *c = src->client;
	inlay_ns now = c->sim->now;

	if (src->track->n_sources == 1)
		return now + src->track->interval;
	src->on_time += src->track->interval;
	if (src->on_time + INLAY_S < now)
		src->on_time = now;
	return src->on_time + (src->jitter ? seeded_below(&c->rng, src->jitter) : 0);
}

void sim_publisher_turn(struct sim_client *c)
{
	struct sim *s = c->sim;

	for (__u32 i = 0; i < s->plan.n_tracks; i++) {
		struct sim_source *src = sim_track_source(&s->tracks[i], c);

		if (!src)
			continue;
		if (src->retry <= s->now)
			announce(src);
		if (src->due > s->now)
			continue;
		produce(src);
		src->due = next_due(src);
	}
}
