/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A ring whose other side writes what it likes into the shared header: no access leaves the slots,
 * and no more slots are handed out than there are.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "inlay_cursor.h"
#include "ring.h"

#define SLOTS 8

/* What one step does; its argument follows in the input. */
enum step {
	PRODUCE,
	CONSUME,
	WRITE_HEADER, /* the hostile side: 8 bytes somewhere in the header */
	SLEEP,
	N_STEPS,
};

static void check(struct inlay_frame **slots, size_t n)
{
	if (n > SLOTS)
		abort();
	for (size_t i = 0; i < n; i++)
		slots[i]->data[INLAY_FRAME_ROOM - 1] ^= 1; /* the sanitizer watches */
}

static void take_step(struct inlay_ring *r, __u8 *header, enum step step, __u8 n,
		      struct inlay_cursor *c)
{
	struct inlay_frame *slots[INLAY_RING_BURST];
	const __u8 *bytes;
	size_t got;

	switch (step) {
	case PRODUCE:
		got = inlay_ring_reserve(r, n % INLAY_RING_BURST + 1, slots);
		check(slots, got);
		inlay_ring_commit(r, got);
		break;
	case CONSUME:
		got = inlay_ring_peek(r, n % INLAY_RING_BURST + 1, slots);
		check(slots, got);
		inlay_ring_release(r, got);
		break;
	case WRITE_HEADER:
		if (inlay_cursor_bytes(c, 8, &bytes))
			memcpy(header + n % (sizeof(struct inlay_ring_header) / 8) * 8, bytes, 8);
		break;
	default:
		if (n & 1 && inlay_ring_consumer_sleep(r))
			inlay_ring_consumer_awake(r, n & 2);
		else if (inlay_ring_producer_sleep(r))
			inlay_ring_producer_awake(r, n & 2);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct inlay_cursor c = inlay_cursor_of(data, size);
	struct inlay_ring *r;
	__u8 *header, byte;

	if (inlay_ring_new(SLOTS, &r))
		abort();
	header = mmap(NULL, INLAY_RING_SLOTS_AT, PROT_READ | PROT_WRITE, MAP_SHARED,
		      inlay_ring_fds(r).memory, 0);
	if (header == MAP_FAILED)
		abort();
	while (inlay_cursor_u8(&c, &byte))
		take_step(r, header, byte % N_STEPS, byte / N_STEPS, &c);
	munmap(header, INLAY_RING_SLOTS_AT);
	inlay_ring_free(r);
	return 0;
}
