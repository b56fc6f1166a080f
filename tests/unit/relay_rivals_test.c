/* SPDX-License-Identifier: BSD-2-Clause */
/* Several publishers of a track beside a forwarder: one of them is the fast one. */
#include "relay_fast_world.h"
#include "seeded.h"

#include <stdlib.h>

#define SECOND (1000 * INLAY_MS)

/* Clients 0 and 2 publish, client 1 subscribes. */
struct rivals {
	struct fast_world *f;
	struct client *a, *b, *sub;
};

static struct rivals rivals_in(struct fast_world *f)
{
	struct rivals v = {.f = fast_populate(f, 1)};

	v.b = fast_client(v.f);
	client_publish(v.b, "video");
	world_run(v.f->w);
	world_wait(v.f->w, 10 * INLAY_MS);
	v.a = &v.f->w->clients[0];
	v.sub = &v.f->w->clients[1];
	return v;
}

static struct rivals rivals_new(void)
{
	return rivals_in(fast_new());
}

static void bring(const struct rivals *v, struct client *from, __u64 group)
{
	pub_group(from, group, 3);
	world_run(v->f->w);
}

/* The session ends, as it does when its connection does. */
static void end_session(const struct rivals *v, struct client *c)
{
	client_end(c);
	world_run(v->f->w);
}

static void rivals_free(struct rivals *v)
{
	if (v->a->link == NULL)
		v->a->link = link_new(1);
	if (v->b->link == NULL)
		v->b->link = link_new(1);
	fast_free(v->f);
}

static void the_same_groups_of_two_publishers_come_once_and_fast(void **state)
{
	struct rivals v = rivals_new();

	assert_true(view_of(v.sub).fast);
	for (__u64 g = 7; g < 17; g++) {
		bring(&v, g % 2 ? v.b : v.a, g);
		bring(&v, g % 2 ? v.a : v.b, g);
		world_wait(v.f->w, 50 * INLAY_MS);
		assert_group(v.sub, g, 0, 3);
	}
	assert_int_equal(v.sub->n_got, 30);
	assert_int_equal(stats_of(v.f->w).duplicates, 10);
	assert_int_equal(stats_of(v.f->w).streams_refused, 0);
	assert_true(stats_of(v.f->w).legs_attached >= 8);
	assert_true(view_of(v.sub).fast);
	rivals_free(&v);
}

static void a_group_that_the_fast_one_has_not_begun_waits_for_it_and_no_longer(void **state)
{
	struct rivals v = rivals_new();
	__u64 copies;

	bring(&v, v.a, 7);
	bring(&v, v.b, 8);
	world_wait(v.f->w, 95 * INLAY_MS);
	assert_int_equal(v.sub->n_got, 3);
	world_wait(v.f->w, 10 * INLAY_MS);
	assert_group(v.sub, 8, 0, 3);
	/* It is the other one's turn, which is now as fast. */
	world_wait(v.f->w, 10 * INLAY_MS);
	copies = v.f->copies;
	bring(&v, v.b, 9);
	assert_true(v.f->copies > copies);
	bring(&v, v.a, 9);
	bring(&v, v.a, 8);
	world_wait(v.f->w, 500 * INLAY_MS);
	assert_group(v.sub, 9, 0, 3);
	assert_int_equal(v.sub->n_got, 9);
	rivals_free(&v);
}

static void a_stream_that_is_taken_over_goes_on(void **state)
{
	struct rivals v = rivals_new();
	struct inlay_moq_outgoing *out = pub_open(v.b, 7, 0);

	pub_object(v.b, out, 7, 0, 0);
	world_run(v.f->w);
	world_wait(v.f->w, 50 * INLAY_MS);
	pub_object(v.b, out, 7, 0, 1);
	world_run(v.f->w);
	assert_int_equal(v.sub->n_got, 0);
	world_wait(v.f->w, 60 * INLAY_MS);
	assert_int_equal(v.sub->n_got, 2);
	pub_object(v.b, out, 7, 0, 2);
	assert_int_equal(inlay_moq_outgoing_finish(out), 0);
	world_run(v.f->w);
	assert_group(v.sub, 7, 0, 3);
	assert_int_equal(v.sub->n_got, 3);
	assert_int_equal(v.sub->n_rx, 1);
	rivals_free(&v);
}

