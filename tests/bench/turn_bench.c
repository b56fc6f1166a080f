/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A TURN server alone, and with inlay-turn beside it: packets a second that it relays, saturated;
 * CPU time of each; how late they are. The server is coturn with one relay thread between two veth
 * pairs. Contenders take turns within each run, under the same load from the same generator. Beside
 * them the floor: what the generator itself costs (frames swallowed where the server's namespace
 * begins), which is taken off what the others cost; and the kernel's IP forwarding.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bench.h"
#include "plot.h"
#include "relay_daemon.h"
#include "turn_cell.h"

#define MOST_PROOFS 50

enum contender {
	GENERATOR,
	FORWARDING,
	COTURN,
	INLAY,
	CONTENDERS,
};

static const char *const names[CONTENDERS] = {"generator", "forwarding", "coturn", "inlay"};
static const char *const directions[TURN_DIRECTIONS] = {"to_peer", "to_client"};
static const __u32 sizes[] = {160, 1200};
static const unsigned int flow_counts[] = {1, 1000};

#define SIZES	INLAY_ARRAY_SIZE(sizes)
#define N_FLOWS INLAY_ARRAY_SIZE(flow_counts)

struct options {
	int runs;
	unsigned int ms; /* of each measurement */
	unsigned int only;
	bool skip[CONTENDERS];
	const char *json, *svg;
	int server_cpu, load_cpu;
	char build[512], load[512];
	const char *attach;
};

#define CELLS (CONTENDERS * N_FLOWS * SIZES * TURN_DIRECTIONS)

static struct turn_cell all_cells[CELLS];

static struct turn_cell *cell_of(int contender, size_t at, size_t size, int direction)
{
	return &all_cells[(((size_t)contender * N_FLOWS + at) * SIZES + size) * TURN_DIRECTIONS +
			  (size_t)direction];
}

/* --- Measuring -------------------------------------------------------------------------------- */

struct scene {
	const struct options *options;
	const struct turn_net *net;
	struct turn_load *load;
	enum contender contender;
	size_t flows_at;
	struct turn_server server;
	struct turn_flows flows;
	struct bpf_link *floors[TURN_SIDES];
};

static int start_server(struct scene *s)
{
	struct turn_server_config config = {
		.net = s->net,
		.build = s->contender == INLAY ? s->options->build : NULL,
		.attach = s->options->attach,
	};

	CPU_ZERO(&config.cpus);
	CPU_SET(s->options->server_cpu, &config.cpus);
	return turn_server_start(&s->server, &config);
}

/*
 * A channel goes fast once the server was seen relaying on it: so something is sent on each, until
 * inlay-turn says that all are.
 */
static int prove(struct scene *s)
{
	const unsigned int n = s->flows.n;
	int fast = 0;

	for (int i = 0; i < MOST_PROOFS && fast >= 0 && (unsigned int)fast < n; i++) {
		for (unsigned int flow = 0; flow < n; flow++) {
			struct turn_load_mark mark = {
				.magic = TURN_LOAD_MAGIC, .stamp = bench_now(), .flow = flow};

			turn_flow_send(&s->flows.flows[flow], TURN_TO_PEER, &mark, sizes[0]);
			/* A server's sockets take no thousand at once. */
			if (flow % 16 == 0)
				poll(NULL, 0, 1);
		}
		poll(NULL, 0, 100);
		fast = turn_server_fast(&s->server);
	}
	if (fast >= 0 && (unsigned int)fast >= n)
		return 0;
	fprintf(stderr, "bench: %d of %u channels became fast\n", fast, n);
	return -ETIMEDOUT;
}

static int start(struct scene *s)
{
	struct inlay_addr server = s->net->net.relay[TURN_CLIENT];
	bool with_server = s->contender == COTURN || s->contender == INLAY;
	int ret = turn_net_forward(s->net, s->contender == FORWARDING);

	server.port = htons(TURN_SERVER_PORT);
	if (!ret && with_server)
		ret = start_server(s);
	for (int i = 0; i < TURN_SIDES && !ret && s->contender == GENERATOR; i++) {
		s->floors[i] = turn_load_receive(s->load, turn_net_near[i]);
		ret = s->floors[i] ? 0 : -EIO;
	}
	if (!ret)
		ret = turn_flows_open(&s->flows, flow_counts[s->flows_at], s->net,
				      with_server ? &server : NULL);
	return ret || s->contender != INLAY ? ret : prove(s);
}

static void stop(struct scene *s)
{
	turn_flows_free(&s->flows);
	for (int i = 0; i < TURN_SIDES; i++)
		turn_load_receive_end(s->floors[i]);
	turn_server_stop(&s->server);
}

