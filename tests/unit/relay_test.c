/* SPDX-License-Identifier: BSD-2-Clause */
/* The relay between a publisher and subscribers: what each receives, what it costs, how it ends. */
#include "relay_world.h"

static struct inlay_moq_track_properties properties_of(const __u8 *bytes, size_t len)
{
	return (struct inlay_moq_track_properties){.bytes = {bytes, len}};
}

/* One publisher by PUBLISH_NAMESPACE and |subscribers| that are ready. */
static struct world *start(const struct inlay_relay_config *config, int subscribers)
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

static void one_upstream_many_subscribers(void **state)
{
	struct world *w = start(NULL, 4);

	assert_int_equal(w->clients[0].asked, 1);
	for (__u64 g = 0; g < 6; g++) {
		pub_group(&w->clients[0], g, 10);
		world_run(w);
	}
	for (int i = 1; i <= 4; i++) {
		assert_int_equal(w->clients[i].n_got, 60);
		for (__u64 g = 0; g < 6; g++)
			assert_group(&w->clients[i], g, 0, 10);
		for (size_t r = 0; r < w->clients[i].n_rx; r++) {
			assert_true(w->clients[i].rx[r]->ended);
			assert_int_equal(w->clients[i].rx[r]->end, INLAY_MOQ_END_DONE);
			assert_true(w->clients[i].rx[r]->header.first_object);
			assert_true(w->clients[i].rx[r]->header.end_of_group);
			assert_int_equal(w->clients[i].rx[r]->header.priority, 100);
		}
	}
	assert_int_equal(stats_of(w).objects_in, 60);
	assert_int_equal(stats_of(w).objects_out, 240);
	assert_int_equal(stats_of(w).streams_now, 0);
	world_free(w);
}

/* Bytes pass on before the object that they belong to is complete. */
static void partial_objects_pass(void **state)
{
	struct world *w = world_new(NULL);
	struct inlay_moq_outgoing *out;

	w->object_bytes = 5000;
	client_announce(world_client(w));
	client_subscribe(world_client(w), "video", NULL);
	world_run(w);
	out = pub_open(&w->clients[0], 3, 0);
	pub_part(&w->clients[0], out, 3, 0, 0, 1234);
	world_run(w);
	assert_int_equal(w->clients[1].n_got, 1);
	assert_false(w->clients[1].got[0].complete);
	assert_int_equal(w->clients[1].rx[0]->offset, 1234);
	world_free(w);
}

static void late_join_from_cache(void **state)
{
	struct world *w = start(NULL, 1);
	struct inlay_moq_params params = from(2, 0);
	struct inlay_moq_outgoing *out;
	struct client *late;

	for (__u64 g = 0; g < 4; g++)
		pub_group(&w->clients[0], g, 5);
	out = pub_open(&w->clients[0], 4, 0);
	pub_object(&w->clients[0], out, 4, 0, 0);
	pub_object(&w->clients[0], out, 4, 0, 1);
	world_run(w);
	late = world_client(w);
	client_subscribe(late, "video", &params);
	world_run(w);
	assert_true(late->ok);
	assert_true(late->answer.params.present & INLAY_MOQ_HAS_LARGEST_OBJECT);
	assert_int_equal(late->answer.params.largest_object.group, 4);
	assert_int_equal(late->answer.params.largest_object.object, 1);
	assert_null(find_got(late, 1, 0, 0));
	assert_group(late, 2, 0, 5);
	assert_group(late, 3, 0, 5);
	assert_group(late, 4, 0, 2);
	/* And on from there with everybody else. */
	pub_object(&w->clients[0], out, 4, 0, 2);
	assert_int_equal(inlay_moq_outgoing_finish(out), 0);
	world_run(w);
	assert_group(late, 4, 0, 3);
	assert_group(&w->clients[1], 4, 0, 3);
	assert_int_equal(w->clients[0].asked, 1);
	world_free(w);
}

/* A stream of its own header, its first object's ID absolute, FIRST_OBJECT cleared. */
static void partial_group_join(void **state)
{
	struct world *w = start(NULL, 1);
	struct inlay_moq_params params = from(7, 3);
	struct client *late;

	pub_group(&w->clients[0], 7, 6);
	world_run(w);
	late = world_client(w);
	client_subscribe(late, "video", &params);
	world_run(w);
	assert_int_equal(late->n_got, 3);
	assert_group(late, 7, 3, 6);
	assert_false(late->rx[0]->header.first_object);
	assert_int_equal(late->rx[0]->end, INLAY_MOQ_END_DONE);
	world_free(w);
}

static void filters_relative_to_largest(void **state)
{
	struct world *w = start(NULL, 1);
	struct inlay_moq_params largest = {.present = INLAY_MOQ_HAS_FILTER,
					   .filter = {.type = INLAY_MOQ_FILTER_LARGEST_OBJECT}};
	struct inlay_moq_params next = {.present = INLAY_MOQ_HAS_FILTER,
					.filter = {.type = INLAY_MOQ_FILTER_NEXT_GROUP}};
	struct inlay_moq_outgoing *out = pub_open(&w->clients[0], 5, 0);
	struct client *a, *b;

	pub_object(&w->clients[0], out, 5, 0, 0);
	pub_object(&w->clients[0], out, 5, 0, 1);
	world_run(w);
	a = world_client(w);
	client_subscribe(a, "video", &largest);
	b = world_client(w);
	client_subscribe(b, "video", &next);
	world_run(w);
	pub_object(&w->clients[0], out, 5, 0, 2);
	assert_int_equal(inlay_moq_outgoing_finish(out), 0);
	pub_group(&w->clients[0], 6, 2);
	world_run(w);
	assert_int_equal(a->n_got, 3);
	assert_group(a, 5, 2, 3);
	assert_group(a, 6, 0, 2);
	assert_int_equal(b->n_got, 2);
	assert_group(b, 6, 0, 2);
	world_free(w);
}

