/* SPDX-License-Identifier: BSD-2-Clause */
/* The data thread between real loopback sockets and real rings, over a provider of this test's own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <netinet/udp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "datathread.h"
#include "inlay_atomic.h"

/* --- A provider whose verdict stands in the connection ID's first byte ------------------------ */

#define CID_OK	   0xaa
#define CID_NO_SA  0xbb
#define CID_FORGED 0xcc
#define PN_AGAIN   666
#define MASK	   0x55
#define MIN_SHORT  (1 + INLAY_OWN_CID + INLAY_TX_PN + INLAY_TAG)

static size_t fake_open(struct inlay_provider *p, struct inlay_open_item *items, size_t n)
{
	size_t ok = 0;

	for (size_t i = 0; i < n; i++) {
		struct inlay_desc desc = {.sa = htobe32(7), .hdr_len = 13, .pn = htobe64(99)};
		struct inlay_open_item *it = &items[i];

		if (it->len < MIN_SHORT)
			it->verdict = INLAY_RUNT;
		else if (!(it->packet[0] & 0x40))
			it->verdict = INLAY_NOT_SHORT;
		else if (it->packet[1] == CID_NO_SA)
			it->verdict = INLAY_NO_SA;
		else if (it->packet[1] == CID_FORGED)
			it->verdict = INLAY_AUTH_FAILED;
		else {
			memcpy(it->packet + it->len - INLAY_TAG, &desc, sizeof(desc));
			ok++;
		}
	}
	return ok;
}

static size_t seals;

static size_t fake_seal(struct inlay_provider *p, struct inlay_seal_item *items, size_t n)
{
	size_t ok = 0;

	for (size_t i = 0; i < n; i++) {
		struct inlay_seal_item *it = &items[i];

		seals++;
		if (it->pn == PN_AGAIN) {
			it->verdict = INLAY_PN_REPEATED;
			continue;
		}
		for (size_t j = 0; j < it->payload_len; j++)
			it->dst[it->header_len + j] = it->payload[j] ^ MASK;
		memset(it->dst + it->header_len + it->payload_len, 0xee, INLAY_TAG);
		it->verdict = INLAY_OK;
		ok++;
	}
	return ok;
}

static const struct inlay_provider_ops fake_ops = {.open = fake_open, .seal = fake_seal};
static struct inlay_provider provider = {.ops = &fake_ops};

/* --- A socket that blocks when told to -------------------------------------------------------- */

static int sends_left = -1; /* messages until EAGAIN; -1: no limit */
static int blocked_fd = -1; /* this socket takes nothing at all */

int sendmmsg(int fd, struct mmsghdr *msgs, unsigned int n, int flags)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		if (fd == blocked_fd || inlay_load_u32((__u32 *)&sends_left) == 0) {
			errno = EAGAIN;
			break;
		}
		if (sends_left > 0)
			sends_left--;
		if (sendmsg(fd, &msgs[i].msg_hdr, flags) < 0)
			break;
	}
	return i ? (int)i : -1;
}

/* --- The scene -------------------------------------------------------------------------------- */

static struct inlay_ring *up, *down;
static struct inlay_port_udp ports[2], peer;
static struct inlay_datathread *dt;
static struct inlay_frame got[64];
static bool no_gso;

static void open_port(struct inlay_port_udp *port, __u16 index)
{
	struct inlay_port_udp_config config = {.local = {.family = AF_INET, .ip = {127, 0, 0, 1}},
					       .index = index,
					       .buffer_bytes = 1 << 20,
					       .no_gso = no_gso};

	assert_int_equal(inlay_port_udp_open(port, &config), 0);
}

static int setup_with(inlay_ns patience)
{
	struct inlay_datathread_config config = {
		.provider = &provider,
		.ports = ports,
		.n_ports = 2,
		.cpu = -1,
		.patience = patience,
	};

	sends_left = blocked_fd = -1;
	seals = 0;
	assert_int_equal(inlay_ring_new(64, &up), 0);
	assert_int_equal(inlay_ring_new(256, &down), 0);
	open_port(&ports[0], 0);
	open_port(&ports[1], 1);
	open_port(&peer, 0);
	config.up = up;
	config.down = down;
	assert_int_equal(inlay_datathread_new(&config, &dt), 0);
	return 0;
}

