/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rules of RFC 9000 sections 8 to 10 about paths, one by one: one engine, a peer by hand, and
 * addresses as they please.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>

#include "quic_solo.h"

#define INITIAL_PTO (999 * INLAY_MS)
#define SMALL	    34 /* bytes of a datagram with a PING */

static const __u8 ping[] = {0x01}, handshake_done[] = {0x1e};

/* What a packet that was sent is made of, as far as it matters here. */
struct sent {
	struct inlay_path to;
	size_t len;
	__u8 dcid[5];
	unsigned int challenges, responses;
	__u8 data[8], response[8]; /* of the last challenge and the last response */
};

static bool send_one(struct solo *s, struct sent *ret)
{
	__u8 room[INLAY_FRAME_MAX];
	struct inlay_quic_clear clear;
	struct inlay_quic_frame f;

	memset(ret, 0, sizeof(*ret));
	ret->len = inlay_conn_send(s->conn, room, sizeof(room), &ret->to, s->now);
	if (ret->len == 0)
		return false;
	if (!inlay_quic_clear_parse(room, ret->len, sizeof(ret->dcid), &clear))
		abort();
	memcpy(ret->dcid, room + 1, sizeof(ret->dcid));
	while (inlay_cursor_left(&clear.frames) > 0) {
		assert_int_equal(inlay_quic_frame_parse(&clear.frames, &f), 0);
		if (f.type == INLAY_QUIC_PADDING)
			continue;
		ret->challenges += f.type == INLAY_QUIC_PATH_CHALLENGE;
		ret->responses += f.type == INLAY_QUIC_PATH_RESPONSE;
		if (f.type == INLAY_QUIC_PATH_CHALLENGE)
			memcpy(ret->data, f.path_data, 8);
		if (f.type == INLAY_QUIC_PATH_RESPONSE)
			memcpy(ret->response, f.path_data, 8);
	}
	return true;
}

/* The next challenge to |port|, whatever else is sent before. */
static struct sent find_challenge(struct solo *s, __u16 port)
{
	struct sent p;
	int i;

	for (i = 0; i < 100; i++)
		while (send_one(s, &p))
			if (p.challenges && p.to.remote.port == port)
				return p;
	fail_msg("no challenge to port %u", port);
	return p;
}

static void answer(struct solo *s, const struct sent *p)
{
	__u8 frame[9] = {0x1b};

	memcpy(frame + 1, p->data, 8);
	solo_recv(s, frame, sizeof(frame));
}

static void give_cid(struct solo *s, __u8 sequence, __u8 prior)
{
	__u8 frame[64], data[5] = {0xab, 0xcd, 0, 0, sequence}, token[16] = {sequence};
	struct inlay_writer w = inlay_writer_of(frame, sizeof(frame));
	struct inlay_cid cid;

	inlay_cid_set(&cid, data, sizeof(data));
	assert_true(inlay_quic_put_new_connection_id(&w, sequence, prior, &cid, token));
	solo_recv(s, frame, inlay_writer_len(&w));
	assert_false(s->closed);
}

/* The peer is heard from port 9. */
static void move_away(struct solo *s, bool other_ip)
{
	s->path.remote.port = 9;
	if (other_ip)
		s->path.remote.ip[3] = 77;
	solo_recv(s, ping, 1);
}

static const struct inlay_path_entry *current(const struct solo *s)
{
	return inlay_paths_current(&s->conn->paths);
}

/* --- Validation ----------------------------------------------------------------------------- */

/* Section 8.2.1: each from the source of randomness, none twice. */
static void no_challenge_can_be_foreseen(void **state)
{
	bool seen[256] = {false};
	struct solo s;
	struct sent p;
	int i, n = 0;

	solo_start_as(&s, INLAY_SERVER);
	move_away(&s, false);
	for (i = 0; i < 5; i++) {
		while (send_one(&s, &p)) {
			if (!p.challenges)
				continue;
			/* As solo_random() has it. */
			for (int j = 0; j < 8; j++)
				assert_int_equal(p.data[j], p.data[0]);
			assert_true(p.data[0] > 0 && p.data[0] <= s.random);
			assert_false(seen[p.data[0]]);
			seen[p.data[0]] = true;
			n++;
		}
		s.now = inlay_conn_deadline(s.conn);
		inlay_conn_on_timer(s.conn, s.now);
	}
	assert_true(n >= 4);
	solo_stop(&s);
}

/* Sections 8.2.1 and 8.2.3: what three times 34 bytes allow proves the address alone; whether 1200
 * bytes pass is asked next. */
