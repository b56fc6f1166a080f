/* SPDX-License-Identifier: BSD-2-Clause */
#include "provider_cases.h"

#include "provider_cases_list.h"

#define CASE(case_name, needs, words)                                                              \
	{.name = #case_name, .text = words, .requires = needs, .run = case_##case_name},
const struct inlay_provider_case inlay_provider_cases[] = {
#include "provider_cases.def"
};
#undef CASE

const size_t inlay_provider_n_cases = INLAY_ARRAY_SIZE(inlay_provider_cases);

int inlay_provider_case_run(const struct inlay_provider_case *c,
			    const struct inlay_conform_device *device, enum inlay_cipher cipher,
			    struct inlay_case_env *env)
{
	int err;

	*env = (struct inlay_case_env){.cipher = cipher};
	env->provider = device->make(device, CASE_MAX_SA, CASE_MAX_CIDS);
	if (!env->provider) {
		env->failed_at = device->name;
		env->failed_what = "the provider could not be made";
		return -1;
	}
	err = c->run(env);
	env->provider->ops->free(env->provider);
	return err;
}
