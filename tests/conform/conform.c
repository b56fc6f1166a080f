/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs suites: each case in a process of its own, bounded in time. */
#include "conform.h"

#include <errno.h>
#include <fnmatch.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CHILD_PASSED = 0, CHILD_FAILED = 1, CHILD_SKIPPED = 77 };

static double now_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* In the case's own process: the reason to |fd|, the verdict as the exit code. */
__attribute__((noreturn)) static void run_child(const struct conform_target *target,
						const struct conform_outcome *outcome, int fd)
{
	struct conform_env env = {.target = target};
	char why[CONFORM_WHY + 512];
	size_t n, done = 0;
	int verdict;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	verdict = outcome->suite->run(&env, &outcome->c);
	if (verdict < 0 && env.failed_what)
		snprintf(why, sizeof(why), "%s: %s%s%s", env.failed_at, env.failed_what,
			 env.detail[0] ? "; " : "", env.detail);
	else
		snprintf(why, sizeof(why), "%s", env.detail);
	for (n = strlen(why); done < n;) {
		ssize_t written = write(fd, why + done, n - done);

		if (written <= 0)
			break;
		done += (size_t)written;
	}
	_exit(!verdict ? CHILD_PASSED : verdict < 0 ? CHILD_FAILED : CHILD_SKIPPED);
}

/* What the child writes, until it ends. False: time is up. */
static bool read_why(int fd, double deadline, char why[CONFORM_WHY])
{
	size_t at = 0;

	for (;;) {
		struct pollfd ready = {.fd = fd, .events = POLLIN};
		double left = deadline - now_seconds();
		ssize_t n;

		if (left <= 0 || poll(&ready, 1, (int)(left * 1000) + 1) == 0)
			return false;
		n = read(fd, why + at, CONFORM_WHY - 1 - at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		at += (size_t)n;
		if (at == CONFORM_WHY - 1)
			break;
	}
	why[at] = 0;
	return true;
}

static void run_apart(const struct conform_target *target, struct conform_outcome *outcome)
{
	int ends[2], status = 0;
	bool in_time;
	pid_t child;

	outcome->verdict = CONFORM_FAILED;
	snprintf(outcome->why, sizeof(outcome->why), "no process for it: %s", strerror(errno));
	if (pipe(ends))
		return;
	fflush(NULL);
	child = fork();
	if (child == 0) {
		close(ends[0]);
		run_child(target, outcome, ends[1]);
	}
	close(ends[1]);
	if (child > 0) {
		in_time = read_why(ends[0], now_seconds() + target->seconds, outcome->why);
		if (!in_time)
			kill(child, SIGKILL);
		while (waitpid(child, &status, 0) < 0 && errno == EINTR)
			;
		if (!in_time)
			snprintf(outcome->why, sizeof(outcome->why), "did not end within %u s",
				 target->seconds);
		else if (WIFSIGNALED(status))
			snprintf(outcome->why, sizeof(outcome->why), "the device crashed it: %s",
				 strsignal(WTERMSIG(status)));
		else if (WEXITSTATUS(status) == CHILD_PASSED)
			outcome->verdict = CONFORM_PASSED;
		else if (WEXITSTATUS(status) == CHILD_SKIPPED)
			outcome->verdict = CONFORM_SKIPPED;
	}
	close(ends[0]);
}

/* Why |target| cannot be asked to; NULL: it claims all that the case needs. */
static const char *lack_of(const struct conform_suite *suite, const struct conform_target *target,
			   const struct conform_case *c)
{
	for (size_t i = 0; i < suite->n_needs; i++) {
		const char *lack =
			c->needs & suite->needs[i].bit ? suite->needs[i].lacks(target) : NULL;

		if (lack)
			return lack;
	}
	return NULL;
}

static struct conform_outcome *add_outcome(struct conform_report *report)
{
	if (report->n == report->room) {
		size_t room = report->room ? report->room * 2 : 256;
		void *bigger = realloc(report->outcomes, room * sizeof(*report->outcomes));

		if (!bigger)
			return NULL;
		report->outcomes = bigger;
		report->room = room;
	}
	memset(&report->outcomes[report->n], 0, sizeof(*report->outcomes));
	return &report->outcomes[report->n++];
}

/* A failure of the suite as a whole, told as a case. */
static bool add_failure(struct conform_report *report, const struct conform_suite *suite,
			const char *name, const char *text, const char *why,
			const struct conform_format *format, FILE *out)
{
	struct conform_outcome *outcome = add_outcome(report);

	if (!outcome)
		return false;
	outcome->suite = suite;
	outcome->verdict = CONFORM_FAILED;
	outcome->c.text = text;
	snprintf(outcome->c.name, sizeof(outcome->c.name), "%s", name);
	snprintf(outcome->why, sizeof(outcome->why), "%s", why);
	if (format->outcome)
		format->outcome(report, outcome, out);
	return true;
}

static bool run_case(struct conform_report *report, const struct conform_target *target,
		     const struct conform_suite *suite, const struct conform_case *c,
		     const struct conform_format *format, FILE *out)
{
	struct conform_outcome *outcome = add_outcome(report);
	double begun = now_seconds();
	const char *lack;

	if (!outcome)
		return false;
	outcome->suite = suite;
	outcome->c = *c;
	lack = lack_of(suite, target, c);
	if (lack) {
		outcome->verdict = CONFORM_SKIPPED;
		snprintf(outcome->why, sizeof(outcome->why), "%s", lack);
	} else {
		run_apart(target, outcome);
		if (suite->clean)
			suite->clean(target);
	}
	outcome->seconds = now_seconds() - begun;
	if (format->outcome)
		format->outcome(report, outcome, out);
	return true;
}

bool conform_run(struct conform_report *report, struct conform_target *target,
		 const struct conform_suite *suite, const char *filter,
		 const struct conform_format *format, FILE *out)
{
	char why[CONFORM_WHY] = "";
	struct conform_case c;

	report->suites[report->n_suites++] = suite;
	if (suite->open && suite->open(target, why))
		return add_failure(report, suite, "open", "the suite can begin", why, format, out);
	for (size_t i = 0, n = suite->count(); i < n; i++) {
		c = (struct conform_case){0};
		suite->describe(i, &c);
		if (filter && fnmatch(filter, c.name, 0))
			continue;
		if (!run_case(report, target, suite, &c, format, out))
			return false;
		if (suite->is_gone && report->outcomes[report->n - 1].verdict == CONFORM_FAILED &&
		    suite->is_gone(target))
			return add_failure(report, suite, "device_stays", "the device is there",
					   "the device went: the rest of the suite was not run",
					   format, out);
	}
	if (conform_count(report, suite, CONFORM_PASSED) ||
	    conform_count(report, suite, CONFORM_FAILED))
		return true;
	return add_failure(report, suite, "something_ran", "not every case was skipped",
			   filter ? "no case ran: the filter matches none that can be run"
				  : "no case ran: the device claims nothing that this suite tests",
			   format, out);
}

size_t conform_count(const struct conform_report *report, const struct conform_suite *suite,
		     enum conform_verdict verdict)
{
	size_t n = 0;

	for (size_t i = 0; i < report->n; i++)
		n += (!suite || report->outcomes[i].suite == suite) &&
		     report->outcomes[i].verdict == verdict;
	return n;
}

bool conform_good(const struct conform_report *report)
{
	return conform_count(report, NULL, CONFORM_PASSED) &&
	       !conform_count(report, NULL, CONFORM_FAILED);
}
