/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a policy makes of one subscriber's tracks: ranks, shares, and two tracks through relay and
 * engine over a link that carries three fifths of both.
 */
#include "endpoint_impl.h"
#include "policies.h"
#include "quic_pair.h"
#include "ranking.h"
#include "relay_world.h"
#include "transport_conn.h"

/* --- Ranks ---------------------------------------------------------------------------------------
 */

static void priorities_rank_by_subscriber_then_publisher(void **state)
{
	struct relay_ranking r = {.n = 0};

	assert_true(relay_ranking_add(&r, 128, 200));
	assert_int_equal(relay_ranking_class(&r, 128, 200), 1);
	assert_true(relay_ranking_add(&r, 128, 10));
	assert_false(relay_ranking_add(&r, 128, 10));
	assert_int_equal(relay_ranking_class(&r, 128, 10), 1);
	assert_int_equal(relay_ranking_class(&r, 128, 200), 2);
	assert_true(relay_ranking_add(&r, 5, 255));
	assert_int_equal(relay_ranking_class(&r, 5, 255), 1);
	assert_int_equal(relay_ranking_class(&r, 128, 10), 2);
	assert_int_equal(relay_ranking_class(&r, 128, 200), 3);
}

static void no_class_is_above_that_of_a_worse_priority(void **state)
{
	struct seeded rng = {.state = 11};

	for (int round = 0; round < 200; round++) {
		struct relay_ranking r = {.n = 0};
		__u8 before = 0;

		for (int i = 0; i < round; i++)
			relay_ranking_add(&r, (__u8)seeded_below(&rng, 4),
					  (__u8)seeded_below(&rng, 256));
		assert_in_range(r.n, 0, RELAY_RANKS);
		for (int key = 0; key < 4 * 256; key++) {
			__u8 class = relay_ranking_class(&r, (__u8)(key >> 8), (__u8)key);

			assert_in_range(class, 1, INLAY_CLASSES - 1);
			assert_true(class >= before);
			before = class;
		}
	}
}

/* --- Shares and lateness by hand
 * ------------------------------------------------------------------- */

static void live_gives_the_best_class_in_use_the_window(void **state)
{
	struct inlay_policy_view view = {.active = 1 << 0 | 1 << 3 | 1 << 5 | 1 << 6};
	struct inlay_policy_limits l = {.share = {INLAY_POLICY_WHOLE}};

	inlay_policy_live.limits(NULL, &view, &l);
	assert_int_equal(l.share[3], INLAY_POLICY_WHOLE);
	assert_int_equal(l.overshoot[3], 0);
	assert_int_equal(l.share[5], 800);
	assert_int_equal(l.share[6], 650);
	assert_true(l.overshoot[5] > 0);
	for (int i = 1; i < INLAY_CLASSES; i++)
		assert_true(l.share[i] <= l.share[i - 1]);
	/* Control streams are no rival: one track alone has all. */
	view.active = 1 << 0 | 1 << 4;
	inlay_policy_live.limits(NULL, &view, &l);
	assert_int_equal(l.share[4], INLAY_POLICY_WHOLE);
}

static void live_gives_up_what_is_late_low_and_of_an_old_group(void **state)
{
	const struct inlay_policy_stream late = {
		.class = 2, .behind = INLAY_S, .newer_group = true};
	struct inlay_policy_view view = {.active = 1 << 1 | 1 << 2};
	struct inlay_policy_stream s = late;

	assert_int_equal(inlay_policy_live.late(NULL, &view, &s), INLAY_POLICY_RESET);
	s.class = 1;
	assert_int_equal(inlay_policy_live.late(NULL, &view, &s), INLAY_POLICY_CARRY_ON);
	s = late;
	s.newer_group = false;
	assert_int_equal(inlay_policy_live.late(NULL, &view, &s), INLAY_POLICY_CARRY_ON);
	s = late;
	s.behind = 249 * INLAY_MS;
	assert_int_equal(inlay_policy_live.late(NULL, &view, &s), INLAY_POLICY_CARRY_ON);
	/* Nobody better is there whom it would be in the way of. */
	s = late;
	view.active = 1 << 0 | 1 << 2;
	assert_int_equal(inlay_policy_live.late(NULL, &view, &s), INLAY_POLICY_CARRY_ON);
}

