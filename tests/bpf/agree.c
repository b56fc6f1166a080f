/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The forwarder in the kernel and the native one agree on packets at random: those of the table of
 * vectors, in any order, some damaged, some repeated. After each one all of the shared state is the
 * same, but for times, and so are the reasons counted.
 *
 * usage: bpf_agree OBJECT [SEED]
 */
#include <linux/pkt_cls.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inlay_reasons.h"
#include "kernel.h"

#define ROUNDS 400 /* scenes */
#define STEPS  12  /* packets of each */

static struct inlay_tables ours, kernels;
static struct inlay_forwarder f = {.tables = &ours};
static __u32 random_state, differences;
static __u64 packets, copies, done;

static __u32 next_random(__u32 n)
{
	random_state = random_state * 1664525 + 1013904223;
	return (random_state >> 8) % n;
}

/* Copies are compared by what stands in the sent logs. */
static void count_copy(void *user, const struct inlay_copy *copy)
{
	copies++;
}

static void *zeroed(size_t n, size_t size)
{
	void *memory = calloc(n, size);

	if (!memory)
		kernel_die("memory");
	return memory;
}

static void make_tables(void)
{
	ours = kernels; /* the sizes */
	ours.contexts = zeroed(INLAY_CONTEXTS, sizeof(*ours.contexts));
	ours.sas = zeroed(ours.n_sas, sizeof(*ours.sas));
	ours.subscribers = zeroed(ours.n_subscribers, sizeof(*ours.subscribers));
	ours.logs = zeroed((size_t)ours.n_subscribers * ours.log_stride, sizeof(*ours.logs));
	ours.upstreams = zeroed(ours.n_upstreams, sizeof(*ours.upstreams));
	ours.journals = zeroed(ours.journal_size, sizeof(*ours.journals));
	ours.tracks = zeroed(ours.n_tracks, sizeof(*ours.tracks));
	ours.positions = zeroed(INLAY_POSITIONS, sizeof(*ours.positions));
	ours.slots = zeroed(ours.n_slots, sizeof(*ours.slots));
	ours.legs = zeroed((size_t)ours.n_slots * INLAY_POSITIONS, sizeof(*ours.legs));
}

/* --- Comparing -------------------------------------------------------------------------------- */

static void forget_times(const struct inlay_tables *t)
{
	for (__u32 i = 0; i < t->n_subscribers * t->log_stride; i++)
		t->logs[i].time_us = 0;
	for (__u32 i = 0; i < t->n_slots; i++)
		t->slots[i].since = 0;
}

static void compare(const char *what, const void *a, const void *b, size_t size)
{
	const __u8 *p = a, *q = b;
	size_t i = 0;

	if (memcmp(a, b, size) == 0)
		return;
	while (p[i] == q[i])
		i++;
	if (differences++ < 20)
		printf("not ok - packet %llu: %s differ at byte %zu: native %u, kernel %u\n",
		       (unsigned long long)packets, what, i, p[i], q[i]);
}

static void compare_all(const __u64 *before)
{
	const struct inlay_tables *a = &ours, *b = &kernels;
	__u64 now[KERNEL_COUNTS];

	forget_times(a);
	forget_times(b);
	compare("subscribers", a->subscribers, b->subscribers,
		a->n_subscribers * sizeof(*a->subscribers));
	compare("logs", a->logs, b->logs, a->n_subscribers * a->log_stride * sizeof(*a->logs));
	compare("upstreams", a->upstreams, b->upstreams, sizeof(*a->upstreams));
	compare("journals", a->journals, b->journals, a->journal_size * sizeof(*a->journals));
	compare("positions", a->positions, b->positions, INLAY_POSITIONS * sizeof(*a->positions));
	compare("slots", a->slots, b->slots, a->n_slots * sizeof(*a->slots));
	compare("legs", a->legs, b->legs, (size_t)a->n_slots * INLAY_POSITIONS * sizeof(*a->legs));
	kernel_reasons(now);
	for (__u32 i = 0; i < INLAY_N_REASONS; i++)
		now[i] -= before[i];
	compare("reasons", f.reasons.count, now, sizeof(f.reasons.count));
}

/* --- Packets ---------------------------------------------------------------------------------- */

/* Frames are damaged, and seldom what stands around them. */
static void damage(__u8 *packet, size_t len)
{
	size_t first = next_random(8) ? 13 : 0, last = next_random(8) ? len - INLAY_TAG : len;
	__u32 n = next_random(3);

	if (first >= last)
		return;
	while (n-- > 0)
		packet[first + next_random((__u32)(last - first))] ^= (__u8)(1U << next_random(8));
}

static void run_both(const __u8 *packet, size_t len)
{
	__u8 frame[KERNEL_FRAME], up[KERNEL_FRAME];
	size_t n = kernel_put_frame(packet, len, frame), n_up;

	done += inlay_forwarder_run(&f, packet, len, VECTOR_TIME) == INLAY_FORWARD_DONE;
	if (kernel_run(frame, n, up, &n_up) != TC_ACT_OK || n_up != n || memcmp(frame, up, n) != 0)
		differences++;
	packets++;
}

static void run_scene(void)
{
	const struct vector *v = &vectors[next_random(vectors_count)];
	__u8 packet[INLAY_FRAME_MAX];
	__u64 before[KERNEL_COUNTS], pn = ~0ULL;
	size_t len;

	vector_scene_set(&kernels, v);
	vector_scene_set(&ours, v);
	kernel_reasons(before);
	memset(&f.reasons, 0, sizeof(f.reasons));
	for (__u32 i = 0; i < STEPS; i++) {
		const struct vector_step *step = &v->steps[next_random(VECTOR_STEPS)];

		if (next_random(4) == 0 || !(step->packet || step->frames[0].kind))
			step = &vectors[next_random(vectors_count)].steps[0];
		len = vector_packet(step, packet, &pn);
		if (next_random(3) == 0)
			damage(packet, len);
		run_both(packet, len);
		compare_all(before);
	}
}

int main(int argc, char **argv)
{
	bool failed;

	if (argc < 2 || argc > 3) {
		fprintf(stderr, "usage: bpf_agree OBJECT [SEED]\n");
		return 2;
	}
	random_state = argc > 2 ? (__u32)strtoul(argv[2], NULL, 0) : 1;
	f.emit = count_copy;
	kernel_load(argv[1], &kernels);
	make_tables();
	/* Copies leave by a loopback interface that takes them: dropped ones would be marked. */
	if (unshare(CLONE_NEWNET) || system("ip link set lo up"))
		kernel_skip("a network namespace of its own needs root");
	for (__u32 i = 0; i < ROUNDS && differences == 0; i++)
		run_scene();
	/* A random test that forwards nothing is none. */
	failed = differences > 0 || copies < packets / 8;
	printf("1..1\n%s 1 - %llu packets, %llu of them claimed, %llu copies, %u differences\n",
	       failed ? "not ok" : "ok", (unsigned long long)packets, (unsigned long long)done,
	       (unsigned long long)copies, differences);
	return failed;
}
