/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stateless resets that reach an endpoint of ours in packets that name one of its connections (RFC
 * 9000 section 10.3.1). What unknown connection IDs bring about is in endpoint_stranger_test.c.
 */
#include <arpa/inet.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "endpoint_impl.h"
#include "endpoint_tls.h"

static const struct app small_app = {.initiator = true, .n_streams = 1, .bytes = 10};

/* A client of ours with a server of ours, established and quiet. */
static struct node *connect_ours(struct world *w)
{
	struct inlay_endpoint_config config;
	struct node *client;

	inlay_endpoint_config_init(&config);
	config.tls = endpoint_tls_server(&tls, 0);
	world_add_endpoint(w, OURS, &config, 8);
	config.tls = NULL;
	client = world_add_endpoint(w, PEER, &config, 8);
	assert_int_equal(
		world_connect(client, OURS, endpoint_tls_client(&tls, 0), "localhost", small_app),
		0);
	assert_true(world_run(w, world_is_done, client, 10 * INLAY_S));
	world_pass(w, INLAY_S);
	return client;
}

/* |len| bytes with a CID of |c|'s in front and, at the end, |token|. */
static void make(__u8 *packet, size_t len, const struct inlay_ep_conn *c, const __u8 *token)
{
	for (size_t i = 0; i < len; i++)
		packet[i] = (__u8)(i * 37);
	packet[0] = 0x40;
	memcpy(packet + 1, c->own[0].data, INLAY_OWN_CID);
	memcpy(packet + len - INLAY_RESET_TOKEN, token, INLAY_RESET_TOKEN);
}

static __u64 resets_received(const struct node *n)
{
	struct inlay_endpoint_stats stats;

	inlay_endpoint_stats(n->ep, &stats);
	return stats.resets_received;
}

static void a_reset_that_names_a_known_connection_is_heard(void **state)
{
	for (size_t len = 29; len < 1300; len = len * 2 + 1) {
		struct world *w = world_new(1);
		struct node *client = connect_ours(w);
		const struct inlay_ep_conn *c = client->app.ours;
		__u8 packet[1300];

		assert_int_equal(c->n_tokens, 1);
		make(packet, len, c, c->tokens[0]);
		world_inject(w, OURS, PEER, packet, len);
		world_pass(w, 10 * INLAY_S);
		assert_true(client->app.closed);
		assert_true(client->app.why.reset);
		assert_int_equal(resets_received(client), 1);
		assert_int_equal(client->open_refused, 1);
		assert_true(inlay_endpoint_is_idle(client->ep));
		world_free(w);
	}
}

/* One bit off, from elsewhere, or a token of ours: a forgery, and no more. It is not answered. */
static void what_only_resembles_one_is_dropped_in_silence(void **state)
{
	struct world *w = world_new(1);
	struct node *client = connect_ours(w);
	const struct inlay_ep_conn *c = client->app.ours;
	__u8 packet[100], token[INLAY_RESET_TOKEN];
	size_t sent = client->sent;

	for (int bit = 0; bit < 8 * INLAY_RESET_TOKEN; bit++) {
		memcpy(token, c->tokens[0], sizeof(token));
		token[bit / 8] ^= (__u8)(1 << bit % 8);
		make(packet, sizeof(packet), c, token);
		world_inject(w, OURS, PEER, packet, sizeof(packet));
	}
	make(packet, sizeof(packet), c, c->tokens[0]);
	world_inject(w, 9998, PEER, packet, sizeof(packet));
	inlay_reset_token(client->ep->config.reset_key, &c->own[0], token);
	make(packet, sizeof(packet), c, token);
	world_inject(w, OURS, PEER, packet, sizeof(packet));
	world_pass(w, INLAY_S);
	assert_int_equal(client->open_refused, 8 * INLAY_RESET_TOKEN + 2);
	assert_false(client->app.closed);
	assert_int_equal(resets_received(client), 0);
	assert_int_equal(client->sent, sent);
	world_free(w);
}

/* RFC 9000 section 10.3: other versions may have resets with a long header, or none that we know.
 */
static void a_reset_may_have_any_header(void **state)
{
	static const __u8 first[] = {0x40, 0x7f, 0x80, 0xc0, 0xe0};
	static const __u8 versions[] = {0, 1, 0xfa};

	for (size_t i = 0; i < INLAY_ARRAY_SIZE(first) * INLAY_ARRAY_SIZE(versions) * 3; i++) {
		struct world *w = world_new(1);
		struct node *client = connect_ours(w);
		const struct inlay_ep_conn *c = client->app.ours;
		__u8 packet[100];

		make(packet, sizeof(packet), c, c->tokens[0]);
		packet[0] = first[i % INLAY_ARRAY_SIZE(first)];
		if (packet[0] & 0x80) {
			memset(packet + 1, versions[i % INLAY_ARRAY_SIZE(versions)], 4);
			/* To us, to nobody, and malformed. */
			packet[5] = i % 2 ? INLAY_OWN_CID : 200;
			memcpy(packet + 6, c->own[0].data, INLAY_OWN_CID);
			packet[6] ^= i % 4 == 3;
		}
		world_inject(w, OURS, PEER, packet, sizeof(packet));
		world_pass(w, 10 * INLAY_S);
		if (!client->app.closed || !client->app.why.reset)
			fail_msg("no reset: %zu, %02x", i, packet[0]);
		assert_int_equal(resets_received(client), 1);
		world_free(w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_reset_that_names_a_known_connection_is_heard),
		cmocka_unit_test(a_reset_may_have_any_header),
		cmocka_unit_test(what_only_resembles_one_is_dropped_in_silence),
	};

	return cmocka_run_group_tests_name("endpoint_reset", tests, endpoint_tls_set_up,
					   endpoint_tls_tear_down);
}
