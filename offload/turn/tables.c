/* SPDX-License-Identifier: BSD-2-Clause */
/* Allocations, their permissions, and what time does to all of them. See tables.h. */
#include "tables.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "inlay_atomic.h"
#include "tables_impl.h"

#define EXPIRED_AT_ONCE 4096 /* in one turn: each costs a few bpf(2) */
/* A wait for all programs takes tens of milliseconds, in which nothing is heard: not one for each
 * entry. */
#define SETTLE_EVERY (250 * INLAY_MS)
#define RATE_BYTES   1024 /* what byte_cost is the price of */

static const __u8 mapped[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}; /* RFC 4291 2.5.5.2 */

/* --- Addresses ----------------------------------------------------------------------------- */

/* What a wire carries from one host to one other, and means the same on every link: not the
 * unspecified address, loopback, multicast, link-local (RFC 3927: clouds answer there with what
 * is the host's alone) and mapped IPv4 addresses. */
static bool is_carried(const struct inlay_addr *addr)
{
	static const __u8 zero[16], loopback[16] = {[15] = 1};
	const __u8 *ip = addr->ip;

	if (addr->family == AF_INET)
		return ip[0] != 0 && ip[0] != 127 && ip[0] < 224 && (ip[0] != 169 || ip[1] != 254);
	return memcmp(ip, zero, 16) && memcmp(ip, loopback, 16) && ip[0] != 0xff &&
	       !(ip[0] == 0xfe && (ip[1] & 0xc0) == 0x80) && memcmp(ip, mapped, sizeof(mapped));
}

bool inlay_turn_tables_fits(const struct inlay_addr *addr, struct inlay_addr *ret_addr)
{
	struct inlay_addr a = {.family = addr->family, .port = addr->port};

	if (addr->family != AF_INET && addr->family != AF_INET6)
		return false;
	memcpy(a.ip, addr->ip, addr->family == AF_INET ? 4 : 16);
	*ret_addr = a;
	return is_carried(&a);
}

static bool in_range(const struct inlay_turn_range *range, const struct inlay_addr *addr)
{
	unsigned int whole = range->prefix_len / 8, rest = range->prefix_len % 8;

	if (range->addr.family != addr->family || memcmp(range->addr.ip, addr->ip, whole))
		return false;
	return !rest || !((range->addr.ip[whole] ^ addr->ip[whole]) >> (8 - rest));
}

int inlay_turn_tables_peer(struct inlay_turn_tables *t, const struct inlay_addr *addr,
			   struct inlay_addr *ret_addr)
{
	bool denied;

	if (addr->family != AF_INET && addr->family != AF_INET6)
		return -EINVAL;
	denied = !inlay_turn_tables_fits(addr, ret_addr);
	for (size_t i = 0; i < t->n_denied && !denied; i++)
		denied = in_range(&t->denied[i], ret_addr);
	t->counts.denied += denied;
	return denied ? -EACCES : 0;
}

/* --- Entries that are free, and those that rest --------------------------------------------- */

static void pool_init(struct pool *pool)
{
	inlay_list_init(&pool->free);
	inlay_list_init(&pool->resting);
}

/* One wait is for all that have rested long enough. */
static void settle(struct inlay_turn_tables *t, inlay_ns now, bool *settled)
{
	if (!*settled)
		t->backend.settle(t->backend.user);
	*settled = true;
	t->settles = now + SETTLE_EVERY;
}

static void wake_rested(struct inlay_turn_tables *t, inlay_ns now)
{
	struct inlay_list *f = t->flow_pool.resting.next, *a = t->allocation_pool.resting.next;
	bool settled = false;

	if (now < t->settles)
		return;
	while (f != &t->flow_pool.resting &&
	       inlay_list_entry(f, struct flow, node)->freed + INLAY_TURN_REST <= now) {
		settle(t, now, &settled);
		inlay_turn_tables_account(t, inlay_list_entry(f, struct flow, node), &t->gone);
		inlay_list_remove(f);
		inlay_list_append(&t->flow_pool.free, f);
		f = t->flow_pool.resting.next;
		t->counts.resting_flows--;
	}
	while (a != &t->allocation_pool.resting &&
	       inlay_list_entry(a, struct allocation, node)->freed + INLAY_TURN_REST <= now) {
		settle(t, now, &settled);
		t->gone.over_limit +=
			inlay_turn_tables_over(t, inlay_list_entry(a, struct allocation, node));
		inlay_list_remove(a);
		inlay_list_append(&t->allocation_pool.free, a);
		a = t->allocation_pool.resting.next;
		t->counts.resting_allocations--;
	}
}

