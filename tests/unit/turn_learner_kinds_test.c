/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Allocations that are not of the plain kind: dual ones, those that stay with the server, those
 * that the tables have no place for; what people are shown; and a day of churn.
 */
#include "seeded.h"
#include "turn_world.h"

static struct inlay_addr peer;

/* --- Dual allocations ---------------------------------------------------------------------- */

static struct inlay_addr told6, peer6;

static void relay6(struct world *w, __u16 number)
{
	union world_event out = event_of(w, INLAY_TURN_RELAYED, &told6, &peer6, "twelve bytes", 12);

	world_up(w, number, "twelve bytes");
	out.e.flow = world_ref(w, number);
	out.e.cookie = WORLD_RELAY + 6;
	world_give(w, &out, INLAY_TURN_RESPONSES);
}

/* IPv4 and IPv6 (RFC 8656 section 7.1), a fast channel on each. */
static void begin_dual(struct world *w)
{
	struct message request, response;

	peer = addr_of("203.0.113.7", 5000);
	peer6 = addr_of("2001:db8::7", 5000);
	told6 = addr_of("2001:db8:1::1", 50006);
	world_init(w, NULL);
	request = message_of(INLAY_STUN_ALLOCATE, INLAY_STUN_REQUEST, 50);
	message_u32(&request, INLAY_STUN_REQUESTED_TRANSPORT, 17U << 24);
	message_u32(&request, INLAY_STUN_ADDITIONAL_ADDRESS_FAMILY, 2U << 24);
	response = message_of(INLAY_STUN_ALLOCATE, INLAY_STUN_SUCCESS, 50);
	message_address(&response, INLAY_STUN_XOR_RELAYED_ADDRESS, &w->told);
	message_address(&response, INLAY_STUN_XOR_RELAYED_ADDRESS, &told6);
	message_u32(&response, INLAY_STUN_LIFETIME, 600);
	world_exchange(w, &request, &response);
	world_bind(w, 0x4001, &peer);
	world_bind(w, 0x4002, &peer6);
	world_prove(w, 0x4001, &peer);
	assert_int_equal(world_fast(w, w->now), 1);
	relay6(w, 0x4002);
	assert_int_equal(world_fast(w, w->now), 2);
	assert_int_equal(world_counts(w).allocations, 1);
}

static void both_relayed_addresses_of_a_dual_allocation_are_fast(void **state)
{
	struct world w;

	begin_dual(&w);
	assert_memory_equal(&w.allocations[1].params.relayed, &told6, sizeof(told6));
	world_fini(&w);
}

static void a_refresh_of_one_family_is_for_its_relayed_address(void **state)
{
	struct message request, response;
	struct world w;

	begin_dual(&w);
	w.now += INLAY_S;
	request = message_of(INLAY_STUN_REFRESH, INLAY_STUN_REQUEST, 60);
	message_u32(&request, INLAY_STUN_LIFETIME, 100);
	message_u32(&request, INLAY_STUN_REQUESTED_ADDRESS_FAMILY, 2U << 24);
	response = refresh_success(60, 100);
	world_exchange(&w, &request, &response);
	assert_int_equal(w.allocations[0].params.until, w.now + 599 * INLAY_S);
	assert_int_equal(w.allocations[1].params.until, w.now + 100 * INLAY_S);
	/* Ended: the other one lives. */
	request = message_of(INLAY_STUN_REFRESH, INLAY_STUN_REQUEST, 61);
	message_u32(&request, INLAY_STUN_LIFETIME, 0);
	message_u32(&request, INLAY_STUN_REQUESTED_ADDRESS_FAMILY, 1U << 24);
	response = refresh_success(61, 0);
	world_exchange(&w, &request, &response);
	assert_false(w.allocations[0].used);
	assert_int_equal(world_fast(&w, w.now), 1);
	/* Without a family: what there is. */
	world_refresh(&w, 0);
	assert_int_equal(world_entries(&w), 0);
	world_fini(&w);
}

