/* SPDX-License-Identifier: BSD-2-Clause */
#include "cids.h"

#include <errno.h>
#include <string.h>

/* RFC 9000 section 5.1.2 asks for room for at least twice what we keep. */
#define RETIRES_MAX (4 * INLAY_CIDS_PEER_MAX)
/* Section 5.1.1: sequence numbers rise by one, so what is missing between them is under way. */
#define SEEN_MAX 64

void inlay_cids_init(struct inlay_cids *c, const struct inlay_handover *h,
		     const struct inlay_conn_ops *ops, void *user)
{
	__u64 limit = h->peer.active_connection_id_limit;

	memset(c, 0, sizeof(*c));
	c->next_gone = INLAY_NEVER;
	c->ops = ops;
	c->user = user;
	/* Section 18.2: the default, and the least that may be given, is 2. */
	if (limit < 2)
		limit = 2;
	c->own_max = limit < INLAY_CIDS_OWN_MAX ? (__u32)limit : INLAY_CIDS_OWN_MAX;
	limit = h->own.active_connection_id_limit;
	if (limit < 2)
		limit = 2;
	c->peer_max = limit < INLAY_CIDS_PEER_MAX ? (__u32)limit : INLAY_CIDS_PEER_MAX;
	c->own[0].used = true;
	c->own[0].cid = h->own_cid;
	c->next_sequence = 1;
	c->peer[0].used = true;
	c->peer[0].sent_with = true;
	c->peer[0].cid = h->peer_cid;
	c->peer[0].has_token = h->peer.has_stateless_reset_token;
	memcpy(c->peer[0].token, h->peer.stateless_reset_token, 16);
	inlay_intervals_init(&c->retiring, RETIRES_MAX);
	inlay_intervals_init(&c->seen, SEEN_MAX);
	inlay_intervals_add(&c->seen, 0, 1);
	if (c->peer[0].has_token && ops->peer_token)
		ops->peer_token(user, c->peer[0].token, true);
}

void inlay_cids_fini(struct inlay_cids *c)
{
	inlay_intervals_fini(&c->retiring);
	inlay_intervals_fini(&c->seen);
}

static __u32 count_own(const struct inlay_cids *c)
{
	__u32 i, n = 0;

	for (i = 0; i < INLAY_CIDS_OWN_ROOM; i++)
		n += c->own[i].used && !c->own[i].retired &&
		     c->own[i].sequence >= c->own_retire_prior_to;
	return n;
}

static void forget_own(struct inlay_cids *c, struct inlay_own_cid *o)
{
	o->used = false;
	if (c->ops->cid_retire)
		c->ops->cid_retire(c->user, &o->cid);
}

/* A free one, or that of the one retired first. NULL: all are in force. */
static struct inlay_own_cid *own_slot(struct inlay_cids *c)
{
	struct inlay_own_cid *found = NULL, *o;

	for (o = c->own; o < c->own + INLAY_CIDS_OWN_ROOM; o++) {
		if (!o->used)
			return o;
		if (o->retired && (!found || o->gone_at < found->gone_at))
			found = o;
	}
	if (found)
		forget_own(c, found);
	return found;
}

static int issue_one(struct inlay_cids *c)
{
	struct inlay_own_cid *o = own_slot(c);

	if (!o || !c->ops->cid_issue || c->ops->cid_issue(c->user, &o->cid, o->token))
		return -ENOSPC;
	o->used = true;
	o->pending = true;
	o->retired = false;
	o->sequence = c->next_sequence++;
	return 0;
}

void inlay_cids_issue(struct inlay_cids *c)
{
	while (count_own(c) < c->own_max && !issue_one(c))
		;
}

