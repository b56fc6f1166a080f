/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A TURN server's surroundings for tests of the learner: messages, the events that the programs
 * would make of them, and tables that keep what the learner says and refuse what the real ones
 * would. Times are literal: |now| stands still until a test moves it.
 */
#ifndef INLAY_TESTS_TURN_WORLD_H
#define INLAY_TESTS_TURN_WORLD_H

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "inlay_net.h"
#include "inlay_stun.h"
#include "learner.h"

#define WORLD_INLINE static inline __attribute__((unused))

enum {
	WORLD_ALLOCATIONS = 64,
	WORLD_PERMISSIONS = 512,
	WORLD_CHANNELS = 512,
	WORLD_WATCHES = 512,
	WORLD_LISTENER = 1000, /* cookie of the server's listening socket */
	WORLD_RELAY = 2000,    /* cookie of the relayed socket */
};

/* --- Tables -------------------------------------------------------------------------------- */

struct world_allocation {
	bool used;
	__u32 generation;
	struct inlay_turn_allocation_params params;
};

struct world_permission {
	bool used;
	__u32 allocation;
	struct inlay_addr peer;
	inlay_ns until;
};

struct world_channel {
	bool used;
	__u32 allocation;
	__u16 number;
	struct inlay_addr peer;
	inlay_ns until;
};

struct world_watch {
	bool used;
	__u32 generation;
	struct inlay_turn_candidate candidate;
};

struct world {
	struct inlay_turn_learner *l;
	inlay_ns now;
	struct inlay_addr client, server, relayed, told;
	__u64 cookie;	 /* of the relayed socket */
	__u64 elsewhere; /* of a socket of another network namespace; 0: none is */
	struct world_allocation allocations[WORLD_ALLOCATIONS];
	struct world_permission permissions[WORLD_PERMISSIONS];
	struct world_channel channels[WORLD_CHANNELS];
	struct world_watch watches[WORLD_WATCHES];
	int refuse_allocation, refuse_permission, refuse_channel,
		refuse_watch; /* errors to return */
	__u32 n_stale;	      /* calls that named what is not there */
	__u32 n_calls;
	__u32 next_id;
};

WORLD_INLINE struct world_allocation *world_find(struct world *w, struct inlay_turn_id id)
{
	struct world_allocation *a =
		id.index < WORLD_ALLOCATIONS ? &w->allocations[id.index] : NULL;

	w->n_calls++;
	if (a != NULL && a->used && a->generation == id.generation)
		return a;
	w->n_stale++;
	return NULL;
}

WORLD_INLINE int world_allocation_add(void *user, const struct inlay_turn_allocation_params *params,
				      struct inlay_turn_id *ret_id)
{
	struct world *w = user;
	struct world_allocation *a;

	w->n_calls++;
	if (w->refuse_allocation)
		return w->refuse_allocation;
	for (__u32 i = 0; i < WORLD_ALLOCATIONS; i++) {
		a = &w->allocations[i];
		if (a->used && (memcmp(&a->params.relayed, &params->relayed, 24) == 0 ||
				(memcmp(&a->params.client, &params->client, 24) == 0 &&
				 memcmp(&a->params.server, &params->server, 24) == 0 &&
				 a->params.relayed.family == params->relayed.family)))
			return -EEXIST;
	}
	for (__u32 i = 0; i < WORLD_ALLOCATIONS; i++) {
		a = &w->allocations[i];
		if (a->used)
			continue;
		a->used = true;
		a->generation++;
		a->params = *params;
		*ret_id = (struct inlay_turn_id){.index = i, .generation = a->generation};
		return 0;
	}
	return -ENOSPC;
}

WORLD_INLINE int world_allocation_refresh(void *user, struct inlay_turn_id id, inlay_ns until)
{
	struct world_allocation *a = world_find(user, id);

	if (a == NULL)
		return -ESTALE;
	a->params.until = until;
	return 0;
}

WORLD_INLINE int world_allocation_remove(void *user, struct inlay_turn_id id)
{
	struct world *w = user;
	struct world_allocation *a = world_find(w, id);

	if (a == NULL)
		return -ESTALE;
	a->used = false;
	for (__u32 i = 0; i < WORLD_PERMISSIONS; i++)
		if (w->permissions[i].allocation == id.index)
			w->permissions[i].used = false;
	for (__u32 i = 0; i < WORLD_CHANNELS; i++)
		if (w->channels[i].allocation == id.index)
			w->channels[i].used = false;
	return 0;
}

