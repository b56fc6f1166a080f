/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What comes up to a listener of libinlay-turn from the programs, which are run here by
 * BPF_PROG_TEST_RUN: whole, bounded in each turn, with every loss told before what is behind it.
 *
 * usage: turn_events OBJECT OTHER_OBJECT
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "datagram.h"
#include "library_scene.h"
#include "rings.h"
#include "watch.h"

enum { STUN_HEADER = 20 };

static struct heard {
	int events[2]; /* messages */
	int samples;
	__u64 lost[2];
	__u32 next[2];		      /* serial that comes next, if none was lost */
	struct inlay_turn_event last; /* without its data */
} heard;

static __u32 sent[2];
static int programs[2];
static struct inlay_turn *turn;

static void on_event(void *user, const struct inlay_turn_event *event, size_t len,
		     enum inlay_turn_ring ring)
{
	__u32 serial;

	assert_int_equal(len, sizeof(*event) + event->len);
	if (event->kind != INLAY_TURN_MESSAGE) {
		heard.samples++;
		return;
	}
	assert_int_equal(event->len, STUN_HEADER);
	memcpy(&serial, event->data + 8, sizeof(serial));
	/* Behind a gap only what was told to be lost may be missing. */
	assert_true(serial >= heard.next[ring]);
	assert_true(serial - heard.next[ring] <= heard.lost[ring]);
	heard.next[ring] = serial + 1;
	heard.events[ring]++;
	heard.last = *event;
}

static void on_lost(void *user, enum inlay_turn_ring ring, __u64 n)
{
	assert_true(n > 0);
	heard.lost[ring] += n;
}

/* One for all: it takes the verifier a second or two. */
static int begin(void **state)
{
	scene_make(NULL);
	turn = scene_open_plainly();
	programs[INLAY_TURN_REQUESTS] = scene_program("turn_xdp");
	programs[INLAY_TURN_RESPONSES] = scene_program("turn_egress");
	return 0;
}

static int end(void **state)
{
	close(programs[0]);
	close(programs[1]);
	scene_close(turn);
	return 0;
}

static int start(void **state)
{
	memset(&heard, 0, sizeof(heard));
	memset(sent, 0, sizeof(sent));
	return 0;
}

/* Allocate requests (RFC 8656 section 7), or success responses, numbered in their transaction ID.
 */
static void send_messages(enum inlay_turn_ring ring, __u32 n)
{
	__u8 message[STUN_HEADER] = {0, 3, 0, 0, 0x21, 0x12, 0xa4, 0x42};
	struct datagram d = {.src = scene_v4("203.0.113.5", 4000),
			     .dst = scene_v4("192.0.2.1", 3478),
			     .ttl = 64,
			     .data = message,
			     .len = STUN_HEADER};
	__u8 frame[FRAME_MAX];
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame);

	if (ring == INLAY_TURN_RESPONSES) {
		message[0] = 1;
		d.src = scene_v4("192.0.2.1", 3478);
		d.dst = scene_v4("203.0.113.5", 4000);
	}
	while (n--) {
		memcpy(message + 8, &sent[ring], sizeof(sent[ring]));
		sent[ring]++;
		run.data_size_in = (__u32)datagram_put(&d, frame);
		assert_int_equal(bpf_prog_test_run_opts(programs[ring], &run), 0);
	}
}

static __u64 counted_lost(enum inlay_turn_ring ring)
{
	__u32 index = ring;
	int fd = scene_map("turn_lost");
	__u64 n = 0;

	assert_int_equal(bpf_map_lookup_elem(fd, &index, &n), 0);
	close(fd);
	return n;
}

/* --- Tests ---------------------------------------------------------------------------------- */

static void test_nothing_is_reported_before_somebody_listens(void **state)
{
	struct inlay_turn_listener listener = {.event = on_event, .lost = on_lost};

	send_messages(INLAY_TURN_REQUESTS, 3);
	send_messages(INLAY_TURN_RESPONSES, 3);
	(void)inlay_turn_turn(turn, scene_now());
	assert_int_equal(inlay_turn_listen(turn, &listener), 0);
	(void)inlay_turn_turn(turn, scene_now());
	assert_int_equal(heard.events[0] + heard.events[1], 0);
	assert_int_equal(counted_lost(0) + counted_lost(1), 0);
}

