/* SPDX-License-Identifier: BSD-2-Clause */
/* Validation of paths, peers that move or seem to, and who plays with both: RFC 9000 sections 8.2
 * and 9.3. */
#include "quic_path_scene.h"
#include "seeded.h"

/* --- Validation: section 8.2 ---------------------------------------------------------------- */

static void challenges_and_answers_have_1200_bytes(void **state)
{
	struct scene x;
	__u8 first[8];

	begin(&x, INLAY_SERVER, 3);
	recv_from(&x, 1, ping, 1, 1200);
	flush(&x, 10000);
	/* The new path is asked, and the one left (section 9.3.3). */
	assert_int_equal(x.at[1].challenges, 1);
	assert_int_equal(x.at[1].largest_challenge, 1200);
	assert_int_equal(x.at[0].challenges, 1);
	assert_int_equal(x.at[0].largest_challenge, 1200);
	assert_memory_not_equal(x.at[0].challenge, x.at[1].challenge, 8);
	/* Again, with other data each time. */
	memcpy(first, x.at[1].challenge, 8);
	pass(&x, INLAY_S);
	assert_true(x.at[1].challenges > 1);
	assert_memory_not_equal(x.at[1].challenge, first, 8);
	answer(&x, 1, 1, 0);
	ask(&x, 1, &x.s.handover.own_cid, 7, 1200);
	flush(&x, 10000);
	assert_int_equal(x.at[1].largest_answer, 1200);
	solo_stop(&x.s);
}

/* An earlier challenge is answered late: as good. */
static void any_challenge_of_a_path_may_be_answered(void **state)
{
	struct scene x;
	__u8 frame[9] = {0x1b};

	begin(&x, INLAY_SERVER, 3);
	recv_from(&x, 1, ping, 1, 1200);
	flush(&x, 10000);
	memcpy(frame + 1, x.at[1].challenge, 8);
	pass(&x, INLAY_S);
	recv_from(&x, 1, frame, sizeof(frame), 0);
	assert_true(inlay_paths_current(&x.s.conn->paths)->fits);
	assert_int_equal(stats_of(&x).paths_validated, 1);
	solo_stop(&x.s);
}

static void three_times_what_came_and_no_more(void **state)
{
	for (__u64 seed = 1; seed <= 40; seed++) {
		struct seeded rng = {.state = seed * 77};
		struct scene x;

		begin(&x, INLAY_SERVER, 3);
		write_much(&x);
		recv_from(&x, 1, ping, 1, 0);
		for (int i = 0; i < 40; i++) {
			size_t len = seeded_below(&rng, 3) ? 0 : seeded_below(&rng, 300);

			flush(&x, 1 + (unsigned int)seeded_below(&rng, 4));
			if (seeded_below(&rng, 2))
				ask(&x, 1, &x.s.handover.own_cid, (__u8)i, len);
			else
				recv_from(&x, 1, ping, 1, len);
			pass(&x, seeded_below(&rng, 50 * INLAY_MS));
			assert_true(x.at[1].sent <= 3 * x.at[1].received);
		}
		assert_int_equal(current(&x), 1);
		assert_true(x.at[1].sent > x.at[1].received);
		/* It was asked among other things; once it answers nothing holds us back. */
		assert_true(x.at[1].challenges > 0);
		answer(&x, 1, 1, 0);
		assert_true(inlay_path_allowance(inlay_paths_current(&x.s.conn->paths)) > 1 << 20);
		solo_stop(&x.s);
	}
}

