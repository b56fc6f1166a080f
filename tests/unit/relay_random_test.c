/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Random interleavings: a publisher with many streams at once, some of which it resets; subscribers
 * that stall, run out of stream credit, stop streams, come late, change their minds. Whatever
 * happens, each stream that a subscriber sees is a prefix of the publisher's, whole if it ends in a
 * FIN, and each that it does not get whole is in one of the relay's counters.
 */
#include "relay_world.h"

#include <stdio.h>

#define GROUPS	  12
#define SUBGROUPS 3
#define OBJECTS	  8

/* What the publisher did with one stream. */
struct sent {
	struct inlay_moq_outgoing *out;
	__u64 objects;
	bool opened, finished, reset;
	bool stopped; /* by the relay: its cache is too small for what is in flight */
};

struct play {
	struct world *w;
	__u64 rng;
	struct sent sent[GROUPS][SUBGROUPS];
	struct client *late;
	__u64 late_from;
	bool cancelled; /* the last subscriber left */
};

static __u64 pick(struct play *p, __u64 n)
{
	p->rng = p->rng * 6364136223846793005ULL + 1442695040888963407ULL;
	return (p->rng >> 33) % n;
}

/* IDs are unique in a group (section 2.2): subgroups take them by turns. */
static __u64 id_of(__u64 n, __u64 subgroup)
{
	return n * SUBGROUPS + subgroup;
}

/* One thing that a publisher does: streams of about three groups are open at once. */
static void publish_some(struct play *p, __u64 progress)
{
	__u64 g = progress + pick(p, 3), sg = pick(p, SUBGROUPS);
	struct client *c = &p->w->clients[0];
	struct sent *s;

	if (g >= GROUPS)
		return;
	s = &p->sent[g][sg];
	if (s->finished || s->reset || s->stopped)
		return;
	if (!s->opened) {
		s->out = pub_open_watched(c, g, sg, &s->stopped);
		s->opened = true;
	} else if (s->objects > 0 && pick(p, 40) == 0) {
		inlay_moq_outgoing_reset(s->out, INLAY_MOQ_RESET_CANCELLED);
		s->reset = true;
	} else if (s->objects < OBJECTS) {
		pub_object(c, s->out, g, sg, id_of(s->objects++, sg));
	} else {
		assert_int_equal(inlay_moq_outgoing_finish(s->out), 0);
		s->finished = true;
	}
}

static void finish_all(struct play *p)
{
	for (int g = 0; g < GROUPS; g++)
		for (int sg = 0; sg < SUBGROUPS; sg++) {
			struct sent *s = &p->sent[g][sg];

			if (s->opened && !s->finished && !s->reset && !s->stopped) {
				assert_int_equal(inlay_moq_outgoing_finish(s->out), 0);
				s->finished = true;
			}
		}
}

static void disturb(struct play *p)
{
	struct client *stalling = &p->w->clients[2], *starved = &p->w->clients[3];
	struct link *l = p->w->clients[4].link;
	struct inlay_moq_params params;
	__u64 opened;

	switch (pick(p, 12)) {
	case 0:
		stalling->link->ends[1].stalled = !stalling->link->ends[1].stalled;
		return;
	case 1:
		link_set_limit(starved->link, 1, false,
			       starved->link->ends[1].limit[1] + pick(p, 4));
		return;
	case 2: /* stop any stream that is open */
		opened = l->ends[1].next_stream[1];
		if (opened > 1)
			link_stop(&l->ends[0], (1 + pick(p, opened - 1)) << 2 | 3, 1);
		return;
	case 3:
		if (p->late == NULL && pick(p, 4) == 0) {
			p->late = world_client(p->w);
			p->late_from = pick(p, GROUPS);
			params = from(p->late_from, 0);
			client_subscribe(p->late, "video", &params);
		}
		return;
	case 4:
		if (!p->cancelled && pick(p, 8) == 0) {
			p->cancelled = true;
			inlay_moq_request_cancel(p->w->clients[5].subscription, 1);
			p->w->clients[5].subscription = NULL;
		}
		return;
	case 5:
		params = (struct inlay_moq_params){.present = INLAY_MOQ_HAS_SUBSCRIBER_PRIORITY,
						   .subscriber_priority = (__u8)pick(p, 256)};
		if (stalling->subscription != NULL)
			assert_int_equal(inlay_moq_request_update(stalling->subscription, &params),
					 0);
		return;
	default:
		return;
	}
}

