/* SPDX-License-Identifier: BSD-2-Clause */
/* The device, its SAs and its operations; example_packet.c has what it does to packets. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../device.h"
#include "example.h"

static struct example *example_of(struct inlay_provider *p)
{
	return (struct example *)p;
}

/* NULL: there is none, or another one now. */
static struct example_sa *find(struct example *e, struct inlay_sa_ref ref)
{
	struct example_sa *sa = ref.number < e->max_sa ? &e->sas[ref.number] : NULL;

	if (!sa || !sa->used ||
	    (sa->generation != ref.generation && e->fault != EXAMPLE_stale_generation))
		return NULL;
	return sa;
}

void example_raise(struct example_sa *sa, enum inlay_provider_event_kind kind)
{
	if (sa->n_events < EXAMPLE_EVENTS)
		sa->events[sa->n_events++] = kind;
}

/* --- CIDs and addresses ----------------------------------------------------------------------- */

bool example_has_cid(const struct example_sa *sa, const __u8 *cid, size_t len)
{
	for (size_t i = 0; i < sa->n_cids; i++)
		if (sa->cids[i].len == len && !memcmp(sa->cids[i].data, cid, len))
			return true;
	return false;
}

static int find_remote(const struct example_sa *sa, const struct inlay_addr *remote)
{
	for (size_t i = 0; i < sa->n_remotes; i++)
		if (!memcmp(&sa->remotes[i], remote, sizeof(*remote)))
			return (int)i;
	return -ENOENT;
}

bool example_has_remote(const struct example_sa *sa, const struct inlay_addr *remote)
{
	return !memcmp(&sa->path.remote, remote, sizeof(*remote)) ||
	       !memcmp(&sa->remote_before, remote, sizeof(*remote)) || find_remote(sa, remote) >= 0;
}

/* A CID leads to one SA at a port. */
static bool cid_is_used(const struct example *e, __be16 port, const struct inlay_cid *cid)
{
	for (__u32 i = 0; i < e->max_sa; i++) {
		const struct example_sa *sa = &e->sas[i];

		if (sa->used && sa->direction == INLAY_RX && sa->path.local.port == port &&
		    example_has_cid(sa, cid->data, cid->len))
			return true;
	}
	return false;
}

static int add_cid(struct example *e, struct example_sa *sa, const struct inlay_cid *cid)
{
	bool rx = sa->direction == INLAY_RX;

	if (cid->len > INLAY_CID_MAX || (rx && cid->len != INLAY_OWN_CID))
		return -EINVAL;
	if (example_has_cid(sa, cid->data, cid->len) ||
	    (rx && cid_is_used(e, sa->path.local.port, cid)))
		return -EEXIST;
	if (sa->n_cids == EXAMPLE_CIDS || (rx && e->n_cids == e->max_cids))
		return -ENOSPC;
	sa->cids[sa->n_cids++] = *cid;
	e->n_cids += rx;
	return 0;
}

static int del_cid(struct example *e, struct example_sa *sa, const struct inlay_cid *cid)
{
	for (size_t i = 0; i < sa->n_cids; i++) {
		if (sa->cids[i].len != cid->len || memcmp(sa->cids[i].data, cid->data, cid->len))
			continue;
		sa->cids[i] = sa->cids[--sa->n_cids];
		e->n_cids -= sa->direction == INLAY_RX;
		return 0;
	}
	return -ENOENT;
}

static int move_path(struct example *e, struct example_sa *sa, const struct inlay_path *path)
{
	int at;

	if (sa->direction == INLAY_RX && path->local.port != sa->path.local.port)
		for (size_t i = 0; i < sa->n_cids; i++)
			if (cid_is_used(e, path->local.port, &sa->cids[i]))
				return -EEXIST;
	if (memcmp(&path->remote, &sa->path.remote, sizeof(path->remote)))
		sa->remote_before = sa->path.remote;
	sa->path = *path;
	at = find_remote(sa, &path->remote);
	if (at >= 0)
		sa->remotes[at] = sa->remotes[--sa->n_remotes];
	return 0;
}

