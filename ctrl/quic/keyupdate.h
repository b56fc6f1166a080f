/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Key update (RFC 9001 section 6), as far as a connection without keys sees it: which phase each
 * direction is in, and when to tell the provider to move on. The phase is a function of the packet
 * number, both ways.
 *
 * The provider's flags are relative to the phase that we had confirmed when the packet was opened:
 * packets opened before a confirmation and read after it, however late, are flagged as if it had
 * not been. The phase bit in the plain header tells: with that of our phase, NEXT_PHASE is no news;
 * without it, a packet with no flag is of the phase before. Packets are read in the order they were
 * opened, so that no flag is older than the confirmation before the last.
 */
#ifndef INLAY_QUIC_KEYUPDATE_H
#define INLAY_QUIC_KEYUPDATE_H

#include "inlay_quic.h"

struct inlay_keyupdate {
	__u64 tx_phase, rx_phase; /* counted from the handshake */
	__u64 tx_first;		  /* first number of our phase */
	bool tx_acked;		  /* one of them, or a later one, was acknowledged */
	bool tx_confirmed;	  /* and |updated| is of no earlier time */
	__u64 rx_first;		  /* lowest number seen in the peer's phase */
	__u64 rx_largest;	  /* and the largest */
	__u64 rx_before;	  /* one above the largest seen in phases before; 0: none was */
	__u64 rx_asked; /* a number of the peer's phase that wants to be acknowledged; ~0: none */
	bool rx_told;	/* and the peer knows that it was */
	bool rx_acked; /* we have acknowledged something of the peer's phase, or it was an answer */
	inlay_ns updated; /* when either of them rose, or ours was confirmed; 0: never */
	inlay_ns drop_at; /* forget the phase before; INLAY_NEVER */
};

enum inlay_keyupdate_step {
	INLAY_KEYS_STAY,
	INLAY_KEYS_RX,	     /* the peer answers our update: confirm the receive keys */
	INLAY_KEYS_RX_TX,    /* the peer updates: confirm, and move our own */
	INLAY_KEYS_VIOLATED, /* KEY_UPDATE_ERROR */
};

void inlay_keyupdate_init(struct inlay_keyupdate *k, __u64 next_pn);
/* A packet arrived. On RX and RX_TX the receiving phase has moved on. |pto|: without backoff. */
enum inlay_keyupdate_step inlay_keyupdate_on_packet(struct inlay_keyupdate *k, __u64 pn,
						    bool phase_bit, __u8 desc_flags, inlay_ns pto,
						    inlay_ns now);
/* |pn| is ack-eliciting; and an ACK of ours up to |largest| has arrived. */
void inlay_keyupdate_on_eliciting(struct inlay_keyupdate *k, __u64 pn);
void inlay_keyupdate_on_told(struct inlay_keyupdate *k, __u64 largest);
/* Section 6.1: the last update is acknowledged, confirmed, and three PTOs old. */
bool inlay_keyupdate_may_start(const struct inlay_keyupdate *k, inlay_ns pto, inlay_ns now);
/* Our keys moved on: numbers from |first_pn| use them. */
void inlay_keyupdate_on_tx(struct inlay_keyupdate *k, __u64 first_pn, inlay_ns now);
static inline void inlay_keyupdate_on_acked(struct inlay_keyupdate *k, __u64 pn)
{
	if (pn >= k->tx_first)
		k->tx_acked = true;
}

/* All that an ACK acknowledges has been named. */
void inlay_keyupdate_on_ack(struct inlay_keyupdate *k, inlay_ns now);
/* An ACK was sent whose largest number was |largest|. */
static inline void inlay_keyupdate_on_ack_sent(struct inlay_keyupdate *k, __u64 largest)
{
	if (largest >= k->rx_first)
		k->rx_acked = true;
}

#endif
