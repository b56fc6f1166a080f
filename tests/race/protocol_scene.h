/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A stage for the interleaved tests: the world of tests/unit/forward_world.h, made small, with two
 * forwarders, packets made in advance, and a sink that takes down what comes out of either.
 */
#ifndef INLAY_TESTS_RACE_PROTOCOL_SCENE_H
#define INLAY_TESTS_RACE_PROTOCOL_SCENE_H

#include <malloc.h>
#include <stdio.h>

#include "../unit/forward_world.h"
#include "inlay_quic_frame.h"
#include "interleave.h"
#include "sentlog.h"
#include "work.h"

#define SCENE_SENT     32
#define SCENE_PACKETS  6
#define SCENE_OTHER_SA 8 /* the second upstream's */

/* A copy that came out. */
struct scene_sent {
	__u32 subscriber, sa;
	__u64 pn;
	struct inlay_sent entry; /* as it stood in the log then */
	__u8 header[INLAY_HDR_MAX];
	__u32 header_len;
	__u32 alias; /* of a first frame or datagram, as written */
	int context;
};

struct scene_packet {
	__u8 bytes[256];
	__u32 len;
};

struct scene {
	struct world *w;
	const struct inlay_tables *t;
	struct inlay_forwarder f[2]; /* contexts 0 and 1 */
	struct inlay_upstream *other;
	__u32 n_other, other_track;
	struct scene_packet packets[SCENE_PACKETS];
	struct inlay_sentlog log; /* of subscriber 0 */
	struct inlay_moment moment;

	struct scene_sent sent[SCENE_SENT];
	__u32 n_before; /* sent while the stage was set */
	/* What is made anew for each run. */
	__u32 n_sent;
	__u64 marks[4]; /* a model's own notes */
};

static struct scene scene;

/* --- The sink -------------------------------------------------------------------------------- */

static void scene_emit(int context, const struct inlay_copy *copy)
{
	struct scene_sent *one = &scene.sent[scene.n_sent];
	__u32 head = copy->quic_at + copy->quic_len;

	interleave_expect(scene.n_sent < SCENE_SENT);
	if (scene.n_sent == SCENE_SENT)
		return;
	*one = (struct scene_sent){.pn = copy->pn, .sa = copy->sa, .context = context};
	one->subscriber = (__u32)((copy->sent - scene.t->logs) / scene.t->log_stride);
	one->entry = *copy->sent;
	one->header_len = head - INLAY_TX_PN;
	memcpy(one->header, copy->head, one->header_len);
	scene.n_sent++;
}

static void scene_emit_first(void *user, const struct inlay_copy *copy)
{
	scene_emit(0, copy);
}

static void scene_emit_second(void *user, const struct inlay_copy *copy)
{
	scene_emit(1, copy);
}

/* --- The stage ------------------------------------------------------------------------------- */

/* A second upstream, whose track is another one. */
static void scene_add_other(struct scene *s)
{
	struct inlay_alias *a;

	assert_int_equal(inlay_state_upstream_get(s->w->st, &s->n_other), 0);
	assert_int_equal(inlay_state_track_get(s->w->st, &s->other_track), 0);
	s->other = &s->t->upstreams[s->n_other];
	s->other->draft = 18;
	a = &s->other->aliases[5];
	a->alias = WORLD_ALIAS;
	a->end_group = ~0ULL;
	inlay_xchg_u32(&a->track, s->other_track + 1);
	inlay_xchg_u32(&s->other->state, INLAY_UPSTREAM_ON);
	assert_int_equal(inlay_state_route(s->w->st, SCENE_OTHER_SA, WORLD_SA_GEN, s->n_other), 0);
}

/* A position for |subscriber| on the second upstream's track. */
static __u32 scene_other_position(__u32 subscriber)
{
	__u32 track = scene.w->track, i;

	scene.w->track = scene.other_track;
	i = world_position(scene.w, subscriber);
	scene.w->track = track;
	return i;
}