static int add_remote(struct example_sa *sa, const struct inlay_addr *remote)
{
	if (sa->direction != INLAY_TX || !remote->family)
		return -EINVAL;
	if (!memcmp(remote, &sa->path.remote, sizeof(*remote)) || find_remote(sa, remote) >= 0)
		return -EEXIST;
	if (sa->n_remotes == INLAY_PROVIDER_REMOTES)
		return -ENOSPC;
	sa->remotes[sa->n_remotes++] = *remote;
	return 0;
}

/* --- SAs -------------------------------------------------------------------------------------- */

static void release(struct example *e, struct example_sa *sa)
{
	__u16 generation = sa->generation + 1;

	if (sa->direction == INLAY_RX)
		e->n_cids -= (__u32)sa->n_cids;
	explicit_bzero(sa, sizeof(*sa));
	sa->generation = generation ? generation : 1; /* 0 never names an SA */
}

static void set_limits(struct example_sa *sa, const struct inlay_sa_params *params)
{
	__u64 most = sa->direction == INLAY_TX ? inlay_cipher_seal_limit(sa->cipher)
					       : inlay_cipher_forgery_limit(sa->cipher);

	sa->hard_limit =
		params->hard_limit && params->hard_limit < most ? params->hard_limit : most;
	sa->soft_limit =
		params->soft_limit ? params->soft_limit : sa->hard_limit - sa->hard_limit / 8;
}

static int fill(struct example *e, struct example_sa *sa, const struct inlay_sa_params *params)
{
	int err = 0;

	sa->direction = params->direction;
	sa->cipher = params->cipher;
	sa->path = params->path;
	sa->remote_before = params->path.remote;
	sa->phase_bit = params->phase;
	sa->first_pn = sa->next_pn = sa->floor = params->next_pn;
	sa->phases[CURRENT] =
		(struct example_phase){.has = true, .keys = params->keys, .lowest = UINT64_MAX};
	memcpy(sa->hp, params->hp, sizeof(sa->hp));
	set_limits(sa, params);
	for (size_t i = 0; !err && i < params->n_cids; i++)
		err = add_cid(e, sa, &params->cids[i]);
	return err;
}

static int add(struct example *e, const struct inlay_sa_params *params, struct inlay_sa_ref *ret_sa)
{
	struct example_sa *sa = NULL;
	int err;

	if ((params->direction != INLAY_RX && params->direction != INLAY_TX) ||
	    params->next_pn > INLAY_PN_MAX)
		return -EINVAL;
	if (!inlay_cipher_is_known(params->cipher))
		return -ENOTSUP;
	/* In turn: a number that was used comes back late. */
	for (__u32 i = 0; !sa && i < e->max_sa; i++) {
		__u32 number = (e->next_sa + i) % e->max_sa;

		if (!e->sas[number].used) {
			sa = &e->sas[number];
			sa->number = number;
		}
	}
	if (!sa)
		return -ENOSPC;
	err = fill(e, sa, params);
	if (err) {
		release(e, sa);
		return err;
	}
	sa->used = true;
	e->next_sa = sa->number + 1;
	*ret_sa = (struct inlay_sa_ref){.number = sa->number, .generation = sa->generation};
	return 0;
}

static int update_tx(struct example_sa *sa, __u64 first_pn, const struct example_phase *next)
{
	if (first_pn > INLAY_PN_MAX)
		return -EINVAL;
	if (sa->stats.packets && sa->next_pn > first_pn)
		return -EBUSY;
	/* Two updates in a row (RFC 9001 section 6.1). */
	if (sa->phases[OLD].has && sa->next_pn <= sa->first_pn)
		return -EBUSY;
	/* What the oldest keys would have sealed has none any more. */
	if (sa->phases[OLD].has && sa->first_pn > sa->floor)
		sa->floor = sa->first_pn;
	sa->phases[OLD] = sa->phases[CURRENT];
	sa->phases[CURRENT] = *next;
	sa->first_pn = first_pn;
	sa->phase_bit = !sa->phase_bit;
	return 0;
}

static int update_rx(struct example_sa *sa, const struct example_phase *next)
{
	if (sa->phases[NEXT].has) {
		sa->phases[OLD] = sa->phases[CURRENT];
		sa->phases[CURRENT] = sa->phases[NEXT];
		sa->phase_bit = !sa->phase_bit;
	}
	sa->phases[NEXT] = *next;
	return 0;
}