static void range_ends_at_its_group(void **state)
{
	struct world *w = start(NULL, 1);
	struct inlay_moq_params params = {
		.present = INLAY_MOQ_HAS_FILTER,
		.filter = {.type = INLAY_MOQ_FILTER_ABSOLUTE_RANGE,
			   .start = {1, 1},
			   .end_group = 2},
	};
	struct client *c = world_client(w);

	client_subscribe(c, "video", &params);
	world_run(w);
	for (__u64 g = 0; g < 5; g++)
		pub_group(&w->clients[0], g, 3);
	world_run(w);
	assert_int_equal(c->n_got, 5);
	assert_group(c, 1, 1, 3);
	assert_group(c, 2, 0, 3);
	world_free(w);
}

static void range_in_the_past_is_invalid(void **state)
{
	struct inlay_relay_config config = {.cache = {.max_track_groups = 2}};
	struct world *w = start(&config, 1);
	struct inlay_moq_params params = {
		.present = INLAY_MOQ_HAS_FILTER,
		.filter = {.type = INLAY_MOQ_FILTER_ABSOLUTE_RANGE,
			   .start = {0, 0},
			   .end_group = 1},
	};
	struct client *c = world_client(w);

	for (__u64 g = 0; g < 6; g++)
		pub_group(&w->clients[0], g, 3);
	world_run(w);
	client_subscribe(c, "video", &params);
	world_run(w);
	assert_true(c->ended);
	assert_int_equal(c->end_code, INLAY_MOQ_REQUEST_INVALID_RANGE);
	world_free(w);
}

static void aliases_are_each_sessions_own(void **state)
{
	struct world *w = start(NULL, 0);
	struct client *a = world_client(w), *b = world_client(w);

	/* The publisher's alias for "video" is its second one: the relay's are others. */
	client_subscribe(a, "other", NULL);
	world_run(w);
	w->clients[0].publishing = NULL;
	inlay_moq_request_cancel(a->subscription, 0);
	a->subscription = NULL;
	world_run(w);
	client_subscribe(a, "video", NULL);
	client_subscribe(b, "video", NULL);
	world_run(w);
	assert_int_equal(a->answer.alias, 1);
	assert_int_equal(b->answer.alias, 0);
	pub_group(&w->clients[0], 1, 4);
	world_run(w);
	assert_group(a, 1, 0, 4);
	assert_group(b, 1, 0, 4);
	world_free(w);
}

static void properties_pass_verbatim(void **state)
{
	/* 0x0e publisher priority 7; 0x38, of the application's range, in a long encoding. */
	static const __u8 bytes[] = {0x0e, 0x07, 0x80, 0x2a, 0xc0, 0x00, 0x05};
	struct inlay_moq_track_properties p = properties_of(bytes, sizeof(bytes));
	struct world *w = world_new(NULL);

	world_client(w)->properties = &p;
	client_announce(&w->clients[0]);
	client_subscribe(world_client(w), "video", NULL);
	world_run(w);
	assert_true(w->clients[1].ok);
	assert_int_equal(w->clients[1].properties_len, sizeof(bytes));
	assert_memory_equal(w->clients[1].properties_copy, bytes, sizeof(bytes));
	world_free(w);
}

static void mandatory_property_is_refused(void **state)
{
	static const __u8 bytes[] = {0xc0, 0x40, 0x00, 0x01}; /* type 0x4000 */
	struct inlay_moq_track_properties p = properties_of(bytes, sizeof(bytes));
	struct world *w = world_new(NULL);

	world_client(w)->properties = &p;
	client_announce(&w->clients[0]);
	client_subscribe(world_client(w), "video", NULL);
	world_run(w);
	assert_true(w->clients[1].ended);
	assert_int_equal(w->clients[1].end_code, INLAY_MOQ_REQUEST_UNSUPPORTED_EXTENSION);
	assert_int_equal(w->clients[0].left, 1);
	assert_int_equal(stats_of(w).tracks_now, 0);
	world_free(w);
}

/* --- subscribers that are slow --------------------------------------------------------------- */

static void stalled_subscriber_beside_good_ones(void **state)
{
	struct inlay_relay_config config = {
		.cache = {.max_track_bytes = 400000},
		.max_streams = 8,
		.max_resets = 20,
	};
	struct world *w = start(&config, 3);
	struct client *slow = &w->clients[2];
	size_t most = 0;

	w->object_bytes = 4000;
	slow->link->ends[1].stalled = true;
	for (__u64 g = 0; g < 200; g++) {
		pub_group(&w->clients[0], g, 5);
		world_run(w);
		if (stats_of(w).cache_bytes_now > most)
			most = stats_of(w).cache_bytes_now;
		assert_true(stats_of(w).streams_now <= 8);
		assert_group(&w->clients[1], g, 0, 5);
		assert_group(&w->clients[3], g, 0, 5);
	}
	assert_true(most <= 400000 + 3 * INLAY_CACHE_CHUNK);
	assert_true(most > 300000);
	/* Named: the oldest streams first, then the subscription. */
	assert_true(slow->done || slow->link->ends[1].stalled);
	assert_int_equal(stats_of(w).ended_behind, 1);
	assert_int_equal(stats_of(w).reset_behind, 21);
	assert_int_equal(stats_of(w).subscriptions_now, 2);
	slow->link->ends[1].stalled = false;
	world_run(w);
	assert_true(slow->done);
	assert_int_equal(slow->done_status, INLAY_MOQ_DONE_TOO_FAR_BEHIND);
	assert_int_equal(stats_of(w).reset_stopped + stats_of(w).reset_upstream, 0);
	world_free(w);
}