static void when_the_fast_one_dies_within_a_group_the_other_goes_on_with_the_next(void **state)
{
	struct rivals v = rivals_new();
	struct inlay_moq_outgoing *out = pub_open(v.a, 7, 0);
	__u64 copies;

	pub_object(v.a, out, 7, 0, 0);
	world_run(v.f->w);
	bring(&v, v.b, 7);
	bring(&v, v.b, 8);
	assert_int_equal(v.sub->n_got, 1);
	end_session(&v, v.a);
	world_wait(v.f->w, 5 * INLAY_MS);
	assert_group(v.sub, 8, 0, 3);
	assert_int_equal(v.sub->n_got, 4);
	world_wait(v.f->w, 20 * INLAY_MS);
	copies = v.f->copies;
	bring(&v, v.b, 9);
	assert_group(v.sub, 9, 0, 3);
	assert_true(v.f->copies > copies);
	rivals_free(&v);
}

/* One object in a subgroup of its own. */
static void bring_subgroup(const struct rivals *v, struct client *from, __u64 group, __u64 subgroup)
{
	pub_object(from, pub_open(from, group, subgroup), group, subgroup, subgroup);
	world_run(v->f->w);
	world_wait(v->f->w, 20 * INLAY_MS);
}

static void what_is_left_of_a_group_whose_publisher_ended_is_not_forwarded(void **state)
{
	struct rivals v = rivals_new();

	bring(&v, v.a, 7);
	bring_subgroup(&v, v.b, 8, 0);
	bring_subgroup(&v, v.b, 8, 1);
	world_wait(v.f->w, 110 * INLAY_MS);
	assert_int_equal(v.sub->n_got, 3 + 2);
	end_session(&v, v.b);
	/* The group is its own now, and not from the beginning. */
	bring_subgroup(&v, v.a, 8, 2);
	bring_subgroup(&v, v.a, 8, 1);
	assert_non_null(find_got(v.sub, 8, 2, 2));
	assert_int_equal(v.sub->n_got, 3 + 3);
	bring(&v, v.a, 9);
	assert_int_equal(v.sub->n_got, 3 + 3 + 3);
	rivals_free(&v);
}

static void nothing_is_taken_over_while_a_forwarder_may_begin_it(void **state)
{
	struct rivals v = rivals_new();
	struct inlay_context *other = &v.f->tables->contexts[OTHER_CONTEXT];

	bring(&v, v.b, 8);
	inlay_context_enter(other);
	end_session(&v, v.a);
	bring(&v, v.b, 9);
	world_wait(v.f->w, 300 * INLAY_MS);
	assert_int_equal(v.sub->n_got, 0);
	inlay_context_leave(other);
	world_wait(v.f->w, 5 * INLAY_MS);
	assert_group(v.sub, 8, 0, 3);
	assert_group(v.sub, 9, 0, 3);
	assert_int_equal(v.sub->n_got, 6);
	rivals_free(&v);
}

static void who_leaves_out_a_group_stays_the_fast_one(void **state)
{
	struct rivals v = rivals_new();

	bring(&v, v.a, 7);
	bring(&v, v.a, 9);
	bring(&v, v.b, 8);
	world_wait(v.f->w, 120 * INLAY_MS);
	assert_group(v.sub, 8, 0, 3);
	bring(&v, v.b, 10);
	world_wait(v.f->w, 20 * INLAY_MS);
	assert_null(find_got(v.sub, 10, 0, 0));
	bring(&v, v.a, 10);
	assert_group(v.sub, 10, 0, 3);
	assert_int_equal(v.sub->n_got, 12);
	rivals_free(&v);
}

static void what_is_held_is_not_lost_when_its_publisher_leaves(void **state)
{
	struct rivals v = rivals_new();

	bring(&v, v.b, 8);
	assert_int_equal(
		inlay_moq_request_publish_done(v.b->publishing, INLAY_MOQ_DONE_TRACK_ENDED, ""), 0);
	v.b->publishing = NULL;
	world_run(v.f->w);
	world_wait(v.f->w, 50 * INLAY_MS);
	assert_int_equal(v.sub->n_got, 0);
	assert_int_equal(
		inlay_moq_request_publish_done(v.a->publishing, INLAY_MOQ_DONE_TRACK_ENDED, ""), 0);
	v.a->publishing = NULL;
	world_run(v.f->w);
	world_wait(v.f->w, 50 * INLAY_MS);
	assert_group(v.sub, 8, 0, 3);
	assert_true(v.sub->done);
	rivals_free(&v);
}

