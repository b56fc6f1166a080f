/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"

static struct inlay_config config;
static char err[INLAY_CONFIG_ERROR];

static int parse(const char *text)
{
	err[0] = '\0';
	return inlay_config_parse("inlayd.yaml", text, strlen(text), &config, err);
}

static void take(const char *text)
{
	if (parse(text))
		fail_msg("'%s' is refused: %s", text, err);
}

static void an_empty_file_is_the_defaults(void **state)
{
	static const char *const empty[] = {"", "\n", "# nothing\n", "---\n...\n", "limits: {}\n"};
	struct inlay_config defaults;

	inlay_config_default(&defaults);
	assert_int_equal(defaults.n_listen, 1);
	assert_true(inlay_address_is_loopback(&defaults.listen[0]));
	assert_int_equal(ntohs(defaults.listen[0].port), 4433);
	assert_int_equal(defaults.limits.idle_timeout_ms, 30000);
	assert_int_equal(defaults.congestion_control, INLAY_CC_LIVE);
	for (size_t i = 0; i < INLAY_ARRAY_SIZE(empty); i++) {
		if (i == 3)
			continue; /* a document that holds the empty value: see the bad ones */
		take(empty[i]);
		assert_memory_equal(&config, &defaults, sizeof(config));
	}
}

static void every_kind_of_option_is_taken(void **state)
{
	take("congestion_control: live\n");
	assert_int_equal(config.congestion_control, INLAY_CC_LIVE);
	take("listen: [127.0.0.1:1, '[::1]:65535']\n"
	     "certificate: /a b/c.pem\n"
	     "open: true\n"
	     "ciphers: [chacha20-poly1305, aes-128-gcm]\n"
	     "alpn: [moqt-18]\n"
	     "retry: on\n"
	     "crypto_backend: ipsec-mb\n"
	     "congestion_control: cubic\n"
	     "policy: live\n"
	     "placement: conventional\n"
	     "qlog: {directory: /var/log/inlay, connections: all, max_bytes: 70000}\n"
	     "ecn: false\n"
	     "log_level: debug\n"
	     "gso: off\n"
	     "data_thread_cpu: 1\n"
	     "control_socket: /tmp/x.sock\n"
	     "limits:\n  idle_timeout_ms: 5000\n  keep_alive_ms: 4999\n  streams_uni: 10\n  "
	     "path_mtu_bytes: 1452\n"
	     "cache: {bytes: 2097152}\n"
	     "relay:\n  publisher_grace_ms: 7\n"
	     "origin:\n  uri: moqt://other:4433/\n  insecure: true\n");
	assert_int_equal(config.n_listen, 2);
	assert_int_equal(config.listen[1].family, AF_INET6);
	assert_int_equal(ntohs(config.listen[1].port), 65535);
	assert_string_equal(config.certificate, "/a b/c.pem");
	assert_int_equal(config.open, 1);
	assert_int_equal(config.n_ciphers, 2);
	assert_int_equal(config.ciphers[0], INLAY_CHACHA20_POLY1305);
	assert_int_equal(config.n_alpn, 1);
	assert_string_equal(config.alpn[0], "moqt-18");
	assert_int_equal(config.retry, INLAY_RETRY_ON);
	assert_int_equal(config.crypto_backend, INLAY_BACKEND_IPSEC_MB);
	assert_int_equal(config.congestion_control, INLAY_CC_CUBIC);
	assert_int_equal(config.ecn, 0);
	assert_int_equal(config.limits.path_mtu_bytes, 1452);
	assert_int_equal(config.policy, INLAY_POLICY_LIVE);
	assert_int_equal(config.placement, INLAY_PLACEMENT_CONVENTIONAL);
	assert_string_equal(config.qlog.directory, "/var/log/inlay");
	assert_int_equal(config.qlog.connections, INLAY_QLOG_ALL);
	assert_int_equal(config.qlog.max_bytes, 70000);
	assert_int_equal(config.qlog.max_files, 64);
	assert_int_equal(config.log_level, INLAY_LOG_DEBUG);
	assert_int_equal(config.gso, INLAY_OFFLOAD_OFF);
	assert_int_equal(config.gro, INLAY_OFFLOAD_AUTO);
	assert_int_equal(config.data_thread_cpu, 1);
	assert_int_equal(config.limits.idle_timeout_ms, 5000);
	assert_int_equal(config.limits.keep_alive_ms, 4999);
	assert_int_equal(config.limits.streams_uni, 10);
	assert_int_equal(config.limits.streams_bidi, 1024);
	assert_int_equal(config.cache.bytes, 2097152);
	assert_int_equal(config.cache.track_bytes, 2097152);
	assert_int_equal(config.relay.publisher_grace_ms, 7);
	assert_string_equal(config.origin.uri, "moqt://other:4433/");
	assert_int_equal(config.origin.insecure, 1);
}

