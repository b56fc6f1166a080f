/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What relaying costs at rates that fill a link: inlayd between one publisher and N subscribers
 * over loopback, with merging on the sockets (GSO, GRO) and without, and beside it what the kernel
 * alone takes for the same packets. Contenders take turns within each run.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "bench.h"
#include "relay_daemon.h"
#include "relay_floor.h"
#include "relay_load.h"

#define PATTERN(what, bytes, every, first)                                                         \
	{                                                                                          \
		.name = what, .per_second = 50, .object_bytes = bytes, .key_every = every,         \
		.key_bytes = first                                                                 \
	}

static const struct relay_pattern patterns[] = {
	/* Audio, or little video: each packet wakes the relay. */
	PATTERN("steady", 1000, 50, 1000),
	/* Video: a large object twice a second, small ones between. */
	PATTERN("key frames", 1000, 25, 60000),
	/* 16 Mbit/s: bursts of 33 packets. */
	PATTERN("bursts", 40000, 25, 40000),
};
#define N_PATTERNS INLAY_ARRAY_SIZE(patterns)

static const unsigned int all_subscribers[] = {1, 10, 50};
#define N_SIZES INLAY_ARRAY_SIZE(all_subscribers)

enum contender {
	RELAY,
	RELAY_SINGLY,
	FLOOR,
	FLOOR_SINGLY,
	N_CONTENDERS,
};

static const char *const names[N_CONTENDERS] = {"relay", "relay, no gso/gro", "floor",
						"floor, no gso"};

struct cell {
	struct bench_series cpu_us, rate, p50_us, p99_us;
	__u64 missing;
};

struct options {
	int runs;
	double seconds;
	const char *json;
	unsigned int only; /* subscribers; 0: all */
	bool gro;
	const char *placement;
	char inlayd[512];
	char extra[512];
};

static struct cell cells[N_CONTENDERS][N_SIZES][N_PATTERNS];

/* The load is pinned; the relay is not. */
static int start_relay(struct relay_daemon *r, const struct options *o, bool merge)
{
	struct relay_daemon_config config = {.inlayd = o->inlayd};
	const char *choice = merge ? "auto" : "off";
	char yaml[700];

	snprintf(yaml, sizeof(yaml),
		 "listen: ['127.0.0.1:0']\nplacement: %s\ngso: %s\ngro: %s\nmax_connections: "
		 "128\n%s",
		 o->placement, choice, choice, o->extra);
	config.yaml = yaml;
	memset(&config.cpus, 0xff, sizeof(config.cpus));
	return relay_daemon_start(r, &config);
}

/* --- Measuring -------------------------------------------------------------------------------- */

static void note(struct cell *c, const struct relay_seen *seen, double cpu)
{
	if (!seen->packets)
		return;
	bench_series_add(&c->cpu_us, cpu / (double)seen->packets);
	bench_series_add(&c->rate, (double)seen->packets / seen->seconds);
	bench_series_add(&c->p50_us, seen->p50_us);
	bench_series_add(&c->p99_us, seen->p99_us);
	if (seen->expected > seen->objects)
		c->missing += seen->expected - seen->objects;
}

static int measure_relay(struct relay_daemon *r, const struct options *o, enum contender who,
			 size_t size)
{
	struct relay_load_config config = {
		.relay = r->addr,
		.local = {.family = AF_INET, .ip = {127, 0, 0, 1}},
		.publisher = true,
		.subscribers = all_subscribers[size],
		.gro = o->gro,
	};
	struct relay_load *load = relay_load_new(&config);

	if (!load)
		return -EIO;
	for (size_t i = 0; i < N_PATTERNS; i++) {
		double before = relay_cpu_ns(r->pid) / 1000;
		struct relay_seen seen;

		relay_load_run(load, &patterns[i], (inlay_ns)(o->seconds * INLAY_S), &seen);
		note(&cells[who][size][i], &seen, relay_cpu_ns(r->pid) / 1000 - before);
	}
	relay_load_free(load);
	return 0;
}

static int measure_floor(const struct options *o, enum contender who, size_t size)
{
	struct relay_floor *f = relay_floor_new(all_subscribers[size], who == FLOOR);

	if (!f)
		return -EIO;
	for (size_t i = 0; i < N_PATTERNS; i++) {
		double before = relay_cpu_ns(relay_floor_pid(f)) / 1000;
		struct relay_seen seen;

		relay_floor_run(f, &patterns[i], (inlay_ns)(o->seconds / 2 * INLAY_S), &seen);
		note(&cells[who][size][i], &seen, relay_cpu_ns(relay_floor_pid(f)) / 1000 - before);
	}
	relay_floor_free(f);
	return 0;
}

static int measure_all(const struct options *o, struct relay_daemon relays[2])
{
	int ret = 0;

	for (int run = 0; run < o->runs && !ret; run++)
		for (size_t size = 0; size < N_SIZES && !ret; size++) {
			if (o->only && all_subscribers[size] != o->only)
				continue;
			/* Neither is always the first. */
			for (int i = 0; i < 2 && !ret; i++)
				ret = measure_relay(&relays[(i + run) % 2], o,
						    (enum contender)((i + run) % 2), size);
			for (int i = 0; i < 2 && !ret; i++)
				ret = measure_floor(o, i ? FLOOR_SINGLY : FLOOR, size);
		}
	return ret;
}