static void send_datagram(const struct rivals *v, struct client *from, __u64 object)
{
	__u8 payload[32];
	const struct inlay_moq_datagram d = {
		.group = 7, .object = object, .payload = {payload, sizeof(payload)}};

	for (size_t i = 0; i < sizeof(payload); i++)
		payload[i] = object_byte(7, 0, object, i);
	assert_int_equal(inlay_moq_request_datagram(from->publishing, &d, NULL), 0);
	world_run(v->f->w);
}

static void datagrams_come_from_the_fast_one(void **state)
{
	struct rivals v = rivals_new();

	for (__u64 o = 0; o < 4; o++) {
		send_datagram(&v, v.b, o);
		send_datagram(&v, v.a, o);
	}
	assert_int_equal(v.sub->datagrams, 4);
	assert_int_equal(v.f->copies, 4);
	/* Both are the other's now. */
	bring(&v, v.b, 8);
	world_wait(v.f->w, 120 * INLAY_MS);
	for (__u64 o = 4; o < 8; o++) {
		send_datagram(&v, v.b, o);
		send_datagram(&v, v.a, o);
	}
	assert_int_equal(v.sub->datagrams, 8);
	rivals_free(&v);
}

/* What the forwarder has sent of a stream before anybody told the control plane of it. */
static void forward_only(const struct rivals *v, struct client *from, __u64 group)
{
	const struct inlay_moq_subgroup h = {.alias = inlay_moq_request_alias(from->publishing),
					     .group = group};
	const struct inlay_moq_object o = {.id = 0, .payload_len = 0};
	__u64 id = 4 * from->link->ends[0].next_stream[1] + 2;
	__u8 bytes[64];
	struct inlay_writer w = inlay_writer_of(bytes, sizeof(bytes));

	assert_true(inlay_moq18_subgroup_put(&w, &h));
	assert_true(inlay_moq18_object_put(&w, &h, true, 0, &o));
	look(v->f, &from->link->ends[1], id, 0, bytes, inlay_writer_len(&w), false);
}

/* A packet takes its time from the forwarder to the relay, which gives the fast track up meanwhile.
 */
static void look_and_give_up(void *user, struct link_end *to, __u64 id, __u64 offset,
			     const __u8 *data, size_t len, bool fin)
{
	struct fast_world *f = user;
	struct world *w = f->w;

	look(f, to, id, offset, data, len, fin);
	for (int ms = 0; id == ~0ULL && ms < 100; ms++) {
		w->now += INLAY_MS;
		inlay_relay_on_timer(w->relay, w->now);
	}
}

static void a_datagram_on_its_way_up_as_its_track_is_given_up_comes_once(void **state)
{
	struct rivals v = rivals_new();
	__u64 copies;

	bring(&v, v.a, 5);
	bring(&v, v.a, 9);
	bring(&v, v.b, 6);
	world_wait(v.f->w, 50 * INLAY_MS);
	copies = v.f->copies;
	v.a->link->look = look_and_give_up;
	send_datagram(&v, v.a, 0);
	v.a->link->look = look;
	assert_int_equal(v.f->copies, copies + 1);
	assert_group(v.sub, 6, 0, 3);
	assert_int_equal(v.sub->datagrams, 1);
	rivals_free(&v);
}

static void what_a_forwarder_has_begun_is_nobody_elses(void **state)
{
	struct rivals v = rivals_new();
	__u64 g = 8;

	while (object_len(v.f->w, g, 0, 0) > 0)
		g++;
	forward_only(&v, v.a, g);
	assert_int_equal(v.f->copies, 1);
	bring(&v, v.b, g);
	bring(&v, v.b, g + 1);
	world_wait(v.f->w, 120 * INLAY_MS);
	assert_group(v.sub, g + 1, 0, 3);
	assert_null(find_got(v.sub, g, 0, 1));
	end_session(&v, v.a);
	world_wait(v.f->w, 10 * INLAY_MS);
	assert_null(find_got(v.sub, g, 0, 1));
	assert_int_equal(stats_of(v.f->w).slots_now, 0);
	bring(&v, v.b, g + 2);
	assert_group(v.sub, g + 2, 0, 3);
	rivals_free(&v);
}

