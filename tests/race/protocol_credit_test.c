/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Numbers and credit of one subscriber, which forwarders and the control plane take at the same
 * time, in every order; as protocol_test.c has the other protocols.
 */
#include "protocol_scene.h"

int race_mutation;

/* --- A number: taken, then published or void ------------------------------------------------- */

static void void_what_is_late(void *user)
{
	/* The first call notes that a number is missing; the second one gives it up. */
	inlay_sentlog_advance(&scene.log, 0, WORLD_NOW);
	inlay_sentlog_advance(&scene.log, 0, WORLD_NOW);
}

static void check_number(void *user)
{
	__u64 expected = scene_first_len() + (__u64)leg()->shift;

	scene_check_ledger(0);
	/* The first frame was sent before; the second one perhaps. */
	if (scene.n_sent == 2)
		expected += scene_first_len() - world_header((__u8[64]){0}, 4) + 10;
	interleave_expect(subscriber()->flow_bytes == expected);
	interleave_expect(leg()->charged == expected);
	interleave_expect(leg()->state ==
			  (scene.n_sent == 2 ? INLAY_LEG_ATTACHED : INLAY_LEG_DETACHED));
	if (scene.n_sent < 2)
		interleave_expect(leg()->reason == INLAY_REASON_NUMBER_VOIDED);
}

static void begin_number(void)
{
	begin_stream();
	/* Nothing older is open: the next number is the one that is looked at. */
	inlay_sentlog_resolve(&scene.log, 0, INLAY_FATE_ACKED);
}

static const struct expectation number = {
	.name = "a number is sent or void",
	.a = run_packet_1,
	.b = void_what_is_late,
	.check = check_number,
};

static void a_number_is_sent_or_void_and_its_credit_is_returned(void **state)
{
	begin_number();
	assert_sound(&number);
}

static void a_forwarder_that_sends_void_numbers_is_caught(void **state)
{
	begin_number();
	assert_catches(&number, INLAY_MUTANT_NO_PUBLICATION);
}

static void credit_that_is_not_returned_for_a_void_number_is_caught(void **state)
{
	begin_number();
	assert_catches(&number, INLAY_MUTANT_NO_WINDOW_UNDO);
	assert_catches(&number, INLAY_MUTANT_NO_FLOW_UNDO);
}

/* As far as the log allows, but not beyond the place of number 1. */
static void go_round(void *user)
{
	const struct inlay_sentlog *l = &scene.log;
	__u64 base = (l->guard < l->oldest ? l->guard : l->oldest) + WORLD_LOG;
	__u64 to = base - INLAY_CONTEXTS - 1;

	(void)inlay_sentlog_skip_to(&scene.log, to < 1 + WORLD_LOG ? to : 1 + WORLD_LOG);
	inlay_sentlog_advance(&scene.log, 0, WORLD_NOW);
}

/* The number's place in the log comes round again. */
static void void_and_come_round(void *user)
{
	const struct inlay_sent e = {.flags = INLAY_SENT_LOCAL, .packet_size = 77};
	struct inlay_subscriber *s = subscriber();
	__u64 pn;

	void_what_is_late(NULL);
	interleave_at_once(go_round, NULL);
	inlay_sentlog_advance(&scene.log, 0, WORLD_NOW);
	interleave_at_once(go_round, NULL);
	if (!inlay_sentlog_may_take(&scene.log, true))
		return;
	pn = inlay_sentlog_take(&scene.log);
	inlay_fetch_add_u64(&s->bytes_sent, e.packet_size);
	interleave_expect(inlay_sentlog_publish(&scene.log, pn, &e, 0));
	scene.marks[0] = pn;
}

static void check_come_round(void *user)
{
	const struct inlay_sent *e =
		&inlay_state_log(scene.w->st, 0)[scene.marks[0] & (WORLD_LOG - 1)];

	if (scene.marks[0] == 0)
		return;
	scene.marks[1] = scene.marks[0] == 1 + WORLD_LOG;
	interleave_expect(e->pn_state == INLAY_SENT_WORD(scene.marks[0], INLAY_SENT_SENT));
	interleave_expect(e->packet_size == 77 && e->flags == INLAY_SENT_LOCAL);
}

static const struct expectation come_round = {
	.name = "a void number's place comes round",
	.a = run_packet_1,
	.b = void_and_come_round,
	.check = check_come_round,
};

static void a_late_taker_does_not_write_over_a_later_number(void **state)
{
	begin_number();
	assert_sound(&come_round);
}

