/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a packet costs in the programs alone, by BPF_PROG_TEST_RUN: no driver, no way out, which
 * scripts/bench turn measures. The kernel does not put a packet back between two runs: so two flows
 * hand one packet to each other, from ChannelData to a datagram and back, until its TTL is low, and
 * a number is the mean of both ways. The least of many rounds counts: the rest is what else the
 * machine did.
 *
 * usage: turn_speed OBJECT
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scene.h"

#define ROUNDS 400
#define TTL    254 /* times that a packet can go through, and two */

static struct scene scene;

/* |there| relays it; |back| makes of that what it was. */
static void tie(__u32 there, __u32 back)
{
	struct inlay_turn_flow *t = &scene.flows[there], *b = &scene.flows[back];

	/* Both have to be somewhere else, for there to be a way to them. */
	t->server = end_addr(t->client.family == AF_INET ? SECOND4 : SECOND6);
	t->relayed = end_addr(t->relayed.family == AF_INET ? SECOND4 : SECOND6);
	t->relayed.port = htons(50000);
	scene_tie(&scene, there);
	b->client = t->server;
	b->server = t->client;
	b->channel = t->channel;
	b->relayed = t->peer;
	b->peer = t->relayed;
	scene_tie(&scene, back);
}

static int by_value(const void *a, const void *b)
{
	return (int)*(const __u32 *)a - (int)*(const __u32 *)b;
}

static void measure(const char *name, enum program program, const struct datagram *d, __u32 repeat)
{
	static __u32 all[ROUNDS];
	__u8 frame[FRAME_MAX];
	struct run run = {.program = program, .in = TO_CLIENTS, .frame = frame, .repeat = repeat};

	run.len = datagram_put(d, frame);
	for (int i = 0; i < ROUNDS; i++) {
		scene_run(&scene, &run);
		all[i] = run.ns;
	}
	qsort(all, ROUNDS, sizeof(all[0]), by_value);
	printf("%-44s %4u ns, median %4u (verdict %d, %zu bytes)\n", name, all[0], all[ROUNDS / 2],
	       (int)run.verdict, run.out_len);
}

static struct datagram packet(int src, int dst, __u16 channel, __u16 len)
{
	struct datagram d = {.src = end_addr(src),
			     .dst = end_addr(dst),
			     .channel = channel,
			     .len = len,
			     .ttl = TTL};

	link_mac(TO_CLIENTS, true, d.dst_mac);
	return d;
}

static void measure_relaying(enum program program)
{
	static const struct {
		const char *name;
		__u32 there, back;
		int client, server;
		__u16 len;
		bool limited;
	} cases[] = {
		{"v4 and v4, 160 bytes", FLOW_44, FLOW_46, CLIENT4, SECOND4, 160, false},
		{"v4 and v4, 1200 bytes", FLOW_44, FLOW_46, CLIENT4, SECOND4, 1200, false},
		{"v4 and v4, 160 bytes, limited", FLOW_44, FLOW_46, CLIENT4, SECOND4, 160, true},
		{"v4 and v6, 160 bytes", FLOW_46, FLOW_44, CLIENT4, SECOND4, 160, false},
		{"v6 and v6, 160 bytes", FLOW_66, FLOW_44, CLIENT6, SECOND6, 160, false},
	};

	for (size_t i = 0; i < INLAY_ARRAY_SIZE(cases); i++) {
		struct datagram d =
			packet(cases[i].client, cases[i].server,
			       (__u16)(INLAY_TURN_CHANNEL_MIN + cases[i].there), cases[i].len);

		scene_reset(&scene);
		tie(cases[i].there, cases[i].back);
		for (int k = 0; cases[i].limited && k <= N_FLOWS; k++) {
			scene.allocations[k].packet_cost = 1;
			scene.allocations[k].byte_cost = 1;
			scene.allocations[k].burst = INLAY_S;
		}
		measure(cases[i].name, program, &d, TTL - 2);
	}
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: turn_speed OBJECT\n");
		return 2;
	}
	scene_open(&scene, argv[1]);
	for (enum program p = XDP; p <= EGRESS; p++) {
		struct datagram unknown = packet(PEER4, SERVER4, 0, 160);
		struct datagram stranger = unknown;

		printf("%s\n", p == XDP ? "XDP" : p == INGRESS ? "TC ingress" : "TC egress");
		scene_reset(&scene);
		stranger.dst_mac[0] |= 1;
		measure("nothing but the loop", p, &stranger, 10000);
		measure("an unknown datagram", p, &unknown, 10000);
		if (p != EGRESS)
			measure_relaying(p);
	}
	return 0;
}
