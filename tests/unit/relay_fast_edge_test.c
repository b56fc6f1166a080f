/* SPDX-License-Identifier: BSD-2-Clause */
/* The relay beside a forwarder: what comes between two steps of the two, and after a long time. */
#include "relay_fast_world.h"

#define SECOND (1000 * INLAY_MS)

/* A publisher, and a fast subscriber whose objects are too old after |timeout| ms. */
static struct fast_world *start_with_timeout(__u64 timeout)
{
	struct inlay_moq_params params = {.present = INLAY_MOQ_HAS_OBJECT_DELIVERY_TIMEOUT,
					  .object_delivery_timeout = timeout};
	struct fast_world *f = fast_new();

	client_announce(fast_client(f));
	world_run(f->w);
	client_subscribe(fast_client(f), "video", &params);
	world_run(f->w);
	world_wait(f->w, 10 * INLAY_MS);
	assert_true(view_of(&f->w->clients[1]).fast);
	return f;
}

static void what_the_forwarder_has_sent_is_not_too_late_when_its_slot_has_gone(void **state)
{
	struct fast_world *f = start_with_timeout(100);

	/* The end of what it sent is not acknowledged. */
	f->w->clients[1].link->ends[1].stalled = true;
	pub_group(&f->w->clients[0], 7, 3);
	world_run(f->w);
	assert_group(&f->w->clients[1], 7, 0, 3);
	world_wait(f->w, 10 * INLAY_MS);
	assert_int_equal(stats_of(f->w).slots_now, 0);
	world_wait(f->w, SECOND);
	assert_int_equal(stats_of(f->w).reset_timeout, 0);
	f->w->clients[1].link->ends[1].stalled = false;
	fast_free(f);
}

/* Between the forwarder's copies and the original's arrival the subscriber asks for |update|. */
struct between {
	struct fast_world *f;
	struct inlay_moq_params update;
	bool done;
};

static void look_and_update(void *user, struct link_end *to, __u64 id, __u64 offset,
			    const __u8 *data, size_t len, bool fin)
{
	struct between *b = user;
	struct client *sub = &b->f->w->clients[1];
	__u64 copies = b->f->copies;

	look(b->f, to, id, offset, data, len, fin);
	if (b->done || b->f->copies == copies)
		return;
	b->done = true;
	assert_int_equal(inlay_moq_request_update(sub->subscription, &b->update), 0);
	link_run(sub->link);
}

static void a_filter_that_changes_while_an_original_comes_up_repeats_nothing(void **state)
{
	struct fast_world *f = fast_start(1);
	struct between b = {.f = f, .update = from(5, 0)};
	struct client *sub = &f->w->clients[1];
	__u64 streams = stats_of(f->w).streams_out;

	f->w->clients[0].link->look = look_and_update;
	f->w->clients[0].link->look_user = &b;
	pub_group(&f->w->clients[0], 7, 3);
	world_run(f->w);
	world_wait(f->w, 100 * INLAY_MS);
	assert_true(b.done);
	assert_group(sub, 7, 0, 3);
	assert_int_equal(sub->n_got, 3);
	assert_int_equal(stats_of(f->w).streams_out, streams + 1);
	pub_group(&f->w->clients[0], 8, 3);
	world_run(f->w);
	assert_group(sub, 8, 0, 3);
	assert_true(view_of(sub).fast);
	world_wait(f->w, 100 * INLAY_MS);
	assert_int_equal(stats_of(f->w).slots_now, 0);
	fast_free(f);
}

