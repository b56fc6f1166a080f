/* SPDX-License-Identifier: BSD-2-Clause */
/* Flows: channels of allocations, and candidates that are only watched. See tables.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "inlay_atomic.h"
#include "tables_impl.h"

static struct inlay_turn_flow *shared_flow(const struct inlay_turn_tables *t,
					   const struct flow *flow)
{
	return &t->backend.flows[flow_index(t, flow)];
}

static struct inlay_turn_client_key client_key(const struct inlay_turn_flow *f)
{
	struct inlay_turn_client_key key = {
		.client = f->client, .server = f->server, .channel = f->channel};

	return key;
}

static struct inlay_turn_peer_key peer_key(const struct inlay_turn_flow *f)
{
	struct inlay_turn_peer_key key = {.relayed = f->relayed, .peer = f->peer};

	return key;
}

static struct inlay_turn_watched_key watched_key(const struct inlay_turn_flow *f, __be16 port)
{
	struct inlay_turn_watched_key key = {.peer = f->peer, .relayed_port = port};

	return key;
}

/* The key by which datagrams of the peer's, or to the peer, find the flow. */
static int add_far_key(struct inlay_turn_tables *t, const struct flow *flow,
		       const struct inlay_turn_ref *ref)
{
	const struct inlay_turn_backend *b = &t->backend;
	const struct inlay_turn_flow *f = shared_flow(t, flow);

	if (flow->allocation) {
		struct inlay_turn_peer_key key = peer_key(f);

		return b->add(b->user, INLAY_TURN_PEERS, &key, ref);
	} else {
		struct inlay_turn_watched_key key = watched_key(f, flow->relayed_port);

		return b->add(b->user, INLAY_TURN_WATCHES, &key, ref);
	}
}

static void remove_far_key(struct inlay_turn_tables *t, const struct flow *flow)
{
	const struct inlay_turn_backend *b = &t->backend;
	const struct inlay_turn_flow *f = shared_flow(t, flow);

	if (flow->allocation) {
		struct inlay_turn_peer_key key = peer_key(f);

		b->remove(b->user, INLAY_TURN_PEERS, &key);
	} else {
		struct inlay_turn_watched_key key = watched_key(f, flow->relayed_port);

		b->remove(b->user, INLAY_TURN_WATCHES, &key);
	}
}

/* Everything is in its place: now programs may find it. By both keys, or by none; |*ret_seen|: it
 * was to be found. */
static int add_keys(struct inlay_turn_tables *t, const struct flow *flow, bool *ret_seen)
{
	const struct inlay_turn_backend *b = &t->backend;
	const struct inlay_turn_flow *f = shared_flow(t, flow);
	struct inlay_turn_ref ref = {.flow = flow_index(t, flow), .generation = f->generation};
	struct inlay_turn_client_key key = client_key(f);
	int err;

	err = add_far_key(t, flow, &ref);
	*ret_seen = !err;
	if (err)
		return err;
	err = b->add(b->user, INLAY_TURN_CLIENTS, &key, &ref);
	if (err)
		remove_far_key(t, flow);
	return err;
}

/* No key leads to it any more. */
static void retire(struct inlay_turn_tables *t, struct flow *flow, inlay_ns now)
{
	inlay_store_u32(&shared_flow(t, flow)->state, INLAY_TURN_FREE);
	set_expiry(t, &flow->expiry, INLAY_NEVER);
	inlay_list_remove(&flow->node);
	inlay_list_append(&t->flow_pool.resting, &flow->node);
	flow->allocation = NULL;
	flow->freed = now;
	t->counts.resting_flows++;
}

