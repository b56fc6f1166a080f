/* SPDX-License-Identifier: BSD-2-Clause */
/* Key phases, as an engine without keys sees them: RFC 9001 section 6. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>

#include "keyupdate.h"
#include "quic_solo.h"

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
	assert_false(inlay_keyupdate_may_start(&k, PTO, SOLO_T0 + 4 * PTO - 1));
	assert_true(inlay_keyupdate_may_start(&k, PTO, SOLO_T0 + 4 * PTO));
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