/* --- Two tracks over one link
 * ---------------------------------------------------------------------- */

#define SECONDS	    15
#define TICK	    (10 * INLAY_MS)
#define AUDIO_EVERY (20 * INLAY_MS)
#define VIDEO_EVERY (40 * INLAY_MS)
#define AUDIO_BYTES 200	 /* 10 kB/s */
#define VIDEO_BYTES 3600 /* 90 kB/s */
#define AUDIO_GROUP 50	 /* objects: a second */
#define VIDEO_GROUP 25
#define LINK_BYTES  60000 /* a second */
#define MAX_OBJECTS (SECONDS * 50)

/* A track, as published and as received. */
struct media {
	const char *name;
	struct client *publisher;
	struct inlay_moq_outgoing *out;
	inlay_ns every;
	__u64 bytes, per_group, published;
	inlay_ns sent_at[MAX_OBJECTS];

	struct inlay_moq_request *request;
	bool ok;
	__u64 received, streams, whole, reset;
	__u64 codes_other; /* resets by another code */
	inlay_ns delays[MAX_OBJECTS];
};

struct rx_stream {
	struct media *media;
	__u64 group, next, at, len;
};

struct scene {
	struct world *world;
	struct quic_pair *pair;
	struct inlay_endpoint ep; /* two connections that were never dialled */
	struct inlay_ep_conn conns[2];
	struct inlay_transport_conn transports[2];
	struct inlay_relay_session *relayed;
	struct inlay_moq_session *subscriber;
	struct media audio, video;
	inlay_ns now;
};

static void sub_ok(void *user, struct inlay_moq_request *req,
		   const struct inlay_moq_subscribe_ok *m)
{
	((struct media *)inlay_moq_request_user(req))->ok = true;
}

static void sub_subgroup(void *user, struct inlay_moq_request *req, struct inlay_moq_incoming *in,
			 const struct inlay_moq_subgroup *header)
{
	struct rx_stream *rx = calloc(1, sizeof(*rx));

	rx->media = inlay_moq_request_user(req);
	rx->media->streams++;
	rx->group = header->group;
	inlay_moq_incoming_set_user(in, rx);
}

static void object_done(struct scene *s, struct rx_stream *rx, __u64 object)
{
	struct media *m = rx->media;
	__u64 i = rx->group * m->per_group + object;

	m->delays[m->received++] = s->pair->now - m->sent_at[i];
	rx->len = 0;
}

static void sub_object(void *user, struct inlay_moq_incoming *in,
		       const struct inlay_moq_object *object, const __u8 *header, size_t len)
{
	struct rx_stream *rx = inlay_moq_incoming_user(in);

	/* Never punctured: nothing is left out within a stream. */
	assert_int_equal(object->id, rx->next);
	assert_int_equal(rx->len, rx->at);
	assert_int_equal(object->payload_len, rx->media->bytes);
	rx->next++;
	rx->at = 0;
	rx->len = object->payload_len;
}

static void sub_payload(void *user, struct inlay_moq_incoming *in, const __u8 *data, size_t len,
			bool end)
{
	struct rx_stream *rx = inlay_moq_incoming_user(in);

	for (size_t i = 0; i < len; i++)
		assert_int_equal(data[i], object_byte(rx->group, 0, rx->next - 1, rx->at + i));
	rx->at += len;
	if (end) {
		rx->at = 0;
		object_done(user, rx, rx->next - 1);
	}
}