WORLD_INLINE struct world_permission *world_permission(struct world *w, __u32 allocation,
						       const struct inlay_addr *peer)
{
	for (__u32 i = 0; i < WORLD_PERMISSIONS; i++)
		if (w->permissions[i].used && w->permissions[i].allocation == allocation &&
		    w->permissions[i].peer.family == peer->family &&
		    memcmp(w->permissions[i].peer.ip, peer->ip, sizeof(peer->ip)) == 0)
			return &w->permissions[i];
	return NULL;
}

WORLD_INLINE int world_permission_set(void *user, struct inlay_turn_id id,
				      const struct inlay_addr *peer, inlay_ns until)
{
	struct world *w = user;
	struct world_permission *p;

	if (world_find(w, id) == NULL)
		return -ESTALE;
	if (w->refuse_permission)
		return w->refuse_permission;
	p = world_permission(w, id.index, peer);
	for (__u32 i = 0; i < WORLD_PERMISSIONS && p == NULL; i++)
		if (!w->permissions[i].used)
			p = &w->permissions[i];
	if (p == NULL)
		return -ENOSPC;
	*p = (struct world_permission){
		.used = true, .allocation = id.index, .peer = *peer, .until = until};
	return 0;
}

WORLD_INLINE int world_permission_remove(void *user, struct inlay_turn_id id,
					 const struct inlay_addr *peer)
{
	struct world *w = user;
	struct world_permission *p;

	if (world_find(w, id) == NULL)
		return -ESTALE;
	p = world_permission(w, id.index, peer);
	if (p == NULL) {
		w->n_stale++;
		return -ENOENT;
	}
	p->used = false;
	return 0;
}

WORLD_INLINE struct world_channel *world_channel(struct world *w, __u32 allocation, __u16 number)
{
	for (__u32 i = 0; i < WORLD_CHANNELS; i++)
		if (w->channels[i].used && w->channels[i].allocation == allocation &&
		    w->channels[i].number == number)
			return &w->channels[i];
	return NULL;
}

WORLD_INLINE bool world_is_watched(const struct world *w, const struct inlay_addr *client,
				   const struct inlay_addr *server, __u16 number)
{
	const struct inlay_turn_candidate *c;

	for (__u32 i = 0; i < WORLD_WATCHES; i++) {
		c = &w->watches[i].candidate;
		if (w->watches[i].used && c->number == number &&
		    memcmp(&c->client, client, sizeof(*client)) == 0 &&
		    memcmp(&c->server, server, sizeof(*server)) == 0)
			return true;
	}
	return false;
}

WORLD_INLINE int world_channel_set(void *user, struct inlay_turn_id id, __u16 number,
				   const struct inlay_addr *peer, inlay_ns until)
{
	struct world *w = user;
	struct world_allocation *a = world_find(w, id);
	struct world_channel *ch;

	if (a == NULL)
		return -ESTALE;
	if (w->refuse_channel)
		return w->refuse_channel;
	if (world_is_watched(w, &a->params.client, &a->params.server, number))
		return -EEXIST; /* it is watched: watch_remove comes first */
	ch = world_channel(w, id.index, number);
	if (ch != NULL && memcmp(&ch->peer, peer, sizeof(*peer)) != 0)
		return -EEXIST;
	for (__u32 i = 0; i < WORLD_CHANNELS && ch == NULL; i++)
		if (!w->channels[i].used)
			ch = &w->channels[i];
	if (ch == NULL)
		return -ENOSPC;
	*ch = (struct world_channel){.used = true,
				     .allocation = id.index,
				     .number = number,
				     .peer = *peer,
				     .until = until};
	return 0;
}

WORLD_INLINE int world_channel_remove(void *user, struct inlay_turn_id id, __u16 number)
{
	struct world *w = user;
	struct world_channel *ch;

	if (world_find(w, id) == NULL)
		return -ESTALE;
	ch = world_channel(w, id.index, number);
	if (ch == NULL) {
		w->n_stale++;
		return -ENOENT;
	}
	ch->used = false;
	return 0;
}

