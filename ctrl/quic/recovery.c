/* SPDX-License-Identifier: BSD-2-Clause */
#include "recovery.h"

#define PACKET_THRESHOLD     3 /* RFC 9002 section 6.1.1 */
#define PACKET_THRESHOLD_MAX 64
#define PERSISTENT_PTOS	     3 /* section 7.6.1 */
#define PTO_PROBES	     2 /* section 6.2.4 */
#define MAX_BACKOFF	     16
#define LOOK_BACK	     128 /* numbers */
#define RELIEF_PART	     8	 /* of the log is freed at a time */
#define HOLE_GRACE	     (20 * INLAY_MS)

void inlay_recovery_init(struct inlay_recovery *r, struct inlay_sentlog *log,
			 const struct inlay_recovery_ops *ops, void *user,
			 enum inlay_cc_algorithm cc, __u64 mtu)
{
	*r = (struct inlay_recovery){
		.ops = ops,
		.user = user,
		.log = log,
		.packet_threshold = PACKET_THRESHOLD,
		.loss_time = INLAY_NEVER,
		.scanned = log->oldest,
	};
	inlay_cc_init(&r->cc, cc, mtu);
	inlay_recovery_set_limits(r);
}

void inlay_recovery_set_limits(struct inlay_recovery *r)
{
	__u64 limit = r->log->resolved_bytes + r->cc.cwnd;
	int i;

	for (i = 0; i < INLAY_CLASSES; i++)
		inlay_store_u64(&r->log->entry->class_limit[i], limit);
}

/* Takes note of packets that others have sent. */
static void scan(struct inlay_recovery *r, inlay_ns now)
{
	__u64 next = inlay_load_u64(&r->log->entry->next_pn);
	__u64 in_flight = inlay_sentlog_in_flight(r->log);

	if (r->scanned < r->log->oldest)
		r->scanned = r->log->oldest;
	for (; r->scanned < next; r->scanned++) {
		enum inlay_sent_fate fate = inlay_sentlog_fate(r->log, r->scanned);
		inlay_ns sent;

		if (fate == INLAY_FATE_TAKEN)
			break;
		if (fate != INLAY_FATE_OPEN)
			continue;
		sent = inlay_sentlog_time(inlay_sentlog_entry(r->log, r->scanned), now);
		if (sent > r->last_eliciting)
			r->last_eliciting = sent;
	}
	if (in_flight > r->next_in_flight)
		r->next_in_flight = in_flight;
}

void inlay_recovery_on_sent(struct inlay_recovery *r, inlay_ns now)
{
	scan(r, now);
}

/* Section 7.8: was the window what held sending back, in the last round trip? */
static bool is_window_limited(const struct inlay_recovery *r)
{
	__u64 used =
		r->round_in_flight > r->next_in_flight ? r->round_in_flight : r->next_in_flight;

	if (r->cc.cwnd < r->cc.ssthresh)
		return r->cc.cwnd < 2 * used;
	return r->cc.cwnd < used + 2 * r->cc.mtu;
}

static void end_round(struct inlay_recovery *r)
{
	if (r->largest_acked < r->round_end)
		return;
	r->round_end = inlay_load_u64(&r->log->entry->next_pn);
	r->round_in_flight = r->next_in_flight;
	r->next_in_flight = 0;
}

struct ack_result {
	bool limited;
	bool eliciting; /* an ack-eliciting packet is newly acknowledged */
	bool largest_is_new;
	inlay_ns largest_sent;
};

/* Does the packet say anything about the path in use? */
static bool is_of_path(const struct inlay_recovery *r, __u64 pn, const struct inlay_sent *e)
{
	return pn >= r->path_first && !(e->flags & INLAY_SENT_PROBE);
}

static void on_spurious(struct inlay_recovery *r, __u64 pn)
{
	__u64 distance = r->largest_acked - pn + 1;

	r->spurious_pkts++;
	/* The path reorders more than we thought. */
	if (r->largest_acked > pn && distance > r->packet_threshold)
		r->packet_threshold =
			distance < PACKET_THRESHOLD_MAX ? distance : PACKET_THRESHOLD_MAX;
	inlay_sentlog_resolve(r->log, pn, INLAY_FATE_ACKED);
}

static void ack_open(struct inlay_recovery *r, __u64 pn, struct ack_result *result, inlay_ns now)
{
	const struct inlay_sent *e = inlay_sentlog_entry(r->log, pn);
	inlay_ns sent = inlay_sentlog_time(e, now);
	bool of_path = is_of_path(r, pn, e);
	__u64 size = e->packet_size;

	result->eliciting = true;
	r->ops->acked(r->user, pn);
	inlay_sentlog_resolve(r->log, pn, INLAY_FATE_ACKED);
	if (of_path)
		inlay_cc_on_ack(&r->cc, size, sent, result->limited, r->rtt.smoothed, now);
}

