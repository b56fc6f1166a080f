/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory and lifetimes of the shared state. One thread, the control thread, calls all of this; what
 * forwarders may touch meanwhile is touched by atomic words alone, or after a quiet moment.
 */
#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE 4096U
/* Of two entries, a cache line: see log_stride. */
#define LOG_PAD (INLAY_CACHELINE / sizeof(struct inlay_sent))

enum kind {
	SUBSCRIBER,
	UPSTREAM,
	TRACK,
	POSITION,
	SLOT,
	ROUTE, /* a place in the table of SAs */
	N_KINDS,
};

/* Given back, and not free before it is quiet. */
struct limbo {
	struct limbo *next;
	struct inlay_moment moment;
	enum kind kind;
	__u32 index, track;
};

/* Free entries of one kind: those that were used before, then those that never were. */
struct pool {
	__u32 *freed;
	__u32 n_freed, fresh, room;
};

struct inlay_state {
	struct inlay_tables tables;
	struct inlay_state_config config;
	int fd;
	__u8 *memory;
	size_t size;
	struct pool pools[N_KINDS]; /* SUBSCRIBER, UPSTREAM, TRACK */
	struct pool *positions;	    /* one a track */
	bool *unrouted;		    /* places of SAs, not quiet yet */
	struct limbo *limbo;	    /* oldest first */
	struct limbo **limbo_end;
};

/* --- Memory ---------------------------------------------------------------------------------- */

static bool is_power_of_two(__u32 n)
{
	return n > 0 && !(n & (n - 1));
}

static int complete(struct inlay_state_config *c)
{
	c->subscribers = c->subscribers ? c->subscribers : 1024;
	c->log_size = c->log_size ? c->log_size : 2048;
	c->upstreams = c->upstreams ? c->upstreams : 64;
	c->journal_size = c->journal_size ? c->journal_size : 1024;
	c->tracks = c->tracks ? c->tracks : 256;
	c->slots = c->slots ? c->slots : 256;
	c->sas = c->sas ? c->sas : 2 * c->subscribers;
	if (!is_power_of_two(c->subscribers) || !is_power_of_two(c->log_size) ||
	    !is_power_of_two(c->upstreams) || !is_power_of_two(c->journal_size) ||
	    !is_power_of_two(c->slots) || !is_power_of_two(c->sas))
		return -EINVAL;
	if (c->log_size < 64 || c->log_size > 1U << 20 || c->slots > 1U << 15 ||
	    c->subscribers > 1U << 20 || c->upstreams > 1U << 16 || c->tracks > 1U << 16 ||
	    c->journal_size > 1U << 20 || c->sas > 1U << 22)
		return -EINVAL;
	return 0;
}

/* Reserves |n| things of |size| bytes at the end of |*at|, on pages of their own. */
static size_t place(size_t *at, size_t n, size_t size)
{
	size_t begin = *at;

	*at += (n * size + PAGE - 1) & ~(size_t)(PAGE - 1);
	return begin;
}

static __u32 log_stride(const struct inlay_state *st)
{
	return st->config.log_size + LOG_PAD;
}