static void a_log_that_does_not_wait_for_late_takers_is_caught(void **state)
{
	begin_number();
	scene.log.state = NULL;
	assert_catches(&come_round, 0);
}

/* --- One subscriber, several takers -------------------------------------------------------------
 */

/* Both upstreams have a stream begun, with a leg to subscriber 0 each. */
static void begin_two_streams(void)
{
	begin_stream();
	assert_int_equal(scene_other_position(0), 0);
	scene_make_first(2, SCENE_OTHER_SA, 0);
	scene_run(1, 2);
	assert_int_equal(scene.n_sent, 2);
	scene_make_next(2, SCENE_OTHER_SA, 0, 0);
}

/* The control plane sends a packet of its own. */
static void send_own(void *user)
{
	const struct inlay_sent e = {.flags = INLAY_SENT_LOCAL, .packet_size = 50};
	struct inlay_subscriber *s = subscriber();
	__u64 pn;

	if (inlay_load_u64(&s->bytes_sent) + 50 > s->class_limit[0] ||
	    !inlay_sentlog_may_take(&scene.log, false))
		return;
	inlay_fetch_add_u64(&s->bytes_sent, 50);
	pn = inlay_sentlog_take(&scene.log);
	interleave_expect(inlay_sentlog_publish(&scene.log, pn, &e, 0));
}

static void check_two_takers(void *user)
{
	const struct inlay_subscriber *s = subscriber();
	__u64 limit = s->class_limit[1];

	scene_check_ledger(0);
	interleave_expect(s->bytes_sent <= limit);
	interleave_expect(s->flow_bytes <= s->flow_limit);
	interleave_expect(s->next_stream <= s->stream_limit);
}

static const struct expectation two_takers = {
	.name = "two upstreams feed one subscriber",
	.a = run_packet_1,
	.b = run_packet_2_elsewhere,
	.check = check_two_takers,
};

static void two_upstreams_take_no_number_twice(void **state)
{
	begin_two_streams();
	assert_sound(&two_takers);
}

static void two_upstreams_share_a_window_for_one_copy(void **state)
{
	begin_two_streams();
	subscriber()->class_limit[1] =
		subscriber()->bytes_sent + scene.sent[1].entry.packet_size + 20;
	assert_sound(&two_takers);
	assert_catches(&two_takers, INLAY_MUTANT_NO_WINDOW_LIMIT);
	assert_catches(&two_takers, INLAY_MUTANT_NO_WINDOW_UNDO);
}

static void two_upstreams_share_flow_control_for_one_copy(void **state)
{
	begin_two_streams();
	subscriber()->flow_limit = subscriber()->flow_bytes + 30;
	assert_sound(&two_takers);
	assert_catches(&two_takers, INLAY_MUTANT_NO_FLOW_LIMIT);
}

static void check_two_streams(void *user)
{
	check_two_takers(user);
	for (__u32 i = 1; i < scene.n_sent; i++)
		for (__u32 j = 0; j < i; j++)
			interleave_expect(scene.sent[i].entry.stream != scene.sent[j].entry.stream);
}

static void two_upstreams_share_one_stream_number(void **state)
{
	const struct expectation e = {
		.name = "two upstreams, one stream number",
		.a = run_packet_0,
		.b = run_packet_1_elsewhere,
		.check = check_two_streams,
	};

	assert_int_equal(scene_other_position(0), 0);
	scene_make_first(0, WORLD_SA, 0);
	scene_make_first(1, SCENE_OTHER_SA, 0);
	subscriber()->stream_limit = 1;
	assert_sound(&e);
	assert_catches(&e, INLAY_MUTANT_NO_STREAMS_LIMIT);
}

static void a_forwarder_and_the_control_plane_take_no_number_twice(void **state)
{
	const struct expectation e = {
		.name = "forwarder and control plane send",
		.a = run_packet_1,
		.b = send_own,
		.check = check_two_takers,
	};

	begin_stream();
	assert_sound(&e);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, scene_set_up, scene_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_number_is_sent_or_void_and_its_credit_is_returned),
		TEST(a_forwarder_that_sends_void_numbers_is_caught),
		TEST(credit_that_is_not_returned_for_a_void_number_is_caught),
		TEST(a_late_taker_does_not_write_over_a_later_number),
		TEST(a_log_that_does_not_wait_for_late_takers_is_caught),
		TEST(two_upstreams_take_no_number_twice),
		TEST(two_upstreams_share_a_window_for_one_copy),
		TEST(two_upstreams_share_flow_control_for_one_copy),
		TEST(two_upstreams_share_one_stream_number),
		TEST(a_forwarder_and_the_control_plane_take_no_number_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
