/* SPDX-License-Identifier: BSD-2-Clause */
/* Two peers on unmodified libngtcp2, over a link with seeded loss: what every other test of ours
 * takes for granted about the foreign side. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <errno.h>
#include <cmocka.h>

#include "peer_pair.h"

#define MAX_STREAMS 128
#define START	    (1000 * INLAY_S)

static struct pair_certificate certificate;

struct received {
	__u64 id;
	size_t bytes;
	bool fin, reset, wrong;
	__u64 code;
};

/* One side's view. */
struct side {
	struct inlay_peer *peer;
	struct received streams[MAX_STREAMS];
	size_t n_streams, n_fins, n_datagrams, n_closed, n_stops;
	bool connected, closed, echo;
	struct inlay_close_reason why;
	__u8 last_datagram;
	__u64 last_stop;
};

static __u8 pattern(__u64 id, size_t offset)
{
	return (__u8)(id * 31 + offset * 7 + (offset >> 8));
}

static struct received *stream_of(struct side *s, __u64 id)
{
	size_t i;

	for (i = 0; i < s->n_streams; i++)
		if (s->streams[i].id == id)
			return &s->streams[i];
	assert_true(s->n_streams < MAX_STREAMS);
	s->streams[s->n_streams].id = id;
	return &s->streams[s->n_streams++];
}

static void on_connected(void *user)
{
	((struct side *)user)->connected = true;
}

static void on_stream_data(void *user, __u64 id, const __u8 *data, size_t len, bool fin)
{
	struct side *s = user;
	struct received *r = stream_of(s, id);
	size_t i;

	for (i = 0; i < len; i++)
		r->wrong |= data[i] != pattern(id, r->bytes + i);
	r->bytes += len;
	if (fin) {
		r->fin = true;
		s->n_fins++;
	}
	if (s->echo && !(id & 2)) /* bidirectional: send it back */
		assert_int_equal(inlay_peer_stream_write(s->peer, id, data, len, fin), 0);
	inlay_peer_stream_consume(s->peer, id, len);
}

static void on_stream_reset(void *user, __u64 id, __u64 code)
{
	struct received *r = stream_of(user, id);

	r->reset = true;
	r->code = code;
}

static void on_stop_sending(void *user, __u64 id, __u64 code)
{
	struct side *s = user;

	s->n_stops++;
	s->last_stop = code;
}

static void on_stream_closed(void *user, __u64 id)
{
	((struct side *)user)->n_closed++;
}

static void on_datagram(void *user, const __u8 *data, size_t len)
{
	struct side *s = user;

	assert_true(len > 0);
	s->n_datagrams++;
	s->last_datagram = data[0];
}

static void on_closed(void *user, const struct inlay_close_reason *why)
{
	struct side *s = user;

	assert_false(s->closed);
	s->closed = true;
	s->why = *why;
}

static const struct inlay_peer_ops ops = {
	.on_connected = on_connected,
	.on_stream_data = on_stream_data,
	.on_stream_reset = on_stream_reset,
	.on_stop_sending = on_stop_sending,
	.on_stream_closed = on_stream_closed,
	.on_datagram = on_datagram,
	.on_closed = on_closed,
};

struct fixture {
	struct peer_pair pair;
	struct side side[2];
	struct inlay_peer_config config[2];
};

static struct fixture *fixture_new(__u64 seed)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int i;

	assert_non_null(f);
	f->pair.random = seed;
	f->pair.now = START;
	f->pair.delay = 10 * INLAY_MS;
	pair_addresses(&f->pair);
	for (i = 0; i < 2; i++) {
		f->config[i].role = i ? INLAY_SERVER : INLAY_CLIENT;
		f->config[i].ops = &ops;
		f->config[i].user = &f->side[i];
		f->config[i].path = f->pair.path[i];
	}
	f->config[0].server_name = "localhost";
	f->config[0].ca_file = certificate.cert;
	f->config[1].cert_file = certificate.cert;
	f->config[1].key_file = certificate.key;
	return f;
}

static void fixture_start(struct fixture *f)
{
	int i;

	for (i = 0; i < 2; i++) {
		assert_int_equal(inlay_peer_new(&f->config[i], f->pair.now, &f->pair.peer[i]), 0);
		f->side[i].peer = f->pair.peer[i];
	}
}

