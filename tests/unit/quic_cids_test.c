/* SPDX-License-Identifier: BSD-2-Clause */
/* Connection IDs of both sides: issued, changed, retired. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>

#include "quic_solo.h"

static const __u8 token[16] = {1, 2, 3};

static enum inlay_quic_error give(struct inlay_cids *c, __u64 sequence, __u64 prior)
{
	__u8 cid[4] = {0xab, 0xcd, 0, (__u8)sequence}, t[16] = {(__u8)sequence};
	const struct inlay_quic_new_cid f = {
		.sequence = sequence,
		.retire_prior_to = prior,
		.cid_len = 4,
		.cid = cid,
		.token = t,
	};

	return inlay_cids_on_new(c, &f);
}

static void set_up(struct solo *s, struct inlay_cids *c)
{
	solo_init(s, INLAY_SERVER);
	s->handover.peer.has_stateless_reset_token = true;
	memcpy(s->handover.peer.stateless_reset_token, token, 16);
	inlay_cids_init(c, &s->handover, &s->ops, s);
}

static void test_ours_are_issued_up_to_the_limit(void **state)
{
	const __u8 other[INLAY_OWN_CID] = {0};
	struct inlay_own_cid *o;
	struct inlay_cids c;
	struct solo s;
	int i;

	set_up(&s, &c);
	inlay_cids_issue(&c);
	for (i = 1; i < 3; i++) { /* the peer keeps three, and has one */
		o = inlay_cids_pending(&c);
		assert_non_null(o);
		assert_int_equal(o->sequence, i);
		o->pending = false;
	}
	assert_null(inlay_cids_pending(&c));
	inlay_cids_on_new_lost(&c, 2);
	assert_int_equal(inlay_cids_pending(&c)->sequence, 2);
	inlay_cids_pending(&c)->pending = false;
	/* Retired: forgotten, and another in its place. */
	assert_int_equal(inlay_cids_on_retire(&c, 1, other, 1000), 0);
	assert_int_equal(inlay_cids_pending(&c)->sequence, 3);
	/* Again: nothing. */
	assert_int_equal(inlay_cids_on_retire(&c, 1, other, 2000), 0);
	/* Late packets are taken for a while (no reset answers them), and then no more. */
	assert_int_equal(s.cids_retired, 0);
	assert_int_equal(inlay_cids_deadline(&c), 1000);
	inlay_cids_on_timer(&c, 999);
	assert_int_equal(s.cids_retired, 0);
	inlay_cids_on_timer(&c, 1000);
	assert_int_equal(s.cids_retired, 1);
	assert_true(inlay_cids_deadline(&c) == INLAY_NEVER);
	/* One that was retired before it was acknowledged is not sent again. */
	inlay_cids_on_new_lost(&c, 1);
	assert_int_equal(inlay_cids_pending(&c)->sequence, 3);
	inlay_cids_fini(&c);
}

static void test_the_peers_are_retired_on_request(void **state)
{
	struct inlay_cids c;
	struct solo s;
	__u64 sequence;

	set_up(&s, &c);
	assert_int_equal(s.tokens, 1);
	assert_int_equal(give(&c, 1, 0), 0);
	assert_int_equal(give(&c, 1, 0), 0); /* a repetition */
	assert_int_equal(s.cid_changes, 0);
	assert_int_equal(give(&c, 2, 2), 0);
	assert_int_equal(s.cid_changes, 1);
	assert_int_equal(inlay_cids_peer(&c)->data[3], 2);
	assert_int_equal(s.tokens, 1); /* that of the one in use */
	assert_true(inlay_cids_retire_pending(&c, &sequence));
	assert_int_equal(sequence, 0);
	inlay_cids_retire_sent(&c, 0);
	assert_true(inlay_cids_retire_pending(&c, &sequence));
	assert_int_equal(sequence, 1);
	inlay_cids_retire_sent(&c, 1);
	assert_false(inlay_cids_retire_pending(&c, &sequence));
	inlay_cids_on_retire_lost(&c, 1);
	assert_true(inlay_cids_retire_pending(&c, &sequence));
	assert_int_equal(sequence, 1);
	inlay_cids_fini(&c);
}

static void test_late_ones_are_retired_as_they_come(void **state)
{
	struct inlay_cids c;
	struct solo s;
	__u64 sequence;

	set_up(&s, &c);
	assert_int_equal(give(&c, 3, 3), 0);
	inlay_cids_retire_sent(&c, 0);
	assert_false(inlay_cids_retire_pending(&c, &sequence));
	assert_int_equal(give(&c, 1, 0), 0);
	assert_true(inlay_cids_retire_pending(&c, &sequence));
	assert_int_equal(sequence, 1);
	assert_int_equal(inlay_cids_peer(&c)->data[3], 3);
	inlay_cids_fini(&c);
}

static void test_rotation(void **state)
{
	struct inlay_cids c;
	struct solo s;
	__u64 sequence;

	set_up(&s, &c);
	assert_int_equal(inlay_cids_rotate(&c), -EAGAIN);
	assert_int_equal(give(&c, 1, 0), 0);
	assert_int_equal(inlay_cids_rotate(&c), 0);
	assert_true(inlay_cids_retire_pending(&c, &sequence) && sequence == 0);
	assert_int_equal(inlay_cids_peer(&c)->data[3], 1);
	/* Its retransmission, late: not a new one. */
	assert_int_equal(give(&c, 2, 0), 0);
	assert_int_equal(inlay_cids_rotate(&c), 0);
	assert_int_equal(give(&c, 1, 0), 0);
	assert_int_equal(inlay_cids_rotate(&c), -EAGAIN);
	assert_int_equal(s.tokens, 1);
	inlay_cids_fini(&c);
}

