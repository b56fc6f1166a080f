/* SPDX-License-Identifier: BSD-2-Clause */
#include "path.h"

#include <string.h>

#define AMPLIFICATION 3 /* RFC 9000 section 8 */
#define AGAIN	      2 /* challenges a round, after the first: as probes of a PTO */
#define MAX_BACKOFF   8

void inlay_paths_fill(struct inlay_paths *p, struct inlay_path_entry *e,
		      const struct inlay_path *path, const __u8 *dcid, __u64 cid)
{
	*e = (struct inlay_path_entry){
		.used = true,
		.path = *path,
		.cid = cid,
		.serial = ++p->serial,
		.challenge_at = INLAY_NEVER,
		.give_up_at = INLAY_NEVER,
		.forget_at = INLAY_NEVER,
	};
	memcpy(e->dcid, dcid, INLAY_OWN_CID);
}

void inlay_paths_init(struct inlay_paths *p, enum inlay_role role, const struct inlay_path *path,
		      const __u8 *dcid)
{
	struct inlay_path_entry *e = &p->entries[0];

	memset(p, 0, sizeof(*p));
	p->role = role;
	p->measured = *path;
	inlay_paths_fill(p, e, path, dcid, 0);
	/* Initial packets have had 1200 bytes, both ways: section 14.1. */
	e->validated = true;
	e->fits = true;
}

/* A client that dialled from any address has not been told which one that is. */
static bool is_any_address(const struct inlay_addr *local, const struct inlay_addr *seen)
{
	static const __u8 any[16];

	return local->port == seen->port && !memcmp(local->ip, any, sizeof(any));
}

struct inlay_path_entry *inlay_paths_find(const struct inlay_paths *p,
					  const struct inlay_path *path)
{
	struct inlay_path_entry *current = inlay_paths_current(p);
	__u32 i;

	for (i = 0; i < INLAY_PATHS; i++) {
		const struct inlay_path_entry *e = &p->entries[i];
		const struct inlay_addr *key =
			p->role == INLAY_SERVER ? &e->path.remote : &e->path.local;

		if (e->used && !memcmp(key, p->role == INLAY_SERVER ? &path->remote : &path->local,
				       sizeof(*key)))
			return (struct inlay_path_entry *)e;
	}
	if (p->role == INLAY_CLIENT && is_any_address(&current->path.local, &path->local))
		return current;
	return NULL;
}

struct inlay_path_entry *inlay_paths_spare(struct inlay_paths *p)
{
	struct inlay_path_entry *found = NULL;
	__u32 i;

	for (i = 0; i < INLAY_PATHS; i++) {
		struct inlay_path_entry *e = &p->entries[i];

		if (!e->used)
			return e;
		if (i != p->current && i != p->fallback && !e->moving &&
		    (!found || e->serial < found->serial))
			found = e;
	}
	return found;
}

bool inlay_paths_same_ip(const struct inlay_addr *a, const struct inlay_addr *b)
{
	return a->family == b->family && !memcmp(a->ip, b->ip, sizeof(a->ip));
}

bool inlay_paths_is_measured(const struct inlay_paths *p, const struct inlay_path_entry *e)
{
	return inlay_paths_same_ip(&p->measured.remote, &e->path.remote) &&
	       inlay_paths_same_ip(&p->measured.local, &e->path.local);
}

__u64 inlay_path_allowance(const struct inlay_path_entry *e)
{
	__u64 most = e->received * AMPLIFICATION;

	/* The limit protects the peer's address; where we move, that is the same. */
	if (e->validated || e->moving)
		return ~0ULL;
	return most > e->sent ? most - e->sent : 0;
}

__u64 inlay_path_datagram(const struct inlay_path_entry *e, __u64 mtu)
{
	__u64 allowed = inlay_path_allowance(e);

	/* Section 14.1: what was found out about another path does not hold here. */
	if (!e->fits && mtu > INLAY_PATH_MIN_SIZE)
		mtu = INLAY_PATH_MIN_SIZE;
	return allowed < mtu ? allowed : mtu;
}

void inlay_path_validate(struct inlay_path_entry *e, inlay_ns interval, inlay_ns patience,
			 inlay_ns now)
{
	e->due = 1;
	e->rounds = 0;
	e->silent = false;
	e->heard = false;
	e->interval = interval;
	e->challenge_at = INLAY_NEVER;
	e->give_up_at = now + patience;
}

void inlay_path_stop_validating(struct inlay_path_entry *e)
{
	e->due = 0;
	e->challenge_at = INLAY_NEVER;
	e->give_up_at = INLAY_NEVER;
}

void inlay_path_on_challenge_sent(struct inlay_path_entry *e, const __u8 data[8], bool full,
				  inlay_ns now)
{
	struct inlay_path_challenge *k;

	if (e->n_challenges == INLAY_PATH_CHALLENGES)
		memmove(e->challenges, e->challenges + 1, sizeof(*k) * --e->n_challenges);
	k = &e->challenges[e->n_challenges++];
	memcpy(k->data, data, sizeof(k->data));
	k->full = full;
	if (e->due > 0 && --e->due > 0)
		return;
	/* Section 9.4: no more aggressive than the probe timeout. */
	e->challenge_at = now + (e->interval << e->rounds);
	if (e->rounds < MAX_BACKOFF)
		e->rounds++;
}

enum inlay_path_proof inlay_path_on_response(const struct inlay_path_entry *e, const __u8 data[8])
{
	__u32 i;

	for (i = 0; i < e->n_challenges; i++)
		if (!memcmp(e->challenges[i].data, data, sizeof(e->challenges[i].data)))
			return e->challenges[i].full ? INLAY_PATH_PROOF_OF_SIZE
						     : INLAY_PATH_PROOF_OF_ADDRESS;
	return INLAY_PATH_NO_PROOF;
}

void inlay_path_owe(struct inlay_path_entry *e, const struct inlay_addr *local, const __u8 data[8])
{
	/* Where the peer is not known to be, one answer to one packet; and a flood gets the newest
	 * ones: memory is bounded. */
	__u32 most = e->validated ? INLAY_PATH_ANSWERS : 1;
	struct inlay_path_answer *a;

	while (e->n_answers >= most)
		memmove(e->answers, e->answers + 1, sizeof(*a) * --e->n_answers);
	a = &e->answers[e->n_answers++];
	memcpy(a->data, data, sizeof(a->data));
	a->local = *local;
}

bool inlay_path_on_timer(struct inlay_path_entry *e, inlay_ns now)
{
	if (now >= e->challenge_at) {
		e->challenge_at = INLAY_NEVER;
		e->due = AGAIN;
	}
	return now >= e->give_up_at;
}

static inlay_ns earlier(inlay_ns a, inlay_ns b)
{
	return a < b ? a : b;
}

inlay_ns inlay_path_deadline(const struct inlay_path_entry *e)
{
	if (!e->used)
		return INLAY_NEVER;
	return earlier(earlier(e->challenge_at, e->give_up_at), e->forget_at);
}

inlay_ns inlay_paths_deadline(const struct inlay_paths *p)
{
	inlay_ns at = INLAY_NEVER;
	__u32 i;

	for (i = 0; i < INLAY_PATHS; i++)
		at = earlier(at, inlay_path_deadline(&p->entries[i]));
	return at;
}