static void one_socket_of_a_dual_allocation_may_go(void **state)
{
	struct world w;

	begin_dual(&w);
	inlay_turn_learner_gone(w.l, WORLD_RELAY, w.now);
	assert_int_equal(world_fast(&w, w.now), 1);
	assert_int_equal(world_counts(&w).allocations, 1);
	inlay_turn_learner_gone(w.l, WORLD_RELAY + 6, w.now);
	assert_int_equal(world_counts(&w).allocations, 0);
	world_fini(&w);
}

static void an_unknown_refresh_ends_both_families(void **state)
{
	struct message response = refresh_success(60, 0);
	struct world w;

	begin_dual(&w);
	world_answer(&w, &response);
	assert_int_equal(world_counts(&w).allocations, 0);
	assert_int_equal(world_entries(&w), 0);
	world_fini(&w);
}

/* --- Those that stay with the server ------------------------------------------------------- */

enum oddity {
	PLAIN,
	IPV6_ASKED_AND_GRANTED,
	NO_TRANSPORT,
	TCP_TRANSPORT,
	TICKET_ASKED,
	TICKET_GRANTED,
	TWO_UNASKED,
	TWO_AND_A_FAMILY,
	OTHER_FAMILY,
	LISTENING_PORT,
	PORT_ZERO,
	NO_LIFETIME,
	NO_RELAYED,
	LIFETIME_ZERO,
	ODDITIES,
};

static void allocate_oddly(struct world *w, enum oddity odd)
{
	struct message request = message_of(INLAY_STUN_ALLOCATE, INLAY_STUN_REQUEST, 50);
	struct message response = message_of(INLAY_STUN_ALLOCATE, INLAY_STUN_SUCCESS, 50);
	struct inlay_addr six = addr_of("2001:db8:1::1", 50000);

	if (odd != NO_TRANSPORT)
		message_u32(&request, INLAY_STUN_REQUESTED_TRANSPORT,
			    odd == TCP_TRANSPORT ? 6U << 24 : 17U << 24);
	if (odd == TICKET_ASKED)
		message_attribute(&request, INLAY_STUN_MOBILITY_TICKET, NULL, 0);
	if (odd == TWO_AND_A_FAMILY)
		message_u32(&request, INLAY_STUN_ADDITIONAL_ADDRESS_FAMILY, 2U << 24);
	if (odd == OTHER_FAMILY || odd == IPV6_ASKED_AND_GRANTED || odd == TWO_AND_A_FAMILY)
		message_u32(&request, INLAY_STUN_REQUESTED_ADDRESS_FAMILY, 2U << 24);
	if (odd == LISTENING_PORT)
		w->told.port = htons(443);
	if (odd == PORT_ZERO)
		w->told.port = 0;
	if (odd == IPV6_ASKED_AND_GRANTED)
		w->told = w->relayed = six;
	if (odd != NO_RELAYED)
		message_address(&response, INLAY_STUN_XOR_RELAYED_ADDRESS, &w->told);
	if (odd == TWO_UNASKED || odd == TWO_AND_A_FAMILY)
		message_address(&response, INLAY_STUN_XOR_RELAYED_ADDRESS, &six);
	if (odd != NO_LIFETIME)
		message_u32(&response, INLAY_STUN_LIFETIME, odd == LIFETIME_ZERO ? 0 : 600);
	if (odd == TICKET_GRANTED)
		message_attribute(&response, INLAY_STUN_MOBILITY_TICKET, "ticket", 6);
	world_exchange(w, &request, &response);
}

