/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The shared state as the kernel's program has it: one array map a table, which userspace maps into
 * its memory, and where state.h has its sizes, constants that are set before the program is loaded.
 * A copy that was published is noted down, and leaves when the packet has been gone through
 * (forward.bpf.c): what sends it takes the packet's socket buffer, which no stage is handed.
 */
#ifndef INLAY_FORWARD_TABLES_BPF_H
#define INLAY_FORWARD_TABLES_BPF_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "inlay_sent.h"
#include "inlay_sizes.h"

/* A function that the verifier goes through once, whoever calls it: not static, it returns a
 * number, and its pointers are to what BTF knows the size of. Weak, lest the compiler leave out an
 * argument that it does not use: the verifier wants them all. */
#define INLAY_STAGE __attribute__((noinline, weak))
/* It has to ask: its callers are not looked at. */
#define INLAY_GIVEN(p) ((p) != NULL)

/* Those of inlay_state_config's defaults. */
const volatile struct inlay_sizes inlay_sizes = {
	.n_sas = 2048,
	.n_subscribers = 1024,
	.n_upstreams = 64,
	.journal_size = 1024,
	.n_tracks = 256,
	.n_slots = 256,
	.log_stride = 2048 + 2,
	.first_owner = INLAY_CONTEXTS + 1,
};

#define INLAY_TABLE(map, struct_name, n)                                                           \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_ARRAY);                                                  \
		__uint(map_flags, BPF_F_MMAPABLE);                                                 \
		__uint(max_entries, n);                                                            \
		__type(key, __u32);                                                                \
		__type(value, struct struct_name);                                                 \
	} map SEC(".maps")

INLAY_TABLE(inlay_sas, inlay_rx_sa, 2048);
INLAY_TABLE(inlay_subscribers, inlay_subscriber, 1024);
INLAY_TABLE(inlay_logs, inlay_sent, 1024 * (2048 + 2));
INLAY_TABLE(inlay_upstreams, inlay_upstream, 64);
INLAY_TABLE(inlay_journals, inlay_journal, 64 * 1024);
INLAY_TABLE(inlay_tracks, inlay_track, 256);
INLAY_TABLE(inlay_positions, inlay_position, 256 * INLAY_POSITIONS);
INLAY_TABLE(inlay_slots, inlay_slot, 256);
INLAY_TABLE(inlay_legs, inlay_leg, 256 * INLAY_POSITIONS);

/* A copy that was published. */
struct inlay_out {
	__u8 head[INLAY_HEAD_MAX]; /* its last |head_len| bytes */
	__u64 pn;
	__u32 log; /* index into inlay_logs */
	__u32 sa;
	__u16 sa_generation;
	__u16 port;
	__u16 payload_at;
	__u16 payload_len;
	__u8 head_len;
	__u8 quic_len;
	__u8 quic_at;
	__u8 l2_len;
	__u8 ip_len;
	__u8 ecn;
	__u8 pad[2];
};
_Static_assert(sizeof(struct inlay_out) % 8 == 0, "copied word by word");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, INLAY_OUT_MAX); /* for each CPU: the loader multiplies */
	__type(key, __u32);
	__type(value, struct inlay_out);
} inlay_outs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct inlay_work);
} inlay_scratch SEC(".maps");

#define INLAY_COUNTS 128 /* a power of two, for the mask */
_Static_assert(INLAY_N_REASONS <= INLAY_COUNTS, "every reason has a counter");

/* By enum inlay_reason. */
struct inlay_counts {
	__u64 count[INLAY_COUNTS];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct inlay_counts);
} inlay_reasons SEC(".maps");

INLAY_INLINE void *inlay_entry(void *map, __u64 i)
{
	__u32 key = (__u32)i;

	return bpf_map_lookup_elem(map, &key);
}

INLAY_INLINE struct inlay_rx_sa *inlay_rx_sa_at(const struct inlay_work *w, __u32 number)
{
	return inlay_entry(&inlay_sas, number & (inlay_sizes.n_sas - 1));
}

INLAY_INLINE struct inlay_upstream *inlay_upstream_at(const struct inlay_work *w)
{
	return inlay_entry(&inlay_upstreams, w->upstream);
}

INLAY_INLINE struct inlay_journal *inlay_journal_at(const struct inlay_work *w,
						    const struct inlay_upstream *up)
{
	__u32 i = w->pn & up->journal_mask & (inlay_sizes.journal_size - 1);

	return inlay_entry(&inlay_journals, w->upstream * inlay_sizes.journal_size + i);
}

INLAY_INLINE struct inlay_track *inlay_track_at(const struct inlay_work *w)
{
	return inlay_entry(&inlay_tracks, w->track);
}

INLAY_INLINE struct inlay_position *inlay_position_at(const struct inlay_work *w, __u32 i)
{
	return inlay_entry(&inlay_positions,
			   w->track * INLAY_POSITIONS + (i & (INLAY_POSITIONS - 1)));
}