static int setup(void **state)
{
	no_gso = false;
	return setup_with(0);
}

static int setup_singly(void **state)
{
	no_gso = true;
	return setup_with(0);
}

static int setup_impatient(void **state)
{
	no_gso = false;
	return setup_with(1);
}

static int teardown(void **state)
{
	inlay_datathread_free(dt);
	inlay_ring_free(up);
	inlay_ring_free(down);
	inlay_port_udp_close(&ports[0]);
	inlay_port_udp_close(&ports[1]);
	inlay_port_udp_close(&peer);
	return 0;
}

static __u64 reason(enum inlay_reason r)
{
	struct inlay_reason_counters c;

	inlay_datathread_reasons(dt, &c);
	return c.count[r];
}

static __u64 reasons_in_all(void)
{
	struct inlay_reason_counters c;
	__u64 sum = 0;

	inlay_datathread_reasons(dt, &c);
	for (size_t i = 0; i < INLAY_N_REASONS; i++)
		sum += c.count[i];
	return sum;
}

/* A datagram from the peer to port |port|: |first| byte, connection ID, then its number. */
static void arrive(int port, __u8 first, __u8 cid, size_t len, __u8 number)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = ports[port].local.port};
	__u8 data[1500] = {first, cid};

	memcpy(&to.sin_addr, ports[port].local.ip, 4);
	if (len > 20)
		data[20] = number;
	assert_int_equal(sendto(peer.fd, data, len, 0, (void *)&to, sizeof(to)), len);
}

static size_t taken_up(struct inlay_frame **frames)
{
	return inlay_ring_peek(up, 64, frames);
}

/* A frame for the peer in the down ring; the caller may spoil it before it commits. */
static struct inlay_frame *prepare(__u8 kind, __u32 len, __u8 first)
{
	struct inlay_frame *f;

	assert_int_equal(inlay_ring_reserve(down, 1, &f), 1);
	memset(f, 0, sizeof(*f));
	f->kind = kind;
	f->len = len;
	f->path.local = ports[0].local;
	f->path.remote = peer.local;
	memset(f->data, 0x11, len);
	f->data[0] = first;
	return f;
}

static void set_desc(struct inlay_frame *f, __u8 hdr_len, __u64 pn)
{
	struct inlay_desc desc = {
		.sa = htobe32(1), .generation = htobe16(1), .hdr_len = hdr_len, .pn = htobe64(pn)};

	memcpy(f->data + f->len - INLAY_TAG, &desc, sizeof(desc));
	if (f->len >= 13 + INLAY_TAG)
		memcpy(f->data + 13 - INLAY_TX_PN, &(__u32){htobe32((__u32)pn)}, INLAY_TX_PN);
}

static void leave_clear(__u32 len, __u64 pn)
{
	struct inlay_frame *f = prepare(INLAY_FRAME_CLEAR, len, 0x43);

	set_desc(f, 13, pn);
	f->data[1] = (__u8)pn;
	inlay_ring_commit(down, 1);
}

static void leave_marked(__u64 pn, __u8 flags, __u16 port)
{
	struct inlay_frame *f = prepare(INLAY_FRAME_CLEAR, 100, 0x43);

	set_desc(f, 13, pn);
	f->data[1] = (__u8)pn;
	f->data[f->len - INLAY_TAG + offsetof(struct inlay_desc, flags)] = flags;
	f->port = port;
	f->path.local = ports[port].local;
	inlay_ring_commit(down, 1);
}

static size_t received(void)
{
	struct inlay_frame *frames[64];

	for (int i = 0; i < 64; i++)
		frames[i] = &got[i];
	return inlay_port_udp_recv(&peer, frames, 64, 1);
}

/* --- Up --------------------------------------------------------------------------------------- */

