/* SPDX-License-Identifier: BSD-2-Clause */
/* The report as JSON, in one piece when all is done. */
#include <jansson.h>

#include "conform.h"

static const char *const verdicts[] = {
	[CONFORM_PASSED] = "passed",
	[CONFORM_FAILED] = "failed",
	[CONFORM_SKIPPED] = "skipped",
};

static json_t *case_json(const struct conform_outcome *o)
{
	json_t *c = json_pack("{s:s, s:s, s:s, s:f}", "name", o->c.name, "must_hold", o->c.text,
			      "verdict", verdicts[o->verdict], "seconds", o->seconds);

	if (o->why[0])
		json_object_set_new(c, "why", json_string(o->why));
	return c;
}

static json_t *suite_json(const struct conform_report *report, const struct conform_suite *suite)
{
	const char *limits = suite->limits ? suite->limits(report->target) : NULL;
	json_t *cases = json_array();

	for (size_t i = 0; i < report->n; i++)
		if (report->outcomes[i].suite == suite)
			json_array_append_new(cases, case_json(&report->outcomes[i]));
	return json_pack("{s:s, s:s, s:s?, s:i, s:i, s:i, s:o}", "name", suite->name, "tests",
			 suite->text, "not_proved", limits, "passed",
			 (int)conform_count(report, suite, CONFORM_PASSED), "failed",
			 (int)conform_count(report, suite, CONFORM_FAILED), "skipped",
			 (int)conform_count(report, suite, CONFORM_SKIPPED), "cases", cases);
}

static void end(const struct conform_report *report, FILE *out)
{
	json_t *suites = json_array(), *root;

	for (size_t i = 0; i < report->n_suites; i++)
		json_array_append_new(suites, suite_json(report, report->suites[i]));
	root = json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:o}", "program", "inlay-conform",
			 "version", INLAY_VERSION, "device", report->target->title, "kernel",
			 report->kernel, "when", report->when, "good", conform_good(report),
			 "suites", suites);
	json_dumpf(root, out, JSON_INDENT(2));
	fputc('\n', out);
	json_decref(root);
}

const struct conform_format conform_json = {.name = "json", .end = end};
