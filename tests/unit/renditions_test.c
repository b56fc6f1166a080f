/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A subscriber that changes between renditions at a relay in memory. Two publishers send the same
 * groups in two sizes; the subscriber's link stands still at times. Whatever happens, what is
 * handed on is every group once, in order, whole, and each from one rendition.
 */
#include "relay_world.h"
#include "subscriber.h"

#define OBJECTS	   10 /* of a group, one each TICK */
#define TICK	   (100 * INLAY_MS)
#define LOW_BYTES  12500 /* 1 Mbit/s */
#define HIGH_BYTES 50000
#define MAX_GROUPS 200

struct stage {
	struct world *w;
	struct client *low, *high; /* publishers */
	struct client *viewer;
	struct inlay_subscriber_track *track;
	struct inlay_moq_name name[2];
	struct inlay_moq_outgoing *out[2];
	__u64 ticks;
	int pieces; /* that the viewer's link carries in 20 ms, about 2 kB each; -1: no limit */
	/* What was handed on. */
	__u64 group, object; /* the next one */
	bool begun;
	__u64 first_group;
	__u64 bytes; /* of the group's objects */
	__u64 n_low, n_high;
	unsigned int switches;
	__u64 switch_group[64];
};

static void on_viewed(void *user, __u64 group, __u64 object, const __u8 *data, size_t len)
{
	struct stage *s = user;

	if (!s->begun) {
		s->begun = true;
		s->group = s->first_group = group;
	}
	assert_int_equal(group, s->group);
	assert_int_equal(object, s->object);
	assert_true(len == LOW_BYTES || len == HIGH_BYTES);
	if (object == 0)
		s->bytes = len;
	assert_int_equal(len, s->bytes);
	for (size_t i = 0; i < len; i += 997)
		assert_int_equal(data[i], object_byte(group, 0, object, i));
	if (++s->object < OBJECTS)
		return;
	s->object = 0;
	s->group++;
	*(len == LOW_BYTES ? &s->n_low : &s->n_high) += 1;
}

static void on_switch(void *user, unsigned int from, unsigned int to, __u64 group)
{
	struct stage *s = user;

	assert_int_equal(from, !to);
	if (s->switches < INLAY_ARRAY_SIZE(s->switch_group))
		s->switch_group[s->switches] = group;
	s->switches++;
}

static void add_viewer(struct stage *s)
{
	struct inlay_moq_session_config config = {.ops = inlay_subscriber_session_ops()};
	struct inlay_subscriber_config sub = {
		.renditions = {{&s->name[0], 1000000}, {&s->name[1], 4000000}},
		.n = 2,
		.wait = INLAY_S,
		.patience = 20 * INLAY_S,
		.on_object = on_viewed,
		.on_switch = on_switch,
		.user = s,
	};
	struct client *c = &s->w->clients[s->w->n++];

	s->name[0] = track_name("low");
	s->name[1] = track_name("high");
	s->track = inlay_subscriber_new(&sub);
	assert_non_null(s->track);
	c->world = s->w;
	c->link = link_new(s->w->rng);
	c->link->now = s->w->now;
	config.user = s->track;
	config.transport = link_transport(c->link, 0);
	c->moq = inlay_moq_session_new(&config);
	inlay_subscriber_set_session(s->track, c->moq);
	config.ops = NULL;
	config.transport = link_transport(c->link, 1);
	c->rs = inlay_relay_session_new(s->w->relay, &config, c);
	c->link->ends[0].session = c->moq;
	c->link->ends[1].session = inlay_relay_session_moq(c->rs);
	assert_int_equal(inlay_moq_session_start(c->moq, s->w->now), 0);
	assert_int_equal(inlay_moq_session_start(c->link->ends[1].session, s->w->now), 0);
	s->viewer = c;
	world_run(s->w);
}

static struct stage *stage_new(__u64 seed, bool with_high)
{
	struct stage *s = calloc(1, sizeof(*s));

	s->w = world_new(NULL);
	s->w->rng = seed;
	s->low = world_client(s->w);
	s->pieces = -1;
	client_publish(s->low, "low");
	if (with_high) {
		s->high = world_client(s->w);
		client_publish(s->high, "high");
	}
	world_run(s->w);
	add_viewer(s);
	return s;
}

static void stage_free(struct stage *s)
{
	world_free(s->w);
	inlay_subscriber_free(s->track);
	free(s);
}

static void publish_one(struct stage *s, struct client *c, int i)
{
	__u64 group = s->ticks / OBJECTS, object = s->ticks % OBJECTS;

	if (!c || !c->publishing)
		return;
	s->w->object_bytes = i ? HIGH_BYTES : LOW_BYTES;
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
			publish_one(s, s->high, 1);
			publish_one(s, s->low, 0);
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
	assert_int_equal(s->n_low + s->n_high, s->group);
}

static void it_climbs_where_there_is_room(void **state)
{
	struct stage *s = stage_new(1, true);

	play(s, 10 * INLAY_S);
	expect_all(s);
	assert_int_equal(s->switches, 1);
	assert_int_equal(inlay_subscriber_rendition(s->track), 1);
	assert_true(s->n_high >= 5);
	/* The relay is kept at the lower one, and sends none of it. */
	assert_true(s->low->forward);
	stage_free(s);
}

static void a_fall_begins_with_what_the_relay_kept(void **state)
{
	struct stage *s = stage_new(2, true);
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
	struct stage *s = stage_new(3, false);

	play(s, 10 * INLAY_S);
	expect_all(s);
	assert_int_equal(s->switches, 0);
	assert_int_equal(s->n_high, 0);
	stage_free(s);
}

static void a_publisher_that_begins_late_is_waited_for(void **state)
{
	struct stage *s = stage_new(4, true);

	/* It forwards nothing until the attempt is under way, and then from its next group on. */
	play(s, 2 * INLAY_S);
	s->high->forward = false;
	play(s, 1500 * INLAY_MS);
	s->high->forward = true;
	play(s, 8 * INLAY_S);
	expect_all(s);
	assert_true(s->n_high > 0);
	stage_free(s);
}

static void the_end_of_the_track_waits_for_the_old_rendition(void **state)
{
	struct stage *s = stage_new(5, true);

	play(s, 8 * INLAY_S + 400 * INLAY_MS);
	narrow(s, 2);
	play(s, 2600 * INLAY_MS); /* to the end of a group, with a fall under way */
	assert_int_equal(s->ticks % OBJECTS, 0);
	inlay_moq_request_publish_done(s->low->publishing, INLAY_MOQ_DONE_TRACK_ENDED, "");
	inlay_moq_request_publish_done(s->high->publishing, INLAY_MOQ_DONE_TRACK_ENDED, "");
	s->low->publishing = s->high->publishing = NULL;
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
		struct stage *s = stage_new(seed * 7919, true);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_climbs_where_there_is_room),
		cmocka_unit_test(a_fall_begins_with_what_the_relay_kept),
		cmocka_unit_test(without_the_other_rendition_the_one_carries_on),
		cmocka_unit_test(a_publisher_that_begins_late_is_waited_for),
		cmocka_unit_test(the_end_of_the_track_waits_for_the_old_rendition),
		cmocka_unit_test(no_group_is_missing_or_twice_however_the_link_behaves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
