/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fan-out over a real provider, with a forwarder of this test's own that copies every packet to
 * every subscriber, and a port that keeps what it is given.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "fanout.h"
#include "inlay_net.h"
#include "inlay_quic_write.h"
#include "provider_local.h"

#define SUBS	150
#define LOG	64
#define HEADER	(1 + INLAY_OWN_CID + INLAY_TX_PN)
#define PREFIX	13
#define PAYLOAD 500
#define PACKET	(HEADER + PAYLOAD + INLAY_TAG)

struct sub {
	struct inlay_sa_ref tx;
	struct inlay_cid cid;
	struct inlay_headers headers;
	struct inlay_sent log[LOG];
	__u64 next_pn;
	__u64 got_pn; /* lowest number that may come */
	__u8 ecn;
};

static struct sub subs[SUBS];
static size_t n_subs;
static struct inlay_provider *provider;
static struct inlay_fanout *fanout;
static struct inlay_frame packets[8];
static struct inlay_frame *burst[8];

/* What the port was given, and how much it takes. */
static struct inlay_frame out[2048];
static __u8 out_ecn[2048];
static size_t n_out, n_calls, call_sizes[64], port_room;

/* --- The forwarder of this test --------------------------------------------------------------- */

static size_t put_head(struct sub *s, __u64 pn, size_t payload_len, __u8 *head)
{
	const struct inlay_headers *h = &s->headers;
	size_t at = h->l2_len + (h->ip_len ? (size_t)h->ip_len + INLAY_NET_UDP_LEN : 0);
	struct inlay_writer w = inlay_writer_of(head + at, INLAY_COPY_HEAD - at);

	memcpy(head, h->bytes, at);
	if (h->ip_len)
		inlay_net_set_lengths(head, h->l2_len, h->ip_len,
				      (__u32)(HEADER + PREFIX + payload_len + INLAY_TAG));
	assert_true(inlay_quic_put_short(&w, &s->cid, pn, INLAY_TX_PN));
	for (int i = 0; i < PREFIX; i++)
		assert_true(inlay_writer_u8(&w, (__u8)(pn + (__u64)(s - subs) + (__u64)i)));
	return at + inlay_writer_len(&w);
}

enum inlay_forward_verdict inlay_forwarder_run(struct inlay_forwarder *f, const __u8 *packet,
					       size_t len, inlay_ns now)
{
	for (struct sub *s = subs; s < subs + n_subs; s++) {
		struct inlay_copy c = {.payload = packet + HEADER,
				       .payload_len = (__u32)(len - HEADER - INLAY_TAG),
				       .sa = s->tx.number,
				       .sa_generation = s->tx.generation,
				       .ecn = s->ecn,
				       .pn = s->next_pn++,
				       .headers = &s->headers,
				       .quic_len = HEADER};
		__u8 head[INLAY_COPY_HEAD];

		c.sent = &s->log[c.pn % LOG];
		c.sent->pn_state = INLAY_SENT_WORD(c.pn, INLAY_SENT_SENT);
		c.sent->flags = 0;
		c.head = head;
		c.head_len = (__u32)put_head(s, c.pn, c.payload_len, head);
		c.quic_at = (__u16)(c.head_len - PREFIX - HEADER);
		f->emit(f->user, &c);
	}
	return INLAY_FORWARD_DONE;
}

void inlay_copy_dropped(struct inlay_sent *sent, __u64 pn)
{
	assert_int_equal(sent->pn_state, INLAY_SENT_WORD(pn, INLAY_SENT_SENT));
	sent->flags |= INLAY_SENT_DROPPED;
}

/* --- The port --------------------------------------------------------------------------------- */

static size_t take(void *user, __u16 port, const struct inlay_port_item *items, size_t n)
{
	size_t taken = n < port_room ? n : port_room;

	assert_ptr_equal(user, subs);
	assert_true(n > 0);
	call_sizes[n_calls++ % 64] = n;
	for (size_t i = 0; i < taken; i++) {
		out_ecn[n_out] = items[i].ecn;
		out[n_out].port = port;
		out[n_out].path = items[i].frame->path;
		out[n_out].len = items[i].len;
		memcpy(out[n_out++].data, items[i].frame->data, items[i].len);
	}
	port_room -= taken;
	return taken;
}

