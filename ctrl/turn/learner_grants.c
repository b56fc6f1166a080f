/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What answers mean, method by method (RFC 8656). A success of a known request grants; an error
 * ends what it says is not there, or not allowed; and where an answer does not fit what was asked,
 * the allocation stays with the server.
 */
#include <string.h>

#include "learner_impl.h"

#define REQUESTED_UDP 17 /* RFC 8656 section 18.8 */

static bool has(const struct inlay_stun_message *m, enum inlay_stun_has what)
{
	return m->has & what;
}

static inlay_ns seconds_after(inlay_ns time, __u32 seconds)
{
	return time + seconds * INLAY_S;
}

/* --- Allocate ------------------------------------------------------------------------------ */

/* Why what was asked for, or granted, is not for the fast path; NULL: it is. */
static const char *doubt_of(const struct inlay_turn_learner *l,
			    const struct inlay_stun_message *request,
			    const struct inlay_stun_message *response)
{
	if (!has(request, INLAY_STUN_HAS_TRANSPORT) || request->transport != REQUESTED_UDP)
		return "it was not asked for with UDP as its transport";
	if (has(request, INLAY_STUN_HAS_TICKET) || has(response, INLAY_STUN_HAS_TICKET))
		return "it may move to another client address (RFC 8016)";
	if (response->n_relayed == 0 || !has(response, INLAY_STUN_HAS_LIFETIME))
		return "the answer names no relayed address, or no lifetime";
	/* RFC 8656 section 7.1: the two families exclude each other. */
	if (response->n_relayed > 1 && !has(request, INLAY_STUN_HAS_ADDITIONAL))
		return "two relayed addresses were granted where one was asked for";
	if (has(request, INLAY_STUN_HAS_FAMILY) &&
	    (response->n_relayed > 1 || response->relayed[0].family != request->family))
		return "another address family was granted than was asked for";
	for (size_t i = 0; i < response->n_relayed; i++) {
		/* What leaves from there would be believed to be the server's own word. */
		if (inlay_learner_is_port(l, response->relayed[i].port))
			return "its relayed port is one where the server listens";
		if (response->relayed[i].port == 0)
			return "the answer names no relayed port";
	}
	return NULL;
}

/* One relayed address is one allocation's: an older one is over, its end was missed. */
static bool add_legs(struct inlay_turn_learner *l, struct learner_allocation *a,
		     const struct inlay_stun_message *response, inlay_ns until)
{
	for (size_t i = 0; i < response->n_relayed; i++)
		if (inlay_learner_leg_add(l, a, &response->relayed[i], until) != 0)
			return false;
	return true;
}

static void grant_allocate(struct inlay_turn_learner *l, const struct learner_transaction *t,
			   const struct learner_answer *answer, inlay_ns now)
{
	const struct inlay_stun_message *response = answer->message;
	inlay_ns until = seconds_after(t->time, response->lifetime);
	struct learner_allocation *a = inlay_learner_find(l, &t->tuple);
	const char *doubt;

	/* Another one on this 5-tuple: the server knows the first no more. */
	if (a != NULL)
		inlay_learner_allocation_end(l, a);
	if (until <= now)
		return;
	doubt = doubt_of(l, &t->message, response);
	if (response->n_relayed == 0) {
		l->counts.conflicts++;
		return;
	}
	a = inlay_learner_allocation_new(l, &t->tuple, answer->cookie);
	if (a == NULL) {
		l->counts.refused++;
		return;
	}
	memcpy(a->id, t->message.header.id, sizeof(a->id));
	a->asked = t->time;
	a->answered = answer->time;
	if (!add_legs(l, a, response, until)) {
		l->counts.refused++;
		inlay_learner_allocation_end(l, a);
	} else if (doubt != NULL) {
		inlay_learner_allocation_doubt(l, a, doubt);
	}
}

/* --- Refresh ------------------------------------------------------------------------------- */

/* NULL: both legs, or the only one. */
static struct learner_leg *leg_asked(struct learner_allocation *a,
				     const struct inlay_stun_message *request)
{
	return has(request, INLAY_STUN_HAS_FAMILY) ? inlay_learner_leg(a, request->family) : NULL;
}

/* Ends those legs whose time is up; |a| may be gone then. */
static void set_legs(struct inlay_turn_learner *l, struct learner_allocation *a,
		     const struct learner_leg *only, inlay_ns until, inlay_ns now)
{
	struct learner_leg *legs[INLAY_ARRAY_SIZE(a->legs)];
	size_t n = 0;

	for (size_t i = 0; i < INLAY_ARRAY_SIZE(a->legs); i++)
		if (a->legs[i].told.family != 0 && (only == NULL || only == &a->legs[i]))
			legs[n++] = &a->legs[i];
	/* Ending the last one frees them all: it is the last touched. */
	for (size_t i = 0; i < n; i++) {
		if (until > now)
			inlay_learner_leg_set(l, legs[i], until);
		else
			inlay_learner_leg_end(l, legs[i]);
	}
}

