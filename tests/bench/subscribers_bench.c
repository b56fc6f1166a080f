/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Many subscribers of one track, some of which come and go all the time: that each gets every
 * object while it is there, how soon it gets in, and what it costs the relay in memory and CPU
 * time. Over loopback, with real QUIC connections, all of which one process holds.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "relay_account.h"
#include "relay_daemon.h"
#include "relay_load.h"

#define OVERDUE	  INLAY_S /* behind who had it first: missing */
#define REMEMBER  4096	  /* objects whose time is remembered */
#define LATENCIES (1 << 16)
#define GROUP	  20 /* objects */

struct options {
	unsigned int subscribers, churn, rate;
	double seconds;
	const char *json, *only;
	char inlayd[512], extra[512];
};

struct subscriber {
	struct relay_account account;
	bool in;
	inlay_ns asked; /* when it began to join; 0: its first object has come */
};

struct crowd {
	const struct options *options;
	struct relay_load *load;
	struct subscriber *subscribers;
	unsigned int n;
	inlay_ns first_seen[REMEMBER]; /* by anybody */
	__u64 newest;		       /* object seen by anybody, plus one */
	unsigned int next_join, next_leave;
	__u64 joins, leaves;
	float *ok_us, *object_us; /* from asking to SUBSCRIBE_OK, and to the first object */
	size_t n_ok, n_objects;
};

/* What a phase costs and shows. */
struct phase {
	const char *name;
	struct relay_seen seen;
	double data_ns, control_ns; /* a copy */
	double anon, shared;	    /* bytes, at its end */
	__u64 missing, repeated;
	double ok_p50, ok_p99, object_p50, object_p99; /* of joins, us */
	__u64 joins, leaves;
};

static struct relay_pattern pattern = {.object_bytes = 1000, .key_every = GROUP, .key_bytes = 1000};

/* --- What subscribers see --------------------------------------------------------------------- */

static void note_latency(float *samples, size_t *n, inlay_ns since)
{
	if (*n < LATENCIES)
		samples[(*n)++] = (float)(bench_now() - since) / (float)INLAY_US;
}

static void on_subscribed(void *user, unsigned int i, __u64 group, __u64 object)
{
	struct crowd *c = user;
	struct subscriber *s = &c->subscribers[i];

	note_latency(c->ok_us, &c->n_ok, s->asked);
	s->in = true;
	relay_account_begin(&s->account, group * GROUP + object + 1);
}

static void on_object(void *user, unsigned int i, __u64 group, __u64 object)
{
	struct crowd *c = user;
	struct subscriber *s = &c->subscribers[i];
	__u64 number = group * GROUP + object;

	for (; c->newest <= number; c->newest++)
		c->first_seen[c->newest % REMEMBER] = bench_now();
	if (s->asked)
		note_latency(c->object_us, &c->n_objects, s->asked);
	s->asked = 0;
	if (s->in)
		relay_account_note(&s->account, number);
}

static const struct relay_load_ops ops = {.on_subscribed = on_subscribed, .on_object = on_object};

/* What others have had for so long is missing. */
static void settle_account(struct crowd *c, struct subscriber *s)
{
	inlay_ns now = bench_now();

	while (s->in && s->account.next < c->newest &&
	       now > c->first_seen[s->account.next % REMEMBER] + OVERDUE)
		relay_account_give_up(&s->account);
}

/* --- Coming and going ------------------------------------------------------------------------- */

/* Every second one keeps its connection. */
static void leave(struct crowd *c)
{
	unsigned int i = c->next_leave++ % c->n;
	struct subscriber *s = &c->subscribers[i];

	if (!s->in)
		return;
	settle_account(c, s);
	s->in = false;
	c->leaves++;
	relay_load_leave(c->load, i, i % 2);
}

static void join(struct crowd *c)
{
	for (unsigned int tries = 0; tries < c->n; tries++) {
		unsigned int i = c->next_join++ % c->n;

		if (!relay_load_is_idle(c->load, i))
			continue;
		c->subscribers[i].asked = bench_now();
		c->joins++;
		relay_load_join(c->load, i);
		return;
	}
}

