/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two engines over a bad link: whatever is lost, reordered or duplicated, every byte of every
 * stream arrives in order exactly once, or the stream is reset by somebody's wish; nothing fails,
 * nothing stays in flight, no number is sent twice, memory stays within its bounds, and all of it
 * ends. One seed makes one run; INLAY_SEED=n repeats it alone, INLAY_FULL=1 runs thousands.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conn_internal.h"
#include "quic_pair.h"

#define MAX_STREAMS 64
#define TICK	    (3 * INLAY_MS)
#define SEEDS	    200
#define SEEDS_FULL  5000

/* One direction of one stream. */
struct flow {
	bool used;
	__u64 id;
	struct quic_pair_side *from;
	__u64 len;	/* of the whole */
	__u64 given;	/* handed to the engine so far */
	bool finished;	/* FIN was given */
	bool source;	/* read by offset, not written in */
	bool evicts;	/* the source forgets */
	bool cut;	/* reset by the sender, or evicted */
	__u64 promised; /* of these bytes the receiver is sure */
	bool stopped;	/* by the receiver */
	bool released;
	__u64 acked;
	__u64 received; /* in order */
	bool got_fin, got_reset;
	__u64 unconsumed;
};

struct world {
	struct quic_pair *pair;
	struct seeded rng;
	struct flow flows[2 * 2 * MAX_STREAMS];
	__u32 n_flows;
	__u32 to_open[2];
	__u32 opened[2], closed[2];
	__u32 datagrams_to_send[2];
	__u32 datagrams_received[2];
	bool may_reset, updates, cids, slow_reader;
	__u32 max_len;
};

static struct world *world_of(struct quic_pair_side *s)
{
	return s->app;
}

static __u8 content(__u64 id, enum inlay_role from, __u64 offset)
{
	__u64 x = (offset >> 3) * 0x9e3779b97f4a7c15ULL ^ id << 8 ^ (__u64)from << 40;

	return (__u8)(x >> (8 * (offset & 7)) ^ offset);
}

static struct flow *find_flow(struct world *w, struct quic_pair_side *from, __u64 id)
{
	__u32 i;

	for (i = 0; i < w->n_flows; i++)
		if (w->flows[i].id == id && w->flows[i].from == from)
			return &w->flows[i];
	return NULL;
}

static struct flow *add_flow(struct world *w, struct quic_pair_side *from, __u64 id)
{
	struct flow *f = &w->flows[w->n_flows++];

	assert_true(w->n_flows <= INLAY_ARRAY_SIZE(w->flows));
	*f = (struct flow){.used = true, .id = id, .from = from};
	f->len = seeded_below(&w->rng, 4) ? seeded_below(&w->rng, w->max_len)
					  : seeded_below(&w->rng, 100);
	return f;
}

/* --- What the engine asks and tells --------------------------------------------------------- */

static int source_read(void *ctx, __u64 offset, __u8 *dst, size_t len)
{
	struct flow *f = ctx;
	struct world *w = world_of(f->from);
	size_t i;

	assert_false(f->released);
	assert_true(offset >= f->acked);
	assert_true(offset + len <= f->given);
	if (f->evicts && seeded_below(&w->rng, 20) == 0) {
		f->cut = true;
		return -ENODATA;
	}
	for (i = 0; i < len; i++)
		dst[i] = content(f->id, f->from->role, offset + i);
	return 0;
}

static void source_acked(void *ctx, __u64 offset)
{
	struct flow *f = ctx;

	assert_true(offset > f->acked && offset <= f->given);
	f->acked = offset;
}

static void source_release(void *ctx)
{
	struct flow *f = ctx;

	assert_false(f->released);
	f->released = true;
}

static const struct inlay_stream_source source = {
	.read = source_read,
	.acked = source_acked,
	.release = source_release,
	.evicted_code = 77,
};

/* The peer's bidirectional stream shows itself: we answer on it. */
static void answer(struct quic_pair_side *s, __u64 id)
{
	struct world *w = world_of(s);

	if ((id & 2) || (id & 1) == s->role || find_flow(w, s, id))
		return;
	add_flow(w, s, id);
}

