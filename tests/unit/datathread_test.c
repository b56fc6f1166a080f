/* SPDX-License-Identifier: BSD-2-Clause */
/* The data thread: the way up, and its life as a thread. */
#include "datathread_scene.h"

/* --- Up --------------------------------------------------------------------------------------- */

static void each_datagram_goes_up_as_what_it_is(void **state)
{
	struct inlay_frame *f[64];

	arrive(0, 0xc3, 1, 1200, 1);
	arrive(0, 0x43, CID_OK, 100, 2);
	arrive(0, 0x43, CID_FORGED, 100, 3); /* may be a reset */
	arrive(0, 0x43, CID_NO_SA, 100, 4);
	arrive(0, 0x43, CID_OK, 0, 0);	 /* dropped */
	arrive(0, 0x03, CID_OK, 100, 5); /* dropped: fixed bit */
	arrive(0, 0x43, CID_OK, 90, 6);
	arrive(0, 0x43, CID_OK, INLAY_RESET_MIN, 7);
	arrive(0, 0x43, CID_OK, INLAY_RESET_MIN - 1, 0); /* dropped */
	arrive(1, 0xe3, 1, 50, 9);
	inlay_datathread_turn(dt, 0);

	assert_int_equal(taken_up(f), 7);
	for (int i = 0; i < 7; i++) {
		static const __u8 numbers[] = {1, 2, 3, 4, 6, 7, 9};
		static const __u8 kinds[] = {INLAY_FRAME_SEALED, INLAY_FRAME_CLEAR,
					     INLAY_FRAME_FORGED, INLAY_FRAME_UNKNOWN,
					     INLAY_FRAME_CLEAR,	 INLAY_FRAME_UNKNOWN,
					     INLAY_FRAME_SEALED};

		assert_int_equal(f[i]->kind, kinds[i]);
		assert_int_equal(f[i]->data[20], numbers[i]);
		assert_int_equal(f[i]->port, i == 6);
		assert_memory_equal(&f[i]->path.remote, &peer.local, sizeof(peer.local));
		assert_true(f[i]->time > 0);
	}
	assert_int_equal(f[1]->len, 100);
	assert_int_equal(f[4]->len, 90);
	assert_int_equal(reason(INLAY_REASON_AUTH_FAILED), 1);
	assert_int_equal(reason(INLAY_REASON_NOT_SHORT), 1);
	assert_int_equal(reason(INLAY_REASON_RUNT), 2);
	assert_int_equal(reasons_in_all(), 4);
}

static void an_oversized_datagram_is_counted(void **state)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = ports[0].local.port};
	static __u8 big[INLAY_FRAME_ROOM + 1] = {0xc0};
	struct inlay_frame *f[64];

	memcpy(&to.sin_addr, ports[0].local.ip, 4);
	assert_true(sendto(peer.fd, big, sizeof(big), 0, (void *)&to, sizeof(to)) > 0);
	inlay_datathread_turn(dt, 0);
	assert_int_equal(taken_up(f), 0);
	assert_int_equal(reason(INLAY_REASON_OVERSIZED), 1);
}

static void congestion_marks_reach_the_descriptor(void **state)
{
	struct inlay_frame *f[64];
	struct inlay_desc desc;
	int ce = 3;

	assert_int_equal(setsockopt(peer.fd, IPPROTO_IP, IP_TOS, &ce, sizeof(ce)), 0);
	arrive(0, 0x43, CID_OK, 100, 1);
	inlay_datathread_turn(dt, 0);
	assert_int_equal(taken_up(f), 1);
	memcpy(&desc, f[0]->data + 100 - INLAY_TAG, sizeof(desc));
	assert_int_equal(desc.flags, INLAY_DESC_ECN_CE);
	assert_int_equal(be32toh(desc.sa), 7);
}

static void a_full_ring_drops_and_counts(void **state)
{
	struct inlay_frame *f[64];

	/* Strangers leave a quarter to those with a connection. */
	for (int i = 0; i < 70; i++)
		arrive(0, i & 1 ? 0xc3 : 0x43, i & 1 ? 1 : CID_NO_SA, 60, (__u8)i);
	inlay_datathread_turn(dt, 0);
	inlay_datathread_turn(dt, 0);
	assert_int_equal(reason(INLAY_REASON_RING_FULL_UP), 70 - 48);
	for (int i = 0; i < 20; i++)
		arrive(0, 0x43, 1, 60, (__u8)(100 + i));
	inlay_datathread_turn(dt, 0);
	inlay_datathread_turn(dt, 0);
	assert_int_equal(taken_up(f), 64);
	assert_int_equal(f[47]->data[20], 47);
	assert_int_equal(f[48]->kind, INLAY_FRAME_CLEAR);
	assert_int_equal(f[63]->data[20], 115);
	assert_int_equal(reason(INLAY_REASON_RING_FULL_UP), 70 - 48 + 4);
	inlay_ring_release(up, 64);
	arrive(0, 0xc3, 1, 60, 77);
	inlay_datathread_turn(dt, 0);
	assert_int_equal(taken_up(f), 1);
	assert_int_equal(f[0]->data[20], 77);
}

/* What does not open goes up only as far as strangers' packets do, and is counted once. */
static void forgeries_leave_room_for_connections(void **state)
{
	struct inlay_frame *f[64];

	for (int i = 0; i < 60; i++)
		arrive(0, 0x43, CID_FORGED, 60, (__u8)i);
	inlay_datathread_turn(dt, 0);
	assert_int_equal(taken_up(f), 48);
	assert_int_equal(f[47]->kind, INLAY_FRAME_FORGED);
	assert_int_equal(reason(INLAY_REASON_AUTH_FAILED), 60);
	assert_int_equal(reasons_in_all(), 60);
}

