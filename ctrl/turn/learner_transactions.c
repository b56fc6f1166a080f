/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Transactions: requests and responses of one 5-tuple and ID find each other, in whichever order
 * they are handed over. An ID means one request; two that differ, or two answers that differ, and
 * it means nothing any more, also what it has granted already.
 */
#include <stdlib.h>
#include <string.h>

#include "learner_impl.h"

/* What a transaction is looked up by. No padding. */
struct transaction_name {
	struct learner_tuple tuple;
	__u8 id[INLAY_STUN_ID];
};
_Static_assert(sizeof(struct transaction_name) == 2 * sizeof(struct inlay_addr) + INLAY_STUN_ID,
	       "hashed as it stands");

static struct learner_transaction *find(const struct inlay_turn_learner *l,
					const struct learner_tuple *tuple, const __u8 *id,
					__u64 *ret_key)
{
	struct learner_transaction *t;
	struct transaction_name name;

	name.tuple = *tuple;
	memcpy(name.id, id, sizeof(name.id));
	*ret_key = inlay_learner_hash(l, &name, sizeof(name));
	t = inlay_map_get(&l->transactions_by_key, *ret_key);
	if (t == NULL || memcmp(&t->tuple, tuple, sizeof(*tuple)) != 0 ||
	    memcmp(t->message.header.id, id, INLAY_STUN_ID) != 0)
		return NULL;
	return t;
}

static void forget(struct inlay_turn_learner *l, struct learner_transaction *t)
{
	if (t->state == LEARNER_WAITING)
		l->counts.unmatched++;
	inlay_map_remove(&l->transactions_by_key, t->key);
	inlay_list_remove(&t->node);
	l->counts.transactions--;
	free(t);
}

/* The oldest gives way: one that is forgotten grants nothing. */
static void make_room(struct inlay_turn_learner *l)
{
	struct inlay_list *list =
		inlay_list_is_empty(&l->transactions) ? &l->waiting : &l->transactions;

	if (l->counts.transactions < l->config.max_transactions)
		return;
	forget(l, inlay_list_entry(list->next, struct learner_transaction, node));
	l->counts.evicted++;
}

static void enlist(struct inlay_turn_learner *l, struct learner_transaction *t,
		   enum learner_transaction_state state, inlay_ns now)
{
	inlay_list_remove(&t->node);
	t->state = state;
	t->forget =
		now + (state == LEARNER_WAITING ? LEARNER_REORDER_TIME : LEARNER_TRANSACTION_TIME);
	inlay_list_append(state == LEARNER_WAITING ? &l->waiting : &l->transactions, &t->node);
}

/* NULL: no room. */
static struct learner_transaction *begin(struct inlay_turn_learner *l,
					 const struct learner_tuple *tuple, __u64 key,
					 const struct inlay_stun_message *m,
					 enum learner_transaction_state state, inlay_ns now)
{
	struct learner_transaction *t;

	/* Another one has this key: by no means of a stranger's. */
	if (inlay_map_get(&l->transactions_by_key, key) != NULL)
		return NULL;
	make_room(l);
	t = calloc(1, sizeof(*t));
	if (t == NULL)
		return NULL;
	if (inlay_map_set(&l->transactions_by_key, key, t) != 0) {
		free(t);
		return NULL;
	}
	t->key = key;
	t->tuple = *tuple;
	t->message = *m;
	inlay_list_init(&t->node);
	enlist(l, t, state, now);
	l->counts.transactions++;
	return t;
}

static void poison(struct inlay_turn_learner *l, struct learner_transaction *t, inlay_ns now)
{
	bool granted = t->state == LEARNER_GRANTED;

	if (t->state == LEARNER_POISONED)
		return;
	l->counts.poisoned++;
	/* As long as from its birth: nobody can use the ID again by asking again. */
	if (t->state == LEARNER_WAITING)
		enlist(l, t, LEARNER_POISONED, now);
	t->state = LEARNER_POISONED;
	if (granted)
		inlay_learner_undo(l, t, now);
}

static void answer(struct inlay_turn_learner *l, struct learner_transaction *t,
		   const struct learner_answer *a, inlay_ns now)
{
	if (a->message->header.class == INLAY_STUN_SUCCESS) {
		l->counts.successes++;
		t->state = LEARNER_GRANTED;
		inlay_learner_grant(l, t, a, now);
	} else {
		l->counts.errors++;
		t->state = LEARNER_REFUSED;
		inlay_learner_refuse(l, t, a, now);
	}
}

/* --- Requests ------------------------------------------------------------------------------ */