/* All sizes and directions, with one server. */
static int measure(const struct options *o, const struct turn_net *net, struct turn_load *load,
		   enum contender contender, size_t flows_at)
{
	struct scene s = {.options = o,
			  .net = net,
			  .load = load,
			  .contender = contender,
			  .flows_at = flows_at};
	struct turn_cell_config c = {.net = net,
				     .flows = &s.flows,
				     .load = load,
				     .server = &s.server,
				     .duration = o->ms * INLAY_MS};
	int ret = start(&s);

	for (size_t i = 0; i < SIZES * TURN_DIRECTIONS && !ret && !bench_stopped; i++) {
		c.bytes = sizes[i / TURN_DIRECTIONS];
		c.direction = (enum turn_direction)(i % TURN_DIRECTIONS);
		ret = turn_cell_measure(
			cell_of(contender, flows_at, i / TURN_DIRECTIONS, c.direction), &c);
	}
	if (ret)
		fprintf(stderr, "bench: %s, %u flows: %s\n", names[contender],
			flow_counts[flows_at], strerror(-ret));
	stop(&s);
	return ret;
}

static bool is_wanted(const struct options *o, enum contender contender, size_t flows_at)
{
	return !o->skip[contender] && (!o->only || flow_counts[flows_at] == o->only);
}

static int measure_all(const struct options *o, const struct turn_net *net, struct turn_load *load)
{
	int ret = 0;

	for (int run = 0; run < o->runs; run++)
		for (size_t at = 0; at < N_FLOWS; at++)
			/* None is always the first. */
			for (int i = 0; i < CONTENDERS && !ret; i++) {
				enum contender c = (enum contender)((i + run) % CONTENDERS);

				if (is_wanted(o, c, at))
					ret = measure(o, net, load, c, at);
				if (bench_stopped)
					ret = -EINTR;
			}
	return ret;
}

/* Everything inherits it: with others on the machine, chrt -f makes results repeatable. */
static const char *priority(void)
{
	int policy = sched_getscheduler(0);

	return policy == SCHED_FIFO || policy == SCHED_RR ? "real-time" : "ordinary";
}

/* --- Telling ---------------------------------------------------------------------------------- */

struct summary {
	double pps, cpu_ns, full_ns, p50_us, p99_us;
};

static struct summary summarise(enum contender contender, size_t at, size_t size, int direction)
{
	const struct turn_cell *c = cell_of(contender, at, size, direction);
	const struct turn_cell *generator = cell_of(GENERATOR, at, size, direction);
	struct summary s = {
		.pps = bench_series_median(&c->pps),
		.cpu_ns = bench_series_median(&c->cpu_ns),
		.full_ns = bench_series_median(&c->full_ns),
		.p50_us = bench_series_median(&c->p50_us),
		.p99_us = bench_series_median(&c->p99_us),
	};

	if (contender != GENERATOR) {
		s.cpu_ns -= bench_series_median(&generator->cpu_ns);
		s.full_ns -= bench_series_median(&generator->full_ns);
	}
	return s;
}

static void print_cell(const struct turn_cell *c, const char *name, const struct summary *s)
{
	printf("  %-12s%9.0f %3.0f%% %8.0f %3.0f%% %8.0f %8.1f %3.0f%% %8.1f", name, s->pps,
	       100 * bench_series_spread(&c->pps), s->cpu_ns, 100 * bench_series_spread(&c->cpu_ns),
	       s->full_ns, s->p50_us, 100 * bench_series_spread(&c->p50_us), s->p99_us);
	if (c->lost > 0.001 || c->lost_paced > 0.001 || c->wrong)
		printf("  lost %.1f%%, %.1f%%; %llu astray", 100 * c->lost, 100 * c->lost_paced,
		       (unsigned long long)c->wrong);
	putchar('\n');
}

static json_t *row_of(const char *mode, size_t at, size_t size, int direction,
		      const struct summary *s)
{
	return json_pack("{s:s, s:i, s:i, s:s, s:f, s:f, s:f, s:f}", "mode", mode, "bytes",
			 (int)sizes[size], "flows", (int)flow_counts[at], "direction",
			 directions[direction], "pps", s->pps, "cpu_ns_per_packet", s->cpu_ns,
			 "p50_us", s->p50_us, "p99_us", s->p99_us);
}

static void print_aims(const struct summary *coturn, const struct summary *inlay)
{
	printf("  inlay to coturn: CPU %.3f (aim 0.1), p50 %.2f (0.25), saturated %.1f times (5)\n",
	       inlay->cpu_ns / coturn->cpu_ns, inlay->p50_us / coturn->p50_us,
	       inlay->pps / coturn->pps);
}

