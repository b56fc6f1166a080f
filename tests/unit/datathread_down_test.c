/* SPDX-License-Identifier: BSD-2-Clause */
/* The data thread: the way down, sealed, marked, merged, and past blocked ports. */
#include "datathread_scene.h"

/* --- Down ------------------------------------------------------------------------------------- */

static void clear_packets_leave_sealed_and_in_order(void **state)
{
	for (__u64 pn = 0; pn < 10; pn++)
		leave_clear(100, pn);
	inlay_datathread_turn(dt, 0);
	assert_int_equal(received(), 10);
	for (int i = 0; i < 10; i++) {
		assert_int_equal(got[i].len, 100);
		assert_int_equal(got[i].data[1], i);
		assert_int_equal(got[i].data[12], i); /* the packet number */
		assert_int_equal(got[i].data[13], 0x11 ^ MASK);
		assert_int_equal(got[i].data[99], 0xee);
		assert_memory_equal(&got[i].path.remote, &ports[0].local,
				    sizeof(struct inlay_addr));
	}
	assert_int_equal(reasons_in_all(), 0);
}

static void frames_leave_by_their_port(void **state)
{
	for (int i = 0; i < 6; i++) {
		struct inlay_frame *f = prepare(INLAY_FRAME_SEALED, 40, 0xc0);

		f->port = i & 1;
		f->path.local = ports[i & 1].local;
		inlay_ring_commit(down, 1);
	}
	inlay_datathread_turn(dt, 0);
	assert_int_equal(received(), 6);
	/* A port's together, so that they can be merged. */
	for (int i = 0; i < 6; i++)
		assert_memory_equal(&got[i].path.remote, &ports[i / 3].local,
				    sizeof(struct inlay_addr));
}

static void what_the_provider_refuses_stays(void **state)
{
	leave_clear(100, 1);
	leave_clear(100, PN_AGAIN);
	leave_clear(100, 2);
	inlay_datathread_turn(dt, 0);
	assert_int_equal(received(), 2);
	assert_int_equal(got[1].data[1], 2);
	assert_int_equal(reason(INLAY_REASON_PN_REPEATED), 1);
	assert_int_equal(reasons_in_all(), 1);
}

static void handshakes_and_resets_leave_as_they_are(void **state)
{
	prepare(INLAY_FRAME_SEALED, 1200, 0xc0);
	inlay_ring_commit(down, 1);
	prepare(INLAY_FRAME_UNKNOWN, INLAY_RESET_MIN, 0x7f);
	inlay_ring_commit(down, 1);
	prepare(INLAY_FRAME_UNKNOWN, INLAY_RESET_MAX, 0x40);
	inlay_ring_commit(down, 1);
	inlay_datathread_turn(dt, 0);
	assert_int_equal(received(), 3);
	assert_int_equal(got[0].len, 1200);
	assert_int_equal(got[0].data[1], 0x11);
	assert_int_equal(got[1].len, INLAY_RESET_MIN);
	assert_int_equal(seals, 0);
}

/* Invariant 1: a clear packet under another name, and every other thing that is not what it says.
 */
