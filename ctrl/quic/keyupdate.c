/* SPDX-License-Identifier: BSD-2-Clause */
#include "keyupdate.h"

#define KEEP_PTOS 3 /* RFC 9001 section 6.5 */
/* In which a peer that has anything to say has said it. Updates are hours apart, so that it costs
 * nothing; what it may save is the connection. */
#define SILENCE (10 * INLAY_S)

void inlay_keyupdate_init(struct inlay_keyupdate *k, __u64 next_pn)
{
	*k = (struct inlay_keyupdate){
		.tx_first = next_pn,
		.rx_first = ~0ULL,
		.rx_asked = ~0ULL,
		.drop_at = INLAY_NEVER,
	};
}

static enum inlay_keyupdate_step on_next_phase(struct inlay_keyupdate *k, __u64 pn, inlay_ns pto,
					       inlay_ns now)
{
	bool answer = k->tx_phase > k->rx_phase;

	/* Section 6.4: a lower number must not have newer keys than a higher one. */
	if (k->rx_first != ~0ULL && pn < k->rx_largest)
		return INLAY_KEYS_VIOLATED;
	/* Section 6.2: twice without waiting for us to acknowledge the first. Following an update
	 * of ours, as it must, is none of its own. */
	if (k->rx_phase > 0 && !k->rx_acked && !answer)
		return INLAY_KEYS_VIOLATED;
	k->rx_phase++;
	if (k->rx_first != ~0ULL)
		k->rx_before = k->rx_largest + 1;
	k->rx_first = pn;
	k->rx_largest = pn;
	k->rx_acked = answer;
	k->rx_asked = ~0ULL;
	k->rx_told = false;
	k->updated = now;
	k->drop_at = now + KEEP_PTOS * pto;
	/* Our own update is confirmed by it, if there is one; or else we follow. */
	return k->tx_phase == k->rx_phase ? INLAY_KEYS_RX : INLAY_KEYS_RX_TX;
}

/* Of the phase before the peer's. */
static enum inlay_keyupdate_step on_old_phase(struct inlay_keyupdate *k, __u64 pn)
{
	if (k->rx_phase == 0)
		return INLAY_KEYS_STAY;
	if (k->rx_first != ~0ULL && pn > k->rx_first)
		return INLAY_KEYS_VIOLATED;
	if (pn >= k->rx_before)
		k->rx_before = pn + 1;
	return INLAY_KEYS_STAY;
}

enum inlay_keyupdate_step inlay_keyupdate_on_packet(struct inlay_keyupdate *k, __u64 pn,
						    bool phase_bit, __u8 desc_flags, inlay_ns pto,
						    inlay_ns now)
{
	bool is_ours = phase_bit == (k->rx_phase & 1);

	/* Opened two phases ago, it has the bit of this one: its flag tells. */
	if (desc_flags & INLAY_DESC_OLD_PHASE ||
	    (!is_ours && !(desc_flags & INLAY_DESC_NEXT_PHASE)))
		return on_old_phase(k, pn);
	if (!is_ours)
		return on_next_phase(k, pn, pto, now);
	/* Section 6.4, the other way round: late, and older keys had a higher number. */
	if (pn < k->rx_before)
		return INLAY_KEYS_VIOLATED;
	if (pn < k->rx_first)
		k->rx_first = pn;
	if (pn > k->rx_largest)
		k->rx_largest = pn;
	return INLAY_KEYS_STAY;
}

void inlay_keyupdate_on_eliciting(struct inlay_keyupdate *k, __u64 pn)
{
	if (k->rx_phase > 0 && k->rx_asked == ~0ULL && pn >= k->rx_first)
		k->rx_asked = pn;
}

void inlay_keyupdate_on_told(struct inlay_keyupdate *k, __u64 largest)
{
	if (k->rx_asked != ~0ULL && largest >= k->rx_asked)
		k->rx_told = true;
}

bool inlay_keyupdate_may_start(const struct inlay_keyupdate *k, inlay_ns pto, inlay_ns now)
{
	/* A peer may hold its own part for unconfirmed, and have no next keys, until it has heard
	 * of a packet of this phase that it sent: it could read nothing from us any more. One that
	 * never asks to be told has to do with time. */
	if (k->rx_phase > 0 && !k->rx_told && now < k->updated + SILENCE)
		return false;
	return k->tx_phase == k->rx_phase && k->tx_acked &&
	       (k->updated == 0 || now >= k->updated + KEEP_PTOS * pto);
}

void inlay_keyupdate_on_tx(struct inlay_keyupdate *k, __u64 first_pn, inlay_ns now)
{
	k->tx_phase++;
	k->tx_first = first_pn;
	k->tx_acked = false;
	k->tx_confirmed = false;
	k->updated = now;
}

void inlay_keyupdate_on_ack(struct inlay_keyupdate *k, inlay_ns now)
{
	if (!k->tx_acked || k->tx_confirmed)
		return;
	k->tx_confirmed = true;
	/* Section 6.5: the peer keeps the keys before for three PTOs from when it saw the new ones,
	 * which is now at the latest. */
	if (k->tx_phase > 0)
		k->updated = now;
}