int inlay_cids_renew(struct inlay_cids *c)
{
	__u64 before = c->own_retire_prior_to;
	__u32 i;

	/* Section 5.1.2: not before the peer has retired what it was asked to. */
	for (i = 0; i < INLAY_CIDS_OWN_ROOM; i++)
		if (c->own[i].used && !c->own[i].retired && c->own[i].sequence < before)
			return -EAGAIN;
	c->own_retire_prior_to = c->next_sequence;
	inlay_cids_issue(c);
	if (count_own(c) > 0)
		return 0;
	c->own_retire_prior_to = before;
	return -ENOSPC;
}

/* Section 10.3.1: its reset token counts from now on. */
static void send_with(struct inlay_cids *c, struct inlay_peer_cid *p)
{
	if (p->sent_with)
		return;
	p->sent_with = true;
	if (p->has_token && c->ops->peer_token)
		c->ops->peer_token(c->user, p->token, true);
	if (c->ops->peer_cid)
		c->ops->peer_cid(c->user, &p->cid, true);
}

static enum inlay_quic_error retire_peer(struct inlay_cids *c, __u64 sequence)
{
	/* Section 5.1.2: a peer that never lets these be acknowledged is not worth the memory. */
	if (c->retires_open >= RETIRES_MAX ||
	    inlay_intervals_add(&c->retiring, sequence, sequence + 1))
		return INLAY_QUIC_CONNECTION_ID_LIMIT_ERROR;
	c->retires_open++;
	return INLAY_QUIC_NO_ERROR;
}

static void forget_peer(struct inlay_cids *c, struct inlay_peer_cid *p)
{
	p->used = false;
	if (!p->sent_with)
		return;
	if (p->has_token && c->ops->peer_token)
		c->ops->peer_token(c->user, p->token, false);
	if (c->ops->peer_cid)
		c->ops->peer_cid(c->user, &p->cid, false);
}

/* One not below |lowest|, best one that nothing was sent with. NULL: there is none. */
static struct inlay_peer_cid *find_other(struct inlay_cids *c, __u64 lowest, bool unsent)
{
	struct inlay_peer_cid *found = NULL, *p;

	for (p = c->peer; p < c->peer + INLAY_CIDS_PEER_MAX; p++)
		if (p->used && p->sequence >= lowest && p != &c->peer[c->current] &&
		    !(unsent && p->sent_with) && (!found || found->sent_with))
			found = p;
	return found;
}

static void use_peer(struct inlay_cids *c, struct inlay_peer_cid *p)
{
	c->current = (__u32)(p - c->peer);
	send_with(c, p);
}

/* Retires all below |retire_prior_to|; the one in use last, once another is in its place. */
static enum inlay_quic_error retire_below(struct inlay_cids *c)
{
	enum inlay_quic_error err;
	struct inlay_peer_cid *p;

	if (inlay_cids_peer_sequence(c) < c->retire_prior_to) {
		p = find_other(c, c->retire_prior_to, false);
		if (!p)
			return INLAY_QUIC_PROTOCOL_VIOLATION;
		use_peer(c, p);
	}
	for (p = c->peer; p < c->peer + INLAY_CIDS_PEER_MAX; p++) {
		if (!p->used || p->sequence >= c->retire_prior_to)
			continue;
		err = retire_peer(c, p->sequence);
		if (err)
			return err;
		forget_peer(c, p);
	}
	return INLAY_QUIC_NO_ERROR;
}

int inlay_cids_rotate(struct inlay_cids *c)
{
	struct inlay_peer_cid *old = &c->peer[c->current], *p = find_other(c, 0, true);

	if (!p || retire_peer(c, old->sequence))
		return -EAGAIN;
	use_peer(c, p);
	forget_peer(c, old);
	return 0;
}

static struct inlay_peer_cid *find_peer(const struct inlay_cids *c, __u64 sequence)
{
	const struct inlay_peer_cid *p;

	for (p = c->peer; p < c->peer + INLAY_CIDS_PEER_MAX; p++)
		if (p->used && p->sequence == sequence)
			return (struct inlay_peer_cid *)p;
	return NULL;
}

