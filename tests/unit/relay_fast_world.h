/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * relay_world.h with a forwarder: the native one, over a shared state, looks at every piece that a
 * client's link is about to deliver to the relay, as a clear packet, and its copies arrive at once.
 */
#ifndef INLAY_TEST_RELAY_FAST_WORLD_H
#define INLAY_TEST_RELAY_FAST_WORLD_H

#include "forwarder.h"
#include "inlay_quic_write.h"
#include "relay_world.h"
#include "view.h"

#define FAST_CONTEXT  0
#define OTHER_CONTEXT 1

struct fast_world {
	struct world *w;
	struct inlay_state *state;
	const struct inlay_tables *tables;
	struct inlay_forwarder forwarder;
	struct inlay_moq_shared shared[WORLD_CLIENTS];
	__u64 next_pn[WORLD_CLIENTS];
	bool blind; /* packets pass the forwarder by */
	__u64 copies;
};

static inline struct client *client_of_sa(struct fast_world *f, __u32 sa)
{
	assert_true(sa < (__u32)f->w->n);
	return &f->w->clients[sa];
}

/* A copy arrives. */
static inline void on_copy(void *user, const struct inlay_copy *copy)
{
	struct fast_world *f = user;
	struct client *to = client_of_sa(f, copy->sa);
	struct inlay_quic_frame frame;
	struct inlay_cursor c;
	__u8 data[INLAY_FRAME_MAX];
	size_t head = copy->head_len - copy->quic_len;

	memcpy(data, copy->head + copy->quic_len, head);
	memcpy(data + head, copy->payload, copy->payload_len);
	c = inlay_cursor_of(data, head + copy->payload_len);
	assert_int_equal(inlay_quic_frame_parse(&c, &frame), INLAY_QUIC_NO_ERROR);
	assert_int_equal(inlay_cursor_left(&c), 0);
	f->copies++;
	if (frame.type == INLAY_QUIC_DATAGRAM)
		inlay_moq_session_on_datagram(to->moq, frame.bytes.data, frame.bytes.len,
					      f->w->now);
	else
		link_forwarded(to->link, frame.stream.id >> 2, frame.stream.offset,
			       frame.stream.data, frame.stream.len, frame.stream.fin);
}

static inline void look(void *user, struct link_end *to, __u64 id, __u64 offset, const __u8 *data,
			size_t len, bool fin)
{
	struct fast_world *f = user;
	const struct inlay_cid cid = {.len = INLAY_OWN_CID};
	__u32 i = (__u32)(to->shared - f->shared);
	__u8 packet[INLAY_FRAME_MAX];
	struct inlay_writer w = inlay_writer_of(packet, sizeof(packet));
	const struct inlay_quic_stream stream = {
		.id = id, .offset = offset, .data = data, .len = len, .fin = fin, .has_len = true};

	to->packet = to->largest = f->next_pn[i]++;
	assert_true(inlay_quic_put_short(&w, &cid, to->packet, 4));
	if (id == ~0ULL)
		assert_true(inlay_quic_put_datagram(&w, data, len, true));
	else
		assert_true(inlay_quic_put_stream(&w, &stream));
	assert_true(inlay_quic_put_desc(&w, i, 1, 0, 1 + INLAY_OWN_CID + 4, to->packet));
	if (!f->blind)
		inlay_forwarder_run(&f->forwarder, packet, inlay_writer_len(&w), f->w->now);
}

/* The connection's entry, without limits. */
static inline void set_up_subscriber(struct fast_world *f, __u32 i)
{
	struct inlay_subscriber *s;
	struct inlay_headers *h;
	__u32 index;

	assert_int_equal(inlay_state_subscriber_get(f->state, &index), 0);
	s = inlay_state_subscriber(f->state, index);
	s->sa = i;
	s->sa_generation = 1;
	s->log_mask = 2048 - 1; /* the default of the state */
	s->initiator = 1;
	s->pn_limit = s->flow_limit = s->initial_stream_limit = 1ULL << 60;
	s->stream_limit = 1000;
	s->max_datagram = 1200;
	s->path_mtu = 1472;
	for (int k = 0; k < INLAY_CLASSES; k++)
		s->class_limit[k] = 1ULL << 60;
	h = &s->headers[0];
	h->quic_len = 1 + INLAY_OWN_CID + 4;
	h->bytes[0] = 0x43;
	f->shared[i] = (struct inlay_moq_shared){.subscriber = index,
						 .generation = s->generation,
						 .rx_sa = i,
						 .rx_sa_generation = 1};
}

