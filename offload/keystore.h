/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The one place where traffic secrets live: memory that is locked, left out of core dumps and
 * wiped in a child. A secret is put in when TLS yields it, and is zeroed when its connection ends
 * and when the store is freed. Callers hold handles, never bytes. One thread at a time.
 */
#ifndef INLAY_OFFLOAD_KEYSTORE_H
#define INLAY_OFFLOAD_KEYSTORE_H

#include "provider.h"
#include "secure.h"

struct inlay_keystore;

/* A pair of 1-RTT secrets, both directions of one connection. 0 names none. */
typedef __u64 inlay_secret;

/* NULL, with errno: EINVAL, or that of inlay_secure_alloc() (EPERM: raise RLIMIT_MEMLOCK). */
struct inlay_keystore *inlay_keystore_new(size_t max_connections);
/* Zeroes everything. Takes NULL. */
void inlay_keystore_free(struct inlay_keystore *ks);

/* Reserves a place. 0; -ENOSPC. */
int inlay_keystore_add(struct inlay_keystore *ks, enum inlay_cipher cipher, inlay_secret *ret);
/*
 * Copies a secret of 32 bytes (SHA-256 ciphers) or 48 (AES-256-GCM). The cipher is set here, since
 * TLS knows it no earlier. 0; -ENOENT; -EINVAL: wrong length, or not the other direction's cipher;
 * -EEXIST: set before; -ENOMEM.
 */
int inlay_keystore_set(struct inlay_keystore *ks, inlay_secret s, enum inlay_direction dir,
		       enum inlay_cipher cipher, const __u8 *secret, size_t len);
/* Zeroes and releases. Unknown handles are ignored. */
void inlay_keystore_del(struct inlay_keystore *ks, inlay_secret s);

/*
 * Derives keys (RFC 9001 section 5.1) and adds the SA; for a receive SA also the next phase's keys.
 * |params|' cipher, phase, keys and hp are filled in here; keys and hp zeroed before it returns.
 * 0; -ENOENT; what sa_add() returns.
 */
int inlay_keystore_plumb(struct inlay_keystore *ks, inlay_secret s, struct inlay_provider *p,
			 struct inlay_sa_params *params, struct inlay_sa_ref *ret_sa);
/*
 * Moves one direction on by one phase (RFC 9001 section 6.1) and installs it: see next_phase().
 * 0; -ENOENT; what next_phase() returns, with the store unchanged then.
 */
int inlay_keystore_next_phase(struct inlay_keystore *ks, inlay_secret s, enum inlay_direction dir,
			      struct inlay_provider *p, struct inlay_sa_ref sa, __u64 first_pn);

#endif
