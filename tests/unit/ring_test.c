/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "inlay_atomic.h"
#include "ring.h"

#define SLOTS 8

static struct inlay_ring *new_ring(__u32 slots)
{
	struct inlay_ring *r;

	assert_int_equal(inlay_ring_new(slots, &r), 0);
	return r;
}

static void put(struct inlay_ring *r, __u64 value)
{
	struct inlay_frame *f;

	assert_int_equal(inlay_ring_reserve(r, 1, &f), 1);
	f->len = 8;
	f->time = value;
	inlay_ring_commit(r, 1);
}

static __u64 take(struct inlay_ring *r)
{
	struct inlay_frame *f;
	__u64 value;

	assert_int_equal(inlay_ring_peek(r, 1, &f), 1);
	value = f->time;
	inlay_ring_release(r, 1);
	return value;
}

/* The other process' view of the header. */
static struct inlay_ring_header *shared(struct inlay_ring *r)
{
	void *p = mmap(NULL, INLAY_RING_SLOTS_AT, PROT_READ | PROT_WRITE, MAP_SHARED,
		       inlay_ring_fds(r).memory, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	return p;
}

static bool readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

static void sizes_are_checked(void **state)
{
	static const __u32 bad[] = {0, 1, 3, 100, 131072, 0x80000000U};
	struct inlay_ring *r;

	for (size_t i = 0; i < INLAY_ARRAY_SIZE(bad); i++)
		assert_int_equal(inlay_ring_new(bad[i], &r), -EINVAL);
	inlay_ring_free(NULL);
}

static void order_survives_wraparound(void **state)
{
	struct inlay_ring *r = new_ring(SLOTS);

	for (__u64 i = 0; i < 5 * SLOTS; i++) {
		put(r, i);
		put(r, ~i);
		assert_int_equal(take(r), i);
		assert_int_equal(take(r), ~i);
	}
	inlay_ring_free(r);
}

static void a_full_ring_yields_no_slot(void **state)
{
	struct inlay_ring *r = new_ring(SLOTS);
	struct inlay_frame *f[SLOTS + 1];

	assert_int_equal(inlay_ring_reserve(r, SLOTS + 1, f), SLOTS);
	inlay_ring_commit(r, SLOTS);
	assert_int_equal(inlay_ring_reserve(r, 1, f), 0);
	assert_int_equal(inlay_ring_peek(r, SLOTS + 1, f), SLOTS);
	inlay_ring_release(r, 3);
	assert_int_equal(inlay_ring_reserve(r, SLOTS, f), 3);
	inlay_ring_free(r);
}

static void a_burst_is_one_piece_over_the_end(void **state)
{
	struct inlay_ring *r = new_ring(SLOTS);
	struct inlay_frame *in[SLOTS], *out[SLOTS];

	for (int i = 0; i < 5; i++)
		put(r, 0);
	for (int i = 0; i < 5; i++)
		take(r);
	assert_int_equal(inlay_ring_reserve(r, 6, in), 6);
	assert_true(in[3] < in[2]);
	for (int i = 0; i < 6; i++)
		in[i]->time = 100 + i;
	/* Fewer may be committed than were reserved. */
	inlay_ring_commit(r, 5);
	assert_int_equal(inlay_ring_peek(r, SLOTS, out), 5);
	for (int i = 0; i < 5; i++)
		assert_int_equal(out[i]->time, 100 + i);
	inlay_ring_free(r);
}

static void the_size_is_sealed(void **state)
{
	struct inlay_ring *r = new_ring(SLOTS);
	int fd = inlay_ring_fds(r).memory;

	assert_int_equal(ftruncate(fd, 4096), -1);
	assert_int_equal(ftruncate(fd, 1 << 24), -1);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	inlay_ring_free(r);
}

static void eventfds_ring_for_sleepers_only(void **state)
{
	struct inlay_ring *r = new_ring(2);
	int data = inlay_ring_fds(r).data, room = inlay_ring_fds(r).room;

	put(r, 1);
	assert_false(readable(data));
	assert_false(inlay_ring_consumer_sleep(r)); /* there is work */
	take(r);
	assert_true(inlay_ring_consumer_sleep(r));
	put(r, 2);
	assert_true(readable(data));
	inlay_ring_consumer_awake(r, true);
	assert_false(readable(data));

	assert_false(inlay_ring_producer_sleep(r)); /* there is room */
	put(r, 3);
	assert_true(inlay_ring_producer_sleep(r));
	assert_false(readable(room));
	take(r);
	assert_true(readable(room));
	inlay_ring_producer_awake(r, true);
	assert_false(readable(room));
	take(r);
	assert_false(readable(room));
	inlay_ring_free(r);
}

static void a_hostile_producer_yields_nothing(void **state)
{
	static const __u64 heads[] = {SLOTS + 1, ~0ULL, 1ULL << 32, ~0ULL - SLOTS};
	struct inlay_frame *f[SLOTS];

	for (size_t i = 0; i < INLAY_ARRAY_SIZE(heads); i++) {
		struct inlay_ring *r = new_ring(SLOTS);
		struct inlay_ring_header *h = shared(r);

		inlay_store_u64(&h->head, heads[i]);
		assert_int_equal(inlay_ring_peek(r, SLOTS, f), 0);
		assert_true(inlay_ring_is_broken(r));
		/* And it stays so, however reasonable the index turns. */
		inlay_store_u64(&h->head, 1);
		assert_int_equal(inlay_ring_peek(r, SLOTS, f), 0);
		munmap(h, INLAY_RING_SLOTS_AT);
		inlay_ring_free(r);
	}
}

static void a_hostile_consumer_yields_nothing(void **state)
{
	static const __u64 tails[] = {SLOTS + 1, ~0ULL, 1ULL << 63, ~0ULL - SLOTS};
	struct inlay_frame *f[SLOTS];

	for (size_t i = 0; i < INLAY_ARRAY_SIZE(tails); i++) {
		struct inlay_ring *r = new_ring(SLOTS);
		struct inlay_ring_header *h = shared(r);

		/* Full, so that the producer has to look: its tail is before 0 or past the head. */
		for (int j = 0; j < SLOTS; j++)
			put(r, 0);
		inlay_store_u64(&h->tail, tails[i]);
		assert_int_equal(inlay_ring_reserve(r, 1, f), 0);
		assert_true(inlay_ring_is_broken(r));
		assert_int_equal(inlay_ring_reserve(r, SLOTS, f), 0);
		munmap(h, INLAY_RING_SLOTS_AT);
		inlay_ring_free(r);
	}
}

static void a_changed_header_moves_no_access(void **state)
{
	struct inlay_ring *r = new_ring(SLOTS);
	struct inlay_ring_header *h = shared(r);

	h->slots = 1 << 30;
	h->slot_size = 1 << 30;
	h->version = 77;
	for (__u64 i = 0; i < 3 * SLOTS; i++) {
		put(r, i);
		assert_int_equal(take(r), i);
	}
	munmap(h, INLAY_RING_SLOTS_AT);
	inlay_ring_free(r);
}

static void lengths_are_checked(void **state)
{
	struct inlay_frame f = {.len = INLAY_FRAME_ROOM};
	__u32 len = 7;

	assert_true(inlay_ring_frame_len(&f, &len));
	assert_int_equal(len, INLAY_FRAME_ROOM);
	f.len = INLAY_FRAME_ROOM + 1;
	assert_false(inlay_ring_frame_len(&f, &len));
	f.len = ~0U;
	assert_false(inlay_ring_frame_len(&f, &len));
	assert_int_equal(len, INLAY_FRAME_ROOM);
}

static struct inlay_ring_fds dup_fds(const struct inlay_ring *r)
{
	struct inlay_ring_fds fds = inlay_ring_fds(r);

