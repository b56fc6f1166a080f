/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A subscriber that changes between renditions at a relay in memory. Two or three publishers send
 * the same groups in as many sizes; the subscriber's link is slow at times. Whatever happens, what
 * is handed on is every group once, in order, whole, and each from one rendition. And one
 * publisher of several renditions, which begin together.
 */
#include "publisher.h"
#include "relay_world.h"
#include "subscriber.h"

#define OBJECTS 10 /* of a group, one each TICK */
#define TICK	(100 * INLAY_MS)
#define MOST	3

static const char *const names[MOST] = {"low", "middle", "high"};

struct stage {
	struct world *w;
	int n;				/* renditions */
	struct client *publisher[MOST]; /* NULL: it has gone */
	__u64 bytes[MOST];		/* of an object */
	struct client *viewer;
	struct inlay_subscriber_track *track;
	struct inlay_moq_name name[MOST];
	struct inlay_moq_outgoing *out[MOST];
	__u64 ticks;
	int pieces; /* that the viewer's link carries in 20 ms, about 2 kB each; -1: no limit */
	/* What was handed on. */
	__u64 group, object;  /* the next one */
	bool begun, may_jump; /* |may_jump|: over groups, once */
	__u64 first_group;
	__u64 len;	   /* of the group's objects */
	__u64 taken[MOST]; /* groups, by rendition */
	unsigned int switches;
	__u64 switch_group[64];
};

static void on_viewed(void *user, __u64 group, __u64 object, const __u8 *data, size_t len)
{
	struct stage *s = user;
	int i;

	if (!s->begun || (s->may_jump && group > s->group)) {
		if (!s->begun)
			s->first_group = group;
		else
			s->may_jump = false;
		s->begun = true;
		s->group = group;
		s->object = 0;
	}
	assert_int_equal(group, s->group);
	assert_int_equal(object, s->object);
	if (object == 0)
		s->len = len;
	assert_int_equal(len, s->len);
	for (size_t k = 0; k < len; k += 997)
		assert_int_equal(data[k], object_byte(group, 0, object, k));
	if (++s->object < OBJECTS)
		return;
	s->object = 0;
	s->group++;
	for (i = 0; i < s->n && s->bytes[i] != len;)
		i++;
	assert_true(i < s->n);
	s->taken[i]++;
}

static void on_switch(void *user, unsigned int from, unsigned int to, __u64 group)
{
	struct stage *s = user;

	assert_int_not_equal(from, to);
	if (s->switches < INLAY_ARRAY_SIZE(s->switch_group))
		s->switch_group[s->switches] = group;
	s->switches++;
}

/* A client of the relay with a session of its own kind. */
static struct client *join(struct world *w, const struct inlay_moq_session_ops *ops, void *user,
			   void (*set_session)(void *user, struct inlay_moq_session *s))
{
	struct inlay_moq_session_config config = {.ops = ops, .user = user};
	struct client *c = &w->clients[w->n++];

	assert_true(w->n <= WORLD_CLIENTS);
	c->world = w;
	c->link = link_new(w->rng + (__u64)w->n);
	c->link->now = w->now;
	config.transport = link_transport(c->link, 0);
	c->moq = inlay_moq_session_new(&config);
	set_session(user, c->moq);
	config = (struct inlay_moq_session_config){.transport = link_transport(c->link, 1)};
	c->rs = inlay_relay_session_new(w->relay, &config, c);
	c->link->ends[0].session = c->moq;
	c->link->ends[1].session = inlay_relay_session_moq(c->rs);
	assert_int_equal(inlay_moq_session_start(c->moq, w->now), 0);
	assert_int_equal(inlay_moq_session_start(c->link->ends[1].session, w->now), 0);
	world_run(w);
	return c;
}

static void set_subscriber(void *user, struct inlay_moq_session *session)
{
	inlay_subscriber_set_session(user, session);
}

