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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ours_are_issued_up_to_the_limit),
		cmocka_unit_test(test_the_peers_are_retired_on_request),
		cmocka_unit_test(test_late_ones_are_retired_as_they_come),
		cmocka_unit_test(test_rotation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
