/* SPDX-License-Identifier: BSD-2-Clause */
/* Round-trip time of a path: RFC 9002 section 5. */
#ifndef INLAY_QUIC_RTT_H
#define INLAY_QUIC_RTT_H

#include "inlay_types.h"

#define INLAY_RTT_INITIAL (333 * INLAY_MS) /* RFC 9002 section 6.2.2 */
#define INLAY_GRANULARITY (1 * INLAY_MS)   /* section 6.1.2 */

struct inlay_rtt {
	inlay_ns latest, min, smoothed, var;
	inlay_ns first_sample;	/* when; 0: none yet */
	inlay_ns max_ack_delay; /* the peer's */
};

/* From the handshake's estimate; |smoothed| 0: it had none. */
void inlay_rtt_init(struct inlay_rtt *r, inlay_ns latest, inlay_ns min, inlay_ns smoothed,
		    inlay_ns var, inlay_ns max_ack_delay);
void inlay_rtt_sample(struct inlay_rtt *r, inlay_ns sample, inlay_ns ack_delay, inlay_ns now);
/* Without backoff; |max_ack_delay| included (section 6.2.1). */
inlay_ns inlay_rtt_pto(const struct inlay_rtt *r);
/* How long a packet may be behind one that was acknowledged (section 6.1.2). */
inlay_ns inlay_rtt_loss_delay(const struct inlay_rtt *r);

#endif
