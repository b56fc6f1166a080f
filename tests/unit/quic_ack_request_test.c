/* SPDX-License-Identifier: BSD-2-Clause */
/* ACK_FREQUENCY and IMMEDIATE_ACK between connections: draft-ietf-quic-ack-frequency. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "quic_pair.h"
#include "quic_solo.h"
#include "zeros.h"

/* --- One of them ----------------------------------------------------------------------------- */

static void start(struct solo *s, bool offered)
{
	solo_init(s, INLAY_SERVER);
	s->handover.own.has_min_ack_delay = true;
	s->handover.own.min_ack_delay = INLAY_MS;
	s->handover.peer.has_min_ack_delay = offered;
	s->handover.peer.min_ack_delay = INLAY_MS;
	assert_true(solo_start(s));
}

static void test_the_frames_are_unknown_unless_announced(void **state)
{
	static const __u8 frames[][8] = {{0x1f}, {0x40, 0xaf, 0, 1, 0x44, 0xb0, 1}};
	struct solo s;
	size_t i;

	for (i = 0; i < 2; i++) {
		solo_init(&s, INLAY_SERVER);
		assert_true(solo_start(&s));
		solo_recv(&s, frames[i], i ? 7 : 1);
		assert_true(s.closed);
		assert_int_equal(s.why.code, INLAY_QUIC_FRAME_ENCODING_ERROR);
		solo_stop(&s);
	}
}

static void test_an_immediate_ack_is_sent_at_once(void **state)
{
	const __u8 ping[] = {0x01}, hurry[] = {0x1f};
	struct inlay_quic_frame f;
	struct solo s;

	start(&s, false);
	solo_drain(&s);
	solo_recv(&s, ping, 1);
	assert_int_equal(solo_find(&s, INLAY_QUIC_ACK, &f), 0);
	solo_recv(&s, (const __u8[]){0x40, 0xaf, 0, 40, 0x80, 0, 0x61, 0xa8, 3}, 9);
	solo_recv(&s, ping, 1);
	solo_recv(&s, ping, 1);
	s.now += 5 * INLAY_MS;
	solo_find(&s, INLAY_QUIC_ACK, &f);
	solo_recv(&s, ping, 1);
	assert_int_equal(solo_find(&s, INLAY_QUIC_ACK, &f), 0);
	solo_recv(&s, hurry, 1);
	assert_int_equal(solo_find(&s, INLAY_QUIC_ACK, &f), 1);
	assert_int_equal(f.ack.largest, s.next_pn - 1);
	solo_stop(&s);
}

static void test_a_delay_below_what_we_announced_closes(void **state)
{
	struct solo s;

	start(&s, false);
	solo_recv(&s, (const __u8[]){0x40, 0xaf, 0, 1, 0x43, 0xe7, 1}, 7); /* 999 us */
	assert_true(s.closed);
	assert_int_equal(s.why.code, INLAY_QUIC_PROTOCOL_VIOLATION);
	assert_int_equal(s.conn->close.frame_type, INLAY_QUIC_ACK_FREQUENCY);
	solo_stop(&s);
}

static void test_fewer_acks_are_asked_for_once_something_was_acknowledged(void **state)
{
	struct inlay_quic_frame f;
	struct solo s;

	start(&s, true);
	assert_int_equal(solo_find(&s, INLAY_QUIC_ACK_FREQUENCY, &f), 0);
	solo_ack(&s, 0);
	assert_int_equal(solo_find(&s, INLAY_QUIC_ACK_FREQUENCY, &f), 1);
	assert_int_equal(f.frequency.sequence, 0);
	assert_int_equal(f.frequency.threshold, 1); /* of a window of 10 */
	assert_int_equal(f.frequency.max_delay_us, 25000);
	/* Acknowledged, it is not asked again. */
	solo_ack(&s, 0);
	assert_int_equal(solo_drain(&s), 0);
	solo_stop(&s);

	start(&s, false);
	solo_drain(&s);
	solo_ack(&s, 0);
	assert_int_equal(solo_find(&s, INLAY_QUIC_ACK_FREQUENCY, &f), 0);
	solo_stop(&s);
}

static void test_a_lost_request_is_renewed_and_a_probe_hurries(void **state)
{
	struct inlay_quic_frame f;
	struct solo s;

	start(&s, true);
	solo_drain(&s);
	solo_ack(&s, 0);
	assert_int_equal(solo_find(&s, INLAY_QUIC_ACK_FREQUENCY, &f), 1);
	s.now += 2 * INLAY_S;
	inlay_conn_on_timer(s.conn, s.now);
	assert_int_equal(s.conn->recovery.probes, 2);
	/* Not the old frame again: one with the next number. */
	assert_int_equal(solo_find(&s, INLAY_QUIC_ACK_FREQUENCY, &f), 1);
	assert_int_equal(f.frequency.sequence, 1);
	s.now += 10 * INLAY_S;
	inlay_conn_on_timer(s.conn, s.now);
	assert_int_equal(solo_find(&s, INLAY_QUIC_IMMEDIATE_ACK, &f), 2);
	solo_stop(&s);
}