static void fixture_free(struct fixture *f)
{
	pair_fini(&f->pair);
	free(f);
}

static bool both_connected(struct peer_pair *pair, void *user)
{
	struct fixture *f = user;

	return f->side[0].connected && f->side[1].connected;
}

static bool both_closed(struct peer_pair *pair, void *user)
{
	struct fixture *f = user;

	return f->side[0].closed && f->side[1].closed;
}

static bool never(struct peer_pair *pair, void *user)
{
	return false;
}

static void connect_pair(struct fixture *f)
{
	fixture_start(f);
	assert_true(pair_run(&f->pair, both_connected, f, 10 * INLAY_S));
}

static void write_pattern(struct inlay_peer *p, __u64 id, size_t from, size_t len, bool fin)
{
	__u8 *data = malloc(len + 1);
	size_t i;

	assert_non_null(data);
	for (i = 0; i < len; i++)
		data[i] = pattern(id, from + i);
	assert_int_equal(inlay_peer_stream_write(p, id, data, len, fin), 0);
	free(data);
}

struct expectation {
	struct fixture *f;
	size_t fins[2];
};

static bool fins_arrived(struct peer_pair *pair, void *user)
{
	struct expectation *e = user;

	return e->f->side[0].n_fins >= e->fins[0] && e->f->side[1].n_fins >= e->fins[1];
}

static void check_streams(struct side *s, size_t n, size_t bytes)
{
	size_t i;

	assert_int_equal(s->n_streams, n);
	for (i = 0; i < n; i++) {
		assert_true(s->streams[i].fin);
		assert_false(s->streams[i].wrong);
		assert_int_equal(s->streams[i].bytes, bytes);
	}
}

/* Streams in both directions at once, bidirectional ones echoed. */
static void transfer(struct fixture *f, size_t n, size_t bytes, inlay_ns limit)
{
	struct expectation e = {.f = f, .fins = {2 * n, 2 * n}};
	size_t i;
	__u64 id;

	f->side[1].echo = true;
	for (i = 0; i < n; i++) {
		assert_int_equal(inlay_peer_stream_open(f->pair.peer[0], true, i, NULL, NULL, &id),
				 0);
		write_pattern(f->pair.peer[0], id, 0, bytes / 2, false);
		write_pattern(f->pair.peer[0], id, bytes / 2, bytes - bytes / 2, true);
		assert_int_equal(inlay_peer_stream_open(f->pair.peer[0], false, i, NULL, NULL, &id),
				 0);
		write_pattern(f->pair.peer[0], id, 0, bytes, true);
		assert_int_equal(inlay_peer_stream_open(f->pair.peer[1], false, i, NULL, NULL, &id),
				 0);
		write_pattern(f->pair.peer[1], id, 0, bytes, true);
	}
	assert_true(pair_run(&f->pair, fins_arrived, &e, limit));
	check_streams(&f->side[0], 2 * n, bytes);
	check_streams(&f->side[1], 2 * n, bytes);
}

static void test_transfer(void **state)
{
	struct fixture *f = fixture_new(1);
	struct inlay_peer_stats stats;

	connect_pair(f);
	assert_string_equal(inlay_peer_cipher(f->pair.peer[0]), "AES-128-GCM");
	transfer(f, 8, 100000, 20 * INLAY_S);
	pair_run(&f->pair, never, f, INLAY_S);
	/* All acknowledged: nothing is kept. */
	inlay_peer_stats(f->pair.peer[0], &stats);
	assert_int_equal(stats.bytes_unacked, 0);
	assert_int_equal(stats.bytes_unsent, 0);
	assert_int_equal(stats.streams_open, 0);
	assert_int_equal(f->side[0].n_closed, 24);
	fixture_free(f);
}

