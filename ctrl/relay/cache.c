/* SPDX-License-Identifier: BSD-2-Clause */
/* See cache.h. */
#include "cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM 512 /* small streams (an audio frame each) need no whole chunk */

void inlay_cache_init(struct inlay_cache *c, const struct inlay_cache_config *config)
{
	*c = (struct inlay_cache){.config = *config};
	inlay_list_init(&c->tracks);
}

void inlay_cache_fini(struct inlay_cache *c)
{
	inlay_list_remove(&c->tracks);
}

static void charge(struct inlay_cache_stream *s, size_t bytes)
{
	s->bytes += bytes;
	s->group->track->bytes += bytes;
	s->group->track->cache->bytes += bytes;
}

static void discharge(struct inlay_cache_stream *s, size_t bytes)
{
	s->bytes -= bytes;
	s->group->track->bytes -= bytes;
	s->group->track->cache->bytes -= bytes;
}

struct inlay_cache_stream *inlay_cache_stream_get(struct inlay_cache_stream *s)
{
	s->references++;
	return s;
}

void inlay_cache_stream_put(struct inlay_cache_stream *s)
{
	if (--s->references > 0)
		return;
	for (size_t i = 0; i < s->chunk_count; i++)
		free(s->chunks[i]);
	free(s->chunks);
	free(s->objects);
	free(s);
}

/* Gives up a stream's bytes; its record lives on while somebody reads it. */
static void evict_stream(struct inlay_cache_stream *s)
{
	struct inlay_track_cache *t = s->group->track;
	struct inlay_cache *c = t->cache;

	if (t->on_evict != NULL)
		t->on_evict(s->group, s);
	c->bytes_evicted += s->size - s->begin;
	for (size_t i = 0; i < s->chunk_count; i++)
		free(s->chunks[i]);
	free(s->chunks);
	free(s->objects);
	s->chunks = NULL;
	s->objects = NULL;
	s->objects_dropped += s->object_count;
	s->chunk_count = s->chunk_room = s->object_count = s->object_room = 0;
	s->last_room = 0;
	s->begin = s->size;
	discharge(s, s->bytes);
	inlay_list_remove(&s->node);
	s->group = NULL;
	inlay_cache_stream_put(s);
}

static void evict_group(struct inlay_cache_group *g)
{
	struct inlay_track_cache *t = g->track;
	struct inlay_list *node, *after;

	inlay_list_for_each_safe (node, after, &g->streams)
		evict_stream(inlay_list_entry(node, struct inlay_cache_stream, node));
	if (t->on_evict != NULL)
		t->on_evict(g, NULL);
	inlay_list_remove(&g->node);
	inlay_map_remove(&t->by_id, g->id);
	t->group_count--;
	t->bytes -= sizeof(*g);
	t->cache->bytes -= sizeof(*g);
	t->cache->groups_evicted++;
	free(g);
}

/* Index entries of objects that begin before |s->begin| are of no use any more. */
static void drop_front_objects(struct inlay_cache_stream *s)
{
	size_t n = 0;

	while (n < s->object_count && s->objects[n].offset < s->begin)
		n++;
	memmove(s->objects, s->objects + n, (s->object_count - n) * sizeof(*s->objects));
	s->object_count -= n;
	s->objects_dropped += n;
}

/* Frees the oldest chunks of a stream that alone fills the cache, a quarter at a time. */
static bool drop_front(struct inlay_cache_stream *s)
{
	size_t n = (s->chunk_count + 3) / 4;

	if (s->chunk_count < 2)
		return false;
	for (size_t i = 0; i < n; i++)
		free(s->chunks[i]);
	memmove(s->chunks, s->chunks + n, (s->chunk_count - n) * sizeof(*s->chunks));
	s->chunk_count -= n;
	s->begin += n * INLAY_CACHE_CHUNK;
	discharge(s, n * INLAY_CACHE_CHUNK);
	s->group->track->cache->bytes_evicted += n * INLAY_CACHE_CHUNK;
	drop_front_objects(s);
	return true;
}