static const struct inlay_fanout_ops ops = {.send = take};

/* --- The scene -------------------------------------------------------------------------------- */

static struct inlay_addr address(size_t i)
{
	return (struct inlay_addr){.family = INLAY_NET_AF_INET,
				   .port = (__be16)(1000 + i),
				   .ip = {10, 0, (__u8)(i >> 8), (__u8)i}};
}

static void add_sub(size_t i)
{
	struct inlay_sa_params params = {.cipher = INLAY_AES_128_GCM, .n_cids = 1};
	struct sub *s = &subs[i];
	struct inlay_sa_ref rx;

	memset(s, 0, sizeof(*s));
	s->cid.len = INLAY_OWN_CID;
	memcpy(s->cid.data, &i, sizeof(i));
	s->cid.data[7] = 0xcc;
	memset(&params.keys, (int)i + 1, sizeof(params.keys));
	memset(params.hp, (int)i + 2, sizeof(params.hp));
	params.cids = &s->cid;
	s->headers.quic_len = HEADER;
	s->headers.path.remote = params.path.remote = address(i);
	params.direction = INLAY_TX;
	assert_int_equal(provider->ops->sa_add(provider, &params, &s->tx), 0);
	params.direction = INLAY_RX;
	params.path.local = address(0);
	assert_int_equal(provider->ops->sa_add(provider, &params, &rx), 0);
}

static int setup_with(size_t n)
{
	struct inlay_provider_local_config local = {.max_sa = 2 * SUBS, .max_cids = SUBS};
	struct inlay_fanout_config config = {
		.tables = &(struct inlay_tables){0}, .ops = &ops, .user = subs};

	provider = inlay_provider_local_new(&local);
	assert_non_null(provider);
	config.provider = provider;
	assert_int_equal(inlay_fanout_new(&config, &fanout), 0);
	n_subs = n;
	for (size_t i = 0; i < n; i++)
		add_sub(i);
	n_out = n_calls = 0;
	port_room = INLAY_ARRAY_SIZE(out);
	for (size_t i = 0; i < INLAY_ARRAY_SIZE(packets); i++) {
		burst[i] = &packets[i];
		packets[i].kind = INLAY_FRAME_CLEAR;
		packets[i].len = PACKET;
		for (size_t k = 0; k < PACKET; k++)
			packets[i].data[k] = (__u8)(31 * i + 7 * k);
	}
	return 0;
}

static int setup(void **state)
{
	return setup_with(5);
}

static int setup_many(void **state)
{
	return setup_with(SUBS);
}

static int teardown(void **state)
{
	inlay_fanout_free(fanout);
	provider->ops->free(provider);
	return 0;
}

static __u64 reason(enum inlay_reason r)
{
	return inlay_fanout_reasons(fanout)->count[r];
}

static struct inlay_fanout_stats stats(void)
{
	struct inlay_fanout_stats s;

	inlay_fanout_stats(fanout, &s);
	return s;
}

/* Opens what went out as number |i|, at |at| in its frame, and checks that it is what subscriber
 * |sub| was to have of packet |packet|. */
static void assert_copy_at(size_t i, size_t at, size_t sub, size_t packet)
{
	struct sub *s = &subs[sub];
	struct inlay_open_item item = {
		.packet = out[i].data + at, .len = out[i].len - at, .local = address(0)};
	const __u8 *frames = item.packet + HEADER;
	struct inlay_desc desc;
	__u64 pn;

	assert_int_equal(item.len, PACKET + PREFIX);
	assert_memory_equal(item.packet + 1, s->cid.data, INLAY_OWN_CID);
	assert_int_equal(provider->ops->open(provider, &item, 1), 1);
	memcpy(&desc, item.packet + item.len - INLAY_TAG, sizeof(desc));
	pn = __builtin_bswap64(desc.pn);
	assert_true(pn >= s->got_pn);
	s->got_pn = pn + 1;
	for (size_t k = 0; k < PREFIX; k++)
		assert_int_equal(frames[k], (__u8)(pn + sub + k));
	assert_memory_equal(frames + PREFIX, packets[packet].data + HEADER, PAYLOAD);
}