static void on_stream_data(void *user, __u64 id, const __u8 *data, size_t len, bool fin)
{
	struct quic_pair_side *s = user;
	struct world *w = world_of(s);
	struct flow *f = find_flow(w, s->other, id);
	size_t i;

	assert_non_null(f);
	assert_false(f->got_fin || f->got_reset || f->stopped);
	assert_true(f->received + len <= f->given);
	for (i = 0; i < len; i++)
		assert_int_equal(data[i], content(id, f->from->role, f->received + i));
	f->received += len;
	f->unconsumed += len;
	if (fin) {
		assert_true(f->received == f->len && f->finished);
		f->got_fin = true;
	}
	answer(s, id);
	if (w->may_reset && seeded_below(&w->rng, 300) == 0) {
		f->stopped = true;
		assert_int_equal(inlay_conn_stream_stop(s->conn, id, 5), 0);
	}
}

static void on_stream_reset(void *user, __u64 id, __u64 code)
{
	struct quic_pair_side *s = user;
	struct world *w = world_of(s);
	struct flow *f = find_flow(w, s->other, id);

	assert_non_null(f);
	assert_false(f->got_fin || f->got_reset);
	assert_true(f->cut || f->stopped);
	if (inlay_conn_can_reset_at(f->from->conn) && !f->evicts && !f->stopped)
		assert_true(f->received >= f->promised);
	assert_true(code == 77 || code == 9 || code == 5);
	f->got_reset = true;
	answer(s, id);
}

static void on_stop_sending(void *user, __u64 id, __u64 code)
{
	struct quic_pair_side *s = user;
	struct flow *f;

	answer(s, id);
	f = find_flow(world_of(s), s, id);
	assert_non_null(f);
	assert_int_equal(code, 5);
	f->stopped = true; /* that they did so may be known only here */
	f->cut = true;
}

static void on_stream_closed(void *user, __u64 id)
{
	struct quic_pair_side *s = user;
	struct world *w = world_of(s);

	w->closed[s->role]++;
}

static void on_datagram(void *user, const __u8 *data, size_t len)
{
	struct quic_pair_side *s = user;
	size_t i;

	for (i = 1; i < len; i++)
		assert_int_equal(data[i], (__u8)(data[0] + i));
	world_of(s)->datagrams_received[s->role]++;
}

static const struct inlay_conn_ops app_ops = {
	.on_stream_data = on_stream_data,
	.on_stream_reset = on_stream_reset,
	.on_stop_sending = on_stop_sending,
	.on_stream_closed = on_stream_closed,
	.on_datagram = on_datagram,
};

/* --- What the application does, now and then ------------------------------------------------ */

static void open_one(struct world *w, struct quic_pair_side *s)
{
	bool bidi = seeded_below(&w->rng, 2), from_source = seeded_below(&w->rng, 2);
	struct flow *f = &w->flows[w->n_flows];
	__u64 id;
	int err;

	err = inlay_conn_stream_open(s->conn, bidi, seeded_below(&w->rng, 4),
				     from_source ? &source : NULL, f, &id);
	if (err == -EAGAIN)
		return;
	assert_int_equal(err, 0);
	assert_ptr_equal(add_flow(w, s, id), f);
	f->source = from_source;
	f->evicts = from_source && w->may_reset && seeded_below(&w->rng, 8) == 0;
	w->to_open[s->role]--;
	w->opened[s->role]++;
}

static void write_some(struct world *w, struct flow *f, __u64 n)
{
	__u8 data[4096];
	bool fin;
	__u64 i;
	int err;

	if (n > sizeof(data))
		n = sizeof(data);
	fin = f->given + n == f->len;
	for (i = 0; i < n; i++)
		data[i] = content(f->id, f->from->role, f->given + i);
	err = inlay_conn_stream_write(f->from->conn, f->id, data, n, fin);
	if (err == -ENOMEM)
		return;
	if (err == -EPIPE || err == -ENOENT) {
		assert_true(f->cut || f->stopped);
		f->cut = true;
		return;
	}
	assert_int_equal(err, 0);
	f->given += n;
	f->finished = fin;
}

