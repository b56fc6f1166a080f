/* SPDX-License-Identifier: BSD-2-Clause */
#include "relay_load.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "bench.h"
#include "config.h"
#include "datathread.h"
#include "endpoint.h"
#include "keystore.h"
#include "list.h"
#include "provider_local.h"
#include "publisher.h"
#include "timestamp.h"
#include "tls.h"
#include "transport_conn.h"

#define RING	    4096
#define SAMPLES	    (1 << 18)
#define LARGEST	    (1 << 20) /* object */
#define PATIENCE    (10 * INLAY_S)
#define SETTLE	    (300 * INLAY_MS) /* for what is under way when the publisher pauses */
#define WARM_UP	    (100 * INLAY_MS)
#define MAX_CLIENTS INLAY_DATATHREAD_PORTS

struct client {
	struct relay_load *load;
	struct inlay_transport_conn transport;
	struct inlay_moq_session *session;
	bool subscribed, ended;
};

struct relay_load {
	struct relay_load_config config;
	inlay_ns now;
	struct inlay_keystore *keystore;
	struct inlay_provider *provider;
	struct inlay_tls *tls;
	struct inlay_ring *up, *down;
	struct inlay_port_udp ports[MAX_CLIENTS]; /* the publisher's first */
	size_t n_clients;
	struct inlay_datathread *dt;
	struct inlay_endpoint *endpoint;
	struct client clients[MAX_CLIENTS];
	struct inlay_publisher *publisher;
	struct inlay_moq_name name;
	unsigned int n_established, n_subscribed;
	bool failed;
	struct relay_seen seen;
	float *delays; /* microseconds */
	size_t n_delays;
	__u8 *payload;
};

/* --- Subscribers ------------------------------------------------------------------------------ */

static void on_setup(void *user, const struct inlay_moq_setup *setup)
{
	struct client *c = user;
	struct inlay_moq_subscribe m = {.name = c->load->name};
	struct inlay_moq_request *req;

	if (inlay_moq_session_subscribe(c->session, &m, c, &req))
		c->load->failed = true;
}

static void on_subscribe_ok(void *user, struct inlay_moq_request *req,
			    const struct inlay_moq_subscribe_ok *m)
{
	struct client *c = user;

	c->load->n_subscribed += !c->subscribed;
	c->subscribed = true;
}

static void on_request_end(void *user, struct inlay_moq_request *req, enum inlay_moq_end end,
			   __u64 code, const struct inlay_moq_request_error *error)
{
	struct client *c = user;

	c->load->failed = true;
}

/* The stream's own pointer holds the time at which its object was sent. */
static void on_object(void *user, struct inlay_moq_incoming *in,
		      const struct inlay_moq_object *object, const __u8 *header, size_t len)
{
	inlay_ns sent_at = 0;

	inlay_timestamp_get(object->properties, object->properties_len, &sent_at);
	inlay_moq_incoming_set_user(in, (void *)(uintptr_t)sent_at);
}

static void on_payload(void *user, struct inlay_moq_incoming *in, const __u8 *data, size_t len,
		       bool end)
{
	struct client *c = user;
	struct relay_load *l = c->load;
	inlay_ns sent_at = (inlay_ns)(uintptr_t)inlay_moq_incoming_user(in);

	if (!end)
		return;
	l->seen.objects++;
	if (sent_at && l->n_delays < SAMPLES)
		l->delays[l->n_delays++] = (float)(bench_now() - sent_at) / (float)INLAY_US;
}

static const struct inlay_moq_session_ops subscriber_ops = {
	.on_setup = on_setup,
	.on_subscribe_ok = on_subscribe_ok,
	.on_request_end = on_request_end,
	.on_object = on_object,
	.on_payload = on_payload,
};

/* --- Connections ------------------------------------------------------------------------------ */

static void on_ended(struct inlay_transport_conn *t)
{
	struct client *c = inlay_list_entry(t, struct client, transport);

	c->ended = true;
	c->load->failed = true;
}

static const struct inlay_conn_ops *on_connection(void *user, struct inlay_ep_conn *conn,
						  const struct inlay_handover *handover,
						  void **ret_user)
{
	struct relay_load *l = user;
	struct client *c = inlay_ep_conn_dial_user(conn);
	bool publishes = c == &l->clients[0];
	struct inlay_moq_session_config config = {
		.ops = publishes ? inlay_publisher_session_ops() : &subscriber_ops,
		.user = publishes ? (void *)l->publisher : c,
		.implementation = "bench",
	};

	inlay_transport_conn_init(&c->transport, conn, &l->now, on_ended);
	config.transport = inlay_transport_conn_transport(&c->transport, false);
	c->session = inlay_moq_session_new(&config);
	if (!c->session)
		return NULL;
	c->transport.session = c->session;
	if (publishes)
		inlay_publisher_set_session(l->publisher, c->session);
	if (inlay_moq_session_start(c->session, l->now))
		return NULL;
	l->n_established++;
	*ret_user = &c->transport;
	return &inlay_transport_conn_ops;
}

