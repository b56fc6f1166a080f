/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A relay with its clients, each over a link of its own. What an object holds follows from its
 * name, so a subscriber checks every byte by itself; it keeps a list of what it received.
 */
#ifndef INLAY_TEST_RELAY_WORLD_H
#define INLAY_TEST_RELAY_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "moq_link.h"
#include "relay.h"

#define WORLD_CLIENTS 8

struct got {
	__u64 group, subgroup, object;
	__u64 len;
	bool complete;
};

/* An incoming stream of a subscriber. */
struct rx {
	struct client *client;
	struct inlay_moq_subgroup header;
	__u64 objects;
	__u64 last;
	__u64 offset; /* in the payload of the current object */
	bool ended;
	enum inlay_moq_end end;
	__u64 code;
};

struct client {
	struct world *world;
	struct link *link;
	struct inlay_moq_session *moq;
	struct inlay_relay_session *rs;
	bool closed;
	struct inlay_moq_closed why;

	/* As publisher. */
	struct inlay_moq_request *publishing; /* SUBSCRIBE of the relay, or PUBLISH of ours */
	struct inlay_moq_request *announced;
	bool forward;
	int asked; /* SUBSCRIBEs of the relay so far */
	int left;  /* those that the relay ended */
	bool has_largest;
	struct inlay_moq_location largest;
	const struct inlay_moq_track_properties *properties;
	bool mute;			      /* does not answer SUBSCRIBE */
	__u64 refuse;			      /* REQUEST_ERROR with this code + 1 */
	struct inlay_moq_params asked_params; /* of the last SUBSCRIBE */
	bool mute_status;		      /* the same for TRACK_STATUS */
	__u64 refuse_status;
	struct inlay_moq_request *unanswered;

	/* As subscriber. */
	struct inlay_moq_request *subscription;
	bool ok;
	struct inlay_moq_subscribe_ok answer;
	__u8 properties_copy[256];
	size_t properties_len;
	bool ended, done;
	enum inlay_moq_end end;
	__u64 end_code;
	__u64 done_status, done_streams;
	bool status_ok;
	struct inlay_moq_params status;
	int updates, namespaces;
	struct got *got;
	size_t n_got, room;
	struct rx *rx[4096];
	size_t n_rx;
	__u64 datagrams;
	__u64 last_datagram;
};

struct world {
	struct inlay_relay *relay;
	struct client clients[WORLD_CLIENTS];
	int n;
	inlay_ns now;
	__u64 rng;
	__u64 object_bytes; /* 0: of various sizes */
	bool open_groups;   /* streams do not say that they end their group */
};

/* --- what objects hold ----------------------------------------------------------------------- */

static inline __u64 world_mix(__u64 a, __u64 b, __u64 c)
{
	__u64 h = (a * 1000003 + b) * 1000003 + c + 1;

	h ^= h >> 29;
	h *= 0xbf58476d1ce4e5b9ULL;
	return h ^ h >> 32;
}

static inline __u64 object_len(const struct world *w, __u64 group, __u64 subgroup, __u64 object)
{
	__u64 h = world_mix(group, subgroup, object);

	if (w->object_bytes > 0)
		return w->object_bytes;
	return h % 5 == 0 ? 0 : h % 7 == 0 ? 20000 + h % 1000 : h % 900;
}

static inline __u8 object_byte(__u64 group, __u64 subgroup, __u64 object, __u64 at)
{
	return (__u8)(world_mix(group, subgroup, object) + at * 31);
}

/* --- subscriber ------------------------------------------------------------------------------ */

static inline void on_subgroup(void *user, struct inlay_moq_request *req,
			       struct inlay_moq_incoming *in,
			       const struct inlay_moq_subgroup *header)
{
	struct client *c = user;
	struct rx *rx = calloc(1, sizeof(*rx));

	assert_ptr_equal(req, c->subscription);
	assert_true(c->ok);
	rx->client = c;
	rx->header = *header;
	assert_true(c->n_rx < INLAY_ARRAY_SIZE(c->rx));
	c->rx[c->n_rx++] = rx;
	inlay_moq_incoming_set_user(in, rx);
}

