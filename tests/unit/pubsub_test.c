/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A publisher and a subscriber with no relay between them, over two peers in memory: what goes in
 * as fragmented MP4 or as synthetic load comes out byte for byte, over links good and bad.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <errno.h>
#include <cmocka.h>

#include "fmp4.h"
#include "link.h"
#include "peer_pair.h"
#include "pub_source.h"
#include "publisher.h"
#include "subscriber.h"
#include "timestamp.h"

#define START	   (5000 * INLAY_S)
#define MAX_FRAMES 2000

static struct pair_certificate certificate;

struct frame {
	__u64 group, object, sum;
	size_t len;
};

struct log {
	struct frame frames[MAX_FRAMES];
	size_t n;
};

struct scene {
	struct peer_pair pair;
	struct inlay_link link[2]; /* 0: subscriber, the client; 1: publisher, the server */
	struct inlay_publisher *publisher;
	struct inlay_subscriber_track *subscriber;
	struct inlay_pub_source *source; /* in place of synthetic load */
	struct inlay_publisher_config publisher_config;
	struct inlay_subscriber_config subscriber_config;
	struct inlay_peer_config peer[2];
	struct inlay_moq_name name;
	__u8 name_bytes[64];
	struct log sent, received;
	/* Load: a frame each |interval| from when the track is wanted. */
	inlay_ns interval, next;
	size_t n_frames, max_frames, per_group, frame_bytes;
	bool finished;
};

static void note(struct log *log, __u64 group, __u64 object, const __u8 *data, size_t len)
{
	struct frame *f = &log->frames[log->n++];
	size_t i;

	assert_true(log->n <= MAX_FRAMES);
	*f = (struct frame){
		.group = group, .object = object, .len = len, .sum = 0xcbf29ce484222325};
	for (i = 0; i < len; i++)
		f->sum = (f->sum ^ data[i]) * 0x100000001b3ULL;
}

static void on_sent(void *user, __u64 group, __u64 object, const __u8 *data, size_t len)
{
	note(&((struct scene *)user)->sent, group, object, data, len);
}

static void on_received(void *user, __u64 group, __u64 object, const __u8 *data, size_t len)
{
	note(&((struct scene *)user)->received, group, object, data, len);
}

static struct scene *scene_new(__u64 seed)
{
	struct scene *s = calloc(1, sizeof(*s));
	int i;

	assert_non_null(s);
	s->pair.random = seed;
	s->pair.now = START;
	s->pair.delay = 5 * INLAY_MS;
	pair_addresses(&s->pair);
	assert_int_equal(inlay_moq_name_scan("unit.2dtest--video", s->name_bytes,
					     sizeof(s->name_bytes), &s->name),
			 0);
	for (i = 0; i < 2; i++) {
		s->peer[i].role = i ? INLAY_SERVER : INLAY_CLIENT;
		s->peer[i].path = s->pair.path[i];
		s->peer[i].handshake_timeout = 60 * INLAY_S;
	}
	s->peer[0].server_name = "localhost";
	s->peer[0].ca_file = certificate.cert;
	s->peer[1].cert_file = certificate.cert;
	s->peer[1].key_file = certificate.key;
	s->publisher_config = (struct inlay_publisher_config){.name = &s->name,
							      .timestamps = true,
							      .priority = 100,
							      .on_sent = on_sent,
							      .user = s};
	s->subscriber_config = (struct inlay_subscriber_config){.renditions = {{.name = &s->name}},
								.n = 1,
								.patience = 10 * INLAY_S,
								.on_object = on_received,
								.user = s};
	s->interval = 20 * INLAY_MS;
	s->max_frames = 100;
	s->per_group = 10;
	s->frame_bytes = 3000;
	return s;
}

static void publish_source(struct scene *s)
{
	struct inlay_pub_frame frame;

	while (inlay_publisher_is_wanted(s->publisher) && !s->finished) {
		if (inlay_pub_source_peek(s->source, &frame)) {
			s->finished = true;
			inlay_publisher_finish(s->publisher, INLAY_MOQ_DONE_TRACK_ENDED);
			return;
		}
		if (inlay_publisher_frame(s->publisher, frame.data, frame.len, frame.starts_group,
					  s->pair.now))
			return;
		inlay_pub_source_advance(s->source);
	}
}

static void publish_due(struct scene *s)
{
	struct inlay_peer_stats stats;
	__u8 data[20000];
	size_t i;

	if (!s->next && inlay_publisher_is_wanted(s->publisher))
		s->next = s->pair.now;
	while (s->next && s->next <= s->pair.now && s->n_frames < s->max_frames) {
		for (i = 0; i < s->frame_bytes; i++)
			data[i] = (__u8)(pair_random(&s->pair) >> 20);
		if (inlay_publisher_frame(s->publisher, data, s->frame_bytes,
					  s->n_frames % s->per_group == 0, s->pair.now))
			return; /* no stream: again next time */
		s->n_frames++;
		s->next += s->interval;
	}
	inlay_peer_stats(s->pair.peer[1], &stats);
	if (s->n_frames == s->max_frames && !stats.datagram_bytes && !s->finished) {
		s->finished = true;
		inlay_publisher_finish(s->publisher, INLAY_MOQ_DONE_TRACK_ENDED);
	}
}

