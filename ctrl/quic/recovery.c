/* SPDX-License-Identifier: BSD-2-Clause */
#include "recovery.h"

#define PACKET_THRESHOLD     3 /* RFC 9002 section 6.1.1 */
#define PACKET_THRESHOLD_MAX 64
#define PERSISTENT_PTOS	     3 /* section 7.6.1 */
#define PTO_PROBES	     2 /* section 6.2.4 */
#define MAX_BACKOFF	     16
#define FETCH_MAX	     64 /* entries */
#define RELIEF_PART	     8	/* of the log is freed at a time */
#define HOLE_GRACE	     (20 * INLAY_MS)
#define LOOK_GRID	     (4 * INLAY_MS)

void inlay_recovery_init(struct inlay_recovery *r, struct inlay_sentlog *log,
			 const struct inlay_recovery_ops *ops, void *user,
			 enum inlay_cc_algorithm cc, __u64 mtu, inlay_ns now)
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
	inlay_rate_init(&r->rate);
	inlay_pacer_init(&r->pacer, inlay_load_u64(&log->entry->bytes_sent), mtu);
	inlay_recovery_set_limits(r, now);
}

/* --- What may be sent ----------------------------------------------------------------------- */

/* A forwarder has sent something of late. */
static bool is_forwarded(const struct inlay_recovery *r)
{
	return r->foreign_at != 0 && r->pacer.last < r->foreign_at + inlay_rtt_pto(&r->rtt);
}

void inlay_recovery_set_limits(struct inlay_recovery *r, inlay_ns now)
{
	__u64 sent = inlay_load_u64(&r->log->entry->bytes_sent);
	struct inlay_limits_input in;

	r->pacer.patient = !r->watched && !is_forwarded(r);
	inlay_limits_input_init(&in);
	if (r->ops->classes)
		r->ops->classes(r->user, &in);
	inlay_pacer_refill(&r->pacer, sent, inlay_cc_pacing_rate(&r->cc, r->rtt.smoothed),
			   r->cc.mtu, now);
	r->window_limit = r->log->resolved_bytes + inlay_cc_window(&r->cc);
	inlay_limits_write(r->log->entry, &in, r->log->resolved_bytes, inlay_cc_window(&r->cc),
			   inlay_cc_min_window(&r->cc), r->pacer.limit);
}

bool inlay_recovery_reserve(struct inlay_recovery *r, __u64 size, bool probe, inlay_ns now)
{
	__u64 *counter = &r->log->entry->bytes_sent, sent = inlay_load_u64(counter), after;

	/* Who comes after a pause finds the bucket as it was left. */
	if (!probe && sent + size > r->pacer.limit && now >= r->pacer.last + INLAY_PACER_STEP &&
	    (!r->pacer.blocked || now >= inlay_pacer_deadline(&r->pacer, sent)))
		inlay_recovery_set_limits(r, now);
	after = inlay_fetch_add_u64(counter, size) + size;
	if (probe || (after <= r->window_limit && after <= r->pacer.limit))
		return true;
	inlay_fetch_add_u64(counter, -size);
	/* If it is the window that has no room, an ACK will make some. */
	if (after <= r->window_limit)
		r->pacer.blocked = true;
	return false;
}

/* --- Who sent what -------------------------------------------------------------------------- */

static void drop(struct inlay_recovery *r, __u64 pn);

static bool is_dropped(const struct inlay_recovery *r, __u64 pn)
{
	return inlay_sentlog_flags(inlay_sentlog_entry(r->log, pn)) & INLAY_SENT_DROPPED;
}

/* An open number that somebody else published. */
static inline void note_foreign(struct inlay_recovery *r, __u64 pn, const struct inlay_sent *e,
				inlay_ns sent)
{
	inlay_sentlog_note(r->log, pn);
	if (sent > r->foreign_at)
		r->foreign_at = sent;
	if (r->ops->foreign)
		r->ops->foreign(r->user, pn, e, sent);
	if (inlay_sentlog_flags(e) & INLAY_SENT_DROPPED)
		drop(r, pn);
}

static inline void look_at(struct inlay_recovery *r, __u64 pn, __u64 now_us)
{
	const struct inlay_sent *e = inlay_sentlog_entry(r->log, pn);
	inlay_ns sent = inlay_sentlog_time_us(e, now_us);

	if (sent > r->last_eliciting)
		r->last_eliciting = sent;
	if (inlay_sentlog_is_new(r->log, pn))
		note_foreign(r, pn, e, sent);
}

