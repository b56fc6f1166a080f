/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Provider `local`: the operations. What they do to an SA is in local_sa.c; bursts of packets are
 * in local_burst.c.
 */
#include "provider_local.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "local_sa.h"

static void caps(struct inlay_provider *p, struct inlay_provider_caps *ret_caps)
{
	*ret_caps = (struct inlay_provider_caps){
		.name = "local",
		.ciphers = 1U << INLAY_AES_128_GCM | 1U << INLAY_AES_256_GCM |
			   1U << INLAY_CHACHA20_POLY1305,
		.max_sa = inlay_local_of(p)->max_sa,
		.max_rx_cid_len = INLAY_OWN_CID,
		.needs_fixed_tx_pn_len = true,
	};
}

/* Takes the lock, also where there is no such SA. */
static struct local_sa *lock_sa(struct inlay_local *l, struct inlay_sa_ref ref)
{
	pthread_mutex_lock(&l->lock);
	return inlay_local_sa_lookup(l, ref);
}

/* Gives the lock back, and hands |err| on. */
static int unlock(struct inlay_local *l, int err)
{
	pthread_mutex_unlock(&l->lock);
	return err;
}

static int sa_add(struct inlay_provider *p, const struct inlay_sa_params *params,
		  struct inlay_sa_ref *ret_sa)
{
	struct inlay_local *l = inlay_local_of(p);

	pthread_mutex_lock(&l->lock);
	return unlock(l, inlay_local_sa_new(l, params, ret_sa));
}

static int sa_del(struct inlay_provider *p, struct inlay_sa_ref ref)
{
	struct inlay_local *l = inlay_local_of(p);
	struct local_sa *sa = lock_sa(l, ref);

	if (sa)
		inlay_local_sa_free(l, sa);
	return unlock(l, sa ? 0 : -ESTALE);
}

static int cid_add(struct inlay_provider *p, struct inlay_sa_ref ref, const struct inlay_cid *cid)
{
	struct inlay_local *l = inlay_local_of(p);
	struct local_sa *sa = lock_sa(l, ref);

	return unlock(l, sa ? inlay_local_sa_cid_add(l, sa, cid) : -ESTALE);
}

static int cid_del(struct inlay_provider *p, struct inlay_sa_ref ref, const struct inlay_cid *cid)
{
	struct inlay_local *l = inlay_local_of(p);
	struct local_sa *sa = lock_sa(l, ref);

	return unlock(l, sa ? inlay_local_sa_cid_del(l, sa, cid) : -ESTALE);
}

static int next_phase(struct inlay_provider *p, struct inlay_sa_ref ref, __u64 first_pn,
		      const struct inlay_keys *keys)
{
	struct inlay_local *l = inlay_local_of(p);
	struct local_sa *sa = lock_sa(l, ref);

	return unlock(l, sa ? inlay_local_sa_next_phase(l, sa, first_pn, keys) : -ESTALE);
}

static int drop_old_phase(struct inlay_provider *p, struct inlay_sa_ref ref)
{
	struct inlay_local *l = inlay_local_of(p);
	struct local_sa *sa = lock_sa(l, ref);
	int err = -ESTALE;

	if (sa)
		err = sa->direction == INLAY_RX ? 0 : -EINVAL;
	if (!err)
		inlay_local_sa_drop_phase(l, sa, PHASE_OLD);
	return unlock(l, err);
}

static int advance(struct inlay_provider *p, struct inlay_sa_ref ref, __u64 pn)
{
	struct inlay_local *l = inlay_local_of(p);
	struct local_sa *sa = lock_sa(l, ref);
	int err = -ESTALE;

	if (sa)
		err = pn <= INLAY_PN_MAX ? 0 : -EINVAL;
	if (!err && sa->direction == INLAY_TX)
		inlay_pn_window_raise(&sa->window, pn);
	else if (!err && pn > sa->expected)
		sa->expected = pn;
	return unlock(l, err);
}

static int set_path(struct inlay_provider *p, struct inlay_sa_ref ref,
		    const struct inlay_path *path)
{
	struct inlay_local *l = inlay_local_of(p);
	struct local_sa *sa = lock_sa(l, ref);

	return unlock(l, sa ? inlay_local_sa_set_path(l, sa, path) : -ESTALE);
}

static int remote_add(struct inlay_provider *p, struct inlay_sa_ref ref,
		      const struct inlay_addr *remote)
{
	struct inlay_local *l = inlay_local_of(p);
	struct local_sa *sa = lock_sa(l, ref);

	return unlock(l, sa ? inlay_local_sa_remote_add(sa, remote) : -ESTALE);
}