/* Section 5.1.2: all of ours are replaced, and not again before the peer has let go of them. */
static void test_ours_are_renewed(void **state)
{
	const __u8 other[INLAY_OWN_CID] = {0};
	struct inlay_quic_frame f;
	struct solo s;
	__u64 i, seen = 0;

	solo_init(&s, INLAY_SERVER);
	assert_true(solo_start(&s));
	assert_int_equal(solo_find(&s, INLAY_QUIC_NEW_CONNECTION_ID, &f), 2);
	assert_int_equal(f.new_cid.retire_prior_to, 0);
	assert_int_equal(inlay_conn_renew_cids(s.conn), 0);
	/* As many as the peer keeps; with what is asked of it, it never has more. */
	assert_int_equal(solo_find(&s, INLAY_QUIC_NEW_CONNECTION_ID, &f), 3);
	assert_int_equal(f.new_cid.retire_prior_to, 3);
	assert_in_range(f.new_cid.sequence, 3, 5);
	assert_int_equal(inlay_conn_renew_cids(s.conn), -EAGAIN);
	for (i = 0; i < 3; i++)
		assert_int_equal(inlay_cids_on_retire(&s.conn->cids, i, other, s.now + INLAY_S), 0);
	/* None is issued in place of those. */
	assert_int_equal(solo_find(&s, INLAY_QUIC_NEW_CONNECTION_ID, &f), 0);
	assert_int_equal(inlay_conn_renew_cids(s.conn), 0);
	assert_int_equal(solo_find(&s, INLAY_QUIC_NEW_CONNECTION_ID, &f), 3);
	assert_int_equal(f.new_cid.retire_prior_to, 6);
	for (i = 0; i < INLAY_CIDS_OWN_ROOM; i++)
		seen += s.conn->cids.own[i].used && !s.conn->cids.own[i].retired;
	assert_int_equal(seen, 6);
	inlay_conn_close(s.conn, true, 0, "", s.now);
	assert_int_equal(inlay_conn_renew_cids(s.conn), -ENOTCONN);
	solo_stop(&s);
}

/* A peer that retires as fast as it can gets new ones, and costs no more room. */
static void test_a_peer_that_retires_without_end(void **state)
{
	const __u8 other[INLAY_OWN_CID] = {0};
	struct inlay_cids c;
	struct solo s;
	__u64 i;

	set_up(&s, &c);
	inlay_cids_issue(&c);
	for (i = 1; i < 1000; i++) {
		assert_int_equal(inlay_cids_on_retire(&c, i, other, i), 0);
		assert_int_equal(c.next_sequence, i + 3);
	}
	/* What is remembered for late packets gives way. */
	assert_true(s.cids_retired >= 1000 - INLAY_CIDS_OWN_ROOM);
	assert_int_equal(inlay_cids_on_retire(&c, i + 2, other, i), INLAY_QUIC_PROTOCOL_VIOLATION);
	/* A name of the packet's own. */
	assert_int_equal(inlay_cids_on_retire(&c, 0, s.handover.own_cid.data, i),
			 INLAY_QUIC_PROTOCOL_VIOLATION);
	inlay_cids_fini(&c);
}

static void test_more_or_other_than_was_agreed(void **state)
{
	const __u8 t[16] = {2}, cid[4] = {0xab, 0xcd, 0, 9};
	struct inlay_quic_new_cid f = {.sequence = 2, .cid_len = 4, .cid = cid, .token = t};
	struct inlay_cids c;
	struct solo s;

	set_up(&s, &c); /* we keep three */
	assert_int_equal(give(&c, 1, 0), 0);
	assert_int_equal(give(&c, 2, 0), 0);
	assert_int_equal(give(&c, 3, 0), INLAY_QUIC_CONNECTION_ID_LIMIT_ERROR);
	inlay_cids_fini(&c);
	/* One sequence number, another CID; one CID, another number; another token. */
	set_up(&s, &c);
	assert_int_equal(give(&c, 2, 0), 0);
	assert_int_equal(inlay_cids_on_new(&c, &f), INLAY_QUIC_PROTOCOL_VIOLATION);
	inlay_cids_fini(&c);
	set_up(&s, &c);
	assert_int_equal(give(&c, 9, 0), 0);
	assert_int_equal(inlay_cids_on_new(&c, &f), INLAY_QUIC_PROTOCOL_VIOLATION);
	inlay_cids_fini(&c);
	set_up(&s, &c);
	assert_int_equal(give(&c, 9, 0), 0);
	f.sequence = 9;
	assert_int_equal(inlay_cids_on_new(&c, &f), INLAY_QUIC_PROTOCOL_VIOLATION);
	inlay_cids_fini(&c);
}

static void test_a_flood_of_retire_prior_to(void **state)
{
	struct inlay_cids c;
	struct solo s;
	__u64 i;

	set_up(&s, &c);
	for (i = 1; i < 1000; i++)
		if (give(&c, i, i))
			break;
	/* Nothing of it is acknowledged: the peer is not worth the memory. */
	assert_in_range(i, 16, 64);
	inlay_cids_fini(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ours_are_issued_up_to_the_limit),
		cmocka_unit_test(test_the_peers_are_retired_on_request),
		cmocka_unit_test(test_late_ones_are_retired_as_they_come),
		cmocka_unit_test(test_rotation),
		cmocka_unit_test(test_ours_are_renewed),
		cmocka_unit_test(test_a_peer_that_retires_without_end),
		cmocka_unit_test(test_more_or_other_than_was_agreed),
		cmocka_unit_test(test_a_flood_of_retire_prior_to),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
