/* SPDX-License-Identifier: BSD-2-Clause */
#include "streams.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_BUCKETS 16
#define QUOTA_RANGES  (1U << 20) /* gaps are open streams, and the quota bounds those */

int inlay_streams_init(struct inlay_streams *t, enum inlay_role role,
		       struct inlay_subscriber *entry, const struct inlay_transport_params *own,
		       const struct inlay_transport_params *peer)
{
	const __u64 windows[2] = {own->initial_max_streams_bidi, own->initial_max_streams_uni};
	int i;

	memset(t, 0, sizeof(*t));
	t->role = role;
	t->entry = entry;
	t->own = own;
	t->peer = peer;
	inlay_list_init(&t->all);
	inlay_list_init(&t->owing);
	inlay_list_init(&t->dead);
	inlay_list_init(&t->lent);
	for (i = 0; i < 2; i++) {
		t->quota[i].window = windows[i];
		t->quota[i].limit = windows[i];
		inlay_intervals_init(&t->quota[i].used, QUOTA_RANGES);
	}
	t->bidi_limit = peer->initial_max_streams_bidi;
	inlay_store_u64(&entry->stream_limit, peer->initial_max_streams_uni);
	t->n_buckets = FIRST_BUCKETS;
	t->buckets = calloc(t->n_buckets, sizeof(*t->buckets));
	return t->buckets ? 0 : -ENOMEM;
}

static struct inlay_stream **bucket_of(const struct inlay_streams *t, __u64 id)
{
	return &t->buckets[(id * 0x9e3779b97f4a7c15ULL >> 32) & (t->n_buckets - 1)];
}

struct inlay_stream *inlay_streams_find(const struct inlay_streams *t, __u64 id)
{
	struct inlay_stream *s = *bucket_of(t, id);

	while (s && s->id != id)
		s = s->hash_next;
	return s;
}

static struct inlay_stream **recent_of(struct inlay_streams *t, __u64 id)
{
	return &t->recent[(id >> 2) % INLAY_STREAMS_RECENT];
}

struct inlay_stream *inlay_streams_seek(struct inlay_streams *t, __u64 id)
{
	struct inlay_stream **recent = recent_of(t, id), *s = *recent;

	if (s && s->id == id)
		return s;
	s = inlay_streams_find(t, id);
	if (s)
		*recent = s;
	return s;
}

static int grow_buckets(struct inlay_streams *t)
{
	__u32 n = t->n_buckets * 2;
	struct inlay_stream **buckets = calloc(n, sizeof(*buckets));
	struct inlay_list *node;

	if (!buckets)
		return -ENOMEM;
	free(t->buckets);
	t->buckets = buckets;
	t->n_buckets = n;
	inlay_list_for_each (node, &t->all) {
		struct inlay_stream *s = inlay_list_entry(node, struct inlay_stream, all);
		struct inlay_stream **bucket = bucket_of(t, s->id);

		s->hash_next = *bucket;
		*bucket = s;
	}
	return 0;
}

/* Room in the heap is made when a stream is born, so that it cannot fail to be scheduled. */
static int reserve(struct inlay_streams *t)
{
	void *p;

	if (t->n >= t->n_buckets && grow_buckets(t))
		return -ENOMEM;
	if (t->n < t->heap_room)
		return 0;
	p = realloc(t->heap, 2 * (size_t)t->n_buckets * sizeof(struct inlay_stream *));
	if (!p)
		return -ENOMEM;
	t->heap = p;
	t->heap_room = 2 * t->n_buckets;
	return 0;
}

/* RFC 9000 section 18.2: "local" and "remote" are seen from the one who sends the parameter. */
static void set_limits(const struct inlay_streams *t, struct inlay_stream *s, __u64 *ret_send,
		       __u64 *ret_recv)
{
	if (inlay_stream_kind_of(s->id) == INLAY_UNI) {
		*ret_send = t->peer->initial_max_stream_data_uni;
		*ret_recv = t->own->initial_max_stream_data_uni;
	} else if (inlay_stream_is_own(t, s->id)) {
		*ret_send = t->peer->initial_max_stream_data_bidi_remote;
		*ret_recv = t->own->initial_max_stream_data_bidi_local;
	} else {
		*ret_send = t->peer->initial_max_stream_data_bidi_local;
		*ret_recv = t->own->initial_max_stream_data_bidi_remote;
	}
}

