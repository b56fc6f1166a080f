/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who would have the fast path do what the server does not: forged answers and proofs, transactions
 * paired with requests that one side does not see (rule 8 of the facts about TURN), and floods.
 */
#include "seeded.h"
#include "turn_world.h"

static struct inlay_addr allowed, denied;

static void begin(struct world *w)
{
	allowed = addr_of("203.0.113.7", 5000);
	denied = addr_of("10.0.0.1", 5000);
	world_init(w, NULL);
	world_allocate(w, 600);
}

/* --- Requests ------------------------------------------------------------------------------ */

static void give_request(struct world *w, const struct message *m, __u16 sum)
{
	union world_event v =
		event_of(w, INLAY_TURN_MESSAGE, &w->client, &w->server, m->data, m->len);

	v.e.udp_sum = htons(sum);
	world_give(w, &v, INLAY_TURN_REQUESTS);
}

/* What is left when a request's checksum is |sum|: is its answer believed? */
static bool is_believed(const char *client, const char *server, bool wrong, bool pseudo, bool none)
{
	struct message m = allocate_request(1), response;
	union world_event v;
	bool believed;
	struct world w;

	world_init(&w, NULL);
	w.client = addr_of(client, 40000);
	w.server = addr_of(server, 3478);
	v = event_of(&w, INLAY_TURN_MESSAGE, &w.client, &w.server, m.data, m.len);
	give_request(&w, &m, (__u16)(none ? 0 : world_sum(&v.e, pseudo) + (wrong ? 1 : 0)));
	response = allocate_success(&w, 1, 600);
	world_answer(&w, &response);
	believed = world_counts(&w).allocations == 1;
	assert_int_equal(world_counts(&w).bad_sum, !believed);
	world_fini(&w);
	return believed;
}

static void only_a_request_that_the_server_gets_counts(void **state)
{
	static const char *const v4[] = {"192.0.2.1", "198.51.100.1"};
	static const char *const v6[] = {"2001:db8::1", "2001:db8:1::2"};

	assert_true(is_believed(v4[0], v4[1], false, false, false));
	assert_true(is_believed(v6[0], v6[1], false, false, false));
	/* From a sender on this host: CHECKSUM_PARTIAL. */
	assert_true(is_believed(v4[0], v4[1], false, true, false));
	assert_true(is_believed(v6[0], v6[1], false, true, false));
	assert_false(is_believed(v4[0], v4[1], true, false, false));
	assert_false(is_believed(v6[0], v6[1], true, false, false));
	assert_false(is_believed(v4[0], v4[1], true, true, false));
	/* Without one: IPv4 alone. */
	assert_true(is_believed(v4[0], v4[1], false, false, true));
	assert_false(is_believed(v6[0], v6[1], false, false, true));
}

/* A literal one: 20 bytes from 192.0.2.1:40000 to 198.51.100.1:3478, summed up by hand. */
static void a_checksum_of_the_wire_is_right(void **state)
{
	struct message m = message_of(INLAY_STUN_ALLOCATE, INLAY_STUN_REQUEST, 1);
	struct world w;

	world_init(&w, NULL);
	/* c000 0201 c633 6401 0011 001c 9c40 0d96 001c 0003 0000 2112 a442 0 0 0 0 0001
	 * = 35 e 1ae -> see the sum below */
	give_request(&w, &m,
		     (__u16)~inlay_net_sum_fold(0xc000 + 0x0201 + 0xc633 + 0x6401 + 0x0011 +
						0x001c + 0x9c40 + 0x0d96 + 0x001c + 0x0003 +
						0x2112 + 0xa442 + 0x0001));
	assert_int_equal(world_counts(&w).requests, 1);
	assert_int_equal(world_counts(&w).bad_sum, 0);
	world_fini(&w);
}

/* --- Pairing: one ID, several requests ----------------------------------------------------- */

enum step {
	SEE_DENIED,   /* a request for the denied peer comes, and is seen */
	BAD_DENIED,   /* with a wrong checksum: the server does not get it */
	SEE_ALLOWED,  /* one for the allowed peer */
	HIDE_ALLOWED, /* in fragments: the server alone gets it */
	SUCCESS,
	FORBIDDEN,
	END,
};

