/* SPDX-License-Identifier: BSD-2-Clause */
/* The order of a track's objects: groups in a sorted list, objects in a sorted list each. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "jitter.h"
#include "list.h"

struct object {
	struct inlay_list node;
	__u64 id;
	inlay_ns arrived;
	bool datagram;
	size_t len;
	__u8 data[];
};

struct group {
	struct inlay_list node;
	__u64 id;
	__u64 next; /* object to hand on */
	struct inlay_list objects;
	unsigned int open, streams;
	bool ended;	/* nothing more will come */
	bool delivered; /* an object was handed on */
	bool datagrams;
	inlay_ns progress, first;
};

struct inlay_jitter {
	struct inlay_jitter_config config;
	struct inlay_list groups;
	bool started; /* |next| is known */
	__u64 next;   /* group to hand on */
	inlay_ns deadline;
	__u64 hold_from; /* groups from here on wait |hold| before they are begun */
	inlay_ns hold, hold_since;
	struct inlay_jitter_stats stats;
};

struct inlay_jitter *inlay_jitter_new(const struct inlay_jitter_config *config)
{
	struct inlay_jitter *j = calloc(1, sizeof(*j));

	if (!j)
		return NULL;
	j->config = *config;
	j->deadline = j->hold_from = INLAY_NEVER;
	inlay_list_init(&j->groups);
	return j;
}

static struct group *first_group(const struct inlay_jitter *j)
{
	return inlay_list_is_empty(&j->groups)
		       ? NULL
		       : inlay_list_entry(j->groups.next, struct group, node);
}

static struct object *first_object(const struct group *g)
{
	return inlay_list_is_empty(&g->objects)
		       ? NULL
		       : inlay_list_entry(g->objects.next, struct object, node);
}

static void drop_object(struct inlay_jitter *j, struct object *o)
{
	inlay_list_remove(&o->node);
	j->stats.held -= sizeof(*o) + o->len;
	free(o);
}

static void drop_group(struct inlay_jitter *j, struct group *g)
{
	struct object *o;

	while ((o = first_object(g)))
		drop_object(j, o);
	inlay_list_remove(&g->node);
	free(g);
}

void inlay_jitter_free(struct inlay_jitter *j)
{
	struct group *g;

	if (!j)
		return;
	while ((g = first_group(j)))
		drop_group(j, g);
	free(j);
}

void inlay_jitter_start(struct inlay_jitter *j, __u64 group)
{
	j->started = true;
	j->next = group;
}

void inlay_jitter_start_anywhere(struct inlay_jitter *j)
{
	j->started = false;
}

/* Found, or made if it is not yet given up. NULL: it is, or no memory. */
static struct group *group_of(struct inlay_jitter *j, __u64 id, bool make, inlay_ns now)
{
	struct inlay_list *at;
	struct group *g;

	/* The newest stand at the end, where most look-ups end. */
	for (at = j->groups.prev; at != &j->groups; at = at->prev) {
		g = inlay_list_entry(at, struct group, node);
		if (g->id == id)
			return g;
		if (g->id < id)
			break;
	}
	if (!make || (j->started && id < j->next))
		return NULL;
	g = calloc(1, sizeof(*g));
	if (!g)
		return NULL;
	g->id = id;
	g->first = g->progress = now;
	inlay_list_init(&g->objects);
	inlay_list_insert_before(at->next, &g->node);
	return g;
}

/* ---- handing on ---- */

static void hand_on(struct inlay_jitter *j, struct group *g, struct object *o)
{
	j->stats.missing_objects += o->id - g->next;
	g->next = o->id + 1;
	j->stats.groups += !g->delivered;
	g->delivered = true;
	j->stats.next_group = g->id + 1;
	j->stats.objects++;
	j->stats.bytes += o->len;
	j->config.on_object(j->config.user, g->id, o->id, o->data, o->len);
	drop_object(j, o);
}

static inlay_ns patience_of(const struct inlay_jitter *j, const struct group *g)
{
	return g->datagrams && !g->streams ? j->config.datagram_patience : j->config.patience;
}

/* Until when to wait with |o|, the first that the group holds; 0: not at all. */
static inlay_ns object_wait(const struct inlay_jitter *j, const struct group *g,
			    const struct object *o)
{
	if (o->id == g->next || g->ended)
		return 0;
	/* On the one stream of a group numbers that are left out were never used (section 11.4.2).
	 */
	if (!o->datagram && g->streams == 1)
		return 0;
	return o->arrived + patience_of(j, g);
}

/* Until when to wait for more of |g|, which holds nothing; 0: not at all. */
static inlay_ns group_wait(const struct inlay_jitter *j, const struct group *g)
{
	const struct group *later;
	inlay_ns since = g->progress;

	if (g->ended)
		return 0;
	if (g->node.next == &j->groups)
		return INLAY_NEVER;
	later = inlay_list_entry(g->node.next, struct group, node);
	return (later->first > since ? later->first : since) + patience_of(j, g);
}

/* Until when |g| must not be begun; 0: it may. */
static inlay_ns hold_of(const struct inlay_jitter *j, const struct group *g)
{
	if (g->delivered || g->id < j->hold_from)
		return 0;
	return (g->first > j->hold_since ? g->first : j->hold_since) + j->hold;
}

/* Looks for a group to start with: the first whose object 0 is there. What comes before it cannot
 * be used. True: found. */
static bool try_to_start(struct inlay_jitter *j)
{
	struct inlay_list *at, *after;
	struct object *o;

	inlay_list_for_each_safe (at, after, &j->groups) {
		struct group *g = inlay_list_entry(at, struct group, node);

		o = first_object(g);
		if (o && (o->id == 0 || o->datagram)) {
			g->next = o->id;
			inlay_jitter_start(j, g->id);
			return true;
		}
		for (; o; o = first_object(g)) {
			j->stats.late++;
			drop_object(j, o);
		}
		if (!g->open)
			drop_group(j, g);
	}
	return false;
}

