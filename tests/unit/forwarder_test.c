/* SPDX-License-Identifier: BSD-2-Clause */
/* The forwarder on streams that go well: what copies carry, and what is written down of them. */
#include "forward_world.h"

#define ALIAS_GROWTH 3 /* of a header: the publisher's alias has one byte, a copy's has four */

static void a_stream_goes_to_every_position_with_its_own_alias(void **state)
{
	struct world *w = world_new(3);
	__u8 data[256], expected[256];
	size_t header = world_header(data, 9), len = header + world_object(data + header, 100, 1);

	world_send(w, 0, 0, data, len, false);
	assert_int_equal(w->verdict, INLAY_FORWARD_DONE);
	assert_int_equal(world_verdict(w, 0), INLAY_MEDIA_FORWARDED);
	assert_int_equal(w->n_copies, 3);
	for (__u32 i = 0; i < 3; i++) {
		const struct world_copy *c = &w->copies[i];
		struct world_read r = world_read(c);
		struct inlay_cursor in = inlay_cursor_of(r.frame.stream.data, r.frame.stream.len);
		struct inlay_moq_subgroup h;

		assert_int_equal(c->subscriber, i);
		assert_int_equal(c->sa, 100 + i);
		assert_int_equal(c->quic_at, 0);
		assert_int_equal(r.frame.type, INLAY_QUIC_STREAM);
		assert_int_equal(r.frame.stream.id, 3); /* the first that a server opens */
		assert_int_equal(r.frame.stream.offset, 0);
		assert_false(r.frame.stream.fin);
		assert_int_equal(inlay_moq18_subgroup_parse(&in, &h), INLAY_MOQ_OK);
		assert_int_equal(h.alias, 500 + i);
		assert_int_equal(h.group, 9);
		assert_int_equal(r.frame.stream.len, len + ALIAS_GROWTH);
		memcpy(expected, data + header, len - header);
		assert_memory_equal(r.frame.stream.data + header + ALIAS_GROWTH, expected,
				    len - header);
	}
	world_free(w);
}

static void later_frames_are_shifted_and_otherwise_verbatim(void **state)
{
	struct world *w = world_new(2);
	__u8 data[600];
	size_t header = world_header(data, 9), len = header + world_object(data + header, 500, 1);
	struct world_read r;

	world_send(w, 0, 0, data, 300, false);
	world_send(w, 0, 300, data + 300, len - 300, true);
	assert_int_equal(w->n_copies, 4);
	r = world_read(&w->copies[3]);
	assert_int_equal(r.frame.stream.offset, 300 + ALIAS_GROWTH);
	assert_int_equal(r.frame.stream.len, len - 300);
	assert_memory_equal(r.frame.stream.data, data + 300, len - 300);
	assert_true(r.frame.stream.fin);
	assert_int_equal(world_slot(w, 0)->highest, len);
	assert_int_equal(world_slot(w, 0)->final_size, len);
	assert_int_equal(world_slot(w, 0)->state, INLAY_SLOT_LIVE);
	world_free(w);
}

static void every_copy_stands_in_the_sent_log_before_it_goes_out(void **state)
{
	struct world *w = world_new(1);
	__u8 data[200];
	size_t header = world_header(data, 9), len = header + world_object(data + header, 100, 1);
	const struct inlay_sent *e = &w->copies[0].entry;

	world_send(w, 0, 0, data, len, true);
	assert_int_equal(w->n_copies, 1);
	assert_int_equal(e->pn_state, INLAY_SENT_WORD(0, INLAY_SENT_SENT));
	assert_int_equal(e->stream, 0);
	assert_int_equal(e->offset, 0);
	assert_int_equal(e->payload_len, len + ALIAS_GROWTH);
	assert_int_equal(e->packet_size, w->copies[0].len + INLAY_TAG);
	assert_int_equal(e->flags, INLAY_SENT_FIN);
	assert_int_equal(e->time_us, 5000000);
	assert_int_equal(world_sub(w, 0)->next_pn, 1);
	assert_int_equal(world_sub(w, 0)->next_stream, 1);
	assert_int_equal(world_sub(w, 0)->bytes_sent, e->packet_size);
	assert_int_equal(world_sub(w, 0)->flow_bytes, e->payload_len);
	world_free(w);
}