/* Frees something old of |t|, sparing the end of |keep| (may be NULL). False: nothing to free. */
static bool evict_some(struct inlay_track_cache *t, struct inlay_cache_stream *keep)
{
	struct inlay_cache_group *g;
	struct inlay_cache_stream *s;

	if (inlay_list_is_empty(&t->groups))
		return false;
	g = inlay_list_entry(t->groups.next, struct inlay_cache_group, node);
	if (keep == NULL || g != keep->group) {
		evict_group(g);
		return true;
	}
	s = inlay_list_entry(g->streams.next, struct inlay_cache_stream, node);
	if (s != keep) {
		evict_stream(s);
		return true;
	}
	if (drop_front(keep))
		return true;
	if (s->node.next == &g->streams)
		return false;
	evict_stream(inlay_list_entry(s->node.next, struct inlay_cache_stream, node));
	return true;
}

/* The one that takes most gives first: a small track (a catalogue, say) is not pushed out by age.
 */
static struct inlay_track_cache *largest_track(struct inlay_cache *c)
{
	struct inlay_track_cache *best = NULL;
	struct inlay_list *node;

	inlay_list_for_each (node, &c->tracks) {
		struct inlay_track_cache *t =
			inlay_list_entry(node, struct inlay_track_cache, node);

		if (best == NULL || t->bytes > best->bytes)
			best = t;
	}
	return best;
}

static void keep_within_bounds(struct inlay_cache_stream *s)
{
	struct inlay_track_cache *t = s->group->track;
	struct inlay_cache *c = t->cache;

	while (t->bytes > c->config.max_track_bytes || t->group_count > c->config.max_track_groups)
		if (!evict_some(t, s))
			break;
	while (c->bytes > c->config.max_bytes) {
		struct inlay_track_cache *victim = largest_track(c);

		if (!evict_some(victim, victim == t ? s : NULL))
			break;
	}
}

void inlay_track_cache_init(struct inlay_track_cache *t, struct inlay_cache *c)
{
	*t = (struct inlay_track_cache){.cache = c};
	inlay_list_init(&t->groups);
	inlay_list_append(&c->tracks, &t->node);
}

void inlay_track_cache_clear(struct inlay_track_cache *t)
{
	while (evict_some(t, NULL))
		;
}

void inlay_track_cache_fini(struct inlay_track_cache *t)
{
	inlay_track_cache_clear(t);
	inlay_map_fini(&t->by_id);
	inlay_list_remove(&t->node);
}

struct inlay_cache_group *inlay_track_cache_find(const struct inlay_track_cache *t, __u64 group)
{
	return inlay_map_get(&t->by_id, group);
}

static struct inlay_cache_group *find_or_make_group(struct inlay_track_cache *t, __u64 id)
{
	struct inlay_cache_group *g = inlay_track_cache_find(t, id);

	if (g != NULL)
		return g;
	g = calloc(1, sizeof(*g));
	if (g == NULL)
		return NULL;
	if (inlay_map_set(&t->by_id, id, g) < 0) {
		free(g);
		return NULL;
	}
	g->track = t;
	g->id = id;
	inlay_list_init(&g->streams);
	inlay_list_append(&t->groups, &g->node);
	t->group_count++;
	t->bytes += sizeof(*g);
	t->cache->bytes += sizeof(*g);
	return g;
}

struct inlay_cache_stream *inlay_track_cache_open(struct inlay_track_cache *t,
						  const struct inlay_moq_subgroup *header,
						  inlay_ns now)
{
	struct inlay_cache_stream *s = calloc(1, sizeof(*s));
	struct inlay_cache_group *g;

	if (s == NULL)
		return NULL;
	g = find_or_make_group(t, header->group);
	if (g == NULL) {
		free(s);
		return NULL;
	}
	s->group = g;
	s->header = *header;
	s->references = 2;
	inlay_list_init(&s->readers);
	inlay_list_append(&g->streams, &s->node);
	g->last_time = now;
	charge(s, sizeof(*s));
	keep_within_bounds(s);
	return s;
}

