/* SPDX-License-Identifier: BSD-2-Clause */
#include "ring.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "inlay_atomic.h"

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

struct inlay_ring {
	struct inlay_ring_header *header;
	struct inlay_frame *slots;
	size_t mapped;
	__u32 n_slots;
	__u32 mask; /* the local copy: the shared one may change under us */
	struct inlay_ring_fds fds;

	/* One side's own index, and the newest index of the other side that it has seen. */
	struct {
		__u64 head, tail_seen;
		__u32 broken;
	} producer __attribute__((aligned(INLAY_CACHELINE)));
	struct {
		__u64 tail, head_seen;
		__u32 broken;
	} consumer __attribute__((aligned(INLAY_CACHELINE)));
};

static size_t mapping_size(__u32 slots)
{
	return INLAY_RING_SLOTS_AT + (size_t)slots * sizeof(struct inlay_frame);
}

static bool slots_are_valid(__u32 slots)
{
	return slots >= INLAY_RING_MIN_SLOTS && slots <= INLAY_RING_MAX_SLOTS &&
	       (slots & (slots - 1)) == 0;
}

static struct inlay_ring *ring_alloc(void)
{
	struct inlay_ring *r = aligned_alloc(INLAY_CACHELINE, sizeof(*r));

	if (!r)
		return NULL;
	*r = (struct inlay_ring){.fds = {.memory = -1, .data = -1, .room = -1}};
	return r;
}

static int map(struct inlay_ring *r, int fd, size_t size)
{
	/* Populated: the first lap would take a page fault every other frame, on the packets' time.
	 */
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);

	if (p == MAP_FAILED)
		return -errno;
	/* Clear packets are in here: they belong in no core dump. */
	madvise(p, size, MADV_DONTDUMP);
	r->header = p;
	r->slots = (struct inlay_frame *)((char *)p + INLAY_RING_SLOTS_AT);
	r->mapped = size;
	return 0;
}

static void set_slots(struct inlay_ring *r, __u32 slots)
{
	r->n_slots = slots;
	r->mask = slots - 1;
}