/* Falls behind, loses the oldest streams, and goes on when it can. */
static void slow_subscriber_recovers(void **state)
{
	struct inlay_relay_config config = {.max_streams = 4};
	struct world *w = start(&config, 1);
	struct client *c = &w->clients[1];

	c->link->ends[1].stalled = true;
	for (__u64 g = 0; g < 10; g++) {
		pub_group(&w->clients[0], g, 5);
		world_run(w);
	}
	assert_int_equal(stats_of(w).reset_behind, 6);
	c->link->ends[1].stalled = false;
	world_run(w);
	for (__u64 g = 6; g < 10; g++)
		assert_group(c, g, 0, 5);
	pub_group(&w->clients[0], 10, 5);
	world_run(w);
	assert_group(c, 10, 0, 5);
	assert_false(c->ended);
	world_free(w);
}

static void eviction_resets_who_needs_it(void **state)
{
	struct inlay_relay_config config = {.cache = {.max_track_bytes = 100000}};
	struct world *w = start(&config, 2);
	struct client *c = &w->clients[2];
	__u64 resets = 0;

	w->object_bytes = 10000;
	c->link->ends[1].stalled = true;
	for (__u64 g = 0; g < 20; g++) {
		pub_group(&w->clients[0], g, 3);
		world_run(w);
	}
	c->link->ends[1].stalled = false;
	world_run(w);
	/* Those never begun show as resets in our counters, and whole groups of the newest. */
	assert_group(c, 19, 0, 3);
	resets = stats_of(w).reset_evicted;
	assert_true(resets >= 15 && resets < 20);
	for (size_t i = 0; i < c->n_rx; i++)
		if (c->rx[i]->end == INLAY_MOQ_END_CANCELLED)
			assert_int_equal(c->rx[i]->code, INLAY_MOQ_RESET_TOO_FAR_BEHIND);
	for (__u64 g = 0; g < 20; g++)
		assert_group(&w->clients[1], g, 0, 3);
	world_free(w);
}

/* One endless stream alone fills the cache: its front goes, who is near the end notices nothing. */
static void endless_stream_is_trimmed(void **state)
{
	struct inlay_relay_config config = {.cache = {.max_track_bytes = 100000}};
	struct world *w = start(&config, 1);
	struct inlay_moq_outgoing *out = pub_open(&w->clients[0], 0, 0);

	w->object_bytes = 5000;
	for (__u64 o = 0; o < 100; o++) {
		pub_object(&w->clients[0], out, 0, 0, o);
		world_run(w);
		assert_true(stats_of(w).cache_bytes_now <= 100000 + 3 * INLAY_CACHE_CHUNK);
	}
	assert_group(&w->clients[1], 0, 0, 100);
	assert_int_equal(stats_of(w).reset_evicted, 0);
	world_free(w);
}

static void max_streams_exhausted(void **state)
{
	struct inlay_relay_config config = {.max_streams = 6};
	struct world *w = start(&config, 2);
	struct client *c = &w->clients[1];

	/* Its control stream counts as one. */
	link_set_limit(c->link, 1, false, 3);
	for (__u64 g = 0; g < 4; g++)
		pub_group(&w->clients[0], g, 3);
	world_run(w);
	assert_int_equal(c->n_rx, 2);
	link_set_limit(c->link, 1, false, 1000);
	world_run(w);
	for (__u64 g = 0; g < 4; g++)
		assert_group(c, g, 0, 3);
	/* What waits is bounded; what is given up is counted. */
	link_set_limit(c->link, 1, false, 5);
	for (__u64 g = 4; g < 24; g++) {
		pub_group(&w->clients[0], g, 3);
		world_run(w);
	}
	assert_int_equal(stats_of(w).reset_behind, 14);
	link_set_limit(c->link, 1, false, 1000);
	world_run(w);
	for (__u64 g = 18; g < 24; g++)
		assert_group(c, g, 0, 3);
	for (__u64 g = 0; g < 24; g++)
		assert_group(&w->clients[2], g, 0, 3);
	world_free(w);
}

/* --- streams that end early ------------------------------------------------------------------ */

static void upstream_reset_is_passed_on(void **state)
{
	struct world *w = start(NULL, 2);
	struct inlay_moq_outgoing *out = pub_open(&w->clients[0], 1, 0);

	pub_object(&w->clients[0], out, 1, 0, 0);
	world_run(w);
	inlay_moq_outgoing_reset(out, INLAY_MOQ_RESET_DELIVERY_TIMEOUT);
	world_run(w);
	pub_group(&w->clients[0], 2, 2);
	world_run(w);
	for (int i = 1; i <= 2; i++) {
		assert_int_equal(w->clients[i].rx[0]->end, INLAY_MOQ_END_CANCELLED);
		assert_int_equal(w->clients[i].rx[0]->code, INLAY_MOQ_RESET_DELIVERY_TIMEOUT);
		assert_group(&w->clients[i], 2, 0, 2);
	}
	assert_int_equal(stats_of(w).reset_upstream, 2);
	world_free(w);
}

/* The publisher's session ends with the draft's code; subscribers see a reset, and nothing of it.
 */
