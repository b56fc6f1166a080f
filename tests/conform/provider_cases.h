/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What every crypto provider must do: one table of cases, run against any provider through the
 * interface of devices (device.h), once with each cipher that the provider has. A case gets a
 * fresh, empty provider.
 *
 * Packets "of the peer" are made by reference_seal(), which shares no code with a provider.
 */
#ifndef INLAY_TESTS_PROVIDER_CASES_H
#define INLAY_TESTS_PROVIDER_CASES_H

#include "device.h"

struct inlay_case_env {
	struct inlay_provider *provider;
	enum inlay_cipher cipher;
	/* Of the first check that failed. */
	const char *failed_at;
	const char *failed_what;
};

struct inlay_provider_case {
	const char *name;
	const char *text;
	__u32 requires;				/* enum inlay_case_feature */
	int (*run)(struct inlay_case_env *env); /* 0: passed */
};

extern const struct inlay_provider_case inlay_provider_cases[];
extern const size_t inlay_provider_n_cases;

/* Room of a case's provider. */
#define CASE_MAX_SA   16
#define CASE_MAX_CIDS 24

/* Runs one case. 0; -1: failed, with env's failed_at and failed_what. */
int inlay_provider_case_run(const struct inlay_provider_case *c,
			    const struct inlay_conform_device *device, enum inlay_cipher cipher,
			    struct inlay_case_env *env);

#endif
