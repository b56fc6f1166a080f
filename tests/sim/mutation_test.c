/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Mutants of the forwarder (bpf/forward/mutations.def), each of which breaks one rule of the
 * design's section 5: the simulation has to notice every one, by what arrives or by what was
 * counted, within a few seeds. Each runs in a process of its own: some end in an assertion, or not
 * at all. Who breaks a rule that only threads can tell is caught in tests/race.
 *
 *     mutation_test --mutant NAME [--seed N] [--verbose | --packets]
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log.h"
#include "mutant.h"
#include "sim.h"

#define SEEDS	  200 /* of either sort, at most */
#define WORKERS	  2
#define CPU_LIMIT 60 /* seconds that a mutant may take; more is a mutant caught */

int sim_mutant;

/* As bpf/forward/work.h has them. */
enum inlay_mutant {
	INLAY_MUTANT_NONE = 0,
#define MUTATION(name, text) INLAY_MUTANT_##name,
#include "../../bpf/forward/mutations.def"
#undef MUTATION
	INLAY_N_MUTANTS
};

static const char *const names[] = {
	"none",
#define MUTATION(name, text) #name,
#include "../../bpf/forward/mutations.def"
#undef MUTATION
};

/* Which rule of section 5 each breaks, and who else catches it where the simulation cannot:
 * tests/race, which runs threads in every order, or the vectors of tests/forward. */
static const struct rule {
	int mutant, rule;
	const char *elsewhere;
} rules[] = {
#define R(name, rule)                                                                              \
	{                                                                                          \
		INLAY_MUTANT_##name, rule, NULL                                                    \
	}
#define E(name, rule, where)                                                                       \
	{                                                                                          \
		INLAY_MUTANT_##name, rule, where                                                   \
	}
	R(NUMBER_FIRST, 1),
	R(NO_LOG_LIMIT, 1),
	R(DATAGRAM_STREAM, 1),
	E(NO_PUBLICATION, 1, "race"),
	R(NO_STREAM_LIMIT, 2),
	R(NO_STREAMS_LIMIT, 2),
	R(NO_FLOW_LIMIT, 2),
	R(NO_GAP_CHARGE, 2),
	R(NO_FLOW_UNDO, 2),
	R(NO_WINDOW_LIMIT, 2),
	R(NO_WINDOW_UNDO, 2),
	E(CLASS_OFF_BY_ONE, 2, "vectors"),
	R(DATAGRAM_SIZE, 2),
	R(NO_JOURNAL, 3),
	R(NO_OVERRUN, 3),
	E(NO_OWNER, 3, "race"),
	E(VERDICT_EARLY, 3, "race"),
	R(ATTACH_MID_STREAM, 4),
	R(SEEN_IGNORED, 4),
	R(WRONG_SHIFT, 4),
	R(PUBLISHERS_ALIAS, 4),
	R(ALIAS_OF_FIRST, 4),
	R(OLD_FORWARDED, 4),
	R(FIN_INSIDE, 4),
	E(PAST_FINAL, 4, "vectors"), /* no publisher of ours can */
	R(PAST_MALFORMED, 4),
	R(NO_PROPERTIES, 4),
	R(GAP_OVER_HEADER, 4),
	R(NO_ACCUMULATOR, 4),
	R(FIN_DROPPED, 4),
	E(HIGHEST_EARLY, 4, "race"),
	R(IGNORE_FILTER, 5),
	E(NO_SINCE, 5, "race"),
	R(NO_DETACH, 6),
	R(DETACH_LATE, 6),
	E(OFFER_EARLY, 6, "vectors"),
	R(RECALL_IGNORED, 7),
	R(IGNORE_OFF, 7),
	E(STALE_SUBSCRIBER, 7, "vectors"), /* entries outlive their positions */
	E(NO_EPOCH, 7, "race"),
	R(NO_PATH_MTU, 9),
	R(IGNORE_GRANT, 11),
#undef R
#undef E
};

static const struct rule *rule_of(int mutant)
{
	for (size_t i = 0; i < INLAY_ARRAY_SIZE(rules); i++)
		if (rules[i].mutant == mutant)
			return &rules[i];
	return NULL;
}

/* --- One mutant ------------------------------------------------------------------------------- */

/* True: a rule was broken, and it tells which. */
static bool run(__u64 seed, struct sim_tls *tls, const struct sim_options *options)
{
	struct sim_result r = sim_seed(seed, tls, options, NULL);

	if (r.failed)
		printf("%s%s\n", r.failure,
		       options->ample	 ? " (--ample)"
		       : options->scarce ? " (--scarce)"
					 : "");
	return r.failed;
}

static const struct sim_options ample = {.ample = true, .forward = 1}, drawn = {.forward = 1},
				scarce = {.scarce = true, .forward = 1};

