/* SPDX-License-Identifier: BSD-2-Clause */
/* The report as JUnit's XML for a CI, and as a page of HTML for a person. */
#include "conform.h"

/* Text and attribute values of XML and HTML; what XML cannot carry becomes a blank. */
static void put_escaped(const char *text, FILE *out)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '<')
			fputs("&lt;", out);
		else if (c == '>')
			fputs("&gt;", out);
		else if (c == '&')
			fputs("&amp;", out);
		else if (c == '"')
			fputs("&quot;", out);
		else
			fputc(c < ' ' && c != '\n' && c != '\t' ? ' ' : c, out);
	}
}

static void put_attribute(const char *name, const char *value, FILE *out)
{
	fprintf(out, " %s=\"", name);
	put_escaped(value, out);
	fputc('"', out);
}

static void put_element(const char *name, const char *text, FILE *out)
{
	fprintf(out, "<%s>", name);
	put_escaped(text, out);
	fprintf(out, "</%s>", name);
}

/* --- JUnit ------------------------------------------------------------------------------------ */

static void junit_case(const struct conform_outcome *o, FILE *out)
{
	fputs("    <testcase", out);
	put_attribute("classname", o->suite->name, out);
	put_attribute("name", o->c.name, out);
	fprintf(out, " time=\"%.3f\"", o->seconds);
	if (o->verdict == CONFORM_PASSED) {
		fputs("/>\n", out);
		return;
	}
	fputs(o->verdict == CONFORM_FAILED ? "><failure" : "><skipped", out);
	put_attribute("message", o->verdict == CONFORM_FAILED ? o->c.text : o->why, out);
	if (o->verdict == CONFORM_FAILED) {
		fputc('>', out);
		put_escaped(o->why, out);
		fputs("</failure></testcase>\n", out);
	} else {
		fputs("/></testcase>\n", out);
	}
}

static void junit_end(const struct conform_report *report, FILE *out)
{
	fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites", out);
	put_attribute("name", report->target->title, out);
	fputs(">\n", out);
	for (size_t i = 0; i < report->n_suites; i++) {
		const struct conform_suite *suite = report->suites[i];
		const char *limits = suite->limits ? suite->limits(report->target) : NULL;
		size_t failed = conform_count(report, suite, CONFORM_FAILED);
		size_t skipped = conform_count(report, suite, CONFORM_SKIPPED);

		fputs("  <testsuite", out);
		put_attribute("name", suite->name, out);
		fprintf(out, " tests=\"%zu\" failures=\"%zu\" skipped=\"%zu\"",
			conform_count(report, suite, CONFORM_PASSED) + failed + skipped, failed,
			skipped);
		put_attribute("timestamp", report->when, out);
		fputs(">\n    <properties>\n      <property name=\"kernel\"", out);
		put_attribute("value", report->kernel, out);
		if (limits) {
			fputs("/>\n      <property name=\"not proved\"", out);
			put_attribute("value", limits, out);
		}
		fputs("/>\n    </properties>\n", out);
		for (size_t j = 0; j < report->n; j++)
			if (report->outcomes[j].suite == suite)
				junit_case(&report->outcomes[j], out);
		fputs("  </testsuite>\n", out);
	}
	fputs("</testsuites>\n", out);
}

/* --- HTML ------------------------------------------------------------------------------------- */

static const char style[] =
	"body{font:15px/1.5 sans-serif;margin:2em auto;max-width:70em;padding:0 1em}"
	"table{border-collapse:collapse;width:100%}"
	"td,th{border-bottom:1px solid #ccc;padding:.3em .6em;text-align:left;"
	"vertical-align:top}"
	"td:first-child{white-space:nowrap}pre{white-space:pre-wrap;margin:0}"
	".passed{color:#186a1b}.failed{color:#a40000;font-weight:bold}"
	".skipped{color:#666}";

static const char *const words[] = {
	[CONFORM_PASSED] = "passed",
	[CONFORM_FAILED] = "failed",
	[CONFORM_SKIPPED] = "skipped",
};

static void html_rows(const struct conform_report *report, const struct conform_suite *suite,
		      enum conform_verdict verdict, FILE *out)
{
	for (size_t i = 0; i < report->n; i++) {
		const struct conform_outcome *o = &report->outcomes[i];

		if (o->suite != suite || o->verdict != verdict)
			continue;
		fprintf(out, "<tr><td class=\"%s\">%s</td>", words[verdict], words[verdict]);
		put_element("td", o->c.name, out);
		fputs("<td>", out);
		put_escaped(o->c.text, out);
		if (o->why[0])
			put_element("pre", o->why, out);
		fputs("</td></tr>\n", out);
	}
}

static void html_suite(const struct conform_report *report, const struct conform_suite *suite,
		       FILE *out)
{
	const char *limits = suite->limits ? suite->limits(report->target) : NULL;

	put_element("h2", suite->name, out);
	put_element("p", suite->text, out);
	if (limits) {
		fputs("<p><b>What this does not prove:</b> ", out);
		put_escaped(limits, out);
		fputs(".</p>\n", out);
	}
	fprintf(out, "<p>%zu passed, %zu failed, %zu skipped.</p>\n",
		conform_count(report, suite, CONFORM_PASSED),
		conform_count(report, suite, CONFORM_FAILED),
		conform_count(report, suite, CONFORM_SKIPPED));
	fputs("<table><tr><th>verdict</th><th>case</th><th>what must hold</th></tr>\n", out);
	html_rows(report, suite, CONFORM_FAILED, out);
	html_rows(report, suite, CONFORM_SKIPPED, out);
	html_rows(report, suite, CONFORM_PASSED, out);
	fputs("</table>\n", out);
}

static void html_end(const struct conform_report *report, FILE *out)
{
	fprintf(out,
		"<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
		"<title>inlay-conform</title><style>%s</style></head><body>\n",
		style);
	put_element("h1", report->target->title, out);
	fprintf(out, "<p class=\"%s\">%s</p>\n", conform_good(report) ? "passed" : "failed",
		conform_good(report) ? "Conforms, as far as its claims go."
				     : "Does not conform: see what failed.");
	fputs("<p>inlay-conform " INLAY_VERSION ", ", out);
	put_escaped(report->kernel, out);
	fputs(", ", out);
	put_escaped(report->when, out);
	fputs("</p>\n", out);
	for (size_t i = 0; i < report->n_suites; i++)
		html_suite(report, report->suites[i], out);
	fputs("</body></html>\n", out);
}

const struct conform_format conform_junit = {.name = "junit", .end = junit_end};
const struct conform_format conform_html = {.name = "html", .end = html_end};