static int raise_floor(struct example_sa *sa, __u64 pn)
{
	__u64 *floor = sa->direction == INLAY_TX ? &sa->floor : &sa->next_pn;

	if (pn > INLAY_PN_MAX)
		return -EINVAL;
	if (pn > *floor)
		*floor = pn;
	return 0;
}

static int drop_old(const struct example *e, struct example_sa *sa)
{
	if (sa->direction != INLAY_RX)
		return -EINVAL;
	sa->phases[OLD].has = false;
	if (e->fault != EXAMPLE_stale_key)
		explicit_bzero(&sa->phases[OLD], sizeof(sa->phases[OLD]));
	return 0;
}

/* --- Operations: each under the lock ---------------------------------------------------------- */

/* |call| is done on |sa|, which |ref| names. */
#define ON_SA(call)                                                                                \
	do {                                                                                       \
		struct example *e = example_of(p);                                                 \
		struct example_sa *sa;                                                             \
		int err = -ESTALE;                                                                 \
                                                                                                   \
		pthread_mutex_lock(&e->lock);                                                      \
		sa = find(e, ref);                                                                 \
		if (sa)                                                                            \
			err = (call);                                                              \
		pthread_mutex_unlock(&e->lock);                                                    \
		return err;                                                                        \
	} while (0)

static void op_caps(struct inlay_provider *p, struct inlay_provider_caps *ret_caps)
{
	*ret_caps = (struct inlay_provider_caps){
		.name = "example",
		.ciphers = 1U << INLAY_AES_128_GCM | 1U << INLAY_AES_256_GCM |
			   1U << INLAY_CHACHA20_POLY1305,
		.max_sa = example_of(p)->max_sa,
		.max_rx_cid_len = INLAY_OWN_CID,
		.needs_fixed_tx_pn_len = true,
	};
}

static int op_sa_add(struct inlay_provider *p, const struct inlay_sa_params *params,
		     struct inlay_sa_ref *ret_sa)
{
	struct example *e = example_of(p);
	int err;

	pthread_mutex_lock(&e->lock);
	err = add(e, params, ret_sa);
	pthread_mutex_unlock(&e->lock);
	return err;
}

static int op_sa_del(struct inlay_provider *p, struct inlay_sa_ref ref)
{
	ON_SA((release(e, sa), 0));
}

static int op_cid_add(struct inlay_provider *p, struct inlay_sa_ref ref,
		      const struct inlay_cid *cid)
{
	ON_SA(add_cid(e, sa, cid));
}

static int op_cid_del(struct inlay_provider *p, struct inlay_sa_ref ref,
		      const struct inlay_cid *cid)
{
	ON_SA(del_cid(e, sa, cid));
}

static int op_next_phase(struct inlay_provider *p, struct inlay_sa_ref ref, __u64 first_pn,
			 const struct inlay_keys *keys)
{
	const struct example_phase next = {.has = true, .keys = *keys, .lowest = UINT64_MAX};

	ON_SA(sa->direction == INLAY_TX ? update_tx(sa, first_pn, &next) : update_rx(sa, &next));
}

static int op_drop_old_phase(struct inlay_provider *p, struct inlay_sa_ref ref)
{
	ON_SA(drop_old(e, sa));
}

static int op_advance(struct inlay_provider *p, struct inlay_sa_ref ref, __u64 pn)
{
	ON_SA(raise_floor(sa, pn));
}

static int op_set_path(struct inlay_provider *p, struct inlay_sa_ref ref,
		       const struct inlay_path *path)
{
	ON_SA(move_path(e, sa, path));
}

static int op_remote_add(struct inlay_provider *p, struct inlay_sa_ref ref,
			 const struct inlay_addr *remote)
{
	ON_SA(add_remote(sa, remote));
}

static int del_remote(struct example_sa *sa, const struct inlay_addr *remote)
{
	int at = find_remote(sa, remote);

	if (at < 0)
		return at;
	sa->remotes[at] = sa->remotes[--sa->n_remotes];
	return 0;
}

static int op_remote_del(struct inlay_provider *p, struct inlay_sa_ref ref,
			 const struct inlay_addr *remote)
{
	ON_SA(del_remote(sa, remote));
}

