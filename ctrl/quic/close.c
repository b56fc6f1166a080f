/* SPDX-License-Identifier: BSD-2-Clause */
#include "close.h"

#include <string.h>

#define LINGER_PTOS 3 /* RFC 9000 section 10.2 */

void inlay_close_init(struct inlay_close *x, const struct inlay_transport_params *own,
		      const struct inlay_transport_params *peer, inlay_ns now)
{
	inlay_ns a = own->max_idle_timeout, b = peer->max_idle_timeout;

	memset(x, 0, sizeof(*x));
	x->dead_at = INLAY_NEVER;
	x->active = now;
	/* Section 10.1: the smaller of the two that were given. */
	x->idle_timeout = a == 0 || (b != 0 && b < a) ? b : a;
}

void inlay_close_on_received(struct inlay_close *x, inlay_ns now)
{
	x->active = now;
	x->sent_since = false;
}

void inlay_close_on_eliciting_sent(struct inlay_close *x, inlay_ns now)
{
	/* The first after receiving: otherwise retransmissions to nobody would never end. */
	if (x->sent_since || now < x->active)
		return;
	x->sent_since = true;
	x->active = now;
}

bool inlay_close_begin(struct inlay_close *x, const struct inlay_close_reason *why,
		       __u64 frame_type, inlay_ns pto, inlay_ns now)
{
	if (x->state != INLAY_OPEN)
		return false;
	x->state = INLAY_CLOSING;
	x->why = *why;
	x->frame_type = frame_type;
	x->due = true;
	x->dead_at = now + LINGER_PTOS * pto;
	return true;
}

bool inlay_close_drain(struct inlay_close *x, const struct inlay_close_reason *why, inlay_ns pto,
		       inlay_ns now)
{
	bool first = x->state == INLAY_OPEN;

	if (x->state == INLAY_DRAINING || x->state == INLAY_DEAD)
		return false;
	x->state = INLAY_DRAINING;
	x->due = false;
	if (first) {
		x->why = *why;
		x->dead_at = now + LINGER_PTOS * pto;
	}
	return first;
}

bool inlay_close_silently(struct inlay_close *x, const struct inlay_close_reason *why)
{
	if (x->state != INLAY_OPEN)
		return false;
	x->state = INLAY_DEAD;
	x->why = *why;
	return true;
}

void inlay_close_on_packet(struct inlay_close *x, inlay_ns now)
{
	if (x->state == INLAY_CLOSING && now >= x->resend_at)
		x->due = true;
}

void inlay_close_on_sent(struct inlay_close *x, inlay_ns pto, inlay_ns now)
{
	x->due = false;
	x->resend_at = now + pto / 2;
}

inlay_ns inlay_close_deadline(const struct inlay_close *x, inlay_ns pto)
{
	inlay_ns idle = x->idle_timeout;

	if (x->state == INLAY_DEAD)
		return INLAY_NEVER;
	if (x->state != INLAY_OPEN)
		return x->dead_at;
	if (idle == 0)
		return INLAY_NEVER;
	if (idle < LINGER_PTOS * pto)
		idle = LINGER_PTOS * pto;
	return x->active + idle;
}

bool inlay_close_on_timer(struct inlay_close *x, inlay_ns pto, inlay_ns now)
{
	bool idle = x->state == INLAY_OPEN;

	if (now < inlay_close_deadline(x, pto))
		return false;
	x->state = INLAY_DEAD;
	x->due = false;
	if (idle)
		x->why = (struct inlay_close_reason){.idle = true};
	return idle;
}

void inlay_close_text(struct inlay_close_reason *why, const void *text, size_t len)
{
	const char *p = text;
	size_t i;

	for (i = 0; i < len && i + 1 < sizeof(why->text); i++)
		why->text[i] = p[i] >= ' ' && p[i] <= '~' ? p[i] : '?';
	why->text[i] = '\0';
}