static void an_odd_allocation_stays_with_the_server(void **state)
{
	bool plain;
	struct world w;

	for (enum oddity odd = PLAIN; odd < ODDITIES; odd++) {
		world_init(&w, NULL);
		allocate_oddly(&w, odd);
		peer = odd == IPV6_ASKED_AND_GRANTED ? addr_of("2001:db8::7", 5000)
						     : addr_of("203.0.113.7", 5000);
		w.relayed = w.told;
		world_bind(&w, 0x4001, &peer);
		plain = odd == PLAIN || odd == IPV6_ASKED_AND_GRANTED;
		assert_int_equal(world_watched(&w), plain);
		world_prove(&w, 0x4001, &peer);
		assert_int_equal(world_fast(&w, w.now), plain);
		if (!plain)
			assert_int_equal(world_entries(&w), 0);
		assert_int_equal(world_counts(&w).conflicts,
				 !plain && odd != LIFETIME_ZERO && odd != NO_LIFETIME);
		world_fini(&w);
	}
}

static void a_refresh_with_a_ticket_leaves_it_to_the_server(void **state)
{
	struct message request, response;
	struct world w;

	for (int i = 0; i < 2; i++) {
		world_init(&w, NULL);
		peer = addr_of("203.0.113.7", 5000);
		world_allocate(&w, 600);
		world_bind(&w, 0x4001, &peer);
		world_prove(&w, 0x4001, &peer);
		request = message_of(INLAY_STUN_REFRESH, INLAY_STUN_REQUEST, 60);
		response = refresh_success(60, 600);
		message_attribute(i == 0 ? &request : &response, INLAY_STUN_MOBILITY_TICKET, "t",
				  1);
		/* Behind the seal it would be ambiguous: here it must not be. */
		if (i == 1) {
			response = message_of(INLAY_STUN_REFRESH, INLAY_STUN_SUCCESS, 60);
			message_u32(&response, INLAY_STUN_LIFETIME, 600);
			message_attribute(&response, INLAY_STUN_MOBILITY_TICKET, "t", 1);
		}
		world_exchange(&w, &request, &response);
		assert_int_equal(world_entries(&w), 0);
		assert_int_equal(world_counts(&w).allocations, 1);
		assert_int_equal(world_counts(&w).conflicts, 1);
		world_fini(&w);
	}
}

static void a_refresh_of_a_family_that_is_not_there_is_a_doubt(void **state)
{
	struct message request, response;
	struct world w;

	world_init(&w, NULL);
	peer = addr_of("203.0.113.7", 5000);
	world_allocate(&w, 600);
	world_bind(&w, 0x4001, &peer);
	world_prove(&w, 0x4001, &peer);
	request = message_of(INLAY_STUN_REFRESH, INLAY_STUN_REQUEST, 60);
	message_u32(&request, INLAY_STUN_REQUESTED_ADDRESS_FAMILY, 2U << 24);
	response = refresh_success(60, 600);
	world_exchange(&w, &request, &response);
	assert_int_equal(world_entries(&w), 0);
	world_fini(&w);
}

/* --- Tables that refuse -------------------------------------------------------------------- */

static const char *why;

static void note_why(void *user, const struct inlay_turn_learner_allocation *a)
{
	why = a->why;
}

static void what_the_tables_refuse_stays_with_the_server_and_is_tried_again(void **state)
{
	struct world w;
	int *refuse[] = {&w.refuse_watch, &w.refuse_allocation, &w.refuse_permission,
			 &w.refuse_channel};

	for (size_t i = 0; i < INLAY_ARRAY_SIZE(refuse); i++) {
		world_init(&w, NULL);
		peer = addr_of("203.0.113.7", 5000);
		*refuse[i] = -ENOSPC;
		world_allocate(&w, 600);
		world_bind(&w, 0x4001, &peer);
		world_prove(&w, 0x4001, &peer);
		assert_int_equal(world_fast(&w, w.now), 0);
		inlay_turn_learner_allocations(w.l, note_why, NULL);
		assert_string_equal(why, "the tables have no place for it");
		/* The client's next refresh tries again. */
		*refuse[i] = 0;
		w.now += 100 * INLAY_S;
		world_bind(&w, 0x4001, &peer);
		world_prove(&w, 0x4001, &peer);
		assert_int_equal(world_fast(&w, w.now), 1);
		inlay_turn_learner_allocations(w.l, note_why, NULL);
		assert_null(why);
		world_fini(&w);
	}
}

