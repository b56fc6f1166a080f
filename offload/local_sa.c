/* SPDX-License-Identifier: BSD-2-Clause */
#include "local_sa.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "inlay_quic.h"

struct local_sa *inlay_local_sa_lookup(struct inlay_local *l, struct inlay_sa_ref ref)
{
	const struct local_slot *slot;

	if (ref.number >= l->max_sa)
		return NULL;
	slot = &l->slots[ref.number];
	return slot->generation == ref.generation ? slot->sa : NULL;
}

/* --- Connection IDs and addresses ------------------------------------------------------------- */

bool inlay_local_sa_has_cid(const struct local_sa *sa, const __u8 *cid, size_t len)
{
	size_t i;

	for (i = 0; i < sa->n_cids; i++) {
		if (sa->cids[i].len != len)
			continue;
		/* Our own ones, and many peers': no call. */
		if (len == INLAY_OWN_CID ? !memcmp(sa->cids[i].data, cid, INLAY_OWN_CID)
					 : !memcmp(sa->cids[i].data, cid, len))
			return true;
	}
	return false;
}

int inlay_local_sa_cid_add(struct inlay_local *l, struct local_sa *sa, const struct inlay_cid *cid)
{
	int err;

	if (cid->len > INLAY_CID_MAX || (sa->direction == INLAY_RX && cid->len != INLAY_OWN_CID))
		return -EINVAL;
	if (inlay_local_sa_has_cid(sa, cid->data, cid->len))
		return -EEXIST;
	if (sa->n_cids == INLAY_SA_CIDS)
		return -ENOSPC;
	if (sa->direction == INLAY_RX) {
		err = inlay_cid_table_add(&l->cids, sa->path.local.port, cid->data, sa->number);
		if (err)
			return err;
	}
	inlay_cid_set(&sa->cids[sa->n_cids++], cid->data, cid->len);
	return 0;
}

int inlay_local_sa_cid_del(struct inlay_local *l, struct local_sa *sa, const struct inlay_cid *cid)
{
	size_t i;

	for (i = 0; i < sa->n_cids; i++)
		if (sa->cids[i].len == cid->len &&
		    memcmp(sa->cids[i].data, cid->data, cid->len) == 0)
			break;
	if (i == sa->n_cids)
		return -ENOENT;
	if (sa->direction == INLAY_RX)
		inlay_cid_table_del(&l->cids, sa->path.local.port, cid->data);
	sa->cids[i] = sa->cids[--sa->n_cids];
	return 0;
}

static void forget_cids(struct inlay_local *l, struct local_sa *sa)
{
	if (sa->direction == INLAY_RX)
		while (sa->n_cids > 0)
			inlay_cid_table_del(&l->cids, sa->path.local.port,
					    sa->cids[--sa->n_cids].data);
	sa->n_cids = 0;
}

/* A receive SA's CIDs move to another port: all of them or none. */
static int move_cids(struct inlay_local *l, struct local_sa *sa, __be16 port)
{
	__u32 other;
	size_t i;

	for (i = 0; i < sa->n_cids; i++)
		if (inlay_cid_table_find(&l->cids, port, sa->cids[i].data, &other))
			return -EEXIST;
	for (i = 0; i < sa->n_cids; i++) {
		inlay_cid_table_del(&l->cids, sa->path.local.port, sa->cids[i].data);
		/* Room was made just now. */
		inlay_cid_table_add(&l->cids, port, sa->cids[i].data, sa->number);
	}
	return 0;
}

static int find_remote(const struct local_sa *sa, const struct inlay_addr *remote)
{
	int i;

	for (i = 0; i < sa->n_remotes; i++)
		if (!memcmp(remote, &sa->remotes[i], sizeof(*remote)))
			return i;
	return -ENOENT;
}

bool inlay_local_sa_has_remote(const struct local_sa *sa, const struct inlay_addr *remote)
{
	return !memcmp(remote, &sa->path.remote, sizeof(*remote)) ||
	       !memcmp(remote, &sa->remote_before, sizeof(*remote)) || find_remote(sa, remote) >= 0;
}