static void on_round(struct peer_pair *pair, void *user)
{
	struct scene *s = user;
	int i;

	if (s->source)
		publish_source(s);
	else
		publish_due(s);
	for (i = 0; i < 2; i++)
		inlay_link_on_timer(&s->link[i], pair->now);
	if (inlay_subscriber_deadline(s->subscriber) <= pair->now)
		inlay_subscriber_on_timer(s->subscriber, pair->now);
}

static inlay_ns scene_deadline(struct peer_pair *pair, void *user)
{
	struct scene *s = user;
	inlay_ns at[4] = {inlay_link_deadline(&s->link[0]), inlay_link_deadline(&s->link[1]),
			  inlay_subscriber_deadline(s->subscriber), INLAY_NEVER};
	int i;

	if (!s->source && s->next && s->n_frames < s->max_frames)
		at[3] = s->next > pair->now ? s->next : pair->now + INLAY_MS;
	for (i = 1; i < 4; i++)
		if (at[i] < at[0])
			at[0] = at[i];
	return at[0];
}

static void scene_start(struct scene *s)
{
	struct inlay_moq_session_config config[2] = {0};
	int i;

	s->publisher = inlay_publisher_new(&s->publisher_config);
	s->subscriber = inlay_subscriber_new(&s->subscriber_config);
	assert_true(s->publisher && s->subscriber);
	config[0].ops = inlay_subscriber_session_ops();
	config[0].user = s->subscriber;
	config[0].path = "/";
	config[0].authority = "localhost";
	config[1].ops = inlay_publisher_session_ops();
	config[1].user = s->publisher;
	for (i = 0; i < 2; i++) {
		assert_int_equal(inlay_link_init(&s->link[i], &s->peer[i], &config[i], START), 0);
		s->pair.peer[i] = s->link[i].peer;
	}
	inlay_subscriber_set_session(s->subscriber, s->link[0].session);
	inlay_publisher_set_session(s->publisher, s->link[1].session);
	s->pair.on_round = on_round;
	s->pair.deadline = scene_deadline;
	s->pair.user = s;
}

static void scene_free(struct scene *s)
{
	int i;

	for (i = 0; i < 2; i++) {
		s->pair.peer[i] = NULL;
		inlay_link_fini(&s->link[i]);
	}
	pair_fini(&s->pair);
	inlay_publisher_free(s->publisher);
	inlay_pub_source_free(s->source);
	inlay_subscriber_free(s->subscriber);
	free(s);
}

static bool track_ended(struct peer_pair *pair, void *user)
{
	struct scene *s = user;

	return inlay_subscriber_state(s->subscriber) >= INLAY_SUB_ENDED;
}

static void expect_identical(struct scene *s)
{
	size_t i;

	assert_int_equal(inlay_subscriber_state(s->subscriber), INLAY_SUB_ENDED);
	assert_int_equal(s->sent.n, s->max_frames);
	assert_int_equal(s->received.n, s->sent.n);
	for (i = 0; i < s->sent.n; i++)
		assert_memory_equal(&s->received.frames[i], &s->sent.frames[i],
				    sizeof(struct frame));
}

static void test_streams(void **state)
{
	struct scene *s = scene_new(1);
	const struct inlay_delays *delays;
	struct inlay_jitter_stats stats;

	scene_start(s);
	assert_true(pair_run(&s->pair, track_ended, s, 30 * INLAY_S));
	expect_identical(s);
	inlay_subscriber_stats(s->subscriber, &stats);
	assert_int_equal(stats.groups, 10);
	assert_int_equal(stats.missing_objects + stats.missing_groups + stats.resets + stats.late,
			 0);
	/* The link takes 5 ms, and nothing waits. */
	delays = inlay_subscriber_delays(s->subscriber);
	assert_int_equal(delays->n, 100);
	assert_in_range(inlay_delays_percentile(delays, 500), 5000, 6000);
	scene_free(s);
}

static void test_loss(void **state)
{
	int seeds = getenv("INLAY_FULL") ? 100 : 4, seed;

	for (seed = 1; seed <= seeds; seed++) {
		struct scene *s = scene_new((__u64)seed * 104729);

		s->pair.loss = 100;
		s->pair.reorder = 50;
		s->pair.repeat = 20;
		s->subscriber_config.patience = 60 * INLAY_S;
		scene_start(s);
		assert_true(pair_run(&s->pair, track_ended, s, 300 * INLAY_S));
		assert_true(s->pair.lost > 20);
		expect_identical(s);
		scene_free(s);
	}
}

