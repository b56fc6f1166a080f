/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What ends what the learner has made fast: errors, method by method (RFC 8656), time, sockets that
 * are gone, lost records. After each, nothing is left in the tables that should not be.
 */
#include "seeded.h"
#include "turn_world.h"

static struct inlay_addr peer, other_peer;

/* One allocation, a fast channel to |peer|. */
static void begin(struct world *w)
{
	peer = addr_of("203.0.113.7", 5000);
	other_peer = addr_of("203.0.113.8", 5000);
	world_init(w, NULL);
	world_allocate(w, 600);
	world_bind(w, 0x4001, &peer);
	world_prove(w, 0x4001, &peer);
	assert_int_equal(world_fast(w, w->now), 1);
}

static void ask_and_fail(struct world *w, struct message (*request)(__u32 id), unsigned int error)
{
	__u32 id = ++w->next_id;
	struct message m = request(id);
	struct message response = error_of((__u16)(m.data[1] & 0xf), id, error);

	world_exchange(w, &m, &response);
}

static struct message refresh(__u32 id)
{
	return refresh_request(id, 600);
}

static struct message permit(__u32 id)
{
	return permit_request(id, &peer);
}

static struct message permit_other(__u32 id)
{
	return permit_request(id, &other_peer);
}

static struct message bind_same(__u32 id)
{
	return bind_request(id, 0x4001, &peer);
}

static struct message bind_other_number(__u32 id)
{
	return bind_request(id, 0x4002, &peer);
}

static struct message bind_other_peer(__u32 id)
{
	return bind_request(id, 0x4001, &other_peer);
}

enum fate { KEPT, WATCHED, UNBOUND, ENDED };

static void an_error_ends_what_it_says_is_not_there(void **state)
{
	static const struct {
		struct message (*request)(__u32 id);
		unsigned int error;
		enum fate fate;
	} cases[] = {
		{allocate_request, 300, KEPT},
		{allocate_request, 400, KEPT},
		{allocate_request, 401, KEPT},
		{allocate_request, 420, KEPT},
		{allocate_request, 437, KEPT},
		{allocate_request, 438, KEPT},
		{allocate_request, 441, KEPT},
		{allocate_request, 442, ENDED},
		{allocate_request, 486, ENDED},
		{allocate_request, 508, ENDED},
		{refresh, 300, KEPT},
		{refresh, 400, KEPT},
		{refresh, 401, KEPT},
		{refresh, 420, KEPT},
		{refresh, 437, ENDED},
		{refresh, 438, KEPT},
		{refresh, 441, KEPT},
		{refresh, 443, KEPT},
		{refresh, 403, ENDED},
		{refresh, 500, ENDED},
		{permit, 300, KEPT},
		{permit, 400, KEPT},
		{permit, 401, KEPT},
		{permit, 438, KEPT},
		{permit, 441, KEPT},
		{permit, 403, UNBOUND},
		{permit, 443, UNBOUND},
		{permit, 508, UNBOUND},
		{permit, 437, ENDED},
		{permit_other, 403, KEPT},
		{permit_other, 437, ENDED},
		{bind_same, 300, KEPT},
		{bind_same, 401, KEPT},
		{bind_same, 438, KEPT},
		{bind_same, 441, KEPT},
		{bind_same, 400, UNBOUND},
		{bind_same, 403, UNBOUND},
		{bind_same, 500, UNBOUND},
		{bind_same, 437, ENDED},
		{bind_other_number, 400, KEPT},
		{bind_other_number, 401, KEPT},
		{bind_other_number, 403, UNBOUND},
		{bind_other_number, 437, ENDED},
		{bind_other_peer, 400, KEPT},
		{bind_other_peer, 403, KEPT},
		{bind_other_peer, 437, ENDED},
	};
	struct world w;

	for (size_t i = 0; i < INLAY_ARRAY_SIZE(cases); i++) {
		begin(&w);
		ask_and_fail(&w, cases[i].request, cases[i].error);
		assert_int_equal(world_fast(&w, w.now), cases[i].fate == KEPT);
		assert_int_equal(world_counts(&w).allocations, cases[i].fate != ENDED);
		if (cases[i].fate == ENDED)
			assert_int_equal(world_entries(&w), 0);
		assert_int_equal(world_watched(&w), 0);
		world_fini(&w);
	}
}