static int remote_del(struct inlay_provider *p, struct inlay_sa_ref ref,
		      const struct inlay_addr *remote)
{
	struct inlay_local *l = inlay_local_of(p);
	struct local_sa *sa = lock_sa(l, ref);

	return unlock(l, sa ? inlay_local_sa_remote_del(sa, remote) : -ESTALE);
}

static int stats(struct inlay_provider *p, struct inlay_sa_ref ref,
		 struct inlay_sa_stats *ret_stats)
{
	struct inlay_local *l = inlay_local_of(p);
	struct local_sa *sa = lock_sa(l, ref);

	if (sa)
		*ret_stats = sa->stats;
	return unlock(l, sa ? 0 : -ESTALE);
}

/* The most urgent event pending of one SA. */
static enum inlay_provider_event_kind take_pending(struct local_sa *sa)
{
	enum inlay_provider_event_kind kind =
		(enum inlay_provider_event_kind)__builtin_ctz(sa->pending);

	sa->pending &= (__u8)(sa->pending - 1);
	return kind;
}

static size_t events(struct inlay_provider *p, struct inlay_provider_event *ret_events, size_t n)
{
	struct inlay_local *l = inlay_local_of(p);
	size_t taken = 0;

	pthread_mutex_lock(&l->lock);
	while (taken < n && !inlay_list_is_empty(&l->events)) {
		struct local_sa *sa = inlay_list_entry(l->events.next, struct local_sa, event_node);

		ret_events[taken++] = (struct inlay_provider_event){
			.kind = take_pending(sa),
			.sa = {.number = sa->number, .generation = l->slots[sa->number].generation},
		};
		if (!sa->pending)
			inlay_list_remove(&sa->event_node);
	}
	pthread_mutex_unlock(&l->lock);
	return taken;
}

/* Takes a half-built one. */
static void local_free(struct inlay_provider *p)
{
	struct inlay_local *l = inlay_local_of(p);
	__u32 i;

	if (!l)
		return;
	for (i = 0; l->slots && i < l->max_sa; i++)
		if (l->slots[i].sa)
			inlay_local_sa_free(l, l->slots[i].sa);
	inlay_cid_table_fini(&l->cids);
	inlay_secure_pool_fini(&l->keys);
	inlay_secure_pool_fini(&l->hps);
	inlay_aead_fini(&l->aead);
	pthread_mutex_destroy(&l->lock);
	free(l->free_numbers);
	free(l->stages);
	free(l->slots);
	free(l);
}

static const struct inlay_provider_ops local_ops = {
	.caps = caps,
	.sa_add = sa_add,
	.sa_del = sa_del,
	.cid_add = cid_add,
	.cid_del = cid_del,
	.next_phase = next_phase,
	.drop_old_phase = drop_old_phase,
	.advance = advance,
	.set_path = set_path,
	.remote_add = remote_add,
	.remote_del = remote_del,
	.open = inlay_local_open,
	.seal = inlay_local_seal,
	.stats = stats,
	.events = events,
	.free = local_free,
};

static int local_init(struct inlay_local *l, const struct inlay_provider_local_config *config)
{
	__u32 i;
	int err;

	l->base.ops = &local_ops;
	l->max_sa = config->max_sa;
	inlay_list_init(&l->events);
	pthread_mutex_init(&l->lock, NULL);
	l->slots = calloc(l->max_sa, sizeof(*l->slots));
	l->free_numbers = calloc(l->max_sa, sizeof(*l->free_numbers));
	l->stages = calloc(INLAY_AEAD_BURST / 2, sizeof(*l->stages));
	if (!l->slots || !l->free_numbers || !l->stages)
		return -ENOMEM;
	for (i = 0; i < l->max_sa; i++) {
		l->slots[i].generation = 1;
		l->free_numbers[i] = i;
	}
	l->n_free = l->max_sa;
	err = inlay_cid_table_init(&l->cids, config->max_cids);
	if (err)
		return err;
	err = inlay_aead_init(&l->aead, config->backend);
	if (err)
		return err;
	inlay_secure_pool_init(&l->keys, inlay_packet_key_size(&l->aead));
	inlay_secure_pool_init(&l->hps, l->aead.backend->mask_size);
	return 0;
}

struct inlay_provider *inlay_provider_local_new(const struct inlay_provider_local_config *config)
{
	struct inlay_local *l;
	int err;

	if (config->max_sa == 0) {
		errno = EINVAL;
		return NULL;
	}
	l = calloc(1, sizeof(*l));
	if (!l) {
		errno = ENOMEM;
		return NULL;
	}
	err = local_init(l, config);
	if (err) {
		local_free(&l->base);
		errno = -err;
		return NULL;
	}
	return &l->base;
}

const char *inlay_provider_local_backend(const struct inlay_provider *provider)
{
	return ((const struct inlay_local *)provider)->aead.backend->name;
}
