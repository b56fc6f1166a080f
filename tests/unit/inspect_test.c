/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The lines that inlayctl makes of tracks and counters, and the list of reasons that they come
 * from. tests/net/relay_test.py asks a living daemon.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "counters_view.h"
#include "inlay_reasons.h"
#include "tracks_view.h"

static char *text;
static size_t len;

static FILE *open_text(void)
{
	free(text);
	text = NULL;
	return open_memstream(&text, &len);
}

static const char counters[] =
	"{\"reasons\": ["
	"{\"reason\": \"NO_SA\", \"text\": \"no such thing\", \"advice\": \"Nothing.\", "
	"\"data_thread\": 2, \"endpoint\": 1, \"total\": 3},"
	"{\"reason\": \"RUNT\", \"text\": \"too short\", \"advice\": \"Nothing.\", "
	"\"data_thread\": 0, \"endpoint\": 0, \"total\": 0}],"
	"\"stream_resets\": [{\"rule\": \"behind\", \"text\": \"max_streams\", \"count\": 7}, "
	"{\"rule\": \"policy\", \"text\": \"late\", \"count\": 0}]}";

static void counters_that_are_zero_are_hidden_unless_asked_for(void **state)
{
	json_t *answer = json_loads(counters, 0, NULL);
	FILE *f = open_text();

	assert_non_null(answer);
	inlay_counters_print(f, answer, false);
	fclose(f);
	assert_string_equal(
		text, "       COUNT  REASON             MEANING (WHERE)\n"
		      "           3  NO_SA              no such thing (data_thread 2, endpoint 1)\n"
		      "     STREAMS  RESET BY RULE      MEANING\n"
		      "           7  behind             max_streams\n");
	f = open_text();
	inlay_counters_print(f, answer, true);
	fclose(f);
	assert_non_null(strstr(text, "           0  RUNT               too short\n"));
	assert_non_null(strstr(text, "           0  policy             late\n"));
	json_decref(answer);
}

static void no_counts_at_all_are_said_to_be_none(void **state)
{
	json_t *answer = json_loads("{\"reasons\": [], \"stream_resets\": []}", 0, NULL);
	FILE *f = open_text();

	inlay_counters_print(f, answer, false);
	fclose(f);
	assert_string_equal(text, "nothing was dropped, declined or reset\n");
	json_decref(answer);
}

static void a_track_is_a_line(void **state)
{
	json_t *list = json_loads(
		"[{\"number\": 4, \"name\": \"live-demo--video\", \"state\": \"live\", "
		"\"publishers\": [{\"connection\": 3, \"established\": true, \"fast\": true}, "
		"{\"connection\": 17, \"established\": false}], \"subscribers\": 250, "
		"\"fast\": true, \"fast_subscribers\": 248, \"slots\": 6, "
		"\"cache_bytes\": 1234567, \"cache_groups\": 12, \"largest_group\": 99, "
		"\"largest_object\": 3}, {\"number\": 5, \"name\": \"a--b\", \"state\": \"idle\", "
		"\"publishers\": [], \"subscribers\": 1, \"cache_bytes\": 0, \"cache_groups\": 0}]",
		0, NULL);
	FILE *f = open_text();
	const char *line;

	assert_non_null(list);
	inlay_tracks_print(f, list);
	fclose(f);
	line = strchr(text, '\n') + 1;
	assert_non_null(strstr(line, "live-demo--video\n"));
	assert_non_null(strstr(line, " 3*,17? "));
	assert_non_null(strstr(line, " 99/3 "));
	assert_non_null(strstr(line, "   250   248     6 "));
	assert_non_null(strstr(line, "     1     -     0 "));
	assert_int_equal(strstr(line, " 248 ") + 4 - line, strstr(text, "FAST") + 4 - text);
	assert_non_null(strstr(line, " 1.2M "));
	assert_non_null(strstr(line, "     5 idle       - "));
	/* Titles stand over their columns. */
	assert_int_equal(strstr(line, "live-demo") - line, strstr(text, "NAME") - text);
	assert_int_equal(strstr(line, " 99/3") + 5 - line, strstr(text, "LARGEST") + 7 - text);
	assert_int_equal(strstr(line, " 3*,17?") + 1 - line, strstr(text, "PUBS") - text);
	json_decref(list);
}