/* RFC 9000 section 17.3.1: it is the end of the connection. */
static void a_packet_with_reserved_bits_is_left_to_the_control_plane(void **state)
{
	struct world *w = world_new(1);
	__u8 data[300];
	size_t len = world_header(data, 9);

	len += world_object(data + len, 100, 1);
	world_begin(w);
	world_stream(w, 0, 0, data, len, false);
	w->packet[0] |= INLAY_QUIC_SHORT_RESERVED;
	world_run(w);
	assert_int_equal(w->verdict, INLAY_FORWARD_PASS);
	assert_int_equal(w->n_copies, 0);
	assert_int_equal(world_count(w, INLAY_REASON_RESERVED_BITS), 1);
	world_free(w);
}

/* --- While copies are made -------------------------------------------------------------------- */

static void look_while_copies_are_made(struct world *w)
{
	const struct inlay_slot *s = world_slot(w, 0);
	const struct inlay_sent *e = w->copies[w->n_copies - 1].sent;

	/* Who may hold what it read is known, and whose the upstream is. */
	assert_int_equal(w->t->contexts[0].epoch & 1, 1);
	assert_int_equal(w->up->owner, 1);
	/* The verdicts are not there before the copies are. */
	assert_int_equal(world_journal(w, w->pn)->word,
			 INLAY_JOURNAL_WORD(w->pn, INLAY_JOURNAL_CLAIMED));
	/* Nobody takes the frame for offered before it was, to all. */
	assert_int_equal(s->highest, w->pn == 0 ? 0 : 300);
	assert_int_equal(s->final_size, ~0ULL);
	assert_int_equal(s->state, w->pn == 0 ? INLAY_SLOT_CLAIMED : INLAY_SLOT_LIVE);
	/* Only what is published is sent. */
	assert_int_equal(e->pn_state,
			 INLAY_SENT_WORD(w->copies[w->n_copies - 1].pn, INLAY_SENT_SENT));
}

static void what_others_wait_for_is_said_when_all_copies_are_made(void **state)
{
	struct world *w = world_new(3);
	__u8 data[600];
	size_t header = world_header(data, 9), len = header + world_object(data + header, 500, 1);

	w->on_copy = look_while_copies_are_made;
	world_send(w, 0, 0, data, 300, false);
	world_send(w, 0, 300, data + 300, len - 300, true);
	assert_int_equal(w->n_copies, 6);
	assert_int_equal(w->up->owner, 0);
	assert_int_equal(world_slot(w, 0)->state, INLAY_SLOT_LIVE);
	world_free(w);
}

/* As the control plane does it, which does not wait for the end of a packet. */
static void recall_the_last_position(struct world *w)
{
	struct inlay_leg *leg = world_leg(w, 0, 2);

	if (w->pn == 1 && w->copies[w->n_copies - 1].subscriber == 0)
		assert_true(inlay_cas_u32(&leg->state, INLAY_LEG_ATTACHED, INLAY_LEG_DETACHED));
}

static void a_leg_recalled_within_a_packet_is_left_alone(void **state)
{
	struct world *w = world_new(3);
	__u8 data[200];
	size_t header = world_header(data, 9), len = header + world_object(data + header, 100, 1);

	w->on_copy = recall_the_last_position;
	world_send(w, 0, 0, data, 50, false);
	world_send(w, 0, 50, data + 50, len - 50, false);
	assert_int_equal(w->n_copies, 5);
	assert_int_equal(world_leg(w, 0, 2)->state, INLAY_LEG_DETACHED);
	assert_int_equal(world_sub(w, 2)->next_pn, 1);
	assert_int_equal(world_slot(w, 0)->highest, len);
	world_free(w);
}

/* The control plane gives a number up while its copy is made for the position before. */
static void void_the_next_number(struct world *w)
{
	if (w->copies[w->n_copies - 1].subscriber == 0)
		inlay_state_log(w->st, 1)[0].pn_state = INLAY_SENT_WORD(0, INLAY_SENT_VOID);
}

static void a_number_voided_meanwhile_costs_nothing_but_itself(void **state)
{
	struct world *w = world_new(3);
	__u8 data[200];
	size_t header = world_header(data, 9), len = header + world_object(data + header, 100, 1);

	w->on_copy = void_the_next_number;
	world_send(w, 0, 0, data, len, false);
	assert_int_equal(w->n_copies, 2);
	assert_int_equal(world_sub(w, 1)->next_pn, 1);
	assert_int_equal(world_sub(w, 1)->bytes_sent, 0);
	assert_int_equal(world_sub(w, 1)->flow_bytes, 0);
	/* The stream number was taken, and the leg says so: it is to be reset. */
	assert_int_equal(world_leg(w, 0, 1)->state, INLAY_LEG_DETACHED);
	assert_int_equal(world_leg(w, 0, 1)->stream, 0);
	assert_int_equal(world_sub(w, 1)->next_stream, 1);
	world_free(w);
}