int inlay_cids_take(struct inlay_cids *c, __u64 *ret_sequence)
{
	struct inlay_peer_cid *p = find_other(c, 0, true);

	if (!p)
		return -EAGAIN;
	send_with(c, p);
	*ret_sequence = p->sequence;
	return 0;
}

const struct inlay_cid *inlay_cids_peer_at(const struct inlay_cids *c, __u64 sequence)
{
	const struct inlay_peer_cid *p = find_peer(c, sequence);

	return p ? &p->cid : NULL;
}

void inlay_cids_switch(struct inlay_cids *c, __u64 sequence)
{
	struct inlay_peer_cid *p = find_peer(c, sequence);

	if (p)
		use_peer(c, p);
}

void inlay_cids_release(struct inlay_cids *c, __u64 sequence)
{
	struct inlay_peer_cid *p = find_peer(c, sequence);

	/* Too many retirements on their way: it is kept, to be retired by the peer. */
	if (p && p != &c->peer[c->current] && !retire_peer(c, sequence))
		forget_peer(c, p);
}

static bool is_same(const struct inlay_peer_cid *p, const struct inlay_quic_new_cid *f)
{
	return p->cid.len == f->cid_len && !memcmp(p->cid.data, f->cid, f->cid_len);
}

/* Section 19.15: a sequence number and a CID belong together for good. */
static enum inlay_quic_error find_known(const struct inlay_cids *c,
					const struct inlay_quic_new_cid *f, bool *ret_known)
{
	__u32 i;

	*ret_known = false;
	for (i = 0; i < INLAY_CIDS_PEER_MAX; i++) {
		const struct inlay_peer_cid *p = &c->peer[i];

		if (!p->used)
			continue;
		if ((p->sequence == f->sequence) != is_same(p, f))
			return INLAY_QUIC_PROTOCOL_VIOLATION;
		if (p->sequence != f->sequence)
			continue;
		if (p->has_token && memcmp(p->token, f->token, 16))
			return INLAY_QUIC_PROTOCOL_VIOLATION;
		*ret_known = true;
	}
	return INLAY_QUIC_NO_ERROR;
}

/* Active ones of the peer's, once |retire_prior_to| has had its way. */
static __u32 count_active(const struct inlay_cids *c)
{
	__u32 i, n = 0;

	for (i = 0; i < INLAY_CIDS_PEER_MAX; i++)
		n += c->peer[i].used && c->peer[i].sequence >= c->retire_prior_to;
	return n;
}

static enum inlay_quic_error add_peer(struct inlay_cids *c, const struct inlay_quic_new_cid *f)
{
	struct inlay_peer_cid *p = NULL, added = {.used = true, .has_token = true};
	enum inlay_quic_error err;
	__u32 i;

	if (count_active(c) >= c->peer_max)
		return INLAY_QUIC_CONNECTION_ID_LIMIT_ERROR;
	added.sequence = f->sequence;
	inlay_cid_set(&added.cid, f->cid, f->cid_len);
	memcpy(added.token, f->token, 16);
	for (i = 0; i < INLAY_CIDS_PEER_MAX && !p; i++)
		if (!c->peer[i].used)
			p = &c->peer[i];
	if (p) {
		*p = added;
		return INLAY_QUIC_NO_ERROR;
	}
	/* No slot, though some are about to be retired: one that is not in use makes room. */
	for (i = 0; i < INLAY_CIDS_PEER_MAX; i++) {
		if (i == c->current || c->peer[i].sequence >= c->retire_prior_to)
			continue;
		err = retire_peer(c, c->peer[i].sequence);
		forget_peer(c, &c->peer[i]);
		c->peer[i] = added;
		return err;
	}
	return INLAY_QUIC_CONNECTION_ID_LIMIT_ERROR;
}

enum inlay_quic_error inlay_cids_on_new(struct inlay_cids *c, const struct inlay_quic_new_cid *f)
{
	enum inlay_quic_error err;
	bool known;

