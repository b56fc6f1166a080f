/* SPDX-License-Identifier: BSD-2-Clause */
#include "relay_match.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_AHEAD                                                                                 \
	2 /* objects: near ones differ by more than these bounds. Farther ones, up to              \
	   */
#define FAR_AHEAD RELAY_TAGS /* so many, are believed if the two stamps behind fit as well */
/* Bytes around an object: short header, STREAM frame, headers of subgroup and object, a small frame
 * beside it. */
#define LEAST_AROUND 42
#define MOST_AROUND  80
#define NOT_FOUND    (~0U)

/* One direction of one peer: indices of its stamps, by time. */
struct flow {
	__u32 ip;
	__u16 port;
	bool out;
	__u32 *at;
	size_t n;
	__u32 *of; /* by object: its stamp's index, or NOT_FOUND */
};

struct work {
	const struct relay_stamp *stamps;
	const struct relay_match_config *config;
	struct flow *flows; /* the publisher's first */
	size_t n_flows, room;
	size_t missing, strays;
};

static int add_sample(struct relay_samples *s, float us)
{
	if (s->n == s->room) {
		size_t room = s->room ? 2 * s->room : 4096;
		float *more = realloc(s->us, room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		s->us = more;
		s->room = room;
	}
	s->us[s->n++] = us;
	return 0;
}

/* --- Flows ------------------------------------------------------------------------------------ */

static struct flow *find_flow(struct work *w, const struct relay_stamp *s)
{
	for (size_t i = 0; i < w->n_flows; i++) {
		struct flow *f = &w->flows[i];

		if (f->out == s->out && f->ip == s->ip && f->port == s->port)
			return f;
	}
	return NULL;
}

static int sort_out(struct work *w, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct relay_stamp *s = &w->stamps[i];
		struct flow *f = find_flow(w, s);

		/* A copy of what was published before. */
		if (s->out && !w->n_flows) {
			w->strays++;
			continue;
		}
		if (!f) {
			if (w->n_flows == w->room || s->out != (w->n_flows > 0))
				return -EINVAL;
			f = &w->flows[w->n_flows++];
			*f = (struct flow){.ip = s->ip, .port = s->port, .out = s->out};
			f->at = calloc(n, sizeof(*f->at));
			f->of = calloc(w->config->objects, sizeof(*f->of));
			if (!f->at || !f->of)
				return -ENOMEM;
		}
		f->at[f->n++] = (__u32)i;
	}
	return w->n_flows == w->room ? 0 : -EINVAL;
}

static size_t object_bytes(const struct work *w, __u64 object)
{
	return relay_pattern_bytes(w->config->pattern, object);
}

/* The size is the object's, and a copy did not leave before the original came. */
static bool fits(const struct work *w, const struct flow *f, const struct relay_stamp *s,
		 __u64 object)
{
	size_t bytes = object < w->config->objects ? object_bytes(w, object) : ~0UL / 2;
	__u32 original = f->out && object < w->config->objects ? w->flows[0].of[object] : NOT_FOUND;

	return s->len >= bytes + LEAST_AROUND && s->len <= bytes + MOST_AROUND &&
	       (original == NOT_FOUND || w->stamps[original].time <= s->time);
}

/* How many objects are missing before the one that stamp |i| is of; FAR_AHEAD: it is a stray. */
static __u64 find_ahead(const struct work *w, const struct flow *f, size_t i, __u64 object)
{
	for (__u64 ahead = 0; ahead < FAR_AHEAD; ahead++) {
		size_t behind = ahead <= LOOK_AHEAD ? 0 : 2, k;

		for (k = 0; k <= behind; k++)
			if (i + k >= f->n ||
			    !fits(w, f, &w->stamps[f->at[i + k]], object + ahead + k))
				break;
		if (k > behind)
			return ahead;
	}
	return FAR_AHEAD;
}

static void align(struct work *w, struct flow *f)
{
	__u64 object = 0, ahead;

	memset(f->of, 0xff, w->config->objects * sizeof(*f->of));
	for (size_t i = 0; i < f->n; i++) {
		ahead = find_ahead(w, f, i, object);
		if (ahead == FAR_AHEAD) {
			w->strays++;
			continue;
		}
		w->missing += ahead;
		object += ahead;
		f->of[object++] = f->at[i];
	}
	w->missing += w->config->objects - object;
}

/* --- Delays ----------------------------------------------------------------------------------- */

/* The copies of one object. */
static int take_object(struct work *w, __u64 object, struct relay_matched *m)
{
	__u32 original = w->flows[0].of[object];
	float first = 0, last = 0;
	size_t n = 0;
	int ret = 0;

	for (size_t i = 1; i < w->n_flows && original != NOT_FOUND; i++) {
		__u32 copy = w->flows[i].of[object];
		float us;

		if (copy == NOT_FOUND)
			continue;
		us = (float)(w->stamps[copy].time - w->stamps[original].time) / (float)INLAY_US;
		first = !n || us < first ? us : first;
		last = us > last ? us : last;
		m->merged += w->stamps[copy].merged > 1;
		n++;
		ret = ret ? ret : add_sample(&m->all, us);
	}
	m->copies += n;
	m->objects += n > 0;
	if (ret || n < w->config->subscribers)
		return ret;
	ret = add_sample(&m->first, first);
	return ret ? ret : add_sample(&m->last, last);
}

int relay_match(const struct relay_stamp *stamps, size_t n, const struct relay_match_config *config,
		struct relay_matched *m)
{
	struct work w = {.stamps = stamps, .config = config, .room = 1 + config->subscribers};
	int ret;

	w.flows = calloc(w.room, sizeof(*w.flows));
	ret = w.flows ? sort_out(&w, n) : -ENOMEM;
	for (size_t i = 0; i < w.n_flows && !ret; i++)
		align(&w, &w.flows[i]);
	for (__u64 i = 0; i < config->objects && !ret; i++)
		ret = take_object(&w, i, m);
	m->missing += w.missing;
	m->strays += w.strays;
	for (size_t i = 0; i < w.n_flows; i++) {
		free(w.flows[i].at);
		free(w.flows[i].of);
	}
	free(w.flows);
	return ret;
}

void relay_matched_free(struct relay_matched *m)
{
	free(m->all.us);
	free(m->first.us);
	free(m->last.us);
	*m = (struct relay_matched){0};
}

static bool is_whole(const struct relay_stamp *stamps, size_t n, const struct relay_match_config *c)
{
	struct relay_matched m = {0};
	bool whole = !relay_match(stamps, n, c, &m) && !m.missing && !m.strays;

	relay_matched_free(&m);
	return whole;
}

bool relay_match_would_notice(const struct relay_stamp *stamps, size_t n,
			      const struct relay_match_config *config)
{
	struct relay_stamp *fewer = calloc(n, sizeof(*fewer)), *other;
	size_t middle = n / 2;
	bool noticed;

	if (!fewer || n < 2) {
		free(fewer);
		return false;
	}
	memcpy(fewer, stamps, n * sizeof(*fewer));
	other = &fewer[middle];
	other->len += MOST_AROUND - LEAST_AROUND + 1;
	noticed = !is_whole(fewer, n, config);
	memmove(fewer + middle, stamps + middle + 1, (n - middle - 1) * sizeof(*fewer));
	noticed = noticed && !is_whole(fewer, n - 1, config);
	free(fewer);
	return noticed;
}