static inline void on_object(void *user, struct inlay_moq_incoming *in,
			     const struct inlay_moq_object *object, const __u8 *header, size_t len)
{
	struct client *c = user;
	struct rx *rx = inlay_moq_incoming_user(in);

	if (rx->objects > 0)
		assert_true(object->id > rx->last);
	assert_true(object->status == INLAY_MOQ_STATUS_NORMAL);
	assert_int_equal(object->payload_len,
			 object_len(c->world, rx->header.group, rx->header.subgroup, object->id));
	rx->objects++;
	rx->last = object->id;
	rx->offset = 0;
	if (c->n_got == c->room) {
		c->room = c->room == 0 ? 64 : c->room * 2;
		c->got = realloc(c->got, c->room * sizeof(*c->got));
	}
	c->got[c->n_got++] = (struct got){rx->header.group, rx->header.subgroup, object->id,
					  object->payload_len, object->payload_len == 0};
}

static inline void on_payload(void *user, struct inlay_moq_incoming *in, const __u8 *data,
			      size_t len, bool end)
{
	struct client *c = user;
	struct rx *rx = inlay_moq_incoming_user(in);

	for (size_t i = 0; i < len; i++)
		assert_int_equal(data[i], object_byte(rx->header.group, rx->header.subgroup,
						      rx->last, rx->offset + i));
	rx->offset += len;
	for (size_t i = c->n_got; end && i > 0; i--) {
		struct got *g = &c->got[i - 1];

		if (g->group == rx->header.group && g->subgroup == rx->header.subgroup &&
		    g->object == rx->last) {
			g->complete = true;
			return;
		}
	}
}

static inline void on_subgroup_end(void *user, struct inlay_moq_incoming *in,
				   enum inlay_moq_end end, __u64 code)
{
	struct rx *rx = inlay_moq_incoming_user(in);

	rx->ended = true;
	rx->end = end;
	rx->code = code;
}

static inline void on_subscribe_ok(void *user, struct inlay_moq_request *req,
				   const struct inlay_moq_subscribe_ok *m)
{
	struct client *c = user;

	assert_ptr_equal(req, c->subscription);
	assert_false(c->ok);
	c->ok = true;
	c->answer = *m;
	c->properties_len = m->properties.bytes.len;
	memcpy(c->properties_copy, m->properties.bytes.data, c->properties_len);
}

static inline void on_request_ok(void *user, struct inlay_moq_request *req,
				 const struct inlay_moq_request_ok *m)
{
	struct client *c = user;

	if (inlay_moq_request_type(req) == INLAY_MOQ_MSG_TRACK_STATUS) {
		c->status_ok = true;
		c->status = m->params;
	} else if (inlay_moq_request_type(req) == INLAY_MOQ_MSG_PUBLISH) {
		c->forward = m->params.forward;
	}
}

static inline void on_update_answer(void *user, struct inlay_moq_request *req,
				    const struct inlay_moq_request_ok *ok,
				    const struct inlay_moq_request_error *error)
{
	struct client *c = user;

	assert_non_null(ok);
	c->updates++;
}

static inline void on_publish_done(void *user, struct inlay_moq_request *req,
				   const struct inlay_moq_publish_done *m)
{
	struct client *c = user;

	c->done = true;
	c->done_status = m->status;
	c->done_streams = m->streams;
}

static inline void on_namespace(void *user, struct inlay_moq_request *req,
				const struct inlay_moq_namespace *suffix, bool done)
{
	struct client *c = user;

	c->namespaces += done ? -1 : 1;
}

static inline void on_datagram(void *user, struct inlay_moq_request *req,
			       const struct inlay_moq_datagram *d)
{
	struct client *c = user;

	assert_ptr_equal(req, c->subscription);
	for (size_t i = 0; i < d->payload.len; i++)
		assert_int_equal(d->payload.data[i], object_byte(d->group, 0, d->object, i));
	c->datagrams++;
	c->last_datagram = d->object;
}

/* --- publisher ------------------------------------------------------------------------------- */

static inline void on_subscribe(void *user, struct inlay_moq_request *req,
				const struct inlay_moq_subscribe *m)
{
	struct client *c = user;
	struct inlay_moq_params params = {0};

	c->asked++;
	c->asked_params = m->params;
	if (c->refuse > 0) {
		assert_int_equal(inlay_moq_request_error(req, c->refuse - 1, 0, "no"), 0);
		return;
	}
	if (c->mute) {
		c->unanswered = req;
		return;
	}
	assert_null(c->publishing);
	if (c->has_largest) {
		params.present = INLAY_MOQ_HAS_LARGEST_OBJECT;
		params.largest_object = c->largest;
	}
	assert_int_equal(
		inlay_moq_request_subscribe_ok(
			req, &params, c->properties != NULL ? &c->properties->bytes : NULL),
		0);
	c->publishing = req;
	c->forward = true;
}