static int scene_set_up(void **state)
{
	__u64 room, used;

	memset(&scene, 0, sizeof(scene));
	interleave_track_heap(true);
	scene.w = world_new(1);
	scene.t = scene.w->t;
	scene_add_other(&scene);
	assert_int_equal(inlay_sentlog_init(&scene.log, world_sub(scene.w, 0),
					    inlay_state_log(scene.w->st, 0), WORLD_LOG,
					    scene.w->st),
			 0);
	interleave_track_heap(false);
	inlay_state_size(scene.w->st, &room, &used);
	interleave_track(scene.t->contexts, room);
	interleave_track(&scene.log, sizeof(scene.log));
	for (int i = 0; i < 2; i++) {
		scene.f[i].tables = scene.t;
		scene.f[i].context = (__u32)i;
		scene.f[i].emit = i ? scene_emit_second : scene_emit_first;
	}
	return 0;
}

static int scene_tear_down(void **state)
{
	interleave_untrack_all();
	inlay_sentlog_fini(&scene.log);
	inlay_state_free(scene.w->st);
	free(scene.w);
	return 0;
}

static void scene_reset(void *user)
{
	scene.n_sent = scene.n_before;
	memset(scene.marks, 0, sizeof(scene.marks));
}

/* --- Packets --------------------------------------------------------------------------------- */

/* Keeps the packet that is being made as the |i|th. */
static void scene_keep(int i, __u32 sa)
{
	struct world *w = scene.w;

	assert_true(inlay_quic_put_desc(&w->out, sa, WORLD_SA_GEN, 0,
					1 + INLAY_OWN_CID + INLAY_TX_PN, w->pn));
	scene.packets[i].len = (__u32)inlay_writer_len(&w->out);
	assert_true(scene.packets[i].len <= sizeof(scene.packets[i].bytes));
	memcpy(scene.packets[i].bytes, w->packet, scene.packets[i].len);
}

/* The first frame of stream |number|: header and an object. */
static void scene_make_first(int i, __u32 sa, __u64 number)
{
	__u8 data[64];
	size_t len = world_header(data, 4);

	len += world_object(data + len, 10, 1);
	world_begin(scene.w);
	world_stream(scene.w, number, 0, data, len, false);
	scene_keep(i, sa);
}

/* Bytes of the first frame. */
static __u32 scene_first_len(void)
{
	__u8 data[64];
	size_t len = world_header(data, 4);

	return (__u32)(len + world_object(data + len, 10, 1));
}

/* The |n|th object of 20 bytes behind it. */
static void scene_make_next(int i, __u32 sa, __u64 number, __u32 n)
{
	__u8 data[64];
	size_t len = world_object(data, 20, 50);

	world_begin(scene.w);
	world_stream(scene.w, number, scene_first_len() + n * len, data, len, false);
	scene_keep(i, sa);
}

static inline void scene_make_datagram(int i, __u32 sa)
{
	const struct inlay_moq_datagram o = {
		.alias = WORLD_ALIAS, .group = 4, .payload = {(const __u8 *)"media", 5}};
	struct inlay_writer out;
	__u8 data[64];

	out = inlay_writer_of(data, sizeof(data));
	assert_true(inlay_moq18_datagram_put(&out, &o));
	assert_true(inlay_writer_bytes(&out, o.payload.data, o.payload.len));
	world_begin(scene.w);
	world_datagram(scene.w, data, inlay_writer_len(&out));
	scene_keep(i, sa);
}

static enum inlay_forward_verdict scene_run(int context, int packet)
{
	return inlay_forwarder_run(&scene.f[context], scene.packets[packet].bytes,
				   scene.packets[packet].len, WORLD_NOW);
}

/* --- Threads' parts -------------------------------------------------------------------------- */

static bool scene_is_quiet(void *user)
{
	return inlay_state_is_quiet(scene.w->st, &scene.moment);
}

/* After an exchange that withdrew something: until no forwarder can hold it. */
static inline void scene_wait_until_quiet(void)
{
	inlay_state_moment(scene.w->st, &scene.moment);
	interleave_await(scene_is_quiet, NULL, scene.t->contexts,
			 INLAY_CONTEXTS * sizeof(*scene.t->contexts));
}

/* --- What is always so ------------------------------------------------------------------------ */

