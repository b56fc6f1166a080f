/* SPDX-License-Identifier: BSD-2-Clause */
/* The functions of the case table. */
#ifndef INLAY_TESTS_PROVIDER_CASES_LIST_H
#define INLAY_TESTS_PROVIDER_CASES_LIST_H

#include "provider_cases.h"

#define CASE(case_name, needs, words) int case_##case_name(struct inlay_case_env *env);
#include "provider_cases.def"
#undef CASE

#endif