/*
 * Takes note of packets that others have sent. One context may have taken a number and be about to
 * publish it while another has published later ones: those are not kept waiting, and the number is
 * looked at again.
 */
static void scan(struct inlay_recovery *r, inlay_ns now)
{
	__u64 next = inlay_load_u64(&r->log->entry->next_pn), pn;
	__u64 in_flight = inlay_sentlog_in_flight(r->log), now_us = now / INLAY_US;
	__u64 unpublished = 0;

	if (r->scanned < r->log->oldest)
		r->scanned = r->log->oldest;
	for (pn = r->scanned; pn < next; pn++) {
		enum inlay_sent_fate fate = inlay_sentlog_fate_of(r->log, pn);

		if (fate == INLAY_FATE_OPEN)
			look_at(r, pn, now_us);
		unpublished += fate == INLAY_FATE_TAKEN;
		if (unpublished == 0)
			r->scanned = pn + 1;
	}
	if (r->ops->foreign_end)
		r->ops->foreign_end(r->user);
	r->unpublished = unpublished;
	r->looked_at = now;
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
	return inlay_cc_window(&r->cc) < used + 2 * r->cc.mtu + used / 16;
}

void inlay_recovery_on_held(struct inlay_recovery *r)
{
	__u64 window = inlay_cc_window(&r->cc);

	if (window > r->next_in_flight)
		r->next_in_flight = window;
}

static bool end_round(struct inlay_recovery *r, inlay_ns now)
{
	if (r->largest_acked < r->round_end)
		return false;
	r->round_end = inlay_load_u64(&r->log->entry->next_pn);
	r->round_in_flight = r->next_in_flight;
	r->next_in_flight = 0;
	inlay_rate_on_round(&r->rate, now);
	return true;
}

/* --- Acknowledgements ----------------------------------------------------------------------- */

struct ack_result {
	bool limited;
	bool eliciting; /* an ack-eliciting packet is newly acknowledged */
	bool largest_is_new;
	bool told; /* the controller need not hear of more packets */
	inlay_ns largest_sent;
	__u64 acked, lost;    /* bytes */
	inlay_ns oldest, gap; /* see struct inlay_rate_sample; |oldest| 0: none yet */
	inlay_ns before;      /* when the one before was sent; 0: none was, in this range */
	inlay_ns first;	      /* when the first of this range was; 0: none yet */
	inlay_ns above;	      /* and the first of the range above */
	__u64 now_us;
};

/* Does the packet say anything about the path in use? */
static bool is_of_path(const struct inlay_recovery *r, __u64 pn, const struct inlay_sent *e)
{
	return pn >= r->path_first && !(inlay_sentlog_flags(e) & INLAY_SENT_PROBE);
}

/* Does its loss say anything about congestion there? Not if its own host dropped it, or its size
 * did (RFC 9000 section 14.4). */
static bool speaks(const struct inlay_recovery *r, __u64 pn, const struct inlay_sent *e)
{
	return is_of_path(r, pn, e) &&
	       !(inlay_sentlog_flags(e) & (INLAY_SENT_DROPPED | INLAY_SENT_MTU_PROBE));
}

static void on_spurious(struct inlay_recovery *r, __u64 pn, inlay_ns now)
{
	__u64 distance = r->largest_acked - pn + 1;

	r->spurious_pkts++;
	/* The path reorders more than we thought. */
	if (r->largest_acked > pn && distance > r->packet_threshold)
		r->packet_threshold =
			distance < PACKET_THRESHOLD_MAX ? distance : PACKET_THRESHOLD_MAX;
	/* What was no sign of congestion when it was lost is none of the opposite now. */
	if (speaks(r, pn, inlay_sentlog_entry(r->log, pn)))
		inlay_cc_on_spurious(&r->cc,
				     inlay_sentlog_time(inlay_sentlog_entry(r->log, pn), now));
	/* What is still to be sent again need not be. */
	r->ops->acked(r->user, pn, inlay_sentlog_entry(r->log, pn));
	inlay_sentlog_resolve(r->log, pn, INLAY_FATE_ACKED);
}