static void report_case(json_t *root, const struct options *o, size_t at, size_t size,
			int direction)
{
	json_t *rows = json_object_get(root, "rows"), *floor = json_object_get(root, "floor");
	struct summary s[CONTENDERS];

	printf("%u flow%s, %u bytes, %s\n", flow_counts[at], at ? "s" : "", sizes[size],
	       directions[direction]);
	for (int i = 0; i < CONTENDERS; i++) {
		if (!is_wanted(o, (enum contender)i, at))
			continue;
		s[i] = summarise((enum contender)i, at, size, direction);
		print_cell(cell_of(i, at, size, direction), names[i], &s[i]);
		json_array_append_new(i < COTURN ? floor : rows,
				      row_of(names[i], at, size, direction, &s[i]));
	}
	if (!o->skip[COTURN] && !o->skip[INLAY])
		print_aims(&s[COTURN], &s[INLAY]);
}

/* Nothing may arrive where it does not belong, or be cut. */
static bool is_sound(void)
{
	__u64 wrong = 0;

	for (size_t i = 0; i < CELLS; i++)
		wrong += all_cells[i].wrong;
	if (wrong)
		fprintf(stderr, "bench: %llu packets went astray\n", (unsigned long long)wrong);
	return !wrong;
}

static void report(json_t *root, const struct options *o)
{
	json_object_set_new(root, "floor", json_array());
	json_object_set_new(root, "server_cpu", json_integer(o->server_cpu));
	json_object_set_new(root, "priority", json_string(priority()));
	printf("\n%-14s%9s %4s %8s %4s %8s %8s %4s %8s\n", "", "packets/s", "", "CPU ns", "",
	       "full", "p50 us", "", "p99");
	for (size_t at = 0; at < N_FLOWS; at++)
		for (size_t size = 0; size < SIZES; size++)
			for (int direction = 0; direction < TURN_DIRECTIONS; direction++)
				if (!o->only || flow_counts[at] == o->only)
					report_case(root, o, at, size, direction);
	printf("\npackets/s: delivered, saturated by injected frames. CPU: ns a packet at 100,000 "
	       "a second,\nsoftirqs on both sides counted, less what the generator takes; full: "
	       "the same while saturated.\nDelay: from a socket's send to the other side's "
	       "device, 10,000 a second.\nlost: of 100,000 and of 10,000 a second, in the worst "
	       "run; %%: distance of the quartiles.\n");
}

/* --- Plots ------------------------------------------------------------------------------------ */

static const char *const colours[CONTENDERS] = {"#bbbbbb", "#888888", "#c0392b", "#2471a3"};

static int plot_delays(const struct options *o, size_t at)
{
	static double x[CONTENDERS][PLOT_TAIL], y[CONTENDERS][PLOT_TAIL];
	struct plot_axis delay = {.least = 1,
				  .most = 500,
				  .log = true,
				  .ticks = {1, 2, 5, 10, 20, 50, 100, 500},
				  .title = "one-way delay, &#181;s"};
	struct plot_axis later = {.least = 0.0003,
				  .most = 1,
				  .log = true,
				  .ticks = {1, 0.5, 0.1, 0.01, 0.001},
				  .title = "part of the packets that is later"};
	struct plot_line lines[CONTENDERS];
	char file[600], title[100];

	for (int i = 0; i < CONTENDERS; i++) {
		struct turn_cell *c = cell_of(i, at, 0, TURN_TO_PEER);

		lines[i] = (struct plot_line){.name = names[i],
					      .colour = colours[i],
					      .dashed = i < COTURN,
					      .x = x[i],
					      .y = y[i]};
		bench_quantile(c->delays_us, c->n_delays, 0); /* sorts */
		plot_tail(&lines[i], c->delays_us, c->n_delays);
	}
	snprintf(file, sizeof(file), "%s/turn-delay-%u.svg", o->svg, flow_counts[at]);
	snprintf(title, sizeof(title), "From a client's socket to the peer, %u flow%s",
		 flow_counts[at], at ? "s" : "");
	return plot_write(file, title, &delay, &later, lines, CONTENDERS);
}

static int plot_all(const struct options *o)
{
	int ret = 0;

	for (size_t at = 0; at < N_FLOWS && o->svg && !ret; at++)
		if (!o->only || flow_counts[at] == o->only)
			ret = plot_delays(o, at);
	if (ret)
		fprintf(stderr, "bench: %s: %s\n", o->svg, strerror(-ret));
	return ret;
}

/* --- Main ------------------------------------------------------------------------------------- */

