/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The control plane of the racing tests: one of its steps at a time, at random. It keeps to the
 * rules of design section 5 and to nothing else: it has no idea of why it does what it does.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inlay_moq_framer.h"
#include "race.h"

#define POSITIONS    64 /* of a track that are looked at: never more in use */
#define SEATS_NOW    (RACE_SUBSCRIBERS * RACE_UPSTREAMS)
#define STREAM_LIMIT 300 /* initial_max_stream_data_uni */
#define ROUNDS_MAX   1000000

enum seat_state {
	SEAT_NONE,
	SEAT_ON,
	SEAT_OFF,  /* not quiet yet */
	SEAT_LEGS, /* its legs are being recalled */
};

/* A position in use. */
struct seat {
	enum seat_state state;
	__u32 life, upstream, position, number;
	struct inlay_moment moment;
};

/* What is under way on a leg. */
struct note {
	bool recalled; /* and not quiet yet */
	struct inlay_moment moment;
};

struct race_control {
	struct race *r;
	__u64 rng, now;
	__u32 n_lives, n_seats; /* ever */
	struct seat seats[SEATS_NOW];
	struct seat *seat_of[RACE_UPSTREAMS][POSITIONS];
	__u32 lives[RACE_SUBSCRIBERS]; /* in use; their index is the seat's / RACE_UPSTREAMS */
	bool ending[RACE_SUBSCRIBERS];
	struct note notes[RACE_SLOTS][POSITIONS];
	bool putting[RACE_SLOTS];
	__u16 generations[RACE_SLOTS]; /* when they were put */
	__u64 journal_seen[RACE_UPSTREAMS][RACE_JOURNAL];
	struct {
		__u64 recalls, offers, puts, offs, flips, own, voids, hands;
	} n;
};

/* --- Subscribers ----------------------------------------------------------------------------- */

static struct inlay_subscriber *entry_of(struct race_control *c, const struct race_life *life)
{
	return inlay_state_subscriber(c->r->st, life->subscriber);
}

static void write_headers(struct race_control *c, struct inlay_headers *h)
{
	__u8 pattern = (__u8)race_random(&c->rng);
	__u32 len = 4U + pattern % 16;

	memset(h, 0, sizeof(*h));
	h->bytes[0] = 0x43;
	memset(h->bytes + 1, pattern, len);
	h->quic_len = (__u8)(1 + len + INLAY_TX_PN);
}

static void fill_entry(struct race_control *c, struct race_life *life, __u32 number)
{
	struct inlay_subscriber *s = entry_of(c, life);

	life->streams_granted = s->stream_limit = 8;
	life->flow_granted = s->flow_limit = 2000;
	life->bytes_granted = 3000;
	for (int i = 0; i < INLAY_CLASSES; i++)
		s->class_limit[i] = 3000;
	for (int i = 0; i < RACE_STREAMS; i++)
		life->streams[i].granted = STREAM_LIMIT;
	s->initial_stream_limit = STREAM_LIMIT;
	s->max_datagram = 65535;
	s->path_mtu = 1400;
	s->sa = number;
	s->sa_generation = 1;
	s->initiator = 1;
	write_headers(c, &s->headers[0]);
}

static bool begin_life(struct race_control *c, __u32 i)
{
	__u32 number = c->n_lives + 1;
	struct race_life *life = &c->r->lives[number];

	if (number == RACE_LIVES || inlay_state_subscriber_get(c->r->st, &life->subscriber))
		return false;
	c->n_lives++;
	fill_entry(c, life, number);
	if (inlay_sentlog_init(&life->log, entry_of(c, life),
			       inlay_state_log(c->r->st, life->subscriber), RACE_LOG, c->r->st))
		abort();
	inlay_state_moment(c->r->st, &life->flipped);
	c->lives[i] = number;
	c->ending[i] = false;
	return true;
}