static void malformed_object_stays_upstream(void **state)
{
	static const __u8 bad[] = {0x00, 0x00, 0x07}; /* no payload, status 7 */
	struct inlay_relay_config config = {.grace = 3 * INLAY_S};
	struct world *w = start(&config, 2);
	struct client *p = &w->clients[0];
	struct inlay_moq_outgoing *out = pub_open(p, 1, 0);
	__u64 id = (p->link->ends[0].next_stream[1] - 1) << 2 | 2;

	pub_object(p, out, 1, 0, 0);
	world_run(w);
	assert_int_equal(link_write(&p->link->ends[0], id, bad, sizeof(bad), false), 0);
	world_run(w);
	assert_true(p->closed);
	assert_int_equal(p->why.code, INLAY_MOQ_SESSION_PROTOCOL_VIOLATION);
	for (int i = 1; i <= 2; i++) {
		assert_false(w->clients[i].closed);
		assert_int_equal(w->clients[i].n_got, 1);
		assert_true(has_object(&w->clients[i], 1, 0));
		assert_int_equal(w->clients[i].rx[0]->end, INLAY_MOQ_END_CANCELLED);
		assert_false(w->clients[i].ended);
	}
	world_wait(w, 4 * INLAY_S);
	for (int i = 1; i <= 2; i++) {
		assert_true(w->clients[i].done);
		assert_int_equal(w->clients[i].done_status, INLAY_MOQ_DONE_TRACK_ENDED);
	}
	assert_int_equal(stats_of(w).tracks_now, 0);
	world_free(w);
}

/* The same subgroup with another priority (section 2.4.2). */
static void malformed_track_ends_subscriptions(void **state)
{
	struct world *w = start(NULL, 2);
	struct inlay_moq_subgroup h = {.group = 1, .has_priority = true, .priority = 3};
	struct inlay_moq_outgoing *a = pub_open(&w->clients[0], 1, 0), *b;

	pub_object(&w->clients[0], a, 1, 0, 0);
	assert_int_equal(
		inlay_moq_outgoing_open(w->clients[0].publishing, &h, 1ULL << 63, NULL, &b), 0);
	pub_object(&w->clients[0], b, 1, 0, 1);
	world_run(w);
	assert_int_equal(stats_of(w).malformed_tracks, 1);
	assert_false(w->clients[0].closed);
	assert_null(w->clients[0].publishing);
	for (int i = 1; i <= 2; i++) {
		assert_true(w->clients[i].done);
		assert_int_equal(w->clients[i].done_status, INLAY_MOQ_DONE_MALFORMED_TRACK);
	}
	world_free(w);
}

static void unsubscribe_mid_stream(void **state)
{
	struct inlay_relay_config config = {.linger = INLAY_S};
	struct world *w = start(&config, 2);
	struct inlay_moq_outgoing *out = pub_open(&w->clients[0], 1, 0);

	pub_object(&w->clients[0], out, 1, 0, 0);
	world_run(w);
	inlay_moq_request_cancel(w->clients[1].subscription, INLAY_MOQ_RESET_CANCELLED);
	w->clients[1].subscription = NULL;
	world_run(w);
	assert_int_equal(stats_of(w).subscriptions_now, 1);
	assert_true(w->clients[1].rx[0]->ended);
	pub_object(&w->clients[0], out, 1, 0, 1);
	assert_int_equal(inlay_moq_outgoing_finish(out), 0);
	world_run(w);
	assert_group(&w->clients[2], 1, 0, 2);
	/* The last one leaves: the publisher is told after a while. */
	inlay_moq_request_cancel(w->clients[2].subscription, INLAY_MOQ_RESET_CANCELLED);
	w->clients[2].subscription = NULL;
	world_run(w);
	assert_non_null(w->clients[0].publishing);
	world_wait(w, INLAY_S);
	assert_null(w->clients[0].publishing);
	assert_int_equal(stats_of(w).tracks_now, 0);
	assert_int_equal(stats_of(w).cache_bytes_now, 0);
	world_free(w);
}

static void subscriber_stops_one_stream(void **state)
{
	struct world *w = start(NULL, 1);
	struct client *c = &w->clients[1];
	struct inlay_moq_outgoing *out = pub_open(&w->clients[0], 1, 0);
	__u64 id;

	pub_object(&w->clients[0], out, 1, 0, 0);
	world_run(w);
	id = (c->link->ends[1].next_stream[1] - 1) << 2 | 3;
	assert_int_equal(link_stop(&c->link->ends[0], id, 1), 0);
	world_run(w);
	pub_object(&w->clients[0], out, 1, 0, 1);
	assert_int_equal(inlay_moq_outgoing_finish(out), 0);
	pub_group(&w->clients[0], 2, 2);
	world_run(w);
	assert_null(find_got(c, 1, 0, 1));
	assert_group(c, 2, 0, 2);
	assert_int_equal(stats_of(w).reset_stopped, 1);
	world_free(w);
}

/* --- timeouts -------------------------------------------------------------------------------- */