INLAY_INLINE struct inlay_slot *inlay_slot_at(const struct inlay_work *w, __u32 i)
{
	return inlay_entry(&inlay_slots, i);
}

INLAY_INLINE __u32 inlay_slot_count(const struct inlay_work *w)
{
	return inlay_sizes.n_slots;
}

INLAY_INLINE struct inlay_leg *inlay_leg_at(const struct inlay_work *w, __u32 slot, __u32 i)
{
	return inlay_entry(&inlay_legs, slot * INLAY_POSITIONS + (i & (INLAY_POSITIONS - 1)));
}

INLAY_INLINE struct inlay_subscriber *inlay_subscriber_at(const struct inlay_work *w, __u32 i)
{
	return inlay_entry(&inlay_subscribers, i);
}

INLAY_INLINE __u32 inlay_sent_index(__u32 i, __u32 log_mask, __u64 pn)
{
	__u32 at = pn & log_mask;

	return at < inlay_sizes.log_stride ? i * inlay_sizes.log_stride + at : ~0U;
}

/* |i|: of the subscriber whose entry |s| is. */
INLAY_INLINE struct inlay_sent *inlay_sent_at(struct inlay_work *w, __u32 i,
					      const struct inlay_subscriber *s, __u64 pn)
{
	w->log = inlay_sent_index(i, s->log_mask, pn);
	return inlay_entry(&inlay_logs, w->log);
}

/* Quiescence (rule 7) is an RCU grace period here, which the kernel keeps track of. */
INLAY_INLINE void inlay_work_enter(const struct inlay_work *w)
{
}

INLAY_INLINE void inlay_work_leave(const struct inlay_work *w)
{
}

INLAY_INLINE __u32 inlay_work_owner(const struct inlay_work *w)
{
	return inlay_sizes.first_owner + bpf_get_smp_processor_id();
}

/* |len| bytes of the packet from |at|; fewer where it ends before. */
INLAY_INLINE struct inlay_cursor inlay_work_bytes(const struct inlay_work *w, __u32 at, __u32 len)
{
	if (at > w->packet_len)
		at = w->packet_len;
	if (len > w->packet_len - at)
		len = w->packet_len - at;
	return inlay_cursor_of(w->bytes + (at & INLAY_CURSOR_MASK), len);
}

INLAY_INLINE void inlay_work_count(const struct inlay_work *w, __u32 reason)
{
#if INLAY_CAP_COUNTERS
	struct inlay_counts *c = inlay_entry(&inlay_reasons, 0);

	if (c)
		c->count[reason & (INLAY_COUNTS - 1)]++;
#endif
}

INLAY_INLINE __u8 *inlay_work_head(struct inlay_work *w)
{
	return w->head;
}

INLAY_INLINE void inlay_work_ahead(const struct inlay_work *w, __u32 i, __u32 n)
{
}

INLAY_INLINE void inlay_sent_ahead(const struct inlay_work *w, __u32 i,
				   const struct inlay_subscriber *s, __u64 pn)
{
}

/* The copy whose head is the first |len| bytes of w->head, published as |sent|. */
INLAY_INLINE void inlay_work_emit(struct inlay_work *w, const struct inlay_subscriber *s,
				  const struct inlay_headers *h, struct inlay_sent *sent, __u64 pn,
				  __u32 len, __u32 quic_at)
{
	/* What stands before the head in |w| comes along: so the head ends where |o->head| does,
	 * and goes before the payload in words of eight, whatever its length. */
	const __u8 *head = w->head + (len & 255) - INLAY_HEAD_MAX;
	struct inlay_out *o;
	__u32 i;

	o = w->n_out < INLAY_OUT_MAX ? inlay_entry(&inlay_outs, w->first_out + w->n_out) : NULL;
	if (!o) {
		inlay_work_count(w, INLAY_REASON_COPY_DROPPED);
		inlay_sent_drop(sent, pn);
		return;
	}
	w->n_out++;
	for (i = 0; i < INLAY_HEAD_MAX / 8; i++)
		((__u64 *)o->head)[i] = ((const __u64 *)head)[i];
	o->pn = pn;
	o->log = w->log;
	o->sa = s->sa;
	o->sa_generation = s->sa_generation;
	o->port = h->port;
	o->payload_at = (__u16)w->payload_at;
	o->payload_len = (__u16)w->payload_len;
	o->head_len = (__u8)len;
	o->quic_len = h->quic_len;
	o->quic_at = (__u8)quic_at;
	o->l2_len = h->l2_len;
	o->ip_len = h->ip_len;
	o->ecn = inlay_load_u32(&s->ecn) & 3;
}

#define INLAY_WORK_LOOP(w, n, f)                                                                   \
	do {                                                                                       \
		struct inlay_work *w_ = (w);                                                       \
                                                                                                   \
		bpf_loop((n), f##_step, &w_, 0);                                                   \
	} while (0)

#define INLAY_WORK_STEP(f)                                                                         \
	static long f##_step(__u32 i, struct inlay_work **w)                                       \
	{                                                                                          \
		return f(*w, i) != 0;                                                              \
	}

#endif
