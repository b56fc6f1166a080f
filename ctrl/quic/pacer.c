/* SPDX-License-Identifier: BSD-2-Clause */
#include "pacer.h"

#define MAX_GAP	       (1 * INLAY_S) /* no bucket takes longer to fill, at a rate worth the name */
#define MIN_PKTS_PER_S 16	     /* slower than that is left to the window */
#define MAX_RATE       (1ULL << 40)

static __u64 max_u64(__u64 a, __u64 b)
{
	return a > b ? a : b;
}

static void set_rate(struct inlay_pacer *p, __u64 rate, __u64 mtu)
{
	rate = max_u64(rate, MIN_PKTS_PER_S * mtu);
	p->rate = rate < MAX_RATE ? rate : MAX_RATE;
	p->burst = p->patient ? p->rate / (INLAY_S / INLAY_PACER_BURST)
			      : p->rate / (INLAY_S / INLAY_PACER_BURST_LONG);
	p->burst = max_u64(p->burst, INLAY_PACER_BURST_PKTS * mtu);
	p->quantum = max_u64(p->rate / (INLAY_S / INLAY_PACER_STEP), mtu);
}

void inlay_pacer_init(struct inlay_pacer *p, __u64 sent, __u64 mtu)
{
	*p = (struct inlay_pacer){.patient = true};
	set_rate(p, 0, mtu);
	p->limit = sent + p->burst;
}

void inlay_pacer_refill(struct inlay_pacer *p, __u64 sent, __u64 rate, __u64 mtu, inlay_ns now)
{
	inlay_ns gap = now > p->last ? now - p->last : 0;

	if (gap > MAX_GAP)
		gap = MAX_GAP;
	gap -= gap % INLAY_US;
	p->limit += gap / INLAY_US * p->rate / (INLAY_S / INLAY_US);
	/* Fractions of a microsecond count next time. */
	if (now > p->last)
		p->last = now - (now - p->last) % INLAY_US;
	set_rate(p, rate, mtu);
	if (p->limit > sent + p->burst)
		p->limit = sent + p->burst;
	/* Probes are charged, never blocked; nor are they a debt for ever. */
	if (p->limit + p->burst < sent)
		p->limit = sent - p->burst;
	p->blocked = false;
}

static inlay_ns earned_at(const struct inlay_pacer *p, __u64 sent, __u64 room)
{
	__u64 missing = sent + room - p->limit;
	inlay_ns wait = (missing * (INLAY_S / INLAY_US) / p->rate + 1) * INLAY_US;

	return p->last + (wait > INLAY_PACER_STEP ? wait : INLAY_PACER_STEP);
}

inlay_ns inlay_pacer_deadline(const struct inlay_pacer *p, __u64 sent)
{
	if (!p->blocked)
		return INLAY_NEVER;
	if (p->limit >= sent + p->quantum)
		return p->last + INLAY_PACER_STEP;
	return earned_at(p, sent, p->quantum);
}

inlay_ns inlay_pacer_refill_at(const struct inlay_pacer *p, __u64 sent)
{
	__u64 room = p->limit > sent ? p->limit - sent : 0;
	inlay_ns wait = room * (INLAY_S / INLAY_US) / p->rate / 2 * INLAY_US;

	return p->last + (wait > INLAY_PACER_STEP ? wait : INLAY_PACER_STEP);
}