/* False: the number was never sent. */
static bool ack_number(struct inlay_recovery *r, __u64 pn, struct ack_result *result, inlay_ns now)
{
	enum inlay_sent_fate fate = inlay_sentlog_fate(r->log, pn);

	switch (fate) {
	case INLAY_FATE_OPEN:
		ack_open(r, pn, result, now);
		return true;
	case INLAY_FATE_QUIET:
		r->ops->acked(r->user, pn);
		inlay_sentlog_resolve(r->log, pn, INLAY_FATE_ACKED);
		return true;
	case INLAY_FATE_LOST:
		on_spurious(r, pn);
		return true;
	case INLAY_FATE_ACKED:
	case INLAY_FATE_UNKNOWN:
		return true;
	case INLAY_FATE_VOID:
	case INLAY_FATE_TAKEN: /* publication comes before sending */
	case INLAY_FATE_NOT_TAKEN:
		break;
	}
	return false;
}

/* RFC 9000 section 13.1: an ACK of what was not sent is a PROTOCOL_VIOLATION. All ranges are
 * looked at before any is acted on. */
static bool is_plausible(const struct inlay_recovery *r, const struct inlay_quic_ack *ack)
{
	struct inlay_quic_ack_iter it = inlay_quic_ack_iter_of(ack);
	struct inlay_quic_range range;

	if (ack->largest >= inlay_load_u64(&r->log->entry->next_pn))
		return false;
	while (inlay_quic_ack_next(&it, &range))
		if (range.begin < r->log->first)
			return false;
	return true;
}

static bool ack_ranges(struct inlay_recovery *r, const struct inlay_quic_ack *ack,
		       struct ack_result *result, inlay_ns now)
{
	struct inlay_quic_ack_iter it = inlay_quic_ack_iter_of(ack);
	__u64 lowest = inlay_sentlog_lowest(r->log), pn;
	struct inlay_quic_range range;

	/* Below the oldest open number only late ACKs of lost packets and lies are to be found. */
	if (r->log->oldest - lowest > LOOK_BACK)
		lowest = r->log->oldest - LOOK_BACK;
	while (inlay_quic_ack_next(&it, &range)) {
		if (range.end <= lowest)
			break;
		for (pn = range.end; pn > range.begin && pn > lowest; pn--)
			if (!ack_number(r, pn - 1, result, now))
				return false;
	}
	return true;
}

struct lost_run {
	inlay_ns begin, end; /* when the first and the last of it were sent; begin 0: no run */
	inlay_ns longest;
};

static void extend_run(const struct inlay_recovery *r, struct lost_run *run, inlay_ns sent)
{
	/* Section 7.6.2: packets before the first RTT sample do not count. */
	if (r->rtt.first_sample == 0 || sent < r->rtt.first_sample)
		return;
	if (run->begin == 0)
		run->begin = sent;
	run->end = sent;
	if (run->end - run->begin > run->longest)
		run->longest = run->end - run->begin;
}

static void lose(struct inlay_recovery *r, __u64 pn, inlay_ns sent, struct lost_run *run,
		 inlay_ns *newest)
{
	const struct inlay_sent *e = inlay_sentlog_entry(r->log, pn);
	/* By its own host, for its size (RFC 9000 section 14.4), or elsewhere: no word about
	 * congestion here. */
	bool no_sign =
		e->flags & (INLAY_SENT_DROPPED | INLAY_SENT_MTU_PROBE) || !is_of_path(r, pn, e);

	r->lost_pkts++;
	r->lost_bytes += e->packet_size;
	r->ops->lost(r->user, pn);
	inlay_sentlog_resolve(r->log, pn, INLAY_FATE_LOST);
	if (no_sign)
		return;
	extend_run(r, run, sent);
	if (sent > *newest)
		*newest = sent;
}

/* Section 6.1. */
static void detect_lost(struct inlay_recovery *r, inlay_ns now)
{
	inlay_ns delay = inlay_rtt_loss_delay(&r->rtt), newest = 0;
	struct lost_run run = {0};
	__u64 pn;

	r->loss_time = INLAY_NEVER;
	for (pn = r->log->oldest; r->any_acked && pn < r->largest_acked; pn++) {
		enum inlay_sent_fate fate = inlay_sentlog_fate(r->log, pn);
		inlay_ns sent;

		if (fate == INLAY_FATE_ACKED)
			run.begin = 0;
		if (fate != INLAY_FATE_OPEN)
			continue;
		sent = inlay_sentlog_time(inlay_sentlog_entry(r->log, pn), now);
		if (r->largest_acked - pn >= r->packet_threshold || sent + delay <= now) {
			lose(r, pn, sent, &run, &newest);
			continue;
		}
		run.begin = 0;
		if (sent + delay < r->loss_time)
			r->loss_time = sent + delay;
	}
	if (newest == 0)
		return;
	inlay_cc_on_loss(&r->cc, newest, now);
	if (run.longest > PERSISTENT_PTOS * inlay_rtt_pto(&r->rtt))
		inlay_cc_on_persistent(&r->cc);
}