/* Nobody else uses the entry at the moment. */
static void audit_life(struct race_control *c, struct race_life *life)
{
	const struct inlay_subscriber *s = entry_of(c, life);
	const struct inlay_sent *log = inlay_state_log(c->r->st, life->subscriber);
	__u64 next = inlay_load_u64(&s->next_pn), from = next > RACE_LOG ? next - RACE_LOG : 0;

	race_expect(c->r, inlay_load_u64(&s->bytes_sent) ==
				  inlay_load_u64(&life->bytes) + life->own_bytes);
	race_expect(c->r,
		    inlay_load_u64(&s->flow_bytes) == inlay_load_u64(&life->flow) + life->own_flow);
	for (__u64 pn = from; pn < next && pn < RACE_PNS; pn++) {
		const struct inlay_sent *e = &log[pn & (RACE_LOG - 1)];
		bool came_out = life->seen[pn / 64] >> (pn & 63) & 1;

		race_expect(c->r,
			    came_out == (e->pn_state == INLAY_SENT_WORD(pn, INLAY_SENT_SENT) &&
					 !(inlay_sentlog_flags(e) & INLAY_SENT_LOCAL)));
	}
}

static void end_life(struct race_control *c, __u32 i)
{
	struct race_life *life = &c->r->lives[c->lives[i]];

	audit_life(c, life);
	inlay_xchg_u32(&life->dead, 1);
	inlay_sentlog_fini(&life->log);
	inlay_state_subscriber_put(c->r->st, life->subscriber);
	c->lives[i] = 0;
}

/* Numbers that are open have their own places. */
static void acknowledge(struct race_control *c, struct race_life *life)
{
	struct inlay_sentlog *l = &life->log;
	__u64 next = inlay_load_u64(&entry_of(c, life)->next_pn);

	for (__u64 pn = l->oldest; pn < next; pn++) {
		enum inlay_sent_fate fate = inlay_sentlog_fate(l, pn);
		__u64 word = inlay_load_u64(&inlay_sentlog_entry(l, pn)->pn_state);

		race_expect(c->r, INLAY_SENT_WORD_PN(word) <= pn);
		c->n.voids += fate == INLAY_FATE_VOID && pn >= life->scanned;
		if (fate != INLAY_FATE_OPEN && fate != INLAY_FATE_QUIET)
			continue;
		if (inlay_sentlog_is_new(l, pn))
			inlay_sentlog_note(l, pn);
		if (race_chance(&c->rng, 60))
			inlay_sentlog_resolve(l, pn,
					      race_chance(&c->rng, 10) ? INLAY_FATE_LOST
								       : INLAY_FATE_ACKED);
	}
	life->scanned = next;
	/* Grace 0: whoever is between taking and publishing loses his number. */
	inlay_sentlog_advance(l, race_chance(&c->rng, 40) ? 0 : INLAY_S, c->now);
}

static void send_own(struct race_control *c, struct race_life *life)
{
	const struct inlay_sent e = {.flags = INLAY_SENT_LOCAL, .packet_size = 40};
	struct inlay_subscriber *s = entry_of(c, life);

	if (!inlay_sentlog_may_take(&life->log, race_chance(&c->rng, 20)))
		return;
	if (race_chance(&c->rng, 10)) {
		inlay_sentlog_skip(&life->log);
		return;
	}
	inlay_fetch_add_u64(&s->bytes_sent, e.packet_size);
	life->own_bytes += e.packet_size;
	race_expect(c->r, inlay_sentlog_publish(&life->log, inlay_sentlog_take(&life->log), &e, 0));
	c->n.own++;
}

/* What is granted is told to the sink first. */
static void move_limits(struct race_control *c, struct race_life *life)
{
	struct inlay_subscriber *s = entry_of(c, life);
	__u64 window = inlay_load_u64(&s->bytes_sent) + race_random(&c->rng) % 3000;

	if (window > life->bytes_granted)
		inlay_store_u64(&life->bytes_granted, window);
	for (int i = 0; i < INLAY_CLASSES; i++)
		inlay_store_u64(&s->class_limit[i], window);
	if (race_chance(&c->rng, 40)) {
		__u64 flow = inlay_load_u64(&s->flow_bytes) + race_random(&c->rng) % 1000;

		if (flow > life->flow_granted)
			inlay_store_u64(&life->flow_granted, flow);
		inlay_store_u64(&s->flow_limit, life->flow_granted);
	}
	if (race_chance(&c->rng, 30) && life->streams_granted + 4 < RACE_STREAMS) {
		inlay_store_u64(&life->streams_granted, life->streams_granted + 3);
		inlay_store_u64(&s->stream_limit, life->streams_granted);
	}
}