static void play(struct world *w, __u16 method, const enum step *steps)
{
	struct message bad, good, success, error;
	bool bind = method == INLAY_STUN_CHANNEL_BIND;

	bad = bind ? bind_request(77, 0x4001, &denied) : permit_request(77, &denied);
	good = bind ? bind_request(77, 0x4001, &allowed) : permit_request(77, &allowed);
	success = plain_success(method, 77);
	error = error_of(method, 77, 403);
	for (; *steps != END; steps++) {
		w->now += INLAY_MS;
		if (*steps == SEE_DENIED)
			world_ask(w, &bad);
		else if (*steps == BAD_DENIED)
			give_request(w, &bad, 1);
		else if (*steps == SEE_ALLOWED)
			world_ask(w, &good);
		else if (*steps == SUCCESS)
			world_answer(w, &success);
		else if (*steps == FORBIDDEN)
			world_answer(w, &error);
	}
}

static const struct {
	enum step steps[16];
	bool allowed, denied; /* a permission is known then */
} pairings[] = {
	{{SEE_ALLOWED, SUCCESS, END}, true, false},
	{{SEE_ALLOWED, SEE_ALLOWED, SUCCESS, SEE_ALLOWED, SUCCESS, END}, true, false},
	/* The server did not get it either. */
	{{BAD_DENIED, SEE_ALLOWED, SUCCESS, BAD_DENIED, END}, true, false},
	/* Here only the proof is in the way. */
	{{SEE_DENIED, HIDE_ALLOWED, SUCCESS, END}, false, true},
	{{SEE_DENIED, HIDE_ALLOWED, SUCCESS, FORBIDDEN, END}, false, false},
	{{SEE_DENIED, FORBIDDEN, HIDE_ALLOWED, SUCCESS, END}, false, false},
	{{SEE_DENIED, FORBIDDEN, SEE_ALLOWED, SUCCESS, END}, false, false},
	{{SEE_DENIED, SEE_ALLOWED, SUCCESS, FORBIDDEN, END}, false, false},
	{{SEE_ALLOWED, SEE_DENIED, SUCCESS, END}, false, false},
	{{SEE_ALLOWED, SUCCESS, SEE_DENIED, FORBIDDEN, END}, false, false},
	{{SEE_ALLOWED, SUCCESS, SEE_DENIED, SUCCESS, END}, false, false},
	{{SEE_DENIED, SEE_DENIED, SEE_ALLOWED, SEE_DENIED, SEE_DENIED, FORBIDDEN, FORBIDDEN,
	  SUCCESS, FORBIDDEN, FORBIDDEN, END},
	 false,
	 false},
	/* Answers that are handed over before what they answer. */
	{{SUCCESS, END}, false, false},
	{{SUCCESS, FORBIDDEN, END}, false, false},
};

static void an_id_that_means_two_requests_means_nothing(void **state)
{
	static const __u16 methods[] = {INLAY_STUN_CREATE_PERMISSION, INLAY_STUN_CHANNEL_BIND};
	struct world w;

	for (size_t i = 0; i < INLAY_ARRAY_SIZE(pairings); i++) {
		for (size_t k = 0; k < INLAY_ARRAY_SIZE(methods); k++) {
			begin(&w);
			play(&w, methods[k], pairings[i].steps);
			assert_int_equal(world_counts(&w).permissions,
					 pairings[i].allowed + pairings[i].denied);
			world_fini(&w);
		}
	}
}

/* Whatever was paired: ChannelData alone, relayed to nobody or to another, proves nothing. */
static void a_pairing_without_the_servers_relaying_is_not_fast(void **state)
{
	union world_event v;
	struct world w;

	for (size_t i = 0; i < INLAY_ARRAY_SIZE(pairings); i++) {
		begin(&w);
		play(&w, INLAY_STUN_CHANNEL_BIND, pairings[i].steps);
		world_up(&w, 0x4001, "twelve bytes");
		/* The server has the channel bound to the allowed peer. */
		v = event_of(&w, INLAY_TURN_RELAYED, &w.relayed, &allowed, "twelve bytes", 12);
		v.e.cookie = WORLD_RELAY;
		v.e.flow = world_ref(&w, 0x4001);
		world_give(&w, &v, INLAY_TURN_RESPONSES);
		assert_int_equal(world_fast(&w, w.now), pairings[i].allowed);
		if (world_fast(&w, w.now) == 1)
			assert_memory_equal(&w.channels[0].peer, &allowed, sizeof(allowed));
		world_fini(&w);
	}
}