static bool is_method(__u16 method)
{
	return method == INLAY_STUN_ALLOCATE || method == INLAY_STUN_REFRESH ||
	       method == INLAY_STUN_CREATE_PERMISSION || method == INLAY_STUN_CHANNEL_BIND;
}

/* A response was handed over before this request. */
static void join(struct inlay_turn_learner *l, struct learner_transaction *t,
		 const struct inlay_turn_event *e, const struct inlay_stun_message *m, inlay_ns now)
{
	struct inlay_stun_message response = t->message;
	struct learner_answer a = {.message = &response, .cookie = t->cookie, .time = t->time};
	bool is_answer = t->time >= e->time, same = response.header.method == m->header.method;

	if (!is_answer)
		l->counts.unmatched++; /* to one that we have missed; this one's will come */
	t->message = *m;
	t->time = e->time;
	t->digest = inlay_learner_hash(l, e->data, e->len);
	enlist(l, t, LEARNER_ASKED, now);
	if (!same)
		poison(l, t, now);
	else if (is_answer && !inlay_learner_is_buried(l, a.cookie, now))
		answer(l, t, &a, now);
}

void inlay_learner_request(struct inlay_turn_learner *l, const struct inlay_turn_event *e,
			   inlay_ns now)
{
	struct learner_tuple tuple = {.client = e->src, .server = e->dst};
	struct learner_transaction *t;
	enum inlay_stun_verdict v;
	struct inlay_stun_message m;
	__u64 key;

	if (!inlay_learner_is_port(l, e->dst.port))
		return;
	v = inlay_stun_parse(inlay_cursor_of(e->data, e->len), &m);
	if (v == INLAY_STUN_NOT_STUN || m.header.class != INLAY_STUN_REQUEST ||
	    !is_method(m.header.method)) {
		l->counts.malformed++;
		return;
	}
	if (!inlay_turn_message_sound(e)) {
		l->counts.bad_sum++;
		return;
	}
	l->counts.requests++;
	t = find(l, &tuple, m.header.id, &key);
	if (t == NULL) {
		t = begin(l, &tuple, key, &m, LEARNER_ASKED, now);
		if (t == NULL)
			return;
		t->time = e->time;
		t->digest = inlay_learner_hash(l, e->data, e->len);
	} else if (t->state == LEARNER_WAITING) {
		if (v == INLAY_STUN_OK)
			join(l, t, e, &m, now);
	} else {
		/* So long from the last of its requests an ID means one thing. */
		enlist(l, t, t->state, now);
		if (t->digest != inlay_learner_hash(l, e->data, e->len))
			poison(l, t, now);
	}
	if (v != INLAY_STUN_OK) {
		/* The server may read something in it: whatever it answers, it is not clear to
		 * what. */
		l->counts.malformed++;
		poison(l, t, now);
	}
}

/* --- Responses ----------------------------------------------------------------------------- */

/* Two successes of one request: do they say the same? */
static bool agree(const struct inlay_turn_learner *l, const struct learner_transaction *t,
		  const struct inlay_stun_message *m)
{
	struct learner_allocation *a = inlay_learner_find(l, &t->tuple);
	struct learner_leg *leg;

	if (t->message.header.method != INLAY_STUN_ALLOCATE || a == NULL ||
	    memcmp(a->id, t->message.header.id, sizeof(a->id)) != 0)
		return true;
	for (size_t i = 0; i < m->n_relayed; i++) {
		leg = inlay_learner_leg(a, m->relayed[i].family);
		if (leg != NULL && memcmp(&leg->told, &m->relayed[i], sizeof(leg->told)) != 0)
			return false;
	}
	return true;
}

/* Another answer of a transaction that has one. */
static void answer_again(struct inlay_turn_learner *l, struct learner_transaction *t,
			 const struct learner_answer *a, inlay_ns now)
{
	const struct inlay_stun_message *m = a->message;
	bool success = m->header.class == INLAY_STUN_SUCCESS;

	switch (t->state) {
	case LEARNER_GRANTED:
		/* To a request that it has served already: once a nonce has run out, say. */
		if (!success && inlay_learner_says_nothing(m))
			break;
		if (!success || !agree(l, t, m)) {
			poison(l, t, now);
			inlay_learner_shrink(l, &t->tuple, a, now);
		} else if (m->header.method == INLAY_STUN_REFRESH) {
			inlay_learner_grant(l, t, a, now);
		}
		break;
	case LEARNER_REFUSED:
		if (success)
			poison(l, t, now);
		else
			inlay_learner_refuse(l, t, a, now);
		break;
	case LEARNER_WAITING:
		if (t->message.header.class != m->header.class || t->message.error != m->error ||
		    t->message.lifetime != m->lifetime ||
		    memcmp(t->message.relayed, m->relayed, sizeof(m->relayed)) != 0)
			poison(l, t, now);
		break;
	default:
		break;
	}
}