static void sub_subgroup_end(void *user, struct inlay_moq_incoming *in, enum inlay_moq_end end,
			     __u64 code)
{
	struct rx_stream *rx = inlay_moq_incoming_user(in);
	struct media *m = rx->media;

	if (end == INLAY_MOQ_END_DONE) {
		assert_int_equal(rx->next, m->per_group);
		m->whole++;
	} else if (end == INLAY_MOQ_END_CANCELLED) {
		m->reset++;
		m->codes_other += code != INLAY_MOQ_RESET_TOO_FAR_BEHIND;
	}
	free(rx);
}

static const struct inlay_moq_session_ops subscriber_ops = {
	.on_subscribe_ok = sub_ok,
	.on_subgroup = sub_subgroup,
	.on_object = sub_object,
	.on_payload = sub_payload,
	.on_subgroup_end = sub_subgroup_end,
};

/* --- The engine's events, to the transport of their side --- */

#define UP(side, name, ...)                                                                        \
	inlay_transport_conn_ops.name(((struct quic_pair_side *)(side))->app, __VA_ARGS__)

static void up_data(void *user, __u64 id, const __u8 *data, size_t len, bool fin)
{
	UP(user, on_stream_data, id, data, len, fin);
}

static void up_reset(void *user, __u64 id, __u64 code)
{
	UP(user, on_stream_reset, id, code);
}

static void up_stop(void *user, __u64 id, __u64 code)
{
	UP(user, on_stop_sending, id, code);
}

static void up_closed(void *user, __u64 id)
{
	UP(user, on_stream_closed, id);
}

static void up_available(void *user, bool bidi)
{
	UP(user, on_streams_available, bidi);
}

static const struct inlay_conn_ops engine_ops = {
	.on_stream_data = up_data,
	.on_stream_reset = up_reset,
	.on_stop_sending = up_stop,
	.on_stream_closed = up_closed,
	.on_streams_available = up_available,
};

static void on_ended(struct inlay_transport_conn *t)
{
	fail_msg("a connection ended");
}

/* --- Set-up --- */

static void make_engine(struct scene *s, const struct inlay_policy *policy,
			enum inlay_cc_algorithm cc)
{
	struct quic_pair_config config = quic_pair_defaults(3);

	config.bytes_per_s = LINK_BYTES;
	config.queue_bytes = LINK_BYTES / 5;
	config.delay = 20 * INLAY_MS;
	config.cc = cc;
	config.policy = policy;
	config.app = &engine_ops;
	config.params.initial_max_data = 16 << 20;
	config.params.initial_max_stream_data_uni = 4 << 20;
	config.params.initial_max_streams_uni = 1000;
	s->pair = quic_pair_new(&config);
	s->now = s->pair->now;
	inlay_list_init(&s->ep.dirty);
	for (int i = 0; i < 2; i++) {
		s->conns[i].ep = &s->ep;
		s->conns[i].conn = s->pair->side[i].conn;
		inlay_list_init(&s->conns[i].in_dirty);
		inlay_transport_conn_init(&s->transports[i], &s->conns[i], &s->pair->now, on_ended);
		s->pair->side[i].app = &s->transports[i];
	}
}

static void make_sessions(struct scene *s)
{
	struct inlay_moq_session_config config = {.ops = &subscriber_ops, .user = s};

	config.transport = inlay_transport_conn_transport(&s->transports[INLAY_CLIENT], false);
	s->subscriber = inlay_moq_session_new(&config);
	config.transport = inlay_transport_conn_transport(&s->transports[INLAY_SERVER], true);
	s->relayed = inlay_relay_session_new(s->world->relay, &config, s);
	s->transports[INLAY_CLIENT].session = s->subscriber;
	s->transports[INLAY_SERVER].session = inlay_relay_session_moq(s->relayed);
	assert_int_equal(inlay_moq_session_start(s->subscriber, s->now), 0);
	assert_int_equal(inlay_moq_session_start(s->transports[INLAY_SERVER].session, s->now), 0);
}

