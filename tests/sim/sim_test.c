/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The seeded simulation. Without arguments: samples of seeds, or with INLAY_FULL=1 ten thousand, as
 * cmocka tests. `sim_test --seed N [--verbose]` runs one alone and tells what happens in it;
 * `sim_test --from N --count M` runs some. What becomes of the plan that a seed draws:
 *
 *     --forward, --no-forward   the relay has a forwarder, or has none
 *     --ample                   limits, queues and patience without end
 *     --scarce                  ample, but of what a forwarder shares there is little
 *     --compare                 ample, and nobody changes his mind: with a forwarder and without
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
#define LEAST_SHARE    40 /* percent of the media: a test in which nothing is fast proves nothing */

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
	sum->shared += r->shared;
	sum->delivered += r->delivered;
	sum->datagrams += r->datagrams;
	sum->connections += r->connections;
	sum->steps += r->steps;
	sum->time += r->time;
	sum->media_bytes += r->media_bytes;
	sum->fast_bytes += r->fast_bytes;
	sum->copies += r->copies;
	sum->refused += r->refused;
	sum->compared += r->compared;
	sum->bare_datagrams += r->bare_datagrams;
	for (int i = 0; i < INLAY_RELAY_N_RULES; i++)
		sum->resets[i] += r->resets[i];
	for (int i = 0; i < INLAY_N_REASONS; i++)
		sum->reasons[i] += r->reasons[i];
}

/* Of the media that the relay sent, what the forwarder did; in percent. */
static unsigned int share(const struct sim_result *r)
{
	return r->media_bytes ? (unsigned int)(100 * r->fast_bytes / r->media_bytes) : 0;
}

static void print(const struct sim_result *r, __u64 n, double took)
{
	printf("# %llu seeds: %llu connections, %llu objects published, %llu of them by "
	       "two, %llu delivered, %llu datagrams, %llu packets, %.0f simulated s, %.1f s\n# "
	       "resets:",
	       (unsigned long long)n, (unsigned long long)r->connections,
	       (unsigned long long)r->published, (unsigned long long)r->shared,
	       (unsigned long long)r->delivered, (unsigned long long)r->datagrams,
	       (unsigned long long)r->packets, (double)r->time / INLAY_S, took);
	for (int i = 0; i < INLAY_RELAY_N_RULES; i++)
		printf(" %s %llu", inlay_relay_rule_name((enum inlay_relay_rule)i),
		       (unsigned long long)r->resets[i]);
	if (r->compared)
		printf("\n# compared: %llu objects; %llu datagrams with a forwarder, %llu without",
		       (unsigned long long)r->compared, (unsigned long long)r->datagrams,
		       (unsigned long long)r->bare_datagrams);
	printf("\n# forwarded: %u %% of %llu bytes of media, by %llu copies, %llu of them dropped; "
	       "not:",
	       share(r), (unsigned long long)r->media_bytes, (unsigned long long)r->copies,
	       (unsigned long long)r->refused);
	for (__u32 i = 0; i < INLAY_N_REASONS; i++)
		if (r->reasons[i])
			printf(" %s %llu", inlay_reason_name(i), (unsigned long long)r->reasons[i]);
	printf("\n");
	fflush(stdout);
}

/* --- Runs ------------------------------------------------------------------------------------ */

static const char *arguments(const struct sim_options *o)
{
	if (o->steady)
		return " --compare";
	if (o->scarce)
		return " --scarce --forward";
	if (o->ample)
		return o->forward ? " --ample --forward" : " --ample";
	return o->forward > 0 ? " --forward" : o->forward < 0 ? " --no-forward" : "";
}

/* The same twice. */
static struct sim_result run_both(struct sim_tls *tls, __u64 seed, const struct sim_options *o)
{
	struct sim_options with = *o, without = *o;
	struct sim_census a = {0}, b = {0};
	struct sim_result r, bare;
	char text[256];
	__u64 both;

	with.forward = 1;
	without.forward = -1;
	r = sim_seed(seed, tls, &with, &a);
	bare = sim_seed(seed, tls, &without, &b);
	both = sim_census_compare(&a, &b, text, sizeof(text));
	if (!r.failed && bare.failed)
		r = bare;
	if (!r.failed && *text) {
		r.failed = true;
		snprintf(r.failure, sizeof(r.failure), "seed %llu: %s", (unsigned long long)seed,
			 text);
	}
	r.compared = both;
	r.bare_datagrams = bare.datagrams;
	sim_census_fini(&a);
	sim_census_fini(&b);
	return r;
}

struct run {
	__u64 from, count;
	struct sim_options options;
};

/* How many failed; tells of each. */
static unsigned int run(struct sim_tls *tls, const struct run *what, struct sim_result *ret_sum)
{
	static const int signals[] = {SIGABRT, SIGSEGV, SIGFPE, SIGBUS};
	double began = now_s();
	unsigned int failed = 0;
	__u64 seed;

	*ret_sum = (struct sim_result){0};
	/* Instead of cmocka's handlers, which know no seed; sanitizers have better ones. */
	for (size_t i = 0; i < INLAY_ARRAY_SIZE(signals) && !CHECKED; i++)
		signal(signals[i], on_signal);
	for (seed = what->from; seed < what->from + what->count; seed++) {
		struct sim_result r;

		running = seed;
		if (what->options.steady)
			r = run_both(tls, seed, &what->options);
		else
			r = sim_seed(seed, tls, &what->options, NULL);
		add(ret_sum, &r);
		if (!r.failed)
			continue;
		failed++;
		printf("# %s\n# again: sim_test --seed %llu%s --verbose\n", r.failure,
		       (unsigned long long)seed, arguments(&what->options));
		fflush(stdout);
	}
	print(ret_sum, seed - what->from, now_s() - began);
	return failed;
}

