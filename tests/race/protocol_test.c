/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The protocols between forwarder and control plane (docs/architecture.md, "What is shared, and in
 * what order"), each between the real forwarder with a packet and the control plane's steps, in
 * every order of their accesses to shared memory. Each is also run with a mutant of the forwarder
 * that breaks the rule, and must then be found wrong: a search that finds nothing proves nothing.
 */
#include "protocol_scene.h"

int race_mutation;

/* --- A leg: recalled ------------------------------------------------------------------------- */

static void recall(void *user)
{
	if (inlay_cas_u32(&leg()->state, INLAY_LEG_ATTACHED, INLAY_LEG_DETACHED))
		scene.marks[0] = 1;
	scene_wait_until_quiet();
	/* What the log has now is all that the forwarder ever sends. */
	scene.marks[1] = inlay_load_u64(&subscriber()->next_pn);
	scene.marks[2] = scene.n_sent;
}

static void check_recall(void *user)
{
	scene_check_ledger(0);
	interleave_expect(scene.marks[0] == 1);
	interleave_expect(leg()->state == INLAY_LEG_DETACHED);
	interleave_expect(scene.marks[1] == subscriber()->next_pn);
	interleave_expect(scene.marks[2] == scene.n_sent);
}

static const struct expectation recalled = {
	.name = "a leg is recalled",
	.a = run_packets_1_and_2,
	.b = recall,
	.check = check_recall,
};

static void nothing_is_sent_once_a_recall_is_quiet(void **state)
{
	begin_stream();
	assert_sound(&recalled);
}

static void a_forwarder_that_ignores_a_recall_is_caught(void **state)
{
	begin_stream();
	assert_catches(&recalled, INLAY_MUTANT_RECALL_IGNORED);
	assert_catches(&recalled, INLAY_MUTANT_NO_EPOCH);
}

/* --- A leg: offered, and perhaps withdrawn ---------------------------------------------------- */

static void offer_and_withdraw(void *user)
{
	struct inlay_leg *l = leg();

	/* Everything below the second object is sent. */
	l->attach = scene_first_len();
	inlay_xchg_u32(&l->state, INLAY_LEG_OFFERED);
	scene.marks[0] = inlay_cas_u32(&l->state, INLAY_LEG_OFFERED, INLAY_LEG_DETACHED);
	scene_wait_until_quiet();
	scene.marks[1] = scene.n_sent;
}

static void check_offer(void *user)
{
	scene_check_ledger(0);
	if (scene.marks[0]) {
		interleave_expect(scene.n_sent == 1);
		interleave_expect(leg()->state == INLAY_LEG_DETACHED);
	} else {
		interleave_expect(scene.n_sent == 2);
		interleave_expect(leg()->state == INLAY_LEG_ATTACHED);
		interleave_expect(leg()->attach == scene_first_len());
	}
	interleave_expect(subscriber()->flow_bytes == leg()->charged);
}

static void an_offer_is_taken_or_withdrawn(void **state)
{
	const struct expectation offered = {
		.name = "a leg is offered, and withdrawn",
		.a = run_packet_1,
		.b = offer_and_withdraw,
		.check = check_offer,
	};

	begin_stream();
	leg()->state = INLAY_LEG_DETACHED;
	assert_sound(&offered);
}

/* --- A stream: seen first by one of the two ----------------------------------------------------
 */

static void claim_stream(void *user)
{
	__u64 *seen = &scene.w->up->seen[0];
	__u64 word = inlay_load_u64(seen);

	scene.marks[0] = word == INLAY_SEEN_EMPTY &&
			 inlay_cas_u64(seen, word, INLAY_SEEN_WORD(0, INLAY_SEEN_CONVENTIONAL));
}

static void check_first_sight(void *user)
{
	__u32 live = 0, used = 0;

	for (__u32 i = 0; i < scene.t->n_slots; i++) {
		live += scene.t->slots[i].state == INLAY_SLOT_LIVE;
		used += scene.t->slots[i].state != INLAY_SLOT_FREE;
	}
	scene_check_ledger(0);
	interleave_expect(scene.n_sent == !scene.marks[0]);
	interleave_expect(live == !scene.marks[0] && used == live);
	interleave_expect(world_is_conventional(scene.w, 0) == scene.marks[0]);
	interleave_expect(subscriber()->next_stream == !scene.marks[0]);
}

static const struct expectation first_sight = {
	.name = "a stream is seen first",
	.a = run_packet_0,
	.b = claim_stream,
	.check = check_first_sight,
};

static void a_stream_is_the_forwarders_or_the_control_planes(void **state)
{
	scene_make_first(0, WORLD_SA, 0);
	assert_sound(&first_sight);
}

static void a_forwarder_that_ignores_what_was_seen_is_caught(void **state)
{
	scene_make_first(0, WORLD_SA, 0);
	assert_catches(&first_sight, INLAY_MUTANT_SEEN_IGNORED);
}

/* --- A packet: in the journal once ------------------------------------------------------------ */

static __u64 *journal_word(void)
{
	return &scene.t->journals[scene.w->upstream * scene.t->journal_size].word;
}

static bool is_not_being_forwarded(void *user)
{
	return INLAY_JOURNAL_STATE(inlay_load_u64(journal_word())) != INLAY_JOURNAL_CLAIMED;
}

/* The control plane with the original: whose are its datagrams? */
static void deliver_from_original(void *user)
{
	const struct inlay_journal *j = (const struct inlay_journal *)journal_word();
	const struct inlay_position *p = world_pos(scene.w, 0);
	__u64 word = inlay_load_u64(journal_word());

	if (INLAY_JOURNAL_STATE(word) == INLAY_JOURNAL_NONE &&
	    inlay_cas_u64(journal_word(), word, INLAY_JOURNAL_WORD(0, INLAY_JOURNAL_CONTROL))) {
		scene.marks[0] = 1;
		return;
	}
	interleave_await(is_not_being_forwarded, NULL, journal_word(), sizeof(word));
	word = inlay_load_u64(journal_word());
	interleave_expect(INLAY_JOURNAL_STATE(word) == INLAY_JOURNAL_DONE);
	/* Copies stand in the logs before the verdicts do. */
	interleave_expect(scene.n_sent == 1);
	if (j->n != 1 || j->verdicts[0] != INLAY_MEDIA_FORWARDED ||
	    (__s32)(j->serial - p->since) < 0)
		scene.marks[0] = 1;
}

static void check_journal(void *user)
{
	scene_check_ledger(0);
	interleave_expect(scene.n_sent + scene.marks[0] == 1);
}

static const struct expectation journal = {
	.name = "a datagram's packet, and its original",
	.a = run_packet_0,
	.b = deliver_from_original,
	.check = check_journal,
};

static void a_datagram_is_delivered_once(void **state)
{
	scene_make_datagram(0, WORLD_SA);
	assert_sound(&journal);
}

static void a_verdict_before_its_copies_is_caught(void **state)
{
	scene_make_datagram(0, WORLD_SA);
	assert_catches(&journal, INLAY_MUTANT_VERDICT_EARLY);
	assert_catches(&journal, INLAY_MUTANT_NO_JOURNAL);
}

static void run_packet_0_elsewhere(void *user)
{
	scene_run(1, 0);
}

static void check_duplicate(void *user)
{
	scene_check_ledger(0);
	interleave_expect(scene.n_sent + scene.marks[0] <= 1);
}

static const struct expectation duplicate = {
	.name = "a packet and its duplicate",
	.a = run_packet_0,
	.b = run_packet_0_elsewhere,
	.check = check_duplicate,
};

static void a_packet_in_two_contexts_is_forwarded_once(void **state)
{
	scene_make_datagram(0, WORLD_SA);
	assert_sound(&duplicate);
}

/* Without the owner word the journal still has each packet once; streams would not be in order. */
static void two_contexts_without_an_owner_are_caught(void **state)
{
	scene_make_datagram(0, WORLD_SA);
	assert_catches(&duplicate, INLAY_MUTANT_NO_JOURNAL);
}

/* --- An upstream: one context at a time --------------------------------------------------------
 */

static __u32 n_claimed(void)
{
	const struct inlay_journal *j =
		&scene.t->journals[scene.w->upstream * scene.t->journal_size];
	__u32 n = 0;

	for (int i = 0; i < WORLD_JOURNAL; i++)
		n += j[i].word != INLAY_JOURNAL_NONE;
	return n;
}

static void check_owner(void *user)
{
	const struct inlay_slot *s = world_slot(scene.w, 0);

	scene_check_ledger(0);
	/* Objects of 20 bytes, which the sink must have in ascending order. */
	for (__u32 i = 1; i < scene.n_sent; i++)
		interleave_expect(scene.sent[i - 1].entry.offset < scene.sent[i].entry.offset);
	interleave_expect(s->state == INLAY_SLOT_LIVE || s->state == INLAY_SLOT_UNFRAMED);
	interleave_expect(scene.w->up->owner == 0);
	/* Every packet that was claimed has a serial of its own. */
	interleave_expect(scene.w->up->serial == n_claimed());
	interleave_expect(leg()->charged == subscriber()->flow_bytes);
}

static const struct expectation owner = {
	.name = "two packets of an upstream in two contexts",
	.a = run_packet_1,
	.b = run_packet_2_elsewhere,
	.check = check_owner,
};

static void one_context_at_a_time_forwards_an_upstream(void **state)
{
	begin_stream();
	assert_sound(&owner);
}

static void two_contexts_at_a_time_are_caught(void **state)
{
	begin_stream();
	assert_catches(&owner, INLAY_MUTANT_NO_OWNER);
}

/* --- A position: armed, taken up, off ----------------------------------------------------------
 */

static void arm(void *user)
{
	struct inlay_position *p = world_pos(scene.w, 0);

	p->subscriber = 0;
	p->generation = subscriber()->generation;
	p->alias = 500;
	p->end_group = ~0ULL;
	inlay_xchg_u32(&p->state, INLAY_POSITION_ARMED);
}

static void switch_off(void *user)
{
	struct inlay_position *p = world_pos(scene.w, 0);

	scene.marks[0] = inlay_xchg_u32(&p->state, INLAY_POSITION_OFF);
	scene_wait_until_quiet();
	scene.marks[1] = scene.n_sent;
	/* Nobody reads it any more: it may become another's. */
	p->alias = 7;
	p->subscriber = 1;
	p->generation = 0;
}

static void arm_and_switch_off(void *user)
{
	arm(NULL);
	switch_off(NULL);
}

static void check_position(void *user)
{
	const struct inlay_position *p = world_pos(scene.w, 0);

	scene_check_ledger(0);
	interleave_expect(scene.n_sent == scene.marks[1]);
	interleave_expect(p->state == INLAY_POSITION_OFF);
	/* It was ACTIVE if anything came out, and |since| says from which packet on. */
	if (scene.n_sent > 0)
		interleave_expect(p->since >= 1 && p->since <= 2 &&
				  2 - p->since + 1 >= scene.n_sent);
	interleave_expect(scene.marks[0] != INLAY_POSITION_ARMED || scene.n_sent == 0);
}

static void run_both(void *user)
{
	scene_run(0, 0);
	scene_run(0, 1);
}

static const struct expectation position = {
	.name = "a position is armed, taken up and switched off",
	.a = run_both,
	.b = arm_and_switch_off,
	.check = check_position,
};

static void unarmed(void)
{
	struct inlay_position *p = world_pos(scene.w, 0);

	memset(p, 0, sizeof(*p));
	for (size_t c = 0; c < INLAY_ARRAY_SIZE(p->thresholds); c++)
		p->thresholds[c] = 256;
	scene_make_datagram(0, WORLD_SA);
	scene_make_datagram(1, WORLD_SA);
}

static void a_position_is_served_from_armed_to_off_and_no_longer(void **state)
{
	unarmed();
	assert_sound(&position);
}

static void what_breaks_a_positions_life_is_caught(void **state)
{
	unarmed();
	assert_catches(&position, INLAY_MUTANT_NO_SINCE);
	assert_catches(&position, INLAY_MUTANT_IGNORE_OFF);
	assert_catches(&position, INLAY_MUTANT_NO_EPOCH);
}

/* --- Headers: one copy or the other ------------------------------------------------------------
 */

static void write_headers(struct inlay_headers *h, __u8 pattern, __u8 cid_len)
{
	memset(h->bytes + 1, pattern, cid_len);
	h->quic_len = (__u8)(1 + cid_len + INLAY_TX_PN);
}

static void flip_twice(void *user)
{
	struct inlay_subscriber *s = subscriber();

	write_headers(&s->headers[1], 0xa1, 5);
	inlay_xchg_u32(&s->headers_index, 1);
	scene_wait_until_quiet();
	write_headers(&s->headers[0], 0xb2, 12);
	inlay_xchg_u32(&s->headers_index, 0);
}

static void check_headers(void *user)
{
	for (__u32 i = 1; i < scene.n_sent; i++) {
		const struct scene_sent *one = &scene.sent[i];
		__u8 pattern = one->header[1];
		__u32 len = pattern == 0xa1 ? 5 : pattern == 0xb2 ? 12 : 8;

		interleave_expect(pattern == 0xa1 || pattern == 0xb2 || pattern == 0xc0);
		interleave_expect(one->header_len == 1 + len);
		for (__u32 b = 1; b < one->header_len; b++)
			interleave_expect(one->header[b] == pattern);
	}
	scene_check_ledger(0);
}

static const struct expectation headers = {
	.name = "headers change twice",
	.a = run_packets_1_and_2,
	.b = flip_twice,
	.check = check_headers,
};

static void headers_are_never_torn(void **state)
{
	begin_stream();
	assert_sound(&headers);
}

static void headers_without_quiescence_are_caught(void **state)
{
	begin_stream();
	assert_catches(&headers, INLAY_MUTANT_NO_EPOCH);
}

/* --- A slot: freed, and another stream's ---------------------------------------------------------
 */

static void free_slot(void *user)
{
	struct inlay_slot *s = world_slot(scene.w, 0);

	inlay_cas_u32(&leg()->state, INLAY_LEG_ATTACHED, INLAY_LEG_DETACHED);
	inlay_state_slot_put(scene.w->st, (__u32)(s - scene.t->slots));
	scene_wait_until_quiet();
	scene.marks[1] = scene.n_sent;
	inlay_state_reclaim(scene.w->st);
}

static void check_slot(void *user)
{
	scene_check_ledger(0);
	for (__u32 i = 1; i < scene.n_sent; i++) {
		const struct scene_sent *one = &scene.sent[i];

		/* The second upstream's stream is one of its own, from its beginning. */
		if (one->context == 1)
			interleave_expect(one->entry.stream == 1 && one->entry.offset == 0);
		else
			interleave_expect(one->entry.stream == 0 && one->entry.offset > 0);
	}
}

static void a_freed_slot_is_another_streams_only_when_it_is_quiet(void **state)
{
	const struct expectation e = {
		.name = "a slot is freed and claimed again",
		.a = run_packet_1,
		.b = free_slot,
		.c = run_packet_3_elsewhere,
		.check = check_slot,
	};

	begin_stream();
	assert_int_equal(scene_other_position(0), 0);
	scene_make_first(3, SCENE_OTHER_SA, 0);
	/* There is no other. */
	for (__u32 i = 0; i < scene.t->n_slots; i++)
		if (scene.t->slots[i].state == INLAY_SLOT_FREE)
			scene.t->slots[i].state = INLAY_SLOT_DECLINED;
	assert_sound(&e);
}

/* --- A subscriber's entry: freed, and another's
 * ---------------------------------------------------- */

static void replace_subscriber(void *user)
{
	struct inlay_position *p = world_pos(scene.w, 0);
	struct inlay_subscriber *s;

	inlay_xchg_u32(&p->state, INLAY_POSITION_OFF);
	inlay_cas_u32(&leg()->state, INLAY_LEG_ATTACHED, INLAY_LEG_DETACHED);
	scene_wait_until_quiet();
	/* As inlay_state_subscriber_put() and _get() have it, but for the log. */
	s = subscriber();
	scene.marks[0] = s->bytes_sent;
	scene.marks[1] = s->next_pn;
	s->generation++;
	s->sa = 999;
	s->sa_generation = 9;
	scene.marks[2] = scene.n_sent;
}

static void check_subscriber(void *user)
{
	scene_check_ledger(0);
	interleave_expect(scene.n_sent == scene.marks[2]);
	interleave_expect(subscriber()->next_pn == scene.marks[1]);
	for (__u32 i = 0; i < scene.n_sent; i++)
		interleave_expect(scene.sent[i].sa == 100);
}

static const struct expectation another = {
	.name = "a subscriber's entry becomes another's",
	.a = run_packet_1,
	.b = replace_subscriber,
	.check = check_subscriber,
};

static void no_copy_goes_to_another_generation_of_an_entry(void **state)
{
	begin_stream();
	assert_sound(&another);
}

static void copies_to_another_generation_are_caught(void **state)
{
	begin_stream();
	assert_catches(&another, INLAY_MUTANT_NO_EPOCH);
}

/* The same by way of the state, while a stream begins: that gets its leg behind the back of whoever
 * detaches all that there are. */
static void give_subscriber_back(void *user)
{
	__u32 index;

	inlay_xchg_u32(&world_pos(scene.w, 0)->state, INLAY_POSITION_OFF);
	for (__u32 i = 0; i < scene.t->n_slots; i++)
		if (inlay_load_u32(&scene.t->slots[i].state) == INLAY_SLOT_LIVE)
			inlay_cas_u32(&scene.t->legs[(size_t)i * INLAY_POSITIONS].state,
				      INLAY_LEG_ATTACHED, INLAY_LEG_DETACHED);
	inlay_state_subscriber_put(scene.w->st, 0);
	scene_wait_until_quiet();
	scene.marks[2] = scene.n_sent;
	index = world_subscriber(scene.w);
	interleave_expect(index == 0);
}

static void check_given_back(void *user)
{
	interleave_expect(scene.n_sent == scene.marks[2]);
	interleave_expect(subscriber()->next_pn == 0 && subscriber()->bytes_sent == 0);
}

static const struct expectation given_back = {
	.name = "a subscriber's entry is given back while a stream begins",
	.a = run_both,
	.b = give_subscriber_back,
	.check = check_given_back,
};

static void a_leg_of_a_subscriber_that_has_gone_is_nobody_elses(void **state)
{
	scene_make_first(0, WORLD_SA, 0);
	scene_make_next(1, WORLD_SA, 0, 0);
	assert_sound(&given_back);
}

static void legs_that_ignore_the_generation_are_caught(void **state)
{
	scene_make_first(0, WORLD_SA, 0);
	scene_make_next(1, WORLD_SA, 0, 0);
	assert_catches(&given_back, INLAY_MUTANT_STALE_SUBSCRIBER);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, scene_set_up, scene_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nothing_is_sent_once_a_recall_is_quiet),
		TEST(a_forwarder_that_ignores_a_recall_is_caught),
		TEST(an_offer_is_taken_or_withdrawn),
		TEST(a_stream_is_the_forwarders_or_the_control_planes),
		TEST(a_forwarder_that_ignores_what_was_seen_is_caught),
		TEST(a_datagram_is_delivered_once),
		TEST(a_verdict_before_its_copies_is_caught),
		TEST(a_packet_in_two_contexts_is_forwarded_once),
		TEST(two_contexts_without_an_owner_are_caught),
		TEST(one_context_at_a_time_forwards_an_upstream),
		TEST(two_contexts_at_a_time_are_caught),
		TEST(a_position_is_served_from_armed_to_off_and_no_longer),
		TEST(what_breaks_a_positions_life_is_caught),
		TEST(headers_are_never_torn),
		TEST(headers_without_quiescence_are_caught),
		TEST(a_freed_slot_is_another_streams_only_when_it_is_quiet),
		TEST(no_copy_goes_to_another_generation_of_an_entry),
		TEST(copies_to_another_generation_are_caught),
		TEST(a_leg_of_a_subscriber_that_has_gone_is_nobody_elses),
		TEST(legs_that_ignore_the_generation_are_caught),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
