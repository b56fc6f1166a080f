/* SPDX-License-Identifier: BSD-2-Clause */
/* Which connection IDs go by which path (RFC 9000 section 9.5), and our own migrations (9.2). */
#include <errno.h>

#include "quic_path_scene.h"

/* --- Connection IDs: section 9.5 ------------------------------------------------------------ */

static void a_new_cid_of_ours_takes_a_new_one_of_the_peers(void **state)
{
	struct inlay_cid second;
	struct scene x;
	__u64 sequence;

	begin(&x, INLAY_SERVER, 3);
	second = own_cid(&x, 1);
	recv_to(&x, 1, &second, ping, 1, 1200);
	flush(&x, 10000);
	assert_true(x.at[1].dcid != 5);
	/* The path left is asked with the CID that it has had. */
	assert_int_equal(x.at[0].dcid, 5);
	answer(&x, 1, 1, 1200);
	assert_false(inlay_cids_retire_pending(&x.s.conn->cids, &sequence));
	pass(&x, 5 * INLAY_S);
	/* Section 5.1.2: then it is retired. */
	assert_null(inlay_cids_peer_at(&x.s.conn->cids, 0));
	assert_int_equal(x.s.conn->entry->headers[x.s.entry.headers_index & 1].bytes[5],
			 x.at[1].dcid);
	solo_stop(&x.s);
}

static void a_rebinding_keeps_the_cid(void **state)
{
	struct scene x;

	begin(&x, INLAY_SERVER, 3);
	recv_from(&x, 1, ping, 1, 1200);
	flush(&x, 10000);
	assert_int_equal(x.at[1].dcid, 5);
	answer(&x, 1, 1, 1200);
	pass(&x, 5 * INLAY_S);
	assert_int_equal(x.s.cid_changes, 0);
	assert_non_null(inlay_cids_peer_at(&x.s.conn->cids, 0));
	solo_stop(&x.s);
}

static void without_a_cid_nobody_is_answered_nor_followed(void **state)
{
	struct inlay_cid second;
	struct scene x;

	begin(&x, INLAY_SERVER, 0);
	second = own_cid(&x, 1);
	ask(&x, 1, &second, 7, 1200);
	recv_to(&x, 1, &second, ping, 1, 1200);
	flush(&x, 10000);
	assert_int_equal(x.at[1].packets, 0);
	assert_int_equal(current(&x), 0);
	x.s.path.remote.port = htons(HOME);
	give_cids(&x, 1, 1, 0);
	recv_to(&x, 1, &second, ping, 1, 1200);
	flush(&x, 10000);
	assert_int_equal(current(&x), 1);
	assert_int_equal(x.at[1].dcid, 1);
	solo_stop(&x.s);
}

static void a_peer_without_cids_is_followed(void **state)
{
	struct inlay_cid second;
	struct scene x;
	struct inlay_path to;
	__u8 packet[INLAY_FRAME_MAX];

	set_up(&x, INLAY_SERVER);
	x.s.handover.peer_cid.len = 0;
	assert_true(solo_start(&x.s));
	while (inlay_conn_send(x.s.conn, packet, sizeof(packet), &to, x.s.now) > 0)
		;
	second = own_cid(&x, 1);
	recv_to(&x, 1, &second, ping, 1, 1200);
	assert_int_equal(current(&x), 1);
	assert_int_equal(inlay_conn_send(x.s.conn, packet, sizeof(packet), &to, x.s.now), 1200);
	solo_stop(&x.s);
}

/* The peer has all its CIDs retired while two paths have one each: both get new ones. */
static void both_paths_survive_a_retirement(void **state)
{
	struct inlay_cid second;
	struct scene x;
	unsigned int before;

	begin(&x, INLAY_SERVER, 2);
	second = own_cid(&x, 1);
	recv_to(&x, 1, &second, ping, 1, 1200);
	flush(&x, 10000);
	give_cids(&x, 10, 12, 10);
	recv_to(&x, 1, &second, ping, 1, 1200);
	before = x.at[0].challenges;
	pass(&x, INLAY_S);
	assert_true(x.at[0].challenges > before);
	assert_true(x.at[0].dcid >= 10 && x.at[1].dcid >= 10);
	assert_true(x.at[0].dcid != x.at[1].dcid);
	assert_false(x.s.closed);
	solo_stop(&x.s);
}

/* --- Ours: section 9.2 ---------------------------------------------------------------------- */

static struct inlay_path way(const struct scene *x, unsigned int place)
{
	struct inlay_path path = x->s.handover.path;

	path.local.port = htons((__u16)(1000 + place));
	return path;
}

static void confirm(struct scene *x)
{
	const __u8 done[] = {0x1e};

	solo_recv(&x->s, done, sizeof(done));
	flush(x, 10000);
}