static void run(struct crowd *c, double seconds, unsigned int churn)
{
	inlay_ns begin = bench_now(), pause = churn ? INLAY_S / churn : 50 * INLAY_MS;
	__u64 n = (__u64)(seconds * INLAY_S) / pause;

	for (__u64 i = 0; i < n; i++) {
		relay_load_idle(c->load, begin + i * pause);
		if (churn) {
			leave(c);
			join(c);
		}
		for (unsigned int k = 0; k < c->n && i % 8 == 0; k++)
			settle_account(c, &c->subscribers[k]);
	}
	relay_load_idle(c->load, begin + n * pause);
}

/* --- Phases ----------------------------------------------------------------------------------- */

static void sum_up(struct crowd *c, const struct relay_daemon *r, struct phase *p)
{
	for (unsigned int i = 0; i < c->n; i++) {
		struct relay_account *a = &c->subscribers[i].account;

		p->missing += a->missing;
		p->repeated += a->repeated;
		a->missing = a->repeated = 0;
	}
	p->anon = relay_memory_bytes(r->pid, false);
	p->shared = relay_memory_bytes(r->pid, true);
	p->ok_p50 = bench_quantile(c->ok_us, c->n_ok, 0.5);
	p->ok_p99 = bench_quantile(c->ok_us, c->n_ok, 0.99);
	p->object_p50 = bench_quantile(c->object_us, c->n_objects, 0.5);
	p->object_p99 = bench_quantile(c->object_us, c->n_objects, 0.99);
	p->joins = c->joins;
	p->leaves = c->leaves;
	c->n_ok = c->n_objects = 0;
	c->joins = c->leaves = 0;
}

static void measure(struct crowd *c, const struct relay_daemon *r, double seconds,
		    unsigned int churn, struct phase *p)
{
	double data = relay_thread_cpu_ns(r->pid, "inlay-data");
	double control = relay_thread_cpu_ns(r->pid, "inlayd");
	inlay_ns begin = bench_now();

	relay_load_reset(c->load);
	run(c, seconds, churn);
	relay_load_seen(c->load, &p->seen);
	p->seen.seconds = (double)(bench_now() - begin) / INLAY_S;
	if (p->seen.objects) {
		double n = (double)p->seen.objects;

		p->data_ns = (relay_thread_cpu_ns(r->pid, "inlay-data") - data) / n;
		p->control_ns = (relay_thread_cpu_ns(r->pid, "inlayd") - control) / n;
	}
	sum_up(c, r, p);
}

static void print_phase(const struct phase *p)
{
	printf("  %-10s %8.0f copies/s, CPU %5.0f + %5.0f ns a copy, delay %.1f / %.1f ms, %llu "
	       "missing, %llu repeated\n",
	       p->name, (double)p->seen.objects / p->seen.seconds, p->data_ns, p->control_ns,
	       p->seen.p50_us / 1000, p->seen.p99_us / 1000, (unsigned long long)p->missing,
	       (unsigned long long)p->repeated);
	if (p->joins)
		printf("  %10s %8llu joins, %llu leaves; accepted after %.1f / %.1f ms, first "
		       "object "
		       "after %.1f / %.1f ms\n",
		       "", (unsigned long long)p->joins, (unsigned long long)p->leaves,
		       p->ok_p50 / 1000, p->ok_p99 / 1000, p->object_p50 / 1000,
		       p->object_p99 / 1000);
	fflush(stdout);
}

static json_t *row_of(const struct phase *p, const char *placement, unsigned int n)
{
	return json_pack(
		"{s:s, s:s, s:i, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:I, s:I, s:I, s:I, s:f, s:f, "
		"s:f, s:f}",
		"placement", placement, "phase", p->name, "subscribers", (int)n,
		"copies_per_second", (double)p->seen.objects / p->seen.seconds,
		"data_cpu_ns_per_copy", p->data_ns, "control_cpu_ns_per_copy", p->control_ns,
		"delay_p50_us", p->seen.p50_us, "delay_p99_us", p->seen.p99_us, "heap_bytes",
		p->anon, "shared_bytes", p->shared, "missing", (json_int_t)p->missing, "repeated",
		(json_int_t)p->repeated, "joins", (json_int_t)p->joins, "leaves",
		(json_int_t)p->leaves, "ok_p50_us", p->ok_p50, "ok_p99_us", p->ok_p99,
		"first_object_p50_us", p->object_p50, "first_object_p99_us", p->object_p99);
}

