/* SPDX-License-Identifier: BSD-2-Clause */
/* Key phases, as an engine without keys sees them: RFC 9001 section 6. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>

#include "keyupdate.h"
#include "quic_pair.h"
#include "quic_solo.h"
#include "zeros.h"

#define PTO  (100 * INLAY_MS)
#define NEXT INLAY_DESC_NEXT_PHASE
#define OLD  INLAY_DESC_OLD_PHASE

static void test_the_peer_updates(void **state)
{
	struct inlay_keyupdate k;

	inlay_keyupdate_init(&k, 0);
	assert_int_equal(inlay_keyupdate_on_packet(&k, 10, 0, 0, PTO, SOLO_T0), INLAY_KEYS_STAY);
	assert_int_equal(inlay_keyupdate_on_packet(&k, 12, 1, NEXT, PTO, SOLO_T0),
			 INLAY_KEYS_RX_TX);
	inlay_keyupdate_on_tx(&k, 100, SOLO_T0);
	assert_true(k.drop_at == SOLO_T0 + 3 * PTO);
	/* In the ring before we confirmed, for however long: the same update, not another. */
	assert_int_equal(inlay_keyupdate_on_packet(&k, 13, 1, NEXT, PTO, SOLO_T0), INLAY_KEYS_STAY);
	assert_int_equal(inlay_keyupdate_on_packet(&k, 11, 0, 0, PTO, SOLO_T0), INLAY_KEYS_STAY);
	assert_int_equal(inlay_keyupdate_on_packet(&k, 14, 1, NEXT, PTO, SOLO_T0 + 9 * PTO),
			 INLAY_KEYS_STAY);
	assert_int_equal(k.rx_phase, 1);
	/* Opened after it. */
	assert_int_equal(inlay_keyupdate_on_packet(&k, 15, 1, 0, PTO, SOLO_T0), INLAY_KEYS_STAY);
	assert_int_equal(inlay_keyupdate_on_packet(&k, 9, 0, OLD, PTO, SOLO_T0), INLAY_KEYS_STAY);
	inlay_keyupdate_on_ack_sent(&k, 15);
	assert_int_equal(inlay_keyupdate_on_packet(&k, 16, 0, NEXT, PTO, SOLO_T0 + 1),
			 INLAY_KEYS_RX_TX);
	assert_int_equal(k.rx_phase, 2);
	/* Of the first phase, opened in the second, read in the third, whose bit it has. */
	assert_int_equal(inlay_keyupdate_on_packet(&k, 8, 0, OLD, PTO, SOLO_T0 + 1),
			 INLAY_KEYS_STAY);
	assert_int_equal(k.rx_first, 16);
}

static void test_the_peer_answers_ours(void **state)
{
	struct inlay_keyupdate k;

	inlay_keyupdate_init(&k, 7);
	/* Only once something in this phase was acknowledged. */
	assert_false(inlay_keyupdate_may_start(&k, PTO, SOLO_T0));
	inlay_keyupdate_on_acked(&k, 6);
	assert_false(inlay_keyupdate_may_start(&k, PTO, SOLO_T0));
	inlay_keyupdate_on_acked(&k, 7);
	assert_true(inlay_keyupdate_may_start(&k, PTO, SOLO_T0));
	inlay_keyupdate_on_tx(&k, 20, SOLO_T0);
	assert_false(inlay_keyupdate_may_start(&k, PTO, SOLO_T0 + 10 * PTO));
	assert_int_equal(inlay_keyupdate_on_packet(&k, 3, 1, NEXT, PTO, SOLO_T0 + PTO),
			 INLAY_KEYS_RX);
	/* Not before the new phase is acknowledged, and three PTOs old. */
	assert_false(inlay_keyupdate_may_start(&k, PTO, SOLO_T0 + 5 * PTO));
	inlay_keyupdate_on_acked(&k, 20);
	inlay_keyupdate_on_ack(&k, SOLO_T0 + 2 * PTO);
	/* Nor while the peer may not know that its part has been seen; though not for ever. */
	assert_false(inlay_keyupdate_may_start(&k, PTO, SOLO_T0 + 2 * PTO + 10 * INLAY_S - 1));
	assert_true(inlay_keyupdate_may_start(&k, PTO, SOLO_T0 + 2 * PTO + 10 * INLAY_S));
	inlay_keyupdate_on_eliciting(&k, 2); /* of the phase before */
	inlay_keyupdate_on_told(&k, 2);
	inlay_keyupdate_on_eliciting(&k, 4);
	inlay_keyupdate_on_told(&k, 3);
	assert_false(inlay_keyupdate_may_start(&k, PTO, SOLO_T0 + 6 * PTO));
	inlay_keyupdate_on_told(&k, 4);
	assert_false(inlay_keyupdate_may_start(&k, PTO, SOLO_T0 + 5 * PTO - 1));
	assert_true(inlay_keyupdate_may_start(&k, PTO, SOLO_T0 + 5 * PTO));
	inlay_keyupdate_on_ack(&k, SOLO_T0 + 4 * PTO); /* that was no news */
	assert_true(inlay_keyupdate_may_start(&k, PTO, SOLO_T0 + 5 * PTO));
}

