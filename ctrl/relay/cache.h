/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a relay remembers of its tracks: the verbatim bytes of each upstream subgroup stream behind
 * its header, with an index of the objects in them. All subscribers of a track read the same bytes.
 *
 * Invariants:
 *  - Only bytes whose framing was checked are in here.
 *  - Bytes, index and bookkeeping are charged against the bounds of track and relay; what goes over
 *    them evicts the oldest groups, and at last the front of the stream that is being received.
 *  - Eviction waits for nobody: who reads evicted bytes gets -ENODATA. A reader holds a reference
 * to the stream's record, not to its bytes.
 */
#ifndef INLAY_RELAY_CACHE_H
#define INLAY_RELAY_CACHE_H

#include "inlay_moq.h"
#include "list.h"
#include "map.h"

#define INLAY_CACHE_CHUNK 4096

struct inlay_cache_config {
	size_t max_bytes;	/* over all tracks */
	size_t max_track_bytes; /* of one track */
	__u32 max_track_groups; /* of one track */
};

/* One relay's cache. */
struct inlay_cache {
	struct inlay_cache_config config;
	struct inlay_list tracks; /* inlay_track_cache.node */
	size_t bytes;
	__u64 groups_evicted;
	__u64 bytes_evicted;
};

struct inlay_cache_group;
struct inlay_cache_stream;

struct inlay_track_cache {
	struct inlay_cache *cache;
	struct inlay_list node;
	struct inlay_list groups; /* inlay_cache_group.node, in order of arrival */
	struct inlay_map by_id;	  /* group ID to inlay_cache_group */
	__u32 group_count;
	size_t bytes;
	/* |s| is evicted, and its record is still as it was; then, with NULL, |g|, of which nothing
	 * else is left. Not by inlay_track_cache_drop(). May be NULL. */
	void (*on_evict)(struct inlay_cache_group *g, const struct inlay_cache_stream *s);
};

struct inlay_cache_group {
	struct inlay_track_cache *track;
	struct inlay_list node;
	struct inlay_list streams; /* inlay_cache_stream.node, in order of arrival */
	__u64 id;
	void *owner;	     /* who fills it: the first publisher that sent of it, while it lives */
	bool inherited;	     /* from an owner that has gone */
	inlay_ns held_since; /* the relay's: see held.c */
	bool ends_track;     /* the final object is the track's: of one that is held */
	inlay_ns last_time;  /* of the last byte that arrived */
	bool has_final;	     /* the last object's ID is known: */
	__u64 final_object;
	bool has_largest;
	__u64 largest_object; /* that arrived in this group */
};

enum inlay_cache_end {
	INLAY_CACHE_OPEN = 0,
	INLAY_CACHE_FIN,
	INLAY_CACHE_RESET,
};

struct inlay_cache_object {
	__u64 id;
	__u64 offset;  /* of its header in the stream, the subgroup header not counted */
	__u64 length;  /* header and payload */
	inlay_ns time; /* when its header was complete */
	__u32 header_length;
	__u8 delta_length; /* bytes of the object ID delta that opens the header */
};

struct inlay_cache_stream {
	struct inlay_cache_group *group; /* NULL: evicted */
	struct inlay_list node;
	__u32 references;
	enum inlay_cache_end end;
	__u64 end_code; /* of a reset */
	inlay_ns end_time;
	struct inlay_moq_subgroup header; /* as it came; the alias is the publisher's */
	struct inlay_list readers;	  /* the relay's, of every state */

	__u64 begin; /* bytes below are evicted; a multiple of the chunk size */
	__u64 size;  /* bytes that arrived */
	__u8 **chunks;
	size_t chunk_count, chunk_room;
	size_t last_room; /* bytes allocated for the last chunk */

	struct inlay_cache_object *objects; /* those that begin at or behind |begin| */
	size_t object_count, object_room;
	__u64 objects_dropped; /* index entries evicted before objects[0] */
	__u64 last_object;
	size_t bytes; /* charged */
};

void inlay_cache_init(struct inlay_cache *c, const struct inlay_cache_config *config);
/* Every track cache is gone by then. */
void inlay_cache_fini(struct inlay_cache *c);

void inlay_track_cache_init(struct inlay_track_cache *t, struct inlay_cache *c);
void inlay_track_cache_fini(struct inlay_track_cache *t);
/* NULL: not held. */
struct inlay_cache_group *inlay_track_cache_find(const struct inlay_track_cache *t, __u64 group);
/* A stream that begins with |header|, with one reference for the caller beside the cache's own.
 * NULL: no memory. */
struct inlay_cache_stream *inlay_track_cache_open(struct inlay_track_cache *t,
						  const struct inlay_moq_subgroup *header,
						  inlay_ns now);
/* Takes |g| over from another track's part of the same cache; |t| does not hold its ID.
 * 0; -ENOMEM. */
int inlay_track_cache_move(struct inlay_track_cache *t, struct inlay_cache_group *g);
/* Gives |g| up: nobody misses it. */
void inlay_track_cache_drop(struct inlay_cache_group *g);
/* Evicts groups that got nothing since |before|. */
void inlay_track_cache_expire(struct inlay_track_cache *t, inlay_ns before);
/* Evicts everything. */
void inlay_track_cache_clear(struct inlay_track_cache *t);

/* |object| begins at the stream's end: its offset and time are filled in here.
 * 0; -ENOMEM; -ENODATA: the stream is evicted. */
int inlay_cache_stream_begin_object(struct inlay_cache_stream *s,
				    const struct inlay_cache_object *object, inlay_ns now);
/* 0; -ENOMEM (nothing was added); -ENODATA: evicted. */
int inlay_cache_stream_append(struct inlay_cache_stream *s, const __u8 *data, size_t len,
			      inlay_ns now);
/* No more bytes follow. */
void inlay_cache_stream_end(struct inlay_cache_stream *s, enum inlay_cache_end end, __u64 code,
			    inlay_ns now);
/* 0; -ENODATA: (partly) evicted, or beyond the end. */
int inlay_cache_stream_read(const struct inlay_cache_stream *s, __u64 offset, __u8 *dst,
			    size_t len);
/* The ID of the last object that began; false: none did. */
bool inlay_cache_stream_last_object(const struct inlay_cache_stream *s, __u64 *ret_id);
/* The object |id|; NULL: not in the index. */
const struct inlay_cache_object *inlay_cache_stream_object(const struct inlay_cache_stream *s,
							   __u64 id);
/* The object that holds byte |offset|, or begins there; NULL: not in the index. */
const struct inlay_cache_object *inlay_cache_stream_object_at(const struct inlay_cache_stream *s,
							      __u64 offset);
struct inlay_cache_stream *inlay_cache_stream_get(struct inlay_cache_stream *s);
void inlay_cache_stream_put(struct inlay_cache_stream *s);

#endif
