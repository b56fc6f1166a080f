/* SPDX-License-Identifier: BSD-2-Clause */
/* moqt URIs, good and bad. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <arpa/inet.h>
#include <errno.h>
#include <cmocka.h>

#include "uri.h"

static void test_good(void **state)
{
	static const struct {
		const char *text, *host, *authority, *path;
		unsigned int port;
	} cases[] = {
		{"moqt://127.0.0.1:4433/", "127.0.0.1", "127.0.0.1:4433", "/", 4433},
		{"moqt://relay.example", "relay.example", "relay.example", "", 443},
		{"MOQT://relay.example:/a/b?c=d", "relay.example", "relay.example:", "/a/b?c=d",
		 443},
		{"moqt://[::1]:5/x", "::1", "[::1]:5", "/x", 5},
		{"moqt://[fe80::1]", "fe80::1", "[fe80::1]", "", 443},
		{"moqt://h:65535?q", "h", "h:65535", "?q", 65535},
		{"moqt://h/p#t:not-sent", "h", "h", "/p", 443},
	};
	struct inlay_uri uri;
	const char *why;
	size_t i;

	for (i = 0; i < INLAY_ARRAY_SIZE(cases); i++) {
		assert_int_equal(inlay_uri_parse(cases[i].text, &uri, &why), 0);
		assert_string_equal(uri.host, cases[i].host);
		assert_string_equal(uri.authority, cases[i].authority);
		assert_string_equal(uri.path, cases[i].path);
		assert_int_equal(uri.port, cases[i].port);
	}
}

static void test_bad(void **state)
{
	static const char *const cases[] = {
		"",
		"moqt:/h",
		"http://h/",
		"moqt://",
		"moqt:///path",
		"moqt://:443",
		"moqt://h:0",
		"moqt://h:65536",
		"moqt://h:4x",
		"moqt://[::1",
		"moqt://[]",
		"moqt://[::1]x",
		"moqt://u@h/",
		"moqt://h/a b",
	};
	char longest[2048] = "moqt://";
	struct inlay_uri uri;
	const char *why;
	size_t i;

	for (i = 0; i < INLAY_ARRAY_SIZE(cases); i++) {
		why = NULL;
		assert_int_equal(inlay_uri_parse(cases[i], &uri, &why), -EINVAL);
		assert_non_null(why);
	}
	memset(longest + 7, 'h', 300);
	assert_int_equal(inlay_uri_parse(longest, &uri, &why), -EINVAL);
	memset(longest + 7, 'h', 10);
	memset(longest + 17, '/', 1500);
	assert_int_equal(inlay_uri_parse(longest, &uri, &why), -EINVAL);
}

static void test_resolve(void **state)
{
	static const __u8 loopback6[16] = {[15] = 1}, loopback4[4] = {127, 0, 0, 1};
	struct inlay_addr addrs[4];
	struct inlay_uri uri;
	const char *why;

	assert_int_equal(inlay_uri_parse("moqt://127.0.0.1:4433/", &uri, &why), 0);
	assert_int_equal(inlay_uri_resolve(&uri, addrs, 4, &why), 1);
	assert_int_equal(addrs[0].family, AF_INET);
	assert_int_equal(ntohs(addrs[0].port), 4433);
	assert_memory_equal(addrs[0].ip, loopback4, 4);
	assert_int_equal(inlay_uri_parse("moqt://[::1]:7/", &uri, &why), 0);
	assert_int_equal(inlay_uri_resolve(&uri, addrs, 4, &why), 1);
	assert_int_equal(addrs[0].family, AF_INET6);
	assert_memory_equal(addrs[0].ip, loopback6, 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_resolve),
	};

	return cmocka_run_group_tests_name("uri", tests, NULL, NULL);
}