WORLD_INLINE int world_watch_add(void *user, const struct inlay_turn_candidate *c,
				 struct inlay_turn_ref *ret_ref)
{
	struct world *w = user;
	struct world_watch *watch;

	w->n_calls++;
	if (w->refuse_watch)
		return w->refuse_watch;
	if (world_is_watched(w, &c->client, &c->server, c->number))
		return -EEXIST;
	for (__u32 i = 0; i < WORLD_WATCHES; i++) {
		watch = &w->watches[i];
		if (watch->used)
			continue;
		watch->used = true;
		watch->generation++;
		watch->candidate = *c;
		*ret_ref = (struct inlay_turn_ref){.flow = i, .generation = watch->generation};
		return 0;
	}
	return -ENOSPC;
}

WORLD_INLINE int world_watch_remove(void *user, struct inlay_turn_ref ref)
{
	struct world *w = user;

	w->n_calls++;
	if (ref.flow >= WORLD_WATCHES || !w->watches[ref.flow].used ||
	    w->watches[ref.flow].generation != ref.generation) {
		w->n_stale++;
		return -ESTALE;
	}
	w->watches[ref.flow].used = false;
	return 0;
}

WORLD_INLINE bool world_is_here(void *user, __u64 cookie, const struct inlay_addr *local,
				const struct inlay_addr *remote)
{
	struct world *w = user;

	return cookie != w->elsewhere;
}

static const struct inlay_turn_learner_ops world_ops = {
	.allocation_add = world_allocation_add,
	.allocation_refresh = world_allocation_refresh,
	.allocation_remove = world_allocation_remove,
	.permission_set = world_permission_set,
	.permission_remove = world_permission_remove,
	.channel_set = world_channel_set,
	.channel_remove = world_channel_remove,
	.watch_add = world_watch_add,
	.watch_remove = world_watch_remove,
	.is_here = world_is_here,
};

/* --- Looking ------------------------------------------------------------------------------- */

/* What would go fast at |time|: channel, permission and allocation alive. */
WORLD_INLINE size_t world_fast(const struct world *w, inlay_ns time)
{
	const struct world_permission *p;
	const struct world_channel *ch;
	size_t n = 0;

	for (__u32 i = 0; i < WORLD_CHANNELS; i++) {
		ch = &w->channels[i];
		if (!ch->used || ch->until <= time || !w->allocations[ch->allocation].used ||
		    w->allocations[ch->allocation].params.until <= time)
			continue;
		p = world_permission((struct world *)w, ch->allocation, &ch->peer);
		n += p != NULL && p->until > time;
	}
	return n;
}

WORLD_INLINE size_t world_entries(const struct world *w)
{
	size_t n = 0;

	for (__u32 i = 0; i < WORLD_ALLOCATIONS; i++)
		n += w->allocations[i].used;
	for (__u32 i = 0; i < WORLD_PERMISSIONS; i++)
		n += w->permissions[i].used;
	for (__u32 i = 0; i < WORLD_CHANNELS; i++)
		n += w->channels[i].used;
	for (__u32 i = 0; i < WORLD_WATCHES; i++)
		n += w->watches[i].used;
	return n;
}

WORLD_INLINE size_t world_watched(const struct world *w)
{
	size_t n = 0;

	for (__u32 i = 0; i < WORLD_WATCHES; i++)
		n += w->watches[i].used;
	return n;
}

WORLD_INLINE struct inlay_turn_learner_counts world_counts(const struct world *w)
{
	struct inlay_turn_learner_counts counts;

	inlay_turn_learner_counts(w->l, &counts);
	return counts;
}

/* Of the client's channel, if it is watched. */
WORLD_INLINE struct inlay_turn_ref world_ref(const struct world *w, __u16 number)
{
	const struct inlay_turn_candidate *c;

	for (__u32 i = 0; i < WORLD_WATCHES; i++) {
		c = &w->watches[i].candidate;
		if (w->watches[i].used && c->number == number &&
		    memcmp(&c->client, &w->client, sizeof(c->client)) == 0 &&
		    memcmp(&c->server, &w->server, sizeof(c->server)) == 0)
			return (struct inlay_turn_ref){.flow = i,
						       .generation = w->watches[i].generation};
	}
	return (struct inlay_turn_ref){.flow = ~0U};
}