static void each_datagram_goes_up_as_what_it_is(void **state)
{
	struct inlay_frame *f[64];

	arrive(0, 0xc3, 1, 1200, 1);
	arrive(0, 0x43, CID_OK, 100, 2);
	arrive(0, 0x43, CID_FORGED, 100, 3); /* may be a reset */
	arrive(0, 0x43, CID_NO_SA, 100, 4);
	arrive(0, 0x43, CID_OK, 0, 0);	 /* dropped */
	arrive(0, 0x03, CID_OK, 100, 5); /* dropped: fixed bit */
	arrive(0, 0x43, CID_OK, 90, 6);
	arrive(0, 0x43, CID_OK, INLAY_RESET_MIN, 7);
	arrive(0, 0x43, CID_OK, INLAY_RESET_MIN - 1, 0); /* dropped */
	arrive(1, 0xe3, 1, 50, 9);
	inlay_datathread_turn(dt, 0);

	assert_int_equal(taken_up(f), 7);
	for (int i = 0; i < 7; i++) {
		static const __u8 numbers[] = {1, 2, 3, 4, 6, 7, 9};
		static const __u8 kinds[] = {INLAY_FRAME_SEALED, INLAY_FRAME_CLEAR,
					     INLAY_FRAME_FORGED, INLAY_FRAME_UNKNOWN,
					     INLAY_FRAME_CLEAR,	 INLAY_FRAME_UNKNOWN,
					     INLAY_FRAME_SEALED};

		assert_int_equal(f[i]->kind, kinds[i]);
		assert_int_equal(f[i]->data[20], numbers[i]);
		assert_int_equal(f[i]->port, i == 6);
		assert_memory_equal(&f[i]->path.remote, &peer.local, sizeof(peer.local));
		assert_true(f[i]->time > 0);
	}
	assert_int_equal(f[1]->len, 100);
	assert_int_equal(f[4]->len, 90);
	assert_int_equal(reason(INLAY_REASON_AUTH_FAILED), 1);
	assert_int_equal(reason(INLAY_REASON_NOT_SHORT), 1);
	assert_int_equal(reason(INLAY_REASON_RUNT), 2);
	assert_int_equal(reasons_in_all(), 4);
}

static void an_oversized_datagram_is_counted(void **state)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = ports[0].local.port};
	static __u8 big[INLAY_FRAME_ROOM + 1] = {0xc0};
	struct inlay_frame *f[64];

	memcpy(&to.sin_addr, ports[0].local.ip, 4);
	assert_true(sendto(peer.fd, big, sizeof(big), 0, (void *)&to, sizeof(to)) > 0);
	inlay_datathread_turn(dt, 0);
	assert_int_equal(taken_up(f), 0);
	assert_int_equal(reason(INLAY_REASON_OVERSIZED), 1);
}

static void congestion_marks_reach_the_descriptor(void **state)
{
	struct inlay_frame *f[64];
	struct inlay_desc desc;
	int ce = 3;

	assert_int_equal(setsockopt(peer.fd, IPPROTO_IP, IP_TOS, &ce, sizeof(ce)), 0);
	arrive(0, 0x43, CID_OK, 100, 1);
	inlay_datathread_turn(dt, 0);
	assert_int_equal(taken_up(f), 1);
	memcpy(&desc, f[0]->data + 100 - INLAY_TAG, sizeof(desc));
	assert_int_equal(desc.flags, INLAY_DESC_ECN_CE);
	assert_int_equal(be32toh(desc.sa), 7);
}

static void a_full_ring_drops_and_counts(void **state)
{
	struct inlay_frame *f[64];

	/* Strangers leave a quarter to those with a connection. */
	for (int i = 0; i < 70; i++)
		arrive(0, i & 1 ? 0xc3 : 0x43, i & 1 ? 1 : CID_NO_SA, 60, (__u8)i);
	inlay_datathread_turn(dt, 0);
	inlay_datathread_turn(dt, 0);
	assert_int_equal(reason(INLAY_REASON_RING_FULL_UP), 70 - 48);
	for (int i = 0; i < 20; i++)
		arrive(0, 0x43, 1, 60, (__u8)(100 + i));
	inlay_datathread_turn(dt, 0);
	inlay_datathread_turn(dt, 0);
	assert_int_equal(taken_up(f), 64);
	assert_int_equal(f[47]->data[20], 47);
	assert_int_equal(f[48]->kind, INLAY_FRAME_CLEAR);
	assert_int_equal(f[63]->data[20], 115);
	assert_int_equal(reason(INLAY_REASON_RING_FULL_UP), 70 - 48 + 4);
	inlay_ring_release(up, 64);
	arrive(0, 0xc3, 1, 60, 77);
	inlay_datathread_turn(dt, 0);
	assert_int_equal(taken_up(f), 1);
	assert_int_equal(f[0]->data[20], 77);
}

