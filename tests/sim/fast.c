/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The relay's forwarder, where the data thread has it: between the opening of packets and the ring
 * to the control thread. Its copies are on the wire before the originals are read. Beside it there
 * is another context that now and then holds what it read for a while, so that quiescence takes
 * time; and now and then its host drops a copy.
 */
#include <stdlib.h>
#include <string.h>

#include "fanout.h"
#include "sim.h"

#define BURST	  32
#define CONTEXT	  0
#define BYSTANDER 1
#define SLOTS	  256
#define POSITIONS 16 /* looked at */

struct sim_fast {
	struct sim *sim;
	struct inlay_state *state;
	struct inlay_fanout *fanout;
	struct inlay_frame frames[BURST];
	size_t n;
	__u64 streams[SLOTS];
	__u8 legs[SLOTS * POSITIONS]; /* their states, when they were looked at */
	inlay_ns released; /* when the bystander lets go; INLAY_NEVER: it holds nothing */
};

static struct inlay_context *bystander(const struct sim_fast *f)
{
	return &inlay_state_tables(f->state)->contexts[BYSTANDER];
}

/* --- The wire -------------------------------------------------------------------------------- */

static size_t send_copies(void *user, __u16 port, const struct inlay_port_item *items, size_t n)
{
	struct sim_fast *f = user;
	struct sim *s = f->sim;

	for (size_t i = 0; i < n; i++) {
		const struct inlay_frame *frame = items[i].frame;

		if (s->plan.refuse_ppm && seeded_below(&s->rng, 1000000) < s->plan.refuse_ppm) {
			s->refused += n - i;
			return i;
		}
		sim_wire_down(s, &frame->path.remote, frame->data, items[i].len, items[i].ecn);
	}
	return n;
}

static const struct inlay_fanout_ops ops = {.send = send_copies};

/* --- Birth and death ------------------------------------------------------------------------- */

struct sim_fast *sim_fast_new(struct sim *s)
{
	struct inlay_fanout_config config = {
		.context = CONTEXT, .provider = sim_tls_provider(s->tls, true), .ops = &ops};
	struct sim_fast *f;

	if (!s->plan.forward)
		return NULL;
	f = calloc(1, sizeof(*f));
	if (!f || inlay_state_new(&s->plan.state, &f->state))
		abort();
	f->sim = s;
	f->released = INLAY_NEVER;
	config.tables = inlay_state_tables(f->state);
	config.user = f;
	if (inlay_fanout_new(&config, &f->fanout))
		abort();
	return f;
}

static void release(struct sim_fast *f)
{
	if (f->released == INLAY_NEVER)
		return;
	inlay_context_leave(bystander(f));
	f->released = INLAY_NEVER;
}

static void sum_up(struct sim_fast *f)
{
	const struct inlay_reason_counters *reasons = inlay_fanout_reasons(f->fanout);
	struct inlay_fanout_stats stats;

	inlay_fanout_stats(f->fanout, &stats);
	f->sim->copies += stats.copies;
	if (!f->sim->plan.malformed && inlay_load_u64(&reasons->count[INLAY_REASON_MALFORMED]) > 0)
		sim_fail(f->sim, "the forwarder calls malformed what is not");
	for (int i = 0; i < INLAY_N_REASONS; i++)
		f->sim->reasons[i] += inlay_load_u64(&reasons->count[i]);
}

void sim_fast_stop(struct sim_fast *f)
{
	if (!f)
		return;
	sum_up(f);
	release(f);
	inlay_fanout_free(f->fanout);
	f->fanout = NULL;
}

void sim_fast_free(struct sim_fast *f)
{
	if (!f)
		return;
	inlay_state_free(f->state);
	free(f);
}

struct inlay_state *sim_fast_state(const struct sim_fast *f)
{
	return f ? f->state : NULL;
}

/* --- What has to hold of the shared state ---------------------------------------------------- */

/* An attached leg has sent all that its slot has followed; what is between was never there. */
static void check_leg(struct sim_fast *f, const struct inlay_slot *slot, __u32 index,
		      const struct inlay_leg *leg)
{
	const struct inlay_tables *t = inlay_state_tables(f->state);
	const struct inlay_position *p =
		&t->positions[(size_t)slot->track * INLAY_POSITIONS + index];
	const struct inlay_subscriber *e = &t->subscribers[p->subscriber & (t->n_subscribers - 1)];
	__u64 id = (__u64)leg->stream << 2 | 2 | (e->initiator & 1), highest;

	if (leg->state != INLAY_LEG_ATTACHED || p->generation != e->generation ||
	    !sim_flows_highest(f->sim, e, id, &highest))
		return;
	if (highest != slot->highest + (__u64)(__s64)leg->shift)
		sim_fail(f->sim, "an attached leg is at %llu, its slot at %llu%+d",
			 (unsigned long long)highest, (unsigned long long)slot->highest,
			 leg->shift);
}

/* Is there a frame of |stream| in the burst that begins at |offset|? */
static bool begins_at(const struct sim_fast *f, __u64 stream, __u64 offset)
{
	struct inlay_quic_clear clear;
	struct inlay_quic_frame frame;

	for (size_t i = 0; i < f->n; i++) {
		if (!inlay_quic_clear_parse(f->frames[i].data, f->frames[i].len, INLAY_OWN_CID,
					    &clear))
			continue;
		while (inlay_cursor_left(&clear.frames) > 0 &&
		       !inlay_quic_frame_parse(&clear.frames, &frame))
			if (frame.type == INLAY_QUIC_STREAM && frame.stream.id >> 2 == stream &&
			    frame.stream.offset == offset)
				return true;
	}
	return false;
}

