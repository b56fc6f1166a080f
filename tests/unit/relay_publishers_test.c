/* SPDX-License-Identifier: BSD-2-Clause */
/* Publishers of a relay that come and go, and what requests are answered with. */
#include "relay_world.h"

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

/* A publisher that fails says so, and is not taken for one that has finished. */
static void failed_publisher(void **state)
{
	struct world *w = start(NULL, 2);
	struct client *other = world_client(w);

	client_publish(other, "video");
	world_run(w);
	pub_group(&w->clients[0], 0, 3);
	world_run(w);
	for (int i = 0; i < 2; i++) {
		struct client *p = i == 0 ? &w->clients[0] : other;

		for (int s = 1; s <= 2; s++)
			assert_false(w->clients[s].done);
		assert_int_equal(inlay_moq_request_publish_done(p->publishing,
								INLAY_MOQ_DONE_INTERNAL_ERROR,
								"broken input"),
				 0);
		p->publishing = NULL;
		world_run(w);
	}
	for (int i = 1; i <= 2; i++) {
		assert_group(&w->clients[i], 0, 0, 3);
		assert_true(w->clients[i].done);
		assert_int_equal(w->clients[i].done_status, INLAY_MOQ_DONE_INTERNAL_ERROR);
		assert_int_equal(w->clients[i].done_streams, 1);
	}
	world_free(w);
}

/* --- an origin ------------------------------------------------------------------------------- */

static struct client *world_origin(struct world *w)
{
	struct client *o = world_client(w);

	inlay_relay_session_set_origin(o->rs);
	return o;
}

static const struct inlay_moq_params waits = {.present = INLAY_MOQ_HAS_RENDEZVOUS_TIMEOUT,
					      .rendezvous_timeout = 8000};

static void origin_waits_with_us(void **state)
{
	struct world *w = world_new(NULL);
	struct client *o = world_origin(w), *a = world_client(w), *b = world_client(w);

	o->refuse_status = INLAY_MOQ_REQUEST_DOES_NOT_EXIST + 1;
	o->mute = true;
	client_subscribe(a, "video", &waits);
	world_run(w);
	assert_true(o->asked_params.present & INLAY_MOQ_HAS_RENDEZVOUS_TIMEOUT);
	assert_int_equal(o->asked_params.rendezvous_timeout, 8000);
	/* Who does not wait is told so while the other one does. */
	client_subscribe(b, "video", NULL);
	world_run(w);
	assert_true(b->ended);
	assert_int_equal(b->end_code, INLAY_MOQ_REQUEST_DOES_NOT_EXIST);
	world_wait(w, 7 * INLAY_S);
	assert_false(a->ended);
	assert_int_equal(o->asked, 1);
	client_answer(o);
	pub_group(o, 0, 4);
	world_run(w);
	assert_group(a, 0, 0, 4);
	world_free(w);
}

static void origin_waits_no_longer_than_we(void **state)
{
	struct world *w = world_new(NULL);
	struct client *o = world_origin(w), *a = world_client(w);

	o->refuse_status = INLAY_MOQ_REQUEST_DOES_NOT_EXIST + 1;
	o->mute = true;
	client_subscribe(a, "video", &waits);
	world_run(w);
	world_wait(w, 7900 * INLAY_MS);
	assert_false(a->ended);
	world_wait(w, 200 * INLAY_MS);
	assert_true(a->ended);
	assert_int_equal(a->end_code, INLAY_MOQ_REQUEST_TIMEOUT);
	world_wait(w, 3 * INLAY_S);
	assert_null(o->unanswered);
	assert_int_equal(stats_of(w).tracks_now, 0);
	world_free(w);
}

/* An origin that knows nothing of rendezvous, or waits less than was asked for. */
static void origin_is_asked_again(void **state)
{
	struct world *w = world_new(NULL);
	struct client *o = world_origin(w), *a = world_client(w), *b = world_client(w);

	o->refuse = o->refuse_status = INLAY_MOQ_REQUEST_DOES_NOT_EXIST + 1;
	client_subscribe(a, "video", &waits);
	client_subscribe(b, "audio", &waits);
	world_run(w);
	world_wait(w, 2 * INLAY_S);
	assert_false(a->ended);
	assert_in_range(o->asked, 2 * 5, 2 * 9);
	o->refuse = o->refuse_status = 0;
	o->mute = true;
	inlay_moq_request_cancel(b->subscription, 0);
	b->subscription = NULL;
	world_wait(w, 300 * INLAY_MS);
	client_answer(o);
	pub_group(o, 0, 4);
	world_run(w);
	assert_group(a, 0, 0, 4);
	world_free(w);
}