/* A slot given up by the control plane while its first frame goes out. */
static void give_the_slot_up(struct world *w)
{
	inlay_xchg_u32(&world_slot(w, 0)->state, INLAY_SLOT_DECLINED);
}

static void a_slot_given_up_meanwhile_keeps_no_leg(void **state)
{
	struct world *w = world_new(1);
	__u8 data[200];
	size_t header = world_header(data, 9), len = header + world_object(data + header, 100, 1);

	w->on_copy = give_the_slot_up;
	world_send(w, 0, 0, data, len, false);
	assert_int_equal(world_leg(w, 0, 0)->state, INLAY_LEG_DETACHED);
	assert_int_equal(world_leg(w, 0, 0)->detach, len);
	assert_int_equal(world_slot(w, 0)->state, INLAY_SLOT_DECLINED);
	world_send(w, 0, len, data + header, 1, false);
	assert_int_equal(w->n_copies, 1);
	world_free(w);
}

/* --- Copies that their host drops ------------------------------------------------------------ */

static void a_dropped_copy_is_marked_once_its_entry_is_still_its_own(void **state)
{
	struct world *w = world_new(1);
	__u8 data[200];
	size_t header = world_header(data, 9), len = header + world_object(data + header, 100, 1);
	struct inlay_sent *e, was;

	world_send(w, 0, 0, data, len, true);
	e = w->copies[0].sent;
	was = *e;
	inlay_copy_dropped(e, 64); /* of another turn of the ring */
	assert_memory_equal(e, &was, sizeof(was));
	inlay_copy_dropped(e, 0);
	was.flags |= INLAY_SENT_DROPPED;
	assert_memory_equal(e, &was, sizeof(was));
	world_free(w);
}

/* --- Many ------------------------------------------------------------------------------------ */

static void streams_come_and_go_through_the_window(void **state)
{
	struct world *w = world_new(1);
	__u8 data[200];
	size_t header = world_header(data, 9), len = header + world_object(data + header, 3, 1);

	world_sub(w, 0)->stream_limit = 2000;
	world_sub(w, 0)->pn_limit = 2000;
	for (__u64 n = 0; n < 1000; n++) {
		world_send(w, n, 0, data, len, true);
		assert_int_equal(w->n_copies, 1);
		w->n_copies = 0;
		w->up->journal_mark = n;
		inlay_state_slot_put(w->st, (__u32)(world_slot(w, n) - w->t->slots));
		inlay_state_reclaim(w->st);
	}
	assert_int_equal(world_sub(w, 0)->next_stream, 1000);
	assert_int_equal(world_sub(w, 0)->next_pn, 1000);
	assert_int_equal(world_count(w, INLAY_REASON_SLOT_REPLACED), 0);
	assert_int_equal(w->f.packets, 1000);
	assert_int_equal(w->f.copies, 1000);
	world_free(w);
}

static void as_many_streams_live_as_there_are_slots_near_by(void **state)
{
	struct world *w = world_new(1);
	__u8 data[200];
	size_t header = world_header(data, 9), len = header + world_object(data + header, 3, 1);
	__u32 live = 0;

	for (__u64 n = 0; n < 40; n++) {
		world_send(w, n, 0, data, len, false);
		live += world_slot(w, n) != NULL;
		if (!world_slot(w, n))
			assert_true(world_is_conventional(w, n));
	}
	assert_true(live >= 8 && live <= 16);
	assert_int_equal(w->n_copies, live);
	assert_int_equal(world_count(w, INLAY_REASON_NO_SLOT), 40 - live);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_others_wait_for_is_said_when_all_copies_are_made),
		cmocka_unit_test(a_leg_recalled_within_a_packet_is_left_alone),
		cmocka_unit_test(a_number_voided_meanwhile_costs_nothing_but_itself),
		cmocka_unit_test(a_slot_given_up_meanwhile_keeps_no_leg),
		cmocka_unit_test(a_dropped_copy_is_marked_once_its_entry_is_still_its_own),
		cmocka_unit_test(streams_come_and_go_through_the_window),
		cmocka_unit_test(as_many_streams_live_as_there_are_slots_near_by),
		cmocka_unit_test(a_stream_goes_to_every_position_with_its_own_alias),
		cmocka_unit_test(later_frames_are_shifted_and_otherwise_verbatim),
		cmocka_unit_test(every_copy_stands_in_the_sent_log_before_it_goes_out),
		cmocka_unit_test(a_packet_with_reserved_bits_is_left_to_the_control_plane),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