/* What is wrong, and what the line must say. */
static const struct {
	const char *text;
	const char *at;
	const char *needles[3];
} bad[] = {
	{"listen:\n  - 127.0.0.1:4433\nmax_conections: 5\n",
	 "inlayd.yaml:3: ",
	 {"max_conections", "unknown", "max_connections?"}},
	{"limits:\n  idle: 5\n  \n", "inlayd.yaml:2: ", {"limits.idle", "unknown"}},
	{"idle_timeout_ms: 5000\n",
	 "inlayd.yaml:1: ",
	 {"idle_timeout_ms: unknown", "limits.idle_timeout_ms?"}},
	{"cache:\n  byte: 5\n", "inlayd.yaml:2: ", {"cache.byte: ", "cache.bytes?"}},
	{"wholly_different: 1\n", "inlayd.yaml:1: ", {"wholly_different: unknown key"}},
	{"placement: kernel\n",
	 "inlayd.yaml:1: ",
	 {"placement: 'kernel'", "auto, user, conventional"}},
	{"policy: lively\n", "inlayd.yaml:1: ", {"policy: 'lively'", "fair, live"}},
	{"qlog:\n  connections: all\n", "inlayd.yaml:2: ", {"qlog.connections", "qlog.directory"}},
	{"qlog: {directory: logs}\n", "inlayd.yaml:1: ", {"qlog.directory: 'logs'", "absolute"}},
	{"qlog: {max_bytes: 5}\n", "inlayd.yaml:1: ", {"qlog.max_bytes: 5", "65536 to"}},
	{"gro: on\n", "inlayd.yaml:1: ", {"gro: 'on'", "auto, off"}},
	{"\n\nretry: onn\n", "inlayd.yaml:3: ", {"retry: 'onn'", "off, on, load"}},
	{"open: maybe\n", "inlayd.yaml:1: ", {"open: 'maybe'", "false, true"}},
	{"open: 1\n", "inlayd.yaml:1: ", {"open: '1'"}},
	{"max_connections: 0\n", "inlayd.yaml:1: ", {"max_connections: 0", "1 to 65536"}},
	{"max_connections: 65537\n", "inlayd.yaml:1: ", {"out of range"}},
	{"max_connections: 99999999999999999999999\n", "inlayd.yaml:1: ", {"out of range"}},
	{"max_connections: -1\n", "inlayd.yaml:1: ", {"out of range"}},
	{"max_connections: 1e3\n", "inlayd.yaml:1: ", {"'1e3' is not a whole number"}},
	{"max_connections: 0x10\n", "inlayd.yaml:1: ", {"whole number"}},
	{"max_connections: 010\n", "inlayd.yaml:1: ", {"whole number"}},
	{"max_connections: many\n", "inlayd.yaml:1: ", {"'many' is not a whole number"}},
	{"max_connections:\n", "inlayd.yaml:1: ", {"max_connections: '' is not a whole number"}},
	{"max_connections: 5 6\n", "inlayd.yaml:1: ", {"whole number"}},
	{"ecn: yes\n", "inlayd.yaml:1: ", {"ecn: 'yes'", "false, true"}},
	{"limits:\n  path_mtu_bytes: 1199\n", "inlayd.yaml:2: ", {"1200 to 1950"}},
	{"limits:\n  window_growth: 65\n", "inlayd.yaml:2: ", {"window_growth: 65", "1 to 64"}},
	{"limits:\n  receive_memory_bytes: 1000\n",
	 "inlayd.yaml:2: ",
	 {"receive_memory_bytes: 1000"}},
	{"limits:\n  streams_uni: 8\n  idle_timeout_ms: 1\n",
	 "inlayd.yaml:3: ",
	 {"limits.idle_timeout_ms: 1", "1000 to 600000"}},
	{"limits:\n  keep_alive_ms: 30000\n",
	 "inlayd.yaml:2: ",
	 {"keep_alive_ms", "not below limits.idle_timeout_ms (30000)"}},
	{"retry: on\nopen: true\nretry: off\n",
	 "inlayd.yaml:3: ",
	 {"retry: given twice", "line 1"}},
	{"cache:\n  bytes: 2000000\ncache:\n  age_ms: 500\n",
	 "inlayd.yaml:3: ",
	 {"cache: given twice"}},
	{"ciphers: [aes-128-gcm,\n  rot13]\n",
	 "inlayd.yaml:2: ",
	 {"ciphers: 'rot13'", "aes-256-gcm"}},
	{"ciphers: aes-128-gcm\n", "inlayd.yaml:1: ", {"ciphers: is a single value", "a list"}},
	{"ciphers: []\n", "inlayd.yaml:1: ", {"ciphers: an empty list"}},
	{"ciphers: [aes-128-gcm, aes-128-gcm, aes-128-gcm, aes-128-gcm]\n",
	 "inlayd.yaml:1: ",
	 {"ciphers: more than 3"}},
	{"listen:\n", "inlayd.yaml:1: ", {"listen: is a single value; it should be a list"}},
	{"listen: [[127.0.0.1:1]]\n",
	 "inlayd.yaml:1: ",
	 {"listen: is a list; it should be a single"}},
	{"listen: [4433]\n", "inlayd.yaml:1: ", {"listen: '4433' is not an address"}},
	{"\nlisten: [127.0.0.1:99999]\n", "inlayd.yaml:2: ", {"listen: '127.0.0.1:99999'"}},
	{"listen: ['::1:4433']\n", "inlayd.yaml:1: ", {"listen: '::1:4433'", "[::1]:4433"}},
	{"listen: [localhost:4433]\n", "inlayd.yaml:1: ", {"listen: 'localhost:4433'"}},
	{"listen: [127.0.0.1:1, 127.0.0.1:1]\n", "inlayd.yaml:1: ", {"twice"}},
	{"open: false\nlisten:\n  - 0.0.0.0:4433\n",
	 "inlayd.yaml:2: ",
	 {"listen: 0.0.0.0:4433 is not loopback", "open: true"}},
	{"listen: ['[::]:4433']\n", "inlayd.yaml:1: ", {"[::]:4433 is not loopback"}},
	{"listen: ['[::ffff:127.0.0.1]:4433']\n", "inlayd.yaml:1: ", {"not loopback"}},
	{"limits: 5\n", "inlayd.yaml:1: ", {"limits: is a single value; it should be a section"}},
	{"limits: [5]\n", "inlayd.yaml:1: ", {"limits: is a list"}},
	{"certificate: [a]\n", "inlayd.yaml:1: ", {"certificate: is a list"}},
	{"ring_frames: 100\n", "inlayd.yaml:1: ", {"ring_frames: not a power of two"}},
	{"open: true\nlimits:\n  sent_log_packets: 1000\n",
	 "inlayd.yaml:3: ",
	 {"limits.sent_log_packets", "power of two"}},
	{"limits:\n  stream_window_bytes: 100000000\n",
	 "inlayd.yaml:2: ",
	 {"limits.stream_window_bytes: larger than limits.connection_window_bytes"}},
	{"origin: {retry_min_ms: 60000}\n", "inlayd.yaml:1: ", {"origin.retry_min_ms: larger"}},
	{"origin:\n  uri: http://a/\n", "inlayd.yaml:2: ", {"origin.uri: 'http://a/'"}},
	{"origin: {uri: 'moqt://a:0/'}\n", "inlayd.yaml:1: ", {"origin.uri: ", "host:port"}},
	{"origin: {uri: 'moqt://a:1x/'}\n", "inlayd.yaml:1: ", {"origin.uri: ", "host:port"}},
	{"origin: {uri: 'moqt://[::1'}\n", "inlayd.yaml:1: ", {"origin.uri: ", "host:port"}},
	{"control_socket: ''\n", "inlayd.yaml:1: ", {"control_socket: "}},
	{"alpn: ['']\n", "inlayd.yaml:1: ", {"alpn: '' is not spoken", "moqt-18"}},
	{"alpn: [0123456789012345678901234567890123456789]\n", "inlayd.yaml:1: ", {"alpn: longer"}},
	/* Not YAML, or more of it than there should be. */
	{"- a\n- b\n", "inlayd.yaml:1: ", {"not a list of keys"}},
	{"just text\n", "inlayd.yaml:1: ", {"not a list of keys"}},
	{"---\n...\n", "inlayd.yaml:2: ", {"not a list of keys"}},
	{"open: [true\nretry: on\n", "inlayd.yaml:2: ", {"did not find expected"}},
	{"open: true\n\tretry: on\n", "inlayd.yaml:2: ", {"tab"}},
	{"open: true\n---\nopen: false\n", "inlayd.yaml:2: ", {"a second document"}},
	{"open: &x true\nretry: *x\n", "inlayd.yaml:2: ", {"aliases"}},
	{"? [a, b]\n: c\n", "inlayd.yaml:1: ", {"a key must be plain text"}},
	{"cache:\n  bytes:\n    a:\n      b:\n        c: 1\n",
	 "inlayd.yaml:5: ",
	 {"nested too deeply"}},
	{"\"open\\0\": true\n", "inlayd.yaml:1: ", {"not text"}},
	{"open: \"true\\0\"\n", "inlayd.yaml:1: ", {"not text"}},
	{"open: \xff\xfe\n", "inlayd.yaml:1: ", {"UTF-8"}},
};

