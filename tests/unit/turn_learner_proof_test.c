/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The proof that a server relays, the order of what comes, and allocations that are special: dual
 * ones, hairpins, behind NAT, mobile.
 */
#include "seeded.h"
#include "turn_world.h"

static struct inlay_addr peer;

static void begin(struct world *w)
{
	peer = addr_of("203.0.113.7", 5000);
	world_init(w, NULL);
	world_allocate(w, 600);
	world_bind(w, 0x4001, &peer);
	assert_int_equal(world_watched(w), 1);
}

/* --- Proofs -------------------------------------------------------------------------------- */

static union world_event up_of(struct world *w, const void *data, size_t len)
{
	union world_event v =
		event_of(w, INLAY_TURN_CHANNEL_DATA, &w->client, &w->server, data, len);

	v.e.flow = world_ref(w, 0x4001);
	v.e.channel = htons(0x4001);
	return v;
}

static union world_event out_of(struct world *w, const void *data, size_t len)
{
	union world_event v = event_of(w, INLAY_TURN_RELAYED, &w->relayed, &peer, data, len);

	v.e.flow = world_ref(w, 0x4001);
	v.e.cookie = WORLD_RELAY;
	return v;
}

enum flaw {
	NONE,
	OTHER_BYTES,
	OTHER_LENGTH,
	SHORT_SAMPLE,
	OTHER_PEER,
	OTHER_PEER_PORT,
	OTHER_RELAYED_PORT,
	NO_COOKIE,
	TOO_LATE,
	TOO_EARLY,
	OTHER_FLOW,
	OTHER_GENERATION,
	OTHER_CHANNEL,
	OTHER_CLIENT,
	OTHER_SERVER,
	FROM_THE_PEER,
	LISTENING_SOCKET,
	FLAWS,
};

static void spoil(struct world *w, enum flaw flaw, union world_event *up, union world_event *out)
{
	switch (flaw) {
	case OTHER_BYTES:
		out->e.data[11] ^= 1;
		break;
	case OTHER_LENGTH:
		out->e.data_len++;
		break;
	case SHORT_SAMPLE:
		up->e.len = out->e.len = 3;
		break;
	case OTHER_PEER:
		out->e.dst.ip[3]++;
		break;
	case OTHER_PEER_PORT:
		out->e.dst.port++;
		break;
	case OTHER_RELAYED_PORT:
		out->e.src.port++;
		break;
	case NO_COOKIE:
		out->e.cookie = 0;
		break;
	case TOO_LATE:
		out->e.time += INLAY_TURN_PROOF_TIME + 1;
		break;
	case TOO_EARLY:
		out->e.time--;
		break;
	case OTHER_FLOW:
		out->e.flow.flow++;
		break;
	case OTHER_GENERATION:
		out->e.flow.generation++;
		break;
	case OTHER_CHANNEL:
		up->e.channel = htons(0x4002);
		break;
	case OTHER_CLIENT:
		up->e.src.port++;
		break;
	case OTHER_SERVER:
		up->e.dst.ip[3]++;
		break;
	case FROM_THE_PEER: /* equal bytes the other way: whoever can spoof can make them */
		out->e.src = peer;
		out->e.dst = w->relayed;
		break;
	case LISTENING_SOCKET:
		out->e.cookie = WORLD_LISTENER;
		break;
	default:
		break;
	}
}

static void a_proof_has_one_flaw_and_is_none(void **state)
{
	union world_event up, out;
	struct world w;

	for (enum flaw flaw = NONE; flaw < FLAWS; flaw++) {
		for (int order = 0; order < 2; order++) {
			begin(&w);
			up = up_of(&w, "twelve bytes", 12);
			out = out_of(&w, "twelve bytes", 12);
			spoil(&w, flaw, &up, &out);
			if (order == 0)
				world_give(&w, &up, INLAY_TURN_REQUESTS);
			world_give(&w, &out, INLAY_TURN_RESPONSES);
			if (order == 1)
				world_give(&w, &up, INLAY_TURN_REQUESTS);
			assert_int_equal(world_fast(&w, w.now), flaw == NONE);
			world_fini(&w);
		}
	}
}

static void a_proof_takes_up_to_a_second(void **state)
{
	union world_event up, out;
	struct world w;

	begin(&w);
	up = up_of(&w, "twelve bytes", 12);
	out = out_of(&w, "twelve bytes", 12);
	out.e.time += INLAY_TURN_PROOF_TIME;
	world_give(&w, &up, INLAY_TURN_REQUESTS);
	world_give(&w, &out, INLAY_TURN_RESPONSES);
	assert_int_equal(world_fast(&w, w.now), 1);
	world_fini(&w);
}