/* --- Tests ----------------------------------------------------------------------------------- */

static struct sim_tls *tls;

/* A sample; or the one seed, or the many, that the environment asks for. */
static void run_sample(const struct sim_options *options, __u64 part, struct sim_result *ret_sum)
{
	const char *seed = getenv("INLAY_SEED");
	__u64 count = getenv("INLAY_FULL") ? FULL : CHECKED ? SAMPLE_CHECKED : SAMPLE;
	struct run what = {.from = seed ? strtoull(seed, NULL, 0) : 0,
			   .count = seed ? 1 : count / part,
			   .options = *options};

	assert_int_equal(run(tls, &what, ret_sum), 0);
	/* Whoever has two publishers for a track is looked at, too. */
	assert_true(seed || 100 * ret_sum->shared >= ret_sum->published);
}

static void every_object_is_delivered_or_covered_by_a_reset_of_a_named_rule(void **state)
{
	const struct sim_options options = {0};
	struct sim_result sum;

	run_sample(&options, 1, &sum);
}

static void with_ample_limits_every_object_arrives_whatever_is_lost(void **state)
{
	const struct sim_options options = {.ample = true, .forward = 1};
	struct sim_result sum;

	run_sample(&options, 2, &sum);
	assert_true(getenv("INLAY_SEED") || share(&sum) >= LEAST_SHARE);
}

static void with_hardly_any_shared_state_every_object_arrives(void **state)
{
	const struct sim_options options = {.scarce = true, .forward = 1};
	struct sim_result sum;

	run_sample(&options, 4, &sum);
	assert_true(getenv("INLAY_SEED") || sum.fast_bytes > 0);
}

/* Copies that a position was not sent, and why was counted: of datagrams among them, which are not
 * sent at all then, where a queue would have them wait (design section 5, rule 6). */
static __u64 refusals(const struct sim_result *r)
{
	__u64 n = 0;

	for (int i = INLAY_REASON_POSITION_OFF; i <= INLAY_REASON_COPY_DROPPED; i++)
		n += r->reasons[i];
	return n;
}

static void with_a_forwarder_and_without_one_subscribers_get_the_same(void **state)
{
	const struct sim_options options = {.steady = true};
	struct sim_result sum;

	run_sample(&options, 4, &sum);
	if (getenv("INLAY_SEED"))
		return;
	assert_true(share(&sum) >= LEAST_SHARE);
	/* Some are published in one of the two runs alone, as subscriptions begin a little apart.
	 */
	assert_true(sum.compared > sum.published);
	assert_true(100 * (sum.datagrams + refusals(&sum)) >= 97 * sum.bare_datagrams);
}

static int set_up(void **state)
{
	return sim_tls_new(&tls);
}

static int tear_down(void **state)
{
	sim_tls_free(tls);
	return 0;
}

/* --- The command line ------------------------------------------------------------------------ */

static int usage(void)
{
	fprintf(stderr,
		"usage: sim_test [--seed N | --from N --count M] [--verbose | --packets]\n"
		"                [--ample | --scarce | --compare] [--forward | --no-forward]\n");
	return 2;
}

static bool take_flag(const char *arg, struct sim_options *o)
{
	if (!strcmp(arg, "--verbose"))
		o->verbose = 1;
	else if (!strcmp(arg, "--packets"))
		o->verbose = 2;
	else if (!strcmp(arg, "--forward"))
		o->forward = 1;
	else if (!strcmp(arg, "--no-forward"))
		o->forward = -1;
	else if (!strcmp(arg, "--ample"))
		o->ample = true;
	else if (!strcmp(arg, "--compare"))
		o->steady = true;
	else if (!strcmp(arg, "--scarce"))
		o->scarce = true;
	else
		return false;
	return true;
}

static int run_some(int argc, char **argv)
{
	struct run what = {.count = 1};
	struct sim_result sum;
	unsigned int failed;

	for (int i = 1; i < argc; i++) {
		if (take_flag(argv[i], &what.options))
			continue;
		if (i + 1 == argc)
			return usage();
		if (!strcmp(argv[i], "--seed") || !strcmp(argv[i], "--from"))
			what.from = strtoull(argv[++i], NULL, 0);
		else if (!strcmp(argv[i], "--count"))
			what.count = strtoull(argv[++i], NULL, 0);
		else
			return usage();
	}
	if (sim_tls_new(&tls))
		return 1;
	failed = run(tls, &what, &sum);
	sim_tls_free(tls);
	return failed > 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_object_is_delivered_or_covered_by_a_reset_of_a_named_rule),
		cmocka_unit_test(with_ample_limits_every_object_arrives_whatever_is_lost),
		cmocka_unit_test(with_hardly_any_shared_state_every_object_arrives),
		cmocka_unit_test(with_a_forwarder_and_without_one_subscribers_get_the_same),
	};

	inlay_log_set_level(INLAY_LOG_WARNING);
	return argc > 1 ? run_some(argc, argv) : cmocka_run_group_tests(tests, set_up, tear_down);
}