/* --- Making -------------------------------------------------------------------------------- */

/* "192.0.2.1" or "2001:db8::1". */
WORLD_INLINE struct inlay_addr addr_of(const char *ip, __u16 port)
{
	struct inlay_addr a = {.family = strchr(ip, ':') ? AF_INET6 : AF_INET, .port = htons(port)};

	assert_int_equal(inet_pton(a.family, ip, a.ip), 1);
	return a;
}

struct message {
	__u8 data[INLAY_TURN_MESSAGE_MAX];
	size_t len;
};

WORLD_INLINE void message_attribute(struct message *m, __u16 type, const void *value, size_t len)
{
	size_t padded = (len + 3) & ~(size_t)3;

	assert_true(m->len + 4 + padded <= sizeof(m->data));
	inlay_net_set16(m->data + m->len, type);
	inlay_net_set16(m->data + m->len + 2, (__u16)len);
	memset(m->data + m->len + 4, 0, padded);
	if (len > 0)
		memcpy(m->data + m->len + 4, value, len);
	m->len += 4 + padded;
	inlay_net_set16(m->data + 2, (__u16)(m->len - INLAY_STUN_HEADER_LEN));
}

/* |id|: of the transaction, made from a number. */
WORLD_INLINE struct message message_of(__u16 method, enum inlay_stun_class class, __u32 id)
{
	struct message m = {.len = INLAY_STUN_HEADER_LEN};
	__u16 type = (__u16)((method & 0xf) | (method & 0x70) << 1 | (method & 0xf80) << 2 |
			     (class & 1) << 4 | (class & 2) << 7);

	inlay_net_set16(m.data, type);
	memcpy(m.data + 4, (__u8[]){0x21, 0x12, 0xa4, 0x42}, 4);
	id = htonl(id);
	memcpy(m.data + 16, &id, 4);
	return m;
}

WORLD_INLINE void message_u32(struct message *m, __u16 type, __u32 value)
{
	value = htonl(value);
	message_attribute(m, type, &value, 4);
}

WORLD_INLINE void message_address(struct message *m, __u16 type, const struct inlay_addr *a)
{
	size_t len = a->family == AF_INET ? 4 : 16;
	__u8 value[20] = {0, a->family == AF_INET ? 1 : 2};

	memcpy(value + 2, &a->port, 2);
	memcpy(value + 4, a->ip, len);
	for (size_t i = 0; i < len; i++)
		value[4 + i] ^= m->data[4 + i];
	value[2] ^= 0x21;
	value[3] ^= 0x12;
	message_attribute(m, type, value, 4 + len);
}

WORLD_INLINE void message_error(struct message *m, unsigned int code)
{
	message_u32(m, INLAY_STUN_ERROR_CODE, code / 100 << 8 | code % 100);
}

/* As a server with long-term credentials has it: behind everything. */
WORLD_INLINE void message_seal(struct message *m)
{
	__u8 hmac[20] = {1, 2, 3};

	message_attribute(m, INLAY_STUN_MESSAGE_INTEGRITY, hmac, sizeof(hmac));
	message_u32(m, INLAY_STUN_FINGERPRINT, 0x12345678);
}

/* --- Events -------------------------------------------------------------------------------- */

union world_event {
	struct inlay_turn_event e;
	__u8 room[sizeof(struct inlay_turn_event) + INLAY_TURN_MESSAGE_MAX];
};

WORLD_INLINE __u16 world_sum(const struct inlay_turn_event *e, bool pseudo_only)
{
	struct inlay_net_sum s = {0};

	inlay_net_sum_add(&s, e->src.ip, sizeof(e->src.ip));
	inlay_net_sum_add(&s, e->dst.ip, sizeof(e->dst.ip));
	inlay_net_sum_be16(&s, 17);
	inlay_net_sum_be16(&s, (__u16)(e->len + 8));
	if (pseudo_only)
		return (__u16)~inlay_net_sum_end(&s);
	inlay_net_sum_be16(&s, ntohs(e->src.port));
	inlay_net_sum_be16(&s, ntohs(e->dst.port));
	inlay_net_sum_be16(&s, (__u16)(e->len + 8));
	inlay_net_sum_add(&s, e->data, e->len);
	return inlay_net_sum_end(&s) ? inlay_net_sum_end(&s) : 0xffff;
}

