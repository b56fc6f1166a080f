/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Forwarders that leave a capability out (bpf/forward/work.h), each built with one of them 0: what
 * they cannot do passes up, for whoever can, and is counted.
 */
#include "../unit/forward_world.h"
#include "work.h"

static size_t first_frame(__u8 *data)
{
	size_t header = world_header(data, 9);

	return header + world_object(data + header, 20, 1);
}

static void streams_pass_up_without_fan_out(void **state)
{
	struct world *w = world_new(2);
	__u8 data[64];

	world_send(w, 0, 0, data, first_frame(data), false);
	assert_int_equal(w->verdict, INLAY_CAP_FANOUT ? INLAY_FORWARD_DONE : INLAY_FORWARD_PASS);
	assert_int_equal(w->n_copies, INLAY_CAP_FANOUT ? 2 : 0);
	/* Nothing was claimed: another may forward it. */
	assert_int_equal(world_journal(w, 0)->word,
			 INLAY_CAP_FANOUT ? INLAY_JOURNAL_WORD(0, INLAY_JOURNAL_DONE) : 0);
	assert_int_equal(world_count(w, INLAY_REASON_FORWARDING_OFF),
			 !INLAY_CAP_FANOUT && INLAY_CAP_COUNTERS);
	world_free(w);
}

static void datagrams_are_the_control_planes_without_them(void **state)
{
	static const __u8 datagram[] = {0x08, WORLD_ALIAS, 9, 7, 0xaa};
	struct world *w = world_new(2);
	bool can = INLAY_CAP_FANOUT && INLAY_CAP_DATAGRAM;

	world_send_datagram(w, datagram, sizeof(datagram));
	assert_int_equal(w->n_copies, can ? 2 : 0);
	if (INLAY_CAP_FANOUT)
		assert_int_equal(world_verdict(w, 0),
				 can ? INLAY_MEDIA_FORWARDED : INLAY_MEDIA_DECLINED);
	world_free(w);
}

static void a_wire_port_is_not_served_without_its_headers(void **state)
{
	struct world *w = world_new(2);
	__u8 data[64];

	world_sub(w, 0)->headers[0].l2_len = 14;
	world_sub(w, 0)->headers[0].ip_len = 20;
	world_send(w, 0, 0, data, first_frame(data), false);
	if (INLAY_CAP_FANOUT)
		assert_int_equal(w->n_copies, INLAY_CAP_WIRE ? 2 : 1);
	world_free(w);
}

static void reasons_are_counted_where_there_are_counters(void **state)
{
	struct world *w = world_new(1);
	__u8 data[64];

	world_send(w, 0, 5, data, first_frame(data), false);
	if (INLAY_CAP_FANOUT)
		assert_int_equal(world_count(w, INLAY_REASON_MID_STREAM), INLAY_CAP_COUNTERS);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(streams_pass_up_without_fan_out),
		cmocka_unit_test(datagrams_are_the_control_planes_without_them),
		cmocka_unit_test(a_wire_port_is_not_served_without_its_headers),
		cmocka_unit_test(reasons_are_counted_where_there_are_counters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