/* Everything up to |until|, in ticks. */
static void run(struct scene *s, inlay_ns until)
{
	while (s->now < until) {
		s->now += INLAY_MS;
		quic_pair_run(s->pair, s->now);
		s->world->now = s->now;
		world_run(s->world);
		for (int i = 0; i < 2; i++)
			inlay_moq_session_on_timer(s->transports[i].session, s->now);
		if (inlay_relay_deadline(s->world->relay) <= s->now)
			inlay_relay_on_timer(s->world->relay, s->now);
		quic_pair_flush(s->pair);
	}
}

static void subscribe(struct scene *s, struct media *m, const struct inlay_moq_params *params)
{
	struct inlay_moq_subscribe message = {.name = track_name(m->name), .params = *params};

	m->publisher = world_client(s->world);
	client_publish(m->publisher, m->name);
	world_run(s->world);
	assert_int_equal(inlay_moq_session_subscribe(s->subscriber, &message, m, &m->request), 0);
	run(s, s->now + 200 * INLAY_MS);
	assert_true(m->ok);
}

static struct scene *new_scene(const struct inlay_policy *policy, enum inlay_cc_algorithm cc,
			       __u64 video_timeout_ms)
{
	const struct inlay_relay_config config = {.policy = policy};
	const struct inlay_moq_params high = {.present = INLAY_MOQ_HAS_SUBSCRIBER_PRIORITY,
					      .subscriber_priority = 10};
	struct inlay_moq_params low = {.present = INLAY_MOQ_HAS_SUBSCRIBER_PRIORITY,
				       .subscriber_priority = 200};
	struct scene *s = calloc(1, sizeof(*s));

	if (video_timeout_ms) {
		low.present |= INLAY_MOQ_HAS_OBJECT_DELIVERY_TIMEOUT;
		low.object_delivery_timeout = video_timeout_ms;
	}
	s->audio = (struct media){.name = "audio",
				  .every = AUDIO_EVERY,
				  .bytes = AUDIO_BYTES,
				  .per_group = AUDIO_GROUP};
	s->video = (struct media){.name = "video",
				  .every = VIDEO_EVERY,
				  .bytes = VIDEO_BYTES,
				  .per_group = VIDEO_GROUP};
	s->world = world_new(&config);
	make_engine(s, policy, cc);
	s->world->now = s->now;
	make_sessions(s);
	run(s, s->now + 200 * INLAY_MS);
	subscribe(s, &s->audio, &high);
	subscribe(s, &s->video, &low);
	return s;
}

static void free_scene(struct scene *s)
{
	inlay_moq_session_free(s->subscriber);
	inlay_relay_session_free(s->relayed);
	quic_pair_free(s->pair);
	world_free(s->world);
	free(s);
}

/* --- Load --- */

static void publish(struct scene *s, struct media *m)
{
	__u64 group = m->published / m->per_group, object = m->published % m->per_group;

	s->world->object_bytes = m->bytes;
	if (object == 0)
		m->out = pub_open(m->publisher, group, 0);
	m->sent_at[m->published++] = s->now;
	pub_object(m->publisher, m->out, group, 0, object);
	if (object == m->per_group - 1)
		assert_int_equal(inlay_moq_outgoing_finish(m->out), 0);
}

static void play(struct scene *s)
{
	inlay_ns start = s->now;

	for (inlay_ns t = 0; t < SECONDS * INLAY_S; t += TICK) {
		if (t % s->audio.every == 0)
			publish(s, &s->audio);
		if (t % s->video.every == 0)
			publish(s, &s->video);
		run(s, start + t + TICK);
	}
	run(s, s->now + 2 * INLAY_S);
}