static void what_a_poisoned_id_granted_is_undone(void **state)
{
	struct message first, second, success;
	struct world w;

	begin(&w);
	first = bind_request(77, 0x4001, &allowed);
	second = bind_request(77, 0x4001, &denied);
	success = plain_success(INLAY_STUN_CHANNEL_BIND, 77);
	world_exchange(&w, &first, &success);
	world_prove(&w, 0x4001, &allowed);
	assert_int_equal(world_fast(&w, w.now), 1);
	world_ask(&w, &second);
	assert_int_equal(world_fast(&w, w.now), 0);
	assert_int_equal(world_counts(&w).channels, 0);
	assert_int_equal(world_counts(&w).poisoned, 1);
	/* Neither may go on with it. */
	world_exchange(&w, &first, &success);
	assert_int_equal(world_counts(&w).channels, 0);
	/* Until the ID's time is over. */
	w.now += 41 * INLAY_S;
	world_exchange(&w, &first, &success);
	assert_int_equal(world_counts(&w).channels, 1);
	world_fini(&w);
}

/* One byte anywhere makes another request. */
static void a_comparison_ignores_nothing(void **state)
{
	struct message m = bind_request(77, 0x4001, &allowed), other;
	struct message success = plain_success(INLAY_STUN_CHANNEL_BIND, 77);
	struct world w;

	for (size_t i = 0; i < m.len; i++) {
		/* The cookie and the ID say which transaction it is. */
		if (i >= 4 && i < INLAY_STUN_HEADER_LEN)
			continue;
		begin(&w);
		other = m;
		other.data[i] ^= 1;
		world_ask(&w, &m);
		world_ask(&w, &other);
		world_answer(&w, &success);
		/* Another class, or a method that is none of the four, is nobody's request. */
		if (i > 1)
			assert_int_equal(world_counts(&w).channels, 0);
		world_fini(&w);
	}
}

static void a_refresh_or_allocate_that_is_poisoned_ends_the_allocation(void **state)
{
	struct message m, other, success;
	struct world w;

	begin(&w);
	m = refresh_request(50, 600);
	other = refresh_request(50, 0);
	success = refresh_success(50, 600);
	world_exchange(&w, &m, &success);
	assert_int_equal(world_counts(&w).allocations, 1);
	world_ask(&w, &other);
	assert_int_equal(world_counts(&w).allocations, 0);
	world_fini(&w);
	/* world_allocate() took ID 1. */
	begin(&w);
	m = allocate_request(1);
	m.data[m.len - 1] ^= 1;
	world_ask(&w, &m);
	assert_int_equal(world_counts(&w).allocations, 0);
	world_fini(&w);
}

static void a_malformed_request_poisons_too(void **state)
{
	struct message m, other, success;
	struct world w;

	begin(&w);
	m = bind_request(77, 0x4001, &allowed);
	success = plain_success(INLAY_STUN_CHANNEL_BIND, 77);
	/* The server may read the second number of two. */
	other = message_of(INLAY_STUN_CHANNEL_BIND, INLAY_STUN_REQUEST, 77);
	message_u32(&other, INLAY_STUN_CHANNEL_NUMBER, 0x4001U << 16);
	message_u32(&other, INLAY_STUN_CHANNEL_NUMBER, 0x4002U << 16);
	message_address(&other, INLAY_STUN_XOR_PEER_ADDRESS, &allowed);
	world_exchange(&w, &other, &success);
	assert_int_equal(world_counts(&w).channels, 0);
	assert_int_equal(world_counts(&w).malformed, 1);
	world_exchange(&w, &m, &success);
	assert_int_equal(world_counts(&w).channels, 0);
	world_fini(&w);
}

static void another_method_under_the_same_id_poisons(void **state)
{
	struct message m, success;
	struct world w;

	begin(&w);
	m = bind_request(77, 0x4001, &denied);
	success = plain_success(INLAY_STUN_CREATE_PERMISSION, 77);
	world_exchange(&w, &m, &success);
	success = plain_success(INLAY_STUN_CHANNEL_BIND, 77);
	world_answer(&w, &success);
	assert_int_equal(world_counts(&w).channels, 0);
	assert_int_equal(world_counts(&w).poisoned, 1);
	world_fini(&w);
}

/* --- Responses ----------------------------------------------------------------------------- */

enum forgery {
	GENUINE,
	OTHER_PORT,
	NO_SOCKET,
	RELAYED_SOCKET,
	OTHER_CLIENT,
	OTHER_SERVER,
	FORGERIES
};

static void a_response_that_is_not_the_servers_counts_for_nothing(void **state)
{
	struct message m, response;
	union world_event v;
	struct world w;

	for (enum forgery f = GENUINE; f < FORGERIES; f++) {
		begin(&w);
		world_bind(&w, 0x4000, &allowed);
		world_prove(&w, 0x4000, &allowed);
		m = bind_request(50, 0x4001, &denied);
		response = plain_success(INLAY_STUN_CHANNEL_BIND, 50);
		world_ask(&w, &m);
		v = event_of(&w, INLAY_TURN_MESSAGE, &w.server, &w.client, response.data,
			     response.len);
		v.e.cookie = f == NO_SOCKET	   ? 0
			     : f == RELAYED_SOCKET ? WORLD_RELAY
						   : WORLD_LISTENER;
		if (f == OTHER_PORT)
			v.e.src.port = htons(50000);
		if (f == OTHER_CLIENT)
			v.e.dst.ip[3]++;
		if (f == OTHER_SERVER)
			v.e.src.ip[3]++;
		world_give(&w, &v, INLAY_TURN_RESPONSES);
		assert_int_equal(world_counts(&w).channels, f == GENUINE ? 2 : 1);
		world_fini(&w);
	}
}