/* Its end was told while nobody knew whose it is, and is not told again. */
static void a_socket_that_went_before_the_other_half_came_proves_nothing(void **state)
{
	union world_event up, out;
	struct world w;

	begin(&w);
	up = up_of(&w, "twelve bytes", 12);
	out = out_of(&w, "twelve bytes", 12);
	world_give(&w, &out, INLAY_TURN_RESPONSES);
	inlay_turn_learner_gone(w.l, out.e.cookie, w.now);
	world_give(&w, &up, INLAY_TURN_REQUESTS);
	assert_int_equal(world_fast(&w, w.now), 0);
	world_fini(&w);
}

/* A container's, that has taken the host's address on an interface of the host. */
static void a_socket_of_another_namespace_proves_nothing(void **state)
{
	struct world w;

	begin(&w);
	w.elsewhere = WORLD_RELAY;
	world_prove(&w, 0x4001, &peer);
	assert_int_equal(world_fast(&w, w.now), 0);
	assert_int_equal(world_counts(&w).conflicts, 0);
	/* Nor does it keep the server's own from doing so. */
	w.cookie = WORLD_RELAY + 1;
	world_prove(&w, 0x4001, &peer);
	assert_int_equal(world_fast(&w, w.now), 1);
	w.elsewhere = 0;
	world_fini(&w);
}

static void a_socket_of_another_namespace_grants_nothing(void **state)
{
	struct world w;

	peer = addr_of("203.0.113.7", 5000);
	world_init(&w, NULL);
	w.elsewhere = WORLD_LISTENER;
	world_allocate(&w, 600);
	assert_int_equal(world_counts(&w).allocations, 0);
	assert_int_equal(world_counts(&w).unmatched, 1);
	w.elsewhere = 0;
	world_allocate(&w, 600);
	assert_int_equal(world_counts(&w).allocations, 1);
	world_fini(&w);
}

static void a_proof_is_found_among_other_data(void **state)
{
	char data[32];
	struct world w;

	begin(&w);
	for (int i = 0; i < 40; i++) {
		snprintf(data, sizeof(data), "number %d", i);
		world_up(&w, 0x4001, data);
		snprintf(data, sizeof(data), "number %d", 1000 + i);
		world_out(&w, 0x4001, &peer, data);
	}
	assert_int_equal(world_fast(&w, w.now), 0);
	/* One of the latest sixteen. */
	world_out(&w, 0x4001, &peer, "number 24");
	assert_int_equal(world_fast(&w, w.now), 1);
	world_fini(&w);
}

/* As the programs sample: the first sixteen of each tenth of a second, up and out. */
static void a_server_that_is_behind_proves_too(void **state)
{
	const inlay_ns every = 4 * INLAY_MS;
	char data[32];
	struct world w;

	for (int behind = 0; behind < 240; behind += 10) {
		int n = 0;

		begin(&w);
		for (; n < 500 && !world_fast(&w, w.now); n++, w.now += every) {
			if (n % 25 >= 16)
				continue;
			snprintf(data, sizeof(data), "number %d", n);
			world_up(&w, 0x4001, data);
			snprintf(data, sizeof(data), "number %d", n - behind);
			if (n >= behind && !world_fast(&w, w.now))
				world_out(&w, 0x4001, &peer, data);
		}
		if (!world_fast(&w, w.now))
			fail_msg("%d ms behind it is never proven", behind * 4);
		/* What it is behind, and where one in three is not looked at a little more. */
		assert_true(n < behind + 25);
		world_fini(&w);
	}
}

static void data_longer_than_a_sample_count_with_their_length(void **state)
{
	union world_event up, out;
	__u8 data[1200] = {1, 2, 3};
	struct world w;

	begin(&w);
	up = up_of(&w, data, 1200);
	out = out_of(&w, data, 1199);
	world_give(&w, &up, INLAY_TURN_REQUESTS);
	world_give(&w, &out, INLAY_TURN_RESPONSES);
	assert_int_equal(world_fast(&w, w.now), 0);
	out = out_of(&w, data, 1200);
	world_give(&w, &out, INLAY_TURN_RESPONSES);
	assert_int_equal(world_fast(&w, w.now), 1);
	world_fini(&w);
}