static void test_loss(void **state)
{
	int seeds = getenv("INLAY_FULL") ? 200 : 8, seed;

	for (seed = 1; seed <= seeds; seed++) {
		struct fixture *f = fixture_new((__u64)seed * 7919);

		f->pair.loss = 50 * (unsigned int)(seed % 4);
		f->pair.repeat = 30;
		f->pair.reorder = 50;
		f->config[0].handshake_timeout = 60 * INLAY_S;
		f->config[1].handshake_timeout = 60 * INLAY_S;
		fixture_start(f);
		assert_true(pair_run(&f->pair, both_connected, f, 60 * INLAY_S));
		transfer(f, 4, 30000, 120 * INLAY_S);
		assert_true(!f->pair.loss || f->pair.lost > 0);
		fixture_free(f);
	}
}

static void test_ciphers(void **state)
{
	static const char *const ciphers[][2] = {{"+AES-256-GCM", "AES-256-GCM"},
						 {"+CHACHA20-POLY1305", "CHACHA20-POLY1305"}};
	size_t i;

	for (i = 0; i < INLAY_ARRAY_SIZE(ciphers); i++) {
		struct fixture *f = fixture_new(3);

		f->config[0].ciphers = ciphers[i][0];
		connect_pair(f);
		assert_string_equal(inlay_peer_cipher(f->pair.peer[0]), ciphers[i][1]);
		assert_string_equal(inlay_peer_cipher(f->pair.peer[1]), ciphers[i][1]);
		transfer(f, 1, 5000, 5 * INLAY_S);
		fixture_free(f);
	}
}

static void test_retry(void **state)
{
	struct fixture *f = fixture_new(4);

	f->config[1].retry = true;
	f->config[0].no_cid = true;
	f->config[0].cc = INLAY_CC_CUBIC;
	connect_pair(f);
	assert_true(inlay_peer_after_retry(f->pair.peer[0]));
	transfer(f, 1, 5000, 5 * INLAY_S);
	fixture_free(f);
}

static void test_key_update(void **state)
{
	struct fixture *f = fixture_new(5);
	struct expectation e = {.f = f, .fins = {0, 1}};
	__u64 id;
	int i;

	connect_pair(f);
	assert_int_equal(inlay_peer_stream_open(f->pair.peer[0], false, 0, NULL, NULL, &id), 0);
	pair_run(&f->pair, never, f, INLAY_S);
	for (i = 0; i < 6; i++) {
		/* Either end in turn; ngtcp2 prepares the keys after next when it sends. */
		assert_int_equal(inlay_peer_datagram(f->pair.peer[1], (const __u8 *)"x", 1), 0);
		pair_run(&f->pair, never, f, INLAY_S);
		assert_int_equal(inlay_peer_update_keys(f->pair.peer[i % 2], f->pair.now), 0);
		assert_int_equal(inlay_peer_update_keys(f->pair.peer[i % 2], f->pair.now), -EAGAIN);
		write_pattern(f->pair.peer[0], id, (size_t)i * 3000, 3000, i == 5);
		pair_run(&f->pair, never, f, INLAY_S);
	}
	assert_true(pair_run(&f->pair, fins_arrived, &e, INLAY_S));
	check_streams(&f->side[1], 1, 18000);
	assert_false(f->side[0].closed || f->side[1].closed);
	fixture_free(f);
}

static bool datagrams_arrived(struct peer_pair *pair, void *user)
{
	struct fixture *f = user;

	return f->side[1].n_datagrams >= 20;
}

static void test_datagrams(void **state)
{
	struct fixture *f = fixture_new(6);
	__u8 data[2048] = {0};
	size_t max;
	int i;

	fixture_start(f);
	assert_int_equal(inlay_peer_datagram(f->pair.peer[0], data, 10), -ENOTCONN);
	assert_true(pair_run(&f->pair, both_connected, f, 10 * INLAY_S));
	max = inlay_peer_max_datagram(f->pair.peer[0]);
	assert_in_range(max, 1100, 1452);
	assert_int_equal(inlay_peer_datagram(f->pair.peer[0], data, max + 1), -EMSGSIZE);
	for (i = 0; i < 20; i++) {
		data[0] = (__u8)i;
		assert_int_equal(inlay_peer_datagram(f->pair.peer[0], data, i % 2 ? max : 1), 0);
	}
	assert_true(pair_run(&f->pair, datagrams_arrived, f, 5 * INLAY_S));
	assert_int_equal(f->side[1].last_datagram, 19);
	fixture_free(f);
}