static void a_denied_peer_stays_with_the_server(void **state)
{
	struct world w;
	int *refuse[] = {&w.refuse_watch, &w.refuse_permission, &w.refuse_channel};

	for (size_t i = 0; i < INLAY_ARRAY_SIZE(refuse); i++) {
		world_init(&w, NULL);
		peer = addr_of("10.0.0.1", 5000);
		*refuse[i] = -EACCES;
		world_allocate(&w, 600);
		world_bind(&w, 0x4001, &peer);
		world_prove(&w, 0x4001, &peer);
		assert_int_equal(world_fast(&w, w.now), 0);
		inlay_turn_learner_allocations(w.l, note_why, NULL);
		assert_string_equal(why, "its peer is in a range that is denied here");
		world_fini(&w);
	}
}

static void forget_in_tables(struct world *w)
{
	struct inlay_turn_id id = {.index = 0, .generation = w->allocations[0].generation};

	assert_int_equal(world_allocation_remove(w, id), 0);
}

/* The tables let an allocation go by themselves, a moment before the learner would. */
static void what_the_tables_forgot_is_proven_again(void **state)
{
	struct world w;

	for (int i = 0; i < 3; i++) {
		world_init(&w, NULL);
		peer = addr_of("203.0.113.7", 5000);
		world_allocate(&w, 600);
		world_bind(&w, 0x4001, &peer);
		world_prove(&w, 0x4001, &peer);
		w.now += 10 * INLAY_S;
		forget_in_tables(&w);
		if (i == 0)
			world_refresh(&w, 600);
		else if (i == 1)
			world_bind(&w, 0x4001, &peer);
		else
			world_permit(&w, &peer);
		assert_int_equal(world_fast(&w, w.now), 0);
		assert_int_equal(world_watched(&w), 1);
		world_prove(&w, 0x4001, &peer);
		assert_int_equal(world_fast(&w, w.now), 1);
		w.n_stale = 0; /* the one that told it */
		world_fini(&w);
	}
}

/* --- What people are shown ----------------------------------------------------------------- */

static struct inlay_turn_learner_allocation shown[4];
static size_t n_shown;

static void note(void *user, const struct inlay_turn_learner_allocation *a)
{
	assert_true(n_shown < INLAY_ARRAY_SIZE(shown));
	shown[n_shown++] = *a;
}

static void people_see_what_is_known_and_why_it_is_not_fast(void **state)
{
	struct world w;

	world_init(&w, NULL);
	peer = addr_of("203.0.113.7", 5000);
	world_allocate(&w, 600);
	n_shown = 0;
	inlay_turn_learner_allocations(w.l, note, NULL);
	assert_int_equal(n_shown, 1);
	assert_string_equal(shown[0].why, "no channel is bound");
	assert_int_equal(shown[0].seen.family, 0);
	world_bind(&w, 0x4001, &peer);
	n_shown = 0;
	inlay_turn_learner_allocations(w.l, note, NULL);
	assert_string_equal(shown[0].why, "the server was not seen relaying on its channels");
	assert_int_equal(shown[0].channels, 1);
	assert_int_equal(shown[0].fast_channels, 0);
	world_prove(&w, 0x4001, &peer);
	n_shown = 0;
	inlay_turn_learner_allocations(w.l, note, NULL);
	assert_null(shown[0].why);
	assert_memory_equal(&shown[0].client, &w.client, sizeof(w.client));
	assert_memory_equal(&shown[0].server, &w.server, sizeof(w.server));
	assert_memory_equal(&shown[0].relayed, &w.told, sizeof(w.told));
	assert_memory_equal(&shown[0].seen, &w.relayed, sizeof(w.relayed));
	assert_int_equal(shown[0].cookie, WORLD_RELAY);
	assert_int_equal(shown[0].until, w.now + 600 * INLAY_S);
	assert_int_equal(shown[0].permissions, 1);
	assert_int_equal(shown[0].fast_channels, 1);
	world_fini(&w);
	begin_dual(&w);
	n_shown = 0;
	inlay_turn_learner_allocations(w.l, note, NULL);
	assert_int_equal(n_shown, 2);
	assert_int_equal(shown[1].fast_channels, 1);
	world_fini(&w);
}