static void object_delivery_timeout(void **state)
{
	/* The publisher's 500 ms, the subscriber's 200 ms. */
	static const __u8 bytes[] = {0x02, 0x81, 0xf4};
	struct inlay_moq_track_properties p = properties_of(bytes, sizeof(bytes));
	struct inlay_moq_params params = {.present = INLAY_MOQ_HAS_OBJECT_DELIVERY_TIMEOUT,
					  .object_delivery_timeout = 200};
	struct world *w = world_new(NULL);
	struct client *a, *b;

	world_client(w)->properties = &p;
	client_announce(&w->clients[0]);
	a = world_client(w);
	client_subscribe(a, "video", &params);
	b = world_client(w);
	client_subscribe(b, "video", NULL);
	world_run(w);
	a->link->ends[1].stalled = b->link->ends[1].stalled = true;
	pub_group(&w->clients[0], 0, 3);
	world_run(w);
	world_wait(w, 199 * INLAY_MS);
	assert_int_equal(stats_of(w).reset_timeout, 0);
	world_wait(w, 2 * INLAY_MS);
	assert_int_equal(stats_of(w).reset_timeout, 1);
	world_wait(w, 300 * INLAY_MS);
	assert_int_equal(stats_of(w).reset_timeout, 2);
	a->link->ends[1].stalled = b->link->ends[1].stalled = false;
	pub_group(&w->clients[0], 1, 3);
	world_run(w);
	assert_null(find_got(a, 0, 0, 0));
	assert_group(a, 1, 0, 3);
	assert_group(b, 1, 0, 3);
	world_free(w);
}

static void subgroup_delivery_timeout(void **state)
{
	struct inlay_moq_params params = {.present = INLAY_MOQ_HAS_SUBGROUP_DELIVERY_TIMEOUT,
					  .subgroup_delivery_timeout = 100};
	struct world *w = world_new(NULL);
	struct inlay_moq_outgoing *out;
	struct client *c;

	client_announce(world_client(w));
	c = world_client(w);
	client_subscribe(c, "video", &params);
	world_run(w);
	c->link->ends[1].stalled = true;
	out = pub_open(&w->clients[0], 0, 0);
	pub_object(&w->clients[0], out, 0, 0, 0);
	world_run(w);
	world_wait(w, INLAY_S); /* it counts from the FIN */
	assert_int_equal(stats_of(w).reset_timeout, 0);
	assert_int_equal(inlay_moq_outgoing_finish(out), 0);
	world_run(w);
	world_wait(w, 99 * INLAY_MS);
	assert_int_equal(stats_of(w).reset_timeout, 0);
	world_wait(w, 2 * INLAY_MS);
	assert_int_equal(stats_of(w).reset_timeout, 1);
	world_free(w);
}

static void cached_objects_expire(void **state)
{
	static const __u8 bytes[] = {0x04, 0x81, 0x2c}; /* MAX_CACHE_DURATION 300 ms */
	struct inlay_moq_track_properties p = properties_of(bytes, sizeof(bytes));
	struct inlay_moq_params params = from(0, 0);
	struct world *w = world_new(NULL);
	struct inlay_moq_outgoing *out;
	struct client *late;

	world_client(w)->properties = &p;
	client_announce(&w->clients[0]);
	client_subscribe(world_client(w), "video", NULL);
	world_run(w);
	out = pub_open(&w->clients[0], 0, 0);
	pub_object(&w->clients[0], out, 0, 0, 0);
	world_run(w);
	world_wait(w, 200 * INLAY_MS);
	pub_object(&w->clients[0], out, 0, 0, 1);
	world_run(w);
	world_wait(w, 200 * INLAY_MS);
	late = world_client(w);
	client_subscribe(late, "video", &params);
	world_run(w);
	assert_int_equal(late->n_got, 1);
	assert_true(has_object(late, 0, 1));
	/* And are forgotten. */
	assert_int_equal(inlay_moq_outgoing_finish(out), 0);
	world_run(w);
	world_wait(w, 3 * INLAY_S);
	assert_int_equal(stats_of(w).cache_bytes_now, 0);
	world_free(w);
}

/* --- publishers that come and go ------------------------------------------------------------- */

static void publisher_restart(void **state)
{
	struct inlay_relay_config config = {.grace = 5 * INLAY_S};
	struct world *w = start(&config, 2);
	struct inlay_moq_outgoing *out;
	struct client *again;

	pub_group(&w->clients[0], 0, 3);
	out = pub_open(&w->clients[0], 1, 0);
	pub_object(&w->clients[0], out, 1, 0, 0);
	world_run(w);
	client_kill(&w->clients[0]);
	world_run(w);
	world_wait(w, 2 * INLAY_S);
	for (int i = 1; i <= 2; i++) {
		assert_false(w->clients[i].ended);
		assert_int_equal(w->clients[i].rx[1]->end, INLAY_MOQ_END_CANCELLED);
	}
	again = world_client(w);
	client_announce(again);
	world_run(w);
	assert_int_equal(again->asked, 1);
	/* What is not beyond the largest object is ignored. */
	pub_group(again, 0, 3);
	pub_group(again, 2, 3);
	pub_group(again, 3, 3);
	world_run(w);
	world_wait(w, 20 * INLAY_S);
	for (int i = 1; i <= 2; i++) {
		assert_false(w->clients[i].ended);
		assert_int_equal(w->clients[i].n_got, 3 + 1 + 6);
		assert_group(&w->clients[i], 2, 0, 3);
		assert_group(&w->clients[i], 3, 0, 3);
	}
	assert_int_equal(stats_of(w).duplicates, 1);
	world_free(w);
}

static void publisher_gone_for_good(void **state)
{
	struct inlay_relay_config config = {.grace = 5 * INLAY_S};
	struct world *w = start(&config, 1);

	pub_group(&w->clients[0], 0, 3);
	world_run(w);
	client_kill(&w->clients[0]);
	world_run(w);
	world_wait(w, 4900 * INLAY_MS);
	assert_false(w->clients[1].done);
	world_wait(w, 200 * INLAY_MS);
	assert_true(w->clients[1].done);
	assert_int_equal(w->clients[1].done_status, INLAY_MOQ_DONE_TRACK_ENDED);
	assert_int_equal(w->clients[1].done_streams, 1);
	assert_true(w->clients[1].ended);
	world_free(w);
}

