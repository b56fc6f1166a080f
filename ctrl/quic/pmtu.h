/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Path MTU discovery (RFC 8899, RFC 9000 section 14.3): which size to probe next, what the path is
 * known to carry, and when it carries that no more. All sizes are bytes of UDP payload.
 *
 * No timers run: a probe follows data that was acknowledged since the last one. So a connection
 * that is silent sends none, and a probe is never the last thing on a path where nothing else
 * would tell that it was lost. How many there are is bounded: INLAY_PMTU_TRIES for each size, and
 * few sizes; then ten minutes of rest.
 */
#ifndef INLAY_QUIC_PMTU_H
#define INLAY_QUIC_PMTU_H

#include "inlay_types.h"

#define INLAY_PMTU_BASE	 1200 /* RFC 9000 section 14.1: every path carries it */
#define INLAY_PMTU_TRIES 3    /* MAX_PROBES of RFC 8899 section 5.1.2 */
#define INLAY_PMTU_RAISE (600 * INLAY_S)
#define INLAY_PMTU_GRAIN 16 /* bytes: what is nearer to the limit is not searched for */

/* The path is taken to have shrunk once this many packets larger than BASE are lost, over a PTO at
 * least, while only smaller ones arrive; or after this many PTOs in a row. */
#define INLAY_PMTU_SUSPECTS 6
#define INLAY_PMTU_PTOS	    3

struct inlay_pmtu {
	__u32 mtu;	/* the path carries it */
	__u32 max;	/* nothing larger is tried */
	__u32 ceiling;	/* the least that did not arrive; max + 1: none yet */
	__u32 probe;	/* size to try next, or being tried; 0: the search is over */
	__u32 tries;	/* lost ones of that size */
	__u64 first_pn; /* lower numbers were sent on another path, or when this one was larger */
	__u64 probe_pn; /* under way; ~0: none */
	bool traffic;	/* data was acknowledged since the last probe */
	inlay_ns raise_at; /* look again then; INLAY_NEVER: to be set */

	/* Packets larger than BASE that were lost since the last one arrived. */
	__u32 suspects;
	__u32 suspect_size; /* of the largest */
	__u64 suspect_pn;   /* of the first */
	__u32 suspect_us;   /* when it was sent, as in the log */
	bool smaller_passed;

	__u64 probes_sent, probes_lost, black_holes;
};

/* |max| below what can be probed: none is. |mtu|: known already. */
void inlay_pmtu_init(struct inlay_pmtu *p, __u32 mtu, __u32 max, __u64 next_pn);
/* On another path. */
void inlay_pmtu_restart(struct inlay_pmtu *p, __u64 next_pn);

/* Size of the probe to send now; 0: none. |room|: larger datagrams cannot be sent at all. */
__u32 inlay_pmtu_next(struct inlay_pmtu *p, size_t room, inlay_ns now);
void inlay_pmtu_on_probe_sent(struct inlay_pmtu *p, __u64 pn);
/* A packet with data was acknowledged. */
static inline void inlay_pmtu_on_traffic(struct inlay_pmtu *p)
{
	p->traffic = true;
}

/* Packets were lost by their size, perhaps: it matters which ones arrive. */
static inline bool inlay_pmtu_is_in_doubt(const struct inlay_pmtu *p)
{
	return p->suspects > 0;
}

/* A packet of |size|, sent at |time_us|, was acknowledged, lost. True: |mtu| has changed. */
bool inlay_pmtu_on_acked(struct inlay_pmtu *p, __u64 pn, __u32 size, bool is_probe);
bool inlay_pmtu_on_lost(struct inlay_pmtu *p, __u64 pn, __u32 size, bool is_probe, __u32 time_us,
			inlay_ns pto, __u64 next_pn);
/* One PTO after the other; |n| of them. True: |mtu| has changed. */
bool inlay_pmtu_on_ptos(struct inlay_pmtu *p, __u32 n, __u64 next_pn);

#endif
