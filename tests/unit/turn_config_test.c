/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "turn_config.h"

static struct inlay_turn_options options;
static char err[INLAY_TURN_ERROR];

static int parse(const char *text)
{
	err[0] = '\0';
	return inlay_turn_options_parse("turn.yaml", text, strlen(text), &options, err);
}

static void take(const char *text)
{
	if (parse(text))
		fail_msg("'%s' is refused: %s", text, err);
}

static void an_empty_file_is_the_defaults(void **state)
{
	struct inlay_turn_options defaults;

	inlay_turn_options_default(&defaults);
	take("");
	assert_memory_equal(&options, &defaults, sizeof(options));
	assert_int_equal(options.n_ports, 1);
	assert_int_equal(options.ports[0], 3478);
	assert_int_equal(options.n_interfaces, 0);
	assert_int_equal(options.lifetimes.channel_s, 600);
	assert_int_equal(options.lifetimes.permission_s, 300);
	assert_int_equal(options.limits.packets_per_s, 0);
	assert_string_equal(options.control_socket, INLAY_TURN_SOCKET);
	assert_string_equal(options.metrics, "");
	/* Loopback never goes fast unless that is asked for. */
	assert_int_equal(options.denied[1].addr.ip[0], 127);
	assert_int_equal(options.denied[1].prefix_len, 8);
}

static void every_kind_of_option_is_taken(void **state)
{
	take("interfaces: [eth0, wan.7]\n"
	     "ports: [3478, 65535, 1]\n"
	     "attach: generic\n"
	     "observe: true\n"
	     "netns: relay\n"
	     "denied: [10.1.2.3/8, 'fd00::1/7', 192.0.2.1, '2001:db8::1']\n"
	     "control_socket: /tmp/x.sock\n"
	     "metrics: '[::1]:9641'\n"
	     "log_level: debug\n"
	     "object: /tmp/turn.bpf.o\n"
	     "lifetimes: {channel_s: 60, permission_s: 30}\n"
	     "limits:\n  packets_per_s: 1000\n  bytes_per_s: 4294967295\n  channels: 7\n  "
	     "allocations: 3\n  transactions: 64\n");
	assert_int_equal(options.n_interfaces, 2);
	assert_string_equal(options.interfaces[1], "wan.7");
	assert_int_equal(options.n_ports, 3);
	assert_int_equal(options.ports[1], 65535);
	assert_int_equal(options.attach, INLAY_TURN_ATTACH_GENERIC);
	assert_int_equal(options.observe, 1);
	assert_string_equal(options.netns, "relay");
	assert_int_equal(options.n_denied, 4);
	assert_int_equal(options.denied[0].prefix_len, 8);
	assert_int_equal(options.denied[0].addr.ip[1], 0);
	assert_int_equal(options.denied[1].addr.family, AF_INET6);
	assert_int_equal(options.denied[1].addr.ip[0], 0xfc);
	assert_int_equal(options.denied[2].prefix_len, 32);
	assert_int_equal(options.denied[3].prefix_len, 128);
	assert_string_equal(options.metrics, "[::1]:9641");
	assert_int_equal(options.log_level, INLAY_LOG_DEBUG);
	assert_int_equal(options.lifetimes.permission_s, 30);
	assert_int_equal(options.limits.bytes_per_s, 4294967295);
	assert_int_equal(options.limits.transactions, 64);
}

static void what_is_printed_is_what_would_be_loaded(void **state)
{
	struct inlay_turn_options before;
	char *text;

	take("interfaces: [a, b]\nports: [5, 6]\ndenied: [fe80::/10, 10.0.0.0/9]\n"
	     "limits: {channels: 99}\nnetns: /run/netns/x\n");
	before = options;
	text = inlay_turn_options_print(&options);
	assert_non_null(text);
	take(text);
	assert_memory_equal(&options, &before, sizeof(options));
	free(text);
}