static void what_a_forwarder_has_begun_is_nobody_elses_later_either(void **state)
{
	struct rivals v = rivals_new();
	__u64 g = 8;

	while (object_len(v.f->w, g, 0, 0) > 0)
		g++;
	forward_only(&v, v.a, g);
	end_session(&v, v.a);
	world_wait(v.f->w, 20 * INLAY_MS);
	assert_true(view_of(v.sub).fast);
	bring(&v, v.b, g);
	bring(&v, v.b, g + 1);
	world_wait(v.f->w, 20 * INLAY_MS);
	assert_null(find_got(v.sub, g, 0, 1));
	assert_group(v.sub, g + 1, 0, 3);
	rivals_free(&v);
}

static void publishers_of_a_namespace_are_asked_though_another_has_come_by_publish(void **state)
{
	struct fast_world *f = fast_new();
	struct client *a = fast_client(f), *b = fast_client(f), *sub = fast_client(f);

	client_publish(b, "video");
	client_announce(a);
	world_run(f->w);
	assert_int_equal(a->asked, 0);
	client_subscribe(sub, "video", NULL);
	world_run(f->w);
	assert_true(sub->ok);
	assert_int_equal(a->asked, 1);
	inlay_moq_request_cancel(sub->subscription, INLAY_MOQ_RESET_CANCELLED);
	world_run(f->w);
	world_wait(f->w, 3 * SECOND);
	assert_int_equal(a->left, 1);
	client_subscribe(sub, "video", NULL);
	world_run(f->w);
	assert_int_equal(a->asked, 2);
	pub_group(a, 7, 3);
	pub_group(b, 7, 3);
	world_run(f->w);
	world_wait(f->w, 120 * INLAY_MS);
	assert_group(sub, 7, 0, 3);
	assert_int_equal(sub->n_got, 3);
	fast_free(f);
}

/* --- in every order -------------------------------------------------------------------------- */

#define FIRST_GROUP 7
#define GROUPS	    24

/* Brings three objects of each group, one at a time. */
struct rival {
	struct client *client;
	struct inlay_moq_outgoing *out;
	bool stopped[GROUPS]; /* late, maybe, when the next group is being brought */
	__u64 group, object;
};

static void go_on(struct rival *r)
{
	bool *stopped = &r->stopped[r->group - FIRST_GROUP];

	if (r->group == FIRST_GROUP + GROUPS)
		return;
	if (r->out == NULL && r->object == 0)
		r->out = pub_open_watched(r->client, r->group, 0, stopped);
	if (*stopped)
		r->object = 3;
	if (r->object < 3)
		pub_object(r->client, r->out, r->group, 0, r->object++);
	if (r->object < 3)
		return;
	if (!*stopped)
		assert_int_equal(inlay_moq_outgoing_finish(r->out), 0);
	r->out = NULL;
	r->object = 0;
	r->group++;
}

static void step(struct rivals *v, struct rival *r, struct seeded *rng)
{
	struct inlay_context *other = &v->f->tables->contexts[OTHER_CONTEXT];
	static const inlay_ns pauses[] = {0, INLAY_MS, 20 * INLAY_MS, 150 * INLAY_MS};
	/* One is ahead for a while. */
	__u64 favoured = seeded_below(rng, 2), n = seeded_below(rng, 8);

	v->f->blind = seeded_below(rng, 8) == 0;
	if (seeded_below(rng, 4) == 0)
		inlay_context_enter(other);
	for (__u64 i = 0; i < n; i++) {
		go_on(&r[seeded_below(rng, 5) == 0 ? !favoured : favoured]);
		if (seeded_below(rng, 2) == 0)
			world_run(v->f->w);
		world_wait(v->f->w, pauses[seeded_below(rng, 4)]);
	}
	world_run(v->f->w);
	if (inlay_load_u64(&other->epoch) & 1)
		inlay_context_leave(other);
}

