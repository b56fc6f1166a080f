/* SPDX-License-Identifier: BSD-2-Clause */
#include "relay_load.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

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

#define RING	 4096
#define SAMPLES	 (1 << 18)
#define LARGEST	 (1 << 20) /* object */
#define PATIENCE (10 * INLAY_S)
#define SETTLE	 (300 * INLAY_MS) /* for what is under way when the publisher pauses */
#define WARM_UP	 (100 * INLAY_MS)
#define PORTS	 INLAY_DATATHREAD_PORTS
#define LOG	 256 /* sent packets that a subscriber remembers */
#define AT_ONCE	 16  /* handshakes: below what makes the relay ask for Retry */

struct client {
	struct relay_load *load;
	struct inlay_transport_conn transport;
	struct inlay_moq_session *session;
	struct inlay_moq_request *request; /* its subscription, or NULL */
	bool subscribed;		   /* and it was accepted */
	bool joining;			   /* it connects */
	bool leaving;			   /* it closes its connection */
	bool ended;			   /* which is closed: to be reaped */
};

/* What is known of the object that a stream is at. */
struct arriving {
	inlay_ns sent_at;
	__u64 group, object;
};

struct relay_load {
	struct relay_load_config config;
	inlay_ns now;
	struct inlay_keystore *keystore;
	struct inlay_provider *provider;
	struct inlay_tls *tls;
	struct inlay_ring *up, *down;
	struct inlay_port_udp ports[PORTS];
	size_t n_ports, n_clients;
	struct inlay_datathread *dt;
	struct inlay_endpoint *endpoint;
	struct client *clients; /* the publisher first */
	struct inlay_publisher *publisher;
	struct inlay_moq_name name;
	unsigned int n_established, n_subscribed, n_ended;
	bool failed;
	struct relay_seen seen;
	float *delays; /* microseconds */
	size_t n_delays;
	__u8 *payload;
};

/* --- Subscribers ------------------------------------------------------------------------------ */

static void subscribe(struct client *c)
{
	struct inlay_moq_subscribe m = {.name = c->load->name};

	if (c->load->config.from_now) {
		m.params.present = INLAY_MOQ_HAS_FILTER;
		m.params.filter.type = INLAY_MOQ_FILTER_LARGEST_OBJECT;
	}
	if (inlay_moq_session_subscribe(c->session, &m, c, &c->request))
		c->load->failed = true;
}

static void on_setup(void *user, const struct inlay_moq_setup *setup)
{
	struct client *c = user;

	c->joining = false;
	subscribe(c);
}

static void on_subscribe_ok(void *user, struct inlay_moq_request *req,
			    const struct inlay_moq_subscribe_ok *m)
{
	struct client *c = user;
	struct relay_load *l = c->load;
	const struct inlay_moq_location *largest = &m->params.largest_object;

	l->n_subscribed += !c->subscribed;
	c->subscribed = true;
	if (l->config.ops)
		l->config.ops->on_subscribed(l->config.user, (unsigned int)(c - l->clients),
					     largest->group, largest->object);
}

/* Nobody means to, but who leaves. */
static void on_request_end(void *user, struct inlay_moq_request *req, enum inlay_moq_end end,
			   __u64 code, const struct inlay_moq_request_error *error)
{
	struct client *c = user;

	if (c->request != req)
		return;
	c->request = NULL;
	c->load->n_subscribed -= c->subscribed;
	c->subscribed = false;
	c->load->failed |= !c->leaving;
}

static void on_subgroup(void *user, struct inlay_moq_request *req, struct inlay_moq_incoming *in,
			const struct inlay_moq_subgroup *header)
{
	struct client *c = user;
	struct arriving *a = calloc(1, sizeof(*a));

	if (a)
		a->group = header->group;
	else
		c->load->failed = true;
	inlay_moq_incoming_set_user(in, a);
}

static void on_subgroup_end(void *user, struct inlay_moq_incoming *in, enum inlay_moq_end end,
			    __u64 code)
{
	free(inlay_moq_incoming_user(in));
	inlay_moq_incoming_set_user(in, NULL);
}

static void on_object(void *user, struct inlay_moq_incoming *in,
		      const struct inlay_moq_object *object, const __u8 *header, size_t len)
{
	struct arriving *a = inlay_moq_incoming_user(in);

	if (!a)
		return;
	a->sent_at = 0;
	inlay_timestamp_get(object->properties, object->properties_len, &a->sent_at);
	a->object = object->id;
}

static void on_payload(void *user, struct inlay_moq_incoming *in, const __u8 *data, size_t len,
		       bool end)
{
	struct client *c = user;
	struct relay_load *l = c->load;
	const struct arriving *a = inlay_moq_incoming_user(in);

	if (!end || !a)
		return;
	l->seen.objects++;
	if (a->sent_at && l->n_delays < SAMPLES)
		l->delays[l->n_delays++] = (float)(bench_now() - a->sent_at) / (float)INLAY_US;
	if (l->config.ops && inlay_moq_incoming_request(in) == c->request)
		l->config.ops->on_object(l->config.user, (unsigned int)(c - l->clients), a->group,
					 a->object);
}

