/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What tracks hold, and who has published what of them: an object is entered before a byte of it
 * leaves. Two publishers of a track make the same objects, each on streams of its own; which of
 * them the relay takes a group from is its affair, as long as that one brings it.
 */
#include <stdlib.h>
#include <string.h>

#include "sim.h"

/* --- What objects hold ----------------------------------------------------------------------- */

__u64 sim_object_seed(const struct sim_track *t, __u64 group, __u64 id)
{
	__u64 h = (((__u64)t->index + 1) * 1000003 + group) * 1000003 + id + 1;

	h ^= h >> 29;
	h *= 0xbf58476d1ce4e5b9ULL;
	return h ^ h >> 32;
}

__u32 sim_object_len(const struct sim_track *t, __u64 group, __u64 id)
{
	__u32 most = id == 0 ? t->max_key : t->max_delta;
	__u64 h = sim_object_seed(t, group, id);

	if (t->datagrams)
		return (__u32)(1 + h % 900);
	return h % 16 == 0 ? 0 : (__u32)(h % most);
}

__u8 sim_object_byte(__u64 seed, __u64 at)
{
	return (__u8)((seed + at) * 0x9e3779b97f4a7c15ULL >> 56);
}

/* Pairs of types that nobody knows; now and then a long one, within what is allowed. */
size_t sim_object_properties(const struct sim_track *t, __u64 group, __u64 id, __u8 *dst,
			     size_t room)
{
	static const __u8 bytes[300];
	struct inlay_writer w = inlay_writer_of(dst, room);
	__u64 h = sim_object_seed(t, group, id) >> 7, prev = 0;
	struct inlay_moq_kv even = {.type = 0x100, .value = h >> 20};
	struct inlay_moq_kv odd = {.type = 0x201, .bytes = {bytes, h >> 9 & 15}};

	if (!t->has_properties || h % 4 == 0)
		return 0;
	if (h % 32 == 1)
		odd.bytes.len = sizeof(bytes);
	if (h % 4 != 3 && !inlay_moq18_kv_put(&w, &prev, &even))
		abort();
	if (h % 4 != 2 && !inlay_moq18_kv_put(&w, &prev, &odd))
		abort();
	return inlay_writer_len(&w);
}

void sim_object_fill(const struct sim_track *t, __u64 group, __u64 id, __u8 *dst, size_t len)
{
	__u64 seed = sim_object_seed(t, group, id);

	for (size_t i = 0; i < len; i++)
		dst[i] = sim_object_byte(seed, i);
}

/* --- Who has published it -------------------------------------------------------------------- */

struct sim_source *sim_track_source(struct sim_track *t, const struct sim_client *c)
{
	for (__u32 i = 0; i < t->n_sources; i++)
		if (t->sources[i].client == c)
			return &t->sources[i];
	return NULL;
}

struct sim_stream *sim_stream_new(struct sim_source *src, __u64 subgroup)
{
	struct sim_stream *st = calloc(1, sizeof(*st));

	if (!st)
		abort();
	st->source = src;
	st->life = src->client->life;
	st->service = src->n_services;
	st->served_at = src->served_at;
	st->group = src->group;
	st->subgroup = subgroup;
	st->next = src->track->streams;
	src->track->streams = st;
	return st;
}

void sim_stream_free(struct sim_stream *st)
{
	struct sim_stream **place = &st->source->track->streams;

	while (*place != st)
		place = &(*place)->next;
	*place = st->next;
	free(st);
}

/* Where it is in |by_location|, or would be. */
static __u32 rank(const struct sim_track *t, __u64 group, __u64 id)
{
	__u32 low = 0, high = t->n_objects;

	while (low < high) {
		__u32 at = low + (high - low) / 2;
		const struct sim_object *o = &t->objects[t->by_location[at]];

		if (o->group < group || (o->group == group && o->id < id))
			low = at + 1;
		else
			high = at;
	}
	return low;
}

__u32 sim_object_find(const struct sim_track *t, __u64 group, __u64 id)
{
	__u32 at = rank(t, group, id);
	const struct sim_object *o = at < t->n_objects ? &t->objects[t->by_location[at]] : NULL;

	return o && o->group == group && o->id == id ? t->by_location[at] : t->n_objects;
}

static struct sim_object *enter(struct sim_track *t, __u64 group, __u64 id)
{
	__u32 at = rank(t, group, id);
	struct sim_object *o;