static void test_requests_and_responses_come_up_whole_and_apart(void **state)
{
	struct inlay_addr client = scene_v4("203.0.113.5", 4000);
	struct inlay_addr server = scene_v4("192.0.2.1", 3478);
	struct pollfd fd = {.fd = inlay_turn_fd(turn), .events = POLLIN};
	inlay_ns now = scene_now();

	send_messages(INLAY_TURN_REQUESTS, 1);
	(void)inlay_turn_turn(turn, now);
	assert_int_equal(heard.events[INLAY_TURN_REQUESTS], 1);
	assert_int_equal(heard.last.kind, INLAY_TURN_MESSAGE);
	assert_memory_equal(&heard.last.src, &client, sizeof(client));
	assert_memory_equal(&heard.last.dst, &server, sizeof(server));
	assert_int_equal(heard.last.cookie, 0);
	send_messages(INLAY_TURN_RESPONSES, 1);
	/* Its descriptor says so. */
	assert_int_equal(poll(&fd, 1, 20000), 1);
	(void)inlay_turn_turn(turn, now);
	assert_int_equal(heard.events[INLAY_TURN_RESPONSES], 1);
	assert_memory_equal(&heard.last.src, &server, sizeof(server));
	assert_int_not_equal(heard.last.cookie, 0);
	assert_int_equal(heard.lost[0] + heard.lost[1], 0);
}

static void test_a_turn_hands_over_a_bounded_number_and_wants_the_next_at_once(void **state)
{
	inlay_ns now = scene_now();
	int before;

	send_messages(INLAY_TURN_REQUESTS, 3 * INLAY_TURN_EVENTS);
	send_messages(INLAY_TURN_RESPONSES, 10);
	assert_int_equal(inlay_turn_turn(turn, now), now);
	/* A flood of requests does not hold up the server's answers. */
	assert_int_equal(heard.events[INLAY_TURN_RESPONSES], 10);
	for (int i = 0; i < 10; i++) {
		before = heard.events[0] + heard.events[1];
		(void)inlay_turn_turn(turn, now);
		assert_true(heard.events[0] + heard.events[1] - before <= INLAY_TURN_EVENTS);
	}
	assert_int_equal(heard.events[INLAY_TURN_REQUESTS], 3 * INLAY_TURN_EVENTS);
	assert_true(inlay_turn_turn(turn, now) > now);
}

static void lose_some(enum inlay_turn_ring ring)
{
	__u64 before = counted_lost(ring);
	inlay_ns now = scene_now();

	(void)start(NULL);
	for (int i = 0; i < 1000 && counted_lost(ring) < before + 10; i++)
		send_messages(ring, 100);
	assert_true(counted_lost(ring) >= before + 10);
	/* Some are read, so that what comes now stands behind the gap; on_event() sees to it that
	 * this was told. */
	(void)inlay_turn_turn(turn, now);
	send_messages(ring, 50);
	for (int i = 0; i < 1000 && inlay_turn_turn(turn, now) == now; i++)
		;
	assert_int_equal(heard.lost[ring], counted_lost(ring) - before);
	assert_int_equal(heard.lost[!ring], 0);
	assert_int_equal((__u64)heard.events[ring] + heard.lost[ring], sent[ring]);
	assert_int_equal(heard.next[ring], sent[ring]);
}

static void test_what_finds_no_room_is_told_before_what_is_behind_it(void **state)
{
	lose_some(INLAY_TURN_REQUESTS);
	lose_some(INLAY_TURN_RESPONSES);
}

/* ChannelData of a channel that is watched, or what the server made of it. */
static void send_sample(enum inlay_turn_ring ring)
{
	struct datagram d = {.src = scene_v4("203.0.113.5", 4000),
			     .dst = scene_v4("192.0.2.1", 3478),
			     .ttl = 64,
			     .channel = 0x4001,
			     .len = 12};
	__u8 frame[FRAME_MAX];
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame);

	if (ring == INLAY_TURN_RESPONSES) {
		d.src = scene_v4("192.0.2.1", 50000);
		d.dst = scene_v4("198.51.100.9", 5000);
		d.channel = 0;
	}
	run.data_size_in = (__u32)datagram_put(&d, frame);
	assert_int_equal(bpf_prog_test_run_opts(programs[ring], &run), 0);
}

static void drain(void)
{
	inlay_ns now = scene_now();

	for (int i = 0; i < 1000 && inlay_turn_turn(turn, now) == now; i++)
		;
}

static void test_samples_leave_half_of_a_ring_to_messages(void **state)
{
	/* Of 1 MiB, with some 120 bytes each. */
	enum { MORE_THAN_HALF = 5000 };
	struct inlay_turn_candidate candidate = {.client = scene_v4("203.0.113.5", 4000),
						 .server = scene_v4("192.0.2.1", 3478),
						 .peer = scene_v4("198.51.100.9", 5000),
						 .relayed_port = htons(50000),
						 .number = 0x4001,
						 .until = scene_now() + 100 * INLAY_S};
	struct inlay_turn_ref ref;

	assert_int_equal(inlay_turn_watch_add(turn, &candidate, &ref), 0);
	for (int ring = 0; ring < 2; ring++) {
		(void)start(NULL);
		send_sample(ring);
		drain();
		assert_int_equal(heard.samples, 1);
		send_messages(ring, MORE_THAN_HALF);
		send_sample(ring);
		send_messages(ring, 1);
		drain();
		assert_int_equal(heard.samples, 1);
		assert_int_equal(heard.events[ring], MORE_THAN_HALF + 1);
		assert_int_equal(heard.lost[0] + heard.lost[1], 0);
		send_sample(ring);
		drain();
		assert_int_equal(heard.samples, 2);
	}
	assert_int_equal(inlay_turn_watch_remove(turn, ref), 0);
}

