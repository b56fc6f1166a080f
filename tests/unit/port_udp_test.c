/* SPDX-License-Identifier: BSD-2-Clause */
/* Sockets on loopback: what is sent has arrived when sendmmsg() returns, so nothing waits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "port_udp.h"

#define N 40

static struct inlay_frame in[N], out[N];
static struct inlay_frame *in_frames[N], *out_frames[N];
static __u32 lens[N];

static int setup(void **state)
{
	memset(in, 0, sizeof(in));
	memset(out, 0, sizeof(out));
	for (int i = 0; i < N; i++) {
		in_frames[i] = &in[i];
		out_frames[i] = &out[i];
	}
	return 0;
}

static struct inlay_addr addr_of(const char *ip)
{
	struct inlay_addr a = {.family = strchr(ip, ':') ? AF_INET6 : AF_INET};

	assert_int_equal(inet_pton(a.family, ip, a.ip), 1);
	return a;
}

static bool open_port(struct inlay_port_udp *port, const char *ip, __u16 index)
{
	struct inlay_port_udp_config config = {
		.local = addr_of(ip), .index = index, .buffer_bytes = 1 << 20};
	int ret = inlay_port_udp_open(port, &config);

	if (ret == -EAFNOSUPPORT || ret == -EADDRNOTAVAIL)
		return false; /* no IPv6 here */
	assert_int_equal(ret, 0);
	return true;
}

static void fill(int n, const struct inlay_port_udp *from, const struct inlay_port_udp *to)
{
	for (int i = 0; i < n; i++) {
		out[i].path.local = from->local;
		out[i].path.remote = to->local;
		lens[i] = (__u32)(100 + i);
		memset(out[i].data, 0xc0 + (i & 15), lens[i]);
	}
}

static void exchange(const char *ip)
{
	struct inlay_port_udp a, b;
	struct inlay_port_sent sent;

	if (!open_port(&a, ip, 3))
		skip();
	assert_true(open_port(&b, ip, 5));
	fill(N, &a, &b);
	out[1].ecn = 1;
	out[2].ecn = 2;
	inlay_port_udp_send(&a, out_frames, lens, N, &sent);
	assert_int_equal(sent.done, N);
	assert_int_equal(sent.failed, 0);
	assert_false(sent.blocked);

	assert_int_equal(inlay_port_udp_recv(&b, in_frames, N, 1234567), N);
	for (int i = 0; i < N; i++) {
		assert_int_equal(in[i].len, lens[i]);
		assert_memory_equal(in[i].data, out[i].data, lens[i]);
		assert_int_equal(in[i].kind, INLAY_FRAME_SEALED);
		assert_int_equal(in[i].port, 5);
		assert_int_equal(in[i].time, 1234567);
		assert_int_equal(in[i].ecn, i == 1 || i == 2 ? i : 0);
		assert_memory_equal(&in[i].path.local, &b.local, sizeof(b.local));
		assert_memory_equal(&in[i].path.remote, &a.local, sizeof(a.local));
	}
	assert_int_equal(inlay_port_udp_recv(&b, in_frames, N, 1), 0);
	inlay_port_udp_close(&a);
	inlay_port_udp_close(&b);
	inlay_port_udp_close(&b);
}

static void bursts_pass_over_ipv4(void **state)
{
	exchange("127.0.0.1");
}

static void bursts_pass_over_ipv6(void **state)
{
	exchange("::1");
}

/* Bound to every address, the socket says which one was used, and answers from that one. */
static void wildcard_sockets_keep_addresses_apart(void **state)
{
	struct inlay_port_udp server, client;
	struct inlay_port_sent sent;
	struct inlay_addr second = addr_of("127.0.0.2");

	assert_true(open_port(&server, "0.0.0.0", 0));
	assert_true(open_port(&client, "127.0.0.1", 0));
	fill(1, &client, &server);
	second.port = server.local.port;
	out[0].path.remote = second;
	inlay_port_udp_send(&client, out_frames, lens, 1, &sent);
	assert_int_equal(inlay_port_udp_recv(&server, in_frames, N, 1), 1);
	assert_memory_equal(&in[0].path.local, &second, sizeof(second));

	out[0].path = in[0].path;
	inlay_port_udp_send(&server, out_frames, lens, 1, &sent);
	assert_int_equal(inlay_port_udp_recv(&client, in_frames, N, 1), 1);
	assert_memory_equal(&in[0].path.remote, &second, sizeof(second));
	inlay_port_udp_close(&server);
	inlay_port_udp_close(&client);
}