static void a_small_challenge_is_followed_by_a_full_one(void **state)
{
	struct solo s;
	struct sent p;

	solo_start_as(&s, INLAY_SERVER);
	move_away(&s, false);
	p = find_challenge(&s, 9);
	assert_in_range(p.len, 1, 3 * SMALL);
	answer(&s, &p); /* in a small datagram, which is taken */
	assert_true(current(&s)->validated);
	assert_false(current(&s)->fits);
	p = find_challenge(&s, 9);
	assert_int_equal(p.len, 1200);
	assert_true(inlay_path_is_validating(current(&s)));
	answer(&s, &p);
	assert_true(current(&s)->fits);
	assert_false(inlay_path_is_validating(current(&s)));
	solo_stop(&s);
}

/* Section 8.2.2: an answer counts by whichever path it comes. */
static void an_answer_by_another_path_counts(void **state)
{
	struct solo s;
	struct sent p;

	solo_start_as(&s, INLAY_SERVER);
	move_away(&s, false);
	p = find_challenge(&s, 9);
	s.path.remote.port = 4433;
	answer(&s, &p);
	/* It is where it was: followed back; the other one is proved all the same. */
	assert_int_equal(s.conn->stats.paths_validated, 1);
	assert_false(s.closed);
	solo_stop(&s);
}

/* Section 8.2.2: at once, though the window is full, by the path that it came by, and once. */
static void a_challenge_is_answered_at_once_and_once(void **state)
{
	static const __u8 data[60000];
	__u8 challenge[1100] = {0x1a, 8, 7, 6, 5, 4, 3, 2, 1};
	unsigned int responses = 0;
	struct solo s;
	struct sent p;
	__u64 id;
	int i;

	solo_init(&s, INLAY_SERVER);
	s.handover.peer.initial_max_data = 1 << 20;
	s.handover.peer.initial_max_stream_data_bidi_remote = 1 << 20;
	solo_start_quiet(&s);
	assert_int_equal(inlay_conn_stream_open(s.conn, true, 0, NULL, NULL, &id), 0);
	assert_int_equal(inlay_conn_stream_write(s.conn, id, data, sizeof(data), true), 0);
	solo_drain(&s);
	s.path.remote.port = 9;
	solo_recv(&s, challenge, sizeof(challenge));
	assert_true(send_one(&s, &p));
	assert_int_equal(p.responses, 1);
	assert_int_equal(p.to.remote.port, 9);
	assert_memory_equal(p.response, challenge + 1, 8);
	/* Nobody acknowledges it: it is not repeated. */
	for (i = 0; i < 8; i++) {
		while (send_one(&s, &p))
			responses += p.responses;
		s.now = inlay_conn_deadline(s.conn);
		inlay_conn_on_timer(s.conn, s.now);
	}
	assert_int_equal(responses, 0);
	solo_stop(&s);
}

/* --- Who may move --------------------------------------------------------------------------- */

/* Section 9. */
static void no_migration_before_confirmation_or_against_the_servers_will(void **state)
{
	struct inlay_path path;
	struct solo s;
	int forbidden;

	for (forbidden = 0; forbidden < 2; forbidden++) {
		solo_init(&s, INLAY_CLIENT);
		s.handover.peer.disable_active_migration = forbidden;
		solo_start_quiet(&s);
		give_cid(&s, 1, 0);
		path = s.path;
		path.local.port = 5;
		assert_int_equal(inlay_conn_migrate(s.conn, &path, s.now), -EPERM);
		assert_int_equal(s.probes, 0);
		solo_recv(&s, handshake_done, 1);
		assert_int_equal(inlay_conn_migrate(s.conn, &path, s.now), forbidden ? -EPERM : 0);
		assert_int_equal(s.probes, !forbidden);
		solo_stop(&s);
	}
}

/* Section 9: a client that we asked not to move may sit behind a NAT. */
static void a_peer_that_was_asked_to_stay_is_validated(void **state)
{
	struct solo s;
	struct sent p;

	solo_init(&s, INLAY_SERVER);
	s.handover.own.disable_active_migration = true;
	solo_start_quiet(&s);
	move_away(&s, false);
	assert_int_equal(s.path_changes, 1);
	assert_false(current(&s)->validated);
	p = find_challenge(&s, 9);
	answer(&s, &p);
	assert_true(current(&s)->validated);
	solo_stop(&s);
}

/* Section 9. */
static void a_client_knows_one_server(void **state)
{
	struct solo s;

	solo_start_as(&s, INLAY_CLIENT);
	move_away(&s, false);
	assert_int_equal(s.conn->stats.unknown_path, 1);
	assert_false(inlay_acks_is_duplicate(&s.conn->acks, s.next_pn - 1)); /* not taken */
	assert_int_equal(s.path_changes, 0);
	s.path.remote.port = 4433;
	solo_recv(&s, ping, 1);
	assert_int_equal(s.conn->stats.unknown_path, 1);
	assert_true(inlay_acks_is_duplicate(&s.conn->acks, s.next_pn - 1));
	solo_stop(&s);
}