static void origin_refuses_to_the_end(void **state)
{
	struct world *w = world_new(NULL);
	struct client *o = world_origin(w), *a = world_client(w);
	int asked;

	o->refuse = o->refuse_status = INLAY_MOQ_REQUEST_DOES_NOT_EXIST + 1;
	client_subscribe(a, "video", &waits);
	world_run(w);
	world_wait(w, 7900 * INLAY_MS);
	assert_false(a->ended);
	world_wait(w, 200 * INLAY_MS);
	assert_true(a->ended);
	asked = o->asked;
	world_wait(w, 2 * INLAY_S);
	assert_int_equal(o->asked, asked);
	/* What waiting does not change is passed on at once. */
	o->refuse = INLAY_MOQ_REQUEST_UNAUTHORIZED + 1;
	client_subscribe(a, "video", &waits);
	world_run(w);
	assert_true(a->ended);
	assert_int_equal(a->end_code, INLAY_MOQ_REQUEST_UNAUTHORIZED);
	world_free(w);
}

static void origins_group_comes_whole(void **state)
{
	struct world *w = world_new(NULL);
	struct client *o = world_origin(w), *a = world_client(w);

	o->has_largest = true;
	o->largest = (struct inlay_moq_location){7, 3};
	client_subscribe(a, "video", NULL);
	world_run(w);
	assert_true(a->ok);
	assert_true(o->asked_params.present & INLAY_MOQ_HAS_FILTER);
	assert_int_equal(o->asked_params.filter.type, INLAY_MOQ_FILTER_ABSOLUTE_START);
	assert_int_equal(o->asked_params.filter.start.group, 7);
	assert_int_equal(o->asked_params.filter.start.object, 0);
	pub_group(o, 7, 6);
	world_run(w);
	assert_group(a, 7, 0, 6);
	world_free(w);
}