void inlay_recovery_relieve(struct inlay_recovery *r, inlay_ns now)
{
	inlay_ns pto = inlay_rtt_pto(&r->rtt), newest = 0;
	__u64 pn = r->log->oldest, end = pn + r->log->size / RELIEF_PART;
	struct lost_run run = {0};

	for (; pn < end; pn++) {
		inlay_ns sent;

		if (inlay_sentlog_fate(r->log, pn) != INLAY_FATE_OPEN)
			continue;
		sent = inlay_sentlog_time(inlay_sentlog_entry(r->log, pn), now);
		if (sent + pto <= now)
			lose(r, pn, sent, &run, &newest);
	}
	if (newest > 0)
		inlay_cc_on_loss(&r->cc, newest, now);
	inlay_sentlog_advance(r->log, HOLE_GRACE, now);
	inlay_recovery_set_limits(r);
}

static void sample_rtt(struct inlay_recovery *r, const struct ack_result *result,
		       inlay_ns ack_delay, inlay_ns now)
{
	/* Section 5.1. */
	if (!result->largest_is_new || !result->eliciting || now < result->largest_sent)
		return;
	inlay_rtt_sample(&r->rtt, now - result->largest_sent, ack_delay, now);
}

enum inlay_quic_error inlay_recovery_on_ack(struct inlay_recovery *r,
					    const struct inlay_quic_ack *ack, inlay_ns ack_delay,
					    inlay_ns now)
{
	struct ack_result result = {0};
	enum inlay_sent_fate fate;

	scan(r, now);
	if (!is_plausible(r, ack))
		return INLAY_QUIC_PROTOCOL_VIOLATION;
	fate = inlay_sentlog_fate(r->log, ack->largest);
	if (fate == INLAY_FATE_OPEN || fate == INLAY_FATE_QUIET) {
		const struct inlay_sent *e = inlay_sentlog_entry(r->log, ack->largest);

		result.largest_is_new =
			!(e->flags & INLAY_SENT_DROPPED) && is_of_path(r, ack->largest, e);
		result.largest_sent = inlay_sentlog_time(e, now);
	}
	result.limited = is_window_limited(r);
	if (!r->any_acked || ack->largest > r->largest_acked)
		r->largest_acked = ack->largest;
	r->any_acked = true;
	if (!ack_ranges(r, ack, &result, now))
		return INLAY_QUIC_PROTOCOL_VIOLATION;
	sample_rtt(r, &result, ack_delay, now);
	detect_lost(r, now);
	/* Section 6.2.1: progress ends the backoff. */
	if (result.eliciting) {
		r->pto_count = 0;
		r->probes = 0;
	}
	end_round(r);
	inlay_sentlog_advance(r->log, HOLE_GRACE, now);
	inlay_recovery_set_limits(r);
	return INLAY_QUIC_NO_ERROR;
}

inlay_ns inlay_recovery_deadline(const struct inlay_recovery *r)
{
	if (r->loss_time != INLAY_NEVER)
		return r->loss_time;
	if (inlay_sentlog_in_flight(r->log) == 0 || r->last_eliciting == 0)
		return INLAY_NEVER;
	return r->last_eliciting + (inlay_rtt_pto(&r->rtt) << r->pto_count);
}

void inlay_recovery_on_timer(struct inlay_recovery *r, inlay_ns now)
{
	scan(r, now);
	if (r->loss_time != INLAY_NEVER) {
		if (r->loss_time <= now)
			detect_lost(r, now);
	} else if (inlay_recovery_deadline(r) <= now) {
		if (r->pto_count < MAX_BACKOFF)
			r->pto_count++;
		r->ptos++;
		r->probes = PTO_PROBES;
	}
	inlay_sentlog_advance(r->log, HOLE_GRACE, now);
	inlay_recovery_set_limits(r);
}

void inlay_recovery_reset_path(struct inlay_recovery *r, enum inlay_cc_algorithm cc)
{
	inlay_cc_init(&r->cc, cc, r->cc.mtu);
	inlay_rtt_init(&r->rtt, 0, 0, 0, 0, r->rtt.max_ack_delay);
	r->path_first = inlay_load_u64(&r->log->entry->next_pn);
	inlay_recovery_set_limits(r);
}

void inlay_recovery_set_mtu(struct inlay_recovery *r, __u64 mtu)
{
	r->cc.mtu = mtu;
	if (r->cc.cwnd < inlay_cc_min_window(&r->cc))
		r->cc.cwnd = inlay_cc_min_window(&r->cc);
	inlay_recovery_set_limits(r);
}

void inlay_recovery_on_ce(struct inlay_recovery *r, __u64 newly, inlay_ns sent, inlay_ns now)
{
	if (newly == 0)
		return;
	inlay_cc_on_loss(&r->cc, sent, now);
	inlay_recovery_set_limits(r);
}