static void cleartext_never_leaves(void **state)
{
	static const struct {
		__u8 kind;
		__u32 len;
		__u8 first;
		__u8 hdr_len;
		__u16 port;
	} bad[] = {
		{INLAY_FRAME_SEALED, 100, 0x43, 13, 0},
		{INLAY_FRAME_SEALED, 100, 0x00, 13, 0},
		{INLAY_FRAME_SEALED, 0, 0xc0, 0, 0},
		{INLAY_FRAME_UNKNOWN, 100, 0xc3, 13, 0},
		{INLAY_FRAME_UNKNOWN, 100, 0x03, 13, 0},
		{INLAY_FRAME_UNKNOWN, INLAY_RESET_MAX + 1, 0x43, 13, 0},
		{INLAY_FRAME_UNKNOWN, INLAY_RESET_MIN - 1, 0x43, 13, 0},
		{INLAY_FRAME_CLEAR, 100, 0xc3, 13, 0},
		{INLAY_FRAME_CLEAR, 100, 0x43, 0, 0},
		{INLAY_FRAME_CLEAR, 100, 0x43, 85, 0},
		{INLAY_FRAME_CLEAR, INLAY_TAG, 0x43, 1, 0},
		{INLAY_FRAME_CLEAR, 100, 0x43, 13, 2},
		{INLAY_FRAME_CLEAR, 100, 0x43, 13, 65535},
		{0, 100, 0x43, 13, 0},
		{0, 100, 0xc3, 13, 0},
		{99, 100, 0x43, 13, 0},
		{99, 100, 0xc3, 13, 0},
	};
	struct inlay_frame *f;

	for (size_t i = 0; i < INLAY_ARRAY_SIZE(bad); i++) {
		f = prepare(bad[i].kind, bad[i].len, bad[i].first);
		if (f->len >= INLAY_TAG)
			set_desc(f, bad[i].hdr_len, 1);
		f->data[0] = bad[i].first;
		f->port = bad[i].port;
		inlay_ring_commit(down, 1);
	}
	f = prepare(INLAY_FRAME_SEALED, 100, 0xc3);
	f->len = INLAY_FRAME_ROOM + 1;
	inlay_ring_commit(down, 1);
	inlay_datathread_turn(dt, 0);
	assert_int_equal(received(), 0);
	assert_int_equal(reasons_in_all(), INLAY_ARRAY_SIZE(bad) + 1);
	assert_int_equal(reason(INLAY_REASON_NOT_SHORT), 1);
	assert_int_equal(reason(INLAY_REASON_RUNT) + reason(INLAY_REASON_BAD_ITEM), 3);
	assert_int_equal(seals, 0);
}

static void a_blocked_socket_loses_and_repeats_nothing(void **state)
{
	for (__u64 pn = 0; pn < 100; pn++)
		leave_clear(100, pn);
	sends_left = 30;
	inlay_datathread_turn(dt, 0);
	assert_int_equal(received(), 30);
	inlay_datathread_turn(dt, 0);
	assert_int_equal(received(), 0);
	/* Receiving goes on meanwhile. */
	arrive(0, 0xc3, 1, 60, 5);
	sends_left = 20;
	inlay_datathread_turn(dt, 0);
	assert_int_equal(taken_up((struct inlay_frame *[64]){0}), 1);
	assert_int_equal(received(), 20);
	assert_int_equal(got[0].data[1], 30);
	sends_left = -1;
	inlay_datathread_turn(dt, 0);
	assert_int_equal(received(), 50);
	assert_int_equal(got[49].data[1], 99);
	assert_int_equal(seals, 100);
	assert_int_equal(reasons_in_all(), 0);
}

static __u64 merged_messages(void)
{
	struct inlay_datathread_stats stats;

	inlay_datathread_stats(dt, &stats);
	return stats.ports.tx_merged;
}

/* What the descriptor asks for reaches the socket; itself it stays here. */
static void marks_leave_as_the_descriptor_says(void **state)
{
	static const __u8 flags[] = {0,
				     INLAY_ECN_ECT0 << INLAY_DESC_ECN_SHIFT,
				     INLAY_ECN_ECT0 << INLAY_DESC_ECN_SHIFT,
				     INLAY_ECN_ECT1 << INLAY_DESC_ECN_SHIFT,
				     0xff,
				     INLAY_DESC_ALONE};
	static const __u8 marks[] = {0, 2, 2, 1, 3, 0};

	for (__u64 pn = 0; pn < 6; pn++)
		leave_marked(pn, flags[pn], 0);
	inlay_datathread_turn(dt, 0);
	assert_int_equal(received(), 6);
	for (int i = 0; i < 6; i++) {
		assert_int_equal(got[i].ecn, marks[i]);
		assert_int_equal(got[i].data[1], i);
		for (int k = 0; k < INLAY_TAG; k++)
			assert_int_equal(got[i].data[100 - INLAY_TAG + k], 0xee);
	}
	assert_int_equal(merged_messages(), ports[0].gso ? 1 : 0);
}

static void a_packet_sent_alone_is_merged_with_none(void **state)
{
	for (__u64 pn = 0; pn < 5; pn++)
		leave_marked(pn, pn == 2 ? INLAY_DESC_ALONE : 0, 0);
	inlay_datathread_turn(dt, 0);
	assert_int_equal(received(), 5);
	for (int i = 0; i < 5; i++)
		assert_int_equal(got[i].data[1], i);
	assert_int_equal(merged_messages(), ports[0].gso ? 2 : 0);
}