static void an_address_in_use_is_told(void **state)
{
	struct inlay_port_udp a, b;
	struct inlay_port_udp_config config;

	assert_true(open_port(&a, "127.0.0.1", 0));
	config = (struct inlay_port_udp_config){.local = a.local};
	assert_int_equal(inlay_port_udp_open(&b, &config), -EADDRINUSE);
	assert_int_equal(b.fd, -1);
	config.local = addr_of("192.0.2.1");
	assert_int_equal(inlay_port_udp_open(&b, &config), -EADDRNOTAVAIL);
	config.local.family = 0;
	assert_int_equal(inlay_port_udp_open(&b, &config), -EAFNOSUPPORT);
	inlay_port_udp_close(&a);
}

static void a_larger_datagram_is_marked(void **state)
{
	struct inlay_port_udp a, b;
	struct sockaddr_in to = {.sin_family = AF_INET};
	static char big[INLAY_FRAME_ROOM + 1];

	assert_true(open_port(&a, "127.0.0.1", 0));
	assert_true(open_port(&b, "127.0.0.1", 0));
	to.sin_port = b.local.port;
	memcpy(&to.sin_addr, b.local.ip, 4);
	assert_int_equal(sendto(a.fd, big, sizeof(big), 0, (void *)&to, sizeof(to)), sizeof(big));
	assert_int_equal(sendto(a.fd, big, sizeof(big) - 1, 0, (void *)&to, sizeof(to)),
			 sizeof(big) - 1);
	assert_int_equal(inlay_port_udp_recv(&b, in_frames, N, 1), 2);
	assert_int_equal(in[0].kind, 0);
	assert_int_equal(in[0].len, 0);
	assert_int_equal(in[1].kind, INLAY_FRAME_SEALED);
	assert_int_equal(in[1].len, INLAY_FRAME_ROOM);
	inlay_port_udp_close(&a);
	inlay_port_udp_close(&b);
}

static void a_refused_datagram_holds_up_no_other(void **state)
{
	struct inlay_port_udp a, b;
	struct inlay_port_sent sent;

	assert_true(open_port(&a, "127.0.0.1", 0));
	assert_true(open_port(&b, "127.0.0.1", 0));
	fill(5, &a, &b);
	memset(&out[0].path.remote, 0, sizeof(out[0].path.remote)); /* nobody */
	out[3].path.remote = addr_of("::1");			    /* another family */
	inlay_port_udp_send(&a, out_frames, lens, 5, &sent);
	assert_int_equal(sent.done, 5);
	assert_int_equal(sent.failed, 2);
	assert_int_equal(inlay_port_udp_recv(&b, in_frames, N, 1), 3);
	assert_int_equal(in[0].len, lens[1]);
	assert_int_equal(in[1].len, lens[2]);
	assert_int_equal(in[2].len, lens[4]);
	inlay_port_udp_close(&a);
	inlay_port_udp_close(&b);
}

static void what_the_kernel_drops_is_counted(void **state)
{
	struct inlay_port_udp a, b;
	struct inlay_port_sent sent;
	int small = 1, got = 0;

	assert_true(open_port(&a, "127.0.0.1", 0));
	assert_true(open_port(&b, "127.0.0.1", 0));
	assert_int_equal(setsockopt(b.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
	fill(N, &a, &b);
	inlay_port_udp_send(&a, out_frames, lens, N, &sent);
	for (size_t n; (n = inlay_port_udp_recv(&b, in_frames, N, 1));)
		got += (int)n;
	assert_true(got < N);
	/* The counter comes with the next datagram that is queued after the drops. */
	inlay_port_udp_send(&a, out_frames, lens, 1, &sent);
	assert_int_equal(inlay_port_udp_recv(&b, in_frames, N, 1), 1);
	assert_int_equal(b.kernel_drops, N - got);
	inlay_port_udp_close(&a);
	inlay_port_udp_close(&b);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(bursts_pass_over_ipv4, setup),
		cmocka_unit_test_setup(bursts_pass_over_ipv6, setup),
		cmocka_unit_test_setup(wildcard_sockets_keep_addresses_apart, setup),
		cmocka_unit_test_setup(an_address_in_use_is_told, setup),
		cmocka_unit_test_setup(a_larger_datagram_is_marked, setup),
		cmocka_unit_test_setup(a_refused_datagram_holds_up_no_other, setup),
		cmocka_unit_test_setup(what_the_kernel_drops_is_counted, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