static void add_viewer(struct stage *s)
{
	struct inlay_subscriber_config sub = {
		.n = (unsigned int)s->n,
		.wait = 10 * INLAY_S,
		.patience = 20 * INLAY_S,
		.on_object = on_viewed,
		.on_switch = on_switch,
		.user = s,
	};

	for (int i = 0; i < s->n; i++) {
		s->name[i] = track_name(names[i]);
		sub.renditions[i] = (struct inlay_subscriber_rendition){
			&s->name[i], s->bytes[i] * 8 * INLAY_S / TICK};
	}
	s->track = inlay_subscriber_new(&sub);
	assert_non_null(s->track);
	s->viewer = join(s->w, inlay_subscriber_session_ops(), s->track, set_subscriber);
}

static void add_publisher(struct stage *s, int i)
{
	s->publisher[i] = world_client(s->w);
	client_publish(s->publisher[i], names[i]);
	world_run(s->w);
}

/* |with|: bit per rendition that is published. The lowest takes 1 Mbit/s, the highest 4. */
static struct stage *stage_new(__u64 seed, int n, unsigned int with)
{
	struct stage *s = calloc(1, sizeof(*s));

	s->w = world_new(NULL);
	s->w->rng = seed;
	s->pieces = -1;
	s->n = n;
	for (int i = 0; i < n; i++) {
		s->bytes[i] = i == 0 ? 12500 : i + 1 == n ? 50000 : 25000;
		if (with >> i & 1)
			add_publisher(s, i);
	}
	add_viewer(s);
	return s;
}

static void stage_free(struct stage *s)
{
	world_free(s->w);
	inlay_subscriber_free(s->track);
	free(s);
}

static void publish_one(struct stage *s, int i)
{
	__u64 group = s->ticks / OBJECTS, object = s->ticks % OBJECTS;
	struct client *c = s->publisher[i];

	if (!c || !c->publishing)
		return;
	s->w->object_bytes = s->bytes[i];
	/* As a publisher would: a group is entered at its beginning only. */
	if (object == 0 && c->forward)
		s->out[i] = pub_open(c, group, 0);
	if (!s->out[i])
		return;
	pub_object(c, s->out[i], group, 0, object);
	if (object + 1 == OBJECTS) {
		assert_int_equal(inlay_moq_outgoing_finish(s->out[i]), 0);
		s->out[i] = NULL;
	}
}

/* A slow link: a few pieces, of whatever stream. */
static void trickle(struct stage *s)
{
	struct link_end *relay = &s->viewer->link->ends[1];
	__u64 before;

	for (int i = 0; i < s->pieces; i++) {
		relay->stalled = false;
		before = relay->taken;
		while (relay->taken == before && link_step(s->viewer->link))
			;
		relay->stalled = true;
	}
	world_run(s->w);
}

/* Time passes, with media. */
static void play(struct stage *s, inlay_ns duration)
{
	inlay_ns until = s->w->now + duration, step = 20 * INLAY_MS;

	while (s->w->now < until) {
		if ((s->w->now - 1000 * INLAY_S) % TICK < step) {
			for (int i = s->n - 1; i >= 0; i--)
				publish_one(s, i);
			s->ticks++;
			world_run(s->w);
		}
		world_wait(s->w, step);
		trickle(s);
		if (inlay_subscriber_deadline(s->track) <= s->w->now)
			inlay_subscriber_on_timer(s->track, s->w->now);
		world_run(s->w);
	}
}

static void narrow(struct stage *s, int pieces)
{
	s->pieces = pieces;
	s->viewer->link->ends[1].stalled = pieces >= 0;
}

/* Nothing is missing up to now. */
static void expect_all(const struct stage *s)
{
	struct inlay_jitter_stats stats;

	inlay_subscriber_stats(s->track, &stats);
	assert_int_equal(stats.missing_objects + stats.missing_groups + stats.late, 0);
	assert_int_equal(s->first_group, 0);
	assert_int_equal(s->group * OBJECTS + s->object, s->ticks);
	assert_int_equal(s->taken[0] + s->taken[1] + s->taken[2], s->group);
}