static void test_datagram_queue_is_bounded(void **state)
{
	struct fixture *f = fixture_new(7);
	struct inlay_peer_stats stats;
	__u8 data[1000] = {1};

	f->config[0].max_datagram_queue = 2500;
	connect_pair(f);
	assert_int_equal(inlay_peer_datagram(f->pair.peer[0], data, 1000), 0);
	assert_int_equal(inlay_peer_datagram(f->pair.peer[0], data, 1000), 0);
	assert_int_equal(inlay_peer_datagram(f->pair.peer[0], data, 1000), -ENOBUFS);
	inlay_peer_stats(f->pair.peer[0], &stats);
	assert_int_equal(stats.datagrams_dropped, 1);
	fixture_free(f);
}

static void test_reset_and_stop(void **state)
{
	struct fixture *f = fixture_new(8);
	struct inlay_peer_stats stats;
	__u64 first, second;

	connect_pair(f);
	assert_int_equal(inlay_peer_stream_open(f->pair.peer[0], false, 0, NULL, NULL, &first), 0);
	assert_int_equal(inlay_peer_stream_open(f->pair.peer[0], false, 0, NULL, NULL, &second), 0);
	write_pattern(f->pair.peer[0], first, 0, 5000, false);
	write_pattern(f->pair.peer[0], second, 0, 5000, false);
	pair_run(&f->pair, never, f, INLAY_S);
	inlay_peer_stats(f->pair.peer[0], &stats);
	assert_int_equal(stats.bytes_unacked, 0);
	assert_int_equal(stats.streams_open, 2);
	assert_int_equal(inlay_peer_stream_reset(f->pair.peer[0], first, 77), 0);
	assert_int_equal(inlay_peer_stream_write(f->pair.peer[0], first, NULL, 0, true), -EPIPE);
	assert_int_equal(inlay_peer_stream_stop(f->pair.peer[1], second, 78), 0);
	pair_run(&f->pair, never, f, INLAY_S);
	assert_true(stream_of(&f->side[1], first)->reset);
	assert_int_equal(stream_of(&f->side[1], first)->code, 77);
	assert_int_equal(f->side[0].n_stops, 1);
	assert_int_equal(f->side[0].last_stop, 78);
	/* Both IDs are dead on either side. */
	assert_int_equal(inlay_peer_stream_reset(f->pair.peer[0], first, 1), -ENOENT);
	assert_int_equal(f->side[0].n_closed, 2);
	assert_int_equal(f->side[1].n_closed, 2);
	fixture_free(f);
}

static void test_stream_limit(void **state)
{
	struct fixture *f = fixture_new(9);
	__u64 id;
	int i;

	f->config[1].params.initial_max_streams_uni = 3;
	connect_pair(f);
	for (i = 0; i < 3; i++) {
		assert_int_equal(inlay_peer_stream_open(f->pair.peer[0], false, 0, NULL, NULL, &id),
				 0);
		write_pattern(f->pair.peer[0], id, 0, 10, true);
	}
	assert_int_equal(inlay_peer_stream_open(f->pair.peer[0], false, 0, NULL, NULL, &id),
			 -EAGAIN);
	pair_run(&f->pair, never, f, INLAY_S);
	assert_int_equal(inlay_peer_stream_open(f->pair.peer[0], false, 0, NULL, NULL, &id), 0);
	fixture_free(f);
}

struct order {
	struct fixture *f;
	__u64 low, high;
};

static bool low_arrived(struct peer_pair *pair, void *user)
{
	struct order *o = user;

	return stream_of(&o->f->side[1], o->low)->fin;
}

/* What is more urgent arrives first, though it was written last. */
static void test_priority(void **state)
{
	struct fixture *f = fixture_new(23);
	struct order o = {.f = f};

	connect_pair(f);
	assert_int_equal(inlay_peer_stream_open(f->pair.peer[0], false, 5, NULL, NULL, &o.low), 0);
	assert_int_equal(inlay_peer_stream_open(f->pair.peer[0], false, 9, NULL, NULL, &o.high), 0);
	write_pattern(f->pair.peer[0], o.low, 0, 200000, true);
	write_pattern(f->pair.peer[0], o.high, 0, 200000, true);
	assert_int_equal(inlay_peer_stream_set_priority(f->pair.peer[0], o.high, 1), 0);
	assert_true(pair_run(&f->pair, low_arrived, &o, 20 * INLAY_S));
	assert_true(stream_of(&f->side[1], o.high)->fin);
	fixture_free(f);
}