static void a_permission_that_was_refused_wants_another_proof(void **state)
{
	struct world w;

	begin(&w);
	ask_and_fail(&w, permit, 403);
	assert_int_equal(world_fast(&w, w.now), 0);
	assert_int_equal(world_counts(&w).channels, 1);
	world_permit(&w, &peer);
	assert_int_equal(world_fast(&w, w.now), 0);
	assert_int_equal(world_watched(&w), 1);
	world_prove(&w, 0x4001, &peer);
	assert_int_equal(world_fast(&w, w.now), 1);
	world_fini(&w);
}

static void an_error_for_more_peers_than_are_known_ends_them_all(void **state)
{
	struct message m, response;
	struct inlay_addr more;
	struct world w;

	begin(&w);
	m = message_of(INLAY_STUN_CREATE_PERMISSION, INLAY_STUN_REQUEST, 90);
	more = other_peer;
	for (__u8 i = 0; i < INLAY_STUN_PEERS + 1; i++) {
		more.ip[3] = (__u8)(100 + i);
		message_address(&m, INLAY_STUN_XOR_PEER_ADDRESS, &more);
	}
	response = error_of(INLAY_STUN_CREATE_PERMISSION, 90, 403);
	world_exchange(&w, &m, &response);
	assert_int_equal(world_fast(&w, w.now), 0);
	world_fini(&w);
}

static void the_first_eight_peers_of_a_permission_count(void **state)
{
	struct message m, response;
	struct inlay_addr more;
	struct world w;

	begin(&w);
	m = message_of(INLAY_STUN_CREATE_PERMISSION, INLAY_STUN_REQUEST, 90);
	more = other_peer;
	for (__u8 i = 0; i < INLAY_STUN_PEERS + 3; i++) {
		more.ip[3] = (__u8)(100 + i);
		message_address(&m, INLAY_STUN_XOR_PEER_ADDRESS, &more);
	}
	response = plain_success(INLAY_STUN_CREATE_PERMISSION, 90);
	world_exchange(&w, &m, &response);
	assert_int_equal(world_counts(&w).permissions, 1 + INLAY_STUN_PEERS);
	world_fini(&w);
}

/* --- Time ---------------------------------------------------------------------------------- */

/* Steps through all deadlines up to |until|. */
static void pass(struct world *w, inlay_ns until)
{
	inlay_ns next;

	for (int i = 0; i < 1000; i++) {
		next = inlay_turn_learner_turn(w->l, w->now);
		assert_true(next > w->now);
		if (next > until)
			break;
		w->now = next;
	}
	w->now = until;
}

static void what_has_run_out_is_gone_at_its_time(void **state)
{
	inlay_ns start;
	struct world w;

	begin(&w);
	start = w.now;
	/* The permission, of 300 s, first. */
	pass(&w, start + 300 * INLAY_S - 1);
	assert_int_equal(world_fast(&w, w.now), 1);
	pass(&w, start + 300 * INLAY_S);
	assert_int_equal(world_fast(&w, 0), 0);
	assert_int_equal(world_counts(&w).permissions, 0);
	assert_int_equal(world_counts(&w).channels, 1);
	/* The channel, of 600 s, is alive: granted again, proven again, it is fast again. */
	world_permit(&w, &peer);
	assert_int_equal(world_fast(&w, w.now), 0);
	world_prove(&w, 0x4001, &peer);
	assert_int_equal(world_fast(&w, w.now), 1);
	world_refresh(&w, 3600);
	pass(&w, start + 500 * INLAY_S);
	world_permit(&w, &peer);
	pass(&w, start + 600 * INLAY_S);
	assert_int_equal(world_counts(&w).channels, 0);
	assert_int_equal(world_fast(&w, 0), 0);
	assert_int_equal(world_counts(&w).permissions, 1);
	/* The allocation with everything. */
	world_bind(&w, 0x4001, &peer);
	pass(&w, start + 300 * INLAY_S + 3600 * INLAY_S);
	assert_int_equal(world_counts(&w).allocations, 0);
	assert_int_equal(world_entries(&w), 0);
	world_fini(&w);
}