static void a_client_asks_and_then_moves(void **state)
{
	struct inlay_path path;
	struct scene x;
	__u8 dcid;

	begin(&x, INLAY_CLIENT, 3);
	confirm(&x);
	path = way(&x, 1);
	assert_int_equal(inlay_conn_migrate(x.s.conn, &path, x.s.now), 0);
	flush(&x, 10000);
	assert_int_equal(x.at[1].challenges, 1);
	assert_int_equal(x.at[1].largest_challenge, 1200);
	dcid = x.at[1].dcid;
	assert_true(dcid != 5);
	/* Until then all else goes as before. */
	write_much(&x);
	flush(&x, 3);
	assert_int_equal(x.at[1].packets, 1);
	assert_int_equal(x.at[0].packets, 3);
	x.s.path = path;
	answer(&x, 0, 1, 0);
	assert_int_equal(x.s.migrated, 1);
	assert_int_equal(stats_of(&x).migrations, 1);
	memset(x.at, 0, sizeof(x.at));
	acknowledge(&x, 0);
	flush(&x, 10000);
	assert_true(x.at[1].packets > 0);
	assert_int_equal(x.at[0].packets, 0);
	assert_int_equal(x.at[1].dcid, dcid);
	/* The server asks by the way that was left: answered there, with the CID from there. */
	x.s.path = way(&x, 0);
	ask(&x, 0, &x.s.handover.own_cid, 7, 1200);
	flush(&x, 10000);
	assert_int_equal(x.at[0].answers, 1);
	assert_int_equal(x.at[0].dcid, 5);
	pass(&x, 5 * INLAY_S);
	assert_null(inlay_cids_peer_at(&x.s.conn->cids, 0));
	solo_stop(&x.s);
}

static void a_client_that_gets_no_answer_stays(void **state)
{
	struct inlay_path path;
	struct scene x;

	begin(&x, INLAY_CLIENT, 3);
	confirm(&x);
	path = way(&x, 1);
	assert_int_equal(inlay_conn_migrate(x.s.conn, &path, x.s.now), 0);
	pass(&x, 2 * INLAY_S);
	assert_int_equal(x.s.not_migrated, 0);
	pass(&x, 2 * INLAY_S);
	assert_int_equal(x.s.not_migrated, 1);
	assert_int_equal(stats_of(&x).migrations_failed, 1);
	assert_int_equal(x.s.path_changes, 0);
	assert_int_equal(x.s.probes, 0);
	/* Its CID was seen on the way: it is used up. */
	assert_int_equal(inlay_conn_migrate(x.s.conn, &path, x.s.now), 0);
	assert_int_equal(inlay_conn_migrate(x.s.conn, &path, x.s.now), 0);
	assert_int_equal(inlay_conn_migrate(x.s.conn, &path, x.s.now), -EAGAIN);
	solo_stop(&x.s);
}

static void who_may_not_migrate_is_told(void **state)
{
	struct inlay_path path, elsewhere;
	struct scene x;

	begin(&x, INLAY_SERVER, 3);
	path = way(&x, 1);
	assert_int_equal(inlay_conn_migrate(x.s.conn, &path, x.s.now), -EPERM);
	solo_stop(&x.s);

	begin(&x, INLAY_CLIENT, 0);
	assert_int_equal(inlay_conn_migrate(x.s.conn, &path, x.s.now), -EPERM);
	confirm(&x);
	assert_int_equal(inlay_conn_migrate(x.s.conn, &path, x.s.now), -EAGAIN);
	elsewhere = path;
	elsewhere.remote.port = htons(1);
	assert_int_equal(inlay_conn_migrate(x.s.conn, &elsewhere, x.s.now), -EINVAL);
	path = way(&x, 0);
	assert_int_equal(inlay_conn_migrate(x.s.conn, &path, x.s.now), -EINVAL);
	inlay_conn_close(x.s.conn, true, 0, "", x.s.now);
	path = way(&x, 1);
	assert_int_equal(inlay_conn_migrate(x.s.conn, &path, x.s.now), -ENOTCONN);
	solo_stop(&x.s);

	set_up(&x, INLAY_CLIENT);
	x.s.handover.peer.disable_active_migration = true;
	assert_true(solo_start(&x.s));
	give_cids(&x, 1, 3, 0);
	confirm(&x);
	assert_int_equal(inlay_conn_migrate(x.s.conn, &path, x.s.now), -EPERM);
	solo_stop(&x.s);
}

/* Section 9: a NAT heeds no transport parameter, so a peer that moves all the same is followed. */
static void our_wish_for_no_migration_closes_nothing(void **state)
{
	struct scene x;

	set_up(&x, INLAY_SERVER);
	x.s.handover.own.disable_active_migration = true;
	assert_true(solo_start(&x.s));
	give_cids(&x, 1, 3, 0);
	flush(&x, 10000);
	recv_from(&x, 1, ping, 1, 1200);
	flush(&x, 10000);
	answer(&x, 1, 1, 1200);
	assert_int_equal(current(&x), 1);
	assert_false(x.s.closed);
	solo_stop(&x.s);
}

/* Section 9: "MUST discard". */
static void a_client_hears_its_server_alone(void **state)
{
	struct scene x;

	begin(&x, INLAY_CLIENT, 3);
	x.s.path.remote.port = htons(HOME + 1);
	solo_recv(&x.s, ping, 1);
	assert_int_equal(stats_of(&x).unknown_path, 1);
	flush(&x, 10000);
	pass(&x, INLAY_S);
	assert_int_equal(x.at[0].packets, 0);
	solo_stop(&x.s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_cid_of_ours_takes_a_new_one_of_the_peers),
		cmocka_unit_test(a_rebinding_keeps_the_cid),
		cmocka_unit_test(without_a_cid_nobody_is_answered_nor_followed),
		cmocka_unit_test(a_peer_without_cids_is_followed),
		cmocka_unit_test(both_paths_survive_a_retirement),
		cmocka_unit_test(a_client_asks_and_then_moves),
		cmocka_unit_test(a_client_that_gets_no_answer_stays),
		cmocka_unit_test(who_may_not_migrate_is_told),
		cmocka_unit_test(our_wish_for_no_migration_closes_nothing),
		cmocka_unit_test(a_client_hears_its_server_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