/* A held reader stops the sender by flow control; released, all arrives. */
static void test_hold(void **state)
{
	struct fixture *f = fixture_new(10);
	struct expectation e = {.f = f, .fins = {0, 1}};
	__u64 id;

	f->config[1].params.initial_max_stream_data_uni = 20000;
	connect_pair(f);
	inlay_peer_hold(f->pair.peer[1], true);
	assert_int_equal(inlay_peer_stream_open(f->pair.peer[0], false, 0, NULL, NULL, &id), 0);
	write_pattern(f->pair.peer[0], id, 0, 100000, true);
	assert_false(pair_run(&f->pair, fins_arrived, &e, 5 * INLAY_S));
	assert_int_equal(stream_of(&f->side[1], id)->bytes, 20000);
	inlay_peer_release(f->pair.peer[1], 15000);
	assert_false(pair_run(&f->pair, fins_arrived, &e, 5 * INLAY_S));
	assert_int_equal(stream_of(&f->side[1], id)->bytes, 35000);
	inlay_peer_hold(f->pair.peer[1], false);
	assert_true(pair_run(&f->pair, fins_arrived, &e, 5 * INLAY_S));
	check_streams(&f->side[1], 1, 100000);
	fixture_free(f);
}

/* The same for the window of the whole connection, and streams that close while held. */
static void test_hold_connection(void **state)
{
	struct fixture *f = fixture_new(11);
	struct expectation e = {.f = f, .fins = {0, 10}};
	__u64 id;
	int i;

	f->config[1].params.initial_max_data = 25000;
	connect_pair(f);
	inlay_peer_hold(f->pair.peer[1], true);
	for (i = 0; i < 10; i++) {
		assert_int_equal(inlay_peer_stream_open(f->pair.peer[0], false, 0, NULL, NULL, &id),
				 0);
		write_pattern(f->pair.peer[0], id, 0, 10000, true);
	}
	assert_false(pair_run(&f->pair, fins_arrived, &e, 5 * INLAY_S));
	assert_int_equal(f->side[1].n_fins, 2);
	inlay_peer_hold(f->pair.peer[1], false);
	assert_true(pair_run(&f->pair, fins_arrived, &e, 5 * INLAY_S));
	check_streams(&f->side[1], 10, 10000);
	fixture_free(f);
}

static void test_stream_buffer_is_bounded(void **state)
{
	struct fixture *f = fixture_new(12);
	__u8 data[600] = {0};
	__u64 id;

	f->config[0].max_stream_buffer = 1000;
	connect_pair(f);
	assert_int_equal(inlay_peer_stream_open(f->pair.peer[0], false, 0, NULL, NULL, &id), 0);
	assert_int_equal(inlay_peer_stream_write(f->pair.peer[0], id, data, 600, false), 0);
	assert_int_equal(inlay_peer_stream_write(f->pair.peer[0], id, data, 600, false), -ENOBUFS);
	pair_run(&f->pair, never, f, INLAY_S);
	assert_int_equal(inlay_peer_stream_write(f->pair.peer[0], id, data, 600, false), 0);
	fixture_free(f);
}

static void test_close(void **state)
{
	struct fixture *f = fixture_new(13);

	connect_pair(f);
	inlay_peer_close(f->pair.peer[1], true, 42, "enough");
	assert_true(pair_run(&f->pair, both_closed, f, INLAY_S));
	assert_false(f->side[1].why.by_peer);
	assert_true(f->side[0].why.by_peer);
	assert_true(f->side[0].why.application);
	assert_int_equal(f->side[0].why.code, 42);
	assert_string_equal(f->side[0].why.text, "enough");
	pair_run(&f->pair, never, f, 60 * INLAY_S);
	assert_true(inlay_peer_is_dead(f->pair.peer[0]));
	assert_true(inlay_peer_is_dead(f->pair.peer[1]));
	fixture_free(f);
}

