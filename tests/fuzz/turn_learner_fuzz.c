/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sequences of what the learner of a TURN server's grants is told, in any order, with any faults.
 * Whatever becomes fast was asked for, granted and proven in the input: a checker that keeps all
 * of it as it was meant, and knows no messages, looks for that by brute force. What ends an
 * allocation leaves nothing fast, time leaves nothing at all, and the tables are never told what
 * they would refuse.
 *
 * Input: records of eight bytes {operation, who, transaction, peer and number, socket, data and
 * sum, oddities, age}. A third client sends any bytes, about which nothing is checked but that
 * they harm nobody.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "inlay_net.h"
#include "learner.h"

int LLVMFuzzerTestOneInput(const __u8 *data, size_t len);

enum {
	RECORDS = 256, /* looked at, of one input */
	TABLE = 64,
	RAW_CLIENT = 2,
	OUR_PORTS = 2, /* of the four that servers have here */
};

#define CHANNEL_TIME	 (600 * INLAY_S)
#define PERMISSION_TIME	 (300 * INLAY_S)
#define TRANSACTION_TIME (40 * INLAY_S)
#define TOMB_TIME	 (3 * INLAY_S)

enum operation {
	REQUEST,
	RESPONSE,
	CHANNEL_DATA,
	RELAYED,
	TIME,
	GONE,
	LOST,
	RAW,
	OPERATIONS,
};

enum method { ALLOCATE, REFRESH, PERMIT, BIND };

static const __u16 method_of[] = {3, 4, 8, 9};
static const __u32 lifetimes[] = {0, 1, 60, 600};
static const __u16 errors[] = {300, 401, 403, 437, 438, 400, 441, 486};

/* One record, as it was meant and when it was handed over. */
struct record {
	enum operation op;
	inlay_ns time, given;
	__u8 client, server; /* of the tuple */
	__u8 id;
	enum method method;
	bool is_error, is_sound, has_ticket, is_odd;
	__u8 error, lifetime, peer, number, told, cookie, data;
};

struct slot {
	bool used;
	__u32 generation;
	struct inlay_addr a, b; /* allocation: client, server; else: peer */
	struct inlay_addr relayed;
	inlay_ns until;
	__u32 allocation;
	__u16 number;
};

struct world {
	struct inlay_turn_learner *l;
	inlay_ns now;
	struct record records[RECORDS];
	size_t n_records;
	struct slot allocations[TABLE], permissions[TABLE], channels[TABLE], watches[TABLE];
};

static void demand(bool condition)
{
	if (!condition)
		abort();
}

/* --- Addresses ----------------------------------------------------------------------------- */

static struct inlay_addr addr(__u8 net, __u8 host, __u16 port)
{
	return (struct inlay_addr){
		.family = AF_INET, .port = htons(port), .ip = {10, net, 0, host}};
}

static struct inlay_addr client_addr(__u8 client)
{
	return addr(1, client, 40000);
}

static struct inlay_addr server_addr(__u8 server)
{
	static const __u16 ports[] = {3478, 443, 3479, 5349};

	return addr(2, 1, ports[server & 3]);
}

static struct inlay_addr peer_addr(__u8 peer)
{
	return addr(3, peer / 2, (__u16)(5000 + peer % 2));
}

/* Two ports at two addresses; the last is the second peer of the first, as in a hairpin. */
static struct inlay_addr told_addr(__u8 told)
{
	return told == 3 ? peer_addr(1) : addr(4, told / 2, (__u16)(50000 + told % 2));
}