static void it_climbs_where_there_is_room(void **state)
{
	struct stage *s = stage_new(1, 2, 3);

	play(s, 10 * INLAY_S);
	expect_all(s);
	assert_int_equal(s->switches, 1);
	assert_int_equal(inlay_subscriber_rendition(s->track), 1);
	assert_true(s->taken[1] >= 5);
	/* The relay is kept at the lower one, and sends none of it. */
	assert_true(s->publisher[0]->forward);
	stage_free(s);
}

static void a_fall_begins_with_what_the_relay_kept(void **state)
{
	struct stage *s = stage_new(2, 2, 3);
	__u64 live;

	play(s, 8 * INLAY_S + 400 * INLAY_MS);
	assert_int_equal(inlay_subscriber_rendition(s->track), 1);
	narrow(s, 2);
	play(s, 3 * INLAY_S);
	live = s->ticks / OBJECTS;
	narrow(s, -1);
	play(s, 200 * INLAY_MS);
	assert_int_equal(inlay_subscriber_rendition(s->track), 0);
	assert_int_equal(s->switches, 2);
	/* The group that was begun came to its end as it was, the next is the lower one's. */
	assert_true(s->switch_group[1] < live);
	play(s, INLAY_S);
	expect_all(s);
	stage_free(s);
}

static void without_the_other_rendition_the_one_carries_on(void **state)
{
	struct stage *s = stage_new(3, 2, 1);

	play(s, 10 * INLAY_S);
	expect_all(s);
	assert_int_equal(s->switches, 0);
	assert_int_equal(s->taken[1], 0);
	stage_free(s);
}

static void a_publisher_that_begins_late_is_waited_for(void **state)
{
	struct stage *s = stage_new(4, 2, 3);

	/* It forwards nothing until the attempt is under way, and then from its next group on. */
	play(s, 2 * INLAY_S);
	s->publisher[1]->forward = false;
	play(s, 1500 * INLAY_MS);
	s->publisher[1]->forward = true;
	play(s, 8 * INLAY_S);
	expect_all(s);
	assert_true(s->taken[1] > 0);
	stage_free(s);
}

static void the_end_of_the_track_waits_for_the_old_rendition(void **state)
{
	struct stage *s = stage_new(5, 2, 3);

	play(s, 8 * INLAY_S + 400 * INLAY_MS);
	narrow(s, 2);
	play(s, 2600 * INLAY_MS); /* to the end of a group, with a fall under way */
	assert_int_equal(s->ticks % OBJECTS, 0);
	inlay_moq_request_publish_done(s->publisher[0]->publishing, INLAY_MOQ_DONE_TRACK_ENDED, "");
	inlay_moq_request_publish_done(s->publisher[1]->publishing, INLAY_MOQ_DONE_TRACK_ENDED, "");
	s->publisher[0]->publishing = s->publisher[1]->publishing = NULL;
	world_run(s->w);
	narrow(s, -1);
	world_run(s->w);
	for (int i = 0; i < 100; i++) {
		world_wait(s->w, 100 * INLAY_MS);
		inlay_subscriber_on_timer(s->track, s->w->now);
		world_run(s->w);
	}
	assert_int_equal(inlay_subscriber_state(s->track), INLAY_SUB_ENDED);
	expect_all(s);
	stage_free(s);
}

static void no_group_is_missing_or_twice_however_the_link_behaves(void **state)
{
	__u64 seeds = getenv("INLAY_FULL") ? 500 : 12, changes = 0;

	for (__u64 seed = 1; seed <= seeds; seed++) {
		struct stage *s = stage_new(seed * 7919, seed % 2 ? 2 : 3, 7);
		__u64 rng = seed;

		print_message("seed %llu\n", (unsigned long long)seed);
		for (int i = 0; i < 25; i++) {
			rng = rng * 6364136223846793005ULL + 1442695040888963407ULL;
			narrow(s, i % 2 ? (int)(rng >> 40) % 3 : -1);
			play(s, (20 + (rng >> 33) % (i % 2 ? 1500 : 5000)) * INLAY_MS);
		}
		narrow(s, -1);
		play(s, INLAY_S);
		expect_all(s);
		changes += s->switches;
		stage_free(s);
	}
	assert_true(changes > 2 * seeds);
}