/* Invariant 1: what was refused is in no message, and parts the messages around it. */
static void a_refused_frame_is_not_in_a_merged_message(void **state)
{
	size_t n;

	for (__u64 pn = 0; pn < 30; pn++) {
		if (pn % 5 == 2) {
			leave_clear(100, PN_AGAIN);
		} else if (pn % 5 == 4) {
			prepare(INLAY_FRAME_SEALED, 100, 0x43); /* clear, by another name */
			inlay_ring_commit(down, 1);
		} else {
			leave_clear(100, pn);
		}
	}
	inlay_datathread_turn(dt, 0);
	n = received();
	assert_int_equal(n, 18);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(got[i].data[1], i / 3 * 5 + (i % 3 == 2 ? 3 : i % 3));
		for (int k = 0; k < INLAY_TAG; k++)
			assert_int_equal(got[i].data[100 - INLAY_TAG + k], 0xee);
	}
	assert_int_equal(reason(INLAY_REASON_PN_REPEATED), 6);
	assert_int_equal(reason(INLAY_REASON_BAD_FRAME), 6);
}

/* Takes what has arrived from port |port|: |n| packets, numbered on from |first|. */
static void assert_numbers(__u16 port, __u64 first, size_t n)
{
	size_t seen = 0, some;

	while ((some = received()))
		for (size_t i = 0; i < some; i++) {
			assert_int_equal(got[i].path.remote.port, ports[port].local.port);
			assert_int_equal(got[i].data[1], (__u8)(first + seen++));
		}
	assert_int_equal(seen, n);
}

static void a_blocked_port_holds_up_no_other(void **state)
{
	blocked_fd = ports[0].fd;
	for (__u64 round = 0; round < 4; round++) {
		for (__u64 pn = 0; pn < 40; pn++)
			leave_marked(round * 40 + pn, 0, pn & 1);
		inlay_datathread_turn(dt, 0);
		for (size_t i = 0, n = received(); i < 20; i++) {
			assert_int_equal(n, 20);
			assert_int_equal(got[i].data[1], round * 40 + 2 * i + 1);
			assert_int_equal(got[i].path.remote.port, ports[1].local.port);
		}
	}
	blocked_fd = -1;
	inlay_datathread_turn(dt, 0);
	for (size_t seen = 0, n; seen < 80; seen += n) {
		n = received();
		assert_true(n > 0);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(got[i].data[1], 2 * (seen + i));
	}
	assert_int_equal(seals, 160);
	assert_int_equal(reasons_in_all(), 0);
}

/* More than can wait for it: then the ring waits as well, and nothing is lost. */
static void a_long_blocked_port_loses_nothing_while_there_is_patience(void **state)
{
	const __u64 sum = 256 + 64 + 256;
	__u64 pn = 0, seen = 0;
	struct inlay_frame *slot;

	blocked_fd = ports[0].fd;
	while (inlay_ring_reserve(down, 1, &slot) && pn < 1000) {
		leave_marked(pn++, 0, 0);
		if (pn % 32 == 0)
			inlay_datathread_turn(dt, 0);
	}
	assert_true(pn >= 256 + 256 && pn <= sum);
	assert_int_equal(received(), 0);
	blocked_fd = -1;
	for (int turns = 0; turns < 10; turns++) {
		inlay_datathread_turn(dt, 0);
		for (size_t n; (n = received());)
			for (size_t i = 0; i < n; i++)
				assert_int_equal(got[i].data[1], (__u8)seen++);
	}
	assert_int_equal(seen, pn);
	assert_int_equal(seals, pn);
	assert_int_equal(reasons_in_all(), 0);
	leave_marked(seen, 0, 0);
	inlay_datathread_turn(dt, 0);
	assert_numbers(0, seen, 1);
}

/* Impatient: what has no room is dropped by name, so that other ports go on. */
static void a_port_that_stays_blocked_loses_by_name(void **state)
{
	blocked_fd = ports[0].fd;
	for (__u64 pn = 0; pn < 600; pn++) {
		leave_marked(pn, 0, 0);
		if (pn % 32 == 31) {
			inlay_datathread_turn(dt, 0);
			inlay_datathread_turn(dt, 0);
		}
	}
	leave_marked(7, 0, 1);
	inlay_datathread_turn(dt, 0);
	inlay_datathread_turn(dt, 0);
	assert_numbers(1, 7, 1);
	assert_int_equal(reason(INLAY_REASON_PORT_BLOCKED), 600 - 256);
	blocked_fd = -1;
	inlay_datathread_turn(dt, 0);
	inlay_datathread_turn(dt, 0);
	assert_numbers(0, 0, 256);
	leave_marked(9, 0, 0);
	inlay_datathread_turn(dt, 0);
	assert_numbers(0, 9, 1);
	assert_int_equal(reason(INLAY_REASON_PORT_BLOCKED), 600 - 256);
}