static void a_group_that_a_filter_leaves_out_meanwhile_is_reset(void **state)
{
	struct fast_world *f = fast_start(1);
	struct between b = {.f = f, .update = from(8, 0)};
	struct client *sub = &f->w->clients[1];

	f->w->clients[0].link->look = look_and_update;
	f->w->clients[0].link->look_user = &b;
	pub_object(&f->w->clients[0], pub_open(&f->w->clients[0], 7, 0), 7, 0, 0);
	world_run(f->w);
	world_wait(f->w, 100 * INLAY_MS);
	assert_true(b.done);
	assert_int_equal(view_of(sub).streams_lent, 0);
	assert_int_equal(stats_of(f->w).streams_now, 0);
	pub_group(&f->w->clients[0], 8, 3);
	world_run(f->w);
	assert_group(sub, 8, 0, 3);
	fast_free(f);
}

static void a_slot_is_given_back_once_though_a_context_is_at_work(void **state)
{
	struct fast_world *f = fast_start(1);
	struct inlay_context *other = &f->tables->contexts[OTHER_CONTEXT];

	pub_object(&f->w->clients[0], pub_open(&f->w->clients[0], 7, 0), 7, 0, 0);
	world_run(f->w);
	assert_int_equal(stats_of(f->w).slots_now, 1);
	inlay_context_enter(other);
	client_end(&f->w->clients[0]);
	/* The next packet: what was waited for until now is over, what begins now is not. */
	inlay_context_leave(other);
	inlay_context_enter(other);
	for (int i = 0; i < 3; i++) {
		world_wait(f->w, 2 * INLAY_MS);
		assert_int_equal(stats_of(f->w).slots_now, 0);
	}
	inlay_context_leave(other);
	world_wait(f->w, 10 * INLAY_MS);
	assert_no_entries(f);
	f->w->clients[0].link = link_new(1);
	fast_free(f);
}

static void a_slot_that_is_being_set_up_is_not_what_it_was_before(void **state)
{
	struct fast_world *f = fast_start(1);
	struct inlay_slot *s = NULL;

	pub_group(&f->w->clients[0], 7, 3);
	world_run(f->w);
	world_wait(f->w, 20 * SECOND);
	assert_int_equal(stats_of(f->w).slots_now, 0);
	for (__u32 i = 0; i < f->tables->n_slots && s == NULL; i++)
		if (f->tables->slots[i].stream != 0)
			s = &f->tables->slots[i];
	/* Between a forwarder's claim and what it writes: another stream's, of another track
	 * perhaps. */
	assert_non_null(s);
	assert_true(inlay_cas_u32(&s->state, INLAY_SLOT_FREE, INLAY_SLOT_CLAIMED));
	world_wait(f->w, 20 * SECOND);
	assert_int_equal(s->state, INLAY_SLOT_CLAIMED);
	client_end(&f->w->clients[0]);
	world_wait(f->w, 20 * SECOND);
	assert_int_equal(s->state, INLAY_SLOT_CLAIMED);
	assert_int_equal(stats_of(f->w).positions_now, 0);
	inlay_store_u32(&s->state, INLAY_SLOT_FREE);
	assert_no_entries(f);
	f->w->clients[0].link = link_new(1);
	fast_free(f);
}

static void a_slot_that_was_given_back_is_not_found_by_the_number_that_it_had(void **state)
{
	struct fast_world *f = fast_start(1);
	struct client *pub = &f->w->clients[0];
	struct inlay_leg *leg = NULL;
	__u64 n;

	pub_group(pub, 7, 3);
	world_run(f->w);
	world_wait(f->w, 10 * INLAY_MS);
	assert_int_equal(stats_of(f->w).slots_now, 0);
	n = pub->link->ends[0].next_stream[1] - 1;
	/* Another stream's now, perhaps another track's: a forwarder has just made copies of it. */
	for (__u32 i = 0; i < f->tables->n_slots; i++) {
		struct inlay_slot *s = &f->tables->slots[i];

		if (s->stream != n ||
		    !inlay_cas_u32(&s->state, INLAY_SLOT_FREE, INLAY_SLOT_CLAIMED))
			continue;
		leg = &f->tables->legs[(size_t)i * INLAY_POSITIONS];
		inlay_store_u32(&leg->state, INLAY_LEG_ATTACHED);
	}
	assert_non_null(leg);
	/* The next stream in its place among those seen is one that the relay sees first. */
	f->blind = true;
	for (__u64 group = 8; pub->link->ends[0].next_stream[1] <= n + INLAY_SEEN; group++) {
		pub_group(pub, group, 1);
		world_run(f->w);
	}
	assert_int_equal(leg->state, INLAY_LEG_ATTACHED);
	memset(leg, 0, sizeof(*leg));
	fast_free(f);
}

