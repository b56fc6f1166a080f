/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two endpoints of ours, from their making to their end, where one allocation of ours fails, or all
 * do from one on: for each of them in turn. Nothing crashes, leaks (under ASan), or keeps a key.
 * The linker sends our allocations through here (--wrap); those of other libraries succeed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "clear.h"
#include "endpoint_tls.h"

#define QUEUE 256
#define BYTES 20000
#define TIME  (20 * INLAY_S)

/* --- Allocations that fail ------------------------------------------------------------------ */

static struct {
	bool armed;
	bool for_good; /* all after the first as well */
	unsigned long count, fail_at;
} alloc;

static bool fails(void)
{
	if (!alloc.armed)
		return false;
	alloc.count++;
	return alloc.for_good ? alloc.count >= alloc.fail_at : alloc.count == alloc.fail_at;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_aligned_alloc(size_t align, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t size);

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	return fails() ? NULL : __real_realloc(p, size);
}

void *__wrap_aligned_alloc(size_t align, size_t size)
{
	return fails() ? NULL : __real_aligned_alloc(align, size);
}

/* --- Two endpoints -------------------------------------------------------------------------- */

struct end {
	struct inlay_provider *provider;
	struct inlay_keystore *keystore;
	struct inlay_endpoint *ep;
	struct inlay_ep_conn *conn;
	struct inlay_addr addr;
	bool client;
	bool connected, closed, failed;
	size_t received;
};

struct pair {
	struct end end[2]; /* 0: client, 1: server */
	inlay_ns now;
	struct {
		inlay_ns at;
		int to;
	} order[QUEUE];
	struct inlay_frame queue[QUEUE]; /* sealed; order's */
	size_t n;
	unsigned int lose_every, sent; /* 0: nothing is lost */
};

static struct pair pair;

static void on_stream_data(void *user, __u64 id, const __u8 *data, size_t len, bool fin)
{
	struct end *e = user;
	struct inlay_conn *c = inlay_ep_conn_get(e->conn);

	e->received += len;
	if (!e->client && !(id & 2))
		inlay_conn_stream_write(c, id, data, len, fin);
	inlay_conn_stream_consume(c, id, len);
}

static void on_datagram(void *user, const __u8 *data, size_t len)
{
	struct end *e = user;

	if (!e->client)
		inlay_conn_datagram(inlay_ep_conn_get(e->conn), &(struct inlay_datagram_order){0},
				    data, len);
}

static void on_closed(void *user, const struct inlay_close_reason *why)
{
	struct end *e = user;

	assert_false(e->closed);
	e->closed = true;
	e->conn = NULL;
}

static const struct inlay_conn_ops conn_ops = {
	.on_stream_data = on_stream_data,
	.on_datagram = on_datagram,
	.on_closed = on_closed,
};

static void initiate(struct inlay_conn *c)
{
	static __u8 data[BYTES];
	__u64 id;

	for (int bidi = 0; bidi < 2; bidi++) {
		if (inlay_conn_stream_open(c, bidi, 1, NULL, NULL, &id))
			continue;
		if (inlay_conn_stream_write(c, id, data, sizeof(data), true))
			inlay_conn_stream_reset(c, id, 1);
	}
	inlay_conn_datagram(c, &(struct inlay_datagram_order){0}, data, 100);
}

static const struct inlay_conn_ops *on_connection(void *user, struct inlay_ep_conn *c,
						  const struct inlay_handover *h, void **ret_user)
{
	struct end *e = user;

	if (e->connected) /* a client that tries again: not here */
		return NULL;
	e->connected = true;
	e->conn = c;
	*ret_user = e;
	if (e->client)
		initiate(inlay_ep_conn_get(c));
	return &conn_ops;
}

static void on_failed(void *user, struct inlay_ep_conn *c, const struct inlay_handshake_failure *f)
{
	((struct end *)user)->failed = true;
}

static const struct inlay_endpoint_ops ops = {
	.on_connection = on_connection,
	.on_failed = on_failed,
};

static bool end_new(struct end *e, int i)
{
	const struct inlay_provider_local_config local = {.max_sa = 4, .max_cids = 16};
	struct inlay_endpoint_config config;

	e->client = i == 0;
	e->addr = (struct inlay_addr){
		.family = AF_INET, .port = htons((__u16)(5000 + i)), .ip = {127, 0, 0, 1}};
	e->provider = inlay_provider_local_new(&local);
	e->keystore = inlay_keystore_new(2);
	if (!e->provider || !e->keystore)
		return false;
	inlay_endpoint_config_init(&config);
	config.provider = e->provider;
	config.keystore = e->keystore;
	config.ops = &ops;
	config.user = e;
	config.log_size = 128;
	config.retry = pair.lose_every > 0;
	config.tls = e->client ? NULL : endpoint_tls_server(&tls, 0);
	return !inlay_endpoint_new(&config, pair.now, &e->ep);
}

/* Every place can be taken again. */
static void assert_no_key_is_left(const struct end *e)
{
	struct inlay_sa_params params = {.direction = INLAY_TX, .cipher = INLAY_AES_128_GCM};
	struct inlay_sa_ref sa;
	inlay_secret secret;

	for (int i = 0; i < 4 && e->provider; i++)
		assert_int_equal(e->provider->ops->sa_add(e->provider, &params, &sa), 0);
	for (int i = 0; i < 2 && e->keystore; i++)
		assert_int_equal(inlay_keystore_add(e->keystore, INLAY_AES_128_GCM, &secret), 0);
}