static void count_acked(struct inlay_recovery *r, __u64 size, inlay_ns sent,
			struct ack_result *result)
{
	result->acked += size;
	if (result->before && sent > result->before && sent - result->before > result->gap)
		result->gap = sent - result->before;
	result->before = sent;
	if (!result->first)
		result->first = sent;
	inlay_rate_on_acked(&r->rate, size);
}

/* Ranges come in falling order, the numbers of each in rising order. */
static void end_range(struct ack_result *result)
{
	if (!result->first)
		return;
	if (result->above > result->before && result->above - result->before > result->gap)
		result->gap = result->above - result->before;
	result->above = result->oldest = result->first;
	result->first = result->before = 0;
}

INLAY_INLINE void ack_open(struct inlay_recovery *r, __u64 pn, struct ack_result *result,
			   inlay_ns now)
{
	const struct inlay_sent *e = inlay_sentlog_entry(r->log, pn);
	inlay_ns sent = inlay_sentlog_time_us(e, result->now_us);
	bool of_path = is_of_path(r, pn, e);
	__u64 size = e->packet_size;

	result->eliciting = true;
	if (of_path)
		count_acked(r, size, sent, result);
	r->ops->acked(r->user, pn, e);
	inlay_sentlog_ack(r->log, pn);
	if (of_path && !result->told) {
		inlay_cc_on_ack(&r->cc, size, sent, result->limited, r->rtt.smoothed, now);
		/* While the window is not what holds sending back, one is as good as many. */
		result->told = !result->limited && !r->cc.in_recovery;
	}
}