static void note_stream(void *user, const struct inlay_relay_stream_view *v)
{
	*(struct inlay_relay_stream_view *)user = *v;
}

static void a_leg_that_a_forwarder_may_write_to_is_not_shown(void **state)
{
	struct fast_world *f = fast_start(1);
	struct inlay_context *other = &f->tables->contexts[OTHER_CONTEXT];
	struct inlay_relay_stream_view v = {0};
	struct inlay_leg *leg = NULL;

	pub_object(&f->w->clients[0], pub_open(&f->w->clients[0], 7, 0), 7, 0, 0);
	world_run(f->w);
	for (__u32 i = 0; i < f->tables->n_slots; i++)
		if (f->tables->slots[i].state == INLAY_SLOT_LIVE)
			leg = &f->tables->legs[(size_t)i * INLAY_POSITIONS];
	assert_non_null(leg);
	inlay_relay_for_each_stream(view_of(&f->w->clients[1]).subscription, note_stream, &v);
	assert_string_equal(v.leg, "attached");
	assert_true(v.has_attach && !v.has_detach);
	/* It gives it up, at the moment at which we take it back. */
	inlay_context_enter(other);
	inlay_store_u16(&leg->reason, INLAY_REASON_NO_WINDOW);
	assert_true(inlay_cas_u32(&leg->state, INLAY_LEG_ATTACHED, INLAY_LEG_DETACHED));
	inlay_relay_for_each_stream(view_of(&f->w->clients[1]).subscription, note_stream, &v);
	assert_string_equal(v.leg, "detached");
	assert_true(!v.has_attach && !v.has_detach);
	assert_int_equal(v.why_detached, INLAY_REASON_NO_WINDOW);
	leg->detach = 99;
	inlay_context_leave(other);
	inlay_relay_for_each_stream(view_of(&f->w->clients[1]).subscription, note_stream, &v);
	assert_true(v.has_attach && v.has_detach);
	assert_int_equal(v.detach, 99);
	fast_free(f);
}

static void framing_that_was_lost_over_a_header_is_handed_back(void **state)
{
	struct fast_world *f = fast_start(1);
	struct client *pub = &f->w->clients[0], *sub = &f->w->clients[1];
	struct inlay_moq_outgoing *out = pub_open(pub, 7, 0);
	__u64 copies;

	pub_object(pub, out, 7, 0, 0);
	world_run(f->w);
	f->blind = true;
	pub_object(pub, out, 7, 0, 1);
	world_run(f->w);
	f->blind = false;
	copies = f->copies;
	pub_object(pub, out, 7, 0, 2);
	world_run(f->w);
	assert_int_equal(f->copies, copies);
	world_wait(f->w, 100 * INLAY_MS);
	pub_object(pub, out, 7, 0, 3);
	assert_int_equal(inlay_moq_outgoing_finish(out), 0);
	world_run(f->w);
	assert_true(f->copies > copies);
	assert_group(sub, 7, 0, 4);
	assert_int_equal(sub->n_got, 4);
	fast_free(f);
}

