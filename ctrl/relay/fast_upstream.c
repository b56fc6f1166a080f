/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Connections that media comes in on. What began to arrive before the forwarder looked is marked as
 * seen: a repetition of its first bytes must not pass for a new stream's, nor one of a datagram's
 * packet for a new packet.
 */
#include <errno.h>
#include <stdlib.h>

#include "relay_impl.h"

/* Packets that were forwarded may still be on their way up when the last track is given back: only
 * the journal says which of their datagrams subscribers have had. */
#define LINGER (1 * INLAY_S)

struct inlay_upstream *relay_fast_upstream_entry(const struct relay_fast *f,
						 const struct relay_fast_upstream *fu)
{
	return &f->tables->upstreams[fu->index];
}

static void set_up(struct relay_fast *f, struct relay_fast_upstream *fu,
		   const struct inlay_moq_session *moq)
{
	struct inlay_upstream *up = relay_fast_upstream_entry(f, fu);
	__u64 end = inlay_moq_session_peer_streams(moq), n;
	struct inlay_moq_packet packet;

	up->initiator = !inlay_moq_session_is_server(moq);
	up->draft = inlay_moq_session_draft(moq);
	inlay_moq_session_packet(moq, &packet);
	/* What came until now was ours, and stands in no journal: a repetition of it must not pass
	 * for new either. */
	up->journal_mark = packet.largest + 1;
	for (n = end > INLAY_SEEN ? end - INLAY_SEEN : 0; n < end; n++)
		up->seen[n & (INLAY_SEEN - 1)] = INLAY_SEEN_WORD(n, INLAY_SEEN_CONVENTIONAL);
	inlay_xchg_u32(&up->state, INLAY_UPSTREAM_ON);
}

struct relay_fast_upstream *relay_fast_upstream_get(struct inlay_relay_session *rs,
						    enum inlay_reason *ret_why)
{
	struct relay_fast *f = &rs->relay->fast;
	struct relay_fast_upstream *fu;
	struct inlay_moq_shared shared;

	*ret_why = INLAY_REASON_NOT_UPSTREAM;
	if (rs->fast != NULL)
		return rs->fast;
	if (inlay_moq_session_shared(rs->moq, &shared) < 0)
		return NULL;
	*ret_why = INLAY_REASON_NO_POSITION;
	fu = calloc(1, sizeof(*fu));
	if (fu == NULL)
		return NULL;
	if (inlay_state_upstream_get(f->state, &fu->index) < 0) {
		free(fu);
		return NULL;
	}
	fu->session = rs;
	fu->id = ++f->last_upstream;
	fu->sa = shared.rx_sa;
	fu->sa_generation = shared.rx_sa_generation;
	inlay_list_init(&fu->wait.node);
	set_up(f, fu, rs->moq);
	if (inlay_state_route(f->state, fu->sa, fu->sa_generation, fu->index) < 0) {
		inlay_state_upstream_put(f->state, fu->index);
		free(fu);
		return NULL;
	}
	inlay_list_append(&f->upstreams, &fu->node);
	rs->fast = fu;
	return fu;
}

static void put(struct inlay_relay *r, struct relay_wait *w)
{
	struct relay_fast_upstream *fu = inlay_list_entry(w, struct relay_fast_upstream, wait);

	inlay_list_remove(&fu->node);
	inlay_state_upstream_put(r->fast.state, fu->index);
	free(fu);
}

static void close_upstream(struct inlay_relay *r, struct relay_fast_upstream *fu)
{
	fu->closing = true;
	if (fu->session != NULL)
		fu->session->fast = NULL;
	inlay_xchg_u32(&relay_fast_upstream_entry(&r->fast, fu)->state, INLAY_UPSTREAM_OFF);
	inlay_state_unroute(r->fast.state, fu->sa, fu->sa_generation);
	relay_wait_for_quiet(r, &fu->wait, put);
}

static void close_if_unused(struct inlay_relay *r, struct relay_fast_upstream *fu)
{
	if (fu->n_tracks > 0 || fu->closing)
		return;
	if (fu->session == NULL || fu->idle_since + LINGER <= r->now)
		close_upstream(r, fu);
	else
		relay_fast_wake(r, fu->idle_since + LINGER);
}