static inlay_ns next_rested(const struct inlay_turn_tables *t)
{
	const struct inlay_list *f = t->flow_pool.resting.next;
	const struct inlay_list *a = t->allocation_pool.resting.next;
	inlay_ns next = INLAY_NEVER, then;

	if (f != &t->flow_pool.resting)
		next = inlay_list_entry(f, struct flow, node)->freed + INLAY_TURN_REST;
	if (a != &t->allocation_pool.resting) {
		then = inlay_list_entry(a, struct allocation, node)->freed + INLAY_TURN_REST;
		next = then < next ? then : next;
	}
	return next < t->settles ? t->settles : next;
}

/* --- The whole ------------------------------------------------------------------------------ */

static void link_records(struct inlay_turn_tables *t, __u32 n_permissions)
{
	inlay_list_init(&t->allocations);
	inlay_list_init(&t->watched);
	inlay_list_init(&t->free_permissions);
	pool_init(&t->allocation_pool);
	pool_init(&t->flow_pool);
	for (__u32 i = 0; i < t->backend.n_allocations; i++) {
		struct allocation *a = &t->all_allocations[i];

		a->expiry.kind = EXPIRY_ALLOCATION;
		inlay_list_init(&a->channels);
		inlay_list_init(&a->permissions);
		inlay_list_append(&t->allocation_pool.free, &a->node);
	}
	for (__u32 i = 0; i < t->backend.n_flows; i++) {
		t->all_flows[i].expiry.kind = EXPIRY_FLOW;
		inlay_list_append(&t->flow_pool.free, &t->all_flows[i].node);
	}
	for (__u32 i = 0; i < n_permissions; i++) {
		t->all_permissions[i].expiry.kind = EXPIRY_PERMISSION;
		inlay_list_append(&t->free_permissions, &t->all_permissions[i].node);
	}
}

static bool are_sound(const struct inlay_turn_range *ranges, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (ranges[i].addr.family == AF_INET
			    ? ranges[i].prefix_len > 32
			    : ranges[i].addr.family != AF_INET6 || ranges[i].prefix_len > 128)
			return false;
	return true;
}

static int make_room(struct inlay_turn_tables *t, const struct inlay_turn_tables_config *config)
{
	const struct inlay_turn_backend *b = &config->backend;

	t->all_allocations = calloc(b->n_allocations, sizeof(*t->all_allocations));
	t->all_flows = calloc(b->n_flows, sizeof(*t->all_flows));
	t->all_permissions = calloc(config->max_permissions, sizeof(*t->all_permissions));
	t->denied = calloc(config->n_denied + 1, sizeof(*t->denied));
	if (!t->all_allocations || !t->all_flows || !t->all_permissions || !t->denied)
		return -ENOMEM;
	return inlay_timers_reserve(&t->timers, (size_t)b->n_allocations + b->n_flows +
							config->max_permissions);
}

int inlay_turn_tables_new(const struct inlay_turn_tables_config *config,
			  struct inlay_turn_tables **ret_tables)
{
	struct inlay_turn_tables *t;

	if (!config->backend.n_flows || !config->backend.n_allocations ||
	    !config->max_permissions || !are_sound(config->denied, config->n_denied))
		return -EINVAL;
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->backend = config->backend;
	t->key = config->key;
	inlay_list_init(&t->allocations);
	inlay_list_init(&t->watched);
	if (make_room(t, config)) {
		inlay_turn_tables_free(t);
		return -ENOMEM;
	}
	if (config->n_denied)
		memcpy(t->denied, config->denied, config->n_denied * sizeof(*t->denied));
	t->n_denied = config->n_denied;
	link_records(t, config->max_permissions);
	*ret_tables = t;
	return 0;
}

static void drop_permission(struct inlay_turn_tables *t, struct permission *p)
{
	set_expiry(t, &p->expiry, INLAY_NEVER);
	inlay_turn_tables_permission(t, p->allocation, &p->peer, 0);
	inlay_list_remove(&p->node);
	inlay_list_append(&t->free_permissions, &p->node);
	p->allocation = NULL;
	t->counts.permissions--;
}

static __u64 client_hash(const struct inlay_turn_tables *t, const struct inlay_addr *client,
			 const struct inlay_addr *server, __u16 family)
{
	struct {
		struct inlay_addr client, server;
		__u64 family;
	} both = {*client, *server, family};

	return inlay_siphash(&t->key, (const __u8 *)&both, sizeof(both));
}

static __u64 relayed_hash(const struct inlay_turn_tables *t, const struct inlay_addr *relayed)
{
	return inlay_siphash(&t->key, (const __u8 *)relayed, sizeof(*relayed));
}