static void test_datagrams(void **state)
{
	struct scene *s = scene_new(2);

	s->publisher_config.datagrams = true;
	s->frame_bytes = 900;
	scene_start(s);
	assert_true(pair_run(&s->pair, track_ended, s, 60 * INLAY_S));
	expect_identical(s);
	scene_free(s);
}

static void test_lost_datagrams(void **state)
{
	struct scene *s = scene_new(3);
	struct inlay_jitter_stats stats;
	size_t i, k;

	s->publisher_config.datagrams = true;
	s->frame_bytes = 900;
	s->pair.loss = 100;
	scene_start(s);
	assert_true(pair_run(&s->pair, track_ended, s, 60 * INLAY_S));
	inlay_subscriber_stats(s->subscriber, &stats);
	assert_int_equal(stats.objects, s->received.n);
	assert_in_range(s->received.n, 70, 99);
	for (i = k = 0; i < s->received.n; i++, k++) {
		while (k < s->sent.n &&
		       memcmp(&s->sent.frames[k], &s->received.frames[i], sizeof(struct frame)))
			k++;
		assert_true(k < s->sent.n); /* one that was sent, and in order */
	}
	scene_free(s);
}

static void test_too_large_for_a_datagram(void **state)
{
	struct scene *s = scene_new(4);
	struct inlay_publisher_stats stats;

	s->publisher_config.datagrams = true;
	s->frame_bytes = 3000;
	s->max_frames = 5;
	scene_start(s);
	assert_true(pair_run(&s->pair, track_ended, s, 60 * INLAY_S));
	inlay_publisher_stats(s->publisher, &stats);
	assert_int_equal(stats.too_large, 5);
	assert_int_equal(s->received.n, 0);
	scene_free(s);
}

static void test_without_timestamps(void **state)
{
	struct scene *s = scene_new(5);

	s->publisher_config.timestamps = false;
	scene_start(s);
	assert_true(pair_run(&s->pair, track_ended, s, 30 * INLAY_S));
	expect_identical(s);
	assert_int_equal(inlay_subscriber_delays(s->subscriber)->n, 0);
	scene_free(s);
}

/* More groups than the subscriber lets streams be open: the publisher waits for credit. */
static void test_stream_limit(void **state)
{
	struct scene *s = scene_new(6);

	s->peer[0].params.initial_max_streams_uni = 4;
	s->per_group = 1;
	s->interval = INLAY_MS;
	scene_start(s);
	assert_true(pair_run(&s->pair, track_ended, s, 30 * INLAY_S));
	expect_identical(s);
	scene_free(s);
}

/* The track does not exist: asked for again while the wait lasts, then a failure that says so. */
static void test_no_such_track(void **state)
{
	struct scene *s = scene_new(7);
	struct inlay_moq_name other;
	__u8 bytes[64];

	assert_int_equal(inlay_moq_name_scan("another--track", bytes, sizeof(bytes), &other), 0);
	s->subscriber_config.renditions[0].name = &other;
	s->subscriber_config.wait = 3 * INLAY_S;
	scene_start(s);
	assert_true(pair_run(&s->pair, track_ended, s, 30 * INLAY_S));
	assert_int_equal(inlay_subscriber_state(s->subscriber), INLAY_SUB_FAILED);
	assert_non_null(strstr(inlay_subscriber_error(s->subscriber), "nobody publishes"));
	assert_in_range(s->pair.now - START, 2500 * INLAY_MS, 4 * INLAY_S);
	scene_free(s);
}

static void test_large_frames(void **state)
{
	struct scene *s = scene_new(8);

	s->frame_bytes = 20000;
	s->max_frames = 50;
	s->interval = 5 * INLAY_MS;
	scene_start(s);
	assert_true(pair_run(&s->pair, track_ended, s, 60 * INLAY_S));
	expect_identical(s);
	scene_free(s);
}

/* ---- media ---- */

#define MEDIA_ROOM (1 << 20)

static __u8 media_in[MEDIA_ROOM], media_out[MEDIA_ROOM];

struct media {
	struct inlay_fmp4_once once;
	size_t out;
};

static void on_media(void *user, __u64 group, __u64 object, const __u8 *data, size_t len)
{
	struct media *m = user;
	size_t skip = inlay_fmp4_once_skip(&m->once, data, len);

	assert_true(m->out + len - skip <= MEDIA_ROOM);
	memcpy(media_out + m->out, data + skip, len - skip);
	m->out += len - skip;
}

