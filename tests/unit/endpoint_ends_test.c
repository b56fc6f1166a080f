/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How connections of our endpoint end, its own and with peers on unmodified libngtcp2: closed by
 * either side, refused, idle, freed, never made; and that everything is given back.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <setjmp.h>

#include <cmocka.h>

#include "endpoint_impl.h"
#include "endpoint_tls.h"

/* --- Established connections ----------------------------------------------------------------- */

/* More than the provider and the key store hold at once: what is not given back is missed. */
static void many_come_and_go(void **state)
{
	const struct app app = {.initiator = true, .n_streams = 2, .bytes = 1000, .n_datagrams = 2};
	struct world *w = world_new(1);
	struct inlay_endpoint_config config;
	struct node *server = endpoint_tls_add_server(&tls, w, &config), *clients[4];
	struct inlay_endpoint_stats stats;

	for (int round = 0; round < 8; round++) {
		for (int i = 0; i < 4; i++)
			clients[i] = endpoint_tls_add_client(&tls, w,
							     (__u16)(5000 + 10 * round + i), app);
		for (int i = 0; i < 4; i++) {
			assert_true(world_run(w, world_is_done, clients[i], 10 * INLAY_S));
			assert_false(clients[i]->app.closed);
			assert_int_equal(clients[i]->app.wrong, 0);
		}
		inlay_endpoint_stats(server->ep, &stats);
		assert_int_equal(stats.connections, 4);
		for (int i = 0; i < 4; i++)
			inlay_peer_close(clients[i]->peer, true, 0, "");
		world_pass(w, 5 * INLAY_S);
		assert_true(inlay_endpoint_is_idle(server->ep));
		for (int i = 0; i < 4; i++)
			world_remove(clients[i]);
	}
	inlay_endpoint_stats(server->ep, &stats);
	assert_int_equal(stats.established, 32);
	assert_int_equal(stats.connections, 0);
	world_free(w);
}

static void shutdown_is_heard(void **state)
{
	const struct app app = {.initiator = true, .n_streams = 1, .bytes = 10};
	struct world *w = world_new(1);
	struct inlay_endpoint_config config;
	struct node *server = endpoint_tls_add_server(&tls, w, &config);
	struct node *client = endpoint_tls_add_client(&tls, w, PEER, app), *late;

	assert_true(world_run(w, world_is_done, client, 10 * INLAY_S));
	/* One more has only begun. */
	late = endpoint_tls_add_client(&tls, w, 5001, app);
	world_pass(w, 15 * INLAY_MS);
	inlay_endpoint_close(server->ep, 0x42, "good night", w->now);
	assert_int_equal(
		world_connect(server, 5001, endpoint_tls_client(&tls, 0), "localhost", app),
		-ESHUTDOWN);
	world_pass(w, 5 * INLAY_S);
	assert_true(client->app.closed);
	assert_true(client->app.why.application);
	assert_int_equal(client->app.why.code, 0x42);
	assert_string_equal(client->app.why.text, "good night");
	assert_true(late->app.closed);
	assert_int_equal(late->app.why.code, INLAY_QUIC_CONNECTION_REFUSED);
	assert_true(inlay_endpoint_is_idle(server->ep));
	world_free(w);
}

static void application_refuses(void **state)
{
	struct world *w = world_new(1);
	struct inlay_endpoint_config config;
	struct node *server = endpoint_tls_add_server(&tls, w, &config);
	struct node *client =
		endpoint_tls_add_client(&tls, w, PEER, (struct app){.initiator = true});

	server->refuse = true;
	world_pass(w, 5 * INLAY_S);
	assert_true(client->app.closed);
	assert_true(client->app.why.by_peer);
	assert_int_equal(client->app.why.code, INLAY_QUIC_CONNECTION_REFUSED);
	assert_true(inlay_endpoint_is_idle(server->ep));
	world_free(w);
}

static void idle_connections_go(void **state)
{
	const struct app app = {.initiator = true, .n_streams = 1, .bytes = 10};
	struct world *w = world_new(1);
	struct inlay_endpoint_config config;
	struct node *server = endpoint_tls_add_server(&tls, w, &config);
	struct node *client = endpoint_tls_add_client(&tls, w, PEER, app);

	assert_true(world_run(w, world_is_done, client, 10 * INLAY_S));
	world_remove(client); /* without a word */
	world_pass(w, 120 * INLAY_S);
	assert_true(server->accepted[0]->closed);
	assert_true(server->accepted[0]->why.idle);
	assert_true(inlay_endpoint_is_idle(server->ep));
	world_free(w);
}

