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

struct sim_fast {
	struct sim *sim;
	struct inlay_state *state;
	struct inlay_fanout *fanout;
	struct inlay_frame frames[BURST];
	size_t n;
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

/* --- Work ------------------------------------------------------------------------------------ */

void sim_fast_flush(struct sim_fast *f)
{
	struct inlay_frame *frames[BURST];
	struct sim *s = f ? f->sim : NULL;

	if (!f || f->n == 0)
		return;
	for (size_t i = 0; i < f->n; i++)
		frames[i] = &f->frames[i];
	s->forwarding = true;
	inlay_fanout_run(f->fanout, frames, f->n, s->now);
	s->forwarding = false;
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
