/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The congestion controllers on an emulated bottleneck: whole engines in simulated time, over the
 * link of tests/emulate. It measures the algorithms, not this machine: the same seed gives the same
 * numbers everywhere. Seeds differ in jitter, losses, and sizes of frames.
 */
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "flows.h"

#define RATE	   1250000 /* bytes/s: 10 Mbit/s */
#define DELAY	   (20 * INLAY_MS)
#define JITTER	   (1 * INLAY_MS)
#define BUFFER	   1250000 /* bytes: a second */
#define ALONE	   (60 * INLAY_S)
#define BESIDE	   (120 * INLAY_S)
#define TRACE_STEP (100 * INLAY_MS)
#define TRACE_LEN  600

enum metric {
	UTILISATION,
	QUEUE_P95,
	QUEUE_P50,
	LOST,
	SHARE,
	SHARE_OF_TWO,
	LOSS_1,
	LOSS_10,
	FEW_ACKS,
	ESTIMATE_ERROR,
	METRICS,
};

static const struct {
	const char *key, *title;
} metrics[METRICS] = {
	[UTILISATION] = {"utilisation", "util."},
	[QUEUE_P95] = {"queue_p95_ms", "p95 ms"},
	[QUEUE_P50] = {"queue_p50_ms", "p50 ms"},
	[LOST] = {"lost_percent", "lost %"},
	[SHARE] = {"share_beside_cubic", "|cubic"},
	[SHARE_OF_TWO] = {"share_beside_itself", "|self"},
	[LOSS_1] = {"utilisation_loss_1", "1% loss"},
	[LOSS_10] = {"utilisation_loss_10", "10% loss"},
	[FEW_ACKS] = {"utilisation_few_acks", "few ACKs"},
	[ESTIMATE_ERROR] = {"estimate_error", "est.err"},
};

static const struct {
	const char *name;
	enum inlay_cc_algorithm cc;
	const char *colour;
} contenders[] = {
	{"newreno", INLAY_CC_NEWRENO, "#8a8a8a"},
	{"cubic", INLAY_CC_CUBIC, "#c8553d"},
	{"live", INLAY_CC_LIVE, "#2b6f9c"},
};
#define CONTENDERS INLAY_ARRAY_SIZE(contenders)

struct options {
	const char *json, *svg;
	int seeds;
};

static struct bench_series series[CONTENDERS][METRICS];
static double trace[CONTENDERS][TRACE_LEN]; /* ms of queue, first seed */

/* --- Scenarios ------------------------------------------------------------------------------ */

static void start(struct flows *f, __u32 loss_percent, int seed)
{
	const struct link_settings settings = {
		.bytes_per_s = RATE,
		.queue_bytes = BUFFER,
		.delay = DELAY,
		.jitter = JITTER,
		.loss_ppm = loss_percent * 10000,
	};

	if (!flows_init(f, &settings, (__u64)seed))
		abort();
}

static struct flow *add(struct flows *f, const struct flow_settings *settings)
{
	struct flow *x = flows_add(f, settings);

	if (!x)
		abort();
	return x;
}

static void run_alone(size_t who, int seed)
{
	const struct flow_settings bulk = {.cc = contenders[who].cc};
	struct bench_series *s = series[who];
	struct inlay_conn_stats stats;
	struct flows f;
	struct flow *x;
	int i;

	start(&f, 0, seed);
	x = add(&f, &bulk);
	for (i = 0; i < TRACE_LEN; i++) {
		flows_run(&f, (inlay_ns)(i + 1) * TRACE_STEP);
		if (seed == 1)
			trace[who][i] = (double)link_backlog(&f.link, f.now) * 1000 / RATE;
	}
	inlay_conn_stats(x->sender, &stats);
	bench_series_add(&s[UTILISATION], flows_utilisation(&f));
	bench_series_add(&s[QUEUE_P95], (double)flow_wait(x, 950) / INLAY_MS);
	bench_series_add(&s[QUEUE_P50], (double)flow_wait(x, 500) / INLAY_MS);
	bench_series_add(&s[LOST], (double)stats.packets_lost * 100 / (double)stats.packets_sent);
	flows_fini(&f);
}

