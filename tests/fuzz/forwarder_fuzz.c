/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any packets, opened already, against a forwarder with a few positions, while the control plane
 * recalls, offers and limits as it likes. Each subscriber is a receiver that trusts nothing: every
 * packet number once, one frame a packet, bytes that are the publisher's, no limit exceeded,
 * nothing twice, nothing behind a FIN, and no object that the control plane would call malformed.
 *
 * The input: positions, credit; then records {kind, length (16 bits), bytes}.
 */
#include <stdlib.h>
#include <string.h>

#include "inlay_moq_properties.h"
#include "inlay_quic_write.h"
#include "state.h"
#include "vector.h"

int LLVMFuzzerTestOneInput(const __u8 *data, size_t len);

#define CHECK(x)                                                                                   \
	do {                                                                                       \
		if (!(x))                                                                          \
			abort();                                                                   \
	} while (0)

#define STREAMS 64   /* of one subscriber: no more may be opened */
#define BYTES	4096 /* of one stream, that are looked at */

enum kind {
	PACKET,	  /* frames */
	NUMBERED, /* the same, behind a byte: how far from the number expected */
	CONTROL,  /* what, which, 16 bits */
	N_KINDS,
};

enum control {
	RECALL, /* a leg of a slot */
	OFFER,	/* one that is detached, at the slot's highest offset */
	VOID,	/* a subscriber's next number */
	FLOW,	/* limits: raised */
	STREAM_COUNT,
	STREAM_DATA,
	WINDOW, /* set anew: may fall */
	LOG,
	OFF, /* a position */
	ARM,
	FILTER,
	MARK,
	N_CONTROLS,
};

/* One stream as its receiver has it. */
struct received {
	__u64 end; /* highest offset */
	__u64 contiguous;
	__u64 shift; /* its offsets less the publisher's */
	bool fin, begun;
	__u8 bytes[BYTES];
};

struct receiver {
	__u64 numbers[16]; /* bitmap of packet numbers */
	__u64 size, flow;
	struct received streams[STREAMS];
};

static struct inlay_state *st;
static const struct inlay_tables *t;
static struct inlay_forwarder f;
static struct receiver receivers[VECTOR_SUBSCRIBERS];
static __u8 packet[INLAY_FRAME_MAX];
static size_t packet_len;
static __u32 positions;
static __u64 highest[VECTOR_SLOTS];
static __u64 slot_stream[VECTOR_SLOTS];

/* --- Receivers ------------------------------------------------------------------------------- */

static void check_properties(const struct inlay_moq_subgroup *h, const struct inlay_moq_object *o)
{
	struct inlay_moq_pairs p;

	if (o->properties_len == 0)
		return;
	inlay_moq18_pairs_begin(&p, NULL, inlay_cursor_of(o->properties, o->properties_len),
				h->group, o->id);
	while (inlay_moq18_pairs_next(&p, NULL))
		;
	CHECK(inlay_moq18_pairs_end(&p, NULL) == INLAY_MOQ_OK);
}

/* As the control plane takes a stream's objects apart. |at| is where its bytes end so far. */
static void check_objects(const struct received *r)
{
	size_t n = r->contiguous < BYTES ? r->contiguous : BYTES;
	struct inlay_cursor c = inlay_cursor_of(r->bytes, n);
	struct inlay_moq_object o = {0};
	struct inlay_moq_subgroup h;
	enum inlay_moq_verdict v;
	bool first = true;

	CHECK(inlay_moq18_subgroup_parse(&c, &h) == INLAY_MOQ_OK);
	CHECK(h.alias >= 500 && h.alias < 500 + VECTOR_SUBSCRIBERS);
	while (inlay_cursor_left(&c) > 0) {
		CHECK(o.status == INLAY_MOQ_STATUS_NORMAL);
		v = inlay_moq18_object_parse(&c, &h, first, o.id, &o);
		if (v == INLAY_MOQ_MORE)
			return;
		CHECK(v == INLAY_MOQ_OK);
		check_properties(&h, &o);
		first = false;
		if (!inlay_cursor_skip(&c, o.payload_len)) {
			/* Cut within a payload: no place for a FIN. */
			CHECK(!r->fin || r->contiguous < r->end || r->end > BYTES);
			return;
		}
	}
}

