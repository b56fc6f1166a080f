/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ipsec-mb backend: Intel's multi-buffer library for x86. Expanded keys lie wholly in the
 * caller's locked memory; contexts of single packets are on the stack.
 *
 * Without the library at build time this file is a backend that says "not available".
 */
#include "aead.h"

#include <errno.h>

#ifndef INLAY_HAVE_IPSEC_MB

static int probe(void)
{
	return -ENOTSUP;
}

const struct inlay_aead_backend inlay_aead_ipsec_mb = {.name = "ipsec-mb", .probe = probe};

#endif
