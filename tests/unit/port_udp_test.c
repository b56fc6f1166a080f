/* SPDX-License-Identifier: BSD-2-Clause */
/* Sockets on loopback: what is sent has arrived when sendmmsg() returns, so nothing waits. What
 * devices refuse, which loopback does not, is played by a sendmmsg() and recvmmsg() of this test's
 * own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "inlay_atomic.h"
#include "port_udp.h"

#define N 40

static struct inlay_frame in[N], out[N];
static struct inlay_frame *in_frames[N];
static struct inlay_port_item items[N];

/* --- A kernel with a will of its own ---------------------------------------------------------- */

static int merged_error; /* of messages of several datagrams (too large ones, if any); 0: none */
static __u32 largest = 65535; /* EMSGSIZE above */
static int refused = -1;      /* EPERM for the item of this index, whatever else goes with it */
static int room = -1;	      /* messages until EAGAIN; -1: no limit */
static struct {
	size_t datagrams;
	__u16 segment;
} sent_as[4 * N]; /* messages that left */
static size_t n_sent_as;

static __u16 segment_of(const struct msghdr *m)
{
	struct cmsghdr *c;
	__u16 segment = 0;

	for (c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR((struct msghdr *)m, c))
		if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_SEGMENT)
			memcpy(&segment, CMSG_DATA(c), sizeof(segment));
	return segment;
}

static int refusal(const struct msghdr *m)
{
	for (size_t i = 0; i < m->msg_iovlen; i++)
		if (refused >= 0 && m->msg_iov[i].iov_base == out[refused].data)
			return EPERM;
	if (m->msg_iovlen > 1 && merged_error &&
	    (largest == 65535 || m->msg_iov[0].iov_len > largest))
		return merged_error;
	if (m->msg_iov[0].iov_len > largest)
		return EMSGSIZE;
	return room ? 0 : EAGAIN;
}

int sendmmsg(int fd, struct mmsghdr *msgs, unsigned int n, int flags)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		const struct msghdr *m = &msgs[i].msg_hdr;

		errno = refusal(m);
		if (errno || sendmsg(fd, m, flags) < 0)
			break;
		room -= room > 0;
		sent_as[n_sent_as].datagrams = m->msg_iovlen;
		sent_as[n_sent_as++].segment = segment_of(m);
	}
	return i ? (int)i : -1;
}

static __u32 claimed; /* length that the next message is said to have had; 0: its own */

int recvmmsg(int fd, struct mmsghdr *msgs, unsigned int n, int flags, struct timespec *timeout)
{
	int got = (int)syscall(SYS_recvmmsg, fd, msgs, n, flags, timeout);

	if (got > 0 && claimed) {
		msgs[0].msg_len = claimed;
		msgs[0].msg_hdr.msg_flags |= MSG_TRUNC;
		claimed = 0;
	}
	return got;
}

/* --- The scene -------------------------------------------------------------------------------- */

static int setup(void **state)
{
	memset(in, 0, sizeof(in));
	memset(out, 0, sizeof(out));
	for (int i = 0; i < N; i++) {
		in_frames[i] = &in[i];
		items[i] = (struct inlay_port_item){.frame = &out[i]};
	}
	merged_error = 0;
	largest = 65535;
	refused = room = -1;
	n_sent_as = 0;
	return 0;
}

static struct inlay_addr addr_of(const char *ip)
{
	struct inlay_addr a = {.family = strchr(ip, ':') ? AF_INET6 : AF_INET};

	assert_int_equal(inet_pton(a.family, ip, a.ip), 1);
	return a;
}

static bool no_gso, no_gro;