static void flip_headers(struct race_control *c, struct race_life *life)
{
	struct inlay_subscriber *s = entry_of(c, life);
	__u32 idle = !inlay_load_u32(&s->headers_index);

	/* Who held the idle copy when it was in force has gone. */
	if (!inlay_state_is_quiet(c->r->st, &life->flipped))
		return;
	write_headers(c, &s->headers[idle]);
	inlay_xchg_u32(&s->headers_index, idle);
	inlay_state_moment(c->r->st, &life->flipped);
	c->n.flips++;
}

/* --- Legs ------------------------------------------------------------------------------------- */

static struct inlay_leg *leg_at(struct race_control *c, __u32 slot, __u32 position)
{
	return &c->r->t->legs[(size_t)slot * INLAY_POSITIONS + position];
}

/* Does a stream stand there whose legs may be looked at? */
static bool is_followed(struct race_control *c, __u32 slot)
{
	__u32 state = inlay_load_u32(&c->r->t->slots[slot].state);

	/* Free, and another stream's perhaps. */
	if (c->r->t->slots[slot].generation != c->generations[slot])
		c->putting[slot] = false;
	return !c->putting[slot] && state != INLAY_SLOT_FREE && state != INLAY_SLOT_CLAIMED;
}

static __u32 upstream_of(struct race_control *c, __u32 slot)
{
	return c->r->t->slots[slot].track == c->r->tracks[1];
}

static struct race_stream *stream_of(struct race_control *c, __u32 slot, __u32 position)
{
	const struct seat *seat = c->seat_of[upstream_of(c, slot)][position];

	return &c->r->lives[seat->life].streams[leg_at(c, slot, position)->stream];
}

static void recall(struct race_control *c, __u32 slot, __u32 position)
{
	struct inlay_leg *leg = leg_at(c, slot, position);
	struct note *note = &c->notes[slot][position];

	if (note->recalled)
		return;
	if (!inlay_cas_u32(&leg->state, INLAY_LEG_ATTACHED, INLAY_LEG_DETACHED) &&
	    !inlay_cas_u32(&leg->state, INLAY_LEG_OFFERED, INLAY_LEG_DETACHED))
		return;
	note->recalled = true;
	inlay_state_moment(c->r->st, &note->moment);
	c->n.recalls++;
}

/* True: the leg is ours, or nobody's, and nobody is still at work on it. */
static bool is_settled(struct race_control *c, __u32 slot, __u32 position)
{
	struct note *note = &c->notes[slot][position];
	__u32 state = inlay_load_u32(&leg_at(c, slot, position)->state);

	if (state != INLAY_LEG_NONE && state != INLAY_LEG_DETACHED)
		return false;
	if (note->recalled && !inlay_state_is_quiet(c->r->st, &note->moment))
		return false;
	note->recalled = false;
	if (state == INLAY_LEG_DETACHED && c->seat_of[upstream_of(c, slot)][position])
		inlay_xchg_u32(&stream_of(c, slot, position)->closed, 1);
	return true;
}