static int read_nothing(void *ctx, __u64 offset, __u8 *dst, size_t len)
{
	return -ENODATA;
}

static const struct inlay_stream_source no_source = {.read = read_nothing};

/* A record, and room for it in the tables. */
static struct inlay_stream *allocate(struct inlay_streams *t)
{
	return reserve(t) ? NULL : calloc(1, sizeof(struct inlay_stream));
}

static void add(struct inlay_streams *t, struct inlay_stream *s, __u64 id)
{
	bool own = inlay_stream_is_own(t, id), bidi = inlay_stream_kind_of(id) == INLAY_BIDI;
	__u64 send_limit, recv_window;
	struct inlay_stream **bucket;

	s->id = id;
	s->has_send = own || bidi;
	s->has_recv = !own || bidi;
	inlay_list_init(&s->owing);
	inlay_list_init(&s->dead);
	inlay_list_init(&s->lent);
	set_limits(t, s, &send_limit, &recv_window);
	inlay_stream_send_init(&s->send, &no_source, NULL, send_limit);
	inlay_stream_recv_init(&s->recv, recv_window, &t->recv_budget);
	s->recv.flow.tuner.most = recv_window * t->growth;
	inlay_list_append(&t->all, &s->all);
	bucket = bucket_of(t, id);
	s->hash_next = *bucket;
	*bucket = s;
	t->n++;
	t->n_own += own;
}

/* Unidirectional numbers are shared with a forwarder. */
static int take_number(struct inlay_streams *t, bool bidi, __u64 *ret)
{
	__u64 next;

	if (bidi) {
		if (t->next_bidi >= t->bidi_limit)
			return -EAGAIN;
		*ret = t->next_bidi++;
		return 0;
	}
	do {
		next = inlay_load_u64(&t->entry->next_stream);
		if (next >= inlay_load_u64(&t->entry->stream_limit))
			return -EAGAIN;
	} while (!inlay_cas_u64(&t->entry->next_stream, next, next + 1));
	*ret = next;
	return 0;
}

int inlay_streams_open(struct inlay_streams *t, bool bidi, struct inlay_stream **ret)
{
	enum inlay_stream_kind kind = bidi ? INLAY_BIDI : INLAY_UNI;
	/* Memory first: a number once taken has to be used. */
	struct inlay_stream *s = allocate(t);
	__u64 number;
	int err;

	if (!s)
		return -ENOMEM;
	err = take_number(t, bidi, &number);
	if (err) {
		free(s);
		t->quota[kind].blocked |= !t->quota[kind].refused;
		t->quota[kind].refused = true;
		return err;
	}
	add(t, s, number << 2 | (__u64)kind << 1 | (t->role == INLAY_SERVER));
	*ret = s;
	return 0;
}

static struct inlay_stream *add_lent(struct inlay_streams *t, __u64 id)
{
	struct inlay_stream *s = allocate(t);

	if (!s)
		return NULL;
	add(t, s, id);
	s->send.lent = true;
	return s;
}

static __u64 id_of_ours(const struct inlay_streams *t, __u64 number)
{
	return number << 2 | INLAY_UNI << 1 | (t->role == INLAY_SERVER);
}

struct inlay_stream *inlay_streams_of_forwarder(struct inlay_streams *t, __u64 number)
{
	__u64 id = id_of_ours(t, number);
	struct inlay_stream *s = inlay_streams_seek(t, id);

	return s ? s : add_lent(t, id);
}

int inlay_streams_adopt(struct inlay_streams *t, __u64 number, struct inlay_stream **ret)
{
	struct inlay_stream *s;

	if (number >= inlay_load_u64(&t->entry->next_stream))
		return -EINVAL;
	s = inlay_streams_find(t, id_of_ours(t, number));
	if (s && (!s->send.lent || s->loan))
		return -EEXIST;
	if (!s)
		s = add_lent(t, id_of_ours(t, number));
	*ret = s;
	return s ? 0 : -ENOMEM;
}

static bool was_opened(const struct inlay_streams *t, __u64 id)
{
	if (inlay_stream_kind_of(id) == INLAY_BIDI)
		return id >> 2 < t->next_bidi;
	return id >> 2 < inlay_load_u64(&t->entry->next_stream);
}

