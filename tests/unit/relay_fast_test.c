/* SPDX-License-Identifier: BSD-2-Clause */
/* The relay beside a forwarder: who sends what, and that nothing is left over. */
#include "relay_fast_world.h"

#define SECOND (1000 * INLAY_MS)

static void a_subscription_is_fast_once_its_ok_is_acknowledged(void **state)
{
	struct fast_world *f = fast_new();
	struct client *sub;

	client_announce(fast_client(f));
	sub = fast_client(f);
	sub->link->ends[1].no_acks = true;
	client_subscribe(sub, "video", NULL);
	world_run(f->w);
	world_wait(f->w, SECOND);
	assert_false(view_of(sub).fast);
	assert_int_equal(view_of(sub).why_not, INLAY_REASON_OK_NOT_ACKED);
	sub->link->ends[1].no_acks = false;
	world_wait(f->w, SECOND);
	assert_true(view_of(sub).fast);
	assert_int_equal(view_of(sub).why_not, INLAY_N_REASONS);
	fast_free(f);
}

static void a_path_too_narrow_for_copies_keeps_a_subscription_slow(void **state)
{
	struct fast_world *f = fast_new();
	struct client *sub;

	client_announce(fast_client(f));
	sub = fast_client(f);
	subscriber_of(f, 1)->path_mtu = 1420;
	client_subscribe(sub, "video", NULL);
	world_run(f->w);
	world_wait(f->w, SECOND);
	assert_int_equal(view_of(sub).why_not, INLAY_REASON_MTU_NOT_VALIDATED);
	subscriber_of(f, 1)->path_mtu = 1472;
	world_wait(f->w, SECOND);
	assert_true(view_of(sub).fast);
	fast_free(f);
}

static void new_groups_are_forwarded_and_their_slots_are_given_back(void **state)
{
	struct fast_world *f = fast_start(3);

	for (__u64 g = 1; g <= 40; g++) {
		pub_group(&f->w->clients[0], g, 5);
		world_run(f->w);
		world_wait(f->w, 5 * INLAY_MS);
	}
	for (int i = 1; i <= 3; i++)
		for (__u64 g = 1; g <= 40; g++)
			assert_group(&f->w->clients[i], g, 0, 5);
	/* But for those whose header the link has cut in two. */
	assert_true(stats_of(f->w).legs_attached > 3 * 30);
	assert_int_equal(stats_of(f->w).legs_attached % 3, 0);
	assert_int_equal(stats_of(f->w).slots_now, 0);
	assert_true(f->copies >= stats_of(f->w).legs_attached);
	assert_int_equal(stats_of(f->w).streams_now, 0);
	fast_free(f);
}

static void the_rest_of_a_group_that_began_before_is_the_control_planes(void **state)
{
	struct inlay_moq_params params = from(3, 2);
	struct fast_world *f = fast_start(1);
	struct client *sub;

	sub = fast_client(f);
	client_subscribe(sub, "video", &params);
	world_run(f->w);
	world_wait(f->w, 10 * INLAY_MS);
	assert_true(view_of(sub).fast);
	pub_group(&f->w->clients[0], 3, 5);
	world_run(f->w);
	assert_int_equal(stats_of(f->w).legs_attached, 1);
	pub_group(&f->w->clients[0], 4, 5);
	world_run(f->w);
	assert_int_equal(stats_of(f->w).legs_attached, 3);
	assert_group(sub, 3, 2, 5);
	assert_group(sub, 4, 0, 5);
	fast_free(f);
}