static void bad_files_are_refused_by_line_and_key(void **state)
{
	for (size_t i = 0; i < INLAY_ARRAY_SIZE(bad); i++) {
		memset(&config, 0x5a, sizeof(config));
		if (parse(bad[i].text) != -EINVAL)
			fail_msg("accepted: %s", bad[i].text);
		assert_int_equal(config.open, 0x5a5a5a5a); /* set on success only */
		if (strncmp(err, bad[i].at, strlen(bad[i].at)))
			fail_msg("'%s' does not begin with '%s', for: %s", err, bad[i].at,
				 bad[i].text);
		for (int n = 0; n < 3 && bad[i].needles[n]; n++)
			if (!strstr(err, bad[i].needles[n]))
				fail_msg("'%s' does not say '%s'", err, bad[i].needles[n]);
		assert_null(strchr(err, '\n'));
	}
}

static void long_values_end_in_short_lines(void **state)
{
	char text[2000];

	memset(text, 'x', sizeof(text));
	memcpy(text, "certificate: ", 13);
	text[500] = '\0';
	assert_int_equal(parse(text), -EINVAL);
	assert_non_null(strstr(err, "certificate: longer than 255 bytes"));
	text[500] = 'x';
	text[1999] = '\0';
	assert_int_equal(parse(text), -EINVAL);
	assert_non_null(strstr(err, "value too long"));
	memset(text, 'k', 300);
	text[300] = ':';
	text[301] = '\0';
	assert_int_equal(parse(text), -EINVAL);
	assert_non_null(strstr(err, "key too long"));
}