static void of_three_it_takes_what_fits(void **state)
{
	struct stage *s = stage_new(6, 3, 7);

	play(s, 10 * INLAY_S);
	assert_int_equal(inlay_subscriber_rendition(s->track), 2);
	narrow(s, 6); /* some 4 Mbit/s at first, as it falls behind less: not the highest */
	play(s, 12 * INLAY_S);
	assert_true(inlay_subscriber_rendition(s->track) < 2);
	narrow(s, -1);
	play(s, 40 * INLAY_S);
	assert_int_equal(inlay_subscriber_rendition(s->track), 2);
	play(s, INLAY_S);
	expect_all(s);
	stage_free(s);
}

static void the_middle_one_missing_is_passed_over(void **state)
{
	struct stage *s = stage_new(7, 3, 5);

	play(s, 20 * INLAY_S);
	assert_int_equal(s->taken[1], 0);
	assert_true(s->taken[2] > 10);
	narrow(s, 2);
	play(s, 10 * INLAY_S);
	assert_int_equal(inlay_subscriber_rendition(s->track), 0);
	narrow(s, -1);
	play(s, 2 * INLAY_S);
	expect_all(s);
	stage_free(s);
}

static void publishers_that_come_back_are_taken_up_again(void **state)
{
	struct stage *s = stage_new(8, 2, 3);
	__u64 before;

	play(s, 8 * INLAY_S);
	assert_int_equal(inlay_subscriber_rendition(s->track), 1);
	for (int i = 0; i < 2; i++) {
		client_kill(s->publisher[i]);
		s->publisher[i] = NULL;
		s->out[i] = NULL;
	}
	play(s, 3 * INLAY_S);
	before = s->group;
	s->may_jump = true;
	add_publisher(s, 0);
	add_publisher(s, 1);
	play(s, 28 * INLAY_S); /* what is missing is waited for */
	assert_true(s->group > before + 5);
	assert_int_equal(inlay_subscriber_state(s->track), INLAY_SUB_READY);
	stage_free(s);
}

static void a_rendition_that_is_gone_for_good_is_left(void **state)
{
	struct stage *s = stage_new(9, 2, 3);

	play(s, 8 * INLAY_S);
	assert_int_equal(inlay_subscriber_rendition(s->track), 1);
	/* Its last group is cut short: what there was of it is handed on, and not again. */
	play(s, 500 * INLAY_MS);
	client_kill(s->publisher[1]);
	s->publisher[1] = NULL;
	s->out[1] = NULL;
	s->may_jump = true;
	play(s, 30 * INLAY_S);
	assert_int_equal(inlay_subscriber_rendition(s->track), 0);
	assert_int_equal(inlay_subscriber_state(s->track), INLAY_SUB_READY);
	assert_int_equal(s->group * OBJECTS + s->object, s->ticks);
	stage_free(s);
}

static void it_begins_with_whatever_rendition_there_is(void **state)
{
	struct stage *s = stage_new(10, 3, 4);

	play(s, 10 * INLAY_S);
	assert_int_equal(inlay_subscriber_rendition(s->track), 2);
	assert_int_equal(s->group * OBJECTS + s->object, s->ticks);
	stage_free(s);
}

/* --- one publisher of several renditions ----------------------------------------------------- */

struct ladder {
	struct inlay_moq_name name[2];
	struct inlay_publisher *publisher[2];
	__u64 first_group;
	bool any;
};

static void on_sent(void *user, __u64 group, __u64 object, const __u8 *data, size_t len)
{
	struct ladder *l = user;

	if (!l->any)
		l->first_group = group;
	l->any = true;
}