static bool open_port(struct inlay_port_udp *port, const char *ip, __u16 index)
{
	struct inlay_port_udp_config config = {.local = addr_of(ip),
					       .index = index,
					       .buffer_bytes = 1 << 20,
					       .no_gso = no_gso,
					       .no_gro = no_gro};
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
		items[i].len = (__u32)(100 + i);
		memset(out[i].data, 0xc0 + (i & 15), sizeof(out[i].data));
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
	items[1].ecn = 1;
	items[2].ecn = 2;
	inlay_port_udp_send(&a, items, N, &sent);
	assert_int_equal(sent.done, N);
	assert_int_equal(sent.failed, 0);
	assert_false(sent.blocked);

	assert_int_equal(inlay_port_udp_recv(&b, in_frames, N, 1234567), N);
	for (int i = 0; i < N; i++) {
		assert_int_equal(in[i].len, items[i].len);
		assert_memory_equal(in[i].data, out[i].data, items[i].len);
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
	inlay_port_udp_send(&client, items, 1, &sent);
	assert_int_equal(inlay_port_udp_recv(&server, in_frames, N, 1), 1);
	assert_memory_equal(&in[0].path.local, &second, sizeof(second));

	out[0].path = in[0].path;
	inlay_port_udp_send(&server, items, 1, &sent);
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
	inlay_port_udp_send(&a, items, 5, &sent);
	assert_int_equal(sent.done, 5);
	assert_int_equal(sent.failed, 2);
	assert_int_equal(sent.refused, 1 << 0 | 1 << 3);
	assert_int_equal(inlay_port_udp_recv(&b, in_frames, N, 1), 3);
	assert_int_equal(in[0].len, items[1].len);
	assert_int_equal(in[1].len, items[2].len);
	assert_int_equal(in[2].len, items[4].len);
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
	inlay_port_udp_send(&a, items, N, &sent);
	for (size_t n; (n = inlay_port_udp_recv(&b, in_frames, N, 1));)
		got += (int)n;
	assert_true(got < N);
	/* The counter comes with the next datagram that is queued after the drops. */
	inlay_port_udp_send(&a, items, 1, &sent);
	assert_int_equal(inlay_port_udp_recv(&b, in_frames, N, 1), 1);
	assert_int_equal(b.kernel_drops, N - got);
	inlay_port_udp_close(&a);
	inlay_port_udp_close(&b);
}

/* --- Several datagrams in one message --------------------------------------------------------- */

static struct inlay_port_udp pa, pb;

static int setup_pair(void **state)
{
	setup(state);
	assert_true(open_port(&pa, "127.0.0.1", 0));
	assert_true(open_port(&pb, "127.0.0.1", 0));
	fill(N, &pa, &pb);
	return 0;
}

static int teardown_pair(void **state)
{
	inlay_port_udp_close(&pa);
	inlay_port_udp_close(&pb);
	return 0;
}

static void set_lens(size_t n, __u32 len)
{
	for (size_t i = 0; i < n; i++)
		items[i].len = len;
}

/* All of |n| items arrive as they were sent, in order. */
static void assert_arrived(size_t n)
{
	assert_int_equal(inlay_port_udp_recv(&pb, in_frames, N, 1), n);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(in[i].len, items[i].len);
		assert_memory_equal(in[i].data, out[i].data, items[i].len);
		assert_int_equal(in[i].ecn, items[i].ecn);
	}
}

static struct inlay_port_sent send_all(size_t n)
{
	struct inlay_port_sent sent;

	inlay_port_udp_send(&pa, items, n, &sent);
	return sent;
}