/* No number twice, none that is not in the log as sent; credit is that of what was sent. */
static void scene_check_ledger(__u32 subscriber)
{
	const struct inlay_subscriber *s = world_sub(scene.w, subscriber);
	const struct inlay_sent *log = inlay_state_log(scene.w->st, subscriber);
	__u64 bytes = 0;
	__u32 published = 0, emitted = 0;

	for (__u64 pn = 0; pn < s->next_pn; pn++) {
		const struct inlay_sent *e = &log[pn & (WORLD_LOG - 1)];

		if (e->pn_state != INLAY_SENT_WORD(pn, INLAY_SENT_SENT))
			continue;
		bytes += e->packet_size;
		published += !(e->flags & INLAY_SENT_LOCAL);
	}
	interleave_expect(s->bytes_sent == bytes);
	for (__u32 i = 0; i < scene.n_sent; i++) {
		const struct scene_sent *one = &scene.sent[i];

		if (one->subscriber != subscriber)
			continue;
		emitted++;
		interleave_expect(one->entry.pn_state == INLAY_SENT_WORD(one->pn, INLAY_SENT_SENT));
		for (__u32 j = 0; j < i; j++)
			interleave_expect(scene.sent[j].subscriber != subscriber ||
					  scene.sent[j].pn != one->pn);
	}
	interleave_expect(published == emitted);
}

/* --- Running --------------------------------------------------------------------------------- */

static bool scene_explore(const char *name, void (*a)(void *), void (*b)(void *), void (*c)(void *),
			  void (*check)(void *), bool is_wrong)
{
	const struct interleave_model model = {
		.name = name,
		.n_threads = c	 ? 3
			     : b ? 2
				 : 1,
		.threads = {a, b, c},
		.reset = scene_reset,
		.check = check,
		.limit = getenv("INLAY_FULL") ? 100000000 : 2000000,
		.is_wrong = is_wrong,
	};
	struct interleave_count count;
	bool good;

	scene.n_before = scene.n_sent;
	good = interleave_explore(&model, &count);

	if (!is_wrong)
		printf("# %s: %llu orders of up to %zu steps at %zu shared words (%llu cut short, "
		       "%llu restarts)\n",
		       name, (unsigned long long)count.runs, count.steps_max, count.places,
		       (unsigned long long)count.cut, (unsigned long long)count.restarts);
	return good;
}

/* --- Threads --------------------------------------------------------------------------------- */

static inline void run_packet_0(void *user)
{
	scene_run(0, 0);
}

static inline void run_packet_1(void *user)
{
	scene_run(0, 1);
}

static inline void run_packets_1_and_2(void *user)
{
	scene_run(0, 1);
	scene_run(0, 2);
}

static inline void run_packet_1_elsewhere(void *user)
{
	scene_run(1, 1);
}

static inline void run_packet_2_elsewhere(void *user)
{
	scene_run(1, 2);
}

static inline void run_packet_3_elsewhere(void *user)
{
	scene_run(1, 3);
}

/* --- Expectations ---------------------------------------------------------------------------- */

struct expectation {
	const char *name;
	void (*a)(void *user), (*b)(void *user), (*c)(void *user);
	void (*check)(void *user);
};

static inline void assert_sound(const struct expectation *e)
{
	race_mutation = 0;
	assert_true(scene_explore(e->name, e->a, e->b, e->c, e->check, false));
}

static inline void assert_catches(const struct expectation *e, int mutant)
{
	race_mutation = mutant;
	assert_false(scene_explore(e->name, e->a, e->b, e->c, e->check, true));
	race_mutation = 0;
}

static inline struct inlay_subscriber *subscriber(void)
{
	return world_sub(scene.w, 0);
}

static inline struct inlay_leg *leg(void)
{
	return world_leg(scene.w, 0, 0);
}

/* Stream 0 has begun, and position 0 is attached to it. */
static inline void begin_stream(void)
{
	scene_make_first(0, WORLD_SA, 0);
	scene_run(0, 0);
	assert_int_equal(leg()->state, INLAY_LEG_ATTACHED);
	assert_int_equal(scene.n_sent, 1);
	scene_make_next(1, WORLD_SA, 0, 0);
	scene_make_next(2, WORLD_SA, 0, 1);
}

#endif