/* --- What a path knows ---------------------------------------------------------------------- */

static void validate(struct solo *s)
{
	struct sent p;
	int i;

	for (i = 0; i < 4 && !current(s)->fits; i++) {
		p = find_challenge(s, 9);
		answer(s, &p);
	}
	assert_true(current(s)->fits);
}

/* Makes the window larger, leaves 5 packets in flight. Returns the number of the first of them. */
static __u64 fill_the_path(struct solo *s)
{
	static const __u8 data[200000];
	__u64 id, first;
	int i;

	s->handover.peer.initial_max_data = 1 << 20;
	s->handover.peer.initial_max_stream_data_bidi_remote = 1 << 20;
	s->max_send_buffer = 1 << 20;
	solo_start_quiet(s);
	assert_int_equal(inlay_conn_stream_open(s->conn, true, 0, NULL, NULL, &id), 0);
	assert_int_equal(inlay_conn_stream_write(s->conn, id, data, sizeof(data), false), 0);
	for (i = 0; i < 2; i++) {
		solo_drain(s);
		s->now += 100 * INLAY_MS;
		solo_ack(s, 0);
	}
	first = s->entry.next_pn;
	assert_true(solo_drain(s) >= 5);
	return first;
}

/* Section 9.4. */
static void another_address_starts_anew(void **state)
{
	struct inlay_recovery *r;
	__u64 first, end, cwnd;
	inlay_ns smoothed;
	struct solo s;

	solo_init(&s, INLAY_SERVER);
	first = fill_the_path(&s);
	end = s.entry.next_pn;
	r = &s.conn->recovery;
	cwnd = r->cc.cwnd;
	assert_true(cwnd > 12000);
	move_away(&s, true);
	validate(&s);
	assert_int_equal(r->cc.cwnd, 12000);
	assert_true(r->rtt.smoothed == 333 * INLAY_MS && r->rtt.min == 0);
	/* What was sent by the path before says nothing of this one, lost or not. */
	smoothed = r->rtt.smoothed;
	s.now += 50 * INLAY_MS;
	assert_true(first + 4 < end);
	{
		__u8 frame[32];
		struct inlay_writer w = inlay_writer_of(frame, sizeof(frame));
		const struct inlay_quic_range range = {end - 1, end};

		assert_int_equal(inlay_quic_put_ack(&w, &range, 1, 0, NULL), 1);
		solo_recv(&s, frame, inlay_writer_len(&w));
	}
	assert_true(r->lost_pkts >= 1);
	assert_int_equal(r->cc.cwnd, 12000);
	assert_true(r->rtt.smoothed == smoothed && r->rtt.min == 0);
	solo_stop(&s);

	/* Another port alone is the same path. */
	solo_init(&s, INLAY_SERVER);
	fill_the_path(&s);
	r = &s.conn->recovery;
	cwnd = r->cc.cwnd;
	smoothed = r->rtt.smoothed;
	move_away(&s, false);
	validate(&s);
	assert_true(r->cc.cwnd >= cwnd);
	assert_true(r->rtt.smoothed == smoothed);
	solo_stop(&s);
}

/* Section 9.4: no more often than the probe timeout of a path about which nothing is known. */
static void challenges_are_no_more_frequent_than_probes(void **state)
{
	const __u8 large[1100] = {0x01};
	inlay_ns first = 0, second = 0;
	struct solo s;
	struct sent p;

	solo_start_as(&s, INLAY_SERVER);
	move_away(&s, true);
	solo_recv(&s, large, sizeof(large)); /* room for more than one */
	while (second == 0) {
		while (send_one(&s, &p)) {
			if (!p.challenges || p.to.remote.port != 9)
				continue;
			if (first == 0)
				first = s.now;
			else
				second = s.now;
		}
		s.now = inlay_conn_deadline(s.conn);
		inlay_conn_on_timer(s.conn, s.now);
		assert_true(s.now < SOLO_T0 + 4 * INITIAL_PTO);
	}
	assert_true(second >= first + INITIAL_PTO);
	solo_stop(&s);
}