/* What a message may hold: one path, one mark, one size but for a shorter last. */
static void merging_merges_exactly_what_it_may(void **state)
{
	static const struct {
		const char *name;
		__u32 lens[6];
		__u8 ecn[6];
		bool alone[6], elsewhere[6];
		__u8 messages[6]; /* datagrams in each that is expected */
	} cases[] = {
		{"equal ones", {900, 900, 900, 900}, .messages = {4}},
		{"a shorter last", {900, 900, 1, 1}, .messages = {3, 1}},
		{"shorter ones are equal again", {900, 800, 800, 800, 700}, .messages = {2, 3}},
		{"a longer one", {900, 900, 901, 901}, .messages = {2, 2}},
		{"marked apart", {900, 900, 900, 900}, .ecn = {2, 2, 0, 3}, .messages = {2, 1, 1}},
		{"a probe between",
		 {900, 900, 900, 900, 900},
		 .alone = {[2] = true},
		 .messages = {2, 1, 2}},
		{"a probe first", {1400, 900}, .alone = {true}, .messages = {1, 1}},
		{"another destination",
		 {900, 900, 900, 900},
		 .elsewhere = {[1] = true, [2] = true},
		 .messages = {1, 2, 1}},
		{"one", {900}, .messages = {1}},
	};

	if (!pa.gso)
		skip();
	for (size_t i = 0; i < INLAY_ARRAY_SIZE(cases); i++) {
		size_t n = 0, m = 0;

		n_sent_as = 0;
		for (; n < 6 && cases[i].lens[n]; n++) {
			items[n].len = cases[i].lens[n];
			items[n].ecn = cases[i].ecn[n];
			items[n].alone = cases[i].alone[n];
			out[n].path.remote = cases[i].elsewhere[n] ? pa.local : pb.local;
		}
		assert_int_equal(send_all(n).done, n);
		for (; m < 6 && cases[i].messages[m]; m++)
			if (m >= n_sent_as || sent_as[m].datagrams != cases[i].messages[m] ||
			    (sent_as[m].segment > 0) != (cases[i].messages[m] > 1))
				fail_msg("%s: message %zu", cases[i].name, m);
		assert_int_equal(n_sent_as, m);
		while (inlay_port_udp_recv(&pa, in_frames, N, 1) ||
		       inlay_port_udp_recv(&pb, in_frames, N, 1))
			;
	}
}

static void a_message_holds_64_datagrams_and_64_kilobytes(void **state)
{
	static struct inlay_frame more[INLAY_PORT_BURST];
	struct inlay_port_item many[INLAY_PORT_BURST];
	struct inlay_port_sent sent;

	if (!pa.gso)
		skip();
	for (size_t i = 0; i < INLAY_PORT_BURST; i++) {
		more[i].path = out[0].path;
		many[i] = (struct inlay_port_item){.frame = &more[i], .len = 1000};
	}
	inlay_port_udp_send(&pa, many, INLAY_PORT_BURST, &sent);
	assert_int_equal(sent.done, INLAY_PORT_BURST);
	assert_int_equal(n_sent_as, 1);
	for (size_t i = 0; i < INLAY_PORT_BURST; i++)
		many[i].len = 1400;
	inlay_port_udp_send(&pa, many, INLAY_PORT_BURST, &sent);
	assert_int_equal(sent.done, INLAY_PORT_BURST);
	assert_int_equal(sent.bytes, INLAY_PORT_BURST * 1400);
	assert_int_equal(n_sent_as, 3);
	assert_int_equal(sent_as[1].datagrams, 46);
	assert_int_equal(inlay_load_u64(&pa.stats.tx_merged_frames), 2 * INLAY_PORT_BURST);
}

static void merged_datagrams_arrive_as_they_were(const char *ip)
{
	for (int i = 0; i < 4; i++) {
		no_gso = i & 1;
		no_gro = i & 2;
		if (!open_port(&pa, ip, 0))
			skip();
		assert_true(open_port(&pb, ip, 0));
		fill(N, &pa, &pb);
		set_lens(N - 1, 1200);
		for (size_t k = 20; k < 30; k++)
			items[k].ecn = 1 + k % 3;
		n_sent_as = 0;
		assert_int_equal(send_all(N).done, N);
		assert_int_equal(n_sent_as, no_gso || !pa.gso ? N : 12);
		assert_arrived(N);
		assert_int_equal(inlay_load_u64(&pb.stats.rx_merged) > 0, !no_gso && !no_gro);
		inlay_port_udp_close(&pa);
		inlay_port_udp_close(&pb);
	}
	no_gso = no_gro = false;
}

static void merged_or_not_all_arrives_over_ipv4(void **state)
{
	merged_datagrams_arrive_as_they_were("127.0.0.1");
}

static void merged_or_not_all_arrives_over_ipv6(void **state)
{
	merged_datagrams_arrive_as_they_were("::1");
}