static void extend_some(struct flow *f, __u64 n)
{
	bool fin = f->given + n == f->len;

	f->given += n;
	f->finished = fin;
	assert_int_equal(inlay_conn_stream_extend(f->from->conn, f->id, f->given, fin), 0);
}

static void push(struct world *w, struct flow *f)
{
	__u64 n = seeded_below(&w->rng, 8000);

	if (f->cut || f->finished)
		return;
	if (w->may_reset && seeded_below(&w->rng, 400) == 0) {
		f->cut = true;
		f->promised = seeded_below(&w->rng, f->given + 1);
		assert_int_equal(inlay_conn_stream_reset_at(f->from->conn, f->id, 9, f->promised),
				 0);
		return;
	}
	if (n > f->len - f->given)
		n = f->len - f->given;
	if (f->source)
		extend_some(f, n);
	else
		write_some(w, f, n);
}

static void consume(struct world *w, struct flow *f)
{
	__u64 n = f->unconsumed;

	if (w->slow_reader && n > 2000)
		n = 2000;
	f->unconsumed -= n;
	inlay_conn_stream_consume(f->from->other->conn, f->id, n);
}

static void send_datagram(struct world *w, struct quic_pair_side *s)
{
	__u8 data[1200], i0 = (__u8)seeded_below(&w->rng, 256);
	size_t len = 1 + seeded_below(&w->rng, inlay_conn_max_datagram(s->conn)), i;

	for (i = 0; i < len; i++)
		data[i] = (__u8)(i0 + i);
	if (inlay_conn_datagram(s->conn, &(struct inlay_datagram_order){0}, data, len) == 0)
		w->datagrams_to_send[s->role]--;
}

static void tick(struct world *w)
{
	__u32 i, side;

	for (side = 0; side < 2; side++) {
		struct quic_pair_side *s = &w->pair->side[side];

		while (w->to_open[side] && seeded_below(&w->rng, 3)) {
			__u32 before = w->to_open[side];

			open_one(w, s);
			if (w->to_open[side] == before)
				break;
		}
		if (w->datagrams_to_send[side] && seeded_below(&w->rng, 4) == 0)
			send_datagram(w, s);
		if (w->updates && seeded_below(&w->rng, 20) == 0)
			inlay_conn_update_keys(s->conn, w->pair->now);
		if (w->cids && seeded_below(&w->rng, 40) == 0)
			inlay_cids_rotate(&s->conn->cids);
	}
	for (i = 0; i < w->n_flows; i++) {
		push(w, &w->flows[i]);
		consume(w, &w->flows[i]);
	}
}

/* --- What must hold ------------------------------------------------------------------------- */

static void check_bounds(struct world *w)
{
	int i;

	for (i = 0; i < 2; i++) {
		struct inlay_conn *c = w->pair->side[i].conn;

		assert_true(c->streams.recv_budget.used <= c->streams.recv_budget.max);
		assert_true(c->streams.send_budget.used <= c->streams.send_budget.max);
		assert_true(c->datagrams.bytes <= c->datagrams.max_bytes);
		assert_true(inlay_sentlog_in_flight(&c->log) < 1ULL << 40);
		assert_true(c->entry->flow_bytes <= c->entry->flow_limit);
	}
}

static __u32 count_free_records(const struct inlay_sentlog *l)
{
	__u32 at = l->pool_free, n = 0;

	for (; at; at = l->pool[at - 1].next)
		n++;
	return n;
}

static __u32 count_held_records(const struct inlay_sentlog *l)
{
	__u32 i, at, n = 0;

	for (i = 0; i < l->size; i++)
		for (at = l->slots[i].frames; at; at = l->pool[at - 1].next)
			n++;
	return n;
}