/* The control plane has sent everything below R, and now the forwarder may go on. */
static void offer(struct race_control *c, __u32 slot, __u32 position)
{
	struct inlay_slot *s = &c->r->t->slots[slot];
	struct inlay_leg *leg = leg_at(c, slot, position);
	const struct seat *seat = c->seat_of[upstream_of(c, slot)][position];
	struct race_life *life;
	struct race_stream *stream;
	__u64 from, rise;

	if (!seat || seat->state != SEAT_ON || !is_settled(c, slot, position) ||
	    inlay_load_u32(&leg->state) != INLAY_LEG_DETACHED)
		return;
	life = &c->r->lives[seat->life];
	stream = stream_of(c, slot, position);
	leg->attach = inlay_load_u64(&s->highest) + race_random(&c->rng) % 2 * RACE_OBJECT;
	from = leg->attach + (__u64)(__s64)leg->shift;
	if (from < leg->charged)
		return;
	rise = from - leg->charged;
	inlay_store_u64(&life->flow_granted, life->flow_granted + rise);
	inlay_store_u64(&entry_of(c, life)->flow_limit, life->flow_granted);
	inlay_fetch_add_u64(&entry_of(c, life)->flow_bytes, rise);
	life->own_flow += rise;
	leg->charged = from;
	stream->highest = from;
	/* Its first copy may have been void: then nothing came out of it yet. */
	stream->tag = race_tag(upstream_of(c, slot), s->stream);
	inlay_store_u64(&stream->granted, from + race_random(&c->rng) % 400);
	inlay_store_u64(&leg->limit, stream->granted);
	inlay_xchg_u32(&stream->closed, 0);
	inlay_xchg_u32(&leg->state, INLAY_LEG_OFFERED);
	c->n.offers++;
}

static void raise_leg(struct race_control *c, __u32 slot, __u32 position)
{
	struct inlay_leg *leg = leg_at(c, slot, position);
	struct race_stream *stream;

	if (!c->seat_of[upstream_of(c, slot)][position] ||
	    inlay_load_u32(&leg->state) != INLAY_LEG_ATTACHED)
		return;
	stream = stream_of(c, slot, position);
	inlay_store_u64(&stream->granted, stream->granted + race_random(&c->rng) % 200);
	inlay_store_u64(&leg->limit, stream->granted);
}

/* --- Slots ------------------------------------------------------------------------------------ */

static bool recall_all(struct race_control *c, __u32 slot)
{
	bool settled = true;

	for (__u32 i = 0; i < POSITIONS; i++) {
		recall(c, slot, i);
		settled &= is_settled(c, slot, i);
	}
	return settled;
}

static void put_slot(struct race_control *c, __u32 slot)
{
	if (!is_followed(c, slot) || !recall_all(c, slot))
		return;
	c->generations[slot] = c->r->t->slots[slot].generation;
	c->putting[slot] = true;
	inlay_state_slot_put(c->r->st, slot);
	c->n.puts++;
}

/* Gives the framing back, at an object's beginning. */
static void hand_over(struct race_control *c, __u32 slot)
{
	struct inlay_slot *s = &c->r->t->slots[slot];
	struct inlay_framing *g = &s->hand;
	__u64 at;

	if (inlay_load_u32(&s->state) != INLAY_SLOT_UNFRAMED)
		return;
	at = (inlay_load_u64(&s->highest) - c->r->header_len + RACE_OBJECT - 1) / RACE_OBJECT + 1;
	memset(g, 0, sizeof(*g));
	g->offset = c->r->header_len + at * RACE_OBJECT;
	g->state = INLAY_MOQ_FRAMER_OBJECT;
	g->objects = (__u32)at;
	g->object = at - 1;
	inlay_cas_u32(&s->state, INLAY_SLOT_UNFRAMED, INLAY_SLOT_OFFERED);
	c->n.hands++;
}

static void touch_slot(struct race_control *c)
{
	__u32 slot = (__u32)race_random(&c->rng) % RACE_SLOTS;
	__u32 position = (__u32)race_random(&c->rng) % (2 * RACE_SUBSCRIBERS);
	bool over;

	inlay_state_reclaim(c->r->st);
	if (!is_followed(c, slot))
		return;
	over = inlay_load_u64(&c->r->t->slots[slot].final_size) != ~0ULL ||
	       inlay_load_u32(&c->r->t->slots[slot].state) == INLAY_SLOT_DECLINED;
	if (race_chance(&c->rng, over ? 60 : 2))
		put_slot(c, slot);
	else if (race_chance(&c->rng, 30))
		hand_over(c, slot);
	else if (race_chance(&c->rng, 30))
		raise_leg(c, slot, position);
	else if (race_chance(&c->rng, 60))
		offer(c, slot, position);
	else
		recall(c, slot, position);
}

/* --- Positions -------------------------------------------------------------------------------- */