static void drop_allocation(struct inlay_turn_tables *t, struct allocation *a, inlay_ns now)
{
	struct inlay_list *node, *after;

	inlay_store_u64(&t->backend.allocations[allocation_index(t, a)].until, 0);
	inlay_list_for_each_safe (node, after, &a->channels)
		inlay_turn_tables_drop(t, inlay_list_entry(node, struct flow, node), now);
	inlay_list_for_each_safe (node, after, &a->permissions)
		drop_permission(t, inlay_list_entry(node, struct permission, node));
	set_expiry(t, &a->expiry, INLAY_NEVER);
	inlay_map_remove(&t->by_client, client_hash(t, &a->client, &a->server, a->relayed.family));
	inlay_map_remove(&t->by_relayed, relayed_hash(t, &a->relayed));
	inlay_list_remove(&a->node);
	inlay_list_append(&t->allocation_pool.resting, &a->node);
	a->used = false;
	a->freed = now;
	t->counts.allocations--;
	t->counts.resting_allocations++;
}

void inlay_turn_tables_free(struct inlay_turn_tables *t)
{
	struct inlay_list *node, *after;

	if (!t)
		return;
	inlay_list_for_each_safe (node, after, &t->allocations)
		drop_allocation(t, inlay_list_entry(node, struct allocation, node), 0);
	inlay_list_for_each_safe (node, after, &t->watched)
		inlay_turn_tables_drop(t, inlay_list_entry(node, struct flow, node), 0);
	inlay_map_fini(&t->by_client);
	inlay_map_fini(&t->by_relayed);
	inlay_timers_fini(&t->timers);
	free(t->all_allocations);
	free(t->all_flows);
	free(t->all_permissions);
	free(t->denied);
	free(t);
}

/* --- Allocations ---------------------------------------------------------------------------- */

struct allocation *inlay_turn_tables_find(const struct inlay_turn_tables *t,
					  struct inlay_turn_id id)
{
	struct allocation *a;

	if (id.index >= t->backend.n_allocations)
		return NULL;
	a = &t->all_allocations[id.index];
	return a->used && a->generation == id.generation ? a : NULL;
}

/* The price of one in nanoseconds; 0: no limit. False: it costs more than the field holds. */
static bool price(__u64 bytes, __u32 per_s, __u32 *ret_cost)
{
	__u64 cost = per_s ? bytes * INLAY_S / per_s : 0;

	if (per_s && !cost)
		cost = 1;
	*ret_cost = (__u32)cost;
	return cost <= 0xffffffff;
}

/* Entered by both names, or by none. */
static int enter(struct inlay_turn_tables *t, struct allocation *a)
{
	__u64 client = client_hash(t, &a->client, &a->server, a->relayed.family);
	__u64 relayed = relayed_hash(t, &a->relayed);

	/* Keyed: whose hashes are the same is the same, but for one in 2^64. */
	if (inlay_map_get(&t->by_client, client) || inlay_map_get(&t->by_relayed, relayed))
		return -EEXIST;
	if (inlay_map_set(&t->by_client, client, a))
		return -ENOSPC;
	if (inlay_map_set(&t->by_relayed, relayed, a)) {
		inlay_map_remove(&t->by_client, client);
		return -ENOSPC;
	}
	return 0;
}

static void publish(struct inlay_turn_tables *t, const struct allocation *a,
		    const struct inlay_turn_allocation *shared)
{
	struct inlay_turn_allocation *entry = &t->backend.allocations[allocation_index(t, a)];
	__u64 until = shared->until;

	*entry = *shared;
	inlay_store_u64(&entry->until, until);
}

int inlay_turn_tables_add(struct inlay_turn_tables *t,
			  const struct inlay_turn_allocation_params *params, inlay_ns now,
			  struct inlay_turn_id *ret_id)
{
	struct inlay_turn_allocation shared = {.until = params->until, .burst = INLAY_TURN_BURST};
	struct inlay_addr client, server, relayed;
	struct allocation *a;
	int err;

	if (!inlay_turn_tables_fits(&params->client, &client) ||
	    !inlay_turn_tables_fits(&params->server, &server) ||
	    !inlay_turn_tables_fits(&params->relayed, &relayed) || !client.port || !server.port ||
	    !relayed.port || client.family != server.family || params->until <= now ||
	    !price(1, params->max_packets_per_s, &shared.packet_cost) ||
	    !price(RATE_BYTES, params->max_bytes_per_s, &shared.byte_cost))
		return -EINVAL;
	if (inlay_list_is_empty(&t->allocation_pool.free)) {
		t->counts.full++;
		return -ENOSPC;
	}
	a = inlay_list_entry(t->allocation_pool.free.next, struct allocation, node);
	a->client = client;
	a->server = server;
	a->relayed = relayed;
	err = enter(t, a);
	if (err)
		return err;
	inlay_list_remove(&a->node);
	inlay_list_append(&t->allocations, &a->node);
	a->used = true;
	a->generation++;
	publish(t, a, &shared);
	set_expiry(t, &a->expiry, params->until);
	t->counts.allocations++;
	*ret_id = (struct inlay_turn_id){allocation_index(t, a), a->generation};
	return 0;
}