	fds.memory = dup(fds.memory);
	fds.data = dup(fds.data);
	fds.room = dup(fds.room);
	return fds;
}

static void close_fds(struct inlay_ring_fds fds)
{
	close(fds.memory);
	close(fds.data);
	close(fds.room);
}

static void attaching_carries_on_where_the_ring_stands(void **state)
{
	struct inlay_ring *a = new_ring(SLOTS), *b;
	struct inlay_ring_fds fds;

	for (__u64 i = 0; i < 5; i++)
		put(a, i);
	assert_int_equal(take(a), 0);
	fds = dup_fds(a);
	assert_int_equal(inlay_ring_attach(&fds, &b), 0);
	assert_int_equal(inlay_ring_slots(b), SLOTS);
	for (__u64 i = 1; i < 5; i++)
		assert_int_equal(take(b), i);
	put(a, 5);
	assert_int_equal(take(b), 5);
	inlay_ring_free(b);
	inlay_ring_free(a);
}

static void attaching_checks_the_header(void **state)
{
	static const struct {
		size_t offset;
		__u32 value;
	} bad[] = {
		{offsetof(struct inlay_ring_header, magic), 0},
		{offsetof(struct inlay_ring_header, version), INLAY_RING_VERSION + 1},
		{offsetof(struct inlay_ring_header, slots), 2 * SLOTS},
		{offsetof(struct inlay_ring_header, slots), 0},
		{offsetof(struct inlay_ring_header, slots), SLOTS - 1},
		{offsetof(struct inlay_ring_header, slot_size), 64},
		{offsetof(struct inlay_ring_header, head), SLOTS + 1},
		{offsetof(struct inlay_ring_header, tail), 1},
	};

	for (size_t i = 0; i < INLAY_ARRAY_SIZE(bad); i++) {
		struct inlay_ring *a = new_ring(SLOTS), *b;
		struct inlay_ring_header *h = shared(a);
		struct inlay_ring_fds fds = dup_fds(a);

		*(__u32 *)((char *)h + bad[i].offset) = bad[i].value;
		assert_int_equal(inlay_ring_attach(&fds, &b), -EINVAL);
		close_fds(fds);
		munmap(h, INLAY_RING_SLOTS_AT);
		inlay_ring_free(a);
	}
}

static void attaching_wants_a_sealed_memfd(void **state)
{
	struct inlay_ring_fds fds = {.data = -1, .room = -1};
	struct inlay_ring *r;

	fds.memory = memfd_create("unsealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_true(fds.memory >= 0);
	assert_int_equal(ftruncate(fds.memory, 1 << 20), 0);
	assert_int_equal(inlay_ring_attach(&fds, &r), -EINVAL);
	assert_int_equal(fcntl(fds.memory, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0);
	assert_int_equal(inlay_ring_attach(&fds, &r), -EINVAL); /* sealed, but no ring */
	close(fds.memory);
	fds.memory = 0;
	assert_int_equal(inlay_ring_attach(&fds, &r), -EINVAL); /* no memfd at all */
}

/* --- Two threads --------------------------------------------------------------------------- */

#define MANY 1000000

static void wait_readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	while (poll(&p, 1, -1) < 0 && errno == EINTR)
		;
}

static void *produce(void *arg)
{
	struct inlay_ring *r = arg;
	struct inlay_frame *f[INLAY_RING_BURST];
	__u64 next = 0;

	while (next < MANY) {
		size_t want = next % 37 + 1; /* bursts of every size */
		size_t n = inlay_ring_reserve(r, want < MANY - next ? want : MANY - next, f);

		if (!n) {
			if (inlay_ring_producer_sleep(r)) {
				wait_readable(inlay_ring_fds(r).room);
				inlay_ring_producer_awake(r, true);
			}
			continue;
		}
		for (size_t i = 0; i < n; i++) {
			f[i]->time = next;
			f[i]->len = (__u32)(next++ & 1023);
		}
		inlay_ring_commit(r, n);
	}
	return NULL;
}

static void two_threads_lose_nothing(void **state)
{
	struct inlay_ring *r = new_ring(256);
	struct inlay_frame *f[INLAY_RING_BURST];
	__u64 next = 0;
	pthread_t t;

	assert_int_equal(pthread_create(&t, NULL, produce, r), 0);
	while (next < MANY) {
		size_t n = inlay_ring_peek(r, next % 41 + 1, f);

		if (!n) {
			if (inlay_ring_consumer_sleep(r)) {
				wait_readable(inlay_ring_fds(r).data);
				inlay_ring_consumer_awake(r, true);
			}
			continue;
		}
		for (size_t i = 0; i < n; i++, next++) {
			if (f[i]->time != next || f[i]->len != (next & 1023))
				fail_msg("slot %llu holds %llu", (unsigned long long)next,
					 (unsigned long long)f[i]->time);
		}
		inlay_ring_release(r, n);
	}
	pthread_join(t, NULL);
	assert_int_equal(inlay_ring_peek(r, 1, f), 0);
	assert_false(inlay_ring_is_broken(r));
	inlay_ring_free(r);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_are_checked),
		cmocka_unit_test(order_survives_wraparound),
		cmocka_unit_test(a_full_ring_yields_no_slot),
		cmocka_unit_test(a_burst_is_one_piece_over_the_end),
		cmocka_unit_test(the_size_is_sealed),
		cmocka_unit_test(eventfds_ring_for_sleepers_only),
		cmocka_unit_test(a_hostile_producer_yields_nothing),
		cmocka_unit_test(a_hostile_consumer_yields_nothing),
		cmocka_unit_test(a_changed_header_moves_no_access),
		cmocka_unit_test(lengths_are_checked),
		cmocka_unit_test(attaching_carries_on_where_the_ring_stands),
		cmocka_unit_test(attaching_checks_the_header),
		cmocka_unit_test(attaching_wants_a_sealed_memfd),
		cmocka_unit_test(two_threads_lose_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