static void test_idle(void **state)
{
	struct fixture *f = fixture_new(14);

	f->config[1].params.max_idle_timeout = 3 * INLAY_S;
	connect_pair(f);
	assert_true(pair_run(&f->pair, both_closed, f, 5 * INLAY_S));
	assert_true(f->side[0].why.idle);
	assert_true(f->side[1].why.idle);
	fixture_free(f);
}

static void test_keep_alive(void **state)
{
	struct fixture *f = fixture_new(15);

	f->config[1].params.max_idle_timeout = 3 * INLAY_S;
	f->config[0].keep_alive = INLAY_S;
	connect_pair(f);
	assert_false(pair_run(&f->pair, both_closed, f, 20 * INLAY_S));
	fixture_free(f);
}

/* A certificate that nobody vouches for; and one for another name. */
static void test_certificate_refused(void **state)
{
	static const struct {
		bool trusted;
		const char *name, *needle;
	} cases[] = {{false, "localhost", "trust"}, {true, "example.net", "name"}};
	size_t i;

	for (i = 0; i < INLAY_ARRAY_SIZE(cases); i++) {
		struct fixture *f = fixture_new(16);

		f->config[0].server_name = cases[i].name;
		if (!cases[i].trusted)
			f->config[0].ca_file = NULL;
		fixture_start(f);
		assert_true(pair_run(&f->pair, both_closed, f, 10 * INLAY_S));
		assert_false(f->side[0].connected);
		assert_non_null(inlay_peer_certificate_error(f->pair.peer[0]));
		assert_non_null(
			strstr(inlay_peer_certificate_error(f->pair.peer[0]), cases[i].needle));
		/* RFC 9001 section 4.8: a TLS alert is a transport error from 0x100 on. */
		assert_in_range(f->side[1].why.code, 0x100, 0x1ff);
		fixture_free(f);
	}
}

static void test_insecure(void **state)
{
	struct fixture *f = fixture_new(17);

	f->config[0].server_name = "example.net";
	f->config[0].ca_file = NULL;
	f->config[0].insecure = true;
	connect_pair(f);
	fixture_free(f);
}

static void test_alpn_mismatch(void **state)
{
	struct fixture *f = fixture_new(18);

	f->config[0].alpn = "moqt-99";
	fixture_start(f);
	assert_true(pair_run(&f->pair, both_closed, f, 10 * INLAY_S));
	/* no_application_protocol (RFC 9001 section 8.1) */
	assert_int_equal(f->side[0].why.code, 0x100 + 120);
	fixture_free(f);
}

static bool client_closed(struct peer_pair *pair, void *user)
{
	struct fixture *f = user;

	return f->side[0].closed;
}

static void test_version_negotiation(void **state)
{
	struct fixture *f = fixture_new(19);

	f->config[0].version = 0x1a2a3a4a;
	fixture_start(f);
	assert_true(pair_run(&f->pair, client_closed, f, 2 * INLAY_S));
	assert_non_null(strstr(f->side[0].why.text, "version"));
	fixture_free(f);
}

static void test_handshake_timeout(void **state)
{
	struct fixture *f = fixture_new(20);

	f->pair.loss = 1000;
	f->config[0].handshake_timeout = 4 * INLAY_S;
	fixture_start(f);
	assert_true(pair_run(&f->pair, client_closed, f, 5 * INLAY_S));
	assert_true(f->side[0].why.idle);
	assert_true(inlay_peer_is_dead(f->pair.peer[0]));
	fixture_free(f);
}

static void test_bad_configuration(void **state)
{
	struct fixture *f = fixture_new(21);
	struct inlay_peer *p = NULL;

	f->config[0].ca_file = "/nonexistent";
	assert_int_equal(inlay_peer_new(&f->config[0], START, &p), -ENOENT);
	f->config[0].ca_file = certificate.cert;
	f->config[0].ciphers = "+NO-SUCH-CIPHER";
	assert_int_equal(inlay_peer_new(&f->config[0], START, &p), -EINVAL);
	f->config[1].key_file = certificate.cert;
	assert_int_equal(inlay_peer_new(&f->config[1], START, &p), -ENOENT);
	f->config[1].cid_len = 4;
	assert_int_equal(inlay_peer_new(&f->config[1], START, &p), -EINVAL);
	assert_null(p);
	fixture_free(f);
}