int inlay_local_sa_remote_add(struct local_sa *sa, const struct inlay_addr *remote)
{
	if (sa->direction != INLAY_TX || remote->family == 0)
		return -EINVAL;
	if (!memcmp(remote, &sa->path.remote, sizeof(*remote)) || find_remote(sa, remote) >= 0)
		return -EEXIST;
	if (sa->n_remotes == INLAY_PROVIDER_REMOTES)
		return -ENOSPC;
	sa->remotes[sa->n_remotes++] = *remote;
	return 0;
}

int inlay_local_sa_remote_del(struct local_sa *sa, const struct inlay_addr *remote)
{
	int i = find_remote(sa, remote);

	if (i < 0)
		return i;
	sa->remotes[i] = sa->remotes[--sa->n_remotes];
	return 0;
}

int inlay_local_sa_set_path(struct inlay_local *l, struct local_sa *sa,
			    const struct inlay_path *path)
{
	if (sa->direction == INLAY_RX && path->local.port != sa->path.local.port) {
		int err = move_cids(l, sa, path->local.port);

		if (err)
			return err;
	}
	if (memcmp(&path->remote, &sa->path.remote, sizeof(path->remote)))
		sa->remote_before = sa->path.remote;
	sa->path = *path;
	inlay_local_sa_remote_del(sa, &path->remote);
	return 0;
}

/* --- Key phases: RFC 9001 section 6 ----------------------------------------------------------- */

static int phase_init(struct inlay_local *l, const struct local_sa *sa,
		      const struct inlay_keys *keys, struct local_phase *ret)
{
	struct local_phase phase = {.lowest = UINT64_MAX};
	int err;

	phase.key = inlay_secure_pool_get(&l->keys);
	if (!phase.key)
		return -errno;
	err = inlay_packet_key_init(&l->aead, phase.key, sa->cipher, sa->direction == INLAY_TX,
				    keys);
	if (err) {
		inlay_secure_pool_put(&l->keys, phase.key);
		return err;
	}
	*ret = phase;
	return 0;
}

void inlay_local_sa_drop_phase(struct inlay_local *l, struct local_sa *sa,
			       enum local_phase_index which)
{
	struct local_phase *phase = &sa->phases[which];

	if (!phase->key)
		return;
	inlay_packet_key_fini(&l->aead, phase->key);
	inlay_secure_pool_put(&l->keys, phase->key);
	phase->key = NULL;
}

static int next_phase_tx(struct inlay_local *l, struct local_sa *sa, __u64 first_pn,
			 const struct inlay_keys *keys)
{
	struct local_phase next;
	int err;

	if (first_pn > INLAY_PN_MAX)
		return -EINVAL;
	if (sa->window.next > first_pn)
		return -EBUSY;
	/* Three phases at once would be two updates in flight. */
	if (sa->phases[PHASE_OLD].key && sa->window.next <= sa->first_pn)
		return -EBUSY;
	err = phase_init(l, sa, keys, &next);
	if (err)
		return err;
	/* What the phase before would have sealed has no key any more. */
	if (sa->phases[PHASE_OLD].key)
		inlay_pn_window_raise(&sa->window, sa->first_pn);
	inlay_local_sa_drop_phase(l, sa, PHASE_OLD);
	sa->phases[PHASE_OLD] = sa->phases[PHASE_CURRENT];
	sa->phases[PHASE_CURRENT] = next;
	sa->first_pn = first_pn;
	sa->phase_bit = !sa->phase_bit;
	return 0;
}

static int next_phase_rx(struct inlay_local *l, struct local_sa *sa, const struct inlay_keys *keys)
{
	struct local_phase next;
	int err = phase_init(l, sa, keys, &next);

	if (err)
		return err;
	if (sa->phases[PHASE_NEXT].key) {
		inlay_local_sa_drop_phase(l, sa, PHASE_OLD);
		sa->phases[PHASE_OLD] = sa->phases[PHASE_CURRENT];
		sa->phases[PHASE_CURRENT] = sa->phases[PHASE_NEXT];
		sa->phase_bit = !sa->phase_bit;
	}
	sa->phases[PHASE_NEXT] = next;
	return 0;
}

int inlay_local_sa_next_phase(struct inlay_local *l, struct local_sa *sa, __u64 first_pn,
			      const struct inlay_keys *keys)
{
	return sa->direction == INLAY_TX ? next_phase_tx(l, sa, first_pn, keys)
					 : next_phase_rx(l, sa, keys);
}

/* --- Lifetime --------------------------------------------------------------------------------- */