/* Every stream is a prefix, and whole if it says so; no object twice. */
static void check_streams(const struct play *p, const struct client *c)
{
	for (size_t i = 0; i < c->n_rx; i++) {
		const struct rx *rx = c->rx[i];
		const struct sent *s = &p->sent[rx->header.group][rx->header.subgroup];

		assert_true(rx->ended);
		assert_true(s->opened);
		if (rx->end != INLAY_MOQ_END_DONE)
			continue;
		assert_true(s->finished);
		if (rx->objects > 0)
			assert_int_equal(rx->last, id_of(s->objects - 1, rx->header.subgroup));
		else
			assert_int_equal(s->objects, 0);
	}
	for (size_t i = 0; i < c->n_got; i++) {
		const struct got *g = &c->got[i];

		assert_ptr_equal(g, find_got(c, g->group, g->subgroup, g->object));
		assert_true(g->object / SUBGROUPS < p->sent[g->group][g->subgroup].objects);
		if (g->object >= SUBGROUPS && c != p->late)
			assert_non_null(find_got(c, g->group, g->subgroup, g->object - SUBGROUPS));
	}
}

static bool is_whole(const struct client *c, __u64 group, __u64 subgroup)
{
	for (size_t i = 0; i < c->n_rx; i++)
		if (c->rx[i]->header.group == group && c->rx[i]->header.subgroup == subgroup)
			return c->rx[i]->end == INLAY_MOQ_END_DONE;
	return false;
}

static __u64 count_losses(const struct play *p, const struct client *c)
{
	__u64 n = 0;

	for (__u64 g = 0; g < GROUPS; g++)
		for (__u64 sg = 0; sg < SUBGROUPS; sg++)
			if (p->sent[g][sg].finished && !p->sent[g][sg].stopped &&
			    !is_whole(c, g, sg))
				n++;
	return n;
}

static void play_seed(__u64 seed)
{
	struct play p = {.rng = seed * 2 + 1};
	struct inlay_relay_config config = {
		.cache = {.max_track_bytes = pick(&p, 2) == 0 ? 150000 : 0},
		.max_streams = 4 + (__u32)pick(&p, 30),
	};
	struct inlay_relay_stats stats;
	__u64 losses = 0, resets;

	p.w = world_new(&config);
	p.w->rng = seed;
	p.w->open_groups = true;
	client_announce(world_client(p.w));
	for (int i = 1; i <= 5; i++)
		client_subscribe(world_client(p.w), "video", NULL);
	world_run(p.w);
	link_set_limit(p.w->clients[3].link, 1, false, 4);
	for (__u64 step = 0; step < 700; step++) {
		publish_some(&p, step * GROUPS / 700);
		disturb(&p);
		for (__u64 n = pick(&p, 12); n > 0; n--)
			link_step(p.w->clients[pick(&p, (__u64)p.w->n)].link);
		if (config.cache.max_track_bytes > 0)
			assert_true(stats_of(p.w).cache_bytes_now <= 150000 + 3 * 4096);
	}
	finish_all(&p);
	world_run(p.w);
	p.w->clients[2].link->ends[1].stalled = false;
	link_set_limit(p.w->clients[3].link, 1, false, 1000);
	world_run(p.w);
	for (int i = 1; i < p.w->n; i++)
		check_streams(&p, &p.w->clients[i]);
	for (int i = 1; i <= 4; i++)
		losses += count_losses(&p, &p.w->clients[i]);
	stats = stats_of(p.w);
	resets = stats.reset_behind + stats.reset_evicted + stats.reset_stopped +
		 stats.reset_ended + stats.reset_memory;
	assert_true(losses <= resets);
	if (config.cache.max_track_bytes == 0 && config.max_streams >= 20)
		assert_int_equal(count_losses(&p, &p.w->clients[1]), 0);
	assert_int_equal(stats.streams_now, 0);
	assert_int_equal(stats.malformed_tracks, 0);
	assert_int_equal(stats.reset_memory, 0);
	world_free(p.w);
}

static void random_interleavings(void **state)
{
	const char *full = getenv("INLAY_FULL");
	__u64 seeds = full != NULL && full[0] == '1' ? 5000 : 200;

	for (__u64 seed = 1; seed <= seeds; seed++)
		play_seed(seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_interleavings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
