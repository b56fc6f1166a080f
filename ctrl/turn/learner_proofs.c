/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proofs: what a client sent up on a channel leaves a socket of the server's for the channel's
 * peer. Only this direction proves anything: what comes from a peer can be spoofed.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "learner_impl.h"

static struct learner_sample sample_of(const struct inlay_turn_learner *l,
				       const struct inlay_turn_event *e)
{
	return (struct learner_sample){
		.time = e->time,
		.digest = inlay_learner_hash(l, e->data, e->len),
		.cookie = e->cookie,
		.src = e->src,
		.data_len = e->data_len,
	};
}

/* What is known of the data is its length and its beginning, the longer the surer. */
static bool is_whole(const struct inlay_turn_event *e)
{
	return e->len ==
	       (e->data_len < INLAY_TURN_SAMPLE_MAX ? e->data_len : INLAY_TURN_SAMPLE_MAX);
}

static struct learner_samples *samples_of(struct learner_channel *ch)
{
	if (ch->samples == NULL)
		ch->samples = calloc(1, sizeof(*ch->samples));
	return ch->samples;
}

/* True: it was proven, or put in doubt; |ch| may be gone. */
static bool is_settled(struct inlay_turn_learner *l, struct learner_channel *ch,
		       const struct learner_sample *up, const struct learner_sample *out,
		       inlay_ns now)
{
	struct learner_leg *leg = ch->permission->leg;
	struct inlay_addr seen = out->src;

	/* (What left before it came is far later, too.) */
	if (up->digest != out->digest || up->data_len != out->data_len ||
	    out->time - up->time > INLAY_TURN_PROOF_TIME)
		return false;
	/* It may have gone since: nobody would tell of its end again. */
	if (inlay_learner_is_buried(l, out->cookie, now))
		return false;
	/* Few bytes are equal by chance: then no address but the one that was told will do. */
	if (up->data_len < LEARNER_TELLING_LEN && memcmp(&seen, &leg->told, sizeof(seen)) != 0)
		return false;
	if (!inlay_learner_is_here(l, out->cookie, &seen, &ch->peer)) {
		leg->allocation->trouble = "a socket of another network namespace was seen "
					   "relaying for it";
		return false;
	}
	if (inlay_learner_leg_bind(l, leg, &seen, out->cookie))
		inlay_learner_channel_quicken(l, ch);
	return true;
}

static __u32 kept(__u32 n)
{
	return n < LEARNER_SAMPLES ? n : LEARNER_SAMPLES;
}

static void hold(struct learner_samples *s, const struct learner_sample *up)
{
	struct learner_sample *oldest = &s->held[s->n_held % LEARNER_SAMPLES];

	if (s->n_held >= LEARNER_SAMPLES && up->time - oldest->time <= INLAY_TURN_PROOF_TIME)
		return;
	*oldest = *up;
	s->n_held++;
}

/* The channel that waits for this; NULL: none does. */
static struct learner_channel *waiting(const struct inlay_turn_learner *l,
				       const struct inlay_turn_event *e, inlay_ns now)
{
	struct learner_channel *ch = inlay_learner_channel_by_ref(l, e->flow);
	const struct learner_permission *p;

	if (ch == NULL || !is_whole(e))
		return NULL;
	p = ch->permission;
	return ch->until > now && p->until > now && p->leg->until > now ? ch : NULL;
}

void inlay_learner_channel_data(struct inlay_turn_learner *l, const struct inlay_turn_event *e,
				inlay_ns now)
{
	struct learner_channel *ch = waiting(l, e, now);
	const struct learner_tuple *tuple;
	struct learner_samples *s;
	struct learner_sample up;

	if (ch == NULL)
		return;
	tuple = &ch->permission->leg->allocation->tuple;
	if (e->channel != htons(ch->number) ||
	    memcmp(&e->src, &tuple->client, sizeof(e->src)) != 0 ||
	    memcmp(&e->dst, &tuple->server, sizeof(e->dst)) != 0)
		return;
	s = samples_of(ch);
	if (s == NULL)
		return;
	up = sample_of(l, e);
	s->up[s->n_up++ % LEARNER_SAMPLES] = up;
	hold(s, &up);
	for (__u32 i = 0; i < kept(s->n_out); i++)
		if (is_settled(l, ch, &up, &s->out[i], now))
			return;
}

void inlay_learner_relayed(struct inlay_turn_learner *l, const struct inlay_turn_event *e,
			   inlay_ns now)
{
	struct learner_channel *ch = waiting(l, e, now);
	struct learner_samples *s;
	struct learner_sample out;

	if (ch == NULL || e->cookie == 0 || e->src.port != ch->permission->leg->told.port ||
	    memcmp(&e->dst, &ch->peer, sizeof(e->dst)) != 0 ||
	    inlay_learner_is_buried(l, e->cookie, now))
		return;
	s = samples_of(ch);
	if (s == NULL)
		return;
	out = sample_of(l, e);
	s->out[s->n_out++ % LEARNER_SAMPLES] = out;
	for (__u32 i = 0; i < kept(s->n_up); i++)
		if (is_settled(l, ch, &s->up[i], &out, now))
			return;
	for (__u32 i = 0; i < kept(s->n_held); i++)
		if (is_settled(l, ch, &s->held[i], &out, now))
			return;
}
