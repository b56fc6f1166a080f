/* SPDX-License-Identifier: BSD-2-Clause */
#include "relay_cell.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "relay_daemon.h"
#include "relay_floor.h"
#include "relay_peers.h"

#define PORT	  4433
#define LEAST	  760  /* bytes of UDP payload: sizes of packets with an object. Handshakes and */
#define MOST	  1199 /* path MTU probes are larger, everything else is smaller */
#define WARM_UP	  100  /* objects: two groups, so that every stream measured began with everybody */
#define CALLS	  100  /* objects published while system calls are counted */
#define SETTLE_MS 50

/* One packet an object. */
static const struct relay_pattern pattern = {
	.per_second = 200,
	.object_bytes = 760,
	.key_every = 50,
	.key_bytes = 760,
	.tag_bytes = 24,
	.jitter = true,
};

const char *const relay_contender_names[RELAY_CONTENDERS] = {"conventional", "user", "floor"};

struct scene {
	const struct relay_cell_config *config;
	struct relay_daemon daemon;
	pid_t floor;
	struct relay_peer publisher, subscribers;
};

static cpu_set_t only(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return set;
}

static pid_t relay_pid(const struct scene *s)
{
	return s->config->contender == RELAY_FLOOR ? s->floor : s->daemon.pid;
}

/* --- Setting it up ---------------------------------------------------------------------------- */

static int start_daemon(struct scene *s)
{
	const struct relay_cell_config *c = s->config;
	struct relay_daemon_config config = {.inlayd = c->inlayd, .cpus = only(c->control_cpu)};
	char yaml[1024];

	snprintf(yaml, sizeof(yaml),
		 "listen: ['10.77.1.1:%d', '10.77.2.1:%d']\nopen: true\nplacement: "
		 "%s\ndata_thread_cpu: %d\n%s",
		 PORT, PORT, relay_contender_names[c->contender], c->data_cpu, c->extra);
	config.yaml = yaml;
	return relay_daemon_start(&s->daemon, &config);
}

static int start_floor(struct scene *s, struct relay_peer_ready *subscribers)
{
	struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(PORT)};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), bytes = 4 << 20;
	cpu_set_t cpu = only(s->config->data_cpu);

	if (fd < 0 || bind(fd, (struct sockaddr *)&name, sizeof(name)))
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	s->floor = fork();
	if (s->floor == 0) {
		prctl(PR_SET_NAME, "floor");
		sched_setaffinity(0, sizeof(cpu), &cpu);
		relay_floor_forward(fd, subscribers->names, s->config->subscribers, true);
	}
	close(fd);
	return s->floor > 0 ? 0 : -errno;
}

static int start(struct scene *s)
{
	const struct relay_cell_config *c = s->config;
	bool floor = c->contender == RELAY_FLOOR;
	struct relay_peer_config publisher = {.net = c->net,
					      .side = RELAY_PUBLISHER,
					      .floor = floor,
					      .port = PORT,
					      .cpus = only(c->publisher_cpu)};
	struct relay_peer_config subscribers = {.net = c->net,
						.side = RELAY_SUBSCRIBERS,
						.floor = floor,
						.port = PORT,
						.subscribers = c->subscribers,
						.cpus = only(c->subscribers_cpu)};
	struct relay_peer_ready ready;
	int ret = floor ? 0 : start_daemon(s);

	if (!ret)
		ret = relay_peer_start(&s->publisher, &publisher, &ready);
	if (!ret)
		ret = relay_peer_start(&s->subscribers, &subscribers, &ready);
	if (!ret && floor)
		ret = start_floor(s, &ready);
	return ret;
}

static void stop(struct scene *s)
{
	relay_peer_stop(&s->subscribers);
	relay_peer_stop(&s->publisher);
	relay_daemon_stop(&s->daemon);
	if (s->floor > 0) {
		kill(s->floor, SIGKILL);
		waitpid(s->floor, NULL, 0);
	}
}

/* --- Measuring -------------------------------------------------------------------------------- */

struct cpu_times {
	double relay, publisher, subscribers, softirq;
};