static void assert_copy(size_t i, size_t sub, size_t packet)
{
	assert_memory_equal(&out[i].path, &subs[sub].headers.path, sizeof(out[i].path));
	assert_copy_at(i, 0, sub, packet);
}

static bool is_marked(size_t sub, __u64 pn)
{
	return subs[sub].log[pn % LOG].flags & INLAY_SENT_DROPPED;
}

/* --- Copies ----------------------------------------------------------------------------------- */

static void each_subscriber_has_its_copy_under_its_own_key(void **state)
{
	static struct inlay_frame before;

	memcpy(&before, &packets[3], sizeof(before));
	subs[2].ecn = INLAY_ECN_ECT0;
	inlay_fanout_run(fanout, burst + 3, 1, 1);
	assert_int_equal(n_out, 5);
	for (size_t i = 0; i < 5; i++) {
		assert_copy(i, i, 3);
		assert_int_equal(out_ecn[i], i == 2 ? INLAY_ECN_ECT0 : 0);
		assert_false(is_marked(i, 0));
	}
	assert_memory_equal(&before, &packets[3], sizeof(before));
	assert_int_equal(stats().packets, 1);
	assert_int_equal(stats().copies, 5);
	assert_int_equal(stats().sent, 5);
	assert_int_equal(stats().dropped, 0);
}

/* The port can then send those of one subscriber as one message. */
static void copies_of_several_packets_are_together_by_subscriber(void **state)
{
	inlay_fanout_run(fanout, burst, 7, 1);
	assert_int_equal(n_calls, 1);
	assert_int_equal(n_out, 35);
	for (size_t i = 0; i < 35; i++)
		assert_copy(i, i / 7, i % 7);
}

static void more_copies_than_a_burst_all_leave_in_order(void **state)
{
	inlay_fanout_run(fanout, burst, 1, 1);
	assert_int_equal(n_out, SUBS);
	assert_true(n_calls > 1 && call_sizes[0] <= 64);
	for (size_t i = 0; i < SUBS; i++)
		assert_copy(i, i, 0);
	n_out = 0;
	for (size_t at = 0; at < 8;)
		at += inlay_fanout_run(fanout, burst + at, 8 - at, 1);
	assert_int_equal(n_out, 8 * SUBS);
	/* Each subscriber's in its order: assert_copy() sees to it. */
	for (size_t i = 0; i < n_out; i++) {
		size_t sub = (size_t)out[i].path.remote.port - 1000;

		assert_copy(i, sub, (size_t)subs[sub].got_pn - 1);
	}
	assert_int_equal(stats().sent, 9 * SUBS);
	assert_int_equal(subs[SUBS - 1].got_pn, 9);
}

/* Whoever runs a burst can do something else in between. */
static void a_run_ends_behind_the_packet_that_fills_a_turn(void **state)
{
	size_t packets_of_turn = INLAY_FANOUT_TURN / SUBS + 1;

	assert_true(packets_of_turn < 8);
	assert_int_equal(inlay_fanout_run(fanout, burst, 8, 1), packets_of_turn);
	/* All have left. */
	assert_int_equal(n_out, packets_of_turn * SUBS);
	assert_int_equal(stats().packets, packets_of_turn);
	assert_int_equal(inlay_fanout_run(fanout, burst + packets_of_turn, 8 - packets_of_turn, 1),
			 8 - packets_of_turn);
	assert_int_equal(n_out, 8 * SUBS);
}

static void frames_that_are_not_clear_are_passed_over(void **state)
{
	packets[0].kind = INLAY_FRAME_SEALED;
	packets[1].kind = 0;
	packets[3].kind = INLAY_FRAME_FORGED;
	assert_int_equal(inlay_fanout_run(fanout, burst, 4, 1), 4);
	assert_int_equal(n_out, 5);
	assert_copy(0, 0, 2);
	assert_int_equal(stats().packets, 1);
	inlay_fanout_run(fanout, burst, 0, 1);
	assert_int_equal(n_out, 5);
}

