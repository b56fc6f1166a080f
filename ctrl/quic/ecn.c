/* SPDX-License-Identifier: BSD-2-Clause */
#include "ecn.h"

const char *inlay_ecn_state_name(enum inlay_ecn_state state)
{
	switch (state) {
	case INLAY_ECN_TESTING:
		return "testing";
	case INLAY_ECN_UNKNOWN:
		return "unknown";
	case INLAY_ECN_CAPABLE:
		return "capable";
	case INLAY_ECN_FAILED:
		break;
	}
	return "failed";
}

void inlay_ecn_init(struct inlay_ecn_path *e, bool enabled, __u64 next_pn)
{
	*e = (struct inlay_ecn_path){
		.state = enabled ? INLAY_ECN_TESTING : INLAY_ECN_FAILED,
		.enabled = enabled,
		.first_pn = next_pn,
	};
}

void inlay_ecn_restart(struct inlay_ecn_path *e, __u64 next_pn)
{
	e->state = e->enabled ? INLAY_ECN_TESTING : INLAY_ECN_FAILED;
	e->first_pn = next_pn;
	e->started = 0;
	e->tested = 0;
	e->lost = 0;
	e->acked = 0;
	e->acked_now = 0;
	e->base = e->counts.ect0 + e->counts.ce;
	e->base_ect1 = e->counts.ect1;
	e->base_acked = e->acked_ever;
}

/* A.4: not one of those that were sent in order to find out has arrived. */
static void judge_losses(struct inlay_ecn_path *e)
{
	if (e->state == INLAY_ECN_UNKNOWN && e->tested > 0 && e->lost >= e->tested && e->acked == 0)
		e->state = INLAY_ECN_FAILED;
}

enum inlay_ecn inlay_ecn_mark(struct inlay_ecn_path *e, bool tests, inlay_ns pto, inlay_ns now)
{
	if (e->state == INLAY_ECN_CAPABLE)
		return INLAY_ECN_ECT0;
	if (e->state != INLAY_ECN_TESTING)
		return INLAY_ECN_NOT_ECT;
	/* A.4: the first packets, for as long as it takes to hear of them. */
	if (e->tested >= INLAY_ECN_TEST_PKTS ||
	    (e->started && now >= e->started + INLAY_ECN_TEST_PTOS * pto)) {
		e->state = INLAY_ECN_UNKNOWN;
		judge_losses(e);
		return INLAY_ECN_NOT_ECT;
	}
	return tests ? INLAY_ECN_ECT0 : INLAY_ECN_NOT_ECT;
}

void inlay_ecn_on_sent(struct inlay_ecn_path *e, inlay_ns now)
{
	e->sent_most++;
	if (e->state != INLAY_ECN_TESTING)
		return;
	if (e->started == 0)
		e->started = now;
	e->tested++;
}

void inlay_ecn_begin_ack(struct inlay_ecn_path *e)
{
	e->acked_now = 0;
}

void inlay_ecn_on_lost(struct inlay_ecn_path *e, __u64 pn)
{
	if (pn < e->first_pn)
		return;
	e->lost++;
	judge_losses(e);
}

/* RFC 9000 section 13.4.2.1. */
static bool is_valid(const struct inlay_ecn_path *e, const struct inlay_quic_ecn_counts *n,
		     __u64 unpublished)
{
	__u64 rise, most;

	/* Totals do not fall; and nobody sends ECT(1) here. */
	if (n->ect0 < e->counts.ect0 || n->ce < e->counts.ce || n->ect1 != e->base_ect1)
		return false;
	rise = n->ect0 + n->ce - e->base;
	/* The taker of a number may have sent it by the time that the peer saw it. */
	most = e->sent_most + unpublished - e->base_acked;
	return rise >= e->acked && rise <= most;
}

/* Counts that are of no use here may be what another path begins with. */
static void note_counts(struct inlay_ecn_path *e, const struct inlay_quic_ack *ack)
{
	if (ack->has_ecn)
		e->counts = ack->ecn;
}

__u64 inlay_ecn_end_ack(struct inlay_ecn_path *e, const struct inlay_quic_ack *ack, bool raised,
			__u64 unpublished)
{
	__u64 ce;

	/* An ACK that was overtaken must not make validation fail. */
	if (!raised || !e->enabled)
		return 0;
	if (e->state == INLAY_ECN_FAILED) {
		note_counts(e, ack);
		return 0;
	}
	if (!ack->has_ecn) {
		if (e->acked_now > 0)
			e->state = INLAY_ECN_FAILED;
		return 0;
	}
	if (!is_valid(e, &ack->ecn, unpublished)) {
		e->state = INLAY_ECN_FAILED;
		note_counts(e, ack);
		return 0;
	}
	ce = ack->ecn.ce - e->counts.ce;
	e->counts = ack->ecn;
	if (e->acked > 0)
		e->state = INLAY_ECN_CAPABLE;
	return ce;
}
