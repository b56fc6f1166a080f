/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The commands "connections" and "qlog" of the control socket, and the lines that inlayctl makes of
 * them. The connections here are dialled, and nobody answers; tests/net/relay_test.py asks for
 * living ones.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "connections.h"
#include "connections_view.h"
#include "daemon_impl.h"
#include "provider_local.h"
#include "tls.h"

#define MANY (2 * INLAY_CONNECTIONS_PAGE + 5)

static struct inlay_daemon *d;

static void dial_one(__u16 port)
{
	struct inlay_endpoint_dial dial = {.tls = d->tls, .host = "localhost"};
	struct inlay_ep_conn *c;
	char text[32];

	snprintf(text, sizeof(text), "127.0.0.1:%u", port);
	assert_int_equal(inlay_address_parse("127.0.0.1:1", &dial.path.local), 0);
	assert_int_equal(inlay_address_parse(text, &dial.path.remote), 0);
	assert_int_equal(inlay_endpoint_connect(d->endpoint, &dial, d->now, &c), 0);
}

static const struct inlay_conn_ops *on_connection(void *user, struct inlay_ep_conn *c,
						  const struct inlay_handover *handover,
						  void **ret_user)
{
	return NULL;
}

static int set_up(void **state)
{
	static const struct inlay_endpoint_ops ops = {.on_connection = on_connection};
	static const char *const alpn[] = {INLAY_ALPN};
	const struct inlay_provider_local_config provider = {.max_sa = 4, .max_cids = 8};
	struct inlay_tls_config tls = {
		.role = INLAY_CLIENT, .insecure = true, .alpn = alpn, .n_alpn = 1};
	struct inlay_endpoint_config config;
	char err[256];

	d = calloc(1, sizeof(*d));
	inlay_endpoint_config_init(&config);
	d->qlogs.dirfd = -1;
	d->policy = &inlay_policy_live;
	d->now = inlay_loop_now();
	config.keystore = d->keystore = inlay_keystore_new(MANY);
	config.provider = d->provider = inlay_provider_local_new(&provider);
	config.max_connections = MANY;
	config.ops = &ops;
	if (!d->keystore || !d->provider || inlay_tls_new(&tls, err, sizeof(err), &d->tls) ||
	    inlay_endpoint_new(&config, d->now, &d->endpoint))
		return -1;
	for (__u16 i = 0; i < MANY; i++)
		dial_one((__u16)(1000 + i));
	return 0;
}

static int tear_down(void **state)
{
	inlay_endpoint_free(d->endpoint);
	d->provider->ops->free(d->provider);
	inlay_keystore_free(d->keystore);
	inlay_tls_free(d->tls);
	free(d);
	return 0;
}

/* The answer to |text| as a request; NULL: *ret_error. */
static json_t *ask(const char *text, const char **ret_error)
{
	json_t *request = json_loads(text, 0, NULL), *answer;
	const char *command = json_string_value(json_object_get(request, "command"));

	assert_non_null(request);
	answer = strcmp(command, "qlog") ? inlay_connections_answer(d, request, ret_error)
					 : inlay_connections_qlog(d, request, ret_error);
	json_decref(request);
	return answer;
}

static json_int_t id_of(const json_t *list, size_t i)
{
	return inlay_control_number(json_array_get(list, i), "id");
}

static void pages_have_every_connection_once_in_order(void **state)
{
	json_int_t after = 0;
	const char *error;
	size_t seen = 0;
	bool more = true;
	char text[80];

	while (more) {
		json_t *answer, *list;

		snprintf(text, sizeof(text), "{\"command\": \"connections\", \"after\": %lld}",
			 (long long)after);
		answer = ask(text, &error);
		assert_non_null(answer);
		list = json_object_get(answer, "connections");
		assert_in_range(json_array_size(list), 1, INLAY_CONNECTIONS_PAGE);
		for (size_t i = 0; i < json_array_size(list); i++) {
			assert_int_equal(id_of(list, i), after + 1);
			after = id_of(list, i);
		}
		seen += json_array_size(list);
		more = json_is_true(json_object_get(answer, "more"));
		assert_true(more || seen == MANY);
		json_decref(answer);
	}
	assert_int_equal(seen, MANY);
}