static inline void on_track_status(void *user, struct inlay_moq_request *req,
				   const struct inlay_moq_subscribe *m)
{
	struct client *c = user;
	struct inlay_moq_params params = {0};

	if (c->mute_status)
		return;
	if (c->refuse_status > 0) {
		assert_int_equal(inlay_moq_request_error(req, c->refuse_status - 1, 0, "no"), 0);
		return;
	}
	if (c->has_largest) {
		params.present = INLAY_MOQ_HAS_LARGEST_OBJECT;
		params.largest_object = c->largest;
	}
	assert_int_equal(inlay_moq_request_ok(req, &params, NULL), 0);
}

/* Answers the SUBSCRIBE that came while it was mute. */
static inline void client_answer(struct client *c)
{
	assert_int_equal(inlay_moq_request_subscribe_ok(c->unanswered, NULL, NULL), 0);
	c->publishing = c->unanswered;
	c->unanswered = NULL;
}

static inline void on_update(void *user, struct inlay_moq_request *req,
			     const struct inlay_moq_params *params)
{
	struct client *c = user;

	if (params->present & INLAY_MOQ_HAS_FORWARD)
		c->forward = params->forward;
	assert_int_equal(inlay_moq_request_update_ok(req, NULL), 0);
}

static inline void on_outgoing_end(void *user, struct inlay_moq_outgoing *out,
				   enum inlay_moq_end end, __u64 code)
{
	bool *stopped = inlay_moq_outgoing_user(out);

	if (stopped != NULL && end == INLAY_MOQ_END_CANCELLED)
		*stopped = true;
}

/* --- both ------------------------------------------------------------------------------------ */

static inline void on_request_end(void *user, struct inlay_moq_request *req, enum inlay_moq_end end,
				  __u64 code, const struct inlay_moq_request_error *error)
{
	struct client *c = user;

	if (req == c->subscription) {
		c->subscription = NULL;
		c->ended = true;
		c->end = end;
		c->end_code = code;
	} else if (req == c->publishing) {
		c->publishing = NULL;
		c->left++;
	} else if (req == c->unanswered) {
		c->unanswered = NULL;
	} else if (req == c->announced) {
		c->announced = NULL;
	} else if (inlay_moq_request_type(req) == INLAY_MOQ_MSG_TRACK_STATUS && error != NULL) {
		c->end_code = code;
	}
}

static inline void on_closed(void *user, const struct inlay_moq_closed *why)
{
	struct client *c = user;

	c->closed = true;
	c->why = *why;
}

static const struct inlay_moq_session_ops world_ops = {
	.on_closed = on_closed,
	.on_subscribe = on_subscribe,
	.on_track_status = on_track_status,
	.on_update = on_update,
	.on_subscribe_ok = on_subscribe_ok,
	.on_request_ok = on_request_ok,
	.on_update_answer = on_update_answer,
	.on_namespace = on_namespace,
	.on_publish_done = on_publish_done,
	.on_request_end = on_request_end,
	.on_subgroup = on_subgroup,
	.on_object = on_object,
	.on_payload = on_payload,
	.on_subgroup_end = on_subgroup_end,
	.on_datagram = on_datagram,
	.on_outgoing_end = on_outgoing_end,
};

/* Bytes out in any order until nothing moves. */
static inline void world_run(struct world *w)
{
	bool moved = true;

	while (moved) {
		moved = false;
		for (int i = 0; i < w->n; i++) {
			if (w->clients[i].link == NULL)
				continue;
			w->clients[i].link->now = w->now;
			moved = link_step(w->clients[i].link) || moved;
		}
	}
}