/* A daemon that was stopped has missed what the server said meanwhile. */
static void test_nothing_is_alive_again_before_all_responses_were_heard(void **state)
{
	inlay_ns now = scene_now(), later = now + 60 * INLAY_S;
	int turns = 0;

	(void)inlay_turn_turn(turn, now);
	assert_int_equal(scene_control().alive_until, now + INLAY_TURN_ALIVE);
	send_messages(INLAY_TURN_RESPONSES, 2 * INLAY_TURN_EVENTS);
	while (inlay_turn_turn(turn, later) == later && turns++ < 100)
		assert_int_equal(scene_control().alive_until, now + INLAY_TURN_ALIVE);
	assert_true(turns > 2);
	assert_int_equal(heard.events[INLAY_TURN_RESPONSES], 2 * INLAY_TURN_EVENTS);
	assert_int_equal(scene_control().alive_until, later + INLAY_TURN_ALIVE);
	/* While it runs, a burst does not stop anything. */
	send_messages(INLAY_TURN_RESPONSES, 2 * INLAY_TURN_EVENTS);
	(void)inlay_turn_turn(turn, later + INLAY_S);
	assert_int_equal(scene_control().alive_until, later + INLAY_S + INLAY_TURN_ALIVE);
}

static void test_records_that_are_not_whole_are_not_handed_over(void **state)
{
	const struct inlay_turn_event good = {.src = scene_v4("192.0.2.1", 1),
					      .dst = scene_v4("192.0.2.2", 2),
					      .kind = INLAY_TURN_MESSAGE,
					      .len = 20};
	struct inlay_turn_event e = good;
	size_t whole = sizeof(e) + 20;

	assert_true(inlay_turn_event_is_sound(&e, whole, INLAY_TURN_REQUESTS));
	assert_true(inlay_turn_event_is_sound(&e, whole + 7, INLAY_TURN_RESPONSES));
	assert_false(inlay_turn_event_is_sound(&e, whole - 1, INLAY_TURN_REQUESTS));
	assert_false(inlay_turn_event_is_sound(&e, sizeof(e) - 1, INLAY_TURN_REQUESTS));
	e.kind = 0;
	assert_false(inlay_turn_event_is_sound(&e, whole, INLAY_TURN_REQUESTS));
	e = good;
	e.src.family = 7;
	assert_false(inlay_turn_event_is_sound(&e, whole, INLAY_TURN_REQUESTS));
	e = good;
	e.len = INLAY_TURN_MESSAGE_MAX + 1;
	assert_false(inlay_turn_event_is_sound(&e, sizeof(e) + 4096, INLAY_TURN_REQUESTS));
	e = good;
	e.kind = INLAY_TURN_CHANNEL_DATA;
	assert_false(inlay_turn_event_is_sound(&e, whole, INLAY_TURN_REQUESTS));
	e.data_len = 20;
	assert_true(inlay_turn_event_is_sound(&e, whole, INLAY_TURN_REQUESTS));
	assert_false(inlay_turn_event_is_sound(&e, whole, INLAY_TURN_RESPONSES));
	e.kind = INLAY_TURN_RELAYED;
	assert_true(inlay_turn_event_is_sound(&e, whole, INLAY_TURN_RESPONSES));
	assert_false(inlay_turn_event_is_sound(&e, whole, INLAY_TURN_REQUESTS));
	e.len = INLAY_TURN_SAMPLE_MAX + 1;
	e.data_len = e.len;
	assert_false(inlay_turn_event_is_sound(&e, sizeof(e) + 4096, INLAY_TURN_RESPONSES));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_nothing_is_reported_before_somebody_listens, start),
		cmocka_unit_test_setup(test_requests_and_responses_come_up_whole_and_apart, start),
		cmocka_unit_test_setup(
			test_a_turn_hands_over_a_bounded_number_and_wants_the_next_at_once, start),
		cmocka_unit_test_setup(test_what_finds_no_room_is_told_before_what_is_behind_it,
				       start),
		cmocka_unit_test_setup(test_samples_leave_half_of_a_ring_to_messages, start),
		cmocka_unit_test_setup(test_nothing_is_alive_again_before_all_responses_were_heard,
				       start),
		cmocka_unit_test(test_records_that_are_not_whole_are_not_handed_over),
	};
	int err = scene_begin(argc, argv);

	return err ? err : cmocka_run_group_tests(tests, begin, end);
}