static void copies_leave_by_the_port_of_their_headers(void **state)
{
	for (size_t i = 0; i < 5; i++)
		subs[i].headers.port = (__u16)(i % 2 ? 700 : 0);
	inlay_fanout_run(fanout, burst, 2, 1);
	assert_int_equal(n_calls, 2);
	assert_int_equal(n_out, 10);
	for (size_t i = 0; i < 10; i++) {
		static const size_t order[] = {0, 2, 4, 1, 3};

		assert_int_equal(out[i].port, i < 6 ? 0 : 700);
		assert_copy(i, order[i / 2], i % 2);
	}
}

/* --- What does not leave ---------------------------------------------------------------------- */

static void what_the_provider_refuses_is_marked_and_counted(void **state)
{
	subs[1].tx.generation++;
	subs[2].headers.path.remote.port++;
	subs[4].tx.number = 2 * SUBS;
	inlay_fanout_run(fanout, burst, 2, 1);
	assert_int_equal(n_out, 4);
	for (size_t i = 0; i < 4; i++)
		assert_copy(i, i / 2 * 3, i % 2);
	for (size_t i = 0; i < 5; i++)
		for (__u64 pn = 0; pn < 2; pn++)
			assert_int_equal(is_marked(i, pn), i == 1 || i == 2 || i == 4);
	assert_int_equal(reason(INLAY_REASON_STALE_SA), 2);
	assert_int_equal(reason(INLAY_REASON_WRONG_PATH), 2);
	assert_int_equal(reason(INLAY_REASON_NO_SA), 2);
	assert_int_equal(reason(INLAY_REASON_COPY_DROPPED), 6);
	assert_int_equal(stats().copies, 10);
	assert_int_equal(stats().sent, 4);
	assert_int_equal(stats().dropped, 6);
}

static void what_the_port_does_not_take_is_marked_and_counted(void **state)
{
	subs[0].tx.generation++;
	port_room = 3;
	inlay_fanout_run(fanout, burst, 2, 1);
	assert_int_equal(n_out, 3);
	assert_copy(0, 1, 0);
	assert_copy(1, 1, 1);
	assert_copy(2, 2, 0);
	for (size_t i = 0; i < 5; i++)
		for (__u64 pn = 0; pn < 2; pn++)
			assert_int_equal(is_marked(i, pn), i != 1 && !(i == 2 && pn == 0));
	assert_int_equal(reason(INLAY_REASON_COPY_DROPPED), 7);
	assert_int_equal(reason(INLAY_REASON_STALE_SA), 2);
	assert_int_equal(stats().dropped, 7);
}

static void a_copy_without_room_is_marked_and_counted(void **state)
{
	packets[0].len = INLAY_FRAME_ROOM - PREFIX;
	packets[1].len = INLAY_FRAME_ROOM - PREFIX + 1;
	inlay_fanout_run(fanout, burst, 2, 1);
	assert_int_equal(n_out, 5);
	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(out[i].len, INLAY_FRAME_ROOM);
		assert_false(is_marked(i, 0));
		assert_true(is_marked(i, 1));
	}
	assert_int_equal(reason(INLAY_REASON_NO_ROOM), 5);
	assert_int_equal(reason(INLAY_REASON_COPY_DROPPED), 5);
}

static void a_configuration_that_lacks_something_is_refused(void **state)
{
	struct inlay_fanout_config config = {.tables = &(struct inlay_tables){0},
					     .provider = provider,
					     .context = INLAY_CONTEXTS,
					     .ops = &ops};
	struct inlay_fanout *other;

	assert_int_equal(inlay_fanout_new(&config, &other), -EINVAL);
	config.context = 0;
	config.tables = NULL;
	assert_int_equal(inlay_fanout_new(&config, &other), -EINVAL);
	inlay_fanout_free(NULL);
}

/* --- Wire ports ------------------------------------------------------------------------------- */