static int op_stats(struct inlay_provider *p, struct inlay_sa_ref ref,
		    struct inlay_sa_stats *ret_stats)
{
	ON_SA((*ret_stats = sa->stats, 0));
}

static size_t op_open(struct inlay_provider *p, struct inlay_open_item *items, size_t n)
{
	struct example *e = example_of(p);
	size_t good = 0;

	pthread_mutex_lock(&e->lock);
	for (size_t i = 0; i < n; i++) {
		items[i].verdict = (__u8)example_open_item(e, &items[i]);
		good += items[i].verdict == INLAY_OK;
	}
	pthread_mutex_unlock(&e->lock);
	return good;
}

static size_t op_seal(struct inlay_provider *p, struct inlay_seal_item *items, size_t n)
{
	struct example *e = example_of(p);
	size_t good = 0;

	pthread_mutex_lock(&e->lock);
	for (size_t i = 0; i < n; i++) {
		items[i].verdict = (__u8)example_seal_item(e, &items[i]);
		good += items[i].verdict == INLAY_OK;
	}
	pthread_mutex_unlock(&e->lock);
	return good;
}

static size_t op_events(struct inlay_provider *p, struct inlay_provider_event *events, size_t n)
{
	struct example *e = example_of(p);
	size_t taken = 0;

	pthread_mutex_lock(&e->lock);
	for (__u32 i = 0; i < e->max_sa; i++) {
		struct example_sa *sa = &e->sas[i];

		while (sa->used && sa->n_events && taken < n) {
			events[taken++] = (struct inlay_provider_event){
				.kind = sa->events[0],
				.sa = {.number = sa->number, .generation = sa->generation},
			};
			memmove(sa->events, sa->events + 1, --sa->n_events * sizeof(sa->events[0]));
		}
	}
	pthread_mutex_unlock(&e->lock);
	return taken;
}

static void op_free(struct inlay_provider *p)
{
	struct example *e = example_of(p);

	explicit_bzero(e->sas, e->max_sa * sizeof(*e->sas));
	free(e->sas);
	pthread_mutex_destroy(&e->lock);
	explicit_bzero(e, sizeof(*e));
	free(e);
}

static const struct inlay_provider_ops ops = {
	.caps = op_caps,
	.sa_add = op_sa_add,
	.sa_del = op_sa_del,
	.cid_add = op_cid_add,
	.cid_del = op_cid_del,
	.next_phase = op_next_phase,
	.drop_old_phase = op_drop_old_phase,
	.advance = op_advance,
	.set_path = op_set_path,
	.remote_add = op_remote_add,
	.remote_del = op_remote_del,
	.open = op_open,
	.seal = op_seal,
	.stats = op_stats,
	.events = op_events,
	.free = op_free,
};

static enum example_fault fault_of(const char *name)
{
	static const char *const names[] = {
#define FAULT(name, text) #name,
#include "example_faults.def"
#undef FAULT
	};

	for (size_t i = 0; name && i < INLAY_ARRAY_SIZE(names); i++)
		if (!strcmp(names[i], name))
			return (enum example_fault)(i + 1);
	return EXAMPLE_NO_FAULT;
}

static struct inlay_provider *make(const struct inlay_conform_device *device, __u32 max_sa,
				   __u32 max_cids)
{
	struct example *e = calloc(1, sizeof(*e));
	struct example_sa *sas = calloc(max_sa, sizeof(*sas));

	if (!e || !sas) {
		free(e);
		free(sas);
		return NULL;
	}
	e->base.ops = &ops;
	e->fault = fault_of(getenv("INLAY_EXAMPLE_FAULT"));
	e->sas = sas;
	e->max_sa = max_sa;
	e->max_cids = max_cids;
	for (__u32 i = 0; i < max_sa; i++)
		sas[i].generation = 1;
	pthread_mutex_init(&e->lock, NULL);
	return &e->base;
}

/* The only name that the suite looks for. */
const struct inlay_conform_device inlay_conform_device = {
	.abi = INLAY_CONFORM_ABI,
	.name = "example device",
	.features = INLAY_CASE_THREADS,
	.make = make,
};