void inlay_turn_tables_drop(struct inlay_turn_tables *t, struct flow *flow, inlay_ns now)
{
	const struct inlay_turn_backend *b = &t->backend;
	struct inlay_turn_flow *f = shared_flow(t, flow);
	struct inlay_turn_client_key key = client_key(f);

	inlay_store_u32(&f->state, INLAY_TURN_FREE);
	b->remove(b->user, INLAY_TURN_CLIENTS, &key);
	remove_far_key(t, flow);
	if (flow->allocation)
		t->counts.channels--;
	else
		t->counts.watched--;
	retire(t, flow, now);
}

/* Fills a free entry and lets programs find it. |from| has all but its generation. */
static int put(struct inlay_turn_tables *t, const struct inlay_turn_flow *from,
	       struct allocation *a, __be16 relayed_port, inlay_ns now, struct flow **ret_flow)
{
	struct inlay_turn_flow *f;
	struct flow *flow;
	bool seen;
	int err;

	if (inlay_list_is_empty(&t->flow_pool.free)) {
		t->counts.full++;
		return -ENOSPC;
	}
	flow = inlay_list_entry(t->flow_pool.free.next, struct flow, node);
	f = shared_flow(t, flow);
	if (!++t->generation)
		++t->generation;
	t->backend.clear(t->backend.user, flow_index(t, flow));
	*f = *from;
	f->generation = t->generation;
	flow->allocation = a;
	flow->relayed_port = relayed_port;
	err = add_keys(t, flow, &seen);
	if (err) {
		t->counts.full += err == -ENOSPC;
		if (seen)
			retire(t, flow, now);
		else
			inlay_store_u32(&f->state, INLAY_TURN_FREE);
		return err;
	}
	inlay_list_remove(&flow->node);
	inlay_list_append(a ? &a->channels : &t->watched, &flow->node);
	*ret_flow = flow;
	return 0;
}

static bool is_number(__u16 number)
{
	return number >= INLAY_TURN_CHANNEL_MIN && number <= INLAY_TURN_CHANNEL_MAX;
}

/* --- Channels ------------------------------------------------------------------------------- */

static struct flow *find_channel(const struct inlay_turn_tables *t, const struct allocation *a,
				 __u16 number)
{
	struct inlay_list *node;

	inlay_list_for_each (node, &a->channels) {
		struct flow *flow = inlay_list_entry(node, struct flow, node);

		if (shared_flow(t, flow)->channel == htons(number))
			return flow;
	}
	return NULL;
}

static int bind_new(struct inlay_turn_tables *t, struct allocation *a, __u16 number,
		    const struct inlay_addr *peer, inlay_ns until, inlay_ns now)
{
	struct inlay_turn_flow f = {
		.state = INLAY_TURN_FAST,
		.channel_until = until,
		.permission_until = inlay_turn_tables_permitted(a, peer),
		.client = a->client,
		.server = a->server,
		.relayed = a->relayed,
		.peer = *peer,
		.allocation = allocation_index(t, a),
		.channel = htons(number),
	};
	struct flow *flow;
	int err;

	/* That the peer has another number, or somebody else has this one, the keys say. */
	err = put(t, &f, a, 0, now, &flow);
	if (err)
		return err;
	set_expiry(t, &flow->expiry, until);
	t->counts.channels++;
	return 0;
}

int inlay_turn_tables_bind(struct inlay_turn_tables *t, struct inlay_turn_id id, __u16 number,
			   const struct inlay_addr *peer, inlay_ns until, inlay_ns now)
{
	struct allocation *a = inlay_turn_tables_find(t, id);
	struct inlay_addr addr;
	struct flow *flow;
	int err;

	if (!a)
		return -ESTALE;
	if (!is_number(number) || !peer->port)
		return -EINVAL;
	err = inlay_turn_tables_peer(t, peer, &addr);
	if (err)
		return err;
	if (addr.family != a->relayed.family)
		return -EINVAL;
	flow = find_channel(t, a, number);
	if (!flow)
		return until <= now ? 0 : bind_new(t, a, number, &addr, until, now);
	if (!same_addr(&shared_flow(t, flow)->peer, &addr))
		return -EEXIST;
	if (until <= now) {
		inlay_turn_tables_drop(t, flow, now);
		return 0;
	}
	inlay_store_u64(&shared_flow(t, flow)->channel_until, until);
	set_expiry(t, &flow->expiry, until);
	return 0;
}