/* What is wrong, and what the line must say. */
static const struct {
	const char *text;
	const char *at;
	const char *needles[2];
} bad[] = {
	{"ports: [3478]\nport: 5\n", "turn.yaml:2: ", {"port", "ports?"}},
	{"ports: [0]\n", "turn.yaml:1: ", {"out of range", "65535"}},
	{"ports: [65536]\n", "turn.yaml:1: ", {"out of range", NULL}},
	{"ports: 3478\n", "turn.yaml:1: ", {"a list", NULL}},
	{"ports: []\n", "turn.yaml:1: ", {"empty", NULL}},
	{"ports: [1,2,3,4,5,6,7,8,9]\n", "turn.yaml:1: ", {"more than 8", NULL}},
	{"ports: [x]\n", "turn.yaml:1: ", {"'x'", "number"}},
	{"\ninterfaces: [0123456789abcdef]\n", "turn.yaml:2: ", {"longer than 15", NULL}},
	{"interfaces: [../x]\n", "turn.yaml:1: ", {"'../x'", NULL}},
	{"denied: [10.0.0.0/33]\n", "turn.yaml:1: ", {"'10.0.0.0/33'", "10.0.0.0/8"}},
	{"denied: [10.0.0.0/]\n", "turn.yaml:1: ", {"neither", NULL}},
	{"denied: ['::/129']\n", "turn.yaml:1: ", {"neither", NULL}},
	{"denied: [host.example]\n", "turn.yaml:1: ", {"neither", NULL}},
	{"attach: xdp\n", "turn.yaml:1: ", {"'xdp'", "native"}},
	{"observe: maybe\n", "turn.yaml:1: ", {"'maybe'", "true"}},
	{"metrics: 0.0.0.0:9641\n", "turn.yaml:1: ", {"not loopback", NULL}},
	{"metrics: localhost\n", "turn.yaml:1: ", {"address with a port", NULL}},
	{"control_socket: ''\n", "turn.yaml:1: ", {"control_socket", NULL}},
	{"lifetimes: {channel_s: 0}\n", "turn.yaml:1: ", {"lifetimes.channel_s", "out of range"}},
	{"limits:\n  bytes_per_s: 238\n", "turn.yaml:2: ", {"limits.bytes_per_s", "239"}},
	{"limits:\n  channels: 1e3\n", "turn.yaml:2: ", {"'1e3'", "whole number"}},
	{"limits:\n  packet_per_s: 5\n", "turn.yaml:2: ", {"packets_per_s?", NULL}},
	{"lifetimes: 5\n", "turn.yaml:1: ", {"a section", NULL}},
};

static void every_mistake_has_its_line_and_says_what_to_do(void **state)
{
	for (size_t i = 0; i < INLAY_ARRAY_SIZE(bad); i++) {
		if (parse(bad[i].text) != -EINVAL)
			fail_msg("'%s' is taken", bad[i].text);
		if (strncmp(err, bad[i].at, strlen(bad[i].at)) || strchr(err, '\n'))
			fail_msg("'%s': '%s' does not begin with '%s'", bad[i].text, err,
				 bad[i].at);
		for (size_t j = 0; j < 2 && bad[i].needles[j]; j++)
			if (!strstr(err, bad[i].needles[j]))
				fail_msg("'%s': no '%s' in '%s'", bad[i].text, bad[i].needles[j],
					 err);
	}
}

static void the_command_line_takes_the_place_of_the_file(void **state)
{
	take("interfaces: [a, b, c]\nports: [1, 2]\n");
	assert_true(inlay_turn_options_interface(&options, 0, "x"));
	assert_int_equal(options.n_interfaces, 1);
	assert_true(inlay_turn_options_port(&options, 0, "7"));
	assert_true(inlay_turn_options_port(&options, 1, "65535"));
	assert_int_equal(options.n_ports, 2);
	assert_int_equal(options.ports[0], 7);
	assert_false(inlay_turn_options_interface(&options, 0, ""));
	assert_false(inlay_turn_options_interface(&options, INLAY_TURN_INTERFACES, "x"));
	assert_false(inlay_turn_options_port(&options, 0, "0"));
	assert_false(inlay_turn_options_port(&options, 0, "65536"));
	assert_false(inlay_turn_options_port(&options, 0, "1x"));
	assert_false(inlay_turn_options_port(&options, 0, ""));
	assert_false(inlay_turn_options_port(&options, INLAY_TURN_PORTS, "5"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_file_is_the_defaults),
		cmocka_unit_test(every_kind_of_option_is_taken),
		cmocka_unit_test(what_is_printed_is_what_would_be_loaded),
		cmocka_unit_test(every_mistake_has_its_line_and_says_what_to_do),
		cmocka_unit_test(the_command_line_takes_the_place_of_the_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