/* Rule 6: a leg for which there was no credit notes where the frame begins that it was refused. */
static void check_detached(struct sim_fast *f, const struct inlay_slot *slot, __u8 *last,
			   const struct inlay_leg *leg)
{
	bool news = leg->state == INLAY_LEG_DETACHED && *last == INLAY_LEG_ATTACHED;

	*last = (__u8)leg->state;
	if (!news ||
	    (leg->reason != INLAY_REASON_NO_WINDOW && leg->reason != INLAY_REASON_NO_DATA &&
	     leg->reason != INLAY_REASON_NO_STREAM_DATA && leg->reason != INLAY_REASON_LOG_FULL))
		return;
	if (!begins_at(f, slot->stream, leg->detach))
		sim_fail(f->sim, "a leg is detached at %llu, where no frame begins",
			 (unsigned long long)leg->detach);
}

static void check_slots(struct sim_fast *f)
{
	const struct inlay_tables *t = inlay_state_tables(f->state);

	for (__u32 i = 0; i < t->n_slots; i++) {
		const struct inlay_slot *slot = &t->slots[i];

		if (slot->state != INLAY_SLOT_LIVE || slot->stream != f->streams[i])
			memset(&f->legs[i * POSITIONS], 0, POSITIONS);
		f->streams[i] = slot->stream;
		if (slot->state != INLAY_SLOT_LIVE || slot->track >= t->n_tracks)
			continue;
		for (__u32 k = 0; k < t->tracks[slot->track].n_positions && k < POSITIONS; k++) {
			const struct inlay_leg *leg = &t->legs[(size_t)i * INLAY_POSITIONS + k];

			check_leg(f, slot, k, leg);
			check_detached(f, slot, &f->legs[i * POSITIONS + k], leg);
		}
	}
}

/* Copies made for positions that are off. */
static __u64 copies_to_none(const struct sim_fast *f)
{
	const struct inlay_tables *t = inlay_state_tables(f->state);
	__u64 n = 0;

	for (__u32 i = 0; i < t->n_tracks; i++)
		for (__u32 k = 0; k < t->tracks[i].n_positions; k++) {
			const struct inlay_position *p = &t->positions[i * INLAY_POSITIONS + k];

			n += p->state == INLAY_POSITION_OFF ? p->copies : 0;
		}
	return n;
}

/* Rule 3: nothing is forwarded that is further ahead than the journal remembers. */
static void check_journal(struct sim_fast *f, const struct inlay_frame *frame)
{
	const struct inlay_tables *t = inlay_state_tables(f->state);
	const struct inlay_upstream *up;
	const struct inlay_rx_sa *sa;
	struct inlay_quic_clear clear;
	__u64 word;

	if (!inlay_quic_clear_parse(frame->data, frame->len, INLAY_OWN_CID, &clear))
		return;
	sa = &t->sas[clear.sa & (t->n_sas - 1)];
	if (!sa->upstream || sa->number != clear.sa || sa->generation != clear.generation)
		return;
	up = &t->upstreams[sa->upstream - 1];
	word = t->journals[(size_t)(sa->upstream - 1) * t->journal_size +
			   (clear.pn & up->journal_mask)]
		       .word;
	if (word == INLAY_JOURNAL_WORD(clear.pn, INLAY_JOURNAL_DONE) &&
	    clear.pn > up->journal_mark + up->journal_mask)
		sim_fail(f->sim, "packet %llu is forwarded, and the journal is at %llu",
			 (unsigned long long)clear.pn, (unsigned long long)up->journal_mark);
}

/* --- Work ------------------------------------------------------------------------------------ */

void sim_fast_flush(struct sim_fast *f)
{
	struct inlay_frame *frames[BURST];
	struct sim *s = f ? f->sim : NULL;
	__u64 off;

	if (!f || f->n == 0)
		return;
	for (size_t i = 0; i < f->n; i++)
		frames[i] = &f->frames[i];
	off = copies_to_none(f);
	s->forwarding = true;
	for (size_t at = 0; at < f->n;)
		at += inlay_fanout_run(f->fanout, frames + at, f->n - at, s->now);
	s->forwarding = false;
	if (copies_to_none(f) != off)
		sim_fail(s, "a position that is off is sent copies");
	for (size_t i = 0; i < f->n; i++)
		check_journal(f, frames[i]);
	check_slots(f);
	sim_flows_touch(s);
	f->n = 0;
	if (f->released == INLAY_NEVER && s->plan.hold > 0 && sim_chance(&s->rng, 3)) {
		inlay_context_enter(bystander(f));
		f->released = s->now + seeded_below(&s->rng, s->plan.hold);
	}
}

void sim_fast_opened(struct sim_fast *f, const struct sim_packet *p)
{
	struct inlay_frame *frame;

	if (!f)
		return;
	frame = &f->frames[f->n++];
	memset(frame, 0, offsetof(struct inlay_frame, data));
	frame->len = p->len;
	frame->kind = INLAY_FRAME_CLEAR;
	frame->ecn = p->ecn;
	frame->path = p->path;
	frame->time = f->sim->now;
	memcpy(frame->data, p->data, p->len);
	if (f->n == BURST)
		sim_fast_flush(f);
}

inlay_ns sim_fast_deadline(const struct sim_fast *f)
{
	return f ? f->released : INLAY_NEVER;
}

void sim_fast_turn(struct sim_fast *f)
{
	if (f && f->released <= f->sim->now)
		release(f);
}