/* The bytes that copies share are content of one of the packet's frames, up to its end, whose
 * offset, of a stream's, is |*ret_end|. */
static void check_payload(const struct inlay_copy *copy, __u64 *ret_end)
{
	struct inlay_cursor c = inlay_cursor_of(packet, packet_len - INLAY_TAG);
	struct inlay_quic_frame frame;
	const __u8 *end;
	bool found = false;

	CHECK(inlay_cursor_skip(&c, 13));
	while (inlay_cursor_left(&c) > 0) {
		CHECK(inlay_quic_frame_parse(&c, &frame) == INLAY_QUIC_NO_ERROR);
		if (frame.type == INLAY_QUIC_STREAM && (frame.stream.id & 3) == 2)
			end = frame.stream.data + frame.stream.len;
		else if (frame.type == INLAY_QUIC_DATAGRAM)
			end = frame.bytes.data + frame.bytes.len;
		else
			continue;
		if (found || end != copy->payload + copy->payload_len)
			continue;
		found = true;
		*ret_end = frame.stream.offset + frame.stream.len;
	}
	CHECK(found);
}

/* New bytes are a forwarder's only on a leg that is attached. */
static void check_leg(__u32 i, __u64 number)
{
	for (__u32 slot = 0; slot < VECTOR_SLOTS; slot++) {
		const struct inlay_leg *leg = &t->legs[slot * INLAY_POSITIONS + i];

		if (leg->state == INLAY_LEG_ATTACHED && leg->stream == number)
			return;
	}
	CHECK(!"an attached leg");
}

static void take_stream(struct receiver *r, const struct inlay_quic_stream *s,
			const struct inlay_subscriber *sub, __u64 upstream_end)
{
	__u64 number = s->id >> 2, end = s->offset + s->len;
	struct received *in = &r->streams[number % STREAMS];

	CHECK((s->id & 3) == 3 && number < sub->stream_limit);
	CHECK(s->offset >= in->end && !in->fin); /* nothing twice, nothing past the end */
	CHECK(s->len > 0 || s->fin);
	CHECK((s->offset == 0) == !in->begun);
	if (!in->begun)
		in->shift = end - upstream_end;
	CHECK(end - upstream_end == in->shift);
	r->flow += end - in->end;
	CHECK(r->flow <= sub->flow_limit);
	if (s->offset == in->contiguous && end <= BYTES) {
		memcpy(in->bytes + s->offset, s->data, s->len);
		in->contiguous = end;
	}
	in->begun = true;
	in->end = end;
	in->fin = s->fin;
	check_objects(in);
}

static void take_copy(void *user, const struct inlay_copy *copy)
{
	__u32 i = (__u32)((copy->sent - t->logs) / t->log_stride);
	const struct inlay_subscriber *s = &t->subscribers[i];
	struct receiver *r = &receivers[i];
	__u8 bytes[INLAY_FRAME_MAX];
	struct inlay_cursor c;
	struct inlay_quic_frame frame;
	__u64 word = INLAY_SENT_WORD(copy->pn, INLAY_SENT_SENT);
	__u32 len = copy->head_len + copy->payload_len;
	__u64 upstream_end;

	CHECK(i < positions && copy->sa == 100 + i && len <= sizeof(bytes));
	CHECK(copy->pn < s->pn_limit && copy->sent->pn_state == word);
	if (copy->pn < 1024) {
		CHECK(!(r->numbers[copy->pn / 64] & 1ULL << copy->pn % 64));
		r->numbers[copy->pn / 64] |= 1ULL << copy->pn % 64;
	}
	CHECK(copy->sent->packet_size == len + INLAY_TAG);
	CHECK(copy->sent->packet_size <= s->path_mtu && s->bytes_sent <= s->class_limit[1]);
	check_payload(copy, &upstream_end);
	memcpy(bytes, copy->head, copy->head_len);
	memcpy(bytes + copy->head_len, copy->payload, copy->payload_len);
	c = inlay_cursor_of(bytes, len);
	CHECK(inlay_cursor_skip(&c, copy->quic_len));
	CHECK(inlay_quic_frame_parse(&c, &frame) == INLAY_QUIC_NO_ERROR);
	CHECK(inlay_cursor_left(&c) == 0);
	r->size += copy->sent->packet_size;
	CHECK(r->size == s->bytes_sent);
	CHECK(frame.type == INLAY_QUIC_STREAM || frame.type == INLAY_QUIC_DATAGRAM);
	if (frame.type == INLAY_QUIC_STREAM) {
		check_leg(i, frame.stream.id >> 2);
		take_stream(r, &frame.stream, s, upstream_end);
	}
}

