/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The key store: one locked region of entries. A handle is {generation, index + 1}, so that one
 * kept past its connection's end names nothing.
 */
#include "keystore.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "protection.h"

/* What one direction needs to be plumbed anew at any time. */
struct direction_secrets {
	__u8 secret[INLAY_SECRET_MAX]; /* of the phase in force; receive: the current one */
	__u8 hp[INLAY_KEY_MAX];	       /* of the first secret: it outlives key updates */
	__u32 updates;		       /* phases since the first: odd ones have the phase bit set */
	bool set;
};

struct secrets {
	struct direction_secrets dir[2];
	enum inlay_cipher cipher;
	__u32 generation;
	bool used;
	bool cipher_set;
};

struct inlay_keystore {
	struct secrets *entries; /* locked memory */
	size_t max;
	size_t search_from;
};

struct inlay_keystore *inlay_keystore_new(size_t max_connections)
{
	struct inlay_keystore *ks;

	if (max_connections == 0 || max_connections >= UINT32_MAX) {
		errno = EINVAL;
		return NULL;
	}
	ks = calloc(1, sizeof(*ks));
	if (!ks) {
		errno = ENOMEM;
		return NULL;
	}
	ks->entries = inlay_secure_alloc(max_connections * sizeof(*ks->entries));
	if (!ks->entries) {
		int err = errno;

		free(ks);
		errno = err;
		return NULL;
	}
	ks->max = max_connections;
	return ks;
}

void inlay_keystore_free(struct inlay_keystore *ks)
{
	if (!ks)
		return;
	inlay_secure_free(ks->entries, ks->max * sizeof(*ks->entries));
	free(ks);
}

static struct secrets *lookup(struct inlay_keystore *ks, inlay_secret handle)
{
	size_t index = (size_t)(handle & UINT32_MAX);
	struct secrets *s;

	if (index == 0 || index > ks->max)
		return NULL;
	s = &ks->entries[index - 1];
	return s->used && s->generation == handle >> 32 ? s : NULL;
}

int inlay_keystore_add(struct inlay_keystore *ks, enum inlay_cipher cipher, inlay_secret *ret)
{
	size_t i, index;

	for (i = 0; i < ks->max; i++) {
		index = (ks->search_from + i) % ks->max;
		if (!ks->entries[index].used)
			break;
	}
	if (i == ks->max)
		return -ENOSPC;
	ks->entries[index].used = true;
	ks->entries[index].cipher = cipher;
	ks->search_from = index + 1;
	*ret = (inlay_secret)ks->entries[index].generation << 32 | (index + 1);
	return 0;
}

int inlay_keystore_set(struct inlay_keystore *ks, inlay_secret handle, enum inlay_direction dir,
		       enum inlay_cipher cipher, const __u8 *secret, size_t len)
{
	struct secrets *s = lookup(ks, handle);
	struct direction_secrets *d;
	int err;

	if (!s)
		return -ENOENT;
	if ((dir != INLAY_RX && dir != INLAY_TX) || !inlay_cipher_is_known(cipher) ||
	    len != inlay_cipher_secret_len(cipher))
		return -EINVAL;
	d = &s->dir[dir - INLAY_RX];
	if (d->set)
		return -EEXIST;
	/* Both directions have one cipher. */
	if (s->cipher_set && s->cipher != cipher)
		return -EINVAL;
	err = inlay_protection_hp_key(cipher, secret, d->hp);
	if (err)
		return err;
	memcpy(d->secret, secret, len);
	d->set = true;
	s->cipher = cipher;
	s->cipher_set = true;
	return 0;
}

void inlay_keystore_del(struct inlay_keystore *ks, inlay_secret handle)
{
	struct secrets *s = lookup(ks, handle);
	__u32 generation;

	if (!s)
		return;
	generation = s->generation + 1;
	explicit_bzero(s, sizeof(*s));
	s->generation = generation;
}

static struct direction_secrets *lookup_direction(struct inlay_keystore *ks, inlay_secret handle,
						  enum inlay_direction dir, struct secrets **ret_s)
{
	struct secrets *s = lookup(ks, handle);

	if (!s || (dir != INLAY_RX && dir != INLAY_TX) || !s->dir[dir - INLAY_RX].set)
		return NULL;
	*ret_s = s;
	return &s->dir[dir - INLAY_RX];
}

/* Keys of the phase after |secret|'s, into the provider. */
static int install_next(enum inlay_cipher cipher, const __u8 *secret, struct inlay_provider *p,
			struct inlay_sa_ref sa, __u64 first_pn)
{
	__u8 next[INLAY_SECRET_MAX];
	struct inlay_keys keys;
	int err;

	err = inlay_protection_next_secret(cipher, secret, next);
	if (!err)
		err = inlay_protection_keys(cipher, next, &keys);
	if (!err)
		err = p->ops->next_phase(p, sa, first_pn, &keys);
	explicit_bzero(next, sizeof(next));
	explicit_bzero(&keys, sizeof(keys));
	return err;
}

int inlay_keystore_plumb(struct inlay_keystore *ks, inlay_secret handle, struct inlay_provider *p,
			 struct inlay_sa_params *params, struct inlay_sa_ref *ret_sa)
{
	struct direction_secrets *d;
	struct inlay_sa_ref sa;
	struct secrets *s;
	int err;

	d = lookup_direction(ks, handle, params->direction, &s);
	if (!d)
		return -ENOENT;
	params->cipher = s->cipher;
	params->phase = d->updates & 1;
	memcpy(params->hp, d->hp, sizeof(params->hp));
	err = inlay_protection_keys(s->cipher, d->secret, &params->keys);
	if (!err)
		err = p->ops->sa_add(p, params, &sa);
	explicit_bzero(&params->keys, sizeof(params->keys));
	explicit_bzero(params->hp, sizeof(params->hp));
	if (err)
		return err;
	if (params->direction == INLAY_RX) {
		err = install_next(s->cipher, d->secret, p, sa, 0);
		if (err) {
			p->ops->sa_del(p, sa);
			return err;
		}
	}
	*ret_sa = sa;
	return 0;
}

int inlay_keystore_next_phase(struct inlay_keystore *ks, inlay_secret handle,
			      enum inlay_direction dir, struct inlay_provider *p,
			      struct inlay_sa_ref sa, __u64 first_pn)
{
	__u8 next[INLAY_SECRET_MAX];
	struct direction_secrets *d;
	struct secrets *s;
	int err;

	d = lookup_direction(ks, handle, dir, &s);
	if (!d)
		return -ENOENT;
	err = inlay_protection_next_secret(s->cipher, d->secret, next);
	/* The provider's receive SA is one phase ahead of |secret| already. */
	if (!err)
		err = install_next(s->cipher, dir == INLAY_RX ? next : d->secret, p, sa, first_pn);
	if (!err) {
		memcpy(d->secret, next, sizeof(next));
		d->updates++;
	}
	explicit_bzero(next, sizeof(next));
	return err;
}