void relay_fast_upstream_put(struct inlay_relay *r, struct relay_fast_upstream *fu)
{
	fu->n_tracks--;
	fu->idle_since = r->now;
	close_if_unused(r, fu);
}

void relay_fast_upstreams_check(struct inlay_relay *r)
{
	struct inlay_list *node, *after;

	inlay_list_for_each_safe (node, after, &r->fast.upstreams)
		close_if_unused(r, inlay_list_entry(node, struct relay_fast_upstream, node));
}

void relay_fast_session_gone(struct inlay_relay_session *rs)
{
	struct relay_fast_upstream *fu = rs->fast;

	while (!inlay_list_is_empty(&rs->positions)) {
		struct relay_position *p =
			inlay_list_entry(rs->positions.next, struct relay_position, of_session);

		inlay_list_remove(&p->of_session);
		p->session = NULL;
	}
	if (fu == NULL)
		return;
	rs->fast = NULL;
	fu->session = NULL;
	/* The number of its SA may be another's soon. */
	inlay_xchg_u32(&relay_fast_upstream_entry(&rs->relay->fast, fu)->state, INLAY_UPSTREAM_OFF);
	inlay_state_unroute(rs->relay->fast.state, fu->sa, fu->sa_generation);
	close_if_unused(rs->relay, fu);
}

void relay_fast_heard(struct inlay_relay_session *rs)
{
	const struct relay_fast_upstream *fu = rs->fast;
	struct inlay_moq_packet packet;
	struct inlay_upstream *up;
	__u64 half;

	if (fu == NULL)
		return;
	inlay_moq_session_packet(rs->moq, &packet);
	half = rs->relay->fast.tables->journal_size / 2;
	up = relay_fast_upstream_entry(&rs->relay->fast, fu);
	if (packet.largest > half && packet.largest - half > up->journal_mark)
		inlay_store_u64(&up->journal_mark, packet.largest - half);
}

/* --- datagrams ------------------------------------------------------------------------------- */

void relay_fast_datagram(struct relay_upstream *up, struct relay_datagram_fate *ret)
{
	const struct relay_fast_upstream *fu = up->session->fast;
	const struct relay_fast *f = &up->track->relay->fast;
	struct inlay_moq_packet packet;
	struct inlay_journal *j;
	__u64 word;

	*ret = (struct relay_datagram_fate){0};
	if (fu == NULL)
		return;
	ret->upstream = fu->id;
	inlay_moq_session_packet(up->session->moq, &packet);
	/* One that waited here came when nothing of its track was forwarded. */
	if (packet.number == ~0ULL)
		return;
	j = &f->tables->journals[(size_t)fu->index * f->tables->journal_size +
				 (packet.number & (f->tables->journal_size - 1))];
	do {
		word = inlay_load_u64(&j->word);
		if (INLAY_JOURNAL_STATE(word) != INLAY_JOURNAL_NONE &&
		    INLAY_JOURNAL_PN(word) >= packet.number)
			break;
	} while (!inlay_cas_u64(&j->word, word,
				INLAY_JOURNAL_WORD(packet.number, INLAY_JOURNAL_CONTROL)));
	word = inlay_load_u64(&j->word);
	if (INLAY_JOURNAL_PN(word) == packet.number &&
	    INLAY_JOURNAL_STATE(word) == INLAY_JOURNAL_CONTROL)
		return;
	/* Below the mark a forwarder may give the entry to a newer packet while it is read here. */
	if (INLAY_JOURNAL_PN(word) != packet.number ||
	    INLAY_JOURNAL_STATE(word) != INLAY_JOURNAL_DONE ||
	    packet.number < relay_fast_upstream_entry(f, fu)->journal_mark) {
		/* What became of it is not known any more: a repetition, when the first did not
		 * come up. Rather not at all than twice. */
		ret->forwarded = true;
		ret->serial = (__u32)inlay_load_u64(&relay_fast_upstream_entry(f, fu)->serial);
		return;
	}
	ret->serial = j->serial;
	ret->forwarded = packet.media < j->n && packet.media < INLAY_JOURNAL_FRAMES &&
			 j->verdicts[packet.media] != INLAY_MEDIA_DECLINED;
}