static void run_beside(size_t who, enum inlay_cc_algorithm other, enum metric m, int seed)
{
	const struct flow_settings one = {.cc = contenders[who].cc}, two = {.cc = other};
	struct flow *x, *y;
	struct flows f;

	start(&f, 0, seed);
	x = add(&f, &one);
	y = add(&f, &two);
	flows_run(&f, BESIDE);
	bench_series_add(&series[who][m],
			 (double)x->received / (double)(x->received + y->received));
	flows_fini(&f);
}

static void run_bulk(size_t who, __u32 loss_percent, bool few_acks, enum metric m, int seed)
{
	const struct flow_settings bulk = {.cc = contenders[who].cc, .few_acks = few_acks};
	struct flows f;

	start(&f, loss_percent, seed);
	add(&f, &bulk);
	flows_run(&f, ALONE);
	bench_series_add(&series[who][m], flows_utilisation(&f));
	flows_fini(&f);
}

/* Live media at half of the link's rate: how far the estimate is from the link, at worst over the
 * time after the first five seconds. */
static void run_media(size_t who, int seed)
{
	const struct flow_settings media = {
		.cc = contenders[who].cc,
		.media_bytes_per_s = RATE / 2,
	};
	struct inlay_conn_stats stats;
	double error, worst = 0;
	struct flows f;
	struct flow *x;
	int i;

	start(&f, 0, seed);
	x = add(&f, &media);
	for (i = 1; i <= 60; i++) {
		flows_run(&f, (inlay_ns)i * INLAY_S);
		inlay_conn_stats(x->sender, &stats);
		error = fabs((double)stats.bandwidth / RATE - 1);
		if (i > 5 && error > worst)
			worst = error;
	}
	bench_series_add(&series[who][ESTIMATE_ERROR], worst);
	flows_fini(&f);
}

static void run(size_t who, int seed)
{
	run_alone(who, seed);
	run_beside(who, INLAY_CC_CUBIC, SHARE, seed);
	run_beside(who, contenders[who].cc, SHARE_OF_TWO, seed);
	run_bulk(who, 1, false, LOSS_1, seed);
	run_bulk(who, 10, false, LOSS_10, seed);
	run_bulk(who, 0, true, FEW_ACKS, seed);
	run_media(who, seed);
}

/* --- Reports -------------------------------------------------------------------------------- */

static void print_table(int seeds)
{
	size_t i;
	int m;

	printf("10 Mbit/s, 40 ms, %d bytes of buffer; simulated, so the same on every machine; "
	       "median of %d seeds (spread)\n%-8s",
	       BUFFER, seeds, "");
	for (m = 0; m < METRICS; m++)
		printf(" %14s", metrics[m].title);
	printf("\n");
	for (i = 0; i < CONTENDERS; i++) {
		printf("%-8s", contenders[i].name);
		for (m = 0; m < METRICS; m++)
			printf(" %7.3f (%3.0f%%)", bench_series_median(&series[i][m]),
			       100 * bench_series_spread(&series[i][m]));
		printf("\n");
	}
	printf("|cubic, |self: share of what two flows got in two minutes\n");
}

static json_t *json_of(int seeds)
{
	json_t *root = json_pack("{s:s, s:b, s:i, s:i, s:i, s:i, s:[]}", "bench", "cc", "simulated",
				 1, "bytes_per_s", RATE, "rtt_ms", (int)(2 * DELAY / INLAY_MS),
				 "buffer_bytes", BUFFER, "seeds", seeds, "rows");
	size_t i;
	int m;

	for (i = 0; root && i < CONTENDERS; i++) {
		json_t *row = json_pack("{s:s}", "cc", contenders[i].name);
		json_t *spread = json_object();

		for (m = 0; m < METRICS; m++) {
			json_object_set_new(row, metrics[m].key,
					    json_real(bench_series_median(&series[i][m])));
			json_object_set_new(spread, metrics[m].key,
					    json_real(bench_series_spread(&series[i][m])));
		}
		json_object_set_new(row, "spread", spread);
		json_array_append_new(json_object_get(root, "rows"), row);
	}
	return root;
}

/* --- A picture of the queue ----------------------------------------------------------------- */

#define PLOT_W 640
#define PLOT_H 220
#define LEFT   56
#define TOP    30