/* What does not open goes up only as far as strangers' packets do, and is counted once. */
static void forgeries_leave_room_for_connections(void **state)
{
	struct inlay_frame *f[64];

	for (int i = 0; i < 60; i++)
		arrive(0, 0x43, CID_FORGED, 60, (__u8)i);
	inlay_datathread_turn(dt, 0);
	assert_int_equal(taken_up(f), 48);
	assert_int_equal(f[47]->kind, INLAY_FRAME_FORGED);
	assert_int_equal(reason(INLAY_REASON_AUTH_FAILED), 60);
	assert_int_equal(reasons_in_all(), 60);
}

/* --- Down ------------------------------------------------------------------------------------- */

static void clear_packets_leave_sealed_and_in_order(void **state)
{
	for (__u64 pn = 0; pn < 10; pn++)
		leave_clear(100, pn);
	inlay_datathread_turn(dt, 0);
	assert_int_equal(received(), 10);
	for (int i = 0; i < 10; i++) {
		assert_int_equal(got[i].len, 100);
		assert_int_equal(got[i].data[1], i);
		assert_int_equal(got[i].data[12], i); /* the packet number */
		assert_int_equal(got[i].data[13], 0x11 ^ MASK);
		assert_int_equal(got[i].data[99], 0xee);
		assert_memory_equal(&got[i].path.remote, &ports[0].local,
				    sizeof(struct inlay_addr));
	}
	assert_int_equal(reasons_in_all(), 0);
}

static void frames_leave_by_their_port(void **state)
{
	for (int i = 0; i < 6; i++) {
		struct inlay_frame *f = prepare(INLAY_FRAME_SEALED, 40, 0xc0);

		f->port = i & 1;
		f->path.local = ports[i & 1].local;
		inlay_ring_commit(down, 1);
	}
	inlay_datathread_turn(dt, 0);
	assert_int_equal(received(), 6);
	/* A port's together, so that they can be merged. */
	for (int i = 0; i < 6; i++)
		assert_memory_equal(&got[i].path.remote, &ports[i / 3].local,
				    sizeof(struct inlay_addr));
}

static void what_the_provider_refuses_stays(void **state)
{
	leave_clear(100, 1);
	leave_clear(100, PN_AGAIN);
	leave_clear(100, 2);
	inlay_datathread_turn(dt, 0);
	assert_int_equal(received(), 2);
	assert_int_equal(got[1].data[1], 2);
	assert_int_equal(reason(INLAY_REASON_PN_REPEATED), 1);
	assert_int_equal(reasons_in_all(), 1);
}

static void handshakes_and_resets_leave_as_they_are(void **state)
{
	prepare(INLAY_FRAME_SEALED, 1200, 0xc0);
	inlay_ring_commit(down, 1);
	prepare(INLAY_FRAME_UNKNOWN, INLAY_RESET_MIN, 0x7f);
	inlay_ring_commit(down, 1);
	prepare(INLAY_FRAME_UNKNOWN, INLAY_RESET_MAX, 0x40);
	inlay_ring_commit(down, 1);
	inlay_datathread_turn(dt, 0);
	assert_int_equal(received(), 3);
	assert_int_equal(got[0].len, 1200);
	assert_int_equal(got[0].data[1], 0x11);
	assert_int_equal(got[1].len, INLAY_RESET_MIN);
	assert_int_equal(seals, 0);
}