/* Section 8.2.1: the address is proved at once, the size by a second challenge. */
static void a_small_challenge_is_followed_by_a_full_one(void **state)
{
	struct scene x;

	begin(&x, INLAY_SERVER, 3);
	recv_from(&x, 1, ping, 1, 0);
	flush(&x, 10000);
	assert_int_equal(x.at[1].challenges, 1);
	assert_true(x.at[1].largest_challenge <= 3 * x.at[1].received);
	answer(&x, 1, 1, 0);
	assert_true(inlay_paths_current(&x.s.conn->paths)->validated);
	assert_false(inlay_paths_current(&x.s.conn->paths)->fits);
	flush(&x, 10000);
	assert_int_equal(x.at[1].challenges, 2);
	assert_int_equal(x.at[1].largest_challenge, 1200);
	answer(&x, 1, 1, 0);
	assert_true(inlay_paths_current(&x.s.conn->paths)->fits);
	assert_int_equal(stats_of(&x).paths_validated, 1);
	solo_stop(&x.s);
}

static void a_path_of_small_packets_alone_is_left(void **state)
{
	for (int old_is_there = 0; old_is_there < 2; old_is_there++) {
		struct scene x;

		begin(&x, INLAY_SERVER, 3);
		recv_from(&x, 1, ping, 1, 0);
		flush(&x, 10000);
		pass(&x, 100 * INLAY_MS);
		answer(&x, 1, 1, 0);
		if (old_is_there)
			answer(&x, 1, 0, 0);
		/* The peer is heard all the while, for five rounds of 3, 6, 12, ... seconds. */
		for (int i = 0; i < 400 && !x.s.closed && current(&x) == 1; i++) {
			pass(&x, 250 * INLAY_MS);
			ask(&x, 1, &x.s.handover.own_cid, 1, 0);
			x.s.path.remote.port = htons((__u16)(HOME + current(&x)));
			solo_ack(&x.s, x.s.entry.next_pn > 200 ? x.s.entry.next_pn - 200 : 0);
		}
		assert_int_equal(x.s.closed, !old_is_there);
		if (old_is_there)
			assert_int_equal(current(&x), 0);
		else
			assert_int_equal(x.s.why.code, INLAY_QUIC_NO_VIABLE_PATH);
		solo_stop(&x.s);
	}
}

/* Section 8.2.3. */
static void an_answer_counts_by_whatever_path_it_comes(void **state)
{
	struct scene x;
	__u8 frame[9] = {0x1b};

	begin(&x, INLAY_SERVER, 3);
	recv_from(&x, 1, ping, 1, 1200);
	flush(&x, 10000);
	/* An answer is a probe: it does not move the path back. */
	answer(&x, 0, 1, 1200);
	assert_int_equal(current(&x), 1);
	assert_true(inlay_paths_current(&x.s.conn->paths)->fits);
	/* What answers nothing says nothing. */
	recv_from(&x, 2, ping, 1, 1200);
	flush(&x, 10000);
	recv_from(&x, 2, frame, sizeof(frame), 1200);
	answer(&x, 2, 1, 1200); /* used up */
	memcpy(frame + 1, x.at[2].challenge, 8);
	frame[8] ^= 1;
	recv_from(&x, 2, frame, sizeof(frame), 1200);
	assert_false(inlay_paths_current(&x.s.conn->paths)->validated);
	assert_false(x.s.closed);
	/* Nor does an acknowledgement of the challenge. */
	acknowledge(&x, 2);
	assert_false(inlay_paths_current(&x.s.conn->paths)->validated);
	answer(&x, 2, 2, 1200);
	assert_true(inlay_paths_current(&x.s.conn->paths)->validated);
	solo_stop(&x.s);
}

/* --- The peer moves: section 9.3 ------------------------------------------------------------ */

static void a_path_where_nobody_answers_is_left(void **state)
{
	struct scene x;
	__u64 cwnd;

	begin(&x, INLAY_SERVER, 3);
	cwnd = stats_of(&x).cwnd;
	recv_from(&x, 1, ping, 1, 1200);
	pass(&x, 2 * INLAY_S);
	assert_int_equal(current(&x), 1);
	pass(&x, 2 * INLAY_S);
	assert_int_equal(current(&x), 0);
	assert_int_equal(stats_of(&x).moves_undone, 1);
	assert_int_equal(stats_of(&x).cwnd, cwnd);
	assert_false(x.s.closed);
	/* Every provider's leave to send there is withdrawn. */
	assert_int_equal(x.s.probes, 0);
	/* And it may be tried again. */
	recv_from(&x, 1, ping, 1, 1200);
	flush(&x, 10000);
	answer(&x, 1, 1, 1200);
	assert_int_equal(current(&x), 1);
	assert_true(inlay_paths_current(&x.s.conn->paths)->fits);
	solo_stop(&x.s);
}

