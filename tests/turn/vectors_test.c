/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of vectors (vectors.h) through the programs, by BPF_PROG_TEST_RUN: at XDP and at TC,
 * wherever both apply. Then what one packet cannot show: pairs of every family, what is kept of a
 * next hop, limits over many packets. In TAP.
 *
 * usage: turn_vectors OBJECT
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vectors.h"

#define VERIFIED_MAX 200000

static struct scene scene;
static char problem[512];

/* The first one counts. */
static bool fail(const char *format, ...)
{
	va_list args;

	if (problem[0])
		return false;
	va_start(args, format);
	vsnprintf(problem, sizeof(problem), format, args);
	va_end(args);
	return false;
}

/* --- What was expected ----------------------------------------------------------------------- */

/* As it is sent, from what a vector leaves to us. */
static struct datagram packet_of(const struct vector *v)
{
	struct datagram d = v->packet;

	d.len = d.len == EMPTY ? 0 : d.len ? d.len : 20;
	d.ttl = d.ttl == NONE ? 0 : d.ttl ? d.ttl : 64;
	d.src = end_addr(v->src);
	d.dst = end_addr(v->dst);
	link_mac(v->in, false, d.src_mac);
	link_mac(v->in, true, d.dst_mac);
	return d;
}

/* RFC 8656 section 14; RFC 7915 section 5.1 for what comes from IPv6. */
static struct datagram relayed_of(const struct datagram *in, const struct expected *want)
{
	struct datagram d = *in;
	bool from_v4 = in->src.family == AF_INET;
	size_t udp_len = 8u + (want->channel ? 4 : 0) + in->len;

	d.src = end_addr(want->src);
	d.dst = end_addr(want->dst);
	d.channel = want->channel;
	d.claims = 0;
	d.pad = d.trailer = 0;
	d.ttl--;
	link_mac(want->out, true, d.src_mac);
	link_mac(want->out, false, d.dst_mac);
	d.no_df = from_v4 ? in->no_df : udp_len + 20 <= 1260;
	if (in->sum == SUM_ZERO && d.dst.family == AF_INET6)
		d.sum = SUM_RIGHT;
	return d;
}

static __u16 get16(const __u8 *p)
{
	return (__u16)((__u16)p[0] << 8 | p[1]);
}

/* By how much a frame's UDP checksum is wrong. */
static __u32 sum_error(const struct datagram *d, const __u8 *frame, size_t len)
{
	__u8 right[FRAME_MAX];
	struct datagram r = *d;
	size_t at = datagram_udp_at(d) + 6;

	memcpy(right, frame, len);
	r.sum = SUM_RIGHT;
	datagram_sum(&r, right);
	return (get16(frame + at) + 0xffffu - get16(right + at)) % 0xffff;
}

/* What is any number: the ID of what may be fragmented, which is one at all then; a flow label,
 * which is not that of another pair of addresses. */
static void adopt_any(const struct datagram *want, __u8 *expected, const __u8 *out)
{
	if (want->src.family == AF_INET) {
		if (want->no_df)
			memcpy(expected + 18, out + 18, 2);
		datagram_sum(want, expected);
		return;
	}
	if ((out[15] & 0xf) == 0xa && get16(out + 16) == 0xbcde)
		fail("the flow label was copied");
	expected[15] = (__u8)((expected[15] & 0xf0) | (out[15] & 0xf));
	memcpy(expected + 16, out + 16, 2);
}

static void check_relayed(const struct datagram *in, const __u8 *in_frame, size_t in_len,
			  const struct expected *want, const struct run *run)
{
	struct datagram d = relayed_of(in, want);
	__u8 expected[FRAME_MAX];
	size_t len = datagram_put(&d, expected), sum_at = datagram_udp_at(&d) + 6;

	if (run->out_len != len) {
		fail("%zu bytes go out, and not %zu", run->out_len, len);
		return;
	}
	adopt_any(&d, expected, run->out);
	/* The packet that came in had something in it that our own does not: its data. */
	memcpy(expected + len - d.len, in_frame + in_len - in->trailer - in->pad - in->len, d.len);
	d.sum = d.sum == SUM_ZERO ? SUM_ZERO : SUM_RIGHT;
	datagram_sum(&d, expected);
	if (d.sum == SUM_RIGHT && in->sum != SUM_ZERO) {
		if (sum_error(&d, run->out, len) != sum_error(in, in_frame, in_len))
			fail("the checksum is wrong by %x, and was by %x",
			     sum_error(&d, run->out, len), sum_error(in, in_frame, in_len));
		if (!get16(run->out + sum_at))
			fail("the checksum is none");
		memcpy(expected + sum_at, run->out + sum_at, 2);
	}
	for (size_t i = 0; i < len; i++)
		if (expected[i] != run->out[i]) {
			fail("byte %zu is %02x, and not %02x", i, run->out[i], expected[i]);
			return;
		}
}