/* Invariant 1: a clear packet under another name, and every other thing that is not what it says.
 */
static void cleartext_never_leaves(void **state)
{
	static const struct {
		__u8 kind;
		__u32 len;
		__u8 first;
		__u8 hdr_len;
		__u16 port;
	} bad[] = {
		{INLAY_FRAME_SEALED, 100, 0x43, 13, 0},
		{INLAY_FRAME_SEALED, 100, 0x00, 13, 0},
		{INLAY_FRAME_SEALED, 0, 0xc0, 0, 0},
		{INLAY_FRAME_UNKNOWN, 100, 0xc3, 13, 0},
		{INLAY_FRAME_UNKNOWN, 100, 0x03, 13, 0},
		{INLAY_FRAME_UNKNOWN, INLAY_RESET_MAX + 1, 0x43, 13, 0},
		{INLAY_FRAME_UNKNOWN, INLAY_RESET_MIN - 1, 0x43, 13, 0},
		{INLAY_FRAME_CLEAR, 100, 0xc3, 13, 0},
		{INLAY_FRAME_CLEAR, 100, 0x43, 0, 0},
		{INLAY_FRAME_CLEAR, 100, 0x43, 85, 0},
		{INLAY_FRAME_CLEAR, INLAY_TAG, 0x43, 1, 0},
		{INLAY_FRAME_CLEAR, 100, 0x43, 13, 2},
		{INLAY_FRAME_CLEAR, 100, 0x43, 13, 65535},
		{0, 100, 0x43, 13, 0},
		{0, 100, 0xc3, 13, 0},
		{99, 100, 0x43, 13, 0},
		{99, 100, 0xc3, 13, 0},
	};
	struct inlay_frame *f;

	for (size_t i = 0; i < INLAY_ARRAY_SIZE(bad); i++) {
		f = prepare(bad[i].kind, bad[i].len, bad[i].first);
		if (f->len >= INLAY_TAG)
			set_desc(f, bad[i].hdr_len, 1);
		f->data[0] = bad[i].first;
		f->port = bad[i].port;
		inlay_ring_commit(down, 1);
	}
	f = prepare(INLAY_FRAME_SEALED, 100, 0xc3);
	f->len = INLAY_FRAME_ROOM + 1;
	inlay_ring_commit(down, 1);
	inlay_datathread_turn(dt, 0);
	assert_int_equal(received(), 0);
	assert_int_equal(reasons_in_all(), INLAY_ARRAY_SIZE(bad) + 1);
	assert_int_equal(reason(INLAY_REASON_NOT_SHORT), 1);
	assert_int_equal(reason(INLAY_REASON_RUNT) + reason(INLAY_REASON_BAD_ITEM), 3);
	assert_int_equal(seals, 0);
}

static void a_blocked_socket_loses_and_repeats_nothing(void **state)
{
	for (__u64 pn = 0; pn < 100; pn++)
		leave_clear(100, pn);
	sends_left = 30;
	inlay_datathread_turn(dt, 0);
	assert_int_equal(received(), 30);
	inlay_datathread_turn(dt, 0);
	assert_int_equal(received(), 0);
	/* Receiving goes on meanwhile. */
	arrive(0, 0xc3, 1, 60, 5);
	sends_left = 20;
	inlay_datathread_turn(dt, 0);
	assert_int_equal(taken_up((struct inlay_frame *[64]){0}), 1);
	assert_int_equal(received(), 20);
	assert_int_equal(got[0].data[1], 30);
	sends_left = -1;
	inlay_datathread_turn(dt, 0);
	assert_int_equal(received(), 50);
	assert_int_equal(got[49].data[1], 99);
	assert_int_equal(seals, 100);
	assert_int_equal(reasons_in_all(), 0);
}

static __u64 merged_messages(void)
{
	struct inlay_datathread_stats stats;

	inlay_datathread_stats(dt, &stats);
	return stats.ports.tx_merged;
}