int inlay_turn_tables_unbind(struct inlay_turn_tables *t, struct inlay_turn_id id, __u16 number,
			     inlay_ns now)
{
	struct allocation *a = inlay_turn_tables_find(t, id);
	struct flow *flow;

	if (!a)
		return -ESTALE;
	flow = find_channel(t, a, number);
	if (!flow)
		return -ENOENT;
	inlay_turn_tables_drop(t, flow, now);
	return 0;
}

void inlay_turn_tables_permission(struct inlay_turn_tables *t, struct allocation *a,
				  const struct inlay_addr *peer, inlay_ns until)
{
	struct inlay_list *node;

	inlay_list_for_each (node, &a->channels) {
		struct inlay_turn_flow *f =
			shared_flow(t, inlay_list_entry(node, struct flow, node));

		if (!memcmp(f->peer.ip, peer->ip, sizeof(peer->ip)))
			inlay_store_u64(&f->permission_until, until);
	}
}

/* --- Candidates ------------------------------------------------------------------------------ */

/* A candidate that is proven needs a second place until the first has rested. So some are kept for
 * that: clients that bind channels, and never use them, make nobody else's slow. */
static bool may_watch(const struct inlay_turn_tables *t)
{
	return t->counts.watched < t->backend.n_flows - t->backend.n_flows / INLAY_TURN_KEPT;
}

int inlay_turn_tables_watch(struct inlay_turn_tables *t,
			    const struct inlay_turn_candidate *candidate, inlay_ns now,
			    struct inlay_turn_ref *ret_ref)
{
	struct inlay_turn_flow f = {
		.state = INLAY_TURN_WATCHED,
		.channel_until = candidate->until,
		.channel = htons(candidate->number),
	};
	struct flow *flow;
	int err;

	if (!inlay_turn_tables_fits(&candidate->client, &f.client) ||
	    !inlay_turn_tables_fits(&candidate->server, &f.server) ||
	    f.client.family != f.server.family || !f.client.port || !f.server.port ||
	    !candidate->relayed_port || !candidate->peer.port || !is_number(candidate->number) ||
	    candidate->until <= now)
		return -EINVAL;
	err = inlay_turn_tables_peer(t, &candidate->peer, &f.peer);
	if (err)
		return err;
	if (!may_watch(t)) {
		t->counts.full++;
		return -ENOSPC;
	}
	err = put(t, &f, NULL, candidate->relayed_port, now, &flow);
	if (err)
		return err;
	set_expiry(t, &flow->expiry, candidate->until);
	t->counts.watched++;
	ret_ref->flow = flow_index(t, flow);
	ret_ref->generation = shared_flow(t, flow)->generation;
	return 0;
}

int inlay_turn_tables_unwatch(struct inlay_turn_tables *t, struct inlay_turn_ref ref, inlay_ns now)
{
	const struct inlay_turn_flow *f;

	if (ref.flow >= t->backend.n_flows)
		return -ESTALE;
	f = &t->backend.flows[ref.flow];
	if (f->generation != ref.generation || f->state != INLAY_TURN_WATCHED)
		return -ESTALE;
	inlay_turn_tables_drop(t, &t->all_flows[ref.flow], now);
	return 0;
}

/* --- What went fast ------------------------------------------------------------------------- */

static void describe(const struct inlay_turn_tables *t, const struct flow *flow,
		     struct inlay_turn_channel_info *ret_info)
{
	const struct inlay_turn_backend *b = &t->backend;
	const struct inlay_turn_flow *f = shared_flow(t, flow);
	const struct allocation *a = flow->allocation;
	struct inlay_turn_channel_info info = {
		.client = f->client,
		.server = f->server,
		.relayed = f->relayed,
		.peer = f->peer,
		.number = ntohs(f->channel),
		.watched = !a,
		.permission_until = f->permission_until,
		.channel_until = f->channel_until,
	};