/* Section 9.5: neither to two addresses, nor from two. */
static void no_connection_id_is_used_on_two_paths(void **state)
{
	struct inlay_path path;
	struct solo s;
	struct sent p;
	int here = 0, there = 0;

	solo_start_as(&s, INLAY_SERVER);
	give_cid(&s, 1, 0);
	give_cid(&s, 2, 0);
	s.path.remote.port = 9;
	solo_recv_as(&s, &s.newest_cid, s.next_pn++, 0, ping, 1);
	while (send_one(&s, &p)) {
		bool old = !memcmp(p.dcid, s.handover.peer_cid.data, 5);

		assert_int_equal(old, p.to.remote.port != 9);
		here += old;
		there += !old;
	}
	assert_true(here > 0 && there > 0);
	solo_stop(&s);

	solo_start_as(&s, INLAY_CLIENT);
	solo_recv(&s, handshake_done, 1);
	give_cid(&s, 1, 0);
	path = s.path;
	path.local.port = 5;
	assert_int_equal(inlay_conn_migrate(s.conn, &path, s.now), 0);
	s.conn->ping_due = true;
	here = there = 0;
	while (send_one(&s, &p)) {
		bool old = !memcmp(p.dcid, s.handover.peer_cid.data, 5);

		assert_int_equal(old, p.to.local.port != 5);
		here += old;
		there += !old;
	}
	assert_true(here > 0 && there > 0);
	solo_stop(&s);
}

/* --- Connection IDs ------------------------------------------------------------------------- */

/* Section 19.15: what we write, and a lower one that comes late. */
static void retire_prior_to_never_falls(void **state)
{
	struct inlay_quic_frame f;
	__u64 retired = 0;
	struct solo s;
	int i;

	solo_init(&s, INLAY_SERVER);
	assert_true(solo_start(&s));
	assert_int_equal(inlay_conn_renew_cids(s.conn), 0);
	/* Those of before, which are lost and sent again, go with the new ones. */
	for (i = 0; i < 4; i++) {
		__u8 room[INLAY_FRAME_MAX];
		struct inlay_quic_clear clear;

		while (solo_send(&s, room, &clear))
			while (inlay_cursor_left(&clear.frames) > 0) {
				assert_int_equal(inlay_quic_frame_parse(&clear.frames, &f), 0);
				if (f.type != INLAY_QUIC_NEW_CONNECTION_ID)
					continue;
				assert_true(f.new_cid.retire_prior_to <= f.new_cid.sequence);
				retired |= f.new_cid.retire_prior_to;
			}
		s.now = inlay_conn_deadline(s.conn);
		inlay_conn_on_timer(s.conn, s.now);
	}
	assert_true(retired > 0);
	solo_stop(&s);

	solo_start_as(&s, INLAY_SERVER);
	give_cid(&s, 2, 2);
	assert_int_equal(solo_find(&s, INLAY_QUIC_RETIRE_CONNECTION_ID, &f), 1);
	give_cid(&s, 3, 1);
	give_cid(&s, 4, 0);
	assert_int_equal(solo_find(&s, INLAY_QUIC_RETIRE_CONNECTION_ID, &f), 0);
	assert_int_equal(s.conn->cids.retire_prior_to, 2);
	give_cid(&s, 1, 0);
	assert_int_equal(solo_find(&s, INLAY_QUIC_RETIRE_CONNECTION_ID, &f), 1);
	assert_int_equal(f.retire_sequence, 1);
	solo_stop(&s);
}

/* --- Closing -------------------------------------------------------------------------------- */

/* Section 10.2.1: nor does CONNECTION_CLOSE amplify. */
static void closing_where_nobody_proved_to_be_is_limited(void **state)
{
	size_t sent = 0;
	struct solo s;
	struct sent p;
	int i;

	solo_start_as(&s, INLAY_SERVER);
	move_away(&s, false);
	inlay_conn_close(s.conn, false, 0, "a text that makes the frame a little longer", s.now);
	for (i = 0; i < 4; i++) {
		while (send_one(&s, &p))
			sent += p.len;
		assert_true(sent > 0);
		assert_in_range(sent, 1, 3 * SMALL);
		s.now += 100 * INLAY_MS;
		solo_recv(&s, ping, 1);
	}
	solo_stop(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_challenge_can_be_foreseen),
		cmocka_unit_test(a_small_challenge_is_followed_by_a_full_one),
		cmocka_unit_test(an_answer_by_another_path_counts),
		cmocka_unit_test(a_challenge_is_answered_at_once_and_once),
		cmocka_unit_test(no_migration_before_confirmation_or_against_the_servers_will),
		cmocka_unit_test(a_peer_that_was_asked_to_stay_is_validated),
		cmocka_unit_test(a_client_knows_one_server),
		cmocka_unit_test(another_address_starts_anew),
		cmocka_unit_test(challenges_are_no_more_frequent_than_probes),
		cmocka_unit_test(no_connection_id_is_used_on_two_paths),
		cmocka_unit_test(retire_prior_to_never_falls),
		cmocka_unit_test(closing_where_nobody_proved_to_be_is_limited),
	};

	return cmocka_run_group_tests_name("quic_moves", tests, NULL, NULL);
}