/* --- The scene -------------------------------------------------------------------------------- */

/* Publishes until it is killed. */
static pid_t start_publisher(const struct relay_daemon *r)
{
	struct relay_load_config config = {.relay = r->addr,
					   .local = {.family = AF_INET, .ip = {127, 0, 0, 1}},
					   .publisher = true,
					   .sleeps = true};
	struct relay_load *load;
	struct relay_seen seen;
	int fds[2];
	pid_t pid;
	char ok;

	if (pipe(fds))
		return -1;
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		load = relay_load_new(&config);
		if (!load || write(fds[1], "", 1) != 1)
			_exit(1);
		for (;;)
			relay_load_run(load, &pattern, GROUP * INLAY_S, &seen);
	}
	close(fds[1]);
	if (read(fds[0], &ok, 1) != 1)
		fprintf(stderr, "subscribers: no publisher\n");
	close(fds[0]);
	return pid;
}

static int open_crowd(struct crowd *c, const struct options *o, const struct relay_daemon *r)
{
	unsigned int spare = o->churn ? o->churn : 1;
	struct relay_load_config config = {.relay = r->addr,
					   .local = {.family = AF_INET, .ip = {127, 0, 0, 1}},
					   .subscribers = o->subscribers,
					   .spare = spare,
					   .from_now = true,
					   .ops = &ops,
					   .user = c};

	*c = (struct crowd){.options = o, .n = o->subscribers + spare};
	c->next_join = o->subscribers;
	c->subscribers = calloc(c->n, sizeof(*c->subscribers));
	c->ok_us = calloc(LATENCIES, sizeof(*c->ok_us));
	c->object_us = calloc(LATENCIES, sizeof(*c->object_us));
	if (!c->subscribers || !c->ok_us || !c->object_us)
		return -ENOMEM;
	c->load = relay_load_new(&config);
	c->n_ok = c->n_objects = 0;
	return c->load ? 0 : -EIO;
}

static void close_crowd(struct crowd *c)
{
	relay_load_free(c->load);
	free(c->subscribers);
	free(c->ok_us);
	free(c->object_us);
}

/* True: nobody missed anything. */
static bool measure_phases(struct crowd *c, const struct relay_daemon *r, const char *placement,
			   json_t *rows, const struct phase *before)
{
	const struct options *o = c->options;
	struct phase phases[] = {{.name = "steady"}, {.name = "churn"}, {.name = "after"}};
	struct phase ignored = {0};
	bool good = true;
	double n;

	/* The first group that is published may not be the first there is. */
	measure(c, r, 2 + GROUP / (double)o->rate, 0, &ignored);
	for (size_t i = 0; i < INLAY_ARRAY_SIZE(phases); i++) {
		struct phase *p = &phases[i];

		measure(c, r, i == 1 ? 2 * o->seconds : o->seconds, i == 1 ? o->churn : 0, p);
		print_phase(p);
		json_array_append_new(rows, row_of(p, placement, o->subscribers));
		good &= !p->missing && !p->repeated && p->seen.objects && !p->seen.failed;
		if (p->seen.failed)
			fprintf(stderr, "subscribers: a connection or subscription failed\n");
	}
	n = 1000.0 * o->subscribers;
	printf("  memory     for each subscriber %.1f KB heap and %.1f KB shared; after those that "
	       "came and went %.1f and %.1f KB\n",
	       (phases[0].anon - before->anon) / n, (phases[0].shared - before->shared) / n,
	       (phases[2].anon - before->anon) / n, (phases[2].shared - before->shared) / n);
	return good;
}

