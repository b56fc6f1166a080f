/* SPDX-License-Identifier: BSD-2-Clause */
/* The relay between a publisher and subscribers: what each receives, what it costs, how it ends. */
#include "relay_world.h"

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

/* Draft section 11.4.3: with RESET_STREAM_AT a subscriber knows of each stream that it lost, even
 * if no byte had been sent, and can count them against PUBLISH_DONE. */
static void reset_streams_are_known_by_their_headers(void **state)
{
	struct inlay_relay_config config = {.max_streams = 8, .max_resets = 20};

	for (int at = 0; at < 2; at++) {
		struct world *w = start(&config, 2);
		struct client *slow = &w->clients[2];
		__u64 reset = 0;

		slow->link->reset_at = at;
		slow->link->ends[1].stalled = true;
		for (__u64 g = 0; g < 20; g++) {
			pub_group(&w->clients[0], g, 5);
			world_run(w);
		}
		assert_int_equal(stats_of(w).reset_behind, 12);
		for (size_t i = 0; i < slow->n_rx; i++)
			if (slow->rx[i]->ended) {
				assert_int_equal(slow->rx[i]->header.group, reset);
				assert_int_equal(slow->rx[i]->code, INLAY_MOQ_RESET_TOO_FAR_BEHIND);
				assert_int_equal(slow->rx[i]->objects, 0);
				reset++;
			}
		assert_int_equal(reset, at ? 12 : 0);
		world_free(w);
	}
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

/* A group too old for the cache while a stream of it still arrives: the stream is refused, and that
 * is counted for who reads it as for who came too late to have read any of it; not again for who
 * lost it before. */
static void eviction_is_counted_for_who_came_later(void **state)
{
	struct inlay_relay_config config = {.max_cache_age = INLAY_S};
	struct world *w = start(&config, 2);
	struct client *late = world_client(w);
	struct inlay_moq_outgoing *out;
	bool stopped = false;

	out = pub_open_watched(&w->clients[0], 0, 0, &stopped);
	pub_object(&w->clients[0], out, 0, 0, 0);
	world_run(w);
	link_stop(&w->clients[2].link->ends[0], 1 << 2 | 3, 1);
	world_run(w);
	assert_int_equal(stats_of(w).reset_stopped, 1);
	world_wait(w, 3 * INLAY_S);
	client_subscribe(late, "video", NULL);
	world_run(w);
	assert_true(late->ok);
	assert_int_equal(stats_of(w).reset_evicted, 0);
	pub_object(&w->clients[0], out, 0, 0, 1);
	world_run(w);
	assert_true(stopped);
	assert_int_equal(stats_of(w).streams_refused, 1);
	assert_int_equal(stats_of(w).reset_evicted, 2);
	world_free(w);
}

/* The last stream of a publisher that is done already, refused as it arrives: with it the upstream
 * ends, in the midst of the refusal. */
static void the_last_stream_is_refused_and_the_upstream_ends(void **state)
{
	struct inlay_relay_config config = {.max_cache_age = INLAY_S};
	struct world *w = start(&config, 1);
	struct client *pub = &w->clients[0];
	struct inlay_moq_outgoing *out = pub_open(pub, 0, 0);

	pub_object(pub, out, 0, 0, 0);
	world_run(w);
	world_wait(w, 3 * INLAY_S);
	pub->link->ends[0].stalled = true;
	pub_object(pub, out, 0, 0, 1);
	assert_int_equal(inlay_moq_outgoing_finish(out), 0);
	assert_int_equal(
		inlay_moq_request_publish_done(pub->publishing, INLAY_MOQ_DONE_TRACK_ENDED, ""), 0);
	pub->publishing = NULL;
	world_run(w);
	assert_int_equal(stats_of(w).upstreams_now, 1);
	pub->link->ends[0].stalled = false;
	world_run(w);
	assert_int_equal(stats_of(w).streams_refused, 1);
	assert_int_equal(stats_of(w).upstreams_now, 0);
	assert_true(w->clients[1].done);
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

/* Section 2.4.2: each of these ends the track, and the second object reaches nobody. */
static void assert_malformed(struct world *w, __u64 got)
{
	world_run(w);
	assert_int_equal(stats_of(w).malformed_tracks, 1);
	assert_false(w->clients[0].closed);
	assert_true(w->clients[1].done);
	assert_int_equal(w->clients[1].done_status, INLAY_MOQ_DONE_MALFORMED_TRACK);
	assert_int_equal(w->clients[1].n_got, got);
	world_free(w);
}

static void same_object_in_another_subgroup(void **state)
{
	struct world *w = start(NULL, 1);

	w->object_bytes = 10;
	pub_object(&w->clients[0], pub_open(&w->clients[0], 1, 0), 1, 0, 4);
	world_run(w);
	pub_object(&w->clients[0], pub_open(&w->clients[0], 1, 1), 1, 1, 4);
	assert_malformed(w, 1);
}

static void same_object_with_another_length(void **state)
{
	struct world *w = start(NULL, 1);
	struct inlay_moq_outgoing *a;

	w->object_bytes = 10;
	a = pub_open(&w->clients[0], 1, 0);
	pub_object(&w->clients[0], a, 1, 0, 4);
	pub_object(&w->clients[0], a, 1, 0, 5);
	world_run(w);
	/* Quite the same again is only a duplicate. */
	pub_object(&w->clients[0], pub_open(&w->clients[0], 1, 0), 1, 0, 4);
	world_run(w);
	assert_int_equal(stats_of(w).malformed_tracks, 0);
	assert_int_equal(stats_of(w).duplicates, 1);
	w->object_bytes = 11;
	pub_object(&w->clients[0], pub_open(&w->clients[0], 1, 0), 1, 0, 4);
	assert_malformed(w, 2);
}

static void same_object_as_datagram(void **state)
{
	struct world *w = start(NULL, 1);
	struct inlay_moq_datagram d = {.group = 1, .object = 4};

	w->object_bytes = 10;
	pub_object(&w->clients[0], pub_open(&w->clients[0], 1, 0), 1, 0, 4);
	world_run(w);
	d.object = 3; /* mixed is allowed */
	assert_int_equal(inlay_moq_request_datagram(w->clients[0].publishing, &d, NULL), 0);
	world_run(w);
	assert_int_equal(stats_of(w).malformed_tracks, 0);
	d.object = 4;
	assert_int_equal(inlay_moq_request_datagram(w->clients[0].publishing, &d, NULL), 0);
	assert_malformed(w, 1);
}

static void track_ends_below_its_largest(void **state)
{
	struct world *w = start(NULL, 1);
	struct inlay_moq_object o = {.id = 1, .status = INLAY_MOQ_STATUS_END_OF_TRACK};

	w->object_bytes = 10;
	pub_object(&w->clients[0], pub_open(&w->clients[0], 2, 0), 2, 0, 0);
	world_run(w);
	assert_int_equal(inlay_moq_outgoing_object(pub_open(&w->clients[0], 1, 0), &o), 0);
	assert_malformed(w, 1);
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
		cmocka_unit_test(reset_streams_are_known_by_their_headers),
		cmocka_unit_test(slow_subscriber_recovers),
		cmocka_unit_test(eviction_resets_who_needs_it),
		cmocka_unit_test(eviction_is_counted_for_who_came_later),
		cmocka_unit_test(the_last_stream_is_refused_and_the_upstream_ends),
		cmocka_unit_test(endless_stream_is_trimmed),
		cmocka_unit_test(max_streams_exhausted),
		cmocka_unit_test(upstream_reset_is_passed_on),
		cmocka_unit_test(malformed_object_stays_upstream),
		cmocka_unit_test(malformed_track_ends_subscriptions),
		cmocka_unit_test(same_object_in_another_subgroup),
		cmocka_unit_test(same_object_with_another_length),
		cmocka_unit_test(same_object_as_datagram),
		cmocka_unit_test(track_ends_below_its_largest),
		cmocka_unit_test(unsubscribe_mid_stream),
		cmocka_unit_test(subscriber_stops_one_stream),
		cmocka_unit_test(object_delivery_timeout),
		cmocka_unit_test(subgroup_delivery_timeout),
		cmocka_unit_test(cached_objects_expire),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
