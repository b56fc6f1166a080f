/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A device that is none, for the test of the suite's frame. INLAY_POOR=WHAT: "crashes", "hangs",
 * "exits" (as if all was well), "closes" (every descriptor, and hangs); "makes_nothing",
 * "crashes_first", "hangs_first"; "talks" (to stdout); "rude" (its name); else it claims no cipher.
 */
#include <stdio.h>
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
	if (is("talks")) {
		puts("ok 1 - from the device");
		fflush(stdout);
	}
	if (is("crashes") || is("hangs") || is("exits") || is("closes"))
		ret_caps->ciphers = 1U << INLAY_AES_128_GCM;
}

static int sa_add(struct inlay_provider *p, const struct inlay_sa_params *params,
		  struct inlay_sa_ref *ret_sa)
{
	if (is("crashes"))
		abort();
	if (is("exits"))
		exit(0);
	for (int fd = 3; is("closes") && fd < 1024; fd++)
		close(fd);
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

	if (is("crashes_first"))
		abort();
	while (is("hangs_first"))
		pause();
	return is("makes_nothing") ? NULL : &poor;
}

struct inlay_conform_device inlay_conform_device = {
	.abi = POOR_ABI,
	.name = "poor & \"<device>\"",
	.make = make,
};

__attribute__((constructor)) static void choose_name(void)
{
	if (is("rude"))
		inlay_conform_device.name = "rude\nBail out!\x01\xff]]>";
}