static int map_tables(struct inlay_state *st)
{
	const struct inlay_state_config *c = &st->config;
	struct inlay_tables *t = &st->tables;
	size_t at = 0;
	size_t contexts = place(&at, INLAY_CONTEXTS, sizeof(*t->contexts));
	size_t sas = place(&at, c->sas, sizeof(*t->sas));
	size_t subscribers = place(&at, c->subscribers, sizeof(*t->subscribers));
	size_t logs = place(&at, (size_t)c->subscribers * log_stride(st), sizeof(*t->logs));
	size_t upstreams = place(&at, c->upstreams, sizeof(*t->upstreams));
	size_t journals = place(&at, (size_t)c->upstreams * c->journal_size, sizeof(*t->journals));
	size_t tracks = place(&at, c->tracks, sizeof(*t->tracks));
	size_t positions = place(&at, (size_t)c->tracks * INLAY_POSITIONS, sizeof(*t->positions));
	size_t slots = place(&at, c->slots, sizeof(*t->slots));
	size_t legs = place(&at, (size_t)c->slots * INLAY_POSITIONS, sizeof(*t->legs));

	st->size = at;
	st->fd = memfd_create("inlay-state", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (st->fd < 0 || ftruncate(st->fd, (off_t)at) ||
	    fcntl(st->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		return -errno;
	st->memory = mmap(NULL, at, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, st->fd, 0);
	if (st->memory == MAP_FAILED) {
		st->memory = NULL;
		return -errno;
	}
	t->contexts = (void *)(st->memory + contexts);
	t->sas = (void *)(st->memory + sas);
	t->subscribers = (void *)(st->memory + subscribers);
	t->logs = (void *)(st->memory + logs);
	t->upstreams = (void *)(st->memory + upstreams);
	t->journals = (void *)(st->memory + journals);
	t->tracks = (void *)(st->memory + tracks);
	t->positions = (void *)(st->memory + positions);
	t->slots = (void *)(st->memory + slots);
	t->legs = (void *)(st->memory + legs);
	t->n_sas = c->sas;
	t->n_subscribers = c->subscribers;
	t->log_stride = log_stride(st);
	t->n_upstreams = c->upstreams;
	t->journal_size = c->journal_size;
	t->n_tracks = c->tracks;
	t->n_slots = c->slots;
	return 0;
}

static int pool_init(struct pool *p, __u32 room)
{
	p->room = room;
	p->freed = calloc(room, sizeof(*p->freed));
	return p->freed ? 0 : -ENOMEM;
}

static int pool_get(struct pool *p, __u32 *ret)
{
	if (p->n_freed > 0)
		*ret = p->freed[--p->n_freed];
	else if (p->fresh < p->room)
		*ret = p->fresh++;
	else
		return -ENOSPC;
	return 0;
}

static void pool_put(struct pool *p, __u32 index)
{
	p->freed[p->n_freed++] = index;
}

int inlay_state_new(const struct inlay_state_config *config, struct inlay_state **ret_state)
{
	struct inlay_state *st = calloc(1, sizeof(*st));
	int err;

	if (!st)
		return -ENOMEM;
	st->fd = -1;
	st->limbo_end = &st->limbo;
	st->config = *config;
	err = complete(&st->config);
	if (!err)
		err = map_tables(st);
	if (!err)
		err = pool_init(&st->pools[SUBSCRIBER], st->config.subscribers);
	if (!err)
		err = pool_init(&st->pools[UPSTREAM], st->config.upstreams);
	if (!err)
		err = pool_init(&st->pools[TRACK], st->config.tracks);
	if (!err) {
		st->positions = calloc(st->config.tracks, sizeof(*st->positions));
		st->unrouted = calloc(st->config.sas, sizeof(*st->unrouted));
		err = st->positions && st->unrouted ? 0 : -ENOMEM;
	}
	if (err) {
		inlay_state_free(st);
		return err;
	}
	*ret_state = st;
	return 0;
}

void inlay_state_free(struct inlay_state *st)
{
	struct limbo *l;
	__u32 i;

	if (!st)
		return;
	while ((l = st->limbo)) {
		st->limbo = l->next;
		free(l);
	}
	for (i = 0; st->positions && i < st->config.tracks; i++)
		free(st->positions[i].freed);
	free(st->positions);
	free(st->unrouted);
	for (i = 0; i < N_KINDS; i++)
		free(st->pools[i].freed);
	if (st->memory)
		munmap(st->memory, st->size);
	if (st->fd >= 0)
		close(st->fd);
	free(st);
}

const struct inlay_tables *inlay_state_tables(const struct inlay_state *st)
{
	return &st->tables;
}

void inlay_state_size(const struct inlay_state *st, __u64 *ret_room, __u64 *ret_used)
{
	struct stat s = {0};

	fstat(st->fd, &s);
	*ret_room = st->size;
	*ret_used = (__u64)s.st_blocks * 512;
}

/* --- Quiescence ------------------------------------------------------------------------------ */

void inlay_state_moment(const struct inlay_state *st, struct inlay_moment *ret_moment)
{
	/* A read-modify-write is a full barrier: what was written before is seen by whoever enters
	 * after we have read its epoch as even. */
	for (int i = 0; i < INLAY_CONTEXTS; i++)
		ret_moment->epochs[i] = inlay_fetch_add_u64(&st->tables.contexts[i].epoch, 0);
}

bool inlay_state_is_quiet(const struct inlay_state *st, const struct inlay_moment *moment)
{
	for (int i = 0; i < INLAY_CONTEXTS; i++)
		if ((moment->epochs[i] & 1) &&
		    inlay_load_u64(&st->tables.contexts[i].epoch) == moment->epochs[i])
			return false;
	return true;
}

/* --- Entries --------------------------------------------------------------------------------- */

static void put_later(struct inlay_state *st, enum kind kind, __u32 index, __u32 track)
{
	struct limbo *l = calloc(1, sizeof(*l));

	/* Without memory it is never used again, which harms nobody but us. */
	if (!l)
		return;
	l->kind = kind;
	l->index = index;
	l->track = track;
	inlay_state_moment(st, &l->moment);
	*st->limbo_end = l;
	st->limbo_end = &l->next;
}

/* Forwarders look at the states of legs and positions whether they are in use or not: what they see
 * of these while they go is NONE, DETACHED, OFF or FREE, which is all one to them. And whoever
 * drops a copy looks at its entry in the log, however late. */
static void zero_words(void *words, size_t size)
{
	for (__u64 *at = words, *end = at + size / sizeof(*at); at < end; at++)
		inlay_store_u64(at, 0);
}

/* Zeroes the log; whole pages of it go back to the system. */
static void release_log(struct inlay_state *st, __u32 index)
{
	__u8 *log = (__u8 *)inlay_state_log(st, index);
	size_t begin = (size_t)(log - st->memory);
	size_t end = begin + st->config.log_size * sizeof(struct inlay_sent);
	size_t first = (begin + PAGE - 1) & ~(size_t)(PAGE - 1);
	size_t last = end & ~(size_t)(PAGE - 1);

	if (last <= first || madvise(st->memory + first, last - first, MADV_REMOVE)) {
		zero_words(log, end - begin);
		return;
	}
	zero_words(log, first - begin);
	zero_words(st->memory + last, end - last);
}

/* How many were ever used. */
static __u32 positions_of(const struct inlay_state *st, __u32 track)
{
	__u32 n = track < st->config.tracks ? inlay_load_u32(&st->tables.tracks[track].n_positions)
					    : 0;

	return n < INLAY_POSITIONS ? n : INLAY_POSITIONS;
}

static void free_slot(struct inlay_state *st, __u32 index)
{
	struct inlay_slot *s = &st->tables.slots[index];
	__u32 n = positions_of(st, s->track);

	memset(&st->tables.legs[(size_t)index * INLAY_POSITIONS], 0, n * sizeof(struct inlay_leg));
	s->generation++;
	s->reason = 0;
	memset(&s->framing, 0, sizeof(s->framing));
	inlay_store_u32(&s->state, INLAY_SLOT_FREE);
}

/* Who gets positions [begin, end) next finds no leg of the ones before: legs of a slot that is FREE
 * are zero; of one being claimed too, where positions were not ACTIVE. */
static void clear_positions(struct inlay_state *st, __u32 track, __u32 begin, __u32 end)
{
	for (__u32 i = 0; i < st->config.slots; i++)
		if (inlay_state_slot_is_set_up(&st->tables.slots[i]) &&
		    st->tables.slots[i].track == track)
			zero_words(&st->tables.legs[(size_t)i * INLAY_POSITIONS + begin],
				   (end - begin) * sizeof(struct inlay_leg));
	zero_words(&st->tables.positions[(size_t)track * INLAY_POSITIONS + begin],
		   (end - begin) * sizeof(struct inlay_position));
}

static void free_track(struct inlay_state *st, __u32 index)
{
	clear_positions(st, index, 0, positions_of(st, index));
	inlay_store_u32(&st->tables.tracks[index].n_positions, 0);
	st->positions[index].n_freed = 0;
	st->positions[index].fresh = 0;
	pool_put(&st->pools[TRACK], index);
}

static void free_upstream(struct inlay_state *st, __u32 index)
{
	struct inlay_upstream *up = &st->tables.upstreams[index];
	__u16 generation = up->generation;

	memset(up, 0, sizeof(*up));
	up->generation = generation;
	memset(&st->tables.journals[(size_t)index * st->config.journal_size], 0,
	       st->config.journal_size * sizeof(struct inlay_journal));
	pool_put(&st->pools[UPSTREAM], index);
}

static void free_entry(struct inlay_state *st, const struct limbo *l)
{
	switch (l->kind) {
	case SUBSCRIBER:
		release_log(st, l->index);
		pool_put(&st->pools[SUBSCRIBER], l->index);
		break;
	case UPSTREAM:
		free_upstream(st, l->index);
		break;
	case TRACK:
		free_track(st, l->index);
		break;
	case POSITION:
		clear_positions(st, l->track, l->index, l->index + 1);
		pool_put(&st->positions[l->track], l->index);
		break;
	case SLOT:
		free_slot(st, l->index);
		break;
	case ROUTE:
		st->unrouted[l->index] = false;
		break;
	case N_KINDS:
		break;
	}
}

void inlay_state_reclaim(struct inlay_state *st)
{
	struct limbo *l;

	while ((l = st->limbo) && inlay_state_is_quiet(st, &l->moment)) {
		st->limbo = l->next;
		if (!st->limbo)
			st->limbo_end = &st->limbo;
		free_entry(st, l);
		free(l);
	}
}

static int get(struct inlay_state *st, struct pool *p, __u32 *ret)
{
	inlay_state_reclaim(st);
	return pool_get(p, ret);
}

static __u16 next_generation(__u16 generation)
{
	generation++;
	return generation ? generation : 1;
}

int inlay_state_subscriber_get(struct inlay_state *st, __u32 *ret_index)
{
	struct inlay_subscriber *s;
	__u32 index;
	int err = get(st, &st->pools[SUBSCRIBER], &index);

	if (err)
		return err;
	s = inlay_state_subscriber(st, index);
	/* All but the generation: where a leg is left of the one before, forwarders compare it. */
	memset(s, 0, offsetof(struct inlay_subscriber, generation));
	memset(&s->log_mask, 0, sizeof(*s) - offsetof(struct inlay_subscriber, log_mask));
	if (s->generation == 0)
		s->generation = 1;
	s->abi_version = INLAY_ABI_VERSION;
	*ret_index = index;
	return 0;
}

void inlay_state_subscriber_put(struct inlay_state *st, __u32 index)
{
	struct inlay_subscriber *s = inlay_state_subscriber(st, index);

	/* Before the moment that is waited for: a stream that begins now may get a leg behind the
	 * back of whoever detaches all legs, and its next packet is not to find the entry. */
	inlay_store_u16(&s->generation, next_generation(s->generation));
	put_later(st, SUBSCRIBER, index, 0);
}

struct inlay_subscriber *inlay_state_subscriber(const struct inlay_state *st, __u32 index)
{
	return &st->tables.subscribers[index & (st->config.subscribers - 1)];
}

struct inlay_sent *inlay_state_log(const struct inlay_state *st, __u32 index)
{
	index &= st->config.subscribers - 1;
	return &st->tables.logs[(size_t)index * st->tables.log_stride];
}

int inlay_state_upstream_get(struct inlay_state *st, __u32 *ret_index)
{
	struct inlay_upstream *up;
	int err = get(st, &st->pools[UPSTREAM], ret_index);

	if (err)
		return err;
	up = &st->tables.upstreams[*ret_index];
	up->generation = next_generation(up->generation);
	up->journal_mask = st->config.journal_size - 1;
	return 0;
}

void inlay_state_upstream_put(struct inlay_state *st, __u32 index)
{
	inlay_xchg_u32(&st->tables.upstreams[index].state, INLAY_UPSTREAM_OFF);
	put_later(st, UPSTREAM, index, 0);
}

int inlay_state_route(struct inlay_state *st, __u32 sa, __u16 generation, __u32 upstream)
{
	struct inlay_rx_sa *e = &st->tables.sas[sa & (st->config.sas - 1)];

	inlay_state_reclaim(st);
	/* Who still reads the place as it was must not take the new SA for the old one's. */
	if (inlay_load_u32(&e->upstream) || st->unrouted[sa & (st->config.sas - 1)])
		return -EEXIST;
	e->number = sa;
	e->generation = generation;
	inlay_xchg_u32(&e->upstream, upstream + 1);
	return 0;
}

void inlay_state_unroute(struct inlay_state *st, __u32 sa, __u16 generation)
{
	__u32 place = sa & (st->config.sas - 1);
	struct inlay_rx_sa *e = &st->tables.sas[place];

	if (!inlay_load_u32(&e->upstream) || e->number != sa || e->generation != generation)
		return;
	inlay_xchg_u32(&e->upstream, 0);
	st->unrouted[place] = true;
	put_later(st, ROUTE, place, 0);
}

int inlay_state_track_get(struct inlay_state *st, __u32 *ret_index)
{
	int err = get(st, &st->pools[TRACK], ret_index);

	if (err)
		return err;
	if (!st->positions[*ret_index].freed)
		err = pool_init(&st->positions[*ret_index], INLAY_POSITIONS);
	if (err)
		pool_put(&st->pools[TRACK], *ret_index);
	return err;
}

void inlay_state_track_put(struct inlay_state *st, __u32 index)
{
	put_later(st, TRACK, index, 0);
}

int inlay_state_position_get(struct inlay_state *st, __u32 track, __u32 *ret_index)
{
	struct inlay_track *t = &st->tables.tracks[track];
	int err = get(st, &st->positions[track], ret_index);

	if (!err && *ret_index >= inlay_load_u32(&t->n_positions))
		inlay_store_u32(&t->n_positions, *ret_index + 1);
	return err;
}

void inlay_state_position_put(struct inlay_state *st, __u32 track, __u32 index)
{
	put_later(st, POSITION, index, track);
}

void inlay_state_slot_put(struct inlay_state *st, __u32 index)
{
	/* What is seen of it as a stream's slot until it is free is not followed any more. */
	inlay_xchg_u32(&st->tables.slots[index].state, INLAY_SLOT_DECLINED);
	put_later(st, SLOT, index, 0);
}