static void track_ends(void **state)
{
	struct world *w = start(NULL, 2);

	pub_group(&w->clients[0], 0, 3);
	pub_group(&w->clients[0], 1, 3);
	assert_int_equal(inlay_moq_request_publish_done(w->clients[0].publishing,
							INLAY_MOQ_DONE_TRACK_ENDED, "over"),
			 0);
	w->clients[0].publishing = NULL;
	world_run(w);
	for (int i = 1; i <= 2; i++) {
		assert_int_equal(w->clients[i].n_got, 6);
		assert_true(w->clients[i].done);
		assert_int_equal(w->clients[i].done_status, INLAY_MOQ_DONE_TRACK_ENDED);
		assert_int_equal(w->clients[i].done_streams, 2);
		assert_int_equal(w->clients[i].end, INLAY_MOQ_END_DONE);
	}
	world_free(w);
}

/* A group has one author; the other publisher takes over at a group's boundary. */
static void two_publishers(void **state)
{
	struct world *w = world_new(NULL);
	struct client *a = world_client(w), *b = world_client(w), *c;
	struct inlay_moq_outgoing *out;

	client_announce(a);
	client_announce(b);
	c = world_client(w);
	client_subscribe(c, "video", NULL);
	world_run(w);
	assert_int_equal(a->asked, 1);
	assert_int_equal(b->asked, 1);
	for (__u64 g = 0; g < 5; g++) {
		pub_group(a, g, 4);
		world_run(w);
		pub_group(b, g, 4);
		world_run(w);
	}
	assert_int_equal(c->n_got, 20);
	assert_int_equal(stats_of(w).duplicates, 5);
	out = pub_open(a, 5, 0);
	pub_object(a, out, 5, 0, 0);
	world_run(w);
	client_kill(a);
	pub_group(b, 5, 4);
	pub_group(b, 6, 4);
	world_run(w);
	assert_false(c->ended);
	assert_true(has_object(c, 5, 0));
	assert_null(find_got(c, 5, 0, 1));
	assert_group(c, 6, 0, 4);
	world_free(w);
}

static void publish_begins_when_wanted(void **state)
{
	struct inlay_relay_config config = {.linger = INLAY_S};
	struct world *w = world_new(&config);
	struct client *p = world_client(w), *c = world_client(w);

	p->forward = true;
	client_publish(p, "video");
	world_run(w);
	assert_false(p->forward);
	client_subscribe(c, "video", NULL);
	world_run(w);
	assert_true(c->ok);
	assert_true(p->forward);
	pub_group(p, 0, 3);
	world_run(w);
	assert_group(c, 0, 0, 3);
	inlay_moq_request_cancel(c->subscription, 0);
	c->subscription = NULL;
	world_run(w);
	world_wait(w, 2 * INLAY_S);
	assert_false(p->forward);
	assert_non_null(p->publishing);
	world_free(w);
}

static void rendezvous(void **state)
{
	struct inlay_relay_config config = {.max_rendezvous = 3 * INLAY_S};
	struct inlay_moq_params params = {.present = INLAY_MOQ_HAS_RENDEZVOUS_TIMEOUT,
					  .rendezvous_timeout = 60000};
	struct world *w = world_new(&config);
	struct client *a = world_client(w), *b = world_client(w), *p;

	client_subscribe(a, "video", NULL);
	world_run(w);
	assert_true(a->ended);
	assert_int_equal(a->end_code, INLAY_MOQ_REQUEST_DOES_NOT_EXIST);
	client_subscribe(b, "video", &params);
	world_run(w);
	world_wait(w, 2900 * INLAY_MS);
	assert_false(b->ended);
	world_wait(w, 200 * INLAY_MS);
	assert_true(b->ended);
	assert_int_equal(b->end_code, INLAY_MOQ_REQUEST_TIMEOUT);
	client_subscribe(b, "video", &params);
	world_run(w);
	world_wait(w, 1000 * INLAY_MS);
	p = world_client(w);
	client_announce(p);
	world_run(w);
	assert_true(b->ok);
	world_free(w);
}

static void silent_publisher_times_out(void **state)
{
	struct world *w = world_new(NULL);
	struct client *p = world_client(w), *c = world_client(w);

	p->mute = true;
	client_announce(p);
	world_run(w);
	client_subscribe(c, "video", NULL);
	world_run(w);
	assert_int_equal(p->asked, 1);
	world_wait(w, 6 * INLAY_S);
	assert_true(c->ended);
	assert_int_equal(c->end_code, INLAY_MOQ_REQUEST_TIMEOUT);
	world_free(w);
}

static void publishers_refusal_is_passed_on(void **state)
{
	struct world *w = world_new(NULL);
	struct client *p = world_client(w), *c = world_client(w);

	p->refuse = INLAY_MOQ_REQUEST_DOES_NOT_EXIST + 1;
	client_announce(p);
	world_run(w);
	client_subscribe(c, "video", NULL);
	world_run(w);
	assert_true(c->ended);
	assert_int_equal(c->end_code, INLAY_MOQ_REQUEST_DOES_NOT_EXIST);
	assert_int_equal(stats_of(w).tracks_now, 0);
	world_free(w);
}