/* --- The control plane ------------------------------------------------------------------------ */

static void recall(struct inlay_leg *leg)
{
	(void)inlay_cas_u32(&leg->state, INLAY_LEG_ATTACHED, INLAY_LEG_DETACHED);
	(void)inlay_cas_u32(&leg->state, INLAY_LEG_OFFERED, INLAY_LEG_DETACHED);
}

/* What it has not sent itself is a gap; but the beginning, if that was voided, is its own. */
static void offer(const struct inlay_slot *slot, struct inlay_leg *leg, const struct receiver *r)
{
	if (leg->state != INLAY_LEG_DETACHED || slot->state != INLAY_SLOT_LIVE ||
	    !r->streams[leg->stream % STREAMS].begun)
		return;
	leg->attach = slot->highest;
	leg->state = INLAY_LEG_OFFERED;
}

static void control(__u8 what, __u8 which, __u16 value)
{
	struct inlay_subscriber *s = &t->subscribers[which % positions];
	struct inlay_position *p = &t->positions[which % positions];
	const struct inlay_slot *slot = &t->slots[value % VECTOR_SLOTS];
	struct inlay_leg *leg =
		&t->legs[value % VECTOR_SLOTS * INLAY_POSITIONS + which % positions];
	struct inlay_sent *next;

	switch (what % N_CONTROLS) {
	case RECALL:
		recall(leg);
		break;
	case OFFER:
		offer(slot, leg, &receivers[which % positions]);
		break;
	case VOID:
		next = &t->logs[(which % positions) * t->log_stride + (s->next_pn & s->log_mask)];
		next->pn_state = INLAY_SENT_WORD(s->next_pn, INLAY_SENT_VOID);
		break;
	case FLOW:
		s->flow_limit += value;
		break;
	case STREAM_COUNT:
		s->stream_limit += value % 8;
		if (s->stream_limit > STREAMS)
			s->stream_limit = STREAMS;
		break;
	case STREAM_DATA:
		s->initial_stream_limit += value;
		break;
	case WINDOW:
		s->class_limit[1] = value * 16ULL;
		break;
	case LOG:
		s->pn_limit = s->next_pn + value % VECTOR_LOG;
		break;
	case OFF:
		p->state = INLAY_POSITION_OFF;
		break;
	case ARM:
		p->state = INLAY_POSITION_ARMED;
		break;
	case FILTER:
		p->first_group = value % 16;
		break;
	default:
		t->upstreams[0].journal_mark += value % VECTOR_LOG;
	}
}

/* --- Packets --------------------------------------------------------------------------------- */