static bool is_over(const struct world *w)
{
	int i;

	for (i = 0; i < 2; i++) {
		const struct inlay_conn *c = w->pair->side[i].conn;

		if (w->to_open[i] || w->datagrams_to_send[i] || c->streams.n > 0 ||
		    inlay_sentlog_in_flight(&c->log) > 0)
			return false;
	}
	return true;
}

static void check_flows(const struct world *w)
{
	__u32 i;

	for (i = 0; i < w->n_flows; i++) {
		const struct flow *f = &w->flows[i];

		assert_true(f->got_fin || f->got_reset || f->stopped);
		if (f->got_fin)
			assert_true(f->received == f->len);
		if (!f->cut && !f->stopped)
			assert_true(f->got_fin);
		if (f->source)
			assert_true(f->released);
	}
}

static void check_rest(struct world *w)
{
	int i;

	for (i = 0; i < 2; i++) {
		struct inlay_conn *c = w->pair->side[i].conn;

		assert_int_equal(w->closed[i], w->opened[0] + w->opened[1]);
		assert_true(c->streams.recv_budget.used == 0);
		assert_true(c->streams.send_budget.used == 0);
		assert_int_equal(count_free_records(&c->log) + count_held_records(&c->log),
				 c->log.pool_used);
		assert_int_equal(w->pair->side[i].refused, 0);
		assert_true(w->datagrams_received[i] <= 40);
	}
}

/* --- Runs ----------------------------------------------------------------------------------- */

static struct world *new_world(const struct quic_pair_config *config)
{
	struct world *w = calloc(1, sizeof(*w));
	int i;

	assert_non_null(w);
	w->rng.state = config->seed * 0x2545f4914f6cdd1dULL | 1;
	w->max_len = 60000;
	w->pair = quic_pair_new(config);
	for (i = 0; i < 2; i++)
		w->pair->side[i].app = w;
	return w;
}

static void free_world(struct world *w)
{
	quic_pair_free(w->pair);
	free(w);
}

/* A link and a load that follow from the seed. */
static struct quic_pair_config draw_config(__u64 seed)
{
	struct seeded rng = {.state = seed * 0xd1342543de82ef95ULL | 1};
	struct quic_pair_config c = quic_pair_defaults(seed);
	const __u32 loss[] = {0, 1, 3, 10, 20, 30};
	const enum inlay_cipher ciphers[] = {INLAY_AES_128_GCM, INLAY_AES_256_GCM,
					     INLAY_CHACHA20_POLY1305};

	seeded_u64(&rng);
	c.app = &app_ops;
	c.delay = (1 + seeded_below(&rng, 60)) * INLAY_MS;
	c.jitter = seeded_below(&rng, 3) * c.delay / 2;
	c.loss_pct = loss[seeded_below(&rng, INLAY_ARRAY_SIZE(loss))];
	c.dup_pct = (__u32)seeded_below(&rng, 2) * 5;
	/* At 30 % a chain of eight PTOs in vain is nothing rare: it is not to end in a timeout. */
	c.params.max_idle_timeout = 1000 * INLAY_S;
	c.ring_delay = seeded_below(&rng, 3) * INLAY_MS;
	c.cc = (enum inlay_cc_algorithm)seeded_below(&rng, INLAY_CC_LIVE + 1);
	c.cipher = ciphers[seeded_below(&rng, 3)];
	if (seeded_below(&rng, 3) == 0) {
		c.bytes_per_s = 100000 + seeded_below(&rng, 2000000);
		c.queue_bytes = 30000;
	}
	if (seeded_below(&rng, 3) == 0) {
		/* Small windows, few streams. */
		c.params.initial_max_data = 4000 + seeded_below(&rng, 20000);
		c.params.initial_max_stream_data_uni = 1000 + seeded_below(&rng, 5000);
		c.params.initial_max_stream_data_bidi_local = 1000 + seeded_below(&rng, 5000);
		c.params.initial_max_stream_data_bidi_remote = 1000 + seeded_below(&rng, 5000);
		c.params.initial_max_streams_uni = 1 + seeded_below(&rng, 4);
		c.params.initial_max_streams_bidi = 1 + seeded_below(&rng, 4);
	}
	if (seeded_below(&rng, 4) == 0)
		c.max_recv_buffer = 20000; /* less than the windows promise */
	c.params.reset_stream_at = seeded_below(&rng, 2);
	c.params.has_min_ack_delay = seeded_below(&rng, 2);
	c.params.min_ack_delay = seeded_below(&rng, 25) * INLAY_MS;
	c.max_path_mtu = seeded_below(&rng, 2) ? 1400 : 0;
	c.first_pn[0] = seeded_below(&rng, 2) ? seeded_below(&rng, 1ULL << 31) : 0;
	c.first_pn[1] = seeded_below(&rng, 2) ? seeded_below(&rng, 1ULL << 31) : 0;
	return c;
}