/* Section 9.3.3: a copy came first, by another way; then the peer is heard where it was. */
static void a_move_that_was_none_is_undone_by_the_next_packet(void **state)
{
	struct scene x;
	__u64 sent;

	begin(&x, INLAY_SERVER, 3);
	recv_from(&x, 1, ping, 1, 1200);
	flush(&x, 10000);
	sent = x.at[1].sent;
	recv_from(&x, 0, ping, 1, 0);
	assert_int_equal(current(&x), 0);
	assert_int_equal(stats_of(&x).moves_undone, 1);
	assert_true(inlay_paths_current(&x.s.conn->paths)->validated);
	write_much(&x);
	flush(&x, 5);
	assert_int_equal(x.at[1].sent, sent);
	assert_int_equal(x.at[0].dcid, 5); /* the same CID as ever */
	assert_int_equal(x.s.cid_changes, 0);
	assert_int_equal(x.s.probes, 0);
	solo_stop(&x.s);
}

/* So that it is: who is challenged on the path in use sends something that is no probe. */
static void a_challenge_on_the_path_in_use_draws_more_than_a_probe(void **state)
{
	struct scene x;

	begin(&x, INLAY_CLIENT, 3);
	ask(&x, 0, &x.s.handover.own_cid, 7, 1200);
	flush(&x, 1);
	assert_int_equal(x.at[0].answers, 1);
	assert_int_equal(x.at[0].pings, 1);
	solo_stop(&x.s);
}

static void another_move_during_validation_is_followed(void **state)
{
	struct scene x;

	begin(&x, INLAY_SERVER, 3);
	for (unsigned int i = 1; i < 20; i++) {
		recv_from(&x, i, ping, 1, 1200);
		flush(&x, 10000);
		assert_int_equal(current(&x), i);
		assert_true(x.at[i].sent <= 3 * x.at[i].received);
	}
	/* Nobody is anywhere: back to where it was known to be. */
	pass(&x, 10 * INLAY_S);
	assert_int_equal(current(&x), 0);
	recv_from(&x, 20, ping, 1, 1200);
	flush(&x, 10000);
	answer(&x, 20, 20, 1200);
	recv_from(&x, 21, ping, 1, 1200);
	pass(&x, 5 * INLAY_S);
	assert_int_equal(current(&x), 20);
	solo_stop(&x.s);
}

/* Probes are answered where they come from, and move nothing; a later packet does, without delay,
 * as the path is validated by then. */
static void who_asks_first_moves_at_full_speed(void **state)
{
	struct scene x;

	begin(&x, INLAY_SERVER, 3);
	ask(&x, 1, &x.s.handover.own_cid, 7, 1200);
	flush(&x, 10000);
	assert_int_equal(current(&x), 0);
	assert_int_equal(x.at[1].answers, 1);
	assert_int_equal(x.at[1].challenges, 1);
	assert_int_equal(x.at[1].packets, 1); /* in one datagram */
	answer(&x, 1, 1, 1200);
	assert_int_equal(current(&x), 0);
	recv_from(&x, 1, ping, 1, 0);
	assert_int_equal(current(&x), 1);
	assert_true(inlay_path_allowance(inlay_paths_current(&x.s.conn->paths)) > 1 << 20);
	solo_stop(&x.s);
}

