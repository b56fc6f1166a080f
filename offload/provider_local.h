/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The crypto provider of placement `user`: packets are opened and sealed in this process, by
 * libcrypto or ipsec-mb. One lock, held for a burst or a control operation.
 */
#ifndef INLAY_OFFLOAD_PROVIDER_LOCAL_H
#define INLAY_OFFLOAD_PROVIDER_LOCAL_H

#include "provider.h"

struct inlay_provider_local_config {
	__u32 max_sa;	     /* SAs at once: two a connection */
	__u32 max_cids;	     /* connection IDs of ours at once, over all receive SAs */
	const char *backend; /* "libcrypto", "ipsec-mb"; NULL or "auto": the fastest that works */
};

/*
 * NULL, with errno: EINVAL; ENOMEM; ENOENT: no backend of this name; ENOTSUP: not available here;
 * EBADMSG: its self-test failed. Free it by ops->free(), which zeroes every key.
 */
struct inlay_provider *inlay_provider_local_new(const struct inlay_provider_local_config *config);

/* Name of the backend in use. */
const char *inlay_provider_local_backend(const struct inlay_provider *provider);

#endif