static void put_on_wire(struct sub *s, __u8 version)
{
	struct inlay_net_datagram d = {.eth.has_vlan = version == 6,
				       .ip = {.version = version, .ttl = 64},
				       .udp = {.src = 443}};
	struct inlay_writer w = inlay_writer_of(s->headers.bytes, INLAY_HDR_MAX);
	struct inlay_path path = s->headers.path;

	if (version == 6) {
		path.remote.family = INLAY_NET_AF_INET6;
		memset(path.remote.ip, 0x26, 16);
		assert_int_equal(provider->ops->set_path(provider, s->tx, &path), 0);
	}
	memcpy(d.ip.dst, path.remote.ip, 16);
	d.udp.dst = __builtin_bswap16(path.remote.port);
	assert_true(inlay_net_put(&w, &d));
	s->headers.l2_len = INLAY_NET_ETH_LEN + (version == 6 ? INLAY_NET_VLAN_LEN : 0);
	s->headers.ip_len = version == 6 ? INLAY_NET_IPV6_LEN : INLAY_NET_IPV4_LEN;
}

static void headers_of_wire_ports_are_whole(void **state)
{
	for (size_t i = 0; i < 4; i++)
		put_on_wire(&subs[i], i % 2 ? 6 : 4);
	n_subs = 4;
	packets[1].len--; /* an odd length */
	inlay_fanout_run(fanout, burst, 2, 1);
	assert_int_equal(n_out, 8);
	for (size_t i = 0; i < 8; i++) {
		const struct inlay_headers *h = &subs[i / 2].headers;
		size_t at = h->l2_len + h->ip_len + INLAY_NET_UDP_LEN;
		struct inlay_net_datagram d = {0};
		struct inlay_net_sum sum;

		assert_int_equal(inlay_net_parse(inlay_cursor_of(out[i].data, out[i].len), &d),
				 INLAY_NET_OK);
		assert_int_equal(d.udp.len, PACKET + PREFIX - i % 2);
		if (d.ip.version == 6) {
			sum = inlay_net_udp_begin(out[i].data, h->l2_len, h->ip_len);
			inlay_net_sum_be16(&sum, d.udp.sum);
			inlay_net_sum_add(&sum, out[i].data + at, out[i].len - at);
			assert_int_equal(inlay_net_sum_end(&sum), 0);
			assert_int_not_equal(d.udp.sum, 0);
		} else {
			assert_int_equal(d.udp.sum, 0);
		}
		if (i % 2 == 0)
			assert_copy_at(i, at, i / 2, 0);
	}
}

/* What is asked of the provider is where the headers lead, whatever else is said. */
static void headers_that_lead_elsewhere_are_refused(void **state)
{
	put_on_wire(&subs[0], 4);
	put_on_wire(&subs[1], 6);
	put_on_wire(&subs[2], 4);
	put_on_wire(&subs[3], 4);
	subs[0].headers.bytes[INLAY_NET_ETH_LEN + 19] ^= 1;
	subs[1].headers.bytes[INLAY_NET_ETH_LEN + 4 + 40 + 3] ^= 1;
	subs[3].headers.l2_len--;
	inlay_fanout_run(fanout, burst, 1, 1);
	assert_int_equal(n_out, 2);
	assert_copy_at(0, INLAY_NET_ETH_LEN + 28, 2, 0);
	assert_copy_at(1, 0, 4, 0);
	assert_int_equal(reason(INLAY_REASON_WRONG_PATH), 3);
	assert_int_equal(reason(INLAY_REASON_COPY_DROPPED), 3);
}

#define TEST(name)	   cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TEST_WITH(s, name) cmocka_unit_test_setup_teardown(name, s, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(each_subscriber_has_its_copy_under_its_own_key),
		TEST(copies_of_several_packets_are_together_by_subscriber),
		TEST_WITH(setup_many, more_copies_than_a_burst_all_leave_in_order),
		TEST_WITH(setup_many, a_run_ends_behind_the_packet_that_fills_a_turn),
		TEST(frames_that_are_not_clear_are_passed_over),
		TEST(copies_leave_by_the_port_of_their_headers),
		TEST(what_the_provider_refuses_is_marked_and_counted),
		TEST(what_the_port_does_not_take_is_marked_and_counted),
		TEST(a_copy_without_room_is_marked_and_counted),
		TEST(a_configuration_that_lacks_something_is_refused),
		TEST(headers_of_wire_ports_are_whole),
		TEST(headers_that_lead_elsewhere_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