static void track_status(void **state)
{
	struct world *w = start(NULL, 1);
	struct inlay_moq_subscribe m = {.name = track_name("video")};
	struct client *c = world_client(w);
	struct inlay_moq_request *req;

	pub_group(&w->clients[0], 9, 4);
	world_run(w);
	assert_int_equal(inlay_moq_session_track_status(c->moq, &m, NULL, &req), 0);
	world_run(w);
	assert_true(c->status_ok);
	assert_int_equal(c->status.largest_object.group, 9);
	assert_int_equal(c->status.largest_object.object, 3);
	/* Nobody has this one yet: the publisher is asked. */
	w->clients[0].publishing = NULL;
	m.name = track_name("audio");
	c->status_ok = false;
	assert_int_equal(inlay_moq_session_track_status(c->moq, &m, NULL, &req), 0);
	world_run(w);
	assert_true(c->status_ok);
	assert_int_equal(w->clients[0].asked, 2);
	/* And this one nobody can have. */
	m.name.ns.field[0].data = (const __u8 *)"evil";
	assert_int_equal(inlay_moq_session_track_status(c->moq, &m, NULL, &req), 0);
	world_run(w);
	assert_int_equal(c->end_code, INLAY_MOQ_REQUEST_DOES_NOT_EXIST);
	world_free(w);
}

/* --- the rest -------------------------------------------------------------------------------- */

static void forward_state(void **state)
{
	struct inlay_moq_params off = {.present = INLAY_MOQ_HAS_FORWARD, .forward = false};
	struct inlay_moq_params on = {.present = INLAY_MOQ_HAS_FORWARD, .forward = true};
	struct world *w = world_new(NULL);
	struct inlay_moq_outgoing *out;
	struct client *c;

	client_announce(world_client(w));
	c = world_client(w);
	client_subscribe(c, "video", &off);
	world_run(w);
	assert_true(c->ok);
	pub_group(&w->clients[0], 0, 2);
	world_run(w);
	assert_int_equal(c->n_got, 0);
	assert_int_equal(inlay_moq_request_update(c->subscription, &on), 0);
	world_run(w);
	assert_int_equal(c->updates, 1);
	out = pub_open(&w->clients[0], 1, 0);
	pub_object(&w->clients[0], out, 1, 0, 0);
	world_run(w);
	assert_int_equal(c->n_got, 1);
	assert_int_equal(inlay_moq_request_update(c->subscription, &off), 0);
	world_run(w);
	pub_object(&w->clients[0], out, 1, 0, 1);
	world_run(w);
	assert_int_equal(c->n_got, 1);
	assert_int_equal(c->rx[0]->end, INLAY_MOQ_END_CANCELLED);
	assert_int_equal(stats_of(w).reset_narrowed, 1);
	world_free(w);
}

static void second_subscription_is_refused(void **state)
{
	struct world *w = start(NULL, 1);
	struct client *c = &w->clients[1];
	struct inlay_moq_request *first = c->subscription;

	client_subscribe(c, "video", NULL);
	world_run(w);
	assert_true(c->ended);
	assert_int_equal(c->end_code, INLAY_MOQ_REQUEST_DUPLICATE_SUBSCRIPTION);
	c->subscription = first;
	c->ok = true;
	pub_group(&w->clients[0], 0, 2);
	world_run(w);
	assert_group(c, 0, 0, 2);
	world_free(w);
}

static bool refuse_publishing(void *user, struct inlay_relay_session *rs,
			      enum inlay_relay_action action, const struct inlay_moq_name *name,
			      const struct inlay_moq_tokens *tokens)
{
	return action != INLAY_RELAY_SUBSCRIBE;
}

static void authorisation(void **state)
{
	struct inlay_relay_config config = {.authorise = refuse_publishing};
	struct world *w = world_new(&config);
	struct client *c = world_client(w);

	client_announce(world_client(w));
	client_subscribe(c, "video", NULL);
	world_run(w);
	assert_true(c->ended);
	assert_int_equal(c->end_code, INLAY_MOQ_REQUEST_UNAUTHORIZED);
	assert_int_equal(stats_of(w).refused, 1);
	world_free(w);
}

static void limits(void **state)
{
	struct inlay_relay_config config = {
		.max_session_subscriptions = 2, .max_tracks = 3, .max_session_namespaces = 1};
	struct inlay_moq_params params = {.present = INLAY_MOQ_HAS_RENDEZVOUS_TIMEOUT,
					  .rendezvous_timeout = 5000};
	struct world *w = world_new(&config);
	struct client *a = world_client(w), *b = world_client(w);

	client_subscribe(a, "1", &params);
	client_subscribe(a, "2", &params);
	world_run(w);
	client_subscribe(a, "3", &params);
	world_run(w);
	assert_int_equal(a->end_code, INLAY_MOQ_REQUEST_EXCESSIVE_LOAD);
	client_subscribe(b, "3", &params);
	world_run(w);
	client_subscribe(b, "4", &params);
	world_run(w);
	assert_int_equal(b->end_code, INLAY_MOQ_REQUEST_EXCESSIVE_LOAD);
	assert_int_equal(stats_of(w).tracks_now, 3);
	assert_int_equal(stats_of(w).refused, 2);
	world_client(w)->mute = true;
	client_announce(&w->clients[2]);
	client_announce(&w->clients[2]);
	world_run(w);
	assert_int_equal(stats_of(w).namespaces_now, 1);
	world_free(w);
}