static void size_and_entries_are_bounded(void **state)
{
	size_t room = 200000, at;
	char *text = malloc(room);

	assert_non_null(text);
	memset(text, '#', room);
	text[room - 1] = '\0';
	assert_int_equal(parse(text), -EINVAL);
	assert_non_null(strstr(err, "larger than 65536"));

	at = (size_t)sprintf(text, "listen: [");
	for (int i = 0; i < 600; i++)
		at += (size_t)sprintf(text + at, "a,");
	sprintf(text + at, "]\n");
	assert_int_equal(parse(text), -EINVAL);
	assert_non_null(strstr(err, "more than 512 entries"));
	free(text);
}

static void what_is_printed_loads_as_the_same(void **state)
{
	struct inlay_config first;
	char *text;

	take("listen: [127.0.0.1:1, '[::1]:2']\nciphers: [aes-256-gcm]\nretry: off\nopen: true\n"
	     "limits: {streams_uni: 99}\norigin: {uri: 'moqt://a/:b/#c', insecure: true}\n"
	     "certificate: '/a: b #c'\nkey: 'it''s'\ndata_thread_cpu: -1\n");
	first = config;
	text = inlay_config_print(&first);
	assert_non_null(text);
	take(text);
	assert_memory_equal(&first, &config, sizeof(config));
	free(text);
}