WORLD_INLINE union world_event event_of(const struct world *w, __u32 kind,
					const struct inlay_addr *src, const struct inlay_addr *dst,
					const void *data, size_t len)
{
	union world_event v;

	memset(&v, 0, sizeof(v.e));
	v.e.time = w->now;
	v.e.kind = kind;
	v.e.src = *src;
	v.e.dst = *dst;
	v.e.len = (__u16)(kind == INLAY_TURN_MESSAGE || len < INLAY_TURN_SAMPLE_MAX
				  ? len
				  : INLAY_TURN_SAMPLE_MAX);
	v.e.data_len = (__u16)len;
	memcpy(v.e.data, data, v.e.len);
	if (kind == INLAY_TURN_MESSAGE)
		v.e.udp_sum = htons(world_sum(&v.e, false));
	return v;
}

WORLD_INLINE void world_give(struct world *w, const union world_event *v, enum inlay_turn_ring ring)
{
	inlay_turn_learner_event(w->l, &v->e, sizeof(v->e) + v->e.len, ring, w->now);
}

WORLD_INLINE void world_ask(struct world *w, const struct message *m)
{
	union world_event v =
		event_of(w, INLAY_TURN_MESSAGE, &w->client, &w->server, m->data, m->len);

	world_give(w, &v, INLAY_TURN_REQUESTS);
}

WORLD_INLINE void world_answer(struct world *w, const struct message *m)
{
	union world_event v =
		event_of(w, INLAY_TURN_MESSAGE, &w->server, &w->client, m->data, m->len);

	v.e.cookie = WORLD_LISTENER;
	world_give(w, &v, INLAY_TURN_RESPONSES);
}

/* ChannelData of the client's, on a channel that is watched. */
WORLD_INLINE void world_up(struct world *w, __u16 number, const char *data)
{
	union world_event v =
		event_of(w, INLAY_TURN_CHANNEL_DATA, &w->client, &w->server, data, strlen(data));

	v.e.flow = world_ref(w, number);
	v.e.channel = htons(number);
	world_give(w, &v, INLAY_TURN_REQUESTS);
}

/* The server relays it. */
WORLD_INLINE void world_out(struct world *w, __u16 number, const struct inlay_addr *peer,
			    const char *data)
{
	union world_event v =
		event_of(w, INLAY_TURN_RELAYED, &w->relayed, peer, data, strlen(data));

	v.e.flow = world_ref(w, number);
	v.e.cookie = w->cookie;
	world_give(w, &v, INLAY_TURN_RESPONSES);
}

/* --- What clients do ----------------------------------------------------------------------- */

WORLD_INLINE struct message allocate_request(__u32 id)
{
	struct message m = message_of(INLAY_STUN_ALLOCATE, INLAY_STUN_REQUEST, id);

	message_u32(&m, INLAY_STUN_REQUESTED_TRANSPORT, 17U << 24);
	message_seal(&m);
	return m;
}

WORLD_INLINE struct message allocate_success(const struct world *w, __u32 id, __u32 lifetime)
{
	struct message m = message_of(INLAY_STUN_ALLOCATE, INLAY_STUN_SUCCESS, id);

	message_address(&m, INLAY_STUN_XOR_RELAYED_ADDRESS, &w->told);
	message_u32(&m, INLAY_STUN_LIFETIME, lifetime);
	message_seal(&m);
	return m;
}

WORLD_INLINE struct message bind_request(__u32 id, __u16 number, const struct inlay_addr *peer)
{
	struct message m = message_of(INLAY_STUN_CHANNEL_BIND, INLAY_STUN_REQUEST, id);

	message_u32(&m, INLAY_STUN_CHANNEL_NUMBER, (__u32)number << 16);
	message_address(&m, INLAY_STUN_XOR_PEER_ADDRESS, peer);
	message_seal(&m);
	return m;
}

WORLD_INLINE struct message permit_request(__u32 id, const struct inlay_addr *peer)
{
	struct message m = message_of(INLAY_STUN_CREATE_PERMISSION, INLAY_STUN_REQUEST, id);

	message_address(&m, INLAY_STUN_XOR_PEER_ADDRESS, peer);
	message_seal(&m);
	return m;
}

