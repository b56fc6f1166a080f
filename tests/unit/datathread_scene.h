/* SPDX-License-Identifier: BSD-2-Clause */
/* The data thread between real loopback sockets and real rings, over a provider of these tests'
 * own: for datathread_test.c and datathread_down_test.c. */
#ifndef INLAY_DATATHREAD_SCENE_H
#define INLAY_DATATHREAD_SCENE_H

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

static __attribute__((unused)) size_t fake_open(struct inlay_provider *p,
						struct inlay_open_item *items, size_t n)
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

static __attribute__((unused)) size_t seals;

static __attribute__((unused)) size_t fake_seal(struct inlay_provider *p,
						struct inlay_seal_item *items, size_t n)
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
static __attribute__((unused)) struct inlay_provider provider = {.ops = &fake_ops};

/* --- A socket that blocks when told to -------------------------------------------------------- */

static __attribute__((unused)) int sends_left = -1; /* messages until EAGAIN; -1: no limit */
static __attribute__((unused)) int blocked_fd = -1; /* this socket takes nothing at all */

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

static __attribute__((unused)) struct inlay_ring *up, *down;
static __attribute__((unused)) struct inlay_port_udp ports[2], peer;
static __attribute__((unused)) struct inlay_datathread *dt;
static __attribute__((unused)) struct inlay_frame got[64];
static __attribute__((unused)) bool no_gso;

static __attribute__((unused)) void open_port(struct inlay_port_udp *port, __u16 index)
{
	struct inlay_port_udp_config config = {.local = {.family = AF_INET, .ip = {127, 0, 0, 1}},
					       .index = index,
					       .buffer_bytes = 1 << 20,
					       .no_gso = no_gso};

	assert_int_equal(inlay_port_udp_open(port, &config), 0);
}

static __attribute__((unused)) int setup_with(inlay_ns patience)
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

static __attribute__((unused)) int setup(void **state)
{
	no_gso = false;
	return setup_with(0);
}

static __attribute__((unused)) int setup_singly(void **state)
{
	no_gso = true;
	return setup_with(0);
}

static __attribute__((unused)) int setup_impatient(void **state)
{
	no_gso = false;
	return setup_with(1);
}

static __attribute__((unused)) int teardown(void **state)
{
	inlay_datathread_free(dt);
	inlay_ring_free(up);
	inlay_ring_free(down);
	inlay_port_udp_close(&ports[0]);
	inlay_port_udp_close(&ports[1]);
	inlay_port_udp_close(&peer);
	return 0;
}

static __attribute__((unused)) __u64 reason(enum inlay_reason r)
{
	struct inlay_reason_counters c;

	inlay_datathread_reasons(dt, &c);
	return c.count[r];
}

static __attribute__((unused)) __u64 reasons_in_all(void)
{
	struct inlay_reason_counters c;
	__u64 sum = 0;

	inlay_datathread_reasons(dt, &c);
	for (size_t i = 0; i < INLAY_N_REASONS; i++)
		sum += c.count[i];
	return sum;
}

/* A datagram from the peer to port |port|: |first| byte, connection ID, then its number. */
static __attribute__((unused)) void arrive(int port, __u8 first, __u8 cid, size_t len, __u8 number)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = ports[port].local.port};
	__u8 data[1500] = {first, cid};

	memcpy(&to.sin_addr, ports[port].local.ip, 4);
	if (len > 20)
		data[20] = number;
	assert_int_equal(sendto(peer.fd, data, len, 0, (void *)&to, sizeof(to)), len);
}

static __attribute__((unused)) size_t taken_up(struct inlay_frame **frames)
{
	return inlay_ring_peek(up, 64, frames);
}

/* A frame for the peer in the down ring; the caller may spoil it before it commits. */
static __attribute__((unused)) struct inlay_frame *prepare(__u8 kind, __u32 len, __u8 first)
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

static __attribute__((unused)) void set_desc(struct inlay_frame *f, __u8 hdr_len, __u64 pn)
{
	struct inlay_desc desc = {
		.sa = htobe32(1), .generation = htobe16(1), .hdr_len = hdr_len, .pn = htobe64(pn)};

	memcpy(f->data + f->len - INLAY_TAG, &desc, sizeof(desc));
	if (f->len >= 13 + INLAY_TAG)
		memcpy(f->data + 13 - INLAY_TX_PN, &(__u32){htobe32((__u32)pn)}, INLAY_TX_PN);
}

static __attribute__((unused)) void leave_clear(__u32 len, __u64 pn)
{
	struct inlay_frame *f = prepare(INLAY_FRAME_CLEAR, len, 0x43);

	set_desc(f, 13, pn);
	f->data[1] = (__u8)pn;
	inlay_ring_commit(down, 1);
}

static __attribute__((unused)) void leave_marked(__u64 pn, __u8 flags, __u16 port)
{
	struct inlay_frame *f = prepare(INLAY_FRAME_CLEAR, 100, 0x43);

	set_desc(f, 13, pn);
	f->data[1] = (__u8)pn;
	f->data[f->len - INLAY_TAG + offsetof(struct inlay_desc, flags)] = flags;
	f->port = port;
	f->path.local = ports[port].local;
	inlay_ring_commit(down, 1);
}

static __attribute__((unused)) size_t received(void)
{
	struct inlay_frame *frames[64];

	for (int i = 0; i < 64; i++)
		frames[i] = &got[i];
	return inlay_port_udp_recv(&peer, frames, 64, 1);
}

static __attribute__((unused)) void publish_clear(__u32 len, __u64 pn)
{
	struct inlay_frame *f = prepare(INLAY_FRAME_CLEAR, len, 0x43);

	set_desc(f, 13, pn);
	f->data[1] = (__u8)pn;
	inlay_ring_publish(down, 1);
}

#define TEST(name)	   cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TEST_WITH(s, name) cmocka_unit_test_setup_teardown(name, s, teardown)

#endif