/* Time passes, in steps that no timer is missed by. */
static inline void world_wait(struct world *w, inlay_ns duration)
{
	inlay_ns until = w->now + duration;

	while (w->now < until) {
		inlay_ns next = inlay_relay_deadline(w->relay);

		for (int i = 0; i < w->n; i++) {
			struct client *c = &w->clients[i];
			inlay_ns a, b;

			if (c->link == NULL)
				continue;
			a = inlay_moq_session_deadline(c->moq);
			b = inlay_moq_session_deadline(inlay_relay_session_moq(c->rs));
			next = a < next ? a : next;
			next = b < next ? b : next;
		}
		next = next > w->now ? next : w->now + 1;
		w->now = next < until ? next : until;
		for (int i = 0; i < w->n; i++) {
			struct client *c = &w->clients[i];

			if (c->link == NULL)
				continue;
			inlay_moq_session_on_timer(c->moq, w->now);
			inlay_moq_session_on_timer(inlay_relay_session_moq(c->rs), w->now);
		}
		inlay_relay_on_timer(w->relay, w->now);
		world_run(w);
	}
}

static inline struct world *world_new(const struct inlay_relay_config *config)
{
	static const struct inlay_relay_config nothing;
	struct world *w = calloc(1, sizeof(*w));

	w->relay = inlay_relay_new(config != NULL ? config : &nothing);
	w->now = 1000 * INLAY_S;
	w->rng = 1;
	return w;
}

static inline struct client *world_client(struct world *w)
{
	struct client *c = &w->clients[w->n];
	struct inlay_moq_session_config config = {.ops = &world_ops, .user = c};

	assert_true(w->n < WORLD_CLIENTS);
	c->world = w;
	c->link = link_new((__u64)w->n + w->rng);
	c->link->now = w->now;
	config.transport = link_transport(c->link, 0);
	c->moq = inlay_moq_session_new(&config);
	config.transport = link_transport(c->link, 1);
	c->rs = inlay_relay_session_new(w->relay, &config, c);
	c->link->ends[0].session = c->moq;
	c->link->ends[1].session = inlay_relay_session_moq(c->rs);
	assert_int_equal(inlay_moq_session_start(c->moq, w->now), 0);
	assert_int_equal(inlay_moq_session_start(c->link->ends[1].session, w->now), 0);
	w->n++;
	world_run(w);
	return c;
}

/* The connection dies, as the relay sees it. */
static inline void client_kill(struct client *c)
{
	link_close(&c->link->ends[0], 0, "");
	link_run(c->link);
	assert_true(c->closed);
	c->publishing = c->announced = c->subscription = NULL;
}

/* And is gone with all that it had. */
static inline void client_end(struct client *c)
{
	client_kill(c);
	inlay_relay_session_free(c->rs);
	c->rs = NULL;
	inlay_moq_session_free(c->moq);
	c->moq = NULL;
	link_free(c->link);
	c->link = NULL;
}

static inline void world_free(struct world *w)
{
	for (int i = 0; i < w->n; i++) {
		struct client *c = &w->clients[i];

		inlay_moq_session_free(c->moq);
		inlay_relay_session_free(c->rs);
		link_free(c->link);
		for (size_t r = 0; r < c->n_rx; r++)
			free(c->rx[r]);
		free(c->got);
	}
	inlay_relay_free(w->relay);
	free(w);
}

static inline struct inlay_moq_name track_name(const char *track)
{
	struct inlay_moq_name name = {0};

	assert_int_equal(inlay_moq_namespace_add(&name.ns, "live", 4), 0);
	assert_int_equal(inlay_moq_namespace_add(&name.ns, "show", 4), 0);
	name.track = (struct inlay_moq_bytes){(const __u8 *)track, strlen(track)};
	return name;
}

static inline void client_announce(struct client *c)
{
	struct inlay_moq_namespace_request m = {0};

	assert_int_equal(inlay_moq_namespace_add(&m.ns, "live", 4), 0);
	assert_int_equal(inlay_moq_session_publish_namespace(c->moq, &m, NULL, &c->announced), 0);
}

static inline void client_publish(struct client *c, const char *track)
{
	struct inlay_moq_publish m = {.name = track_name(track)};

	if (c->properties != NULL)
		m.properties = *c->properties;
	assert_int_equal(inlay_moq_session_publish(c->moq, &m, NULL, &c->publishing), 0);
}

static inline void client_subscribe(struct client *c, const char *track,
				    const struct inlay_moq_params *params)
{
	struct inlay_moq_subscribe m = {.name = track_name(track)};

	if (params != NULL)
		m.params = *params;
	c->ok = c->ended = c->done = false;
	assert_int_equal(inlay_moq_session_subscribe(c->moq, &m, NULL, &c->subscription), 0);
}