static void origins_silence_costs_a_second(void **state)
{
	struct world *w = world_new(NULL);
	struct client *o = world_origin(w), *a = world_client(w);

	o->mute_status = true;
	client_subscribe(a, "video", NULL);
	world_run(w);
	world_wait(w, 900 * INLAY_MS);
	assert_int_equal(o->asked, 0);
	world_wait(w, 200 * INLAY_MS);
	assert_int_equal(o->asked, 1);
	assert_false(o->asked_params.present & INLAY_MOQ_HAS_FILTER);
	assert_true(a->ok);
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

/* Who named a start and paused is not given once more what it has had; who names one anew is. */
static void what_was_served_before_a_pause_does_not_come_again(void **state)
{
	const struct inlay_moq_params off = {.present = INLAY_MOQ_HAS_FORWARD};
	const struct inlay_moq_params on = {.present = INLAY_MOQ_HAS_FORWARD, .forward = true};
	struct inlay_moq_params anew = from(1, 0), start = from(0, 0);
	struct world *w = world_new(NULL);
	struct client *pub = world_client(w), *c = world_client(w);

	client_announce(pub);
	world_run(w);
	client_subscribe(c, "video", &start);
	world_run(w);
	for (__u64 g = 0; g < 3; g++)
		pub_group(pub, g, 2);
	world_run(w);
	assert_int_equal(c->n_got, 6);
	assert_int_equal(inlay_moq_request_update(c->subscription, &off), 0);
	world_run(w);
	assert_int_equal(inlay_moq_request_update(c->subscription, &on), 0);
	world_run(w);
	assert_int_equal(c->n_got, 6);
	pub_group(pub, 3, 2);
	world_run(w);
	assert_int_equal(c->n_got, 8);
	assert_int_equal(inlay_moq_request_update(c->subscription, &off), 0);
	world_run(w);
	anew.present |= INLAY_MOQ_HAS_FORWARD;
	anew.forward = true;
	assert_int_equal(inlay_moq_request_update(c->subscription, &anew), 0);
	world_run(w);
	assert_int_equal(c->n_got, 14);
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

/* Whoever publishes a track may subscribe to it like anybody else. */
static void publisher_subscribes_to_itself(void **state)
{
	struct world *w = start(NULL, 1);
	struct client *c = &w->clients[0];

	client_subscribe(c, "video", NULL);
	world_run(w);
	assert_true(c->ok);
	assert_int_equal(c->asked, 1);
	pub_group(c, 1, 5);
	world_run(w);
	assert_group(c, 1, 0, 5);
	assert_group(&w->clients[1], 1, 0, 5);
	client_kill(c);
	world_run(w);
	world_wait(w, 20 * INLAY_S);
	assert_true(w->clients[1].done);
	assert_int_equal(stats_of(w).tracks_now, 0);
	world_free(w);
}

/* Its end takes the track's last publisher, and so answers a request of the same session, which
 * takes no answers any more. */
static void publisher_asks_about_its_own_track(void **state)
{
	struct inlay_moq_params patient = {.present = INLAY_MOQ_HAS_RENDEZVOUS_TIMEOUT,
					   .rendezvous_timeout = 5000};
	struct inlay_moq_subscribe m = {.name = track_name("video")};
	struct world *w = world_new(NULL);
	struct client *pub = world_client(w), *c = world_client(w);
	struct inlay_moq_request *req;

	pub->mute = true;
	client_announce(pub);
	world_run(w);
	client_subscribe(c, "video", &patient);
	world_run(w);
	assert_int_equal(pub->asked, 1);
	assert_int_equal(inlay_moq_session_track_status(pub->moq, &m, NULL, &req), 0);
	world_run(w);
	client_kill(pub);
	world_run(w);
	assert_false(c->ended);
	world_wait(w, 20 * INLAY_S);
	assert_true(c->ended);
	assert_int_equal(stats_of(w).tracks_now, 0);
	world_free(w);
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
		assert_int_equal(inlay_moq_request_datagram(w->clients[0].publishing, &d, NULL), 0);
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

/* Section 10.10: nothing may follow PUBLISH_DONE, nor overtake it. */
static void publish_done_follows_datagrams(void **state)
{
	struct world *w = start(NULL, 3);
	struct client *late = &w->clients[2], *never = &w->clients[3];
	struct inlay_moq_datagram d = {.group = 1};

	late->link->ends[1].stalled = never->link->ends[1].stalled = true;
	for (d.object = 0; d.object < 3; d.object++)
		assert_int_equal(inlay_moq_request_datagram(w->clients[0].publishing, &d, NULL), 0);
	world_run(w);
	assert_int_equal(inlay_moq_request_publish_done(w->clients[0].publishing,
							INLAY_MOQ_DONE_TRACK_ENDED, ""),
			 0);
	world_run(w);
	assert_true(w->clients[1].done);
	assert_int_equal(w->clients[1].datagrams, 3);
	world_wait(w, INLAY_S);
	assert_false(late->done);
	late->link->ends[1].stalled = false;
	world_wait(w, 100 * INLAY_MS);
	assert_true(late->done);
	assert_int_equal(late->datagrams, 3);
	assert_int_equal(never->link->ends[1].queued, 3);
	assert_false(never->done);
	world_wait(w, 2 * INLAY_S);
	assert_int_equal(never->link->ends[1].queued, 0);
	assert_true(never->done);
	assert_int_equal(never->datagrams, 0);
	world_free(w);
}

/* Section 8.3: the smaller timeout is the transport's to keep; section 8.2: as streams. */
static void datagrams_have_priority_and_deadline(void **state)
{
	struct inlay_moq_params params = {.present = INLAY_MOQ_HAS_SUBSCRIBER_PRIORITY |
						     INLAY_MOQ_HAS_OBJECT_DELIVERY_TIMEOUT |
						     INLAY_MOQ_HAS_SUBGROUP_DELIVERY_TIMEOUT,
					  .subscriber_priority = 10,
					  .object_delivery_timeout = 300,
					  .subgroup_delivery_timeout = 200};
	struct inlay_moq_datagram d = {
		.group = 5, .object = 7, .has_priority = true, .priority = 3};
	struct world *w = world_new(NULL);
	const struct link_datagram *sent;
	struct client *c;

	client_announce(world_client(w));
	c = world_client(w);
	client_subscribe(c, "video", &params);
	world_run(w);
	c->link->ends[1].stalled = true;
	assert_int_equal(inlay_moq_request_datagram(w->clients[0].publishing, &d, NULL), 0);
	world_run(w);
	assert_int_equal(c->link->ends[1].queued, 1);
	sent = &c->link->ends[1].queue[0];
	assert_int_equal(sent->order.priority, inlay_moq_priority(10, 3, false, 0, 7));
	assert_int_equal(sent->order.deadline, w->now + 200 * INLAY_MS);
	/* Who unsubscribes gets none of them. */
	inlay_moq_request_cancel(c->subscription, 0);
	c->subscription = NULL;
	world_run(w);
	assert_int_equal(c->link->ends[1].queued, 0);
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
		cmocka_unit_test(publisher_restart),
		cmocka_unit_test(publisher_gone_for_good),
		cmocka_unit_test(track_ends),
		cmocka_unit_test(failed_publisher),
		cmocka_unit_test(origin_waits_with_us),
		cmocka_unit_test(origin_waits_no_longer_than_we),
		cmocka_unit_test(origin_is_asked_again),
		cmocka_unit_test(origin_refuses_to_the_end),
		cmocka_unit_test(origins_group_comes_whole),
		cmocka_unit_test(origins_silence_costs_a_second),
		cmocka_unit_test(two_publishers),
		cmocka_unit_test(publish_begins_when_wanted),
		cmocka_unit_test(rendezvous),
		cmocka_unit_test(silent_publisher_times_out),
		cmocka_unit_test(publishers_refusal_is_passed_on),
		cmocka_unit_test(track_status),
		cmocka_unit_test(forward_state),
		cmocka_unit_test(what_was_served_before_a_pause_does_not_come_again),
		cmocka_unit_test(second_subscription_is_refused),
		cmocka_unit_test(publisher_subscribes_to_itself),
		cmocka_unit_test(publisher_asks_about_its_own_track),
		cmocka_unit_test(authorisation),
		cmocka_unit_test(limits),
		cmocka_unit_test(namespaces_are_told),
		cmocka_unit_test(datagrams),
		cmocka_unit_test(publish_done_follows_datagrams),
		cmocka_unit_test(datagrams_have_priority_and_deadline),
		cmocka_unit_test(subscribers_see_their_priorities),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