/* A client has its relayed socket send what looks like an Allocate success to itself. */
static void a_relayed_socket_cannot_grant_an_allocation(void **state)
{
	struct message m = allocate_request(50), forged;
	union world_event v;
	struct world w;

	begin(&w);
	forged = allocate_success(&w, 50, 1000000);
	v = event_of(&w, INLAY_TURN_MESSAGE, &w.client, &w.relayed, m.data, m.len);
	world_give(&w, &v, INLAY_TURN_REQUESTS);
	v = event_of(&w, INLAY_TURN_MESSAGE, &w.relayed, &w.client, forged.data, forged.len);
	v.e.cookie = WORLD_RELAY;
	world_give(&w, &v, INLAY_TURN_RESPONSES);
	assert_int_equal(world_counts(&w).allocations, 1);
	assert_int_equal(world_counts(&w).unmatched, 1);
	world_fini(&w);
}

static void a_request_in_the_responses_ring_and_the_reverse_are_nothing(void **state)
{
	struct message m = allocate_request(1), response;
	union world_event v;
	struct world w;

	world_init(&w, NULL);
	response = allocate_success(&w, 1, 600);
	v = event_of(&w, INLAY_TURN_MESSAGE, &w.client, &w.server, m.data, m.len);
	v.e.cookie = WORLD_LISTENER;
	world_give(&w, &v, INLAY_TURN_RESPONSES);
	v = event_of(&w, INLAY_TURN_MESSAGE, &w.server, &w.client, response.data, response.len);
	world_give(&w, &v, INLAY_TURN_REQUESTS);
	assert_int_equal(world_counts(&w).allocations, 0);
	world_ask(&w, &m);
	v = event_of(&w, INLAY_TURN_MESSAGE, &w.server, &w.client, m.data, m.len);
	v.e.cookie = WORLD_LISTENER;
	world_give(&w, &v, INLAY_TURN_RESPONSES);
	assert_int_equal(world_counts(&w).allocations, 0);
	world_fini(&w);
}

static void events_that_do_not_fit_are_malformed(void **state)
{
	struct message m = allocate_request(1);
	union world_event v, good;
	struct world w;

	world_init(&w, NULL);
	good = event_of(&w, INLAY_TURN_MESSAGE, &w.client, &w.server, m.data, m.len);
	inlay_turn_learner_event(w.l, &good.e, sizeof(good.e) - 1, INLAY_TURN_REQUESTS, w.now);
	inlay_turn_learner_event(w.l, &good.e, sizeof(good.e) + good.e.len - 1, INLAY_TURN_REQUESTS,
				 w.now);
	v = good;
	v.e.kind = 0;
	world_give(&w, &v, INLAY_TURN_REQUESTS);
	v = good;
	v.e.src.family = 0;
	world_give(&w, &v, INLAY_TURN_REQUESTS);
	v = good;
	v.e.dst.family = AF_INET6;
	world_give(&w, &v, INLAY_TURN_REQUESTS);
	v = good;
	v.e.src.port = 0;
	world_give(&w, &v, INLAY_TURN_REQUESTS);
	v = good;
	v.e.len = 19;
	world_give(&w, &v, INLAY_TURN_REQUESTS);
	v = good;
	v.e.kind = INLAY_TURN_CHANNEL_DATA;
	v.e.len = 65;
	v.e.data_len = 100;
	world_give(&w, &v, INLAY_TURN_REQUESTS);
	v.e.len = 20;
	v.e.data_len = 19;
	world_give(&w, &v, INLAY_TURN_REQUESTS);
	assert_int_equal(world_counts(&w).malformed, 9);
	assert_int_equal(world_counts(&w).requests, 0);
	world_fini(&w);
}

/* --- Floods -------------------------------------------------------------------------------- */