static void lifetimes_count_from_the_request(void **state)
{
	struct message request, response;
	inlay_ns asked;
	struct world w;

	begin(&w);
	asked = w.now;
	request = refresh_request(50, 600);
	response = refresh_success(50, 600);
	world_ask(&w, &request);
	w.now += 2 * INLAY_S;
	world_answer(&w, &response);
	assert_int_equal(w.allocations[0].params.until, asked + 600 * INLAY_S);
	/* A retransmission counts from the first. */
	w.now += 2 * INLAY_S;
	world_exchange(&w, &request, &response);
	assert_int_equal(w.allocations[0].params.until, asked + 600 * INLAY_S);
	asked = w.now;
	request = bind_request(51, 0x4001, &peer);
	response = plain_success(INLAY_STUN_CHANNEL_BIND, 51);
	world_ask(&w, &request);
	w.now += 2 * INLAY_S;
	world_answer(&w, &response);
	assert_int_equal(w.channels[0].until, asked + 600 * INLAY_S);
	assert_int_equal(w.permissions[0].until, asked + 300 * INLAY_S);
	world_fini(&w);
}

static void lifetimes_are_configured(void **state)
{
	struct inlay_turn_learner_config config = {.channel_lifetime = 70 * INLAY_S,
						   .permission_lifetime = 30 * INLAY_S};
	struct world w;

	world_init(&w, &config);
	world_allocate(&w, 600);
	peer = addr_of("203.0.113.7", 5000);
	world_bind(&w, 0x4001, &peer);
	world_prove(&w, 0x4001, &peer);
	assert_int_equal(w.channels[0].until, w.now + 70 * INLAY_S);
	assert_int_equal(w.permissions[0].until, w.now + 30 * INLAY_S);
	world_fini(&w);
}

static void a_refresh_has_the_servers_lifetime_not_the_clients(void **state)
{
	struct message request, response;
	struct world w;

	begin(&w);
	request = refresh_request(50, 3600);
	response = refresh_success(50, 60);
	world_exchange(&w, &request, &response);
	assert_int_equal(w.allocations[0].params.until, w.now + 60 * INLAY_S);
	/* No lifetime in the answer: nothing is longer for it. */
	request = refresh_request(51, 3600);
	response = plain_success(INLAY_STUN_REFRESH, 51);
	world_exchange(&w, &request, &response);
	assert_int_equal(w.allocations[0].params.until, w.now + 60 * INLAY_S);
	/* Asked to end, it ends, whatever else the answer says. */
	request = refresh_request(52, 0);
	response = refresh_success(52, 600);
	world_exchange(&w, &request, &response);
	assert_int_equal(world_entries(&w), 0);
	world_fini(&w);
}

static void a_refresh_without_its_request_shortens_and_never_lengthens(void **state)
{
	struct message response;
	struct world w;

	begin(&w);
	response = refresh_success(50, 3600);
	world_answer(&w, &response);
	assert_int_equal(w.allocations[0].params.until, w.now + 600 * INLAY_S);
	response = refresh_success(51, 100);
	world_answer(&w, &response);
	assert_int_equal(w.allocations[0].params.until, w.now + 100 * INLAY_S);
	assert_int_equal(world_fast(&w, w.now), 1);
	response = refresh_success(52, 0);
	world_answer(&w, &response);
	assert_int_equal(world_entries(&w), 0);
	world_fini(&w);
}

/* It was asked of an allocation before this one; the answer is after this one's, and holds. */
static void a_refresh_asked_before_the_allocation_shortens_and_never_lengthens(void **state)
{
	static const __u32 told[] = {3600, 100, 0};
	struct message request, response;
	struct world w;

	begin(&w);
	for (__u32 i = 0; i < INLAY_ARRAY_SIZE(told); i++) {
		request = refresh_request(50 + i, 3600);
		response = refresh_success(50 + i, told[i]);
		w.now -= INLAY_S;
		world_ask(&w, &request);
		w.now += INLAY_S;
		world_answer(&w, &response);
		if (told[i])
			assert_int_equal(w.allocations[0].params.until,
					 w.now + (told[i] < 600 ? told[i] : 600) * INLAY_S);
	}
	assert_int_equal(world_entries(&w), 0);
	world_fini(&w);
}

static void an_error_437_without_its_request_ends_the_allocation(void **state)
{
	static const __u16 methods[] = {INLAY_STUN_REFRESH, INLAY_STUN_CREATE_PERMISSION,
					INLAY_STUN_CHANNEL_BIND, INLAY_STUN_ALLOCATE};
	struct message response;
	struct world w;

	for (size_t i = 0; i < INLAY_ARRAY_SIZE(methods); i++) {
		begin(&w);
		response = error_of(methods[i], 50, 437);
		world_answer(&w, &response);
		assert_int_equal(world_fast(&w, w.now), methods[i] == INLAY_STUN_ALLOCATE);
		world_fini(&w);
	}
}