static enum inlay_quic_error accept_new(struct inlay_streams *t, __u64 id,
					struct inlay_stream **ret, bool *ret_new)
{
	struct inlay_stream_quota *q = &t->quota[inlay_stream_kind_of(id)];
	__u64 number = id >> 2;

	if (number >= q->limit)
		return INLAY_QUIC_STREAM_LIMIT_ERROR;
	if (inlay_intervals_has(&q->used, number, number + 1))
		return INLAY_QUIC_NO_ERROR;
	if (inlay_intervals_add(&q->used, number, number + 1))
		return INLAY_QUIC_INTERNAL_ERROR;
	*ret = allocate(t);
	*ret_new = true;
	if (!*ret)
		return INLAY_QUIC_INTERNAL_ERROR;
	add(t, *ret, id);
	if ((*ret)->has_send && inlay_streams_set_source(t, *ret, NULL, NULL))
		return INLAY_QUIC_INTERNAL_ERROR;
	return INLAY_QUIC_NO_ERROR;
}

enum inlay_quic_error inlay_streams_accept(struct inlay_streams *t, __u64 id, bool to_send,
					   struct inlay_stream **ret, bool *ret_new)
{
	bool own = inlay_stream_is_own(t, id), uni = inlay_stream_kind_of(id) == INLAY_UNI;

	*ret_new = false;
	/* RFC 9000 sections 19.4, 19.5, 19.8, 19.10, 19.13: wrong direction, or not opened yet. */
	if (uni && own != to_send)
		return INLAY_QUIC_STREAM_STATE_ERROR;
	if (own && !was_opened(t, id))
		return INLAY_QUIC_STREAM_STATE_ERROR;
	*ret = inlay_streams_find(t, id);
	if (*ret || own)
		return INLAY_QUIC_NO_ERROR;
	return accept_new(t, id, ret, ret_new);
}

int inlay_streams_set_source(struct inlay_streams *t, struct inlay_stream *s,
			     const struct inlay_stream_source *source, void *ctx)
{
	if (source) {
		s->send.source = *source;
		s->send.ctx = ctx;
		return 0;
	}
	s->send.buffer = inlay_send_buffer_new(&t->send_budget);
	if (!s->send.buffer)
		return -ENOMEM;
	s->send.source = inlay_send_buffer_source;
	s->send.ctx = s->send.buffer;
	return 0;
}

void inlay_streams_owe(struct inlay_streams *t, struct inlay_stream *s, __u8 owes)
{
	if (!s->owes && owes)
		inlay_list_append(&t->owing, &s->owing);
	s->owes |= owes;
}

void inlay_streams_paid(struct inlay_stream *s, __u8 owes)
{
	s->owes &= (__u8)~owes;
	if (!s->owes)
		inlay_list_remove(&s->owing);
}

/* --- Order of sending: a binary heap, least first ------------------------------------------- */

static bool is_before(const struct inlay_stream *a, const struct inlay_stream *b)
{
	if (a->rank != b->rank)
		return a->rank < b->rank;
	if (a->priority != b->priority)
		return a->priority < b->priority;
	return a->turn < b->turn;
}

static void heap_put(struct inlay_streams *t, __u32 i, struct inlay_stream *s)
{
	t->heap[i] = s;
	s->heap_index = i + 1;
}