static void a_flood_of_requests_pushes_out_the_oldest(void **state)
{
	struct inlay_turn_learner_config config = {.max_transactions = 100};
	struct message first = allocate_request(1), last = allocate_request(1000), response;
	struct world w;

	world_init(&w, &config);
	world_ask(&w, &first);
	for (__u32 id = 2; id < 1000; id++) {
		struct message m = allocate_request(id);

		world_ask(&w, &m);
		assert_true(world_counts(&w).transactions <= 100);
	}
	world_ask(&w, &last);
	assert_int_equal(world_counts(&w).evicted, 900);
	response = allocate_success(&w, 1, 600);
	world_answer(&w, &response);
	assert_int_equal(world_counts(&w).allocations, 0);
	response = allocate_success(&w, 1000, 600);
	world_answer(&w, &response);
	assert_int_equal(world_counts(&w).allocations, 1);
	world_fini(&w);
}

static void more_allocations_than_there_is_room_for_stay_with_the_server(void **state)
{
	struct inlay_turn_learner_config config = {.max_allocations = 3};
	struct world w;

	world_init(&w, &config);
	for (__u16 i = 0; i < 5; i++) {
		w.client.port = htons((__u16)(40000 + i));
		w.told.port = htons((__u16)(50000 + i));
		world_allocate(&w, 600);
	}
	assert_int_equal(world_counts(&w).allocations, 3);
	assert_int_equal(world_counts(&w).refused, 2);
	/* The latest is one of those; the first is known. */
	allowed = addr_of("203.0.113.7", 5000);
	world_bind(&w, 0x4001, &allowed);
	assert_int_equal(world_counts(&w).channels, 0);
	w.client.port = htons(40000);
	world_bind(&w, 0x4001, &allowed);
	assert_int_equal(world_counts(&w).channels, 1);
	world_fini(&w);
}

static void one_allocation_cannot_take_every_place(void **state)
{
	struct inlay_turn_learner_config config = {.max_allocations = 10};
	struct inlay_addr peer;
	struct world w;

	world_init(&w, &config);
	world_allocate(&w, 600);
	peer = addr_of("203.0.113.7", 5000);
	for (__u16 i = 0; i < 100; i++) {
		peer.ip[3] = (__u8)i;
		world_bind(&w, (__u16)(0x4000 + i), &peer);
	}
	/* An eighth of four (eight) for each allocation, and 16. */
	assert_int_equal(world_counts(&w).channels, 10 * 4 / 8 + 16);
	assert_int_equal(world_counts(&w).permissions, 10 * 8 / 8 + 16);
	assert_true(world_counts(&w).refused >= 74);
	world_fini(&w);
}

static void wrong_configurations_are_refused(void **state)
{
	struct inlay_turn_learner_config config = {.ops = &world_ops};
	struct inlay_turn_learner *l = NULL;

	config.n_ports = 1;
	assert_int_equal(inlay_turn_learner_new(&config, &l), -EINVAL);
	config.n_ports = INLAY_TURN_PORTS + 1;
	config.ports = (const __u16[INLAY_TURN_PORTS + 1]){0};
	assert_int_equal(inlay_turn_learner_new(&config, &l), -EINVAL);
	config.n_ports = 0;
	config.max_allocations = INLAY_TURN_LEARNER_MAX + 1;
	assert_int_equal(inlay_turn_learner_new(&config, &l), -EINVAL);
	config.max_allocations = 0;
	config.ops = NULL;
	assert_int_equal(inlay_turn_learner_new(&config, &l), -EINVAL);
	assert_null(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_a_request_that_the_server_gets_counts),
		cmocka_unit_test(a_checksum_of_the_wire_is_right),
		cmocka_unit_test(an_id_that_means_two_requests_means_nothing),
		cmocka_unit_test(a_pairing_without_the_servers_relaying_is_not_fast),
		cmocka_unit_test(what_a_poisoned_id_granted_is_undone),
		cmocka_unit_test(a_comparison_ignores_nothing),
		cmocka_unit_test(a_refresh_or_allocate_that_is_poisoned_ends_the_allocation),
		cmocka_unit_test(a_malformed_request_poisons_too),
		cmocka_unit_test(another_method_under_the_same_id_poisons),
		cmocka_unit_test(a_response_that_is_not_the_servers_counts_for_nothing),
		cmocka_unit_test(a_relayed_socket_cannot_grant_an_allocation),
		cmocka_unit_test(a_request_in_the_responses_ring_and_the_reverse_are_nothing),
		cmocka_unit_test(events_that_do_not_fit_are_malformed),
		cmocka_unit_test(a_flood_of_requests_pushes_out_the_oldest),
		cmocka_unit_test(more_allocations_than_there_is_room_for_stay_with_the_server),
		cmocka_unit_test(one_allocation_cannot_take_every_place),
		cmocka_unit_test(wrong_configurations_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
