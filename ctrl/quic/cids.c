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

void inlay_cids_issue(struct inlay_cids *c)
{
	__u32 i;

	if (!c->ops->cid_issue)
		return;
	for (i = 0; i < c->own_max; i++) {
		struct inlay_own_cid *o = &c->own[i];

		if (o->used)
			continue;
		if (c->ops->cid_issue(c->user, &o->cid, o->token))
			return;
		o->used = true;
		o->pending = true;
		o->sequence = c->next_sequence++;
	}
}

static void use_peer_cid(struct inlay_cids *c, __u32 i)
{
	const struct inlay_cid old = c->peer[c->current].cid;

	c->current = i;
	if (c->peer[i].has_token && c->ops->peer_token)
		c->ops->peer_token(c->user, c->peer[i].token, true);
	if (c->ops->peer_cid_change)
		c->ops->peer_cid_change(c->user, &old, &c->peer[i].cid);
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

static void forget_peer(struct inlay_cids *c, __u32 i)
{
	if (i == c->current && c->peer[i].has_token && c->ops->peer_token)
		c->ops->peer_token(c->user, c->peer[i].token, false);
	c->peer[i].used = false;
}

/* Retires all below |retire_prior_to|; the one in use last, once another is in its place. */
static enum inlay_quic_error retire_below(struct inlay_cids *c)
{
	enum inlay_quic_error err;
	__u32 i, current = c->current;

	if (c->peer[current].sequence < c->retire_prior_to) {
		for (i = 0; i < INLAY_CIDS_PEER_MAX; i++)
			if (c->peer[i].used && c->peer[i].sequence >= c->retire_prior_to)
				break;
		if (i == INLAY_CIDS_PEER_MAX)
			return INLAY_QUIC_PROTOCOL_VIOLATION;
		if (c->peer[current].has_token && c->ops->peer_token)
			c->ops->peer_token(c->user, c->peer[current].token, false);
		use_peer_cid(c, i);
	}
	for (i = 0; i < INLAY_CIDS_PEER_MAX; i++) {
		if (!c->peer[i].used || c->peer[i].sequence >= c->retire_prior_to)
			continue;
		err = retire_peer(c, c->peer[i].sequence);
		if (err)
			return err;
		forget_peer(c, i);
	}
	return INLAY_QUIC_NO_ERROR;
}

int inlay_cids_rotate(struct inlay_cids *c)
{
	const struct inlay_peer_cid *old = &c->peer[c->current];
	__u32 i;

	for (i = 0; i < INLAY_CIDS_PEER_MAX; i++) {
		if (!c->peer[i].used || i == c->current)
			continue;
		if (retire_peer(c, old->sequence))
			return -EAGAIN;
		c->peer[c->current].used = false;
		if (old->has_token && c->ops->peer_token)
			c->ops->peer_token(c->user, old->token, false);
		use_peer_cid(c, i);
		return 0;
	}
	return -EAGAIN;
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

enum inlay_quic_error inlay_cids_on_retire(struct inlay_cids *c, __u64 sequence, const __u8 *dcid)
{
	__u32 i;

	/* Section 19.16. */
	if (sequence >= c->next_sequence)
		return INLAY_QUIC_PROTOCOL_VIOLATION;
	for (i = 0; i < INLAY_CIDS_OWN_MAX; i++) {
		struct inlay_own_cid *o = &c->own[i];

		if (!o->used || o->sequence != sequence)
			continue;
		if (!memcmp(o->cid.data, dcid, INLAY_OWN_CID))
			return INLAY_QUIC_PROTOCOL_VIOLATION;
		o->used = false;
		o->pending = false;
		if (c->ops->cid_retire)
			c->ops->cid_retire(c->user, &o->cid);
	}
	inlay_cids_issue(c);
	return INLAY_QUIC_NO_ERROR;
}

void inlay_cids_on_new_lost(struct inlay_cids *c, __u64 sequence)
{
	__u32 i;

	for (i = 0; i < INLAY_CIDS_OWN_MAX; i++)
		if (c->own[i].used && c->own[i].sequence == sequence)
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

	for (i = 0; i < INLAY_CIDS_OWN_MAX; i++)
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