static void freed_while_open(void **state)
{
	const struct app app = {.initiator = true, .n_streams = 1, .bytes = 10};
	struct world *w = world_new(1);
	struct inlay_endpoint_config config;
	struct node *server = endpoint_tls_add_server(&tls, w, &config);
	struct node *client = endpoint_tls_add_client(&tls, w, PEER, app);

	assert_true(world_run(w, world_is_done, client, 10 * INLAY_S));
	world_restart_endpoint(server, &config);
	assert_true(server->accepted[0]->closed);
	/* And everything was given back. */
	for (int i = 0; i < 4; i++)
		client = endpoint_tls_add_client(&tls, w, (__u16)(5001 + i), app);
	assert_true(world_run(w, world_is_done, client, 10 * INLAY_S));
	assert_false(client->app.closed);
	world_free(w);
}

/* --- Dialling that fails -------------------------------------------------------------------- */

static bool dial_failed(struct world *w, void *user)
{
	return ((struct node *)user)->app.failed;
}

static void dials_nobody(void **state)
{
	struct world *w = world_new(1);
	struct inlay_endpoint_config config;
	struct node *n = endpoint_tls_add_server(&tls, w, &config);

	assert_int_equal(
		world_connect(n, 9999, endpoint_tls_client(&tls, 0), "localhost", (struct app){0}),
		0);
	assert_true(world_run(w, dial_failed, n, 20 * INLAY_S));
	assert_int_equal(w->now, 100 * INLAY_S + config.handshake_timeout);
	assert_non_null(strstr(n->app.failure, "too long"));
	world_pass(w, INLAY_S);
	assert_true(inlay_endpoint_is_idle(n->ep));
	assert_int_equal(n->n_failed, 1);
	world_free(w);
}

static void dials_the_wrong_host(void **state)
{
	struct inlay_peer_config peer = {0};
	struct world *w = world_new(1);
	struct inlay_endpoint_config config;
	struct node *n = endpoint_tls_add_server(&tls, w, &config), *server;

	endpoint_tls_peer(&tls, &peer, true);
	server = world_add_peer(w, PEER, 0, peer, (struct app){0});
	assert_int_equal(world_connect(n, PEER, endpoint_tls_client(&tls, 0), "example.org",
				       (struct app){0}),
			 0);
	world_pass(w, 5 * INLAY_S);
	assert_true(n->app.failed);
	assert_non_null(strstr(n->app.failure, "example.org"));
	assert_true(server->app.closed); /* it was told */
	assert_true(inlay_endpoint_is_idle(n->ep));
	world_free(w);
}

static void ours_with_ours(void **state)
{
	const struct app app = {
		.initiator = true, .n_streams = 6, .bytes = 50000, .n_datagrams = 5};
	struct world *w = world_new(1);
	struct inlay_endpoint_config config;
	struct node *server = endpoint_tls_add_server(&tls, w, &config), *client;

	inlay_endpoint_config_init(&config);
	client = world_add_endpoint(w, PEER, &config, 4);
	assert_int_equal(
		world_connect(client, OURS, endpoint_tls_client(&tls, 0), "localhost", app), 0);
	assert_true(world_run(w, world_is_done, client, 30 * INLAY_S));
	assert_int_equal(client->app.wrong, 0);
	assert_false(client->app.closed);
	inlay_endpoint_close(client->ep, 3, "", w->now);
	world_pass(w, 5 * INLAY_S);
	assert_true(inlay_endpoint_is_idle(client->ep));
	assert_true(inlay_endpoint_is_idle(server->ep));
	assert_int_equal(server->accepted[0]->why.code, 3);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ours_with_ours),      cmocka_unit_test(many_come_and_go),
		cmocka_unit_test(shutdown_is_heard),   cmocka_unit_test(application_refuses),
		cmocka_unit_test(idle_connections_go), cmocka_unit_test(freed_while_open),
		cmocka_unit_test(dials_nobody),	       cmocka_unit_test(dials_the_wrong_host),
	};

	return cmocka_run_group_tests_name("endpoint_ends", tests, endpoint_tls_set_up,
					   endpoint_tls_tear_down);
}