static void few_bytes_prove_the_address_that_was_told_only(void **state)
{
	struct world w;

	begin(&w);
	world_up(&w, 0x4001, "");
	world_out(&w, 0x4001, &peer, "");
	assert_int_equal(world_fast(&w, w.now), 1);
	world_fini(&w);
	begin(&w);
	w.relayed = addr_of("10.9.9.9", 50000);
	world_up(&w, 0x4001, "seven b");
	world_out(&w, 0x4001, &peer, "seven b");
	assert_int_equal(world_fast(&w, w.now), 0);
	world_up(&w, 0x4001, "eight by");
	world_out(&w, 0x4001, &peer, "eight by");
	assert_int_equal(world_fast(&w, w.now), 1);
	world_fini(&w);
}

static void behind_nat_the_address_on_packets_is_what_counts(void **state)
{
	struct world w;

	begin(&w);
	w.relayed = addr_of("10.9.9.9", 50000);
	world_prove(&w, 0x4001, &peer);
	assert_int_equal(world_fast(&w, w.now), 1);
	assert_memory_equal(&w.allocations[0].params.relayed, &w.relayed, sizeof(w.relayed));
	world_fini(&w);
}

static void each_channel_wants_its_own_proof(void **state)
{
	struct inlay_addr second = addr_of("203.0.113.8", 5000);
	struct world w;

	begin(&w);
	world_prove(&w, 0x4001, &peer);
	world_bind(&w, 0x4002, &second);
	assert_int_equal(world_fast(&w, w.now), 1);
	world_prove(&w, 0x4002, &second);
	assert_int_equal(world_fast(&w, w.now), 2);
	assert_int_equal(world_counts(&w).proven, 2);
	world_fini(&w);
}

static void another_socket_than_before_leaves_the_allocation_to_the_server(void **state)
{
	struct inlay_addr second = addr_of("203.0.113.8", 5000);
	union world_event out;
	struct world w;

	for (int i = 0; i < 2; i++) {
		begin(&w);
		world_prove(&w, 0x4001, &peer);
		world_bind(&w, 0x4002, &second);
		world_up(&w, 0x4002, "twelve bytes");
		out = event_of(&w, INLAY_TURN_RELAYED, &w.relayed, &second, "twelve bytes", 12);
		out.e.flow = world_ref(&w, 0x4002);
		out.e.cookie = i == 0 ? WORLD_RELAY + 1 : WORLD_RELAY;
		if (i == 1)
			out.e.src.ip[3]++;
		world_give(&w, &out, INLAY_TURN_RESPONSES);
		assert_int_equal(world_entries(&w), 0);
		assert_int_equal(world_counts(&w).conflicts, 1);
		/* And stays there. */
		world_bind(&w, 0x4003, &peer);
		assert_int_equal(world_entries(&w), 0);
		world_fini(&w);
	}
}

/* Two allocations of one port, at two addresses: one's socket does not prove for the other. */
static void another_allocations_socket_proves_nothing(void **state)
{
	struct inlay_addr first_client, first_relayed, second_told;
	struct world w;

	for (int i = 0; i < 3; i++) {
		begin(&w);
		first_client = w.client;
		first_relayed = w.relayed;
		world_prove(&w, 0x4001, &peer);
		second_told = addr_of("198.51.100.2", 50000);
		w.client = addr_of("192.0.2.2", 40000);
		w.told = second_told;
		world_allocate(&w, 600);
		world_bind(&w, 0x4005, &peer);
		/* Its socket; or one that has its address; or (third) the address that was told
		 * to another that was not seen relaying yet. */
		w.relayed = i == 0 ? addr_of("198.51.100.3", 50000) : first_relayed;
		if (i == 2) {
			w.client = addr_of("192.0.2.3", 40000);
			w.told = addr_of("198.51.100.4", 50000);
			world_allocate(&w, 600);
			world_bind(&w, 0x4006, &peer);
			w.relayed = second_told;
		}
		world_up(&w, i == 2 ? 0x4006 : 0x4005, "twelve bytes");
		union world_event out =
			event_of(&w, INLAY_TURN_RELAYED, &w.relayed, &peer, "twelve bytes", 12);
		out.e.flow = world_ref(&w, i == 2 ? 0x4006 : 0x4005);
		out.e.cookie = i == 0 ? WORLD_RELAY : WORLD_RELAY + 7;
		world_give(&w, &out, INLAY_TURN_RESPONSES);
		assert_int_equal(world_fast(&w, w.now), 1);
		assert_memory_equal(&w.allocations[0].params.client, &first_client,
				    sizeof(first_client));
		assert_int_equal(world_counts(&w).conflicts, 1);
		world_fini(&w);
	}
}