	/* Section 19.15. */
	if (inlay_cids_peer(c)->len == 0)
		return INLAY_QUIC_PROTOCOL_VIOLATION;
	err = find_known(c, f, &known);
	if (err)
		return err;
	if (f->retire_prior_to > c->retire_prior_to)
		c->retire_prior_to = f->retire_prior_to;
	/* One that we have retired since comes again: its retransmission was under way. */
	if (known || inlay_intervals_has(&c->seen, f->sequence, f->sequence + 1))
		return retire_below(c);
	if (inlay_intervals_add(&c->seen, f->sequence, f->sequence + 1))
		return INLAY_QUIC_CONNECTION_ID_LIMIT_ERROR;
	if (f->sequence < c->retire_prior_to)
		return retire_peer(c, f->sequence);
	err = add_peer(c, f);
	return err ? err : retire_below(c);
}

enum inlay_quic_error inlay_cids_on_retire(struct inlay_cids *c, __u64 sequence, const __u8 *dcid,
					   inlay_ns gone_at)
{
	struct inlay_own_cid *o;

	/* Section 19.16. */
	if (sequence >= c->next_sequence)
		return INLAY_QUIC_PROTOCOL_VIOLATION;
	for (o = c->own; o < c->own + INLAY_CIDS_OWN_ROOM; o++) {
		if (!o->used || o->retired || o->sequence != sequence)
			continue;
		if (!memcmp(o->cid.data, dcid, INLAY_OWN_CID))
			return INLAY_QUIC_PROTOCOL_VIOLATION;
		o->retired = true;
		o->pending = false;
		o->gone_at = gone_at;
		if (gone_at < c->next_gone)
			c->next_gone = gone_at;
	}
	inlay_cids_issue(c);
	return INLAY_QUIC_NO_ERROR;
}

inlay_ns inlay_cids_deadline(const struct inlay_cids *c)
{
	return c->next_gone;
}

void inlay_cids_on_timer(struct inlay_cids *c, inlay_ns now)
{
	struct inlay_own_cid *o;

	if (now < c->next_gone)
		return;
	c->next_gone = INLAY_NEVER;
	for (o = c->own; o < c->own + INLAY_CIDS_OWN_ROOM; o++)
		if (o->used && o->retired && o->gone_at <= now) {
			forget_own(c, o);
			/* There is room for one that there was none for. */
			inlay_cids_issue(c);
		} else if (o->used && o->retired && o->gone_at < c->next_gone) {
			c->next_gone = o->gone_at;
		}
}

void inlay_cids_on_new_lost(struct inlay_cids *c, __u64 sequence)
{
	__u32 i;

	for (i = 0; i < INLAY_CIDS_OWN_ROOM; i++)
		if (c->own[i].used && !c->own[i].retired && c->own[i].sequence == sequence)
			c->own[i].pending = true;
}

void inlay_cids_on_retire_lost(struct inlay_cids *c, __u64 sequence)
{
	/* Cannot exceed the bound: retires_open counts it still. */
	inlay_intervals_add(&c->retiring, sequence, sequence + 1);
}

void inlay_cids_on_retire_acked(struct inlay_cids *c)
{
	if (c->retires_open > 0)
		c->retires_open--;
}

struct inlay_own_cid *inlay_cids_pending(struct inlay_cids *c)
{
	__u32 i;

	for (i = 0; i < INLAY_CIDS_OWN_ROOM; i++)
		if (c->own[i].used && c->own[i].pending)
			return &c->own[i];
	return NULL;
}

bool inlay_cids_retire_pending(const struct inlay_cids *c, __u64 *ret_sequence)
{
	struct inlay_quic_range first;

	if (!inlay_intervals_next(&c->retiring, 0, &first))
		return false;
	*ret_sequence = first.begin;
	return true;
}

void inlay_cids_retire_sent(struct inlay_cids *c, __u64 sequence)
{
	inlay_intervals_remove(&c->retiring, sequence, sequence + 1);
}