static void files_are_named(void **state)
{
	char path[] = "/tmp/inlay-config-test-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "open: true\nretyr: on\n", 21), 21);
	close(fd);
	assert_int_equal(inlay_config_load(path, &config, err), -EINVAL);
	assert_ptr_equal(strstr(err, path), err);
	assert_string_equal(err + strlen(path), ":2: retyr: unknown key; did you mean retry?");
	unlink(path);
	assert_int_equal(inlay_config_load(path, &config, err), -ENOENT);
	assert_non_null(strstr(err, path));
	assert_non_null(strstr(err, "No such file"));
	assert_int_equal(inlay_config_load("/", &config, err), -EISDIR);
}

static void addresses_keep_their_form(void **state)
{
	static const char *const good[] = {"127.0.0.1:4433", "[::1]:1", "0.0.0.0:0",
					   "[2001:db8::1]:65535"};
	static const char *const wrong[] = {"",
					    ":1",
					    "127.0.0.1",
					    "127.0.0.1:",
					    "127.0.0.1:x",
					    "[::1]",
					    "[::1:4433",
					    "::1]:4433",
					    "[]:1",
					    "[127.0.0.1]:1",
					    "1.2.3:4",
					    "127.0.0.1:-1",
					    "127.0.0.1: 1",
					    "127.0.0.1:123456"};
	char text[INLAY_ADDRESS_TEXT];
	struct inlay_addr addr;

	for (size_t i = 0; i < INLAY_ARRAY_SIZE(good); i++) {
		assert_int_equal(inlay_address_parse(good[i], &addr), 0);
		inlay_address_format(&addr, text);
		assert_string_equal(text, good[i]);
	}
	for (size_t i = 0; i < INLAY_ARRAY_SIZE(wrong); i++)
		if (inlay_address_parse(wrong[i], &addr) != -EINVAL)
			fail_msg("'%s' is accepted", wrong[i]);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_file_is_the_defaults),
		cmocka_unit_test(every_kind_of_option_is_taken),
		cmocka_unit_test(bad_files_are_refused_by_line_and_key),
		cmocka_unit_test(long_values_end_in_short_lines),
		cmocka_unit_test(size_and_entries_are_bounded),
		cmocka_unit_test(what_is_printed_loads_as_the_same),
		cmocka_unit_test(files_are_named),
		cmocka_unit_test(addresses_keep_their_form),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