static void numbers_select_connections(void **state)
{
	const char *error;
	json_t *answer = ask("{\"command\": \"connections\", \"ids\": [7, 3, 99999]}", &error);
	json_t *list = json_object_get(answer, "connections");

	assert_int_equal(json_array_size(list), 2);
	assert_int_equal(id_of(list, 0), 3);
	assert_int_equal(id_of(list, 1), 7);
	assert_string_equal(inlay_control_text(json_array_get(list, 0), "remote"),
			    "127.0.0.1:1002");
	assert_string_equal(inlay_control_text(json_array_get(list, 0), "state"), "handshake");
	assert_string_equal(inlay_control_text(json_array_get(list, 0), "role"), "client");
	assert_true(json_is_false(json_object_get(answer, "more")));
	json_decref(answer);
	answer = ask("{\"command\": \"connections\", \"ids\": []}", &error);
	assert_int_equal(json_array_size(json_object_get(answer, "connections")), 0);
	json_decref(answer);
}

static void wrong_requests_are_told_what_is_wrong(void **state)
{
	static const struct {
		const char *request, *needle;
	} bad[] = {
		{"{\"command\": \"connections\", \"after\": \"x\"}", "after"},
		{"{\"command\": \"connections\", \"ids\": 5}", "ids"},
		{"{\"command\": \"connections\", \"ids\": [\"5\"]}", "ids"},
		{"{\"command\": \"qlog\"}", "connection"},
		{"{\"command\": \"qlog\", \"connection\": 1, \"on\": 1}", "on"},
		{"{\"command\": \"qlog\", \"connection\": 99999, \"on\": true}", "no such"},
		/* It is in its handshake yet. */
		{"{\"command\": \"qlog\", \"connection\": 1, \"on\": true}", "no such"},
	};
	const char *error;

	for (size_t i = 0; i < INLAY_ARRAY_SIZE(bad); i++) {
		error = NULL;
		assert_null(ask(bad[i].request, &error));
		assert_non_null(strstr(error, bad[i].needle));
	}
}

static void numbers_fit_into_four_places(void **state)
{
	static const struct {
		double value;
		const char *text;
	} cases[] = {
		{0, "0"},	  {7, "7"},	    {999, "999"},    {999.6, "1.0k"},
		{1000, "1.0k"},	  {9949, "9.9k"},   {9950, "10k"},   {12345, "12k"},
		{999499, "999k"}, {999600, "1.0M"}, {4.2e9, "4.2G"}, {1e15, "1.0P"},
		{1e30, "9999P"},
	};
	char text[8];

	for (size_t i = 0; i < INLAY_ARRAY_SIZE(cases); i++) {
		inlay_connections_human(cases[i].value, text);
		assert_string_equal(text, cases[i].text);
	}
}

static void a_line_says_what_there_is(void **state)
{
	json_t *list = json_loads(
		"[{\"id\": 12, \"remote\": \"[::1]:5\", \"role\": \"server\", \"state\": "
		"\"established\", \"age_ms\": 3725000, \"tracks_subscribed\": 2, "
		"\"tracks_published\": 1, \"fast_positions\": 2, \"streams_lent\": 5, "
		"\"copies\": 1234, \"srtt_us\": 40100, \"min_rtt_us\": 39900, \"cwnd\": "
		"123456, \"bytes_in_flight\": 2400, \"bandwidth_bps\": 9800000, \"app_limited\": "
		"true, \"packets_sent\": 1000, \"packets_lost\": 5, \"mtu\": 1452, \"ecn\": "
		"\"capable\", \"congestion_control\": \"live\", \"policy\": \"live\", \"qlog\": "
		"true}, {\"id\": 13, \"remote\": \"x\", \"state\": \"handshake\"}]",
		0, NULL);
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	inlay_connections_print(f, list);
	fclose(f);
	json_decref(list);
	assert_non_null(strstr(
		text,
		"    12 [::1]:5               server established  1h02m    2    1 "
		"   2    5  1.2k  40.1  39.9  123k  2.4k  9.8M+  0.50     0     0  1452 capable "
		"   0     0 live    live qlog\n"));
	assert_non_null(strstr(text, "    13 x"));
	/* Titles stand over their columns. */
	assert_ptr_equal(strstr(strstr(text, "\n") + 1, "[::1]") - (strchr(text, '\n') + 1),
			 strstr(text, "REMOTE") - text);
	assert_int_equal(strstr(strstr(text, "\n") + 1, " 1452") + 5 - (strchr(text, '\n') + 1),
			 strstr(text, "MTU") + 3 - text);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages_have_every_connection_once_in_order),
		cmocka_unit_test(numbers_select_connections),
		cmocka_unit_test(wrong_requests_are_told_what_is_wrong),
		cmocka_unit_test(numbers_fit_into_four_places),
		cmocka_unit_test(a_line_says_what_there_is),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