int inlay_track_cache_move(struct inlay_track_cache *t, struct inlay_cache_group *g)
{
	struct inlay_track_cache *from = g->track;
	struct inlay_list *node;
	size_t bytes = sizeof(*g);

	if (inlay_map_set(&t->by_id, g->id, g) < 0)
		return -ENOMEM;
	inlay_map_remove(&from->by_id, g->id);
	inlay_list_for_each (node, &g->streams)
		bytes += inlay_list_entry(node, struct inlay_cache_stream, node)->bytes;
	while (t->bytes + bytes > t->cache->config.max_track_bytes ||
	       t->group_count >= t->cache->config.max_track_groups)
		if (!evict_some(t, NULL))
			break;
	from->group_count--;
	from->bytes -= bytes;
	t->group_count++;
	t->bytes += bytes;
	g->track = t;
	inlay_list_remove(&g->node);
	inlay_list_append(&t->groups, &g->node);
	return 0;
}

void inlay_track_cache_drop(struct inlay_cache_group *g)
{
	struct inlay_track_cache *t = g->track;
	struct inlay_cache *c = t->cache;
	__u64 groups = c->groups_evicted, bytes = c->bytes_evicted;
	void (*on_evict)(struct inlay_cache_group * g, const struct inlay_cache_stream *s) =
		t->on_evict;

	t->on_evict = NULL;
	evict_group(g);
	t->on_evict = on_evict;
	c->groups_evicted = groups;
	c->bytes_evicted = bytes;
}

void inlay_track_cache_expire(struct inlay_track_cache *t, inlay_ns before)
{
	struct inlay_list *node, *after;

	inlay_list_for_each_safe (node, after, &t->groups) {
		struct inlay_cache_group *g =
			inlay_list_entry(node, struct inlay_cache_group, node);

		if (g->last_time < before)
			evict_group(g);
	}
}

int inlay_cache_stream_begin_object(struct inlay_cache_stream *s,
				    const struct inlay_cache_object *object, inlay_ns now)
{
	struct inlay_cache_object o = *object;

	o.offset = s->size;
	o.time = now;
	if (s->group == NULL)
		return -ENODATA;
	if (s->object_count == s->object_room) {
		size_t room = s->object_room == 0 ? 4 : s->object_room * 2;
		void *bigger = realloc(s->objects, room * sizeof(*s->objects));

		if (bigger == NULL)
			return -ENOMEM;
		s->objects = bigger;
		charge(s, (room - s->object_room) * sizeof(*s->objects));
		s->object_room = room;
	}
	s->objects[s->object_count++] = o;
	s->last_object = o.id;
	keep_within_bounds(s);
	return 0;
}

static int set_last_room(struct inlay_cache_stream *s, size_t room)
{
	__u8 *bigger = realloc(s->chunks[s->chunk_count - 1], room);

	if (bigger == NULL)
		return -ENOMEM;
	s->chunks[s->chunk_count - 1] = bigger;
	if (room > s->last_room)
		charge(s, room - s->last_room);
	else
		discharge(s, s->last_room - room);
	s->last_room = room;
	return 0;
}

static int add_chunk(struct inlay_cache_stream *s)
{
	size_t room = s->begin == 0 && s->chunk_count == 0 ? FIRST_ROOM : INLAY_CACHE_CHUNK;
	__u8 *chunk;

	if (s->chunk_count == s->chunk_room) {
		size_t slots = s->chunk_room == 0 ? 4 : s->chunk_room * 2;
		void *bigger = realloc(s->chunks, slots * sizeof(*s->chunks));

		if (bigger == NULL)
			return -ENOMEM;
		s->chunks = bigger;
		charge(s, (slots - s->chunk_room) * sizeof(*s->chunks));
		s->chunk_room = slots;
	}
	chunk = malloc(room);
	if (chunk == NULL)
		return -ENOMEM;
	s->chunks[s->chunk_count++] = chunk;
	s->last_room = room;
	charge(s, room);
	return 0;
}