static void test_phases_out_of_order(void **state)
{
	struct inlay_keyupdate k;

	inlay_keyupdate_init(&k, 0);
	inlay_keyupdate_on_packet(&k, 50, 0, 0, PTO, SOLO_T0);
	/* Newer keys on a lower number. */
	assert_int_equal(inlay_keyupdate_on_packet(&k, 40, 1, NEXT, PTO, SOLO_T0),
			 INLAY_KEYS_VIOLATED);
	inlay_keyupdate_init(&k, 0);
	inlay_keyupdate_on_packet(&k, 50, 1, NEXT, PTO, SOLO_T0);
	/* Older keys on a higher number. */
	assert_int_equal(inlay_keyupdate_on_packet(&k, 51, 0, OLD, PTO, SOLO_T0),
			 INLAY_KEYS_VIOLATED);
	/* Though opened before we confirmed the newer ones. */
	assert_int_equal(inlay_keyupdate_on_packet(&k, 51, 0, 0, PTO, SOLO_T0),
			 INLAY_KEYS_VIOLATED);
	/* Newer keys, late, below a number that older ones had. */
	inlay_keyupdate_init(&k, 0);
	inlay_keyupdate_on_packet(&k, 50, 0, 0, PTO, SOLO_T0);
	inlay_keyupdate_on_packet(&k, 60, 1, NEXT, PTO, SOLO_T0);
	assert_int_equal(inlay_keyupdate_on_packet(&k, 51, 1, 0, PTO, SOLO_T0), INLAY_KEYS_STAY);
	assert_int_equal(inlay_keyupdate_on_packet(&k, 49, 1, 0, PTO, SOLO_T0),
			 INLAY_KEYS_VIOLATED);
	/* The older number came last. */
	inlay_keyupdate_init(&k, 0);
	inlay_keyupdate_on_packet(&k, 50, 0, 0, PTO, SOLO_T0);
	inlay_keyupdate_on_packet(&k, 60, 1, NEXT, PTO, SOLO_T0);
	assert_int_equal(inlay_keyupdate_on_packet(&k, 58, 0, 0, PTO, SOLO_T0), INLAY_KEYS_STAY);
	assert_int_equal(inlay_keyupdate_on_packet(&k, 57, 1, 0, PTO, SOLO_T0),
			 INLAY_KEYS_VIOLATED);
}

/* RFC 9001 section 6.2. */
static void test_two_updates_without_an_ack_between_are_an_error(void **state)
{
	const __u8 ping[] = {0x01};
	__u8 room[INLAY_FRAME_MAX];
	struct inlay_quic_clear clear;
	struct solo s;
	int acked;

	for (acked = 0; acked < 2; acked++) {
		solo_init(&s, INLAY_SERVER);
		assert_true(solo_start(&s));
		solo_drain(&s);
		solo_recv(&s, ping, 1);
		solo_recv_as(&s, &s.handover.own_cid, s.next_pn++, NEXT, ping, 1);
		if (acked) {
			s.now += 25 * INLAY_MS;
			while (solo_send(&s, room, &clear))
				;
		}
		solo_recv_as(&s, &s.handover.own_cid, s.next_pn++, NEXT, ping, 1);
		assert_int_equal(s.closed, !acked);
		if (!acked)
			assert_int_equal(s.why.code, INLAY_QUIC_KEY_UPDATE_ERROR);
		else
			assert_int_equal(s.rx_updates, 2);
		solo_stop(&s);
	}
}