static int compare_ns(const void *a, const void *b)
{
	const inlay_ns *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static inlay_ns percentile(struct media *m, unsigned int part)
{
	qsort(m->delays, m->received, sizeof(*m->delays), compare_ns);
	return m->delays[m->received * part / 100];
}

static void live_keeps_audio_and_gives_up_whole_video_streams(void **state)
{
	static const enum inlay_cc_algorithm ccs[] = {INLAY_CC_LIVE, INLAY_CC_CUBIC};

	for (size_t i = 0; i < INLAY_ARRAY_SIZE(ccs); i++) {
		struct scene *s = new_scene(&inlay_policy_live, ccs[i], 0);
		struct inlay_relay_stats stats;

		play(s);
		stats = stats_of(s->world);
		/* Audio: everything, and soon: 20 ms of way, and at most the link's queue. */
		assert_int_equal(s->audio.received, s->audio.published);
		assert_int_equal(s->audio.reset, 0);
		assert_in_range(percentile(&s->audio, 95), 20 * INLAY_MS,
				ccs[i] == INLAY_CC_LIVE ? 120 * INLAY_MS : 300 * INLAY_MS);
		/* Video: streams end whole, or by the policy's rule and no other. */
		assert_true(stats.reset_policy >= 3);
		for (int rule = 0; rule < INLAY_RELAY_N_RULES; rule++)
			assert_int_equal(stats.resets[rule],
					 rule == INLAY_RELAY_RULE_POLICY ? stats.reset_policy : 0);
		assert_int_equal(s->video.reset + s->video.whole, s->video.streams);
		assert_int_equal(s->video.codes_other, 0);
		assert_true(s->video.reset <= stats.reset_policy);
		/* What the link carries is used: half of the video came over. */
		assert_in_range(s->video.received, s->video.published * 4 / 10, s->video.published);
		free_scene(s);
	}
}

static void fair_gives_nothing_up(void **state)
{
	struct scene *s = new_scene(&inlay_policy_fair, INLAY_CC_LIVE, 0);
	struct inlay_relay_stats stats;

	play(s);
	stats = stats_of(s->world);
	assert_int_equal(s->audio.received, s->audio.published);
	for (int rule = 0; rule < INLAY_RELAY_N_RULES; rule++)
		assert_int_equal(stats.resets[rule], 0);
	/* So the video is late, and all of it comes in the end. */
	assert_true(s->video.received < s->video.published);
	run(s, s->now + SECONDS * INLAY_S);
	assert_int_equal(s->video.received, s->video.published);
	free_scene(s);
}

static void a_delivery_timeout_is_not_the_policys(void **state)
{
	struct scene *s = new_scene(&inlay_policy_live, INLAY_CC_LIVE, 600);
	struct inlay_relay_stats stats;

	play(s);
	stats = stats_of(s->world);
	assert_int_equal(s->audio.received, s->audio.published);
	assert_int_equal(stats.reset_policy, 0);
	assert_true(stats.reset_timeout > 0);
	free_scene(s);
}

static void the_policy_sees_what_the_path_carries(void **state)
{
	struct scene *s = new_scene(&inlay_policy_live, INLAY_CC_LIVE, 0);
	struct inlay_policy_view view;

	play(s);
	inlay_moq_session_view(s->transports[INLAY_SERVER].session, &view);
	assert_in_range(view.bandwidth, LINK_BYTES * 3 / 4, LINK_BYTES * 5 / 4);
	assert_true(view.min_rtt >= 40 * INLAY_MS);
	free_scene(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(priorities_rank_by_subscriber_then_publisher),
		cmocka_unit_test(no_class_is_above_that_of_a_worse_priority),
		cmocka_unit_test(live_gives_the_best_class_in_use_the_window),
		cmocka_unit_test(live_gives_up_what_is_late_low_and_of_an_old_group),
		cmocka_unit_test(live_keeps_audio_and_gives_up_whole_video_streams),
		cmocka_unit_test(fair_gives_nothing_up),
		cmocka_unit_test(a_delivery_timeout_is_not_the_policys),
		cmocka_unit_test(the_policy_sees_what_the_path_carries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