	if (t->n_objects == t->room) {
		t->room = t->room ? 2 * t->room : 128;
		t->objects = realloc(t->objects, t->room * sizeof(*t->objects));
		t->by_location = realloc(t->by_location, t->room * sizeof(*t->by_location));
		if (!t->objects || !t->by_location)
			abort();
	}
	memmove(&t->by_location[at + 1], &t->by_location[at],
		(t->n_objects - at) * sizeof(*t->by_location));
	t->by_location[at] = t->n_objects;
	o = &t->objects[t->n_objects++];
	*o = (struct sim_object){.group = group, .id = id, .len = sim_object_len(t, group, id)};
	return o;
}

void sim_source_publish(struct sim_source *src, struct sim_stream *st)
{
	struct sim_track *t = src->track;
	struct sim *s = src->client->sim;
	__u32 place = st ? st->n_objects++ : 0, index;
	struct sim_object *o;

	s->published++;
	src->any = true;
	src->largest = (struct inlay_moq_location){src->group, src->object};
	if (s->plan.forgetful)
		return;
	index = sim_object_find(t, src->group, src->object);
	if (index < t->n_objects) {
		o = &t->objects[index];
		s->shared++;
	} else {
		o = enter(t, src->group, src->object);
		o->at = s->now;
	}
	o->datagram = !st;
	o->subgroup = st ? st->subgroup : 0;
	o->copies[src - t->sources] = (struct sim_copy){.stream = st, .place = place, .at = s->now};
}

void sim_track_fini(struct sim_track *t)
{
	struct sim_stream *st;

	while ((st = t->streams)) {
		t->streams = st->next;
		free(st);
	}
	free(t->objects);
	free(t->by_location);
}

/* --- Who has not ----------------------------------------------------------------------------- */

/* The publisher's stream came to a bad end: whoever read it was reset, or never began. */
static bool is_cut(const struct sim_stream *st)
{
	return st->refused || st->state == SIM_STREAM_RESET || st->state == SIM_STREAM_STOPPED ||
	       st->state == SIM_STREAM_CUT;
}

/* Of two publishers' streams one is a duplicate, which the relay stops; that excuses nothing. */
static bool is_given_up(const struct sim_stream *st)
{
	const struct sim_source *src = st->source;

	if (st->state == SIM_STREAM_STOPPED && !st->refused)
		return !src->serving || st->service != src->n_services;
	return is_cut(st) && (!src->client->sim->plan.ample || st->life->ended);
}

/* How long SUBSCRIBE_OK is under way at most, and what was published before it. */
#define ANSWER (2 * INLAY_S)

/* To whoever comes later all is old that the other one had published by then. */
static bool is_old(const struct sim_track *t, const struct sim_stream *st)
{
	size_t other = st->source == &t->sources[0];

	for (__u32 i = 0; i < t->n_objects; i++) {
		const struct sim_object *o = &t->objects[i];

		if (o->copies[other].stream && o->group >= st->group &&
		    o->copies[other].at <= st->served_at + ANSWER)
			return true;
	}
	return false;
}

/* Has |src| anything of the group? |ret|: the subgroup's stream. */
static bool has_group(const struct sim_source *src, const struct sim_object *o,
		      const struct sim_stream **ret)
{
	const struct sim_stream *st;
	bool any = false;

	*ret = NULL;
	for (st = src->track->streams; st; st = st->next) {
		if (st->source != src || st->group != o->group)
			continue;
		any = true;
		if (st->subgroup == o->subgroup)
			*ret = st;
	}
	return any;
}

bool sim_object_lost(const struct sim_track *t, const struct sim_object *o)
{
	const struct sim_stream *st = o->copies[0].stream;
	bool owed = false;

	if (t->n_sources == 1)
		return is_cut(st) && (!t->sources[0].client->sim->plan.ample || st->life->ended);
	for (__u32 i = 0; i < t->n_sources; i++) {
		if (!has_group(&t->sources[i], o, &st))
			continue;
		if (!st || is_given_up(st) || o->copies[i].stream != st)
			return true;
		owed |= !is_old(t, st);
	}
	return !owed;
}

bool sim_object_is_cut(const struct sim_track *t, const struct sim_object *o)
{
	return t->n_sources == 1 && is_cut(o->copies[0].stream);
}