/* The peer's phase rises twice without an ACK of ours between, and it has begun but one of the
 * updates itself: the other was ours, which it had to follow. In either order. */
static void test_following_is_no_update_of_its_own(void **state)
{
	struct inlay_keyupdate k;

	inlay_keyupdate_init(&k, 0);
	assert_int_equal(inlay_keyupdate_on_packet(&k, 3, 1, NEXT, PTO, SOLO_T0), INLAY_KEYS_RX_TX);
	inlay_keyupdate_on_tx(&k, 5, SOLO_T0);
	inlay_keyupdate_on_tx(&k, 9, SOLO_T0 + PTO);
	assert_int_equal(inlay_keyupdate_on_packet(&k, 4, 0, NEXT, PTO, SOLO_T0 + 2 * PTO),
			 INLAY_KEYS_RX);
	assert_int_equal(inlay_keyupdate_on_packet(&k, 5, 1, NEXT, PTO, SOLO_T0 + 3 * PTO),
			 INLAY_KEYS_RX_TX);
	inlay_keyupdate_on_tx(&k, 12, SOLO_T0 + 3 * PTO);
	assert_int_equal(inlay_keyupdate_on_packet(&k, 6, 0, NEXT, PTO, SOLO_T0 + 4 * PTO),
			 INLAY_KEYS_VIOLATED);
}

/* Both ends at once: each takes the other's update for the answer to its own. */
static void test_both_ends_update_at_once(void **state)
{
	const __u8 ping[] = {0x01};
	struct solo s;

	solo_init(&s, INLAY_SERVER);
	assert_true(solo_start(&s));
	solo_drain(&s);
	solo_ack(&s, 0);
	assert_int_equal(inlay_conn_update_keys(s.conn, s.now), 0);
	solo_recv(&s, ping, 1); /* sent before the peer's */
	solo_recv_as(&s, &s.handover.own_cid, s.next_pn++, NEXT, ping, 1);
	assert_int_equal(s.tx_updates, 1);
	assert_int_equal(s.rx_updates, 1);
	solo_recv(&s, ping, 1);
	assert_false(s.closed);
	assert_int_equal(s.conn->keys.tx_phase, s.conn->keys.rx_phase);
	solo_stop(&s);
}

/* --- Before the AEAD's limits ---------------------------------------------------------------- */

static void on_data(void *user, __u64 id, const __u8 *data, size_t len, bool fin)
{
	struct quic_pair_side *s = user;

	inlay_conn_stream_consume(s->conn, id, len);
	if (fin)
		*(bool *)s->app = true;
}

static const struct inlay_conn_ops app = {.on_stream_data = on_data};

/* Section 6.6: 4 MiB are 3,700 packets, and no key may seal more than 1,500. */
static void test_keys_are_updated_before_the_limit_of_sealing(void **state)
{
	struct quic_pair_config config = quic_pair_defaults(5);
	struct inlay_provider_event event;
	bool done = false, due = false;
	struct inlay_conn *c;
	struct quic_pair *p;
	__u64 id;

	config.app = &app;
	config.bytes_per_s = 20000000 / 8;
	config.queue_bytes = 100000;
	config.tx_soft_limit = 500;
	config.tx_hard_limit = 1500;
	config.params.initial_max_data = 1 << 20;
	config.params.initial_max_stream_data_uni = 1 << 20;
	p = quic_pair_new(&config);
	p->side[INLAY_CLIENT].app = &done;
	c = p->side[INLAY_SERVER].conn;
	assert_int_equal(inlay_conn_stream_open(c, false, 0, &zeros, NULL, &id), 0);
	assert_int_equal(inlay_conn_stream_extend(c, id, 4 << 20, true), 0);
	quic_pair_flush(p);
	while (!done && p->now < 2000 * INLAY_S) {
		quic_pair_step(p, 2000 * INLAY_S);
		/* The endpoint's part. */
		while (p->provider->ops->events(p->provider, &event, 1) == 1) {
			assert_int_equal(event.kind, INLAY_EVENT_SOFT_LIMIT);
			due |= event.sa.number == p->side[INLAY_SERVER].tx.number;
		}
		if (due && inlay_conn_update_keys(c, p->now) == 0)
			due = false;
	}
	assert_true(done);
	assert_true(c->keys.tx_phase >= 3 && c->keys.tx_phase <= 8);
	assert_int_equal(p->side[INLAY_SERVER].refused, 0);
	assert_int_equal(p->side[INLAY_CLIENT].not_opened, 0);
	quic_pair_free(p);
}