/* A stream that reads from a source: all of it arrives, and the source is released once. */
struct source {
	__u64 id, acked, available;
	int released;
};

static int source_read(void *ctx, __u64 offset, __u8 *dst, size_t len)
{
	struct source *s = ctx;
	size_t i;

	if (offset + len > s->available)
		return -ENODATA;
	for (i = 0; i < len; i++)
		dst[i] = pattern(s->id, offset + i);
	return 0;
}

static void source_acked(void *ctx, __u64 offset)
{
	((struct source *)ctx)->acked = offset;
}

static void source_release(void *ctx)
{
	((struct source *)ctx)->released++;
}

static const struct inlay_stream_source source_ops = {
	.read = source_read,
	.acked = source_acked,
	.release = source_release,
	.evicted_code = 9,
};

static void test_source(void **state)
{
	struct fixture *f = fixture_new(22);
	struct source whole = {.available = 50000}, cut = {.available = 10000};
	struct peer_pair *pair = &f->pair;

	connect_pair(f);
	assert_int_equal(
		inlay_peer_stream_open(pair->peer[0], false, 0, &source_ops, &whole, &whole.id), 0);
	assert_int_equal(
		inlay_peer_stream_open(pair->peer[0], false, 0, &source_ops, &cut, &cut.id), 0);
	assert_int_equal(inlay_peer_stream_extend(pair->peer[0], whole.id, 20000, false), 0);
	assert_int_equal(inlay_peer_stream_extend(pair->peer[0], whole.id, 10000, false), -EINVAL);
	assert_int_equal(inlay_peer_stream_extend(pair->peer[0], whole.id, 50000, true), 0);
	assert_int_equal(inlay_peer_stream_extend(pair->peer[0], cut.id, 10000, false), 0);
	pair_run(pair, never, f, INLAY_S);
	assert_int_equal(inlay_peer_stream_extend(pair->peer[0], cut.id, 20000, true), 0);
	pair_run(pair, never, f, INLAY_S);
	assert_int_equal(stream_of(&f->side[1], whole.id)->bytes, 50000);
	assert_false(stream_of(&f->side[1], whole.id)->wrong);
	assert_int_equal(whole.acked, 50000);
	assert_int_equal(whole.released, 1);
	assert_true(stream_of(&f->side[1], cut.id)->reset);
	assert_int_equal(stream_of(&f->side[1], cut.id)->code, 9);
	assert_int_equal(cut.released, 1);
	fixture_free(f);
}

static int set_up(void **state)
{
	return pair_certificate_make(&certificate);
}

static int tear_down(void **state)
{
	pair_certificate_remove(&certificate);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_transfer),
		cmocka_unit_test(test_loss),
		cmocka_unit_test(test_ciphers),
		cmocka_unit_test(test_retry),
		cmocka_unit_test(test_key_update),
		cmocka_unit_test(test_datagrams),
		cmocka_unit_test(test_datagram_queue_is_bounded),
		cmocka_unit_test(test_reset_and_stop),
		cmocka_unit_test(test_stream_limit),
		cmocka_unit_test(test_priority),
		cmocka_unit_test(test_hold),
		cmocka_unit_test(test_hold_connection),
		cmocka_unit_test(test_stream_buffer_is_bounded),
		cmocka_unit_test(test_close),
		cmocka_unit_test(test_idle),
		cmocka_unit_test(test_keep_alive),
		cmocka_unit_test(test_certificate_refused),
		cmocka_unit_test(test_insecure),
		cmocka_unit_test(test_alpn_mismatch),
		cmocka_unit_test(test_version_negotiation),
		cmocka_unit_test(test_handshake_timeout),
		cmocka_unit_test(test_bad_configuration),
		cmocka_unit_test(test_source),
	};

	return cmocka_run_group_tests_name("peer", tests, set_up, tear_down);
}