static inline struct inlay_subscriber *subscriber_of(struct fast_world *f, int client)
{
	return inlay_state_subscriber(f->state, f->shared[client].subscriber);
}

/* Our end opens streams by the entry that it shares. */
static inline struct client *fast_client(struct fast_world *f)
{
	__u32 i = (__u32)f->w->n;
	struct client *c = world_client(f->w);

	set_up_subscriber(f, i);
	c->link->ends[1].shared = &f->shared[i];
	subscriber_of(f, (int)i)->next_stream = c->link->ends[1].next_stream[1];
	c->link->ends[1].shared_next = &subscriber_of(f, (int)i)->next_stream;
	c->link->look = look;
	c->link->look_user = f;
	return c;
}

/* |relay|: what else its configuration is to be. */
static inline struct fast_world *fast_new_with(const struct inlay_relay_config *relay)
{
	static const struct inlay_state_config small = {.subscribers = 16, .slots = 16};
	struct fast_world *f = calloc(1, sizeof(*f));
	struct inlay_relay_config config = *relay;

	assert_int_equal(inlay_state_new(&small, &f->state), 0);
	f->tables = inlay_state_tables(f->state);
	f->forwarder = (struct inlay_forwarder){.tables = f->tables, .emit = on_copy, .user = f};
	config.state = f->state;
	f->w = world_new(&config);
	return f;
}

static inline struct fast_world *fast_new(void)
{
	static const struct inlay_relay_config nothing;

	return fast_new_with(&nothing);
}

static inline void fast_free(struct fast_world *f)
{
	world_free(f->w);
	inlay_state_free(f->state);
	free(f);
}

/* A publisher, client 0, and subscribers that are fast. */
static inline struct fast_world *fast_populate(struct fast_world *f, int subscribers)
{
	client_announce(fast_client(f));
	world_run(f->w);
	for (int i = 1; i <= subscribers; i++)
		client_subscribe(fast_client(f), "video", NULL);
	world_run(f->w);
	world_wait(f->w, 10 * INLAY_MS);
	return f;
}

static inline struct fast_world *fast_start(int subscribers)
{
	return fast_populate(fast_new(), subscribers);
}

/* --- what the relay says ---------------------------------------------------------------------- */

struct wanted_view {
	const struct client *client;
	bool found;
	struct inlay_relay_subscription_view view;
};

static inline void take_view(void *user, const struct inlay_relay_subscription_view *v)
{
	struct wanted_view *wanted = user;

	if (v->session != wanted->client)
		return;
	wanted->found = true;
	wanted->view = *v;
}

static inline bool look_at_track(void *user, const struct inlay_relay_track_view *v)
{
	inlay_relay_for_each_subscription(v->track, take_view, user);
	return true;
}

static inline struct inlay_relay_subscription_view view_of(const struct client *c)
{
	struct wanted_view wanted = {.client = c};

	inlay_relay_for_each_track(c->world->relay, look_at_track, &wanted);
	assert_true(wanted.found);
	return wanted.view;
}

/* The first client publishes one. */
static inline void fast_datagram(struct fast_world *f, __u64 group, __u64 object)
{
	__u8 payload[32];
	const struct inlay_moq_datagram d = {
		.group = group, .object = object, .payload = {payload, sizeof(payload)}};

	for (size_t i = 0; i < sizeof(payload); i++)
		payload[i] = object_byte(group, 0, object, i);
	assert_int_equal(inlay_moq_request_datagram(f->w->clients[0].publishing, &d, NULL), 0);
	world_run(f->w);
}

/* Nothing of the shared state is in use for tracks. */
static inline void assert_no_entries(struct fast_world *f)
{
	struct inlay_relay_stats s = stats_of(f->w);

	inlay_state_reclaim(f->state);
	assert_int_equal(s.positions_now, 0);
	assert_int_equal(s.slots_now, 0);
	for (__u32 i = 0; i < f->tables->n_slots; i++)
		assert_int_equal(f->tables->slots[i].state, INLAY_SLOT_FREE);
	for (__u32 i = 0; i < f->tables->n_sas; i++)
		assert_int_equal(f->tables->sas[i].upstream, 0);
}

#endif
