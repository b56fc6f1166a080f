/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a relay adds: the delay of each copy, between the publisher's packet entering the relay's
 * namespace and the copy leaving it, stamped there by eBPF; CPU time and system calls a copy. The
 * placements, and sendmmsg() of the same datagrams without a relay (the floor), take turns within
 * each run, on the same CPUs.
 */
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "plot.h"
#include "relay_cell.h"
#include "relay_daemon.h"

#define MOST_MISMATCHES 0.01 /* of all copies: late objects may share a packet */

static const unsigned int sizes[] = {1, 8, 64};
#define N_SIZES INLAY_ARRAY_SIZE(sizes)

struct options {
	int runs;
	__u64 objects;	   /* a measurement */
	unsigned int only; /* subscribers; 0: all */
	bool skip[RELAY_CONTENDERS];
	const char *json, *svg;
	int cpus[4]; /* data thread, control thread, publisher, subscribers */
	char inlayd[512], stamps[512];
	char extra[512];
};

/* Of one cell, once all runs are over. */
struct summary {
	double p50, p99, p999, mean, stddev, first_p50, first_p99, last_p50, last_p99;
};

static struct relay_cell cells[RELAY_CONTENDERS][N_SIZES];

/* --- Measuring -------------------------------------------------------------------------------- */

static bool is_wanted(const struct options *o, int contender, size_t size)
{
	return !o->skip[contender] && (!o->only || sizes[size] == o->only);
}

static int measure_all(const struct options *o, const struct relay_net *net,
		       struct relay_stamps *stamps)
{
	struct relay_cell_config c = {
		.net = net,
		.stamps = stamps,
		.inlayd = o->inlayd,
		.extra = o->extra,
		.objects = o->objects,
		.data_cpu = o->cpus[0],
		.control_cpu = o->cpus[1],
		.publisher_cpu = o->cpus[2],
		.subscribers_cpu = o->cpus[3],
	};
	bool told[RELAY_CONTENDERS] = {0};
	int ret = 0;

	for (int run = 0; run < o->runs; run++)
		for (size_t size = 0; size < N_SIZES; size++)
			/* None is always the first. */
			for (int i = 0; i < RELAY_CONTENDERS && !ret; i++) {
				c.contender = (enum relay_contender)((i + run) % RELAY_CONTENDERS);
				if (!is_wanted(o, c.contender, size))
					continue;
				c.subscribers = sizes[size];
				c.tell_threads = !told[c.contender];
				told[c.contender] = true;
				ret = relay_cell_measure(&cells[c.contender][size], &c);
			}
	return ret;
}

/* --- Telling ---------------------------------------------------------------------------------- */

static struct summary summarise(const struct relay_cell *cell)
{
	const struct relay_matched *m = &cell->delays;
	struct summary s = {
		.p50 = bench_quantile(m->all.us, m->all.n, 0.5),
		.p99 = bench_quantile(m->all.us, m->all.n, 0.99),
		.p999 = bench_quantile(m->all.us, m->all.n, 0.999),
		.first_p50 = bench_quantile(m->first.us, m->first.n, 0.5),
		.first_p99 = bench_quantile(m->first.us, m->first.n, 0.99),
		.last_p50 = bench_quantile(m->last.us, m->last.n, 0.5),
		.last_p99 = bench_quantile(m->last.us, m->last.n, 0.99),
	};
	double squares = 0;

	for (size_t i = 0; i < m->all.n; i++)
		s.mean += (double)m->all.us[i] / (double)m->all.n;
	for (size_t i = 0; i < m->all.n; i++)
		squares += ((double)m->all.us[i] - s.mean) * ((double)m->all.us[i] - s.mean);
	s.stddev = m->all.n > 1 ? sqrt(squares / (double)(m->all.n - 1)) : 0;
	return s;
}