/* False: the number was never sent. */
static bool ack_number(struct inlay_recovery *r, __u64 pn, enum inlay_sent_fate fate,
		       struct ack_result *result, inlay_ns now)
{
	/* Published since the log was looked through: the peer has guessed, and was lucky. */
	if (fate == INLAY_FATE_OPEN && inlay_sentlog_is_new(r->log, pn)) {
		look_at(r, pn, result->now_us);
		fate = inlay_sentlog_fate(r->log, pn);
	}
	switch (fate) {
	case INLAY_FATE_OPEN:
		ack_open(r, pn, result, now);
		return true;
	case INLAY_FATE_QUIET:
		r->ops->acked(r->user, pn, inlay_sentlog_entry(r->log, pn));
		inlay_sentlog_resolve(r->log, pn, INLAY_FATE_ACKED);
		return true;
	case INLAY_FATE_LOST:
		on_spurious(r, pn, now);
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

/* Below the oldest open number only late ACKs of lost packets and lies are to be found. */
static bool ack_late(struct inlay_recovery *r, __u64 begin, __u64 end, struct ack_result *result,
		     inlay_ns now)
{
	__u64 pn;

	for (; inlay_sentlog_odd(r->log, begin, end, &pn); end = pn)
		if (!ack_number(r, pn, inlay_sentlog_fate(r->log, pn), result, now))
			return false;
	return true;
}

static bool ack_ranges(struct inlay_recovery *r, const struct inlay_quic_ack *ack,
		       struct ack_result *result, inlay_ns now)
{
	struct inlay_quic_ack_iter it = inlay_quic_ack_iter_of(ack);
	__u64 oldest = r->log->oldest, pn;
	struct inlay_quic_range range;

	while (inlay_quic_ack_next(&it, &range) && range.end + INLAY_LOOK_BACK > oldest) {
		for (pn = range.begin > oldest ? range.begin : oldest; pn < range.end; pn++) {
			if (inlay_sentlog_is_open(r->log, pn))
				ack_open(r, pn, result, now);
			else if (!ack_number(r, pn, inlay_sentlog_fate_of(r->log, pn), result, now))
				return false;
		}
		end_range(result);
		if (range.begin < oldest &&
		    !ack_late(r, range.begin, range.end < oldest ? range.end : oldest, result, now))
			return false;
	}
	return true;
}

/* --- Losses --------------------------------------------------------------------------------- */

struct lost_run {
	inlay_ns begin, end; /* when the first and the last of it were sent; begin 0: no run */
	inlay_ns longest;
	inlay_ns newest;   /* of those that speak of congestion; 0: none */
	__u64 pkts, bytes; /* of the same */
};

/* Section 7.6.1 wants ack-eliciting packets at both ends: whatever is in flight is one here. */
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

static void lose(struct inlay_recovery *r, __u64 pn, inlay_ns sent, struct lost_run *run)
{
	const struct inlay_sent *e = inlay_sentlog_entry(r->log, pn);
	bool is_sign = speaks(r, pn, e);
	__u64 size = e->packet_size;

	r->lost_pkts++;
	r->lost_bytes += e->packet_size;
	r->ops->lost(r->user, pn);
	inlay_sentlog_resolve(r->log, pn, INLAY_FATE_LOST);
	if (!is_sign)
		return;
	extend_run(r, run, sent);
	run->pkts++;
	run->bytes += size;
	if (sent > run->newest)
		run->newest = sent;
}

/* Its own host dropped it: design section 5, rule 1. */
static void drop(struct inlay_recovery *r, __u64 pn)
{
	r->dropped_pkts++;
	r->ops->lost(r->user, pn);
	inlay_sentlog_resolve(r->log, pn, INLAY_FATE_LOST);
}

/* Those that were dropped after they were noted. Returns whether anything else is in flight. */
static bool sweep_dropped(struct inlay_recovery *r)
{
	__u64 next = inlay_load_u64(&r->log->entry->next_pn), pn;
	bool open = false;

	for (pn = r->log->oldest; pn < next; pn++) {
		if (inlay_sentlog_fate(r->log, pn) != INLAY_FATE_OPEN)
			continue;
		if (is_dropped(r, pn))
			drop(r, pn);
		else
			open = true;
	}
	return open;
}

static void react(struct inlay_recovery *r, const struct lost_run *run, inlay_ns now)
{
	if (run->newest == 0)
		return;
	inlay_cc_on_loss(&r->cc, run->pkts, run->newest, now);
	if (run->longest <= PERSISTENT_PTOS * inlay_rtt_pto(&r->rtt))
		return;
	inlay_cc_on_persistent(&r->cc);
	inlay_rtt_forget_min(&r->rtt);
}

/* Section 6.1. Returns how many bytes were lost to the path. */
static __u64 detect_lost(struct inlay_recovery *r, inlay_ns now)
{
	inlay_ns delay = inlay_rtt_loss_delay(&r->rtt);
	struct lost_run run = {0};
	__u64 pn;

	r->loss_time = INLAY_NEVER;
	inlay_sentlog_skip_resolved(r->log);
	for (pn = r->log->oldest; r->any_acked && pn < r->largest_acked; pn++) {
		enum inlay_sent_fate fate = inlay_sentlog_fate_of(r->log, pn);
		inlay_ns sent;

		if (fate == INLAY_FATE_ACKED)
			run.begin = 0;
		if (fate != INLAY_FATE_OPEN)
			continue;
		if (is_dropped(r, pn)) {
			drop(r, pn);
			continue;
		}
		sent = inlay_sentlog_time(inlay_sentlog_entry(r->log, pn), now);
		if (r->largest_acked - pn >= r->packet_threshold || sent + delay <= now) {
			lose(r, pn, sent, &run);
			continue;
		}
		run.begin = 0;
		if (sent + delay < r->loss_time)
			r->loss_time = sent + delay;
	}
	react(r, &run, now);
	return run.bytes;
}

void inlay_recovery_relieve(struct inlay_recovery *r, inlay_ns now)
{
	inlay_ns pto = inlay_rtt_pto(&r->rtt);
	__u64 pn = r->log->oldest, end = pn + r->log->size / RELIEF_PART;
	struct lost_run run = {0};

	for (; pn < end; pn++) {
		inlay_ns sent;

		if (inlay_sentlog_fate(r->log, pn) != INLAY_FATE_OPEN)
			continue;
		sent = inlay_sentlog_time(inlay_sentlog_entry(r->log, pn), now);
		if (sent + pto <= now)
			lose(r, pn, sent, &run);
	}
	react(r, &run, now);
	inlay_sentlog_advance(r->log, HOLE_GRACE, now);
	inlay_recovery_set_limits(r, now);
}

static bool sample_rtt(struct inlay_recovery *r, const struct ack_result *result,
		       inlay_ns ack_delay, inlay_ns now)
{
	/* Section 5.1. */
	if (!result->largest_is_new || !result->eliciting || now < result->largest_sent)
		return false;
	inlay_rtt_sample(&r->rtt, now - result->largest_sent, ack_delay, now);
	return true;
}

static void sample_rate(struct inlay_recovery *r, const struct ack_result *result, inlay_ns now)
{
	const struct inlay_rate_sample s = {
		.now = now,
		.sent = result->largest_sent,
		.oldest = result->oldest,
		.gap = result->gap,
		.delay = r->rtt.latest - r->rtt.path,
		.base = inlay_recovery_base(r),
	};

	inlay_rate_on_sample(&r->rate, &s);
}

/* Everything that a controller wants to know of an ACK. */
static void tell_controller(struct inlay_recovery *r, const struct ack_result *result, bool sampled,
			    bool round, inlay_ns now)
{
	const struct inlay_cc_sample s = {
		.now = now,
		.rtt = sampled ? r->rtt.path : 0,
		.standing = inlay_rtt_standing(&r->rtt),
		.smoothed = r->rtt.smoothed,
		.acked = result->acked,
		.lost = result->lost,
		.in_flight = inlay_sentlog_in_flight(r->log),
		.bandwidth =
			inlay_rate_is_measured(&r->rate, now) ? inlay_rate_estimate(&r->rate) : 0,
		.round = round,
		.limited = result->limited,
	};

	if (s.acked || s.lost)
		inlay_cc_on_sample(&r->cc, &s);
}

static void look_at_largest(struct inlay_recovery *r, __u64 largest, struct ack_result *result,
			    inlay_ns now)
{
	enum inlay_sent_fate fate = inlay_sentlog_fate(r->log, largest);
	const struct inlay_sent *e = inlay_sentlog_entry(r->log, largest);

	r->largest_sent = inlay_sentlog_time(e, now);
	if (fate == INLAY_FATE_OPEN || fate == INLAY_FATE_QUIET) {
		result->largest_is_new =
			!(inlay_sentlog_flags(e) & INLAY_SENT_DROPPED) && is_of_path(r, largest, e);
		result->largest_sent = r->largest_sent;
	}
	if (!r->any_acked || largest > r->largest_acked)
		r->largest_acked = largest;
	r->any_acked = true;
}

/* Entries that are about to be read, and that others wrote or nobody has touched for a round trip:
 * to wait for all of them at once is most of what an ACK costs. */
static void fetch(const struct inlay_recovery *r, __u64 begin, __u64 end)
{
	const struct inlay_sentlog *l = r->log;
	__u64 pn;

	if (end > begin + FETCH_MAX)
		end = begin + FETCH_MAX;
	for (pn = begin; pn < end; pn += 2) {
		__builtin_prefetch(&l->log[pn & (l->size - 1)]);
		__builtin_prefetch(&l->slots[pn & (l->size - 1)], 1);
	}
}

/* Those of the numbers to come: nobody has touched them for as many packets as the log holds. */
static void fetch_slots(const struct inlay_recovery *r)
{
	const struct inlay_sentlog *l = r->log;
	__u64 next = inlay_load_u64(&l->entry->next_pn), pn;

	for (pn = next; pn < next + 16; pn += 4)
		__builtin_prefetch(&l->slots[pn & (l->size - 1)], 1);
}

enum inlay_quic_error inlay_recovery_on_ack(struct inlay_recovery *r,
					    const struct inlay_quic_ack *ack, inlay_ns ack_delay,
					    inlay_ns now)
{
	struct ack_result result = {.now_us = now / INLAY_US};
	bool sampled, round;

	fetch(r, r->scanned, inlay_load_u64(&r->log->entry->next_pn));
	fetch(r, r->log->oldest, ack->largest + 1);
	scan(r, now);
	if (!is_plausible(r, ack))
		return INLAY_QUIC_PROTOCOL_VIOLATION;
	look_at_largest(r, ack->largest, &result, now);
	result.limited = is_window_limited(r);
	r->limited = result.limited;
	if (!ack_ranges(r, ack, &result, now))
		return INLAY_QUIC_PROTOCOL_VIOLATION;
	sampled = sample_rtt(r, &result, ack_delay, now);
	if (sampled)
		sample_rate(r, &result, now);
	result.lost = detect_lost(r, now);
	/* Section 6.2.1: progress ends the backoff. */
	if (result.eliciting) {
		r->pto_count = 0;
		r->probes = 0;
	}
	round = end_round(r, now);
	tell_controller(r, &result, sampled, round, now);
	inlay_sentlog_advance(r->log, HOLE_GRACE, now);
	inlay_recovery_set_limits(r, now);
	fetch_slots(r);
	return INLAY_QUIC_NO_ERROR;
}

/* --- Timers --------------------------------------------------------------------------------- */

inlay_ns inlay_recovery_loss_deadline(const struct inlay_recovery *r)
{
	if (r->loss_time != INLAY_NEVER)
		return r->loss_time;
	if (r->no_pto || inlay_sentlog_in_flight(r->log) == 0 || r->last_eliciting == 0)
		return INLAY_NEVER;
	return r->last_eliciting + (inlay_rtt_pto(&r->rtt) << r->pto_count);
}

/* A forwarder does not say that it is held back: while one sends, the bucket is kept full. */
static inlay_ns pacer_deadline(const struct inlay_recovery *r)
{
	__u64 sent = inlay_load_u64(&r->log->entry->bytes_sent);
	inlay_ns at = inlay_pacer_deadline(&r->pacer, sent), refill;

	if (!is_forwarded(r))
		return at;
	refill = inlay_pacer_refill_at(&r->pacer, sent);
	return refill < at ? refill : at;
}

/*
 * Design section 5, rule 10: no more than a PTO away. Who has a thousand connections looks at many
 * of them at once, rather than wake for each: a part of a PTO early, all at the same instants.
 */
static inline inlay_ns look_deadline(const struct inlay_recovery *r)
{
	inlay_ns pto = inlay_rtt_pto(&r->rtt), look = r->looked_at + pto;

	return pto < 4 * LOOK_GRID ? look : look - look % LOOK_GRID;
}

inlay_ns inlay_recovery_deadline(const struct inlay_recovery *r)
{
	inlay_ns at = inlay_recovery_loss_deadline(r), pacer = pacer_deadline(r), look;

	if (pacer < at)
		at = pacer;
	if (!r->watched)
		return at;
	look = look_deadline(r);
	return look < at ? look : at;
}

static void on_pto(struct inlay_recovery *r, inlay_ns now)
{
	if (!sweep_dropped(r)) {
		/* What is charged is not in the log: somebody is about to send it, or never will.
		 */
		r->last_eliciting = now;
		return;
	}
	if (r->pto_count < MAX_BACKOFF)
		r->pto_count++;
	r->ptos++;
	r->probes = PTO_PROBES;
}

void inlay_recovery_on_timer(struct inlay_recovery *r, inlay_ns now)
{
	struct ack_result result = {.limited = r->limited};

	scan(r, now);
	if (r->loss_time != INLAY_NEVER) {
		if (r->loss_time <= now)
			result.lost = detect_lost(r, now);
		tell_controller(r, &result, false, false, now);
	} else if (inlay_recovery_loss_deadline(r) <= now) {
		on_pto(r, now);
	}
	inlay_sentlog_advance(r->log, HOLE_GRACE, now);
	inlay_recovery_set_limits(r, now);
}

void inlay_recovery_reset_path(struct inlay_recovery *r, enum inlay_cc_algorithm cc)
{
	inlay_ns now = r->pacer.last;

	inlay_cc_init(&r->cc, cc, r->cc.mtu);
	inlay_rtt_init(&r->rtt, 0, 0, 0, 0, r->rtt.max_ack_delay);
	inlay_rate_init(&r->rate);
	inlay_pacer_init(&r->pacer, inlay_load_u64(&r->log->entry->bytes_sent), r->cc.mtu);
	r->path_first = inlay_load_u64(&r->log->entry->next_pn);
	inlay_recovery_set_limits(r, now);
}

void inlay_recovery_set_mtu(struct inlay_recovery *r, __u64 mtu)
{
	r->cc.mtu = mtu;
	if (r->cc.cwnd < inlay_cc_min_window(&r->cc))
		r->cc.cwnd = inlay_cc_min_window(&r->cc);
	inlay_recovery_set_limits(r, r->pacer.last);
}

void inlay_recovery_on_ce(struct inlay_recovery *r, __u64 newly, inlay_ns now)
{
	if (newly == 0)
		return;
	inlay_cc_on_ce(&r->cc, r->largest_sent, now);
	inlay_recovery_set_limits(r, now);
}
