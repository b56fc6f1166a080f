/* SPDX-License-Identifier: BSD-2-Clause */
#include "keyupdate.h"

#define KEEP_PTOS 3 /* RFC 9001 section 6.5 */

void inlay_keyupdate_init(struct inlay_keyupdate *k, __u64 next_pn)
{
	*k = (struct inlay_keyupdate){
		.tx_first = next_pn,
		.rx_first = ~0ULL,
		.drop_at = INLAY_NEVER,
	};
}

static enum inlay_keyupdate_step on_next_phase(struct inlay_keyupdate *k, __u64 pn, inlay_ns pto,
					       inlay_ns now)
{
	/* Section 6.4: a lower number must not have newer keys than a higher one. */
	if (k->rx_first != ~0ULL && pn < k->rx_largest)
		return INLAY_KEYS_VIOLATED;
	k->rx_phase++;
	k->rx_first = pn;
	k->rx_largest = pn;
	k->updated = now;
	k->drop_at = now + KEEP_PTOS * pto;
	/* Our own update is confirmed by it, if there is one; or else we follow. */
	return k->tx_phase == k->rx_phase ? INLAY_KEYS_RX : INLAY_KEYS_RX_TX;
}

enum inlay_keyupdate_step inlay_keyupdate_on_packet(struct inlay_keyupdate *k, __u64 pn,
						    bool phase_bit, __u8 desc_flags, inlay_ns pto,
						    inlay_ns now)
{
	bool is_ours = phase_bit == (k->rx_phase & 1);

	/* Opened two phases ago, it has the bit of this one: its flag tells. */
	if (desc_flags & INLAY_DESC_OLD_PHASE ||
	    (!is_ours && !(desc_flags & INLAY_DESC_NEXT_PHASE)))
		return k->rx_first != ~0ULL && k->rx_phase > 0 && pn > k->rx_first
			       ? INLAY_KEYS_VIOLATED
			       : INLAY_KEYS_STAY;
	if (!is_ours)
		return on_next_phase(k, pn, pto, now);
	if (pn < k->rx_first)
		k->rx_first = pn;
	if (pn > k->rx_largest)
		k->rx_largest = pn;
	return INLAY_KEYS_STAY;
}

bool inlay_keyupdate_may_start(const struct inlay_keyupdate *k, inlay_ns pto, inlay_ns now)
{
	return k->tx_phase == k->rx_phase && k->tx_acked &&
	       (k->updated == 0 || now >= k->updated + KEEP_PTOS * pto);
}

void inlay_keyupdate_on_tx(struct inlay_keyupdate *k, __u64 first_pn, inlay_ns now)
{
	k->tx_phase++;
	k->tx_first = first_pn;
	k->tx_acked = false;
	k->updated = now;
}

void inlay_keyupdate_on_acked(struct inlay_keyupdate *k, __u64 pn)
{
	if (pn >= k->tx_first)
		k->tx_acked = true;
}