static void what_is_given_up_goes_on_from_the_cache_and_is_offered_again(void **state)
{
	struct fast_world *f = fast_start(2);
	struct client *pub = &f->w->clients[0];
	struct inlay_moq_outgoing *out = pub_open(pub, 7, 0);
	__u64 copies;

	pub_object(pub, out, 7, 0, 0);
	world_run(f->w);
	subscriber_of(f, 1)->class_limit[1] = 0;
	for (__u64 o = 1; o < 5; o++) {
		pub_object(pub, out, 7, 0, o);
		world_run(f->w);
	}
	for (int i = 1; i <= 2; i++)
		assert_group(&f->w->clients[i], 7, 0, 5);
	assert_int_equal(stats_of(f->w).legs_detached[INLAY_REASON_NO_WINDOW], 1);
	assert_int_equal(view_of(&f->w->clients[1]).why_detached, INLAY_REASON_NO_WINDOW);
	subscriber_of(f, 1)->class_limit[1] = 1ULL << 60;
	world_wait(f->w, 100 * INLAY_MS);
	copies = view_of(&f->w->clients[1]).copies;
	pub_object(pub, out, 7, 0, 5);
	world_run(f->w);
	assert_true(view_of(&f->w->clients[1]).copies > copies);
	assert_int_equal(view_of(&f->w->clients[1]).streams_lent, 1);
	assert_int_equal(inlay_moq_outgoing_finish(out), 0);
	world_run(f->w);
	for (int i = 1; i <= 2; i++)
		assert_group(&f->w->clients[i], 7, 0, 6);
	world_wait(f->w, 10 * INLAY_MS);
	assert_int_equal(stats_of(f->w).slots_now, 0);
	fast_free(f);
}

static void what_passed_the_forwarder_by_is_sent_after_a_grace_time(void **state)
{
	struct fast_world *f = fast_start(1);
	struct client *pub = &f->w->clients[0];
	struct inlay_moq_outgoing *out = pub_open(pub, 7, 0);

	pub_object(pub, out, 7, 0, 1);
	world_run(f->w);
	f->blind = true;
	pub_object(pub, out, 7, 0, 2);
	world_run(f->w);
	assert_false(has_object(&f->w->clients[1], 7, 2));
	world_wait(f->w, 5 * INLAY_MS);
	assert_true(has_object(&f->w->clients[1], 7, 2));
	fast_free(f);
}

static void a_stream_that_the_control_plane_saw_first_is_its_own(void **state)
{
	struct fast_world *f = fast_start(1);
	struct client *pub = &f->w->clients[0];
	struct inlay_moq_outgoing *out = pub_open(pub, 7, 0);

	f->blind = true;
	pub_object(pub, out, 7, 0, 1);
	world_run(f->w);
	f->blind = false;
	pub_object(pub, out, 7, 0, 2);
	world_run(f->w);
	assert_true(has_object(&f->w->clients[1], 7, 1));
	assert_true(has_object(&f->w->clients[1], 7, 2));
	assert_int_equal(f->copies, 0);
	fast_free(f);
}

static void a_subscriber_that_leaves_leaves_nothing_behind(void **state)
{
	struct fast_world *f = fast_start(2);
	struct client *pub = &f->w->clients[0], *sub = &f->w->clients[1];
	struct inlay_moq_outgoing *out = pub_open(pub, 7, 0);

	pub_object(pub, out, 7, 0, 1);
	world_run(f->w);
	assert_int_equal(stats_of(f->w).positions_now, 2);
	inlay_moq_request_cancel(sub->subscription, INLAY_MOQ_RESET_CANCELLED);
	sub->subscription = NULL;
	world_run(f->w);
	world_wait(f->w, 5 * INLAY_MS);
	assert_int_equal(stats_of(f->w).positions_now, 1);
	pub_object(pub, out, 7, 0, 2);
	world_run(f->w);
	assert_true(has_object(&f->w->clients[2], 7, 2));
	client_kill(&f->w->clients[2]);
	world_wait(f->w, 5 * INLAY_MS);
	assert_int_equal(stats_of(f->w).positions_now, 0);
	fast_free(f);
}

static void an_entry_is_not_given_back_while_a_context_may_hold_it(void **state)
{
	struct fast_world *f = fast_start(1);
	struct client *sub = &f->w->clients[1];
	struct inlay_context *other = &f->tables->contexts[OTHER_CONTEXT];

	pub_group(&f->w->clients[0], 7, 2);
	world_run(f->w);
	inlay_context_enter(other);
	inlay_moq_request_cancel(sub->subscription, INLAY_MOQ_RESET_CANCELLED);
	sub->subscription = NULL;
	world_run(f->w);
	world_wait(f->w, 20 * INLAY_MS);
	assert_int_equal(stats_of(f->w).positions_now, 1);
	pub_group(&f->w->clients[0], 8, 2); /* to nobody */
	world_run(f->w);
	assert_null(find_got(sub, 8, 0, 0));
	inlay_context_leave(other);
	world_wait(f->w, 20 * INLAY_MS);
	assert_int_equal(stats_of(f->w).positions_now, 0);
	fast_free(f);
}