static int create(struct inlay_ring *r, __u32 slots)
{
	size_t size = mapping_size(slots);
	int ret;

	r->fds.memory = memfd_create("inlay-ring", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (r->fds.memory < 0)
		return -errno;
	if (ftruncate(r->fds.memory, (off_t)size) || fcntl(r->fds.memory, F_ADD_SEALS, SEALS))
		return -errno;
	r->fds.data = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r->fds.room = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (r->fds.data < 0 || r->fds.room < 0)
		return -errno;
	ret = map(r, r->fds.memory, size);
	if (ret)
		return ret;

	set_slots(r, slots);
	r->header->version = INLAY_RING_VERSION;
	r->header->slots = slots;
	r->header->slot_size = sizeof(struct inlay_frame);
	inlay_store_u32(&r->header->magic, INLAY_RING_MAGIC);
	return 0;
}

int inlay_ring_new(__u32 slots, struct inlay_ring **ret_ring)
{
	struct inlay_ring *r;
	int ret;

	if (!slots_are_valid(slots))
		return -EINVAL;
	r = ring_alloc();
	if (!r)
		return -ENOMEM;
	ret = create(r, slots);
	if (ret) {
		inlay_ring_free(r);
		return ret;
	}
	*ret_ring = r;
	return 0;
}

static int validate(struct inlay_ring *r, size_t size)
{
	struct inlay_ring_header *h = r->header;
	__u32 slots = inlay_load_u32(&h->slots);
	__u64 head = inlay_load_u64(&h->head);
	__u64 tail = inlay_load_u64(&h->tail);

	if (inlay_load_u32(&h->magic) != INLAY_RING_MAGIC ||
	    inlay_load_u32(&h->version) != INLAY_RING_VERSION ||
	    inlay_load_u32(&h->slot_size) != sizeof(struct inlay_frame))
		return -EINVAL;
	if (!slots_are_valid(slots) || mapping_size(slots) != size || head - tail > slots)
		return -EINVAL;
	set_slots(r, slots);
	r->producer.head = r->consumer.head_seen = head;
	r->producer.tail_seen = r->consumer.tail = tail;
	return 0;
}

int inlay_ring_attach(const struct inlay_ring_fds *fds, struct inlay_ring **ret_ring)
{
	int seals = fcntl(fds->memory, F_GET_SEALS);
	struct inlay_ring *r;
	struct stat st;
	int ret;

	/* Unsealed, the other side could cut the memory off and kill us by SIGBUS. */
	if (seals < 0 || (seals & (F_SEAL_SHRINK | F_SEAL_GROW)) != (F_SEAL_SHRINK | F_SEAL_GROW))
		return -EINVAL;
	if (fstat(fds->memory, &st))
		return -errno;
	if (st.st_size < INLAY_RING_SLOTS_AT ||
	    (size_t)st.st_size > mapping_size(INLAY_RING_MAX_SLOTS))
		return -EINVAL;
	r = ring_alloc();
	if (!r)
		return -ENOMEM;
	ret = map(r, fds->memory, (size_t)st.st_size);
	if (!ret)
		ret = validate(r, (size_t)st.st_size);
	if (ret) {
		inlay_ring_free(r);
		return ret;
	}
	r->fds = *fds;
	*ret_ring = r;
	return 0;
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

void inlay_ring_free(struct inlay_ring *r)
{
	if (!r)
		return;
	if (r->header)
		munmap(r->header, r->mapped);
	close_fd(r->fds.memory);
	close_fd(r->fds.data);
	close_fd(r->fds.room);
	free(r);
}

struct inlay_ring_fds inlay_ring_fds(const struct inlay_ring *r)
{
	return r->fds;
}

__u32 inlay_ring_slots(const struct inlay_ring *r)
{
	return r->n_slots;
}

bool inlay_ring_is_broken(const struct inlay_ring *r)
{
	return inlay_load_u32(&r->producer.broken) || inlay_load_u32(&r->consumer.broken);
}

/* --- Sleeping --------------------------------------------------------------------------------
 *
 * The sleeper exchanges 1 into its word, then looks at the other's index once more; the waker
 * publishes its index, then exchanges 0 into the word. Whichever exchange comes second reads what
 * the first one's thread wrote before it: either the sleeper sees the index, or the waker the 1.
 */

static void signal_to(int eventfd)
{
	/* Fails only where the counter is full, and then it is readable anyway. */
	(void)!write(eventfd, &(__u64){1}, sizeof(__u64));
}

static void wake(__u32 *sleeps, int eventfd)
{
	if (inlay_xchg_u32(sleeps, 0))
		signal_to(eventfd);
}

static void drain(int eventfd)
{
	__u64 ignored;

	(void)!read(eventfd, &ignored, sizeof(ignored));
}

/* --- Producer ------------------------------------------------------------------------------ */

static __u64 look_for_room(struct inlay_ring *r)
{
	__u64 used;

	r->producer.tail_seen = inlay_load_u64(&r->header->tail);
	used = r->producer.head - r->producer.tail_seen;
	if (used > r->n_slots) {
		inlay_store_u32(&r->producer.broken, 1);
		return 0;
	}
	return r->n_slots - used;
}

static __u64 room(struct inlay_ring *r, size_t wanted)
{
	__u64 have = r->n_slots - (r->producer.head - r->producer.tail_seen);

	if (r->producer.broken)
		return 0;
	/* Looks at the consumer's cache line only when its older value does not do. */
	return have >= wanted ? have : look_for_room(r);
}

size_t inlay_ring_reserve(struct inlay_ring *r, size_t n, struct inlay_frame **ret_slots)
{
	__u64 have = room(r, n);
	size_t i;

	if (n > have)
		n = have;
	for (i = 0; i < n; i++)
		ret_slots[i] = &r->slots[(r->producer.head + i) & r->mask];
	return n;
}

size_t inlay_ring_room(struct inlay_ring *r)
{
	return room(r, r->n_slots);
}

void inlay_ring_publish(struct inlay_ring *r, size_t n)
{
	r->producer.head += n;
	assert(r->producer.head - r->producer.tail_seen <= r->n_slots);
	inlay_store_u64(&r->header->head, r->producer.head);
}

bool inlay_ring_claim_sleeper(struct inlay_ring *r)
{
	return inlay_xchg_u32(&r->header->consumer_sleeps, 0);
}

void inlay_ring_wake_consumer(struct inlay_ring *r)
{
	signal_to(r->fds.data);
}

void inlay_ring_commit(struct inlay_ring *r, size_t n)
{
	if (!n)
		return;
	inlay_ring_publish(r, n);
	wake(&r->header->consumer_sleeps, r->fds.data);
}

bool inlay_ring_producer_sleep(struct inlay_ring *r)
{
	inlay_xchg_u32(&r->header->producer_sleeps, 1);
	if (!look_for_room(r))
		return true;
	inlay_xchg_u32(&r->header->producer_sleeps, 0);
	return false;
}

void inlay_ring_producer_awake(struct inlay_ring *r, bool signalled)
{
	inlay_xchg_u32(&r->header->producer_sleeps, 0);
	/* A signal still on its way shows at the next wait, and is drained then. */
	if (signalled)
		drain(r->fds.room);
}

/* --- Consumer ------------------------------------------------------------------------------ */

static __u64 look_for_data(struct inlay_ring *r)
{
	__u64 used;

	r->consumer.head_seen = inlay_load_u64(&r->header->head);
	used = r->consumer.head_seen - r->consumer.tail;
	if (used > r->n_slots) {
		r->consumer.head_seen = r->consumer.tail;
		inlay_store_u32(&r->consumer.broken, 1);
		return 0;
	}
	return used;
}

static __u64 filled(struct inlay_ring *r, size_t wanted)
{
	__u64 have = r->consumer.head_seen - r->consumer.tail;

	if (r->consumer.broken)
		return 0;
	return have >= wanted ? have : look_for_data(r);
}

size_t inlay_ring_peek(struct inlay_ring *r, size_t n, struct inlay_frame **ret_slots)
{
	__u64 have = filled(r, n);
	size_t i;

	if (n > have)
		n = have;
	for (i = 0; i < n; i++)
		ret_slots[i] = &r->slots[(r->consumer.tail + i) & r->mask];
	return n;
}

void inlay_ring_release(struct inlay_ring *r, size_t n)
{
	if (!n)
		return;
	assert(n <= r->consumer.head_seen - r->consumer.tail);
	r->consumer.tail += n;
	inlay_store_u64(&r->header->tail, r->consumer.tail);
	wake(&r->header->producer_sleeps, r->fds.room);
}

bool inlay_ring_consumer_sleep(struct inlay_ring *r)
{
	inlay_xchg_u32(&r->header->consumer_sleeps, 1);
	if (!look_for_data(r))
		return true;
	inlay_xchg_u32(&r->header->consumer_sleeps, 0);
	return false;
}

void inlay_ring_consumer_awake(struct inlay_ring *r, bool signalled)
{
	inlay_xchg_u32(&r->header->consumer_sleeps, 0);
	/* A signal still on its way shows at the next wait, and is drained then. */
	if (signalled)
		drain(r->fds.data);
}
