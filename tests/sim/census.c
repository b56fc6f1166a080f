/* SPDX-License-Identifier: BSD-2-Clause */
/* What came of every object, for every subscription: to hold two runs of a seed against another. */
#include <stdlib.h>

#include "sim.h"

static void add(struct sim_census *c, const struct sim_fate *fate)
{
	if (c->n == c->room) {
		c->room = c->room ? 2 * c->room : 1024;
		c->fates = realloc(c->fates, c->room * sizeof(*c->fates));
		if (!c->fates)
			abort();
	}
	c->fates[c->n++] = *fate;
}

static int order(const struct sim_fate *x, const struct sim_fate *y)
{
	if (x->client != y->client)
		return x->client < y->client ? -1 : 1;
	if (x->track != y->track)
		return x->track < y->track ? -1 : 1;
	if (x->group != y->group)
		return x->group < y->group ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

static int compare(const void *a, const void *b)
{
	return order(a, b);
}

/* Its publisher's connection has, by a network that was too bad. */
static bool ended(const struct sim_object *o)
{
	for (int i = 0; i < SIM_SOURCES; i++)
		if (o->copies[i].stream && o->copies[i].stream->life->ended)
			return true;
	return false;
}

void sim_census_take(struct sim *s, struct sim_census *ret)
{
	struct sim_life *life;
	struct sim_sub *sub;

	for (life = s->lives; life; life = life->next)
		for (sub = life->subs; sub; sub = sub->next)
			for (__u32 i = 0; i < sub->track->n_objects; i++) {
				const struct sim_object *o = &sub->track->objects[i];
				const bool complete = sim_ledger_has(sub, i);
				const struct sim_fate fate = {
					.group = o->group,
					.id = o->id,
					.client = life->client->index,
					.track = sub->track->index,
					.expected = !life->ended && !ended(o) &&
						    sim_ledger_expects(sub, i) &&
						    (complete || !sim_object_lost(sub->track, o)),
					.complete = complete,
				};

				add(ret, &fate);
			}
	if (ret->n > 0)
		qsort(ret->fates, ret->n, sizeof(*ret->fates), compare);
}

void sim_census_fini(struct sim_census *c)
{
	free(c->fates);
	*c = (struct sim_census){0};
}

__u64 sim_census_compare(const struct sim_census *a, const struct sim_census *b, char *text,
			 size_t room)
{
	__u64 both = 0;
	size_t i = 0, k = 0;

	*text = 0;
	while (i < a->n && k < b->n) {
		const struct sim_fate *x = &a->fates[i], *y = &b->fates[k];
		int o = order(x, y);

		i += o <= 0;
		k += o >= 0;
		if (o || !x->expected || !y->expected)
			continue;
		both++;
		if (x->complete != y->complete && !*text)
			snprintf(text, room, "client %d, track %d: object %llu/%llu came %s",
				 x->client, x->track, (unsigned long long)x->group,
				 (unsigned long long)x->id,
				 x->complete ? "with the forwarder alone"
					     : "without the forwarder alone");
	}
	return both;
}