static const char fast[] =
	"{\"track\": {\"number\": 4, \"name\": \"a--b\", \"state\": \"live\", \"subscribers\": 3, "
	"\"fast_subscribers\": 2}, \"subscribers\": [{\"connection\": 7, \"remote\": \"[::1]:5\", "
	"\"request\": 2, \"state\": \"active\", \"fast\": true, \"copies\": 99, \"streams_lent\": "
	"1, "
	"\"last_detached\": {\"reason\": \"NO_WINDOW\", \"text\": \"no window\", \"advice\": "
	"\"Wait.\"}, "
	"\"streams\": [{\"group\": 5, \"subgroup\": 0, \"state\": \"open\", \"leg\": \"attached\", "
	"\"stream\": 3, \"attached_at\": 0, \"arrived_bytes\": 4000}, {\"group\": 4, \"subgroup\": "
	"0, "
	"\"state\": \"open\", \"leg\": \"detached\", \"stream\": 2, \"attached_at\": 0, "
	"\"detached_at\": 1200, \"arrived_bytes\": 9000, \"detached\": {\"reason\": \"NO_WINDOW\", "
	"\"text\": \"no window\", \"advice\": \"Wait.\"}}, {\"state\": \"pending\", \"leg\": "
	"\"none\", \"arrived_bytes\": 10}]}]}";

static void a_fast_subscriber_is_told_of_stream_by_stream(void **state)
{
	json_t *answer = json_loads(fast, 0, NULL);
	FILE *f = open_text();

	assert_non_null(answer);
	inlay_tracks_print_why(f, answer);
	fclose(f);
	json_decref(answer);
	assert_string_equal(
		text,
		"track         a--b (number 4): live, 2 of 3 subscribers served fast\n"
		"subscriber    connection 7, [::1]:5, request 2, active\n"
		"served fast   yes: 99 copies so far, and 1 of 3 streams now\n"
		"last detached NO_WINDOW: no window\n"
		"              Wait.\n"
		"     GROUP SUBGROUP STATE    LEG       STREAM   ARRIVED ATTACHED DETACHED REASON\n"
		"         5        0 open     attached       3      4000        0        - -\n"
		"         4        0 open     detached       2      9000        0     1200 "
		"NO_WINDOW\n"
		"         -        - pending  none           -        10        -        - -\n");
}

static void who_is_not_fast_is_told_why_and_what_to_do(void **state)
{
	json_t *answer = json_loads(
		"{\"track\": {\"number\": 4, \"name\": \"a--b\", \"state\": \"live\", "
		"\"subscribers\": 1, \"fast_subscribers\": 0}, \"subscribers\": [{\"connection\": "
		"7, "
		"\"remote\": \"x\", \"request\": 0, \"state\": \"active\", \"fast\": false, "
		"\"why_not\": {\"reason\": \"MTU_NOT_VALIDATED\", \"text\": \"path MTU\", "
		"\"advice\": "
		"\"Lower it.\"}, \"streams\": []}]}",
		0, NULL);
	FILE *f = open_text();

	assert_non_null(answer);
	inlay_tracks_print_why(f, answer);
	fclose(f);
	json_decref(answer);
	assert_non_null(strstr(text, "not fast      MTU_NOT_VALIDATED: path MTU\n"
				     "              Lower it.\n"
				     "streams now   none\n"));
}

static void every_reason_says_what_it_is_and_what_to_do(void **state)
{
	for (__u32 i = 0; i < INLAY_N_REASONS; i++) {
		const char *advice = inlay_reason_advice(i), *what = inlay_reason_text(i);

		assert_true(strlen(what) > 5 && what[strlen(what) - 1] != '.');
		assert_true(isupper((unsigned char)advice[0]));
		assert_true(strlen(advice) > 10 && advice[strlen(advice) - 1] == '.');
		for (__u32 j = 0; j < i; j++) {
			assert_string_not_equal(inlay_reason_name(i), inlay_reason_name(j));
			assert_string_not_equal(what, inlay_reason_text(j));
		}
	}
	assert_string_equal(inlay_reason_name(INLAY_N_REASONS), "?");
	assert_non_null(inlay_reason_advice(INLAY_N_REASONS));
}

static int tear_down(void **state)
{
	free(text);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counters_that_are_zero_are_hidden_unless_asked_for),
		cmocka_unit_test(no_counts_at_all_are_said_to_be_none),
		cmocka_unit_test(a_track_is_a_line),
		cmocka_unit_test(a_fast_subscriber_is_told_of_stream_by_stream),
		cmocka_unit_test(who_is_not_fast_is_told_why_and_what_to_do),
		cmocka_unit_test(every_reason_says_what_it_is_and_what_to_do),
	};

	return cmocka_run_group_tests(tests, NULL, tear_down);
}
