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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stream_goes_to_every_position_with_its_own_alias),
		cmocka_unit_test(later_frames_are_shifted_and_otherwise_verbatim),
		cmocka_unit_test(every_copy_stands_in_the_sent_log_before_it_goes_out),
		cmocka_unit_test(a_packet_with_reserved_bits_is_left_to_the_control_plane),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