/* Behind NAT no told address says it: the same address on packets is one allocation's. */
static void an_address_that_was_seen_is_one_allocations(void **state)
{
	struct inlay_addr seen = addr_of("10.9.9.9", 50000);
	struct world w;

	begin(&w);
	w.relayed = seen;
	world_prove(&w, 0x4001, &peer);
	assert_int_equal(world_fast(&w, w.now), 1);
	w.client = addr_of("192.0.2.2", 40000);
	w.told = addr_of("198.51.100.2", 50000);
	world_allocate(&w, 600);
	world_bind(&w, 0x4005, &peer);
	w.cookie++;
	world_prove(&w, 0x4005, &peer);
	assert_int_equal(world_fast(&w, w.now), 1);
	assert_int_equal(world_counts(&w).conflicts, 1);
	world_fini(&w);
}

static void a_peer_that_is_another_allocation_is_proven_like_any(void **state)
{
	struct inlay_addr other_client = addr_of("192.0.2.2", 40000), other_told;
	struct inlay_addr first_told;
	union world_event out;
	struct world w;

	/* Both bind the other's relayed address, as two browsers do. */
	world_init(&w, NULL);
	first_told = w.told;
	other_told = addr_of("198.51.100.1", 50002);
	world_allocate(&w, 600);
	world_bind(&w, 0x4000, &other_told);
	world_prove(&w, 0x4000, &other_told);
	assert_int_equal(world_fast(&w, w.now), 1);
	w.client = other_client;
	w.told = other_told;
	world_allocate(&w, 600);
	world_bind(&w, 0x4000, &first_told);
	world_up(&w, 0x4000, "twelve bytes");
	out = event_of(&w, INLAY_TURN_RELAYED, &other_told, &first_told, "twelve bytes", 12);
	out.e.flow = world_ref(&w, 0x4000);
	out.e.cookie = WORLD_RELAY + 2;
	world_give(&w, &out, INLAY_TURN_RESPONSES);
	assert_int_equal(world_fast(&w, w.now), 2);
	world_fini(&w);
}

/* --- Order --------------------------------------------------------------------------------- */

static void a_response_may_come_before_its_request(void **state)
{
	struct message request = allocate_request(1), response;
	union world_event v;
	inlay_ns asked;
	struct world w;

	world_init(&w, NULL);
	asked = w.now;
	v = event_of(&w, INLAY_TURN_MESSAGE, &w.client, &w.server, request.data, request.len);
	w.now += INLAY_MS;
	response = allocate_success(&w, 1, 600);
	world_answer(&w, &response);
	assert_int_equal(world_counts(&w).allocations, 0);
	w.now += 900 * INLAY_MS;
	world_give(&w, &v, INLAY_TURN_REQUESTS);
	assert_int_equal(world_counts(&w).allocations, 1);
	assert_int_equal(world_counts(&w).successes, 1);
	assert_int_equal(world_counts(&w).unmatched, 0);
	w.next_id = 1;
	peer = addr_of("203.0.113.7", 5000);
	world_bind(&w, 0x4001, &peer);
	world_prove(&w, 0x4001, &peer);
	assert_int_equal(w.allocations[0].params.until, asked + 600 * INLAY_S);
	world_fini(&w);
}

static void a_response_waits_a_second_and_no_longer(void **state)
{
	struct message request = allocate_request(1), response;
	union world_event v;
	struct world w;

	world_init(&w, NULL);
	v = event_of(&w, INLAY_TURN_MESSAGE, &w.client, &w.server, request.data, request.len);
	response = allocate_success(&w, 1, 600);
	world_answer(&w, &response);
	assert_int_equal(inlay_turn_learner_turn(w.l, w.now), w.now + INLAY_S);
	w.now += INLAY_S;
	inlay_turn_learner_turn(w.l, w.now);
	assert_int_equal(world_counts(&w).unmatched, 1);
	assert_int_equal(world_counts(&w).transactions, 0);
	world_give(&w, &v, INLAY_TURN_REQUESTS);
	assert_int_equal(world_counts(&w).allocations, 0);
	world_fini(&w);
}