static void assert_none_twice(const struct client *sub)
{
	for (size_t i = 0; i < sub->n_got; i++)
		assert_ptr_equal(find_got(sub, sub->got[i].group, 0, sub->got[i].object),
				 &sub->got[i]);
}

static void run_in_some_order(__u64 seed, bool kill)
{
	struct seeded rng = {.state = seed * 0x9e3779b97f4a7c15ULL};
	struct rivals v = rivals_new();
	struct rival r[2] = {{.client = v.a, .group = FIRST_GROUP},
			     {.client = v.b, .group = FIRST_GROUP}};
	__u64 killed_at = seeded_below(&rng, 20), last;

	for (__u64 i = 0; i < 40 && !(kill && i == killed_at); i++)
		step(&v, r, &rng);
	v.f->blind = false;
	last = r[0].group > r[1].group ? r[0].group : r[1].group;
	if (kill)
		end_session(&v, v.a);
	while (r[0].group + r[1].group < 2 * (FIRST_GROUP + GROUPS)) {
		if (!kill)
			go_on(&r[0]);
		else
			r[0].group = FIRST_GROUP + GROUPS;
		go_on(&r[1]);
		world_run(v.f->w);
	}
	world_wait(v.f->w, SECOND);
	for (__u64 g = kill ? last + 1 : FIRST_GROUP; g < FIRST_GROUP + GROUPS; g++)
		assert_group(v.sub, g, 0, 3);
	if (!kill)
		assert_int_equal(v.sub->n_got, 3 * GROUPS);
	assert_none_twice(v.sub);
	assert_int_equal(stats_of(v.f->w).streams_refused, 0);
	assert_int_equal(stats_of(v.f->w).slots_now, 0);
	assert_true(view_of(v.sub).fast);
	rivals_free(&v);
}

static void every_object_comes_once_whoever_is_ahead(void **state)
{
	for (__u64 seed = 1; seed <= (getenv("INLAY_FULL") ? 2000 : 60); seed++)
		run_in_some_order(seed, false);
}

static void no_object_comes_twice_when_the_first_publisher_dies(void **state)
{
	for (__u64 seed = 1; seed <= (getenv("INLAY_FULL") ? 2000 : 60); seed++)
		run_in_some_order(seed, true);
}

/* --- what is held, and evicted ---------------------------------------------------------------- */

/* What subscribers are told that they will not get, by group. */
struct told {
	unsigned int evicted[16], other;
};

static void on_reset(void *user, struct inlay_relay_session *rs,
		     const struct inlay_relay_reset *reset)
{
	struct told *told = user;

	if (reset->rule == INLAY_RELAY_RULE_EVICTED && !reset->upstream && reset->group < 16)
		told->evicted[reset->group]++;
	else
		told->other++;
}

static struct rivals rivals_in_little(struct told *told, size_t bytes, __u32 groups)
{
	const struct inlay_relay_config config = {
		.cache = {.max_track_bytes = bytes, .max_track_groups = groups},
		.on_reset = on_reset,
		.on_reset_user = told,
	};

	*told = (struct told){0};
	return rivals_in(fast_new_with(&config));
}

static void who_wants_a_group_that_is_evicted_as_it_is_held_is_told(void **state)
{
	struct told told;
	struct rivals v = rivals_in_little(&told, 1 << 20, 1);

	bring(&v, v.b, 8);
	assert_int_equal(told.evicted[8], 0);
	bring(&v, v.b, 9);
	assert_int_equal(told.evicted[8], 1);
	assert_int_equal(stats_of(v.f->w).reset_evicted, 1);
	/* Who comes now is owed what is above. */
	client_subscribe(fast_client(v.f), "video", NULL);
	world_run(v.f->w);
	assert_true(v.f->w->clients[3].answer.params.present & INLAY_MOQ_HAS_LARGEST_OBJECT);
	assert_int_equal(v.f->w->clients[3].answer.params.largest_object.group, 8);
	assert_int_equal(v.f->w->clients[3].answer.params.largest_object.object, 2);
	world_wait(v.f->w, 120 * INLAY_MS);
	assert_null(find_got(v.sub, 8, 0, 0));
	assert_group(v.sub, 9, 0, 3);
	assert_group(&v.f->w->clients[3], 9, 0, 3);
	assert_int_equal(told.evicted[8], 1);
	assert_int_equal(told.evicted[9] + told.other, 0);
	rivals_free(&v);
}