/* In a process of its own. */
static void hunt(int mutant)
{
	const struct rlimit cpu = {CPU_LIMIT, CPU_LIMIT}, core = {0, 0};
	bool caught = false;
	struct sim_tls *tls;

	setrlimit(RLIMIT_CPU, &cpu);
	setrlimit(RLIMIT_CORE, &core);
	sim_mutant = mutant;
	if (sim_tls_new(&tls))
		abort();
	for (__u64 seed = 0; seed < SEEDS && !caught; seed++)
		caught =
			run(seed, tls, &ample) || run(seed, tls, &drawn) || run(seed, tls, &scarce);
	sim_tls_free(tls);
	fflush(stdout);
	_exit(caught);
}

struct hunted {
	pid_t pid;
	int mutant, fd;
};

static void begin(struct hunted *h, int mutant)
{
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	fflush(NULL);
	h->pid = fork();
	assert_true(h->pid >= 0);
	if (h->pid == 0) {
		dup2(ends[1], STDOUT_FILENO);
		dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
		close(ends[0]);
		close(ends[1]);
		for (int i = 1; i < NSIG; i++)
			signal(i, SIG_DFL);
		hunt(mutant);
	}
	close(ends[1]);
	h->mutant = mutant;
	h->fd = ends[0];
}

/* True: it was caught. */
static bool end(struct hunted *h)
{
	const struct rule *rule = rule_of(h->mutant);
	char text[512] = "";
	bool caught;
	ssize_t n;
	int status;

	n = read(h->fd, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = 0;
	text[strcspn(text, "\n")] = 0;
	close(h->fd);
	assert_int_equal(waitpid(h->pid, &status, 0), h->pid);
	h->pid = 0;
	caught = !WIFEXITED(status) || WEXITSTATUS(status) != 0;
	if (!WIFEXITED(status))
		snprintf(text, sizeof(text), "signal %d", WTERMSIG(status));
	printf("# %s, rule %d: %s\n", names[h->mutant], rule ? rule->rule : -1,
	       caught ? text : "NOT CAUGHT");
	fflush(stdout);
	return caught;
}

/* --- All -------------------------------------------------------------------------------------- */

static void every_mutant_has_its_rule(void **state)
{
	for (int i = 1; i < INLAY_N_MUTANTS; i++)
		if (!rule_of(i))
			fail_msg("%s breaks no rule in this list", names[i]);
}

static void the_forwarder_as_it_is_passes_where_mutants_fail(void **state)
{
	bool failed = false;
	struct sim_tls *tls;

	sim_mutant = INLAY_MUTANT_NONE;
	assert_int_equal(sim_tls_new(&tls), 0);
	for (__u64 seed = 0; seed < SEEDS; seed++)
		failed |=
			run(seed, tls, &ample) || run(seed, tls, &drawn) || run(seed, tls, &scarce);
	sim_tls_free(tls);
	assert_false(failed);
}

static void every_mutant_is_caught(void **state)
{
	struct hunted workers[WORKERS] = {0};
	int survivors = 0, at = 0;

	for (int i = 1; i < INLAY_N_MUTANTS; i++) {
		if (!rule_of(i) || rule_of(i)->elsewhere)
			continue;
		if (workers[at].pid)
			survivors += !end(&workers[at]);
		begin(&workers[at], i);
		at = (at + 1) % WORKERS;
	}
	for (int i = 0; i < WORKERS; i++)
		if (workers[i].pid)
			survivors += !end(&workers[i]);
	assert_int_equal(survivors, 0);
}

/* --- The command line ------------------------------------------------------------------------- */

static int run_one(int argc, char **argv)
{
	struct sim_options options = {.forward = 1};
	const char *name = NULL, *seed = NULL;
	struct sim_tls *tls;
	bool failed;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--verbose"))
			options.verbose = 1;
		else if (!strcmp(argv[i], "--packets"))
			options.verbose = 2;
		else if (!strcmp(argv[i], "--ample"))
			options.ample = true;
		else if (!strcmp(argv[i], "--scarce"))
			options.scarce = true;
		else if (!strcmp(argv[i], "--mutant") && i + 1 < argc)
			name = argv[++i];
		else if (!strcmp(argv[i], "--seed") && i + 1 < argc)
			seed = argv[++i];
	}
	for (int i = 0; name && i < INLAY_N_MUTANTS; i++)
		if (!strcmp(name, names[i]))
			sim_mutant = i;
	if (!sim_mutant) {
		fprintf(stderr,
			"usage: mutation_test --mutant NAME [--seed N] [--ample | --scarce] "
			"[--verbose | --packets]\n");
		return 2;
	}
	if (!seed)
		hunt(sim_mutant);
	if (sim_tls_new(&tls))
		return 1;
	failed = run(strtoull(seed, NULL, 0), tls, &options);
	sim_tls_free(tls);
	return failed;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_mutant_has_its_rule),
		cmocka_unit_test(the_forwarder_as_it_is_passes_where_mutants_fail),
		cmocka_unit_test(every_mutant_is_caught),
	};

	inlay_log_set_level(INLAY_LOG_ERROR);
	return argc > 1 ? run_one(argc, argv) : cmocka_run_group_tests(tests, NULL, NULL);
}