static void print_cell(const struct relay_cell *c, const char *name, const struct summary *s)
{
	printf("  %-13s%7.1f %3.0f%% %8.1f %8.1f %7.1f %8.1f %8.1f %8.0f %6.0f %6.0f %5.0f %7.2f",
	       name, s->p50, 100 * bench_series_spread(&c->p50_us), s->p99, s->p999, s->stddev,
	       s->first_p50, s->last_p50, bench_series_median(&c->relay_cpu),
	       bench_series_median(&c->publisher_cpu), bench_series_median(&c->subscribers_cpu),
	       bench_series_median(&c->softirq_cpu), bench_series_median(&c->calls));
	if (c->delays.missing || c->delays.strays || c->delays.merged || c->unseen)
		printf("  %llu missing, %llu strays, %llu merged, %llu not received",
		       (unsigned long long)c->delays.missing, (unsigned long long)c->delays.strays,
		       (unsigned long long)c->delays.merged, (unsigned long long)c->unseen);
	putchar('\n');
}

static json_t *row_of(const struct relay_cell *c, const char *name, unsigned int n,
		      const struct summary *s)
{
	json_t *row = json_pack("{s:s, s:i, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f}",
				"placement", name, "n", (int)n, "p50_us", s->p50, "p99_us", s->p99,
				"p999_us", s->p999, "stddev_us", s->stddev, "mean_us", s->mean,
				"p50_spread", bench_series_spread(&c->p50_us), "first_p50_us",
				s->first_p50, "first_p99_us", s->first_p99, "last_p50_us",
				s->last_p50, "last_p99_us", s->last_p99);
	json_t *more =
		json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:I, s:I, s:I, s:I}", "cpu_ns_per_copy",
			  bench_series_median(&c->relay_cpu), "cpu_spread",
			  bench_series_spread(&c->relay_cpu), "publisher_cpu_ns_per_copy",
			  bench_series_median(&c->publisher_cpu), "subscribers_cpu_ns_per_copy",
			  bench_series_median(&c->subscribers_cpu), "ksoftirqd_cpu_ns_per_copy",
			  bench_series_median(&c->softirq_cpu), "syscalls_per_copy",
			  bench_series_median(&c->calls), "copies", (json_int_t)c->delays.copies,
			  "missing", (json_int_t)c->delays.missing, "strays",
			  (json_int_t)c->delays.strays, "not_received", (json_int_t)c->unseen);

	json_object_update(row, more);
	json_decref(more);
	return row;
}

/* False: too little could be matched. */
static bool report(json_t *root, const struct options *o)
{
	json_t *rows = json_object_get(root, "rows"), *floor = json_array();
	bool good = true;

	printf("\n%-15s%7s %4s %8s %8s %7s %8s %8s %8s %6s %6s %5s %7s\n", "", "p50 us", "", "p99",
	       "p99.9", "stddev", "first", "last", "relay ns", "publ.", "subs.", "ksft.", "calls");
	for (size_t size = 0; size < N_SIZES; size++) {
		if (!o->only || sizes[size] == o->only)
			printf("%u subscriber%s\n", sizes[size], size ? "s" : "");
		for (int i = 0; i < RELAY_CONTENDERS; i++) {
			const struct relay_cell *c = &cells[i][size];
			struct summary s = summarise(c);

			if (!is_wanted(o, i, size))
				continue;
			print_cell(c, relay_contender_names[i], &s);
			json_array_append_new(i == RELAY_FLOOR ? floor : rows,
					      row_of(c, relay_contender_names[i], sizes[size], &s));
			good &= (double)(c->delays.missing + c->delays.strays) <=
				MOST_MISMATCHES * (double)c->delays.copies;
		}
	}
	json_object_set_new(root, "floor", floor);
	printf("\nDelay that is added, of every copy; first and last: medians over an object's "
	       "copies.\nCPU in ns a copy: of relay, publisher, subscribers, and what ksoftirqd "
	       "took over.\ncalls: the relay's system calls a copy.\n");
	if (!good)
		fprintf(stderr, "bench: too many stamps match nothing\n");
	return good;
}