static __u32 verdict_of(const struct expected *want, const struct run *run)
{
	if (run->program == XDP)
		return want->outcome == PASSES			   ? XDP_PASS
		       : want->outcome == DROPPED		   ? XDP_DROP
		       : want->out == run->in && !want->redirected ? XDP_TX
								   : XDP_REDIRECT;
	if (want->outcome == PASSES)
		return (__u32)TC_ACT_UNSPEC;
	return want->outcome == DROPPED ? (__u32)TC_ACT_SHOT : (__u32)TC_ACT_REDIRECT;
}

static void check_reasons(const struct expected *want)
{
	for (__u32 i = 0; i < INLAY_N_REASONS; i++)
		if (scene_reason(i) != (i == want->reason))
			fail("%s is counted %llu times", inlay_reason_name(i), scene_reason(i));
}

/* What a flow's counters say of this packet alone. */
static void check_stats(const struct datagram *in, const struct expected *want, __u32 flow,
			__u32 other)
{
	bool fast = want->outcome == RELAYED_TO || want->reason == INLAY_REASON_TURN_OBSERVED;
	__u64 packets = 0, bytes = 0, want_packets = 0;
	struct inlay_turn_stats stats;

	for (__u32 i = 0; i < N_FLOWS; i++) {
		scene_stats(i, &stats);
		if ((!fast || (i != flow && i != other)) && stats.last)
			fail("a time is noted of nothing");
		packets += stats.to_peer_packets + stats.to_client_packets;
		bytes += stats.to_peer_bytes + stats.to_client_bytes;
		if (fast && i == flow &&
		    (in->channel ? stats.to_peer_packets : stats.to_client_packets) != 1)
			fail("the flow's packet is not counted");
		if (fast && i == other && stats.to_client_packets != 1)
			fail("the other flow's packet is not counted");
		if (fast && (i == flow || i == other) && stats.last + INLAY_S < scene_now())
			fail("the time of the last packet is not noted");
	}
	if (fast)
		want_packets = other < N_FLOWS ? 2 : 1;
	if (packets != want_packets || bytes != want_packets * in->len)
		fail("%llu packets and %llu bytes are counted", packets, bytes);
}

static void check_event(const struct datagram *in, const __u8 *frame, __u32 kind,
			enum inlay_turn_ring ring)
{
	__u8 room[FRAME_MAX] __attribute__((aligned(8)));
	struct inlay_turn_event *e = (void *)room;
	size_t len = scene_event(ring, e), data_at = datagram_udp_at(in) + 8;
	size_t want_len = in->len, at = kind == INLAY_TURN_CHANNEL_DATA ? data_at + 4 : data_at;

	if (kind != INLAY_TURN_MESSAGE && want_len > INLAY_TURN_SAMPLE_MAX)
		want_len = INLAY_TURN_SAMPLE_MAX;
	if (len < sizeof(*e) || e->kind != kind) {
		fail("nothing is told");
		return;
	}
	if (e->len != want_len || e->data_len != in->len || len < sizeof(*e) + e->len ||
	    memcmp(e->data, frame + at, e->len) != 0)
		fail("%u bytes of %u are told", e->len, e->data_len);
	if (memcmp(&e->src, &in->src, sizeof(e->src)) || memcmp(&e->dst, &in->dst, sizeof(e->dst)))
		fail("other addresses are told");
	if (e->time + INLAY_S < scene_now() || e->time > scene_now() ||
	    (e->cookie != 0) != (ring == INLAY_TURN_RESPONSES))
		fail("another time or cookie is told");
	if (kind == INLAY_TURN_MESSAGE && memcmp(&e->udp_sum, frame + data_at - 2, 2))
		fail("another checksum is told");
	if (kind != INLAY_TURN_MESSAGE &&
	    (e->channel != htons(in->channel) || e->flow.flow != FLOW_44 ||
	     e->flow.generation != scene.flows[FLOW_44].generation))
		fail("another channel or flow is told");
}

static void check_told(const struct datagram *in, const __u8 *frame, const struct expected *want,
		       enum inlay_turn_ring ring)
{
	__u8 room[FRAME_MAX] __attribute__((aligned(8)));
	struct inlay_turn_event *e = (void *)room;

