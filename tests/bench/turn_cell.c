/* SPDX-License-Identifier: BSD-2-Clause */
#include "turn_cell.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "relay_daemon.h"

#define CPU_RATE   100000 /* frames a second while CPU is measured: all contenders keep up */
#define DELAY_RATE 10000  /* datagrams a second while delay is measured */
#define SETTLE_MS  15
#define MOST_WAITS 100 /* of that time: a server may have queued seconds of packets */

/*
 * What is offered when the relay is to be saturated, frames a second; 0: as many as the generator
 * makes. A server that is offered much more than it takes may deliver less than it could: the
 * best counts.
 */
static const unsigned int offers[] = {0, 400000, 230000};

static inlay_ns own_cpu(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (inlay_ns)t.tv_sec * INLAY_S + (inlay_ns)t.tv_nsec;
}

/*
 * Where packets can cost time: here, since softirqs of an injected frame run in the generator's
 * context; in the server, whose sending runs the receiver's; in what takes softirqs over.
 */
static double cpu_ns(const struct turn_cell_config *c)
{
	return (double)own_cpu() + turn_server_cpu_ns(c->server) + relay_ksoftirqd_cpu_ns();
}

/* Waits until nothing arrives any more. */
static struct turn_load_count drain(const struct turn_load *load)
{
	struct turn_load_count sum = {0}, some;

	for (int i = 0; i < MOST_WAITS; i++) {
		poll(NULL, 0, SETTLE_MS);
		some = turn_load_count(load);
		sum.delivered += some.delivered;
		sum.in_window += some.in_window;
		sum.wrong += some.wrong;
		if (i && !some.delivered && !some.wrong)
			break;
	}
	return sum;
}

struct outcome {
	struct turn_load_injected injected;
	struct turn_load_count count;
	double cpu_ns; /* of the generator too */
};

#define MOST_TRIES 10

/* What was under way is there, and counted, before the CPU time is read. */
static int try_load(const struct turn_cell_config *c, unsigned int rate, struct outcome *ret)
{
	double before;
	int err = turn_net_enter(c->net, turn_source(c->direction));

	if (err)
		return err;
	before = cpu_ns(c);
	err = turn_load_inject(c->load, rate, c->duration, &ret->injected);
	ret->count = drain(c->load);
	ret->cpu_ns = cpu_ns(c) - before - ret->injected.waited_ns;
	return turn_net_leave(c->net) ? -EIO : err;
}

static int measure_load(const struct turn_cell_config *c, unsigned int rate, struct outcome *ret)
{
	int err = -EAGAIN;

	for (int i = 0; i < MOST_TRIES && err == -EAGAIN; i++)
		err = try_load(c, rate, ret);
	if (err)
		fprintf(stderr, "bench: frames cannot be injected: %s\n", strerror(-err));
	return err;
}

static double per_packet(const struct outcome *o)
{
	return o->count.delivered ? o->cpu_ns / (double)o->count.delivered : 0;
}

static int measure_saturated(struct turn_cell *cell, const struct turn_cell_config *c)
{
	double best = 0, best_cpu = 0;

	for (size_t i = 0; i < INLAY_ARRAY_SIZE(offers); i++) {
		struct outcome o = {0};
		double pps;
		int ret;

		/* It cannot deliver more than it gets. */
		if (offers[i] && offers[i] <= best)
			continue;
		ret = measure_load(c, offers[i], &o);
		if (ret)
			return ret;
		pps = (double)o.count.in_window / o.injected.window_s;
		cell->wrong += o.count.wrong;
		if (pps <= best)
			continue;
		best = pps;
		best_cpu = per_packet(&o);
	}
	bench_series_add(&cell->pps, best);
	bench_series_add(&cell->full_ns, best_cpu);
	return 0;
}

static void note_lost(double *most, __u64 sent, __u64 arrived)
{
	double lost = sent > arrived ? (double)(sent - arrived) / (double)sent : 0;

	if (lost > *most)
		*most = lost;
}

static int measure_cpu(struct turn_cell *cell, const struct turn_cell_config *c)
{
	struct outcome o = {0};
	int ret = measure_load(c, CPU_RATE, &o);

	if (ret)
		return ret;
	cell->wrong += o.count.wrong;
	note_lost(&cell->lost, o.injected.sent, o.count.delivered);
	bench_series_add(&cell->cpu_ns, per_packet(&o));
	return 0;
}

/* --- Delay ------------------------------------------------------------------------------------ */

static int note_delays(struct turn_cell *cell, const struct turn_load *load, __u64 sent)
{
	size_t n;
	const __u64 *delays = turn_load_delays(load, &n);
	float *all = realloc(cell->delays_us, (cell->n_delays + n + 1) * sizeof(*all)), *own;

	if (!all)
		return -ENOMEM;
	own = all + cell->n_delays;
	for (size_t i = 0; i < n; i++)
		own[i] = (float)delays[i] / (float)INLAY_US;
	cell->delays_us = all;
	cell->n_delays += n;
	note_lost(&cell->lost_paced, sent, n);
	if (n) {
		bench_series_add(&cell->p50_us, bench_quantile(own, n, 0.5));
		bench_series_add(&cell->p99_us, bench_quantile(own, n, 0.99));
	}
	return 0;
}

/* The sender waits on its CPU: how long that takes to wake up is not the relay's. */
static int measure_delay(struct turn_cell *cell, const struct turn_cell_config *c)
{
	const __u64 n = c->duration * DELAY_RATE / INLAY_S;
	struct turn_load_count count;
	inlay_ns next = bench_now();

	__atomic_store_n(&c->load->control->n_delays, 0, __ATOMIC_SEQ_CST);
	for (__u64 i = 0; i < n; i++) {
		__u32 flow = (__u32)(i % c->flows->n);
		struct turn_load_mark mark = {
			.magic = turn_load_magic(c->load->control->generation), .flow = flow};
		inlay_ns now;

		while ((now = bench_now()) < next)
			;
		mark.stamp = now;
		turn_flow_send(&c->flows->flows[flow], c->direction, &mark, c->bytes);
		next = (now - next > INLAY_S / DELAY_RATE ? now : next) + INLAY_S / DELAY_RATE;
	}
	count = drain(c->load);
	cell->wrong += count.wrong;
	return note_delays(cell, c->load, n);
}

int turn_cell_measure(struct turn_cell *cell, const struct turn_cell_config *c)
{
	int ret = turn_flows_load(c->flows, c->net, c->load, c->direction, c->bytes);

	if (!ret)
		ret = measure_delay(cell, c);
	if (!ret)
		ret = measure_cpu(cell, c);
	if (!ret)
		ret = measure_saturated(cell, c);
	return ret;
}

void turn_cell_free(struct turn_cell *cell)
{
	free(cell->delays_us);
	*cell = (struct turn_cell){0};
}