static const char usage[] =
	"usage: turn_bench [--json FILE] [--svg DIR] [--runs N] [--ms N] [--flows N] [--cpus "
	"SERVER,LOAD]\n"
	"                  [--without generator|forwarding|coturn|inlay]... [--inlay-turn "
	"PROGRAM]\n"
	"                  [--attach auto|native|generic|tc]\n";

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
	case 'm':
		o->ms = (unsigned int)atoi(optarg);
		break;
	case 'f':
		o->only = (unsigned int)atoi(optarg);
		break;
	case 'p':
		return sscanf(optarg, "%d,%d", &o->server_cpu, &o->load_cpu) == 2 ? 0 : -EINVAL;
	case 'w':
		return bench_parse_without(optarg, names, CONTENDERS, o->skip) ? 0 : -EINVAL;
	case 'b':
		snprintf(o->build, sizeof(o->build), "%s", optarg);
		break;
	case 'a':
		o->attach = optarg;
		break;
	default:
		return -EINVAL;
	}
	return 0;
}

static int parse(int argc, char **argv, struct options *o)
{
	static const struct option table[] = {
		{"json", 1, NULL, 'j'},	   {"svg", 1, NULL, 'v'},
		{"runs", 1, NULL, 'r'},	   {"ms", 1, NULL, 'm'},
		{"flows", 1, NULL, 'f'},   {"cpus", 1, NULL, 'p'},
		{"without", 1, NULL, 'w'}, {"attach", 1, NULL, 'a'},
		{"build", 1, NULL, 'b'},   {0},
	};
	int c;

	relay_daemon_find("../..", o->build, sizeof(o->build));
	relay_daemon_find("turn_load.bpf.o", o->load, sizeof(o->load));
	while ((c = getopt_long(argc, argv, "", table, NULL)) != -1)
		if (take_option(o, c))
			return -EINVAL;
	return o->runs < 1 || o->runs > BENCH_MAX_RUNS || o->ms < 10 || o->ms > 5000 ||
			       optind < argc
		       ? -EINVAL
		       : 0;
}

static void look_for_inlay(struct options *o)
{
	char path[600];

	snprintf(path, sizeof(path), "%s/inlay-turn", o->build);
	if (o->skip[INLAY] || !access(path, X_OK))
		return;
	printf("%s was not built: coturn alone\n", path);
	o->skip[INLAY] = true;
}

/* Each flow is two sockets here, and two of the server's. */
static void raise_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static int receive_at(const struct turn_net *net, struct turn_load *load,
		      struct bpf_link *ret[TURN_SIDES])
{
	for (int i = 0; i < TURN_SIDES; i++) {
		int err = turn_net_enter(net, (enum turn_side)i);

		if (err)
			return err;
		ret[i] = turn_load_receive(load, turn_net_far[i]);
		err = turn_net_leave(net);
		if (err || !ret[i])
			return err ? err : -EIO;
	}
	return 0;
}

static int run(const struct options *o, json_t *root)
{
	struct bpf_link *receivers[TURN_SIDES] = {NULL};
	struct turn_load load = {0};
	struct turn_net net;
	int ret = turn_net_open(&net);

	if (!ret)
		ret = turn_load_open(&load, o->load);
	if (!ret)
		ret = receive_at(&net, &load, receivers);
	/* What the host lacks or does not allow; it said so. */
	if (ret)
		ret = BENCH_SKIPPED;
	else
		ret = measure_all(o, &net, &load) ? 1 : 0;
	if (!ret) {
		report(root, o);
		ret = is_sound() && !plot_all(o) ? 0 : 1;
	}
	for (int i = 0; i < TURN_SIDES; i++)
		turn_load_receive_end(receivers[i]);
	turn_load_close(&load);
	turn_net_close(&net);
	return ret;
}

int main(int argc, char **argv)
{
	int last = (int)sysconf(_SC_NPROCESSORS_ONLN) - 1;
	struct options o = {.runs = 5, .ms = 200, .load_cpu = last, .attach = "auto"};
	struct bench_host host;
	json_t *root;
	int ret;

	if (parse(argc, argv, &o)) {
		fputs(usage, stderr);
		return 2;
	}
	if (!bench_begin_as_root("turn"))
		return BENCH_SKIPPED;
	raise_files();
	look_for_inlay(&o);
	bench_host_init(&host, o.load_cpu);
	bench_print_host(&host, o.runs);
	printf("coturn and inlay-turn on CPU %d, all at %s priority\n", o.server_cpu, priority());
	root = bench_meta(&host, "turn", o.runs);
	ret = run(&o, root);
	ret = bench_end(root, ret ? NULL : o.json, ret);
	for (size_t i = 0; i < CELLS; i++)
		turn_cell_free(&all_cells[i]);
	return ret;
}