/* What the descriptor asks for reaches the socket; itself it stays here. */
static void marks_leave_as_the_descriptor_says(void **state)
{
	static const __u8 flags[] = {0,
				     INLAY_ECN_ECT0 << INLAY_DESC_ECN_SHIFT,
				     INLAY_ECN_ECT0 << INLAY_DESC_ECN_SHIFT,
				     INLAY_ECN_ECT1 << INLAY_DESC_ECN_SHIFT,
				     0xff,
				     INLAY_DESC_ALONE};
	static const __u8 marks[] = {0, 2, 2, 1, 3, 0};

	for (__u64 pn = 0; pn < 6; pn++)
		leave_marked(pn, flags[pn], 0);
	inlay_datathread_turn(dt, 0);
	assert_int_equal(received(), 6);
	for (int i = 0; i < 6; i++) {
		assert_int_equal(got[i].ecn, marks[i]);
		assert_int_equal(got[i].data[1], i);
		for (int k = 0; k < INLAY_TAG; k++)
			assert_int_equal(got[i].data[100 - INLAY_TAG + k], 0xee);
	}
	assert_int_equal(merged_messages(), ports[0].gso ? 1 : 0);
}

static void a_packet_sent_alone_is_merged_with_none(void **state)
{
	for (__u64 pn = 0; pn < 5; pn++)
		leave_marked(pn, pn == 2 ? INLAY_DESC_ALONE : 0, 0);
	inlay_datathread_turn(dt, 0);
	assert_int_equal(received(), 5);
	for (int i = 0; i < 5; i++)
		assert_int_equal(got[i].data[1], i);
	assert_int_equal(merged_messages(), ports[0].gso ? 2 : 0);
}

/* Invariant 1: what was refused is in no message, and parts the messages around it. */
static void a_refused_frame_is_not_in_a_merged_message(void **state)
{
	size_t n;

	for (__u64 pn = 0; pn < 30; pn++) {
		if (pn % 5 == 2) {
			leave_clear(100, PN_AGAIN);
		} else if (pn % 5 == 4) {
			prepare(INLAY_FRAME_SEALED, 100, 0x43); /* clear, by another name */
			inlay_ring_commit(down, 1);
		} else {
			leave_clear(100, pn);
		}
	}
	inlay_datathread_turn(dt, 0);
	n = received();
	assert_int_equal(n, 18);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(got[i].data[1], i / 3 * 5 + (i % 3 == 2 ? 3 : i % 3));
		for (int k = 0; k < INLAY_TAG; k++)
			assert_int_equal(got[i].data[100 - INLAY_TAG + k], 0xee);
	}
	assert_int_equal(reason(INLAY_REASON_PN_REPEATED), 6);
	assert_int_equal(reason(INLAY_REASON_BAD_FRAME), 6);
}

/* Takes what has arrived from port |port|: |n| packets, numbered on from |first|. */
static void assert_numbers(__u16 port, __u64 first, size_t n)
{
	size_t seen = 0, some;

	while ((some = received()))
		for (size_t i = 0; i < some; i++) {
			assert_int_equal(got[i].path.remote.port, ports[port].local.port);
			assert_int_equal(got[i].data[1], (__u8)(first + seen++));
		}
	assert_int_equal(seen, n);
}

static void a_blocked_port_holds_up_no_other(void **state)
{
	blocked_fd = ports[0].fd;
	for (__u64 round = 0; round < 4; round++) {
		for (__u64 pn = 0; pn < 40; pn++)
			leave_marked(round * 40 + pn, 0, pn & 1);
		inlay_datathread_turn(dt, 0);
		for (size_t i = 0, n = received(); i < 20; i++) {
			assert_int_equal(n, 20);
			assert_int_equal(got[i].data[1], round * 40 + 2 * i + 1);
			assert_int_equal(got[i].path.remote.port, ports[1].local.port);
		}
	}
	blocked_fd = -1;
	inlay_datathread_turn(dt, 0);
	for (size_t seen = 0, n; seen < 80; seen += n) {
		n = received();
		assert_true(n > 0);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(got[i].data[1], 2 * (seen + i));
	}
	assert_int_equal(seals, 160);
	assert_int_equal(reasons_in_all(), 0);
}