static void a_response_is_not_to_a_request_that_came_after_it(void **state)
{
	struct message request = allocate_request(1), response;
	union world_event early;
	struct world w;

	/* Handed over in either order. */
	for (int i = 0; i < 2; i++) {
		world_init(&w, NULL);
		response = allocate_success(&w, 1, 600);
		early = event_of(&w, INLAY_TURN_MESSAGE, &w.server, &w.client, response.data,
				 response.len);
		early.e.cookie = WORLD_LISTENER;
		w.now += INLAY_MS;
		if (i == 0)
			world_give(&w, &early, INLAY_TURN_RESPONSES);
		world_ask(&w, &request);
		if (i == 1)
			world_give(&w, &early, INLAY_TURN_RESPONSES);
		assert_int_equal(world_counts(&w).allocations, 0);
		assert_int_equal(world_counts(&w).unmatched, 1);
		/* Its own comes. */
		world_answer(&w, &response);
		assert_int_equal(world_counts(&w).allocations, 1);
		world_fini(&w);
	}
}

static void answers_that_disagree_before_the_request_is_there_poison(void **state)
{
	struct message request = allocate_request(1), response, other;
	union world_event v;
	struct world w;

	world_init(&w, NULL);
	v = event_of(&w, INLAY_TURN_MESSAGE, &w.client, &w.server, request.data, request.len);
	response = allocate_success(&w, 1, 600);
	other = error_of(INLAY_STUN_ALLOCATE, 1, 486);
	world_answer(&w, &response);
	world_answer(&w, &other);
	world_give(&w, &v, INLAY_TURN_REQUESTS);
	assert_int_equal(world_counts(&w).allocations, 0);
	assert_int_equal(world_counts(&w).poisoned, 1);
	world_fini(&w);
}

static void retransmissions_change_nothing(void **state)
{
	struct message request = allocate_request(1), response, again;
	__u32 calls;
	struct world w;

	begin(&w);
	world_prove(&w, 0x4001, &peer);
	calls = w.n_calls;
	w.now += 5 * INLAY_S;
	response = allocate_success(&w, 1, 595);       /* what is left */
	again = error_of(INLAY_STUN_ALLOCATE, 1, 437); /* a server that keeps no IDs */
	for (int i = 0; i < 3; i++) {
		world_ask(&w, &request);
		world_answer(&w, &response);
		world_answer(&w, &again);
	}
	request = bind_request(2, 0x4001, &peer);
	response = plain_success(INLAY_STUN_CHANNEL_BIND, 2);
	world_exchange(&w, &request, &response);
	again = error_of(INLAY_STUN_CHANNEL_BIND, 2, 438);
	world_answer(&w, &again);
	assert_int_equal(w.n_calls, calls);
	assert_int_equal(world_fast(&w, w.now), 1);
	assert_int_equal(world_counts(&w).poisoned, 0);
	/* Another relayed address under the same ID is no retransmission. */
	w.told.port++;
	response = allocate_success(&w, 1, 600);
	world_answer(&w, &response);
	assert_int_equal(world_counts(&w).allocations, 0);
	assert_int_equal(world_counts(&w).poisoned, 1);
	world_fini(&w);
}

/* --- Rebinding ----------------------------------------------------------------------------- */

static void a_number_bound_to_another_peer_is_proven_again(void **state)
{
	struct inlay_addr second = addr_of("203.0.113.8", 5000);
	struct world w;

	begin(&w);
	world_prove(&w, 0x4001, &peer);
	world_bind(&w, 0x4001, &second);
	assert_int_equal(world_fast(&w, w.now), 0);
	assert_int_equal(world_counts(&w).channels, 1);
	world_prove(&w, 0x4001, &peer); /* the old one's */
	assert_int_equal(world_fast(&w, w.now), 0);
	world_prove(&w, 0x4001, &second);
	assert_int_equal(world_fast(&w, w.now), 1);
	/* And a peer that has another number now. */
	world_bind(&w, 0x4002, &second);
	assert_int_equal(world_fast(&w, w.now), 0);
	assert_int_equal(world_counts(&w).channels, 1);
	world_prove(&w, 0x4002, &second);
	assert_int_equal(world_fast(&w, w.now), 1);
	/* Two at once: the number of one and the peer of the other. */
	world_bind(&w, 0x4001, &peer);
	world_bind(&w, 0x4001, &second);
	assert_int_equal(world_counts(&w).channels, 1);
	assert_int_equal(world_fast(&w, w.now), 0);
	world_fini(&w);
}

