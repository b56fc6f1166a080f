/* SPDX-License-Identifier: BSD-2-Clause */
/* The report as TAP, line by line while the cases run. */
#include <string.h>

#include "conform.h"

static void begin(const struct conform_report *report, FILE *out)
{
	fprintf(out, "TAP version 13\n# inlay-conform %s: %s\n# %s, %s\n", INLAY_VERSION,
		report->target->title, report->kernel, report->when);
	fflush(out);
}

/* A reason's lines, as comments; of a name's line the first only. */
static void put_lines(const char *text, FILE *out)
{
	while (*text) {
		size_t n = strcspn(text, "\n");

		fprintf(out, "#   %.*s\n", (int)n, text);
		text += n + (text[n] == '\n');
	}
}

static void outcome(const struct conform_report *report, const struct conform_outcome *o, FILE *out)
{
	fprintf(out, "%s %zu - %s: %s", o->verdict == CONFORM_FAILED ? "not ok" : "ok", report->n,
		o->suite->name, o->c.name);
	if (o->verdict == CONFORM_SKIPPED)
		fprintf(out, " # SKIP %.*s", (int)strcspn(o->why, "\n"), o->why);
	fputc('\n', out);
	if (o->verdict == CONFORM_FAILED) {
		fprintf(out, "#   should hold: %s\n", o->c.text);
		put_lines(o->why, out);
	} else if (o->verdict == CONFORM_PASSED) {
		put_lines(o->why, out);
	}
	fflush(out);
}

static void end(const struct conform_report *report, FILE *out)
{
	fprintf(out, "1..%zu\n", report->n);
	for (size_t i = 0; i < report->n_suites; i++) {
		const struct conform_suite *suite = report->suites[i];
		const char *limits = suite->limits ? suite->limits(report->target) : NULL;

		fprintf(out, "# %s: %zu passed, %zu failed, %zu skipped\n", suite->name,
			conform_count(report, suite, CONFORM_PASSED),
			conform_count(report, suite, CONFORM_FAILED),
			conform_count(report, suite, CONFORM_SKIPPED));
		if (limits)
			fprintf(out, "#   not proved: %s\n", limits);
	}
}

const struct conform_format conform_tap = {"tap", begin, outcome, end};