	for (__u32 i = 0; i < want->told.times; i++)
		check_event(in, frame, want->told.kind, ring);
	if (scene_event(INLAY_TURN_REQUESTS, e) || scene_event(INLAY_TURN_RESPONSES, e))
		fail("more is told");
	if (scene.lost[ring] != (want->reason == INLAY_REASON_TURN_EVENT_LOST) || scene.lost[!ring])
		fail("lost are %llu and %llu", scene.lost[0], scene.lost[1]);
}

/* --- Running --------------------------------------------------------------------------------- */

static __u32 number, failures;

static void say(const char *name, const char *where, bool skipped)
{
	number++;
	if (problem[0])
		failures++;
	printf("%s %u - %s, %s%s\n", problem[0] ? "not ok" : "ok", number, name, where,
	       skipped ? " # SKIP this kernel's tests have no such frame" : "");
	if (problem[0])
		printf("# %s\n", problem);
	problem[0] = 0;
}

static const char *const where[] = {"XDP", "TC", "egress"};

static void run_vector(const struct vector *v, enum program program, __u32 flow, __u32 other)
{
	const struct expected *want = program == INGRESS && v->want_tc ? v->want_tc : &v->want;
	struct datagram in = packet_of(v);
	__u8 frame[FRAME_MAX];
	struct run run = {
		.program = program,
		.in = v->in,
		.segments = v->segments,
		.no_headroom = v->no_headroom,
		.through = v->through,
		.frame = frame,
	};

	scene_reset(&scene);
	if (v->state)
		v->state(&scene);
	run.len = datagram_put(&in, frame);
	if (v->change)
		v->change(&in, frame, &run.len);
	scene_run(&scene, &run);
	if (run.impossible) {
		say(v->name, where[program], true);
		return;
	}
	if (run.verdict != verdict_of(want, &run))
		fail("the verdict is %d, and not %d", (int)run.verdict,
		     (int)verdict_of(want, &run));
	else if (want->outcome == RELAYED_TO)
		check_relayed(&in, frame, run.len, want, &run);
	else if (want->outcome == PASSES &&
		 (run.out_len != run.len || memcmp(run.out, frame, run.len) != 0))
		fail("what passes is not what came");
	check_reasons(want);
	check_stats(&in, want, flow, other);
	check_told(&in, frame, want,
		   program == EGRESS ? INLAY_TURN_RESPONSES : INLAY_TURN_REQUESTS);
	say(v->name, where[program], false);
}

/* Which flow a vector's packet is of, if it goes fast. */
static __u32 flow_of(const struct vector *v)
{
	return (__u32)(v->packet.channel ? v->packet.channel - INLAY_TURN_CHANNEL_MIN
					 : v->dst - RELAYED);
}

/* Every family of one client, of the relayed addresses, and of the other client; both ways. */
static void run_pairs(void)
{
	for (__u32 flow = FLOW_PAIRS; flow < N_FLOWS; flow++) {
		__u32 other = ((flow - FLOW_PAIRS) ^ 1) + FLOW_PAIRS;
		const struct inlay_turn_flow *f = &scene.flows[flow], *o = &scene.flows[other];
		bool second = (flow - FLOW_PAIRS) & 1, v6 = f->client.family == AF_INET6;
		bool other_v6 = o->client.family == AF_INET6;
		char name[64];
		struct vector v = {
			.name = name,
			.in = TO_CLIENTS,
			.src = (second ? SECOND4 : CLIENT4) + v6,
			.dst = SERVER4 + v6,
			.packet = {.channel = (__u16)(INLAY_TURN_CHANNEL_MIN + flow),
				   .len = 18,
				   .pad = 2,
				   .pad_byte = 0x5a},
			.want = {.outcome = RELAYED_TO,
				 .reason = UNCOUNTED,
				 .out = TO_CLIENTS,
				 .src = SERVER4 + other_v6,
				 .dst = (second ? CLIENT4 : SECOND4) + other_v6,
				 .channel = (__u16)(INLAY_TURN_CHANNEL_MIN + other)},
		};

		snprintf(name, sizeof(name), "pair: v%d client by v%d to v%d client", v6 ? 6 : 4,
			 f->relayed.family == AF_INET6 ? 6 : 4, other_v6 ? 6 : 4);
		run_vector(&v, XDP, flow, other);
		run_vector(&v, INGRESS, flow, other);
	}
}

/* --- Over several packets -------------------------------------------------------------------- */

static __u32 send_one(enum program program, __u32 repeat)
{
	static const struct vector v = {
		.in = TO_CLIENTS,
		.src = CLIENT4,
		.dst = SERVER4,
		.packet = {.channel = INLAY_TURN_CHANNEL_MIN + FLOW_44},
	};
	struct datagram in = packet_of(&v);
	__u8 frame[FRAME_MAX];
	struct run run = {.program = program, .frame = frame, .in = v.in, .repeat = repeat};

	run.len = datagram_put(&in, frame);
	scene_run(&scene, &run);
	return run.verdict;
}