	if (a) {
		info.allocation.index = allocation_index(t, a);
		info.allocation.generation = a->generation;
		info.allocation_until = b->allocations[info.allocation.index].until;
		info.over_limit = inlay_load_u64(&b->allocations[info.allocation.index].over_limit);
	}
	b->read(b->user, flow_index(t, flow), &info.stats);
	*ret_info = info;
}

static void describe_each(const struct inlay_turn_tables *t, const struct inlay_list *flows,
			  void (*each)(void *user, const struct inlay_turn_channel_info *info),
			  void *user)
{
	struct inlay_turn_channel_info info;
	const struct inlay_list *node;

	inlay_list_for_each (node, flows) {
		describe(t, inlay_list_entry(node, struct flow, node), &info);
		each(user, &info);
	}
}

void inlay_turn_tables_each(const struct inlay_turn_tables *t,
			    void (*each)(void *user, const struct inlay_turn_channel_info *info),
			    void *user)
{
	const struct inlay_list *node;

	inlay_list_for_each (node, &t->allocations)
		describe_each(t, &inlay_list_entry(node, struct allocation, node)->channels, each,
			      user);
	describe_each(t, &t->watched, each, user);
}

int inlay_turn_tables_read(const struct inlay_turn_tables *t, struct inlay_turn_id id, __u16 number,
			   struct inlay_turn_channel_info *ret_info)
{
	const struct allocation *a = inlay_turn_tables_find(t, id);
	const struct flow *flow;

	if (!a)
		return -ESTALE;
	flow = find_channel(t, a, number);
	if (!flow)
		return -ENOENT;
	describe(t, flow, ret_info);
	return 0;
}

void inlay_turn_tables_account(const struct inlay_turn_tables *t, const struct flow *flow,
			       struct inlay_turn_totals *totals)
{
	struct inlay_turn_stats s;

	t->backend.read(t->backend.user, flow_index(t, flow), &s);
	totals->to_peer_packets += s.to_peer_packets;
	totals->to_peer_bytes += s.to_peer_bytes;
	totals->to_client_packets += s.to_client_packets;
	totals->to_client_bytes += s.to_client_bytes;
}

__u64 inlay_turn_tables_over(const struct inlay_turn_tables *t, const struct allocation *a)
{
	return inlay_load_u64(&t->backend.allocations[allocation_index(t, a)].over_limit);
}

static void account_all(const struct inlay_turn_tables *t, const struct inlay_list *flows,
			struct inlay_turn_totals *totals)
{
	const struct inlay_list *node;

	inlay_list_for_each (node, flows)
		inlay_turn_tables_account(t, inlay_list_entry(node, struct flow, node), totals);
}

void inlay_turn_tables_totals(const struct inlay_turn_tables *t,
			      struct inlay_turn_totals *ret_totals)
{
	struct inlay_turn_totals totals = t->gone;
	const struct inlay_list *node;

	inlay_list_for_each (node, &t->allocations) {
		const struct allocation *a = inlay_list_entry(node, struct allocation, node);

		totals.over_limit += inlay_turn_tables_over(t, a);
		account_all(t, &a->channels, &totals);
	}
	inlay_list_for_each (node, &t->allocation_pool.resting)
		totals.over_limit +=
			inlay_turn_tables_over(t, inlay_list_entry(node, struct allocation, node));
	account_all(t, &t->flow_pool.resting, &totals);
	totals.allocations = t->counts.allocations;
	totals.permissions = t->counts.permissions;
	totals.channels = t->counts.channels;
	totals.watched = t->counts.watched;
	*ret_totals = totals;
}