static void an_answer_older_than_the_allocation_does_not_end_it(void **state)
{
	union world_event v;
	struct message response;
	struct world w;

	begin(&w);
	response = refresh_success(50, 0);
	v = event_of(&w, INLAY_TURN_MESSAGE, &w.server, &w.client, response.data, response.len);
	v.e.cookie = WORLD_LISTENER;
	v.e.time = w.now - 1;
	world_give(&w, &v, INLAY_TURN_RESPONSES);
	assert_int_equal(world_fast(&w, w.now), 1);
	world_fini(&w);
}

/* --- Sockets, records, restarts ------------------------------------------------------------ */

static void a_relayed_socket_that_is_gone_ends_its_allocation(void **state)
{
	struct world w;

	begin(&w);
	inlay_turn_learner_gone(w.l, WORLD_RELAY + 1, w.now);
	inlay_turn_learner_gone(w.l, 0, w.now);
	assert_int_equal(world_fast(&w, w.now), 1);
	inlay_turn_learner_gone(w.l, WORLD_RELAY, w.now);
	assert_int_equal(world_entries(&w), 0);
	world_fini(&w);
}

static void a_listening_socket_that_is_gone_ends_all_that_it_granted(void **state)
{
	struct world w;

	begin(&w);
	w.client = addr_of("192.0.2.2", 40000);
	w.told.port = htons(50002);
	world_allocate(&w, 600);
	assert_int_equal(world_counts(&w).allocations, 2);
	inlay_turn_learner_gone(w.l, WORLD_LISTENER, w.now);
	assert_int_equal(world_counts(&w).allocations, 0);
	assert_int_equal(world_entries(&w), 0);
	world_fini(&w);
}

static void what_a_socket_sent_before_it_went_begins_nothing_after(void **state)
{
	struct world w;

	begin(&w);
	inlay_turn_learner_gone(w.l, WORLD_RELAY, w.now);
	world_allocate(&w, 600);
	world_bind(&w, 0x4001, &peer);
	world_prove(&w, 0x4001, &peer);
	assert_int_equal(world_fast(&w, w.now), 0);
	inlay_turn_learner_gone(w.l, WORLD_LISTENER, w.now);
	world_allocate(&w, 600);
	assert_int_equal(world_counts(&w).allocations, 0);
	world_fini(&w);
}

static void sockets_that_went_are_remembered_within_bounds(void **state)
{
	struct world w;

	begin(&w);
	for (__u64 cookie = 5000; cookie < 15000; cookie++)
		inlay_turn_learner_gone(w.l, cookie, w.now);
	assert_int_equal(world_fast(&w, w.now), 1);
	world_fini(&w);
}

static void lost_responses_leave_everything_to_the_server(void **state)
{
	struct world w;

	begin(&w);
	inlay_turn_learner_lost(w.l, INLAY_TURN_REQUESTS, 5, w.now);
	assert_int_equal(world_fast(&w, w.now), 1);
	inlay_turn_learner_lost(w.l, INLAY_TURN_RESPONSES, 0, w.now);
	assert_int_equal(world_fast(&w, w.now), 1);
	inlay_turn_learner_lost(w.l, INLAY_TURN_RESPONSES, 1, w.now);
	assert_int_equal(world_entries(&w), 0);
	assert_int_equal(world_counts(&w).lost, 6);
	world_fini(&w);
}

/* An ID goes on to mean what it meant; a response that waited may be followed by its end. */
static void a_gap_does_not_make_anybody_forget_requests(void **state)
{
	struct message request, other, response;
	union world_event v;
	struct world w;

	begin(&w);
	request = allocate_request(50);
	world_ask(&w, &request);
	inlay_turn_learner_lost(w.l, INLAY_TURN_RESPONSES, 1, w.now);
	response = allocate_success(&w, 50, 600);
	world_answer(&w, &response);
	assert_int_equal(world_counts(&w).allocations, 1);
	request = bind_request(51, 0x4001, &peer);
	other = bind_request(51, 0x4001, &other_peer);
	world_ask(&w, &request);
	inlay_turn_learner_lost(w.l, INLAY_TURN_RESPONSES, 1, w.now);
	world_allocate(&w, 600);
	world_ask(&w, &other);
	response = plain_success(INLAY_STUN_CHANNEL_BIND, 51);
	world_answer(&w, &response);
	assert_int_equal(world_counts(&w).channels, 0);
	request = bind_request(52, 0x4001, &peer);
	response = plain_success(INLAY_STUN_CHANNEL_BIND, 52);
	v = event_of(&w, INLAY_TURN_MESSAGE, &w.client, &w.server, request.data, request.len);
	world_answer(&w, &response);
	inlay_turn_learner_lost(w.l, INLAY_TURN_RESPONSES, 1, w.now);
	world_allocate(&w, 600);
	world_give(&w, &v, INLAY_TURN_REQUESTS);
	assert_int_equal(world_counts(&w).channels, 0);
	world_fini(&w);
}