static void another_host_means_new_measurements(void **state)
{
	static const struct {
		bool other_ip, answered, forgotten;
	} cases[] = {{false, true, false}, {true, true, true}, {true, false, false}};

	for (size_t i = 0; i < INLAY_ARRAY_SIZE(cases); i++) {
		struct scene x;

		begin(&x, INLAY_SERVER, 3);
		x.s.path.remote.ip[3] = cases[i].other_ip;
		recv_from(&x, 1, ping, 1, 1200);
		flush(&x, 10000);
		assert_int_equal(stats_of(&x).min_rtt, 100 * INLAY_MS);
		if (cases[i].answered)
			answer(&x, 1, 1, 1200);
		else
			pass(&x, 5 * INLAY_S);
		assert_int_equal(stats_of(&x).min_rtt == 0, cases[i].forgotten);
		/* Section 9.4: what was sent before says nothing of the new path. */
		if (cases[i].forgotten) {
			acknowledge(&x, 1);
			assert_int_equal(stats_of(&x).min_rtt, 0);
		}
		solo_stop(&x.s);
	}
}

/* --- Hostile -------------------------------------------------------------------------------- */

static void challenges_from_everywhere_are_bounded(void **state)
{
	struct scene x;
	__u64 sent = 0;

	begin(&x, INLAY_SERVER, 3);
	for (unsigned int i = 1; i < ADDRESSES; i++)
		ask(&x, i, &x.s.handover.own_cid, (__u8)i, i % 2 ? 0 : 1200);
	pass(&x, 10 * INLAY_S);
	for (unsigned int i = 1; i < ADDRESSES; i++) {
		assert_true(x.at[i].sent <= 3 * x.at[i].received);
		sent += x.at[i].packets > 0;
	}
	assert_in_range(sent, 1, INLAY_PATHS - 1);
	assert_int_equal(current(&x), 0);
	assert_int_equal(x.s.path_changes, 0);
	assert_int_equal(x.s.probes, 0);
	assert_false(x.s.closed);
	solo_stop(&x.s);
}

/* Captured packets, sent again from elsewhere: nothing moves, nothing is sent there. */
static void replayed_packets_move_nothing(void **state)
{
	const __u8 probe[9] = {0x1a};
	struct scene x;
	__u64 pn;

	begin(&x, INLAY_SERVER, 3);
	recv_from(&x, 0, ping, 1, 1200);
	recv_from(&x, 0, probe, sizeof(probe), 1200);
	flush(&x, 10000);
	x.s.path.remote.port = htons(HOME + 1);
	for (pn = 0; pn < x.s.next_pn; pn++) {
		solo_recv_as(&x.s, &x.s.handover.own_cid, pn, 0, ping, 1);
		solo_recv_as(&x.s, &x.s.handover.own_cid, pn, 0, probe, sizeof(probe));
	}
	pass(&x, 5 * INLAY_S);
	assert_int_equal(current(&x), 0);
	assert_int_equal(x.at[1].packets, 0);
	assert_int_equal(x.s.path_changes, 0);
	solo_stop(&x.s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(challenges_and_answers_have_1200_bytes),
		cmocka_unit_test(any_challenge_of_a_path_may_be_answered),
		cmocka_unit_test(three_times_what_came_and_no_more),
		cmocka_unit_test(a_small_challenge_is_followed_by_a_full_one),
		cmocka_unit_test(a_path_of_small_packets_alone_is_left),
		cmocka_unit_test(an_answer_counts_by_whatever_path_it_comes),
		cmocka_unit_test(a_path_where_nobody_answers_is_left),
		cmocka_unit_test(a_move_that_was_none_is_undone_by_the_next_packet),
		cmocka_unit_test(a_challenge_on_the_path_in_use_draws_more_than_a_probe),
		cmocka_unit_test(another_move_during_validation_is_followed),
		cmocka_unit_test(who_asks_first_moves_at_full_speed),
		cmocka_unit_test(another_host_means_new_measurements),
		cmocka_unit_test(challenges_from_everywhere_are_bounded),
		cmocka_unit_test(replayed_packets_move_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
