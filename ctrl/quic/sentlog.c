/* SPDX-License-Identifier: BSD-2-Clause */
#include "sentlog.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "inlay_quic_frame.h"

/* Numbers kept back from ordinary packets: for ACKs, probes and closes, and for takers who looked
 * at pn_limit at the same moment as another. */
#define RESERVE_PNS	  16
#define CONCURRENCY_PNS	  INLAY_CONTEXTS
#define FRAMES_PER_PACKET 4 /* records in the pool, per log entry */
#define RESERVE_FRAMES	  (4 * RESERVE_PNS)
#define KEPT_PART	  16 /* of the log, for entries below the oldest that is open */
#define NO_PN		  (~0ULL)

static struct inlay_sent_slot *slot_of(const struct inlay_sentlog *l, __u64 pn)
{
	return &l->slots[pn & (l->size - 1)];
}

static __u64 *word_of(const struct inlay_sentlog *l, __u64 pn)
{
	return &l->log[pn & (l->size - 1)].pn_state;
}

/* The first number whose place is taken. */
static __u64 base(const struct inlay_sentlog *l)
{
	return (l->guard < l->oldest ? l->guard : l->oldest) + l->size;
}

/* Numbers below |oldest| whose entries are still read, for late ACKs: no forwarder is to have their
 * places, as it writes there when it likes. */
static __u64 kept(const struct inlay_sentlog *l)
{
	__u64 part = l->size / KEPT_PART;

	return part < INLAY_LOOK_BACK ? part : INLAY_LOOK_BACK;
}

static void set_limit(struct inlay_sentlog *l)
{
	__u64 limit = base(l) - RESERVE_PNS;

	inlay_store_u64(&l->entry->pn_limit, l->state ? limit - kept(l) : limit);
}

/* Might a forwarder be writing over the entry? */
static bool is_given(const struct inlay_sentlog *l, __u64 pn)
{
	return l->state && pn < l->oldest && pn + l->size < l->entry->pn_limit + CONCURRENCY_PNS;
}

int inlay_sentlog_init(struct inlay_sentlog *l, struct inlay_subscriber *entry,
		       struct inlay_sent *log, __u32 size, const struct inlay_state *state)
{
	__u32 i;

	memset(l, 0, sizeof(*l));
	if (size < 64 || (size & (size - 1)) || size > 1U << 20)
		return -EINVAL;
	l->entry = entry;
	l->log = log;
	l->size = size;
	l->pool_room = size * FRAMES_PER_PACKET;
	l->pool_left = l->pool_room;
	l->slots = calloc(size, sizeof(*l->slots));
	l->pool = calloc(l->pool_room, sizeof(*l->pool));
	if (!l->slots || !l->pool) {
		inlay_sentlog_fini(l);
		return -ENOMEM;
	}
	for (i = 0; i < size; i++)
		l->slots[i].pn = NO_PN;
	l->first = inlay_load_u64(&entry->next_pn);
	l->oldest = l->first;
	l->resolved_bytes = inlay_load_u64(&entry->bytes_sent);
	l->hole_since = INLAY_NEVER;
	l->state = state;
	l->guard = NO_PN;
	entry->log_mask = size - 1;
	set_limit(l);
	return 0;
}

void inlay_sentlog_fini(struct inlay_sentlog *l)
{
	free(l->slots);
	free(l->pool);
	l->slots = NULL;
	l->pool = NULL;
}

/* --- Sending --- */

bool inlay_sentlog_may_take(const struct inlay_sentlog *l, bool urgent)
{
	__u64 next = inlay_load_u64(&l->entry->next_pn);

	if (next >= INLAY_PN_MAX)
		return false;
	if (!urgent)
		return next < base(l) - RESERVE_PNS;
	return next < base(l) - CONCURRENCY_PNS;
}

__u64 inlay_sentlog_take(struct inlay_sentlog *l)
{
	return inlay_fetch_add_u64(&l->entry->next_pn, 1);
}

bool inlay_sentlog_is_short(const struct inlay_sentlog *l)
{
	return l->pool_left <= RESERVE_FRAMES;
}

