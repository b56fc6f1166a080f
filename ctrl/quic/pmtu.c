/* SPDX-License-Identifier: BSD-2-Clause */
#include "pmtu.h"

#define NO_PN (~0ULL)

/*
 * Sizes that paths are likely to end at. 1232: IPv6's least MTU. 1280: tunnels within that. 1372,
 * 1400, 1420: what IPsec, GRE and WireGuard leave. 1444, 1452, 1464, 1472: Ethernet with PPPoE or
 * without it, IPv6 and IPv4. What lies above is for links with larger frames.
 */
static const __u32 candidates[] = {1232, 1280, 1372, 1400, 1420, 1444, 1452,
				   1464, 1472, 1950, 4052, 8152, 8952, 8972};

/* The middle one of those between what arrives and what does not; 0: none is. */
static __u32 middle_candidate(const struct inlay_pmtu *p)
{
	unsigned int begin = 0, end = sizeof(candidates) / sizeof(candidates[0]);

	while (begin < end && candidates[begin] <= p->mtu)
		begin++;
	while (begin < end && candidates[end - 1] >= p->ceiling)
		end--;
	return begin < end ? candidates[begin + (end - begin) / 2] : 0;
}

/* Sets |probe|, or ends the search. First one small step, then all at once: mostly that is it. */
static void choose(struct inlay_pmtu *p)
{
	p->tries = 0;
	p->probe = 0;
	if (p->mtu >= p->max)
		return;
	if (p->ceiling > p->max)
		p->probe =
			p->mtu < candidates[0] && candidates[0] < p->max ? candidates[0] : p->max;
	else if (p->ceiling - p->mtu > INLAY_PMTU_GRAIN)
		p->probe = middle_candidate(p);
	if (p->probe == 0 && p->ceiling - p->mtu > INLAY_PMTU_GRAIN)
		p->probe = p->mtu + (p->ceiling - p->mtu) / 2;
}

static void forget_suspects(struct inlay_pmtu *p)
{
	p->suspects = 0;
	p->suspect_size = 0;
	p->smaller_passed = false;
}

static void search(struct inlay_pmtu *p)
{
	p->ceiling = p->max + 1;
	p->probe_pn = NO_PN;
	p->raise_at = INLAY_NEVER;
	choose(p);
}

void inlay_pmtu_init(struct inlay_pmtu *p, __u32 mtu, __u32 max, __u64 next_pn)
{
	*p = (struct inlay_pmtu){.mtu = mtu, .max = max, .first_pn = next_pn};
	search(p);
}

void inlay_pmtu_restart(struct inlay_pmtu *p, __u64 next_pn)
{
	if (p->mtu > INLAY_PMTU_BASE)
		p->mtu = INLAY_PMTU_BASE;
	p->first_pn = next_pn;
	p->traffic = false;
	forget_suspects(p);
	search(p);
}

static bool fall_back(struct inlay_pmtu *p, __u64 next_pn)
{
	p->black_holes++;
	inlay_pmtu_restart(p, next_pn);
	return true;
}

__u32 inlay_pmtu_next(struct inlay_pmtu *p, size_t room, inlay_ns now)
{
	if (p->probe_pn != NO_PN || !p->traffic || p->mtu >= p->max)
		return 0;
	if (p->probe == 0) {
		if (p->raise_at == INLAY_NEVER)
			p->raise_at = now + INLAY_PMTU_RAISE;
		if (now < p->raise_at)
			return 0;
		search(p);
	}
	if (p->probe > room) {
		p->max = room > p->mtu ? (__u32)room : p->mtu;
		search(p);
	}
	return p->probe;
}

void inlay_pmtu_on_probe_sent(struct inlay_pmtu *p, __u64 pn)
{
	p->probe_pn = pn;
	p->traffic = false;
	p->probes_sent++;
}

bool inlay_pmtu_on_acked(struct inlay_pmtu *p, __u64 pn, __u32 size, bool is_probe)
{
	if (pn < p->first_pn)
		return false;
	if (size >= p->suspect_size)
		forget_suspects(p);
	else if (pn > p->suspect_pn)
		p->smaller_passed = true;
	if (!is_probe)
		return false;
	if (pn == p->probe_pn)
		p->probe_pn = NO_PN;
	if (size <= p->mtu || size > p->max)
		return false;
	p->mtu = size;
	if (p->ceiling <= size) /* it was not the size that lost the others */
		p->ceiling = p->max + 1;
	choose(p);
	return true;
}

static void probe_lost(struct inlay_pmtu *p, __u64 pn)
{
	p->probes_lost++;
	if (pn != p->probe_pn)
		return;
	p->probe_pn = NO_PN;
	if (++p->tries < INLAY_PMTU_TRIES)
		return;
	p->ceiling = p->probe;
	choose(p);
}

static void suspect(struct inlay_pmtu *p, __u64 pn, __u32 size, __u32 time_us)
{
	if (p->suspects++ == 0) {
		p->suspect_pn = pn;
		p->suspect_us = time_us;
	}
	if (size > p->suspect_size)
		p->suspect_size = size;
}

bool inlay_pmtu_on_lost(struct inlay_pmtu *p, __u64 pn, __u32 size, bool is_probe, __u32 time_us,
			inlay_ns pto, __u64 next_pn)
{
	if (pn < p->first_pn)
		return false;
	if (is_probe) {
		probe_lost(p, pn);
		return false;
	}
	if (size <= INLAY_PMTU_BASE)
		return false;
	suspect(p, pn, size, time_us);
	if (p->suspects < INLAY_PMTU_SUSPECTS || !p->smaller_passed ||
	    (__u32)(time_us - p->suspect_us) * INLAY_US < pto)
		return false;
	return fall_back(p, next_pn);
}

bool inlay_pmtu_on_ptos(struct inlay_pmtu *p, __u32 n, __u64 next_pn)
{
	if (n < INLAY_PMTU_PTOS || p->mtu <= INLAY_PMTU_BASE)
		return false;
	return fall_back(p, next_pn);
}