static void a_datagram_the_kernel_refuses_is_counted(void **state)
{
	struct inlay_datathread_stats stats;
	struct inlay_frame *f = prepare(INLAY_FRAME_SEALED, 100, 0xc0);

	f->path.remote.family = AF_INET6;
	inlay_ring_commit(down, 1);
	leave_clear(100, 1);
	inlay_datathread_turn(dt, 0);
	assert_int_equal(received(), 1);
	assert_int_equal(reason(INLAY_REASON_SEND_FAILED), 1);
	inlay_datathread_stats(dt, &stats);
	assert_int_equal(stats.tx_packets, 1);
	assert_int_equal(stats.sealed, 1);
}

/* --- In the thread's stead ---------------------------------------------------------------------
 */

static bool was_woken(void)
{
	struct pollfd p = {.fd = inlay_ring_fds(down).data, .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

static void who_finds_the_thread_asleep_sends_in_its_stead(void **state)
{
	assert_true(inlay_ring_consumer_sleep(down));
	for (__u64 pn = 0; pn < 3; pn++) {
		publish_clear(100, pn);
		inlay_datathread_push(dt, true);
		assert_int_equal(received(), 1);
		assert_int_equal(got[0].data[1], pn);
		assert_false(was_woken());
	}
	/* Awake, it will look for itself. */
	inlay_ring_consumer_awake(down, false);
	publish_clear(100, 3);
	inlay_datathread_push(dt, true);
	assert_int_equal(received(), 0);
	assert_false(was_woken());
	assert_false(inlay_ring_consumer_sleep(down));
	inlay_datathread_turn(dt, 0);
	assert_int_equal(received(), 1);
	/* Not here: it is woken. */
	assert_true(inlay_ring_consumer_sleep(down));
	publish_clear(100, 4);
	inlay_datathread_push(dt, false);
	assert_int_equal(received(), 0);
	assert_true(was_woken());
	assert_int_equal(reasons_in_all(), 0);
}

/* What it does not take at once is the thread's, which is woken for it. */
static void a_socket_that_blocks_in_its_stead_wakes_the_thread(void **state)
{
	sends_left = 0;
	no_gso = true;
	assert_true(inlay_ring_consumer_sleep(down));
	/* More than a stash takes. */
	for (__u64 pn = 0; pn < 250; pn++)
		publish_clear(60, pn);
	inlay_datathread_push(dt, true);
	for (__u64 pn = 250; pn < 400; pn++) {
		struct inlay_frame *slot;

		if (!inlay_ring_reserve(down, 1, &slot))
			break;
		publish_clear(60, pn);
		inlay_datathread_push(dt, true);
	}
	assert_int_equal(received(), 0);
	assert_true(was_woken());
	sends_left = -1;
	for (size_t seen = 0, turns = 0, n; seen < 400 && turns < 20; turns++) {
		inlay_datathread_turn(dt, 0);
		while ((n = received()))
			for (size_t i = 0; i < n; i++)
				assert_int_equal(got[i].data[1], (__u8)seen++);
		if (turns == 19)
			assert_int_equal(seen, 400);
	}
	assert_int_equal(reasons_in_all(), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(clear_packets_leave_sealed_and_in_order),
		TEST(frames_leave_by_their_port),
		TEST(what_the_provider_refuses_stays),
		TEST(handshakes_and_resets_leave_as_they_are),
		TEST(cleartext_never_leaves),
		TEST_WITH(setup_singly, a_blocked_socket_loses_and_repeats_nothing),
		TEST(marks_leave_as_the_descriptor_says),
		TEST(a_packet_sent_alone_is_merged_with_none),
		TEST(a_refused_frame_is_not_in_a_merged_message),
		TEST(a_blocked_port_holds_up_no_other),
		TEST(a_long_blocked_port_loses_nothing_while_there_is_patience),
		TEST_WITH(setup_impatient, a_port_that_stays_blocked_loses_by_name),
		TEST(a_datagram_the_kernel_refuses_is_counted),
		TEST(who_finds_the_thread_asleep_sends_in_its_stead),
		TEST(a_socket_that_blocks_in_its_stead_wakes_the_thread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