static struct cpu_times read_times(const struct scene *s)
{
	return (struct cpu_times){relay_cpu_ns(relay_pid(s)), relay_cpu_ns(s->publisher.pid),
				  relay_cpu_ns(s->subscribers.pid), relay_ksoftirqd_cpu_ns()};
}

static void note_times(struct relay_cell *cell, const struct cpu_times *a,
		       const struct cpu_times *b, double copies)
{
	bench_series_add(&cell->relay_cpu, (b->relay - a->relay) / copies);
	bench_series_add(&cell->publisher_cpu, (b->publisher - a->publisher) / copies);
	bench_series_add(&cell->subscribers_cpu, (b->subscribers - a->subscribers) / copies);
	bench_series_add(&cell->softirq_cpu, (b->softirq - a->softirq) / copies);
}

static int note_delays(struct relay_cell *cell, const struct relay_cell_config *c, size_t n_stamps)
{
	struct relay_match_config match = {
		.pattern = &pattern, .objects = c->objects, .subscribers = c->subscribers};
	struct relay_matched *m = &cell->delays;
	size_t before = m->all.n;
	int ret = relay_match(c->stamps->stamps, n_stamps, &match, m);
	float *copy;

	if (ret) {
		fprintf(stderr, "bench: stamps that cannot be matched (%zu)\n", n_stamps);
		return ret;
	}
	if (!relay_match_would_notice(c->stamps->stamps, n_stamps, &match)) {
		fprintf(stderr, "bench: the matching would not notice a mismatch\n");
		return -EINVAL;
	}
	copy = calloc(m->all.n - before + 1, sizeof(*copy));
	if (!copy)
		return -ENOMEM;
	memcpy(copy, m->all.us + before, (m->all.n - before) * sizeof(*copy));
	bench_series_add(&cell->p50_us, bench_quantile(copy, m->all.n - before, 0.5));
	free(copy);
	return 0;
}

static int measure_delay(struct relay_cell *cell, struct scene *s)
{
	const struct relay_cell_config *c = s->config;
	double copies = (double)(c->objects * c->subscribers);
	struct cpu_times before, after;
	struct relay_seen seen;
	int ret;

	poll(NULL, 0, SETTLE_MS);
	ret = relay_peer_seen(&s->subscribers, &seen);
	relay_stamps_begin(c->stamps, PORT, LEAST, MOST);
	before = read_times(s);
	if (!ret)
		ret = relay_peer_publish(&s->publisher, &pattern, c->objects);
	poll(NULL, 0, SETTLE_MS);
	after = read_times(s);
	note_times(cell, &before, &after, copies);
	if (!ret)
		ret = note_delays(cell, c, relay_stamps_end(c->stamps));
	if (!ret)
		ret = relay_peer_seen(&s->subscribers, &seen);
	if (!ret && seen.objects < (__u64)copies)
		cell->unseen += (__u64)copies - seen.objects;
	return ret;
}

static int measure_calls(struct relay_cell *cell, struct scene *s)
{
	const struct relay_cell_config *c = s->config;
	int ret = relay_stamps_count_calls(c->stamps, relay_pid(s));

	if (!ret)
		ret = relay_peer_publish(&s->publisher, &pattern, CALLS);
	bench_series_add(&cell->calls,
			 (double)relay_stamps_calls(c->stamps) / (CALLS * c->subscribers));
	return ret;
}

int relay_cell_measure(struct relay_cell *cell, const struct relay_cell_config *config)
{
	struct scene s = {.config = config};
	int ret = start(&s);

	if (!ret)
		ret = relay_peer_publish(&s.publisher, &pattern, WARM_UP);
	if (!ret && config->tell_threads) {
		printf("%s:\n", relay_contender_names[config->contender]);
		relay_print_threads(relay_pid(&s));
		relay_print_threads(s.publisher.pid);
		relay_print_threads(s.subscribers.pid);
	}
	if (!ret)
		ret = measure_delay(cell, &s);
	if (!ret)
		ret = measure_calls(cell, &s);
	stop(&s);
	if (ret)
		fprintf(stderr, "bench: %s, %u subscribers: %s\n",
			relay_contender_names[config->contender], config->subscribers,
			strerror(-ret));
	return ret;
}

void relay_cell_free(struct relay_cell *cell)
{
	relay_matched_free(&cell->delays);
}