/* --- Plots ------------------------------------------------------------------------------------ */

static const char *const colours[RELAY_CONTENDERS] = {"#c0392b", "#2471a3", "#888888"};

static int plot_delays(const struct options *o, size_t size)
{
	static double x[RELAY_CONTENDERS][PLOT_TAIL], y[RELAY_CONTENDERS][PLOT_TAIL];
	struct plot_axis delay = {.least = 5,
				  .most = 5000,
				  .log = true,
				  .ticks = {5, 10, 50, 100, 500, 1000, 5000},
				  .title = "added delay, &#181;s"};
	struct plot_axis later = {.least = 0.0003,
				  .most = 1,
				  .log = true,
				  .ticks = {1, 0.5, 0.1, 0.01, 0.001},
				  .title = "part of the copies that is later"};
	struct plot_line lines[RELAY_CONTENDERS];
	char file[600], title[100];

	for (int i = 0; i < RELAY_CONTENDERS; i++) {
		lines[i] = (struct plot_line){.name = relay_contender_names[i],
					      .colour = colours[i],
					      .dashed = i == RELAY_FLOOR,
					      .x = x[i],
					      .y = y[i]};
		/* It is sorted since it was summarised. */
		plot_tail(&lines[i], cells[i][size].delays.all.us, cells[i][size].delays.all.n);
	}
	snprintf(file, sizeof(file), "%s/relay-delay-%u.svg", o->svg, sizes[size]);
	snprintf(title, sizeof(title), "Delay that the relay adds, %u subscriber%s", sizes[size],
		 size ? "s" : "");
	return plot_write(file, title, &delay, &later, lines, RELAY_CONTENDERS);
}

static int plot_cpu(const struct options *o)
{
	static double x[RELAY_CONTENDERS][N_SIZES], y[RELAY_CONTENDERS][N_SIZES];
	struct plot_axis n = {
		.least = 0.9, .most = 70, .log = true, .ticks = {1, 8, 64}, .title = "subscribers"};
	struct plot_axis cpu = {.least = 1,
				.most = 200,
				.log = true,
				.ticks = {1, 2, 5, 10, 20, 50, 100, 200},
				.title = "CPU of the relay, &#181;s a copy"};
	struct plot_line lines[RELAY_CONTENDERS];
	char file[600];

	for (int i = 0; i < RELAY_CONTENDERS; i++) {
		lines[i] = (struct plot_line){.name = relay_contender_names[i],
					      .colour = colours[i],
					      .dashed = i == RELAY_FLOOR,
					      .dots = true,
					      .x = x[i],
					      .y = y[i]};
		for (size_t size = 0; size < N_SIZES; size++) {
			if (!cells[i][size].relay_cpu.n)
				continue;
			x[i][lines[i].n] = sizes[size];
			y[i][lines[i].n++] = bench_series_median(&cells[i][size].relay_cpu) / 1000;
		}
	}
	snprintf(file, sizeof(file), "%s/relay-cpu.svg", o->svg);
	return plot_write(file, "CPU time of the relay for each copy", &n, &cpu, lines,
			  RELAY_CONTENDERS);
}

static int plot_all(const struct options *o)
{
	int ret = o->svg ? plot_cpu(o) : 0;

	for (size_t size = 0; size < N_SIZES && o->svg && !ret; size++)
		ret = plot_delays(o, size);
	if (ret)
		fprintf(stderr, "bench: %s: %s\n", o->svg, strerror(-ret));
	return ret;
}

/* --- Main ------------------------------------------------------------------------------------- */

static const char usage[] =
	"usage: relay_bench [--json FILE] [--svg DIR] [--runs N] [--objects N] [--subscribers N]\n"
	"                   [--cpus DATA,CONTROL,PUBLISHER,SUBSCRIBERS] [--without PLACEMENT]...\n"
	"                   [--inlayd PROGRAM] [--config LINE]...\n";