static int measure_placement(const struct options *o, const char *placement, json_t *rows)
{
	struct relay_daemon_config config = {.inlayd = o->inlayd};
	struct relay_daemon r;
	struct crowd crowd = {0};
	struct phase before = {0};
	char yaml[1024];
	pid_t publisher = -1;
	inlay_ns begin;
	int ret;

	memset(&config.cpus, 0xff, sizeof(config.cpus));
	snprintf(yaml, sizeof(yaml),
		 "listen: ['127.0.0.1:0']\nretry: off\nmax_connections: %u\nplacement: %s\n%s",
		 2 * o->subscribers + 64, placement, o->extra);
	config.yaml = yaml;
	ret = relay_daemon_start(&r, &config);
	if (!ret)
		publisher = start_publisher(&r);
	before.anon = relay_memory_bytes(r.pid, false);
	before.shared = relay_memory_bytes(r.pid, true);
	begin = bench_now();
	if (!ret)
		ret = open_crowd(&crowd, o, &r);
	if (!ret) {
		printf("%s: %u subscribers in after %.1f s; heap %.1f MB, shared %.1f MB before\n",
		       placement, o->subscribers, (double)(bench_now() - begin) / INLAY_S,
		       before.anon / 1e6, before.shared / 1e6);
		ret = measure_phases(&crowd, &r, placement, rows, &before) ? 0 : -EIO;
	}
	close_crowd(&crowd);
	if (publisher > 0) {
		kill(publisher, SIGKILL);
		waitpid(publisher, NULL, 0);
	}
	relay_daemon_stop(&r);
	return ret;
}

/* --- Main ------------------------------------------------------------------------------------- */

static const char usage[] =
	"usage: subscribers_bench [--json FILE] [--subscribers N] [--churn PER_SECOND]\n"
	"                         [--rate OBJECTS_PER_SECOND] [--seconds S] [--only PLACEMENT]\n"
	"                         [--inlayd PROGRAM] [--config LINE]...\n";

static int parse(int argc, char **argv, struct options *o)
{
	static const struct option table[] = {
		{"json", 1, NULL, 'j'},	  {"subscribers", 1, NULL, 'n'}, {"churn", 1, NULL, 'u'},
		{"rate", 1, NULL, 'r'},	  {"seconds", 1, NULL, 's'},	 {"only", 1, NULL, 'o'},
		{"inlayd", 1, NULL, 'i'}, {"config", 1, NULL, 'c'},	 {0}};
	int c;

	relay_daemon_find("../../inlayd", o->inlayd, sizeof(o->inlayd));
	while ((c = getopt_long(argc, argv, "", table, NULL)) != -1) {
		if (c == 'j')
			o->json = optarg;
		else if (c == 'n')
			o->subscribers = (unsigned int)atoi(optarg);
		else if (c == 'u')
			o->churn = (unsigned int)atoi(optarg);
		else if (c == 'r')
			o->rate = (unsigned int)atoi(optarg);
		else if (c == 's')
			o->seconds = atof(optarg);
		else if (c == 'o')
			o->only = optarg;
		else if (c == 'i')
			snprintf(o->inlayd, sizeof(o->inlayd), "%s", optarg);
		else if (c == 'c')
			snprintf(o->extra + strlen(o->extra), sizeof(o->extra) - strlen(o->extra),
				 "%s\n", optarg);
		else
			return -EINVAL;
	}
	return !o->subscribers || !o->rate || o->seconds < 0.5 || optind < argc ? -EINVAL : 0;
}

int main(int argc, char **argv)
{
	static const char *const placements[] = {"conventional", "user"};
	struct options o = {.subscribers = 1000, .churn = 100, .rate = 10, .seconds = 5};
	struct bench_host host;
	json_t *root;
	int ret = 0;

	if (parse(argc, argv, &o)) {
		fputs(usage, stderr);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	pattern.per_second = o.rate;
	bench_host_init(&host, -1);
	bench_print_host(&host, 1);
	root = bench_meta(&host, "subscribers", 1);
	for (size_t i = 0; i < INLAY_ARRAY_SIZE(placements); i++)
		if (!o.only || !strcmp(o.only, placements[i]))
			ret |= measure_placement(&o, placements[i], json_object_get(root, "rows"));
	return bench_end(root, o.json, ret ? 1 : 0);
}
