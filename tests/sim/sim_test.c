/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The seeded simulation. Without arguments: a sample of seeds, or with INLAY_FULL=1 ten thousand,
 * as a cmocka test. `sim_test --seed N [--verbose]` runs one alone and tells what happens in it;
 * `sim_test --from N --count M` runs some.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "sim.h"

#define SAMPLE	       500
#define SAMPLE_CHECKED 150 /* under sanitizers */
#define FULL	       10000

#if defined(__SANITIZE_ADDRESS__)
#define CHECKED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CHECKED 1
#endif
#endif
#ifndef CHECKED
#define CHECKED 0
#endif

static volatile __u64 running;

/* An assertion or a sanitizer ends the process: the seed has to be known all the same. */
static void on_signal(int number)
{
	char text[64];
	int n = snprintf(text, sizeof(text), "\nseed %llu: signal %d\n",
			 (unsigned long long)running, number);

	(void)!write(STDERR_FILENO, text, (size_t)n);
	signal(number, SIG_DFL);
	raise(number);
}

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void add(struct sim_result *sum, const struct sim_result *r)
{
	sum->packets += r->packets;
	sum->published += r->published;
	sum->delivered += r->delivered;
	sum->datagrams += r->datagrams;
	sum->connections += r->connections;
	sum->steps += r->steps;
	sum->time += r->time;
	for (int i = 0; i < INLAY_RELAY_N_RULES; i++)
		sum->resets[i] += r->resets[i];
}

static void print(const struct sim_result *r, __u64 n, double took)
{
	printf("# %llu seeds: %llu connections, %llu objects published, %llu delivered, %llu "
	       "datagrams, %llu packets, %.0f simulated s, %.1f s\n# resets:",
	       (unsigned long long)n, (unsigned long long)r->connections,
	       (unsigned long long)r->published, (unsigned long long)r->delivered,
	       (unsigned long long)r->datagrams, (unsigned long long)r->packets,
	       (double)r->time / INLAY_S, took);
	for (int i = 0; i < INLAY_RELAY_N_RULES; i++)
		printf(" %s %llu", inlay_relay_rule_name((enum inlay_relay_rule)i),
		       (unsigned long long)r->resets[i]);
	printf("\n");
	fflush(stdout);
}

/* How many failed; tells of each. */
static unsigned int run(struct sim_tls *tls, __u64 from, __u64 count, int verbose, bool go_on)
{
	static const int signals[] = {SIGABRT, SIGSEGV, SIGFPE, SIGBUS};
	struct sim_result sum = {0};
	double began = now_s();
	unsigned int failed = 0;
	__u64 seed;

	/* Instead of cmocka's handlers, which know no seed; sanitizers have better ones. */
	for (size_t i = 0; i < INLAY_ARRAY_SIZE(signals) && !CHECKED; i++)
		signal(signals[i], on_signal);
	for (seed = from; seed < from + count && (go_on || !failed); seed++) {
		struct sim_result r;

		running = seed;
		r = sim_seed(seed, tls, verbose);
		add(&sum, &r);
		if (!r.failed)
			continue;
		failed++;
		printf("# %s\n# again: sim_test --seed %llu --verbose\n", r.failure,
		       (unsigned long long)seed);
		fflush(stdout);
	}
	print(&sum, seed - from, now_s() - began);
	return failed;
}

static void every_object_is_delivered_or_covered_by_a_reset_of_a_named_rule(void **state)
{
	const char *seed = getenv("INLAY_SEED");
	__u64 count = getenv("INLAY_FULL") ? FULL : CHECKED ? SAMPLE_CHECKED : SAMPLE;
	struct sim_tls *tls;

	assert_int_equal(sim_tls_new(&tls), 0);
	assert_int_equal(run(tls, seed ? strtoull(seed, NULL, 0) : 0, seed ? 1 : count, 0, true),
			 0);
	sim_tls_free(tls);
}

static int usage(void)
{
	fprintf(stderr,
		"usage: sim_test [--seed N | --from N --count M] [--verbose | --packets]\n");
	return 2;
}

static int run_some(int argc, char **argv)
{
	__u64 from = 0, count = 1;
	unsigned int failed;
	int verbose = 0;
	struct sim_tls *tls;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--verbose"))
			verbose = 1;
		else if (!strcmp(argv[i], "--packets"))
			verbose = 2;
		else if (i + 1 == argc)
			return usage();
		else if (!strcmp(argv[i], "--seed") || !strcmp(argv[i], "--from"))
			from = strtoull(argv[++i], NULL, 0);
		else if (!strcmp(argv[i], "--count"))
			count = strtoull(argv[++i], NULL, 0);
		else
			return usage();
	}
	if (sim_tls_new(&tls))
		return 1;
	failed = run(tls, from, count, verbose, true);
	sim_tls_free(tls);
	return failed > 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_object_is_delivered_or_covered_by_a_reset_of_a_named_rule),
	};

	inlay_log_set_level(INLAY_LOG_WARNING);
	return argc > 1 ? run_some(argc, argv) : cmocka_run_group_tests(tests, NULL, NULL);
}