static void draw_load(struct world *w)
{
	w->to_open[0] = (__u32)seeded_below(&w->rng, 12);
	w->to_open[1] = 1 + (__u32)seeded_below(&w->rng, 12);
	w->datagrams_to_send[0] = (__u32)seeded_below(&w->rng, 20);
	w->datagrams_to_send[1] = (__u32)seeded_below(&w->rng, 20);
	w->may_reset = seeded_below(&w->rng, 2);
	w->updates = seeded_below(&w->rng, 2);
	w->cids = seeded_below(&w->rng, 2);
	w->slow_reader = seeded_below(&w->rng, 4) == 0;
}

/* Closing reaches the other side, if anything does; and both are gone soon. */
static void close_pair(struct world *w)
{
	struct quic_pair_side *a = &w->pair->side[seeded_below(&w->rng, 2)];

	inlay_conn_close(a->conn, true, 1234, "done", w->pair->now);
	quic_pair_run(w->pair, w->pair->now + 1500 * INLAY_S);
	assert_true(a->closed && !a->why.by_peer && a->why.code == 1234);
	assert_true(a->other->closed);
	if (!a->other->why.idle) {
		assert_true(a->other->why.by_peer && a->other->why.application);
		assert_int_equal(a->other->why.code, 1234);
		assert_string_equal(a->other->why.text, "done");
	}
	assert_true(inlay_conn_is_dead(a->conn) && inlay_conn_is_dead(a->other->conn));
}

static void check_open(const struct world *w)
{
	int i;

	for (i = 0; i < 2; i++) {
		const struct quic_pair_side *s = &w->pair->side[i];

		if (!s->closed || s->why.by_peer)
			continue;
		print_error("side %d closed: code %llu \"%s\" frame %llu idle %d\n", i, s->why.code,
			    s->why.text, s->conn->close.frame_type, s->why.idle);
		fail();
	}
}

static void run_seed(__u64 seed)
{
	struct quic_pair_config config = draw_config(seed);
	struct world *w = new_world(&config);
	inlay_ns start = w->pair->now, next_tick = start;

	draw_load(w);
	while (!is_over(w)) {
		assert_true(w->pair->now < start + 4000 * INLAY_S);
		tick(w);
		next_tick += TICK;
		quic_pair_run(w->pair, next_tick);
		check_bounds(w);
		check_open(w);
	}
	check_flows(w);
	check_rest(w);
	close_pair(w);
	free_world(w);
}

static __u64 running; /* 0: no seed is */

static void test_seeds(void **state)
{
	const char *one = getenv("INLAY_SEED"), *full = getenv("INLAY_FULL");
	__u64 n = full && *full == '1' ? SEEDS_FULL : SEEDS, seed = 1;

	if (one) {
		seed = strtoull(one, NULL, 10);
		n = seed;
	}
	for (; seed <= n; seed++) {
		running = seed;
		run_seed(seed);
	}
	running = 0;
}

/* A failed assertion leaves the test at once: this is where it is told how to get there again. */
static int name_seed(void **state)
{
	if (running)
		print_error("to repeat it alone: INLAY_SEED=%llu\n", running);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_seeds, name_seed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