int inlay_turn_tables_refresh(struct inlay_turn_tables *t, struct inlay_turn_id id, inlay_ns until,
			      inlay_ns now)
{
	struct allocation *a = inlay_turn_tables_find(t, id);

	if (!a)
		return -ESTALE;
	if (until <= now) {
		drop_allocation(t, a, now);
		return 0;
	}
	inlay_store_u64(&t->backend.allocations[id.index].until, until);
	set_expiry(t, &a->expiry, until);
	return 0;
}

int inlay_turn_tables_remove(struct inlay_turn_tables *t, struct inlay_turn_id id, inlay_ns now)
{
	return inlay_turn_tables_refresh(t, id, 0, now);
}

/* --- Permissions ---------------------------------------------------------------------------- */

static struct permission *find_permission(const struct allocation *a, const struct inlay_addr *peer)
{
	struct inlay_addr without_port = *peer;
	struct inlay_list *node;

	without_port.port = 0;
	inlay_list_for_each (node, &a->permissions) {
		struct permission *p = inlay_list_entry(node, struct permission, node);

		if (same_addr(&p->peer, &without_port))
			return p;
	}
	return NULL;
}

inlay_ns inlay_turn_tables_permitted(const struct allocation *a, const struct inlay_addr *peer)
{
	const struct permission *p = find_permission(a, peer);

	return p ? p->until : 0;
}

static struct permission *new_permission(struct inlay_turn_tables *t, struct allocation *a,
					 const struct inlay_addr *peer)
{
	struct permission *p;

	if (inlay_list_is_empty(&t->free_permissions))
		return NULL;
	p = inlay_list_entry(t->free_permissions.next, struct permission, node);
	inlay_list_remove(&p->node);
	inlay_list_append(&a->permissions, &p->node);
	p->allocation = a;
	p->peer = *peer;
	p->peer.port = 0;
	t->counts.permissions++;
	return p;
}

int inlay_turn_tables_permit(struct inlay_turn_tables *t, struct inlay_turn_id id,
			     const struct inlay_addr *peer, inlay_ns until, inlay_ns now)
{
	struct allocation *a = inlay_turn_tables_find(t, id);
	struct inlay_addr addr;
	struct permission *p;
	int err;

	if (!a)
		return -ESTALE;
	if (until <= now)
		return inlay_turn_tables_forbid(t, id, peer) == -ESTALE ? -ESTALE : 0;
	err = inlay_turn_tables_peer(t, peer, &addr);
	if (err)
		return err;
	if (addr.family != a->relayed.family)
		return -EINVAL;
	p = find_permission(a, &addr);
	if (!p)
		p = new_permission(t, a, &addr);
	if (!p) {
		t->counts.full++;
		return -ENOSPC;
	}
	p->until = until;
	set_expiry(t, &p->expiry, until);
	inlay_turn_tables_permission(t, a, &p->peer, until);
	return 0;
}

int inlay_turn_tables_forbid(struct inlay_turn_tables *t, struct inlay_turn_id id,
			     const struct inlay_addr *peer)
{
	struct allocation *a = inlay_turn_tables_find(t, id);
	struct inlay_addr addr;
	struct permission *p;

	if (!a)
		return -ESTALE;
	p = inlay_turn_tables_fits(peer, &addr) ? find_permission(a, &addr) : NULL;
	if (!p)
		return -ENOENT;
	drop_permission(t, p);
	return 0;
}

/* --- Time ----------------------------------------------------------------------------------- */

static void expire(struct inlay_turn_tables *t, struct expiry *expiry, inlay_ns now)
{
	char *at = (char *)expiry;

	switch (expiry->kind) {
	case EXPIRY_ALLOCATION:
		drop_allocation(t, inlay_list_entry(at, struct allocation, expiry), now);
		break;
	case EXPIRY_PERMISSION:
		drop_permission(t, inlay_list_entry(at, struct permission, expiry));
		break;
	case EXPIRY_FLOW:
		inlay_turn_tables_drop(t, inlay_list_entry(at, struct flow, expiry), now);
		break;
	}
}

inlay_ns inlay_turn_tables_turn(struct inlay_turn_tables *t, inlay_ns now)
{
	inlay_ns next, rested;

	for (int i = 0; i < EXPIRED_AT_ONCE; i++) {
		struct inlay_timer *timer = inlay_timers_pop(&t->timers, now);

		if (!timer)
			break;
		expire(t, inlay_list_entry(timer, struct expiry, timer), now);
	}
	wake_rested(t, now);
	next = inlay_timers_next(&t->timers);
	rested = next_rested(t);
	return rested < next ? rested : next;
}

void inlay_turn_tables_counts(const struct inlay_turn_tables *t,
			      struct inlay_turn_tables_counts *ret_counts)
{
	*ret_counts = t->counts;
}