/* Does the request say what it means? Then it is not more than that. */
static bool is_answer_to(const struct learner_transaction *t, const struct learner_answer *a)
{
	return t != NULL && (t->state == LEARNER_ASKED || t->state == LEARNER_GRANTED) &&
	       t->message.header.method == a->message->header.method && a->time >= t->time;
}

static void respond(struct inlay_turn_learner *l, const struct learner_tuple *tuple,
		    const struct learner_answer *a, inlay_ns now)
{
	struct learner_transaction *t;
	__u64 key;

	t = find(l, tuple, a->message->header.id, &key);
	if (!is_answer_to(t, a))
		inlay_learner_shrink(l, tuple, a, now);
	if (t == NULL) {
		t = begin(l, tuple, key, a->message, LEARNER_WAITING, now);
		if (t != NULL) {
			t->time = a->time;
			t->cookie = a->cookie;
		}
		return;
	}
	if (t->message.header.method != a->message->header.method)
		poison(l, t, now);
	else if (t->state != LEARNER_WAITING && a->time < t->time)
		l->counts.unmatched++; /* to a request that was missed, before this one came */
	else if (t->state == LEARNER_ASKED)
		answer(l, t, a, now);
	else
		answer_again(l, t, a, now);
}

void inlay_learner_response(struct inlay_turn_learner *l, const struct inlay_turn_event *e,
			    inlay_ns now)
{
	struct learner_tuple tuple = {.client = e->dst, .server = e->src};
	struct inlay_stun_message m;
	struct learner_answer a = {.message = &m, .cookie = e->cookie, .time = e->time};
	struct learner_transaction *t;
	enum inlay_stun_verdict v;
	__u64 key;

	/* A relayed socket sends what its client likes, also this. */
	if (e->cookie == 0 || !inlay_learner_is_port(l, e->src.port) ||
	    inlay_map_get(&l->by_cookie, e->cookie) != NULL ||
	    inlay_learner_is_buried(l, e->cookie, now)) {
		l->counts.unmatched++;
		return;
	}
	v = inlay_stun_parse(inlay_cursor_of(e->data, e->len), &m);
	if (v == INLAY_STUN_OK && is_method(m.header.method) &&
	    (m.header.class == INLAY_STUN_SUCCESS ||
	     (m.header.class == INLAY_STUN_ERROR && m.has & INLAY_STUN_HAS_ERROR))) {
		/* Errors begin nothing: whose they are is not asked, for anybody causes them. */
		if (m.header.class == INLAY_STUN_SUCCESS &&
		    !inlay_learner_is_here(l, e->cookie, &tuple.server, &tuple.client))
			l->counts.unmatched++;
		else
			respond(l, &tuple, &a, now);
		return;
	}
	l->counts.malformed++;
	t = v == INLAY_STUN_NOT_STUN ? NULL : find(l, &tuple, m.header.id, &key);
	if (t != NULL)
		poison(l, t, now);
}

/* --- Time ---------------------------------------------------------------------------------- */

static void expire(struct inlay_turn_learner *l, struct inlay_list *list, inlay_ns now)
{
	struct learner_transaction *t;

	while (!inlay_list_is_empty(list)) {
		t = inlay_list_entry(list->next, struct learner_transaction, node);
		if (t->forget > now)
			break;
		forget(l, t);
	}
}

void inlay_learner_transactions_expire(struct inlay_turn_learner *l, inlay_ns now)
{
	expire(l, &l->waiting, now);
	expire(l, &l->transactions, now);
}

static inlay_ns next_of(const struct inlay_list *list)
{
	if (inlay_list_is_empty(list))
		return INLAY_NEVER;
	return inlay_list_entry(list->next, struct learner_transaction, node)->forget;
}

inlay_ns inlay_learner_transactions_next(const struct inlay_turn_learner *l)
{
	inlay_ns a = next_of(&l->waiting), b = next_of(&l->transactions);

	return a < b ? a : b;
}

void inlay_learner_waiting_clear(struct inlay_turn_learner *l)
{
	expire(l, &l->waiting, INLAY_NEVER);
}

void inlay_learner_transactions_clear(struct inlay_turn_learner *l)
{
	inlay_learner_waiting_clear(l);
	expire(l, &l->transactions, INLAY_NEVER);
}