static void a_request_that_was_lost_is_harmless(void **state)
{
	struct message response;
	struct world w;

	begin(&w);
	response = plain_success(INLAY_STUN_CHANNEL_BIND, 70);
	world_answer(&w, &response);
	response = plain_success(INLAY_STUN_CREATE_PERMISSION, 71);
	world_answer(&w, &response);
	assert_int_equal(world_fast(&w, w.now), 1);
	pass(&w, w.now + 2 * INLAY_S);
	assert_int_equal(world_counts(&w).unmatched, 2);
	assert_int_equal(world_counts(&w).transactions, 2);
	world_fini(&w);
}

static void another_allocate_begins_anew(void **state)
{
	struct world w;

	begin(&w);
	w.now += INLAY_S;
	w.told.port = w.relayed.port = htons(50010);
	world_allocate(&w, 600);
	assert_int_equal(world_counts(&w).allocations, 1);
	assert_int_equal(world_counts(&w).channels, 0);
	assert_int_equal(world_entries(&w), 0);
	world_bind(&w, 0x4001, &peer);
	assert_int_equal(world_fast(&w, w.now), 0);
	/* The old relayed socket proves nothing for it. */
	w.relayed.port = htons(50000);
	world_prove(&w, 0x4001, &peer);
	assert_int_equal(world_fast(&w, w.now), 0);
	w.relayed.port = htons(50010);
	world_prove(&w, 0x4001, &peer);
	assert_int_equal(world_fast(&w, w.now), 1);
	world_fini(&w);
}

/* Asked of the first, answered (handed over, at least) when there is a second. */
static void what_was_asked_of_an_older_allocation_is_not_the_newers(void **state)
{
	struct message request = bind_request(50, 0x4001, &peer);
	struct message response = plain_success(INLAY_STUN_CHANNEL_BIND, 50);
	union world_event v;
	struct world w;

	for (int late = 0; late < 2; late++) {
		begin(&w);
		w.now += INLAY_S;
		if (late == 0)
			world_ask(&w, &request);
		v = event_of(&w, INLAY_TURN_MESSAGE, &w.server, &w.client, response.data,
			     response.len);
		v.e.cookie = WORLD_LISTENER;
		w.now += INLAY_MS;
		w.told.port = w.relayed.port = htons(50010);
		world_allocate(&w, 600);
		if (late == 0) {
			world_give(&w, &v, INLAY_TURN_RESPONSES);
			assert_int_equal(world_counts(&w).channels, 0);
			v.e.time = w.now;
			world_give(&w, &v, INLAY_TURN_RESPONSES);
		} else {
			/* The request's clock is ahead: the answer's is not. */
			world_ask(&w, &request);
			world_give(&w, &v, INLAY_TURN_RESPONSES);
		}
		assert_int_equal(world_counts(&w).channels, 0);
		world_fini(&w);
	}
}

/* The same for what ends. */
static void what_is_said_of_an_older_allocation_does_not_end_the_newer(void **state)
{
	struct message request = refresh_request(50, 600), other = refresh_request(50, 700);
	struct message error = error_of(INLAY_STUN_REFRESH, 50, 437);
	struct message success = refresh_success(50, 600);
	union world_event v;
	struct world w;

	for (int poison = 0; poison < 2; poison++) {
		begin(&w);
		w.now += INLAY_S;
		world_ask(&w, &request);
		if (poison)
			world_answer(&w, &success);
		v = event_of(&w, INLAY_TURN_MESSAGE, &w.server, &w.client, error.data, error.len);
		v.e.cookie = WORLD_LISTENER;
		w.now += INLAY_MS;
		w.told.port = w.relayed.port = htons(50010);
		world_allocate(&w, 600);
		if (poison)
			world_ask(&w, &other);
		else
			world_give(&w, &v, INLAY_TURN_RESPONSES);
		assert_int_equal(world_counts(&w).allocations, 1);
		assert_int_equal(world_counts(&w).poisoned, poison);
		world_fini(&w);
	}
}