/* --- A day --------------------------------------------------------------------------------- */

/* One of forty clients does something. */
static void churn(struct world *w, struct seeded *s)
{
	__u16 who = (__u16)seeded_below(s, 40);
	__u16 number = (__u16)(0x4000 + seeded_below(s, 4));

	w->client.port = htons((__u16)(40000 + who));
	w->told.port = w->relayed.port = htons((__u16)(50000 + who));
	w->cookie = WORLD_RELAY + who;
	peer.ip[3] = (__u8)(number & 3);
	switch (seeded_below(s, 16)) {
	case 0:
		world_allocate(w, (__u32)seeded_below(s, 1200));
		break;
	case 1:
		world_refresh(w, (__u32)(seeded_below(s, 3) * 300));
		break;
	case 2:
		inlay_turn_learner_gone(w->l, WORLD_RELAY + seeded_below(s, 40), w->now);
		break;
	case 3:
		world_permit(w, &peer);
		break;
	case 4:
	case 5:
	case 6:
	case 7:
		world_bind(w, number, &peer);
		break;
	default:
		if (world_is_watched(w, &w->client, &w->server, number))
			world_prove(w, number, &peer);
		break;
	}
}

static void a_day_of_churn_leaves_nothing(void **state)
{
	struct seeded s = {.state = 7};
	size_t fast = 0, rounds = 0;
	inlay_ns next;
	struct world w;

	world_init(&w, NULL);
	peer = addr_of("203.0.113.7", 5000);
	for (inlay_ns end = w.now + 86400 * INLAY_S; w.now < end; rounds++) {
		churn(&w, &s);
		fast += world_fast(&w, w.now);
		w.now += seeded_below(&s, 4 * INLAY_S);
		next = inlay_turn_learner_turn(w.l, w.now);
		assert_true(next > w.now);
		assert_true(world_counts(&w).transactions < 400);
		/* What the tables have, the learner knows of. */
		assert_true(world_watched(&w) == world_counts(&w).watched);
	}
	assert_true(rounds > 10000);
	assert_true(fast > rounds / 2);
	/* Everybody leaves: all ends by itself. */
	while ((next = inlay_turn_learner_turn(w.l, w.now)) != INLAY_NEVER)
		w.now = next;
	assert_int_equal(world_entries(&w), 0);
	assert_int_equal(world_counts(&w).allocations, 0);
	assert_int_equal(world_counts(&w).transactions, 0);
	world_fini(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_relayed_addresses_of_a_dual_allocation_are_fast),
		cmocka_unit_test(a_refresh_of_one_family_is_for_its_relayed_address),
		cmocka_unit_test(one_socket_of_a_dual_allocation_may_go),
		cmocka_unit_test(an_unknown_refresh_ends_both_families),
		cmocka_unit_test(an_odd_allocation_stays_with_the_server),
		cmocka_unit_test(a_refresh_with_a_ticket_leaves_it_to_the_server),
		cmocka_unit_test(a_refresh_of_a_family_that_is_not_there_is_a_doubt),
		cmocka_unit_test(what_the_tables_refuse_stays_with_the_server_and_is_tried_again),
		cmocka_unit_test(a_denied_peer_stays_with_the_server),
		cmocka_unit_test(what_the_tables_forgot_is_proven_again),
		cmocka_unit_test(people_see_what_is_known_and_why_it_is_not_fast),
		cmocka_unit_test(a_day_of_churn_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