static void namespaces_are_told(void **state)
{
	struct world *w = world_new(NULL);
	struct client *c = world_client(w), *p, *q;
	struct inlay_moq_namespace_request m = {0};
	struct inlay_moq_request *req;

	p = world_client(w);
	client_announce(p);
	world_run(w);
	assert_int_equal(inlay_moq_session_subscribe_namespace(c->moq, &m, NULL, &req), 0);
	world_run(w);
	assert_int_equal(c->namespaces, 1);
	q = world_client(w);
	client_announce(q); /* the same: nothing new */
	world_run(w);
	assert_int_equal(c->namespaces, 1);
	client_kill(p);
	world_run(w);
	assert_int_equal(c->namespaces, 1);
	inlay_moq_request_cancel(q->announced, 0);
	world_run(w);
	assert_int_equal(c->namespaces, 0);
	/* Overlaps are refused (section 10.18). */
	assert_int_equal(inlay_moq_namespace_add(&m.ns, "live", 4), 0);
	assert_int_equal(inlay_moq_session_subscribe_namespace(c->moq, &m, NULL, &req), 0);
	c->subscription = req;
	world_run(w);
	assert_int_equal(c->end_code, INLAY_MOQ_REQUEST_PREFIX_OVERLAP);
	world_free(w);
}

static void datagrams(void **state)
{
	struct world *w = start(NULL, 3);
	struct inlay_moq_datagram d = {.group = 1, .has_priority = true, .priority = 9};
	__u8 payload[1000];

	w->clients[2].link->ends[1].max_datagram = 500;
	w->clients[3].link->ends[1].stalled = true;
	d.payload.data = payload;
	for (__u64 o = 0; o < 40; o++) {
		d.object = o;
		d.payload.len = o % 2 == 0 ? 100 : 1000;
		for (__u64 i = 0; i < d.payload.len; i++)
			payload[i] = object_byte(1, 0, o, i);
		assert_int_equal(inlay_moq_request_datagram(w->clients[0].publishing, &d), 0);
		world_run(w);
	}
	assert_int_equal(w->clients[1].datagrams, 40);
	assert_int_equal(w->clients[2].datagrams, 20);
	assert_int_equal(w->clients[3].datagrams, 0);
	assert_int_equal(stats_of(w).datagrams_in, 40);
	assert_int_equal(stats_of(w).datagrams_out, 40 + 20 + 16);
	assert_int_equal(stats_of(w).datagrams_dropped, 20 + 24);
	world_free(w);
}

static void subscribers_see_their_priorities(void **state)
{
	struct inlay_moq_params first = {.present = INLAY_MOQ_HAS_SUBSCRIBER_PRIORITY |
						    INLAY_MOQ_HAS_GROUP_ORDER,
					 .subscriber_priority = 10,
					 .group_order = INLAY_MOQ_DESCENDING};
	struct world *w = world_new(NULL);
	struct client *c;
	struct link *l;

	client_announce(world_client(w));
	c = world_client(w);
	client_subscribe(c, "video", &first);
	world_run(w);
	l = c->link;
	l->ends[1].stalled = true;
	for (__u64 g = 5; g < 8; g++)
		pub_group(&w->clients[0], g, 1);
	world_run(w);
	/* Streams 1, 2, 3 of the server carry groups 5, 6, 7: the newest goes first. */
	assert_true(l->streams[3][3].half[1].priority < l->streams[3][2].half[1].priority);
	assert_true(l->streams[3][2].half[1].priority < l->streams[3][1].half[1].priority);
	assert_int_equal(l->streams[3][1].half[1].priority,
			 inlay_moq_priority(10, 100, true, 0, 0));
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_upstream_many_subscribers),
		cmocka_unit_test(partial_objects_pass),
		cmocka_unit_test(late_join_from_cache),
		cmocka_unit_test(partial_group_join),
		cmocka_unit_test(filters_relative_to_largest),
		cmocka_unit_test(range_ends_at_its_group),
		cmocka_unit_test(range_in_the_past_is_invalid),
		cmocka_unit_test(aliases_are_each_sessions_own),
		cmocka_unit_test(properties_pass_verbatim),
		cmocka_unit_test(mandatory_property_is_refused),
		cmocka_unit_test(stalled_subscriber_beside_good_ones),
		cmocka_unit_test(slow_subscriber_recovers),
		cmocka_unit_test(eviction_resets_who_needs_it),
		cmocka_unit_test(endless_stream_is_trimmed),
		cmocka_unit_test(max_streams_exhausted),
		cmocka_unit_test(upstream_reset_is_passed_on),
		cmocka_unit_test(malformed_object_stays_upstream),
		cmocka_unit_test(malformed_track_ends_subscriptions),
		cmocka_unit_test(unsubscribe_mid_stream),
		cmocka_unit_test(subscriber_stops_one_stream),
		cmocka_unit_test(object_delivery_timeout),
		cmocka_unit_test(subgroup_delivery_timeout),
		cmocka_unit_test(cached_objects_expire),
		cmocka_unit_test(publisher_restart),
		cmocka_unit_test(publisher_gone_for_good),
		cmocka_unit_test(track_ends),
		cmocka_unit_test(two_publishers),
		cmocka_unit_test(publish_begins_when_wanted),
		cmocka_unit_test(rendezvous),
		cmocka_unit_test(silent_publisher_times_out),
		cmocka_unit_test(publishers_refusal_is_passed_on),
		cmocka_unit_test(track_status),
		cmocka_unit_test(forward_state),
		cmocka_unit_test(second_subscription_is_refused),
		cmocka_unit_test(authorisation),
		cmocka_unit_test(limits),
		cmocka_unit_test(namespaces_are_told),
		cmocka_unit_test(datagrams),
		cmocka_unit_test(subscribers_see_their_priorities),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