static void a_stream_that_lost_its_front_as_it_was_held_is_told_as_lost(void **state)
{
	struct told told;
	struct rivals v = rivals_in_little(&told, 20000, 4);
	struct inlay_moq_outgoing *out;

	v.f->w->object_bytes = 5000;
	out = pub_open(v.b, 8, 0);
	for (__u64 o = 0; o < 8; o++)
		pub_object(v.b, out, 8, 0, o);
	assert_int_equal(inlay_moq_outgoing_finish(out), 0);
	world_run(v.f->w);
	assert_int_equal(told.evicted[8], 0);
	world_wait(v.f->w, 120 * INLAY_MS);
	assert_int_equal(told.evicted[8], 1);
	assert_int_equal(v.sub->n_got, 0);
	assert_int_equal(told.other, 0);
	rivals_free(&v);
}

static void what_is_held_and_is_a_duplicate_is_missed_by_nobody(void **state)
{
	struct told told;
	struct rivals v = rivals_in_little(&told, 1 << 20, 1);

	bring(&v, v.b, 8);
	bring(&v, v.a, 8);
	assert_group(v.sub, 8, 0, 3);
	assert_int_equal(told.evicted[8] + told.other, 0);
	rivals_free(&v);
}

static void a_group_that_the_cache_has_given_up_is_nobody_elses(void **state)
{
	struct told told;
	struct rivals v = rivals_in_little(&told, 1 << 20, 1);

	bring(&v, v.a, 7);
	bring(&v, v.a, 8);
	assert_int_equal(v.sub->n_got, 6);
	bring(&v, v.b, 7);
	world_wait(v.f->w, 120 * INLAY_MS);
	assert_int_equal(v.sub->n_got, 6);
	bring(&v, v.a, 9);
	end_session(&v, v.a);
	world_wait(v.f->w, 20 * INLAY_MS);
	for (__u64 g = 8; g < 12; g++)
		bring(&v, v.b, g);
	world_wait(v.f->w, 120 * INLAY_MS);
	assert_group(v.sub, 10, 0, 3);
	assert_group(v.sub, 11, 0, 3);
	assert_int_equal(v.sub->n_got, 15);
	assert_int_equal(stats_of(v.f->w).duplicates, 3);
	assert_true(view_of(v.sub).fast);
	rivals_free(&v);
}

static void groups_of_long_ago_are_remembered(void **state)
{
	struct told told;
	struct rivals v = rivals_in_little(&told, 1 << 20, 1);

	for (__u64 g = 7; g < 107; g++)
		bring(&v, v.a, g);
	for (__u64 g = 7; g < 107; g++)
		bring(&v, v.b, g);
	world_wait(v.f->w, 120 * INLAY_MS);
	assert_int_equal(v.sub->n_got, 300);
	assert_int_equal(stats_of(v.f->w).duplicates, 100);
	rivals_free(&v);
}

static void a_group_that_was_taken_over_and_given_up_is_nobodys(void **state)
{
	struct told told;
	struct rivals v = rivals_in_little(&told, 1 << 20, 1);
	struct inlay_moq_outgoing *first, *second;

	/* The first one dies within a group of two subgroups; the other one goes on with it. */
	first = pub_open(v.a, 7, 0);
	pub_object(v.a, first, 7, 0, 0);
	second = pub_open(v.a, 7, 1);
	pub_object(v.a, second, 7, 1, 1);
	world_run(v.f->w);
	end_session(&v, v.a);
	world_wait(v.f->w, 20 * INLAY_MS);
	assert_int_equal(v.sub->n_got, 2);
	first = pub_open(v.b, 7, 0);
	pub_object(v.b, first, 7, 0, 0);
	world_run(v.f->w);
	bring(&v, v.b, 8);
	second = pub_open(v.b, 7, 1);
	pub_object(v.b, second, 7, 1, 1);
	world_run(v.f->w);
	world_wait(v.f->w, 120 * INLAY_MS);
	assert_group(v.sub, 8, 0, 3);
	assert_int_equal(v.sub->n_got, 5);
	rivals_free(&v);
}

