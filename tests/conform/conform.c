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

#include "probe.h"

static double now_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* --- Processes -------------------------------------------------------------------------------- */

/* The answer, whole, and nothing else: a device that ends the process has given none. */
__attribute__((noreturn)) static void answer(size_t (*body)(void *user, char text[CONFORM_ANSWER]),
					     void *user, int fd)
{
	char text[CONFORM_ANSWER];
	size_t n, done = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setpgid(0, 0);
	n = body(user, text);
	while (done < n) {
		ssize_t written = write(fd, text + done, n - done);

		if (written <= 0)
			_exit(1);
		done += (size_t)written;
	}
	_exit(0);
}

/* What the child writes, until it closes. False: time is up. */
static bool read_answer(int fd, double deadline, char *ret, size_t *ret_len)
{
	while (*ret_len < CONFORM_ANSWER) {
		struct pollfd ready = {.fd = fd, .events = POLLIN};
		double left = deadline - now_seconds();
		ssize_t n;

		if (left <= 0 || poll(&ready, 1, (int)(left * 1000) + 1) == 0)
			return false;
		n = read(fd, ret + *ret_len, CONFORM_ANSWER - *ret_len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		*ret_len += (size_t)n;
	}
	return true;
}

/* Who has closed its end may go on for ever. It stays a zombie, so that its group is its own. */
static bool has_ended(pid_t child, double deadline)
{
	const struct timespec nap = {.tv_nsec = 1000 * 1000};

	for (;;) {
		siginfo_t info = {0};

		if (waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG | WNOWAIT) ||
		    info.si_pid == child)
			return true;
		if (now_seconds() > deadline)
			return false;
		nanosleep(&nap, NULL);
	}
}

bool conform_apart(unsigned int seconds, size_t (*body)(void *user, char text[CONFORM_ANSWER]),
		   void *user, char ret[CONFORM_ANSWER], size_t *ret_len, char why[CONFORM_WHY])
{
	double deadline = now_seconds() + seconds;
	int ends[2], status = 0;
	bool in_time;
	pid_t child;

	*ret_len = 0;
	snprintf(why, CONFORM_WHY, "no process for it: %s", strerror(errno));
	if (pipe(ends))
		return false;
	fflush(NULL);
	child = fork();
	if (child == 0) {
		close(ends[0]);
		answer(body, user, ends[1]);
	}
	close(ends[1]);
	in_time = child > 0 && read_answer(ends[0], deadline, ret, ret_len) &&
		  has_ended(child, deadline);
	close(ends[0]);
	if (child < 0)
		return false;
	kill(child, SIGKILL);
	kill(-child, SIGKILL); /* and whom it has left behind */
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (!in_time)
		snprintf(why, CONFORM_WHY, "did not end within %u s", seconds);
	else if (WIFSIGNALED(status))
		snprintf(why, CONFORM_WHY, "the device crashed it: %s",
			 strsignal(WTERMSIG(status)));
	else if (!*ret_len || WEXITSTATUS(status))
		snprintf(why, CONFORM_WHY, "the device ended its process (exit code %d)",
			 WEXITSTATUS(status));
	else
		return true;
	return false;
}

/* --- Cases ------------------------------------------------------------------------------------ */

struct run {
	const struct conform_target *target;
	const struct conform_outcome *outcome;
};

/* The verdict, and the reason behind it. */
static size_t run_body(void *user, char text[CONFORM_ANSWER])
{
	const struct run *run = user;
	struct conform_env env = {.target = run->target};
	int verdict = run->outcome->suite->run(&env, &run->outcome->c);

	text[0] = (char)(!verdict      ? CONFORM_PASSED
			 : verdict < 0 ? CONFORM_FAILED
				       : CONFORM_SKIPPED);
	if (verdict < 0 && env.failed_what)
		snprintf(text + 1, CONFORM_WHY, "%s: %s%s%.800s", env.failed_at, env.failed_what,
			 env.detail[0] ? "; " : "", env.detail);
	else
		snprintf(text + 1, CONFORM_WHY, "%s", env.detail);
	return 1 + strlen(text + 1);
}

static void run_apart(const struct conform_target *target, struct conform_outcome *outcome)
{
	struct run run = {target, outcome};
	char text[CONFORM_ANSWER];
	size_t len;

	outcome->verdict = CONFORM_FAILED;
	if (conform_apart(target->seconds, run_body, &run, text, &len, outcome->why)) {
		outcome->verdict = (enum conform_verdict)text[0];
		snprintf(outcome->why, sizeof(outcome->why), "%.*s", (int)len - 1, text + 1);
	}
	inlay_nic_make_printable(outcome->why);
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
	inlay_nic_make_printable(outcome->why);
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