static void set_limits(struct local_sa *sa, const struct inlay_sa_params *params)
{
	__u64 rfc = sa->direction == INLAY_TX ? inlay_cipher_seal_limit(sa->cipher)
					      : inlay_cipher_forgery_limit(sa->cipher);

	sa->hard_limit = params->hard_limit && params->hard_limit < rfc ? params->hard_limit : rfc;
	sa->soft_limit =
		params->soft_limit ? params->soft_limit : sa->hard_limit - sa->hard_limit / 8;
}

static int set_keys(struct inlay_local *l, struct local_sa *sa,
		    const struct inlay_sa_params *params)
{
	const struct inlay_aead *aead = &l->aead;
	int err;

	sa->hp = inlay_secure_pool_get(&l->hps);
	if (!sa->hp)
		return -errno;
	err = aead->backend->mask_init(aead->instance, sa->hp, sa->cipher, params->hp);
	if (err) {
		inlay_secure_pool_put(&l->hps, sa->hp);
		sa->hp = NULL;
		return err;
	}
	return phase_init(l, sa, &params->keys, &sa->phases[PHASE_CURRENT]);
}

/* Takes a half-built one. */
static void sa_destroy(struct inlay_local *l, struct local_sa *sa)
{
	int i;

	forget_cids(l, sa);
	for (i = 0; i < N_PHASES; i++)
		inlay_local_sa_drop_phase(l, sa, i);
	if (sa->hp) {
		l->aead.backend->mask_fini(l->aead.instance, sa->hp);
		inlay_secure_pool_put(&l->hps, sa->hp);
	}
	inlay_list_remove(&sa->event_node);
	free(sa);
}

static int sa_fill(struct inlay_local *l, struct local_sa *sa, const struct inlay_sa_params *params)
{
	size_t i;
	int err;

	sa->direction = params->direction;
	sa->cipher = params->cipher;
	sa->path = params->path;
	sa->remote_before = params->path.remote;
	sa->phase_bit = params->phase;
	sa->first_pn = params->next_pn;
	sa->expected = params->next_pn;
	inlay_pn_window_init(&sa->window, params->next_pn);
	set_limits(sa, params);
	for (i = 0; i < params->n_cids; i++) {
		err = inlay_local_sa_cid_add(l, sa, &params->cids[i]);
		if (err)
			return err;
	}
	return set_keys(l, sa, params);
}

int inlay_local_sa_new(struct inlay_local *l, const struct inlay_sa_params *params,
		       struct inlay_sa_ref *ret_ref)
{
	struct local_slot *slot;
	struct local_sa *sa;
	int err;

	if (params->direction != INLAY_RX && params->direction != INLAY_TX)
		return -EINVAL;
	if (params->next_pn > INLAY_PN_MAX)
		return -EINVAL;
	if (!inlay_cipher_is_known(params->cipher))
		return -ENOTSUP;
	if (l->n_free == 0)
		return -ENOSPC;
	sa = calloc(1, sizeof(*sa));
	if (!sa)
		return -ENOMEM;
	inlay_list_init(&sa->event_node);
	sa->number = l->free_numbers[l->free_head];
	err = sa_fill(l, sa, params);
	if (err) {
		sa_destroy(l, sa);
		return err;
	}
	l->free_head = (l->free_head + 1) % l->max_sa;
	l->n_free--;
	slot = &l->slots[sa->number];
	slot->sa = sa;
	*ret_ref = (struct inlay_sa_ref){.number = sa->number, .generation = slot->generation};
	return 0;
}

void inlay_local_sa_free(struct inlay_local *l, struct local_sa *sa)
{
	struct local_slot *slot = &l->slots[sa->number];

	slot->sa = NULL;
	/* 0 never names an SA. */
	if (++slot->generation == 0)
		slot->generation = 1;
	l->free_numbers[(l->free_head + l->n_free) % l->max_sa] = sa->number;
	l->n_free++;
	sa_destroy(l, sa);
}

/* --- Events ----------------------------------------------------------------------------------- */

void inlay_local_sa_raise(struct inlay_local *l, struct local_sa *sa,
			  enum inlay_provider_event_kind kind)
{
	if (!sa->pending)
		inlay_list_append(&l->events, &sa->event_node);
	sa->pending |= (__u8)(1U << kind);
}