/* The other one's first comes |pause| after. */
static void end_among_datagrams(inlay_ns pause)
{
	struct rivals v = rivals_new();

	for (__u64 o = 0; o < 6; o++)
		send_datagram(&v, v.a, o);
	end_session(&v, v.a);
	world_wait(v.f->w, pause);
	for (__u64 o = 3; o < 9; o++) {
		send_datagram(&v, v.b, o);
		world_wait(v.f->w, 20 * INLAY_MS);
	}
	assert_int_equal(v.sub->datagrams, 9);
	rivals_free(&v);
}

static void datagrams_go_on_where_the_former_publisher_ended(void **state)
{
	end_among_datagrams(20 * INLAY_MS);
	/* Before the other one is fast. */
	end_among_datagrams(0);
}

static void hold(struct inlay_track_cache *t, __u64 group)
{
	const struct inlay_moq_subgroup header = {.group = group};
	struct inlay_cache_stream *s = inlay_track_cache_open(t, &header, 0);

	assert_non_null(s);
	inlay_cache_stream_put(s);
}

static void what_is_taken_over_evicts_the_oldest(void **state)
{
	const struct inlay_cache_config config = {
		.max_bytes = 1 << 20, .max_track_bytes = 1 << 20, .max_track_groups = 2};
	struct inlay_track_cache track, held;
	struct inlay_cache cache;

	inlay_cache_init(&cache, &config);
	inlay_track_cache_init(&track, &cache);
	inlay_track_cache_init(&held, &cache);
	hold(&track, 1);
	hold(&track, 2);
	hold(&held, 3);
	assert_int_equal(inlay_track_cache_move(&track, inlay_track_cache_find(&held, 3)), 0);
	assert_int_equal(track.group_count, 2);
	assert_null(inlay_track_cache_find(&track, 1));
	assert_non_null(inlay_track_cache_find(&track, 3));
	assert_int_equal(held.group_count, 0);
	inlay_track_cache_fini(&track);
	inlay_track_cache_fini(&held);
	assert_int_equal(cache.bytes, 0);
	inlay_cache_fini(&cache);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_groups_of_two_publishers_come_once_and_fast),
		cmocka_unit_test(
			a_group_that_the_fast_one_has_not_begun_waits_for_it_and_no_longer),
		cmocka_unit_test(a_stream_that_is_taken_over_goes_on),
		cmocka_unit_test(
			when_the_fast_one_dies_within_a_group_the_other_goes_on_with_the_next),
		cmocka_unit_test(what_is_left_of_a_group_whose_publisher_ended_is_not_forwarded),
		cmocka_unit_test(nothing_is_taken_over_while_a_forwarder_may_begin_it),
		cmocka_unit_test(who_leaves_out_a_group_stays_the_fast_one),
		cmocka_unit_test(what_is_held_is_not_lost_when_its_publisher_leaves),
		cmocka_unit_test(datagrams_come_from_the_fast_one),
		cmocka_unit_test(a_datagram_on_its_way_up_as_its_track_is_given_up_comes_once),
		cmocka_unit_test(what_a_forwarder_has_begun_is_nobody_elses),
		cmocka_unit_test(what_a_forwarder_has_begun_is_nobody_elses_later_either),
		cmocka_unit_test(
			publishers_of_a_namespace_are_asked_though_another_has_come_by_publish),
		cmocka_unit_test(who_wants_a_group_that_is_evicted_as_it_is_held_is_told),
		cmocka_unit_test(a_stream_that_lost_its_front_as_it_was_held_is_told_as_lost),
		cmocka_unit_test(what_is_held_and_is_a_duplicate_is_missed_by_nobody),
		cmocka_unit_test(a_group_that_the_cache_has_given_up_is_nobody_elses),
		cmocka_unit_test(groups_of_long_ago_are_remembered),
		cmocka_unit_test(a_group_that_was_taken_over_and_given_up_is_nobodys),
		cmocka_unit_test(datagrams_go_on_where_the_former_publisher_ended),
		cmocka_unit_test(what_is_taken_over_evicts_the_oldest),
		cmocka_unit_test(every_object_comes_once_whoever_is_ahead),
		cmocka_unit_test(no_object_comes_twice_when_the_first_publisher_dies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