WORLD_INLINE struct message refresh_request(__u32 id, __u32 lifetime)
{
	struct message m = message_of(INLAY_STUN_REFRESH, INLAY_STUN_REQUEST, id);

	message_u32(&m, INLAY_STUN_LIFETIME, lifetime);
	message_seal(&m);
	return m;
}

WORLD_INLINE struct message refresh_success(__u32 id, __u32 lifetime)
{
	struct message m = message_of(INLAY_STUN_REFRESH, INLAY_STUN_SUCCESS, id);

	message_u32(&m, INLAY_STUN_LIFETIME, lifetime);
	message_seal(&m);
	return m;
}

WORLD_INLINE struct message plain_success(__u16 method, __u32 id)
{
	struct message m = message_of(method, INLAY_STUN_SUCCESS, id);

	message_seal(&m);
	return m;
}

WORLD_INLINE struct message error_of(__u16 method, __u32 id, unsigned int code)
{
	struct message m = message_of(method, INLAY_STUN_ERROR, id);

	message_error(&m, code);
	return m;
}

WORLD_INLINE void world_exchange(struct world *w, const struct message *request,
				 const struct message *response)
{
	world_ask(w, request);
	world_answer(w, response);
}

WORLD_INLINE void world_allocate(struct world *w, __u32 lifetime)
{
	__u32 id = ++w->next_id;
	struct message request = allocate_request(id);
	struct message response = allocate_success(w, id, lifetime);

	world_exchange(w, &request, &response);
}

WORLD_INLINE void world_bind(struct world *w, __u16 number, const struct inlay_addr *peer)
{
	__u32 id = ++w->next_id;
	struct message request = bind_request(id, number, peer);
	struct message response = plain_success(INLAY_STUN_CHANNEL_BIND, id);

	world_exchange(w, &request, &response);
}

WORLD_INLINE void world_permit(struct world *w, const struct inlay_addr *peer)
{
	__u32 id = ++w->next_id;
	struct message request = permit_request(id, peer);
	struct message response = plain_success(INLAY_STUN_CREATE_PERMISSION, id);

	world_exchange(w, &request, &response);
}

WORLD_INLINE void world_refresh(struct world *w, __u32 lifetime)
{
	__u32 id = ++w->next_id;
	struct message request = refresh_request(id, lifetime);
	struct message response = refresh_success(id, lifetime);

	world_exchange(w, &request, &response);
}

/* The server is seen relaying. */
WORLD_INLINE void world_prove(struct world *w, __u16 number, const struct inlay_addr *peer)
{
	world_up(w, number, "twelve bytes");
	world_out(w, number, peer, "twelve bytes");
}

WORLD_INLINE void world_init(struct world *w, const struct inlay_turn_learner_config *changes)
{
	static const __u16 ports[] = {3478, 443};
	struct inlay_turn_learner_config config = {0};

	if (changes != NULL)
		config = *changes;
	config.ops = &world_ops;
	config.user = w;
	config.hash_key[0] = 1;
	config.hash_key[1] = 2;
	if (config.n_ports == 0) {
		config.ports = ports;
		config.n_ports = 2;
	}
	memset(w, 0, sizeof(*w));
	for (__u32 i = 0; i < WORLD_CHANNELS; i++)
		w->channels[i].allocation = ~0U;
	w->now = 1000 * INLAY_S;
	w->client = addr_of("192.0.2.1", 40000);
	w->server = addr_of("198.51.100.1", 3478);
	w->told = addr_of("198.51.100.1", 50000);
	w->relayed = w->told;
	w->cookie = WORLD_RELAY;
	assert_int_equal(inlay_turn_learner_new(&config, &w->l), 0);
}

/* Nothing is left behind, and nothing was named that was not there. */
WORLD_INLINE void world_fini(struct world *w)
{
	struct inlay_turn_learner_counts counts;

	inlay_turn_learner_reset(w->l, w->now);
	counts = world_counts(w);
	assert_int_equal(world_entries(w), 0);
	assert_int_equal(w->n_stale, 0);
	assert_int_equal(counts.allocations + counts.permissions + counts.channels +
				 counts.watched + counts.transactions,
			 0);
	assert_int_equal(inlay_turn_learner_turn(w->l, w->now), INLAY_NEVER);
	inlay_turn_learner_free(w->l);
}

#endif