/* What a probe, or an answer, consists of. */
static bool is_urgent(__u8 type)
{
	return type == INLAY_QUIC_ACK || type == INLAY_QUIC_PING ||
	       type == INLAY_QUIC_IMMEDIATE_ACK || type == INLAY_QUIC_PATH_CHALLENGE ||
	       type == INLAY_QUIC_PATH_RESPONSE;
}

bool inlay_sentlog_frame_add(struct inlay_sentlog *l, __u32 *head,
			     const struct inlay_sent_frame *frame)
{
	__u32 index = l->pool_free;
	struct inlay_sent_frame *f;

	if (inlay_sentlog_is_short(l) && !is_urgent(frame->type))
		return false;
	if (index)
		l->pool_free = l->pool[index - 1].next;
	else if (l->pool_used < l->pool_room)
		index = ++l->pool_used;
	else
		return false;
	l->pool_left--;
	f = &l->pool[index - 1];
	*f = *frame;
	f->next = *head;
	*head = index;
	return true;
}

void inlay_sentlog_frames_free(struct inlay_sentlog *l, __u32 head)
{
	while (head) {
		struct inlay_sent_frame *f = &l->pool[head - 1];
		__u32 next = f->next;

		f->next = l->pool_free;
		l->pool_free = head;
		l->pool_left++;
		head = next;
	}
}

/* Whatever an older number left in the slot goes. */
static void claim_slot(struct inlay_sentlog *l, __u64 pn, __u32 frames, enum inlay_sent_fate fate)
{
	struct inlay_sent_slot *s = slot_of(l, pn);

	if (s->pn != pn)
		inlay_sentlog_frames_free(l, s->frames);
	*s = (struct inlay_sent_slot){.pn = pn, .frames = frames, .fate = (__u8)fate};
}

bool inlay_sentlog_publish(struct inlay_sentlog *l, __u64 pn, const struct inlay_sent *e,
			   __u32 frames)
{
	struct inlay_sent *entry = &l->log[pn & (l->size - 1)];
	__u64 old = inlay_load_u64(&entry->pn_state);
	__u32 flags_and_pad = 0;

	if (INLAY_SENT_WORD_STATE(old) != INLAY_SENT_EMPTY && INLAY_SENT_WORD_PN(old) == pn) {
		inlay_sentlog_frames_free(l, frames);
		return false;
	}
	entry->stream = e->stream;
	entry->time_us = e->time_us;
	entry->offset = (e->flags & INLAY_SENT_LOCAL) ? frames : e->offset;
	entry->payload_len = e->payload_len;
	entry->packet_size = e->packet_size;
	/* Both in one: who drops a copy late may be looking at the word. */
	memcpy(&flags_and_pad, &e->flags, sizeof(e->flags));
	inlay_store_u32((__u32 *)(void *)&entry->flags, flags_and_pad);
	if (!inlay_cas_u64(&entry->pn_state, old, INLAY_SENT_WORD(pn, INLAY_SENT_SENT))) {
		inlay_sentlog_frames_free(l, frames);
		return false;
	}
	claim_slot(l, pn, frames,
		   e->flags & INLAY_SENT_NOT_IN_FLIGHT ? INLAY_FATE_QUIET : INLAY_FATE_OPEN);
	return true;
}

/* False: its taker published it first. */
static bool void_number(struct inlay_sentlog *l, __u64 pn)
{
	__u64 *word = word_of(l, pn), old = inlay_load_u64(word);

	if (INLAY_SENT_WORD_STATE(old) != INLAY_SENT_EMPTY && INLAY_SENT_WORD_PN(old) == pn)
		return false;
	if (!inlay_cas_u64(word, old, INLAY_SENT_WORD(pn, INLAY_SENT_VOID)))
		return false;
	claim_slot(l, pn, 0, INLAY_FATE_VOID);
	return true;
}

void inlay_sentlog_skip(struct inlay_sentlog *l)
{
	void_number(l, inlay_sentlog_take(l));
}

int inlay_sentlog_skip_to(struct inlay_sentlog *l, __u64 pn)
{
	if (pn >= base(l) - CONCURRENCY_PNS)
		return -ENOSPC;
	/* One at a time: a forwarder may take numbers in between. */
	while (inlay_load_u64(&l->entry->next_pn) < pn)
		inlay_sentlog_skip(l);
	return 0;
}