/* One step. True: again. Else |*ret_wait|: until when nothing changes by itself. */
static bool step(struct inlay_jitter *j, struct group *g, inlay_ns now, bool force,
		 inlay_ns *ret_wait)
{
	struct object *o = first_object(g);

	if (g->id < j->next) { /* from before the start */
		drop_group(j, g);
		return true;
	}
	if (g->id > j->next) {
		*ret_wait = g->first + patience_of(j, g);
		if (*ret_wait > now && !force)
			return false;
		j->stats.missing_groups += g->id - j->next;
		j->next = g->id;
		return true;
	}
	*ret_wait = o ? object_wait(j, g, o) : group_wait(j, g);
	if (*ret_wait < hold_of(j, g))
		*ret_wait = hold_of(j, g);
	if (*ret_wait > now && !force)
		return false;
	if (o) {
		hand_on(j, g, o);
		return true;
	}
	j->next = g->id + 1;
	drop_group(j, g);
	return true;
}

static void pump(struct inlay_jitter *j, inlay_ns now, bool force)
{
	struct group *g;

	j->deadline = INLAY_NEVER;
	if (!j->started && !try_to_start(j))
		return;
	while ((g = first_group(j))) {
		if (!step(j, g, now, force || j->stats.held > j->config.max_bytes, &j->deadline))
			return;
		j->deadline = INLAY_NEVER;
	}
}

/* ---- changing over ---- */

bool inlay_jitter_position(const struct inlay_jitter *j, __u64 *ret_group, bool *ret_begun)
{
	const struct group *g = first_group(j);

	if (!j->started)
		return false;
	*ret_group = j->next;
	*ret_begun = g && g->id == j->next && g->delivered;
	return true;
}

void inlay_jitter_hold(struct inlay_jitter *j, __u64 group, inlay_ns time, inlay_ns now)
{
	j->hold_from = group;
	j->hold = time;
	j->hold_since = now;
	pump(j, now, false);
}

bool inlay_jitter_cut(struct inlay_jitter *j, __u64 group)
{
	struct group *g;
	__u64 at;
	bool begun;

	if (!inlay_jitter_position(j, &at, &begun) || group < at || (group == at && begun))
		return false;
	while (!inlay_list_is_empty(&j->groups)) {
		g = inlay_list_entry(j->groups.prev, struct group, node);
		if (g->id < group)
			break;
		drop_group(j, g);
	}
	return true;
}

/* ---- input ---- */

void inlay_jitter_stream_begin(struct inlay_jitter *j, __u64 group, inlay_ns now)
{
	struct group *g = group_of(j, group, true, now);

	if (!g)
		return;
	g->open++;
	g->streams++;
	g->progress = now;
	pump(j, now, false);
}

void inlay_jitter_stream_end(struct inlay_jitter *j, __u64 group, bool fin, bool end_of_group,
			     inlay_ns now)
{
	struct group *g = group_of(j, group, false, now);

	j->stats.resets += !fin;
	if (!g)
		return;
	g->open -= g->open > 0;
	g->progress = now;
	if (!g->open && (end_of_group || !fin))
		g->ended = true;
	pump(j, now, false);
}

void inlay_jitter_progress(struct inlay_jitter *j, __u64 group, inlay_ns now)
{
	struct group *g = group_of(j, group, false, now);

	if (g)
		g->progress = now;
}

static struct object *object_new(__u64 id, const __u8 *data, size_t len)
{
	struct object *o = malloc(sizeof(*o) + len);

	if (!o)
		return NULL;
	o->id = id;
	o->len = len;
	if (len)
		memcpy(o->data, data, len);
	return o;
}

/* False: it is there already, or was handed on. */
static bool insert(struct group *g, struct object *o)
{
	struct inlay_list *at;
	struct object *other;

	if (o->id < g->next)
		return false;
	for (at = g->objects.prev; at != &g->objects; at = at->prev) {
		other = inlay_list_entry(at, struct object, node);
		if (other->id == o->id)
			return false;
		if (other->id < o->id)
			break;
	}
	inlay_list_insert_before(at->next, &o->node);
	return true;
}

int inlay_jitter_object(struct inlay_jitter *j, __u64 group, __u64 object, const __u8 *data,
			size_t len, bool datagram, inlay_ns now)
{
	struct group *g = group_of(j, group, true, now);
	struct object *o;

	if (!g) {
		j->stats.late++;
		return 0;
	}
	o = object_new(object, data, len);
	if (!o)
		return -ENOMEM;
	o->arrived = now;
	o->datagram = datagram;
	g->datagrams |= datagram;
	g->progress = now;
	if (!insert(g, o)) {
		j->stats.late++;
		free(o);
		return 0;
	}
	j->stats.held += sizeof(*o) + len;
	pump(j, now, false);
	return 0;
}

inlay_ns inlay_jitter_deadline(const struct inlay_jitter *j)
{
	return j->deadline;
}

void inlay_jitter_on_timer(struct inlay_jitter *j, inlay_ns now)
{
	if (j->deadline <= now)
		pump(j, now, false);
}

void inlay_jitter_flush(struct inlay_jitter *j)
{
	struct group *g;

	pump(j, 0, true);
	while ((g = first_group(j))) /* never started */
		drop_group(j, g);
	j->started = false;
}

void inlay_jitter_stats(const struct inlay_jitter *j, struct inlay_jitter_stats *ret)
{
	*ret = j->stats;
}