/* The datagrams of a message that do not fit into this call come with the next ones. */
static void a_message_is_split_over_calls(void **state)
{
	size_t got = 0, n;

	if (!pa.gso || !pb.rx)
		skip();
	set_lens(N, 1000);
	send_all(N);
	for (; (n = inlay_port_udp_recv(&pb, in_frames, 7, 1)); got += n) {
		assert_int_equal(n, got + 7 <= N ? 7 : N % 7);
		assert_int_equal(inlay_port_udp_has_more(&pb), got + n < N);
		for (size_t i = 0; i < n; i++)
			assert_memory_equal(in[i].data, out[got + i].data, 1000);
	}
	assert_int_equal(got, N);
}

static void merged_datagrams_larger_than_a_frame_are_marked_one_by_one(void **state)
{
	static __u8 big[3 * 3000];
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = pb.local.port};
	int segment = 3000;

	if (!pa.gso || !pb.rx)
		skip();
	memcpy(&to.sin_addr, pb.local.ip, 4);
	assert_int_equal(setsockopt(pa.fd, SOL_UDP, UDP_SEGMENT, &segment, sizeof(segment)), 0);
	assert_int_equal(sendto(pa.fd, big, sizeof(big) - 2000, 0, (void *)&to, sizeof(to)),
			 sizeof(big) - 2000);
	assert_int_equal(inlay_port_udp_recv(&pb, in_frames, N, 1), 3);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(in[i].kind, i < 2 ? 0 : INLAY_FRAME_SEALED);
		assert_int_equal(in[i].len, i < 2 ? 0 : 1000);
	}
}

/* Each datagram that was cut off, or cut through, is marked: 70000 bytes are 59, 54 fit. */
static void a_truncated_message_is_no_silent_loss(void **state)
{
	size_t whole = 0, marked = 0, n;

	if (!pa.gso || !pb.rx)
		skip();
	set_lens(N, 1200);
	send_all(N);
	claimed = 70000;
	while ((n = inlay_port_udp_recv(&pb, in_frames, N, 1)))
		for (size_t i = 0; i < n; i++) {
			whole += in[i].kind == INLAY_FRAME_SEALED && in[i].len == 1200;
			marked += !in[i].kind && !in[i].len;
		}
	assert_int_equal(whole, 65536 / 1200);
	assert_int_equal(whole + marked, 70000 / 1200 + 1);
}

/* EIO: the device; EINVAL: the kernel. Nothing is lost, and it is not asked again. */
static void where_merging_is_refused_all_goes_singly_for_good(void **state)
{
	static const int errors[] = {EIO, EINVAL, EOPNOTSUPP};

	for (size_t i = 0; i < INLAY_ARRAY_SIZE(errors); i++) {
		struct inlay_port_sent sent;

		teardown_pair(state);
		setup_pair(state);
		if (!pa.gso)
			skip();
		set_lens(N, 500);
		merged_error = errors[i];
		sent = send_all(N);
		assert_int_equal(sent.done, N);
		assert_int_equal(sent.failed + sent.too_large, 0);
		assert_int_equal(n_sent_as, N);
		assert_arrived(N);
		assert_false(pa.gso);
		assert_int_equal(inlay_load_u64(&pa.stats.gso_refused), 1);
		merged_error = 0;
		send_all(3);
		assert_int_equal(n_sent_as, N + 3);
		assert_arrived(3);
		assert_int_equal(inlay_load_u64(&pa.stats.gso_refused), 1);
	}
}

/* A firewall's refusal of one datagram, or a first one that is too large, says nothing of it. */
static void merging_is_not_blamed_for_a_bad_datagram(void **state)
{
	struct inlay_port_sent sent;

	if (!pa.gso)
		skip();
	set_lens(N, 500);
	refused = 3;
	sent = send_all(10);
	assert_int_equal(sent.done, 10);
	assert_int_equal(sent.failed, 1);
	assert_int_equal(sent.bytes, 9 * 500);
	assert_int_equal(inlay_port_udp_recv(&pb, in_frames, N, 1), 9);
	assert_memory_equal(in[3].data, out[4].data, 500);
	assert_true(pa.gso);

	refused = -1;
	items[0].len = 1400;
	largest = 1000;
	merged_error = EINVAL; /* older kernels'; newer ones say EMSGSIZE */
	for (int i = 0; i < 2; i++) {
		sent = send_all(2);
		assert_int_equal(sent.done, 2);
		assert_int_equal(sent.too_large, 1);
		assert_int_equal(sent.failed, 0);
		assert_int_equal(inlay_port_udp_recv(&pb, in_frames, N, 1), 1);
		assert_true(pa.gso);
		merged_error = EMSGSIZE;
	}
	assert_int_equal(inlay_load_u64(&pa.stats.gso_refused), 0);
}

