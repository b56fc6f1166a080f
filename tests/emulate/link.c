/* SPDX-License-Identifier: BSD-2-Clause */
#include "link.h"

#define DEFAULT_QUEUE (1ULL << 20)
#define MILLION	      1000000

void link_init(struct emulated_link *l, const struct link_settings *settings, __u64 seed)
{
	*l = (struct emulated_link){.settings = *settings};
	l->rng.state = seed * 0x9e3779b97f4a7c15ULL | 1;
}

__u64 link_backlog(const struct emulated_link *l, inlay_ns now)
{
	if (l->settings.bytes_per_s == 0 || l->line_free <= now)
		return 0;
	return (l->line_free - now) * l->settings.bytes_per_s / INLAY_S;
}

static bool happens(struct emulated_link *l, __u32 ppm)
{
	/* Nothing is drawn for what never happens: other settings' fates stay what they are. */
	return ppm && seeded_below(&l->rng, MILLION) < ppm;
}

/* The queue and the line. False: no room. */
static bool pass_line(struct emulated_link *l, __u64 bytes, struct link_arrival *a, inlay_ns now)
{
	const struct link_settings *s = &l->settings;
	__u64 backlog = link_backlog(l, now);

	a->at[0] = now;
	if (s->bytes_per_s == 0)
		return true;
	if (backlog + bytes > (s->queue_bytes ? s->queue_bytes : DEFAULT_QUEUE))
		return false;
	if (s->mark_bytes && backlog > s->mark_bytes && a->ecn != INLAY_ECN_NOT_ECT) {
		l->marked += a->ecn != INLAY_ECN_CE;
		a->ecn = INLAY_ECN_CE;
	}
	if (l->line_free < now)
		l->line_free = now;
	a->queued = l->line_free - now;
	l->line_free += bytes * INLAY_S / s->bytes_per_s;
	a->at[0] = l->line_free;
	return true;
}

static void pass_delay(struct emulated_link *l, struct link_arrival *a)
{
	const struct link_settings *s = &l->settings;

	a->at[0] += s->delay;
	if (s->jitter)
		a->at[0] += seeded_below(&l->rng, s->jitter);
	if (happens(l, s->reorder_ppm)) {
		a->at[0] += s->reorder_delay ? seeded_below(&l->rng, s->reorder_delay) : 0;
	} else {
		if (a->at[0] < l->last_arrival)
			a->at[0] = l->last_arrival;
		l->last_arrival = a->at[0];
	}
	a->n = 1;
	if (!happens(l, s->duplicate_ppm))
		return;
	a->n = 2;
	a->at[1] = a->at[0] + seeded_below(&l->rng, INLAY_MS);
}

struct link_arrival link_carry(struct emulated_link *l, __u64 bytes, __u8 ecn, inlay_ns now)
{
	const struct link_settings *s = &l->settings;
	struct link_arrival a = {.ecn = s->bleach_ecn ? INLAY_ECN_NOT_ECT : ecn};

	if (s->mtu && bytes > s->mtu) {
		l->too_large++;
		return a;
	}
	if (!pass_line(l, bytes, &a, now)) {
		l->overflowed++;
		return a;
	}
	if (s->down || happens(l, s->loss_ppm)) {
		l->lost++;
		return a;
	}
	pass_delay(l, &a);
	l->passed++;
	l->passed_bytes += bytes;
	return a;
}