/* What the port has split off, but the ring had no time for, is not left lying there. */
static void a_large_merged_burst_comes_up_whole(void **state)
{
	static __u8 data[60 * 1000];
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = ports[0].local.port};
	int segment = 1000;
	size_t sum = 0;

	if (!ports[0].rx || setsockopt(peer.fd, SOL_UDP, UDP_SEGMENT, &segment, sizeof(segment)))
		skip();
	memcpy(&to.sin_addr, ports[0].local.ip, 4);
	for (size_t i = 0; i < 60; i++) {
		data[i * 1000] = 0x43;
		data[i * 1000 + 1] = CID_OK;
		data[i * 1000 + 20] = (__u8)i;
	}
	for (int i = 0; i < 8; i++)
		assert_true(sendto(peer.fd, data, sizeof(data), 0, (void *)&to, sizeof(to)) > 0);
	for (int turns = 0; turns < 200; turns++) {
		struct inlay_frame *f[64];
		size_t n;

		inlay_datathread_turn(dt, 0);
		n = taken_up(f);
		for (size_t i = 0; i < n; i++) {
			assert_int_equal(f[i]->kind, INLAY_FRAME_CLEAR);
			assert_int_equal(f[i]->len, 1000);
		}
		inlay_ring_release(up, n);
		sum += n;
		if (sum + reason(INLAY_REASON_RING_FULL_UP) == 8 * 60)
			return;
	}
	fail_msg("%zu came up", sum);
}

/* --- The thread ------------------------------------------------------------------------------- */

static void wait_readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	assert_int_equal(poll(&p, 1, 20000), 1);
}

static void the_thread_wakes_for_both_sides(void **state)
{
	struct inlay_frame *f[64];
	size_t n;

	assert_int_equal(inlay_datathread_start(dt), 0);
	assert_int_equal(inlay_datathread_start(dt), -EINVAL);
	for (int i = 0; i < 500; i++) {
		arrive(i & 1, 0x43, CID_OK, 100, (__u8)i);
		while (!(n = taken_up(f))) {
			if (!inlay_ring_consumer_sleep(up))
				continue;
			wait_readable(inlay_ring_fds(up).data);
			inlay_ring_consumer_awake(up, true);
		}
		assert_int_equal(n, 1);
		assert_int_equal(f[0]->data[20], (__u8)i);
		inlay_ring_release(up, 1);
		leave_clear(200, (__u64)i);
		wait_readable(peer.fd);
		assert_int_equal(received(), 1);
		assert_int_equal(got[0].data[1], (__u8)i);
	}
	inlay_datathread_stop(dt);
	inlay_datathread_stop(dt);
	assert_int_equal(reasons_in_all(), 0);
}

/* Both threads send, and none twice, out of order, or never. */
static void two_threads_that_send_keep_the_order(void **state)
{
	size_t seen = 0, n;

	assert_int_equal(inlay_datathread_start(dt), 0);
	for (__u64 pn = 0; pn < 3000; pn++) {
		publish_clear(60, pn == PN_AGAIN ? 0 : pn);
		inlay_datathread_push(dt, pn % 3);
		if (pn % 7 == 0)
			arrive(0, 0x43, CID_FORGED, 100, 1);
		while (pn % 64 == 63 && seen <= pn) {
			wait_readable(peer.fd);
			n = received();
			for (size_t i = 0; i < n; i++, seen++)
				if (seen != PN_AGAIN)
					assert_int_equal(got[i].data[1], (__u8)seen);
		}
	}
	inlay_datathread_stop(dt);
	while ((n = received()))
		seen += n;
	assert_int_equal(seen, 3000);
}

static void stopping_sends_what_is_left(void **state)
{
	assert_int_equal(inlay_datathread_start(dt), 0);
	for (__u64 pn = 0; pn < 200; pn++)
		leave_clear(60, pn);
	inlay_datathread_stop(dt);
	for (size_t n, sum = 0; sum < 200; sum += n)
		assert_true((n = received()) > 0);
}

static void a_cpu_that_is_not_there_is_refused(void **state)
{
	struct inlay_datathread_config config = {.provider = &provider,
						 .up = up,
						 .down = down,
						 .ports = ports,
						 .n_ports = 2,
						 .cpu = 1 << 20};
	struct inlay_datathread *other;

	assert_int_equal(inlay_datathread_new(&config, &other), 0);
	assert_int_equal(inlay_datathread_start(other), -EINVAL);
	inlay_datathread_free(other);
	config.n_ports = INLAY_DATATHREAD_PORTS + 1;
	assert_int_equal(inlay_datathread_new(&config, &other), -EINVAL);
	inlay_datathread_free(NULL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(each_datagram_goes_up_as_what_it_is),
		TEST(an_oversized_datagram_is_counted),
		TEST(congestion_marks_reach_the_descriptor),
		TEST(a_full_ring_drops_and_counts),
		TEST(forgeries_leave_room_for_connections),
		TEST(a_large_merged_burst_comes_up_whole),
		TEST(the_thread_wakes_for_both_sides),
		TEST(two_threads_that_send_keep_the_order),
		TEST(stopping_sends_what_is_left),
		TEST(a_cpu_that_is_not_there_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