/* --- Two of them ----------------------------------------------------------------------------- */

#define TRANSFER (4ULL << 20)

struct transfer {
	__u64 received;
	inlay_ns done_at;
};

static void on_data(void *user, __u64 id, const __u8 *data, size_t len, bool fin)
{
	struct quic_pair_side *s = user;
	struct transfer *t = s->app;

	t->received += len;
	inlay_conn_stream_consume(s->conn, id, len);
	if (fin)
		t->done_at = s->pair->now;
}

static const struct inlay_conn_ops app = {.on_stream_data = on_data};

struct result {
	inlay_ns took;
	__u64 data_pkts, acks, ptos;
};

/* From the server to the client: 20 Mbit/s, 40 ms. */
static struct result transfer(bool asked, __u32 loss_pct, __u64 seed)
{
	struct quic_pair_config config = quic_pair_defaults(seed);
	struct inlay_conn_stats sent, received;
	struct transfer t = {0};
	struct quic_pair *p;
	struct result r;
	inlay_ns start;
	__u64 id;

	config.app = &app;
	config.loss_pct = loss_pct;
	config.bytes_per_s = 20000000 / 8;
	config.queue_bytes = 100000;
	config.cc = INLAY_CC_CUBIC;
	config.params.initial_max_data = 1 << 20;
	config.params.initial_max_stream_data_uni = 1 << 20;
	config.params.has_min_ack_delay = asked;
	config.params.min_ack_delay = INLAY_MS;
	p = quic_pair_new(&config);
	p->side[INLAY_CLIENT].app = &t;
	start = p->now;
	assert_int_equal(
		inlay_conn_stream_open(p->side[INLAY_SERVER].conn, false, 0, &zeros, NULL, &id), 0);
	assert_int_equal(inlay_conn_stream_extend(p->side[INLAY_SERVER].conn, id, TRANSFER, true),
			 0);
	quic_pair_flush(p);
	while (t.done_at == 0 && p->now < start + 60 * INLAY_S)
		quic_pair_step(p, start + 60 * INLAY_S);
	assert_true(t.received == TRANSFER);
	inlay_conn_stats(p->side[INLAY_SERVER].conn, &sent);
	inlay_conn_stats(p->side[INLAY_CLIENT].conn, &received);
	r = (struct result){t.done_at - start, sent.packets_sent, received.acks_sent, sent.ptos};
	quic_pair_free(p);
	return r;
}

/* Sums over some seeds: with loss a single one says little. */
static struct result transfers(bool asked, __u32 loss_pct, __u64 seeds)
{
	struct result sum = {0};
	__u64 seed;

	for (seed = 1; seed <= seeds; seed++) {
		struct result r = transfer(asked, loss_pct, seed);

		sum.took += r.took;
		sum.data_pkts += r.data_pkts;
		sum.acks += r.acks;
		sum.ptos += r.ptos;
	}
	print_message("loss %u %%, %s: %llu ACKs for %llu packets in %llu ms\n", loss_pct,
		      asked ? "asked for fewer" : "not asked", sum.acks, sum.data_pkts,
		      sum.took / INLAY_MS);
	return sum;
}

static void test_fewer_acks_and_as_quick(void **state)
{
	struct result plain = transfers(false, 0, 1), asked = transfers(true, 0, 1);

	assert_true(asked.acks * 4 <= plain.acks);
	assert_true(asked.took <= plain.took + plain.took / 20);
	/* No timer went off for want of an ACK. */
	assert_true(asked.ptos <= plain.ptos + 1);
}

/* A small window bears no fewer, and does not become slower by asking. */
static void test_with_loss_it_is_as_quick(void **state)
{
	struct result plain = transfers(false, 2, 6), asked = transfers(true, 2, 6);

	assert_true(asked.acks < plain.acks);
	assert_true(asked.took <= plain.took + plain.took / 25);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_frames_are_unknown_unless_announced),
		cmocka_unit_test(test_an_immediate_ack_is_sent_at_once),
		cmocka_unit_test(test_a_delay_below_what_we_announced_closes),
		cmocka_unit_test(test_fewer_acks_are_asked_for_once_something_was_acknowledged),
		cmocka_unit_test(test_a_lost_request_is_renewed_and_a_probe_hurries),
		cmocka_unit_test(test_fewer_acks_and_as_quick),
		cmocka_unit_test(test_with_loss_it_is_as_quick),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