static void test_a_connection_follows(void **state)
{
	const __u8 ping[] = {0x01};
	__u8 room[INLAY_FRAME_MAX];
	struct inlay_quic_clear clear;
	struct solo s;

	solo_init(&s, INLAY_SERVER);
	assert_true(solo_start(&s));
	solo_drain(&s);
	solo_recv(&s, ping, 1);
	solo_recv_as(&s, &s.handover.own_cid, s.next_pn++, NEXT, ping, 1);
	assert_int_equal(s.rx_updates, 1);
	assert_int_equal(s.tx_updates, 1);
	/* The ACK goes out under the new keys: from a number that has them, the gap before is void.
	 */
	assert_true(s.entry.next_pn >= s.tx_first);
	assert_int_equal(inlay_sentlog_fate(&s.conn->log, s.tx_first - 1), INLAY_FATE_VOID);
	assert_true(solo_send(&s, room, &clear));
	assert_true(clear.pn >= s.tx_first);
	assert_int_equal(s.drops, 0);
	s.now = s.conn->keys.drop_at;
	inlay_conn_on_timer(s.conn, s.now);
	assert_int_equal(s.drops, 1);
	/* Keys that the provider cannot move on. */
	s.ops.next_phase_rx = NULL;
	s.now += INLAY_S;
	solo_recv_as(&s, &s.handover.own_cid, s.next_pn++, 0, ping, 1);
	solo_recv_as(&s, &s.handover.own_cid, s.next_pn - 2, OLD, ping, 1);
	assert_false(s.closed);
	solo_recv_as(&s, &s.handover.own_cid, s.next_pn++, OLD, ping, 1);
	assert_true(s.closed);
	assert_int_equal(s.why.code, INLAY_QUIC_KEY_UPDATE_ERROR);
	solo_stop(&s);
}

static void test_a_connection_leads(void **state)
{
	const __u8 ping[] = {0x01};
	__u8 room[INLAY_FRAME_MAX];
	struct inlay_quic_clear clear;
	struct solo s;

	solo_init(&s, INLAY_SERVER);
	assert_true(solo_start(&s));
	assert_int_equal(inlay_conn_update_keys(s.conn, s.now), -EAGAIN);
	solo_drain(&s);
	solo_ack(&s, 0);
	assert_int_equal(inlay_conn_update_keys(s.conn, s.now), 0);
	assert_int_equal(inlay_conn_update_keys(s.conn, s.now), -EAGAIN);
	assert_int_equal(s.tx_updates, 1);
	/* Something is sent, so that the peer learns of it. */
	assert_true(solo_send(&s, room, &clear));
	assert_true(clear.pn >= s.tx_first);
	solo_recv_as(&s, &s.handover.own_cid, s.next_pn++, NEXT, ping, 1);
	assert_int_equal(s.rx_updates, 1);
	assert_int_equal(s.tx_updates, 1); /* no ping-pong */
	solo_stop(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_peer_updates),
		cmocka_unit_test(test_the_peer_answers_ours),
		cmocka_unit_test(test_phases_out_of_order),
		cmocka_unit_test(test_a_connection_follows),
		cmocka_unit_test(test_a_connection_leads),
		cmocka_unit_test(test_two_updates_without_an_ack_between_are_an_error),
		cmocka_unit_test(test_following_is_no_update_of_its_own),
		cmocka_unit_test(test_both_ends_update_at_once),
		cmocka_unit_test(test_keys_are_updated_before_the_limit_of_sealing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