static const struct inlay_moq_session_ops subscriber_ops = {
	.on_setup = on_setup,
	.on_subscribe_ok = on_subscribe_ok,
	.on_request_end = on_request_end,
	.on_subgroup = on_subgroup,
	.on_subgroup_end = on_subgroup_end,
	.on_object = on_object,
	.on_payload = on_payload,
};

/* --- Connections ------------------------------------------------------------------------------ */

static void on_ended(struct inlay_transport_conn *t)
{
	struct client *c = inlay_list_entry(t, struct client, transport);

	c->ended = true;
	c->load->n_ended++;
	c->load->failed |= !c->leaving;
}

/* Outside of all callbacks. */
static void reap(struct relay_load *l)
{
	for (size_t i = 0; i < l->n_clients && l->n_ended; i++) {
		struct client *c = &l->clients[i];

		if (!c->ended)
			continue;
		inlay_transport_conn_tell_end(&c->transport);
		inlay_moq_session_free(c->session);
		*c = (struct client){.load = l};
		l->n_ended--;
	}
}

static const struct inlay_conn_ops *on_connection(void *user, struct inlay_ep_conn *conn,
						  const struct inlay_handover *handover,
						  void **ret_user)
{
	struct relay_load *l = user;
	struct client *c = inlay_ep_conn_dial_user(conn);
	bool publishes = l->config.publisher && c == &l->clients[0];
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
	size_t port = i % l->n_ports;
	struct inlay_endpoint_dial d = {
		.tls = l->tls,
		.host = "localhost",
		.path = {.local = l->ports[port].local, .remote = l->config.relay},
		.port = (__u16)port,
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
			if (!l->config.publisher || frames[i]->port > 0) {
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

/* The data path waits in whole milliseconds, rounded down: the rest is slept, or else spun. */
static int wait_ms(const struct relay_load *l, inlay_ns until)
{
	inlay_ns now = bench_now();
	inlay_ns left = until > now ? until - now : 0;
	struct timespec rest = {0, (long)left};

	if (l->config.sleeps && left && left < INLAY_MS)
		nanosleep(&rest, NULL);
	return (int)(left / INLAY_MS);
}

/* One turn, that waits until |until| at most. */
static void turn(struct relay_load *l, inlay_ns until)
{
	inlay_ns next;

	send_down(l);
	next = inlay_endpoint_deadline(l->endpoint);
	inlay_datathread_turn(l->dt, wait_ms(l, next < until ? next : until));
	take_up(l);
	l->now = bench_now();
	if (inlay_endpoint_deadline(l->endpoint) <= l->now)
		inlay_endpoint_on_timer(l->endpoint, l->now);
	inlay_endpoint_on_provider(l->endpoint, l->now);
	if (l->n_ended && l->config.ops)
		reap(l);
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

static bool connect_publisher(struct relay_load *l)
{
	if (dial(l, 0) || !wait_for(l, &l->n_established, 1))
		return false;
	for (inlay_ns limit = bench_now() + PATIENCE;
	     !inlay_publisher_is_announced(l->publisher) && bench_now() < limit;)
		turn(l, limit);
	return inlay_publisher_is_announced(l->publisher);
}

/* The relay asks the publisher for the track once somebody asks the relay. */
static bool connect_all(struct relay_load *l)
{
	unsigned int wanted = 0;

	l->now = bench_now();
	if (l->config.publisher && !connect_publisher(l))
		return false;
	for (size_t i = l->config.publisher; i < l->n_clients - l->config.spare; i++) {
		if (dial(l, i))
			return false;
		wanted++;
		if (wanted % AT_ONCE == 0 && !wait_for(l, &l->n_subscribed, wanted))
			return false;
	}
	return wait_for(l, &l->n_subscribed, wanted);
}

/* --- Coming and going ------------------------------------------------------------------------- */

bool relay_load_is_idle(const struct relay_load *l, unsigned int i)
{
	const struct client *c = &l->clients[i];

	return !c->request && !c->joining && !c->leaving && !c->ended;
}

void relay_load_join(struct relay_load *l, unsigned int i)
{
	struct client *c = &l->clients[i];

	l->now = bench_now();
	if (c->session) {
		subscribe(c);
		return;
	}
	c->joining = true;
	if (dial(l, i))
		l->failed = true;
}

void relay_load_leave(struct relay_load *l, unsigned int i, bool close)
{
	struct client *c = &l->clients[i];
	struct inlay_moq_request *request = c->request;

	l->now = bench_now();
	c->request = NULL;
	l->n_subscribed -= c->subscribed;
	c->subscribed = false;
	c->leaving = close;
	if (close && c->transport.conn)
		inlay_ep_conn_close(c->transport.conn, 0, "leaves", l->now);
	else if (request)
		inlay_moq_request_cancel(request, INLAY_MOQ_RESET_CANCELLED);
}

/* --- Publishing ------------------------------------------------------------------------------- */

size_t relay_pattern_bytes(const struct relay_pattern *p, __u64 i)
{
	size_t len = i % p->key_every ? p->object_bytes : p->key_bytes;

	return len + p->tag_bytes * (RELAY_TAG_STEP * i % RELAY_TAGS);
}

static void publish(struct relay_load *l, const struct relay_pattern *p, __u64 i)
{
	l->now = bench_now();
	if (inlay_publisher_frame(l->publisher, l->payload, relay_pattern_bytes(p, i),
				  i % p->key_every == 0, l->now))
		l->failed = true;
}

/* Within a quarter of a pause, so that no timer of the relay's keeps step with it. */
static inlay_ns jitter(__u64 i, inlay_ns pause)
{
	return (i * 0x9e3779b97f4a7c15ULL >> 32) % (pause / 4);
}

inlay_ns relay_pattern_time(const struct relay_pattern *p, __u64 i)
{
	inlay_ns pause = INLAY_S / p->per_second;

	return i * pause + (p->jitter ? jitter(i, pause) : 0);
}

static void publish_all(struct relay_load *l, const struct relay_pattern *p, inlay_ns begin,
			__u64 n)
{
	for (__u64 i = 0; i < n && !l->failed; i++) {
		run_until(l, begin + relay_pattern_time(p, i));
		publish(l, p, i);
	}
	run_until(l, begin + n * (INLAY_S / p->per_second));
}

void relay_load_run(struct relay_load *l, const struct relay_pattern *p, inlay_ns duration,
		    struct relay_seen *ret_seen)
{
	inlay_ns begin = bench_now();
	__u64 n = duration * p->per_second / INLAY_S;

	relay_load_reset(l);
	l->seen.expected = n * l->config.subscribers;
	publish_all(l, p, begin, n);
	l->seen.seconds = (double)(bench_now() - begin) / INLAY_S;
	/* Not published any more, but still to come. */
	for (inlay_ns limit = bench_now() + SETTLE;
	     l->seen.objects < l->seen.expected && bench_now() < limit && !l->failed;)
		turn(l, limit);
	relay_load_seen(l, ret_seen);
}

void relay_load_idle(struct relay_load *l, inlay_ns until)
{
	run_until(l, until);
}

void relay_load_reset(struct relay_load *l)
{
	l->seen = (struct relay_seen){0};
	l->n_delays = 0;
}

void relay_load_seen(struct relay_load *l, struct relay_seen *ret_seen)
{
	l->seen.p50_us = bench_quantile(l->delays, l->n_delays, 0.5);
	l->seen.p99_us = bench_quantile(l->delays, l->n_delays, 0.99);
	l->seen.failed = l->failed;
	*ret_seen = l->seen;
}

bool relay_load_is_wanted(const struct relay_load *l)
{
	return inlay_publisher_is_wanted(l->publisher);
}

/* --- Life ------------------------------------------------------------------------------------- */

static int open_ports(struct relay_load *l)
{
	struct inlay_port_udp_config config = {
		.local = l->config.local,
		.buffer_bytes = 4 << 20,
		.no_gro = !l->config.gro,
	};
	int ret = 0;

	for (size_t i = 0; i < l->n_ports && !ret; i++) {
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
	/* No relay to anybody: copies may be as large as the path takes. */
	config.params.max_udp_payload_size = 1472;
	config.max_connections = 2 * (__u32)l->n_clients; /* some are closing */
	if (!l->config.publisher)
		config.log_size = LOG;
	return inlay_endpoint_new(&config, bench_now(), &l->endpoint);
}

static int make_data_path(struct relay_load *l)
{
	__u32 n = 2 * (__u32)l->n_clients;
	struct inlay_provider_local_config provider = {.max_sa = 2 * n,
						       .max_cids = INLAY_CONN_CIDS * n};
	struct inlay_datathread_config dt = {.ports = l->ports, .n_ports = l->n_ports, .cpu = -1};

	l->keystore = inlay_keystore_new(n);
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
	l->clients = calloc(l->n_clients, sizeof(*l->clients));
	return l->publisher && l->delays && l->payload && l->clients ? 0 : -ENOMEM;
}

struct relay_load *relay_load_new(const struct relay_load_config *config)
{
	struct relay_load *l = calloc(1, sizeof(*l));
	int ret;

	if (!l)
		return NULL;
	l->config = *config;
	l->n_clients = config->subscribers + config->spare + config->publisher;
	l->n_ports = l->n_clients < PORTS ? l->n_clients : PORTS;
	for (size_t i = 0; i < PORTS; i++)
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
	for (size_t i = 0; l->clients && i < l->n_clients; i++)
		inlay_moq_session_free(l->clients[i].session);
	inlay_publisher_free(l->publisher);
	inlay_datathread_free(l->dt);
	for (size_t i = 0; i < PORTS; i++)
		inlay_port_udp_close(&l->ports[i]);
	inlay_ring_free(l->up);
	inlay_ring_free(l->down);
	inlay_tls_free(l->tls);
	if (l->provider)
		l->provider->ops->free(l->provider);
	inlay_keystore_free(l->keystore);
	free(l->delays);
	free(l->payload);
	free(l->clients);
	free(l);
}