static bool same(const struct inlay_addr *a, const struct inlay_addr *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/* --- The checker --------------------------------------------------------------------------- */

static bool is_tuple(const struct record *r, const struct slot *a)
{
	struct inlay_addr client = client_addr(r->client), server = server_addr(r->server);

	return same(&client, &a->a) && same(&server, &a->b);
}

static bool is_heard(const struct record *r)
{
	return r->server < OUR_PORTS && (r->op == REQUEST ? r->is_sound : r->cookie != 0);
}

static bool is_alike(const struct record *a, const struct record *b)
{
	if (a->method != b->method || a->has_ticket != b->has_ticket || a->is_odd != b->is_odd)
		return false;
	switch (a->method) {
	case REFRESH:
		return a->lifetime == b->lifetime;
	case PERMIT:
		return a->peer == b->peer;
	case BIND:
		return a->peer == b->peer && a->number == b->number;
	default:
		return true;
	}
}

/* Did another request take the same ID while that one's meaning was open? */
static bool is_poisoned(const struct world *w, const struct record *request)
{
	const struct record *r;
	inlay_ns apart;

	for (size_t i = 0; i < w->n_records; i++) {
		r = &w->records[i];
		if (r->op != REQUEST || !is_heard(r) || r->client != request->client ||
		    r->server != request->server || r->id != request->id || is_alike(r, request))
			continue;
		apart = r->given > request->given ? r->given - request->given
						  : request->given - r->given;
		if (apart < TRANSACTION_TIME)
			return true;
	}
	return false;
}

/* Records of what only the server says were lost after |r|. */
static bool is_before_a_gap(const struct world *w, const struct record *r)
{
	for (size_t i = (size_t)(r - w->records); i < w->n_records; i++)
		if (w->records[i].op == LOST && w->records[i].data > 0)
			return true;
	return false;
}

/* The success to |request|; NULL: there was none that counts. */
static const struct record *success_of(const struct world *w, const struct record *request)
{
	const struct record *r;

	for (size_t i = 0; i < w->n_records; i++) {
		r = &w->records[i];
		if (r->op == RESPONSE && is_heard(r) && !r->is_error &&
		    r->client == request->client && r->server == request->server &&
		    r->id == request->id && r->method == request->method &&
		    r->time >= request->time && !is_before_a_gap(w, r))
			return r;
	}
	return NULL;
}

static bool is_gone(const struct world *w, const struct record *relayed)
{
	const struct record *r;

	for (size_t i = 0; i < w->n_records; i++) {
		r = &w->records[i];
		if (r->op == GONE && r->cookie == relayed->cookie &&
		    (r > relayed || r->given + TOMB_TIME > relayed->given))
			return true;
	}
	return false;
}

static bool was_proven(const struct world *w, const struct slot *a, __u16 number,
		       const struct inlay_addr *peer)
{
	const struct record *up, *out;
	struct inlay_addr dst, src;

	for (size_t i = 0; i < w->n_records; i++) {
		up = &w->records[i];
		if (up->op != CHANNEL_DATA || !is_tuple(up, a) || 0x4000 + up->number != number)
			continue;
		for (size_t k = 0; k < w->n_records; k++) {
			out = &w->records[k];
			dst = peer_addr(out->peer);
			src = told_addr(out->told);
			if (out->op == RELAYED && same(&dst, peer) && same(&src, &a->relayed) &&
			    out->data == up->data && out->time >= up->time &&
			    out->time - up->time <= INLAY_S && out->cookie != 0 &&
			    !is_gone(w, out) && !is_before_a_gap(w, out))
				return true;
		}
	}
	return false;
}

/* Was this asked for by |a|'s client, and granted, at such a time that it ends at |until|? */
static bool was_granted(const struct world *w, const struct slot *a, enum method method,
			__u16 number, const struct inlay_addr *peer, inlay_ns from, inlay_ns until)
{
	const struct record *r;
	struct inlay_addr named;

	for (size_t i = 0; i < w->n_records; i++) {
		r = &w->records[i];
		named = peer_addr(r->peer);
		if (method == PERMIT) /* of an IP address */
			named.port = peer->port;
		if (r->op == REQUEST && is_heard(r) && is_tuple(r, a) && r->time + from == until &&
		    (r->method == method || (method == PERMIT && r->method == BIND)) &&
		    (method != BIND || 0x4000 + r->number == number) && same(&named, peer) &&
		    success_of(w, r) && !is_poisoned(w, r))
			return true;
	}
	return false;
}

static bool was_allocated(const struct world *w, const struct slot *a)
{
	const struct record *r, *s;
	struct inlay_addr told;

	for (size_t i = 0; i < w->n_records; i++) {
		r = &w->records[i];
		if (r->op != REQUEST || r->method != ALLOCATE || !is_heard(r) || !is_tuple(r, a) ||
		    r->has_ticket || r->is_odd || is_poisoned(w, r))
			continue;
		s = success_of(w, r);
		if (s == NULL)
			continue;
		/* Any of its successes may be the one; all that differ would have ended it. */
		for (s = w->records; s < w->records + w->n_records; s++) {
			told = told_addr(s->told);
			if (s->op == RESPONSE && s->method == ALLOCATE && !s->is_error &&
			    is_heard(s) && s->client == r->client && s->server == r->server &&
			    s->id == r->id && s->time >= r->time && !s->has_ticket &&
			    told.port == a->relayed.port)
				return true;
		}
	}
	return false;
}

/* --- Tables -------------------------------------------------------------------------------- */

static struct slot *slot_of(struct slot *slots, __u32 index, __u32 generation)
{
	demand(index < TABLE && slots[index].used && slots[index].generation == generation);
	return &slots[index];
}

static struct slot *take(struct slot *slots, __u32 *ret_index)
{
	for (__u32 i = 0; i < TABLE; i++) {
		if (slots[i].used)
			continue;
		slots[i] = (struct slot){.used = true, .generation = slots[i].generation + 1};
		*ret_index = i;
		return &slots[i];
	}
	return NULL;
}

static int allocation_add(void *user, const struct inlay_turn_allocation_params *p,
			  struct inlay_turn_id *ret_id)
{
	struct world *w = user;
	struct slot *a;

	for (__u32 i = 0; i < TABLE; i++) {
		a = &w->allocations[i];
		demand(!a->used || !same(&a->relayed, &p->relayed));
		demand(!a->used || !same(&a->a, &p->client) || !same(&a->b, &p->server));
	}
	a = take(w->allocations, &ret_id->index);
	demand(a != NULL && p->until > w->now);
	ret_id->generation = a->generation;
	a->a = p->client;
	a->b = p->server;
	a->relayed = p->relayed;
	a->until = p->until;
	return 0;
}

static int allocation_refresh(void *user, struct inlay_turn_id id, inlay_ns until)
{
	struct world *w = user;

	demand(until > w->now);
	slot_of(w->allocations, id.index, id.generation)->until = until;
	return 0;
}

static int allocation_remove(void *user, struct inlay_turn_id id)
{
	struct world *w = user;

	slot_of(w->allocations, id.index, id.generation)->used = false;
	/* Everything below it was removed before. */
	for (__u32 i = 0; i < TABLE; i++) {
		demand(!w->permissions[i].used || w->permissions[i].allocation != id.index);
		demand(!w->channels[i].used || w->channels[i].allocation != id.index);
	}
	return 0;
}

static struct slot *permission(struct world *w, __u32 allocation, const struct inlay_addr *peer)
{
	for (__u32 i = 0; i < TABLE; i++)
		if (w->permissions[i].used && w->permissions[i].allocation == allocation &&
		    memcmp(w->permissions[i].a.ip, peer->ip, sizeof(peer->ip)) == 0)
			return &w->permissions[i];
	return NULL;
}

static struct slot *channel(struct world *w, __u32 allocation, __u16 number)
{
	for (__u32 i = 0; i < TABLE; i++)
		if (w->channels[i].used && w->channels[i].allocation == allocation &&
		    w->channels[i].number == number)
			return &w->channels[i];
	return NULL;
}

static int permission_set(void *user, struct inlay_turn_id id, const struct inlay_addr *peer,
			  inlay_ns until)
{
	struct world *w = user;
	struct slot *a = slot_of(w->allocations, id.index, id.generation);
	struct slot *p = permission(w, id.index, peer);
	struct inlay_addr raw = client_addr(RAW_CLIENT);
	__u32 index;

	demand(until > w->now);
	demand(same(&a->a, &raw) || was_granted(w, a, PERMIT, 0, peer, PERMISSION_TIME, until));
	if (p == NULL)
		p = take(w->permissions, &index);
	if (p == NULL)
		return -ENOSPC;
	p->allocation = id.index;
	p->a = *peer;
	p->until = until;
	return 0;
}

static int permission_remove(void *user, struct inlay_turn_id id, const struct inlay_addr *peer)
{
	struct world *w = user;
	struct slot *p;

	slot_of(w->allocations, id.index, id.generation);
	p = permission(w, id.index, peer);
	demand(p != NULL);
	p->used = false;
	return 0;
}

static struct slot *watch(struct world *w, const struct inlay_addr *client,
			  const struct inlay_addr *server, __u16 number, __u32 *ret_index)
{
	for (__u32 i = 0; i < TABLE; i++) {
		struct slot *s = &w->watches[i];

		*ret_index = i;
		if (s->used && s->number == number && same(&s->a, client) && same(&s->b, server))
			return s;
	}
	return NULL;
}

static int channel_set(void *user, struct inlay_turn_id id, __u16 number,
		       const struct inlay_addr *peer, inlay_ns until)
{
	struct world *w = user;
	struct slot *a = slot_of(w->allocations, id.index, id.generation);
	struct slot *ch = channel(w, id.index, number), *p = permission(w, id.index, peer);
	struct inlay_addr raw = client_addr(RAW_CLIENT);
	__u32 index;

	demand(until > w->now && number >= 0x4000 && number < 0x8000);
	demand(watch(w, &a->a, &a->b, number, &index) == NULL);
	demand(ch != NULL || p != NULL);
	if (!same(&a->a, &raw)) {
		demand(was_granted(w, a, BIND, number, peer, CHANNEL_TIME, until));
		demand(ch != NULL || was_proven(w, a, number, peer));
		demand(was_allocated(w, a));
	}
	if (ch == NULL)
		ch = take(w->channels, &index);
	else
		demand(same(&ch->a, peer));
	if (ch == NULL)
		return -ENOSPC;
	ch->allocation = id.index;
	ch->number = number;
	ch->a = *peer;
	ch->until = until;
	return 0;
}

static int channel_remove(void *user, struct inlay_turn_id id, __u16 number)
{
	struct world *w = user;
	struct slot *ch;

	slot_of(w->allocations, id.index, id.generation);
	ch = channel(w, id.index, number);
	demand(ch != NULL);
	ch->used = false;
	return 0;
}

static int watch_add(void *user, const struct inlay_turn_candidate *c,
		     struct inlay_turn_ref *ret_ref)
{
	struct world *w = user;
	struct slot *s;
	__u32 index;

	demand(watch(w, &c->client, &c->server, c->number, &index) == NULL);
	s = take(w->watches, &index);
	if (s == NULL)
		return -ENOSPC;
	s->a = c->client;
	s->b = c->server;
	s->number = c->number;
	*ret_ref = (struct inlay_turn_ref){.flow = index, .generation = s->generation};
	return 0;
}

static int watch_remove(void *user, struct inlay_turn_ref ref)
{
	struct world *w = user;

	slot_of(w->watches, ref.flow, ref.generation)->used = false;
	return 0;
}

static const struct inlay_turn_learner_ops ops = {
	.allocation_add = allocation_add,
	.allocation_refresh = allocation_refresh,
	.allocation_remove = allocation_remove,
	.permission_set = permission_set,
	.permission_remove = permission_remove,
	.channel_set = channel_set,
	.channel_remove = channel_remove,
	.watch_add = watch_add,
	.watch_remove = watch_remove,
};

/* --- Messages ------------------------------------------------------------------------------ */

union event {
	struct inlay_turn_event e;
	__u8 room[sizeof(struct inlay_turn_event) + INLAY_TURN_MESSAGE_MAX];
};

static void attribute(struct inlay_turn_event *e, __u16 type, const void *value, __u16 len)
{
	inlay_net_set16(e->data + e->len, type);
	inlay_net_set16(e->data + e->len + 2, len);
	memcpy(e->data + e->len + 4, value, len);
	e->len += 4 + len;
	inlay_net_set16(e->data + 2, (__u16)(e->len - 20));
}

static void number(struct inlay_turn_event *e, __u16 type, __u32 value)
{
	value = htonl(value);
	attribute(e, type, &value, 4);
}

static void address(struct inlay_turn_event *e, __u16 type, struct inlay_addr a)
{
	__u8 value[8] = {0, 1};

	memcpy(value + 2, &a.port, 2);
	memcpy(value + 4, a.ip, 4);
	for (int i = 0; i < 4; i++)
		value[4 + i] ^= e->data[4 + i];
	value[2] ^= 0x21;
	value[3] ^= 0x12;
	attribute(e, type, value, 8);
}

static void header(struct inlay_turn_event *e, __u16 type, __u8 id)
{
	memset(e->data, 0, 20);
	inlay_net_set16(e->data, type);
	memcpy(e->data + 4, (__u8[]){0x21, 0x12, 0xa4, 0x42}, 4);
	e->data[19] = id;
	e->len = 20;
	e->kind = INLAY_TURN_MESSAGE;
}

static void write_request(struct inlay_turn_event *e, const struct record *r)
{
	header(e, method_of[r->method], r->id);
	if (r->method == ALLOCATE)
		number(e, 0x0019, r->is_odd ? 6U << 24 : 17U << 24);
	if (r->method == REFRESH)
		number(e, 0x000d, lifetimes[r->lifetime]);
	if (r->method == BIND)
		number(e, 0x000c, (0x4000U + r->number) << 16);
	if (r->method == PERMIT || r->method == BIND)
		address(e, 0x0012, peer_addr(r->peer));
	if (r->has_ticket)
		attribute(e, 0x8030, "tick", 4);
	if (r->is_odd && r->method != ALLOCATE)
		attribute(e, 0x7fff, "oddy", 4);
}

static void write_response(struct inlay_turn_event *e, const struct record *r)
{
	header(e, method_of[r->method] | (r->is_error ? 0x110 : 0x100), r->id);
	if (r->is_error)
		number(e, 0x0009, (__u32)(errors[r->error] / 100) << 8 | errors[r->error] % 100);
	if (!r->is_error && r->method == ALLOCATE)
		address(e, 0x0016, told_addr(r->told));
	if (!r->is_error && (r->method == ALLOCATE || r->method == REFRESH))
		number(e, 0x000d, lifetimes[r->lifetime]);
	if (r->has_ticket)
		attribute(e, 0x8030, "tick", 4);
}

static __be16 sum_of(const struct inlay_turn_event *e)
{
	struct inlay_net_sum s = {0};

	inlay_net_sum_add(&s, e->src.ip, 4);
	inlay_net_sum_add(&s, e->dst.ip, 4);
	inlay_net_sum_be16(&s, 17);
	inlay_net_sum_be16(&s, (__u16)(e->len + 8));
	inlay_net_sum_be16(&s, ntohs(e->src.port));
	inlay_net_sum_be16(&s, ntohs(e->dst.port));
	inlay_net_sum_be16(&s, (__u16)(e->len + 8));
	inlay_net_sum_add(&s, e->data, e->len);
	return htons(inlay_net_sum_end(&s) ? inlay_net_sum_end(&s) : 0xffff);
}

/* --- Running ------------------------------------------------------------------------------- */

static void write_data(struct world *w, struct inlay_turn_event *e, const struct record *r)
{
	struct inlay_addr client = client_addr(r->client), server = server_addr(r->server);
	__u16 channel_number = (__u16)(0x4000 + r->number);
	const struct slot *s;
	__u32 index;

	s = watch(w, &client, &server, channel_number, &index);
	e->flow.flow = index;
	e->flow.generation = s ? s->generation : 0;
	e->channel = htons(channel_number);
	e->len = e->data_len = 12;
	memset(e->data, 'a' + r->data, 12);
}

static void give(struct world *w, const struct record *r)
{
	struct inlay_addr client = client_addr(r->client), server = server_addr(r->server);
	bool up = r->op == REQUEST || r->op == CHANNEL_DATA;
	static union event event;
	struct inlay_turn_event *e = &event.e;

	memset(e, 0, sizeof(*e));
	e->time = r->time;
	e->src = up ? client : server;
	e->dst = up ? server : client;
	e->cookie = up ? 0 : r->cookie;
	if (r->op == REQUEST) {
		write_request(e, r);
		e->udp_sum = sum_of(e) ^ (r->is_sound ? 0 : htons(0x5555));
	} else if (r->op == RESPONSE) {
		write_response(e, r);
	} else {
		e->kind = up ? INLAY_TURN_CHANNEL_DATA : INLAY_TURN_RELAYED;
		write_data(w, e, r);
	}
	if (r->op == RELAYED) {
		e->src = told_addr(r->told);
		e->dst = peer_addr(r->peer);
	}
	inlay_turn_learner_event(w->l, e, sizeof(*e) + e->len,
				 up ? INLAY_TURN_REQUESTS : INLAY_TURN_RESPONSES, w->now);
}

/* Any bytes, as a message of the third client's or to it. */
static size_t give_raw(struct world *w, const struct record *r, const __u8 *data, size_t len)
{
	struct inlay_addr client = client_addr(RAW_CLIENT), server = server_addr(r->server);
	static union event event;
	struct inlay_turn_event *e = &event.e;
	bool up = !r->is_error;
	size_t n = (size_t)r->data << 4 | (r->told & 0xf);

	memset(e, 0, sizeof(*e));
	if (n > len)
		n = len;
	e->time = r->time;
	e->src = up ? client : server;
	e->dst = up ? server : client;
	e->cookie = up ? 0 : r->cookie;
	e->kind = INLAY_TURN_MESSAGE;
	e->len = (__u16)n;
	if (n > 0)
		memcpy(e->data, data, n);
	inlay_turn_learner_event(w->l, e, sizeof(*e) + n,
				 up ? INLAY_TURN_REQUESTS : INLAY_TURN_RESPONSES, w->now);
	return n;
}

/* Nothing of this tuple, or that this socket sent, is fast. */
static void assert_ended(const struct world *w, const struct record *r)
{
	for (__u32 i = 0; i < TABLE; i++)
		demand(!w->allocations[i].used || !is_tuple(r, &w->allocations[i]));
}

/* What the server said is not there may not be fast, unless it was granted after that. */
static bool is_end(const struct record *r)
{
	if (r->op != RESPONSE || !is_heard(r) || r->method == ALLOCATE)
		return false;
	return r->is_error ? errors[r->error] == 437
			   : r->method == REFRESH && lifetimes[r->lifetime] == 0;
}

static bool is_older_than_an_allocation(const struct world *w, const struct record *r)
{
	const struct record *s;

	for (s = w->records; s < r; s++)
		if (s->op == RESPONSE && s->method == ALLOCATE && !s->is_error &&
		    s->client == r->client && s->server == r->server && s->time > r->time)
			return true;
	return false;
}

/* A relayed socket's word, or one that is gone. */
static bool is_trusted(const struct world *w, const struct record *r)
{
	const struct record *s;

	for (s = w->records; s < r; s++)
		if ((s->op == RELAYED || s->op == GONE) && s->cookie == r->cookie)
			return false;
	return true;
}

static void assert_none_has_run_out(const struct world *w)
{
	for (__u32 i = 0; i < TABLE; i++) {
		demand(!w->allocations[i].used || w->allocations[i].until > w->now);
		demand(!w->permissions[i].used || w->permissions[i].until > w->now);
		demand(!w->channels[i].used || w->channels[i].until > w->now);
	}
}

static void assert_tables_empty(const struct world *w)
{
	for (__u32 i = 0; i < TABLE; i++)
		demand(!w->allocations[i].used && !w->permissions[i].used && !w->channels[i].used &&
		       !w->watches[i].used);
}

static void assert_empty(const struct world *w)
{
	struct inlay_turn_learner_counts counts;

	inlay_turn_learner_counts(w->l, &counts);
	demand(counts.allocations + counts.permissions + counts.channels + counts.watched +
		       counts.transactions ==
	       0);
	assert_tables_empty(w);
}

static struct record record_of(const struct world *w, const __u8 b[8])
{
	return (struct record){
		.op = b[0] % OPERATIONS,
		.given = w->now,
		.time = w->now - b[7] * 8 * INLAY_MS,
		.client = b[1] & 1,
		.server = b[1] >> 1 & 3,
		.id = b[2] & 7,
		.method = b[2] >> 3 & 3,
		.is_error = b[2] >> 5 & 1,
		.lifetime = b[2] >> 6,
		.peer = b[3] & 3,
		.number = b[3] >> 2 & 3,
		.error = b[3] >> 4 & 7,
		.told = b[4] & 3,
		.cookie = b[4] >> 2 & 7,
		.data = b[5] & 7,
		.is_sound = b[5] >> 3 & 1,
		.has_ticket = b[6] & 1,
		.is_odd = b[6] >> 1 & 1,
	};
}

static void run(struct world *w, const struct record *r)
{
	switch (r->op) {
	case TIME:
		w->now += r->data * INLAY_S * (1 + 20 * (r->id & 3)) + r->peer * 100 * INLAY_MS;
		break;
	case GONE:
		inlay_turn_learner_gone(w->l, r->cookie, w->now);
		break;
	case LOST:
		inlay_turn_learner_lost(w->l, INLAY_TURN_RESPONSES, r->data, w->now);
		if (r->data > 0)
			assert_tables_empty(w);
		break;
	default:
		give(w, r);
		if (is_end(r) && is_trusted(w, r) && !is_older_than_an_allocation(w, r))
			assert_ended(w, r);
		break;
	}
}

int LLVMFuzzerTestOneInput(const __u8 *data, size_t len)
{
	static const __u16 ports[OUR_PORTS] = {3478, 443};
	struct inlay_turn_learner_config config = {
		.ops = &ops, .ports = ports, .n_ports = OUR_PORTS, .hash_key = {1, 2}};
	static struct world world;
	struct world *w = &world;
	struct record *r;

	memset(w, 0, sizeof(*w));
	w->now = 1000 * INLAY_S;
	config.user = w;
	if (inlay_turn_learner_new(&config, &w->l))
		abort();
	for (; len >= 8 && w->n_records < RECORDS; data += 8, len -= 8) {
		r = &w->records[w->n_records++];
		*r = record_of(w, data);
		if (r->op == RAW) {
			size_t n = give_raw(w, r, data + 8, len - 8);

			data += n;
			len -= n;
			continue;
		}
		run(w, r);
		demand(inlay_turn_learner_turn(w->l, w->now) > w->now);
		assert_none_has_run_out(w);
	}
	/* All that is left ends by itself: a lifetime may have 32 bits of seconds. */
	w->now += (1ULL << 33) * INLAY_S;
	demand(inlay_turn_learner_turn(w->l, w->now) == INLAY_NEVER);
	assert_empty(w);
	inlay_turn_learner_free(w->l);
	return 0;
}
