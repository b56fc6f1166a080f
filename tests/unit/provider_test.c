/* SPDX-License-Identifier: BSD-2-Clause */
/* Provider `local` against the case table, with each backend and each cipher. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../conform/provider_cases.h"
#include "aead.h"
#include "provider_local.h"

static struct inlay_provider *make_local(const struct inlay_conform_device *device, __u32 max_sa,
					 __u32 max_cids)
{
	const struct inlay_provider_local_config config = {
		.max_sa = max_sa,
		.max_cids = max_cids,
		.backend = device->context,
	};

	return inlay_provider_local_new(&config);
}

static const struct inlay_conform_device devices[] = {
	{INLAY_CONFORM_ABI, "local, libcrypto", INLAY_CASE_THREADS, make_local, "libcrypto"},
	{INLAY_CONFORM_ABI, "local, ipsec-mb", INLAY_CASE_THREADS, make_local, "ipsec-mb"},
};

static const char *const cipher_names[] = {
	[INLAY_AES_128_GCM] = "aes-128-gcm",
	[INLAY_AES_256_GCM] = "aes-256-gcm",
	[INLAY_CHACHA20_POLY1305] = "chacha20-poly1305",
};

struct run {
	const struct inlay_provider_case *c;
	const struct inlay_conform_device *device;
	enum inlay_cipher cipher;
	char name[128];
};

static void run_case(void **state)
{
	const struct run *run = *state;
	struct inlay_case_env env;

	if ((run->device->features & run->c->requires) != run->c->requires)
		skip();
	if (inlay_provider_case_run(run->c, run->device, run->cipher, &env))
		fail_msg("%s: %s: %s", run->c->text, env.failed_at, env.failed_what);
}

static size_t add_runs(const struct inlay_conform_device *device, struct run *runs,
		       struct CMUnitTest *tests)
{
	enum inlay_cipher cipher;
	size_t i, n = 0;

	for (cipher = INLAY_AES_128_GCM; cipher <= INLAY_CHACHA20_POLY1305; cipher++) {
		for (i = 0; i < inlay_provider_n_cases; i++, n++) {
			runs[n].c = &inlay_provider_cases[i];
			runs[n].device = device;
			runs[n].cipher = cipher;
			snprintf(runs[n].name, sizeof(runs[n].name), "%s: %s: %s", device->name,
				 cipher_names[cipher], runs[n].c->name);
			tests[n] = (struct CMUnitTest){
				.name = runs[n].name,
				.test_func = run_case,
				.initial_state = &runs[n],
			};
		}
	}
	return n;
}

int main(void)
{
	size_t room = inlay_provider_n_cases * INLAY_ARRAY_SIZE(devices) * 3, n = 0;
	struct CMUnitTest *tests = calloc(room, sizeof(*tests));
	struct run *runs = calloc(room, sizeof(*runs));
	int failed;

	if (!tests || !runs)
		return 1;
	n = add_runs(&devices[0], runs, tests);
	if (inlay_aead_ipsec_mb.probe() == 0)
		n += add_runs(&devices[1], runs + n, tests + n);
	else
		print_message("ipsec-mb is not available here\n");
	failed = _cmocka_run_group_tests("provider", tests, n, NULL, NULL);
	free(runs);
	free(tests);
	return failed;
}