/* More than can wait for it: then the ring waits as well, and nothing is lost. */
static void a_long_blocked_port_loses_nothing_while_there_is_patience(void **state)
{
	const __u64 sum = 256 + 64 + 256;
	__u64 pn = 0, seen = 0;
	struct inlay_frame *slot;

	blocked_fd = ports[0].fd;
	while (inlay_ring_reserve(down, 1, &slot) && pn < 1000) {
		leave_marked(pn++, 0, 0);
		if (pn % 32 == 0)
			inlay_datathread_turn(dt, 0);
	}
	assert_true(pn >= 256 + 256 && pn <= sum);
	assert_int_equal(received(), 0);
	blocked_fd = -1;
	for (int turns = 0; turns < 10; turns++) {
		inlay_datathread_turn(dt, 0);
		for (size_t n; (n = received());)
			for (size_t i = 0; i < n; i++)
				assert_int_equal(got[i].data[1], (__u8)seen++);
	}
	assert_int_equal(seen, pn);
	assert_int_equal(seals, pn);
	assert_int_equal(reasons_in_all(), 0);
	leave_marked(seen, 0, 0);
	inlay_datathread_turn(dt, 0);
	assert_numbers(0, seen, 1);
}

/* Impatient: what has no room is dropped by name, so that other ports go on. */
static void a_port_that_stays_blocked_loses_by_name(void **state)
{
	blocked_fd = ports[0].fd;
	for (__u64 pn = 0; pn < 600; pn++) {
		leave_marked(pn, 0, 0);
		if (pn % 32 == 31) {
			inlay_datathread_turn(dt, 0);
			inlay_datathread_turn(dt, 0);
		}
	}
	leave_marked(7, 0, 1);
	inlay_datathread_turn(dt, 0);
	inlay_datathread_turn(dt, 0);
	assert_numbers(1, 7, 1);
	assert_int_equal(reason(INLAY_REASON_PORT_BLOCKED), 600 - 256);
	blocked_fd = -1;
	inlay_datathread_turn(dt, 0);
	inlay_datathread_turn(dt, 0);
	assert_numbers(0, 0, 256);
	leave_marked(9, 0, 0);
	inlay_datathread_turn(dt, 0);
	assert_numbers(0, 9, 1);
	assert_int_equal(reason(INLAY_REASON_PORT_BLOCKED), 600 - 256);
}

/* What the port has split off, but the ring had no time for, is not left lying there. */
static void a_large_merged_burst_comes_up_whole(void **state)
{
	static __u8 data[60 * 1000];
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = ports[0].local.port};
	int segment = 1000;
	size_t sum = 0;

	if (!ports[0].rx || setsockopt(peer.fd, SOL_UDP, UDP_SEGMENT, &segment, sizeof(segment)))
		skip();
	memcpy(&to.sin_addr, ports[0].local.ip, 4);
	for (size_t i = 0; i < 60; i++) {
		data[i * 1000] = 0x43;
		data[i * 1000 + 1] = CID_OK;
		data[i * 1000 + 20] = (__u8)i;
	}
	for (int i = 0; i < 8; i++)
		assert_true(sendto(peer.fd, data, sizeof(data), 0, (void *)&to, sizeof(to)) > 0);
	for (int turns = 0; turns < 200; turns++) {
		struct inlay_frame *f[64];
		size_t n;

		inlay_datathread_turn(dt, 0);
		n = taken_up(f);
		for (size_t i = 0; i < n; i++) {
			assert_int_equal(f[i]->kind, INLAY_FRAME_CLEAR);
			assert_int_equal(f[i]->len, 1000);
		}
		inlay_ring_release(up, n);
		sum += n;
		if (sum + reason(INLAY_REASON_RING_FULL_UP) == 8 * 60)
			return;
	}
	fail_msg("%zu came up", sum);
}