static void sift(struct inlay_streams *t, __u32 i)
{
	struct inlay_stream *s = t->heap[i];

	while (i > 0 && is_before(s, t->heap[(i - 1) / 2])) {
		heap_put(t, i, t->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	for (;;) {
		__u32 child = 2 * i + 1;

		if (child + 1 < t->n_heap && is_before(t->heap[child + 1], t->heap[child]))
			child++;
		if (child >= t->n_heap || !is_before(t->heap[child], s))
			break;
		heap_put(t, i, t->heap[child]);
		i = child;
	}
	heap_put(t, i, s);
}

static void heap_remove(struct inlay_streams *t, struct inlay_stream *s)
{
	__u32 i = s->heap_index - 1;
	struct inlay_stream *last = t->heap[--t->n_heap];

	s->heap_index = 0;
	if (last == s)
		return;
	heap_put(t, i, last);
	sift(t, i);
}

static void count(struct inlay_streams *t, struct inlay_stream *s, __u64 fresh, __u64 again)
{
	t->pending[s->class] += fresh - s->waits_new;
	t->pending[0] += again - s->waits_again;
	s->waits_new = fresh;
	s->waits_again = again;
}

static __u64 fresh_bytes(const struct inlay_stream_send *s)
{
	__u64 end = s->end < s->limit ? s->end : s->limit;

	return end > s->next ? end - s->next : 0;
}

void inlay_streams_set_class(struct inlay_streams *t, struct inlay_stream *s, __u8 class)
{
	t->pending[s->class] -= s->waits_new;
	s->class = class;
	t->pending[s->class] += s->waits_new;
}

void inlay_streams_update(struct inlay_streams *t, struct inlay_stream *s)
{
	bool lost = s->has_send && inlay_stream_send_has_lost(&s->send);
	bool fresh = s->has_send && inlay_stream_send_has_new(&s->send);

	count(t, s, fresh ? fresh_bytes(&s->send) : 0,
	      lost ? inlay_stream_send_lost_bytes(&s->send) : 0);
	if (!lost && !fresh) {
		if (s->heap_index)
			heap_remove(t, s);
		return;
	}
	/* What takes no credit of the connection must not wait behind what does. */
	s->rank = lost || s->send.next >= s->send.end ? 0 : 1;
	if (!s->heap_index) {
		s->turn = ++t->turn;
		heap_put(t, t->n_heap++, s);
	}
	sift(t, s->heap_index - 1);
}

void inlay_streams_rotate(struct inlay_streams *t, struct inlay_stream *s)
{
	s->turn = ++t->turn;
	inlay_streams_update(t, s);
}

/* --- The end -------------------------------------------------------------------------------- */

void inlay_streams_settle(struct inlay_streams *t, struct inlay_stream *s)
{
	if (s->is_dead || (s->has_send && !inlay_stream_send_is_done(&s->send)) ||
	    (s->has_recv && !inlay_stream_recv_is_done(&s->recv)))
		return;
	s->is_dead = true;
	inlay_list_append(&t->dead, &s->dead);
}

static void unlink_hash(struct inlay_streams *t, struct inlay_stream *s)
{
	struct inlay_stream **at = bucket_of(t, s->id);

	while (*at != s)
		at = &(*at)->hash_next;
	*at = s->hash_next;
}

/* The peer may open another one: RFC 9000 section 4.6. */
static void give_back(struct inlay_stream_quota *q)
{
	__u64 limit;

	q->closed++;
	limit = q->closed + q->window;
	if (limit > INLAY_QUIC_STREAMS_MAX)
		limit = INLAY_QUIC_STREAMS_MAX;
	if (limit > q->limit && limit - q->limit >= (q->window + 1) / 2)
		q->pending = true;
}

static void release(struct inlay_stream *s)
{
	inlay_stream_send_fini(&s->send);
	inlay_stream_recv_fini(&s->recv);
	free(s);
}

void inlay_streams_free(struct inlay_streams *t, struct inlay_stream *s)
{
	bool own = inlay_stream_is_own(t, s->id);

	count(t, s, 0, 0);
	if (s->heap_index)
		heap_remove(t, s);
	unlink_hash(t, s);
	inlay_list_remove(&s->all);
	inlay_list_remove(&s->owing);
	inlay_list_remove(&s->dead);
	inlay_list_remove(&s->lent);
	if (*recent_of(t, s->id) == s)
		*recent_of(t, s->id) = NULL;
	t->n--;
	t->n_own -= own;
	if (!own)
		give_back(&t->quota[inlay_stream_kind_of(s->id)]);
	release(s);
}

void inlay_streams_fini(struct inlay_streams *t)
{
	struct inlay_list *node, *after;

	if (!t->all.next)
		return;
	inlay_list_for_each_safe (node, after, &t->all)
		release(inlay_list_entry(node, struct inlay_stream, all));
	inlay_list_init(&t->all);
	free(t->buckets);
	free(t->heap);
	inlay_intervals_fini(&t->quota[0].used);
	inlay_intervals_fini(&t->quota[1].used);
}
