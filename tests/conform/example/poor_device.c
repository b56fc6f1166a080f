/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A device that is none, for the test of the suite's frame. INLAY_POOR=WHAT: "crashes", "hangs",
 * "makes_nothing"; else it claims no cipher.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../device.h"

#ifndef POOR_ABI
#define POOR_ABI INLAY_CONFORM_ABI
#endif

static bool is(const char *what)
{
	const char *poor = getenv("INLAY_POOR");

	return poor && !strcmp(poor, what);
}

static void caps(struct inlay_provider *p, struct inlay_provider_caps *ret_caps)
{
	*ret_caps = (struct inlay_provider_caps){.name = "poor"};
	if (is("crashes") || is("hangs"))
		ret_caps->ciphers = 1U << INLAY_AES_128_GCM;
}

static int sa_add(struct inlay_provider *p, const struct inlay_sa_params *params,
		  struct inlay_sa_ref *ret_sa)
{
	if (is("crashes"))
		abort();
	for (;;)
		pause();
}

static void nothing(struct inlay_provider *p)
{
}

static const struct inlay_provider_ops ops = {.caps = caps, .sa_add = sa_add, .free = nothing};

static struct inlay_provider *make(const struct inlay_conform_device *device, __u32 max_sa,
				   __u32 max_cids)
{
	static struct inlay_provider poor = {.ops = &ops};

	return is("makes_nothing") ? NULL : &poor;
}

const struct inlay_conform_device inlay_conform_device = {
	.abi = POOR_ABI,
	.name = "poor & \"<device>\"",
	.make = make,
};
