/* SPDX-License-Identifier: BSD-2-Clause */
#include "path.h"

#include <string.h>

#define AMPLIFICATION 3 /* RFC 9000 section 8 */
#define GIVE_UP_PTOS  3 /* section 8.2.4 */

void inlay_paths_init(struct inlay_paths *p, const struct inlay_path *path)
{
	memset(p, 0, sizeof(*p));
	p->current = *path;
	p->validated = true;
	p->challenge_at = INLAY_NEVER;
	p->give_up_at = INLAY_NEVER;
}

void inlay_paths_move(struct inlay_paths *p, const struct inlay_path *path, const __u8 random[8],
		      __u64 received, inlay_ns pto, inlay_ns now)
{
	if (p->validated)
		p->fallback = p->current;
	p->current = *path;
	p->received = received;
	p->sent = 0;
	/* Back where we know the peer to be: nothing to prove. */
	p->validated = !memcmp(&p->fallback, path, sizeof(*path));
	p->challenge_due = !p->validated;
	p->challenge_at = INLAY_NEVER;
	p->give_up_at = p->validated ? INLAY_NEVER : now + GIVE_UP_PTOS * pto;
	memcpy(p->challenge, random, 8);
}

bool inlay_paths_on_response(struct inlay_paths *p, const __u8 data[8])
{
	if (p->validated || memcmp(p->challenge, data, 8))
		return false;
	p->validated = true;
	p->challenge_due = false;
	p->challenge_at = INLAY_NEVER;
	p->give_up_at = INLAY_NEVER;
	return true;
}

static void drop_response(struct inlay_paths *p, __u32 i)
{
	p->n_responses--;
	memmove(p->responses + i, p->responses + i + 1,
		sizeof(*p->responses) * (p->n_responses - i));
}

void inlay_paths_on_challenge(struct inlay_paths *p, const struct inlay_path *path,
			      const __u8 data[8], __u64 received)
{
	bool here =
		p->validated && !memcmp(&path->remote, &p->current.remote, sizeof(path->remote));
	struct inlay_path_response *r;
	__u32 i;

	/* Where the peer is not known to be, one answer: the limit is a packet's, however many
	 * frames it has. */
	for (i = 0; i < p->n_responses && !here; i++)
		if (!memcmp(&path->remote, &p->responses[i].path.remote, sizeof(path->remote)))
			drop_response(p, i--);
	/* A flood gets the newest answers: memory is bounded. */
	if (p->n_responses == INLAY_PATH_RESPONSES)
		drop_response(p, 0);
	r = &p->responses[p->n_responses++];
	r->path = *path;
	r->limit = received * AMPLIFICATION;
	memcpy(r->data, data, 8);
}

__u64 inlay_paths_allowance(const struct inlay_paths *p)
{
	__u64 most = p->received * AMPLIFICATION;

	if (p->validated)
		return ~0ULL;
	return most > p->sent ? most - p->sent : 0;
}

void inlay_paths_on_challenge_sent(struct inlay_paths *p, inlay_ns pto, inlay_ns now)
{
	p->challenge_due = false;
	p->challenge_at = now + pto;
}

inlay_ns inlay_paths_deadline(const struct inlay_paths *p)
{
	return p->challenge_at < p->give_up_at ? p->challenge_at : p->give_up_at;
}

bool inlay_paths_on_timer(struct inlay_paths *p, inlay_ns now)
{
	if (now >= p->challenge_at) {
		p->challenge_at = INLAY_NEVER;
		p->challenge_due = true;
	}
	if (now < p->give_up_at)
		return false;
	p->current = p->fallback;
	p->validated = true;
	p->challenge_due = false;
	p->challenge_at = INLAY_NEVER;
	p->give_up_at = INLAY_NEVER;
	return true;
}