static void a_publisher_that_dies_ends_its_streams_and_leaves_no_entry(void **state)
{
	struct fast_world *f = fast_start(2);
	struct client *pub = &f->w->clients[0];
	struct inlay_moq_outgoing *out = pub_open(pub, 7, 0);

	pub_object(pub, out, 7, 0, 1);
	world_run(f->w);
	assert_int_equal(stats_of(f->w).slots_now, 1);
	client_end(pub);
	world_run(f->w);
	world_wait(f->w, 10 * INLAY_MS);
	for (int i = 1; i <= 2; i++) {
		assert_int_equal(f->w->clients[i].n_rx, 1);
		assert_true(f->w->clients[i].rx[0]->ended);
		assert_int_equal(f->w->clients[i].rx[0]->end, INLAY_MOQ_END_CANCELLED);
	}
	assert_int_equal(stats_of(f->w).reset_upstream, 2);
	assert_no_entries(f);
	pub->link = link_new(1);
	fast_free(f);
}

static void a_pause_ends_the_position_and_an_end_of_the_pause_begins_one(void **state)
{
	struct inlay_moq_params pause = {.present = INLAY_MOQ_HAS_FORWARD, .forward = false};
	struct fast_world *f = fast_start(1);
	struct client *sub = &f->w->clients[1];

	assert_int_equal(inlay_moq_request_update(sub->subscription, &pause), 0);
	world_run(f->w);
	world_wait(f->w, 10 * INLAY_MS);
	assert_int_equal(view_of(sub).why_not, INLAY_REASON_POSITION_OFF);
	pub_group(&f->w->clients[0], 7, 3);
	world_run(f->w);
	assert_int_equal(sub->n_got, 0);
	pause.forward = true;
	assert_int_equal(inlay_moq_request_update(sub->subscription, &pause), 0);
	world_run(f->w);
	world_wait(f->w, 10 * INLAY_MS);
	pub_group(&f->w->clients[0], 8, 3);
	world_run(f->w);
	assert_group(sub, 8, 0, 3);
	assert_int_equal(stats_of(f->w).legs_attached, 1);
	fast_free(f);
}

static void a_datagram_comes_once_from_whoever_had_it_first(void **state)
{
	struct fast_world *f = fast_start(2);

	fast_datagram(f, 7, 1);
	assert_int_equal(f->copies, 2);
	f->blind = true;
	fast_datagram(f, 7, 2);
	assert_int_equal(f->copies, 2);
	for (int i = 1; i <= 2; i++)
		assert_int_equal(f->w->clients[i].datagrams, 2);
	assert_int_equal(stats_of(f->w).datagrams_out, 2);
	fast_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_subscription_is_fast_once_its_ok_is_acknowledged),
		cmocka_unit_test(a_path_too_narrow_for_copies_keeps_a_subscription_slow),
		cmocka_unit_test(new_groups_are_forwarded_and_their_slots_are_given_back),
		cmocka_unit_test(the_rest_of_a_group_that_began_before_is_the_control_planes),
		cmocka_unit_test(what_is_given_up_goes_on_from_the_cache_and_is_offered_again),
		cmocka_unit_test(what_passed_the_forwarder_by_is_sent_after_a_grace_time),
		cmocka_unit_test(a_stream_that_the_control_plane_saw_first_is_its_own),
		cmocka_unit_test(a_subscriber_that_leaves_leaves_nothing_behind),
		cmocka_unit_test(an_entry_is_not_given_back_while_a_context_may_hold_it),
		cmocka_unit_test(a_publisher_that_dies_ends_its_streams_and_leaves_no_entry),
		cmocka_unit_test(a_pause_ends_the_position_and_an_end_of_the_pause_begins_one),
		cmocka_unit_test(a_datagram_comes_once_from_whoever_had_it_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