static void grant_refresh(struct inlay_turn_learner *l, struct learner_allocation *a,
			  const struct learner_transaction *t, const struct learner_answer *answer,
			  inlay_ns now)
{
	const struct inlay_stun_message *request = &t->message, *response = answer->message;
	const struct learner_leg *only = leg_asked(a, request);

	if (has(request, INLAY_STUN_HAS_FAMILY) && only == NULL) {
		inlay_learner_allocation_doubt(
			l, a, "a Refresh of a family that it does not have succeeded");
		return;
	}
	if (has(request, INLAY_STUN_HAS_TICKET) || has(response, INLAY_STUN_HAS_TICKET)) {
		inlay_learner_allocation_doubt(l, a,
					       "it may move to another client address (RFC 8016)");
		return;
	}
	/* RFC 8656 section 8.2: the response has what the server made of it. */
	if (has(request, INLAY_STUN_HAS_LIFETIME) && request->lifetime == 0)
		set_legs(l, a, only, 0, now);
	else if (has(response, INLAY_STUN_HAS_LIFETIME))
		set_legs(l, a, only,
			 response->lifetime ? seconds_after(t->time, response->lifetime) : 0, now);
}

/* --- CreatePermission, ChannelBind --------------------------------------------------------- */

static void grant_permissions(struct inlay_turn_learner *l, struct learner_allocation *a,
			      const struct learner_transaction *t, inlay_ns now)
{
	inlay_ns until = t->time + l->config.permission_lifetime;
	struct learner_leg *leg;

	for (size_t i = 0; i < t->message.n_peers && until > now; i++) {
		leg = inlay_learner_leg(a, t->message.peers[i].family);
		if (leg != NULL)
			inlay_learner_permission_grant(l, leg, &t->message.peers[i], until);
	}
}

/* RFC 8656 section 12.1: one peer, one number. */
static bool is_bind(const struct inlay_stun_message *m)
{
	return has(m, INLAY_STUN_HAS_CHANNEL) && m->channel >= INLAY_TURN_CHANNEL_MIN &&
	       m->channel <= INLAY_TURN_CHANNEL_MAX && m->n_peers == 1 && m->peers[0].port != 0;
}

static void grant_channel(struct inlay_turn_learner *l, struct learner_allocation *a,
			  const struct learner_transaction *t, inlay_ns now)
{
	inlay_ns until = t->time + l->config.channel_lifetime;
	const struct inlay_stun_message *m = &t->message;
	struct learner_permission *p;
	struct learner_leg *leg;

	if (!is_bind(m)) {
		l->counts.conflicts++;
		return;
	}
	leg = inlay_learner_leg(a, m->peers[0].family);
	if (leg == NULL || until <= now)
		return;
	/* Section 12.2: it installs or refreshes the permission, too. */
	p = inlay_learner_permission_grant(l, leg, &m->peers[0],
					   t->time + l->config.permission_lifetime);
	if (p != NULL)
		inlay_learner_channel_bind(l, p, m->channel, &m->peers[0], until);
}

void inlay_learner_grant(struct inlay_turn_learner *l, const struct learner_transaction *t,
			 const struct learner_answer *answer, inlay_ns now)
{
	struct learner_allocation *a;

	if (t->message.header.method == INLAY_STUN_ALLOCATE) {
		grant_allocate(l, t, answer, now);
		return;
	}
	a = inlay_learner_find(l, &t->tuple);
	if (a == NULL)
		return;
	/* What was asked before it was there was asked of another one; still the server says now
	 * how long it will be. */
	if (t->time < a->asked || answer->time < a->answered) {
		inlay_learner_shrink(l, &t->tuple, answer, now);
		return;
	}
	if (t->message.header.method == INLAY_STUN_REFRESH) {
		grant_refresh(l, a, t, answer, now);
		return;
	}
	if (a->doubt != NULL)
		return;
	if (t->message.header.method == INLAY_STUN_CREATE_PERMISSION)
		grant_permissions(l, a, t, now);
	else
		grant_channel(l, a, t, now);
}

/* --- Ends ---------------------------------------------------------------------------------- */

/* The permissions of the peers that |m| names, with the proofs of their channels. */
static void end_permissions(struct inlay_turn_learner *l, struct learner_allocation *a,
			    const struct inlay_stun_message *m)
{
	struct learner_permission *p;
	struct inlay_list *node, *after;
	struct learner_leg *leg;

	for (size_t i = 0; i < m->n_peers; i++) {
		leg = inlay_learner_leg(a, m->peers[i].family);
		p = leg == NULL ? NULL : inlay_learner_permission(l, leg, &m->peers[i]);
		if (p != NULL)
			inlay_learner_permission_end(l, p);
	}
	if (!has(m, INLAY_STUN_HAS_MORE_PEERS))
		return;
	/* It named more than we know of: any may be among them. */
	inlay_list_for_each_safe (node, after, &a->permissions)
		inlay_learner_permission_end(
			l, inlay_list_entry(node, struct learner_permission, node));
}