/* 1 ms to 1 s, each decade of equal height. */
static double height_of(double ms)
{
	double at = log10(ms < 1 ? 1 : ms) / 3;

	return TOP + PLOT_H * (1 - (at > 1 ? 1 : at));
}

static void draw_axes(FILE *f)
{
	static const struct {
		double ms;
		const char *text;
	} ticks[] = {{1, "1 ms"}, {10, "10 ms"}, {100, "100 ms"}, {1000, "1 s"}};
	size_t i;
	int s;

	for (i = 0; i < INLAY_ARRAY_SIZE(ticks); i++)
		fprintf(f,
			"<line x1='%d' x2='%d' y1='%.1f' y2='%.1f' stroke='#ddd'/>"
			"<text x='%d' y='%.1f' text-anchor='end'>%s</text>\n",
			LEFT, LEFT + PLOT_W, height_of(ticks[i].ms), height_of(ticks[i].ms),
			LEFT - 6, height_of(ticks[i].ms) + 4, ticks[i].text);
	for (s = 0; s <= 60; s += 10)
		fprintf(f, "<text x='%d' y='%d' text-anchor='middle'>%d s</text>\n",
			LEFT + PLOT_W * s / 60, TOP + PLOT_H + 18, s);
}

static int draw(const char *path)
{
	FILE *f = fopen(path, "w");
	size_t i;
	int k;

	if (!f)
		return -errno;
	fprintf(f,
		"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 %d %d' "
		"font-family='sans-serif' font-size='12' fill='#333'>\n"
		"<rect width='100%%' height='100%%' fill='#fff'/>\n"
		"<text x='%d' y='18'>Queue at a 10 Mbit/s, 40 ms bottleneck, one flow</text>\n",
		LEFT + PLOT_W + 70, TOP + PLOT_H + 30, LEFT);
	draw_axes(f);
	for (i = 0; i < CONTENDERS; i++) {
		fprintf(f, "<polyline fill='none' stroke='%s' stroke-width='1.3' points='",
			contenders[i].colour);
		for (k = 0; k < TRACE_LEN; k += 2)
			fprintf(f, "%.1f,%.1f ", LEFT + (double)PLOT_W * k / TRACE_LEN,
				height_of(trace[i][k]));
		fprintf(f, "'/>\n<text x='%d' y='%d' fill='%s'>%s</text>\n", LEFT + PLOT_W + 8,
			TOP + 40 + 18 * (int)i, contenders[i].colour, contenders[i].name);
	}
	fprintf(f, "</svg>\n");
	return fclose(f) ? -errno : 0;
}

/* --- Main ----------------------------------------------------------------------------------- */

static int usage(void)
{
	fprintf(stderr, "usage: cc_bench [--json FILE] [--svg FILE] [--seeds N]\n");
	return 2;
}

static bool parse_options(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{"json", required_argument, NULL, 'j'},
		{"svg", required_argument, NULL, 's'},
		{"seeds", required_argument, NULL, 'n'},
		{NULL, 0, NULL, 0},
	};
	long v;
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (c) {
		case 'j':
			o->json = optarg;
			break;
		case 's':
			o->svg = optarg;
			break;
		case 'n':
			if (!bench_parse_number(optarg, 1, BENCH_MAX_RUNS, &v))
				return false;
			o->seeds = (int)v;
			break;
		default:
			return false;
		}
	}
	return optind == argc;
}

static int report(const char *path, int err)
{
	if (err)
		fprintf(stderr, "cc_bench: %s: %s\n", path, strerror(-err));
	return err ? 1 : 0;
}

int main(int argc, char **argv)
{
	struct options o = {.seeds = 5};
	int seed, failed = 0;
	inlay_ns begun;
	size_t i;

	if (!parse_options(argc, argv, &o))
		return usage();
	begun = bench_now();
	for (seed = 1; seed <= o.seeds; seed++) {
		for (i = 0; i < CONTENDERS; i++)
			run(i, seed);
		fprintf(stderr, "seed %d of %d, %.1f s\n", seed, o.seeds,
			(double)(bench_now() - begun) / INLAY_S);
	}
	print_table(o.seeds);
	if (o.json)
		failed |= report(o.json, bench_write_json(json_of(o.seeds), o.json));
	if (o.svg)
		failed |= report(o.svg, draw(o.svg));
	return failed;
}
