/* SPDX-License-Identifier: BSD-2-Clause */
#include "ack_request.h"

/* ACKs in a window's worth of packets. The last of a window that is no whole number of them waits
 * for the delay: with 4, windows of 8 packets (at 2 % loss) were 12 % slower, with 8 1 %. */
#define WINDOW_PART	8
#define THRESHOLD_LEAST 1
#define THRESHOLD_MOST	32
#define RTT_PART	4 /* of a round trip may be delay */
#define DELAY_MOST	(50 * INLAY_MS)
#define MUCH		2 /* a change by this factor is worth a frame */

void inlay_ack_request_init(struct inlay_ack_request *r, const struct inlay_transport_params *peer)
{
	*r = (struct inlay_ack_request){
		.possible = peer->has_min_ack_delay,
		.announced = peer->max_ack_delay,
		.least = peer->min_ack_delay,
		.granted = peer->max_ack_delay,
	};
}

static __u64 clamp(__u64 v, __u64 least, __u64 most)
{
	if (v > most)
		v = most;
	return v < least ? least : v;
}

static struct inlay_quic_ack_frequency want(const struct inlay_ack_request *r,
					    const struct inlay_ack_view *view)
{
	inlay_ns delay = clamp(view->smoothed_rtt / RTT_PART, r->announced, DELAY_MOST);

	/* [AF] section 3: what is asked for is not below what was announced as the least. */
	if (delay < r->announced)
		delay = r->announced;
	if (delay < r->least)
		delay = r->least;
	return (struct inlay_quic_ack_frequency){
		.threshold = clamp(view->cwnd_pkts / WINDOW_PART, THRESHOLD_LEAST, THRESHOLD_MOST),
		.max_delay_us = delay / INLAY_US,
		/* [AF] section 9: what loss detection goes by. */
		.reordering = view->packet_threshold,
	};
}

static bool differs(__u64 a, __u64 b)
{
	return a != b && (a >= MUCH * b || b >= MUCH * a); /* 0 is no multiple of 0 */
}

void inlay_ack_request_update(struct inlay_ack_request *r, const struct inlay_ack_view *view,
			      inlay_ns now)
{
	const struct inlay_quic_ack_frequency *old = &r->asked;

	if (!r->possible)
		return;
	r->wanted = want(r, view);
	/* [AF] section 8.1: not more than once in a round trip. */
	if (r->due || (r->any && now < r->asked_at + view->smoothed_rtt))
		return;
	r->due = !r->any || differs(r->wanted.threshold, old->threshold) ||
		 r->wanted.reordering != old->reordering ||
		 differs(r->wanted.max_delay_us, old->max_delay_us);
}

void inlay_ack_request_renew(struct inlay_ack_request *r)
{
	r->due |= r->possible && r->any;
}

void inlay_ack_request_on_sent(struct inlay_ack_request *r, inlay_ns now)
{
	r->asked = r->wanted;
	r->asked.sequence = r->next_sequence++;
	r->asked_at = now;
	r->any = true;
	r->due = false;
	if (r->asked.max_delay_us * INLAY_US > r->pending)
		r->pending = r->asked.max_delay_us * INLAY_US;
}

void inlay_ack_request_on_acked(struct inlay_ack_request *r, __u64 sequence)
{
	/* An older one says nothing about what is in force once a newer arrives. */
	if (sequence != r->asked.sequence)
		return;
	r->granted = r->asked.max_delay_us * INLAY_US;
	r->pending = 0;
}

void inlay_ack_request_on_lost(struct inlay_ack_request *r, __u64 sequence)
{
	/* The newest alone is worth renewing, as of what is wanted by then. */
	if (sequence == r->asked.sequence && r->pending > 0)
		r->due = true;
}