static void a_datagram_comes_once_after_more_packets_than_serials(void **state)
{
	static const __u64 leaps[] = {2000, 1ULL << 31, 1ULL << 30, 3ULL << 30};
	struct fast_world *f = fast_start(1);

	fast_datagram(f, 7, 0);
	for (__u64 i = 0; i < 4; i++) {
		world_wait(f->w, 3 * SECOND);
		f->tables->upstreams[0].serial += leaps[i];
		fast_datagram(f, 7, 1 + i);
		assert_int_equal(f->copies, 2 + i);
		assert_int_equal(f->w->clients[1].datagrams, 2 + i);
	}
	assert_int_equal(stats_of(f->w).datagrams_out, 0);
	fast_free(f);
}

static void a_datagram_that_comes_while_a_position_ends_is_the_control_planes(void **state)
{
	struct fast_world *f = fast_start(1);
	struct inlay_context *other = &f->tables->contexts[OTHER_CONTEXT];
	const struct inlay_moq_params filter = from(5, 0);
	struct client *sub = &f->w->clients[1];

	fast_datagram(f, 7, 0);
	assert_int_equal(sub->datagrams, 1);
	inlay_context_enter(other);
	assert_int_equal(inlay_moq_request_update(sub->subscription, &filter), 0);
	world_run(f->w);
	fast_datagram(f, 7, 1);
	assert_int_equal(sub->datagrams, 2);
	inlay_context_leave(other);
	world_wait(f->w, 10 * INLAY_MS);
	fast_datagram(f, 7, 2);
	assert_int_equal(sub->datagrams, 3);
	fast_free(f);
}

static void a_packet_from_before_there_was_a_journal_is_not_forwarded(void **state)
{
	struct fast_world *f = fast_start(1);
	__u64 next = f->next_pn[0];

	assert_true(next > 0);
	f->next_pn[0] = 0; /* the first one once more */
	fast_datagram(f, 7, 0);
	assert_int_equal(f->copies, 0);
	f->next_pn[0] = next;
	fast_datagram(f, 7, 1);
	assert_int_equal(f->copies, 1);
	fast_free(f);
}

/* A packet that comes up so late that its entry in the journal may be a newer one's. */
static void look_and_write_over(void *user, struct link_end *to, __u64 id, __u64 offset,
				const __u8 *data, size_t len, bool fin)
{
	struct fast_world *f = user;
	struct inlay_journal *j;

	look(f, to, id, offset, data, len, fin);
	j = &f->tables->journals[to->packet & (f->tables->journal_size - 1)];
	f->tables->upstreams[0].journal_mark = to->packet + 1;
	j->verdicts[0] = INLAY_MEDIA_DECLINED;
}

static void a_verdict_below_the_mark_is_not_believed(void **state)
{
	struct fast_world *f = fast_start(1);

	fast_datagram(f, 7, 0);
	f->w->clients[0].link->look = look_and_write_over;
	fast_datagram(f, 7, 1);
	assert_int_equal(f->copies, 2);
	assert_int_equal(f->w->clients[1].datagrams, 2);
	fast_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			what_the_forwarder_has_sent_is_not_too_late_when_its_slot_has_gone),
		cmocka_unit_test(a_filter_that_changes_while_an_original_comes_up_repeats_nothing),
		cmocka_unit_test(a_group_that_a_filter_leaves_out_meanwhile_is_reset),
		cmocka_unit_test(a_slot_is_given_back_once_though_a_context_is_at_work),
		cmocka_unit_test(a_slot_that_is_being_set_up_is_not_what_it_was_before),
		cmocka_unit_test(a_slot_that_was_given_back_is_not_found_by_the_number_that_it_had),
		cmocka_unit_test(a_leg_that_a_forwarder_may_write_to_is_not_shown),
		cmocka_unit_test(framing_that_was_lost_over_a_header_is_handed_back),
		cmocka_unit_test(a_datagram_comes_once_after_more_packets_than_serials),
		cmocka_unit_test(a_datagram_that_comes_while_a_position_ends_is_the_control_planes),
		cmocka_unit_test(a_packet_from_before_there_was_a_journal_is_not_forwarded),
		cmocka_unit_test(a_verdict_below_the_mark_is_not_believed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