static void check_state(void)
{
	__u64 taken = 0;

	CHECK(t->upstreams[0].owner == 0 && !(t->contexts[0].epoch & 1));
	for (__u32 i = 0; i < VECTOR_SLOTS; i++) {
		const struct inlay_slot *s = &t->slots[i];

		CHECK(s->state != INLAY_SLOT_CLAIMED);
		CHECK(slot_stream[i] != s->stream || s->highest >= highest[i]);
		CHECK(s->final_size == ~0ULL || s->highest <= s->final_size);
		slot_stream[i] = s->stream;
		highest[i] = s->highest;
	}
	for (__u32 i = 0; i < positions; i++) {
		CHECK(t->subscribers[i].bytes_sent == receivers[i].size);
		CHECK(t->subscribers[i].flow_bytes == receivers[i].flow);
		taken += t->subscribers[i].next_pn;
	}
	/* No number is wasted. */
	CHECK(taken == f.copies + f.reasons.count[INLAY_REASON_NUMBER_VOIDED]);
}

static void run(const __u8 *frames, size_t len, __u64 pn)
{
	struct inlay_writer out = inlay_writer_of(packet, sizeof(packet));
	__u8 head[] = {0x43, 1, 2, 3, 4, 5, 6, 7, 8};

	if (len > 1400 || pn > INLAY_PN_MAX)
		return;
	CHECK(inlay_writer_bytes(&out, head, sizeof(head)) && inlay_writer_be32(&out, (__u32)pn) &&
	      inlay_writer_bytes(&out, frames, len) &&
	      inlay_quic_put_desc(&out, VECTOR_SA, VECTOR_SA_GEN, 0, 13, pn));
	packet_len = inlay_writer_len(&out);
	(void)inlay_forwarder_run(&f, packet, packet_len, VECTOR_TIME);
	check_state();
}

static void record(__u8 kind, struct inlay_cursor c, __u64 *pn)
{
	size_t len = inlay_cursor_left(&c);
	__u8 a, b;
	__u16 value;

	switch (kind % N_KINDS) {
	case PACKET:
		run(inlay_cursor_at(&c), len, ++*pn);
		break;
	case NUMBERED:
		if (!inlay_cursor_u8(&c, &a))
			return;
		*pn += (__u64)(__s64)(__s8)a;
		run(inlay_cursor_at(&c), len - 1, *pn);
		break;
	default:
		if (inlay_cursor_u8(&c, &a) && inlay_cursor_u8(&c, &b) &&
		    inlay_cursor_be16(&c, &value))
			control(a, b, value);
	}
}

static void set_up(__u8 n, __u8 credit)
{
	const struct vector scene = {.positions = n % 4 + 1};

	positions = scene.positions;
	vector_scene_set(t, &scene);
	memset(receivers, 0, sizeof(receivers));
	memset(highest, 0, sizeof(highest));
	memset(&f.reasons, 0, sizeof(f.reasons));
	f.copies = 0;
	for (__u32 i = 0; i < positions; i++) {
		struct inlay_subscriber *s = &t->subscribers[i];

		s->path_mtu = credit & 1 ? 60 : 1400;
		s->flow_limit = credit & 2 ? 40 : 1000000;
		s->initial_stream_limit = credit & 4 ? 30 : 1000000;
		s->stream_limit = credit & 8 ? 2 : STREAMS;
		s->class_limit[1] = credit & 16 ? 200 : 1000000;
		s->max_datagram = credit & 32 ? 20 : 65535;
	}
}

int LLVMFuzzerTestOneInput(const __u8 *data, size_t len)
{
	static const struct inlay_state_config config = VECTOR_STATE;
	struct inlay_cursor c = inlay_cursor_of(data, len), bytes;
	__u8 kind, n, credit;
	__u64 pn = ~0ULL;
	__u16 size;

	if (!st) {
		CHECK(inlay_state_new(&config, &st) == 0);
		t = inlay_state_tables(st);
		f.tables = t;
		f.emit = take_copy;
	}
	if (!inlay_cursor_u8(&c, &n) || !inlay_cursor_u8(&c, &credit))
		return 0;
	set_up(n, credit);
	while (inlay_cursor_u8(&c, &kind) && inlay_cursor_be16(&c, &size) &&
	       inlay_cursor_take(&c, size, &bytes))
		record(kind, bytes, &pn);
	return 0;
}