/* A hop is kept, and looked for again when it is said to have changed. */
static void hops_are_kept_until_they_change(enum program program)
{
	__u32 there = program == XDP ? (__u32)XDP_REDIRECT : (__u32)TC_ACT_REDIRECT, flags = 0;

	scene_reset(&scene);
	if (send_one(program, 1) != there)
		fail("it is not relayed");
	scene_link(&scene, TO_PEERS, flags);
	scene.control->hop_generation--;
	if (send_one(program, 1) != there)
		fail("what is kept is not used");
	scene_age_hops(FLOW_44);
	if (send_one(program, 1) == there)
		fail("what is old is kept");
	scene_link(&scene, TO_PEERS, INLAY_TURN_LINK_XMIT | INLAY_TURN_LINK_TC);
	if (send_one(program, 1) != there)
		fail("what has changed is not found");
	scene_link(&scene, TO_PEERS, flags);
	if (send_one(program, 1) == there)
		fail("what has changed is kept");
	say("a next hop is kept until it changes", where[program], false);
}

static void forward_at(const char *interface, int on)
{
	char command[128];

	snprintf(command, sizeof(command), "echo %d >/proc/sys/net/ipv4/conf/%s/forwarding", on,
		 interface);
	if (system(command))
		die(command);
}

/* Where lo does not forward, the interface is asked for that the packet came in by. */
static void a_way_is_asked_for_where_it_is_told(enum program program)
{
	__u32 there = program == XDP ? (__u32)XDP_REDIRECT : (__u32)TC_ACT_REDIRECT;

	scene_reset(&scene);
	forward_at("lo", 0);
	if (send_one(program, 1) == there || scene_reason(INLAY_REASON_TURN_NO_HOP) != 1)
		fail("there is a way where nothing forwards");
	forward_at("c0", 1);
	if (send_one(program, 1) != there)
		fail("there is no way where the interface forwards");
	forward_at("c0", 0);
	forward_at("lo", 1);
	say("a way is asked for where it is told", where[program], false);
}

/* Of data that make the checksum of what goes out zero, which is sent as its other form. */
static void a_sum_of_zero_is_sent(enum program program, enum sum_kind sum)
{
	__u8 data[20] = {0}, frame[FRAME_MAX];
	struct vector v = {
		.name = sum == SUM_ZERO ? "a whole sum of zero is sent" : "a sum of zero is sent",
		.in = TO_CLIENTS,
		.src = CLIENT4,
		.dst = SERVER4,
		.packet = {.channel = INLAY_TURN_CHANNEL_MIN + FLOW_46, .data = data, .sum = sum},
		.want = {.outcome = RELAYED_TO,
			 .reason = UNCOUNTED,
			 .out = TO_PEERS,
			 .src = RELAYED + FLOW_46,
			 .dst = PEER6},
	};
	struct datagram in = packet_of(&v), out = relayed_of(&in, &v.want);
	size_t at = datagram_udp_at(&out) + 6;

	for (__u32 i = 0; i < 0x10000; i++) {
		data[0] = (__u8)i;
		data[1] = (__u8)(i >> 8);
		datagram_put(&out, frame);
		if (get16(frame + at) == 0xffff)
			break;
	}
	if (get16(frame + at) != 0xffff)
		fail("there are no such data");
	run_vector(&v, program, FLOW_46, N_FLOWS);
}

/* The clock of packets moves on by their cost, and is never behind now. */
static void a_limit_is_one_of_packets_a_second(enum program program)
{
	struct inlay_turn_allocation *a;
	inlay_ns before, after;

	scene_reset(&scene);
	a = &scene.allocations[scene.flows[FLOW_44].allocation];
	a->packet_cost = 1000000;
	a->byte_cost = 1024 * 100;
	a->burst = INLAY_S;
	before = scene_now();
	for (int i = 0; i < 10; i++)
		send_one(program, 1);
	after = scene_now();
	if (a->packet_time < before + 10 * 1000000 || a->packet_time > after + 10 * 1000000)
		fail("ten packets of a millisecond are %lld ns", a->packet_time - before);
	if (a->byte_time < before + 10 * 2400 || a->byte_time > after + 10 * 2400)
		fail("240 bytes are %lld ns", a->byte_time - before);
	a->packet_time = scene_now() + 2 * INLAY_S;
	for (int i = 0; i < 3; i++)
		send_one(program, 1);
	if (a->over_limit != 3 || scene_reason(INLAY_REASON_TURN_OVER_LIMIT) != 3)
		fail("over the limit are %llu", a->over_limit);
	say("a limit is one of packets and bytes a second", where[program], false);
}

