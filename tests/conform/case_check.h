/* SPDX-License-Identifier: BSD-2-Clause */
/* Checks of conformance cases: |env| is any struct with failed_at and failed_what. */
#ifndef INLAY_TESTS_CONFORM_CASE_CHECK_H
#define INLAY_TESTS_CONFORM_CASE_CHECK_H

/* A report shows where a check stands, not where it was compiled. */
#ifndef __FILE_NAME__
#define __FILE_NAME__ __FILE__
#endif
#define CHECK_TEXT_(x) #x
#define CHECK_TEXT(x)  CHECK_TEXT_(x)
/* Leaves the case, failed. */
#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			env->failed_at = __FILE_NAME__ ":" CHECK_TEXT(__LINE__);                   \
			env->failed_what = #condition;                                             \
			return -1;                                                                 \
		}                                                                                  \
	} while (0)

#endif