/* Each its own CPU, where there are enough; else the relay's threads one, and its peers another. */
static void place(int cpus[4])
{
	bool enough = sysconf(_SC_NPROCESSORS_ONLN) >= 4;

	for (int i = 0; i < 4; i++)
		cpus[i] = enough ? i : i / 2;
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		memset(cpus, 0, 4 * sizeof(*cpus));
}

static int take_option(struct options *o, int c)
{
	switch (c) {
	case 'j':
		o->json = optarg;
		break;
	case 'v':
		o->svg = optarg;
		break;
	case 'r':
		o->runs = atoi(optarg);
		break;
	case 'o':
		o->objects = strtoull(optarg, NULL, 10);
		break;
	case 'n':
		o->only = (unsigned int)atoi(optarg);
		break;
	case 'p':
		if (sscanf(optarg, "%d,%d,%d,%d", &o->cpus[0], &o->cpus[1], &o->cpus[2],
			   &o->cpus[3]) != 4)
			return -EINVAL;
		break;
	case 'w':
		return bench_parse_without(optarg, relay_contender_names, RELAY_CONTENDERS, o->skip)
			       ? 0
			       : -EINVAL;
	case 'i':
		snprintf(o->inlayd, sizeof(o->inlayd), "%s", optarg);
		break;
	case 'c':
		snprintf(o->extra + strlen(o->extra), sizeof(o->extra) - strlen(o->extra), "%s\n",
			 optarg);
		break;
	default:
		return -EINVAL;
	}
	return 0;
}

static int parse(int argc, char **argv, struct options *o)
{
	static const struct option table[] = {
		{"json", 1, NULL, 'j'},	       {"svg", 1, NULL, 'v'},
		{"runs", 1, NULL, 'r'},	       {"objects", 1, NULL, 'o'},
		{"inlayd", 1, NULL, 'i'},      {"cpus", 1, NULL, 'p'},
		{"subscribers", 1, NULL, 'n'}, {"without", 1, NULL, 'w'},
		{"config", 1, NULL, 'c'},      {0}};
	int c;

	relay_daemon_find("../../inlayd", o->inlayd, sizeof(o->inlayd));
	relay_daemon_find("relay_stamps.bpf.o", o->stamps, sizeof(o->stamps));
	place(o->cpus);
	while ((c = getopt_long(argc, argv, "", table, NULL)) != -1)
		if (take_option(o, c))
			return -EINVAL;
	return o->runs < 1 || o->runs > BENCH_MAX_RUNS || o->objects < 100 || o->objects > 10000 ||
			       optind < argc
		       ? -EINVAL
		       : 0;
}

static int run(const struct options *o, json_t *root)
{
	struct relay_stamps stamps = {0};
	struct relay_net net;
	int ret = relay_net_open(&net);

	if (!ret)
		ret = relay_stamps_open(&stamps, o->stamps, RELAY_NET_IN, RELAY_NET_OUT);
	/* What the host lacks or does not allow; it said so. */
	if (ret)
		ret = BENCH_SKIPPED;
	else
		ret = measure_all(o, &net, &stamps) || !report(root, o) || plot_all(o);
	relay_stamps_close(&stamps);
	relay_net_close(&net);
	return ret;
}

int main(int argc, char **argv)
{
	struct options o = {.runs = 5, .objects = 400};
	struct bench_host host;
	json_t *root;
	int ret;

	if (parse(argc, argv, &o)) {
		fputs(usage, stderr);
		return 2;
	}
	if (!bench_begin_as_root("relay"))
		return BENCH_SKIPPED;
	bench_host_init(&host, -1);
	bench_print_host(&host, o.runs);
	root = bench_meta(&host, "relay", o.runs);
	ret = run(&o, root);
	ret = bench_end(root, ret ? NULL : o.json, ret);
	for (int i = 0; i < RELAY_CONTENDERS; i++)
		for (size_t size = 0; size < N_SIZES; size++)
			relay_cell_free(&cells[i][size]);
	return ret;
}