static void take_seat(struct race_control *c, struct seat *seat, __u32 life, __u32 upstream)
{
	__u32 track = c->r->tracks[upstream];
	struct inlay_position *p;

	if (c->n_seats + 1 == RACE_SEATS ||
	    inlay_state_position_get(c->r->st, track, &seat->position))
		return;
	if (seat->position >= POSITIONS)
		abort();
	p = &c->r->t->positions[(size_t)track * INLAY_POSITIONS + seat->position];
	seat->number = ++c->n_seats;
	seat->life = life;
	seat->upstream = upstream;
	seat->state = SEAT_ON;
	c->seat_of[upstream][seat->position] = seat;
	c->r->lives[life].seats++;
	p->subscriber = c->r->lives[life].subscriber;
	p->generation = entry_of(c, &c->r->lives[life])->generation;
	p->end_group = ~0ULL;
	p->alias = seat->number;
	for (size_t i = 0; i < INLAY_ARRAY_SIZE(p->thresholds); i++)
		p->thresholds[i] = (__u16)(race_random(&c->rng) % 300);
	inlay_xchg_u32(&p->state, INLAY_POSITION_ARMED);
}

static bool settle_legs(struct race_control *c, const struct seat *seat)
{
	bool settled = true;

	for (__u32 slot = 0; slot < RACE_SLOTS; slot++) {
		if (!is_followed(c, slot) || upstream_of(c, slot) != seat->upstream)
			continue;
		recall(c, slot, seat->position);
		settled &= is_settled(c, slot, seat->position);
	}
	return settled;
}

static void move_seat(struct race_control *c, struct seat *seat)
{
	__u32 track = c->r->tracks[seat->upstream];
	struct inlay_position *p =
		&c->r->t->positions[(size_t)track * INLAY_POSITIONS + seat->position];

	if (seat->state == SEAT_ON && race_chance(&c->rng, 1)) {
		inlay_xchg_u32(&p->state, INLAY_POSITION_OFF);
		inlay_state_moment(c->r->st, &seat->moment);
		seat->state = SEAT_OFF;
		c->n.offs++;
	} else if (seat->state == SEAT_OFF && inlay_state_is_quiet(c->r->st, &seat->moment)) {
		inlay_xchg_u32(&c->r->seat_dead[seat->number], 1);
		seat->state = SEAT_LEGS;
	} else if (seat->state == SEAT_LEGS && settle_legs(c, seat)) {
		for (__u32 slot = 0; slot < RACE_SLOTS; slot++)
			if (is_followed(c, slot) && upstream_of(c, slot) == seat->upstream)
				c->notes[slot][seat->position].recalled = false;
		inlay_state_position_put(c->r->st, track, seat->position);
		c->seat_of[seat->upstream][seat->position] = NULL;
		c->r->lives[seat->life].seats--;
		seat->state = SEAT_NONE;
	}
}

static void touch_seat(struct race_control *c)
{
	__u32 n = (__u32)race_random(&c->rng) % SEATS_NOW, i = n / RACE_UPSTREAMS;
	struct seat *seat = &c->seats[n];

	if (!c->lives[i] && !begin_life(c, i))
		return;
	if (seat->state == SEAT_NONE && !c->ending[i])
		take_seat(c, seat, c->lives[i], n % RACE_UPSTREAMS);
	else if (seat->state != SEAT_NONE)
		move_seat(c, seat);
	if (inlay_load_u64(&entry_of(c, &c->r->lives[c->lives[i]])->next_pn) > RACE_PNS - 500 ||
	    race_chance(&c->rng, 1))
		c->ending[i] = true;
	if (c->ending[i] && c->r->lives[c->lives[i]].seats == 0)
		end_life(c, i);
}

/* --- Upstreams -------------------------------------------------------------------------------- */