/* Room behind |s->size|, as much as |len| asks for or less. 0: no memory. */
static size_t make_room(struct inlay_cache_stream *s, size_t len)
{
	size_t used = (size_t)(s->size % INLAY_CACHE_CHUNK);

	if (s->begin + s->chunk_count * INLAY_CACHE_CHUNK == s->size) {
		if (add_chunk(s) < 0)
			return 0;
		used = 0;
	}
	while (s->last_room < INLAY_CACHE_CHUNK && s->last_room - used < len) {
		size_t room = s->last_room * 2;

		if (set_last_room(s, room < INLAY_CACHE_CHUNK ? room : INLAY_CACHE_CHUNK) < 0)
			break;
	}
	return len < s->last_room - used ? len : s->last_room - used;
}

int inlay_cache_stream_append(struct inlay_cache_stream *s, const __u8 *data, size_t len,
			      inlay_ns now)
{
	if (s->group == NULL)
		return -ENODATA;
	s->group->last_time = now;
	while (len > 0) {
		size_t n = make_room(s, len);

		if (n == 0)
			return -ENOMEM;
		memcpy(s->chunks[s->chunk_count - 1] + s->size % INLAY_CACHE_CHUNK, data, n);
		s->size += n;
		data += n;
		len -= n;
		keep_within_bounds(s);
	}
	return 0;
}

void inlay_cache_stream_end(struct inlay_cache_stream *s, enum inlay_cache_end end, __u64 code,
			    inlay_ns now)
{
	size_t used = (size_t)(s->size % INLAY_CACHE_CHUNK);

	s->end = end;
	s->end_code = code;
	s->end_time = now;
	/* It grows no more. A failure to shrink costs nothing but the memory. */
	if (s->group != NULL && s->chunk_count > 0 && used > 0 && used < s->last_room)
		(void)set_last_room(s, used);
}

int inlay_cache_stream_read(const struct inlay_cache_stream *s, __u64 offset, __u8 *dst, size_t len)
{
	if (s->group == NULL || offset < s->begin || offset > s->size || len > s->size - offset)
		return -ENODATA;
	while (len > 0) {
		size_t index = (size_t)((offset - s->begin) / INLAY_CACHE_CHUNK);
		size_t at = (size_t)(offset % INLAY_CACHE_CHUNK);
		size_t n = INLAY_CACHE_CHUNK - at;

		if (n > len)
			n = len;
		memcpy(dst, s->chunks[index] + at, n);
		dst += n;
		offset += n;
		len -= n;
	}
	return 0;
}

bool inlay_cache_stream_last_object(const struct inlay_cache_stream *s, __u64 *ret_id)
{
	if (s->objects_dropped + s->object_count == 0)
		return false;
	*ret_id = s->last_object;
	return true;
}

const struct inlay_cache_object *inlay_cache_stream_object(const struct inlay_cache_stream *s,
							   __u64 id)
{
	size_t low = 0, high = s->object_count;

	/* IDs rise (section 11.4.2). */
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (s->objects[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low < s->object_count && s->objects[low].id == id ? &s->objects[low] : NULL;
}

const struct inlay_cache_object *inlay_cache_stream_object_at(const struct inlay_cache_stream *s,
							      __u64 offset)
{
	size_t low = 0, high = s->object_count;

	/* The last one that begins at or before |offset|. */
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (s->objects[middle].offset <= offset)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0 || offset - s->objects[low - 1].offset >= s->objects[low - 1].length)
		return NULL;
	return &s->objects[low - 1];
}