/* What ffmpeg writes goes in through a file, comes out the same, less the index at its end. */
static void test_media_is_identical(void **state)
{
	char path[64];
	struct inlay_pub_source_config config = {.group_seconds = 1, .fast = true};
	struct scene *s = scene_new(9);
	struct media media = {0};
	FILE *ffmpeg;
	size_t len;

	if (system("ffmpeg -version >/dev/null 2>&1")) {
		print_message("skipped: no ffmpeg here\n");
		scene_free(s);
		skip();
	}
	strcat(strcpy(path, certificate.dir), "/media.mp4");
	setenv("MEDIA", path, 1);
	assert_int_equal(system("ffmpeg -hide_banner -loglevel error -f lavfi "
				"-i testsrc2=size=160x96:rate=20:duration=3 -f lavfi "
				"-i sine=duration=3 -c:v libx264 -preset ultrafast "
				"-tune zerolatency -g 20 -pix_fmt yuv420p -c:a aac -f mp4 -y "
				"-movflags empty_moov+default_base_moof+frag_every_frame $MEDIA"),
			 0);
	ffmpeg = fopen(path, "re");
	assert_non_null(ffmpeg);
	len = fread(media_in, 1, MEDIA_ROOM, ffmpeg);
	rewind(ffmpeg);
	config.fd = fileno(ffmpeg);
	s->source = inlay_pub_source_new(&config);
	assert_non_null(s->source);
	s->subscriber_config.on_object = on_media;
	s->subscriber_config.user = &media;
	scene_start(s);
	assert_true(pair_run(&s->pair, track_ended, s, 30 * INLAY_S));
	assert_int_equal(inlay_subscriber_state(s->subscriber), INLAY_SUB_ENDED);
	assert_in_range(media.out, len * 3 / 4, len - 1);
	assert_memory_equal(media_out, media_in, media.out);
	assert_memory_equal(media_in + media.out + 4, "mfra", 4);
	/* A key frame a second, and one group before them if sound came first. */
	assert_in_range(s->sent.frames[s->sent.n - 1].group, 2, 3);
	assert_in_range(s->sent.n, 60 + 3 * 43, 60 + 3 * 48);
	inlay_fmp4_once_fini(&media.once);
	fclose(ffmpeg);
	unlink(path);
	scene_free(s);
}

static void test_timestamp_property(void **state)
{
	/* Type 0x78, then 15,293 us as the draft's example encodes it. */
	static const __u8 golden[] = {0x78, 0xbb, 0xbd};
	__u8 bytes[INLAY_TIMESTAMP_ROOM];
	inlay_ns at = 0;

	assert_int_equal(inlay_timestamp_put(bytes, 15293 * INLAY_US), sizeof(golden));
	assert_memory_equal(bytes, golden, sizeof(golden));
	assert_true(inlay_timestamp_get(golden, sizeof(golden), &at));
	assert_int_equal(at, 15293 * INLAY_US);
	assert_false(inlay_timestamp_get(golden, 2, &at));
	assert_false(inlay_timestamp_get(NULL, 0, &at));
}

static void test_percentiles(void **state)
{
	static struct inlay_delays d;
	__u64 us, p;

	assert_int_equal(inlay_delays_percentile(&d, 500), 0);
	for (us = 1; us <= 10000; us++)
		inlay_delays_add(&d, us * INLAY_US);
	p = inlay_delays_percentile(&d, 500);
	assert_in_range(p, 5000, 5000 + 5000 / 32);
	p = inlay_delays_percentile(&d, 990);
	assert_in_range(p, 9900, 10000);
	assert_int_equal(inlay_delays_percentile(&d, 1000), 10000);
	/* Every bucket's largest value falls into it, and the next one's does not. */
	for (us = 0; us < INLAY_DELAYS_BUCKETS - 1; us++) {
		assert_int_equal(inlay_delays_bucket(inlay_delays_value((unsigned int)us)), us);
		assert_int_equal(inlay_delays_bucket(inlay_delays_value((unsigned int)us) + 1),
				 us + 1);
	}
}

static int set_up(void **state)
{
	return pair_certificate_make(&certificate);
}

static int tear_down(void **state)
{
	pair_certificate_remove(&certificate);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_streams),
		cmocka_unit_test(test_loss),
		cmocka_unit_test(test_datagrams),
		cmocka_unit_test(test_lost_datagrams),
		cmocka_unit_test(test_too_large_for_a_datagram),
		cmocka_unit_test(test_without_timestamps),
		cmocka_unit_test(test_stream_limit),
		cmocka_unit_test(test_no_such_track),
		cmocka_unit_test(test_large_frames),
		cmocka_unit_test(test_media_is_identical),
		cmocka_unit_test(test_timestamp_property),
		cmocka_unit_test(test_percentiles),
	};

	return cmocka_run_group_tests_name("pubsub", tests, set_up, tear_down);
}