static void end_free(struct end *e)
{
	inlay_endpoint_free(e->ep);
	assert_true(e->closed || !e->conn);
	alloc.armed = false;
	assert_no_key_is_left(e);
	if (e->provider)
		e->provider->ops->free(e->provider);
	inlay_keystore_free(e->keystore);
}

static void carry(int from, const struct inlay_frame *f)
{
	struct inlay_frame *to = &pair.queue[pair.n];
	struct inlay_seal_item item;

	if (pair.n == QUEUE)
		return;
	*to = *f;
	to->path = (struct inlay_path){.local = f->path.remote, .remote = f->path.local};
	if (f->kind == INLAY_FRAME_CLEAR &&
	    (inlay_clear_seal_item(to->data, to->len, &f->path.remote, &item) != INLAY_OK ||
	     pair.end[from].provider->ops->seal(pair.end[from].provider, &item, 1) != 1))
		return;
	if (pair.lose_every && ++pair.sent % pair.lose_every == 0)
		return;
	/* Some overtake others: what came too early is kept. */
	pair.order[pair.n].at =
		pair.now + (pair.lose_every ? pair.sent % 3 * 7 * INLAY_MS : 0) + 10 * INLAY_MS;
	pair.order[pair.n++].to = !from;
}

static void deliver(struct end *e, struct inlay_frame *f)
{
	struct inlay_open_item item = {.packet = f->data, .len = f->len, .local = f->path.local};

	f->kind = INLAY_FRAME_SEALED;
	if (!(f->data[0] & 0x80)) {
		e->provider->ops->open(e->provider, &item, 1);
		f->kind = item.verdict == INLAY_OK ? INLAY_FRAME_CLEAR : INLAY_FRAME_UNKNOWN;
	}
	inlay_endpoint_recv(e->ep, f, pair.now);
}

/* False: nothing happens any more. */
static bool step(inlay_ns until)
{
	static struct inlay_frame frames[4];
	inlay_ns next = INLAY_NEVER;
	size_t n, kept = 0;

	for (int i = 0; i < 2; i++)
		while ((n = inlay_endpoint_send(pair.end[i].ep, frames, 4, pair.now)))
			for (size_t k = 0; k < n; k++)
				carry(i, &frames[k]);
	for (int i = 0; i < 2; i++)
		if (inlay_endpoint_deadline(pair.end[i].ep) < next)
			next = inlay_endpoint_deadline(pair.end[i].ep);
	for (size_t k = 0; k < pair.n; k++)
		if (pair.order[k].at < next)
			next = pair.order[k].at;
	if (next > until)
		return false;
	if (next > pair.now)
		pair.now = next;
	n = pair.n;
	for (size_t k = 0; k < n; k++) {
		if (pair.order[k].at <= pair.now) {
			deliver(&pair.end[pair.order[k].to], &pair.queue[k]);
			continue;
		}
		pair.order[kept] = pair.order[k];
		if (kept != k)
			pair.queue[kept] = pair.queue[k];
		kept++;
	}
	pair.n = kept;
	for (int i = 0; i < 2; i++)
		if (inlay_endpoint_deadline(pair.end[i].ep) <= pair.now)
			inlay_endpoint_on_timer(pair.end[i].ep, pair.now);
	return true;
}

static void talk(void)
{
	struct inlay_endpoint_dial dial = {
		.tls = endpoint_tls_client(&tls, 0),
		.host = "localhost",
		.path = {.local = pair.end[0].addr, .remote = pair.end[1].addr},
	};
	inlay_ns until = pair.now + TIME;
	struct inlay_ep_conn *c;

	if (inlay_endpoint_connect(pair.end[0].ep, &dial, pair.now, &c))
		return;
	while (pair.end[0].received < BYTES && step(until))
		;
	if (pair.end[0].conn)
		inlay_conn_update_keys(inlay_ep_conn_get(pair.end[0].conn), pair.now);
	until = pair.now + INLAY_S;
	while (step(until))
		;
	inlay_endpoint_close(pair.end[0].ep, 0, "", pair.now);
	until = pair.now + INLAY_S;
	while (step(until))
		;
}

/* Returns how many allocations there were. */
static unsigned long run(unsigned long fail_at, bool for_good)
{
	pair.n = pair.sent = 0;
	pair.now = 100 * INLAY_S;
	memset(pair.end, 0, sizeof(pair.end));
	alloc.count = 0;
	alloc.fail_at = fail_at;
	alloc.for_good = for_good;
	alloc.armed = true;
	if (end_new(&pair.end[0], 0) && end_new(&pair.end[1], 1))
		talk();
	alloc.armed = true;
	end_free(&pair.end[0]);
	end_free(&pair.end[1]);
	return alloc.count;
}

static void each_in_turn(bool for_good, unsigned int lose_every)
{
	unsigned long n;

	pair.lose_every = lose_every;
	n = run(0, false);
	assert_true(n > 20);
	assert_int_equal(pair.end[0].received, BYTES);
	assert_int_equal(pair.end[1].received, 2 * BYTES);
	for (unsigned long i = 1; i <= n; i++)
		run(i, for_good);
}

static void one_fails(void **state)
{
	each_in_turn(false, 0);
	each_in_turn(false, 7);
}

static void all_fail_from_one_on(void **state)
{
	each_in_turn(true, 0);
	each_in_turn(true, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_fails),
		cmocka_unit_test(all_fail_from_one_on),
	};

	return cmocka_run_group_tests_name("no_memory", tests, endpoint_tls_set_up,
					   endpoint_tls_tear_down);
}