/* --- Telling ---------------------------------------------------------------------------------- */

static void print_cell(const struct cell *c, const char *name)
{
	printf("  %-18s %7.2f  %3.0f%%  %9.0f  %8.0f  %8.0f", name, bench_series_median(&c->cpu_us),
	       100 * bench_series_spread(&c->cpu_us), bench_series_median(&c->rate),
	       bench_series_median(&c->p50_us), bench_series_median(&c->p99_us));
	if (c->missing)
		printf("  %llu objects late or lost", (unsigned long long)c->missing);
	putchar('\n');
}

static json_t *row_of(const struct cell *c, const char *name, const struct relay_pattern *p,
		      unsigned int subscribers)
{
	return json_pack("{s:s, s:s, s:i, s:f, s:f, s:f, s:f, s:f, s:I}", "contender", name,
			 "pattern", p->name, "subscribers", (int)subscribers, "cpu_us_per_packet",
			 bench_series_median(&c->cpu_us), "spread", bench_series_spread(&c->cpu_us),
			 "packets_per_second", bench_series_median(&c->rate), "p50_us",
			 bench_series_median(&c->p50_us), "p99_us", bench_series_median(&c->p99_us),
			 "missing", (json_int_t)c->missing);
}

static void report(json_t *root)
{
	json_t *rows = json_object_get(root, "rows");

	printf("\n%-20s %7s  %4s  %9s  %8s  %8s\n", "", "CPU us", "", "packets/s", "p50 us",
	       "p99 us");
	for (size_t i = 0; i < N_PATTERNS; i++)
		for (size_t size = 0; size < N_SIZES; size++) {
			if (!cells[RELAY][size][i].cpu_us.n)
				continue;
			printf("%s, %u subscribers\n", patterns[i].name, all_subscribers[size]);
			for (int who = 0; who < N_CONTENDERS; who++) {
				const struct cell *c = &cells[who][size][i];

				print_cell(c, names[who]);
				json_array_append_new(rows, row_of(c, names[who], &patterns[i],
								   all_subscribers[size]));
			}
		}
	printf("\nCPU: of the relaying process, us for each packet that a subscriber received, and "
	       "the\nspread of the quartiles. Delay: of an object (floor: of a packet) from "
	       "publisher to subscriber.\n");
}

static const char usage[] =
	"usage: throughput_bench [--json FILE] [--runs N] [--seconds S] [--subscribers N]\n"
	"                        [--gro-receivers] [--inlayd PROGRAM] [--config LINE]... "
	"[--placement P]\n";

static int parse(int argc, char **argv, struct options *o)
{
	static const struct option table[] = {{"json", 1, NULL, 'j'},
					      {"runs", 1, NULL, 'r'},
					      {"seconds", 1, NULL, 's'},
					      {"inlayd", 1, NULL, 'i'},
					      {"subscribers", 1, NULL, 'n'},
					      {"config", 1, NULL, 'c'},
					      {"gro-receivers", 0, NULL, 'g'},
					      {"placement", 1, NULL, 'p'},
					      {0}};
	int c;

	relay_daemon_find("../../inlayd", o->inlayd, sizeof(o->inlayd));
	while ((c = getopt_long(argc, argv, "", table, NULL)) != -1) {
		if (c == 'j')
			o->json = optarg;
		else if (c == 'r')
			o->runs = atoi(optarg);
		else if (c == 's')
			o->seconds = atof(optarg);
		else if (c == 'i')
			snprintf(o->inlayd, sizeof(o->inlayd), "%s", optarg);
		else if (c == 'n')
			o->only = (unsigned int)atoi(optarg);
		else if (c == 'p')
			o->placement = optarg;
		else if (c == 'g')
			o->gro = true;
		else if (c == 'c')
			snprintf(o->extra + strlen(o->extra), sizeof(o->extra) - strlen(o->extra),
				 "%s\n", optarg);
		else
			return -EINVAL;
	}
	return o->runs < 1 || o->runs > BENCH_MAX_RUNS || o->seconds < 0.1 || optind < argc
		       ? -EINVAL
		       : 0;
}

int main(int argc, char **argv)
{
	struct options o = {.runs = 5, .seconds = 1, .placement = "conventional"};
	struct relay_daemon relays[2] = {0};
	struct bench_host host;
	json_t *root;
	int ret;

	if (parse(argc, argv, &o)) {
		fputs(usage, stderr);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	bench_host_init(&host, -1);
	bench_print_host(&host, o.runs);
	printf("Placement %s. The load is pinned, inlayd is not. %s.\n", o.placement,
	       o.gro ? "Subscribers take merged messages"
		     : "Subscribers take single datagrams: the kernel splits merged messages on "
		       "the sender's time");
	root = bench_meta(&host, "throughput", o.runs);
	ret = start_relay(&relays[RELAY], &o, true);
	if (!ret)
		ret = start_relay(&relays[RELAY_SINGLY], &o, false);
	if (!ret)
		ret = measure_all(&o, relays);
	relay_daemon_stop(&relays[RELAY]);
	relay_daemon_stop(&relays[RELAY_SINGLY]);
	if (!ret)
		report(root);
	return bench_end(root, ret ? NULL : o.json, ret ? 1 : 0);
}