static void an_end_counts_whatever_is_known_of_its_request(void **state)
{
	struct message request = refresh_request(50, 600), other = refresh_request(50, 700);
	struct message zero = refresh_success(50, 0);
	struct message stale = error_of(INLAY_STUN_REFRESH, 50, 438);
	struct world w;

	/* Poisoned; refused; of another method. */
	for (int i = 0; i < 3; i++) {
		begin(&w);
		if (i == 2)
			request = permit_request(50, &peer);
		world_ask(&w, &request);
		if (i == 0)
			world_ask(&w, &other);
		if (i == 1)
			world_answer(&w, &stale);
		assert_int_equal(world_fast(&w, w.now), 1);
		world_answer(&w, &zero);
		assert_int_equal(world_entries(&w), 0);
		world_fini(&w);
	}
}

static void a_relayed_address_granted_again_ends_the_older_allocation(void **state)
{
	struct world w;

	begin(&w);
	w.client = addr_of("192.0.2.2", 40000);
	world_allocate(&w, 600);
	assert_int_equal(world_counts(&w).allocations, 1);
	assert_int_equal(world_entries(&w), 0);
	assert_int_equal(world_counts(&w).conflicts, 1);
	world_fini(&w);
}

static void a_restarted_server_is_learnt_anew(void **state)
{
	struct world w;

	begin(&w);
	/* Its sockets go; the clients still refresh what it does not know. */
	inlay_turn_learner_gone(w.l, WORLD_RELAY, w.now);
	inlay_turn_learner_gone(w.l, WORLD_LISTENER, w.now);
	ask_and_fail(&w, refresh, 437);
	assert_int_equal(world_entries(&w), 0);
	assert_int_equal(world_counts(&w).allocations, 0);
	world_fini(&w);
}

static void the_end_calls_nobody(void **state)
{
	__u32 calls;
	struct world w;

	begin(&w);
	calls = w.n_calls;
	inlay_turn_learner_free(w.l);
	assert_int_equal(w.n_calls, calls);
	inlay_turn_learner_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_error_ends_what_it_says_is_not_there),
		cmocka_unit_test(a_permission_that_was_refused_wants_another_proof),
		cmocka_unit_test(an_error_for_more_peers_than_are_known_ends_them_all),
		cmocka_unit_test(the_first_eight_peers_of_a_permission_count),
		cmocka_unit_test(what_has_run_out_is_gone_at_its_time),
		cmocka_unit_test(lifetimes_count_from_the_request),
		cmocka_unit_test(lifetimes_are_configured),
		cmocka_unit_test(a_refresh_has_the_servers_lifetime_not_the_clients),
		cmocka_unit_test(a_refresh_without_its_request_shortens_and_never_lengthens),
		cmocka_unit_test(
			a_refresh_asked_before_the_allocation_shortens_and_never_lengthens),
		cmocka_unit_test(an_error_437_without_its_request_ends_the_allocation),
		cmocka_unit_test(an_answer_older_than_the_allocation_does_not_end_it),
		cmocka_unit_test(a_relayed_socket_that_is_gone_ends_its_allocation),
		cmocka_unit_test(a_listening_socket_that_is_gone_ends_all_that_it_granted),
		cmocka_unit_test(what_a_socket_sent_before_it_went_begins_nothing_after),
		cmocka_unit_test(sockets_that_went_are_remembered_within_bounds),
		cmocka_unit_test(lost_responses_leave_everything_to_the_server),
		cmocka_unit_test(a_gap_does_not_make_anybody_forget_requests),
		cmocka_unit_test(a_request_that_was_lost_is_harmless),
		cmocka_unit_test(another_allocate_begins_anew),
		cmocka_unit_test(what_was_asked_of_an_older_allocation_is_not_the_newers),
		cmocka_unit_test(what_is_said_of_an_older_allocation_does_not_end_the_newer),
		cmocka_unit_test(an_end_counts_whatever_is_known_of_its_request),
		cmocka_unit_test(a_relayed_address_granted_again_ends_the_older_allocation),
		cmocka_unit_test(a_restarted_server_is_learnt_anew),
		cmocka_unit_test(the_end_calls_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