static void numbers_out_of_range_are_not_bound(void **state)
{
	static const __u16 numbers[] = {0, 0x3fff, 0x8000, 0xffff};
	struct world w;

	begin(&w);
	for (size_t i = 0; i < INLAY_ARRAY_SIZE(numbers); i++)
		world_bind(&w, numbers[i], &peer);
	assert_int_equal(world_counts(&w).channels, 1);
	assert_int_equal(world_watched(&w), 1);
	world_bind(&w, 0x4000, &peer);
	world_bind(&w, 0x7fff, &peer);
	assert_int_equal(world_counts(&w).channels, 1);
	assert_int_equal(world_ref(&w, 0x7fff).flow != ~0U, 1);
	world_fini(&w);
}

static void a_bind_of_two_peers_or_of_no_port_is_not_believed(void **state)
{
	struct inlay_addr second = addr_of("203.0.113.8", 5000);
	struct message request, response;
	struct world w;

	begin(&w);
	request = message_of(INLAY_STUN_CHANNEL_BIND, INLAY_STUN_REQUEST, 50);
	message_u32(&request, INLAY_STUN_CHANNEL_NUMBER, 0x4002U << 16);
	message_address(&request, INLAY_STUN_XOR_PEER_ADDRESS, &second);
	message_address(&request, INLAY_STUN_XOR_PEER_ADDRESS, &peer);
	response = plain_success(INLAY_STUN_CHANNEL_BIND, 50);
	world_exchange(&w, &request, &response);
	second.port = 0;
	world_bind(&w, 0x4002, &second);
	request = message_of(INLAY_STUN_CHANNEL_BIND, INLAY_STUN_REQUEST, 51);
	message_u32(&request, INLAY_STUN_CHANNEL_NUMBER, 0x4002U << 16);
	response = plain_success(INLAY_STUN_CHANNEL_BIND, 51);
	world_exchange(&w, &request, &response);
	assert_int_equal(world_counts(&w).channels, 1);
	assert_int_equal(world_counts(&w).permissions, 1);
	world_fini(&w);
}

/* Of another family than the relayed address: the server would have said 443. */
static void a_peer_of_another_family_is_not_believed(void **state)
{
	struct inlay_addr v6 = addr_of("2001:db8::7", 5000);
	struct world w;

	begin(&w);
	world_bind(&w, 0x4002, &v6);
	world_permit(&w, &v6);
	assert_int_equal(world_counts(&w).channels, 1);
	assert_int_equal(world_counts(&w).permissions, 1);
	world_fini(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_proof_has_one_flaw_and_is_none),
		cmocka_unit_test(a_proof_takes_up_to_a_second),
		cmocka_unit_test(a_socket_that_went_before_the_other_half_came_proves_nothing),
		cmocka_unit_test(a_socket_of_another_namespace_proves_nothing),
		cmocka_unit_test(a_socket_of_another_namespace_grants_nothing),
		cmocka_unit_test(a_proof_is_found_among_other_data),
		cmocka_unit_test(a_server_that_is_behind_proves_too),
		cmocka_unit_test(data_longer_than_a_sample_count_with_their_length),
		cmocka_unit_test(few_bytes_prove_the_address_that_was_told_only),
		cmocka_unit_test(behind_nat_the_address_on_packets_is_what_counts),
		cmocka_unit_test(each_channel_wants_its_own_proof),
		cmocka_unit_test(another_socket_than_before_leaves_the_allocation_to_the_server),
		cmocka_unit_test(another_allocations_socket_proves_nothing),
		cmocka_unit_test(an_address_that_was_seen_is_one_allocations),
		cmocka_unit_test(a_peer_that_is_another_allocation_is_proven_like_any),
		cmocka_unit_test(a_response_may_come_before_its_request),
		cmocka_unit_test(a_response_waits_a_second_and_no_longer),
		cmocka_unit_test(a_response_is_not_to_a_request_that_came_after_it),
		cmocka_unit_test(answers_that_disagree_before_the_request_is_there_poison),
		cmocka_unit_test(retransmissions_change_nothing),
		cmocka_unit_test(a_number_bound_to_another_peer_is_proven_again),
		cmocka_unit_test(numbers_out_of_range_are_not_bound),
		cmocka_unit_test(a_bind_of_two_peers_or_of_no_port_is_not_believed),
		cmocka_unit_test(a_peer_of_another_family_is_not_believed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
