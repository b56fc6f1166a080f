/* SPDX-License-Identifier: BSD-2-Clause */
/* Every copy, as it comes out, in the thread of the forwarder that made it. */
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "inlay_quic_frame.h"
#include "race.h"

void race_fail_(struct race *r, const char *what, const char *file, int line)
{
	if (__atomic_fetch_add(&r->failures, 1, __ATOMIC_SEQ_CST) == 0 && !r->is_silent)
		fprintf(stderr, "seed %llu: %s:%d: not so: %s\n", (unsigned long long)r->seed, file,
			line, what);
}

static __u32 be32(const __u8 *p)
{
	return (__u32)p[0] << 24 | (__u32)p[1] << 16 | (__u32)p[2] << 8 | p[3];
}

/* One pattern from the first byte of the CID to its last, whose length goes with it. */
static void check_header(struct race *r, const struct inlay_copy *copy)
{
	const __u8 *h = copy->head + copy->quic_at;
	__u32 cid_len = copy->quic_len - 1 - INLAY_TX_PN;

	race_expect(r, cid_len == 4U + h[1] % 16);
	for (__u32 i = 2; i < 1 + cid_len; i++)
		race_expect(r, h[i] == h[1]);
	race_expect(r, be32(h + 1 + cid_len) == (__u32)copy->pn);
}

/* Whose alias it is: a position that is served. */
static void check_alias(struct race *r, const __u8 *at)
{
	__u32 alias = be32(at) & INLAY_ALIAS_MAX;

	race_expect(r, at[0] >> 4 == 0xe);
	race_expect(r, alias > 0 && alias < RACE_SEATS);
	if (alias < RACE_SEATS)
		race_expect(r, !inlay_load_u32(&r->seat_dead[alias]));
}

static void check_stream(struct race *r, struct race_life *life, const struct inlay_copy *copy,
			 const __u8 *p)
{
	__u32 number = be32(p + 1) << 1 >> 3, head = 5;
	__u64 offset = 0, end, up;
	struct race_stream *s;

	race_expect(r, number < RACE_STREAMS && (p[4] & 3) == 3);
	race_expect(r, number < inlay_load_u64(&life->streams_granted));
	s = &life->streams[number & (RACE_STREAMS - 1)];
	race_expect(r, !inlay_load_u32(&s->closed));
	if (p[0] & INLAY_QUIC_STREAM_OFF) {
		head = 13;
		offset = (__u64)(be32(p + 5) & 0x3fffffff) << 32 | be32(p + 9);
		up = offset + r->header_len - r->prefix_len;
	} else {
		check_alias(r, p + 6);
		race_expect(r, s->tag == 0);
		s->tag = copy->payload[2];
		up = r->header_len;
	}
	race_expect(r, copy->quic_at + copy->quic_len + head + (offset ? 0 : r->prefix_len) ==
			       copy->head_len);
	for (__u32 i = 0; i < copy->payload_len; i++)
		race_expect(r, copy->payload[i] == race_byte(r, s->tag, up + i));
	end = up + copy->payload_len + r->prefix_len - r->header_len;
	race_expect(r, offset >= s->highest);
	race_expect(r, end <= inlay_load_u64(&s->granted));
	inlay_fetch_add_u64(&life->flow, end - s->highest);
	s->highest = end;
	race_expect(r, inlay_load_u64(&life->flow) <= inlay_load_u64(&life->flow_granted));
}

static void check_datagram(struct race *r, const struct inlay_copy *copy, const __u8 *p)
{
	__u32 seat = be32(p + 2) & INLAY_ALIAS_MAX & (RACE_SEATS - 1);
	__u64 pn, bit;

	check_alias(r, p + 2);
	race_expect(r, copy->payload_len == 16);
	for (__u32 i = 9; i < copy->payload_len; i++)
		race_expect(r, copy->payload[i] == copy->payload[8]);
	memcpy(&pn, copy->payload, sizeof(pn));
	race_expect(r, pn < RACE_PACKETS);
	bit = 1ULL << (pn & 63);
	/* To nobody twice, however often its packet came. */
	race_expect(r, !(__atomic_fetch_or(&r->datagrams[seat][pn / 64 % (RACE_PACKETS / 64)], bit,
					   __ATOMIC_SEQ_CST) &
			 bit));
}

/* Published, and never before: under this key the number is used once. */
static void check_number(struct race *r, struct race_life *life, const struct inlay_copy *copy)
{
	__u64 word = inlay_load_u64(&copy->sent->pn_state), bit = 1ULL << (copy->pn & 63);

	/* It may have been acknowledged, and its place used again. */
	race_expect(r, INLAY_SENT_WORD_PN(word) >= copy->pn);
	race_expect(r, INLAY_SENT_WORD_PN(word) != copy->pn ||
			       INLAY_SENT_WORD_STATE(word) == INLAY_SENT_SENT);
	race_expect(r, copy->pn < RACE_PNS);
	race_expect(r, !(__atomic_fetch_or(&life->seen[copy->pn / 64 % (RACE_PNS / 64)], bit,
					   __ATOMIC_SEQ_CST) &
			 bit));
}

void race_sink_take(void *user, const struct inlay_copy *copy)
{
	struct race_thread *t = user;
	struct race *r = t->race;
	struct race_life *life = &r->lives[copy->sa % RACE_LIVES];
	const __u8 *frame = copy->head + copy->quic_at + copy->quic_len;
	__u32 size = copy->head_len - copy->quic_at + copy->payload_len + INLAY_TAG;
	__u64 bytes;

	t->copies++;
	race_expect(r, copy->sa > 0 && copy->sa < RACE_LIVES);
	race_expect(r, !inlay_load_u32(&life->dead));
	race_expect(r, copy->sent - r->t->logs >= (ptrdiff_t)life->subscriber * r->t->log_stride &&
			       copy->sent - r->t->logs <
				       (ptrdiff_t)(life->subscriber + 1) * r->t->log_stride);
	check_number(r, life, copy);
	check_header(r, copy);
	bytes = inlay_fetch_add_u64(&life->bytes, size) + size;
	race_expect(r, bytes <= inlay_load_u64(&life->bytes_granted));
	if ((frame[0] & ~1) == INLAY_QUIC_DATAGRAM)
		check_datagram(r, copy, frame);
	else
		check_stream(r, life, copy, frame);
	if (race_chance(&t->rng, 3))
		inlay_copy_dropped(copy->sent, copy->pn);
	if (race_chance(&t->rng, 10))
		sched_yield();
}