static void on_failed(void *user, struct inlay_ep_conn *c,
		      const struct inlay_handshake_failure *why)
{
	struct relay_load *l = user;

	fprintf(stderr, "relay: handshake: %s\n", why->text);
	l->failed = true;
}

static const struct inlay_endpoint_ops endpoint_ops = {.on_connection = on_connection,
						       .on_failed = on_failed};

static int dial(struct relay_load *l, size_t i)
{
	struct inlay_endpoint_dial d = {
		.tls = l->tls,
		.host = "localhost",
		.path = {.local = l->ports[i].local, .remote = l->config.relay},
		.port = (__u16)i,
		.user = &l->clients[i],
	};
	struct inlay_ep_conn *ignored;

	l->clients[i].load = l;
	return inlay_endpoint_connect(l->endpoint, &d, l->now, &ignored);
}

/* --- The loop --------------------------------------------------------------------------------- */

static void take_up(struct relay_load *l)
{
	struct inlay_frame *frames[INLAY_RING_BURST];
	size_t n;

	while ((n = inlay_ring_peek(l->up, INLAY_RING_BURST, frames))) {
		l->now = bench_now();
		for (size_t i = 0; i < n; i++) {
			if (frames[i]->port > 0) {
				l->seen.packets++;
				l->seen.bytes += frames[i]->len;
			}
			inlay_endpoint_recv(l->endpoint, frames[i], l->now);
		}
		inlay_ring_release(l->up, n);
	}
}

static void send_down(struct relay_load *l)
{
	struct inlay_frame *slot;

	while (inlay_ring_reserve(l->down, 1, &slot)) {
		size_t n = inlay_endpoint_send(l->endpoint, slot, 1, l->now);

		inlay_ring_commit(l->down, n);
		if (!n)
			break;
	}
}

/* One turn, that waits until |until| at most. */
static void turn(struct relay_load *l, inlay_ns until)
{
	inlay_ns next, now;

	send_down(l);
	next = inlay_endpoint_deadline(l->endpoint);
	now = bench_now();
	next = next < until ? next : until;
	/* In whole milliseconds, rounded down: what is left of it is spun. */
	inlay_datathread_turn(l->dt, next > now ? (int)((next - now) / INLAY_MS) : 0);
	take_up(l);
	l->now = bench_now();
	if (inlay_endpoint_deadline(l->endpoint) <= l->now)
		inlay_endpoint_on_timer(l->endpoint, l->now);
	inlay_endpoint_on_provider(l->endpoint, l->now);
}

static void run_until(struct relay_load *l, inlay_ns until)
{
	while (bench_now() < until && !l->failed)
		turn(l, until);
}

static bool wait_for(struct relay_load *l, const unsigned int *counter, unsigned int wanted)
{
	inlay_ns limit = bench_now() + PATIENCE;

	while (*counter < wanted && !l->failed && bench_now() < limit)
		turn(l, limit);
	return *counter >= wanted && !l->failed;
}

/* The relay asks the publisher for the track once somebody asks the relay. */
static bool connect_all(struct relay_load *l)
{
	unsigned int wanted = 0;

	l->now = bench_now();
	if (dial(l, 0) || !wait_for(l, &l->n_established, 1))
		return false;
	for (inlay_ns limit = bench_now() + PATIENCE;
	     !inlay_publisher_is_announced(l->publisher) && bench_now() < limit;)
		turn(l, limit);
	/* A few at a time, below what makes the relay ask for Retry. */
	for (size_t i = 1; i < l->n_clients; i++) {
		if (dial(l, i))
			return false;
		wanted++;
		if (i % 16 == 0 && !wait_for(l, &l->n_subscribed, wanted))
			return false;
	}
	return wait_for(l, &l->n_subscribed, wanted) && inlay_publisher_is_wanted(l->publisher);
}

/* --- Publishing ------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

double relay_quantile(float *samples, size_t n, double at)
{
	if (!n)
		return 0;
	qsort(samples, n, sizeof(*samples), compare);
	return (double)samples[(size_t)(at * (double)(n - 1))];
}

static void publish(struct relay_load *l, const struct relay_pattern *p, __u64 i)
{
	bool key = i % p->key_every == 0;
	size_t len = key ? p->key_bytes : p->object_bytes;

	l->now = bench_now();
	if (inlay_publisher_frame(l->publisher, l->payload, len, key, l->now))
		l->failed = true;
}

void relay_load_run(struct relay_load *l, const struct relay_pattern *p, inlay_ns duration,
		    struct relay_seen *ret_seen)
{
	inlay_ns begin = bench_now(), pause = INLAY_S / p->per_second;
	__u64 n = duration / pause;

	l->seen = (struct relay_seen){.expected = n * l->config.subscribers};
	l->n_delays = 0;
	for (__u64 i = 0; i < n && !l->failed; i++) {
		run_until(l, begin + i * pause);
		publish(l, p, i);
	}
	run_until(l, begin + n * pause);
	l->seen.seconds = (double)(bench_now() - begin) / INLAY_S;
	/* Not published any more, but still to come. */
	for (inlay_ns limit = bench_now() + SETTLE;
	     l->seen.objects < l->seen.expected && bench_now() < limit && !l->failed;)
		turn(l, limit);
	l->seen.p50_us = relay_quantile(l->delays, l->n_delays, 0.5);
	l->seen.p99_us = relay_quantile(l->delays, l->n_delays, 0.99);
	*ret_seen = l->seen;
}