/* The binding that |m| asked for, if it is there. */
static void end_channel(struct inlay_turn_learner *l, struct learner_allocation *a,
			const struct inlay_stun_message *m)
{
	struct learner_permission *p;
	struct learner_channel *ch;

	if (!is_bind(m))
		return;
	ch = inlay_learner_channel_by_number(l, a, m->channel);
	if (ch == NULL || memcmp(&ch->peer, &m->peers[0], sizeof(ch->peer)) != 0)
		return;
	p = ch->permission;
	inlay_learner_channel_end(l, ch);
	inlay_learner_permission_settle(l, p);
}

/*
 * Nothing was done, and nothing is said about what is there: try elsewhere, unauthenticated, a
 * comprehension-required attribute, stale nonce, wrong credentials. Who spoofs a client's address
 * can cause such answers. And there is an allocation already, which is known.
 */
bool inlay_learner_says_nothing(const struct inlay_stun_message *error)
{
	return error->error == 300 || error->error == 401 || error->error == 420 ||
	       error->error == 438 || error->error == 441 ||
	       (error->error == 437 && error->header.method == INLAY_STUN_ALLOCATE);
}

static void refuse_refresh(struct inlay_turn_learner *l, struct learner_allocation *a,
			   const struct inlay_stun_message *request, __u16 error)
{
	/* 400 needs no credentials; 443: it has no such family (RFC 8656 section 8.2). */
	if (error != 400 && error != 443)
		inlay_learner_allocation_end(l, a);
}

void inlay_learner_refuse(struct inlay_turn_learner *l, const struct learner_transaction *t,
			  const struct learner_answer *answer, inlay_ns now)
{
	const struct inlay_stun_message *request = &t->message;
	struct learner_allocation *a = inlay_learner_find(l, &t->tuple);
	__u16 error = answer->message->error;

	if (a == NULL || answer->time < a->answered || inlay_learner_says_nothing(answer->message))
		return;
	switch (request->header.method) {
	case INLAY_STUN_ALLOCATE:
		/* Section 7.2: 437 comes first where there is an allocation. So another error says
		 * that there is none, but for 400, which needs no credentials. */
		if (error != 400)
			inlay_learner_allocation_end(l, a);
		break;
	case INLAY_STUN_REFRESH:
		refuse_refresh(l, a, request, error);
		break;
	case INLAY_STUN_CREATE_PERMISSION:
		if (error == 437)
			inlay_learner_allocation_end(l, a);
		else if (error != 400)
			end_permissions(l, a, request);
		break;
	case INLAY_STUN_CHANNEL_BIND:
		if (error == 437) {
			inlay_learner_allocation_end(l, a);
			break;
		}
		/* 400: the server has another binding of the number, or of the peer. */
		end_channel(l, a, request);
		if (error != 400)
			end_permissions(l, a, request);
		break;
	}
}

void inlay_learner_shrink(struct inlay_turn_learner *l, const struct learner_tuple *tuple,
			  const struct learner_answer *answer, inlay_ns now)
{
	const struct inlay_stun_message *m = answer->message;
	struct learner_allocation *a = inlay_learner_find(l, tuple);
	inlay_ns until;

	if (a == NULL || answer->time < a->answered || m->header.method == INLAY_STUN_ALLOCATE)
		return;
	if (m->header.class == INLAY_STUN_ERROR) {
		if (m->error == 437)
			inlay_learner_allocation_end(l, a);
		return;
	}
	if (m->header.method != INLAY_STUN_REFRESH || !has(m, INLAY_STUN_HAS_LIFETIME))
		return;
	until = m->lifetime ? seconds_after(answer->time, m->lifetime) : 0;
	for (size_t i = 0; i < INLAY_ARRAY_SIZE(a->legs); i++) {
		struct learner_leg *leg = &a->legs[i];

		if (leg->told.family == 0 || leg->until <= until)
			continue;
		set_legs(l, a, leg, until, now);
		/* |a| may be gone with its last leg. */
		a = inlay_learner_find(l, tuple);
		if (a == NULL)
			return;
	}
}

void inlay_learner_undo(struct inlay_turn_learner *l, const struct learner_transaction *t,
			inlay_ns now)
{
	struct learner_allocation *a = inlay_learner_find(l, &t->tuple);

	if (a == NULL || t->time < a->asked)
		return;
	l->counts.conflicts++;
	switch (t->message.header.method) {
	case INLAY_STUN_ALLOCATE:
	case INLAY_STUN_REFRESH:
		inlay_learner_allocation_end(l, a);
		break;
	case INLAY_STUN_CHANNEL_BIND:
		end_channel(l, a, &t->message);
		end_permissions(l, a, &t->message);
		break;
	default:
		end_permissions(l, a, &t->message);
		break;
	}
}