static void a_datagram_the_kernel_refuses_is_counted(void **state)
{
	struct inlay_datathread_stats stats;
	struct inlay_frame *f = prepare(INLAY_FRAME_SEALED, 100, 0xc0);

	f->path.remote.family = AF_INET6;
	inlay_ring_commit(down, 1);
	leave_clear(100, 1);
	inlay_datathread_turn(dt, 0);
	assert_int_equal(received(), 1);
	assert_int_equal(reason(INLAY_REASON_SEND_FAILED), 1);
	inlay_datathread_stats(dt, &stats);
	assert_int_equal(stats.tx_packets, 1);
	assert_int_equal(stats.sealed, 1);
}

/* --- The thread ------------------------------------------------------------------------------- */

static void wait_readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	assert_int_equal(poll(&p, 1, 20000), 1);
}

static void the_thread_wakes_for_both_sides(void **state)
{
	struct inlay_frame *f[64];
	size_t n;

	assert_int_equal(inlay_datathread_start(dt), 0);
	assert_int_equal(inlay_datathread_start(dt), -EINVAL);
	for (int i = 0; i < 500; i++) {
		arrive(i & 1, 0x43, CID_OK, 100, (__u8)i);
		while (!(n = taken_up(f))) {
			if (!inlay_ring_consumer_sleep(up))
				continue;
			wait_readable(inlay_ring_fds(up).data);
			inlay_ring_consumer_awake(up, true);
		}
		assert_int_equal(n, 1);
		assert_int_equal(f[0]->data[20], (__u8)i);
		inlay_ring_release(up, 1);
		leave_clear(200, (__u64)i);
		wait_readable(peer.fd);
		assert_int_equal(received(), 1);
		assert_int_equal(got[0].data[1], (__u8)i);
	}
	inlay_datathread_stop(dt);
	inlay_datathread_stop(dt);
	assert_int_equal(reasons_in_all(), 0);
}

static void stopping_sends_what_is_left(void **state)
{
	assert_int_equal(inlay_datathread_start(dt), 0);
	for (__u64 pn = 0; pn < 200; pn++)
		leave_clear(60, pn);
	inlay_datathread_stop(dt);
	for (size_t n, sum = 0; sum < 200; sum += n)
		assert_true((n = received()) > 0);
}

static void a_cpu_that_is_not_there_is_refused(void **state)
{
	struct inlay_datathread_config config = {.provider = &provider,
						 .up = up,
						 .down = down,
						 .ports = ports,
						 .n_ports = 2,
						 .cpu = 1 << 20};
	struct inlay_datathread *other;

	assert_int_equal(inlay_datathread_new(&config, &other), 0);
	assert_int_equal(inlay_datathread_start(other), -EINVAL);
	inlay_datathread_free(other);
	config.n_ports = INLAY_DATATHREAD_PORTS + 1;
	assert_int_equal(inlay_datathread_new(&config, &other), -EINVAL);
	inlay_datathread_free(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(each_datagram_goes_up_as_what_it_is),
		TEST(an_oversized_datagram_is_counted),
		TEST(congestion_marks_reach_the_descriptor),
		TEST(forgeries_leave_room_for_connections),
		TEST(a_full_ring_drops_and_counts),
		TEST(clear_packets_leave_sealed_and_in_order),
		TEST(frames_leave_by_their_port),
		TEST(what_the_provider_refuses_stays),
		TEST(handshakes_and_resets_leave_as_they_are),
		TEST(cleartext_never_leaves),
		cmocka_unit_test_setup_teardown(a_blocked_socket_loses_and_repeats_nothing,
						setup_singly, teardown),
		TEST(marks_leave_as_the_descriptor_says),
		TEST(a_packet_sent_alone_is_merged_with_none),
		TEST(a_refused_frame_is_not_in_a_merged_message),
		TEST(a_blocked_port_holds_up_no_other),
		TEST(a_long_blocked_port_loses_nothing_while_there_is_patience),
		cmocka_unit_test_setup_teardown(a_port_that_stays_blocked_loses_by_name,
						setup_impatient, teardown),
		TEST(a_large_merged_burst_comes_up_whole),
		TEST(a_datagram_the_kernel_refuses_is_counted),
		TEST(the_thread_wakes_for_both_sides),
		TEST(stopping_sends_what_is_left),
		TEST(a_cpu_that_is_not_there_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