static void touch_upstream(struct race_control *c)
{
	__u32 i = (__u32)race_random(&c->rng) % RACE_UPSTREAMS;
	struct inlay_upstream *up = &c->r->t->upstreams[c->r->upstreams[i]];
	__u64 pn = inlay_load_u64(&c->r->next_pn[i]), number = race_random(&c->rng) % 4;
	struct inlay_journal *j;
	__u64 word, *seen;

	if (pn > RACE_JOURNAL / 2)
		inlay_store_u64(&up->journal_mark, pn - RACE_JOURNAL / 2);
	/* A packet that came another way, perhaps. */
	pn += race_random(&c->rng) % 3;
	j = &c->r->t->journals[(size_t)c->r->upstreams[i] * RACE_JOURNAL + pn % RACE_JOURNAL];
	word = inlay_load_u64(&j->word);
	race_expect(c->r, INLAY_JOURNAL_PN(word) >= c->journal_seen[i][pn % RACE_JOURNAL]);
	c->journal_seen[i][pn % RACE_JOURNAL] = INLAY_JOURNAL_PN(word);
	if (race_chance(&c->rng, 20) && INLAY_JOURNAL_PN(word) < pn)
		(void)inlay_cas_u64(&j->word, word, INLAY_JOURNAL_WORD(pn, INLAY_JOURNAL_CONTROL));
	/* And a stream that it saw first. */
	for (int probe = 0; probe < 4; probe++, number += 4) {
		seen = &up->seen[number & (INLAY_SEEN - 1)];
		word = inlay_load_u64(seen);
		if (word == INLAY_SEEN_EMPTY && race_chance(&c->rng, 2))
			(void)inlay_cas_u64(seen, word,
					    INLAY_SEEN_WORD(number, INLAY_SEEN_CONVENTIONAL));
	}
}

/* --- All of it -------------------------------------------------------------------------------- */

struct race_control *race_control_new(struct race *r, __u64 seed)
{
	struct race_control *c = calloc(1, sizeof(*c));

	if (!c)
		abort();
	c->r = r;
	c->rng = seed * 0x9e3779b97f4a7c15ULL | 1;
	c->now = 10 * INLAY_S;
	for (__u32 i = 0; i < RACE_SUBSCRIBERS; i++)
		if (!begin_life(c, i))
			abort();
	for (__u32 i = 0; i < SEATS_NOW; i++)
		take_seat(c, &c->seats[i], c->lives[i / RACE_UPSTREAMS], i % RACE_UPSTREAMS);
	return c;
}

void race_control_free(struct race_control *c)
{
	for (__u32 i = 0; i < RACE_SUBSCRIBERS; i++)
		if (c->lives[i])
			inlay_sentlog_fini(&c->r->lives[c->lives[i]].log);
	free(c);
}

void race_control_step(struct race_control *c)
{
	__u32 number = c->lives[race_random(&c->rng) % RACE_SUBSCRIBERS];
	struct race_life *life = &c->r->lives[number];

	c->now += INLAY_MS;
	switch (number ? race_random(&c->rng) % 10 : 9) {
	case 0:
	case 1:
		acknowledge(c, life);
		break;
	case 2:
		move_limits(c, life);
		break;
	case 3:
		send_own(c, life);
		break;
	case 4:
		flip_headers(c, life);
		break;
	case 5:
	case 6:
	case 7:
		touch_slot(c);
		break;
	case 8:
		touch_upstream(c);
		break;
	default:
		touch_seat(c);
	}
}

void race_control_audit(struct race_control *c)
{
	for (__u32 i = 0; i < RACE_SUBSCRIBERS; i++)
		if (c->lives[i])
			audit_life(c, &c->r->lives[c->lives[i]]);
	for (__u32 i = 0; i < RACE_UPSTREAMS; i++)
		race_expect(c->r, c->r->t->upstreams[c->r->upstreams[i]].owner == 0);
}

void race_control_print(const struct race_control *c)
{
	printf("# control plane: %u entries, %u positions, %llu off, %llu recalls, %llu offers, "
	       "%llu "
	       "slots put, %llu framings handed over, %llu flips, %llu own packets, %llu numbers "
	       "void\n",
	       c->n_lives, c->n_seats, (unsigned long long)c->n.offs,
	       (unsigned long long)c->n.recalls, (unsigned long long)c->n.offers,
	       (unsigned long long)c->n.puts, (unsigned long long)c->n.hands,
	       (unsigned long long)c->n.flips, (unsigned long long)c->n.own,
	       (unsigned long long)c->n.voids);
}