static void set_publisher(void *user, struct inlay_moq_session *session)
{
	inlay_publisher_set_session(user, session);
}

static struct client *ladder_join(struct ladder *l, struct world *w)
{
	struct inlay_publisher_config config = {.priority = 100, .go_on = true, .on_sent = on_sent};

	*l = (struct ladder){0};
	config.user = l;
	for (int i = 0; i < 2; i++) {
		l->name[i] = track_name(names[i]);
		config.name = &l->name[i];
		l->publisher[i] = inlay_publisher_new(&config);
	}
	inlay_publisher_join(l->publisher[0], l->publisher[1]);
	return join(w, inlay_publisher_session_ops(), l->publisher[0], set_publisher);
}

static void ladder_group(struct ladder *l, struct world *w, __u64 group)
{
	__u8 payload[500];

	w->object_bytes = sizeof(payload);
	for (__u64 o = 0; o < 3; o++) {
		for (size_t k = 0; k < sizeof(payload); k++)
			payload[k] = object_byte(group, 0, o, k);
		for (int i = 0; i < 2; i++)
			assert_int_equal(inlay_publisher_frame(l->publisher[i], payload,
							       sizeof(payload), !o, w->now),
					 0);
	}
	world_run(w);
}

static void ladder_free(struct ladder *l)
{
	for (int i = 0; i < 2; i++)
		inlay_publisher_free(l->publisher[i]);
}

static void renditions_begin_with_the_same_group_also_after_a_restart(void **state)
{
	struct world *w = world_new(NULL);
	struct ladder first, second;
	struct client *c = ladder_join(&first, w), *late;
	struct client *viewer = world_client(w), *other = world_client(w);

	assert_true(inlay_publisher_is_announced(first.publisher[0]));
	client_subscribe(viewer, names[0], NULL);
	world_run(w);
	assert_true(inlay_publisher_is_wanted(first.publisher[0]));
	assert_false(inlay_publisher_is_wanted(first.publisher[1]));
	for (__u64 g = 0; g < 3; g++)
		ladder_group(&first, w, g);
	assert_int_equal(first.first_group, 0);
	assert_int_equal(viewer->n_got, 9);
	/* What was not wanted was counted: the other one goes on with the same number. */
	client_subscribe(other, names[1], NULL);
	world_run(w);
	ladder_group(&first, w, 3);
	assert_int_equal(other->got[0].group, 3);
	link_close(&c->link->ends[0], 0, "");
	link_run(c->link);

	/* One track is known up to group 3, and so is the other; one of them anew, up to 4. */
	late = ladder_join(&second, w);
	world_wait(w, INLAY_S);
	assert_false(inlay_publisher_is_asking(second.publisher[0]));
	ladder_group(&second, w, 4);
	assert_int_equal(second.first_group, 4);
	for (int i = 0; i < 2; i++)
		assert_int_equal((i ? other : viewer)->got[(i ? other : viewer)->n_got - 1].group,
				 4);
	assert_false(late->closed);
	world_free(w);
	ladder_free(&first);
	ladder_free(&second);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_climbs_where_there_is_room),
		cmocka_unit_test(a_fall_begins_with_what_the_relay_kept),
		cmocka_unit_test(without_the_other_rendition_the_one_carries_on),
		cmocka_unit_test(a_publisher_that_begins_late_is_waited_for),
		cmocka_unit_test(the_end_of_the_track_waits_for_the_old_rendition),
		cmocka_unit_test(of_three_it_takes_what_fits),
		cmocka_unit_test(the_middle_one_missing_is_passed_over),
		cmocka_unit_test(publishers_that_come_back_are_taken_up_again),
		cmocka_unit_test(a_rendition_that_is_gone_for_good_is_left),
		cmocka_unit_test(it_begins_with_whatever_rendition_there_is),
		cmocka_unit_test(renditions_begin_with_the_same_group_also_after_a_restart),
		cmocka_unit_test(no_group_is_missing_or_twice_however_the_link_behaves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