/* --- What became of it --- */

enum inlay_sent_fate inlay_sentlog_fate(const struct inlay_sentlog *l, __u64 pn)
{
	const struct inlay_sent_slot *s = slot_of(l, pn);
	enum inlay_sent_fate fate;

	if (pn >= inlay_load_u64(&l->entry->next_pn) || pn < l->first)
		return INLAY_FATE_NOT_TAKEN;
	if (pn < inlay_sentlog_lowest(l) || is_given(l, pn))
		return INLAY_FATE_UNKNOWN;
	if (s->pn == pn)
		return s->fate;
	fate = inlay_sentlog_fate_of(l, pn);
	return fate == INLAY_FATE_TAKEN && pn < l->oldest ? INLAY_FATE_UNKNOWN : fate;
}

const struct inlay_sent_frame *inlay_sentlog_frames(const struct inlay_sentlog *l, __u64 pn)
{
	const struct inlay_sent_slot *s = slot_of(l, pn);

	return s->pn == pn && s->frames ? &l->pool[s->frames - 1] : NULL;
}

const struct inlay_sent_frame *inlay_sentlog_frame_next(const struct inlay_sentlog *l,
							const struct inlay_sent_frame *f)
{
	return f->next ? &l->pool[f->next - 1] : NULL;
}

static __u64 *odd_word(struct inlay_sentlog *l, __u64 pn)
{
	return &l->odd[pn / 64 % (INLAY_LOOK_BACK / 64)];
}

static void set_odd(struct inlay_sentlog *l, __u64 pn, bool odd)
{
	__u64 bit = 1ULL << (pn % 64);

	*odd_word(l, pn) = (*odd_word(l, pn) & ~bit) | (odd ? bit : 0);
}

void inlay_sentlog_resolve(struct inlay_sentlog *l, __u64 pn, enum inlay_sent_fate fate)
{
	struct inlay_sent_slot *s = slot_of(l, pn);

	if (inlay_sentlog_fate(l, pn) == INLAY_FATE_OPEN)
		l->resolved_bytes += inlay_sentlog_entry(l, pn)->packet_size;
	/* A slot that is another number's belongs to a packet that a forwarder wrote over. */
	if (fate == INLAY_FATE_LOST && s->pn == pn) {
		s->fate = (__u8)fate;
		return;
	}
	inlay_sentlog_frames_free(l, s->frames);
	*s = (struct inlay_sent_slot){.pn = pn, .fate = (__u8)fate};
	if (pn < l->oldest && l->oldest - pn <= INLAY_LOOK_BACK)
		set_odd(l, pn, fate != INLAY_FATE_ACKED);
}

bool inlay_sentlog_odd(const struct inlay_sentlog *l, __u64 begin, __u64 end, __u64 *ret_pn)
{
	__u64 lowest = l->oldest > INLAY_LOOK_BACK ? l->oldest - INLAY_LOOK_BACK : 0, pn, word;

	if (begin < lowest)
		begin = lowest;
	for (pn = end; pn > begin; pn = (pn - 1) & ~63ULL) {
		/* The bits of the word that pn - 1 is in, up to that one. */
		word = l->odd[(pn - 1) / 64 % (INLAY_LOOK_BACK / 64)] << (63 - (pn - 1) % 64);
		if (!word)
			continue;
		*ret_pn = pn - 1 - (__u64)__builtin_clzll(word);
		return *ret_pn >= begin;
	}
	return false;
}

static bool is_resolved(enum inlay_sent_fate fate)
{
	return fate != INLAY_FATE_OPEN && fate != INLAY_FATE_TAKEN;
}

static void give_up(struct inlay_sentlog *l, __u64 pn)
{
	l->in_doubt = true;
	if (l->state && pn < l->guard)
		l->guard = pn;
}

