/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A ring of struct inlay_frame slots between one producer and one consumer, in a memfd of sealed
 * size, so that the other side may be another process (design sections 3 to 5). Slots are filled
 * and read in place, in bursts: reserve and commit, peek and release.
 *
 * Nothing read from shared memory is trusted: indices are masked with a local copy of the mask,
 * and a head or tail that is impossible marks this side broken, which then moves nothing more. The
 * size is sealed, so that no access can fault.
 *
 * A side that has nothing to do announces that it sleeps and waits on an eventfd; the other side
 * writes to the eventfd only then. Producer functions belong to one thread, consumer functions to
 * one thread; everything else may be called from either.
 */
#ifndef INLAY_DATAPLANE_RING_H
#define INLAY_DATAPLANE_RING_H

#include "inlay_abi.h"

#define INLAY_RING_MAGIC     0x696e6c52U /* "inlR" */
#define INLAY_RING_VERSION   1
#define INLAY_RING_MIN_SLOTS 2
#define INLAY_RING_MAX_SLOTS 65536
#define INLAY_RING_BURST     64 /* slots that one reserve or peek yields at most */

/* Shared memory: this header, then the slots from offset INLAY_RING_SLOTS_AT. */
struct inlay_ring_header {
	/* Written before the memory is handed out; read once, when attaching. */
	__u32 magic;
	__u32 version;
	__u32 slots;	 /* a power of two */
	__u32 slot_size; /* sizeof(struct inlay_frame) */
	__u64 pad0[6];

	__u64 head; /* slots ever committed: written by the producer, after the slots */
	__u64 pad1[7];
	__u64 tail; /* slots ever released: written by the consumer */
	__u64 pad2[7];
	/* 1: that side sleeps, or is about to. Exchanged by both sides. */
	__u32 consumer_sleeps;
	__u32 pad3[15];
	__u32 producer_sleeps;
	__u32 pad4[15];
};
_Static_assert(sizeof(struct inlay_ring_header) == 5 * INLAY_CACHELINE, "ABI");
_Static_assert(offsetof(struct inlay_ring_header, head) == 64, "a cache line each");
_Static_assert(offsetof(struct inlay_ring_header, tail) == 128, "a cache line each");
_Static_assert(offsetof(struct inlay_ring_header, consumer_sleeps) == 192, "a cache line each");

#define INLAY_RING_SLOTS_AT 4096

/* File descriptors of a ring: what another process needs to attach. */
struct inlay_ring_fds {
	int memory;
	int data; /* eventfd: the consumer waits for slots */
	int room; /* eventfd: the producer waits for free slots */
};

struct inlay_ring;

/* |slots|: a power of two within the bounds above. 0; -EINVAL; -ENOMEM; what memfd_create, mmap and
 * eventfd return. */
int inlay_ring_new(__u32 slots, struct inlay_ring **ret_ring);
/* Maps a ring made elsewhere; takes the descriptors over on success. 0; -EINVAL: not sealed, or
 * not a ring of this version; -ENOMEM; what fstat and mmap return. */
int inlay_ring_attach(const struct inlay_ring_fds *fds, struct inlay_ring **ret_ring);
/* Takes NULL. */
void inlay_ring_free(struct inlay_ring *r);
/* Still owned by the ring. */
struct inlay_ring_fds inlay_ring_fds(const struct inlay_ring *r);
__u32 inlay_ring_slots(const struct inlay_ring *r);
/* The other side wrote an impossible index. */
bool inlay_ring_is_broken(const struct inlay_ring *r);

/* Producer: up to |n| free slots, in order, valid until committed; returns how many. Reserving
 * again without a commit yields the same ones. */
size_t inlay_ring_reserve(struct inlay_ring *r, size_t n, struct inlay_frame **ret_slots);
/* Producer: how many slots are free, reserved ones included. */
size_t inlay_ring_room(struct inlay_ring *r);
/* Producer: the first |n| reserved slots are ready. Wakes the consumer if it sleeps. */
void inlay_ring_commit(struct inlay_ring *r, size_t n);
/* The same in steps, for who can do a sleeping consumer's work (under a lock that both sides of it
 * take): publishes; true: the consumer slept and is the caller's to wake, or to stand in for: then
 * inlay_ring_consumer_sleep() on its behalf, which tells whether all is done. */
void inlay_ring_publish(struct inlay_ring *r, size_t n);
bool inlay_ring_claim_sleeper(struct inlay_ring *r);
void inlay_ring_wake_consumer(struct inlay_ring *r);
/*
 * Producer: false: there is room, carry on. True: wait for the room eventfd to be readable, or for
 * anything else, then call inlay_ring_producer_awake(), |signalled| if the eventfd was readable.
 */
bool inlay_ring_producer_sleep(struct inlay_ring *r);
void inlay_ring_producer_awake(struct inlay_ring *r, bool signalled);

/* Consumer: up to |n| filled slots, oldest first, valid until released; returns how many. */
size_t inlay_ring_peek(struct inlay_ring *r, size_t n, struct inlay_frame **ret_slots);
/* Consumer: done with the oldest |n|. Wakes the producer if it sleeps. */
void inlay_ring_release(struct inlay_ring *r, size_t n);
/* Consumer: false: there are slots, carry on. True: as above, with the data eventfd. */
bool inlay_ring_consumer_sleep(struct inlay_ring *r);
void inlay_ring_consumer_awake(struct inlay_ring *r, bool signalled);

/* Reads a slot's length once, and checks it: false if it cannot be. */
INLAY_INLINE bool inlay_ring_frame_len(const struct inlay_frame *f, __u32 *ret_len)
{
	__u32 len = *(const volatile __u32 *)&f->len;

	if (len > INLAY_FRAME_ROOM)
		return false;
	*ret_len = len;
	return true;
}

#endif