static inline struct inlay_moq_params from(__u64 group, __u64 object)
{
	return (struct inlay_moq_params){
		.present = INLAY_MOQ_HAS_FILTER,
		.filter = {.type = INLAY_MOQ_FILTER_ABSOLUTE_START, .start = {group, object}},
	};
}

/* Opens a subgroup's stream. |stopped| (may be NULL) becomes true if the relay wants no more. */
static inline struct inlay_moq_outgoing *pub_open_watched(struct client *c, __u64 group,
							  __u64 subgroup, bool *stopped)
{
	struct inlay_moq_subgroup h = {
		.group = group,
		.subgroup = subgroup,
		.id_mode = subgroup == 0 ? INLAY_MOQ_SUBGROUP_ZERO : INLAY_MOQ_SUBGROUP_PRESENT,
		.has_priority = true,
		.priority = 100,
		.first_object = true,
		.end_of_group = !c->world->open_groups,
	};
	struct inlay_moq_outgoing *out;

	assert_non_null(c->publishing);
	assert_int_equal(inlay_moq_outgoing_open(c->publishing, &h,
						 inlay_moq_priority(128, 100, false, group, 0),
						 stopped, &out),
			 0);
	return out;
}

static inline struct inlay_moq_outgoing *pub_open(struct client *c, __u64 group, __u64 subgroup)
{
	return pub_open_watched(c, group, subgroup, NULL);
}

/* An object, or its first |part| bytes. */
static inline void pub_part(struct client *c, struct inlay_moq_outgoing *out, __u64 group,
			    __u64 subgroup, __u64 object, __u64 part)
{
	struct inlay_moq_object o = {.id = object,
				     .payload_len = object_len(c->world, group, subgroup, object)};
	__u8 *payload = malloc(o.payload_len + 1);

	for (__u64 i = 0; i < o.payload_len; i++)
		payload[i] = object_byte(group, subgroup, object, i);
	assert_int_equal(inlay_moq_outgoing_object(out, &o), 0);
	if (part > o.payload_len)
		part = o.payload_len;
	if (part > 0)
		assert_int_equal(inlay_moq_outgoing_payload(out, payload, part), 0);
	free(payload);
}

static inline void pub_object(struct client *c, struct inlay_moq_outgoing *out, __u64 group,
			      __u64 subgroup, __u64 object)
{
	pub_part(c, out, group, subgroup, object, ~0ULL);
}

/* A whole group of |objects| objects in one stream. */
static inline void pub_group(struct client *c, __u64 group, __u64 objects)
{
	struct inlay_moq_outgoing *out = pub_open(c, group, 0);

	for (__u64 o = 0; o < objects; o++)
		pub_object(c, out, group, 0, o);
	assert_int_equal(inlay_moq_outgoing_finish(out), 0);
}

static inline const struct got *find_got(const struct client *c, __u64 group, __u64 subgroup,
					 __u64 object)
{
	for (size_t i = 0; i < c->n_got; i++)
		if (c->got[i].group == group && c->got[i].subgroup == subgroup &&
		    c->got[i].object == object)
			return &c->got[i];
	return NULL;
}

static inline bool has_object(const struct client *c, __u64 group, __u64 object)
{
	const struct got *g = find_got(c, group, 0, object);

	return g != NULL && g->complete;
}

static inline void assert_group(const struct client *c, __u64 group, __u64 first, __u64 objects)
{
	for (__u64 o = first; o < objects; o++)
		assert_true(has_object(c, group, o));
	if (first > 0)
		assert_null(find_got(c, group, 0, first - 1));
}

static inline struct inlay_relay_stats stats_of(const struct world *w)
{
	struct inlay_relay_stats s;

	inlay_relay_stats(w->relay, &s);
	return s;
}

static inline struct inlay_moq_track_properties properties_of(const __u8 *bytes, size_t len)
{
	return (struct inlay_moq_track_properties){.bytes = {bytes, len}};
}

/* One publisher by PUBLISH_NAMESPACE and |subscribers| that are ready. */
static inline struct world *start(const struct inlay_relay_config *config, int subscribers)
{
	struct world *w = world_new(config);

	client_announce(world_client(w));
	world_run(w);
	for (int i = 1; i <= subscribers; i++)
		client_subscribe(world_client(w), "video", NULL);
	world_run(w);
	for (int i = 1; i <= subscribers; i++)
		assert_true(w->clients[i].ok);
	return w;
}

#endif