/* A number was taken and nothing was published: its taker is late, or gone. */
static void give_up_holes(struct inlay_sentlog *l, inlay_ns grace, inlay_ns now)
{
	__u64 pn;

	if (l->hole_since == INLAY_NEVER || l->hole_end <= l->oldest) {
		l->hole_since = now;
		l->hole_end = inlay_load_u64(&l->entry->next_pn);
		return;
	}
	if (now - l->hole_since < grace)
		return;
	for (pn = l->oldest; pn < l->hole_end; pn++)
		if (inlay_sentlog_fate(l, pn) == INLAY_FATE_TAKEN && void_number(l, pn))
			give_up(l, pn);
	if (l->state && l->guard != NO_PN)
		inlay_state_moment(l->state, &l->given_up);
	l->hole_since = INLAY_NEVER;
}

/* The first number from |oldest| on, below |next|, that is not ACKED. */
static __u64 acked_up_to(const struct inlay_sentlog *l, __u64 next)
{
	const struct inlay_sent_slot *slots = l->slots;
	__u64 mask = l->size - 1, pn = l->oldest;

	while (pn < next && slots[pn & mask].pn == pn && slots[pn & mask].fate == INLAY_FATE_ACKED)
		pn++;
	return pn;
}

/* What stands in the word of every 64th number is INLAY_LOOK_BACK numbers ago. */
static void skip_to(struct inlay_sentlog *l, __u64 pn)
{
	__u64 word = (l->oldest + 63) & ~63ULL;

	for (; word < pn; word += 64)
		*odd_word(l, word) = 0;
	l->oldest = pn;
}

void inlay_sentlog_skip_resolved(struct inlay_sentlog *l)
{
	__u64 next = inlay_load_u64(&l->entry->next_pn);

	for (;;) {
		skip_to(l, acked_up_to(l, next));
		if (l->oldest >= next || !is_resolved(inlay_sentlog_fate_of(l, l->oldest)))
			return;
		skip_to(l, l->oldest + 1);
		set_odd(l, l->oldest - 1, true);
	}
}

void inlay_sentlog_advance(struct inlay_sentlog *l, inlay_ns grace, inlay_ns now)
{
	if (l->guard != NO_PN && inlay_state_is_quiet(l->state, &l->given_up))
		l->guard = NO_PN;
	inlay_sentlog_skip_resolved(l);
	if (inlay_sentlog_fate(l, l->oldest) == INLAY_FATE_TAKEN) {
		give_up_holes(l, grace, now);
		inlay_sentlog_skip_resolved(l);
	} else {
		l->hole_since = INLAY_NEVER;
	}
	set_limit(l);
}

__u64 inlay_sentlog_recount(const struct inlay_sentlog *l, __u64 *ret_taken)
{
	__u64 next = inlay_load_u64(&l->entry->next_pn), bytes = 0, pn;

	*ret_taken = 0;
	for (pn = l->oldest; pn < next; pn++) {
		enum inlay_sent_fate fate = inlay_sentlog_fate(l, pn);

		if (fate == INLAY_FATE_OPEN)
			bytes += inlay_sentlog_entry(l, pn)->packet_size;
		*ret_taken += fate == INLAY_FATE_TAKEN;
	}
	return bytes;
}

static bool is_at_rest(const struct inlay_moment *m)
{
	for (int i = 0; i < INLAY_CONTEXTS; i++)
		if (m->epochs[i] & 1)
			return false;
	return true;
}

bool inlay_sentlog_reconcile(struct inlay_sentlog *l, const __u64 *flow_charged)
{
	struct inlay_moment before = {0}, after = {0};
	__u64 taken, open, flow;

	if (l->state)
		inlay_state_moment(l->state, &before);
	if (!is_at_rest(&before))
		return false;
	open = inlay_sentlog_recount(l, &taken);
	open = inlay_sentlog_in_flight(l) - open;
	flow = inlay_load_u64(&l->entry->flow_bytes) - *flow_charged;
	if (l->state)
		inlay_state_moment(l->state, &after);
	/* Whoever came meanwhile may have charged something that he is still to publish. */
	if (taken > 0 || memcmp(&before, &after, sizeof(before)))
		return false;
	l->resolved_bytes += open;
	inlay_fetch_add_u64(&l->entry->flow_bytes, -flow);
	l->in_doubt = false;
	return true;
}