/* --- Life ------------------------------------------------------------------------------------- */

static int open_ports(struct relay_load *l)
{
	struct inlay_port_udp_config config = {
		.local = {.family = AF_INET, .ip = {127, 0, 0, 1}},
		.buffer_bytes = 4 << 20,
		.no_gro = !l->config.gro,
	};
	int ret = 0;

	for (size_t i = 0; i < l->n_clients && !ret; i++) {
		config.index = (__u16)i;
		ret = inlay_port_udp_open(&l->ports[i], &config);
	}
	return ret;
}

static int make_endpoint(struct relay_load *l)
{
	static const char *const alpn[] = {INLAY_ALPN};
	struct inlay_tls_config tls = {
		.role = INLAY_CLIENT, .insecure = true, .alpn = alpn, .n_alpn = 1};
	struct inlay_endpoint_config config;
	char err[256];

	if (inlay_tls_new(&tls, err, sizeof(err), &l->tls))
		return -EINVAL;
	inlay_endpoint_config_init(&config);
	config.provider = l->provider;
	config.keystore = l->keystore;
	config.ops = &endpoint_ops;
	config.user = l;
	return inlay_endpoint_new(&config, bench_now(), &l->endpoint);
}

static int make_data_path(struct relay_load *l)
{
	struct inlay_provider_local_config provider = {.max_sa = 2 * MAX_CLIENTS,
						       .max_cids = INLAY_CONN_CIDS * MAX_CLIENTS};
	struct inlay_datathread_config dt = {.ports = l->ports, .n_ports = l->n_clients, .cpu = -1};

	l->keystore = inlay_keystore_new(MAX_CLIENTS);
	l->provider = inlay_provider_local_new(&provider);
	if (!l->keystore || !l->provider || inlay_ring_new(RING, &l->up) ||
	    inlay_ring_new(RING, &l->down))
		return -ENOMEM;
	dt.provider = l->provider;
	dt.up = l->up;
	dt.down = l->down;
	return inlay_datathread_new(&dt, &l->dt);
}

static int make_publisher(struct relay_load *l)
{
	struct inlay_publisher_config config = {
		.name = &l->name, .timestamps = true, .priority = 128};

	inlay_moq_namespace_add(&l->name.ns, "bench", 5);
	l->name.track = (struct inlay_moq_bytes){(const __u8 *)"load", 4};
	l->publisher = inlay_publisher_new(&config);
	l->delays = calloc(SAMPLES, sizeof(*l->delays));
	l->payload = calloc(1, LARGEST);
	return l->publisher && l->delays && l->payload ? 0 : -ENOMEM;
}

struct relay_load *relay_load_new(const struct relay_load_config *config)
{
	struct relay_load *l = calloc(1, sizeof(*l));
	int ret;

	if (!l || config->subscribers >= MAX_CLIENTS) {
		free(l);
		return NULL;
	}
	l->config = *config;
	l->n_clients = config->subscribers + 1;
	for (size_t i = 0; i < MAX_CLIENTS; i++)
		l->ports[i].fd = -1;
	ret = make_publisher(l);
	if (!ret)
		ret = open_ports(l);
	if (!ret)
		ret = make_data_path(l);
	if (!ret)
		ret = make_endpoint(l);
	if (!ret && connect_all(l)) {
		run_until(l, bench_now() + WARM_UP);
		return l;
	}
	fprintf(stderr, "relay: %s\n", ret ? strerror(-ret) : "no subscription");
	relay_load_free(l);
	return NULL;
}

void relay_load_free(struct relay_load *l)
{
	if (!l)
		return;
	if (l->endpoint) {
		inlay_endpoint_close(l->endpoint, 0, "done", bench_now());
		send_down(l);
		inlay_datathread_turn(l->dt, 0);
	}
	inlay_endpoint_free(l->endpoint);
	for (size_t i = 0; i < l->n_clients; i++)
		inlay_moq_session_free(l->clients[i].session);
	inlay_publisher_free(l->publisher);
	inlay_datathread_free(l->dt);
	for (size_t i = 0; i < MAX_CLIENTS; i++)
		inlay_port_udp_close(&l->ports[i]);
	inlay_ring_free(l->up);
	inlay_ring_free(l->down);
	inlay_tls_free(l->tls);
	if (l->provider)
		l->provider->ops->free(l->provider);
	inlay_keystore_free(l->keystore);
	free(l->delays);
	free(l->payload);
	free(l);
}