/* A table that is full of events loses some, and says how many. */
static void what_is_lost_is_counted(enum program program)
{
	static const struct vector v = {.in = TO_CLIENTS, .src = CLIENT4, .dst = SERVER4};
	struct datagram in = packet_of(&v);
	__u8 frame[FRAME_MAX], room[FRAME_MAX] __attribute__((aligned(8)));
	struct inlay_turn_event *e = (void *)room;
	struct run run = {.program = program, .frame = frame, .in = v.in, .repeat = 3000};
	__u64 told = 0;

	scene_reset(&scene);
	in.data = "\0\3\0\0\x21\x12\xa4\x42            ";
	run.len = datagram_put(&in, frame);
	scene_run(&scene, &run);
	while (scene_event(INLAY_TURN_REQUESTS, e))
		told++;
	if (!scene.lost[INLAY_TURN_REQUESTS] || told + scene.lost[INLAY_TURN_REQUESTS] != 3000)
		fail("%llu are told and %llu lost", told, scene.lost[INLAY_TURN_REQUESTS]);
	if (scene_reason(INLAY_REASON_TURN_EVENT_LOST) != scene.lost[INLAY_TURN_REQUESTS])
		fail("what is lost is no reason");
	say("what is lost is counted", where[program], false);
}

/* What strangers can cause leaves room for what the server grants and ends. */
static void errors_that_say_nothing_are_shed(void)
{
	static const struct vector v = {.in = TO_CLIENTS, .src = SERVER4, .dst = CLIENT4};
	static const char *const errors[] = {
		"\1\x13\0\x08\x21\x12\xa4\x42            \0\x09\0\4\0\0\4\1",	/* Allocate, 401 */
		"\1\x14\0\x08\x21\x12\xa4\x42            \0\x09\0\4\0\0\4\x26", /* Refresh, 438 */
	};
	static const char end[] =
		"\1\x14\0\x08\x21\x12\xa4\x42            \0\x09\0\4\0\0\4\x25"; /* 437 */
	__u8 frame[FRAME_MAX], room[FRAME_MAX] __attribute__((aligned(8)));
	struct inlay_turn_event *e = (void *)room;
	struct datagram in = packet_of(&v);
	struct run run = {.program = EGRESS, .frame = frame, .in = v.in, .repeat = 3000};
	__u64 told = 0;

	scene_reset(&scene);
	in.len = 28;
	for (int i = 0; i < 3; i++) {
		in.data = i < 2 ? errors[i] : end;
		run.repeat = i < 2 ? 3000 : 1;
		run.len = datagram_put(&in, frame);
		scene_run(&scene, &run);
	}
	while (scene_event(INLAY_TURN_RESPONSES, e))
		told++;
	if (scene.lost[INLAY_TURN_RESPONSES])
		fail("%llu are lost", scene.lost[INLAY_TURN_RESPONSES]);
	if (told < 100 || memcmp(e->data, end, 28) != 0)
		fail("%llu are told, and the last is not the end", told);
	say("errors that say nothing are shed", where[EGRESS], false);
}

/* It stops at a million, older ones at less than newer ones need. */
static void the_verifier_has_room(enum program program)
{
	struct bpf_prog_info info = {0};
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(scene.programs[program], &info, &len))
		die("program");
	if (info.verified_insns > VERIFIED_MAX)
		fail("it goes through %u instructions", info.verified_insns);
	say("the verifier has room", where[program], false);
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: turn_vectors OBJECT\n");
		return 2;
	}
	scene_open(&scene, argv[1]);
	for (__u32 i = 0; i < vectors_count; i++)
		for (enum program p = 0; p < N_PROGRAMS; p++)
			if (vectors[i].at & 1 << p)
				run_vector(&vectors[i], p, flow_of(&vectors[i]), N_FLOWS);
	run_pairs();
	for (enum program p = 0; p < N_PROGRAMS; p++)
		the_verifier_has_room(p);
	errors_that_say_nothing_are_shed();
	for (enum program p = XDP; p <= INGRESS; p++) {
		hops_are_kept_until_they_change(p);
		a_way_is_asked_for_where_it_is_told(p);
		a_sum_of_zero_is_sent(p, SUM_RIGHT);
		a_sum_of_zero_is_sent(p, SUM_ZERO);
		a_limit_is_one_of_packets_a_second(p);
		what_is_lost_is_counted(p);
	}
	printf("1..%u\n", number);
	return failures > 0;
}