static void a_datagram_too_large_for_the_way_out_costs_no_other(void **state)
{
	struct inlay_port_sent sent;

	set_lens(N, 1000);
	items[5].len = items[6].len = 1400;
	largest = 1200;
	sent = send_all(10);
	assert_int_equal(sent.done, 10);
	assert_int_equal(sent.too_large, 2);
	assert_int_equal(sent.failed, 0);
	assert_int_equal(inlay_port_udp_recv(&pb, in_frames, N, 1), 8);
	for (int i = 0; i < 8; i++)
		assert_memory_equal(in[i].data, out[i < 5 ? i : i + 2].data, 1000);
}

static void a_socket_that_blocks_between_messages_repeats_none(void **state)
{
	struct inlay_port_sent sent;

	if (!pa.gso)
		skip();
	set_lens(N, 1000);
	for (size_t i = 10; i < N; i++)
		items[i].ecn = 2;
	room = 1;
	sent = send_all(N);
	assert_int_equal(sent.done, 10);
	assert_true(sent.blocked);
	room = -1;
	inlay_port_udp_send(&pa, items + 10, N - 10, &sent);
	assert_int_equal(sent.done, N - 10);
	assert_false(sent.blocked);
	assert_arrived(N);
}

#define PAIR(name) cmocka_unit_test_setup_teardown(name, setup_pair, teardown_pair)

/* RFC 9000 section 14: DF is set, and no ICMP message changes what is sent. */
static void datagrams_are_never_fragmented(void **state)
{
	struct inlay_port_udp port;
	socklen_t len = sizeof(int);
	int how = -1;

	assert_true(open_port(&port, "127.0.0.1", 0));
	assert_int_equal(getsockopt(port.fd, IPPROTO_IP, IP_MTU_DISCOVER, &how, &len), 0);
	assert_int_equal(how, IP_PMTUDISC_PROBE);
	inlay_port_udp_close(&port);
	if (!open_port(&port, "::1", 0))
		return;
	assert_int_equal(getsockopt(port.fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &how, &len), 0);
	assert_int_equal(how, IPV6_PMTUDISC_PROBE);
	inlay_port_udp_close(&port);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(bursts_pass_over_ipv4, setup),
		cmocka_unit_test_setup(bursts_pass_over_ipv6, setup),
		cmocka_unit_test_setup(wildcard_sockets_keep_addresses_apart, setup),
		cmocka_unit_test_setup(an_address_in_use_is_told, setup),
		cmocka_unit_test_setup(datagrams_are_never_fragmented, setup),
		cmocka_unit_test_setup(a_larger_datagram_is_marked, setup),
		cmocka_unit_test_setup(a_refused_datagram_holds_up_no_other, setup),
		cmocka_unit_test_setup(what_the_kernel_drops_is_counted, setup),
		PAIR(merging_merges_exactly_what_it_may),
		PAIR(a_message_holds_64_datagrams_and_64_kilobytes),
		cmocka_unit_test_setup(merged_or_not_all_arrives_over_ipv4, setup),
		cmocka_unit_test_setup(merged_or_not_all_arrives_over_ipv6, setup),
		PAIR(a_message_is_split_over_calls),
		PAIR(merged_datagrams_larger_than_a_frame_are_marked_one_by_one),
		PAIR(a_truncated_message_is_no_silent_loss),
		PAIR(where_merging_is_refused_all_goes_singly_for_good),
		PAIR(merging_is_not_blamed_for_a_bad_datagram),
		PAIR(a_datagram_too_large_for_the_way_out_costs_no_other),
		PAIR(a_socket_that_blocks_between_messages_repeats_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
